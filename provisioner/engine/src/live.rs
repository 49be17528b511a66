//! The records of the environment as they are while a run goes on: what was loaded, and every outcome
//! since. Arguments are resolved from it, and peers for probes are picked from it.
//!
//! Invariant: but for data sources, it holds only what is durable in the store.

use model::record::{Intent, IntentAction, Outcome, Record, Recorded};
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Default)]
struct Live {
    records: BTreeMap<Address, Record>,
    deposed: Vec<Record>,
    /// Instances that a call is changing: their records say what was, not what is.
    under_way: BTreeSet<Address>,
    /// Generations of records that were removed since the last load.
    past: BTreeMap<Address, u64>,
    /// Data sources that this run has read.
    data: BTreeMap<Address, Value>,
}

/// Records as they are now.
#[derive(Default)]
pub struct LiveRecords(RwLock<Live>);

impl LiveRecords {
    /// Starts from what the store holds.
    pub fn replace_all(&self, recorded: &Recorded) {
        *self.write() = Live {
            records: recorded.records.clone(),
            deposed: recorded.deposed.clone(),
            under_way: recorded.unfinished.iter().map(|open| open.address.clone()).collect(),
            past: BTreeMap::new(),
            data: BTreeMap::new(),
        };
    }

    /// The record of an instance.
    pub fn record(&self, address: &Address) -> Option<Record> {
        self.read().records.get(address).cloned()
    }

    /// All arguments and attributes of an instance.
    pub fn attributes(&self, address: &Address) -> Option<Value> {
        let live = self.read();
        let recorded = live.records.get(address).map(|record| &record.attributes);
        recorded.or_else(|| live.data.get(address)).cloned()
    }

    /// A data source was read.
    pub(crate) fn know(&self, address: &Address, attributes: Value) {
        self.write().data.insert(address.clone(), attributes);
    }

    /// Every record for which `wanted` holds, in address order.
    pub fn select(&self, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
        let live = self.read();
        live.records.values().filter(|record| wanted(record)).cloned().collect()
    }

    /// The generation that the next object of an instance has.
    pub(crate) fn next_generation(&self, address: &Address) -> u64 {
        let live = self.read();
        let record = live.records.get(address).map(|record| record.generation);
        record.or(live.past.get(address).copied()).unwrap_or(0) + 1
    }

    /// The deposed object of an instance with that identity; an instance may have several.
    pub(crate) fn deposed(&self, address: &Address, id: &str) -> Option<Record> {
        let live = self.read();
        live.deposed.iter().find(|old| old.address == *address && old.id == id).cloned()
    }

    /// Whether nothing is changing the instance, nor was when a call's answer was lost.
    pub fn is_settled(&self, address: &Address) -> bool {
        !self.read().under_way.contains(address)
    }

    /// A call is about to change the instance.
    pub(crate) fn begin(&self, intent: &Intent) {
        self.write().under_way.insert(intent.address.clone());
    }

    /// What the durable outcome of an intent means for the records; `stored` is the record as the store has it.
    pub(crate) fn settle(&self, intent: &Intent, outcome: &Outcome, stored: Option<Record>) {
        let mut live = self.write();
        live.under_way.remove(&intent.address);
        match outcome {
            Outcome::Recorded { record, deposed } => {
                live.deposed.extend(deposed.iter().map(|old| old.as_ref().clone()));
                let record = stored.unwrap_or_else(|| record.as_ref().clone());
                live.records.insert(intent.address.clone(), record);
            }
            Outcome::Removed if intent.action == IntentAction::DeleteDeposed => {
                let is_it = |old: &Record| {
                    let id = intent.prior.as_ref().map(|prior| &prior.id);
                    old.address == intent.address && Some(&old.id) == id
                };
                live.deposed.retain(|old| !is_it(old));
            }
            Outcome::Removed => {
                live.records.remove(&intent.address);
                live.past.insert(intent.address.clone(), intent.generation);
            }
            Outcome::Failed { .. } => {}
        }
    }

    /// Drops a record.
    pub(crate) fn forget(&self, address: &Address) {
        self.write().records.remove(address);
    }

    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
