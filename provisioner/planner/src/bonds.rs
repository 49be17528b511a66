//! What a plan is bound to: the revisions of the records that it was made from, and of no others, so that plans
//! about different things can be applied one after the other or side by side.
//!
//! Values flow only through origins, and origins are direct: what an instance that stays as it is came from
//! matters only through its own record.

use crate::compare::awaited;
use model::plan::{OperationKind, Plan};
use model::record::Recorded;
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Fills in the revisions of a plan that is otherwise complete.
pub(crate) fn bind(plan: &mut Plan, recorded: &Recorded) {
    plan.base_revisions = revisions(recorded, used(plan));
    plan.output_revisions = revisions(recorded, shown(plan));
    // What moves is recorded where it was, and where it goes is nothing, or what moves away from there.
    let was = revisions(recorded, plan.moved.iter().map(|moved| moved.to.clone()).collect());
    for moved in &plan.moved {
        plan.base_revisions.insert(moved.to.clone(), 0);
    }
    for moved in &plan.moved {
        let revision = was.get(&moved.to).copied().unwrap_or_default();
        plan.base_revisions.insert(moved.from.clone(), revision);
    }
}

fn revisions(recorded: &Recorded, addresses: BTreeSet<Address>) -> BTreeMap<Address, u64> {
    let revision =
        |address: &Address| recorded.records.get(address).map_or(0, |record| record.revision);
    addresses.into_iter().map(|address| (address.clone(), revision(&address))).collect()
}

/// What operations read and write, and what is written beside them.
fn used(plan: &Plan) -> BTreeSet<Address> {
    let mut used = BTreeSet::new();
    for operation in &plan.operations {
        if !operation.address.is_data() {
            used.insert(operation.address.clone());
        }
        let reads = matches!(
            operation.kind,
            OperationKind::Create
                | OperationKind::CreateReplacement
                | OperationKind::Update
                | OperationKind::Read
        );
        if reads {
            used.extend(operation.dependencies.iter().cloned());
        }
    }
    used.extend(plan.refreshed.iter().map(|record| record.address.clone()));
    used.extend(plan.vanished.iter().cloned());
    used.extend(plan.conditions.iter().flat_map(|condition| condition.reads.iter().cloned()));
    used.extend(plan.adopted.iter().map(|adopted| adopted.record.address.clone()));
    for moved in &plan.moved {
        used.insert(moved.to.clone());
        used.extend(moved.dependents.iter().cloned());
    }
    used
}

/// What outputs that change and the machines of nodes come from.
fn shown(plan: &Plan) -> BTreeSet<Address> {
    let outputs = plan.changed_outputs.iter().filter_map(|name| plan.outputs.get(name));
    let nodes = plan.node_sets.values().flat_map(|set| &set.nodes);
    let values = outputs.map(|output| &output.value).chain(nodes.map(|node| &node.machine));
    values.flat_map(sources).filter(|address| !address.is_data()).collect()
}

/// The instances that a value comes from.
pub(crate) fn sources(value: &Value) -> BTreeSet<Address> {
    let mut sources = value.deep_origins();
    sources.extend(awaited(value));
    sources
}
