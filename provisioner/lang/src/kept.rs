//! What a configuration was read from, kept, so that it can be loaded and evaluated again where its files are not at hand
//! or have changed.
//!
//! Invariants: what was kept answers as the files did; what was never asked for is not there, and is told so. A large file is
//! kept as its digest: it is read from where it was, and refused if it is another one.
//! Refuses to know: where it is kept, who may read it.

use crate::source::{SourceLoader, normalise};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::digest::sha256_hex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files of more bytes than this are kept as their digest.
const LARGE: usize = 1 << 20;

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    working_directory: Option<PathBuf>,
    /// The entries of directories that were listed.
    listed: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// What was found to be a directory.
    directories: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Content>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    /// Base64 of what is no text.
    Bytes(String),
    /// SHA-256 of a large file.
    Digest(String),
    /// Why it could not be read, and whether that is because it is not there.
    Unreadable {
        is_missing: bool,
        why: String,
    },
}

impl Content {
    fn of(read: &io::Result<Vec<u8>>) -> Self {
        match read {
            Ok(bytes) if bytes.len() > LARGE => Self::Digest(sha256_hex(bytes)),
            Ok(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Bytes(BASE64.encode(bytes)),
            },
            Err(error) => Self::Unreadable {
                is_missing: error.kind() == io::ErrorKind::NotFound,
                why: error.to_string(),
            },
        }
    }
}

/// Reads from another loader and remembers all that it answered.
#[derive(Clone)]
pub struct Recording {
    inner: Arc<dyn SourceLoader>,
    kept: Arc<Mutex<Kept>>,
}

impl Recording {
    /// Reads from `inner`.
    pub fn new(inner: Arc<dyn SourceLoader>) -> Self {
        let kept = Kept { working_directory: inner.working_directory(), ..Kept::default() };
        Self { inner, kept: Arc::new(Mutex::new(kept)) }
    }

    /// What was read so far.
    pub fn kept(&self) -> Kept {
        self.with(|kept| kept.clone())
    }

    fn with<T>(&self, what: impl FnOnce(&mut Kept) -> T) -> T {
        what(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SourceLoader for Recording {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = self.inner.list(directory)?;
        self.with(|kept| kept.listed.insert(normalise(directory), entries.clone()));
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        text(self.read_bytes(path)?)
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = self.inner.read_bytes(path);
        self.with(|kept| kept.files.insert(normalise(path), Content::of(&read)));
        read
    }

    fn is_directory(&self, path: &Path) -> bool {
        let is_directory = self.inner.is_directory(path);
        if is_directory {
            self.with(|kept| kept.directories.insert(normalise(path)));
        }
        is_directory
    }

    fn working_directory(&self) -> Option<PathBuf> {
        self.inner.working_directory()
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(self.clone())
    }
}

/// Answers from what was kept.
#[derive(Clone)]
pub struct Replayed {
    kept: Arc<Kept>,
    /// Where large files are.
    here: Arc<dyn SourceLoader>,
}

impl Replayed {
    /// Answers from what was kept; only large files are read from `here`.
    pub fn new(kept: Kept, here: Arc<dyn SourceLoader>) -> Self {
        Self { kept: Arc::new(kept), here }
    }

    /// A large file: below the working directory now as it was below the one then, or where it was.
    fn large(&self, path: &Path, digest: &str) -> io::Result<Vec<u8>> {
        let then = self.kept.working_directory.as_deref();
        let below = then.and_then(|then| path.strip_prefix(then).ok());
        let moved = below.and_then(|below| Some(self.here.working_directory()?.join(below)));
        let moved = moved.and_then(|place| self.here.read_bytes(&place).ok());
        let bytes = moved.map_or_else(|| self.here.read_bytes(path), Ok)?;
        if sha256_hex(&bytes) == digest {
            return Ok(bytes);
        }
        let why = "it is another file now than when the plan was saved";
        Err(io::Error::new(io::ErrorKind::InvalidData, why))
    }
}

/// What the configuration did not ask for when it was kept.
fn never_asked() -> io::Error {
    io::Error::other("it is not in the saved plan: nothing had read it when the plan was made")
}

impl SourceLoader for Replayed {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.kept.listed.get(&normalise(directory)).cloned().ok_or_else(never_asked)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        text(self.read_bytes(path)?)
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = normalise(path);
        match self.kept.files.get(&path).ok_or_else(never_asked)? {
            Content::Text(text) => Ok(text.clone().into_bytes()),
            Content::Bytes(encoded) => BASE64
                .decode(encoded)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Content::Digest(digest) => self.large(&path, digest),
            Content::Unreadable { is_missing: true, why } => {
                Err(io::Error::new(io::ErrorKind::NotFound, why.clone()))
            }
            Content::Unreadable { is_missing: false, why } => Err(io::Error::other(why.clone())),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        let path = normalise(path);
        self.kept.directories.contains(&path) || self.kept.listed.contains_key(&path)
    }

    fn working_directory(&self) -> Option<PathBuf> {
        self.kept.working_directory.clone()
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(self.clone())
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of a test; relative paths are below `/there`.
    #[derive(Clone)]
    struct Files {
        working: &'static str,
        files: BTreeMap<PathBuf, Vec<u8>>,
    }

    impl Files {
        fn new(working: &'static str, files: &[(&str, &[u8])]) -> Self {
            let files = files.iter().map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec()));
            Self { working, files: files.collect() }
        }
    }

    impl SourceLoader for Files {
        fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
            let below = |path: &&PathBuf| path.parent() == Some(directory);
            let entries: Vec<_> = self.files.keys().filter(below).cloned().collect();
            if entries.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(entries) }
        }

        fn read(&self, path: &Path) -> io::Result<String> {
            text(self.read_bytes(path)?)
        }

        fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
            self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn working_directory(&self) -> Option<PathBuf> {
            Some(self.working.into())
        }

        fn share(&self) -> Arc<dyn SourceLoader> {
            Arc::new(self.clone())
        }
    }

    fn evaluated(loader: &dyn SourceLoader) -> (Vec<String>, String) {
        let loaded = crate::load(Path::new("env"), loader);
        let configuration = loaded.configuration.unwrap();
        let schemas = BTreeMap::new();
        let projection = crate::validation_projection(&schemas);
        let inputs = crate::Inputs::default();
        let evaluated = crate::evaluate(&configuration, &inputs, &schemas, &projection);
        let all = loaded.diagnostics.iter().chain(&evaluated.diagnostics);
        let told = all.map(|it| format!("{it:?}")).collect();
        (told, evaluated.desired.configuration_digest)
    }

    const MAIN: &[u8] = br#"
        output "text" { value = file("${path.module}/a.txt") }
        output "large" { value = filesha256("/there/bin/tool") }
        output "none" { value = fileexists("/there/none") }
    "#;

    #[test]
    fn what_was_kept_answers_as_the_files_did() {
        let large = vec![7; LARGE + 1];
        let all: [(&str, &[u8]); 3] = [
            ("/there/env/main.hcl", MAIN),
            ("/there/env/a.txt", b"a"),
            ("/there/bin/tool", &large),
        ];
        let recording = Recording::new(Arc::new(Files::new("/there", &all)));
        let first = evaluated(&recording);
        assert_eq!(first.0, [""; 0]);
        let json = serde_json::to_string(&recording.kept()).unwrap();
        assert!(json.len() < LARGE, "a large file is kept as its digest");
        let kept: Kept = serde_json::from_str(&json).unwrap();

        // Elsewhere, with nothing but the large file.
        let here = Files::new("/elsewhere", &[("/elsewhere/bin/tool", &large)]);
        let replayed = Replayed::new(kept.clone(), Arc::new(here));
        assert_eq!(evaluated(&replayed), first);
        assert!(
            replayed
                .read(Path::new("/there/env/b.txt"))
                .unwrap_err()
                .to_string()
                .contains("saved plan")
        );

        // Another file in its place is refused.
        let other = Files::new("/elsewhere", &[("/elsewhere/bin/tool", b"other")]);
        let (told, _) = evaluated(&Replayed::new(kept, Arc::new(other)));
        assert!(told.concat().contains("another file now"), "{told:?}");
    }
}
