//! One run of the program: what it printed and how it ended.

use serde_json::Value;
use std::process::{Child, Output};
use tempfile::NamedTempFile;

/// A run that ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[expect(clippy::return_self_not_must_use, reason = "a statement that panics is a whole check")]
impl Finished {
    /// From what the system reports.
    pub fn new(command: String, output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        Self {
            command,
            code: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics, with all that was printed, unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {}, expected {code}: {self}", self.code);
        self
    }

    /// Panics unless standard output or standard error contains `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(said, "`{text}` was not printed: {self}");
        self
    }

    /// Panics if standard output or standard error contains `text`.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!said, "`{text}` was printed: {self}");
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not JSON ({error}): {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(
            formatter,
            "`{command}` ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

/// A run that goes on.
#[derive(Debug)]
pub struct Running {
    pub(crate) command: String,
    pub(crate) child: Child,
    pub(crate) log: NamedTempFile,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"))
    }

    /// Sends a signal; the process may be gone already.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let _ = nix::sys::signal::kill(self.pid(), signal);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_some()
    }

    /// What it printed so far, on both streams.
    pub fn said_so_far(&self) -> String {
        let bytes = std::fs::read(self.log.path()).expect("the file is ours");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the end. Both streams are in `stderr`.
    pub fn finish(mut self) -> Finished {
        let status = self.child.wait().expect("the child can be waited for");
        let output = Output { status, stdout: Vec::new(), stderr: self.said_so_far().into_bytes() };
        Finished::new(self.command.clone(), &output)
    }
}
