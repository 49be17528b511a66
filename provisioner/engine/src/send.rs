//! One call to a provider, made from a durable intent alone, and what its answer means for the records.
//! Whoever sends it, for the first time or again, sends the identical request.
//!
//! Invariant: nothing beside the intent and the schema decides what is sent.

use crate::caller::Call;
use crate::conform;
use model::record::{Intent, IntentAction, Outcome, Record};
use model::schema::ResourceSchema;
use model::{Address, Value};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, Object, Progress, Provider, ProviderError,
    UpdateRequest,
};
use std::sync::Arc;

/// What a successful call came to.
pub(crate) struct Sent {
    /// What to make durable.
    pub(crate) outcome: Outcome,
    /// One line worth telling.
    pub(crate) note: Option<String>,
}

/// One call.
pub(crate) async fn call(
    provider: &dyn Provider,
    schema: &ResourceSchema,
    intent: &Intent,
    progress: Arc<dyn Progress>,
) -> Result<Sent, ProviderError> {
    match intent.action {
        IntentAction::Create => {
            let arguments = conform::arguments(schema, &intent.request).map_err(invalid)?;
            let request = CreateRequest {
                address: intent.address.clone(),
                token: intent.token.clone(),
                arguments: arguments.clone(),
                batch: intent.batch.clone(),
                progress,
            };
            let object = provider.create(request).await?;
            recorded(schema, intent, object, &arguments)
        }
        IntentAction::Update => {
            let prior = prior(intent)?;
            let arguments = conform::arguments(schema, &intent.request).map_err(invalid)?;
            let request = UpdateRequest {
                address: intent.address.clone(),
                token: intent.token.clone(),
                id: prior.id.clone(),
                prior: conform::recorded(schema, &prior.attributes),
                arguments: arguments.clone(),
                progress,
            };
            let object = provider.update(request).await?;
            recorded(schema, intent, object, &arguments)
        }
        IntentAction::Delete | IntentAction::DeleteDeposed => {
            provider.delete(deletion(schema, intent, progress)?).await.map(|()| removed())
        }
    }
}

/// Deletions of one type by one call to their provider; an answer for each, in their order.
pub(crate) async fn delete_all(calls: &[&Call<'_>]) -> Vec<Result<Sent, ProviderError>> {
    let Some(first) = calls.first() else { return Vec::new() };
    let requests =
        calls.iter().map(|made| deletion(made.schema()?, made.intent, made.teller.clone()));
    let answers = delete_made(first.provider, requests.collect()).await;
    answers.into_iter().map(|answer| answer.map(|()| removed())).collect()
}

/// Sends those deletions whose requests could be made; the others fail by themselves.
async fn delete_made(
    provider: &dyn Provider,
    requests: Vec<Result<DeleteRequest, ProviderError>>,
) -> Vec<Result<(), ProviderError>> {
    let unmade: Vec<Option<ProviderError>> =
        requests.iter().map(|request| request.as_ref().err().cloned()).collect();
    let made: Vec<DeleteRequest> = requests.into_iter().flatten().collect();
    let answers = if made.is_empty() { Vec::new() } else { provider.delete_many(made).await };
    let mut answers = answers.into_iter();
    let unanswered = || Err(invalid("the provider gave no answer".to_owned()).maybe_done());
    let answer = |unmade: Option<ProviderError>| match unmade {
        Some(error) => Err(error),
        None => answers.next().unwrap_or_else(unanswered),
    };
    unmade.into_iter().map(answer).collect()
}

fn deletion(
    schema: &ResourceSchema,
    intent: &Intent,
    progress: Arc<dyn Progress>,
) -> Result<DeleteRequest, ProviderError> {
    let prior = prior(intent)?;
    Ok(DeleteRequest {
        address: intent.address.clone(),
        id: prior.id.clone(),
        attributes: conform::recorded(schema, &prior.attributes),
        progress,
    })
}

fn removed() -> Sent {
    Sent { outcome: Outcome::Removed, note: None }
}

/// The outcome of a creation or an update that gave this object.
pub(crate) fn recorded(
    schema: &ResourceSchema,
    intent: &Intent,
    object: Object,
    arguments: &Value,
) -> Result<Sent, ProviderError> {
    let attributes = conform::attributes(schema, &object.attributes, arguments).map_err(|why| {
        let message = format!("the provider's answer does not fit its own schema: {why}");
        ProviderError::new(ErrorClass::Invalid, message).maybe_done()
    })?;
    let token = match (&intent.action, &intent.prior) {
        (IntentAction::Update, Some(prior)) => prior.token.clone(),
        _ => intent.token.clone(),
    };
    let record = Record { id: object.id, attributes, token, ..record_of(intent) };
    let deposed = deposed(intent, &record.id);
    Ok(Sent { outcome: Outcome::Recorded { record: Box::new(record), deposed }, note: object.note })
}

/// A record that stands for a creation that did not come to its end as far as anybody can tell: tainted, so that the
/// next plan makes it anew and nothing is orphaned. Without an identity of its own, the address stands for it.
pub(crate) fn tainted(schema: &ResourceSchema, intent: &Intent, id: Option<String>) -> Outcome {
    let known = conform::attributes(schema, &intent.request, &intent.request);
    let attributes = known.unwrap_or_else(|_| intent.request.clone());
    let plain = record_of(intent);
    let id = id.unwrap_or_else(|| plain.id.clone());
    let deposed = deposed(intent, &id);
    let record = Record { id, attributes, tainted: true, ..plain };
    Outcome::Recorded { record: Box::new(record), deposed }
}

fn record_of(intent: &Intent) -> Record {
    Record {
        address: intent.address.clone(),
        provider: intent.provider.clone(),
        id: intent.address.to_string(),
        attributes: intent.request.clone(),
        dependencies: intent.dependencies.clone(),
        lifecycle: intent.lifecycle.clone(),
        token: intent.token.clone(),
        generation: intent.generation,
        revision: 0,
        tainted: false,
    }
}

/// A creation over a record is a create-first replacement. Not where it has finished the object that is recorded, which was
/// half made: then nothing is left to delete.
fn deposed(intent: &Intent, made: &str) -> Option<Box<Record>> {
    match intent.action {
        IntentAction::Create => intent.prior.clone().filter(|prior| prior.id != made).map(Box::new),
        _ => None,
    }
}

fn prior(intent: &Intent) -> Result<&Record, ProviderError> {
    intent.prior.as_ref().ok_or_else(|| {
        invalid(format!("the intent for {} holds no record of the object", intent.address))
    })
}

pub(crate) fn invalid(why: String) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, why)
}

/// Which try of an instance's call a token belongs to. An instance has one open intent at a time, so a later
/// try is made only after the one before was settled: it had its effect, it failed for good, or it never happened. Epochs
/// rise with every lease of the environment, so no try ever has the number of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    /// The lease's epoch.
    pub(crate) epoch: u64,
    /// From 1, within the operation.
    pub(crate) number: u32,
}

/// The idempotency token of a call.
pub(crate) fn token(
    lineage: &str,
    address: &Address,
    generation: u64,
    attempt: Try,
    action: IntentAction,
) -> String {
    let action = match action {
        IntentAction::Create => "create",
        IntentAction::Update => "update",
        IntentAction::Delete => "delete",
        IntentAction::DeleteDeposed => "delete-deposed",
    };
    let Try { epoch, number } = attempt;
    let text = format!("{lineage}\0{address}\0{generation}\0{epoch}.{number}\0{action}");
    model::digest::sha256_hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::memory::{Cloud, MemoryProvider};
    use provider::{Owner, Silent};

    fn address(name: &str) -> Address {
        Address::parse(&format!("memory_bucket.{name}")).unwrap()
    }

    async fn bucket(provider: &MemoryProvider, name: &str) -> DeleteRequest {
        let request = CreateRequest {
            address: address(name),
            token: name.to_owned(),
            arguments: Value::object([("name", Value::from(name)), ("label", "l".into())]),
            batch: None,
            progress: Arc::new(Silent),
        };
        let Object { id, attributes, .. } = provider.create(request).await.unwrap();
        DeleteRequest { address: address(name), id, attributes, progress: Arc::new(Silent) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_whose_request_cannot_be_made_fails_alone() {
        let owner = Owner { environment: "test".to_owned(), lineage: "l".to_owned() };
        let provider = MemoryProvider::new(Cloud::new(), owner);
        let (one, other) = (bucket(&provider, "one").await, bucket(&provider, "other").await);
        let broken = || invalid("the intent holds no record".to_owned());
        let requests = vec![Ok(one), Err(broken()), Ok(other)];
        let answers = delete_made(&provider, requests).await;
        assert_eq!(answers, [Ok(()), Err(broken()), Ok(())]);
        assert_eq!(provider.list_owned().await.unwrap(), [], "the others are gone");
        assert_eq!(delete_made(&provider, vec![Err(broken())]).await, [Err(broken())]);
    }
}
