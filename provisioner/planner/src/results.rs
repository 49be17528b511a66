//! What is recorded beside objects: outputs and node sets, as the configuration wants them or, where a plan with targets
//! does not reach, as they are recorded.

use crate::bonds::sources;
use crate::compare::{same, typed};
use crate::fates::Fates;
use crate::scope::Scope;
use model::graph::{Desired, Node, NodeSet, Output};
use model::plan::Action;
use model::record::Recorded;
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where outputs and nodes come from.
pub(crate) struct Results<'a> {
    /// What is recorded.
    pub recorded: &'a Recorded,
    /// What the plan may touch.
    pub scope: &'a Scope,
    /// Nodes that stay as they are recorded.
    pub held: &'a BTreeSet<(String, String)>,
    /// What happens to all instances, inside and outside.
    pub pending: BTreeSet<Address>,
}

impl<'a> Results<'a> {
    /// `fates` are those of all instances.
    pub fn new(
        recorded: &'a Recorded,
        scope: &'a Scope,
        held: &'a BTreeSet<(String, String)>,
        fates: &Fates<'_>,
    ) -> Self {
        let outside = |address: &Address| !scope.holds(address);
        let changes = fates.all.iter().filter(|fate| fate.action != Action::NoOp);
        let pending = changes.map(|fate| fate.address.clone()).filter(|at| outside(at)).collect();
        Self { recorded, scope, held, pending }
    }

    /// Whether a value will be as the configuration says: nothing is left undone that it comes from.
    fn settles(&self, value: &Value) -> bool {
        self.pending.is_empty() || sources(value).is_disjoint(&self.pending)
    }

    /// The root outputs after the apply. One that the configuration has no more stays while there are targets: what it
    /// came from is not known.
    pub fn outputs(&self, desired: &Desired) -> BTreeMap<String, Output> {
        let mut outputs = match self.scope {
            Scope::Everything => BTreeMap::new(),
            Scope::Targets { .. } => self.recorded.outputs.clone(),
        };
        for (name, output) in &desired.outputs {
            if self.settles(&output.value) {
                outputs.insert(name.clone(), output.clone());
            }
        }
        outputs
    }

    /// The node sets after the apply, but for nodes that stay as they are recorded or are not configured any more: the
    /// executor knows what became of them.
    pub fn node_sets(&self, desired: &Desired) -> BTreeMap<String, NodeSet> {
        let set = |(name, set): (&String, &NodeSet)| {
            let nodes =
                set.nodes.iter().filter(|node| self.is_settled(name, node)).cloned().collect();
            (name.clone(), NodeSet { nodes, services: set.services.clone() })
        };
        desired.node_sets.iter().map(set).collect()
    }

    /// Whether a node will be as configured. A machine that comes from nothing goes by the node's own instances.
    fn is_settled(&self, set: &str, node: &Node) -> bool {
        if self.held.contains(&(set.to_owned(), node.name.clone())) {
            return false;
        }
        let own = || self.pending.iter().any(|at| at.node() == Some((set, &node.name)));
        let from_nothing = sources(&node.machine).is_empty();
        self.settles(&node.machine) && !(from_nothing && own())
    }
}

/// Names of the outputs that will not be as recorded.
pub(crate) fn changed_outputs(
    recorded: &Recorded,
    planned: &BTreeMap<String, Output>,
) -> BTreeSet<String> {
    let stays = |name: &String| match (recorded.outputs.get(name), planned.get(name)) {
        (Some(old), Some(new)) => {
            old.sensitive == new.sensitive
                && old.description == new.description
                && new.value.is_wholly_known()
                && same(&new.value, &typed(&old.value, &new.value.ty()))
        }
        _ => false,
    };
    let names = recorded.outputs.keys().chain(planned.keys());
    names.filter(|name| !stays(name)).cloned().collect()
}
