//! One step of a rollout: what was seen, into what is recorded and done.
//!
//! `step(state, observation, now) -> (state, commands)`. Invariants: the state that is returned is the one before with the
//! recorded entries applied; an observation that nobody asked for changes nothing; the clock never goes backwards. Refuses to
//! know: clocks, networks, stores.

use crate::command::{Command, Observation};
use crate::state::{Lists, Phase, Rest, State, later};
use crate::verdict::Seen;
use model::rollout::entry::{Entry, Hold, Measurement, Reading, Verb, What};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of one decision; far more than there can be.
const BOUND: u32 = 10_000;

/// What an observation leads to. `now_ms` is Unix milliseconds. Entries come first among the commands, in order; each must
/// be durable before the rest is done.
pub fn step(state: &State, observation: &Observation, now_ms: i64) -> (State, Vec<Command>) {
    let mut decision = Decision::new(state, now_ms);
    decision.absorb(observation);
    for _ in 0..BOUND {
        if !decision.advance() {
            break;
        }
    }
    decision.request();
    decision.finish()
}

/// What a controller that takes over does again, because its entries say that it was under way: waves, lists and the rest, which
/// are idempotent. Give [`Observation::Tick`] next: it asks for everything else.
pub fn resume(state: &State, _now_ms: i64) -> Vec<Command> {
    let mut commands = Vec::new();
    if let Some(wave) = &state.wave {
        let (number, nodes) = (wave.number, wave.nodes.clone());
        commands.push(if wave.back {
            Command::RollBack { wave: number, nodes }
        } else {
            change(state, number, nodes)
        });
    }
    if let Lists::Running { back } = state.lists {
        commands.push(Command::BringLists { back });
    }
    if state.rest == Rest::Running {
        commands.push(Command::ApplyRest);
    }
    commands
}

/// Whether something can be asked for now; if not, why not, in a sentence for the person who asks.
pub fn admissible(state: &State, verb: Verb) -> Result<(), String> {
    let is = |fits: bool, why: &str| if fits { Ok(()) } else { Err(why.to_owned()) };
    let manual = matches!(state.held.as_ref().map(|held| &held.reason), Some(Hold::Manual { .. }));
    let back = state.phase == Phase::RollingBack;
    if state.phase == Phase::Ended {
        return Err("the rollout is over".to_owned());
    }
    match verb {
        Verb::Pause => {
            is(!back, "it is being rolled back, which is not paused")?;
            is(state.paused.is_none(), "it is paused already")
        }
        Verb::Resume => is(state.paused.is_some(), "it is not paused"),
        Verb::Promote => {
            let due = state.phase == Phase::Baking || (manual && state.phase == Phase::Waves);
            is(due, "no stage is baking: there is nothing to promote")
        }
        Verb::Abort => {
            is(!back || manual, "it is being rolled back already")?;
            is(state.abort.is_none(), "it was asked for already")
        }
        Verb::Retry => {
            let tried = state.rollback.as_ref().is_some_and(|it| !it.attempts.is_empty());
            let rest = matches!(state.rest, Rest::Failed(_));
            let failed = !back && !state.failed.is_empty();
            let lists = matches!(state.lists, Lists::Failed(_));
            is(
                (back && tried) || rest || failed || lists,
                "nothing has failed that could be tried again",
            )
        }
        Verb::Supersede => is(state.superseded.is_none(), "it was asked for already"),
    }
}

/// Whether a person can agree to a stage (none: to the next one that asks for it) of the plan that they saw: the stage and for
/// how many milliseconds it counts; or why not, in a sentence for them.
pub fn approvable(
    state: &State,
    stage: Option<u32>,
    plan_hash: &str,
) -> Result<(u32, u64), String> {
    let next = match state.phase {
        Phase::Waiting => state.stage,
        Phase::Waves | Phase::Baking => state.stage.saturating_add(1),
        Phase::Rest | Phase::RollingBack | Phase::Ended => {
            return Err("no further stage of this rollout begins".to_owned());
        }
    };
    if plan_hash != state.start.plan_hash {
        return Err("that is another plan than the one that is rolled out".to_owned());
    }
    let asks = |stage: &u32| crate::advance::approval(state, *stage).is_some();
    let Some(stage) = stage.or_else(|| (next..state.stage_count()).find(asks)) else {
        return Err("no stage that is still to come needs an approval".to_owned());
    };
    if stage < next {
        return Err("the stage has begun".to_owned());
    }
    match crate::advance::approval(state, stage) {
        Some(approval) => Ok((stage, approval.valid_ms)),
        None => Err("the stage needs no approval".to_owned()),
    }
}

/// The command that changes the nodes of a wave.
pub(crate) fn change(state: &State, wave: u32, nodes: Vec<String>) -> Command {
    let surge = state.start.stage(state.stage).is_some_and(|(set, _)| crate::batch::surges(set));
    Command::ChangeNodes { stage: state.stage, wave, nodes, surge }
}

/// A decision that is being made.
pub(crate) struct Decision {
    pub(crate) state: State,
    pub(crate) now_ms: i64,
    records: Vec<Command>,
    actions: Vec<Command>,
}

impl Decision {
    fn new(state: &State, now_ms: i64) -> Self {
        let now_ms = now_ms.max(state.at_ms);
        Self { state: state.clone(), now_ms, records: Vec::new(), actions: Vec::new() }
    }

    /// Records what happened. An entry that cannot follow would be a defect here: it is not recorded.
    pub(crate) fn record(&mut self, what: What) {
        let (rollout, number) = (self.state.id.clone(), self.state.next);
        let entry = Entry { rollout, number, at_ms: self.now_ms, what };
        let applied = self.state.apply(&entry);
        debug_assert!(applied.is_ok(), "{applied:?}");
        if applied.is_ok() {
            self.records.push(Command::Record(entry));
        }
    }

    pub(crate) fn act(&mut self, command: Command) {
        self.actions.push(command);
    }

    fn finish(mut self) -> (State, Vec<Command>) {
        self.records.append(&mut self.actions);
        (self.state, self.records)
    }

    fn absorb(&mut self, observation: &Observation) {
        match observation {
            Observation::Tick => {}
            Observation::SnapshotTaken { error, point } => {
                let due = self.state.phase == Phase::Waiting && self.state.stage == 0;
                if due && self.state.snapshot.is_none() {
                    self.record(What::SnapshotTaken { error: error.clone(), point: point.clone() });
                }
            }
            Observation::WaveEnded { changed, failed, unreachable } => {
                self.end_wave(changed, failed, unreachable);
            }
            Observation::Measured { gate, queries, from_ms, to_ms, reading } => {
                self.measured(gate, queries, (*from_ms, *to_ms), reading);
            }
            Observation::NodesSeen { down } => self.seen(down),
            Observation::Asked { verb, by, why } => self.asked(*verb, by, why.clone()),
            Observation::Superseded { by, why } => self.asked(Verb::Supersede, by, why.clone()),
            Observation::Approved { stage, by, plan_hash } => self.approved(*stage, by, plan_hash),
            Observation::RollbackWaveEnded { restored, failed } => {
                if let Some((wave, restored, failed)) = self.ended(true, restored, failed) {
                    self.record(What::RollbackWaveEnded { wave, restored, failed });
                }
            }
            Observation::ListsEnded { error } => {
                if matches!(self.state.lists, Lists::Running { .. }) {
                    self.record(What::ListsEnded { error: error.clone() });
                }
            }
            Observation::RestEnded { error } => {
                if self.state.rest == Rest::Running {
                    self.record(What::RestEnded { error: error.clone() });
                }
            }
            Observation::Notified { of, error } => {
                if self.state.notices.contains_key(of) {
                    self.record(What::Notified { of: of.clone(), error: error.clone() });
                }
            }
            Observation::TakenOver { by } => {
                if self.state.phase != Phase::Ended {
                    self.record(What::TakenOver { by: by.clone() });
                }
            }
        }
    }

    /// What came of the nodes of the wave that is under way: those of which nothing was said have failed.
    fn ended(
        &self,
        back: bool,
        done: &[String],
        failed: &BTreeMap<String, String>,
    ) -> Option<(u32, Vec<String>, BTreeMap<String, String>)> {
        let wave = self.state.wave.as_ref().filter(|wave| wave.back == back)?;
        let (mut well, mut not) = (Vec::new(), BTreeMap::new());
        for node in &wave.nodes {
            if let Some(why) = failed.get(node) {
                not.insert(node.clone(), why.clone());
            } else if done.contains(node) {
                well.push(node.clone());
            } else {
                not.insert(node.clone(), "nothing was said of it".to_owned());
            }
        }
        Some((wave.number, well, not))
    }

    fn end_wave(
        &mut self,
        changed: &[String],
        failed: &BTreeMap<String, String>,
        unreachable: &BTreeSet<String>,
    ) {
        let Some((wave, changed, failed)) = self.ended(false, changed, failed) else {
            return;
        };
        let dead = failed.iter().filter(|(name, _)| unreachable.contains(*name));
        let mut down = self.down_now();
        down.extend(dead.map(|(name, why)| (name.clone(), why.clone())));
        for name in &changed {
            down.remove(name.as_str());
        }
        self.record(What::WaveEnded { stage: self.state.stage, wave, changed, failed });
        if down.keys().ne(self.state.down.keys()) {
            self.record(What::NodesSeen { down });
        }
    }

    fn down_now(&self) -> BTreeMap<String, String> {
        self.state.down.iter().map(|(name, it)| (name.clone(), it.why.clone())).collect()
    }

    fn seen(&mut self, reported: &BTreeMap<String, String>) {
        self.state.asked.look = None;
        self.state.asked.seen = Some(self.now_ms);
        if self.state.phase == Phase::Ended {
            return;
        }
        // A node that is being changed is down by our doing, and is told of by its wave.
        let busy = self.state.wave.as_ref().map(|wave| wave.nodes.clone()).unwrap_or_default();
        let mut down = self.down_now();
        down.retain(|name, _| busy.contains(name));
        let known = reported
            .iter()
            .filter(|(name, _)| self.state.nodes.contains_key(*name) && !busy.contains(*name));
        down.extend(known.map(|(name, why)| (name.clone(), why.clone())));
        if down.keys().ne(self.state.down.keys()) {
            self.record(What::NodesSeen { down });
        }
    }

    fn asked(&mut self, verb: Verb, by: &str, why: Option<String>) {
        if admissible(&self.state, verb).is_ok() {
            self.record(What::Asked { verb, by: by.to_owned(), why });
        }
    }

    fn approved(&mut self, stage: Option<u32>, by: &str, plan_hash: &str) {
        let Ok((stage, valid_ms)) = approvable(&self.state, stage, plan_hash) else {
            return;
        };
        let until_ms = later(self.now_ms, valid_ms);
        let (by, plan_hash) = (by.to_owned(), plan_hash.to_owned());
        self.record(What::Approved { stage, by, through: None, until_ms, plan_hash });
    }

    fn measured(
        &mut self,
        gate: &str,
        queries: &[String],
        (from_ms, to_ms): (i64, i64),
        reading: &Reading,
    ) {
        if self.state.asked.gates.remove(gate).is_none() {
            return;
        }
        let state = &self.state;
        let due = matches!(state.phase, Phase::Waves | Phase::Baking);
        // An answer to what the stage before asked, or one that was had already, is not counted again.
        let early = state.watched_ms.is_none_or(|watched_ms| from_ms < watched_ms);
        let Some(evidence) = state.evidence.get(gate).filter(|_| due && !early) else {
            return;
        };
        let again = evidence.measured_ms().is_some_and(|measured_ms| to_ms <= measured_ms);
        let overlaps = evidence.data_ms().is_some_and(|data_ms| from_ms < data_ms);
        let Some(check) = state.stage_gate(gate).map(|it| &it.check) else {
            return;
        };
        if again || overlaps || from_ms > to_ms {
            return;
        }
        let in_bake = state.bake_ms.is_some_and(|bake_ms| from_ms >= bake_ms);
        let reading = &storable(reading);
        let seen = Seen { from_ms, to_ms, reading, in_bake };
        let opinion = evidence.clone().take(check, &seen);
        self.record(What::Measured(Box::new(Measurement {
            stage: self.state.stage,
            gate: gate.to_owned(),
            queries: queries.to_vec(),
            from_ms,
            to_ms,
            reading: reading.clone(),
            verdict: opinion.verdict,
            why: opinion.why,
            shown: opinion.shown,
        })));
    }
}

/// A reading as entries can hold it: what is no finite number has no text in JSON, and is no data either.
fn storable(reading: &Reading) -> Reading {
    let missing = |number: f64| Reading::Missing { why: format!("the answer is {number}") };
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    match reading {
        Reading::Value { value, .. } if !value.is_finite() => missing(*value),
        Reading::Value { value, control, load } => {
            Reading::Value { value: *value, control: finite(*control), load: finite(*load) }
        }
        Reading::Counts { bad, total, .. } if !(bad.is_finite() && total.is_finite()) => {
            missing(if bad.is_finite() { *total } else { *bad })
        }
        Reading::Counts { bad, total, control } => {
            let control = control.filter(|(bad, total)| bad.is_finite() && total.is_finite());
            Reading::Counts { bad: *bad, total: *total, control }
        }
        other => other.clone(),
    }
}
