//! The one type that several values can all become, as collections and conditionals need it: numbers and
//! bools become strings beside a string, tuples lists, objects with other attributes maps.

use model::convert::{ConvertError, convert};
use model::types::Field;
use model::{Data, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type all of `types` convert to, if there is one. `any` (bare null, empty) gives way to the rest.
pub fn unify(types: &[Type]) -> Option<Type> {
    let mut types = types.iter();
    let first = types.next().cloned().unwrap_or(Type::Any);
    types.try_fold(first, |left, right| unify_two(&left, right))
}

fn unify_two(left: &Type, right: &Type) -> Option<Type> {
    use Type::{Any, Bool, List, Map, Number, Object, Set, String, Tuple};
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Any, other) | (other, Any) => Some(other.clone()),
        (String, Number | Bool) | (Number | Bool, String) => Some(String),
        (List(l), List(r)) => unify_two(l, r).map(Type::list),
        (Set(l), Set(r)) => unify_two(l, r).map(Type::set),
        (Map(l), Map(r)) => unify_two(l, r).map(Type::map),
        (List(l), Set(r)) | (Set(l), List(r)) => unify_two(l, r).map(Type::list),
        (Tuple(l), Tuple(r)) if l.len() == r.len() => {
            let both = l.iter().zip(r.iter()).map(|(l, r)| unify_two(l, r));
            both.collect::<Option<Vec<_>>>().map(|types| Tuple(Arc::new(types)))
                .or_else(|| sequence(l.iter().chain(r.iter())))
        }
        (Tuple(l), Tuple(r)) => sequence(l.iter().chain(r.iter())),
        (List(l), Tuple(r)) | (Tuple(r), List(l)) => sequence(r.iter().chain([l.as_ref()])),
        (Set(l), Tuple(r)) | (Tuple(r), Set(l)) => {
            element(r.iter().chain([l.as_ref()])).map(Type::set)
        }
        (Object(l), Object(r)) if l.keys().eq(r.keys()) => {
            same_attributes(l, r).or_else(|| mapping(fields(l).chain(fields(r))))
        }
        (Object(l), Object(r)) => mapping(fields(l).chain(fields(r))),
        (Map(l), Object(r)) | (Object(r), Map(l)) => mapping(fields(r).chain([l.as_ref()])),
        _ => None,
    }
}

fn same_attributes(
    left: &BTreeMap<Arc<str>, Field>,
    right: &BTreeMap<Arc<str>, Field>,
) -> Option<Type> {
    let both = left.iter().zip(right.values());
    let unified = both.map(|((name, l), r)| Some((name.clone(), unify_two(&l.ty, &r.ty)?)));
    unified.collect::<Option<Vec<_>>>().map(Type::object)
}

fn fields(fields: &BTreeMap<Arc<str>, Field>) -> impl Iterator<Item = &Type> {
    fields.values().map(|field| &field.ty)
}

fn element<'a>(types: impl Iterator<Item = &'a Type>) -> Option<Type> {
    unify(&types.cloned().collect::<Vec<_>>())
}

fn sequence<'a>(types: impl Iterator<Item = &'a Type>) -> Option<Type> {
    element(types).map(Type::list)
}

fn mapping<'a>(types: impl Iterator<Item = &'a Type>) -> Option<Type> {
    element(types).map(Type::map)
}

/// Like [`convert`], but `any` within a collection type stands for one type that all elements unify to.
pub fn convert_unifying(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    convert(value, &settle(value, ty)?)
}

/// `ty` with the `any` element type of a collection replaced by what the elements of `value` unify to.
fn settle(value: &Value, ty: &Type) -> Result<Type, ConvertError> {
    let parts = || -> Vec<&Value> {
        let items = value.as_items().unwrap_or_default().iter();
        items.chain(value.as_entries().into_iter().flat_map(BTreeMap::values)).collect()
    };
    let settle_element = |element: &Type| -> Result<Type, ConvertError> {
        if *element != Type::Any {
            let settled = parts().into_iter().map(|part| settle(part, element));
            let types = settled.collect::<Result<Vec<_>, _>>()?;
            return one_type(if types.is_empty() { vec![element.clone()] } else { types });
        }
        let empty_of = match value.data() {
            Data::List(element, items) | Data::Set(element, items) if items.is_empty() => {
                Some(element)
            }
            Data::Map(element, entries) if entries.is_empty() => Some(element),
            _ => None,
        };
        match empty_of {
            Some(element) => Ok(element.clone()),
            None => one_type(parts().into_iter().map(Value::ty).collect()),
        }
    };
    Ok(match ty {
        Type::List(element) => Type::list(settle_element(element)?),
        Type::Set(element) => Type::set(settle_element(element)?),
        Type::Map(element) => Type::map(settle_element(element)?),
        other => other.clone(),
    })
}

fn one_type(types: Vec<Type>) -> Result<Type, ConvertError> {
    unify(&types).ok_or_else(|| ConvertError {
        path: Vec::new(),
        problem: "its elements are of types that no single type stands for".to_owned(),
    })
}
