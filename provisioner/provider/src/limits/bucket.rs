//! A token bucket as a pure value: who asks brings the time.
//!
//! Invariants: in any span of time it hands out at most `burst` calls and what flows in during that span at the
//! published rate; after a refusal of the cloud it hands out less, never nothing for good; whole numbers only, so that
//! the same questions get the same answers. Refuses to know clocks and who waits.

use model::schema::RateLimit;

/// One call, in millionths.
const CALL: u64 = 1_000_000;
/// What a refusal leaves of the rate, in tenths.
const KEPT_TENTHS: u64 = 7;
/// No refusal lowers the rate below this many calls in a thousand seconds.
const FLOOR_MILLI: u64 = 500;
/// The published rate comes back in this many equal steps, one a second.
const STEPS: u64 = 20;
/// Refusals within this span of the last slowing down are answers to calls sent before it, and count once.
const ECHO_MS: u64 = 1_000;
/// The longest pause that the cloud can ask for.
const PAUSE_LIMIT_MS: u64 = 5 * 60 * 1_000;

/// A bucket of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Calls that fit, in millionths.
    capacity: u64,
    /// The published rate: calls in a thousand seconds, which is millionths of a call in a millisecond.
    published_milli: u64,
    /// The rate right after the last refusal.
    lowered_milli: u64,
    /// Calls that are there at `at_ms`, in millionths.
    level: u64,
    /// Up to when the level is reckoned. Lies in the future while the cloud wants a pause.
    at_ms: u64,
    /// When the rate was lowered last.
    lowered_at_ms: Option<u64>,
}

impl Bucket {
    /// A full bucket. A limit of nothing would let nobody through ever: 0 counts as 1.
    pub fn new(limit: RateLimit, now_ms: u64) -> Self {
        let capacity = u64::from(limit.burst.max(1)) * CALL;
        let published_milli = u64::from(limit.per_second.max(1)) * 1_000;
        Self {
            capacity,
            published_milli,
            lowered_milli: published_milli,
            level: capacity,
            at_ms: now_ms,
            lowered_at_ms: None,
        }
    }

    /// Takes one call, or says after how many milliseconds (at least 1) to ask again.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        self.fill(now_ms);
        if now_ms < self.at_ms {
            return Err(self.at_ms - now_ms);
        }
        if let Some(left) = self.level.checked_sub(CALL) {
            self.level = left;
            return Ok(());
        }
        let wait_ms = (CALL - self.level).div_ceil(self.rate_milli(now_ms));
        Err(wait_ms.max(1))
    }

    /// The cloud refused a call: what is left is given up, the rate falls, and nothing is handed out before
    /// `retry_after_ms` have passed, if the cloud said so.
    pub fn throttled(&mut self, now_ms: u64, retry_after_ms: Option<u64>) {
        self.fill(now_ms);
        let is_echo = self.lowered_at_ms.is_some_and(|at| now_ms < at.saturating_add(ECHO_MS));
        if !is_echo {
            let floor = FLOOR_MILLI.min(self.published_milli);
            self.lowered_milli = (self.rate_milli(now_ms) * KEPT_TENTHS / 10).max(floor);
            self.lowered_at_ms = Some(now_ms);
        }
        self.level = 0;
        let pause_ms = retry_after_ms.unwrap_or(0).min(PAUSE_LIMIT_MS);
        self.at_ms = self.at_ms.max(now_ms.saturating_add(pause_ms));
    }

    /// Calls in a thousand seconds that flow in now.
    pub fn rate_milli(&self, now_ms: u64) -> u64 {
        let Some(lowered_at) = self.lowered_at_ms else { return self.published_milli };
        let steps = now_ms.saturating_sub(lowered_at) / 1_000;
        let regained = (self.published_milli * steps.min(STEPS)).div_ceil(STEPS);
        (self.lowered_milli + regained).min(self.published_milli)
    }

    /// Lets flow in what time has brought, second by second while the rate rises.
    fn fill(&mut self, now_ms: u64) {
        while self.at_ms < now_ms {
            let rate = self.rate_milli(self.at_ms);
            let end_ms = match self.lowered_at_ms {
                Some(lowered_at) if rate < self.published_milli => {
                    let seconds = self.at_ms.saturating_sub(lowered_at) / 1_000 + 1;
                    now_ms.min(lowered_at.saturating_add(seconds * 1_000))
                }
                _ => now_ms,
            };
            let brought = rate.saturating_mul(end_ms - self.at_ms);
            self.level = self.level.saturating_add(brought).min(self.capacity);
            self.at_ms = end_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(burst: u32, per_second: u32) -> Bucket {
        Bucket::new(RateLimit { burst, per_second }, 0)
    }

    /// How many calls come through in `span_ms` from `from_ms`, asking all the time.
    fn flow(bucket: &mut Bucket, from_ms: u64, span_ms: u64) -> u64 {
        let mut now_ms = from_ms;
        let mut count = 0;
        while now_ms < from_ms + span_ms {
            match bucket.take(now_ms) {
                Ok(()) => count += 1,
                Err(wait_ms) => now_ms += wait_ms,
            }
        }
        count
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = bucket(5, 2);
        assert_eq!(flow(&mut bucket, 0, 1), 5);
        assert_eq!(bucket.take(1), Err(499));
        assert_eq!(flow(&mut bucket, 1, 10_000), 20);
        let mut rested = bucket.clone();
        assert_eq!(flow(&mut rested, 3_600_000, 1), 5, "no more than the burst is saved up");
    }

    #[test]
    fn a_refusal_slows_down_and_the_rate_comes_back_step_by_step() {
        let mut bucket = bucket(10, 100);
        bucket.throttled(0, None);
        assert_eq!(bucket.rate_milli(0), 70_000);
        assert_eq!(bucket.rate_milli(999), 70_000);
        assert_eq!(bucket.rate_milli(1_000), 75_000);
        assert_eq!(bucket.rate_milli(6_000), 100_000);
        assert_eq!(bucket.rate_milli(60_000), 100_000, "never more than published");
        let slowed = flow(&mut bucket, 0, 1_000);
        assert!((69..=70).contains(&slowed), "{slowed}");
        assert_eq!(flow(&mut bucket, 20_000, 1_001), 110);
    }

    #[test]
    fn refusals_of_calls_already_under_way_count_once() {
        let mut bucket = bucket(10, 100);
        for now_ms in 0..16 {
            bucket.throttled(now_ms, None);
        }
        assert_eq!(bucket.rate_milli(16), 70_000);
    }

    #[test]
    fn it_never_stops_for_good() {
        let mut bucket = bucket(10, 1);
        for second in 0..1_000 {
            bucket.throttled(second * 1_000, Some(u64::MAX));
        }
        let last = 999_000;
        assert!(bucket.rate_milli(last) >= 500);
        assert_eq!(bucket.take(last), Err(PAUSE_LIMIT_MS));
        assert_eq!(flow(&mut bucket, last, PAUSE_LIMIT_MS), 0, "the cloud's wish is kept");
        assert!(flow(&mut bucket, last + PAUSE_LIMIT_MS, 2_000) >= 1);
    }

    proptest! {
        /// Whatever is asked and refused when: no window lets more through than was published.
        #[test]
        fn no_window_exceeds_the_limit(
            burst in 0_u32..20,
            per_second in 0_u32..50,
            steps in prop::collection::vec((0_u64..800, 0_u8..12), 1..200),
        ) {
            let mut bucket = bucket(burst, per_second);
            let mut now_ms = 0;
            let mut taken = Vec::new();
            for (wait_ms, kind) in steps {
                now_ms += wait_ms;
                if kind == 0 {
                    bucket.throttled(now_ms, Some(wait_ms));
                } else if bucket.take(now_ms).is_ok() {
                    taken.push(now_ms);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (count, until) in taken[first..].iter().enumerate() {
                    let flown = u64::from(per_second.max(1)) * (until - from);
                    let most = u64::from(burst.max(1)) * 1_000 + flown;
                    prop_assert!((count as u64 + 1) * 1_000 <= most, "{from} to {until}");
                }
            }
        }

        /// Whoever waits as long as it is told comes through, after few questions.
        #[test]
        fn waiting_as_told_is_enough(
            burst in 0_u32..20,
            per_second in 0_u32..50,
            refusals in prop::collection::vec((0_u64..3_000, prop::option::of(0_u64..10_000)), 0..40),
        ) {
            let mut bucket = bucket(burst, per_second);
            let mut now_ms = 0;
            for (wait_ms, retry_after_ms) in refusals {
                now_ms += wait_ms;
                bucket.throttled(now_ms, retry_after_ms);
            }
            let mut questions = 0;
            while let Err(wait_ms) = bucket.take(now_ms) {
                prop_assert!(wait_ms >= 1);
                now_ms += wait_ms;
                questions += 1;
                prop_assert!(questions <= 3, "asked {questions} times");
            }
        }
    }
}
