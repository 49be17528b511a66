//! The sweep: objects in the clouds that carry this environment's mark and that the state does not know.
//!
//! They are what the other safeguards did not prevent: a state that was lost or restored, a cloud that makes more than it
//! was asked for. Invariants: it changes nothing; what a run may be working on is left out; what is told was there when it
//! was read, since listings show deleted objects for a while. Refuses to know: what becomes of a stray.

use crate::refresh::config_of;
use crate::{Engine, conform, retry};
use futures::StreamExt as _;
use model::graph::{Instance, ProviderConfig};
use model::plan::{Adopted, Observation, Plan, Stray};
use model::record::{Record, Recorded};
use model::{Address, Diagnostic, Value};
use provider::{Owned, Provider, ProviderError, ReadRequest};
use state::{LeaseInfo, StateError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Providers searched at once.
const AT_ONCE: usize = 8;

/// What a provider configuration owns, by its key.
type Listed = (String, Arc<dyn Provider>, Vec<Owned>);

impl Engine {
    /// Searches the clouds of the recorded provider configurations and of these. Takes no lease. What could not be
    /// searched is a warning.
    pub async fn sweep(
        &self,
        recorded: &Recorded,
        providers: &BTreeMap<String, ProviderConfig>,
    ) -> Result<(Vec<Stray>, Vec<Diagnostic>), StateError> {
        let configs = configs(recorded, providers);
        let lists = configs.into_iter().map(|(key, config)| {
            let provider = self.provider(&config, &recorded.lineage);
            async move { (key.clone(), self.list(key, provider).await) }
        });
        let lists: Vec<(String, Result<Listed, ProviderError>)> =
            futures::stream::iter(lists).buffered(AT_ONCE).collect().await;
        let (mut found, mut diagnostics) = (Vec::new(), Vec::new());
        for (key, list) in lists {
            match list {
                Ok(list) => found.push(list),
                Err(error) => diagnostics.push(not_searched(&key, &error)),
            }
        }
        if found.iter().all(|(_, _, owned)| owned.is_empty()) {
            return Ok((Vec::new(), diagnostics));
        }
        // Read after the listing: what a run made meanwhile is in there.
        let now = self.ports.store.load().await?;
        let leases = self.ports.store.leases().await?;
        let known = Known::new([recorded, &now], &leases);
        let (mut strays, mut told) = (Vec::new(), BTreeSet::new());
        for (key, provider, owned) in found {
            for owned in owned {
                let is_new = told.insert((provider.schema().name.clone(), kind_and_id(&owned)));
                if is_new
                    && !known.has(&key, &owned)
                    && let Some(stray) = stray(&key, provider.as_ref(), owned).await
                {
                    strays.push(stray);
                }
            }
        }
        strays.sort_by(|left, right| (&left.address, &left.id).cmp(&(&right.address, &right.id)));
        Ok((strays, diagnostics))
    }

    async fn list(
        &self,
        key: String,
        provider: Result<Arc<dyn Provider>, ProviderError>,
    ) -> Result<Listed, ProviderError> {
        let provider = provider?;
        let mut attempt = 1;
        loop {
            match provider.list_owned().await {
                Ok(owned) => return Ok((key, provider, owned)),
                Err(error) if error.class.is_retryable() && attempt < self.retry.attempts => {
                    let wait =
                        self.retry.wait(attempt, self.ports.clock.seed() ^ retry::salt(&key));
                    self.ports.clock.sleep(wait).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Every configuration once, whatever keys it has.
fn configs(
    recorded: &Recorded,
    providers: &BTreeMap<String, ProviderConfig>,
) -> Vec<(String, ProviderConfig)> {
    let begun = recorded.unfinished.iter().map(|open| {
        let config = open.provider_config.clone();
        let is_old = config.name.is_empty();
        let key = open.provider.clone();
        let config = if is_old { config_of(&BTreeMap::new(), &key) } else { config };
        (key, config)
    });
    let named = providers.iter().chain(&recorded.providers);
    let named = named.map(|(key, config)| (key.clone(), config.clone()));
    let mut distinct: Vec<(String, ProviderConfig)> = Vec::new();
    for (key, config) in named.chain(begun) {
        let is_same = |(_, other): &(String, ProviderConfig)| {
            other.name == config.name && other.arguments.same_content(&config.arguments)
        };
        if !distinct.iter().any(is_same) {
            distinct.push((key, config));
        }
    }
    distinct
}

fn not_searched(key: &str, error: &ProviderError) -> Diagnostic {
    let summary =
        format!("provider `{key}` could not be searched for objects that the state does not know");
    let hint = "nothing that is recorded is affected; plan again to search again";
    Diagnostic::warning("not-searched", summary).with_detail(error.to_string()).with_hint(hint)
}

fn kind_and_id(owned: &Owned) -> (String, String) {
    (owned.address.kind().to_owned(), owned.id.clone())
}

/// What is no stray.
struct Known<'a> {
    /// Provider, resource type and identity of recorded objects; an address can be moved, so it does not count.
    objects: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Creations that stand in the state without the identity of what they made.
    tokens: BTreeSet<&'a str>,
    /// Instances about which something may be under way.
    open: BTreeSet<&'a Address>,
    leases: &'a [LeaseInfo],
}

impl<'a> Known<'a> {
    fn new(states: [&'a Recorded; 2], leases: &'a [LeaseInfo]) -> Self {
        let records = || states.into_iter().flat_map(|it| it.records.values().chain(&it.deposed));
        let unfinished = || states.into_iter().flat_map(|it| &it.unfinished);
        let object = |record: &'a Record| {
            (name_of(&record.provider), record.address.kind(), record.id.as_str())
        };
        let nameless = records().filter(|it| it.tainted && it.id == it.address.to_string());
        let tokens = nameless.map(|record| record.token.as_str());
        Self {
            objects: records().map(object).collect(),
            tokens: tokens.chain(unfinished().map(|open| open.token.as_str())).collect(),
            open: unfinished().map(|open| &open.address).collect(),
            leases,
        }
    }

    fn has(&self, key: &str, owned: &Owned) -> bool {
        let object = (name_of(key), owned.address.kind(), owned.id.as_str());
        self.objects.contains(&object)
            || self.tokens.contains(owned.token.as_str())
            || self.open.contains(&owned.address)
            || self.leases.iter().any(|lease| lease.scope.covers(&owned.address))
    }
}

fn name_of(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// The object as it is; none if it is not there any more.
async fn stray(key: &str, provider: &dyn Provider, owned: Owned) -> Option<Stray> {
    let Owned { address, id, token, object } = owned;
    let schema = conform::resource(provider.schema(), &address);
    let attributes = match object {
        // A read says of what is half made that it is absent.
        None => None,
        Some(object) => {
            let listed = object.attributes;
            let request = ReadRequest {
                address: address.clone(),
                id: id.clone(),
                attributes: listed.clone(),
            };
            match provider.read_many(&[request]).await.pop() {
                Some(Ok(Observation::Absent(_))) => return None,
                Some(Ok(Observation::Present(seen))) => Some(seen),
                _ => Some(listed),
            }
        }
    };
    let attributes = attributes.map(|seen| match &schema {
        Ok(schema) => conform::attributes(schema, &seen, &seen).unwrap_or(seen),
        Err(_) => seen,
    });
    Some(Stray { address, provider: key.to_owned(), id, token, attributes })
}

/// What a stray becomes in the state: the record of its instance, or, `deposed`, an object that the next apply deletes.
/// An instance that is recorded already can only have it deposed, and so can one whose object is half made.
pub fn adopted(stray: &Stray, desired: Option<&Instance>, deposed: bool) -> Adopted {
    let attributes = stray.attributes.clone().unwrap_or_else(|| Value::object::<&str>([]));
    let record = Record {
        address: stray.address.clone(),
        provider: stray.provider.clone(),
        id: stray.id.clone(),
        tainted: stray.attributes.is_none(),
        attributes,
        dependencies: desired.map(Instance::dependencies).unwrap_or_default(),
        lifecycle: desired.map(|it| it.lifecycle.clone()).unwrap_or_default(),
        token: stray.token.clone(),
        generation: 1,
        revision: 0,
    };
    Adopted { record, deposed, imported: false }
}

/// The plan that records these before all else; it was made from [`with_adopted`] of the same.
pub fn adopting(mut plan: Plan, recorded: &Recorded, adopted: Vec<Adopted>) -> Plan {
    for Adopted { record, imported, .. } in &adopted {
        let change = plan.changes.iter_mut().find(|change| change.address == record.address);
        if let Some(change) = change.filter(|_| *imported) {
            change.importing = Some(record.id.clone());
        }
        let known = recorded.records.get(&record.address);
        plan.base_revisions.insert(record.address.clone(), known.map_or(0, |known| known.revision));
    }
    plan.adopted.extend(adopted);
    plan
}

/// The state as it will be when these are recorded: what a plan that adopts them is made from.
pub fn with_adopted(recorded: &Recorded, adopted: &[Adopted]) -> Recorded {
    let mut known = recorded.clone();
    for Adopted { record, deposed, .. } in adopted {
        if *deposed {
            known.deposed.push(record.clone());
        } else {
            known.records.insert(record.address.clone(), record.clone());
        }
    }
    known
}
