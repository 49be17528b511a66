//! Connections that break and servers that die: nothing acknowledged is lost, nothing is written twice.

use crate::Home;
use crate::proxy::{Cut, Proxy};
use crate::server::Server;
use model::record::{IntentAction, Record};
use state::conformance::{create, intent, record, recorded, request};
use state::{Lease, RunResults, StateError, StateStore};
use state_postgres::PostgresStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

async fn records(store: &Arc<dyn StateStore>) -> Vec<Record> {
    store.load().await.unwrap().records.into_values().collect()
}

/// A run from nothing to its end, through a proxy that cuts once. Everything is answered as if nothing had happened.
async fn run_through(home: &Home, environment: &str, cut: Cut) -> Proxy {
    let proxy = Proxy::start(home.server.port, cut).await;
    let url = format!("postgresql://owner@127.0.0.1:{}/{}", proxy.port, home.database);
    let store: Arc<dyn StateStore> =
        Arc::new(home.by(&format!("{url}?sslmode=disable"), environment));
    let lease = store.acquire(request("r1")).await.unwrap();
    let (one, two) =
        tokio::join!(create(&store, &lease, "a.one", "1"), create(&store, &lease, "a.two", "2"),);
    store.renew(&lease).await.unwrap();
    let begun = intent("a.one", IntentAction::Delete, Some(one));
    let sequence = store.begin(&lease, begun).await.unwrap();
    store.finish(&lease, sequence, model::record::Outcome::Removed).await.unwrap();
    let providers = BTreeMap::from([("other".to_owned(), None)]);
    let results = RunResults { providers, ..RunResults::default() };
    store.write_results(&lease, results).await.unwrap();
    assert_eq!(records(&store).await, [two], "{cut:?}");
    store.release(lease).await.unwrap();
    proxy
}

async fn expect_one_run(home: &Home, environment: &str, cut: Cut) {
    let store = home.store(environment);
    let journal = store.journal(0).await.unwrap();
    let kinds: Vec<_> = journal.iter().map(|entry| entry.kind.as_str()).collect();
    let count = |kind| kinds.iter().filter(|found| **found == kind).count();
    let told = [
        count("run-started"),
        count("intent"),
        count("outcome"),
        count("results-changed"),
        count("run-finished"),
    ];
    assert_eq!((told, kinds.len()), ([1, 3, 3, 1, 1], 9), "{cut:?}: {kinds:?}");
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new(), "{cut:?}");
    assert!(store.leases().await.unwrap().is_empty(), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_before_or_after_any_commit_is_ridden_out() {
    let home = Home::new().await;
    // The commits of the writes and of the questions; the first are those that make the tables.
    for number in 1..=9 {
        for (how, cut) in
            [Cut::BeforeCommit(number), Cut::AfterCommit(number)].into_iter().enumerate()
        {
            let environment = format!("e{number}-{how}");
            let proxy = run_through(&home, &environment, cut).await;
            assert_eq!(proxy.cuts(), 1, "{cut:?}");
            expect_one_run(&home, &environment, cut).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_at_any_message_is_ridden_out() {
    let home = Home::new().await;
    let (sent, received) = run_through(&home, "whole", Cut::Nowhere).await.messages();
    expect_one_run(&home, "whole", Cut::Nowhere).await;
    let steps = |last: i64, first: i64| (first..last).step_by(5);
    let cuts = steps(sent, 1).map(Cut::Sent).chain(steps(received, 3).map(Cut::Received));
    let cuts: Vec<_> = cuts.enumerate().collect();
    for some in cuts.chunks(8) {
        let runs = some.iter().map(async |(number, cut)| {
            let environment = format!("e{number}");
            run_through(&home, &environment, *cut).await;
            expect_one_run(&home, &environment, *cut).await;
        });
        futures::future::join_all(runs).await;
    }
}

/// Makes objects until it is told to stop; gives those whose outcome was acknowledged.
async fn busy(
    store: Arc<dyn StateStore>,
    lease: Lease,
    name: usize,
    done: Arc<AtomicBool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for at in 0.. {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let object = format!("a.t{name}[{at}]");
        create(&store, &lease, &object, &object).await;
        acknowledged.push(object);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_commits_loses_nothing() {
    let server = Server::of_ones_own().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let source = state::keys::KeySource::Directory(keys.path().to_owned());
    let database = server.database().await;
    let open = || {
        let options = state_postgres::PostgresOptions::new(source.clone());
        PostgresStore::open(&server.by_socket(&database), "e", options).unwrap()
    };
    let store: Arc<dyn StateStore> = Arc::new(open());
    let lease = store.acquire(request("r1")).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4)
        .map(|name| tokio::spawn(busy(store.clone(), lease.clone(), name, done.clone())))
        .collect();
    let entries = async || open().load().await.unwrap().serial;
    for _ in 0..3 {
        // In the middle of work, whatever the machine's pace.
        let before = entries().await;
        while entries().await < before + 30 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| {
            server.stop();
            server.resume();
        });
    }
    done.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    let recorded = store.load().await.unwrap();
    let stored: Vec<_> = recorded.records.keys().map(ToString::to_string).collect();
    assert!(acknowledged.iter().all(|object| stored.contains(object)));
    assert_eq!(stored.len(), acknowledged.len(), "nothing but what was asked for");
    assert!(recorded.unfinished.is_empty());
    let journal = store.journal(0).await.unwrap();
    assert_eq!(journal.len(), 1 + 2 * acknowledged.len(), "nothing is written twice");
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away_ends_the_run_with_all_that_was_acknowledged() {
    let server = Server::of_ones_own().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let source = state::keys::KeySource::Directory(keys.path().to_owned());
    let database = server.database().await;
    let mut options = state_postgres::PostgresOptions::new(source);
    options.patience = Duration::from_millis(500);
    let store = PostgresStore::open(&server.by_socket(&database), "e", options).unwrap();
    let store: Arc<dyn StateStore> = Arc::new(store);
    let lease = store.acquire(request("r1")).await.unwrap();
    let made = create(&store, &lease, "a.x", "x").await;
    tokio::task::block_in_place(|| server.stop());
    let begun = intent("a.x", IntentAction::Update, Some(made.clone()));
    let away = store.begin(&lease, begun.clone()).await.unwrap_err();
    assert!(matches!(away, StateError::Unreachable { .. }), "{away:?}");
    let away = store.load().await.unwrap_err();
    assert!(matches!(away, StateError::Unreachable { .. }), "{away:?}");
    tokio::task::block_in_place(|| server.resume());
    assert_eq!(records(&store).await, [made]);
    let sequence = store.begin(&lease, begun).await.unwrap();
    let outcome = recorded(record("a.x", "x"), None);
    store.finish(&lease, sequence, outcome).await.unwrap();
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_place_where_nobody_answers_is_named() {
    let home = Home::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = home.options();
    options.patience = Duration::from_millis(200);
    let url = format!("postgresql://owner:canary@127.0.0.1:{free}/x");
    let store = PostgresStore::open(&url, "e", options).unwrap();
    let error = store.acquire(request("r1")).await.unwrap_err();
    assert!(matches!(error, StateError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{free}/x")) && !text.contains("canary"), "{text}");
}
