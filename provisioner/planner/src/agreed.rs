//! What a wave of a saved rollout may do: nothing that the plan which people agreed to does not say.
//!
//! Invariants: no object is made, changed or deleted that the plan does not have; none is deleted or replaced that the plan
//! keeps, unless it is broken or gone. What arguments an object gets is not compared: while other nodes are held they
//! may differ from those in the end, and they follow from the same configuration.
//! Refuses to know: stages, and which nodes a wave is about.

use model::plan::{Action, Change, OperationKind, Plan, Reason};
use model::{Address, Diagnostic};
use std::collections::BTreeMap;

/// What a wave's plan does beyond the plan that was agreed to.
pub fn beyond(agreed: &Plan, wave: &Plan) -> Vec<Diagnostic> {
    let agreed: BTreeMap<&Address, &Change> = by_address(agreed);
    let own: BTreeMap<&Address, &Change> = by_address(wave);
    let refused = wave.operations.iter().filter_map(|operation| {
        let address = &operation.address;
        let what = match operation.kind {
            OperationKind::Read | OperationKind::DeleteDeposed => return None,
            OperationKind::Create | OperationKind::Update if agreed.contains_key(address) => {
                return None;
            }
            OperationKind::Create => "created",
            OperationKind::Update => "updated",
            _ if own.get(address).is_some_and(|change| is_broken(change)) => return None,
            _ if agreed.get(address).is_some_and(|change| removes(change.action)) => return None,
            OperationKind::CreateReplacement => "replaced",
            OperationKind::Delete => "deleted",
            OperationKind::Forget => "forgotten",
        };
        let summary = format!("{address} would be {what}, which the saved plan does not say");
        let detail = match own.get(address).and_then(|change| change.reasons.first()) {
            Some(Reason::ForcesReplacement { arguments }) => {
                format!("`{}` differs now and forces it", arguments.join("`, `"))
            }
            _ => "what is there has changed since the plan was made".to_owned(),
        };
        let refusal = Diagnostic::error("rollout-beyond-plan", summary).with_detail(detail);
        Some(refusal.about(address).with_hint("make a new plan, read it, and apply that"))
    });
    refused.collect()
}

fn by_address(plan: &Plan) -> BTreeMap<&Address, &Change> {
    plan.changes.iter().map(|change| (&change.address, change)).collect()
}

fn removes(action: Action) -> bool {
    matches!(
        action,
        Action::Delete | Action::Forget | Action::ReplaceDeleteFirst | Action::ReplaceCreateFirst
    )
}

/// Whether it goes because an earlier run left it half made, or because it is gone.
fn is_broken(change: &Change) -> bool {
    let broken =
        |it: &Reason| matches!(it, Reason::Tainted | Reason::Vanished { .. } | Reason::Deposed);
    change.reasons.iter().any(broken)
}
