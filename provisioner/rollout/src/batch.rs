//! Which nodes are changed, or brought back, together.
//!
//! Invariants: a wave is of one node set, has at most `max_parallel` nodes, never both of a pair that is to be kept apart,
//! and takes down no more nodes of a failure domain than `max_unavailable` leaves beside those that are down
//! anyway. Refuses to know: stages, gates, why.

use crate::selection::amount;
use crate::state::{Revision, State};
use model::rollout::Rollout;
use model::rollout::entry::{NodeChange, SetStart};
use std::collections::{BTreeMap, BTreeSet};

/// The next wave of the current stage; empty when nothing can be changed now.
pub(crate) fn next(state: &State) -> Vec<String> {
    let Some((set, _, _)) = state.rules(state.stage) else {
        return Vec::new();
    };
    let rules = &set.rollout;
    let mut budget = Budget::new(state, set);
    // Nodes that could not be changed are not at work for sure.
    for name in state.failed.keys().filter(|name| !state.down.contains_key(*name)) {
        budget.take(state, name);
    }
    let mut wave = Wave::new(rules);
    for name in pending(state) {
        if state.down.contains_key(name) || !wave.fits(name) {
            continue;
        }
        if budget.covers(state, name) && wave.takes_surge(state, name) {
            budget.take(state, name);
            wave.add(name);
        }
    }
    wave.nodes
}

/// Nodes of the current stage's set that are still to be changed, in their order.
pub(crate) fn pending(state: &State) -> impl Iterator<Item = &str> {
    let set = state.start.stage(state.stage).map(|(set, _)| set);
    let stages = set.into_iter().flat_map(|set| &set.stages);
    let names = stages.flat_map(|stage| &stage.nodes).map(String::as_str);
    names.filter(|name| state.can_change(name))
}

/// The next wave of a rollback, newest first; empty when no node is left that may be tried again.
pub(crate) fn next_back(state: &State) -> Vec<String> {
    let left = state.to_restore();
    let tried = |name: &str| {
        state.rollback.as_ref().and_then(|it| it.attempts.get(name)).map_or(0, |tried| tried.0)
    };
    // Those that failed wait until all others had their turn.
    let fewest = left.iter().map(|name| tried(name)).min().unwrap_or(0);
    if fewest >= ATTEMPTS {
        return Vec::new();
    }
    let due = || left.iter().filter(|name| tried(name) == fewest);
    let Some(first) = due().next().and_then(|name| state.nodes.get(name)) else {
        return Vec::new();
    };
    let Some(set) = state.start.sets.get(first.set) else {
        return Vec::new();
    };
    let mut budget = Budget::new(state, set);
    budget.at_least_one();
    let mut wave = Wave::new(&set.rollout);
    for name in due() {
        let same = state.nodes.get(name).is_some_and(|node| node.set == first.set);
        let fits = same && wave.fits(name) && budget.covers(state, name);
        if fits && wave.takes_surge(state, name) {
            budget.take(state, name);
            wave.add(name);
        }
    }
    wave.nodes
}

/// How often a node is tried to be brought back before a person is asked.
pub(crate) const ATTEMPTS: u32 = 3;

/// How many nodes of a domain may be down at a time.
pub(crate) fn unavailable(set: &SetStart, domain: &str) -> u32 {
    let exists = |change| change != NodeChange::Create;
    let members = set.nodes.iter().filter(|node| node.domain == domain && exists(node.change));
    amount(set.rollout.max_unavailable, u32::try_from(members.count()).unwrap_or(u32::MAX))
}

/// Whether nodes that are replaced are there anew before the old ones go.
pub(crate) fn surges(set: &SetStart) -> bool {
    surge(set) > 0
}

fn surge(set: &SetStart) -> u32 {
    amount(set.rollout.max_surge, u32::try_from(set.nodes.len()).unwrap_or(u32::MAX))
}

/// What `max_unavailable` leaves of each domain.
struct Budget<'a> {
    left: BTreeMap<&'a str, u32>,
    surges: bool,
}

impl<'a> Budget<'a> {
    fn new(state: &State, set: &'a SetStart) -> Self {
        let mut left = BTreeMap::new();
        for node in &set.nodes {
            left.entry(node.domain.as_str()).or_insert_with(|| unavailable(set, &node.domain));
        }
        for node in set.nodes.iter().filter(|node| state.down.contains_key(&node.name)) {
            if let Some(left) = left.get_mut(node.domain.as_str()) {
                *left = left.saturating_sub(1);
            }
        }
        Self { left, surges: surges(set) }
    }

    /// One node of a domain may always be brought back: what is down already is why.
    fn at_least_one(&mut self) {
        self.left.values_mut().for_each(|left| *left = (*left).max(1));
    }

    /// Whether changing a node takes it away from its users for a while.
    fn costs(&self, state: &State, name: &str) -> bool {
        let Some(node) = state.nodes.get(name) else {
            return true;
        };
        match node.change {
            NodeChange::Create | NodeChange::Delete => false,
            NodeChange::Replace => {
                // Where the replacement failed, what is left of both goes before the node is made again.
                let surges = self.surges && node.revision != Revision::Failed;
                !surges && !state.down.contains_key(name)
            }
            NodeChange::Update | NodeChange::None => !state.down.contains_key(name),
        }
    }

    fn covers(&self, state: &State, name: &str) -> bool {
        !self.costs(state, name) || self.of(state, name).is_some_and(|left| left > 0)
    }

    fn of(&self, state: &State, name: &str) -> Option<u32> {
        self.left.get(state.nodes.get(name)?.domain.as_str()).copied()
    }

    fn take(&mut self, state: &State, name: &str) {
        if !self.costs(state, name) {
            return;
        }
        let left = state.nodes.get(name).and_then(|it| self.left.get_mut(it.domain.as_str()));
        if let Some(left) = left {
            *left = left.saturating_sub(1);
        }
    }
}

/// A wave that is put together.
struct Wave<'a> {
    rules: &'a Rollout,
    nodes: Vec<String>,
    apart: BTreeSet<&'a str>,
    replaced: u32,
}

impl<'a> Wave<'a> {
    fn new(rules: &'a Rollout) -> Self {
        Self { rules, nodes: Vec::new(), apart: BTreeSet::new(), replaced: 0 }
    }

    fn fits(&self, name: &str) -> bool {
        let most = usize::try_from(self.rules.max_parallel.max(1)).unwrap_or(usize::MAX);
        self.nodes.len() < most && !self.apart.contains(name)
    }

    /// Whether `max_surge` allows one more node to be replaced, where it is replaced before it goes.
    fn takes_surge(&mut self, state: &State, name: &str) -> bool {
        let Some(node) = state.nodes.get(name) else {
            return false;
        };
        let set = state.start.sets.get(node.set);
        let most = set.map_or(0, surge);
        if node.change != NodeChange::Replace || most == 0 {
            return true;
        }
        self.replaced += 1;
        self.replaced <= most
    }

    fn add(&mut self, name: &str) {
        self.nodes.push(name.to_owned());
        for (one, other) in &self.rules.apart {
            if one == name {
                self.apart.insert(other);
            } else if other == name {
                self.apart.insert(one);
            }
        }
    }
}

/// Nodes that are on the candidate, or may be.
pub(crate) fn is_candidate(revision: Revision) -> bool {
    matches!(revision, Revision::Candidate | Revision::Failed)
}
