//! What a run writes beside records: provider configurations, outputs, node sets.
//!
//! Invariants: provider configurations are recorded before the first call that uses them, and stay while a
//! record needs them; an output is written only when everything it comes from succeeded; a node stays
//! recorded while anything of it does.

use super::RunReport;
use crate::Engine;
use crate::lease::Held;
use model::graph::{Node, Output, ProviderConfig};
use model::plan::Plan;
use model::record::Recorded;
use model::{Address, Value};
use serde::Serialize;
use state::{RunResults, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// What is recorded before the first operation: all configurations that may be needed from now on.
pub(crate) fn beginning(plan: &Plan, recorded: &Recorded) -> RunResults {
    let mut providers = recorded.providers.clone();
    providers.extend(plan.providers.clone());
    RunResults {
        outputs: recorded.outputs.clone(),
        providers,
        node_sets: recorded.node_sets.clone(),
    }
}

/// Writes what is known after the last operation.
pub(super) async fn write(
    engine: &Engine,
    held: &Held,
    plan: &Plan,
    recorded: &Recorded,
    report: &mut RunReport,
) -> Result<(), StateError> {
    let ending = Ending {
        engine,
        plan,
        recorded,
        undone: report
            .failed
            .iter()
            .map(|failure| failure.address.clone())
            .chain(report.skipped.iter().map(|skipped| skipped.address.clone()))
            .collect(),
    };
    let results = RunResults {
        outputs: ending.outputs(report),
        providers: ending.providers(),
        node_sets: ending.node_sets(),
    };
    report.outputs.clone_from(&results.outputs);
    let is_recorded = same(&results.outputs, &recorded.outputs)
        && same(&results.providers, &recorded.providers)
        && same(&results.node_sets, &recorded.node_sets);
    if is_recorded {
        return Ok(());
    }
    engine.ports.store.write_results(held.check()?, results).await
}

/// Whether both are the same once written: what comes from the store has lost the types that JSON does not know.
fn same<T: Serialize>(left: &T, right: &T) -> bool {
    let written = |value: &T| serde_json::to_value(value).ok();
    written(left).is_some() && written(left) == written(right)
}

struct Ending<'a> {
    engine: &'a Engine,
    plan: &'a Plan,
    recorded: &'a Recorded,
    /// Instances with an operation that did not succeed: their attributes say nothing about the plan's end.
    undone: BTreeSet<Address>,
}

impl Ending<'_> {
    fn resolve(&self, value: &Value) -> Result<Value, model::Diagnostic> {
        let records = &self.engine.ports.records;
        let outputs = |address: &Address| {
            let is_done = !self.undone.contains(address);
            is_done.then(|| records.attributes(address)).flatten()
        };
        self.engine.ports.resolver.resolve(value, &outputs)
    }

    fn outputs(&self, report: &mut RunReport) -> BTreeMap<String, Output> {
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.plan.outputs {
            match self.resolve(&output.value) {
                Ok(value) if value.is_wholly_known() => {
                    let output = Output { value, ..output.clone() };
                    outputs.insert(name.clone(), output);
                }
                Ok(_) => self.keep(name, &mut outputs),
                Err(diagnostic) => {
                    // After a failure that is to be expected and needs no second message.
                    if self.undone.is_empty() {
                        report.diagnostics.push(diagnostic);
                    }
                    self.keep(name, &mut outputs);
                }
            }
        }
        if !self.undone.is_empty() {
            for name in self.recorded.outputs.keys() {
                if !self.plan.outputs.contains_key(name) {
                    self.keep(name, &mut outputs);
                }
            }
        }
        outputs
    }

    fn keep(&self, name: &str, outputs: &mut BTreeMap<String, Output>) {
        if let Some(output) = self.recorded.outputs.get(name) {
            outputs.insert(name.to_owned(), output.clone());
        }
    }

    fn providers(&self) -> BTreeMap<String, ProviderConfig> {
        let mut providers = beginning(self.plan, self.recorded).providers;
        let records = self.engine.ports.records.select(|_| true);
        let used: BTreeSet<&str> = records
            .iter()
            .chain(&self.recorded.deposed)
            .map(|record| record.provider.as_str())
            .collect();
        providers
            .retain(|key, _| self.plan.providers.contains_key(key) || used.contains(key.as_str()));
        providers
    }

    fn node_sets(&self) -> BTreeMap<String, Vec<Node>> {
        let mut sets: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        for (set, planned) in &self.plan.node_sets {
            let nodes = planned.nodes.iter().filter_map(|node| self.node(set, node));
            sets.insert(set.clone(), nodes.collect());
        }
        let alive: BTreeSet<(String, String)> = self
            .engine
            .ports
            .records
            .select(|record| record.address.node().is_some())
            .iter()
            .filter_map(|record| record.address.node())
            .map(|(set, node)| (set.to_owned(), node.to_owned()))
            .collect();
        for (set, nodes) in &self.recorded.node_sets {
            for node in nodes {
                let is_alive = alive.contains(&(set.clone(), node.name.clone()));
                let known =
                    sets.get(set).is_some_and(|nodes| nodes.iter().any(|n| n.name == node.name));
                if is_alive && !known {
                    sets.entry(set.clone()).or_default().push(node.clone());
                }
            }
        }
        sets
    }

    /// A node with its machine known, or as it was recorded, or nothing yet.
    fn node(&self, set: &str, node: &Node) -> Option<Node> {
        match self.resolve(&node.machine) {
            Ok(machine) if machine.is_wholly_known() => Some(Node { machine, ..node.clone() }),
            _ => {
                let recorded = self.recorded.node_sets.get(set)?;
                recorded.iter().find(|known| known.name == node.name).cloned()
            }
        }
    }
}
