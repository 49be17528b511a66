//! `backup ...`: makes restore points, looks at them, deletes them.
//!
//! The catalogue stands beside the environment's state and does not need it: what is left when a state is lost can be listed, shown
//! and verified. Refuses to know: how snapshots are made, which restore points may go.

use super::state::existing;
use crate::arguments::{BackupCommand, Calling, Environment, Locking, Meant, Running};
use crate::error::{CommandError, Exit};
use crate::planning;
use crate::project::Project;
use crate::restore_points::{Points, Present, misnamed, none_of, unknown};
use crate::running::{agree, listen};
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring::Factory;
use model::event::Discard;
use model::record::Recorded;
use model::restore_point::{Origin, PointName, RestorePoint};
use model::{Address, Diagnostic};
use recovery::{
    Asked, Catalogue, CatalogueError, Changed, Fate, Kept, KeptState, Recovery, RecoveryError,
    Retention, capture, catalogue, retention,
};
use serde_json::json;
use state::holder::Holder;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use views::progress::Progress;
use views::restore_points::{
    FateRow, FindingRow, PointRow, PointState, SnapshotRow, fates, findings, list, made_for, one,
};

/// Stands for the name of a restore point where it is the catalogue that something is wrong with.
const CATALOGUE: &str = "the catalogue";

/// Runs the command.
pub async fn run(session: &Session, command: BackupCommand) -> Result<Exit, CommandError> {
    match command {
        BackupCommand::Create { environment, meant, name, why, calling } => {
            let origin = person(why);
            let name = match name {
                Some(name) if name.is_of_rollout() => return Err(reserved(&name).into()),
                Some(name) => name,
                None => named_by_time()?,
            };
            create(session, &environment, &meant, name, origin, calling).await
        }
        BackupCommand::List { environment } => tell_all(session, &environment).await,
        BackupCommand::Show { environment, point, state } => {
            show(session, &environment, &point, state.as_deref()).await
        }
        BackupCommand::Verify { environment, point } => verify(session, &environment, point).await,
        BackupCommand::Prune { environment, keep, older_than, dry_run, running } => {
            let retention = Retention { last: keep.unwrap_or(0), since: older_than.map(ago) };
            prune(session, &environment, &retention, dry_run, &running).await
        }
        BackupCommand::Delete { environment, points, running } => {
            delete(session, &environment, points.into_iter().collect(), &running).await
        }
        BackupCommand::Lock(locking) => lock(session, &locking, true).await,
        BackupCommand::Unlock(locking) => lock(session, &locking, false).await,
    }
}

fn person(why: Option<String>) -> Origin {
    let Holder { owner, host, .. } = Holder::current();
    Origin::Person { who: format!("{owner} on {host}"), why: why.unwrap_or_default() }
}

fn named_by_time() -> Result<PointName, CommandError> {
    let text = jiff::Timestamp::now().strftime("%Y%m%dt%H%M%Sz").to_string();
    PointName::parse(&text).map_err(|error| misnamed(&error))
}

/// Whoever takes a rollout over goes on with what it captured, and finds that by its name.
fn reserved(name: &PointName) -> Diagnostic {
    let summary = format!("`{name}` is a name for the restore point of a rollout");
    Diagnostic::error("restore-point-name", summary).with_hint("begin it with another word")
}

/// The RFC 3339 time so long ago, as restore points have it.
fn ago(age: Duration) -> String {
    let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
    let then = jiff::Timestamp::now().checked_sub(age).unwrap_or(jiff::Timestamp::MIN);
    planning::written(then)
}

async fn create(
    session: &Session,
    environment: &Environment,
    meant: &Meant,
    name: PointName,
    origin: Origin,
    calling: Calling,
) -> Result<Exit, CommandError> {
    let (project, store) = existing(session, environment).await?;
    let targets = planning::targets(&meant.targets)?;
    let present = Present::of(&store).await?;
    let factory = Factory::for_checking(session)?;
    let is_meant = |address: &Address| {
        targets.is_empty() || targets.iter().any(|target| target.matches(address))
    };
    let mut sources = capture::everything(present.recorded(), factory.schemas());
    sources.retain(|source| is_meant(&source.record.address));
    for left in capture::unfit(present.recorded(), factory.schemas()) {
        if is_meant(left) {
            let line =
                format!("Not captured: {left} is not whole, and the next apply makes it anew.");
            session.console.message_line(&line);
        }
    }
    if sources.is_empty() {
        let summary = "there is nothing to capture";
        return Err(Diagnostic::error("nothing-to-capture", summary)
            .with_detail("nothing that is recorded, or that `--target` means, says how what is on it is captured")
            .with_hint("`state list` shows what is recorded")
            .into());
    }
    let cancel = listen()?;
    let command = format!("backup create {}", project.target);
    let points = Points::create(session, &project, &command, calling, told(session)).await?;
    if points.catalogue().await?.points.contains_key(&name) {
        return Err(RecoveryError::from(CatalogueError::Taken(name)).into());
    }
    session.console.message_line(&format!("Restore point {name}, of {} objects:", sources.len()));
    let asked = Asked { name: name.clone(), origin, sources };
    let limited: Vec<_> = meant.targets.iter().map(|it| format!(" --target '{it}'")).collect();
    let limited = limited.concat();
    let again = format!(
        "What was captured is kept. To go on, with the same variables: {} backup create {} --name {name}{limited}",
        session.program, project.target
    );
    let made = points.capture(&present, &asked, &cancel).await?;
    let point = done(session, made, &again)?;
    let Some(point) = point else { return Ok(Exit::Interrupted) };
    if session.json {
        session.console.json(&json!(point));
    } else {
        session.console.message_line(&format!("Restore point {name} is made."));
    }
    Ok(Exit::Done)
}

/// What a change came to; none if it was interrupted.
fn done<T>(session: &Session, changed: Changed<T>, again: &str) -> Result<Option<T>, CommandError> {
    match changed {
        Changed::Done(done) => Ok(Some(done)),
        Changed::Partly(report) => {
            let mut diagnostics = report.diagnostics;
            if let Some(last) = diagnostics.last_mut() {
                last.hints.push(again.to_owned());
            }
            Err(CommandError { diagnostics, ..CommandError::default() })
        }
        Changed::Interrupted => {
            session.console.message_line(again);
            Ok(None)
        }
    }
}

/// What there is of an environment's restore points; none if none was ever made.
async fn opened(
    session: &Session,
    project: &Project,
    verb: &str,
    calling: Calling,
) -> Result<Option<Points>, CommandError> {
    let command = format!("backup {verb} {}", project.target);
    // What is only written down is not worth telling step by step.
    let progress: Arc<dyn Progress> = match verb {
        "delete" | "prune" | "verify" => told(session),
        _ => Arc::new(Discard),
    };
    Points::open(session, project, &command, calling, progress).await
}

/// Steps are for people; what a command gives is one document.
fn told(session: &Session) -> Arc<dyn Progress> {
    views::progress::sink(&session.console, false)
}

/// The same for a command that is about one of them.
pub async fn some(
    session: &Session,
    environment: &Environment,
    verb: &str,
    calling: Calling,
) -> Result<(Project, Points), CommandError> {
    let project = Project::load(session, environment)?;
    let Some(points) = opened(session, &project, verb, calling).await? else {
        return Err(none_of(&project.environment));
    };
    Ok((project, points))
}

async fn tell_all(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let project = Project::load(session, environment)?;
    let points = opened(session, &project, "list", Calling::default()).await?;
    let catalogue = match &points {
        Some(points) => points.catalogue().await?,
        None => Catalogue::default(),
    };
    let rows = rows(&catalogue);
    let console = &session.console;
    if session.json {
        console.json(&json!(rows));
    } else {
        console.data(&list(&rows, console.out_palette()));
    }
    Ok(Exit::Done)
}

/// The latest first; those that are not whole come last.
fn rows(catalogue: &Catalogue) -> Vec<PointRow> {
    let whole = catalogue.latest_first().into_iter().map(|kept| PointRow {
        name: kept.point.name.to_string(),
        begun_at: kept.point.begun_at.clone(),
        serial: Some(kept.point.serial),
        snapshots: kept.point.snapshots.len(),
        made_for: made_for(&kept.point.origin),
        locked: kept.point.locked,
        state: PointState::Whole,
    });
    let unfinished = catalogue.unfinished.iter().map(|(name, snapshots)| PointRow {
        snapshots: snapshots.len(),
        ..nothing_known(name, PointState::Unfinished)
    });
    let unreadable =
        catalogue.unreadable.keys().map(|name| nothing_known(name, PointState::Unreadable));
    whole.chain(unfinished).chain(unreadable).collect()
}

/// A row of a restore point that is not whole.
fn nothing_known(name: &PointName, state: PointState) -> PointRow {
    PointRow {
        name: name.to_string(),
        begun_at: String::new(),
        serial: None,
        snapshots: 0,
        made_for: String::new(),
        locked: false,
        state,
    }
}

/// A restore point that is whole.
pub fn chosen<'a>(catalogue: &'a Catalogue, name: &PointName) -> Result<&'a Kept, CommandError> {
    if catalogue.unfinished.contains_key(name) {
        let summary = format!("restore point `{name}` was never finished");
        return Err(Diagnostic::error("restore-point-unfinished", summary)
            .with_hint("what asked for it goes on with it; `backup delete` removes what is there")
            .into());
    }
    if let Some(error) = catalogue.unreadable.get(name) {
        return Err(RecoveryError::from(error.clone()).into());
    }
    catalogue.points.get(name).ok_or_else(|| unknown(name, catalogue))
}

async fn show(
    session: &Session,
    environment: &Environment,
    name: &PointName,
    file: Option<&Path>,
) -> Result<Exit, CommandError> {
    let (_, points) = some(session, environment, "show", Calling::default()).await?;
    let recorded = points.recorded().await?;
    let catalogue = points.catalogue().await?;
    let kept = chosen(&catalogue, name)?;
    let console = &session.console;
    if let Some(file) = file {
        store::write_file(file, &state_of(&recorded, &kept.point)?.text)?;
        let line = format!("Version {} of the state is in {}.", kept.point.serial, file.display());
        console.message_line(&line);
    }
    let snapshots: Vec<_> = kept
        .snapshots()
        .map(|(captured, record)| SnapshotRow {
            of: captured.of.clone(),
            object: captured.object.clone(),
            resource_type: captured.snapshot.kind().to_owned(),
            id: record.map(|record| record.id.clone()),
        })
        .collect();
    if session.json {
        console.json(&json!({ "point": kept.point, "snapshots": snapshots }));
    } else {
        console.data(&one(&kept.point, &snapshots, console.out_palette()));
    }
    Ok(Exit::Done)
}

/// The state that belongs to a restore point.
pub fn state_of(recorded: &Recorded, point: &RestorePoint) -> Result<KeptState, CommandError> {
    Ok(catalogue::state_of(recorded, point).map_err(RecoveryError::from)?)
}

async fn verify(
    session: &Session,
    environment: &Environment,
    only: Option<PointName>,
) -> Result<Exit, CommandError> {
    let (_, points) = some(session, environment, "verify", Calling::default()).await?;
    let catalogue = points.catalogue().await?;
    let names: BTreeSet<PointName> = match only {
        Some(name) => BTreeSet::from([chosen(&catalogue, &name)?.point.name.clone()]),
        None => catalogue.points.keys().chain(catalogue.unreadable.keys()).cloned().collect(),
    };
    let found = points.with(async |recovery| recovery.verify(&names).await).await?;
    let damage = points.check().await?.into_iter().map(|why| FindingRow {
        point: CATALOGUE.to_owned(),
        of: None,
        snapshot: None,
        why,
        is_known: true,
    });
    let of_points = found.iter().flat_map(|(name, findings)| {
        findings.iter().map(|finding| FindingRow {
            point: name.to_string(),
            of: finding.of.clone(),
            snapshot: finding.snapshot.clone(),
            why: finding.why.clone(),
            is_known: finding.is_known,
        })
    });
    let rows: Vec<_> = damage.chain(of_points).collect();
    let looked_at = catalogue.points.values().filter(|kept| names.contains(&kept.point.name));
    let snapshots = looked_at.map(|kept| kept.point.snapshots.len()).sum();
    let console = &session.console;
    if session.json {
        let points = names.len();
        console.json(&json!({ "points": points, "snapshots": snapshots, "findings": rows }));
    } else {
        console.data(&findings(&rows, names.len(), snapshots, console.out_palette()));
    }
    if rows.is_empty() {
        return Ok(Exit::Done);
    }
    if rows.iter().any(|row| row.is_known) {
        let summary = "not every restore point is what it was";
        return Err(Diagnostic::error("restore-point-damaged", summary)
            .with_hint(
                "`backup create` makes a new one; `backup delete` removes one that is damaged",
            )
            .into());
    }
    let summary = "not every snapshot could be looked at";
    Err(Diagnostic::error("restore-point-unknown", summary)
        .with_hint("nothing is known to be wrong: run the command again when they can be reached")
        .into())
}

/// The rollouts that may still need their restore points. A state that is lost has none.
async fn rollouts(project: &Project) -> Result<BTreeSet<String>, CommandError> {
    match Store::open(project).await? {
        Some(store) => Ok(store.load().await?.rollouts.into_keys().collect()),
        None => Ok(BTreeSet::new()),
    }
}

async fn prune(
    session: &Session,
    environment: &Environment,
    retention: &Retention,
    dry_run: bool,
    running: &Running,
) -> Result<Exit, CommandError> {
    let project = Project::load(session, environment)?;
    let points = opened(session, &project, "prune", running.calling).await?;
    let catalogue = match &points {
        Some(points) => points.catalogue().await?,
        None => Catalogue::default(),
    };
    let decided = retention::fates(&catalogue, retention, &rollouts(&project).await?);
    let go: BTreeSet<_> =
        decided.iter().filter(|fate| fate.stays.is_none()).map(|it| it.name.clone()).collect();
    let console = &session.console;
    if session.json {
        let word = |fate: &Fate| fate.stays.map(|reason| reason.word().to_owned());
        console.json(&json!({ "points": fate_rows(&decided, word), "dry_run": dry_run }));
    } else {
        let sentence = |fate: &Fate| fate.stays.map(|reason| reason.to_string());
        console.data(&fates(&fate_rows(&decided, sentence), console.out_palette()));
    }
    let Some(points) = points.filter(|_| !go.is_empty()) else {
        console.message_line("Nothing goes.");
        return Ok(Exit::Done);
    };
    if dry_run {
        return Ok(Exit::Done);
    }
    remove(session, &project, &points, (&catalogue, &go), running).await
}

fn fate_rows(decided: &[Fate], because: impl Fn(&Fate) -> Option<String>) -> Vec<FateRow> {
    let row = |fate: &Fate| FateRow {
        name: fate.name.to_string(),
        goes: fate.stays.is_none(),
        because: because(fate).unwrap_or_default(),
    };
    decided.iter().map(row).collect()
}

async fn delete(
    session: &Session,
    environment: &Environment,
    names: BTreeSet<PointName>,
    running: &Running,
) -> Result<Exit, CommandError> {
    let (project, points) = some(session, environment, "delete", running.calling).await?;
    let catalogue = points.catalogue().await?;
    if let Some(name) = names.iter().find(|name| catalogue.names().all(|known| known != *name)) {
        return Err(unknown(name, &catalogue));
    }
    let rollouts = rollouts(&project).await?;
    for name in &names {
        if let Some(reason) = retention::bound(&catalogue, name, &rollouts) {
            return Err(RecoveryError::from(CatalogueError::Bound(name.clone(), reason)).into());
        }
    }
    let exit = remove(session, &project, &points, (&catalogue, &names), running).await?;
    if session.json && matches!(exit, Exit::Done) {
        session.console.json(&json!({ "deleted": names }));
    }
    Ok(exit)
}

async fn remove(
    session: &Session,
    project: &Project,
    points: &Points,
    (shown, names): (&Catalogue, &BTreeSet<PointName>),
    running: &Running,
) -> Result<Exit, CommandError> {
    let listed = names.iter().map(PointName::as_str).collect::<Vec<_>>().join(", ");
    let question = format!("Delete {listed} with all snapshots? They cannot be had again.");
    agree(session, running.auto_approve, &question).await?;
    let cancel = listen()?;
    // What was shown may have changed while people read it, and rollouts may have begun.
    let rollouts = rollouts(project).await?;
    let delete =
        async |recovery: &Recovery<'_>| recovery.delete(shown, names, &rollouts, &cancel).await;
    let deleted = points.with(delete).await?;
    let again =
        format!("What is left goes with: {} backup prune {}", session.program, project.target);
    if done(session, deleted, &again)?.is_none() {
        return Ok(Exit::Interrupted);
    }
    session.console.message_line(&format!("Deleted: {listed}."));
    Ok(Exit::Done)
}

async fn lock(session: &Session, locking: &Locking, locked: bool) -> Result<Exit, CommandError> {
    let Locking { environment, point: name } = locking;
    let verb = if locked { "lock" } else { "unlock" };
    let (_, points) = some(session, environment, verb, Calling::default()).await?;
    chosen(&points.catalogue().await?, name)?;
    let cancel = listen()?;
    let done_so = points.with(async |recovery| recovery.lock(name, locked, &cancel).await).await?;
    if done(session, done_so, "Nothing was changed.")?.is_none() {
        return Ok(Exit::Interrupted);
    }
    if session.json {
        session.console.json(&json!({ "point": name, "locked": locked }));
    } else {
        let word = if locked { "locked" } else { "not locked any more" };
        session.console.message_line(&format!("Restore point {name} is {word}."));
    }
    Ok(Exit::Done)
}
