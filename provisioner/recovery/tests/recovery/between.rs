//! A store that lets somebody else in before one of its calls.

use async_trait::async_trait;
use model::record::Recorded;
use state::holder::Holder;
use state::memory::MemoryStore;
use state::transaction::{Needs, Rule};
use state::{
    CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateError, StateStore, version::Version,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Wraps a store.
pub struct Between {
    inner: MemoryStore,
    at: u64,
    calls: AtomicU64,
    reached: Notify,
    going_on: Notify,
}

impl Between {
    /// A store whose call of this number, from 1, waits for somebody else.
    pub fn new(inner: MemoryStore, at: u64) -> Self {
        let (reached, going_on) = (Notify::new(), Notify::new());
        Self { inner, at, calls: AtomicU64::new(0), reached, going_on }
    }

    /// Whether that call came.
    pub fn struck(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.at
    }

    /// Waits until the call is there, or will never be.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// There will be no more calls.
    pub fn end(&self) {
        self.reached.notify_one();
    }

    /// Lets the call go on.
    pub fn go_on(&self) {
        self.going_on.notify_one();
    }

    async fn enter(&self) -> &MemoryStore {
        if self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            self.reached.notify_one();
            self.going_on.notified().await;
        }
        &self.inner
    }
}

#[async_trait]
impl StateStore for Between {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn holder(&self) -> Holder {
        self.inner.holder()
    }

    async fn transact(&self, needs: Needs, rule: Rule) -> Result<(), StateError> {
        self.enter().await.transact(needs, rule).await
    }

    async fn identity(&self) -> Result<Option<Identity>, StateError> {
        self.enter().await.identity().await
    }

    async fn prepare(&self) -> Result<Identity, StateError> {
        self.enter().await.prepare().await
    }

    async fn load(&self) -> Result<Recorded, StateError> {
        self.enter().await.load().await
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>, StateError> {
        self.enter().await.leases().await
    }

    async fn version(&self, serial: u64) -> Result<Version, StateError> {
        self.enter().await.version(serial).await
    }

    async fn check(&self) -> Result<CheckReport, StateError> {
        self.enter().await.check().await
    }

    async fn dump(&self) -> Result<Dump, StateError> {
        self.enter().await.dump().await
    }

    async fn take_over(&self, dump: Dump) -> Result<(), StateError> {
        self.enter().await.take_over(dump).await
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>, StateError> {
        self.enter().await.journal(after).await
    }
}
