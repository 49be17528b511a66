//! What a group of writes changed, written by one statement and committed in the same round trip.
//!
//! Invariant: the statement writes all or nothing, and nothing unless the environment's row is what was locked and every lease that was
//! relied on is still there: a run whose lease is gone writes 0 rows.
//! Refuses to know: rules.

use crate::errors::{Trouble, trouble};
use crate::fetch::Fetched;
use crate::meta::{Meta, column, signed};
use crate::overlay::Changes;
use crate::place::Place;
use crate::session::{Session, answered_in_the_end};
use crate::walk::base_bytes;
use state::rows::RecordRow;
use tokio_postgres::types::ToSql;

type Result<T, E = Trouble> = std::result::Result<T, E>;

const FLUSH: &str = "
WITH held AS (
  UPDATE @.environment SET keyring = $2, serial = $3, epoch = $4, head = $5, hash = $6
  WHERE name = $1 AND lineage = $7 AND serial = $8 AND epoch = $9 AND head = $10 AND NOT EXISTS (
    SELECT FROM unnest($11::bigint[]) AS relied(epoch) WHERE NOT EXISTS (
      SELECT FROM @.lease WHERE lease.environment = $1 AND lease.epoch = relied.epoch))
  RETURNING name
), lease_out AS (
  DELETE FROM @.lease USING held WHERE environment = held.name AND epoch = ANY ($12::bigint[])
), lease_in AS (
  INSERT INTO @.lease(environment, epoch, body, hash)
  SELECT held.name, t.* FROM held, unnest($13::bigint[], $14::bytea[], $15::bytea[]) AS t
  ON CONFLICT (environment, epoch) DO UPDATE SET body = excluded.body, hash = excluded.hash
), resource_out AS (
  DELETE FROM @.resource USING held WHERE environment = held.name AND address = ANY ($16::text[])
), resource_in AS (
  INSERT INTO @.resource(environment, address, provider, revision, body, hash)
  SELECT held.name, t.* FROM held,
    unnest($17::text[], $18::text[], $19::bigint[], $20::bytea[], $21::bytea[]) AS t
  ON CONFLICT (environment, address) DO UPDATE SET
    provider = excluded.provider, revision = excluded.revision, body = excluded.body, hash = excluded.hash
), removed_out AS (
  DELETE FROM @.removed USING held WHERE environment = held.name AND address = ANY ($22::text[])
), removed_in AS (
  INSERT INTO @.removed(environment, address, revision, hash)
  SELECT held.name, t.* FROM held, unnest($23::text[], $24::bigint[], $25::bytea[]) AS t
  ON CONFLICT (environment, address) DO UPDATE SET revision = excluded.revision, hash = excluded.hash
), deposed_out AS (
  DELETE FROM @.deposed USING held WHERE environment = held.name AND id = ANY ($26::bigint[])
), deposed_in AS (
  INSERT INTO @.deposed(environment, address, object, provider, revision, body, hash)
  SELECT held.name, address, object, provider, revision, body, hash FROM held, unnest(
    $27::text[], $28::text[], $29::text[], $30::bigint[], $31::bytea[], $32::bytea[])
    WITH ORDINALITY AS t(address, object, provider, revision, body, hash, line) ORDER BY line
), results_out AS (
  DELETE FROM @.results USING held, unnest($33::text[], $34::text[]) AS t(kind, name)
  WHERE environment = held.name AND results.kind = t.kind AND results.name = t.name
), results_in AS (
  INSERT INTO @.results(environment, kind, name, body, hash)
  SELECT held.name, t.* FROM held, unnest($35::text[], $36::text[], $37::bytea[], $38::bytea[]) AS t
  ON CONFLICT (environment, kind, name) DO UPDATE SET body = excluded.body, hash = excluded.hash
), unfinished_out AS (
  DELETE FROM @.unfinished USING held WHERE environment = held.name AND seq = ANY ($39::bigint[])
), unfinished_in AS (
  INSERT INTO @.unfinished(environment, seq, address)
  SELECT held.name, t.* FROM held, unnest($40::bigint[], $41::text[]) AS t
), journal_in AS (
  INSERT INTO @.journal(environment, seq, run, at, kind, address, body, prev_hash, hash)
  SELECT held.name, t.* FROM held, unnest($42::bigint[], $43::text[], $44::text[], $45::text[],
    $46::text[], $47::bytea[], $48::bytea[], $49::bytea[]) AS t
), journal_out AS (
  DELETE FROM @.journal USING held WHERE environment = held.name AND seq <= $50::bigint
), base_in AS (
  INSERT INTO @.base(environment, serial, head, body, hash)
  SELECT held.name, $50, $51::bytea, $52::bytea, $53::bytea FROM held WHERE $50 IS NOT NULL
  ON CONFLICT (environment) DO UPDATE SET
    serial = excluded.serial, head = excluded.head, body = excluded.body, hash = excluded.hash
)
SELECT count(*) FROM held";

/// What is prepared for this.
pub const STATEMENTS: [&str; 1] = [FLUSH];

/// What became of a flush.
#[derive(Debug)]
pub enum Flushed {
    /// It is durable.
    Committed,
    /// Nothing was written: the environment, or a lease, was not what it was when it was locked.
    Fenced,
    /// Nothing was written: the server refused.
    Refused(Trouble),
    /// The answer was lost.
    Unknown(String),
}

type Column = Box<dyn ToSql + Sync + Send>;

/// A statement's parameters, column by column.
#[derive(Default)]
struct Columns(Vec<Column>);

impl Columns {
    fn add<T: ToSql + Sync + Send + 'static>(&mut self, column: T) {
        self.0.push(Box::new(column));
    }

    fn each<S, T: ToSql + Sync + Send + 'static>(&mut self, rows: &[S], of: impl Fn(&S) -> T)
    where
        Vec<T>: ToSql,
    {
        self.add(rows.iter().map(of).collect::<Vec<T>>());
    }
}

/// Writes and commits.
pub async fn flush(
    session: &Session,
    place: &Place,
    fetched: &Fetched,
    changes: &Changes,
    meta: &Meta,
) -> Result<Flushed> {
    let columns = columns(place, fetched, changes, meta)?;
    let parameters: Vec<_> =
        columns.0.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
    let statement = session.statement(FLUSH)?;
    let write = async {
        let written = session.client.query_one(statement, &parameters).await;
        written.map_err(|error| trouble(&place.shown, &error))
    };
    // The commit is on its way before the answer to the write is there: if that failed, it commits nothing.
    let both = async { Ok(futures::join!(write, session.command(place, "COMMIT"))) };
    Ok(match answered_in_the_end(both).await {
        Err(Trouble::Passing(why))
        | Ok((Err(Trouble::Passing(why)), _) | (_, Err(Trouble::Passing(why)))) => {
            Flushed::Unknown(why)
        }
        Err(refused) | Ok((Err(refused), _) | (_, Err(refused))) => Flushed::Refused(refused),
        Ok((Ok(row), Ok(()))) => match column::<i64>(&row, 0, &place.shown)? {
            0 => Flushed::Fenced,
            _ => Flushed::Committed,
        },
    })
}

fn columns(place: &Place, fetched: &Fetched, changes: &Changes, meta: &Meta) -> Result<Columns> {
    let (mut columns, before) = (Columns::default(), &fetched.meta);
    columns.add(place.environment.clone());
    columns.add(meta.identity.keyring.clone());
    columns.add(signed(meta.serial));
    columns.add(signed(meta.epoch));
    columns.add(meta.head.clone());
    columns.add(meta.hash().to_vec());
    columns.add(before.identity.lineage.clone());
    columns.add(signed(before.serial));
    columns.add(signed(before.epoch));
    columns.add(before.head.clone());
    columns.each(&Vec::from_iter(&changes.epochs), |epoch| signed(**epoch));
    leases(&mut columns, place, fetched, changes)?;
    records(&mut columns, changes);
    deposed(&mut columns, fetched, changes);
    results(&mut columns, changes);
    journal(&mut columns, fetched, changes);
    base(&mut columns, changes);
    Ok(columns)
}

fn leases(
    columns: &mut Columns,
    place: &Place,
    fetched: &Fetched,
    changes: &Changes,
) -> Result<()> {
    let codec = place.codec(&fetched.vault);
    let (mut gone, mut rows) = (Vec::new(), Vec::new());
    for (epoch, lease) in &changes.leases {
        match lease {
            Some(lease) => {
                let (body, hash) = codec.encode_lease(lease)?;
                rows.push((signed(*epoch), body, hash.to_vec()));
            }
            None => gone.push(signed(*epoch)),
        }
    }
    columns.add(gone);
    columns.each(&rows, |row| row.0);
    columns.each(&rows, |row| row.1.clone());
    columns.each(&rows, |row| row.2.clone());
    Ok(())
}

fn gone<K: Clone, V>(changed: &crate::overlay::Changed<K, V>) -> Vec<K> {
    changed.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key.clone()).collect()
}

fn records(columns: &mut Columns, changes: &Changes) {
    let rows: Vec<&RecordRow> = changes.records.values().flatten().collect();
    columns.add(gone(&changes.records));
    columns.each(&rows, |row| row.address.clone());
    columns.each(&rows, |row| row.provider.clone());
    columns.each(&rows, |row| signed(row.revision));
    columns.each(&rows, |row| row.body.clone());
    columns.each(&rows, |row| row.hash.clone());
    columns.add(gone(&changes.removed));
    let removed =
        changes.removed.iter().filter_map(|(key, row)| row.as_ref().map(|row| (key, row)));
    let removed: Vec<_> = removed.collect();
    columns.each(&removed, |(address, _)| (*address).clone());
    columns.each(&removed, |(_, row)| signed(row.0));
    columns.each(&removed, |(_, row)| row.1.clone());
}

fn deposed(columns: &mut Columns, fetched: &Fetched, changes: &Changes) {
    let stay = |address: &String, id: Option<i64>| {
        changes.deposed[address].iter().any(|(_, row)| row.id.is_some() && row.id == id)
    };
    let rekeyed = fetched.everything.iter().flat_map(|all| &all.deposed);
    let known = rekeyed.chain(fetched.deposed.values().flatten());
    let known = known.filter(|row| changes.deposed.contains_key(&row.row.address));
    let gone = known.filter(|row| !stay(&row.row.address, row.id)).filter_map(|row| row.id);
    columns.add(gone.collect::<Vec<_>>());
    let mut new: Vec<_> =
        changes.deposed.values().flatten().filter(|(_, row)| row.id.is_none()).collect();
    new.sort_by_key(|(line, _)| *line);
    columns.each(&new, |(_, row)| row.row.address.clone());
    columns.each(&new, |(_, row)| row.object.clone());
    columns.each(&new, |(_, row)| row.row.provider.clone());
    columns.each(&new, |(_, row)| signed(row.row.revision));
    columns.each(&new, |(_, row)| row.row.body.clone());
    columns.each(&new, |(_, row)| row.row.hash.clone());
}

fn results(columns: &mut Columns, changes: &Changes) {
    let gone = gone(&changes.results);
    columns.each(&gone, |(kind, _)| kind.clone());
    columns.each(&gone, |(_, name)| name.clone());
    let rows = changes.results.iter().filter_map(|(key, row)| row.as_ref().map(|row| (key, row)));
    let rows: Vec<_> = rows.collect();
    columns.each(&rows, |(key, _)| key.0.clone());
    columns.each(&rows, |(key, _)| key.1.clone());
    columns.each(&rows, |(_, row)| row.0.clone());
    columns.each(&rows, |(_, row)| row.1.clone());
}

fn journal(columns: &mut Columns, fetched: &Fetched, changes: &Changes) {
    let settled = changes.open.iter().filter(|(_, open)| open.is_none());
    let settled = settled.map(|(sequence, _)| *sequence);
    columns.add(settled.filter(|s| fetched.open.contains_key(s)).map(signed).collect::<Vec<_>>());
    let open: Vec<_> = changes.open.values().flatten().collect();
    columns.each(&open, |open| signed(open.raw.sequence));
    columns.each(&open, |open| open.address.clone());
    let entries = &changes.journal;
    columns.each(entries, |raw| signed(raw.sequence));
    columns.each(entries, |raw| raw.run.clone());
    columns.each(entries, |raw| raw.at.clone());
    columns.each(entries, |raw| raw.kind.clone());
    columns.each(entries, |raw| raw.address.clone());
    columns.each(entries, |raw| raw.body.clone());
    columns.each(entries, |raw| raw.prev_hash.clone());
    columns.each(entries, |raw| raw.hash.clone());
}

fn base(columns: &mut Columns, changes: &Changes) {
    let bytes = changes.base.as_ref().map(|base| (base, base_bytes(base)));
    columns.add(bytes.as_ref().map(|(base, _)| signed(base.serial)));
    columns.add(bytes.as_ref().map(|(base, _)| base.head.clone()));
    columns.add(bytes.as_ref().map(|(_, (body, _))| body.clone()));
    columns.add(bytes.map(|(_, (_, hash))| hash.to_vec()));
}
