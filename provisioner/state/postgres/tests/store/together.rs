//! Several programs on one environment at the same time.

use crate::Home;
use crate::proxy::Proxy;
use model::Address;
use model::record::IntentAction;
use state::conformance::{address, create, gone, intent, record, recorded, request};
use state::{Lease, LeaseRequest, Scope, StateError, StateStore};
use std::collections::BTreeSet;
use std::sync::Arc;

fn part(run: &str, writes: impl IntoIterator<Item = Address>) -> LeaseRequest {
    LeaseRequest { scope: Scope::of(writes.into_iter().collect(), BTreeSet::new()), ..request(run) }
}

/// Ten objects made and updated by one program that holds only those.
async fn one_of_many(store: Arc<dyn StateStore>, name: String) {
    let objects: Vec<_> = (0..10).map(|at| format!("a.{name}[{at}]")).collect();
    let writes = objects.iter().map(|object| address(object));
    let lease = store.acquire(part(&name, writes)).await.unwrap();
    let tasks = objects.into_iter().map(|object| {
        let (store, lease) = (store.clone(), lease.clone());
        tokio::spawn(async move { make_and_update(&store, &lease, &object).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    store.release(lease).await.unwrap();
}

async fn make_and_update(store: &Arc<dyn StateStore>, lease: &Lease, object: &str) {
    let made = create(store, lease, object, object).await;
    let begun = intent(object, IntentAction::Update, Some(made.clone()));
    let sequence = store.begin(lease, begun.clone()).await.unwrap();
    // One that is refused, in the middle of a group, disturbs no other.
    assert!(matches!(store.begin(lease, begun).await, Err(StateError::Illegal(_))));
    let outcome = recorded(record(object, object), None);
    store.finish(lease, sequence, outcome).await.unwrap();
}

async fn many(programs: usize) {
    let home = Home::new().await;
    let running = (0..programs).map(|at| {
        let store = home.shared("busy");
        tokio::spawn(one_of_many(store, format!("p{at}")))
    });
    for program in running.collect::<Vec<_>>() {
        program.await.unwrap();
    }
    let store = home.shared("busy");
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.records.len(), loaded.unfinished.len()), (programs * 10, 0));
    assert!(loaded.records.values().all(|record| record.revision == 2));
    let journal = store.journal(0).await.unwrap();
    assert_eq!(journal.len(), programs * (2 + 4 * 10));
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_on_disjoint_parts() {
    many(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_programs_on_disjoint_parts() {
    many(8).await;
}

#[tokio::test]
async fn a_zombie_writes_no_row() {
    let home = Home::new().await;
    let zombie: Arc<dyn StateStore> = Arc::new(home.store("e").with_holder(gone()));
    let old = zombie.acquire(request("r1")).await.unwrap();
    create(&zombie, &old, "a.x", "x").await;
    let lease = home.shared("e").acquire(request("r2")).await.unwrap();
    let versions = "SELECT sum(xmin::text::bigint)::bigint FROM provisioner.environment";
    let before = (home.count(versions).await, zombie.load().await.unwrap());
    let begun = intent("a.y", IntentAction::Create, None);
    let refused = zombie.begin(&old, begun).await;
    assert!(matches!(refused, Err(StateError::LeaseLost { .. })), "{refused:?}");
    let refused = zombie.renew(&old).await;
    assert!(matches!(refused, Err(StateError::LeaseLost { .. })), "{refused:?}");
    assert_eq!((home.count(versions).await, zombie.load().await.unwrap()), before);
    home.shared("e").renew(&lease).await.unwrap();
}

/// The lock of the environment's row is not the only fence: the statement that writes looks at the lease itself.
#[tokio::test]
async fn a_lease_that_goes_between_the_look_and_the_write_fences_the_write() {
    let home = Home::new().await;
    let ready = home.shared("e");
    let lease = ready.acquire(request("r1")).await.unwrap();
    let proxy = Proxy::holding(home.server.port).await;
    let url = format!("postgresql://owner@127.0.0.1:{}/{}", proxy.port, home.database);
    let store = home.by(&format!("{url}?sslmode=disable"), "e");
    let begin = store.begin(&lease, intent("a.x", IntentAction::Create, None));
    let take_away = async {
        proxy.is_holding().await;
        // As no program of ours would: without the lock.
        home.execute("DELETE FROM provisioner.lease").await;
        proxy.let_through();
    };
    let (refused, ()) = tokio::join!(begin, take_away);
    assert!(matches!(refused, Err(StateError::LeaseLost { .. })), "{refused:?}");
    assert_eq!(home.count("SELECT count(*) FROM provisioner.journal").await, 1);
    assert_eq!(home.count("SELECT count(*) FROM provisioner.unfinished").await, 0);
    assert_eq!(ready.check().await.unwrap().findings, Vec::<String>::new());
}
