//! The program in a terminal, as a person has it.
//!
//! What is typed next is sent only when what was awaited has been shown, so nothing here depends on how fast anything is.

use crate::Workbench;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Stdio};

/// How long a terminal may be silent before a test gives up.
const SILENCE_MS: u16 = 60_000;

/// The program in a terminal of 40 lines and 100 columns.
#[derive(Debug)]
pub struct Terminal {
    screen: File,
    program: Child,
    /// What has been shown and not been awaited yet.
    shown: String,
}

impl Terminal {
    /// Starts the program.
    pub fn start(bench: &Workbench, arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("a terminal can be had");
        let stream = || Stdio::from(pair.slave.try_clone().expect("a file can be shared"));
        let mut command = bench.command(arguments);
        command.env("TERM", "xterm").stdin(stream()).stdout(stream()).stderr(stream());
        let program = command.spawn().expect("the program starts");
        Self { screen: File::from(pair.master), program, shown: String::new() }
    }

    /// Sends keys.
    pub fn types(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Reads until this is shown.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            assert!(self.read(), "`{text}` is not shown, but: {:?}", self.shown);
        }
    }

    /// Reads what there is; false when there will be no more.
    fn read(&mut self) -> bool {
        let mut ready = [PollFd::new(self.screen.as_fd(), PollFlags::POLLIN)];
        let waited = poll(&mut ready, PollTimeout::from(SILENCE_MS)).expect("it can be waited");
        assert!(waited > 0, "the terminal is silent after {:?}", self.shown);
        let mut bytes = [0; 4096];
        // When nobody has the other end any more, reading is an error.
        let length = self.screen.read(&mut bytes).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
        length > 0
    }

    /// Kills the program.
    pub fn is_killed(mut self) {
        self.program.kill().expect("it is our child");
        self.program.wait().expect("it is our child");
    }

    /// Waits for the end of the program, which is to exit with this code.
    #[track_caller]
    pub fn ends(mut self, code: i32) {
        while self.read() {}
        let status = self.program.wait().expect("it is our child");
        assert_eq!(status.code(), Some(code), "{}", self.shown);
    }
}
