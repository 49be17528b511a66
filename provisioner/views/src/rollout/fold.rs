//! The entries of one rollout folded into what views draw: stages with their times and verdicts, nodes by state, gates
//! with their measurements, holds, what was asked, and the times from detection to the end of a rollback.
//!
//! Invariants: nothing here reads a clock; an entry that does not fit (another rollout's, an unknown stage or node)
//! changes nothing but the time of the last entry, so what an older or newer program wrote is drawn as far as it is understood.
//! Refuses to know: whether an entry was allowed. The rules are the crate `rollout`'s.

mod gates;

pub use gates::{Answer, Bounds, GateView, Point, Series};

use model::restore_point::PointName;
use model::rollout::entry::{Entry, Hold, NodeChange, Outcome, Start, Verb, Verdict, What};
use model::rollout::{RollbackRule, Stage};
use std::collections::BTreeMap;

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeState {
    /// On the stable revision.
    Stable,
    /// Being changed.
    Changing,
    /// On the candidate, and watched.
    Candidate,
    /// On the candidate, its stage is over.
    Baked,
    /// It does not answer.
    Down,
    /// Left out.
    Excluded,
    /// Being rolled back.
    RollingBack,
    /// On the stable revision again.
    Restored,
    /// Its change, or its way back, did not succeed.
    Failed,
}

impl NodeState {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::Stable,
        Self::Changing,
        Self::Candidate,
        Self::Baked,
        Self::Down,
        Self::Excluded,
        Self::RollingBack,
        Self::Restored,
        Self::Failed,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Changing => "changing",
            Self::Candidate => "candidate",
            Self::Baked => "baked",
            Self::Down => "down",
            Self::Excluded => "excluded",
            Self::RollingBack => "rolling back",
            Self::Restored => "restored",
            Self::Failed => "failed",
        }
    }
}

/// A node of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// The node set it is in, an index into [`Start::sets`].
    pub set: usize,
    /// Its failure domain.
    pub domain: String,
    /// What happens to it.
    pub change: NodeChange,
    /// What became of it, apart from whether it answers.
    pub revision: NodeState,
    /// Why it does not answer, if it does not.
    pub down: Option<String>,
    /// What it was from when (Unix milliseconds), in order; begins with the rollout.
    pub past: Vec<(i64, NodeState)>,
}

impl NodeView {
    /// What is shown of it.
    pub fn state(&self) -> NodeState {
        match self.revision {
            NodeState::Excluded => NodeState::Excluded,
            _ if self.down.is_some() => NodeState::Down,
            other => other,
        }
    }

    fn note(&mut self, at_ms: i64) {
        let state = self.state();
        if self.past.last().is_none_or(|(_, last)| *last != state) {
            self.past.push((at_ms, state));
        }
    }
}

/// A stage of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    /// The node set, an index into [`Start::sets`].
    pub set: usize,
    /// Its name.
    pub name: String,
    /// The nodes that come with it.
    pub nodes: Vec<String>,
    /// How long it bakes, in milliseconds.
    pub bake_ms: u64,
    /// How long it is held after that while its gates are inconclusive, in milliseconds.
    pub deadline_ms: u64,
    /// What a failed gate does.
    pub rollback: RollbackRule,
    /// When its nodes began to change, Unix milliseconds.
    pub entered_ms: Option<i64>,
    /// When its bake began.
    pub bake_started_ms: Option<i64>,
    /// When it was left: promoted, or rolled back.
    pub left_ms: Option<i64>,
    /// Waves that began.
    pub waves: u32,
    /// How it was judged last, and why.
    pub verdict: Option<(Verdict, String)>,
    /// Whether it was promoted, and by whom if not by its gates.
    pub promoted: Option<Option<String>>,
    /// What it is judged by.
    pub gates: Vec<GateView>,
}

impl StageView {
    /// Before it begins. A stage without rules (they are damaged) has only its nodes.
    fn of(number: usize, set: usize, nodes: &[String], rule: Option<&Stage>) -> Self {
        Self {
            set,
            name: rule.map_or_else(|| format!("stage {}", number + 1), |rule| rule.name.clone()),
            nodes: nodes.to_vec(),
            bake_ms: rule.map_or(0, |rule| rule.bake_ms),
            deadline_ms: rule.map_or(0, |rule| rule.deadline_ms),
            rollback: rule.map_or(RollbackRule::Automatic, |rule| rule.rollback),
            entered_ms: None,
            bake_started_ms: None,
            left_ms: None,
            waves: 0,
            verdict: None,
            promoted: None,
            gates: rule.map_or_else(Vec::new, |rule| rule.gates.iter().map(GateView::of).collect()),
        }
    }

    /// When its bake ends, Unix milliseconds.
    pub fn bake_ends_ms(&self) -> Option<i64> {
        let bake_ms = i64::try_from(self.bake_ms).unwrap_or(i64::MAX);
        self.bake_started_ms.map(|started| started.saturating_add(bake_ms))
    }
}

/// Something that held a rollout up.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldView {
    /// What for.
    pub reason: Hold,
    /// From when, Unix milliseconds.
    pub from_ms: i64,
    /// Until when; none while it holds.
    pub until_ms: Option<i64>,
}

/// Something that a person asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedView {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// What.
    pub verb: Verb,
    /// Who.
    pub by: String,
    /// Why, as they said.
    pub why: Option<String>,
}

/// What `retry` tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Nodes were not changed.
    Nodes,
    /// What lists nodes was not brought up to date.
    Lists,
    /// The rest of the plan was not applied.
    Rest,
    /// Not everything was brought back.
    Back,
}

/// A person's agreement to a stage.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AgreedView {
    /// Who.
    pub by: String,
    /// Until when it counts, Unix milliseconds.
    pub until_ms: i64,
}

/// A rollback.
#[derive(Clone, Debug, PartialEq)]
pub struct RollbackView {
    /// When what it is for was first seen, Unix milliseconds.
    pub detected_ms: i64,
    /// When it was decided.
    pub decided_ms: i64,
    /// When the last node was on the stable revision again and well.
    pub restored_ms: Option<i64>,
    /// Why.
    pub why: String,
    /// Nodes to roll back, newest first.
    pub nodes: Vec<String>,
}

impl RollbackView {
    /// Milliseconds from detection to the end of the rollback: the time to restore.
    pub fn mttr_ms(&self) -> Option<u64> {
        self.restored_ms.map(|restored| super::figures::between(self.detected_ms, restored))
    }
}

/// The end of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct EndView {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// How.
    pub outcome: Outcome,
    /// In a sentence.
    pub why: String,
}

/// A rollout as far as its entries tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Its id.
    pub rollout: String,
    /// What it began with; none before it did.
    pub start: Option<Start>,
    /// When it began, Unix milliseconds.
    pub started_ms: i64,
    /// When its last entry was made.
    pub last_ms: i64,
    /// How many entries were taken.
    pub entries: u64,
    /// All nodes, by set and in the sets' order.
    pub nodes: Vec<NodeView>,
    /// All stages of all sets, in the order in which they are gone through.
    pub stages: Vec<StageView>,
    /// The stage it is in, an index into `stages`.
    pub current: Option<usize>,
    /// What held it up, in order; the last one may still do.
    pub holds: Vec<HoldView>,
    /// What was asked for, in order.
    pub asked: Vec<AskedView>,
    /// Who agreed to stages, by place in `stages`; the last word of each.
    pub agreed: BTreeMap<usize, Vec<AgreedView>>,
    /// The rollback, once one is decided.
    pub rollback: Option<RollbackView>,
    /// Whether the rest of the plan runs.
    pub rest_runs: bool,
    /// What was tried, and failed, and was not tried again.
    pub undone: Option<Undone>,
    /// The restore point that was made before the first wave.
    pub restore_point: Option<PointName>,
    /// The end.
    pub end: Option<EndView>,
    places: BTreeMap<String, usize>,
}

impl Model {
    /// The fold of entries in their order. Those of other rollouts than the first one's are left out.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut model = Self::default();
        for entry in entries {
            model.take(entry);
        }
        model
    }

    /// Folds one more entry.
    pub fn take(&mut self, entry: &Entry) {
        if self.entries == 0 {
            self.rollout.clone_from(&entry.rollout);
            self.started_ms = entry.at_ms;
        } else if entry.rollout != self.rollout {
            return;
        }
        self.entries += 1;
        self.last_ms = self.last_ms.max(entry.at_ms);
        let at_ms = entry.at_ms;
        self.tried(&entry.what);
        match &entry.what {
            What::Started(start) => self.started(start, at_ms),
            What::StageEntered { .. }
            | What::BakeStarted { .. }
            | What::Judged { .. }
            | What::Promoted { .. } => self.stage_moved(&entry.what, at_ms),
            What::Measured(measurement) => {
                if let Some(stage) = self.stage_mut(measurement.stage) {
                    stage.measured(measurement);
                }
            }
            What::WaveStarted { .. }
            | What::WaveEnded { .. }
            | What::NodesSeen { .. }
            | What::NodeExcluded { .. }
            | What::RollbackWaveStarted { .. }
            | What::RollbackWaveEnded { .. } => self.nodes_moved(&entry.what, at_ms),
            What::Held { reason } => {
                self.released(at_ms);
                let reason = reason.clone();
                self.holds.push(HoldView { reason, from_ms: at_ms, until_ms: None });
            }
            What::Released => self.released(at_ms),
            What::Asked { verb, by, why } => {
                let (by, why) = (by.clone(), why.clone());
                self.asked.push(AskedView { at_ms, verb: *verb, by, why });
            }
            What::RollbackDecided { detected_ms, why, nodes, .. } => {
                self.rollback_decided(*detected_ms, why, nodes, at_ms);
            }
            What::RestStarted => self.rest_runs = true,
            What::RestEnded { .. } => self.rest_runs = false,
            What::Ended { outcome, why, .. } => self.ended(*outcome, why, at_ms),
            What::Approved { stage, by, until_ms, .. } => {
                if let Some(place) = self.stage_at(*stage) {
                    let agreed = self.agreed.entry(place).or_default();
                    agreed.retain(|it| it.by != *by);
                    agreed.push(AgreedView { by: by.clone(), until_ms: *until_ms });
                }
            }
            What::SnapshotTaken { point, .. } => self.restore_point.clone_from(point),
            What::ListsStarted { .. }
            | What::ListsEnded { .. }
            | What::Notified { .. }
            | What::TakenOver { .. } => {}
        }
    }

    fn tried(&mut self, what: &What) {
        let back = self.rollback.is_some();
        let or_back = |undone| Some(if back { Undone::Back } else { undone });
        match what {
            What::WaveEnded { failed, .. } | What::RollbackWaveEnded { failed, .. }
                if !failed.is_empty() =>
            {
                self.undone = or_back(Undone::Nodes);
            }
            What::ListsEnded { error: Some(_) } => self.undone = or_back(Undone::Lists),
            What::RestEnded { error: Some(_) } => self.undone = Some(Undone::Rest),
            What::ListsEnded { error: None }
            | What::Asked { verb: Verb::Retry, .. }
            | What::RollbackDecided { .. } => self.undone = None,
            _ => {}
        }
    }

    /// What holds it up now.
    pub fn hold(&self) -> Option<&HoldView> {
        self.holds.last().filter(|hold| hold.until_ms.is_none())
    }

    /// How many nodes are in each state, those that occur, in the order of [`NodeState::ALL`].
    pub fn counts(&self) -> Vec<(NodeState, usize)> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.state()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    /// Nodes that run the candidate, whether watched or over it.
    pub fn on_candidate(&self) -> usize {
        let on =
            |node: &&NodeView| matches!(node.revision, NodeState::Candidate | NodeState::Baked);
        self.nodes.iter().filter(on).count()
    }

    /// Milliseconds that it took so far, or in all.
    pub fn took_ms(&self, now_ms: i64) -> u64 {
        super::figures::between(self.started_ms, self.end.as_ref().map_or(now_ms, |end| end.at_ms))
    }

    /// The place in `stages` of a stage that entries name by number: see [`Start::stage`].
    pub fn stage_at(&self, stage: u32) -> Option<usize> {
        usize::try_from(stage).ok().filter(|stage| *stage < self.stages.len())
    }

    fn stage_mut(&mut self, stage: u32) -> Option<&mut StageView> {
        let place = self.stage_at(stage)?;
        self.stages.get_mut(place)
    }

    fn started(&mut self, start: &Start, at_ms: i64) {
        if self.start.is_some() {
            return;
        }
        self.started_ms = at_ms;
        for (set, of) in start.sets.iter().enumerate() {
            for node in &of.nodes {
                self.places.insert(node.name.clone(), self.nodes.len());
                self.nodes.push(NodeView {
                    name: node.name.clone(),
                    set,
                    domain: node.domain.clone(),
                    change: node.change,
                    revision: NodeState::Stable,
                    down: None,
                    past: vec![(at_ms, NodeState::Stable)],
                });
            }
        }
        for (number, (set, nodes)) in start.stages().enumerate() {
            let place = start.sets.iter().position(|one| std::ptr::eq(one, set)).unwrap_or(0);
            let rule = usize::try_from(nodes.stage).ok();
            let rule = rule.and_then(|rule| set.rollout.stages.get(rule));
            self.stages.push(StageView::of(number, place, &nodes.nodes, rule));
        }
        self.start = Some(start.clone());
    }

    fn stage_moved(&mut self, what: &What, at_ms: i64) {
        let (What::StageEntered { stage: number }
        | What::BakeStarted { stage: number }
        | What::Judged { stage: number, .. }
        | What::Promoted { stage: number, .. }) = what
        else {
            return;
        };
        let Some(place) = self.stage_at(*number) else { return };
        let stage = &mut self.stages[place];
        match what {
            What::StageEntered { .. } => {
                stage.entered_ms = Some(at_ms);
                self.current = Some(place);
            }
            What::BakeStarted { .. } => stage.bake_started_ms = Some(at_ms),
            What::Judged { verdict, gates, why, .. } => {
                stage.verdict = Some((*verdict, why.clone()));
                for gate in &mut stage.gates {
                    if let Some(verdict) = gates.get(&gate.name) {
                        gate.verdict = Some(*verdict);
                    }
                }
            }
            What::Promoted { by, .. } => {
                stage.promoted = Some(by.clone());
                stage.left_ms = Some(at_ms);
                let nodes = stage.nodes.clone();
                self.mark(&nodes, at_ms, |node| {
                    if node.revision == NodeState::Candidate {
                        node.revision = NodeState::Baked;
                    }
                });
            }
            _ => {}
        }
    }

    fn nodes_moved(&mut self, what: &What, at_ms: i64) {
        let to = |state: NodeState| move |node: &mut NodeView| node.revision = state;
        match what {
            What::WaveStarted { stage, nodes, .. } => {
                if let Some(stage) = self.stage_mut(*stage) {
                    stage.waves += 1;
                }
                self.mark(nodes, at_ms, to(NodeState::Changing));
            }
            What::WaveEnded { changed, failed, .. } => {
                self.mark(changed, at_ms, to(NodeState::Candidate));
                self.mark(failed.keys(), at_ms, to(NodeState::Failed));
            }
            What::NodesSeen { down } => {
                let names: Vec<_> = self.nodes.iter().map(|node| node.name.clone()).collect();
                self.mark(&names, at_ms, |node| node.down = down.get(&node.name).cloned());
            }
            What::NodeExcluded { node, .. } => {
                self.mark([node], at_ms, to(NodeState::Excluded));
            }
            What::RollbackWaveStarted { nodes, .. } => {
                self.mark(nodes, at_ms, to(NodeState::RollingBack));
            }
            What::RollbackWaveEnded { restored, failed, .. } => {
                self.mark(restored, at_ms, to(NodeState::Restored));
                self.mark(failed.keys(), at_ms, to(NodeState::Failed));
                let waits = |node: &NodeView| node.revision == NodeState::RollingBack;
                let restored_ms = (!restored.is_empty()).then_some(at_ms);
                if let Some(rollback) = &mut self.rollback
                    && !self.nodes.iter().any(waits)
                {
                    rollback.restored_ms = restored_ms.or(rollback.restored_ms);
                }
            }
            _ => {}
        }
    }

    fn mark<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a String>,
        at_ms: i64,
        change: impl Fn(&mut NodeView),
    ) {
        for name in names {
            let node = self.places.get(name).and_then(|place| self.nodes.get_mut(*place));
            if let Some(node) = node {
                change(node);
                node.note(at_ms);
            }
        }
    }

    fn released(&mut self, at_ms: i64) {
        if let Some(hold) = self.holds.last_mut() {
            hold.until_ms.get_or_insert(at_ms);
        }
    }

    fn rollback_decided(&mut self, detected_ms: i64, why: &str, nodes: &[String], at_ms: i64) {
        self.released(at_ms);
        if let Some(stage) = self.current.and_then(|current| self.stages.get_mut(current)) {
            stage.left_ms.get_or_insert(at_ms);
        }
        self.rollback = Some(RollbackView {
            detected_ms,
            decided_ms: at_ms,
            restored_ms: None,
            why: why.to_owned(),
            nodes: nodes.to_vec(),
        });
    }

    fn ended(&mut self, outcome: Outcome, why: &str, at_ms: i64) {
        self.released(at_ms);
        self.rest_runs = false;
        if let Some(stage) = self.current.and_then(|current| self.stages.get_mut(current)) {
            stage.left_ms.get_or_insert(at_ms);
        }
        if outcome != Outcome::RolledBack
            && let Some(rollback) = &mut self.rollback
        {
            rollback.restored_ms = None;
        }
        self.end = Some(EndView { at_ms, outcome, why: why.to_owned() });
    }
}

#[cfg(test)]
mod tests;
