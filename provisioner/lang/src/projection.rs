//! Projections without a plan: what validation knows, and what is recorded.

use model::graph::{Instance, Projection};
use model::record::Recorded;
use model::schema::{self, Mode, ProviderSchema};
use model::{Data, Diagnostic, Residual, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Knows arguments and nothing else.
struct Opaque {
    /// By provider.
    attributes: BTreeMap<String, Kinds>,
}

/// The attributes of resource types and of data sources, by their names.
struct Kinds {
    resources: BTreeMap<String, Vec<Attribute>>,
    data: BTreeMap<String, Vec<Attribute>>,
}

impl Kinds {
    fn of(&self, (is_data, kind): (bool, &str)) -> Option<&[Attribute]> {
        let kinds = if is_data { &self.data } else { &self.resources };
        kinds.get(kind).map(Vec::as_slice)
    }
}

/// An attribute; its name and value are shared by all instances.
struct Attribute {
    name: Arc<str>,
    is_argument: bool,
    /// What it is when no argument says so.
    otherwise: Value,
    /// Where its type is that of an argument.
    typed_as_argument: Option<Typed>,
}

/// An attribute whose type is that of an argument.
struct Typed {
    schema: schema::Attribute,
    /// What the instance before had: mostly the next one has the same, and large types are kept once.
    last: RefCell<Option<Value>>,
}

impl Typed {
    fn value(&self, name: &str, arguments: &Value) -> Value {
        let argument = self.schema.typed_as.as_deref().and_then(|name| arguments.get(name));
        let mut last = self.last.borrow_mut();
        match (&*last, &argument) {
            (Some(last), Some(argument)) if is_unknown_like(last, argument) => last.clone(),
            _ => last.insert(self.schema.later(name, Residual::Opaque, |_| argument)).clone(),
        }
    }
}

/// Whether an unknown value has the type of another value.
fn is_unknown_like(unknown: &Value, value: &Value) -> bool {
    matches!(unknown.data(), Data::Unknown(unknown) if value.is_of(&unknown.ty))
}

/// A projection for validation: everything that a provider decides is unknown.
pub fn validation_projection(
    schemas: &BTreeMap<String, ProviderSchema>,
) -> impl Projection + use<> {
    opaque(schemas)
}

fn opaque(schemas: &BTreeMap<String, ProviderSchema>) -> Opaque {
    let of_provider = |(name, schema): (&String, &ProviderSchema)| {
        let resources = schema.resources.iter();
        let data = schema.data.iter();
        let kinds = Kinds {
            resources: resources
                .map(|(kind, it)| (kind.clone(), attributes(&it.attributes)))
                .collect(),
            data: data.map(|(kind, it)| (kind.clone(), attributes(&it.attributes))).collect(),
        };
        (name.clone(), kinds)
    };
    Opaque { attributes: schemas.iter().map(of_provider).collect() }
}

fn attributes(declared: &BTreeMap<String, schema::Attribute>) -> Vec<Attribute> {
    let attribute = |(name, attribute): (&String, &schema::Attribute)| Attribute {
        name: name.as_str().into(),
        is_argument: attribute.mode != Mode::Computed,
        otherwise: match attribute.mode {
            Mode::Computed | Mode::OptionalComputed => {
                attribute.later(name, Residual::Opaque, |_| None)
            }
            Mode::Required | Mode::Optional => Value::null(attribute.ty.clone()),
        },
        typed_as_argument: attribute
            .typed_as
            .as_ref()
            .map(|_| Typed { schema: attribute.clone(), last: RefCell::default() }),
    };
    declared.iter().map(attribute).collect()
}

impl Projection for Opaque {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        let provider = instance.provider.split('.').next().unwrap_or_default();
        let of_provider = self.attributes.get(provider);
        let kind = (instance.address.is_data(), instance.address.kind());
        let Some(attributes) = of_provider.and_then(|kinds| kinds.of(kind)) else {
            return Ok(instance.arguments.clone());
        };
        let value = |attribute: &Attribute| {
            let given = instance.arguments.get(&attribute.name);
            let given = given.filter(|value| attribute.is_argument && !value.is_null());
            let otherwise = || match &attribute.typed_as_argument {
                Some(typed) => typed.value(&attribute.name, &instance.arguments),
                None => attribute.otherwise.clone(),
            };
            (attribute.name.clone(), given.unwrap_or_else(otherwise))
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
