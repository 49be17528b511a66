//! Where values of one run alone may not go: what is kept in a plan or in the state.
//!
//! Invariant: no argument of an instance and no root output holds an ephemeral value; the stores refuse one too.

use super::graph::Graph;
use crate::eval::failed;
use model::{Diagnostic, Span, Value};
use std::fmt::Display;

impl Graph<'_> {
    /// The value, unless it is ephemeral or holds something that is: `what` would keep it.
    pub(super) fn lasting(&mut self, value: Value, what: impl Display, span: Span) -> Value {
        if !value.deep_marks().ephemeral {
            return value;
        }
        let summary = format!("{what} is kept, and this value is of one run alone");
        let diagnostic = Diagnostic::error("ephemeral-value", summary)
            .with_label(span, "this is ephemeral, or holds something ephemeral")
            .with_hint("take a value that is not ephemeral, or `ephemeralasnull(...)` of this one");
        self.report(diagnostic);
        failed()
    }
}
