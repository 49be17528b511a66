//! What a group of jobs does to an environment before it is committed, and how to take it back: every change of the image
//! is noted with what stood there before, so that undoing one costs what doing it cost, however large the
//! environment is.
//!
//! Also what makes one clock of many: leases of other machines live [`SKEW_SECONDS`] longer than they say, as seen from
//! here.
//! Refuses to know: requests.

use jiff::{Timestamp, ToSpan as _};
use model::Address;
use model::record::{Intent, Record};
use model::rollout::entry::RolloutHead;
use serde_json::Value as Json;
use state::holder::Holder;
use state::image::{Image, ImageTables};
use state::rules::{LeaseRow, NewEntry, ResultRow, Tables};
use state::{LeaseInfo, StateError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// How far the clocks of two machines may be apart: nothing here has a clock that all can read, so a lease that was taken
/// on another machine counts as over only this long after it ended.
pub const SKEW_SECONDS: i64 = 30;

/// The leases as one holder sees them: those of other machines end later by the allowance. A machine's own
/// programs share its clock (the same boot of the same kernel) and need none.
pub fn seen_from(leases: impl IntoIterator<Item = LeaseRow>, holder: &Holder) -> Vec<LeaseRow> {
    let later = |mut row: LeaseRow| {
        let same = !holder.boot.is_empty()
            && row.holder.boot == holder.boot
            && row.holder.host == holder.host;
        if !same && let Ok(expires) = row.info.expires.parse::<Timestamp>() {
            let later = expires.checked_add(SKEW_SECONDS.seconds()).unwrap_or(Timestamp::MAX);
            row.info = LeaseInfo { expires: later.to_string(), ..row.info };
        }
        row
    };
    leases.into_iter().map(later).collect()
}

type Undo = Box<dyn FnOnce(&mut Image) + Send>;

/// What was changed so far.
#[derive(Default)]
pub struct Changes {
    undo: Vec<Undo>,
    /// Epochs of leases that changed.
    pub leases: BTreeSet<u64>,
    /// Whether there is another keyring.
    pub rekeyed: bool,
    /// Whether the journal begins elsewhere.
    pub pruned: bool,
}

impl Changes {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.undo.is_empty()
    }

    /// Whether nothing else goes into the same segment.
    pub fn alone(&self) -> bool {
        self.rekeyed || self.pruned
    }

    /// How much was changed so far, for [`Changes::back_to`].
    pub fn mark(&self) -> Mark {
        Mark { undo: self.undo.len(), rekeyed: self.rekeyed, pruned: self.pruned }
    }

    /// Takes back what came after a mark.
    pub fn back_to(&mut self, mark: Mark, image: &mut Image) {
        while self.undo.len() > mark.undo
            && let Some(undo) = self.undo.pop()
        {
            undo(image);
        }
        (self.rekeyed, self.pruned) = (mark.rekeyed, mark.pruned);
    }
}

/// A point to go back to; the default is the beginning.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    undo: usize,
    rekeyed: bool,
    pruned: bool,
}

/// Tables that note what they change.
pub struct Draft<'a> {
    /// The environment.
    pub tables: ImageTables<'a>,
    /// What was changed.
    pub changes: &'a mut Changes,
    /// Who looks.
    pub holder: &'a Holder,
}

impl Draft<'_> {
    fn note(&mut self, undo: impl FnOnce(&mut Image) + Send + 'static) {
        self.changes.undo.push(Box::new(undo));
    }

    fn note_lease(&mut self, epoch: u64) {
        let before = self.tables.image.leases.get(&epoch).cloned();
        self.changes.leases.insert(epoch);
        self.note(move |image| put_back(&mut image.leases, epoch, before));
    }

    fn note_record(&mut self, address: &Address) {
        let version = &self.tables.image.version;
        let record = version.records.get(address).cloned();
        let removed = version.removed.get(address).copied();
        let address = address.clone();
        self.note(move |image| {
            put_back(&mut image.version.records, address.clone(), record);
            put_back(&mut image.version.removed, address, removed);
        });
    }

    fn note_deposed(&mut self) {
        let before = self.tables.image.version.deposed.clone();
        self.note(move |image| image.version.deposed = before);
    }

    fn note_result(&mut self, kind: &str, name: &str) {
        let version = &self.tables.image.version;
        let name = name.to_owned();
        match kind {
            "output" => {
                let before = version.outputs.get(&name).cloned();
                self.note(move |image| put_back(&mut image.version.outputs, name, before));
            }
            "provider" => {
                let before = version.providers.get(&name).cloned();
                self.note(move |image| put_back(&mut image.version.providers, name, before));
            }
            "rollout" => {
                let before = version.rollouts.get(&name).cloned();
                self.note(move |image| put_back(&mut image.version.rollouts, name, before));
            }
            _ => {
                let before = version.node_sets.get(&name).cloned();
                self.note(move |image| put_back(&mut image.version.node_sets, name, before));
            }
        }
    }
}

fn put_back<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Tables for Draft<'_> {
    fn now(&self) -> Timestamp {
        self.tables.now()
    }

    fn leases(&self) -> Result<Vec<LeaseRow>> {
        Ok(seen_from(self.tables.leases()?, self.holder))
    }

    fn lease(&self, epoch: u64) -> Result<Option<Arc<LeaseRow>>> {
        self.tables.lease(epoch)
    }

    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()> {
        self.note_lease(lease.info.epoch);
        self.tables.put_lease(lease)
    }

    fn remove_lease(&mut self, epoch: u64) -> Result<()> {
        self.note_lease(epoch);
        self.tables.remove_lease(epoch)
    }

    fn next_epoch(&mut self) -> Result<u64> {
        let before = self.tables.image.epoch;
        self.note(move |image| image.epoch = before);
        self.tables.next_epoch()
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let (serial, entries) = (self.tables.image.version.serial, self.tables.image.journal.len());
        self.note(move |image| {
            image.version.serial = serial;
            image.journal.truncate(entries);
        });
        self.tables.append(entry, body)
    }

    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>> {
        self.tables.unfinished(sequence)
    }

    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>> {
        self.tables.unfinished_at(address)
    }

    fn first_unfinished(&self) -> Result<Option<u64>> {
        self.tables.first_unfinished()
    }

    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()> {
        let before = self.tables.image.version.unfinished.get(&sequence).cloned();
        self.note(move |image| put_back(&mut image.version.unfinished, sequence, before));
        self.tables.set_unfinished(sequence, address, unfinished)
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        self.tables.record(address)
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        self.tables.last_revision(address)
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        self.note_record(&record.address);
        self.tables.put_record(record)
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        self.note_record(address);
        self.tables.remove_record(address)
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        self.note_deposed();
        self.tables.add_deposed(record)
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        self.note_deposed();
        self.tables.remove_deposed(address, id)
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        self.tables.providers_in_use()
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        self.note_result(row.kind(), name);
        self.tables.put_result(name, row)
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        self.note_result(kind, name);
        self.tables.remove_result(kind, name)
    }

    fn rollouts(&self) -> Result<BTreeMap<String, RolloutHead>> {
        self.tables.rollouts()
    }

    fn rekey(&mut self, keyring: Option<&str>) -> Result<()> {
        let before = self.tables.image.identity.keyring.clone();
        self.note(move |image| image.identity.keyring = before);
        self.changes.rekeyed = true;
        self.tables.rekey(keyring)
    }

    fn serial(&self) -> Result<u64> {
        self.tables.serial()
    }

    fn prune(&mut self, serial: u64) -> Result<u64> {
        let (base, journal) = (self.tables.image.base.clone(), self.tables.image.journal.clone());
        self.note(move |image| (image.base, image.journal) = (base, journal));
        let gone = self.tables.prune(serial)?;
        self.changes.pruned |= gone > 0;
        Ok(gone)
    }
}
