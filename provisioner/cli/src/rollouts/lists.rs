//! What lists nodes and follows them in a rollout, wave by wave: found before it begins.
//!
//! Invariant: what follows early is changed by the candidate in nothing but what follows from the nodes. That is tried, not guessed: with
//! all nodes as they are recorded in the stable revision, the candidate's plan does nothing to it. Everything else waits for the end of the
//! rollout. Refuses to know: how a rollout decides, and how a wave is run.

use super::foresee::Foreseen;
use crate::error::CommandError;
use crate::planning::{Wishes, Workshop, World};
use crate::store::Store;
use model::plan::{Action, Actual, Plan};
use model::record::Recorded;
use model::rollout::entry::SetStart;
use rollout::changes::moves_machine;
use std::collections::BTreeSet;

/// Finds what lists nodes that come, go or get another machine, and says of what does not follow them why. `workshop` plans the
/// candidate, and `store` is where the environment is recorded.
pub async fn find(
    workshop: &Workshop<'_>,
    store: &Store,
    plan: &Plan,
    recorded: &Recorded,
    foreseen: &mut Foreseen,
) -> Result<(), CommandError> {
    let sets = &foreseen.foresight.sets;
    let moves = sets.iter().flat_map(|set| &set.nodes).any(|node| moves_machine(node.change));
    if !moves {
        return Ok(());
    }
    let then = if foreseen.stable_serial == recorded.serial {
        recorded.clone()
    } else {
        let version = store.port.version(foreseen.stable_serial).await?;
        version.into_recorded(recorded.lineage.clone())
    };
    let addresses = then.records.keys().chain(then.deposed.iter().map(|it| &it.address));
    let moved = workshop.project.configuration.moves(addresses);
    let then = planner::rename(&then, &moved).recorded;
    // The plan with all nodes as they are costs as much as the first: where nothing can be a list, it is not made.
    if !rollout::changes::may_list(plan, &then, sets) {
        return Ok(());
    }
    match unmoved(workshop, &then, sets).await {
        Ok(unmoved) => {
            let lists = rollout::changes::lists(plan, &unmoved, &then, sets);
            foreseen.late_list = rollout::changes::late_list(plan, sets, &lists).cloned();
            foreseen.late_because = because(foreseen, &unmoved);
            foreseen.foresight.lists = lists;
        }
        Err(error) => {
            let first = error.diagnostics.first().map(|it| it.summary.clone());
            let why = first.unwrap_or_else(|| "it cannot be planned".to_owned());
            foreseen.late_because = format!("with the nodes as they are, {why}");
        }
    }
    Ok(())
}

/// The plan of the candidate in which all nodes of the sets are as they were.
async fn unmoved(
    workshop: &Workshop<'_>,
    then: &Recorded,
    sets: &[SetStart],
) -> Result<Plan, CommandError> {
    let held = sets
        .iter()
        .flat_map(|set| set.nodes.iter().map(|node| (set.node_set.clone(), node.name.clone())));
    let present: BTreeSet<String> = sets.iter().map(|set| set.node_set.clone()).collect();
    let wishes = Wishes { held: held.collect(), present, quiet: true, ..Wishes::default() };
    let world = World { recorded: then, actual: &Actual::new(), moved: &[] };
    workshop.plan(&world, wishes).await
}

/// What else changes of the list that is late.
fn because(foreseen: &Foreseen, unmoved: &Plan) -> String {
    let Some(list) = &foreseen.late_list else { return String::new() };
    if rollout::changes::is_of(list, &foreseen.foresight.sets) {
        return String::new();
    }
    let change = unmoved.changes.iter().find(|change| change.address == *list);
    match change {
        Some(change) if change.action != Action::NoOp && !change.differing.is_empty() => {
            let arguments = change.differing.join("`, `");
            format!("more than its nodes changes with it: `{arguments}`")
        }
        _ => "it needs something else that changes at the end".to_owned(),
    }
}
