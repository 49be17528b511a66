//! Makes restore points, looks whether they are what they were, and deletes them.
//!
//! Each change is an ordinary plan of the catalogue, run by the engine: intents before calls, adoption after a crash, one run at a
//! time on what it writes. So a restore point that was cut off anywhere is gone on with by asking for it again, and nothing is made
//! twice. Invariant: a restore point is recorded as such only after all of its snapshots are there. Refuses to know: where the
//! catalogue is kept, the terminal.

use crate::capture::{Schemas, Source, wanted};
use crate::catalogue::{
    Catalogue, CatalogueError, Edit, KeptState, begun_at, captured_object, held, is_of, part,
    standing, state_of,
};
use crate::retention::bound;
use engine::{
    ApplyError, CancelToken, Engine, Lasting, Owner, ProviderFactory, Purpose, Run, RunReport,
    RunRequest,
};
use model::plan::{Actual, Observation, Plan};
use model::record::{Record, Recorded};
use model::restore_point::{Captured, FORMAT, Origin, PointName, RestorePoint};
use model::{Address, Diagnostic};
use planner::{Options, Planner};

use state::{Scope, StateError};
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
    /// The same as `state export` writes it, and what opens its secrets.
    pub state: &'a KeptState,
    /// RFC 3339 time before it was read, in UTC.
    pub at: &'a str,
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
    /// Told how many operations are about to run.
    pub expect: &'a (dyn Fn(usize) + Sync),
    /// Calls at once.
    pub parallelism: usize,
    /// RFC 3339 time at which the command began, in UTC.
    pub now: String,
}

impl Recovery<'_> {
    /// Makes a restore point, or goes on with one that was begun. One that is whole already is given as it is, if it is of the same.
    pub async fn create(
        &self,
        environment: Environment<'_>,
        asked: &Asked<'_>,
        cancel: &CancelToken,
    ) -> Result<Changed<RestorePoint>> {
        let providers = self.lasting(environment, &asked.sources).await?;
        let lineage = &self.owner.lineage;
        let wanted = wanted(&asked.name, lineage, &asked.sources, &providers, self.schemas)?;
        let asked_for = RestorePoint {
            format: FORMAT,
            name: asked.name.clone(),
            environment: environment.owner.environment.clone(),
            lineage: environment.owner.lineage.clone(),
            serial: environment.recorded.serial,
            state_digest: model::digest::sha256_hex(environment.state.text.as_bytes()),
            begun_at: environment.at.to_owned(),
            origin: asked.origin.clone(),
            locked: false,
            snapshots: wanted.captured.clone(),
        };
        let (names, mut point) = (BTreeSet::from([asked.name.clone()]), asked_for.clone());
        let changed = self
            .change(&names, cancel, |recorded, edit| {
                let catalogue = Catalogue::of(recorded);
                if let Some(kept) = catalogue.points.get(&asked.name) {
                    if kept.point.origin != asked.origin {
                        return Err(CatalogueError::Taken(asked.name.clone()));
                    }
                    point.clone_from(&kept.point);
                    return Ok(());
                }
                if let Some(error) = catalogue.unreadable.get(&asked.name) {
                    return Err(error.clone());
                }
                if let Some(begun) = catalogue.unfinished.get(&asked.name) {
                    goes_on(asked, begun, &wanted.captured, environment.recorded)?;
                }
                point.clone_from(&asked_for);
                if let Some(begun_at) = begun_at(recorded, &asked.name) {
                    point.begun_at = begun_at;
                }
                edit.add(&point, &wanted, environment.state)
            })
            .await?;
        Ok(match changed {
            Changed::Done(()) => Changed::Done(point),
            Changed::Partly(report) => Changed::Partly(report),
            Changed::Interrupted => Changed::Interrupted,
        })
    }

    /// Deletes restore points with all their snapshots: those of `shown` that are still as they were shown, and that no rollout
    /// under way and no lock keeps.
    pub async fn delete(
        &self,
        shown: &Catalogue,
        names: &BTreeSet<PointName>,
        rollouts: &BTreeSet<String>,
        cancel: &CancelToken,
    ) -> Result<Changed<()>> {
        let is_whole = |catalogue: &Catalogue, name| catalogue.points.contains_key(name);
        self.change(names, cancel, |recorded, edit| {
            let catalogue = Catalogue::of(recorded);
            for name in names {
                if let Some(reason) = bound(&catalogue, name, rollouts) {
                    return Err(CatalogueError::Bound(name.clone(), reason));
                }
                if is_whole(&catalogue, name) && !is_whole(shown, name) {
                    return Err(CatalogueError::Changed(name.clone()));
                }
                edit.remove(name);
            }
            Ok(())
        })
        .await
    }

    /// Locks a restore point that is whole, or unlocks it if it is there.
    pub async fn lock(
        &self,
        name: &PointName,
        locked: bool,
        cancel: &CancelToken,
    ) -> Result<Changed<()>> {
        let is_whole = Catalogue::of(&self.engine.load().await?).points.contains_key(name);
        if !locked && !is_whole {
            return Ok(Changed::Done(()));
        }
        let names = BTreeSet::from([name.clone()]);
        self.change(&names, cancel, |recorded, edit| {
            let catalogue = Catalogue::of(recorded);
            let kept = catalogue.points.get(name);
            let kept = kept.ok_or_else(|| CatalogueError::Changed(name.clone()))?;
            edit.lock(&kept.point, locked)
        })
        .await
    }

    /// Keeps others from changing a restore point for as long as the run is held.
    pub async fn hold(&self, name: &PointName, cancel: &CancelToken) -> Result<Run> {
        let scope = Scope::of(held(name).into(), BTreeSet::new());
        Ok(self.engine.begin_run(&(self.request)(), scope, cancel).await?)
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
        let unreadable = catalogue.unreadable.iter().filter(|(name, _)| names.contains(name));
        let told = unreadable.map(|(name, error)| {
            let (why, is_known) = (error.to_string(), true);
            (name.clone(), vec![Finding { of: None, snapshot: None, why, is_known }])
        });
        let mut found: BTreeMap<_, _> = told.collect();
        for kept in points() {
            let mut findings = Vec::new();
            if let Err(error) = state_of(&recorded, &kept.point) {
                let (why, is_known) = (error.to_string(), true);
                findings.push(Finding { of: None, snapshot: None, why, is_known });
            }
            for (captured, record) in kept.snapshots() {
                let found = match record {
                    None => Some(("it is recorded no more".to_owned(), true)),
                    Some(record) => self.damage(record, &actual, &errors),
                };
                findings.extend(found.map(|(why, is_known)| Finding {
                    of: Some(captured.of.clone()),
                    snapshot: record.map(|record| record.id.clone()),
                    why,
                    is_known,
                }));
            }
            found.insert(kept.point.name.clone(), findings);
        }
        Ok(found)
    }

    /// What is wrong with a snapshot, and whether that is known or only feared; nothing if it is what it was.
    fn damage(
        &self,
        record: &Record,
        actual: &Actual,
        errors: &[Diagnostic],
    ) -> Option<(String, bool)> {
        let address = &record.address;
        let seen = match actual.get(address) {
            Some(Observation::Present(seen)) => seen,
            Some(Observation::Absent(why)) => return Some((why.clone(), true)),
            Some(Observation::Unreachable(why)) => return Some((why.clone(), false)),
            None => {
                let error = errors.iter().find(|error| error.address.as_ref() == Some(address));
                let why = error.map_or("it could not be looked at", |error| error.summary.as_str());
                return Some((why.to_owned(), false));
            }
        };
        let schema = crate::capture::schema(self.schemas, &record.provider, address.kind());
        let Some(schema) = schema else {
            return Some((format!("this program knows no `{}`", address.kind()), false));
        };
        schema.attributes.iter().find_map(|(name, attribute)| {
            let (expected, found) = (attribute.expected.as_ref()?, seen.get(name)?);
            let word = found.as_str().unwrap_or("another");
            (!expected.same_content(&found)).then(|| (format!("its {name} is {word}"), true))
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

    /// Plans an edit of restore points and runs it while nobody else changes them; planned anew when somebody did in between.
    async fn change(
        &self,
        names: &BTreeSet<PointName>,
        cancel: &CancelToken,
        mut edit: impl FnMut(&Recorded, &mut Edit<'_>) -> Result<(), CatalogueError>,
    ) -> Result<Changed<()>> {
        for _ in 0..ROUNDS {
            let request = (self.request)();
            let recorded = match self.engine.recover(&request, Purpose::Apply, cancel).await {
                Err(ApplyError::Interrupted) => return Ok(Changed::Interrupted),
                // How calls about others ended is for whoever asks for those: their cloud may be out of reach for long.
                Err(ApplyError::Unsettled(open))
                    if !open.iter().any(|one| is_of(&one.address, names)) =>
                {
                    self.engine.load().await?
                }
                recorded => recorded?,
            };
            let plan = self.plan(&recorded, names, &mut edit)?;
            let plan = self.identified(plan).await?;
            if plan.operations.is_empty() {
                return Ok(Changed::Done(()));
            }
            (self.expect)(plan.operations.len());
            match self.run(&plan, &request, names, &recorded, cancel).await {
                Ok(None) => {}
                Ok(Some(report)) if report.interrupted => return Ok(Changed::Interrupted),
                Ok(Some(report)) if report.is_complete() => return Ok(Changed::Done(())),
                Ok(Some(report)) => return Ok(Changed::Partly(report)),
                Err(ApplyError::Interrupted) => return Ok(Changed::Interrupted),
                Err(error) if error.is_outdated() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let name = names.iter().next().cloned();
        Err(name.map_or_else(
            || StateError::Illegal("nothing is meant".to_owned()).into(),
            |name| CatalogueError::Changed(name).into(),
        ))
    }

    /// Runs a plan about restore points; none if they are not as it was made from. What a run adds to a restore point has addresses
    /// that no plan made before knows, so every run about one holds the same two.
    async fn run(
        &self,
        plan: &Plan,
        request: &RunRequest,
        names: &BTreeSet<PointName>,
        recorded: &Recorded,
        cancel: &CancelToken,
    ) -> Result<Option<RunReport>, ApplyError> {
        let operations = &plan.operations;
        let touched = operations.iter().map(|operation| operation.address.clone());
        let reads = operations.iter().flat_map(|operation| operation.dependencies.iter().cloned());
        let writes = touched.chain(names.iter().flat_map(held)).collect();
        let scope = Scope::of(writes, reads.collect());
        let run = self.engine.begin_run(request, scope, cancel).await?;
        let ran = async {
            if standing(&self.engine.load().await?, names) != standing(recorded, names) {
                return Ok(None);
            }
            run.apply(plan, self.parallelism, cancel).await.map(Some)
        };
        let ran = ran.await;
        let finished = run.finish().await;
        let ran = ran?;
        finished?;
        Ok(ran)
    }

    fn plan(
        &self,
        recorded: &Recorded,
        names: &BTreeSet<PointName>,
        edit: &mut impl FnMut(&Recorded, &mut Edit<'_>) -> Result<(), CatalogueError>,
    ) -> Result<Plan> {
        let options = Options {
            environment: self.owner.environment.clone(),
            created_at: self.now.clone(),
            ..Options::default()
        };
        // What is really there is not looked at: a snapshot that is gone is told by `verify`, and nothing could bring it back.
        let (part, actual) = (part(recorded, names), Actual::new());
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

/// A restore point that a person has begun is gone on with for the same, as far as that is still there. Who takes over a rollout
/// captures what is there by then.
fn goes_on(
    asked: &Asked<'_>,
    begun: &BTreeSet<Address>,
    captured: &[Captured],
    recorded: &Recorded,
) -> Result<(), CatalogueError> {
    let is_wanted = |address: &Address| captured.iter().any(|it| it.snapshot == *address);
    let is_there = |address: &Address| {
        captured_object(address).is_some_and(|of| recorded.records.contains_key(&of))
    };
    let is_person = matches!(asked.origin, Origin::Person { .. });
    if is_person && begun.iter().any(|address| is_there(address) && !is_wanted(address)) {
        return Err(CatalogueError::BegunOtherwise(asked.name.clone()));
    }
    Ok(())
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
    /// Whether that is known; if not, it could not be looked at.
    pub is_known: bool,
}
