//! A run: one holder of what a plan writes, from the check that the plan still fits to the last write.
//!
//! The order for a directory is `recover`, refresh, plan, `begin_run` with the plan's scope, `apply`, `finish`; for a
//! saved plan [`Engine::apply`] does it all. Planning takes no lease: that nothing has changed since is checked under the
//! lease. Invariant: a run that is dropped writes nothing more; its lease ends by itself, and its unfinished
//! intents are the next run's first work.

use crate::caller::Caller;
use crate::clock::second;
use crate::executor::{self, fit};
use crate::lease::{Held, Queue};
use crate::recover;
use crate::retry::Budget;
use crate::{ApplyError, CancelToken, Engine, Ports, Purpose, RunReport, StaleRecord};
use model::plan::Plan;
use model::record::{Intent, Recorded};
use state::{Edit, Lease, LeaseRequest, RunResults, Scope, StateError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a saved plan is tried again when other runs die before it.
const OVERTAKEN: u32 = 3;

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The run's id, unique.
    pub run: String,
    /// The command, for people who meet the lease.
    pub command: String,
    /// How long to wait for another run that holds what this one wants; zero to refuse at once.
    pub wait: Duration,
    /// Seconds that a lease lives unless it is renewed.
    pub lease_seconds: u32,
}

/// A run that holds a part of the environment.
pub struct Run {
    engine: Engine,
    held: Arc<Held>,
    budget: Arc<Budget>,
    id: String,
    began: Arc<str>,
    keeper: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// What a plan writes, and what its operations rely on.
pub fn scope_of(plan: &Plan) -> Scope {
    let writing = plan.operations.iter().filter(|operation| !operation.address.is_data());
    let operations = writing.map(|operation| &operation.address);
    let refreshed = plan.refreshed.iter().map(|record| &record.address);
    let adopted = plan.adopted.iter().map(|adopted| &adopted.record.address);
    let moved = plan.moved.iter();
    let moved = moved.flat_map(|it| [&it.from, &it.to].into_iter().chain(&it.dependents));
    let writes = operations.chain(refreshed).chain(&plan.vanished).chain(adopted).chain(moved);
    let reads = plan.operations.iter().flat_map(|operation| &operation.dependencies);
    Scope::of(writes.cloned().collect(), reads.cloned().collect())
}

impl Engine {
    /// Takes a part of the environment, waiting for others as long as the request says.
    pub async fn begin_run(
        &self,
        request: &RunRequest,
        scope: Scope,
        cancel: &CancelToken,
    ) -> Result<Run, ApplyError> {
        let Ports { store, clock, events, .. } = &self.ports;
        let queue = Queue { store: store.as_ref(), clock: clock.as_ref(), events: events.as_ref() };
        let wanted = LeaseRequest {
            run: request.run.clone(),
            command: request.command.clone(),
            scope,
            seconds: request.lease_seconds,
        };
        let (lease, asked_ms) = queue.acquire(wanted, request.wait, cancel).await?;
        let held = Held::new(lease, self.ports.clock.clone(), asked_ms);
        let keeper = tokio::spawn(held.clone().keep(self.ports.store.clone()));
        let budget = Arc::new(Budget::new(&self.retry));
        let began = second(self.ports.clock.wall_ms()).into();
        Ok(Run { engine: self.clone(), held, budget, id: request.run.clone(), began, keeper })
    }

    /// Settles every call that an interrupted run left unfinished, under a lease of its own, and reads the state. What a
    /// run that is still there has begun is left to it.
    pub async fn recover(
        &self,
        request: &RunRequest,
        purpose: Purpose,
        cancel: &CancelToken,
    ) -> Result<Recorded, ApplyError> {
        let recorded = self.load().await?;
        let left = self.left_behind(&recorded).await?;
        if left.is_empty() {
            return Ok(recorded);
        }
        let writes: BTreeSet<_> = left.iter().map(|intent| intent.address.clone()).collect();
        let reads = left.iter().flat_map(|intent| intent.dependencies.iter().cloned()).collect();
        let run = self.begin_run(request, Scope::of(writes, reads), cancel).await?;
        let settled = run.settle(&left, purpose, cancel).await;
        let finished = run.finish().await;
        settled?;
        finished?;
        Ok(self.load().await?)
    }

    /// Intents without outcome that nobody is working on.
    async fn left_behind(&self, recorded: &Recorded) -> Result<Vec<Intent>, StateError> {
        if recorded.unfinished.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.ports.store.leases().await?;
        let covers = |intent: &&Intent| {
            held.iter().any(|info| info.run == intent.run && info.scope.covers(&intent.address))
        };
        Ok(recorded.unfinished.iter().filter(|intent| !covers(intent)).cloned().collect())
    }

    /// Runs a saved plan: settles what was left, takes what the plan writes, applies, gives it back.
    pub async fn apply(
        &self,
        plan: &Plan,
        request: &RunRequest,
        parallelism: usize,
        cancel: &CancelToken,
    ) -> Result<RunReport, ApplyError> {
        let purpose = if plan.destroy { Purpose::Destroy } else { Purpose::Apply };
        let mut overtaken = 0;
        loop {
            self.recover(request, purpose, cancel).await?;
            let run = self.begin_run(request, scope_of(plan), cancel).await?;
            let result = run.apply(plan, parallelism, cancel).await;
            let finished = run.finish().await;
            match result {
                Err(ApplyError::Overtaken(_)) if overtaken < OVERTAKEN => overtaken += 1,
                result => {
                    let report = result?;
                    finished?;
                    return Ok(report);
                }
            }
        }
    }
}

impl Run {
    /// Settles those of the intents that are still without outcome now that they are held.
    async fn settle(
        &self,
        intents: &[Intent],
        purpose: Purpose,
        cancel: &CancelToken,
    ) -> Result<(), ApplyError> {
        let mut recorded = self.engine.load().await?;
        recorded.unfinished.retain(|open| intents.iter().any(|one| one.sequence == open.sequence));
        recover::settle(&self.caller(cancel), &recorded, purpose).await
    }

    fn caller(&self, cancel: &CancelToken) -> Caller {
        let Self { engine, held, budget, began, .. } = self;
        Caller {
            engine: engine.clone(),
            held: held.clone(),
            budget: budget.clone(),
            cancel: cancel.clone(),
            began: began.clone(),
        }
    }

    /// Runs a plan that fits the state, to its end or as far as it goes. Failed operations are in the report.
    pub async fn apply(
        &self,
        plan: &Plan,
        parallelism: usize,
        cancel: &CancelToken,
    ) -> Result<RunReport, ApplyError> {
        let recorded = self.nothing_open(plan).await?;
        fit::check(plan, &recorded, &self.engine.environment)?;
        self.engine.check_identities(plan, &recorded.lineage).await?;
        let recorded = self.prepare(plan, recorded).await?;
        executor::run(&self.caller(cancel), &self.id, plan, &recorded, parallelism).await
    }

    /// What is recorded; an error if a run that died after the plan was made, or that this one has waited for, has left
    /// calls about what the plan reads or writes: how they ended comes first.
    async fn nothing_open(&self, plan: &Plan) -> Result<Recorded, ApplyError> {
        let recorded = self.engine.load().await?;
        let open = recorded.unfinished.iter().map(|open| &open.address);
        let touched = open.filter(|address| plan.base_revisions.contains_key(*address));
        let touched: BTreeSet<_> = touched.cloned().collect();
        if touched.is_empty() { Ok(recorded) } else { Err(ApplyError::Overtaken(touched)) }
    }

    /// Writes what has moved, what the plan adopts, what refresh found and the providers that the plan uses, before anything is called.
    async fn prepare(&self, plan: &Plan, recorded: Recorded) -> Result<Recorded, ApplyError> {
        let store = &self.engine.ports.store;
        let mut is_new = false;
        if !plan.moved.is_empty() {
            store.edit(self.held.check()?, moves(plan, &recorded)?).await?;
            is_new = true;
        }
        if !plan.adopted.is_empty() {
            store.edit(self.held.check()?, adoption(plan)).await?;
            is_new = true;
        }
        if !plan.refreshed.is_empty() || !plan.vanished.is_empty() {
            let (refreshed, vanished) = (plan.refreshed.clone(), plan.vanished.clone());
            store.write_refreshed(self.held.check()?, refreshed, vanished).await?;
            is_new = true;
        }
        let providers = executor::results::new_providers(plan, &recorded)?;
        if !providers.is_empty() {
            let results = RunResults { providers, ..RunResults::default() };
            store.write_results(self.held.check()?, results).await?;
            is_new = true;
        }
        if is_new { Ok(self.engine.load().await?) } else { Ok(recorded) }
    }

    /// The lease, for writes of one's own; an error once it may have ended.
    pub fn lease(&self) -> Result<&Lease, StateError> {
        self.held.check()
    }

    /// Waits until the lease is lost.
    pub async fn lease_lost(&self) {
        self.held.gone().await;
    }

    /// Gives back what is held.
    pub async fn finish(self) -> Result<(), ApplyError> {
        self.keeper.abort();
        let store = &self.engine.ports.store;
        Ok(store.release(self.held.lease().clone()).await?)
    }
}

/// What the configuration says has moved gets its new address, all at once.
fn moves(plan: &Plan, recorded: &Recorded) -> Result<Edit, ApplyError> {
    let moves: BTreeMap<_, _> =
        plan.moved.iter().map(|moved| (moved.from.clone(), moved.to.clone())).collect();
    // Somebody may depend on it who did not when the plan was made.
    let others = state::touched(recorded, &moves).into_iter();
    let others = others.filter(|address| !plan.base_revisions.contains_key(address));
    let stale: Vec<_> = others
        .map(|address| {
            let found = recorded.records.get(&address).map_or(0, |record| record.revision);
            StaleRecord { address, planned: 0, found }
        })
        .collect();
    if !stale.is_empty() {
        return Err(ApplyError::Stale(stale));
    }
    Ok(state::moving(recorded, &moves, "moved in the configuration".to_owned()))
}

/// Strays and what is imported become records.
fn adoption(plan: &Plan) -> Edit {
    let is_import = plan.adopted.iter().all(|adopted| adopted.imported);
    let reason = if is_import { "import" } else { "objects that carry this environment's mark" };
    let (depose, put): (Vec<_>, Vec<_>) =
        plan.adopted.iter().cloned().partition(|adopted| adopted.deposed);
    Edit {
        reason: reason.to_owned(),
        put: put.into_iter().map(|adopted| adopted.record).collect(),
        depose: depose.into_iter().map(|adopted| adopted.record).collect(),
        ..Edit::default()
    }
}
