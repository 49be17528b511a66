//! `state export | import | migrate`: the state as a text, from a text, and to another store with its history.

use super::edit::tell;
use super::{existing, terraform, under_lease};
use crate::arguments::{Asking, Environment};
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::running::agree;
use crate::session::Session;
use crate::settings::Backend;
use crate::store::{self, Store};
use crate::wiring::Factory;
use model::Diagnostic;
use model::record::Record;
use serde_json::json;
use state::version::Version;
use state::{CheckReport, Edit, Scope, StateError, StateStore, export};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Writes the state, or an earlier version of it, as canonical JSON.
pub async fn export(
    session: &Session,
    environment: &Environment,
    out: Option<&Path>,
    at: Option<u64>,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    // A version comes from the journal alone: where that is whole, damaged records hinder nobody.
    let serial = match at {
        Some(serial) => serial,
        None => store.load().await?.serial,
    };
    let version = store.port.version(serial).await?;
    if !version.unfinished.is_empty() {
        let text = "calls whose end is not known are left out of an export";
        let warning = Diagnostic::warning("unfinished", text)
            .with_hint("run `apply` first to have them settled");
        session.show(&[warning], &model::SourceMap::default());
    }
    let text = export::write(&store.identity, &version, || store.sealer())?;
    let Some(out) = out else {
        session.console.data(&text);
        return Ok(Exit::Done);
    };
    store::write_file(out, &text)?;
    session.console.message_line(&format!("Version {} is in {}.", version.serial, out.display()));
    Ok(Exit::Done)
}

/// Takes what a file says as the state: an export, or a Terraform state.
pub async fn import(
    session: &Session,
    environment: &Environment,
    file: &Path,
    skip_unknown: bool,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let text = store::read_file(file)?;
    let place = file.display().to_string();
    if export::is_export(&text) {
        return import_export(session, environment, &text, &place, asking).await;
    }
    if terraform::is_state(&text) {
        return import_terraform(session, environment, &text, &place, skip_unknown, asking).await;
    }
    Err(Diagnostic::error(
        "not-a-state",
        format!("{place} is neither an export nor a Terraform state"),
    )
    .with_hint("`state export` writes one; `terraform state pull` the other")
    .into())
}

async fn import_export(
    session: &Session,
    environment: &Environment,
    text: &str,
    place: &str,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let project = Project::load(session, environment)?;
    let (environment, lineage) = export::inspect(text, place)?;
    if environment != project.environment {
        let summary = format!(
            "{place} is of environment `{environment}`, and this is `{}`",
            project.environment
        );
        return Err(Diagnostic::error("other-environment", summary).into());
    }
    let command = format!("state import {place}");
    let Some(store) = Store::open(&project).await? else {
        let count = store::found(&project, text, place, &lineage, None).await?;
        let done = format!("Environment `{environment}` is recorded anew with {count} objects.");
        tell(session, &done, &json!({ "imported": count, "new": true }));
        return Ok(Exit::Done);
    };
    if lineage != store.identity.lineage {
        return Err(Diagnostic::error(
            "other-lineage",
            format!("{place} is of another life of `{environment}`"),
        )
        .with_detail(format!(
            "its lineage is {lineage}, the present one is {}",
            store.identity.lineage
        ))
        .with_hint("remove the present state first if that life is over")
        .into());
    }
    let wanted = export::read(text, place, || store.sealer())?;
    let edit = wanted.clone().edit_from(&present(&store).await?, command.clone());
    let (put, remove) = (edit.put.len(), edit.remove.len());
    session.console.message_line(&format!(
        "{place} has {put} records that differ from the present ones and lacks {remove}."
    ));
    agree(session, asking.auto_approve, "Record what it says? Objects stay as they are.").await?;
    under_lease(session, &store, asking, &command, Scope::Environment, async |lease| {
        let edit = wanted.edit_from(&present(&store).await?, command.clone());
        Ok(store.port.edit(lease, edit).await?)
    })
    .await?;
    tell(session, "Imported.", &json!({ "imported": put, "removed": remove, "new": false }));
    Ok(Exit::Done)
}

async fn present(store: &Store) -> Result<Version, StateError> {
    let serial = store.port.load().await?.serial;
    store.port.version(serial).await
}

async fn import_terraform(
    session: &Session,
    environment: &Environment,
    text: &str,
    place: &str,
    skip_unknown: bool,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let factory = Factory::for_checking(session)?;
    let imported = terraform::read(text, place, factory.schemas())?;
    if !imported.unknown.is_empty() && !skip_unknown {
        let types: Vec<_> =
            imported.unknown.iter().map(|(kind, number)| format!("{number} of `{kind}`")).collect();
        return Err(Diagnostic::error(
            "unknown-resource-type",
            format!("{place} has objects that no provider here offers"),
        )
        .with_detail(types.join(", "))
        .with_hint("--skip-unknown leaves them out; they stay in Terraform's hands")
        .into());
    }
    let project = Project::load(session, environment)?;
    let count = imported.records.len();
    let question =
        format!("Record {count} objects of {place}? From then on they are managed here.");
    agree(session, asking.auto_approve, &question).await?;
    let store = match Store::open(&project).await? {
        Some(store) => store,
        None => Store::create(session, &project).await?,
    };
    let command = format!("state import {place}");
    under_lease(session, &store, asking, &command, Scope::Environment, async |lease| {
        let recorded = store.load().await?;
        let taken = imported.records.iter().find(|r| recorded.records.contains_key(&r.address));
        if let Some(Record { address, .. }) = taken {
            return Err(Diagnostic::error("taken", format!("{address} is recorded already"))
                .with_hint("remove or move that record first (`state rm`, `state mv`)")
                .into());
        }
        let edit =
            Edit { reason: command.clone(), put: imported.records.clone(), ..Edit::default() };
        Ok(store.port.edit(lease, edit).await?)
    })
    .await?;
    let done = format!(
        "{count} objects recorded. `{} plan {}` shows where they differ from the configuration.",
        session.program, project.target
    );
    let unknown: BTreeMap<_, _> = imported.unknown.into_iter().collect();
    tell(session, &done, &json!({ "imported": count, "skipped": unknown }));
    Ok(Exit::Done)
}

/// Copies the environment with its history to another store.
pub async fn migrate(
    session: &Session,
    environment: &Environment,
    to: &Backend,
    file: &Path,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (project, store) = existing(session, environment).await?;
    let Project { environment, settings, .. } = &project;
    let other = store::backend(to, file, environment, settings)?;
    let there = other.place();
    // The catalogue of restore points goes where the environment goes.
    let points = Store::open_catalogue(&project).await?;
    let other_points = store::catalogue_at(to, file, environment, settings)?;
    let exists = |store: &Arc<dyn StateStore>| {
        let (environment, place) = (environment.clone(), store.place());
        CommandError::from(StateError::Exists { environment, place })
    };
    if other.identity().await?.is_some() {
        return Err(exists(&other));
    }
    // What a copy that was cut off has left is the same catalogue, as far as it is here.
    let points = match (points, other_points.identity().await?) {
        (Some(points), Some(there)) => {
            let is_same = there.lineage == points.identity.lineage
                && other_points.load().await?.serial == points.load().await?.serial;
            if !is_same {
                return Err(exists(&other_points));
            }
            None
        }
        (points, _) => points,
    };
    let question = format!("Copy `{environment}` with its history to {there}?");
    agree(session, asking.auto_approve, &question).await?;
    if let Some(points) = &points {
        copied(points, other_points.as_ref()).await?;
    }
    let (entries, report) = copied(&store, other.as_ref()).await?;
    let here = store.port.place();
    let done = format!(
        "{entries} entries and {} records are at {there}.\nName it in the `state` block of {} now; what is at {here} stays as it is and is not used any more.",
        report.records, project.target
    );
    tell(session, &done, &json!({ "entries": entries, "records": report.records, "to": there }));
    Ok(Exit::Done)
}

/// Copies a store with its history; how many entries that are, and what a look at the copy found.
async fn copied(
    store: &Store,
    other: &dyn StateStore,
) -> Result<(usize, CheckReport), CommandError> {
    let dump = store.port.dump().await?;
    let entries = dump.journal.len();
    other.take_over(dump).await?;
    let report = other.check().await?;
    if report.findings.is_empty() {
        return Ok((entries, report));
    }
    let summary = format!("the copy at {} is not sound", other.place());
    Err(Diagnostic::error("copy-damaged", summary).with_detail(report.findings.join("\n")).into())
}
