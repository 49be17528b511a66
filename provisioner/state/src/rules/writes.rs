//! What a run writes: intents, attempts, outcomes, what refresh found, results.

use super::leases::check_lease;
use super::{NewEntry, Result, ResultRow, Tables, illegal, json_of};
use crate::port::{Attempt, Completed, Lease, RunResults};
use crate::version::marked;
use model::Address;
use model::record::{Intent, IntentAction, Outcome, Record};
use serde_json::json;
use std::collections::BTreeSet;

/// Journals an intent.
pub fn begin(tables: &mut dyn Tables, lease: &Lease, intent: &Intent) -> Result<u64> {
    check_lease(tables, lease, [&intent.address])?;
    check_intent(tables, intent)?;
    let sequence = journal_intent(tables, lease, intent)?;
    tables.set_unfinished(sequence, &intent.address, true)?;
    Ok(sequence)
}

/// Journals intents, all or none.
pub fn begin_all(tables: &mut dyn Tables, lease: &Lease, intents: &[Intent]) -> Result<Vec<u64>> {
    check_lease(tables, lease, intents.iter().map(|intent| &intent.address))?;
    let mut addresses = BTreeSet::new();
    for intent in intents {
        check_intent(tables, intent)?;
        let address = &intent.address;
        if intent.action != IntentAction::DeleteDeposed && !addresses.insert(address) {
            return illegal(format!("two intents for {address} at the same time"));
        }
    }
    let mut begin = |intent: &Intent| {
        let sequence = journal_intent(tables, lease, intent)?;
        tables.set_unfinished(sequence, &intent.address, true)?;
        Ok(sequence)
    };
    intents.iter().map(&mut begin).collect()
}

fn journal_intent(tables: &mut dyn Tables, lease: &Lease, intent: &Intent) -> Result<u64> {
    let address = Some(&intent.address);
    let entry = NewEntry { run: &lease.info.run, kind: "intent", address };
    tables.append(&entry, &|sequence| {
        json_of(&Intent { sequence, run: lease.info.run.clone(), ..intent.clone() })
    })
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

fn open_intent(tables: &dyn Tables, lease: &Lease, sequence: u64, what: &str) -> Result<Intent> {
    check_lease(tables, lease, [])?;
    let Some(intent) = tables.unfinished(sequence)? else {
        return illegal(format!("{what} for {sequence}, which is no intent without outcome"));
    };
    check_lease(tables, lease, [&intent.address])?;
    Ok(intent)
}

/// Journals that a call will be made again.
pub fn attempt(
    tables: &mut dyn Tables,
    lease: &Lease,
    sequence: u64,
    attempt: &Attempt,
) -> Result<()> {
    let intent = open_intent(tables, lease, sequence, "an attempt")?;
    let body = json!({ "intent": sequence, "attempt": json_of(attempt)? });
    let address = Some(&intent.address);
    let entry = NewEntry { run: &lease.info.run, kind: "attempt", address };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Journals an outcome with the change of records it means.
pub fn finish(
    tables: &mut dyn Tables,
    lease: &Lease,
    sequence: u64,
    outcome: &Outcome,
) -> Result<Option<Record>> {
    let intent = open_intent(tables, lease, sequence, "an outcome")?;
    check_outcome(&intent, outcome)?;
    tables.set_unfinished(sequence, &intent.address, false)?;
    conclude(tables, lease, &Intent { sequence, ..intent }, outcome)
}

/// Journals calls that changed nothing outside, intent and outcome of each.
pub fn complete(
    tables: &mut dyn Tables,
    lease: &Lease,
    calls: &[Completed],
) -> Result<Vec<Option<Record>>> {
    check_lease(tables, lease, calls.iter().map(|call| &call.intent.address))?;
    let mut addresses = BTreeSet::new();
    for Completed { intent, outcome } in calls {
        check_intent(tables, intent)?;
        check_outcome(intent, outcome)?;
        let address = &intent.address;
        if intent.action != IntentAction::DeleteDeposed && !addresses.insert(address) {
            return illegal(format!("two calls about {address} at the same time"));
        }
    }
    let mut complete = |Completed { intent, outcome }: &Completed| {
        let sequence = journal_intent(tables, lease, intent)?;
        conclude(tables, lease, &Intent { sequence, ..intent.clone() }, outcome)
    };
    calls.iter().map(&mut complete).collect()
}

/// What the outcome of a journaled intent means for the records; journals it.
fn conclude(
    tables: &mut dyn Tables,
    lease: &Lease,
    intent: &Intent,
    outcome: &Outcome,
) -> Result<Option<Record>> {
    let (sequence, address) = (intent.sequence, &intent.address);
    let (stored, journaled) = match outcome {
        Outcome::Recorded { record, deposed } => {
            let stored = put(tables, intent, record, deposed.as_deref())?;
            let record = Box::new(stored.clone());
            (Some(stored), Outcome::Recorded { record, deposed: deposed.clone() })
        }
        Outcome::Removed => {
            remove(tables, intent)?;
            (None, Outcome::Removed)
        }
        Outcome::Failed { message } => (None, Outcome::Failed { message: message.clone() }),
    };
    let body = json!({ "intent": sequence, "outcome": json_of(&journaled)? });
    let entry = NewEntry { run: &lease.info.run, kind: "outcome", address: Some(address) };
    tables.append(&entry, &|_| Ok(body.clone()))?;
    Ok(stored)
}

/// Whether the intent can end so.
fn check_outcome(intent: &Intent, outcome: &Outcome) -> Result<()> {
    let address = &intent.address;
    match (outcome, intent.action) {
        (Outcome::Recorded { .. }, IntentAction::DeleteDeposed) => {
            illegal(format!("a record as the outcome of deleting a deposed object of {address}"))
        }
        (Outcome::Recorded { record, deposed }, _) => {
            let mut records = std::iter::once(record).chain(deposed);
            match records.find(|record| record.address != *address) {
                None => Ok(()),
                Some(stranger) => {
                    illegal(format!("a record of {} for an intent of {address}", stranger.address))
                }
            }
        }
        (Outcome::Removed, IntentAction::Create) => {
            illegal(format!("`removed` as the outcome of creating {address}"))
        }
        (Outcome::Removed | Outcome::Failed { .. }, _) => Ok(()),
    }
}

fn put(
    tables: &mut dyn Tables,
    intent: &Intent,
    record: &Record,
    deposed: Option<&Record>,
) -> Result<Record> {
    let address = &intent.address;
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
) -> Result<()> {
    check_lease(tables, lease, records.iter().map(|record| &record.address).chain(vanished))?;
    let mut newer = Vec::new();
    for record in records {
        let Some(before) = tables.record(&record.address)? else {
            return illegal(format!("a refreshed record of {}, which has none", record.address));
        };
        let revision = before.revision;
        if json_of(&before)? != json_of(&Record { revision, ..record.clone() })? {
            newer.push(Record { revision: revision + 1, ..record.clone() });
        }
    }
    for record in &newer {
        tables.put_record(record)?;
    }
    let mut dropped = Vec::new();
    for address in vanished {
        if tables.remove_record(address)? {
            dropped.push(address);
        }
    }
    if newer.is_empty() && dropped.is_empty() {
        return Ok(());
    }
    let body = json!({ "records": json_of(&newer)?, "vanished": json_of(&dropped)? });
    let entry = NewEntry { run: &lease.info.run, kind: "refreshed", address: None };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Drops a record and leaves its object alone.
pub fn forget(tables: &mut dyn Tables, lease: &Lease, address: &Address) -> Result<()> {
    check_lease(tables, lease, [address])?;
    let Some(record) = tables.record(address)? else {
        return Ok(());
    };
    tables.remove_record(address)?;
    let body = json_of(&record)?;
    let entry = NewEntry { run: &lease.info.run, kind: "forgotten", address: Some(address) };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Writes outputs, provider configurations and node sets.
pub fn write_results(tables: &mut dyn Tables, lease: &Lease, results: &RunResults) -> Result<()> {
    check_lease(tables, lease, [])?;
    if results.is_empty() {
        return Ok(());
    }
    let results = put_results(tables, results)?;
    let body = json_of(&results)?;
    let entry = NewEntry { run: &lease.info.run, kind: "results-changed", address: None };
    tables.append(&entry, &|_| Ok(body.clone())).map(drop)
}

/// Makes the changes and gives those that were made: secrets marked, and configurations that are still needed kept.
pub(super) fn put_results(tables: &mut dyn Tables, results: &RunResults) -> Result<RunResults> {
    let mut results = results.clone();
    for output in results.outputs.values_mut().flatten() {
        *output = marked(output);
    }
    if results.providers.values().any(Option::is_none) {
        // A record that is still there needs the configuration it was made with.
        let in_use = tables.providers_in_use()?;
        results.providers.retain(|name, config| config.is_some() || !in_use.contains(name));
    }
    let mut set = |kind, name: &String, row: Option<ResultRow>| match row {
        Some(row) => tables.put_result(name, &row),
        None => tables.remove_result(kind, name),
    };
    for (name, output) in &results.outputs {
        set("output", name, output.clone().map(ResultRow::Output))?;
    }
    for (name, config) in &results.providers {
        set("provider", name, config.clone().map(ResultRow::Provider))?;
    }
    for (name, nodes) in &results.node_sets {
        set("node_set", name, nodes.clone().map(ResultRow::NodeSet))?;
    }
    Ok(results)
}
