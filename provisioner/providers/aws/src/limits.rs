//! The limits that Amazon EC2 publishes for its API, a region and account:
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>. Every API that this crate calls is here, so
//! that none is called without its turn. What is published for no API by name goes by its category.

use crate::{compute, network, storage};
use model::schema::RateLimit;
use std::collections::BTreeMap;

/// Instances that are launched, whatever the number of calls.
pub(crate) const LAUNCHED: &str = "RunInstances: instances";
/// Instances that are terminated, whatever the number of calls.
pub(crate) const TERMINATED: &str = "TerminateInstances: instances";
/// Instances that one RunInstances launches at most: the burst of what is launched.
pub(crate) const LAUNCHED_AT_ONCE: u32 = 1_000;
/// Instances that one TerminateInstances ends at most.
pub(crate) const TERMINATED_AT_ONCE: u32 = 1_000;

/// The APIs of one area.
pub(crate) struct Apis {
    /// Those of EC2 that read.
    pub(crate) reading: &'static [&'static str],
    /// Those of EC2 that change something.
    pub(crate) changing: &'static [&'static str],
    /// Those of other services, which publish no limit.
    pub(crate) unlimited: &'static [&'static str],
}

/// What every area needs.
const SHARED: Apis = Apis {
    reading: &["DescribeTags"],
    changing: &["CreateTags", "DeleteTags"],
    unlimited: &["GetCallerIdentity"],
};

const ALL: [&Apis; 4] = [&SHARED, &network::APIS, &compute::APIS, &storage::APIS];

/// The limits by API.
pub(crate) fn published() -> BTreeMap<String, RateLimit> {
    let limit = |burst, per_second| RateLimit { burst, per_second };
    let reading = ALL.iter().flat_map(|apis| apis.reading).map(|api| (*api, limit(100, 20)));
    let changing = ALL.iter().flat_map(|apis| apis.changing).map(|api| (*api, limit(50, 5)));
    let own = [
        ("RunInstances", limit(5, 2)),
        (LAUNCHED, limit(LAUNCHED_AT_ONCE, 2)),
        ("TerminateInstances", limit(100, 5)),
        (TERMINATED, limit(1_000, 20)),
    ];
    reading.chain(changing).chain(own).map(|(api, limit)| (api.to_owned(), limit)).collect()
}

/// Every API of EC2 that is called. What is limited beside calls has a space in its name.
pub(crate) fn ec2() -> impl Iterator<Item = String> {
    published().into_keys().filter(|api| !api.contains(' '))
}

/// Every API of other services that is called.
pub(crate) fn others() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|apis| apis.unlimited).copied()
}

/// Whether an API is in one of the lists.
pub(crate) fn is_known(api: &str) -> bool {
    published().contains_key(api) || ALL.iter().any(|apis| apis.unlimited.contains(&api))
}
