//! A store that fails or "crashes" at a chosen call, for tests that try every such moment.

use crate::error::StateError;
use crate::holder::Holder;
use crate::port::{CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateStore};
use crate::transaction::{Needs, Rule};
use crate::version::Version;
use async_trait::async_trait;
use model::record::Recorded;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and the caller is told that it failed; later calls work.
    FailBefore,
    /// It is done, but the caller is told that it failed; later calls work.
    FailAfter,
    /// Nothing is done, by this call or any later one, as if the program had died before it.
    CrashBefore,
    /// It is done and nothing after it, as if the program had died before it saw the answer.
    CrashAfter,
}

/// Every fault, for loops over all of them.
pub const FAULTS: [Fault; 4] =
    [Fault::FailBefore, Fault::FailAfter, Fault::CrashBefore, Fault::CrashAfter];

/// Wraps a store.
pub struct FaultyStore {
    inner: Arc<dyn StateStore>,
    fault: Fault,
    at: u64,
    calls: AtomicU64,
}

impl FaultyStore {
    /// A store that does `fault` at the call with this number, from 1; 0 for never.
    pub fn new(inner: Arc<dyn StateStore>, fault: Fault, at: u64) -> Self {
        Self { inner, fault, at, calls: AtomicU64::new(0) }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether the fault has happened.
    pub fn struck(&self) -> bool {
        self.at != 0 && self.calls() >= self.at
    }

    /// Counts a call and stops it if it must not happen. Whether its answer must be lost.
    fn enter(&self) -> Result<bool> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.at == 0 || call < self.at {
            return Ok(false);
        }
        match self.fault {
            Fault::FailBefore if call == self.at => Err(broken(call)),
            Fault::CrashBefore => Err(broken(call)),
            Fault::CrashAfter if call > self.at => Err(broken(call)),
            Fault::FailAfter | Fault::CrashAfter => Ok(call == self.at),
            Fault::FailBefore => Ok(false),
        }
    }

    fn leave<T>(&self, lost: bool, answer: Result<T>) -> Result<T> {
        if lost { Err(broken(self.at)) } else { answer }
    }
}

fn broken(call: u64) -> StateError {
    StateError::Storage {
        path: "the faulty store".to_owned(),
        why: format!("call {call} fails, as the test wants it"),
        hint: "none: this is a test".to_owned(),
    }
}

#[async_trait]
impl StateStore for FaultyStore {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn holder(&self) -> Holder {
        self.inner.holder()
    }

    async fn transact(&self, needs: Needs, rule: Rule) -> Result<()> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.transact(needs, rule).await)
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.identity().await)
    }

    async fn prepare(&self) -> Result<Identity> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.prepare().await)
    }

    async fn load(&self) -> Result<Recorded> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.load().await)
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.leases().await)
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.version(serial).await)
    }

    async fn check(&self) -> Result<CheckReport> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.check().await)
    }

    async fn dump(&self) -> Result<Dump> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.dump().await)
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.take_over(dump).await)
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let lost = self.enter()?;
        self.leave(lost, self.inner.journal(after).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::conformance::{intent, record, recorded, request};
    use crate::memory::MemoryStore;
    use crate::port::RunResults;
    use jiff::Timestamp;
    use model::record::{IntentAction, Outcome};

    /// A small run that gives up at the first error; how many records it was told are durable.
    async fn small_run(store: &dyn StateStore, durable: &mut usize) -> Result<()> {
        let lease = store.acquire(request("r1")).await?;
        for text in ["local_machine.x", "local_machine.y"] {
            let sequence = store.begin(&lease, intent(text, IntentAction::Create, None)).await?;
            store.finish(&lease, sequence, recorded(record(text, "id"), None)).await?;
            *durable += 1;
        }
        store.write_results(&lease, RunResults::default()).await?;
        store.release(lease).await
    }

    #[tokio::test]
    async fn every_call_can_fail_and_the_next_run_goes_on() {
        let calls = {
            let store = FaultyStore::new(Arc::new(MemoryStore::new()), Fault::FailBefore, 0);
            small_run(&store, &mut 0).await.unwrap();
            store.calls()
        };
        for (fault, at) in
            FAULTS.into_iter().flat_map(|fault| (1..=calls).map(move |at| (fault, at)))
        {
            let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
            let inner = Arc::new(MemoryStore::new().with_clock(clock.clone()));
            let store = FaultyStore::new(inner.clone(), fault, at);
            let mut durable = 0;
            let ended = small_run(&store, &mut durable).await;
            assert!(store.struck() && ended.is_err(), "{fault:?} at {at}");
            clock.advance(i64::from(crate::rules::LEASE_SECONDS));
            let lease = inner.acquire(request("r2")).await.unwrap();
            let loaded = inner.load().await.unwrap();
            assert!(loaded.records.len() >= durable && loaded.unfinished.len() <= 1);
            for intent in loaded.unfinished {
                let outcome = Outcome::Failed { message: "never happened".to_owned() };
                inner.finish(&lease, intent.sequence, outcome).await.unwrap();
            }
            inner.release(lease).await.unwrap();
        }
    }

    #[tokio::test]
    async fn after_a_crash_nothing_more_happens() {
        let inner = Arc::new(MemoryStore::new());
        let store = FaultyStore::new(inner.clone(), Fault::CrashAfter, 1);
        assert!(store.acquire(request("r1")).await.is_err());
        assert!(store.load().await.is_err());
        assert_eq!(inner.load().await.unwrap().serial, 1, "it happened, unseen");
    }
}
