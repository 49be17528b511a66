//! The executor over a cloud in memory: order, failures, bounds, cancellation, refusals.

use crate::bed::{Bed, Block, address, block, diamond};
use engine::{ApplyError, CancelToken, Engine, Level, Purpose};
use model::graph::{Node, NodeSet};
use model::plan::Plan;
use model::{Type, Value};
use provider::ErrorClass;
use provider::memory::Fault;
use state::{StateError, StateStore as _};
use std::collections::BTreeSet;
use std::time::Duration;

fn position(operations: &[String], wanted: &str) -> usize {
    let found = operations.iter().position(|operation| operation == wanted);
    found.unwrap_or_else(|| panic!("no `{wanted}` in {operations:?}"))
}

#[tokio::test(start_paused = true)]
async fn operations_run_in_the_order_of_their_needs() {
    let bed = Bed::default();
    let report = bed.apply(&diamond()).await;
    assert!(report.is_complete());
    assert_eq!(report.succeeded, 5);
    let operations = bed.heard.operations();
    let before = |first: &str, second: &str| {
        assert!(position(&operations, first) < position(&operations, second), "{operations:?}");
    };
    before("done memory_disk.a", "started memory_machine.one");
    before("done memory_disk.b", "started memory_machine.two");
    before("done memory_machine.one", "started memory_check.all");
    before("done memory_machine.two", "started memory_check.all");
    bed.assert_converged(&diamond(), "first apply").await;
}

#[tokio::test(start_paused = true)]
async fn unknown_arguments_and_outputs_are_known_at_the_end() {
    let bed = Bed::default();
    let report = bed.apply(&diamond()).await;
    let recorded = bed.store.load().await.unwrap();
    let id = |name: &str| recorded.records[&address(name)].id.clone();
    let disks = recorded.records[&address("memory_machine.two")].attributes.get("disks").unwrap();
    let expected = [id("memory_disk.a"), id("memory_disk.b")].map(Value::from);
    assert!(disks.same_content(&Value::tuple(expected)));
    let output = &report.outputs["memory_machine_two"].value;
    assert_eq!(output.as_str(), Some(id("memory_machine.two").as_str()));
    assert_eq!(recorded.outputs.len(), 5);
    let key = recorded.records[&address("memory_disk.a")].attributes.get("key").unwrap();
    assert!(key.marks().sensitive, "a secret stays one in the record");
}

/// A node set whose machines are the ids of two machines of the diamond.
fn with_nodes(bed: &Bed, mut plan: Plan) -> Plan {
    let node = |(index, name): (u64, &str)| {
        let machine = address(&format!("memory_machine.{name}"));
        let recorded = bed.records.attributes(&machine).and_then(|machine| machine.get("id"));
        let id = recorded.unwrap_or_else(|| Value::output(&machine, "id", Type::String));
        Node {
            name: name.to_owned(),
            pool: "p".to_owned(),
            index,
            domain: "a".to_owned(),
            machine: Value::object([("address", id)]),
            revision: String::new(),
        }
    };
    let nodes = [(0, "one"), (1, "two")].map(node).to_vec();
    plan.node_sets.insert("edge".to_owned(), NodeSet { nodes, services: Vec::new() });
    plan
}

#[tokio::test(start_paused = true)]
async fn nodes_are_recorded_as_far_as_their_machines_are_known() {
    let bed = Bed::default();
    bed.cloud.fault_always("memory_disk.b", Fault::Fail(ErrorClass::Quota));
    for (expected, is_complete) in [(vec!["one"], false), (vec!["one", "two"], true)] {
        let engine = bed.engine();
        let plan = with_nodes(&bed, bed.plan(&engine, &diamond()).await);
        let run = bed.begin(&engine, &plan).await.unwrap();
        let report = run.apply(&plan, 4, &CancelToken::new()).await.unwrap();
        run.finish().await.unwrap();
        assert_eq!(report.is_complete(), is_complete);
        let recorded = bed.store.load().await.unwrap();
        let nodes = &recorded.node_sets["edge"];
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, expected);
        assert!(nodes.iter().all(|node| node.machine.is_wholly_known()));
        bed.cloud.heal();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_has_the_revision_of_the_last_apply_that_made_it_whole() {
    let two = "node_set.edge.node[\"two\"].memory_disk.d";
    let fleet = [block("node_set.edge.node[\"one\"].memory_disk.d", &[]), block(two, &[])];
    let bed = Bed::default();
    for (revision, expected) in [("first", ["first", ""]), ("second", ["second", "second"])] {
        if revision == "first" {
            bed.cloud.fault_always(two, Fault::Fail(ErrorClass::Quota));
        }
        let engine = bed.engine();
        let mut plan = bed.plan(&engine, &fleet).await;
        let node = |(index, name): (u64, &str)| Node {
            name: name.to_owned(),
            pool: "p".to_owned(),
            index,
            domain: "a".to_owned(),
            machine: Value::object([("address", "192.0.2.1".into())]),
            revision: revision.to_owned(),
        };
        let nodes = [(0, "one"), (1, "two")].map(node).to_vec();
        plan.node_sets.insert("edge".to_owned(), NodeSet { nodes, services: Vec::new() });
        let run = bed.begin(&engine, &plan).await.unwrap();
        run.apply(&plan, 4, &CancelToken::new()).await.unwrap();
        run.finish().await.unwrap();
        let recorded = bed.store.load().await.unwrap();
        let found: Vec<&str> =
            recorded.node_sets["edge"].iter().map(|node| node.revision.as_str()).collect();
        assert_eq!(found, expected);
        bed.cloud.heal();
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_without_changes_writes_nothing_but_its_lease() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let before = bed.store.journal(0).await.unwrap().len() as u64;
    bed.apply(&diamond()).await;
    let written = bed.store.journal(before).await.unwrap();
    let kinds: Vec<&str> = written.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["run-started", "run-finished"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_only_what_depends_on_it() {
    let bed = Bed::default();
    bed.cloud.fault_always("memory_disk.b", Fault::Fail(ErrorClass::Quota));
    let report = bed.apply(&diamond()).await;
    assert_eq!(report.succeeded, 2, "disk a and machine one");
    assert_eq!(report.failed[0].address, address("memory_disk.b"));
    let operations = bed.heard.operations();
    position(&operations, "skipped memory_machine.two: needs memory_disk.b, which failed");
    position(&operations, "skipped memory_check.all: needs memory_disk.b, which failed");
    assert_eq!(report.outputs.len(), 2, "only what is known");
    assert!(report.failed[0].diagnostic.detail.contains("main.hcl"), "says where it is declared");
    bed.cloud.heal();
    bed.settle_down(&diamond(), 1, "after the failure").await;
}

#[tokio::test(start_paused = true)]
async fn every_operation_fails_once_and_the_next_apply_mends_it() {
    for class in [ErrorClass::Denied, ErrorClass::Transient, ErrorClass::Conflict] {
        for nth in 1..=5 {
            for fault in [Fault::Fail(class), Fault::LoseAnswer(class), Fault::HalfMade] {
                let bed = Bed::default();
                bed.cloud.fault_nth(nth, fault);
                bed.apply_on(&bed.engine(), &diamond(), &CancelToken::new()).await.unwrap();
                let context = format!("call {nth} meets {fault:?}");
                bed.settle_down(&diamond(), 1, &context).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_retried_and_each_attempt_is_shown() {
    let bed = Bed::default();
    bed.cloud.fault_nth(1, Fault::Fail(ErrorClass::Throttled));
    bed.cloud.fault_nth(2, Fault::LoseAnswer(ErrorClass::Transient));
    let blocks = [block("memory_disk.a", &[])];
    let report = bed.apply(&blocks).await;
    assert!(report.is_complete());
    assert_eq!(bed.heard.retries(), [2, 3]);
    let journal = bed.store.journal(0).await.unwrap();
    let told: Vec<_> = journal.iter().filter(|entry| entry.kind == "attempt").collect();
    assert_eq!(told.len(), 2, "the journal knows every call");
    assert_eq!(told[0].body["attempt"]["class"], "throttled");
    let tokens: BTreeSet<_> = bed.cloud.ledger().into_iter().map(|call| call.token).collect();
    assert_eq!(tokens.len(), 1, "a retry has the same token");
    bed.assert_converged(&blocks, "after retries").await;
}

#[tokio::test(start_paused = true)]
async fn retries_are_bounded() {
    let bed = Bed::default();
    bed.cloud.fault_always("memory_disk.a", Fault::Fail(ErrorClass::Transient));
    let report = bed.apply(&[block("memory_disk.a", &[])]).await;
    assert_eq!(report.failed.len(), 1);
    assert_eq!(bed.cloud.ledger().len(), 4);
}

fn many() -> Vec<Block> {
    const NAMES: [&str; 12] = [
        "memory_disk.d00",
        "memory_disk.d01",
        "memory_disk.d02",
        "memory_disk.d03",
        "memory_disk.d04",
        "memory_disk.d05",
        "memory_disk.d06",
        "memory_disk.d07",
        "memory_disk.d08",
        "memory_disk.d09",
        "memory_disk.d10",
        "memory_disk.d11",
    ];
    NAMES.iter().map(|name| block(name, &[])).collect()
}

#[tokio::test(start_paused = true)]
async fn parallelism_is_a_bound_and_is_used() {
    let bed = Bed::default();
    bed.cloud.delay(Duration::from_secs(1));
    let engine = bed.engine();
    let plan = bed.plan(&engine, &many()).await;
    let run = bed.begin(&engine, &plan).await.unwrap();
    run.apply(&plan, 3, &CancelToken::new()).await.unwrap();
    run.finish().await.unwrap();
    assert_eq!(bed.cloud.most_in_flight(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_from_what_was_seen() {
    let bed = Bed::default();
    let blocks = [block("memory_worker.a", &[])];
    bed.apply(&blocks).await;
    bed.cloud.meddle("memory_worker.a", "label", &"9".into());
    assert!(bed.apply(&blocks).await.is_complete());
    let entries = bed.store.journal(0).await.unwrap();
    let update = entries.iter().rfind(|entry| entry.kind == "intent").unwrap();
    let prior = update.body.pointer("/prior/attributes/label");
    assert_eq!(prior, Some(&"9".into()), "recorded is 1: {:?}", update.body);
    bed.assert_converged(&blocks, "mended").await;
}

#[tokio::test(start_paused = true)]
async fn update_replacement_and_destroy() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let mut changed = diamond();
    changed[0].setting = 5;
    changed[3].name = "another".to_owned();
    let report = bed.apply(&changed).await;
    assert!(report.is_complete(), "{report:?}");
    bed.assert_converged(&changed, "changed").await;
    let recorded = bed.store.load().await.unwrap();
    assert_eq!(recorded.records[&address("memory_machine.two")].generation, 2);
    assert_eq!(recorded.records[&address("memory_disk.a")].generation, 1);
    let report = bed.apply(&[]).await;
    assert!(report.is_complete());
    assert!(bed.cloud.objects().is_empty());
    let recorded = bed.store.load().await.unwrap();
    assert!(recorded.records.is_empty() && recorded.outputs.is_empty());
    assert!(!bed.plan(&bed.engine(), &[]).await.has_changes(), "destroy twice does nothing");
}

#[tokio::test(start_paused = true)]
async fn a_create_first_replacement_keeps_the_old_object_until_the_new_one_is_there() {
    let bed = Bed::default();
    let mut blocks = diamond();
    blocks[0].create_first = true;
    bed.apply(&blocks).await;
    blocks[0].name = "renamed".to_owned();
    bed.cloud.fault_nth(3, Fault::Fail(ErrorClass::Denied));
    bed.apply_on(&bed.engine(), &blocks, &CancelToken::new()).await.unwrap();
    bed.settle_down(&blocks, 2, "replacement create-first").await;
}

#[tokio::test(start_paused = true)]
async fn drift_and_what_vanished_are_mended() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    bed.cloud.meddle("memory_disk.a", "status", &"broken".into());
    bed.cloud.lose("memory_machine.one");
    bed.settle_down(&diamond(), 1, "drift").await;
}

#[tokio::test(start_paused = true)]
async fn the_first_interrupt_finishes_what_is_in_flight() {
    let bed = Bed::default();
    bed.cloud.delay(Duration::from_secs(5));
    let cancel = CancelToken::new();
    let engine = bed.engine();
    let ask = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cancel.raise();
    };
    let blocks = diamond();
    let (report, ()) = tokio::join!(bed.apply_on(&engine, &blocks, &cancel), ask);
    let report = report.unwrap();
    assert!(report.interrupted);
    assert_eq!(report.succeeded, 2, "both disks were in flight");
    assert_eq!(report.skipped.len(), 3);
    assert!(bed.store.load().await.unwrap().unfinished.is_empty());
    bed.settle_down(&diamond(), 1, "after an interrupt").await;
}

#[tokio::test(start_paused = true)]
async fn the_second_interrupt_stops_at_once_and_the_next_run_looks_things_up() {
    for fault in [Fault::Hang, Fault::HangBefore] {
        let bed = Bed::default();
        bed.cloud.fault_next("memory_disk.a", fault);
        let cancel = CancelToken::new();
        let engine = bed.engine();
        let ask = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            cancel.raise();
            tokio::time::sleep(Duration::from_secs(2)).await;
            cancel.raise();
        };
        let blocks = diamond();
        let (report, ()) = tokio::join!(bed.apply_on(&engine, &blocks, &cancel), ask);
        let report = report.unwrap();
        assert_eq!(cancel.level(), Level::Stop);
        assert!(report.interrupted && report.succeeded >= 1);
        let recorded = bed.store.load().await.unwrap();
        assert_eq!(recorded.unfinished.len(), 1, "the call that hung");
        bed.settle_down(&diamond(), 1, "after a stop").await;
        let how = if fault == Fault::Hang { "adopted" } else { "sent again" };
        assert_eq!(bed.heard.recovered(), [format!("memory_disk.a: {how}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_fits_is_refused_and_nothing_is_done() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let mut changed = diamond();
    changed[0].setting = 2;
    let plan = bed.plan(&bed.engine(), &changed).await;
    let mut other = diamond();
    other[0].setting = 3;
    bed.apply(&other).await;
    let calls = bed.cloud.ledger().len();
    let error = saved(&bed.engine(), &bed, plan).await.unwrap_err();
    let ApplyError::Stale(stale) = &error else { panic!("{error}") };
    assert!(stale.iter().any(|record| record.address == address("memory_disk.a")));
    assert!(
        error.to_string().contains("memory_disk.a has changed since (revision 1 -> 2)"),
        "{error}"
    );
    assert_eq!(bed.cloud.ledger().len(), calls);
    bed.assert_converged(&other, "after a refusal").await;
}

async fn saved(engine: &Engine, bed: &Bed, plan: Plan) -> Result<engine::RunReport, ApplyError> {
    engine.apply(&plan, &bed.request(), 4, &CancelToken::new()).await
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_run_once() {
    let bed = Bed::default();
    let plan = bed.plan(&bed.engine(), &diamond()).await;
    assert!(saved(&bed.engine(), &bed, plan.clone()).await.unwrap().is_complete());
    let error = saved(&bed.engine(), &bed, plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Foreign(_) | ApplyError::Stale(_)), "{error}");
    bed.assert_converged(&diamond(), "saved plan").await;
}

#[tokio::test(start_paused = true)]
async fn foreign_and_illegal_plans_are_refused() {
    let bed = Bed::default();
    let engine = bed.engine();
    let plan = bed.plan(&engine, &diamond()).await;
    let mut foreign = plan.clone();
    foreign.environment = "production".to_owned();
    let error = saved(&engine, &bed, foreign).await.unwrap_err();
    assert!(error.to_string().contains("`production`"), "{error}");
    let mut newer = plan.clone();
    newer.format_version += 1;
    assert!(matches!(saved(&engine, &bed, newer).await, Err(ApplyError::Foreign(_))));
    let mut circular = plan;
    circular.operations[0].needs.insert(3);
    let error = saved(&engine, &bed, circular).await.unwrap_err();
    assert!(matches!(error, ApplyError::Illegal(_)), "{error}");
    assert!(bed.cloud.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_would_turn_into_another_is_stopped() {
    let bed = Bed::default();
    bed.apply(&diamond()).await;
    let mut changed = diamond();
    changed[0].setting = 2;
    let mut plan = bed.plan(&bed.engine(), &changed).await;
    let operation = plan.operations.iter_mut().find(|o| o.address == address("memory_disk.a"));
    operation.unwrap().must_not_differ.insert("size".to_owned());
    let engine = bed.engine();
    let run = bed.begin(&engine, &plan).await.unwrap();
    let report = run.apply(&plan, 4, &CancelToken::new()).await.unwrap();
    assert_eq!(report.failed[0].diagnostic.code, "action-changed");
    assert!(bed.store.load().await.unwrap().unfinished.is_empty(), "nothing was begun");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_run_and_nothing_more_is_written() {
    let bed = Bed::default();
    bed.cloud.delay(Duration::from_secs(40));
    let engine = bed.engine();
    let blocks = diamond();
    let take_over = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        // The program that began counts as gone, so its lease is taken over while it still works.
        let other = bed.engine();
        let recovered = other.recover(&bed.request(), Purpose::Apply, &CancelToken::new()).await;
        recovered.unwrap();
    };
    let never = CancelToken::new();
    let (report, ()) = tokio::join!(bed.apply_on(&engine, &blocks, &never), take_over);
    let error = report.unwrap_err();
    assert!(matches!(error, ApplyError::State(StateError::LeaseLost { .. })), "{error}");
    bed.cloud.delay(Duration::ZERO);
    bed.settle_down(&diamond(), 1, "after a takeover").await;
}
