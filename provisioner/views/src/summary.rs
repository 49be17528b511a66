//! What an environment is after an apply: its nodes, how to log in, its outputs, how to destroy it.
//!
//! An output that has a text for every node (a map from node name to mesh address, say) becomes a column of the table
//! of nodes. Refuses to know: meshes, monitoring and every other thing that modules make.

use crate::console::Palette;
use crate::table;
use crate::value::inline;
use model::Value;
use model::graph::{Node, Output};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Nodes shown; beyond that they are counted.
const NODES_SHOWN: usize = 64;

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// How to call this program: `provisioner`, or a path to it.
    pub program: &'a str,
    /// How the user can name the environment on the command line, if that is known.
    pub target: Option<&'a str>,
    /// Nodes by node set.
    pub node_sets: &'a BTreeMap<String, Vec<Node>>,
    /// Root outputs.
    pub outputs: &'a BTreeMap<String, Output>,
}

/// For people.
pub fn human(summary: Summary<'_>, palette: Palette, width: usize) -> String {
    let mut text = nodes(summary.node_sets, summary.outputs, palette);
    let columns = columns(summary.node_sets, summary.outputs);
    let others: Vec<_> =
        summary.outputs.iter().filter(|(name, _)| !columns.contains(&name.as_str())).collect();
    if !others.is_empty() {
        push!(text, "\n{}\n", palette.bold("Outputs"));
        let widest = others.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, output) in others {
            let value = match output.value.as_str() {
                _ if output.sensitive || output.value.marks().sensitive => {
                    crate::value::SENSITIVE.to_owned()
                }
                Some(text) if !text.contains('\n') => text.to_owned(),
                _ => inline(&output.value, width.saturating_sub(widest + 4).max(24)),
            };
            push!(text, "  {name:widest$}  {}\n", palette.accent(&value));
        }
    }
    let Summary { program, target: Some(target), .. } = summary else { return text };
    let first = summary.node_sets.values().flatten().next();
    text.push('\n');
    if let Some(node) = first {
        push!(
            text,
            "log in   {}\n",
            palette.accent(&format!("{program} ssh {target} {}", node.name))
        );
    }
    push!(text, "destroy  {}\n", palette.accent(&format!("{program} destroy {target}")));
    text
}

/// As JSON.
pub fn json(summary: Summary<'_>) -> Json {
    json!({
        "environment": summary.environment,
        "node_sets": node_sets_json(summary.node_sets),
        "outputs": crate::outputs::json(summary.outputs),
    })
}

/// Node sets with their nodes, as JSON.
pub fn node_sets_json(node_sets: &BTreeMap<String, Vec<Node>>) -> Json {
    let node = |node: &Node| {
        json!({
            "name": node.name,
            "pool": node.pool,
            "index": node.index,
            "domain": node.domain,
            "machine": crate::value::redacted_json(&node.machine),
        })
    };
    let sets =
        node_sets.iter().map(|(name, nodes)| (name.clone(), nodes.iter().map(node).collect()));
    Json::Object(sets.collect())
}

/// The table of nodes; empty when there are none.
pub fn nodes(
    node_sets: &BTreeMap<String, Vec<Node>>,
    outputs: &BTreeMap<String, Output>,
    palette: Palette,
) -> String {
    let all = node_sets.values().map(Vec::len).sum::<usize>();
    if all == 0 {
        return String::new();
    }
    let columns = columns(node_sets, outputs);
    let text = |value: Option<Value>| match value {
        Some(value) => value.as_str().map_or_else(|| inline(&value, 40), str::to_owned),
        None => String::new(),
    };
    let row =
        |set: &str, node: &Node| {
            let mut row = vec![
                node.name.clone(),
                set.to_owned(),
                node.domain.clone(),
                text(node.machine.get("address")),
            ];
            row.extend(columns.iter().map(|name| {
                text(outputs.get(*name).and_then(|output| output.value.get(&node.name)))
            }));
            row
        };
    let rows: Vec<_> = node_sets
        .iter()
        .flat_map(|(set, nodes)| nodes.iter().map(move |node| (set, node)))
        .take(NODES_SHOWN)
        .map(|(set, node)| row(set, node))
        .collect();
    let mut headings = vec!["node", "node set", "domain", "address"];
    headings.extend(&columns);
    let mut text = table::render(&headings, &rows, "  ");
    if all > rows.len() {
        push!(text, "  … and {} more\n", all - rows.len());
    }
    format!("{}\n{text}", palette.bold("Nodes"))
}

/// Outputs that have a text for each node.
fn columns<'a>(
    node_sets: &BTreeMap<String, Vec<Node>>,
    outputs: &'a BTreeMap<String, Output>,
) -> Vec<&'a str> {
    let each_node = |value: &Value| {
        let text = |node: &Node| value.get(&node.name).is_some_and(|text| text.as_str().is_some());
        node_sets.values().flatten().next().is_some() && node_sets.values().flatten().all(text)
    };
    let secret = |output: &Output| output.sensitive || output.value.deep_marks().sensitive;
    let fits = outputs.iter().filter(|(_, output)| !secret(output) && each_node(&output.value));
    fits.map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three nodes in two sets.
    pub(crate) fn node_sets() -> BTreeMap<String, Vec<Node>> {
        let node = |name: &str, index: u64, domain: &str, address: &str| Node {
            name: name.to_owned(),
            pool: "local".to_owned(),
            index,
            domain: domain.to_owned(),
            machine: Value::object([("address", Value::from(address)), ("port", 22.into())]),
            revision: String::new(),
        };
        BTreeMap::from([
            (
                "edge".to_owned(),
                vec![
                    node("edge-local-001", 0, "a", "10.4.0.11"),
                    node("edge-local-002", 1, "b", "10.4.0.12"),
                ],
            ),
            ("monitor".to_owned(), vec![node("monitor-local-001", 0, "a", "10.4.0.13")]),
        ])
    }

    /// A column, a URL and a secret.
    pub(crate) fn outputs() -> BTreeMap<String, Output> {
        let output = |value: Value| Output { value, sensitive: false, description: String::new() };
        let addresses =
            ["edge-local-001", "edge-local-002", "monitor-local-001"].into_iter().enumerate();
        let addresses =
            addresses.map(|(index, name)| (name, Value::from(format!("192.168.77.{}", index + 1))));
        BTreeMap::from([
            ("mesh address".to_owned(), output(Value::object(addresses))),
            ("prometheus_url".to_owned(), output("http://127.0.0.1:9090".into())),
            ("token".to_owned(), output(Value::from("hidden").into_sensitive())),
        ])
    }

    #[test]
    fn shows_nodes_outputs_and_what_to_do_next() {
        let (node_sets, outputs) = (node_sets(), outputs());
        let summary = Summary {
            environment: "staging",
            program: "provisioner",
            target: Some("staging"),
            node_sets: &node_sets,
            outputs: &outputs,
        };
        insta::assert_snapshot!(human(summary, Palette::PLAIN, 100));
        assert!(!json(summary).to_string().contains("hidden"));
    }
}
