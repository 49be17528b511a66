//! The `environment` block: what it may hold, and what its settings may refer to.
//!
//! Where an environment is recorded, and how its secrets are kept, must be known before anything is read or evaluated:
//! settings come from variables, local values and functions, never from what is made.

use super::fields::{Fields, Shape, read};
use super::{Environment, Module, SettingsBlock};
use crate::syntax::{Block, Expression, Free, references};
use model::{Diagnostic, Span};
use std::collections::HashSet;

const ENVIRONMENT: Shape = Shape {
    required: &[],
    optional: &["description"],
    blocks: &[("state", 0, false), ("secrets", 0, false)],
    open: false,
};

const SETTINGS: Shape = Shape { required: &[], optional: &[], blocks: &[], open: true };

/// The block, read; `None` when it has no name.
pub(super) fn read_environment(
    block: &Block,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Environment> {
    let fields = read(block, &ENVIRONMENT, diagnostics);
    let state = settings(&fields, "state", diagnostics);
    if let Some(state) = &state
        && !state.arguments.iter().any(|argument| argument.name.text.as_ref() == "backend")
    {
        diagnostics.push(
            Diagnostic::error("missing-argument", "`state` needs the argument `backend`")
                .with_label(state.span.clone(), "`backend` is missing")
                .with_hint("add `backend = \"sqlite\"`, or the name of another backend"),
        );
    }
    Some(Environment {
        name: block.labels.first().cloned()?,
        span: block.span(),
        description: fields.get("description").cloned(),
        state,
        secrets: settings(&fields, "secrets", diagnostics),
    })
}

fn settings(
    fields: &Fields,
    kind: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<SettingsBlock> {
    let block = fields.blocks(kind).next()?;
    let inner = read(block, &SETTINGS, diagnostics);
    for nested in &inner.other_blocks {
        let name = &nested.kind.text;
        diagnostics.push(
            Diagnostic::error("unknown-block", format!("`{kind}` holds no block `{name}`"))
                .with_label(nested.span(), "")
                .with_hint(format!("if it is an argument, write `{name} = {{ ... }}`")),
        );
    }
    Some(SettingsBlock { span: block.span(), arguments: inner.others })
}

/// Settings that refer to what is not known when they are needed.
pub(crate) fn check_settings(module: &Module) -> Vec<Diagnostic> {
    let Some(environment) = &module.environment else { return Vec::new() };
    let blocks = [("state", &environment.state), ("secrets", &environment.secrets)];
    let arguments = blocks.into_iter().flat_map(|(kind, block)| {
        let arguments = block.iter().flat_map(|block| &block.arguments);
        arguments.map(move |argument| (format!("`{kind}`"), &argument.value))
    });
    let description = environment.description.iter();
    let description = description.map(|value| ("the description".to_owned(), value));
    let mut diagnostics = Vec::new();
    for (what, expression) in arguments.chain(description) {
        let mut search = Search { module, seen: HashSet::new(), diagnostics: &mut diagnostics };
        search.expression(&what, expression, None);
    }
    diagnostics
}

/// Looks through local values for references that cannot be followed yet.
struct Search<'m, 'd> {
    module: &'m Module,
    seen: HashSet<usize>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Search<'_, '_> {
    /// `from` is the reference in the setting that led here.
    fn expression(&mut self, what: &str, expression: &Expression, from: Option<&Span>) {
        for free in references(expression.root()) {
            let here = expression.file.span(free.extent);
            let first = from.unwrap_or(&here);
            let name = name(&free);
            let local = (free.root.as_ref() == "local").then(|| name.map(|name| self.local(name)));
            if let Some(at) = local.flatten().flatten() {
                if self.seen.insert(at) {
                    let value = &self.module.locals.get(at).value;
                    self.expression(what, value, Some(first));
                }
            } else if let Some(text) = self.refused(&free) {
                let mut diagnostic = refusal(what, &text).with_label(first.clone(), "");
                if from.is_some() {
                    diagnostic = diagnostic.with_label(here.clone(), "it comes from here");
                }
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.module.locals.position(name)
    }

    /// The reference as text, if it is to something that is there and not known yet. What is not there at all
    /// is told by the check of every expression.
    fn refused(&self, free: &Free<'_>) -> Option<String> {
        let (root, name) = (free.root.as_ref(), name(free)?);
        let module = self.module;
        let is_later = match root {
            "environment" => name == "login_key",
            "module" => module.calls.position(name).is_some(),
            "node_set" => module.node_sets.position(name).is_some(),
            "service" => module.services.position(name).is_some(),
            "rollout" => module.rollouts.position(name).is_some(),
            "gate" => module.gates.position(name).is_some(),
            kind => module.resources.position(&format!("{kind}.{name}")).is_some(),
        };
        is_later.then(|| format!("{root}.{name}"))
    }
}

fn name<'e>(free: &Free<'e>) -> Option<&'e str> {
    free.steps.text(0)
}

/// `what` is where it stands, `reference` what it may not be.
fn refusal(what: &str, reference: &str) -> Diagnostic {
    Diagnostic::error("settings-reference", format!("{what} cannot come from `{reference}`"))
        .with_detail(
            "where an environment is recorded, and how, must be known before anything of it is read",
        )
        .with_hint("write it down, or use variables (`var.NAME`), local values and functions")
}
