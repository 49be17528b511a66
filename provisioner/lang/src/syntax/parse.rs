//! From text to the tree; syntax errors as diagnostics.
//!
//! The parser stops at its first error. To report more of a file at once, the block that holds the error
//! is blanked out and the rest parsed again, a bounded number of times.

use super::ast::{Body, Expr, Extent, Part};
use super::lower::Lower;
use crate::source::{SourceFile, offset};
use hcl_edit::expr::Expression;
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
                if !blank_block(&mut text, at) {
                    break;
                }
            }
        }
    }
    (Body::default(), diagnostics)
}

/// Parses an expression that was kept as text in a plan.
pub(crate) fn parse_residual(file: &Arc<SourceFile>) -> Result<Expr, Diagnostic> {
    // In parentheses, since the text may have been cut out of brackets where it spans lines.
    let text = format!("({}\n)", file.text);
    let parsed: Expression = parser::parse_expr(&text).map_err(|error| describe(file, &error))?;
    let mut lower = Lower::new(file);
    let expr = lower.expr(&parsed);
    lower.diagnostics.into_iter().next().map_or(Ok(expr), Err)
}

/// Parses the text of a template.
pub(crate) fn parse_template(file: &Arc<SourceFile>) -> Result<Vec<Part>, Diagnostic> {
    let parsed = parser::parse_template(&file.text).map_err(|error| describe(file, &error))?;
    let mut lower = Lower::new(file);
    let parts = lower.template(&parsed, None);
    lower.diagnostics.into_iter().next().map_or(Ok(parts), Err)
}

fn describe(file: &SourceFile, error: &Error) -> Diagnostic {
    let text = file.text.as_ref();
    let at = error.location().offset().min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let width = text[at..].chars().next().map_or(0, char::len_utf8);
    let span = file.span(Extent { start: offset(at), end: offset(at + width) });
    let message = error.message().replace("eof", "the end of the file");
    let diagnostic = Diagnostic::error("syntax", "the syntax is not valid").with_label(span, message);
    match hint(text, at) {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

fn hint(text: &str, at: usize) -> Option<&'static str> {
    let rest = &text[at..];
    if rest.starts_with('\'') {
        return Some("text stands in double quotes: \"...\"");
    }
    if rest.trim_start().is_empty() {
        return Some("a closing brace, bracket, quote or heredoc delimiter is missing before the end of the file");
    }
    if rest.starts_with('&') || rest.starts_with('|') {
        return Some("the logical operators are `&&` and `||`");
    }
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    if line.matches('"').count() % 2 == 1 {
        return Some("a quoted text ends on the line it began; for several lines use a heredoc: <<-EOT");
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
    let blank: String = text[start..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    if blank == text[start..end] {
        return false;
    }
    text.replace_range(start..end, &blank);
    true
}
