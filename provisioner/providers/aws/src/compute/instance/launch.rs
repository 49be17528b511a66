//! RunInstances: one call for one machine, or for all machines of a batch.
//!
//! Invariants: the call has the engine's token; every machine carries our marker from its creation on; which machine is
//! whose tells its place in the launch. Disks carry the name of the environment and no lineage: they are nobody's objects.

use super::{IPV6, IPV6_COUNT, Instance, NAME};
use crate::arguments::Given;
use crate::client::Session;
use crate::compute::disk;
use crate::kind::{Kind as _, no_id, tags_of};
use crate::limits;
use crate::marker::{self, Tags};
use crate::query::Query;
use crate::tagging;
use crate::together::Made;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreditSpecificationRequest, HttpTokensState,
    IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceIpv6Address,
    InstanceMarketOptionsRequest, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceMetadataProtocolState, InstanceMetadataTagsState,
    InstanceNetworkInterfaceSpecification, InstanceType, LaunchTemplateSpecification, MarketType,
    Placement, ResourceType, RunInstancesMonitoringEnabled, ShutdownBehavior, SpotInstanceType,
    SpotMarketOptions, Tenancy,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provider::{CreateRequest, ErrorClass, ProviderError};
use std::sync::Arc;

/// The machine of a request; those of its batch are made by the same call.
pub(super) async fn launch(
    session: &Arc<Session>,
    request: &CreateRequest,
) -> Result<String, ProviderError> {
    let call = Box::pin(launched(session.clone(), request.clone()));
    let (ids, index) = match &request.batch {
        Some(batch) => (session.together.made(&batch.token, call).await?, batch.index),
        None => (call.await?, 0),
    };
    let id = usize::try_from(index).ok().and_then(|index| ids.get(index).cloned());
    id.ok_or_else(|| no_id("RunInstances"))
}

async fn launched(session: Arc<Session>, request: CreateRequest) -> Made {
    let size = request.batch.as_ref().map_or(1, |batch| batch.size);
    let call = Box::pin(asked(&session, &request, size)).await?;
    session.take(limits::LAUNCHED, size).await;
    let answer = session.call("RunInstances", Box::pin(call.send())).await?;
    let told = answer.instances.unwrap_or_default().into_iter();
    let mut told: Vec<(u32, String)> = told
        .filter_map(|it| Some((u32::try_from(it.ami_launch_index?).ok()?, it.instance_id?)))
        .collect();
    if u32::try_from(told.len()) != Ok(size) {
        let reservation = answer.reservation_id.ok_or_else(|| no_id("RunInstances"))?;
        told = reserved(&session, reservation).await.map_err(ProviderError::maybe_done)?;
    }
    told.sort();
    if told.iter().map(|(index, _)| *index).ne(0..size) {
        let message = format!("RunInstances: {} of {size} machines show so far", told.len());
        return Err(ProviderError::new(ErrorClass::Transient, message).maybe_done());
    }
    Ok(told.into_iter().map(|(_, id)| id).collect())
}

/// The machines of a reservation, with their places in the launch.
async fn reserved(
    session: &Session,
    reservation: String,
) -> Result<Vec<(u32, String)>, ProviderError> {
    let query = Query::Filters(vec![("reservation-id".to_owned(), vec![reservation])]);
    let seen = Instance.describe(session, &query).await?;
    Ok(seen.into_iter().map(|seen| (seen.index, seen.id)).collect())
}

async fn asked(
    session: &Session,
    request: &CreateRequest,
    size: u32,
) -> Result<RunInstancesFluentBuilder, ProviderError> {
    let given = Given(&request.arguments);
    let count = i32::try_from(size).unwrap_or(i32::MAX);
    let token = request.batch.as_ref().map_or(&request.token, |batch| &batch.token);
    let call = session
        .ec2()
        .await?
        .run_instances()
        .min_count(count)
        .max_count(count)
        .client_token(token)
        .tag_specifications(tagging::specification(
            ResourceType::Instance,
            &tags_of(session, request),
        ))
        .tag_specifications(tagging::specification(
            ResourceType::Volume,
            &volume_tags(session, given),
        ))
        .set_block_device_mappings(mappings(session, given).await?);
    Ok(bought(placed(booted(call, given), given), given))
}

/// Tags of the disks.
fn volume_tags(session: &Session, given: Given<'_>) -> Tags {
    let mut tags = session.configuration.default_tags.clone();
    let own = given.map("volume_tags").or_else(|| given.map("tags"));
    tags.extend(own.unwrap_or_default());
    tags.extend(marker::environment(&session.owner));
    tags
}

async fn mappings(
    session: &Session,
    given: Given<'_>,
) -> Result<Option<Vec<BlockDeviceMapping>>, ProviderError> {
    let mut mappings = Vec::new();
    if let Some(block) = given.blocks("root_block_device").first() {
        let device = root_device(session, given).await?;
        mappings.push(disk::mapping(device, Given(block)));
    }
    for block in given.blocks("ebs_block_device") {
        let block = Given(&block);
        mappings.push(disk::mapping(block.needed("device_name")?, block));
    }
    Ok(Some(mappings).filter(|mappings| !mappings.is_empty()))
}

/// What the image calls the device of its root disk.
async fn root_device(session: &Session, given: Given<'_>) -> Result<String, ProviderError> {
    let invalid = |message: String| ProviderError::new(ErrorClass::Invalid, message);
    let Some(image) = given.text("ami") else {
        let message = format!("`root_block_device` of an `{NAME}` needs its `ami`");
        return Err(invalid(message).with_hint("describe the root disk in the launch template"));
    };
    let call = session.ec2().await?.describe_images().image_ids(&image);
    let answer = session.call("DescribeImages", call.send()).await?;
    let found = answer.images.unwrap_or_default().pop();
    let device = found.and_then(|image| image.root_device_name);
    device.ok_or_else(|| invalid(format!("the image `{image}` has no root disk")))
}

/// With what it boots and how it behaves.
fn booted(call: RunInstancesFluentBuilder, given: Given<'_>) -> RunInstancesFluentBuilder {
    let encoded = given.text("user_data").map(|text| STANDARD.encode(text));
    let monitoring = given
        .flag("monitoring")
        .map(|is_on| RunInstancesMonitoringEnabled::builder().enabled(is_on).build());
    let shutdown = given.text("instance_initiated_shutdown_behavior");
    call.set_image_id(given.text("ami"))
        .set_instance_type(given.text("instance_type").as_deref().map(InstanceType::from))
        .set_key_name(given.text("key_name"))
        .set_user_data(encoded.or_else(|| given.text("user_data_base64")))
        .set_iam_instance_profile(given.text("iam_instance_profile").map(profile))
        .set_ebs_optimized(given.flag("ebs_optimized"))
        .set_monitoring(monitoring)
        .set_disable_api_termination(given.flag("disable_api_termination"))
        .set_disable_api_stop(given.flag("disable_api_stop"))
        .set_instance_initiated_shutdown_behavior(shutdown.as_deref().map(ShutdownBehavior::from))
        .set_metadata_options(
            given.blocks("metadata_options").first().map(|it| metadata(Given(it))),
        )
        .set_credit_specification(given.blocks("credit_specification").first().and_then(|block| {
            let credits = Given(block).text("cpu_credits")?;
            Some(CreditSpecificationRequest::builder().cpu_credits(credits).build())
        }))
}

/// An instance profile by its name, or its Amazon resource name.
pub(super) fn profile(name: String) -> IamInstanceProfileSpecification {
    let profile = IamInstanceProfileSpecification::builder();
    if name.starts_with("arn:") { profile.arn(name) } else { profile.name(name) }.build()
}

fn metadata(block: Given<'_>) -> InstanceMetadataOptionsRequest {
    let text = |name| block.text(name);
    InstanceMetadataOptionsRequest::builder()
        .set_http_endpoint(
            text("http_endpoint").as_deref().map(InstanceMetadataEndpointState::from),
        )
        .set_http_tokens(text("http_tokens").as_deref().map(HttpTokensState::from))
        .set_http_put_response_hop_limit(block.number("http_put_response_hop_limit"))
        .set_http_protocol_ipv6(
            text("http_protocol_ipv6").as_deref().map(InstanceMetadataProtocolState::from),
        )
        .set_instance_metadata_tags(
            text("instance_metadata_tags").as_deref().map(InstanceMetadataTagsState::from),
        )
        .build()
}

/// With where it is.
fn placed(call: RunInstancesFluentBuilder, given: Given<'_>) -> RunInstancesFluentBuilder {
    let names = ["availability_zone", "placement_group", "tenancy", "placement_partition_number"];
    let placement = names.iter().any(|name| !given.is_left_out(name)).then(|| {
        Placement::builder()
            .set_availability_zone(given.text("availability_zone"))
            .set_group_name(given.text("placement_group"))
            .set_partition_number(given.number("placement_partition_number"))
            .set_tenancy(given.text("tenancy").as_deref().map(Tenancy::from))
            .build()
    });
    let call = call.set_placement(placement);
    let (subnet, address) = (given.text("subnet_id"), given.text("private_ip"));
    let groups = given.texts("vpc_security_group_ids");
    let count = given.number(IPV6_COUNT);
    let addresses = given.texts(IPV6).filter(|it| !it.is_empty()).map(|addresses| {
        let one = |it: &String| InstanceIpv6Address::builder().ipv6_address(it).build();
        addresses.iter().map(one).collect::<Vec<_>>()
    });
    let Some(is_public) = given.flag("associate_public_ip_address") else {
        return call
            .set_subnet_id(subnet)
            .set_private_ip_address(address)
            .set_ipv6_address_count(count)
            .set_ipv6_addresses(addresses)
            .set_security_group_ids(groups);
    };
    // Only a network interface that is described says whether it is public.
    call.network_interfaces(
        InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .associate_public_ip_address(is_public)
            .delete_on_termination(true)
            .set_subnet_id(subnet)
            .set_private_ip_address(address)
            .set_ipv6_address_count(count)
            .set_ipv6_addresses(addresses)
            .set_groups(groups)
            .build(),
    )
}

/// With how it is paid for, and the template it is made from.
fn bought(call: RunInstancesFluentBuilder, given: Given<'_>) -> RunInstancesFluentBuilder {
    let market = given.blocks("instance_market_options").first().map(|block| {
        let block = Given(block);
        let spot = block.blocks("spot_options").first().map(|spot| spot_options(Given(spot)));
        InstanceMarketOptionsRequest::builder()
            .set_market_type(block.text("market_type").as_deref().map(MarketType::from))
            .set_spot_options(spot)
            .build()
    });
    let template = given.blocks("launch_template").first().map(|block| {
        let block = Given(block);
        LaunchTemplateSpecification::builder()
            .set_launch_template_id(block.text("id"))
            .set_launch_template_name(block.text("name"))
            .set_version(block.text("version"))
            .build()
    });
    call.set_instance_market_options(market).set_launch_template(template)
}

fn spot_options(block: Given<'_>) -> SpotMarketOptions {
    let behaviour = block.text("instance_interruption_behavior");
    SpotMarketOptions::builder()
        .set_max_price(block.text("max_price"))
        .set_spot_instance_type(
            block.text("spot_instance_type").as_deref().map(SpotInstanceType::from),
        )
        .set_instance_interruption_behavior(
            behaviour.as_deref().map(InstanceInterruptionBehavior::from),
        )
        .build()
}
