//! The permissions that this crate's calls need, as policies of IAM name them:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>.

use crate::limits;
use std::collections::BTreeSet;

/// All of them, in order. One who uses some of the resource types needs fewer.
pub fn permissions() -> Vec<String> {
    let ec2 = limits::ec2().map(|api| format!("ec2:{api}"));
    let others = limits::others().flat_map(of);
    ec2.chain(others).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a call of another service than EC2 needs.
fn of(api: &'static str) -> Vec<String> {
    let named: &[&str] = match api {
        "GetCallerIdentity" => &["sts:GetCallerIdentity"],
        // Tags and the lock of a bucket are part of its creation.
        "CreateBucket" => &[
            "s3:CreateBucket",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:TagResource",
        ],
        "HeadBucket" => &["s3:ListBucket"],
        "ListBuckets" => &["s3:ListAllMyBuckets"],
        "ListObjectVersions" => &["s3:ListBucketVersions"],
        "DeleteObjects" => {
            &["s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"]
        }
        "GetObjectLockConfiguration" => &["s3:GetBucketObjectLockConfiguration"],
        "GetBucketEncryption" => &["s3:GetEncryptionConfiguration"],
        "PutBucketEncryption" | "DeleteBucketEncryption" => &["s3:PutEncryptionConfiguration"],
        "GetPublicAccessBlock" => &["s3:GetBucketPublicAccessBlock"],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => &["s3:PutBucketPublicAccessBlock"],
        "GetBucketLifecycleConfiguration" => &["s3:GetLifecycleConfiguration"],
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            &["s3:PutLifecycleConfiguration"]
        }
        _ => return vec![format!("s3:{api}")],
    };
    named.iter().map(ToString::to_string).collect()
}
