//! The settings of an environment: what its block says of itself, evaluated before anything else.
//!
//! Invariant: all values are wholly known and come from no instance; secrets among them stay marked.
//! Refuses to know: what a backend makes of its arguments.

use super::cycle;
use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::eval::failed;
use crate::input::Inputs;
use crate::module::suggest::did_you_mean;
use crate::module::{Configuration, SettingsBlock, check_settings, list};
use crate::syntax::Attribute;
use model::graph::{Instance, Projection};
use model::{Diagnostic, Span, Type, Value};
use std::collections::BTreeMap;

/// Where state can be kept.
const BACKENDS: [&str; 5] = ["sqlite", "postgres", "s3", "gcs", "azure"];

/// A block of settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Each argument with its value and the place of that.
    pub arguments: BTreeMap<String, (Value, Span)>,
    /// The block.
    pub span: Span,
}

/// What [`settings`] gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluatedSettings {
    /// What the environment is, for people; empty if it does not say.
    pub description: String,
    /// The `state` block; its `backend` is one of those that there are.
    pub state: Option<Settings>,
    /// The `secrets` block.
    pub secrets: Option<Settings>,
    /// All mistakes; with errors among them the settings are of no use.
    pub diagnostics: Vec<Diagnostic>,
}

/// Settings come from no instance.
struct Nothing;

impl Projection for Nothing {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        Ok(instance.arguments.clone())
    }
}

/// Evaluates the settings of an environment, and nothing that they do not need.
pub fn settings(configuration: &Configuration, inputs: &Inputs) -> EvaluatedSettings {
    // Whoever asks may have passed over what loading told.
    let diagnostics = check_settings(&configuration.root);
    if !diagnostics.is_empty() {
        return EvaluatedSettings { diagnostics, ..EvaluatedSettings::default() };
    }
    let schemas = BTreeMap::new();
    let mut graph = Graph::new(configuration, inputs, &schemas, &Nothing, true);
    let settings = graph.settings();
    let mut diagnostics = if graph.cyclic { cycle::describe(&graph) } else { Vec::new() };
    diagnostics.extend(graph.told.take());
    EvaluatedSettings { diagnostics, ..settings }
}

impl Graph<'_> {
    /// The settings; mistakes are reported to the graph.
    pub(super) fn settings(&mut self) -> EvaluatedSettings {
        let mut settings = EvaluatedSettings::default();
        let module = self.configuration.root.clone();
        let Some(environment) = &module.environment else { return settings };
        self.value(Decl { scope: 0, what: What::Environment }, |graph| {
            if let Some(description) = &environment.description {
                let (ty, place) = (Type::String, Place::module(0));
                let text = graph.eval_as(description, &ty, "the description", &place);
                text.as_str().unwrap_or_default().clone_into(&mut settings.description);
            }
            settings.state = graph.block(environment.state.as_ref());
            settings.secrets = graph.block(environment.secrets.as_ref());
            failed()
        });
        if let Some(state) = &settings.state {
            self.check_backend(state);
        }
        settings
    }

    fn block(&mut self, block: Option<&SettingsBlock>) -> Option<Settings> {
        let block = block?;
        let mut arguments = BTreeMap::new();
        for argument in &block.arguments {
            let value = self.eval(&argument.value, &Place::module(0));
            let value = self.at_once(value, argument);
            let entry = (value, argument.value.span());
            arguments.insert(argument.name.text.to_string(), entry);
        }
        Some(Settings { arguments, span: block.span.clone() })
    }

    /// A setting, unless it is known only when something runs.
    fn at_once(&mut self, value: Value, argument: &Attribute) -> Value {
        if !value.changes_every_run() {
            return value;
        }
        let summary = format!("`{}` must be the same at every run", argument.name.text);
        let label = "this is another at every run";
        self.report(
            Diagnostic::error("settings-reference", summary)
                .with_label(argument.value.span(), label),
        );
        failed()
    }

    fn check_backend(&mut self, state: &Settings) {
        let Some((value, span)) = state.arguments.get("backend") else { return };
        let known = || list(BACKENDS.into_iter());
        let mistake = match value.as_str() {
            _ if value.is_unknown() => return,
            Some(name) if BACKENDS.contains(&name) => return,
            Some(name) if !value.marks().sensitive => {
                let summary = format!("there is no backend `{name}`");
                let hint = did_you_mean(name, BACKENDS);
                Diagnostic::error("unknown-backend", summary)
                    .with_hint(hint.unwrap_or_else(|| format!("there are {}", known())))
            }
            _ => Diagnostic::error("wrong-type", "`backend` is the name of a backend, as text")
                .with_hint(format!("there are {}", known())),
        };
        self.report(mistake.with_label(span.clone(), ""));
    }
}
