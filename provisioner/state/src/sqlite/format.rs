//! The state file on disk, format 4: its tables, its hashes, its header, how it is made.
//!
//! A state file appears whole or not at all: it is written under another name and then published, so an
//! empty or short one is damage and never "a new environment".

use super::errors::{Doing, corrupt};
use super::meta::Meta;
use super::turn::Turn;
use super::{Access, filesystem};
use crate::error::StateError;
use crate::files;
use crate::keyring::{Keyring, NewWrap};
use crate::keys::KeySource;
use crate::port::Identity;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The format that this program writes.
pub const FORMAT: u32 = 4;
/// SQLite's `application_id` of a state file: "PRVS".
pub const APPLICATION: u32 = 0x5052_5653;

/// Tables that all formats have in common.
const SHARED: [(&str, &str); 6] = [
    (
        "resource",
        "CREATE TABLE resource(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
  revision INTEGER NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    (
        "removed",
        "CREATE TABLE removed(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    (
        "deposed",
        "CREATE TABLE deposed(
  id INTEGER PRIMARY KEY, address TEXT NOT NULL, object TEXT NOT NULL, provider TEXT NOT NULL,
  revision INTEGER NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    (
        "journal",
        "CREATE TABLE journal(
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, address TEXT,
  body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    (
        "unfinished",
        "CREATE TABLE unfinished(seq INTEGER PRIMARY KEY, address TEXT NOT NULL) STRICT",
    ),
    (
        "results",
        "CREATE TABLE results(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL,
  UNIQUE (kind, name)
) STRICT",
    ),
];

const ONLY_1: [(&str, &str); 2] = [
    (
        "meta",
        "CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL, environment TEXT NOT NULL, lineage TEXT NOT NULL, key_check TEXT NOT NULL,
  serial INTEGER NOT NULL, epoch INTEGER NOT NULL, head BLOB NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    (
        "lease",
        "CREATE TABLE lease(id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, hash BLOB NOT NULL) STRICT",
    ),
];

/// Tables since format 2 that format 1 had otherwise or not at all.
pub const ONLY_2: [(&str, &str); 3] = [
    (
        "meta",
        "CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL, environment TEXT NOT NULL, lineage TEXT NOT NULL, key_check TEXT NOT NULL,
  keyring TEXT, serial INTEGER NOT NULL, epoch INTEGER NOT NULL, commits INTEGER NOT NULL,
  head BLOB NOT NULL, tallies BLOB NOT NULL, hash BLOB NOT NULL
) STRICT",
    ),
    // The hash comes before the body, so that it is read without the pages that a long body fills.
    (
        "lease",
        "CREATE TABLE lease(epoch INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL) STRICT",
    ),
    (
        "base",
        "CREATE TABLE base(
  id INTEGER PRIMARY KEY CHECK (id = 1), serial INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT",
    ),
];

/// Whether there is a state file. Only its name is looked at: closing a file gives up every lock that this program
/// has on it, those of SQLite's connections too. Source: fcntl(2) on record locks; SQLite's "how to corrupt", 2.2.
pub fn exists(path: &Path, doing: Doing) -> Result<bool, StateError> {
    match path.metadata() {
        Ok(metadata) if metadata.len() == 0 => Err(corrupt(path, "it is empty")),
        Ok(metadata) if metadata.len() < 100 => {
            Err(corrupt(path, "it is too short for a state file"))
        }
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(doing.io(path, &error)),
    }
}

/// The format of an open file, after a look at its header and at the definitions of its tables.
pub fn identify(connection: &Connection, path: &Path, doing: Doing) -> Result<u32, StateError> {
    let failed = |error: rusqlite::Error| match doing.sqlite(path, &error) {
        StateError::Corrupt { what, .. } => {
            corrupt(path, format!("its header or the definitions of its tables: {what}"))
        }
        other => other,
    };
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    if number("application_id").map_err(failed)? != APPLICATION {
        return Err(corrupt(path, "it is an SQLite file of another program"));
    }
    let format = number("user_version").map_err(failed)?;
    refuse_newer(path, format)?;
    let own: &[_] = if format == 1 { &ONLY_1 } else { &ONLY_2 };
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    for (table, definition) in SHARED.iter().chain(own) {
        let found: Option<String> =
            statement.query_row([table], |row| row.get(0)).optional().map_err(failed)?;
        if found.as_deref() != Some(definition) {
            return Err(corrupt(path, format!("the definition of table {table} was changed")));
        }
    }
    Ok(format)
}

/// Refuses formats that this program does not know.
pub fn refuse_newer(path: &Path, found: u32) -> Result<(), StateError> {
    match found {
        1..=FORMAT => Ok(()),
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
    pub access: &'a Access,
    pub lineage: Option<&'a str>,
    /// Ways into the keyring; a key file and no keyring if there are none.
    pub ways: &'a [NewWrap],
}

/// Makes the environment's keys and its state file. If another program makes it at the same time, that
/// program's file stands.
pub fn create(birth: &Birth) -> Result<(), StateError> {
    let path = birth.path;
    let io = |error: io::Error| Doing::Writing.io(path, &error);
    let lineage = birth.lineage.map_or_else(new_lineage, |lineage| Ok(lineage.to_owned()));
    let lineage = lineage.map_err(io)?;
    // The room is tried before the key is made, so that a refusal leaves nothing behind.
    let mut key_file = None;
    let published = publish(path, |temporary| {
        let (key_check, keyring) = if birth.ways.is_empty() {
            let key = key_file.insert(birth.access.unlock.key_source().create(&lineage)?);
            (key.check_value(), None)
        } else {
            let keyring = Keyring::create(&lineage, birth.ways)?;
            (keyring.origin().to_owned(), Some(keyring.text()))
        };
        let (environment, lineage) = (birth.environment.to_owned(), lineage.clone());
        let meta = Meta::new(Identity { environment, lineage, key_check, keyring });
        write_empty(temporary, &meta).map_err(|error| Doing::Writing.sqlite(path, &error))
    });
    if let Some(key) = key_file
        && !matches!(published, Ok(true))
        && matches!(birth.access.unlock.key_source(), KeySource::Directory(_))
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
    // What is known of a file that had this name before does not hold for this one.
    Turn::forget(path);
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
    connection.execute_batch("BEGIN")?;
    for (_, definition) in SHARED.iter().chain(&ONLY_2) {
        connection.execute_batch(definition)?;
    }
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
