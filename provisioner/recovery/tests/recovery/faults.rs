//! Calls of the cloud that fail once: what is told, and that asking again finishes.

use crate::bed::{Bed, FIRST, Program, SECOND, WEST, diamond, done, point};
use engine::RunReport;
use provider::ErrorClass;
use provider::memory::Fault;
use recovery::{Changed, RecoveryError};
use std::time::Duration;

/// What a cloud may do to a call, with whether that ends the call for good.
const FAULTS: [(Fault, bool); 10] = [
    (Fault::Fail(ErrorClass::Throttled), false),
    (Fault::Fail(ErrorClass::Transient), false),
    (Fault::LoseAnswer(ErrorClass::Transient), false),
    (Fault::LoseAnswer(ErrorClass::Conflict), false),
    (Fault::LoseRequest(ErrorClass::Transient), false),
    (Fault::Late { class: ErrorClass::Transient, after_ms: 2_000 }, false),
    (Fault::Hang, false),
    (Fault::Fail(ErrorClass::Denied), true),
    (Fault::Fail(ErrorClass::Invalid), true),
    (Fault::Fail(ErrorClass::Quota), true),
];

/// What failed, and what was left undone because of it.
fn told(report: &RunReport) -> (Vec<String>, Vec<String>) {
    let failed = report.failed.iter().map(|it| it.address.to_string());
    let skipped = report.skipped.iter().map(|it| it.address.to_string());
    (failed.collect(), skipped.collect())
}

fn partly<T>(changed: Result<Changed<T>, RecoveryError>, context: &str) -> RunReport {
    match changed {
        Ok(Changed::Partly(report)) => report,
        Ok(Changed::Done(_)) => panic!("{context}: done"),
        Ok(Changed::Interrupted) => panic!("{context}: interrupted"),
        Err(error) => panic!("{context}: {error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_that_captures_fails_once() {
    for (fault, is_final) in FAULTS {
        for nth in 1..=4 {
            let (bed, context) = (Bed::new().await, format!("{fault:?} in call {nth}"));
            bed.cloud.fault_nth(nth, fault);
            let made = bed.sound(FIRST).create("p").await;
            if is_final {
                let (failed, skipped) = told(&partly(made, &context));
                assert_eq!(failed.len(), 1, "{context}: {failed:?}");
                assert!(failed[0].contains(r#".captured["p/memory_"#), "{context}: {failed:?}");
                assert_eq!(skipped, [r#"terraform_data.restore_point["p"]"#], "{context}");
                assert!(bed.points().await.points.is_empty(), "{context}: not whole");
                let unfinished = &bed.points().await.unfinished[&point("p")];
                assert_eq!(unfinished.len(), 3, "{context}: what was captured is kept");
                bed.assert_tidy(&context).await;
            } else {
                done(made, &context);
                bed.assert_whole("p", WEST, &context).await;
            }
            let calls = bed.calls("create");
            assert_eq!(done(bed.sound(SECOND).create("p").await, &context).begun_at, FIRST);
            bed.assert_whole("p", WEST, &context).await;
            let more = usize::from(is_final);
            assert_eq!(bed.calls("create"), calls + more, "{context}: nothing is captured again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_half_made_is_made_anew_and_nothing_is_left_of_it() {
    for nth in 1..=4 {
        let (bed, context) = (Bed::new().await, format!("call {nth}"));
        bed.cloud.fault_nth(nth, Fault::HalfMade);
        let (failed, _) = told(&partly(bed.sound(FIRST).create("p").await, &context));
        assert_eq!(failed.len(), 1, "{context}: {failed:?}");
        assert!(bed.points().await.points.is_empty(), "{context}: not whole");
        done(bed.sound(SECOND).create("p").await, &context);
        bed.assert_whole("p", WEST, &context).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_that_deletes_fails_once() {
    for (fault, is_final) in FAULTS {
        for nth in 1..=4 {
            let (bed, context) = (Bed::new().await, format!("{fault:?} in call {nth}"));
            done(bed.sound(FIRST).create("p").await, &context);
            bed.cloud.fault_nth(nth, fault);
            let deleted = bed.sound(FIRST).delete(&["p"]).await;
            if is_final {
                let (failed, skipped) = told(&partly(deleted, &context));
                assert_eq!(failed.len(), 1, "{context}: {failed:?}");
                assert!(failed[0].contains(r#".captured["p/memory_"#), "{context}: {failed:?}");
                assert_eq!(skipped, [r#"terraform_data.state["p"]"#], "{context}");
                assert!(bed.points().await.points.is_empty(), "{context}: not whole any more");
                assert_eq!(bed.points().await.unfinished[&point("p")].len(), 1, "{context}");
            } else {
                done(deleted, &context);
                bed.assert_nothing(&context).await;
            }
            done(bed.sound(SECOND).delete(&["p"]).await, &context);
            bed.assert_nothing(&context).await;
        }
    }
}

/// Asks for a restore point while something is as it should not be, which ends the try, and again after that.
async fn ends_early(bed: &Bed, program: &Program<'_>, context: &str) -> RecoveryError {
    let Err(error) = program.create("p").await else { panic!("{context}: it went on") };
    assert!(bed.points().await.points.is_empty(), "{context}: not whole");
    error
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_lets_nobody_in_is_told_before_anything_is_written() {
    let bed = Bed::new().await;
    bed.lock_out(true);
    let error = ends_early(&bed, &bed.sound(FIRST), "locked out").await;
    assert!(error.to_string().contains("not valid any more"), "{error}");
    bed.assert_nothing("locked out").await;
    bed.lock_out(false);
    done(bed.sound(SECOND).create("p").await, "let in");
    bed.assert_whole("p", WEST, "let in").await;
}

/// Dies in the first call that captures, and leaves a cloud that tells nothing of it. Gives its snapshot.
async fn out_of_reach(bed: &Bed, name: &str) -> String {
    bed.cloud.fault_nth(1, Fault::Hang);
    let program = bed.sound(FIRST);
    let dying = tokio::time::timeout(Duration::from_secs(5), program.create(name));
    assert!(dying.await.is_err());
    bed.cloud.heal();
    let open = bed.kept().await.unfinished[0].address.to_string();
    bed.cloud.fault_looks(1_000, ErrorClass::Denied);
    bed.cloud.fault_always(&open, Fault::Fail(ErrorClass::Transient));
    open
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_up_stops_the_next_try_and_is_named() {
    let bed = Bed::new().await;
    let open = out_of_reach(&bed, "p").await;
    let error = ends_early(&bed, &bed.sound(SECOND), "out of reach").await;
    assert!(error.to_string().contains(&open), "{error}");
    assert_eq!(bed.kept().await.unfinished.len(), 1, "nothing is lost");
    bed.cloud.heal();
    done(bed.sound(SECOND).create("p").await, "after the cloud is well");
    bed.assert_whole("p", WEST, "after the cloud is well").await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_up_stops_no_other() {
    let bed = Bed::new().await;
    out_of_reach(&bed, "p").await;
    done(bed.sound(SECOND).create("q").await, "another");
    done(bed.sound(SECOND).lock("q", true).await, "another");
    done(bed.sound(SECOND).lock("q", false).await, "another");
    assert_eq!(bed.kept().await.unfinished.len(), 1, "nothing is lost");
    done(bed.sound(SECOND).delete(&["q"]).await, "another");
    bed.cloud.heal();
    done(bed.sound(SECOND).delete(&["p"]).await, "after the cloud is well");
    bed.assert_nothing("after the cloud is well").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_half_made_of_another_is_left_to_whoever_asks_for_it() {
    let bed = Bed::new().await;
    bed.cloud.fault_next(r#"memory_snapshot.captured["p/memory_disk.a"]"#, Fault::HalfMade);
    partly(bed.sound(FIRST).create("p").await, "half made");
    let mut blocks = diamond();
    "renamed".clone_into(&mut blocks[0].name);
    bed.apply(&blocks).await;
    let calls = bed.calls("create");
    done(bed.sound(SECOND).create("q").await, "another");
    assert_eq!((bed.calls("create"), bed.calls("delete")), (calls + 4, 0), "its own only");
    done(bed.sound(SECOND).lock("q", true).await, "another");
    assert_eq!(bed.calls("create"), calls + 4);
    done(bed.sound(SECOND).create("p").await, "asked for again");
    bed.assert_whole("p", WEST, "asked for again").await;
}
