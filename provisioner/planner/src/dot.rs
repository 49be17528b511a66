//! Graphs as GraphViz DOT.

use model::graph::Desired;
use model::plan::Plan;

/// The dependency graph of what is configured.
pub fn dot(_desired: &Desired) -> String {
    String::new()
}

/// The graph of a plan's operations.
pub fn dot_plan(_plan: &Plan) -> String {
    String::new()
}
