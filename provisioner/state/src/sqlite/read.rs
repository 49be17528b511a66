//! Reading a state file: without a lease, without making anything, checking every hash.

use super::errors::{Doing, corrupt};
use super::meta::{Meta, Table, Tally};
use super::pack::unpacked;
use super::turn::Mark;
use super::{Access, format, migrate};
use crate::error::StateError;
use crate::port::{CheckReport, Dump, JournalEntry};
use crate::rows::{Codec, RawEntry, RecordRow, Walk, row_hash};
use crate::rules::{LeaseRow, ResultRow};
use crate::vault::Vault;
use crate::version::{Base, Version};
use model::record::{Intent, Record, Recorded};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Columns of `journal` that [`entry`] wants. A hash of the entry before is left out where that entry has it.
pub const ENTRY: &str = "seq, run, at, kind, address, body, CASE WHEN length(prev_hash) > 0 THEN prev_hash ELSE
    coalesce((SELECT before.hash FROM journal AS before WHERE before.seq = journal.seq - 1), x'') END, hash";
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
        body: unpacked(row.get(5)?),
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
        body: unpacked(row.get(3)?),
        hash: row.get(4)?,
    })
}

/// All leases, for [`lease`].
pub const LEASES: &str = "SELECT epoch, hash, body FROM lease ORDER BY epoch";
/// More entries than a journal has.
const LAST: u64 = u64::MAX >> 1;

/// Reads `epoch, hash, body` of a lease.
pub fn lease(row: &Row) -> rusqlite::Result<(u64, Vec<u8>, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, unpacked(row.get(2)?)))
}

/// Reads [`RESULTS`].
pub fn result(row: &Row) -> rusqlite::Result<(String, String, Vec<u8>, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

/// What a row of `unfinished` counts as.
pub fn unfinished_hash(sequence: u64, address: &str) -> [u8; 32] {
    row_hash("unfinished", &[&sequence.to_le_bytes(), address.as_bytes()])
}

/// The hash of a row of `removed`.
pub fn removed_hash(address: &str, revision: u64) -> [u8; 32] {
    row_hash("removed", &[address.as_bytes(), &revision.to_le_bytes()])
}

/// Whether a row of `removed` is what was written, or what is wrong.
pub fn check_removed(address: &str, revision: u64, hash: &[u8]) -> Result<(), String> {
    if removed_hash(address, revision) == hash {
        return Ok(());
    }
    Err(format!("`{address}` (table removed) does not match its hash"))
}

/// Where the journal begins.
pub fn base(connection: &Connection, path: &Path) -> Result<Option<Base>> {
    let read = |row: &Row| {
        Ok((
            row.get::<_, u64>(0)?,
            row.get::<_, Vec<u8>>(1)?,
            row.get::<_, Vec<u8>>(2)?,
            row.get::<_, Vec<u8>>(3)?,
        ))
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
    format: u32,
    pub meta: Meta,
    pub vault: Vault,
}

/// What a check found.
#[derive(Default)]
struct Findings(RefCell<Vec<String>>);

impl Findings {
    /// Damage is a finding; whatever else goes wrong (a missing key, say) ends the check.
    fn note(&self, found: Result<()>) -> Result<()> {
        match found {
            Err(StateError::Corrupt { what, .. }) => self.add(what),
            other => return other,
        }
        Ok(())
    }

    /// What is sound is kept, damage is a finding.
    fn sound<T>(&self, found: Result<T>, keep: impl FnOnce(T)) -> Result<()> {
        self.note(found.map(keep))
    }

    fn add(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }
}

/// Takes the rows of a table one by one; what is wrong with one of them need not be the end.
type Take<'a, T> = &'a mut dyn FnMut(Result<T>) -> Result<()>;

/// Every fault ends the reading.
fn keep<T>(into: &mut Vec<T>) -> impl FnMut(Result<T>) -> Result<()> {
    |item| {
        into.push(item?);
        Ok(())
    }
}

impl Reader {
    /// Opens it; none if there is no state file yet.
    pub fn open(path: &Path, environment: &str, access: &Access) -> Result<Option<Self>> {
        // Before the file: what is written in between is not missed then.
        let mark = Mark::read(path);
        if !format::exists(path, Doing::Reading)? {
            return Ok(None);
        }
        let connection = connect(path).map_err(|error| Doing::Reading.sqlite(path, &error))?;
        let format = format::identify(&connection, path, Doing::Reading)?;
        let meta = Meta::read(&connection, path, Doing::Reading, format)?;
        meta.expect_environment(path, environment)?;
        mark.map_or(Ok(()), |mark| mark.refuse_older(&meta, path))?;
        let vault = access.vault(&meta);
        let place = path.display().to_string();
        Ok(Some(Self { path: path.to_owned(), place, connection, format, meta, vault }))
    }

    fn codec(&self) -> Codec<'_> {
        Codec { place: &self.place, vault: &self.vault }
    }

    fn each(&self, table: &str, sql: &str, mut take: impl FnMut(&Row) -> Result<()>) -> Result<()> {
        let failed = |error: rusqlite::Error| self.in_table(table, &error);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(row)?;
        }
        Ok(())
    }

    /// An error of SQLite's, with the table where it came up.
    fn in_table(&self, table: &str, error: &rusqlite::Error) -> StateError {
        match Doing::Reading.sqlite(&self.path, error) {
            StateError::Corrupt { what, .. } => {
                corrupt(&self.path, format!("table {table}: {what}"))
            }
            other => other,
        }
    }

    fn row<T>(&self, table: &str, read: rusqlite::Result<T>) -> Result<T> {
        read.map_err(|error| self.in_table(table, &error))
    }

    /// Gives every row of a table, with its hash, and then looks whether all rows are there.
    fn scan<T>(
        &self,
        table: Table,
        sql: &str,
        read: impl Fn(&Row) -> Result<(Vec<u8>, Result<T>)>,
        take: Take<T>,
    ) -> Result<()> {
        let mut tally = Tally::default();
        self.each(table.name(), sql, |row| match read(row) {
            Ok((hash, item)) => {
                tally.add(&hash);
                take(item)
            }
            Err(error) => take(Err(error)),
        })?;
        let expected = self.meta.tallies.of(table);
        if self.format == 1 || tally == *expected {
            return Ok(());
        }
        let (name, rows, wanted) = (table.name(), tally.rows, expected.rows);
        take(Err(corrupt(
            &self.path,
            if rows == wanted {
                format!("table {name}: a row is not the one that was written")
            } else {
                format!("table {name}: it has {rows} rows, and {wanted} were written")
            },
        )))
    }

    fn records(&self, table: Table, take: Take<Record>) -> Result<()> {
        let sql = format!("SELECT {RECORD} FROM {} ORDER BY id", table.name());
        let codec = self.codec();
        let read = |row: &Row| {
            let row = self.row(table.name(), record(row))?;
            let decoded = codec.decode_record(table.name(), &row);
            Ok((row.hash, decoded))
        };
        self.scan(table, &sql, read, take)
    }

    fn removed(&self, take: Take<(String, u64)>) -> Result<()> {
        let sql = "SELECT address, revision, hash FROM removed ORDER BY id";
        let read = |row: &Row| {
            let columns = (row.get(0), row.get(1), row.get(2));
            let address: String = self.row("removed", columns.0)?;
            let revision: u64 = self.row("removed", columns.1)?;
            let hash: Vec<u8> = self.row("removed", columns.2)?;
            let fits =
                check_removed(&address, revision, &hash).map_err(|what| corrupt(&self.path, what));
            Ok((hash, fits.map(|()| (address, revision))))
        };
        self.scan(Table::Removed, sql, read, take)
    }

    fn results(&self, take: Take<(String, ResultRow)>) -> Result<()> {
        let codec = self.codec();
        let read = |row: &Row| {
            let (kind, name, body, hash) = self.row("results", result(row))?;
            let decoded = codec.decode_result(&kind, &name, &body, &hash);
            Ok((hash, decoded.map(|row| (name, row))))
        };
        self.scan(Table::Results, RESULTS, read, take)
    }

    fn unfinished(&self, take: Take<Intent>) -> Result<()> {
        let sql = "SELECT seq, address FROM unfinished ORDER BY seq";
        let read = |row: &Row| {
            let sequence = self.row("unfinished", row.get(0))?;
            let address: String = self.row("unfinished", row.get(1))?;
            Ok((unfinished_hash(sequence, &address).to_vec(), self.intent(sequence, &address)))
        };
        self.scan(Table::Unfinished, sql, read, take)
    }

    fn intent(&self, sequence: u64, address: &str) -> Result<Intent> {
        let raw = self.raw_entry(sequence)?;
        let missing = || corrupt(&self.path, format!("journal entry {sequence} is missing"));
        let intent = self.codec().decode_intent(&raw.ok_or_else(missing)?)?;
        if intent.address.to_string() == address {
            return Ok(intent);
        }
        Err(corrupt(
            &self.path,
            format!("table unfinished: entry {sequence} is not of `{address}`"),
        ))
    }

    fn base(&self) -> Result<Option<Base>> {
        // In format 1 a journal was whole.
        if self.format == 1 { Ok(None) } else { base(&self.connection, &self.path) }
    }

    fn raw_entry(&self, sequence: u64) -> Result<Option<RawEntry>> {
        let sql = format!("SELECT {ENTRY} FROM journal WHERE seq = ?");
        let read = self.connection.query_row(&sql, [sequence], entry).optional();
        self.row("journal", read)
    }

    /// All leases.
    pub fn leases(&self) -> Result<Vec<LeaseRow>> {
        if self.format == 1 {
            return migrate::leases_1(&self.connection, &self.path, Doing::Reading);
        }
        let codec = self.codec();
        let read = |row: &Row| {
            let (epoch, hash, body) = self.row("lease", lease(row))?;
            let decoded = codec.decode_lease(epoch, &body, &hash);
            Ok((hash, decoded))
        };
        let mut leases = Vec::new();
        self.scan(Table::Lease, LEASES, read, &mut keep(&mut leases))?;
        Ok(leases)
    }

    /// Everything. Costs as much as there are records: of the journal only the last entry and the open intents are
    /// looked at; [`Reader::check`] walks all of it.
    pub fn recorded(&self) -> Result<Recorded> {
        let mut recorded = Recorded {
            lineage: self.meta.lineage.clone(),
            serial: self.meta.serial,
            ..Recorded::default()
        };
        self.records(Table::Resource, &mut |record| {
            let record = record?;
            let twice = format!("table resource: `{}` is there twice", record.address);
            match recorded.records.insert(record.address.clone(), record) {
                None => Ok(()),
                Some(_) => Err(corrupt(&self.path, twice)),
            }
        })?;
        self.records(Table::Deposed, &mut keep(&mut recorded.deposed))?;
        self.results(&mut |result| {
            let (name, row) = result?;
            row.add_to(&mut recorded, name);
            Ok(())
        })?;
        self.unfinished(&mut keep(&mut recorded.unfinished))?;
        // What is not given must be whole all the same: a plan relies on the revisions of what is gone.
        self.removed(&mut |row| row.map(drop))?;
        if self.format == 1 {
            // It has no tallies; its journal tells whether something is missing.
            let (version, head) = self.walk(LAST, drop)?;
            self.expect_end(version.serial, &head)?;
            if version.unfinished.len() != recorded.unfinished.len() {
                return Err(corrupt(&self.path, "table unfinished does not fit the journal"));
            }
        } else {
            let end = self.last_entry()?;
            self.expect_end(end.0, &end.1)?;
        }
        Ok(recorded)
    }

    /// Sequence and hash of the last entry.
    fn last_entry(&self) -> Result<(u64, Vec<u8>)> {
        let sql = format!("SELECT {ENTRY} FROM journal ORDER BY seq DESC LIMIT 1");
        let last = self.row("journal", self.connection.query_row(&sql, [], entry).optional())?;
        if let Some(raw) = last {
            self.codec().check_entry(&raw)?;
            return Ok((raw.sequence, raw.hash));
        }
        let base = self.base()?;
        Ok(base.map(|base| (base.serial, base.head)).unwrap_or_default())
    }

    fn expect_end(&self, serial: u64, head: &[u8]) -> Result<()> {
        if serial == self.meta.serial && head == self.meta.head {
            return Ok(());
        }
        Err(corrupt(
            &self.path,
            if serial < self.meta.serial {
                format!("the journal ends too early, after entry {serial}")
            } else {
                format!("the journal's last entry, {serial}, is not the one that was written")
            },
        ))
    }

    /// Walks the journal up to and with entry `until`, and gives what it folds to.
    fn walk(&self, until: u64, mut take: impl FnMut(RawEntry)) -> Result<(Version, Vec<u8>)> {
        let mut walk = Walk::new(self.codec(), self.base()?.as_ref())?;
        let sql = format!("SELECT {ENTRY} FROM journal WHERE seq <= {until} ORDER BY seq");
        self.each("journal", &sql, |row| {
            let raw = self.row("journal", entry(row))?;
            walk.step(&raw)?;
            take(raw);
            Ok(())
        })?;
        let head = walk.head().to_vec();
        Ok((walk.version, head))
    }

    /// The version after a journal entry.
    pub fn version(&self, serial: u64) -> Result<Version> {
        let first = self.base()?.map_or(0, |base| base.serial);
        let last = self.meta.serial;
        if serial < first || serial > last {
            return Err(StateError::NoVersion { serial, first, last });
        }
        let version = self.walk(serial, drop)?.0;
        if version.serial == serial {
            return Ok(version);
        }
        let missing = version.serial + 1;
        Err(corrupt(&self.path, format!("journal entry {missing} is missing")))
    }

    /// Looks at everything: pages, rows, the journal, and that both tell the same.
    pub fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let findings = Findings::default();
        let mut seen = Recorded {
            lineage: self.meta.lineage.clone(),
            serial: self.meta.serial,
            ..Recorded::default()
        };
        let mut removed = BTreeMap::new();
        findings.note(self.pages(&findings))?;
        findings.note(self.records(Table::Resource, &mut |record| {
            report.records += 1;
            findings.sound(record, |record| {
                seen.records.insert(record.address.clone(), record);
            })
        }))?;
        findings.note(self.records(Table::Deposed, &mut |record| {
            findings.sound(record, |record| seen.deposed.push(record))
        }))?;
        findings.note(self.removed(&mut |row| {
            findings.sound(row, |(address, revision)| {
                removed.insert(address, revision);
            })
        }))?;
        findings.note(self.results(&mut |result| {
            findings.sound(result, |(name, row)| row.add_to(&mut seen, name))
        }))?;
        findings.note(self.unfinished(&mut |intent| {
            findings.sound(intent, |intent| seen.unfinished.push(intent))
        }))?;
        findings.note(self.leases().map(drop))?;
        report.entries = self.check_journal(&findings, &seen, &removed)?;
        report.findings = findings.0.into_inner();
        Ok(report)
    }

    /// Whether the journal is one chain that folds to what was read from the tables; how many entries it has.
    fn check_journal(
        &self,
        findings: &Findings,
        seen: &Recorded,
        removed: &BTreeMap<String, u64>,
    ) -> Result<u64> {
        let rows_are_sound = findings.0.borrow().is_empty();
        let mut entries = 0;
        let told = self.walk(LAST, |_| entries += 1).and_then(|(version, head)| {
            self.expect_end(version.serial, &head)?;
            Ok(version)
        });
        let place = &self.place;
        match told {
            Ok(version) if rows_are_sound => {
                let gone = version.removed.iter();
                let gone = gone.map(|(address, revision)| (address.to_string(), *revision));
                let same = gone.collect::<BTreeMap<_, _>>() == *removed;
                if !same || version.into_recorded(self.meta.lineage.clone()) != *seen {
                    findings.add("the journal tells another state than the tables");
                }
            }
            Ok(version) => findings.add(format!(
                "what to do: the journal is whole, and its version {serial} is all that was recorded: \
                 `state export --at {serial} -o FILE` writes it, and when {place} is out of the way \
                 `state import FILE` records it anew; or put a good copy in its place",
                serial = version.serial
            )),
            Err(error) => {
                findings.note(Err(error))?;
                let rest = if rows_are_sound { "; only history is damaged" } else { "" };
                findings.add(format!("what to do: put a good copy of {place} in its place{rest}"));
            }
        }
        Ok(entries)
    }

    /// What SQLite says about pages and indexes.
    fn pages(&self, findings: &Findings) -> Result<()> {
        self.each("sqlite_schema", "PRAGMA integrity_check", |row| {
            let found: String = self.row("sqlite_schema", row.get(0))?;
            if found != "ok" {
                findings.add(format!("pages: {}", found.replace('\n', "; ")));
            }
            Ok(())
        })
    }

    /// Everything, for another store.
    pub fn dump(&self) -> Result<Dump> {
        let mut journal = Vec::new();
        let (version, head) = self.walk(LAST, |raw| journal.push(raw))?;
        self.expect_end(version.serial, &head)?;
        let base = self.base()?;
        Ok(Dump { identity: self.meta.identity(), epoch: self.meta.epoch, base, journal })
    }

    /// Journal entries after one.
    pub fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let first = self.base()?.map_or(0, |base| base.serial);
        let sql = format!("SELECT {ENTRY} FROM journal WHERE seq > {after} ORDER BY seq");
        let (codec, mut entries, mut next) = (self.codec(), Vec::new(), after.max(first) + 1);
        self.each("journal", &sql, |row| {
            let raw = self.row("journal", entry(row))?;
            if raw.sequence != next {
                return Err(codec.corrupt(format!("journal entry {next} is missing")));
            }
            next += 1;
            entries.push(codec.sealed_entry(&raw)?);
            Ok(())
        })?;
        if next <= self.meta.serial {
            return Err(codec.corrupt(format!("journal entry {next} is missing")));
        }
        Ok(entries)
    }
}

pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begin = |connection: Connection| {
        connection.busy_timeout(super::BUSY)?;
        // One read transaction; the first SELECT fixes the instant it sees.
        connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
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
