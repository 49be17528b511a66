//! What outlives machines: snapshots, images, buckets.

mod bucket;
mod encryption;
mod image;
mod lifecycle;
mod lifecycle_rule;
mod presigned;
mod public_access;
mod setting;
mod snapshot;
mod snapshot_copy;
mod snapshot_source;
mod versioning;

use crate::data::Source;
use crate::kind::Kind;
use crate::limits::Apis;
use setting::Configured;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[
    &snapshot::Snapshot,
    &snapshot_copy::SnapshotCopy,
    &image::ImageFromInstance,
    &bucket::Bucket,
    &Configured(versioning::Versioning),
    &Configured(encryption::Encryption),
    &Configured(public_access::PublicAccess),
    &Configured(lifecycle::Lifecycle),
];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] = &[&snapshot_source::SnapshotSource];

/// What is called.
pub(crate) const APIS: Apis = Apis {
    reading: &["DescribeImages", "DescribeSnapshotTierStatus", "DescribeSnapshots"],
    changing: &[
        "CopySnapshot",
        "CreateImage",
        "CreateSnapshot",
        "DeleteSnapshot",
        "DeregisterImage",
        "ModifyImageAttribute",
        "ModifySnapshotTier",
        "RestoreSnapshotTier",
    ],
    unlimited: &[
        "CreateBucket",
        "DeleteBucket",
        "DeleteBucketEncryption",
        "DeleteBucketLifecycle",
        "DeleteObjects",
        "DeletePublicAccessBlock",
        "GetBucketEncryption",
        "GetBucketLifecycleConfiguration",
        "GetBucketTagging",
        "GetBucketVersioning",
        "GetObjectLockConfiguration",
        "GetPublicAccessBlock",
        "HeadBucket",
        "ListBuckets",
        "ListObjectVersions",
        "PutBucketEncryption",
        "PutBucketLifecycleConfiguration",
        "PutBucketTagging",
        "PutBucketVersioning",
        "PutPublicAccessBlock",
    ],
};

/// The part of Amazon's world that a region is in, as Amazon resource names have it.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// What is wrong with a key's name: what AWS tells of a key is its Amazon resource name, so that another would be drift.
fn key_problem(key: &str) -> Option<String> {
    let is_arn = key.starts_with("arn:") && key.contains(":kms:");
    (!is_arn).then(|| {
        format!("`{key}` is no Amazon resource name of a key, such as arn:aws:kms:eu-central-1:111122223333:key/…: AWS tells only that")
    })
}
