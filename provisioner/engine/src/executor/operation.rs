//! One operation, from resolved arguments to a durable outcome.
//!
//! Invariants: intent, call, outcome, in this order and each durable before the next; a call whose end is not known
//! gets no outcome, so that recovery finds it.

use crate::error::provider_diagnostic;
use crate::lease::Held;
use crate::send::{send, token};
use crate::{Engine, conform};
use model::event::{Event, EventSink};
use model::graph::ProviderConfig;
use model::plan::{Operation, OperationKind};
use model::record::{Intent, IntentAction, Outcome, Record};
use model::schema::ResourceSchema;
use model::{Address, Diagnostic, Value};
use provider::Progress;
use state::StateError;
use std::sync::Arc;
use tokio::task::JoinError;

/// One operation with all it needs to run.
pub(super) struct Job {
    pub(super) engine: Engine,
    pub(super) held: Arc<Held>,
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

impl Job {
    pub(super) async fn run(self) -> Ended {
        let ended = match self.operation.kind {
            OperationKind::Forget => self.forget().await,
            _ => self.call().await,
        };
        match ended {
            Ok(note) => Ended::Succeeded { note },
            Err(Refusal::Diagnostic(diagnostic)) => Ended::Failed(diagnostic),
            Err(Refusal::State(error)) => {
                if matches!(error, StateError::LeaseLost { .. }) {
                    self.held.lose();
                }
                Ended::Broken(error)
            }
        }
    }

    async fn forget(&self) -> Result<Option<String>, Refusal> {
        self.publish_started();
        let address = &self.operation.address;
        let store = &self.engine.ports.store;
        store.forget(self.held.check()?, address).await?;
        self.engine.ports.records.forget(address);
        Ok(None)
    }

    async fn call(&self) -> Result<Option<String>, Refusal> {
        let address = &self.operation.address;
        let ports = &self.engine.ports;
        let configured = self.engine.provider(&self.config, &self.lineage);
        let prepared =
            configured.map_err(|error| provider_diagnostic(&error, address)).and_then(|provider| {
                let intent = self.intent(provider.schema().resources.get(address.kind()))?;
                Ok((provider, intent))
            });
        let (provider, intent) = match prepared {
            Ok((provider, Some(intent))) => (provider, intent),
            Ok((_, None)) => {
                self.publish_started();
                return Ok(Some("was gone already".to_owned()));
            }
            Err(diagnostic) => {
                self.publish_started();
                return Err(diagnostic.into());
            }
        };
        let sequence = ports.store.begin(self.held.check()?, intent.clone()).await?;
        ports.records.begin(&intent);
        self.publish_started();
        let steps = Arc::new(Steps {
            id: self.operation.id,
            address: address.clone(),
            events: ports.events.clone(),
        });
        match send(&self.engine, &self.held, provider.as_ref(), &intent, steps).await {
            Ok(sent) => {
                self.finish(&intent, sequence, sent.outcome).await?;
                Ok(sent.note)
            }
            Err(error) => {
                if !error.outcome_unknown {
                    let message = error.message.clone();
                    let outcome = Outcome::Failed { message };
                    self.finish(&intent, sequence, outcome).await?;
                }
                Err(self.placed(provider_diagnostic(&error, address)).into())
            }
        }
    }

    async fn finish(
        &self,
        intent: &Intent,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<(), StateError> {
        let ports = &self.engine.ports;
        // Whatever the lease's age: the store itself refuses a zombie, and an outcome lost is a call to look up.
        let lease = self.held.lease();
        let stored = ports.store.finish(lease, sequence, outcome.clone()).await?;
        ports.records.settle(intent, &outcome, stored);
        Ok(())
    }

    /// What will be called; none when there is nothing left to delete.
    fn intent(&self, schema: Option<&ResourceSchema>) -> Result<Option<Intent>, Diagnostic> {
        let operation = &self.operation;
        let address = &operation.address;
        let records = &self.engine.ports.records;
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
                let arguments = self.arguments(schema, Some(&prior))?;
                (IntentAction::Update, arguments, Some(prior))
            }
            OperationKind::Delete | OperationKind::DeleteDeposed | OperationKind::Forget => {
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
        Ok(Some(Intent {
            deadline: String::new(),
            sequence: 0,
            run: self.run.clone(),
            address: address.clone(),
            action,
            provider: operation.provider.clone(),
            provider_config: self.config.clone(),
            token: token(&self.lineage, address, generation, self.held.epoch(), action),
            generation,
            request,
            prior,
            dependencies: operation.dependencies.clone(),
            lifecycle: operation.lifecycle.clone(),
        }))
    }

    /// The arguments, resolved and converted; refused when they would mean another action than the plan's.
    fn arguments(
        &self,
        schema: &ResourceSchema,
        prior: Option<&Record>,
    ) -> Result<Value, Diagnostic> {
        let operation = &self.operation;
        let records = &self.engine.ports.records;
        let given = operation.arguments.clone().unwrap_or_else(|| Value::object::<&str>([]));
        let outputs = |address: &Address| records.attributes(address);
        let resolver = &self.engine.ports.resolver;
        let about = |diagnostic: Diagnostic| self.placed(diagnostic.about(&operation.address));
        let resolved = resolver.resolve(&given, &outputs).map_err(about)?;
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

    fn placed(&self, diagnostic: Diagnostic) -> Diagnostic {
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

    fn publish_started(&self) {
        self.engine.ports.events.publish(Event::OperationStarted {
            id: self.operation.id,
            address: self.operation.address.clone(),
            kind: self.operation.kind,
        });
    }
}

/// Publishes the steps of one operation.
struct Steps {
    id: u32,
    address: Address,
    events: Arc<dyn EventSink>,
}

impl Progress for Steps {
    fn step(&self, step: &str) {
        self.events.publish(Event::OperationProgress {
            id: self.id,
            address: self.address.clone(),
            step: step.to_owned(),
        });
    }
}
