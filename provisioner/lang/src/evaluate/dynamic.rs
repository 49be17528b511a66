//! What `dynamic` blocks stand for.
//!
//! Invariant: where `for_each` is known only later, the blocks are one unknown value, whose residual is the expression
//! that gives them: a `for` over the same elements.

use super::graph::Graph;
use super::names::Place;
use crate::eval::{failed, is_failed};
use crate::module::{iterator_name, made_by};
use crate::syntax::{Block, parse_expression};
use model::convert::article;
use model::{Data, Diagnostic, Marks, Type, Value};
use std::fmt::Write as _;
use std::sync::Arc;

/// A nested block where it stands, or as an element of a `dynamic` block.
pub(super) struct Piece<'b> {
    pub block: &'b Block,
    pub place: Place,
}

/// The blocks of one kind.
pub(super) enum Pieces<'b> {
    /// The blocks, and for each that is written how many it stands for, with the marks of that number.
    Known(Vec<Piece<'b>>, Vec<(usize, Marks)>),
    /// Some are there or not, which is known only later.
    Later,
    Failed,
}

impl Graph<'_> {
    /// The blocks of one kind, with those that `dynamic` blocks make.
    pub(super) fn pieces<'b>(&mut self, blocks: &[&'b Block], place: &Place) -> Pieces<'b> {
        let mut pieces = Vec::new();
        let mut counts = Vec::new();
        let mut later = false;
        for block in blocks {
            if made_by(block) == &block.kind.text {
                pieces.push(Piece { block, place: place.clone() });
                counts.push((1, Marks::default()));
                continue;
            }
            match self.made(block, place) {
                Pieces::Known(more, made) => {
                    pieces.extend(more);
                    counts.extend(made);
                }
                Pieces::Later => later = true,
                Pieces::Failed => return Pieces::Failed,
            }
        }
        if later { Pieces::Later } else { Pieces::Known(pieces, counts) }
    }

    fn made<'b>(&mut self, block: &'b Block, place: &Place) -> Pieces<'b> {
        let for_each = block.body.attributes.iter().find(|it| it.name.text.as_ref() == "for_each");
        // Without one of them there was a mistake, which has been told.
        let (Some(for_each), Some(content), Some(iterator)) =
            (for_each, content(block), iterator_name(block))
        else {
            return Pieces::Failed;
        };
        let value = self.eval(&for_each.value, place);
        if value.marks().ephemeral {
            self.lasting(value, "which blocks there are", for_each.value.span());
            return Pieces::Failed;
        }
        if value.is_unknown() {
            return if is_failed(&value) { Pieces::Failed } else { Pieces::Later };
        }
        let marks = value.marks();
        let elements: Vec<(Value, Value)> = match value.data() {
            Data::Map(_, entries) | Data::Object(entries) => entries
                .iter()
                .map(|(name, value)| (Data::String(name.clone()).into(), value.clone()))
                .collect(),
            Data::Set(_, items) => items.iter().map(|it| (it.clone(), it.clone())).collect(),
            Data::List(_, items) | Data::Tuple(items) => {
                let index = |at: usize| Value::from(i64::try_from(at).unwrap_or(i64::MAX));
                items.iter().enumerate().map(|(at, item)| (index(at), item.clone())).collect()
            }
            data => {
                let found = match data {
                    Data::Null(_) => "null".to_owned(),
                    _ => article(&value.ty()),
                };
                let summary = "`for_each` of a dynamic block takes a list, a set or a map";
                let diagnostic = Diagnostic::error("for-each", summary)
                    .with_label(for_each.value.span(), format!("this is {found}"));
                self.report(diagnostic);
                return Pieces::Failed;
            }
        };
        let piece = |(key, value): (Value, Value)| {
            let element =
                Value::object([("key", key.with_marks(marks)), ("value", value.with_marks(marks))]);
            let mut place = place.clone();
            place.iterators.push((iterator.clone(), element));
            Piece { block: content, place }
        };
        let made = vec![(elements.len(), marks.clone())];
        Pieces::Known(elements.into_iter().map(piece).collect(), made)
    }

    /// The blocks of one kind, each with its label; `None` after a mistake.
    pub(super) fn labelled<'b>(
        &mut self,
        blocks: &'b [Block],
        kind: &str,
        place: &Place,
    ) -> Option<Vec<(Arc<str>, Piece<'b>)>> {
        let mut labelled = Vec::new();
        for block in blocks.iter().filter(|it| made_by(it).as_ref() == kind) {
            if made_by(block) == &block.kind.text {
                let label = block.labels.first()?.text.clone();
                labelled.push((label, Piece { block, place: place.clone() }));
                continue;
            }
            match self.pieces(&[block], place) {
                Pieces::Known(pieces, _) => {
                    for piece in pieces {
                        labelled.push((self.label(block, &piece.place)?, piece));
                    }
                }
                // Nothing is known of any instance.
                Pieces::Later if self.projection.is_opaque() => return None,
                Pieces::Later => {
                    let summary =
                        format!("how many `{kind}` blocks there are must be known when planning");
                    let diagnostic = Diagnostic::error("for-each", summary)
                        .with_label(block.span(), "`for_each` is known only later")
                        .with_hint("use something that the configuration decides");
                    self.report(diagnostic);
                    return None;
                }
                Pieces::Failed => return None,
            }
        }
        Some(labelled)
    }

    /// The label of a block that a `dynamic` block makes.
    fn label(&mut self, block: &Block, place: &Place) -> Option<Arc<str>> {
        let labels = block.body.attributes.iter().find(|it| it.name.text.as_ref() == "labels")?;
        let ty = Type::list(Type::String);
        let value = self.eval_as(&labels.value, &ty, "the labels of a dynamic block", place);
        if is_failed(&value) {
            return None;
        }
        let is_secret = value.deep_marks().sensitive;
        match (value.as_items().unwrap_or_default(), is_secret) {
            ([only], false) if only.as_str().is_some() => only.as_str().map(Arc::from),
            _ => {
                let summary = "`labels` is a list of one text that is known when planning";
                let problem = if is_secret { "this holds a secret" } else { "" };
                let diagnostic = Diagnostic::error("labels", summary)
                    .with_label(labels.value.span(), problem)
                    .with_hint("write `labels = [NAME]`");
                self.report(diagnostic);
                None
            }
        }
    }

    /// Blocks of one kind whose number is known only later, as the value of an argument of a type.
    pub(super) fn later(&mut self, blocks: &[&Block], ty: &Type, place: &Place) -> Value {
        let text = match ty {
            Type::Object(_) => format!("one({})", list_text(blocks)),
            _ => list_text(blocks),
        };
        let name = blocks.first().map_or_else(String::new, |first| first.file.place(first.header));
        match parse_expression(&name, &text) {
            Ok(expression) => self.eval(&expression, place),
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    self.report(diagnostic);
                }
                failed()
            }
        }
    }
}

/// The block itself, or what a `dynamic` one makes; none where that is missing, which has been told.
pub(super) fn content(block: &Block) -> Option<&Block> {
    if made_by(block) == &block.kind.text {
        return Some(block);
    }
    block.body.blocks.iter().find(|nested| nested.kind.text.as_ref() == "content")
}

/// Blocks of one kind as an expression that gives a list of objects.
fn list_text(blocks: &[&Block]) -> String {
    let mut text = "concat([]".to_owned();
    for block in blocks {
        text.push_str(", [");
        let for_each = block.body.attributes.iter().find(|it| it.name.text.as_ref() == "for_each");
        match (made_by(block) == &block.kind.text, for_each, content(block), iterator_name(block)) {
            (false, Some(for_each), Some(content), Some(iterator)) => {
                let elements = block.file.slice(for_each.value.root().extent());
                let _ = write!(
                    text,
                    "for {iterator} in [for key, value in ({elements}\n) : {{ key = key, value = value }}] : "
                );
                object_text(content, &mut text);
            }
            _ => object_text(block, &mut text),
        }
        text.push(']');
    }
    text.push(')');
    text
}

fn object_text(block: &Block, text: &mut String) {
    text.push_str("{\n");
    for attribute in &block.body.attributes {
        let value = block.file.slice(attribute.value.root().extent());
        let _ = writeln!(text, "{} = {value}", attribute.name.text);
    }
    let mut kinds: Vec<&Arc<str>> = block.body.blocks.iter().map(made_by).collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        let nested: Vec<_> = block.body.blocks.iter().filter(|it| made_by(it) == kind).collect();
        let _ = writeln!(text, "{kind} = {}", list_text(&nested));
    }
    text.push('}');
}
