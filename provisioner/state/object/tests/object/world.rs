//! What the tests share: places in memory, programs that write to them.

use crate::faults::Faulty;
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use state::clock::{Clock, ManualClock};
use state::conformance;
use state::holder::Holder;
use state::keys::KeySource;
use state::{Lease, LeaseRequest, Scope, StateStore};
use state_object::{ObjectStateStore, Place, Tuning};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One bucket in memory, keys in a directory, a clock that stands still.
pub struct World {
    pub bucket: Arc<InMemory>,
    pub clock: Arc<ManualClock>,
    pub keys: tempfile::TempDir,
    /// One key for all environments, so that none needs to be made.
    key: Option<KeySource>,
    pub tuning: Tuning,
}

impl World {
    pub fn new() -> Self {
        Self {
            bucket: Arc::new(InMemory::new()),
            clock: Arc::new(ManualClock::new(Timestamp::from_second(1_790_000_000).unwrap())),
            keys: tempfile::tempdir().unwrap(),
            key: None,
            tuning: Tuning::default(),
        }
    }

    /// Checkpoints every few segments, and nothing kept that is not needed at this very moment.
    pub fn hasty(segments: u64) -> Self {
        Self { tuning: Tuning { segments, grace: Duration::ZERO }, ..Self::new() }
    }

    /// With a key that is there already: making one waits for the disk.
    pub fn with_ready_key(mut self) -> Self {
        static READY: OnceLock<tempfile::TempDir> = OnceLock::new();
        let directory = READY.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            KeySource::File(directory.path().join("key")).create("any").unwrap();
            directory
        });
        self.key = Some(KeySource::File(directory.path().join("key")));
        self
    }

    pub fn key_source(&self) -> KeySource {
        let made = || KeySource::Directory(self.keys.path().to_owned());
        self.key.clone().unwrap_or_else(made)
    }

    /// A program that reaches the objects in this way.
    pub fn through(&self, objects: impl ObjectStore, seed: u64) -> ObjectStateStore {
        let place = Place::of(Arc::new(objects), "team/state", "memory://team/state");
        ObjectStateStore::at(place, "production", self.key_source())
            .with_clock(self.clock.clone() as Arc<dyn Clock>)
            .with_tuning(self.tuning)
            .with_seed(seed)
    }

    /// A program for which all is well.
    pub fn program(&self, seed: u64) -> Arc<dyn StateStore> {
        Arc::new(self.through(Faulty::sound(&self.bucket), seed))
    }

    /// The names of all objects, without what they have in common.
    pub async fn names(&self) -> Vec<String> {
        use futures::TryStreamExt as _;
        let all: Vec<_> = self.bucket.list(None).try_collect().await.unwrap();
        let prefix = "team/state/production/";
        all.iter()
            .map(|meta| meta.location.as_ref().strip_prefix(prefix).unwrap().to_owned())
            .collect()
    }
}

/// A lease of these addresses.
pub fn part(run: &str, writes: &[&str]) -> LeaseRequest {
    let writes: BTreeSet<_> = writes.iter().map(|text| conformance::address(text)).collect();
    LeaseRequest { scope: Scope::of(writes, BTreeSet::new()), ..conformance::request(run) }
}

pub async fn taken(store: &Arc<dyn StateStore>, run: &str) -> Lease {
    store.acquire(conformance::request(run)).await.unwrap()
}

/// A holder on another machine.
pub fn elsewhere() -> Holder {
    Holder { host: "elsewhere".to_owned(), boot: "another".to_owned(), ..Holder::current() }
}

/// That nothing is wrong with what is recorded.
pub async fn assert_sound(store: &Arc<dyn StateStore>) {
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}
