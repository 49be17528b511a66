//! References, attributes, indexes and splats.

use super::{Evaluator, Found, Key, Reference, failed, is_failed};
use crate::module::suggest::did_you_mean;
use crate::syntax::{Expr, Extent, Kind, Step, StepKind, Traversal};
use model::convert::{article, convert};
use model::{Data, Diagnostic, Residual, Type, Value};
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn traversal(&mut self, expr: &Expr, traversal: &Traversal) -> Value {
        if let Kind::Variable(root) = &traversal.base.kind {
            return self.traverse_root(expr, root, &traversal.steps);
        }
        let base = self.eval(&traversal.base);
        let keys = self.keys(&traversal.steps);
        self.apply(expr, base, &keys, &traversal.steps)
    }

    pub(super) fn traverse_root(&mut self, expr: &Expr, root: &Arc<str>, steps: &[Step]) -> Value {
        let keys = self.keys(steps);
        let Some(found) = self.root_value(root, &keys, expr.extent) else {
            return failed();
        };
        let mut value = found.value;
        for key in &keys[..found.consumed] {
            if let Key::Index(index) = key {
                value = value.with_marks(index.marks());
            }
        }
        self.apply(expr, value, &keys[found.consumed..], &steps[found.consumed..])
    }

    /// The value that a root name with its next steps stands for.
    pub(super) fn root_value(
        &mut self,
        root: &Arc<str>,
        keys: &[Key],
        extent: Extent,
    ) -> Option<Found> {
        if let Some(value) = self.local(root) {
            return Found::some(value.clone(), 0);
        }
        let file = self.file.clone();
        self.names.lookup(&Reference { root, steps: keys, file: &file, extent })
    }

    /// The steps with every index evaluated, up to the first splat.
    pub(super) fn keys(&mut self, steps: &[Step]) -> Vec<Key> {
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps {
            keys.push(match &step.kind {
                StepKind::Attribute(name) => Key::Attribute(name.clone()),
                StepKind::Index(index) => Key::Index(self.eval(index)),
                StepKind::Splat(_) => Key::Splat,
            });
        }
        keys
    }

    fn apply(&mut self, expr: &Expr, value: Value, keys: &[Key], steps: &[Step]) -> Value {
        let mut value = value;
        for (at, (key, step)) in keys.iter().zip(steps).enumerate() {
            if is_failed_itself(&value) {
                return value;
            }
            if let StepKind::Splat(each) = &step.kind {
                value = match self.splat(&value, each) {
                    Some(value) => value,
                    None => return self.residual(expr, Type::Any, None),
                };
                continue;
            }
            let unknown_index = matches!(key, Key::Index(index) if index.is_unknown());
            if unknown_index || (value.is_unknown() && !extendable(&value)) {
                if let Some(problem) = primitive_access(&value) {
                    return self.error(step.extent, "no-attributes", problem, "");
                }
                // The residual is the whole expression, so its type is that behind all steps.
                let ty = keys[at + 1..]
                    .iter()
                    .fold(element_type(&value, key), |ty, key| part_type(&ty, key));
                let marks = match key {
                    Key::Index(index) => value.marks().union(index.marks()),
                    _ => value.marks().clone(),
                };
                // An unknown index may pick any element.
                let marks =
                    if value.is_unknown() { marks } else { marks.union(&value.deep_marks()) };
                return self.residual(expr, ty, Some(&marks));
            }
            value = self.step(value, key, step);
        }
        value
    }

    /// One attribute or index of a value.
    pub(super) fn step(&mut self, value: Value, key: &Key, step: &Step) -> Value {
        if let Some(problem) = primitive_access(&value) {
            return self.error(step.extent, "no-attributes", problem, "");
        }
        if value.is_null() {
            let summary = "this value is null, so it has no attributes or elements";
            return self.error(step.extent, "null-access", summary, "");
        }
        if let Data::Unknown(unknown) = value.data() {
            return unknown_part(&value, unknown, key);
        }
        match key {
            Key::Attribute(name) => self.attribute(&value, name, step.extent),
            Key::Index(index) => self.index(&value, index, step.extent),
            Key::Splat => value,
        }
    }

    fn attribute(&mut self, value: &Value, name: &str, extent: Extent) -> Value {
        let Some(entries) = value.as_entries() else {
            let summary = format!("{} has no attribute `{name}`", article(&value.ty()));
            let diagnostic = Diagnostic::error("no-attributes", summary)
                .with_label(self.file.span(extent), "")
                .with_hint(format!("to take `{name}` of every element, write `[*].{name}`"));
            return self.report(diagnostic);
        };
        if let Some(part) = entries.get(name) {
            return part.clone().with_marks(value.marks());
        }
        self.missing(value, name, extent)
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
        let names =
            value.as_entries().into_iter().flat_map(|entries| entries.keys().map(AsRef::as_ref));
        // The names of a secret's parts may be secret too.
        if !value.marks().sensitive
            && let Some(hint) = did_you_mean(name, names)
        {
            diagnostic = diagnostic.with_hint(hint);
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
        let part = match value.data() {
            Data::Set(..) => {
                let diagnostic = Diagnostic::error("index", "the elements of a set have no index")
                    .with_label(self.file.span(extent), "")
                    .with_hint("convert it with `tolist(...)` first");
                return self.report(diagnostic);
            }
            Data::List(_, items) | Data::Tuple(items) => self.item(items, index, extent),
            _ => match convert(index, &Type::String) {
                Ok(name) => {
                    let name = name.as_str().unwrap_or_default().to_owned();
                    self.attribute(value, &name, extent)
                }
                Err(error) => {
                    self.error(extent, "index", "this cannot be an index here", &error.to_string())
                }
            },
        };
        part.with_marks(&marks)
    }

    fn item(&mut self, items: &[Value], index: &Value, extent: Extent) -> Value {
        let number = match convert(index, &Type::Number) {
            Ok(number) => number.as_number(),
            Err(error) => {
                return self.error(
                    extent,
                    "index",
                    "this cannot be an index here",
                    &error.to_string(),
                );
            }
        };
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

    /// The splat of a value; `None` when it is unknown.
    fn splat(&mut self, value: &Value, each: &[Step]) -> Option<Value> {
        if value.is_unknown() {
            return None;
        }
        let (items, element) = match value.data() {
            Data::Null(_) => (Vec::new(), None),
            Data::List(element, items) | Data::Set(element, items) => {
                (items.to_vec(), Some(element))
            }
            Data::Tuple(items) => (items.to_vec(), None),
            _ => (vec![value.clone()], None),
        };
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            results.push(self.splat_item(item, each)?);
        }
        let of_list = element.filter(|_| each.is_empty()).cloned();
        let splat = match of_list {
            Some(element) => Value::list(element, results),
            None => Value::tuple(results),
        };
        Some(splat.with_marks(value.marks()))
    }

    /// One item of a splat; `None` when only a residual can tell.
    fn splat_item(&mut self, item: Value, each: &[Step]) -> Option<Value> {
        let mut item = item;
        let keys = self.keys(each);
        for (key, step) in keys.iter().zip(each) {
            if is_failed_itself(&item) {
                return Some(item);
            }
            let unknown_index = matches!(key, Key::Index(index) if index.is_unknown());
            if unknown_index || (item.is_unknown() && !extendable(&item)) {
                return None;
            }
            item = match &step.kind {
                StepKind::Splat(inner) => self.splat(&item, inner)?,
                _ => self.step(item, key, step),
            };
        }
        Some(item)
    }
}

/// Whether a part of the unknown value can be named without a residual expression.
fn extendable(value: &Value) -> bool {
    matches!(
        value.data(),
        Data::Unknown(unknown) if matches!(*unknown.residual, Residual::Output { .. } | Residual::Opaque)
    )
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

/// A part of something unknown.
fn unknown_part(value: &Value, unknown: &model::Unknown, key: &Key) -> Value {
    let ty = element_type(value, key);
    let name: Option<Arc<str>> = match key {
        Key::Attribute(name) => Some(name.clone()),
        Key::Index(index) => {
            convert(index, &Type::String).ok().and_then(|text| text.as_str().map(Into::into))
        }
        Key::Splat => None,
    };
    let residual = match (unknown.residual.as_ref(), name) {
        (Residual::Output { address, path }, Some(name)) => {
            let path = path.iter().cloned().chain([name]).collect();
            Residual::Output { address: address.clone(), path }
        }
        (Residual::Opaque, _) => Residual::Opaque,
        _ => return failed(),
    };
    Value::unknown(ty, residual).with_marks(value.marks())
}

/// The type of an element, as far as the type of the whole tells.
fn element_type(value: &Value, key: &Key) -> Type {
    match value.data() {
        Data::Unknown(unknown) => part_type(&unknown.ty, key),
        Data::List(element, _) | Data::Map(element, _) => element.clone(),
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
