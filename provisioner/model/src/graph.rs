//! The desired graph: what the configuration asks for, evaluated, before any decision.
//!
//! Node parts are instances like any other. Built-in resource types of the provider `node`:
//! `facts` (what a service's commands report from a node), `service` (one service installed on one
//! node) and `reachability` (every member of a node set reaches every other one over a service).

use crate::address::Address;
use crate::argument_path::ArgumentPath;
use crate::diagnostic::{Diagnostic, Span};
use crate::moves::Removal;
use crate::rollout::Rollout;
use crate::schema::{Mode, ResourceSchema};
use crate::value::{Data, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What the configuration asks for.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The environment's name.
    pub environment: String,
    /// Instances in source order (node sets expanded in node order).
    pub instances: Vec<Instance>,
    /// Root outputs by name.
    pub outputs: BTreeMap<String, Output>,
    /// Provider configurations by the name that instances refer to (`local`, or `local.alias`).
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Node sets by name.
    pub node_sets: BTreeMap<String, NodeSet>,
    /// How changes reach the nodes of node sets, by node set; a set that is not here changes at once.
    pub rollouts: BTreeMap<String, Rollout>,
    /// The node sets of [`Self::rollouts`] in the order in which they are gone through.
    pub rollout_order: Vec<String>,
    /// Conditions that cannot be told yet. What can be was told while evaluating.
    pub conditions: Vec<Condition>,
    /// Data sources that are read for a `check` alone: what cannot be read is told as a warning.
    pub checked: BTreeSet<Address>,
    /// What the configuration says is not managed any more.
    pub removals: Vec<Removal>,
    /// Objects that are to be recorded as instances, in source order.
    pub imports: Vec<Import>,
    /// SHA-256 of all configuration and variable values that went in.
    pub configuration_digest: String,
}

/// One instance as the configuration wants it.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its address; `address.kind()` is the resource type.
    pub address: Address,
    /// Key into [`Desired::providers`].
    pub provider: String,
    /// An object with a value for every argument of the schema (null where left out), converted to the
    /// schema's types; parts may be unknown; marks tell sensitivity and origins.
    pub arguments: Value,
    /// Instances named by `depends_on` or by the expansion (a service depends on its node's machine).
    pub depends_on: BTreeSet<Address>,
    /// The `lifecycle` block.
    pub lifecycle: Lifecycle,
    /// What makes its object anew when it changes (`replace_triggered_by`).
    pub triggers: Vec<Trigger>,
    /// When set, at most `max_parallel` updates of instances with the same group run at a time, one
    /// after the other in address order, and a failed one stops the rest.
    pub sequence: Option<Sequence>,
    /// The block in the source.
    pub span: Span,
    /// `file:line:column` of the block, for messages at apply time.
    pub place: String,
}

impl Instance {
    /// An instance that no block of a configuration asks for: its arguments as given, all others left out. `place` stands for the
    /// block.
    pub fn given(
        address: Address,
        provider: &str,
        schema: &ResourceSchema,
        given: impl Fn(&str) -> Option<Value>,
        place: &str,
    ) -> Self {
        let arguments = schema.attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
        let arguments = arguments.map(|(name, attribute)| {
            let value = given(name).or_else(|| attribute.default.clone());
            (Arc::from(name.as_str()), value.unwrap_or_else(|| Value::null(attribute.ty.clone())))
        });
        Self {
            address,
            provider: provider.to_owned(),
            arguments: Data::Object(Arc::new(arguments.collect())).into(),
            depends_on: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            triggers: Vec::new(),
            sequence: None,
            span: Span { file: "".into(), start: 0, end: 0 },
            place: place.to_owned(),
        }
    }

    /// Everything this instance must wait for: named dependencies and the origins of its arguments.
    pub fn dependencies(&self) -> BTreeSet<Address> {
        let mut all = self.arguments.deep_origins();
        all.extend(self.depends_on.iter().cloned());
        all.remove(&self.address);
        all
    }
}

/// The `lifecycle` block, evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// A replacement makes the new object before it deletes the old one.
    #[serde(default)]
    pub create_before_destroy: bool,
    /// A plan that would delete the object is an error.
    #[serde(default)]
    pub prevent_destroy: bool,
    /// Arguments, and parts of arguments, whose differences are ignored.
    #[serde(default)]
    pub ignore_changes: BTreeSet<ArgumentPath>,
}

/// What the configuration says must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Who says so.
    pub stated_by: StatedBy,
    /// A truth value; unknown until operations have run.
    pub condition: Value,
    /// What to say when it does not hold; may be unknown.
    pub error_message: Value,
    /// `file:line:column` of the block.
    pub place: String,
}

/// Whose condition it is, which says what it stops when it does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum StatedBy {
    /// `validation` of a variable; nothing that comes after it in its module instance runs.
    Variable {
        /// The module instance, `module.mesh`; empty for the environment.
        module: String,
        /// The variable.
        name: String,
    },
    /// `precondition` of a resource: its operation does not run.
    Precondition {
        /// The instance.
        address: Address,
    },
    /// `postcondition` of a resource: nothing that depends on it runs.
    Postcondition {
        /// The instance.
        address: Address,
    },
    /// `precondition` of an output: it keeps the value it had.
    Output {
        /// The module instance, `module.mesh`; empty for the environment.
        module: String,
        /// The output.
        name: String,
    },
    /// `assert` of a `check`: a warning.
    Check {
        /// The module instance, `module.mesh`; empty for the environment.
        module: String,
        /// The check.
        name: String,
    },
}

impl StatedBy {
    /// Whether the run goes on as if it held.
    pub fn only_warns(&self) -> bool {
        matches!(self, Self::Check { .. })
    }

    /// What is said when it does not hold, with the message that goes with it.
    pub fn violated(&self, message: impl Into<String>) -> Diagnostic {
        let diagnostic = match self {
            Self::Variable { .. } => {
                Diagnostic::error("validation", format!("the value of {self} is not valid"))
            }
            Self::Precondition { address } => {
                Diagnostic::error("precondition", format!("{self} does not hold")).about(address)
            }
            Self::Postcondition { address } => {
                Diagnostic::error("postcondition", format!("{self} does not hold")).about(address)
            }
            Self::Output { .. } => {
                Diagnostic::error("precondition", format!("{self} does not hold"))
            }
            Self::Check { .. } => {
                Diagnostic::warning("check", format!("{self} found something wrong"))
            }
        };
        diagnostic.with_detail(message)
    }
}

impl fmt::Display for StatedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |module: &str, own: String| match module {
            "" => own,
            module => format!("{module}.{own}"),
        };
        match self {
            Self::Variable { module, name } => {
                write!(formatter, "`{}`", named(module, format!("var.{name}")))
            }
            Self::Precondition { address } => write!(formatter, "a precondition of `{address}`"),
            Self::Postcondition { address } => write!(formatter, "a postcondition of `{address}`"),
            Self::Output { module, name } => {
                let output = named(module, format!("output.{name}"));
                write!(formatter, "a precondition of `{output}`")
            }
            Self::Check { module, name } => {
                write!(formatter, "`{}`", named(module, format!("check.{name}")))
            }
        }
    }
}

/// `import { to = ... id = ... }`: an object that is there and is to be recorded as an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The instance, which the configuration has.
    pub address: Address,
    /// Key into [`Desired::providers`].
    pub provider: String,
    /// The provider's identity of the object.
    pub id: String,
    /// The block in the source.
    pub span: Span,
}

/// Instances whose change makes another one's object anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The instances; each of them is enough.
    pub addresses: Vec<Address>,
    /// Which part of their attributes counts; empty for any update or replacement.
    pub path: Vec<Arc<str>>,
    /// As it was written.
    pub text: String,
}

/// A group of instances whose updates are rolled through one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The group's name, for example `node_set.edge.service.nebula`.
    pub group: String,
    /// How many at a time; at least 1.
    pub max_parallel: u32,
}

/// A root output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its value; may be unknown in a plan.
    pub value: Value,
    /// Shown only on request by name.
    #[serde(default)]
    pub sensitive: bool,
    /// One line for people.
    #[serde(default)]
    pub description: String,
}

/// The configuration of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// The provider's name: `local`.
    pub name: String,
    /// An object; must be known when planning.
    pub arguments: Value,
}

/// A node set after expansion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSet {
    /// Nodes in order.
    pub nodes: Vec<Node>,
    /// Names of the services on them.
    pub services: Vec<String>,
}

/// One node of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in the environment, stable: `edge-local-001`.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// From 0, within the pool.
    pub index: u64,
    /// Its failure domain.
    pub domain: String,
    /// What the pool's module returned as `machine` (an object; parts may be unknown):
    /// `address`, `port`, `user`, `host_key`, and perhaps `login_address` and `socket`.
    pub machine: Value,
    /// What expressions see as its `revision`: of the last apply that made it whole; empty where none has yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// A node that is there, for a configuration that is evaluated for the nodes that are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// From 0, within its pool.
    pub index: u64,
    /// Its revision as recorded; empty where that is not known.
    pub revision: String,
}

/// Tells the evaluator what the attributes of an instance will be, given its arguments: recorded ones
/// where nothing changes, unknown ones where an operation decides them. The planner implements it;
/// validation uses one that knows nothing.
pub trait Projection {
    /// All arguments and attributes of the instance as an object. Every attribute that an operation
    /// decides is a [`Value::output`] of the instance's address.
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>>;

    /// The nodes that a pool has, where those that are there count and not those that the configuration asks for.
    fn present(&self, node_set: &str, pool: &str) -> Option<Vec<Present>> {
        let _ = (node_set, pool);
        None
    }

    /// Whether all that is unknown is [`crate::Residual::Opaque`], so that nothing is to be computed later.
    fn is_opaque(&self) -> bool {
        false
    }
}
