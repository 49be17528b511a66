//! Several programs at the same time, and what becomes of those that stood still.

use crate::faults::{Faulty, Odds};
use crate::world::{World, assert_sound, elsewhere, part, taken};
use model::record::IntentAction;
use state::conformance::{create, intent, record, recorded, request};
use state::{StateError, StateStore};
use state_object::SKEW_SECONDS;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `programs` that each hold a part of the environment and create `objects` objects in it.
async fn work_side_by_side(world: &World, programs: u64, objects: u64) {
    let works = (0..programs).map(|number| {
        let store = world.program(number);
        tokio::spawn(async move {
            let addresses: Vec<_> = (0..objects).map(|o| format!("a.p{number}_{o}")).collect();
            let texts: Vec<_> = addresses.iter().map(String::as_str).collect();
            let lease = store.acquire(part(&format!("r{number}"), &texts)).await.unwrap();
            for address in &addresses {
                create(&store, &lease, address, address).await;
                store.renew(&lease).await.unwrap();
            }
            store.release(lease).await.unwrap();
        })
    });
    for work in works.collect::<Vec<_>>() {
        work.await.unwrap();
    }
    let store = world.program(99);
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.records.len() as u64, programs * objects);
    assert!(loaded.unfinished.is_empty() && store.leases().await.unwrap().is_empty());
    // Taken, an intent and an outcome for each object, released: nothing twice, nothing lost.
    assert_eq!(loaded.serial, programs * (2 + 2 * objects));
    assert_sound(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_write_disjoint_parts() {
    work_side_by_side(&World::new(), 2, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_programs_write_disjoint_parts() {
    work_side_by_side(&World::new(), 8, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_programs_while_everything_old_is_removed_at_once() {
    work_side_by_side(&World::hasty(3), 8, 5).await;
}

#[tokio::test]
async fn eight_programs_make_one_environment() {
    let world = World::new();
    let made = (0..8).map(|number| {
        let store = world.program(number);
        tokio::spawn(async move { store.prepare().await.unwrap().lineage })
    });
    let mut lineages = Vec::new();
    for lineage in made.collect::<Vec<_>>() {
        lineages.push(lineage.await.unwrap());
    }
    lineages.dedup();
    assert_eq!(lineages.len(), 1);
    let keys: Vec<_> = std::fs::read_dir(world.keys.path()).unwrap().collect();
    assert_eq!(keys.len(), 1, "keys of lineages that never came to be are gone");
}

#[tokio::test]
async fn an_overlap_is_refused_naming_who() {
    let world = World::new();
    let (one, two) = (world.program(1), world.program(2));
    one.acquire(part("r1", &["a.x", "a.y"])).await.unwrap();
    let Err(StateError::Held { by, addresses }) = two.acquire(part("r2", &["a.y"])).await else {
        panic!("it is held");
    };
    assert_eq!((by.run.as_str(), addresses.len()), ("r1", 1));
}

/// The zombie's copy of the environment is as it was when it stopped; its segment's place is taken.
#[tokio::test]
async fn a_zombie_writes_nothing() {
    for hasty in [false, true] {
        let world = if hasty { World::hasty(2) } else { World::new() };
        let (zombie, other) = (world.program(1), world.program(2));
        let old = taken(&zombie, "r1").await;
        let begun = intent("a.x", IntentAction::Create, None);
        let sequence = zombie.begin(&old, begun).await.unwrap();
        world.clock.advance(61);
        let lease = taken(&other, "r2").await;
        for number in 0..10 {
            create(&other, &lease, &format!("a.o{number}"), "o").await;
        }
        let outcome = recorded(record("a.x", "x"), None);
        let answer = zombie.finish(&old, sequence, outcome).await;
        assert!(matches!(answer, Err(StateError::LeaseLost { epoch: 1 })), "{answer:?}");
        assert!(matches!(zombie.renew(&old).await, Err(StateError::LeaseLost { .. })));
        let loaded = other.load().await.unwrap();
        assert_eq!((loaded.records.len(), loaded.unfinished.len()), (10, 1));
        assert_sound(&other).await;
    }
}

/// The place of its next segment was removed since: making it succeeds, but does not count.
#[tokio::test]
async fn a_segment_where_nobody_looks_any_more_is_not_acknowledged() {
    let world = World::hasty(2);
    let sleeper = world.program(1);
    let old = sleeper.acquire(part("r1", &["a.x"])).await.unwrap();
    let begun = intent("a.x", IntentAction::Create, None);
    let sequence = sleeper.begin(&old, begun).await.unwrap();
    let other = world.program(2);
    let lease = other.acquire(part("r2", &["a.y"])).await.unwrap();
    create(&other, &lease, "a.y", "y").await;
    let kept = world.names().await;
    assert!(!kept.iter().any(|name| name.ends_with("segment/00000000000000000003")), "{kept:?}");
    let outcome = recorded(record("a.x", "x"), None);
    sleeper.finish(&old, sequence, outcome).await.unwrap().unwrap();
    let loaded = world.program(3).load().await.unwrap();
    assert_eq!(loaded.records.len(), 2, "what was acknowledged is there for everyone");
    assert_sound(&other).await;
}

/// Another machine's clock may be ahead or behind; this machine's own programs have one clock.
#[tokio::test]
async fn a_lease_of_another_machine_ends_later_by_the_allowance() {
    let world = World::new();
    let there: Arc<dyn StateStore> =
        Arc::new(world.through(Faulty::sound(&world.bucket), 1).with_holder(elsewhere()));
    let here = world.program(2);
    let lease = taken(&there, "r1").await;
    world.clock.advance(59 + SKEW_SECONDS);
    let Err(StateError::Held { by, .. }) = here.acquire(request("r2")).await else {
        panic!("it may still be held");
    };
    assert!(by.expires > lease.info.expires, "the time that it can be taken at is told");
    assert_eq!(here.leases().await.unwrap().len(), 1);
    there.renew(&lease).await.unwrap();
    world.clock.advance(60 + SKEW_SECONDS);
    taken(&here, "r2").await;
    assert!(matches!(there.renew(&lease).await, Err(StateError::LeaseLost { .. })));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_give_no_entry_twice() {
    let world = World::new();
    let objects = Faulty::sound(&world.bucket);
    let losses = objects.lose_puts.clone();
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, 1));
    losses.store(1, Ordering::SeqCst);
    let lease = taken(&store, "r1").await;
    for number in 0..5 {
        // Once, then as often as a request is tried, so that only the object itself tells.
        losses.store(if number == 4 { 6 } else { 1 }, Ordering::SeqCst);
        create(&store, &lease, &format!("a.o{number}"), "o").await;
    }
    store.release(lease).await.unwrap();
    let journal = store.journal(0).await.unwrap();
    assert_eq!(journal.len(), 12);
    assert_sound(&world.program(2)).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_is_told_and_the_next_write_goes_on() {
    let world = World::new();
    let objects = Faulty::sound(&world.bucket).dying(4, false);
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, 1));
    let lease = taken(&store, "r1").await;
    let error = store.begin(&lease, intent("a.x", IntentAction::Create, None)).await.unwrap_err();
    assert!(matches!(error, StateError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("memory://team/state/production"), "{error}");
    let sound = world.program(2);
    create(&sound, &lease, "a.x", "x").await;
    assert_eq!(sound.load().await.unwrap().serial, 3);
}

/// Jobs that are asked for together share a segment; one that is refused leaves the others alone.
#[tokio::test]
async fn many_jobs_share_a_segment() {
    let world = World::new();
    let objects = Faulty::sound(&world.bucket);
    let requests = objects.requests.clone();
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, 1));
    let lease = taken(&store, "r1").await;
    let before = requests.counts();
    let jobs = (0..50).map(|number| {
        let (store, lease) = (store.clone(), lease.clone());
        // Every fifth is for the same address, so all but the first of those are refused.
        let address = if number % 5 == 0 { "a.same".to_owned() } else { format!("a.o{number}") };
        tokio::spawn(async move {
            store.begin(&lease, intent(&address, IntentAction::Create, None)).await
        })
    });
    let mut begun = Vec::new();
    for job in jobs.collect::<Vec<_>>() {
        begun.extend(job.await.unwrap());
    }
    begun.sort_unstable();
    assert_eq!(begun, (2..=42).collect::<Vec<u64>>());
    let [put, get, list, delete] = requests.counts();
    assert!(put - before[0] <= 3, "{} segments", put - before[0]);
    assert_eq!([get, list, delete], [before[1], before[2], before[3]], "nothing else is asked");
    assert_eq!(store.load().await.unwrap().unfinished.len(), 41);
}

/// A store that takes requests and never answers.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_ends_the_wait() {
    let world = World::new();
    let objects =
        Faulty::sound(&world.bucket).with_odds(Odds { hangs: 1000, ..Odds::default() }, 1);
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, 1));
    let error = store.acquire(request("r1")).await.unwrap_err();
    assert!(error.to_string().contains("no answer within"), "{error}");
}
