//! What the planner knows of `aws_instance`.

use super::{IPV6, IPV6_COUNT};
use crate::configuration::object;
use crate::kind::{by_token, resource, slow};
use crate::limits::{LAUNCHED_AT_ONCE, TERMINATED_AT_ONCE};
use model::Type;
use model::schema::{Attribute, Capture, ResourceSchema};

/// Minutes that it may take to stop a machine, change it and start it again.
const CHANGE_MINUTES: u64 = 40;

/// The fields of blocks of disks that cannot be changed in place.
const ROOT_FIXED: [&str; 2] = ["encrypted", "kms_key_id"];
const EBS_FIXED: [&str; 5] =
    ["device_name", "delete_on_termination", "encrypted", "kms_key_id", "snapshot_id"];

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let mut schema = resource("A virtual machine.", slow(by_token(), CHANGE_MINUTES), place());
    for (name, attribute) in boot().into_iter().chain(settings()).chain(disks()).chain(told()) {
        schema.attributes.insert(name.to_owned(), attribute);
    }
    schema.created_together = Some(LAUNCHED_AT_ONCE);
    schema.deleted_together = Some(TERMINATED_AT_ONCE);
    // An image has a snapshot of each of its disks, by one call, and a machine is made of it at once.
    let image = Capture::by("aws_ami_from_instance", "source_instance_id").named("name");
    schema.captured_by = Some(image.with("snapshot_without_reboot", true.into()));
    schema
}

type Attributes<const N: usize> = [(&'static str, Attribute); N];

/// Text that the cloud chooses when it is left out, and that stays.
fn chosen(description: &str) -> Attribute {
    Attribute::optional_computed(Type::String, description).forces_replacement()
}

/// Where it is.
fn place() -> Attributes<13> {
    [
        ("availability_zone", chosen("Its zone, such as eu-central-1a; a subnet says it, too.")),
        ("subnet_id", chosen("The subnet of its first network interface.")),
        ("private_ip", chosen("Its first address in the subnet.").exclusive()),
        (
            IPV6_COUNT,
            Attribute::optional_computed(
                Type::Number,
                "How many IPv6 addresses of the subnet its first network interface has.",
            ),
        ),
        (
            IPV6,
            Attribute::optional_computed(
                Type::list(Type::String),
                "These IPv6 addresses of the subnet, instead of `ipv6_address_count`.",
            )
            .forces_replacement()
            .exclusive()
            .changes_with(IPV6_COUNT),
        ),
        (
            "associate_public_ip_address",
            Attribute::optional_computed(
                Type::Bool,
                "Whether it gets a public address; otherwise the subnet says it.",
            )
            .forces_replacement(),
        ),
        (
            "vpc_security_group_ids",
            Attribute::optional_computed(
                Type::set(Type::String),
                "Security groups of its first network interface.",
            ),
        ),
        (
            "source_dest_check",
            Attribute::optional(
                Type::Bool,
                "Whether it may only send and receive what is from it or for it; a router needs false.",
            )
            .with_default(true.into()),
        ),
        ("placement_group", chosen("The placement group.")),
        (
            "placement_partition_number",
            Attribute::optional_computed(Type::Number, "The partition of its placement group.")
                .forces_replacement(),
        ),
        ("tenancy", chosen("`default`, or `dedicated` for hardware of one's own.")),
        (
            "instance_market_options",
            Attribute::optional(Type::list(market()), "How it is paid for: `spot`.")
                .as_blocks(0, Some(1))
                .forces_replacement(),
        ),
        (
            "launch_template",
            Attribute::optional(
                Type::list(object([
                    ("id", Type::String, false),
                    ("name", Type::String, false),
                    ("version", Type::String, false),
                ])),
                "A launch template for what is left out here, by `id` or `name`.",
            )
            .as_blocks(0, Some(1))
            .forces_replacement(),
        ),
    ]
}

fn market() -> Type {
    let spot = object([
        ("max_price", Type::String, false),
        ("spot_instance_type", Type::String, false),
        ("instance_interruption_behavior", Type::String, false),
    ]);
    object([("market_type", Type::String, false), ("spot_options", Type::list(spot), false)])
}

/// What it boots.
fn boot() -> Attributes<8> {
    let replace_when = "user_data_replace_on_change";
    [
        ("ami", chosen("The image; needed unless a launch template has one.")),
        (
            "instance_type",
            Attribute::optional_computed(
                Type::String,
                "Its type, such as m7g.large; another stops it, changes it and starts it again.",
            ),
        ),
        ("key_name", chosen("The name of the key pair that may log in.")),
        (
            "user_data",
            Attribute::optional(
                Type::String,
                "What it is told at its first start, 16 KiB at most.",
            )
            .secret()
            .forces_replacement_if(replace_when),
        ),
        (
            "user_data_base64",
            Attribute::optional(Type::String, "The same in Base64, where it is not text.")
                .secret()
                .forces_replacement_if(replace_when),
        ),
        (
            replace_when,
            Attribute::optional(
                Type::Bool,
                "Whether other user data replaces it; otherwise it is stopped, told and started.",
            )
            .with_default(false.into()),
        ),
        (
            "iam_instance_profile",
            Attribute::optional_computed(Type::String, "The name of its instance profile."),
        ),
        (
            "ebs_optimized",
            Attribute::optional_computed(
                Type::Bool,
                "Whether its disks have a network of their own.",
            )
            .forces_replacement(),
        ),
    ]
}

fn settings() -> Attributes<6> {
    let metadata = object([
        ("http_endpoint", Type::String, false),
        ("http_tokens", Type::String, false),
        ("http_put_response_hop_limit", Type::Number, false),
        ("http_protocol_ipv6", Type::String, false),
        ("instance_metadata_tags", Type::String, false),
    ]);
    let flag = |description: &str| Attribute::optional(Type::Bool, description);
    [
        (
            "metadata_options",
            Attribute::optional_computed(Type::list(metadata), "Its metadata service.")
                .as_blocks(0, Some(1)),
        ),
        (
            "monitoring",
            Attribute::optional_computed(Type::Bool, "Whether it is measured every minute."),
        ),
        ("disable_api_termination", flag("Whether it is protected from termination.")),
        ("disable_api_stop", flag("Whether it is protected from being stopped.")),
        (
            "instance_initiated_shutdown_behavior",
            Attribute::optional(Type::String, "What its own shutdown does: `stop` or `terminate`."),
        ),
        (
            "credit_specification",
            Attribute::optional(
                Type::list(object([("cpu_credits", Type::String, false)])),
                "Processor credits of burstable types: `standard` or `unlimited`.",
            )
            .as_blocks(0, Some(1)),
        ),
    ]
}

fn disks() -> Attributes<3> {
    let root = object([
        ("volume_size", Type::Number, false),
        ("volume_type", Type::String, false),
        ("iops", Type::Number, false),
        ("throughput", Type::Number, false),
        ("encrypted", Type::Bool, false),
        ("kms_key_id", Type::String, false),
        ("delete_on_termination", Type::Bool, false),
    ]);
    let ebs = object([
        ("device_name", Type::String, true),
        ("snapshot_id", Type::String, false),
        ("volume_size", Type::Number, false),
        ("volume_type", Type::String, false),
        ("iops", Type::Number, false),
        ("throughput", Type::Number, false),
        ("encrypted", Type::Bool, false),
        ("kms_key_id", Type::String, false),
        ("delete_on_termination", Type::Bool, false),
    ]);
    [
        (
            "root_block_device",
            Attribute::optional(Type::list(root), "Its root disk, otherwise as in the image.")
                .as_blocks(0, Some(1))
                .fields_force_replacement(&ROOT_FIXED),
        ),
        (
            "ebs_block_device",
            Attribute::optional(Type::set(ebs), "Disks that are made and deleted with it.")
                .as_blocks(0, None)
                .fields_force_replacement(&EBS_FIXED),
        ),
        (
            "volume_tags",
            Attribute::optional(
                Type::map(Type::String),
                "Tags of its disks; otherwise they have those of the machine.",
            ),
        ),
    ]
}

/// What only the cloud says.
fn told() -> Attributes<9> {
    let stable = |description: &str| Attribute::computed(Type::String, description);
    let changing = |description: &str| Attribute::computed(Type::String, description).volatile();
    [
        ("arn", stable("Its Amazon resource name.")),
        (
            "instance_state",
            changing("What it does; one that does not run is started.").expects("running".into()),
        ),
        ("launch_time", changing("When it was last started.")),
        ("private_dns", stable("Its name in the network.")),
        ("public_ip", changing("Its public address, if it has one.")),
        ("public_dns", changing("The name of its public address.")),
        ("primary_network_interface_id", stable("Its first network interface.")),
        ("instance_lifecycle", stable("`spot`, if it is paid for like that.")),
        ("spot_instance_request_id", stable("The request that a spot instance is for.")),
    ]
}
