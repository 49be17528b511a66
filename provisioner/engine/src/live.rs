//! The records of the environment as they are while a run goes on: what was loaded, and every outcome
//! since. Arguments are resolved from it, and peers for probes are picked from it.
//!
//! Invariant: it holds only what is durable in the store.

use model::record::{Outcome, Record, Recorded};
use model::{Address, Value};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Default)]
struct Live {
    records: BTreeMap<Address, Record>,
    deposed: Vec<Record>,
}

/// Records as they are now.
#[derive(Default)]
pub struct LiveRecords(RwLock<Live>);

impl LiveRecords {
    /// Starts from what the store holds.
    pub fn replace_all(&self, recorded: &Recorded) {
        *self.write() =
            Live { records: recorded.records.clone(), deposed: recorded.deposed.clone() };
    }

    /// The record of an instance.
    pub fn record(&self, address: &Address) -> Option<Record> {
        self.read().records.get(address).cloned()
    }

    /// All arguments and attributes of an instance.
    pub fn attributes(&self, address: &Address) -> Option<Value> {
        let live = self.read();
        live.records.get(address).map(|record| record.attributes.clone())
    }

    /// Every record for which `wanted` holds, in address order.
    pub fn select(&self, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
        let live = self.read();
        live.records.values().filter(|record| wanted(record)).cloned().collect()
    }

    /// The deposed object of an instance.
    pub(crate) fn deposed(&self, address: &Address) -> Option<Record> {
        let live = self.read();
        live.deposed.iter().find(|record| record.address == *address).cloned()
    }

    /// What a durable outcome means for the records; `stored` is the record as the store returned it.
    pub(crate) fn settle(
        &self,
        address: &Address,
        outcome: &Outcome,
        stored: Option<Record>,
        of_deposed: bool,
    ) {
        let mut live = self.write();
        match outcome {
            Outcome::Recorded { record, deposed } => {
                live.deposed.extend(deposed.iter().map(|old| old.as_ref().clone()));
                let record = stored.unwrap_or_else(|| record.as_ref().clone());
                live.records.insert(address.clone(), record);
            }
            Outcome::Removed if of_deposed => {
                let at = live.deposed.iter().position(|record| record.address == *address);
                if let Some(at) = at {
                    live.deposed.remove(at);
                }
            }
            Outcome::Removed => {
                live.records.remove(address);
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
