//! Reading a state file: without a lease, without making anything, checking every hash.

use super::errors::Doing;
use super::format::{self, Meta};
use super::rows::{Codec, JournalRow, RecordRow};
use crate::error::StateError;
use crate::keys::KeySource;
use crate::port::JournalEntry;
use crate::rules::LeaseRow;
use crate::seal::Nonces;
use crate::vault::Vault;
use model::Address;
use model::record::{Intent, Record, Recorded};
use rusqlite::{Connection, OpenFlags, Row};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// A state file opened for reading; every question sees the same instant.
pub struct Reader {
    path: PathBuf,
    connection: Connection,
    pub meta: Meta,
    pub vault: Vault,
}

impl Reader {
    /// Opens it; none if there is no state file yet.
    pub fn open(path: &Path, environment: &str, keys: &KeySource) -> Result<Option<Self>> {
        if !format::inspect(path, Doing::Reading)? {
            return Ok(None);
        }
        let connection = connect(path).map_err(|error| Doing::Reading.sqlite(path, &error))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        let version = version.map_err(|error| Doing::Reading.sqlite(path, &error))?;
        format::refuse_newer(path, version)?;
        let meta = Meta::read(&connection, path, Doing::Reading)?;
        meta.expect_environment(path, environment)?;
        let (lineage, check) = (meta.lineage.clone(), meta.key_check.clone());
        let vault = Vault::new(keys.clone(), lineage, check, Nonces::Random);
        Ok(Some(Self { path: path.to_owned(), connection, meta, vault }))
    }

    fn codec(&self) -> Codec<'_> {
        Codec { path: &self.path, vault: &self.vault }
    }

    fn each(&self, sql: &str, mut take: impl FnMut(&Row) -> Result<()>) -> Result<()> {
        let failed = |error: rusqlite::Error| Doing::Reading.sqlite(&self.path, &error);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(row)?;
        }
        Ok(())
    }

    fn row<T>(&self, read: rusqlite::Result<T>) -> Result<T> {
        read.map_err(|error| Doing::Reading.sqlite(&self.path, &error))
    }

    /// Everything, with the journal's chain checked.
    pub fn recorded(&self) -> Result<Recorded> {
        let mut recorded = Recorded {
            lineage: self.meta.lineage.clone(),
            serial: self.meta.serial,
            ..Recorded::default()
        };
        for record in self.records("resource")? {
            recorded.records.insert(record.address.clone(), record);
        }
        recorded.deposed = self.records("deposed")?;
        let codec = self.codec();
        self.each("SELECT kind, name, body, hash FROM results", |row| {
            let kind: String = self.row(row.get(0))?;
            let name: String = self.row(row.get(1))?;
            let (body, hash): (Vec<u8>, Vec<u8>) = (self.row(row.get(2))?, self.row(row.get(3))?);
            codec.decode_result(&kind, &name, &body, &hash)?.add_to(&mut recorded, name);
            Ok(())
        })?;
        recorded.unfinished = self.unfinished()?;
        Ok(recorded)
    }

    fn records(&self, table: &str) -> Result<Vec<Record>> {
        let sql =
            format!("SELECT id, address, provider, revision, body, hash FROM {table} ORDER BY id");
        let (codec, mut records) = (self.codec(), Vec::new());
        self.each(&sql, |row| {
            records.push(codec.decode_record(table, &self.row(RecordRow::read(row))?)?);
            Ok(())
        })?;
        Ok(records)
    }

    /// Walks the whole journal, oldest entry first, and checks that it is one unbroken chain.
    fn walk(&self, mut take: impl FnMut(JournalRow) -> Result<()>) -> Result<()> {
        let sql = format!("SELECT {} FROM journal ORDER BY seq", JournalRow::COLUMNS);
        let (codec, mut seq, mut head) = (self.codec(), 0, Vec::new());
        self.each(&sql, |row| {
            let row = self.row(JournalRow::read(row))?;
            seq += 1;
            if row.seq != seq {
                return Err(codec.corrupt(format!("journal entry {seq} is missing")));
            }
            if row.prev_hash != head {
                let what = format!("the journal's chain is broken before entry {seq}");
                return Err(codec.corrupt(what));
            }
            codec.check_journal(&row)?;
            head.clone_from(&row.hash);
            take(row)
        })?;
        if head != self.meta.head {
            return Err(codec.corrupt(format!("the journal ends too early, after entry {seq}")));
        }
        Ok(())
    }

    /// Intents without outcome, folded from the journal; the table that indexes them must say the same.
    fn unfinished(&self) -> Result<Vec<Intent>> {
        let (codec, mut open) = (self.codec(), BTreeMap::new());
        self.walk(|row| {
            match row.kind.as_str() {
                "intent" => drop(open.insert(row.seq, row)),
                "outcome" => {
                    let settled = settled_by(&row).and_then(|intent| open.remove(&intent));
                    if settled.is_none() {
                        let what = format!("journal entry {} settles no open intent", row.seq);
                        return Err(codec.corrupt(what));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let mut indexed = Vec::new();
        self.each("SELECT seq FROM unfinished ORDER BY seq", |row| {
            indexed.push(self.row(row.get::<_, u64>(0))?);
            Ok(())
        })?;
        if !open.keys().eq(&indexed) {
            return Err(codec.corrupt("table unfinished does not fit the journal"));
        }
        open.values().map(|row| codec.decode_intent(row)).collect()
    }

    /// Journal entries after one, with the chain checked from the beginning.
    pub fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let (codec, mut entries) = (self.codec(), Vec::new());
        self.walk(|row| {
            if row.seq > after {
                let seq = row.seq;
                let entry = entry(row);
                let unreadable = || codec.corrupt(format!("journal entry {seq} does not read"));
                entries.push(entry.ok_or_else(unreadable)?);
            }
            Ok(())
        })?;
        Ok(entries)
    }

    /// The lease, if one is held.
    pub fn lease(&self) -> Result<Option<LeaseRow>> {
        let (codec, mut lease) = (self.codec(), None);
        self.each("SELECT body, hash FROM lease", |row| {
            let (body, hash): (Vec<u8>, Vec<u8>) = (self.row(row.get(0))?, self.row(row.get(1))?);
            lease = Some(codec.decode_lease(&body, &hash)?);
            Ok(())
        })?;
        Ok(lease)
    }
}

/// The intent that an outcome is about.
fn settled_by(row: &JournalRow) -> Option<u64> {
    #[derive(Deserialize)]
    struct Settles {
        intent: u64,
    }
    serde_json::from_slice::<Settles>(&row.body).ok().map(|settles| settles.intent)
}

fn entry(row: JournalRow) -> Option<JournalEntry> {
    let address = row.address.as_deref().map(Address::parse).transpose().ok()?;
    Some(JournalEntry {
        sequence: row.seq,
        run: row.run,
        at: row.at,
        kind: row.kind,
        address,
        body: serde_json::from_slice(&row.body).ok()?,
    })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begin = |connection: Connection| {
        connection.busy_timeout(super::BUSY)?;
        // One read transaction; the first SELECT fixes the instant it sees.
        connection.execute_batch("BEGIN; SELECT count(*) FROM meta;")?;
        Ok(connection)
    };
    let opened = Connection::open_with_flags(path, flags).and_then(begin);
    match opened {
        // Without the right to write in the directory SQLite cannot make the index of the write-ahead log. Where
        // there is no such log, nobody is writing, and the file alone is the whole truth.
        Err(_) if !format::with_suffix(path, "-wal").exists() => {
            let uri = immutable_uri(path);
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .and_then(begin)
                .or(opened)
        }
        opened => opened,
    }
}

/// `file:PATH?immutable=1`, with what a URI cannot hold escaped.
fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri + "?immutable=1"
}
