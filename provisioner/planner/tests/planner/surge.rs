//! Nodes that are there anew before the old ones go; and what nodes stand on while others change.

use crate::world::{Argument, Block, Config, World, address};
use model::plan::{Action, OperationKind, Plan};
use model::{Type, Value};
use std::collections::BTreeSet;

fn on(node: &str, rest: &str) -> String {
    format!("node_set.edge.node[\"{node}\"].{rest}")
}

/// Two nodes on an image: each has a machine and what hangs on it; both stand on one network.
fn fleet(image: &str, network: &str, surge: u32) -> Config {
    let mut blocks = vec![Block::host("network").with("name", network)];
    for node in ["a", "b"] {
        let machine = on(node, "module.m.sim_host.machine");
        blocks.push(Block::host(&machine).with("name", format!("{node} {image}").as_str()).from(
            "peer",
            "sim_host.network",
            "id",
        ));
        blocks.push(Block::host(&on(node, "sim_host.disk")).from("parent", &machine, "id"));
    }
    let mut config = Config::of(blocks);
    config.surges.insert("edge".to_owned(), surge);
    config
}

fn kinds(plan: &Plan, at: &str) -> Vec<OperationKind> {
    let of = plan.operations.iter().filter(|it| it.address == address(at));
    of.map(|operation| operation.kind).collect()
}

#[test]
fn a_node_of_a_set_with_room_is_there_anew_before_it_goes() {
    let mut world = World::with(&fleet("one", "net", 1));
    let plan = world.plan(&fleet("two", "net", 1));
    let both = [OperationKind::CreateReplacement, OperationKind::DeleteDeposed];
    for what in ["module.m.sim_host.machine", "sim_host.disk"] {
        assert_eq!(kinds(&plan, &on("a", what)), both, "{what}");
    }
    let plain = world.plan(&fleet("two", "net", 0));
    assert_eq!(plain.count(Action::ReplaceDeleteFirst), 4, "without room the old one goes first");
    world.apply(&fleet("two", "net", 1));
    assert!(world.recorded.deposed.is_empty());
}

#[test]
fn what_is_half_made_or_left_behind_goes_first() {
    let mut world = World::with(&fleet("one", "net", 1));
    world.record(&on("a", "module.m.sim_host.machine")).tainted = true;
    let plan = world.plan(&fleet("two", "net", 1));
    let first = |plan: &Plan, node: &str| kinds(plan, &on(node, "sim_host.disk"));
    assert!(!first(&plan, "a").contains(&OperationKind::CreateReplacement));
    assert!(first(&plan, "b").contains(&OperationKind::CreateReplacement));

    let mut world = World::with(&fleet("one", "net", 1));
    let left = world.record(&on("b", "module.m.sim_host.machine")).clone();
    world.recorded.deposed.push(left);
    let plan = world.plan(&fleet("two", "net", 1));
    assert!(first(&plan, "a").contains(&OperationKind::CreateReplacement));
    assert!(!first(&plan, "b").contains(&OperationKind::CreateReplacement));
}

#[test]
fn two_objects_cannot_have_one_unique_name() {
    let at = on("a", "sim_named.machine");
    let config = |parent: &str| {
        let block = Block::host(&at).with("name", "a").with("parent", parent);
        let mut config = Config::of([block]);
        config.surges.insert("edge".to_owned(), 1);
        config
    };
    let world = World::with(&config("one"));
    let errors = world.try_plan(&config("two")).unwrap_err();
    assert_eq!(errors[0].code, "surge-same-name");
    assert!(!errors[0].labels.is_empty());
}

#[test]
fn two_objects_cannot_have_what_only_one_can_have() {
    let at = on("a", "sim_bound.machine");
    let config = |parent: &str, port: i64| {
        let ports = Value::map(Type::Number, [("80", port.into()), ("81", (port + 1).into())]);
        let block = Block::host(&at).with("parent", parent).with("ports", ports);
        let mut config = Config::of([block]);
        config.surges.insert("edge".to_owned(), 1);
        config
    };
    let world = World::with(&config("one", 8080));
    let errors = world.try_plan(&config("two", 8081)).unwrap_err();
    assert_eq!(errors[0].code, "surge-only-one");
    assert!(errors[0].summary.contains("have 8081 as `ports`"), "{}", errors[0].summary);
    assert!(world.try_plan(&config("two", 8082)).is_ok(), "each has its own");
}

#[test]
fn two_objects_can_have_what_says_of_itself_that_several_can() {
    let at = on("a", "sim_attached.machine");
    let config = |parent: &str, shared: bool| {
        let disk = Block::host("sim_disk.data").with("shared", shared);
        let mut block = Block::host(&at).with("parent", parent);
        let volume = Argument::From(disk.address.clone(), "id");
        block.arguments.insert("volume".to_owned(), volume);
        let mut config = Config::of([disk, block]);
        config.surges.insert("edge".to_owned(), 1);
        config
    };
    let world = World::with(&config("one", true));
    assert!(world.try_plan(&config("two", true)).is_ok());
    let errors = world.try_plan(&config("two", false)).unwrap_err();
    assert_eq!(errors[0].code, "surge-only-one", "from now on only one can have it");
    let errors = World::with(&config("one", false)).try_plan(&config("two", true)).unwrap_err();
    assert_eq!(errors[0].code, "surge-only-one", "only one can have had it");
}

#[test]
fn what_held_nodes_stand_on_is_neither_replaced_nor_deleted() {
    let mut world = World::with(&fleet("one", "net", 0));
    world.target(&[&on("a", "sim_host.disk")]);
    world.held = BTreeSet::from([("edge".to_owned(), "b".to_owned())]);
    let mut replaced = fleet("two", "other", 0);
    for block in &mut replaced.blocks {
        let network = address("sim_host.network");
        if block.address.node().is_some() && block.arguments.contains_key("peer") {
            block.depends_on.insert(network);
        }
    }
    let errors = world.try_plan(&replaced).unwrap_err();
    assert_eq!(errors[0].code, "held-foundation");

    let mut without = fleet("two", "net", 0);
    without.blocks.retain(|block| block.address != address("sim_host.network"));
    without.blocks.iter_mut().for_each(|block| drop(block.arguments.remove("peer")));
    world.target(&[]);
    let plan = world.plan(&without);
    assert!(kinds(&plan, "sim_host.network").is_empty(), "b is on it");
    world.held.clear();
    assert_eq!(kinds(&world.plan(&without), "sim_host.network"), [OperationKind::Delete]);
}
