//! Why a rollout is rolled back, and how it came to its end, as data: what whoever checks a decision compares.
//!
//! The sentence beside a reason in an entry is for people and may be worded otherwise by another version; the reason may not. So a text
//! is in here only where it is no wording of this program: what a person said, what a node or a store answered, what an
//! entry before says.

use super::entry::{Hold, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a person asked for something with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: String,
    /// Why, as they said.
    pub why: Option<String>,
}

/// Why it is to be rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum RollbackReason {
    /// A person asked for it.
    Aborted(Said),
    /// There is no restore point.
    NoRestorePoint {
        /// What went wrong.
        error: String,
    },
    /// A gate has shown harm.
    GateFailed {
        /// The gate.
        gate: String,
        /// The end of the measurement that showed it.
        measured_ms: i64,
    },
    /// A node that answers could not be changed.
    NodeFailed {
        /// The node.
        node: String,
        /// What went wrong, as its wave said.
        error: String,
    },
    /// Nodes died on the candidate.
    NodesDead {
        /// Their names.
        nodes: BTreeSet<String>,
        /// The failure domains in which these are more than `max_unavailable`; none when it is all nodes that there are on the
        /// candidate.
        domains: BTreeSet<String>,
    },
    /// The stage's deadline passed, and its gates had not shown that it is good.
    Inconclusive {
        /// What each gate of the stage said.
        gates: BTreeMap<String, Verdict>,
    },
    /// What it waited for did not come.
    Unanswered {
        /// What that was, as it was held for it.
        hold: Hold,
        /// For so long.
        within_ms: u64,
    },
    /// Neither gates nor people nor windows let it go on.
    NoProgress {
        /// For so long.
        within_ms: u64,
    },
}

/// How it came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum EndReason {
    /// All was changed.
    Changed {
        /// Nodes that were left out: they died.
        left_out: BTreeSet<String>,
    },
    /// A newer change takes its place.
    Superseded(Said),
    /// It was to be rolled back before any node was changed.
    Untouched,
    /// All nodes were brought back, and are well.
    Restored,
    /// Nodes could not be brought back.
    NotRestored {
        /// Their names.
        nodes: BTreeSet<String>,
    },
    /// All nodes were brought back, and some of them are dead.
    RestoredDead {
        /// Their names.
        nodes: BTreeSet<String>,
    },
    /// All nodes were brought back, and what lists them was not.
    ListsNotRestored {
        /// What went wrong.
        error: String,
    },
}
