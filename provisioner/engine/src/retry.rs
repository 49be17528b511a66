//! Whether, when and at whose cost a failed call is made again: pure decisions, and the budget of a run.
//!
//! A throttled call is made again until its deadline, not before the time the cloud named; after a passing fault there
//! are a few more tries; every other class is final. A conflict is final, too: no schema says yet that another instance may
//! hold what a type needs. After an answer that was lost, a call is made again only where that cannot have a second effect.
//!
//! The budget is the retry quota of the AWS SDKs' standard mode: 500 tokens at the start; a retry costs 5, after a passing
//! fault 10; a success gives back what its last retry cost, or 1 if it had none
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>; numbers as in aws-sdk-js-v3,
//! `middleware-retry/src/constants.ts`). A cloud that answers nothing but errors so costs a run about 50 retries, however
//! large its plan is.
//!
//! Invariants: the same seed gives the same waits; a retry sends the identical request with the identical
//! token. Refuses to know what is called.

use provider::{ErrorClass, ProviderError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Tokens of a run.
const BUDGET: u32 = 500;
/// What a retry of a throttled call costs.
const THROTTLED_COST: u32 = 5;
/// What a retry after a passing fault costs.
const TRANSIENT_COST: u32 = 10;
/// What a success without retries gives.
const REFILL: u32 = 1;

/// The bounds on retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Calls at most after passing faults, the first one included.
    pub attempts: u32,
    /// The longest wait before the second call; it doubles from call to call.
    pub base: Duration,
    /// No wait is longer, unless the cloud asks for it.
    pub limit: Duration,
    /// Tokens that a run has for retries.
    pub budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(500),
            limit: Duration::from_secs(20),
            budget: BUDGET,
        }
    }
}

/// A failed call, as far as the decision needs it.
pub(crate) struct Failed<'a> {
    /// What the provider said.
    pub(crate) error: &'a ProviderError,
    /// The call's number, from 1.
    pub(crate) number: u32,
    /// Whether a second sending of the same request cannot have a second effect.
    pub(crate) repeatable: bool,
    /// Milliseconds to the deadline.
    pub(crate) left_ms: u64,
}

impl RetryPolicy {
    /// The wait after the failed call number `attempt` (from 1): between half of the bound and all of it.
    pub fn wait(&self, attempt: u32, chance: u64) -> Duration {
        let doubled = self.base.saturating_mul(1_u32 << attempt.saturating_sub(1).min(16));
        let bound = doubled.min(self.limit);
        let half = bound / 2;
        let span_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_millis(mix(chance, u64::from(attempt)) % span_ms)
    }

    /// How long to wait before the same call is made again; none if it is not.
    pub(crate) fn next(&self, failed: &Failed<'_>, chance: u64) -> Option<Duration> {
        let Failed { error, number, repeatable, left_ms } = failed;
        let may = match error.class {
            ErrorClass::Throttled => true,
            ErrorClass::Transient => *number < self.attempts,
            _ => false,
        };
        let asked = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        let wait = self.wait(*number, chance).max(asked);
        let is_safe = !error.outcome_unknown || *repeatable;
        let in_time = wait < Duration::from_millis(*left_ms);
        (may && is_safe && in_time).then_some(wait)
    }
}

/// The tokens that the calls of one run pay retries with.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU32,
    full: u32,
}

impl Budget {
    /// A full one.
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        Self { left: AtomicU32::new(policy.budget), full: policy.budget }
    }

    /// Pays for a retry after an error of that class; what it cost, or none if there is not enough left.
    pub(crate) fn pay(&self, class: ErrorClass) -> Option<u32> {
        let cost = if class == ErrorClass::Throttled { THROTTLED_COST } else { TRANSIENT_COST };
        let paid = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(cost));
        paid.is_ok().then_some(cost)
    }

    /// A call succeeded whose last retry cost that much; 0 if it had none.
    pub(crate) fn succeeded(&self, last_cost: u32) {
        let back = last_cost.max(REFILL);
        // Never refused: the closure always gives a value.
        let _ = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            Some(left.saturating_add(back).min(self.full))
        });
    }
}

/// One step of SplitMix64 over both numbers.
fn mix(seed: u64, step: u64) -> u64 {
    let mut z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A salt from a text, so that two operations do not wait in step.
pub(crate) fn salt(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash, u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_MS: u64 = 3_600_000;

    fn next(
        error: &ProviderError,
        number: u32,
        repeatable: bool,
        left_ms: u64,
    ) -> Option<Duration> {
        RetryPolicy::default().next(&Failed { error, number, repeatable, left_ms }, 7)
    }

    #[test]
    fn waits_grow_within_their_bounds_and_repeat_for_a_seed() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..=9).map(|attempt| policy.wait(attempt, 7)).collect();
        assert!(waits[0] >= Duration::from_millis(250) && waits[0] <= Duration::from_millis(500));
        assert!(waits.iter().all(|wait| *wait <= policy.limit));
        assert!(waits[8] >= policy.limit / 2);
        assert_eq!(waits[3], policy.wait(4, 7));
        assert_ne!(policy.wait(4, 8), policy.wait(4, 7));
    }

    #[test]
    fn the_class_says_whether_a_call_is_made_again() {
        use ErrorClass::{Conflict, Denied, Invalid, NotFound, Quota, Throttled, Transient};
        for class in [Conflict, Quota, Invalid, Denied, NotFound] {
            assert_eq!(next(&ProviderError::new(class, ""), 1, true, LONG_MS), None, "{class:?}");
        }
        let passing = ProviderError::new(Transient, "");
        assert!(next(&passing, 3, true, LONG_MS).is_some());
        assert_eq!(next(&passing, 4, true, LONG_MS), None, "a few tries");
        let throttled = ProviderError::new(Throttled, "").retry_after(45_000);
        let wait = next(&throttled, 40, true, LONG_MS);
        assert_eq!(wait, Some(Duration::from_secs(45)), "as often as needed, when the cloud says");
        assert_eq!(next(&throttled, 1, true, 45_000), None, "not beyond the deadline");
    }

    #[test]
    fn after_a_lost_answer_only_what_cannot_have_a_second_effect_is_sent_again() {
        let lost = ProviderError::new(ErrorClass::Transient, "").maybe_done();
        assert!(next(&lost, 1, true, LONG_MS).is_some());
        assert_eq!(next(&lost, 1, false, LONG_MS), None);
    }

    #[test]
    fn a_budget_is_spent_by_failures_and_kept_by_successes() {
        let policy = RetryPolicy { budget: 25, ..RetryPolicy::default() };
        let budget = Budget::new(&policy);
        assert_eq!(budget.pay(ErrorClass::Transient), Some(10));
        assert_eq!(budget.pay(ErrorClass::Throttled), Some(5));
        assert_eq!(budget.pay(ErrorClass::Transient), Some(10));
        assert_eq!(budget.pay(ErrorClass::Throttled), None);
        budget.succeeded(10);
        assert_eq!(budget.pay(ErrorClass::Transient), Some(10));
        (0..1_000).for_each(|_| budget.succeeded(0));
        assert_eq!(budget.left.load(Ordering::Acquire), 25, "never more than at the start");
    }
}
