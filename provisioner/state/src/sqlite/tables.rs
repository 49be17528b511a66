//! The tables of a state file, inside one transaction of the writer.

use super::errors::Doing;
use super::format::{Meta, row_hash};
use super::rows::{Codec, JournalRow, RecordRow, journal_place};
use crate::error::StateError;
use crate::rules::{LeaseRow, NewEntry, ResultRow, Tables, json_of};
use model::Address;
use model::record::{Intent, Record};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use serde_json::Value as Json;
use std::collections::BTreeSet;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// One transaction's view of the tables.
pub struct SqlTables<'a> {
    connection: &'a Connection,
    codec: Codec<'a>,
}

impl<'a> SqlTables<'a> {
    pub fn new(connection: &'a Connection, codec: Codec<'a>) -> Self {
        Self { connection, codec }
    }

    fn failed(&self, error: &rusqlite::Error) -> StateError {
        Doing::Writing.sqlite(self.codec.path, error)
    }

    fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .map_err(|error| self.failed(&error))
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: fn(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, read).optional())
            .map_err(|error| self.failed(&error))
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: fn(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
            .map_err(|error| self.failed(&error))
    }

    fn meta(&self) -> Result<Meta> {
        Meta::read(self.connection, self.codec.path, Doing::Writing)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        meta.write(self.connection).map_err(|error| self.failed(&error))
    }

    fn intent(&self, sequence: u64) -> Result<Intent> {
        let sql = format!("SELECT {} FROM journal WHERE seq = ?", JournalRow::COLUMNS);
        let row = self
            .one(&sql, [sequence], JournalRow::read)?
            .ok_or_else(|| self.codec.corrupt(format!("journal entry {sequence} is missing")))?;
        self.codec.check_journal(&row)?;
        self.codec.decode_intent(&row)
    }

    fn removed_revision(&self, address: &str) -> Result<Option<u64>> {
        let read = |row: &Row| Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let sql = "SELECT revision, hash FROM removed WHERE address = ?";
        let Some((revision, hash)) = self.one(sql, [address], read)? else {
            return Ok(None);
        };
        if hash != removed_hash(address, revision) {
            let what = format!("`{address}` (table removed) does not match its hash");
            return Err(self.codec.corrupt(what));
        }
        Ok(Some(revision))
    }
}

fn removed_hash(address: &str, revision: u64) -> [u8; 32] {
    row_hash("removed", &[address.as_bytes(), &revision.to_le_bytes()])
}

impl Tables for SqlTables<'_> {
    fn lease(&self) -> Result<Option<LeaseRow>> {
        let read = |row: &Row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
        let row = self.one("SELECT body, hash FROM lease", [], read)?;
        row.map(|(body, hash)| self.codec.decode_lease(&body, &hash)).transpose()
    }

    fn set_lease(&mut self, lease: Option<&LeaseRow>) -> Result<()> {
        let Some(lease) = lease else {
            return self.execute("DELETE FROM lease", []).map(drop);
        };
        let body = json_of(lease)?.to_string().into_bytes();
        let hash = row_hash("lease", &[&body]);
        let sql = "INSERT OR REPLACE INTO lease(id, body, hash) VALUES (1, ?, ?)";
        self.execute(sql, params![body, hash]).map(drop)
    }

    fn next_epoch(&mut self) -> Result<u64> {
        let mut meta = self.meta()?;
        meta.epoch += 1;
        self.set_meta(&meta)?;
        Ok(meta.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let mut meta = self.meta()?;
        let last =
            self.one("SELECT max(seq) FROM journal", [], |row| row.get::<_, Option<u64>>(0))?;
        let seq = last.flatten().unwrap_or(0) + 1;
        let mut row = JournalRow {
            seq,
            run: entry.run.to_owned(),
            at: entry.at.to_string(),
            kind: entry.kind.to_owned(),
            address: entry.address.map(Address::to_string),
            body: self.codec.encode(body(seq)?, &journal_place(seq))?,
            prev_hash: meta.head,
            hash: Vec::new(),
        };
        row.hash = row.expected_hash().to_vec();
        let JournalRow { seq, run, at, kind, address, body, prev_hash, hash } = &row;
        let sql =
            format!("INSERT INTO journal({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", JournalRow::COLUMNS);
        self.execute(&sql, params![seq, run, at, kind, address, body, prev_hash, hash])?;
        meta.serial += 1;
        meta.head = row.hash;
        self.set_meta(&meta)?;
        Ok(row.seq)
    }

    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>> {
        let sql = "SELECT seq FROM unfinished WHERE seq = ?";
        let seq = self.one(sql, [sequence], |row| row.get(0))?;
        seq.map(|seq| self.intent(seq)).transpose()
    }

    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>> {
        let sql = "SELECT seq FROM unfinished WHERE address = ? ORDER BY seq";
        let sequences = self.all(sql, [address.to_string()], |row| row.get(0))?;
        sequences.into_iter().map(|seq| self.intent(seq)).collect()
    }

    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()> {
        if unfinished {
            let sql = "INSERT INTO unfinished(seq, address) VALUES (?, ?)";
            return self.execute(sql, params![sequence, address.to_string()]).map(drop);
        }
        self.execute("DELETE FROM unfinished WHERE seq = ?", [sequence]).map(drop)
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        let sql =
            "SELECT id, address, provider, revision, body, hash FROM resource WHERE address = ?";
        let row = self.one(sql, [address.to_string()], RecordRow::read)?;
        row.map(|row| self.codec.decode_record("resource", &row)).transpose()
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        if let Some(record) = self.record(address)? {
            return Ok(record.revision);
        }
        Ok(self.removed_revision(&address.to_string())?.unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        let (body, hash) = self.codec.encode_record("resource", record)?;
        let address = record.address.to_string();
        let sql = "INSERT INTO resource(address, provider, revision, body, hash) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (address) DO UPDATE SET
            provider = excluded.provider, revision = excluded.revision, body = excluded.body, hash = excluded.hash";
        self.execute(sql, params![address, record.provider, record.revision, body, hash])?;
        self.execute("DELETE FROM removed WHERE address = ?", [address]).map(drop)
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        let Some(record) = self.record(address)? else {
            return Ok(false);
        };
        let address = address.to_string();
        let hash = removed_hash(&address, record.revision);
        let sql = "INSERT INTO removed(address, revision, hash) VALUES (?, ?, ?)";
        self.execute(sql, params![address, record.revision, hash])?;
        self.execute("DELETE FROM resource WHERE address = ?", [address])?;
        Ok(true)
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        let (body, hash) = self.codec.encode_record("deposed", record)?;
        let address = record.address.to_string();
        let sql = "INSERT INTO deposed(address, object, provider, revision, body, hash)
            VALUES (?, ?, ?, ?, ?, ?)";
        let row = params![address, record.id, record.provider, record.revision, body, hash];
        self.execute(sql, row).map(drop)
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        let sql = "DELETE FROM deposed WHERE address = ? AND object = ?";
        Ok(self.execute(sql, params![address.to_string(), id])? > 0)
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT provider FROM resource UNION SELECT provider FROM deposed";
        Ok(self.all(sql, [], |row| row.get(0))?.into_iter().collect())
    }

    fn result_names(&self, kind: &'static str) -> Result<BTreeSet<String>> {
        let sql = "SELECT name FROM results WHERE kind = ?";
        Ok(self.all(sql, [kind], |row| row.get(0))?.into_iter().collect())
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        let (body, hash) = self.codec.encode_result(name, row)?;
        let sql = "INSERT INTO results(kind, name, body, hash) VALUES (?, ?, ?, ?)
            ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, hash = excluded.hash";
        self.execute(sql, params![row.kind(), name, body, hash]).map(drop)
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        let sql = "DELETE FROM results WHERE kind = ? AND name = ?";
        self.execute(sql, params![kind, name]).map(drop)
    }
}
