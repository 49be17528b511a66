//! Any source, with faults: some of its answers are missing, errors, or never come.
//!
//! Invariant: which ones is a function of the number of the call and of nothing else, so that a run can be repeated.

use super::{Ask, MetricSource, Problem};
use async_trait::async_trait;
use model::rollout::entry::Reading;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happens to a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its answer is missing.
    Missing,
    /// The source cannot be asked.
    Error,
    /// It never ends: for tests of whoever has a bound of their own.
    Hang,
}

type Plan = dyn Fn(u64) -> Option<Fault> + Send + Sync;

/// A source with faults.
pub struct Faulty<S> {
    inner: S,
    plan: Box<Plan>,
    calls: AtomicU64,
}

impl<S: std::fmt::Debug> std::fmt::Debug for Faulty<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Faulty");
        shown.field("inner", &self.inner).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl<S: MetricSource> Faulty<S> {
    /// `plan` says what happens to a measurement, by how many there were before.
    pub fn new(inner: S, plan: impl Fn(u64) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self { inner, plan: Box::new(plan), calls: AtomicU64::new(0) }
    }

    /// A share of the measurements, from 0 to 1, is missing or an error, half of them each.
    pub fn seeded(inner: S, seed: u64, share: f64) -> Self {
        Self::new(inner, move |call| {
            let drawn = mixed(seed ^ mixed(call));
            // The upper half of the bits decides whether, the lowest one which.
            let upper = u32::try_from(drawn >> 32).unwrap_or(u32::MAX);
            let unit = f64::from(upper) / (f64::from(u32::MAX) + 1.0);
            (unit < share).then_some(if drawn & 1 == 0 { Fault::Missing } else { Fault::Error })
        })
    }
}

/// SplitMix64's finalizer.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[async_trait]
impl<S: MetricSource> MetricSource for Faulty<S> {
    async fn measure(&self, ask: &Ask) -> Reading {
        match (self.plan)(self.calls.fetch_add(1, Ordering::Relaxed)) {
            None => self.inner.measure(ask).await,
            Some(Fault::Missing) => Reading::Missing { why: "a fault: no data".to_owned() },
            Some(Fault::Error) => Reading::Error { why: "a fault: no connection".to_owned() },
            Some(Fault::Hang) => std::future::pending().await,
        }
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        self.inner.queries(ask)
    }

    async fn check_syntax(&self, ask: &Ask) -> Option<Vec<Problem>> {
        self.inner.check_syntax(ask).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[tokio::test]
    async fn a_seed_gives_the_same_faults_again() {
        let ask = Ask { selectors: crate::source::Selectors::default(), window_ms: 1, now_ms: 0 };
        let mut runs = Vec::new();
        for _ in 0..2 {
            let source = Faulty::seeded(Memory::new(|_, _| Reading::Yes), 7, 0.5);
            let mut readings = Vec::new();
            for _ in 0..200 {
                readings.push(source.measure(&ask).await);
            }
            runs.push(readings);
        }
        assert_eq!(runs[0], runs[1]);
        let count = |wanted: fn(&Reading) -> bool| runs[0].iter().filter(|r| wanted(r)).count();
        assert!((70..130).contains(&count(|reading| *reading == Reading::Yes)));
        assert!(count(|reading| matches!(reading, Reading::Missing { .. })) > 25);
        assert!(count(|reading| matches!(reading, Reading::Error { .. })) > 25);
    }

    #[tokio::test]
    async fn a_plan_says_which() {
        let hang = |call| (call == 1).then_some(Fault::Hang);
        let source = Faulty::new(Memory::new(|_, _| Reading::Yes), hang);
        let ask = Ask { selectors: crate::source::Selectors::default(), window_ms: 1, now_ms: 0 };
        assert_eq!(source.measure(&ask).await, Reading::Yes);
        let limit = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(limit, source.measure(&ask)).await.is_err());
        assert_eq!(source.measure(&ask).await, Reading::Yes);
    }
}
