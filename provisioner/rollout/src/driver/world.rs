//! The World port: what the driver has done for it outside of the journal.
//!
//! Contract: doing twice is doing once, since a controller that takes over does again what its entries say was under way.
//! What fails is told of each node; nothing here decides what follows from it. Refuses to know: the state of the rollout.

use crate::source::Ask;
use async_trait::async_trait;
use model::Address;
use model::restore_point::PointName;
use model::rollout::entry::Reading;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that are changed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Their node set.
    pub node_set: String,
    /// Their names.
    pub nodes: Vec<String>,
    /// The nodes that are on the candidate already. All others stay as they are recorded.
    pub candidates: Vec<String>,
    /// Whether a node that is replaced is there anew before the old one goes.
    pub surge: bool,
}

/// What came of a wave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waved {
    /// Nodes that are as they should be, and were seen to be well.
    pub done: Vec<String>,
    /// Nodes that are not, and why.
    pub failed: BTreeMap<String, String>,
    /// Those of `failed` that do not answer at all.
    pub unreachable: BTreeSet<String>,
}

/// What lists nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The node sets that are rolled out: their nodes stay as they are recorded.
    pub node_sets: BTreeSet<String>,
    /// What lists them.
    pub lists: BTreeSet<Address>,
}

/// A restore point that is wanted before the first wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The rollout, which has no more than one.
    pub rollout: String,
    /// The nodes that it is of, by node set and name.
    pub nodes: BTreeSet<(String, String)>,
}

/// The world, as far as a rollout changes it or looks at it.
#[async_trait]
pub trait World: Send + Sync {
    /// Brings the nodes of a wave to the candidate. None when it was interrupted: how it ended is then not known.
    async fn change(&self, wave: Wave) -> Option<Waved>;

    /// Brings the nodes of a wave back to the revision that is recorded in the state version of that serial.
    async fn restore(&self, wave: Wave, stable_serial: u64) -> Option<Waved>;

    /// Brings what lists nodes up to date with those that are there, and changes nothing else of it; an error says what was not
    /// done. None when it was interrupted.
    async fn bring_lists(&self, listing: &Listing) -> Option<Result<(), String>>;

    /// Brings what lists nodes back to what is recorded in the state version of that serial, but for machines that were made anew
    /// since.
    async fn restore_lists(
        &self,
        listing: &Listing,
        stable_serial: u64,
    ) -> Option<Result<(), String>>;

    /// Applies what is left of the configuration, but for the nodes that were left out; an error says what was not done.
    /// None when it was interrupted.
    async fn finish(&self, excluded: &[String]) -> Option<Result<(), String>>;

    /// Which of these nodes do not answer, and why.
    async fn look(&self, nodes: &[String]) -> BTreeMap<String, String>;

    /// Measures a gate: what was asked, and what came back.
    async fn measure(&self, wanted: &Wanted) -> (Vec<String>, Reading);

    /// Makes the rollout's restore point of these nodes, as far as they are there; its name. None when it was interrupted.
    async fn snapshot(&self, wanted: &Snapshot) -> Option<Result<PointName, String>>;

    /// Tells those whom the rules of a node set name.
    async fn notify(&self, node_set: &str, notice: &Notice) -> Result<(), String>;
}

/// A measurement that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The node set whose rules have the gate.
    pub node_set: String,
    /// The gate's name.
    pub gate: String,
    /// Of which nodes, and when.
    pub ask: Ask,
    /// Whether the control group's part is needed; if not, it is not asked for.
    pub compares: bool,
}

/// What people are told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Notice {
    /// The environment.
    pub environment: String,
    /// The rollout.
    pub rollout: String,
    /// What of: `started`, `promoted`, `held`, `rollback`, `ended`.
    pub of: String,
    /// A sentence.
    pub text: String,
}
