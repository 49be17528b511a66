//! What a new environment is made with: its lineage, and its key in the user's key file or a keyring.
//!
//! Refuses to know: requests.

use crate::replica::Reading;
use state::keyring::Keyring;
use state::keys::KeySource;
use state::{Identity, StateError};
use std::path::PathBuf;

/// A new environment before its first segment stands.
pub struct Birth {
    identity: Identity,
    /// The key file, if it was made for this.
    made: Option<PathBuf>,
}

impl Birth {
    /// Makes lineage and key.
    pub fn new(reading: &Reading) -> Result<Self, StateError> {
        let lineage = reading.remote.chance().name();
        let (key_check, keyring, made) = if reading.ways.is_empty() {
            let keys = reading.unlock.key_source();
            let key = keys.create(&lineage)?;
            let made = matches!(keys, KeySource::Directory(_)).then(|| key.path().to_owned());
            (key.check_value(), None, made)
        } else {
            let keyring = Keyring::create(&lineage, &reading.ways)?;
            (keyring.origin().to_owned(), Some(keyring.text()), None)
        };
        let environment = reading.environment.clone();
        let identity = Identity { environment, lineage, key_check, keyring };
        Ok(Self { identity, made })
    }

    /// What the environment is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Another program made the environment: this lineage never came to be, and its key goes.
    pub fn discard(self) {
        if let Some(path) = self.made {
            // A key of nothing is harmless.
            let _ = std::fs::remove_file(path);
        }
    }
}
