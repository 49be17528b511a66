//! Verdicts and their consequences, judged anew from what evidence keeps: verdicts from the raw counts and the thresholds, a rollback and
//! an end, with their reasons, from all that came before.
//!
//! Invariants: the rules are those that decide while a rollout runs, of this version of the program; the first entry that they
//! do not give is named; sentences are compared only where a past version left nothing else. What hangs on more than is kept (whether a node was really dead, whether somebody looked) is
//! not judged. Refuses to know: hashes, signatures.

use crate::advance::{bake_verdict, harm_verdicts};
use crate::command::{Command, Observation};
use crate::state::State;
use crate::step::step;
use crate::verdict::Seen;
use model::rollout::entry::{Entry, Measurement, Verdict, What};
use serde::Serialize;
use std::collections::BTreeMap;

/// A verdict that its counts and thresholds do not give, or a decision that nothing before it gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {number}: {what}")]
pub struct Unfounded {
    /// The record, from 0.
    pub number: u64,
    /// What does not follow, in a sentence.
    pub what: String,
}

/// The first verdict or decision that does not follow from what came before it.
pub fn judge(entries: &[Entry]) -> Option<Unfounded> {
    let mut entries = entries.iter();
    let first = entries.next()?;
    let named = |number, what| Unfounded { number, what };
    let mut state = match State::fold([first]) {
        Ok(state) => state,
        Err(error) => return Some(named(first.number, error.to_string())),
    };
    // What a rollout waits for is over the moment before that is why it is rolled back: the reason hangs on the state before.
    let mut held: Option<State> = None;
    for entry in entries {
        let before = match &entry.what {
            What::Released => Some(state.clone()),
            _ => None,
        };
        let judged = followed(&state, held.as_ref(), entry);
        let applied = judged.and_then(|()| state.apply(entry).map_err(|it| it.to_string()));
        if let Err(what) = applied {
            return Some(named(entry.number, what));
        }
        held = before;
    }
    None
}

/// Whether an entry follows from the state before it; `held` is the one before that, if a hold was taken away in between.
fn followed(state: &State, held: Option<&State>, entry: &Entry) -> Result<(), String> {
    match &entry.what {
        What::Measured(measurement) => measured(state, measurement),
        What::Judged { verdict, gates, .. } => stage(state, *verdict, gates, entry.at_ms),
        What::Promoted { by: None, .. } if state.judged != Some(Verdict::Successful) => {
            Err("the stage is promoted by its gates, which were not judged successful".to_owned())
        }
        What::Promoted { by: Some(by), .. } if state.promote.as_ref() != Some(by) => {
            Err(format!("the stage is promoted by {by}, who did not ask for it"))
        }
        What::RollbackDecided { .. } | What::Ended { .. } => decided(state, held, entry),
        _ => Ok(()),
    }
}

/// A rollback and an end are what is decided at that time, for the reason that is given: as data, or in entries of past versions
/// as a sentence.
fn decided(state: &State, held: Option<&State>, entry: &Entry) -> Result<(), String> {
    let is_end = matches!(entry.what, What::Ended { .. });
    let mut due = None;
    for state in std::iter::once(state).chain(held) {
        let mut state = state.clone();
        // A look that finds all nodes well leaves no entry.
        state.asked.seen = Some(entry.at_ms);
        let (_, commands) = step(&state, &Observation::Tick, entry.at_ms);
        let mut anew = commands.into_iter().filter_map(|command| match command {
            Command::Record(anew) if is_end == matches!(anew.what, What::Ended { .. }) => {
                matches!(anew.what, What::Ended { .. } | What::RollbackDecided { .. })
                    .then_some(anew.what)
            }
            _ => None,
        });
        match anew.next() {
            Some(what) if agrees(&entry.what, &what) => return Ok(()),
            what => due = due.or(what),
        }
    }
    Err(unlike(&entry.what, due.as_ref()))
}

/// Whether what is said is what is decided anew.
fn agrees(said: &What, anew: &What) -> bool {
    match (said, anew) {
        (
            What::RollbackDecided { detected_ms, why, reason, nodes },
            What::RollbackDecided { detected_ms: since_ms, why: due_why, reason: due, nodes: all },
        ) => {
            let reason = Reason(why, reason.as_ref());
            detected_ms == since_ms && nodes == all && reason.agrees(&Reason(due_why, due.as_ref()))
        }
        (
            What::Ended { outcome, why, reason },
            What::Ended { outcome: due_outcome, why: due_why, reason: due },
        ) => {
            let reason = Reason(why, reason.as_ref());
            outcome == due_outcome && reason.agrees(&Reason(due_why, due.as_ref()))
        }
        _ => false,
    }
}

/// What is said, and what is decided anew instead.
fn unlike(said: &What, due: Option<&What>) -> String {
    match (said, due) {
        (What::RollbackDecided { .. }, None) => {
            "a rollback is decided, and nothing before it asks for one".to_owned()
        }
        (
            What::RollbackDecided { detected_ms, why, reason, .. },
            Some(What::RollbackDecided {
                detected_ms: since_ms, why: due_why, reason: due, ..
            }),
        ) => {
            let (reason, due) = (Reason(why, reason.as_ref()), Reason(due_why, due.as_ref()));
            if detected_ms == since_ms && reason.agrees(&due) {
                return "a rollback is decided of other nodes than were changed".to_owned();
            }
            let by = reason.compared_by();
            format!(
                "a rollback is decided for what was first seen at {detected_ms} ({reason}), and it follows from what was seen at {since_ms} ({due}){by}"
            )
        }
        (What::Ended { why, reason, .. }, Some(What::Ended { why: due_why, reason: due, .. })) => {
            let (reason, due) = (Reason(why, reason.as_ref()), Reason(due_why, due.as_ref()));
            let by = reason.compared_by();
            format!("it ended otherwise than follows: {reason}; and it follows: {due}{by}")
        }
        _ => "it ended, and nothing before lets it end so".to_owned(),
    }
}

/// A reason as an entry says it: as a sentence, and, unless a past version wrote it, as data.
struct Reason<'a, T>(&'a str, Option<&'a T>);

impl<T: PartialEq> Reason<'_, T> {
    /// Whether it is the one that is `due`. Sentences, which another version may word otherwise, count only where that is all there is.
    fn agrees(&self, due: &Reason<'_, T>) -> bool {
        if self.1.is_some() { self.1 == due.1 } else { self.0 == due.0 }
    }

    /// What whoever reads that it does not agree must know.
    fn compared_by(&self) -> &'static str {
        if self.1.is_some() {
            return "";
        }
        "; the entry is of a version that gave reasons as sentences only, so the sentences were compared: another version may have worded the same otherwise"
    }
}

impl<T: Serialize> std::fmt::Display for Reason<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)?;
        match self.1.map(serde_json::to_string) {
            Some(Ok(data)) => write!(f, " {data}"),
            _ => Ok(()),
        }
    }
}

/// A measurement says what its gate says with it and all before it.
fn measured(state: &State, measurement: &Measurement) -> Result<(), String> {
    let Measurement { gate, verdict, .. } = measurement;
    let check = state.stage_gate(gate).map(|it| &it.check);
    let (Some(check), Some(evidence)) = (check, state.evidence.get(gate)) else {
        return Err(format!("the stage has no gate {gate}"));
    };
    let opinion = evidence.clone().take(check, &Seen::of(measurement, state.bake_ms));
    if opinion.verdict == *verdict {
        return Ok(());
    }
    let (said, anew) = (name(*verdict), name(opinion.verdict));
    Err(format!("gate {gate} is {said}, and its counts are {anew}: {}", opinion.why))
}

/// A stage is judged by all its gates: at the end of its bake, or as soon as one has shown harm.
fn stage(
    state: &State,
    verdict: Verdict,
    gates: &BTreeMap<String, Verdict>,
    now_ms: i64,
) -> Result<(), String> {
    let (anew, each, why) = bake_verdict(state, now_ms);
    let harm = harm_verdicts(state);
    let is_harmed = verdict == Verdict::Failed && harm.values().any(|it| *it == Verdict::Failed);
    if (anew == verdict && each == *gates) || (is_harmed && harm == *gates) {
        return Ok(());
    }
    Err(format!("the stage is judged {}, and its gates are {}: {why}", name(verdict), name(anew)))
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Successful => "successful",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Error => "error",
        Verdict::Failed => "failed",
    }
}
