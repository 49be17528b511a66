//! The journal, walked from its base on in pages, so that a long one never stands in memory as a whole.
//!
//! Refuses to know: what it is walked for.

use crate::errors::{Trouble, trouble};
use crate::fetch::all;
use crate::meta::{column, corrupt, number, signed};
use crate::place::{Place, aside};
use crate::session::{Session, Typed, answered};
use state::rows::{RawEntry, Walk, row_hash};
use state::vault::Vault;
use state::version::{Base, Version};
use state::{StateError, rows::Codec};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Entries in one answer.
const PAGE: i64 = 1_000;

const BASE: &str = "SELECT serial, head, body, hash FROM @.base WHERE environment = $1";
const ENTRIES: &str = "SELECT seq, run, at, kind, address, body, prev_hash, hash FROM @.journal
    WHERE environment = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";

/// What a walk ends with.
pub struct Walked {
    pub version: Version,
    pub head: Vec<u8>,
    /// What is wrong with the journal, if it could not be walked to its end.
    pub broken: Option<StateError>,
}

/// Bytes and hash of a base.
pub fn base_bytes(base: &Base) -> (Vec<u8>, [u8; 32]) {
    let body = base.body.to_string().into_bytes();
    let hash = row_hash("base", &[&base.serial.to_le_bytes(), &base.head, &body]);
    (body, hash)
}

/// Where the journal begins, if it was pruned.
pub async fn base(session: &Session, place: &Place) -> Result<Option<Base>> {
    let at = &place.shown;
    let rows = all(session, place, BASE).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (serial, head) = (number(row, 0, at)?, column::<Vec<u8>>(row, 1, at)?);
    let (body, hash) = (column::<Vec<u8>>(row, 2, at)?, column::<Vec<u8>>(row, 3, at)?);
    if hash != row_hash("base", &[&serial.to_le_bytes(), &head, &body]) {
        return Err(corrupt(at, "the journal's base (table base) does not match its hash").into());
    }
    let body = serde_json::from_slice(&body)
        .map_err(|error| corrupt(at, format!("the journal's base does not read: {error}")))?;
    Ok(Some(Base { serial, head, body }))
}

/// A page of the journal after an entry, up to and with another.
pub async fn page(
    session: &Session,
    place: &Place,
    after: u64,
    until: u64,
) -> Result<Vec<RawEntry>> {
    let (sql, from, to) = (place.schema.sql(ENTRIES), signed(after), signed(until));
    let bounds: Typed = &[
        (&place.environment, Type::TEXT),
        (&from, Type::INT8),
        (&to, Type::INT8),
        (&PAGE, Type::INT8),
    ];
    let rows = answered(async {
        let rows = session.client.query_typed(&sql, bounds).await;
        rows.map_err(|error| trouble(&place.shown, &error))
    });
    let rows = rows.await?;
    Ok(rows.iter().map(|row| entry(row, place)).collect::<Result<_, _>>()?)
}

fn entry(row: &Row, place: &Place) -> Result<RawEntry, StateError> {
    let at = &place.shown;
    Ok(RawEntry {
        sequence: number(row, 0, at)?,
        run: column(row, 1, at)?,
        at: column(row, 2, at)?,
        kind: column(row, 3, at)?,
        address: column(row, 4, at)?,
        body: column(row, 5, at)?,
        prev_hash: column(row, 6, at)?,
        hash: column(row, 7, at)?,
    })
}

/// Walks the journal up to and with entry `until`; every entry goes to `take`. Damage is an error.
pub async fn walk(
    session: &Session,
    place: &Place,
    vault: &Arc<Vault>,
    base: Option<Base>,
    until: u64,
    take: impl FnMut(RawEntry),
) -> Result<Walked> {
    let walked = walk_as_far_as_sound(session, place, vault, base, until, take).await?;
    match walked.broken {
        Some(error) => Err(error.into()),
        None => Ok(walked),
    }
}

/// The same, and damage ends the walk.
pub async fn walk_as_far_as_sound(
    session: &Session,
    place: &Place,
    vault: &Arc<Vault>,
    base: Option<Base>,
    until: u64,
    mut take: impl FnMut(RawEntry),
) -> Result<Walked> {
    let begun = Walk::new(place.codec(vault), base.as_ref());
    let (mut version, mut head, mut broken) = match begun {
        Ok(walk) => (walk.version, base.map(|base| base.head).unwrap_or_default(), None),
        Err(error) => (Version::default(), Vec::new(), Some(error)),
    };
    while broken.is_none() {
        let entries = page(session, place, version.serial, until).await?;
        if entries.is_empty() {
            break;
        }
        let (vault, shown) = (vault.clone(), place.shown.clone());
        let stepped = aside(move || {
            let walk = step_all(Codec { place: &shown, vault: &vault }, version, head, &entries);
            Ok((walk, entries))
        });
        let entries;
        ((version, head, broken), entries) = stepped.await?;
        entries.into_iter().for_each(&mut take);
    }
    Ok(Walked { version, head, broken })
}

fn step_all(
    codec: Codec<'_>,
    version: Version,
    head: Vec<u8>,
    entries: &[RawEntry],
) -> (Version, Vec<u8>, Option<StateError>) {
    let mut walk = Walk::resumed(codec, version, head);
    let broken = entries.iter().find_map(|raw| walk.step(raw).err());
    let head = walk.head().to_vec();
    (walk.version, head, broken)
}
