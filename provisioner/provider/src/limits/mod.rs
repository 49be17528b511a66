//! Rate limits: token buckets per provider configuration and interface, with the limits that the cloud publishes
//! ([`ProviderSchema::limits`]).
//!
//! A provider takes a turn at its [`Limiter`] before every request it sends, and tells the limiter when the cloud
//! refused one as too many. Dropping the wait gives the turn to the next, so whoever drops a call has sent nothing.
//!
//! How it adapts: each bucket starts full, holds `burst` calls and fills with `per_second` calls a second, as
//! Amazon EC2 describes its own throttling (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>).
//! A refusal empties the bucket and leaves 7/10 of the rate, the factor of the AWS SDKs' adaptive retry mode
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>; botocore, `retries/throttling.py`);
//! refusals within one second count once. Then 1/20 of the published rate comes back every second, so that all of it
//! is back after 20 s at most. Bounds: never above the published rate, never below one call in two seconds, no pause
//! longer than five minutes.
//!
//! Invariants: turns are given in the order they were asked for; all runs and threads of this program that use the
//! same provider configuration share one limiter. Refuses to know: retries, what is called.

mod bucket;

pub use bucket::Bucket;

use crate::Clock;
use model::graph::ProviderConfig;
use model::schema::{ProviderSchema, RateLimit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The turns at the interfaces of one provider configuration.
pub struct Limiter {
    clock: Arc<dyn Clock>,
    interfaces: BTreeMap<String, Interface>,
}

struct Interface {
    /// Held by whoever is next; tokio's mutex gives it in the order of the questions.
    turn: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
}

impl Interface {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter {
    /// Full buckets with these limits, by the name of the interface.
    pub fn new(limits: &BTreeMap<String, RateLimit>, clock: Arc<dyn Clock>) -> Self {
        let now_ms = clock.now_ms();
        let interface = |limit: &RateLimit| Interface {
            turn: tokio::sync::Mutex::new(()),
            bucket: Mutex::new(Bucket::new(*limit, now_ms)),
        };
        let interfaces =
            limits.iter().map(|(name, limit)| (name.clone(), interface(limit))).collect();
        Self { clock, interfaces }
    }

    /// Waits for a turn at an interface. One without a published limit has no turns.
    pub async fn take(&self, interface: &str) {
        let Some(interface) = self.interfaces.get(interface) else { return };
        let _turn = interface.turn.lock().await;
        loop {
            // Asked anew after each wait: the cloud may have refused a call meanwhile.
            let asked = interface.bucket().take(self.clock.now_ms());
            match asked {
                Ok(()) => return,
                Err(wait_ms) => self.clock.sleep(Duration::from_millis(wait_ms)).await,
            }
        }
    }

    /// The cloud refused a call at this interface as too many: it is slower for a while, and pauses for as long as
    /// the cloud said.
    pub fn throttled(&self, interface: &str, retry_after_ms: Option<u64>) {
        if let Some(interface) = self.interfaces.get(interface) {
            interface.bucket().throttled(self.clock.now_ms(), retry_after_ms);
        }
    }
}

/// The limiters of this program.
pub struct Limiters {
    clock: Arc<dyn Clock>,
    made: Mutex<Vec<(ProviderConfig, Arc<Limiter>)>>,
}

impl Limiters {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, made: Mutex::default() }
    }

    /// The limiter of a provider configuration, the same one whenever the configuration is the same.
    pub fn of(&self, config: &ProviderConfig, schema: &ProviderSchema) -> Arc<Limiter> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|(other, _)| {
            other.name == config.name && other.arguments.same_content(&config.arguments)
        });
        if let Some((_, limiter)) = known {
            return limiter.clone();
        }
        let limiter = Arc::new(Limiter::new(&schema.limits, self.clock.clone()));
        made.push((config.clone(), limiter.clone()));
        limiter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokioClock;
    use model::Value;
    use proptest::prelude::*;
    use tokio::time::Instant;

    fn limiter(burst: u32, per_second: u32) -> Arc<Limiter> {
        let limits = BTreeMap::from([("call".to_owned(), RateLimit { burst, per_second })]);
        Arc::new(Limiter::new(&limits, Arc::new(TokioClock::new())))
    }

    /// Runs with paused time, on one thread.
    fn paused<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test)
    }

    /// Who came through when, in milliseconds, if they all ask in the order of their numbers.
    async fn come_through(limiter: &Arc<Limiter>, count: usize) -> Vec<(usize, u64)> {
        let start = Instant::now();
        let through = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..count {
            let (limiter, through) = (limiter.clone(), through.clone());
            tasks.spawn(async move {
                limiter.take("call").await;
                let at_ms = u64::try_from(start.elapsed().as_millis()).unwrap();
                through.lock().unwrap().push((number, at_ms));
            });
            tokio::task::yield_now().await;
        }
        tasks.join_all().await;
        let through = through.lock().unwrap();
        through.clone()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_come_through_in_order_and_within_the_limit(
            burst in 1_u32..10,
            per_second in 1_u32..40,
            count in 1_usize..60,
        ) {
            let through = paused(async { come_through(&limiter(burst, per_second), count).await });
            let order: Vec<usize> = through.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
            for (number, at_ms) in through {
                let due = (number as u64 + 1).saturating_sub(u64::from(burst)) * 1_000;
                let due_ms = due.div_ceil(u64::from(per_second));
                // Milliseconds are rounded up at every wait.
                prop_assert!((due_ms..=due_ms + number as u64).contains(&at_ms), "{} at {}", number, at_ms);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_up_those_who_wait() {
        let limiter = limiter(1, 10);
        limiter.take("call").await;
        let start = Instant::now();
        let waiting = come_through(&limiter, 2);
        let refused = async { limiter.throttled("call", Some(2_000)) };
        let (through, ()) = tokio::join!(waiting, refused);
        assert!(through[0].1 >= 2_000, "{through:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{through:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing_and_holds_up_nobody() {
        let limiter = limiter(1, 1);
        limiter.take("call").await;
        let impatient = tokio::time::timeout(Duration::from_millis(500), limiter.take("call"));
        let patient = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            come_through(&limiter, 1).await
        };
        let (gave_up, through) = tokio::join!(impatient, patient);
        assert!(gave_up.is_err());
        assert_eq!(through, [(0, 999)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interface_without_a_limit_never_waits() {
        let start = Instant::now();
        let limiter = limiter(1, 1);
        for _ in 0..1_000 {
            limiter.take("other").await;
        }
        limiter.throttled("other", Some(1_000));
        limiter.take("other").await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_configuration_has_one_limiter() {
        let limiters = Limiters::new(Arc::new(TokioClock::new()));
        let schema = ProviderSchema::default();
        let config = |region: &str| {
            let secret = Value::from(region).into_sensitive();
            let arguments = Value::object([("region", secret)]);
            ProviderConfig { name: "aws".to_owned(), arguments }
        };
        let one = limiters.of(&config("one"), &schema);
        assert!(Arc::ptr_eq(&one, &limiters.of(&config("one"), &schema)));
        assert!(!Arc::ptr_eq(&one, &limiters.of(&config("two"), &schema)));
    }
}
