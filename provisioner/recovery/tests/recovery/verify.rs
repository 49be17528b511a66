//! What verifying tells, and that what is wrong with one restore point is in no other's way.

use crate::bed::{Bed, FIRST, SECOND, WEST, done, names, point};
use model::Value;
use provider::ErrorClass;
use recovery::{Changed, RecoveryError, Retention, retention};
use std::collections::BTreeSet;

const DISK: &str = r#"memory_snapshot.captured["p/memory_disk.a"]"#;
const IMAGE: &str = r#"memory_image.captured["p/memory_machine.one"]"#;
const STATE: &str = r#"terraform_data.state["p"]"#;
const POINT: &str = r#"terraform_data.restore_point["p"]"#;

async fn made() -> Bed {
    let bed = Bed::new().await;
    done(bed.sound(FIRST).create("p").await, "made");
    bed
}

#[tokio::test(start_paused = true)]
async fn a_sound_one_has_no_findings_and_looking_changes_nothing() {
    let bed = made().await;
    let (before, calls) = (bed.kept().await, bed.cloud.ledger());
    assert_eq!(bed.sound(SECOND).verify("p").await, Vec::<String>::new());
    assert_eq!((bed.kept().await, bed.cloud.ledger()), (before, calls));
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_not_well_is_told_of_what_was_captured() {
    let bed = made().await;
    bed.cloud.lose(DISK);
    bed.cloud.meddle(IMAGE, "status", &Value::from("failing"));
    let found = bed.sound(SECOND).verify("p").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("memory_disk.a: no object mem-"), "{found:?}");
    assert_eq!(found[1], "memory_machine.one: its status is failing");
    bed.meddle(DISK, None).await;
    let found = bed.sound(SECOND).verify("p").await;
    assert_eq!(found[0], "memory_disk.a: it is recorded no more");
    done(bed.sound(SECOND).delete(&["p"]).await, "what is left");
    bed.assert_nothing("what is left").await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_not_taken_for_well() {
    let bed = made().await;
    bed.cloud.unread(DISK, ErrorClass::Denied);
    bed.cloud.cut_off(IMAGE);
    let found = bed.sound(SECOND).verify("p").await;
    let read = format!("memory_disk.a: read {DISK}: failed");
    assert_eq!(found, [read, "memory_machine.one: cut off".to_owned()]);
    bed.cloud.heal();
    bed.cloud.unread(DISK, ErrorClass::Transient);
    assert_eq!(bed.sound(SECOND).verify("p").await.len(), 1, "tried in vain, again and again");
    bed.cloud.heal();
    bed.lock_out(true);
    let found = bed.sound(SECOND).verify("p").await;
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|it| it.ends_with(": the credentials are not valid any more")));
    bed.lock_out(false);
    assert_eq!(bed.sound(SECOND).verify("p").await, Vec::<String>::new());
}

/// A packed state that is another's.
async fn state_of_another(bed: &Bed) -> String {
    bed.apply(&crate::bed::diamond()[..2]).await;
    done(bed.sound(SECOND).create("q").await, "another");
    let recorded = bed.kept().await;
    let q = crate::configuration::address(r#"terraform_data.state["q"]"#);
    recorded.records[&q].attributes.get("input").unwrap().as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_not_what_it_was_is_told() {
    let bed = made().await;
    let another = state_of_another(&bed).await;
    let damaged = |why: &str| format!("restore point `p` is damaged: its state {why}");
    let cases = [
        (Some(""), damaged("is gone, or does not read")),
        (Some("{}"), damaged("is gone, or does not read")),
        (Some(r#"{"format": 1, "begun_at": "", "state": "!"}"#), damaged("does not read")),
        (Some(r#"{"format": 1, "begun_at": "", "state": "AAAA"}"#), damaged("does not unpack")),
        (Some(another.as_str()), damaged("has another digest than it had")),
        (
            Some(r#"{"format": 2, "begun_at": "", "state": ""}"#),
            "restore point `p` has format 2, and this program knows 1".to_owned(),
        ),
        (None, damaged("is gone, or does not read")),
    ];
    for (input, why) in cases {
        bed.meddle(STATE, input).await;
        assert_eq!(bed.sound(SECOND).verify("p").await, [why]);
    }
    done(bed.sound(SECOND).delete(&["p"]).await, "damaged");
    bed.assert_tidy("damaged").await;
}

/// Records of restore points that this program cannot use, and what is said of them.
fn unusable() -> [(&'static str, &'static str); 5] {
    let other = include_str!("../../../model/fixtures/restore-point-format-1.json");
    [
        (
            r#"{"format": 2, "name": "p"}"#,
            "restore point `p` has format 2, and this program knows 1",
        ),
        (r#"{"format": 1, "name": "p"}"#, "restore point `p` is damaged: missing field"),
        ("{}", "restore point `p` is damaged: missing field"),
        ("gibberish", "restore point `p` is damaged: expected value"),
        (other, "restore point `p` is damaged: it says that it is `rollout-0123456789ab`"),
    ]
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_is_in_no_others_way() {
    for (text, why) in unusable() {
        let bed = made().await;
        bed.meddle(POINT, Some(text)).await;
        let found = bed.sound(SECOND).verify("p").await;
        assert!(found.len() == 1 && found[0].starts_with(why), "{found:?}");
        match bed.sound(SECOND).create("p").await {
            Err(RecoveryError::Catalogue(error)) => assert!(error.to_string().starts_with(why)),
            _ => panic!("{why}: it was taken for one that is not there"),
        }
        done(bed.sound(SECOND).create("q").await, why);
        assert!(bed.points().await.points.contains_key(&point("q")), "{why}");
        let fates = retention::fates(&bed.points().await, &Retention::default(), &BTreeSet::new());
        let told: Vec<_> =
            fates.iter().map(|it| (it.name.as_str(), it.stays.unwrap().word())).collect();
        assert_eq!(told, [("q", "only"), ("p", "unreadable")], "{why}: no rule deletes it");
        done(bed.sound(SECOND).delete(&["p"]).await, why);
        assert_eq!(bed.points().await.names().cloned().collect::<BTreeSet<_>>(), names(&["q"]));
        bed.assert_whole("q", WEST, why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_earlier_programs_wrote_is_read() {
    let bed = made().await;
    let text = include_str!("../../../model/fixtures/restore-point-format-1.json");
    bed.meddle(POINT, Some(&text.replace("rollout-0123456789ab", "p"))).await;
    let kept = &bed.points().await.points[&point("p")];
    assert_eq!((kept.point.format, kept.point.serial), (1, 47));
    let found = bed.sound(SECOND).verify("p").await;
    assert_eq!(
        found[1],
        r#"node_set.edge.node["edge-main-001"].local_machine.this: it is recorded no more"#
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_finished_is_none_to_lock_or_verify() {
    let bed = Bed::new().await;
    bed.cloud.fault_nth(1, provider::memory::Fault::Fail(ErrorClass::Denied));
    assert!(matches!(bed.sound(FIRST).create("p").await, Ok(Changed::Partly(_))));
    let found = bed.sound(SECOND).with(async |it| it.verify(&names(&["p"])).await).await.unwrap();
    assert!(found.is_empty(), "nothing is said of what is not whole");
    match bed.sound(SECOND).lock("p", true).await {
        Err(RecoveryError::Catalogue(error)) => assert_eq!(error.code(), "restore-point-changed"),
        _ => panic!("it was locked"),
    }
    bed.assert_tidy("refused").await;
}
