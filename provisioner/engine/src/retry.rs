//! Bounded retries with exponential backoff and jitter.
//!
//! Invariants: the same seed gives the same waits; a retry sends the identical request with the identical
//! token. Refuses to know what is called.

use crate::Clock;
use provider::{Progress, ProviderError};
use std::time::Duration;

/// The bounds on retries of one call.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Calls at most, the first one included.
    pub attempts: u32,
    /// The longest wait before the second call; it doubles from call to call.
    pub base: Duration,
    /// No wait is longer.
    pub limit: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, base: Duration::from_millis(500), limit: Duration::from_secs(10) }
    }
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

    /// Calls until success, an error that a retry cannot help, or the bound.
    pub(crate) async fn run<T, F>(
        &self,
        clock: &dyn Clock,
        salt: u64,
        progress: &dyn Progress,
        mut call: impl FnMut() -> F,
    ) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !error.class.is_retryable() || attempt >= self.attempts {
                return Err(error);
            }
            let wait = self.wait(attempt, clock.seed() ^ salt);
            attempt += 1;
            progress.step(&format!(
                "attempt {attempt} of {} in {:.1} s: {}",
                self.attempts,
                wait.as_secs_f64(),
                error.message
            ));
            clock.sleep(wait).await;
        }
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
}
