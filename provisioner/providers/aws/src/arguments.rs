//! Between values of the language and what the SDK takes.

use model::{Data, Number, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Arguments or attributes of one object, or of a nested block.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a>(pub(crate) &'a Value);

impl Given<'_> {
    /// Text; none if it is null or not there.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    /// Text that must be there.
    pub(crate) fn needed(self, name: &str) -> Result<String, ProviderError> {
        self.text(name).ok_or_else(|| {
            ProviderError::new(ErrorClass::Invalid, format!("`{name}` must be a string"))
        })
    }

    /// A whole number.
    pub(crate) fn number(self, name: &str) -> Option<i32> {
        let value = self.0.get(name)?;
        value.as_number().and_then(Number::as_i64).and_then(|number| i32::try_from(number).ok())
    }

    /// True or false.
    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// Texts of a list or set; none if it is null or not there.
    pub(crate) fn texts(self, name: &str) -> Option<Vec<String>> {
        let value = self.0.get(name)?;
        let items = value.as_items()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }

    /// Nested blocks of one kind, or elements of a list of objects.
    pub(crate) fn blocks(self, name: &str) -> Vec<Value> {
        let value = self.0.get(name);
        value.as_ref().and_then(Value::as_items).map(<[Value]>::to_vec).unwrap_or_default()
    }

    /// A map of texts; none if it is null or not there.
    pub(crate) fn map(self, name: &str) -> Option<BTreeMap<String, String>> {
        let value = self.0.get(name)?;
        let entries = value.as_entries()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let both = entries.iter().filter_map(|(key, value)| Some((key.to_string(), text(value)?)));
        Some(both.collect())
    }

    /// Whether the configuration leaves it out. What is not known yet is not left out.
    pub(crate) fn is_left_out(self, name: &str) -> bool {
        self.0.get(name).is_none_or(|value| value.is_null())
    }

    /// What is wrong with an argument that must be one of these words.
    pub(crate) fn word(self, name: &'static str, words: &[&str]) -> Option<(&'static str, String)> {
        let text = self.text(name).filter(|text| !words.contains(&text.as_str()))?;
        let (last, others) = words.split_last()?;
        let all = if others.is_empty() {
            format!("`{last}`")
        } else {
            format!("one of `{}` and `{last}`", others.join("`, `"))
        };
        Some((name, format!("`{text}` is not {all}")))
    }

    /// Whether an argument has another value here than there.
    pub(crate) fn differs(self, other: Given<'_>, name: &str) -> bool {
        match (self.0.get(name), other.0.get(name)) {
            (Some(one), Some(other)) => !one.same_content(&other),
            (one, other) => one.is_some() != other.is_some(),
        }
    }
}

/// Arguments or attributes with another value of one of them.
pub(crate) fn with(all: &Value, name: &str, value: Value) -> Value {
    let mut entries = all.as_entries().cloned().unwrap_or_default();
    entries.insert(name.into(), value);
    Data::Object(Arc::new(entries)).into()
}

/// Text, or null of that type.
pub(crate) fn text(value: Option<&str>) -> Value {
    value.map_or_else(|| Value::null(model::Type::String), Value::from)
}

/// Text; null also where the cloud says the empty text.
pub(crate) fn filled(value: Option<&str>) -> Value {
    text(value.filter(|text| !text.is_empty()))
}

/// A flag, or null.
pub(crate) fn flag(value: Option<bool>) -> Value {
    value.map_or_else(|| Value::null(model::Type::Bool), Value::from)
}

/// A number, or null.
pub(crate) fn number(value: Option<i32>) -> Value {
    value.map_or_else(|| Value::null(model::Type::Number), |number| i64::from(number).into())
}

/// A list of texts.
pub(crate) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::list(model::Type::String, items.into_iter().map(|item| Value::from(item.as_ref())))
}

/// A set of texts.
pub(crate) fn text_set<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::set(model::Type::String, items.into_iter().map(|item| Value::from(item.as_ref())))
}

/// What the cloud tells of an argument, without what the configuration leaves out of nested blocks: the cloud fills that
/// in. An empty collection is as good as none.
pub(crate) fn as_given(value: &Value, given: &Value) -> Value {
    if given.is_null() {
        return value.clone();
    }
    match (value.data(), given.data()) {
        (Data::Null(_), _) if is_empty(given) => given.clone(),
        (Data::List(ty, items), Data::List(_, others)) if items.len() == others.len() => {
            Value::list(
                ty.clone(),
                items.iter().zip(others.iter()).map(|(it, other)| within(it, other)),
            )
        }
        _ => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_items().is_some_and(<[Value]>::is_empty)
        || value.as_entries().is_some_and(model::value::Entries::is_empty)
}

/// A nested block: fields that are null as given stay null.
pub(crate) fn within(value: &Value, given: &Value) -> Value {
    let (Data::Object(entries), Some(others)) = (value.data(), given.as_entries()) else {
        return value.clone();
    };
    let field = |(name, value): (&Arc<str>, &Value)| {
        let value = match others.get(name) {
            Some(other) if other.is_null() => other.clone(),
            // A flag that the cloud does not tell is not set.
            Some(other) if value.is_null() && other.as_bool() == Some(false) => other.clone(),
            Some(other) => as_given(value, other),
            None => value.clone(),
        };
        (name.clone(), value)
    };
    Value::object(entries.iter().map(field))
}
