//! The root keys of an environment: 32 random bytes each. Without a keyring there is one, in a file of its own, never
//! beside the state; with a keyring (see [`crate::keyring`]) there is one a generation.
//!
//! Everything secret is derived from them (HKDF-SHA256) by purpose, so no two uses share a key.
//! Refuses to know: which directory keys are kept in (the command line decides), how a keyring wraps keys.

use crate::error::StateError;
use crate::files;
use crate::seal::{GenerationKey, Sealer};
use hkdf::Hkdf;
use model::Sensitive;
use model::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const HEADER: &str = "provisioner-key-1 ";

/// Where the key of an environment is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a directory, as `<lineage>.key`.
    Directory(PathBuf),
    /// In this very file, whatever the lineage (given by the user, say in a CI job).
    File(PathBuf),
}

impl KeySource {
    /// The key file of a lineage.
    pub fn path(&self, lineage: &str) -> PathBuf {
        match self {
            Self::Directory(directory) => directory.join(format!("{lineage}.key")),
            Self::File(path) => path.clone(),
        }
    }

    /// The key of a new environment: made now, or the one in the file that the user names.
    pub fn create(&self, lineage: &str) -> Result<KeyFile, StateError> {
        let path = self.path(lineage);
        if matches!(self, Self::File(path) if path.exists()) {
            return self.read(lineage);
        }
        let failed = |error: io::Error| StateError::Storage {
            path: path.display().to_string(),
            why: error.to_string(),
            hint: files::hint(&error, &path),
        };
        let key = EnvironmentKey::random().map_err(|error| failed(io::Error::other(error)))?;
        files::make_directory(files::directory_of(&path), true).map_err(failed)?;
        let text = format!("{HEADER}{}\n", hex(key.bytes.expose()));
        files::write_private(&path, text.as_bytes(), false).map_err(failed)?;
        Ok(KeyFile { key, path })
    }

    /// The key of an existing environment.
    pub fn read(&self, lineage: &str) -> Result<KeyFile, StateError> {
        let path = self.path(lineage);
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        if matches!(self, Self::Directory(_)) {
            refuse_if_shared(&path)?;
        }
        let bytes = parse(&text).ok_or_else(|| {
            StateError::Key(format!(
                "{} is not a key file: put a copy of the environment's key file in its place",
                path.display()
            ))
        })?;
        Ok(KeyFile { key: EnvironmentKey::new(bytes), path })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> StateError {
    let path = path.display();
    StateError::Key(if error.kind() == io::ErrorKind::NotFound {
        format!(
            "the environment's key file {path} is missing, and without it the secrets in the state cannot be opened: \
             copy it from the machine that made the environment, or name a copy in PROVISIONER_KEY_FILE"
        )
    } else {
        format!("the environment's key file {path} cannot be read: {error}")
    })
}

fn refuse_if_shared(path: &Path) -> Result<(), StateError> {
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    Err(StateError::Key(format!(
        "others than the owner can read the key file {0}: run `chmod 600 {0}`",
        path.display()
    )))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(HEADER)?.trim_end().as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A key file that was made or read.
#[derive(Clone, Debug)]
pub struct KeyFile {
    key: EnvironmentKey,
    path: PathBuf,
}

impl KeyFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key in it.
    pub fn key(&self) -> &EnvironmentKey {
        &self.key
    }

    /// See [`EnvironmentKey::check_value`].
    pub fn check_value(&self) -> String {
        self.key.check_value()
    }
}

/// One generation of an environment's keys. An environment starts with the first; every rotation adds the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Generation(u32);

impl Generation {
    /// What an environment starts with: the key in its key file, or the first in its keyring.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "k{}", self.0)
    }
}

/// A text that is no generation's name (`k1`, `k2`, ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a key generation: those are k1, k2 and so on")]
pub struct NoGeneration;

impl From<Generation> for String {
    fn from(generation: Generation) -> Self {
        generation.to_string()
    }
}

impl TryFrom<String> for Generation {
    type Error = NoGeneration;

    fn try_from(text: String) -> Result<Self, NoGeneration> {
        text.parse()
    }
}

impl FromStr for Generation {
    type Err = NoGeneration;

    fn from_str(text: &str) -> Result<Self, NoGeneration> {
        let number = text.strip_prefix('k').and_then(|digits| digits.parse().ok());
        let generation = number.filter(|number| *number > 0).map(Self).ok_or(NoGeneration)?;
        // One spelling each: no sign, no leading zero.
        if generation.to_string() == text { Ok(generation) } else { Err(NoGeneration) }
    }
}

/// The root key of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentKey {
    bytes: Sensitive<[u8; 32]>,
}

impl EnvironmentKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self { bytes: Sensitive::new(bytes) }
    }

    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    /// The key itself, to be wrapped.
    pub(crate) fn bytes(&self) -> &Sensitive<[u8; 32]> {
        &self.bytes
    }

    /// A key for one purpose; different purposes have unrelated keys.
    pub fn subkey(&self, purpose: &str) -> Sensitive<[u8; 32]> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"provisioner key 1"), self.bytes.expose())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are within HKDF-SHA256's limit of 8160");
        Sensitive::new(key)
    }

    /// The seed of the identity with which nodes are logged in to.
    pub fn login_seed(&self) -> Sensitive<[u8; 32]> {
        self.subkey("login")
    }

    /// Tells whether two keys are the same without giving either away.
    pub fn check_value(&self) -> String {
        hex(&self.subkey("check").expose()[..16])
    }
}

/// The keys of an environment, opened: every generation that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    login: EnvironmentKey,
    generations: BTreeMap<Generation, EnvironmentKey>,
    current: Generation,
}

impl Keys {
    /// Those of an environment whose one key is in a key file.
    pub fn sole(key: EnvironmentKey) -> Self {
        let generations = BTreeMap::from([(Generation::FIRST, key.clone())]);
        Self { login: key, generations, current: Generation::FIRST }
    }

    /// None if the current generation is not among them.
    pub(crate) fn new(
        generations: BTreeMap<Generation, EnvironmentKey>,
        current: Generation,
    ) -> Option<Self> {
        generations.get(&current)?;
        let login = generations.values().next()?.clone();
        Some(Self { login, generations, current })
    }

    /// The generation that seals and signs.
    pub fn current(&self) -> Generation {
        self.current
    }

    /// The key of the first generation that is kept: what the login to the nodes comes from, whatever was rotated since.
    pub fn login(&self) -> &EnvironmentKey {
        &self.login
    }

    pub(crate) fn generations(&self) -> &BTreeMap<Generation, EnvironmentKey> {
        &self.generations
    }

    /// What seals, opens and signs for the environment.
    pub fn sealer(&self, lineage: &str) -> Sealer {
        let keys = self.generations.iter().map(|(generation, key)| {
            let key = GenerationKey { seal: key.subkey("state"), sign: key.subkey("sign") };
            (*generation, key)
        });
        Sealer::of_generations(keys.collect(), self.current, lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::Directory(directory.path().join("keys"));
        let made = source.create("abc").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(made.path()), 0o600);
        assert_eq!(mode(made.path().parent().unwrap()), 0o700);
        let read = source.read("abc").unwrap();
        assert_eq!(read.check_value(), made.check_value());
        assert!(source.create("abc").is_err(), "a key is never overwritten");
        assert_ne!(made.key().subkey("state"), made.key().subkey("login"));
        let shown = format!("{made:?}");
        assert!(shown.contains("(sensitive)"), "{shown}");
    }

    #[test]
    fn errors_name_the_file_and_never_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::Directory(directory.path().to_owned());
        let missing = source.read("abc").unwrap_err().to_string();
        assert!(missing.contains("abc.key") && missing.contains("PROVISIONER_KEY_FILE"));
        let path = source.path("abc");
        files::write_private(&path, b"provisioner-key-1 beef\n", false).unwrap();
        let malformed = source.read("abc").unwrap_err().to_string();
        assert!(malformed.contains("abc.key") && !malformed.contains("beef"), "{malformed}");
        std::fs::remove_file(&path).unwrap();
        source.create("abc").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(source.read("abc").unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_file_that_the_user_names_is_used_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let source = KeySource::File(directory.path().join("ci.key"));
        let one = source.create("one").unwrap();
        let two = source.create("two").unwrap();
        assert_eq!(one.check_value(), two.check_value());
    }

    #[test]
    fn generations_have_one_spelling() {
        assert_eq!("k12".parse::<Generation>().unwrap().to_string(), "k12");
        for wrong in ["", "k", "k0", "k01", "k+1", "K1", "1", "k4294967296"] {
            assert!(wrong.parse::<Generation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_login_survives_a_rotation() {
        let [first, second] = [EnvironmentKey::new([1; 32]), EnvironmentKey::new([2; 32])];
        let next = Generation::FIRST.next();
        let both = BTreeMap::from([(Generation::FIRST, first.clone()), (next, second)]);
        let keys = Keys::new(both, next).unwrap();
        assert_eq!(keys.login().login_seed(), Keys::sole(first).login().login_seed());
    }
}
