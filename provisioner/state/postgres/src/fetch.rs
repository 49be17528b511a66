//! What a group of writes looks at, fetched in one round trip once the environment's row is locked.
//!
//! Invariant: what was asked for and is not in the answer does not exist; what was not asked for is not known, and
//! asking for it later is an error.
//! Refuses to know: rules.

use crate::errors::{Trouble, trouble};
use crate::meta::{Meta, column, corrupt, number, signed};
use crate::place::{Place, aside};
use crate::session::{LONG, Session, Typed, answered, answered_in_the_end};
use crate::walk;
use jiff::Timestamp;
use model::rollout::entry::RolloutHead;
use state::rows::{Codec, RawEntry, RecordRow};
use state::rules::{LeaseRow, ResultRow, prunable};
use state::transaction::{Alone, Needs};
use state::vault::Vault;
use state::version::Base;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

type Result<T, E = Trouble> = std::result::Result<T, E>;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK: &str = "SELECT name, lineage, key_check, keyring, serial, epoch, head, hash
    FROM @.environment WHERE name = $1 FOR UPDATE";
/// After the wait for the lock: the server's clock, in milliseconds.
const CLOCK: &str = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
/// A lease can be large, and every write relies on one: what is known already is not sent again.
const LEASES: &str =
    "SELECT epoch, CASE WHEN hash = ANY ($4) THEN NULL ELSE body END, hash FROM @.lease
    WHERE environment = $1 AND ($2 OR epoch = ANY ($3))";
const OPEN: &str =
    "SELECT u.seq, u.address, j.run, j.at, j.kind, j.address, j.body, j.prev_hash, j.hash
    FROM @.unfinished u LEFT JOIN @.journal j ON j.environment = u.environment AND j.seq = u.seq
    WHERE u.environment = $1 AND (u.address = ANY ($2) OR u.seq = ANY ($3)) ORDER BY u.seq";
const RECORDS: &str = "SELECT address, provider, revision, body, hash FROM @.resource
    WHERE environment = $1 AND address IN (SELECT unnest($2::text[])
      UNION SELECT address FROM @.unfinished WHERE environment = $1 AND seq = ANY ($3))";
const REMOVED: &str = "SELECT address, revision, hash FROM @.removed
    WHERE environment = $1 AND address IN (SELECT unnest($2::text[])
      UNION SELECT address FROM @.unfinished WHERE environment = $1 AND seq = ANY ($3))";
const DEPOSED: &str = "SELECT address, provider, revision, body, hash, id, object FROM @.deposed
    WHERE environment = $1 AND address IN (SELECT unnest($2::text[])
      UNION SELECT address FROM @.unfinished WHERE environment = $1 AND seq = ANY ($3))
    ORDER BY id";
const PROVIDERS: &str = "SELECT provider, count(*) FROM
    (SELECT provider FROM @.resource WHERE environment = $1
     UNION ALL SELECT provider FROM @.deposed WHERE environment = $1) AS used
    WHERE $2 GROUP BY provider";
const ROLLOUTS: &str = "SELECT kind, name, body, hash FROM @.results
    WHERE environment = $1 AND kind = 'rollout' AND $2";
const WRITTEN: &str = "SELECT hash FROM @.journal WHERE environment = $1 AND seq = $2";

const ALL_RECORDS: &str =
    "SELECT address, provider, revision, body, hash FROM @.resource WHERE environment = $1";
const ALL_DEPOSED: &str = "SELECT address, provider, revision, body, hash, id, object FROM @.deposed WHERE environment = $1 ORDER BY id";
const ALL_RESULTS: &str = "SELECT kind, name, body, hash FROM @.results WHERE environment = $1";
const FIRST_OPEN: &str = "SELECT min(seq) FROM @.unfinished WHERE environment = $1";

/// What is prepared for this.
pub const STATEMENTS: [&str; 10] =
    [LOCK, CLOCK, LEASES, OPEN, RECORDS, REMOVED, DEPOSED, PROVIDERS, ROLLOUTS, WRITTEN];

/// An intent without outcome.
#[derive(Clone, Debug)]
pub struct Open {
    pub address: String,
    pub raw: RawEntry,
}

/// A row of `deposed`; without an id it is yet to be written.
#[derive(Clone, Debug)]
pub struct DeposedRow {
    pub id: Option<i64>,
    pub object: String,
    pub row: RecordRow,
}

/// What pruning finds: the base after it, and how many entries go.
pub struct Pruning {
    pub base: Base,
    pub entries: u64,
}

/// Everything that is sealed, for other keys.
pub struct Everything {
    pub vault: Vault,
    pub records: Vec<RecordRow>,
    pub deposed: Vec<DeposedRow>,
    pub results: Vec<ResultBytes>,
}

/// Kind, name, body and hash of a result.
pub type ResultBytes = (String, String, Vec<u8>, Vec<u8>);

/// Leases and their hashes by epoch.
pub type Leases = BTreeMap<u64, (Vec<u8>, Arc<LeaseRow>)>;

/// What was there when the transaction began.
pub struct Fetched {
    pub asked: Needs,
    pub meta: Meta,
    pub now: Timestamp,
    pub vault: Arc<Vault>,
    pub leases: Leases,
    pub open: BTreeMap<u64, Open>,
    pub records: BTreeMap<String, RecordRow>,
    pub removed: BTreeMap<String, (u64, Vec<u8>)>,
    pub deposed: BTreeMap<String, Vec<DeposedRow>>,
    pub providers: BTreeMap<String, i64>,
    pub rollouts: Vec<ResultBytes>,
    pub first_open: Option<u64>,
    pub pruning: Option<Pruning>,
    pub everything: Option<Everything>,
    /// Hash of the journal entry that was asked for.
    pub written: Option<Vec<u8>>,
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Begins the transaction, locks the environment and fetches; none if there is no such environment. `known` are leases that
/// were fetched before, `written` the number of a journal entry to look for.
pub async fn fetch(
    session: &Session,
    place: &Place,
    asked: Needs,
    known: &Leases,
    written: Option<u64>,
) -> Result<Option<Fetched>> {
    let name = &place.environment;
    let signed_all =
        |numbers: &BTreeSet<u64>| numbers.iter().copied().map(signed).collect::<Vec<_>>();
    let (epochs, sequences) = (signed_all(&asked.epochs), signed_all(&asked.sequences));
    let addresses: Vec<_> = asked.addresses.iter().collect();
    let at = written.map_or(0, signed);
    let hashes: Vec<_> = known.values().map(|(hash, _)| hash.as_slice()).collect();
    let about: Parameters = &[name, &addresses, &sequences];
    let query = async |sql: &'static str, parameters: Parameters| {
        let rows = session.client.query(session.statement(sql)?, parameters).await;
        rows.map_err(|error| trouble(&place.shown, &error))
    };
    let (one, leases_of): (Parameters, Parameters) =
        (&[name], &[name, &asked.all_leases, &epochs, &hashes]);
    let (used, written_at): (Parameters, Parameters) = (&[name, &asked.providers], &[name, &at]);
    let rolling: Parameters = &[name, &asked.rollouts];
    // Each is sent when it is first polled, in this order: one round trip for all.
    let all = async {
        Ok(futures::join!(
            session.command(place, BEGIN),
            query(LOCK, one),
            query(CLOCK, &[]),
            query(LEASES, leases_of),
            query(OPEN, about),
            query(RECORDS, about),
            query(REMOVED, about),
            query(DEPOSED, about),
            query(PROVIDERS, used),
            query(ROLLOUTS, rolling),
            query(WRITTEN, written_at),
        ))
    };
    let (begun, locked, clock, leases, open, records, removed, deposed, providers, rollouts, hash) =
        answered(all).await?;
    begun?;
    let Some(row) = locked?.pop() else { return Ok(None) };
    let meta = Meta::read(&row, &place.shown)?;
    let vault = place.vault(&meta.identity);
    let mut fetched = Fetched {
        now: now(&clock?, place)?,
        leases: decoded_leases(&leases?, place, &vault, known)?,
        open: keyed(&open?, |row| open_intent(row, place))?,
        records: keyed(&records?, |row| record(row, place).map(|row| (row.address.clone(), row)))?,
        removed: keyed(&removed?, |row| removed_row(row, place))?,
        deposed: BTreeMap::new(),
        providers: keyed(&providers?, |row| {
            Ok((column(row, 0, &place.shown)?, column(row, 1, &place.shown)?))
        })?,
        rollouts: rollouts?.iter().map(|row| result(row, place)).collect::<Result<_, _>>()?,
        first_open: None,
        pruning: None,
        everything: None,
        written: hash?.first().map(|row| column(row, 0, &place.shown)).transpose()?,
        asked,
        meta,
        vault,
    };
    for row in deposed? {
        let row = deposed_row(&row, place)?;
        fetched.deposed.entry(row.row.address.clone()).or_default().push(row);
    }
    if fetched.asked.alone.is_some() {
        session.command(place, LONG).await?;
    }
    match fetched.asked.alone.clone() {
        None => {}
        Some(Alone::Prune(serial)) => fetch_pruning(session, place, &mut fetched, serial).await?,
        Some(Alone::Rekey(keyring)) => fetch_all(session, place, &mut fetched, keyring).await?,
    }
    Ok(Some(fetched))
}

/// Rows by their key.
fn keyed<K: Ord, V>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<(K, V), state::StateError>,
) -> Result<BTreeMap<K, V>> {
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The server's time, from a row that holds it.
pub fn now(rows: &[Row], place: &Place) -> Result<Timestamp> {
    let row = rows.first().ok_or_else(|| corrupt(&place.shown, "it does not tell the time"))?;
    let at = Timestamp::from_millisecond(column(row, 0, &place.shown)?);
    Ok(at.map_err(|error| corrupt(&place.shown, error.to_string()))?)
}

/// Leases from `epoch, body, hash`; one without a body is among the known ones.
pub fn decoded_leases(
    rows: &[Row],
    place: &Place,
    vault: &Vault,
    known: &Leases,
) -> Result<Leases> {
    let (codec, at) = (place.codec(vault), &place.shown);
    keyed(rows, |row| {
        let epoch = number(row, 0, at)?;
        let (body, hash) = (column::<Option<Vec<u8>>>(row, 1, at)?, column::<Vec<u8>>(row, 2, at)?);
        let lease = match (body, known.get(&epoch)) {
            (Some(body), _) => Arc::new(codec.decode_lease(epoch, &body, &hash)?),
            (None, Some((known, lease))) if *known == hash => lease.clone(),
            (None, _) => return Err(corrupt(at, format!("lease {epoch} has another's hash"))),
        };
        Ok((epoch, (hash, lease)))
    })
}

/// An intent of [`OPEN`]'s columns.
pub fn open_intent(row: &Row, place: &Place) -> Result<(u64, Open), state::StateError> {
    let at = &place.shown;
    let sequence = number(row, 0, at)?;
    let Some(run) = column(row, 2, at)? else {
        return Err(corrupt(at, format!("journal entry {sequence} is missing")));
    };
    let raw = RawEntry {
        sequence,
        run,
        at: column(row, 3, at)?,
        kind: column(row, 4, at)?,
        address: column(row, 5, at)?,
        body: column(row, 6, at)?,
        prev_hash: column(row, 7, at)?,
        hash: column(row, 8, at)?,
    };
    Ok((sequence, Open { address: column(row, 1, at)?, raw }))
}

/// A record from `address, provider, revision, body, hash`.
pub fn record(row: &Row, place: &Place) -> Result<RecordRow, state::StateError> {
    let at = &place.shown;
    Ok(RecordRow {
        address: column(row, 0, at)?,
        provider: column(row, 1, at)?,
        revision: number(row, 2, at)?,
        body: column(row, 3, at)?,
        hash: column(row, 4, at)?,
    })
}

fn deposed_row(row: &Row, place: &Place) -> Result<DeposedRow, state::StateError> {
    let at = &place.shown;
    Ok(DeposedRow {
        id: column(row, 5, at)?,
        object: column(row, 6, at)?,
        row: record(row, place)?,
    })
}

fn removed_row(row: &Row, place: &Place) -> Result<(String, (u64, Vec<u8>)), state::StateError> {
    let at = &place.shown;
    Ok((column(row, 0, at)?, (number(row, 1, at)?, column(row, 2, at)?)))
}

/// Kind, name, body and hash of a result.
pub fn result(row: &Row, place: &Place) -> Result<ResultBytes, state::StateError> {
    let at = &place.shown;
    Ok((column(row, 0, at)?, column(row, 1, at)?, column(row, 2, at)?, column(row, 3, at)?))
}

/// Every row that a statement with the environment as its one parameter gives.
pub async fn all(session: &Session, place: &Place, sql: &str) -> Result<Vec<Row>> {
    answered_in_the_end(async {
        let named: Typed = &[(&place.environment, Type::TEXT)];
        let rows = session.client.query_typed(&place.schema.sql(sql), named).await;
        rows.map_err(|error| trouble(&place.shown, &error))
    })
    .await
}

/// Walks what is to be pruned. The bound is the one of the rule, so that the rule finds what it asks for.
async fn fetch_pruning(
    session: &Session,
    place: &Place,
    fetched: &mut Fetched,
    serial: u64,
) -> Result<()> {
    let at = &place.shown;
    let first = all(session, place, FIRST_OPEN).await?;
    let first: Option<i64> = first.first().map(|row| column(row, 0, at)).transpose()?.flatten();
    fetched.first_open = first.and_then(|first| u64::try_from(first).ok());
    let bound = fetched.first_open.map_or(u64::MAX, |first| first - 1);
    let rollouts = heads(place.codec(&fetched.vault), &fetched.rollouts)?;
    let needed = prunable(rollouts.values());
    let until = serial.min(bound).min(needed).min(fetched.meta.serial);
    let found = walk::base(session, place).await?;
    let mut entries = 0;
    let walked = walk::walk(session, place, &fetched.vault, found, until, |_| entries += 1).await?;
    if entries > 0 {
        let codec = place.codec(&fetched.vault);
        let base = codec.encode_base(&walked.version, walked.head)?;
        fetched.pruning = Some(Pruning { base, entries });
    }
    Ok(())
}

/// The rollouts of rows.
pub fn heads(
    codec: Codec<'_>,
    rows: &[ResultBytes],
) -> Result<BTreeMap<String, RolloutHead>, state::StateError> {
    let mut heads = BTreeMap::new();
    for (kind, name, body, hash) in rows {
        if let ResultRow::Rollout(head) = codec.decode_result(kind, name, body, hash)? {
            heads.insert(name.clone(), head);
        }
    }
    Ok(heads)
}

/// Fetches all that is sealed, and opens the keys of the other keyring.
async fn fetch_all(
    session: &Session,
    place: &Place,
    fetched: &mut Fetched,
    keyring: Option<String>,
) -> Result<()> {
    let vault = place.vault_with(&fetched.meta.identity, keyring);
    let vault = aside(move || vault.sealer().map(drop).map(|()| vault)).await?;
    let records = all(session, place, ALL_RECORDS).await?;
    let deposed = all(session, place, ALL_DEPOSED).await?;
    let results = all(session, place, ALL_RESULTS).await?;
    fetched.everything = Some(Everything {
        vault,
        records: records.iter().map(|row| record(row, place)).collect::<Result<_, _>>()?,
        deposed: deposed.iter().map(|row| deposed_row(row, place)).collect::<Result<_, _>>()?,
        results: results.iter().map(|row| result(row, place)).collect::<Result<_, _>>()?,
    });
    Ok(())
}
