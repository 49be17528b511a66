//! What a rollout does next, given what is known: enter a stage, change nodes, judge, promote, hold, roll back, end.
//!
//! Invariants: only a stage whose gates were all measured through its bake is promoted, or one that a person promotes; windows
//! and approvals hold the way forward and never the way back; every wait ends. Refuses to know: how state is stored, what
//! gates ask.

use crate::batch;
use crate::command::Command;
use crate::state::{Lists, Phase, Rest, Revision, State, later};
use crate::step::{Decision, change};
use crate::window::closed;
use crate::words;
use model::rollout::entry::{Hold, NodeChange, Outcome, Verdict, What};
use model::rollout::reason::{EndReason, RollbackReason};
use model::rollout::{Approval, RollbackRule, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// A rollout that people, windows or approvals keep from going on for so many milliseconds is rolled back: 30 days.
pub const PATIENCE_MS: u64 = 30 * 86_400_000;

/// Why a rollout is to be rolled back, and since when there is reason.
struct Harm {
    detected_ms: i64,
    reason: RollbackReason,
}

/// Who must agree before a stage begins: of the stages that it stands for, the one that asks for most people.
pub(crate) fn approval(state: &State, stage: u32) -> Option<Approval> {
    let (set, nodes) = state.start.stage(stage)?;
    let before = stage.checked_sub(1).and_then(|before| state.start.stage(before));
    let first = match before {
        Some((other, it)) if other.node_set == set.node_set => it.stage.saturating_add(1),
        _ => 0,
    };
    let stages =
        (0..).zip(&set.rollout.stages).filter(|(at, _)| (first..=nodes.stage).contains(at));
    let approvals = stages.filter_map(|(_, stage)| stage.approval.clone());
    approvals.max_by_key(|approval| approval.people)
}

/// What the gates say of the whole bake: of the stage, of each gate, and why.
pub(crate) fn bake_verdict(
    state: &State,
    now_ms: i64,
) -> (Verdict, BTreeMap<String, Verdict>, String) {
    let Some((_, stage, _)) = state.rules(state.stage) else {
        return (Verdict::Inconclusive, BTreeMap::new(), "there is no such stage".to_owned());
    };
    let (mut verdicts, mut reasons) = (BTreeMap::new(), Vec::new());
    for gate in &stage.gates {
        let interval_ms = state.interval_ms(&gate.gate);
        let (verdict, why) = match state.evidence.get(&gate.gate) {
            Some(it) => it.judge(&gate.check, interval_ms, stage.bake_ms, now_ms),
            None => (Verdict::Inconclusive, "it was not measured".to_owned()),
        };
        if verdict != Verdict::Successful {
            reasons.push(format!("{}: {why}", gate.gate));
        }
        verdicts.insert(gate.gate.clone(), verdict);
    }
    let verdict = verdicts.values().copied().max().unwrap_or(Verdict::Successful);
    let why = match verdict {
        Verdict::Successful => "all gates hold".to_owned(),
        _ => reasons.join("; "),
    };
    (verdict, verdicts, why)
}

/// The verdicts of the gates as soon as one of them has shown harm.
pub(crate) fn harm_verdicts(state: &State) -> BTreeMap<String, Verdict> {
    let of = |it: &crate::verdict::Evidence| match it.failure() {
        Some(_) => Verdict::Failed,
        None => Verdict::Inconclusive,
    };
    state.evidence.iter().map(|(gate, it)| (gate.clone(), of(it))).collect()
}

/// Nodes that have not answered for a whole interval: dead, and not only restarting.
pub(crate) fn dead(state: &State, now_ms: i64) -> BTreeSet<&str> {
    let interval_ms = state.rollout().map_or(0, |rollout| rollout.interval_ms);
    let down = state.down.iter().filter(|(_, it)| now_ms >= later(it.since_ms, interval_ms));
    down.map(|(name, _)| name.as_str()).collect()
}

/// The deadline of the current stage, or of the last one, in milliseconds.
pub(crate) fn deadline_ms(state: &State) -> u64 {
    let last = state.stage_count().saturating_sub(1);
    state.rules(state.stage.min(last)).map_or(0, |(_, stage, _)| stage.deadline_ms)
}

/// When a rollout that makes no progress is given up.
pub(crate) fn patience_ends_ms(state: &State) -> i64 {
    let bake_ms = state.rules(state.stage).map_or(0, |(_, stage, _)| stage.bake_ms);
    later(state.progress_ms, PATIENCE_MS.saturating_add(bake_ms).saturating_add(deadline_ms(state)))
}

impl Decision {
    /// Does the next thing, if there is one.
    pub(crate) fn advance(&mut self) -> bool {
        let state = &self.state;
        let idle = state.is_idle();
        if state.phase == Phase::Ended {
            return false;
        }
        if let Some(said) = state.superseded.clone().filter(|_| idle) {
            return self.end(Outcome::Superseded, EndReason::Superseded(said));
        }
        if state.phase == Phase::RollingBack {
            return self.roll_back();
        }
        if state.rest != Rest::Running
            && let Some(harm) = self.must_roll_back()
        {
            return self.decide_rollback(harm);
        }
        if self.exclude() {
            return true;
        }
        match self.state.phase {
            Phase::Waiting => self.enter(),
            Phase::Waves => self.change(),
            Phase::Baking => self.bake(),
            Phase::Rest => self.rest(),
            Phase::RollingBack | Phase::Ended => false,
        }
    }

    fn end(&mut self, outcome: Outcome, reason: EndReason) -> bool {
        let why = words::end(&reason, self.why_back());
        self.record(What::Ended { outcome, why, reason: Some(reason) });
        true
    }

    /// Why it is rolled back, as that was said; empty if it is not.
    fn why_back(&self) -> &str {
        self.state.rollback.as_ref().map_or("", |it| &it.why)
    }

    /// A reason in a sentence.
    fn said(&self, reason: &RollbackReason) -> String {
        words::rollback(reason, &self.state, self.now_ms)
    }

    fn stage_rules(&self) -> Option<&Stage> {
        self.state.rules(self.state.stage).map(|(_, stage, _)| stage)
    }

    fn is_manual(&self) -> bool {
        self.stage_rules().is_some_and(|stage| stage.rollback == RollbackRule::Manual)
    }

    /// Holds for a reason, or goes on. Whether that is new.
    fn hold(&mut self, reason: Option<Hold>) -> bool {
        if self.state.held.as_ref().map(|held| &held.reason) == reason.as_ref() {
            return false;
        }
        self.record(reason.map_or(What::Released, |reason| What::Held { reason }));
        true
    }

    fn decide_rollback(&mut self, harm: Harm) -> bool {
        if self.state.held.is_some() {
            self.hold(None);
        }
        let Harm { detected_ms, reason } = harm;
        let (why, nodes) = (self.said(&reason), self.state.to_restore());
        self.record(What::RollbackDecided { detected_ms, why, reason: Some(reason), nodes });
        true
    }

    fn must_roll_back(&mut self) -> Option<Harm> {
        let (state, now_ms) = (&self.state, self.now_ms);
        let harm = |detected_ms, reason| Some(Harm { detected_ms, reason });
        if let Some((detected_ms, said)) = &state.abort {
            return harm(*detected_ms, RollbackReason::Aborted(said.clone()));
        }
        if let Some(Err(error)) = &state.snapshot {
            let reason = RollbackReason::NoRestorePoint { error: error.clone() };
            return harm(state.at_ms, reason);
        }
        let shown = self.harm();
        if let Some((harm, gates)) = shown.filter(|_| !self.is_manual()) {
            if gates.values().any(|verdict| *verdict == Verdict::Failed) {
                self.judged(Verdict::Failed, gates, self.said(&harm.reason));
            }
            return Some(harm);
        }
        let state = &self.state;
        let limited = |hold: &Hold| matches!(hold, Hold::Manual { .. } | Hold::Unavailable { .. });
        if let Some(held) = state.held.as_ref().filter(|held| limited(&held.reason))
            && now_ms >= later(held.since_ms, deadline_ms(state))
        {
            let (hold, within_ms) = (held.reason.clone(), deadline_ms(state));
            return harm(held.since_ms, RollbackReason::Unanswered { hold, within_ms });
        }
        if now_ms >= patience_ends_ms(state) {
            let reason = RollbackReason::NoProgress { within_ms: PATIENCE_MS };
            return harm(state.progress_ms, reason);
        }
        None
    }

    fn judged(&mut self, verdict: Verdict, gates: BTreeMap<String, Verdict>, why: String) -> bool {
        if self.state.judged == Some(verdict) {
            return false;
        }
        self.record(What::Judged { stage: self.state.stage, verdict, gates, why });
        true
    }

    /// What is shown against the candidate, and the verdicts of the gates with it.
    fn harm(&self) -> Option<(Harm, BTreeMap<String, Verdict>)> {
        let state = &self.state;
        if !matches!(state.phase, Phase::Waves | Phase::Baking) || state.promote.is_some() {
            return None;
        }
        let failures = state.evidence.iter().filter_map(|(gate, it)| Some((gate, it.failure()?)));
        if let Some((gate, failure)) = failures.min_by_key(|(_, failure)| failure.detected_ms) {
            let (gate, measured_ms) = (gate.clone(), failure.measured_ms);
            let reason = RollbackReason::GateFailed { gate, measured_ms };
            let harm = Harm { detected_ms: failure.detected_ms, reason };
            return Some((harm, harm_verdicts(state)));
        }
        let failed = state.failed.iter().find(|(name, _)| !state.down.contains_key(*name));
        if let Some((node, error)) = failed {
            let (node, error) = (node.clone(), error.clone());
            let reason = RollbackReason::NodeFailed { node, error };
            return Some((Harm { detected_ms: state.at_ms, reason }, BTreeMap::new()));
        }
        let harm = self.deaths()?;
        Some((harm, BTreeMap::new()))
    }

    /// Whether more nodes died on the candidate than a domain may lack, or all of them.
    fn deaths(&self) -> Option<Harm> {
        let state = &self.state;
        let (set, ..) = state.rules(state.stage)?;
        let dead = dead(state, self.now_ms);
        let changed = |name: &str| {
            state.nodes.get(name).is_some_and(|node| {
                batch::is_candidate(node.revision) && node.change != NodeChange::Delete
            })
        };
        let killed: Vec<_> = dead.iter().filter(|name| changed(name)).collect();
        let mut domains: BTreeMap<&str, u32> = BTreeMap::new();
        for node in killed.iter().filter_map(|name| state.nodes.get(**name)) {
            *domains.entry(&node.domain).or_default() += 1;
        }
        domains.retain(|domain, dead| *dead > batch::unavailable(set, domain));
        let candidates = state.nodes.keys().filter(|name| changed(name)).count();
        if killed.is_empty() || (domains.is_empty() && killed.len() < candidates) {
            return None;
        }
        let since = killed.iter().filter_map(|name| state.down.get(**name)).map(|it| it.since_ms);
        let detected_ms = since.min().unwrap_or(self.now_ms);
        let nodes = killed.into_iter().map(|name| (*name).to_owned()).collect();
        let domains = domains.into_keys().map(str::to_owned).collect();
        Some(Harm { detected_ms, reason: RollbackReason::NodesDead { nodes, domains } })
    }

    /// Leaves out nodes that are dead.
    fn exclude(&mut self) -> bool {
        if !matches!(self.state.phase, Phase::Waves | Phase::Baking) {
            return false;
        }
        let dead = dead(&self.state, self.now_ms);
        let new = dead.into_iter().find(|name| !self.state.excluded.contains(*name));
        let Some(node) = new.map(str::to_owned) else {
            return false;
        };
        let why = self.state.down.get(&node).map(|it| it.why.clone()).unwrap_or_default();
        self.record(What::NodeExcluded { node, why });
        true
    }

    /// What keeps a stage from beginning: people, windows, approvals.
    fn obstacle(&self, stage: u32) -> Option<Hold> {
        let state = &self.state;
        if state.paused.is_some() && state.promote.is_none() {
            return Some(Hold::Paused);
        }
        let rules = state.rules(stage).map(|(set, ..)| &set.rollout).or(state.rollout())?;
        if let Some(closed) = closed(&rules.windows, self.now_ms) {
            return Some(Hold::Window { name: closed.name, until_ms: closed.until_ms });
        }
        let approval = approval(state, stage)?;
        let counts = state.agreements.iter().filter(|it| it.stage == stage);
        let people: BTreeSet<_> =
            counts.filter(|it| it.until_ms > self.now_ms).map(|it| &it.by).collect();
        let missing =
            approval.people.saturating_sub(u32::try_from(people.len()).unwrap_or(u32::MAX));
        (missing > 0).then_some(Hold::Approval { stage, missing })
    }

    fn enter(&mut self) -> bool {
        let stage = self.state.stage;
        if let Some(obstacle) = self.obstacle(stage) {
            return self.hold(Some(obstacle));
        }
        if self.state.held.is_some() {
            return self.hold(None);
        }
        let wanted = self.state.start.sets.iter().any(|set| set.rollout.snapshot_before);
        if stage == 0 && wanted && self.state.snapshot.is_none() {
            if !self.state.asked.snapshot {
                self.state.asked.snapshot = true;
                self.act(Command::TakeSnapshot);
            }
            return false;
        }
        self.record(What::StageEntered { stage });
        true
    }

    /// Why a person must decide, if the stage leaves what was shown to people.
    fn manual(&self) -> Option<Hold> {
        let (harm, _) = self.harm().filter(|_| self.is_manual())?;
        Some(Hold::Manual { why: self.said(&harm.reason) })
    }

    fn change(&mut self) -> bool {
        if self.state.wave.is_some() {
            return false;
        }
        let paused = self.state.paused.as_ref().map(|_| Hold::Paused);
        if let Some(hold) = self.manual().or(paused) {
            return self.hold(Some(hold));
        }
        if let Some(advanced) = self.bring_lists() {
            return advanced;
        }
        let (stage, wave) = (self.state.stage, self.state.waves);
        let nodes = batch::next(&self.state);
        if nodes.is_empty() {
            return self.no_wave();
        }
        if self.state.held.is_some() {
            return self.hold(None);
        }
        self.record(What::WaveStarted { stage, wave, nodes: nodes.clone() });
        let command = change(&self.state, wave, nodes);
        self.act(command);
        true
    }

    /// Before anything else is begun, what lists nodes is brought up to date. None if it is, or if a person says that it need not be.
    fn bring_lists(&mut self) -> Option<bool> {
        match self.state.lists.clone() {
            Lists::Current => None,
            Lists::Running { .. } => Some(false),
            Lists::Failed(_) if self.state.promote.is_some() => None,
            Lists::Failed(why) => {
                let why = format!("what lists nodes could not be brought up to date: {why}");
                Some(self.hold(Some(Hold::Manual { why })))
            }
            Lists::Due if self.state.held.is_some() => Some(self.hold(None)),
            Lists::Due => {
                let back = self.state.phase == Phase::RollingBack;
                self.record(What::ListsStarted { back });
                self.act(Command::BringLists { back });
                Some(true)
            }
        }
    }

    /// No node can be changed now: all are, or some must be waited for.
    fn no_wave(&mut self) -> bool {
        let state = &self.state;
        let down = |name: &&str| state.down.contains_key(*name);
        if batch::pending(state).any(|name| !down(&name)) {
            let nodes = state.down.keys().cloned().collect();
            return self.hold(Some(Hold::Unavailable { nodes }));
        }
        if batch::pending(state).any(|name| !state.excluded.contains(name)) {
            return false;
        }
        if self.state.held.is_some() {
            return self.hold(None);
        }
        self.record(What::BakeStarted { stage: self.state.stage });
        true
    }

    /// Nodes that are down, if that are more in some domain than may be, the stable ones included.
    fn unavailable(&self) -> Option<Hold> {
        let state = &self.state;
        let (set, ..) = state.rules(state.stage)?;
        let mut domains: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for name in dead(state, self.now_ms) {
            if let Some(node) = state.nodes.get(name) {
                domains.entry(&node.domain).or_default().insert(name.to_owned());
            }
        }
        let over = domains.into_iter().filter(|(domain, names)| {
            u32::try_from(names.len()).unwrap_or(u32::MAX) > batch::unavailable(set, domain)
        });
        let nodes: BTreeSet<_> = over.flat_map(|(_, names)| names).collect();
        (!nodes.is_empty()).then_some(Hold::Unavailable { nodes })
    }

    fn bake(&mut self) -> bool {
        let Some(ends_ms) = self.state.bake_ends_ms() else {
            return false;
        };
        if let Some(by) = self.state.promote.clone() {
            return self.promote(Some(by));
        }
        if let Some(hold) = self.manual().or(self.unavailable()) {
            return self.hold(Some(hold));
        }
        let paused = self.state.paused.as_ref().map(|_| Hold::Paused);
        let until_ms = later(ends_ms, deadline_ms(&self.state));
        if self.now_ms < ends_ms || (!self.measured_through(ends_ms) && self.now_ms < until_ms) {
            return self.hold(paused);
        }
        let (verdict, gates, why) = bake_verdict(&self.state, self.now_ms);
        if self.judged(verdict, gates.clone(), why) {
            return true;
        }
        if verdict == Verdict::Successful {
            return self.promote(None);
        }
        if self.now_ms >= until_ms {
            let reason = RollbackReason::Inconclusive { gates };
            return self.decide_rollback(Harm { detected_ms: ends_ms, reason });
        }
        self.hold(paused.or(Some(Hold::Inconclusive { until_ms })))
    }

    /// Whether each gate was measured at the end of the bake.
    fn measured_through(&self, ends_ms: i64) -> bool {
        self.state.evidence.iter().all(|(gate, evidence)| {
            let half_ms = i64::try_from(self.state.interval_ms(gate) / 2).unwrap_or(i64::MAX);
            evidence.measured_ms().is_some_and(|it| it >= ends_ms.saturating_sub(half_ms))
        })
    }

    fn promote(&mut self, by: Option<String>) -> bool {
        let stage = self.state.stage;
        if let Some(obstacle) = self.obstacle(stage.saturating_add(1)) {
            return self.hold(Some(obstacle));
        }
        if self.state.held.is_some() {
            return self.hold(None);
        }
        self.record(What::Promoted { stage, by });
        true
    }

    fn rest(&mut self) -> bool {
        match self.state.rest.clone() {
            Rest::Running => false,
            Rest::Done => {
                let left_out = self.state.excluded.clone();
                self.end(Outcome::Committed, EndReason::Changed { left_out })
            }
            Rest::Failed(why) => {
                let why = format!("the rest of the plan could not be applied: {why}");
                self.hold(Some(Hold::Manual { why }))
            }
            Rest::Open => {
                let obstacle = if self.state.stage_count() == 0 { self.obstacle(0) } else { None };
                if obstacle.is_some() || self.state.held.is_some() {
                    return self.hold(obstacle);
                }
                self.record(What::RestStarted);
                self.act(Command::ApplyRest);
                true
            }
        }
    }

    fn roll_back(&mut self) -> bool {
        if self.state.wave.is_some() || matches!(self.state.lists, Lists::Running { .. }) {
            return false;
        }
        let given_up = self.state.rollback.as_ref().is_some_and(|it| it.given_up);
        let nodes = if given_up { Vec::new() } else { batch::next_back(&self.state) };
        if nodes.is_empty() {
            return self.rolled_back(given_up);
        }
        if self.state.held.is_some() {
            return self.hold(None);
        }
        let wave = self.state.rollback.as_ref().map_or(0, |it| it.waves);
        self.record(What::RollbackWaveStarted { wave, nodes: nodes.clone() });
        self.act(Command::RollBack { wave, nodes });
        true
    }

    /// No node is left that may be brought back: verifies, asks a person, or ends.
    fn rolled_back(&mut self, given_up: bool) -> bool {
        let state = &self.state;
        let left: BTreeSet<String> = state.to_restore().into_iter().collect();
        let overdue = state
            .held
            .as_ref()
            .is_some_and(|held| self.now_ms >= later(held.since_ms, deadline_ms(state)));
        if !left.is_empty() {
            let all_down = left.iter().all(|name| state.down.contains_key(name));
            if given_up || overdue || all_down {
                return self.end(Outcome::RollbackFailed, EndReason::NotRestored { nodes: left });
            }
            let why = words::not_restored(&left, self.why_back());
            return self.hold(Some(Hold::Manual { why }));
        }
        if state.touched.is_empty() {
            return self.end(Outcome::RolledBack, EndReason::Untouched);
        }
        if let (Lists::Failed(error), true) = (&state.lists, given_up || overdue) {
            let reason = EndReason::ListsNotRestored { error: error.clone() };
            return self.end(Outcome::RollbackFailed, reason);
        }
        if let Some(advanced) = self.bring_lists() {
            return advanced;
        }
        let state = &self.state;
        if state.asked.seen.is_none() {
            return false;
        }
        let is_down = |name: &&String| state.down.contains_key(*name);
        let silent: BTreeSet<String> = state.touched.iter().filter(is_down).cloned().collect();
        if silent.is_empty() {
            return self.end(Outcome::RolledBack, EndReason::Restored);
        }
        let dead = dead(state, self.now_ms);
        if silent.iter().all(|name| dead.contains(name.as_str())) {
            return self.end(Outcome::RollbackFailed, EndReason::RestoredDead { nodes: silent });
        }
        false
    }
}

impl State {
    /// Milliseconds between two measurements of a gate of the current set.
    pub(crate) fn interval_ms(&self, gate: &str) -> u64 {
        let rollout = self.rollout();
        let own = rollout.and_then(|rollout| rollout.gates.get(gate)).map(|gate| gate.interval_ms);
        own.or(rollout.map(|rollout| rollout.interval_ms)).unwrap_or(60_000).max(1)
    }

    /// Whether a node exists now.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.nodes.get(name).is_some_and(|node| match node.change {
            NodeChange::Create => batch::is_candidate(node.revision),
            NodeChange::Delete => node.revision != Revision::Candidate,
            _ => true,
        })
    }
}
