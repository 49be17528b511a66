//! Leases: waited for while others hold them, renewed in the background, and known to be lost before anyone else may have
//! them.
//!
//! Invariant: once [`Held::check`] has failed it fails for ever, so a zombie sends nothing. Time is measured on
//! this machine's own monotonic clock, so a process that was stopped finds its lease ended when it wakes.

use crate::{ApplyError, CancelToken, Clock, Level};
use model::event::{Event, EventSink};
use state::{Lease, LeaseInfo, LeaseRequest, StateError, StateStore};
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

/// How long to wait before the second try at a lease that is held; it doubles.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// The longest wait between two tries.
const TRY_AGAIN_MOST: Duration = Duration::from_secs(4);

/// Where one waits for a lease.
#[derive(Clone, Copy)]
pub struct Queue<'a> {
    /// What gives leases.
    pub store: &'a dyn StateStore,
    /// What the waiting is measured with.
    pub clock: &'a dyn Clock,
    /// Who is told whom one waits for, once for each holder.
    pub events: &'a dyn EventSink,
}

impl Queue<'_> {
    /// The lease, and the clock's milliseconds when it was asked for. While others hold what is wanted it waits, at most as
    /// long as `wait` says (zero: not at all), and no longer than `cancel` lets it.
    pub async fn acquire(
        self,
        wanted: LeaseRequest,
        wait: Duration,
        cancel: &CancelToken,
    ) -> Result<(Lease, u64), ApplyError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let started_ms = self.clock.now_ms();
        let (mut told, mut pause) = (0, TRY_AGAIN);
        loop {
            let asked_ms = self.clock.now_ms();
            let (by, addresses) = match self.store.acquire(wanted.clone()).await {
                Ok(lease) => return Ok((lease, asked_ms)),
                Err(StateError::Held { by, addresses }) => (by, addresses),
                Err(error) => return Err(error.into()),
            };
            let waited_ms = self.clock.now_ms().saturating_sub(started_ms);
            if waited_ms >= wait_ms {
                return Err(StateError::Held { by, addresses }.into());
            }
            if told != by.epoch {
                told = by.epoch;
                self.events.publish(Event::LeaseAwaited { holder: described(&by), addresses });
            }
            let left = Duration::from_millis(wait_ms - waited_ms);
            tokio::select! {
                biased;
                () = cancel.reached(Level::Finish) => return Err(ApplyError::Interrupted),
                () = self.clock.sleep(pause.min(left)) => {}
            }
            pause = pause.saturating_mul(2).min(TRY_AGAIN_MOST);
        }
    }
}

/// Who holds a lease, for people.
fn described(info: &LeaseInfo) -> String {
    let LeaseInfo { command, owner, host, pid, since, .. } = info;
    format!("`{command}` by {owner} on {host} (process {pid}), since {since}")
}

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
