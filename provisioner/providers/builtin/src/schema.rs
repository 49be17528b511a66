//! The resource type of the provider `terraform` as data, and what is the same for all types that are only recorded.

use model::Type;
use model::schema::{Adoption, Attribute, ProviderSchema, ResourceSchema};
use std::collections::BTreeMap;

/// The name of the only resource type.
pub const TERRAFORM_DATA: &str = "terraform_data";

/// Milliseconds that a call may take: it only computes.
const DEADLINE_MS: u64 = 1_000;

/// What this provider declares.
pub fn schema() -> ProviderSchema {
    let replaces = "Any value; another one replaces the object.";
    let attributes = [
        ("input", Attribute::optional(Type::Any, "Any value, to be had as `output`.")),
        ("triggers_replace", Attribute::optional(Type::Any, replaces).forces_replacement()),
        // A change of `input` is what an update is for, and nothing else changes in place.
        ("output", Attribute::computed(Type::Any, "What `input` is.").volatile().typed_as("input")),
        ("id", Attribute::computed(Type::String, "A UUID, made with the object.")),
    ];
    let description = "A value that is kept in the state; nothing is made anywhere else.";
    let data = recorded_only(description, attributes);
    ProviderSchema {
        read_together: None,
        data: BTreeMap::new(),
        limits: BTreeMap::new(),
        name: "terraform".to_owned(),
        configuration: BTreeMap::new(),
        resources: BTreeMap::from([(TERRAFORM_DATA.to_owned(), data)]),
    }
}

/// A resource type whose objects are nowhere but in the state.
pub(crate) fn recorded_only<const N: usize>(
    description: &str,
    attributes: [(&str, Attribute); N],
) -> ResourceSchema {
    ResourceSchema {
        description: description.to_owned(),
        attributes: attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
        recorded_only: true,
        // The object follows from the token, today and at any time; nothing can be found, or settle.
        adoption: Adoption { deadline_ms: DEADLINE_MS, ..Adoption::default() },
        ..ResourceSchema::default()
    }
}
