//! What a version of a launch template says, to AWS and from it.

use crate::arguments::{Given, filled, flag, number, text, text_set};
use crate::marker::Tags;
use crate::tagging;
use aws_sdk_ec2::types::{
    CreditSpecificationRequest, InstanceInterruptionBehavior, InstanceType,
    LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataTagsState,
    LaunchTemplateInstanceNetworkInterfaceSpecification,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplatePlacementRequest,
    LaunchTemplateSpotMarketOptionsRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplatesMonitoringRequest, MarketType, RequestLaunchTemplateData, ResourceType,
    ResponseLaunchTemplateData, ShutdownBehavior, SpotInstanceType, Tenancy, VolumeType,
};
use model::{Type, Value};
use std::collections::BTreeMap;

/// The version that arguments ask for.
pub(super) fn asked(given: Given<'_>) -> RequestLaunchTemplateData {
    let shutdown = given.text("instance_initiated_shutdown_behavior");
    let all = |name: &str| Some(given.blocks(name)).filter(|blocks| !blocks.is_empty());
    let each = |name: &str| all(name).unwrap_or_default();
    let data = RequestLaunchTemplateData::builder()
        .set_image_id(given.text("image_id"))
        .set_instance_type(given.text("instance_type").as_deref().map(InstanceType::from))
        .set_key_name(given.text("key_name"))
        .set_user_data(given.text("user_data"))
        .set_security_group_ids(given.texts("vpc_security_group_ids"))
        .set_ebs_optimized(given.flag("ebs_optimized"))
        .set_disable_api_termination(given.flag("disable_api_termination"))
        .set_disable_api_stop(given.flag("disable_api_stop"))
        .set_instance_initiated_shutdown_behavior(shutdown.as_deref().map(ShutdownBehavior::from))
        .set_block_device_mappings(
            all("block_device_mappings")
                .map(|blocks| blocks.iter().map(|block| mapping(Given(block))).collect()),
        )
        .set_network_interfaces(
            all("network_interfaces")
                .map(|blocks| blocks.iter().map(|block| interface(Given(block))).collect()),
        )
        .set_tag_specifications(
            all("tag_specifications")
                .map(|blocks| blocks.iter().map(|block| tags(Given(block))).collect()),
        );
    let profile = each("iam_instance_profile").first().map(|block| {
        LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
            .set_name(Given(block).text("name"))
            .set_arn(Given(block).text("arn"))
            .build()
    });
    let monitoring = each("monitoring").first().map(|block| {
        let is_on = Given(block).flag("enabled");
        LaunchTemplatesMonitoringRequest::builder().set_enabled(is_on).build()
    });
    let credits = each("credit_specification").first().map(|block| {
        let credits = Given(block).text("cpu_credits");
        CreditSpecificationRequest::builder().set_cpu_credits(credits).build()
    });
    data.set_iam_instance_profile(profile)
        .set_monitoring(monitoring)
        .set_credit_specification(credits)
        .set_placement(each("placement").first().map(|block| placement(Given(block))))
        .set_metadata_options(each("metadata_options").first().map(|it| metadata(Given(it))))
        .set_instance_market_options(
            each("instance_market_options").first().map(|it| market(Given(it))),
        )
        .build()
}

fn mapping(block: Given<'_>) -> LaunchTemplateBlockDeviceMappingRequest {
    let ebs = block.blocks("ebs").first().map(|ebs| {
        let ebs = Given(ebs);
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_volume_size(ebs.number("volume_size"))
            .set_volume_type(ebs.text("volume_type").as_deref().map(VolumeType::from))
            .set_iops(ebs.number("iops"))
            .set_throughput(ebs.number("throughput"))
            .set_encrypted(ebs.flag("encrypted"))
            .set_kms_key_id(ebs.text("kms_key_id"))
            .set_snapshot_id(ebs.text("snapshot_id"))
            .set_delete_on_termination(ebs.flag("delete_on_termination"))
            .build()
    });
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(block.text("device_name"))
        .set_no_device(block.text("no_device"))
        .set_virtual_name(block.text("virtual_name"))
        .set_ebs(ebs)
        .build()
}

fn interface(block: Given<'_>) -> LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .set_device_index(block.number("device_index"))
        .set_subnet_id(block.text("subnet_id"))
        .set_groups(block.texts("security_groups"))
        .set_associate_public_ip_address(block.flag("associate_public_ip_address"))
        .set_delete_on_termination(block.flag("delete_on_termination"))
        .set_private_ip_address(block.text("private_ip_address"))
        .set_description(block.text("description"))
        .build()
}

fn tags(block: Given<'_>) -> LaunchTemplateTagSpecificationRequest {
    let tags: Tags = block.map("tags").unwrap_or_default();
    LaunchTemplateTagSpecificationRequest::builder()
        .set_resource_type(block.text("resource_type").as_deref().map(ResourceType::from))
        .set_tags(Some(tagging::list(&tags)))
        .build()
}

fn placement(block: Given<'_>) -> LaunchTemplatePlacementRequest {
    LaunchTemplatePlacementRequest::builder()
        .set_availability_zone(block.text("availability_zone"))
        .set_group_name(block.text("group_name"))
        .set_partition_number(block.number("partition_number"))
        .set_tenancy(block.text("tenancy").as_deref().map(Tenancy::from))
        .build()
}

fn metadata(block: Given<'_>) -> LaunchTemplateInstanceMetadataOptionsRequest {
    let word = |name| block.text(name);
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .set_http_endpoint(
            word("http_endpoint").as_deref().map(LaunchTemplateInstanceMetadataEndpointState::from),
        )
        .set_http_tokens(word("http_tokens").as_deref().map(LaunchTemplateHttpTokensState::from))
        .set_http_put_response_hop_limit(block.number("http_put_response_hop_limit"))
        .set_instance_metadata_tags(
            word("instance_metadata_tags")
                .as_deref()
                .map(LaunchTemplateInstanceMetadataTagsState::from),
        )
        .build()
}

fn market(block: Given<'_>) -> LaunchTemplateInstanceMarketOptionsRequest {
    let spot = block.blocks("spot_options").first().map(|spot| {
        let spot = Given(spot);
        let behaviour = spot.text("instance_interruption_behavior");
        LaunchTemplateSpotMarketOptionsRequest::builder()
            .set_max_price(spot.text("max_price"))
            .set_spot_instance_type(
                spot.text("spot_instance_type").as_deref().map(SpotInstanceType::from),
            )
            .set_instance_interruption_behavior(
                behaviour.as_deref().map(InstanceInterruptionBehavior::from),
            )
            .build()
    });
    LaunchTemplateInstanceMarketOptionsRequest::builder()
        .set_market_type(block.text("market_type").as_deref().map(MarketType::from))
        .set_spot_options(spot)
        .build()
}

/// Blocks as a value, each an object.
fn list(blocks: Vec<Value>) -> Value {
    let ty = blocks.first().map_or(Type::Any, Value::ty);
    if blocks.is_empty() { Value::null(Type::list(Type::Any)) } else { Value::list(ty, blocks) }
}

fn one<const N: usize>(block: Option<[(&str, Value); N]>) -> Value {
    list(block.map(Value::object).into_iter().collect())
}

/// What a version says.
pub(super) fn told(data: &ResponseLaunchTemplateData) -> BTreeMap<&'static str, Value> {
    let shutdown = data.instance_initiated_shutdown_behavior().map(ShutdownBehavior::as_str);
    let groups = data.security_group_ids();
    let user_data = filled(data.user_data()).into_sensitive();
    let mut told = BTreeMap::from([
        ("image_id", filled(data.image_id())),
        ("instance_type", text(data.instance_type().map(InstanceType::as_str))),
        ("key_name", filled(data.key_name())),
        ("user_data", user_data),
        ("ebs_optimized", flag(data.ebs_optimized())),
        ("disable_api_termination", flag(data.disable_api_termination())),
        ("disable_api_stop", flag(data.disable_api_stop())),
        ("instance_initiated_shutdown_behavior", text(shutdown)),
        ("block_device_mappings", list(data.block_device_mappings().iter().map(disk).collect())),
        (
            "network_interfaces",
            list(data.network_interfaces().iter().map(told_interface).collect()),
        ),
        (
            "credit_specification",
            one(data.credit_specification().map(|it| [("cpu_credits", text(it.cpu_credits()))])),
        ),
        ("monitoring", one(data.monitoring().map(|it| [("enabled", flag(it.enabled()))]))),
        (
            "iam_instance_profile",
            one(data
                .iam_instance_profile()
                .map(|it| [("name", text(it.name())), ("arn", text(it.arn()))])),
        ),
    ]);
    let none = Value::null(Type::set(Type::String));
    let groups = if groups.is_empty() { none } else { text_set(groups) };
    told.insert("vpc_security_group_ids", groups);
    told.extend(told_where(data));
    told
}

fn told_where(data: &ResponseLaunchTemplateData) -> BTreeMap<&'static str, Value> {
    let placement = data.placement().map(|it| {
        [
            ("availability_zone", text(it.availability_zone())),
            ("group_name", text(it.group_name())),
            ("partition_number", number(it.partition_number())),
            ("tenancy", text(it.tenancy().map(Tenancy::as_str))),
        ]
    });
    let metadata = data.metadata_options().map(|it| {
        [
            (
                "http_endpoint",
                text(
                    it.http_endpoint().map(
                        aws_sdk_ec2::types::LaunchTemplateInstanceMetadataEndpointState::as_str,
                    ),
                ),
            ),
            (
                "http_tokens",
                text(
                    it.http_tokens().map(aws_sdk_ec2::types::LaunchTemplateHttpTokensState::as_str),
                ),
            ),
            ("http_put_response_hop_limit", number(it.http_put_response_hop_limit())),
            (
                "instance_metadata_tags",
                text(
                    it.instance_metadata_tags()
                        .map(aws_sdk_ec2::types::LaunchTemplateInstanceMetadataTagsState::as_str),
                ),
            ),
        ]
    });
    let market = data.instance_market_options().map(|it| {
        let spot = it.spot_options().map(|it| {
            let behaviour = it
                .instance_interruption_behavior()
                .map(aws_sdk_ec2::types::InstanceInterruptionBehavior::as_str);
            [
                ("max_price", text(it.max_price())),
                (
                    "spot_instance_type",
                    text(it.spot_instance_type().map(aws_sdk_ec2::types::SpotInstanceType::as_str)),
                ),
                ("instance_interruption_behavior", text(behaviour)),
            ]
        });
        [
            ("market_type", text(it.market_type().map(aws_sdk_ec2::types::MarketType::as_str))),
            ("spot_options", one(spot)),
        ]
    });
    let specifications = data.tag_specifications().iter().map(|it| {
        let tags = tagging::read(Some(it.tags()));
        let tags = tags.iter().map(|(key, value)| (key.as_str(), Value::from(value.as_str())));
        Value::object([
            (
                "resource_type",
                text(it.resource_type().map(aws_sdk_ec2::types::ResourceType::as_str)),
            ),
            ("tags", Value::map(Type::String, tags)),
        ])
    });
    BTreeMap::from([
        ("placement", one(placement)),
        ("metadata_options", one(metadata)),
        ("instance_market_options", one(market)),
        ("tag_specifications", list(specifications.collect())),
    ])
}

fn disk(mapping: &LaunchTemplateBlockDeviceMapping) -> Value {
    let ebs = mapping.ebs().map(|it| {
        [
            ("volume_size", number(it.volume_size())),
            ("volume_type", text(it.volume_type().map(VolumeType::as_str))),
            ("iops", number(it.iops())),
            ("throughput", number(it.throughput())),
            ("encrypted", flag(it.encrypted())),
            ("kms_key_id", filled(it.kms_key_id())),
            ("snapshot_id", filled(it.snapshot_id())),
            ("delete_on_termination", flag(it.delete_on_termination())),
        ]
    });
    Value::object([
        ("device_name", text(mapping.device_name())),
        ("no_device", text(mapping.no_device())),
        ("virtual_name", text(mapping.virtual_name())),
        ("ebs", one(ebs)),
    ])
}

fn told_interface(it: &LaunchTemplateInstanceNetworkInterfaceSpecification) -> Value {
    Value::object([
        ("device_index", number(it.device_index())),
        ("subnet_id", filled(it.subnet_id())),
        ("security_groups", text_set(it.groups())),
        ("associate_public_ip_address", flag(it.associate_public_ip_address())),
        ("delete_on_termination", flag(it.delete_on_termination())),
        ("private_ip_address", filled(it.private_ip_address())),
        ("description", filled(it.description())),
    ])
}
