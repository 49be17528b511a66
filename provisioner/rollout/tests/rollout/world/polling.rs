//! The same gates, polled with fixed windows: each measurement by itself is compared with the thresholds, and so many that do not
//! pass are allowed. It is what Argo Rollouts (`failureLimit`, `inconclusiveLimit`, `consecutiveErrorLimit`) and Flagger
//! (`threshold`) do with the same queries; nothing else of them is modelled.

use super::chance::Random;
use super::check::{float, time};
use model::rollout::entry::Start;
use model::rollout::{Check, Stage};
use std::collections::BTreeMap;

/// Rules of polling.
#[derive(Clone, Copy, Debug)]
pub enum Polling {
    /// A measurement is a success, a failure or inconclusive; more failures than the limit abort, more inconclusive ones than the limit
    /// wait for a person, more than four errors in a row abort.
    Argo {
        /// Failures and inconclusive measurements that are allowed, each.
        limit: u32,
    },
    /// A measurement passes or not; so many that do not roll back. One without data does not pass.
    Flagger {
        /// How many.
        threshold: u32,
    },
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All stages passed.
    Promoted,
    /// It was rolled back.
    RolledBack,
    /// It waits for a person.
    Waits,
}

/// What came of a rollout that was polled.
#[derive(Clone, Copy, Debug)]
pub struct Polled {
    /// How it ended.
    pub end: End,
    /// Milliseconds from the first node on the candidate to the end.
    pub after_ms: i64,
    /// Node-milliseconds on the candidate until then.
    pub exposed_ms: f64,
}

#[derive(Default)]
struct Tally {
    failures: u32,
    inconclusive: u32,
    errors: u32,
}

/// Polls every minute through the stages of a rollout's first set. `dark` says when there are no metrics.
pub fn poll(
    start: &Start,
    polling: Polling,
    rates: &BTreeMap<String, (f64, f64)>,
    load: f64,
    dark: impl Fn(i64) -> bool,
    random: &mut Random,
) -> Polled {
    let set = &start.sets[0];
    let (mut now_ms, mut nodes, mut exposed_ms) = (0_i64, 0, 0.0);
    for entered in &set.stages {
        nodes += entered.nodes.len();
        let stage = &set.rollout.stages[usize::try_from(entered.stage).unwrap()];
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for _ in 0..stage.bake_ms / super::rules::MINUTE {
            now_ms += 60_000;
            exposed_ms += 60_000.0 * float(nodes);
            let events = load * float(nodes) * time(60_000) / 1_000.0;
            for (gate, proceed, rollback) in thresholds(stage) {
                let total = random.poisson(events);
                let bad = random.poisson(total * rates.get(gate).map_or(0.0, |rate| rate.0));
                let rate = (!dark(now_ms)).then(|| bad / total);
                let tally = tallies.entry(gate).or_default();
                if let Some(end) = judge(polling, tally, rate, proceed, rollback) {
                    return Polled { end, after_ms: now_ms, exposed_ms };
                }
            }
        }
    }
    Polled { end: End::Promoted, after_ms: now_ms, exposed_ms }
}

fn thresholds(stage: &Stage) -> impl Iterator<Item = (&str, f64, f64)> {
    stage.gates.iter().filter_map(|gate| match &gate.check {
        Check::Rate { proceed_below, rollback_above, .. } => {
            Some((gate.gate.as_str(), *proceed_below, rollback_above.unwrap_or(1.0)))
        }
        _ => None,
    })
}

fn judge(
    polling: Polling,
    tally: &mut Tally,
    rate: Option<f64>,
    proceed: f64,
    rollback: f64,
) -> Option<End> {
    match polling {
        Polling::Argo { limit } => {
            let Some(rate) = rate else {
                tally.errors += 1;
                return (tally.errors > 4).then_some(End::RolledBack);
            };
            tally.errors = 0;
            if rate > rollback {
                tally.failures += 1;
            } else if rate >= proceed {
                tally.inconclusive += 1;
            }
            if tally.failures > limit {
                return Some(End::RolledBack);
            }
            (tally.inconclusive > limit).then_some(End::Waits)
        }
        Polling::Flagger { threshold } => {
            if rate.is_none_or(|rate| rate >= proceed) {
                tally.failures += 1;
            }
            (tally.failures >= threshold).then_some(End::RolledBack)
        }
    }
}
