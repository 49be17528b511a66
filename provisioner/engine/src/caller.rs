//! Makes the calls of one run: under its lease, within their deadlines, again where that is right.
//!
//! Invariants: nothing is sent when the lease may have ended; a call is made again only after the journal knows it; an
//! answer that was lost once makes the end unknown until a success or [`Caller::settle`] tells; a call that got no answer by
//! its deadline is given up, with its end unknown.

use crate::clock::{read, written};
use crate::lease::Held;
use crate::redact::Redaction;
use crate::retry::{Budget, Failed, salt};
use crate::send::{Sent, call, delete_all, invalid, recorded};
use crate::{CancelToken, Engine, Level, conform};
use model::Address;
use model::event::{Event, EventSink};
use model::record::{Intent, IntentAction};
use model::schema::{Adoption, ResourceSchema};
use provider::{ErrorClass, Found, Lookup, Progress, Provider, ProviderError};
use state::{Attempt, StateError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What a run makes its calls with.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) engine: Engine,
    pub(crate) held: Arc<Held>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) cancel: CancelToken,
    /// When the run began: the time that expressions have.
    pub(crate) began: Arc<str>,
}

/// The answer to the first sending of a call, or that the run must end.
pub(crate) type First = Result<Result<Sent, ProviderError>, StateError>;

/// Why there is no good answer.
pub(crate) enum CallError {
    /// The provider's last word.
    Provider(ProviderError),
    /// The journal cannot be written, or the lease is lost: the run must end.
    State(StateError),
    /// The user does not want to wait longer.
    Interrupted,
}

impl From<ProviderError> for CallError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<StateError> for CallError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Tells people about one call.
pub(crate) struct Teller {
    /// The operation's number; none in recovery.
    pub(crate) id: Option<u32>,
    pub(crate) address: Address,
    pub(crate) events: Arc<dyn EventSink>,
    /// What it must not tell.
    pub(crate) redaction: Redaction,
}

impl Progress for Teller {
    fn step(&self, step: &str) {
        if let Some(id) = self.id {
            let (address, step) = (self.address.clone(), self.redaction.text(step.to_owned()));
            self.events.publish(Event::OperationProgress { id, address, step });
        }
    }
}

/// The secrets of an intent.
pub(crate) fn secrets_of(intent: &Intent) -> Redaction {
    let prior = intent.prior.iter().map(|prior| &prior.attributes);
    Redaction::of(prior.chain([&intent.request, &intent.provider_config.arguments]))
}

impl Teller {
    fn retried(&self, attempt: &Attempt) {
        let Attempt { number, message, wait_ms, .. } = attempt.clone();
        let address = self.address.clone();
        self.events.publish(match self.id {
            Some(id) => Event::OperationRetried { id, address, attempt: number, wait_ms, message },
            None => Event::Notice { message: format!("{address} is sent again: {message}") },
        });
    }

    pub(crate) fn notice(&self, message: String) {
        self.events.publish(Event::Notice { message });
    }
}

/// One call to make.
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a dyn Provider,
    /// Durable, with its sequence.
    pub(crate) intent: &'a Intent,
    pub(crate) teller: Arc<Teller>,
    /// What was sent of it so far, by whichever run.
    pub(crate) sendings: Sendings,
    /// Of a creation: whether the identical request may be sent again. Not once another of its batch has an outcome: that
    /// may say that nothing was made.
    pub(crate) may_be_repeated: bool,
    /// Of a deletion: the others that it was first sent with.
    pub(crate) among: Option<Among>,
}

/// A deletion's place among those that one request was to make. When they are made again, it is at the same time, and the
/// first one pays for all.
#[derive(Clone, Debug)]
pub(crate) struct Among {
    /// The token of the first one.
    pub(crate) token: Arc<str>,
    pub(crate) is_first: bool,
}

/// How often a call was sent, and when last.
#[derive(Debug, Default)]
pub(crate) struct Sendings {
    count: AtomicU32,
    last_ms: AtomicU64,
}

impl Sendings {
    /// So many, the last one then.
    pub(crate) fn of(count: u32, last_ms: u64) -> Self {
        Self { count: AtomicU32::new(count), last_ms: AtomicU64::new(last_ms) }
    }

    /// One more at that time; its number, from 1.
    pub(crate) fn add(&self, at_ms: u64) -> u32 {
        self.last_ms.fetch_max(at_ms, Ordering::AcqRel);
        self.count.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// When it was sent last; 0 if that is not known.
    pub(crate) fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Acquire)
    }
}

impl Call<'_> {
    /// Where the waits between its sendings come from: those that are made together wait together.
    fn salted(&self) -> &str {
        let batch = self.intent.batch.as_ref().map(|batch| batch.token.as_str());
        let among = self.among.as_ref().map(|among| among.token.as_ref());
        batch.or(among).unwrap_or(&self.intent.token)
    }

    /// Whether its retries cost something: one of those that are made together pays for all.
    fn pays(&self) -> bool {
        self.intent.batch.as_ref().is_none_or(|batch| batch.index == 0)
            && self.among.as_ref().is_none_or(|among| among.is_first)
    }

    pub(crate) fn schema(&self) -> Result<&ResourceSchema, ProviderError> {
        conform::resource(self.provider.schema(), &self.intent.address).map_err(invalid)
    }
}

impl Caller {
    /// The deadline of a call that is about to be made.
    pub(crate) fn deadline(&self, adoption: Adoption) -> String {
        written(self.wall_ms().saturating_add(adoption.deadline_ms))
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.engine.ports.clock.wall_ms()
    }

    /// Whether the identical request can be sent (again) now without a second effect: updates and deletions go by the
    /// object's identity; a creation needs a token that is kept for as long as the call may take.
    pub(crate) fn is_repeatable(&self, intent: &Intent, adoption: Adoption) -> bool {
        match (intent.action, adoption.token_retention_s) {
            (IntentAction::Create, None) => false,
            (IntentAction::Create, Some(seconds)) if seconds != Adoption::FOR_EVER => {
                let until_ms = sent_ms(intent, adoption)
                    .map(|sent_ms| sent_ms.saturating_add(seconds.saturating_mul(1_000)));
                let done_ms = self.wall_ms().saturating_add(adoption.deadline_ms);
                until_ms.is_some_and(|until_ms| done_ms <= until_ms)
            }
            _ => true,
        }
    }

    /// Sends an intent's call. The first sending has the intent's deadline, one in its place another as long.
    pub(crate) async fn send(&self, made: &Call<'_>) -> Result<Sent, CallError> {
        let schema = made.schema()?;
        let is_first = made.sendings.count() == 0;
        let deadline_ms = read(&made.intent.deadline).filter(|_| is_first);
        let deadline_ms = deadline_ms
            .unwrap_or_else(|| self.wall_ms().saturating_add(schema.adoption.deadline_ms));
        match self.insist(made, schema, deadline_ms, None).await {
            Err(CallError::Provider(error)) if is_taken_name(schema, made.intent, &error) => {
                self.ours_by_name(made, schema, error).await
            }
            answer => answer,
        }
    }

    /// Sends deletions of one type by one request. Each has its own answer, to go on with by [`Self::send_on`].
    pub(crate) async fn send_all(&self, calls: &[&Call<'_>]) -> Vec<First> {
        let Some(first) = calls.first() else { return Vec::new() };
        if self.held.check().is_err() {
            let lost = || StateError::LeaseLost { epoch: self.held.epoch() };
            return calls.iter().map(|_| Err(lost())).collect();
        }
        let deadline_ms = read(&first.intent.deadline).unwrap_or_default();
        let left = Duration::from_millis(deadline_ms.saturating_sub(self.wall_ms()));
        for made in calls {
            made.sendings.add(self.wall_ms());
        }
        let answers = tokio::select! {
            biased;
            answers = delete_all(calls) => answers,
            () = self.engine.ports.clock.sleep(left) => {
                calls.iter().map(|made| Err(no_answer(made))).collect()
            }
        };
        let told = calls.iter().zip(answers);
        told.map(|(made, it)| Ok(it.map_err(|error| made.teller.redaction.error(error)))).collect()
    }

    /// Goes on from the first answer of a call, as [`Self::send`] does.
    pub(crate) async fn send_on(
        &self,
        made: &Call<'_>,
        first: Result<Sent, ProviderError>,
    ) -> Result<Sent, CallError> {
        let deadline_ms = read(&made.intent.deadline).unwrap_or_default();
        self.insist(made, made.schema()?, deadline_ms, Some(first)).await
    }

    async fn insist(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        deadline_ms: u64,
        mut first: Option<Result<Sent, ProviderError>>,
    ) -> Result<Sent, CallError> {
        let policy = &self.engine.retry;
        let chance = self.engine.ports.clock.seed() ^ salt(made.salted());
        let (mut is_lost, mut last_cost, mut tries) = (false, 0, 1);
        loop {
            let answer = match first.take() {
                Some(answer) => answer,
                None => self.once(made, schema, deadline_ms).await?,
            };
            let mut error = match answer {
                Ok(sent) => {
                    self.budget.succeeded(last_cost);
                    return Ok(sent);
                }
                Err(error) => error,
            };
            let failed = Failed {
                error: &error,
                number: tries,
                repeatable: self.is_repeatable(made.intent, schema.adoption),
                left_ms: deadline_ms.saturating_sub(self.wall_ms()),
            };
            let next = policy.next(&failed, chance);
            is_lost |= error.outcome_unknown;
            error.outcome_unknown = is_lost;
            let Some(wait) = next else { return Err(after(tries, error).into()) };
            let paid = if made.pays() { self.budget.pay(error.class) } else { Some(0) };
            let Some(cost) = paid else {
                return Err(after(tries, error).with_hint(SPENT).into());
            };
            (last_cost, tries) = (cost, tries + 1);
            self.journal(made, &error, wait).await?;
            match self.pause(wait).await {
                Err(CallError::Interrupted) => return Err(after(tries - 1, error).into()),
                waited => waited?,
            }
        }
    }

    /// Makes durable that a call will be made again, and tells it.
    pub(crate) async fn journal(
        &self,
        made: &Call<'_>,
        error: &ProviderError,
        wait: Duration,
    ) -> Result<(), StateError> {
        let attempt = Attempt {
            number: made.sendings.count() + 1,
            class: class(error.class).to_owned(),
            message: error.message.clone(),
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        };
        let store = &self.engine.ports.store;
        store.attempt(self.held.check()?, made.intent.sequence, attempt.clone()).await?;
        made.teller.retried(&attempt);
        Ok(())
    }

    /// One call, given up at its deadline.
    pub(crate) async fn once(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        deadline_ms: u64,
    ) -> Result<Result<Sent, ProviderError>, StateError> {
        self.held.check()?;
        made.sendings.add(self.wall_ms());
        let left = Duration::from_millis(deadline_ms.saturating_sub(self.wall_ms()));
        let answer = call(made.provider, schema, made.intent, made.teller.clone());
        tokio::select! {
            biased;
            answer = answer => Ok(answer.map_err(|error| made.teller.redaction.error(error))),
            () = self.engine.ports.clock.sleep(left) => Ok(Err(no_answer(made))),
        }
    }

    /// The name is taken: by this very creation, if its request got to the cloud twice on the way. That may not show at
    /// once.
    async fn ours_by_name(
        &self,
        made: &Call<'_>,
        schema: &ResourceSchema,
        taken: ProviderError,
    ) -> Result<Sent, CallError> {
        let arguments = conform::arguments(schema, &made.intent.request).map_err(invalid)?;
        let until_ms = self.wall_ms().saturating_add(schema.adoption.settle_ms);
        loop {
            let left_ms = until_ms.saturating_sub(self.wall_ms());
            match made.provider.find(made.find(Lookup::Name, &arguments)).await {
                Ok(Found::One(object)) => {
                    return Ok(recorded(schema, made.intent, object, &arguments)?);
                }
                Ok(_) if left_ms == 0 => {
                    let hint = "`plan` shows an object of this environment that the state does not know, with a way to adopt it; another's keeps its name";
                    let is_explained = !taken.hints.is_empty();
                    return Err(if is_explained { taken } else { taken.with_hint(hint) }.into());
                }
                Ok(_) => {}
                // Not known whose it is: looked up before anything else is done.
                Err(_) => return Err(taken.maybe_done().into()),
            }
            match self.pause(Duration::from_millis(left_ms.min(1_000))).await {
                Err(CallError::Interrupted) => return Err(taken.maybe_done().into()),
                waited => waited?,
            }
        }
    }

    /// Waits, unless the run is to end first.
    pub(crate) async fn pause(&self, wait: Duration) -> Result<(), CallError> {
        tokio::select! {
            biased;
            () = self.cancel.reached(Level::Finish) => Err(CallError::Interrupted),
            () = self.engine.ports.clock.sleep(wait) => Ok(()),
            () = self.held.gone() => {
                Err(StateError::LeaseLost { epoch: self.held.epoch() }.into())
            }
        }
    }
}

const SPENT: &str = "the retries of this run are used up, because too many calls failed: look at the provider's health, then apply again";

fn no_answer(made: &Call<'_>) -> ProviderError {
    let within_ms = made.schema().map_or(0, |schema| schema.adoption.deadline_ms);
    let message = format!("{}: no answer within {}", made.intent.address, spoken(within_ms));
    ProviderError::new(ErrorClass::Transient, message).maybe_done()
}

/// When the call was sent for the first time.
fn sent_ms(intent: &Intent, adoption: Adoption) -> Option<u64> {
    Some(read(&intent.deadline)?.saturating_sub(adoption.deadline_ms))
}

fn is_taken_name(schema: &ResourceSchema, intent: &Intent, error: &ProviderError) -> bool {
    schema.adoption.unique_name
        && intent.action == IntentAction::Create
        && error.class == ErrorClass::Conflict
        && !error.outcome_unknown
}

fn after(tries: u32, mut error: ProviderError) -> ProviderError {
    if tries > 1 {
        let told = format!("after {tries} attempts");
        error.detail = match error.detail.as_str() {
            "" => told,
            detail => format!("{detail}\n{told}"),
        };
    }
    error
}

fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Throttled => "throttled",
        ErrorClass::Transient => "transient",
        ErrorClass::Conflict => "conflict",
        ErrorClass::Quota => "quota",
        ErrorClass::Invalid => "invalid",
        ErrorClass::Denied => "denied",
        ErrorClass::NotFound => "not found",
    }
}

/// A time as people say it.
pub(crate) fn spoken(ms: u64) -> String {
    match ms.div_ceil(1_000) {
        seconds @ 0..=120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
