//! Providers by their configuration, each made once.

use crate::ProviderFactory;
use model::graph::ProviderConfig;
use provider::{Owner, Provider, ProviderError};
use std::sync::{Arc, Mutex, PoisonError};

type Entry = (ProviderConfig, Owner, Arc<dyn Provider>);

/// Configured providers.
#[derive(Default)]
pub(crate) struct Configured(Mutex<Vec<Entry>>);

impl Configured {
    /// The provider of this configuration for this owner.
    pub(crate) fn get(
        &self,
        factory: &dyn ProviderFactory,
        config: &ProviderConfig,
        owner: &Owner,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.iter().find(|(known, whose, _)| {
            known.name == config.name
                && whose == owner
                && known.arguments.same_content(&config.arguments)
        });
        if let Some((_, _, provider)) = known {
            return Ok(provider.clone());
        }
        let provider = factory.configure(config, owner)?;
        entries.push((config.clone(), owner.clone(), provider.clone()));
        Ok(provider)
    }
}
