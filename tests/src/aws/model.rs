//! The services as botocore describes them: operations, shapes, and where the members of a request go.
//!
//! Invariant: what is said here is read from the model that is installed beside moto; nothing is known by heart.

use super::http::Request;
use super::moto;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

/// A service's model.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) version: String,
    operations: BTreeMap<String, Value>,
    shapes: BTreeMap<String, Value>,
}

/// The services that the proxy knows.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) ec2: Service,
    pub(super) s3: Service,
    pub(super) sts: Service,
    pub(super) sso: Service,
}

static MODELS: LazyLock<Result<Models, String>> = LazyLock::new(|| {
    let data = moto::models()?;
    Ok(Models {
        ec2: Service::read(&data.join("ec2/2016-11-15"))?,
        s3: Service::read(&data.join("s3/2006-03-01"))?,
        sts: Service::read(&data.join("sts/2011-06-15"))?,
        sso: Service::read(&data.join("sso/2019-06-10"))?,
    })
});

/// The models, read once.
pub(super) fn models() -> Result<&'static Models, String> {
    MODELS.as_ref().map_err(Clone::clone)
}

impl Service {
    fn read(directory: &Path) -> Result<Self, String> {
        let path = directory.join("service-2.json.gz");
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = std::fs::File::open(&path).map_err(|error| failed(&error))?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(|e| failed(&e))?;
        let model: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        let section = |name: &str| {
            let object = model[name].as_object().ok_or_else(|| failed(&format!("no {name}")))?;
            Ok::<_, String>(
                object.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            )
        };
        let version = model["metadata"]["apiVersion"].as_str().unwrap_or_default().to_owned();
        Ok(Self { version, operations: section("operations")?, shapes: section("shapes")? })
    }

    /// An operation.
    pub(super) fn operation(&self, name: &str) -> Option<&Value> {
        self.operations.get(name)
    }

    /// A shape; null where the model lacks it.
    pub(super) fn shape(&self, name: &str) -> &Value {
        self.shapes.get(name).unwrap_or(&Value::Null)
    }

    /// The shape of what an operation takes; null where it takes nothing.
    pub(super) fn input(&self, operation: &str) -> &Value {
        let name = self.operation(operation).and_then(|found| found["input"]["shape"].as_str());
        name.map_or(&Value::Null, |name| self.shape(name))
    }

    /// Whether an operation takes a token that makes it safe to send twice.
    pub(super) fn takes_token(&self, operation: &str) -> bool {
        self.input(operation)["members"].get("ClientToken").is_some()
    }

    /// Names of the filters that the documentation of an operation lists.
    pub(super) fn filters(&self, operation: &str) -> BTreeSet<String> {
        let members = self.input(operation)["members"].as_object();
        let filters = members.and_then(|all| all.get("Filters").or_else(|| all.get("Filter")));
        let text = filters.and_then(|member| member["documentation"].as_str()).unwrap_or_default();
        let name = |item: &str| item.split("</code>").next().map(str::to_owned);
        text.split("<li> <p> <code>").skip(1).filter_map(name).collect()
    }

    /// Which operation of S3 a request is: by method, path and query, then by which required members it has. Of two that
    /// look alike it is not the deprecated one, and not that of directory buckets, which have another endpoint.
    pub(super) fn operation_of(&self, request: &Request) -> Option<&str> {
        let mut best: Option<(usize, &str)> = None;
        for (name, operation) in &self.operations {
            if operation["deprecated"] == Value::Bool(true) {
                continue;
            }
            let score = self.score(operation, request);
            if let Some(score) = score.filter(|score| best.is_none_or(|(most, _)| *score > most)) {
                best = Some((score, name));
            }
        }
        best.map(|(_, name)| name)
    }

    /// How well a request fits an operation of S3; none if it does not.
    fn score(&self, operation: &Value, request: &Request) -> Option<usize> {
        let http = &operation["http"];
        if http["method"].as_str() != Some(&request.method) {
            return None;
        }
        let uri = http["requestUri"].as_str()?;
        let (path, literals) = uri.split_once('?').unwrap_or((uri, ""));
        let trimmed = request.path().trim_matches('/');
        let parts = if trimmed.is_empty() { 0 } else { trimmed.splitn(2, '/').count() };
        if path.trim_matches('/').split('/').filter(|part| !part.is_empty()).count() != parts {
            return None;
        }
        let query = request.query();
        let literals = super::http::pairs(literals);
        let has = |literal: &(String, String)| {
            query.iter().any(|(name, value)| {
                *name == literal.0 && (literal.1.is_empty() || *value == literal.1)
            })
        };
        if !literals.iter().all(has) {
            return None;
        }
        let shape = self.shape(operation["input"]["shape"].as_str().unwrap_or_default());
        let required = required(shape);
        let mut found = 0;
        for (name, member) in shape["members"].as_object().into_iter().flatten() {
            let place = member["locationName"].as_str().unwrap_or(name);
            let is_there = match member["location"].as_str() {
                Some("querystring") => query.iter().any(|(key, _)| key == place),
                Some("header") => request.header(place).is_some(),
                _ => continue,
            };
            match (is_there, required.contains(name.as_str())) {
                (false, true) => return None,
                (true, true) => found += 1,
                _ => {}
            }
        }
        Some(literals.len() * 4 + found)
    }
}

/// Members that a structure must have.
pub(super) fn required(shape: &Value) -> BTreeSet<&str> {
    shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
