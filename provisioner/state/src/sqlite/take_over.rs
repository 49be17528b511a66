//! An environment that comes from another store: its file is made whole, with the history, and then published.
//!
//! Invariant: the journal is walked before anything is made, so that what is damaged is not copied.

use super::errors::Doing;
use super::meta::Meta;
use super::tables::{Present, SqlTables, insert_entry};
use super::{Access, format};
use crate::error::StateError;
use crate::image::Image;
use crate::port::Dump;
use crate::rows::{Codec, row_hash};
use crate::rules::{ResultRow, Tables as _};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;
use std::sync::Arc;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Makes the state file from a dump.
pub fn take_over(path: &Path, access: &Access, dump: Dump, now: Timestamp) -> Result<()> {
    let place = path.display().to_string();
    if format::exists(path, Doing::Writing)? {
        return Err(StateError::Exists { environment: dump.identity.environment, place });
    }
    let vault = Arc::new(access.vault(&Meta::new(dump.identity.clone())));
    let codec = Codec { place: &place, vault: &vault };
    let image = Image::from_dump(dump, codec)?;
    let ours = format::publish(path, |temporary| {
        let mut present = Present { meta: meta(&image), vault: vault.clone(), lease: None };
        format::write_empty(temporary, &present.meta)
            .map_err(|error| Doing::Writing.sqlite(path, &error))?;
        fill(temporary, &image, &mut present, access, now)
    })?;
    if ours {
        return Ok(());
    }
    Err(StateError::Exists {
        environment: image.identity.environment,
        place: codec.place.to_owned(),
    })
}

fn meta(image: &Image) -> Meta {
    Meta {
        serial: image.version.serial,
        epoch: image.epoch,
        head: image.head(),
        ..Meta::new(image.identity.clone())
    }
}

fn fill(
    path: &Path,
    image: &Image,
    present: &mut Present,
    access: &Access,
    now: Timestamp,
) -> Result<()> {
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
    for raw in &image.journal {
        insert_entry(&transaction, raw).map_err(failed)?;
    }
    let place = &path.to_string_lossy();
    let connection_now = &transaction;
    let mut tables = SqlTables { connection: connection_now, present, access, path, place, now };
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
    present.meta.write(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}
