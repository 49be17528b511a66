//! Reading a state file: without a lease, without making anything, checking every hash.

use super::errors::{Doing, corrupt};
use super::format::{self, Meta};
use crate::error::StateError;
use crate::keys::KeySource;
use crate::port::{CheckReport, Dump, JournalEntry};
use crate::rows::{Codec, RawEntry, RecordRow, Walk, row_hash};
use crate::rules::LeaseRow;
use crate::seal::Nonces;
use crate::vault::Vault;
use crate::version::{Base, Version};
use model::record::{Intent, Record, Recorded};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};
use std::path::{Path, PathBuf};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Columns of `journal` that [`entry`] wants.
pub const ENTRY: &str = "seq, run, at, kind, address, body, prev_hash, hash";
/// Columns of `resource` and `deposed` that [`record`] wants.
pub const RECORD: &str = "address, provider, revision, body, hash";
/// All results, for [`result`].
pub const RESULTS: &str = "SELECT kind, name, body, hash FROM results ORDER BY id";

/// Reads [`ENTRY`].
pub fn entry(row: &Row) -> rusqlite::Result<RawEntry> {
    Ok(RawEntry {
        sequence: row.get(0)?,
        run: row.get(1)?,
        at: row.get(2)?,
        kind: row.get(3)?,
        address: row.get(4)?,
        body: row.get(5)?,
        prev_hash: row.get(6)?,
        hash: row.get(7)?,
    })
}

/// Reads [`RECORD`].
pub fn record(row: &Row) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow {
        address: row.get(0)?,
        provider: row.get(1)?,
        revision: row.get(2)?,
        body: row.get(3)?,
        hash: row.get(4)?,
    })
}

/// Reads `epoch, body, hash` of a lease.
pub fn lease(row: &Row) -> rusqlite::Result<(u64, Vec<u8>, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Reads [`RESULTS`].
pub fn result(row: &Row) -> rusqlite::Result<(String, String, Vec<u8>, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

/// Where the journal begins.
pub fn base(connection: &Connection, path: &Path) -> Result<Option<Base>> {
    let read = |row: &Row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?))
    };
    let row = connection
        .query_row("SELECT serial, head, body, hash FROM base", [], read)
        .optional()
        .map_err(|error| Doing::Reading.sqlite(path, &error))?;
    let Some((serial, head, body, hash)) = row else { return Ok(None) };
    if hash != row_hash("base", &[&serial.to_le_bytes(), &head, &body]) {
        return Err(corrupt(path, "the journal's base (table base) does not match its hash"));
    }
    let body = serde_json::from_slice(&body)
        .map_err(|error| corrupt(path, format!("the journal's base does not read: {error}")))?;
    Ok(Some(Base { serial, head, body }))
}

/// A state file opened for reading; every question sees the same instant.
pub struct Reader {
    path: PathBuf,
    place: String,
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
        let place = path.display().to_string();
        Ok(Some(Self { path: path.to_owned(), place, connection, meta, vault }))
    }

    fn codec(&self) -> Codec<'_> {
        Codec { place: &self.place, vault: &self.vault }
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

    /// Everything. Every row's hash is checked; the journal's chain only where [`Reader::check`] walks it.
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
        self.each(RESULTS, |row| {
            let (kind, name, body, hash) = self.row(result(row))?;
            codec.decode_result(&kind, &name, &body, &hash)?.add_to(&mut recorded, name);
            Ok(())
        })?;
        recorded.unfinished = self.unfinished()?;
        Ok(recorded)
    }

    fn records(&self, table: &str) -> Result<Vec<Record>> {
        let sql = format!("SELECT {RECORD} FROM {table} ORDER BY id");
        let (codec, mut records) = (self.codec(), Vec::new());
        self.each(&sql, |row| {
            records.push(codec.decode_record(table, &self.row(record(row))?)?);
            Ok(())
        })?;
        Ok(records)
    }

    fn unfinished(&self) -> Result<Vec<Intent>> {
        let columns = ENTRY.replace("seq", "unfinished.seq");
        let columns = columns.replace(" address", " unfinished.address");
        let sql = format!(
            "SELECT {columns} FROM unfinished LEFT JOIN journal USING (seq) ORDER BY unfinished.seq"
        );
        let (codec, mut intents) = (self.codec(), Vec::new());
        self.each(&sql, |row| {
            intents.push(codec.decode_intent(&self.row(entry(row))?)?);
            Ok(())
        })?;
        Ok(intents)
    }

    /// Walks the journal up to and with entry `until`, and gives what it folds to.
    fn walk(&self, until: u64, mut take: impl FnMut(RawEntry)) -> Result<(Version, Vec<u8>)> {
        let mut walk = Walk::new(self.codec(), base(&self.connection, &self.path)?.as_ref())?;
        let sql = format!("SELECT {ENTRY} FROM journal WHERE seq <= {until} ORDER BY seq");
        self.each(&sql, |row| {
            let raw = self.row(entry(row))?;
            walk.step(&raw)?;
            take(raw);
            Ok(())
        })?;
        let head = walk.head().to_vec();
        Ok((walk.version, head))
    }

    /// The version after a journal entry.
    pub fn version(&self, serial: u64) -> Result<Version> {
        let first = base(&self.connection, &self.path)?.map_or(0, |base| base.serial);
        let last = self.meta.serial;
        if serial < first || serial > last {
            return Err(StateError::NoVersion { serial, first, last });
        }
        Ok(self.walk(serial, drop)?.0)
    }

    /// Looks at everything.
    pub fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let mut findings = Vec::new();
        let integrity = "PRAGMA integrity_check";
        self.each(integrity, |row| {
            let found: String = self.row(row.get(0))?;
            if found != "ok" {
                findings.push(found);
            }
            Ok(())
        })?;
        let folded = self.walk(u64::MAX >> 1, |_| report.entries += 1);
        match (folded, self.recorded()) {
            (Ok((version, head)), Ok(recorded)) => {
                report.records = recorded.records.len() as u64;
                if version.serial != self.meta.serial || head != self.meta.head {
                    let last = version.serial;
                    findings.push(format!("the journal ends too early, after entry {last}"));
                } else if version.into_recorded(self.meta.lineage.clone()) != recorded {
                    findings.push("the journal tells another state than the tables".to_owned());
                }
            }
            (folded, recorded) => {
                findings.extend(folded.err().map(|error| error.to_string()));
                findings.extend(recorded.err().map(|error| error.to_string()));
            }
        }
        report.findings = findings;
        Ok(report)
    }

    /// Everything, for another store.
    pub fn dump(&self) -> Result<Dump> {
        let mut journal = Vec::new();
        self.walk(u64::MAX >> 1, |raw| journal.push(raw))?;
        let base = base(&self.connection, &self.path)?;
        Ok(Dump { identity: self.meta.identity(), epoch: self.meta.epoch, base, journal })
    }

    /// Journal entries after one.
    pub fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let sql = format!("SELECT {ENTRY} FROM journal WHERE seq > {after} ORDER BY seq");
        let (codec, mut entries) = (self.codec(), Vec::new());
        self.each(&sql, |row| {
            entries.push(codec.sealed_entry(&self.row(entry(row))?)?);
            Ok(())
        })?;
        Ok(entries)
    }

    /// All leases.
    pub fn leases(&self) -> Result<Vec<LeaseRow>> {
        let (codec, mut leases) = (self.codec(), Vec::new());
        self.each("SELECT epoch, body, hash FROM lease ORDER BY epoch", |row| {
            let (epoch, body, hash) = self.row(lease(row))?;
            leases.push(codec.decode_lease(epoch, &body, &hash)?);
            Ok(())
        })?;
        Ok(leases)
    }
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
