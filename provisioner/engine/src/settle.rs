//! How a call ended whose answer was lost: found out by the rules of its resource type.
//!
//! - An update or a deletion goes by the object's identity: the identical request is sent again.
//! - A creation with a token that the cloud still keeps: what is there is adopted, else the identical request is sent again.
//! - Any other creation is looked up, by name or by tag, until it shows or its deadline and the settle time are over. Then
//!   "nothing" means that it never happened.
//!
//! One object is adopted. Several are left to people. "Nothing" before the time is over proves nothing, and "listed" proves
//! nothing until the object was read: deleted objects linger in listings.
//!
//! Refuses to know: who asks (recovery, or the run that lost the answer).

use crate::Purpose;
use crate::caller::{Call, CallError, Caller, spoken};
use crate::clock::read;
use crate::conform;
use crate::send::{Sent, invalid, recorded, tainted};
use model::Value;
use model::plan::Observation;
use model::record::{Intent, IntentAction, Outcome};
use model::schema::{Adoption, ResourceSchema};
use provider::{ErrorClass, FindRequest, Found, Lookup, Object, ProviderError, ReadRequest};
use std::time::Duration;

/// The first pause between two looks; it doubles.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest pause between two looks.
const LOOK_AGAIN_MOST: Duration = Duration::from_secs(30);

/// How a call ended.
pub(crate) enum Settled {
    /// It had its effect.
    Done {
        /// What to record.
        sent: Sent,
        /// `adopted`, `sent again`, `deleted`.
        how: &'static str,
    },
    /// Something is there that is not whole, or that is about to be deleted: recorded as tainted.
    Tainted {
        /// What to record.
        outcome: Outcome,
        /// For people.
        how: &'static str,
    },
    /// It was refused, and nothing of it is there.
    Refused(ProviderError),
    /// The creation had no effect and will have none.
    NeverHappened,
}

impl Call<'_> {
    pub(crate) fn find(&self, by: Lookup, arguments: &Value) -> FindRequest {
        FindRequest {
            address: self.intent.address.clone(),
            token: self.intent.token.clone(),
            arguments: arguments.clone(),
            batch: self.intent.batch.clone(),
            by,
        }
    }
}

impl Caller {
    /// Finds out how a call ended; an error leaves that unknown.
    pub(crate) async fn settle(
        &self,
        made: &Call<'_>,
        purpose: Purpose,
    ) -> Result<Settled, CallError> {
        let schema = made.schema()?;
        let adoption = schema.adoption;
        if made.intent.action != IntentAction::Create {
            return self.send_again(made).await;
        }
        let is_left = purpose == Purpose::Destroy
            && made.provider.deletes_half_made(made.intent.address.kind());
        if made.may_be_repeated && self.is_repeatable(made.intent, adoption) {
            match self.look(made, schema, Lookup::Token).await {
                Ok(Some(sent)) => return Ok(Settled::Done { sent, how: "adopted" }),
                // More than one is there: another one must not be made.
                Err(error) if error.outcome_unknown => return Err(error.into()),
                Ok(None) | Err(_) => {}
            }
            if is_left {
                return Ok(left_to_deletion(schema, made.intent));
            }
            return match self.send_again(made).await? {
                Settled::Refused(error) => self.refused(made, schema, error).await,
                settled => Ok(settled),
            };
        }
        match self.wait_and_look(made, schema, by(adoption)).await? {
            Settled::NeverHappened if is_left => Ok(left_to_deletion(schema, made.intent)),
            Settled::NeverHappened => self.half_made(made, schema).await,
            settled => Ok(settled),
        }
    }

    /// The identical request, with a deadline of its own.
    async fn send_again(&self, made: &Call<'_>) -> Result<Settled, CallError> {
        let lost = ProviderError::new(ErrorClass::Transient, "how its call ended is not known");
        self.journal(made, &lost, Duration::ZERO).await?;
        let how = match made.intent.action {
            IntentAction::Create | IntentAction::Update => "sent again",
            IntentAction::Delete | IntentAction::DeleteDeposed => "deleted",
        };
        match self.send(made).await {
            Ok(sent) => Ok(Settled::Done { sent, how }),
            Err(CallError::Provider(error))
                if !error.outcome_unknown && !error.class.is_retryable() =>
            {
                Ok(Settled::Refused(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The creation was refused when it was sent again; an earlier sending may have had its effect all the same. Where
    /// objects are found by their place alone, nothing is lost by not waiting for that.
    async fn refused(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        error: ProviderError,
    ) -> Result<Settled, CallError> {
        if made.provider.deletes_half_made(made.intent.address.kind()) {
            return Ok(Settled::Refused(error));
        }
        let address = &made.intent.address;
        made.teller.notice(format!("{address}: sent again, and refused: {}", error.message));
        match self.wait_and_look(made, schema, Some(Lookup::Token)).await? {
            Settled::NeverHappened => Ok(Settled::Refused(error)),
            settled => Ok(settled),
        }
    }

    /// Looks until the object shows, or nothing of the call can show any more.
    async fn wait_and_look(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        by: Option<Lookup>,
    ) -> Result<Settled, CallError> {
        let by = by.ok_or_else(|| cannot_be_found(made.intent))?;
        let until_ms = self.over_ms(made, schema.adoption);
        // Whoever sent it waits no more: after that, what is not there at all will not be.
        let made_ms = schema.adoption.effect_ms.map(|effect_ms| {
            let settled_ms = effect_ms.saturating_add(schema.adoption.settle_ms);
            self.wall_ms().saturating_add(settled_ms)
        });
        let mut made_ms = made_ms.filter(|made_ms| *made_ms < until_ms);
        let (mut pause, mut failures, mut is_told) = (LOOK_AGAIN, 0, false);
        loop {
            let left_ms = until_ms.saturating_sub(self.wall_ms());
            let is_made_by_now = made_ms.is_some_and(|made_ms| made_ms <= self.wall_ms());
            match self.look(made, schema, by).await {
                Ok(Some(sent)) => return Ok(Settled::Done { sent, how: "adopted" }),
                Ok(None) if left_ms == 0 => return Ok(Settled::NeverHappened),
                Ok(None) if is_made_by_now => {
                    made_ms = None;
                    // What is there and not whole yet may still become so.
                    if let Settled::NeverHappened = self.half_made(made, schema).await? {
                        return Ok(Settled::NeverHappened);
                    }
                }
                Ok(None) => {}
                Err(error) if error.outcome_unknown || !error.class.is_retryable() => {
                    return Err(error.maybe_done().into());
                }
                Err(error) => {
                    failures += u32::from(left_ms == 0);
                    if failures >= self.engine.retry.attempts {
                        return Err(error.maybe_done().into());
                    }
                }
            }
            if !is_told && left_ms > 0 {
                is_told = true;
                made.teller.notice(format!(
                    "{}: the answer to its creation was lost; looking for the object, for {} at most",
                    made.intent.address,
                    spoken(left_ms)
                ));
            }
            let left_ms = made_ms.map_or(left_ms, |made_ms| {
                left_ms.min(made_ms.saturating_sub(self.wall_ms()).max(1))
            });
            let left = Duration::from_millis(left_ms);
            self.pause(if left.is_zero() { pause } else { pause.min(left) }).await?;
            pause = pause.saturating_mul(2).min(LOOK_AGAIN_MOST);
        }
    }

    /// From when on nothing of the call can happen or show any more.
    fn over_ms(&self, made: &Call<'_>, adoption: Adoption) -> u64 {
        let sent_ms = made.sendings.last_ms();
        let given_up_ms = match (read(&made.intent.deadline), sent_ms) {
            // Written by an older program: it may have been sent just now.
            (None, 0) => self.wall_ms().saturating_add(adoption.deadline_ms),
            (deadline_ms, sent_ms) => {
                sent_ms.saturating_add(adoption.deadline_ms).max(deadline_ms.unwrap_or(0))
            }
        };
        given_up_ms.saturating_add(adoption.settle_ms)
    }

    /// What the creation has left, if it shows. An error with an unknown outcome: several objects.
    async fn look(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        by: Lookup,
    ) -> Result<Option<Sent>, ProviderError> {
        let arguments = conform::arguments(schema, &made.intent.request).map_err(invalid)?;
        let mut there = Vec::new();
        let objects = match made.provider.find(made.find(by, &arguments)).await? {
            Found::Nothing => return Ok(None),
            Found::One(object) => vec![object],
            Found::Several(objects) => objects,
        };
        for object in objects {
            if by != Lookup::Tag || is_there(made, &object).await? {
                there.push(object);
            }
        }
        if there.len() > 1 {
            return Err(several(made.intent, &there));
        }
        let found = there.pop();
        found.map(|object| recorded(schema, made.intent, object, &arguments)).transpose()
    }

    /// Nothing whole is there, and nothing will come; a half-made object is recorded, so that it goes with the next plan.
    async fn half_made(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
    ) -> Result<Settled, CallError> {
        if !schema.adoption.tagged {
            return Ok(Settled::NeverHappened);
        }
        let mut failures = 0;
        let owned = loop {
            match made.provider.list_owned().await {
                Ok(owned) => break owned,
                Err(error) if error.class.is_retryable() => {
                    failures += 1;
                    if failures >= self.engine.retry.attempts {
                        return Err(error.maybe_done().into());
                    }
                }
                Err(error) => return Err(error.maybe_done().into()),
            }
            self.pause(LOOK_AGAIN).await?;
        };
        let is_it = |token: &str, whole: bool| token == made.intent.token && !whole;
        let half = owned.into_iter().find(|owned| is_it(&owned.token, owned.object.is_some()));
        Ok(half.map_or(Settled::NeverHappened, |half| Settled::Tainted {
            outcome: tainted(schema, made.intent, Some(half.id)),
            how: "half made",
        }))
    }
}

/// Whether a listed object is really there.
async fn is_there(made: &Call<'_>, object: &Object) -> Result<bool, ProviderError> {
    let request = ReadRequest {
        address: made.intent.address.clone(),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
    };
    match made.provider.read_many(&[request]).await.pop() {
        Some(Ok(Observation::Present(_) | Observation::Unreachable(_))) => Ok(true),
        Some(Ok(Observation::Absent(_))) => Ok(false),
        Some(Err(error)) => Err(error),
        None => Err(ProviderError::new(ErrorClass::Invalid, "the provider gave no answer")),
    }
}

fn left_to_deletion(schema: &ResourceSchema, intent: &Intent) -> Settled {
    Settled::Tainted { outcome: tainted(schema, intent, None), how: "left to the deletion" }
}

/// How to look where no token helps.
fn by(adoption: Adoption) -> Option<Lookup> {
    if adoption.unique_name {
        Some(Lookup::Name)
    } else if adoption.tagged {
        Some(Lookup::Tag)
    } else {
        None
    }
}

fn several(intent: &Intent, objects: &[Object]) -> ProviderError {
    let ids: Vec<&str> = objects.iter().map(|object| object.id.as_str()).collect();
    let message = format!("one creation of {} made {}", intent.address, ids.join(" and "));
    ProviderError::new(ErrorClass::Conflict, message)
        .with_hint("delete all but one of them in the cloud, then apply again")
        .maybe_done()
}

fn cannot_be_found(intent: &Intent) -> ProviderError {
    let message = format!(
        "{} may have been made, and its resource type offers no way to look for it",
        intent.address
    );
    ProviderError::new(ErrorClass::Conflict, message)
        .with_hint("look for it in the cloud and delete it there, then apply again")
        .maybe_done()
}
