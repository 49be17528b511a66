//! Waves: some nodes change while others stay as they are recorded; and the way back.

use crate::world::{Block, Config, World, address, checked, schemas};
use model::graph::{Node, Present, Projection as _};
use model::plan::{Action, Plan};
use model::record::Recorded;
use planner::{Options, Planner, Target};
use std::collections::BTreeSet;

fn machine(node: &str) -> String {
    format!("node_set.edge.node[\"{node}\"].module.m.sim_host.machine")
}

fn service(node: &str) -> String {
    format!("node_set.edge.node[\"{node}\"].sim_host.service")
}

fn nodes(names: &[&str]) -> BTreeSet<(String, String)> {
    names.iter().map(|name| ("edge".to_owned(), (*name).to_owned())).collect()
}

/// Nodes on a revision: the machine stands on a network, the service on its machine.
fn fleet(names: &[&str], revision: i64, machine_name: &str) -> Config {
    let mut blocks = vec![Block::host("network")];
    for node in names {
        let own = machine(node);
        blocks.push(
            Block::host(&own).with("name", format!("{node} {machine_name}").as_str()).from(
                "peer",
                "sim_host.network",
                "id",
            ),
        );
        blocks.push(
            Block::host(&service(node))
                .with("size", revision)
                .with("secret", format!("secret {revision}").as_str())
                .from("peer", &own, "id"),
        );
    }
    Config::of(blocks)
}

fn wave(world: &mut World, of: &[&str], held: &[&str]) {
    let targets: Vec<_> = of.iter().map(|node| format!("node_set.edge.node[\"{node}\"]")).collect();
    world.target(&targets.iter().map(String::as_str).collect::<Vec<_>>());
    world.held = nodes(held);
}

fn touched(plan: &Plan) -> BTreeSet<String> {
    plan.operations.iter().map(|operation| operation.address.to_string()).collect()
}

#[test]
fn a_wave_changes_its_nodes_and_no_other() {
    let mut world = World::with(&fleet(&["a", "b", "c"], 1, "one"));
    wave(&mut world, &["a"], &["b", "c"]);
    // In the candidate node c is gone, and nothing happens to it before its turn.
    let candidate = fleet(&["a", "b"], 2, "one");
    let plan = world.plan(&candidate);
    assert_eq!(touched(&plan), BTreeSet::from([service("a")]));
    assert_eq!(plan.held, nodes(&["b", "c"]));
    world.target(&[]);
    let plan = world.plan(&candidate);
    assert_eq!(touched(&plan), BTreeSet::from([service("a")]), "of everything, too");
    world.apply(&candidate);
    assert!(world.plan(&candidate).operations.is_empty(), "its nodes are on the candidate");
    world.held.clear();
    let rest = world.plan(&candidate);
    let gone = [service("c"), machine("c"), service("b")];
    assert_eq!(touched(&rest), BTreeSet::from(gone));
}

#[test]
fn what_needs_a_held_node_sees_it_as_it_is_recorded() {
    let mut world = World::with(&fleet(&["a", "b"], 1, "one"));
    let network = "sim_host.new";
    let mut candidate = fleet(&["b"], 2, "two");
    // Held b would need something new; it needs nothing while it is held.
    candidate.blocks.insert(0, Block::host(network));
    let last = candidate.blocks.pop().unwrap();
    candidate.blocks.push(last.after(network));
    candidate.blocks.push(Block::host(&service("a")).from("peer", &service("b"), "digest"));
    let known = world.record(&service("b")).attributes.get("digest").unwrap();
    wave(&mut world, &["a"], &["b"]);
    let plan = world.plan(&candidate);
    assert_eq!(touched(&plan), BTreeSet::from([service("a"), machine("a")]));
    let operation = plan.operations.iter().find(|it| it.address == address(&service("a"))).unwrap();
    let peer = operation.arguments.as_ref().unwrap().get("peer").unwrap();
    assert!(peer.same_content(&known), "{peer:?}");
}

#[test]
fn what_is_wrong_with_a_held_node_is_shown_and_not_mended() {
    let config = fleet(&["a", "b"], 1, "one");
    let mut world = World::with(&config);
    world.drift(&service("b"), "status", "stopped");
    world.drift(&service("b"), "digest", "another");
    world.lose(&machine("b"));
    wave(&mut world, &["a"], &["b"]);
    let record = world.record(&service("b"));
    let stopped = record.attributes.as_entries().unwrap().clone();
    let mut stopped: Vec<_> = stopped.into_iter().collect();
    stopped.iter_mut().filter(|(name, _)| name.as_ref() == "status").for_each(|(_, it)| {
        *it = "stopped".into();
    });
    record.attributes = model::Value::object(stopped);
    let plan = world.plan(&fleet(&["a", "b"], 2, "one"));
    assert_eq!(touched(&plan), BTreeSet::from([service("a")]));
    assert!(plan.refreshed.is_empty() && plan.vanished.is_empty(), "{:?}", plan.refreshed);
    assert_eq!(plan.drift.len(), 2, "{:?}", plan.drift);
}

#[test]
fn what_is_said_about_held_nodes_waits() {
    let about = |mut config: Config, names: &[&str]| {
        let members: Vec<_> = names.iter().map(|node| address(&service(node))).collect();
        let members: Vec<_> = members.iter().collect();
        config.blocks.push(Block::statement("reach", &members));
        config
    };
    let names = ["a", "b"];
    let mut world = World::with(&about(fleet(&names, 1, "one"), &names));
    let candidate = about(fleet(&names, 2, "one"), &names);
    wave(&mut world, &["a"], &["b"]);
    assert_eq!(touched(&world.plan(&candidate)), BTreeSet::from([service("a")]));
    world.apply(&candidate);
    wave(&mut world, &["a", "b"], &[]);
    let both = BTreeSet::from([service("b"), "sim_statement.reach".to_owned()]);
    assert_eq!(touched(&world.plan(&candidate)), both);
    world.apply(&candidate);
    // In a plan of everything, too: a held node may be dead.
    wave(&mut world, &[], &["b"]);
    let newer = about(fleet(&names, 3, "one"), &names);
    assert_eq!(touched(&world.plan(&newer)), BTreeSet::from([service("a")]));
}

#[test]
fn a_plan_that_changes_what_is_held_is_faulty() {
    let mut world = World::with(&fleet(&["a", "b"], 1, "one"));
    wave(&mut world, &["a"], &["b"]);
    let mut plan = world.plan(&fleet(&["a", "b"], 2, "one"));
    plan.held = nodes(&["a"]);
    assert!(!planner::check::check(&plan).is_empty());
    let mut plan = world.plan(&fleet(&["a", "b"], 1, "one"));
    let record = world.record(&service("b")).clone();
    plan.base_revisions.insert(record.address.clone(), record.revision);
    plan.refreshed.push(record);
    assert!(!planner::check::check(&plan).is_empty(), "nor is its record brought up to date");
}

/// Plans the way back and goes it.
fn back(world: &mut World, then: &Recorded, of: &[&str], held: &[&str]) -> Plan {
    let (actual, schemas, now) = (world.actual(), schemas(), world.recorded.clone());
    let target = |node: &&str| Target::parse(&format!("node_set.edge.node[\"{node}\"]")).unwrap();
    let options = Options {
        targets: of.iter().map(target).collect(),
        held: nodes(held),
        environment: "test".to_owned(),
        ..Options::default()
    };
    let planner = Planner::new(&now, &actual, &schemas, options);
    let plan = checked(planner.plan(&planner.stable(then, &nodes(of), &BTreeSet::new())).unwrap());
    world.run(&plan, plan.operations.len());
    plan
}

fn argument(recorded: &Recorded, at: &str, name: &str) -> model::Value {
    recorded.records[&address(at)].attributes.get(name).unwrap()
}

#[test]
fn an_updated_node_goes_back_in_place() {
    let mut world = World::with(&fleet(&["a", "b"], 1, "one"));
    let then = world.recorded.clone();
    wave(&mut world, &["a"], &["b"]);
    world.apply(&fleet(&["a", "b"], 2, "one"));
    let plan = back(&mut world, &then, &["a"], &["b"]);
    assert_eq!(touched(&plan), BTreeSet::from([service("a")]));
    assert_eq!(plan.count(Action::Update), 1);
    for name in ["size", "secret", "peer", "name"] {
        let at = service("a");
        assert_eq!(argument(&world.recorded, &at, name), argument(&then, &at, name), "{name}");
    }
    assert!(argument(&world.recorded, &service("a"), "secret").marks().sensitive);
}

#[test]
fn a_replaced_node_goes_back_and_what_knows_its_machine_follows() {
    let mut world = World::with(&fleet(&["a", "b"], 1, "one"));
    let then = world.recorded.clone();
    wave(&mut world, &["a"], &["b"]);
    let mut candidate = fleet(&["a", "b"], 2, "two");
    let more = "node_set.edge.node[\"a\"].sim_host.more";
    candidate.blocks.push(Block::host(more).from("peer", &service("a"), "id"));
    world.apply(&candidate);
    let plan = back(&mut world, &then, &["a"], &["b"]);
    let gone = BTreeSet::from([service("a"), machine("a"), more.to_owned()]);
    assert_eq!(touched(&plan), gone);
    let id = world.recorded.records[&address(&machine("a"))].id.clone();
    assert_ne!(id, then.records[&address(&machine("a"))].id, "it was made anew");
    let peer = argument(&world.recorded, &service("a"), "peer");
    assert_eq!(peer.as_str(), Some(id.as_str()), "its service knows the machine that there is");
    assert_eq!(argument(&world.recorded, &service("a"), "size"), 1.into());
    assert!(!world.recorded.records.contains_key(&address(more)));
    let kept = &world.recorded.records[&address(&service("b"))];
    assert_eq!(kept, &then.records[&address(&service("b"))], "b never changed");
}

#[test]
fn sets_that_are_as_recorded_have_the_nodes_that_are_there() {
    let mut recorded = Recorded::default();
    let node = |index: u64, pool: &str| Node {
        name: format!("edge-{pool}-{index}"),
        pool: pool.to_owned(),
        index,
        domain: "a".to_owned(),
        machine: model::Value::from(1),
        revision: format!("r{index}"),
    };
    let nodes = vec![node(4, "main"), node(0, "main"), node(1, "other")];
    recorded.node_sets.insert("edge".to_owned(), nodes);
    let (actual, schemas) = (model::plan::Actual::new(), schemas());
    let present = BTreeSet::from(["edge".to_owned(), "core".to_owned()]);
    let options = Options { present, ..Options::default() };
    let planner = Planner::new(&recorded, &actual, &schemas, options);
    let there = |index: u64| Present { index, revision: format!("r{index}") };
    assert_eq!(planner.present("edge", "main"), Some(vec![there(0), there(4)]));
    assert_eq!(planner.present("core", "main"), Some(Vec::new()), "none is there yet");
    assert_eq!(planner.present("watch", "main"), None, "as the configuration says");
}

#[test]
fn a_list_goes_back_behind_nodes_with_the_machines_that_they_have_then() {
    let list = "sim_host.list";
    let listed = |revision, name| {
        let mut config = fleet(&["a", "b"], revision, name);
        config.blocks.push(Block::host(list).with("size", revision).from(
            "peer",
            &machine("a"),
            "id",
        ));
        config
    };
    let mut world = World::with(&listed(1, "one"));
    let then = world.recorded.clone();
    wave(&mut world, &["a"], &["b"]);
    world.apply(&listed(1, "two"));
    world.target(&[list]);
    world.held = nodes(&["a", "b"]);
    world.apply(&listed(2, "two"));
    back(&mut world, &then, &["a"], &["b"]);

    let (actual, schemas, now) = (world.actual(), schemas(), world.recorded.clone());
    let options = Options {
        targets: vec![Target::parse(list).unwrap()],
        held: nodes(&["a", "b"]),
        environment: "test".to_owned(),
        ..Options::default()
    };
    let planner = Planner::new(&now, &actual, &schemas, options);
    let lists = BTreeSet::from([address(list)]);
    let plan = checked(planner.plan(&planner.stable(&then, &BTreeSet::new(), &lists)).unwrap());
    assert_eq!(touched(&plan), BTreeSet::from([list.to_owned()]));
    world.run(&plan, plan.operations.len());
    assert_eq!(argument(&world.recorded, list, "size"), 1.into());
    let id = world.recorded.records[&address(&machine("a"))].id.clone();
    assert_eq!(argument(&world.recorded, list, "peer").as_str(), Some(id.as_str()));
}
