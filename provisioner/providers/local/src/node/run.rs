//! `__node-run`: the last step before a program of the node. It makes a session of its own (so that the
//! program and what it starts can be ended together), takes the terminal if there is one, and asks to
//! die with the init where no process namespace sees to that.

use crate::launch::{SELF, SHOWN_NAME};
use rustix::process::{Signal, ioctl_tiocsctty, set_parent_process_death_signal, setsid};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// How to start a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Standard input is a terminal that becomes its controlling terminal.
    pub terminal: bool,
    /// It is killed when the init ends.
    pub dies_with_init: bool,
}

impl RunOptions {
    /// The command to which the program's words are added.
    pub fn command(self) -> Command {
        let mut command = Command::new(SELF);
        command.arg0(SHOWN_NAME).arg("__node-run");
        command.arg(if self.terminal { "terminal" } else { "plain" });
        command.arg(if self.dies_with_init { "bound" } else { "free" });
        command.arg(std::process::id().to_string());
        command
    }
}

/// `__node-run terminal|plain bound|free INIT PROGRAM ARGUMENT...`.
#[expect(clippy::print_stderr, reason = "goes to the program's own standard error")]
pub fn run_main(arguments: &[OsString]) -> ExitCode {
    let [terminal, bound, init, program, rest @ ..] = arguments else {
        return ExitCode::from(2);
    };
    if bound == "bound" {
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
        if parent.as_deref() != init.to_str() {
            // The init died before it could be asked about.
            return ExitCode::FAILURE;
        }
    }
    let _ = setsid();
    if terminal == "terminal" {
        let _ = ioctl_tiocsctty(io::stdin());
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("{}: {error}", program.display());
    // As a shell says that a program cannot be started.
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}
