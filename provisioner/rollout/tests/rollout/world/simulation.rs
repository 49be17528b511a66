//! Many seeded rollouts of one kind, and what came of them.

use super::chance::Random;
use super::polling::{End, Polling, poll};
use super::rules::{MINUTE, nodes, standard, start};
use super::{Mishaps, Truth, World};
use model::rollout::entry::{NodeChange, Outcome, Start, What};
use model::rollout::{Check, Rollout};
use rollout::State;
use std::collections::BTreeMap;

/// A kind of rollout.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Whether the candidate ought to be promoted.
    pub good: bool,
    /// The candidate's share of errors.
    pub errors: f64,
    /// The candidate's share of slow events.
    pub slow: f64,
    /// Outages of the metrics: how many in the first hours, each of so many minutes.
    pub outages: (u64, u64),
    /// Whether controllers are killed.
    pub crashes: bool,
}

/// What came of many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many there were.
    pub all: usize,
    /// How many were promoted.
    pub promoted: usize,
    /// How many were rolled back.
    pub rolled_back: usize,
    /// How many wait for a person.
    pub wait: usize,
    /// Seconds from the first node on the candidate to the decision, of those that were stopped.
    pub seconds: Vec<f64>,
    /// Node-minutes on the candidate, of all.
    pub node_minutes: Vec<f64>,
}

/// The kinds of rollouts that are simulated.
pub fn scenarios() -> Vec<Scenario> {
    let of = |name, good, errors, slow| Scenario {
        name,
        good,
        errors,
        slow,
        outages: (0, 0),
        crashes: false,
    };
    vec![
        of("good: 0.03 % errors", true, 0.000_3, 0.01),
        of("good: 0.08 % errors", true, 0.000_8, 0.01),
        Scenario { outages: (2, 3), ..of("good, 2 outages of 3 min", true, 0.000_3, 0.01) },
        Scenario { outages: (2, 15), ..of("good, 2 outages of 15 min", true, 0.000_3, 0.01) },
        Scenario { crashes: true, ..of("good, controllers killed", true, 0.000_3, 0.01) },
        of("bad: 0.12 % errors", false, 0.001_2, 0.01),
        of("bad: 0.2 % errors", false, 0.002, 0.01),
        of("bad: 1.5 % errors", false, 0.015, 0.01),
        of("bad: 5 % errors", false, 0.05, 0.01),
        of("bad: 20 % errors", false, 0.2, 0.01),
        of("bad: 30 % slow", false, 0.000_3, 0.3),
        Scenario { crashes: true, ..of("bad: 5 %, controllers killed", false, 0.05, 0.01) },
    ]
}

/// The table's rules with `full` for four hours, and the errors below 0.1 % in all stages.
pub fn table() -> Rollout {
    let mut rules = standard(240 * MINUTE);
    for stage in &mut rules.stages {
        if let Check::Rate { proceed_below, .. } = &mut stage.gates[0].check {
            *proceed_below = 0.001;
        }
    }
    rules
}

/// Events a second that a node serves.
pub const LOAD: f64 = 50.0;

fn begin(seed: u64) -> Start {
    start(&format!("rollout-{seed}"), table(), nodes(24, 3, NodeChange::Update))
}

fn dark(scenario: &Scenario, from_ms: i64, random: &mut Random) -> Vec<(i64, i64)> {
    let (count, minutes) = scenario.outages;
    let long = i64::try_from(minutes * MINUTE).unwrap();
    let begins = || from_ms + i64::try_from(random.below(240 * MINUTE)).unwrap();
    std::iter::repeat_with(begins)
        .take(usize::try_from(count).unwrap())
        .map(|at| (at, at + long))
        .collect()
}

/// So many rollouts of a kind, decided by this project.
pub fn simulate(scenario: &Scenario, count: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..count {
        let mut random = Random::new(seed ^ 0x5eed);
        let rates = rates(scenario);
        let truth = Truth { rates, values: BTreeMap::new(), load: LOAD };
        let mut world = World::new(begin(seed), seed, truth, Mishaps::default());
        world.mishaps.outages = dark(scenario, world.now_ms, &mut random);
        if scenario.crashes {
            (world.mishaps.crashes, world.mishaps.absent_ms) = (5, 3 * MINUTE);
        }
        let outcome = world.run(1_000_000);
        let stopped = world.first(|what| matches!(what, What::RollbackDecided { .. }));
        let begun = world.first(|what| matches!(what, What::WaveEnded { .. }));
        let after = stopped.zip(begun).map(|(stopped, begun)| stopped - begun);
        tally.add(outcome == Some(Outcome::Committed), after, world.exposed_ms);
        tally.rolled_back += usize::from(outcome == Some(Outcome::RolledBack));
        assert_eq!(State::fold(&world.entries).as_ref(), Ok(&world.state));
    }
    tally
}

/// So many rollouts of a kind, polled with fixed windows.
pub fn simulate_polling(scenario: &Scenario, polling: Polling, count: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..count {
        let mut random = Random::new(seed ^ 0x5eed);
        let outages = dark(scenario, 0, &mut random);
        let is_dark = |at_ms: i64| outages.iter().any(|(from, to)| (*from..*to).contains(&at_ms));
        let polled = poll(&begin(seed), polling, &rates(scenario), LOAD, is_dark, &mut random);
        let stopped = (polled.end != End::Promoted).then_some(polled.after_ms);
        tally.add(polled.end == End::Promoted, stopped, polled.exposed_ms);
        tally.rolled_back += usize::from(polled.end == End::RolledBack);
        tally.wait += usize::from(polled.end == End::Waits);
    }
    tally
}

fn rates(scenario: &Scenario) -> BTreeMap<String, (f64, f64)> {
    let errors = ("errors".to_owned(), (scenario.errors, 0.000_3));
    BTreeMap::from([errors, ("slow".to_owned(), (scenario.slow, 0.01))])
}

impl Tally {
    fn add(&mut self, promoted: bool, stopped_ms: Option<i64>, exposed_ms: f64) {
        self.all += 1;
        self.promoted += usize::from(promoted);
        self.seconds.extend(stopped_ms.map(|ms| super::check::time(ms) / 1_000.0));
        self.node_minutes.push(exposed_ms / 60_000.0);
    }

    /// A count as a share of all, in per cent.
    pub fn percent(&self, count: usize) -> f64 {
        super::check::float(count) * 100.0 / super::check::float(self.all.max(1))
    }
}

/// The value below which a share (0 to 1) of the values lies.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (0..sorted.len())
        .find(|at| super::check::float(at + 1) >= share * super::check::float(sorted.len()));
    at.and_then(|at| sorted.get(at).copied())
}
