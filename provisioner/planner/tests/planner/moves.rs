//! `moved` and `removed`: records get new addresses, objects stay or are forgotten.

use crate::world::{Block, Config, World, address};
use model::plan::{Action, Plan, Reason};

fn hosts(names: &[&str]) -> Config {
    let host = |name: &&str| Block::host(name).with("name", "same");
    Config::of(names.iter().map(host))
}

fn moves(plan: &Plan) -> Vec<String> {
    plan.moved.iter().map(|moved| format!("{} -> {}", moved.from, moved.to)).collect()
}

/// What a plan does to objects, by address.
fn does(plan: &Plan) -> Vec<String> {
    let acts = plan.changes.iter().filter(|change| change.action != Action::NoOp);
    acts.map(|change| format!("{:?} {}", change.action, change.address)).collect()
}

#[track_caller]
fn moves_without_change(before: &Config, after: &Config, expected: &[&str]) {
    let mut world = World::with(before);
    let objects = world.objects.clone();
    let plan = world.apply(after);
    assert_eq!(moves(&plan), expected);
    assert_eq!(does(&plan), [] as [&str; 0]);
    assert!(plan.has_changes(), "moves alone are something to apply");
    assert_eq!(world.objects, objects, "objects stay as they are");
    assert!(!world.plan(after).has_changes(), "moved once is moved for good");
}

#[test]
fn a_resource_gets_another_name() {
    let after = hosts(&["sim_host.b"]).moved("sim_host.a", "sim_host.b");
    moves_without_change(&hosts(&["sim_host.a"]), &after, &["sim_host.a -> sim_host.b"]);
}

#[test]
fn all_instances_of_a_block_keep_their_keys() {
    let before = hosts(&["sim_host.a[0]", "sim_host.a[1]"]);
    let after = hosts(&["sim_host.b[0]", "sim_host.b[1]"]).moved("sim_host.a", "sim_host.b");
    let expected = ["sim_host.a[0] -> sim_host.b[0]", "sim_host.a[1] -> sim_host.b[1]"];
    moves_without_change(&before, &after, &expected);
}

#[test]
fn from_count_to_for_each_and_from_one_to_many() {
    let before = hosts(&["sim_host.a[0]", "sim_host.a[1]", "sim_host.c"]);
    let after = hosts(&["sim_host.a[\"x\"]", "sim_host.a[\"y\"]", "sim_host.c[\"z\"]"])
        .moved("sim_host.a[0]", "sim_host.a[\"x\"]")
        .moved("sim_host.a[1]", "sim_host.a[\"y\"]")
        .moved("sim_host.c", "sim_host.c[\"z\"]");
    let expected = [
        "sim_host.a[0] -> sim_host.a[\"x\"]",
        "sim_host.a[1] -> sim_host.a[\"y\"]",
        "sim_host.c -> sim_host.c[\"z\"]",
    ];
    moves_without_change(&before, &after, &expected);
}

#[test]
fn modules_with_all_that_is_in_them() {
    let before = hosts(&["module.a.sim_host.x", "module.a.module.n[0].sim_host.y[\"k\"]"]);
    let after = hosts(&["module.b.sim_host.x", "module.b.module.n[0].sim_host.y[\"k\"]"])
        .moved("module.a", "module.b");
    let expected = [
        "module.a.module.n[0].sim_host.y[\"k\"] -> module.b.module.n[0].sim_host.y[\"k\"]",
        "module.a.sim_host.x -> module.b.sim_host.x",
    ];
    let mut sorted = expected;
    sorted.sort_by_key(|text| text.rsplit(' ').next().map(address));
    moves_without_change(&before, &after, &sorted);
    let before = hosts(&["module.a.sim_host.x"]);
    let after = hosts(&["module.a[\"k\"].sim_host.x"]).moved("module.a", "module.a[\"k\"]");
    let expected = ["module.a.sim_host.x -> module.a[\"k\"].sim_host.x"];
    moves_without_change(&before, &after, &expected);
}

#[test]
fn into_a_module_and_out_of_one() {
    let before = hosts(&["sim_host.a", "module.m.sim_host.b"]);
    let after = hosts(&["module.m.sim_host.a", "sim_host.b"])
        .moved("sim_host.a", "module.m.sim_host.a")
        .moved("module.m.sim_host.b", "sim_host.b");
    let expected = ["module.m.sim_host.b -> sim_host.b", "sim_host.a -> module.m.sim_host.a"];
    moves_without_change(&before, &after, &expected);
}

#[test]
fn a_chain_leads_to_its_end_from_wherever_the_object_is() {
    let chain = |config: Config| {
        config
            .moved("sim_host.a", "sim_host.b")
            .moved("sim_host.b", "module.m.sim_host.c")
            .moved("module.m", "module.n")
    };
    let after = chain(hosts(&["module.n.sim_host.c"]));
    for at in ["sim_host.a", "sim_host.b", "module.m.sim_host.c"] {
        let expected = format!("{at} -> module.n.sim_host.c");
        moves_without_change(&hosts(&[at]), &after, &[&expected]);
    }
}

#[test]
fn one_moves_where_another_moves_away() {
    let before = hosts(&["sim_host.a", "sim_host.b"]);
    let after = hosts(&["sim_host.c", "sim_host.b2"])
        .moved("sim_host.b", "sim_host.b2")
        .moved("sim_host.a", "sim_host.c");
    let expected = ["sim_host.b -> sim_host.b2", "sim_host.a -> sim_host.c"];
    moves_without_change(&before, &after, &expected);
}

#[test]
fn a_place_that_is_taken_stays_taken() {
    let mut world = World::with(&hosts(&["sim_host.a", "sim_host.b"]));
    let after = hosts(&["sim_host.b"]).moved("sim_host.a", "sim_host.b");
    let renamed = planner::rename(&world.recorded, &after.moves);
    let warning = &renamed.warnings[0];
    assert_eq!(
        warning.summary,
        "sim_host.a cannot move to sim_host.b: something is recorded there already"
    );
    let plan = world.apply(&after);
    assert_eq!(moves(&plan), [] as [&str; 0]);
    assert_eq!(does(&plan), ["Delete sim_host.a"]);
}

#[test]
fn moved_and_changed_at_once() {
    let world = World::with(&hosts(&["sim_host.a"]));
    let after = Config::of([Block::host("b").with("name", "same").with("size", 3)])
        .moved("sim_host.a", "sim_host.b");
    let plan = world.plan(&after);
    let change = &plan.changes[0];
    assert_eq!((change.action, &change.previous), (Action::Update, &Some(address("sim_host.a"))));
    assert_eq!(plan.base_revisions[&address("sim_host.a")], 1);
    assert_eq!(plan.base_revisions[&address("sim_host.b")], 0);
}

#[test]
fn what_depends_on_it_names_its_new_address() {
    let before = Config::of([
        Block::host("a").with("name", "same"),
        Block::host("child").from("peer", "sim_host.a", "id"),
        Block::host("gone").from("peer", "sim_host.a", "id"),
    ]);
    let after = Config::of([
        Block::host("b").with("name", "same"),
        Block::host("child").from("peer", "sim_host.b", "id"),
    ])
    .moved("sim_host.a", "sim_host.b");
    let mut world = World::with(&before);
    let plan = world.plan(&after);
    let dependents: Vec<_> = plan.moved[0].dependents.iter().map(ToString::to_string).collect();
    assert_eq!(dependents, ["sim_host.child", "sim_host.gone"]);
    world.run(&plan, plan.operations.len());
    assert!(!world.plan(&after).has_changes());
    let destroyed = world.plan_destroy();
    let order: Vec<_> = destroyed.operations.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(order, ["sim_host.child", "sim_host.b"]);
}

#[test]
fn a_new_object_may_take_the_old_address() {
    let mut world = World::with(&hosts(&["sim_host.a"]));
    let after = hosts(&["sim_host.a", "sim_host.b"]).moved("sim_host.a", "sim_host.b");
    let plan = world.apply(&after);
    assert_eq!(does(&plan), ["Create sim_host.a"]);
    assert_eq!(world.objects.len(), 2);
    let other = hosts(&["sim_host.a", "sim_host.b"]);
    assert!(!world.plan(&other).has_changes());
}

#[test]
fn removed_objects_are_forgotten_or_deleted() {
    let config = hosts(&["sim_host.a[0]", "sim_host.a[1]", "module.m[0].sim_host.b", "sim_host.c"]);
    let world = World::with(&config);
    let after = Config::of([])
        .removed("sim_host.a", false)
        .removed("module.m", false)
        .removed("sim_host.c", true);
    let plan = world.plan(&after);
    let expected = [
        "Forget sim_host.a[0]",
        "Forget sim_host.a[1]",
        "Delete sim_host.c",
        "Forget module.m[0].sim_host.b",
    ];
    let mut expected = expected.map(str::to_owned);
    let mut done = does(&plan);
    expected.sort();
    done.sort();
    assert_eq!(done, expected);
    let forgotten = plan.changes.iter().find(|change| change.action == Action::Forget).unwrap();
    assert_eq!(forgotten.reasons, [Reason::Removed]);
}
