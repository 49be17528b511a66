//! What differs between two values, leaf by leaf, as lines for people.
//!
//! Invariants: secrets are never shown, not even through a difference of two texts; equal parts are left out.

use crate::console::Palette;
use crate::value::{SENSITIVE, inline, key};
use model::{Data, Value};
use similar::{ChangeTag, TextDiff};

/// One leaf that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// From the argument to the leaf: `files["config.yml"].content`.
    pub path: String,
    /// `before → after`, on one line.
    pub text: String,
    /// For texts of several lines: the lines that go and come, with `-`, `+` or a space in front.
    pub lines: Vec<String>,
}

/// All leaves that differ between `before` and `after`, below the argument `name`.
pub fn differences(name: &str, before: &Value, after: &Value, budget: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(name.to_owned(), before, after, budget, &mut found);
    found
}

fn walk(path: String, before: &Value, after: &Value, budget: usize, found: &mut Vec<Difference>) {
    let sensitive = before.marks().sensitive || after.marks().sensitive;
    if before.same_content(after) {
        return;
    }
    if sensitive {
        let text = format!("{SENSITIVE} changes");
        found.push(Difference { path, text, lines: Vec::new() });
        return;
    }
    if let (Some(old), Some(new)) = (before.as_entries(), after.as_entries()) {
        let null = Value::null(model::Type::Any);
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (old, new) = (old.get(name).unwrap_or(&null), new.get(name).unwrap_or(&null));
            walk(member(&path, name), old, new, budget, found);
        }
        return;
    }
    if let (Some(old), Some(new)) = (before.as_items(), after.as_items())
        && old.len() == new.len()
        && !matches!(after.data(), Data::Set(..))
    {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            walk(format!("{path}[{index}]"), old, new, budget, found);
        }
        return;
    }
    found.push(leaf(path, before, after, budget));
}

fn member(path: &str, name: &str) -> String {
    let bare = key(name);
    if bare.starts_with('"') { format!("{path}[{bare}]") } else { format!("{path}.{bare}") }
}

fn leaf(path: String, before: &Value, after: &Value, budget: usize) -> Difference {
    let lines = match (before.as_str(), after.as_str()) {
        (Some(old), Some(new)) if old.contains('\n') && new.contains('\n') => text_lines(old, new),
        _ => Vec::new(),
    };
    let text = if lines.is_empty() {
        let half = budget.saturating_sub(3) / 2;
        let old = inline(before, half);
        let new = inline(after, budget.saturating_sub(old.chars().count() + 3));
        if old == new { format!("{old} (differs further on)") } else { format!("{old} → {new}") }
    } else {
        let count = |mark: char| lines.iter().filter(|line| line.starts_with(mark)).count();
        format!("-{} +{} lines", count('-'), count('+'))
    };
    Difference { path, text, lines }
}

/// A unified difference with one line around each change, at most 40 lines.
fn text_lines(old: &str, new: &str) -> Vec<String> {
    const MOST: usize = 40;
    let difference = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for (index, group) in difference.grouped_ops(1).iter().enumerate() {
        if index > 0 {
            lines.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{mark} {}", change.value().trim_end_matches('\n')));
        }
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("  … {more} more lines"));
    }
    lines
}

/// A line of a text difference in its colour.
pub fn paint(line: &str, palette: Palette) -> String {
    match line.as_bytes().first() {
        Some(b'-') => palette.bad(line),
        Some(b'+') => palette.good(line),
        _ => palette.dim(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_found_and_secrets_are_not_shown() {
        let file = |content: &str| Value::object([("content", Value::from(content))]);
        let before = Value::object([("config.yml", file("a\nb\nc\n")), ("same", file("x"))]);
        let after = Value::object([("config.yml", file("a\nB\nc\n")), ("same", file("x"))]);
        let found = differences("files", &before, &after, 60);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "files[\"config.yml\"].content");
        assert_eq!(found[0].lines, ["  a", "- b", "+ B", "  c"]);

        let secret = |text: &str| Value::object([("key", Value::from(text).into_sensitive())]);
        let found = differences("tls", &secret("old"), &secret("new"), 60);
        assert_eq!(found[0].text, "(sensitive value) changes");
    }
}
