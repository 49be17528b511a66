//! The plan format, version 1: a file of that version is read and written back byte for byte by every
//! later program. A change of the format gets a new version and a new file; this one stays.

use crate::world::{Argument, Block, Config, World, address, checked};
use model::graph::{Node, NodeSet, Sequence};
use model::plan::Plan;
use model::{Type, Value};

const VERSION_1: &str = include_str!("../data/plan-1.json");

fn text(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).unwrap();
    text.push('\n');
    text
}

/// A plan with every action, most reasons, drift, secrets, unknown values and a node set.
fn specimen() -> Plan {
    let block = |name: &str| Block::host(name);
    let before = Config::of([
        block("base").with("secret", "before"),
        block("child").from("parent", "sim_host.base", "id"),
        block("first").create_first(),
        block("gone"),
        block("lost"),
        block("sick"),
        block("stays").with("tags", Value::map(Type::String, [("k", "v".into())])),
        block("stray").from("peer", "sim_host.gone", "id"),
        block("updated").in_sequence("group", 1),
    ]);
    let mut world = World::with(&before.output("id", "sim_host.base", "id"));
    world.lose("sim_host.lost");
    world.drift("sim_host.sick", "status", "stopped");
    world.drift("sim_host.stays", "digest", "other");
    world.unreachable("sim_host.stray");
    let node = "node_set.edge.node[\"edge-local-001\"].sim_host.machine";
    let mut machine = block(node).with("secret", "after");
    machine.sequence = Some(Sequence { group: "group".to_owned(), max_parallel: 1 });
    let base = address("sim_host.base");
    machine.arguments.insert("peer".to_owned(), Argument::On(base, "id"));
    let after = Config::of([
        block("base").with("name", "other").with("secret", "after"),
        block("child").from("parent", "sim_host.base", "id"),
        block("first").with("name", "other").create_first(),
        block("lost"),
        block("new").on("peer", "sim_host.base", "digest"),
        block("sick"),
        block("stays").with("tags", Value::map(Type::String, [("k", "v".into())])),
        block("updated").with("size", 2).in_sequence("group", 1),
        machine,
        Block::statement("all", &[&address("sim_host.updated")]),
    ]);
    let mut plan = world.plan(&after.output("id", "sim_host.base", "id"));
    let node = Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine: Value::object([("address", Value::from("192.0.2.1"))]),
    };
    let set = NodeSet { nodes: vec![node], services: vec!["nebula".to_owned()] };
    plan.node_sets.insert("edge".to_owned(), set);
    plan
}

#[test]
fn version_1_is_read_and_written_back() {
    let plan: Plan = serde_json::from_str(VERSION_1).unwrap();
    assert_eq!(text(&checked(plan)), VERSION_1);
}

#[test]
fn today_s_planner_writes_version_1() {
    let written = text(&specimen());
    if written != VERSION_1 {
        let path = std::env::temp_dir().join("plan-1.json");
        std::fs::write(&path, &written).unwrap();
        panic!(
            "the plan differs from tests/data/plan-1.json; it was written to {}",
            path.display()
        );
    }
}
