//! Creations that one call makes together: bound in the journal, each settled by itself, none made twice. Deletions that one
//! call makes together.

use crate::bed::{Bed, Block, block};
use engine::CancelToken;
use provider::ErrorClass;
use provider::memory::Fault;
use state::StateStore as _;
use std::collections::BTreeSet;
use std::time::Duration;

fn workers() -> Vec<Block> {
    ["a", "b", "c", "d"]
        .map(|name| match name {
            "a" => block("memory_worker.a", &[]),
            "b" => block("memory_worker.b", &[]),
            "c" => block("memory_worker.c", &[]),
            _ => block("memory_worker.d", &[]),
        })
        .to_vec()
}

/// What the intents of the last plan say of their batches.
async fn batches(bed: &Bed) -> Vec<(String, String, u64)> {
    let entries = bed.store.journal(0).await.unwrap();
    let of = |entry: &state::JournalEntry| {
        let batch = entry.body.pointer("/batch").or_else(|| entry.body.pointer("/intent/batch"))?;
        let text = |name: &str| batch.get(name).and_then(|it| it.as_str()).unwrap_or("").to_owned();
        let index = batch.get("index").and_then(serde_json::Value::as_u64);
        Some((entry.address.as_ref()?.to_string(), text("members"), index?))
    };
    entries.iter().filter(|entry| entry.kind == "intent").filter_map(of).collect()
}

async fn apply(bed: &Bed, blocks: &[Block]) -> engine::RunReport {
    let engine = bed.engine();
    let plan = bed.plan(&engine, blocks).await;
    let run = bed.begin(&engine, &plan).await.unwrap();
    let report = run.apply(&plan, 2, &CancelToken::new()).await.unwrap();
    run.finish().await.unwrap();
    report
}

async fn assert_whole(bed: &Bed, blocks: &[Block]) {
    let recorded = bed.store.load().await.unwrap();
    assert!(recorded.unfinished.is_empty());
    let ids: BTreeSet<String> = recorded.records.values().map(|it| it.id.clone()).collect();
    assert_eq!(ids.len(), blocks.len());
    assert_eq!(bed.cloud.orphans(&ids), []);
    assert!(bed.cloud.duplicates().is_empty());
    assert!(!bed.plan(&bed.engine(), blocks).await.has_changes());
}

#[tokio::test(start_paused = true)]
async fn those_with_the_same_arguments_are_bound() {
    let bed = Bed::default();
    let report = apply(&bed, &workers()).await;
    assert_eq!(report.succeeded, 4);
    let three = "memory_worker.{a,b,c}".to_owned();
    let of = |name: &str, index| (format!("memory_worker.{name}"), three.clone(), index);
    assert_eq!(batches(&bed).await, [of("a", 0), of("b", 1), of("c", 2)], "three at once, and one");
    assert_whole(&bed, &workers()).await;
}

#[tokio::test(start_paused = true)]
async fn those_with_other_arguments_are_not() {
    let bed = Bed::default();
    let mut blocks = workers();
    for (number, block) in (10..).zip(&mut blocks) {
        block.setting = number;
    }
    assert_eq!(apply(&bed, &blocks).await.succeeded, 4);
    assert_eq!(batches(&bed).await, []);
    assert_whole(&bed, &blocks).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_none_twice() {
    for class in [ErrorClass::Transient, ErrorClass::Throttled] {
        for nth in 1..=4 {
            let bed = Bed::default();
            bed.cloud.fault_nth(nth, Fault::LoseAnswer(class));
            assert_eq!(apply(&bed, &workers()).await.succeeded, 4);
            assert_whole(&bed, &workers()).await;
        }
    }
}

/// How many calls have deleted something.
fn deletions(bed: &Bed) -> usize {
    bed.cloud.ledger().iter().filter(|called| called.verb == "delete").count()
}

async fn destroyed(bed: &Bed) {
    let recorded = bed.store.load().await.unwrap();
    assert!(recorded.unfinished.is_empty());
    assert!(recorded.records.is_empty(), "{:?}", recorded.records.keys());
    assert_eq!(bed.cloud.objects(), []);
}

#[tokio::test(start_paused = true)]
async fn deletions_are_one_call_whatever_their_arguments() {
    let bed = Bed::default();
    let mut blocks = workers();
    for (number, block) in (10..).zip(&mut blocks) {
        block.setting = number;
    }
    apply(&bed, &blocks).await;
    assert_eq!(apply(&bed, &[]).await.succeeded, 4);
    assert_eq!(deletions(&bed), 2, "three at once, and one");
    destroyed(&bed).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_fails_alone() {
    let bed = Bed::default();
    apply(&bed, &workers()).await;
    bed.cloud.fault_always("memory_worker.b", Fault::Fail(ErrorClass::Denied));
    let report = apply(&bed, &[]).await;
    let failed: Vec<String> = report.failed.iter().map(|it| it.address.to_string()).collect();
    assert_eq!((report.succeeded, failed), (3, vec!["memory_worker.b".to_owned()]));
    assert_eq!(bed.store.load().await.unwrap().records.len(), 1);
    bed.cloud.heal();
    assert_eq!(apply(&bed, &[]).await.succeeded, 1);
    destroyed(&bed).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_for_many_that_fails_is_made_again_at_the_cost_of_one() {
    let faults = [
        Fault::LoseAnswer(ErrorClass::Transient),
        Fault::LoseRequest(ErrorClass::Transient),
        Fault::Fail(ErrorClass::Transient),
        Fault::Fail(ErrorClass::Throttled),
    ];
    for fault in faults {
        for nth in 1..=2 {
            let bed = Bed::default();
            apply(&bed, &workers()).await;
            bed.cloud.fault_nth(nth, fault);
            assert_eq!(apply(&bed, &[]).await.succeeded, 4, "{fault:?} in call {nth}");
            destroyed(&bed).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_dies_in_a_call_for_many_leaves_nothing_behind() {
    for fault in [Fault::Hang, Fault::HangBefore] {
        for nth in 1..=2 {
            let bed = Bed::default();
            apply(&bed, &workers()).await;
            bed.cloud.fault_nth(nth, fault);
            let engine = bed.engine();
            let never = CancelToken::new();
            let dying = bed.apply_on(&engine, &[], &never);
            assert!(tokio::time::timeout(Duration::from_secs(30), dying).await.is_err());
            bed.cloud.heal();
            let open = bed.store.load().await.unwrap().unfinished.len();
            assert!(open >= 1, "each has an intent of its own: {open}");
            assert!(bed.apply(&[]).await.is_complete());
            destroyed(&bed).await;
        }
    }
}
