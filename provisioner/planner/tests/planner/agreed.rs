//! Waves of a saved rollout do nothing that the plan which people agreed to does not say.

use crate::world::{Block, Config, World, address};
use model::plan::Plan;
use planner::beyond;

fn hosts(names: &[(&str, i64)]) -> Config {
    Config::of(names.iter().map(|(name, size)| Block::host(name).with("size", *size)))
}

fn told(agreed: &Plan, wave: &Plan) -> Vec<String> {
    beyond(agreed, wave).into_iter().map(|diagnostic| diagnostic.summary).collect()
}

#[test]
fn what_the_plan_says_may_be_done_in_parts() {
    let world = World::with(&hosts(&[("sim_host.a", 1), ("sim_host.b", 1), ("sim_host.gone", 1)]));
    let agreed = world.plan(&hosts(&[("sim_host.a", 2), ("sim_host.b", 2), ("sim_host.new", 1)]));
    assert_eq!(told(&agreed, &agreed), [""; 0]);
    let mut part = world;
    part.target(&["sim_host.a"]);
    let wave = part.plan(&hosts(&[("sim_host.a", 2), ("sim_host.b", 2), ("sim_host.new", 1)]));
    assert!(!wave.operations.is_empty());
    assert_eq!(told(&agreed, &wave), [""; 0]);
}

#[test]
fn what_it_does_not_say_is_refused_and_named() {
    let names = [("sim_host.a", 1), ("sim_host.b", 1)];
    let world = World::with(&hosts(&names));
    let agreed = world.plan(&hosts(&[("sim_host.a", 2), ("sim_host.b", 1)]));
    // It keeps `b` and knows no `c`.
    let other = world.plan(&hosts(&[("sim_host.a", 2), ("sim_host.c", 1)]));
    let found = beyond(&agreed, &other);
    let named: Vec<_> = found.iter().filter_map(|it| it.address.clone()).collect();
    assert_eq!(named.len(), 2, "{found:?}");
    assert!(named.contains(&address("sim_host.b")) && named.contains(&address("sim_host.c")));
    assert!(found.iter().all(|it| it.code == "rollout-beyond-plan"));
}

#[test]
fn what_is_gone_since_is_made_again() {
    let names = [("sim_host.a", 1), ("sim_host.b", 1)];
    let mut world = World::with(&hosts(&names));
    let wanted = hosts(&[("sim_host.a", 2), ("sim_host.b", 1)]);
    let agreed = world.plan(&wanted);
    world.lose("sim_host.b");
    let wave = world.plan(&wanted);
    assert!(wave.operations.len() > agreed.operations.len());
    assert_eq!(told(&agreed, &wave), [""; 0]);
}
