//! Variables: where their values come from, conversion, validation.

use super::conditions::Stated;
use super::expansion::ENABLED;
use super::graph::{Decl, Graph, Origin, What};
use super::names::Place;
use crate::eval::{failed, is_failed};
use crate::functions::convert_unifying;
use crate::input::input_value;
use crate::module::Variable;
use crate::module::suggest::{did_you_mean, nearest};
use crate::syntax::Expression;
use model::graph::StatedBy;
use model::{Diagnostic, Span, Value};

/// A value before conversion, with where it came from.
struct Given {
    value: Value,
    span: Option<Span>,
    /// In words, when there is no place to point at.
    origin: Option<String>,
}

impl Graph<'_> {
    /// Inputs for variables that nobody declared.
    pub(super) fn check_inputs(&mut self) {
        let module = self.module(0);
        for (name, input) in &self.inputs.variables {
            if module.variables.position(name).is_some() || input.may_be_unused {
                continue;
            }
            let summary =
                format!("there is no variable `{name}`, but {} gives it a value", input.origin);
            let mut diagnostic = Diagnostic::error("unknown-variable", summary);
            if let Some(span) = &input.span {
                diagnostic = diagnostic.with_label(span.clone(), "");
            }
            let hint = did_you_mean(name, module.variables.names()).unwrap_or_else(|| {
                format!(
                    "add a block `variable \"{name}\" {{}}` to the environment, or drop the value"
                )
            });
            self.report(diagnostic.with_hint(hint));
        }
    }

    pub(super) fn variable(&mut self, scope: usize, at: usize) -> Value {
        let decl = Decl { scope, what: What::Variable(at) };
        self.value(decl.clone(), |graph| {
            let module = graph.module(scope);
            let variable = module.variables.get(at);
            let Some(given) = graph.given(scope, variable) else {
                return failed();
            };
            let span = given.span.clone();
            let value = graph.fitted(variable, given);
            graph.settle(&decl, &value);
            let is_there = !is_failed(&value) || !value.is_unknown();
            if is_there && !graph.is_valid(scope, variable, span) {
                // What is wrong with it has been told, and what follows from it is no further mistake.
                return failed();
            }
            value
        })
    }

    fn fitted(&mut self, variable: &Variable, given: Given) -> Value {
        if given.value.is_unknown() && is_failed(&given.value) {
            return failed();
        }
        let given = match &variable.default {
            Some(default) if given.value.is_null() && !variable.nullable => {
                let value = self.eval(default, &Place::module(0));
                Given { value, span: Some(default.span()), origin: None }
            }
            _ => given,
        };
        let name = &variable.name;
        let problem = if given.value.is_null() && !variable.nullable {
            "null is not allowed (nullable = false)".to_owned()
        } else {
            match convert_unifying(&given.value, &variable.ty) {
                Ok(value) => return marked(variable, value),
                Err(error) => error.to_string(),
            }
        };
        let wanted = if variable.typed { format!(": {}", variable.ty) } else { String::new() };
        let mut diagnostic = Diagnostic::error(
            "wrong-type",
            format!("the value of variable `{name}` does not fit its type{wanted}"),
        );
        diagnostic = match (given.span, given.origin) {
            (Some(span), _) => diagnostic.with_label(span, problem),
            (None, origin) => diagnostic.with_detail(match origin {
                Some(origin) => format!("from {origin}: {problem}"),
                None => problem,
            }),
        };
        self.report(diagnostic.with_label(variable.span.clone(), "declared here"));
        failed()
    }

    fn given(&mut self, scope: usize, variable: &Variable) -> Option<Given> {
        let origin = self.scopes[scope].origin.clone();
        let given = match &origin {
            Origin::Root => self.root_input(variable)?,
            Origin::Call { scope, call, repetition } => {
                let module = self.module(*scope);
                let call = module.calls.get(*call);
                let argument =
                    call.arguments.iter().find(|argument| argument.name.text == variable.name);
                argument.map(|argument| {
                    let place = Place::instance(*scope, repetition.clone());
                    let value = self.eval(&argument.value, &place);
                    Given { value, span: Some(argument.value.span()), origin: None }
                })
            }
            Origin::Pool { set, pool, node } => self.pool_input(*set, *pool, node, variable),
        };
        if given.is_some() {
            return given;
        }
        if let Some(default) = &variable.default {
            let value = self.default_value(default);
            return Some(Given { value, span: Some(default.span()), origin: None });
        }
        self.missing(scope, &origin, variable);
        None
    }

    /// Defaults are constants: the check has reported references in them by the name of what is missing.
    fn default_value(&mut self, default: &Expression) -> Value {
        let mut diagnostics = Vec::new();
        let value = crate::module::constant::constant(default, &mut diagnostics);
        for diagnostic in diagnostics {
            self.report(diagnostic.with_hint("the default of a variable refers to nothing; use a local value for what is computed"));
        }
        value.unwrap_or_else(failed)
    }

    /// `None` after a mistake; `Some(None)` when there is no input.
    #[expect(clippy::option_option, reason = "no input and a wrong input are different things")]
    fn root_input(&mut self, variable: &Variable) -> Option<Option<Given>> {
        let Some(input) = self.inputs.variables.get(variable.name.as_ref()) else {
            return Some(None);
        };
        match input_value(&variable.name, input, &variable.ty) {
            Ok(value) => Some(Some(Given {
                value,
                span: input.span.clone(),
                origin: Some(input.origin.clone()),
            })),
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    self.report(diagnostic.with_label(variable.span.clone(), "declared here"));
                }
                None
            }
        }
    }

    fn pool_input(
        &mut self,
        set: usize,
        pool: usize,
        node: &Value,
        variable: &Variable,
    ) -> Option<Given> {
        let declared = &self.configuration.root.node_sets.get(set).pools[pool];
        let span =
            Some(declared.inputs.as_ref().map_or_else(|| declared.span.clone(), Expression::span));
        if variable.name.as_ref() == "node" {
            return Some(Given {
                value: node.clone(),
                span: Some(declared.span.clone()),
                origin: None,
            });
        }
        let inputs = self.pool_inputs(set, pool);
        if inputs.is_unknown() {
            return Some(Given { value: inputs, span, origin: None });
        }
        if let Some(value) = inputs.get(&variable.name) {
            return Some(Given { value, span, origin: None });
        }
        let whole = variable.name.as_ref() == "inputs";
        whole.then_some(Given { value: inputs, span, origin: None })
    }

    fn missing(&mut self, child: usize, origin: &Origin, variable: &Variable) {
        let name = &variable.name;
        if self.is_misspelt(child, origin, variable) {
            return;
        }
        let diagnostic = match origin {
            Origin::Root => Diagnostic::error("missing-variable", format!("the variable `{name}` has no value"))
                .with_label(variable.span.clone(), "it has no default")
                .with_hint(format!("give one with `--var {name}=...`, a `*.auto.hclvars` file or PROVISIONER_VAR_{name}")),
            Origin::Call { scope, call, .. } => {
                let module = self.module(*scope);
                let call = module.calls.get(*call);
                Diagnostic::error("missing-argument", format!("`module \"{}\"` needs the argument `{name}`", call.name))
                    .with_label(call.span.clone(), format!("`{name}` is missing"))
                    .with_label(variable.span.clone(), "declared here, without a default")
                    .with_hint(format!("add `{name} = ...` to the block"))
            }
            Origin::Pool { set, pool, .. } => {
                let pool = &self.configuration.root.node_sets.get(*set).pools[*pool];
                Diagnostic::error("missing-argument", format!("`pool \"{}\"` needs the input `{name}`", pool.name))
                    .with_label(pool.span.clone(), format!("`{name}` is missing from `inputs`"))
                    .with_label(variable.span.clone(), "declared here, without a default")
                    .with_hint(format!("add `{name} = ...` to `inputs`"))
            }
        };
        self.report(diagnostic);
    }

    /// Whether a module call gives the variable under a name that there is not, which is told as such.
    fn is_misspelt(&self, child: usize, origin: &Origin, variable: &Variable) -> bool {
        let Origin::Call { scope, call, .. } = origin else { return false };
        let called = self.module(child);
        let names = || called.variables.iter().map(|variable| variable.name.as_ref());
        let module = self.module(*scope);
        let given = module.calls.get(*call).arguments.iter();
        given.map(|argument| &argument.name.text).any(|name| {
            called.variables.position(name).is_none()
                && nearest(name, names()) == Some(variable.name.as_ref())
        })
    }

    /// Arguments of a module call that are no variables of the module.
    pub(super) fn check_call_arguments(&mut self, child: usize, scope: usize, at: usize) {
        let (module, called) = (self.module(scope), self.module(child));
        let call = module.calls.get(at);
        for argument in &call.arguments {
            let name = &argument.name.text;
            if called.variables.position(name).is_some() || name.as_ref() == ENABLED {
                continue;
            }
            let span = argument.value.file.span(argument.name.extent);
            let summary = format!("the module `{}` has no variable `{name}`", call.name);
            let diagnostic = Diagnostic::error("unknown-argument", summary).with_label(span, "");
            let names: Vec<_> =
                called.variables.iter().map(|variable| variable.name.as_ref()).collect();
            let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| {
                format!("it takes {}", crate::module::list(names.iter().copied()))
            });
            self.report(diagnostic.with_hint(hint));
        }
    }

    /// Whether no validation of a variable is known not to hold.
    fn is_valid(&mut self, scope: usize, variable: &Variable, given: Option<Span>) -> bool {
        let by =
            StatedBy::Variable { module: self.module_path(scope), name: variable.name.to_string() };
        let mut labels = vec![(variable.span.clone(), "")];
        labels.extend(given.map(|span| (span, "this is its value")));
        let stated = Stated { by, labels };
        !self.require(&variable.validations, &stated, &Place::module(scope)).violated
    }
}

fn marked(variable: &Variable, value: Value) -> Value {
    let value = if variable.sensitive { value.into_sensitive() } else { value };
    if variable.ephemeral { value.into_ephemeral() } else { value }
}
