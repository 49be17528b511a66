//! `plan`: what `apply` would do. Takes no lease and changes nothing.

use crate::arguments::{Environment, Planning};
use crate::error::{CommandError, Exit};
use crate::planning::{self, Sweeping, Wishes, Workshop, World};
use crate::project::Project;
use crate::rollouts::{self, Foreseen, lists, saved};
use crate::session::Session;
use crate::store::{self, Store};
use crate::wiring;
use engine::Engine;
use lang::{FileSystem, Recording};
use model::Diagnostic;
use model::plan::{Actual, Plan};
use model::record::Recorded;
use model::rollout::foresight::Foresight;
use planner::Renamed;
use serde_json::json;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

/// What becomes of the plan besides being shown.
pub struct Saving {
    /// The file to save it in.
    pub out: Option<PathBuf>,
    /// Whether changes have an exit code of their own.
    pub detailed_exitcode: bool,
}

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: &Environment,
    planning: &Planning,
    saving: Saving,
) -> Result<Exit, CommandError> {
    let recording = saving.out.is_some().then(|| Recording::new(Arc::new(FileSystem)));
    let project = match &recording {
        Some(recording) => planning::load_from(session, environment, recording)?,
        None => planning::load(session, environment)?,
    };
    let wishes = Wishes::of(planning)?;
    let store = match Store::open(&project).await? {
        // A saved plan is bound to its environment's lineage and sealed with its key, so there must be one.
        None if saving.out.is_some() => {
            planning::fresh(session, &project, wishes.clone()).await?;
            Some(Store::create(session, &project).await?)
        }
        store => store,
    };
    let (mut plan, foreseen) = match &store {
        Some(store) => recorded(session, &project, store, planning, &wishes).await?,
        None => (planning::fresh(session, &project, wishes.clone()).await?, None),
    };
    if let Some(foreseen) = &foreseen {
        let warnings = rollouts::check(&project, foreseen, rollouts::now_ms()).await?;
        session.show(&warnings, &project.sources);
        if let Some(recording) = &recording {
            let rollout = saved::planned(&project, foreseen, recording, &wishes)?;
            plan.rollout = Some(Box::new(rollout));
        }
    }
    show_with(
        session,
        &plan,
        foreseen.as_ref().map(|foreseen| (&foreseen.foresight, foreseen.plan_hash.as_str())),
    );
    if let (Some(path), Some(store)) = (&saving.out, &store) {
        store::save_plan(path, &plan, store)?;
        let program = &session.program;
        session.console.message_line(&format!(
            "Saved. To do exactly this: {program} apply {}",
            path.display()
        ));
    }
    let changes = saving.detailed_exitcode && plan.has_changes();
    Ok(if changes { Exit::Changes } else { Exit::Done })
}

/// The plan of an environment that is recorded, and the rollout that `apply` would begin.
async fn recorded(
    session: &Session,
    project: &Project,
    store: &Store,
    options: &Planning,
    wishes: &Wishes,
) -> Result<(Plan, Option<Foreseen>), CommandError> {
    let inputs = &project.inputs(&store.login_key()?);
    // The events of reading are for people; the data is the plan.
    let progress = views::progress::sink(&session.console, false);
    let wired = wiring::wire_with(session, store, progress)?;
    let workshop = Workshop::new(session, project, inputs, &wired.factory);
    let recorded = store.load().await?;
    warn_of_run(session, store, &recorded).await?;
    let renamed = planning::renamed(session, project, &recorded);
    let rules = RefCell::new(None);
    let make = async |world: &World<'_>| {
        let made = workshop.make(world, wishes.clone()).await?;
        rules.replace(Some(made.rules));
        Ok(made.plan)
    };
    let plan = looked(session, &wired.engine, &renamed, options, wishes, make).await?;
    let Renamed { recorded, .. } = renamed;
    let Some(rules) = rules.into_inner() else { return Ok((plan, None)) };
    let under_way = recorded.rollouts.values().next();
    let serial = under_way.map_or(recorded.serial, |head| head.stable_serial);
    let mut foreseen = {
        let rules = (rules.rollouts, rules.order.as_slice());
        rollouts::foresee(&plan, &recorded, rules, serial, wired.factory.schemas())?
    };
    if let Some(foreseen) = &mut foreseen {
        lists::find(&workshop, store, &plan, &recorded, foreseen).await?;
    }
    Ok((plan, foreseen))
}

/// A plan of what is there, as far as that is wished.
async fn looked(
    session: &Session,
    engine: &Engine,
    Renamed { recorded, moved, .. }: &Renamed,
    options: &Planning,
    wishes: &Wishes,
    make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
) -> Result<Plan, CommandError> {
    if !options.refresh {
        return make(&World { recorded, actual: &Actual::new(), moved }).await;
    }
    let sweeping = Sweeping { strays: options.strays, targets: &wishes.targets };
    let near = planning::within_reach(recorded, &wishes.targets);
    let actual = planning::refresh(session, engine, &near).await?;
    let world = World { recorded, actual: &actual, moved };
    let plan = planning::swept(session, engine, &sweeping, &world, &make).await?;
    if !planning::looked_past(&plan, &world) {
        return Ok(plan);
    }
    let actual = planning::refresh(session, engine, recorded).await?;
    let world = World { recorded, actual: &actual, moved };
    planning::swept(session, engine, &sweeping, &world, &make).await
}

/// A plan that is made while a run goes on, or after one was cut off, may not be what `apply` will do.
async fn warn_of_run(
    session: &Session,
    store: &Store,
    recorded: &Recorded,
) -> Result<(), CommandError> {
    let unfinished = recorded.unfinished.len();
    let warning = match store.port.leases().await?.into_iter().next() {
        Some(info) => Diagnostic::warning(
            "run-under-way",
            format!(
                "`{}` by {} on {}, since {}, is under way or was cut off",
                info.command, info.owner, info.host, info.since
            ),
        )
        .with_detail(
            "this plan is made from what is recorded now, which may be in the middle of that run",
        ),
        None if unfinished > 0 => Diagnostic::warning(
            "unfinished",
            format!("the last run was cut off; of {unfinished} of its calls the end is not known"),
        )
        .with_detail(
            "this plan takes it that they did not happen; `apply` looks them up before it plans",
        ),
        None => return Ok(()),
    };
    session.show(&[warning], &model::SourceMap::default());
    Ok(())
}

/// Shows a plan as data.
pub fn show(session: &Session, plan: &Plan) {
    let rollout = plan.rollout.as_ref();
    show_with(
        session,
        plan,
        rollout.map(|rollout| (&rollout.foresight, rollout.plan_hash.as_str())),
    );
}

/// The same with the rollout that it begins, and the hash that approvals of it are bound to.
fn show_with(session: &Session, plan: &Plan, rollout: Option<(&Foresight, &str)>) {
    let console = &session.console;
    if session.json {
        let mut document = views::plan::json(plan);
        if let (Some((foresight, hash)), Some(fields)) = (rollout, document.as_object_mut()) {
            fields.insert("rollout".to_owned(), json!(foresight));
            fields.insert("rollout_plan_hash".to_owned(), json!(hash));
        }
        console.json(&document);
        return;
    }
    let (palette, width) = (console.out_palette(), console.width());
    console.data(&views::plan::human(plan, session.drawing(palette)));
    if let Some((foresight, hash)) = rollout {
        console.data("\n");
        console.data(&views::rollout::foresight::human(foresight, palette, width));
        let mut stages = foresight.sets.iter().flat_map(|set| &set.rollout.stages);
        if stages.any(|stage| stage.approval.is_some()) {
            console.data(&format!("Approvals are bound to the hash of this plan, {hash}.\n"));
        }
    }
}
