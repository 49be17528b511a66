//! What is recorded of an environment: the whole, a list of objects, one object.
//!
//! Invariant: secrets are never shown.

use crate::console::Palette;
use crate::fold::count;
use crate::summary;
use crate::table;
use crate::value::{block, key, redacted_json};
use model::record::{Intent, Record, Recorded};
use serde_json::{Value as Json, json};

/// Everything recorded, for people.
pub fn human(environment: &str, recorded: &Recorded, palette: Palette, width: usize) -> String {
    let mut text = format!(
        "{} {environment}\nlineage {}, serial {}, {}\n\n",
        palette.bold("Environment"),
        if recorded.lineage.is_empty() { "none" } else { &recorded.lineage },
        recorded.serial,
        count(recorded.records.len(), "object"),
    );
    let nodes = summary::nodes(&recorded.node_sets, &recorded.outputs, palette);
    if !nodes.is_empty() {
        push!(text, "{nodes}\n");
    }
    if !recorded.records.is_empty() {
        push!(text, "{}\n{}\n", palette.bold("Objects"), list(recorded.records.values(), "  "));
    }
    if !recorded.deposed.is_empty() {
        text.push_str("Replaced and not deleted yet\n");
        push!(text, "{}\n", list(recorded.deposed.iter(), "  "));
    }
    text.push_str(&unfinished(&recorded.unfinished, palette));
    if !recorded.outputs.is_empty() {
        push!(text, "{}\n", palette.bold("Outputs"));
        for line in crate::outputs::human(&recorded.outputs, width.saturating_sub(2)).lines() {
            push!(text, "  {line}\n");
        }
    }
    text
}

fn unfinished(intents: &[Intent], palette: Palette) -> String {
    if intents.is_empty() {
        return String::new();
    }
    let heading = palette.notable("Calls whose end is not known (the next apply settles them)");
    let mut text = format!("{heading}\n");
    for intent in intents {
        push!(text, "  {}: {:?}\n", intent.address, intent.action);
    }
    text.push('\n');
    text
}

/// The addresses of all objects, one a line.
pub fn addresses(recorded: &Recorded) -> String {
    let mut text = String::new();
    for address in recorded.records.keys() {
        push!(text, "{address}\n");
    }
    text
}

/// One line an object: address and identity.
fn list<'a>(records: impl Iterator<Item = &'a Record>, indent: &str) -> String {
    let row = |record: &Record| {
        let note = if record.tainted { "half made" } else { "" };
        vec![record.address.to_string(), record.id.clone(), note.to_owned()]
    };
    let rows: Vec<_> = records.map(row).collect();
    if rows.is_empty() {
        String::new()
    } else {
        table::render(&["address", "id", "note"], &rows, indent)
    }
}

/// One object with all its attributes.
pub fn one(record: &Record, palette: Palette, width: usize) -> String {
    let mut text = format!("{}\n", palette.bold(&record.address.to_string()));
    let facts = [
        ("id", record.id.clone()),
        ("provider", record.provider.clone()),
        ("generation", record.generation.to_string()),
        ("revision", record.revision.to_string()),
    ];
    for (name, value) in facts {
        push!(text, "  {name:10}  {value}\n");
    }
    if record.tainted {
        text.push_str("  half made: the next plan replaces it\n");
    }
    for (index, dependency) in record.dependencies.iter().enumerate() {
        let name = if index == 0 { "depends on" } else { "" };
        push!(text, "  {name:10}  {dependency}\n");
    }
    text.push_str("  attributes\n");
    for (name, value) in record.attributes.as_entries().into_iter().flatten() {
        if !value.is_null() {
            push!(text, "    {} = {}\n", key(name), block(value, 4, width));
        }
    }
    text
}

/// Everything recorded, as JSON.
pub fn json(environment: &str, recorded: &Recorded) -> Json {
    json!({
        "environment": environment,
        "lineage": recorded.lineage,
        "serial": recorded.serial,
        "objects": recorded.records.values().map(one_json).collect::<Json>(),
        "deposed": recorded.deposed.iter().map(one_json).collect::<Json>(),
        "unfinished": recorded.unfinished.iter().map(intent_json).collect::<Json>(),
        "node_sets": summary::node_sets_json(&recorded.node_sets),
        "outputs": crate::outputs::json(&recorded.outputs),
    })
}

fn intent_json(intent: &Intent) -> Json {
    json!({
        "sequence": intent.sequence,
        "run": intent.run,
        "address": intent.address,
        "action": intent.action,
    })
}

/// One object as JSON.
pub fn one_json(record: &Record) -> Json {
    json!({
        "address": record.address,
        "id": record.id,
        "provider": record.provider,
        "generation": record.generation,
        "revision": record.revision,
        "tainted": record.tainted,
        "dependencies": record.dependencies,
        "attributes": redacted_json(&record.attributes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Address, Value};
    use std::collections::{BTreeMap, BTreeSet};

    fn recorded() -> Recorded {
        let record = Record {
            address: Address::parse("module.network.local_network.this").unwrap(),
            provider: "local".to_owned(),
            id: "net-1".to_owned(),
            attributes: Value::object([
                ("cidr", Value::from("10.4.0.0/16")),
                ("key", Value::from("hidden").into_sensitive()),
            ]),
            dependencies: BTreeSet::from([Address::parse("a.b").unwrap()]),
            lifecycle: model::graph::Lifecycle::default(),
            token: "t".to_owned(),
            generation: 1,
            revision: 3,
            tainted: false,
        };
        Recorded {
            lineage: "0f".to_owned(),
            serial: 9,
            records: BTreeMap::from([(record.address.clone(), record)]),
            node_sets: summary::tests::node_sets(),
            outputs: summary::tests::outputs(),
            ..Recorded::default()
        }
    }

    #[test]
    fn the_whole_and_one_object() {
        let recorded = recorded();
        let mut text = human("staging", &recorded, Palette::PLAIN, 100);
        for record in recorded.records.values() {
            text.push_str(&one(record, Palette::PLAIN, 100));
        }
        assert!(!text.contains("hidden"));
        assert!(!json("staging", &recorded).to_string().contains("hidden"));
        insta::assert_snapshot!(text);
    }
}
