//! Rows: what is in a body, where it is sealed, and that its hash fits.

use super::errors::corrupt;
use super::format::row_hash;
use crate::error::StateError;
use crate::rules::{LeaseRow, ResultRow, json_of};
use crate::vault::Vault;
use model::record::{Intent, Record};
use rusqlite::Row;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::path::Path;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Reads and writes rows of one state file.
#[derive(Clone, Copy)]
pub struct Codec<'a> {
    pub path: &'a Path,
    pub vault: &'a Vault,
}

/// A row of `resource` or `deposed`, as bytes.
pub struct RecordRow {
    pub id: i64,
    pub address: String,
    pub provider: String,
    pub revision: u64,
    pub body: Vec<u8>,
    pub hash: Vec<u8>,
}

impl RecordRow {
    /// Columns `id, address, provider, revision, body, hash`.
    pub fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            address: row.get(1)?,
            provider: row.get(2)?,
            revision: row.get(3)?,
            body: row.get(4)?,
            hash: row.get(5)?,
        })
    }
}

/// A row of `journal`, as bytes.
pub struct JournalRow {
    pub seq: u64,
    pub run: String,
    pub at: String,
    pub kind: String,
    pub address: Option<String>,
    pub body: Vec<u8>,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

impl JournalRow {
    /// The columns that [`JournalRow::read`] wants.
    pub const COLUMNS: &str = "seq, run, at, kind, address, body, prev_hash, hash";

    /// Reads [`JournalRow::COLUMNS`].
    pub fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            run: row.get(1)?,
            at: row.get(2)?,
            kind: row.get(3)?,
            address: row.get(4)?,
            body: row.get(5)?,
            prev_hash: row.get(6)?,
            hash: row.get(7)?,
        })
    }

    /// The hash that the row must have; it covers the one before.
    pub fn expected_hash(&self) -> [u8; 32] {
        // No address and an empty one are different.
        let has_address = [u8::from(self.address.is_some())];
        let columns = [
            &self.seq.to_le_bytes()[..],
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

pub fn record_place(table: &str, address: &str, revision: u64) -> String {
    format!("{table} {address} {revision}")
}

pub fn journal_place(seq: u64) -> String {
    format!("journal {seq}")
}

impl Codec<'_> {
    pub fn corrupt(&self, what: impl Into<String>) -> StateError {
        corrupt(self.path, what)
    }

    /// Sealed bytes of a value.
    pub fn encode(&self, json: Json, place: &str) -> Result<Vec<u8>> {
        Ok(self.vault.seal(json, place)?.to_string().into_bytes())
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8], place: &str, what: &str) -> Result<T> {
        let json = serde_json::from_slice(body)
            .map_err(|error| self.corrupt(format!("{what} does not read: {error}")))?;
        let opened = self.vault.open(json, place)?;
        let json = opened.map_err(|error| self.corrupt(format!("{what}: {error}")))?;
        serde_json::from_value(json)
            .map_err(|error| self.corrupt(format!("{what} does not read: {error}")))
    }

    /// Body and hash of a record.
    pub fn encode_record(&self, table: &str, record: &Record) -> Result<(Vec<u8>, [u8; 32])> {
        let address = record.address.to_string();
        let place = record_place(table, &address, record.revision);
        let body = self.encode(json_of(record)?, &place)?;
        let hash = record_hash(table, &address, &record.provider, record.revision, &body);
        Ok((body, hash))
    }

    pub fn decode_record(&self, table: &str, row: &RecordRow) -> Result<Record> {
        let RecordRow { id, address, provider, revision, body, hash } = row;
        let what = format!("the record of `{address}` (row {id} of table {table})");
        if record_hash(table, address, provider, *revision, body) != hash.as_slice() {
            return Err(self.corrupt(format!("{what} does not match its hash")));
        }
        self.decode(body, &record_place(table, address, *revision), &what)
    }

    pub fn encode_result(&self, name: &str, row: &ResultRow) -> Result<(Vec<u8>, [u8; 32])> {
        let kind = row.kind();
        let body = self.encode(row.to_json()?, &format!("results {kind} {name}"))?;
        let hash = row_hash("results", &[kind.as_bytes(), name.as_bytes(), &body]);
        Ok((body, hash))
    }

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

    pub fn decode_lease(&self, body: &[u8], hash: &[u8]) -> Result<LeaseRow> {
        if row_hash("lease", &[body]) != hash {
            return Err(self.corrupt("the lease (table lease) does not match its hash"));
        }
        self.decode(body, "lease", "the lease (table lease)")
    }

    /// Checks the hash of one journal row (not that it follows the one before).
    pub fn check_journal(&self, row: &JournalRow) -> Result<()> {
        if row.expected_hash() == row.hash.as_slice() {
            return Ok(());
        }
        Err(self.corrupt(format!("journal entry {} does not match its hash", row.seq)))
    }

    pub fn decode_intent(&self, row: &JournalRow) -> Result<Intent> {
        let what = format!("journal entry {}", row.seq);
        if row.kind != "intent" {
            return Err(self.corrupt(format!("{what} should be an intent")));
        }
        self.decode(&row.body, &journal_place(row.seq), &what)
    }
}

fn record_hash(table: &str, address: &str, provider: &str, revision: u64, body: &[u8]) -> [u8; 32] {
    let columns = [address.as_bytes(), provider.as_bytes(), &revision.to_le_bytes()[..], body];
    row_hash(table, &columns)
}
