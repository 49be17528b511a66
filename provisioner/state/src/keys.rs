//! The key of an environment: 32 random bytes in a file of their own, never beside the state.
//!
//! Everything secret is derived from it (HKDF-SHA256) by purpose, so no two uses share a key.
//! Refuses to know: which directory keys are kept in (the command line decides).

use crate::error::StateError;
use crate::files;
use crate::seal::Sealer;
use hkdf::Hkdf;
use model::Sensitive;
use model::digest::hex;
use sha2::Sha256;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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
    pub fn create(&self, lineage: &str) -> Result<EnvironmentKey, StateError> {
        let path = self.path(lineage);
        if matches!(self, Self::File(path) if path.exists()) {
            return self.read(lineage);
        }
        let failed = |error: io::Error| StateError::Storage {
            path: path.display().to_string(),
            why: error.to_string(),
            hint: files::hint(&error, &path),
        };
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| failed(io::Error::other(error)))?;
        files::make_directory(files::directory_of(&path), true).map_err(failed)?;
        let text = format!("{HEADER}{}\n", hex(&bytes));
        files::write_private(&path, text.as_bytes(), false).map_err(failed)?;
        Ok(EnvironmentKey { bytes: Sensitive::new(bytes), path })
    }

    /// The key of an existing environment.
    pub fn read(&self, lineage: &str) -> Result<EnvironmentKey, StateError> {
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
        Ok(EnvironmentKey { bytes: Sensitive::new(bytes), path })
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

/// The key of one environment.
#[derive(Clone, Debug)]
pub struct EnvironmentKey {
    bytes: Sensitive<[u8; 32]>,
    path: PathBuf,
}

impl EnvironmentKey {
    /// The file it is in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A key for one purpose; different purposes have unrelated keys.
    pub fn subkey(&self, purpose: &str) -> Sensitive<[u8; 32]> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"provisioner key 1"), self.bytes.expose())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are within HKDF-SHA256's limit of 8160");
        Sensitive::new(key)
    }

    /// What seals the environment's secrets.
    pub fn sealer(&self, lineage: &str) -> Sealer {
        Sealer::new(self.subkey("state"), lineage)
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
        assert_ne!(made.subkey("state"), made.subkey("login"));
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
}
