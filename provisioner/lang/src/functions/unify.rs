//! The one type that several values can all become, as collections and conditionals need it: numbers and
//! bools become strings beside a string, tuples lists, objects with other attributes maps.

use model::convert::{ConvertError, convert};
use model::types::Field;
use model::{Data, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type all of `types` convert to, if there is one. `any` (bare null, empty) gives way to the rest.
pub fn unify(types: &[Type]) -> Option<Type> {
    let types: Vec<&Type> = types.iter().filter(|ty| **ty != Type::Any).collect();
    let Some(first) = types.first() else { return Some(Type::Any) };
    if types.iter().all(|ty| ty == first) {
        return Some((*first).clone());
    }
    match first {
        Type::Any | Type::Bool | Type::Number | Type::String => primitive(&types),
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => sequence(&types),
        Type::Map(_) | Type::Object(_) => mapping(&types),
    }
}

fn primitive(types: &[&Type]) -> Option<Type> {
    let all_primitive =
        types.iter().all(|ty| matches!(ty, Type::Bool | Type::Number | Type::String));
    (all_primitive && types.contains(&&Type::String)).then_some(Type::String)
}

fn sequence(types: &[&Type]) -> Option<Type> {
    let tuples: Vec<&[Type]> = types.iter().filter_map(|ty| members(ty)).collect();
    if tuples.len() == types.len() && tuples.iter().all(|tuple| tuple.len() == tuples[0].len()) {
        let column = |index: usize| {
            unify(&tuples.iter().map(|tuple| tuple[index].clone()).collect::<Vec<_>>())
        };
        if let Some(unified) = (0..tuples[0].len()).map(column).collect::<Option<Vec<_>>>() {
            return Some(Type::Tuple(Arc::new(unified)));
        }
    }
    let mut elements = Vec::new();
    for ty in types {
        match ty {
            Type::List(element) | Type::Set(element) => elements.push(element.as_ref().clone()),
            Type::Tuple(members) => elements.extend(members.iter().cloned()),
            _ => return None,
        }
    }
    let element = unify(&elements)?;
    let has = |wanted: fn(&Type) -> bool| types.iter().any(|ty| wanted(ty));
    let is_set = has(|ty| matches!(ty, Type::Set(_))) && !has(|ty| matches!(ty, Type::List(_)));
    Some(if is_set { Type::set(element) } else { Type::list(element) })
}

fn members(ty: &Type) -> Option<&[Type]> {
    match ty {
        Type::Tuple(members) => Some(members),
        _ => None,
    }
}

fn mapping(types: &[&Type]) -> Option<Type> {
    let objects: Vec<&BTreeMap<Arc<str>, Field>> =
        types.iter().filter_map(|ty| fields(ty)).collect();
    let alike = objects.iter().all(|object| object.keys().eq(objects[0].keys()));
    if objects.len() == types.len() && alike {
        let column = |name: &Arc<str>| {
            let types: Vec<_> = objects.iter().map(|object| object[name].ty.clone()).collect();
            Some((name.clone(), unify(&types)?))
        };
        if let Some(unified) = objects[0].keys().map(column).collect::<Option<Vec<_>>>() {
            return Some(Type::object(unified));
        }
    }
    let mut elements = Vec::new();
    for ty in types {
        match ty {
            Type::Map(element) => elements.push(element.as_ref().clone()),
            Type::Object(fields) => elements.extend(fields.values().map(|field| field.ty.clone())),
            _ => return None,
        }
    }
    unify(&elements).map(Type::map)
}

fn fields(ty: &Type) -> Option<&BTreeMap<Arc<str>, Field>> {
    match ty {
        Type::Object(fields) => Some(fields),
        _ => None,
    }
}

/// Like [`convert`], but `any` within a collection type stands for one type that all elements unify to.
pub fn convert_unifying(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    convert(value, &settle(value, ty)?)
}

/// `ty` with the `any` element type of a collection replaced by what the elements of `value` unify to.
fn settle(value: &Value, ty: &Type) -> Result<Type, ConvertError> {
    Ok(match ty {
        Type::List(element) => Type::list(settle_element(value, element)?),
        Type::Set(element) => Type::set(settle_element(value, element)?),
        Type::Map(element) => Type::map(settle_element(value, element)?),
        other => other.clone(),
    })
}

fn settle_element(value: &Value, element: &Type) -> Result<Type, ConvertError> {
    let types: Vec<Type> = match value.data() {
        Data::List(known, _) | Data::Set(known, _) | Data::Map(known, _)
            if *element == Type::Any && *known != Type::Any =>
        {
            return Ok(known.clone());
        }
        _ if *element == Type::Any => parts(value).map(Value::ty).collect(),
        _ => parts(value).map(|part| settle(part, element)).collect::<Result<_, _>>()?,
    };
    if types.is_empty() {
        return Ok(element.clone());
    }
    unify(&types).ok_or_else(|| ConvertError {
        path: Vec::new(),
        problem: "its elements are of types that no single type stands for".to_owned(),
    })
}

fn parts(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_items().unwrap_or_default().iter();
    items.chain(value.as_entries().into_iter().flat_map(BTreeMap::values))
}
