//! The pool: one live connection a node, opened when first needed and again when it died.
//!
//! Invariants: at most `Settings::handshakes` handshakes are under way at once and at most
//! `Settings::sessions` scripts on one node; a connection is replaced only when nothing of the new
//! call has reached the node, so that a script never runs twice.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf};
use tokio::io::AsyncRead;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::connect::{PinnedKey, connect};
use super::{Connection, Identity};
use crate::host::{
    Completed, Content, Host, HostError, Origin, Phase, Retry, Script, Stream, Upload, quote,
    within,
};

/// More output than this from one script is an error: nothing here reads so much.
const OUTPUT_LIMIT: usize = 8 << 20;
/// More text than this does not fit into a request of every SSH server.
const SCRIPT_TEXT_LIMIT: usize = 60_000;
/// How long the node's own timer may be late before we give up on the connection.
const GRACE: Duration = Duration::from_secs(15);

/// Limits of a pool.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a node may take until it accepts a login (it may be booting).
    pub connect_limit: Duration,
    /// How long one attempt may take.
    pub handshake_limit: Duration,
    /// Handshakes under way at once, over all nodes.
    pub handshakes: usize,
    /// Scripts under way at once on one node (OpenSSH allows 10).
    pub sessions: usize,
    /// Silence after which the connection is tested.
    pub keepalive: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_limit: Duration::from_secs(30),
            handshake_limit: Duration::from_secs(10),
            handshakes: 32,
            sessions: 8,
            keepalive: Duration::from_secs(15),
        }
    }
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    settings: Settings,
    handshakes: Semaphore,
}

/// Connections to many nodes under one identity.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    hosts: std::sync::Mutex<HashMap<String, Arc<SshHost>>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(identity: Identity, settings: Settings) -> Self {
        let handshakes = Semaphore::new(settings.handshakes.max(1));
        let shared = Arc::new(Shared { identity, settings, handshakes });
        Self { shared, hosts: std::sync::Mutex::default() }
    }

    /// The node at `connection`. Nothing is opened before the first call to it. The same connection
    /// gives the same host; a changed one (a replaced machine) gives a new host.
    pub fn host(&self, connection: &Connection) -> Arc<SshHost> {
        let mut hosts = self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(host) = hosts.get(&connection.name)
            && host.connection == *connection
        {
            return Arc::clone(host);
        }
        let host = Arc::new(SshHost {
            connection: connection.clone(),
            shared: Arc::clone(&self.shared),
            live: Mutex::default(),
            sessions: Semaphore::new(self.shared.settings.sessions.max(1)),
        });
        hosts.insert(connection.name.clone(), Arc::clone(&host));
        host
    }

    /// Forgets a node; its connection closes when the last user is done.
    pub fn forget(&self, name: &str) {
        self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(name);
    }

    /// The identity this pool shows to nodes.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }
}

/// A node behind SSH.
pub struct SshHost {
    connection: Connection,
    shared: Arc<Shared>,
    live: Mutex<Live>,
    sessions: Semaphore,
}

/// The pooled connection, and how the last attempt to open one failed.
#[derive(Default)]
struct Live {
    handle: Option<Arc<Handle<PinnedKey>>>,
    failure: Option<(Instant, HostError)>,
}

impl fmt::Debug for SshHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SshHost")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl SshHost {
    /// How this node is reached.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Waits until the node accepts a login, at most the pool's connect limit.
    pub async fn ready(&self) -> Result<(), HostError> {
        self.ready_within(self.shared.settings.connect_limit).await
    }

    /// Waits until the node accepts a login, at most `limit`: for a refresh that only wants to know
    /// whether the node is there.
    pub async fn ready_within(&self, limit: Duration) -> Result<(), HostError> {
        self.handle(limit).await.map(drop)
    }

    async fn handle(&self, limit: Duration) -> Result<Arc<Handle<PinnedKey>>, HostError> {
        let asked = Instant::now();
        let mut live = self.live.lock().await;
        if let Some(handle) = live.handle.as_ref()
            && !handle.is_closed()
        {
            return Ok(Arc::clone(handle));
        }
        // All who waited for the same attempt share its failure; each trying for as long again, one
        // after the other, would never end.
        if let Some((failed, error)) = &live.failure
            && *failed >= asked
        {
            return Err(error.clone());
        }
        let shared = &self.shared;
        let opened = connect(
            &self.connection,
            &shared.identity,
            &shared.settings,
            limit,
            &shared.handshakes,
        )
        .await;
        match opened {
            Ok(opened) => {
                let handle = Arc::new(opened);
                *live = Live { handle: Some(Arc::clone(&handle)), failure: None };
                Ok(handle)
            }
            Err(error) => {
                *live = Live { handle: None, failure: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    async fn discard(&self, dead: &Arc<Handle<PinnedKey>>) {
        let mut live = self.live.lock().await;
        if live.handle.as_ref().is_some_and(|handle| Arc::ptr_eq(handle, dead)) {
            live.handle = None;
        }
    }

    /// Opens a channel, on a fresh connection if the pooled one turns out to be dead.
    async fn open(
        &self,
        phase: Phase,
        target: &Target<'_>,
        limit: Duration,
    ) -> Result<Channel<Msg>, HostError> {
        let name = &self.connection.name;
        let mut tries = 0;
        loop {
            let handle = self.handle(self.shared.settings.connect_limit).await?;
            tries += 1;
            match tokio::time::timeout(limit, target.open(&handle)).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                    return Err(refused(name, phase, target, &why));
                }
                Ok(Err(error)) => {
                    self.discard(&handle).await;
                    if tries >= 2 {
                        return Err(HostError::transient(name, phase, error.to_string()));
                    }
                }
                Err(_elapsed) => {
                    if matches!(target, Target::Session) {
                        self.discard(&handle).await;
                    }
                    return Err(HostError::timed_out(name, phase, limit));
                }
            }
        }
    }

    pub(super) async fn session_channel(&self, phase: Phase) -> Result<Channel<Msg>, HostError> {
        self.open(phase, &Target::Session, self.shared.settings.handshake_limit).await
    }

    /// Runs one command line with `input` as its standard input.
    async fn execute(
        &self,
        phase: Phase,
        command: String,
        input: Input,
        limit: Duration,
    ) -> Result<Completed, HostError> {
        let name = &self.connection.name;
        let _turn = self
            .sessions
            .acquire()
            .await
            .map_err(|_closed| HostError::transient(name, phase, "the host is closed"))?;
        let channel = self.session_channel(phase).await?;
        let (mut reader, writer) = channel.split();
        let work = async {
            writer.exec(true, command).await.map_err(|error| lost(name, phase, &error))?;
            let feed = async {
                // A script may end without reading all of its input: that is its own affair.
                let _ = input.send(&writer).await;
                let _ = writer.eof().await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                result = collect(name, phase, &mut reader) => result,
                () = feed => unreachable!("feeding never ends by itself"),
            }
        };
        let result = within(name, phase, limit, work).await;
        if result.is_err() {
            // Tell the node to let go of the script, without waiting for an answer that may never come.
            let _ = tokio::time::timeout(Duration::from_secs(1), writer.close()).await;
        }
        result
    }
}

#[async_trait]
impl Host for SshHost {
    fn name(&self) -> &str {
        &self.connection.name
    }

    async fn run(&self, script: &Script) -> Result<Completed, HostError> {
        let name = &self.connection.name;
        let text = script.rendered();
        if text.len() > SCRIPT_TEXT_LIMIT {
            let message =
                format!("the script has {} bytes, at most {SCRIPT_TEXT_LIMIT} fit", text.len());
            return Err(HostError::invalid(name, Phase::Run, message)
                .hint("give large data on standard input"));
        }
        let command = limited(&text, script.limit);
        let input = Input::Bytes(script.stdin.clone());
        let completed = self.execute(Phase::Run, command, input, script.limit + GRACE).await?;
        in_time(name, script, completed)
    }

    async fn upload(&self, upload: &Upload) -> Result<(), HostError> {
        let name = &self.connection.name;
        let input = Input::of(name, &upload.content).await?;
        let command = limited(&write_script(&upload.path, upload.mode), upload.limit);
        let completed = self.execute(Phase::Upload, command, input, upload.limit + GRACE).await?;
        written(name, upload, &completed)
    }

    async fn dial(&self, address: &str, port: u16, limit: Duration) -> Result<Stream, HostError> {
        let channel = self.open(Phase::Dial, &Target::Tcp { address, port }, limit).await?;
        Ok(Box::new(channel.into_stream()))
    }
}

/// The exit status by which `timeout` says that it ended the script.
const TIMED_OUT_STATUS: u32 = 124;

/// Tells a script that the node ended after its time limit from one that ended by itself.
pub(crate) fn in_time(
    name: &str,
    script: &Script,
    completed: Completed,
) -> Result<Completed, HostError> {
    if completed.status == TIMED_OUT_STATUS {
        return Err(HostError::timed_out(name, Phase::Run, script.limit));
    }
    Ok(completed)
}

/// A command line under which the node itself ends the script after `limit`.
pub(crate) fn limited(text: &str, limit: Duration) -> String {
    let seconds = limit.as_secs_f64().max(0.1);
    format!("exec timeout -k 5 {seconds:.1} sh -c {}", quote(text))
}

/// The script that writes standard input to `path`, whole or not at all.
pub(crate) fn write_script(path: &str, mode: u32) -> String {
    let path = quote(path);
    format!(
        "set -e; umask 077; cat > {path}.new; chmod {mode:o} {path}.new; mv -f {path}.new {path}"
    )
}

/// The verdict on an upload from what its script left behind.
pub(crate) fn written(name: &str, upload: &Upload, completed: &Completed) -> Result<(), HostError> {
    if completed.success() {
        return Ok(());
    }
    let message = format!("cannot write {}: {}", upload.path, completed.last_words());
    Err(HostError::new(name, Phase::Upload, Origin::Node, Retry::Transient, message)
        .hint("is the node's disk full or its directory missing?"))
}

enum Target<'a> {
    Session,
    Tcp { address: &'a str, port: u16 },
}

impl Target<'_> {
    async fn open(&self, handle: &Handle<PinnedKey>) -> Result<Channel<Msg>, russh::Error> {
        match self {
            Self::Session => handle.channel_open_session().await,
            Self::Tcp { address, port } => {
                handle.channel_open_direct_tcpip(*address, u32::from(*port), "127.0.0.1", 0).await
            }
        }
    }
}

enum Input {
    Bytes(Bytes),
    File(tokio::fs::File),
}

impl Input {
    async fn of(name: &str, content: &Content) -> Result<Self, HostError> {
        match content {
            Content::Bytes(bytes) => Ok(Self::Bytes(bytes.clone())),
            Content::File(path) => {
                tokio::fs::File::open(path).await.map(Self::File).map_err(|error| {
                    HostError::invalid(
                        name,
                        Phase::Upload,
                        format!("cannot read {}: {error}", path.display()),
                    )
                })
            }
        }
    }

    async fn send(self, writer: &russh::ChannelWriteHalf<Msg>) -> Result<(), russh::Error> {
        let source: Box<dyn AsyncRead + Send + Unpin> = match self {
            Self::Bytes(bytes) if bytes.is_empty() => return Ok(()),
            Self::Bytes(bytes) => Box::new(std::io::Cursor::new(bytes)),
            Self::File(file) => Box::new(tokio::io::BufReader::with_capacity(1 << 16, file)),
        };
        writer.data(source).await
    }
}

async fn collect(
    name: &str,
    phase: Phase,
    reader: &mut ChannelReadHalf,
) -> Result<Completed, HostError> {
    let (mut stdout, mut stderr, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                status = Some(128 + super::session::signal_number(&signal_name));
            }
            ChannelMsg::Failure => {
                return Err(HostError::denied(
                    name,
                    phase,
                    "the SSH server refuses to run commands",
                ));
            }
            ChannelMsg::Close => break,
            _ => {}
        }
        if stdout.len() + stderr.len() > OUTPUT_LIMIT {
            return Err(HostError::invalid(
                name,
                phase,
                format!("the script wrote more than {OUTPUT_LIMIT} bytes"),
            ));
        }
    }
    let Some(status) = status else {
        return Err(HostError::transient(
            name,
            phase,
            "the connection was lost while a script ran",
        )
        .hint("the node may have rebooted; run the command again"));
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Completed { status, stdout: text(stdout), stderr: text(stderr) })
}

fn lost(name: &str, phase: Phase, error: &russh::Error) -> HostError {
    HostError::transient(name, phase, error.to_string())
}

fn refused(name: &str, phase: Phase, target: &Target<'_>, why: &ChannelOpenFailure) -> HostError {
    match target {
        Target::Session => {
            HostError::transient(name, phase, format!("the SSH server opens no session: {why:?}"))
        }
        Target::Tcp { address, port } => {
            let message = format!("{address}:{port} refused or unreachable ({why:?})");
            HostError::new(name, phase, Origin::Node, Retry::Transient, message)
        }
    }
}
