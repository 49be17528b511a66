//! The executor: runs the operations of a plan, ready ones at the same time under a bound.
//!
//! One dispatcher owns all decisions of order; operations run as tasks of their own and report back to it.
//! Operations on objects that are nowhere but in the state run in batches, each with one write for all; creations and deletions
//! that one call of the cloud makes are handed out together.
//! Invariants: an operation starts only when everything it needs succeeded; a failure stops only what
//! depends on it; an operation is reported exactly once. Refuses to know: why the plan is as it is.

mod batch;
mod conditions;
mod deletions;
pub(crate) mod fit;
mod operation;
mod report;
pub(crate) mod results;
mod together;

pub use report::{Failure, RunReport, Skipped};

use crate::caller::Caller;
use crate::{ApplyError, Engine, Level};
use batch::Batch;
use conditions::Conditions;
use model::event::Event;
use model::plan::{Operation, OperationKind, Plan, PlannedCondition};
use model::record::Recorded;
use model::{Diagnostic, Severity};
use operation::{Ended, Job};
use state::StateError;
use std::collections::{BTreeMap, BTreeSet};
use together::{Together, Way};
use tokio::task::{Id, JoinError, JoinSet};

/// Operations of one batch at most.
const BATCH: usize = 256;

/// Runs a plan that was checked to fit.
pub(crate) async fn run(
    caller: &Caller,
    run: &str,
    plan: &Plan,
    recorded: &Recorded,
    parallelism: usize,
) -> Result<RunReport, ApplyError> {
    let Caller { engine, cancel, .. } = caller;
    let started_ms = engine.ports.clock.now_ms();
    let mut dispatcher = Dispatcher::new(caller, run, plan, recorded);
    dispatcher.dispatch(parallelism.max(1)).await;
    let Dispatcher { report: mut run_report, broken, .. } = dispatcher;
    run_report.interrupted = cancel.level() > Level::Running;
    let written = match broken {
        None => results::write(caller, plan, recorded, &mut run_report).await,
        Some(error) => Err(error),
    };
    engine.ports.events.publish(Event::RunFinished {
        succeeded: run_report.succeeded,
        failed: run_report.failed.len(),
        skipped: run_report.skipped.len(),
        elapsed_ms: engine.ports.clock.now_ms().saturating_sub(started_ms),
    });
    written?;
    Ok(run_report)
}

/// What one task runs.
struct Flight {
    ids: Vec<u32>,
    started_ms: u64,
    is_batch: bool,
}

/// Decides what runs next, and folds what ended into the report.
struct Dispatcher<'a> {
    caller: &'a Caller,
    run: &'a str,
    plan: &'a Plan,
    lineage: &'a str,
    /// Operations not yet started, with what they still wait for.
    waiting: BTreeMap<u32, BTreeSet<u32>>,
    /// Who waits for an operation, so that its end touches these and no others.
    waiters: BTreeMap<u32, Vec<u32>>,
    /// Operations that may start, each as a task of its own.
    ready: BTreeSet<u32>,
    /// Operations that may start, many as one task.
    ready_for_batch: BTreeSet<u32>,
    /// Creations and deletions that may start, those of one provider configuration and resource type as one task.
    ready_together: BTreeMap<(&'a str, &'a str, Way), BTreeSet<u32>>,
    /// What can be done with many operations at once, by provider configuration and resource type.
    at_once: AtOnce<'a>,
    conditions: Conditions<'a>,
    in_flight: BTreeMap<Id, Flight>,
    /// Each gives the ends of its operations, in their order.
    tasks: JoinSet<Vec<Ended>>,
    report: RunReport,
    broken: Option<StateError>,
}

impl<'a> Dispatcher<'a> {
    fn new(caller: &'a Caller, run: &'a str, plan: &'a Plan, recorded: &'a Recorded) -> Self {
        let mut dispatcher = Self {
            caller,
            run,
            plan,
            lineage: &recorded.lineage,
            waiting: BTreeMap::new(),
            waiters: BTreeMap::new(),
            ready: BTreeSet::new(),
            ready_for_batch: BTreeSet::new(),
            ready_together: BTreeMap::new(),
            at_once: AtOnce::of(&caller.engine, plan),
            conditions: Conditions::new(&plan.conditions),
            in_flight: BTreeMap::new(),
            tasks: JoinSet::new(),
            report: RunReport::default(),
            broken: None,
        };
        for operation in &plan.operations {
            if operation.needs.is_empty() {
                dispatcher.may_start(operation.id);
            } else {
                dispatcher.waiting.insert(operation.id, operation.needs.clone());
            }
            for need in &operation.needs {
                dispatcher.waiters.entry(*need).or_default().push(operation.id);
            }
        }
        dispatcher
    }

    fn may_start(&mut self, id: u32) {
        let Operation { address, kind, provider, .. } = self.operation(id);
        let which = (provider.as_str(), address.kind());
        let together = Way::of(*kind).map(|way| (which.0, which.1, way));
        let together = together.filter(|it| self.at_once.together.contains_key(it));
        let goes_into_batch = !matches!(kind, OperationKind::Forget | OperationKind::Read)
            && self.at_once.recorded_only.contains(&which);
        let ready = if goes_into_batch {
            &mut self.ready_for_batch
        } else if let Some(together) = together {
            self.ready_together.entry(together).or_default()
        } else {
            &mut self.ready
        };
        ready.insert(id);
    }

    async fn dispatch(&mut self, parallelism: usize) {
        let Caller { held, cancel, .. } = self.caller;
        let mut told = false;
        for condition in self.conditions.at_once() {
            self.tell(condition);
        }
        loop {
            if self.broken.is_none() && cancel.level() == Level::Running {
                self.start(parallelism);
            }
            if self.in_flight.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = cancel.reached(Level::Stop) => {
                    self.stop("stopped at once; the next apply looks up how its call ended");
                    break;
                }
                () = held.gone() => {
                    self.broken.get_or_insert(StateError::LeaseLost { epoch: held.epoch() });
                    self.stop("the lease was lost; the next apply looks up how its call ended");
                    break;
                }
                () = cancel.reached(Level::Finish), if !told => {
                    told = true;
                    let in_flight = self.in_flight.values().map(|flight| flight.ids.len()).sum();
                    self.publish(Event::Interrupted { in_flight });
                }
                Some(joined) = self.tasks.join_next_with_id() => self.settle(joined),
            }
        }
        let because = match self.broken {
            Some(_) => "the run ended before it",
            None => "the run was interrupted before it",
        };
        let mut left = std::mem::take(&mut self.ready);
        left.append(&mut self.ready_for_batch);
        left.extend(std::mem::take(&mut self.ready_together).into_values().flatten());
        let left = left.into_iter().chain(std::mem::take(&mut self.waiting).into_keys());
        for id in left.collect::<BTreeSet<_>>() {
            self.skip(id, because.to_owned());
        }
    }

    fn start(&mut self, parallelism: usize) {
        while self.in_flight.len() < parallelism {
            let batch = std::iter::from_fn(|| self.ready_for_batch.pop_first()).take(BATCH);
            let mut ids: Vec<u32> = batch.collect();
            let is_batch = !ids.is_empty();
            let handle = if is_batch {
                let jobs = ids.iter().map(|id| self.job(*id)).collect();
                self.tasks.spawn(Batch { caller: self.caller.clone(), jobs }.run())
            } else if let Some((which, together)) = self.ready_together.pop_first() {
                ids.extend(together);
                let jobs = ids.iter().map(|id| self.job(*id)).collect();
                let (way, most) = (which.2, self.at_once.together[&which]);
                self.tasks.spawn(Together { jobs, way, most }.run())
            } else if let Some(id) = self.ready.pop_first() {
                ids.push(id);
                let job = self.job(id);
                self.tasks.spawn(async { vec![job.run().await] })
            } else {
                break;
            };
            let started_ms = self.caller.engine.ports.clock.now_ms();
            self.in_flight.insert(handle.id(), Flight { ids, started_ms, is_batch });
        }
    }

    fn job(&self, id: u32) -> Job {
        let operation = self.operation(id).clone();
        Job {
            caller: self.caller.clone(),
            run: self.run.to_owned(),
            lineage: self.lineage.to_owned(),
            config: crate::refresh::config_of(&self.plan.providers, &operation.provider),
            operation,
        }
    }

    fn settle(&mut self, joined: Result<(Id, Vec<Ended>), JoinError>) {
        let (task, mut ended) = match joined {
            Ok((task, ended)) => (task, Ok(ended.into_iter())),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(flight) = self.in_flight.remove(&task) else {
            return;
        };
        let elapsed_ms = self.caller.engine.ports.clock.now_ms().saturating_sub(flight.started_ms);
        for id in flight.ids {
            let ended = match &mut ended {
                Ok(ended) => ended.next().expect("a task tells the end of each of its operations"),
                Err(error) => Ended::panicked(error),
            };
            if flight.is_batch && !matches!(ended, Ended::NotRecorded) {
                let Operation { address, kind, .. } = self.operation(id).clone();
                self.publish(Event::OperationStarted { id, address, kind });
            }
            self.conclude(id, elapsed_ms, ended);
        }
    }

    fn conclude(&mut self, id: u32, elapsed_ms: u64, ended: Ended) {
        let Operation { address, kind, .. } = self.operation(id).clone();
        match ended {
            Ended::Succeeded { note } => {
                self.report.succeeded += 1;
                self.publish(Event::OperationSucceeded { id, address, kind, elapsed_ms, note });
                for condition in self.conditions.known_after(id) {
                    self.tell(condition);
                }
                self.release(id);
            }
            Ended::Failed(diagnostic) if self.operation(id).only_checked => {
                // Nobody but assertions waits for it, and these are told no more.
                let note = Some("could not be read".to_owned());
                self.report.succeeded += 1;
                self.publish(Event::OperationSucceeded { id, address, kind, elapsed_ms, note });
                let warning = Diagnostic { severity: Severity::Warning, ..*diagnostic };
                self.report.diagnostics.push(warning);
                self.release(id);
            }
            Ended::Failed(diagnostic) => self.fail(id, elapsed_ms, *diagnostic),
            Ended::Broken(error) => {
                let diagnostic = error.to_diagnostic().about(&address);
                self.broken.get_or_insert(error);
                self.fail(id, elapsed_ms, diagnostic);
            }
            Ended::NotRecorded => self.skip(id, "the run ended before it was recorded".to_owned()),
        }
    }

    /// What waited only for `id` is ready now.
    fn release(&mut self, id: u32) {
        for waiter in self.waiters.remove(&id).unwrap_or_default() {
            let Some(needs) = self.waiting.get_mut(&waiter) else { continue };
            needs.remove(&id);
            if needs.is_empty() {
                self.waiting.remove(&waiter);
                self.may_start(waiter);
            }
        }
    }

    fn fail(&mut self, id: u32, elapsed_ms: u64, diagnostic: Diagnostic) {
        let Operation { address, kind, .. } = self.operation(id).clone();
        self.publish(Event::OperationFailed {
            id,
            address: address.clone(),
            kind,
            elapsed_ms,
            diagnostic: diagnostic.clone(),
        });
        self.report.diagnostics.push(diagnostic.clone());
        self.report.failed.push(Failure { id, address: address.clone(), kind, diagnostic });
        self.lose(BTreeSet::from([id]), &format!("needs {address}, which failed"));
    }

    /// Looks at a condition that is known now; what it stops does not run when it does not hold.
    fn tell(&mut self, planned: &PlannedCondition) {
        let Some(diagnostic) = conditions::violation(planned, self.caller) else { return };
        let stated_by = &planned.condition.stated_by;
        self.publish(Event::ConditionViolated { diagnostic: diagnostic.clone() });
        self.report.diagnostics.push(diagnostic);
        if stated_by.only_warns() {
            return;
        }
        self.report.violated.push(stated_by.clone());
        let because = conditions::because(stated_by);
        for id in &planned.stops {
            let may_start = self.ready.remove(id)
                || self.ready_for_batch.remove(id)
                || self.ready_together.values_mut().any(|together| together.remove(id));
            if may_start || self.waiting.remove(id).is_some() {
                self.skip(*id, because.clone());
            }
        }
        self.ready_together.retain(|_, together| !together.is_empty());
        self.lose(planned.stops.clone(), &because);
    }

    /// Skips all that waits for what did not succeed.
    fn lose(&mut self, mut lost: BTreeSet<u32>, because: &str) {
        // Operations are numbered in an order in which they could run, so one pass finds all that depend on it.
        let waiting: Vec<u32> = self.waiting.keys().copied().collect();
        for waiter in waiting {
            let depends = self.operation(waiter).needs.iter().any(|need| lost.contains(need));
            if depends {
                lost.insert(waiter);
                self.waiting.remove(&waiter);
                self.skip(waiter, because.to_owned());
            }
        }
    }

    fn skip(&mut self, id: u32, because: String) {
        let Operation { address, kind, .. } = self.operation(id).clone();
        self.publish(Event::OperationSkipped {
            id,
            address: address.clone(),
            kind,
            because: because.clone(),
        });
        self.report.skipped.push(Skipped { id, address, kind, because });
    }

    /// Drops everything in flight.
    fn stop(&mut self, because: &str) {
        self.tasks.abort_all();
        let in_flight = std::mem::take(&mut self.in_flight);
        let mut ids: Vec<u32> = in_flight.into_values().flat_map(|flight| flight.ids).collect();
        ids.sort_unstable();
        for id in ids {
            self.skip(id, because.to_owned());
        }
    }

    fn operation(&self, id: u32) -> &'a Operation {
        let at = self
            .plan
            .operations
            .binary_search_by_key(&id, |operation| operation.id)
            .expect("the plan was checked: operations are in the order of their numbers");
        &self.plan.operations[at]
    }

    fn publish(&self, event: Event) {
        self.caller.engine.ports.events.publish(event);
    }
}

/// What can be done with many operations at once, by provider configuration and resource type.
#[derive(Default)]
struct AtOnce<'a> {
    /// Objects that are nowhere but in the state.
    recorded_only: BTreeSet<(&'a str, &'a str)>,
    /// How many creations or deletions one call makes at most.
    together: BTreeMap<(&'a str, &'a str, Way), usize>,
}

impl<'a> AtOnce<'a> {
    fn of(engine: &Engine, plan: &'a Plan) -> Self {
        let kinds = plan.operations.iter().map(|it| (it.provider.as_str(), it.address.kind()));
        let mut schemas = BTreeMap::new();
        let mut at_once = Self::default();
        for (provider, kind) in kinds.collect::<BTreeSet<_>>() {
            let schema = schemas.entry(provider).or_insert_with(|| {
                let config = crate::refresh::config_of(&plan.providers, provider);
                engine.ports.factory.schema(&config.name)
            });
            let declared = schema.as_ref().and_then(|schema| schema.resources.get(kind));
            let Some(declared) = declared else { continue };
            if declared.recorded_only {
                at_once.recorded_only.insert((provider, kind));
            }
            let ways =
                [(Way::Made, declared.created_together), (Way::Deleted, declared.deleted_together)];
            for (way, most) in ways {
                let Some(most) = most else { continue };
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                at_once.together.insert((provider, kind, way), most);
            }
        }
        at_once
    }
}
