//! The suite that every store passes, on objects in memory.

use crate::faults::{Faulty, Odds};
use object_store::memory::InMemory;
use state::StateStore;
use state::clock::Clock;
use state::conformance::{self, Fixture};
use state::holder::Holder;
use state::keys::KeySource;
use state_object::{ObjectStateStore, Place, Tuning};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Buckets {
    here: Arc<InMemory>,
    elsewhere: Arc<InMemory>,
    keys: tempfile::TempDir,
    odds: Odds,
    tuning: Tuning,
    opened: AtomicU64,
}

impl Buckets {
    fn new(odds: Odds, tuning: Tuning) -> Self {
        Self {
            here: Arc::default(),
            elsewhere: Arc::default(),
            keys: tempfile::tempdir().unwrap(),
            odds,
            tuning,
            opened: AtomicU64::new(0),
        }
    }

    fn open_in(
        &self,
        bucket: &Arc<InMemory>,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore> {
        let seed = self.opened.fetch_add(1, Ordering::SeqCst);
        let objects = Faulty::sound(bucket).with_odds(self.odds, seed);
        let place = Place::of(Arc::new(objects), "", "memory://");
        let keys = KeySource::Directory(self.keys.path().to_owned());
        Arc::new(
            ObjectStateStore::at(place, name, keys)
                .with_clock(clock)
                .with_holder(holder)
                .with_tuning(self.tuning)
                .with_seed(seed),
        )
    }
}

impl Fixture for Buckets {
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
        self.open_in(&self.here, name, clock, holder)
    }

    fn open_elsewhere(
        &self,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore> {
        self.open_in(&self.elsewhere, name, clock, holder)
    }
}

#[tokio::test]
async fn conforms() {
    conformance::run(&Buckets::new(Odds::default(), Tuning::default())).await;
}

/// A checkpoint after every other segment, and everything it replaces removed at once.
#[tokio::test]
async fn conforms_with_checkpoints_everywhere() {
    for segments in [1, 2, 3] {
        let tuning = Tuning { segments, grace: Duration::ZERO };
        conformance::run(&Buckets::new(Odds::default(), tuning)).await;
    }
}

/// Each request may fail, be delayed, or be done without an answer.
#[tokio::test(start_paused = true)]
async fn conforms_on_a_bad_day() {
    let odds = Odds { fails: 100, loses_answer: 100, delays: 100, late: 50, hangs: 10 };
    conformance::run(&Buckets::new(odds, Tuning::default())).await;
    let tuning = Tuning { segments: 2, grace: Duration::ZERO };
    conformance::run(&Buckets::new(odds, tuning)).await;
}
