//! The StateStore port: what the engine asks of any place that records an environment.
//!
//! Contract: `begin` returns only when the intent is durable; `finish` makes the outcome durable together with the
//! records it changes, in one transaction; every write checks that its lease is still held. Reading needs
//! no lease. The rules that every store shares are in `rules`; `conformance` tests them.
//!
//! Refuses to know: how and where anything is stored.

use crate::error::StateError;
use async_trait::async_trait;
use model::Address;
use model::graph::{Node, Output, ProviderConfig};
use model::record::{Intent, Outcome, Record, Recorded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who holds an environment, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInfo {
    /// The run's id.
    pub run: String,
    /// User name of the owner.
    pub owner: String,
    /// Host name.
    pub host: String,
    /// Operating-system process id on that host.
    pub pid: u32,
    /// The command line's verb and target, for people: `apply environments/staging`.
    pub command: String,
    /// RFC 3339 time it was taken.
    pub since: String,
    /// RFC 3339 time it ends unless renewed.
    pub expires: String,
    /// Fencing token: raised at every taking; a write with an older one is refused.
    pub epoch: u64,
}

/// A lease that is held. Give it back with [`StateStore::release`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What others see.
    pub info: LeaseInfo,
}

/// What is known of the taker of a lease.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// The run's id, unique.
    pub run: String,
    /// The command, for people.
    pub command: String,
}

/// What an apply writes beside records.
#[derive(Clone, Debug, Default)]
pub struct RunResults {
    /// Root outputs, wholly known.
    pub outputs: BTreeMap<String, Output>,
    /// Provider configurations.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Nodes by node set.
    pub node_sets: BTreeMap<String, Vec<Node>>,
}

/// One entry of the journal, for people and later recovery tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// From 1, without gaps.
    pub sequence: u64,
    /// The run that wrote it.
    pub run: String,
    /// RFC 3339.
    pub at: String,
    /// `intent`, `outcome`, `refreshed`, `results`, `run-started`, `run-finished`, ...
    pub kind: String,
    /// The instance, if it is about one.
    pub address: Option<Address>,
    /// The content, sealed where sensitive.
    pub body: serde_json::Value,
}

/// Where environments are recorded.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Everything: records, outputs, unfinished intents. Changes nothing: an environment that was never written is
    /// empty, its lineage too.
    async fn load(&self) -> Result<Recorded, StateError>;

    /// Takes the environment for a run. A lease whose owner is provably gone (same host, dead) or expired is taken over.
    async fn acquire(&self, request: LeaseRequest) -> Result<Lease, StateError>;

    /// Extends a held lease; an error means it was lost and nothing may be written any more.
    async fn renew(&self, lease: &Lease) -> Result<(), StateError>;

    /// Gives a lease back.
    async fn release(&self, lease: Lease) -> Result<(), StateError>;

    /// Makes an intent durable and returns its journal sequence (the given `sequence` and `run` are ignored). A
    /// second intent for an address is refused while the first has no outcome; deletions of deposed
    /// objects are an exception.
    async fn begin(&self, lease: &Lease, intent: Intent) -> Result<u64, StateError>;

    /// Makes the outcome of the intent `sequence` durable, with the change of records it means. A second outcome for
    /// one intent is an error. Returns the record as stored, with its revision. From the first record on, the
    /// provider configuration of its intent is among [`Recorded::providers`].
    async fn finish(
        &self,
        lease: &Lease,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<Option<Record>, StateError>;

    /// Writes records that refresh brought up to date and drops those that vanished, in one transaction. What is the
    /// same as before is not written; a record of an address that has none is an error.
    async fn write_refreshed(
        &self,
        lease: &Lease,
        records: Vec<Record>,
        vanished: Vec<Address>,
    ) -> Result<(), StateError>;

    /// Drops a record and leaves its object alone.
    async fn forget(&self, lease: &Lease, address: &Address) -> Result<(), StateError>;

    /// Writes outputs, provider configurations and node sets at the end of a run, in place of those before; provider
    /// configurations that records still refer to stay.
    async fn write_results(&self, lease: &Lease, results: RunResults) -> Result<(), StateError>;

    /// The journal from `after` (exclusive), oldest first.
    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>, StateError>;
}
