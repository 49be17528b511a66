//! How a journal entry changes the state, and which entries cannot follow.
//!
//! Invariant: an entry that is refused changes nothing. Refuses to know: why an entry was made.

use crate::changes::moves_machine;
use crate::state::{
    Agreement, Down, Held, Illegal, Lists, Phase, Rest, Revision, Rollback, State, Wave,
};
use crate::verdict::{Evidence, Seen};
use model::rollout::entry::{Entry, Hold, Measurement, Start, Verb, What};
use model::rollout::reason::Said;
use std::collections::BTreeMap;
use std::mem::discriminant;

impl State {
    /// The state after one more entry. An entry that cannot follow is refused and changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Illegal> {
        let illegal =
            |why: String| Illegal { rollout: entry.rollout.clone(), number: entry.number, why };
        if entry.rollout != self.id {
            return Err(illegal(format!("it is not of rollout {}", self.id)));
        }
        if entry.number != self.next {
            return Err(illegal(format!("number {} is due", self.next)));
        }
        self.legal(&entry.what).map_err(illegal)?;
        self.next += 1;
        self.at_ms = self.at_ms.max(entry.at_ms);
        self.take(&entry.what, self.at_ms);
        Ok(())
    }

    /// Whether an entry can follow.
    fn legal(&self, what: &What) -> Result<(), String> {
        let phase = self.phase;
        let is = |fits: bool, why: &str| if fits { Ok(()) } else { Err(why.to_owned()) };
        if phase == Phase::Ended {
            return is(matches!(what, What::Notified { .. }), "the rollout is over");
        }
        match what {
            What::Started(_) => Err("it has begun already".to_owned()),
            What::SnapshotTaken { .. } => {
                is(phase == Phase::Waiting && self.stage == 0, "the first stage has begun")
            }
            What::StageEntered { stage } => {
                is(phase == Phase::Waiting && *stage == self.stage, "the stage is not due")
            }
            What::WaveStarted { stage, wave, nodes } => {
                is(phase == Phase::Waves && *stage == self.stage, "the stage's nodes are not due")?;
                is(self.wave.is_none(), "a wave is under way")?;
                self.listed()?;
                is(*wave == self.waves, "the wave is not due")?;
                is(!nodes.is_empty() && nodes.iter().all(|node| self.can_change(node)), "its nodes")
            }
            What::WaveEnded { stage, wave, changed, failed } => {
                is(*stage == self.stage, "the stage is not the one under way")?;
                self.ends_wave(*wave, false, changed, failed)
            }
            What::BakeStarted { stage } => {
                let fits = phase == Phase::Waves && self.wave.is_none() && *stage == self.stage;
                self.listed()?;
                is(fits, "the stage's nodes are not changed")
            }
            What::Measured(measurement) => self.legal_measurement(measurement),
            What::NodesSeen { down } => {
                is(down.keys().all(|node| self.nodes.contains_key(node)), "an unknown node")
            }
            What::NodeExcluded { node, .. } => {
                is(self.down.contains_key(node), "the node is not known to be down")
            }
            What::Judged { stage, .. } => {
                let fits = matches!(phase, Phase::Waves | Phase::Baking) && *stage == self.stage;
                is(fits, "the stage is not under way")
            }
            What::Promoted { stage, .. } => {
                is(phase == Phase::Baking && *stage == self.stage, "the stage is not baking")
            }
            What::Held { .. }
            | What::Asked { .. }
            | What::Notified { .. }
            | What::TakenOver { .. } => Ok(()),
            What::Released => is(self.held.is_some(), "nothing is held"),
            What::Approved { stage, plan_hash, .. } => {
                is(*stage < self.stage_count(), "there is no such stage")?;
                is(*plan_hash == self.start.plan_hash, "another plan was agreed to")
            }
            What::RollbackDecided { .. } => {
                is(phase != Phase::RollingBack, "it is being rolled back")?;
                is(self.rest != Rest::Running, "the rest is under way")
            }
            What::RollbackWaveStarted { wave, nodes } => {
                let due = self.rollback.as_ref().is_some_and(|it| it.waves == *wave);
                is(phase == Phase::RollingBack && due, "no such wave is due")?;
                is(self.wave.is_none(), "a wave is under way")?;
                let known = nodes.iter().all(|node| self.nodes.contains_key(node));
                is(!nodes.is_empty() && known, "its nodes")
            }
            What::RollbackWaveEnded { wave, restored, failed } => {
                self.ends_wave(*wave, true, restored, failed)
            }
            What::RestStarted => {
                let fits = phase == Phase::Rest && self.rest != Rest::Running;
                is(fits && self.rest != Rest::Done, "the rest is not due")
            }
            What::RestEnded { .. } => is(self.rest == Rest::Running, "the rest is not under way"),
            What::ListsStarted { back } => self.begins_lists(*back),
            What::ListsEnded { .. } => {
                is(matches!(self.lists, Lists::Running { .. }), "what lists nodes is left alone")
            }
            What::Ended { .. } => is(self.is_idle(), "something is under way"),
        }
    }

    fn begins_lists(&self, back: bool) -> Result<(), String> {
        let due = if back { self.phase == Phase::RollingBack } else { self.phase == Phase::Waves };
        if due && self.wave.is_none() && self.lists == Lists::Due {
            return Ok(());
        }
        Err("what lists nodes is not due".to_owned())
    }

    /// Whether nothing is being done.
    pub(crate) fn is_idle(&self) -> bool {
        let listing = matches!(self.lists, Lists::Running { .. });
        self.wave.is_none() && self.rest != Rest::Running && !listing
    }

    /// Nothing is begun or watched before what lists nodes was brought up to date, or was tried.
    fn listed(&self) -> Result<(), String> {
        match self.lists {
            Lists::Current | Lists::Failed(_) => Ok(()),
            Lists::Due | Lists::Running { .. } => Err("what lists nodes comes first".to_owned()),
        }
    }

    /// Whether a node is due in a wave.
    pub(crate) fn can_change(&self, node: &str) -> bool {
        let Some(found) = self.nodes.get(node) else {
            return false;
        };
        let again = found.revision == Revision::Failed && !self.failed.contains_key(node);
        let due = found.stage.is_some_and(|stage| stage <= self.stage);
        due && (again || found.revision == Revision::Stable)
    }

    fn ends_wave(
        &self,
        number: u32,
        back: bool,
        done: &[String],
        failed: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let wave = self.wave.as_ref().ok_or("no wave is under way")?;
        if wave.number != number || wave.back != back {
            return Err("another wave is under way".to_owned());
        }
        let named = |node: &String| done.contains(node) != failed.contains_key(node);
        if wave.nodes.len() != done.len() + failed.len() || !wave.nodes.iter().all(named) {
            return Err("its nodes are not those of the wave".to_owned());
        }
        Ok(())
    }

    fn legal_measurement(&self, measurement: &Measurement) -> Result<(), String> {
        if !matches!(self.phase, Phase::Waves | Phase::Baking) || measurement.stage != self.stage {
            return Err("the stage is not under way".to_owned());
        }
        self.stage_gate(&measurement.gate).map(drop).ok_or("no gate of the stage".to_owned())
    }

    fn take(&mut self, what: &What, at_ms: i64) {
        match what {
            What::Started(_) | What::TakenOver { .. } => {}
            What::SnapshotTaken { error, .. } => {
                self.snapshot = Some(error.clone().map_or(Ok(()), Err));
                self.asked.snapshot = false;
            }
            What::StageEntered { .. } => self.enter(at_ms),
            What::WaveStarted { wave, nodes, .. } => {
                self.begin_wave(*wave, nodes, false);
                self.waves += 1;
            }
            What::WaveEnded { changed, failed, .. } => self.end_wave(changed, failed, at_ms),
            What::BakeStarted { .. } => {
                self.phase = Phase::Baking;
                self.bake_ms = Some(at_ms);
                self.progress_ms = at_ms;
                self.evidence.values_mut().for_each(Evidence::begin_bake);
            }
            What::Measured(measurement) => self.take_measurement(measurement),
            What::NodesSeen { down } => self.see(down, at_ms),
            What::NodeExcluded { node, .. } => {
                self.excluded.insert(node.clone());
            }
            What::Judged { verdict, .. } => self.judged = Some(*verdict),
            What::Promoted { stage, by } => self.promoted(*stage, by.as_deref(), at_ms),
            What::Held { reason } => self.hold(reason, at_ms),
            What::Released => self.held = None,
            What::Approved { stage, by, until_ms, .. } => {
                self.agreements.retain(|it| it.stage != *stage || it.by != *by);
                let (stage, by, until_ms) = (*stage, by.clone(), *until_ms);
                self.agreements.push(Agreement { stage, by, until_ms });
            }
            What::Asked { verb, by, why } => self.take_verb(*verb, by, why.as_deref(), at_ms),
            What::RollbackDecided { detected_ms, why, .. } => {
                self.phase = Phase::RollingBack;
                self.progress_ms = at_ms;
                self.rollback = Some(Rollback {
                    detected_ms: *detected_ms,
                    decided_ms: at_ms,
                    why: why.clone(),
                    waves: 0,
                    attempts: BTreeMap::new(),
                    given_up: false,
                });
                self.asked.gates.clear();
                self.notice("rollback", format!("rolling back: {why}"));
            }
            What::RollbackWaveStarted { wave, nodes } => {
                self.begin_wave(*wave, nodes, true);
                if let Some(rollback) = &mut self.rollback {
                    rollback.waves += 1;
                }
            }
            What::RollbackWaveEnded { restored, failed, .. } => {
                self.end_back(restored, failed, at_ms);
            }
            What::ListsStarted { back } => self.lists = Lists::Running { back: *back },
            What::ListsEnded { error } => self.end_lists(error.as_deref(), at_ms),
            What::RestStarted => {
                self.rest = Rest::Running;
                self.progress_ms = at_ms;
            }
            What::RestEnded { error } => {
                self.rest = error.clone().map_or(Rest::Done, Rest::Failed);
                self.progress_ms = at_ms;
            }
            What::Notified { of, .. } => {
                self.notices.remove(of);
                self.asked.notices.remove(of);
            }
            What::Ended { outcome, why, .. } => {
                self.phase = Phase::Ended;
                self.held = None;
                self.ended = Some((*outcome, why.clone()));
                self.notice("ended", why.clone());
            }
        }
    }

    fn notice(&mut self, of: &str, text: String) {
        self.asked.notices.remove(of);
        self.notices.insert(of.to_owned(), text);
    }

    fn enter(&mut self, at_ms: i64) {
        let gates = self.rules(self.stage).map(|(_, rules, _)| rules.gates.clone());
        let gates = gates.unwrap_or_default();
        self.evidence = gates.into_iter().map(|it| (it.gate, Evidence::new(&it.check))).collect();
        self.phase = Phase::Waves;
        self.progress_ms = at_ms;
        self.waves = 0;
        self.watched_ms = self.touched.first().map(|_| at_ms);
        self.bake_ms = None;
        self.judged = None;
        self.promote = None;
        self.asked.gates.clear();
    }

    fn begin_wave(&mut self, number: u32, nodes: &[String], back: bool) {
        let revision = if back { Revision::Restoring } else { Revision::Changing };
        for name in nodes {
            if let Some(node) = self.nodes.get_mut(name) {
                node.revision = revision;
            }
            if !back {
                self.touched.retain(|touched| touched != name);
                self.touched.push(name.clone());
            }
        }
        self.wave = Some(Wave { number, nodes: nodes.to_vec(), back });
    }

    fn put(&mut self, name: &str, revision: Revision) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.revision = revision;
        }
    }

    fn end_wave(&mut self, changed: &[String], failed: &BTreeMap<String, String>, at_ms: i64) {
        self.wave = None;
        for name in changed {
            self.put(name, Revision::Candidate);
            self.alive(name);
        }
        for (name, why) in failed {
            self.put(name, Revision::Failed);
            self.failed.insert(name.clone(), why.clone());
        }
        if !changed.is_empty() {
            self.progress_ms = at_ms;
            self.watched_ms = self.watched_ms.or(Some(at_ms));
        }
        self.outdate_lists(changed.iter().chain(failed.keys()));
    }

    /// Machines of these nodes came or went: what lists nodes does not know it. A node that changes in place is listed already.
    fn outdate_lists<'a>(&mut self, nodes: impl Iterator<Item = &'a String>) {
        if self.start.lists.is_empty() {
            return;
        }
        let moves =
            |name: &&String| self.nodes.get(*name).is_some_and(|node| moves_machine(node.change));
        let moved: Vec<String> = nodes.filter(moves).cloned().collect();
        if !moved.is_empty() {
            self.lists = Lists::Due;
            self.unlisted.extend(moved);
        }
    }

    fn end_lists(&mut self, error: Option<&str>, at_ms: i64) {
        if let Some(why) = error {
            self.lists = Lists::Failed(why.to_owned());
            return;
        }
        self.progress_ms = at_ms;
        self.lists = Lists::Current;
        self.unlisted.clear();
    }

    fn end_back(&mut self, restored: &[String], failed: &BTreeMap<String, String>, at_ms: i64) {
        self.wave = None;
        for name in restored {
            self.put(name, Revision::Stable);
            self.alive(name);
            self.failed.remove(name);
        }
        for (name, why) in failed {
            self.put(name, Revision::Failed);
            if let Some(rollback) = &mut self.rollback {
                let tried = rollback.attempts.entry(name.clone()).or_default();
                *tried = (tried.0.saturating_add(1), why.clone());
            }
        }
        if !restored.is_empty() {
            self.progress_ms = at_ms;
        }
        self.outdate_lists(restored.iter().chain(failed.keys()));
        // Whatever was seen before says nothing of the nodes now.
        (self.asked.seen, self.asked.look) = (None, None);
    }

    fn alive(&mut self, name: &str) {
        self.down.remove(name);
        self.excluded.remove(name);
    }

    fn take_measurement(&mut self, measurement: &Measurement) {
        self.asked.gates.remove(&measurement.gate);
        let Some(check) = self.stage_gate(&measurement.gate).map(|it| it.check.clone()) else {
            return;
        };
        let bake_ms = self.bake_ms;
        if let Some(evidence) = self.evidence.get_mut(&measurement.gate) {
            evidence.take(&check, &Seen::of(measurement, bake_ms));
        }
    }

    fn see(&mut self, down: &BTreeMap<String, String>, at_ms: i64) {
        self.down.retain(|name, _| down.contains_key(name));
        self.excluded.retain(|name| down.contains_key(name));
        for (name, why) in down {
            let new = || Down { since_ms: at_ms, why: why.clone() };
            self.down.entry(name.clone()).or_insert_with(new).why.clone_from(why);
        }
    }

    fn promoted(&mut self, stage: u32, by: Option<&str>, at_ms: i64) {
        let last = stage.saturating_add(1) >= self.stage_count();
        let named = self.rules(stage).map_or("", |(_, rules, _)| rules.name.as_str());
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        let text = format!("stage {named} is promoted{by}");
        self.notice("promoted", text);
        self.phase = if last { Phase::Rest } else { Phase::Waiting };
        self.stage = stage.saturating_add(1);
        self.progress_ms = at_ms;
        self.bake_ms = None;
        self.promote = None;
        self.evidence.clear();
        self.asked.gates.clear();
    }

    fn hold(&mut self, reason: &Hold, at_ms: i64) {
        let same = |held: &Held| discriminant(&held.reason) == discriminant(reason);
        let since_ms = self.held.as_ref().filter(|held| same(held)).map_or(at_ms, |it| it.since_ms);
        if self.held.as_ref().is_none_or(|held| !same(held)) {
            self.notice("held", self.waits(reason));
        }
        self.held = Some(Held { reason: reason.clone(), since_ms });
    }

    /// What people are told of a hold; whoever is to agree needs the hash of the plan.
    fn waits(&self, reason: &Hold) -> String {
        let said = crate::words::hold(reason);
        let Hold::Approval { stage, .. } = reason else { return said };
        let name = self.rules(*stage).map(|(_, rules, _)| rules.name.as_str());
        let stage = name.map(|name| format!(" stage `{name}`")).unwrap_or_default();
        let Start { environment, plan_hash, .. } = &*self.start;
        format!("{said}{stage}: `rollout approve {environment} --plan {plan_hash}`")
    }

    fn take_verb(&mut self, verb: Verb, by: &str, why: Option<&str>, at_ms: i64) {
        let said = || Said { by: by.to_owned(), why: why.map(str::to_owned) };
        match verb {
            Verb::Pause => self.paused = Some(by.to_owned()),
            Verb::Resume => self.paused = None,
            Verb::Promote => self.promote = Some(by.to_owned()),
            Verb::Supersede => self.superseded = Some(said()),
            Verb::Abort => match &mut self.rollback {
                Some(rollback) => rollback.given_up = true,
                None => self.abort = Some((at_ms, said())),
            },
            Verb::Retry => self.retry(),
        }
    }

    /// What failed is as if it had not been tried.
    fn retry(&mut self) {
        if let Rest::Failed(_) = self.rest {
            self.rest = Rest::Open;
        }
        if let Lists::Failed(_) = self.lists {
            self.lists = Lists::Due;
        }
        if let Some(rollback) = &mut self.rollback {
            rollback.attempts.clear();
            return;
        }
        let down = &self.down;
        self.failed.retain(|name, _| down.contains_key(name));
    }
}
