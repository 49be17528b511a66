//! What goes into a decision and what comes out of it: observations and commands.
//!
//! Both are data. A command that is not [`Command::Record`] may be given again after a crash; whoever does it makes sure that
//! doing it twice is doing it once. Refuses to know: how anything is done.

use model::restore_point::PointName;
use model::rollout::entry::{Entry, Outcome, Reading, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// What the driver saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Time passed.
    Tick,
    /// The restore point was made; or why not.
    SnapshotTaken {
        /// None when it was made.
        error: Option<String>,
        /// Its name.
        point: Option<PointName>,
    },
    /// The wave that [`Command::ChangeNodes`] asked for is over.
    WaveEnded {
        /// Nodes that are on the candidate now and were seen to be well.
        changed: Vec<String>,
        /// Nodes that are not, and why.
        failed: BTreeMap<String, String>,
        /// Those of `failed` that do not answer at all: dead, not refused.
        unreachable: BTreeSet<String>,
    },
    /// A gate was measured, as [`Command::Measure`] asked.
    Measured {
        /// The gate.
        gate: String,
        /// What was asked, selectors filled in.
        queries: Vec<String>,
        /// From when.
        from_ms: i64,
        /// To when.
        to_ms: i64,
        /// What came back.
        reading: Reading,
    },
    /// Nodes were looked at, as [`Command::LookAtNodes`] asked.
    NodesSeen {
        /// All of them that do not answer, and why. Nodes that are left out here answer.
        down: BTreeMap<String, String>,
    },
    /// A person asks for something.
    Asked {
        /// What.
        verb: Verb,
        /// Who.
        by: String,
        /// Why.
        why: Option<String>,
    },
    /// A person agrees.
    Approved {
        /// To which stage, as entries number it; none: to the one that waits for it.
        stage: Option<u32>,
        /// Who.
        by: String,
        /// The hash of the plan that they saw.
        plan_hash: String,
    },
    /// The wave that [`Command::RollBack`] asked for is over.
    RollbackWaveEnded {
        /// Nodes that are on the stable revision and were seen to be well.
        restored: Vec<String>,
        /// Nodes that are not, and why.
        failed: BTreeMap<String, String>,
    },
    /// What [`Command::BringLists`] asked for is over.
    ListsEnded {
        /// None when all was done.
        error: Option<String>,
    },
    /// What [`Command::ApplyRest`] asked for is over.
    RestEnded {
        /// None when all was done.
        error: Option<String>,
    },
    /// A newer change takes the rollout's place.
    Superseded {
        /// Who started it.
        by: String,
        /// Which, for people.
        why: Option<String>,
    },
    /// Somebody was told, as [`Command::Notify`] asked.
    Notified {
        /// What of.
        of: String,
        /// What went wrong, if anything did.
        error: Option<String>,
    },
    /// This controller goes on with what another one began.
    TakenOver {
        /// Who: user, host and process.
        by: String,
    },
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make this durable. These come first, in order; the rest is done only after all of them.
    Record(Entry),
    /// Make a restore point of the nodes of the sets that ask for one; answer with [`Observation::SnapshotTaken`].
    TakeSnapshot,
    /// Bring these nodes to the candidate together; answer with [`Observation::WaveEnded`].
    ChangeNodes {
        /// The stage.
        stage: u32,
        /// From 0 in the stage.
        wave: u32,
        /// Names of the nodes, of one node set.
        nodes: Vec<String>,
        /// Whether a node that is replaced is there anew before the old one goes.
        surge: bool,
    },
    /// Bring these nodes back to the stable revision together; answer with [`Observation::RollbackWaveEnded`].
    RollBack {
        /// From 0.
        wave: u32,
        /// Names of the nodes, of one node set.
        nodes: Vec<String>,
    },
    /// Measure a gate now; answer with [`Observation::Measured`] and the same times.
    Measure {
        /// The stage.
        stage: u32,
        /// The gate's name, a key of the set's rollout's `gates`.
        gate: String,
        /// From when.
        from_ms: i64,
        /// To when: now.
        to_ms: i64,
        /// What the selectors stand for.
        groups: Groups,
        /// Whether the control group's answer is needed; if not, its queries need not be asked.
        compares: bool,
    },
    /// See whether these nodes answer; answer with [`Observation::NodesSeen`].
    LookAtNodes {
        /// Their names.
        nodes: Vec<String>,
    },
    /// Bring what lists nodes up to date with those that are there; answer with [`Observation::ListsEnded`].
    BringLists {
        /// Whether to what was recorded before the rollout.
        back: bool,
    },
    /// Apply what does not belong to single nodes; answer with [`Observation::RestEnded`].
    ApplyRest,
    /// Tell those whom the rollout names; answer with [`Observation::Notified`].
    Notify {
        /// What of: `started`, `promoted`, `held`, `rollback`, `ended`.
        of: String,
        /// A sentence.
        text: String,
    },
    /// Give [`Observation::Tick`] at this time, if nothing else comes before.
    WakeAt {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// It is over; nothing follows but the answers of [`Command::Notify`].
    Finish {
        /// How.
        outcome: Outcome,
    },
}

/// The nodes that a gate's selectors stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// `$candidate`: nodes on the candidate.
    pub candidate: Vec<String>,
    /// `$control`: nodes on the stable revision in the failure domains of the candidate's.
    pub control: Vec<String>,
    /// `$stage`: nodes of the candidate that came with this stage.
    pub stage: Vec<String>,
}
