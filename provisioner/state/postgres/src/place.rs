//! One environment in one database: what every connection of a store shares.
//!
//! Refuses to know: connections, rules.

use crate::schema::Schema;
use crate::tls::Connector;
use state::keyring::{NewWrap, Unlock};
use state::rows::Codec;
use state::vault::{Secrets, Vault};
use state::{Identity, StateError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Where a store reads and writes.
pub struct Place {
    pub config: tokio_postgres::Config,
    pub connector: Connector,
    pub schema: Schema,
    pub environment: String,
    pub unlock: Unlock,
    pub secrets: Secrets,
    /// Ways into the keyring of an environment that is made now; a key file and no keyring if there are none.
    pub ways: Vec<NewWrap>,
    /// Whether the server is not asked to prove who it is.
    pub unproven: bool,
    /// For people: no user, no password.
    pub shown: String,
    /// How long a write is tried again after the connection broke.
    pub patience: Duration,
    /// The vault of the environment as it was seen last: opening keys costs time.
    pub vault: Mutex<Option<(Identity, Arc<Vault>)>>,
}

impl Place {
    /// What seals and opens for the environment.
    pub fn vault(&self, identity: &Identity) -> Arc<Vault> {
        let mut known = self.vault.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, vault)) = &*known
            && of == identity
        {
            return vault.clone();
        }
        let vault = Arc::new(self.vault_with(identity, identity.keyring.clone()));
        *known = Some((identity.clone(), vault.clone()));
        vault
    }

    /// The same with another keyring.
    pub fn vault_with(&self, identity: &Identity, keyring: Option<String>) -> Vault {
        let (lineage, check) = (identity.lineage.clone(), identity.key_check.clone());
        let (unlock, secrets) = (self.unlock.clone(), self.secrets);
        Vault::unlocked_by(unlock, keyring, secrets, lineage, check)
    }

    pub fn codec<'a>(&'a self, vault: &'a Vault) -> Codec<'a> {
        Codec { place: &self.shown, vault }
    }
}

/// Does what takes a while, or waits for a disk, off the asynchronous threads.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let stopped = |_| StateError::Illegal("a thread of the store has stopped".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}
