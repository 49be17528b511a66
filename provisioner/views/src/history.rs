//! What happened to a state: runs and versions, leases, what a check found.
//!
//! Refuses to know: stores. The command line hands over plain rows.

use crate::console::Palette;
use crate::fold::{count, when};
use crate::table;
use serde::Serialize;
use std::collections::BTreeMap;

/// One run in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    /// The version after its last entry: what `state show --at` and `state restore` take.
    pub version: u64,
    /// The version that it began with.
    pub from: u64,
    /// RFC 3339 time of its first entry.
    pub at: String,
    /// Its id.
    pub run: String,
    /// Who ran it: user and host.
    pub by: String,
    /// The command.
    pub command: String,
    /// How many objects were made, changed and so on: `created`, `updated`, `deleted`, `failed`, `edited`.
    pub changes: BTreeMap<String, usize>,
    /// Whether its end was not seen: it is under way, or was cut off.
    pub open: bool,
}

/// One journal entry in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryRow {
    /// The version after it.
    pub version: u64,
    /// RFC 3339.
    pub at: String,
    /// The run that wrote it.
    pub run: String,
    /// Its kind.
    pub kind: String,
    /// The instance, if it is about one.
    pub address: Option<String>,
    /// In a few words.
    pub what: String,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseRow {
    /// Its fencing token: what `state unlock` takes.
    pub epoch: u64,
    /// The command.
    pub command: String,
    /// User.
    pub owner: String,
    /// Host and process.
    pub host: String,
    /// Operating-system process id on that host.
    pub pid: u32,
    /// RFC 3339 time it was taken.
    pub since: String,
    /// RFC 3339 time it ends unless renewed.
    pub expires: String,
    /// What it may write; none for the whole environment.
    pub addresses: Option<Vec<String>>,
}

/// Runs, the latest first.
pub fn runs(rows: &[HistoryRow], palette: Palette) -> String {
    if rows.is_empty() {
        return "Nothing has happened yet.\n".to_owned();
    }
    let cells = |row: &HistoryRow| {
        let changes: Vec<_> =
            row.changes.iter().map(|(what, number)| format!("{number} {what}")).collect();
        let mut changes = if changes.is_empty() { "-".to_owned() } else { changes.join(", ") };
        if row.open {
            changes.push_str(" (not finished)");
        }
        let at = when(&row.at);
        vec![row.version.to_string(), at, row.by.clone(), row.command.clone(), changes]
    };
    let rows: Vec<_> = rows.iter().rev().map(cells).collect();
    let text = table::render(&["version", "at", "by", "command", "changes"], &rows, "");
    table::headed(&text, palette)
}

/// Journal entries, the latest first.
pub fn entries(rows: &[EntryRow], palette: Palette) -> String {
    let cells = |row: &EntryRow| {
        let at = when(&row.at);
        let address = row.address.clone().unwrap_or_default();
        vec![row.version.to_string(), at, row.kind.clone(), address, row.what.clone()]
    };
    let rows: Vec<_> = rows.iter().rev().map(cells).collect();
    table::headed(
        &table::render(&["version", "at", "entry", "address", "what"], &rows, ""),
        palette,
    )
}

/// Who holds what.
pub fn leases(rows: &[LeaseRow], palette: Palette) -> String {
    if rows.is_empty() {
        return "Nobody holds anything.\n".to_owned();
    }
    let cells = |row: &LeaseRow| {
        let what = match &row.addresses {
            None => "the environment".to_owned(),
            Some(addresses) if addresses.len() <= 2 => addresses.join(", "),
            Some(addresses) => format!("{} and {} more", addresses[0], addresses.len() - 1),
        };
        vec![
            row.epoch.to_string(),
            row.command.clone(),
            format!("{} on {} ({})", row.owner, row.host, row.pid),
            row.since.clone(),
            row.expires.clone(),
            what,
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    let headings = ["lease", "command", "by", "since", "ends unless renewed", "holds"];
    table::headed(&table::render(&headings, &rows, ""), palette)
}

/// What a check found.
pub fn check(entries: u64, records: u64, findings: &[String], palette: Palette) -> String {
    let entries = usize::try_from(entries).unwrap_or(usize::MAX);
    let records = usize::try_from(records).unwrap_or(usize::MAX);
    let looked = format!(
        "{} of the journal and {}",
        if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") },
        count(records, "record"),
    );
    if findings.is_empty() {
        return format!("{} {looked} looked at, all sound.\n", palette.good("✓"));
    }
    let mut text = format!("{} {looked} looked at:\n", palette.bad("✗"));
    for finding in findings {
        push!(text, "  {finding}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_run_comes_first_and_an_open_one_is_told() {
        let row = |version: u64, open| HistoryRow {
            version,
            from: version - 1,
            at: "2026-11-23T02:00:00.123Z".to_owned(),
            run: "r".to_owned(),
            by: "ana on build-7".to_owned(),
            command: "apply staging".to_owned(),
            changes: BTreeMap::from([("created".to_owned(), 3)]),
            open,
        };
        let text = runs(&[row(5, false), row(9, true)], Palette::default());
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with("9 ") && lines[1].ends_with("3 created (not finished)"),
            "{text}"
        );
        assert!(lines[2].contains("2026-11-23 02:00:00"), "{text}");
    }

    #[test]
    fn a_check_says_what_it_looked_at() {
        let text = check(1, 2, &[], Palette::default());
        assert!(
            text.contains("1 entry of the journal and 2 records looked at, all sound"),
            "{text}"
        );
        let text = check(1, 2, &["page 3 is damaged".to_owned()], Palette::default());
        assert!(text.ends_with("  page 3 is damaged\n"), "{text}");
    }
}
