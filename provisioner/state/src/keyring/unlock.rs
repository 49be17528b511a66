//! The secrets that a run was given to open an environment's keyring with.
//!
//! Refuses to know: the environment of the process (the command line reads it).

use super::wrap::Wrap;
use super::{EnvironmentKey, KeyringError, Opened, Result};
use crate::keys::KeySource;
use model::Sensitive;
use std::sync::{Arc, Mutex, PoisonError};

/// What may open a keyring. A clone remembers what the other opened: a passphrase costs a tenth of a second and 64 MiB.
#[derive(Clone, Debug)]
pub struct Unlock {
    pub(super) passphrase: Option<Sensitive<String>>,
    pub(super) age_identities: Vec<Sensitive<String>>,
    key: KeySource,
    /// The text of the keyring that was opened last, and what was in it.
    opened: Arc<Mutex<Option<(String, Opened)>>>,
}

impl From<KeySource> for Unlock {
    fn from(key: KeySource) -> Self {
        Self::new(key)
    }
}

impl Unlock {
    /// By a key file: one in the user's directory of keys, or what `PROVISIONER_KEY_FILE` names.
    pub fn new(key: KeySource) -> Self {
        Self { passphrase: None, age_identities: Vec::new(), key, opened: Arc::default() }
    }

    /// Also by a passphrase: `PROVISIONER_PASSPHRASE`.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: Sensitive<String>) -> Self {
        self.passphrase = Some(passphrase);
        self
    }

    /// Also by the age identities in a text as `age-keygen` writes it: `PROVISIONER_AGE_IDENTITY` itself, or the content of
    /// the file that `PROVISIONER_AGE_IDENTITY_FILE` names.
    #[must_use]
    pub fn with_age_identities(mut self, text: Sensitive<String>) -> Self {
        self.age_identities.push(text);
        self
    }

    /// Where the key file is, or would be.
    pub fn key_source(&self) -> &KeySource {
        &self.key
    }

    /// The key of a keyring with these ways in; cheap ones are tried first.
    pub(super) fn keyring_key(&self, wraps: &[Wrap], lineage: &str) -> Result<EnvironmentKey> {
        let dear = |wrap: &&Wrap| matches!(wrap, Wrap::Passphrase { .. });
        let mut tried = Vec::new();
        let cheap = wraps.iter().filter(|wrap| !dear(wrap));
        for wrap in cheap.chain(wraps.iter().filter(dear)) {
            match wrap.open(self, lineage) {
                Ok(key) => return Ok(key),
                Err(why) => tried.push((wrap.name(), why)),
            }
        }
        Err(KeyringError::Locked { tried })
    }

    /// What was opened last if it is this text, or else what `open` gives.
    pub(super) fn remembered(
        &self,
        text: &str,
        open: impl FnOnce() -> Result<Opened>,
    ) -> Result<Opened> {
        let mut last = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, opened)) = &*last
            && known == text
        {
            return Ok(opened.clone());
        }
        let opened = open()?;
        *last = Some((text.to_owned(), opened.clone()));
        Ok(opened)
    }
}
