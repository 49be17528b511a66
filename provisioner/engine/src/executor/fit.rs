//! Whether a plan still fits: a pure comparison of the plan with what is recorded now.

use crate::{ApplyError, StaleRecord};
use model::Diagnostic;
use model::plan::{FORMAT_VERSION, Plan};
use model::record::Recorded;
use std::collections::BTreeSet;

/// Refuses to begin the rollout of a saved plan that is of another environment, or whose records have changed.
pub(crate) fn begins(
    plan: &Plan,
    recorded: &Recorded,
    environment: &str,
) -> Result<(), ApplyError> {
    belongs(plan, recorded, environment)?;
    is_current(plan, recorded)
}

/// Refuses a plan of another environment, a plan whose records have changed, and one that contradicts itself.
pub(crate) fn check(plan: &Plan, recorded: &Recorded, environment: &str) -> Result<(), ApplyError> {
    belongs(plan, recorded, environment)?;
    is_current(plan, recorded)?;
    is_legal(plan)
}

fn belongs(plan: &Plan, recorded: &Recorded, environment: &str) -> Result<(), ApplyError> {
    let foreign = |why: String| Err(ApplyError::Foreign(why));
    if plan.format_version != FORMAT_VERSION {
        return foreign(format!(
            "it has plan format {}, and this program runs format {FORMAT_VERSION}",
            plan.format_version
        ));
    }
    if plan.environment != environment {
        return foreign(format!(
            "it was made for the environment `{}`, and this is `{environment}`",
            plan.environment
        ));
    }
    let is_first = plan.lineage.is_empty() && recorded.records.is_empty();
    if plan.lineage != recorded.lineage && !is_first {
        return foreign(format!(
            "it was made from a state of lineage `{}`, and this state has lineage `{}`",
            plan.lineage, recorded.lineage
        ));
    }
    Ok(())
}

fn is_current(plan: &Plan, recorded: &Recorded) -> Result<(), ApplyError> {
    let mut stale = Vec::new();
    for (address, planned) in &plan.base_revisions {
        let record = recorded.records.get(address);
        let found = record.map_or(0, |record| record.revision);
        if found != *planned {
            stale.push(StaleRecord { address: address.clone(), planned: *planned, found });
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(ApplyError::Stale(stale)) }
}

fn is_legal(plan: &Plan) -> Result<(), ApplyError> {
    let mut problems = Vec::new();
    if plan.rollout.is_some() {
        let summary = "this plan begins a rollout, and would change all nodes at once";
        problems.push(Diagnostic::error("illegal-plan", summary));
    }
    let mut known = BTreeSet::new();
    for operation in &plan.operations {
        let in_order = known.last().is_none_or(|last| *last < operation.id);
        let needs_known = operation.needs.is_subset(&known);
        if !in_order || !needs_known {
            let summary =
                format!("operation {} needs something that does not come before it", operation.id);
            problems.push(
                Diagnostic::error("illegal-plan", summary).about(&operation.address).with_hint(
                    "make a new plan; if that plan is refused too, this is a defect of the program",
                ),
            );
        }
        known.insert(operation.id);
    }
    if problems.is_empty() {
        // Written by others than the planner, so that neither's mistakes go unnoticed.
        problems = planner::check::check(plan);
        problems.retain(Diagnostic::is_error);
    }
    if problems.is_empty() { Ok(()) } else { Err(ApplyError::Illegal(problems)) }
}
