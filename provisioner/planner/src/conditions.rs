//! Conditions that only the apply can tell: after which operations each is known, and which operations it stops.
//!
//! Invariant: an operation that a condition stops comes after all that the condition waits for, so the condition is
//! told before the operation begins.

use crate::bonds::sources;
use crate::compare::awaited;
use model::Address;
use model::graph::{Condition, Desired, StatedBy};
use model::plan::{Operation, OperationKind, PlannedCondition};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The conditions of a plan with these operations. One that waits for what the plan leaves out is not told.
pub(crate) fn planned(
    desired: &Desired,
    operations: &[Operation],
    dependencies: &HashMap<Address, BTreeSet<Address>>,
) -> Vec<PlannedCondition> {
    if desired.conditions.is_empty() {
        return Vec::new();
    }
    let binding = Binding::new(operations, dependencies);
    desired.conditions.iter().filter_map(|condition| binding.planned(condition)).collect()
}

/// Finds the operations that a condition has to do with.
struct Binding<'a> {
    operations: &'a [Operation],
    /// Creations, updates and reads by instance.
    forward: HashMap<&'a Address, u32>,
    /// Instances by what they depend on.
    dependents: HashMap<&'a Address, Vec<&'a Address>>,
}

impl<'a> Binding<'a> {
    fn new(
        operations: &'a [Operation],
        dependencies: &'a HashMap<Address, BTreeSet<Address>>,
    ) -> Self {
        let forward = operations.iter().filter(|operation| is_forward(operation.kind));
        let forward = forward.map(|operation| (&operation.address, operation.id)).collect();
        let mut dependents: HashMap<&Address, Vec<&Address>> = HashMap::new();
        for (address, dependencies) in dependencies {
            for dependency in dependencies {
                dependents.entry(dependency).or_default().push(address);
            }
        }
        Self { operations, forward, dependents }
    }

    fn planned(&self, condition: &Condition) -> Option<PlannedCondition> {
        let needs: Option<BTreeSet<u32>> = awaited(&condition.condition)
            .iter()
            .map(|address| self.forward.get(address).copied())
            .collect();
        let needs = needs?;
        let stops = match &condition.stated_by {
            StatedBy::Precondition { address } => match self.forward.get(address) {
                Some(own) => BTreeSet::from([*own]),
                None => self.after(address),
            },
            StatedBy::Postcondition { address } => self.after(address),
            StatedBy::Variable { module, .. } => self.inside(module, &needs),
            StatedBy::Output { .. } | StatedBy::Check { .. } => BTreeSet::new(),
        };
        let mut reads = sources(&condition.condition);
        reads.extend(sources(&condition.error_message));
        // What is only read has no revision.
        reads.retain(|address| !address.is_data());
        Some(PlannedCondition { condition: condition.clone(), needs, stops, reads })
    }

    /// What runs because of an instance: creations, updates and reads of what depends on it, through those that stay as they are,
    /// and the deletion of what it replaces.
    fn after(&self, address: &'a Address) -> BTreeSet<u32> {
        let own = self.forward.get(address);
        let mut after: BTreeSet<u32> = self
            .operations
            .iter()
            .filter(|operation| operation.address == *address)
            .filter(|operation| own.is_some_and(|own| operation.needs.contains(own)))
            .map(|operation| operation.id)
            .collect();
        let mut seen = HashSet::from([address]);
        let mut stack = vec![address];
        while let Some(address) = stack.pop() {
            for dependent in self.dependents.get(address).into_iter().flatten() {
                if !seen.insert(dependent) {
                    continue;
                }
                match self.forward.get(dependent) {
                    Some(id) => {
                        after.insert(*id);
                    }
                    None => stack.push(dependent),
                }
            }
        }
        after
    }

    /// Creations, updates and reads in a module instance that come after all of `needs`.
    fn inside(&self, module: &str, needs: &BTreeSet<u32>) -> BTreeSet<u32> {
        let prefix = format!("{module}.");
        let mut behind: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for operation in self.operations {
            let mut known: BTreeSet<u32> = needs.intersection(&operation.needs).copied().collect();
            for need in &operation.needs {
                known.extend(behind.get(need).into_iter().flatten());
            }
            if !known.is_empty() {
                behind.insert(operation.id, known);
            }
        }
        let is_inside = |operation: &&Operation| {
            is_forward(operation.kind)
                && (module.is_empty() || operation.address.to_string().starts_with(&prefix))
                && behind.get(&operation.id).is_some_and(|known| known == needs)
        };
        self.operations.iter().filter(is_inside).map(|operation| operation.id).collect()
    }
}

fn is_forward(kind: OperationKind) -> bool {
    use OperationKind::{Create, CreateReplacement, Read, Update};
    matches!(kind, Create | CreateReplacement | Update | Read)
}
