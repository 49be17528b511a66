//! An environment held in memory: its journal and the version that the journal folds to, behind the same rules as the tables
//! of a database. The memory store is one; a store that keeps a journal and nothing else works on one.
//!
//! Refuses to know: where the journal is kept.

use crate::error::StateError;
use crate::port::{CheckReport, Dump, Identity, JournalEntry};
use crate::rows::{Codec, RawEntry, Walk};
use crate::rules::{LeaseRow, NewEntry, ResultRow, Tables, as_read_back};
use crate::version::{Base, Version};
use jiff::Timestamp;
use model::Address;
use model::record::{Intent, Record};
use model::rollout::entry::RolloutHead;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// An environment.
#[derive(Clone)]
pub struct Image {
    /// What it is.
    pub identity: Identity,
    /// The last fencing token.
    pub epoch: u64,
    /// Who holds what, by epoch.
    pub leases: BTreeMap<u64, LeaseRow>,
    /// Where the journal begins.
    pub base: Option<Base>,
    /// The journal.
    pub journal: Vec<RawEntry>,
    /// What it folds to.
    pub version: Version,
}

impl Image {
    /// A new environment.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            epoch: 0,
            leases: BTreeMap::new(),
            base: None,
            journal: Vec::new(),
            version: Version::default(),
        }
    }

    /// What another store dumped, after a look at its chain.
    pub fn from_dump(dump: Dump, codec: Codec) -> Result<Self> {
        let mut walk = Walk::new(codec, dump.base.as_ref())?;
        dump.journal.iter().try_for_each(|raw| walk.step(raw))?;
        Ok(Self {
            identity: dump.identity,
            epoch: dump.epoch,
            leases: BTreeMap::new(),
            base: dump.base,
            journal: dump.journal,
            version: walk.version,
        })
    }

    /// Everything but the leases.
    pub fn to_dump(&self) -> Dump {
        Dump {
            identity: self.identity.clone(),
            epoch: self.epoch,
            base: self.base.clone(),
            journal: self.journal.clone(),
        }
    }

    /// Takes an entry that was journaled elsewhere.
    pub fn follow(&mut self, raw: RawEntry, codec: Codec) -> Result<()> {
        if raw.sequence != self.version.serial + 1 || raw.prev_hash != self.head() {
            return Err(codec.corrupt(format!("journal entry {} does not follow", raw.sequence)));
        }
        let entry = codec.open_entry(&raw)?;
        let folded = self.version.fold(&entry);
        folded.map_err(|why| {
            codec.corrupt(format!("journal entry {} cannot stand: {why}", raw.sequence))
        })?;
        self.journal.push(raw);
        Ok(())
    }

    /// Hash of the last entry.
    pub fn head(&self) -> Vec<u8> {
        let last = self.journal.last().map(|raw| raw.hash.clone());
        last.or_else(|| self.base.as_ref().map(|base| base.head.clone())).unwrap_or_default()
    }

    /// Journal entries after one, what is sealed left so.
    pub fn entries(&self, after: u64, codec: Codec) -> Result<Vec<JournalEntry>> {
        let wanted = self.journal.iter().filter(|raw| raw.sequence > after);
        wanted.map(|raw| codec.sealed_entry(raw)).collect()
    }

    /// The version after an entry.
    pub fn version_at(&self, serial: u64, codec: Codec) -> Result<Version> {
        let first = self.base.as_ref().map_or(0, |base| base.serial);
        if serial < first || serial > self.version.serial {
            return Err(StateError::NoVersion { serial, first, last: self.version.serial });
        }
        let mut walk = Walk::new(codec, self.base.as_ref())?;
        let until = self.journal.iter().take_while(|raw| raw.sequence <= serial);
        until.into_iter().try_for_each(|raw| walk.step(raw))?;
        Ok(walk.version)
    }

    /// Whether the journal is one chain that folds to what is held.
    pub fn check(&self, codec: Codec) -> CheckReport {
        let mut report = CheckReport {
            entries: self.journal.len() as u64,
            records: self.version.records.len() as u64,
            findings: Vec::new(),
        };
        let walked = Walk::new(codec, self.base.as_ref()).and_then(|mut walk| {
            self.journal.iter().try_for_each(|raw| walk.step(raw))?;
            Ok(walk.version)
        });
        match walked {
            Ok(version) if version == self.version => {}
            Ok(_) => report.findings.push("the journal tells another state".to_owned()),
            Err(error) => report.findings.push(error.to_string()),
        }
        report
    }
}

/// One transaction on an image.
pub struct ImageTables<'a> {
    /// The environment.
    pub image: &'a mut Image,
    /// Seals and opens.
    pub codec: Codec<'a>,
    /// The store's time.
    pub now: Timestamp,
}

impl Tables for ImageTables<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn leases(&self) -> Result<Vec<LeaseRow>> {
        Ok(self.image.leases.values().cloned().collect())
    }

    fn lease(&self, epoch: u64) -> Result<Option<Arc<LeaseRow>>> {
        Ok(self.image.leases.get(&epoch).cloned().map(Arc::new))
    }

    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()> {
        self.image.leases.insert(lease.info.epoch, lease.clone());
        Ok(())
    }

    fn remove_lease(&mut self, epoch: u64) -> Result<()> {
        self.image.leases.remove(&epoch);
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.image.epoch += 1;
        Ok(self.image.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let sequence = self.image.version.serial + 1;
        let head = self.image.head();
        let raw = self.codec.entry(entry, self.now, sequence, head, body(sequence)?)?;
        self.image.version.serial = sequence;
        self.image.journal.push(raw);
        Ok(sequence)
    }

    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>> {
        Ok(self.image.version.unfinished.get(&sequence).cloned())
    }

    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>> {
        let open = self.image.version.unfinished.values();
        Ok(open.filter(|intent| intent.address == *address).cloned().collect())
    }

    fn first_unfinished(&self) -> Result<Option<u64>> {
        Ok(self.image.version.unfinished.keys().next().copied())
    }

    fn set_unfinished(&mut self, sequence: u64, _: &Address, unfinished: bool) -> Result<()> {
        if !unfinished {
            self.image.version.unfinished.remove(&sequence);
            return Ok(());
        }
        let missing = || self.codec.corrupt(format!("journal entry {sequence} is missing"));
        let raw = self.image.journal.iter().rfind(|raw| raw.sequence == sequence);
        let intent = self.codec.decode_intent(raw.ok_or_else(missing)?)?;
        self.image.version.unfinished.insert(sequence, intent);
        Ok(())
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        Ok(self.image.version.records.get(address).cloned())
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        let Version { records, removed, .. } = &self.image.version;
        let recorded = records.get(address).map(|record| record.revision);
        Ok(recorded.or_else(|| removed.get(address).copied()).unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        self.image.version.put(as_read_back(record)?);
        Ok(())
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        Ok(self.image.version.remove(address))
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        self.image.version.deposed.push(as_read_back(record)?);
        Ok(())
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        Ok(self.image.version.remove_deposed(address, id))
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        Ok(self.image.version.providers_in_use())
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        let Version { outputs, providers, node_sets, rollouts, .. } = &mut self.image.version;
        let name = name.to_owned();
        match row {
            ResultRow::Output(output) => drop(outputs.insert(name, as_read_back(output)?)),
            ResultRow::Provider(config) => drop(providers.insert(name, as_read_back(config)?)),
            ResultRow::NodeSet(nodes) => drop(node_sets.insert(name, as_read_back(nodes)?)),
            ResultRow::Rollout(head) => drop(rollouts.insert(name, head.clone())),
        }
        Ok(())
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        let Version { outputs, providers, node_sets, rollouts, .. } = &mut self.image.version;
        match kind {
            "output" => drop(outputs.remove(name)),
            "provider" => drop(providers.remove(name)),
            "rollout" => drop(rollouts.remove(name)),
            _ => drop(node_sets.remove(name)),
        }
        Ok(())
    }

    fn rollouts(&self) -> Result<BTreeMap<String, RolloutHead>> {
        Ok(self.image.version.rollouts.clone())
    }

    fn rekey(&mut self, keyring: Option<&str>) -> Result<()> {
        // Only the journal is sealed in an image. Who made the vault makes another one for the entries that follow.
        self.image.identity.keyring = keyring.map(str::to_owned);
        Ok(())
    }

    fn serial(&self) -> Result<u64> {
        Ok(self.image.version.serial)
    }

    fn prune(&mut self, serial: u64) -> Result<u64> {
        let Some(last) = self.image.journal.iter().position(|raw| raw.sequence == serial) else {
            return Ok(0);
        };
        let version = self.image.version_at(serial, self.codec)?;
        let head = self.image.journal[last].hash.clone();
        self.image.base = Some(self.codec.encode_base(&version, head)?);
        self.image.journal.drain(..=last);
        Ok(last as u64 + 1)
    }
}
