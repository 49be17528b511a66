//! Creations that one call makes together: bound in the journal, each settled by itself, none made twice.

use crate::bed::{Bed, Block, block};
use engine::CancelToken;
use provider::ErrorClass;
use provider::memory::Fault;
use state::StateStore as _;
use std::collections::BTreeSet;

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
