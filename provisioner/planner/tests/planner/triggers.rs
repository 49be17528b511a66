//! `replace_triggered_by`.

use crate::world::{Block, Config, World, address};
use model::plan::{Action, Plan, Reason};

fn action(plan: &Plan, name: &str) -> Action {
    plan.changes.iter().find(|change| change.address == address(name)).unwrap().action
}

fn config(cause: Block, path: &[&str]) -> Config {
    Config::of([cause, Block::host("effect").triggered_by("sim_host.cause", path)])
}

fn cause() -> Block {
    Block::host("cause")
}

#[test]
fn an_update_or_a_replacement_triggers_and_a_creation_does_not() {
    let mut world = World::default();
    let plan = world.apply(&config(cause(), &[]));
    assert_eq!(action(&plan, "sim_host.effect"), Action::Create);
    assert!(!world.plan(&config(cause(), &[])).has_changes());
    for change in [cause().with("size", 7), cause().with("name", "other")] {
        let plan = world.apply(&config(change.clone(), &[]));
        assert_eq!(action(&plan, "sim_host.effect"), Action::ReplaceDeleteFirst);
        let effect = plan.changes.iter().find(|it| it.address == address("sim_host.effect"));
        let by = vec!["sim_host.cause".to_owned()];
        assert_eq!(effect.unwrap().reasons, [Reason::Triggered { by }]);
        assert!(!world.plan(&config(change, &[])).has_changes());
    }
}

#[test]
fn an_attribute_triggers_only_when_it_changes() {
    let world = World::with(&config(cause(), &["size"]));
    let other = world.plan(&config(cause().with("peer", "x"), &["size"]));
    assert_eq!(action(&other, "sim_host.effect"), Action::NoOp);
    let same = world.plan(&config(cause().with("size", 2), &["size"]));
    assert_eq!(action(&same, "sim_host.effect"), Action::ReplaceDeleteFirst);
    let id = World::with(&config(cause(), &["id"]));
    let updated = id.plan(&config(cause().with("size", 2), &["id"]));
    assert_eq!(action(&updated, "sim_host.effect"), Action::NoOp);
    let replaced = id.plan(&config(cause().with("name", "other"), &["id"]));
    assert_eq!(action(&replaced, "sim_host.effect"), Action::ReplaceDeleteFirst);
}

#[test]
fn what_triggers_goes_first() {
    let world = World::with(&config(cause(), &[]));
    let plan = world.plan(&config(cause().with("size", 7), &[]));
    let order: Vec<_> =
        plan.operations.iter().map(|it| format!("{:?} {}", it.kind, it.address)).collect();
    let at = |text: &str| order.iter().position(|it| it == text).unwrap();
    assert!(at("Update sim_host.cause") < at("Create sim_host.effect"), "{order:?}");
}
