//! What a plan is bound to: what it reads and writes, and nothing else.

use crate::world::{Block, Config, World, address};
use model::Value;
use model::graph::{Node, NodeSet};
use model::plan::Plan;

fn bound(plan: &Plan) -> Vec<String> {
    plan.base_revisions.iter().map(|(at, revision)| format!("{at} {revision}")).collect()
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.output_revisions.iter().map(|(at, revision)| format!("{at} {revision}")).collect()
}

fn config(size: i64) -> Config {
    Config::of([
        Block::host("far"),
        Block::host("near").from("peer", "sim_host.far", "id"),
        Block::host("user").with("size", size).from("peer", "sim_host.near", "id"),
        Block::host("other"),
    ])
}

#[test]
fn an_operation_binds_to_its_record_and_to_what_it_directly_comes_from() {
    let world = World::with(&config(1));
    assert_eq!(bound(&world.plan(&config(1))), [""; 0]);
    let plan = world.plan(&config(2));
    assert_eq!(bound(&plan), ["sim_host.near 1", "sim_host.user 1"]);
    let plan = World::default().plan(&config(1));
    assert_eq!(plan.base_revisions.len(), 4, "nothing of what it makes may be there");
    assert!(plan.base_revisions.values().all(|revision| *revision == 0));
}

#[test]
fn a_deletion_binds_to_its_record_only() {
    let world = World::with(&config(1));
    let mut fewer = config(1);
    fewer.blocks.remove(2);
    assert_eq!(bound(&world.plan(&fewer)), ["sim_host.user 1"]);
}

#[test]
fn what_is_written_beside_operations_is_bound_too() {
    let mut world = World::with(&config(1));
    world.drift("sim_host.other", "digest", "else");
    world.lose("sim_host.user");
    let mut fewer = config(1);
    fewer.blocks.remove(2);
    let plan = world.plan(&fewer);
    assert_eq!((plan.refreshed.len(), plan.vanished.len()), (1, 1));
    assert_eq!(bound(&plan), ["sim_host.other 1", "sim_host.user 1"]);
}

#[test]
fn a_deposed_object_binds_to_what_its_address_has_now() {
    let config = |name: &str| Config::of([Block::host("a").with("name", name).create_first()]);
    let mut world = World::with(&config("a"));
    let plan = world.plan(&config("b"));
    world.run(&plan, 1);
    let plan = world.plan(&config("b"));
    assert_eq!(bound(&plan), ["sim_host.a 1"]);
}

#[test]
fn results_bind_to_what_they_come_from_if_they_change() {
    let config = |size: i64| {
        let peer = Block::host("b").on("peer", "sim_host.a", "digest");
        Config::of([Block::host("a").with("size", size), peer, Block::host("c")])
            .output("changes", "sim_host.a", "digest")
            .output("stays", "sim_host.c", "id")
    };
    let world = World::with(&config(1));
    assert!(world.plan(&config(1)).output_revisions.is_empty());
    assert_eq!(shown(&world.plan(&config(2))), ["sim_host.a 1"]);
}

#[test]
fn nodes_bind_to_what_their_machines_come_from() {
    let config = config(1);
    let world = World::with(&config);
    let (actual, schemas) = (world.actual(), crate::world::schemas());
    let options = planner::Options::default();
    let planner = planner::Planner::new(&world.recorded, &actual, &schemas, options);
    let mut desired = config.evaluate(&planner);
    let node = Node {
        name: "n".to_owned(),
        pool: "p".to_owned(),
        index: 0,
        domain: "d".to_owned(),
        machine: Value::from("192.0.2.1").with_origin(&address("sim_host.near")),
        revision: String::new(),
    };
    let set = NodeSet { nodes: vec![node], services: vec![] };
    desired.node_sets.insert("edge".to_owned(), set);
    let plan = crate::world::checked(planner.plan(&desired).unwrap());
    assert_eq!(shown(&plan), ["sim_host.near 1"]);
    assert!(plan.base_revisions.is_empty());
}
