//! `apply`: makes an environment as configured, or runs a saved plan exactly as it is.

use crate::arguments::{Environment, Planning, Running, Strays, Variables};
use crate::error::{CommandError, Exit};
use crate::planning::{self, Made, Wishes, World};
use crate::rollouts::{self, Begun, Fleet};
use crate::running::{self, Looking, Ready};
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring;
use engine::Purpose;
use model::plan::Plan;
use model::record::Recorded;
use model::{Diagnostic, SourceMap};
use serde_json::json;
use std::path::Path;
use views::summary::Summary;

/// How it is run.
pub struct Way {
    /// The options of running.
    pub running: Running,
    /// Whether a rollout is begun and not driven.
    pub detach: bool,
}

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: Environment,
    planning: &Planning,
    Way { running, detach }: Way,
) -> Result<Exit, CommandError> {
    if environment.target.is_file() {
        refuse_options(&environment.variables, planning)?;
        // What either waits with is large.
        return Box::pin(saved(session, &environment.target, running, detach)).await;
    }
    running::refuse_to_ask(session, &running)?;
    let wishes = Wishes::of(planning)?;
    let project = planning::load(session, &environment)?;
    let store = if let Some(store) = Store::open(&project).await? {
        store
    } else {
        // A configuration with mistakes makes no state file and no key.
        planning::fresh(session, &project, wishes.clone()).await?;
        Store::create(session, &project).await?
    };
    let mut fleet = Fleet::new(session, project, store, running)?;
    for _ in 0..ROUNDS {
        let under_way = !fleet.store.load().await?.rollouts.is_empty();
        if !under_way && !fleet.project.configuration.has_rollouts() {
            return plain(&fleet, planning, &wishes, None).await;
        }
        match rollouts::apply(fleet, planning, &wishes, detach).await? {
            Begun::Again(again) => fleet = *again,
            Begun::Plain(fleet, plan) => {
                return plain(&fleet, planning, &wishes, Some(plan)).await;
            }
            Begun::Ended(fleet, exit) => {
                if exit == Exit::Done && !detach {
                    summarise_fleet(&fleet).await?;
                }
                return Ok(exit);
            }
        }
    }
    Err(rollouts_change())
}

/// How often a rollout that is under way is ended because this command takes its place.
const ROUNDS: u32 = 3;

/// What other runs did meanwhile makes this one a rollout.
fn rollouts_change() -> CommandError {
    let summary = "other runs have changed nodes that have a rollout meanwhile";
    Diagnostic::error("busy", summary)
        .with_hint("run the command again: it begins a rollout of them")
        .into()
}

/// An apply in one go, of a plan that was made already if it fits.
async fn plain(
    fleet: &Fleet,
    planning: &Planning,
    wishes: &Wishes,
    plan: Option<Box<Plan>>,
) -> Result<Exit, CommandError> {
    let Fleet { session, project, store, .. } = fleet;
    let ready = Ready { command: format!("apply {}", project.target), ..fleet.ready() };
    let schemas = fleet.wired.factory.schemas();
    let make = async |world: &World<'_>| {
        let Made { plan, rules } = fleet.workshop().make(world, wishes.clone()).await?;
        let (recorded, rules) = (world.recorded, (rules.rollouts, rules.order.as_slice()));
        match rollouts::foresee(&plan, recorded, rules, recorded.serial, schemas)? {
            Some(_) => Err(rollouts_change()),
            None => Ok(plan),
        }
    };
    let rename = |recorded: Recorded| planning::renamed(session, project, &recorded);
    let looking = Looking {
        refresh: planning.refresh,
        targets: &wishes.targets,
        strays: planning.strays,
        rename: &rename,
    };
    let ended = ready.plan_and_run(Purpose::Apply, plan, &looking, make).await?;
    let recorded = store.load().await?;
    ready.end(ended, |session| {
        summarise(session, &project.environment, Some(&project.target), &recorded);
    })
}

async fn summarise_fleet(fleet: &Fleet) -> Result<(), CommandError> {
    let recorded = fleet.store.load().await?;
    let project = &fleet.project;
    summarise(&fleet.session, &project.environment, Some(&project.target), &recorded);
    Ok(())
}

/// A saved plan holds all that it needs: options that would change it are a mistake.
fn refuse_options(variables: &Variables, planning: &Planning) -> Result<(), CommandError> {
    let changes = !variables.values.is_empty()
        || !variables.files.is_empty()
        || !planning.replace.is_empty()
        || !planning.limits.targets.is_empty()
        || planning.strays != Strays::Tell
        || !planning.refresh;
    if !changes {
        return Ok(());
    }
    Err(Diagnostic::error("plan-is-complete", "a saved plan runs exactly as it is")
        .with_hint(
            "leave --var, --var-file, --target, --replace, --strays and --refresh out, or make a new plan with them; \
             where the state is may come from PROVISIONER_VAR_NAME",
        )
        .into())
}

async fn saved(
    session: &Session,
    file: &Path,
    running: Running,
    detach: bool,
) -> Result<Exit, CommandError> {
    let saved = store::load_plan(session, file, Variables::default()).await?;
    if saved.plan.rollout.is_some() {
        let (fleet, exit) = rollouts::saved::apply(session, saved, file, running, detach).await?;
        if exit == Exit::Done && !detach {
            summarise_fleet(&fleet).await?;
        }
        return Ok(exit);
    }
    let wired = wiring::wire(session, &saved.store)?;
    let sources = SourceMap::default();
    let ready = Ready {
        session,
        wired: &wired,
        running: &running,
        command: format!("apply {}", file.display()),
        sources: &sources,
        lease_seconds: saved.store.lease_seconds,
    };
    let environment = saved.plan.environment.clone();
    let ended = ready.run_saved(saved.plan).await?;
    let recorded = saved.store.load().await?;
    ready.end(ended, |session| {
        summarise(session, &environment, saved.target.as_deref(), &recorded);
    })
}

pub fn summarise(session: &Session, environment: &str, target: Option<&str>, recorded: &Recorded) {
    let summary = Summary {
        environment,
        program: &session.program,
        target,
        node_sets: &recorded.node_sets,
        outputs: &recorded.outputs,
    };
    let console = &session.console;
    if session.json {
        let line = json!({ "event": "summary", "summary": views::summary::json(summary) });
        console.data_line(&line.to_string());
    } else {
        let text = views::summary::human(summary, console.out_palette(), console.width());
        console.message("\n");
        console.data(&text);
    }
}
