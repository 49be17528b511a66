//! Crashes at every step, in the store and in the cloud, once and twice; each time the next apply alone must bring
//! everything right: nothing orphaned, nothing duplicated.

use crate::bed::{Bed, Block, address, diamond};
use crate::configuration::block;
use engine::{ApplyError, CancelToken, Purpose};
use provider::ErrorClass;
use provider::memory::Fault;
use state::StateStore as _;
use state::fault::{FAULTS, FaultyStore};
use std::sync::Arc;
use std::time::Duration;

/// A second state to go to: an update, a replacement that takes others along, an addition's loss.
fn changed() -> Vec<Block> {
    let mut blocks = diamond();
    blocks[0].setting = 4;
    "renamed".clone_into(&mut blocks[1].name);
    blocks[2].create_first = true;
    "renamed too".clone_into(&mut blocks[2].name);
    blocks.pop();
    blocks
}

/// Applies through a store that breaks at call `at`; whether it did.
async fn crash_in_store(bed: &Bed, blocks: &[Block], fault: state::fault::Fault, at: u64) -> bool {
    let store = Arc::new(FaultyStore::new(bed.mortal(), fault, at));
    let engine = bed.engine_on(store.clone());
    // The broken run may end in any way; only what it leaves counts.
    let _ = bed.apply_on(&engine, blocks, &CancelToken::new()).await;
    store.struck()
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_every_call_of_the_store() {
    for fault in FAULTS {
        for at in 1.. {
            let bed = Bed::default();
            let struck = crash_in_store(&bed, &diamond(), fault, at).await;
            bed.settle_down(&diamond(), 1, &format!("{fault:?} at {at}")).await;
            if !struck {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_every_call_of_the_store_while_changing() {
    for fault in FAULTS {
        for at in 1.. {
            let bed = Bed::default();
            bed.apply(&diamond()).await;
            let struck = crash_in_store(&bed, &changed(), fault, at).await;
            bed.settle_down(&changed(), 1, &format!("{fault:?} at {at}")).await;
            if !struck {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_crash_while_the_first_is_recovered() {
    for first in 1.. {
        let mut struck_first = false;
        for second in 1.. {
            let bed = Bed::default();
            struck_first =
                crash_in_store(&bed, &diamond(), state::fault::Fault::CrashBefore, first).await;
            let struck =
                crash_in_store(&bed, &diamond(), state::fault::Fault::CrashAfter, second).await;
            bed.settle_down(&diamond(), 1, &format!("crashes at {first} and {second}")).await;
            if !struck {
                break;
            }
        }
        if !struck_first {
            break;
        }
    }
}

/// Applies until call `nth` of the cloud hangs, and dies there.
async fn crash_in_cloud(bed: &Bed, blocks: &[Block], fault: Fault, nth: u64) {
    bed.cloud.fault_nth(nth, fault);
    let engine = bed.engine();
    let never = CancelToken::new();
    let dying = bed.apply_on(&engine, blocks, &never);
    let _ = tokio::time::timeout(Duration::from_hours(1), dying).await;
    bed.cloud.heal();
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_every_call_of_the_cloud() {
    for fault in [Fault::Hang, Fault::HangBefore] {
        for nth in 1..=5 {
            let bed = Bed::default();
            crash_in_cloud(&bed, &diamond(), fault, nth).await;
            bed.settle_down(&diamond(), 1, &format!("{fault:?} in call {nth}")).await;
        }
        for nth in 1..=8 {
            let bed = Bed::default();
            bed.apply(&diamond()).await;
            crash_in_cloud(&bed, &changed(), fault, nth).await;
            bed.settle_down(&changed(), 1, &format!("{fault:?} in call {nth} while changing"))
                .await;
        }
        for nth in 1..=5 {
            let bed = Bed::default();
            bed.apply(&diamond()).await;
            crash_in_cloud(&bed, &[], fault, nth).await;
            let report = bed.apply(&[]).await;
            assert!(report.is_complete());
            assert!(bed.cloud.objects().is_empty(), "{fault:?} in call {nth} of destroy");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_leaves_one_object() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::LoseAnswer(ErrorClass::Conflict));
    assert!(bed.apply(&diamond()).await.is_complete(), "looked up by the same run");
    bed.assert_converged(&diamond(), "lost answer").await;
    let made = bed.cloud.ledger().iter().filter(|c| c.address == address("memory_disk.a")).count();
    assert_eq!(made, 1, "found, and not sent again");
}

#[tokio::test(start_paused = true)]
async fn a_half_made_object_is_finished() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::HalfMade);
    assert!(bed.apply(&diamond()).await.is_complete());
    bed.assert_converged(&diamond(), "half made").await;
    assert_eq!(bed.heard.retries(), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_wanted_any_more_is_found_and_deleted() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.b", Fault::Hang);
    let engine = bed.engine();
    let never = CancelToken::new();
    let blocks = diamond();
    let dying = bed.apply_on(&engine, &blocks, &never);
    let _ = tokio::time::timeout(Duration::from_mins(1), dying).await;
    let without: Vec<Block> = diamond().into_iter().take(1).collect();
    bed.settle_down(&without, 1, "no longer wanted").await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_settled_stops_the_run_and_is_named() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::HangBefore);
    let engine = bed.engine();
    let never = CancelToken::new();
    let blocks = diamond();
    let dying = bed.apply_on(&engine, &blocks, &never);
    let _ = tokio::time::timeout(Duration::from_mins(1), dying).await;
    bed.cloud.fault_always("memory_disk.a", Fault::Fail(ErrorClass::Transient));
    let error = bed.apply_on(&bed.engine(), &diamond(), &CancelToken::new()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Unsettled(_)), "{error}");
    assert!(error.to_string().contains("memory_disk.a"), "{error}");
    assert_eq!(bed.store.load().await.unwrap().unfinished.len(), 1, "nothing is lost");
    bed.cloud.heal();
    bed.settle_down(&diamond(), 1, "after the cloud is well").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_when_sent_again_never_happened() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::HangBefore);
    let engine = bed.engine();
    let never = CancelToken::new();
    let blocks = diamond();
    let dying = bed.apply_on(&engine, &blocks, &never);
    let _ = tokio::time::timeout(Duration::from_mins(1), dying).await;
    bed.cloud.fault_next("memory_disk.a", Fault::Fail(ErrorClass::Invalid));
    bed.settle_down(&diamond(), 1, "refused when sent again").await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_place_is_out_of_reach_is_left_to_the_plan() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::HangBefore);
    let engine = bed.engine();
    let never = CancelToken::new();
    let blocks = diamond();
    let dying = bed.apply_on(&engine, &blocks, &never);
    let _ = tokio::time::timeout(Duration::from_mins(1), dying).await;
    bed.cloud.cut_off("memory_disk.a");
    let engine = bed.engine();
    let recorded =
        engine.recover(&bed.request(), Purpose::Apply, &CancelToken::new()).await.unwrap();
    assert!(recorded.unfinished.is_empty());
    assert!(recorded.records[&address("memory_disk.a")].tainted, "nothing is orphaned");
    bed.cloud.heal();
    bed.settle_down(&diamond(), 1, "reachable again").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_slow_to_be_ready_is_not_waited_for_that_long_where_nothing_came_of_it() {
    let bed = Bed::default();
    let mut nature = bed.cloud.nature("memory_address");
    nature.adoption.deadline_ms = 60 * 60 * 1_000;
    nature.adoption.effect_ms = Some(2 * 60 * 1_000);
    bed.cloud.set_nature("memory_address", nature);
    let blocks = [block("memory_address.a", &[])];
    bed.cloud.fault_next("memory_address.a", Fault::HangBefore);
    let (engine, never) = (bed.engine(), CancelToken::new());
    let dying = bed.apply_on(&engine, &blocks, &never);
    let _ = tokio::time::timeout(Duration::from_secs(1), dying).await;
    // Well before the call itself would be given up, by the clock of the test.
    let again = tokio::time::timeout(Duration::from_mins(10), bed.apply(&blocks)).await;
    assert!(again.unwrap().is_complete());
    bed.assert_converged(&blocks, "made anew").await;
}
