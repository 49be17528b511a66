//! The state of a rollout: the fold of its journal entries.
//!
//! Invariants: two folds of the same entries are equal; whatever a decision rests on is in here or in its arguments. What
//! was asked of the driver and is not answered yet is kept beside it and is no part of it: a controller that takes over
//! asks again. Refuses to know: how anything is decided.

use crate::verdict::Evidence;
use model::rollout::entry::{
    Entry, Hold, NodeChange, NodeStart, Outcome, SetStart, StageNodes, Start, Verdict, What,
};
use model::rollout::reason::Said;
use model::rollout::{Rollout, Stage, StageGate};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before a stage: windows, approvals or a restore point are waited for.
    Waiting,
    /// Nodes of the stage are changed, wave by wave.
    Waves,
    /// The stage's nodes are changed and watched.
    Baking,
    /// What does not belong to single nodes follows.
    Rest,
    /// Nodes are brought back.
    RollingBack,
    /// It is over.
    Ended,
}

/// Which revision a node is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// The stable one; nothing was done, or it was brought back.
    Stable,
    /// It is being changed.
    Changing,
    /// The candidate, and it was seen to be well.
    Candidate,
    /// Its change failed; it may be on either.
    Failed,
    /// It is being brought back.
    Restoring,
}

/// A node of the rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The set, an index into [`Start::sets`].
    pub set: usize,
    /// Its failure domain.
    pub domain: String,
    /// What happens to it.
    pub change: NodeChange,
    /// The stage that it comes with; none if nothing happens to it.
    pub stage: Option<u32>,
    /// Which revision it is on.
    pub revision: Revision,
}

/// A wave that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// Its number, from 0.
    pub number: u32,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Whether it brings nodes back.
    pub back: bool,
}

/// A node that does not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Down {
    /// Since when.
    pub since_ms: i64,
    /// Why.
    pub why: String,
}

/// What a rollout waits for, and since when.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What for.
    pub reason: Hold,
    /// Since when.
    pub since_ms: i64,
}

/// A person's agreement.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// To this stage.
    pub stage: u32,
    /// Who.
    pub by: String,
    /// Until when it counts.
    pub until_ms: i64,
}

/// A rollback.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// When what it is for was first seen.
    pub detected_ms: i64,
    /// When it was decided.
    pub decided_ms: i64,
    /// Why.
    pub why: String,
    /// Waves that were started.
    pub waves: u32,
    /// How often a node could not be brought back, and why the last time.
    pub attempts: BTreeMap<String, (u32, String)>,
    /// A person said that it is not to be tried any further.
    pub given_up: bool,
}

/// What became of the rest of the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Rest {
    /// It was not begun.
    Open,
    /// It is under way.
    Running,
    /// All was done.
    Done,
    /// It was not done, and why.
    Failed(String),
}

/// How what lists nodes stands to the nodes that are there.
#[derive(Clone, Debug, PartialEq)]
pub enum Lists {
    /// It knows them.
    Current,
    /// Machines came or went since.
    Due,
    /// It is being brought up to date.
    Running {
        /// Whether to what was recorded before the rollout.
        back: bool,
    },
    /// It was not, and why.
    Failed(String),
}

/// An entry that cannot follow on those before it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {number} of rollout {rollout} cannot follow on those before it: {why}")]
pub struct Illegal {
    /// The rollout.
    pub rollout: String,
    /// The entry's number.
    pub number: u64,
    /// What does not fit.
    pub why: String,
}

/// The state of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) id: String,
    pub(crate) start: Arc<Start>,
    pub(crate) next: u64,
    pub(crate) began_ms: i64,
    pub(crate) at_ms: i64,
    pub(crate) progress_ms: i64,
    pub(crate) phase: Phase,
    pub(crate) stage: u32,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) touched: Vec<String>,
    pub(crate) wave: Option<Wave>,
    pub(crate) waves: u32,
    pub(crate) watched_ms: Option<i64>,
    pub(crate) bake_ms: Option<i64>,
    pub(crate) evidence: BTreeMap<String, Evidence>,
    pub(crate) judged: Option<Verdict>,
    pub(crate) down: BTreeMap<String, Down>,
    pub(crate) excluded: BTreeSet<String>,
    pub(crate) failed: BTreeMap<String, String>,
    pub(crate) held: Option<Held>,
    pub(crate) paused: Option<String>,
    pub(crate) promote: Option<String>,
    pub(crate) abort: Option<(i64, Said)>,
    pub(crate) superseded: Option<Said>,
    pub(crate) agreements: Vec<Agreement>,
    pub(crate) snapshot: Option<Result<(), String>>,
    pub(crate) rollback: Option<Rollback>,
    pub(crate) rest: Rest,
    pub(crate) lists: Lists,
    pub(crate) unlisted: BTreeSet<String>,
    pub(crate) notices: BTreeMap<String, String>,
    pub(crate) ended: Option<(Outcome, String)>,
    pub(crate) asked: Requests,
}

/// What was asked of the driver and is not answered yet. No part of the state: two states are equal whatever is here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// Gates, by when they were asked for.
    pub(crate) gates: BTreeMap<String, i64>,
    /// When nodes were last asked for.
    pub(crate) look: Option<i64>,
    /// When nodes were last seen.
    pub(crate) seen: Option<i64>,
    /// A restore point.
    pub(crate) snapshot: bool,
    /// Notices that were sent.
    pub(crate) notices: BTreeSet<String>,
}

impl PartialEq for Requests {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl State {
    /// A new rollout, and the entry that begins it, which must be durable before anything is done.
    pub fn start(start: Start, id: &str, at_ms: i64) -> (Self, Entry) {
        let what = What::Started(Box::new(start.clone()));
        let entry = Entry { rollout: id.to_owned(), number: 0, at_ms, what };
        (Self::begun(start, id, at_ms), entry)
    }

    /// The state that a rollout's entries tell, from the first one on.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, Illegal> {
        let mut entries = entries.into_iter();
        let illegal = |rollout: &str, number, why: &str| Illegal {
            rollout: rollout.to_owned(),
            number,
            why: why.to_owned(),
        };
        let Some(first) = entries.next() else {
            return Err(illegal("", 0, "there are none"));
        };
        let What::Started(start) = &first.what else {
            return Err(illegal(&first.rollout, first.number, "a rollout begins with its start"));
        };
        if first.number != 0 {
            return Err(illegal(&first.rollout, first.number, "entries count from 0"));
        }
        let mut state = Self::begun(start.as_ref().clone(), &first.rollout, first.at_ms);
        for entry in entries {
            state.apply(entry)?;
        }
        Ok(state)
    }

    fn begun(start: Start, id: &str, at_ms: i64) -> Self {
        let nodes = nodes_of(&start);
        let notices = [("started".to_owned(), format!("rollout {id} begins"))];
        let has_stages = start.stages().next().is_some();
        Self {
            id: id.to_owned(),
            start: Arc::new(start),
            next: 1,
            began_ms: at_ms,
            at_ms,
            progress_ms: at_ms,
            phase: if has_stages { Phase::Waiting } else { Phase::Rest },
            stage: 0,
            nodes,
            touched: Vec::new(),
            wave: None,
            waves: 0,
            watched_ms: None,
            bake_ms: None,
            evidence: BTreeMap::new(),
            judged: None,
            down: BTreeMap::new(),
            excluded: BTreeSet::new(),
            failed: BTreeMap::new(),
            held: None,
            paused: None,
            promote: None,
            abort: None,
            superseded: None,
            agreements: Vec::new(),
            snapshot: None,
            rollback: None,
            rest: Rest::Open,
            lists: Lists::Current,
            unlisted: BTreeSet::new(),
            notices: notices.into(),
            ended: None,
            asked: Requests::default(),
        }
    }

    /// The rollout's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it began with.
    pub fn started(&self) -> &Start {
        &self.start
    }

    /// The number that its next entry has.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// When it began.
    pub fn began_ms(&self) -> i64 {
        self.began_ms
    }

    /// When its last entry was made.
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The stage it is at, or waits for, as entries number it.
    pub fn stage(&self) -> u32 {
        self.stage
    }

    /// How many stages all sets have.
    pub fn stage_count(&self) -> u32 {
        u32::try_from(self.start.stages().count()).unwrap_or(u32::MAX)
    }

    /// The rules of a stage, its set and its nodes.
    pub fn rules(&self, stage: u32) -> Option<(&SetStart, &Stage, &StageNodes)> {
        let (set, nodes) = self.start.stage(stage)?;
        let rules = set.rollout.stages.get(usize::try_from(nodes.stage).ok()?)?;
        Some((set, rules, nodes))
    }

    /// A gate as the current stage uses it.
    pub fn stage_gate(&self, name: &str) -> Option<&StageGate> {
        let (_, rules, _) = self.rules(self.stage)?;
        rules.gates.iter().find(|gate| gate.gate == name)
    }

    /// The rollout rules of the current set; of the last one when all stages are over.
    pub fn rollout(&self) -> Option<&Rollout> {
        let set = self.start.stage(self.stage).map(|(set, _)| set);
        set.or(self.start.sets.last()).map(|set| &set.rollout)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> &BTreeMap<String, Node> {
        &self.nodes
    }

    /// The name of the node set that a node belongs to.
    pub fn set_of(&self, node: &str) -> Option<&str> {
        let set = self.start.sets.get(self.nodes.get(node)?.set)?;
        Some(&set.node_set)
    }

    /// Names of the nodes on a revision, sorted.
    pub fn on(&self, revision: Revision) -> impl Iterator<Item = &str> {
        let nodes = self.nodes.iter();
        nodes.filter(move |(_, node)| node.revision == revision).map(|(name, _)| name.as_str())
    }

    /// Nodes that do not answer.
    pub fn down(&self) -> &BTreeMap<String, Down> {
        &self.down
    }

    /// Nodes that died and are not waited for.
    pub fn excluded(&self) -> &BTreeSet<String> {
        &self.excluded
    }

    /// The wave that is under way.
    pub fn wave(&self) -> Option<&Wave> {
        self.wave.as_ref()
    }

    /// What it waits for.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// When the current stage's bake began.
    pub fn bake_started_ms(&self) -> Option<i64> {
        self.bake_ms
    }

    /// When the current stage's bake ends, if it began.
    pub fn bake_ends_ms(&self) -> Option<i64> {
        let (_, rules, _) = self.rules(self.stage)?;
        Some(later(self.bake_ms?, rules.bake_ms))
    }

    /// What is known of each gate in this stage, by name.
    pub fn evidence(&self) -> &BTreeMap<String, Evidence> {
        &self.evidence
    }

    /// The agreements of people.
    pub fn agreements(&self) -> &[Agreement] {
        &self.agreements
    }

    /// The rollback, if there is one.
    pub fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_ref()
    }

    /// What became of the rest of the plan.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// How what lists nodes stands to the nodes that are there.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// How it ended, and why.
    pub fn outcome(&self) -> Option<(Outcome, &str)> {
        self.ended.as_ref().map(|(outcome, why)| (*outcome, why.as_str()))
    }

    /// Nodes that were touched and are not on the stable revision, newest first.
    pub fn to_restore(&self) -> Vec<String> {
        let touched = self.touched.iter().rev();
        let changed = touched.filter(|name| {
            self.nodes.get(*name).is_some_and(|node| node.revision != Revision::Stable)
        });
        changed.cloned().collect()
    }
}

/// `ms` after a moment.
pub(crate) fn later(at_ms: i64, ms: u64) -> i64 {
    at_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn nodes_of(start: &Start) -> BTreeMap<String, Node> {
    let mut stages = BTreeMap::new();
    for (number, (_, stage)) in (0_u32..).zip(start.stages()) {
        stages.extend(stage.nodes.iter().map(|name| (name.as_str(), number)));
    }
    let mut nodes = BTreeMap::new();
    for (set, started) in start.sets.iter().enumerate() {
        for NodeStart { name, domain, change } in &started.nodes {
            let (domain, stage) = (domain.clone(), stages.get(name.as_str()).copied());
            let node = Node { set, domain, change: *change, stage, revision: Revision::Stable };
            nodes.insert(name.clone(), node);
        }
    }
    nodes
}
