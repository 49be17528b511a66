//! The `Host` port: what this crate can ask of one node.
//!
//! Three verbs are enough for everything else in the crate: run a script, put a file, open a TCP
//! connection that starts *at the node*. Invariants: every call has a time limit; a script that ran
//! and failed is a [`Completed`] with a status, never a [`HostError`]; a [`HostError`] always names
//! the node, what was being done, and whether trying again can help.
//!
//! The port refuses to know SSH, services, and which cloud the node lives in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// The time limit of a script that says nothing else.
pub const SCRIPT_LIMIT: Duration = Duration::from_mins(1);

/// A POSIX shell script for one step on one node.
#[derive(Clone)]
pub struct Script {
    /// The text, run by `sh`. It is visible in the node's list of running programs: secrets belong in `stdin`.
    pub text: String,
    /// Variables exported before the text runs; visible like the text.
    pub environment: BTreeMap<String, String>,
    /// What the script reads on its standard input.
    pub stdin: Bytes,
    /// How long it may run. The node itself ends it after this time.
    pub limit: Duration,
}

impl Script {
    /// A script without input and with the default time limit.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            environment: BTreeMap::new(),
            stdin: Bytes::new(),
            limit: SCRIPT_LIMIT,
        }
    }

    /// Exports a variable to the script.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Gives the script its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The one `sh` text that exports the variables and then runs the script.
    pub(crate) fn rendered(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        for (name, value) in &self.environment {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "export {name}={}", quote(value));
        }
        text.push_str(&self.text);
        text
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Script")
            .field("text", &self.text)
            .field("stdin_bytes", &self.stdin.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Quotes a word for `sh`.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a script left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completed {
    /// The exit status; 128 + the signal's number when a signal ended the script.
    pub status: u32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Completed {
    /// Whether the script exited with 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// The last lines the script wrote, standard error first, for a message.
    pub fn last_words(&self) -> String {
        let source = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = source.trim().lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// What is put on a node.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes at hand.
    Bytes(Bytes),
    /// A file on this machine, streamed.
    File(PathBuf),
}

/// A file to put on a node: written beside its place and renamed, so that it is whole or absent.
#[derive(Debug, Clone)]
pub struct Upload {
    /// What to write.
    pub content: Content,
    /// The absolute path on the node.
    pub path: String,
    /// The permission bits.
    pub mode: u32,
    /// How long it may take.
    pub limit: Duration,
}

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that a node opened for us.
pub type Stream = Box<dyn Duplex>;

/// One node, as this crate sees it.
#[async_trait]
pub trait Host: Send + Sync + fmt::Debug {
    /// The node's name, for messages.
    fn name(&self) -> &str;

    /// Runs a script to its end. A script that fails is `Ok` with its status.
    async fn run(&self, script: &Script) -> Result<Completed, HostError>;

    /// Puts a file on the node. Its directory must exist.
    async fn upload(&self, upload: &Upload) -> Result<(), HostError>;

    /// Opens a TCP connection from the node to `address:port` within `limit`.
    async fn dial(&self, address: &str, port: u16, limit: Duration) -> Result<Stream, HostError>;
}

/// What was being done when a call to a node failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reaching the node and agreeing on keys.
    Connect,
    /// Proving who we are.
    Login,
    /// Running a script.
    Run,
    /// Sending a file.
    Upload,
    /// Opening a connection from the node.
    Dial,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "connect",
            Self::Login => "log in",
            Self::Run => "run a script",
            Self::Upload => "upload",
            Self::Dial => "open a connection from the node",
        })
    }
}

/// Where a failure came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine (an unreadable file, say).
    Here,
    /// The way between this machine and the node.
    Transport,
    /// The node itself.
    Node,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call may work later.
    Transient,
    /// The node refuses us; someone must change a key or a right.
    Denied,
    /// The call itself is wrong.
    Invalid,
    /// The time limit passed; the script may or may not have done its work.
    TimedOut,
}

/// A call to a node that did not complete.
#[derive(Debug, Clone, thiserror::Error)]
#[error("node {node}: cannot {phase}: {message}")]
pub struct HostError {
    /// The node's name.
    pub node: String,
    /// What was being done.
    pub phase: Phase,
    /// Where the failure came from.
    pub origin: Origin,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl HostError {
    /// A failure on the way to the node that may pass.
    pub fn transient(node: &str, phase: Phase, message: impl Into<String>) -> Self {
        Self::new(node, phase, Origin::Transport, Retry::Transient, message)
    }

    /// A time limit that passed.
    pub fn timed_out(node: &str, phase: Phase, limit: Duration) -> Self {
        let message = format!("no answer within {:.1} s", limit.as_secs_f64());
        Self::new(node, phase, Origin::Transport, Retry::TimedOut, message)
    }

    /// A refusal.
    pub fn denied(node: &str, phase: Phase, message: impl Into<String>) -> Self {
        Self::new(node, phase, Origin::Node, Retry::Denied, message)
    }

    /// A call that can never work as it stands.
    pub fn invalid(node: &str, phase: Phase, message: impl Into<String>) -> Self {
        Self::new(node, phase, Origin::Here, Retry::Invalid, message)
    }

    /// A failure of any kind.
    pub fn new(
        node: &str,
        phase: Phase,
        origin: Origin,
        retry: Retry,
        message: impl Into<String>,
    ) -> Self {
        Self { node: node.to_owned(), phase, origin, retry, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Waits for `work` at most `limit`.
pub(crate) async fn within<T>(
    node: &str,
    phase: Phase,
    limit: Duration,
    work: impl Future<Output = Result<T, HostError>>,
) -> Result<T, HostError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(HostError::timed_out(node, phase, limit)),
    }
}
