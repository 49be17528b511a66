//! Operations on objects that are nowhere but in the state: one write for many, none told before it is durable, and a crash at
//! any moment leaves all of a batch or nothing.

use crate::bed::{Bed, Block, address, block};
use engine::{CancelToken, Purpose};
use provider::ErrorClass;
use provider::memory::Fault;
use state::StateStore as _;
use state::fault::{FAULTS, FaultyStore};
use std::sync::Arc;

/// Three notes, one about another, and a disk and a check that stand in between.
fn notes() -> Vec<Block> {
    vec![
        block("memory_disk.a", &[]),
        block("memory_note.a", &[]),
        block("memory_note.b", &[]),
        block("memory_note.of_a", &["memory_note.a", "memory_disk.a"]),
        block("memory_check.of_note", &["memory_note.of_a"]),
    ]
}

async fn kinds(bed: &Bed, after: u64) -> Vec<String> {
    let entries = bed.store.journal(after).await.unwrap();
    let short = |entry: &state::JournalEntry| match &entry.address {
        Some(address) => format!("{} {address}", entry.kind),
        None => entry.kind.clone(),
    };
    entries.iter().map(short).collect()
}

async fn assert_recorded(bed: &Bed, blocks: &[Block], context: &str) {
    let recorded = bed.store.load().await.unwrap();
    let found: Vec<String> = recorded.records.keys().map(ToString::to_string).collect();
    let mut wanted: Vec<&str> = blocks.iter().map(|block| block.address).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{context}");
    assert!(recorded.unfinished.is_empty() && recorded.deposed.is_empty(), "{context}");
    let plan = bed.plan(&bed.engine(), blocks).await;
    assert!(!plan.has_changes(), "{context}: {:?}", plan.changes);
    assert!(bed.store.check().await.unwrap().findings.is_empty(), "{context}");
}

fn three() -> Vec<Block> {
    ["memory_note.a", "memory_note.b", "memory_note.c"].map(|name| block(name, &[])).to_vec()
}

/// Runs the plan of these blocks; how many calls of the store that took.
async fn run_counted(bed: &Bed, blocks: &[Block]) -> u64 {
    let counted = Arc::new(FaultyStore::new(bed.mortal(), FAULTS[0], 0));
    let engine = bed.engine_on(counted.clone());
    let plan = bed.plan(&engine, blocks).await;
    let run = bed.begin(&engine, &plan).await.unwrap();
    let before = counted.calls();
    let report = run.apply(&plan, 4, &CancelToken::new()).await.unwrap();
    assert_eq!(report.succeeded, blocks.len());
    let calls = counted.calls() - before;
    run.finish().await.unwrap();
    calls
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_together_is_written_together() {
    let bed = Bed::default();
    let blocks = three();
    let calls = run_counted(&bed, &blocks).await;
    assert_eq!(calls, run_counted(&Bed::default(), &blocks[..1]).await, "three as one");
    let written = kinds(&bed, 0).await;
    let of_notes: Vec<_> = written.iter().filter(|entry| entry.contains("memory_note")).collect();
    assert_eq!(
        of_notes,
        [
            "intent memory_note.a",
            "outcome memory_note.a",
            "intent memory_note.b",
            "outcome memory_note.b",
            "intent memory_note.c",
            "outcome memory_note.c"
        ]
    );
    assert!(bed.cloud.ledger().is_empty(), "the cloud never hears of it");
    let told = bed.heard.operations();
    assert_eq!(told[..2], ["started memory_note.a", "done memory_note.a"]);
    assert_recorded(&bed, &blocks, "three notes").await;
}

#[tokio::test(start_paused = true)]
async fn notes_keep_their_place_in_the_order() {
    let bed = Bed::default();
    assert!(bed.apply(&notes()).await.is_complete());
    let told = bed.heard.operations();
    let at = |wanted: &str| told.iter().position(|it| it == wanted).unwrap();
    assert!(at("done memory_note.a") < at("started memory_note.of_a"));
    assert!(at("done memory_disk.a") < at("started memory_note.of_a"));
    assert!(at("done memory_note.of_a") < at("started memory_check.of_note"));
    assert_recorded(&bed, &notes(), "first apply").await;
    let recorded = bed.store.load().await.unwrap();
    let about = recorded.records[&address("memory_note.of_a")].attributes.get("about").unwrap();
    let disk = &recorded.records[&address("memory_disk.a")].id;
    assert_eq!(about.as_items().unwrap()[1].as_str(), Some(disk.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_recorded_and_stops_only_what_depends_on_it() {
    let bed = Bed::default();
    bed.cloud.fault_always("memory_disk.a", Fault::Fail(ErrorClass::Quota));
    let report = bed.apply(&notes()).await;
    assert_eq!(report.succeeded, 2, "the notes that need nothing");
    let told = bed.heard.operations();
    assert!(
        told.contains(&"skipped memory_note.of_a: needs memory_disk.a, which failed".to_owned())
    );
    bed.cloud.heal();
    assert!(bed.apply(&notes()).await.is_complete());
    assert_recorded(&bed, &notes(), "after the failure").await;
}

/// Made, changed, replaced both ways, deleted: whatever call of the store fails or is the last one, the next apply
/// brings everything right, and nothing of a note is left open.
#[tokio::test(start_paused = true)]
async fn every_call_of_the_store_fails_or_is_the_last_one() {
    let changed = || {
        let mut blocks = notes();
        blocks[1].setting += 1;
        blocks[2].name = "other".to_owned();
        blocks[3].name = "another".to_owned();
        blocks[3].create_first = true;
        blocks.push(block("memory_note.new", &["memory_note.b"]));
        blocks
    };
    let fewer = || notes().into_iter().take(2).collect::<Vec<_>>();
    for (start, end) in [(vec![], notes()), (notes(), changed()), (notes(), fewer())] {
        for fault in FAULTS {
            for at in 1.. {
                let bed = Bed::default();
                if !start.is_empty() {
                    bed.apply(&start).await;
                }
                let store = Arc::new(FaultyStore::new(bed.mortal(), fault, at));
                let engine = bed.engine_on(store.clone());
                // Whatever it comes to.
                let _ = bed.apply_on(&engine, &end, &CancelToken::new()).await;
                if !store.struck() {
                    assert!(at > 5, "the store is called");
                    break;
                }
                let context = format!("{fault:?} at call {at}");
                let open = bed.store.load().await.unwrap().unfinished;
                let of_note = open.iter().find(|it| it.address.kind() == "memory_note");
                assert_eq!(of_note, None, "{context}: no intent of a note is left open");
                for _ in 0..3 {
                    let report = bed.apply_on(&bed.engine(), &end, &CancelToken::new()).await;
                    if report.is_ok_and(|report| report.is_complete()) {
                        break;
                    }
                }
                assert_recorded(&bed, &end, &context).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_told_once() {
    let mut seen = false;
    for at in 1..20 {
        let bed = Bed::default();
        let engine = bed.engine_on(Arc::new(FaultyStore::new(bed.mortal(), FAULTS[0], at)));
        if bed.apply_on(&engine, &three(), &CancelToken::new()).await.is_ok() {
            continue;
        }
        let told = bed.heard.operations();
        seen |= told
            == [
                "started memory_note.a",
                "failed memory_note.a",
                "skipped memory_note.b: the run ended before it was recorded",
                "skipped memory_note.c: the run ended before it was recorded",
            ];
        assert!(told.iter().filter(|it| it.starts_with("failed")).count() < 2, "{told:?}");
        let engine = bed.engine();
        let recorded = engine.recover(&bed.request(), Purpose::Apply, &CancelToken::new()).await;
        let recorded = recorded.unwrap().records.len();
        assert!(recorded == 0 || recorded == 3, "all or none, and not {recorded}");
    }
    assert!(seen, "one of the calls is that write");
}
