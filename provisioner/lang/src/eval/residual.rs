//! Unknown values: residual expressions, and values that failed.

use super::{Evaluator, Found, Key};
use crate::functions::{is_later, needs_run};
use crate::source::SourceFile;
use crate::syntax::{Expr, Extent, Parts, Steps, Uses, template_uses, uses};
use model::{Data, Diagnostic, Marks, RUN, Refinement, Residual, Type, Unknown, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

static FAILED: LazyLock<Value> = LazyLock::new(|| {
    let residual = Residual::Expression {
        source: "".into(),
        template: false,
        scope: Value::null(Type::Any),
        place: "".into(),
    };
    Value::unknown(Type::Any, residual)
});

/// Unknown values that one may rest on, each counted as often as it is used.
const MOST_UNKNOWNS: u32 = 1 << 18;

/// What may rest on unknown values without a look at whether it rests on one of them several times.
const FEW_UNKNOWNS: u32 = 8;

static OPAQUE: LazyLock<Arc<Residual>> = LazyLock::new(|| Arc::new(Residual::Opaque));

/// The value of something that failed and was reported.
pub(crate) fn failed() -> Value {
    FAILED.clone()
}

fn any_unknown(value: &Value, test: &dyn Fn(&Residual) -> bool) -> bool {
    match value.data() {
        Data::Unknown(unknown) => test(&unknown.residual),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            items.iter().any(|item| any_unknown(item, test))
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            entries.values().any(|item| any_unknown(item, test))
        }
        _ => false,
    }
}

/// Whether the value or a part of it failed.
pub(crate) fn is_failed(value: &Value) -> bool {
    any_unknown(
        value,
        &|residual| matches!(residual, Residual::Expression { source, .. } if source.is_empty()),
    )
}

/// Whether the value is unknown only because nothing is known of any instance (validation).
pub(crate) fn rests_on_opaque(value: &Value) -> bool {
    any_unknown(value, &|residual| match residual {
        Residual::Opaque => true,
        Residual::Expression { scope, .. } => rests_on_opaque(scope),
        Residual::Output { .. } => false,
    })
}

/// The values that a residual refers to, as a tree by name.
enum Tree {
    Value(Value),
    Parts(BTreeMap<Arc<str>, Tree>),
}

impl Tree {
    fn insert(&mut self, path: &[Arc<str>], value: Value) {
        match (self, path) {
            // The whole is there already.
            (Self::Value(_), _) => {}
            (tree, []) => *tree = Self::Value(value),
            (Self::Parts(parts), [first, rest @ ..]) => {
                parts
                    .entry(first.clone())
                    .or_insert_with(|| Self::Parts(BTreeMap::new()))
                    .insert(rest, value);
            }
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Parts(parts) => {
                Value::object(parts.into_iter().map(|(name, part)| (name, part.into_value())))
            }
        }
    }
}

impl Evaluator<'_> {
    /// The unknown value of `expr`, to be computed when what it refers to is known. `operands` are the marks of
    /// what was evaluated; without them everything that the expression refers to counts.
    pub(super) fn residual(&mut self, expr: Expr<'_>, ty: Type, operands: Option<&Marks>) -> Value {
        let file = self.file.clone();
        let mut scope = Tree::Parts(BTreeMap::new());
        let uses = uses(expr);
        for free in &uses.references {
            self.gather(&mut scope, free.root, free.steps, free.extent);
        }
        if let Some(run) = self.run_of(&uses) {
            scope.insert(&[RUN.into()], run);
        }
        let scope = scope.into_value();
        if is_failed(&scope) {
            return failed();
        }
        let text = file.slice(expr.extent());
        let value = unknown(ty, text, false, scope, file.place(expr.extent()), operands);
        self.bounded(value, expr.extent())
    }

    /// The same for the result of operands, where nobody will ever compute it: what it would be computed from is not
    /// gathered. Of many unknown values the gathering must say how often they are used.
    pub(super) fn residual_of(
        &mut self,
        expr: Expr<'_>,
        ty: Type,
        operands: &[Value],
        marks: &Marks,
    ) -> Value {
        let sum = |total: u32, operand: &Value| total.saturating_add(operand.weight());
        let weight = operands.iter().fold(0, sum);
        if !self.needs_no_scope(weight) {
            return self.residual(expr, ty, Some(marks));
        }
        if operands.iter().any(is_failed) { failed() } else { opaque(ty, weight, marks) }
    }

    /// Whether a result that rests on so many unknown values can be [`opaque`].
    pub(super) fn needs_no_scope(&self, weight: u32) -> bool {
        weight <= FEW_UNKNOWNS && self.names.is_opaque()
    }

    /// Values that rest on one another many times over would fill a plan: each is written where it is used.
    fn bounded(&mut self, value: Value, extent: Extent) -> Value {
        if value.weight() <= MOST_UNKNOWNS {
            return value;
        }
        let summary = "this rests on too many values that are not known yet";
        let diagnostic = Diagnostic::error("too-many-unknowns", summary)
            .with_label(self.file.span(extent), "they are used again and again on the way here")
            .with_hint("keep what is shared in a `terraform_data`, and refer to its `output`");
        self.report(diagnostic)
    }

    /// What calls that give another value at every run will be given, if there are any.
    fn run_of(&mut self, uses: &Uses<'_>) -> Option<Value> {
        if !uses.calls.iter().any(|name| needs_run(name)) {
            return None;
        }
        self.names.run().map(|run| run.to_value())
    }

    /// Whether something that the expression refers to or calls is not wholly known.
    pub(super) fn rests_on_unknown(&mut self, expr: Expr<'_>) -> bool {
        let uses = uses(expr);
        if uses.calls.iter().any(|name| is_later(name))
            && self.names.run().is_some_and(|run| run.time.is_none())
        {
            return true;
        }
        let before = self.diagnostics.len();
        let found = uses
            .references
            .into_iter()
            .any(|free| self.is_open(free.root, free.steps, free.extent));
        self.diagnostics.truncate(before);
        found
    }

    /// Whether a reference leads to something that is not wholly known; one that leads nowhere does not.
    fn is_open(&mut self, root: &Arc<str>, steps: Steps<'_>, extent: Extent) -> bool {
        let keys = self.keys(steps);
        let Some(found) = self.root_value(root, &keys, extent) else { return false };
        let mut value = found.value;
        for (key, step) in keys.iter().zip(steps.iter()).skip(found.consumed) {
            value = self.step(value, key, step);
            if is_failed(&value) {
                return false;
            }
        }
        !value.is_wholly_known()
    }

    /// The unknown text of a template that lives in a file of its own.
    pub(super) fn template_residual(
        &mut self,
        file: &SourceFile,
        parts: Parts<'_>,
        variables: &Value,
        call: Expr<'_>,
    ) -> Value {
        let mut scope = BTreeMap::new();
        let uses = template_uses(parts);
        if let Some(run) = self.run_of(&uses) {
            scope.insert(RUN.into(), run);
        }
        for free in uses.references {
            if let Some(value) = variables.get(free.root) {
                scope.insert(free.root.clone(), value);
            }
        }
        let scope = Value::object(scope);
        if is_failed(&scope) {
            return failed();
        }
        let place = self.file.place(call.extent());
        unknown(Type::String, &file.text, true, scope, place, None)
    }

    fn gather(&mut self, scope: &mut Tree, root: &Arc<str>, steps: Steps<'_>, extent: Extent) {
        let before = self.diagnostics.len();
        let keys = self.keys(steps);
        let found = match self.local(root) {
            // The result has these marks as a whole; what is kept must have them too.
            Some(local) => Found::some(local.value.clone().with_marks(&local.marks), 0),
            None => self.root_value(root, &keys, extent),
        };
        let mut path = vec![root.clone()];
        if let Some(found) = found {
            let mut value = found.value;
            let consumed = &keys[..found.consumed];
            path.extend(consumed.iter().filter_map(key_name));
            for (key, step) in keys.iter().zip(steps.iter()).skip(found.consumed) {
                let Some(name) = key_name(key) else { break };
                if value.is_unknown() {
                    break;
                }
                let next = self.step(value.clone(), key, step);
                if is_failed(&next) {
                    break;
                }
                value = next;
                path.push(name);
            }
            scope.insert(&path, value);
        }
        self.diagnostics.truncate(before);
    }
}

/// An unknown value that nobody will ever compute.
pub(super) fn opaque(ty: Type, weight: u32, marks: &Marks) -> Value {
    let weight = weight.saturating_add(1);
    let unknown =
        Unknown { ty, residual: OPAQUE.clone(), refinement: Refinement::default(), weight };
    Value::from(Data::Unknown(Arc::new(unknown))).with_marks(marks)
}

fn unknown(
    ty: Type,
    source: &str,
    template: bool,
    scope: Value,
    place: String,
    operands: Option<&Marks>,
) -> Value {
    let mut marks = scope.deep_marks();
    // Only what was looked at can be a secret in the result; the whole of an object may hold others.
    if let Some(operands) = operands {
        marks.sensitive = operands.sensitive;
        marks = marks.union(operands);
    }
    let residual =
        Residual::Expression { source: source.into(), template, scope, place: place.into() };
    Value::unknown(ty, residual).with_marks(&marks)
}

/// The name of a known step: an index by number becomes its digits, which index an object as well.
fn key_name(key: &Key) -> Option<Arc<str>> {
    match key {
        Key::Attribute(name) => Some(name.clone()),
        Key::Index(index) => match index.data() {
            Data::String(text) => Some(text.clone()),
            Data::Number(number) => Some(number.to_string().into()),
            _ => None,
        },
        Key::Splat => None,
    }
}

/// The attribute `name` of an object, known or not.
pub(crate) fn part(value: &Value, name: &str) -> Value {
    if !value.is_unknown() {
        return value.get(name).unwrap_or_else(failed);
    }
    part_of_unknown(value, &Value::string(name), Type::Any)
}

/// The part of a value at an index, one of which is unknown.
pub(super) fn part_of_unknown(value: &Value, index: &Value, ty: Type) -> Value {
    if value.is_unknown() && is_failed(value) {
        return failed();
    }
    let residual = match (value.data(), key_name(&Key::Index(index.clone()))) {
        (Data::Unknown(unknown), Some(name)) => match unknown.residual.as_ref() {
            Residual::Opaque => Residual::Opaque,
            Residual::Output { address, path } => {
                let path = path.iter().cloned().chain([name]).collect();
                Residual::Output { address: address.clone(), path }
            }
            Residual::Expression { place, .. } => indexed(value, index, place.clone()),
        },
        _ => indexed(value, index, place_of(index).or_else(|| place_of(value)).unwrap_or_default()),
    };
    let marks = if value.is_unknown() { value.marks().clone() } else { value.deep_marks() };
    Value::unknown(ty, residual).with_marks(&marks.union(index.marks()))
}

fn indexed(value: &Value, index: &Value, place: Arc<str>) -> Residual {
    Residual::Expression {
        source: "whole[index]".into(),
        template: false,
        scope: Value::object([("whole", value.clone()), ("index", index.clone())]),
        place,
    }
}

/// Where an unknown value comes from, for messages.
fn place_of(value: &Value) -> Option<Arc<str>> {
    match value.data() {
        Data::Unknown(unknown) => match unknown.residual.as_ref() {
            Residual::Expression { place, .. } => Some(place.clone()),
            Residual::Output { address, .. } => Some(address.to_string().into()),
            Residual::Opaque => None,
        },
        _ => None,
    }
}
