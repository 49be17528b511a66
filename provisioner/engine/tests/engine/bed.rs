//! What the engine's tests stand on: a cloud and a store in memory, the real planner, and a configuration made of
//! a few lines.

use async_trait::async_trait;
use engine::{
    ApplyError, CancelToken, Clock, Engine, LiveRecords, Ports, ProviderFactory, Purpose, Resolver,
    Run, RunReport, RunRequest, scope_of,
};
use jiff::Timestamp;
use model::event::{Event, EventSink};
use model::graph::{Desired, Instance, Lifecycle, Output, Projection, ProviderConfig};
use model::plan::Plan;
use model::record::Recorded;
use model::schema::ProviderSchema;
use model::value::Data;
use model::{Address, Diagnostic, Residual, Span, Value};
use planner::{Options, Planner};
use provider::memory::{self, Cloud, MemoryProvider};
use provider::{Owner, Provider, ProviderError};
use state::StateStore;
use state::holder::Holder;
use state::memory::MemoryStore;
use state::rules::LEASE_SECONDS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;
pub const ENVIRONMENT: &str = "test";

/// Resolves references to attributes; the tests need no expressions.
pub struct References;

impl Resolver for References {
    fn resolve(
        &self,
        value: &Value,
        outputs: &dyn Fn(&Address) -> Option<Value>,
    ) -> Result<Value, Diagnostic> {
        let mut missing = None;
        let resolved = value.map_leaves(&mut |leaf| {
            let Data::Unknown(unknown) = leaf.data() else { return leaf.clone() };
            let Residual::Output { address, path } = unknown.residual.as_ref() else {
                return leaf.clone();
            };
            let found = outputs(address);
            let found = path.iter().fold(found, |value, step| value?.get(step));
            found.unwrap_or_else(|| {
                missing = Some(address.clone());
                leaf.clone()
            })
        });
        match missing {
            None => Ok(resolved),
            Some(address) => {
                Err(Diagnostic::error("unresolved", format!("{address} has no record")))
            }
        }
    }
}

/// Makes providers over one cloud.
pub struct Factory(pub Cloud);

impl ProviderFactory for Factory {
    fn schema(&self, _: &str) -> Option<ProviderSchema> {
        Some(memory::schema())
    }

    fn configure(
        &self,
        _: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(MemoryProvider::new(self.0.clone(), owner.clone())))
    }
}

/// Time that tokio's paused time moves: every engine and every store of a test has this one.
#[derive(Clone)]
pub struct PausedTime(Instant);

impl PausedTime {
    fn passed(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

#[async_trait]
impl Clock for PausedTime {
    fn now_ms(&self) -> u64 {
        self.passed()
    }

    fn wall_ms(&self) -> u64 {
        EPOCH_MS + self.passed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn seed(&self) -> u64 {
        7
    }
}

impl state::clock::Clock for PausedTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(i64::try_from(self.wall_ms()).unwrap()).unwrap()
    }
}

/// Keeps events.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn publish(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// Operations in short: `started memory_disk.a`.
    pub fn operations(&self) -> Vec<String> {
        let short = |event: &Event| match event {
            Event::OperationStarted { address, .. } => Some(format!("started {address}")),
            Event::OperationSucceeded { address, .. } => Some(format!("done {address}")),
            Event::OperationFailed { address, .. } => Some(format!("failed {address}")),
            Event::OperationSkipped { address, because, .. } => {
                Some(format!("skipped {address}: {because}"))
            }
            _ => None,
        };
        self.all().iter().filter_map(short).collect()
    }

    /// Numbers of calls that were made again.
    pub fn retries(&self) -> Vec<u32> {
        let number = |event: &Event| match event {
            Event::OperationRetried { attempt, .. } => Some(*attempt),
            _ => None,
        };
        self.all().iter().filter_map(number).collect()
    }

    pub fn notices(&self) -> Vec<String> {
        let notice = |event: &Event| match event {
            Event::Notice { message } => Some(message.clone()),
            _ => None,
        };
        self.all().iter().filter_map(notice).collect()
    }

    pub fn recovered(&self) -> Vec<String> {
        let how = |event: &Event| match event {
            Event::Recovered { address, how } => Some(format!("{address}: {how}")),
            _ => None,
        };
        self.all().iter().filter_map(how).collect()
    }
}

/// One block of the configuration.
#[derive(Clone, Debug)]
pub struct Block {
    pub address: &'static str,
    pub name: String,
    /// Instances whose `id` it refers to.
    pub refers: Vec<&'static str>,
    /// `size` of a disk, `version` of a service, `label` of others.
    pub setting: i64,
    pub create_first: bool,
}

pub fn block(address: &'static str, refers: &[&'static str]) -> Block {
    Block {
        address,
        name: address.to_owned(),
        refers: refers.to_vec(),
        setting: 1,
        create_first: false,
    }
}

/// Two disks, two machines on them, a check over both.
pub fn diamond() -> Vec<Block> {
    vec![
        block("memory_disk.a", &[]),
        block("memory_disk.b", &[]),
        block("memory_machine.one", &["memory_disk.a"]),
        block("memory_machine.two", &["memory_disk.a", "memory_disk.b"]),
        block("memory_check.all", &["memory_machine.one", "memory_machine.two"]),
    ]
}

pub struct Bed {
    pub cloud: Cloud,
    pub store: MemoryStore,
    pub heard: Arc<Heard>,
    pub records: Arc<LiveRecords>,
    pub time: PausedTime,
    runs: Mutex<u64>,
}

impl Default for Bed {
    fn default() -> Self {
        let time = PausedTime(Instant::now());
        Self {
            cloud: Cloud::new(),
            store: MemoryStore::new().with_clock(Arc::new(time.clone())),
            time,
            heard: Arc::default(),
            records: Arc::default(),
            runs: Mutex::default(),
        }
    }
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A program that is not there any more.
pub fn gone() -> Holder {
    Holder { pid: 999_999_999, started: 1, ..Holder::current() }
}

impl Bed {
    /// An engine of a program of its own; `store` decides which faults it meets.
    pub fn engine_on(&self, store: Arc<dyn StateStore>) -> Engine {
        let ports = Ports {
            store,
            factory: Arc::new(Factory(self.cloud.clone())),
            resolver: Arc::new(References),
            events: self.heard.clone(),
            clock: Arc::new(self.time.clone()),
            records: self.records.clone(),
        };
        Engine::new(ENVIRONMENT, ports)
    }

    /// An engine of another program, which is there, with what it hears.
    pub fn program(&self) -> (Engine, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        let ports = Ports {
            store: Arc::new(self.store.clone()),
            factory: Arc::new(Factory(self.cloud.clone())),
            resolver: Arc::new(References),
            events: heard.clone(),
            clock: Arc::new(self.time.clone()),
            records: Arc::default(),
        };
        (Engine::new(ENVIRONMENT, ports), heard)
    }

    /// An engine whose program counts as gone as soon as another asks.
    pub fn engine(&self) -> Engine {
        self.engine_on(self.mortal())
    }

    pub fn mortal(&self) -> Arc<dyn StateStore> {
        Arc::new(self.store.clone().with_holder(gone()))
    }

    pub fn run_id(&self) -> String {
        let mut runs = self.runs.lock().unwrap();
        *runs += 1;
        format!("run-{runs}")
    }

    /// A run that waits for nobody.
    pub fn request(&self) -> RunRequest {
        RunRequest {
            run: self.run_id(),
            command: "apply test".to_owned(),
            wait: Duration::ZERO,
            lease_seconds: LEASE_SECONDS,
        }
    }

    /// Holds what a plan writes.
    pub async fn begin(&self, engine: &Engine, plan: &Plan) -> Result<Run, ApplyError> {
        engine.begin_run(&self.request(), scope_of(plan), &CancelToken::new()).await
    }

    pub async fn plan(&self, engine: &Engine, blocks: &[Block]) -> Plan {
        let recorded = engine.load().await.unwrap();
        plan_from(engine, &recorded, blocks).await
    }

    /// Everything `apply DIRECTORY` does.
    pub async fn apply_on(
        &self,
        engine: &Engine,
        blocks: &[Block],
        cancel: &CancelToken,
    ) -> Result<RunReport, ApplyError> {
        let request = self.request();
        let recorded = engine.recover(&request, Purpose::Apply, cancel).await?;
        let plan = plan_from(engine, &recorded, blocks).await;
        let run = engine.begin_run(&request, scope_of(&plan), cancel).await?;
        let report = run.apply(&plan, 16, cancel).await?;
        run.finish().await?;
        Ok(report)
    }

    pub async fn apply(&self, blocks: &[Block]) -> RunReport {
        self.apply_on(&self.engine(), blocks, &CancelToken::new()).await.unwrap()
    }

    /// The world is as configured: one whole object a block, recorded, nothing left to do.
    pub async fn assert_converged(&self, blocks: &[Block], context: &str) {
        let objects = self.cloud.objects();
        let mut found: Vec<String> = objects.iter().map(|o| o.address.to_string()).collect();
        found.sort();
        let mut wanted: Vec<String> = blocks.iter().map(|b| b.address.to_owned()).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{context}: objects in the cloud");
        assert!(objects.iter().all(|object| object.complete), "{context}: half-made objects");
        let recorded = self.store.load().await.unwrap();
        assert!(recorded.unfinished.is_empty(), "{context}: unfinished intents");
        assert!(recorded.deposed.is_empty(), "{context}: deposed objects");
        for object in &objects {
            assert_eq!(recorded.records[&object.address].id, object.id, "{context}");
        }
        let plan = self.plan(&self.engine(), blocks).await;
        assert!(!plan.has_changes(), "{context}: {:?}", plan.changes);
    }

    /// Applies until there is nothing to do, at most `bound` times; then checks the world.
    pub async fn settle_down(&self, blocks: &[Block], bound: usize, context: &str) {
        for _ in 0..bound {
            let report = self.apply_on(&self.engine(), blocks, &CancelToken::new()).await;
            match report {
                Ok(report) if report.is_complete() => break,
                Ok(_) => {}
                Err(error) => panic!("{context}: {error}"),
            }
        }
        self.assert_converged(blocks, context).await;
    }
}

/// Refresh and plan, as the command line does.
pub async fn plan_from(engine: &Engine, recorded: &Recorded, blocks: &[Block]) -> Plan {
    let (actual, problems) = engine.refresh(recorded).await;
    assert!(problems.is_empty(), "{problems:?}");
    let schemas = BTreeMap::from([("memory".to_owned(), memory::schema())]);
    let options = Options {
        environment: ENVIRONMENT.to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        ..Options::default()
    };
    let planner = Planner::new(recorded, &actual, &schemas, options);
    let plan = if blocks.is_empty() {
        planner.plan_destroy().unwrap()
    } else {
        planner.plan(&desired(&planner, blocks)).unwrap()
    };
    let faults = planner::check::check(&plan);
    assert!(faults.is_empty(), "{faults:?}");
    // Through its file form, as a saved plan goes.
    let json = serde_json::to_string(&plan).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn desired(planner: &Planner<'_>, blocks: &[Block]) -> Desired {
    let mut desired = Desired { environment: ENVIRONMENT.to_owned(), ..Desired::default() };
    let config = ProviderConfig { name: "memory".to_owned(), arguments: Value::object::<&str>([]) };
    desired.providers.insert("memory".to_owned(), config);
    let mut ids: BTreeMap<&str, Value> = BTreeMap::new();
    for block in blocks {
        let instance = instance(block, &ids);
        let attributes = planner.attributes(&instance).unwrap();
        let id = attributes.get("id").unwrap().with_origin(&instance.address);
        ids.insert(block.address, id.clone());
        let output = Output { value: id, sensitive: false, description: String::new() };
        desired.outputs.insert(block.address.replace('.', "_"), output);
        desired.instances.push(instance);
    }
    desired
}

fn instance(block: &Block, ids: &BTreeMap<&str, Value>) -> Instance {
    let address = address(block.address);
    let refers = Value::tuple(block.refers.iter().map(|name| ids[name].clone()));
    let name = ("name", Value::from(block.name.as_str()));
    let arguments = match address.kind() {
        "memory_disk" => Value::object([
            name,
            ("size", block.setting.into()),
            ("key", Value::from("hunter2").into_sensitive()),
        ]),
        "memory_machine" => {
            Value::object([name, ("disks", refers), ("label", block.setting.to_string().into())])
        }
        "memory_bucket" => Value::object([name, ("label", block.setting.to_string().into())]),
        "memory_address" => Value::object([("label", block.setting.to_string().into())]),
        "memory_service" => {
            let machine = ids[block.refers[0]].clone();
            let version = ("version", block.setting.to_string().into());
            Value::object([name, ("machine", machine), version])
        }
        _ => Value::object([("of", refers)]),
    };
    Instance {
        provider: "memory".to_owned(),
        arguments,
        depends_on: BTreeSet::default(),
        lifecycle: Lifecycle { create_before_destroy: block.create_first, ..Lifecycle::default() },
        sequence: None,
        span: Span { file: "main.hcl".into(), start: 0, end: 0 },
        place: format!("main.hcl:1:1 ({})", block.address),
        address,
    }
}
