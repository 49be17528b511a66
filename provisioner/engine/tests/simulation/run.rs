//! One simulated run: the programs of a scenario live and die, then a clean apply must bring everything right; and what
//! must hold in the end.

use crate::configuration::{self, Block, ENVIRONMENT, PausedTime, References};
use crate::scenario::{Life, Place, Scenario};
use crate::world::{Mortal, Off, World};
use crate::{cloud, store};
use async_trait::async_trait;
use engine::{
    ApplyError, CancelToken, Clock, Engine, LiveRecords, Ports, ProviderFactory, Purpose,
    RunReport, RunRequest, scope_of,
};
use model::Address;
use model::event::{Event, EventSink};
use model::graph::ProviderConfig;
use model::moves::{Endpoint, Move, ResourceName};
use model::record::{Record, Recorded};
use model::schema::ProviderSchema;
use planner::{Renamed, Target};
use provider::memory::schema;
use provider::{Owner, Provider, ProviderError};
use state::StateStore as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// No life takes longer.
const LIFE: Duration = Duration::from_hours(2);
/// After so long no listing shows what was deleted.
const LINGERING: Duration = Duration::from_secs(30);
/// Plans that a program makes before it gives up.
const PLANS: usize = 5;
/// After so long nothing that was sent has an effect any more.
const QUIET: Duration = Duration::from_mins(4);

/// What came of a run.
pub struct Outcome {
    pub violations: Vec<String>,
    pub trace: Vec<String>,
    pub crashes: u64,
    pub calls: u64,
}

/// Runs the scenario of a seed.
pub fn run(scenario: &Scenario, off: Off, is_traced: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let world = World::new(scenario.seed, scenario.weather, off, is_traced);
        whole(&world, scenario).await;
        Outcome {
            violations: world.violations(),
            trace: world.trace(),
            crashes: world.crashes(),
            calls: world.cloud.ledger().len() as u64,
        }
    })
}

async fn whole(world: &Arc<World>, scenario: &Scenario) {
    let mut number = 0;
    let weather = world.weather();
    world.clear_up();
    if !scenario.start.is_empty() {
        clean(world, &scenario.start, &mut number).await;
    }
    *world.weather.lock().unwrap() = weather;
    let unlocking =
        scenario.unlocks_ms.map(|after_ms| tokio::spawn(unlock(world.clone(), after_ms)));
    for group in &scenario.groups {
        let lives = group.iter().map(|life| {
            number += 1;
            live(world.clone(), number, life.clone())
        });
        futures::future::join_all(lives).await;
    }
    if let Some(unlocking) = unlocking {
        unlocking.abort();
    }
    world.log(|| "from now on everything works".to_owned());
    world.clear_up();
    clean(world, &scenario.end, &mut number).await;
    tokio::time::sleep(QUIET).await;
    // What an update that came late has changed is drift, which this mends.
    clean(world, &scenario.end, &mut number).await;
    tokio::time::sleep(LINGERING).await;
    check(world, &scenario.end).await;
}

/// Somebody takes the oldest lease away.
async fn unlock(world: Arc<World>, after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let oldest = world.store.leases().await.unwrap_or_default().into_iter().next();
    if let Some(lease) = oldest {
        world.log(|| format!("the lease of {} is taken away", lease.run));
        let _ = world.store.unlock(lease.epoch, "the simulation").await;
    }
}

/// An apply that nothing disturbs must do everything.
async fn clean(world: &Arc<World>, blocks: &[Block], number: &mut u32) {
    *number += 1;
    let mortal = Mortal::new(world, format!("p{number}"), None, None);
    let never = CancelToken::new();
    let applied = apply(&mortal, *number, Place::Here, blocks, &[], &never);
    match tokio::time::timeout(LIFE, applied).await {
        Err(_) => world.violated(format!("p{number}: a clean apply does not end")),
        Ok(Err(why)) => world.violated(format!("p{number}: a clean apply fails: {why}")),
        Ok(Ok(report)) if !report.is_complete() => {
            let why = report.diagnostics.iter().map(|told| told.summary.clone());
            let why = why.collect::<Vec<_>>().join("; ");
            world.violated(format!("p{number}: a clean apply is not complete: {why}"));
        }
        Ok(Ok(_)) => {}
    }
}

/// The life of one program, to its end or its death.
async fn live(world: Arc<World>, number: u32, life: Life) {
    tokio::time::sleep(Duration::from_millis(life.delay_ms)).await;
    let mortal = Mortal::new(&world, format!("p{number}"), life.dies_at, life.freezes);
    let cancel = CancelToken::new();
    let targets: Vec<Target> =
        life.targets.iter().filter_map(|text| Target::parse(text).ok()).collect();
    let working = apply(&mortal, number, life.place, &life.blocks, &targets, &cancel);
    let working = tokio::time::timeout(LIFE, working);
    let interrupting = async {
        if let Some((after_ms, twice)) = life.interrupted_ms {
            for _ in 0..=usize::from(twice) {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                world.log(|| format!("p{number} is interrupted"));
                cancel.raise();
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = mortal.death() => {}
        () = interrupting => {}
        ended = working => match ended {
            Err(_) => world.violated(format!("p{number} does not end")),
            Ok(Err(why)) => world.log(|| format!("p{number} ends: {why}")),
            Ok(Ok(report)) => world.log(|| format!(
                "p{number} ends: {} succeeded, {} failed, {} skipped",
                report.succeeded, report.failed.len(), report.skipped.len()
            )),
        },
    }
}

/// Everything that a command does, over ports that can die.
async fn apply(
    mortal: &Arc<Mortal>,
    number: u32,
    place: Place,
    blocks: &[Block],
    targets: &[Target],
    cancel: &CancelToken,
) -> Result<RunReport, String> {
    let world = &mortal.world;
    let ports = Ports {
        store: Arc::new(store::Front::new(mortal.clone(), place, number)),
        factory: Arc::new(Factory(mortal.clone())),
        resolver: Arc::new(References),
        events: Arc::new(Sink(mortal.clone())),
        clock: Arc::new(LifeTime(mortal.clone(), world.time.clone())),
        records: Arc::new(LiveRecords::default()),
    };
    let engine = Engine::new(ENVIRONMENT, ports);
    let request = RunRequest {
        run: mortal.name.clone(),
        command: "apply".to_owned(),
        wait: Duration::from_mins(5),
        lease_seconds: 60,
    };
    // What was waited for, or died meanwhile, may have changed what the plan was made from: then it is made anew.
    for _ in 0..PLANS {
        match plan_and_run(mortal, &engine, &request, blocks, targets, cancel).await {
            Err(Ending::Error(error)) if error.is_outdated() => {}
            Err(Ending::Error(error)) => return Err(error.to_string()),
            Err(Ending::NoPlan(why)) => return Err(why),
            Ok(report) => return Ok(report),
        }
    }
    Err("no plan fits".to_owned())
}

/// Why there is no report.
enum Ending {
    Error(ApplyError),
    NoPlan(String),
}

impl<E: Into<ApplyError>> From<E> for Ending {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// What is recorded, at the addresses that the blocks say it has now.
fn renamed(recorded: &Recorded, blocks: &[Block]) -> Renamed {
    let endpoint = |text: &str| {
        let at = Address::parse(text).unwrap();
        let resource = ResourceName { kind: at.kind().into(), name: at.name().into(), key: None };
        Endpoint { modules: Vec::new(), resource: Some(resource) }
    };
    let moved = blocks.iter().filter_map(|block| Some((block.was?, block.address)));
    let moves = moved.map(|(from, to)| Move {
        within: Vec::new(),
        from: endpoint(from),
        to: endpoint(to),
        span: None,
    });
    planner::rename(recorded, &moves.collect::<Vec<_>>())
}

async fn plan_and_run(
    mortal: &Arc<Mortal>,
    engine: &Engine,
    request: &RunRequest,
    blocks: &[Block],
    targets: &[Target],
    cancel: &CancelToken,
) -> Result<RunReport, Ending> {
    let world = &mortal.world;
    let purpose = if blocks.is_empty() { Purpose::Destroy } else { Purpose::Apply };
    let recorded = engine.recover(request, purpose, cancel).await?;
    let Renamed { recorded, moved, .. } = renamed(&recorded, blocks);
    let (actual, problems) = engine.refresh(&recorded).await;
    if let Some(problem) = problems.first() {
        return Err(Ending::NoPlan(problem.summary.clone()));
    }
    let schemas = BTreeMap::from([("memory".to_owned(), world.cloud.schema())]);
    let plan = configuration::plan_moved(&recorded, &moved, &actual, &schemas, blocks, targets)
        .map_err(|problems| Ending::NoPlan(format!("no plan: {problems:?}")))?;
    let faults = planner::check::check(&plan);
    if !faults.is_empty() {
        world.violated(format!("{} makes a faulty plan: {faults:?}", mortal.name));
    }
    world.log(|| {
        let each = plan.operations.iter().map(|o| format!("{:?} {}", o.kind, o.address));
        let moves = plan.moved.iter().map(|it| format!("{} -> {}", it.from, it.to));
        let each: Vec<_> = moves.chain(each).collect();
        format!("{} plans {}", mortal.name, each.join(", "))
    });
    let run = engine.begin_run(request, scope_of(&plan), cancel).await?;
    let report = run.apply(&plan, 4, cancel).await;
    let finished = run.finish().await;
    let report = report?;
    finished?;
    Ok(report)
}

/// Makes providers that belong to one program.
struct Factory(Arc<Mortal>);

impl ProviderFactory for Factory {
    fn schema(&self, _: &str) -> Option<ProviderSchema> {
        Some(self.0.world.cloud.schema())
    }

    fn configure(
        &self,
        _: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(cloud::Front::new(self.0.clone(), owner.clone())))
    }
}

struct Sink(Arc<Mortal>);

impl EventSink for Sink {
    fn publish(&self, event: Event) {
        let told = match &event {
            Event::OperationSucceeded { address, kind, .. } => format!("{kind:?} {address}: done"),
            Event::OperationFailed { address, kind, diagnostic, .. } => {
                format!("{kind:?} {address}: failed: {}", diagnostic.summary)
            }
            Event::Recovered { address, how } => format!("{address} recovered: {how}"),
            Event::Notice { message } => message.clone(),
            _ => return,
        };
        self.0.world.log(|| format!("{}: {told}", self.0.name));
    }
}

/// The time of one program: it stands still and ends with it.
struct LifeTime(Arc<Mortal>, PausedTime);

#[async_trait]
impl Clock for LifeTime {
    fn now_ms(&self) -> u64 {
        // Without fencing a program does not notice how old its lease is.
        if self.0.world.off == Off::Fencing { 0 } else { self.1.now_ms() }
    }

    fn wall_ms(&self) -> u64 {
        self.1.wall_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.1.sleep(duration).await;
        self.0.thaw().await;
    }

    fn seed(&self) -> u64 {
        self.1.seed()
    }
}

/// What must hold in the end.
async fn check(world: &Arc<World>, blocks: &[Block]) {
    let objects = world.cloud.objects();
    let recorded = match world.store.load().await {
        Ok(recorded) => recorded,
        Err(error) => return world.violated(format!("the state cannot be read: {error}")),
    };
    let known: BTreeSet<String> = recorded.records.values().map(|r| r.id.clone()).collect();
    for orphan in world.cloud.orphans(&known) {
        world.violated(format!("orphan: {} ({})", orphan.id, orphan.address));
    }
    for (address, objects) in world.cloud.duplicates() {
        let ids: Vec<_> = objects.into_iter().map(|object| object.id).collect();
        world.violated(format!("duplicate: {address} is {}", ids.join(" and ")));
    }
    // An object keeps the mark of the address that it was made for, wherever its record moves.
    let is_made_for = |made: &Address, record: &Record| {
        let (made, now) = (made.to_string(), record.address.to_string());
        let was = |block: &Block| block.address == now && block.was == Some(made.as_str());
        made == now || blocks.iter().any(was)
    };
    for record in recorded.records.values() {
        let object = objects.iter().find(|object| object.id == record.id);
        match object {
            None if record.address.kind() == schema::NOTE => {}
            None => world.violated(format!("{} is recorded and not there", record.address)),
            Some(object) if !object.complete || !is_made_for(&object.address, record) => {
                world.violated(format!("{} is recorded and not well", record.address));
            }
            Some(_) => {}
        }
    }
    for (id, address) in world.must_be_there() {
        if !known.contains(&id) {
            world.violated(format!("{address} ({id}) was acknowledged, not deleted, and is lost"));
        }
    }
    let wanted: BTreeSet<&str> = blocks.iter().map(|block| block.address).collect();
    let found: Vec<String> = recorded.records.keys().map(ToString::to_string).collect();
    if found.len() != wanted.len() || !found.iter().all(|name| wanted.contains(name.as_str())) {
        world.violated(format!("wanted are {wanted:?}, recorded are {found:?}"));
    }
    if !recorded.unfinished.is_empty() || !recorded.deposed.is_empty() {
        world.violated("something is unfinished or deposed".to_owned());
    }
    match world.store.check().await {
        Ok(report) if report.findings.is_empty() => {}
        Ok(report) => world.violated(format!("the journal: {:?}", report.findings)),
        Err(error) => world.violated(format!("the journal cannot be checked: {error}")),
    }
    nothing_left(world, blocks).await;
}

/// The next plan is empty, and a sweep finds nothing.
async fn nothing_left(world: &Arc<World>, blocks: &[Block]) {
    let mortal = Mortal::new(world, "the observer".to_owned(), None, None);
    let ports = Ports {
        store: Arc::new(store::Front::new(mortal.clone(), Place::Here, 0)),
        factory: Arc::new(Factory(mortal.clone())),
        resolver: Arc::new(References),
        events: Arc::new(Sink(mortal.clone())),
        clock: Arc::new(world.time.clone()),
        records: Arc::new(LiveRecords::default()),
    };
    let engine = Engine::new(ENVIRONMENT, ports);
    let Ok(recorded) = engine.load().await else {
        return world.violated("the state cannot be read".to_owned());
    };
    let Renamed { recorded, moved, .. } = renamed(&recorded, blocks);
    let (actual, _) = engine.refresh(&recorded).await;
    let schemas = BTreeMap::from([("memory".to_owned(), world.cloud.schema())]);
    match configuration::plan_moved(&recorded, &moved, &actual, &schemas, blocks, &[]) {
        Ok(plan) if !plan.has_changes() => {}
        Ok(plan) => {
            let changes = plan.changes.iter().filter(|c| c.action != model::plan::Action::NoOp);
            let changes: Vec<_> =
                changes.map(|c| format!("{:?} {}: {:?}", c.action, c.address, c.reasons)).collect();
            world.violated(format!("the next plan is not empty: {}", changes.join(", ")));
        }
        Err(problems) => world.violated(format!("there is no next plan: {problems:?}")),
    }
    match engine.sweep(&recorded, &BTreeMap::new()).await {
        Ok((strays, _)) if strays.is_empty() => {}
        Ok((strays, _)) => {
            let each: Vec<_> = strays.iter().map(|s| format!("{} ({})", s.address, s.id)).collect();
            world.violated(format!("strays: {}", each.join(", ")));
        }
        Err(error) => world.violated(format!("the sweep fails: {error}")),
    }
}
