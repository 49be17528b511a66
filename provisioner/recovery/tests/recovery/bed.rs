//! What the tests of restore points stand on: an environment and its catalogue in stores in memory, clouds in memory, and the real
//! planner and engine.

pub use crate::configuration::{Block, block, diamond};

use crate::configuration::{self, ENVIRONMENT, PausedTime, References};
use engine::{
    CancelToken, Engine, LiveRecords, Owner, Ports, ProviderFactory, Purpose, RunRequest, scope_of,
};
use model::Type;
use model::event::{Event, EventSink};
use model::graph::ProviderConfig;
use model::record::Recorded;
use model::restore_point::{Origin, PointName, RestorePoint};
use model::schema::{Attribute, ProviderSchema};
use model::value::Value;
use provider::memory::{self, Cloud, MemoryProvider, Stored};
use provider::{Provider, ProviderError};
use provider_builtin::Builtin;
use recovery::capture::{self, Schemas};
use recovery::{Asked, Catalogue, Changed, Environment, KeptState, Recovery, RecoveryError};
use state::holder::Holder;
use state::memory::MemoryStore;
use state::rules::LEASE_SECONDS;
use state::{Edit, LeaseRequest, Scope, StateStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const CATALOGUE: &str = "test.restore-points";
/// When the first try began.
pub const FIRST: &str = "2026-01-01T00:00:00Z";
/// When the second did.
pub const SECOND: &str = "2026-01-02T00:00:00Z";
pub const WEST: &str = "west";
pub const EAST: &str = "east";

/// What the providers of the tests declare: the cloud in memory has regions and takes a secret.
pub fn schemas() -> Schemas {
    let mut memory = memory::schema();
    let region = Attribute::optional(Type::String, "Where.");
    let user = Attribute::optional(Type::String, "Who asks.");
    let password = Attribute::optional(Type::String, "A secret.").secret();
    memory.configuration.insert("region".to_owned(), region);
    memory.configuration.insert("user".to_owned(), user);
    memory.configuration.insert("password".to_owned(), password);
    let all = [memory, provider_builtin::schema()];
    all.into_iter().map(|schema| (schema.name.clone(), schema)).collect()
}

/// Makes providers over one cloud for each region.
#[derive(Clone)]
pub struct Factory {
    clouds: BTreeMap<&'static str, Cloud>,
    /// The region that a configuration means that names none.
    around: Arc<Mutex<&'static str>>,
    /// Whether the cloud cannot be configured.
    locked_out: Arc<Mutex<bool>>,
    schemas: Schemas,
}

impl ProviderFactory for Factory {
    fn schema(&self, name: &str) -> Option<ProviderSchema> {
        self.schemas.get(name).cloned()
    }

    fn configure(
        &self,
        config: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        if config.name != "memory" {
            return Ok(Arc::new(Builtin::new()));
        }
        if *self.locked_out.lock().unwrap() {
            let message = "the credentials are not valid any more";
            return Err(ProviderError::new(provider::ErrorClass::Denied, message));
        }
        let around = *self.around.lock().unwrap();
        let told = config.arguments.get("region");
        let region = told.as_ref().and_then(Value::as_str).unwrap_or(around);
        let surroundings = BTreeMap::from([("region".to_owned(), region.into())]);
        let provider = MemoryProvider::new(self.clouds[region].clone(), owner.clone());
        Ok(Arc::new(provider.with_surroundings(surroundings)))
    }
}

/// Keeps whom a run waited for.
#[derive(Default)]
pub struct Heard(Mutex<Vec<String>>);

impl EventSink for Heard {
    fn publish(&self, event: Event) {
        if let Event::LeaseAwaited { holder, .. } = event {
            self.0.lock().unwrap().push(holder);
        }
    }
}

/// An environment, its catalogue, and the world around them.
pub struct Bed {
    /// The cloud in the region where it begins.
    pub cloud: Cloud,
    pub factory: Factory,
    pub environment: MemoryStore,
    pub catalogue: MemoryStore,
    pub heard: Arc<Heard>,
    time: PausedTime,
    login: Mutex<Option<(&'static str, &'static str)>>,
    runs: Mutex<u64>,
}

/// A program that is not there any more.
fn gone() -> Holder {
    Holder { pid: 999_999_999, started: 1, ..Holder::current() }
}

pub fn point(name: &str) -> PointName {
    PointName::parse(name).unwrap()
}

pub fn names(all: &[&str]) -> BTreeSet<PointName> {
    all.iter().map(|name| point(name)).collect()
}

pub fn done<T>(changed: Result<Changed<T>, RecoveryError>, context: &str) -> T {
    match changed {
        Ok(Changed::Done(done)) => done,
        Ok(Changed::Partly(report)) => panic!("{context}: {:?}", report.diagnostics),
        Ok(Changed::Interrupted) => panic!("{context}: interrupted"),
        Err(error) => panic!("{context}: {error}"),
    }
}

fn is_snapshot(object: &Stored) -> bool {
    [memory::schema::SNAPSHOT, memory::schema::IMAGE].contains(&object.address.kind())
}

impl Bed {
    /// An empty environment.
    pub fn empty() -> Self {
        let time = PausedTime::new(7);
        let clouds = BTreeMap::from([(WEST, Cloud::new()), (EAST, Cloud::new())]);
        let store = || MemoryStore::new().with_clock(Arc::new(time.clone()));
        Self {
            cloud: clouds[WEST].clone(),
            factory: Factory {
                clouds,
                around: Arc::new(Mutex::new(WEST)),
                locked_out: Arc::default(),
                schemas: schemas(),
            },
            environment: store(),
            catalogue: store(),
            heard: Arc::default(),
            time,
            login: Mutex::default(),
            runs: Mutex::default(),
        }
    }

    /// Two disks and two machines on them.
    pub async fn new() -> Self {
        let bed = Self::empty();
        bed.apply(&diamond()).await;
        bed
    }

    /// Another environment in the same clouds, of the same configuration.
    pub async fn beside(&self) -> Self {
        let mut bed = Self::empty();
        bed.factory.clone_from(&self.factory);
        bed.cloud = self.cloud.clone();
        bed.apply(&diamond()).await;
        bed
    }

    pub fn cloud_of(&self, region: &str) -> &Cloud {
        &self.factory.clouds[region]
    }

    /// Configurations that name no region mean this one from now on.
    pub fn move_to(&self, region: &'static str) {
        *self.factory.around.lock().unwrap() = region;
    }

    /// The environment names a user and a password from now on.
    pub fn log_in(&self, user: &'static str, password: &'static str) {
        *self.login.lock().unwrap() = Some((user, password));
    }

    /// Whether nobody gets into the cloud from now on.
    pub fn lock_out(&self, is_locked_out: bool) {
        *self.factory.locked_out.lock().unwrap() = is_locked_out;
    }

    fn engine(&self, name: &str, store: Arc<dyn StateStore>) -> Engine {
        let ports = Ports {
            store,
            factory: Arc::new(self.factory.clone()),
            resolver: Arc::new(References),
            events: self.heard.clone(),
            clock: Arc::new(self.time.clone()),
            records: Arc::<LiveRecords>::default(),
        };
        Engine::new(name, ports)
    }

    fn request(&self, wait: Duration) -> RunRequest {
        let mut runs = self.runs.lock().unwrap();
        *runs += 1;
        RunRequest {
            run: format!("run-{runs}"),
            command: "backup test".to_owned(),
            wait,
            lease_seconds: LEASE_SECONDS,
        }
    }

    /// Everything `apply DIRECTORY` does to the environment.
    pub async fn apply(&self, blocks: &[Block]) {
        let (request, never) = (self.request(Duration::ZERO), CancelToken::new());
        let engine = self.engine(ENVIRONMENT, Arc::new(self.environment.clone()));
        let recorded = engine.recover(&request, Purpose::Apply, &never).await.unwrap();
        let (actual, problems) = engine.refresh(&recorded).await;
        assert!(problems.is_empty(), "{problems:?}");
        let plan = configuration::plan(&recorded, &actual, &schemas(), blocks, &[]).unwrap();
        let run = engine.begin_run(&request, scope_of(&plan), &never).await.unwrap();
        let report = run.apply(&plan, 16, &never).await.unwrap();
        run.finish().await.unwrap();
        assert!(report.is_complete(), "{:?}", report.diagnostics);
    }

    /// What is recorded of the environment.
    pub async fn recorded(&self) -> Recorded {
        let mut recorded = self.environment.load().await.unwrap();
        if let Some((user, password)) = *self.login.lock().unwrap() {
            let secret = Value::from(password).into_sensitive();
            let arguments = Value::object([("user", user.into()), ("password", secret)]);
            let config = ProviderConfig { name: "memory".to_owned(), arguments };
            recorded.providers.insert("memory".to_owned(), config);
        }
        recorded
    }

    /// The catalogue as a program has it that counts as gone as soon as another asks.
    pub fn mortal(&self) -> Arc<dyn StateStore> {
        Arc::new(self.catalogue.clone().with_holder(gone()))
    }

    /// A program that has the catalogue in `store` and began at `now`; it waits that long for others.
    pub fn program(&self, store: Arc<dyn StateStore>, now: &str, wait: Duration) -> Program<'_> {
        let engine = self.engine(CATALOGUE, store);
        Program { bed: self, engine, now: now.to_owned(), wait, cancel: CancelToken::new() }
    }

    /// A program that nothing happens to.
    pub fn sound(&self, now: &str) -> Program<'_> {
        self.program(self.mortal(), now, Duration::ZERO)
    }

    /// What the catalogue has recorded.
    pub async fn kept(&self) -> Recorded {
        self.catalogue.load().await.unwrap()
    }

    /// Changes the catalogue behind everybody's back: what a record says (none: it is gone).
    pub async fn meddle(&self, address: &str, input: Option<&str>) {
        let address = configuration::address(address);
        let scope = Scope::Environment;
        let wanted =
            LeaseRequest { run: "test".to_owned(), command: "test".to_owned(), scope, seconds: 60 };
        let lease = self.catalogue.acquire(wanted).await.unwrap();
        let mut edit = Edit { reason: "test".to_owned(), ..Edit::default() };
        match input {
            Some(input) => {
                let mut record = self.kept().await.records[&address].clone();
                let mut entries = record.attributes.as_entries().unwrap().clone();
                entries.insert("input".into(), input.into());
                record.attributes = Value::object(entries);
                edit.put.push(record);
            }
            None => edit.remove.push(address),
        }
        self.catalogue.edit(&lease, edit).await.unwrap();
        self.catalogue.release(lease).await.unwrap();
    }

    pub async fn points(&self) -> Catalogue {
        Catalogue::of(&self.kept().await)
    }

    /// All snapshots that are there in a region, half-made ones included.
    pub fn snapshots(&self, region: &str) -> Vec<Stored> {
        let mut objects = self.cloud_of(region).objects();
        objects.retain(is_snapshot);
        objects
    }

    /// How many calls made or deleted snapshots.
    pub fn calls(&self, verb: &str) -> usize {
        let kinds = [memory::schema::SNAPSHOT, memory::schema::IMAGE];
        let ledger = self.cloud.ledger();
        let is_it = |it: &&memory::Called| it.verb == verb && kinds.contains(&it.address.kind());
        ledger.iter().filter(is_it).count()
    }

    /// Every snapshot is recorded, once, and every record has its snapshot; nothing is left open.
    pub async fn assert_tidy(&self, context: &str) {
        let recorded = self.kept().await;
        assert!(recorded.unfinished.is_empty(), "{context}: unfinished intents");
        assert!(recorded.deposed.is_empty(), "{context}: deposed objects");
        let mut there = BTreeSet::new();
        for region in [WEST, EAST] {
            let snapshots = self.snapshots(region);
            assert!(snapshots.iter().all(|it| it.complete), "{context}: half-made snapshots");
            there.extend(snapshots.into_iter().map(|it| (region, it.address, it.id)));
            let twice = self.cloud_of(region).duplicates();
            assert!(twice.is_empty(), "{context}: made twice: {twice:?}");
        }
        let records = recorded.records.values().filter(|it| it.address.name() == "captured");
        let known = records.map(|record| {
            let config = &recorded.providers[&record.provider];
            let region = config.arguments.get("region").unwrap();
            let region = if region.as_str() == Some(WEST) { WEST } else { EAST };
            assert!(!record.tainted, "{context}: {} is tainted", record.address);
            (region, record.address.clone(), record.id.clone())
        });
        assert_eq!(known.collect::<BTreeSet<_>>(), there, "{context}: recorded, and there");
    }

    /// A restore point is whole and has all that can be captured of the environment as it is now.
    pub async fn assert_whole(&self, name: &str, region: &str, context: &str) {
        self.assert_tidy(context).await;
        let (points, recorded) = (self.points().await, self.recorded().await);
        let kept = points.points.get(&point(name));
        let kept = kept.unwrap_or_else(|| panic!("{context}: {name} is not whole"));
        let wanted: BTreeMap<_, _> = capture::everything(&recorded, &schemas())
            .iter()
            .map(|source| (source.record.address.clone(), source.record.id.clone()))
            .collect();
        let all = kept.point.snapshots.iter();
        let captured: BTreeMap<_, _> = all.map(|it| (it.of.clone(), it.object.clone())).collect();
        assert_eq!(captured, wanted, "{context}: what is captured");
        assert_eq!(kept.records.len(), wanted.len(), "{context}: no snapshot beside");
        for (captured, record) in kept.snapshots() {
            let record = record.unwrap_or_else(|| panic!("{context}: {captured:?} is not there"));
            let there = self.snapshots(region).into_iter().find(|it| it.id == record.id).unwrap();
            let source = there.attributes.get("source").unwrap();
            assert_eq!(source.as_str(), Some(captured.object.as_str()), "{context}");
        }
        let state = recovery::catalogue::state_of(&self.kept().await, &kept.point).unwrap();
        assert_eq!(state, state_of(&recorded), "{context}: its state");
        assert_eq!(kept.point.serial, recorded.serial, "{context}: its serial");
    }

    /// Nothing is left of any restore point.
    pub async fn assert_nothing(&self, context: &str) {
        self.assert_tidy(context).await;
        let recorded = self.kept().await;
        let left: Vec<_> = recorded.records.keys().collect();
        assert!(left.is_empty(), "{context}: {left:?}");
    }
}

/// Stands for what `state export` writes.
fn state_of(recorded: &Recorded) -> KeptState {
    let text = format!("version {} of {}", recorded.serial, recorded.lineage);
    KeptState { text, keyring: Some("a keyring".to_owned()) }
}

/// A program that works with the catalogue.
pub struct Program<'a> {
    bed: &'a Bed,
    engine: Engine,
    now: String,
    wait: Duration,
    pub cancel: CancelToken,
}

impl Program<'_> {
    pub async fn with<T>(&self, work: impl AsyncFnOnce(&Recovery<'_>) -> T) -> T {
        let request = || self.bed.request(self.wait);
        let lineage = self.bed.catalogue.prepare().await.unwrap().lineage;
        let recovery = Recovery {
            engine: &self.engine,
            factory: &self.bed.factory,
            schemas: &self.bed.factory.schemas,
            owner: Owner { environment: CATALOGUE.to_owned(), lineage },
            request: &request,
            expect: &|_| (),
            parallelism: 4,
            now: self.now.clone(),
        };
        work(&recovery).await
    }

    /// Asks for a restore point of everything.
    pub async fn create(&self, name: &str) -> Result<Changed<RestorePoint>, RecoveryError> {
        let alice = Origin::Person { who: "alice".to_owned(), why: String::new() };
        self.create_of(name, alice, "").await
    }

    /// Asks for a restore point of what has addresses that begin like this.
    pub async fn create_of(
        &self,
        name: &str,
        origin: Origin,
        beginning: &str,
    ) -> Result<Changed<RestorePoint>, RecoveryError> {
        let recorded = self.bed.recorded().await;
        let state = state_of(&recorded);
        let lineage = recorded.lineage.clone();
        let owner = Owner { environment: ENVIRONMENT.to_owned(), lineage };
        let (owner, recorded, state) = (&owner, &recorded, &state);
        let environment = Environment { owner, recorded, state, at: &self.now };
        let mut sources = capture::everything(recorded, &self.bed.factory.schemas);
        sources.retain(|source| source.record.address.to_string().starts_with(beginning));
        let asked = Asked { name: point(name), origin, sources };
        self.with(async |it| it.create(environment, &asked, &self.cancel).await).await
    }

    pub async fn delete(&self, all: &[&str]) -> Result<Changed<()>, RecoveryError> {
        let (shown, none) = (self.bed.points().await, BTreeSet::new());
        self.with(async |it| it.delete(&shown, &names(all), &none, &self.cancel).await).await
    }

    pub async fn lock(&self, name: &str, locked: bool) -> Result<Changed<()>, RecoveryError> {
        self.with(async |it| it.lock(&point(name), locked, &self.cancel).await).await
    }

    /// What is wrong with a restore point.
    pub async fn verify(&self, name: &str) -> Vec<String> {
        let found = self.with(async |it| it.verify(&names(&[name])).await).await.unwrap();
        let short = |finding: &recovery::Finding| match &finding.of {
            Some(of) => format!("{of}: {}", finding.why),
            None => finding.why.clone(),
        };
        found[&point(name)].iter().map(short).collect()
    }
}

impl Heard {
    pub fn awaited(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
