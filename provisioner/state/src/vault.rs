//! Seals what goes to a disk and opens what comes from it; asks for the keys only when there is a secret.
//!
//! Refuses to know: where a keyring's text is kept, how it is wrapped.

use crate::error::StateError;
use crate::keyring::{Keyring, KeyringError, Unlock};
use crate::keys::{EnvironmentKey, Keys};
use crate::seal::{self, Nonces, SealError, Sealer};
use serde_json::Value as Json;
use std::sync::OnceLock;

/// How sensitive values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Sealed, or not at all.
    #[default]
    Sealed,
    /// As they are: the configuration says `environment { secrets { encryption = "none" } }`.
    Clear,
}

/// The secrets of one environment.
pub struct Vault {
    unlock: Option<Unlock>,
    /// The keyring's text; without one, the key file is the one key.
    keyring: Option<String>,
    lineage: String,
    /// Check value of the key that the state was made with.
    check: String,
    nonces: Nonces,
    secrets: Secrets,
    sealer: OnceLock<Sealer>,
}

impl Vault {
    /// Opens the keyring, or reads the key file if there is no keyring, when it is needed. Writes sensitive values as
    /// `secrets` says, and reads both kinds either way.
    pub fn unlocked_by(
        unlock: Unlock,
        keyring: Option<String>,
        secrets: Secrets,
        lineage: String,
        check: String,
    ) -> Self {
        let (unlock, nonces, sealer) = (Some(unlock), Nonces::Random, OnceLock::new());
        Self { unlock, keyring, lineage, check, nonces, secrets, sealer }
    }

    pub(crate) fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = nonces;
        self
    }

    /// Has the key already.
    pub fn with_sealer(sealer: Sealer) -> Self {
        Self {
            unlock: None,
            keyring: None,
            lineage: sealer.lineage().to_owned(),
            check: String::new(),
            nonces: Nonces::Random,
            secrets: Secrets::Sealed,
            sealer: OnceLock::from(sealer),
        }
    }

    /// Every generation of keys, proven to be of this state.
    pub fn keys(&self) -> Result<Keys, StateError> {
        let missing = || StateError::Key("this store keeps no key file".to_owned());
        let unlock = self.unlock.as_ref().ok_or_else(missing)?;
        let Some(text) = &self.keyring else {
            return Ok(Keys::sole(self.key_file(unlock)?));
        };
        let keyring = Keyring::parse(text)?;
        let foreign = |what: &str| Err(KeyringError::Foreign { what: what.to_owned() }.into());
        if keyring.lineage() != self.lineage {
            return foreign("its lineage");
        }
        if keyring.origin() != self.check {
            return foreign("the first key");
        }
        Ok(keyring.unlock(unlock)?)
    }

    fn key_file(&self, unlock: &Unlock) -> Result<EnvironmentKey, StateError> {
        let file = unlock.key_source().read(&self.lineage)?;
        if file.check_value() == self.check {
            return Ok(file.key().clone());
        }
        Err(StateError::Key(format!(
            "{} holds another key than the one this state was made with (lineage {}): put a copy of the right key file in its place",
            file.path().display(),
            self.lineage
        )))
    }

    /// The key that the login to the nodes comes from, proven to be of this state.
    pub fn key(&self) -> Result<EnvironmentKey, StateError> {
        Ok(self.keys()?.login().clone())
    }

    /// The sealer; opens the keys the first time.
    pub fn sealer(&self) -> Result<&Sealer, StateError> {
        if let Some(sealer) = self.sealer.get() {
            return Ok(sealer);
        }
        let sealer = self.keys()?.sealer(&self.lineage).with_nonces(self.nonces.clone());
        Ok(self.sealer.get_or_init(|| sealer))
    }

    /// The JSON with its sensitive parts sealed, unless they are kept in clear.
    pub fn seal(&self, json: Json, place: &str) -> Result<Json, StateError> {
        if self.secrets == Secrets::Clear || !seal::has_tag(&json, "$sensitive") {
            return Ok(json);
        }
        let sealer = self.sealer().map_err(unsealed)?;
        seal::seal_json(&json, sealer, place).map_err(|e| StateError::Key(e.to_string()))
    }

    /// The JSON with its sealed parts opened. The inner error says that they do not open with the right key.
    pub fn open(&self, json: Json, place: &str) -> Result<Result<Json, SealError>, StateError> {
        if !seal::has_tag(&json, "$sealed") {
            return Ok(Ok(json));
        }
        Ok(seal::open_json(&json, self.sealer()?, place))
    }
}

/// Why a sensitive value is not written: there is no way to the key.
fn unsealed(error: StateError) -> StateError {
    match error {
        StateError::Key(why) => StateError::Key(format!(
            "a sensitive value is not stored in clear, and to seal it a key is needed: {why}. \
             (To store sensitive values in clear, say so: `environment {{ secrets {{ encryption = \"none\" }} }}`.)"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::NewWrap;
    use crate::keys::KeySource;
    use serde_json::json;

    const LINEAGE: &str = "00112233445566778899aabbccddeeff";

    fn vault(unlock: &Unlock, keyring: Option<&Keyring>, secrets: Secrets, check: &str) -> Vault {
        let text = keyring.map(Keyring::text);
        let (lineage, check) = (LINEAGE.to_owned(), check.to_owned());
        Vault::unlocked_by(unlock.clone(), text, secrets, lineage, check)
    }

    #[test]
    fn records_of_before_the_keyring_and_of_every_generation_open() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::Directory(directory.path().join("keys"));
        let file = source.create(LINEAGE).unwrap();
        let (check, unlock) = (file.check_value(), Unlock::new(source));
        let secret = json!({ "a": { "$sensitive": "canary" } });
        let before = vault(&unlock, None, Secrets::Sealed, &check);
        let mut written = vec![before.seal(secret.clone(), "here").unwrap()];
        let ways = [NewWrap::KeyFile(file.key().clone())];
        let mut keyring = Keyring::around(file.key().clone(), LINEAGE, &ways).unwrap();
        for _ in 0..3 {
            let now = vault(&unlock, Some(&keyring), Secrets::Sealed, &check);
            written.push(now.seal(secret.clone(), "here").unwrap());
            assert!(!written.last().unwrap().to_string().contains("canary"));
            for sealed in &written {
                assert_eq!(now.open(sealed.clone(), "here").unwrap().unwrap(), secret);
            }
            assert_eq!(now.key().unwrap(), *file.key(), "the login stays");
            keyring = keyring.rotated(&unlock).unwrap();
        }
        let old = before.open(written[3].clone(), "here").unwrap().unwrap_err().to_string();
        assert!(old.contains("k3") && old.contains("here/a"), "{old}");
    }

    #[test]
    fn without_a_key_nothing_is_written_in_clear_unless_told_so() {
        let nowhere = Unlock::new(KeySource::Directory("/nonexistent".into()));
        let secret = json!({ "$sensitive": "canary" });
        let sealed = vault(&nowhere, None, Secrets::Sealed, "");
        let error = sealed.seal(secret.clone(), "here").unwrap_err().to_string();
        assert!(error.contains("encryption = \"none\"") && !error.contains("canary"), "{error}");
        assert_eq!(sealed.seal(json!("plain"), "here").unwrap(), json!("plain"));
        let clear = vault(&nowhere, None, Secrets::Clear, "");
        assert_eq!(clear.seal(secret.clone(), "here").unwrap(), secret);
        assert_eq!(clear.open(secret.clone(), "here").unwrap().unwrap(), secret);
    }

    #[test]
    fn what_was_sealed_is_read_when_told_to_write_in_clear() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::Directory(directory.path().join("keys"));
        let check = source.create(LINEAGE).unwrap().check_value();
        let unlock = Unlock::new(source);
        let secret = json!({ "$sensitive": "canary" });
        let sealed = vault(&unlock, None, Secrets::Sealed, &check).seal(secret.clone(), "x");
        let clear = vault(&unlock, None, Secrets::Clear, &check);
        assert_eq!(clear.open(sealed.unwrap(), "x").unwrap().unwrap(), secret);
    }

    #[test]
    fn the_keyring_of_another_state_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::File(directory.path().join("key"));
        let key = source.create(LINEAGE).unwrap().key().clone();
        let unlock = Unlock::new(source);
        let ways = [NewWrap::KeyFile(key.clone())];
        let mine = Keyring::around(key.clone(), LINEAGE, &ways).unwrap();
        let check = key.check_value();
        assert!(vault(&unlock, Some(&mine), Secrets::Sealed, &check).sealer().is_ok());
        let lineage = Keyring::around(key, "another", &ways).unwrap();
        let first = Keyring::create(LINEAGE, &ways).unwrap();
        for foreign in [lineage, first] {
            let error = vault(&unlock, Some(&foreign), Secrets::Sealed, &check).key().unwrap_err();
            assert!(error.to_string().contains("not the one this state was made with"), "{error}");
        }
    }
}
