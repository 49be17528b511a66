//! What the state store keeps: records of objects, and the journal's entries.

use crate::address::Address;
use crate::graph::{Lifecycle, Node, Output, ProviderConfig};
use crate::rollout::entry::RolloutHead;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One remote object as it was last known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The instance it belongs to.
    pub address: Address,
    /// The provider configuration it was made with (key into [`Recorded::providers`]).
    pub provider: String,
    /// The provider's own identity of the object, as `find`, `read` and `delete` need it.
    pub id: String,
    /// All arguments and attributes, wholly known, secrets marked.
    pub attributes: Value,
    /// What it depended on when it was last written; deletions run in the reverse order.
    pub dependencies: BTreeSet<Address>,
    /// The lifecycle it was last written with.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// The idempotency token of the creation.
    pub token: String,
    /// How many objects this address has had, from 1; a replacement raises it.
    pub generation: u64,
    /// Raised at every write of this record, from 1.
    pub revision: u64,
    /// Made but not usable (a later step of its creation failed): the next plan replaces it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tainted: bool,
}

/// An environment as the state store knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Random, made once with the environment.
    pub lineage: String,
    /// Raised at every committed write.
    pub serial: u64,
    /// Records by address.
    pub records: BTreeMap<Address, Record>,
    /// Objects that a create-first replacement has not deleted yet.
    pub deposed: Vec<Record>,
    /// Root outputs of the last apply.
    pub outputs: BTreeMap<String, Output>,
    /// Provider configurations of the last apply.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Nodes by node set, of the last apply.
    pub node_sets: BTreeMap<String, Vec<Node>>,
    /// Intents without an outcome: calls whose end is not known. The next apply looks them up first.
    pub unfinished: Vec<Intent>,
    /// Rollouts that are not over, by id.
    pub rollouts: BTreeMap<String, RolloutHead>,
}

/// What is durable before a call that changes the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Journal number of this intent, given by the store.
    pub sequence: u64,
    /// The run that made it.
    pub run: String,
    /// The instance.
    pub address: Address,
    /// What is about to be called.
    pub action: IntentAction,
    /// Key of the provider configuration, and the configuration itself: recovery needs nothing else.
    pub provider: String,
    /// The provider's configuration at the time.
    pub provider_config: ProviderConfig,
    /// Deterministic idempotency token of the call.
    pub token: String,
    /// The generation the object has or will have.
    pub generation: u64,
    /// The exact arguments of the call (for a deletion: the record's attributes).
    pub request: Value,
    /// The record before the call, for an update or a deletion.
    pub prior: Option<Record>,
    /// What the record will depend on.
    pub dependencies: BTreeSet<Address>,
    /// The lifecycle the record will have.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// RFC 3339 time after which the call is not under way any more, whoever made it; empty in what older
    /// programs wrote.
    #[serde(default)]
    pub deadline: String,
    /// The one call that makes this object together with others, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
}

/// A creation's place among those that are sent as one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The idempotency token of the one call: 48 characters.
    pub token: String,
    /// The addresses of all its creations, in the order of their objects (see [`crate::members`]).
    pub members: String,
    /// Which of the objects is this creation's, from 0.
    pub index: u32,
    /// How many there are.
    pub size: u32,
}

impl Batch {
    /// The idempotency token of one creation of a batch with that token.
    pub fn member_token(token: &str, index: u32) -> String {
        format!("{token}.{index}")
    }
}

/// The calls that change the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentAction {
    /// Make an object.
    Create,
    /// Change an object in place.
    Update,
    /// Delete the recorded object.
    Delete,
    /// Delete the deposed object of a create-first replacement.
    DeleteDeposed,
}

/// How an intent ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The object is as this record says; `deposed` is what it replaced create-first.
    Recorded {
        /// The new record; the store sets its revision.
        record: Box<Record>,
        /// The old object, now deposed.
        deposed: Option<Box<Record>>,
    },
    /// The object is gone.
    Removed,
    /// The call failed and, as far as the provider can tell, changed nothing; or recovery found that it
    /// never happened. The record before stays.
    Failed {
        /// What the provider said; holds no secret.
        message: String,
    },
}
