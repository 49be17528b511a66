//! The JSON syntax of the language: the same blocks and arguments, for programs that write configuration.
//!
//! Whether a member of a JSON object is an argument or a block, and whether a string is a template, is not in the
//! JSON: a [`Layout`] says it. Follows the specification of HCL's JSON syntax.

mod read;
mod translate;

use super::ast::Body;
use super::parse::parse_file;
use crate::source::SourceFile;
use model::Diagnostic;
use std::sync::Arc;
use translate::Translate;

/// What a string stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// A template, as in quotes.
    Template,
    /// An expression: a reference or a type.
    Expression,
    /// Itself.
    Plain,
}

/// What the members of JSON objects are. `kinds` are the kinds of the blocks around, the outermost first.
pub(crate) trait Layout {
    /// How many labels a block of this name has; `None` when it is an argument.
    fn block(&self, kinds: &[&str], name: &str) -> Option<usize>;

    /// What strings in an argument stand for.
    fn text(&self, kinds: &[&str], name: &str) -> Text;
}

/// Parses a file in JSON. The places in the tree are those of the JSON.
pub(crate) fn parse_json_file(
    file: &Arc<SourceFile>,
    layout: &dyn Layout,
) -> (Body, Vec<Diagnostic>) {
    let node = match read::read(file) {
        Ok(node) => node,
        Err(diagnostic) => {
            let body = Body { incomplete: true, ..Body::default() };
            return (body, vec![diagnostic]);
        }
    };
    let mut translate = Translate::new(file, layout);
    translate.body(&node);
    let Translate { text, origin, mut diagnostics, incomplete, .. } = translate;
    let translated = SourceFile::translated(text, origin);
    let (mut body, found) = parse_file(&translated);
    body.incomplete |= incomplete;
    diagnostics.extend(found);
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span.start));
    (body, diagnostics)
}
