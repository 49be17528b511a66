//! What a rollout writes into the journal, and what views draw: each entry is durable before what follows from it is done.
//!
//! A rollout's state is the fold of its entries and nothing else, so whoever reads them can go on with it. No entry holds
//! a secret. Times are Unix milliseconds of the wall clock of whoever drove the rollout.

use super::Rollout;
use super::reason::{EndReason, RollbackReason};
use crate::Address;
use crate::restore_point::PointName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The rollout.
    pub rollout: String,
    /// From 0, without gaps.
    pub number: u64,
    /// When.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What the state keeps at hand of a rollout that is not over: the fold of its entries, as far as others need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutHead {
    /// The node sets that it moves, in its order.
    pub node_sets: Vec<String>,
    /// Journal sequence of its first entry.
    pub began: u64,
    /// Journal sequence of its last entry.
    pub last: u64,
    /// [`Entry::number`] of its last entry.
    pub number: u64,
    /// The state version that its stable revision is read from.
    pub stable_serial: u64,
}

impl RolloutHead {
    /// The last journal entry that may be pruned while the rollout is not over.
    pub fn prunable(&self) -> u64 {
        self.stable_serial.min(self.began.saturating_sub(1))
    }

    /// The head after an entry that is journaled as `sequence`; none when the rollout is over with it.
    ///
    /// # Errors
    /// In a sentence, when the entry cannot follow: only the first entry starts a rollout, and numbers have no gaps.
    pub fn after(
        before: Option<&Self>,
        entry: &Entry,
        sequence: u64,
    ) -> Result<Option<Self>, String> {
        let Entry { rollout, number, what, .. } = entry;
        match (before, what) {
            (None, What::Started(start)) if *number == 0 => Ok(Some(Self {
                node_sets: start.sets.iter().map(|set| set.node_set.clone()).collect(),
                began: sequence,
                last: sequence,
                number: 0,
                stable_serial: start.stable_serial,
            })),
            (None, _) => {
                Err(format!("entry {number} of rollout `{rollout}`, which is not going on"))
            }
            (Some(_), What::Started(_)) => Err(format!("rollout `{rollout}` starts twice")),
            (Some(head), _) if *number != head.number + 1 => {
                Err(format!("entry {number} of rollout `{rollout}` after entry {}", head.number))
            }
            (Some(_), What::Ended { .. }) => Ok(None),
            (Some(head), _) => Ok(Some(Self { last: sequence, number: *number, ..head.clone() })),
        }
    }
}

impl What {
    /// Whether a person says it, beside whoever drives the rollout.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Approved { .. })
    }
}

/// What happened, or was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub enum What {
    /// It begins. Everything that later decisions rest on.
    Started(Box<Start>),
    /// A restore point was made before the first wave; or why not.
    SnapshotTaken {
        /// None when it was made.
        error: Option<String>,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        point: Option<PointName>,
    },
    /// A stage begins: its nodes will be changed.
    StageEntered {
        /// Its number, from 0, through all sets: see [`Start::stage`]. Every entry numbers stages like this.
        stage: u32,
    },
    /// Nodes are about to be changed together.
    WaveStarted {
        /// The stage.
        stage: u32,
        /// From 0 in the stage.
        wave: u32,
        /// Names of the nodes.
        nodes: Vec<String>,
    },
    /// They were.
    WaveEnded {
        /// The stage.
        stage: u32,
        /// From 0 in the stage.
        wave: u32,
        /// Nodes that are on the candidate now and were seen to be well.
        changed: Vec<String>,
        /// Nodes that are not, and why.
        failed: BTreeMap<String, String>,
    },
    /// All nodes of the stage are changed; it is watched from now on.
    BakeStarted {
        /// The stage.
        stage: u32,
    },
    /// A gate was measured.
    Measured(Box<Measurement>),
    /// Nodes were found dead, or alive again.
    NodesSeen {
        /// Nodes that do not answer, and why.
        down: BTreeMap<String, String>,
    },
    /// A node is left out: it died and is not waited for.
    NodeExcluded {
        /// Its name.
        node: String,
        /// Why.
        why: String,
    },
    /// What a stage's bake has shown.
    Judged {
        /// The stage.
        stage: u32,
        /// The verdict.
        verdict: Verdict,
        /// The verdict of each gate.
        gates: BTreeMap<String, Verdict>,
        /// In a sentence.
        why: String,
    },
    /// The stage is over and the next one may begin.
    Promoted {
        /// The stage that is over.
        stage: u32,
        /// Who said so; none when the gates did.
        by: Option<String>,
    },
    /// Nothing goes on until something changes.
    Held {
        /// What for.
        reason: Hold,
    },
    /// It goes on.
    Released,
    /// A person agreed.
    Approved {
        /// The stage that may begin.
        stage: u32,
        /// Who: people are counted by this name.
        by: String,
        /// The user and host that said so for them, where that is somebody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through: Option<String>,
        /// Until when it counts.
        until_ms: i64,
        /// The hash of the plan that was agreed to.
        plan_hash: String,
    },
    /// A person asked for something.
    Asked {
        /// What.
        verb: Verb,
        /// Who.
        by: String,
        /// Why, as they said.
        why: Option<String>,
    },
    /// It is to be rolled back.
    RollbackDecided {
        /// When what it is for was first seen.
        detected_ms: i64,
        /// Why, in a sentence.
        why: String,
        /// Why; none in entries of versions that knew the sentence only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<RollbackReason>,
        /// Nodes to roll back, newest first.
        nodes: Vec<String>,
    },
    /// Nodes are about to be rolled back together.
    RollbackWaveStarted {
        /// From 0.
        wave: u32,
        /// Names of the nodes.
        nodes: Vec<String>,
    },
    /// They were.
    RollbackWaveEnded {
        /// From 0.
        wave: u32,
        /// Nodes that are on the stable revision and were seen to be well.
        restored: Vec<String>,
        /// Nodes that are not, and why.
        failed: BTreeMap<String, String>,
    },
    /// What lists nodes is about to be brought up to date with those that are there.
    ListsStarted {
        /// Whether to what was recorded before the rollout.
        back: bool,
    },
    /// It was; or why not.
    ListsEnded {
        /// None when all was done.
        error: Option<String>,
    },
    /// What does not belong to single nodes follows: the rest of the plan.
    RestStarted,
    /// It did; or why not.
    RestEnded {
        /// None when all was done.
        error: Option<String>,
    },
    /// Somebody was told.
    Notified {
        /// What of.
        of: String,
        /// What went wrong, if anything did.
        error: Option<String>,
    },
    /// Another controller goes on with it.
    TakenOver {
        /// Who: user, host and process.
        by: String,
    },
    /// It is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// In a sentence.
        why: String,
        /// How it came to that; none in entries of versions that knew the sentence only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<EndReason>,
    },
}

/// What a rollout begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The environment.
    pub environment: String,
    /// The node sets, in the order in which they are gone through.
    pub sets: Vec<SetStart>,
    /// SHA-256 of the configuration and variables of the candidate.
    pub configuration_digest: String,
    /// SHA-256 of the plan that was shown and agreed to.
    pub plan_hash: String,
    /// The state version that the stable revision is read from.
    pub stable_serial: u64,
    /// Who started it.
    pub by: String,
    /// What lists nodes, belongs to none of them, and is changed by the candidate in nothing but what follows from them: it is
    /// brought up to date after every wave in which machines come or go.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<Address>,
    /// SHA-256 of what each data source said that was read before it began: whoever goes on sees if one says something else,
    /// and then it is another candidate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<Address, String>,
}

impl Start {
    /// The stages of all sets in the order in which they are gone through, with their sets. Entries name a stage by its
    /// place here.
    pub fn stages(&self) -> impl Iterator<Item = (&SetStart, &StageNodes)> {
        self.sets.iter().flat_map(|set| set.stages.iter().map(move |stage| (set, stage)))
    }

    /// The stage that entries call `number`, and its set.
    pub fn stage(&self, number: u32) -> Option<(&SetStart, &StageNodes)> {
        self.stages().nth(usize::try_from(number).ok()?)
    }
}

/// A node set of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetStart {
    /// The set.
    pub node_set: String,
    /// Its rules.
    pub rollout: Rollout,
    /// All its nodes, in order.
    pub nodes: Vec<NodeStart>,
    /// The nodes that come with each stage, by stage of `rollout`; the order within a stage is the order in which they
    /// are changed. Of stages that would hold the same nodes only the last one is here.
    pub stages: Vec<StageNodes>,
}

/// A node of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStart {
    /// Its name.
    pub name: String,
    /// Its failure domain: cloud, region, zone.
    pub domain: String,
    /// What happens to it.
    pub change: NodeChange,
}

/// What a rollout does to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    /// Nothing differs.
    None,
    /// Services or arguments change in place.
    Update,
    /// Its machine is made anew.
    Replace,
    /// It is new.
    Create,
    /// It goes: the set shrinks.
    Delete,
}

/// The nodes that come with a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageNodes {
    /// Index into [`Rollout::stages`].
    pub stage: u32,
    /// Names, in the order in which they are changed.
    pub nodes: Vec<String>,
}

/// A measurement, with all that the verdict rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The stage.
    pub stage: u32,
    /// The gate.
    pub gate: String,
    /// What was asked, selectors filled in.
    pub queries: Vec<String>,
    /// From when.
    pub from_ms: i64,
    /// To when.
    pub to_ms: i64,
    /// What came back.
    pub reading: Reading,
    /// What the gate says with this and all before it in the stage.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
    /// Numbers to draw: `rate`, `threshold`, `rollback`, `e_value`, by name.
    pub shown: BTreeMap<String, f64>,
}

/// What a metric source answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reading")]
pub enum Reading {
    /// Events within the window.
    Counts {
        /// Bad ones.
        bad: f64,
        /// All.
        total: f64,
        /// The control group's bad ones and all.
        control: Option<(f64, f64)>,
    },
    /// A number.
    Value {
        /// The candidate's.
        value: f64,
        /// The control group's.
        control: Option<f64>,
        /// The load offered.
        load: Option<f64>,
    },
    /// Yes.
    Yes,
    /// No, and why.
    No {
        /// Why.
        why: String,
    },
    /// NaN, nothing, a stale sample, a part of the answer: no data. Never a success.
    Missing {
        /// What was missing.
        why: String,
    },
    /// The source could not be asked. No fault of the candidate.
    Error {
        /// What went wrong.
        why: String,
    },
}

/// How a gate, or a stage, is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What must hold does.
    Successful,
    /// Nothing can be said yet, or the measure lies between proceed and roll back, or data is missing.
    Inconclusive,
    /// It could not be asked.
    Error,
    /// It is shown that it does not hold.
    Failed,
}

/// What a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hold")]
pub enum Hold {
    /// A person said `pause`.
    Paused,
    /// No window allows going on.
    Window {
        /// The window that denies, or none of those that allow.
        name: String,
        /// When that ends, as far as it can be told.
        until_ms: Option<i64>,
    },
    /// People must agree.
    Approval {
        /// To which stage.
        stage: u32,
        /// How many more.
        missing: u32,
    },
    /// Gates are inconclusive at the end of the bake.
    Inconclusive {
        /// When that aborts it.
        until_ms: i64,
    },
    /// A gate failed and the stage says that a person decides.
    Manual {
        /// The gate's reason.
        why: String,
    },
    /// Too many nodes are down.
    Unavailable {
        /// Their names.
        nodes: BTreeSet<String>,
    },
}

/// What people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Stop before the next wave or promotion.
    Pause,
    /// Go on.
    Resume,
    /// Go to the next stage now, whatever the gates say.
    Promote,
    /// Roll back.
    Abort,
    /// Try failed nodes, or a failed rollback, again.
    Retry,
    /// A newer change takes its place.
    Supersede,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The candidate is the stable revision now.
    Committed,
    /// All nodes are on the stable revision again.
    RolledBack,
    /// Some nodes could not be rolled back.
    RollbackFailed,
    /// A newer change took its place; its nodes are that one's.
    Superseded,
}
