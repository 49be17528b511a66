//! A run: one holder of the environment, from settling what an earlier run left to the last write.
//!
//! The order for a directory is `begin_run`, `settle`, refresh, plan, `apply`, `finish`; for a saved plan
//! [`Engine::apply`] does it all. Invariant: a run that is dropped writes nothing more; its lease
//! ends by itself, and its unfinished intents are the next run's first work.

use crate::executor::{self, fit};
use crate::lease::Held;
use crate::{ApplyError, CancelToken, Engine, Purpose, RunReport};
use model::plan::Plan;
use model::record::Recorded;
use state::LeaseRequest;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// How a plan is run.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Operations at once.
    pub parallelism: usize,
    /// The run's id, unique.
    pub run: String,
    /// The command, for people who meet the lease.
    pub command: String,
}

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The run's id, unique.
    pub run: String,
    /// The command, for people who meet the lease.
    pub command: String,
}

/// A run that holds the environment.
pub struct Run {
    engine: Engine,
    held: Arc<Held>,
    id: String,
    keeper: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Engine {
    /// Takes the environment.
    pub async fn begin_run(&self, request: RunRequest) -> Result<Run, ApplyError> {
        let store = &self.ports.store;
        let clock = &self.ports.clock;
        let asked_ms = clock.now_ms();
        let lease = store
            .acquire(LeaseRequest { run: request.run.clone(), command: request.command })
            .await?;
        let held = Held::new(lease, clock.clone(), asked_ms);
        let keeper = tokio::spawn(held.clone().keep(store.clone()));
        Ok(Run { engine: self.clone(), held, id: request.run, keeper })
    }

    /// Runs a saved plan: takes the environment, settles, applies, gives it back.
    pub async fn apply(
        &self,
        plan: Plan,
        options: ApplyOptions,
        cancel: CancelToken,
    ) -> Result<RunReport, ApplyError> {
        let run = self.begin_run(RunRequest { run: options.run, command: options.command }).await?;
        let result = match run.settle(Purpose::Apply, &cancel).await {
            Ok(_) => run.apply(&plan, options.parallelism, &cancel).await,
            Err(error) => Err(error),
        };
        let finished = run.finish().await;
        let report = result?;
        finished?;
        Ok(report)
    }
}

impl Run {
    /// Settles every call that an earlier run left unfinished, and reads the state.
    pub async fn settle(
        &self,
        purpose: Purpose,
        cancel: &CancelToken,
    ) -> Result<Recorded, ApplyError> {
        let recorded = self.engine.load().await?;
        if recorded.unfinished.is_empty() {
            return Ok(recorded);
        }
        self.engine.settle(&self.held, &recorded, purpose, cancel).await?;
        Ok(self.engine.load().await?)
    }

    /// Runs a plan that fits the state, to its end or as far as it goes. Failed operations are in the report.
    pub async fn apply(
        &self,
        plan: &Plan,
        parallelism: usize,
        cancel: &CancelToken,
    ) -> Result<RunReport, ApplyError> {
        let recorded = self.engine.load().await?;
        fit::check(plan, &recorded, &self.engine.environment)?;
        let recorded = self.prepare(plan, recorded).await?;
        executor::run(&self.engine, &self.held, &self.id, plan, &recorded, parallelism, cancel)
            .await
    }

    /// Writes what refresh found and the providers that the plan uses, before anything is called with them.
    async fn prepare(&self, plan: &Plan, recorded: Recorded) -> Result<Recorded, ApplyError> {
        let store = &self.engine.ports.store;
        let nothing_new = plan.refreshed.is_empty() && plan.vanished.is_empty();
        if !nothing_new {
            let (refreshed, vanished) = (plan.refreshed.clone(), plan.vanished.clone());
            store.write_refreshed(self.held.check()?, refreshed, vanished).await?;
        }
        let results = executor::results::beginning(plan, &recorded);
        let is_recorded = results.providers == recorded.providers;
        if !is_recorded {
            store.write_results(self.held.check()?, results).await?;
        }
        if nothing_new && is_recorded {
            return Ok(recorded);
        }
        Ok(self.engine.load().await?)
    }

    /// Gives the environment back.
    pub async fn finish(self) -> Result<(), ApplyError> {
        self.keeper.abort();
        let store = &self.engine.ports.store;
        Ok(store.release(self.held.lease().clone()).await?)
    }
}
