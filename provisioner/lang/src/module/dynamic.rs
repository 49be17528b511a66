//! `dynamic` blocks: a nested block, as many times as `for_each` has elements.
//!
//! Refuses to know: which blocks there may be, and what they may hold.

use super::fields::{Shape, check_labels, list, read};
use crate::syntax::{Block, Kind};
use model::Diagnostic;
use std::sync::Arc;

/// The block that makes others.
pub(super) const DYNAMIC: &str = "dynamic";

const SHAPE: Shape = Shape {
    required: &["for_each"],
    optional: &["iterator"],
    blocks: &[("content", 0, false)],
    open: false,
};

/// The same where the blocks that it makes have a label.
const LABELLED: Shape = Shape { required: &["for_each", "labels"], ..SHAPE };

/// What the block is called that stands there: a `dynamic` block makes those that its label names.
pub(crate) fn made_by(block: &Block) -> &Arc<str> {
    match block.labels.first() {
        Some(label) if block.kind.text.as_ref() == DYNAMIC => &label.text,
        _ => &block.kind.text,
    }
}

/// Whether it does not say what it makes, which has been told.
pub(super) fn is_nameless(block: &Block) -> bool {
    block.kind.text.as_ref() == DYNAMIC && block.labels.len() != 1
}

/// What the blocks of a `dynamic` block call the element at hand: its `iterator`, else its label.
pub(crate) fn iterator_name(block: &Block) -> Option<Arc<str>> {
    let given = block.body.attributes.iter().find(|it| it.name.text.as_ref() == "iterator");
    match given.map(|attribute| attribute.value.root().kind()) {
        Some(Kind::Variable(name)) => Some(name.clone()),
        Some(_) => None,
        None => block.labels.first().map(|label| label.text.clone()),
    }
}

/// Checks the `dynamic` blocks among nested blocks and in them.
pub(super) fn check_dynamic(blocks: &[Block], diagnostics: &mut Vec<Diagnostic>) {
    for block in blocks {
        if block.kind.text.as_ref() == DYNAMIC {
            one(block, &SHAPE, diagnostics);
        }
        check_dynamic(&block.body.blocks, diagnostics);
    }
}

/// Checks a `dynamic` block that makes blocks with a label, one of these; gives their content.
pub(super) fn check_labelled<'b>(
    block: &'b Block,
    kinds: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'b Block> {
    content_of(block, &LABELLED, kinds, diagnostics)
}

/// The same for blocks without a label.
pub(super) fn check_unlabelled<'b>(
    block: &'b Block,
    kinds: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'b Block> {
    content_of(block, &SHAPE, kinds, diagnostics)
}

fn content_of<'b>(
    block: &'b Block,
    shape: &Shape,
    kinds: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'b Block> {
    let before = diagnostics.len();
    one(block, shape, diagnostics);
    let label = block.labels.first().filter(|_| diagnostics.len() == before)?;
    if !kinds.contains(&label.text.as_ref()) {
        let summary = format!("a `dynamic` block makes no `{}` here", label.text);
        let names = list(kinds.iter().copied());
        diagnostics.push(
            Diagnostic::error("unknown-block", summary)
                .with_label(block.file.span(label.extent), "")
                .with_hint(format!("it makes {names}; of all others there is at most one")),
        );
        return None;
    }
    block.body.blocks.iter().find(|nested| nested.kind.text.as_ref() == "content")
}

fn one(block: &Block, shape: &Shape, diagnostics: &mut Vec<Diagnostic>) {
    if !check_labels(block, 1, diagnostics) {
        return;
    }
    let fields = read(block, shape, diagnostics);
    if !block.body.blocks.iter().any(|nested| nested.kind.text.as_ref() == "content") {
        let kind = &block.labels[0].text;
        diagnostics.push(
            Diagnostic::error("missing-block", format!("`dynamic \"{kind}\"` has no content"))
                .with_label(block.span(), "")
                .with_hint(format!("add `content {{ ... }}` with what a block `{kind}` holds")),
        );
    }
    if let Some(iterator) = fields.get("iterator").filter(|value| !value.is_broken())
        && !matches!(iterator.root().kind(), Kind::Variable(_))
    {
        diagnostics.push(
            Diagnostic::error("iterator", "an `iterator` is a name")
                .with_label(iterator.span(), "")
                .with_hint("write it without quotes: iterator = item"),
        );
    }
}
