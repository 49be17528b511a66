//! A plan as JSON for other programs. Not the format of saved plans: secrets are left out, so it cannot be applied.

use crate::value::redacted_json;
use model::Value;
use model::plan::{Action, Adopted, Change, Operation, Plan, PlannedCondition, Stray};
use serde_json::{Value as Json, json};

/// The plan with secrets replaced by `{"$sensitive": true}` and unknown values by `{"$unknown": "<type>"}`.
pub fn json(plan: &Plan) -> Json {
    let count = |action| plan.count(action);
    json!({
        "format_version": plan.format_version,
        "environment": plan.environment,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "created_at": plan.created_at,
        "configuration_digest": plan.configuration_digest,
        "destroy": plan.destroy,
        "targets": plan.targets,
        "identities": plan.identities,
        "has_changes": plan.has_changes(),
        "summary": {
            "create": count(Action::Create),
            "update": count(Action::Update),
            "replace": count(Action::ReplaceDeleteFirst) + count(Action::ReplaceCreateFirst),
            "delete": count(Action::Delete),
            "forget": count(Action::Forget) + plan.vanished.len(),
            "read": count(Action::Read),
            "no_op": count(Action::NoOp),
            "import": plan.adopted.iter().filter(|adopted| adopted.imported).count(),
            "adopt": plan.adopted.iter().filter(|it| !it.deposed && !it.imported).count(),
            "move": plan.moved.len(),
            "strays": plan.strays.len(),
        },
        "changes": plan.changes.iter().map(change).collect::<Json>(),
        "operations": plan.operations.iter().map(operation).collect::<Json>(),
        "conditions": plan.conditions.iter().map(condition).collect::<Json>(),
        "drift": plan.drift,
        "vanished": plan.vanished,
        "moved": plan.moved.iter().map(|it| json!({ "from": it.from, "to": it.to })).collect::<Json>(),
        "adopted": plan.adopted.iter().map(adopted).collect::<Json>(),
        "strays": plan.strays.iter().map(stray).collect::<Json>(),
        "outputs": crate::outputs::json(&plan.outputs),
        "changed_outputs": plan.changed_outputs,
    })
}

fn change(change: &Change) -> Json {
    let redacted = |value: &Option<Value>| value.as_ref().map(redacted_json);
    json!({
        "address": change.address,
        "previous_address": change.previous,
        "importing": change.importing,
        "action": change.action,
        "reasons": change.reasons,
        "differing": change.differing,
        "before": redacted(&change.before),
        "after": redacted(&change.after),
    })
}

/// What the apply looks at, after which operations, and which it stops.
fn condition(planned: &PlannedCondition) -> Json {
    let stated_by = &planned.condition.stated_by;
    json!({
        "stated_by": stated_by,
        "description": stated_by.to_string(),
        "place": planned.condition.place,
        "only_warns": stated_by.only_warns(),
        "needs": planned.needs,
        "stops": planned.stops,
    })
}

fn adopted(adopted: &Adopted) -> Json {
    json!({
        "address": adopted.record.address,
        "provider": adopted.record.provider,
        "id": adopted.record.id,
        "attributes": redacted_json(&adopted.record.attributes),
        "deposed": adopted.deposed,
        "imported": adopted.imported,
    })
}

fn stray(stray: &Stray) -> Json {
    json!({
        "address": stray.address,
        "provider": stray.provider,
        "id": stray.id,
        "attributes": stray.attributes.as_ref().map(redacted_json),
    })
}

fn operation(operation: &Operation) -> Json {
    json!({
        "id": operation.id,
        "address": operation.address,
        "kind": operation.kind,
        "provider": operation.provider,
        "needs": operation.needs,
        "place": operation.place,
    })
}
