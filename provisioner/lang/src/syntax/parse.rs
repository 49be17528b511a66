//! From text to the tree; syntax errors as diagnostics.
//!
//! The parser stops at its first error. To report more of a file at once, the block that holds the error
//! is blanked out and the rest parsed again, a bounded number of times.

use super::ast::{Body, Expression, Extent, Part};
use super::lower::Lower;
use crate::source::{SourceFile, offset};
use hcl_edit::parser::{self, Error};
use hcl_edit::structure;
use model::Diagnostic;
use std::sync::Arc;

/// How many syntax errors of one file are reported.
const MOST_ERRORS: usize = 20;

/// Parses a file.
pub(crate) fn parse_file(file: &Arc<SourceFile>) -> (Body, Vec<Diagnostic>) {
    let mut text = file.text.to_string();
    let mut diagnostics = Vec::new();
    while diagnostics.len() < MOST_ERRORS {
        match text.parse::<structure::Body>() {
            Ok(body) => {
                let mut lower = Lower::new(file);
                let body = lower.body(&body);
                diagnostics.extend(lower.diagnostics);
                return (body, diagnostics);
            }
            Err(error) => {
                let at = error.location().offset();
                diagnostics.push(describe(file, &error));
                // A heredoc without an end reaches to the end of the file.
                if error.message().contains("heredoc") || !blank_block(&mut text, at) {
                    break;
                }
            }
        }
    }
    (Body::default(), diagnostics)
}

/// Parses an expression that stands on its own: kept in a plan, or given on the command line.
pub(crate) fn parse_expression(name: &str, text: &str) -> Result<Expression, Diagnostic> {
    // In parentheses, since the text may have been cut out of brackets where it spans lines.
    let file = SourceFile::new(name, &format!("({text}\n)"));
    let parsed = parser::parse_expr(&file.text).map_err(|error| describe(&file, &error))?;
    let mut lower = Lower::new(&file);
    let root = Arc::new(lower.expr(&parsed));
    let mistake = lower.diagnostics.into_iter().next();
    mistake.map_or(Ok(Expression { file, root }), Err)
}

/// Parses the text of a template.
pub(crate) fn parse_template(file: &Arc<SourceFile>) -> Result<Vec<Part>, Diagnostic> {
    let parsed = parser::parse_template(&file.text).map_err(|error| describe(file, &error))?;
    let mut lower = Lower::new(file);
    let parts = lower.template(&parsed);
    lower.diagnostics.into_iter().next().map_or(Ok(parts), Err)
}

fn describe(file: &SourceFile, error: &Error) -> Diagnostic {
    let text = file.text.as_ref();
    let at = error.location().offset().min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let width = text[at..].chars().next().map_or(0, char::len_utf8);
    let span = file.span(Extent { start: offset(at), end: offset(at + width) });
    let message = in_words(error.message());
    let diagnostic =
        Diagnostic::error("syntax", "the syntax is not valid").with_label(span, message);
    match hint(text, at) {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// The parser's message in the words of the language.
fn in_words(message: &str) -> String {
    let known = [
        ("invalid expression; expected", "a value is expected here"),
        ("invalid block body; expected", "an argument, a block or `}` is expected here"),
        ("unique attribute key", "this argument is given twice in the block"),
        ("unique object key", "this key is given twice in the object"),
        (
            "heredoc end delimiter",
            "this heredoc has no end: its delimiter stands on a line of its own",
        ),
        ("invalid structure; expected", "`=` or a block's `{` is expected here"),
    ];
    let found = known.into_iter().find(|(part, _)| message.contains(part));
    found.map_or_else(
        || message.replace("eof", "the end of the file"),
        |(_, words)| words.to_owned(),
    )
}

fn hint(text: &str, at: usize) -> Option<&'static str> {
    let rest = &text[at..];
    if rest.starts_with('\'') {
        return Some("text stands in double quotes: \"...\"");
    }
    if rest.trim_start().is_empty() {
        return Some(
            "a closing brace, bracket, quote or heredoc delimiter is missing before the end of the file",
        );
    }
    if rest.starts_with('&') || rest.starts_with('|') {
        return Some("the logical operators are `&&` and `||`");
    }
    let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    if line.matches('"').count() % 2 == 1 {
        return Some(
            "a quoted text ends on the line it began; for several lines use a heredoc: <<-EOT",
        );
    }
    None
}

/// Replaces the top-level block around `at` by spaces, so that all other bytes stay where they are.
fn blank_block(text: &mut String, at: usize) -> bool {
    let mut start = 0;
    let mut end = text.len();
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let next = position + line.len();
        let opens = line.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if position <= at && opens {
            start = position;
        } else if position > at && opens {
            end = position;
            break;
        } else if position > start && line.starts_with('}') && next > at {
            end = next;
            break;
        }
        position = next;
    }
    let blank: String =
        text[start..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    if blank == text[start..end] {
        return false;
    }
    text.replace_range(start..end, &blank);
    true
}
