//! Looking things up: data sources, and objects that are imported.
//!
//! Data sources are read in batches while a plan is made, or one by one while it runs.
//!
//! Invariant: it changes nothing. What fails in passing is asked again, a bounded number of times.
//! Refuses to know: what the answers are for.

use crate::error::provider_diagnostic;
use crate::refresh::config_of;
use crate::{Clock, ProviderFactory, RetryPolicy, conform, retry};
use model::graph::{Import, Instance, Lifecycle, ProviderConfig};
use model::plan::Adopted;
use model::record::Record;
use model::{Address, Data, Diagnostic, Value};
use planner::Question;
use provider::{DataRequest, ErrorClass, ImportRequest, Object, Owner, Provider, ProviderError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Objects in one call.
const BATCH: usize = 64;

/// Who is asked, and how.
pub struct Lookups<'a> {
    /// The providers.
    pub factory: &'a dyn ProviderFactory,
    /// Their configurations by key.
    pub providers: &'a BTreeMap<String, ProviderConfig>,
    /// For whom.
    pub owner: Owner,
    /// Time.
    pub clock: &'a dyn Clock,
}

impl Lookups<'_> {
    /// The records that imports will make, and what their providers say of them; an error for each object that is not
    /// there. `instances` are those that the configuration has.
    pub async fn import(
        &self,
        imports: &[Import],
        instances: &[Instance],
    ) -> Result<(Vec<Adopted>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (mut adopted, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (key, wanted) in by_provider(imports) {
            let provider = match self.provider(key) {
                Ok(provider) => provider,
                Err(error) => {
                    errors.extend(
                        wanted.iter().map(|one| at(one, provider_diagnostic(&error, &one.address))),
                    );
                    continue;
                }
            };
            for batch in wanted.chunks(BATCH) {
                for (import, answer) in self.ask(provider.as_ref(), batch, instances).await {
                    match recorded(provider.as_ref(), import, answer) {
                        Ok((record, note)) => {
                            adopted.push(Adopted { record, deposed: false, imported: true });
                            notes.extend(note);
                        }
                        Err(diagnostic) => errors.push(*diagnostic),
                    }
                }
            }
        }
        if errors.is_empty() { Ok((adopted, notes)) } else { Err(errors) }
    }

    /// What data sources say, by address; and an error for each that cannot be read.
    pub async fn read(
        &self,
        questions: &[Question],
    ) -> (BTreeMap<Address, Value>, Vec<Diagnostic>) {
        let (mut answers, mut errors) = (BTreeMap::new(), Vec::new());
        let mut by_provider: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
        for question in questions {
            by_provider.entry(&question.provider).or_default().push(question);
        }
        for (key, questions) in by_provider {
            let provider = self.provider(key);
            for batch in questions.chunks(BATCH) {
                let wanted: Vec<_> =
                    batch.iter().map(|it| (&it.address, it.arguments.clone())).collect();
                let read = match &provider {
                    Ok(provider) => read_data(provider.as_ref(), &wanted, self.clock).await,
                    Err(error) => {
                        wanted.iter().map(|(address, _)| (*address, Err(error.clone()))).collect()
                    }
                };
                for (address, answer) in read {
                    let question = batch.iter().find(|question| question.address == *address);
                    match (answer, question) {
                        (Ok(value), _) => drop(answers.insert(address.clone(), value)),
                        (Err(error), None) => errors.push(provider_diagnostic(&error, address)),
                        (Err(error), Some(question)) => errors.push(
                            crate::without_secrets(
                                provider_diagnostic(&error, address),
                                &question.arguments,
                            )
                            .with_label(question.span.clone(), "read here"),
                        ),
                    }
                }
            }
        }
        (answers, errors)
    }

    fn provider(&self, key: &str) -> Result<std::sync::Arc<dyn Provider>, ProviderError> {
        self.factory.configure(&config_of(self.providers, key), &self.owner)
    }

    async fn ask<'i>(
        &self,
        provider: &dyn Provider,
        batch: &[&'i Import],
        instances: &[Instance],
    ) -> Vec<(&'i Import, Result<Option<Object>, ProviderError>)> {
        let mut asking = Asking::of(batch.to_vec());
        loop {
            let request = |import: &&Import| ImportRequest {
                address: import.address.clone(),
                id: import.id.clone(),
                arguments: configured(provider, &import.address, instances),
            };
            let requests: Vec<_> = asking.waiting.iter().map(request).collect();
            let answers = provider.import(&requests).await;
            match asking.take(answers, self.clock.seed(), |import| retry::salt(&import.id)) {
                Some(wait) => self.clock.sleep(wait).await,
                None => return asking.answered,
            }
        }
    }
}

/// Questions of which those that fail in passing are asked again, a bounded number of times.
struct Asking<Q, A> {
    waiting: Vec<Q>,
    answered: Vec<(Q, Result<A, ProviderError>)>,
    attempt: u32,
}

impl<Q, A> Asking<Q, A> {
    fn of(waiting: Vec<Q>) -> Self {
        Self { waiting, answered: Vec::new(), attempt: 1 }
    }

    /// Takes the answers to what waits, in its order; how long to wait before what still waits is asked again.
    fn take(
        &mut self,
        answers: Vec<Result<A, ProviderError>>,
        seed: u64,
        salt: impl Fn(&Q) -> u64,
    ) -> Option<Duration> {
        let policy = RetryPolicy::default();
        let mut answers = answers.into_iter();
        for question in std::mem::take(&mut self.waiting) {
            let unanswered = || Err(ProviderError::new(ErrorClass::Invalid, "no answer"));
            match answers.next().unwrap_or_else(unanswered) {
                Err(error) if error.class.is_retryable() && self.attempt < policy.attempts => {
                    self.waiting.push(question);
                }
                answer => self.answered.push((question, answer)),
            }
        }
        let wait = policy.wait(self.attempt, seed ^ salt(self.waiting.first()?));
        self.attempt += 1;
        Some(wait)
    }
}

fn by_provider(imports: &[Import]) -> BTreeMap<&str, Vec<&Import>> {
    let mut sorted: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    for import in imports {
        sorted.entry(&import.provider).or_default().push(import);
    }
    sorted
}

/// Reads data sources of one provider; what fails in passing again, a bounded number of times.
pub(crate) async fn read_data<'q>(
    provider: &dyn Provider,
    wanted: &[(&'q Address, Value)],
    clock: &dyn Clock,
) -> Vec<(&'q Address, Result<Value, ProviderError>)> {
    let mut asking = Asking::of(wanted.to_vec());
    loop {
        let request = |(address, arguments): &(&Address, Value)| DataRequest {
            address: (*address).clone(),
            arguments: arguments.clone(),
        };
        let requests: Vec<_> = asking.waiting.iter().map(request).collect();
        let answers = provider.read_data(&requests).await;
        let salt = |(address, _): &(&Address, Value)| retry::salt(&address.to_string());
        let Some(wait) = asking.take(answers, clock.seed(), salt) else { break };
        clock.sleep(wait).await;
    }
    let fitting = |((address, _), answer): ((&'q Address, Value), Result<Value, _>)| {
        (address, answer.and_then(|value| found(provider, address, &value)))
    };
    asking.answered.into_iter().map(fitting).collect()
}

fn found(
    provider: &dyn Provider,
    address: &Address,
    value: &Value,
) -> Result<Value, ProviderError> {
    let schema = provider.schema().data.get(address.kind());
    let fits = schema.map(|schema| conform::found(schema, value));
    let fits = fits.unwrap_or_else(|| Err("it declares no such data source".to_owned()));
    fits.map_err(|why| {
        let message = format!("what the provider reads does not fit its own schema: {why}");
        ProviderError::new(ErrorClass::Invalid, message)
    })
}

/// The arguments of an instance, as far as they are known.
fn configured(provider: &dyn Provider, address: &Address, instances: &[Instance]) -> Value {
    let instance = instances.iter().find(|instance| instance.address == *address);
    let given = instance.map(|instance| &instance.arguments);
    let known = given.map(|given| {
        given.map_leaves(&mut |leaf| match leaf.data() {
            Data::Unknown(_) => Value::null(leaf.ty()),
            _ => leaf.clone(),
        })
    });
    let known = known.unwrap_or_else(|| Value::object::<&str>([]));
    let fitting = conform::resource(provider.schema(), address)
        .and_then(|schema| conform::arguments(schema, &known));
    // What does not fit is told where it is written.
    fitting.unwrap_or(known)
}

/// The record of an imported object, and what the provider says of the object.
fn recorded(
    provider: &dyn Provider,
    import: &Import,
    answer: Result<Option<Object>, ProviderError>,
) -> Result<(Record, Option<Diagnostic>), Box<Diagnostic>> {
    let Import { address, provider: key, id, .. } = import;
    let failed = |diagnostic: Diagnostic| Box::new(at(import, diagnostic));
    let object = match answer {
        Ok(Some(object)) => object,
        Ok(None) => {
            let summary = format!(
                "{address} cannot be imported: there is no `{}` with the id `{id}`",
                address.kind()
            );
            let diagnostic = Diagnostic::error("import-missing", summary)
                .with_hint("look up the id where the object is; without the block, apply makes a new object")
                .about(address);
            return Err(failed(diagnostic));
        }
        Err(error) => return Err(failed(provider_diagnostic(&error, address))),
    };
    let nothing = Value::object::<&str>([]);
    let attributes = conform::resource(provider.schema(), address)
        .and_then(|schema| conform::attributes(schema, &object.attributes, &nothing))
        .map_err(|why| {
            let summary =
                format!("what the provider reads of {address} does not fit its own schema: {why}");
            failed(Diagnostic::error("unfit-attributes", summary).about(address))
        })?;
    let note = object.note.map(|note| {
        let warning = Diagnostic::warning("import-note", format!("{address} is imported: {note}"));
        at(import, warning.about(address))
    });
    let record = Record {
        address: address.clone(),
        provider: key.clone(),
        id: object.id,
        attributes,
        dependencies: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        token: String::new(),
        generation: 1,
        revision: 0,
        tainted: false,
    };
    Ok((record, note))
}

fn at(import: &Import, diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.with_label(import.span.clone(), "imported here")
}
