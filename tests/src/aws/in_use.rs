//! Checks that moto lacks: what is used is not deleted, and some changes want a stopped instance. The texts are EC2's.
//!
//! Refuses to know: what moto checks by itself, such as a route table with associations.

use super::answer::Refusal;
use super::call::Call;
use super::states::States;
use super::xml::Element;

/// Asks moto for a description: operation and parameters.
pub(super) type Ask<'a> = &'a dyn Fn(&str, &[(&str, &str)]) -> Element;

/// What a call is told because something uses, or is not in the state for, what it names.
pub(super) fn refuse(call: &Call, states: &States, ask: Ask<'_>) -> Option<Refusal> {
    let named = |name: &str| call.parameter(name).unwrap_or_default();
    match call.operation.as_str() {
        "DeleteSubnet" => subnet(named("SubnetId"), states, ask),
        "DeleteSecurityGroup" => security_group(named("GroupId"), states, ask),
        "DeleteVpc" => vpc(named("VpcId"), ask),
        "DetachInternetGateway" => gateway(named("VpcId"), states, ask),
        "DeleteInternetGateway" => attached_gateway(named("InternetGatewayId"), ask),
        "DeleteVolume" => volume(named("VolumeId"), ask),
        "ReleaseAddress" => address(named("AllocationId"), ask),
        "ModifyInstanceAttribute" => stopped(call, states, ask),
        _ => None,
    }
}

fn dependency(text: String) -> Refusal {
    Refusal::new("DependencyViolation", text)
}

/// Whether an instance in moto's description still uses what it was launched into.
fn is_there(instance: &Element, states: &States) -> bool {
    let ends = states.shown(instance.text_at("instanceId")) == Some("shutting-down");
    ends || instance.text_at("instanceState/name") != "terminated"
}

fn instances(answer: &Element) -> Vec<&Element> {
    let sets = answer.all("instancesSet");
    sets.into_iter().flat_map(|set| &set.children).collect()
}

fn nat_gateways(filter: &str, id: &str, states: &States, ask: Ask<'_>) -> bool {
    let found = ask("DescribeNatGateways", &[("Filter.1.Name", filter), ("Filter.1.Value.1", id)]);
    let lives = |gateway: &Element| {
        states.shown(gateway.text_at("natGatewayId")).is_some()
            || gateway.text_at("state") != "deleted"
    };
    found.at("natGatewaySet").is_some_and(|set| set.children.iter().any(lives))
}

fn subnet(id: &str, states: &States, ask: Ask<'_>) -> Option<Refusal> {
    // An instance that ends has lost its interfaces in moto's eyes, so they are looked through here.
    let found = ask("DescribeInstances", &[]);
    let is_in = |instance: &&&Element| {
        let in_subnet = instance.all("subnetId").iter().any(|subnet| subnet.text == id);
        in_subnet && is_there(instance, states)
    };
    let is_used = instances(&found).iter().any(|instance| is_in(&instance))
        || nat_gateways("subnet-id", id, states, ask);
    is_used
        .then(|| dependency(format!("The subnet '{id}' has dependencies and cannot be deleted.")))
}

fn security_group(id: &str, states: &States, ask: Ask<'_>) -> Option<Refusal> {
    let found = ask("DescribeInstances", &[]);
    let has_group = |instance: &&Element| {
        instance.all("groupId").iter().any(|group| group.text == id) && is_there(instance, states)
    };
    let groups = ask("DescribeSecurityGroups", &[]);
    let refers = |group: &Element| {
        let permissions = ["ipPermissions", "ipPermissionsEgress"].into_iter();
        let sources =
            permissions.filter_map(|set| group.at(set)).flat_map(|set| set.all("groupId"));
        group.text_at("groupId") != id && sources.into_iter().any(|source| source.text == id)
    };
    let is_used = instances(&found).iter().any(has_group)
        || groups.at("securityGroupInfo").is_some_and(|set| set.children.iter().any(refers));
    is_used.then(|| dependency(format!("resource {id} has a dependent object")))
}

fn vpc(id: &str, ask: Ask<'_>) -> Option<Refusal> {
    let in_vpc = |operation: &str, filter: &str| {
        ask(operation, &[("Filter.1.Name", filter), ("Filter.1.Value.1", id)])
    };
    let any = |answer: &Element, set: &str, counts: &dyn Fn(&Element) -> bool| {
        answer.at(set).is_some_and(|set| set.children.iter().any(counts))
    };
    let is_custom = |group: &Element| group.text_at("groupName") != "default";
    let is_own = |table: &Element| !table.all("main").iter().any(|main| main.text == "true");
    let is_used = any(&in_vpc("DescribeSubnets", "vpc-id"), "subnetSet", &|_| true)
        || any(
            &in_vpc("DescribeInternetGateways", "attachment.vpc-id"),
            "internetGatewaySet",
            &|_| true,
        )
        || any(&in_vpc("DescribeSecurityGroups", "vpc-id"), "securityGroupInfo", &is_custom)
        || any(&in_vpc("DescribeRouteTables", "vpc-id"), "routeTableSet", &is_own);
    is_used.then(|| dependency(format!("The vpc '{id}' has dependencies and cannot be deleted.")))
}

/// A gateway is not detached while something in the network has a public address.
fn gateway(vpc: &str, states: &States, ask: Ask<'_>) -> Option<Refusal> {
    let found = ask("DescribeInstances", &[]);
    let is_public = |instance: &&Element| {
        let has_address =
            !instance.all("publicIp").is_empty() || instance.at("ipAddress").is_some();
        instance.text_at("vpcId") == vpc && has_address && is_there(instance, states)
    };
    let is_used =
        instances(&found).iter().any(is_public) || nat_gateways("vpc-id", vpc, states, ask);
    is_used.then(|| {
        dependency(format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the \
             gateway."
        ))
    })
}

fn attached_gateway(id: &str, ask: Ask<'_>) -> Option<Refusal> {
    let found = ask("DescribeInternetGateways", &[("InternetGatewayId.1", id)]);
    let is_attached = found.all("attachmentSet").iter().any(|set| !set.children.is_empty());
    let text = || format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
    is_attached.then(|| dependency(text()))
}

fn volume(id: &str, ask: Ask<'_>) -> Option<Refusal> {
    let found = ask("DescribeVolumes", &[("VolumeId.1", id)]);
    let attachment = found.all("attachmentSet").into_iter().find_map(|set| set.children.first())?;
    let instance = attachment.text_at("instanceId");
    Some(Refusal::new("VolumeInUse", format!("Volume {id} is currently attached to {instance}")))
}

fn address(allocation: &str, ask: Ask<'_>) -> Option<Refusal> {
    let found = ask("DescribeAddresses", &[("AllocationId.1", allocation)]);
    let address = found.at("addressesSet/item")?;
    let is_used = !address.text_at("associationId").is_empty();
    let text = || format!("Address {} is in use.", address.text_at("publicIp"));
    is_used.then(|| Refusal::new("InvalidIPAddress.InUse", text()))
}

/// Attributes that are changed only of a stopped instance.
fn stopped(call: &Call, states: &States, ask: Ask<'_>) -> Option<Refusal> {
    let attributes = ["InstanceType.Value", "UserData.Value", "EbsOptimized.Value", "Kernel.Value"];
    if !attributes.iter().any(|attribute| call.parameter(attribute).is_some()) {
        return None;
    }
    let id = call.parameter("InstanceId")?;
    let found = ask("DescribeInstances", &[("InstanceId.1", id)]);
    let state =
        instances(&found).first().map(|one| one.text_at("instanceState/name").to_owned())?;
    let is_stopped = state == "stopped" && states.shown(id).is_none();
    let text = || format!("The instance '{id}' is not in the 'stopped' state.");
    (!is_stopped).then(|| Refusal::new("IncorrectInstanceState", text()))
}
