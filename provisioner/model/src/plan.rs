//! A plan: a pure value that says what will change and exactly what will run.
//!
//! Self-contained: apply needs no configuration beside it. Bound to what it was made from: environment,
//! lineage, and the revision of every record it read or writes. Operations are numbered in an order
//! in which they could run one by one.

use crate::address::Address;
use crate::graph::{Condition, Lifecycle, NodeSet, Output, ProviderConfig};
use crate::record::Record;
use crate::rollout::foresight::Foresight;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the plan format that this program writes.
pub const FORMAT_VERSION: u32 = 4;

/// What will change, and what will run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The environment's name.
    pub environment: String,
    /// The environment's lineage; empty when it has no state yet.
    pub lineage: String,
    /// The state's serial when the plan was made (for people; revisions decide).
    pub serial: u64,
    /// Revision of every record that an operation reads or writes, and of those that apply brings up to date or forgets;
    /// 0 means there was none. What else is recorded may change before the plan is applied.
    pub base_revisions: BTreeMap<Address, u64>,
    /// Revision of every record that outputs and node sets come from. If another run changes one of them meanwhile,
    /// apply leaves outputs and node sets to the next plan.
    #[serde(default)]
    pub output_revisions: BTreeMap<Address, u64>,
    /// What the user limited the plan to (`--target`), as given; empty for everything.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Nodes that stay as they are recorded, by node set and name: no operation changes or deletes anything of theirs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held: BTreeSet<(String, String)>,
    /// SHA-256 of the configuration and variables.
    pub configuration_digest: String,
    /// RFC 3339 time of planning, given by the caller.
    pub created_at: String,
    /// Whether it deletes everything (`destroy`).
    pub destroy: bool,
    /// What people read, in address order; no-ops included.
    pub changes: Vec<Change>,
    /// What runs.
    pub operations: Vec<Operation>,
    /// Differences between recorded and actual objects, found by refresh.
    pub drift: Vec<Drift>,
    /// Root outputs after the apply.
    pub outputs: BTreeMap<String, Output>,
    /// Names of the root outputs that change.
    pub changed_outputs: BTreeSet<String>,
    /// Provider configurations by key.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Whose the clouds are that its operations change, by key of the provider configuration; only clouds that tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, CloudIdentity>,
    /// Node sets after the apply; with targets, only the nodes that are then as configured.
    pub node_sets: BTreeMap<String, NodeSet>,
    /// Records brought up to date by refresh: apply writes them first (same objects, newer attributes).
    pub refreshed: Vec<Record>,
    /// Records whose objects are gone and will not be made again: apply forgets them.
    pub vanished: Vec<Address>,
    /// Records of objects that are imported, and of strays that the user wants to keep or delete: apply writes them before
    /// anything is called.
    #[serde(default)]
    pub adopted: Vec<Adopted>,
    /// Objects with this environment's mark that neither the state nor this plan knows.
    #[serde(default)]
    pub strays: Vec<Stray>,
    /// What must hold and is known only when operations have run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<PlannedCondition>,
    /// Records that get another address because the configuration says so; apply writes them first of all.
    #[serde(default)]
    pub moved: Vec<Moved>,
    /// The rollout that the plan begins. Its operations then tell what happens in all, and waves bring it about; they are
    /// never run in one go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<PlannedRollout>>,
}

/// A rollout that a plan begins, with all that its waves are planned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRollout {
    /// Its id, its rules, the nodes of every stage.
    pub foresight: Foresight,
    /// SHA-256 of what happens and in which stages; approvals are bound to it.
    pub plan_hash: String,
    /// What the candidate is evaluated from, as text: the configuration and the values of its variables. Sensitive.
    pub candidate: Value,
}

/// Whose a cloud is, and who asks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudIdentity {
    /// What owns the objects, such as `account 123456789012`; a plan is bound to it.
    pub account: String,
    /// Where they are, such as `eu-central-1`; a plan is bound to it.
    pub region: String,
    /// Who asks, for people.
    pub caller: String,
}

/// A condition bound to operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCondition {
    /// What must hold.
    pub condition: Condition,
    /// Operations after which it is known.
    pub needs: BTreeSet<u32>,
    /// Operations that do not run when it does not hold; all of them come after `needs`.
    pub stops: BTreeSet<u32>,
    /// Instances that it comes from.
    pub reads: BTreeSet<Address>,
}

/// A record that gets another address; its object stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Where it is recorded.
    pub from: Address,
    /// Where it will be.
    pub to: Address,
    /// Records that depend on it and name it, by their new addresses; they are written too.
    pub dependents: BTreeSet<Address>,
}

/// An object that carries this environment's mark and is not recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stray {
    /// The instance that its mark names.
    pub address: Address,
    /// The provider configuration that found it.
    pub provider: String,
    /// The provider's identity of it.
    pub id: String,
    /// The token of the creation that made it.
    pub token: String,
    /// All its attributes, as a read gives them; none if it cannot be read (half made, say).
    pub attributes: Option<Value>,
}

/// An object that becomes recorded: a stray, or one that is imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    /// Its record.
    pub record: Record,
    /// Whether it is to be deleted: it is then recorded as deposed.
    pub deposed: bool,
    /// Whether the configuration asks for it (`import`); else it is a stray.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

impl Plan {
    /// Whether applying it would change any object (outputs and refreshed records aside).
    pub fn has_changes(&self) -> bool {
        !self.operations.is_empty()
            || !self.changed_outputs.is_empty()
            || !self.vanished.is_empty()
            || !self.adopted.is_empty()
            || !self.moved.is_empty()
    }

    /// How many changes have an action, for the summary line.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

/// What will happen to one instance, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The instance.
    pub address: Address,
    /// Where it was recorded before it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Address>,
    /// The identity of the object that is imported as this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importing: Option<String>,
    /// What will happen.
    pub action: Action,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
    /// All attributes before; none for a creation.
    pub before: Option<Value>,
    /// All attributes after, unknown where an operation decides; none for a deletion.
    pub after: Option<Value>,
    /// Names of the arguments that differ.
    pub differing: Vec<String>,
}

/// What happens to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// A new object.
    Create,
    /// The object changes in place.
    Update,
    /// The old object goes first, then a new one is made.
    ReplaceDeleteFirst,
    /// A new object is made first, then the old one goes.
    ReplaceCreateFirst,
    /// The object goes.
    Delete,
    /// The object stays, the record goes.
    Forget,
    /// A data source is read while the plan runs.
    Read,
}

/// Why an action was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The configuration has it and the state has not.
    New,
    /// The object that the state knows is gone.
    Vanished {
        /// What refresh saw.
        detail: String,
    },
    /// These arguments differ from the recorded ones.
    ArgumentsDiffer {
        /// Their names.
        arguments: Vec<String>,
    },
    /// These arguments differ and cannot be changed in place.
    ForcesReplacement {
        /// Their names.
        arguments: Vec<String>,
    },
    /// Refresh found the object different from what is recorded or not well.
    Drifted {
        /// One line a difference: `status is "stopped", expected "running"`.
        differences: Vec<String>,
    },
    /// An earlier run left it half made.
    Tainted,
    /// The user asked for it (`--replace`).
    Requested,
    /// Not in the configuration any more.
    NotConfigured,
    /// The environment is being destroyed.
    Destroying,
    /// It states something about these instances, and they change.
    DependencyChanges {
        /// Them.
        addresses: Vec<Address>,
    },
    /// What a create-first replacement of an earlier run left.
    Deposed,
    /// The configuration says that it is not managed any more.
    Removed,
    /// These arguments of a data source are not known before.
    NotKnown {
        /// Their names.
        arguments: Vec<String>,
    },
    /// What it is made anew with changes (`replace_triggered_by`).
    Triggered {
        /// As written.
        by: Vec<String>,
    },
}

/// One call, with what must have succeeded before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// From 0; `needs` refers to these.
    pub id: u32,
    /// The instance.
    pub address: Address,
    /// What is called.
    pub kind: OperationKind,
    /// Key into [`Plan::providers`].
    pub provider: String,
    /// Operations that must have succeeded.
    pub needs: BTreeSet<u32>,
    /// Arguments for a creation or an update; parts may be unknown until earlier operations ran.
    pub arguments: Option<Value>,
    /// The record before, for an update or a deletion.
    pub prior: Option<Record>,
    /// What the new record will depend on.
    pub dependencies: BTreeSet<Address>,
    /// The lifecycle the new record will have.
    pub lifecycle: Lifecycle,
    /// Arguments that must keep their recorded value once known, or else the operation stops because
    /// the object would have to be replaced: they were unknown when the plan was made.
    #[serde(default)]
    pub must_not_differ: BTreeSet<String>,
    /// Whether nothing but assertions of a `check` looks at what is read: a failure is then a warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_checked: bool,
    /// `file:line:column` of the block, for messages.
    pub place: String,
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Make an object.
    Create,
    /// Make the new object of a create-first replacement; the recorded one becomes deposed.
    CreateReplacement,
    /// Change the object in place.
    Update,
    /// Delete the object.
    Delete,
    /// Delete the deposed object.
    DeleteDeposed,
    /// Drop the record, leave the object.
    Forget,
    /// Read a data source.
    Read,
}

/// A recorded object that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The instance.
    pub address: Address,
    /// What refresh saw.
    pub kind: DriftKind,
    /// One line a difference.
    pub differences: Vec<String>,
}

/// What refresh saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// The object is gone.
    Gone,
    /// The object differs.
    Different,
    /// The object could not be reached; nothing is assumed.
    Unreachable,
}

/// What refresh saw of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// It is there; all its attributes now.
    Present(Value),
    /// It is not there; what was seen.
    Absent(String),
    /// It cannot be told (its node is down, say); why.
    Unreachable(String),
}

/// What refresh saw, by address; records without an entry were not refreshed.
pub type Actual = BTreeMap<Address, Observation>;
