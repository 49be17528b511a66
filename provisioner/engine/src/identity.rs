//! Whose the clouds are that a plan changes.
//!
//! Invariant: a plan that was made for one account or region is never run against another, whatever the credentials and
//! settings around the program are by then.

use crate::error::provider_diagnostic;
use crate::executor::fit;
use crate::refresh::config_of;
use crate::{ApplyError, Engine, ProviderFactory};
use model::graph::ProviderConfig;
use model::plan::{CloudIdentity, Plan};
use model::{Address, Data, Diagnostic, Value};
use provider::{Owner, Provider, ProviderError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One address of each provider configuration that operations change something with.
fn used(plan: &Plan) -> BTreeMap<&str, &Address> {
    let changing = plan.operations.iter().filter(|operation| !operation.address.is_data());
    changing.map(|operation| (operation.provider.as_str(), &operation.address)).collect()
}

/// Whose the clouds are that the plan's operations change.
pub async fn identities(
    plan: &Plan,
    factory: &dyn ProviderFactory,
    owner: &Owner,
) -> Result<BTreeMap<String, CloudIdentity>, Vec<Diagnostic>> {
    asked(plan, |key| factory.configure(&config_of(&plan.providers, key), owner)).await
}

/// A provider configuration that means the same objects wherever and whenever it is used.
#[derive(Clone, Debug)]
pub struct Lasting {
    /// With all spelled out that it leaves to what is around the program.
    pub config: ProviderConfig,
    /// Where its objects are, whoever asks: a region and an account, a directory ([`Provider::surroundings`]).
    pub place: BTreeMap<String, Value>,
}

/// Provider configurations, by the keys that these have, as they are kept for long. Each key comes with an instance that errors are
/// about.
pub async fn lasting(
    keys: &BTreeMap<&str, &Address>,
    providers: &BTreeMap<String, ProviderConfig>,
    factory: &dyn ProviderFactory,
    owner: &Owner,
) -> Result<BTreeMap<String, Lasting>, Vec<Diagnostic>> {
    let (mut found, mut errors) = (BTreeMap::new(), Vec::new());
    for (key, address) in keys {
        let config = config_of(providers, key);
        let around = match factory.configure(&config, owner) {
            Ok(provider) => provider.surroundings().await,
            Err(error) => Err(error),
        };
        match around {
            Ok(place) => {
                let config = spelled_out(config, &place);
                found.insert((*key).to_owned(), Lasting { config, place });
            }
            Err(error) => errors.push(provider_diagnostic(&error, address)),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// An argument by which two provider configurations mean other objects here and now; none if they mean the same.
pub async fn differing(
    left: (&ProviderConfig, &Owner),
    right: (&ProviderConfig, &Owner),
    factory: &dyn ProviderFactory,
) -> Result<Option<String>, ProviderError> {
    let around = async |(config, owner): (&ProviderConfig, &Owner)| {
        factory.configure(config, owner)?.surroundings().await
    };
    let (left, right) = (around(left).await?, around(right).await?);
    let differs = |(name, value): (&String, &Value)| {
        let other = right.get(name).is_some_and(|other| other.same_content(value));
        (!other).then(|| name.clone())
    };
    Ok(left.iter().find_map(differs))
}

fn spelled_out(config: ProviderConfig, around: &BTreeMap<String, Value>) -> ProviderConfig {
    let mut arguments = config.arguments.as_entries().cloned().unwrap_or_default();
    for (name, value) in around {
        if arguments.get(name).is_none_or(Value::is_null) {
            arguments.insert(Arc::from(name.as_str()), value.clone());
        }
    }
    ProviderConfig { arguments: Data::Object(Arc::new(arguments)).into(), ..config }
}

async fn asked(
    plan: &Plan,
    configured: impl Fn(&str) -> Result<Arc<dyn Provider>, ProviderError>,
) -> Result<BTreeMap<String, CloudIdentity>, Vec<Diagnostic>> {
    let (mut found, mut errors) = (BTreeMap::new(), Vec::new());
    for (key, address) in used(plan) {
        let identity = match configured(key) {
            Ok(provider) => provider.identity().await,
            Err(error) => Err(error),
        };
        match identity {
            Ok(identity) => found.extend(identity.map(|identity| (key.to_owned(), identity))),
            Err(error) => errors.push(provider_diagnostic(&error, address)),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

impl Engine {
    /// Refuses to begin the rollout of a saved plan that does not fit what is recorded now, or that was made for other
    /// accounts or regions.
    ///
    /// # Errors
    /// What does not fit, as when a plan is run.
    pub async fn check_beginning(&self, plan: &Plan) -> Result<(), ApplyError> {
        let recorded = self.load().await?;
        fit::begins(plan, &recorded, &self.environment)?;
        self.check_identities(plan, &recorded.lineage).await
    }

    /// Refuses a plan that was made for other accounts or regions than its operations would change now.
    pub(crate) async fn check_identities(
        &self,
        plan: &Plan,
        lineage: &str,
    ) -> Result<(), ApplyError> {
        if plan.identities.is_empty() {
            return Ok(());
        }
        let provider = |key: &str| self.provider(&config_of(&plan.providers, key), lineage);
        let now = asked(plan, provider).await.map_err(ApplyError::Illegal)?;
        for (key, planned) in &plan.identities {
            let Some(found) = now.get(key) else { continue };
            if (&found.account, &found.region) != (&planned.account, &planned.region) {
                let of = |it: &CloudIdentity| format!("{} in {}", it.account, it.region);
                let why = format!(
                    "`{key}` was {} when it was made and is {} now",
                    of(planned),
                    of(found)
                );
                return Err(ApplyError::Foreign(why));
            }
        }
        Ok(())
    }
}
