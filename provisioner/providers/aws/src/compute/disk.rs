//! What blocks of machines, launch templates and volumes say of a disk.

use crate::arguments::Given;
use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, VolumeType};

/// Types of disks.
pub(crate) const TYPES: [&str; 7] = ["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"];

/// What is wrong with one.
pub(crate) fn problems(block: Given<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some((field, problem)) = block.word("volume_type", &TYPES) {
        problems.push(format!("`{field}`: {problem}"));
    }
    problems.extend(measures(block, "volume_size", "volume_type"));
    if block.flag("encrypted") == Some(false) && !block.is_left_out("kms_key_id") {
        problems.push("a disk with a `kms_key_id` is encrypted: set `encrypted = true`".to_owned());
    }
    problems
}

/// What is wrong with the size and speed of one, whose fields have these names.
pub(crate) fn measures(block: Given<'_>, size: &str, ty: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let volume_type = block.text(ty);
    let is_of = |types: &[&str]| volume_type.as_deref().is_none_or(|it| types.contains(&it));
    if let Some(gib) = block.number(size).filter(|gib| !(1..=65_536).contains(gib)) {
        problems.push(format!("`{size}` is {gib}; it is a number of GiB from 1 to 65536"));
    }
    if block.number("iops").is_some() && !is_of(&["gp3", "io1", "io2"]) {
        problems.push("`iops` can be given for the types gp3, io1 and io2 only".to_owned());
    }
    if block.number("throughput").is_some() && !is_of(&["gp3"]) {
        problems.push("`throughput` can be given for the type gp3 only".to_owned());
    }
    let is_provisioned = volume_type.as_deref().is_some_and(|it| ["io1", "io2"].contains(&it));
    if is_provisioned && block.is_left_out("iops") {
        problems.push("the types io1 and io2 need `iops`".to_owned());
    }
    problems
}

/// A disk of a machine at its launch.
pub(crate) fn mapping(device: String, block: Given<'_>) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .set_volume_size(block.number("volume_size"))
        .set_volume_type(block.text("volume_type").as_deref().map(VolumeType::from))
        .set_iops(block.number("iops"))
        .set_throughput(block.number("throughput"))
        .set_encrypted(block.flag("encrypted"))
        .set_kms_key_id(block.text("kms_key_id"))
        .set_snapshot_id(block.text("snapshot_id"))
        .set_delete_on_termination(Some(block.flag("delete_on_termination").unwrap_or(true)));
    BlockDeviceMapping::builder().device_name(device).ebs(ebs.build()).build()
}
