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
use futures::future::join_all;
use model::Address;
use model::event::Event;
use model::record::{Intent, IntentAction, Outcome, Recorded};
use provider::{ErrorClass, Provider, ProviderError};
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
    let each = by_call(intents).into_iter().map(|intents| {
        let lineage = recorded.lineage.as_str();
        let is_whole = is_whole(&intents);
        let call = intents.into_iter().map(|intent| {
            let (count, last_ms) = again.get(&intent.sequence).copied().unwrap_or_default();
            One { caller, intent, purpose, sent: (count + 1, last_ms), lineage, is_whole }
        });
        let call: Vec<One<'_>> = call.collect();
        async move {
            if caller.cancel.level() > Level::Running {
                return vec![Err(ApplyError::Interrupted)];
            }
            settle_call(&call).await
        }
    });
    let all = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let results = tokio::select! {
        biased;
        results = all => results.into_iter().flatten(),
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

/// Intents that one call was to make together in one group, the others alone.
fn by_call(intents: &[Intent]) -> Vec<Vec<&Intent>> {
    let (mut batches, mut alone) = (BTreeMap::<&str, Vec<&Intent>>::new(), Vec::new());
    for intent in intents {
        match &intent.batch {
            Some(batch) => batches.entry(&batch.token).or_default().push(intent),
            None => alone.push(vec![intent]),
        }
    }
    batches.into_values().chain(alone).collect()
}

/// Whether these are all the intents of their call. Where some have an outcome, that may say that nothing was made.
fn is_whole(intents: &[&Intent]) -> bool {
    let batch = intents.first().and_then(|intent| intent.batch.as_ref());
    batch.is_none_or(|batch| usize::try_from(batch.size).is_ok_and(|size| size == intents.len()))
}

/// Settles the intents of one call. It makes all of its objects or none: where one is there, those of the others that were
/// not to be found are looked for once more, and are left open if that is in vain.
async fn settle_call(call: &[One<'_>]) -> Vec<Result<(), ApplyError>> {
    let mut found = join_all(call.iter().map(One::find_out)).await;
    let is_made = |found: &Found| matches!(found, Ok((Outcome::Recorded { .. }, _)) | Err(_));
    let is_nothing = |found: &Found| matches!(found, Ok((Outcome::Failed { .. }, _)));
    if call.len() > 1 && found.iter().any(is_made) {
        for (one, found) in call.iter().zip(&mut found) {
            if is_nothing(found) {
                *found = one.find_out().await;
            }
            if is_nothing(found) {
                let message =
                    format!("{}: made with others, and not to be found", one.intent.address);
                let error = ProviderError::new(ErrorClass::Conflict, message);
                *found = Err(stuck(&one.intent.address, &error.maybe_done()));
            }
        }
    }
    let each = call.iter().zip(found).map(|(one, found)| async move { one.finish(found?).await });
    join_all(each).await
}

/// How a call ended, and in a word how that came out; or why it cannot be known.
type Found = Result<(Outcome, &'static str), ApplyError>;

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
    /// Whether all intents of its call are open.
    is_whole: bool,
}

impl One<'_> {
    async fn find_out(&self) -> Found {
        let Self { caller, intent, .. } = self;
        let config = if intent.provider_config.name.is_empty() {
            config_of(&BTreeMap::new(), &intent.provider)
        } else {
            intent.provider_config.clone()
        };
        let provider = caller.engine.provider(&config, self.lineage);
        let provider = provider.map_err(|error| stuck(&intent.address, &error))?;
        match self.ask(provider.as_ref()).await {
            Ok(settled) => Ok(settled),
            Err(CallError::Provider(error)) => Err(stuck(&intent.address, &error)),
            Err(CallError::State(error)) => Err(error.into()),
            Err(CallError::Interrupted) => Err(ApplyError::Interrupted),
        }
    }

    /// Makes durable how it ended.
    async fn finish(&self, (outcome, how): (Outcome, &str)) -> Result<(), ApplyError> {
        let Self { caller, intent, .. } = self;
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
    async fn ask(&self, provider: &dyn Provider) -> Result<(Outcome, &'static str), CallError> {
        let Self { caller, intent, purpose, sent: (count, last_ms), .. } = self;
        if self.is_out_of_reach(provider).await {
            return Ok(left_to_the_plan(provider, intent));
        }
        let events = caller.engine.ports.events.clone();
        let (address, redaction) = (intent.address.clone(), secrets_of(intent));
        let teller = Arc::new(Teller { id: None, address, events, redaction });
        let sendings = Sendings::of(*count, *last_ms);
        let may_be_repeated = self.is_whole;
        let made = Call { provider, intent, teller, sendings, may_be_repeated, among: None };
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
