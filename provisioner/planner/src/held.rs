//! Nodes that stay as they are recorded while others change: in the waves of a rollout, what is not in the wave.
//!
//! Invariants: what is recorded of a held node is decided to be as it is, so that whatever depends on it sees the recorded
//! values; it is neither changed, mended nor deleted, its record is not brought up to date, and it needs nothing. What it stands on
//! that belongs to no node stays, too: it is not deleted, and a plan that replaces it is refused. What is not recorded of a held node is left
//! out of a plan of everything, with all that needs it and with statements about held nodes; a plan with targets makes what they need. Refuses to know: why a node is held.

use crate::Planner;
use crate::compose::Instances;
use crate::decide::{Decision, replaces};
use crate::fates::{Fate, Fates};
use crate::stable::reached;
use crate::standing::recorded;
use model::graph::Instance;
use model::plan::Action;
use model::record::Record;
use model::schema::{Mode, ResourceSchema};
use model::{Address, Diagnostic, Value};
use std::collections::{BTreeSet, HashSet};

/// Whether an instance is one of a held node.
pub(crate) fn is_held(planner: &Planner<'_>, address: &Address) -> bool {
    let held = &planner.options.held;
    !held.is_empty()
        && address
            .node()
            .is_some_and(|(set, node)| held.contains(&(set.to_owned(), node.to_owned())))
}

/// The decision about a recorded instance of a held node: nothing happens to it, well or not.
pub(crate) fn decision(
    planner: &Planner<'_>,
    instance: &Instance,
    schema: &ResourceSchema,
) -> Option<Decision> {
    if !is_held(planner, &instance.address) {
        return None;
    }
    let stands = recorded(schema, planner.record(&instance.address)?);
    let is_argument = |name: &str| {
        schema.attributes.get(name).is_some_and(|attribute| attribute.mode != Mode::Computed)
    };
    let arguments = stands.iter().filter(|(name, _)| is_argument(name));
    let arguments: Vec<_> = arguments.map(|(n, value)| (n.clone(), value.clone())).collect();
    let after = Value::object(stands);
    Some(Decision {
        action: Action::NoOp,
        reasons: Vec::new(),
        differing: Vec::new(),
        before: Some(after.clone()),
        after,
        arguments: Value::object(arguments),
        must_not_differ: BTreeSet::new(),
        errors: Vec::new(),
    })
}

/// A recorded instance of a held node that the configuration has no more: it is still there.
pub(crate) fn stays<'a>(planner: &Planner<'a>, record: &'a Record) -> Fate<'a> {
    let attributes = record.attributes.clone();
    Fate {
        address: record.address.clone(),
        instance: None,
        record: Some(record),
        observation: planner.observation(&record.address),
        action: Action::NoOp,
        reasons: Vec::new(),
        differing: Vec::new(),
        before: Some(attributes.clone()),
        after: Some(attributes),
        arguments: None,
        must_not_differ: BTreeSet::new(),
        dependencies: BTreeSet::new(),
    }
}

/// What held nodes stand on, as recorded, that belongs to no node: networks, keys, certificates.
pub(crate) fn foundations(planner: &Planner<'_>) -> BTreeSet<Address> {
    if planner.options.held.is_empty() {
        return BTreeSet::new();
    }
    reached(planner.recorded, |record| is_held(planner, &record.address))
}

/// Replacements of what held nodes stand on.
pub(crate) fn undermined(
    fates: &Fates<'_>,
    foundations: &BTreeSet<Address>,
) -> Vec<(Address, Diagnostic)> {
    let replaced = fates.all.iter().filter(|fate| replaces(fate.action));
    let shared = replaced.filter(|fate| foundations.contains(&fate.address));
    let error = |fate: &Fate<'_>| {
        let summary = format!("{} would be replaced while other nodes stand on it", fate.address);
        let mut error = Diagnostic::error("held-foundation", summary)
            .with_hint("make a new one beside it under another address, let the nodes move to it, and take the old one out")
            .about(&fate.address);
        if let Some(instance) = fate.instance {
            error = error
                .with_label(instance.span.clone(), "nodes that do not change now stand on this");
        }
        (fate.address.clone(), error)
    };
    shared.map(error).collect()
}

/// Whether an instance only says something about others.
fn is_statement(planner: &Planner<'_>, instances: &Instances<'_>, address: &Address) -> bool {
    instances.get(address).is_some_and(|(instance, _)| {
        let schema = planner.schema(&instance.provider, address.kind());
        schema.is_some_and(|schema| schema.follows_dependencies)
    })
}

/// Takes what is not recorded of held nodes out of a plan of everything, with all that waits for it and what is said about held nodes.
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
        // Of a node that is to stay as it is nothing is claimed: it may be dead.
        let claims = moving.contains(address)
            && is_statement(planner, instances, address)
            && dependencies.iter().any(|it| is_held(planner, it));
        if is_new || waits || claims {
            left.insert(address);
        }
    }
    let left: HashSet<Address> = left.into_iter().cloned().collect();
    all.retain(|fate| !left.contains(&fate.address));
}
