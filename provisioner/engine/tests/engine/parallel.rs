//! Several runs on one environment: at the same time where their parts are disjoint, one after the other or not at all
//! where they overlap.

use crate::bed::{Bed, Block, address, block, diamond};
use engine::{ApplyError, CancelToken, Purpose, RunRequest, scope_of};
use model::event::Event;
use model::graph::Output;
use model::plan::Plan;
use provider::memory::Fault;
use state::{StateError, StateStore as _};
use std::time::Duration;

fn with_setting(number: usize, setting: i64) -> Vec<Block> {
    let mut blocks = diamond();
    blocks[number].setting = setting;
    blocks
}

#[tokio::test(start_paused = true)]
async fn disjoint_plans_run_at_the_same_time() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    bed.cloud.delay(Duration::from_secs(30));
    let ((one, _), (two, _)) = (bed.program(), bed.program());
    let (disk_a, disk_b) = (with_setting(0, 2), with_setting(1, 2));
    let first = bed.plan(&one, &disk_a).await;
    let second = bed.plan(&two, &disk_b).await;
    let (requests, never) = ([bed.request(), bed.request()], CancelToken::new());
    let (first, second) = tokio::join!(
        one.apply(&first, &requests[0], 4, &never),
        two.apply(&second, &requests[1], 4, &never)
    );
    assert!(first.unwrap().is_complete() && second.unwrap().is_complete());
    assert_eq!(bed.cloud.most_in_flight(), 2, "neither waited for the other");
    bed.cloud.delay(Duration::ZERO);
    let mut both = disk_a;
    both[1].setting = 2;
    bed.assert_converged(&both, "both").await;
    assert!(bed.store.leases().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_overlap_is_refused_and_says_who_and_what() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let ((one, _), (two, _)) = (bed.program(), bed.program());
    let plan = bed.plan(&one, &with_setting(0, 2)).await;
    let held = bed.begin(&one, &plan).await.unwrap();
    let error = bed.begin(&two, &plan).await.err().unwrap();
    let ApplyError::State(StateError::Held { by, addresses }) = &error else { panic!("{error}") };
    assert_eq!(by.command, "apply test");
    assert!(addresses.contains(&address("memory_disk.a")), "{addresses:?}");
    assert!(error.to_string().contains("memory_disk.a"), "{error}");
    held.finish().await.unwrap();
    bed.begin(&two, &plan).await.unwrap().finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_overlap_is_waited_for_if_asked() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let ((one, _), (two, heard)) = (bed.program(), bed.program());
    let plan = bed.plan(&one, &with_setting(0, 2)).await;
    let held = bed.begin(&one, &plan).await.unwrap();
    let patient = RunRequest { wait: Duration::from_mins(1), ..bed.request() };
    let never = CancelToken::new();
    let release = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        held.finish().await.unwrap();
    };
    let (report, ()) = tokio::join!(two.apply(&plan, &patient, 4, &never), release);
    assert!(report.unwrap().is_complete());
    let awaited = |event: &Event| match event {
        Event::LeaseAwaited { holder, addresses } => Some((holder.clone(), addresses.clone())),
        _ => None,
    };
    let told: Vec<_> = heard.all().iter().filter_map(awaited).collect();
    assert_eq!(told.len(), 1, "told once");
    assert!(told[0].0.contains("`apply test`") && told[0].1.contains(&address("memory_disk.a")));

    let held = bed.begin(&one, &bed.plan(&one, &with_setting(0, 3)).await).await.unwrap();
    let plan = bed.plan(&two, &with_setting(0, 4)).await;
    let (error, cancel) =
        (two.apply(&plan, &patient, 4, &never).await.unwrap_err(), CancelToken::new());
    assert!(matches!(error, ApplyError::State(StateError::Held { .. })), "not for ever: {error}");
    cancel.raise();
    let error = two.apply(&plan, &patient, 4, &cancel).await.unwrap_err();
    assert!(matches!(error, ApplyError::Interrupted), "{error}");
    held.finish().await.unwrap();
}

/// A machine more, on disk b.
fn third_machine() -> Vec<Block> {
    let mut blocks = diamond();
    blocks.insert(4, block("memory_machine.three", &["memory_disk.b"]));
    blocks
}

#[tokio::test(start_paused = true)]
async fn who_reads_blocks_writers_and_not_readers() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let ((one, _), (two, _)) = (bed.program(), bed.program());
    let reads = bed.plan(&one, &third_machine()).await;
    let writes = bed.plan(&two, &with_setting(1, 2)).await;
    let mut fourth = diamond();
    fourth.insert(4, block("memory_machine.four", &["memory_disk.b"]));
    let reads_too = bed.plan(&two, &fourth).await;
    let held = bed.begin(&one, &reads).await.unwrap();
    let error = bed.begin(&two, &writes).await.err().unwrap();
    let ApplyError::State(StateError::Held { addresses, .. }) = &error else { panic!("{error}") };
    assert_eq!(addresses, &[address("memory_disk.b")]);
    let other = bed.begin(&two, &reads_too).await.unwrap();
    other.finish().await.unwrap();
    held.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_stale_only_when_what_it_touches_has_changed() {
    for (changed, is_stale) in [(0, false), (1, true)] {
        let bed = Bed::default();
        bed.apply(&diamond()).await;
        let (engine, _) = bed.program();
        let plan = bed.plan(&engine, &third_machine()).await;
        bed.apply(&with_setting(changed, 2)).await;
        let applied = engine.apply(&plan, &bed.request(), 4, &CancelToken::new()).await;
        match applied {
            Ok(report) => assert!(!is_stale && report.is_complete()),
            Err(ApplyError::Stale(records)) => {
                assert!(is_stale);
                assert_eq!(records[0].address, address("memory_disk.b"));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The plan with an output more, which tells the size of disk a.
fn with_size(mut plan: Plan, size: i64) -> Plan {
    let output = Output { value: size.into(), sensitive: false, description: String::new() };
    plan.outputs.insert("size".to_owned(), output);
    plan.changed_outputs.insert("size".to_owned());
    plan.output_revisions.insert(address("memory_disk.a"), 1);
    plan
}

#[tokio::test(start_paused = true)]
async fn outputs_are_left_to_the_next_plan_when_others_changed_what_they_come_from() {
    for (changed, is_left) in [(0, true), (1, false)] {
        let bed = Bed::default();
        bed.apply(&diamond()).await;
        let (engine, _) = bed.program();
        let mut blocks = diamond();
        blocks.push(block("memory_disk.c", &[]));
        let plan = with_size(bed.plan(&engine, &blocks).await, 1);
        bed.apply(&with_setting(changed, 2)).await;
        let report = engine.apply(&plan, &bed.request(), 4, &CancelToken::new()).await.unwrap();
        assert!(report.is_complete());
        assert_eq!(report.outputs_left, is_left);
        let told = report.diagnostics.iter().any(|told| told.code == "outputs-left");
        assert_eq!(told, is_left);
        let outputs = bed.store.load().await.unwrap().outputs;
        let recorded = ["size", "memory_disk_c"].map(|name| outputs.contains_key(name));
        assert_eq!(recorded, [!is_left; 2]);
        blocks[changed].setting = 2;
        assert!(!bed.apply(&blocks).await.outputs_left);
        assert!(bed.store.load().await.unwrap().outputs.contains_key("memory_disk_c"));
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_leaves_a_run_that_is_there_alone_and_follows_one_that_is_gone() {
    let bed = Bed::default();
    bed.cloud.fault_next("memory_disk.a", Fault::Hang);
    let ((one, _), (two, heard)) = (bed.program(), bed.program());
    let plan = bed.plan(&one, &diamond()).await;
    let (request, never) = (bed.request(), CancelToken::new());
    let running = one.begin_run(&request, scope_of(&plan), &never).await.unwrap();
    let applying = running.apply(&plan, 4, &never);
    assert!(tokio::time::timeout(Duration::from_secs(20), applying).await.is_err());
    let calls = bed.cloud.ledger().len();
    let recorded = two.recover(&bed.request(), Purpose::Apply, &never).await.unwrap();
    assert_eq!(recorded.unfinished.len(), 1, "it is the other run's");
    assert_eq!(bed.cloud.ledger().len(), calls);
    drop(running);
    // Its program is still there for all that anybody can see, so its lease ends by itself.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let recorded = two.recover(&bed.request(), Purpose::Apply, &never).await.unwrap();
    assert!(recorded.unfinished.is_empty());
    assert_eq!(heard.recovered(), ["memory_disk.a: adopted"]);
}
