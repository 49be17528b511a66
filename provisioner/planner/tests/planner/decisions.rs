//! Every action and every reason, one by one.

use crate::world::{Argument, Block, Config, World, address, change, operation, steps};
use model::plan::{Action, DriftKind, OperationKind, Reason};
use model::{Type, Value};

fn one(block: Block) -> Config {
    Config::of([block])
}

fn applied(block: Block) -> World {
    World::with(&one(block))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_is_not_recorded_is_created() {
    let plan = World::default().plan(&one(Block::host("a").with("secret", "s3")));
    let change = change(&plan, "sim_host.a");
    assert_eq!((change.action, &change.reasons[..]), (Action::Create, &[Reason::New][..]));
    let after = change.after.as_ref().unwrap();
    assert_eq!(after.get("size").unwrap(), 1.into());
    for unknown in ["id", "digest", "status", "zone"] {
        assert!(after.get(unknown).unwrap().is_unknown(), "{unknown}");
    }
    assert!(after.get("secret").unwrap().marks().sensitive);
    assert_eq!(plan.base_revisions[&address("sim_host.a")], 0);
    assert!(plan.operations[0].arguments.as_ref().unwrap().get("zone").unwrap().is_null());
}

#[test]
fn what_is_as_wanted_stays() {
    let config = one(Block::host("a").with("secret", "s3"));
    let mut world = World::with(&config.clone().output("id", "sim_host.a", "id"));
    let plan = world.apply(&config.clone().output("id", "sim_host.a", "id"));
    assert!(!plan.has_changes());
    assert_eq!(plan.count(Action::NoOp), 1);
    assert!(plan.refreshed.is_empty() && plan.drift.is_empty());
    assert_eq!(plan.changed_outputs, [].into());
    let plan = world.plan(&config);
    assert_eq!(plan.changed_outputs, ["id".to_owned()].into());
}

#[test]
fn an_argument_that_differs_updates() {
    let world = applied(Block::host("a"));
    let plan = world.plan(&one(Block::host("a").with("size", 2)));
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.reasons, [Reason::ArgumentsDiffer { arguments: names(&["size"]) }]);
    assert_eq!(change.differing, ["size"]);
    let after = change.after.as_ref().unwrap();
    assert!(after.get("id").unwrap().is_wholly_known(), "stable");
    assert!(after.get("digest").unwrap().is_unknown(), "volatile");
    assert_eq!(after.get("status").unwrap(), "running".into(), "expected of a well object");
    assert_eq!(after.get("zone").unwrap(), "z1".into(), "chosen before");
    let operation = operation(&plan, OperationKind::Update, "sim_host.a");
    assert_eq!(operation.arguments.as_ref().unwrap().get("zone").unwrap(), "z1".into());
    assert_eq!(operation.prior.as_ref().unwrap().revision, 1);
    assert_eq!(operation.place, "main.hcl:1:1");
}

#[test]
fn what_begins_with_a_snapshot_does_so_whatever_the_configuration_says() {
    // `parent` replaces its host, and is left out, said otherwise, or ignored here.
    let begins = |world: &mut World, block: Block| {
        let begins = ("parent".to_owned(), Value::from("snapshot"));
        world.begin_with = [(address("sim_host.a"), begins)].into();
        let plan = world.plan(&one(block));
        let (action, after) = {
            let change = change(&plan, "sim_host.a");
            (change.action, change.after.as_ref().unwrap().get("parent").unwrap())
        };
        assert_eq!(after, "snapshot".into());
        action
    };
    assert_eq!(begins(&mut World::default(), Block::host("a")), Action::Create);
    let other = || Block::host("a").with("parent", "other");
    for block in [Block::host("a"), other(), other().ignoring("parent")] {
        assert_eq!(begins(&mut applied(block.clone()), block), Action::ReplaceDeleteFirst);
    }
    let begun = Block::host("a").with("parent", "snapshot");
    assert_eq!(begins(&mut applied(begun), Block::host("a")), Action::NoOp);
}

#[test]
fn what_changes_with_an_argument_stays_while_that_stays() {
    let ranged = || Block::host("sim_ranged.a").with("peer", "one");
    let world = applied(ranged());
    let after = |block: Block| {
        let plan = world.plan(&one(block));
        let change = change(&plan, "sim_ranged.a");
        assert_eq!(change.action, Action::Update);
        change.after.clone().unwrap()
    };
    let other = after(ranged().with("size", 2));
    assert!(other.get("range").unwrap().is_wholly_known(), "{other:?}");
    let other = after(ranged().with("peer", "other"));
    assert!(other.get("range").unwrap().is_unknown(), "{other:?}");
    assert!(other.get("id").unwrap().is_wholly_known(), "{other:?}");
}

#[test]
fn an_argument_that_forces_it_replaces() {
    let world = applied(Block::host("a"));
    let config = one(Block::host("a").with("name", "other").with("size", 3));
    let plan = world.plan(&config);
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::ReplaceDeleteFirst);
    let forces = Reason::ForcesReplacement { arguments: names(&["name"]) };
    let differs = Reason::ArgumentsDiffer { arguments: names(&["size"]) };
    assert_eq!(change.reasons, [forces, differs]);
    assert!(change.after.as_ref().unwrap().get("zone").unwrap().is_unknown());
    assert_eq!(steps(&plan), ["Delete sim_host.a", "Create sim_host.a"]);
}

#[test]
fn create_first_replacement_deletes_the_old_one_last() {
    let world = applied(Block::host("a").create_first());
    let plan = world.plan(&one(Block::host("a").with("name", "other").create_first()));
    assert_eq!(change(&plan, "sim_host.a").action, Action::ReplaceCreateFirst);
    assert_eq!(steps(&plan), ["CreateReplacement sim_host.a", "DeleteDeposed sim_host.a"]);
    let mut world = world;
    world.run(&plan, 1);
    assert_eq!(world.recorded.deposed.len(), 1);
    let plan = world.apply(&one(Block::host("a").with("name", "other").create_first()));
    assert_eq!(steps(&plan), ["DeleteDeposed sim_host.a"]);
    assert_eq!(plan.changes[1].reasons, [Reason::Deposed]);
    assert!(world.recorded.deposed.is_empty());
}

#[test]
fn a_refused_change_is_an_error_with_both_values_and_advice() {
    let world = applied(Block::host("a").with("disk", 5));
    let errors = world.try_plan(&one(Block::host("a").with("disk", 8))).unwrap_err();
    assert_eq!(errors[0].code, "change-refused");
    assert_eq!(errors[0].summary, "`disk` of sim_host.a is 5 and cannot become 8");
    assert_eq!(errors[0].hints, ["make a second one"]);
    assert_eq!(errors[0].labels[0].span.end, 8);
    // A replacement that has another cause makes a new object, which may have any size.
    let plan = world.plan(&one(Block::host("a").with("disk", 8).with("name", "b")));
    assert_eq!(change(&plan, "sim_host.a").action, Action::ReplaceDeleteFirst);
}

#[test]
fn all_errors_come_at_once() {
    let blocks = |disk: i64| ["a", "b"].map(|name| Block::host(name).with("disk", disk));
    let mut world =
        World::with(&Config::of(blocks(1).into_iter().chain([Block::host("c").prevent_destroy()])));
    assert_eq!(world.try_plan(&Config::of(blocks(2))).unwrap_err().len(), 3);
    world.replace.insert(address("sim_host.nowhere"));
    let errors = world.try_plan(&Config::of(blocks(1))).unwrap_err();
    assert_eq!(errors[0].code, "unknown-instance");
}

#[test]
fn what_is_not_configured_is_deleted() {
    let world = applied(Block::host("a"));
    let plan = world.plan(&Config::default());
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::Delete);
    assert_eq!(change.reasons, [Reason::NotConfigured]);
    assert!(change.after.is_none());
}

#[test]
fn what_vanished_is_made_again_or_forgotten() {
    let mut world = applied(Block::host("a"));
    world.lose("sim_host.a");
    let plan = world.plan(&one(Block::host("a")));
    assert_eq!(plan.drift[0].kind, DriftKind::Gone);
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::Create);
    assert_eq!(change.reasons, [Reason::Vanished { detail: "no such object".to_owned() }]);
    assert_eq!(plan.base_revisions[&address("sim_host.a")], 1);
    for plan in [world.plan(&Config::default()), world.plan_destroy()] {
        assert_eq!(plan.vanished, [address("sim_host.a")]);
        assert!(plan.operations.is_empty() && plan.has_changes());
    }
}

#[test]
fn an_object_that_is_not_well_is_mended() {
    let mut world = applied(Block::host("a"));
    world.drift("sim_host.a", "status", "stopped");
    let plan = world.plan(&one(Block::host("a")));
    let lines = names(&["status is \"stopped\", expected \"running\""]);
    assert_eq!(plan.drift[0].differences, lines);
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.reasons, [Reason::Drifted { differences: lines }]);
    assert!(change.differing.is_empty() && plan.refreshed.is_empty());
}

#[test]
fn an_argument_that_drifted_is_set_back() {
    let mut world = applied(Block::host("a").with("size", 4));
    world.drift("sim_host.a", "size", 5);
    let config = one(Block::host("a").with("size", 4));
    let plan = world.apply(&config);
    let lines = names(&["size is 5, was 4"]);
    assert_eq!(change(&plan, "sim_host.a").reasons, [Reason::Drifted { differences: lines }]);
    assert!(!world.plan(&config).has_changes());
    // To what the configuration wants by now, there is nothing to do but to know it.
    world.drift("sim_host.a", "size", 6);
    let plan = world.apply(&one(Block::host("a").with("size", 6)));
    assert!(!plan.has_changes());
    assert_eq!(plan.refreshed[0].attributes.get("size").unwrap(), 6.into());
}

#[test]
fn a_drifted_argument_that_forces_it_replaces() {
    let mut world = applied(Block::host("a"));
    world.drift("sim_host.a", "name", "renamed");
    let plan = world.plan(&one(Block::host("a")));
    let change = change(&plan, "sim_host.a");
    assert_eq!(change.action, Action::ReplaceDeleteFirst);
    assert!(matches!(&change.reasons[1], Reason::Drifted { .. }));
}

#[test]
fn other_drift_is_only_recorded() {
    let mut world = applied(Block::host("a"));
    world.drift("sim_host.a", "digest", "other");
    let config = one(Block::host("a"));
    let plan = world.apply(&config);
    assert!(!plan.has_changes());
    assert_eq!(plan.drift[0].differences, ["digest is \"other\", was \"digest 1\""]);
    assert_eq!(plan.refreshed.len(), 1);
    assert!(world.plan(&config).drift.is_empty());
}

#[test]
fn secrets_are_not_told() {
    let mut world = applied(Block::host("a").with("secret", "old"));
    world.drift("sim_host.a", "secret", "stolen");
    let plan = world.plan(&one(Block::host("a").with("secret", "old")));
    assert_eq!(plan.drift[0].differences, ["secret differs (sensitive)"]);
    assert_eq!(change(&plan, "sim_host.a").action, Action::Update);
}

#[test]
fn a_half_made_object_is_replaced() {
    let mut world = applied(Block::host("a"));
    world.record("sim_host.a").tainted = true;
    let config = one(Block::host("a"));
    let plan = world.apply(&config);
    assert_eq!(change(&plan, "sim_host.a").action, Action::ReplaceDeleteFirst);
    assert_eq!(change(&plan, "sim_host.a").reasons, [Reason::Tainted]);
    assert!(!world.plan(&config).has_changes());
}

#[test]
fn the_user_may_ask_for_a_replacement() {
    let mut world = applied(Block::host("a"));
    world.replace.insert(address("sim_host.a"));
    let plan = world.plan(&one(Block::host("a")));
    assert_eq!(change(&plan, "sim_host.a").reasons, [Reason::Requested]);
    assert_eq!(steps(&plan), ["Delete sim_host.a", "Create sim_host.a"]);
}

#[test]
fn another_provider_configuration_replaces() {
    let world = applied(Block::host("a"));
    let mut block = Block::host("a");
    block.provider = "sim.west".to_owned();
    let plan = world.plan(&one(block));
    let forces = Reason::ForcesReplacement { arguments: names(&["provider"]) };
    assert_eq!(change(&plan, "sim_host.a").reasons, [forces]);
    let providers: Vec<_> = plan.operations.iter().map(|o| o.provider.as_str()).collect();
    assert_eq!(providers, ["sim", "sim.west"]);
}

#[test]
fn prevent_destroy_stops_replacement_deletion_and_destruction() {
    let block = || Block::host("a").prevent_destroy();
    let world = applied(block());
    let replaced = world.try_plan(&one(block().with("name", "b"))).unwrap_err();
    assert_eq!(replaced[0].code, "destroy-prevented");
    assert!(replaced[0].summary.contains("because of `name`"), "{}", replaced[0].summary);
    assert_eq!(replaced[0].labels.len(), 1);
    assert_eq!(world.try_plan(&Config::default()).unwrap_err().len(), 1);
    assert_eq!(world.try_plan_destroy().unwrap_err().len(), 1);
    let mut world = world;
    let plan = world.apply(&one(Block::host("a")));
    assert!(!plan.has_changes());
    assert_eq!(world.plan_destroy().operations.len(), 1);
}

#[test]
fn ignored_changes_keep_what_stands() {
    let mut world = applied(Block::host("a").with("size", 1));
    let config = one(Block::host("a").with("size", 9).ignoring("size"));
    assert!(!world.plan(&config).has_changes());
    world.drift("sim_host.a", "size", 7);
    let plan = world.plan(&config);
    assert!(!plan.has_changes());
    assert_eq!(plan.refreshed[0].attributes.get("size").unwrap(), 7.into());
    // A new object gets what is configured.
    world.lose("sim_host.a");
    let plan = world.plan(&config);
    assert_eq!(change(&plan, "sim_host.a").after.as_ref().unwrap().get("size").unwrap(), 9.into());
}

#[test]
fn what_the_provider_chose_stays_until_it_is_configured() {
    let mut world = applied(Block::host("a"));
    let config = one(Block::host("a").with("zone", "z2"));
    let plan = world.apply(&config);
    assert_eq!(change(&plan, "sim_host.a").differing, ["zone"]);
    assert!(!world.plan(&one(Block::host("a"))).has_changes());
}

#[test]
fn a_value_of_an_object_made_anew_replaces() {
    let blocks = |name: &str| {
        let child = Block::host("child").from("parent", "sim_host.base", "id");
        Config::of([Block::host("base").with("name", name), child])
    };
    let world = World::with(&blocks("a"));
    let plan = world.plan(&blocks("b"));
    assert_eq!(
        steps(&plan),
        [
            "Delete sim_host.child",
            "Delete sim_host.base",
            "Create sim_host.base",
            "Create sim_host.child"
        ]
    );
}

#[test]
fn a_value_of_an_updated_object_must_not_turn_out_different() {
    let blocks = |size: i64| {
        let child = Block::host("child").from("parent", "sim_host.base", "digest");
        Config::of([Block::host("base").with("size", size), child])
    };
    let plan = World::with(&blocks(1)).plan(&blocks(2));
    let operation = operation(&plan, OperationKind::Update, "sim_host.child");
    assert_eq!(operation.must_not_differ, ["parent".to_owned()].into());
    assert_eq!(operation.needs, [0].into());
}

#[test]
fn an_unknown_value_updates_what_uses_it_and_expected_ones_do_not() {
    let blocks = |size: i64| {
        let peer = Block::host("peer").on("peer", "sim_host.base", "digest");
        let calm = Block::host("calm").on("peer", "sim_host.base", "status");
        Config::of([Block::host("base").with("size", size), peer, calm])
    };
    let mut world = World::with(&blocks(1));
    let plan = world.apply(&blocks(2));
    assert_eq!(steps(&plan), ["Update sim_host.base", "Update sim_host.peer"]);
    assert!(!world.plan(&blocks(2)).has_changes());
}

#[test]
fn statements_follow_what_they_are_about() {
    let about = [address("sim_host.a"), address("sim_host.b")];
    let config = |size: i64| {
        let statement = Block::statement("all", &[&about[0], &about[1]]);
        Config::of([Block::host("a").with("size", size), Block::host("b"), statement])
    };
    let mut world = World::with(&config(1));
    let plan = world.apply(&config(2));
    let change = change(&plan, "sim_statement.all");
    assert_eq!(change.action, Action::Update);
    let follows = Reason::DependencyChanges { addresses: vec![about[0].clone()] };
    assert_eq!(change.reasons, [follows]);
    assert_eq!(steps(&plan), ["Update sim_host.a", "Update sim_statement.all"]);
    assert!(!world.plan(&config(2)).has_changes());
}

#[test]
fn new_dependencies_and_lifecycle_are_recorded_without_an_operation() {
    let config =
        Config::of([Block::host("b"), Block::host("a").after("sim_host.b").prevent_destroy()]);
    let mut world = World::with(&Config::of([Block::host("b"), Block::host("a")]));
    let plan = world.apply(&config);
    assert!(!plan.has_changes());
    assert_eq!(plan.refreshed.len(), 1);
    let record = world.record("sim_host.a");
    assert!(record.lifecycle.prevent_destroy);
    assert_eq!(record.dependencies, [address("sim_host.b")].into());
    assert!(world.plan(&config).refreshed.is_empty());
}

#[test]
fn outputs_change_with_their_values() {
    let config = |name: &str| {
        let mut config = one(Block::host("a").with("name", name)).output("id", "sim_host.a", "id");
        let list = Value::list(Type::String, ["x".into()]);
        config.outputs.insert("list".to_owned(), Argument::Is(list));
        config
    };
    let mut world = World::with(&config("a"));
    assert!(!world.plan(&config("a")).has_changes());
    let plan = world.apply(&config("b"));
    assert_eq!(plan.changed_outputs, ["id".to_owned()].into());
    let plan = world.plan_destroy();
    assert!(plan.destroy && plan.outputs.is_empty());
    assert_eq!(plan.changed_outputs.len(), 2);
}

#[test]
fn resource_types_without_a_schema_are_told() {
    let errors =
        World::default().try_plan(&one(Block { provider: "other".to_owned(), ..Block::host("a") }));
    assert_eq!(errors.unwrap_err()[0].code, "unknown-resource-type");
}

#[test]
fn destroying_deletes_everything_in_reverse() {
    let config = Config::of([
        Block::host("z"),
        Block::host("m").from("parent", "sim_host.z", "id"),
        Block::host("a").from("peer", "sim_host.m", "id"),
    ]);
    let mut world = World::with(&config);
    let plan = world.plan_destroy();
    assert_eq!(steps(&plan), ["Delete sim_host.a", "Delete sim_host.m", "Delete sim_host.z"]);
    assert!(plan.changes.iter().all(|change| change.reasons == [Reason::Destroying]));
    world.run(&plan, 3);
    assert!(world.objects.is_empty());
    assert!(!world.plan_destroy().has_changes());
}
