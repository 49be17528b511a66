//! The Provider port over the cloud in memory.

use super::cloud::Cloud;
use super::effects::{Effect, Verb, with};
use super::faults::Fault;
use super::schema::{LIST, NOTE, READ, SERVICE, SERVICE_STEPS};
use crate::limits::Limiter;
use crate::{
    CreateRequest, DataRequest, DeleteRequest, ErrorClass, FindRequest, Found, ImportRequest,
    Object, Owned, Owner, Provider, ProviderError, ReadRequest, UpdateRequest,
};
use async_trait::async_trait;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::{Address, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A provider over a [`Cloud`].
pub struct MemoryProvider {
    cloud: Cloud,
    owner: Owner,
    schema: ProviderSchema,
    limiter: Option<Arc<Limiter>>,
    around: BTreeMap<String, Value>,
}

impl MemoryProvider {
    /// A provider for one environment. It declares what the cloud is like now.
    pub fn new(cloud: Cloud, owner: Owner) -> Self {
        let schema = cloud.schema();
        Self { cloud, owner, schema, limiter: None, around: BTreeMap::new() }
    }

    /// One that waits its turn here before each call.
    #[must_use]
    pub fn with_limiter(mut self, limiter: Arc<Limiter>) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// One whose configuration leaves this to what is around the program.
    #[must_use]
    pub fn with_surroundings(mut self, around: BTreeMap<String, Value>) -> Self {
        self.around = around;
        self
    }

    fn effect(&self, verb: Verb, address: &Address, arguments: &Value) -> Effect {
        Effect {
            verb,
            lineage: self.owner.lineage.clone(),
            address: address.clone(),
            token: String::new(),
            id: String::new(),
            arguments: arguments.clone(),
            batch: None,
        }
    }

    /// Waits its turn, calls, and tells the limiter what the cloud thinks of that.
    async fn limited<T>(
        &self,
        interface: &str,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let Some(limiter) = &self.limiter else { return call.await };
        limiter.take(interface).await;
        let result = call.await;
        if let Err(error) = &result
            && error.class == ErrorClass::Throttled
        {
            limiter.throttled(interface, error.retry_after_ms);
        }
        result
    }

    async fn change(&self, effect: Effect) -> Result<Option<Object>, ProviderError> {
        self.limited(effect.verb.word(), self.meet_fault(&effect)).await
    }

    async fn meet_fault(&self, effect: &Effect) -> Result<Option<Object>, ProviderError> {
        let (_in_flight, fault) = self.cloud.enter(effect).await?;
        self.bring_about(effect, fault).await
    }

    /// One call about many objects: what meets the call meets all of them, what is told of one of them meets that one.
    async fn meet_faults(
        &self,
        effects: &[Effect],
    ) -> Result<Vec<Result<Option<Object>, ProviderError>>, ProviderError> {
        let Some(first) = effects.first() else { return Ok(Vec::new()) };
        let (_in_flight, fault) = self.cloud.enter_for_many(first).await?;
        let mut answers = Vec::with_capacity(effects.len());
        for effect in effects {
            let own = || self.cloud.state().faults.of_one(&effect.address.to_string());
            let fault = fault.or_else(own);
            answers.push(self.bring_about(effect, fault).await);
        }
        Ok(answers)
    }

    async fn bring_about(
        &self,
        effect: &Effect,
        fault: Option<Fault>,
    ) -> Result<Option<Object>, ProviderError> {
        let perform = |cut_after| self.cloud.state().perform(effect, cut_after);
        let error = |class, what: &str| {
            let message = format!("{} {}: {what}", effect.verb.word(), effect.address);
            ProviderError::new(class, message)
        };
        let lost = |class| error(class, "the answer was lost").maybe_done();
        match fault {
            None => perform(None),
            Some(Fault::Fail(class)) => Err(error(class, "refused")),
            Some(Fault::LoseRequest(class)) => Err(lost(class)),
            Some(Fault::LoseAnswer(class)) => {
                perform(None)?;
                Err(lost(class))
            }
            Some(Fault::Late { class, after_ms }) => {
                self.cloud.state().happen_later(after_ms, effect.clone());
                Err(lost(class))
            }
            Some(Fault::HalfMade) => {
                perform(Some(1))?;
                Err(error(ErrorClass::Conflict, "ended halfway").maybe_done())
            }
            Some(Fault::CutAfter(steps)) => {
                perform(Some(steps))?;
                Err(error(ErrorClass::Transient, "ended halfway").maybe_done())
            }
            Some(Fault::Hang) => {
                perform(None)?;
                std::future::pending().await
            }
            Some(Fault::HangBefore) => std::future::pending().await,
        }
    }

    async fn make(
        &self,
        effect: Effect,
        progress: &dyn crate::Progress,
    ) -> Result<Object, ProviderError> {
        if effect.address.kind() == SERVICE {
            for step in SERVICE_STEPS {
                progress.step(step);
            }
        } else {
            progress.step("making");
        }
        let gone = || ProviderError::new(ErrorClass::NotFound, "nothing was made");
        self.change(effect).await?.ok_or_else(gone)
    }
}

/// A note follows from what it is made with.
fn note(id: String, arguments: &Value) -> Object {
    let attributes = with(arguments, "id", id.as_str().into());
    Object { id, attributes: with(&attributes, "status", "ok".into()), note: None }
}

fn is_note(address: &Address) -> bool {
    address.kind() == NOTE
}

#[async_trait]
impl Provider for MemoryProvider {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    async fn surroundings(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        Ok(self.around.clone())
    }

    /// Services are found on their machine by name alone, and notes are nowhere.
    fn deletes_half_made(&self, resource_type: &str) -> bool {
        resource_type == SERVICE || resource_type == NOTE
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let read = async {
            let mut state = self.cloud.look(READ)?;
            let read = |it: &ReadRequest| {
                if is_note(&it.address) {
                    return Ok(Observation::Present(it.attributes.clone()));
                }
                state.read(&self.owner.lineage, it)
            };
            Ok(requests.iter().map(read).collect::<Vec<_>>())
        };
        match self.limited(READ, read).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); requests.len()],
        }
    }

    /// What a read shows, whoever made it.
    async fn import(
        &self,
        requests: &[ImportRequest],
    ) -> Vec<Result<Option<Object>, ProviderError>> {
        let read = async {
            let mut state = self.cloud.look(READ)?;
            let one = |request: &ImportRequest| {
                let (address, id) = (request.address.clone(), request.id.clone());
                if [SERVICE, NOTE].contains(&address.kind()) {
                    let message =
                        format!("objects of type `{}` cannot be imported", address.kind());
                    return Err(ProviderError::new(ErrorClass::Invalid, message));
                }
                let attributes = Value::object::<&str>([]);
                let asked = ReadRequest { address, id: id.clone(), attributes };
                Ok(match state.read(&self.owner.lineage, &asked)? {
                    Observation::Present(attributes) => Some(Object { id, attributes, note: None }),
                    Observation::Absent(_) | Observation::Unreachable(_) => None,
                })
            };
            Ok(requests.iter().map(one).collect::<Vec<_>>())
        };
        match self.limited(READ, read).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); requests.len()],
        }
    }

    async fn read_data(&self, requests: &[DataRequest]) -> Vec<Result<Value, ProviderError>> {
        let read = async {
            let state = self.cloud.look(READ)?;
            let one = |request: &DataRequest| {
                let (kind, name) = (request.address.kind(), request.arguments.get("name"));
                state.named(kind, &name.unwrap_or_else(|| "".into())).ok_or_else(|| {
                    let message = format!("{}: there is none of that name", request.address);
                    ProviderError::new(ErrorClass::NotFound, message)
                })
            };
            Ok(requests.iter().map(one).collect::<Vec<_>>())
        };
        match self.limited(READ, read).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); requests.len()],
        }
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        if is_note(&request.address) {
            return Ok(note(format!("note-{}", request.token), &request.arguments));
        }
        let effect = self.effect(Verb::Create, &request.address, &request.arguments);
        let effect = Effect { token: request.token, batch: request.batch, ..effect };
        self.make(effect, request.progress.as_ref()).await
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        if is_note(&request.address) {
            return Ok(note(request.id, &request.arguments));
        }
        let effect = self.effect(Verb::Update, &request.address, &request.arguments);
        let effect = Effect { token: request.token, id: request.id, ..effect };
        self.make(effect, request.progress.as_ref()).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError> {
        if is_note(&request.address) {
            return Ok(());
        }
        let effect = self.effect(Verb::Delete, &request.address, &request.attributes);
        self.change(Effect { id: request.id, ..effect }).await.map(drop)
    }

    async fn delete_many(&self, requests: Vec<DeleteRequest>) -> Vec<Result<(), ProviderError>> {
        let effect = |request: &DeleteRequest| {
            let effect = self.effect(Verb::Delete, &request.address, &request.attributes);
            Effect { id: request.id.clone(), ..effect }
        };
        let effects: Vec<Effect> = requests.iter().map(effect).collect();
        match self.limited(Verb::Delete.word(), self.meet_faults(&effects)).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map(drop)).collect(),
            Err(error) => vec![Err(error); effects.len()],
        }
    }

    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError> {
        if is_note(&request.address) {
            return Ok(Found::Nothing);
        }
        let effect = self.effect(Verb::Create, &request.address, &request.arguments);
        let effect = Effect { token: request.token, ..effect };
        let find = async {
            let mut state = self.cloud.look(LIST)?;
            if let Some(class) = state.faults.of_look() {
                let message = format!("look up {}: failed", request.address);
                return Err(ProviderError::new(class, message));
            }
            state.find(&effect, request.by)
        };
        self.limited(LIST, find).await
    }

    async fn list_owned(&self) -> Result<Vec<Owned>, ProviderError> {
        let list = async {
            let mut state = self.cloud.look(LIST)?;
            match state.faults.of_look() {
                Some(class) => Err(ProviderError::new(class, "list: failed")),
                None => Ok(state.owned(&self.owner.lineage)),
            }
        };
        self.limited(LIST, list).await
    }
}
