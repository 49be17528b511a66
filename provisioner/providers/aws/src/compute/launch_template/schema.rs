//! What the planner knows of `aws_launch_template`.

use crate::configuration::object;
use crate::kind::{by_token, resource};
use model::Type;
use model::schema::{Attribute, ResourceSchema};

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let description = "What machines are made from, in versions: every change is a new one.";
    let mut schema = resource(description, by_token(), own());
    for (name, attribute) in data().into_iter().chain(blocks()).chain(small_blocks()) {
        schema.attributes.insert(name.to_owned(), attribute);
    }
    schema
}

type Attributes<const N: usize> = [(&'static str, Attribute); N];

fn text(description: &str) -> Attribute {
    Attribute::optional(Type::String, description)
}

fn flag(description: &str) -> Attribute {
    Attribute::optional(Type::Bool, description)
}

/// What is of the template, and not of one of its versions.
fn own() -> Attributes<6> {
    [
        (
            "name",
            Attribute::optional_computed(Type::String, "Its name, unique in the region.")
                .forces_replacement(),
        ),
        ("description", text("A description of the version.")),
        (
            "update_default_version",
            flag("Whether a change makes the new version the default one.")
                .with_default(false.into()),
        ),
        (
            "default_version",
            Attribute::optional(Type::Number, "The version that is taken where none is named."),
        ),
        ("latest_version", Attribute::computed(Type::Number, "Its newest version.").volatile()),
        ("arn", Attribute::computed(Type::String, "Its Amazon resource name.")),
    ]
}

fn data() -> Attributes<9> {
    [
        ("image_id", text("The image.")),
        ("instance_type", text("The type, such as m7g.large.")),
        ("key_name", text("The name of the key pair that may log in.")),
        ("user_data", text("What a machine is told at its first start, in Base64.").secret()),
        (
            "vpc_security_group_ids",
            Attribute::optional(
                Type::set(Type::String),
                "Security groups, unless `network_interfaces` has them.",
            ),
        ),
        ("ebs_optimized", flag("Whether disks have a network of their own.")),
        ("disable_api_termination", flag("Whether machines are protected from termination.")),
        ("disable_api_stop", flag("Whether machines are protected from being stopped.")),
        (
            "instance_initiated_shutdown_behavior",
            text("What a machine's own shutdown does: `stop` or `terminate`."),
        ),
    ]
}

fn block<const N: usize>(description: &str, fields: [(&str, Type, bool); N]) -> Attribute {
    Attribute::optional(Type::list(object(fields)), description).as_blocks(0, Some(1))
}

fn blocks() -> Attributes<3> {
    let disk = object([
        ("volume_size", Type::Number, false),
        ("volume_type", Type::String, false),
        ("iops", Type::Number, false),
        ("throughput", Type::Number, false),
        ("encrypted", Type::Bool, false),
        ("kms_key_id", Type::String, false),
        ("snapshot_id", Type::String, false),
        ("delete_on_termination", Type::Bool, false),
    ]);
    [
        (
            "block_device_mappings",
            block(
                "Disks.",
                [
                    ("device_name", Type::String, false),
                    ("no_device", Type::String, false),
                    ("virtual_name", Type::String, false),
                    ("ebs", Type::list(disk), false),
                ],
            )
            .as_blocks(0, None),
        ),
        (
            "network_interfaces",
            block(
                "Network interfaces.",
                [
                    ("device_index", Type::Number, false),
                    ("subnet_id", Type::String, false),
                    ("security_groups", Type::set(Type::String), false),
                    ("associate_public_ip_address", Type::Bool, false),
                    ("delete_on_termination", Type::Bool, false),
                    ("private_ip_address", Type::String, false),
                    ("description", Type::String, false),
                ],
            )
            .as_blocks(0, None),
        ),
        (
            "tag_specifications",
            block(
                "Tags of what is made from it.",
                [("resource_type", Type::String, true), ("tags", Type::map(Type::String), false)],
            )
            .as_blocks(0, None),
        ),
    ]
}

fn small_blocks() -> Attributes<6> {
    let spot = object([
        ("max_price", Type::String, false),
        ("spot_instance_type", Type::String, false),
        ("instance_interruption_behavior", Type::String, false),
    ]);
    [
        (
            "iam_instance_profile",
            block(
                "The instance profile.",
                [("name", Type::String, false), ("arn", Type::String, false)],
            ),
        ),
        (
            "placement",
            block(
                "Where machines are.",
                [
                    ("availability_zone", Type::String, false),
                    ("group_name", Type::String, false),
                    ("partition_number", Type::Number, false),
                    ("tenancy", Type::String, false),
                ],
            ),
        ),
        (
            "monitoring",
            block("Whether machines are measured every minute.", [("enabled", Type::Bool, false)]),
        ),
        (
            "metadata_options",
            block(
                "The metadata service.",
                [
                    ("http_endpoint", Type::String, false),
                    ("http_tokens", Type::String, false),
                    ("http_put_response_hop_limit", Type::Number, false),
                    ("instance_metadata_tags", Type::String, false),
                ],
            ),
        ),
        (
            "instance_market_options",
            block(
                "How machines are paid for: `spot`.",
                [("market_type", Type::String, false), ("spot_options", Type::list(spot), false)],
            ),
        ),
        (
            "credit_specification",
            block(
                "Processor credits: `standard` or `unlimited`.",
                [("cpu_credits", Type::String, false)],
            ),
        ),
    ]
}
