//! What comes before what.

use crate::world::{Argument, Block, Config, World, address, checked, operation, steps};
use model::plan::{Action, OperationKind};
use planner::{dot, dot_plan};
use std::collections::BTreeSet;

fn place(plan: &model::plan::Plan, kind: OperationKind, name: &str) -> u32 {
    operation(plan, kind, name).id
}

#[test]
fn creations_follow_dependencies_and_ties_follow_addresses() {
    let config = Config::of([
        Block::host("z"),
        Block::host("c"),
        Block::host("b").after("sim_host.z"),
        Block::host("a").from("peer", "sim_host.z", "id"),
    ]);
    let plan = World::default().plan(&config);
    let wanted = ["sim_host.c", "sim_host.z", "sim_host.a", "sim_host.b"];
    assert_eq!(steps(&plan), wanted.map(|name| format!("Create {name}")));
    assert_eq!(operation(&plan, OperationKind::Create, "sim_host.a").needs, [1].into());
    assert!(operation(&plan, OperationKind::Create, "sim_host.c").needs.is_empty());
}

#[test]
fn needs_pass_through_what_stays() {
    let config = |size: i64, last: i64| {
        Config::of([
            Block::host("first").with("size", size),
            Block::host("middle").after("sim_host.first"),
            Block::host("zast").with("size", last).after("sim_host.middle"),
        ])
    };
    let mut world = World::with(&config(1, 1));
    let plan = world.apply(&config(2, 2));
    let last = operation(&plan, OperationKind::Update, "sim_host.zast");
    assert_eq!(last.needs, [place(&plan, OperationKind::Update, "sim_host.first")].into());
    // And so do deletions.
    let middle = Config::of([Block::host("middle")]);
    let plan = world.plan(&middle);
    assert_eq!(steps(&plan), ["Delete sim_host.zast", "Delete sim_host.first"]);
}

#[test]
fn what_refers_to_an_object_is_updated_before_it_goes() {
    let base = || Block::host("z");
    let target = Block::host("a");
    let user = || Block::host("user").with("peer", "none");
    let before =
        Config::of([base(), target.clone(), Block::host("user").from("peer", "sim_host.a", "id")]);
    let plan = World::with(&before).plan(&Config::of([base(), user()]));
    assert_eq!(steps(&plan), ["Update sim_host.user", "Delete sim_host.a"]);
    assert_eq!(operation(&plan, OperationKind::Delete, "sim_host.a").needs, [0].into());
}

#[test]
fn that_preference_gives_way_to_a_creation_that_waits_for_the_deletion() {
    // base is replaced, which waits for the deletion of its child; user waits for base, and should
    // be updated before the child goes: it cannot.
    let config = |name: &str, child: bool| {
        let mut user = Block::host("user").from("peer", "sim_host.base", "id");
        let mut blocks = vec![Block::host("base").with("name", name)];
        if child {
            blocks.push(Block::host("child").from("parent", "sim_host.base", "id"));
            user = user.after("sim_host.child");
        }
        blocks.push(user);
        Config::of(blocks)
    };
    let plan = World::with(&config("a", true)).apply(&config("b", false));
    assert_eq!(
        steps(&plan),
        [
            "Delete sim_host.child",
            "Delete sim_host.base",
            "Create sim_host.base",
            "Update sim_host.user"
        ]
    );
}

#[test]
fn create_first_spreads_to_what_it_depends_on() {
    let config = |name: &str| {
        Config::of([
            Block::host("base").with("name", name),
            Block::host("middle").after("sim_host.base"),
            Block::host("top").with("name", name).after("sim_host.middle").create_first(),
        ])
    };
    let mut world = World::with(&config("a"));
    let plan = world.apply(&config("b"));
    assert_eq!(plan.count(Action::ReplaceCreateFirst), 2);
    assert_eq!(
        steps(&plan),
        [
            "CreateReplacement sim_host.base",
            "CreateReplacement sim_host.top",
            "DeleteDeposed sim_host.top",
            "DeleteDeposed sim_host.base"
        ]
    );
    assert!(!world.plan(&config("b")).has_changes());
}

#[test]
fn an_old_object_goes_after_those_who_used_it_are_updated() {
    let config = |name: &str| {
        let user = Block::host("user").from("peer", "sim_host.base", "id");
        Config::of([Block::host("base").with("name", name).create_first(), user])
    };
    let plan = World::with(&config("a")).plan(&config("b"));
    assert_eq!(
        steps(&plan),
        ["CreateReplacement sim_host.base", "Update sim_host.user", "DeleteDeposed sim_host.base"]
    );
}

fn fleet(count: usize, size: i64, max_parallel: u32) -> Config {
    let member = |index: usize| {
        let block = Block::host(&format!("n{index:02}")).with("size", size);
        block.in_sequence("group", max_parallel)
    };
    Config::of((0..count).map(member))
}

#[test]
fn creations_of_a_sequence_run_together() {
    let plan = World::default().plan(&fleet(4, 1, 1));
    assert!(plan.operations.iter().all(|operation| operation.needs.is_empty()));
}

#[test]
fn updates_of_a_sequence_run_one_after_the_other() {
    let plan = World::with(&fleet(4, 1, 1)).plan(&fleet(4, 2, 1));
    let needs: Vec<Vec<u32>> =
        plan.operations.iter().map(|o| o.needs.iter().copied().collect()).collect();
    assert_eq!(needs, [vec![], vec![0], vec![1], vec![2]]);
}

#[test]
fn a_wider_sequence_moves_as_a_window_and_one_failure_stops_all_later_ones() {
    let plan = World::with(&fleet(7, 1, 3)).plan(&fleet(7, 2, 3));
    for (place, operation) in (0_u32..).zip(&plan.operations) {
        let wanted: BTreeSet<u32> =
            (0..7).filter(|need| need + 3 <= place && need + 6 > place).collect();
        assert_eq!(operation.needs, wanted, "{place}");
    }
    let plan = World::with(&fleet(3, 1, 3)).plan(&fleet(3, 2, 3));
    assert!(plan.operations.iter().all(|operation| operation.needs.is_empty()));
}

#[test]
fn a_sequence_yields_to_dependencies_among_its_members() {
    let config = |size: i64| {
        let block = |name: &str| Block::host(name).with("size", size).in_sequence("group", 1);
        Config::of([block("b"), block("c"), block("a").after("sim_host.b")])
    };
    let plan = World::with(&config(1)).plan(&config(2));
    assert_eq!(
        steps(&plan),
        ["sim_host.b", "sim_host.a", "sim_host.c"].map(|n| format!("Update {n}"))
    );
    assert_eq!(plan.operations[1].needs, [0].into());
    assert_eq!(plan.operations[2].needs, [1].into());
}

#[test]
fn a_circle_is_told_with_the_reason_of_each_edge() {
    // `depends_on` can name what comes later; arguments cannot here.
    let config = Config::of([
        Block::host("a").after("sim_host.c"),
        Block::host("b").from("peer", "sim_host.a", "id"),
        Block::host("c").from("peer", "sim_host.b", "id"),
        Block::host("d").from("peer", "sim_host.c", "id"),
    ]);
    let errors = World::default().try_plan(&config).unwrap_err();
    assert_eq!(errors[0].code, "dependency-cycle");
    assert_eq!(errors[0].summary, "3 instances depend on each other in a circle");
    let lines: Vec<_> = errors[0].detail.lines().collect();
    assert_eq!(
        lines,
        [
            "sim_host.a depends on sim_host.c: depends_on names it",
            "sim_host.c depends on sim_host.b: its `peer` comes from it",
            "sim_host.b depends on sim_host.a: its `peer` comes from it",
        ]
    );
    assert_eq!(errors[0].labels.len(), 3);
}

#[test]
fn a_circle_of_records_can_be_deleted() {
    let mut world = World::with(&Config::of(["a", "b", "c"].map(Block::host)));
    world.record("sim_host.a").dependencies = [address("sim_host.b")].into();
    world.record("sim_host.b").dependencies = [address("sim_host.a")].into();
    assert_eq!(world.plan_destroy().operations.len(), 3);
    assert_eq!(world.plan(&Config::default()).operations.len(), 3);
}

#[test]
fn deposed_objects_go_before_what_they_stood_on() {
    let config = |name: &str| {
        let child = Block::host("child").with("size", 1).from("parent", "sim_host.base", "id");
        Config::of([Block::host("base"), child.with("name", name).create_first()])
    };
    let mut world = World::with(&config("a"));
    let plan = world.plan(&config("b"));
    world.run(&plan, 1);
    let plan = world.plan_destroy();
    assert_eq!(plan.operations.len(), 3);
    assert_eq!(steps(&plan)[2], "Delete sim_host.base");
    world.run(&plan, 3);
    assert!(world.objects.is_empty() && world.recorded.deposed.is_empty());
}

#[test]
fn what_was_left_of_an_instance_goes_before_a_new_one_is_made() {
    let config = Config::of([Block::host("a")]);
    let mut world = World::with(&config);
    let left = world.record("sim_host.a").clone();
    world.recorded.records.clear();
    world.recorded.deposed.push(left);
    let plan = world.plan(&config);
    assert_eq!(steps(&plan), ["DeleteDeposed sim_host.a", "Create sim_host.a"]);
    assert!(plan.operations[1].needs.contains(&plan.operations[0].id), "both may want one name");
}

#[test]
fn what_was_left_of_an_instance_goes_after_what_stood_on_it() {
    let base = Block::host("base");
    let child = Block::host("child").from("parent", "sim_host.base", "id");
    let mut world = World::with(&Config::of([base.clone(), child]));
    let left = world.record("sim_host.base").clone();
    world.recorded.records.remove(&address("sim_host.base"));
    world.recorded.deposed.push(left);
    // Whether the instance comes back or not.
    for config in [Config::of([base]), Config::default()] {
        let plan = world.plan(&config);
        assert_eq!(steps(&plan)[..2], ["Delete sim_host.child", "DeleteDeposed sim_host.base"]);
        assert!(plan.operations[1].needs.contains(&plan.operations[0].id));
    }
}

#[test]
fn equal_input_gives_equal_plans() {
    let forward = Config::of(["a", "b", "c", "d"].map(Block::host));
    let mut backward = forward.clone();
    backward.blocks.reverse();
    let text = |config| serde_json::to_string(&World::default().plan(config)).unwrap();
    assert_eq!(text(&forward), text(&backward));
}

#[test]
fn only_the_node_that_is_added_or_removed_is_touched() {
    let config = |size: usize| {
        let block = |kind: &str, index: usize| {
            let node = format!("node_set.edge.node[\"edge-{index:03}\"]");
            Block::host(&format!("{node}.sim_host.{kind}"))
        };
        let node = |index| {
            let machine = block("machine", index).from("peer", "sim_host.network", "id");
            let key = format!("node_set.edge.node[\"edge-{index:03}\"].sim_host.machine");
            [machine, block("service", index).from("parent", &key, "id")]
        };
        Config::of([Block::host("network")].into_iter().chain((0..size).flat_map(node)))
    };
    let mut world = World::with(&config(6));
    let plan = world.apply(&config(7));
    let added = "node_set.edge.node[\"edge-006\"].sim_host";
    assert_eq!(steps(&plan), ["machine", "service"].map(|n| format!("Create {added}.{n}")));
    let plan = world.apply(&config(6));
    assert_eq!(steps(&plan), ["service", "machine"].map(|n| format!("Delete {added}.{n}")));
    assert!(!world.plan(&config(6)).has_changes());
}

#[test]
fn graphs_are_drawn() {
    let node = "node_set.edge.node[\"n1\"].sim_host.machine";
    let mut host = Block::host(node);
    let network = Argument::From(address("sim_host.network"), "id");
    host.arguments.insert("peer".to_owned(), network);
    let config = Config::of([Block::host("network"), host]);
    let (recorded, actual) = Default::default();
    let schemas = crate::world::schemas();
    let planner = planner::Planner::new(&recorded, &actual, &schemas, planner::Options::default());
    let desired = config.evaluate(&planner);
    assert_eq!(
        dot(&desired),
        r#"digraph "environment" {
  rankdir = LR
  node [shape = box]
  "sim_host.network" [label = "sim_host.network"]
  subgraph "cluster node_set.edge" {
    label = "node_set.edge"
    subgraph "cluster n1" {
      label = "n1"
      "node_set.edge.node[\"n1\"].sim_host.machine" [label = "sim_host.machine"]
    }
  }
  "node_set.edge.node[\"n1\"].sim_host.machine" -> "sim_host.network"
}
"#
    );
    let plan = checked(planner.plan(&desired).unwrap());
    assert!(dot_plan(&plan).contains("\"1\" [label = \"create\\nsim_host.machine\"]"));
    assert!(dot_plan(&plan).contains("\"1\" -> \"0\""));
}
