//! `show`: what is recorded of an environment, or a saved plan.

use crate::arguments::{Environment, Variables};
use crate::commands::plan;
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::session::Session;
use crate::store::{self, Store};
use model::record::Recorded;
use std::path::PathBuf;

/// Runs the command.
pub async fn run(
    session: &Session,
    target: PathBuf,
    variables: Variables,
) -> Result<Exit, CommandError> {
    if target.is_file() {
        plan::show(session, &store::load_plan(session, &target, variables).await?.plan);
        return Ok(Exit::Done);
    }
    let project = Project::load(session, &Environment { target, variables })?;
    let recorded = Store::load_or_default(&project).await?;
    everything(session, &project.environment, &recorded);
    Ok(Exit::Done)
}

/// Shows all that is recorded, now or in a version.
pub fn everything(session: &Session, environment: &str, recorded: &Recorded) {
    let console = &session.console;
    if session.json {
        console.json(&views::state::json(environment, recorded));
    } else {
        let palette = console.out_palette();
        console.data(&views::state::human(environment, recorded, palette, console.width()));
    }
}
