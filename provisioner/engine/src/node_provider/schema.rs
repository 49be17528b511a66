//! The resource types of the provider `node`: what the language checks a `service` block against, and what the
//! planner decides from.

use model::schema::{Adoption, Attribute, ProviderSchema, ResourceSchema};
use model::types::Field;
use model::{Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The provider's name.
pub const NAME: &str = "node";
/// What a service's `status` is while it is well.
pub const RUNNING: &str = "running";
/// What a reachability's `status` is.
pub const REACHED: &str = "reached";

/// What the provider `node` offers: `facts`, `service` and `reachability`.
pub fn node_schema() -> ProviderSchema {
    let resources = [("facts", facts()), ("service", service()), ("reachability", reachability())];
    ProviderSchema {
        read_together: None,
        data: std::collections::BTreeMap::new(),
        limits: std::collections::BTreeMap::new(),
        name: NAME.to_owned(),
        configuration: BTreeMap::new(),
        resources: resources.map(|(name, schema)| (name.to_owned(), schema)).into(),
    }
}

fn resource(
    description: &str,
    attributes: impl IntoIterator<Item = (&'static str, Attribute)>,
) -> ResourceSchema {
    ResourceSchema {
        description: description.to_owned(),
        attributes: attributes
            .into_iter()
            .map(|(name, attribute)| (name.to_owned(), attribute))
            .collect(),
        follows_dependencies: false,
        recorded_only: false,
        created_together: None,
        deleted_together: None,
        captured_by: None,
        adoption: Adoption::default(),
    }
}

/// An object type from required and optional fields.
fn fields(required: &[(&str, Type)], optional: &[(&str, Type)]) -> Type {
    let field = |optional: bool| {
        move |(name, ty): &(&str, Type)| -> (Arc<str>, Field) {
            ((*name).into(), Field { ty: ty.clone(), optional, default: None })
        }
    };
    let all = required.iter().map(field(false)).chain(optional.iter().map(field(true)));
    Type::Object(Arc::new(all.collect()))
}

fn map(element: Type) -> Type {
    Type::Map(Arc::new(element))
}

fn connection() -> Attribute {
    let required = [
        ("name", Type::String),
        ("address", Type::String),
        ("port", Type::Number),
        ("user", Type::String),
        ("host_key", Type::String),
    ];
    let ty = fields(&required, &[("socket", Type::String)]);
    Attribute::required(ty, "How to log in to the node.")
}

fn connection_type() -> Type {
    connection().ty
}

fn artifact() -> Attribute {
    let names = ["url", "file", "package", "package_version", "sha256"];
    let mut optional: Vec<_> = names.map(|name| (name, Type::String)).into();
    optional.push(("paths", map(Type::String)));
    Attribute::optional(
        fields(&[], &optional),
        "The program, from a url, a file or a Debian package.",
    )
}

fn machine() -> Attribute {
    let description = "The host key of the machine: another machine means another object.";
    Attribute::required(Type::String, description).forces_replacement()
}

fn text(description: &str) -> Attribute {
    Attribute::required(Type::String, description)
}

fn facts() -> ResourceSchema {
    let values = "What the commands printed, by name.";
    resource(
        "What a node says about itself for a service.",
        [
            ("machine", machine()),
            ("connection", connection()),
            ("artifact", artifact()),
            (
                "commands",
                Attribute::required(map(Type::String), "Shell commands by the fact's name."),
            ),
            ("values", Attribute::computed(map(Type::String), values).volatile()),
        ],
    )
}

fn service() -> ResourceSchema {
    let file =
        fields(&[("content", Type::String)], &[("mode", Type::String), ("live", Type::Bool)]);
    let status = Attribute::computed(Type::String, "Whether it runs as it was installed.");
    let digest = Attribute::computed(Type::String, "The name of its release on the node.");
    let shell = |description: &str| Attribute::optional(Type::String, description);
    resource(
        "One service on one node.",
        [
            ("node", text("The node's name.")),
            ("node_set", text("The node set's name.")),
            ("domain", text("The node's failure domain.")),
            ("machine", machine()),
            ("connection", connection()),
            ("version", Attribute::optional(Type::String, "The version, for people.")),
            ("artifact", artifact()),
            ("files", Attribute::optional(map(file), "Files of the release by path.")),
            (
                "command",
                Attribute::required(Type::list(Type::String), "The program and its arguments."),
            ),
            ("environment", Attribute::optional(map(Type::String), "Environment variables.")),
            ("check", shell("A command that must accept the configuration before it is used.")),
            ("drain", shell("A command that takes the service out of use before it is removed.")),
            ("restart", shell("`always`, `on-failure` or `never`.").with_default("always".into())),
            ("dead_man_s", dead_man_s()),
            (
                "probes",
                Attribute::optional(
                    Type::list(probe()),
                    "What must succeed before a release is confirmed.",
                ),
            ),
            ("digest", digest.volatile()),
            ("status", status.volatile().expects(RUNNING.into())),
        ],
    )
}

fn dead_man_s() -> Attribute {
    let description = "Seconds until the node takes an unconfirmed release back by itself.";
    Attribute::optional(Type::Number, description).with_default(Value::from(60))
}

fn probe() -> Type {
    let http =
        fields(&[("port", Type::Number)], &[("path", Type::String), ("status", Type::Number)]);
    let tcp = fields(&[("port", Type::Number)], &[("host", Type::String)]);
    fields(
        &[("name", Type::String)],
        &[
            ("from", Type::String),
            ("http", http),
            ("tcp", tcp),
            ("command", Type::String),
            ("timeout_ms", Type::Number),
            ("deadline_ms", Type::Number),
        ],
    )
}

fn reachability() -> ResourceSchema {
    let member = fields(
        &[("node", Type::String), ("connection", connection_type()), ("address", Type::String)],
        &[],
    );
    let pairs = Attribute::computed(Type::Number, "How many pairs reached each other.");
    let status = Attribute::computed(Type::String, "Whether all pairs did.");
    let mut schema = resource(
        "Every member reaches every other one over a service.",
        [
            ("service", text("The service's name.")),
            ("port", Attribute::required(Type::Number, "The TCP port that is connected to.")),
            ("members", Attribute::required(Type::list(member), "The nodes and their addresses.")),
            ("pairs", pairs.volatile()),
            ("status", status.volatile().expects(REACHED.into())),
        ],
    );
    schema.follows_dependencies = true;
    schema
}
