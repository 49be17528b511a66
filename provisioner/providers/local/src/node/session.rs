//! One session channel of a login: a command or a shell, with or without a terminal.
//!
//! Invariants: output is never dropped while the client takes it; when the client is gone, what it started
//! is ended; what a command leaves running in the background does not keep the channel open.

use super::programs::{Ended, Place, Program, Programs};
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};

/// How long output may go on after a command has ended, as long as nothing comes.
const QUIET: Duration = Duration::from_millis(300);
/// How long what a client left may take to end when it is told to.
const HANG_UP_LIMIT: Duration = Duration::from_secs(2);

/// What a session needs of the node.
#[derive(Clone)]
pub struct Host {
    /// Where files are.
    pub place: Place,
    /// Who starts programs.
    pub programs: Programs,
}

struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    kind: String,
}

#[derive(Default)]
struct Wishes {
    terminal: Option<Terminal>,
    environment: Vec<(String, String)>,
}

fn size(columns: u32, rows: u32) -> Winsize {
    let short = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    Winsize { ws_row: short(rows), ws_col: short(columns), ws_xpixel: 0, ws_ypixel: 0 }
}

fn open_terminal(kind: String, columns: u32, rows: u32) -> io::Result<Terminal> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    tcsetwinsize(&master, size(columns, rows))?;
    Ok(Terminal { master, slave, kind })
}

/// Serves a channel to its end. `closed` tells (by its sender's death) that the connection is gone.
pub async fn serve(host: Host, channel: Channel<Msg>, handle: Handle, closed: watch::Receiver<()>) {
    let id = channel.id();
    let (mut read, write) = channel.split();
    let mut wishes = Wishes::default();
    while let Some(message) = read.wait().await {
        let words = match message {
            ChannelMsg::RequestPty { term, col_width, row_height, .. } => {
                wishes.terminal = open_terminal(term, col_width, row_height).ok();
                reply(&handle, id, wishes.terminal.is_some()).await;
                continue;
            }
            ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
                let fits = !variable_name.is_empty() && !variable_name.contains(['=', '\0']);
                if fits && !variable_value.contains('\0') {
                    wishes.environment.push((variable_name, variable_value));
                }
                reply(&handle, id, fits).await;
                continue;
            }
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                if let Some(terminal) = &wishes.terminal {
                    let _ = tcsetwinsize(&terminal.master, size(col_width, row_height));
                }
                continue;
            }
            ChannelMsg::Exec { command, .. } => {
                let Ok(text) = String::from_utf8(command) else {
                    reply(&handle, id, false).await;
                    continue;
                };
                vec!["/bin/sh".to_owned(), "-c".to_owned(), text]
            }
            ChannelMsg::RequestShell { .. } => vec!["/bin/sh".to_owned(), "-l".to_owned()],
            ChannelMsg::RequestSubsystem { .. }
            | ChannelMsg::RequestX11 { .. }
            | ChannelMsg::AgentForward { .. } => {
                reply(&handle, id, false).await;
                continue;
            }
            ChannelMsg::Close => return,
            _ => continue,
        };
        match start(&host, &words, wishes) {
            Ok(started) => {
                reply(&handle, id, true).await;
                if let Some(ended) = attend(started, &mut read, &write, closed).await {
                    tell(&handle, id, ended).await;
                    let _ = handle.eof(id).await;
                }
            }
            Err(error) => {
                reply(&handle, id, true).await;
                let text = format!("cannot start {}: {error}\n", words[0]);
                let _ = handle.extended_data(id, 1, text.into_bytes()).await;
                tell(&handle, id, Ended::Code(126)).await;
            }
        }
        let _ = handle.close(id).await;
        return;
    }
}

async fn reply(handle: &Handle, id: ChannelId, granted: bool) {
    let _ =
        if granted { handle.channel_success(id).await } else { handle.channel_failure(id).await };
}

async fn tell(handle: &Handle, id: ChannelId, ended: Ended) {
    let _ = match ended {
        Ended::Code(code) => {
            let code = u32::try_from(code).unwrap_or(255);
            handle.exit_status_request(id, code).await
        }
        Ended::Signal(signal) => {
            let name = match Signal::from_named_raw(signal) {
                Some(Signal::ABORT) => Sig::ABRT,
                Some(Signal::ALARM) => Sig::ALRM,
                Some(Signal::FPE) => Sig::FPE,
                Some(Signal::HUP) => Sig::HUP,
                Some(Signal::ILL) => Sig::ILL,
                Some(Signal::INT) => Sig::INT,
                Some(Signal::PIPE) => Sig::PIPE,
                Some(Signal::QUIT) => Sig::QUIT,
                Some(Signal::SEGV) => Sig::SEGV,
                Some(Signal::TERM) => Sig::TERM,
                Some(Signal::USR1) => Sig::USR1,
                _ => Sig::KILL,
            };
            handle.exit_signal_request(id, name, false, String::new(), String::new()).await
        }
    };
}

/// A running program with its streams.
struct Started {
    program: Program,
    input: Option<pipe::Sender>,
    output: pipe::Receiver,
    errors: Option<pipe::Receiver>,
    terminal: Option<OwnedFd>,
}

fn start(host: &Host, words: &[String], wishes: Wishes) -> io::Result<Started> {
    let mut command = host.place.command(words, wishes.terminal.is_some());
    command.envs(wishes.environment);
    let Some(terminal) = wishes.terminal else {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = host.programs.start(&mut command)?;
        let missing = || io::Error::other("a stream is missing");
        let input = program.stdin.take().ok_or_else(missing)?;
        let output = program.stdout.take().ok_or_else(missing)?;
        let errors = program.stderr.take().ok_or_else(missing)?;
        return Ok(Started {
            program,
            input: Some(pipe::Sender::from_owned_fd(input.into())?),
            output: pipe::Receiver::from_owned_fd(output.into())?,
            errors: Some(pipe::Receiver::from_owned_fd(errors.into())?),
            terminal: None,
        });
    };
    command.env("TERM", &terminal.kind);
    command.stdin(terminal.slave.try_clone()?);
    command.stdout(terminal.slave.try_clone()?).stderr(terminal.slave);
    let flags = rustix::fs::fcntl_getfl(&terminal.master)?;
    rustix::fs::fcntl_setfl(&terminal.master, flags | rustix::fs::OFlags::NONBLOCK)?;
    let program = host.programs.start(&mut command)?;
    // The command keeps the other end open in this program until it is dropped.
    drop(command);
    Ok(Started {
        program,
        input: Some(pipe::Sender::from_owned_fd_unchecked(terminal.master.try_clone()?)?),
        output: pipe::Receiver::from_owned_fd_unchecked(terminal.master.try_clone()?)?,
        errors: None,
        terminal: Some(terminal.master),
    })
}

/// Carries bytes until the program has ended and its output is delivered; `None` when the client left.
async fn attend(
    started: Started,
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
    mut closed: watch::Receiver<()>,
) -> Option<Ended> {
    let Started { mut program, input, output, errors, terminal } = started;
    let (over, is_over) = watch::channel(false);
    let (bytes, to_write) = mpsc::channel(16);
    let writer = tokio::spawn(feed(input, to_write, terminal.is_some()));
    let output = tokio::spawn(drain(output, write.make_writer(), is_over.clone()));
    let errors = errors.map(|it| tokio::spawn(drain(it, write.make_writer_ext(Some(1)), is_over)));
    let signals = program_signals(&program);
    let ended = tokio::select! {
        ended = program.ended() => Some(ended),
        () = listen(read, bytes, &signals, terminal.as_ref()) => None,
        _ = closed.changed() => None,
    };
    let delivered = async {
        let _ = over.send(true);
        let _ = output.await;
        if let Some(errors) = errors {
            let _ = errors.await;
        }
    };
    if ended.is_some() {
        tokio::select! { () = delivered => {}, _ = closed.changed() => {} }
    } else {
        end(&mut program).await;
    }
    writer.abort();
    ended
}

/// Ends what a client left behind.
async fn end(program: &mut Program) {
    program.signal(Signal::HUP);
    program.signal(Signal::CONT);
    if tokio::time::timeout(HANG_UP_LIMIT, program.ended()).await.is_err() {
        program.signal(Signal::KILL);
        program.ended().await;
    }
}

fn program_signals(program: &Program) -> impl Fn(Signal) + use<> {
    let pid = rustix::process::Pid::from_raw(program.pid());
    move |signal| {
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

fn named(signal: &Sig) -> Signal {
    match signal {
        Sig::ABRT => Signal::ABORT,
        Sig::ALRM => Signal::ALARM,
        Sig::FPE => Signal::FPE,
        Sig::HUP => Signal::HUP,
        Sig::ILL => Signal::ILL,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::PIPE => Signal::PIPE,
        Sig::QUIT => Signal::QUIT,
        Sig::SEGV => Signal::SEGV,
        Sig::USR1 => Signal::USR1,
        Sig::TERM | Sig::Custom(_) => Signal::TERM,
    }
}

/// Takes what the client sends, until it closes the channel.
async fn listen(
    read: &mut ChannelReadHalf,
    bytes: mpsc::Sender<bytes::Bytes>,
    signal: &impl Fn(Signal),
    terminal: Option<&OwnedFd>,
) {
    let mut bytes = Some(bytes);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(sender) = &bytes
                    && sender.send(data).await.is_err()
                {
                    bytes = None;
                }
            }
            ChannelMsg::Eof => bytes = None,
            ChannelMsg::Signal { signal: wanted } => signal(named(&wanted)),
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                if let Some(master) = terminal {
                    let _ = tcsetwinsize(master.as_fd(), size(col_width, row_height));
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Writes to the program's standard input; closing the sender closes it.
async fn feed(
    input: Option<pipe::Sender>,
    mut bytes: mpsc::Receiver<bytes::Bytes>,
    is_terminal: bool,
) {
    const END_OF_TRANSMISSION: &[u8] = &[4];
    let Some(mut input) = input else { return };
    while let Some(part) = bytes.recv().await {
        if input.write_all(&part).await.is_err() {
            return;
        }
    }
    if is_terminal {
        let _ = input.write_all(END_OF_TRANSMISSION).await;
    }
}

/// Carries output to the client until its end, or until the program is over and nothing comes any more.
async fn drain(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_over: watch::Receiver<bool>,
) {
    let mut buffer = vec![0_u8; 32 * 1024];
    loop {
        let over = *is_over.borrow();
        let count = tokio::select! {
            biased;
            count = from.read(&mut buffer) => count,
            () = tokio::time::sleep(QUIET), if over => return,
            _ = is_over.changed(), if !over => continue,
        };
        match count {
            // A terminal says EIO when its last program is gone.
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to.write_all(&buffer[..count]).await.is_err() || to.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}
