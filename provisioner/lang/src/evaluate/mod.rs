//! From declarations to instances: on demand, each once.
//!
//! Invariants: a declaration is evaluated at most once for each instance of its module, and only when
//! something needs it; at the end everything has been needed. A declaration that needs itself is a cycle.
//! Service bodies come last, so a module may get a node set's nodes and give that node set its services.
//! Refuses to know: what is recorded (that is the projection's business), syntax.

mod arguments;
mod conditions;
mod cycle;
mod demand;
mod depth;
mod digest;
mod dynamic;
mod ephemeral;
mod expansion;
mod graph;
mod imports;
mod lifecycle;
mod names;
mod nested;
mod node_set;
mod outputs;
mod providers;
mod resource;
mod rollout;
mod service;
mod session;
mod settings;
mod statements;
mod triggers;
mod values;
mod variables;

pub use session::{EXPRESSION, Session, goes_on, with_unknowns};
pub use settings::{EvaluatedSettings, Settings, settings};

use crate::input::Inputs;
use crate::module::Configuration;
use graph::Graph;
use model::Diagnostic;
use model::graph::{Desired, Projection};
use model::schema::ProviderSchema;
use std::collections::BTreeMap;

/// What [`evaluate`] gives.
pub struct Evaluated {
    /// The desired graph; of no use when there are errors.
    pub desired: Desired,
    /// All mistakes.
    pub diagnostics: Vec<Diagnostic>,
}

/// Expands a configuration into instances.
pub fn evaluate(
    configuration: &Configuration,
    inputs: &Inputs,
    schemas: &BTreeMap<String, ProviderSchema>,
    projection: &dyn Projection,
) -> Evaluated {
    let mut graph = Graph::new(configuration, inputs, schemas, projection, false);
    let desired = graph.run();
    if !graph.cyclic {
        return Evaluated { desired, diagnostics: graph.told.take() };
    }
    // Something needs itself. Go through it once more and note who needs what, to tell the shortest cycles.
    let mut graph = Graph::new(configuration, inputs, schemas, projection, true);
    let desired = graph.run();
    let mut diagnostics = cycle::describe(&graph);
    diagnostics.extend(graph.told.take());
    Evaluated { desired, diagnostics }
}
