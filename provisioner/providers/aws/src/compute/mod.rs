//! Machines: instances, what they are made from, and the disks at them.

mod disk;
pub(crate) mod instance;
mod volume;
mod wait;

use crate::data::Source;
use crate::kind::Kind;
use crate::limits::Apis;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[&instance::Instance, &volume::Volume];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] = &[];

/// What is called.
pub(crate) const APIS: Apis = Apis {
    reading: &[
        "DescribeIamInstanceProfileAssociations",
        "DescribeImages",
        "DescribeInstanceAttribute",
        "DescribeInstanceCreditSpecifications",
        "DescribeInstances",
        "DescribeVolumes",
    ],
    changing: &[
        "AssociateIamInstanceProfile",
        "CreateVolume",
        "DeleteVolume",
        "DisassociateIamInstanceProfile",
        "ModifyInstanceAttribute",
        "ModifyInstanceCreditSpecification",
        "ModifyInstanceMetadataOptions",
        "ModifyVolume",
        "MonitorInstances",
        "ReplaceIamInstanceProfileAssociation",
        "StartInstances",
        "StopInstances",
        "UnmonitorInstances",
    ],
    unlimited: &[],
};
