//! Machines: instances, what they are made from, and the disks at them.

mod disk;
mod image;
pub(crate) mod instance;
mod instance_type;
mod launch_template;
mod placement_group;
mod volume;
mod volume_attachment;
mod wait;

use crate::data::Source;
use crate::kind::Kind;
use crate::limits::Apis;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[
    &instance::Instance,
    &launch_template::LaunchTemplate,
    &placement_group::PlacementGroup,
    &volume::Volume,
    &volume_attachment::VolumeAttachment,
];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] = &[&image::Ami, &instance_type::Ec2InstanceType];

/// What is called.
pub(crate) const APIS: Apis = Apis {
    reading: &[
        "DescribeIamInstanceProfileAssociations",
        "DescribeImages",
        "DescribeInstanceAttribute",
        "DescribeInstanceCreditSpecifications",
        "DescribeInstanceTypes",
        "DescribeInstances",
        "DescribeLaunchTemplateVersions",
        "DescribeLaunchTemplates",
        "DescribePlacementGroups",
        "DescribeSpotInstanceRequests",
        "DescribeVolumes",
    ],
    changing: &[
        "AssignIpv6Addresses",
        "AssociateIamInstanceProfile",
        "AttachVolume",
        "CreateLaunchTemplate",
        "CreateLaunchTemplateVersion",
        "CreatePlacementGroup",
        "CreateVolume",
        "DeleteLaunchTemplate",
        "DeletePlacementGroup",
        "DeleteVolume",
        "DetachVolume",
        "DisassociateIamInstanceProfile",
        "ModifyInstanceAttribute",
        "ModifyInstanceCreditSpecification",
        "ModifyInstanceMetadataOptions",
        "ModifyLaunchTemplate",
        "ModifyVolume",
        "MonitorInstances",
        "ReplaceIamInstanceProfileAssociation",
        "StartInstances",
        "StopInstances",
        "UnassignIpv6Addresses",
        "UnmonitorInstances",
    ],
    unlimited: &[],
};
