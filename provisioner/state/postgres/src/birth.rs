//! How an environment comes to be here: new with keys of its own, or taken over from another store with its history.
//!
//! Refuses to know: what is in the history.

use crate::errors::{Trouble, trouble};
use crate::fetch::{Fetched, Open};
use crate::flush::{self, Flushed};
use crate::meta::{Meta, signed};
use crate::overlay::{Changes, removed_hash};
use crate::place::{Place, aside};
use crate::session::{LONG, Session, answered};
use jiff::Timestamp;
use model::digest::hex;
use state::image::Image;
use state::keyring::Keyring;
use state::keys::{KeyFile, KeySource};
use state::rows::{Codec, RawEntry};
use state::rules::ResultRow;
use state::transaction::Needs;
use state::{Dump, Identity, StateError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::types::ToSql;

type Result<T, E = Trouble> = std::result::Result<T, E>;

const MAKE: &str =
    "INSERT INTO @.environment(name, lineage, key_check, keyring, serial, epoch, head, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING";
const FOUND: &str = "SELECT name, lineage, key_check, keyring, serial, epoch, head, hash
    FROM @.environment WHERE name = $1";
const JOURNAL: &str =
    "INSERT INTO @.journal(environment, seq, run, at, kind, address, body, prev_hash, hash)
    SELECT $1, t.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
      $7::bytea[], $8::bytea[], $9::bytea[]) AS t";

/// Journal entries in one message.
const PAGE: usize = 1_000;

/// Makes a new environment and its keys. If another program makes it at the same time, that program's stands.
pub async fn make(session: &Session, place: &Arc<Place>) -> Result<()> {
    let maker = place.clone();
    let (identity, key_file) = aside(move || new_identity(&maker)).await?;
    let meta = Meta { identity, serial: 0, epoch: 0, head: Vec::new() };
    // If the answer is lost, the key is kept: the environment may have been made with it.
    let made = insert(session, place, &meta).await?;
    if let Some(key) = key_file
        && !made
        && matches!(place.unlock.key_source(), KeySource::Directory(_))
    {
        // A key of a lineage that never came to be; a leftover is harmless.
        let _ = std::fs::remove_file(key.path());
    }
    Ok(())
}

fn new_identity(place: &Place) -> Result<(Identity, Option<KeyFile>), StateError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| StateError::Key(format!("this machine has no random numbers: {error}")))?;
    let (environment, lineage) = (place.environment.clone(), hex(&random));
    if place.ways.is_empty() {
        let key = place.unlock.key_source().create(&lineage)?;
        let key_check = key.check_value();
        return Ok((Identity { environment, lineage, key_check, keyring: None }, Some(key)));
    }
    let keyring = Keyring::create(&lineage, &place.ways)?;
    let (key_check, keyring) = (keyring.origin().to_owned(), Some(keyring.text()));
    Ok((Identity { environment, lineage, key_check, keyring }, None))
}

/// Writes the row of an environment; whether it was the first.
async fn insert(session: &Session, place: &Place, meta: &Meta) -> Result<bool> {
    let Identity { environment, lineage, key_check, keyring } = &meta.identity;
    let (serial, epoch) = (signed(meta.serial), signed(meta.epoch));
    let (sql, hash) = (place.schema.sql(MAKE), meta.hash().to_vec());
    let inserted = answered(async {
        let row: [&(dyn ToSql + Sync); 8] =
            [environment, lineage, key_check, keyring, &serial, &epoch, &meta.head, &hash];
        let inserted = session.client.execute(&sql, &row).await;
        inserted.map_err(|error| trouble(&place.shown, &error))
    });
    Ok(inserted.await? > 0)
}

/// Looks a dump over: its chain, and that its keys open.
pub async fn image_of(place: &Arc<Place>, dump: Dump) -> Result<Arc<Image>, StateError> {
    if dump.identity.environment != place.environment {
        return Err(StateError::Foreign {
            path: place.shown.clone(),
            found: dump.identity.environment,
            wanted: place.environment.clone(),
        });
    }
    let (vault, shown) = (place.vault(&dump.identity), place.shown.clone());
    aside(move || Image::from_dump(dump, Codec { place: &shown, vault: &vault }).map(Arc::new))
        .await
}

/// Writes what another store dumped, in one transaction. `again` says that it was tried before, and the answer lost.
pub async fn take_over(place: &Arc<Place>, image: &Arc<Image>, again: bool) -> Result<()> {
    let missing = || StateError::Illegal("the tables were not made".to_owned());
    let session = &mut Session::open(place, true).await?.ok_or_else(missing)?;
    session.prepare(place, &flush::STATEMENTS).await?;
    let identity = image.identity.clone();
    let wanted = Meta {
        identity: identity.clone(),
        serial: image.version.serial,
        epoch: image.epoch,
        head: image.head(),
    };
    session.command(place, &format!("BEGIN ISOLATION LEVEL READ COMMITTED;{LONG}")).await?;
    let empty = Meta { identity, serial: 0, epoch: 0, head: Vec::new() };
    if !insert(session, place, &empty).await? {
        let found = found(session, place).await?;
        session.command(place, "ROLLBACK").await?;
        if again && found.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let (environment, place) = (place.environment.clone(), place.shown.clone());
        return Err(StateError::Exists { environment, place }.into());
    }
    for page in image.journal.chunks(PAGE) {
        insert_journal(session, place, page).await?;
    }
    let (encoder, of) = (place.clone(), image.clone());
    let changes = aside(move || changes_of(&encoder, &of)).await?;
    let fetched = Fetched::nothing(empty, place.vault(&image.identity), Timestamp::UNIX_EPOCH);
    match flush::flush(session, place, &fetched, &changes, &wanted).await? {
        Flushed::Committed => Ok(()),
        Flushed::Refused(trouble) => Err(trouble),
        Flushed::Fenced => Err(Trouble::Passing("it was changed by another program".to_owned())),
        Flushed::Unknown(why) => Err(Trouble::Passing(why)),
    }
}

async fn found(session: &Session, place: &Place) -> Result<Option<Meta>> {
    let rows = crate::fetch::all(session, place, FOUND).await?;
    Ok(rows.first().map(|row| Meta::read(row, &place.shown)).transpose()?)
}

async fn insert_journal(session: &Session, place: &Place, page: &[RawEntry]) -> Result<()> {
    fn each<T>(page: &[RawEntry], of: impl Fn(&RawEntry) -> T) -> Vec<T> {
        page.iter().map(of).collect()
    }
    let sequences = each(page, |raw| signed(raw.sequence));
    let (runs, times) = (each(page, |raw| raw.run.clone()), each(page, |raw| raw.at.clone()));
    let kinds = each(page, |raw| raw.kind.clone());
    let addresses = each(page, |raw| raw.address.clone());
    let bodies = each(page, |raw| raw.body.clone());
    let before = each(page, |raw| raw.prev_hash.clone());
    let hashes = each(page, |raw| raw.hash.clone());
    let columns: [&(dyn ToSql + Sync); 9] = [
        &place.environment,
        &sequences,
        &runs,
        &times,
        &kinds,
        &addresses,
        &bodies,
        &before,
        &hashes,
    ];
    let sql = place.schema.sql(JOURNAL);
    let inserted = answered(async {
        let inserted = session.client.execute(&sql, &columns).await;
        inserted.map_err(|error| trouble(&place.shown, &error))
    });
    inserted.await.map(drop)
}

/// Everything but the journal, as rows.
fn changes_of(place: &Place, image: &Image) -> Result<Changes, StateError> {
    let vault = place.vault(&image.identity);
    let (codec, version, mut changes) = (place.codec(&vault), &image.version, Changes::default());
    for record in version.records.values() {
        let row = codec.encode_record("resource", record)?;
        changes.records.insert(row.address.clone(), Some(row));
    }
    for (line, record) in (1..).zip(&version.deposed) {
        let row = codec.encode_record("deposed", record)?;
        let new = crate::fetch::DeposedRow { id: None, object: record.id.clone(), row };
        changes.deposed.entry(new.row.address.clone()).or_default().push((line, new));
    }
    for (address, revision) in &version.removed {
        let address = address.to_string();
        let hash = removed_hash(&address, *revision).to_vec();
        changes.removed.insert(address, Some((*revision, hash)));
    }
    for (name, row) in ResultRow::all_of(version) {
        let (body, hash) = codec.encode_result(&name, &row)?;
        changes.results.insert((row.kind().to_owned(), name), Some((body, hash.to_vec())));
    }
    let entries: BTreeMap<_, _> = image.journal.iter().map(|raw| (raw.sequence, raw)).collect();
    for (sequence, intent) in &version.unfinished {
        let missing = || codec.corrupt(format!("journal entry {sequence} is missing"));
        let raw = (*entries.get(sequence).ok_or_else(missing)?).clone();
        changes.open.insert(*sequence, Some(Open { address: intent.address.to_string(), raw }));
    }
    changes.base.clone_from(&image.base);
    Ok(changes)
}

impl Fetched {
    /// Of an environment in which there is nothing yet.
    fn nothing(meta: Meta, vault: Arc<state::vault::Vault>, now: Timestamp) -> Self {
        Self {
            asked: Needs::default(),
            meta,
            now,
            vault,
            leases: BTreeMap::new(),
            open: BTreeMap::new(),
            records: BTreeMap::new(),
            removed: BTreeMap::new(),
            deposed: BTreeMap::new(),
            providers: BTreeMap::new(),
            rollouts: Vec::new(),
            first_open: None,
            pruning: None,
            everything: None,
            written: None,
        }
    }
}
