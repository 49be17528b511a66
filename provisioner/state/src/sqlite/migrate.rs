//! From an older format to today's, inside the transaction of the first write: a crash leaves one or the other.
//!
//! Records, journal and results stay as they are, byte for byte: rows of formats 2 and 3 are legal in format 4. `meta` is made anew, and
//! where it is of format 1, `lease`.

use super::errors::{Doing, corrupt};
use super::format::{FORMAT, ONLY_2};
use super::meta::{Meta, Table, Tallies};
use super::read;
use crate::error::StateError;
use crate::holder::Holder;
use crate::port::LeaseInfo;
use crate::rows::{Codec, row_hash};
use crate::rules::{LEASE_SECONDS, LeaseRow};
use rusqlite::{Connection, Row, params};
use serde::Deserialize;
use std::path::Path;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// A lease as format 1 kept it: of the whole environment, and always as long as usual.
#[derive(Deserialize)]
struct Lease1 {
    info: LeaseInfo,
    holder: Holder,
}

/// The lease in a file of format 1, after a look at its hash.
pub fn leases_1(connection: &Connection, path: &Path, doing: Doing) -> Result<Vec<LeaseRow>> {
    let failed = |error: rusqlite::Error| doing.sqlite(path, &error);
    let mut statement = connection.prepare("SELECT body, hash FROM lease").map_err(failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .map_err(failed)?;
    let mut leases = Vec::new();
    for row in rows {
        let (body, hash) = row.map_err(failed)?;
        if row_hash("lease", &[&body]) != hash.as_slice() {
            return Err(corrupt(path, "the lease (table lease) does not match its hash"));
        }
        let Lease1 { info, holder } = serde_json::from_slice(&body)
            .map_err(|error| corrupt(path, format!("the lease does not read: {error}")))?;
        leases.push(LeaseRow { info, holder, seconds: LEASE_SECONDS });
    }
    Ok(leases)
}

/// Makes a file of an older format one of today's, within the caller's transaction. Gives its new `meta`.
pub fn to_today(connection: &Connection, path: &Path, format: u32, codec: Codec) -> Result<Meta> {
    let failed = |error: rusqlite::Error| Doing::Writing.sqlite(path, &error);
    let mut meta = Meta::read(connection, path, Doing::Writing, format)?;
    if format == 1 {
        meta.tallies = leases_and_tallies(connection, path, codec)?;
    }
    meta.write(connection).map_err(failed)?;
    connection.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    Ok(meta)
}

/// What format 1 lacks: other tables for `meta`, which is empty then, and leases; and the tallies.
fn leases_and_tallies(connection: &Connection, path: &Path, codec: Codec) -> Result<Tallies> {
    let failed = |error: rusqlite::Error| Doing::Writing.sqlite(path, &error);
    let leases = leases_1(connection, path, Doing::Writing)?;
    connection.execute_batch("DROP TABLE meta; DROP TABLE lease;").map_err(failed)?;
    for (_, definition) in ONLY_2 {
        connection.execute_batch(definition).map_err(failed)?;
    }
    for lease in &leases {
        let (body, hash) = codec.encode_lease(lease)?;
        let sql = "INSERT INTO lease(epoch, hash, body) VALUES (?, ?, ?)";
        connection.execute(sql, params![lease.info.epoch, hash, body]).map_err(failed)?;
    }
    counted(connection).map_err(failed)
}

/// The tallies of the rows as they are.
fn counted(connection: &Connection) -> rusqlite::Result<Tallies> {
    let mut tallies = Tallies::default();
    for table in Table::ALL {
        let hash: fn(&Row) -> rusqlite::Result<Vec<u8>> = match table {
            Table::Unfinished => |row| {
                let (sequence, address) = (row.get(0)?, row.get::<_, String>(1)?);
                Ok(read::unfinished_hash(sequence, &address).to_vec())
            },
            _ => |row| row.get(0),
        };
        let columns = if table == Table::Unfinished { "seq, address" } else { "hash" };
        let sql = format!("SELECT {columns} FROM {}", table.name());
        let mut statement = connection.prepare(&sql)?;
        for hash in statement.query_map([], hash)? {
            tallies.of_mut(table).add(&hash?);
        }
    }
    Ok(tallies)
}
