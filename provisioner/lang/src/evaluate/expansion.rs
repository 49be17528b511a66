//! `count` and `for_each`: which instances a block has.

use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::Repeat;
use crate::syntax::Expression;
use model::convert::{article, convert};
use model::value::Entries;
use model::{Data, Diagnostic, InstanceKey, Marks, Number, Type, Value};
use std::sync::Arc;

/// The largest `count`.
const MOST: u64 = 1_000_000;

/// The instances of a block.
#[derive(Clone)]
pub(super) enum Expansion {
    /// Neither `count` nor `for_each`.
    Single,
    Count(u64, Marks),
    Each(Arc<Entries>, Marks),
    /// A mistake, or unknown in validation: nothing can be said of the instances.
    Absent,
}

/// Which instance of a block this is.
#[derive(Clone, Debug)]
pub(super) enum Repetition {
    Single,
    Count(u64, Marks),
    Each(Arc<str>, Value, Marks),
}

impl Repetition {
    /// `each` or `count`.
    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Self::Single => None,
            Self::Count(index, marks) => {
                let index =
                    Value::from(i64::try_from(*index).unwrap_or(i64::MAX)).with_marks(marks);
                Some(Value::object([("index", index)]))
            }
            Self::Each(key, value, marks) => {
                let key = Value::from(Data::String(key.clone())).with_marks(marks);
                Some(Value::object([("key", key), ("value", value.clone().with_marks(marks))]))
            }
        }
    }

    /// The marks of what decided that there is this instance.
    pub(super) fn marks(&self) -> Marks {
        match self {
            Self::Single => Marks::default(),
            Self::Count(_, marks) | Self::Each(_, _, marks) => marks.clone(),
        }
    }
}

impl Expansion {
    /// All keys, in order.
    pub(super) fn keys(&self) -> Vec<Option<InstanceKey>> {
        match self {
            Self::Single => vec![None],
            Self::Count(count, _) => (0..*count).map(|at| Some(InstanceKey::Index(at))).collect(),
            Self::Each(entries, _) => {
                entries.keys().map(|name| Some(InstanceKey::Name(name.clone()))).collect()
            }
            Self::Absent => Vec::new(),
        }
    }

    /// The repetition of one key.
    pub(super) fn repetition(&self, key: &InstanceKey) -> Repetition {
        match (self, key) {
            (Self::Count(_, marks), InstanceKey::Index(index)) => {
                Repetition::Count(*index, marks.clone())
            }
            (Self::Each(entries, marks), InstanceKey::Name(name)) => {
                let value = entries.get(name).cloned().unwrap_or_else(|| Value::null(Type::Any));
                Repetition::Each(name.clone(), value, marks.clone())
            }
            _ => Repetition::Single,
        }
    }

    pub(super) fn repetition_of(&self, key: Option<&InstanceKey>) -> Repetition {
        key.map_or(Repetition::Single, |key| self.repetition(key))
    }
}

impl Graph<'_> {
    pub(super) fn resource_keys(&mut self, scope: usize, at: usize) -> Expansion {
        let decl = Decl { scope, what: What::Keys(at) };
        let module = self.module(scope);
        self.expand(decl, &module.resources.get(at).repeat)
    }

    pub(super) fn call_keys(&mut self, scope: usize, at: usize) -> Expansion {
        let decl = Decl { scope, what: What::Calls(at) };
        let module = self.module(scope);
        self.expand(decl, &module.calls.get(at).repeat)
    }

    pub(super) fn expand(&mut self, decl: Decl, repeat: &Repeat) -> Expansion {
        self.demand(&decl);
        if let Some(expansion) = self.expansions.get(&decl) {
            return expansion.clone();
        }
        let place = Place::module(decl.scope);
        let expansion = self.guarded(&decl, |graph| match (&repeat.count, &repeat.for_each) {
            (None, None) => Expansion::Single,
            (Some(count), _) => graph.count(count, &place),
            (None, Some(for_each)) => graph.for_each(for_each, &place),
        });
        let expansion = expansion.unwrap_or(Expansion::Absent);
        self.expansions.insert(decl, expansion.clone());
        expansion
    }

    fn count(&mut self, expression: &Expression, place: &Place) -> Expansion {
        let value = self.eval(expression, place);
        if is_failed(&value) {
            return Expansion::Absent;
        }
        if value.is_unknown() {
            return self.unknown_keys(expression, &value, "count");
        }
        let converted = convert(&value, &Type::Number).ok();
        let number = converted.as_ref().and_then(Value::as_number);
        let problem = match number {
            Some(number) => match number.as_u64() {
                Some(count) if count <= MOST => {
                    return Expansion::Count(count, value.marks().clone());
                }
                _ => format!("this is {number}"),
            },
            None if value.is_null() => "this is null".to_owned(),
            None => format!("this is {}", article(&value.ty())),
        };
        let summary = format!("`count` is a whole number from 0 to {}", Number::from(1_000_000));
        self.report(Diagnostic::error("count", summary).with_label(expression.span(), problem));
        Expansion::Absent
    }

    fn for_each(&mut self, expression: &Expression, place: &Place) -> Expansion {
        let value = self.eval(expression, place);
        if value.is_unknown() {
            if is_failed(&value) {
                return Expansion::Absent;
            }
            return self.unknown_keys(expression, &value, "for_each");
        }
        if value.marks().sensitive {
            let diagnostic = Diagnostic::error("for-each-sensitive", "the keys of `for_each` cannot be sensitive")
                .with_label(expression.span(), "this is sensitive")
                .with_hint("keys are part of addresses, which are shown; take the keys from something else, or use `nonsensitive(...)`");
            self.report(diagnostic);
            return Expansion::Absent;
        }
        let marks = value.marks().clone();
        let problem = match value.data() {
            Data::Map(_, entries) | Data::Object(entries) => {
                return Expansion::Each(entries.clone(), marks);
            }
            Data::Set(_, items) => return self.for_each_set(expression, items, marks),
            Data::Null(_) => "this is null".to_owned(),
            _ => format!("this is {}", article(&value.ty())),
        };
        let mut diagnostic =
            Diagnostic::error("for-each", "`for_each` takes a map or a set of strings")
                .with_label(expression.span(), problem);
        if value.as_items().is_some() {
            diagnostic = diagnostic.with_hint(
                "a list has no keys: write `toset(...)`, or `{ for x in ... : x.name => x }`",
            );
        }
        self.report(diagnostic);
        Expansion::Absent
    }

    fn for_each_set(
        &mut self,
        expression: &Expression,
        items: &[Value],
        marks: Marks,
    ) -> Expansion {
        let mut entries = Entries::new();
        for item in items {
            if is_failed(item) {
                return Expansion::Absent;
            }
            if item.is_unknown() {
                let item = item.clone().with_marks(&marks);
                return self.unknown_keys(expression, &item, "for_each");
            }
            let Some(name) = item.as_str() else {
                let problem = format!("this set holds {}", article(&item.ty()));
                let diagnostic =
                    Diagnostic::error("for-each", "`for_each` takes a map or a set of strings")
                        .with_label(expression.span(), problem);
                self.report(diagnostic);
                return Expansion::Absent;
            };
            entries.insert(name.into(), item.clone());
        }
        Expansion::Each(Arc::new(entries), marks)
    }

    fn unknown_keys(
        &mut self,
        expression: &Expression,
        value: &Value,
        argument: &str,
    ) -> Expansion {
        // In validation nothing is known of any instance; a plan will tell.
        if rests_on_opaque(value) {
            return Expansion::Absent;
        }
        let origins: Vec<_> = value.deep_origins().iter().map(ToString::to_string).collect();
        let depends = if origins.is_empty() {
            String::new()
        } else {
            format!("depends on {}", origins.join(", "))
        };
        let diagnostic = Diagnostic::error(
            "unknown-keys",
            format!("`{argument}` must be known when planning: it says how many instances there are"),
        )
        .with_label(expression.span(), depends)
        .with_hint("use something that the configuration decides, such as names or a variable, and keep what is known only later for the values");
        self.report(diagnostic);
        Expansion::Absent
    }
}
