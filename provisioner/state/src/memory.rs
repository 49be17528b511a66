//! The store in memory: the same rules as the embedded one, nothing durable. For tests of the engine.
//!
//! A clone is another handle on the same environment, as another program would have it.

use crate::clock::{Clock, SystemClock};
use crate::error::StateError;
use crate::holder::Holder;
use crate::port::{JournalEntry, Lease, LeaseRequest, RunResults, StateStore};
use crate::rules::{self, LeaseRow, NewEntry, ResultRow, Tables};
use crate::seal::Sealer;
use crate::vault::Vault;
use async_trait::async_trait;
use jiff::Timestamp;
use model::record::{Intent, Outcome, Record, Recorded};
use model::{Address, Sensitive};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// An environment recorded in memory.
#[derive(Clone)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    clock: Arc<dyn Clock>,
    holder: Holder,
}

struct Content {
    lineage: String,
    vault: Vault,
    epoch: u64,
    lease: Option<LeaseRow>,
    journal: Vec<JournalEntry>,
    unfinished: BTreeMap<u64, Intent>,
    records: BTreeMap<Address, Record>,
    revisions: BTreeMap<Address, u64>,
    deposed: Vec<Record>,
    results: BTreeMap<(&'static str, String), ResultRow>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A new environment.
    pub fn new() -> Self {
        let mut random = [0; 48];
        getrandom::fill(&mut random).expect("the system has random numbers");
        let mut key = [0; 32];
        key.copy_from_slice(&random[16..]);
        let lineage = model::digest::hex(&random[..16]);
        let vault = Vault::with_sealer(Sealer::new(Sensitive::new(key), &lineage));
        let content = Content {
            lineage,
            vault,
            epoch: 0,
            lease: None,
            journal: Vec::new(),
            unfinished: BTreeMap::new(),
            records: BTreeMap::new(),
            revisions: BTreeMap::new(),
            deposed: Vec::new(),
            results: BTreeMap::new(),
        };
        let content = Arc::new(Mutex::new(content));
        Self { content, clock: Arc::new(SystemClock), holder: Holder::current() }
    }

    /// Another handle on the same environment, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another handle on the same environment, as someone else.
    #[must_use]
    pub fn with_holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        rules::whole_milliseconds(self.clock.now())
    }
}

impl Tables for Content {
    fn lease(&self) -> Result<Option<LeaseRow>> {
        Ok(self.lease.clone())
    }

    fn set_lease(&mut self, lease: Option<&LeaseRow>) -> Result<()> {
        self.lease = lease.cloned();
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.epoch += 1;
        Ok(self.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let sequence = self.journal.len() as u64 + 1;
        let body = self.vault.seal(body(sequence)?, "journal")?;
        self.journal.push(JournalEntry {
            sequence,
            run: entry.run.to_owned(),
            at: entry.at.to_string(),
            kind: entry.kind.to_owned(),
            address: entry.address.cloned(),
            body,
        });
        Ok(sequence)
    }

    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>> {
        Ok(self.unfinished.get(&sequence).cloned())
    }

    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>> {
        let open = self.unfinished.values();
        Ok(open.filter(|intent| intent.address == *address).cloned().collect())
    }

    fn set_unfinished(&mut self, sequence: u64, _: &Address, unfinished: bool) -> Result<()> {
        if !unfinished {
            self.unfinished.remove(&sequence);
            return Ok(());
        }
        let index = usize::try_from(sequence).unwrap_or(usize::MAX).wrapping_sub(1);
        let defect = |what: &str| StateError::Illegal(format!("journal entry {sequence} {what}"));
        let entry = self.journal.get(index).ok_or_else(|| defect("is missing"))?;
        let opened = self.vault.open(entry.body.clone(), "journal")?;
        let json = opened.map_err(|error| defect(&error.to_string()))?;
        let intent = serde_json::from_value(json).map_err(|_| defect("is no intent"))?;
        self.unfinished.insert(sequence, intent);
        Ok(())
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        Ok(self.records.get(address).cloned())
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        Ok(self.revisions.get(address).copied().unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        self.revisions.insert(record.address.clone(), record.revision);
        self.records.insert(record.address.clone(), rules::as_read_back(record)?);
        Ok(())
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        Ok(self.records.remove(address).is_some())
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        self.deposed.push(rules::as_read_back(record)?);
        Ok(())
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        let before = self.deposed.len();
        self.deposed.retain(|record| record.address != *address || record.id != id);
        Ok(self.deposed.len() < before)
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        let records = self.records.values().chain(&self.deposed);
        Ok(records.map(|record| record.provider.clone()).collect())
    }

    fn result_names(&self, kind: &'static str) -> Result<BTreeSet<String>> {
        let keys = self.results.keys();
        Ok(keys.filter(|(k, _)| *k == kind).map(|(_, name)| name.clone()).collect())
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        self.results.insert((row.kind(), name.to_owned()), row.as_read_back()?);
        Ok(())
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        self.results.remove(&(kind, name.to_owned()));
        Ok(())
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn load(&self) -> Result<Recorded> {
        let content = self.content();
        if content.journal.is_empty() {
            return Ok(Recorded::default());
        }
        let mut recorded = Recorded {
            lineage: content.lineage.clone(),
            serial: content.journal.len() as u64,
            records: content.records.clone(),
            deposed: content.deposed.clone(),
            unfinished: content.unfinished.values().cloned().collect(),
            ..Recorded::default()
        };
        for ((_, name), row) in &content.results {
            row.clone().add_to(&mut recorded, name.clone());
        }
        Ok(recorded)
    }

    async fn acquire(&self, request: LeaseRequest) -> Result<Lease> {
        rules::acquire(&mut *self.content(), &request, &self.holder, self.now())
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        rules::renew(&mut *self.content(), lease, self.now())
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        rules::release(&mut *self.content(), &lease, self.now())
    }

    async fn begin(&self, lease: &Lease, intent: Intent) -> Result<u64> {
        rules::begin(&mut *self.content(), lease, &intent, self.now())
    }

    async fn finish(
        &self,
        lease: &Lease,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<Option<Record>> {
        rules::finish(&mut *self.content(), lease, sequence, &outcome, self.now())
    }

    async fn write_refreshed(
        &self,
        lease: &Lease,
        records: Vec<Record>,
        vanished: Vec<Address>,
    ) -> Result<()> {
        let mut content = self.content();
        rules::write_refreshed(&mut *content, lease, &records, &vanished, self.now())
    }

    async fn forget(&self, lease: &Lease, address: &Address) -> Result<()> {
        rules::forget(&mut *self.content(), lease, address, self.now())
    }

    async fn write_results(&self, lease: &Lease, results: RunResults) -> Result<()> {
        rules::write_results(&mut *self.content(), lease, &results, self.now())
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let entries = &self.content().journal;
        Ok(entries.iter().filter(|entry| entry.sequence > after).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Fixture};

    #[derive(Default)]
    struct Environments(Mutex<BTreeMap<String, MemoryStore>>);

    impl Fixture for Environments {
        fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
            let mut environments = self.0.lock().unwrap();
            let store = environments.entry(name.to_owned()).or_default().clone();
            Arc::new(store.with_clock(clock).with_holder(holder))
        }
    }

    #[tokio::test]
    async fn conforms() {
        conformance::run(&Environments::default()).await;
    }
}
