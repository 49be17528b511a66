//! Conversion of a value to a type, by the language's rules: `"1"` is a number where one is wanted, a
//! tuple becomes a list, an object with the right attributes a map, missing optional attributes appear.

use crate::number::Number;
use crate::types::{Field, Type};
use crate::unify::{convertible, unify, with_any_from};
use crate::unknown::{Refinement, Residual, Unknown};
use crate::value::{Data, Entries, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a value cannot become the type that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", self.prefix())]
pub struct ConvertError {
    /// From the value to the part that does not fit: attribute names and indexes.
    pub path: Vec<String>,
    /// What does not fit.
    pub problem: String,
}

impl ConvertError {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: Vec::new(), problem: problem.into() }
    }

    fn within(mut self, step: impl Into<String>) -> Self {
        self.path.insert(0, step.into());
        self
    }

    fn prefix(&self) -> String {
        if self.path.is_empty() {
            return String::new();
        }
        format!("at `{}`: ", self.path.join("."))
    }
}

/// Converts `value` to `ty`, keeping all marks. `any` within a collection type stands for the one type that
/// all elements unify to.
pub fn convert(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    if is_of(value, ty) {
        return Ok(value.clone());
    }
    let converted = match value.data() {
        Data::Null(from) => Value::null(fitting(from, ty)?),
        Data::Unknown(unknown) => later(value, unknown, ty)?,
        _ => known(value, ty)?,
    };
    Ok(converted.with_marks(value.marks()))
}

/// Whether a known value is of this very type already, which is so for most of them. That an element may have to
/// change is not looked for where the type of the collection says that it has not.
fn is_of(value: &Value, ty: &Type) -> bool {
    match (value.data(), ty) {
        (Data::Bool(_), Type::Bool)
        | (Data::Number(_), Type::Number)
        | (Data::String(_), Type::String) => true,
        (Data::List(element, _), Type::List(wanted))
        | (Data::Set(element, _), Type::Set(wanted))
        | (Data::Map(element, _), Type::Map(wanted)) => element == wanted && !element.has_any(),
        (Data::Tuple(items), Type::Tuple(types)) => {
            items.len() == types.len() && items.iter().zip(types.iter()).all(|(i, t)| is_of(i, t))
        }
        (Data::Object(entries), Type::Object(fields)) => {
            entries.len() == fields.len()
                && entries.iter().zip(fields.iter()).all(|((name, value), (wanted, field))| {
                    name == wanted && is_of(value, &field.ty)
                })
        }
        _ => false,
    }
}

/// The type that null or something unknown of type `from` has as `ty`.
fn fitting(from: &Type, ty: &Type) -> Result<Type, ConvertError> {
    if !convertible(from, ty) {
        return Err(mismatch(from, ty));
    }
    let ty = if ty.has_any() { with_any_from(from, ty) } else { ty.clone() };
    Ok(ty.without_optional())
}

fn later(value: &Value, unknown: &Unknown, ty: &Type) -> Result<Value, ConvertError> {
    let to = fitting(&unknown.ty, ty)?;
    if to == unknown.ty {
        return Ok(value.clone());
    }
    let refinement = kept(unknown, &to);
    // The residual is kept: whoever resolves it converts again.
    let refined = Unknown { ty: to, refinement: Refinement::default(), ..unknown.clone() };
    Ok(Value::from(Data::Unknown(Arc::new(refined))).refined(refinement))
}

/// What a refinement still says after a conversion.
fn kept(unknown: &Unknown, to: &Type) -> Refinement {
    let given = &unknown.refinement;
    let base = Refinement { not_null: given.not_null, ..Refinement::default() };
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match (&unknown.ty, to) {
        (Type::Object(fields), Type::Map(_)) => {
            base.with_length(count(fields.len()), Some(count(fields.len())))
        }
        (Type::Tuple(types), Type::List(_)) => {
            base.with_length(count(types.len()), Some(count(types.len())))
        }
        // Elements may turn out to be equal.
        (Type::Tuple(types), Type::Set(_)) => {
            base.with_length(count(types.len()).min(1), Some(count(types.len())))
        }
        (Type::List(_), Type::Set(_)) => {
            base.with_length(given.min_length.min(1), given.max_length)
        }
        (from, to) if from.is_collection() && to.is_collection() => {
            base.with_length(given.min_length, given.max_length)
        }
        _ => base,
    }
}

fn mismatch(found: &Type, wanted: &Type) -> ConvertError {
    ConvertError::new(format!("{} is required, but this is {}", article(wanted), article(found)))
}

/// `a string`, `an object`, `a list of number`: the type in words.
pub fn article(ty: &Type) -> String {
    match ty {
        Type::Any => "any value".to_owned(),
        Type::Bool => "a bool".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::String => "a string".to_owned(),
        Type::List(element) => format!("a list of {element}"),
        Type::Set(element) => format!("a set of {element}"),
        Type::Map(element) => format!("a map of {element}"),
        Type::Tuple(items) => format!("a tuple of {} elements", items.len()),
        Type::Object(_) => "an object".to_owned(),
    }
}

fn known(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    match ty {
        Type::Any => Ok(value.clone()),
        Type::Bool | Type::Number | Type::String => primitive(value, ty),
        Type::List(element) => {
            let items = value.as_items().ok_or_else(|| mismatch(&value.ty(), ty))?;
            if matches!(value.data(), Data::Set(..)) && !value.is_wholly_known() {
                return Ok(list_of_open_set(value, element));
            }
            let (element, items) = elements(value, items.iter(), &index_of, element)?;
            Ok(Value::list(element, items))
        }
        Type::Set(element) => {
            let items = value.as_items().ok_or_else(|| mismatch(&value.ty(), ty))?;
            let (element, items) = elements(value, items.iter(), &index_of, element)?;
            Ok(Value::set(element, items))
        }
        Type::Map(element) => {
            let entries = value.as_entries().ok_or_else(|| mismatch(&value.ty(), ty))?;
            let names: Vec<_> = entries.keys().cloned().collect();
            let name = |at: usize| names.get(at).map_or_else(String::new, ToString::to_string);
            let (element, items) = elements(value, entries.values(), &name, element)?;
            Ok(Value::map(element, names.iter().cloned().zip(items)))
        }
        Type::Tuple(types) => tuple(value, types, ty),
        Type::Object(fields) => object(value, fields, ty),
    }
}

fn index_of(at: usize) -> String {
    at.to_string()
}

/// How many elements the list will have is not known: those of the set may turn out to be equal.
fn list_of_open_set(value: &Value, element: &Type) -> Value {
    let ty = Type::list(with_any_from(&element_type(value), element).without_optional());
    Value::unknown(ty, Residual::whole(value)).refined(Refinement::of(value))
}

/// Elements brought to one type, and that type.
fn elements<'v>(
    whole: &Value,
    items: impl ExactSizeIterator<Item = &'v Value> + Clone,
    name: &dyn Fn(usize) -> String,
    element: &Type,
) -> Result<(Type, Vec<Value>), ConvertError> {
    if items.len() == 0 {
        let ty =
            if *element == Type::Any { element_type(whole) } else { element.without_optional() };
        return Ok((ty, Vec::new()));
    }
    if *element == Type::Any
        && let Some(one) = one_primitive(items.clone())
    {
        return Ok((one, items.cloned().collect()));
    }
    let target = match element {
        Type::Any => common(items.clone()).or_else(|error| {
            // Beside the values of one type, null is one of them; in a list it is not, as in Terraform.
            let entries = matches!(whole.data(), Data::Map(..) | Data::Object(_));
            let one = items.clone().find(|item| !item.is_null()).map(Value::ty);
            one.filter(|one| entries && items.clone().all(|i| i.is_null() || i.ty() == *one))
                .ok_or(error)
        })?,
        given => given.clone(),
    };
    let convert_item = |(at, item): (usize, &Value)| {
        convert(item, &target).map_err(|error| error.within(name(at)))
    };
    let converted = items.enumerate().map(convert_item).collect::<Result<Vec<_>, _>>()?;
    if !target.has_any() {
        return Ok((target.without_optional(), converted));
    }
    // What stands for `any` may have become another type in each of them.
    let one = common(converted.iter())?;
    if one.has_any() && converted.iter().any(|item| item.ty() != one) {
        return Err(no_common_type());
    }
    let same = converted.iter().map(|item| convert(item, &one)).collect::<Result<Vec<_>, _>>()?;
    Ok((one, same))
}

/// The type of known elements that are all of one primitive type, so that there is nothing to convert.
fn one_primitive<'v>(mut items: impl Iterator<Item = &'v Value>) -> Option<Type> {
    let primitive = |item: &Value| match item.data() {
        Data::Bool(_) => Some(Type::Bool),
        Data::Number(_) => Some(Type::Number),
        Data::String(_) => Some(Type::String),
        _ => None,
    };
    let first = primitive(items.next()?)?;
    items.all(|item| primitive(item).as_ref() == Some(&first)).then_some(first)
}

fn common<'v>(items: impl Iterator<Item = &'v Value>) -> Result<Type, ConvertError> {
    let types: Vec<_> = items.map(Value::ty).collect();
    match unify(&types) {
        Some(Type::Any) if types.iter().any(|ty| *ty != Type::Any) => Err(no_common_type()),
        Some(ty) => Ok(ty),
        None => Err(no_common_type()),
    }
}

fn no_common_type() -> ConvertError {
    ConvertError::new("its elements are of types that no single type stands for")
}

/// The element type of an empty collection.
fn element_type(value: &Value) -> Type {
    match value.data() {
        Data::List(element, _) | Data::Set(element, _) | Data::Map(element, _) => {
            element.as_ref().clone()
        }
        _ => Type::Any,
    }
}

fn primitive(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    let converted = match (value.data(), ty) {
        (Data::Bool(_), Type::Bool)
        | (Data::Number(_), Type::Number)
        | (Data::String(_), Type::String) => Some(Value::from(value.data().clone())),
        (Data::Bool(truth), Type::String) => Some(if *truth { "true" } else { "false" }.into()),
        (Data::Number(number), Type::String) => Some(number.to_string().into()),
        (Data::String(text), Type::Bool) => match text.as_ref() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            other if matches!(other.to_lowercase().as_str(), "true" | "false") => {
                return Err(ConvertError::new(
                    "a bool is required: true or false, in small letters",
                ));
            }
            _ => return Err(ConvertError::new("a bool is required: true or false")),
        },
        (Data::String(text), Type::Number) => Some(
            Number::parse(text)
                .ok_or_else(|| ConvertError::new("a number is required, but this text is not one"))?
                .into(),
        ),
        _ => None,
    };
    converted.ok_or_else(|| mismatch(&value.ty(), ty))
}

fn tuple(value: &Value, types: &[Type], ty: &Type) -> Result<Value, ConvertError> {
    let Data::Tuple(items) = value.data() else { return Err(mismatch(&value.ty(), ty)) };
    if items.len() != types.len() {
        return Err(ConvertError::new(format!(
            "a tuple of {} elements is required, but this has {}",
            types.len(),
            items.len()
        )));
    }
    let pairs = items.iter().zip(types).enumerate();
    let converted = pairs.map(|(index, (item, ty))| {
        convert(item, ty).map_err(|error| error.within(index.to_string()))
    });
    Ok(Value::tuple(converted.collect::<Result<Vec<_>, _>>()?))
}

fn object(
    value: &Value,
    fields: &BTreeMap<Arc<str>, Field>,
    ty: &Type,
) -> Result<Value, ConvertError> {
    let entries = value.as_entries().ok_or_else(|| mismatch(&value.ty(), ty))?;
    let mut converted = Entries::new();
    for (name, field) in fields {
        let given = entries.get(name).filter(|given| !(given.is_null() && field.default.is_some()));
        let part = match (given, &field.default) {
            (Some(given), _) => convert(given, &field.ty).map_err(|e| e.within(name.as_ref()))?,
            (None, Some(default)) => convert(default, &field.ty)?,
            (None, None) if field.optional => Value::null(field.ty.without_optional()),
            (None, None) => {
                return Err(ConvertError::new(format!("the attribute `{name}` is missing")));
            }
        };
        converted.insert(name.clone(), part);
    }
    Ok(Data::Object(Arc::new(converted)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitives_convert_both_ways() {
        assert_eq!(convert(&"12".into(), &Type::Number).unwrap(), 12.into());
        assert_eq!(convert(&true.into(), &Type::String).unwrap(), "true".into());
        assert!(convert(&"x".into(), &Type::Number).is_err());
        assert!(convert(&1.into(), &Type::Bool).is_err());
    }

    #[test]
    fn objects_gain_optional_attributes_and_name_what_is_missing() {
        let ty = Type::optional_object([("a", Type::String), ("b", Type::Number)]);
        let value = convert(&Value::object([("a", 1.into())]), &ty).unwrap();
        assert_eq!(value.get("a").unwrap(), "1".into());
        assert!(value.get("b").unwrap().is_null());
        let strict = Type::list(Type::object([("name", Type::String)]));
        let error = convert(&Value::tuple([Value::object::<&str>([])]), &strict).unwrap_err();
        assert_eq!(error.to_string(), "at `0`: the attribute `name` is missing");
    }

    #[test]
    fn sensitive_marks_survive() {
        let secret = Value::from("1").into_sensitive();
        assert!(convert(&secret, &Type::Number).unwrap().marks().sensitive);
    }
}
