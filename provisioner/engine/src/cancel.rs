//! Cancellation in two levels: finish what is in flight, then stop at once.
//!
//! Invariant: a level is never lowered. Refuses to know who asks (a signal, a test).

use std::sync::Arc;
use tokio::sync::watch;

/// How much of a run may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Running,
    /// Only what is in flight; nothing new is started.
    Finish,
    /// Nothing; calls in flight are dropped, and the next run looks them up.
    Stop,
}

/// Asks a run to end. Clones share one level.
#[derive(Clone, Debug)]
pub struct CancelToken(Arc<watch::Sender<Level>>);

impl Default for CancelToken {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Level::Running)))
    }
}

impl CancelToken {
    /// A token that asks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One level up: what each ctrl-C means.
    pub fn raise(&self) {
        self.raise_to(match self.level() {
            Level::Running => Level::Finish,
            Level::Finish | Level::Stop => Level::Stop,
        });
    }

    /// At least to `level`.
    pub fn raise_to(&self, level: Level) {
        self.0.send_if_modified(|current| {
            let raised = level > *current;
            *current = level.max(*current);
            raised
        });
    }

    /// The level now.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Waits until the level is at least `level`.
    pub async fn reached(&self, level: Level) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|current| *current >= level).await;
    }
}
