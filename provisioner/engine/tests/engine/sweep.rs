//! The sweep for objects that the state does not know, and what becomes of them.

use crate::bed::{Bed, address, block, diamond, plan_from};
use engine::{CancelToken, adopted, adopting, scope_of, with_adopted};
use model::Value;
use model::plan::{Plan, Stray};
use provider::memory::{Fault, MemoryProvider, Nature};
use provider::{CreateRequest, ErrorClass, Owner, Provider as _, Silent};
use state::StateStore as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn sweep(bed: &Bed) -> Vec<Stray> {
    let (engine, _) = bed.program();
    let recorded = bed.store.load().await.unwrap();
    let (strays, problems) = engine.sweep(&recorded, &BTreeMap::new()).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    strays
}

/// Makes the state forget an instance.
async fn forget(bed: &Bed, name: &str) {
    let request = state::LeaseRequest {
        run: bed.run_id(),
        command: "test".to_owned(),
        scope: state::Scope::Environment,
        seconds: 60,
    };
    let lease = bed.store.acquire(request).await.unwrap();
    bed.store.forget(&lease, &address(name)).await.unwrap();
    bed.store.release(lease).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_begun_or_deleted_is_no_stray() {
    let bed = Bed::default();
    let lingering = Nature { lingers_ms: 60_000, ..bed.cloud.nature("memory_disk") };
    bed.cloud.set_nature("memory_disk", lingering);
    let mut blocks = diamond();
    blocks[1].create_first = true;
    bed.apply(&blocks).await;
    "renamed".clone_into(&mut blocks[1].name);
    bed.apply(&blocks).await;
    assert_eq!(sweep(&bed).await, [], "recorded, and deleted but still listed");
    bed.cloud.fault_next("memory_disk.c", Fault::Hang);
    blocks.insert(0, block("memory_disk.c", &[]));
    let (engine, never) = (bed.engine(), CancelToken::new());
    let dying = bed.apply_on(&engine, &blocks, &never);
    assert!(tokio::time::timeout(Duration::from_secs(5), dying).await.is_err());
    assert_eq!(bed.store.load().await.unwrap().unfinished.len(), 1);
    assert_eq!(sweep(&bed).await, [], "begun");
}

#[tokio::test(start_paused = true)]
async fn what_another_run_holds_is_no_stray() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    forget(&bed, "memory_check.all").await;
    let (engine, _) = bed.program();
    let plan = bed.plan(&engine, &diamond()).await;
    let held = bed.begin(&engine, &plan).await.unwrap();
    assert_eq!(sweep(&bed).await, []);
    held.finish().await.unwrap();
    assert_eq!(sweep(&bed).await.len(), 1);
}

async fn plan_with(bed: &Bed, keep: bool, blocks: &[crate::bed::Block]) -> Plan {
    let (engine, _) = bed.program();
    let recorded = bed.store.load().await.unwrap();
    let strays = sweep(bed).await;
    let taken: Vec<_> = strays.iter().map(|stray| adopted(stray, None, !keep)).collect();
    let plan = plan_from(&engine, &with_adopted(&recorded, &taken), blocks).await;
    adopting(plan, &recorded, taken)
}

#[tokio::test(start_paused = true)]
async fn a_stray_is_adopted_or_deleted() {
    for keep in [true, false] {
        let bed = Bed::default();
        let blocks = [block("memory_disk.a", &[]), block("memory_bucket.a", &[])];
        bed.apply(&blocks).await;
        let before = bed.cloud.objects();
        forget(&bed, "memory_disk.a").await;
        let strays = sweep(&bed).await;
        assert_eq!(strays.len(), 1);
        assert_eq!(strays[0].address, address("memory_disk.a"));
        assert!(strays[0].attributes.as_ref().unwrap().get("key").unwrap().marks().sensitive);
        let wanted = if keep { &blocks[..] } else { &blocks[1..] };
        let plan = plan_with(&bed, keep, wanted).await;
        let (engine, _) = bed.program();
        let (request, never) = (bed.request(), CancelToken::new());
        let run = engine.begin_run(&request, scope_of(&plan), &never).await.unwrap();
        let report = run.apply(&plan, 4, &never).await.unwrap();
        run.finish().await.unwrap();
        assert!(report.is_complete(), "{:?}", report.diagnostics);
        bed.assert_converged(wanted, if keep { "adopted" } else { "deleted" }).await;
        if keep {
            assert_eq!(bed.cloud.objects(), before, "the same object, untouched");
        }
        assert_eq!(sweep(&bed).await, []);
    }
}

/// An object that was half made for a state that was lost.
async fn half_made(bed: &Bed) {
    bed.cloud.fault_next("memory_address.a", Fault::HalfMade);
    let owner =
        Owner { environment: "test".to_owned(), lineage: bed.store.load().await.unwrap().lineage };
    let provider = MemoryProvider::new(bed.cloud.clone(), owner);
    let request = CreateRequest {
        address: address("memory_address.a"),
        token: "lost".to_owned(),
        arguments: Value::object([("label", "1".into())]),
        batch: None,
        progress: Arc::new(Silent),
    };
    assert!(provider.create(request).await.is_err());
    // An address takes a while to show.
    tokio::time::sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_made_stray_is_told_and_deleted() {
    let bed = Bed::default();
    let keeper = [block("memory_bucket.keeper", &[])];
    bed.apply(&keeper).await;
    half_made(&bed).await;
    let strays = sweep(&bed).await;
    assert_eq!(strays.len(), 1);
    assert_eq!((&strays[0].address, &strays[0].attributes), (&address("memory_address.a"), &None));
    let plan = plan_with(&bed, false, &keeper).await;
    let (engine, _) = bed.program();
    let report = engine.apply(&plan, &bed.request(), 4, &CancelToken::new()).await.unwrap();
    assert!(report.is_complete());
    bed.assert_converged(&keeper, "deleted").await;
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_cannot_be_searched_is_a_warning() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let (engine, _) = bed.program();
    let recorded = bed.store.load().await.unwrap();
    bed.cloud.fault_looks(2, ErrorClass::Transient);
    let (_, problems) = engine.sweep(&recorded, &BTreeMap::new()).await.unwrap();
    assert!(problems.is_empty(), "a passing fault is passed over: {problems:?}");
    bed.cloud.fault_looks(1, ErrorClass::Denied);
    let (strays, problems) = engine.sweep(&recorded, &BTreeMap::new()).await.unwrap();
    assert!(strays.is_empty() && problems.len() == 1);
    assert!(!problems[0].is_error() && problems[0].code == "not-searched");
}
