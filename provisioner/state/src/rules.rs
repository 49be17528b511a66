//! What every store does the same way: who may write, which transition is allowed, what each one means for the
//! records and the journal. Pure decisions over [`Tables`]; a store brings the tables and makes
//! each call here one transaction.
//!
//! Refuses to know: disks, threads, sealing.

use crate::error::StateError;
use crate::holder::Holder;
use crate::port::{Lease, LeaseInfo, LeaseRequest, RunResults};
use jiff::{Timestamp, ToSpan as _};
use model::graph::{Node, Output, ProviderConfig};
use model::record::{Intent, IntentAction, Outcome, Record, Recorded};
use model::{Address, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How long a lease lives unless it is renewed.
pub const LEASE_SECONDS: i64 = 60;

/// A lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// What others see.
    pub info: LeaseInfo,
    /// Who holds it, precisely.
    pub holder: Holder,
}

/// An entry about to be journaled.
pub struct NewEntry<'a> {
    /// The run that writes.
    pub run: &'a str,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: &'static str,
    /// About which instance.
    pub address: Option<&'a Address>,
}

/// One of the three kinds of results.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultRow {
    /// A root output.
    Output(Output),
    /// A provider configuration.
    Provider(ProviderConfig),
    /// The nodes of a node set.
    NodeSet(Vec<Node>),
}

impl ResultRow {
    /// The kind's name on disk.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Output(_) => "output",
            Self::Provider(_) => "provider",
            Self::NodeSet(_) => "node_set",
        }
    }

    /// The content as tagged JSON.
    pub fn to_json(&self) -> Result<Json> {
        match self {
            Self::Output(output) => json_of(output),
            Self::Provider(config) => json_of(config),
            Self::NodeSet(nodes) => json_of(nodes),
        }
    }

    /// From the kind's name and the content; none if they do not fit.
    pub fn from_json(kind: &str, json: Json) -> Option<Self> {
        match kind {
            "output" => serde_json::from_value(json).ok().map(Self::Output),
            "provider" => serde_json::from_value(json).ok().map(Self::Provider),
            "node_set" => serde_json::from_value(json).ok().map(Self::NodeSet),
            _ => None,
        }
    }

    /// As a store gives it back.
    pub fn as_read_back(&self) -> Result<Self> {
        Self::from_json(self.kind(), self.to_json()?)
            .ok_or_else(|| StateError::Illegal("a result does not read back".to_owned()))
    }

    /// Puts it where it belongs in what is loaded.
    pub fn add_to(self, recorded: &mut Recorded, name: String) {
        match self {
            Self::Output(output) => drop(recorded.outputs.insert(name, output)),
            Self::Provider(config) => drop(recorded.providers.insert(name, config)),
            Self::NodeSet(nodes) => drop(recorded.node_sets.insert(name, nodes)),
        }
    }
}

type Result<T, E = StateError> = std::result::Result<T, E>;

/// What a store keeps. Every call sees what the calls before it in the same transaction did.
pub trait Tables {
    /// The lease, if one is held.
    fn lease(&self) -> Result<Option<LeaseRow>>;
    /// Sets or clears the lease.
    fn set_lease(&mut self, lease: Option<&LeaseRow>) -> Result<()>;
    /// Raises and returns the fencing token.
    fn next_epoch(&mut self) -> Result<u64>;
    /// Appends to the journal and returns the sequence; `body` is made with it.
    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64>;
    /// The intent `sequence` if it has no outcome yet.
    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>>;
    /// Intents without outcome for an address.
    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>>;
    /// The intent `sequence` now has, or does not have, an outcome.
    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()>;
    /// The record of an address.
    fn record(&self, address: &Address) -> Result<Option<Record>>;
    /// The last revision an address had, of a removed record too; 0 if it never had one.
    fn last_revision(&self, address: &Address) -> Result<u64>;
    /// Writes a record.
    fn put_record(&mut self, record: &Record) -> Result<()>;
    /// Drops a record; whether there was one.
    fn remove_record(&mut self, address: &Address) -> Result<bool>;
    /// Adds a deposed object.
    fn add_deposed(&mut self, record: &Record) -> Result<()>;
    /// Drops the deposed object of an address with this id; whether there was one.
    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool>;
    /// Keys of the provider configurations that records and deposed objects refer to.
    fn providers_in_use(&self) -> Result<BTreeSet<String>>;
    /// Names of the results of a kind.
    fn result_names(&self, kind: &'static str) -> Result<BTreeSet<String>>;
    /// Writes a result.
    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()>;
    /// Drops a result.
    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()>;
}

fn rfc3339(at: Timestamp) -> String {
    at.to_string()
}

/// Times are kept in whole milliseconds.
pub fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn expiry(now: Timestamp) -> String {
    rfc3339(now.checked_add(LEASE_SECONDS.seconds()).unwrap_or(Timestamp::MAX))
}

pub fn json_of<T: Serialize>(value: &T) -> Result<Json> {
    serde_json::to_value(value)
        .map_err(|error| StateError::Illegal(format!("a value cannot be written: {error}")))
}

/// A value as a store gives it back: through JSON, which knows neither lists nor origins.
pub fn as_read_back<T: Serialize + DeserializeOwned>(value: &T) -> Result<T> {
    serde_json::from_value(json_of(value)?)
        .map_err(|error| StateError::Illegal(format!("a value does not read back: {error}")))
}

/// Takes the lease, unless someone else holds it who may still be there.
pub fn acquire(
    tables: &mut dyn Tables,
    request: &LeaseRequest,
    holder: &Holder,
    now: Timestamp,
) -> Result<Lease> {
    let before = tables.lease()?;
    if let Some(held) = &before
        && !is_over(held, holder, now)
    {
        return Err(StateError::Held(Box::new(held.info.clone())));
    }
    let epoch = tables.next_epoch()?;
    let info = LeaseInfo {
        run: request.run.clone(),
        owner: holder.owner.clone(),
        host: holder.host.clone(),
        pid: holder.pid,
        command: request.command.clone(),
        since: rfc3339(now),
        expires: expiry(now),
        epoch,
    };
    tables.set_lease(Some(&LeaseRow { info: info.clone(), holder: holder.clone() }))?;
    let entry = NewEntry { run: &info.run, at: now, kind: "run-started", address: None };
    let taken_over = before.map(|held| held.info);
    let started = json!({ "lease": json_of(&info)?, "taken_over": json_of(&taken_over)? });
    tables.append(&entry, &|_| Ok(started.clone()))?;
    Ok(Lease { info })
}

fn is_over(held: &LeaseRow, seen_by: &Holder, now: Timestamp) -> bool {
    let expired = held.info.expires.parse::<Timestamp>().is_ok_and(|expires| expires <= now);
    expired || seen_by.sees_gone(&held.holder)
}

/// Every write begins here.
pub fn check_lease(tables: &dyn Tables, lease: &Lease) -> Result<LeaseRow> {
    match tables.lease()? {
        Some(row) if row.info.run == lease.info.run && row.info.epoch == lease.info.epoch => {
            Ok(row)
        }
        _ => Err(StateError::LeaseLost { epoch: lease.info.epoch }),
    }
}

/// Extends the lease.
pub fn renew(tables: &mut dyn Tables, lease: &Lease, now: Timestamp) -> Result<()> {
    let mut row = check_lease(tables, lease)?;
    row.info.expires = expiry(now);
    tables.set_lease(Some(&row))
}

/// Gives the lease back.
pub fn release(tables: &mut dyn Tables, lease: &Lease, now: Timestamp) -> Result<()> {
    check_lease(tables, lease)?;
    tables.set_lease(None)?;
    let entry = NewEntry { run: &lease.info.run, at: now, kind: "run-finished", address: None };
    tables.append(&entry, &|_| Ok(json!({}))).map(drop)
}

/// Journals an intent.
pub fn begin(
    tables: &mut dyn Tables,
    lease: &Lease,
    intent: &Intent,
    now: Timestamp,
) -> Result<u64> {
    check_lease(tables, lease)?;
    check_intent(tables, intent)?;
    let address = &intent.address;
    let entry = NewEntry { run: &lease.info.run, at: now, kind: "intent", address: Some(address) };
    let sequence = tables.append(&entry, &|sequence| {
        json_of(&Intent { sequence, run: lease.info.run.clone(), ..intent.clone() })
    })?;
    tables.set_unfinished(sequence, address, true)?;
    Ok(sequence)
}

fn check_intent(tables: &dyn Tables, intent: &Intent) -> Result<()> {
    let address = &intent.address;
    if intent.action == IntentAction::DeleteDeposed {
        // Several deposed objects of one address may go at the same time.
        return match intent.prior {
            Some(_) => Ok(()),
            None => illegal(format!("deleting a deposed object of {address} without its record")),
        };
    }
    let open = tables.unfinished_at(address)?;
    match open.iter().find(|open| open.action != IntentAction::DeleteDeposed) {
        None => Ok(()),
        Some(open) => illegal(format!(
            "an intent for {address} while intent {} for it has no outcome",
            open.sequence
        )),
    }
}

fn illegal<T>(what: String) -> Result<T> {
    Err(StateError::Illegal(what))
}

/// Journals an outcome with the change of records it means.
pub fn finish(
    tables: &mut dyn Tables,
    lease: &Lease,
    sequence: u64,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Option<Record>> {
    check_lease(tables, lease)?;
    let Some(intent) = tables.unfinished(sequence)? else {
        return illegal(format!("an outcome for {sequence}, which is no intent without outcome"));
    };
    let address = &intent.address;
    let (stored, journaled) = match outcome {
        Outcome::Recorded { record, deposed } => {
            let stored = put(tables, &intent, record, deposed.as_deref())?;
            let record = Box::new(stored.clone());
            (Some(stored), Outcome::Recorded { record, deposed: deposed.clone() })
        }
        Outcome::Removed => {
            remove(tables, &intent)?;
            (None, Outcome::Removed)
        }
        Outcome::Failed { message } => (None, Outcome::Failed { message: message.clone() }),
    };
    tables.set_unfinished(sequence, address, false)?;
    let body = json!({ "intent": sequence, "outcome": json_of(&journaled)? });
    let entry = NewEntry { run: &lease.info.run, at: now, kind: "outcome", address: Some(address) };
    tables.append(&entry, &|_| Ok(body.clone()))?;
    Ok(stored)
}

fn put(
    tables: &mut dyn Tables,
    intent: &Intent,
    record: &Record,
    deposed: Option<&Record>,
) -> Result<Record> {
    let address = &intent.address;
    if intent.action == IntentAction::DeleteDeposed {
        return illegal(format!(
            "a record as the outcome of deleting a deposed object of {address}"
        ));
    }
    let strangers = [Some(record), deposed];
    if let Some(stranger) = strangers.into_iter().flatten().find(|r| r.address != *address) {
        return illegal(format!("a record of {} for an intent of {address}", stranger.address));
    }
    if let Some(deposed) = deposed {
        tables.add_deposed(deposed)?;
    }
    let stored = Record { revision: tables.last_revision(address)? + 1, ..record.clone() };
    tables.put_record(&stored)?;
    // Kept from the first record on, so that a run that is killed leaves what the next one needs.
    let provider = ResultRow::Provider(intent.provider_config.clone());
    tables.put_result(&intent.provider, &provider)?;
    Ok(stored)
}

fn remove(tables: &mut dyn Tables, intent: &Intent) -> Result<()> {
    let address = &intent.address;
    match (intent.action, &intent.prior) {
        (IntentAction::Create, _) => {
            illegal(format!("`removed` as the outcome of creating {address}"))
        }
        (IntentAction::DeleteDeposed, Some(prior)) => {
            tables.remove_deposed(address, &prior.id).map(drop)
        }
        _ => tables.remove_record(address).map(drop),
    }
}

/// Writes what refresh found.
pub fn write_refreshed(
    tables: &mut dyn Tables,
    lease: &Lease,
    records: &[Record],
    vanished: &[Address],
    now: Timestamp,
) -> Result<()> {
    check_lease(tables, lease)?;
    let mut written = Vec::new();
    for record in records {
        let Some(before) = tables.record(&record.address)? else {
            return illegal(format!("a refreshed record of {}, which has none", record.address));
        };
        let revision = before.revision;
        if json_of(&before)? == json_of(&Record { revision, ..record.clone() })? {
            continue;
        }
        let stored = Record { revision: revision + 1, ..record.clone() };
        tables.put_record(&stored)?;
        written.push(stored);
    }
    let mut dropped = Vec::new();
    for address in vanished {
        if tables.remove_record(address)? {
            dropped.push(address);
        }
    }
    if written.is_empty() && dropped.is_empty() {
        return Ok(());
    }
    let body = json!({ "records": json_of(&written)?, "vanished": json_of(&dropped)? });
    let entry = NewEntry { run: &lease.info.run, at: now, kind: "refreshed", address: None };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Drops a record and leaves its object alone.
pub fn forget(
    tables: &mut dyn Tables,
    lease: &Lease,
    address: &Address,
    now: Timestamp,
) -> Result<()> {
    check_lease(tables, lease)?;
    let Some(record) = tables.record(address)? else {
        return Ok(());
    };
    tables.remove_record(address)?;
    let body = json_of(&record)?;
    let run = &lease.info.run;
    let entry = NewEntry { run, at: now, kind: "forgotten", address: Some(address) };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Writes the results of a run in place of those of the run before.
pub fn write_results(
    tables: &mut dyn Tables,
    lease: &Lease,
    results: &RunResults,
    now: Timestamp,
) -> Result<()> {
    check_lease(tables, lease)?;
    let outputs: BTreeMap<_, _> =
        results.outputs.iter().map(|(name, output)| (name, marked(output))).collect();
    let body = json!({
        "outputs": json_of(&outputs)?,
        "providers": json_of(&results.providers)?,
        "node_sets": json_of(&results.node_sets)?,
    });
    let mut rows = Vec::new();
    rows.extend(outputs.into_iter().map(|(name, output)| (name, ResultRow::Output(output))));
    let providers = results.providers.iter();
    rows.extend(providers.map(|(name, config)| (name, ResultRow::Provider(config.clone()))));
    let node_sets = results.node_sets.iter();
    rows.extend(node_sets.map(|(name, nodes)| (name, ResultRow::NodeSet(nodes.clone()))));
    for kind in ["output", "provider", "node_set"] {
        let mut stale = tables.result_names(kind)?;
        for (name, _) in rows.iter().filter(|(_, row)| row.kind() == kind) {
            stale.remove(*name);
        }
        if kind == "provider" {
            // A record that is still there needs the configuration it was made with.
            let in_use = tables.providers_in_use()?;
            stale.retain(|name| !in_use.contains(name));
        }
        for name in stale {
            tables.remove_result(kind, &name)?;
        }
    }
    for (name, row) in &rows {
        tables.put_result(name, row)?;
    }
    let entry = NewEntry { run: &lease.info.run, at: now, kind: "results", address: None };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// A sensitive output is sealed even where its value carries no mark.
fn marked(output: &Output) -> Output {
    let value: Value = output.value.clone();
    let value = if output.sensitive { value.into_sensitive() } else { value };
    Output { value, ..output.clone() }
}
