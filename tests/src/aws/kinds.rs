//! The kinds of objects: how they are called in tags, what makes and deletes them, and what is said when one is absent.

/// A kind of object.
#[derive(Debug)]
pub(super) struct Kind {
    /// As in tag specifications.
    pub(super) name: &'static str,
    /// What ids begin with.
    pub(super) prefix: &'static str,
    /// The code when there is none of that id.
    pub(super) absent: &'static str,
}

const fn kind(name: &'static str, prefix: &'static str, absent: &'static str) -> Kind {
    Kind { name, prefix, absent }
}

/// Longer prefixes before those that they begin with.
pub(super) const KINDS: &[Kind] = &[
    kind("instance", "i-", "InvalidInstanceID.NotFound"),
    kind("volume", "vol-", "InvalidVolume.NotFound"),
    kind("vpc-cidr", "vpc-cidr-assoc-", "InvalidVpcCidrBlockAssociationID.NotFound"),
    kind("vpc", "vpc-", "InvalidVpcID.NotFound"),
    kind("subnet", "subnet-", "InvalidSubnetID.NotFound"),
    kind("internet-gateway", "igw-", "InvalidInternetGatewayID.NotFound"),
    kind("natgateway", "nat-", "NatGatewayNotFound"),
    kind("elastic-ip", "eipalloc-", "InvalidAllocationID.NotFound"),
    kind("address-association", "eipassoc-", "InvalidAssociationID.NotFound"),
    kind("route-table", "rtb-", "InvalidRouteTableID.NotFound"),
    kind("route-table-association", "rtbassoc-", "InvalidAssociationID.NotFound"),
    kind("security-group", "sg-", "InvalidGroup.NotFound"),
    kind("security-group-rule", "sgr-", "InvalidSecurityGroupRuleId.NotFound"),
    kind("key-pair", "key-", "InvalidKeyPair.NotFound"),
    kind("snapshot", "snap-", "InvalidSnapshot.NotFound"),
    kind("image", "ami-", "InvalidAMIID.NotFound"),
    kind("launch-template", "lt-", "InvalidLaunchTemplateId.NotFound"),
    kind("placement-group", "pg-", "InvalidPlacementGroup.Unknown"),
    kind("network-interface", "eni-", "InvalidNetworkInterfaceID.NotFound"),
    kind("network-acl", "acl-", "InvalidNetworkAclID.NotFound"),
];

/// What an operation makes: kind, the set that its objects are in (or none), and the element with the id.
pub(super) const MADE: &[(&str, &str, &str, &str)] = &[
    ("RunInstances", "instance", "instancesSet", "instanceId"),
    ("CreateVpc", "vpc", "vpc", "vpcId"),
    ("CreateSubnet", "subnet", "subnet", "subnetId"),
    ("CreateInternetGateway", "internet-gateway", "internetGateway", "internetGatewayId"),
    ("CreateNatGateway", "natgateway", "natGateway", "natGatewayId"),
    ("AllocateAddress", "elastic-ip", "", "allocationId"),
    ("AssociateAddress", "address-association", "", "associationId"),
    ("CreateRouteTable", "route-table", "routeTable", "routeTableId"),
    ("AssociateRouteTable", "route-table-association", "", "associationId"),
    ("ReplaceRouteTableAssociation", "route-table-association", "", "newAssociationId"),
    ("CreateSecurityGroup", "security-group", "", "groupId"),
    (
        "AuthorizeSecurityGroupIngress",
        "security-group-rule",
        "securityGroupRuleSet",
        "securityGroupRuleId",
    ),
    (
        "AuthorizeSecurityGroupEgress",
        "security-group-rule",
        "securityGroupRuleSet",
        "securityGroupRuleId",
    ),
    ("CreateKeyPair", "key-pair", "", "keyPairId"),
    ("ImportKeyPair", "key-pair", "", "keyPairId"),
    ("CreateVolume", "volume", "", "volumeId"),
    ("CreateSnapshot", "snapshot", "", "snapshotId"),
    ("CreateSnapshots", "snapshot", "snapshotSet", "snapshotId"),
    ("CopySnapshot", "snapshot", "", "snapshotId"),
    ("CreateImage", "image", "", "imageId"),
    ("CopyImage", "image", "", "imageId"),
    ("RegisterImage", "image", "", "imageId"),
    ("CreateLaunchTemplate", "launch-template", "launchTemplate", "launchTemplateId"),
    ("CreatePlacementGroup", "placement-group", "placementGroup", "groupId"),
    ("CreateNetworkInterface", "network-interface", "networkInterface", "networkInterfaceId"),
    ("CreateNetworkAcl", "network-acl", "networkAcl", "networkAclId"),
];

/// What an operation deletes: the parameters that name it, by id or by name.
pub(super) const DELETED: &[(&str, &[&str])] = &[
    ("TerminateInstances", &["InstanceId"]),
    ("DeleteVpc", &["VpcId"]),
    ("DeleteSubnet", &["SubnetId"]),
    ("DeleteInternetGateway", &["InternetGatewayId"]),
    ("DeleteNatGateway", &["NatGatewayId"]),
    ("ReleaseAddress", &["AllocationId"]),
    ("DisassociateAddress", &["AssociationId"]),
    ("DeleteRouteTable", &["RouteTableId"]),
    ("DisassociateRouteTable", &["AssociationId"]),
    ("ReplaceRouteTableAssociation", &["AssociationId"]),
    ("DeleteSecurityGroup", &["GroupId"]),
    ("RevokeSecurityGroupIngress", &["SecurityGroupRuleId"]),
    ("RevokeSecurityGroupEgress", &["SecurityGroupRuleId"]),
    ("DeleteKeyPair", &["KeyPairId", "KeyName"]),
    ("DeleteVolume", &["VolumeId"]),
    ("DeleteSnapshot", &["SnapshotId"]),
    ("DeregisterImage", &["ImageId"]),
    ("DeleteLaunchTemplate", &["LaunchTemplateId", "LaunchTemplateName"]),
    ("DeletePlacementGroup", &["GroupName"]),
    ("DeleteNetworkInterface", &["NetworkInterfaceId"]),
    ("DeleteNetworkAcl", &["NetworkAclId"]),
    ("DeleteBucket", &["Bucket"]),
];

/// How descriptions list objects: the set, and the element with the id of each.
pub(super) const LISTED: &[(&str, &str, &str)] = &[
    ("DescribeInstances", "instancesSet", "instanceId"),
    ("DescribeInstanceStatus", "instanceStatusSet", "instanceId"),
    ("DescribeVolumes", "volumeSet", "volumeId"),
    ("DescribeVpcs", "vpcSet", "vpcId"),
    ("DescribeSubnets", "subnetSet", "subnetId"),
    ("DescribeInternetGateways", "internetGatewaySet", "internetGatewayId"),
    ("DescribeNatGateways", "natGatewaySet", "natGatewayId"),
    ("DescribeAddresses", "addressesSet", "allocationId"),
    ("DescribeRouteTables", "routeTableSet", "routeTableId"),
    ("DescribeSecurityGroups", "securityGroupInfo", "groupId"),
    ("DescribeSecurityGroupRules", "securityGroupRuleSet", "securityGroupRuleId"),
    ("DescribeKeyPairs", "keySet", "keyPairId"),
    ("DescribeSnapshots", "snapshotSet", "snapshotId"),
    ("DescribeImages", "imagesSet", "imageId"),
    ("DescribeLaunchTemplates", "launchTemplates", "launchTemplateId"),
    ("DescribePlacementGroups", "placementGroupSet", "groupId"),
    ("DescribeNetworkInterfaces", "networkInterfaceSet", "networkInterfaceId"),
    ("DescribeTags", "tagSet", "resourceId"),
];

/// Parameters that give an object its name.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("CreateKeyPair", "KeyName"),
    ("ImportKeyPair", "KeyName"),
    ("CreateLaunchTemplate", "LaunchTemplateName"),
    ("CreatePlacementGroup", "GroupName"),
    ("CreateBucket", "Bucket"),
];

/// The kind that an id is of.
pub(super) fn of_id(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| id.starts_with(kind.prefix))
}
