//! Nodes that stay as they are recorded while others change: in the waves of a rollout, what is not in the wave.
//!
//! Invariants: what is recorded of a held node is decided to be as it is, so that whatever depends on it sees the recorded
//! values; it is neither changed, mended nor deleted. What is not recorded of it is left out of a plan of everything, with all that
//! needs it; a plan with targets makes what they need. Refuses to know: why a node is held.

use crate::compose::Instances;
use crate::decide::{Decision, Subject, decide};
use crate::fates::Fate;
use crate::{Planner, stable};
use model::Address;
use model::graph::Instance;
use model::plan::Action;
use model::record::Record;
use model::schema::ResourceSchema;
use std::collections::HashSet;

/// Whether an instance is one of a held node.
pub(crate) fn is_held(planner: &Planner<'_>, address: &Address) -> bool {
    let held = &planner.options.held;
    !held.is_empty()
        && address
            .node()
            .is_some_and(|(set, node)| held.contains(&(set.to_owned(), node.to_owned())))
}

/// The decision about a recorded instance of a held node: nothing happens to it.
pub(crate) fn decision(
    planner: &Planner<'_>,
    instance: &Instance,
    schema: &ResourceSchema,
) -> Option<Decision> {
    if !is_held(planner, &instance.address) {
        return None;
    }
    let record = planner.record(&instance.address)?;
    let as_recorded = stable::instance(record, schema);
    // What is half made stays so until the node's turn.
    let record = Record { tainted: false, ..record.clone() };
    Some(decide(&Subject {
        instance: &as_recorded,
        schema,
        record: Some(&record),
        observation: None,
        requested: false,
        fate: &|_| None,
        decision: &|_| None,
    }))
}

/// Takes what is not recorded of held nodes out of a plan of everything, with all that waits for it.
pub(crate) fn leave_out(
    planner: &Planner<'_>,
    instances: &Instances<'_>,
    sequence: &[Address],
    all: &mut Vec<Fate<'_>>,
) {
    if planner.options.held.is_empty() || !planner.options.targets.is_empty() {
        return;
    }
    let moving: HashSet<&Address> =
        all.iter().filter(|fate| fate.action != Action::NoOp).map(|fate| &fate.address).collect();
    let mut left: HashSet<&Address> = HashSet::new();
    for address in sequence {
        let Some((_, dependencies)) = instances.get(address) else { continue };
        let is_new = is_held(planner, address) && planner.record(address).is_none();
        let waits = moving.contains(address) && dependencies.iter().any(|it| left.contains(it));
        if is_new || waits {
            left.insert(address);
        }
    }
    let left: HashSet<Address> = left.into_iter().cloned().collect();
    all.retain(|fate| !left.contains(&fate.address));
}
