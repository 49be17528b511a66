//! Projections without a plan: what validation knows, and what is recorded.

use model::graph::{Instance, Projection};
use model::record::Recorded;
use model::schema::{Mode, ProviderSchema, ResourceSchema};
use model::{Diagnostic, Residual, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Knows arguments and nothing else.
struct Opaque {
    /// By provider and resource type.
    attributes: BTreeMap<String, BTreeMap<String, Vec<Attribute>>>,
}

/// An attribute; its name and value are shared by all instances.
struct Attribute {
    name: Arc<str>,
    is_argument: bool,
    /// What it is when no argument says so.
    otherwise: Value,
}

/// A projection for validation: everything that a provider decides is unknown.
pub fn validation_projection(
    schemas: &BTreeMap<String, ProviderSchema>,
) -> impl Projection + use<> {
    opaque(schemas)
}

fn opaque(schemas: &BTreeMap<String, ProviderSchema>) -> Opaque {
    let of_kind =
        |(kind, schema): (&String, &ResourceSchema)| (kind.clone(), attributes(schema).collect());
    let of_provider = |(name, schema): (&String, &ProviderSchema)| {
        (name.clone(), schema.resources.iter().map(of_kind).collect())
    };
    Opaque { attributes: schemas.iter().map(of_provider).collect() }
}

fn attributes(schema: &ResourceSchema) -> impl Iterator<Item = Attribute> {
    schema.attributes.iter().map(|(name, attribute)| Attribute {
        name: name.as_str().into(),
        is_argument: attribute.mode != Mode::Computed,
        otherwise: match attribute.mode {
            Mode::Computed | Mode::OptionalComputed => {
                Value::unknown(attribute.ty.clone(), Residual::Opaque)
            }
            Mode::Required | Mode::Optional => Value::null(attribute.ty.clone()),
        },
    })
}

impl Projection for Opaque {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        let provider = instance.provider.split('.').next().unwrap_or_default();
        let kinds = self.attributes.get(provider);
        let Some(attributes) = kinds.and_then(|kinds| kinds.get(instance.address.kind())) else {
            return Ok(instance.arguments.clone());
        };
        let value = |attribute: &Attribute| {
            let given = instance.arguments.get(&attribute.name);
            let given = given.filter(|value| attribute.is_argument && !value.is_null());
            (attribute.name.clone(), given.unwrap_or_else(|| attribute.otherwise.clone()))
        };
        Ok(Value::object::<Arc<str>>(attributes.iter().map(value)))
    }

    fn is_opaque(&self) -> bool {
        true
    }
}

/// Knows what is recorded, and of the rest no more than validation does.
struct AsRecorded<'a> {
    recorded: &'a Recorded,
    otherwise: Opaque,
}

/// A projection in which every recorded instance is as recorded, whatever the configuration says of it now.
pub fn recorded_projection<'a>(
    schemas: &BTreeMap<String, ProviderSchema>,
    recorded: &'a Recorded,
) -> impl Projection + use<'a> {
    AsRecorded { recorded, otherwise: opaque(schemas) }
}

impl Projection for AsRecorded<'_> {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        match self.recorded.records.get(&instance.address) {
            Some(record) => Ok(record.attributes.clone()),
            None => self.otherwise.attributes(instance),
        }
    }

    fn is_opaque(&self) -> bool {
        true
    }
}
