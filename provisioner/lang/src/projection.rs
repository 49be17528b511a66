//! The projection of validation, which knows no state.

use model::graph::{Instance, Projection};
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
        let kind = instance.address.kind();
        let attributes = self.schemas.get(provider).and_then(|provider| {
            if instance.address.is_data() {
                return provider.data.get(kind).map(|schema| &schema.attributes);
            }
            provider.resources.get(kind).map(|schema| &schema.attributes)
        });
        let Some(attributes) = attributes else {
            return Ok(instance.arguments.clone());
        };
        let attributes = attributes.iter().map(|(name, attribute)| {
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
