//! The plan format: a file of the present version is read and written back byte for byte, and every earlier one is
//! still read. A change of the format gets a new version and a new file; the old ones stay.

use crate::world::{Argument, Block, Config, World, address, checked};
use model::graph::{Node, NodeSet, Sequence};
use model::plan::{Adopted, Plan, Stray};
use model::{Type, Value};

const VERSION_1: &str = include_str!("../data/plan-1.json");
const VERSION_2: &str = include_str!("../data/plan-2.json");
const VERSION_3: &str = include_str!("../data/plan-3.json");
const VERSION_4: &str = include_str!("../data/plan-4.json");

fn text(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).unwrap();
    text.push('\n');
    text
}

/// A plan with every action, most reasons, drift, secrets, unknown values, a node set, strays.
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
        block("was").with("name", "it"),
        block("left"),
        block("follows").triggered_by("sim_host.updated", &["size"]),
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
        block("is").with("name", "it"),
        block("follows").triggered_by("sim_host.updated", &["size"]),
        Block::statement("all", &[&address("sim_host.updated")]),
    ]);
    let after = after.moved("sim_host.was", "sim_host.is").removed("sim_host.left", false);
    let mut plan = world.plan(&after.output("id", "sim_host.base", "id"));
    let node = Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine: Value::object([("address", Value::from("192.0.2.1"))]),
        revision: String::new(),
    };
    let set = NodeSet { nodes: vec![node], services: vec!["nebula".to_owned()] };
    plan.node_sets.insert("edge".to_owned(), set);
    plan.targets = vec!["node_set.edge".to_owned(), "sim_host.first".to_owned()];
    let mut record = world.record("sim_host.stays").clone();
    record.address = address("sim_host.kept");
    record.revision = 0;
    plan.base_revisions.insert(record.address.clone(), 0);
    plan.adopted.push(Adopted { record, deposed: true, imported: false });
    plan.strays.push(Stray {
        address: address("sim_host.found"),
        provider: "sim".to_owned(),
        id: "id-7".to_owned(),
        token: "token-7".to_owned(),
        attributes: Some(Value::object([("secret", Value::from("hidden").into_sensitive())])),
    });
    plan
}

#[test]
fn version_4_is_read_and_written_back() {
    let plan: Plan = serde_json::from_str(VERSION_4).unwrap();
    assert_eq!(text(&checked(plan)), VERSION_4);
}

/// It knew no rollouts, and is else as today.
#[test]
fn version_3_is_read() {
    let mut plan: Plan = serde_json::from_str(VERSION_3).unwrap();
    assert_eq!(plan.format_version, 3);
    plan.format_version = model::plan::FORMAT_VERSION;
    assert_eq!(text(&checked(plan)), VERSION_4);
}

/// It says less and means the same: what reads it makes today's version of it.
#[test]
fn version_2_is_read() {
    let mut plan: Plan = serde_json::from_str(VERSION_2).unwrap();
    assert_eq!(plan.format_version, 2);
    assert!(plan.moved.is_empty());
    plan.format_version = model::plan::FORMAT_VERSION;
    checked(plan);
}

/// It can still be shown; it cannot be applied, since it does not say what it is bound to.
#[test]
fn version_1_is_read() {
    let plan: Plan = serde_json::from_str(VERSION_1).unwrap();
    assert!(plan.targets.is_empty() && plan.output_revisions.is_empty());
    assert!(plan.adopted.is_empty() && plan.strays.is_empty());
    let faults = planner::check::check(&plan);
    assert!(faults[0].summary.contains("format version is 1"), "{}", faults[0].summary);
    let written: serde_json::Value = serde_json::to_value(&plan).unwrap();
    let old: serde_json::Value = serde_json::from_str(VERSION_1).unwrap();
    for (name, value) in old.as_object().unwrap() {
        assert_eq!(written.get(name), Some(value), "{name}");
    }
}

#[test]
fn today_s_planner_writes_version_4() {
    let written = text(&specimen());
    if written != VERSION_4 {
        let path = std::env::temp_dir().join("plan-4.json");
        std::fs::write(&path, &written).unwrap();
        panic!(
            "the plan differs from tests/data/plan-4.json; it was written to {}",
            path.display()
        );
    }
}
