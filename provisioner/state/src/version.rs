//! A version of the state: what is recorded after one journal entry, folded from the journal alone.
//!
//! The journal is the truth and the tables of a store are its fold: a store that disagrees with it is damaged.
//! Invariants: folding is a function of the entries; an entry that cannot follow is an error, never skipped.
//! Refuses to know: stores, sealing (bodies are open here).

use crate::port::{JournalEntry, RunResults};
use model::graph::{Node, Output, ProviderConfig};
use model::record::{Intent, IntentAction, Outcome, Record, Recorded};
use model::rollout::entry::{Entry, RolloutHead};
use model::{Address, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What is recorded after one journal entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The entry's sequence.
    pub serial: u64,
    /// Records by address.
    pub records: BTreeMap<Address, Record>,
    /// The last revision of addresses that have no record any more.
    pub removed: BTreeMap<Address, u64>,
    /// Objects that a later apply deletes.
    pub deposed: Vec<Record>,
    /// Root outputs.
    pub outputs: BTreeMap<String, Output>,
    /// Provider configurations.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Nodes by node set.
    pub node_sets: BTreeMap<String, Vec<Node>>,
    /// Intents without outcome.
    pub unfinished: BTreeMap<u64, Intent>,
    /// Rollouts that are not over, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rollouts: BTreeMap<String, RolloutHead>,
}

/// Where a pruned journal begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// The sequence of the last entry that went.
    pub serial: u64,
    /// Hash of that entry: the next one follows it.
    pub head: Vec<u8>,
    /// The version after it as JSON, sealed where sensitive.
    pub body: Json,
}

/// What outcomes are journaled as.
#[derive(Deserialize)]
struct Settled {
    intent: u64,
    outcome: Outcome,
}

/// What `refreshed` entries hold.
#[derive(Deserialize)]
struct Refreshed {
    records: Vec<Record>,
    vanished: Vec<Address>,
}

/// What `edited` entries hold: an [`crate::Edit`] with records as they were stored.
#[derive(Deserialize)]
struct Edited {
    remove: Vec<Address>,
    put: Vec<Record>,
    remove_deposed: Vec<(Address, String)>,
    depose: Vec<Record>,
    results: RunResults,
}

/// What `results` entries of older programs hold: everything, in place of what was there.
#[derive(Deserialize)]
struct AllResults {
    outputs: BTreeMap<String, Output>,
    providers: BTreeMap<String, ProviderConfig>,
    node_sets: BTreeMap<String, Vec<Node>>,
}

type Result<T, E = String> = std::result::Result<T, E>;

fn read<T: DeserializeOwned>(body: &Json) -> Result<T> {
    T::deserialize(body).map_err(|error| format!("it does not read: {error}"))
}

impl Version {
    /// The version after the next entry, whose body is open. The error says why it cannot follow.
    pub fn fold(&mut self, entry: &JournalEntry) -> Result<()> {
        if entry.sequence != self.serial + 1 {
            return Err(format!("it follows entry {}", self.serial));
        }
        match entry.kind.as_str() {
            "intent" => {
                let intent = Intent { sequence: entry.sequence, ..read(&entry.body)? };
                self.unfinished.insert(entry.sequence, intent);
            }
            "outcome" => {
                let Settled { intent, outcome } = read(&entry.body)?;
                self.settle(intent, outcome)?;
            }
            "refreshed" => {
                let Refreshed { records, vanished } = read(&entry.body)?;
                for record in records {
                    self.put(record);
                }
                for address in &vanished {
                    self.remove(address);
                }
            }
            "forgotten" => {
                let address = entry.address.as_ref().ok_or("it names no instance")?;
                self.remove(address);
            }
            "results-changed" => self.change(read(&entry.body)?),
            "results" => self.replace_results(read(&entry.body)?),
            "edited" => {
                let edited: Edited = read(&entry.body)?;
                for address in &edited.remove {
                    self.remove(address);
                }
                edited.put.into_iter().for_each(|record| self.put(record));
                for (address, id) in &edited.remove_deposed {
                    self.remove_deposed(address, id);
                }
                self.deposed.extend(edited.depose);
                self.change(edited.results);
            }
            "rollout" => self.follow(entry.sequence, &read(&entry.body)?)?,
            "attempt" | "run-started" | "run-finished" | "unlocked" | "rekeyed" | "pruned" => {}
            other => return Err(format!("its kind `{other}` is not known")),
        }
        self.serial = entry.sequence;
        Ok(())
    }

    fn follow(&mut self, sequence: u64, entry: &Entry) -> Result<()> {
        let before = self.rollouts.get(&entry.rollout);
        let head = RolloutHead::after(before, entry, sequence)?;
        match head {
            Some(head) => drop(self.rollouts.insert(entry.rollout.clone(), head)),
            None => drop(self.rollouts.remove(&entry.rollout)),
        }
        Ok(())
    }

    fn settle(&mut self, sequence: u64, outcome: Outcome) -> Result<()> {
        let intent = self
            .unfinished
            .remove(&sequence)
            .ok_or_else(|| format!("it settles {sequence}, which is no open intent"))?;
        match outcome {
            Outcome::Recorded { record, deposed } => {
                self.deposed.extend(deposed.map(|old| *old));
                self.put(*record);
                self.providers.insert(intent.provider, intent.provider_config);
            }
            Outcome::Removed if intent.action == IntentAction::DeleteDeposed => {
                if let Some(prior) = &intent.prior {
                    self.remove_deposed(&intent.address, &prior.id);
                }
            }
            Outcome::Removed => drop(self.remove(&intent.address)),
            Outcome::Failed { .. } => {}
        }
        Ok(())
    }

    /// Writes a record.
    pub fn put(&mut self, record: Record) {
        self.removed.remove(&record.address);
        self.records.insert(record.address.clone(), record);
    }

    /// Drops a record; whether there was one.
    pub fn remove(&mut self, address: &Address) -> bool {
        let Some(record) = self.records.remove(address) else { return false };
        self.removed.insert(record.address, record.revision);
        true
    }

    /// Drops a deposed object; whether there was one.
    pub fn remove_deposed(&mut self, address: &Address, id: &str) -> bool {
        let before = self.deposed.len();
        self.deposed.retain(|record| record.address != *address || record.id != id);
        self.deposed.len() < before
    }

    /// Keys of the provider configurations that records and deposed objects refer to.
    pub fn providers_in_use(&self) -> BTreeSet<String> {
        self.records.values().chain(&self.deposed).map(|record| record.provider.clone()).collect()
    }

    fn change(&mut self, results: RunResults) {
        change(&mut self.outputs, results.outputs);
        change(&mut self.providers, results.providers);
        change(&mut self.node_sets, results.node_sets);
    }

    fn replace_results(&mut self, all: AllResults) {
        self.outputs = all.outputs;
        let in_use = self.providers_in_use();
        self.providers.retain(|name, _| in_use.contains(name));
        self.providers.extend(all.providers);
        self.node_sets = all.node_sets;
    }

    /// As the engine reads an environment.
    pub fn into_recorded(self, lineage: String) -> Recorded {
        Recorded {
            lineage,
            serial: self.serial,
            records: self.records,
            deposed: self.deposed,
            outputs: self.outputs,
            providers: self.providers,
            node_sets: self.node_sets,
            unfinished: self.unfinished.into_values().collect(),
            rollouts: self.rollouts,
        }
    }

    /// The edit that makes `self`, the present, what `past` was. Intents without outcome stay as they are, and so do rollouts.
    pub fn edit_towards(&self, past: &Self, reason: String) -> crate::Edit {
        let same = |old: &Record, new: &Record| {
            Record { revision: 0, ..old.clone() } == Record { revision: 0, ..new.clone() }
        };
        let is_new = |record: &&Record| {
            self.records.get(&record.address).is_none_or(|now| !same(now, record))
        };
        let gone = |address: &&Address| !past.records.contains_key(*address);
        let missing = |of: &[Record], from: &[Record]| -> Vec<Record> {
            of.iter().filter(|record| !from.contains(record)).cloned().collect()
        };
        crate::Edit {
            reason,
            remove: self.records.keys().filter(gone).cloned().collect(),
            put: past.records.values().filter(is_new).cloned().collect(),
            remove_deposed: missing(&self.deposed, &past.deposed)
                .into_iter()
                .map(|record| (record.address, record.id))
                .collect(),
            depose: missing(&past.deposed, &self.deposed),
            results: RunResults {
                outputs: difference(&self.outputs, &past.outputs),
                providers: difference(&self.providers, &past.providers),
                node_sets: difference(&self.node_sets, &past.node_sets),
            },
        }
    }
}

/// A sensitive output is sealed even where its value carries no mark.
pub fn marked(output: &Output) -> Output {
    let value: Value = output.value.clone();
    let value = if output.sensitive { value.into_sensitive() } else { value };
    Output { value, ..output.clone() }
}

fn change<T>(into: &mut BTreeMap<String, T>, changes: BTreeMap<String, Option<T>>) {
    for (name, value) in changes {
        match value {
            Some(value) => drop(into.insert(name, value)),
            None => drop(into.remove(&name)),
        }
    }
}

/// What turns `from` into `to`.
pub fn difference<T: Clone + PartialEq>(
    from: &BTreeMap<String, T>,
    to: &BTreeMap<String, T>,
) -> BTreeMap<String, Option<T>> {
    let new = to.iter().filter(|(name, value)| from.get(*name) != Some(value));
    let gone = from.keys().filter(|name| !to.contains_key(*name));
    new.map(|(name, value)| (name.clone(), Some(value.clone())))
        .chain(gone.map(|name| (name.clone(), None)))
        .collect()
}
