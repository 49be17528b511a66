//! Two programs that change the same catalogue at the same time.

use crate::bed::{Bed, FIRST, Program, SECOND, WEST, done, point};
use crate::between::Between;
use engine::ApplyError;
use recovery::{Changed, RecoveryError};
use state::StateError;
use std::sync::Arc;
use std::time::Duration;

/// A program that is there as long as the test is.
fn alive<'a>(bed: &'a Bed, now: &str, wait: Duration) -> Program<'a> {
    bed.program(Arc::new(bed.catalogue.clone()), now, wait)
}

const NOT_AT_ALL: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_hours(1);

/// A world in which calls take so long that others come in between.
async fn slow() -> Bed {
    let bed = Bed::new().await;
    bed.cloud.delay(Duration::from_secs(10));
    bed
}

/// Does something while something else is under way.
async fn meanwhile<T>(work: impl Future<Output = T>) -> T {
    tokio::time::sleep(Duration::from_secs(5)).await;
    work.await
}

fn assert_told_who_holds_it<T>(changed: Result<Changed<T>, RecoveryError>) {
    match changed {
        Err(RecoveryError::Apply(ApplyError::State(StateError::Held { by, .. }))) => {
            assert_eq!(by.command, "backup test");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it did not wait"),
    }
}

/// What is told to whom it refuses.
fn refused<T>(changed: Result<Changed<T>, RecoveryError>) -> String {
    match changed {
        Err(RecoveryError::Catalogue(error)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_is_being_made_is_told_who_makes_it() {
    let bed = slow().await;
    let (one, two) = (alive(&bed, FIRST, NOT_AT_ALL), alive(&bed, SECOND, NOT_AT_ALL));
    let (first, second) = tokio::join!(one.create("p"), meanwhile(two.create("p")));
    assert_told_who_holds_it(second);
    done(first, "the first");
    bed.assert_whole("p", WEST, "the first").await;
    assert_eq!(bed.calls("create"), 4);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_is_being_made_gets_the_same() {
    for together in [true, false] {
        let bed = slow().await;
        let (one, two) = (alive(&bed, FIRST, LONG), alive(&bed, SECOND, LONG));
        let (first, second) = if together {
            tokio::join!(one.create("p"), two.create("p"))
        } else {
            tokio::join!(one.create("p"), meanwhile(two.create("p")))
        };
        assert_eq!(done(first, "the first"), done(second, "the second"));
        bed.assert_whole("p", WEST, "both").await;
        assert_eq!(bed.calls("create"), 4, "captured once");
        assert_eq!(bed.heard.awaited().len(), 1, "{:?}", bed.heard.awaited());
    }
}

#[tokio::test(start_paused = true)]
async fn two_of_them_are_made_side_by_side() {
    let bed = slow().await;
    let (one, two) = (alive(&bed, FIRST, NOT_AT_ALL), alive(&bed, SECOND, NOT_AT_ALL));
    let (first, second) = tokio::join!(one.create("p"), meanwhile(two.create("q")));
    done(first, "p");
    done(second, "q");
    for name in ["p", "q"] {
        assert_eq!(bed.sound(SECOND).verify(name).await, Vec::<String>::new());
    }
    bed.assert_tidy("both").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_being_made_is_not_deleted() {
    let bed = slow().await;
    let (maker, deleter) = (alive(&bed, FIRST, NOT_AT_ALL), alive(&bed, SECOND, NOT_AT_ALL));
    let (made, deleted) = tokio::join!(maker.create("p"), meanwhile(deleter.delete(&["p"])));
    assert_told_who_holds_it(deleted);
    done(made, "made");
    bed.assert_whole("p", WEST, "made").await;
}

/// It was to go because it was never finished.
#[tokio::test(start_paused = true)]
async fn what_was_finished_meanwhile_is_not_deleted() {
    let bed = slow().await;
    let (maker, deleter) = (alive(&bed, FIRST, NOT_AT_ALL), alive(&bed, SECOND, LONG));
    let (made, deleted) = tokio::join!(maker.create("p"), meanwhile(deleter.delete(&["p"])));
    done(made, "made");
    let why = refused(deleted);
    assert_eq!(why, "restore point `p` has changed meanwhile");
    bed.assert_whole("p", WEST, "made").await;
    done(deleter.delete(&["p"]).await, "asked again");
    bed.assert_nothing("asked again").await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_it_is_deleted_makes_it_anew() {
    let bed = slow().await;
    bed.cloud.fault_nth(1, provider::memory::Fault::Fail(provider::ErrorClass::Denied));
    assert!(matches!(bed.sound(FIRST).create("p").await, Ok(Changed::Partly(_))));
    let (deleter, maker) = (alive(&bed, SECOND, NOT_AT_ALL), alive(&bed, SECOND, LONG));
    let (deleted, made) = tokio::join!(deleter.delete(&["p"]), meanwhile(maker.create("p")));
    done(deleted, "deleted");
    let made = done(made, "made anew");
    bed.assert_whole("p", WEST, "made anew").await;
    assert_eq!(made.begun_at, SECOND, "nothing is left of the first");
}

#[tokio::test(start_paused = true)]
async fn what_is_locked_is_not_deleted_whoever_comes_first() {
    let bed = Bed::new().await;
    done(bed.sound(FIRST).create("p").await, "made");
    done(bed.sound(FIRST).lock("p", true).await, "locked");
    let why = refused(bed.sound(SECOND).delete(&["p"]).await);
    assert_eq!(why, "restore point `p` stays: locked");
    bed.assert_whole("p", WEST, "locked").await;
    done(bed.sound(SECOND).lock("p", false).await, "unlocked");
    done(bed.sound(SECOND).delete(&["p"]).await, "unlocked");
    bed.assert_nothing("unlocked").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_being_deleted_cannot_be_locked() {
    for wait in [NOT_AT_ALL, LONG] {
        let bed = slow().await;
        done(bed.sound(FIRST).create("p").await, "made");
        let (deleter, locker) = (alive(&bed, SECOND, NOT_AT_ALL), alive(&bed, SECOND, wait));
        let (deleted, locked) =
            tokio::join!(deleter.delete(&["p"]), meanwhile(locker.lock("p", true)));
        done(deleted, "deleted");
        match locked {
            Err(RecoveryError::Catalogue(error)) => {
                assert_eq!(error.code(), "restore-point-changed");
            }
            held => assert_told_who_holds_it(held),
        }
        bed.assert_nothing("deleted").await;
    }
}

/// One program locks before any call of the store of another that deletes.
#[tokio::test(start_paused = true)]
async fn a_lock_comes_in_at_any_time() {
    for at in 1.. {
        let (bed, context) = (Bed::new().await, format!("before call {at}"));
        done(bed.sound(FIRST).create("p").await, &context);
        let store = Arc::new(Between::new(bed.catalogue.clone(), at));
        let deleter = bed.program(store.clone(), SECOND, NOT_AT_ALL);
        let locker = alive(&bed, SECOND, NOT_AT_ALL);
        let deleting = async {
            let deleted = deleter.delete(&["p"]).await;
            store.end();
            deleted
        };
        let locking = async {
            store.reached().await;
            let locked = locker.lock("p", true).await;
            store.go_on();
            locked
        };
        let (deleted, locked) = tokio::join!(deleting, locking);
        let was_locked = matches!(locked, Ok(Changed::Done(())));
        let was_deleted = matches!(deleted, Ok(Changed::Done(())));
        assert!(was_locked != was_deleted, "{context}: {was_locked}, {was_deleted}");
        if was_locked {
            bed.assert_whole("p", WEST, &context).await;
            assert!(bed.points().await.points[&point("p")].point.locked, "{context}");
        } else {
            bed.assert_nothing(&context).await;
        }
        if !store.struck() {
            assert!(at > 4, "deleting calls the store");
            break;
        }
    }
}
