//! What a plan means for nodes: which of them it gives another revision, and how.
//!
//! A revision is what a node is made of: the arguments of its machine and what its module makes beside it, and its services. An
//! object that only drifted, or was left half made, has the revision that it had; mending it is no change.
//! A node set of which no node was ever made whole has no stable revision, so what it is made with is no rollout.
//! Refuses to know: the order and the pace in which nodes are changed.

use model::Address;
use model::plan::{Action, Change, Operation, OperationKind, Plan, Reason};
use model::record::Recorded;
use model::rollout::Rollout;
use model::rollout::entry::{NodeChange, NodeStart, SetStart};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan does to nodes that get another revision, by node set and node.
pub fn node_changes(
    plan: &Plan,
    recorded: &Recorded,
) -> BTreeMap<String, BTreeMap<String, NodeChange>> {
    let mut sets: BTreeMap<String, BTreeMap<String, NodeChange>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| is_revision(change)) {
        let Some((set, node)) = change.address.node() else { continue };
        // What hangs on nodes has its own kinds; everything else below a node is its module's.
        let is_machine = !matches!(change.address.kind(), "service" | "facts" | "reachability");
        let what = match change.action {
            Action::ReplaceDeleteFirst | Action::ReplaceCreateFirst if is_machine => {
                NodeChange::Replace
            }
            Action::Create if !is_known(recorded, set, node) => NodeChange::Create,
            Action::Delete | Action::Forget if !is_planned(plan, set, node) => NodeChange::Delete,
            _ => NodeChange::Update,
        };
        let nodes = sets.entry(set.to_owned()).or_default();
        let before = nodes.entry(node.to_owned()).or_insert(what);
        if weight(what) > weight(*before) {
            *before = what;
        }
    }
    sets
}

/// The node sets with rules that a plan gives another revision, in the order of `order`, ready for their selection.
pub fn sets(
    id: &str,
    plan: &Plan,
    recorded: &Recorded,
    rules: &BTreeMap<String, Rollout>,
    order: &[String],
) -> Vec<SetStart> {
    let changes = node_changes(plan, recorded);
    let mut started = Vec::new();
    for set in order {
        let (Some(rules), Some(changed)) = (rules.get(set), changes.get(set)) else { continue };
        let before = recorded.node_sets.get(set).map(Vec::as_slice).unwrap_or_default();
        // Without a node that was made whole once there is no stable revision: the first apply is still to be finished.
        if before.iter().all(|node| node.revision.is_empty()) {
            continue;
        }
        let planned = plan.node_sets.get(set).map(|set| set.nodes.as_slice()).unwrap_or_default();
        let going = before.iter().filter(|node| planned.iter().all(|it| it.name != node.name));
        let start = |node: &model::graph::Node| NodeStart {
            name: node.name.clone(),
            domain: node.domain.clone(),
            change: changed.get(&node.name).copied().unwrap_or(NodeChange::None),
        };
        let nodes: Vec<NodeStart> = planned.iter().chain(going).map(start).collect();
        if nodes.iter().any(|node| node.change != NodeChange::None) {
            started.push(crate::select(id, set, rules.clone(), nodes));
        }
    }
    started
}

/// Whether a change gives its instance another revision.
fn is_revision(change: &Change) -> bool {
    let counts =
        !matches!(change.action, Action::NoOp | Action::Read) && change.address.kind() != "facts";
    let mended = |reason: &Reason| {
        matches!(reason, Reason::Drifted { .. } | Reason::Vanished { .. } | Reason::Tainted)
    };
    counts && (change.reasons.is_empty() || !change.reasons.iter().all(mended))
}

/// Whether a machine comes, goes or is replaced: what lists nodes does not know it then.
pub fn moves_machine(change: NodeChange) -> bool {
    matches!(change, NodeChange::Create | NodeChange::Replace | NodeChange::Delete)
}

fn is_known(recorded: &Recorded, set: &str, node: &str) -> bool {
    let nodes = recorded.node_sets.get(set);
    nodes.is_some_and(|nodes| nodes.iter().any(|it| it.name == node))
}

fn is_planned(plan: &Plan, set: &str, node: &str) -> bool {
    let nodes = plan.node_sets.get(set);
    nodes.is_some_and(|set| set.nodes.iter().any(|it| it.name == node))
}

fn weight(change: NodeChange) -> u8 {
    match change {
        NodeChange::None => 0,
        NodeChange::Update => 1,
        NodeChange::Replace => 2,
        NodeChange::Create | NodeChange::Delete => 3,
    }
}

/// Something that belongs to no node, that nodes stand on, and that a plan changes together with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedChange {
    /// Its address.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// The nodes that stand on it, as recorded; more than one.
    pub nodes: BTreeSet<String>,
    /// Where it is declared: `FILE:LINE:COLUMN`; empty where nobody knows.
    pub place: String,
}

/// What waves would change for more nodes than their own: replaced or updated objects outside of nodes that several nodes stand on, at
/// least one of which gets another revision.
pub fn shared(plan: &Plan, recorded: &Recorded, sets: &[SetStart]) -> Vec<SharedChange> {
    let changed: BTreeSet<&str> = sets
        .iter()
        .flat_map(|set| &set.nodes)
        .filter(|node| node.change != NodeChange::None)
        .map(|node| node.name.as_str())
        .collect();
    let counts = |change: &&Change| {
        let touched = matches!(
            change.action,
            Action::Update | Action::ReplaceDeleteFirst | Action::ReplaceCreateFirst
        );
        touched && change.address.node_set().is_none()
    };
    let touched: Vec<&Change> = plan.changes.iter().filter(counts).collect();
    if touched.is_empty() {
        return Vec::new();
    }
    let stand_on = stand_on(recorded);
    let shared = touched.into_iter().filter_map(|change| {
        let nodes = stand_on.get(&change.address)?;
        let is_shared = nodes.len() > 1 && nodes.iter().any(|node| changed.contains(node.as_str()));
        let place = plan.operations.iter().find(|operation| operation.address == change.address);
        is_shared.then(|| SharedChange {
            address: change.address.clone(),
            action: change.action,
            nodes: nodes.clone(),
            place: place.map(|operation| operation.place.clone()).unwrap_or_default(),
        })
    });
    shared.collect()
}

/// What a plan changes in place because of the nodes of these sets, and of nothing else: it belongs to none of them, none of them stands on
/// it, and in `unmoved`, the plan of the same configuration in which all these nodes are as they were, nothing happens to it. What else
/// changes with it must be such a list, too, or be made for a node.
pub fn lists(
    plan: &Plan,
    unmoved: &Plan,
    recorded: &Recorded,
    sets: &[SetStart],
) -> BTreeSet<Address> {
    let stays: BTreeSet<&Address> = unmoved
        .changes
        .iter()
        .filter(|change| change.action == Action::NoOp)
        .map(|change| &change.address)
        .collect();
    let all = candidates(plan, recorded, sets).filter(|address| stays.contains(address)).cloned();
    settled(plan, sets, all.collect())
}

/// Whether anything may list nodes, or collect the metrics of new ones; whether it does takes another plan to see.
pub fn may_list(plan: &Plan, recorded: &Recorded, sets: &[SetStart]) -> bool {
    candidates(plan, recorded, sets).next().is_some()
        || late_list(plan, sets, &BTreeSet::new()).is_some()
}

/// What belongs to no node of the sets, carries none, and changes in place.
fn candidates<'a>(
    plan: &'a Plan,
    recorded: &Recorded,
    sets: &[SetStart],
) -> impl Iterator<Item = &'a Address> {
    let stand_on = stand_on(recorded);
    let names = || sets.iter().flat_map(|set| &set.nodes).map(|node| &node.name);
    let carries = move |address: &Address| {
        stand_on.get(address).is_some_and(|nodes| names().any(|name| nodes.contains(name)))
    };
    let is_candidate = move |change: &&Change| {
        let statement = matches!(change.address.kind(), "facts" | "reachability");
        change.action == Action::Update
            && is_revision(change)
            && !statement
            && !is_of(&change.address, sets)
            && !carries(&change.address)
    };
    plan.changes.iter().filter(is_candidate).map(|change| &change.address)
}

/// Without those that need a change which is to wait for the end.
fn settled(plan: &Plan, sets: &[SetStart], mut lists: BTreeSet<Address>) -> BTreeSet<Address> {
    let by_id: BTreeMap<u32, &Operation> =
        plan.operations.iter().map(|operation| (operation.id, operation)).collect();
    loop {
        let waits = |address: &&Address| {
            let mut waiting: Vec<u32> = plan
                .operations
                .iter()
                .filter(|operation| operation.address == **address)
                .flat_map(|operation| operation.needs.iter().copied())
                .collect();
            let mut seen = BTreeSet::new();
            while let Some(id) = waiting.pop() {
                let Some(operation) = by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
                if is_of(&operation.address, sets) || lists.contains(&operation.address) {
                    continue;
                }
                if !matches!(operation.kind, OperationKind::Create | OperationKind::Read) {
                    return true;
                }
                waiting.extend(&operation.needs);
            }
            false
        };
        let late: Vec<Address> = lists.iter().filter(waits).cloned().collect();
        if late.is_empty() {
            return lists;
        }
        lists.retain(|address| !late.contains(address));
    }
}

/// Whether something belongs to a node of these sets.
pub fn is_of(address: &Address, sets: &[SetStart]) -> bool {
    address.node().is_some_and(|(set, _)| sets.iter().any(|start| start.node_set == set))
}

/// What lists nodes elsewhere and changes too late, while machines come that it does not know yet, if any set gets new machines and it is
/// none of the lists that follow them: a service that the plan updates on a node whose set is not rolled out, which changes at the end, one
/// that takes from the new machines before any other (whoever knows nodes by their names only takes nothing from them); or one that
/// takes from them and whose own set is rolled out, too: it changes with its own node.
pub fn late_list<'a>(
    plan: &'a Plan,
    sets: &[SetStart],
    lists: &BTreeSet<Address>,
) -> Option<&'a Address> {
    let listing = Listing::of(plan, sets);
    if listing.new.is_empty() {
        return None;
    }
    let updated = || {
        let services = plan
            .changes
            .iter()
            .filter(|change| change.action == Action::Update && change.address.kind() == "service");
        services.map(|change| &change.address).filter(|address| address.node().is_some())
    };
    let at_end = || updated().filter(|it| !lists.contains(*it) && !is_of(it, sets));
    let in_stages = || updated().filter(|it| is_of(it, sets));
    at_end()
        .find(|address| listing.lists(address))
        .or_else(|| at_end().next())
        .or_else(|| in_stages().find(|address| listing.lists(address)))
}

/// Which arguments of a plan come from machines that come.
struct Listing<'a> {
    /// New machines, by node set and node.
    new: BTreeSet<(&'a str, &'a str)>,
    /// What the arguments of operations come from.
    origins: BTreeMap<&'a Address, &'a BTreeSet<Address>>,
}

impl<'a> Listing<'a> {
    fn of(plan: &'a Plan, sets: &'a [SetStart]) -> Self {
        let named = |set: &'a SetStart| {
            new_machines(set).map(|node| (set.node_set.as_str(), node.name.as_str()))
        };
        // What goes says where its arguments came from, and not where they come from.
        let goes = |it: &&Operation| {
            use OperationKind::{Delete, DeleteDeposed, Forget};
            matches!(it.kind, Delete | DeleteDeposed | Forget)
        };
        let origins = plan.operations.iter().filter(|it| !goes(it));
        let origins = origins.map(|it| (&it.address, &it.dependencies));
        Self { new: sets.iter().flat_map(named).collect(), origins: origins.collect() }
    }

    /// Whether a service lists new machines of another set. What runs on these under the same name is its peer, such as the daemons of a
    /// mesh, and collects nothing. That peers list each other cannot be asked for: those of a mesh know its lighthouses only.
    fn lists(&self, address: &Address) -> bool {
        let (own, name) = (address.node_set(), address.name());
        let is_peer = |it: &Address| {
            let new = it.node().is_some_and(|node| self.new.contains(&node));
            new && it.kind() == "service" && it.name() == name
        };
        let elsewhere = |node: &(&str, &str)| self.new.contains(node) && Some(node.0) != own;
        self.nodes_from(address).iter().any(elsewhere) && !self.origins.keys().any(|it| is_peer(it))
    }

    /// The nodes that arguments come from, also through what belongs to no node.
    fn nodes_from(&self, address: &Address) -> BTreeSet<(&'a str, &'a str)> {
        let (mut nodes, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting: Vec<&'a Address> = self.origins_of(address).collect();
        while let Some(origin) = waiting.pop() {
            match origin.node() {
                Some(node) => drop(nodes.insert(node)),
                None if seen.insert(origin) => waiting.extend(self.origins_of(origin)),
                None => {}
            }
        }
        nodes
    }

    fn origins_of(&self, address: &Address) -> impl Iterator<Item = &'a Address> {
        self.origins.get(address).into_iter().flat_map(|origins| origins.iter())
    }
}

/// A node of the set that gets a machine which was not there before.
pub fn new_machine(set: &SetStart) -> Option<&NodeStart> {
    new_machines(set).next()
}

fn new_machines(set: &SetStart) -> impl Iterator<Item = &NodeStart> {
    let is_new = |change| matches!(change, NodeChange::Create | NodeChange::Replace);
    set.nodes.iter().filter(move |node| is_new(node.change))
}

/// By what belongs to no node: the nodes whose records depend on it, also through others that belong to none.
fn stand_on(recorded: &Recorded) -> BTreeMap<Address, BTreeSet<String>> {
    let mut found: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    for record in recorded.records.values() {
        let Some((_, node)) = record.address.node() else { continue };
        let mut waiting: Vec<&Address> = record.dependencies.iter().collect();
        while let Some(address) = waiting.pop() {
            if address.node_set().is_some() {
                continue;
            }
            if found.entry(address.clone()).or_default().insert(node.to_owned()) {
                let below = recorded.records.get(address);
                waiting.extend(below.into_iter().flat_map(|below| &below.dependencies));
            }
        }
    }
    found
}
