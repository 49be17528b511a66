//! What a plan means for nodes: which of them it gives another revision, and how.
//!
//! A revision is what a node is made of: the arguments of its machine and what its module makes beside it, and its services. An
//! object that only drifted, or was left half made, has the revision that it had; mending it is no change.
//! A node set that has no node yet has no stable revision, so what it is made with is no rollout.
//! Refuses to know: the order and the pace in which nodes are changed.

use model::plan::{Action, Change, Plan, Reason};
use model::record::Recorded;
use model::rollout::Rollout;
use model::rollout::entry::{NodeChange, NodeStart, SetStart};
use std::collections::BTreeMap;

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
        // Without a node that stays or changes there is no stable revision.
        if before.is_empty() {
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
