//! `restore ...`: brings objects back to what a restore point has of them.
//!
//! A restore is an ordinary plan. Its desired side is what was recorded then of what is restored, each captured object beginning with
//! its snapshot, and what is recorded now of everything else; the configuration says where things have moved, and nothing else. So it is
//! journaled like any other: whoever is killed goes on by the same command, and what has begun with its snapshot by then is left alone.
//! Invariants: a snapshot that is not what it was, or that is elsewhere, is found out before anything is deleted, and nobody deletes one
//! meanwhile; what is lost is said before anything is done; nothing goes past a rollout that is under way. Refuses to know: how
//! objects begin with snapshots.

use super::backup::{chosen, state_of};
use crate::arguments::{Calling, RestoreCommand, Restoring, Running, Strays};
use crate::error::{CommandError, Exit};
use crate::planning::{self, World};
use crate::project::Project;
use crate::restore_points::{Points, none_of};
use crate::running::{self, Looking, Ready, agree};
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring::{self, Wired};
use engine::{CancelToken, Owner, Purpose};
use model::plan::{OperationKind, Plan};
use model::record::Recorded;
use model::restore_point::PointName;
use model::{Address, Diagnostic};
use planner::{Options, Planner};
use recovery::{Estimate, Experience, Kept, KeptState, Restore};
use serde_json::json;
use state::export;
use std::collections::{BTreeMap, BTreeSet};
use views::restore_points::{Loss, takes};

/// Runs the command.
pub async fn run(session: &Session, command: RestoreCommand) -> Result<Exit, CommandError> {
    match command {
        RestoreCommand::Plan { what } => plan(session, &what).await,
        RestoreCommand::Apply { what, running } => {
            running::refuse_to_ask(session, &running)?;
            apply(session, &what, &running).await
        }
    }
}

/// A restore point, opened.
struct Source {
    points: Points,
    kept: Kept,
    state: KeptState,
}

impl Source {
    async fn open(
        session: &Session,
        project: &Project,
        point: &PointName,
        calling: Calling,
    ) -> Result<Self, CommandError> {
        let progress = views::progress::sink(&session.console, false);
        let command = format!("restore {} --from {point}", project.target);
        let points = Points::open(session, project, &command, calling, progress).await?;
        let Some(points) = points else {
            return Err(none_of(&project.environment));
        };
        let (recorded, catalogue) = (points.recorded().await?, points.catalogue().await?);
        let kept = chosen(&catalogue, point)?.clone();
        let state = state_of(&recorded, &kept.point)?;
        Ok(Self { points, kept, state })
    }

    /// What was recorded then, at the addresses that it has by now, and where captured objects are by now.
    fn then(
        &self,
        project: &Project,
        store: &Store,
    ) -> Result<(Recorded, BTreeMap<Address, Address>), CommandError> {
        let point = &self.kept.point;
        let place = format!("restore point {}", point.name);
        let export = export::read(&self.state.text, &place, || store.sealer())?;
        let then = export.into_version().into_recorded(point.lineage.clone());
        let moves = project.configuration.moves(then.records.keys());
        let renamed = planner::rename(&then, &moves);
        let moved = renamed.moved.into_iter().map(|it| (it.from, it.to));
        Ok((renamed.recorded, moved.collect()))
    }
}

/// What is lost, and what is not restored.
fn loss(restore: &Restore, kept: &Kept, now: &Recorded) -> Loss {
    let done = restore.begun(now);
    let there = restore.begin_with.keys().filter(|of| now.records.contains_key(*of));
    let lost = there.filter(|of| restore.again.contains(*of) || !done.contains(*of));
    Loss {
        point: kept.point.name.to_string(),
        begun_at: kept.point.begun_at.clone(),
        ago_ms: ago_ms(&kept.point.begun_at),
        lost: lost.cloned().collect(),
        done: done.difference(&restore.again).cloned().collect(),
        left: restore.left.clone(),
    }
}

fn ago_ms(begun_at: &str) -> Option<u64> {
    let begun: jiff::Timestamp = begun_at.parse().ok()?;
    u64::try_from(jiff::Timestamp::now().duration_since(begun).as_millis()).ok()
}

/// A restore with all that it takes to plan it.
struct Prepared<'a> {
    project: &'a Project,
    store: Store,
    wired: Wired,
    source: &'a Source,
    restore: Restore,
    loss: Loss,
}

impl<'a> Prepared<'a> {
    async fn new(
        session: &Session,
        project: &'a Project,
        source: &'a Source,
        what: &Restoring,
        (store, wired): (Store, Wired),
    ) -> Result<Self, CommandError> {
        let targets = planning::targets(&what.meant.targets)?;
        let mut restore = Restore::of(
            &source.kept,
            source.then(project, &store)?,
            &targets,
            wired.factory.schemas(),
        );
        if restore.meant.is_empty() {
            let (target, point) = (&project.target, &source.kept.point.name);
            let summary =
                format!("restore point `{point}` has nothing to begin with that is meant");
            return Err(Diagnostic::error("nothing-to-restore", summary)
                .with_hint(format!("`backup show {target} {point}` lists what it has"))
                .into());
        }
        let now = store.load().await?;
        let moves = project.configuration.moves(now.records.keys());
        let now = planner::rename(&now, &moves).recorded;
        restore.complete(&now);
        if what.again {
            restore.again = restore.begun(&now);
        }
        let loss = loss(&restore, &source.kept, &now);
        session.console.message(&views::restore_points::loss(&loss, session.console.err_palette()));
        let prepared = Self { project, store, wired, source, restore, loss };
        prepared.refuse_damaged().await?;
        Ok(prepared)
    }

    /// Every snapshot that is to be used is looked at first.
    async fn refuse_damaged(&self) -> Result<(), CommandError> {
        let name = &self.source.kept.point.name;
        let names = BTreeSet::from([name.clone()]);
        let points = &self.source.points;
        let found = points.with(async |recovery| recovery.verify(&names).await).await?;
        let is_meant =
            |of: &Option<Address>| of.as_ref().is_none_or(|of| self.restore.meant.contains(of));
        let finding = found.values().flatten().find(|finding| is_meant(&finding.of));
        let Some(finding) = finding else { return Ok(()) };
        let of = finding.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
        let (code, what) = if finding.is_known {
            ("restore-point-damaged", "is not what it was")
        } else {
            ("restore-point-unknown", "could not be looked at")
        };
        let summary = format!("what restore point `{name}` has{of} {what}");
        Err(Diagnostic::error(code, summary)
            .with_detail(finding.why.clone())
            .with_hint("nothing was done; restore from another one, or leave out by `--target` what is not meant")
            .into())
    }

    async fn make(&self, world: &World<'_>) -> Result<Plan, CommandError> {
        if let Some(rollout) = world.recorded.rollouts.keys().next() {
            let summary =
                format!("rollout {rollout} is under way: a restore would go past its stages");
            return Err(Diagnostic::error("rollout-occupied", summary)
                .with_hint("`rollout abort` takes it back; then restore")
                .into());
        }
        let options = Options {
            moved: world.moved.to_vec(),
            created_at: planning::now(),
            environment: self.project.environment.clone(),
            ..self.restore.options(world.recorded)
        };
        let schemas = self.wired.factory.schemas();
        let planner = Planner::new(world.recorded, world.actual, schemas, options);
        let Restore { then, nodes, others, .. } = &self.restore;
        let desired = planner.stable(then, nodes, others);
        let error = |diagnostics| CommandError { diagnostics, ..CommandError::default() };
        let plan = planning::checked(planner.plan(&desired).map_err(error)?)?;
        self.refuse_elsewhere(&plan, &world.recorded.lineage).await?;
        Ok(plan)
    }

    /// A snapshot can be used where it is: in its region and account, in its directory.
    async fn refuse_elsewhere(&self, plan: &Plan, lineage: &str) -> Result<(), CommandError> {
        let points = &self.source.points;
        let (kept, kept_owner) = (points.recorded().await?.providers, points.owner());
        let environment = self.project.environment.clone();
        let owner = Owner { environment, lineage: lineage.to_owned() };
        let mut asked = BTreeSet::new();
        for operation in &plan.operations {
            let makes =
                matches!(operation.kind, OperationKind::Create | OperationKind::CreateReplacement);
            let from = self.restore.kept_by.get(&operation.address).filter(|_| makes);
            let Some(from) = from.filter(|from| asked.insert((*from, &operation.provider))) else {
                continue;
            };
            let (there, here) = (kept.get(from), plan.providers.get(&operation.provider));
            let Some((there, here)) = there.zip(here) else {
                let why = format!(
                    "how `{from}` or `{}` is configured is not recorded",
                    operation.provider
                );
                return Err(elsewhere(&operation.address, why));
            };
            let factory = self.wired.factory.as_ref();
            let differs = engine::differing((there, &kept_owner), (here, &owner), factory).await?;
            if let Some(argument) = differs {
                let why = format!(
                    "`{argument}` of provider `{}` is another one now than when it was captured",
                    operation.provider
                );
                return Err(elsewhere(&operation.address, why));
            }
        }
        Ok(())
    }

    /// How long a plan takes, as the journal has it of such calls.
    async fn estimate(&self, plan: &Plan, calling: Calling) -> Result<Estimate, CommandError> {
        let journal = self.store.port.journal(0).await?;
        let milliseconds = |at: &str| {
            let at: jiff::Timestamp = at.parse().ok()?;
            u64::try_from(at.as_millisecond()).ok()
        };
        let parallelism = usize::from(calling.parallelism);
        Ok(Experience::of(&journal, milliseconds).estimate(&plan.operations, parallelism))
    }
}

/// Found out before anything is deleted.
fn elsewhere(address: &Address, why: String) -> CommandError {
    let summary = format!("{address} cannot begin with a snapshot that is elsewhere");
    Diagnostic::error("restore-elsewhere", summary)
        .with_detail(why)
        .with_hint("nothing was done; restore where it was captured, or copy the snapshot and name the copy in the configuration")
        .about(address)
        .into()
}

async fn plan(session: &Session, what: &Restoring) -> Result<Exit, CommandError> {
    let project = Project::load(session, &what.environment)?;
    let calling = Calling::default();
    let source = Source::open(session, &project, &what.point, calling).await?;
    let Some(store) = Store::open(&project).await? else {
        return Err(state_is_lost(&project, &what.point));
    };
    // The events of reading are for people; the data is the plan.
    let progress = views::progress::sink(&session.console, false);
    let wired = wiring::wire_with(session, &store, progress)?;
    let prepared = Prepared::new(session, &project, &source, what, (store, wired)).await?;
    let cancel = running::listen()?;
    let running = Running::default();
    let ready = ready(session, &prepared, &running);
    let rename = |recorded: Recorded| planning::renamed(session, &project, &recorded);
    let looking = Looking { refresh: true, targets: &[], strays: Strays::Ignore, rename: &rename };
    let make = async |world: &World<'_>| prepared.make(world).await;
    let recorded = rename(prepared.store.load().await?);
    let plan = ready.look_and_plan(&recorded, &looking, &cancel, make).await?;
    let Some(plan) = plan else { return Ok(Exit::Interrupted) };
    let Estimate { ms, unknown } = prepared.estimate(&plan, calling).await?;
    if session.json {
        let plan = views::plan::json(&plan);
        let restore = json!({ "loss": prepared.loss, "takes_ms": ms, "takes_unknown": unknown });
        session.console.json(&json!({ "restore": restore, "plan": plan }));
    } else {
        super::plan::show(session, &plan);
        session.console.message_line(&takes(ms, &unknown));
    }
    Ok(Exit::Done)
}

fn ready<'a>(session: &'a Session, prepared: &'a Prepared<'_>, running: &'a Running) -> Ready<'a> {
    let point = &prepared.source.kept.point.name;
    Ready {
        session,
        wired: &prepared.wired,
        running,
        command: format!("restore {} --from {point}", prepared.project.target),
        sources: &prepared.project.sources,
        lease_seconds: prepared.store.lease_seconds,
    }
}

async fn apply(
    session: &Session,
    what: &Restoring,
    running: &Running,
) -> Result<Exit, CommandError> {
    let project = Project::load(session, &what.environment)?;
    let source = Source::open(session, &project, &what.point, running.calling).await?;
    let cancel = running::listen()?;
    // Nobody deletes a snapshot between the look at it and its use.
    let hold = async |recovery: &recovery::Recovery<'_>| {
        recovery.hold(&source.kept.point.name, &cancel).await
    };
    let held = source.points.with(hold).await?;
    let restored = restored(session, &project, &source, what, running, &cancel).await;
    let released = held.finish().await;
    let exit = restored?;
    released?;
    Ok(exit)
}

/// Restores while the restore point is held.
async fn restored(
    session: &Session,
    project: &Project,
    source: &Source,
    what: &Restoring,
    running: &Running,
    cancel: &CancelToken,
) -> Result<Exit, CommandError> {
    let store = if let Some(store) = Store::open(project).await? {
        store
    } else {
        record_anew(session, project, source, running.auto_approve).await?;
        Store::create(session, project).await?
    };
    if cancel.level() > engine::Level::Running {
        return Ok(Exit::Interrupted);
    }
    let wired = wiring::wire(session, &store)?;
    let prepared = Prepared::new(session, project, source, what, (store, wired)).await?;
    let ready = ready(session, &prepared, running);
    let rename = |recorded: Recorded| planning::renamed(session, project, &recorded);
    let looking = Looking { refresh: true, targets: &[], strays: Strays::Ignore, rename: &rename };
    let make = async |world: &World<'_>| prepared.make(world).await;
    let ended = ready.plan_and_run(Purpose::Apply, None, &looking, make).await?;
    let recorded = prepared.store.load().await?;
    ready.end(ended, |session| {
        super::apply::summarise(session, &project.environment, Some(&project.target), &recorded);
    })
}

/// Without its state nothing is known of what is there, so nothing can be planned.
fn state_is_lost(project: &Project, point: &PointName) -> CommandError {
    let target = &project.target;
    let summary = format!("the state of `{}` is not there", project.environment);
    Diagnostic::error("no-state", summary)
        .with_detail("what is there cannot be told from what is to be made")
        .with_hint(format!("`restore apply {target} --from {point}` records it anew first, and asks before it does more"))
        .into()
}

/// A state that is lost is in the restore point. Objects stay as they are; those that are gone show in the plan.
async fn record_anew(
    session: &Session,
    project: &Project,
    source: &Source,
    approved: bool,
) -> Result<(), CommandError> {
    let (point, KeptState { text, keyring }) = (&source.kept.point, &source.state);
    let question = format!(
        "The state of `{}` is not there. Record version {} of it anew, as restore point {} has it? Objects stay as they are.",
        project.environment, point.serial, point.name
    );
    agree(session, approved, &question).await?;
    let place = format!("restore point {}", point.name);
    let count = store::found(project, text, &place, &point.lineage, keyring.as_deref()).await?;
    let line = format!("`{}` is recorded anew with {count} objects.", project.environment);
    session.console.message_line(&line);
    Ok(())
}
