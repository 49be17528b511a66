//! Module instances and their outputs.

use super::expansion::Expansion;
use super::graph::{Decl, Graph, Origin, Scope, What};
use super::names::Place;
use crate::eval::{failed, is_failed};
use crate::module::SourceOf;
use crate::module::suggest::did_you_mean;
use crate::source::normalise;
use crate::syntax::{Expression, Kind, Steps, references};
use model::graph::{Output, StatedBy};
use model::{Address, Diagnostic, InstanceKey, Marks, PathStep, Span, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

impl Graph<'_> {
    /// The module instance of a call, made when it is first needed.
    pub(super) fn child(
        &mut self,
        scope: usize,
        at: usize,
        key: Option<&InstanceKey>,
    ) -> Option<usize> {
        let decl = Decl { scope, what: What::Child(at, key.cloned()) };
        self.demand(&decl);
        let known = (scope, at, key.cloned());
        if let Some(child) = self.children.get(&known) {
            return *child;
        }
        let make = |graph: &mut Self| graph.make_child(scope, at, key.cloned());
        let child = self.guarded(&decl, make).flatten();
        if self.demand.is_broken_off() {
            return None;
        }
        self.children.insert(known, child);
        child
    }

    fn make_child(&mut self, scope: usize, at: usize, key: Option<InstanceKey>) -> Option<usize> {
        let module = self.module(scope);
        let call = module.calls.get(at);
        let repetition = self.call_keys(scope, at).repetition_of(key.as_ref());
        let place = Place::instance(scope, repetition.clone());
        let directory = self.source_directory(&call.source, &place)?;
        let called = self.configuration.module(&directory)?.clone();
        self.no_recursion(scope, &directory, &call.span)?;
        let mut path = self.scopes[scope].path.clone();
        path.push(PathStep::Module { name: call.name.clone(), key });
        let mut depends_on = (*self.scopes[scope].depends_on).clone();
        for dependency in &call.depends_on {
            self.dependency(scope, dependency, &mut depends_on);
        }
        if let Some(origins) = &repetition.marks().origins {
            depends_on.extend(origins.iter().cloned());
        }
        let providers = self.inner_providers(call, &place);
        if self.demand.is_broken_off() {
            return None;
        }
        let origin = Origin::Call { scope, call: at, repetition };
        let child = self.add_scope(Scope {
            module: called,
            path,
            origin,
            depends_on: Arc::new(depends_on),
            providers,
        });
        self.check_call_arguments(child, scope, at);
        Some(child)
    }

    pub(super) fn add_scope(&mut self, scope: Scope) -> usize {
        if let Some(diagnostics) = self.configuration.held_back.get(&scope.module.directory) {
            for diagnostic in diagnostics.clone() {
                self.report(diagnostic);
            }
        }
        self.scopes.push(scope);
        self.scopes.len() - 1
    }

    /// A module that calls itself would never end.
    fn no_recursion(&mut self, scope: usize, directory: &PathBuf, span: &Span) -> Option<()> {
        let mut at = scope;
        loop {
            if self.scopes[at].module.directory == *directory {
                let diagnostic =
                    Diagnostic::error("module-recursion", "a module cannot call itself")
                        .with_label(span.clone(), "this call leads back to the module it stands in")
                        .with_hint("move what both need into a module of its own");
                self.report(diagnostic);
                return None;
            }
            match &self.scopes[at].origin {
                Origin::Call { scope, .. } => at = *scope,
                _ => return Some(()),
            }
        }
    }

    /// The directory that a module's source names; must be one that was loaded.
    pub(super) fn source_directory(&mut self, source: &SourceOf, place: &Place) -> Option<PathBuf> {
        let expression = &source.expression;
        let value = self.eval_as(expression, &Type::String, "the source of a module", place);
        if is_failed(&value) {
            return None;
        }
        let Some(text) = value.as_str() else {
            let diagnostic =
                Diagnostic::error("module-source", "the source of a module must be known text")
                    .with_label(
                        expression.span(),
                        if value.is_null() { "this is null" } else { "this is known only later" },
                    )
                    .with_hint("a source may use variables, but nothing that an instance gives");
            self.report(diagnostic);
            return None;
        };
        let base = &self.scopes[place.scope].module.directory;
        let directory = normalise(&base.join(text));
        if self.configuration.module(&directory).is_some() {
            return Some(directory);
        }
        if matches!(expression.root().kind(), Kind::Literal(_)) {
            // Reported when it was loaded.
            return None;
        }
        let loader = &self.configuration.loader;
        let diagnostic = if loader.is_directory(&directory) {
            Diagnostic::error("module-source", "the source of a module must show where it is")
                .with_label(expression.span(), format!("this is {text:?}"))
                .with_hint("write the path as text in which only names of directories are interpolated: \"../network/${var.cloud}\"")
        } else {
            crate::module::missing_module(source, &directory, loader.working_directory().as_deref())
        };
        self.report(diagnostic);
        None
    }

    pub(super) fn output(&mut self, scope: usize, at: usize) -> Value {
        self.value(Decl { scope, what: What::Output(at) }, |graph| {
            let module = graph.module(scope);
            let output = module.outputs.get(at);
            let stated_by = StatedBy::Output {
                module: graph.module_path(scope),
                name: output.name.to_string(),
            };
            let place = Place::module(scope);
            // Whoever uses the value waits for what decides whether it may be used.
            let tested = graph.require(&output.preconditions, &stated_by.into(), &place);
            let mut after: BTreeSet<Address> =
                tested.marks.origins.iter().flat_map(|origins| origins.iter().cloned()).collect();
            for dependency in &output.depends_on {
                graph.dependency(scope, dependency, &mut after);
            }
            let value = graph.eval(&output.value, &place);
            // What is wrong with it has been told.
            let value = if tested.violated { failed() } else { value };
            let value = if output.ephemeral && scope != 0 {
                value.into_ephemeral()
            } else {
                let what = format!("output `{}`", output.name);
                graph.lasting(value, &what, output.value.span())
            };
            let value = if after.is_empty() {
                value
            } else {
                value.with_marks(&Marks { origins: Some(Arc::new(after)), ..Marks::default() })
            };
            if output.sensitive { value.into_sensitive() } else { value }
        })
    }

    /// All outputs of a module instance.
    pub(super) fn all_outputs(&mut self, scope: usize) -> Value {
        let module = self.module(scope);
        let outputs = module.outputs.iter().enumerate();
        let values: Vec<_> =
            outputs.map(|(at, output)| (output.name.clone(), self.output(scope, at))).collect();
        Value::object(values)
    }

    /// All instances of a module call, each with all outputs.
    pub(super) fn whole_call(&mut self, scope: usize, at: usize) -> Value {
        let expansion = self.call_keys(scope, at);
        let mut values = Vec::new();
        for key in expansion.keys() {
            let value = self
                .child(scope, at, key.as_ref())
                .map_or_else(failed, |child| self.all_outputs(child));
            values.push((key, value));
        }
        together(&expansion, values)
    }

    pub(super) fn missing_output(&mut self, scope: usize, name: &str, span: Span) {
        let module = self.module(scope);
        let names: Vec<_> = module.outputs.iter().map(|output| output.name.as_ref()).collect();
        let summary = format!("the module has no output `{name}`");
        let hint = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("it has {}", crate::module::list(names.iter().copied())));
        self.report(
            Diagnostic::error("unknown-reference", summary).with_label(span, "").with_hint(hint),
        );
    }

    /// The outputs of the environment.
    pub(super) fn root_outputs(&mut self) -> BTreeMap<String, Output> {
        let module = self.module(0);
        let mut outputs = BTreeMap::new();
        for (at, output) in module.outputs.iter().enumerate() {
            let value = self.output(0, at);
            if !output.sensitive && value.deep_marks().sensitive {
                let diagnostic = Diagnostic::error("sensitive-output", format!("output `{}` would show a secret", output.name))
                    .with_label(output.value.span(), "this holds something sensitive")
                    .with_label(output.span.clone(), "")
                    .with_hint("add `sensitive = true` to the output, or `nonsensitive(...)` around what is no secret");
                self.report(diagnostic);
            }
            let output = Output {
                value,
                sensitive: output.sensitive,
                description: output.description.clone(),
            };
            outputs.insert(module.outputs.get(at).name.to_string(), output);
        }
        outputs
    }

    /// Adds the addresses of everything that an entry of `depends_on` names.
    pub(super) fn dependency(
        &mut self,
        scope: usize,
        reference: &Expression,
        into: &mut BTreeSet<Address>,
    ) {
        // Evaluating it makes the instances and finds cycles; the origins name them.
        let free = references(reference.root());
        let span = reference.span();
        let is_group = free.first().is_some_and(|free| {
            self.dependency_addresses(scope, (free.root, free.steps), &span, into)
        });
        if !is_group {
            let value = self.eval(reference, &Place::module(scope));
            into.extend(value.deep_origins());
        }
    }

    /// The addresses below a module call or node set; false when it is neither.
    fn dependency_addresses(
        &mut self,
        scope: usize,
        (root, steps): (&str, Steps<'_>),
        span: &Span,
        into: &mut BTreeSet<Address>,
    ) -> bool {
        let Some(name) = steps.name(0) else { return false };
        let is_whole = steps.len() == 1;
        match root {
            "module" if is_whole => {
                let Some(at) = self.module(scope).calls.position(name) else { return true };
                self.reason = Some(span.clone());
                for key in self.call_keys(scope, at).keys() {
                    self.reason = Some(span.clone());
                    if let Some(child) = self.child(scope, at, key.as_ref()) {
                        self.addresses(child, into);
                    }
                }
                true
            }
            "node_set" if is_whole && scope == 0 => {
                let Some(set) = self.configuration.root.node_sets.position(name) else {
                    return true;
                };
                self.reason = Some(span.clone());
                self.node_set_addresses(set, into);
                true
            }
            _ => false,
        }
    }

    /// The addresses of all instances in a module instance, evaluated.
    pub(super) fn addresses(&mut self, scope: usize, into: &mut BTreeSet<Address>) {
        let module = self.module(scope);
        for at in 0..module.resources.len() {
            let expansion = self.resource_keys(scope, at);
            for key in expansion.keys() {
                let repetition = expansion.repetition_of(key.as_ref());
                self.attributes(scope, at, key.as_ref(), &repetition);
                into.insert(self.address(scope, at, key));
            }
        }
        for at in 0..module.calls.len() {
            for key in self.call_keys(scope, at).keys() {
                if let Some(child) = self.child(scope, at, key.as_ref()) {
                    self.addresses(child, into);
                }
            }
        }
    }
}

/// Instances of a block as one value: a tuple for `count`, an object for `for_each`.
pub(super) fn together(expansion: &Expansion, values: Vec<(Option<InstanceKey>, Value)>) -> Value {
    match expansion {
        Expansion::Absent => failed(),
        Expansion::Disabled(marks) => Value::null(Type::Any).with_marks(marks),
        Expansion::Single => values.into_iter().next().map_or_else(failed, |(_, value)| value),
        Expansion::Count(_, marks) => {
            Value::tuple(values.into_iter().map(|(_, value)| value)).with_marks(marks)
        }
        Expansion::Each(_, marks) => {
            let named = values.into_iter().filter_map(|(key, value)| match key {
                Some(InstanceKey::Name(name)) => Some((name, value)),
                _ => None,
            });
            Value::object(named).with_marks(marks)
        }
    }
}
