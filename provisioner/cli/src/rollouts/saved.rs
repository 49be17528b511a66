//! A saved plan that begins a rollout: `apply FILE` begins it, `rollout run FILE` goes on with it.
//!
//! Invariants: the rollout is the one that was read when the plan was saved: its id, its stages and the nodes in them, its rules,
//! and the configuration that its waves are planned from are in the file; what does not fit what is recorded any more is
//! refused and nothing is begun; a plan begins its rollout once. Refuses to know: how a plan is sealed and signed.

use super::foresee::{Foreseen, check, planned_point};
use super::start::{self, Begun, announce, begin, now_ms, resumed, take_rules};
use super::world::Fleet;
use crate::arguments::Running;
use crate::candidate::Candidate;
use crate::error::{CommandError, Exit};
use crate::planning::{self, Wishes};
use crate::project::Project;
use crate::session::Session;
use crate::store::{Saved, Store};
use engine::{ApplyError, Purpose};
use lang::Recording;
use model::Diagnostic;
use model::plan::{Plan, PlannedRollout};
use model::rollout::entry::What;
use model::rollout::foresight::Foresight;
use planner::Renamed;
use state::rollout_entries;
use std::path::Path;
use std::sync::Arc;

/// The rollout as a plan carries it.
pub fn planned(
    project: &Project,
    foreseen: &Foreseen,
    recording: &Recording,
    wishes: &Wishes,
) -> Result<PlannedRollout, CommandError> {
    let sets: Vec<String> =
        foreseen.foresight.sets.iter().map(|set| set.node_set.clone()).collect();
    start::refuse_targets(wishes, &sets)?;
    if let Some(id) = &foreseen.under_way {
        return Err(occupied(id));
    }
    Ok(PlannedRollout {
        foresight: foreseen.foresight.clone(),
        plan_hash: foreseen.plan_hash.clone(),
        candidate: project.candidate(recording.kept()).write()?,
    })
}

/// A plan is bound to what is recorded, which a rollout changes until it ends.
fn occupied(id: &str) -> CommandError {
    Diagnostic::error("rollout-occupied", format!("rollout {id} is under way"))
        .with_detail("a saved plan begins a rollout of its own, and takes no other one's place")
        .with_hint("wait until it is over, or end it with `rollout abort`; `apply` of the environment takes its place")
        .into()
}

/// A fleet as a saved plan has it, and the rollout that the plan begins.
fn opened(
    session: &Session,
    saved: Saved,
    file: &Path,
    running: Running,
) -> Result<(Fleet, Box<PlannedRollout>), CommandError> {
    let Saved { mut plan, store, target } = saved;
    let Some(rollout) = plan.rollout.take() else {
        let summary = format!("the plan {} begins no rollout", file.display());
        return Err(Diagnostic::error("no-rollout", summary)
            .with_hint("`apply` runs it; `rollout run` takes an environment, or a plan that begins a rollout")
            .into());
    };
    let candidate = Candidate::read(&rollout.candidate)?;
    let target = target.unwrap_or_else(|| plan.environment.clone());
    let project = Project::of_candidate(session, candidate, target)?;
    let mut fleet = Fleet::new(session, project, store, running)?;
    fleet.resumed_with = file.display().to_string();
    fleet.agreed = Some(Box::new(plan));
    Ok((fleet, rollout))
}

/// Begins the rollout of a saved plan, or goes on with it.
pub async fn apply(
    session: &Session,
    saved: Saved,
    file: &Path,
    running: Running,
    detach: bool,
) -> Result<(Arc<Fleet>, Exit), CommandError> {
    let (mut fleet, rollout) = opened(session, saved, file, running)?;
    let request = fleet.ready().request();
    let recovered = fleet.wired.engine.recover(&request, Purpose::Apply, &fleet.cancel).await;
    let recorded = match recovered {
        Err(ApplyError::Interrupted) => {
            session.console.message_line("Interrupted; nothing was done.");
            return Ok((Arc::new(fleet), Exit::Interrupted));
        }
        recovered => recovered?,
    };
    let renamed = planning::renamed(session, &fleet.project, &recorded);
    let id = &rollout.foresight.rollout;
    if let Some((under_way, head)) = renamed.recorded.rollouts.iter().next() {
        if under_way != id {
            return Err(occupied(under_way));
        }
        session.console.message_line(&format!("Rollout {id} is under way; this goes on with it."));
        return resumed(fleet, id, head).await;
    }
    let digest = take_rules(&mut fleet, &renamed, true).await?;
    let Renamed { recorded, .. } = renamed;
    let Some(plan) = fleet.agreed.clone() else { return Err(start::busy()) };
    expect_whole(&plan, &digest)?;
    expect_first(&fleet.store, &plan, id).await?;
    // Those who read it know it; what does not fit any more is told before anything is begun.
    fleet.wired.engine.check_beginning(&plan).await?;
    let Foresight { sets, lists, .. } = &rollout.foresight;
    let late_list = ::rollout::changes::late_list(&plan, sets, lists);
    let (_, uncaptured) = planned_point(id, sets, &recorded, fleet.wired.factory.schemas());
    let foreseen = Foreseen {
        foresight: rollout.foresight.clone(),
        rules: fleet.rules.clone(),
        plan_hash: rollout.plan_hash.clone(),
        stable_serial: recorded.serial,
        under_way: None,
        shared: ::rollout::changes::shared(&plan, &recorded, &rollout.foresight.sets),
        late_list: late_list.cloned(),
        late_because: String::new(),
        uncaptured,
    };
    let warnings = check(&fleet.project, &foreseen, now_ms()).await?;
    session.show(&warnings, &fleet.project.sources);
    session.console.message_line(&views::plan::summary(&plan));
    announce(&fleet, &foreseen);
    match begin(Arc::new(fleet), &plan, &foreseen, detach).await? {
        Begun::Ended(fleet, exit) => Ok((fleet, exit)),
        Begun::Plain(..) | Begun::Again(_) => Err(start::busy()),
    }
}

/// Drives the rollout that a saved plan has begun.
pub async fn run(
    session: &Session,
    saved: Saved,
    file: &Path,
    running: Running,
) -> Result<Exit, CommandError> {
    let (fleet, rollout) = opened(session, saved, file, running)?;
    let recorded = fleet.store.load().await?;
    let id = &rollout.foresight.rollout;
    let Some(head) = recorded.rollouts.get(id) else {
        let summary = format!("rollout {id}, which this plan begins, is not under way");
        return Err(Diagnostic::error("no-rollout", summary)
            .with_hint(format!("`apply {}` begins it, once", file.display()))
            .into());
    };
    let (_, exit) = resumed(fleet, id, head).await?;
    Ok(exit)
}

/// What is kept must lead to the configuration that the plan was made from.
pub(super) fn expect_whole(plan: &Plan, digest: &str) -> Result<(), CommandError> {
    if plan.configuration_digest == digest {
        return Ok(());
    }
    Err(Diagnostic::error(
        "rollout-candidate",
        "the configuration in the plan is not the one it was made from",
    )
    .with_hint("a file of more than 1 MiB that it reads is not there, or has changed since: put it back, or make a new plan")
    .into())
}

/// A plan begins its rollout once, however it ended.
async fn expect_first(store: &Store, plan: &Plan, id: &str) -> Result<(), CommandError> {
    let entries = rollout_entries(store.port.as_ref(), id, plan.serial).await?;
    let Some((_, last)) = entries.last() else { return Ok(()) };
    let how = match &last.what {
        What::Ended { why, .. } => format!("and is over: {why}"),
        _ => "before".to_owned(),
    };
    Err(Diagnostic::error("rollout-spent", format!("rollout {id} of this plan was begun {how}"))
        .with_hint("make a new plan")
        .into())
}
