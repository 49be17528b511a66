//! The Clock port: time that passes and the seed of chance, so that tests replay.
//!
//! Refuses to know what time it is for people: the engine stores no wall-clock time.

use async_trait::async_trait;
use std::time::Duration;
use tokio::time::Instant;

/// Time and chance.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed moment; never goes back.
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// The seed of everything random in this run.
    fn seed(&self) -> u64;
}

/// The clock of the machine; under tokio's paused time, that one.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
    seed: u64,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new(seed: u64) -> Self {
        Self { start: Instant::now(), seed }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
