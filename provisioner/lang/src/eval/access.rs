//! References, attributes, indexes and splats.

use super::residual::part_of_unknown;
use super::{Evaluator, Found, Key, Reference, failed, is_failed};
use crate::module::{list, suggest::did_you_mean};
use crate::syntax::{Expr, Extent, Step, StepKind, Steps, Traversal};
use model::convert::{article, convert};
use model::{Data, Diagnostic, Refinement, Residual, Type, Value};
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn traversal(&mut self, expr: Expr<'_>, traversal: Traversal<'_>) -> Value {
        let base = self.eval(traversal.base);
        let keys = self.keys(traversal.steps);
        self.apply(expr, base, &keys, traversal.steps)
    }

    /// A name alone.
    pub(super) fn variable(&mut self, expr: Expr<'_>, root: &Arc<str>) -> Value {
        let found = self.root_value(root, &[], expr.extent());
        found.map_or_else(failed, |found| found.value)
    }

    pub(super) fn traverse_root(
        &mut self,
        expr: Expr<'_>,
        root: &Arc<str>,
        steps: Steps<'_>,
    ) -> Value {
        // Most references are a root and a name or two.
        let name = |at: usize| steps.name(at).map(|name| Key::Attribute(name.clone()));
        match (steps.len(), name(0), name(1)) {
            (1, Some(one), _) => self.rooted(expr, root, &[one], steps),
            (2, Some(one), Some(two)) => self.rooted(expr, root, &[one, two], steps),
            _ => {
                let keys = self.keys(steps);
                self.rooted(expr, root, &keys, steps)
            }
        }
    }

    fn rooted(&mut self, expr: Expr<'_>, root: &Arc<str>, keys: &[Key], steps: Steps<'_>) -> Value {
        let Some(found) = self.root_value(root, keys, expr.extent()) else {
            return failed();
        };
        let mut value = found.value;
        for key in &keys[..found.consumed] {
            if let Key::Index(index) = key {
                value = value.with_marks(index.marks());
            }
        }
        self.apply(expr, value, &keys[found.consumed..], steps.behind(found.consumed))
    }

    /// The value that a root name with its next steps stands for.
    pub(super) fn root_value(
        &mut self,
        root: &Arc<str>,
        keys: &[Key],
        extent: Extent,
    ) -> Option<Found> {
        if let Some(local) = self.local(root) {
            return Found::some(local.value.clone(), 0);
        }
        self.names.lookup(&Reference { root, steps: keys, file: &self.file, extent })
    }

    /// The steps with every index evaluated, up to the first splat.
    pub(super) fn keys(&mut self, steps: Steps<'_>) -> Vec<Key> {
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps.iter() {
            keys.push(match step.kind {
                StepKind::Attribute(name) => Key::Attribute(name.clone()),
                StepKind::Index(index) => Key::Index(self.eval(index)),
                StepKind::Splat(_) => Key::Splat,
            });
        }
        keys
    }

    fn apply(&mut self, expr: Expr<'_>, value: Value, keys: &[Key], steps: Steps<'_>) -> Value {
        let mut value = value;
        for (at, (key, step)) in keys.iter().zip(steps.iter()).enumerate() {
            if is_failed_itself(&value) {
                return value;
            }
            let StepKind::Splat(each) = step.kind else {
                value = self.step(value, key, step);
                continue;
            };
            value = match self.splat(&value, each, step.extent) {
                Splat::Made(value) => value,
                Splat::Later(ty, refinement) => {
                    // The residual is the whole expression, so its type is that behind all steps.
                    let behind = &keys[at + 1..];
                    let rest = behind.iter().fold(ty, |ty, key| part_type(&ty, key));
                    let later = self.residual(expr, rest, Some(&value.deep_marks()));
                    let refinement =
                        if behind.is_empty() { refinement } else { Refinement::default() };
                    return later.refined(refinement);
                }
            };
        }
        value
    }

    /// One attribute or index of a value.
    pub(super) fn step(&mut self, value: Value, key: &Key, step: Step<'_>) -> Value {
        if value.is_null() {
            let summary = "this value is null, so it has no attributes or elements";
            return self.error(step.extent, "null-access", summary, "");
        }
        if let Some(problem) = primitive_access(&value) {
            return self.error(step.extent, "no-attributes", problem, "");
        }
        match key {
            Key::Attribute(name) => self.attribute(&value, name, step.extent),
            Key::Index(index) => self.index(&value, index, step.extent),
            Key::Splat => value,
        }
    }

    fn attribute(&mut self, value: &Value, name: &str, extent: Extent) -> Value {
        if let Data::Unknown(unknown) = value.data() {
            let ty = match &unknown.ty {
                Type::Any => Some(Type::Any),
                Type::Map(element) => Some(element.as_ref().clone()),
                Type::Object(fields) => match fields.get(name) {
                    Some(field) => Some(field.ty.clone()),
                    None => return self.missing(value, name, extent),
                },
                _ => None,
            };
            return match ty {
                Some(ty) => part_of_unknown(value, &Value::string(name), ty),
                None => self.no_attributes(value, name, extent),
            };
        }
        let Some(entries) = value.as_entries() else {
            return self.no_attributes(value, name, extent);
        };
        if let Some(part) = entries.get(name) {
            return part.clone().with_marks(value.marks());
        }
        self.missing(value, name, extent)
    }

    fn no_attributes(&mut self, value: &Value, name: &str, extent: Extent) -> Value {
        let summary = format!("{} has no attribute `{name}`", article(&value.ty()));
        let diagnostic = Diagnostic::error("no-attributes", summary)
            .with_label(self.file.span(extent), "")
            .with_hint(format!("to take `{name}` of every element, write `[*].{name}`"));
        self.report(diagnostic)
    }

    fn missing(&mut self, value: &Value, name: &str, extent: Extent) -> Value {
        let what = if matches!(value.data(), Data::Map(..)) {
            "map has no element"
        } else {
            "object has no attribute"
        };
        let mut diagnostic =
            Diagnostic::error("unknown-attribute", format!("this {what} `{name}`"))
                .with_label(self.file.span(extent), "");
        let names = part_names(value);
        // The names of a secret's parts may be secret too.
        if !value.marks().sensitive && !names.is_empty() {
            let hint = did_you_mean(name, names.iter().copied());
            diagnostic = diagnostic.with_hint(hint.unwrap_or_else(|| what_there_is(&names)));
        }
        self.report(diagnostic)
    }

    fn index(&mut self, value: &Value, index: &Value, extent: Extent) -> Value {
        let marks = value.marks().union(index.marks());
        if is_failed(index) {
            return failed();
        }
        if index.is_null() {
            return self.error(extent, "index", "null cannot be an index", "");
        }
        let ty = match value.data() {
            Data::List(..) | Data::Tuple(_) => Type::Number,
            Data::Map(..) | Data::Object(_) => Type::String,
            Data::Unknown(unknown) => match &unknown.ty {
                Type::List(_) | Type::Tuple(_) => Type::Number,
                Type::Map(_) | Type::Object(_) => Type::String,
                Type::Set(_) => return self.no_index(extent),
                _ => return part_of_unknown(value, index, Type::Any),
            },
            _ => return self.no_index(extent),
        };
        let index = match convert(index, &ty) {
            Ok(index) => index,
            Err(error) => {
                let summary = "this cannot be an index here";
                return self.error(extent, "index", summary, &error.to_string());
            }
        };
        let part = match value.data() {
            _ if index.is_unknown() => {
                part_of_unknown(value, &index, element_type(value, &Key::Index(index.clone())))
            }
            Data::Unknown(_) => self.unknown_item(value, &index, extent),
            Data::List(_, items) | Data::Tuple(items) => self.item(items, &index, extent),
            _ => {
                let name = index.as_str().unwrap_or_default().to_owned();
                self.attribute(value, &name, extent)
            }
        };
        part.with_marks(&marks)
    }

    fn no_index(&mut self, extent: Extent) -> Value {
        let diagnostic = Diagnostic::error("index", "the elements of a set have no index")
            .with_label(self.file.span(extent), "")
            .with_hint("convert it with `tolist(...)` first");
        self.report(diagnostic)
    }

    /// The part of something unknown at an index that is known.
    fn unknown_item(&mut self, value: &Value, index: &Value, extent: Extent) -> Value {
        let Data::Unknown(unknown) = value.data() else { return failed() };
        match (&unknown.ty, index.as_str()) {
            (Type::Tuple(types), _) => {
                // Only how many there are matters; the elements themselves are not looked at.
                let stand_ins: Vec<_> =
                    types.iter().map(|ty| Value::unknown(ty.clone(), Residual::Opaque)).collect();
                let stand_in = self.item(&stand_ins, index, extent);
                if is_failed(&stand_in) {
                    stand_in
                } else {
                    part_of_unknown(value, index, stand_in.ty())
                }
            }
            (_, Some(name)) => self.attribute(value, name, extent),
            _ => part_of_unknown(value, index, element_type(value, &Key::Index(index.clone()))),
        }
    }

    fn item(&mut self, items: &[Value], index: &Value, extent: Extent) -> Value {
        let number = index.as_number();
        let position =
            number.and_then(model::Number::as_u64).and_then(|at| usize::try_from(at).ok());
        if let Some(item) = position.and_then(|at| items.get(at)) {
            return item.clone();
        }
        let length = items.len();
        let plural = if length == 1 { "element" } else { "elements" };
        let summary = match number {
            Some(number) if position.is_none() => {
                format!("{number} cannot be an index: a whole number from 0 is needed")
            }
            Some(number) => {
                format!("there is no element {number}: this has {length} {plural}, counted from 0")
            }
            None => "this cannot be an index".to_owned(),
        };
        self.error(extent, "index", summary, "")
    }

    /// The splat of a value.
    fn splat(&mut self, value: &Value, each: Steps<'_>, extent: Extent) -> Splat {
        let (items, is_list) = match value.data() {
            Data::Null(Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
                let summary = "this value is null, so it has no elements";
                return Splat::Made(self.error(extent, "null-access", summary, ""));
            }
            Data::Null(_) => (Vec::new(), false),
            Data::List(_, items) | Data::Set(_, items) => (items.to_vec(), true),
            Data::Tuple(items) => (items.to_vec(), false),
            Data::Unknown(unknown) => match &unknown.ty {
                Type::Any => return Splat::Later(Type::Any, Refinement::default()),
                Type::List(element) | Type::Set(element) => {
                    let Some(element) = self.type_of_each(element, each) else {
                        return Splat::Made(failed());
                    };
                    let length = &unknown.refinement;
                    let refinement =
                        Refinement::not_null().with_length(length.min_length, length.max_length);
                    return Splat::Later(Type::list(element), refinement);
                }
                Type::Tuple(types) => {
                    let types = types.iter().map(|ty| self.type_of_each(ty, each)).collect();
                    let types: Option<Vec<_>> = types;
                    return match types {
                        Some(types) => {
                            Splat::Later(Type::Tuple(Arc::new(types)), Refinement::not_null())
                        }
                        None => Splat::Made(failed()),
                    };
                }
                ty if !unknown.refinement.not_null => {
                    // Whether there is one element or none is not known; a mistake is one already.
                    let there = self.type_of_each(&ty.clone(), each).is_some();
                    return if there {
                        Splat::Later(Type::Any, Refinement::default())
                    } else {
                        Splat::Made(failed())
                    };
                }
                _ => (vec![value.clone()], false),
            },
            _ => (vec![value.clone()], false),
        };
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            match self.splat_item(item, each) {
                Splat::Made(item) => results.push(item),
                later @ Splat::Later(..) => return later,
            }
        }
        let made = if is_list {
            self.list_of(value, each, results, extent)
        } else {
            Value::tuple(results)
        };
        Splat::Made(made.with_marks(value.marks()))
    }

    /// The splat of a list or set is a list.
    fn list_of(
        &mut self,
        value: &Value,
        each: Steps<'_>,
        items: Vec<Value>,
        extent: Extent,
    ) -> Value {
        let Some(first) = items.first().map(Value::ty) else {
            let element = match value.data() {
                Data::List(element, _) | Data::Set(element, _) => element.clone(),
                _ => Arc::new(Type::Any),
            };
            let element = self.type_of_each(&element, each).unwrap_or(Type::Any);
            return Value::list(element, items);
        };
        if items.iter().any(is_failed_itself) {
            return failed();
        }
        if items.iter().any(|item| item.ty() != first) {
            let summary =
                "the inner splat gives elements of different types, which no list can hold";
            let diagnostic = Diagnostic::error("splat", summary)
                .with_label(self.file.span(extent), "")
                .with_hint("write `[for item in ... : item[*]]`, which makes a tuple");
            return self.report(diagnostic);
        }
        Value::list(first, items)
    }

    /// The type of what the steps behind a splat take of an element.
    fn type_of_each(&mut self, element: &Type, each: Steps<'_>) -> Option<Type> {
        let stand_in = Value::unknown(element.clone(), Residual::Opaque);
        match self.splat_item(stand_in, each) {
            Splat::Made(value) if is_failed_itself(&value) => None,
            Splat::Made(value) => Some(value.ty()),
            Splat::Later(..) => Some(Type::Any),
        }
    }

    fn splat_item(&mut self, item: Value, each: Steps<'_>) -> Splat {
        let mut item = item;
        let keys = self.keys(each);
        for (key, step) in keys.iter().zip(each.iter()) {
            if is_failed_itself(&item) {
                return Splat::Made(item);
            }
            item = match step.kind {
                StepKind::Splat(inner) => match self.splat(&item, inner, step.extent) {
                    Splat::Made(item) => item,
                    Splat::Later(..) => return Splat::Later(Type::Any, Refinement::default()),
                },
                _ => self.step(item, key, step),
            };
        }
        Splat::Made(item)
    }
}

/// The names of a value's parts, as far as they are known.
fn part_names(value: &Value) -> Vec<&str> {
    match value.data() {
        Data::Unknown(unknown) => match &unknown.ty {
            Type::Object(fields) => fields.keys().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        },
        _ => value.as_entries().into_iter().flat_map(|e| e.keys().map(AsRef::as_ref)).collect(),
    }
}

/// How many names of parts a hint lists.
const MOST_LISTED: usize = 10;

fn what_there_is(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    match names.get(..MOST_LISTED).filter(|_| names.len() > MOST_LISTED) {
        None => format!("there {verb} {}", list(names.iter().copied())),
        Some(first) => {
            let shown: Vec<_> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("there are {} and {} more", shown.join(", "), names.len() - first.len())
        }
    }
}

/// What a splat gives.
enum Splat {
    Made(Value),
    /// Only a residual expression can tell; with its type and what is known of it.
    Later(Type, Refinement),
}

fn is_failed_itself(value: &Value) -> bool {
    value.is_unknown() && is_failed(value)
}

fn primitive_access(value: &Value) -> Option<String> {
    let ty = match value.data() {
        Data::Unknown(unknown) => &unknown.ty,
        Data::Bool(_) => &Type::Bool,
        Data::Number(_) => &Type::Number,
        Data::String(_) => &Type::String,
        _ => return None,
    };
    let primitive = matches!(ty, Type::Bool | Type::Number | Type::String);
    primitive.then(|| format!("{} has no attributes or elements", article(ty)))
}

/// The type of an element, as far as the type of the whole tells.
fn element_type(value: &Value, key: &Key) -> Type {
    match value.data() {
        Data::Unknown(unknown) => part_type(&unknown.ty, key),
        Data::List(element, _) | Data::Map(element, _) => element.as_ref().clone(),
        _ => Type::Any,
    }
}

fn part_type(ty: &Type, key: &Key) -> Type {
    match (ty, key) {
        (
            Type::List(element) | Type::Set(element) | Type::Map(element),
            Key::Attribute(_) | Key::Index(_),
        ) => element.as_ref().clone(),
        (Type::Object(fields), Key::Attribute(name)) => {
            fields.get(name).map_or(Type::Any, |field| field.ty.clone())
        }
        (Type::Object(fields), Key::Index(index)) => index
            .as_str()
            .and_then(|name| fields.get(name))
            .map_or(Type::Any, |field| field.ty.clone()),
        (Type::Tuple(items), Key::Index(index)) => {
            let at = index
                .as_number()
                .and_then(model::Number::as_u64)
                .and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| items.get(at)).cloned().unwrap_or(Type::Any)
        }
        _ => Type::Any,
    }
}
