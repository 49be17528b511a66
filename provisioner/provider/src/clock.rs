//! The Clock port of providers: time that passes, so that limits and waits replay in tests.
//!
//! Refuses to know what time it is for people.

use async_trait::async_trait;
use std::time::Duration;
use tokio::time::Instant;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed moment; never goes back.
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The clock of tokio: the machine's, or the paused one of a test.
#[derive(Clone, Debug)]
pub struct TokioClock(Instant);

impl TokioClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
