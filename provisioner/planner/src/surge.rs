//! Nodes that are there anew before the old ones go, because the rollout of their set has room for more nodes than it has.
//!
//! Invariants: a node surges wholly or not at all; what is half made, and what an earlier replacement left behind, goes first as ever; a
//! service is made anew beside the old one only on another machine. What could only fail, since two objects cannot have one name, is refused.
//! Refuses to know: how many nodes surge at a time.

use crate::Planner;
use crate::compare::same;
use crate::decide::replaces;
use crate::fates::{Fate, Fates};
use model::graph::Desired;
use model::plan::{Action, Reason};
use model::rollout::Amount;
use model::{Address, Diagnostic};
use std::collections::BTreeSet;

/// The argument that names are in.
const NAME: &str = "name";
/// The argument of a service that says which machine it is on.
const MACHINE: &str = "machine";

/// Makes replacements of surging nodes create-first; gives back why some cannot be.
pub(crate) fn surge(
    planner: &Planner<'_>,
    desired: &Desired,
    fates: &mut Fates<'_>,
) -> Vec<(Address, Diagnostic)> {
    let has_room = |set: &str| {
        let most = desired.rollouts.get(set).map(|rollout| rollout.max_surge);
        most.is_some_and(|most| match most {
            Amount::Count(count) => count > 0,
            Amount::Percent(percent) => percent > 0.0,
        })
    };
    let tainted =
        |fate: &&Fate<'_>| replaces(fate.action) && fate.reasons.contains(&Reason::Tainted);
    let half_made = fates.all.iter().filter(tainted).map(|fate| &fate.address);
    let left = planner.recorded.deposed.iter().map(|record| &record.address);
    let unfit: BTreeSet<_> = half_made.chain(left).filter_map(owned).collect();
    let mut errors = Vec::new();
    for fate in &mut fates.all {
        let Some(node) = owned(&fate.address).filter(|(set, _)| has_room(set)) else { continue };
        let turns = fate.action == Action::ReplaceDeleteFirst && has_another_place(fate);
        if !turns || unfit.contains(&node) {
            continue;
        }
        fate.action = Action::ReplaceCreateFirst;
        errors.extend(same_name(planner, fate).map(|error| (fate.address.clone(), error)));
    }
    errors
}

fn owned(address: &Address) -> Option<(String, String)> {
    address.node().map(|(set, node)| (set.to_owned(), node.to_owned()))
}

/// Whether the new object is not where the old one is: on one machine a service is there once.
fn has_another_place(fate: &Fate<'_>) -> bool {
    let hangs_on_machine = matches!(fate.address.kind(), "service" | "facts");
    let moves = |reason: &Reason| {
        let Reason::ForcesReplacement { arguments } = reason else { return false };
        arguments.iter().any(|argument| argument == MACHINE)
    };
    !hangs_on_machine || fate.reasons.iter().any(moves)
}

/// Two objects cannot have one name where names are unique.
fn same_name(planner: &Planner<'_>, fate: &Fate<'_>) -> Option<Diagnostic> {
    let instance = fate.instance?;
    let schema = planner.schema(&instance.provider, fate.address.kind())?;
    let before = fate.before.as_ref()?.get(NAME)?;
    let after = fate.after.as_ref()?.get(NAME)?;
    if !schema.adoption.unique_name || !same(&before, &after) {
        return None;
    }
    let name = before.as_str().unwrap_or_default().to_owned();
    let summary = format!(
        "{} cannot be there anew before the old one goes: both are called `{name}`",
        fate.address
    );
    let error = Diagnostic::error("surge-same-name", summary)
        .with_label(instance.span.clone(), "its name is unique, and stays the same")
        .with_detail("`max_surge` of the rollout asks for the replacement before the node goes")
        .with_hint(
            "let the name hang on what the object is made from; or leave `max_surge` out, and a node goes before its replacement comes",
        );
    Some(error.about(&fate.address))
}
