//! The declaration of one service on one node, and the digest that names its release.
//!
//! Invariants: the digest covers exactly what lies on the node (not probes, not time limits), is the
//! same wherever the content is the same, and can be computed without fetching anything. A sensitive
//! file's content is never shown by `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::probe::Probe;

/// The version of the layout of a release. Raising it re-installs every service.
const FORMAT: u32 = 1;

/// A file of a release.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// The content; `@release@`, `@state@`, `@live@` and `@artifact@` become absolute paths.
    pub content: String,
    /// Permission bits.
    #[serde(default = "file_mode")]
    pub mode: u32,
    /// Whether the content is a secret.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether it lies outside the release, in the directory `@live@`: the service reads it anew by
    /// itself, so a change of it makes no release and restarts nothing.
    #[serde(default)]
    pub live: bool,
}

fn file_mode() -> u32 {
    0o644
}

impl FileSpec {
    /// A public file with mode 0644.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), mode: file_mode(), sensitive: false, live: false }
    }
}

impl fmt::Debug for FileSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content: &dyn fmt::Debug = if self.sensitive { &"(sensitive)" } else { &self.content };
        formatter
            .debug_struct("FileSpec")
            .field("content", content)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// When the supervisor starts a service again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whenever it ends.
    #[default]
    Always,
    /// When it ends with an error.
    OnFailure,
    /// Never.
    Never,
}

/// A service as it should be on a node.
///
/// `command`, `environment`, `check`, `drain`, probe commands and file contents may contain
/// `@release@`, `@state@`, `@live@` and `@artifact@`: the absolute paths on the node of the release's
/// directory, of the service's lasting state, of its live files, and of the unpacked artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The service's name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The version, for people.
    pub version: String,
    /// The program; absent if it is on the node already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Files by their path in the release.
    #[serde(default)]
    pub files: BTreeMap<String, FileSpec>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A shell command, run in the new release before the switch, that must exit with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// A shell command that takes the service out of use before it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<String>,
    /// What must succeed before a release is confirmed.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Seconds until an unconfirmed release is taken back by the node itself. It is extended where the
    /// probes' deadlines add up to more.
    #[serde(default = "dead_man_s")]
    pub dead_man_s: u64,
    /// When the supervisor starts it again.
    #[serde(default)]
    pub restart: Restart,
    /// The signal that ends it.
    #[serde(default = "stop_signal")]
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL.
    #[serde(default = "stop_timeout_s")]
    pub stop_timeout_s: u64,
}

fn dead_man_s() -> u64 {
    60
}
fn stop_signal() -> String {
    "SIGTERM".to_owned()
}
fn stop_timeout_s() -> u64 {
    10
}

impl ServiceSpec {
    /// A service with a name, a version and a command, and defaults for the rest.
    pub fn new(name: impl Into<String>, version: impl Into<String>, command: Vec<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            artifact: None,
            files: BTreeMap::new(),
            command,
            environment: BTreeMap::new(),
            check: None,
            drain: None,
            probes: Vec::new(),
            dead_man_s: dead_man_s(),
            restart: Restart::default(),
            stop_signal: stop_signal(),
            stop_timeout_s: stop_timeout_s(),
        }
    }

    /// Files that belong to the release.
    pub(crate) fn release_files(&self) -> impl Iterator<Item = (&String, &FileSpec)> {
        self.files.iter().filter(|(_, file)| !file.live)
    }

    /// Files that the service reads anew by itself.
    pub(crate) fn live_files(&self) -> impl Iterator<Item = (&String, &FileSpec)> {
        self.files.iter().filter(|(_, file)| file.live)
    }

    /// The release's name: SHA-256 over everything that lies on the node, live files aside.
    pub fn digest(&self) -> String {
        let files: BTreeMap<_, _> =
            self.release_files().map(|(path, file)| (path, (&file.content, file.mode))).collect();
        let identity = serde_json::json!({
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "artifact": self.artifact.as_ref().map(Artifact::key),
            "files": files,
            "command": self.command,
            "environment": self.environment,
            "restart": self.restart,
            "stop_signal": self.stop_signal,
            "stop_timeout_s": self.stop_timeout_s,
        });
        model::digest::sha256_hex(identity.to_string().as_bytes())
    }

    /// The time after which the node takes an unconfirmed release back, seconds: never less than the
    /// probes may take.
    pub fn dead_man_limit_s(&self) -> u64 {
        let probing_ms: u64 =
            self.probes.iter().map(|probe| probe.deadline_ms + 2 * probe.timeout_ms).sum();
        self.dead_man_s.max(probing_ms / 1000 + self.stop_timeout_s + 30)
    }
}
