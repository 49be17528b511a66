//! What a plan says of a rollout before it begins: which nodes come when, what each gate can prove, what is at stake.

use super::entry::SetStart;
use crate::Address;
use crate::restore_point::PointName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A rollout, foreseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// Its id, which the selection of nodes is seeded by.
    pub rollout: String,
    /// The node sets in their order, with the nodes of every stage.
    pub sets: Vec<SetStart>,
    /// What is foreseen of each set's stages, in the same order.
    pub stages: Vec<Vec<StageForesight>>,
    /// Milliseconds that all stages take at least.
    pub total_ms: u64,
    /// What lists nodes and follows them wave by wave; see [`super::entry::Start::lists`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<Address>,
    /// The restore point that is made before the first wave; none if no set asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<PlannedPoint>,
}

/// A restore point that a rollout makes before its first wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPoint {
    /// Its name.
    pub name: PointName,
    /// What is captured of the nodes that are there.
    pub objects: BTreeSet<Address>,
}

/// A stage, foreseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageForesight {
    /// Index into the stages of the set's rollout.
    pub stage: u32,
    /// Nodes on the candidate while it bakes.
    pub candidates: u32,
    /// Nodes left as the control group.
    pub control: u32,
    /// What each gate can prove.
    pub gates: Vec<GateForesight>,
    /// What is at stake.
    pub blast: Blast,
}

/// What a gate can prove in a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateForesight {
    /// Its name.
    pub gate: String,
    /// Whether it can reach a verdict in the bake; none if that hangs on a load that nobody stated.
    pub can_prove: Option<bool>,
    /// In a sentence: `4 603 events without an error would show < 0.1 % at 99 %; 4 500 are expected in 15 min`.
    pub says: String,
}

/// What a stage puts at stake before its gates can stop it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// Nodes on the candidate.
    pub nodes: u32,
    /// For so many milliseconds.
    pub ms: u64,
    /// Errors that the gates tolerate meanwhile, where the load is known.
    pub errors: Option<f64>,
    /// The same as a share of the error budget of its whole period.
    pub budget_share: Option<f64>,
}
