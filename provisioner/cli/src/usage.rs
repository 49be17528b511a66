//! A command line that is not understood, and what is asked of it instead of a command: help and the version.
//!
//! Invariant: with `--json` a mistake is data like every other one. Refuses to know: what commands there are.

use model::{Diagnostic, SourceMap};
use std::ffi::OsString;
use std::process::ExitCode;
use views::{ColorChoice, Console};

/// Tells what is wrong, or what was asked for.
pub fn tell(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    let before_others = words.iter().take_while(|word| *word != "--");
    if error.use_stderr() && before_others.into_iter().any(|word| word == "--json") {
        let console = Console::standard(ColorChoice::Never);
        let diagnostic = described(&error.render().to_string());
        views::diagnostics::print(&console, &[diagnostic], &SourceMap::default(), true);
        return code;
    }
    match error.print() {
        Ok(()) => code,
        // Nobody is there to be told.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The paragraphs of a message: what is wrong, tips, and how the command is used.
fn described(message: &str) -> Diagnostic {
    let mut paragraphs = message.split("\n\n").map(one_line);
    let summary = paragraphs.next().unwrap_or_default();
    let summary = summary.strip_prefix("error: ").unwrap_or(&summary);
    let mut diagnostic = Diagnostic::error("usage", summary);
    for paragraph in paragraphs {
        if let Some(tip) = paragraph.strip_prefix("tip: ") {
            diagnostic = diagnostic.with_hint(tip);
        } else if paragraph.starts_with("Usage: ") {
            diagnostic = diagnostic.with_detail(paragraph);
        }
    }
    diagnostic
}

fn one_line(paragraph: &str) -> String {
    let lines: Vec<_> = paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_diagnostic() {
        let message = "error: unexpected argument '--x' found\n\n  tip: a similar argument exists: '--y'\n\n\
                       Usage: provisioner plan <ENVIRONMENT>\n\nFor more information, try '--help'.\n";
        let diagnostic = described(message);
        assert_eq!(diagnostic.summary, "unexpected argument '--x' found");
        assert_eq!(diagnostic.hints, ["a similar argument exists: '--y'"]);
        assert_eq!(diagnostic.detail, "Usage: provisioner plan <ENVIRONMENT>");
        let missing = described("error: these were not provided:\n  <A>\n  <B>\n");
        assert_eq!(missing.summary, "these were not provided: <A> <B>");
    }
}
