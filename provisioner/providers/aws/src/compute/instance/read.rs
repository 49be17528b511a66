//! What a description of a machine means, and what is asked beside it.

use super::{IPV6, IPV6_COUNT, NAME, origin};
use crate::arguments::{Given, filled, flag, number, text, text_set, texts, with, within};
use crate::client::Session;
use crate::compute::launch_template;
use crate::configuration::object;
use crate::kind::{Phase, Seen};
use crate::tagging;
use aws_sdk_ec2::types::{
    Instance, InstanceAttributeName, InstanceStateName, MonitoringState, Tenancy,
};
use aws_smithy_types::date_time::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::{join_all, join3};
use model::schema::ResourceSchema;
use model::{Type, Value};
use provider::ProviderError;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

/// Kept beside the attributes, which have no such name: the disks by device, and which of them is the root.
const DEVICES: &str = "devices";
const ROOT: &str = "root_device_name";

/// One that a description shows.
pub(super) fn seen(session: &Session, region: &str, owner: &str, it: &Instance) -> Seen {
    let id = it.instance_id().unwrap_or_default().to_owned();
    let mut attributes = network(it);
    attributes.extend(own(it));
    attributes.insert("arn", format!("arn:aws:ec2:{region}:{owner}:instance/{id}").into());
    let devices = it.block_device_mappings().iter().filter_map(|mapping| {
        let ebs = mapping.ebs()?;
        Some(Value::object([
            ("device_name", text(mapping.device_name())),
            ("volume_id", text(ebs.volume_id())),
            ("delete_on_termination", flag(ebs.delete_on_termination())),
        ]))
    });
    attributes.insert(DEVICES, Value::tuple(devices.collect::<Vec<_>>()));
    attributes.insert(ROOT, text(it.root_device_name()));
    let state = it.state().and_then(|state| state.name());
    let phase = match state {
        Some(InstanceStateName::Pending) => Phase::Pending,
        Some(InstanceStateName::ShuttingDown) => Phase::Going,
        Some(InstanceStateName::Terminated) => Phase::Gone,
        _ => Phase::Ready,
    };
    let index = it.ami_launch_index().and_then(|index| u32::try_from(index).ok());
    let why = it.state_reason().and_then(|reason| reason.message()).map(str::to_owned);
    let seen = Seen::ready(id, attributes)
        .tagged(session, tagging::read(it.tags.as_deref()))
        .in_phase(phase);
    Seen { index: index.unwrap_or_default(), why, ..seen }
}

fn network(it: &Instance) -> BTreeMap<&'static str, Value> {
    let first = it.network_interfaces().iter().find(|interface| {
        interface
            .attachment()
            .and_then(aws_sdk_ec2::types::InstanceNetworkInterfaceAttachment::device_index)
            == Some(0)
    });
    // Those of the first network interface; where none is told, those that are told of the machine.
    let own = first
        .map(aws_sdk_ec2::types::InstanceNetworkInterface::groups)
        .filter(|groups| !groups.is_empty());
    let groups = own.unwrap_or(it.security_groups()).iter().filter_map(|group| group.group_id());
    let ipv6 = first
        .map(aws_sdk_ec2::types::InstanceNetworkInterface::ipv6_addresses)
        .unwrap_or_default()
        .iter()
        .filter_map(|it| it.ipv6_address());
    let mut attributes = BTreeMap::from([
        ("subnet_id", filled(it.subnet_id())),
        ("private_ip", filled(it.private_ip_address())),
        ("private_dns", filled(it.private_dns_name())),
        ("public_ip", filled(it.public_ip_address())),
        ("public_dns", filled(it.public_dns_name())),
        ("vpc_security_group_ids", text_set(groups)),
        ("primary_network_interface_id", text(first.and_then(|it| it.network_interface_id()))),
        (IPV6_COUNT, number(i32::try_from(ipv6.clone().count()).ok())),
        (IPV6, texts(ipv6)),
    ]);
    if let Some(is_checked) = it.source_dest_check() {
        attributes.insert("source_dest_check", is_checked.into());
    }
    // Without a public address it may be stopped, and another's (an elastic one) says nothing of how it was made.
    let public = first.and_then(|it| it.association()).and_then(|it| it.ip_owner_id());
    if public == Some("amazon") {
        attributes.insert("associate_public_ip_address", true.into());
    }
    attributes
}

/// Addresses as numbers, in whatever order and way they are written.
fn addresses(value: Option<&Value>) -> BTreeSet<Ipv6Addr> {
    let items = value.and_then(Value::as_items).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str()?.parse().ok()).collect()
}

/// Whether a machine has the IPv6 addresses that it was asked for with.
pub(super) fn has_addresses(seen: &Seen, asked: Given<'_>) -> bool {
    let told = addresses(seen.attributes.get(IPV6));
    match asked.number(IPV6_COUNT) {
        Some(count) => usize::try_from(count) == Ok(told.len()),
        None => asked.is_left_out(IPV6) || addresses(asked.0.get(IPV6).as_ref()) == told,
    }
}

fn own(it: &Instance) -> BTreeMap<&'static str, Value> {
    let placement = it.placement();
    let state = it.state().and_then(|state| state.name()).map(InstanceStateName::as_str);
    let profile = it.iam_instance_profile().and_then(|profile| profile.arn());
    let profile = profile.map(|arn| arn.rsplit('/').next().unwrap_or(arn));
    let monitoring = it.monitoring().and_then(|monitoring| monitoring.state());
    let is_monitored = monitoring
        .map(|state| matches!(state, MonitoringState::Enabled | MonitoringState::Pending));
    let launched = it.launch_time().and_then(|time| time.fmt(Format::DateTime).ok());
    let lifecycle = it.instance_lifecycle().map(aws_sdk_ec2::types::InstanceLifecycleType::as_str);
    let mut attributes = BTreeMap::from([
        ("ami", filled(it.image_id())),
        ("instance_type", text(it.instance_type().map(aws_sdk_ec2::types::InstanceType::as_str))),
        ("key_name", filled(it.key_name())),
        ("iam_instance_profile", filled(profile)),
        ("ebs_optimized", flag(Some(it.ebs_optimized().unwrap_or_default()))),
        ("monitoring", flag(is_monitored)),
        ("availability_zone", text(placement.and_then(|it| it.availability_zone()))),
        ("placement_group", filled(placement.and_then(|it| it.group_name()))),
        (
            "placement_partition_number",
            number(placement.and_then(aws_sdk_ec2::types::Placement::partition_number)),
        ),
        ("tenancy", text(placement.and_then(|it| it.tenancy()).map(Tenancy::as_str))),
        ("instance_state", text(state)),
        ("launch_time", text(launched.as_deref())),
        ("instance_lifecycle", filled(lifecycle)),
        ("spot_instance_request_id", filled(it.spot_instance_request_id())),
    ]);
    if let Some(metadata) = it.metadata_options() {
        let tags = metadata
            .instance_metadata_tags()
            .map(aws_sdk_ec2::types::InstanceMetadataTagsState::as_str);
        let block = Value::object([
            (
                "http_endpoint",
                text(
                    metadata
                        .http_endpoint()
                        .map(aws_sdk_ec2::types::InstanceMetadataEndpointState::as_str),
                ),
            ),
            (
                "http_tokens",
                text(metadata.http_tokens().map(aws_sdk_ec2::types::HttpTokensState::as_str)),
            ),
            ("http_put_response_hop_limit", number(metadata.http_put_response_hop_limit())),
            (
                "http_protocol_ipv6",
                text(
                    metadata
                        .http_protocol_ipv6()
                        .map(aws_sdk_ec2::types::InstanceMetadataProtocolState::as_str),
                ),
            ),
            ("instance_metadata_tags", text(tags)),
        ]);
        attributes.insert("metadata_options", Value::list(block.ty(), [block.clone()]));
    }
    attributes
}

/// Reads what the configuration asks for and the description does not tell.
pub(super) async fn complete(
    session: &Session,
    seen: &mut Seen,
    recorded: Given<'_>,
) -> Result<(), ProviderError> {
    let beside = Beside::of(session, &[(seen.clone(), recorded)]).await;
    complete_with(session, &beside, seen, recorded).await
}

/// The same of many.
pub(super) async fn complete_all(
    session: &Session,
    all: Vec<(Seen, Given<'_>)>,
) -> Vec<Result<Seen, ProviderError>> {
    let beside = &Beside::of(session, &all).await;
    let each = all.into_iter().map(|(mut seen, recorded)| async move {
        complete_with(session, beside, &mut seen, recorded).await.map(|()| seen)
    });
    join_all(each).await
}

async fn complete_with(
    session: &Session,
    beside: &Beside,
    seen: &mut Seen,
    recorded: Given<'_>,
) -> Result<(), ProviderError> {
    // AWS tells them in its own order and writes them in its own way.
    if let Some(known) = recorded.0.get(IPV6).filter(|known| !known.is_null())
        && addresses(Some(&known)) == addresses(seen.attributes.get(IPV6))
    {
        seen.attributes.insert(IPV6, known);
    }
    let is_from_template = !recorded.blocks("launch_template").is_empty();
    if is_from_template && recorded.is_left_out("iam_instance_profile") {
        seen.attributes.remove("iam_instance_profile");
    }
    for (name, attribute) in [
        ("disable_api_termination", InstanceAttributeName::DisableApiTermination),
        ("disable_api_stop", InstanceAttributeName::DisableApiStop),
    ] {
        // Only what differs from a new machine's is worth a call.
        if recorded.flag(name) == Some(true) {
            let answer = attribute_of(session, &seen.id, attribute).await?;
            let value = match name {
                "disable_api_stop" => answer.disable_api_stop(),
                _ => answer.disable_api_termination(),
            };
            seen.attributes.insert(
                name,
                flag(value.and_then(aws_sdk_ec2::types::AttributeBooleanValue::value)),
            );
        }
    }
    let name = "instance_initiated_shutdown_behavior";
    if recorded.text(name).as_deref() == Some("terminate") {
        let attribute = InstanceAttributeName::InstanceInitiatedShutdownBehavior;
        let answer = attribute_of(session, &seen.id, attribute).await?;
        let value = answer.instance_initiated_shutdown_behavior();
        seen.attributes.insert(name, text(value.and_then(|it| it.value())));
    }
    if !recorded.blocks("credit_specification").is_empty() {
        let credits = told(&beside.credits, &seen.id)?;
        let block = Value::object([("cpu_credits", text(credits.map(String::as_str)))]);
        seen.attributes.insert("credit_specification", Value::list(block.ty(), [block.clone()]));
    }
    if let Some(id) = origin::template_of(seen, recorded)
        && let Some(template) = told(&beside.templates, &id)?
    {
        origin::outdated(session, seen, template, recorded);
    }
    read_user_data(session, seen, recorded).await?;
    disks(session, beside, seen, recorded)
}

type Told<T> = BTreeMap<String, Result<Option<T>, ProviderError>>;

/// What is told of machines beside their description. However many they are, all of it is asked for at the same moment: machines
/// that ask one after the other, each when its turn comes, would be served by several calls.
struct Beside {
    /// By their ids.
    volumes: Told<Seen>,
    /// By the ids of their machines.
    credits: Told<String>,
    /// By their ids.
    templates: Told<Seen>,
}

impl Beside {
    async fn of(session: &Session, all: &[(Seen, Given<'_>)]) -> Self {
        let volumes = all.iter().flat_map(|(seen, recorded)| asked_disks(seen, *recorded));
        let volumes: Vec<String> = volumes.collect::<BTreeSet<_>>().into_iter().collect();
        let has_credits = |recorded: Given<'_>| !recorded.blocks("credit_specification").is_empty();
        let credited = all.iter().filter(|(_, recorded)| has_credits(*recorded));
        let credited: Vec<String> = credited.map(|(seen, _)| seen.id.clone()).collect();
        let templates = all.iter().filter_map(|(seen, it)| origin::template_of(seen, *it));
        let templates: Vec<String> = templates.collect::<BTreeSet<_>>().into_iter().collect();
        let (disks, credits, described) = join3(
            session.look_all("aws_ebs_volume", volumes.clone()),
            session.credits.ask_all(credited.clone()),
            session.look_all(launch_template::NAME, templates.clone()),
        )
        .await;
        Self {
            volumes: volumes.into_iter().zip(disks).collect(),
            credits: credited.into_iter().zip(credits).collect(),
            templates: templates.into_iter().zip(described).collect(),
        }
    }
}

fn told<'t, T>(all: &'t Told<T>, id: &str) -> Result<Option<&'t T>, ProviderError> {
    match all.get(id) {
        Some(Ok(told)) => Ok(told.as_ref()),
        Some(Err(error)) => Err(error.clone()),
        None => Ok(None),
    }
}

/// The disks of a machine that the configuration says something of.
fn asked_disks(seen: &Seen, recorded: Given<'_>) -> Vec<String> {
    let is_root_asked =
        !recorded.blocks("root_block_device").is_empty() || !recorded.is_left_out("volume_tags");
    let blocks = recorded.blocks("ebs_block_device");
    let names: BTreeSet<String> =
        blocks.iter().filter_map(|block| Given(block).text("device_name")).collect();
    let root = root(seen).filter(|_| is_root_asked);
    let named = devices(seen).into_iter().filter(|device| names.contains(&device.name));
    named.chain(root).map(|device| device.volume).collect()
}

/// The same of a machine that is to be imported: whatever the configuration says is read, also where it says what a new machine
/// has.
pub(super) async fn found(
    session: &Session,
    seen: &mut Seen,
    asked: Given<'_>,
) -> Result<(), ProviderError> {
    // User data is read of a machine that was launched at another time than is recorded.
    let mut all = with(asked.0, "launch_time", "".into());
    for name in ["disable_api_termination", "disable_api_stop"] {
        if asked.flag(name).is_some() {
            all = with(&all, name, true.into());
        }
    }
    let name = "instance_initiated_shutdown_behavior";
    if asked.text(name).is_some() {
        all = with(&all, name, "terminate".into());
    }
    complete(session, seen, Given(&all)).await?;
    origin::found(session, seen, asked).await?;
    for name in ["user_data", "user_data_base64"] {
        // It is told where it differs.
        if let Some(same) = asked.0.get(name).filter(|value| !value.is_null()) {
            seen.attributes.entry(name).or_insert(same);
        }
    }
    Ok(())
}

type AttributeAnswer =
    aws_sdk_ec2::operation::describe_instance_attribute::DescribeInstanceAttributeOutput;

async fn attribute_of(
    session: &Session,
    id: &str,
    attribute: InstanceAttributeName,
) -> Result<AttributeAnswer, ProviderError> {
    let call = session.ec2().await?.describe_instance_attribute().instance_id(id);
    session.call("DescribeInstanceAttribute", call.attribute(attribute).send()).await
}

/// The user data of a machine, in Base64.
pub(super) async fn user_data(session: &Session, id: &str) -> Result<String, ProviderError> {
    let answer = attribute_of(session, id, InstanceAttributeName::UserData).await?;
    Ok(answer.user_data().and_then(|it| it.value()).unwrap_or_default().to_owned())
}

/// User data changes only while a machine is stopped: one that has run since it was recorded still has it.
async fn read_user_data(
    session: &Session,
    seen: &mut Seen,
    recorded: Given<'_>,
) -> Result<(), ProviderError> {
    let (plain, encoded) = (recorded.text("user_data"), recorded.text("user_data_base64"));
    if plain.is_none() && encoded.is_none() {
        return Ok(());
    }
    let told = |name: &str| seen.attributes.get(name).and_then(Value::as_str);
    let Some(launched) = recorded.text("launch_time") else { return Ok(()) };
    if told("launch_time") == Some(&launched) && told("instance_state") == Some("running") {
        return Ok(());
    }
    let found = user_data(session, &seen.id).await?;
    let bytes = STANDARD.decode(&found).unwrap_or_default();
    if let Some(plain) = plain
        && plain.as_bytes() != bytes
    {
        let found = String::from_utf8_lossy(&bytes).into_owned();
        seen.attributes.insert("user_data", Value::from(found).into_sensitive());
    }
    if let Some(encoded) = encoded
        && STANDARD.decode(&encoded).ok().as_deref() != Some(bytes.as_slice())
    {
        seen.attributes.insert("user_data_base64", Value::from(found).into_sensitive());
    }
    Ok(())
}

/// A disk of a machine.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) volume: String,
    pub(super) is_deleted_with: bool,
}

/// The disks of a machine that has been described.
pub(super) fn devices(seen: &Seen) -> Vec<Device> {
    let items = seen.attributes.get(DEVICES).and_then(Value::as_items).unwrap_or_default();
    let device = |item: &Value| {
        let item = Given(item);
        let is_deleted_with = item.flag("delete_on_termination").unwrap_or_default();
        Some(Device {
            name: item.text("device_name")?,
            volume: item.text("volume_id")?,
            is_deleted_with,
        })
    };
    items.iter().filter_map(device).collect()
}

/// Its root disk.
pub(super) fn root(seen: &Seen) -> Option<Device> {
    let name = seen.attributes.get(ROOT).and_then(Value::as_str)?;
    devices(seen).into_iter().find(|device| device.name == name)
}

fn disks(
    session: &Session,
    beside: &Beside,
    seen: &mut Seen,
    recorded: Given<'_>,
) -> Result<(), ProviderError> {
    if let Some(block) = recorded.blocks("root_block_device").first() {
        let root = match root(seen) {
            Some(device) => Some(disk(beside, &device, block)?),
            None => None,
        };
        let ty = element(session, "root_block_device");
        seen.attributes.insert("root_block_device", Value::list(ty, root));
    }
    let blocks = recorded.blocks("ebs_block_device");
    if !blocks.is_empty() {
        let devices = devices(seen);
        // Only those that the configuration names: others were attached by whatever else.
        let found = blocks.iter().filter_map(|block| {
            let name = Given(block).text("device_name")?;
            Some((devices.iter().find(|device| device.name == name)?, block))
        });
        let found = found.map(|(device, block)| disk(beside, device, block));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let ty = element(session, "ebs_block_device");
        seen.attributes.insert("ebs_block_device", Value::set(ty, found));
    }
    if !recorded.is_left_out("volume_tags")
        && let Some(device) = root(seen)
        && let Some(volume) = told(&beside.volumes, &device.volume)?
        && let Some(tags) = volume.attributes.get("tags")
    {
        seen.attributes.insert("volume_tags", tags.clone());
    }
    Ok(())
}

pub(super) fn element(session: &Session, argument: &str) -> Type {
    let schema: Option<&ResourceSchema> = session.schemas.get(NAME);
    match schema.and_then(|schema| schema.attributes.get(argument)).map(|it| &it.ty) {
        Some(Type::List(element) | Type::Set(element)) => element.as_ref().clone(),
        _ => object([]),
    }
}

/// A block of a disk as it is; what the configuration leaves out stays out.
fn disk(beside: &Beside, device: &Device, given: &Value) -> Result<Value, ProviderError> {
    let Some(volume) = told(&beside.volumes, &device.volume)? else {
        // It does not show yet, or is described by nobody: as it was asked for.
        return Ok(given.clone());
    };
    let shown = |name: &str| volume.attributes.get(name).cloned();
    let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
    for (field, attribute) in [
        ("volume_size", "size"),
        ("volume_type", "type"),
        ("iops", "iops"),
        ("throughput", "throughput"),
        ("encrypted", "encrypted"),
        ("snapshot_id", "snapshot_id"),
        ("kms_key_id", "kms_key_id"),
    ] {
        if let (Some(_), Some(value)) = (given.get(field), shown(attribute)) {
            fields.insert(field, value);
        }
    }
    let asked = Given(given).text("kms_key_id");
    let key = fields.get("kms_key_id").and_then(Value::as_str);
    if let (Some(asked), Some(key)) = (asked, key)
        && key.ends_with(&format!("/{asked}"))
    {
        fields.insert("kms_key_id", asked.into());
    }
    if given.get("device_name").is_some() {
        fields.insert("device_name", device.name.as_str().into());
    }
    fields.insert("delete_on_termination", device.is_deleted_with.into());
    Ok(within(&Value::object(fields), given))
}
