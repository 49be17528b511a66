//! Rollouts: their entries in order, one driver at a time, known until they are over, and what pruning leaves them.

use super::{Scene, create, ok, request, some_history, taken};
use crate::error::StateError;
use crate::port::{Lease, LeaseRequest, StateStore, rollout_entries};
use crate::scope::Scope;
use model::rollout::Rollout;
use model::rollout::entry::{
    Entry, Measurement, Outcome, Reading, RolloutHead, SetStart, Start, Verb, Verdict, What,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An entry of a rollout.
pub fn entry(rollout: &str, number: u64, what: What) -> Entry {
    Entry { rollout: rollout.to_owned(), number, at_ms: 1_790_000_000_000, what }
}

/// The first entry of a rollout of node sets whose stable revision is of a version.
pub fn started(rollout: &str, sets: &[&str], stable_serial: u64) -> Entry {
    let set = |name: &&str| SetStart {
        node_set: (*name).to_owned(),
        rollout: rules(),
        nodes: Vec::new(),
        stages: Vec::new(),
    };
    let start = Start {
        environment: "staging".to_owned(),
        sets: sets.iter().map(set).collect(),
        configuration_digest: "c0".to_owned(),
        plan_hash: "b0".to_owned(),
        stable_serial,
        lists: BTreeSet::new(),
        answers: BTreeMap::new(),
        by: "ada".to_owned(),
    };
    entry(rollout, 0, What::Started(Box::new(start)))
}

fn rules() -> Rollout {
    let json = serde_json::json!({
        "name": "rollout.careful",
        "stages": [],
        "gates": {},
        "max_parallel": 1,
        "max_unavailable": { "count": 1 },
        "max_surge": { "count": 0 },
        "holdback": 1,
        "interval_ms": 60_000,
    });
    serde_json::from_value(json).expect("the suite's rollout is right")
}

fn ended() -> What {
    What::Ended { outcome: Outcome::Committed, why: "all is well".to_owned(), reason: None }
}

fn driving(run: &str, sets: &[&str]) -> LeaseRequest {
    let scope = Scope::rollout(sets.iter().map(ToString::to_string).collect());
    LeaseRequest { scope, ..request(run) }
}

async fn driver(store: &Arc<dyn StateStore>, run: &str, sets: &[&str]) -> Lease {
    ok("acquire", store.acquire(driving(run, sets))).await
}

async fn heads(store: &Arc<dyn StateStore>) -> BTreeMap<String, RolloutHead> {
    ok("load", store.load()).await.rollouts
}

pub(super) async fn journaled(scene: Scene<'_>) {
    let store = scene.open();
    let lease = driver(&store, "d1", &["edge", "monitor"]).await;
    let began = ok("append", store.append(&lease, started("r", &["edge", "monitor"], 1))).await;
    let head = RolloutHead {
        node_sets: vec!["edge".to_owned(), "monitor".to_owned()],
        began,
        last: began,
        number: 0,
        stable_serial: 1,
    };
    assert_eq!(heads(&scene.open()).await, BTreeMap::from([("r".to_owned(), head.clone())]));
    let number = |n: f64| BTreeMap::from([("rate".to_owned(), n)]);
    let measured = |shown| {
        What::Measured(Box::new(Measurement {
            stage: 0,
            gate: "errors".to_owned(),
            queries: vec!["sum($candidate)".to_owned()],
            from_ms: 0,
            to_ms: 60_000,
            reading: Reading::Counts { bad: 3.0, total: 4500.5, control: Some((0.0, 7.0)) },
            verdict: Verdict::Inconclusive,
            why: "too few".to_owned(),
            shown,
        }))
    };
    let nan = store.append(&lease, entry("r", 1, measured(number(f64::NAN)))).await;
    assert!(matches!(nan, Err(StateError::Illegal(_))), "JSON holds no NaN: {nan:?}");
    let second = entry("r", 1, measured(number(0.000_125)));
    let last = ok("append", store.append(&lease, second.clone())).await;
    let head = RolloutHead { last, number: 1, ..head };
    assert_eq!(heads(&store).await["r"], head);
    for (number, expected) in [(1, 2), (3, 2)] {
        let refused = store.append(&lease, entry("r", number, What::Released)).await;
        let Err(StateError::RolloutWentOn { expected: next, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(next, Some(expected), "who writes has seen all before");
    }
    let again = store.append(&lease, started("r", &["edge"], 1)).await;
    assert!(matches!(again, Err(StateError::Illegal(_))), "{again:?}");
    let serial = ok("load", store.load()).await.serial;
    assert_eq!(serial, last, "what is refused leaves nothing");
    let found = ok("entries", rollout_entries(store.as_ref(), "r", began)).await;
    assert_eq!(found, [(began, started("r", &["edge", "monitor"], 1)), (last, second)]);
    let told = ok("version", store.version(last)).await;
    assert_eq!(told.rollouts["r"], head);
    ok("end", store.append(&lease, entry("r", 2, ended()))).await;
    assert!(heads(&store).await.is_empty());
    let late = store.append(&lease, entry("r", 3, What::Released)).await;
    assert!(matches!(late, Err(StateError::RolloutWentOn { expected: None, .. })), "{late:?}");
    assert_eq!(ok("check", store.check()).await.findings, Vec::<String>::new());
}

pub(super) async fn fenced(scene: Scene<'_>) {
    let (one, two) = (scene.open(), scene.open());
    let first = driver(&one, "d1", &["edge"]).await;
    ok("append", one.append(&first, started("r", &["edge"], 1))).await;
    let other = two.acquire(driving("d2", &["monitor", "edge"])).await;
    assert!(matches!(other, Err(StateError::Held { .. })), "one controller at a time: {other:?}");
    let wave = taken(&two, "w1").await;
    create(&two, &wave, "a.x", "x").await;
    let controls = two.append(&wave, entry("r", 1, What::Released)).await;
    assert!(matches!(controls, Err(StateError::Illegal(_))), "only its driver: {controls:?}");
    let asked = What::Asked { verb: Verb::Pause, by: "ana".to_owned(), why: None };
    ok("people ask under any lease", two.append(&wave, entry("r", 1, asked))).await;
    let unaware = one.append(&first, entry("r", 1, What::Released)).await;
    assert!(matches!(unaware, Err(StateError::RolloutWentOn { .. })), "{unaware:?}");
    let begun = super::intent("a.y", model::record::IntentAction::Create, None);
    let writes = one.begin(&first, begun).await;
    assert!(matches!(writes, Err(StateError::Illegal(_))), "it holds no instance: {writes:?}");
    ok("unlock", two.unlock(first.info.epoch, "ana")).await;
    let second = driver(&two, "d2", &["edge"]).await;
    let zombie = one.append(&first, entry("r", 2, What::Released)).await;
    assert!(matches!(zombie, Err(StateError::LeaseLost { .. })), "{zombie:?}");
    let stranger = driver(&two, "d3", &["monitor"]).await;
    let wrong = two.append(&stranger, entry("r", 2, What::Released)).await;
    assert!(matches!(wrong, Err(StateError::Illegal(_))), "of other node sets: {wrong:?}");
    ok("append", two.append(&second, entry("r", 2, What::Released))).await;
    ok("release", two.release(second)).await;
    assert_eq!(heads(&one).await["r"].number, 2, "a rollout outlives its drivers");
    assert_eq!(ok("check", one.check()).await.findings, Vec::<String>::new());
}

pub(super) async fn pruned(scene: Scene<'_>) {
    let store = scene.open();
    let lease = some_history(&store).await;
    let stable = ok("load", store.load()).await.serial - 2;
    let drives = driver(&store, "d1", &["edge"]).await;
    ok("append", store.append(&drives, started("r", &["edge"], stable))).await;
    create(&store, &lease, "a.later", "l").await;
    let kept = ok("version", store.version(stable)).await;
    assert_eq!(ok("prune", store.prune(&lease, u64::MAX)).await, stable);
    assert_eq!(ok("version", store.version(stable)).await, kept, "the stable revision");
    let before = heads(&store).await;
    ok("append", store.append(&drives, entry("r", 1, ended()))).await;
    assert!(ok("prune", store.prune(&lease, u64::MAX)).await > 0, "over, and needs nothing");
    assert!(before.contains_key("r") && heads(&store).await.is_empty());
    assert_eq!(ok("check", store.check()).await.findings, Vec::<String>::new());
    // One whose stable revision is younger than its first entry needs that entry.
    let next = ok("load", store.load()).await.serial + 1;
    let began = ok("append", store.append(&drives, started("s", &["edge"], next))).await;
    ok("prune", store.prune(&lease, u64::MAX)).await;
    let found = ok("entries", rollout_entries(store.as_ref(), "s", began)).await;
    assert_eq!(found.len(), 1);
}

pub(super) async fn moved_and_restored(scene: Scene<'_>) {
    let store = scene.open();
    let lease = some_history(&store).await;
    let drives = driver(&store, "d1", &["edge"]).await;
    let stable = ok("load", store.load()).await.serial;
    let began = ok("append", store.append(&drives, started("r", &["edge"], stable))).await;
    create(&store, &lease, "a.later", "l").await;
    let now = ok("version", store.version(began + 2)).await;
    let past = ok("version", store.version(5)).await;
    ok("restore", store.edit(&lease, now.edit_towards(&past, "state restore 5".to_owned()))).await;
    assert_eq!(heads(&store).await["r"].began, began, "records go back, rollouts go on");
    let driven = store.dump().await;
    assert!(matches!(driven, Err(StateError::Held { .. })), "{driven:?}");
    ok("release", store.release(lease)).await;
    ok("release", store.release(drives)).await;
    let dump = ok("dump", store.dump()).await;
    let holder = crate::holder::Holder::current();
    let other = scene.fixture.open_elsewhere(scene.name, scene.clock.clone(), holder);
    ok("take over", other.take_over(dump)).await;
    assert_eq!(heads(&other).await, heads(&store).await);
    assert_eq!(ok("check", other.check()).await.findings, Vec::<String>::new());
    let drives = driver(&other, "d2", &["edge"]).await;
    ok("it goes on there", other.append(&drives, entry("r", 1, What::Released))).await;
}

pub(super) async fn sealed_anew(scene: Scene<'_>) {
    let store = scene.open();
    let drives = driver(&store, "d1", &["edge"]).await;
    ok("append", store.append(&drives, started("r", &["edge"], 1))).await;
    let lease = taken(&store, "r1").await;
    let before = heads(&store).await;
    ok("rekey", store.rekey(&lease, None)).await;
    assert_eq!(heads(&store).await, before);
    ok("append", store.append(&drives, entry("r", 1, What::Released))).await;
    assert_eq!(ok("check", store.check()).await.findings, Vec::<String>::new());
}
