//! Between values of the language and what the cloud understands.

use crate::error::LocalError;
use crate::machine::Machine;
use crate::network::{Cidr, Found};
use crate::record::{Attachment, Captured, MachineArguments};
use crate::schema::{WHOLE, attachment};
use crate::snapshot::Snapshot;
use crate::volume::Volume;
use model::{Type, Value};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

fn wrong(argument: &str, what: &str) -> LocalError {
    LocalError::Invalid { what: format!("`{argument}` {what}"), hint: String::new() }
}

/// A text that must be there.
pub fn text(arguments: &Value, name: &str) -> Result<String, LocalError> {
    optional_text(arguments, name).ok_or_else(|| wrong(name, "must be a string"))
}

fn optional_text(arguments: &Value, name: &str) -> Option<String> {
    arguments.get(name)?.as_str().map(str::to_owned)
}

/// The snapshot that an object begins with.
pub fn snapshot(arguments: &Value) -> Option<String> {
    optional_text(arguments, "snapshot")
}

/// What a snapshot is to be of: exactly one thing.
pub fn captured(arguments: &Value) -> Result<Captured, LocalError> {
    match (optional_text(arguments, "machine"), optional_text(arguments, "volume")) {
        (Some(name), None) => Ok(Captured::Machine { name, address: None }),
        (None, Some(name)) => Ok(Captured::Volume { name }),
        (machine, _) => Err(LocalError::Invalid {
            what: format!(
                "a snapshot is of a machine or of a volume, and {} given",
                if machine.is_some() { "both are" } else { "neither is" }
            ),
            hint: "give it either `machine` or `volume`: the `id` of what is to be captured".into(),
        }),
    }
}

/// The size of a volume in GiB.
pub fn size_gib(arguments: &Value) -> Result<u64, LocalError> {
    let size = arguments.get("size");
    size.as_ref()
        .and_then(Value::as_number)
        .and_then(model::Number::as_u64)
        .filter(|size| *size > 0)
        .ok_or_else(|| wrong("size", "must be a whole number of GiB, 1 or more"))
}

fn port(text: Option<u64>) -> Option<u16> {
    text.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

fn publish(arguments: &Value) -> Result<BTreeMap<u16, u16>, LocalError> {
    let given = arguments.get("publish");
    let entries = given.as_ref().and_then(Value::as_entries);
    let mut ports = BTreeMap::new();
    for (node_port, host_port) in entries.into_iter().flatten() {
        let node_port = port(node_port.parse().ok());
        let host_port = port(host_port.as_number().and_then(model::Number::as_u64));
        let (Some(node_port), Some(host_port)) = (node_port, host_port) else {
            return Err(wrong("publish", "must map port numbers from 1 to 65535 to such numbers"));
        };
        ports.insert(node_port, host_port);
    }
    Ok(ports)
}

fn items(arguments: &Value, name: &str) -> Vec<Value> {
    arguments
        .get(name)
        .and_then(|value| value.as_items().map(<[Value]>::to_vec))
        .unwrap_or_default()
}

/// The arguments of a machine.
pub fn machine(arguments: &Value) -> Result<MachineArguments, LocalError> {
    let address = optional_text(arguments, "address")
        .map(|text| {
            text.parse::<Ipv4Addr>().map_err(|_| wrong("address", "must be an IPv4 address"))
        })
        .transpose()?;
    let keys = items(arguments, "authorized_keys");
    let mut volumes = items(arguments, "volumes")
        .iter()
        .map(|it| Ok(Attachment { volume: text(it, "volume")?, path: text(it, "path")? }))
        .collect::<Result<Vec<_>, LocalError>>()?;
    // A volume below another's path is mounted after it.
    volumes.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(MachineArguments {
        name: text(arguments, "name")?,
        network: text(arguments, "network")?,
        domain: optional_text(arguments, "domain"),
        address,
        authorized_keys: keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect(),
        publish: publish(arguments)?,
        volumes,
        snapshot: snapshot(arguments),
    })
}

fn optional(value: Option<&str>) -> Value {
    value.map_or_else(|| Value::null(Type::String), Value::from)
}

/// The attributes of a network.
pub fn network_attributes(found: &Found) -> Result<Value, LocalError> {
    let record = &found.record;
    let status = if found.running.is_some() { "running" } else { "stopped" };
    Ok(Value::object([
        ("name", Value::from(record.name.as_str())),
        ("cidr", Value::from(record.cidr.as_str())),
        ("id", Value::from(record.name.as_str())),
        ("gateway", Value::from(Cidr::parse(&record.cidr)?.gateway().to_string())),
        ("isolation", Value::from(record.isolation.as_str())),
        ("status", Value::from(status)),
    ]))
}

/// The attributes of a volume.
pub fn volume_attributes(volume: &Volume) -> Value {
    let size = i64::try_from(volume.record.size_gib).unwrap_or(i64::MAX);
    Value::object([
        ("name", Value::from(volume.record.name.as_str())),
        ("size", Value::from(size)),
        ("snapshot", optional(volume.record.snapshot.as_deref())),
        ("id", Value::from(volume.record.name.as_str())),
        ("path", Value::from(volume.path.to_string_lossy().as_ref())),
    ])
}

/// The attributes of a snapshot.
pub fn snapshot_attributes(found: &Snapshot) -> Value {
    let Snapshot { record, content, path, is_whole } = found;
    let (machine, volume) = match &record.of {
        Captured::Machine { name, .. } => (Some(name.as_str()), None),
        Captured::Volume { name } => (None, Some(name.as_str())),
    };
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    Value::object([
        ("name", Value::from(record.name.as_str())),
        ("machine", optional(machine)),
        ("volume", optional(volume)),
        ("id", Value::from(record.name.as_str())),
        ("path", Value::from(path.to_string_lossy().as_ref())),
        ("size", number(content.size)),
        ("files", number(content.files)),
        ("digest", Value::from(content.digest.as_str())),
        ("created_at", Value::from(content.created_at.as_str())),
        ("status", Value::from(if *is_whole { WHOLE } else { "damaged" })),
    ])
}

/// The attributes of a machine: what it really has, as far as it runs. An argument that was left out
/// stays null (`given` is the configuration's or the recorded value).
pub fn machine_attributes(machine: &Machine, given: &Value) -> Value {
    let arguments = &machine.record.arguments;
    let running = machine.running.as_ref();
    let left_out = |name: &str| given.get(name).is_none_or(|value| value.is_null());
    let null_or = |name: &str, empty: bool, ty: Type, value: Value| {
        if empty && left_out(name) { Value::null(ty) } else { value }
    };
    let publish = running.map_or(&arguments.publish, |running| &running.publish);
    let ports = publish
        .iter()
        .map(|(node_port, host_port)| (node_port.to_string(), Value::from(i64::from(*host_port))));
    let attached = if running.is_some() { &machine.attached } else { &arguments.volumes };
    let volumes = attached.iter().map(|it| {
        let (volume, path) = (it.volume.as_str(), it.path.as_str());
        Value::object([("volume", Value::from(volume)), ("path", Value::from(path))])
    });
    let keys = arguments.authorized_keys.iter().map(|key| Value::from(key.as_str()));
    let isolation = machine.isolation();
    Value::object([
        ("name", Value::from(arguments.name.as_str())),
        ("network", Value::from(arguments.network.as_str())),
        ("domain", optional(arguments.domain.as_deref())),
        ("address", Value::from(machine.record.address.to_string())),
        (
            "authorized_keys",
            null_or(
                "authorized_keys",
                arguments.authorized_keys.is_empty(),
                Type::list(Type::String),
                Value::list(Type::String, keys),
            ),
        ),
        (
            "publish",
            null_or(
                "publish",
                publish.is_empty(),
                Type::map(Type::Number),
                Value::map(Type::Number, ports),
            ),
        ),
        (
            "volumes",
            null_or(
                "volumes",
                attached.is_empty(),
                Type::set(attachment()),
                Value::set(attachment(), volumes),
            ),
        ),
        ("snapshot", optional(arguments.snapshot.as_deref())),
        ("id", Value::from(arguments.name.as_str())),
        ("host_key", optional(machine.host_key.as_deref())),
        ("socket", Value::from(machine.socket.to_string_lossy().as_ref())),
        ("port", Value::from(i64::from(crate::launch::ssh_port(isolation)))),
        ("user", Value::from("root")),
        ("isolation", Value::from(isolation.as_str())),
        ("boot_id", optional(running.map(|running| running.boot_id.as_str()))),
        ("status", Value::from(machine.status.as_str())),
    ])
}
