//! Crashes at every step, in the store and in the cloud; each time asking again alone must bring everything right: nothing
//! orphaned, nothing made twice, and what is not whole is never taken for a restore point.

use crate::bed::{Bed, FIRST, Program, SECOND, WEST, done};
use model::restore_point::RestorePoint;
use provider::memory::Fault;
use provider::memory::schema::{IMAGE, SNAPSHOT};
use recovery::catalogue;
use state::fault::{FAULTS, FaultyStore};
use std::sync::Arc;
use std::time::Duration;

/// What a program is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Create,
    Delete,
    Lock,
    Unlock,
}

const ALL: [Asked; 4] = [Asked::Create, Asked::Delete, Asked::Lock, Asked::Unlock];

impl Asked {
    /// The world before it is asked for.
    async fn bed(self) -> Bed {
        let bed = Bed::new().await;
        if self != Self::Create {
            done(bed.sound(FIRST).create("p").await, "to begin with");
        }
        if self == Self::Unlock {
            done(bed.sound(FIRST).lock("p", true).await, "to begin with");
        }
        bed
    }

    /// It may end in any way; only what it leaves counts.
    async fn of(self, program: &Program<'_>) {
        match self {
            Self::Create => drop(program.create("p").await),
            Self::Delete => drop(program.delete(&["p"]).await),
            Self::Lock => drop(program.lock("p", true).await),
            Self::Unlock => drop(program.lock("p", false).await),
        }
    }

    /// Asks again, and looks at what came of it.
    async fn again(self, bed: &Bed, context: &str) {
        let program = bed.sound(SECOND);
        match self {
            Self::Create => create_again(bed, &program, context).await,
            Self::Delete => {
                done(program.delete(&["p"]).await, context);
                bed.assert_nothing(context).await;
            }
            Self::Lock | Self::Unlock => {
                let locked = self == Self::Lock;
                done(program.lock("p", locked).await, context);
                bed.assert_whole("p", WEST, context).await;
                let points = bed.points().await.points;
                assert!(points.values().all(|kept| kept.point.locked == locked), "{context}");
            }
        }
    }
}

async fn create_again(bed: &Bed, program: &Program<'_>, context: &str) {
    let (before, begun) = (bed.kept().await, bed.calls("create") > 0);
    let p = crate::bed::point("p");
    let is_begun = begun || catalogue::begun_at(&before, &p).is_some();
    let RestorePoint { begun_at, .. } = done(program.create("p").await, context);
    bed.assert_whole("p", WEST, context).await;
    if is_begun {
        assert_eq!(begun_at, FIRST, "{context}: nothing that happened before is missing");
    }
    let kept = &bed.points().await.points[&p];
    assert_eq!(kept.point.begun_at, begun_at, "{context}: what is told is what is recorded");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_every_call_of_the_store() {
    for asked in ALL {
        for fault in FAULTS {
            for at in 1.. {
                let bed = asked.bed().await;
                let store = Arc::new(FaultyStore::new(bed.mortal(), fault, at));
                asked.of(&bed.program(store.clone(), FIRST, Duration::ZERO)).await;
                asked.again(&bed, &format!("{asked:?}, {fault:?} at {at}")).await;
                if !store.struck() {
                    assert!(at > 4, "{asked:?} calls the store");
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_crash_while_the_first_is_recovered() {
    let crash = async |bed: &Bed, asked: Asked, at: u64| {
        let store = Arc::new(FaultyStore::new(bed.mortal(), state::fault::Fault::CrashAfter, at));
        asked.of(&bed.program(store.clone(), FIRST, Duration::ZERO)).await;
        store.struck()
    };
    for asked in [Asked::Create, Asked::Delete] {
        for first in (1..).step_by(3) {
            let mut struck_first = false;
            for second in 1.. {
                let bed = asked.bed().await;
                struck_first = crash(&bed, asked, first).await;
                let struck = crash(&bed, asked, second).await;
                asked.again(&bed, &format!("{asked:?}, crashes at {first} and {second}")).await;
                if !struck {
                    break;
                }
            }
            if !struck_first {
                break;
            }
        }
    }
}

/// Dies in a call of the cloud, before the call is given up.
async fn crash_in_cloud(bed: &Bed, asked: Asked, fault: Fault, nth: u64) {
    bed.cloud.fault_nth(nth, fault);
    let program = bed.sound(FIRST);
    let _ = tokio::time::timeout(Duration::from_secs(5), asked.of(&program)).await;
    bed.cloud.heal();
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_every_call_of_the_cloud() {
    for asked in [Asked::Create, Asked::Delete] {
        for fault in [Fault::Hang, Fault::HangBefore] {
            for nth in 1..=4 {
                let bed = asked.bed().await;
                crash_in_cloud(&bed, asked, fault, nth).await;
                assert_ne!(bed.kept().await.unfinished, [], "{asked:?}: it died in call {nth}");
                asked.again(&bed, &format!("{asked:?}, {fault:?} in call {nth}")).await;
            }
        }
    }
}

/// Clouds differ in how a snapshot is found whose call was cut off.
#[tokio::test(start_paused = true)]
async fn a_crash_however_snapshots_are_found_again() {
    let found_by_token = Bed::empty().cloud.nature("memory_disk");
    for fault in [Fault::Hang, Fault::HangBefore, Fault::HalfMade] {
        for nth in 1..=4 {
            let bed = Bed::new().await;
            for kind in [SNAPSHOT, IMAGE] {
                bed.cloud.set_nature(kind, found_by_token);
            }
            crash_in_cloud(&bed, Asked::Create, fault, nth).await;
            Asked::Create.again(&bed, &format!("by token, {fault:?} in call {nth}")).await;
            assert!(bed.calls("create") <= 5, "made once, and at most sent twice");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_off_is_deleted_as_well() {
    for fault in [Fault::Hang, Fault::HangBefore] {
        for nth in 1..=4 {
            let (bed, context) = (Bed::new().await, format!("{fault:?} in call {nth}"));
            crash_in_cloud(&bed, Asked::Create, fault, nth).await;
            let points = bed.points().await;
            assert!(points.points.is_empty(), "{context}: not whole");
            assert!(points.unfinished.contains_key(&crate::bed::point("p")), "{context}: begun");
            done(bed.sound(SECOND).delete(&["p"]).await, &context);
            bed.assert_nothing(&context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_half_deleted_is_not_whole_and_can_be_made_again() {
    for nth in 1..=4 {
        let (bed, context) = (Asked::Delete.bed().await, format!("call {nth}"));
        crash_in_cloud(&bed, Asked::Delete, Fault::HangBefore, nth).await;
        assert!(bed.points().await.points.is_empty(), "{context}: not whole any more");
        done(bed.sound(SECOND).create("p").await, &context);
        bed.assert_whole("p", WEST, &context).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_interrupted_goes_on_later() {
    for level in [engine::Level::Finish, engine::Level::Stop] {
        let (bed, context) = (Bed::new().await, format!("{level:?}"));
        bed.cloud.delay(Duration::from_secs(10));
        let program = bed.sound(FIRST);
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            program.cancel.raise_to(level);
        };
        let (changed, ()) = tokio::join!(program.create("p"), interrupt);
        assert!(matches!(changed, Ok(recovery::Changed::Interrupted)), "{context}");
        assert!(bed.points().await.points.is_empty(), "{context}: not whole");
        assert!(bed.calls("create") > 0, "{context}: it had begun");
        Asked::Create.again(&bed, &context).await;
    }
}
