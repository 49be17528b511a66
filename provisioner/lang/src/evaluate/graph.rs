//! The state of an evaluation: what has been computed, what is being computed, and for whom.

use super::cycle::Edges;
use super::demand::Demand;
use super::expansion::{Expansion, Repetition};
use super::names::{Place, View};
use super::node_set::NodeState;
use super::values::Values;
use crate::eval::{self, failed, is_failed};
use crate::functions::convert_unifying;
use crate::input::Inputs;
use crate::module::{Configuration, Module};
use crate::source::Recorder;
use crate::syntax::{Expression, Words};
use foldhash::{HashMap, HashSet};
use model::diagnostic::Told;
use model::graph::{Condition, Desired, Instance, Projection};
use model::schema::{Attribute, DataSchema, ProviderSchema, ResourceSchema};
use model::{Address, Diagnostic, InstanceKey, PathStep, Span, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Something that is computed once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decl {
    /// The module instance.
    pub scope: usize,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Variable(usize),
    Local(usize),
    Output(usize),
    /// The keys of a resource.
    Keys(usize),
    /// All instances of a resource together.
    Resource(usize),
    Instance(usize, Option<InstanceKey>),
    /// The keys of an import.
    Imports(usize),
    /// The keys of a module call.
    Calls(usize),
    /// One instance of a module call.
    Child(usize, Option<InstanceKey>),
    /// Which nodes a node set has.
    Size(usize),
    /// The `inputs` of a pool.
    Inputs(usize, usize),
    /// The services of a node set.
    Services(usize),
    /// One node of a set as expressions see it.
    Node(usize, usize),
    /// All nodes of a set as expressions see them.
    Nodes(usize),
    /// A service's handle.
    Handle(usize),
    /// A gate's handle.
    Gate(usize),
    /// A rollout's handle.
    Rollout(usize),
    /// A part of a service that is the same for all nodes.
    ServicePart(usize, &'static str),
    /// The facts of service `.2` (by handle) on a node of a set.
    Facts(usize, usize, Handle),
    /// The keys of a provider.
    Provider(usize),
    /// The assertions of a check.
    Check(usize),
    Environment,
}

/// A service of a module instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Handle {
    pub scope: usize,
    pub service: usize,
}

/// A module instance.
pub(super) struct Scope {
    pub module: Arc<Module>,
    pub path: Vec<PathStep>,
    pub origin: Origin,
    /// What everything in it must wait for.
    pub depends_on: Arc<BTreeSet<Address>>,
    /// What the providers that the module names are called in the environment, where that is something else.
    pub providers: Arc<BTreeMap<String, String>>,
}

/// Where a module instance's variables come from.
#[derive(Clone)]
pub(super) enum Origin {
    Root,
    Call { scope: usize, call: usize, repetition: Repetition },
    Pool { set: usize, pool: usize, node: Value },
}

pub(super) struct Graph<'a> {
    pub configuration: &'a Configuration,
    pub inputs: &'a Inputs,
    pub schemas: &'a BTreeMap<String, ProviderSchema>,
    pub projection: &'a dyn Projection,
    pub kinds: HashMap<&'a str, (&'a str, &'a ResourceSchema)>,
    pub data_kinds: HashMap<&'a str, (&'a str, &'a DataSchema)>,
    pub recorder: Recorder,
    pub scopes: Vec<Scope>,
    pub children: HashMap<(usize, usize, Option<InstanceKey>), Option<usize>>,
    pub expansions: HashMap<Decl, Expansion>,
    pub nodes: HashMap<usize, Arc<Vec<NodeState>>>,
    pub services: HashMap<usize, Arc<Vec<Handle>>>,
    pub handles: HashMap<Arc<str>, Handle>,
    /// The module instances of gates and rollouts whose handles were asked for, and their places there.
    pub declared: HashMap<Arc<str>, (usize, usize)>,
    /// Instances made so far.
    pub instances: HashMap<Decl, Instance>,
    pub facts: HashMap<(usize, usize), Vec<Instance>>,
    /// Declarations whose arguments were checked against the schema.
    pub checked: HashSet<(Arc<str>, usize, usize)>,
    /// Conditions that only an apply can tell.
    pub conditions: Vec<Condition>,
    /// Who stated them, and where.
    pub stated: HashSet<String>,
    pub values: Values,
    pub demand: Demand,
    /// The reference that asks for the next declaration.
    pub reason: Option<Span>,
    /// The key of the resource that is looked up; kept for its memory.
    pub key: String,
    /// Names of schemas, shared by all instances.
    pub words: Words,
    pub edges: Option<Edges>,
    pub cyclic: bool,
    /// How many calls have been given a run of their own: what tells them apart.
    pub runs: u64,
    pub told: Told,
}

impl<'a> Graph<'a> {
    pub(super) fn new(
        configuration: &'a Configuration,
        inputs: &'a Inputs,
        schemas: &'a BTreeMap<String, ProviderSchema>,
        projection: &'a dyn Projection,
        trace: bool,
    ) -> Self {
        let mut kinds = HashMap::default();
        for (name, schema) in schemas {
            for (kind, resource) in &schema.resources {
                kinds.insert(kind.as_str(), (name.as_str(), resource));
            }
        }
        let mut data_kinds = HashMap::default();
        for (name, schema) in schemas {
            for (kind, data) in &schema.data {
                data_kinds.insert(kind.as_str(), (name.as_str(), data));
            }
        }
        let root = Scope {
            module: configuration.root.clone(),
            path: Vec::new(),
            origin: Origin::Root,
            depends_on: Arc::default(),
            providers: Arc::default(),
        };
        Self {
            configuration,
            inputs,
            schemas,
            projection,
            kinds,
            data_kinds,
            recorder: Recorder::new(configuration.loader.clone()),
            scopes: vec![root],
            children: HashMap::default(),
            expansions: HashMap::default(),
            nodes: HashMap::default(),
            services: HashMap::default(),
            handles: HashMap::default(),
            declared: HashMap::default(),
            instances: HashMap::default(),
            facts: HashMap::default(),
            checked: HashSet::default(),
            conditions: Vec::new(),
            stated: HashSet::default(),
            values: Values::default(),
            demand: Demand::default(),
            reason: None,
            key: String::new(),
            words: Words::default(),
            edges: trace.then(Edges::default),
            cyclic: false,
            runs: 0,
            told: Told::default(),
        }
    }

    /// Evaluates everything.
    pub(super) fn run(&mut self) -> Desired {
        self.check_inputs();
        let resources = self.configuration.root.resources.len();
        let mut instances = Vec::with_capacity(resources);
        self.values.reserve(resources);
        self.walk(0, &mut instances);
        // For its mistakes: whoever needs the settings has asked for them before.
        self.settings();
        let outputs = self.root_outputs();
        self.service_instances(&mut instances);
        self.check_moves(&instances);
        let removals = self.removals();
        let imports = self.imports(&instances);
        let checked = self.checked_data();
        let providers = self.providers(&instances);
        let node_sets = self.node_sets();
        let rollouts = self.rollouts();
        Desired {
            environment: self.configuration.environment_name(),
            instances,
            outputs,
            providers,
            node_sets,
            rollouts: rollouts.by_set,
            rollout_order: rollouts.order,
            conditions: std::mem::take(&mut self.conditions),
            checked,
            removals,
            imports,
            configuration_digest: self.digest(),
        }
    }

    pub(super) fn module(&self, scope: usize) -> Arc<Module> {
        self.scopes[scope].module.clone()
    }

    /// Gives a value to a declaration while it is still being computed (a variable in its own validation).
    pub(super) fn settle(&mut self, decl: &Decl, value: &Value) {
        self.values.insert(decl.clone(), value.clone());
    }

    /// The value of an expression at a place.
    pub(super) fn eval(&mut self, expression: &Expression, place: &Place) -> Value {
        let mut view = View { graph: self, place };
        let (value, diagnostics) = eval::evaluate(expression, &mut view);
        for diagnostic in diagnostics {
            self.report(diagnostic);
        }
        value
    }

    /// The same, converted. `what` names the value in messages.
    pub(super) fn eval_as(
        &mut self,
        expression: &Expression,
        ty: &Type,
        what: impl Display,
        place: &Place,
    ) -> Value {
        let value = self.eval(expression, place);
        self.convert(&value, ty, what, expression)
    }

    pub(super) fn convert(
        &mut self,
        value: &Value,
        ty: &Type,
        what: impl Display,
        expression: &Expression,
    ) -> Value {
        if value.is_unknown() && is_failed(value) {
            return failed();
        }
        match convert_unifying(value, ty) {
            Ok(value) => value,
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("wrong-type", format!("{what} has the wrong type"))
                        .with_label(expression.span(), error.to_string());
                self.report(diagnostic);
                failed()
            }
        }
    }

    /// Reports a mistake, once, with the instance in whose evaluation it shows.
    pub(super) fn report(&mut self, mut diagnostic: Diagnostic) {
        if self.demand.is_broken_off() {
            return;
        }
        if diagnostic.address.is_none() {
            let mut around = self.demand.innermost_first();
            diagnostic.address = around.find_map(|decl| self.instance_address(decl));
        }
        self.told.tell(diagnostic);
    }

    fn instance_address(&self, decl: &Decl) -> Option<Address> {
        match &decl.what {
            What::Instance(resource, key) => Some(self.address(decl.scope, *resource, key.clone())),
            _ => None,
        }
    }

    pub(super) fn address(
        &self,
        scope: usize,
        resource: usize,
        key: Option<InstanceKey>,
    ) -> Address {
        let Scope { module, path, .. } = &self.scopes[scope];
        let resource = module.resources.get(resource);
        let make = if resource.is_data { Address::data } else { Address::new };
        make(path.clone(), resource.kind.clone(), resource.name.clone(), key)
    }

    /// The provider of a resource type or data source, and its arguments and attributes.
    pub(super) fn declared(
        &self,
        is_data: bool,
        kind: &str,
    ) -> Option<(&'a str, &'a BTreeMap<String, Attribute>)> {
        if is_data {
            let (provider, schema) = self.data_kinds.get(kind)?;
            return Some((provider, &schema.attributes));
        }
        let (provider, schema) = self.kinds.get(kind)?;
        Some((provider, &schema.attributes))
    }

    /// What stands before the names of a module instance's declarations: `module.mesh.`.
    pub(super) fn prefix(&self, scope: usize) -> String {
        let mut prefix = String::new();
        for step in &self.scopes[scope].path {
            prefix.push_str(&step.to_string());
            prefix.push('.');
        }
        prefix
    }

    /// A declaration as a user would write it, from the root.
    pub(super) fn describe(&self, decl: &Decl) -> String {
        let module = &self.scopes[decl.scope].module;
        let prefix = self.prefix(decl.scope);
        let set =
            |set: &usize| format!("node_set.{}", self.configuration.root.node_sets.get(*set).name);
        let resource = |at: &usize| module.resources.get(*at).text();
        let own = match &decl.what {
            What::Variable(at) => format!("var.{}", module.variables.get(*at).name),
            What::Local(at) => format!("local.{}", module.locals.get(*at).name),
            What::Output(at) => format!("output.{}", module.outputs.get(*at).name),
            What::Keys(at) | What::Resource(at) => resource(at),
            What::Instance(at, key) => {
                let key = key.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{}{key}", resource(at))
            }
            What::Calls(at) => format!("module.{}", module.calls.get(*at).name),
            What::Child(at, key) => {
                let key = key.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("module.{}{key}", module.calls.get(*at).name)
            }
            What::Size(at) => format!("{}.size", set(at)),
            What::Inputs(at, _) => format!("the inputs of {}", set(at)),
            What::Services(at) => format!("{}.services", set(at)),
            What::Nodes(at) | What::Node(at, _) => format!("{}.nodes", set(at)),
            What::Facts(at, _, _) => format!("the facts of {}", set(at)),
            What::Handle(at) => format!("service.{}", module.services.get(*at).name),
            What::Gate(at) => format!("gate.{}", module.gates.get(*at).name),
            What::Rollout(at) => format!("rollout.{}", module.rollouts.get(*at).name),
            What::ServicePart(at, part) => {
                format!("service.{} ({part})", module.services.get(*at).name)
            }
            What::Provider(at) => {
                format!("provider.{}", self.configuration.root.providers.get(*at).key)
            }
            What::Check(at) => format!("check.{}", module.checks.get(*at).name),
            What::Imports(at) => {
                format!(
                    "the import of {}",
                    module.imports.get(*at).map_or("", |import| import.name())
                )
            }
            What::Environment => "environment".to_owned(),
        };
        format!("{prefix}{own}")
    }
}
