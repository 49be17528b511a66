//! Driving a rollout from the command line: the lease, the view, and how it ended.

use super::world::{Fleet, FleetWorld};
use crate::error::{CommandError, Exit};
use engine::Run;
use model::Diagnostic;
use model::restore_point::PointName;
use model::rollout::entry::{Entry, Outcome};
use rollout::driver::{Audience, DriveError, Driven, Ports};
use std::sync::Arc;
use std::time::Duration;
use views::rollout::live::Live;

/// Who sees a rollout go on.
pub struct Company(pub Live);

impl Audience for Company {
    fn entry(&self, entry: &Entry) {
        self.0.take(entry);
    }

    fn time(&self, now_ms: i64) {
        self.0.tick(now_ms);
    }
}

/// Drives a rollout until it is over or the user interrupts, under the lease of `run`. `taken_over` when somebody else
/// drove it before.
pub async fn drive(
    fleet: Arc<Fleet>,
    id: &str,
    run: Run,
    taken_over: bool,
) -> Result<Driven, CommandError> {
    let clock = fleet.clock.clone();
    let session = &fleet.session;
    let company = Arc::new(Company(Live::new(&session.console, session.json)));
    let run = Arc::new(run);
    let ports = Ports {
        store: fleet.store.port.clone(),
        world: Arc::new(FleetWorld(fleet.clone())),
        clock: clock.clone(),
        audience: company.clone(),
        holding: run.clone(),
        cancel: fleet.cancel.clone(),
    };
    let by = taken_over.then(super::start::who);
    let driven = rollout::driver::drive(&ports, id, by).await;
    company.0.finish(i64::try_from(clock.wall_ms()).unwrap_or(i64::MAX));
    drop(ports);
    // Measurements that were cut off may hold the last copies for a moment.
    if let Some(run) = Arc::into_inner(run) {
        run.finish().await?;
    }
    driven.map_err(told)
}

/// The exit code of a rollout's end.
pub fn ended(fleet: &Fleet, id: &str, driven: &Driven) -> Result<Exit, CommandError> {
    let (program, target) = (&fleet.session.program, &fleet.project.target);
    match driven {
        Driven::Over { outcome: Outcome::Committed, .. } => Ok(Exit::Done),
        Driven::Over { outcome: Outcome::Superseded, why } => {
            let summary = format!("rollout {id} was superseded: {why}");
            Err(Diagnostic::error("rollout-superseded", summary).into())
        }
        Driven::Over { outcome: Outcome::RolledBack, why } => {
            let summary = format!("rollout {id} was rolled back: {why}");
            let mut error = Diagnostic::error("rollout-rolled-back", summary).with_hint(format!(
                "`{program} rollout report {target} {id} -o report.html` shows what was measured"
            ));
            // Data stays as the candidate left it: whether it goes back, and what is lost then, is for people.
            let captures = fleet.rules.values().any(|rules| rules.snapshot_before);
            if let Some(name) = PointName::of_rollout(id).ok().filter(|_| captures) {
                error = error.with_hint(format!(
                    "data stays as it is; `{program} restore plan {target} --from {name}` shows what going back before the first wave would bring and lose"
                ));
            }
            Err(error.into())
        }
        Driven::Over { outcome: Outcome::RollbackFailed, why } => {
            let summary = format!("rollout {id} could not be rolled back wholly: {why}");
            Err(Diagnostic::error("rollout-not-rolled-back", summary)
                .with_hint(format!("`{program} plan {target}` shows where nodes differ"))
                .into())
        }
        Driven::Interrupted => {
            fleet.session.console.message_line(&format!(
                "Rollout {id} is where it was. To go on with it: {program} rollout run {}",
                fleet.resumed_with
            ));
            Ok(Exit::Interrupted)
        }
    }
}

pub fn told(error: DriveError) -> CommandError {
    match error {
        DriveError::State(error) => error.into(),
        error => Diagnostic::error("rollout-driver", error.to_string())
            .with_hint("nothing is lost: `rollout run` goes on from what is recorded")
            .into(),
    }
}

/// How long a controller that was asked to end may take.
pub const HANDOVER: Duration = Duration::from_mins(15);
