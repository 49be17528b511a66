//! `state history`: what happened to the state, by run or by journal entry.

use super::existing;
use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::session::Session;
use serde_json::{Value as Json, json};
use state::JournalEntry;
use std::collections::{BTreeMap, HashMap};
use views::history::{EntryRow, HistoryRow};

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: &Environment,
    by_entry: bool,
    only: Option<&str>,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let mut journal = store.port.journal(0).await?;
    if let Some(run) = only {
        journal.retain(|entry| entry.run == run);
    }
    let console = &session.console;
    let palette = console.out_palette();
    if by_entry || only.is_some() {
        let rows: Vec<EntryRow> = entries(&journal);
        if session.json {
            console.json(&json!(rows));
        } else {
            console.data(&views::history::entries(&rows, palette));
        }
    } else {
        let rows = runs(&journal);
        if session.json {
            console.json(&json!(rows));
        } else {
            console.data(&views::history::runs(&rows, palette));
        }
    }
    Ok(Exit::Done)
}

fn text(json: &Json, path: &[&str]) -> String {
    let found = path.iter().try_fold(json, |json, step| json.get(step));
    found.and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// Actions of intents by sequence: an outcome names its intent only.
fn actions(journal: &[JournalEntry]) -> HashMap<u64, String> {
    let intents = journal.iter().filter(|entry| entry.kind == "intent");
    intents.map(|entry| (entry.sequence, text(&entry.body, &["action"]))).collect()
}

/// What an outcome came to: `created`, `failed`.
fn outcome(entry: &JournalEntry, actions: &HashMap<u64, String>) -> &'static str {
    let outcome = entry.body.get("outcome");
    if outcome.is_some_and(|outcome| outcome.get("failed").is_some()) {
        return "failed";
    }
    let intent = entry.body.get("intent").and_then(Json::as_u64);
    match intent.and_then(|intent| actions.get(&intent)).map(String::as_str) {
        Some("create") => "created",
        Some("update") => "updated",
        Some("delete" | "delete_deposed") => "deleted",
        _ => "settled",
    }
}

fn length(entry: &JournalEntry, member: &str) -> usize {
    entry.body.get(member).and_then(Json::as_array).map_or(0, Vec::len)
}

/// One row a run; a run that takes several leases is one.
fn runs(journal: &[JournalEntry]) -> Vec<HistoryRow> {
    let actions = actions(journal);
    let mut order: Vec<&str> = Vec::new();
    let mut rows: HashMap<&str, (HistoryRow, i64)> = HashMap::new();
    for entry in journal {
        let (row, open) = rows.entry(&entry.run).or_insert_with(|| {
            order.push(&entry.run);
            (first(entry), 0)
        });
        row.version = entry.sequence;
        let mut add = |what: &str, number: usize| {
            if number > 0 {
                *row.changes.entry(what.to_owned()).or_default() += number;
            }
        };
        match entry.kind.as_str() {
            "run-started" => {
                *open += 1;
                row.by = by(entry);
                row.command = text(&entry.body, &["lease", "command"]);
            }
            "run-finished" => *open -= 1,
            "outcome" => add(outcome(entry, &actions), 1),
            "refreshed" => {
                add("brought up to date", length(entry, "records"));
                add("found gone", length(entry, "vanished"));
            }
            "forgotten" => add("forgotten", 1),
            "edited" => add("edited", 1),
            "pruned" => add("pruned", 1),
            "rekeyed" => add("rekeyed", 1),
            "unlocked" => {
                *open -= 1;
                add("unlocked", 1);
            }
            _ => {}
        }
    }
    let finished =
        |run: &str| rows.get(run).map(|(row, open)| HistoryRow { open: *open > 0, ..row.clone() });
    order.into_iter().filter_map(finished).collect()
}

fn by(entry: &JournalEntry) -> String {
    let lease = |member| text(&entry.body, &["lease", member]);
    format!("{} on {}", lease("owner"), lease("host"))
}

fn first(entry: &JournalEntry) -> HistoryRow {
    HistoryRow {
        version: entry.sequence,
        from: entry.sequence - 1,
        at: entry.at.clone(),
        run: entry.run.clone(),
        by: String::new(),
        command: String::new(),
        changes: BTreeMap::new(),
        open: false,
    }
}

fn entries(journal: &[JournalEntry]) -> Vec<EntryRow> {
    let actions = actions(journal);
    let row = |entry: &JournalEntry| EntryRow {
        version: entry.sequence,
        at: entry.at.clone(),
        run: entry.run.clone(),
        kind: entry.kind.clone(),
        address: entry.address.as_ref().map(ToString::to_string),
        what: what(entry, &actions),
    };
    journal.iter().map(row).collect()
}

fn what(entry: &JournalEntry, actions: &HashMap<u64, String>) -> String {
    match entry.kind.as_str() {
        "run-started" => format!("{} by {}", text(&entry.body, &["lease", "command"]), by(entry)),
        "intent" => text(&entry.body, &["action"]).replace('_', " "),
        "attempt" => {
            let attempt = |member| text(&entry.body, &["attempt", member]);
            format!("again after {}: {}", attempt("class"), attempt("message"))
        }
        "outcome" => {
            let failed = text(&entry.body, &["outcome", "failed", "message"]);
            let came_to = outcome(entry, actions);
            if failed.is_empty() { came_to.to_owned() } else { format!("{came_to}: {failed}") }
        }
        "refreshed" => format!(
            "{} brought up to date, {} gone",
            length(entry, "records"),
            length(entry, "vanished")
        ),
        "edited" => text(&entry.body, &["reason"]),
        "unlocked" => format!("by {}", text(&entry.body, &["by"])),
        "pruned" => format!(
            "{} entries",
            entry.body.get("entries").and_then(Json::as_u64).unwrap_or_default()
        ),
        _ => String::new(),
    }
}
