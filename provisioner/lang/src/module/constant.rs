//! Expressions that are evaluated before anything else is known: they refer to nothing.

use crate::eval::{Found, Names, Reference, evaluate, is_failed};
use crate::source::{FileSystem, SourceLoader};
use crate::syntax::Expression;
use model::convert::convert;
use model::{Diagnostic, Type, Value};
use std::path::Path;

/// Knows no names at all.
struct NoNames<'a> {
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Names for NoNames<'_> {
    fn lookup(&mut self, reference: &Reference<'_>) -> Option<Found> {
        let diagnostic = Diagnostic::error("constant", "this must be a constant")
            .with_label(reference.span(), "a reference cannot stand here");
        self.diagnostics.push(diagnostic);
        None
    }

    fn loader(&self) -> &dyn SourceLoader {
        &FileSystem
    }

    fn directory(&self) -> &Path {
        Path::new(".")
    }
}

/// The value of an expression without references; `None` after a mistake.
pub(crate) fn constant(
    expression: &Expression,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let (value, found) = evaluate(expression, &mut NoNames { diagnostics });
    diagnostics.extend(found);
    (!is_failed(&value)).then_some(value)
}

/// The same, converted to a type.
pub(crate) fn constant_of(
    expression: &Expression,
    ty: &Type,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let value = constant(expression, diagnostics)?;
    match convert(&value, ty) {
        Ok(value) => Some(value),
        Err(error) => {
            let diagnostic = Diagnostic::error("wrong-type", "the value has the wrong type")
                .with_label(expression.span(), error.to_string());
            diagnostics.push(diagnostic);
            None
        }
    }
}
