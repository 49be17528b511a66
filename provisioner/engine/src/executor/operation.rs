//! One operation, from resolved arguments to a durable outcome.
//!
//! Invariants: intent, call, outcome, in this order and each durable before the next; a call whose answer was lost is
//! settled before anything else is done about the instance; where that fails it gets no outcome, so that recovery finds it.

use crate::caller::{Call, CallError, Caller, Sendings, Teller, secrets_of};
use crate::error::provider_diagnostic;
use crate::lookup::read_data;
use crate::send::{Sent, Try, token};
use crate::settle::Settled;
use crate::{Level, Purpose, conform};
use model::event::Event;
use model::graph::ProviderConfig;
use model::plan::{Operation, OperationKind};
use model::record::{Intent, IntentAction, Outcome, Record};
use model::schema::ResourceSchema;
use model::{Address, Diagnostic, Value};
use provider::{ErrorClass, Provider, ProviderError};
use state::StateError;
use std::sync::Arc;
use tokio::task::JoinError;

/// What is said of a deletion of what is not there.
pub(super) const GONE: &str = "was gone already";

/// One operation with all it needs to run.
pub(super) struct Job {
    pub(super) caller: Caller,
    pub(super) run: String,
    pub(super) lineage: String,
    pub(super) config: ProviderConfig,
    pub(super) operation: Operation,
}

/// How an operation ended.
pub(super) enum Ended {
    /// Done and durable.
    Succeeded {
        /// One line worth telling.
        note: Option<String>,
    },
    /// Failed; what was known is durable.
    Failed(Box<Diagnostic>),
    /// The journal cannot be written: the run must end.
    Broken(StateError),
    /// It was in one write with an operation that ended in [`Ended::Broken`].
    NotRecorded,
}

impl Ended {
    /// A task that panicked: its call's end is not known.
    pub(super) fn panicked(error: &JoinError) -> Self {
        let summary = format!("a defect of the program ended this operation: {error}");
        let diagnostic = Diagnostic::error("panicked", summary)
            .with_hint("the next apply looks up how its call ended");
        Self::Failed(Box::new(diagnostic))
    }
}

/// What is to be called, with the provider; none when there is nothing left to delete.
pub(super) type Prepared = Option<(Arc<dyn Provider>, Intent)>;

/// Why an operation does not reach its call.
enum Refusal {
    Diagnostic(Box<Diagnostic>),
    State(StateError),
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<Diagnostic> for Refusal {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Diagnostic(Box::new(diagnostic))
    }
}

/// What a call came to; nothing of it is durable yet.
pub(super) enum Came {
    /// It had its effect.
    Done(Sent),
    /// It was refused, and changed nothing.
    Refused(ProviderError),
    /// Its answer was lost, and it is proven that it had no effect.
    Nothing(ProviderError),
    /// Something that is not whole is left.
    Tainted(Outcome, ProviderError),
    /// Its answer was lost.
    Lost(ProviderError),
    /// How it ended is left to recovery.
    Open(ProviderError),
}

/// How one try ended; whatever is known is durable.
pub(super) enum End {
    /// It had its effect. One line worth telling.
    Done(Option<String>),
    /// The answer was lost, and it is proven that the call had no effect.
    NeverHappened(ProviderError),
    /// It failed, or its end is not known.
    Failed(ProviderError),
}

impl Job {
    pub(super) async fn run(self) -> Ended {
        let ended = match self.operation.kind {
            OperationKind::Forget => self.forget().await,
            OperationKind::Read => self.read().await,
            _ => self.call().await,
        };
        self.ended(ended)
    }

    /// The same from where the first try of a durable intent has ended.
    pub(super) async fn run_tried(
        &self,
        provider: &dyn Provider,
        intent: Intent,
        end: Result<End, StateError>,
    ) -> Ended {
        let ended = match end {
            Ok(end) => self.go_on(provider, intent, end).await,
            Err(error) => Err(error.into()),
        };
        self.ended(ended)
    }

    fn ended(&self, ended: Result<Option<String>, Refusal>) -> Ended {
        match ended {
            Ok(note) => Ended::Succeeded { note },
            Err(Refusal::Diagnostic(diagnostic)) => Ended::Failed(diagnostic),
            Err(Refusal::State(error)) => self.broken(error),
        }
    }

    /// The journal cannot be written.
    pub(super) fn broken(&self, error: StateError) -> Ended {
        self.caller.held.lose_by(&error);
        Ended::Broken(error)
    }

    async fn forget(&self) -> Result<Option<String>, Refusal> {
        self.publish_started();
        let address = &self.operation.address;
        let store = &self.caller.engine.ports.store;
        store.forget(self.caller.held.check()?, address).await?;
        self.caller.engine.ports.records.forget(address);
        Ok(None)
    }

    /// Nothing changes, so nothing is journaled.
    async fn read(&self) -> Result<Option<String>, Refusal> {
        self.publish_started();
        let Operation { address, arguments, .. } = &self.operation;
        let ports = &self.caller.engine.ports;
        let told = |error: &ProviderError| self.placed(provider_diagnostic(error, address));
        let provider = self.caller.engine.provider(&self.config, &self.lineage);
        let provider = provider.map_err(|error| told(&error))?;
        let outputs = |address: &Address| ports.records.attributes(address);
        let given = arguments.clone().unwrap_or_else(|| Value::object::<&str>([]));
        let given = ports.resolver.resolve(&given, &outputs, &self.caller.began);
        let given = given.map_err(|diagnostic| self.placed(diagnostic.about(address)))?;
        let wanted = [(address, given)];
        let read = read_data(provider.as_ref(), &wanted, ports.clock.as_ref()).await.pop();
        let attributes = read.map_or_else(|| Ok(Value::object::<&str>([])), |(_, answer)| answer);
        let attributes = attributes.map_err(|error| told(&error))?;
        ports.records.know(address, attributes);
        Ok(None)
    }

    async fn call(&self) -> Result<Option<String>, Refusal> {
        let (provider, mut intent) = match self.prepare() {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                self.publish_started();
                return Ok(Some(GONE.to_owned()));
            }
            Err(diagnostic) => {
                self.publish_started();
                return Err(diagnostic.into());
            }
        };
        self.begin(&mut intent).await?;
        self.publish_started();
        let end = self.carry_out(provider.as_ref(), &intent).await?;
        self.go_on(provider.as_ref(), intent, end).await
    }

    async fn go_on(
        &self,
        provider: &dyn Provider,
        mut intent: Intent,
        mut end: End,
    ) -> Result<Option<String>, Refusal> {
        let address = &self.operation.address;
        let ports = &self.caller.engine.ports;
        let mut tries = 1;
        loop {
            let (may_again, error) = match end {
                End::Done(note) => return Ok(note),
                End::NeverHappened(error) => (tries < self.caller.engine.retry.attempts, error),
                End::Failed(error) => (false, error),
            };
            if !may_again || self.caller.budget.pay(error.class).is_none() {
                return Err(self.placed(provider_diagnostic(&error, address)).into());
            }
            tries += 1;
            // It is proven that nothing came of the token before. Nobody waits for the others of a batch.
            intent.batch = None;
            self.number(&mut intent, tries);
            if let Ok(schema) = conform::resource(provider.schema(), address) {
                intent.deadline = self.caller.deadline(schema.adoption);
            }
            self.begin(&mut intent).await?;
            ports.events.publish(Event::OperationRetried {
                id: self.operation.id,
                address: address.clone(),
                attempt: tries,
                wait_ms: 0,
                message: error.message,
            });
            end = self.carry_out(provider, &intent).await?;
        }
    }

    /// What will be called.
    pub(super) fn prepare(&self) -> Result<Prepared, Diagnostic> {
        let address = &self.operation.address;
        let configured = self.caller.engine.provider(&self.config, &self.lineage);
        let provider = configured.map_err(|error| provider_diagnostic(&error, address))?;
        let intent = self.intent(provider.schema().resources.get(address.kind()))?;
        Ok(intent.map(|intent| (provider, intent)))
    }

    /// Makes the intent durable.
    pub(super) async fn begin(&self, intent: &mut Intent) -> Result<(), StateError> {
        let ports = &self.caller.engine.ports;
        intent.sequence = ports.store.begin(self.caller.held.check()?, intent.clone()).await?;
        ports.records.begin(intent);
        Ok(())
    }

    /// Makes the call, finds out how it ended, and makes that durable, as far as it is known.
    async fn carry_out(&self, provider: &dyn Provider, intent: &Intent) -> Result<End, StateError> {
        let made = self.made(provider, intent);
        let came = self.send(&made).await?;
        let came = self.find_out(&made, came).await?;
        self.conclude(intent, came).await
    }

    /// The call that an intent stands for.
    pub(super) fn made<'a>(&self, provider: &'a dyn Provider, intent: &'a Intent) -> Call<'a> {
        let events = self.caller.engine.ports.events.clone();
        let (id, address) = (Some(self.operation.id), intent.address.clone());
        let teller = Arc::new(Teller { id, address, events, redaction: secrets_of(intent) });
        let sendings = Sendings::default();
        Call { provider, intent, teller, sendings, may_be_repeated: true, among: None }
    }

    /// Makes the call.
    pub(super) async fn send(&self, made: &Call<'_>) -> Result<Came, StateError> {
        came(made, self.caller.send(made).await)
    }

    /// Goes on from the first answer of a call.
    pub(super) async fn send_on(
        &self,
        made: &Call<'_>,
        first: Result<Sent, ProviderError>,
    ) -> Result<Came, StateError> {
        came(made, self.caller.send_on(made, first).await)
    }

    /// Finds out how a call ended whose answer was lost.
    pub(super) async fn find_out(&self, made: &Call<'_>, came: Came) -> Result<Came, StateError> {
        let Came::Lost(lost) = came else { return Ok(came) };
        if self.caller.cancel.level() > Level::Running {
            return Ok(Came::Open(lost));
        }
        match self.caller.settle(made, Purpose::Apply).await {
            Ok(Settled::Done { sent, .. }) => Ok(Came::Done(sent)),
            Ok(Settled::Tainted { outcome, .. }) => {
                let hint = "what it has left is recorded; the next apply makes it anew";
                let error = ProviderError { outcome_unknown: false, ..lost };
                Ok(Came::Tainted(outcome, error.with_hint(hint)))
            }
            Ok(Settled::Refused(error)) => Ok(Came::Refused(error)),
            Ok(Settled::NeverHappened) => {
                Ok(Came::Nothing(ProviderError { outcome_unknown: false, ..lost }))
            }
            Err(CallError::State(error)) => Err(error),
            Err(CallError::Provider(error)) => Ok(Came::Open(error.maybe_done())),
            Err(CallError::Interrupted) => Ok(Came::Open(interrupted(made.intent))),
        }
    }

    /// Makes durable what a call came to, as far as that is known.
    pub(super) async fn conclude(&self, intent: &Intent, came: Came) -> Result<End, StateError> {
        let failed = |error: &ProviderError| Outcome::Failed { message: error.message.clone() };
        Ok(match came {
            Came::Done(sent) => {
                self.finish(intent, sent.outcome).await?;
                End::Done(sent.note)
            }
            Came::Refused(error) => {
                self.finish(intent, failed(&error)).await?;
                End::Failed(error)
            }
            Came::Nothing(error) => {
                self.finish(intent, failed(&error)).await?;
                End::NeverHappened(error)
            }
            Came::Tainted(outcome, error) => {
                self.finish(intent, outcome).await?;
                End::Failed(error)
            }
            Came::Lost(error) | Came::Open(error) => End::Failed(error),
        })
    }

    async fn finish(&self, intent: &Intent, outcome: Outcome) -> Result<(), StateError> {
        let ports = &self.caller.engine.ports;
        // Whatever the lease's age: the store itself refuses a zombie, and an outcome lost is a call to look up.
        let lease = self.caller.held.lease();
        let stored = ports.store.finish(lease, intent.sequence, outcome.clone()).await?;
        ports.records.settle(intent, &outcome, stored);
        Ok(())
    }

    /// Gives the intent the token of its instance's try of that number in this operation.
    fn number(&self, intent: &mut Intent, number: u32) {
        let attempt = Try { epoch: self.caller.held.epoch(), number };
        let Intent { address, generation, action, .. } = &*intent;
        intent.token = token(&self.lineage, address, *generation, attempt, *action);
    }

    /// What will be called; none when there is nothing left to delete.
    fn intent(&self, schema: Option<&ResourceSchema>) -> Result<Option<Intent>, Diagnostic> {
        let operation = &self.operation;
        let address = &operation.address;
        let records = &self.caller.engine.ports.records;
        let schema = schema.ok_or_else(|| {
            let summary = format!("no provider offers the resource type `{}`", address.kind());
            self.placed(Diagnostic::error("unknown-resource-type", summary).about(address))
        })?;
        let record = match operation.kind {
            OperationKind::DeleteDeposed => {
                let old = operation.prior.as_ref();
                old.and_then(|old| records.deposed(address, &old.id))
            }
            _ => records.record(address),
        };
        let (action, request, prior) = match operation.kind {
            OperationKind::Create => (IntentAction::Create, self.arguments(schema, None)?, None),
            OperationKind::CreateReplacement => {
                let arguments = self.arguments(schema, None)?;
                (IntentAction::Create, arguments, record.clone())
            }
            OperationKind::Update => {
                let prior = record.clone().ok_or_else(|| self.no_record())?;
                let prior = self.as_seen(prior);
                let arguments = self.arguments(schema, Some(&prior))?;
                (IntentAction::Update, arguments, Some(prior))
            }
            OperationKind::Delete
            | OperationKind::DeleteDeposed
            | OperationKind::Forget
            | OperationKind::Read => {
                let Some(prior) = record.clone() else {
                    return Ok(None);
                };
                let action = match operation.kind {
                    OperationKind::DeleteDeposed => IntentAction::DeleteDeposed,
                    _ => IntentAction::Delete,
                };
                (action, prior.attributes.clone(), Some(prior))
            }
        };
        let generation = match &record {
            Some(record) if action != IntentAction::Create => record.generation,
            _ => records.next_generation(address),
        };
        let mut intent = Intent {
            deadline: self.caller.deadline(schema.adoption),
            batch: None,
            sequence: 0,
            run: self.run.clone(),
            address: address.clone(),
            action,
            provider: operation.provider.clone(),
            provider_config: self.config.clone(),
            token: String::new(),
            generation,
            request,
            prior,
            dependencies: operation.dependencies.clone(),
            lifecycle: operation.lifecycle.clone(),
        };
        self.number(&mut intent, 1);
        Ok(Some(intent))
    }

    /// The record, with what refresh saw of the object where nothing was recorded of it since: what it is changed from.
    fn as_seen(&self, record: Record) -> Record {
        match &self.operation.prior {
            Some(seen) if seen.id == record.id && seen.revision == record.revision => {
                Record { attributes: seen.attributes.clone(), ..record }
            }
            _ => record,
        }
    }

    /// The arguments, resolved and converted; refused when they would mean another action than the plan's.
    fn arguments(
        &self,
        schema: &ResourceSchema,
        prior: Option<&Record>,
    ) -> Result<Value, Diagnostic> {
        let operation = &self.operation;
        let records = &self.caller.engine.ports.records;
        let given = operation.arguments.clone().unwrap_or_else(|| Value::object::<&str>([]));
        let outputs = |address: &Address| records.attributes(address);
        let resolver = &self.caller.engine.ports.resolver;
        let about = |diagnostic: Diagnostic| self.placed(diagnostic.about(&operation.address));
        let resolved = resolver.resolve(&given, &outputs, &self.caller.began).map_err(about)?;
        let arguments = conform::arguments(schema, &resolved)
            .map_err(|why| about(Diagnostic::error("unfit-arguments", why)))?;
        let Some(prior) = prior else {
            return Ok(arguments);
        };
        let recorded = conform::recorded(schema, &prior.attributes);
        let differs = |name: &&String| {
            let (now, before) = (arguments.get(name), recorded.get(name));
            match (now, before) {
                (Some(now), Some(before)) => !now.same_content(&before),
                (now, before) => now.is_some() != before.is_some(),
            }
        };
        let forced: Vec<&str> =
            operation.must_not_differ.iter().filter(differs).map(String::as_str).collect();
        if forced.is_empty() {
            return Ok(arguments);
        }
        let summary = format!(
            "now that its arguments are known, {} would have to be replaced, which the plan does not say",
            operation.address
        );
        Err(about(
            Diagnostic::error("action-changed", summary)
                .with_detail(format!("not as recorded: {}", forced.join(", ")))
                .with_hint("plan again: what was unknown then is known now"),
        ))
    }

    fn no_record(&self) -> Diagnostic {
        let summary =
            format!("{} is to be updated, but there is no record of it", self.operation.address);
        Diagnostic::error("no-record", summary).about(&self.operation.address)
    }

    pub(super) fn placed(&self, diagnostic: Diagnostic) -> Diagnostic {
        if self.operation.place.is_empty() {
            return diagnostic;
        }
        let place = format!("declared at {}", self.operation.place);
        let detail = match diagnostic.detail.as_str() {
            "" => place,
            detail => format!("{detail}\n{place}"),
        };
        diagnostic.with_detail(detail)
    }

    pub(super) fn publish_started(&self) {
        self.caller.engine.ports.events.publish(Event::OperationStarted {
            id: self.operation.id,
            address: self.operation.address.clone(),
            kind: self.operation.kind,
        });
    }
}

/// What the last word about a call means for it.
fn came(made: &Call<'_>, answer: Result<Sent, CallError>) -> Result<Came, StateError> {
    match answer {
        Ok(sent) => Ok(Came::Done(sent)),
        Err(CallError::State(error)) => Err(error),
        Err(CallError::Provider(error)) if error.outcome_unknown => Ok(Came::Lost(error)),
        Err(CallError::Provider(error)) => Ok(Came::Refused(error)),
        Err(CallError::Interrupted) => Ok(Came::Open(interrupted(made.intent))),
    }
}

fn interrupted(intent: &Intent) -> ProviderError {
    let message = format!("{}: interrupted before the end of its call was known", intent.address);
    ProviderError::new(ErrorClass::Transient, message).maybe_done()
}
