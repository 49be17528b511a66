//! Rows as stores keep them: what is in a body, where it is sealed, that its hash fits, and the journal's chain. The same
//! bytes in every store, so that an environment can move from one to another with its history.
//!
//! Refuses to know: tables, files, connections.

use crate::error::StateError;
use crate::port::JournalEntry;
use crate::rules::{LeaseRow, NewEntry, ResultRow, json_of};
use crate::vault::Vault;
use crate::version::{Base, Version};
use jiff::Timestamp;
use model::Address;
use model::record::{Intent, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// A hash over a row: the table's name and every column, each with its length, so that nothing can
/// move from one column to the next unnoticed.
pub fn row_hash(table: &str, columns: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&table.as_bytes()).chain(columns) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A row of `resource` or `deposed`, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// The instance.
    pub address: String,
    /// Key of its provider configuration.
    pub provider: String,
    /// The record's revision.
    pub revision: u64,
    /// The record as JSON, sealed where sensitive.
    pub body: Vec<u8>,
    /// See [`row_hash`].
    pub hash: Vec<u8>,
}

/// A journal entry, as bytes. Its hash covers the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEntry {
    /// From 1, without gaps.
    pub sequence: u64,
    /// The run that wrote it.
    pub run: String,
    /// RFC 3339.
    pub at: String,
    /// See [`JournalEntry::kind`].
    pub kind: String,
    /// The instance, if it is about one.
    pub address: Option<String>,
    /// JSON, sealed where sensitive.
    #[serde(with = "text")]
    pub body: Vec<u8>,
    /// Hash of the entry before; empty for the first one.
    #[serde(with = "base16")]
    pub prev_hash: Vec<u8>,
    /// See [`row_hash`].
    #[serde(with = "base16")]
    pub hash: Vec<u8>,
}

impl RawEntry {
    /// The hash that the entry must have.
    pub fn expected_hash(&self) -> [u8; 32] {
        // No address and an empty one are different.
        let has_address = [u8::from(self.address.is_some())];
        let columns = [
            &self.sequence.to_le_bytes()[..],
            self.run.as_bytes(),
            self.at.as_bytes(),
            self.kind.as_bytes(),
            &has_address,
            self.address.as_deref().unwrap_or_default().as_bytes(),
            &self.body,
            &self.prev_hash,
        ];
        row_hash("journal", &columns)
    }
}

/// Where a sealed part of a record belongs; it opens nowhere else.
fn record_place(table: &str, address: &str, revision: u64) -> String {
    format!("{table} {address} {revision}")
}

fn journal_place(sequence: u64) -> String {
    format!("journal {sequence}")
}

fn record_hash(table: &str, address: &str, provider: &str, revision: u64, body: &[u8]) -> [u8; 32] {
    let columns = [address.as_bytes(), provider.as_bytes(), &revision.to_le_bytes()[..], body];
    row_hash(table, &columns)
}

/// Reads and writes rows of one environment.
#[derive(Clone, Copy)]
pub struct Codec<'a> {
    /// Where the environment is recorded, for messages.
    pub place: &'a str,
    /// Seals and opens.
    pub vault: &'a Vault,
}

impl Codec<'_> {
    /// What is read here is damaged.
    pub fn corrupt(&self, what: impl Into<String>) -> StateError {
        StateError::Corrupt { path: self.place.to_owned(), what: what.into() }
    }

    fn encode(&self, json: Json, place: &str) -> Result<Vec<u8>> {
        Ok(self.vault.seal(json, place)?.to_string().into_bytes())
    }

    fn open(&self, body: &[u8], place: &str, what: &str) -> Result<Json> {
        let json = serde_json::from_slice(body)
            .map_err(|error| self.corrupt(format!("{what} does not read: {error}")))?;
        let opened = self.vault.open(json, place)?;
        opened.map_err(|error| self.corrupt(format!("{what}: {error}")))
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8], place: &str, what: &str) -> Result<T> {
        serde_json::from_value(self.open(body, place, what)?)
            .map_err(|error| self.corrupt(format!("{what} does not read: {error}")))
    }

    /// A record of table `resource` or `deposed`.
    pub fn encode_record(&self, table: &str, record: &Record) -> Result<RecordRow> {
        let address = record.address.to_string();
        let body =
            self.encode(json_of(record)?, &record_place(table, &address, record.revision))?;
        let (provider, revision) = (record.provider.clone(), record.revision);
        let hash = record_hash(table, &address, &provider, revision, &body).to_vec();
        Ok(RecordRow { address, provider, revision, body, hash })
    }

    /// The record of a row, after a look at its hash.
    pub fn decode_record(&self, table: &str, row: &RecordRow) -> Result<Record> {
        let RecordRow { address, provider, revision, body, hash } = row;
        let what = format!("the record of `{address}` (table {table})");
        if record_hash(table, address, provider, *revision, body) != hash.as_slice() {
            return Err(self.corrupt(format!("{what} does not match its hash")));
        }
        self.decode(body, &record_place(table, address, *revision), &what)
    }

    /// Body and hash of a result.
    pub fn encode_result(&self, name: &str, row: &ResultRow) -> Result<(Vec<u8>, [u8; 32])> {
        let kind = row.kind();
        let body = self.encode(row.to_json()?, &format!("results {kind} {name}"))?;
        let hash = row_hash("results", &[kind.as_bytes(), name.as_bytes(), &body]);
        Ok((body, hash))
    }

    /// A result, after a look at its hash.
    pub fn decode_result(
        &self,
        kind: &str,
        name: &str,
        body: &[u8],
        hash: &[u8],
    ) -> Result<ResultRow> {
        let what = format!("{kind} `{name}` (table results)");
        if row_hash("results", &[kind.as_bytes(), name.as_bytes(), body]) != hash {
            return Err(self.corrupt(format!("{what} does not match its hash")));
        }
        let json = self.decode(body, &format!("results {kind} {name}"), &what)?;
        ResultRow::from_json(kind, json)
            .ok_or_else(|| self.corrupt(format!("{what} does not read")))
    }

    /// Body and hash of a lease.
    pub fn encode_lease(&self, lease: &LeaseRow) -> Result<(Vec<u8>, [u8; 32])> {
        let body = json_of(lease)?.to_string().into_bytes();
        let hash = row_hash("lease", &[&lease.info.epoch.to_le_bytes(), &body]);
        Ok((body, hash))
    }

    /// A lease, after a look at its hash.
    pub fn decode_lease(&self, epoch: u64, body: &[u8], hash: &[u8]) -> Result<LeaseRow> {
        if row_hash("lease", &[&epoch.to_le_bytes(), body]) != hash {
            return Err(self.corrupt(format!("lease {epoch} does not match its hash")));
        }
        serde_json::from_slice(body)
            .map_err(|error| self.corrupt(format!("lease {epoch} does not read: {error}")))
    }

    /// The entry that follows `prev_hash` as number `sequence`.
    pub fn entry(
        &self,
        entry: &NewEntry,
        at: Timestamp,
        sequence: u64,
        prev_hash: Vec<u8>,
        body: Json,
    ) -> Result<RawEntry> {
        let mut raw = RawEntry {
            sequence,
            run: entry.run.to_owned(),
            at: at.to_string(),
            kind: entry.kind.to_owned(),
            address: entry.address.map(Address::to_string),
            body: self.encode(body, &journal_place(sequence))?,
            prev_hash,
            hash: Vec::new(),
        };
        raw.hash = raw.expected_hash().to_vec();
        Ok(raw)
    }

    /// Checks the hash of one entry (not that it follows the one before).
    pub fn check_entry(&self, raw: &RawEntry) -> Result<()> {
        if raw.expected_hash() == raw.hash.as_slice() {
            return Ok(());
        }
        Err(self.corrupt(format!("journal entry {} does not match its hash", raw.sequence)))
    }

    /// The entry for people: what is sealed stays so.
    pub fn sealed_entry(&self, raw: &RawEntry) -> Result<JournalEntry> {
        self.check_entry(raw)?;
        self.journal_entry(raw, serde_json::from_slice(&raw.body).ok())
    }

    /// The entry with its body open.
    pub fn open_entry(&self, raw: &RawEntry) -> Result<JournalEntry> {
        self.check_entry(raw)?;
        let what = format!("journal entry {}", raw.sequence);
        let body = self.open(&raw.body, &journal_place(raw.sequence), &what)?;
        self.journal_entry(raw, Some(body))
    }

    fn journal_entry(&self, raw: &RawEntry, body: Option<Json>) -> Result<JournalEntry> {
        let unreadable = || self.corrupt(format!("journal entry {} does not read", raw.sequence));
        let address = raw.address.as_deref().map(Address::parse).transpose();
        Ok(JournalEntry {
            sequence: raw.sequence,
            run: raw.run.clone(),
            at: raw.at.clone(),
            kind: raw.kind.clone(),
            address: address.map_err(|_| unreadable())?,
            body: body.ok_or_else(unreadable)?,
        })
    }

    /// The intent that an entry holds, after a look at its hash.
    pub fn decode_intent(&self, raw: &RawEntry) -> Result<Intent> {
        let what = format!("journal entry {}", raw.sequence);
        self.check_entry(raw)?;
        if raw.kind != "intent" {
            return Err(self.corrupt(format!("{what} should be an intent")));
        }
        self.decode(&raw.body, &journal_place(raw.sequence), &what)
    }

    /// A version as the base of a pruned journal; `head` is the hash of the last entry that goes.
    pub fn encode_base(&self, version: &Version, head: Vec<u8>) -> Result<Base> {
        let serial = version.serial;
        let body = self.vault.seal(json_of(version)?, &format!("base {serial}"))?;
        Ok(Base { serial, head, body })
    }

    /// The version of a base.
    pub fn decode_base(&self, base: &Base) -> Result<Version> {
        let what = format!("the journal's base, version {}", base.serial);
        let opened = self.vault.open(base.body.clone(), &format!("base {}", base.serial))?;
        let json = opened.map_err(|error| self.corrupt(format!("{what}: {error}")))?;
        serde_json::from_value(json)
            .map_err(|error| self.corrupt(format!("{what} does not read: {error}")))
    }
}

/// Walks a journal from its base on: checks that it is one unbroken chain, and folds it.
pub struct Walk<'a> {
    codec: Codec<'a>,
    head: Vec<u8>,
    /// The version so far.
    pub version: Version,
}

impl<'a> Walk<'a> {
    /// From the base, or from the beginning.
    pub fn new(codec: Codec<'a>, base: Option<&Base>) -> Result<Self> {
        let version = base.map(|base| codec.decode_base(base)).transpose()?.unwrap_or_default();
        let head = base.map(|base| base.head.clone()).unwrap_or_default();
        Ok(Self { codec, head, version })
    }

    /// Goes on where another walk ended.
    pub fn resumed(codec: Codec<'a>, version: Version, head: Vec<u8>) -> Self {
        Self { codec, head, version }
    }

    /// The next entry.
    pub fn step(&mut self, raw: &RawEntry) -> Result<()> {
        let (codec, expected) = (self.codec, self.version.serial + 1);
        if raw.sequence != expected {
            return Err(codec.corrupt(format!("journal entry {expected} is missing")));
        }
        if raw.prev_hash != self.head {
            let what = format!("the journal's chain is broken before entry {expected}");
            return Err(codec.corrupt(what));
        }
        let entry = codec.open_entry(raw)?;
        self.version.fold(&entry).map_err(|why| {
            codec.corrupt(format!("journal entry {expected} cannot stand: {why}"))
        })?;
        self.head.clone_from(&raw.hash);
        Ok(())
    }

    /// Hash of the last entry; empty if there was none.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// Hashes as hexadecimal text.
mod base16 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&model::digest::hex(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte =
            |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        (0..text.len())
            .step_by(2)
            .map(byte)
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("not a hash in hexadecimal"))
    }
}

/// Bodies are JSON, which is text.
mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, ser::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(bytes).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(String::deserialize(deserializer)?.into_bytes())
    }
}
