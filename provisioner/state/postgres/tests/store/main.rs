//! The store on a real PostgreSQL: the conformance suite, and then what only a server and a network can get wrong.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

mod breaks;
mod proxy;
mod server;
mod tables;
mod tls;
mod together;

use server::{Server, shared};
use state::clock::Clock;
use state::conformance::{self, Fixture};
use state::holder::Holder;
use state::keys::KeySource;
use state::{Dump, StateStore};
use state_postgres::{PostgresOptions, PostgresStore};
use std::sync::Arc;
use tempfile::TempDir;

/// A database of its own, and a directory of keys.
pub struct Home {
    server: &'static Server,
    database: String,
    elsewhere: String,
    keys: TempDir,
}

impl Home {
    async fn new() -> Self {
        let server = shared();
        let (database, elsewhere) = (server.database().await, server.database().await);
        Self { server, database, elsewhere, keys: tempfile::tempdir().unwrap() }
    }

    fn keys(&self) -> KeySource {
        KeySource::Directory(self.keys.path().join("keys"))
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.keys())
    }

    /// A store by any URL.
    fn by(&self, url: &str, environment: &str) -> PostgresStore {
        PostgresStore::open(url, environment, self.options()).unwrap()
    }

    /// A store by the socket.
    fn store(&self, environment: &str) -> PostgresStore {
        self.by(&self.server.by_socket(&self.database), environment)
    }

    fn shared(&self, environment: &str) -> Arc<dyn StateStore> {
        Arc::new(self.store(environment))
    }

    /// A number that SQL tells.
    async fn count(&self, sql: &str) -> i64 {
        let client = self.server.client(&self.database).await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn execute(&self, sql: &str) {
        self.server.client(&self.database).await.batch_execute(sql).await.unwrap();
    }
}

impl Fixture for Home {
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
        Arc::new(self.store(name).with_clock(clock).with_holder(holder))
    }

    fn open_elsewhere(
        &self,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore> {
        let store = self.by(&self.server.by_socket(&self.elsewhere), name);
        Arc::new(store.with_clock(clock).with_holder(holder))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    conformance::run(&Home::new().await).await;
}

#[tokio::test]
async fn an_environment_moves_from_a_file_to_the_database_and_back_with_its_history() {
    let home = Home::new().await;
    let file = |name: &str| {
        let path = home.keys.path().join(name);
        let store = state::sqlite::SqliteStore::open(path, "staging", home.keys()).unwrap();
        Arc::new(store) as Arc<dyn StateStore>
    };
    let first = file("first");
    with_history(&first).await;
    let dump = first.dump().await.unwrap();
    let database = home.shared("staging");
    let moved = take(&database, &dump).await;
    assert_eq!(database.load().await.unwrap(), first.load().await.unwrap());
    let back = take(&file("second"), &moved).await;
    assert_eq!(back, dump);
    let other = home.store("production").take_over(dump).await.unwrap_err();
    assert!(other.to_string().contains("`staging`"), "{other}");
}

async fn take(store: &Arc<dyn StateStore>, dump: &Dump) -> Dump {
    store.take_over(dump.clone()).await.unwrap();
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
    let taken = store.dump().await.unwrap();
    assert_eq!(taken, *dump);
    taken
}

/// Records, one removed, deposed objects, an intent without outcome, a pruned journal.
async fn with_history(store: &Arc<dyn StateStore>) {
    use state::conformance::{create, intent, record, recorded, request};
    let lease = store.acquire(request("r1")).await.unwrap();
    for name in ["a.one", "a.two", "a.three"] {
        create(store, &lease, name, name).await;
    }
    for (old, new) in [("a.two", "two-2"), ("a.one", "one-2"), ("a.two", "two-3")] {
        let prior = store.load().await.unwrap().records[&conformance::address(old)].clone();
        let action = model::record::IntentAction::Create;
        let begun = intent(old, action, Some(prior.clone()));
        let sequence = store.begin(&lease, begun).await.unwrap();
        let outcome = recorded(record(old, new), Some(prior));
        store.finish(&lease, sequence, outcome).await.unwrap();
    }
    store.forget(&lease, &conformance::address("a.three")).await.unwrap();
    assert_eq!(store.prune(&lease, 6).await.unwrap(), 6);
    let open = intent("a.four", model::record::IntentAction::Create, None);
    store.begin(&lease, open).await.unwrap();
    store.release(lease).await.unwrap();
}
