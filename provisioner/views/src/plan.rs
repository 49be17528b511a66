//! A plan for people: what will happen to what, and why, in as few lines as that takes.
//!
//! Invariants: every change with an action is counted in the summary and appears under a heading; secrets are never
//! shown; what refresh found stands apart from what will be done.

use crate::console::Palette;
use crate::differences::{differences, paint};
use crate::grouping::{Entry, Group, group, key_text, names};
use crate::value::{UNKNOWN, inline, key};
use model::Value;
use model::plan::{Action, Adopted, Change, CloudIdentity, Drift, DriftKind, Plan, Reason, Stray};
use std::collections::BTreeMap;

pub use crate::plan_json::json;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nodes to which the same happens together; values shortened.
    #[default]
    Concise,
    /// Every change by itself, with all its attributes.
    Full,
}

/// How a plan is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// How much is shown.
    pub detail: Detail,
    /// Colours.
    pub palette: Palette,
    /// Columns to fill.
    pub width: usize,
}

/// The whole plan.
pub fn human(plan: &Plan, drawing: Drawing) -> String {
    let mut text = String::new();
    if !plan.targets.is_empty() {
        push!(text, "Limited to {}; the rest is left as it is.\n\n", plan.targets.join(", "));
    }
    text.push_str(&drift(&plan.drift, drawing));
    let is_shown =
        |it: &&Change| it.action != Action::NoOp || it.previous.is_some() || it.importing.is_some();
    let changes = plan.changes.iter().filter(is_shown);
    for group in group(changes, drawing.detail == Detail::Concise) {
        text.push_str(&group_text(&group, plan.destroy, drawing));
        text.push('\n');
    }
    text.push_str(&outputs(plan, drawing));
    if !plan.vanished.is_empty() {
        text.push_str("Gone, and not made again:\n");
        for address in &plan.vanished {
            push!(text, "  {address}\n");
        }
        text.push('\n');
    }
    text.push_str(&adopted(plan, drawing));
    text.push_str(&strays(plan, drawing));
    text.push_str(&identities(plan));
    text.push_str(&drawing.palette.bold(&summary(plan)));
    text.push('\n');
    text
}

/// Whose the clouds are that are changed, one line for those that are the same.
fn identities(plan: &Plan) -> String {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (key, identity) in &plan.identities {
        let CloudIdentity { account, region, caller } = identity;
        lines.entry(format!("{account} in {region}, as {caller}")).or_default().push(key);
    }
    let mut text = String::new();
    for (identity, keys) in &lines {
        push!(text, "{}: {identity}\n", keys.join(", "));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The last line: what will be done, in numbers.
pub fn summary(plan: &Plan) -> String {
    let count = |action| plan.count(action);
    let read = count(Action::Read);
    let replaced = count(Action::ReplaceDeleteFirst) + count(Action::ReplaceCreateFirst);
    let counts = [count(Action::Create), count(Action::Update), replaced, count(Action::Delete)];
    let forgotten = count(Action::Forget) + plan.vanished.len();
    let imported = plan.adopted.iter().filter(|adopted| adopted.imported).count();
    let kept = plan.adopted.iter().filter(|adopted| !adopted.deposed && !adopted.imported).count();
    let found = match plan.strays.len() {
        0 => String::new(),
        1 => " The state does not know 1 object that is there.".to_owned(),
        several => format!(" The state does not know {several} objects that are there."),
    };
    if !plan.has_changes() {
        let nothing = match (plan.destroy, plan.targets.is_empty()) {
            (true, true) => "Nothing to do: the environment has no objects.",
            (true, false) => "Nothing to do: what the plan is limited to has no objects.",
            (false, true) => "No changes. Everything is as configured.",
            (false, false) => "No changes. What the plan is limited to is as configured.",
        };
        return format!("{nothing}{found}");
    }
    let mut text = format!(
        "Plan: {} to create, {} to update, {} to replace, {} to delete",
        counts[0], counts[1], counts[2], counts[3]
    );
    if forgotten > 0 {
        push!(text, ", {forgotten} to forget");
    }
    if kept > 0 {
        push!(text, ", {kept} to take into the state");
    }
    if read > 0 {
        push!(text, ", {read} to read");
    }
    if imported > 0 {
        push!(text, ", {imported} to import");
    }
    if !plan.moved.is_empty() {
        push!(text, ", {} to move", plan.moved.len());
    }
    let others = read + forgotten + kept + imported + plan.moved.len();
    if counts.iter().sum::<usize>() + others == 0 && !plan.changed_outputs.is_empty() {
        match plan.changed_outputs.len() {
            1 => text.push_str("; 1 output changes"),
            several => push!(text, "; {several} outputs change"),
        }
    }
    push!(text, ".{found}");
    text
}

/// The symbol of an action, three columns wide.
pub fn symbol(action: Action, palette: Palette) -> String {
    match action {
        Action::NoOp => "   ".to_owned(),
        Action::Create => palette.good("  +"),
        Action::Update => palette.notable("  ~"),
        Action::ReplaceDeleteFirst => palette.bad("-/+"),
        Action::ReplaceCreateFirst => palette.notable("+/-"),
        Action::Delete => palette.bad("  -"),
        Action::Forget => palette.dim("  x"),
        Action::Read => palette.notable(" <="),
    }
}

/// How many lines of one kind a concise plan shows.
const MOST: usize = 40;

/// Strays that the user decided about.
fn adopted(plan: &Plan, drawing: Drawing) -> String {
    let line = |adopted: &Adopted| {
        let fate = if adopted.deposed {
            drawing.palette.bad("to be deleted")
        } else {
            drawing.palette.good("taken into the state")
        };
        let record = &adopted.record;
        format!("  {}: {fate}{}\n", record.address, drawing.palette.dim(&id(&record.id)))
    };
    let lines = plan.adopted.iter().filter(|adopted| !adopted.imported).map(line);
    found("Objects that the state did not know:", &lines.collect::<Vec<_>>(), "", drawing)
}

/// Strays that nobody has decided about.
fn strays(plan: &Plan, drawing: Drawing) -> String {
    let line = |stray: &Stray| {
        let unread = if stray.attributes.is_none() { ", cannot be read" } else { "" };
        let id = drawing.palette.dim(&id(&stray.id));
        format!("  {} {}{id}{unread}\n", drawing.palette.notable("?"), stray.address)
    };
    let lines = plan.strays.iter().map(line);
    found(
        "Objects that carry this environment's mark and that the state does not know:",
        &lines.collect::<Vec<_>>(),
        "  To take them into the state: --strays adopt. To delete them: --strays delete.\n",
        drawing,
    )
}

fn id(id: &str) -> String {
    format!("  ({id})")
}

fn found(heading: &str, lines: &[String], ending: &str, drawing: Drawing) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let shown = if drawing.detail == Detail::Full { lines.len() } else { MOST };
    let mut text = format!("{}\n", drawing.palette.bold(heading));
    text.extend(lines.iter().take(shown).map(String::as_str));
    if lines.len() > shown {
        push!(text, "  … and {} more (--verbose shows all)\n", lines.len() - shown);
    }
    push!(text, "{ending}\n");
    text
}

fn drift(drift: &[Drift], drawing: Drawing) -> String {
    if drift.is_empty() {
        return String::new();
    }
    let palette = drawing.palette;
    let shown = if drawing.detail == Detail::Full { drift.len() } else { MOST };
    let mut text = format!("{}\n\n", palette.bold("Outside of provisioner these changed:"));
    for found in drift.iter().take(shown) {
        let what = match found.kind {
            DriftKind::Gone => palette.bad("gone"),
            DriftKind::Different => palette.notable("different"),
            DriftKind::Unreachable => palette.bad("not reachable"),
        };
        push!(text, "  {} {}: {what}\n", palette.notable("‹="), found.address);
        for difference in &found.differences {
            push!(text, "       {difference}\n");
        }
    }
    if drift.len() > shown {
        push!(text, "  … and {} more (--verbose shows all)\n", drift.len() - shown);
    }
    text.push('\n');
    text
}

fn group_text(group: &Group<'_>, destroy: bool, drawing: Drawing) -> String {
    let palette = drawing.palette;
    let mut text = String::new();
    if let [_, _, ..] = group.nodes.as_slice() {
        let set = group.entries[0].changes[0].address.node_set().unwrap_or_default();
        let names = names(&group.nodes, 4);
        let heading = format!("node_set.{set}: {} nodes ({names}), each:", group.nodes.len());
        push!(text, "{}\n", palette.bold(&heading));
    } else if !group.heading.is_empty() {
        push!(text, "{}\n", palette.bold(&group.heading));
    }
    for entry in &group.entries {
        let Some(change) = entry.changes.first() else { continue };
        let why = reasons(change, destroy);
        let why = if why.is_empty() { why } else { palette.dim(&format!("  ({why})")) };
        let symbol = match change.action {
            Action::NoOp if change.importing.is_some() => palette.good(" <-"),
            Action::NoOp => palette.notable(" ->"),
            action => symbol(action, palette),
        };
        push!(text, "  {symbol} {}{}{why}\n", entry_name(entry), was(entry, drawing));
        text.push_str(&arguments(entry, drawing));
    }
    text
}

/// Which object is imported, or where it was recorded before it moved.
fn was(entry: &Entry<'_>, drawing: Drawing) -> String {
    let mut ids = entry.changes.iter().filter_map(|change| change.importing.as_ref());
    if let Some(first) = ids.next() {
        let others = match ids.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return drawing.palette.good(&format!("  imported from {first}{others}"));
    }
    let mut all = entry.changes.iter().filter_map(|change| change.previous.as_ref());
    let Some(first) = all.next() else { return String::new() };
    let others = match all.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    drawing.palette.notable(&format!("  was {first}{others}"))
}

fn entry_name(entry: &Entry<'_>) -> String {
    if entry.keys.is_empty() {
        return entry.name.clone();
    }
    let keys: Vec<_> = entry.keys.iter().map(String::as_str).collect();
    format!("{}: {} instances ({}), each:", entry.name, keys.len(), names(&keys, 4))
}

fn reasons(change: &Change, destroy: bool) -> String {
    let texts = change.reasons.iter().filter_map(|reason| match reason {
        Reason::New => None,
        Reason::Destroying if destroy => None,
        reason => Some(self::reason(reason)),
    });
    let texts = texts.collect::<Vec<_>>().join("; ");
    if change.action == Action::Read { format!("read during apply: {texts}") } else { texts }
}

/// A reason in words.
pub fn reason(reason: &Reason) -> String {
    let list = |names: &[String]| names.join(", ");
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Vanished { detail } => format!("gone: {detail}"),
        Reason::ArgumentsDiffer { arguments } => format!("changed: {}", list(arguments)),
        Reason::ForcesReplacement { arguments } => {
            format!("cannot change in place: {}", list(arguments))
        }
        Reason::Drifted { differences } => format!("drifted: {}", differences.join("; ")),
        Reason::Tainted => "an earlier run left it half made".to_owned(),
        Reason::Requested => "replacement was asked for".to_owned(),
        Reason::NotConfigured => "no longer in the configuration".to_owned(),
        Reason::Destroying => "the environment is destroyed".to_owned(),
        Reason::DependencyChanges { addresses } => match addresses.as_slice() {
            [one] => format!("{one} changes"),
            several => format!("{} of its dependencies change", several.len()),
        },
        Reason::Deposed => "left by an earlier replacement".to_owned(),
        Reason::Triggered { by } => format!("replaced with {}", list(by)),
        Reason::NotKnown { arguments } => format!("{} not known before", list(arguments)),
        Reason::Removed => "no longer managed; the object stays".to_owned(),
    }
}

fn arguments(entry: &Entry<'_>, drawing: Drawing) -> String {
    let Some(change) = entry.changes.first() else { return String::new() };
    match (&change.before, &change.after) {
        (None, Some(after)) => created(entry, after, drawing),
        (Some(before), None) if drawing.detail == Detail::Full => attributes(before, drawing),
        (Some(before), Some(after)) => differing(entry, before, after, drawing),
        _ => String::new(),
    }
}

const INDENT: &str = "          ";

/// The arguments of a new object; what is not known yet is only named, on one line.
fn created(entry: &Entry<'_>, after: &Value, drawing: Drawing) -> String {
    let Some(entries) = after.as_entries() else { return String::new() };
    let later: Vec<_> = entries
        .iter()
        .filter(|(_, value)| value.is_unknown())
        .map(|(name, _)| name.as_ref())
        .collect();
    let present: Vec<_> = entries.iter().filter(|(_, v)| !v.is_null() && !v.is_unknown()).collect();
    let widest = present.iter().map(|(name, _)| key(name).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in present {
        let own = entry.changes.iter().any(|change| {
            let other = change.after.as_ref().and_then(|after| after.get(name));
            other.is_none_or(|other| !other.same_content(value))
        });
        let note = if own { drawing.palette.dim(" (each its own)") } else { String::new() };
        let taken = INDENT.len() + widest + 3 + if own { 21 } else { 0 };
        let shown = shown(value, taken, drawing);
        push!(text, "{INDENT}{:widest$} = {shown}{note}\n", key(name));
    }
    if !later.is_empty() {
        let line = format!("{UNKNOWN}: {}", later.join(", "));
        push!(text, "{INDENT}{}\n", drawing.palette.dim(&line));
    }
    text
}

fn shown(value: &Value, taken: usize, drawing: Drawing) -> String {
    match drawing.detail {
        Detail::Concise => inline(value, drawing.width.saturating_sub(taken).max(24)),
        Detail::Full => crate::value::block(value, INDENT.len(), drawing.width),
    }
}

fn attributes(value: &Value, drawing: Drawing) -> String {
    let Some(entries) = value.as_entries() else { return String::new() };
    let lines = entries.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        format!(
            "{INDENT}{} = {}\n",
            key(name),
            shown(value, INDENT.len() + name.len() + 3, drawing)
        )
    });
    lines.collect()
}

/// Only what differs, with `before → after`.
fn differing(entry: &Entry<'_>, before: &Value, after: &Value, drawing: Drawing) -> String {
    let Some(change) = entry.changes.first() else { return String::new() };
    let forcing = |name: &str| {
        change.reasons.iter().any(|reason| {
            matches!(reason, Reason::ForcesReplacement { arguments } if arguments.iter().any(|a| a == name))
        })
    };
    let found = |change: &Change, name: &str| {
        let (before, after) =
            (change.before.as_ref()?.get(name)?, change.after.as_ref()?.get(name)?);
        let budget = drawing.width.saturating_sub(INDENT.len() + name.len() + 12).max(40);
        Some(differences(name, &before, &after, budget))
    };
    let node = change.address.node().map(|(_, node)| node.to_owned());
    let example = node.or_else(|| key_text(change));
    let mut text = String::new();
    for name in &change.differing {
        let mark = if forcing(name) {
            drawing.palette.bad("  # forces replacement")
        } else {
            String::new()
        };
        let Some(leaves) = found(change, name) else { continue };
        let own = entry.changes.iter().any(|other| found(other, name).as_ref() != Some(&leaves));
        for leaf in leaves {
            let note = match &example {
                Some(example) if own => {
                    drawing.palette.dim(&format!(" (of {example}; each its own)"))
                }
                _ => String::new(),
            };
            push!(text, "{INDENT}{}: {}{mark}{note}\n", leaf.path, leaf.text);
            for line in &leaf.lines {
                push!(text, "{INDENT}  {}\n", paint(line, drawing.palette));
            }
        }
    }
    if drawing.detail == Detail::Full && change.differing.is_empty() {
        text.push_str(&attributes(if after.is_null() { before } else { after }, drawing));
    }
    text
}

fn outputs(plan: &Plan, drawing: Drawing) -> String {
    if plan.changed_outputs.is_empty() || plan.destroy {
        return String::new();
    }
    let mut text = format!("{}\n", drawing.palette.bold("Outputs that change:"));
    for name in &plan.changed_outputs {
        let value = match plan.outputs.get(name) {
            None => "(removed)".to_owned(),
            Some(output) if output.sensitive => crate::value::SENSITIVE.to_owned(),
            Some(output) => {
                inline(&output.value, drawing.width.saturating_sub(name.len() + 9).max(24))
            }
        };
        push!(text, "    {name} = {value}\n");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
