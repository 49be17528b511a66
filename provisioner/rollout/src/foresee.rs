//! What a plan says of a rollout before it begins: what each gate can prove, what is at stake, how long it takes.
//!
//! Invariant: what is not known (a load that nobody stated) is told as not known. Refuses to know: how it is printed.

use crate::due::groups;
use crate::state::{Revision, State};
use crate::verdict::sample;
use crate::words::{duration, grouped, percent};
use model::rollout::entry::{NodeChange, SetStart, StageNodes, Start};
use model::rollout::foresight::{Blast, Foresight, GateForesight, StageForesight};
use model::rollout::{Check, ErrorBudget, Stage, StageGate};
use std::collections::{BTreeMap, BTreeSet};

/// What is foreseen of a rollout of these node sets, in their order.
pub fn foresee(id: &str, sets: &[SetStart]) -> Foresight {
    let mut total_ms = 0_u64;
    let mut stages = Vec::new();
    for set in sets {
        let mut foreseen = Vec::new();
        for (place, stage) in set.stages.iter().enumerate() {
            let Some(rules) = rules(set, stage) else {
                continue;
            };
            total_ms = total_ms.saturating_add(rules.bake_ms);
            let (candidates, control) = sizes(set, place);
            let gate = |gate| foresee_gate(set, rules, gate, candidates);
            let gates = rules.gates.iter().map(gate).collect();
            let blast = blast(set, rules, candidates);
            foreseen.push(StageForesight { stage: stage.stage, candidates, control, gates, blast });
        }
        stages.push(foreseen);
    }
    let lists = BTreeSet::new();
    Foresight {
        rollout: id.to_owned(),
        sets: sets.to_vec(),
        stages,
        total_ms,
        lists,
        restore_point: None,
    }
}

/// The rules of a stage of a set.
pub(crate) fn rules<'a>(set: &'a SetStart, stage: &StageNodes) -> Option<&'a Stage> {
    set.rollout.stages.get(usize::try_from(stage.stage).ok()?)
}

/// How many nodes gates call candidate and control while the stage at a place of the set bakes.
pub(crate) fn sizes(set: &SetStart, place: usize) -> (u32, u32) {
    let start = Start {
        environment: String::new(),
        sets: vec![set.clone()],
        configuration_digest: String::new(),
        plan_hash: String::new(),
        stable_serial: 0,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: String::new(),
    };
    let (mut state, _) = State::start(start, "", 0);
    state.stage = u32::try_from(place).unwrap_or(u32::MAX);
    for node in state.nodes.values_mut() {
        if node.stage.is_some_and(|stage| stage <= state.stage) {
            node.revision = Revision::Candidate;
        }
    }
    let groups = groups(&state);
    let count = |names: Vec<String>| u32::try_from(names.len()).unwrap_or(u32::MAX);
    (count(groups.candidate), count(groups.control))
}

/// Events that so many nodes serve in a time, where the load is stated.
pub(crate) fn expected(budget: Option<ErrorBudget>, nodes: u32, ms: u64) -> Option<f64> {
    let budget = budget.filter(|it| it.per_node_rate.is_finite() && it.per_node_rate > 0.0)?;
    Some(budget.per_node_rate * f64::from(nodes) * sample(ms) / 1_000.0)
}

/// Events without a bad one that show, by themselves, a rate below `bound` at a confidence; both from 0 to 1.
pub(crate) fn flawless(bound: f64, confidence: f64) -> f64 {
    let events =
        (-confidence.clamp(0.0, 1.0 - 1e-12)).ln_1p() / (-bound.clamp(1e-12, 1.0 - 1e-12)).ln_1p();
    events.ceil().max(1.0)
}

fn foresee_gate(set: &SetStart, rules: &Stage, gate: &StageGate, nodes: u32) -> GateForesight {
    let (can_prove, says) = match &gate.check {
        Check::Rate { proceed_below, min_sample, confidence, .. } => {
            let needed = flawless(*proceed_below, *confidence);
            let (bound, sure) = (percent(*proceed_below), percent(*confidence));
            let (bake, least) = (duration(rules.bake_ms), grouped(sample(*min_sample)));
            let proof = format!(
                "{} events without an error would show < {bound} at {sure}",
                grouped(needed)
            );
            match expected(set.rollout.error_budget, nodes, rules.bake_ms) {
                Some(events) => {
                    let says = format!(
                        "{proof}; at least {least} are asked for, {} are expected in {bake}",
                        grouped(events.floor())
                    );
                    (Some(events >= needed.max(sample(*min_sample))), says)
                }
                None => (
                    None,
                    format!(
                        "{proof}; at least {least} are asked for in {bake}, of a load that is not stated"
                    ),
                ),
            }
        }
        Check::Value { consecutive, .. } => {
            let (fits, how_many) = measurements(set, rules, gate);
            let says = format!("{} in a row decide; {how_many}", consecutive.max(&1));
            (Some(fits >= u64::from((*consecutive).max(1))), says)
        }
        // The last answer decides; only harm takes several.
        Check::Yes { consecutive } => {
            let (fits, how_many) = measurements(set, rules, gate);
            let noes = match (*consecutive).max(1) {
                1 => "one no is harm".to_owned(),
                some => format!("{some} noes in a row are harm"),
            };
            (Some(fits >= 1), format!("{noes}; {how_many}"))
        }
    };
    GateForesight { gate: gate.gate.clone(), can_prove, says }
}

/// How many measurements of a gate fit into a bake, and the words for it.
fn measurements(set: &SetStart, rules: &Stage, gate: &StageGate) -> (u64, String) {
    let declared = set.rollout.gates.get(&gate.gate).map(|gate| gate.interval_ms);
    let interval_ms = declared.unwrap_or(set.rollout.interval_ms).max(1);
    let fits = rules.bake_ms / interval_ms;
    let (bake, interval) = (duration(rules.bake_ms), duration(interval_ms));
    (fits, format!("{fits} fit into {bake}, one every {interval}"))
}

/// What a stage puts at stake: a bad share that its gates just tolerate, on all its nodes, through the whole bake.
fn blast(set: &SetStart, rules: &Stage, nodes: u32) -> Blast {
    let ms = rules.bake_ms;
    let rates = rules.gates.iter().filter_map(|gate| match &gate.check {
        Check::Rate { proceed_below, rollback_above, .. } => {
            Some(rollback_above.unwrap_or(*proceed_below))
        }
        _ => None,
    });
    // The strictest gate ends it first.
    let tolerated = rates.min_by(f64::total_cmp);
    let budget = set.rollout.error_budget;
    let events = expected(budget, nodes, ms);
    let errors = tolerated.zip(events).map(|(share, events)| share * events);
    let there = set.nodes.iter().filter(|node| node.change != NodeChange::Delete).count();
    let whole = budget.and_then(|it| {
        let all = u32::try_from(there).unwrap_or(u32::MAX);
        Some(expected(budget, all, it.period_ms)? * it.tolerated)
    });
    let budget_share =
        errors.zip(whole.filter(|whole| *whole > 0.0)).map(|(errors, all)| errors / all);
    Blast { nodes, ms, errors, budget_share }
}

#[cfg(test)]
mod tests {
    use super::flawless;

    #[test]
    fn as_many_flawless_events_as_the_design_says() {
        assert_eq!(flawless(0.001, 0.99).to_string(), "4603");
    }
}
