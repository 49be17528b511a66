//! A simulated world: a provider's schema, a configuration that is evaluated through the planner's
//! projection, objects, and an executor that follows a plan to the letter.

use model::graph::{
    Desired, Instance, Lifecycle, Output, Projection as _, ProviderConfig, Sequence, Trigger,
};
use model::moves::{Endpoint, Move, Removal, ResourceName};
use model::plan::{Actual, Change, Moved, Observation, Operation, OperationKind, Plan};
use model::record::{Record, Recorded};
use model::rollout::{Amount, Rollout};
use model::schema::{Attribute, ProviderSchema, ResourceSchema};
use model::value::Data;
use model::{Address, Diagnostic, PathStep, Residual, Span, Type, Value};
use planner::{Options, Planner, Target};
use std::collections::{BTreeMap, BTreeSet};

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// An address or a module as a statement names it.
fn endpoint(text: &str) -> Endpoint {
    let whole = Address::parse(text);
    let (path, resource) = match &whole {
        Ok(at) => {
            let (kind, name) = (at.kind().into(), at.name().into());
            (at.path().to_vec(), Some(ResourceName { kind, name, key: at.key().cloned() }))
        }
        Err(_) => (address(&format!("{text}.x.x")).path().to_vec(), None),
    };
    let module = |step: PathStep| match step {
        PathStep::Module { name, key } => (name, key),
        _ => panic!("{text} leads through a node set"),
    };
    Endpoint { modules: path.into_iter().map(module).collect(), resource }
}

pub fn schemas() -> BTreeMap<String, ProviderSchema> {
    let attributes = |list: Vec<(&str, Attribute)>| {
        list.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect()
    };
    let host = ResourceSchema {
        attributes: attributes(vec![
            ("name", Attribute::required(Type::String, "").forces_replacement()),
            ("size", Attribute::optional(Type::Number, "").with_default(1.into())),
            ("tags", Attribute::optional(Type::map(Type::String), "")),
            ("peer", Attribute::optional(Type::String, "")),
            ("parent", Attribute::optional(Type::String, "").forces_replacement()),
            ("disk", Attribute::optional(Type::Number, "").refuses_change("make a second one")),
            ("secret", Attribute::optional(Type::String, "").secret()),
            ("zone", Attribute::optional_computed(Type::String, "")),
            ("id", Attribute::computed(Type::String, "")),
            ("digest", Attribute::computed(Type::String, "").volatile()),
            ("status", Attribute::computed(Type::String, "").expects("running".into()).volatile()),
        ]),
        ..ResourceSchema::default()
    };
    let mut named = host.clone();
    named.adoption.unique_name = true;
    let mut bound = host.clone();
    let ports = Attribute::optional(Type::map(Type::Number), "").exclusive();
    bound.attributes.insert("ports".to_owned(), ports);
    let mut attached = host.clone();
    let disk = Attribute::optional(Type::String, "").exclusive_unless("sim_disk", "shared");
    attached.attributes.insert("volume".to_owned(), disk);
    let mut disk = host.clone();
    disk.attributes.insert("shared".to_owned(), Attribute::optional(Type::Bool, ""));
    let mut ranged = host.clone();
    let range = Attribute::computed(Type::String, "").changes_with("peer");
    ranged.attributes.insert("range".to_owned(), range);
    let statement = ResourceSchema {
        attributes: attributes(vec![
            ("members", Attribute::optional(Type::list(Type::String), "")),
            ("pairs", Attribute::computed(Type::Number, "").volatile()),
        ]),
        follows_dependencies: true,
        ..ResourceSchema::default()
    };
    let provider = ProviderSchema {
        name: "sim".to_owned(),
        resources: [
            ("sim_host", host),
            ("sim_named", named),
            ("sim_attached", attached),
            ("sim_bound", bound),
            ("sim_disk", disk),
            ("sim_ranged", ranged),
            ("sim_statement", statement),
        ]
        .map(|(kind, schema)| (kind.to_owned(), schema))
        .into(),
        ..ProviderSchema::default()
    };
    [("sim".to_owned(), provider)].into()
}

/// What an argument is.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A value.
    Is(Value),
    /// An attribute of another instance.
    From(Address, &'static str),
    /// `"on-${attribute}"`: unknown while the attribute is.
    On(Address, &'static str),
    /// Several of them.
    All(Vec<Argument>),
}

/// A configured instance.
#[derive(Clone, Debug)]
pub struct Block {
    pub address: Address,
    pub provider: String,
    pub arguments: BTreeMap<String, Argument>,
    pub depends_on: BTreeSet<Address>,
    pub lifecycle: Lifecycle,
    pub triggers: Vec<Trigger>,
    pub sequence: Option<Sequence>,
}

impl Block {
    /// A host named like its address.
    pub fn host(name: &str) -> Self {
        let address =
            if name.contains('.') { address(name) } else { address(&format!("sim_host.{name}")) };
        Self::new(address.clone()).with("name", &*address.to_string())
    }

    pub fn statement(name: &str, members: &[&Address]) -> Self {
        let members = members.iter().map(|member| Argument::From((*member).clone(), "name"));
        let mut block = Self::new(address(&format!("sim_statement.{name}")));
        block.arguments.insert("members".to_owned(), Argument::All(members.collect()));
        block
    }

    fn new(address: Address) -> Self {
        Self {
            address,
            provider: "sim".to_owned(),
            arguments: BTreeMap::new(),
            depends_on: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            triggers: Vec::new(),
            sequence: None,
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), Argument::Is(value.into()));
        self
    }

    pub fn from(mut self, name: &str, other: &str, attribute: &'static str) -> Self {
        let argument = Argument::From(address(other), attribute);
        self.arguments.insert(name.to_owned(), argument);
        self
    }

    pub fn on(mut self, name: &str, other: &str, attribute: &'static str) -> Self {
        self.arguments.insert(name.to_owned(), Argument::On(address(other), attribute));
        self
    }

    pub fn after(mut self, other: &str) -> Self {
        self.depends_on.insert(address(other));
        self
    }

    pub fn create_first(mut self) -> Self {
        self.lifecycle.create_before_destroy = true;
        self
    }

    pub fn prevent_destroy(mut self) -> Self {
        self.lifecycle.prevent_destroy = true;
        self
    }

    pub fn ignoring(mut self, name: &str) -> Self {
        self.lifecycle.ignore_changes.insert(model::ArgumentPath::whole(name));
        self
    }

    /// Made anew when an attribute of another one changes; with an empty path, when anything does.
    pub fn triggered_by(mut self, other: &str, path: &[&str]) -> Self {
        let path: Vec<_> = path.iter().map(|step| std::sync::Arc::from(*step)).collect();
        self.triggers.push(Trigger {
            addresses: vec![address(other)],
            path,
            text: other.to_owned(),
        });
        self.after(other)
    }

    pub fn in_sequence(mut self, group: &str, max_parallel: u32) -> Self {
        self.sequence = Some(Sequence { group: group.to_owned(), max_parallel });
        self
    }
}

/// A configuration: blocks, each after those it refers to.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub blocks: Vec<Block>,
    pub outputs: BTreeMap<String, Argument>,
    pub moves: Vec<Move>,
    pub removals: Vec<Removal>,
    /// How many nodes more than they have node sets may have, by set.
    pub surges: BTreeMap<String, u32>,
}

impl Config {
    pub fn of(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { blocks: blocks.into_iter().collect(), ..Self::default() }
    }

    pub fn output(mut self, name: &str, other: &str, attribute: &'static str) -> Self {
        self.outputs.insert(name.to_owned(), Argument::From(address(other), attribute));
        self
    }

    /// With a block `moved` in the root module.
    pub fn moved(mut self, from: &str, to: &str) -> Self {
        let (from, to) = (endpoint(from), endpoint(to));
        let span = Some(Span { file: "main.hcl".into(), start: 0, end: 5 });
        self.moves.push(Move { within: Vec::new(), from, to, span });
        self
    }

    /// With a block `removed` in the root module.
    pub fn removed(mut self, from: &str, destroy: bool) -> Self {
        self.removals.push(Removal { within: Vec::new(), from: endpoint(from), destroy });
        self
    }

    /// Evaluates as the language does: instance by instance, through the projection.
    pub fn evaluate(&self, planner: &Planner<'_>) -> Desired {
        let mut known: BTreeMap<Address, Value> = BTreeMap::new();
        let mut desired = Desired {
            environment: "test".to_owned(),
            configuration_digest: "digest".to_owned(),
            removals: self.removals.clone(),
            ..Desired::default()
        };
        let config =
            ProviderConfig { name: "sim".to_owned(), arguments: Value::object::<&str>([]) };
        desired.providers.insert("sim".to_owned(), config);
        let rollouts = self.surges.iter().map(|(set, most)| (set.clone(), rollout(*most)));
        desired.rollouts = rollouts.collect();
        for block in &self.blocks {
            let instance = block.instance(&known);
            if let Ok(attributes) = planner.attributes(&instance) {
                let origin = &block.address;
                let marked = attributes.map_leaves(&mut |leaf| leaf.clone().with_origin(origin));
                known.insert(block.address.clone(), marked);
            }
            desired.instances.push(instance);
        }
        for (name, argument) in &self.outputs {
            let value = argument.value(&known);
            let output = Output { value, sensitive: false, description: String::new() };
            desired.outputs.insert(name.clone(), output);
        }
        desired
    }
}

/// A rollout with room for so many nodes more than its set has.
fn rollout(max_surge: u32) -> Rollout {
    Rollout {
        name: "rollout.r".to_owned(),
        stages: Vec::new(),
        gates: BTreeMap::new(),
        max_parallel: 1,
        max_unavailable: Amount::Count(1),
        max_surge: Amount::Count(max_surge),
        holdback: 0,
        apart: Vec::new(),
        windows: Vec::new(),
        notify: Vec::new(),
        snapshot_before: false,
        error_budget: None,
        interval_ms: 1_000,
        span: None,
    }
}

impl Argument {
    fn value(&self, known: &BTreeMap<Address, Value>) -> Value {
        match self {
            Self::Is(value) => value.clone(),
            Self::From(other, name) => known[other].get(name).unwrap(),
            Self::On(other, name) => on(&known[other].get(name).unwrap()),
            Self::All(items) => Value::tuple(items.iter().map(|item| item.value(known))),
        }
    }
}

fn on(value: &Value) -> Value {
    if let Some(text) = value.as_str() {
        return Value::string(&format!("on-{text}")).with_marks(value.marks());
    }
    let residual = Residual::Expression {
        source: "\"on-${value}\"".into(),
        template: false,
        scope: Value::object([("value", value.clone())]),
        place: "main.hcl:1:1".into(),
    };
    Value::unknown(Type::String, residual).with_marks(value.marks())
}

impl Block {
    fn instance(&self, known: &BTreeMap<Address, Value>) -> Instance {
        let schemas = schemas();
        let schema = &schemas["sim"].resources[self.address.kind()];
        let argument = |(name, attribute): (&String, &Attribute)| {
            let value = self.arguments.get(name).map(|argument| argument.value(known));
            let value = value.unwrap_or_else(|| Value::null(attribute.ty.clone()));
            (name.clone(), model::convert::convert(&value, &attribute.ty).unwrap())
        };
        let arguments = schema.attributes.iter();
        let arguments = arguments.filter(|(_, a)| a.mode != model::schema::Mode::Computed);
        let arguments: Vec<_> = arguments.map(argument).collect();
        Instance {
            address: self.address.clone(),
            provider: self.provider.clone(),
            arguments: Value::object(arguments.iter().map(|(n, v)| (n.as_str(), v.clone()))),
            depends_on: self.depends_on.clone(),
            lifecycle: self.lifecycle.clone(),
            triggers: self.triggers.clone(),
            sequence: self.sequence.clone(),
            span: Span { file: "main.hcl".into(), start: 0, end: 8 },
            place: "main.hcl:1:1".to_owned(),
        }
    }
}

/// Recorded state, and the objects it is about, by id.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub recorded: Recorded,
    pub objects: BTreeMap<String, Value>,
    /// Instances that refresh cannot reach.
    pub unreachable: BTreeSet<Address>,
    pub replace: BTreeSet<Address>,
    pub targets: Vec<Target>,
    /// Nodes that the next plans leave as they are, by node set and name.
    pub held: BTreeSet<(String, String)>,
    /// What objects begin with, whatever the configuration says.
    pub begin_with: BTreeMap<Address, (String, Value)>,
    made: u64,
}

impl World {
    /// A world where the configuration has been applied.
    pub fn with(config: &Config) -> Self {
        let mut world = Self::default();
        world.recorded.lineage = "lineage".to_owned();
        world.apply(config);
        world
    }

    pub fn actual(&self) -> Actual {
        self.actual_of(&self.recorded)
    }

    fn actual_of(&self, recorded: &Recorded) -> Actual {
        let observe = |record: &Record| {
            let observation = match self.objects.get(&record.id) {
                _ if self.unreachable.contains(&record.address) => {
                    Observation::Unreachable("no route to host".to_owned())
                }
                Some(attributes) => Observation::Present(attributes.clone()),
                None => Observation::Absent("no such object".to_owned()),
            };
            (record.address.clone(), observation)
        };
        recorded.records.values().map(observe).collect()
    }

    fn options(&self) -> Options {
        Options {
            replace: self.replace.clone(),
            targets: self.targets.clone(),
            held: self.held.clone(),
            begin_with: self.begin_with.clone(),
            created_at: "2025-01-01T00:00:00Z".to_owned(),
            environment: "test".to_owned(),
            ..Options::default()
        }
    }

    pub fn try_plan(&self, config: &Config) -> Result<Plan, Vec<Diagnostic>> {
        let renamed = planner::rename(&self.recorded, &config.moves);
        let (actual, schemas) = (self.actual_of(&renamed.recorded), schemas());
        let options = Options { moved: renamed.moved, ..self.options() };
        let planner = Planner::new(&renamed.recorded, &actual, &schemas, options);
        let desired = config.evaluate(&planner);
        planner.plan(&desired)
    }

    /// The plan, checked.
    pub fn plan(&self, config: &Config) -> Plan {
        checked(self.try_plan(config).unwrap())
    }

    pub fn try_plan_destroy(&self) -> Result<Plan, Vec<Diagnostic>> {
        let (actual, schemas) = (self.actual(), schemas());
        Planner::new(&self.recorded, &actual, &schemas, self.options()).plan_destroy()
    }

    pub fn plan_destroy(&self) -> Plan {
        checked(self.try_plan_destroy().unwrap())
    }

    pub fn apply(&mut self, config: &Config) -> Plan {
        let plan = self.plan(config);
        self.run(&plan, plan.operations.len());
        plan
    }

    /// Runs the first operations of a plan, and finishes it if that is all of them.
    pub fn run(&mut self, plan: &Plan, count: usize) {
        for (address, revision) in &plan.base_revisions {
            let record = self.recorded.records.get(address);
            assert_eq!(*revision, record.map_or(0, |record| record.revision), "{address}");
        }
        self.relocate(&plan.moved);
        for record in &plan.refreshed {
            self.write(record.clone());
        }
        for address in &plan.vanished {
            self.recorded.records.remove(address);
        }
        let mut outputs = BTreeMap::new();
        for operation in plan.operations.iter().take(count) {
            self.perform(operation, &mut outputs);
        }
        if count >= plan.operations.len() {
            let resolve = |output: &Output| Output {
                value: Self::resolve(&output.value, &outputs),
                ..output.clone()
            };
            let resolved =
                plan.outputs.iter().map(|(name, o)| (name.clone(), resolve(o))).collect();
            self.recorded.outputs = resolved;
            self.recorded.providers.clone_from(&plan.providers);
        }
        self.recorded.serial += 1;
        self.through_json();
    }

    /// Gives records their new addresses, as the engine does before all else.
    fn relocate(&mut self, moved: &[Moved]) {
        let new = |address: &Address| {
            let moved = moved.iter().find(|moved| moved.from == *address);
            moved.map_or(address, |moved| &moved.to).clone()
        };
        for record in self.recorded.records.values_mut().chain(&mut self.recorded.deposed) {
            record.address = new(&record.address);
            record.dependencies = record.dependencies.iter().map(new).collect();
        }
        let records = std::mem::take(&mut self.recorded.records).into_values();
        self.recorded.records = records.map(|it| (it.address.clone(), it)).collect();
    }

    /// State is kept as JSON: lists come back as tuples, and origins are lost.
    fn through_json(&mut self) {
        for record in self.recorded.records.values_mut().chain(&mut self.recorded.deposed) {
            let text = serde_json::to_string(record).unwrap();
            *record = serde_json::from_str(&text).unwrap();
        }
        for output in self.recorded.outputs.values_mut() {
            let text = serde_json::to_string(output).unwrap();
            *output = serde_json::from_str(&text).unwrap();
        }
    }

    fn write(&mut self, mut record: Record) {
        let old = self.recorded.records.get(&record.address);
        record.revision = old.map_or(0, |old| old.revision) + 1;
        self.recorded.records.insert(record.address.clone(), record);
    }

    fn perform(&mut self, operation: &Operation, outputs: &mut BTreeMap<Address, Value>) {
        let address = &operation.address;
        match operation.kind {
            OperationKind::Create | OperationKind::CreateReplacement | OperationKind::Update => {
                if operation.kind == OperationKind::Create
                    && let Some(old) = self.recorded.records.get(address)
                {
                    self.objects.remove(&old.id);
                }
                let record = self.make(operation, outputs);
                outputs.insert(address.clone(), record.attributes.clone());
                self.objects.insert(record.id.clone(), record.attributes.clone());
                if operation.kind == OperationKind::CreateReplacement {
                    let old = self.recorded.records.remove(address).unwrap();
                    self.recorded.deposed.push(old);
                }
                self.write(record);
            }
            OperationKind::Delete => {
                let record = self.recorded.records.remove(address).unwrap();
                self.delete(&record.id);
            }
            OperationKind::DeleteDeposed => {
                let id = &operation.prior.as_ref().unwrap().id;
                let count = self.recorded.deposed.len();
                self.recorded.deposed.retain(|record| record.id != *id);
                assert_eq!(self.recorded.deposed.len() + 1, count);
                self.delete(id);
            }
            OperationKind::Forget => {
                let record = self.recorded.records.remove(address).unwrap();
                self.objects.remove(&record.id);
            }
            OperationKind::Read => unreachable!("these worlds have no data sources"),
        }
    }

    /// A parent must outlive its children, except those that cannot be reached: they go with it.
    fn delete(&mut self, id: &str) {
        self.objects.remove(id);
        let of = |object: &Value| object.get("parent").is_some_and(|at| at.as_str() == Some(id));
        let children = self.objects.iter().filter(|(_, object)| of(object));
        for child in children.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            let owner = Address::parse(child.split('#').next().unwrap()).unwrap();
            assert!(self.unreachable.contains(&owner), "{child}, a child of {id}, is left behind");
            self.delete(&child);
        }
    }

    fn make(&mut self, operation: &Operation, outputs: &BTreeMap<Address, Value>) -> Record {
        let address = &operation.address;
        let arguments = Self::resolve(operation.arguments.as_ref().unwrap(), outputs);
        let prior = operation.prior.as_ref().filter(|_| operation.kind == OperationKind::Update);
        for name in &operation.must_not_differ {
            let recorded = prior.unwrap().attributes.get(name).unwrap();
            assert!(arguments.get(name).unwrap().same_content(&recorded), "{address}: {name}");
        }
        self.made += 1;
        let id = prior.map_or_else(|| format!("{address}#{}", self.made), |prior| prior.id.clone());
        let mut attributes = arguments.as_entries().unwrap().clone();
        if address.kind() == "sim_statement" {
            attributes.insert("pairs".into(), 1.into());
        } else {
            if attributes.get("zone").is_some_and(Value::is_null) {
                attributes.insert("zone".into(), "z1".into());
            }
            attributes.insert("id".into(), Value::string(&id));
            attributes.insert("digest".into(), Value::string(&format!("digest {}", self.made)));
            attributes.insert("status".into(), "running".into());
        }
        Record {
            address: address.clone(),
            provider: operation.provider.clone(),
            id,
            attributes: Value::object(attributes),
            dependencies: operation.dependencies.clone(),
            lifecycle: operation.lifecycle.clone(),
            token: format!("token {}", self.made),
            generation: self.made,
            revision: 0,
            tainted: false,
        }
    }

    /// Puts outputs in the place of what is unknown; an output that is not there yet is a failure.
    fn resolve(value: &Value, outputs: &BTreeMap<Address, Value>) -> Value {
        value.map_leaves(&mut |leaf| {
            let Data::Unknown(unknown) = leaf.data() else { return leaf.clone() };
            match unknown.residual.as_ref() {
                Residual::Output { address, path } => outputs[address].get(&path[0]).unwrap(),
                Residual::Expression { scope, .. } => {
                    on(&Self::resolve(&scope.get("value").unwrap(), outputs))
                }
                Residual::Opaque => panic!("opaque"),
            }
        })
    }

    /// What the next plans are limited to.
    pub fn target(&mut self, texts: &[&str]) {
        self.targets = texts.iter().map(|text| Target::parse(text).unwrap()).collect();
    }

    pub fn record(&mut self, name: &str) -> &mut Record {
        self.recorded.records.get_mut(&address(name)).unwrap()
    }

    /// The object behind an address is gone.
    pub fn lose(&mut self, name: &str) {
        let id = self.record(name).id.clone();
        self.objects.remove(&id).unwrap();
    }

    /// An attribute of the object behind an address changes.
    pub fn drift(&mut self, name: &str, attribute: &str, value: impl Into<Value>) {
        let id = self.record(name).id.clone();
        let object = self.objects.get_mut(&id).unwrap();
        let mut attributes = object.as_entries().unwrap().clone();
        attributes.insert(attribute.into(), value.into());
        *object = Value::object(attributes);
    }

    pub fn unreachable(&mut self, name: &str) {
        self.unreachable.insert(address(name));
    }
}

pub fn checked(plan: Plan) -> Plan {
    let faults = planner::check::check(&plan);
    assert!(faults.is_empty(), "{faults:#?}");
    let text = serde_json::to_string(&plan).unwrap();
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    plan
}

/// `kind address` of every operation, in order.
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.operations.iter().map(|o| format!("{:?} {}", o.kind, o.address)).collect()
}

pub fn change<'a>(plan: &'a Plan, name: &str) -> &'a Change {
    plan.changes.iter().find(|change| change.address == address(name)).unwrap()
}

pub fn operation<'a>(plan: &'a Plan, kind: OperationKind, name: &str) -> &'a Operation {
    let address = address(name);
    plan.operations.iter().find(|o| o.kind == kind && o.address == address).unwrap()
}
