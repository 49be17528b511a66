//! Bringing values to the types of a schema: arguments before a call, attributes after it, recorded ones before
//! a provider sees them (JSON on disk has no lists or sets, the schema gives them back).
//!
//! Invariants: a secret stays one, whether the schema or the argument said so; origins never reach a
//! record.

use model::convert::convert;
use model::schema::{DataSchema, Mode, ProviderSchema, ResourceSchema};
use model::value::Entries;
use model::{Address, Data, Type, Value};
use std::sync::Arc;

/// The schema of an instance's resource type.
pub(crate) fn resource<'a>(
    schema: &'a ProviderSchema,
    address: &Address,
) -> Result<&'a ResourceSchema, String> {
    schema.resources.get(address.kind()).ok_or_else(|| {
        format!("the provider `{}` has no resource type `{}`", schema.name, address.kind())
    })
}

/// Arguments of a call: every argument of the schema, converted, wholly known, without origins.
pub(crate) fn arguments(schema: &ResourceSchema, given: &Value) -> Result<Value, String> {
    let mut entries = Entries::new();
    for (name, attribute) in &schema.attributes {
        if attribute.mode == Mode::Computed {
            continue;
        }
        let value = part(given, name, &attribute.ty);
        let value =
            if value.is_null() { attribute.default.clone().unwrap_or(value) } else { value };
        let value = typed(name, &value, &attribute.ty)?;
        if !value.is_wholly_known() {
            return Err(format!("the argument `{name}` is still not known"));
        }
        if value.is_null() && attribute.mode == Mode::Required {
            return Err(format!("the argument `{name}` is required, but its value is null"));
        }
        entries.insert(name.as_str().into(), secret_if(value, attribute.sensitive));
    }
    Ok(without_origins(&object(entries)))
}

/// Attributes as they are recorded: every one of the schema, with the secrets of the arguments marked.
pub(crate) fn attributes(
    schema: &ResourceSchema,
    given: &Value,
    arguments: &Value,
) -> Result<Value, String> {
    let mut entries = Entries::new();
    for (name, attribute) in &schema.attributes {
        let value = typed(name, &part(given, name, &attribute.ty), &attribute.ty)?;
        if !value.is_wholly_known() {
            return Err(format!("the provider left the attribute `{name}` unknown"));
        }
        let argument = arguments.get(name);
        let value = match argument {
            // The argument knows which of its parts are secret.
            Some(argument) if argument.same_content(&value) => argument,
            Some(argument) => secret_if(value, argument.deep_marks().sensitive),
            None => value,
        };
        entries.insert(name.as_str().into(), secret_if(value, attribute.sensitive));
    }
    Ok(without_origins(&object(entries)))
}

/// What was read of a data source: every attribute of the schema, wholly known, secrets marked.
pub(crate) fn found(schema: &DataSchema, given: &Value) -> Result<Value, String> {
    let mut entries = Entries::new();
    for (name, attribute) in &schema.attributes {
        let value = typed(name, &part(given, name, &attribute.ty), &attribute.ty)?;
        if !value.is_wholly_known() {
            return Err(format!("the provider left the attribute `{name}` unknown"));
        }
        entries.insert(name.as_str().into(), secret_if(value, attribute.sensitive));
    }
    Ok(without_origins(&object(entries)))
}

/// Recorded attributes with the schema's types; as they are if they do not fit (an older schema wrote them).
pub(crate) fn recorded(schema: &ResourceSchema, recorded: &Value) -> Value {
    let Some(old) = recorded.as_entries() else {
        return recorded.clone();
    };
    let typed = old.iter().map(|(name, value)| {
        let attribute = schema.attributes.get(name.as_ref());
        let value = attribute
            .and_then(|attribute| convert(value, &attribute.ty).ok())
            .unwrap_or_else(|| value.clone());
        (name.clone(), value)
    });
    Value::object(typed).with_marks(recorded.marks())
}

fn part(given: &Value, name: &str, ty: &Type) -> Value {
    given.get(name).unwrap_or_else(|| Value::null(ty.clone()))
}

fn typed(name: &str, value: &Value, ty: &Type) -> Result<Value, String> {
    convert(value, ty).map_err(|error| format!("`{name}`: {error}"))
}

fn secret_if(value: Value, secret: bool) -> Value {
    if secret { value.into_sensitive() } else { value }
}

fn object(entries: Entries) -> Value {
    Data::Object(Arc::new(entries)).into()
}

/// The same value with no mark but sensitivity.
fn without_origins(value: &Value) -> Value {
    let all = |items: &[Value]| Arc::new(items.iter().map(without_origins).collect::<Vec<_>>());
    let each = |entries: &Entries| {
        let strip = |(name, value): (&Arc<str>, &Value)| (name.clone(), without_origins(value));
        Arc::new(entries.iter().map(strip).collect::<Entries>())
    };
    let bare: Value = match value.data() {
        Data::List(ty, items) => Data::List(ty.clone(), all(items)).into(),
        Data::Set(ty, items) => Data::Set(ty.clone(), all(items)).into(),
        Data::Tuple(items) => Data::Tuple(all(items)).into(),
        Data::Map(ty, entries) => Data::Map(ty.clone(), each(entries)).into(),
        Data::Object(entries) => Data::Object(each(entries)).into(),
        data => data.clone().into(),
    };
    secret_if(bare, value.marks().sensitive)
}
