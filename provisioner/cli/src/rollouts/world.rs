//! The world of a rollout: each wave is an ordinary plan of the configuration (or, on the way back, of what was recorded
//! before), limited to its nodes, in which every other node stays as it is recorded.
//!
//! Invariants: a wave takes its own lease on what it writes, as any run; what fails is told of the node it is about; a state that
//! cannot be reached is nobody's fault and is waited for. Evaluation is not `Send`, so each call plans on a thread of its own.
//! Refuses to know: stages, gates, verdicts.

use crate::arguments::{Running, Strays};
use crate::error::CommandError;
use crate::planning::{self, Wishes, Workshop, World as Seen};
use crate::project::Project;
use crate::restore_points::{Points, Present, misnamed};
use crate::running::{self, Looking, Ready};
use crate::session::Session;
use crate::store::Store;
use crate::wiring::{self, Wired};
use async_trait::async_trait;
use engine::node_provider::RUNNING;
use engine::{ApplyError, CancelToken, Clock, Level, Purpose, RunReport, RunRequest, SystemClock};
use lang::Inputs;
use model::event::Discard;
use model::plan::{Actual, Observation, Plan};
use model::record::Recorded;
use model::restore_point::{Origin, PointName};
use model::rollout::entry::Reading;
use model::rollout::{Rollout, Source};
use model::{Address, Diagnostic};
use planner::{Planner, Target};
use recovery::capture;
use recovery::{Asked, Changed};
use rollout::driver::{Listing, Notice, Snapshot, Wanted, Wave, Waved, World};
use rollout::source::source_for;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How often a plan is made anew because another run changed what it is about.
const ROUNDS: u32 = 8;
/// How often a state that cannot be reached, or nodes that another run holds, are tried again.
const PATIENCE: u32 = 60;
/// How long between two tries.
const PAUSE: Duration = Duration::from_secs(5);

/// What is said of a state that can be had later: another run holds it, or nobody reaches it.
const PASSING: [&str; 3] = ["state-held", "state-lease-lost", "state-unreachable"];

/// How often what lists nodes is tried to be brought up to date before a person is asked.
const LISTING_TRIES: u32 = 3;
/// After so many milliseconds it is not tried again: a node that does not answer has been waited for in each try already.
const LISTING_MS: u64 = 60_000;

/// Everything that waves are made with.
pub struct Fleet {
    /// The console and the user's wishes.
    pub session: Session,
    /// The configuration of the candidate.
    pub project: Project,
    /// What `rollout run` goes on with: the environment, or the saved plan that the rollout began with.
    pub resumed_with: String,
    /// The saved plan that people agreed to: waves do nothing beyond it.
    pub agreed: Option<Box<Plan>>,
    /// What its evaluation starts from.
    pub inputs: Inputs,
    /// Runs waves.
    pub wired: Wired,
    /// Looks at nodes beside them: a wiring of its own, since looking replaces what a wiring knows of records.
    pub eyes: Wired,
    /// Where the environment is recorded.
    pub store: Store,
    /// The options of running.
    pub running: Running,
    /// The rules of the node sets, by set, with what is secret in them.
    pub rules: BTreeMap<String, Rollout>,
    /// The nodes of these sets, by set: those that are recorded and those that are to come.
    pub nodes: BTreeMap<String, BTreeSet<String>>,
    /// Asked to end.
    pub cancel: CancelToken,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The world of one rollout.
#[derive(Clone)]
pub struct FleetWorld(pub Arc<Fleet>);

/// Why a wave came to nothing.
enum Trouble {
    /// Nobody's fault; its end is not known.
    Left,
    /// It cannot be done.
    Refused(String),
}

impl From<CommandError> for Trouble {
    fn from(error: CommandError) -> Self {
        Self::Refused(said(&error.diagnostics))
    }
}

type Ran = Result<RunReport, Trouble>;

impl FleetWorld {
    /// Does work that is not `Send` on a thread where it hinders nobody.
    async fn apart<T, F>(&self, work: impl FnOnce(Arc<Fleet>) -> F + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let fleet = self.0.clone();
        let handle = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || handle.block_on(work(fleet))).await.ok()
    }

    /// Runs what brings lists up to date; what fails is tried again.
    async fn listed<F>(
        &self,
        work: impl Fn(Arc<Fleet>) -> F + Clone + Send + 'static,
    ) -> Option<Result<(), String>>
    where
        F: Future<Output = Ran>,
    {
        let (mut tries, begun_ms) = (1, self.0.clock.now_ms());
        loop {
            let done = whole(self.apart(work.clone()).await?)?;
            let Err(why) = done else { return Some(Ok(())) };
            let taken_ms = self.0.clock.now_ms().saturating_sub(begun_ms);
            if tries >= LISTING_TRIES || taken_ms >= LISTING_MS {
                return Some(Err(why));
            }
            tries += 1;
            tokio::select! {
                () = self.0.cancel.reached(Level::Finish) => return None,
                () = self.0.clock.sleep(PAUSE) => {}
            }
        }
    }

    /// What came of the nodes of a wave.
    async fn waved(&self, nodes: &[String], ran: Ran) -> Option<Waved> {
        let failed = match ran {
            Ok(report) if report.interrupted => return None,
            Ok(report) => blamed(nodes, &report),
            Err(Trouble::Left) => return None,
            Err(Trouble::Refused(why)) => {
                nodes.iter().map(|node| (node.clone(), why.clone())).collect()
            }
        };
        let suspects: Vec<String> = failed.keys().cloned().collect();
        let unreachable = if suspects.is_empty() {
            BTreeSet::new()
        } else {
            self.look(&suspects).await.into_keys().collect()
        };
        let done = nodes.iter().filter(|node| !failed.contains_key(*node)).cloned().collect();
        Some(Waved { done, failed, unreachable })
    }
}

impl Fleet {
    /// What waves of an environment are made with; rules and nodes come with a plan.
    pub fn new(
        session: &Session,
        project: Project,
        store: Store,
        running: Running,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            inputs: project.inputs(&store.login_key()?),
            wired: wiring::wire(session, &store)?,
            // Looking at nodes beside the waves is not told.
            eyes: wiring::wire_with(session, &store, Arc::new(Discard))?,
            session: session.clone(),
            resumed_with: project.target.clone(),
            agreed: None,
            project,
            store,
            running,
            rules: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cancel: running::listen()?,
            clock: Arc::new(SystemClock::new(0)),
        })
    }

    /// What waves call the environment's nodes by: everything but these stays as it is recorded.
    fn held(&self, but: &[&[String]]) -> BTreeSet<(String, String)> {
        let moves = |node: &String| but.iter().any(|some| some.contains(node));
        let all = self.nodes.iter();
        all.flat_map(|(set, nodes)| {
            nodes.iter().filter(|node| !moves(node)).map(|node| (set.clone(), node.clone()))
        })
        .collect()
    }

    /// What it takes to run a plan.
    pub fn ready(&self) -> Ready<'_> {
        Ready {
            session: &self.session,
            wired: &self.wired,
            running: &self.running,
            command: format!("rollout {}", self.project.target),
            sources: &self.project.sources,
            lease_seconds: self.store.lease_seconds,
        }
    }

    /// What it takes to plan the configuration.
    pub fn workshop(&self) -> Workshop<'_> {
        Workshop::new(&self.session, &self.project, &self.inputs, &self.wired.factory)
    }

    fn request(&self) -> RunRequest {
        self.ready().request()
    }

    /// A plan of the configuration.
    async fn forward(&self, wishes: Wishes) -> Ran {
        let targets = wishes.targets.clone();
        let make = async |seen: &Seen<'_>| {
            let plan = self.workshop().plan(seen, wishes.clone()).await?;
            if !wishes.present.is_empty() {
                still(&plan)?;
            }
            let beyond = self.agreed.as_ref().map(|agreed| planner::beyond(agreed, &plan));
            match beyond.filter(|beyond| !beyond.is_empty()) {
                Some(diagnostics) => Err(CommandError::new(diagnostics, &self.project.sources)),
                None => Ok(plan),
            }
        };
        self.plan_and_run(&targets, make).await
    }

    /// A plan of what was recorded of these nodes in a former version of the state.
    async fn back(&self, wave: &Wave, stable_serial: u64) -> Ran {
        let nodes: BTreeSet<_> =
            wave.nodes.iter().map(|node| (wave.node_set.clone(), node.clone())).collect();
        let wishes = Wishes {
            targets: targets(&wave.node_set, &wave.nodes),
            held: self.held(&[&wave.nodes]),
            ..Wishes::default()
        };
        self.as_before(wishes, &nodes, &BTreeSet::new(), stable_serial).await
    }

    /// A plan of what was recorded of nodes, and of others, in a former version of the state.
    async fn as_before(
        &self,
        wishes: Wishes,
        nodes: &BTreeSet<(String, String)>,
        others: &BTreeSet<Address>,
        stable_serial: u64,
    ) -> Ran {
        let version = self.store.port.version(stable_serial).await;
        let version = version.map_err(|error| Trouble::Refused(error.to_string()))?;
        let then = version.into_recorded(self.store.identity.lineage.clone());
        let targets = wishes.targets.clone();
        let make = async |seen: &Seen<'_>| {
            let schemas = self.wired.factory.schemas();
            let options =
                wishes.clone().options(&self.project.environment, seen.moved, planning::now());
            let planner = Planner::new(seen.recorded, seen.actual, schemas, options);
            let mut desired = planner.stable(&then, nodes, others);
            // On the way back, too, a set has room for as many nodes more.
            desired.rollouts.clone_from(&self.rules);
            let error = |diagnostics| CommandError { diagnostics, ..CommandError::default() };
            planning::checked(planner.plan(&desired).map_err(error)?)
        };
        self.plan_and_run(&targets, make).await
    }

    /// What brings lists up to date is planned with all nodes of the sets as they are recorded.
    fn listing(&self, Listing { node_sets, lists }: &Listing) -> Wishes {
        let mut held = self.held(&[]);
        held.retain(|(set, _)| node_sets.contains(set));
        let target = |address: &Address| Target::parse(&address.to_string()).ok();
        Wishes {
            targets: lists.iter().filter_map(target).collect(),
            held,
            present: node_sets.clone(),
            quiet: true,
            ..Wishes::default()
        }
    }

    async fn plan_and_run(
        &self,
        targets: &[Target],
        make: impl AsyncFn(&Seen<'_>) -> Result<Plan, CommandError>,
    ) -> Ran {
        let (ready, mut rounds, mut tries) = (self.ready(), 0, 0);
        let rename =
            |recorded: Recorded| planning::renamed(&self.session, &self.project, &recorded);
        let looking = Looking { refresh: true, targets, strays: Strays::Ignore, rename: &rename };
        loop {
            let error = match self.once(&ready, &looking, &make).await? {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            match error {
                ApplyError::Interrupted => return Err(Trouble::Left),
                error if error.is_outdated() && rounds < ROUNDS => rounds += 1,
                // Another run holds them, or nobody can read or write: not the candidate's fault.
                ApplyError::State(error) if tries < PATIENCE => {
                    tries += 1;
                    self.session.console.message_line(&format!("Waiting: {error}."));
                    tokio::select! {
                        () = self.cancel.reached(Level::Finish) => return Err(Trouble::Left),
                        () = self.clock.sleep(PAUSE) => {}
                    }
                }
                ApplyError::State(_) => return Err(Trouble::Left),
                error => return Err(Trouble::Refused(said(&error.diagnostics()))),
            }
        }
    }

    async fn once(
        &self,
        ready: &Ready<'_>,
        looking: &Looking<'_>,
        make: impl AsyncFn(&Seen<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Result<RunReport, ApplyError>, Trouble> {
        let engine = &self.wired.engine;
        let recovered = engine.recover(&self.request(), Purpose::Apply, &self.cancel).await;
        let recorded = match recovered {
            Ok(recorded) => recorded,
            Err(error) => return Ok(Err(error)),
        };
        let renamed = (looking.rename)(recorded);
        let plan = ready.look_and_plan(&renamed, looking, &self.cancel, make).await?;
        let Some(plan) = plan else { return Err(Trouble::Left) };
        Ok(ready.run(&plan, &self.cancel).await)
    }

    /// The restore point before the first wave. A state that cannot be reached is waited for.
    async fn snapshot(&self, wanted: &Snapshot) -> Option<Result<PointName, String>> {
        let mut tries = 0;
        loop {
            let error = match self.captured(wanted).await {
                Ok(done) => return done.map(Ok),
                Err(error) => error,
            };
            let passing = error.diagnostics.iter().any(|it| PASSING.contains(&it.code.as_str()));
            if tries >= PATIENCE || !passing {
                return Some(Err(said(&error.diagnostics)));
            }
            tries += 1;
            self.session.console.message_line(&format!("Waiting: {}.", said(&error.diagnostics)));
            tokio::select! {
                () = self.cancel.reached(Level::Finish) => return None,
                () = self.clock.sleep(PAUSE) => {}
            }
        }
    }

    async fn captured(&self, wanted: &Snapshot) -> Result<Option<PointName>, CommandError> {
        let Snapshot { rollout, nodes } = wanted;
        let name = PointName::of_rollout(rollout).map_err(|error| misnamed(&error))?;
        let command = format!("rollout {}", self.project.target);
        let (calling, progress) = (self.running.calling, self.wired.progress.clone());
        let points =
            Points::create(&self.session, &self.project, &command, calling, progress).await?;
        let present = Present::of(&self.store).await?;
        let schemas = self.wired.factory.schemas();
        let asked = Asked {
            name,
            origin: Origin::Rollout { rollout: rollout.clone() },
            sources: capture::of_nodes(present.recorded(), schemas, nodes),
        };
        match points.capture(&present, &asked, &self.cancel).await? {
            Changed::Done(point) => Ok(Some(point.name)),
            Changed::Partly(report) => {
                Err(CommandError { diagnostics: report.diagnostics, ..CommandError::default() })
            }
            Changed::Interrupted => Ok(None),
        }
    }

    /// What is recorded below some nodes, as it is now.
    async fn seen(&self, nodes: &[String]) -> Result<Actual, String> {
        let mut recorded = self.store.port.load().await.map_err(|error| error.to_string())?;
        recorded.records.retain(|address, _| {
            address.node().is_some_and(|(_, node)| nodes.iter().any(|name| name == node))
        });
        let (actual, diagnostics) = self.eyes.engine.refresh(&recorded).await;
        match diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            Some(error) if actual.is_empty() => Err(error.summary.clone()),
            _ => Ok(actual),
        }
    }

    /// Whether the services of nodes are as they should be.
    async fn probes(&self, nodes: &[String]) -> Reading {
        if nodes.is_empty() {
            return Reading::Missing { why: "no node is on the candidate".to_owned() };
        }
        let actual = match self.seen(nodes).await {
            Ok(actual) => actual,
            Err(why) => return Reading::Error { why },
        };
        let unwell = actual.iter().filter_map(|(address, seen)| unwell(address, seen));
        match unwell.collect::<Vec<_>>().as_slice() {
            [] => Reading::Yes,
            some => Reading::No { why: some.join("; ") },
        }
    }
}

#[async_trait]
impl World for FleetWorld {
    async fn change(&self, wave: Wave) -> Option<Waved> {
        let nodes = wave.nodes.clone();
        let ran = self.apart(move |fleet| async move {
            let held = fleet.held(&[&wave.nodes, &wave.candidates]);
            let targets = targets(&wave.node_set, &wave.nodes);
            fleet.forward(Wishes { targets, held, ..Wishes::default() }).await
        });
        self.waved(&nodes, ran.await?).await
    }

    async fn restore(&self, wave: Wave, stable_serial: u64) -> Option<Waved> {
        let nodes = wave.nodes.clone();
        let ran = self.apart(move |fleet| async move { fleet.back(&wave, stable_serial).await });
        self.waved(&nodes, ran.await?).await
    }

    async fn bring_lists(&self, listing: &Listing) -> Option<Result<(), String>> {
        let listing = listing.clone();
        self.listed(move |fleet| {
            let listing = listing.clone();
            async move { fleet.forward(fleet.listing(&listing)).await }
        })
        .await
    }

    async fn restore_lists(
        &self,
        listing: &Listing,
        stable_serial: u64,
    ) -> Option<Result<(), String>> {
        let listing = listing.clone();
        self.listed(move |fleet| {
            let listing = listing.clone();
            async move {
                let wishes = fleet.listing(&listing);
                fleet.as_before(wishes, &BTreeSet::new(), &listing.lists, stable_serial).await
            }
        })
        .await
    }

    async fn finish(&self, excluded: &[String]) -> Option<Result<(), String>> {
        let excluded = excluded.to_vec();
        let ran = self.apart(move |fleet| async move {
            let all: Vec<String> = fleet.nodes.values().flatten().cloned().collect();
            let moving: Vec<String> =
                all.into_iter().filter(|node| !excluded.contains(node)).collect();
            let held = fleet.held(&[&moving]);
            fleet.forward(Wishes { held, ..Wishes::default() }).await
        });
        whole(ran.await?)
    }

    async fn look(&self, nodes: &[String]) -> BTreeMap<String, String> {
        let nodes = nodes.to_vec();
        let seen = self.apart(move |fleet| async move { fleet.seen(&nodes).await }).await;
        // What cannot be looked at is not known to be down.
        let Some(Ok(actual)) = seen else { return BTreeMap::new() };
        let down = actual.into_iter().filter_map(|(address, seen)| {
            let (_, node) = address.node()?;
            match seen {
                Observation::Unreachable(why) => Some((node.to_owned(), why)),
                _ => None,
            }
        });
        down.collect()
    }

    async fn measure(&self, wanted: &Wanted) -> (Vec<String>, Reading) {
        let rules = self.0.rules.get(&wanted.node_set);
        let Some(gate) = rules.and_then(|rules| rules.gates.get(&wanted.gate)) else {
            let why = format!("the configuration has no gate `{}` any more", wanted.gate);
            return (Vec::new(), Reading::Error { why });
        };
        if let Source::Nodes = gate.source {
            let nodes = wanted.ask.selectors.candidate.clone();
            let asked = vec![format!("probes of {} nodes", nodes.len())];
            let read = self.apart(move |fleet| async move { fleet.probes(&nodes).await }).await;
            let broken = || Reading::Error { why: "looking at nodes broke off".to_owned() };
            return (asked, read.unwrap_or_else(broken));
        }
        let gate = if wanted.compares { gate.clone() } else { gate.without_control() };
        let Some(source) = source_for(&gate) else {
            return (Vec::new(), Reading::Error { why: "nobody can be asked".to_owned() });
        };
        (source.queries(&wanted.ask), source.measure(&wanted.ask).await)
    }

    async fn snapshot(&self, wanted: &Snapshot) -> Option<Result<PointName, String>> {
        let wanted = wanted.clone();
        self.apart(move |fleet| async move { fleet.snapshot(&wanted).await }).await?
    }

    async fn notify(&self, node_set: &str, notice: &Notice) -> Result<(), String> {
        let rules = self.0.rules.get(node_set);
        for by in rules.iter().flat_map(|rules| &rules.notify) {
            rollout::notify::notify(by, notice).await?;
        }
        Ok(())
    }
}

/// Whether a run did everything; none when it was interrupted.
fn whole(ran: Ran) -> Option<Result<(), String>> {
    match ran {
        Ok(report) if report.interrupted => None,
        Ok(report) if report.is_complete() => Some(Ok(())),
        Ok(report) => Some(Err(said(&report.diagnostics))),
        Err(Trouble::Left) => None,
        Err(Trouble::Refused(why)) => Some(Err(why)),
    }
}

/// A plan changes nothing of nodes that are held: what would is refused before it is run.
fn still(plan: &Plan) -> Result<(), CommandError> {
    let is_held = |address: &Address| {
        address
            .node()
            .is_some_and(|(set, node)| plan.held.contains(&(set.to_owned(), node.to_owned())))
    };
    let moved = plan.operations.iter().find(|it| is_held(&it.address));
    let Some(operation) = moved else { return Ok(()) };
    let summary = format!("{} is not there, and its node is to stay as it is", operation.address);
    Err(Diagnostic::error("rollout-list", summary)
        .with_hint("`retry` when the node is whole; `abort` takes the rollout back")
        .about(&operation.address)
        .into())
}

/// Nodes as targets.
fn targets(set: &str, nodes: &[String]) -> Vec<Target> {
    let target = |node: &String| Target::parse(&format!("node_set.{set}.node[\"{node}\"]")).ok();
    nodes.iter().filter_map(target).collect()
}

/// The nodes of a wave that failed, and why. What belongs to no node of it is held against all that waited for it.
fn blamed(nodes: &[String], report: &RunReport) -> BTreeMap<String, String> {
    let mut failed = BTreeMap::new();
    let node_of = |address: &Address| {
        let (_, node) = address.node()?;
        nodes.iter().find(|name| *name == node).cloned()
    };
    for failure in &report.failed {
        if let Some(node) = node_of(&failure.address) {
            failed.entry(node).or_insert_with(|| said(std::slice::from_ref(&failure.diagnostic)));
        }
    }
    for skipped in &report.skipped {
        if let Some(node) = node_of(&skipped.address) {
            failed.entry(node).or_insert_with(|| skipped.because.clone());
        }
    }
    if failed.is_empty() && !report.is_complete() {
        let why = said(&report.diagnostics);
        failed.extend(nodes.iter().map(|node| (node.clone(), why.clone())));
    }
    failed
}

/// What is wrong with an object of a node, in a sentence.
fn unwell(address: &Address, seen: &Observation) -> Option<String> {
    let (_, node) = address.node()?;
    match seen {
        Observation::Unreachable(why) => Some(why.clone()),
        Observation::Absent(why) => Some(format!("{node}: {why}")),
        Observation::Present(attributes) if address.kind() == "service" => {
            let status = attributes.get("status");
            let status = status.as_ref().and_then(model::Value::as_str).unwrap_or("unknown");
            let name = address.name();
            (status != RUNNING).then(|| format!("{node}: {name} is {status}"))
        }
        Observation::Present(_) => None,
    }
}

/// Diagnostics in one line.
fn said(diagnostics: &[Diagnostic]) -> String {
    let Some(first) = diagnostics.iter().find(|it| it.is_error()).or(diagnostics.first()) else {
        return "not everything was done".to_owned();
    };
    let detail = first.detail.lines().next().filter(|line| !line.starts_with("declared at "));
    match detail.filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{}: {detail}", first.summary),
        None => first.summary.clone(),
    }
}
