//! Restore points: what there is, one in whole, what was found wrong, what is deleted.
//!
//! Refuses to know: catalogues and stores. The command line hands over plain rows, which are the JSON, too.

use crate::console::Palette;
use crate::fold::{count, duration, when};
use crate::table;
use model::Address;
use model::restore_point::{Origin, RestorePoint};
use serde::Serialize;
use std::collections::BTreeSet;

/// A restore point in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PointRow {
    /// Its name.
    pub name: String,
    /// RFC 3339 time at which capturing began; empty if it is not whole.
    pub begun_at: String,
    /// The version of the state that belongs to it; none if it is not whole.
    pub serial: Option<u64>,
    /// How many snapshots it has.
    pub snapshots: usize,
    /// What it was made for, in a few words.
    pub made_for: String,
    /// Whether a person locked it.
    pub locked: bool,
    /// Whether all of it is there.
    pub whole: bool,
    /// Whether what is recorded of it can be read.
    pub readable: bool,
}

/// A snapshot of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotRow {
    /// The instance whose object was captured.
    pub of: Address,
    /// That object's identity.
    pub object: String,
    /// The snapshot's resource type.
    pub resource_type: String,
    /// Its identity in its cloud; none if it is recorded no more.
    pub id: Option<String>,
}

/// What becomes of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FateRow {
    /// Its name.
    pub name: String,
    /// Whether it is deleted.
    pub goes: bool,
    /// Why it stays, in a word; empty if it goes.
    pub because: String,
}

/// What was found wrong with a restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// The restore point.
    pub point: String,
    /// The instance whose snapshot it is about; none if it is about the restore point itself.
    pub of: Option<Address>,
    /// The snapshot's identity.
    pub snapshot: Option<String>,
    /// What is wrong.
    pub why: String,
}

/// What a restore means for data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The restore point.
    pub point: String,
    /// RFC 3339 time at which it was begun.
    pub begun_at: String,
    /// Milliseconds since then; none if that is not known.
    pub ago_ms: Option<u64>,
    /// What is there, and is made anew with what was captured.
    pub lost: BTreeSet<Address>,
    /// What has begun with these very snapshots before.
    pub done: BTreeSet<Address>,
    /// What was captured, and begins with no snapshot by itself.
    pub left: BTreeSet<Address>,
}

/// What a restore means for data, before it is planned.
pub fn loss(loss: &Loss, palette: Palette) -> String {
    let Loss { point, begun_at, ago_ms, lost, done, left } = loss;
    let ago = ago_ms.map(|ms| format!(", {} ago", duration(ms))).unwrap_or_default();
    let mut text =
        format!("{} {point}, of {}{ago}.\n", palette.bold("Restore from"), when(begun_at));
    if !lost.is_empty() {
        let heading = palette.bad("What was written since is lost of:");
        push!(text, "{heading} {}\n", names(lost));
    }
    if !done.is_empty() {
        push!(text, "Begun with it before, and left as it is (--again): {}\n", names(done));
    }
    if !left.is_empty() {
        push!(text, "Not restored, only made as configured where it is gone: {}\n", names(left));
    }
    text
}

/// How long a restore takes, as far as such calls were seen before.
pub fn takes(ms: u64, unknown: &BTreeSet<String>) -> String {
    let about = format!("It takes about {}, if such calls take as long as before", duration(ms));
    if unknown.is_empty() {
        return format!("{about}.");
    }
    let unknown: Vec<_> = unknown.iter().map(String::as_str).collect();
    format!("{about}; not known of {}.", unknown.join(", "))
}

/// A handful of addresses; the others are counted.
fn names(addresses: &BTreeSet<Address>) -> String {
    const TOLD: usize = 8;
    let told: Vec<_> = addresses.iter().take(TOLD).map(ToString::to_string).collect();
    match addresses.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// What it was made for, in a few words.
pub fn made_for(origin: &Origin) -> String {
    match origin {
        Origin::Rollout { rollout } => format!("rollout {rollout}"),
        Origin::Person { who, why } if why.is_empty() => who.clone(),
        Origin::Person { who, why } => format!("{who}: {why}"),
    }
}

/// All of them, in the order of the rows.
pub fn list(rows: &[PointRow], palette: Palette) -> String {
    if rows.is_empty() {
        return "There is no restore point.\n".to_owned();
    }
    let cells = |row: &PointRow| {
        let state = match (row.whole, row.locked) {
            _ if !row.readable => "cannot be read",
            (false, _) => "not finished",
            (true, true) => "locked",
            (true, false) => "",
        };
        vec![
            row.name.clone(),
            when(&row.begun_at),
            row.serial.map(|serial| serial.to_string()).unwrap_or_default(),
            row.snapshots.to_string(),
            row.made_for.clone(),
            state.to_owned(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    let headings = ["restore point", "begun", "version", "snapshots", "made for", "state"];
    table::headed(&table::render(&headings, &rows, ""), palette)
}

/// One in whole.
pub fn one(
    point: &RestorePoint,
    locked: bool,
    snapshots: &[SnapshotRow],
    palette: Palette,
) -> String {
    let mut text = format!(
        "{} {}{}\nof {} as it was at {}, version {} of its state\nmade for {}\n\n",
        palette.bold("Restore point"),
        point.name,
        if locked { ", locked" } else { "" },
        point.environment,
        when(&point.begun_at),
        point.serial,
        made_for(&point.origin),
    );
    if snapshots.is_empty() {
        text.push_str("It has no snapshots.\n");
        return text;
    }
    let cells = |row: &SnapshotRow| {
        let id = row.id.clone().unwrap_or_else(|| "gone".to_owned());
        vec![row.of.to_string(), row.resource_type.clone(), id]
    };
    let rows: Vec<_> = snapshots.iter().map(cells).collect();
    text.push_str(&table::headed(&table::render(&["of", "snapshot", "id"], &rows, ""), palette));
    text
}

/// What was found wrong with so many restore points and snapshots.
pub fn findings(rows: &[FindingRow], points: usize, snapshots: usize, palette: Palette) -> String {
    let looked_at = format!("{}, {}", count(points, "restore point"), count(snapshots, "snapshot"));
    if rows.is_empty() {
        return format!("{} {looked_at}: all as they were made.\n", palette.good("✓"));
    }
    let mut text = String::new();
    for row in rows {
        let what = match (&row.of, &row.snapshot) {
            (Some(of), Some(id)) => format!("{} {id}, of {of}", row.point),
            (Some(of), None) => format!("{}, of {of}", row.point),
            (None, _) => row.point.clone(),
        };
        push!(text, "{} {what}: {}\n", palette.bad("✗"), row.why);
    }
    push!(text, "{looked_at}: {}.\n", count(rows.len(), "problem"));
    text
}

/// What a rule deletes, and why the others stay.
pub fn fates(rows: &[FateRow], palette: Palette) -> String {
    let mut text = String::new();
    for row in rows {
        if row.goes {
            push!(text, "{} {} goes\n", palette.bad("-"), row.name);
        } else {
            push!(text, "  {} stays: {}\n", row.name, row.because);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_is_not_whole() {
        let row = |name: &str, whole, readable| PointRow {
            name: name.to_owned(),
            begun_at: if whole { "2026-11-29T14:30:00Z".to_owned() } else { String::new() },
            serial: whole.then_some(47),
            snapshots: 6,
            made_for: if whole { "rollout 0123456789ab".to_owned() } else { String::new() },
            locked: whole,
            whole,
            readable,
        };
        let rows = [row("a", true, true), row("c", false, false), row("b", false, true)];
        let text = list(&rows, Palette::PLAIN);
        assert_eq!(
            text,
            "restore point  begun                version  snapshots  made for              state\n\
             a              2026-11-29 14:30:00  47       6          rollout 0123456789ab  locked\n\
             c                                            6                                cannot be read\n\
             b                                            6                                not finished\n"
        );
    }

    #[test]
    fn findings_name_the_snapshot() {
        let of = Address::parse("local_volume.data").unwrap();
        let row = FindingRow {
            point: "a".to_owned(),
            of: Some(of),
            snapshot: Some("a-1".to_owned()),
            why: "its status is damaged".to_owned(),
        };
        let text = findings(&[row], 1, 6, Palette::PLAIN);
        assert_eq!(
            text,
            "✗ a a-1, of local_volume.data: its status is damaged\n1 restore point, 6 snapshots: 1 problem.\n"
        );
    }
}
