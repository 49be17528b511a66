//! What of a plan follows nodes wave by wave, what waits for the end, and what is shared by nodes.

use crate::world::rules::{nodes, rules, stage};
use model::graph::{Node, NodeSet};
use model::plan::{Action, Operation, OperationKind, Plan, Reason};
use model::record::Recorded;
use model::rollout::entry::{NodeChange, SetStart};
use model::{Address, Value};
use rollout::changes::{late_list, lists, may_list, sets, shared};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const PROMETHEUS: &str = "node_set.watch.node[\"watch-001\"].service.prometheus";
const MACHINE: &str = "node_set.edge.node[\"edge-001\"].local_machine.this";
const WATCH_MACHINE: &str = "node_set.watch.node[\"watch-001\"].local_machine.this";

fn at(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

/// A plan in which these things happen, each with the operations that it needs, by place.
fn plan(changes: &[(&str, Action, Reason, &[u32])]) -> Plan {
    let mut plan: Plan = serde_json::from_value(json!({
        "format_version": 4, "environment": "test", "lineage": "l", "serial": 1, "base_revisions": {},
        "configuration_digest": "", "created_at": "", "destroy": false, "changes": [], "operations": [], "drift": [],
        "outputs": {}, "changed_outputs": [], "providers": {}, "node_sets": {}, "refreshed": [], "vanished": []
    }))
    .expect("a plan");
    for (id, (address, action, reason, needs)) in (0..).zip(changes) {
        plan.changes.push(model::plan::Change {
            address: at(address),
            previous: None,
            importing: None,
            action: *action,
            reasons: vec![reason.clone()],
            before: None,
            after: None,
            differing: Vec::new(),
        });
        plan.operations.push(Operation {
            id,
            address: at(address),
            kind: match action {
                Action::Create => OperationKind::Create,
                Action::ReplaceCreateFirst => OperationKind::CreateReplacement,
                _ => OperationKind::Update,
            },
            provider: "local".to_owned(),
            needs: needs.iter().copied().collect(),
            arguments: None,
            prior: None,
            dependencies: BTreeSet::new(),
            lifecycle: model::graph::Lifecycle::default(),
            must_not_differ: BTreeSet::new(),
            only_checked: false,
            place: "main.hcl:1:1".to_owned(),
        });
    }
    plan
}

fn differs() -> Reason {
    Reason::ArgumentsDiffer { arguments: vec!["files".to_owned()] }
}

fn drifted() -> Reason {
    Reason::Drifted { differences: vec!["status".to_owned()] }
}

/// The plan in which all nodes are as they were: these things stay, and these change all the same.
fn unmoved(stay: &[&str], change: &[&str]) -> Plan {
    let stay = stay.iter().map(|it| (*it, Action::NoOp, differs(), &[][..]));
    let change = change.iter().map(|it| (*it, Action::Update, differs(), &[][..]));
    plan(&stay.chain(change).collect::<Vec<_>>())
}

fn edge(change: NodeChange) -> Vec<SetStart> {
    vec![rolled_out("edge", 3, change)]
}

/// A set in one stage.
fn rolled_out(set: &str, count: usize, change: NodeChange) -> SetStart {
    let rules = rules(vec![stage("full", 100.0, 60_000, Vec::new())], Vec::new());
    rollout::select("r", set, rules, nodes(count, 1, change))
}

fn texts(addresses: &BTreeSet<Address>) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn what_changes_because_of_nodes_alone_follows_them() {
    let sets = edge(NodeChange::Create);
    let all = plan(&[
        (MACHINE, Action::Create, Reason::New, &[]),
        (PROMETHEUS, Action::Update, differs(), &[0]),
    ]);
    let still = unmoved(&[PROMETHEUS], &[]);
    let found = lists(&all, &still, &Recorded::default(), &sets);
    assert_eq!(texts(&found), [PROMETHEUS]);
    assert_eq!(late_list(&all, &sets, &found), None);
    assert!(may_list(&all, &Recorded::default(), &sets));
    let alone = plan(&[(MACHINE, Action::Create, Reason::New, &[])]);
    assert!(!may_list(&alone, &Recorded::default(), &sets), "nothing else changes");
}

#[test]
fn what_changes_in_more_than_nodes_waits_and_is_told() {
    let sets = edge(NodeChange::Replace);
    let all = plan(&[(PROMETHEUS, Action::Update, differs(), &[])]);
    let found = lists(&all, &unmoved(&[], &[PROMETHEUS]), &Recorded::default(), &sets);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(late_list(&all, &sets, &found), Some(&at(PROMETHEUS)));
    assert_eq!(late_list(&all, &edge(NodeChange::Update), &found), None, "no machine is new");
}

#[test]
fn of_what_is_late_that_which_takes_from_new_machines_is_told() {
    let sets = edge(NodeChange::Create);
    let other = "node_set.watch.node[\"watch-001\"].service.agent";
    let mut all = plan(&[
        (MACHINE, Action::Create, Reason::New, &[]),
        (other, Action::Update, differs(), &[]),
        (PROMETHEUS, Action::Update, differs(), &[0]),
    ]);
    let none = BTreeSet::new();
    assert_eq!(late_list(&all, &sets, &none), Some(&at(other)), "it may know them by their names");
    all.operations[2].dependencies = BTreeSet::from([at(MACHINE)]);
    assert_eq!(late_list(&all, &sets, &none), Some(&at(PROMETHEUS)));
    let follows = BTreeSet::from([at(PROMETHEUS), at(other)]);
    assert_eq!(late_list(&all, &sets, &follows), None);
}

#[test]
fn what_is_made_anew_only_drifted_or_says_something_about_nodes_follows_nobody() {
    let sets = edge(NodeChange::Create);
    let statement = "node_set.watch.node[\"watch-001\"].facts.mesh";
    let all = plan(&[
        (PROMETHEUS, Action::ReplaceCreateFirst, differs(), &[]),
        (WATCH_MACHINE, Action::Update, drifted(), &[]),
        ("reachability.mesh", Action::Update, differs(), &[]),
        (statement, Action::Update, differs(), &[]),
        (MACHINE, Action::Update, differs(), &[]),
    ]);
    let still = unmoved(&[PROMETHEUS, WATCH_MACHINE, "reachability.mesh", statement, MACHINE], &[]);
    assert!(lists(&all, &still, &Recorded::default(), &sets).is_empty());
}

#[test]
fn what_needs_a_change_that_waits_waits_with_it() {
    let sets = edge(NodeChange::Create);
    let all = plan(&[
        (WATCH_MACHINE, Action::Update, differs(), &[]),
        (PROMETHEUS, Action::Update, differs(), &[0]),
        ("local_list.all", Action::Update, differs(), &[1]),
    ]);
    let listed = [PROMETHEUS, "local_list.all"];
    let found = lists(&all, &unmoved(&listed, &[WATCH_MACHINE]), &Recorded::default(), &sets);
    assert!(found.is_empty(), "{found:?}");
    let still = unmoved(&[PROMETHEUS, "local_list.all", WATCH_MACHINE], &[]);
    let found = lists(&all, &still, &Recorded::default(), &sets);
    assert_eq!(texts(&found), ["local_list.all", WATCH_MACHINE, PROMETHEUS]);
}

/// A Prometheus whose nodes are rolled out, too, changes in their stages; a daemon of a mesh does as well, and collects nothing.
#[test]
fn what_lists_nodes_and_has_stages_of_its_own_is_told() {
    let watch = rolled_out("watch", 1, NodeChange::Update);
    let sets = [rolled_out("edge", 3, NodeChange::Create), watch.clone()];
    let (mesh, theirs) = (
        "node_set.watch.node[\"edge-000\"].service.mesh",
        "node_set.edge.node[\"edge-001\"].service.mesh",
    );
    let prometheus = "node_set.watch.node[\"edge-000\"].service.prometheus";
    let mut all = plan(&[
        (MACHINE, Action::Create, Reason::New, &[]),
        (theirs, Action::Create, Reason::New, &[0]),
        (mesh, Action::Update, differs(), &[0]),
        (prometheus, Action::Update, differs(), &[0]),
        ("local_list.all", Action::Update, differs(), &[0]),
    ]);
    let found = lists(&all, &unmoved(&[], &[]), &Recorded::default(), &sets);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(late_list(&all, &sets, &found), None, "it depends on no new machine");
    all.operations[2].dependencies = BTreeSet::from([at(MACHINE)]);
    assert_eq!(late_list(&all, &sets, &found), None, "the new nodes run it, too");
    all.operations[3].dependencies = BTreeSet::from([at(MACHINE)]);
    assert_eq!(late_list(&all, &sets, &found), Some(&at(prometheus)), "it has another name");
    all.operations[3].dependencies = BTreeSet::from([at("local_list.all")]);
    assert_eq!(late_list(&all, &sets, &found), None, "of the new machines the list says nothing");
    all.operations[4].dependencies = BTreeSet::from([at(MACHINE)]);
    assert_eq!(late_list(&all, &sets, &found), Some(&at(prometheus)), "through a list");
    let in_place = [rolled_out("edge", 3, NodeChange::Update), watch];
    assert_eq!(late_list(&all, &in_place, &found), None, "no machine is new");
}

/// What is recorded of three nodes that stand on a network, which stands on a key.
fn recorded() -> Recorded {
    let mut recorded = Recorded::default();
    let mut add = |address: &str, on: &[&str]| {
        let record = model::record::Record {
            address: at(address),
            provider: "local".to_owned(),
            id: address.to_owned(),
            attributes: Value::object::<&str>([]),
            dependencies: on.iter().map(|it| at(it)).collect(),
            ..record()
        };
        recorded.records.insert(at(address), record);
    };
    add("local_key.this", &[]);
    add("local_network.this", &["local_key.this"]);
    add("local_list.all", &[]);
    for node in ["edge-000", "edge-001", "edge-002"] {
        let machine = format!("node_set.edge.node[\"{node}\"].local_machine.this");
        add(&machine, &["local_network.this"]);
    }
    recorded
}

fn record() -> model::record::Record {
    serde_json::from_value(json!({
        "address": "local_key.this", "provider": "local", "id": "", "token": "", "generation": 1, "revision": 1, "schema_version": 0,
        "attributes": {}, "dependencies": [], "lifecycle": model::graph::Lifecycle::default(), "tainted": false
    }))
    .expect("a record")
}

#[test]
fn what_several_nodes_stand_on_is_shared_and_is_no_list() {
    let sets = edge(NodeChange::Update);
    let all = plan(&[
        ("local_key.this", Action::Update, differs(), &[]),
        ("local_network.this", Action::ReplaceCreateFirst, differs(), &[]),
        ("local_list.all", Action::Update, differs(), &[]),
    ]);
    let found = shared(&all, &recorded(), &sets);
    let found: Vec<_> =
        found.iter().map(|it| (it.address.to_string(), it.action, it.nodes.len())).collect();
    assert_eq!(
        found,
        [
            ("local_key.this".to_owned(), Action::Update, 3),
            ("local_network.this".to_owned(), Action::ReplaceCreateFirst, 3)
        ]
    );
    assert!(shared(&all, &recorded(), &edge(NodeChange::None)).is_empty(), "no node changes");
    let still = unmoved(&["local_key.this", "local_list.all"], &[]);
    assert_eq!(texts(&lists(&all, &still, &recorded(), &sets)), ["local_list.all"]);
}

#[test]
fn a_set_of_which_no_node_was_ever_whole_is_made_at_once() {
    let node = |(index, revision): (u64, &str)| Node {
        name: format!("edge-00{index}"),
        pool: "p".to_owned(),
        index,
        domain: "a".to_owned(),
        machine: Value::object::<&str>([]),
        revision: revision.to_owned(),
    };
    let service = "node_set.edge.node[\"edge-000\"].service.web";
    let mut all = plan(&[(service, Action::Create, Reason::New, &[])]);
    let started = |all: &Plan, revisions: [&str; 2]| {
        let mut recorded = recorded();
        let nodes = (0..).zip(revisions).map(node).collect();
        recorded.node_sets.insert("edge".to_owned(), nodes);
        let rules = rules(vec![stage("full", 100.0, 60_000, Vec::new())], Vec::new());
        let rules = BTreeMap::from([("edge".to_owned(), rules)]);
        sets("r", all, &recorded, &rules, &["edge".to_owned()]).len()
    };
    let nodes = (0..).zip(["new", "new"]).map(node).collect();
    all.node_sets.insert("edge".to_owned(), NodeSet { nodes, services: Vec::new() });
    assert_eq!(started(&all, ["", ""]), 0, "its first apply is still to be finished");
    assert_eq!(started(&all, ["", "old"]), 1);
}
