//! `for` expressions.

use super::{Evaluator, Local, failed, is_failed};
use crate::syntax::{Expr, For};
use model::convert::article;
use model::{Data, Diagnostic, Marks, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The elements of a collection with their keys.
pub(super) type Elements = Vec<(Value, Value)>;

impl Evaluator<'_> {
    /// The elements to iterate over: `Ok(None)` when the collection is unknown.
    pub(super) fn elements(
        &mut self,
        collection: &Value,
        expr: Expr<'_>,
    ) -> Result<Option<Elements>, ()> {
        let indexed = |items: &[Value]| {
            let pairs = (0_i64..).zip(items.iter());
            pairs.map(|(index, item)| (Value::from(index), item.clone())).collect()
        };
        let elements: Elements = match collection.data() {
            Data::Unknown(_) if is_failed(collection) => return Err(()),
            Data::Unknown(unknown) if !unknown.ty.is_primitive() => return Ok(None),
            Data::List(_, items) | Data::Tuple(items) => indexed(items),
            Data::Set(_, items) => items.iter().map(|item| (item.clone(), item.clone())).collect(),
            Data::Map(_, entries) | Data::Object(entries) => entries
                .iter()
                .map(|(key, value)| (Value::from(Data::String(key.clone())), value.clone()))
                .collect(),
            Data::Null(_) => {
                self.error(
                    expr.extent(),
                    "for-over-null",
                    "null has no elements to go through",
                    "this is null",
                );
                return Err(());
            }
            _ => {
                let label = format!("this is {}", article(&collection.ty()));
                let summary = "`for` goes through a list, set, tuple, map or object";
                self.error(expr.extent(), "for-over-value", summary, &label);
                return Err(());
            }
        };
        Ok(Some(elements))
    }

    pub(super) fn for_expr(&mut self, expr: Expr<'_>, parsed: For<'_>) -> Value {
        let collection = self.eval(parsed.collection);
        let Ok(elements) = self.elements(&collection, parsed.collection) else {
            return failed();
        };
        let Some(elements) = elements else {
            return self.residual(expr, Type::Any, None);
        };
        let mut made = Made { marks: collection.marks().clone(), ..Made::default() };
        for (key, value) in elements {
            let mut locals = Vec::with_capacity(2);
            if let Some(name) = parsed.key_name {
                locals.push(Local::new(name, key, collection.marks()));
            }
            locals.push(Local::new(parsed.value_name, value, collection.marks()));
            match self.with_locals(locals, |inner| inner.for_element(parsed, &mut made)) {
                Step::Next => {}
                Step::Unknown => return self.residual(expr, Type::Any, None),
                Step::Failed => return failed(),
            }
        }
        made.finish(parsed)
    }

    fn for_element(&mut self, parsed: For<'_>, made: &mut Made) -> Step {
        if let Some(condition) = parsed.condition {
            let value = self.eval(condition);
            made.marks = made.marks.union(value.marks());
            match self.condition(&value, condition) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => return Step::Next,
                Ok(None) => return Step::Unknown,
                Err(()) => return Step::Failed,
            }
        }
        let Some(key_expr) = parsed.key else {
            let value = self.eval(parsed.value);
            made.items.push(value);
            return Step::Next;
        };
        let key = self.eval(key_expr);
        if is_failed(&key) {
            return Step::Failed;
        }
        made.marks.add(key.marks());
        let Some(name) = self.object_key(&key, key_expr.extent()) else {
            return Step::Failed;
        };
        let Some(name) = name else { return Step::Unknown };
        let value = self.eval(parsed.value);
        if parsed.group {
            made.groups.entry(name).or_default().push(value);
        } else if let std::collections::btree_map::Entry::Vacant(entry) =
            made.entries.entry(name.clone())
        {
            entry.insert(value);
        } else {
            let summary = if key.marks().sensitive {
                "two elements give the same key".to_owned()
            } else {
                format!("two elements give the same key `{name}`")
            };
            let diagnostic = Diagnostic::error("duplicate-for-key", summary)
                .with_label(self.file.span(key_expr.extent()), "")
                .with_hint("write `...` after the value to group the values of equal keys");
            self.report(diagnostic);
            return Step::Failed;
        }
        Step::Next
    }
}

enum Step {
    Next,
    Unknown,
    Failed,
}

#[derive(Default)]
struct Made {
    marks: Marks,
    items: Vec<Value>,
    entries: BTreeMap<Arc<str>, Value>,
    groups: BTreeMap<Arc<str>, Vec<Value>>,
}

impl Made {
    fn finish(self, parsed: For<'_>) -> Value {
        let value: Value = if parsed.key.is_none() {
            Value::tuple(self.items)
        } else if parsed.group {
            Value::object(self.groups.into_iter().map(|(name, items)| (name, Value::tuple(items))))
        } else {
            Value::object(self.entries)
        };
        value.with_marks(&self.marks)
    }
}
