//! The canonical form of a file: how `provisioner fmt` writes it.
//!
//! The same form as `terraform fmt` gives, so that whoever moves over sees no change. It works on tokens: what is
//! written is what was read, with other space between. Three things are written anew, each where the meaning is the
//! same: a string that is nothing but an interpolation, labels without quotes, types as they were written before they
//! were expressions.
//! Invariants: a file that cannot be parsed is refused, not guessed at; the result parses to the same tree; formatting
//! the result changes nothing; comments and the text of templates stay byte for byte.
//! Refuses to know: what a block or argument means (but for `variable` and `type`), where files are.

mod layout;
mod piece;
mod rewrite;
mod space;

#[cfg(test)]
mod tests;

use crate::source::SourceFile;
use crate::syntax::parse_file;
use model::Diagnostic;

/// How often a result is formatted again. What is unwrapped may hold something to unwrap; every round takes one
/// level, and nesting is bounded by the parser.
const ROUNDS: usize = 16;

/// The canonical form of a file's text. `name` is the file's name in diagnostics.
///
/// # Errors
/// All syntax errors of the file.
pub fn format(name: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let mut formatted = once(name, text)?;
    for _ in 0..ROUNDS {
        let again = once(name, &formatted)?;
        if again == formatted {
            break;
        }
        formatted = again;
    }
    Ok(formatted)
}

fn once(name: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let file = SourceFile::new(name, text);
    let (_, diagnostics) = parse_file(&file);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let mut pieces = rewrite::rewrite(piece::pieces(&file.text));
    layout::lay_out(&mut pieces);
    Ok(piece::text(&pieces))
}
