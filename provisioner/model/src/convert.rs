//! Conversion of a value to a type, by the language's rules: `"1"` is a number where one is wanted, a
//! tuple becomes a list, an object with the right attributes a map, missing optional attributes appear.

use crate::number::Number;
use crate::types::{Field, Type};
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

/// Converts `value` to `ty`, keeping all marks.
pub fn convert(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    let converted = match value.data() {
        Data::Null(_) if *ty == Type::Any => value.clone(),
        Data::Null(_) => Value::null(ty.clone()),
        Data::Unknown(unknown) => unknown_of(value, &unknown.ty, ty)?,
        _ => known(value, ty)?,
    };
    Ok(converted.with_marks(value.marks()))
}

fn unknown_of(value: &Value, from: &Type, ty: &Type) -> Result<Value, ConvertError> {
    let primitive = |t: &Type| matches!(t, Type::Bool | Type::Number | Type::String);
    let collection = |t: &Type| {
        matches!(t, Type::List(_) | Type::Set(_) | Type::Map(_) | Type::Tuple(_) | Type::Object(_))
    };
    if (primitive(from) && collection(ty)) || (collection(from) && primitive(ty)) {
        return Err(mismatch(from, ty));
    }
    match value.data() {
        // The residual is kept: whoever resolves it converts again.
        Data::Unknown(unknown) if *ty != Type::Any => {
            let mut unknown = unknown.clone();
            unknown.ty = ty.clone();
            Ok(Data::Unknown(unknown).into())
        }
        _ => Ok(value.clone()),
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
            Ok(Value::list(element.as_ref().clone(), items(value, element, ty)?))
        }
        Type::Set(element) => Ok(Value::set(element.as_ref().clone(), items(value, element, ty)?)),
        Type::Map(element) => {
            let entries = value.as_entries().ok_or_else(|| mismatch(&value.ty(), ty))?;
            let mut converted = Entries::new();
            for (name, entry) in entries {
                let entry = convert(entry, element).map_err(|e| e.within(name.as_ref()))?;
                converted.insert(name.clone(), entry);
            }
            Ok(Value::map(element.as_ref().clone(), converted))
        }
        Type::Tuple(types) => tuple(value, types, ty),
        Type::Object(fields) => object(value, fields, ty),
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

fn items(value: &Value, element: &Type, ty: &Type) -> Result<Vec<Value>, ConvertError> {
    let items = value.as_items().ok_or_else(|| mismatch(&value.ty(), ty))?;
    let convert_item = |(index, item): (usize, &Value)| {
        convert(item, element).map_err(|error| error.within(index.to_string()))
    };
    items.iter().enumerate().map(convert_item).collect()
}

fn tuple(value: &Value, types: &[Type], ty: &Type) -> Result<Value, ConvertError> {
    let items = value.as_items().ok_or_else(|| mismatch(&value.ty(), ty))?;
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
            (None, None) if field.optional => Value::null(field.ty.clone()),
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
