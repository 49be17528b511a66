//! Starting programs on the node and burying every one that ends, whoever started it.
//!
//! Invariant: one place waits for children. A program that ends before its starter asks is not missed,
//! because starting and registering happen without a pause on the only thread.

use super::run::RunOptions;
use crate::alive::NODE_MARK;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Where programs are looked for.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// As a shell would say it.
    pub fn as_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Where a node's files are and how its programs are started.
#[derive(Clone, Debug)]
pub struct Place {
    /// What stands before every path of the node: empty with namespaces.
    pub prefix: PathBuf,
    /// The machine's directory on the host, when programs must be marked with it.
    pub mark: Option<PathBuf>,
}

impl Place {
    /// A path of the node as this program must open it.
    pub fn path(&self, absolute: &str) -> PathBuf {
        if self.prefix.as_os_str().is_empty() {
            return PathBuf::from(absolute);
        }
        self.prefix.join(absolute.trim_start_matches('/'))
    }

    /// The value of `PROVISIONER_ROOT`.
    pub fn root_variable(&self) -> &str {
        self.prefix.to_str().unwrap_or_default()
    }

    /// Replaces `${PROVISIONER_ROOT}` by the prefix.
    pub fn expand(&self, text: &str) -> String {
        text.replace("${PROVISIONER_ROOT}", self.root_variable())
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("HOME".to_owned(), text(self.path("/root"))),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("LOGNAME".to_owned(), "root".to_owned()),
            ("PATH".to_owned(), SEARCH_PATH.to_owned()),
            ("PROVISIONER_ROOT".to_owned(), self.root_variable().to_owned()),
            ("SHELL".to_owned(), "/bin/sh".to_owned()),
            ("USER".to_owned(), "root".to_owned()),
        ]);
        if let Some(directory) = &self.mark {
            environment.insert(NODE_MARK.to_owned(), text(directory.clone()));
        }
        environment
    }

    /// A command that starts `words` on the node in a session of its own.
    pub fn command(&self, words: &[String], terminal: bool) -> Command {
        let options = RunOptions { terminal, dies_with_init: self.mark.is_some() };
        let mut command = options.command();
        command.args(words).env_clear().envs(self.environment());
        command.current_dir(self.path("/root"));
        command
    }
}

/// A started program.
#[derive(Debug)]
pub struct Program {
    pid: i32,
    /// Its standard input, if it was piped.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if it was piped.
    pub stderr: Option<ChildStderr>,
    ended: oneshot::Receiver<Ended>,
}

impl Program {
    /// Its number on the node.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for its end; may be asked again after it was cancelled, not after it answered.
    pub async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.unwrap_or(Ended::Code(255))
    }

    /// Sends a signal to it and what it started.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.pid) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// All programs that somebody waits for.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    waiting: Arc<Mutex<HashMap<i32, oneshot::Sender<Ended>>>>,
}

impl Programs {
    /// Starts a program.
    pub fn start(&self, command: &mut Command) -> io::Result<Program> {
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let (sender, ended) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, sender);
        Ok(Program { pid, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended })
    }

    /// Runs words to their end, with nothing on standard input and everything else in a file.
    pub async fn run(
        &self,
        place: &Place,
        words: &[String],
        output: std::fs::File,
    ) -> io::Result<Ended> {
        let mut command = place.command(words, false);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(self.start(&mut command)?.ended().await)
    }

    fn bury(&self) {
        loop {
            let (pid, ended) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Ended::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Ended::Signal(signal as i32)),
                Err(nix::Error::EINTR) | Ok(WaitStatus::Stopped(..) | WaitStatus::Continued(_)) => {
                    continue;
                }
                _ => return,
            };
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sender) = waiting.remove(&pid.as_raw()) {
                let _ = sender.send(ended);
            }
        }
    }

    /// Buries the dead for ever.
    pub async fn bury_forever(self) -> io::Result<()> {
        let mut deaths = signal(SignalKind::child())?;
        loop {
            self.bury();
            deaths.recv().await;
        }
    }
}

/// Whether a path of the node exists, given as the node sees it.
pub fn exists_on(place: &Place, absolute: &str) -> bool {
    Path::new(absolute).is_absolute() && place.path(absolute).exists()
}
