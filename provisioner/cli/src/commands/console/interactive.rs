//! The console in a terminal: line editing, history, completion of names.
//!
//! Invariants: an expression goes on in the next line as long as something in it is open. A line is kept as soon as it is given. What holds a secret by the
//! looks of it (`sensitive(...)`), and a line that begins with a space, is not kept in the history.

use super::Evaluator;
use crate::places::Homes;
use model::Diagnostic;
use rustyline::completion::Completer;
use rustyline::config::{BellStyle, CompletionType};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper, Highlighter, Hinter};
use std::path::Path;

const PROMPT: &str = "> ";

const HELP: &str = "\
An expression gives its value: var.NAME, local.NAME, TYPE.NAME.ATTRIBUTE,
module.NAME.OUTPUT, upper(\"a\"), [for x in local.list : x.name], ...
  help    this
  exit    leave; so does Ctrl-D
Tab completes names, the arrow keys go back to earlier expressions, and Ctrl-C
drops what is typed. An open bracket or heredoc goes on in the next line.
Values of resources are those that are recorded; what is not recorded is
(known after apply).
";

/// Asks for expressions until the user leaves.
pub fn run(evaluator: &mut Evaluator<'_>) -> Result<(), Diagnostic> {
    let history = Homes::of_user()?.console_history;
    let mut editor = editor(evaluator.scope.names())?;
    // There is none the first time, and one that cannot be read is no reason not to go on.
    let _ = editor.load_history(&history);
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(&error)),
        };
        if is_kept(&line) {
            keep(&mut editor, &line, &history);
        }
        match line.trim() {
            "" => {}
            "exit" | "quit" => break,
            "help" => evaluator.session.console.message(HELP),
            _ => {
                evaluator.show(&line);
            }
        }
    }
    Ok(())
}

type Line = Editor<Names, DefaultHistory>;

fn editor(names: Vec<String>) -> Result<Line, Diagnostic> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        .history_ignore_space(true)
        .max_history_size(1000)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(|error| failed(&error))?
        .build();
    let mut editor = Line::with_config(config).map_err(|error| failed(&error))?;
    editor.set_helper(Some(Names(names)));
    Ok(editor)
}

fn failed(error: &ReadlineError) -> Diagnostic {
    Diagnostic::error("terminal", format!("the terminal cannot be used: {error}"))
        .with_hint("give the expressions with `--eval`, or one a line on standard input")
}

fn is_kept(line: &str) -> bool {
    !line.trim().is_empty() && !line.contains("sensitive(")
}

/// Keeps a line at once, so that neither a terminal that is closed nor another console loses it.
fn keep(editor: &mut Line, line: &str, history: &Path) {
    // An expression can be typed again; a directory that cannot be written to is no failure of the command.
    if editor.add_history_entry(line).unwrap_or(false) {
        if let Some(directory) = history.parent() {
            let _ = std::fs::create_dir_all(directory);
        }
        let _ = editor.append_history(history);
    }
}

/// Completes names, and asks for more lines where something is open.
#[derive(Helper, Highlighter, Hinter)]
struct Names(Vec<String>);

impl Names {
    /// The names that begin as the text before the cursor ends, and where that begins.
    fn fitting(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = line.get(..cursor).unwrap_or(line);
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let start = before.trim_end_matches(is_name).len();
        let begun = &before[start..];
        if begun.is_empty() {
            return (start, Vec::new());
        }
        (start, self.0.iter().filter(|name| name.starts_with(begun)).cloned().collect())
    }
}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.fitting(line, cursor))
    }
}

impl Validator for Names {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if lang::goes_on(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_where_the_cursor_is() {
        let names =
            Names(["local.size", "local.site", "lower(", "var.x"].map(str::to_owned).into());
        assert_eq!(names.fitting("1 + local.si", 12).1, ["local.size", "local.site"]);
        assert_eq!(names.fitting("[lo, 1]", 3), (1, names.0[..3].to_vec()));
        assert_eq!(names.fitting("1 + ", 4).1, Vec::<String>::new());
    }

    #[test]
    fn secrets_are_not_kept() {
        assert!(is_kept("upper(\"a\")"));
        assert!(!is_kept("sensitive(\"key\")"));
        assert!(!is_kept("nonsensitive(var.password)"));
        assert!(!is_kept("  "));
    }
}
