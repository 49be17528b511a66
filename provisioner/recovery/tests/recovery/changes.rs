//! The environment changes between two tries: the restore point has what is there by the second, and nothing of the first is
//! orphaned.

use crate::bed::{Bed, Block, FIRST, SECOND, WEST, block, diamond, done, point};
use model::restore_point::Origin;
use provider::ErrorClass;
use provider::memory::Fault;
use recovery::{CatalogueError, Changed, RecoveryError};
use std::time::Duration;

/// Another disk more, one machine less, and a disk that is another by now.
fn changes() -> Vec<(&'static str, Vec<Block>)> {
    let mut more = diamond();
    more.push(block("memory_disk.c", &[]));
    let mut less = diamond();
    less.truncate(3);
    let mut replaced = diamond();
    "renamed".clone_into(&mut replaced[0].name);
    let mut all = diamond();
    "renamed".clone_into(&mut all[1].name);
    all.remove(2);
    all.retain(|block| block.address != "memory_check.all");
    all.push(block("memory_machine.three", &[]));
    vec![("one more", more), ("less", less), ("replaced", replaced), ("all at once", all)]
}

#[tokio::test(start_paused = true)]
async fn the_second_try_has_what_is_there_then() {
    for (what, blocks) in changes() {
        for fault in [Fault::Hang, Fault::HangBefore, Fault::Fail(ErrorClass::Denied)] {
            for nth in 1..=4 {
                let (bed, context) = (Bed::new().await, format!("{what}, {fault:?} in {nth}"));
                bed.cloud.fault_nth(nth, fault);
                let program = bed.sound(FIRST);
                let _ = tokio::time::timeout(Duration::from_secs(5), program.create("p")).await;
                assert!(bed.points().await.points.is_empty(), "{context}: not whole");
                bed.cloud.heal();
                bed.apply(&blocks).await;
                let made = done(bed.sound(SECOND).create("p").await, &context);
                bed.assert_whole("p", WEST, &context).await;
                assert_eq!(made.begun_at, FIRST, "{context}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_meanwhile_fails_alone() {
    let bed = Bed::new().await;
    bed.cloud.lose("memory_disk.a");
    let Ok(Changed::Partly(report)) = bed.sound(FIRST).create("p").await else {
        panic!("a disk is gone")
    };
    let failed: Vec<_> = report.failed.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(failed, [r#"memory_snapshot.captured["p/memory_disk.a"]"#]);
    assert_eq!(bed.points().await.unfinished[&point("p")].len(), 3, "the others are kept");
    bed.apply(&diamond()).await;
    done(bed.sound(SECOND).create("p").await, "made anew");
    bed.assert_whole("p", WEST, "made anew").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_whole_stays_as_it_is_whatever_becomes_of_the_environment() {
    let bed = Bed::new().await;
    let first = done(bed.sound(FIRST).create("p").await, "first");
    let there = bed.snapshots(WEST);
    bed.apply(&[]).await;
    assert_eq!(bed.snapshots(WEST), there, "destroying leaves snapshots");
    bed.apply(&changes()[3].1).await;
    assert_eq!(done(bed.sound(SECOND).create("p").await, "again"), first, "given as it is");
    assert_eq!(bed.sound(SECOND).verify("p").await, Vec::<String>::new());
    done(bed.sound(SECOND).create("q").await, "another");
    assert_eq!(bed.points().await.points.len(), 2);
    done(bed.sound(SECOND).delete(&["p"]).await, "the first goes");
    bed.assert_whole("q", WEST, "the other stays").await;
}

/// Nobody's snapshots are deleted because somebody asks for less, or for something else, under the same name.
#[tokio::test(start_paused = true)]
async fn a_person_goes_on_with_what_was_begun_and_a_rollout_with_what_is_wanted_by_then() {
    let alice = Origin::Person { who: "alice".to_owned(), why: String::new() };
    let rollout = Origin::Rollout { rollout: "r".to_owned() };
    for origin in [alice, rollout.clone()] {
        let (bed, context) = (Bed::new().await, format!("{origin:?}"));
        bed.cloud.fault_next(
            r#"memory_snapshot.captured["p/memory_disk.a"]"#,
            Fault::Fail(ErrorClass::Denied),
        );
        let begun = bed.sound(FIRST).create_of("p", origin.clone(), "").await;
        assert!(matches!(begun, Ok(Changed::Partly(_))), "{context}");
        let there = bed.snapshots(WEST);
        match bed.sound(SECOND).create_of("p", origin.clone(), "memory_disk").await {
            Err(RecoveryError::Catalogue(error)) if origin != rollout => {
                assert_eq!(error, CatalogueError::BegunOtherwise(point("p")), "{context}");
                assert_eq!(bed.snapshots(WEST), there, "{context}: nothing is lost");
            }
            made => assert_eq!(done(made, &context).snapshots.len(), 2, "{context}"),
        }
        done(bed.sound(SECOND).create_of("p", origin, "").await, &context);
        bed.assert_tidy(&context).await;
        let nobody = Origin::Person { who: "bob".to_owned(), why: String::new() };
        match bed.sound(SECOND).create_of("p", nobody, "").await {
            Err(RecoveryError::Catalogue(error)) => {
                assert_eq!(error, CatalogueError::Taken(point("p")), "{context}");
            }
            _ => panic!("{context}: it was taken for one's own"),
        }
    }
}
