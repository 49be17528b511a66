//! The tables of a state file, inside one transaction of the writer.

use super::errors::Doing;
use super::format::Meta;
use super::read;
use crate::error::StateError;
use crate::rows::{Codec, RawEntry, RecordRow, Walk, row_hash};
use crate::rules::{LeaseRow, NewEntry, ResultRow, Tables};
use jiff::Timestamp;
use model::Address;
use model::record::{Intent, Record};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// One transaction's view of the tables.
pub struct SqlTables<'a> {
    connection: &'a Connection,
    codec: Codec<'a>,
    path: &'a Path,
    now: Timestamp,
}

impl<'a> SqlTables<'a> {
    pub fn new(
        connection: &'a Connection,
        codec: Codec<'a>,
        path: &'a Path,
        now: Timestamp,
    ) -> Self {
        Self { connection, codec, path, now }
    }

    fn failed(&self, error: &rusqlite::Error) -> StateError {
        Doing::Writing.sqlite(self.path, error)
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
        Meta::read(self.connection, self.path, Doing::Writing)
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        meta.write(self.connection).map_err(|error| self.failed(&error))
    }

    fn intent(&self, sequence: u64) -> Result<Intent> {
        let sql = format!("SELECT {} FROM journal WHERE seq = ?", read::ENTRY);
        let raw = self
            .one(&sql, [sequence], read::entry)?
            .ok_or_else(|| self.codec.corrupt(format!("journal entry {sequence} is missing")))?;
        self.codec.decode_intent(&raw)
    }

    /// Notes the last revision of an address that has no record any more.
    pub fn put_removed(&mut self, address: &Address, revision: u64) -> Result<()> {
        let address = address.to_string();
        let hash = removed_hash(&address, revision);
        let sql = "INSERT INTO removed(address, revision, hash) VALUES (?, ?, ?)";
        self.execute(sql, params![address, revision, hash]).map(drop)
    }

    fn put_row(&self, table: &str, id: i64, record: &Record) -> Result<()> {
        let row = self.codec.encode_record(table, record)?;
        let sql = format!("UPDATE {table} SET body = ?, hash = ? WHERE id = ?");
        self.execute(&sql, params![row.body, row.hash, id]).map(drop)
    }

    fn all_records(&self, table: &str) -> Result<Vec<(i64, Record)>> {
        let sql = format!("SELECT {}, id FROM {table} ORDER BY id", read::RECORD);
        let read = |row: &Row| Ok((row.get::<_, i64>(5)?, read::record(row)?));
        let rows: Vec<(i64, RecordRow)> = self.all(&sql, [], read)?;
        let decode = |(id, row)| Ok((id, self.codec.decode_record(table, &row)?));
        rows.into_iter().map(decode).collect()
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
    fn now(&self) -> Timestamp {
        self.now
    }

    fn leases(&self) -> Result<Vec<LeaseRow>> {
        let rows = self.all("SELECT epoch, body, hash FROM lease ORDER BY epoch", [], read::lease)?;
        rows.iter().map(|(epoch, body, hash)| self.codec.decode_lease(*epoch, body, hash)).collect()
    }

    fn lease(&self, epoch: u64) -> Result<Option<LeaseRow>> {
        let sql = "SELECT epoch, body, hash FROM lease WHERE epoch = ?";
        let row = self.one(sql, [epoch], read::lease)?;
        row.map(|(epoch, body, hash)| self.codec.decode_lease(epoch, &body, &hash)).transpose()
    }

    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()> {
        let (body, hash) = self.codec.encode_lease(lease)?;
        let sql = "INSERT OR REPLACE INTO lease(epoch, body, hash) VALUES (?, ?, ?)";
        self.execute(sql, params![lease.info.epoch, body, hash]).map(drop)
    }

    fn remove_lease(&mut self, epoch: u64) -> Result<()> {
        self.execute("DELETE FROM lease WHERE epoch = ?", [epoch]).map(drop)
    }

    fn next_epoch(&mut self) -> Result<u64> {
        let mut meta = self.meta()?;
        meta.epoch += 1;
        self.set_meta(&meta)?;
        Ok(meta.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let mut meta = self.meta()?;
        let sequence = meta.serial + 1;
        let raw = self.codec.entry(entry, self.now, sequence, meta.head, body(sequence)?)?;
        let RawEntry { sequence, run, at, kind, address, body, prev_hash, hash } = &raw;
        let sql = format!("INSERT INTO journal({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", read::ENTRY);
        self.execute(&sql, params![sequence, run, at, kind, address, body, prev_hash, hash])?;
        meta.serial = raw.sequence;
        meta.head = raw.hash;
        self.set_meta(&meta)?;
        Ok(raw.sequence)
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

    fn first_unfinished(&self) -> Result<Option<u64>> {
        let first = self.one("SELECT min(seq) FROM unfinished", [], |row| row.get(0))?;
        Ok(first.flatten())
    }

    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()> {
        if unfinished {
            let sql = "INSERT INTO unfinished(seq, address) VALUES (?, ?)";
            return self.execute(sql, params![sequence, address.to_string()]).map(drop);
        }
        self.execute("DELETE FROM unfinished WHERE seq = ?", [sequence]).map(drop)
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        let sql = format!("SELECT {} FROM resource WHERE address = ?", read::RECORD);
        let row = self.one(&sql, [address.to_string()], read::record)?;
        row.map(|row| self.codec.decode_record("resource", &row)).transpose()
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        if let Some(record) = self.record(address)? {
            return Ok(record.revision);
        }
        Ok(self.removed_revision(&address.to_string())?.unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        let row = self.codec.encode_record("resource", record)?;
        let RecordRow { address, provider, revision, body, hash } = &row;
        let sql = "INSERT INTO resource(address, provider, revision, body, hash) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (address) DO UPDATE SET
            provider = excluded.provider, revision = excluded.revision, body = excluded.body, hash = excluded.hash";
        self.execute(sql, params![address, provider, revision, body, hash])?;
        self.execute("DELETE FROM removed WHERE address = ?", [address]).map(drop)
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        let Some(record) = self.record(address)? else {
            return Ok(false);
        };
        self.put_removed(address, record.revision)?;
        self.execute("DELETE FROM resource WHERE address = ?", [address.to_string()])?;
        Ok(true)
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        let row = self.codec.encode_record("deposed", record)?;
        let RecordRow { address, provider, revision, body, hash } = &row;
        let sql = "INSERT INTO deposed(address, object, provider, revision, body, hash)
            VALUES (?, ?, ?, ?, ?, ?)";
        self.execute(sql, params![address, record.id, provider, revision, body, hash]).map(drop)
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        let sql = "DELETE FROM deposed WHERE address = ? AND object = ?";
        Ok(self.execute(sql, params![address.to_string(), id])? > 0)
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT provider FROM resource UNION SELECT provider FROM deposed";
        Ok(self.all(sql, [], |row| row.get(0))?.into_iter().collect())
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

    fn rekey(&mut self, keyring: Option<&str>) -> Result<()> {
        let mut meta = self.meta()?;
        meta.keyring = keyring.map(str::to_owned);
        self.set_meta(&meta)?;
        for table in ["resource", "deposed"] {
            for (id, record) in self.all_records(table)? {
                self.put_row(table, id, &record)?;
            }
        }
        for (kind, name, body, hash) in self.all(read::RESULTS, [], read::result)? {
            let row = self.codec.decode_result(&kind, &name, &body, &hash)?;
            self.put_result(&name, &row)?;
        }
        Ok(())
    }

    fn serial(&self) -> Result<u64> {
        Ok(self.meta()?.serial)
    }

    fn prune(&mut self, serial: u64) -> Result<u64> {
        let failed = |error: rusqlite::Error| Doing::Writing.sqlite(self.path, &error);
        let mut walk = Walk::new(self.codec, read::base(self.connection, self.path)?.as_ref())?;
        let sql = format!("SELECT {} FROM journal WHERE seq <= ? ORDER BY seq", read::ENTRY);
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query([serial]).map_err(failed)?;
        let mut entries = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            walk.step(&read::entry(row).map_err(failed)?)?;
            entries += 1;
        }
        if entries == 0 {
            return Ok(0);
        }
        let base = self.codec.encode_base(&walk.version, walk.head().to_vec())?;
        let body = base.body.to_string().into_bytes();
        let hash = row_hash("base", &[&base.serial.to_le_bytes(), &base.head, &body]);
        let sql =
            "INSERT OR REPLACE INTO base(id, serial, head, body, hash) VALUES (1, ?, ?, ?, ?)";
        self.execute(sql, params![base.serial, base.head, body, hash])?;
        self.execute("DELETE FROM journal WHERE seq <= ?", [serial])?;
        Ok(entries)
    }
}
