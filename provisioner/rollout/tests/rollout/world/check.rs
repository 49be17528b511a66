//! What must hold of every entry and every command, reckoned anew from what the rollout began with.

use model::rollout::entry::{Entry, NodeChange, Reading, SetStart, Start, What};
use model::rollout::{Amount, Check, StageGate, Window};
use rollout::{Command, Lists, Phase, Revision, State};
use std::collections::{BTreeMap, BTreeSet};

/// When each gate of the stage under way brought data.
#[derive(Clone, Debug, Default)]
pub struct Data {
    stage: u32,
    bake_ms: Option<i64>,
    spans: BTreeMap<String, Vec<(i64, i64)>>,
    /// Gates whose counts are no data without the control group's, by stage.
    comparing: BTreeSet<(u32, String)>,
}

impl Data {
    /// Takes an entry that follows on a state.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.what {
            What::Started(start) => self.comparing = comparing(start),
            What::StageEntered { stage } => {
                let comparing = std::mem::take(&mut self.comparing);
                *self = Self { stage: *stage, comparing, ..Self::default() };
            }
            What::BakeStarted { .. } => self.bake_ms = Some(entry.at_ms),
            What::Measured(measurement) => {
                let has = match &measurement.reading {
                    Reading::Missing { .. } | Reading::Error { .. } => false,
                    Reading::Value { value, .. } => value.is_finite(),
                    Reading::Counts { control: None, .. }
                        if self.comparing.contains(&(self.stage, measurement.gate.clone())) =>
                    {
                        false
                    }
                    Reading::Counts { bad, total, .. } => bad.is_finite() && total.is_finite(),
                    _ => true,
                };
                if has && self.bake_ms.is_some_and(|bake_ms| measurement.from_ms >= bake_ms) {
                    let spans = self.spans.entry(measurement.gate.clone()).or_default();
                    spans.push((measurement.from_ms, measurement.to_ms));
                }
            }
            _ => {}
        }
    }

    /// Whether a gate brought data for four fifths of the bake, none of it twice, the last of it within two intervals.
    fn through(&self, gate: &str, bake_ms: u64, interval_ms: u64, now_ms: i64) -> bool {
        let mut spans = self.spans.get(gate).cloned().unwrap_or_default();
        spans.sort_unstable();
        let overlap = spans.windows(2).any(|pair| pair[1].0 < pair[0].1);
        let covered: i64 = spans.iter().map(|(from, to)| to - from).sum();
        let last = spans.iter().map(|(_, to)| *to).max().unwrap_or(i64::MIN / 2);
        let (bake, interval) =
            (i64::try_from(bake_ms).unwrap(), i64::try_from(interval_ms).unwrap());
        !overlap && covered * 100 >= bake * 80 && now_ms - last <= 2 * interval
    }
}

fn comparing(start: &Start) -> BTreeSet<(u32, String)> {
    let compares =
        |gate: &&StageGate| matches!(gate.check, Check::Rate { worse_than_control: Some(_), .. });
    let stages = (0..).zip(start.stages());
    let gates = stages.flat_map(|(number, (set, nodes))| {
        let rules = &set.rollout.stages[usize::try_from(nodes.stage).unwrap()];
        rules.gates.iter().filter(compares).map(move |gate| (number, gate.gate.clone()))
    });
    gates.collect()
}

/// What must hold when an entry is made.
pub fn entry(state: &State, entry: &Entry, data: &Data, now_ms: i64) {
    assert_eq!(entry.at_ms, now_ms);
    match &entry.what {
        What::Promoted { stage, by: None } => {
            let (set, rules, _) = state.rules(*stage).expect("a stage");
            assert_eq!(data.stage, *stage);
            for gate in &rules.gates {
                let interval_ms = set.rollout.gates[&gate.gate].interval_ms;
                let through = data.through(&gate.gate, rules.bake_ms, interval_ms, now_ms);
                assert!(through, "promoted without data of {}", gate.gate);
            }
            allowed(&set.rollout.windows, now_ms);
        }
        What::Promoted { stage, .. } | What::StageEntered { stage } => {
            let (set, ..) = state.rules(*stage).expect("a stage");
            allowed(&set.rollout.windows, now_ms);
        }
        _ => {}
    }
}

fn allowed(windows: &[Window], now_ms: i64) {
    assert_eq!(rollout::closed(windows, now_ms), None, "nothing goes on in a closed window");
}

/// What must hold when something is to be done.
pub fn command(state: &State, command: &Command) {
    match command {
        Command::ChangeNodes { nodes, surge, stage, .. } => {
            assert_eq!(state.phase(), Phase::Waves);
            let comes_first = matches!(state.lists(), Lists::Due | Lists::Running { .. });
            assert!(!comes_first, "what lists nodes is brought up to date before the next wave");
            let (set, _, _) = state.rules(*stage).expect("a stage");
            together(state, set, nodes, *surge, false);
            for node in nodes {
                let found = &state.nodes()[node];
                assert!(found.stage.is_some_and(|it| it <= *stage), "not due: {node}");
                assert!(!state.down().contains_key(node), "down: {node}");
            }
        }
        Command::RollBack { nodes, .. } => {
            assert_eq!(state.phase(), Phase::RollingBack);
            let set = &state.started().sets[state.nodes()[&nodes[0]].set];
            together(state, set, nodes, set.rollout.max_surge != Amount::Count(0), true);
        }
        Command::Measure { groups, from_ms, to_ms, .. } => {
            assert!(from_ms <= to_ms);
            for node in &groups.control {
                assert!(!groups.candidate.contains(node));
                assert_eq!(state.nodes()[node].revision, Revision::Stable);
            }
            assert!(groups.stage.iter().all(|node| groups.candidate.contains(node)));
        }
        _ => {}
    }
}

/// Limits of nodes that are changed together.
fn together(state: &State, set: &SetStart, nodes: &[String], surge: bool, back: bool) {
    let rules = &set.rollout;
    assert!(!nodes.is_empty() && nodes.len() <= usize::try_from(rules.max_parallel).unwrap());
    for (one, other) in &rules.apart {
        assert!(!(nodes.contains(one) && nodes.contains(other)), "{one} and {other} together");
    }
    let mut domains: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for node in &set.nodes {
        let counts = domains.entry(&node.domain).or_default();
        counts.0 += usize::from(node.change != NodeChange::Create);
        let down = state.down().contains_key(&node.name);
        counts.1 += usize::from(down);
        let goes = super::goes_down(node.change, surge) && !down;
        counts.2 += usize::from(nodes.contains(&node.name) && goes);
    }
    for (domain, (size, down, taken)) in domains {
        let limit = match rules.max_unavailable {
            Amount::Count(count) => usize::try_from(count).unwrap(),
            Amount::Percent(percent) => {
                (0..=size).find(|it| float(*it) >= float(size) * percent / 100.0 - 1e-9).unwrap()
            }
        };
        if taken == 0 {
            continue;
        }
        if back {
            assert!(taken <= limit, "{taken} of {domain} go down, {limit} may");
        } else {
            assert!(taken + down <= limit, "{taken} of {domain} go down beside {down}: {limit}");
        }
    }
}

/// A count as a number to reckon with.
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Milliseconds as a number to reckon with.
pub fn time(ms: i64) -> f64 {
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    f64::from(i32::try_from(seconds).unwrap()) * 1_000.0 + f64::from(i32::try_from(rest).unwrap())
}
