//! An environment that comes from another store: its file is made whole, with the history, and then published.
//!
//! Invariant: the journal is walked before anything is made, so that what is damaged is not copied.

use super::errors::Doing;
use super::format::{self, Meta};
use super::read;
use super::tables::SqlTables;
use crate::error::StateError;
use crate::image::Image;
use crate::keys::KeySource;
use crate::port::Dump;
use crate::rows::{Codec, RawEntry, row_hash};
use crate::rules::{ResultRow, Tables as _};
use crate::seal::Nonces;
use crate::vault::Vault;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Makes the state file from a dump.
pub fn take_over(path: &Path, keys: &KeySource, dump: Dump, now: Timestamp) -> Result<()> {
    let place = path.display().to_string();
    if format::inspect(path, Doing::Writing)? {
        return Err(StateError::Exists { environment: dump.identity.environment, place });
    }
    let identity = &dump.identity;
    let vault = Vault::new(
        keys.clone(),
        identity.lineage.clone(),
        identity.key_check.clone(),
        Nonces::Random,
    );
    let codec = Codec { place: &place, vault: &vault };
    let image = Image::from_dump(dump, codec)?;
    let ours = format::publish(path, |temporary| {
        format::write_empty(temporary, &meta(&image))
            .map_err(|error| Doing::Writing.sqlite(path, &error))?;
        fill(temporary, &image, codec, now)
    })?;
    if ours {
        return Ok(());
    }
    Err(StateError::Exists { environment: image.identity.environment, place: codec.place.to_owned() })
}

fn meta(image: &Image) -> Meta {
    let identity = image.identity.clone();
    Meta {
        environment: identity.environment,
        lineage: identity.lineage,
        key_check: identity.key_check,
        keyring: identity.keyring,
        serial: image.version.serial,
        epoch: image.epoch,
        head: image.head(),
    }
}

fn fill(path: &Path, image: &Image, codec: Codec, now: Timestamp) -> Result<()> {
    let failed = |error: rusqlite::Error| Doing::Writing.sqlite(path, &error);
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    if let Some(base) = &image.base {
        let body = base.body.to_string().into_bytes();
        let hash = row_hash("base", &[&base.serial.to_le_bytes(), &base.head, &body]);
        let sql = "INSERT INTO base(id, serial, head, body, hash) VALUES (1, ?, ?, ?, ?)";
        transaction.execute(sql, params![base.serial, base.head, body, hash]).map_err(failed)?;
    }
    let sql = format!("INSERT INTO journal({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", read::ENTRY);
    for raw in &image.journal {
        let RawEntry { sequence, run, at, kind, address, body, prev_hash, hash } = raw;
        let row = params![sequence, run, at, kind, address, body, prev_hash, hash];
        let mut statement = transaction.prepare_cached(&sql).map_err(failed)?;
        statement.execute(row).map_err(failed)?;
    }
    let mut tables = SqlTables::new(&transaction, codec, path, now);
    for record in image.version.records.values() {
        tables.put_record(record)?;
    }
    for record in &image.version.deposed {
        tables.add_deposed(record)?;
    }
    for (address, revision) in &image.version.removed {
        tables.put_removed(address, *revision)?;
    }
    for (name, row) in ResultRow::all_of(&image.version) {
        tables.put_result(&name, &row)?;
    }
    for (sequence, intent) in &image.version.unfinished {
        tables.set_unfinished(*sequence, &intent.address, true)?;
    }
    transaction.commit().map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}
