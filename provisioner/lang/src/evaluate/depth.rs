//! How deep values may be nested.
//!
//! Whatever works on a value does so level by level and needs stack for each; what is stored is read back by readers
//! that have bounds as well. A single expression is bounded by the parser and the functions, but each may wrap the one
//! before. Invariant: no declaration has a value that is deeper than it may be.

use super::graph::{Decl, Graph, What};
use crate::eval::{failed, is_failed};
use model::{Diagnostic, Span, Value};

/// Levels of the deepest value.
const DEEPEST: u32 = 256;

/// Levels of the deepest value that is stored. The readers of states stop at 128, with what stands around a value.
const DEEPEST_STORED: u32 = 100;

/// How deep the value of a declaration may be: those of instances and of the outputs of the environment are stored.
fn deepest(decl: &Decl) -> u32 {
    match decl.what {
        What::Instance(..) => DEEPEST_STORED,
        What::Output(_) if decl.scope == 0 => DEEPEST_STORED,
        _ => DEEPEST,
    }
}

impl Graph<'_> {
    /// The value of a declaration, or a failed one where it is too deep.
    pub(super) fn of_bounded_depth(&mut self, decl: &Decl, value: Value) -> Value {
        let deepest = deepest(decl);
        if !value.is_deeper_than(deepest) {
            return value;
        }
        // What holds a part that failed has been told of already.
        if is_failed(&value) {
            return failed();
        }
        let summary = format!(
            "the value of `{}` is nested more than {deepest} levels deep",
            self.describe(decl)
        );
        let mut diagnostic = Diagnostic::error("too-deep", summary).with_hint(
            "make it flat: a map or a list of objects that refer to one another by name",
        );
        if let Some(span) = self.span_of(decl) {
            diagnostic = diagnostic.with_label(span, "each level holds the one below");
        }
        self.report(diagnostic);
        failed()
    }

    fn span_of(&self, decl: &Decl) -> Option<Span> {
        let module = &self.scopes[decl.scope].module;
        Some(match &decl.what {
            What::Variable(at) => module.variables.get(*at).span.clone(),
            What::Local(at) => module.locals.get(*at).value.span(),
            What::Output(at) => module.outputs.get(*at).value.span(),
            What::Resource(at) | What::Instance(at, _) => module.resources.get(*at).span.clone(),
            _ => return None,
        })
    }
}
