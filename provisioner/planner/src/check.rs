//! Checks a plan.

use model::Diagnostic;
use model::plan::Plan;

/// What is wrong with a plan; nothing if it can be applied.
pub fn check(_plan: &Plan) -> Vec<Diagnostic> {
    Vec::new()
}
