//! Nested blocks whose fields do not all mean the same: some can be changed in place, some cannot.

use crate::compare::{Comparison, compare};
use model::{Data, Value};

/// Whether one of these fields becomes another, or blocks of a set come or go. What is not known yet is taken for the
/// same, and so is what the configuration leaves out.
pub(crate) fn force_replacement(fields: &[String], wanted: &Value, stands: &Value) -> bool {
    let all = wanted.as_items().unwrap_or_default();
    let others = stands.as_items().unwrap_or_default();
    let is_set = matches!((wanted.data(), stands.data()), (Data::Set(..), _) | (_, Data::Set(..)));
    if is_set && !wanted.is_unknown() && all.len() != others.len() {
        return true;
    }
    let key = fields.first().filter(|_| is_set);
    all.iter().enumerate().any(|(place, block)| {
        let other = match key {
            Some(key) => others.iter().find(|other| !differs(key, block, Some(other))),
            None => others.get(place),
        };
        fields.iter().any(|field| differs(field, block, other))
    })
}

fn differs(field: &str, block: &Value, other: Option<&Value>) -> bool {
    let Some(wanted) = block.get(field).filter(|value| !value.is_null()) else { return false };
    let stands = other.and_then(|other| other.get(field));
    stands.is_none_or(|stands| compare(&wanted, &stands) == Comparison::Differs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Type;

    fn disk(name: &str, size: i64, encrypted: Option<bool>) -> Value {
        let encrypted = encrypted.map_or_else(|| Value::null(Type::Bool), Value::from);
        Value::object([
            ("name", Value::from(name)),
            ("size", size.into()),
            ("encrypted", encrypted),
        ])
    }

    fn set(disks: impl IntoIterator<Item = Value>) -> Value {
        let fields = [("name", Type::String), ("size", Type::Number), ("encrypted", Type::Bool)];
        Value::set(Type::object(fields), disks)
    }

    #[test]
    fn some_fields_force_and_others_do_not() {
        let fields = ["name".to_owned(), "encrypted".to_owned()];
        let forces = |wanted: &Value, stands: &Value| force_replacement(&fields, wanted, stands);
        let stands = set([disk("a", 1, Some(true)), disk("b", 1, Some(false))]);
        let larger = set([disk("a", 9, Some(true)), disk("b", 2, None)]);
        assert!(!forces(&larger, &stands));
        assert!(forces(&set([disk("a", 1, Some(false)), disk("b", 1, None)]), &stands));
        assert!(forces(&set([disk("a", 1, None)]), &stands));
        assert!(forces(&set([disk("a", 1, None), disk("c", 1, None)]), &stands));
        let one = |disk| Value::tuple([disk]);
        assert!(!forces(&one(disk("a", 2, None)), &one(disk("a", 1, Some(true)))));
        assert!(forces(&one(disk("a", 1, Some(false))), &one(disk("a", 1, Some(true)))));
        assert!(!forces(&Value::tuple([]), &one(disk("a", 1, Some(true)))));
    }
}
