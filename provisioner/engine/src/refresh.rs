//! Refresh: what the recorded objects look like now, read in batches.
//!
//! Invariants: it changes nothing; "absent" is believed only when the object would have to show by now; an error that is no plain "absent" or "unreachable" is a diagnostic, because a
//! plan made in ignorance could delete or duplicate.

use crate::error::provider_diagnostic;
use crate::{Engine, conform, retry};
use futures::StreamExt as _;
use model::event::Event;
use model::graph::ProviderConfig;
use model::plan::{Actual, Observation};
use model::record::{Record, Recorded};
use model::{Address, Diagnostic, Value};
use provider::{ErrorClass, Provider, ProviderError, ReadRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Objects in one call where the provider does not say how many.
const BATCH: usize = 64;
/// Calls at once.
const BATCHES_AT_ONCE: usize = 8;

type Read = (Address, Result<Observation, ProviderError>);

impl Engine {
    /// Reads every recorded object. Takes no lease and writes nothing.
    pub async fn refresh(&self, recorded: &Recorded) -> (Actual, Vec<Diagnostic>) {
        self.ports.records.replace_all(recorded);
        let objects = recorded.records.len();
        let started_ms = self.ports.clock.now_ms();
        self.ports.events.publish(Event::RefreshStarted { objects });
        let mut actual = Actual::new();
        let mut diagnostics = Vec::new();
        for (address, read) in self.read_all(recorded).await {
            match read {
                Ok(observation) => {
                    actual.insert(address, observation);
                }
                Err(error) => diagnostics.push(provider_diagnostic(&error, &address)),
            }
        }
        diagnostics.sort_by(|left, right| left.address.cmp(&right.address));
        let elapsed_ms = self.ports.clock.now_ms().saturating_sub(started_ms);
        self.ports.events.publish(Event::RefreshFinished { objects, elapsed_ms });
        (actual, diagnostics)
    }

    async fn read_all(&self, recorded: &Recorded) -> Vec<Read> {
        let mut by_provider: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in recorded.records.values() {
            by_provider.entry(&record.provider).or_default().push(record);
        }
        let mut reads = Vec::new();
        let mut batches = Vec::new();
        for (key, records) in by_provider {
            let config = config_of(&recorded.providers, key);
            match self.provider(&config, &recorded.lineage) {
                Ok(provider) => {
                    let most = provider.schema().read_together;
                    let most = most.map_or(BATCH, |most| usize::try_from(most).unwrap_or(BATCH));
                    let chunks = records.chunks(most.max(1));
                    batches.extend(chunks.map(|batch| (provider.clone(), batch.to_vec())));
                }
                Err(error) => reads.extend(
                    records.iter().map(|record| (record.address.clone(), Err(error.clone()))),
                ),
            }
        }
        let batches =
            batches.into_iter().map(|(provider, records)| self.read_batch(provider, records));
        let batches: Vec<Vec<Read>> =
            futures::stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).collect().await;
        reads.extend(batches.into_iter().flatten());
        reads
    }

    /// One batch. What failed in passing is read again, a bounded number of times; what does not show, for as long as
    /// its type's objects may take to show.
    async fn read_batch(&self, provider: Arc<dyn Provider>, records: Vec<&Record>) -> Vec<Read> {
        let clock = &self.ports.clock;
        let mut waiting: Vec<Asked<'_>> =
            records.into_iter().map(|record| Asked::new(provider.as_ref(), record)).collect();
        let mut reads = Vec::new();
        let (mut round, started_ms) = (1, clock.now_ms());
        while !waiting.is_empty() {
            let asked_ms = clock.now_ms().saturating_sub(started_ms);
            let requests: Vec<ReadRequest> =
                waiting.iter().map(|asked| asked.request.clone()).collect();
            let mut answers = provider.read_many(&requests).await.into_iter();
            let mut again = Vec::new();
            for mut asked in waiting {
                let answer = answers.next().unwrap_or_else(|| Err(no_answer(asked.address())));
                if asked.is_to_be_asked_again(&answer, asked_ms, self.retry.attempts) {
                    again.push(asked);
                } else {
                    reads
                        .push((asked.address().clone(), asked.conclude(provider.as_ref(), answer)));
                }
            }
            if let Some(first) = again.first() {
                let salt = retry::salt(&first.request.id);
                clock.sleep(self.retry.wait(round, clock.seed() ^ salt)).await;
            }
            round += 1;
            waiting = again;
        }
        reads
    }

    /// Whether the place of an object is out of reach just now.
    pub(crate) async fn is_out_of_reach(
        &self,
        provider: &dyn Provider,
        address: &Address,
        id: &str,
        attributes: &Value,
    ) -> bool {
        let attributes = match conform::resource(provider.schema(), address) {
            Ok(schema) => conform::recorded(schema, attributes),
            Err(_) => return false,
        };
        let request = ReadRequest { address: address.clone(), id: id.to_owned(), attributes };
        let answers = provider.read_many(&[request]).await;
        matches!(answers.first(), Some(Ok(Observation::Unreachable(_))))
    }
}

/// A record that is being read.
struct Asked<'a> {
    record: &'a Record,
    request: ReadRequest,
    /// For how long an object may not show though it is there, in milliseconds.
    settle_ms: u64,
    failures: u32,
}

impl<'a> Asked<'a> {
    fn new(provider: &dyn Provider, record: &'a Record) -> Self {
        let (attributes, settle_ms) = match conform::resource(provider.schema(), &record.address) {
            Ok(schema) => {
                (conform::recorded(schema, &record.attributes), schema.adoption.settle_ms)
            }
            Err(_) => (record.attributes.clone(), 0),
        };
        let (address, id) = (record.address.clone(), record.id.clone());
        Self { record, request: ReadRequest { address, id, attributes }, settle_ms, failures: 0 }
    }

    fn address(&self) -> &Address {
        &self.record.address
    }

    fn is_to_be_asked_again(
        &mut self,
        answer: &Result<Observation, ProviderError>,
        asked_ms: u64,
        attempts: u32,
    ) -> bool {
        match answer {
            Ok(Observation::Absent(_)) => asked_ms < self.settle_ms,
            Ok(_) => false,
            Err(error) => {
                self.failures += 1;
                error.class.is_retryable() && self.failures < attempts
            }
        }
    }

    fn conclude(
        self,
        provider: &dyn Provider,
        answer: Result<Observation, ProviderError>,
    ) -> Result<Observation, ProviderError> {
        match answer? {
            // Half-made objects read as absent. One whose identity is known must go, so it is not given up.
            Observation::Absent(_)
                if self.record.tainted && self.record.id != self.record.address.to_string() =>
            {
                Ok(Observation::Present(self.request.attributes))
            }
            seen => checked(provider, &self.request, seen),
        }
    }
}

/// An observation brought to the schema's types, with the secrets of the schema and of the record marked.
fn checked(
    provider: &dyn Provider,
    request: &ReadRequest,
    observation: Observation,
) -> Result<Observation, ProviderError> {
    let Observation::Present(seen) = observation else {
        return Ok(observation);
    };
    conform::resource(provider.schema(), &request.address)
        .and_then(|schema| conform::attributes(schema, &seen, &request.attributes))
        .map(Observation::Present)
        .map_err(|why| {
            let message = format!("what the provider reads does not fit its own schema: {why}");
            ProviderError::new(ErrorClass::Invalid, message)
        })
}

fn no_answer(address: &Address) -> ProviderError {
    let message = format!("the provider gave no answer about {address}");
    ProviderError::new(ErrorClass::Invalid, message)
}

/// The configuration of that key. A provider without a block of its own has an empty one.
pub(crate) fn config_of(providers: &BTreeMap<String, ProviderConfig>, key: &str) -> ProviderConfig {
    providers.get(key).cloned().unwrap_or_else(|| ProviderConfig {
        name: key.split('.').next().unwrap_or(key).to_owned(),
        arguments: Value::object::<&str>([]),
    })
}
