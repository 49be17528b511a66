//! What stands: the attributes of recorded objects in the schema's types, and how they drifted.
//!
//! *Standing* attributes are the observed ones where refresh saw the object, else the recorded ones.

use crate::compare::{same, shown, typed};
use model::Value;
use model::plan::{Drift, DriftKind, Observation};
use model::record::Record;
use model::schema::{Attribute, ResourceSchema};
use model::value::Entries;

/// The recorded attributes, all of the schema's and no others.
pub(crate) fn recorded(schema: &ResourceSchema, record: &Record) -> Entries {
    let value = |(name, attribute): (&String, &Attribute)| {
        (name.as_str().into(), one(attribute, record.attributes.get(name)))
    };
    schema.attributes.iter().map(value).collect()
}

/// The attributes as they stand.
pub(crate) fn standing(
    schema: &ResourceSchema,
    record: &Record,
    observation: Option<&Observation>,
) -> Entries {
    let Some(Observation::Present(actual)) = observation else { return recorded(schema, record) };
    let value = |(name, attribute): (&String, &Attribute)| {
        let value = actual.get(name).or_else(|| record.attributes.get(name));
        (name.as_str().into(), one(attribute, value))
    };
    schema.attributes.iter().map(value).collect()
}

/// An attribute that is not recorded is one that the schema did not have then: as if left out.
fn one(attribute: &Attribute, value: Option<Value>) -> Value {
    let value = value.or_else(|| attribute.default.clone());
    let value = value
        .map_or_else(|| Value::null(attribute.ty.clone()), |value| typed(&value, &attribute.ty));
    marked(attribute, value)
}

/// With the sensitive mark if the schema says so; that there is none is no secret.
pub(crate) fn marked(attribute: &Attribute, value: Value) -> Value {
    if attribute.sensitive && !value.is_null() { value.into_sensitive() } else { value }
}

/// Whether a computed attribute has another value than a well object has.
pub(crate) fn is_unwell(attribute: &Attribute, value: &Value) -> bool {
    attribute
        .expected
        .as_ref()
        .is_some_and(|expected| !same(&typed(expected, &attribute.ty), value))
}

/// `status is "stopped", expected "running"`; `size is 5, was 4`.
pub(crate) fn difference(
    name: &str,
    attribute: &Attribute,
    actual: &Value,
    recorded: &Value,
) -> String {
    let text = |value: &Value| shown(value, attribute.sensitive);
    match &attribute.expected {
        Some(expected) if is_unwell(attribute, actual) => {
            format!("{name} is {}, expected {}", text(actual), text(expected))
        }
        _ if attribute.sensitive || actual.deep_marks().sensitive => {
            format!("{name} differs (sensitive)")
        }
        _ => format!("{name} is {}, was {}", text(actual), text(recorded)),
    }
}

/// How an object differs from its record, if it does.
pub(crate) fn drift(
    schema: Option<&ResourceSchema>,
    record: &Record,
    observation: Option<&Observation>,
) -> Option<Drift> {
    let (kind, differences) = match observation? {
        Observation::Absent(detail) => (DriftKind::Gone, vec![detail.clone()]),
        Observation::Unreachable(detail) => (DriftKind::Unreachable, vec![detail.clone()]),
        present @ Observation::Present(_) => {
            let differences = differences(schema?, record, present);
            (DriftKind::Different, differences)
        }
    };
    let differs = kind != DriftKind::Different || !differences.is_empty();
    differs.then(|| Drift { address: record.address.clone(), kind, differences })
}

fn differences(schema: &ResourceSchema, record: &Record, present: &Observation) -> Vec<String> {
    let recorded = recorded(schema, record);
    let actual = standing(schema, record, Some(present));
    let differs = |(name, attribute): (&String, &Attribute)| {
        let (is, was) = (actual.get(name.as_str())?, recorded.get(name.as_str())?);
        let unchanged = same(is, was) && !is_unwell(attribute, is);
        (!unchanged).then(|| difference(name, attribute, is, was))
    };
    schema.attributes.iter().filter_map(differs).collect()
}
