//! Copies of snapshots from other regions: the request that comes along signed for the other region must be for this copy.
//!
//! Refuses to know: whether the signature is right, which a test asks botocore.

use super::answer::Refusal;
use super::call::Call;
use super::http::pairs;
use std::collections::BTreeMap;

/// What a copy is told whose signed request is not the one that EC2 needs.
pub(super) fn refuse(call: &Call) -> Option<Refusal> {
    let named = |name: &str| call.parameter(name).unwrap_or_default();
    if call.operation != "CopySnapshot" || named("SourceRegion") == call.region {
        return None;
    }
    // Without one only what is not encrypted is copied, which is not looked at here.
    let url = call.parameter("PresignedUrl")?;
    let (_, query) = url.split_once('?')?;
    let query: BTreeMap<String, String> = pairs(query).into_iter().collect();
    let has = |name: &str, value: &str| query.get(name).is_some_and(|it| it == value);
    let scope = format!("/{}/ec2/aws4_request", named("SourceRegion"));
    let is_for_it = has("Action", "CopySnapshot")
        && has("Version", "2016-11-15")
        && has("DestinationRegion", &call.region)
        && has("SourceRegion", named("SourceRegion"))
        && has("SourceSnapshotId", named("SourceSnapshotId"))
        && has("X-Amz-SignedHeaders", "host")
        && query.get("X-Amz-Credential").is_some_and(|it| it.ends_with(&scope))
        && ["X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"]
            .iter()
            .all(|it| query.contains_key(*it));
    (!is_for_it).then(|| Refusal::new("InvalidParameterValue", "Invalid presigned url"))
}
