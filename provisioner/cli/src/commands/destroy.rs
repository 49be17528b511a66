//! `destroy`: deletes everything recorded of an environment, or what targets mean, after asking. Twice is once.

use crate::arguments::{Environment, Running, Strays, Targets};
use crate::error::{CommandError, Exit};
use crate::planning::{self, Wishes, World};
use crate::project::Project;
use crate::rollouts::{self, Fleet};
use crate::running::{self, Ended, Looking, Ready};
use crate::session::Session;
use crate::store::Store;
use crate::wiring;
use engine::Purpose;
use model::record::Recorded;
use planner::Renamed;
use recovery::Catalogue;
use serde_json::json;
use std::sync::Arc;

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: &Environment,
    limits: &Targets,
    strays: Strays,
    running: &Running,
) -> Result<Exit, CommandError> {
    let wishes = Wishes::limited(limits)?;
    running::refuse_to_ask(session, running)?;
    let project = Project::load_sound(session, environment)?;
    let Some(store) = Store::open(&project).await? else {
        tell(session, &format!("Nothing to do: {} has never been applied.", project.environment));
        return Ok(Exit::Done);
    };
    let under_way = store.load().await?.rollouts;
    let (project, store) = if under_way.is_empty() {
        (project, store)
    } else {
        // Everything goes, and so does what is being rolled out.
        let mut fleet = Arc::new(Fleet::new(session, project, store, running.clone())?);
        for (id, head) in &under_way {
            fleet = rollouts::end_running(fleet, id, head).await?;
        }
        let Fleet { project, store, .. } = Arc::into_inner(fleet).ok_or_else(rollouts::busy)?;
        (project, store)
    };
    let wired = wiring::wire(session, &store)?;
    let ready = Ready {
        session,
        wired: &wired,
        running,
        command: format!("destroy {}", project.target),
        sources: &project.sources,
        lease_seconds: store.lease_seconds,
    };
    let make = async |world: &World<'_>| {
        planning::plan_destroy(&project.environment, &wired.factory, world, wishes.clone()).await
    };
    // Everything goes, wherever it is recorded.
    let rename = |recorded: Recorded| Renamed { recorded, ..Renamed::default() };
    let looking = Looking { refresh: true, targets: &wishes.targets, strays, rename: &rename };
    let ended = ready.plan_and_run(Purpose::Destroy, None, &looking, make).await?;
    let did = wishes.targets.is_empty() && !matches!(ended, Ended::Nothing);
    let kept = if did { restore_points(&project).await } else { None };
    ready.end(ended, |session| {
        if did {
            tell(session, &format!("{} is destroyed.", project.environment));
        }
        if let Some(kept) = kept {
            let (program, target) = (&session.program, &project.target);
            tell(session, &format!("Restore points stay ({kept}): {program} backup list {target}"));
        }
    })
}

/// How many restore points there are, or why that cannot be told; none if there is none. They cost something, and nothing else is
/// left to say so. What was destroyed is destroyed whatever comes of this.
async fn restore_points(project: &Project) -> Option<String> {
    let count = async || {
        let Some(store) = Store::open_catalogue(project).await? else { return Ok(0) };
        let catalogue = Catalogue::of(&store.load().await?);
        Ok::<_, CommandError>(catalogue.names().count())
    };
    match count().await {
        Ok(0) => None,
        Ok(count) => Some(count.to_string()),
        Err(error) => error.diagnostics.into_iter().next().map(|first| first.summary),
    }
}

fn tell(session: &Session, text: &str) {
    if session.json {
        session.console.data_line(&json!({ "event": "notice", "message": text }).to_string());
    } else {
        session.console.message_line(text);
    }
}
