//! Calls that fail in passing, answers that are lost, deadlines, and the budget that all of it comes from.

use crate::bed::{Bed, Block, ENVIRONMENT, address, block};
use engine::{ApplyError, CancelToken, Engine, Level, RetryPolicy};
use model::record::{IntentAction, Recorded};
use provider::ErrorClass::{Conflict, Denied, Invalid, NotFound, Quota, Throttled, Transient};
use provider::memory::{Fault, MemoryProvider, Nature, Stored};
use provider::{CreateRequest, DeleteRequest, Owner, Provider as _, Silent};
use state::StateStore as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Found by token, by name, by tag.
fn three() -> Vec<Block> {
    vec![block("memory_disk.a", &[]), block("memory_bucket.a", &[]), block("memory_address.a", &[])]
}

fn calls(bed: &Bed, name: &str) -> usize {
    bed.cloud.ledger().iter().filter(|call| call.address == address(name)).count()
}

fn tokens(bed: &Bed, name: &str) -> usize {
    let ledger = bed.cloud.ledger();
    let of_it = ledger.iter().filter(|call| call.address == address(name));
    of_it.map(|call| call.token.as_str()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn an_apply_through_a_lossy_cloud_finishes_by_itself() {
    let lossy = [
        Fault::LoseRequest(Transient),
        Fault::LoseAnswer(Transient),
        Fault::Late { class: Transient, after_ms: 50_000 },
        Fault::Hang,
        Fault::HangBefore,
    ];
    for fault in lossy {
        for name in ["memory_disk.a", "memory_bucket.a", "memory_address.a"] {
            let bed = Bed::default();
            bed.cloud.fault_next(name, fault);
            let report = bed.apply(&three()).await;
            let context = format!("{name} meets {fault:?}");
            assert!(report.is_complete(), "{context}: {:?}", report.diagnostics);
            tokio::time::sleep(Duration::from_mins(2)).await;
            bed.assert_converged(&three(), &context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_is_sent_again_before_it_is_known_that_nothing_came() {
    for name in ["memory_bucket.a", "memory_address.a"] {
        let bed = Bed::default();
        let start = Instant::now();
        bed.cloud.fault_next(name, Fault::LoseRequest(Transient));
        assert!(bed.apply(&three()).await.is_complete());
        let settle_ms = bed.cloud.nature(name.split('.').next().unwrap()).adoption.settle_ms;
        let proven = Duration::from_mins(1) + Duration::from_millis(settle_ms);
        assert!(start.elapsed() >= proven, "{name}: sent again after {:?}", start.elapsed());
        assert_eq!((calls(&bed, name), tokens(&bed, name)), (2, 2), "{name}: another try");
        let notices = bed.heard.notices();
        assert!(
            notices.iter().any(|told| told.contains(name) && told.contains(" s")),
            "{notices:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_proof_ends_when_asked_and_the_next_run_goes_on() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_address.a", Fault::LoseAnswer(Transient));
    let hidden = Nature { hidden_ms: 60_000, ..bed.cloud.nature("memory_address") };
    bed.cloud.set_nature("memory_address", hidden);
    let (engine, cancel, blocks) = (bed.engine(), CancelToken::new(), three());
    let ask = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cancel.raise_to(Level::Finish);
    };
    let (report, ()) = tokio::join!(bed.apply_on(&engine, &blocks, &cancel), ask);
    let report = report.unwrap();
    assert!(report.interrupted && report.failed.len() == 1);
    assert_eq!(bed.store.load().await.unwrap().unfinished.len(), 1);
    bed.settle_down(&blocks, 1, "after an interrupt").await;
    assert_eq!(bed.heard.recovered(), ["memory_address.a: adopted"]);
}

#[tokio::test(start_paused = true)]
async fn only_passing_faults_and_throttling_are_tried_again() {
    for class in [Conflict, Quota, Invalid, Denied, NotFound] {
        let bed = Bed::default();
        bed.cloud.fault_always("memory_disk.a", Fault::Fail(class));
        assert_eq!(bed.apply(&[block("memory_disk.a", &[])]).await.failed.len(), 1);
        assert_eq!(calls(&bed, "memory_disk.a"), 1, "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_made_until_its_deadline() {
    let bed = Bed::default();
    let start = Instant::now();
    bed.cloud.fault_always("memory_disk.a", Fault::Fail(Throttled));
    let report = bed.apply(&[block("memory_disk.a", &[])]).await;
    assert_eq!(report.failed[0].diagnostic.code, "provider-throttled");
    assert!(calls(&bed, "memory_disk.a") > 4, "longer than after other faults");
    assert!(start.elapsed() <= Duration::from_mins(1), "{:?}", start.elapsed());
    assert!(
        bed.store.load().await.unwrap().unfinished.is_empty(),
        "nothing was done: that is known"
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttling_cloud_is_asked_when_it_says_so() {
    let bed = Bed::default();
    bed.cloud.enforce_limits();
    let names: Vec<&'static str> =
        (0..40).map(|n| &*Box::leak(format!("memory_disk.d{n}").into_boxed_str())).collect();
    let blocks: Vec<Block> = names.iter().map(|name| block(name, &[])).collect();
    let report = bed.apply(&blocks).await;
    assert!(report.is_complete(), "{:?}", report.diagnostics);
    assert!(!bed.heard.retries().is_empty(), "it did throttle");
}

#[tokio::test(start_paused = true)]
async fn a_broken_cloud_fails_fast() {
    let bed = Bed::default();
    let names: Vec<&'static str> =
        (0..200).map(|n| &*Box::leak(format!("memory_disk.d{n}").into_boxed_str())).collect();
    let blocks: Vec<Block> = names.iter().map(|name| block(name, &[])).collect();
    for name in &names {
        bed.cloud.fault_always(name, Fault::Fail(Transient));
    }
    let report = bed.apply(&blocks).await;
    assert_eq!(report.failed.len(), 200);
    assert_eq!(bed.cloud.ledger().len(), 250, "500 tokens pay for 50 retries");
    let mut hints = report.failed.iter().flat_map(|failure| &failure.diagnostic.hints);
    assert!(hints.any(|hint| hint.contains("used up")));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_answer_is_given_up_at_its_deadline() {
    let bed = Bed::default();
    let start = Instant::now();
    bed.cloud.fault_always("memory_disk.a", Fault::HangBefore);
    let report = bed.apply(&[block("memory_disk.a", &[])]).await;
    assert_eq!(report.failed.len(), 1);
    assert!(
        start.elapsed() <= Duration::from_secs(125),
        "twice, and no more: {:?}",
        start.elapsed()
    );
    let recorded = bed.store.load().await.unwrap();
    assert_eq!(recorded.unfinished.len(), 1, "its end is not known");
    let deadline = recorded.unfinished[0].deadline.as_str();
    assert_eq!(deadline, "2026-01-01T00:01:00Z", "durable before the call");
    bed.cloud.heal();
    bed.settle_down(&[block("memory_disk.a", &[])], 1, "after a deadline").await;
}

#[tokio::test(start_paused = true)]
async fn retries_of_a_run_can_be_switched_off() {
    let bed = Bed::default();
    let policy = RetryPolicy { budget: 0, ..RetryPolicy::default() };
    let engine: Engine = bed.engine().with_retry(policy);
    bed.cloud.fault_next("memory_disk.a", Fault::Fail(Transient));
    let blocks = [block("memory_disk.a", &[])];
    let report = bed.apply_on(&engine, &blocks, &CancelToken::new()).await.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(calls(&bed, "memory_disk.a"), 1);
}

/// Begins a creation and dies before its answer.
async fn die_in(bed: &Bed, name: &'static str, fault: Fault) -> Recorded {
    bed.cloud.fault_next(name, fault);
    let (engine, never, blocks) = (bed.engine(), CancelToken::new(), [block(name, &[])]);
    let dying = bed.apply_on(&engine, &blocks, &never);
    assert!(tokio::time::timeout(Duration::from_secs(1), dying).await.is_err());
    let recorded = bed.store.load().await.unwrap();
    assert_eq!(recorded.unfinished[0].action, IntentAction::Create);
    recorded
}

#[tokio::test(start_paused = true)]
async fn recovery_waits_until_nothing_can_come_any_more() {
    for name in ["memory_bucket.a", "memory_address.a"] {
        let bed = Bed::default();
        die_in(&bed, name, Fault::HangBefore).await;
        let start = Instant::now();
        bed.settle_down(&[block(name, &[])], 1, name).await;
        assert!(start.elapsed() >= Duration::from_secs(59), "{name}: {:?}", start.elapsed());
        assert_eq!(bed.heard.recovered(), [format!("{name}: never happened")]);
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_adopts_what_shows_late_without_waiting_longer() {
    let bed = Bed::default();
    die_in(&bed, "memory_address.a", Fault::Hang).await;
    let start = Instant::now();
    bed.settle_down(&[block("memory_address.a", &[])], 1, "shows after 3 s").await;
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(bed.heard.recovered(), ["memory_address.a: adopted"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_half_made_is_recorded_and_goes() {
    for (name, is_wanted) in [("memory_bucket.a", true), ("memory_address.a", false)] {
        let bed = Bed::default();
        bed.cloud.fault_next(name, Fault::HalfMade);
        let (engine, cancel) = (bed.engine(), CancelToken::new());
        let blocks = [block(name, &[])];
        let ask = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            cancel.raise();
        };
        let (report, ()) = tokio::join!(bed.apply_on(&engine, &blocks, &cancel), ask);
        assert_eq!(report.unwrap().failed.len(), 1);
        let wanted: &[Block] = if is_wanted { &blocks } else { &[] };
        let report = bed.apply(wanted).await;
        assert!(report.is_complete(), "{:?}", report.diagnostics);
        assert_eq!(bed.heard.recovered(), [format!("{name}: half made")]);
        assert_eq!(bed.cloud.objects().len(), wanted.len(), "{name}");
        assert!(bed.cloud.objects().iter().all(|object| object.complete));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_second_sending_says_nothing_about_the_first() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::Late { class: Transient, after_ms: 50_000 });
    for _ in 0..2 {
        bed.cloud.fault_next("memory_disk.a", Fault::Fail(Denied));
    }
    let blocks = [block("memory_disk.a", &[])];
    assert!(bed.apply(&blocks).await.is_complete());
    assert_eq!(calls(&bed, "memory_disk.a"), 3);
    bed.assert_converged(&blocks, "the first sending had its effect").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_and_was_deleted_is_not_adopted() {
    let bed = Bed::default();
    let lingering = Nature { lingers_ms: 20_000, ..bed.cloud.nature("memory_address") };
    bed.cloud.set_nature("memory_address", lingering);
    let recorded = die_in(&bed, "memory_address.a", Fault::Hang).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let owner = Owner { environment: ENVIRONMENT.to_owned(), lineage: recorded.lineage };
    let made = bed.cloud.objects().remove(0);
    let Stored { id, address, attributes, .. } = made;
    let delete = DeleteRequest { address, id, attributes, progress: Arc::new(Silent) };
    MemoryProvider::new(bed.cloud.clone(), owner).delete(delete).await.unwrap();
    bed.settle_down(&[block("memory_address.a", &[])], 1, "deleted by a person").await;
    assert_eq!(bed.heard.recovered(), ["memory_address.a: never happened"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_cloud_has_forgotten_is_not_sent_again() {
    let bed = Bed::default();
    let mut nature = bed.cloud.nature("memory_disk");
    nature.adoption.token_retention_s = Some(600);
    bed.cloud.set_nature("memory_disk", nature);
    die_in(&bed, "memory_disk.a", Fault::Hang).await;
    tokio::time::sleep(Duration::from_mins(20)).await;
    bed.settle_down(&[block("memory_disk.a", &[])], 1, "after the retention").await;
    assert_eq!(bed.heard.recovered(), ["memory_disk.a: adopted"]);
    assert_eq!(calls(&bed, "memory_disk.a"), 1, "found by its tag");
}

#[tokio::test(start_paused = true)]
async fn a_type_without_any_way_to_look_stops_the_run() {
    let bed = Bed::default();
    let mut nature = bed.cloud.nature("memory_disk");
    (nature.adoption.token_retention_s, nature.adoption.tagged) = (None, false);
    bed.cloud.set_nature("memory_disk", nature);
    die_in(&bed, "memory_disk.a", Fault::Hang).await;
    let blocks = [block("memory_disk.a", &[])];
    let stopped = bed.apply_on(&bed.engine(), &blocks, &CancelToken::new()).await;
    let error = stopped.unwrap_err();
    let ApplyError::Unsettled(open) = &error else { panic!("{error}") };
    assert!(open[0].diagnostic.hints.iter().any(|hint| hint.contains("look for it in the cloud")));
    assert_eq!(bed.cloud.objects().len(), 1, "no second one is made");
}

#[tokio::test(start_paused = true)]
async fn several_objects_of_one_creation_are_left_to_people() {
    let bed = Bed::default();
    let recorded = die_in(&bed, "memory_address.a", Fault::Hang).await;
    let intent = &recorded.unfinished[0];
    let owner = Owner { environment: ENVIRONMENT.to_owned(), lineage: recorded.lineage.clone() };
    let request = CreateRequest {
        address: intent.address.clone(),
        token: intent.token.clone(),
        arguments: intent.request.clone(),
        batch: None,
        progress: Arc::new(Silent),
    };
    // The request got to the cloud a second time, by whatever way.
    let provider = MemoryProvider::new(bed.cloud.clone(), owner);
    let second = provider.create(request).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let blocks = [block("memory_address.a", &[])];
    let stopped = bed.apply_on(&bed.engine(), &blocks, &CancelToken::new()).await;
    let error = stopped.unwrap_err();
    let ApplyError::Unsettled(open) = &error else { panic!("{error}") };
    for object in bed.cloud.objects() {
        assert!(open[0].diagnostic.summary.contains(&object.id), "{}", open[0].diagnostic.summary);
    }
    assert!(open[0].diagnostic.hints.iter().any(|hint| hint.contains("delete all but one")));
    let (address, attributes) = (intent.address.clone(), second.attributes);
    let delete = DeleteRequest { address, id: second.id, attributes, progress: Arc::new(Silent) };
    provider.delete(delete).await.unwrap();
    bed.settle_down(&blocks, 1, "after a person decided").await;
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_refused_unless_it_is_ours() {
    let bed = Bed::default();
    bed.apply(&[block("memory_bucket.a", &[])]).await;
    let mut same = block("memory_bucket.b", &[]);
    "memory_bucket.a".clone_into(&mut same.name);
    let report = bed.apply(&[block("memory_bucket.a", &[]), same]).await;
    assert_eq!(report.failed[0].diagnostic.code, "provider-conflict");
    assert_eq!(bed.cloud.objects().len(), 1);
}
