//! Artifacts: bytes from outside that become programs on nodes.
//!
//! An [`Artifact`] names a source (a url, a file, a Debian package), the SHA-256 of the bytes as they
//! come from it, and which paths of it are wanted. [`Cache`] turns it into a [`Bundle`]: one
//! deterministic `tar.gz` on this machine that is sent to every node that needs it.
//!
//! Invariants: nothing is used before its digest was compared; bytes lie under `SHA.unverified` until
//! then; an artifact's [`key`](Artifact::key) depends on its declaration alone, so that a plan knows it
//! without fetching anything. Refuses to know nodes and services.

mod archive;
mod bundle;
mod cache;
mod deb;
mod fetch;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use bundle::Bundle;
pub use cache::Cache;

/// Where an artifact's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An `https://` or `http://` address.
    Url(String),
    /// A file on this machine.
    File(PathBuf),
    /// A Debian package, found by this machine's own apt configuration.
    Deb {
        /// The package's name.
        package: String,
        /// The exact version.
        version: String,
        /// The architecture; this machine's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        architecture: Option<String>,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => formatter.write_str(url),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Deb { package, version, architecture } => {
                write!(formatter, "Debian package {package} {version}")?;
                match architecture {
                    Some(architecture) => write!(formatter, " ({architecture})"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// One path of the archive and where it goes in the bundle. A directory takes all below it along.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Selection {
    /// The path in the archive, `usr/bin/nebula`.
    pub from: String,
    /// The path in the bundle, `bin/nebula`.
    pub to: String,
}

impl Selection {
    /// A selection of `from` as `to`.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

/// A declared artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where the bytes come from.
    pub source: Source,
    /// SHA-256 of the bytes as fetched, 64 hexadecimal digits.
    pub sha256: String,
    /// What is wanted of the archive; all of it when empty. A bare binary takes its name from the
    /// first `to`, or from the last part of its source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Selection>,
    /// Where the artifact is declared (`main.hcl:12`), for messages only.
    #[serde(skip)]
    pub declared_at: Option<String>,
}

impl Artifact {
    /// The name of the unpacked artifact on every node: SHA-256 over the digest and the selection.
    /// It needs no fetched byte, so that a plan can be made without a network.
    pub fn key(&self) -> String {
        let mut paths = self.paths.clone();
        paths.sort();
        let bare_name = if paths.is_empty() { self.bare_name() } else { String::new() };
        let identity = serde_json::json!({
            "format": bundle::FORMAT,
            "sha256": self.sha256.to_ascii_lowercase(),
            "paths": paths.iter().map(|path| [&path.from, &path.to]).collect::<Vec<_>>(),
            "name": bare_name,
        });
        model::digest::sha256_hex(identity.to_string().as_bytes())
    }

    /// The file name that a bare binary gets.
    pub(crate) fn bare_name(&self) -> String {
        if let Some(first) = self.paths.first() {
            return first.to.clone();
        }
        let last = |text: &str| {
            let path = text.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("artifact").to_owned()
        };
        match &self.source {
            Source::Url(url) => last(url),
            Source::File(path) => last(&path.to_string_lossy()),
            Source::Deb { package, .. } => package.clone(),
        }
    }

    /// Checks what can be checked without fetching.
    pub fn check(&self) -> Result<(), ArtifactError> {
        let is_digest =
            self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_digest {
            return Err(self.error(Cause::NotADigest));
        }
        if let Source::Url(url) = &self.source
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            return Err(self.error(Cause::Unreachable(
                "only https and http addresses can be fetched".to_owned(),
            )));
        }
        for path in &self.paths {
            if archive::clean(&path.from).is_none() || archive::clean(&path.to).is_none() {
                return Err(self.error(Cause::BadPath(format!("{} -> {}", path.from, path.to))));
            }
        }
        Ok(())
    }

    pub(crate) fn error(&self, cause: Cause) -> ArtifactError {
        ArtifactError {
            artifact: self.source.to_string(),
            declared_at: self.declared_at.clone(),
            sha256: self.sha256.clone(),
            cause: Box::new(cause),
        }
    }
}

/// An artifact that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{}{artifact}: {cause}", declared_at.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct ArtifactError {
    /// The source, for people.
    pub artifact: String,
    /// Where the artifact is declared, if known.
    pub declared_at: Option<String>,
    /// The declared digest.
    pub sha256: String,
    /// What is wrong.
    pub cause: Box<Cause>,
}

impl ArtifactError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        self.cause.hint(&self.sha256)
    }

    /// Whether the same fetch may work later.
    pub fn is_transient(&self) -> bool {
        matches!(
            *self.cause,
            Cause::Unreachable(_) | Cause::Status { status: 500.., .. } | Cause::Busy(_)
        )
    }
}

/// Why an artifact cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The declared digest is no SHA-256.
    #[error("`sha256` is not 64 hexadecimal digits")]
    NotADigest,
    /// No answer from the source.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The server answers, but not with the artifact.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for, after redirects.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The bytes are not the declared ones.
    #[error("sha256 is {found}, expected {expected}")]
    WrongDigest {
        /// The declared digest.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// More bytes than any artifact may have.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// This machine has no apt.
    #[error("this machine has no apt-get")]
    NoApt,
    /// Apt does not offer the version.
    #[error("version {version} of {package} is not available{}", candidates_text(.candidates))]
    NoVersion {
        /// The package.
        package: String,
        /// The declared version.
        version: String,
        /// The versions that apt offers.
        candidates: Vec<String>,
    },
    /// Apt failed in another way.
    #[error("apt-get failed: {0}")]
    Apt(String),
    /// A selected path is not in the archive.
    #[error("contains no {path:?}{}", candidates_text(.similar))]
    MissingPath {
        /// The selected path.
        path: String,
        /// Paths that it has instead.
        similar: Vec<String>,
    },
    /// A path that leaves its directory, or two of one name.
    #[error("path {0:?} is not usable in an archive")]
    BadPath(String),
    /// The archive cannot be unpacked.
    #[error("cannot be unpacked: {0}")]
    BadArchive(String),
    /// The cache directory cannot be used.
    #[error("cannot use the cache: {0}")]
    Cache(String),
    /// Another run holds the artifact for too long.
    #[error("another run has been fetching it for {0} s")]
    Busy(u64),
}

fn candidates_text(candidates: &[String]) -> String {
    if candidates.is_empty() {
        String::new()
    } else {
        format!("; there is {}", candidates.join(", "))
    }
}

impl Cause {
    fn hint(&self, sha256: &str) -> String {
        match self {
            Self::NotADigest => "write the output of `sha256sum FILE`".to_owned(),
            Self::Unreachable(_) => "check the address and this machine's network; `file` takes a copy from disk".to_owned(),
            Self::Status { status: 404, .. } => "the address is wrong or the file was removed".to_owned(),
            Self::Status { .. } => "the server refuses; try later or take another address".to_owned(),
            Self::WrongDigest { .. } => format!(
                "nothing was used. If the publisher replaced the file on purpose, review it and change the declared sha256 {sha256}"
            ),
            Self::Unreadable(_) => "is the path right? it is relative to where the program was started".to_owned(),
            Self::TooLarge(_) => "is this really a program? artifacts are at most that large".to_owned(),
            Self::NoApt => "Debian packages need a Debian or Ubuntu machine; give the artifact as `url` instead".to_owned(),
            Self::NoVersion { candidates, .. } if candidates.is_empty() => {
                "apt knows no such package: check its name and this machine's apt sources".to_owned()
            }
            Self::NoVersion { .. } => "declare one of the versions that exist, with its sha256".to_owned(),
            Self::Apt(_) => "run `apt-get update` to see what apt says; `url` needs no apt".to_owned(),
            Self::MissingPath { .. } | Self::BadPath(_) => "correct `paths` of the artifact".to_owned(),
            Self::BadArchive(_) => "supported are .deb, .tar, .tar.gz, .tar.xz, .tar.zst and a bare program".to_owned(),
            Self::Cache(_) => "is the disk full, or the cache directory not writable?".to_owned(),
            Self::Busy(_) => "wait for it, or end it, and run again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Artifact, Selection, Source};

    fn artifact() -> Artifact {
        Artifact {
            source: Source::Url("https://example.org/files/tool?x=1".to_owned()),
            sha256: "a".repeat(64),
            paths: vec![Selection::new("b", "b"), Selection::new("a", "a")],
            declared_at: None,
        }
    }

    #[test]
    fn the_key_ignores_order_and_source_but_not_content() {
        let one = artifact();
        let mut two = artifact();
        two.paths.reverse();
        two.source = Source::File("/elsewhere".into());
        assert_eq!(one.key(), two.key());
        two.sha256 = "b".repeat(64);
        assert_ne!(one.key(), two.key());
    }

    #[test]
    fn a_bare_program_is_named_after_its_address() {
        let mut bare = artifact();
        bare.paths.clear();
        assert_eq!(bare.bare_name(), "tool");
    }

    #[test]
    fn a_short_digest_and_an_odd_scheme_are_refused() {
        let mut bad = artifact();
        bad.sha256 = "abc".to_owned();
        assert!(bad.check().is_err());
        let mut odd = artifact();
        odd.source = Source::Url("ftp://example.org/x".to_owned());
        assert!(odd.check().is_err());
    }
}
