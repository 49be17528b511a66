//! The planner: desired x recorded x actual -> a plan. Pure: no clock, no files, no calls.
//!
//! [`Planner`] is made from what is recorded and observed. While the configuration is evaluated it tells
//! what the attributes of each instance will be ([`Projection`]); then [`Planner::plan`] puts the
//! decisions together: changes for people, and numbered operations with what each needs.
//!
//! Invariants: the same input gives the same plan, byte for byte; a plan that [`check::check`] finds
//! fault with is a defect here; the work grows with the size of the graph, not with its square.
//! Refuses to know: syntax, providers beyond their schemas, how a plan is stored or shown.

mod agreed;
mod blocks;
mod bonds;
pub mod check;
mod compare;
mod compose;
mod conditions;
mod cycle;
mod data;
mod decide;
pub mod dot;
mod fates;
mod follow;
mod held;
mod moves;
mod nearest;
mod order;
mod removals;
mod results;
mod scope;
mod stable;
mod standing;
mod surge;
mod target;
mod topology;

pub use agreed::beyond;
pub use data::{Answers, Question, unread};
pub use dot::{dot, dot_plan};
pub use moves::{Renamed, rename};
pub use scope::reach;

pub use target::{Target, TargetError};

use decide::{Decision, Subject, decide};
use model::graph::{Desired, Instance, Lifecycle, Node, Present, Projection};
use model::plan::{Action, Actual, Moved, Observation, Plan};
use model::record::{Record, Recorded};
use model::schema::{ProviderSchema, ResourceSchema};
use model::{Address, Diagnostic, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What the user asked for, and what the caller knows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Instances to replace though nothing demands it (`--replace`).
    pub replace: BTreeSet<Address>,
    /// What the plan is limited to (`--target`), with all that it needs; none for everything.
    pub targets: Vec<Target>,
    /// Nodes that stay as they are recorded, by node set and name, whatever the configuration says. What of them is not
    /// recorded is made only if a target needs it.
    pub held: BTreeSet<(String, String)>,
    /// Node sets that are evaluated as having the nodes that are recorded, whatever the configuration says: those that are
    /// to come are left out, and those that are to go are there.
    pub present: BTreeSet<String>,
    /// What objects begin with whatever the configuration says: an argument of an instance, with its value. One that began with
    /// something else is replaced.
    pub begin_with: BTreeMap<Address, (String, Value)>,
    /// What has another address in the given state than it is recorded at (see [`rename`]).
    pub moved: Vec<Moved>,
    /// RFC 3339 time that is written into the plan.
    pub created_at: String,
    /// The environment's name.
    pub environment: String,
}

/// Decides about instances one by one, then plans the whole.
pub struct Planner<'a> {
    recorded: &'a Recorded,
    actual: &'a Actual,
    schemas: &'a BTreeMap<String, ProviderSchema>,
    options: Options,
    answers: Cow<'a, Answers>,
    asked: RefCell<BTreeMap<Address, Question>>,
    decisions: RefCell<HashMap<Address, Rc<Decided>>>,
}

/// A decision, and what it was made from: evaluation asks about an instance, planning asks again.
struct Decided {
    arguments: Value,
    provider: String,
    lifecycle: Lifecycle,
    decision: Rc<Decision>,
}

impl<'a> Planner<'a> {
    /// A planner for one run.
    pub fn new(
        recorded: &'a Recorded,
        actual: &'a Actual,
        schemas: &'a BTreeMap<String, ProviderSchema>,
        options: Options,
    ) -> Self {
        let answers = Cow::Owned(Answers::new());
        let (asked, decisions) = (RefCell::default(), RefCell::default());
        Self { recorded, actual, schemas, options, answers, asked, decisions }
    }

    /// With what was read of data sources.
    #[must_use]
    pub fn with_answers(mut self, answers: &'a Answers) -> Self {
        self.answers = Cow::Borrowed(answers);
        self
    }

    /// What must change so that the world is as desired; all errors at once.
    pub fn plan(&self, desired: &Desired) -> Result<Plan, Vec<Diagnostic>> {
        compose::plan(self, desired)
    }

    /// The desired graph in which nodes (by node set and name) and `others`, which belong to none of them, are as they were
    /// recorded `then`, and all else as it is recorded now. Unlike [`stable`], what came from an object that is made anew, such as the address of a machine, is
    /// what that object will have.
    pub fn stable(
        &self,
        then: &Recorded,
        nodes: &BTreeSet<(String, String)>,
        others: &BTreeSet<Address>,
    ) -> Desired {
        stable::followed(self, then, nodes, others)
    }

    /// What must be deleted so that nothing is left.
    pub fn plan_destroy(&self) -> Result<Plan, Vec<Diagnostic>> {
        compose::plan_destroy(self)
    }

    /// The schema of a resource type; `provider` may carry an alias (`local.west`).
    fn schema(&self, provider: &str, kind: &str) -> Option<&'a ResourceSchema> {
        let name = provider.split('.').next().unwrap_or(provider);
        self.schemas.get(name)?.resources.get(kind)
    }

    fn record(&self, address: &Address) -> Option<&'a Record> {
        self.recorded.records.get(address)
    }

    fn observation(&self, address: &Address) -> Option<&'a Observation> {
        self.actual.get(address)
    }

    fn fate(&self, address: &Address) -> Option<Action> {
        self.decisions.borrow().get(address).map(|decided| decided.decision.action)
    }

    /// Decides about an instance; those it depends on should have been decided before.
    fn decision(&self, instance: &Instance) -> Result<Rc<Decision>, Vec<Diagnostic>> {
        if instance.address.is_data() {
            // Others have counted on what was decided first; its conditions may have made it wait for more since.
            if let Some(decided) = self.decisions.borrow().get(&instance.address)
                && decided.arguments == instance.arguments
                && decided.provider == instance.provider
            {
                return Ok(decided.decision.clone());
            }
            let decision = Rc::new(self.data_decision(instance)?);
            return Ok(self.decided(instance, decision));
        }
        let schema = self
            .schema(&instance.provider, instance.address.kind())
            .ok_or_else(|| vec![unknown_type(instance)])?;
        // What hangs on what happens to others is decided anew: they may have been decided since.
        if !schema.follows_dependencies
            && instance.triggers.is_empty()
            && let Some(decided) = self.decisions.borrow().get(&instance.address)
            && decided.arguments == instance.arguments
            && decided.provider == instance.provider
            && decided.lifecycle == instance.lifecycle
        {
            return Ok(decided.decision.clone());
        }
        if let Some(decision) = held::decision(self, instance, schema) {
            return Ok(self.decided(instance, Rc::new(decision)));
        }
        let decision = Rc::new(decide(&Subject {
            instance,
            schema,
            record: self.record(&instance.address),
            observation: self.observation(&instance.address),
            requested: self.options.replace.contains(&instance.address),
            begins_with: self.options.begin_with.get(&instance.address),
            fate: &|address| self.fate(address),
            decision: &|address| Some(self.decisions.borrow().get(address)?.decision.clone()),
        }));
        Ok(self.decided(instance, decision))
    }

    fn decided(&self, instance: &Instance, decision: Rc<Decision>) -> Rc<Decision> {
        let decided = Decided {
            arguments: instance.arguments.clone(),
            provider: instance.provider.clone(),
            lifecycle: instance.lifecycle.clone(),
            decision: decision.clone(),
        };
        self.decisions.borrow_mut().insert(instance.address.clone(), Rc::new(decided));
        decision
    }
}

fn unknown_type(instance: &Instance) -> Diagnostic {
    let (kind, provider) = (instance.address.kind(), &instance.provider);
    Diagnostic::error(
        "unknown-resource-type",
        format!("provider `{provider}` has no type `{kind}`"),
    )
    .with_label(instance.span.clone(), "")
    .about(&instance.address)
}

impl Projection for Planner<'_> {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        // A refused change is told by `plan`, with all others; evaluation goes on meanwhile.
        self.decision(instance).map(|decision| decision.after.clone())
    }

    fn present(&self, node_set: &str, pool: &str) -> Option<Vec<Present>> {
        if !self.options.present.contains(node_set) {
            return None;
        }
        let recorded = self.recorded.node_sets.get(node_set).into_iter().flatten();
        let recorded = recorded.filter(|node| node.pool == pool);
        let present = |node: &Node| Present { index: node.index, revision: node.revision.clone() };
        let mut present: Vec<Present> = recorded.map(present).collect();
        present.sort_by_key(|node| node.index);
        Some(present)
    }
}
