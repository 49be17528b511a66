//! What is known of a function's result while its arguments are not: its type, its bounds, at times all of it.
//!
//! Invariant: what is told here stays true whatever the arguments turn out to be. A part of an answer that is
//! itself unknown is [`Residual::Opaque`]; the caller replaces it by that part of the call.
//! Refuses to know: the functions' own work, which is called for the parts that are known.

use super::equality::equal;
use crate::functions::{self, FunctionContext};
use model::unify::unify;
use model::{Data, Marks, Number, Refinement, Residual, Type, Value};
use std::sync::Arc;

/// What is known.
pub(super) enum Later {
    /// The answer, parts of which may be unknown.
    Answer(Value),
    /// Nothing but its type and bounds.
    Unknown(Type, Refinement),
}

/// Functions that give what they are given, in another type: what is unknown stays so, and nothing is lost.
const CONVERSIONS: [&str; 6] = ["tobool", "tolist", "tomap", "tonumber", "toset", "tostring"];

/// Functions whose result may be null.
const NULLABLE: [&str; 7] =
    ["element", "jsondecode", "lookup", "one", "yamldecode", "yamlencode", "templatestring"];

/// Whether the function itself can be called with arguments that are not all known.
pub(super) fn takes_unknown(name: &str, values: &[Value]) -> bool {
    let lists = |value: &Value| matches!(value.data(), Data::List(..) | Data::Tuple(_));
    match name {
        "setunion" => !values.iter().any(Value::is_unknown),
        "setproduct" => values.iter().all(|value| lists(value) || value.is_wholly_known()),
        _ => CONVERSIONS.contains(&name),
    }
}

/// A result with what the function's own work does not see to.
pub(super) fn finished(name: &str, values: &[Value], result: Value) -> Value {
    match name {
        // Which of them it is may be told by whether the result is a secret.
        "coalesce" | "coalescelist" => {
            let marks =
                values.iter().fold(Marks::default(), |marks, v| marks.union(&v.deep_marks()));
            result.with_marks(&marks)
        }
        // What is known of an unknown value is not carried over, as in Terraform.
        name if CONVERSIONS.contains(&name) => result.refined(Refinement::default()),
        _ => result,
    }
}

/// What is known of a call with arguments that are not all known. `result` is the type that all its results have.
pub(super) fn call(
    name: &str,
    values: &[Value],
    result: Type,
    context: &FunctionContext<'_>,
) -> Later {
    let answer = match name {
        "alltrue" => known_item(values, false),
        "anytrue" => known_item(values, true),
        "contains" => contains(values),
        "formatlist" => formatlist(values, context),
        "index" => index(values),
        "keys" => keys(values),
        "length" => return length(values),
        "sort" => sorted(values),
        "startswith" => startswith(values),
        _ => None,
    };
    if let Some(answer) = answer {
        return Later::Answer(answer);
    }
    let ty = result_type(name, values).unwrap_or(result);
    let refinement = match name {
        "format" => text_from(format_prefix(values, context)),
        "jsonencode" => text_from(values.first().and_then(json_start)),
        _ if NULLABLE.contains(&name) => Refinement::default(),
        "reverse" => values.first().map_or_else(Refinement::not_null, Refinement::of),
        _ => Refinement::not_null(),
    };
    Later::Unknown(ty, refinement)
}

fn text_from(prefix: Option<String>) -> Refinement {
    Refinement::not_null().with_prefix(&prefix.unwrap_or_default())
}

fn unknown(ty: Type) -> Value {
    Value::unknown(ty, Residual::Opaque)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The truth that decides, if one of the items has it already.
fn known_item(values: &[Value], deciding: bool) -> Option<Value> {
    let items = values.first()?.as_items()?;
    let decides = |item: &Value| {
        let truth = model::convert::convert(item, &Type::Bool).ok();
        truth.and_then(|truth| truth.as_bool()) == Some(deciding)
    };
    items.iter().any(decides).then(|| deciding.into())
}

fn contains(values: &[Value]) -> Option<Value> {
    let (list, wanted) = (values.first()?, values.get(1)?);
    let found = list.as_items()?.iter().map(|item| equal(item, wanted)).collect::<Vec<_>>();
    if found.contains(&Some(true)) {
        return Some(true.into());
    }
    (!found.contains(&None)).then(|| false.into())
}

/// The place of the first equal item, unless one before it may turn out to be equal.
fn index(values: &[Value]) -> Option<Value> {
    let (list, wanted) = (values.first()?, values.get(1)?);
    for (at, item) in list.as_items()?.iter().enumerate() {
        match equal(item, wanted) {
            Some(true) => return Some(count(at).into()),
            Some(false) => {}
            None => return None,
        }
    }
    None
}

fn keys(values: &[Value]) -> Option<Value> {
    let Data::Unknown(unknown) = values.first()?.data() else { return None };
    let Type::Object(fields) = &unknown.ty else { return None };
    Some(Value::tuple(fields.keys().map(|name| Value::from(Data::String(name.clone())))))
}

fn length(values: &[Value]) -> Later {
    let bounds = |value: &Value| {
        let known = Refinement::of(value);
        let number = |length: u64| Number::from(i64::try_from(length).unwrap_or(i64::MAX));
        let most = known.max_length.map(number);
        Refinement::not_null().between(Some(number(known.min_length)), most)
    };
    let range = match values {
        [value] => match value.data() {
            Data::Unknown(unknown) => match &unknown.ty {
                Type::Tuple(types) => return Later::Answer(count(types.len()).into()),
                Type::Object(fields) => return Later::Answer(count(fields.len()).into()),
                ty if ty.is_collection() => bounds(value),
                _ => Refinement::not_null(),
            },
            // One element is one, whatever it turns out to be.
            Data::Set(_, items) if items.len() == 1 => return Later::Answer(1.into()),
            _ => bounds(value),
        },
        _ => Refinement::not_null(),
    };
    Later::Unknown(Type::Number, range)
}

/// As many texts as there are, in an order that is not known.
fn sorted(values: &[Value]) -> Option<Value> {
    let (Data::List(..) | Data::Tuple(_)) = values.first()?.data() else { return None };
    let items = values.first()?.as_items()?;
    Some(Value::list(Type::String, items.iter().map(|_| unknown(Type::String))))
}

fn startswith(values: &[Value]) -> Option<Value> {
    let Data::Unknown(unknown) = values.first()?.data() else { return None };
    let known = unknown.refinement.prefix.as_deref()?;
    let wanted = values.get(1)?.as_str()?;
    if known.starts_with(wanted) {
        return Some(true.into());
    }
    (!wanted.starts_with(known)).then(|| false.into())
}

/// The texts whose pieces are all known, among others that are not.
fn formatlist(values: &[Value], context: &FunctionContext<'_>) -> Option<Value> {
    let format = functions::get("format")?;
    let lengths: Vec<_> =
        values.iter().filter_map(|value| value.as_items().map(<[_]>::len)).collect();
    let length = *lengths.first()?;
    if lengths.iter().any(|other| *other != length) || values.iter().any(Value::is_unknown) {
        return None;
    }
    let row = |at: usize| {
        let pieces = values
            .iter()
            .map(|value| value.as_items().and_then(|items| items.get(at)).unwrap_or(value).clone());
        let pieces: Vec<_> = pieces.collect();
        if !pieces.iter().all(Value::is_wholly_known) {
            return Some(unknown(Type::String));
        }
        format.call(&pieces, context).ok()
    };
    Some(Value::list(Type::String, (0..length).map(row).collect::<Option<Vec<_>>>()?))
}

/// What is written before the first verb whose argument is not known.
fn format_prefix(values: &[Value], context: &FunctionContext<'_>) -> Option<String> {
    let text = values.first()?.as_str()?;
    let mut arguments = 1;
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let verb = &rest[at + 1..];
        let end = verb.find(|c: char| c.is_ascii_alphabetic() || c == '%')? + 1;
        let specification = &verb[..end];
        if specification.contains(['*', '[']) {
            return None;
        }
        if !specification.ends_with('%') {
            if !values.get(arguments)?.is_wholly_known() {
                break;
            }
            arguments += 1;
        }
        rest = &verb[end..];
        if !rest.contains('%') {
            return None;
        }
    }
    let known = &text[..text.len() - rest.len() + rest.find('%')?];
    let pieces: Vec<_> = [Value::string(known)]
        .into_iter()
        .chain(values.get(1..arguments)?.iter().cloned())
        .collect();
    let written = functions::get("format")?.call(&pieces, context).ok()?;
    written.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// What the JSON of a value starts with.
fn json_start(value: &Value) -> Option<String> {
    if value.is_unknown() && !Refinement::of(value).not_null {
        return None;
    }
    let start = match value.ty() {
        Type::String => "\"",
        Type::Object(_) | Type::Map(_) => "{",
        Type::Tuple(_) | Type::List(_) | Type::Set(_) => "[",
        Type::Any | Type::Bool | Type::Number => return None,
    };
    Some(start.to_owned())
}

/// The type of a result that depends on those of the arguments.
fn result_type(name: &str, values: &[Value]) -> Option<Type> {
    let types: Vec<_> = values.iter().map(Value::ty).collect();
    let first = types.first()?;
    match name {
        "chunklist" => Some(Type::list(list_of(first)?)),
        "coalesce" | "coalescelist" => unify(&types),
        "compact" | "sort" => Some(Type::list(Type::String)),
        "concat" => concatenated(&types),
        "distinct" => Some(list_of(first)?),
        "element" => match first {
            Type::List(element) | Type::Set(element) => Some(element.as_ref().clone()),
            Type::Tuple(items) => {
                let at = usize::try_from(values.get(1)?.as_number()?.as_u64()?).ok()?;
                items.get(at.checked_rem(items.len())?).cloned()
            }
            _ => None,
        },
        "lookup" => match first {
            Type::Map(element) => Some(element.as_ref().clone()),
            Type::Object(fields) => Some(fields.get(values.get(1)?.as_str()?)?.ty.clone()),
            _ => None,
        },
        "merge" => merged(&types),
        "one" => match first {
            Type::List(element) | Type::Set(element) => Some(element.as_ref().clone()),
            Type::Tuple(items) => items.first().cloned(),
            _ => None,
        },
        "reverse" => match first {
            Type::Tuple(items) => {
                Some(Type::Tuple(Arc::new(items.iter().rev().cloned().collect())))
            }
            _ => list_of(first),
        },
        "slice" => matches!(first, Type::List(_)).then(|| first.clone()),
        "setintersection" | "setsubtract" | "setunion" => {
            let elements = types.iter().map(element_of).collect::<Option<Vec<_>>>()?;
            unify(&elements).map(Type::set)
        }
        "values" => match first {
            Type::Map(element) => Some(Type::list(element.clone())),
            Type::Object(fields) => {
                let types = fields.values().map(|field| field.ty.clone());
                Some(Type::Tuple(Arc::new(types.collect())))
            }
            _ => None,
        },
        _ => None,
    }
}

fn element_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::List(element) | Type::Set(element) => Some(element.as_ref().clone()),
        Type::Tuple(items) => unify(items),
        _ => None,
    }
}

fn list_of(ty: &Type) -> Option<Type> {
    element_of(ty).map(Type::list)
}

fn concatenated(types: &[Type]) -> Option<Type> {
    let tuples: Option<Vec<_>> = types
        .iter()
        .map(|ty| match ty {
            Type::Tuple(items) => Some(items.as_slice()),
            _ => None,
        })
        .collect();
    if let Some(tuples) = tuples {
        return Some(Type::Tuple(Arc::new(tuples.concat())));
    }
    let lists = types.iter().all(|ty| matches!(ty, Type::List(_)));
    if lists { unify(types) } else { None }
}

fn merged(types: &[Type]) -> Option<Type> {
    if types.iter().all(|ty| matches!(ty, Type::Map(_))) {
        let same = types.windows(2).all(|pair| pair[0] == pair[1]);
        return if same { types.first().cloned() } else { None };
    }
    let mut all = std::collections::BTreeMap::new();
    for ty in types {
        let Type::Object(fields) = ty else { return None };
        all.extend(fields.iter().map(|(name, field)| (name.clone(), field.clone())));
    }
    Some(Type::Object(Arc::new(all)))
}
