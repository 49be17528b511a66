//! Recovery: every call whose end an earlier run did not see is settled before anything is planned or run.
//!
//! Invariants: the stored intent is all that is needed; a creation is looked up before it is sent again, and
//! then with the identical token and request; an intent gets its outcome only when its end is known. A second crash
//! in here is like the first.

use crate::error::provider_diagnostic;
use crate::lease::Held;
use crate::refresh::config_of;
use crate::send::{Sent, recorded, send, tainted};
use crate::{ApplyError, CancelToken, Engine, Level, Unsettled, conform};
use futures::StreamExt as _;
use model::event::Event;
use model::record::{Intent, IntentAction, Outcome, Recorded};
use model::schema::Adoption;
use provider::{ErrorClass, FindRequest, Found, Lookup, Object, Provider, ProviderError, Silent};
use state::StateError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Intents settled at once.
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

/// How one intent ended.
struct Settled {
    outcome: Outcome,
    how: &'static str,
}

impl Engine {
    /// Settles every unfinished intent of `recorded`.
    pub(crate) async fn settle(
        &self,
        held: &Arc<Held>,
        recorded: &Recorded,
        purpose: Purpose,
        cancel: &CancelToken,
    ) -> Result<(), ApplyError> {
        let intents = &recorded.unfinished;
        if intents.is_empty() {
            return Ok(());
        }
        self.ports.events.publish(Event::RecoveryStarted { intents: intents.len() });
        let each = intents.iter().map(|intent| async {
            if cancel.level() > Level::Running {
                return Err(ApplyError::Interrupted);
            }
            self.settle_one(held, recorded, intent, purpose).await
        });
        let all = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let results = tokio::select! {
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

    async fn settle_one(
        &self,
        held: &Arc<Held>,
        recorded: &Recorded,
        intent: &Intent,
        purpose: Purpose,
    ) -> Result<(), ApplyError> {
        let stuck = |error: &ProviderError| {
            ApplyError::Unsettled(vec![Unsettled {
                address: intent.address.clone(),
                diagnostic: provider_diagnostic(error, &intent.address),
            }])
        };
        let config = if intent.provider_config.name.is_empty() {
            config_of(&BTreeMap::new(), &intent.provider)
        } else {
            intent.provider_config.clone()
        };
        let provider = self.provider(&config, &recorded.lineage).map_err(|error| stuck(&error))?;
        let settled = self
            .find_out(held, provider.as_ref(), intent, purpose)
            .await
            .map_err(|error| stuck(&error))?;
        let lease = held.check()?;
        let store = &self.ports.store;
        let outcome = settled.outcome;
        let stored = store.finish(lease, intent.sequence, outcome.clone()).await?;
        self.ports.records.settle(intent, &outcome, stored);
        self.ports.events.publish(Event::Recovered {
            address: intent.address.clone(),
            how: settled.how.to_owned(),
        });
        Ok(())
    }

    /// The end of the call, or why it cannot be known.
    async fn find_out(
        &self,
        held: &Arc<Held>,
        provider: &dyn Provider,
        intent: &Intent,
        purpose: Purpose,
    ) -> Result<Settled, ProviderError> {
        if self.is_place_out_of_reach(provider, intent).await {
            return Ok(left_to_the_plan(provider, intent, OUT_OF_REACH));
        }
        if intent.action == IntentAction::Create {
            match look_up(provider, intent).await {
                Ok(Some(sent)) => return Ok(Settled { outcome: sent.outcome, how: "adopted" }),
                // More than one is there: another one must not be made.
                Err(error) if error.outcome_unknown => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        let is_doomed = purpose == Purpose::Destroy && intent.action == IntentAction::Create;
        if is_doomed && provider.deletes_half_made(intent.address.kind()) {
            return Ok(left_to_the_plan(provider, intent, "left to the deletion"));
        }
        let how = match intent.action {
            IntentAction::Create | IntentAction::Update => "sent again",
            IntentAction::Delete | IntentAction::DeleteDeposed => "deleted",
        };
        match send(self, held, provider, intent, Arc::new(Silent)).await {
            Ok(Sent { outcome, .. }) => Ok(Settled { outcome, how }),
            Err(error) => self.give_up(provider, intent, error).await,
        }
    }

    /// Sending again failed: whether that settles the intent all the same.
    async fn give_up(
        &self,
        provider: &dyn Provider,
        intent: &Intent,
        error: ProviderError,
    ) -> Result<Settled, ProviderError> {
        if self.is_place_out_of_reach(provider, intent).await {
            return Ok(left_to_the_plan(provider, intent, OUT_OF_REACH));
        }
        if error.outcome_unknown || error.class.is_retryable() {
            return Err(error);
        }
        Ok(Settled { outcome: Outcome::Failed { message: error.message }, how: "failed again" })
    }

    async fn is_place_out_of_reach(&self, provider: &dyn Provider, intent: &Intent) -> bool {
        let (id, attributes) = match &intent.prior {
            Some(prior) if intent.action != IntentAction::Create => {
                (prior.id.clone(), &prior.attributes)
            }
            _ => (intent.address.to_string(), &intent.request),
        };
        self.is_out_of_reach(provider, &intent.address, &id, attributes).await
    }
}

/// The machine under the object is gone or down, or the object is about to be deleted. The plan sees to that, so
/// recovery must not stand in its way: a creation leaves a tainted record, so that nothing is orphaned; else the record before stays.
fn left_to_the_plan(provider: &dyn Provider, intent: &Intent, how: &'static str) -> Settled {
    let outcome = match (intent.action, conform::resource(provider.schema(), &intent.address)) {
        (IntentAction::Create, Ok(schema)) => tainted(schema, intent),
        _ => Outcome::Failed { message: "out of reach".to_owned() },
    };
    Settled { outcome, how }
}

/// What a creation has left.
async fn look_up(provider: &dyn Provider, intent: &Intent) -> Result<Option<Sent>, ProviderError> {
    let Ok(schema) = conform::resource(provider.schema(), &intent.address) else {
        return Ok(None);
    };
    let Ok(arguments) = conform::arguments(schema, &intent.request) else {
        return Ok(None);
    };
    let request = FindRequest {
        address: intent.address.clone(),
        token: intent.token.clone(),
        arguments: arguments.clone(),
        by: lookup(schema.adoption),
    };
    match provider.find(request).await? {
        Found::Nothing => Ok(None),
        Found::One(object) => recorded(schema, intent, object, &arguments).map(Some),
        Found::Several(objects) => Err(several(intent, &objects)),
    }
}

/// The first way to look that the resource type offers.
fn lookup(adoption: Adoption) -> Lookup {
    if adoption.token_retention_s.is_some() {
        Lookup::Token
    } else if adoption.unique_name {
        Lookup::Name
    } else {
        Lookup::Tag
    }
}

fn several(intent: &Intent, objects: &[Object]) -> ProviderError {
    let ids: Vec<&str> = objects.iter().map(|object| object.id.as_str()).collect();
    let message = format!("one creation of {} made {}", intent.address, ids.join(" and "));
    ProviderError::new(ErrorClass::Conflict, message)
        .with_hint("delete all but one of them in the cloud, then apply again")
        .maybe_done()
}
