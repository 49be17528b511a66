//! What a run came to.

use model::graph::{Output, StatedBy};
use model::plan::OperationKind;
use model::{Address, Diagnostic};
use std::collections::BTreeMap;

/// An operation that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number in the plan.
    pub id: u32,
    /// The instance.
    pub address: Address,
    /// What was tried.
    pub kind: OperationKind,
    /// Why.
    pub diagnostic: Diagnostic,
}

/// An operation that did not run or was dropped.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Its number in the plan.
    pub id: u32,
    /// The instance.
    pub address: Address,
    /// What would have been done.
    pub kind: OperationKind,
    /// Why.
    pub because: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Operations that succeeded.
    pub succeeded: usize,
    /// Operations that failed.
    pub failed: Vec<Failure>,
    /// Operations that did not run or were dropped.
    pub skipped: Vec<Skipped>,
    /// Conditions that do not hold, but for those that only warn.
    pub violated: Vec<StatedBy>,
    /// Whether the user interrupted.
    pub interrupted: bool,
    /// Problems to show at the end; those of failed operations among them.
    pub diagnostics: Vec<Diagnostic>,
    /// Another run changed what outputs and node sets come from: they are as before, until the next plan.
    pub outputs_left: bool,
    /// Root outputs as recorded at the end.
    pub outputs: BTreeMap<String, Output>,
}

impl RunReport {
    /// Whether everything that was planned is done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.violated.is_empty()
    }
}
