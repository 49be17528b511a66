//! Whether a request is one that AWS knows: every name, type, enum and required member, by botocore's model of the service.
//!
//! moto takes nearly everything, and so would hide a misspelt or wrongly typed argument from the tests. Invariant: what is
//! not in the model is told. Refuses to know what AWS checks beyond its model: values that do not fit each other.

use super::call::Call;
use super::http::Request;
use super::model::{Models, Service, required};
use serde_json::Value;
use std::collections::BTreeMap;

/// The parameters of a query as a tree: `Filter.1.Value.1`.
#[derive(Debug, Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

/// What is wrong with a request; empty if nothing is.
pub(super) fn violations(request: &Request, call: &Call, models: &Models) -> Vec<String> {
    let Some(service) = models.of(&call.service) else {
        return vec![format!("`{}` is no service that the proxy knows", call.service)];
    };
    if call.service == "s3" {
        return super::rest::violations(request, call, service);
    }
    let mut found = envelope(request);
    found.extend(query(call, service));
    found
}

/// How a query has to come.
fn envelope(request: &Request) -> Vec<String> {
    let mut found = Vec::new();
    if request.method != "POST" || request.path() != "/" {
        found.push(format!("{} {} instead of POST /", request.method, request.path()));
    }
    let content = request.header("content-type").unwrap_or_default();
    if !content.starts_with("application/x-www-form-urlencoded") {
        found.push(format!("the content type `{content}` is not that of a form"));
    }
    found
}

/// What is wrong with the parameters of a call.
pub(super) fn query(call: &Call, service: &Service) -> Vec<String> {
    let operation = &call.operation;
    if service.operation(operation).is_none() {
        return vec![format!("{operation} is no operation of {}", call.service)];
    }
    let mut tree = Node::default();
    for (name, value) in &call.parameters {
        let at = name
            .split('.')
            .fold(&mut tree, |at, part| at.children.entry(part.to_owned()).or_default());
        at.value = Some(value.clone());
    }
    let mut found = Vec::new();
    let version = tree.children.remove("Version").and_then(|version| version.value);
    if version.as_deref() != Some(&service.version) {
        found.push(format!("Version is {version:?}, not {}", service.version));
    }
    let mut check = Check { service, is_ec2: call.service == "ec2", found: &mut found };
    check.structure(&tree, service.input(operation), "");
    let known = service.filters(operation);
    for (name, values) in call.filters() {
        let prefix = name.split(':').next().unwrap_or_default();
        if !known.is_empty() && !known.contains(name) && !known.contains(prefix) && prefix != "tag"
        {
            found.push(format!("`{name}` is no filter of it"));
        }
        if values.is_empty() {
            found.push(format!("the filter `{name}` has no values"));
        }
    }
    found.into_iter().map(|what| format!("{operation}: {what}")).collect()
}

struct Check<'c> {
    service: &'c Service,
    is_ec2: bool,
    found: &'c mut Vec<String>,
}

impl Check<'_> {
    fn tell(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at}: {what}"));
    }

    fn node(&mut self, node: &Node, shape: &Value, at: &str) {
        match shape["type"].as_str() {
            Some("structure") if node.value.is_none() => self.structure(node, shape, at),
            Some("list") if node.value.is_none() => self.list(node, shape, at),
            Some("structure" | "list" | "map") | None => {
                self.tell(at, "has a value, but is made of members");
            }
            Some(_) => match &node.value {
                Some(value) if node.children.is_empty() => {
                    let wrong = wrong_value(value, shape);
                    self.found.extend(wrong.map(|what| format!("{at}: {what}")));
                }
                _ => self.tell(at, "has members, but is a value"),
            },
        }
    }

    fn structure(&mut self, node: &Node, shape: &Value, at: &str) {
        let path =
            |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let mut missing = required(shape);
        let members: BTreeMap<String, (&String, &Value)> = shape["members"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, member)| (self.wire_name(name, member), (name, member)))
            .collect();
        for (wire, child) in &node.children {
            let Some((name, member)) = members.get(wire) else {
                self.tell(&path(wire), "no such member");
                continue;
            };
            missing.remove(name.as_str());
            let shape = self.service.shape(member["shape"].as_str().unwrap_or_default());
            self.node(child, shape, &path(wire));
        }
        for name in missing {
            self.tell(&path(name), "is required, and missing");
        }
    }

    fn list(&mut self, node: &Node, shape: &Value, at: &str) {
        let mut items = node;
        if !self.is_ec2 && shape["flattened"].as_bool() != Some(true) {
            let name = shape["member"]["locationName"].as_str().unwrap_or("member");
            match (node.children.get(name), node.children.len()) {
                (Some(inner), 1) => items = inner,
                _ => return self.tell(at, &format!("its items are not in `{name}`")),
            }
        }
        let count = items.children.len();
        let member = self.service.shape(shape["member"]["shape"].as_str().unwrap_or_default());
        for (number, child) in &items.children {
            let in_order = number.parse().is_ok_and(|number: usize| (1..=count).contains(&number));
            if in_order {
                self.node(child, member, &format!("{at}.{number}"));
            } else {
                self.tell(at, &format!("`{number}` is no number of its {count} items"));
            }
        }
        let wrong = out_of_range(length(count), shape);
        self.found.extend(wrong.map(|what| format!("{at}: {what} items")));
    }

    /// A member's name on the wire.
    fn wire_name(&self, name: &str, member: &Value) -> String {
        if let Some(name) = member["queryName"].as_str() {
            return name.to_owned();
        }
        let given = member["locationName"].as_str();
        match given {
            Some(given) if self.is_ec2 => {
                let mut characters = given.chars();
                let first = characters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(characters).collect()
            }
            Some(given) => given.to_owned(),
            None => name.to_owned(),
        }
    }
}

/// What is wrong with a value as text.
pub(super) fn wrong_value(value: &str, shape: &Value) -> Option<String> {
    let kind = shape["type"].as_str().unwrap_or_default();
    let is_right = match kind {
        "integer" => value.parse::<i32>().is_ok(),
        "long" => value.parse::<i64>().is_ok(),
        "float" | "double" => value.parse::<f64>().is_ok(),
        "boolean" => matches!(value, "true" | "false"),
        "timestamp" => is_timestamp(value),
        "blob" => is_base64(value),
        _ => true,
    };
    if !is_right {
        return Some(format!("`{value}` is no {kind}"));
    }
    let enumerated = shape["enum"].as_array();
    if enumerated.is_some_and(|values| !values.iter().any(|known| known == value)) {
        return Some(format!("`{value}` is none of the values that it may have"));
    }
    let size = match kind {
        "string" => length(value.chars().count()),
        "integer" | "long" | "float" | "double" => value.parse().unwrap_or_default(),
        _ => return None,
    };
    let unit = if kind == "string" { " characters" } else { "" };
    out_of_range(size, shape).map(|what| format!("{what}{unit}"))
}

/// A length as the ranges of a model are compared.
fn length(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn out_of_range(size: f64, shape: &Value) -> Option<String> {
    let below = shape["min"].as_f64().filter(|min| size < *min);
    let above = shape["max"].as_f64().filter(|max| size > *max);
    let least = below.map(|min| format!("{size} is less than {min}"));
    least.or_else(|| above.map(|max| format!("{size} is more than {max}")))
}

/// `2026-11-28T14:00:00Z`, with or without fractions of a second.
fn is_timestamp(value: &str) -> bool {
    let Some((date, time)) = value.split_once('T') else { return false };
    let digits = |text: &str, lengths: [usize; 3], separator| {
        let parts: Vec<_> = text.split(separator).collect();
        let right = |(part, length): (&&str, usize)| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        parts.len() == 3 && parts.iter().zip(lengths).all(right)
    };
    let Some(time) = time.strip_suffix('Z') else { return false };
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    digits(date, [4, 2, 2], '-') && digits(seconds, [2, 2, 2], ':') && is_fraction
}

fn is_base64(value: &str) -> bool {
    let text = value.trim_end_matches('=');
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    value.len().is_multiple_of(4) && value.len() - text.len() <= 2 && text.bytes().all(is_character)
}
