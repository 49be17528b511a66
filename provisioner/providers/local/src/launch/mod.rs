//! Starting what outlives the command: a launcher is this same program, started again, with a single
//! thread, so that it may change its namespaces. It takes the object's lock, starts the holder or the
//! init, hands over lock, listeners and order, waits for the report, prints it and ends.
//!
//! Invariants: whatever is started holds the lock from before its first instruction; it ends by itself
//! when its launcher dies before the order; after the order it comes up or ends. So a lock that is held
//! means "alive or just coming", whoever was killed.

mod holder;
mod machine;
mod probe;
mod volumes;

pub use holder::holder_main;
pub use machine::ssh_port;
pub use probe::{FORBIDDEN_HINT, find_isolation, inner_main as probe_inner_main, probe_main};
pub(crate) use volumes::change_link;
pub use volumes::{attach_main, change_attachments};

use crate::alive::Identity;
use crate::disk::{Lock, write_json};
use crate::error::LocalError;
use crate::layout::{Kind, Layout};
use crate::passing;
use crate::record::{Report, Running, Up};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// This program, however it was started and whether or not its file is still there.
pub const SELF: &str = "/proc/self/exe";
/// The name shown in lists of running programs.
pub const SHOWN_NAME: &str = "provisioner";
/// How long a holder or init may take to come up.
const START_LIMIT_S: i64 = 60;
/// Logs beyond this are started anew at the next start.
const LOG_LIMIT: u64 = 1 << 20;

/// What a launcher prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launched {
    /// It was started and is up.
    Up,
    /// Somebody holds the lock: it is up or coming up.
    AlreadyRunning,
    /// It did not start.
    Failed(Failure),
}

/// Why something did not start.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub detail: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Failure {
    fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), hint: String::new() }
    }

    /// A failed step: `said(io error)` tells which.
    fn at<E: std::fmt::Display>(step: impl std::fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(format!("{step}: {error}"))
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let hint = error.hint().unwrap_or_default().to_owned();
        Self { detail: error.to_string(), hint }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs a launcher and reads its answer. Blocks until the object is up.
pub fn launch(
    executable: &Path,
    layout: &Layout,
    kind: Kind,
    name: &str,
) -> Result<Launched, LocalError> {
    let start_error = |detail: String| LocalError::Start {
        kind: kind.word(),
        name: name.to_owned(),
        detail,
        hint: String::new(),
    };
    let output = Command::new(executable)
        .arg0(SHOWN_NAME)
        .arg("__local-launch")
        .arg(kind.word())
        .arg(layout.root())
        .arg(name)
        // Ctrl-C on the command's terminal must not hit it.
        .process_group(0)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| start_error(format!("cannot run {}: {error}", executable.display())))?;
    match serde_json::from_slice(&output.stdout) {
        Ok(Launched::Failed(failure)) => Err(LocalError::Start {
            kind: kind.word(),
            name: name.to_owned(),
            detail: failure.detail,
            hint: failure.hint,
        }),
        Ok(launched) => Ok(launched),
        Err(_) => Err(start_error(format!("its launcher ended with {}", output.status))),
    }
}

/// `__local-launch KIND CLOUD NAME`.
pub fn launch_main(arguments: &[OsString]) -> ExitCode {
    let [kind, cloud, name] = arguments else {
        return ExitCode::from(2);
    };
    let layout = Layout::new(PathBuf::from(cloud));
    let name = name.to_string_lossy();
    let answer = match kind.to_str() {
        Some("network") => holder::launch(&layout, &name),
        Some("machine") => machine::launch(&layout, &name),
        _ => Err(Failure::new("a launcher starts a network or a machine")),
    };
    let answer = answer.unwrap_or_else(Launched::Failed);
    let code = ExitCode::from(u8::from(matches!(answer, Launched::Failed(_))));
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    // Nobody may be listening any more; what was started stays.
    let _ = io::stdout().write_all(&text);
    code
}

/// What to start, and what to give it.
struct Start<'a, O> {
    mode: &'a str,
    order: &'a O,
    lock: Lock,
    listeners: &'a [OwnedFd],
    state: &'a Path,
    log: &'a Path,
    running: Running,
}

fn open_log(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if log.metadata()?.len() > LOG_LIMIT {
        log.set_len(0)?;
    }
    Ok(log)
}

/// The end of a log, for a message.
fn log_since(path: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut log = std::fs::File::open(path)?;
        log.seek(io::SeekFrom::Start(from))?;
        let mut text = String::new();
        log.take(2_000).read_to_string(&mut text)?;
        Ok(text)
    };
    read().unwrap_or_default().trim().to_owned()
}

fn wait_readable(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let limit = Timespec { tv_sec: START_LIMIT_S, tv_nsec: 0 };
    loop {
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&limit)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

/// Starts the holder or init and waits for its report.
fn start<O: Serialize>(mut what: Start<'_, O>) -> Result<Launched, Failure> {
    let log = open_log(what.log).map_err(Failure::at(format!("open {}", what.log.display())))?;
    let log_start = log.metadata().map_or(0, |metadata| metadata.len());
    let (ours, theirs) = passing::pair()?;
    let mut child = Command::new(SELF)
        .arg0(SHOWN_NAME)
        .arg(what.mode)
        .arg(what.state)
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(Failure::at("start this program again"))?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let identity = Identity::of(pid).ok_or_else(|| Failure::new("it ended at once"))?;
    what.running.identity = identity;
    write_json(what.state, &what.running)?;

    let lock = what.lock.into_descriptor();
    let directory = what.state.parent().unwrap_or(Path::new("/"));
    let directory = std::fs::File::open(directory)?;
    let mut files = vec![lock.as_fd(), directory.as_fd()];
    files.extend(what.listeners.iter().map(|listener| listener.as_fd()));
    passing::send(&ours, what.order, &files).map_err(Failure::at("send the boot order"))?;
    drop(lock);

    let report = if wait_readable(ours.as_fd())? {
        passing::receive::<Report>(&ours)?.map(|(report, _)| report)
    } else {
        let _ = child.kill();
        let detail = format!("it was not up after {START_LIMIT_S} s");
        Some(Report::Failed { detail })
    };
    match report {
        Some(Report::Up) => Ok(Launched::Up),
        Some(Report::Failed { detail }) => {
            let _ = child.wait();
            Err(Failure::new(detail))
        }
        None => {
            let status = child.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
            let said = log_since(what.log, log_start);
            Err(Failure::new(format!("it ended while starting ({status}) {said}")))
        }
    }
}

/// Standard input was the socket to the launcher; afterwards it is nothing.
pub fn close_stdin() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(())
}

/// Says that this program is up: first where it stays, then to the launcher, which may be dead.
pub fn report_up(directory: &OwnedFd, up: &Up) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, openat, renameat};
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(directory, ".up.json.new", flags, Mode::from_raw_mode(0o600))?;
    let mut file = std::fs::File::from(file);
    file.write_all(&serde_json::to_vec(up)?)?;
    file.sync_all()?;
    renameat(directory, ".up.json.new", directory, UP_FILE)?;
    let _ = passing::send(io::stdin(), &Report::Up, &[]);
    close_stdin()
}

/// Beside the state.
pub const UP_FILE: &str = "up.json";
