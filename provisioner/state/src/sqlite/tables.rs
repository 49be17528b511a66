//! The tables of a state file, inside one transaction of the writer.

use super::errors::Doing;
use super::meta::{Meta, Table, Tally};
use super::pack::packed;
use super::{Access, read};
use crate::error::StateError;
use crate::rows::{Codec, RawEntry, RecordRow, Walk, row_hash};
use crate::rules::{LeaseRow, NewEntry, ResultRow, Tables};
use crate::vault::Vault;
use jiff::Timestamp;
use model::Address;
use model::record::{Intent, Record};
use model::rollout::entry::RolloutHead;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// What a transaction works with, besides the tables themselves. Written and kept only when it is committed.
#[derive(Clone)]
pub struct Present {
    /// The row of `meta` as it will be.
    pub meta: Meta,
    /// Fits `meta.keyring`.
    pub vault: Arc<Vault>,
    /// The lease that was asked for last and the hash of its row.
    pub lease: Option<(Vec<u8>, Arc<LeaseRow>)>,
}

/// One transaction's view of the tables.
pub struct SqlTables<'a> {
    pub connection: &'a Connection,
    pub present: &'a mut Present,
    pub access: &'a Access,
    pub path: &'a Path,
    pub place: &'a str,
    pub now: Timestamp,
}

/// Writes an entry. What the row before says is not said twice: two entries an operation would have 64 bytes more in
/// the log and in the file.
pub fn insert_entry(connection: &Connection, raw: &RawEntry) -> rusqlite::Result<()> {
    let RawEntry { sequence, run, at, kind, address, body, prev_hash, hash } = raw;
    let body = packed(body);
    let sql = "INSERT INTO journal(seq, run, at, kind, address, body, prev_hash, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6,
            iif(EXISTS (SELECT 1 FROM journal WHERE seq = ?1 - 1 AND hash = ?7), x'', ?7), ?8)";
    let row = params![sequence, run, at, kind, address, body, prev_hash, hash];
    connection.prepare_cached(sql)?.execute(row).map(drop)
}

impl SqlTables<'_> {
    fn codec(&self) -> Codec<'_> {
        Codec { place: self.place, vault: &self.present.vault }
    }

    fn tally(&mut self, table: Table) -> &mut Tally {
        self.present.meta.tallies.of_mut(table)
    }

    /// Runs a statement that drops rows and gives their hashes.
    fn drop_rows(&mut self, table: Table, sql: &str, parameters: impl Params) -> Result<usize> {
        let hashes: Vec<Vec<u8>> = self.all(sql, parameters, |row| row.get(0))?;
        for hash in &hashes {
            self.tally(table).remove(hash);
        }
        Ok(hashes.len())
    }

    /// Counts a row that took the place of another one, if there was one.
    fn replaced(&mut self, table: Table, old: Option<Vec<u8>>, new: &[u8]) {
        if let Some(old) = old {
            self.tally(table).remove(&old);
        }
        self.tally(table).add(new);
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

    fn intent(&self, sequence: u64) -> Result<Intent> {
        let sql = format!("SELECT {} FROM journal WHERE seq = ?", read::ENTRY);
        let raw = self
            .one(&sql, [sequence], read::entry)?
            .ok_or_else(|| self.codec().corrupt(format!("journal entry {sequence} is missing")))?;
        self.codec().decode_intent(&raw)
    }

    /// Notes the last revision of an address that has no record any more.
    pub fn put_removed(&mut self, address: &Address, revision: u64) -> Result<()> {
        let address = address.to_string();
        let hash = read::removed_hash(&address, revision);
        let sql = "INSERT INTO removed(address, revision, hash) VALUES (?, ?, ?)";
        self.execute(sql, params![address, revision, hash])?;
        self.tally(Table::Removed).add(&hash);
        Ok(())
    }

    fn all_records(&self, table: Table) -> Result<Vec<(i64, Record)>> {
        let sql = format!("SELECT {}, id FROM {} ORDER BY id", read::RECORD, table.name());
        let read = |row: &Row| Ok((row.get::<_, i64>(5)?, read::record(row)?));
        let rows: Vec<(i64, RecordRow)> = self.all(&sql, [], read)?;
        let codec = self.codec();
        let decode = |(id, row)| Ok((id, codec.decode_record(table.name(), &row)?));
        rows.into_iter().map(decode).collect()
    }

    /// Writes records again, sealed with the present keys.
    fn seal_records(&mut self, table: Table, records: &[(i64, Record)]) -> Result<()> {
        let name = table.name();
        let sql = format!("UPDATE {name} SET body = ?, hash = ? WHERE id = ?");
        *self.tally(table) = Tally::default();
        for (id, record) in records {
            let row = self.codec().encode_record(name, record)?;
            self.execute(&sql, params![packed(&row.body), row.hash, id])?;
            self.tally(table).add(&row.hash);
        }
        Ok(())
    }

    fn removed_revision(&self, address: &str) -> Result<Option<u64>> {
        let read = |row: &Row| Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let sql = "SELECT revision, hash FROM removed WHERE address = ?";
        let Some((revision, hash)) = self.one(sql, [address], read)? else {
            return Ok(None);
        };
        read::check_removed(address, revision, &hash).map_err(|what| self.codec().corrupt(what))?;
        Ok(Some(revision))
    }

    fn old_hash(&self, sql: &str, parameters: impl Params) -> Result<Option<Vec<u8>>> {
        self.one(sql, parameters, |row| row.get(0))
    }
}

impl Tables for SqlTables<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn leases(&self) -> Result<Vec<LeaseRow>> {
        let rows = self.all(read::LEASES, [], read::lease)?;
        let mut tally = Tally::default();
        for (_, hash, _) in &rows {
            tally.add(hash);
        }
        if tally != *self.present.meta.tallies.of(Table::Lease) {
            return Err(self
                .codec()
                .corrupt("table lease: its rows are not those that were written"));
        }
        let codec = self.codec();
        rows.iter().map(|(epoch, hash, body)| codec.decode_lease(*epoch, body, hash)).collect()
    }

    fn lease(&self, epoch: u64) -> Result<Option<Arc<LeaseRow>>> {
        let sql = "SELECT hash FROM lease WHERE epoch = ?";
        let Some(hash) = self.old_hash(sql, [epoch])? else { return Ok(None) };
        if let Some((known, lease)) = &self.present.lease
            && *known == hash
        {
            return Ok(Some(lease.clone()));
        }
        let sql = "SELECT epoch, hash, body FROM lease WHERE epoch = ?";
        let row = self.one(sql, [epoch], read::lease)?;
        let codec = self.codec();
        let decode = |(epoch, hash, body): (u64, Vec<u8>, Vec<u8>)| {
            codec.decode_lease(epoch, &body, &hash).map(Arc::new)
        };
        row.map(decode).transpose()
    }

    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()> {
        let (body, hash) = self.codec().encode_lease(lease)?;
        let epoch = lease.info.epoch;
        let old = self.old_hash("SELECT hash FROM lease WHERE epoch = ?", [epoch])?;
        let sql = "INSERT OR REPLACE INTO lease(epoch, hash, body) VALUES (?, ?, ?)";
        self.execute(sql, params![epoch, hash, packed(&body)])?;
        self.replaced(Table::Lease, old, &hash);
        self.present.lease = Some((hash.to_vec(), Arc::new(lease.clone())));
        Ok(())
    }

    fn remove_lease(&mut self, epoch: u64) -> Result<()> {
        let sql = "DELETE FROM lease WHERE epoch = ? RETURNING hash";
        self.drop_rows(Table::Lease, sql, [epoch]).map(drop)
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.present.meta.epoch += 1;
        Ok(self.present.meta.epoch)
    }

    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64> {
        let sequence = self.present.meta.serial + 1;
        let head = self.present.meta.head.clone();
        let raw = self.codec().entry(entry, self.now, sequence, head, body(sequence)?)?;
        insert_entry(self.connection, &raw).map_err(|error| self.failed(&error))?;
        self.present.meta.serial = raw.sequence;
        self.present.meta.head = raw.hash;
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
        let address = address.to_string();
        let hash = read::unfinished_hash(sequence, &address);
        if unfinished {
            let sql = "INSERT INTO unfinished(seq, address) VALUES (?, ?)";
            self.execute(sql, params![sequence, address])?;
            self.tally(Table::Unfinished).add(&hash);
        } else if self.execute("DELETE FROM unfinished WHERE seq = ?", [sequence])? > 0 {
            self.tally(Table::Unfinished).remove(&hash);
        }
        Ok(())
    }

    fn record(&self, address: &Address) -> Result<Option<Record>> {
        let sql = format!("SELECT {} FROM resource WHERE address = ?", read::RECORD);
        let row = self.one(&sql, [address.to_string()], read::record)?;
        row.map(|row| self.codec().decode_record("resource", &row)).transpose()
    }

    fn last_revision(&self, address: &Address) -> Result<u64> {
        if let Some(record) = self.record(address)? {
            return Ok(record.revision);
        }
        Ok(self.removed_revision(&address.to_string())?.unwrap_or(0))
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        let row = self.codec().encode_record("resource", record)?;
        let RecordRow { address, provider, revision, body, hash } = &row;
        let old = self.old_hash("SELECT hash FROM resource WHERE address = ?", [address])?;
        let sql = "INSERT INTO resource(address, provider, revision, body, hash) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (address) DO UPDATE SET
            provider = excluded.provider, revision = excluded.revision, body = excluded.body, hash = excluded.hash";
        self.execute(sql, params![address, provider, revision, packed(body), hash])?;
        self.replaced(Table::Resource, old, hash);
        let sql = "DELETE FROM removed WHERE address = ? RETURNING hash";
        self.drop_rows(Table::Removed, sql, [address]).map(drop)
    }

    fn remove_record(&mut self, address: &Address) -> Result<bool> {
        let Some(record) = self.record(address)? else {
            return Ok(false);
        };
        self.put_removed(address, record.revision)?;
        let sql = "DELETE FROM resource WHERE address = ? RETURNING hash";
        Ok(self.drop_rows(Table::Resource, sql, [address.to_string()])? > 0)
    }

    fn add_deposed(&mut self, record: &Record) -> Result<()> {
        let row = self.codec().encode_record("deposed", record)?;
        let RecordRow { address, provider, revision, body, hash } = &row;
        let sql = "INSERT INTO deposed(address, object, provider, revision, body, hash)
            VALUES (?, ?, ?, ?, ?, ?)";
        self.execute(sql, params![address, record.id, provider, revision, packed(body), hash])?;
        self.tally(Table::Deposed).add(hash);
        Ok(())
    }

    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool> {
        let sql = "DELETE FROM deposed WHERE address = ? AND object = ? RETURNING hash";
        Ok(self.drop_rows(Table::Deposed, sql, params![address.to_string(), id])? > 0)
    }

    fn providers_in_use(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT provider FROM resource UNION SELECT provider FROM deposed";
        Ok(self.all(sql, [], |row| row.get(0))?.into_iter().collect())
    }

    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()> {
        let (body, hash) = self.codec().encode_result(name, row)?;
        let old = "SELECT hash FROM results WHERE kind = ? AND name = ?";
        let old = self.old_hash(old, params![row.kind(), name])?;
        if old.as_deref() == Some(&hash[..]) {
            return Ok(());
        }
        let sql = "INSERT INTO results(kind, name, body, hash) VALUES (?, ?, ?, ?)
            ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, hash = excluded.hash";
        self.execute(sql, params![row.kind(), name, body, hash])?;
        self.replaced(Table::Results, old, &hash);
        Ok(())
    }

    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()> {
        let sql = "DELETE FROM results WHERE kind = ? AND name = ? RETURNING hash";
        self.drop_rows(Table::Results, sql, params![kind, name]).map(drop)
    }

    fn rollouts(&self) -> Result<BTreeMap<String, RolloutHead>> {
        let sql = "SELECT kind, name, body, hash FROM results WHERE kind = 'rollout'";
        let mut rollouts = BTreeMap::new();
        for (kind, name, body, hash) in self.all(sql, [], read::result)? {
            if let ResultRow::Rollout(head) =
                self.codec().decode_result(&kind, &name, &body, &hash)?
            {
                rollouts.insert(name, head);
            }
        }
        Ok(rollouts)
    }

    fn rekey(&mut self, keyring: Option<&str>) -> Result<()> {
        let resources = self.all_records(Table::Resource)?;
        let deposed = self.all_records(Table::Deposed)?;
        let codec = self.codec();
        let mut results = Vec::new();
        for (kind, name, body, hash) in self.all(read::RESULTS, [], read::result)? {
            results.push((codec.decode_result(&kind, &name, &body, &hash)?, name));
        }
        self.present.meta.keyring = keyring.map(str::to_owned);
        self.present.vault = Arc::new(self.access.vault(&self.present.meta));
        // A keyring that this run cannot open is not put in place.
        self.present.vault.sealer()?;
        self.seal_records(Table::Resource, &resources)?;
        self.seal_records(Table::Deposed, &deposed)?;
        for (row, name) in results {
            self.put_result(&name, &row)?;
        }
        Ok(())
    }

    fn serial(&self) -> Result<u64> {
        Ok(self.present.meta.serial)
    }

    fn prune(&mut self, serial: u64) -> Result<u64> {
        let failed = |error: rusqlite::Error| Doing::Writing.sqlite(self.path, &error);
        let mut walk = Walk::new(self.codec(), read::base(self.connection, self.path)?.as_ref())?;
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
        let base = self.codec().encode_base(&walk.version, walk.head().to_vec())?;
        let body = base.body.to_string().into_bytes();
        let hash = row_hash("base", &[&base.serial.to_le_bytes(), &base.head, &body]);
        let sql =
            "INSERT OR REPLACE INTO base(id, serial, head, body, hash) VALUES (1, ?, ?, ?, ?)";
        self.execute(sql, params![base.serial, base.head, body, hash])?;
        // The first entry that stays said this by the row that goes.
        let sql = "UPDATE journal SET prev_hash = ? WHERE seq = ? + 1";
        self.execute(sql, params![base.head, base.serial])?;
        self.execute("DELETE FROM journal WHERE seq <= ?", [serial])?;
        Ok(entries)
    }
}
