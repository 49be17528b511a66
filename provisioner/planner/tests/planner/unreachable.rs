//! Objects that refresh could not reach: nothing is assumed about them, and nothing is asked of them
//! that cannot be.

use crate::world::{Block, Config, World, change, operation, steps};
use model::plan::{Action, DriftKind, OperationKind, Reason};

/// A machine, a service on it, and a network below.
fn config(machine: &str, size: i64) -> Config {
    Config::of([
        Block::host("network"),
        Block::host("machine").with("name", machine).from("peer", "sim_host.network", "id"),
        Block::host("service").with("size", size).from("parent", "sim_host.machine", "id"),
    ])
}

fn world() -> World {
    let mut world = World::with(&config("m", 1));
    world.unreachable("sim_host.service");
    world
}

#[test]
fn it_stays_when_nothing_differs() {
    let plan = world().plan(&config("m", 1));
    assert!(!plan.has_changes() && plan.refreshed.is_empty());
    assert_eq!(plan.drift[0].kind, DriftKind::Unreachable);
    assert_eq!(plan.drift[0].differences, ["no route to host"]);
}

#[test]
fn it_stays_even_when_it_was_recorded_unwell() {
    let mut world = world();
    let record = world.record("sim_host.service");
    let mut attributes = record.attributes.as_entries().unwrap().clone();
    attributes.insert("status".into(), "stopped".into());
    record.attributes = model::Value::object(attributes);
    assert!(!world.plan(&config("m", 1)).has_changes());
}

#[test]
fn it_is_updated_when_arguments_differ_after_its_machine_is_mended() {
    let mut world = world();
    world.drift("sim_host.machine", "status", "stopped");
    let plan = world.plan(&config("m", 2));
    assert_eq!(steps(&plan), ["Update sim_host.machine", "Update sim_host.service"]);
    assert_eq!(plan.operations[1].needs, [0].into());
}

#[test]
fn it_is_deleted_after_its_machine_is_mended() {
    let mut world = world();
    world.drift("sim_host.machine", "status", "stopped");
    let mut config = config("m", 1);
    config.blocks.truncate(2);
    let plan = world.plan(&config);
    assert_eq!(steps(&plan), ["Update sim_host.machine", "Delete sim_host.service"]);
    assert_eq!(plan.operations[1].needs, [0].into());
}

#[test]
fn it_is_only_made_again_where_its_machine_is_gone() {
    let mut world = world();
    world.lose("sim_host.machine");
    let plan = world.plan(&config("m", 1));
    assert_eq!(steps(&plan), ["Create sim_host.machine", "Create sim_host.service"]);
    let change = change(&plan, "sim_host.service");
    assert_eq!(change.action, Action::Create);
    let detail = "no route to host; it went with sim_host.machine".to_owned();
    assert_eq!(change.reasons[0], Reason::Vanished { detail });
    world.unreachable.clear();
    world.run(&plan, 2);
    assert!(!world.plan(&config("m", 1)).has_changes());
}

#[test]
fn it_is_only_made_again_where_its_machine_is_replaced() {
    let plan = world().plan(&config("other", 1));
    assert_eq!(
        steps(&plan),
        ["Delete sim_host.machine", "Create sim_host.machine", "Create sim_host.service"]
    );
}

#[test]
fn it_is_forgotten_after_its_machine_is_deleted() {
    let mut world = world();
    let mut config = config("m", 1);
    config.blocks.truncate(1);
    for plan in [world.plan(&config), world.plan_destroy()] {
        let forget = operation(&plan, OperationKind::Forget, "sim_host.service");
        let delete = operation(&plan, OperationKind::Delete, "sim_host.machine");
        assert!(forget.needs.contains(&delete.id));
        assert!(forget.prior.is_some() && forget.provider == "sim");
        assert_eq!(plan.count(Action::Forget), 1);
    }
    let plan = world.plan_destroy();
    world.run(&plan, 3);
    assert!(world.recorded.records.is_empty());
}

#[test]
fn the_rule_reaches_through_everything_below() {
    let mut world = World::with(&config("m", 1));
    world.unreachable("sim_host.service");
    world.unreachable("sim_host.machine");
    world.lose("sim_host.network");
    let mut config = config("m", 1);
    config.blocks.truncate(1);
    let plan = world.plan(&config);
    assert_eq!(plan.count(Action::Forget), 2);
}

#[test]
fn without_such_a_cause_it_is_deleted_for_real() {
    let mut config = config("m", 1);
    config.blocks.truncate(2);
    assert_eq!(steps(&world().plan(&config)), ["Delete sim_host.service"]);
}
