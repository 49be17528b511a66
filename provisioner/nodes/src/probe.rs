//! Health probes: does a service answer, seen from its node and from a peer?
//!
//! HTTP and TCP probes run over connections that the probing node opens, so a node needs no tool for
//! them. Invariants: every attempt and every probe as a whole has a time limit; a failure says what was
//! expected, what was found last, and from where. Refuses to know what follows from a failure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::host::{Host, Script, Stream};

/// More of an answer's body is not read.
const BODY_LIMIT: usize = 1 << 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// A GET request.
    Http {
        /// The port.
        port: u16,
        /// The path, `/-/ready`.
        path: String,
        /// The address; by default 127.0.0.1 from the node and the node's address from a peer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The status that counts as healthy.
        #[serde(default = "ok_status")]
        expect_status: u16,
        /// Text that the body must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect_body: Option<String>,
    },
    /// A TCP connection.
    Tcp {
        /// The port.
        port: u16,
        /// The address, as for `Http`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// A shell command that must exit with 0.
    Command {
        /// The command.
        command: String,
    },
}

fn ok_status() -> u16 {
    200
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { port, path, expect_status, .. } => {
                write!(formatter, "HTTP {expect_status} from port {port} {path}")
            }
            Self::Tcp { port, .. } => write!(formatter, "a TCP connection to port {port}"),
            Self::Command { command } => write!(formatter, "exit status 0 of `{command}`"),
        }
    }
}

/// Where a probe starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// At the node that runs the service.
    #[default]
    Node,
    /// At another node; any one that succeeds is enough.
    Peer,
}

/// A health probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Its name, for messages.
    pub name: String,
    /// What is asked.
    pub kind: ProbeKind,
    /// Where it starts.
    #[serde(default)]
    pub from: From,
    /// Pause between attempts, milliseconds.
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// Limit of one attempt, milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Limit until the probe must have succeeded, milliseconds.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// How many attempts in a row must succeed.
    #[serde(default = "one")]
    pub successes_needed: u32,
}

fn interval_ms() -> u64 {
    500
}
fn timeout_ms() -> u64 {
    3_000
}
fn deadline_ms() -> u64 {
    30_000
}
fn one() -> u32 {
    1
}

impl Probe {
    /// A probe with the default times, from the node.
    pub fn new(name: impl Into<String>, kind: ProbeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            from: From::Node,
            interval_ms: interval_ms(),
            timeout_ms: timeout_ms(),
            deadline_ms: deadline_ms(),
            successes_needed: 1,
        }
    }
}

/// A probe that did not succeed in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("probe {probe:?} of node {node}{}: expected {expected}, found {found} ({attempts} attempts in {:.1} s)",
    peer.as_ref().map(|peer| format!(" from peer {peer}")).unwrap_or_default(), Duration::from_millis(*elapsed_ms).as_secs_f64())]
pub struct ProbeFailure {
    /// The probe's name.
    pub probe: String,
    /// The probed node.
    pub node: String,
    /// The node it was probed from, if another.
    pub peer: Option<String>,
    /// What counts as healthy.
    pub expected: String,
    /// What was found last.
    pub found: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it was tried, milliseconds.
    pub elapsed_ms: u64,
}

/// The node under probe and those that can look at it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The node that runs the service.
    pub host: Arc<dyn Host>,
    /// The address under which peers reach it.
    pub address: Option<String>,
    /// Other nodes to probe from.
    pub peers: Vec<Arc<dyn Host>>,
}

impl Target {
    /// A node without peers.
    pub fn alone(host: Arc<dyn Host>) -> Self {
        Self { host, address: None, peers: Vec::new() }
    }

    /// Whether `probe` has somewhere to start from.
    pub fn can(&self, probe: &Probe) -> bool {
        probe.from == From::Node || !self.peers.is_empty()
    }
}

/// Runs a probe until it succeeds or its time is over. Peers are tried in turn.
pub async fn run(probe: &Probe, target: &Target) -> Result<(), ProbeFailure> {
    let start = Instant::now();
    let deadline = start + Duration::from_millis(probe.deadline_ms);
    let (mut attempts, mut in_a_row) = (0_u32, 0_u32);
    loop {
        let from = source(probe, target, attempts);
        let Some(from) = from else {
            return Err(failure(probe, target, None, "no peer to probe from", 0, start));
        };
        attempts += 1;
        let found = match attempt(probe, target, from).await {
            Ok(()) => {
                in_a_row += 1;
                if in_a_row >= probe.successes_needed.max(1) {
                    return Ok(());
                }
                format!("only {in_a_row} of {} successes in a row", probe.successes_needed)
            }
            Err(found) => {
                in_a_row = 0;
                found
            }
        };
        let pause = Duration::from_millis(probe.interval_ms);
        if Instant::now() + pause >= deadline {
            return Err(failure(probe, target, Some(from), &found, attempts, start));
        }
        tokio::time::sleep(pause).await;
    }
}

fn source<'a>(probe: &Probe, target: &'a Target, attempt: u32) -> Option<&'a Arc<dyn Host>> {
    match probe.from {
        From::Node => Some(&target.host),
        From::Peer => {
            let turn = usize::try_from(attempt).unwrap_or(0);
            target.peers.get(turn.checked_rem(target.peers.len())?)
        }
    }
}

fn failure(
    probe: &Probe,
    target: &Target,
    from: Option<&Arc<dyn Host>>,
    found: &str,
    attempts: u32,
    start: Instant,
) -> ProbeFailure {
    let peer = from.filter(|_| probe.from == From::Peer).map(|host| host.name().to_owned());
    ProbeFailure {
        probe: probe.name.clone(),
        node: target.host.name().to_owned(),
        peer,
        expected: probe.kind.to_string(),
        found: found.to_owned(),
        attempts,
        elapsed_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

async fn attempt(probe: &Probe, target: &Target, from: &Arc<dyn Host>) -> Result<(), String> {
    let limit = Duration::from_millis(probe.timeout_ms);
    let address = |host: &Option<String>| {
        host.clone().unwrap_or_else(|| match probe.from {
            From::Node => "127.0.0.1".to_owned(),
            From::Peer => target.address.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
        })
    };
    let work = async {
        match &probe.kind {
            ProbeKind::Tcp { port, host } => {
                dial(from, &address(host), *port, limit).await.map(drop)
            }
            ProbeKind::Http { port, path, host, expect_status, expect_body } => {
                let address = address(host);
                let stream = dial(from, &address, *port, limit).await?;
                let (status, body) = get(stream, &format!("{address}:{port}"), path).await?;
                if status != *expect_status {
                    return Err(format!("HTTP {status} from {address}:{port}"));
                }
                match expect_body {
                    Some(text) if !body.contains(text) => Err(format!("a body without {text:?}")),
                    _ => Ok(()),
                }
            }
            ProbeKind::Command { command } => {
                let completed = from
                    .run(&Script::new(command).limit(limit))
                    .await
                    .map_err(|error| error.message)?;
                if completed.success() {
                    return Ok(());
                }
                Err(format!("exit status {}: {}", completed.status, completed.last_words()))
            }
        }
    };
    // A command has its own limit on the node; ours only catches a node that does not answer.
    let patience = if matches!(probe.kind, ProbeKind::Command { .. }) {
        limit + limit + Duration::from_secs(5)
    } else {
        limit
    };
    match tokio::time::timeout(patience, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} ms", probe.timeout_ms)),
    }
}

async fn dial(
    from: &Arc<dyn Host>,
    address: &str,
    port: u16,
    limit: Duration,
) -> Result<Stream, String> {
    from.dial(address, port, limit).await.map_err(|error| error.message)
}

/// One GET over a given connection: the status and the start of the body.
pub async fn get(stream: Stream, authority: &str, path: &str) -> Result<(u16, String), String> {
    let text = |error: hyper::Error| format!("no HTTP answer: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let request = hyper::Request::get(path)
        .header("host", authority)
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("not a request: {error}"))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await;
        // A longer body is as good as none: the status counts.
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::pin!(exchange);
    tokio::pin!(connection);
    tokio::select! {
        result = &mut exchange => result,
        ended = &mut connection => {
            ended.map_err(text)?;
            exchange.await
        }
    }
}

/// A node of an all-pairs check.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its connections start.
    pub host: Arc<dyn Host>,
    /// The address under which the others must reach it.
    pub address: String,
}

/// A pair that did not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPair {
    /// Where the connection started.
    pub from: String,
    /// Where it should have gone.
    pub to: String,
    /// What was found last.
    pub why: String,
}

/// Who reaches whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairReport {
    /// How many pairs there are, both directions counted.
    pub pairs: usize,
    /// How many met.
    pub reached: usize,
    /// Those that did not, sorted.
    pub failed: Vec<FailedPair>,
}

/// How an all-pairs check is made.
#[derive(Debug, Clone, Copy)]
pub struct PairOptions {
    /// The TCP port to connect to.
    pub port: u16,
    /// Wait for the first byte too (an SSH server speaks first), so that a connection which a middle
    /// box merely accepts does not count.
    pub read_first_byte: bool,
    /// Pairs under way at once.
    pub concurrency: usize,
    /// Limit of one attempt.
    pub timeout: Duration,
    /// Limit of a pair with all its attempts.
    pub deadline: Duration,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self {
            port: 22,
            read_first_byte: true,
            concurrency: 64,
            timeout: Duration::from_secs(3),
            deadline: Duration::from_secs(30),
        }
    }
}

/// Connects from every member to every other one.
pub async fn all_pairs(members: &[Member], options: PairOptions) -> PairReport {
    // Shifted rounds rather than rows: at any moment the load spreads over all nodes.
    let count = members.len();
    let pairs =
        (1..count).flat_map(|shift| (0..count).map(move |index| (index, (index + shift) % count)));
    let pairs: Vec<(&Member, &Member)> =
        pairs.map(|(from, to)| (&members[from], &members[to])).collect();
    let total = pairs.len();
    // Boxed and collected, so that callers' futures stay `Send` whatever the members' lifetime.
    let mut checks: Vec<BoxFuture<'_, Option<FailedPair>>> = Vec::with_capacity(total);
    for (from, to) in pairs {
        checks.push(Box::pin(async move {
            let why = meet(from, to, options).await.err()?;
            Some(FailedPair { from: from.name.clone(), to: to.name.clone(), why })
        }));
    }
    let mut failed: Vec<FailedPair> = futures::stream::iter(checks)
        .buffer_unordered(options.concurrency.max(1))
        .filter_map(std::future::ready)
        .collect()
        .await;
    failed.sort_by(|one, two| (&one.from, &one.to).cmp(&(&two.from, &two.to)));
    PairReport { pairs: total, reached: total - failed.len(), failed }
}

async fn meet(from: &Member, to: &Member, options: PairOptions) -> Result<(), String> {
    let deadline = Instant::now() + options.deadline;
    let pause = Duration::from_millis(200);
    loop {
        let work = async {
            let mut stream = dial(&from.host, &to.address, options.port, options.timeout).await?;
            if options.read_first_byte {
                let read = stream.read(&mut [0; 1]).await.map_err(|error| error.to_string())?;
                if read == 0 {
                    return Err("connected, but it closed without a word".to_owned());
                }
            }
            Ok(())
        };
        let why = match tokio::time::timeout(options.timeout, work).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} ms", options.timeout.as_millis()),
        };
        if Instant::now() + pause >= deadline {
            return Err(why);
        }
        tokio::time::sleep(pause).await;
    }
}
