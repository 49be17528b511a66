//! Plans limited to targets: what is meant, what it needs, and that the rest stays as it is.

use crate::world::{Block, Config, World, address, change, checked, steps};
use model::Value;
use model::graph::{Desired, Node, NodeSet};
use model::plan::{Action, Plan};
use planner::{Options, Planner, Target, reach};

fn named(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| change.address.to_string()).collect()
}

/// Two stacks side by side: a network, a machine in it, a service on that.
fn stacks(size: i64) -> Config {
    let stack = |side: &str| {
        let name = |what: &str| format!("module.{side}.sim_host.{what}");
        [
            Block::host(&name("network")).with("size", size),
            Block::host(&name("machine")).with("size", size).from("parent", &name("network"), "id"),
            Block::host(&name("service")).with("size", size).from("parent", &name("machine"), "id"),
        ]
    };
    Config::of(["left", "right"].iter().flat_map(|side| stack(side)))
        .output("left", "module.left.sim_host.machine", "digest")
        .output("right", "module.right.sim_host.machine", "digest")
}

fn only(config: &Config, keep: impl Fn(&str) -> bool) -> Config {
    let mut config = config.clone();
    config.blocks.retain(|block| keep(&block.address.to_string()));
    config.outputs.clear();
    config
}

#[test]
fn a_target_comes_with_what_it_depends_on_and_nothing_else() {
    let mut world = World::default();
    world.target(&["module.left.sim_host.machine"]);
    let plan = world.apply(&stacks(1));
    let made = ["Create module.left.sim_host.network", "Create module.left.sim_host.machine"];
    assert_eq!(steps(&plan), made);
    assert_eq!(plan.changes.len(), 2);
    assert_eq!(plan.targets, ["module.left.sim_host.machine"]);
    assert_eq!(plan.changed_outputs, ["left".to_owned()].into());
    assert_eq!(plan.outputs.keys().collect::<Vec<_>>(), ["left"]);
    // The rest is made by a plan without targets.
    world.targets.clear();
    assert_eq!(world.apply(&stacks(1)).operations.len(), 4);
    assert!(!world.plan(&stacks(1)).has_changes());
}

#[test]
fn the_rest_stays_as_it_is_whatever_happened_to_it() {
    let mut world = World::with(&stacks(1));
    world.drift("module.right.sim_host.machine", "status", "stopped");
    world.lose("module.right.sim_host.service");
    let machine = address("module.right.sim_host.machine");
    let before = world.recorded.records[&machine].clone();
    world.target(&["module.left"]);
    let plan = world.apply(&stacks(2));
    assert_eq!(plan.count(Action::Update), 3);
    assert!(plan.drift.is_empty() && plan.refreshed.is_empty());
    assert!(named(&plan).iter().all(|name| name.starts_with("module.left.")), "{plan:#?}");
    assert!(plan.base_revisions.keys().all(|at| at.to_string().starts_with("module.left.")));
    assert_eq!(world.recorded.records[&machine], before);
    let right = &world.recorded.outputs["right"].value;
    assert_eq!(right.as_str(), before.attributes.get("digest").unwrap().as_str());
}

#[test]
fn outputs_are_written_if_all_they_come_from_is_settled() {
    let config = |size: i64| {
        let mut config = stacks(size).output("same", "module.right.sim_host.machine", "id");
        config.blocks[4] = stacks(1).blocks[4].clone();
        config
    };
    let mut world = World::with(&stacks(1));
    world.target(&["module.left"]);
    let plan = world.plan(&config(2));
    assert_eq!(plan.changed_outputs, ["left".to_owned(), "same".to_owned()].into());
    assert!(plan.outputs["right"].value.is_wholly_known());
    // An output that the configuration has no more stays until a plan without targets.
    let plan = world.plan(&only(&stacks(1), |_| true));
    assert!(plan.changed_outputs.is_empty() && plan.outputs.len() == 2);
}

#[test]
fn what_depends_on_a_deleted_object_goes_with_it() {
    let mut world = World::with(&stacks(1));
    let without = only(&stacks(1), |name| name.starts_with("module.right."));
    world.target(&["module.left.sim_host.machine"]);
    let plan = world.plan(&without);
    let gone = ["Delete module.left.sim_host.service", "Delete module.left.sim_host.machine"];
    assert_eq!(steps(&plan), gone);
    world.target(&["module.left.sim_host.service"]);
    assert_eq!(steps(&world.plan(&without)), gone[..1]);
}

#[test]
fn a_replaced_object_takes_along_what_stands_on_it() {
    let mut world = World::with(&stacks(1));
    let mut config = stacks(2);
    config.blocks[0] = Block::host("module.left.sim_host.network").with("name", "other");
    world.target(&["module.left.sim_host.network"]);
    let plan = world.apply(&config);
    assert_eq!(plan.count(Action::ReplaceDeleteFirst), 3);
    assert!(named(&plan).iter().all(|name| name.starts_with("module.left.")));
}

#[test]
fn a_dependent_that_must_stay_refuses_the_plan() {
    let protected = |mut config: Config| {
        for block in &mut config.blocks {
            block.lifecycle.prevent_destroy = block.address.name() == "service";
        }
        config
    };
    let mut world = World::with(&protected(stacks(1)));
    world.target(&["module.left.sim_host.machine"]);
    let without = only(&protected(stacks(1)), |name| !name.starts_with("module.left."));
    let errors = world.try_plan(&without).unwrap_err();
    assert_eq!(errors[0].code, "destroy-prevented");
    assert_eq!(errors.len(), 1);
    assert_eq!(world.try_plan_destroy().unwrap_err().len(), 1);
    // What is protected elsewhere is of no concern.
    world.target(&["module.right.sim_host.network"]);
    assert!(!world.plan(&without).has_changes());
}

#[test]
fn a_dependent_that_lets_go_is_updated_before_the_object_goes() {
    let before = Config::of([
        Block::host("old"),
        Block::host("user").from("peer", "sim_host.old", "id"),
        Block::host("loose").after("sim_host.old"),
    ]);
    let mut world = World::with(&before);
    let after = Config::of([Block::host("user"), Block::host("loose")]);
    world.target(&["sim_host.old"]);
    let plan = world.apply(&after);
    assert_eq!(steps(&plan), ["Update sim_host.user", "Delete sim_host.old"]);
    assert_eq!(named(&plan), ["sim_host.old", "sim_host.user"]);
}

#[test]
fn order_passes_through_what_stays() {
    let config = |sizes: bool| {
        let mut blocks = vec![Block::host("a"), Block::host("b").after("sim_host.a")];
        if sizes {
            blocks = vec![Block::host("b")];
        } else {
            blocks.push(Block::host("c").after("sim_host.b"));
        }
        Config::of(blocks)
    };
    let mut world = World::with(&config(false));
    world.target(&["sim_host.a", "sim_host.c"]);
    let plan = world.plan(&config(true));
    assert_eq!(steps(&plan), ["Delete sim_host.c", "Delete sim_host.a"]);
    assert_eq!(plan.operations[1].needs, [0].into());
    assert_eq!(named(&plan), ["sim_host.a", "sim_host.c"]);
}

#[test]
fn what_is_not_reached_has_not_gone_with_what_is_left_out() {
    let config = |name: &str| {
        let below = Block::host("machine").with("name", name);
        Config::of([below, Block::host("service").from("parent", "sim_host.machine", "id")])
    };
    let mut world = World::with(&config("m"));
    world.unreachable("sim_host.service");
    world.target(&["sim_host.service"]);
    let mut after = config("other");
    after.blocks.truncate(1);
    let plan = world.plan(&after);
    assert_eq!(steps(&plan), ["Delete sim_host.service"]);
    // Where the object below is gone indeed, there is nothing to delete.
    world.lose("sim_host.machine");
    assert_eq!(steps(&world.plan(&after)), ["Forget sim_host.service"]);
}

#[test]
fn deposed_objects_go_with_their_targets() {
    let config = |name: &str| {
        Config::of(["a", "b"].map(|host| Block::host(host).with("name", name).create_first()))
    };
    let mut world = World::with(&config("x"));
    for target in ["sim_host.a", "sim_host.b"] {
        world.target(&[target]);
        let plan = world.plan(&config("y"));
        world.run(&plan, 1);
    }
    assert_eq!(world.recorded.deposed.len(), 2);
    world.target(&["sim_host.a"]);
    assert_eq!(steps(&world.apply(&config("y"))), ["DeleteDeposed sim_host.a"]);
    assert_eq!(world.recorded.deposed[0].address, address("sim_host.b"));
    world.target(&["sim_host.b"]);
    let plan = world.plan_destroy();
    assert_eq!(steps(&plan), ["Delete sim_host.b", "DeleteDeposed sim_host.b"]);
}

#[test]
fn a_statement_follows_if_the_rest_of_what_it_is_about_is_settled() {
    let hosts = [address("sim_host.a"), address("sim_host.b")];
    let config = |a: i64, b: i64| {
        let statement = Block::statement("all", &[&hosts[0], &hosts[1]]);
        let host = |name: &str, size: i64| Block::host(name).with("size", size);
        Config::of([host("a", a), host("b", b), statement])
    };
    let mut world = World::with(&config(1, 1));
    world.target(&["sim_host.a"]);
    let plan = world.plan(&config(2, 1));
    assert_eq!(steps(&plan), ["Update sim_host.a", "Update sim_statement.all"]);
    assert_eq!(named(&plan), ["sim_host.a", "sim_statement.all"]);
    // While another member waits to be changed it is left out, and follows when that is done.
    let plan = world.apply(&config(2, 2));
    assert_eq!(steps(&plan), ["Update sim_host.a"]);
    world.targets.clear();
    let plan = world.apply(&config(2, 2));
    assert_eq!(steps(&plan), ["Update sim_host.b", "Update sim_statement.all"]);
    // Meant by itself, it brings its members along.
    world.target(&["sim_statement.all"]);
    assert_eq!(world.plan(&config(3, 3)).operations.len(), 3);
}

#[test]
fn a_destruction_takes_dependents_along_and_leaves_the_rest() {
    let mut world = World::with(&stacks(1));
    world.target(&["module.left.sim_host.machine"]);
    let plan = world.plan_destroy();
    assert!(plan.destroy);
    let gone = ["Delete module.left.sim_host.service", "Delete module.left.sim_host.machine"];
    assert_eq!(steps(&plan), gone);
    assert!(plan.changed_outputs.is_empty() && plan.outputs.len() == 2);
    world.run(&plan, 2);
    assert_eq!(world.recorded.records.len(), 4);
    assert_eq!(world.try_plan_destroy().unwrap_err()[0].code, "unknown-target");
}

#[test]
fn a_target_that_means_nothing_is_an_error_with_the_nearest_one() {
    let mut world = World::with(&stacks(1));
    world.target(&["module.left", "module.rihgt", "sim_host.quite_another"]);
    let errors = world.try_plan(&stacks(1)).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].code, "unknown-target");
    assert!(errors[0].summary.contains("`module.rihgt`"), "{}", errors[0].summary);
    assert_eq!(errors[0].hints, ["did you mean `module.right`?"]);
    assert!(errors[1].hints[0].contains("state list"), "{:?}", errors[1].hints);
}

#[test]
fn what_vanished_is_forgotten_only_if_meant() {
    let mut world = World::with(&stacks(1));
    world.lose("module.left.sim_host.service");
    world.lose("module.right.sim_host.service");
    world.target(&["module.left.sim_host.service"]);
    let plan = world.plan(&only(&stacks(1), |name| !name.ends_with("service")));
    assert_eq!(plan.vanished, [address("module.left.sim_host.service")]);
    assert_eq!(plan.drift.len(), 1);
    assert!(plan.operations.is_empty());
}

#[test]
fn errors_elsewhere_do_not_stand_in_the_way() {
    let disk = |size: i64| Block::host("b").with("disk", size);
    let mut world = World::with(&Config::of([Block::host("a"), disk(1)]));
    let config = Config::of([Block::host("a").with("size", 2), disk(2)]);
    assert_eq!(world.try_plan(&config).unwrap_err()[0].code, "change-refused");
    world.target(&["sim_host.a"]);
    assert_eq!(steps(&world.plan(&config)), ["Update sim_host.a"]);
    world.replace.insert(address("sim_host.b"));
    assert_eq!(world.try_plan(&config).unwrap_err()[0].code, "replace-outside-targets");
}

#[test]
fn nodes_outside_are_left_out() {
    let name = |node: &str| format!("node_set.edge.node[\"{node}\"].sim_host.machine");
    let config = |size: i64| {
        Config::of(["n1", "n2", "n3"].map(|node| Block::host(&name(node)).with("size", size)))
    };
    let desired = |planner: &Planner<'_>, config: &Config| -> Desired {
        let mut desired = config.evaluate(planner);
        let node = |node: &str| Node {
            name: node.to_owned(),
            pool: "p".to_owned(),
            index: 0,
            domain: "d".to_owned(),
            machine: Value::output(&address(&name(node)), "digest", model::Type::String),
            revision: String::new(),
        };
        let nodes = ["n1", "n2", "n3"].map(node).into();
        desired.node_sets.insert("edge".to_owned(), NodeSet { nodes, services: vec![] });
        desired
    };
    let mut world = World::with(&only(&config(1), |at| !at.contains("n3")));
    let recorded = |node: &str| Node {
        name: node.to_owned(),
        pool: "p".to_owned(),
        index: 0,
        domain: "d".to_owned(),
        machine: Value::from("recorded"),
        revision: String::new(),
    };
    let nodes = vec![recorded("n1"), recorded("n2")];
    world.recorded.node_sets.insert("edge".to_owned(), nodes);
    let (actual, schemas) = (world.actual(), crate::world::schemas());
    let targets = vec![Target::parse("node_set.edge.node[\"n1\"]").unwrap()];
    let options = Options { targets, ..Options::default() };
    let planner = Planner::new(&world.recorded, &actual, &schemas, options);
    let plan = checked(planner.plan(&desired(&planner, &config(2))).unwrap());
    assert_eq!(named(&plan), [name("n1")]);
    assert!(change(&plan, &name("n1")).action == Action::Update);
    let nodes = &plan.node_sets["edge"].nodes;
    assert_eq!(nodes.len(), 1, "the others are as they are recorded by then");
    assert!(nodes[0].machine.is_unknown());
}

#[test]
fn refresh_reaches_up_and_down_from_a_target() {
    let world = World::with(&stacks(1));
    let reached = |text: &str| {
        let mut names: Vec<_> = reach(&[Target::parse(text).unwrap()], &world.recorded)
            .iter()
            .map(ToString::to_string)
            .collect();
        names.sort_unstable();
        names
    };
    let left = ["machine", "network", "service"].map(|name| format!("module.left.sim_host.{name}"));
    assert_eq!(reached("module.left.sim_host.machine"), left);
    assert_eq!(reached("module.left.sim_host.network"), left);
    assert!(reached("module.other").is_empty());
}
