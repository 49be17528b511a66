//! Reads a Terraform state file (format 4): records of the resource types that exist here.
//!
//! Source of the format: Terraform's `internal/states/statefile/version4.go`. Invariant: what cannot be taken is named,
//! never dropped in silence. Refuses to know: stores, providers beyond their schemas.

use model::record::Record;
use model::schema::{Mode, ProviderSchema, ResourceSchema};
use model::{Address, Diagnostic, Value};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What a file holds that can be recorded here.
#[derive(Debug, Default)]
pub struct Imported {
    /// The records.
    pub records: Vec<Record>,
    /// Objects of resource types that no provider here offers, by type.
    pub unknown: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    index_key: Option<Json>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    deposed: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Json>,
    #[serde(default)]
    sensitive_attributes: Vec<Json>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    create_before_destroy: bool,
}

/// Whether a text claims to be a Terraform state.
pub fn is_state(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        terraform_version: String,
    }
    serde_json::from_str::<Head>(text).is_ok_and(|head| !head.terraform_version.is_empty())
}

/// Reads a file.
pub fn read(
    text: &str,
    place: &str,
    schemas: &BTreeMap<String, ProviderSchema>,
) -> Result<Imported, Diagnostic> {
    let damaged = |why: String| Diagnostic::error("terraform-state", format!("{place}: {why}"));
    let file: File = serde_json::from_str(text)
        .map_err(|error| damaged(format!("it does not read: {error}")))?;
    if file.version != 4 {
        return Err(damaged(format!("it has format {}, and format 4 is read", file.version))
            .with_hint("`terraform state pull` with a current Terraform writes format 4"));
    }
    let mut imported = Imported::default();
    let mut addresses: BTreeMap<String, BTreeSet<Address>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for resource in file.resources.iter().filter(|resource| resource.mode == "managed") {
        let Some((provider, schema)) = offered(schemas, &resource.kind) else {
            *imported.unknown.entry(resource.kind.clone()).or_default() += resource.instances.len();
            continue;
        };
        for instance in resource.instances.iter().filter(|instance| instance.deposed.is_none()) {
            let record = record(resource, instance, provider, schema).map_err(damaged)?;
            let of_resource = addresses.entry(resource.block()).or_default();
            of_resource.insert(record.address.clone());
            imported.records.push(record);
            waiting.push(&instance.dependencies);
        }
    }
    // Terraform records dependencies by block; here they are exact, so all instances of the block are taken until
    // the next apply knows better.
    for (record, dependencies) in imported.records.iter_mut().zip(waiting) {
        let known = dependencies.iter().filter_map(|block| addresses.get(block)).flatten();
        record.dependencies =
            known.filter(|address| **address != record.address).cloned().collect();
    }
    Ok(imported)
}

fn offered<'a>(
    schemas: &'a BTreeMap<String, ProviderSchema>,
    kind: &str,
) -> Option<(&'a str, &'a ResourceSchema)> {
    let named =
        |schema: &'a ProviderSchema| Some((schema.name.as_str(), schema.resources.get(kind)?));
    schemas.values().find_map(named)
}

impl Resource {
    /// As `dependencies` name it.
    fn block(&self) -> String {
        match &self.module {
            // Keys of modules are left out there.
            Some(module) => format!("{}.{}.{}", without_keys(module), self.kind, self.name),
            None => format!("{}.{}", self.kind, self.name),
        }
    }
}

fn without_keys(module: &str) -> String {
    let mut depth = 0;
    let outside = |character: &char| {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => return depth == 0,
        }
        false
    };
    module.chars().filter(outside).collect()
}

fn record(
    resource: &Resource,
    instance: &Instance,
    provider: &str,
    schema: &ResourceSchema,
) -> Result<Record, String> {
    let module = resource.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
    let block = format!("{module}{}.{}", resource.kind, resource.name);
    let key = match &instance.index_key {
        None => String::new(),
        Some(Json::Number(index)) => format!("[{index}]"),
        Some(key) => {
            let key = key.as_str().ok_or_else(|| format!("the key of {block} is no text"))?;
            format!("[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\""))
        }
    };
    let text = format!("{block}{key}");
    let address = Address::parse(&text).map_err(|error| error.to_string())?;
    let id = instance.attributes.get("id").and_then(Json::as_str);
    let id = id.ok_or_else(|| format!("{address} has no id"))?.to_owned();
    Ok(Record {
        attributes: attributes(instance, schema, &address)?,
        address,
        provider: provider.to_owned(),
        id,
        dependencies: BTreeSet::new(),
        lifecycle: model::graph::Lifecycle {
            create_before_destroy: instance.create_before_destroy,
            ..model::graph::Lifecycle::default()
        },
        token: String::new(),
        generation: 1,
        revision: 0,
        tainted: instance.status.as_deref() == Some("tainted"),
    })
}

/// The attributes that the schema here knows, in its types, secrets marked.
fn attributes(
    instance: &Instance,
    schema: &ResourceSchema,
    address: &Address,
) -> Result<Value, String> {
    let secrets: BTreeSet<&str> = instance.sensitive_attributes.iter().filter_map(top).collect();
    let mut entries = Vec::new();
    for (name, attribute) in &schema.attributes {
        let json = instance.attributes.get(name).map_or(&Json::Null, dynamic);
        let value = match json {
            Json::Null => Value::null(attribute.ty.clone()),
            json => model::convert::convert(&Value::from_plain_json(json), &attribute.ty)
                .map_err(|error| format!("{address}.{name}: {error}"))?,
        };
        if value.is_null() && attribute.mode == Mode::Required {
            return Err(format!("{address} has no `{name}`, which its type here requires"));
        }
        let secret = attribute.sensitive || secrets.contains(name.as_str());
        entries.push((name.as_str(), if secret { value.into_sensitive() } else { value }));
    }
    Ok(Value::object(entries))
}

/// The first step of a path in `sensitive_attributes`.
fn top(path: &Json) -> Option<&str> {
    let step = path.as_array()?.first()?;
    step.get("value")?.as_str()
}

/// A value of a type that the schema leaves open is written with its type beside it.
fn dynamic(json: &Json) -> &Json {
    match json.as_object() {
        Some(members) if members.len() == 2 && members.contains_key("type") => {
            members.get("value").unwrap_or(json)
        }
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Type;
    use model::schema::Attribute;

    fn schemas() -> BTreeMap<String, ProviderSchema> {
        let attributes = BTreeMap::from([
            ("input".to_owned(), Attribute::optional(Type::Any, "")),
            ("id".to_owned(), Attribute::computed(Type::String, "")),
        ]);
        let resource = ResourceSchema { attributes, ..ResourceSchema::default() };
        let resources = BTreeMap::from([("terraform_data".to_owned(), resource)]);
        let schema =
            ProviderSchema { name: "terraform".to_owned(), resources, ..ProviderSchema::default() };
        BTreeMap::from([("terraform".to_owned(), schema)])
    }

    const STATE: &str = r#"{
      "version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "x", "outputs": {},
      "resources": [
        {"module": "module.a[\"k\"]", "mode": "managed", "type": "terraform_data", "name": "one",
         "provider": "provider[\"terraform.io/builtin/terraform\"]",
         "instances": [{"index_key": "b\"c", "schema_version": 0,
           "attributes": {"id": "1", "input": {"value": {"n": 1}, "type": ["object", {"n": "number"}]}},
           "sensitive_attributes": [[{"type": "get_attr", "value": "input"}]]}]},
        {"mode": "managed", "type": "terraform_data", "name": "two", "provider": "p",
         "instances": [{"index_key": 0, "status": "tainted", "attributes": {"id": "2", "input": null},
           "dependencies": ["module.a.terraform_data.one"]}]},
        {"mode": "data", "type": "terraform_remote_state", "name": "x", "provider": "p", "instances": []},
        {"mode": "managed", "type": "random_pet", "name": "p", "provider": "p", "instances": [{}, {}]}
      ]}"#;

    #[test]
    fn what_is_known_is_taken_and_the_rest_is_named() {
        assert!(is_state(STATE) && !is_state("{}"));
        let imported = read(STATE, "f", &schemas()).unwrap();
        let texts: Vec<_> = imported.records.iter().map(|r| r.address.to_string()).collect();
        assert_eq!(
            texts,
            ["module.a[\"k\"].terraform_data.one[\"b\\\"c\"]", "terraform_data.two[0]"]
        );
        let [one, two] = &imported.records[..] else { panic!() };
        let secret = Value::object([("n", Value::from(1))]).into_sensitive();
        assert_eq!(one.attributes.get("input"), Some(secret));
        assert!(two.tainted && two.dependencies.contains(&one.address));
        assert_eq!(imported.unknown, BTreeMap::from([("random_pet".to_owned(), 2)]));
    }

    #[test]
    fn other_formats_are_refused_by_number() {
        let old = STATE.replace("\"version\": 4", "\"version\": 3");
        let error = read(&old, "f", &schemas()).unwrap_err();
        assert!(error.summary.contains("format 3"), "{error:?}");
    }
}
