//! The cache of artifacts and bundles on this machine.
//!
//! Layout under the directory that the caller gives: `blobs/SHA` (verified bytes), `blobs/SHA.unverified`
//! (on their way), `bundles/KEY.tar.gz` and `bundles/KEY.json`, `locks/`, `apt/`. Invariants: the same
//! artifact is fetched once, whoever asks at the same time in this program or another; a file whose
//! digest no longer fits is made again, never used; removing the whole directory is always safe.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::bundle::{self, Bundle};
use super::{Artifact, ArtifactError, Cause, Source, deb, fetch};

/// How long another program may hold an artifact.
const LOCK_LIMIT_S: u64 = 900;
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Verified artifacts and bundles on disk.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    bundles: Mutex<HashMap<String, Arc<OnceCell<Bundle>>>>,
}

impl Cache {
    /// A cache in `root`, which is created when first needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), bundles: Mutex::default() }
    }

    /// The bundle of an artifact: from the cache, or fetched, verified and built now.
    pub async fn bundle(&self, artifact: &Artifact) -> Result<Bundle, ArtifactError> {
        artifact.check()?;
        let key = artifact.key();
        let cell = {
            let mut bundles =
                self.bundles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(bundles.entry(key.clone()).or_default())
        };
        cell.get_or_try_init(|| self.make(artifact, key)).await.cloned()
    }

    /// Fetches and verifies an artifact's bytes; the path is that of the verified file.
    pub async fn fetch(&self, artifact: &Artifact) -> Result<PathBuf, ArtifactError> {
        artifact.check()?;
        let lock = self.lock(artifact, &artifact.sha256).await?;
        let path = self.blocking(artifact, |root, artifact| fetch_verified(&root, &artifact)).await;
        drop(lock);
        path
    }

    async fn make(&self, artifact: &Artifact, key: String) -> Result<Bundle, ArtifactError> {
        let lock = self.lock(artifact, &key).await?;
        let known = {
            let key = key.clone();
            self.blocking(artifact, move |root, _| Ok(bundle::load(&root.join("bundles"), &key)))
                .await?
        };
        if let Some(bundle) = known {
            return Ok(bundle);
        }
        let blob = self.fetch(artifact).await?;
        let bundle = self
            .blocking(artifact, move |root, artifact| {
                let directory =
                    directory(&root, "bundles").map_err(|error| artifact.error(error))?;
                bundle::build(&directory, &artifact, &key, &blob)
            })
            .await;
        drop(lock);
        bundle
    }

    async fn blocking<T: Send + 'static>(
        &self,
        artifact: &Artifact,
        work: impl FnOnce(PathBuf, Artifact) -> Result<T, ArtifactError> + Send + 'static,
    ) -> Result<T, ArtifactError> {
        let (root, owned) = (self.root.clone(), artifact.clone());
        tokio::task::spawn_blocking(move || work(root, owned))
            .await
            .unwrap_or_else(|error| Err(artifact.error(Cause::Cache(error.to_string()))))
    }

    /// A lock that other programs respect too, released when dropped.
    async fn lock(&self, artifact: &Artifact, name: &str) -> Result<File, ArtifactError> {
        let directory = directory(&self.root, "locks").map_err(|cause| artifact.error(cause))?;
        let path = directory.join(name);
        let cache =
            |error: io::Error| artifact.error(Cause::Cache(format!("{}: {error}", path.display())));
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(cache)?;
        for _ in 0..LOCK_LIMIT_S * 20 {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                Err(fs::TryLockError::Error(error)) => return Err(cache(error)),
            }
        }
        Err(artifact.error(Cause::Busy(LOCK_LIMIT_S)))
    }
}

/// A directory of the cache, made if missing.
pub(super) fn directory(root: &Path, name: &str) -> Result<PathBuf, Cause> {
    let path = root.join(name);
    fs::create_dir_all(&path)
        .map_err(|error| Cause::Cache(format!("{}: {error}", path.display())))?;
    Ok(path)
}

fn fetch_verified(root: &Path, artifact: &Artifact) -> Result<PathBuf, ArtifactError> {
    let expected = artifact.sha256.to_ascii_lowercase();
    let attempt = || -> Result<PathBuf, Cause> {
        let blobs = directory(root, "blobs")?;
        let verified = blobs.join(&expected);
        if digest(&verified).is_ok_and(|found| found == expected) {
            return Ok(verified);
        }
        let unverified = blobs.join(format!("{expected}.unverified"));
        let found = match &artifact.source {
            Source::Url(url) => {
                fetch::url(url, &unverified)?;
                read_digest(&unverified)?
            }
            Source::File(path) => {
                fetch::file(path, &unverified)?;
                read_digest(&unverified)?
            }
            Source::Deb { package, version, architecture } => {
                let wanted =
                    deb::Package { name: package, version, architecture: architecture.as_deref() };
                deb::download(&directory(root, "apt")?, &wanted, &unverified)?;
                read_digest(&unverified)?
            }
        };
        if found != expected {
            let _ = fs::remove_file(&unverified);
            return Err(Cause::WrongDigest { expected, found });
        }
        fs::rename(&unverified, &verified).map_err(|error| Cause::Cache(error.to_string()))?;
        Ok(verified)
    };
    attempt().map_err(|cause| artifact.error(cause))
}

fn read_digest(path: &Path) -> Result<String, Cause> {
    digest(path).map_err(|error| Cause::Cache(format!("{}: {error}", path.display())))
}

/// SHA-256 of a file.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    use sha2::{Digest as _, Sha256};
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            return Ok(model::digest::hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}
