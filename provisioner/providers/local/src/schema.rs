//! What the local cloud offers, as data.

use model::schema::{Adoption, Attribute, Capture, DataSchema, ProviderSchema, ResourceSchema};
use model::{Type, Value};
use std::collections::BTreeMap;

/// The resource type of networks.
pub const NETWORK: &str = "local_network";
/// The resource type of machines.
pub const MACHINE: &str = "local_machine";
/// The resource type of volumes.
pub const VOLUME: &str = "local_volume";
/// The resource type of snapshots.
pub const SNAPSHOT: &str = "local_snapshot";
/// The `status` of a snapshot whose content is what was captured.
pub const WHOLE: &str = "whole";

fn resource<const N: usize>(
    description: &str,
    attributes: [(&str, Attribute); N],
) -> ResourceSchema {
    ResourceSchema {
        description: description.to_owned(),
        attributes: attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
        follows_dependencies: false,
        recorded_only: false,
        created_together: None,
        deleted_together: None,
        captured_by: None,
        // The record, written before anything else of the object, carries lineage, address and token.
        adoption: Adoption { unique_name: true, tagged: true, ..Adoption::default() },
    }
}

fn text(description: &str) -> Attribute {
    Attribute::computed(Type::String, description)
}

fn status() -> Attribute {
    text("`running` while it works").volatile().expects(Value::from("running"))
}

fn name(description: &str) -> Attribute {
    Attribute::required(Type::String, description).forces_replacement()
}

/// The type of one element of `volumes`.
pub fn attachment() -> Type {
    Type::object([("volume", Type::String), ("path", Type::String)])
}

fn network() -> ResourceSchema {
    resource(
        "A network on this machine: a bridge without a way out.",
        [
            ("name", name("Its name, unique in the local cloud.")),
            ("cidr", name("Its range of IPv4 addresses, such as 10.42.0.0/24.")),
            ("id", text("Its identity, for `network` of a machine.")),
            ("gateway", text("The bridge's own address.")),
            ("isolation", text("How its machines are kept apart: `namespaces` or `processes`.")),
            ("status", status()),
        ],
    )
}

/// The argument of what begins with a snapshot. Where it is left out, an object stays that began with one: a restored one does
/// not go because its configuration says nothing of that.
fn begins_with(of: &str) -> Attribute {
    let what = format!("The `id` of a snapshot of a {of}, whose content it begins with.");
    Attribute::optional_computed(Type::String, &what).forces_replacement()
}

fn captured_as(source: &str) -> Capture {
    Capture::by(SNAPSHOT, source).named("name").restored_by("snapshot")
}

fn machine() -> ResourceSchema {
    let keys = "Public keys that may log in as root, in the form of a .pub file.";
    let publish =
        "Ports of the machine that 127.0.0.1 of the host has, too: node port = host port.";
    let volumes = "Volumes and the absolute paths at which the machine has them.";
    let machine = resource(
        "A machine on this machine: own address, host name, file system, programs and login.",
        [
            ("name", name("Its name and host name, unique in the local cloud.")),
            ("network", name("The `id` of its network.")),
            ("domain", Attribute::optional(Type::String, "Its failure domain; a label.")),
            (
                "address",
                Attribute::optional_computed(Type::String, "Its address in the network.")
                    .forces_replacement()
                    .exclusive(),
            ),
            ("authorized_keys", Attribute::optional(Type::list(Type::String), keys)),
            ("publish", Attribute::optional(Type::map(Type::Number), publish).exclusive()),
            ("volumes", Attribute::optional(Type::set(attachment()), volumes)),
            ("id", text("Its identity.")),
            ("host_key", text("Its public SSH host key: `ssh-ed25519 AAAA...`.")),
            ("socket", text("The unix socket of its SSH server, on the host.")),
            ("port", Attribute::computed(Type::Number, "The TCP port of its SSH server.")),
            ("user", text("Who logs in.")),
            ("isolation", text("How it is kept apart: `namespaces` or `processes`.")),
            ("boot_id", text("Made anew with every boot.").volatile()),
            ("status", status()),
            ("snapshot", begins_with("machine")),
        ],
    );
    ResourceSchema { captured_by: Some(captured_as("machine")), ..machine }
}

fn volume() -> ResourceSchema {
    let advice = "a local volume cannot be resized: make a new one of another name, copy, and \
                  remove the old one";
    let volume = resource(
        "A directory that outlives the machines it is attached to.",
        [
            ("name", name("Its name, unique in the local cloud.")),
            (
                "size",
                Attribute::required(Type::Number, "Its size in GiB; recorded, not enforced.")
                    .refuses_change(advice),
            ),
            ("id", text("Its identity, for `volumes` of a machine.")),
            ("path", text("Its directory on the host.")),
            ("snapshot", begins_with("volume")),
        ],
    );
    ResourceSchema { captured_by: Some(captured_as("volume")), ..volume }
}

fn snapshot() -> ResourceSchema {
    let source = |what: &str| {
        let what = format!("The `id` of the {what} that is captured; either that or the other.");
        Attribute::optional(Type::String, &what).forces_replacement()
    };
    let number = |what: &str| Attribute::computed(Type::Number, what);
    let status = "`whole`, or `damaged` when its content is not any more what was captured";
    resource(
        "What was in a machine or a volume, kept apart from it.",
        [
            ("name", name("Its name, unique in the local cloud.")),
            ("machine", source("machine")),
            ("volume", source("volume")),
            ("id", text("Its identity, for `snapshot` of a machine or a volume.")),
            ("path", text("The directory of its content on the host.")),
            ("size", number("Bytes in all its files.")),
            ("files", number("How many files it has, without directories and links.")),
            ("digest", text("`sha256:...` over names, kinds, modes, link targets and contents.")),
            (
                "created_at",
                text("When it was begun, as RFC 3339 has it: what was written by then is in it."),
            ),
            ("status", text(status).volatile().expects(Value::from(WHOLE))),
        ],
    )
}

/// Everything the local cloud declares.
pub fn provider_schema() -> ProviderSchema {
    let directory = "Where the local cloud lies, as an absolute path.";
    let isolation = "`processes` to do without namespaces even where the kernel allows them.";
    ProviderSchema {
        read_together: None,
        data: BTreeMap::from([
            (NETWORK.to_owned(), DataSchema::of(&network(), &["name"])),
            (MACHINE.to_owned(), DataSchema::of(&machine(), &["name"])),
            (VOLUME.to_owned(), DataSchema::of(&volume(), &["name"])),
            (SNAPSHOT.to_owned(), DataSchema::of(&snapshot(), &["name"])),
        ]),
        limits: BTreeMap::new(),
        name: "local".to_owned(),
        configuration: BTreeMap::from([
            ("directory".to_owned(), Attribute::optional(Type::String, directory)),
            ("isolation".to_owned(), Attribute::optional(Type::String, isolation)),
        ]),
        resources: BTreeMap::from([
            (NETWORK.to_owned(), network()),
            (MACHINE.to_owned(), machine()),
            (VOLUME.to_owned(), volume()),
            (SNAPSHOT.to_owned(), snapshot()),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::{ChangePolicy, Mode};

    #[test]
    fn what_is_expected_is_volatile() {
        for resource in provider_schema().resources.values() {
            for attribute in resource.attributes.values() {
                assert!(attribute.expected.is_none() || !attribute.stable);
                assert!(
                    attribute.mode != Mode::Computed || attribute.change == ChangePolicy::InPlace
                );
            }
        }
    }

    #[test]
    fn what_captures_is_there() {
        let schema = provider_schema();
        let captures = schema.resources.values().filter_map(|it| it.captured_by.as_ref());
        for capture in captures.clone() {
            let taken = &schema.resources[&capture.resource_type].attributes;
            assert!(taken[&capture.source].mode == Mode::Optional);
            assert!(capture.name.as_ref().is_some_and(|name| taken[name].mode == Mode::Required));
        }
        assert_eq!(captures.count(), 2);
    }

    #[test]
    fn resizing_is_refused() {
        let schema = provider_schema();
        let size = &schema.resources[VOLUME].attributes["size"];
        assert!(matches!(&size.change, ChangePolicy::Refuse(advice) if advice.contains("new one")));
    }
}
