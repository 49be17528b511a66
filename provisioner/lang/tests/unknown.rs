//! Expressions over values of every type, over values that are planned but not known yet, and over secrets, with the answers that Terraform 1.11.4
//! gives, recorded: `data/unknown.jsonl`, on top of `data/unknown.hcl`. What is known, what is not, and what is
//! marked must agree, part by part. `data/unknown-disagreements.txt` holds the expressions where this language answers
//! otherwise; the list is exact.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use model::graph::{Instance, Projection};
use model::schema::{Attribute, ProviderSchema, ResourceSchema};
use model::{Data, Diagnostic, Refinement, Type, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use support::Files;

const RECORDS: &str = include_str!("data/unknown.jsonl");
const DISAGREEMENTS: &str = include_str!("data/unknown-disagreements.txt");
const VALUES: &str = include_str!("data/unknown.hcl");

/// `terraform_data`, none of which exists yet.
struct Planned;

fn schemas() -> BTreeMap<String, ProviderSchema> {
    let attributes = [
        ("input", Attribute::optional(Type::Any, "")),
        ("output", Attribute::computed(Type::Any, "")),
        ("id", Attribute::computed(Type::String, "")),
    ];
    let resource = ResourceSchema {
        attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into(),
        ..ResourceSchema::default()
    };
    let provider = ProviderSchema {
        name: "terraform".to_owned(),
        resources: BTreeMap::from([("terraform_data".to_owned(), resource)]),
        ..ProviderSchema::default()
    };
    BTreeMap::from([("terraform".to_owned(), provider)])
}

impl Projection for Planned {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        let input = instance.arguments.get("input").unwrap();
        let address = &instance.address;
        let id = Value::output(address, "id", Type::String).refined(Refinement::not_null());
        let output = Value::output(address, "output", input.ty());
        Ok(Value::object([("input", input), ("output", output), ("id", id)]))
    }
}

/// What is known of a value, which parts are unknown, and which are secret; or the first mistake.
fn answer(expression: &str) -> Result<[Json; 3], String> {
    let main = format!("resource \"terraform_data\" \"x\" {{\n  input = {expression}\n}}\n");
    let files = [("/env/values.hcl", VALUES), ("/env/main.hcl", main.as_str())];
    let loaded = lang::load(std::path::Path::new("/env"), &Files::new(&files));
    let mut diagnostics = loaded.diagnostics;
    let mut value = Value::null(Type::Any);
    if let Some(configuration) = &loaded.configuration {
        let inputs = lang::Inputs::default();
        let evaluated = lang::evaluate(configuration, &inputs, &schemas(), &Planned);
        diagnostics.extend(evaluated.diagnostics);
        let instances = evaluated.desired.instances;
        let found =
            instances.iter().find(|instance| instance.address.to_string() == "terraform_data.x");
        if let Some(input) = found.and_then(|instance| instance.arguments.get("input")) {
            value = input;
        }
    }
    match diagnostics.first() {
        Some(diagnostic) => Err(format!("{}: {}", diagnostic.code, diagnostic.summary)),
        None => Ok([known(&value).unwrap_or(Json::Null), unknown(&value), secret(&value)]),
    }
}

/// The known parts as JSON; nothing for what is unknown.
fn known(value: &Value) -> Option<Json> {
    Some(match value.data() {
        Data::Unknown(_) => return None,
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            items.iter().map(|item| known(item).unwrap_or(Json::Null)).collect()
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let known =
                entries.iter().filter_map(|(name, entry)| Some((name.to_string(), known(entry)?)));
            Json::Object(known.collect())
        }
        _ => value.to_plain_json().unwrap(),
    })
}

/// Where `test` holds, as Terraform draws it; false where it holds nowhere.
fn drawn(value: &Value, test: &dyn Fn(&Value) -> bool) -> Json {
    if test(value) {
        return json!(true);
    }
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            simple(items.iter().map(|item| drawn(item, test)).collect())
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let parts = entries.iter().map(|(name, entry)| (name.to_string(), drawn(entry, test)));
            simple(Json::Object(parts.collect()))
        }
        _ => json!(false),
    }
}

/// Without what is false, and false for what holds nothing else.
fn simple(json: Json) -> Json {
    match json {
        Json::Array(items) => {
            let items: Vec<_> = items.into_iter().map(simple).collect();
            if items.iter().all(|item| *item == json!(false)) { json!(false) } else { items.into() }
        }
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(name, entry)| (name, simple(entry)));
            let entries: Map<_, _> = entries.filter(|(_, entry)| *entry != json!(false)).collect();
            if entries.is_empty() { json!(false) } else { entries.into() }
        }
        other => other,
    }
}

fn unknown(value: &Value) -> Json {
    drawn(value, &Value::is_unknown)
}

fn secret(value: &Value) -> Json {
    drawn(value, &|part| part.marks().sensitive)
}

fn agrees(record: &Json, answer: &Result<[Json; 3], String>) -> bool {
    let part = |name: &str| simple(record.get(name).cloned().unwrap_or(json!(false)));
    match answer {
        Err(_) => record.get("error").is_some(),
        Ok([after, unknown, secret]) => {
            record.get("error").is_none()
                && support::same(after, record.get("after").unwrap_or(&Json::Null))
                && *unknown == part("after_unknown")
                && (record.get("after_sensitive").is_none() || *secret == part("after_sensitive"))
        }
    }
}

#[test]
fn answers_agree() {
    let listed: BTreeSet<&str> =
        DISAGREEMENTS.lines().filter(|line| line.starts_with('"')).collect();
    let (mut count, mut found) = (0, BTreeMap::new());
    for line in RECORDS.lines() {
        let record: Json = serde_json::from_str(line).unwrap();
        let expression = record["expr"].as_str().unwrap();
        count += 1;
        let answer = answer(expression);
        if !agrees(&record, &answer) {
            found.insert(
                serde_json::to_string(expression).unwrap(),
                format!("{answer:?} instead of {line}"),
            );
        }
    }
    println!("{} of {count} agree", count - found.len());
    let unexpected: Vec<_> =
        found.iter().filter(|(expression, _)| !listed.contains(expression.as_str())).collect();
    for (expression, answer) in &unexpected {
        println!("{expression}\n    {answer}");
    }
    let repaired: Vec<_> = listed.iter().filter(|expr| !found.contains_key(**expr)).collect();
    assert!(unexpected.is_empty(), "{} new disagreements (printed above)", unexpected.len());
    assert!(repaired.is_empty(), "these agree now, take them off the list: {repaired:?}");
}
