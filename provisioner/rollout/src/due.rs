//! What is due: measurements, looks at nodes, notices, and when to wake up.
//!
//! Invariants: nothing is asked for again while it is under way, unless its answer is lost; a time without data is not asked for later: the blind gap
//! stays missing. Refuses to know: what the answers mean.

use crate::advance::{approval, deadline_ms, patience_ends_ms};
use crate::command::{Command, Groups};
use crate::state::{Phase, Revision, State, later};
use crate::step::Decision;
use crate::verdict::compares;
use crate::window::closed;
use model::rollout::entry::NodeChange;
use std::collections::BTreeSet;

/// An answer that does not come for so many intervals is asked for again.
const LOST_INTERVALS: u64 = 10;

impl Decision {
    /// Asks for everything that is due.
    pub(crate) fn request(&mut self) {
        self.notify();
        if let Some((outcome, _)) = self.state.outcome() {
            self.act(Command::Finish { outcome });
            return;
        }
        if matches!(self.state.phase, Phase::Waves | Phase::Baking) {
            self.measure();
        }
        if matches!(self.state.phase, Phase::Waves | Phase::Baking | Phase::RollingBack) {
            self.look();
        }
        let at_ms = self.wake_ms();
        self.act(Command::WakeAt { at_ms });
    }

    fn notify(&mut self) {
        if self.state.start.sets.iter().all(|set| set.rollout.notify.is_empty()) {
            return;
        }
        let due =
            self.state.notices.iter().filter(|(of, _)| !self.state.asked.notices.contains(*of));
        let due: Vec<_> = due.map(|(of, text)| (of.clone(), text.clone())).collect();
        for (of, text) in due {
            self.state.asked.notices.insert(of.clone());
            self.act(Command::Notify { of, text });
        }
    }

    fn measure(&mut self) {
        let now_ms = self.now_ms;
        let is_due = |gate: &&String| due_ms(&self.state, gate).is_some_and(|it| it <= now_ms);
        let due: Vec<_> = self.state.evidence.keys().filter(is_due).cloned().collect();
        if due.is_empty() {
            return;
        }
        let groups = groups(&self.state);
        if self.state.bake_ms.is_none() && groups.candidate.is_empty() {
            return;
        }
        for gate in due {
            let from_ms = from_ms(&self.state, &gate, now_ms).unwrap_or(now_ms);
            let check = self.state.stage_gate(&gate).map(|it| &it.check);
            let compares = check.is_some_and(compares);
            self.state.asked.gates.insert(gate.clone(), now_ms);
            let (stage, groups) = (self.state.stage, groups.clone());
            self.act(Command::Measure { stage, gate, from_ms, to_ms: now_ms, groups, compares });
        }
    }

    fn look(&mut self) {
        let Some(due_ms) = look_due_ms(&self.state) else {
            return;
        };
        let nodes = to_look_at(&self.state);
        if due_ms > self.now_ms || nodes.is_empty() {
            if nodes.is_empty() {
                self.state.asked.seen = Some(self.now_ms);
            }
            return;
        }
        self.state.asked.look = Some(self.now_ms);
        self.act(Command::LookAtNodes { nodes });
    }

    /// When something is due next.
    fn wake_ms(&self) -> i64 {
        let state = &self.state;
        let interval_ms = state.rollout().map_or(60_000, |rollout| rollout.interval_ms).max(1);
        let mut times = vec![later(self.now_ms, interval_ms.max(60_000)), patience_ends_ms(state)];
        if matches!(state.phase, Phase::Waves | Phase::Baking) {
            times.extend(state.evidence.keys().filter_map(|gate| due_ms(state, gate)));
        }
        times.extend(look_due_ms(state));
        if let Some(ends_ms) = state.bake_ends_ms() {
            times.extend([ends_ms, later(ends_ms, deadline_ms(state))]);
        }
        if let Some(held) = &state.held {
            times.push(later(held.since_ms, deadline_ms(state)));
        }
        times.extend(state.down.values().map(|it| later(it.since_ms, interval_ms)));
        times.extend(state.agreements.iter().map(|it| it.until_ms));
        if let Some(closed) = state.rollout().and_then(|it| closed(&it.windows, self.now_ms)) {
            times.extend(closed.until_ms);
        }
        let next = times.into_iter().filter(|at_ms| *at_ms > self.now_ms).min();
        next.unwrap_or_else(|| later(self.now_ms, interval_ms))
    }
}

/// When a gate is to be measured; none while it is being measured.
fn due_ms(state: &State, gate: &str) -> Option<i64> {
    let interval_ms = state.interval_ms(gate);
    if let Some(asked_ms) = state.asked.gates.get(gate) {
        return Some(later(*asked_ms, interval_ms.saturating_mul(LOST_INTERVALS)));
    }
    let evidence = state.evidence.get(gate)?;
    let start_ms = state.bake_ms.or(state.watched_ms)?;
    let last_ms = evidence.measured_ms().unwrap_or(start_ms).max(start_ms);
    // A source that could not be asked is asked sooner, then less and less so.
    let wait_ms = match evidence.errors() {
        0 => interval_ms,
        errors => (interval_ms / 4).max(1).saturating_mul(1 << errors.min(3)).min(interval_ms),
    };
    let due_ms = later(last_ms, wait_ms);
    let half_ms = i64::try_from(interval_ms / 2).unwrap_or(i64::MAX);
    match state.bake_ends_ms() {
        Some(ends_ms) if due_ms > ends_ms && ends_ms.saturating_sub(last_ms) >= half_ms => {
            Some(ends_ms.max(last_ms.saturating_add(1)))
        }
        _ => Some(due_ms),
    }
}

/// From when a measurement is to be: from the last data on, unless that is too long ago.
fn from_ms(state: &State, gate: &str, now_ms: i64) -> Option<i64> {
    let evidence = state.evidence.get(gate)?;
    let start_ms = state.bake_ms.or(state.watched_ms)?;
    let data_ms = evidence.data_ms().unwrap_or(start_ms).max(start_ms);
    let interval_ms = state.interval_ms(gate);
    if now_ms <= later(data_ms, interval_ms.saturating_mul(5) / 2) {
        return Some(data_ms);
    }
    Some(now_ms.saturating_sub(i64::try_from(interval_ms).unwrap_or(i64::MAX)).max(data_ms))
}

fn look_due_ms(state: &State) -> Option<i64> {
    let interval_ms = state.rollout()?.interval_ms.max(1);
    if let Some(asked_ms) = state.asked.look {
        return Some(later(asked_ms, interval_ms.saturating_mul(LOST_INTERVALS)));
    }
    Some(state.asked.seen.map_or(state.began_ms, |seen_ms| later(seen_ms, interval_ms)))
}

/// Nodes whose health matters now: those of the set under way and all that were touched, but those that are being changed.
fn to_look_at(state: &State) -> Vec<String> {
    let set = state.start.stage(state.stage).map(|(set, _)| set);
    let of_set = set.into_iter().flat_map(|set| &set.nodes).map(|node| node.name.as_str());
    let all: BTreeSet<&str> = of_set.chain(state.touched.iter().map(String::as_str)).collect();
    let busy =
        |name: &str| state.wave.as_ref().is_some_and(|it| it.nodes.iter().any(|n| n == name));
    let names = all.into_iter().filter(|name| state.exists(name) && !busy(name));
    names.map(str::to_owned).collect()
}

/// What the selectors of gates stand for now.
pub(crate) fn groups(state: &State) -> Groups {
    let Some((set, ..)) = state.rules(state.stage) else {
        return Groups::default();
    };
    let here = || {
        let started = set.nodes.iter();
        // Of a node that nobody lists yet there is no data, or that of the machine that it had.
        let known = started.filter(|node| {
            !state.excluded.contains(&node.name) && !state.unlisted.contains(&node.name)
        });
        known.filter_map(|it| Some((it.name.as_str(), state.nodes.get(&it.name)?)))
    };
    let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let changes = set.nodes.iter().map(|node| node.change);
    // Where nodes only come or go, those that stay as they are are on the stable revision.
    let revises = changes.clone().any(|it| matches!(it, NodeChange::Update | NodeChange::Replace));
    let shrinks = changes.clone().all(|it| matches!(it, NodeChange::Delete | NodeChange::None));
    let moved = here().filter(|(_, node)| match node.change {
        NodeChange::Delete => false,
        // A set that only shrinks is judged by those that stay.
        NodeChange::None => shrinks,
        _ => node.revision == Revision::Candidate,
    });
    let moved: Vec<_> = moved.collect();
    let domains: BTreeSet<&str> = moved.iter().map(|(_, node)| node.domain.as_str()).collect();
    let control = here().filter(|(_, node)| {
        let stays = node.change == NodeChange::None && !revises && !shrinks;
        let waits = node.revision == Revision::Stable
            && !matches!(node.change, NodeChange::None | NodeChange::Create);
        (stays || waits) && domains.contains(node.domain.as_str())
    });
    let new = moved.iter().filter(|(_, node)| node.stage == Some(state.stage));
    Groups {
        stage: own(new.map(|(name, _)| *name).collect()),
        control: own(control.map(|(name, _)| name).collect()),
        candidate: own(moved.into_iter().map(|(name, _)| name).collect()),
    }
}

/// Whether people must agree to a stage, for views and commands.
pub fn needs_approval(state: &State, stage: u32) -> bool {
    approval(state, stage).is_some()
}
