//! Seals what goes to a disk and opens what comes from it; asks for the key only when there is a secret.

use crate::error::StateError;
use crate::keys::{EnvironmentKey, KeySource};
use crate::seal::{self, Nonces, SealError, Sealer};
use serde_json::Value as Json;
use std::sync::OnceLock;

/// The secrets of one environment.
pub struct Vault {
    keys: Option<KeySource>,
    lineage: String,
    /// Check value of the key that the state was made with.
    check: String,
    nonces: Nonces,
    sealer: OnceLock<Sealer>,
}

impl Vault {
    /// Reads the key when it is needed.
    pub fn new(keys: KeySource, lineage: String, check: String, nonces: Nonces) -> Self {
        Self { keys: Some(keys), lineage, check, nonces, sealer: OnceLock::new() }
    }

    /// Has the key already.
    pub fn with_sealer(sealer: Sealer) -> Self {
        let lineage = sealer.lineage().to_owned();
        let (check, nonces) = (String::new(), Nonces::Random);
        Self { keys: None, lineage, check, nonces, sealer: OnceLock::from(sealer) }
    }

    /// The key, proven to be the one the state was made with.
    pub fn key(&self) -> Result<EnvironmentKey, StateError> {
        let missing = || StateError::Key("this store keeps no key file".to_owned());
        let key = self.keys.as_ref().ok_or_else(missing)?.read(&self.lineage)?;
        if key.check_value() == self.check {
            return Ok(key);
        }
        Err(StateError::Key(format!(
            "{} holds another key than the one this state was made with (lineage {}): put a copy of the right key file in its place",
            key.path().display(),
            self.lineage
        )))
    }

    /// The sealer; reads the key file the first time.
    pub fn sealer(&self) -> Result<&Sealer, StateError> {
        if let Some(sealer) = self.sealer.get() {
            return Ok(sealer);
        }
        let sealer = self.key()?.sealer(&self.lineage).with_nonces(self.nonces.clone());
        Ok(self.sealer.get_or_init(|| sealer))
    }

    /// The JSON with its sensitive parts sealed.
    pub fn seal(&self, json: Json, place: &str) -> Result<Json, StateError> {
        if !seal::has_tag(&json, "$sensitive") {
            return Ok(json);
        }
        seal::seal_json(&json, self.sealer()?, place).map_err(|e| StateError::Key(e.to_string()))
    }

    /// The JSON with its sealed parts opened. The inner error says that they do not open with the right key.
    pub fn open(&self, json: Json, place: &str) -> Result<Result<Json, SealError>, StateError> {
        if !seal::has_tag(&json, "$sealed") {
            return Ok(Ok(json));
        }
        Ok(seal::open_json(&json, self.sealer()?, place))
    }
}
