//! Events of a run, for views and logs. A live run and a replayed one produce the same events.
//! No event holds a secret.

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::plan::OperationKind;
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Reading recorded objects begins.
    RefreshStarted {
        /// How many.
        objects: usize,
    },
    /// Reading is done.
    RefreshFinished {
        /// How many.
        objects: usize,
        /// Milliseconds it took.
        elapsed_ms: u64,
    },
    /// Calls whose end an earlier run did not see are being looked up.
    RecoveryStarted {
        /// How many.
        intents: usize,
    },
    /// One of them is settled.
    Recovered {
        /// The instance.
        address: Address,
        /// `adopted`, `sent again`, `never happened`, `deleted`.
        how: String,
    },
    /// An operation begins.
    OperationStarted {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// What is done.
        kind: OperationKind,
    },
    /// A step of an operation; transient, never journaled.
    OperationProgress {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// `verify`, `unpack`, `probe from edge-local-002`.
        step: String,
    },
    /// A call failed in passing and will be made again with the identical request; journaled before it is.
    OperationRetried {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// The call that comes, from 2.
        attempt: u32,
        /// Milliseconds until then.
        wait_ms: u64,
        /// Why the last one failed.
        message: String,
    },
    /// What the run is about to change is being changed by another one, which is waited for.
    LeaseAwaited {
        /// Who: `apply staging by ana on build-7 (process 4711), since 2026-11-23T02:00:00Z`.
        holder: String,
        /// What both want.
        addresses: Vec<Address>,
    },
    /// An operation succeeded and its outcome is durable.
    OperationSucceeded {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// What was done.
        kind: OperationKind,
        /// Milliseconds it took.
        elapsed_ms: u64,
        /// One line worth telling (`30 of 30 pairs reached`), if any.
        note: Option<String>,
    },
    /// An operation failed.
    OperationFailed {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// What was tried.
        kind: OperationKind,
        /// Milliseconds it took.
        elapsed_ms: u64,
        /// Why.
        diagnostic: Diagnostic,
    },
    /// An operation did not run because one it needs did not succeed, or the run was interrupted.
    OperationSkipped {
        /// Its number in the plan.
        id: u32,
        /// The instance.
        address: Address,
        /// What would have been done.
        kind: OperationKind,
        /// Why: `needs module.network.local_network.this, which failed`.
        because: String,
    },
    /// Something that the configuration says must hold does not.
    ConditionViolated {
        /// What, and the message that goes with it; a warning where the run goes on as if it held.
        diagnostic: Diagnostic,
    },
    /// The user interrupted; what is in flight is finished.
    Interrupted {
        /// How many operations are in flight.
        in_flight: usize,
    },
    /// The run is over.
    RunFinished {
        /// Operations that succeeded.
        succeeded: usize,
        /// Operations that failed.
        failed: usize,
        /// Operations that did not run.
        skipped: usize,
        /// Milliseconds it took.
        elapsed_ms: u64,
    },
    /// A remark for people.
    Notice {
        /// The remark.
        message: String,
    },
}

/// Takes events. Implementations must not block for long.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn publish(&self, event: Event);
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl EventSink for Discard {
    fn publish(&self, _event: Event) {}
}
