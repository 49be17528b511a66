//! The state file on disk, format 2: its tables, its hashes, its header, how it is made.
//!
//! A state file appears whole or not at all: it is written under another name and then published, so an
//! empty or short one is damage and never "a new environment".

use super::errors::{Doing, corrupt};
use super::filesystem;
use crate::error::StateError;
use crate::files;
use crate::keys::KeySource;
use crate::port::Identity;
use crate::rows::row_hash;
use rusqlite::{Connection, OpenFlags, params};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The format that this program writes.
pub const FORMAT: u32 = 2;
/// SQLite's `application_id` of a state file: "PRVS".
pub const APPLICATION: u32 = 0x5052_5653;

pub const TABLES: &str = "
CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL, environment TEXT NOT NULL, lineage TEXT NOT NULL, key_check TEXT NOT NULL,
  keyring TEXT, serial INTEGER NOT NULL, epoch INTEGER NOT NULL, head BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE resource(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
  revision INTEGER NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE removed(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE deposed(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL, object TEXT NOT NULL, provider TEXT NOT NULL,
  revision INTEGER NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE journal(
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, address TEXT,
  body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE unfinished(seq INTEGER PRIMARY KEY, address TEXT NOT NULL) STRICT;
CREATE TABLE lease(epoch INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE base(
  id INTEGER PRIMARY KEY CHECK (id = 1), serial INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE results(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL,
  UNIQUE (kind, name)
) STRICT;
";

/// What `meta` says about the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub environment: String,
    pub lineage: String,
    pub key_check: String,
    pub keyring: Option<String>,
    pub serial: u64,
    pub epoch: u64,
    /// Hash of the journal's last entry; empty when there is none.
    pub head: Vec<u8>,
}

impl Meta {
    fn hash(&self) -> [u8; 32] {
        let columns = [
            &FORMAT.to_le_bytes()[..],
            self.environment.as_bytes(),
            self.lineage.as_bytes(),
            self.key_check.as_bytes(),
            &[u8::from(self.keyring.is_some())],
            self.keyring.as_deref().unwrap_or_default().as_bytes(),
            &self.serial.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            &self.head,
        ];
        row_hash("meta", &columns)
    }

    pub fn read(connection: &Connection, path: &Path, doing: Doing) -> Result<Self, StateError> {
        let sql = "SELECT environment, lineage, key_check, keyring, serial, epoch, head, hash FROM meta";
        let read = |row: &rusqlite::Row| {
            let meta = Self {
                environment: row.get(0)?,
                lineage: row.get(1)?,
                key_check: row.get(2)?,
                keyring: row.get(3)?,
                serial: row.get(4)?,
                epoch: row.get(5)?,
                head: row.get(6)?,
            };
            Ok((meta, row.get::<_, Vec<u8>>(7)?))
        };
        let (meta, hash) = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], read))
            .map_err(|error| doing.sqlite(path, &error))?;
        if hash != meta.hash() {
            return Err(corrupt(path, "the row of table meta does not match its hash"));
        }
        Ok(meta)
    }

    pub fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO meta(id, format, environment, lineage, key_check, keyring, serial, epoch, head, hash)
            VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let Self { environment, lineage, key_check, keyring, serial, epoch, head } = self;
        let hash = self.hash();
        let row =
            params![FORMAT, environment, lineage, key_check, keyring, serial, epoch, head, hash];
        connection.prepare_cached(sql)?.execute(row).map(drop)
    }

    /// What the environment is.
    pub fn identity(&self) -> Identity {
        Identity {
            environment: self.environment.clone(),
            lineage: self.lineage.clone(),
            key_check: self.key_check.clone(),
            keyring: self.keyring.clone(),
        }
    }

    /// Refuses the state of another environment.
    pub fn expect_environment(&self, path: &Path, wanted: &str) -> Result<(), StateError> {
        if self.environment == wanted {
            return Ok(());
        }
        Err(StateError::Foreign {
            path: path.display().to_string(),
            found: self.environment.clone(),
            wanted: wanted.to_owned(),
        })
    }
}

/// Whether there is a state file, after a look at its first bytes. Source: SQLite's file format, section 1.3.
pub fn inspect(path: &Path, doing: Doing) -> Result<bool, StateError> {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let what = if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                "it is empty"
            } else {
                "it is too short for a state file"
            };
            return Err(corrupt(path, what));
        }
        Err(error) => return Err(doing.io(path, &error)),
    }
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(corrupt(path, "it is not a state file"));
    }
    if number(68) != APPLICATION {
        return Err(corrupt(path, "it is an SQLite file of another program"));
    }
    refuse_newer(path, number(60))?;
    Ok(true)
}

/// Refuses formats that this program does not know.
pub fn refuse_newer(path: &Path, found: u32) -> Result<(), StateError> {
    match found {
        FORMAT => Ok(()),
        0 => Err(corrupt(path, "its format version is missing")),
        _ => {
            let path = path.display().to_string();
            Err(StateError::Newer { path, found, known: FORMAT })
        }
    }
}

/// What a new state file is made with.
pub struct Birth<'a> {
    pub path: &'a Path,
    pub environment: &'a str,
    pub keys: &'a KeySource,
    pub lineage: Option<&'a str>,
}

/// Makes the environment's key and its state file. If another program makes it at the same time, that
/// program's file stands.
pub fn create(birth: &Birth) -> Result<(), StateError> {
    let path = birth.path;
    let io = |error: io::Error| Doing::Writing.io(path, &error);
    let lineage = birth.lineage.map_or_else(new_lineage, |lineage| Ok(lineage.to_owned()));
    let lineage = lineage.map_err(io)?;
    // The room is tried before the key is made, so that a refusal leaves nothing behind.
    let mut key = None;
    let published = publish(path, |temporary| {
        let key = key.insert(birth.keys.create(&lineage)?);
        let meta = Meta {
            environment: birth.environment.to_owned(),
            lineage: lineage.clone(),
            key_check: key.check_value(),
            keyring: None,
            serial: 0,
            epoch: 0,
            head: Vec::new(),
        };
        write_empty(temporary, &meta).map_err(|error| Doing::Writing.sqlite(path, &error))
    });
    if let Some(key) = key
        && !matches!(published, Ok(true))
        && matches!(birth.keys, KeySource::Directory(_))
    {
        // A key of a lineage that never came to be.
        let _ = std::fs::remove_file(key.path());
    }
    published.map(drop)
}

/// Makes a state file under another name, lets `fill` write it, and gives it its own name; whether that
/// was still free.
pub fn publish(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StateError>,
) -> Result<bool, StateError> {
    filesystem::refuse_unfit(path)?;
    let io = |error: io::Error| Doing::Writing.io(path, &error);
    files::make_directory(files::directory_of(path), false).map_err(io)?;
    let temporary = files::beside(path).map_err(io)?;
    let made = File::create_new(&temporary)
        .map_err(io)
        .and_then(|_| fill(&temporary))
        .and_then(|()| File::open(&temporary).and_then(|file| file.sync_all()).map_err(io))
        .and_then(|()| match files::publish_new(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            published => published.map(|()| true).map_err(io),
        });
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // Most of these do not exist; a leftover is harmless and hidden.
        let _ = std::fs::remove_file(with_suffix(&temporary, suffix));
    }
    made
}

fn new_lineage() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(model::digest::hex(&random))
}

/// A new state file with nothing recorded.
pub fn write_empty(path: &Path, meta: &Meta) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.execute_batch(&format!("BEGIN; {TABLES}"))?;
    meta.write(&connection)?;
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)
}

/// `state.sqlite` and `-wal` make `state.sqlite-wal`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
