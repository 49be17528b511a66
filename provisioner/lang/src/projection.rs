//! Projections without a plan: what validation knows, and what is recorded.

use model::graph::{Instance, Projection};
use model::record::Recorded;
use model::schema::{Mode, ProviderSchema};
use model::{Diagnostic, Residual, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Knows arguments and nothing else.
struct Opaque {
    schemas: BTreeMap<String, ProviderSchema>,
}

/// A projection for validation: everything that a provider decides is unknown.
pub fn validation_projection(
    schemas: &BTreeMap<String, ProviderSchema>,
) -> impl Projection + use<> {
    Opaque { schemas: schemas.clone() }
}

impl Projection for Opaque {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        let provider = instance.provider.split('.').next().unwrap_or_default();
        let schema = self
            .schemas
            .get(provider)
            .and_then(|provider| provider.resources.get(instance.address.kind()));
        let Some(schema) = schema else {
            return Ok(instance.arguments.clone());
        };
        let attributes = schema.attributes.iter().map(|(name, attribute)| {
            let given = instance.arguments.get(name).filter(|value| !value.is_null());
            let value = match (attribute.mode, given) {
                (Mode::Computed, _) | (Mode::OptionalComputed, None) => {
                    Value::unknown(attribute.ty.clone(), Residual::Opaque)
                }
                (_, Some(value)) => value,
                (_, None) => Value::null(attribute.ty.clone()),
            };
            (Arc::from(name.as_str()), value)
        });
        Ok(Value::object::<Arc<str>>(attributes))
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
    AsRecorded { recorded, otherwise: Opaque { schemas: schemas.clone() } }
}

impl Projection for AsRecorded<'_> {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        match self.recorded.records.get(&instance.address) {
            Some(record) => Ok(record.attributes.clone()),
            None => self.otherwise.attributes(instance),
        }
    }
}
