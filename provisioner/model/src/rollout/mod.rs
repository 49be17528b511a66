//! What a rollout is, as data: the evaluated `rollout` and `gate` blocks, and the entries that a rollout writes into the
//! journal ([`entry`]).
//!
//! A rollout moves the nodes of node sets from the *stable* revision to the *candidate* one in stages; each stage bakes
//! and is judged by gates. Nothing here decides anything: the rules are in the crate `rollout`.

pub mod entry;
pub mod foresight;
mod gap;
pub mod reason;

use crate::diagnostic::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How changes reach the nodes of a node set: a `rollout` block, evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Where it is declared: `rollout.careful`, `module.rollout.rollout.standard`.
    pub name: String,
    /// In the order in which they are gone through; at least one. The last one is all nodes.
    pub stages: Vec<Stage>,
    /// The gates that stages name, by name.
    pub gates: BTreeMap<String, Gate>,
    /// How many nodes are changed at a time.
    pub max_parallel: u32,
    /// How many nodes of one failure domain may be down at a time, those that are being changed included.
    pub max_unavailable: Amount,
    /// How many nodes more than the set has may exist while nodes are replaced; none: a node goes before its
    /// replacement comes.
    pub max_surge: Amount,
    /// How many nodes of each failure domain stay on the stable revision until the last stage, as the control group, from
    /// the first stage on that holds three quarters of the nodes.
    pub holdback: u32,
    /// Pairs of nodes, by name, that are never changed at the same time: the two ends of an edge of a mesh.
    #[serde(default)]
    pub apart: Vec<(String, String)>,
    /// When stages may begin and be promoted. Rolling back is exempt.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Who is told.
    #[serde(default)]
    pub notify: Vec<Notify>,
    /// Whether a restore point of the nodes' volumes is made before the first wave.
    #[serde(default)]
    pub snapshot_before: bool,
    /// What users were promised, to compare with what the rollout puts at stake.
    #[serde(default)]
    pub error_budget: Option<ErrorBudget>,
    /// Milliseconds between two measurements of a gate that says nothing else.
    pub interval_ms: u64,
    /// The block in the source.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// A number of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Of the node set (or of what the field speaks of), from 0 to 100. Rounds up.
    Percent(f64),
    /// So many.
    Count(u32),
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Unique in the rollout: `canary-5`.
    pub name: String,
    /// How many nodes are on the candidate when it bakes, those of the stages before included; a percentage is of the
    /// nodes of the set that change.
    pub nodes: Amount,
    /// How long the candidate is watched, from when the last node of the stage is changed. Wall clock.
    pub bake_ms: u64,
    /// How long after the bake a stage whose gates are inconclusive is held; it then aborts.
    pub deadline_ms: u64,
    /// What it is judged by.
    pub gates: Vec<StageGate>,
    /// What a failed gate does.
    pub rollback: RollbackRule,
    /// Who must agree before it begins.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// The block in the source.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// What a failed gate does. Dead nodes and error rates over the bound roll back under both, unless this is manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackRule {
    /// The rollout is rolled back.
    Automatic,
    /// The rollout is held until a person says `rollout abort` or `rollout promote`.
    Manual,
}

/// People must agree before a stage begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// How many different people.
    pub people: u32,
    /// How long an approval counts; it is bound to the hash of the rollout's plan.
    pub valid_ms: u64,
}

/// A gate as a stage uses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageGate {
    /// The gate's name, a key of [`Rollout::gates`].
    pub gate: String,
    /// What must hold; the gate's own check with what the stage says instead.
    pub check: Check,
    /// The block, or the place in the list, in the source.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// Where a measurement comes from: a `gate` block, evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// Who is asked.
    pub source: Source,
    /// Milliseconds between two measurements.
    pub interval_ms: u64,
    /// Milliseconds that one answer may take.
    pub timeout_ms: u64,
    /// The block in the source.
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Gate {
    /// The gate without what it asks of the control group, for a stage that compares nothing.
    #[must_use]
    pub fn without_control(&self) -> Self {
        let mut gate = self.clone();
        if let Source::Prometheus { queries, .. } | Source::Json { queries, .. } = &mut gate.source
        {
            match queries {
                Queries::Counts { control, .. } => *control = None,
                Queries::Value { control, .. } => *control = None,
            }
        }
        gate
    }
}

/// Who is asked, and what. Texts may hold `$candidate`, `$control` and `$stage` (label matchers `node=~"a|b"` of the
/// nodes on the candidate, of the control group, of the nodes that came with this stage) and `$window` (how long ago
/// the last measurement was, as a duration of Prometheus).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum Source {
    /// The HTTP API of Prometheus.
    Prometheus {
        /// Base URL.
        url: String,
        /// Headers to send. Their values are secret.
        #[serde(skip)]
        headers: BTreeMap<String, String>,
        /// What to ask.
        queries: Queries,
        /// Milliseconds after which a sample is too old to be one.
        staleness_ms: u64,
    },
    /// Alertmanager: no alert fires that these matchers name.
    Alertmanager {
        /// Base URL.
        url: String,
        /// Headers to send. Their values are secret.
        #[serde(skip)]
        headers: BTreeMap<String, String>,
        /// Matchers such as `severity="critical"`.
        matchers: Vec<String>,
    },
    /// An HTTP address that answers JSON; each query is a JSONPath into the answer.
    Json {
        /// The address.
        url: String,
        /// Headers to send. Their values are secret.
        #[serde(skip)]
        headers: BTreeMap<String, String>,
        /// JSONPaths.
        queries: Queries,
    },
    /// An HTTP address: an answer below 400 is a yes.
    Http {
        /// The address.
        url: String,
        /// Headers to send. Their values are secret.
        #[serde(skip)]
        headers: BTreeMap<String, String>,
    },
    /// A command on the machine of whoever drives the rollout: exit code 0 is a yes, 1 a no, any other is no answer.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// The probes of the services on the nodes of the candidate.
    Nodes,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "asks")]
pub enum Queries {
    /// Events: how many were bad of how many, within `$window`.
    Counts {
        /// Those that were bad.
        bad: String,
        /// All of them.
        total: String,
        /// The same of the control group, if its rate is to be compared with.
        control: Option<(String, String)>,
    },
    /// A number.
    Value {
        /// The candidate's.
        value: String,
        /// The control group's.
        control: Option<String>,
        /// The load offered, if the gate applies only above a floor.
        load: Option<String>,
    },
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "check")]
pub enum Check {
    /// The share of bad events. Latency is this too: the share of requests that took longer than the limit.
    Rate {
        /// Proceed when the share is below this, from 0 to 1.
        proceed_below: f64,
        /// Roll back when it is shown to be above this.
        rollback_above: Option<f64>,
        /// Roll back when it is shown to be above the control group's by more than this.
        worse_than_control: Option<f64>,
        /// Below so many events it never proceeds. To roll back needs no minimum: what is shown is shown.
        min_sample: u64,
        /// How sure "shown" is, from 0 to 1: 0.99.
        confidence: f64,
    },
    /// A number.
    Value {
        /// Proceed when it is above this.
        proceed_above: Option<f64>,
        /// Proceed when it is below this.
        proceed_below: Option<f64>,
        /// Roll back when it is below this.
        rollback_below: Option<f64>,
        /// Roll back when it is above this.
        rollback_above: Option<f64>,
        /// The number is first divided by the control group's.
        relative: bool,
        /// The gate applies only while the load is at least this.
        min_load: Option<f64>,
        /// So many measurements in a row decide.
        consecutive: u32,
    },
    /// Yes is success; so many noes in a row are a failure.
    Yes {
        /// How many.
        consecutive: u32,
    },
}

/// When stages may begin and be promoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// For people: `nights`, `black friday`.
    pub name: String,
    /// Whether it allows or denies. Deny wins. With no window that allows, everything not denied is allowed.
    pub effect: WindowEffect,
    /// When it is.
    pub time: WindowTime,
    /// The block in the source.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// What a window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowEffect {
    /// Stages may go on.
    Allow,
    /// They may not.
    Deny,
}

/// When a window is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "when")]
pub enum WindowTime {
    /// Once, between two moments (Unix milliseconds).
    Once {
        /// From, inclusive.
        from_ms: i64,
        /// To, exclusive.
        until_ms: i64,
    },
    /// Every week.
    Weekly {
        /// Days, 0 is Monday.
        days: Vec<u8>,
        /// Minute of the day at which it begins.
        from_minute: u16,
        /// Minute of the day at which it ends; one that is not after `from_minute` is on the next day.
        until_minute: u16,
        /// IANA name of the time zone.
        timezone: String,
    },
}

/// Who is told of stages, verdicts, rollbacks and the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Notify {
    /// A POST of JSON.
    Webhook {
        /// The address; may hold a secret.
        #[serde(skip)]
        url: String,
    },
    /// A command that gets the JSON on its standard input.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// What users were promised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Share of requests that may fail, from 0 to 1: 0.001.
    pub tolerated: f64,
    /// Over how long.
    pub period_ms: u64,
    /// How many requests a second one node serves.
    pub per_node_rate: f64,
}
