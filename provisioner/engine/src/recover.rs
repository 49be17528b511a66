//! Recovery: every call whose end an earlier run did not see is settled before anything is planned or run.
//!
//! Invariants: the stored intent is all that is needed, and how it is settled is in `settle`; an intent gets its outcome
//! only when its end is known. A second crash in here is like the first.

use crate::caller::{Call, CallError, Caller, Sendings, Teller, secrets_of};
use crate::clock::read;
use crate::error::provider_diagnostic;
use crate::refresh::config_of;
use crate::send::tainted;
use crate::settle::Settled;
use crate::{ApplyError, Level, Unsettled, conform};
use futures::StreamExt as _;
use model::Address;
use model::event::Event;
use model::record::{Intent, IntentAction, Outcome, Recorded};
use provider::{Provider, ProviderError};
use state::StateError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Intents settled at once. Those that wait do so until fixed times, so none waits longer for being behind others.
const AT_ONCE: usize = 16;
const OUT_OF_REACH: &str = "out of reach, left to the plan";

/// What the run that settles is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bringing the environment to what its configuration says: what was begun is finished.
    Apply,
    /// Deleting everything: what was begun is left to the deletion where that can take it away.
    Destroy,
}

/// Settles every unfinished intent of `recorded`.
pub(crate) async fn settle(
    caller: &Caller,
    recorded: &Recorded,
    purpose: Purpose,
) -> Result<(), ApplyError> {
    let intents = &recorded.unfinished;
    if intents.is_empty() {
        return Ok(());
    }
    let Caller { engine, held, cancel, .. } = caller;
    engine.ports.events.publish(Event::RecoveryStarted { intents: intents.len() });
    let again = sendings(caller, intents).await?;
    let each = intents.iter().map(|intent| {
        let (count, last_ms) = again.get(&intent.sequence).copied().unwrap_or_default();
        let sent = (count + 1, last_ms);
        let one = One { caller, intent, purpose, sent, lineage: &recorded.lineage };
        async move {
            if caller.cancel.level() > Level::Running {
                return Err(ApplyError::Interrupted);
            }
            one.settle().await
        }
    });
    let all = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let results = tokio::select! {
        biased;
        results = all => results,
        () = cancel.reached(Level::Stop) => return Err(ApplyError::Interrupted),
        () = held.gone() => return Err(StateError::LeaseLost { epoch: held.epoch() }.into()),
    };
    let mut unsettled = Vec::new();
    for result in results {
        match result {
            Err(ApplyError::Unsettled(more)) => unsettled.extend(more),
            other => other?,
        }
    }
    if unsettled.is_empty() {
        Ok(())
    } else {
        unsettled.sort_by(|left, right| left.address.cmp(&right.address));
        Err(ApplyError::Unsettled(unsettled))
    }
}

/// How often each call was made again, and when it was last, as the journal tells.
async fn sendings(
    caller: &Caller,
    intents: &[Intent],
) -> Result<BTreeMap<u64, (u32, u64)>, StateError> {
    let first = intents.iter().map(|intent| intent.sequence).min().unwrap_or(0);
    let mut again = BTreeMap::<u64, (u32, u64)>::new();
    for entry in caller.engine.ports.store.journal(first).await? {
        let number = |path: &str| entry.body.pointer(path).and_then(serde_json::Value::as_u64);
        if entry.kind == "attempt"
            && let Some(sequence) = number("/intent")
        {
            let wait_ms = number("/attempt/wait_ms").unwrap_or(0);
            let sent_ms = read(&entry.at).unwrap_or(0).saturating_add(wait_ms);
            let (count, last_ms) = again.entry(sequence).or_default();
            (*count, *last_ms) = (*count + 1, sent_ms.max(*last_ms));
        }
    }
    Ok(again)
}

/// One intent to settle.
struct One<'a> {
    caller: &'a Caller,
    intent: &'a Intent,
    purpose: Purpose,
    /// How often it was sent so far, and when it was sent again last.
    sent: (u32, u64),
    lineage: &'a str,
}

impl One<'_> {
    async fn settle(&self) -> Result<(), ApplyError> {
        let Self { caller, intent, .. } = self;
        let config = if intent.provider_config.name.is_empty() {
            config_of(&BTreeMap::new(), &intent.provider)
        } else {
            intent.provider_config.clone()
        };
        let provider = caller.engine.provider(&config, self.lineage);
        let provider = provider.map_err(|error| stuck(&intent.address, &error))?;
        let (outcome, how) = match self.find_out(provider.as_ref()).await {
            Ok(settled) => settled,
            Err(CallError::Provider(error)) => return Err(stuck(&intent.address, &error)),
            Err(CallError::State(error)) => return Err(error.into()),
            Err(CallError::Interrupted) => return Err(ApplyError::Interrupted),
        };
        let ports = &caller.engine.ports;
        let lease = caller.held.check()?;
        let stored = ports.store.finish(lease, intent.sequence, outcome.clone()).await?;
        ports.records.settle(intent, &outcome, stored);
        ports
            .events
            .publish(Event::Recovered { address: intent.address.clone(), how: how.to_owned() });
        Ok(())
    }

    /// The end of the call, or why it cannot be known.
    async fn find_out(
        &self,
        provider: &dyn Provider,
    ) -> Result<(Outcome, &'static str), CallError> {
        let Self { caller, intent, purpose, sent: (count, last_ms), .. } = self;
        if self.is_out_of_reach(provider).await {
            return Ok(left_to_the_plan(provider, intent));
        }
        let events = caller.engine.ports.events.clone();
        let (address, redaction) = (intent.address.clone(), secrets_of(intent));
        let teller = Arc::new(Teller { id: None, address, events, redaction });
        let sendings = Sendings::of(*count, *last_ms);
        let made = Call { provider, intent, teller, sendings };
        let failed = |message: String| Outcome::Failed { message };
        Ok(match caller.settle(&made, *purpose).await {
            Ok(Settled::Done { sent, how }) => (sent.outcome, how),
            Ok(Settled::Tainted { outcome, how }) => (outcome, how),
            Ok(Settled::Refused(error)) => (failed(error.message), "failed again"),
            Ok(Settled::NeverHappened) => {
                (failed("it never happened".to_owned()), "never happened")
            }
            Err(CallError::Provider(_)) if self.is_out_of_reach(provider).await => {
                left_to_the_plan(provider, intent)
            }
            Err(error) => return Err(error),
        })
    }

    async fn is_out_of_reach(&self, provider: &dyn Provider) -> bool {
        let intent = self.intent;
        let (id, attributes) = match &intent.prior {
            Some(prior) if intent.action != IntentAction::Create => {
                (prior.id.clone(), &prior.attributes)
            }
            _ => (intent.address.to_string(), &intent.request),
        };
        self.caller.engine.is_out_of_reach(provider, &intent.address, &id, attributes).await
    }
}

fn stuck(address: &Address, error: &ProviderError) -> ApplyError {
    let diagnostic = provider_diagnostic(error, address);
    ApplyError::Unsettled(vec![Unsettled { address: address.clone(), diagnostic }])
}

/// The machine under the object is gone or down. The plan sees to that, so recovery must not stand in its way: a
/// creation leaves a tainted record, so that nothing is orphaned; else the record before stays.
fn left_to_the_plan(provider: &dyn Provider, intent: &Intent) -> (Outcome, &'static str) {
    let outcome = match (intent.action, conform::resource(provider.schema(), &intent.address)) {
        (IntentAction::Create, Ok(schema)) => tainted(schema, intent, None),
        _ => Outcome::Failed { message: "out of reach".to_owned() },
    };
    (outcome, OUT_OF_REACH)
}
