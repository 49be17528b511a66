//! Token buckets by region and operation, as EC2 publishes them:
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>.
//!
//! Invariant: the time is given, never read here.

use super::call::Call;
use std::collections::BTreeMap;
use std::time::Instant;

/// How many calls at once, and how many a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls at once.
    pub burst: f64,
    /// Calls that are given back every second.
    pub per_second: f64,
}

/// A rate.
pub const fn rate(burst: f64, per_second: f64) -> Rate {
    Rate { burst, per_second }
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// The buckets; those published, but for the operations that have a rate of their own.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    own: BTreeMap<String, Rate>,
    buckets: BTreeMap<(String, String), Bucket>,
}

impl Throttle {
    pub(super) fn new(own: BTreeMap<String, Rate>) -> Self {
        Self { own, buckets: BTreeMap::new() }
    }

    /// Takes a call's turn; false if it is one too many.
    pub(super) fn take(&mut self, call: &Call, now: Instant) -> bool {
        if call.service != "ec2" {
            return true;
        }
        let wanted = self.wanted(call);
        let mut is_full = true;
        for (name, rate, count) in &wanted {
            is_full &= *self.bucket(call, name, *rate, now) >= *count;
        }
        if is_full {
            for (name, rate, count) in &wanted {
                *self.bucket(call, name, *rate, now) -= count;
            }
        }
        is_full
    }

    /// What is left in a bucket by now.
    fn bucket(&mut self, call: &Call, name: &str, rate: Rate, now: Instant) -> &mut f64 {
        let key = (call.region.clone(), name.to_owned());
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: rate.burst, at: now });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * rate.per_second).min(rate.burst);
        bucket.at = now;
        &mut bucket.left
    }

    /// The buckets that a call takes from, and how much.
    fn wanted(&self, call: &Call) -> Vec<(String, Rate, f64)> {
        let operation = call.operation.as_str();
        let own = self.own.get(operation).copied();
        // A description of everything has a bucket of its own.
        let (name, of_calls) = match own {
            None if is_of_everything(call) => {
                (format!("{operation}: everything"), rate(50.0, 10.0))
            }
            own => (operation.to_owned(), own.unwrap_or_else(|| published(call))),
        };
        let mut wanted = vec![(name, of_calls, 1.0)];
        let (count, of_instances) = match operation {
            "RunInstances" => {
                let count = call.parameter("MaxCount").and_then(|count| count.parse().ok());
                (count.unwrap_or(1.0), rate(1_000.0, 2.0))
            }
            "TerminateInstances" => (f64::from(ids(call)), rate(1_000.0, 20.0)),
            _ => return wanted,
        };
        let name = format!("{operation}: instances");
        let of_instances = self.own.get(&name).copied().unwrap_or(of_instances);
        wanted.push((name, of_instances, count));
        wanted
    }
}

fn ids(call: &Call) -> u32 {
    u32::try_from(call.list("InstanceId").len()).unwrap_or(u32::MAX)
}

/// The rate of a call by its category.
fn published(call: &Call) -> Rate {
    match call.operation.as_str() {
        "RunInstances" => rate(5.0, 2.0),
        "TerminateInstances" => rate(100.0, 5.0),
        _ if call.changes() => rate(50.0, 5.0),
        _ => rate(100.0, 20.0),
    }
}

/// Whether a call describes all there is, neither filtered nor in pages.
fn is_of_everything(call: &Call) -> bool {
    let chooses = |name: &String| {
        name.starts_with("Filter.")
            || name.contains("Id.")
            || name.contains("Name.")
            || name == "MaxResults"
    };
    !call.changes() && !call.parameters.keys().any(chooses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn call(operation: &str, parameters: &[(&str, &str)]) -> Call {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Call {
            service: "ec2".to_owned(),
            region: "eu-central-1".to_owned(),
            operation: operation.to_owned(),
            parameters: parameters.iter().map(pair).collect(),
        }
    }

    #[test]
    fn a_bucket_fills_again() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let run = call("RunInstances", &[("MaxCount", "1")]);
        assert_eq!((0..10).filter(|_| throttle.take(&run, now)).count(), 5);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..10).filter(|_| throttle.take(&run, later)).count(), 2);
        let elsewhere = Call { region: "us-east-1".to_owned(), ..run };
        assert!(throttle.take(&elsewhere, later));
    }

    #[test]
    fn instances_count_by_themselves() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.take(&call("RunInstances", &[("MaxCount", "900")]), now));
        assert!(!throttle.take(&call("RunInstances", &[("MaxCount", "101")]), now));
        assert!(throttle.take(&call("RunInstances", &[("MaxCount", "100")]), now));
        let mut own = Throttle::new([("CreateVpc".to_owned(), rate(1.0, 0.0))].into());
        assert!(own.take(&call("CreateVpc", &[]), now));
        assert!(!own.take(&call("CreateVpc", &[]), now + Duration::from_hours(1)));
    }
}
