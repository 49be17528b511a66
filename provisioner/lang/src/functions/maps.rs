//! Functions on maps and objects. All but `transpose` only move entries, which keep their marks and may be
//! unknown.

use super::arguments::{items, text};
use super::lists::sequence;
use super::{FunctionContext, FunctionError};
use model::convert::{article, convert};
use model::value::Entries;
use model::{Data, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

type Answer = Result<Value, FunctionError>;

fn entries(args: &[Value], index: usize) -> Result<&Entries, FunctionError> {
    let value = &args[index];
    value.as_entries().ok_or_else(|| {
        let found = article(&value.ty());
        FunctionError::argument(index, format!("a map or object is required, but this is {found}"))
    })
}

fn element(value: &Value) -> Option<Type> {
    match value.data() {
        Data::Map(element, _) => Some(element.as_ref().clone()),
        _ => None,
    }
}

pub(super) fn keys(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let keys = entries(args, 0)?.keys().map(|key| Value::from(key.as_ref()));
    Ok(match args[0].data() {
        Data::Map(..) => Value::list(Type::String, keys),
        _ => Value::tuple(keys),
    })
}

pub(super) fn values(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let values = entries(args, 0)?.values().cloned();
    Ok(match element(&args[0]) {
        Some(element) => Value::list(element, values),
        None => Value::tuple(values),
    })
}

pub(super) fn lookup(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    if args.len() > 3 {
        return Err(FunctionError::argument(3, "`lookup` takes a map, a key and one default"));
    }
    let (entries, key) = (entries(args, 0)?, text(args, 1)?);
    let found = match (entries.get(key), args.get(2), element(&args[0])) {
        (Some(found), _, _) => found.clone(),
        (None, Some(default), Some(element)) if element != Type::Any => convert(default, &element)
            .map_err(|error| FunctionError::argument(2, error.to_string()))?,
        (None, Some(default), _) => default.clone(),
        (None, None, _) => {
            let problem = "the map has no such key, and no default is given";
            return Err(FunctionError::argument(1, problem));
        }
    };
    Ok(found.with_marks(args[0].marks()).with_marks(args[1].marks()))
}

pub(super) fn merge(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut merged: Vec<(Arc<str>, Value)> = Vec::new();
    let mut types = Vec::new();
    for (index, value) in args.iter().enumerate().filter(|(_, value)| !value.is_null()) {
        let more = entries(args, index)?.iter();
        merged.extend(more.map(|(name, value)| (name.clone(), value.clone())));
        types.push(element(value));
    }
    let first = types.first().cloned().flatten();
    Ok(match first {
        Some(element) if types.iter().all(|ty| ty.as_ref() == Some(&element)) => {
            Value::map(element, merged)
        }
        _ => Value::object(merged),
    })
}

pub(super) fn zipmap(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (keys, values) = (items(args, 0)?, sequence(args, 1, false)?);
    if keys.len() != values.len() {
        let problem = format!("there are {} values for {} keys", values.len(), keys.len());
        return Err(FunctionError::argument(1, problem));
    }
    let mut zipped: Vec<(Arc<str>, Value)> = Vec::with_capacity(keys.len());
    for (position, (key, value)) in keys.iter().zip(values).enumerate() {
        let key = key.as_str().ok_or_else(|| {
            FunctionError::argument(0, format!("element {position} is null; it cannot be a key"))
        })?;
        zipped.push((key.into(), value.clone()));
    }
    let zipped = match args[1].data() {
        Data::List(element, _) => Value::map(element.clone(), zipped),
        _ => Value::object(zipped),
    };
    // A name cannot carry marks: those of the keys go to the whole.
    Ok(zipped.with_marks(&args[0].deep_marks()))
}

pub(super) fn transpose(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut turned: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, list) in entries(args, 0)? {
        let broken = |what: &str| FunctionError::argument(0, format!("{what} at `{name}`"));
        for item in list.as_items().ok_or_else(|| broken("there is null in place of a list"))? {
            let item = item.as_str().ok_or_else(|| broken("there is null in the list"))?;
            turned.entry(item.to_owned()).or_default().push(name.as_ref().into());
        }
    }
    let lists = turned.into_iter().map(|(name, list)| (name, Value::list(Type::String, list)));
    Ok(Value::map(Type::list(Type::String), lists))
}
