//! Makes restore points, looks whether they are what they were, and deletes them.
//!
//! Each change is an ordinary plan of the catalogue, run by the engine: intents before calls, adoption after a crash, one run at a
//! time on what it writes. So a restore point that was cut off anywhere is gone on with by asking for it again, and nothing is made
//! twice. Invariant: a restore point is recorded as such only after all of its snapshots are there. Refuses to know: where the
//! catalogue is kept, the terminal.

use crate::capture::{Schemas, Source, wanted};
use crate::catalogue::{self, Catalogue, CatalogueError, Edit, begun_at, state_text};
use crate::retention;
use engine::{
    ApplyError, CancelToken, Engine, Lasting, Owner, ProviderFactory, Purpose, RunReport,
    RunRequest, scope_of,
};
use model::plan::{Actual, Observation, Plan};
use model::record::{Record, Recorded};
use model::restore_point::{FORMAT, Origin, PointName, RestorePoint};
use model::{Address, Diagnostic};
use planner::{Options, Planner};
use state::StateError;
use std::collections::{BTreeMap, BTreeSet};

/// How often a plan is made anew because another run changed the catalogue meanwhile.
const ROUNDS: u32 = 8;

/// Why a change of the catalogue did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// It could not be run.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What the catalogue has cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// It could not be planned.
    #[error("{}", first(.0))]
    Planned(Vec<Diagnostic>),
    /// The catalogue cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

fn first(diagnostics: &[Diagnostic]) -> String {
    let error = diagnostics.iter().find(|it| it.is_error()).or(diagnostics.first());
    error.map_or_else(|| "it cannot be planned".to_owned(), |error| error.summary.clone())
}

type Result<T, E = RecoveryError> = std::result::Result<T, E>;

/// An environment that a restore point is made of, as it is recorded.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Whose it is.
    pub owner: &'a Owner,
    /// What is recorded of it.
    pub recorded: &'a Recorded,
    /// The same as `state export` writes it.
    pub state: &'a str,
}

/// A restore point that is wanted.
pub struct Asked<'a> {
    /// Its name.
    pub name: PointName,
    /// What it is for.
    pub origin: Origin,
    /// What is captured.
    pub sources: Vec<Source<'a>>,
}

/// What came of a change.
pub enum Changed<T> {
    /// It was done.
    Done(T),
    /// Not all of it was; what was is recorded.
    Partly(RunReport),
    /// It was interrupted: how it ended is found out when it is asked for again.
    Interrupted,
}

/// Changes a catalogue and looks at what it has.
pub struct Recovery<'a> {
    /// The engine of the catalogue.
    pub engine: &'a Engine,
    /// Makes providers.
    pub factory: &'a dyn ProviderFactory,
    /// What they declare.
    pub schemas: &'a Schemas,
    /// The catalogue's own name and lineage.
    pub owner: Owner,
    /// How runs are called; each gets a run id of its own.
    pub request: &'a (dyn Fn() -> RunRequest + Sync),
    /// Calls at once.
    pub parallelism: usize,
    /// RFC 3339 time at which the command began, in UTC.
    pub now: String,
}

impl Recovery<'_> {
    /// Makes a restore point, or goes on with one that was begun. One that is whole already is given as it is.
    pub async fn create(
        &self,
        environment: Environment<'_>,
        asked: &Asked<'_>,
        cancel: &CancelToken,
    ) -> Result<Changed<RestorePoint>> {
        let providers = self.lasting(environment, &asked.sources).await?;
        let lineage = &self.owner.lineage;
        let wanted = wanted(&asked.name, lineage, &asked.sources, &providers, self.schemas);
        let asked_for = RestorePoint {
            format: FORMAT,
            name: asked.name.clone(),
            environment: environment.owner.environment.clone(),
            lineage: environment.owner.lineage.clone(),
            serial: environment.recorded.serial,
            state_digest: model::digest::sha256_hex(environment.state.as_bytes()),
            begun_at: self.now.clone(),
            origin: asked.origin.clone(),
            snapshots: wanted.captured.clone(),
        };
        let (names, mut point) = ([asked.name.clone()].into(), asked_for.clone());
        let changed = self
            .change(&|it| catalogue::is_of(it, &names), cancel, |recorded, edit| {
                let mut catalogue = Catalogue::of(recorded);
                if let Some(damaged) = catalogue.damaged.remove(&asked.name) {
                    return Err(damaged.error.into());
                }
                if let Some(kept) = catalogue.points.remove(&asked.name) {
                    point = kept.point;
                    return Ok(());
                }
                point.clone_from(&asked_for);
                if let Some(begun_at) = begun_at(recorded, &asked.name) {
                    point.begun_at = begun_at;
                }
                Ok(edit.add(&point, &wanted, environment.state)?)
            })
            .await?;
        Ok(match changed {
            Changed::Done(()) => Changed::Done(point),
            Changed::Partly(report) => Changed::Partly(report),
            Changed::Interrupted => Changed::Interrupted,
        })
    }

    /// Deletes restore points with all their snapshots. One that is locked is refused, and so is one that another run has finished
    /// since the first look at it: who let it go thought it of no use.
    pub async fn delete(
        &self,
        names: &BTreeSet<PointName>,
        cancel: &CancelToken,
    ) -> Result<Changed<()>> {
        let mut first: Option<BTreeSet<PointName>> = None;
        self.change(&|it| catalogue::is_of(it, names), cancel, |recorded, edit| {
            let catalogue = Catalogue::of(recorded);
            let unfinished =
                first.get_or_insert_with(|| catalogue.unfinished.keys().cloned().collect());
            for name in names {
                if let Some(reason) = retention::bound(&catalogue, name, &BTreeSet::new()) {
                    return Err(stays(name, &reason.to_string()));
                }
                if unfinished.contains(name) && catalogue.points.contains_key(name) {
                    return Err(stays(name, "it was finished meanwhile"));
                }
                edit.remove(name);
            }
            Ok(())
        })
        .await
    }

    /// Locks a restore point, or unlocks it. One that was never finished cannot be locked.
    pub async fn lock(
        &self,
        name: &PointName,
        locked: bool,
        cancel: &CancelToken,
    ) -> Result<Changed<()>> {
        self.change(&|it| catalogue::is_locking(it, name), cancel, |recorded, edit| {
            let catalogue = Catalogue::of(recorded);
            let is_there =
                catalogue.points.contains_key(name) || catalogue.damaged.contains_key(name);
            if locked && !is_there {
                let summary = format!("there is no restore point `{name}` that is whole");
                let refused = Diagnostic::error("no-restore-point", summary);
                return Err(RecoveryError::Planned(vec![refused]));
            }
            edit.lock(name, locked);
            Ok(())
        })
        .await
    }

    /// Looks at every snapshot of these restore points, and at what is kept with them.
    pub async fn verify(
        &self,
        names: &BTreeSet<PointName>,
    ) -> Result<BTreeMap<PointName, Vec<Finding>>> {
        let recorded = self.engine.load().await?;
        let catalogue = Catalogue::of(&recorded);
        let points = || catalogue.points.values().filter(|kept| names.contains(&kept.point.name));
        let snapshots = points().flat_map(|kept| kept.records.clone());
        let looked_at = Recorded { records: snapshots.collect(), ..recorded.clone() };
        let (actual, errors) = self.engine.refresh(&looked_at).await;
        let damaged = catalogue.damaged.iter().filter(|(name, _)| names.contains(name));
        let mut found: BTreeMap<_, _> = damaged
            .map(|(name, damaged)| {
                let why = damaged.error.to_string();
                (name.clone(), vec![Finding { of: None, snapshot: None, why }])
            })
            .collect();
        for kept in points() {
            let mut findings = Vec::new();
            if let Err(error) = state_text(&recorded, &kept.point) {
                findings.push(Finding { of: None, snapshot: None, why: error.to_string() });
            }
            for (captured, record) in kept.snapshots() {
                let why = match record {
                    None => Some("it is recorded no more".to_owned()),
                    Some(record) => self.damage(record, &actual, &errors),
                };
                findings.extend(why.map(|why| Finding {
                    of: Some(captured.of.clone()),
                    snapshot: record.map(|record| record.id.clone()),
                    why,
                }));
            }
            found.insert(kept.point.name.clone(), findings);
        }
        Ok(found)
    }

    /// What is wrong with a snapshot; nothing if it is what it was.
    fn damage(&self, record: &Record, actual: &Actual, errors: &[Diagnostic]) -> Option<String> {
        let address = &record.address;
        let seen = match actual.get(address) {
            Some(Observation::Present(seen)) => seen,
            Some(Observation::Absent(why) | Observation::Unreachable(why)) => {
                return Some(why.clone());
            }
            None => {
                let error = errors.iter().find(|error| error.address.as_ref() == Some(address));
                return Some(error.map_or_else(
                    || "it could not be looked at".to_owned(),
                    |error| error.summary.clone(),
                ));
            }
        };
        let schema = crate::capture::schema(self.schemas, &record.provider, address.kind())?;
        schema.attributes.iter().find_map(|(name, attribute)| {
            let (expected, found) = (attribute.expected.as_ref()?, seen.get(name)?);
            let word = found.as_str().unwrap_or("another");
            (!expected.same_content(&found)).then(|| format!("its {name} is {word}"))
        })
    }

    /// The configurations of the providers of what is captured, as they are kept for long.
    async fn lasting(
        &self,
        environment: Environment<'_>,
        sources: &[Source<'_>],
    ) -> Result<BTreeMap<String, Lasting>> {
        let keys: BTreeMap<&str, &Address> = sources
            .iter()
            .map(|source| (source.record.provider.as_str(), &source.record.address))
            .collect();
        let providers = &environment.recorded.providers;
        engine::lasting(&keys, providers, self.factory, environment.owner)
            .await
            .map_err(RecoveryError::Planned)
    }

    /// Plans an edit of the part of the catalogue that it is about, and runs it; planned anew when another run was there in between.
    async fn change(
        &self,
        is_about: &(dyn Fn(&Address) -> bool + Sync),
        cancel: &CancelToken,
        mut edit: impl FnMut(&Recorded, &mut Edit<'_>) -> Result<()>,
    ) -> Result<Changed<()>> {
        let mut round = 1;
        loop {
            let request = (self.request)();
            let recorded = match self.engine.recover(&request, Purpose::Apply, cancel).await {
                Err(ApplyError::Interrupted) => return Ok(Changed::Interrupted),
                // How calls about others ended is for whoever asks for those: their cloud may be out of reach for long.
                Err(ApplyError::Unsettled(open))
                    if !open.iter().any(|one| is_about(&one.address)) =>
                {
                    self.engine.load().await?
                }
                recorded => recorded?,
            };
            let mut planned = |recorded: &Recorded| self.plan(recorded, is_about, &mut edit);
            let plan = planned(&recorded)?;
            let plan = self.identified(plan).await?;
            if plan.operations.is_empty() {
                return Ok(Changed::Done(()));
            }
            match self.run(&plan, &request, planned, cancel).await {
                Ok(report) if report.interrupted => return Ok(Changed::Interrupted),
                Ok(report) if report.is_complete() => return Ok(Changed::Done(())),
                Ok(report) => return Ok(Changed::Partly(report)),
                Err(RecoveryError::Apply(ApplyError::Interrupted)) => {
                    return Ok(Changed::Interrupted);
                }
                Err(RecoveryError::Apply(error)) if error.is_outdated() && round < ROUNDS => {
                    round += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs the plan of an edit. The edit decides once more under the lease: the plan is bound to what it writes and reads, and a
    /// lock that came since is neither.
    async fn run(
        &self,
        plan: &Plan,
        request: &RunRequest,
        mut planned: impl FnMut(&Recorded) -> Result<Plan>,
        cancel: &CancelToken,
    ) -> Result<RunReport> {
        let run = self.engine.begin_run(request, scope_of(plan), cancel).await?;
        let applied = async {
            planned(&self.engine.load().await?)?;
            Ok(run.apply(plan, self.parallelism, cancel).await?)
        };
        let report: Result<RunReport> = applied.await;
        let finished = run.finish().await;
        let report = report?;
        finished?;
        Ok(report)
    }

    fn plan(
        &self,
        recorded: &Recorded,
        is_about: &(dyn Fn(&Address) -> bool + Sync),
        edit: &mut impl FnMut(&Recorded, &mut Edit<'_>) -> Result<()>,
    ) -> Result<Plan> {
        let options = Options {
            environment: self.owner.environment.clone(),
            created_at: self.now.clone(),
            ..Options::default()
        };
        // What is really there is not looked at: a snapshot that is gone is told by `verify`, and nothing could bring it back.
        let (part, actual) = (catalogue::part(recorded, is_about), Actual::new());
        let planner = Planner::new(&part, &actual, self.schemas, options);
        let mut wanted = Edit::of(&part, &planner, self.schemas);
        edit(recorded, &mut wanted)?;
        let plan = planner.plan(&wanted.into_desired()).map_err(RecoveryError::Planned)?;
        let contradictions = planner::check::check(&plan);
        if contradictions.iter().any(Diagnostic::is_error) {
            return Err(RecoveryError::Planned(contradictions));
        }
        Ok(plan)
    }

    async fn identified(&self, mut plan: Plan) -> Result<Plan> {
        let identities = engine::identities(&plan, self.factory, &self.owner).await;
        plan.identities = identities.map_err(RecoveryError::Planned)?;
        Ok(plan)
    }
}

/// A restore point that was to go stays.
fn stays(name: &PointName, why: &str) -> RecoveryError {
    let summary = format!("restore point `{name}` stays: {why}");
    RecoveryError::Planned(vec![Diagnostic::error("restore-point-bound", summary)])
}

/// What is wrong with a restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object whose snapshot it is about; none if it is about the restore point itself.
    pub of: Option<Address>,
    /// The snapshot's identity.
    pub snapshot: Option<String>,
    /// What is wrong.
    pub why: String,
}
