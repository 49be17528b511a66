//! The provider's configuration changes between restore points: each is looked at, and deleted, where it was made.

use crate::bed::{Bed, EAST, FIRST, SECOND, WEST, diamond, done};
use provider::memory::Fault;
use std::collections::BTreeSet;
use std::time::Duration;

/// An environment that has moved: all that it has is in the other region, too.
async fn moved(bed: &Bed) {
    bed.move_to(EAST);
    bed.apply(&diamond()).await;
}

#[tokio::test(start_paused = true)]
async fn each_is_found_and_deleted_where_it_was_made() {
    let bed = Bed::new().await;
    done(bed.sound(FIRST).create("west").await, "in the west");
    moved(&bed).await;
    done(bed.sound(SECOND).create("east").await, "in the east");
    bed.assert_whole("east", EAST, "in the east").await;
    assert_eq!((bed.snapshots(WEST).len(), bed.snapshots(EAST).len()), (4, 4));
    for region in [WEST, EAST] {
        bed.move_to(region);
        for name in ["west", "east"] {
            let found = bed.sound(SECOND).verify(name).await;
            assert!(found.is_empty(), "{name}, looked at from {region}: {found:?}");
        }
    }
    bed.move_to(EAST);
    done(bed.sound(SECOND).delete(&["west"]).await, "from the east");
    assert_eq!((bed.snapshots(WEST).len(), bed.snapshots(EAST).len()), (0, 4));
    bed.move_to(WEST);
    done(bed.sound(SECOND).delete(&["east"]).await, "from the west");
    bed.assert_nothing("both are deleted").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_begun_elsewhere_is_made_anew_and_nothing_is_left_there() {
    for fault in [Fault::Hang, Fault::HangBefore] {
        for nth in 1..=4 {
            let (bed, context) = (Bed::new().await, format!("{fault:?} in call {nth}"));
            bed.cloud.fault_nth(nth, fault);
            let program = bed.sound(FIRST);
            let _ = tokio::time::timeout(Duration::from_secs(5), program.create("p")).await;
            bed.cloud.heal();
            moved(&bed).await;
            done(bed.sound(SECOND).create("p").await, &context);
            bed.assert_whole("p", EAST, &context).await;
            assert_eq!(bed.snapshots(WEST), [], "{context}");
        }
    }
}

/// The keys under which the catalogue has configurations of the cloud that records name.
async fn keys(bed: &Bed) -> BTreeSet<String> {
    let recorded = bed.kept().await;
    let keys = recorded.records.values().map(|record| record.provider.clone());
    keys.filter(|key| key.starts_with("memory.")).collect()
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_rotated_make_no_other_configuration() {
    let bed = Bed::new().await;
    bed.log_in("key-1", "hunter2");
    done(bed.sound(FIRST).create("p").await, "first");
    bed.log_in("key-2", "correct horse");
    done(bed.sound(SECOND).create("q").await, "second");
    let keys = keys(&bed).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let recorded = bed.kept().await;
    let config = &recorded.providers[keys.first().unwrap()];
    assert_eq!(config.arguments.get("user").unwrap().as_str(), Some("key-2"));
    let password = config.arguments.get("password").unwrap();
    assert_eq!(password.as_str(), Some("correct horse"), "the new one is used from now on");
    assert!(password.marks().sensitive);
    for name in ["p", "q"] {
        assert_eq!(bed.sound(SECOND).verify(name).await, Vec::<String>::new());
    }
    done(bed.sound(SECOND).delete(&["p", "q"]).await, "both");
    bed.assert_nothing("both are deleted").await;
}

/// The two have the same addresses, and ask for restore points of the same name.
#[tokio::test(start_paused = true)]
async fn environments_in_the_same_cloud_do_not_get_in_each_others_way() {
    let (one, names) = (Bed::new().await, ["nightly", "weekly"]);
    let two = one.beside().await;
    for name in names {
        done(one.sound(FIRST).create(name).await, "one");
        done(two.sound(FIRST).create(name).await, "two");
    }
    assert_eq!(one.snapshots(WEST).len(), 16);
    done(one.sound(SECOND).delete(&names).await, "one");
    assert_eq!(one.snapshots(WEST).len(), 8);
    for name in names {
        two.assert_whole(name, WEST, "two").await;
    }
}
