//! The resource type as data.

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
    let data = ResourceSchema {
        description: "A value that is kept in the state; nothing is made anywhere else.".to_owned(),
        attributes: attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
        follows_dependencies: false,
        recorded_only: true,
        created_together: None,
        // The object follows from the token, today and at any time; nothing can be found, or settle.
        adoption: Adoption {
            token_retention_s: Some(Adoption::FOR_EVER),
            unique_name: false,
            tagged: false,
            settle_ms: 0,
            deadline_ms: DEADLINE_MS,
        },
    };
    ProviderSchema {
        read_together: None,
        data: BTreeMap::new(),
        limits: BTreeMap::new(),
        name: "terraform".to_owned(),
        configuration: BTreeMap::new(),
        resources: BTreeMap::from([(TERRAFORM_DATA.to_owned(), data)]),
    }
}
