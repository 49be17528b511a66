//! Graphs as GraphViz DOT: what is configured, and what a plan does. An edge leads from what waits to
//! what it waits for; node sets are clusters, their nodes clusters within.

use model::Address;
use model::graph::Desired;
use model::plan::{OperationKind, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The dependency graph of what is configured.
pub fn dot(desired: &Desired) -> String {
    let dependencies: BTreeMap<&Address, BTreeSet<Address>> = desired
        .instances
        .iter()
        .map(|instance| (&instance.address, instance.dependencies()))
        .collect();
    let vertices = dependencies.keys().map(|address| Vertex {
        id: address.to_string(),
        label: short(address),
        address,
    });
    let known = |(_, to): &(&&Address, &Address)| dependencies.contains_key(to);
    let pairs = dependencies.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let edges = pairs.filter(known).map(|(from, to)| (from.to_string(), to.to_string()));
    draw("environment", &vertices.collect::<Vec<_>>(), edges)
}

/// The operations of a plan and what each needs.
pub fn dot_plan(plan: &Plan) -> String {
    let vertices = plan.operations.iter().map(|operation| Vertex {
        id: operation.id.to_string(),
        label: format!("{}\n{}", verb(operation.kind), short(&operation.address)),
        address: &operation.address,
    });
    let pairs = plan
        .operations
        .iter()
        .flat_map(|operation| operation.needs.iter().map(move |need| (operation.id, need)));
    let edges = pairs.map(|(from, to)| (from.to_string(), to.to_string()));
    draw("plan", &vertices.collect::<Vec<_>>(), edges)
}

struct Vertex<'a> {
    id: String,
    label: String,
    address: &'a Address,
}

fn verb(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create | OperationKind::CreateReplacement => "create",
        OperationKind::Update => "update",
        OperationKind::Delete => "delete",
        OperationKind::DeleteDeposed => "delete old",
        OperationKind::Forget => "forget",
        OperationKind::Read => "read",
    }
}

/// The address without the node it belongs to, which the cluster names.
fn short(address: &Address) -> String {
    let text = address.to_string();
    match address.path().first() {
        Some(step) if address.node_set().is_some() => {
            let prefix = format!("{step}.");
            text.strip_prefix(&prefix).map_or(text.clone(), str::to_owned)
        }
        _ => text,
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Vertices of one node set: those of the set itself, and those of each node.
#[derive(Default)]
struct Cluster<'a> {
    own: Vec<&'a Vertex<'a>>,
    nodes: BTreeMap<&'a str, Vec<&'a Vertex<'a>>>,
}

fn draw(
    name: &str,
    vertices: &[Vertex<'_>],
    edges: impl Iterator<Item = (String, String)>,
) -> String {
    let mut outside = Vec::new();
    let mut clusters: BTreeMap<&str, Cluster<'_>> = BTreeMap::new();
    for vertex in vertices {
        match (vertex.address.node_set(), vertex.address.node()) {
            (Some(set), Some((_, node))) => {
                clusters.entry(set).or_default().nodes.entry(node).or_default().push(vertex);
            }
            (Some(set), None) => clusters.entry(set).or_default().own.push(vertex),
            (None, _) => outside.push(vertex),
        }
    }
    let mut text = format!("digraph {} {{\n  rankdir = LR\n  node [shape = box]\n", quoted(name));
    write_vertices(&mut text, "  ", &outside);
    for (set, cluster) in clusters {
        open(&mut text, "  ", &format!("node_set.{set}"));
        write_vertices(&mut text, "    ", &cluster.own);
        for (node, vertices) in cluster.nodes {
            open(&mut text, "    ", node);
            write_vertices(&mut text, "      ", &vertices);
            text.push_str("    }\n");
        }
        text.push_str("  }\n");
    }
    for (from, to) in edges {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {} -> {}", quoted(&from), quoted(&to));
    }
    text.push_str("}\n");
    text
}

fn open(text: &mut String, indent: &str, label: &str) {
    let cluster = quoted(&format!("cluster {label}"));
    let _ = writeln!(text, "{indent}subgraph {cluster} {{\n{indent}  label = {}", quoted(label));
}

fn write_vertices(text: &mut String, indent: &str, vertices: &[&Vertex<'_>]) {
    for vertex in vertices {
        let _ =
            writeln!(text, "{indent}{} [label = {}]", quoted(&vertex.id), quoted(&vertex.label));
    }
}
