//! A held lease: renewed in the background, and known to be lost before anyone else may have it.
//!
//! Invariant: once [`Held::check`] has failed it fails for ever, so a zombie sends nothing. Time is measured on
//! this machine's own monotonic clock, so a process that was stopped finds its lease ended when it wakes.

use crate::Clock;
use state::{Lease, StateError, StateStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// Nothing is sent when less than this is left of the lease.
const MARGIN_MS: u64 = 5_000;
/// Taken when the lease does not say how long it lasts.
const ASSUMED_MS: u64 = 60_000;

/// A lease that this run holds.
pub(crate) struct Held {
    lease: Lease,
    clock: Arc<dyn Clock>,
    lasts_ms: u64,
    renewed_ms: AtomicU64,
    lost: watch::Sender<bool>,
}

impl Held {
    /// A lease just taken; `asked_ms` is the clock's time before it was asked for.
    pub(crate) fn new(lease: Lease, clock: Arc<dyn Clock>, asked_ms: u64) -> Arc<Self> {
        let lasts_ms = duration_ms(&lease).unwrap_or(ASSUMED_MS);
        Arc::new(Self {
            lease,
            clock,
            lasts_ms,
            renewed_ms: AtomicU64::new(asked_ms),
            lost: watch::Sender::new(false),
        })
    }

    /// The lease, for writes. Fails when it may have ended.
    pub(crate) fn check(&self) -> Result<&Lease, StateError> {
        let age = self.clock.now_ms().saturating_sub(self.renewed_ms.load(Ordering::Acquire));
        if *self.lost.borrow() || age.saturating_add(MARGIN_MS) >= self.lasts_ms {
            self.lost.send_replace(true);
            return Err(StateError::LeaseLost { epoch: self.lease.info.epoch });
        }
        Ok(&self.lease)
    }

    /// The lease whatever its age, to give it back.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The fencing token.
    pub(crate) fn epoch(&self) -> u64 {
        self.lease.info.epoch
    }

    /// Marks the lease as lost: the store said so.
    pub(crate) fn lose(&self) {
        self.lost.send_replace(true);
    }

    /// Marks the lease as lost, if that is what a write failed of.
    pub(crate) fn lose_by(&self, error: &StateError) {
        if matches!(error, StateError::LeaseLost { .. }) {
            self.lose();
        }
    }

    /// Waits until the lease is lost.
    pub(crate) async fn gone(&self) {
        let mut receiver = self.lost.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|lost| *lost).await;
    }

    /// Renews until the lease is lost. A store that cannot answer is asked again until the lease's end.
    pub(crate) async fn keep(self: Arc<Self>, store: Arc<dyn StateStore>) {
        let every = RENEW_EVERY.min(Duration::from_millis(self.lasts_ms / 4));
        loop {
            self.clock.sleep(every).await;
            let asked_ms = self.clock.now_ms();
            match store.renew(&self.lease).await {
                Ok(()) => self.renewed_ms.store(asked_ms, Ordering::Release),
                Err(StateError::LeaseLost { .. }) => self.lose(),
                Err(_) => {}
            }
            if self.check().is_err() {
                return;
            }
        }
    }
}

fn duration_ms(lease: &Lease) -> Option<u64> {
    let since: jiff::Timestamp = lease.info.since.parse().ok()?;
    let expires: jiff::Timestamp = lease.info.expires.parse().ok()?;
    u64::try_from(expires.duration_since(since).as_millis())
        .ok()
        .filter(|lasts| *lasts > 2 * MARGIN_MS)
}
