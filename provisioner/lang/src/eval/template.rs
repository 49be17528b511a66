//! Templates: interpolation and directives.

use super::residual::opaque;
use super::{Evaluator, Local, failed, is_failed};
use crate::syntax::{Expr, Loop, Part, Parts};
use model::convert::{article, convert};
use model::{Diagnostic, Marks, Refinement, Type, Value};

/// How many bytes a text made of parts mostly fits into.
const MOSTLY_ENOUGH: usize = 64;

/// The text made so far.
pub(super) struct Text {
    pub(super) written: String,
    pub(super) marks: Marks,
    pub(super) unknown: bool,
    pub(super) failed: bool,
    /// How many unknown values were written, each counted as [`Value::weight`] does.
    weight: u32,
    /// Whether a directive was left out, so that the marks do not tell everything.
    partial: bool,
    /// How much of what is written comes before everything unknown.
    known: Option<usize>,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            written: String::with_capacity(MOSTLY_ENOUGH),
            marks: Marks::default(),
            unknown: false,
            failed: false,
            weight: 0,
            partial: false,
            known: None,
        }
    }

    /// A directive cannot be carried out yet.
    fn leave_open(&mut self) {
        self.unknown_from(self.written.len());
        self.partial = true;
    }

    /// What is written from there on is not all of the text.
    fn unknown_from(&mut self, length: usize) {
        self.unknown = true;
        self.known = Some(self.known.map_or(length, |known| known.min(length)));
    }

    /// What is known of the text.
    pub(super) fn refinement(&self) -> Refinement {
        let prefix = self.known.and_then(|known| self.written.get(..known)).unwrap_or_default();
        Refinement::not_null().with_prefix(prefix)
    }
}

impl Evaluator<'_> {
    pub(super) fn template(&mut self, expr: Expr<'_>, parts: Parts<'_>) -> Value {
        // A template that is one interpolation gives its value as it is.
        if let Some(inner) = parts.only_interpolation() {
            return self.eval(inner);
        }
        let mut text = Text::new();
        self.parts(parts, &mut text);
        if text.failed {
            return failed();
        }
        if text.unknown {
            let marks = Some(&text.marks).filter(|_| !text.partial);
            let value = match marks {
                Some(marks) if self.needs_no_scope(text.weight) => {
                    opaque(Type::String, text.weight, marks)
                }
                _ => self.residual(expr, Type::String, marks),
            };
            return value.refined(text.refinement());
        }
        Value::string(&text.written).with_marks(&text.marks)
    }

    pub(super) fn parts(&mut self, parts: Parts<'_>, text: &mut Text) {
        for part in parts.iter() {
            match part {
                Part::Literal(literal) => text.written.push_str(literal),
                Part::Interpolation(expr) => self.interpolation(expr, text),
                Part::If(choice) => {
                    let value = self.eval(choice.condition);
                    text.marks = text.marks.union(value.marks());
                    match self.condition(&value, choice.condition) {
                        Ok(Some(true)) => self.parts(choice.yes, text),
                        Ok(Some(false)) => self.parts(choice.no, text),
                        Ok(None) => text.leave_open(),
                        Err(()) => text.failed = true,
                    }
                }
                Part::For(each) => self.for_directive(each, text),
            }
        }
    }

    fn for_directive(&mut self, each: Loop<'_>, text: &mut Text) {
        let value = self.eval(each.collection);
        text.marks = text.marks.union(value.marks());
        let elements = match self.elements(&value, each.collection) {
            Ok(Some(elements)) => elements,
            Ok(None) => return text.leave_open(),
            Err(()) => return text.failed = true,
        };
        let start = text.written.len();
        for (key, element) in elements {
            let mut locals = Vec::with_capacity(2);
            if let Some(name) = each.key_name {
                locals.push(Local::new(name, key, value.marks()));
            }
            locals.push(Local::new(each.value_name, element, value.marks()));
            self.with_locals(locals, |inner| inner.parts(each.body, text));
        }
        if text.known.is_some_and(|known| known > start) {
            text.unknown_from(start);
        }
    }

    fn interpolation(&mut self, expr: Expr<'_>, text: &mut Text) {
        let value = self.eval(expr);
        text.marks = text.marks.union(value.marks());
        if is_failed(&value) {
            text.failed = true;
            return;
        }
        let problem = if value.is_null() {
            "this is null".to_owned()
        } else {
            match convert(&value, &Type::String) {
                Ok(piece) => {
                    if let Some(piece) = piece.as_str() {
                        text.written.push_str(piece);
                    } else {
                        text.weight = text.weight.saturating_add(piece.weight());
                        text.unknown_from(text.written.len());
                    }
                    return;
                }
                Err(_) => format!("this is {}", article(&value.ty())),
            }
        };
        text.failed = true;
        let diagnostic =
            Diagnostic::error("interpolation", "only text, numbers and bools can stand in a text")
                .with_label(self.file.span(expr.extent()), problem);
        let has_parts = value.as_items().is_some() || value.as_entries().is_some();
        let hint =
            has_parts.then_some("use `join(\", \", ...)` or `jsonencode(...)` to make text of it");
        let mut diagnostic = diagnostic;
        diagnostic.hints.extend(hint.map(str::to_owned));
        self.report(diagnostic);
    }
}
