//! `restore ...`: makes objects anew that begin with what a restore point has of them.
//!
//! A restore is an ordinary plan of the configuration in which some objects begin with their snapshots, whatever the configuration says.
//! So it is journaled like any other: whoever is killed goes on by the same command, and what has begun with its snapshot by then is
//! left alone. Invariants: a snapshot that is not what it was is never used; what is lost is said before anything is done; nothing goes
//! past a rollout that is under way. Refuses to know: how objects begin with snapshots.

use super::backup::{chosen, some, text_of};
use crate::arguments::{Calling, Environment, RestoreCommand, Restoring, Running};
use crate::error::{CommandError, Exit};
use crate::planning::{self, Wishes, World};
use crate::project::Project;
use crate::restore_points::Points;
use crate::rollouts::Fleet;
use crate::running::{self, Looking, agree};
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring::{self, Factory};
use engine::Purpose;
use model::plan::Plan;
use model::record::Recorded;
use model::restore_point::PointName;
use model::schema::Capture;
use model::{Address, Diagnostic, Value};
use planner::Target;
use recovery::{Estimate, Experience, Kept, capture};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use views::restore_points::{Loss, takes};

/// Runs the command.
pub async fn run(session: &Session, command: RestoreCommand) -> Result<Exit, CommandError> {
    match command {
        RestoreCommand::Plan { what, out } => plan(session, what, out.as_deref()).await,
        RestoreCommand::Apply { what, running } => {
            running::refuse_to_ask(session, &running)?;
            apply(session, what, running).await
        }
    }
}

/// A restore point, and what of it is restored, at the addresses that it has by now.
struct Restore {
    kept: Kept,
    /// The state that belongs to it.
    state: String,
    /// Which objects begin with which snapshot, by which argument.
    begin_with: BTreeMap<Address, (String, Value)>,
    /// Captured, and made anew as configured if they are gone: their types begin with no snapshot by themselves.
    left: BTreeSet<Address>,
    /// What is meant by the addresses that the restore point has.
    meant: BTreeSet<Address>,
}

/// Reads a restore point, and refuses one that is not what it was as far as it is meant.
async fn found(
    session: &Session,
    environment: &Environment,
    point: &PointName,
    targets: &[Target],
    now: impl Fn(&Kept, &Address) -> Address,
) -> Result<Restore, CommandError> {
    let (_, points) = some(session, environment, "verify", Calling::default()).await?;
    let (recorded, catalogue) = (points.recorded().await?, points.catalogue().await?);
    let kept = chosen(&catalogue, point)?.clone();
    let state = text_of(&recorded, &kept.point)?;
    let mut restore = Restore {
        state,
        begin_with: BTreeMap::new(),
        left: BTreeSet::new(),
        meant: BTreeSet::new(),
        kept: kept.clone(),
    };
    let factory = Factory::for_checking(session)?;
    for (captured, record) in kept.snapshots() {
        let of = now(&kept, &captured.of);
        if !targets.is_empty() && !targets.iter().any(|target| target.matches(&of)) {
            continue;
        }
        let capture = capture::of_kind(factory.schemas(), captured.of.kind());
        let Some(argument) = capture.and_then(|it: &Capture| it.restored_by.clone()) else {
            restore.left.insert(of);
            continue;
        };
        restore.meant.insert(captured.of.clone());
        // One without a record is found damaged.
        let begins = record.map(|record| (argument, Value::from(record.id.as_str())));
        restore.begin_with.extend(begins.map(|begins| (of, begins)));
    }
    refuse_damaged(&points, &restore).await?;
    if restore.begin_with.is_empty() {
        let summary = format!("restore point `{point}` has nothing to begin with that is meant");
        let target = environment.target.display();
        return Err(Diagnostic::error("nothing-to-restore", summary)
            .with_hint(format!("`backup show {target} {point}` lists what it has"))
            .into());
    }
    Ok(restore)
}

/// Every snapshot that is to be used is looked at first.
async fn refuse_damaged(points: &Points, restore: &Restore) -> Result<(), CommandError> {
    let name = &restore.kept.point.name;
    let names = BTreeSet::from([name.clone()]);
    let found = points.with(async |recovery| recovery.verify(&names).await).await?;
    let is_meant = |of: &Option<Address>| of.as_ref().is_none_or(|of| restore.meant.contains(of));
    let finding = found.values().flatten().find(|finding| is_meant(&finding.of));
    let Some(finding) = finding else { return Ok(()) };
    let of = finding.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
    let summary = format!("what restore point `{name}` has{of} is not what it was");
    Err(Diagnostic::error("restore-point-damaged", summary)
        .with_detail(finding.why.clone())
        .with_hint("restore from another one; `--target` leaves out what is not meant")
        .into())
}

/// What is restored into an environment, with all that it takes to plan and run it.
struct Prepared {
    fleet: Fleet,
    wishes: Wishes,
    loss: Loss,
}

async fn prepared(
    session: &Session,
    Restoring { environment, point, limits, again }: Restoring,
    running: Running,
    is_lost: impl AsyncFnOnce(&Project, &Restore) -> Result<(), CommandError>,
) -> Result<Prepared, CommandError> {
    let mut wishes = Wishes::limited(&limits)?;
    let project = planning::load(session, &environment)?;
    let store = Store::open(&project).await?;
    let recorded = match &store {
        Some(store) => store.load().await?,
        None => Recorded::default(),
    };
    if let Some(rollout) = recorded.rollouts.keys().next() {
        let summary = format!("rollout {rollout} is under way: a restore would go past its stages");
        return Err(Diagnostic::error("rollout-occupied", summary)
            .with_hint("`rollout abort` takes it back; then restore")
            .into());
    }
    let now = |kept: &Kept, of: &Address| moved(&project, &recorded, kept, of);
    let restore = found(session, &environment, &point, &wishes.targets, now).await?;
    let store = if let Some(store) = store {
        store
    } else {
        is_lost(&project, &restore).await?;
        Store::create(session, &project).await?
    };
    wishes.begin_with.clone_from(&restore.begin_with);
    let recorded = store.load().await?;
    let moves = project.configuration.moves(recorded.records.keys());
    let recorded = planner::rename(&recorded, &moves).recorded;
    if again {
        wishes.replace = begun(&recorded, &wishes.begin_with);
    }
    let loss = restore.loss(&wishes, &recorded);
    session.console.message(&views::restore_points::loss(&loss, session.console.err_palette()));
    Ok(Prepared { fleet: Fleet::new(session, project, store, running)?, wishes, loss })
}

/// The address that something captured has by now: what the configuration says has moved, perhaps several times.
fn moved(project: &Project, recorded: &Recorded, kept: &Kept, of: &Address) -> Address {
    let captured = kept.point.snapshots.iter().map(|captured| &captured.of);
    let moves = project.configuration.moves(recorded.records.keys().chain(captured));
    let mut now = of.clone();
    for _ in 0..moves.len() {
        match moves.iter().find_map(|one| one.takes(&now)) {
            Some(next) => now = next,
            None => break,
        }
    }
    now
}

/// What has begun with these very snapshots before.
fn begun(
    recorded: &Recorded,
    begin_with: &BTreeMap<Address, (String, Value)>,
) -> BTreeSet<Address> {
    let has = |address: &Address, argument: &str, id: &Value| {
        let record = recorded.records.get(address);
        let stands = record.and_then(|record| record.attributes.get(argument));
        stands.is_some_and(|stands| stands.same_content(id))
    };
    let all = begin_with.iter().filter(|(address, (argument, id))| has(address, argument, id));
    all.map(|(address, _)| address.clone()).collect()
}

impl Restore {
    /// What is lost, and what is not restored.
    fn loss(&self, wishes: &Wishes, recorded: &Recorded) -> Loss {
        let Self { kept, left, .. } = self;
        let there = wishes.begin_with.keys().filter(|of| recorded.records.contains_key(*of));
        let again = &wishes.replace;
        let done = begun(recorded, &wishes.begin_with);
        let lost = there.filter(|of| again.contains(*of) || !done.contains(*of));
        Loss {
            point: kept.point.name.to_string(),
            begun_at: kept.point.begun_at.clone(),
            ago_ms: ago_ms(&kept.point.begun_at),
            lost: lost.cloned().collect(),
            done: done.difference(again).cloned().collect(),
            left: left.clone(),
        }
    }
}

impl Prepared {
    /// How long a plan takes, as the journal has it of such calls.
    async fn estimate(&self, plan: &Plan) -> Result<Estimate, CommandError> {
        let journal = self.fleet.store.port.journal(0).await?;
        let milliseconds = |at: &str| {
            let at: jiff::Timestamp = at.parse().ok()?;
            u64::try_from(at.as_millisecond()).ok()
        };
        let parallelism = usize::from(self.fleet.running.calling.parallelism);
        Ok(Experience::of(&journal, milliseconds).estimate(&plan.operations, parallelism))
    }

    async fn make(&self, world: &World<'_>) -> Result<Plan, CommandError> {
        self.fleet.workshop().plan(world, self.wishes.clone()).await
    }
}

fn ago_ms(begun_at: &str) -> Option<u64> {
    let begun: jiff::Timestamp = begun_at.parse().ok()?;
    u64::try_from(jiff::Timestamp::now().duration_since(begun).as_millis()).ok()
}

/// Without its state nothing is known of what is there, so nothing can be planned.
fn state_is_lost(project: &Project, point: &PointName) -> CommandError {
    let target = &project.target;
    let summary = format!("the state of `{}` is not there", project.environment);
    Diagnostic::error("no-state", summary)
        .with_detail("what is there cannot be told from what is to be made")
        .with_hint(format!("`restore apply {target} --from {point}` records it anew first"))
        .with_hint(format!(
            "or do that alone: `backup show {target} {point} --state FILE`, `state import {target} FILE`"
        ))
        .into()
}

async fn plan(
    session: &Session,
    what: Restoring,
    out: Option<&Path>,
) -> Result<Exit, CommandError> {
    let point = what.point.clone();
    let lost = async |project: &Project, _: &Restore| Err(state_is_lost(project, &point));
    let mut prepared = prepared(session, what, Running::default(), lost).await?;
    // The events of reading are for people; the data is the plan.
    let progress = views::progress::sink(&session.console, false);
    prepared.fleet.wired = wiring::wire_with(session, &prepared.fleet.store, progress)?;
    let fleet = &prepared.fleet;
    let recorded = fleet.store.load().await?;
    let rename = |recorded: Recorded| planning::renamed(session, &fleet.project, &recorded);
    let looking = looking(&prepared.wishes, &rename);
    let make = async |world: &World<'_>| prepared.make(world).await;
    let ready = fleet.ready();
    let plan = ready.look_and_plan(&rename(recorded), &looking, &fleet.cancel, make).await?;
    let Some(plan) = plan else { return Ok(Exit::Interrupted) };
    let Estimate { ms, unknown } = prepared.estimate(&plan).await?;
    if session.json {
        let plan = views::plan::json(&plan);
        let restore = json!({ "loss": prepared.loss, "takes_ms": ms, "takes_unknown": unknown });
        session.console.json(&json!({ "restore": restore, "plan": plan }));
    } else {
        super::plan::show(session, &plan);
        session.console.message_line(&takes(ms, &unknown));
    }
    if let Some(path) = out {
        store::save_plan(path, &plan, &fleet.store)?;
        let line =
            format!("Saved. To do exactly this: {} apply {}", session.program, path.display());
        session.console.message_line(&line);
    }
    Ok(Exit::Done)
}

fn looking<'a>(
    wishes: &'a Wishes,
    rename: &'a dyn Fn(Recorded) -> planner::Renamed,
) -> Looking<'a> {
    let strays = crate::arguments::Strays::Tell;
    Looking { refresh: true, targets: &wishes.targets, strays, rename }
}

async fn apply(session: &Session, what: Restoring, running: Running) -> Result<Exit, CommandError> {
    let approved = running.auto_approve;
    let lost = async |project: &Project, restore: &Restore| {
        record_anew(session, project, restore, approved).await
    };
    let prepared = prepared(session, what, running, lost).await?;
    let fleet = &prepared.fleet;
    let (command, project) = (format!("restore {}", fleet.project.target), &fleet.project);
    let ready = running::Ready { command, ..fleet.ready() };
    let rename = |recorded: Recorded| planning::renamed(session, project, &recorded);
    let looking = looking(&prepared.wishes, &rename);
    let make = async |world: &World<'_>| prepared.make(world).await;
    let ended = ready.plan_and_run(Purpose::Apply, None, &looking, make).await?;
    let recorded = fleet.store.load().await?;
    ready.end(ended, |session| {
        super::apply::summarise(session, &project.environment, Some(&project.target), &recorded);
    })
}

/// A state that is lost is in the restore point. Objects stay as they are; those that are gone show in the plan.
async fn record_anew(
    session: &Session,
    project: &Project,
    restore: &Restore,
    approved: bool,
) -> Result<(), CommandError> {
    let point = &restore.kept.point;
    let question = format!(
        "The state of `{}` is not there. Record version {} of it anew, as restore point {} has it? Objects stay as they are.",
        project.environment, point.serial, point.name
    );
    agree(session, approved, &question).await?;
    let place = format!("restore point {}", point.name);
    let count = store::found(project, &restore.state, &place, &point.lineage).await?;
    let line = format!("`{}` is recorded anew with {count} objects.", project.environment);
    session.console.message_line(&line);
    Ok(())
}
