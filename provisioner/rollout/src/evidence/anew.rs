//! Verdicts, judged anew from the raw counts and the thresholds that evidence keeps.
//!
//! Invariants: the rules are those that decide while a rollout runs, of this version of the program; the first verdict that they
//! do not give is named. What hangs on more than is kept (whether a node was really dead, when a person spoke) is
//! not judged. Refuses to know: hashes, signatures.

use crate::advance::{bake_verdict, harm_verdicts};
use crate::state::State;
use crate::verdict::Seen;
use model::rollout::entry::{Entry, Measurement, Verdict, What};
use std::collections::BTreeMap;

/// A verdict that its counts and thresholds do not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {number}: {what}")]
pub struct Unfounded {
    /// The record, from 0.
    pub number: u64,
    /// What does not follow, in a sentence.
    pub what: String,
}

/// The first verdict that does not follow from what came before it.
pub fn judge(entries: &[Entry]) -> Option<Unfounded> {
    let mut entries = entries.iter();
    let first = entries.next()?;
    let named = |number, what| Unfounded { number, what };
    let mut state = match State::fold([first]) {
        Ok(state) => state,
        Err(error) => return Some(named(first.number, error.to_string())),
    };
    for entry in entries {
        let judged = match &entry.what {
            What::Measured(measurement) => measured(&state, measurement),
            What::Judged { verdict, gates, .. } => stage(&state, *verdict, gates, entry.at_ms),
            What::Promoted { by: None, .. } if state.judged != Some(Verdict::Successful) => {
                Err("the stage is promoted by its gates, which were not judged successful"
                    .to_owned())
            }
            _ => Ok(()),
        };
        let followed = judged.and_then(|()| state.apply(entry).map_err(|it| it.to_string()));
        if let Err(what) = followed {
            return Some(named(entry.number, what));
        }
    }
    None
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
