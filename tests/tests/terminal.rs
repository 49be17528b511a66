//! The console in a terminal: lines that are edited, go on, are dropped and come back in a later session.
//!
//! What is typed next is sent only when what was awaited has been shown, so nothing here depends on how fast anything is.

use tests::{Terminal, Workbench};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const LEFT: &str = "\u{1b}[D";

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
    terminal.ends(0);
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
    terminal.is_killed();

    let mut terminal = Terminal::start(&bench, &["console", "env"]);
    terminal.shows("> ");
    terminal.types(&format!("{UP}\r"));
    terminal.shows("\r\n42\r\n");
    terminal.shows("> ");
    terminal.types("exit\r");
    terminal.ends(0);
}
