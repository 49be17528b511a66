//! `state list` and `state show`: recorded objects.

use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::session::Session;
use crate::store::Store;
use model::{Address, Diagnostic};
use serde_json::{Value as Json, json};
use std::path::Path;

/// Lists the addresses of all objects.
pub async fn list(session: &Session, target: &Path) -> Result<Exit, CommandError> {
    let project = Project::load(session, target)?;
    let recorded = Store::load_or_default(&project).await?;
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

/// Shows one object.
pub async fn show(session: &Session, target: &Path, address: &str) -> Result<Exit, CommandError> {
    let project = Project::load(session, target)?;
    let wanted = Address::parse(address)
        .map_err(|error| Diagnostic::error("not-an-address", error.to_string()))?;
    let recorded = Store::load_or_default(&project).await?;
    let Some(record) = recorded.records.get(&wanted) else {
        let (program, target) = (&session.program, &project.target);
        return Err(Diagnostic::error("no-object", format!("nothing is recorded at {wanted}"))
            .with_hint(format!("`{program} state list {target}` lists what is"))
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
