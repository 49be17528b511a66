//! The resource types as data.

use crate::authority::LONGEST_HOURS;
use model::schema::{Adoption, Attribute, ProviderSchema, ResourceSchema};
use model::{Type, Value};
use std::collections::BTreeMap;

/// Ten years.
pub const CA_DURATION_HOURS: i64 = 87_600;

/// Nothing is called, so nothing takes long.
const DEADLINE_MS: u64 = 60_000;

/// What this provider declares.
pub fn schema() -> ProviderSchema {
    let resource = |description: &str, attributes: Vec<(&str, Attribute)>| ResourceSchema {
        description: description.to_owned(),
        attributes: attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect(),
        follows_dependencies: false,
        recorded_only: true,
        created_together: None,
        deleted_together: None,
        captured_by: None,
        // Its objects are nowhere but in the state: a creation without an answer left nothing, and is sent again.
        adoption: Adoption { deadline_ms: DEADLINE_MS, ..Adoption::default() },
    };
    let resources = [
        ("nebula_ca", resource("An authority that signs the certificates of a nebula mesh.", ca())),
        ("nebula_certificate", resource("A node's certificate in a nebula mesh.", certificate())),
    ];
    ProviderSchema {
        read_together: None,
        data: BTreeMap::new(),
        limits: BTreeMap::new(),
        name: "nebula".to_owned(),
        configuration: BTreeMap::new(),
        resources: resources.into_iter().map(|(name, r)| (name.to_owned(), r)).collect(),
    }
}

fn ca() -> Vec<(&'static str, Attribute)> {
    let mut attributes = vec![
        ("name", Attribute::required(Type::String, "The authority's name.").forces_replacement()),
        (
            "duration_hours",
            Attribute::optional(
                Type::Number,
                &format!("How long it is valid, in hours (at most {LONGEST_HOURS})."),
            )
            .with_default(CA_DURATION_HOURS.into())
            .forces_replacement(),
        ),
        (
            "groups",
            Attribute::optional(
                Type::list(Type::String),
                "The only groups it may sign for; any if there are none.",
            )
            .with_default(Value::list(Type::String, []))
            .forces_replacement(),
        ),
        (
            "private_key",
            Attribute::computed(Type::String, "Its private key, as PEM text.").secret(),
        ),
    ];
    attributes.extend(signed());
    attributes
}

fn certificate() -> Vec<(&'static str, Attribute)> {
    let mut attributes = vec![
        (
            "ca_certificate",
            Attribute::required(Type::String, "The authority's certificate, as PEM text.")
                .forces_replacement(),
        ),
        (
            // Another key without another certificate signs nothing anew, so it replaces nothing.
            "ca_private_key",
            Attribute::required(Type::String, "The authority's private key, as PEM text.").secret(),
        ),
        ("name", Attribute::required(Type::String, "The node's name.").forces_replacement()),
        (
            "address",
            Attribute::required(
                Type::String,
                "Its address in the mesh with the length of the mesh's prefix: \"10.42.0.1/16\".",
            )
            .forces_replacement(),
        ),
        (
            "groups",
            Attribute::optional(Type::list(Type::String), "The groups it is in.")
                .with_default(Value::list(Type::String, []))
                .forces_replacement(),
        ),
        (
            "public_key",
            Attribute::required(Type::String, "The node's X25519 public key, as PEM text.")
                .forces_replacement(),
        ),
        (
            "duration_hours",
            Attribute::optional(
                Type::Number,
                "How long it is valid, in hours. Left out: 8760, or as long as the authority if that is shorter.",
            )
            .forces_replacement(),
        ),
    ];
    attributes.extend(signed());
    attributes
}

fn signed() -> [(&'static str, Attribute); 3] {
    [
        ("certificate", Attribute::computed(Type::String, "The certificate, as PEM text.")),
        (
            "fingerprint",
            Attribute::computed(Type::String, "SHA-256 of the certificate, in hexadecimal digits."),
        ),
        (
            "expires_at",
            Attribute::computed(Type::String, "The last second it is valid, RFC 3339 in UTC."),
        ),
    ]
}
