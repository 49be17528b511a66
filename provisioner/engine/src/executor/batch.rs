//! Operations on objects that are nowhere but in the state, many at a time and with one write for all.
//!
//! Such a call has no effect outside, so that nothing is orphaned or made twice when it is forgotten: its intent need not be
//! durable before it. Invariants: intent and outcome of every call become durable together, and nothing of a call is told
//! before; what was not recorded never happened.
//! Refuses to know: in which order operations run.

use super::operation::{Ended, GONE, Job};
use crate::caller::{Call, Caller, Sendings, Teller, secrets_of};
use crate::error::provider_diagnostic;
use model::record::{Intent, Outcome};
use provider::{Provider, ProviderError};
use state::{Completed, StateError};
use std::sync::Arc;

/// Operations that do not need each other.
pub(super) struct Batch {
    pub(super) caller: Caller,
    pub(super) jobs: Vec<Job>,
}

impl Batch {
    /// Runs all of them; how each one ended, in their order.
    pub(super) async fn run(self) -> Vec<Ended> {
        let error = match self.all().await {
            Ok(ended) => return ended,
            Err(error) => error,
        };
        self.caller.held.lose_by(&error);
        // One of them stands for all, so that people read once why the run ended.
        let others = self.jobs.iter().skip(1).map(|_| Ended::NotRecorded);
        std::iter::once(Ended::Broken(error)).chain(others).collect()
    }

    async fn all(&self) -> Result<Vec<Ended>, StateError> {
        let mut ended = Vec::with_capacity(self.jobs.len());
        let mut calls = Vec::new();
        for job in &self.jobs {
            ended.push(match job.prepare() {
                Ok(Some((provider, intent))) => {
                    let (outcome, ended) = self.call(job, provider.as_ref(), &intent).await?;
                    calls.push(Completed { intent, outcome });
                    ended
                }
                Ok(None) => Ended::Succeeded { note: Some(GONE.to_owned()) },
                Err(diagnostic) => Ended::Failed(Box::new(diagnostic)),
            });
        }
        self.record(calls).await?;
        Ok(ended)
    }

    /// Makes a call, which is not made again: nothing outside could get in its way.
    async fn call(
        &self,
        job: &Job,
        provider: &dyn Provider,
        intent: &Intent,
    ) -> Result<(Outcome, Ended), StateError> {
        let events = self.caller.engine.ports.events.clone();
        let (address, redaction) = (intent.address.clone(), secrets_of(intent));
        let teller = Arc::new(Teller { id: None, address, events, redaction });
        let sendings = Sendings::default();
        let made = Call { provider, intent, teller, sendings, may_be_repeated: false, among: None };
        let answer = match made.schema() {
            Ok(schema) => {
                let deadline_ms = schema.adoption.deadline_ms;
                let deadline_ms = self.caller.wall_ms().saturating_add(deadline_ms);
                self.caller.once(&made, schema, deadline_ms).await?
            }
            Err(error) => Err(error),
        };
        Ok(match answer {
            Ok(sent) => (sent.outcome, Ended::Succeeded { note: sent.note }),
            Err(error) => {
                let error = ProviderError { outcome_unknown: false, ..error };
                let diagnostic = job.placed(provider_diagnostic(&error, &intent.address));
                (Outcome::Failed { message: error.message }, Ended::Failed(Box::new(diagnostic)))
            }
        })
    }

    async fn record(&self, calls: Vec<Completed>) -> Result<(), StateError> {
        if calls.is_empty() {
            return Ok(());
        }
        let ports = &self.caller.engine.ports;
        let stored = ports.store.complete(self.caller.held.check()?, calls.clone()).await?;
        for (Completed { intent, outcome }, stored) in calls.iter().zip(stored) {
            ports.records.settle(intent, outcome, stored);
        }
        Ok(())
    }
}
