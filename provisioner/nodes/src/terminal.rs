//! This machine's terminal as the other end of a session: raw mode, window size, standard streams.
//!
//! Invariants: the terminal's mode is put back however the session ends; without a terminal (a pipe, a
//! script) nothing is changed and no pseudo-terminal is asked for. This is the only module of the crate
//! that touches the caller's terminal, and only when the caller asks for a session.

use std::io::{IsTerminal as _, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use rustix::termios::{OptionalActions, Termios};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::host::HostError;
use crate::ssh::{PtySize, Session, SshHost};

/// Connects this program's standard streams to `command` on the node, or to a login shell, and
/// returns the remote exit code. A shell gets a pseudo-terminal when standard input is a terminal.
pub async fn attach(host: &SshHost, command: Option<String>) -> Result<u32, HostError> {
    // Reach the node first: a connect error belongs on an ordinary terminal.
    host.ready().await?;
    let interactive =
        command.is_none() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let (sizes, resizes) = mpsc::channel(1);
    let terminal = interactive.then(|| {
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        (kind, window_size())
    });
    let raw = if interactive { RawMode::enter() } else { None };
    let watcher = interactive.then(|| tokio::spawn(watch_size(sizes)));
    let result = host
        .session(Session {
            command,
            terminal,
            stdin: Box::new(Keyboard::start()),
            stdout: Box::new(tokio::io::stdout()),
            stderr: Box::new(tokio::io::stderr()),
            resizes,
        })
        .await;
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    drop(raw);
    result
}

/// Raw mode until dropped.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> Option<Self> {
        let before = rustix::termios::tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone away.
        let _ =
            rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

fn window_size() -> PtySize {
    match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_col > 0 => {
            PtySize { columns: u32::from(size.ws_col), rows: u32::from(size.ws_row) }
        }
        _ => PtySize { columns: 80, rows: 24 },
    }
}

async fn watch_size(sizes: mpsc::Sender<PtySize>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
    while changes.recv().await.is_some() {
        if sizes.send(window_size()).await.is_err() {
            return;
        }
    }
}

/// Standard input read by a thread of its own: a blocked read must not keep the program from ending,
/// as the runtime's own threads would.
struct Keyboard {
    chunks: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Keyboard {
    fn start() -> Self {
        let (sender, chunks) = mpsc::channel(4);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 8192];
            let mut stdin = std::io::stdin().lock();
            while let Ok(count @ 1..) = stdin.read(&mut buffer) {
                if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return;
                }
            }
        });
        Self { chunks, rest: Bytes::new() }
    }
}

impl AsyncRead for Keyboard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.rest.is_empty() {
            match self.chunks.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(chunk)) => self.rest = chunk,
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}
