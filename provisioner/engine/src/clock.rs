//! The Clock port: time that passes, the time of day that deadlines are told in, and the seed of chance, so that tests
//! replay.

use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// Time and chance.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed moment; never goes back.
    fn now_ms(&self) -> u64;

    /// Milliseconds since 1970-01-01T00:00:00Z, as other machines know them: only for what is recorded.
    fn wall_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// The seed of everything random in this run.
    fn seed(&self) -> u64;
}

/// The clock of the machine.
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

    fn wall_ms(&self) -> u64 {
        u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

/// The time of day as it is recorded: RFC 3339.
pub(crate) fn written(wall_ms: u64) -> String {
    let ms = i64::try_from(wall_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}

/// The same to the second, as expressions have it.
pub(crate) fn second(wall_ms: u64) -> String {
    written(wall_ms / 1000 * 1000)
}

/// The time of day that was recorded; none if there was none.
pub(crate) fn read(recorded: &str) -> Option<u64> {
    let time: Timestamp = recorded.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}
