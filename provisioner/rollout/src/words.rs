//! Sentences that a rollout says of itself, in entries and notices. Refuses to know: how they are drawn.

use model::rollout::entry::Hold;
use std::collections::BTreeSet;

/// What a rollout waits for, in a sentence.
pub(crate) fn hold(reason: &Hold) -> String {
    match reason {
        Hold::Paused => "paused by a person: waits for `rollout resume`".to_owned(),
        Hold::Window { name, .. } => format!("waits until window `{name}` lets it go on"),
        Hold::Approval { missing: 1, .. } => "one more person must approve".to_owned(),
        Hold::Approval { missing, .. } => format!("{missing} more people must approve"),
        Hold::Inconclusive { .. } => "the gates show neither success nor failure".to_owned(),
        Hold::Manual { why } => {
            format!(
                "a person must say `rollout abort`, `rollout promote` or `rollout retry`: {why}"
            )
        }
        Hold::Unavailable { nodes } if nodes.is_empty() => {
            "max_unavailable lets no node be changed".to_owned()
        }
        Hold::Unavailable { nodes } => format!("too many nodes are down: {}", list(nodes)),
    }
}

/// Names in a row; of many the first ones and how many more.
pub(crate) fn list(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 8;
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A duration for people: `15 min`, `2 h`, `90 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0 => "0 s".to_owned(),
        _ if ms.is_multiple_of(86_400_000) && ms > 86_400_000 => format!("{} d", ms / 86_400_000),
        _ if ms.is_multiple_of(3_600_000) => format!("{} h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        _ => format!("{ms} ms"),
    }
}

/// A share as a percentage: `0.1 %`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// A number with its digits in groups of three: `4 603`.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
