//! What differs between two values, leaf by leaf, as lines for people.
//!
//! Invariants: secrets are never shown, not even through a difference of two texts; equal parts are left out.

use crate::console::Palette;
use crate::value::{SENSITIVE, inline, key};
use model::{Data, Value};
use similar::{Algorithm, ChangeTag, DiffTag, TextDiff, capture_diff_slices};

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

/// What changes between two texts of a file, as a patch that other programs understand.
pub fn patch(name: &str, before: &str, after: &str, palette: Palette) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text =
        diff.unified_diff().header(&format!("old/{name}"), &format!("new/{name}")).to_string();
    if !palette.is_coloured() {
        return text;
    }
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'+') => palette.good(line),
        Some(b'-') => palette.bad(line),
        Some(b'@') => palette.accent(line),
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
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
    if let (Some(old), Some(new)) = (before.as_items(), after.as_items()) {
        let lines = item_lines(old, new, budget);
        return Difference { path, text: format!("{} → {} items", old.len(), new.len()), lines };
    }
    let lines = match (before.as_str(), after.as_str()) {
        (Some(old), Some(new)) if old.contains('\n') && new.contains('\n') => text_lines(old, new),
        _ => Vec::new(),
    };
    if !lines.is_empty() {
        let count = |mark: char| lines.iter().filter(|line| line.starts_with(mark)).count();
        return Difference { path, text: format!("-{} +{} lines", count('-'), count('+')), lines };
    }
    let half = budget.saturating_sub(3) / 2;
    let text = match (before.as_str(), after.as_str()) {
        (Some(old), Some(new)) if old.chars().count().max(new.chars().count()) + 2 > half => {
            let (old, new) = around(old, new);
            format!("{} → {}", inline(&old.into(), half), inline(&new.into(), half))
        }
        _ => {
            let old = inline(before, half);
            let new = inline(after, budget.saturating_sub(old.chars().count() + 3));
            format!("{old} → {new}")
        }
    };
    Difference { path, text, lines }
}

/// Two long texts from shortly before where they begin to differ.
fn around(old: &str, new: &str) -> (String, String) {
    const CONTEXT: usize = 12;
    let same = old.chars().zip(new.chars()).take_while(|(left, right)| left == right).count();
    let skip = same.saturating_sub(CONTEXT);
    let cut = |text: &str| {
        let rest: String = text.chars().skip(skip).collect();
        if skip == 0 { rest } else { format!("…{rest}") }
    };
    (cut(old), cut(new))
}

/// Items that go and come, at most 20.
fn item_lines(old: &[Value], new: &[Value], budget: usize) -> Vec<String> {
    const MOST: usize = 20;
    let keys = |items: &[Value]| -> Vec<String> {
        items.iter().map(|item| format!("{:?}", item.without_marks())).collect()
    };
    let operations = capture_diff_slices(Algorithm::Myers, &keys(old), &keys(new));
    let mut lines = Vec::new();
    for operation in operations.iter().filter(|operation| operation.tag() != DiffTag::Equal) {
        let gone = old[operation.old_range()].iter().map(|item| ('-', item));
        let come = new[operation.new_range()].iter().map(|item| ('+', item));
        lines.extend(
            gone.chain(come).map(|(mark, item)| format!("{mark} {}", inline(item, budget))),
        );
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("  … {more} more items"));
    }
    lines
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

        let long = |end: &str| Value::from(format!("{}{end}", "x".repeat(90)).as_str());
        let found = differences("command", &long("=> 8"), &long("=> 9"), 60);
        assert_eq!(found[0].text, "\"…xxxxxxxxx=> 8\" → \"…xxxxxxxxx=> 9\"");

        let items = |numbers: &[i64]| Value::tuple(numbers.iter().copied().map(Value::from));
        let found = differences("list", &items(&[1, 2]), &items(&[1, 3, 2]), 60);
        assert_eq!(
            (found[0].text.as_str(), found[0].lines.as_slice()),
            ("2 → 3 items", &["+ 3".to_owned()][..])
        );

        let secret = |text: &str| Value::object([("key", Value::from(text).into_sensitive())]);
        let found = differences("tls", &secret("old"), &secret("new"), 60);
        assert_eq!(found[0].text, "(sensitive value) changes");
    }
}
