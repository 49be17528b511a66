//! One sentence an entry: what the plain log, the history and the report say of it.
//!
//! Invariant: total. Every entry has a sentence, whatever is in it, and it is one line.
//! Refuses to know: colours and widths.

use super::figures::{clock, number, plain, share, some_of, span};
use super::fold::{Model, Undone};
use crate::fold::count;
use model::rollout::entry::{
    Entry, Hold, Measurement, Outcome, Reading, Start, Verb, Verdict, What,
};
use std::collections::BTreeMap;

/// How many names a sentence has; the others are counted.
const NAMES: usize = 4;

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// One of many: a measurement.
    Small,
    /// It goes on.
    Plain,
    /// It went well.
    Good,
    /// It deserves a look.
    Notable,
    /// It failed.
    Bad,
}

/// What an entry says, on one line. The model gives stages their names; it may be the one before or after the entry.
pub fn sentence(entry: &Entry, model: &Model) -> String {
    let stage = |number: &u32| stage_name(*number, model);
    let text = match &entry.what {
        What::Started(start) => started(start),
        What::SnapshotTaken { error: None, point } => {
            let name = point.as_ref().map(|point| format!(" {point}")).unwrap_or_default();
            format!("restore point{name} is made")
        }
        What::SnapshotTaken { error: Some(error), .. } => {
            format!("no restore point could be made: {error}")
        }
        What::StageEntered { stage: of } => format!("stage {} begins", stage(of)),
        What::WaveStarted { stage: of, wave, nodes } => {
            format!("{}, wave {}: changing {}", stage(of), wave + 1, names(nodes))
        }
        What::WaveEnded { stage: of, wave, changed, failed } => {
            let done = ended(changed.len(), "changed", failed);
            format!("{}, wave {}: {done}", stage(of), wave + 1)
        }
        What::BakeStarted { stage: of } => format!("{} bakes", stage(of)),
        What::Measured(measurement) => measured(measurement, &stage(&measurement.stage)),
        What::NodesSeen { down } if down.is_empty() => "every node answers".to_owned(),
        What::NodesSeen { down } => format!("no answer from {}", reasons(down)),
        What::NodeExcluded { node, why } => format!("{node} is left out: {why}"),
        What::Judged { stage: of, verdict, why, .. } => {
            format!("{} is judged {}: {why}", stage(of), verdict_name(*verdict))
        }
        What::Promoted { stage: of, by: None } => format!("{} is over", stage(of)),
        What::Promoted { stage: of, by: Some(by) } => {
            format!("{} is over: {by} promoted it", stage(of))
        }
        What::Held { reason } => format!("held: {}", hold(reason, model)),
        What::Released => "goes on".to_owned(),
        What::Approved { stage: of, by, through, until_ms, .. } => {
            let through = through.as_ref().map(|it| format!(" (through {it})"));
            let through = through.unwrap_or_default();
            format!("{by}{through} agrees to {} until {}", stage(of), clock(*until_ms))
        }
        What::Asked { verb, by, why } => match why {
            Some(why) => format!("{by} asks to {}: {why}", verb_name(*verb)),
            None => format!("{by} asks to {}", verb_name(*verb)),
        },
        What::RollbackDecided { why, nodes, .. } => {
            format!("rolling back {}: {why}", count(nodes.len(), "node"))
        }
        What::RollbackWaveStarted { wave, nodes } => {
            format!("rollback, wave {}: {}", wave + 1, names(nodes))
        }
        What::RollbackWaveEnded { wave, restored, failed } => {
            format!("rollback, wave {}: {}", wave + 1, ended(restored.len(), "restored", failed))
        }
        What::ListsStarted { back: false } => "what lists nodes follows".to_owned(),
        What::ListsStarted { back: true } => "what lists nodes goes back".to_owned(),
        What::ListsEnded { error: None } => "what lists nodes knows them".to_owned(),
        What::ListsEnded { error: Some(error) } => format!("what lists nodes failed: {error}"),
        What::RestStarted => "applying the rest of the plan".to_owned(),
        What::RestEnded { error: None } => "the rest of the plan is applied".to_owned(),
        What::RestEnded { error: Some(error) } => format!("the rest of the plan failed: {error}"),
        What::Notified { of, error: None } => format!("told of {of}"),
        What::Notified { of, error: Some(error) } => format!("could not tell of {of}: {error}"),
        What::TakenOver { by } => format!("{by} drives it now"),
        What::Ended { outcome, why, .. } => format!("{}: {why}", outcome_name(*outcome)),
    };
    plain(&text)
}

/// How much it matters.
pub fn weight(what: &What) -> Weight {
    match what {
        What::Measured(measurement) => match measurement.verdict {
            Verdict::Failed => Weight::Bad,
            _ => Weight::Small,
        },
        What::Judged { verdict, .. } => match verdict {
            Verdict::Successful => Weight::Good,
            Verdict::Failed => Weight::Bad,
            Verdict::Inconclusive | Verdict::Error => Weight::Notable,
        },
        What::WaveEnded { failed, .. } | What::RollbackWaveEnded { failed, .. } => {
            if failed.is_empty() { Weight::Plain } else { Weight::Bad }
        }
        What::ListsEnded { error }
        | What::RestEnded { error }
        | What::SnapshotTaken { error, .. } => if_error(error.is_some(), Weight::Plain),
        What::Notified { error, .. } => if_error(error.is_some(), Weight::Small),
        What::RollbackDecided { .. } => Weight::Bad,
        What::NodesSeen { down } if down.is_empty() => Weight::Plain,
        What::NodesSeen { .. }
        | What::NodeExcluded { .. }
        | What::Held { .. }
        | What::Asked { .. }
        | What::TakenOver { .. } => Weight::Notable,
        What::Promoted { .. } => Weight::Good,
        What::Ended { outcome, .. } => match outcome {
            Outcome::Committed => Weight::Good,
            Outcome::Superseded => Weight::Notable,
            Outcome::RolledBack | Outcome::RollbackFailed => Weight::Bad,
        },
        _ => Weight::Plain,
    }
}

fn if_error(error: bool, otherwise: Weight) -> Weight {
    if error { Weight::Bad } else { otherwise }
}

/// A verdict for people.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Successful => "successful",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Error => "error",
        Verdict::Failed => "failed",
    }
}

/// How a rollout ended, for people.
pub fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::RolledBack => "rolled back",
        Outcome::RollbackFailed => "rollback failed",
        Outcome::Superseded => "superseded",
    }
}

/// What was asked for, as the verb of the command line.
pub fn verb_name(verb: Verb) -> &'static str {
    match verb {
        Verb::Pause => "pause",
        Verb::Resume => "resume",
        Verb::Promote => "promote",
        Verb::Abort => "abort",
        Verb::Retry => "retry",
        Verb::Supersede => "supersede",
    }
}

/// What it waits for.
pub fn hold(hold: &Hold, model: &Model) -> String {
    match hold {
        Hold::Paused => "paused by a person".to_owned(),
        Hold::Window { name, until_ms: Some(until) } => {
            format!("window {name} denies it until {}", super::figures::moment(*until))
        }
        Hold::Window { name, until_ms: None } => format!("window {name} denies it"),
        Hold::Approval { stage, missing } => {
            let people = usize::try_from(*missing).unwrap_or(usize::MAX);
            let who = if people == 1 { "1 person" } else { &format!("{people} people") };
            format!("{who} must agree to {}", stage_name(*stage, model))
        }
        Hold::Inconclusive { until_ms } => {
            format!("gates are inconclusive; it is rolled back at {}", clock(*until_ms))
        }
        Hold::Manual { why } => format!("a person decides: {why}"),
        Hold::Unavailable { nodes } => {
            format!("too many nodes are down: {}", some_of(nodes.iter().map(String::as_str), NAMES))
        }
    }
}

/// What people can do about a hold: the verb of `provisioner rollout`, and what it does. None: only time helps.
pub fn remedy(hold: &Hold, undone: Option<Undone>) -> &'static [(&'static str, &'static str)] {
    match (hold, undone) {
        (Hold::Manual { .. }, Some(Undone::Lists)) => {
            &[("retry", "tries again"), ("promote", "goes on without it"), ("abort", "rolls back")]
        }
        (Hold::Manual { .. }, Some(Undone::Rest)) => {
            &[("retry", "tries again"), ("abort", "rolls back")]
        }
        (Hold::Manual { .. }, Some(Undone::Back)) => {
            &[("retry", "tries again"), ("abort", "leaves what is left as it is")]
        }
        (Hold::Manual { .. }, Some(Undone::Nodes)) => &[
            ("retry", "tries the nodes again"),
            ("promote", "goes on, whatever the gates say"),
            ("abort", "rolls back"),
        ],
        (hold, _) => usual(hold),
    }
}

fn usual(hold: &Hold) -> &'static [(&'static str, &'static str)] {
    match hold {
        Hold::Paused => &[("resume", "goes on"), ("abort", "rolls back")],
        Hold::Window { .. } | Hold::Unavailable { .. } => &[("abort", "rolls back")],
        Hold::Approval { .. } => &[("approve", "agrees"), ("abort", "rolls back")],
        Hold::Inconclusive { .. } | Hold::Manual { .. } => {
            &[("promote", "goes on, whatever the gates say"), ("abort", "rolls back")]
        }
    }
}

/// What a metric source answered, for people.
pub fn reading(reading: &Reading) -> String {
    match reading {
        Reading::Counts { bad, total, control } => {
            let of = format!("{} of {} events", number(*bad), number(*total));
            let rate =
                if *total > 0.0 { format!(", {}", share(bad / total)) } else { String::new() };
            let control = match control {
                Some((bad, total)) if *total > 0.0 => format!("; control {}", share(bad / total)),
                _ => String::new(),
            };
            format!("{of}{rate}{control}")
        }
        Reading::Value { value, control, load } => {
            let mut text = number(*value);
            if let Some(control) = control {
                push!(text, "; control {}", number(*control));
            }
            if let Some(load) = load {
                push!(text, "; load {}", number(*load));
            }
            text
        }
        Reading::Yes => "yes".to_owned(),
        Reading::No { why } => format!("no, {why}"),
        Reading::Missing { why } => format!("no data: {why}"),
        Reading::Error { why } => format!("no answer: {why}"),
    }
}

/// The name of a stage that an entry names by number.
pub fn stage_name(stage: u32, model: &Model) -> String {
    let known = model.stage_at(stage).and_then(|place| model.stages.get(place));
    let Some(known) = known else { return format!("stage {}", stage.saturating_add(1)) };
    let sets = model.start.as_ref().map(|start| start.sets.as_slice()).unwrap_or_default();
    // Sets that are gone through one after the other often have stages of the same names.
    match sets.get(known.set).filter(|_| sets.len() > 1) {
        Some(set) => format!("{} of {}", known.name, set.node_set),
        None => known.name.clone(),
    }
}

fn started(start: &Start) -> String {
    let nodes: usize = start.sets.iter().map(|set| set.nodes.len()).sum();
    let sets = some_of(start.sets.iter().map(|set| set.node_set.as_str()), NAMES);
    format!("{} starts it: {} of {sets}", start.by, count(nodes, "node"))
}

fn measured(measurement: &Measurement, stage: &str) -> String {
    let over = span(super::figures::between(measurement.from_ms, measurement.to_ms));
    format!(
        "{stage}, {}: {} in {over}: {}, {}",
        measurement.gate,
        reading(&measurement.reading),
        verdict_name(measurement.verdict),
        measurement.why,
    )
}

fn ended(done: usize, what: &str, failed: &BTreeMap<String, String>) -> String {
    if failed.is_empty() {
        return format!("{done} {what}");
    }
    format!("{done} {what}, {} failed: {}", failed.len(), reasons(failed))
}

fn reasons(nodes: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = nodes.iter().map(|(node, why)| format!("{node} ({why})")).collect();
    some_of(all.iter().map(String::as_str), NAMES)
}

fn names(nodes: &[String]) -> String {
    some_of(nodes.iter().map(String::as_str), NAMES)
}
