//! A person's session on a node: a login shell with a pseudo-terminal, or one command with streams.
//!
//! Invariants: bytes go through unchanged and as they come; the result is the remote exit code.
//! Refuses to know this machine's terminal: the streams and the window's size are given (see
//! [`crate::terminal`] for the wiring to the real one).

use russh::{ChannelMsg, ChannelWriteHalf, Sig, client::Msg};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::SshHost;
use crate::host::{HostError, Phase};

/// The size of a terminal window in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PtySize {
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
}

/// What a session is connected to.
pub struct Session {
    /// The command line, run by the login shell; `None` is the login shell itself.
    pub command: Option<String>,
    /// The terminal's kind (`$TERM`) and size; `None` asks for no pseudo-terminal.
    pub terminal: Option<(String, PtySize)>,
    /// What the remote side reads.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// What the remote side writes.
    pub stdout: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the remote side writes as errors.
    pub stderr: Box<dyn AsyncWrite + Send + Unpin>,
    /// New sizes of the window.
    pub resizes: mpsc::Receiver<PtySize>,
}

impl SshHost {
    /// Runs a session to its end and returns the remote exit code.
    pub async fn session(&self, session: Session) -> Result<u32, HostError> {
        let name = self.connection().name.clone();
        let failed = |error: &dyn std::error::Error| {
            HostError::transient(&name, Phase::Run, error.to_string())
        };
        let channel = self.session_channel(Phase::Run).await?;
        if let Some((kind, size)) = &session.terminal {
            channel
                .request_pty(true, kind, size.columns, size.rows, 0, 0, &[])
                .await
                .map_err(|error| failed(&error))?;
        }
        match &session.command {
            Some(command) => channel.exec(true, command.as_bytes()).await,
            None => channel.request_shell(true).await,
        }
        .map_err(|error| failed(&error))?;
        let (mut reader, writer) = channel.split();
        let Session { stdin, mut stdout, mut stderr, resizes, .. } = session;
        let feed = feed(stdin, resizes, &writer);
        tokio::pin!(feed);
        let mut code = None;
        let mut feeding = true;
        loop {
            let message = tokio::select! {
                message = reader.wait() => message,
                () = &mut feed, if feeding => { feeding = false; continue }
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    pass_on(&mut stdout, &data).await.map_err(|error| failed(&error))?;
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    pass_on(&mut stderr, &data).await.map_err(|error| failed(&error))?;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => code = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    code = Some(128 + signal_number(&signal_name));
                }
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        code.ok_or_else(|| HostError::transient(&name, Phase::Run, "the connection was lost"))
    }
}

async fn pass_on(sink: &mut (dyn AsyncWrite + Send + Unpin), data: &[u8]) -> std::io::Result<()> {
    sink.write_all(data).await?;
    sink.flush().await
}

/// Sends input and window sizes until both have ended.
async fn feed(
    mut stdin: Box<dyn AsyncRead + Send + Unpin>,
    mut resizes: mpsc::Receiver<PtySize>,
    writer: &ChannelWriteHalf<Msg>,
) {
    let mut buffer = vec![0; 8192];
    let (mut reading, mut resizing) = (true, true);
    while reading || resizing {
        tokio::select! {
            read = stdin.read(&mut buffer), if reading => match read {
                Ok(count) if count > 0 => {
                    reading = writer.data(&buffer[..count]).await.is_ok();
                }
                _ => {
                    reading = false;
                    let _ = writer.eof().await;
                }
            },
            size = resizes.recv(), if resizing => match size {
                Some(size) => { let _ = writer.window_change(size.columns, size.rows, 0, 0).await; }
                None => resizing = false,
            },
        }
    }
}

/// The number of a signal, for `128 + n`.
pub(super) fn signal_number(signal: &Sig) -> u32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        _ => 15,
    }
}
