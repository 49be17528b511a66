//! Expressions from outside, one after the other, in the scope of the root module.
//!
//! Invariants: everything that the configuration declares is evaluated at most once for a session, and only when an
//! expression needs it; a mistake in it is told each time it is met. Refuses to know: where the expressions come
//! from, and how their values are shown.

use super::cycle;
use super::graph::Graph;
use super::names::{Place, View};
use crate::eval::{self, is_failed};
use crate::functions;
use crate::input::{Inputs, VariableInput};
use crate::module::{Configuration, check_expression};
use crate::source::offset;
use crate::syntax::{is_unfinished, parse_line};
use model::graph::Projection;
use model::schema::ProviderSchema;
use model::{Diagnostic, Residual, Value};
use std::collections::BTreeMap;

/// What the text of an expression is called in spans.
pub const EXPRESSION: &str = "<expression>";

/// Evaluates expressions in the root module of a configuration.
pub struct Session<'a> {
    configuration: &'a Configuration,
    inputs: &'a Inputs,
    schemas: &'a BTreeMap<String, ProviderSchema>,
    projection: &'a dyn Projection,
    graph: Graph<'a>,
}

impl<'a> Session<'a> {
    /// A session in which nothing has been evaluated yet.
    pub fn new(
        configuration: &'a Configuration,
        inputs: &'a Inputs,
        schemas: &'a BTreeMap<String, ProviderSchema>,
        projection: &'a dyn Projection,
    ) -> Self {
        let graph = Graph::new(configuration, inputs, schemas, projection, true);
        Self { configuration, inputs, schemas, projection, graph }
    }

    /// What is wrong with the values given to variables, as far as their names tell.
    pub fn check_inputs(&mut self) -> Vec<Diagnostic> {
        self.graph.check_inputs();
        self.graph.told.take()
    }

    /// The value of an expression, or all mistakes. Spans in the expression itself name it [`EXPRESSION`].
    pub fn evaluate(&mut self, text: &str) -> Result<Value, Vec<Diagnostic>> {
        self.value_of(text).map_err(|mut diagnostics| {
            keep_within(&mut diagnostics, text);
            diagnostics
        })
    }

    fn value_of(&mut self, text: &str) -> Result<Value, Vec<Diagnostic>> {
        let expression = parse_line(EXPRESSION, text)?;
        let mut diagnostics = check_expression(&self.configuration.root, &expression);
        let place = Place::module(0);
        let mut view = View { graph: &mut self.graph, place: &place };
        let (value, own) = eval::evaluate(&expression, &mut view);
        diagnostics.extend(own);
        diagnostics.extend(self.mistakes_of_declarations());
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        if is_failed(&value) {
            let summary = "something that this needs has a mistake";
            let span = expression.span();
            return Err(vec![Diagnostic::error("failed-reference", summary).with_label(span, "")]);
        }
        Ok(value)
    }

    /// The mistakes that were met on the way. What has one is forgotten, so that it is told again.
    fn mistakes_of_declarations(&mut self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        if self.graph.cyclic {
            diagnostics.extend(cycle::describe(&self.graph));
        }
        diagnostics.extend(self.graph.told.take());
        let is_elsewhere = |diagnostic: &Diagnostic| {
            diagnostic.labels.first().is_none_or(|label| label.span.file.as_ref() != EXPRESSION)
        };
        if diagnostics.iter().any(is_elsewhere) {
            let runs = self.graph.runs;
            *self = Self::new(self.configuration, self.inputs, self.schemas, self.projection);
            self.graph.runs = runs;
        }
        diagnostics
    }

    /// What an expression may begin with: declared names, and functions with their opening parenthesis.
    pub fn names(&self) -> Vec<String> {
        let root = &self.configuration.root;
        let mut names: Vec<String> =
            ["path.module", "path.root", "path.cwd", "environment.name"].map(str::to_owned).into();
        names.extend(root.variables.names().map(|name| format!("var.{name}")));
        names.extend(root.locals.names().map(|name| format!("local.{name}")));
        names.extend(root.calls.names().map(|name| format!("module.{name}")));
        names.extend(root.node_sets.names().map(|name| format!("node_set.{name}")));
        names.extend(root.services.names().map(|name| format!("service.{name}")));
        names.extend(root.rollouts.names().map(|name| format!("rollout.{name}")));
        names.extend(root.gates.names().map(|name| format!("gate.{name}")));
        names.extend(root.resources.names().map(str::to_owned));
        let functions = functions::names().chain(eval::SPECIAL);
        names.extend(functions.map(|name| format!("{name}(")));
        names.sort();
        names.dedup();
        names
    }
}

/// An expression is read as a whole line, whose end is not in the text.
fn keep_within(diagnostics: &mut [Diagnostic], text: &str) {
    let end = offset(text.len());
    for label in diagnostics.iter_mut().flat_map(|diagnostic| &mut diagnostic.labels) {
        if label.span.file.as_ref() == EXPRESSION {
            label.span.start = label.span.start.min(end);
            label.span.end = label.span.end.min(end);
        }
    }
}

/// Whether the text of an expression goes on in the next line: a bracket, a text or a heredoc is open.
pub fn goes_on(text: &str) -> bool {
    // The line is complete: what opens a heredoc does so with its line break.
    is_unfinished(&format!("{text}\n"))
}

/// The inputs with an unknown value for every variable that has none and needs one.
#[must_use]
pub fn with_unknowns(configuration: &Configuration, mut inputs: Inputs) -> Inputs {
    for variable in configuration.root.variables.iter().filter(|v| v.default.is_none()) {
        inputs.variables.entry(variable.name.to_string()).or_insert_with(|| {
            let unknown = Value::unknown(variable.ty.clone(), Residual::Opaque);
            VariableInput::value(unknown, "nowhere")
        });
    }
    inputs
}
