//! `state list | show | check | leases`: what is recorded, and whether it is sound. No lease, no change.

use super::{existing, nothing_at, parsed};
use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::session::Session;
use crate::store::Store;
use model::Diagnostic;
use model::record::Recorded;
use serde_json::{Value as Json, json};
use state::{LeaseInfo, Scope};
use views::history::LeaseRow;

/// What is recorded now, or was in an earlier version.
async fn recorded(
    session: &Session,
    environment: &Environment,
    at: Option<u64>,
) -> Result<(Project, Recorded), CommandError> {
    let Some(at) = at else {
        let project = Project::load(session, environment)?;
        let recorded = Store::load_or_default(&project).await?;
        return Ok((project, recorded));
    };
    let (project, store) = existing(session, environment).await?;
    let version = store.port.version(at).await?;
    Ok((project, version.into_recorded(store.identity.lineage.clone())))
}

/// Lists the addresses of all objects.
pub async fn list(
    session: &Session,
    environment: &Environment,
    at: Option<u64>,
) -> Result<Exit, CommandError> {
    let (_, recorded) = recorded(session, environment, at).await?;
    if session.json {
        let objects: Json = recorded
            .records
            .values()
            .map(|r| json!({ "address": r.address, "id": r.id }))
            .collect();
        session.console.json(&objects);
    } else {
        session.console.data(&views::state::addresses(&recorded));
    }
    Ok(Exit::Done)
}

/// Shows one object, or all that is recorded.
pub async fn show(
    session: &Session,
    environment: &Environment,
    address: Option<&str>,
    at: Option<u64>,
) -> Result<Exit, CommandError> {
    let wanted = address.map(parsed).transpose()?;
    let (project, recorded) = recorded(session, environment, at).await?;
    let Some(wanted) = wanted else {
        crate::commands::show::everything(session, &project.environment, &recorded);
        return Ok(Exit::Done);
    };
    let Some(record) = recorded.records.get(&wanted) else {
        let (program, target) = (&session.program, &project.target);
        let at = at.map(|at| format!(" --at {at}")).unwrap_or_default();
        return Err(nothing_at(&recorded, &wanted.to_string())
            .with_hint(format!("`{program} state list {target}{at}` lists what is"))
            .into());
    };
    let console = &session.console;
    if session.json {
        console.json(&views::state::one_json(record));
    } else {
        console.data(&views::state::one(record, console.out_palette(), console.width()));
    }
    Ok(Exit::Done)
}

/// Looks at every row, every hash and the journal's chain.
pub async fn check(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let (project, store) = existing(session, environment).await?;
    let report = store.port.check().await?;
    let console = &session.console;
    if session.json {
        console.json(&json!({
            "sound": report.findings.is_empty(),
            "entries": report.entries,
            "records": report.records,
            "findings": report.findings,
        }));
    } else {
        let palette = console.out_palette();
        let text = views::history::check(report.entries, report.records, &report.findings, palette);
        console.data(&text);
    }
    if report.findings.is_empty() {
        return Ok(Exit::Done);
    }
    let place = store.port.place();
    Err(Diagnostic::error("state-corrupt", format!("{place} is damaged"))
        .with_detail(report.findings.join("\n"))
        .with_hint(format!(
            "keep {place} for inspection, put a good copy in its place, or make one from an export with `state import {}`",
            project.target
        ))
        .into())
}

/// Who holds what.
pub async fn leases(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let rows: Vec<LeaseRow> = store.port.leases().await?.iter().map(lease_row).collect();
    let console = &session.console;
    if session.json {
        console.json(&json!(rows));
    } else {
        console.data(&views::history::leases(&rows, console.out_palette()));
    }
    Ok(Exit::Done)
}

/// A lease for people.
pub fn lease_row(info: &LeaseInfo) -> LeaseRow {
    let addresses = match &info.scope {
        Scope::Environment => None,
        Scope::Addresses { writes, .. } => Some(writes.iter().map(ToString::to_string).collect()),
        Scope::Rollout { node_sets } => {
            Some(node_sets.iter().map(|set| format!("the rollout of {set}")).collect())
        }
    };
    LeaseRow {
        epoch: info.epoch,
        command: info.command.clone(),
        owner: info.owner.clone(),
        host: info.host.clone(),
        pid: info.pid,
        since: info.since.clone(),
        expires: info.expires.clone(),
        addresses,
    }
}
