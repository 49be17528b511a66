//! What every store does the same way: who may write, which transition is allowed, what each one means for the
//! records and the journal. Pure decisions over [`Tables`]; a store brings the tables and makes
//! each call here one transaction.
//!
//! Invariant: a call decides before it changes anything, so that one that is refused has changed nothing.
//! Refuses to know: disks, networks, threads, sealing.

mod edits;
mod leases;
mod rollouts;
mod writes;

pub use edits::{edit, prune, rekey};
pub use leases::{acquire, check_lease, held, release, renew, unlock};
pub use rollouts::{append, prunable};
pub use writes::{
    attempt, begin, begin_all, complete, finish, forget, write_refreshed, write_results,
};

use crate::error::StateError;
use crate::holder::Holder;
use crate::port::LeaseInfo;
use crate::version::Version;
use jiff::Timestamp;
use model::Address;
use model::graph::{Node, Output, ProviderConfig};
use model::record::{Intent, Record, Recorded};
use model::rollout::entry::RolloutHead;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a lease usually lives unless it is renewed.
pub const LEASE_SECONDS: u32 = 60;

/// A lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// What others see.
    pub info: LeaseInfo,
    /// Who holds it, precisely.
    pub holder: Holder,
    /// Seconds that it lives.
    pub seconds: u32,
}

/// An entry about to be journaled.
pub struct NewEntry<'a> {
    /// The run that writes.
    pub run: &'a str,
    /// What.
    pub kind: &'static str,
    /// About which instance.
    pub address: Option<&'a Address>,
}

/// One of the kinds of results.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultRow {
    /// A root output.
    Output(Output),
    /// A provider configuration.
    Provider(ProviderConfig),
    /// The nodes of a node set.
    NodeSet(Vec<Node>),
    /// A rollout that is not over; the name is its id.
    Rollout(RolloutHead),
}

/// Names of the kinds of results on disk.
pub const RESULT_KINDS: [&str; 4] = ["output", "provider", "node_set", "rollout"];

impl ResultRow {
    /// The kind's name on disk.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Output(_) => "output",
            Self::Provider(_) => "provider",
            Self::NodeSet(_) => "node_set",
            Self::Rollout(_) => "rollout",
        }
    }

    /// The content as tagged JSON.
    pub fn to_json(&self) -> Result<Json> {
        match self {
            Self::Output(output) => json_of(output),
            Self::Provider(config) => json_of(config),
            Self::NodeSet(nodes) => json_of(nodes),
            Self::Rollout(head) => json_of(head),
        }
    }

    /// From the kind's name and the content; none if they do not fit.
    pub fn from_json(kind: &str, json: Json) -> Option<Self> {
        match kind {
            "output" => serde_json::from_value(json).ok().map(Self::Output),
            "provider" => serde_json::from_value(json).ok().map(Self::Provider),
            "node_set" => serde_json::from_value(json).ok().map(Self::NodeSet),
            "rollout" => serde_json::from_value(json).ok().map(Self::Rollout),
            _ => None,
        }
    }

    /// Puts it where it belongs in what is loaded.
    pub fn add_to(self, recorded: &mut Recorded, name: String) {
        match self {
            Self::Output(output) => drop(recorded.outputs.insert(name, output)),
            Self::Provider(config) => drop(recorded.providers.insert(name, config)),
            Self::NodeSet(nodes) => drop(recorded.node_sets.insert(name, nodes)),
            Self::Rollout(head) => drop(recorded.rollouts.insert(name, head)),
        }
    }

    /// The results of a version.
    pub fn all_of(version: &Version) -> Vec<(String, Self)> {
        let outputs = version.outputs.iter().map(|(n, o)| (n.clone(), Self::Output(o.clone())));
        let providers =
            version.providers.iter().map(|(n, p)| (n.clone(), Self::Provider(p.clone())));
        let node_sets =
            version.node_sets.iter().map(|(n, s)| (n.clone(), Self::NodeSet(s.clone())));
        let rollouts =
            version.rollouts.iter().map(|(n, head)| (n.clone(), Self::Rollout(head.clone())));
        outputs.chain(providers).chain(node_sets).chain(rollouts).collect()
    }
}

type Result<T, E = StateError> = std::result::Result<T, E>;

/// What a store keeps. Every call sees what the calls before it in the same transaction did.
pub trait Tables {
    /// The time by the store's clock, in whole milliseconds; the same throughout a transaction.
    fn now(&self) -> Timestamp;
    /// All leases, those that are over too.
    fn leases(&self) -> Result<Vec<LeaseRow>>;
    /// The lease with this epoch. Asked for by every write, and large if its scope is.
    fn lease(&self, epoch: u64) -> Result<Option<Arc<LeaseRow>>>;
    /// Writes a lease, in place of one with the same epoch.
    fn put_lease(&mut self, lease: &LeaseRow) -> Result<()>;
    /// Drops a lease.
    fn remove_lease(&mut self, epoch: u64) -> Result<()>;
    /// Raises and returns the fencing token.
    fn next_epoch(&mut self) -> Result<u64>;
    /// Appends to the journal and returns the sequence; `body` is made with it.
    fn append(&mut self, entry: &NewEntry, body: &dyn Fn(u64) -> Result<Json>) -> Result<u64>;
    /// The intent `sequence` if it has no outcome yet.
    fn unfinished(&self, sequence: u64) -> Result<Option<Intent>>;
    /// Intents without outcome for an address.
    fn unfinished_at(&self, address: &Address) -> Result<Vec<Intent>>;
    /// The sequence of the first intent without outcome.
    fn first_unfinished(&self) -> Result<Option<u64>>;
    /// The intent `sequence` now has, or does not have, an outcome.
    fn set_unfinished(&mut self, sequence: u64, address: &Address, unfinished: bool) -> Result<()>;
    /// The record of an address.
    fn record(&self, address: &Address) -> Result<Option<Record>>;
    /// The last revision an address had, of a removed record too; 0 if it never had one.
    fn last_revision(&self, address: &Address) -> Result<u64>;
    /// Writes a record.
    fn put_record(&mut self, record: &Record) -> Result<()>;
    /// Drops a record; whether there was one.
    fn remove_record(&mut self, address: &Address) -> Result<bool>;
    /// Adds a deposed object.
    fn add_deposed(&mut self, record: &Record) -> Result<()>;
    /// Drops the deposed object of an address with this id; whether there was one.
    fn remove_deposed(&mut self, address: &Address, id: &str) -> Result<bool>;
    /// Keys of the provider configurations that records and deposed objects refer to.
    fn providers_in_use(&self) -> Result<BTreeSet<String>>;
    /// Writes a result.
    fn put_result(&mut self, name: &str, row: &ResultRow) -> Result<()>;
    /// Drops a result.
    fn remove_result(&mut self, kind: &'static str, name: &str) -> Result<()>;
    /// Rollouts that are not over, by id.
    fn rollouts(&self) -> Result<BTreeMap<String, RolloutHead>>;
    /// Puts another keyring in place and writes every record, deposed object and result again, sealed with it.
    fn rekey(&mut self, keyring: Option<&str>) -> Result<()>;
    /// The sequence of the last journal entry; 0 if there was none.
    fn serial(&self) -> Result<u64>;
    /// Drops the journal's entries up to `serial`, keeping the version they fold to as the base. How many went.
    fn prune(&mut self, serial: u64) -> Result<u64>;
}

/// Times are kept in whole milliseconds.
pub fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// A value as JSON.
pub fn json_of<T: Serialize>(value: &T) -> Result<Json> {
    serde_json::to_value(value)
        .map_err(|error| StateError::Illegal(format!("a value cannot be written: {error}")))
}

/// A value as a store gives it back: through JSON, which knows neither lists nor origins.
pub fn as_read_back<T: Serialize + DeserializeOwned>(value: &T) -> Result<T> {
    serde_json::from_value(json_of(value)?)
        .map_err(|error| StateError::Illegal(format!("a value does not read back: {error}")))
}

fn illegal<T>(what: String) -> Result<T> {
    Err(StateError::Illegal(what))
}
