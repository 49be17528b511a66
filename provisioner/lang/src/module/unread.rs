//! Which references to nothing may be due to a block that could not be read.
//!
//! Where a syntax error hides a block, what it declares is not known, and every reference to it would be a mistake. A
//! name that occurs nowhere else in the files with such an error is declared nowhere.
//! Refuses to know: what the error is.

use crate::source::SourceFile;
use crate::syntax::Body;
use model::{Diagnostic, Span};
use std::collections::HashSet;
use std::sync::Arc;

/// References that exist only where their block could be read.
const OF_THE_BLOCK: [&str; 4] = ["each", "count", "node", "self"];

pub(super) struct Unread<'f> {
    files: &'f [(Arc<SourceFile>, Body)],
    /// The words of files in which a block could not be read, but for those behind a dot; `None` where all could.
    words: Option<HashSet<&'f str>>,
}

impl<'f> Unread<'f> {
    pub(super) fn new(files: &'f [(Arc<SourceFile>, Body)]) -> Self {
        let mut texts = files.iter().filter(|(_, body)| hides_declarations(body)).peekable();
        let words = texts.peek().is_some().then(|| {
            texts.flat_map(|(file, _)| words(&file.text)).filter(|(dot, _)| !dot).map(|(_, w)| w)
        });
        Self { files, words: words.map(Iterator::collect) }
    }

    /// Whether what is referred to may be declared in a block that could not be read.
    pub(super) fn explains(&self, diagnostic: &Diagnostic) -> bool {
        let Some(declared) = &self.words else { return false };
        if diagnostic.code != "unknown-reference" {
            return false;
        }
        let reference = diagnostic.labels.first().and_then(|label| self.text(&label.span));
        let mut parts = words(reference.unwrap_or_default()).map(|(_, word)| word);
        let root = parts.next().unwrap_or_default();
        OF_THE_BLOCK.contains(&root) || parts.next().is_some_and(|name| declared.contains(name))
    }

    fn text(&self, span: &Span) -> Option<&'f str> {
        let (file, _) = self.files.iter().find(|(file, _)| file.name == span.file)?;
        file.text.get(span.start as usize..span.end as usize)
    }
}

fn hides_declarations(body: &Body) -> bool {
    let locals = body.blocks.iter().filter(|block| block.kind.text.as_ref() == "locals");
    body.incomplete || locals.into_iter().any(|block| block.body.incomplete)
}

/// The words of a text, each with whether it stands behind a dot.
fn words(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(is_part)?;
        let behind_dot = rest[..start].ends_with('.');
        let word = &rest[start..];
        let end = word.find(|letter| !is_part(letter)).unwrap_or(word.len());
        rest = &word[end..];
        Some((behind_dot, &word[..end]))
    })
}
