//! The driver over a store in memory and a world of its own, in simulated time: one controller after the other, each cut
//! off after an entry, come to the same end as one that is left alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use async_trait::async_trait;
use engine::{CancelToken, Clock};
use model::restore_point::PointName;
use model::rollout::entry::{Entry, NodeChange, NodeStart, Outcome, Reading, Start, Verb, What};
use model::rollout::{
    Amount, Check, Gate, Queries, RollbackRule, Rollout, Source, Stage, StageGate,
};
use rollout::driver::{
    Audience, DriveError, Driven, Holding, Listing, Notice, Ports, Snapshot, Wanted, Wave, Waved,
    World, begin, drive, folded, say,
};
use state::memory::MemoryStore;
use state::{Lease, LeaseRequest, Scope, StateError, StateStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const ID: &str = "r-1";

/// Time that the test passes.
struct Simulated(Instant);

#[async_trait]
impl Clock for Simulated {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    fn wall_ms(&self) -> u64 {
        1_800_000_000_000 + self.now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn seed(&self) -> u64 {
        7
    }
}

/// Six nodes; the candidate fails one request in `bad`, if any.
#[derive(Default)]
struct Nodes {
    candidates: Mutex<BTreeSet<String>>,
    restored: Mutex<BTreeSet<String>>,
    bad: Option<f64>,
    waves: AtomicUsize,
}

#[async_trait]
impl World for Nodes {
    async fn change(&self, wave: Wave) -> Option<Waved> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.waves.fetch_add(1, Ordering::SeqCst);
        self.candidates.lock().unwrap().extend(wave.nodes.iter().cloned());
        Some(Waved { done: wave.nodes, ..Waved::default() })
    }

    async fn restore(&self, wave: Wave, stable_serial: u64) -> Option<Waved> {
        assert_eq!(stable_serial, 3);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut candidates = self.candidates.lock().unwrap();
        candidates.retain(|node| !wave.nodes.contains(node));
        self.restored.lock().unwrap().extend(wave.nodes.iter().cloned());
        Some(Waved { done: wave.nodes, ..Waved::default() })
    }

    async fn bring_lists(&self, listing: &Listing) -> Option<Result<(), String>> {
        Some(Err(format!("nothing lists nodes: {listing:?}")))
    }

    async fn restore_lists(&self, listing: &Listing, _: u64) -> Option<Result<(), String>> {
        self.bring_lists(listing).await
    }

    async fn finish(&self, excluded: &[String]) -> Option<Result<(), String>> {
        assert!(excluded.is_empty());
        Some(Ok(()))
    }

    async fn look(&self, _: &[String]) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    async fn measure(&self, wanted: &Wanted) -> (Vec<String>, Reading) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!wanted.ask.selectors.candidate.is_empty());
        let total = 500.0;
        let bad = self.bad.map_or(0.0, |share| share * total);
        (vec!["errors".to_owned()], Reading::Counts { bad, total, control: None })
    }

    async fn snapshot(&self, _: &Snapshot) -> Option<Result<PointName, String>> {
        Some(Err("there are none".to_owned()))
    }

    async fn notify(&self, _: &str, _: &Notice) -> Result<(), String> {
        Ok(())
    }
}

/// A lease that is lost after so many entries.
struct Held {
    lease: Lease,
    left: Arc<AtomicUsize>,
}

#[async_trait]
impl Holding for Held {
    fn lease(&self) -> Result<Lease, StateError> {
        if self.left.load(Ordering::SeqCst) == 0 {
            return Err(StateError::LeaseLost { epoch: self.lease.info.epoch });
        }
        Ok(self.lease.clone())
    }

    async fn lost(&self) {
        std::future::pending::<()>().await;
    }
}

struct Counting(Arc<AtomicUsize>);

impl Audience for Counting {
    fn entry(&self, _: &Entry) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    }

    fn time(&self, _: i64) {}
}

fn rules() -> Rollout {
    let check = Check::Rate {
        proceed_below: 0.01,
        rollback_above: Some(0.02),
        worse_than_control: None,
        min_sample: 100,
        confidence: 0.99,
    };
    let gate = StageGate { gate: "errors".to_owned(), check, span: None };
    let stage = |name: &str, percent: f64| Stage {
        name: name.to_owned(),
        nodes: Amount::Percent(percent),
        bake_ms: 20_000,
        deadline_ms: 60_000,
        gates: vec![gate.clone()],
        rollback: RollbackRule::Automatic,
        approval: None,
        span: None,
    };
    let queries =
        Queries::Counts { bad: "bad".to_owned(), total: "total".to_owned(), control: None };
    let source = Source::Prometheus {
        url: String::new(),
        headers: BTreeMap::new(),
        queries,
        staleness_ms: 60_000,
    };
    let gate = Gate {
        name: "errors".to_owned(),
        source,
        interval_ms: 5_000,
        timeout_ms: 1_000,
        span: None,
    };
    Rollout {
        name: "rollout.r".to_owned(),
        stages: vec![stage("canary", 5.0), stage("half", 50.0), stage("full", 100.0)],
        gates: BTreeMap::from([("errors".to_owned(), gate)]),
        max_parallel: 2,
        max_unavailable: Amount::Count(2),
        max_surge: Amount::Count(0),
        holdback: 0,
        apart: Vec::new(),
        windows: Vec::new(),
        notify: Vec::new(),
        snapshot_before: false,
        error_budget: None,
        interval_ms: 5_000,
        span: None,
    }
}

fn start() -> Start {
    let node = |at: usize| NodeStart {
        name: format!("n-{at}"),
        domain: ["a", "b"][at % 2].to_owned(),
        change: NodeChange::Update,
    };
    let set = rollout::select(ID, "edge", rules(), (0..6).map(node).collect());
    Start {
        environment: "test".to_owned(),
        sets: vec![set],
        configuration_digest: "d".to_owned(),
        plan_hash: "p".to_owned(),
        stable_serial: 3,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: "ana".to_owned(),
    }
}

async fn lease(store: &dyn StateStore, run: &str) -> Lease {
    let scope = Scope::rollout(BTreeSet::from(["edge".to_owned()]));
    let (run, command) = (run.to_owned(), "rollout".to_owned());
    store.acquire(LeaseRequest { run, command, scope, seconds: 3_600 }).await.unwrap()
}

/// A store with a rollout that has just begun, and the clock of its test.
async fn begun() -> (Arc<MemoryStore>, Arc<Simulated>) {
    let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(Simulated(Instant::now())));
    store.prepare().await.unwrap();
    let lease = lease(store.as_ref(), "first").await;
    let now_ms = i64::try_from(clock.wall_ms()).unwrap();
    begin(store.as_ref(), &lease, start(), ID, now_ms).await.unwrap();
    store.release(lease).await.unwrap();
    (store, clock)
}

/// Drives it until it is over, or until so many entries were written.
async fn driven(
    store: &Arc<MemoryStore>,
    clock: &Arc<Simulated>,
    world: &Arc<Nodes>,
    entries: usize,
) -> Result<Driven, DriveError> {
    let lease = lease(store.as_ref(), &format!("after {entries}")).await;
    let (written, _) = folded(store.as_ref(), ID).await.unwrap();
    // The entries that were there before are told too.
    let left = Arc::new(AtomicUsize::new(entries.saturating_add(written.len())));
    let ports = Ports {
        store: store.clone(),
        world: world.clone(),
        clock: clock.clone(),
        audience: Arc::new(Counting(left.clone())),
        holding: Arc::new(Held { lease: lease.clone(), left }),
        cancel: CancelToken::new(),
    };
    let result = drive(&ports, ID, Some("ben".to_owned())).await;
    store.release(lease).await.unwrap();
    result
}

fn world(bad: Option<f64>) -> Arc<Nodes> {
    Arc::new(Nodes { bad, ..Nodes::default() })
}

#[tokio::test(start_paused = true)]
async fn a_good_candidate_is_committed_and_a_bad_one_goes_back() {
    for (bad, wanted) in [(None, Outcome::Committed), (Some(0.05), Outcome::RolledBack)] {
        let (store, clock) = begun().await;
        let world = world(bad);
        let ended = driven(&store, &clock, &world, usize::MAX / 2).await.unwrap();
        assert!(matches!(&ended, Driven::Over { outcome, .. } if *outcome == wanted), "{ended:?}");
        let candidates = world.candidates.lock().unwrap().len();
        assert_eq!(candidates, if bad.is_none() { 6 } else { 0 });
        assert!(store.load().await.unwrap().rollouts.is_empty());
        assert!(store.check().await.unwrap().findings.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn controllers_that_are_cut_off_after_any_entry_come_to_the_same_end() {
    for (bad, wanted) in [(None, Outcome::Committed), (Some(0.05), Outcome::RolledBack)] {
        // The first entry of each controller is that it took over.
        for every in 2..12 {
            let (store, clock) = begun().await;
            let world = world(bad);
            let mut ended = None;
            // Each controller writes a few entries and is gone; the next one waits for its lease to end.
            for _ in 0..200 {
                match driven(&store, &clock, &world, every).await {
                    Ok(over) => {
                        ended = Some(over);
                        break;
                    }
                    Err(DriveError::State(StateError::LeaseLost { .. })) => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(error) => {
                        // It may have been cut off behind the very last entry.
                        assert!(matches!(error, DriveError::Unknown(_)), "{error}");
                        break;
                    }
                }
                if store.load().await.unwrap().rollouts.is_empty() {
                    break;
                }
            }
            assert!(store.load().await.unwrap().rollouts.is_empty(), "every {every}: {ended:?}");
            let candidates = world.candidates.lock().unwrap().len();
            let expected = if wanted == Outcome::Committed { 6 } else { 0 };
            assert_eq!(candidates, expected, "every {every}");
            assert!(store.check().await.unwrap().findings.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_people_say_is_followed_by_whoever_drives() {
    let (store, clock) = begun().await;
    let world = world(None);
    let speaking = {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let scope = Scope::of(BTreeSet::new(), BTreeSet::new());
            let (run, command) = ("person".to_owned(), "rollout abort".to_owned());
            let request = LeaseRequest { run, command, scope, seconds: 60 };
            let lease = store.acquire(request).await.unwrap();
            let now_ms = i64::try_from(clock.wall_ms()).unwrap();
            let said = say(store.as_ref(), &lease, ID, now_ms, |state| {
                rollout::admissible(state, Verb::Abort)?;
                Ok(What::Asked { verb: Verb::Abort, by: "eva".to_owned(), why: None })
            });
            said.await.unwrap().unwrap();
            store.release(lease).await.unwrap();
        })
    };
    let ended = driven(&store, &clock, &world, usize::MAX / 2).await.unwrap();
    speaking.await.unwrap();
    let is_back =
        |ended: &Driven| matches!(ended, Driven::Over { outcome: Outcome::RolledBack, .. });
    assert!(is_back(&ended), "{ended:?}");
    assert_eq!(world.restored.lock().unwrap().len(), 1, "the canary went back");
}
