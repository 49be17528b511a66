//! Programs that die between any two requests: of a commit, a checkpoint, a removal, and of the recovery from that.

use crate::faults::Faulty;
use crate::world::World;
use model::record::Outcome;
use state::conformance::{gone, intent, record, recorded, request};
use state::{StateError, StateStore};
use std::sync::Arc;

/// Everything that was acknowledged to a program.
#[derive(Debug, Default)]
struct Acknowledged {
    begun: Vec<(u64, String)>,
    finished: Vec<String>,
}

/// Takes the environment over and creates objects until the program dies. What is open from before is settled first.
async fn run(
    store: &Arc<dyn StateStore>,
    run: &str,
    said: &mut Acknowledged,
) -> Result<(), StateError> {
    let lease = store.acquire(request(run)).await?;
    for open in store.load().await?.unfinished {
        store
            .finish(&lease, open.sequence, Outcome::Failed { message: "unknown".to_owned() })
            .await?;
    }
    for number in 0..2 {
        let text = format!("a.{run}_{number}");
        let begun = intent(&text, model::record::IntentAction::Create, None);
        let sequence = store.begin(&lease, begun).await?;
        said.begun.push((sequence, text.clone()));
        store.finish(&lease, sequence, recorded(record(&text, &text), None)).await?;
        said.finished.push(text);
    }
    if run == "first" {
        // So that removing what a prune leaves is cut off too.
        let serial = store.load().await?.serial;
        store.prune(&lease, serial - 2).await?;
    }
    store.release(lease).await
}

/// A program that dies after so many requests; whether it did.
async fn die(
    world: &World,
    run_name: &str,
    after: u64,
    done: bool,
    said: &mut Acknowledged,
) -> bool {
    let objects = Faulty::sound(&world.bucket).dying(after, done);
    let requests = objects.requests.clone();
    let store: Arc<dyn StateStore> = Arc::new(world.through(objects, after).with_holder(gone()));
    let ended = run(&store, run_name, said).await;
    // A checkpoint that is cut off is no error of a commit, so the program may have died all the same.
    let died = requests.all.load(std::sync::atomic::Ordering::SeqCst) > after;
    assert!(died || ended.is_ok(), "{ended:?}");
    died
}

/// That everything that was acknowledged is there, by a program that has only the objects.
async fn assert_kept(world: &World, said: &[&Acknowledged], what: &str) {
    let store = world.program(7_777);
    let loaded = store.load().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let report = store.check().await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new(), "{what}");
    for said in said {
        for address in &said.finished {
            let kept = loaded.records.keys().any(|key| key.to_string() == *address);
            assert!(kept, "{what}: {address} was acknowledged");
        }
        for (sequence, address) in &said.begun {
            let open = loaded.unfinished.iter().any(|intent| intent.sequence == *sequence);
            let settled = loaded.records.keys().any(|key| key.to_string() == *address);
            let failed = !open && loaded.serial > *sequence;
            assert!(open || settled || failed, "{what}: intent {sequence} was acknowledged");
        }
    }
}

/// A program dies after every request in turn, and with `again` a second one that goes on from there does too.
async fn crash_everywhere(segments: u64, again: &[u64]) -> u64 {
    let mut crashes = 0;
    for done in [false, true] {
        for after in 0.. {
            let mut died = false;
            for second in std::iter::once(None).chain(again.iter().copied().map(Some)) {
                let world = World::hasty(segments);
                let world = if again.is_empty() { world } else { world.with_ready_key() };
                let (mut first, mut later) = (Acknowledged::default(), Acknowledged::default());
                died = die(&world, "first", after, done, &mut first).await;
                let mut what = format!("death after request {after}, done: {done}");
                if let Some(second) = second {
                    what = format!("{what}, and again after {second}");
                    die(&world, "second", second, done, &mut later).await;
                }
                crashes += 1;
                assert_kept(&world, &[&first, &later], &what).await;
                let mut last = Acknowledged::default();
                let store = world.program(4_242);
                run(&store, "last", &mut last).await.unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_kept(&world, &[&first, &later, &last], &what).await;
            }
            if !died {
                assert!(after > 10, "it was tried at every request");
                break;
            }
        }
    }
    crashes
}

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_whichever_request_is_the_last() {
    for segments in [1, 3] {
        let crashes = crash_everywhere(segments, &[]).await;
        assert!(crashes > 40, "{crashes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_crash_during_recovery_is_survived() {
    let again: Vec<u64> = (0..40).step_by(6).collect();
    let crashes = crash_everywhere(2, &again).await;
    assert!(crashes > 300, "{crashes}");
}
