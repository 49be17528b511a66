//! Comparing what is wanted with what stands, and putting values into words.
//!
//! Recorded values come back from JSON, where a list is a tuple and a map an object; a comparison is of
//! content, after conversion to the schema's type, with marks aside.

use model::convert::convert;
use model::value::Data;
use model::{Address, Residual, Type, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long a value may be in a message.
const SHOWN_CHARACTERS: usize = 60;

/// What a comparison of a wanted with a standing value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same content.
    Same,
    /// Not the same, whatever the unknown parts will be.
    Differs,
    /// The same as far as is known; unknown parts decide.
    Uncertain,
}

/// Compares what is wanted with what stands (which is wholly known).
pub(crate) fn compare(wanted: &Value, standing: &Value) -> Comparison {
    match (wanted.data(), standing.data()) {
        (Data::Unknown(_), _) => Comparison::Uncertain,
        (Data::Null(_), Data::Null(_)) => Comparison::Same,
        (Data::Set(..), Data::Set(..)) if !wanted.is_wholly_known() => Comparison::Uncertain,
        (Data::Set(..), Data::Set(..)) => {
            // Marks take part in the order of a set's items: compare without them.
            items(&wanted.without_marks(), &standing.without_marks())
        }
        (Data::List(..) | Data::Tuple(_), Data::List(..) | Data::Tuple(_)) => {
            items(wanted, standing)
        }
        (Data::Map(..) | Data::Object(_), Data::Map(..) | Data::Object(_)) => {
            entries(wanted, standing)
        }
        (left, right) if left == right => Comparison::Same,
        _ => Comparison::Differs,
    }
}

fn items(wanted: &Value, standing: &Value) -> Comparison {
    let (Some(wanted), Some(standing)) = (wanted.as_items(), standing.as_items()) else {
        return Comparison::Differs;
    };
    if wanted.len() != standing.len() {
        return Comparison::Differs;
    }
    all(wanted.iter().zip(standing))
}

fn entries(wanted: &Value, standing: &Value) -> Comparison {
    let (Some(wanted), Some(standing)) = (wanted.as_entries(), standing.as_entries()) else {
        return Comparison::Differs;
    };
    if !wanted.keys().eq(standing.keys()) {
        return Comparison::Differs;
    }
    all(wanted.values().zip(standing.values()))
}

fn all<'a>(pairs: impl Iterator<Item = (&'a Value, &'a Value)>) -> Comparison {
    let mut result = Comparison::Same;
    for (wanted, standing) in pairs {
        match compare(wanted, standing) {
            Comparison::Same => {}
            Comparison::Uncertain => result = Comparison::Uncertain,
            Comparison::Differs => return Comparison::Differs,
        }
    }
    result
}

/// Whether two known values have the same content.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    compare(left, right) == Comparison::Same
}

/// The value as the type wants it; unchanged where it does not fit (an older schema wrote it).
pub(crate) fn typed(value: &Value, ty: &Type) -> Value {
    convert(value, ty).unwrap_or_else(|_| value.clone())
}

/// The value in a message: short, and never a secret.
pub(crate) fn shown(value: &Value, secret: bool) -> String {
    if secret || value.deep_marks().sensitive {
        return "(sensitive)".to_owned();
    }
    if !value.is_wholly_known() {
        return "(known after apply)".to_owned();
    }
    let text =
        value.to_plain_json().map_or_else(|_| "(infinite)".to_owned(), |json| json.to_string());
    if text.chars().count() <= SHOWN_CHARACTERS {
        return text;
    }
    text.chars().take(SHOWN_CHARACTERS).chain("...".chars()).collect()
}

/// What is wanted, but for a part that is as it stands: there if it is there, gone if it is not. A part of what is not known,
/// or that cannot be told apart, is as wanted.
pub(crate) fn with_part(wanted: &Value, standing: &Value, steps: &[Arc<str>]) -> Value {
    let [step, rest @ ..] = steps else { return standing.clone() };
    let part = |wanted: Option<&Value>, standing: &Value| {
        if rest.is_empty() {
            return standing.clone();
        }
        wanted.map_or_else(|| standing.clone(), |wanted| with_part(wanted, standing, rest))
    };
    let merged: Value = match (wanted.data(), standing.data()) {
        (Data::Map(ty, entries), Data::Map(..) | Data::Object(_)) => {
            let mut entries = entries.as_ref().clone();
            match standing.as_entries().and_then(|entries| entries.get(step)) {
                Some(standing) => {
                    let part = part(entries.get(step), standing);
                    entries.insert(step.clone(), part);
                }
                None if rest.is_empty() => {
                    entries.remove(step);
                }
                None => {}
            }
            Value::map(ty.clone(), entries)
        }
        (Data::Object(entries), Data::Map(..) | Data::Object(_)) => {
            let mut entries = entries.as_ref().clone();
            let standing = standing.as_entries().and_then(|entries| entries.get(step));
            if let (Some(entry), Some(standing)) = (entries.get_mut(step), standing) {
                *entry = part(Some(entry), standing);
            }
            Data::Object(Arc::new(entries)).into()
        }
        (Data::List(_, items) | Data::Tuple(items), Data::List(..) | Data::Tuple(_)) => {
            let mut items = items.as_ref().clone();
            let at = step.parse::<usize>().ok();
            let standing = at.and_then(|at| standing.as_items()?.get(at));
            if let (Some(item), Some(standing)) = (at.and_then(|at| items.get_mut(at)), standing) {
                *item = part(Some(item), standing);
            }
            match wanted.data() {
                Data::List(ty, _) => Value::list(ty.clone(), items),
                _ => Value::tuple(items),
            }
        }
        (Data::Null(Type::Map(ty)), Data::Map(..) | Data::Object(_)) => {
            let Some(standing) = standing.as_entries().and_then(|entries| entries.get(step)) else {
                return wanted.clone();
            };
            Value::map(ty.as_ref().clone(), [(step.clone(), part(None, standing))])
        }
        _ => return wanted.clone(),
    };
    merged.with_marks(wanted.marks())
}

/// The instances whose outputs the unknown parts of a value wait for.
pub(crate) fn awaited(value: &Value) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    collect_awaited(value, &mut found);
    found
}

fn collect_awaited(value: &Value, found: &mut BTreeSet<Address>) {
    if let Data::Unknown(unknown) = value.data() {
        match unknown.residual.as_ref() {
            Residual::Output { address, .. } => {
                found.insert(address.clone());
            }
            Residual::Expression { scope, .. } => collect_awaited(scope, found),
            Residual::Opaque => {}
        }
    }
    let items = value.as_items().into_iter().flatten();
    let entries = value.as_entries().into_iter().flat_map(model::value::Entries::values);
    for part in items.chain(entries) {
        collect_awaited(part, found);
    }
}

/// The value with its sensitive marks and without origins: whoever reads an attribute depends on the
/// instance that has it, and through it on what that one came from.
pub(crate) fn without_origins(value: &Value) -> Value {
    let each = |items: &[Value]| items.iter().map(without_origins).collect::<Vec<_>>();
    let bare: Value = match value.data() {
        Data::List(ty, items) => Value::list(ty.clone(), each(items)),
        Data::Set(ty, items) => Value::set(ty.clone(), each(items)),
        Data::Tuple(items) => Value::tuple(each(items)),
        Data::Map(ty, entries) => {
            let entries =
                entries.iter().map(|(name, entry)| (name.clone(), without_origins(entry)));
            Value::map(ty.clone(), entries)
        }
        Data::Object(entries) => Value::object(
            entries.iter().map(|(name, entry)| (name.clone(), without_origins(entry))),
        ),
        data => data.clone().into(),
    };
    if value.marks().sensitive { bare.into_sensitive() } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_from_json_compare_by_content() {
        let list = Value::list(Type::String, ["a".into(), "b".into()]);
        assert!(same(&list, &Value::tuple(["a".into(), "b".into()])));
        assert!(!same(&list, &Value::tuple(["b".into(), "a".into()])));
        let map = Value::map(Type::Number, [("a", 1.into())]);
        assert!(same(&map, &Value::object([("a", 1.into())])));
        let secret = Value::set(Type::String, ["b".into(), Value::from("a").into_sensitive()]);
        assert!(same(&secret, &Value::set(Type::String, ["a".into(), "b".into()])));
    }

    #[test]
    fn unknown_parts_are_uncertain_only_where_the_rest_agrees() {
        let later = Value::output(&Address::parse("a.b").unwrap(), "id", Type::String);
        let wanted = Value::object([("id", later.clone()), ("n", 1.into())]);
        let standing = Value::object([("id", "x".into()), ("n", 1.into())]);
        assert_eq!(compare(&wanted, &standing), Comparison::Uncertain);
        let other = Value::object([("id", "x".into()), ("n", 2.into())]);
        assert_eq!(compare(&wanted, &other), Comparison::Differs);
        assert_eq!(compare(&later, &Value::null(Type::String)), Comparison::Uncertain);
    }

    #[test]
    fn a_part_is_as_it_stands() {
        let map = |entries: &[(&'static str, i64)]| {
            Value::map(Type::Number, entries.iter().map(|(name, n)| (*name, Value::from(*n))))
        };
        let (wanted, standing) = (map(&[("a", 1), ("b", 2)]), map(&[("a", 9), ("c", 3)]));
        let with = |step: &str| with_part(&wanted, &standing, &[step.into()]);
        assert_eq!(with("a"), map(&[("a", 9), ("b", 2)]));
        assert_eq!(with("b"), map(&[("a", 1)]));
        assert_eq!(with("c"), map(&[("a", 1), ("b", 2), ("c", 3)]));
        let none = Value::null(Type::map(Type::Number));
        assert_eq!(with_part(&none, &standing, &["c".into()]), map(&[("c", 3)]));
        let list = |item: Value| Value::list(Type::map(Type::Number), [item]);
        let (wanted, standing) = (list(wanted.clone()), list(standing.clone()));
        let nested = with_part(&wanted, &standing, &["0".into(), "a".into()]);
        assert_eq!(nested, list(map(&[("a", 9), ("b", 2)])));
    }

    #[test]
    fn messages_are_short_and_hold_no_secret() {
        assert_eq!(shown(&"x".into(), false), "\"x\"");
        assert_eq!(shown(&"x".into(), true), "(sensitive)");
        let nested = Value::object([("key", Value::from("x").into_sensitive())]);
        assert_eq!(shown(&nested, false), "(sensitive)");
        assert_eq!(shown(&"x".repeat(100).as_str().into(), false).chars().count(), 63);
    }

    #[test]
    fn origins_go_and_secrets_stay() {
        let address = Address::parse("a.b").unwrap();
        let value = Value::object([("k", Value::from("x").into_sensitive().with_origin(&address))]);
        let bare = without_origins(&value);
        assert!(bare.deep_origins().is_empty());
        assert!(bare.deep_marks().sensitive);
    }
}
