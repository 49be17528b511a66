//! Sentences that a rollout says of itself, in entries and notices. Refuses to know: how they are drawn.

use crate::advance::bake_verdict;
use crate::state::State;
use model::rollout::entry::Hold;
use model::rollout::reason::{EndReason, RollbackReason, Said};
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

/// Why a rollout is rolled back, in a sentence. What gates showed is in the state in which that is decided, at `now_ms`.
pub(crate) fn rollback(reason: &RollbackReason, state: &State, now_ms: i64) -> String {
    match reason {
        RollbackReason::Aborted(who) => format!("aborted; {}", said(who)),
        RollbackReason::NoRestorePoint { error } => {
            format!("no restore point could be made: {error}")
        }
        RollbackReason::GateFailed { gate, .. } => {
            let failure = state.evidence.get(gate).and_then(|it| it.failure());
            format!("gate {gate}: {}", failure.map_or("it failed", |it| it.why.as_str()))
        }
        RollbackReason::NodeFailed { node, error } => {
            format!("node {node} could not be changed: {error}")
        }
        RollbackReason::NodesDead { nodes, .. } => {
            format!("nodes on the candidate are dead: {}", list(nodes))
        }
        RollbackReason::Inconclusive { .. } => {
            let (_, _, why) = bake_verdict(state, now_ms);
            format!("the gates showed no success until the deadline: {why}")
        }
        RollbackReason::Unanswered { hold: held, within_ms } => {
            format!("nothing changed within {}: {}", duration(*within_ms), hold(held))
        }
        RollbackReason::NoProgress { within_ms } => {
            format!("it made no progress for {}", duration(*within_ms))
        }
    }
}

/// How a rollout came to its end, in a sentence; `why` is why it was rolled back, if it was.
pub(crate) fn end(reason: &EndReason, why: &str) -> String {
    match reason {
        EndReason::Changed { left_out } if left_out.is_empty() => {
            "the candidate is the stable revision now".to_owned()
        }
        EndReason::Changed { left_out } => {
            format!("the candidate is stable now; left out: {}", list(left_out))
        }
        EndReason::Superseded(who) => format!("a newer change takes its place; {}", said(who)),
        EndReason::Untouched => format!("no node was changed; {why}"),
        EndReason::Restored => why.to_owned(),
        EndReason::NotRestored { nodes } => not_restored(nodes, why),
        EndReason::RestoredDead { nodes } => {
            format!("brought back, but dead: {}; {why}", list(nodes))
        }
        EndReason::ListsNotRestored { error } => {
            format!("what lists nodes was not brought back: {error}; {why}")
        }
    }
}

/// Nodes that could not be brought back, in a sentence.
pub(crate) fn not_restored(nodes: &BTreeSet<String>, why: &str) -> String {
    format!("not brought back: {}; rolled back because {why}", list(nodes))
}

fn said(who: &Said) -> String {
    let by = &who.by;
    who.why.as_ref().map_or_else(|| format!("{by} said so"), |why| format!("{by}: {why}"))
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
