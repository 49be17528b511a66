//! What the engine's tests stand on: a cloud and a store in memory, and the real planner.

pub use crate::configuration::{Block, ENVIRONMENT, PausedTime, address, block, diamond};

use crate::configuration::{self, References};
use engine::{
    ApplyError, CancelToken, Engine, LiveRecords, Ports, ProviderFactory, Purpose, Run, RunReport,
    RunRequest, scope_of,
};
use model::event::{Event, EventSink};
use model::graph::ProviderConfig;
use model::plan::Plan;
use model::record::Recorded;
use model::schema::ProviderSchema;
use provider::memory::{self, Cloud, MemoryProvider};
use provider::{Owner, Provider, ProviderError};
use state::StateStore;
use state::holder::Holder;
use state::memory::MemoryStore;
use state::rules::LEASE_SECONDS;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
        let time = PausedTime::new(7);
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
    let plan = configuration::plan(recorded, &actual, &schemas, blocks, &[]).unwrap();
    let faults = planner::check::check(&plan);
    assert!(faults.is_empty(), "{faults:?}");
    // Through its file form, as a saved plan goes.
    let json = serde_json::to_string(&plan).unwrap();
    serde_json::from_str(&json).unwrap()
}
