//! The `lifecycle` of an instance: every argument may be an expression.

use super::graph::Graph;
use super::names::Place;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::suggest::did_you_mean;
use crate::module::{Lifecycle, Resource, list};
use crate::syntax::{Expr, Expression, Kind, Literal, StepKind};
use model::graph::{self, Instance, StatedBy};
use model::schema::{Mode, ResourceSchema};
use model::{Address, ArgumentPath, Data, Diagnostic, Span, Type, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Stands for all arguments.
const ALL: &str = "all";

/// Words that begin a reference to a value, where no argument has that name.
const REFERENCES: [&str; 12] = [
    "var",
    "local",
    "each",
    "count",
    "module",
    "data",
    "path",
    "self",
    "terraform",
    "environment",
    "node_set",
    "service",
];

impl Graph<'_> {
    pub(super) fn lifecycle(
        &mut self,
        lifecycle: &Lifecycle,
        schema: &ResourceSchema,
        place: &Place,
    ) -> graph::Lifecycle {
        let mut ignore_changes = BTreeSet::new();
        if let Some(expression) = &lifecycle.ignore_changes {
            self.ignored(expression, schema, place, &mut ignore_changes);
        }
        graph::Lifecycle {
            create_before_destroy: self.flag(
                lifecycle.create_before_destroy.as_ref(),
                "create_before_destroy",
                place,
            ),
            prevent_destroy: self.flag(
                lifecycle.prevent_destroy.as_ref(),
                "prevent_destroy",
                place,
            ),
            ignore_changes,
        }
    }

    fn flag(&mut self, expression: Option<&Expression>, name: &str, place: &Place) -> bool {
        let Some(expression) = expression else { return false };
        let what = format!("`{name}`");
        let value = self.eval_as(expression, &Type::Bool, &what, place);
        self.is_decided(&value, expression, &what);
        value.as_bool().unwrap_or(false)
    }

    /// Reports what is known only later; gives whether the value can be used.
    fn is_decided(&mut self, value: &Value, expression: &Expression, what: &str) -> bool {
        if is_failed(value) || rests_on_opaque(value) {
            return false;
        }
        if value.is_wholly_known() {
            return true;
        }
        let summary = format!("{what} must be known when planning");
        let diagnostic = Diagnostic::error("unknown-lifecycle", summary)
            .with_label(expression.span(), "this is known only later")
            .with_hint("use something that the configuration decides, such as a variable");
        self.report(diagnostic);
        false
    }

    /// `ignore_changes`: a list of names and paths, `all`, or an expression that gives such names.
    fn ignored(
        &mut self,
        expression: &Expression,
        schema: &ResourceSchema,
        place: &Place,
        into: &mut BTreeSet<ArgumentPath>,
    ) {
        for item in expression.items() {
            let span = expression.file.span(item.extent());
            if let Some(path) = argument_path(item, schema) {
                self.ignore(path, &span, schema, into);
                continue;
            }
            let part = expression.part(item);
            let value = self.eval(&part, place);
            if !self.is_decided(&value, &part, "`ignore_changes`") {
                continue;
            }
            let texts = match value.data() {
                Data::String(_) => std::slice::from_ref(&value),
                _ => value.as_items().unwrap_or_default(),
            };
            let is_text = value.as_str().is_some() || value.as_items().is_some();
            let paths: Option<Vec<_>> =
                texts.iter().map(|text| ArgumentPath::parse(text.as_str()?)).collect();
            match paths.filter(|_| is_text) {
                Some(paths) => {
                    for path in paths {
                        self.ignore(path, &span, schema, into);
                    }
                }
                None => self.not_paths(&span, &value),
            }
        }
    }

    fn not_paths(&mut self, span: &Span, value: &Value) {
        let found = model::convert::article(&value.ty());
        let diagnostic =
            Diagnostic::error("ignore-changes", "`ignore_changes` is a list of argument names")
                .with_label(span.clone(), format!("this is {found}"))
                .with_hint("write names and paths, ignore_changes = [size, tags[\"x\"]], or `all`");
        self.report(diagnostic);
    }

    fn ignore(
        &mut self,
        path: ArgumentPath,
        span: &Span,
        schema: &ResourceSchema,
        into: &mut BTreeSet<ArgumentPath>,
    ) {
        let settable = schema.attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
        match schema.attributes.get(path.name.as_ref()) {
            Some(attribute) if attribute.mode == Mode::Computed => {
                let summary = format!("`{}` is never changed by the configuration", path.name);
                let diagnostic = Diagnostic::warning("ignore-changes", summary)
                    .with_label(span.clone(), "only the provider gives this value")
                    .with_hint("remove it from `ignore_changes`");
                self.report(diagnostic);
            }
            Some(_) => {
                into.insert(path);
            }
            None if path.name.as_ref() == ALL && path.steps.is_empty() => {
                into.extend(settable.map(|(name, _)| ArgumentPath::whole(name.as_str())));
            }
            None => {
                let names: Vec<_> = settable.map(|(name, _)| name.as_str()).collect();
                let hint = did_you_mean(&path.name, names.iter().copied())
                    .unwrap_or_else(|| format!("there are {}", list(names.iter().copied())));
                let summary = format!("there is no argument `{}` to ignore", path.name);
                let diagnostic = Diagnostic::error("unknown-argument", summary)
                    .with_label(span.clone(), "")
                    .with_hint(hint);
                self.report(diagnostic);
            }
        }
    }

    /// Preconditions of an instance; what they came from is waited for.
    pub(super) fn presuppose(
        &mut self,
        resource: &Resource,
        address: &Address,
        place: &Place,
        depends_on: &mut BTreeSet<Address>,
    ) {
        let Some(lifecycle) = &resource.lifecycle else { return };
        let stated_by = StatedBy::Precondition { address: address.clone() };
        let marks = self.require(&lifecycle.preconditions, &stated_by.into(), place).marks;
        depends_on.extend(marks.origins.iter().flat_map(|origins| origins.iter().cloned()));
    }

    /// Postconditions of an instance, with its attributes as `self`. Gives whether none is known not to hold.
    pub(super) fn ensure(
        &mut self,
        resource: &Resource,
        instance: &mut Instance,
        attributes: &Value,
        place: Place,
    ) -> bool {
        let Some(lifecycle) = &resource.lifecycle else { return true };
        let stated_by = StatedBy::Postcondition { address: instance.address.clone() };
        let place = Place { own: Some(attributes.clone()), ..place };
        let tested = self.require(&lifecycle.postconditions, &stated_by.into(), &place);
        let origins = tested.marks.origins.iter().flat_map(|origins| origins.iter());
        let others = origins.filter(|address| **address != instance.address).cloned();
        instance.depends_on.extend(others);
        !tested.violated
    }
}

/// The argument that an item names: a word, or a word with steps to a part of it.
fn argument_path(item: Expr<'_>, schema: &ResourceSchema) -> Option<ArgumentPath> {
    match item.kind() {
        Kind::Variable(name) => Some(ArgumentPath::whole(name.clone())),
        Kind::Reference(reference) => {
            let name = reference.root;
            let is_argument = schema.attributes.contains_key(name.as_ref());
            if REFERENCES.contains(&name.as_ref()) && !is_argument {
                return None;
            }
            let mut path = ArgumentPath::whole(name.clone());
            for step in reference.steps.iter() {
                path.steps.push(match step.kind {
                    StepKind::Attribute(name) => name.clone(),
                    StepKind::Index(index) => constant_step(index)?,
                    StepKind::Splat(_) => return None,
                });
            }
            Some(path)
        }
        _ => None,
    }
}

fn constant_step(index: Expr<'_>) -> Option<Arc<str>> {
    match index.kind() {
        Kind::Literal(Literal::Text(text)) => Some(text.clone()),
        Kind::Literal(Literal::Number(number)) => Some(number.to_string().into()),
        _ => None,
    }
}
