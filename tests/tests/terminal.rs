//! The console in a terminal: lines that are edited, go on, are dropped and come back in a later session.
//!
//! What is typed next is sent only when what was awaited has been shown, so nothing here depends on how fast anything is.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Stdio};
use tests::Workbench;

/// How long a terminal may be silent before a test gives up.
const SILENCE_MS: u16 = 60_000;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const LEFT: &str = "\u{1b}[D";

/// The program in a terminal.
struct Terminal {
    screen: File,
    program: Child,
    /// What has been shown and not been awaited yet.
    shown: String,
}

impl Terminal {
    fn start(bench: &Workbench, arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let stream = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut command = bench.command(arguments);
        command.env("TERM", "xterm").stdin(stream()).stdout(stream()).stderr(stream());
        let program = command.spawn().unwrap();
        Self { screen: File::from(pair.master), program, shown: String::new() }
    }

    fn types(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until this is shown.
    #[track_caller]
    fn shows(&mut self, text: &str) {
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
        let waited = poll(&mut ready, PollTimeout::from(SILENCE_MS)).unwrap();
        assert!(waited > 0, "the terminal is silent after {:?}", self.shown);
        let mut bytes = [0; 4096];
        // When nobody has the other end any more, reading is an error.
        let length = self.screen.read(&mut bytes).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
        length > 0
    }

    fn ends(mut self) {
        while self.read() {}
        assert!(self.program.wait().unwrap().success(), "{}", self.shown);
    }
}

fn bench() -> Workbench {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", "locals {\n  size  = 3\n  names = [\"a\", \"b\"]\n}\n");
    bench
}

#[test]
fn expressions_are_edited_go_on_and_can_be_dropped() {
    let bench = bench();
    let mut terminal = Terminal::start(&bench, &["console", "env"]);
    terminal.shows("> ");
    terminal.types("local.size * 2\r");
    terminal.shows("\r\n6\r\n");
    terminal.shows("> ");
    terminal.types(&format!("local.size * 33{LEFT}{LEFT}1\r"));
    terminal.shows("\r\n399\r\n");
    terminal.shows("> ");
    terminal.types("upper(<<E\rhe");
    terminal.shows("he");
    terminal.types("llo\rE\r)\r");
    terminal.shows("HELLO");
    terminal.shows("> ");
    terminal.types(&format!("[1,\r{CTRL_C}"));
    terminal.shows("[1,");
    terminal.shows("> ");
    terminal.types(&format!("local.si{TAB}"));
    terminal.shows("local.size");
    terminal.types(" + 38\r");
    terminal.shows("\r\n41\r\n");
    terminal.shows("> ");
    terminal.types("local.szie\r");
    terminal.shows("did you mean `size`?");
    terminal.shows("> ");
    terminal.types("help\r");
    terminal.shows("Ctrl-D");
    terminal.shows("> ");
    terminal.types(CTRL_D);
    terminal.ends();
}

#[test]
fn an_earlier_session_is_remembered_but_no_secrets() {
    let bench = bench();
    let mut terminal = Terminal::start(&bench, &["console", "env"]);
    terminal.shows("> ");
    terminal.types("40 + 2\r");
    terminal.shows("\r\n42\r\n");
    terminal.shows("> ");
    terminal.types("sensitive(\"hunter2\")\r");
    terminal.shows("(sensitive value)");
    terminal.shows("> ");
    // The terminal is closed without a word.
    terminal.program.kill().unwrap();
    terminal.program.wait().unwrap();

    let mut terminal = Terminal::start(&bench, &["console", "env"]);
    terminal.shows("> ");
    terminal.types(&format!("{UP}\r"));
    terminal.shows("\r\n42\r\n");
    terminal.shows("> ");
    terminal.types("exit\r");
    terminal.ends();
}
