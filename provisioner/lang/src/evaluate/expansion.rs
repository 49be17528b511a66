//! `count` and `for_each`: which instances a block has.

use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::{ModuleCall, Repeat, Resource};
use crate::syntax::{Attribute, Expression};
use model::convert::{article, convert};
use model::value::Entries;
use model::{Data, Diagnostic, InstanceKey, Marks, Number, Type, Value};
use std::sync::Arc;

/// The largest `count`.
const MOST: u64 = 1_000_000;

/// Says whether there is an instance.
pub(super) const ENABLED: &str = "enabled";

/// The instances of a block.
#[derive(Clone)]
pub(super) enum Expansion {
    /// Neither `count` nor `for_each`.
    Single,
    Count(u64, Marks),
    Each(Arc<Entries>, Marks),
    /// Not enabled: no instance, and null where there is a reference to it.
    Disabled(Marks),
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
            Self::Count(..) => Some(Value::object([("index", self.part("index")?)])),
            Self::Each(..) => {
                Some(Value::object([("key", self.part("key")?), ("value", self.part("value")?)]))
            }
        }
    }

    /// `each.NAME` or `count.NAME`.
    pub(super) fn part(&self, name: &str) -> Option<Value> {
        match (self, name) {
            (Self::Each(_, value, marks), "value") => Some(value.clone().with_marks(marks)),
            (Self::Each(key, _, marks), "key") => {
                Some(Value::from(Data::String(key.clone())).with_marks(marks))
            }
            (Self::Count(index, marks), "index") => {
                let index = i64::try_from(*index).unwrap_or(i64::MAX);
                Some(Value::from(index).with_marks(marks))
            }
            _ => None,
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
            Self::Disabled(_) | Self::Absent => Vec::new(),
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
        let resource = module.resources.get(at);
        if resource.repeat.is_none() && self.enabled_argument(resource).is_none() {
            return Expansion::Single;
        }
        self.expand(decl, |graph, place| {
            let own = graph.enabled_argument(resource).map(|attribute| &attribute.value);
            graph.expansion(resource.repeat.as_deref(), own, place)
        })
    }

    /// `enabled` in a resource block; an argument of the type where it has one of that name.
    pub(super) fn enabled_argument<'r>(&self, resource: &'r Resource) -> Option<&'r Attribute> {
        let (_, declared) = self.declared(resource.is_data, &resource.kind)?;
        let is_argument = declared.contains_key(ENABLED);
        let mut arguments = resource.arguments.iter().filter(|_| !is_argument);
        arguments.find(|argument| argument.name.text.as_ref() == ENABLED)
    }

    pub(super) fn call_keys(&mut self, scope: usize, at: usize) -> Expansion {
        let decl = Decl { scope, what: What::Calls(at) };
        let module = self.module(scope);
        let call = module.calls.get(at);
        let own = call.arguments.iter().find(|argument| argument.name.text.as_ref() == ENABLED);
        if call.repeat.is_plain() && own.is_none() {
            return Expansion::Single;
        }
        self.expand(decl, |graph, place| {
            let own = own.filter(|_| !graph.takes_enabled(call, place));
            graph.expansion(Some(&call.repeat), own.map(|argument| &argument.value), place)
        })
    }

    /// Whether `enabled` is a variable of the module that is called.
    pub(super) fn takes_enabled(&mut self, call: &ModuleCall, place: &Place) -> bool {
        let own = call.arguments.iter().any(|argument| argument.name.text.as_ref() == ENABLED);
        let directory = own.then(|| self.source_directory(&call.source, place)).flatten();
        let called = directory.and_then(|directory| self.configuration.module(&directory));
        called.is_some_and(|module| module.variables.position(ENABLED).is_some())
    }

    /// What has `for_each` and is neither a resource nor a module call.
    pub(super) fn expand_for_each(&mut self, decl: Decl, for_each: &Expression) -> Expansion {
        self.expand(decl, |graph, place| graph.for_each(for_each, place))
    }

    fn expand(
        &mut self,
        decl: Decl,
        mut work: impl FnMut(&mut Self, &Place) -> Expansion,
    ) -> Expansion {
        self.demand(&decl);
        if let Some(expansion) = self.expansions.get(&decl) {
            return expansion.clone();
        }
        let place = Place::module(decl.scope);
        let expansion = self.guarded(&decl, |graph| work(graph, &place));
        let expansion = expansion.unwrap_or(Expansion::Absent);
        if self.demand.is_broken_off() {
            return expansion;
        }
        self.expansions.insert(decl, expansion.clone());
        expansion
    }

    fn expansion(
        &mut self,
        repeat: Option<&Repeat>,
        own: Option<&Expression>,
        place: &Place,
    ) -> Expansion {
        let enabled = repeat.and_then(|repeat| repeat.enabled.as_ref()).or(own);
        let count = repeat.and_then(|repeat| repeat.count.as_ref());
        let for_each = repeat.and_then(|repeat| repeat.for_each.as_ref());
        match (enabled, count, for_each) {
            (None, None, None) => Expansion::Single,
            (None, Some(count), _) => self.count(count, place),
            (None, None, Some(for_each)) => self.for_each(for_each, place),
            (Some(enabled), None, None) => self.enabled(enabled, place),
            (Some(enabled), count, for_each) => {
                let mut diagnostic = Diagnostic::error(
                    "count-and-for-each",
                    "`enabled` is for a block with one instance",
                )
                .with_label(enabled.span(), "");
                for other in count.into_iter().chain(for_each) {
                    diagnostic = diagnostic.with_label(other.span(), "this makes several");
                }
                self.report(
                    diagnostic.with_hint("keep the other, and let it give no instance at all"),
                );
                Expansion::Absent
            }
        }
    }

    /// One instance or none.
    pub(super) fn enabled(&mut self, expression: &Expression, place: &Place) -> Expansion {
        let value = self.eval_as(expression, &Type::Bool, "`enabled`", place);
        let value = self.lasting(value, "what `enabled` decides", expression.span());
        match value.data() {
            _ if is_failed(&value) => Expansion::Absent,
            Data::Bool(true) => Expansion::Single,
            Data::Bool(false) => Expansion::Disabled(value.marks().clone()),
            Data::Unknown(_) => self.unknown_keys(expression, &value, ENABLED),
            _ => {
                let diagnostic = Diagnostic::error("wrong-type", "`enabled` is true or false")
                    .with_label(expression.span(), "this is null");
                self.report(diagnostic);
                Expansion::Absent
            }
        }
    }

    fn count(&mut self, expression: &Expression, place: &Place) -> Expansion {
        let value = self.eval(expression, place);
        let value = self.lasting(value, "how many instances there are", expression.span());
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
                    // How many there are shows in their addresses, so it is no secret.
                    let marks = Marks { sensitive: false, ..value.marks().clone() };
                    return Expansion::Count(count, marks);
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
        // The elements of a set are keys; a value of a map may be anything.
        let keys = match value.data() {
            Data::Set(..) => value.deep_marks(),
            _ => value.marks().clone(),
        };
        if keys.ephemeral {
            self.lasting(value, "which instances there are", expression.span());
            return Expansion::Absent;
        }
        if value.is_unknown() {
            if is_failed(&value) {
                return Expansion::Absent;
            }
            return self.unknown_keys(expression, &value, "for_each");
        }
        if keys.sensitive {
            let diagnostic = Diagnostic::error("for-each-sensitive", "the keys of `for_each` cannot be sensitive")
                .with_label(expression.span(), "this is sensitive")
                .with_hint("keys are part of addresses, which are shown; take the keys from something else, or use `nonsensitive(...)`");
            self.report(diagnostic);
            return Expansion::Absent;
        }
        let marks = keys;
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
        let mut entries = Vec::with_capacity(items.len());
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
            entries.push((name.into(), item.clone()));
        }
        Expansion::Each(Arc::new(entries.into_iter().collect()), marks)
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
