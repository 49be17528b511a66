//! The tables as a group of writes sees them: what was fetched, under what the group has changed so far, under what the write at
//! hand changes.
//!
//! Invariants: a write that is refused leaves nothing; what was not fetched is an error, never "absent".
//! Refuses to know: connections, SQL.

use crate::fetch::{DeposedRow, Everything, Fetched, Open, heads};
use crate::meta::{Meta, corrupt};
use crate::place::Place;
use jiff::Timestamp;
use model::Address;
use model::record::{Intent, Record};
use model::rollout::entry::RolloutHead;
use serde_json::Value as Json;
use state::StateError;
use state::rows::{Codec, RawEntry, RecordRow, row_hash};
use state::rules::{LeaseRow, NewEntry, ResultRow, Tables};
use state::transaction::Needs;
use state::version::Base;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Rows by key; none is one that goes.
pub type Changed<K, V> = BTreeMap<K, Option<V>>;

/// Changes, the last of each row.
#[derive(Default)]
pub struct Changes {
    pub leases: Changed<u64, Arc<LeaseRow>>,
    pub open: Changed<u64, Open>,
    pub records: Changed<String, RecordRow>,
    pub removed: Changed<String, (u64, Vec<u8>)>,
    /// All deposed objects of an address, in place of those that were there. A new one carries its place in line.
    pub deposed: BTreeMap<String, Vec<(u64, DeposedRow)>>,
    /// Body and hash by kind and name.
    pub results: Changed<(String, String), (Vec<u8>, Vec<u8>)>,
    pub journal: Vec<RawEntry>,
    /// How much more, or less, a provider configuration is used.
    pub providers: BTreeMap<String, i64>,
    pub base: Option<Base>,
    /// Whether the keyring is another one.
    pub rekeyed: bool,
    /// Epochs that were relied on.
    pub epochs: BTreeSet<u64>,
}

impl Changes {
    fn absorb(&mut self, other: Self) {
        self.leases.extend(other.leases);
        self.open.extend(other.open);
        self.records.extend(other.records);
        self.removed.extend(other.removed);
        self.deposed.extend(other.deposed);
        self.results.extend(other.results);
        self.journal.extend(other.journal);
        for (provider, more) in other.providers {
            *self.providers.entry(provider).or_default() += more;
        }
        self.base = other.base.or(self.base.take());
        self.rekeyed |= other.rekeyed;
        self.epochs.extend(other.epochs);
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty() && self.leases.is_empty() && !self.rekeyed
    }
}

/// One transaction's view of the tables.
pub struct Overlay<'a> {
    place: &'a Place,
    codec: Codec<'a>,
    now: Timestamp,
    fetched: &'a Fetched,
    group: Changes,
    job: Changes,
    meta: Meta,
    /// What `meta` was before the write at hand.
    before: Meta,
    /// Rises with every deposed object, so that they are written in the order they came in.
    line: u64,
    relied: RefCell<BTreeSet<u64>>,
}

impl<'a> Overlay<'a> {
    pub fn new(place: &'a Place, fetched: &'a Fetched, now: Timestamp) -> Self {
        Self {
            place,
            codec: place.codec(&fetched.vault),
            now,
            fetched,
            group: Changes::default(),
            job: Changes::default(),
            meta: fetched.meta.clone(),
            before: fetched.meta.clone(),
            line: 0,
            relied: RefCell::default(),
        }
    }

    /// Ends a write: what it changed stays, or all of it goes.
    pub fn end_job(&mut self, succeeded: bool) {
        let mut job = std::mem::take(&mut self.job);
        job.epochs = self.relied.take();
        if succeeded {
            self.group.absorb(job);
            self.before = self.meta.clone();
        } else {
            self.meta = self.before.clone();
        }
    }

    /// What the group changed, and the environment's row after it.
    pub fn into_changes(self) -> (Changes, Meta) {
        (self.group, self.meta)
    }

    /// Without an answer to `asked`, nothing is known.
    fn expect(&self, asked: impl FnOnce(&Needs) -> bool, what: &str) -> Result<()> {
        if asked(&self.fetched.asked) {
            return Ok(());
        }
        Err(StateError::Illegal(format!("a write looks at {what}, which it did not ask for")))
    }

    fn expect_address(&self, address: &str) -> Result<()> {
        let of_intent = || self.fetched.open.values().any(|open| open.address == address);
        self.expect(|asked| asked.addresses.contains(address) || of_intent(), address)
    }

    fn record_row(&self, address: &str) -> Result<Option<&RecordRow>> {
        self.expect_address(address)?;
        let changed = self.job.records.get(address).or_else(|| self.group.records.get(address));
        Ok(match changed {
            Some(row) => row.as_ref(),
            None => self.fetched.records.get(address),
        })
    }

    fn removed_revision(&self, address: &str) -> Result<Option<u64>> {
        self.expect_address(address)?;
        let changed = self.job.removed.get(address).or_else(|| self.group.removed.get(address));
        let row = match changed {
            Some(row) => row.as_ref(),
            None => self.fetched.removed.get(address),
        };
        let Some((revision, hash)) = row else { return Ok(None) };
        if *hash == removed_hash(address, *revision) {
            return Ok(Some(*revision));
        }
        let what = format!("`{address}` (table removed) does not match its hash");
        Err(corrupt(&self.place.shown, what))
    }

    fn deposed(&self, address: &str) -> Result<Vec<(u64, DeposedRow)>> {
        self.expect_address(address)?;
        let changed = self.job.deposed.get(address).or_else(|| self.group.deposed.get(address));
        Ok(changed.cloned().unwrap_or_else(|| {
            let rows = self.fetched.deposed.get(address).cloned().unwrap_or_default();
            rows.into_iter().map(|row| (0, row)).collect()
        }))
    }

    fn open_intents(&self) -> BTreeMap<u64, &Open> {
        let mut open: BTreeMap<_, _> = self.fetched.open.iter().map(|(s, o)| (*s, o)).collect();
        for (sequence, changed) in self.group.open.iter().chain(&self.job.open) {
            match changed {
                Some(changed) => drop(open.insert(*sequence, changed)),
                None => drop(open.remove(sequence)),
            }
        }
        open
    }

    fn use_provider(&mut self, provider: &str, more: i64) {
        *self.job.providers.entry(provider.to_owned()).or_default() += more;
    }

    fn reseal(&mut self, all: &Everything) -> Result<()> {
        let new = self.place.codec(&all.vault);
        for row in &all.records {
            let row = new.encode_record("resource", &self.codec.decode_record("resource", row)?)?;
            self.job.records.insert(row.address.clone(), Some(row));
        }
        for old in &all.deposed {
            let row =
                new.encode_record("deposed", &self.codec.decode_record("deposed", &old.row)?)?;
            let line = self.next_in_line();
            let new = DeposedRow { id: None, object: old.object.clone(), row };
            self.job.deposed.entry(old.row.address.clone()).or_default().push((line, new));
        }
        for (kind, name, body, hash) in &all.results {
            let row = self.codec.decode_result(kind, name, body, hash)?;
            let (body, hash) = new.encode_result(name, &row)?;
            let key = (kind.clone(), name.clone());
            self.job.results.insert(key, Some((body, hash.to_vec())));
        }
        Ok(())
    }

    fn next_in_line(&mut self) -> u64 {
        self.line += 1;
        self.line
    }
}

/// The hash of a row of `removed`.
pub fn removed_hash(address: &str, revision: u64) -> [u8; 32] {
    row_hash("removed", &[address.as_bytes(), &revision.to_le_bytes()])
}

impl Tables for Overlay<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn leases(&self) -> Result<Vec<LeaseRow>> {
        self.expect(|asked| asked.all_leases, "all leases")?;
        let fetched = self.fetched.leases.iter();
        let mut leases: BTreeMap<_, _> =
            fetched.map(|(epoch, (_, lease))| (*epoch, lease.clone())).collect();
        for (epoch, changed) in self.group.leases.iter().chain(&self.job.leases) {
            match changed {
                Some(lease) => drop(leases.insert(*epoch, lease.clone())),
                None => drop(leases.remove(epoch)),
            }
        }
        Ok(leases.into_values().map(|lease| LeaseRow::clone(&lease)).collect())
    }

    fn lease(&self, epoch: u64) -> Result<Option<Arc<LeaseRow>>> {
        self.expect(|asked| asked.all_leases || asked.epochs.contains(&epoch), "a lease")?;
        if let Some(changed) = self.job.leases.get(&epoch).or_else(|| self.group.leases.get(&epoch))
        {
            return Ok(changed.clone());
        }
        let found = self.fetched.leases.get(&epoch).map(|(_, lease)| lease.clone());
        if found.is_some() {
            self.relied.borrow_mut().insert(epoch);
        }
        Ok(found)
    }

    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()> {
        self.job.leases.insert(lease.info.epoch, Some(Arc::new(lease.clone())));
        Ok(())
    }

    fn remove_lease(&mut self, epoch: u64) -> Result<()> {
        self.job.leases.insert(epoch, None);
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.meta.epoch += 1;
        Ok(self.meta.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let sequence = self.meta.serial + 1;
        let head = self.meta.head.clone();
        let raw = self.codec.entry(entry, self.now, sequence, head, body(sequence)?)?;
        self.meta.serial = sequence;
        self.meta.head.clone_from(&raw.hash);
        self.job.journal.push(raw);
        Ok(sequence)
    }

    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>> {
        self.expect(|asked| asked.sequences.contains(&sequence), "an intent")?;
        let open = self.open_intents().remove(&sequence);
        open.map(|open| self.codec.decode_intent(&open.raw)).transpose()
    }

    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>> {
        let address = address.to_string();
        self.expect(|asked| asked.addresses.contains(&address), &address)?;
        let open = self.open_intents().into_values().filter(|open| open.address == address);
        open.map(|open| self.codec.decode_intent(&open.raw)).collect()
    }

    fn first_unfinished(&self) -> Result<Option<u64>> {
        self.expect(|asked| asked.alone.is_some(), "the first open intent")?;
        Ok(self.fetched.first_open)
    }

    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()> {
        if !unfinished {
            self.job.open.insert(sequence, None);
            return Ok(());
        }
        let missing = || corrupt(&self.place.shown, format!("journal entry {sequence} is missing"));
        let raw = self.job.journal.iter().rfind(|raw| raw.sequence == sequence);
        let open = Open { address: address.to_string(), raw: raw.ok_or_else(missing)?.clone() };
        self.job.open.insert(sequence, Some(open));
        Ok(())
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        let row = self.record_row(&address.to_string())?;
        row.map(|row| self.codec.decode_record("resource", row)).transpose()
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        if let Some(record) = self.record(address)? {
            return Ok(record.revision);
        }
        Ok(self.removed_revision(&address.to_string())?.unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        let row = self.codec.encode_record("resource", record)?;
        let address = row.address.clone();
        let before = self.record_row(&address)?.map(|row| row.provider.clone());
        if let Some(before) = before {
            self.use_provider(&before, -1);
        }
        self.use_provider(&row.provider, 1);
        self.job.records.insert(address.clone(), Some(row));
        self.job.removed.insert(address, None);
        Ok(())
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        let Some(record) = self.record(address)? else { return Ok(false) };
        let (address, revision) = (address.to_string(), record.revision);
        self.use_provider(&record.provider, -1);
        let removed = (revision, removed_hash(&address, revision).to_vec());
        self.job.records.insert(address.clone(), None);
        self.job.removed.insert(address, Some(removed));
        Ok(true)
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        let row = self.codec.encode_record("deposed", record)?;
        let mut rows = self.deposed(&row.address)?;
        let (address, object, line) = (row.address.clone(), record.id.clone(), self.next_in_line());
        self.use_provider(&row.provider, 1);
        rows.push((line, DeposedRow { id: None, object, row }));
        self.job.deposed.insert(address, rows);
        Ok(())
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        let address = address.to_string();
        let (gone, rows): (Vec<_>, Vec<_>) =
            self.deposed(&address)?.into_iter().partition(|(_, row)| row.object == id);
        for (_, row) in &gone {
            self.use_provider(&row.row.provider, -1);
        }
        self.job.deposed.insert(address, rows);
        Ok(!gone.is_empty())
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        self.expect(|asked| asked.providers, "the providers in use")?;
        let mut used = self.fetched.providers.clone();
        for (provider, more) in self.group.providers.iter().chain(&self.job.providers) {
            *used.entry(provider.clone()).or_default() += more;
        }
        Ok(used.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect())
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        let (body, hash) = self.codec.encode_result(name, row)?;
        let key = (row.kind().to_owned(), name.to_owned());
        self.job.results.insert(key, Some((body, hash.to_vec())));
        Ok(())
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        self.job.results.insert((kind.to_owned(), name.to_owned()), None);
        Ok(())
    }

    fn rollouts(&self) -> Result<BTreeMap<String, RolloutHead>> {
        self.expect(|asked| asked.rollouts, "the rollouts")?;
        let mut rollouts = heads(self.codec, &self.fetched.rollouts)?;
        let changed = self.group.results.iter().chain(&self.job.results);
        for ((kind, name), row) in changed.filter(|((kind, _), _)| kind == "rollout") {
            match row {
                None => drop(rollouts.remove(name)),
                Some((body, hash)) => {
                    let row = (kind.clone(), name.clone(), body.clone(), hash.clone());
                    rollouts.extend(heads(self.codec, &[row])?);
                }
            }
        }
        Ok(rollouts)
    }

    fn rekey(&mut self, keyring: Option<&str>) -> Result<()> {
        let fetched = self.fetched;
        self.expect(|_| fetched.everything.is_some(), "everything")?;
        if let Some(all) = &fetched.everything {
            self.reseal(all)?;
        }
        self.meta.identity.keyring = keyring.map(str::to_owned);
        self.job.rekeyed = true;
        Ok(())
    }

    fn serial(&self) -> Result<u64> {
        Ok(self.meta.serial)
    }

    fn prune(&mut self, serial: u64) -> Result<u64> {
        self.expect(|asked| asked.alone.is_some(), "the journal")?;
        let Some(pruning) = &self.fetched.pruning else { return Ok(0) };
        self.expect(|_| pruning.base.serial == serial, "another part of the journal")?;
        self.job.base = Some(pruning.base.clone());
        Ok(pruning.entries)
    }
}
