//! A proxy between a store and its server, which reads what goes through it and breaks it off where a test wants.
//!
//! Source of the framing: PostgreSQL's protocol 3.0, "Message Formats". Knows no TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Where a connection is broken off, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Never.
    Nowhere,
    /// Instead of the message of this number that the store sends, counted over all connections.
    Sent(i64),
    /// Instead of the message of this number that the server sends.
    Received(i64),
    /// Instead of the store's COMMIT of this number.
    BeforeCommit(i64),
    /// Instead of the server's answer to the COMMIT of this number.
    AfterCommit(i64),
}

/// What is common to all connections.
struct Shared {
    cut: Cut,
    sent: AtomicI64,
    received: AtomicI64,
    commits: AtomicI64,
    committed: AtomicI64,
    cuts: AtomicU32,
    /// Permits for flushes to go through.
    flushes: Semaphore,
    held: Semaphore,
}

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

/// A flush's parameters; no other statement has as many.
const PARAMETERS: u16 = 53;

impl Proxy {
    /// A proxy that cuts where it is told.
    pub async fn start(server: u16, cut: Cut) -> Self {
        Self::with_flushes(server, cut, Semaphore::MAX_PERMITS).await
    }

    /// A proxy that holds every flush until [`Proxy::let_through`].
    pub async fn holding(server: u16) -> Self {
        Self::with_flushes(server, Cut::Nowhere, 0).await
    }

    async fn with_flushes(server: u16, cut: Cut, flushes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let zero = || AtomicI64::new(0);
        let shared = Arc::new(Shared {
            cut,
            sent: zero(),
            received: zero(),
            commits: zero(),
            committed: zero(),
            cuts: AtomicU32::new(0),
            flushes: Semaphore::new(flushes),
            held: Semaphore::new(0),
        });
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                for stream in [&store, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                tokio::spawn(connection(store, server, accepting.clone()));
            }
        });
        Self { port, shared }
    }

    /// How often it cut.
    pub fn cuts(&self) -> u32 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// How many messages went from the store, and to it.
    pub fn messages(&self) -> (i64, i64) {
        (self.shared.sent.load(Ordering::SeqCst), self.shared.received.load(Ordering::SeqCst))
    }

    /// Waits until a flush is held.
    pub async fn is_holding(&self) {
        self.shared.held.acquire().await.unwrap().forget();
    }

    /// Lets all flushes through from now on.
    pub fn let_through(&self) {
        self.shared.flushes.add_permits(1_000);
    }
}

async fn connection(store: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let ((from_store, to_store), (from_server, to_server)) =
        (store.into_split(), server.into_split());
    // When one direction ends or is cut, both streams are dropped, which closes them.
    tokio::select! {
        _ = forward(from_store, to_server, true, &shared) => {}
        _ = forward(from_server, to_store, false, &shared) => {}
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    from_store: bool,
    shared: &Shared,
) -> std::io::Result<()> {
    // A store's first message has no kind.
    let mut opening = from_store;
    loop {
        let kind = if opening { 0 } else { from.read_u8().await? };
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        let cut = if from_store { shared.sends(kind, &body) } else { shared.receives(kind, &body) };
        if cut {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        if from_store && kind == b'B' && parameters(&body) == Some(PARAMETERS) {
            shared.held.add_permits(1);
            shared.flushes.acquire().await.expect("it is never closed").forget();
        }
        let mut message = if opening { Vec::new() } else { vec![kind] };
        message.extend(length.to_be_bytes());
        message.extend(body);
        to.write_all(&message).await?;
        opening = false;
    }
}

impl Shared {
    fn sends(&self, kind: u8, body: &[u8]) -> bool {
        let number = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        let commit = kind == b'Q' && body == b"COMMIT\0";
        let commits = self.commits.fetch_add(i64::from(commit), Ordering::SeqCst) + 1;
        self.cut == Cut::Sent(number) || (commit && self.cut == Cut::BeforeCommit(commits))
    }

    fn receives(&self, kind: u8, body: &[u8]) -> bool {
        let number = self.received.fetch_add(1, Ordering::SeqCst) + 1;
        let committed = kind == b'C' && body == b"COMMIT\0";
        let commits = self.committed.fetch_add(i64::from(committed), Ordering::SeqCst) + 1;
        self.cut == Cut::Received(number) || (committed && self.cut == Cut::AfterCommit(commits))
    }
}

/// How many parameters a Bind message has.
fn parameters(body: &[u8]) -> Option<u16> {
    let mut at = 0;
    for _ in 0..2 {
        at += body[at..].iter().position(|byte| *byte == 0)? + 1;
    }
    let number = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    number(at + 2 + 2 * usize::from(number(at)?))
}
