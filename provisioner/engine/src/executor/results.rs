//! What a run writes beside records: provider configurations, outputs, node sets.
//!
//! Invariants: provider configurations are recorded before the first call that uses them, and stay while a
//! record needs them; an output is written only when the plan changes it and everything it comes from succeeded; a node
//! stays recorded while anything of it does. What the plan does not decide stays as other runs may have written it.

use super::RunReport;
use crate::Engine;
use crate::caller::Caller;
use model::graph::{Node, Output, ProviderConfig, StatedBy};
use model::plan::Plan;
use model::record::Recorded;
use model::{Address, Diagnostic, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use state::rules::as_read_back;
use state::version::difference;
use state::{RunResults, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// Configurations that the plan uses and the state does not know as they are; recorded before the first call.
pub(crate) fn new_providers(
    plan: &Plan,
    recorded: &Recorded,
) -> Result<BTreeMap<String, Option<ProviderConfig>>, StateError> {
    let mut changes = changes(&recorded.providers, &plan.providers)?;
    changes.retain(|_, config| config.is_some());
    Ok(changes)
}

/// What turns what is recorded into what is now known. Compared as written: what comes from the store has lost the types
/// that JSON does not know.
fn changes<T: Serialize + DeserializeOwned + Clone + PartialEq>(
    recorded: &BTreeMap<String, T>,
    known: &BTreeMap<String, T>,
) -> Result<BTreeMap<String, Option<T>>, StateError> {
    Ok(difference(recorded, &as_read_back(known)?))
}

/// Writes what is known after the last operation.
pub(super) async fn write(
    caller: &Caller,
    plan: &Plan,
    recorded: &Recorded,
    report: &mut RunReport,
) -> Result<(), StateError> {
    let Caller { engine, held, began, .. } = caller;
    let ending = Ending {
        engine,
        began,
        plan,
        recorded,
        undone: report
            .failed
            .iter()
            .map(|failure| failure.address.clone())
            .chain(report.skipped.iter().map(|skipped| skipped.address.clone()))
            .collect(),
    };
    let outputs = ending.outputs(report);
    let mut results = RunResults {
        outputs: changes(&recorded.outputs, &outputs)?,
        providers: changes(&recorded.providers, &ending.providers())?,
        node_sets: changes(&recorded.node_sets, &ending.node_sets(recorded, &ending.alive()))?,
    };
    report.outputs = outputs;
    if !results.outputs.is_empty() || !results.node_sets.is_empty() {
        let now = engine.ports.store.load().await?;
        if let Some(moved) = ending.changed_by_others(&now) {
            report.outputs.clone_from(&recorded.outputs);
            report.outputs_left = true;
            report.diagnostics.push(left_to_the_next_plan(&moved));
            (results.outputs, results.node_sets) = Default::default();
        } else {
            let alive = now.records.keys().filter_map(node_of).collect();
            results.node_sets = changes(&now.node_sets, &ending.node_sets(&now, &alive))?;
        }
    }
    engine.ports.store.write_results(held.check()?, results).await
}

fn left_to_the_next_plan(moved: &Address) -> Diagnostic {
    let summary =
        "outputs and node sets were not recorded: another run changed what they come from";
    Diagnostic::warning("outputs-left", summary)
        .with_detail(format!("{moved} has changed since the plan was made"))
        .with_hint("the next apply records them")
        .about(moved)
}

struct Ending<'a> {
    engine: &'a Engine,
    began: &'a str,
    plan: &'a Plan,
    recorded: &'a Recorded,
    /// Instances with an operation that did not succeed: their attributes say nothing about the plan's end.
    undone: BTreeSet<Address>,
}

impl Ending<'_> {
    /// An instance that outputs come from, which this run did not write and which is not as when the plan was made.
    fn changed_by_others(&self, now: &Recorded) -> Option<Address> {
        let ours: BTreeSet<&Address> = self
            .plan
            .operations
            .iter()
            .map(|operation| &operation.address)
            .chain(self.plan.refreshed.iter().map(|record| &record.address))
            .chain(self.plan.adopted.iter().map(|adopted| &adopted.record.address))
            .chain(&self.plan.vanished)
            .chain(self.plan.moved.iter().flat_map(|moved| [&moved.from, &moved.to]))
            .chain(self.plan.moved.iter().flat_map(|moved| &moved.dependents))
            .collect();
        let mut read =
            self.plan.output_revisions.iter().filter(|(address, _)| !ours.contains(address));
        let moved = |(address, revision): &(&Address, &u64)| {
            now.records.get(*address).map_or(0, |record| record.revision) != **revision
        };
        read.find(moved).map(|(address, _)| address.clone())
    }

    fn resolve(&self, value: &Value) -> Result<Value, Diagnostic> {
        let records = &self.engine.ports.records;
        let outputs = |address: &Address| {
            let is_done = !self.undone.contains(address);
            is_done.then(|| records.attributes(address)).flatten()
        };
        self.engine.ports.resolver.resolve(value, &outputs, self.began)
    }

    /// What is recorded, with what the plan changes.
    fn outputs(&self, report: &mut RunReport) -> BTreeMap<String, Output> {
        let mut outputs = self.recorded.outputs.clone();
        for name in &self.plan.changed_outputs {
            if is_refused(&report.violated, name) {
                continue;
            }
            let Some(output) = self.plan.outputs.get(name) else {
                if self.undone.is_empty() {
                    outputs.remove(name);
                }
                continue;
            };
            match self.resolve(&output.value) {
                Ok(value) if value.is_wholly_known() => {
                    outputs.insert(name.clone(), Output { value, ..output.clone() });
                }
                // After a failure that is to be expected and needs no second message.
                Err(diagnostic) if self.undone.is_empty() => report.diagnostics.push(diagnostic),
                _ => {}
            }
        }
        outputs
    }

    fn providers(&self) -> BTreeMap<String, ProviderConfig> {
        let mut providers = self.recorded.providers.clone();
        providers.extend(self.plan.providers.clone());
        if self.plan.targets.is_empty() {
            // The store keeps those that records still need.
            providers.retain(|key, _| self.plan.providers.contains_key(key));
        }
        providers
    }

    /// The nodes of which anything is recorded.
    fn alive(&self) -> BTreeSet<(String, String)> {
        let records = self.engine.ports.records.select(|record| record.address.node().is_some());
        records.iter().filter_map(|record| node_of(&record.address)).collect()
    }

    /// The nodes of the plan; and of those that are recorded, the ones that it does not know and that are still there.
    fn node_sets(
        &self,
        recorded: &Recorded,
        alive: &BTreeSet<(String, String)>,
    ) -> BTreeMap<String, Vec<Node>> {
        let mut sets: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        for (set, planned) in &self.plan.node_sets {
            let nodes = planned.nodes.iter().filter_map(|node| self.node(set, node));
            sets.insert(set.clone(), nodes.collect());
        }
        for (set, nodes) in &recorded.node_sets {
            let known = sets.remove(set).unwrap_or_default();
            let of_plan = |node: &&Node| known.iter().any(|other| other.name == node.name);
            let is_alive = |node: &&Node| alive.contains(&(set.clone(), node.name.clone()));
            let others = nodes.iter().filter(|node| !of_plan(node) && is_alive(node)).cloned();
            let mut merged: Vec<Node> = known.iter().cloned().chain(others).collect();
            if !self.plan.targets.is_empty() {
                // The plan knows only some of them, and not in which order the pools are declared.
                merged
                    .sort_by(|one, other| (&one.pool, one.index).cmp(&(&other.pool, other.index)));
            }
            if !merged.is_empty() || self.plan.node_sets.contains_key(set) {
                sets.insert(set.clone(), merged);
            }
        }
        sets
    }

    /// A node with its machine known, or as it was recorded, or nothing yet. Its revision is the plan's if all of it was done, and stays if
    /// something failed, or if the node was to stay as it is; of a node that was never made whole it is empty.
    fn node(&self, set: &str, node: &Node) -> Option<Node> {
        let recorded = self.recorded.node_sets.get(set);
        let recorded = recorded.and_then(|known| known.iter().find(|it| it.name == node.name));
        match self.resolve(&node.machine) {
            Ok(machine) if machine.is_wholly_known() => {
                let is_of_it = |address: &Address| address.node() == Some((set, &node.name));
                let stays = self.plan.held.contains(&(set.to_owned(), node.name.clone()));
                let revision = if stays || self.undone.iter().any(is_of_it) {
                    recorded.map(|it| it.revision.clone()).unwrap_or_default()
                } else {
                    node.revision.clone()
                };
                Some(Node { machine, revision, ..node.clone() })
            }
            _ => recorded.cloned(),
        }
    }
}

/// Whether a precondition of an output of the environment does not hold.
fn is_refused(violated: &[StatedBy], output: &str) -> bool {
    violated.iter().any(|stated_by| {
        matches!(stated_by, StatedBy::Output { module, name } if module.is_empty() && name == output)
    })
}

fn node_of(address: &Address) -> Option<(String, String)> {
    address.node().map(|(set, node)| (set.to_owned(), node.to_owned()))
}
