//! The embedded store runs the conformance suite, and then what only a file can get wrong.

mod crash;
mod damage;
mod flips;
mod formats;
mod keys;
mod refusals;
mod turns;

use super::*;
use crate::conformance::{self, CANARY, Fixture, create, gone, intent, record, recorded, request};
use crate::keys::KeySource;
use crate::port::RunResults;
use model::record::{IntentAction, Outcome, Record};
use std::collections::BTreeSet;
use tempfile::TempDir;

/// Environments under a temporary directory.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where writing is quick, for tests that do so thousands of times.
    fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self(tempfile::tempdir_in(memory).unwrap()) } else { Self::new() }
    }

    fn keys(&self) -> KeySource {
        KeySource::Directory(self.0.path().join("keys"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("state").join(format!("{name}.sqlite"))
    }

    fn store(&self, name: &str) -> SqliteStore {
        SqliteStore::open(self.path(name), name, self.keys()).unwrap()
    }

    fn store_or_error(&self, name: &str) -> Result<SqliteStore> {
        SqliteStore::open(self.path(name), name, self.keys())
    }

    fn shared(&self, name: &str) -> Arc<dyn StateStore> {
        Arc::new(self.store(name))
    }

    /// An environment with two records, an unfinished intent and a sensitive output, its writer gone.
    async fn with_content(&self, name: &str) -> Recorded {
        let store: Arc<dyn StateStore> = Arc::new(self.store(name).with_holder(gone()));
        let lease = store.acquire(request("r1")).await.unwrap();
        create(&store, &lease, "local_machine.x", "one").await;
        create(&store, &lease, "local_machine.y", "two").await;
        let begun = intent("local_machine.z", IntentAction::Create, None);
        store.begin(&lease, begun).await.unwrap();
        let value = model::Value::from(CANARY).into_sensitive();
        let output = model::graph::Output { value, sensitive: true, description: String::new() };
        let mut results = RunResults::default();
        results.outputs.insert("password".to_owned(), Some(output));
        store.write_results(&lease, results).await.unwrap();
        store.load().await.unwrap()
    }
}

impl Fixture for Files {
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
        Arc::new(self.store(name).with_clock(clock).with_holder(holder))
    }

    fn open_elsewhere(
        &self,
        name: &str,
        clock: Arc<dyn Clock>,
        holder: Holder,
    ) -> Arc<dyn StateStore> {
        let path = self.path(&format!("elsewhere/{name}"));
        let store = SqliteStore::open(path, name, self.keys()).unwrap();
        Arc::new(store.with_clock(clock).with_holder(holder))
    }
}

/// All bytes of all files below a directory, by name.
fn all_bytes(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_bytes(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found
}

/// The bodies of all tables, unpacked.
fn bodies(path: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut all = Vec::new();
    for table in ["resource", "deposed", "journal", "lease", "results", "base"] {
        let mut statement = connection.prepare(&format!("SELECT body FROM {table}")).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        all.extend(rows.flat_map(|body| pack::unpacked(body.unwrap())));
    }
    all
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn sqlite_is_new_enough() {
    // Earlier versions can damage a write-ahead log when it is reset.
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn conforms() {
    conformance::run(&Files::new()).await;
}

#[tokio::test]
async fn looking_makes_no_file() {
    let files = Files::new();
    let store = files.store("new");
    store.load().await.unwrap();
    store.journal(0).await.unwrap();
    assert!(store.identity().await.unwrap().is_none());
    assert!(store.leases().await.unwrap().is_empty());
    drop(store);
    assert!(all_bytes(files.0.path()).is_empty());
}

#[tokio::test]
async fn preparing_makes_the_lineage_and_the_key_once() {
    let files = Files::new();
    let store = files.store("new");
    let lineage = store.prepare().await.unwrap().lineage;
    assert_eq!(store.prepare().await.unwrap().lineage, lineage);
    assert_eq!(store.load().await.unwrap().lineage, lineage);
    let key = files.keys().read(&lineage).unwrap();
    let again = files.store("new");
    assert_eq!(again.prepare().await.unwrap().lineage, lineage);
    assert_eq!(files.keys().read(&lineage).unwrap().key(), key.key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_that_make_an_environment_make_one() {
    for _ in 0..10 {
        let files = Files::new();
        let stores = [files.store("new"), files.store("new"), files.store("new")];
        let (one, two, three) =
            tokio::join!(stores[0].prepare(), stores[1].prepare(), stores[2].prepare());
        let made = [one, two, three].map(|made| made.unwrap().lineage);
        let lineages = BTreeSet::from(made);
        assert_eq!(lineages.len(), 1);
        drop(stores);
        let names: Vec<_> = all_bytes(files.0.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(names.len(), 3, "one state file, its lock, one key: {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_write_at_the_same_time() {
    let files = Files::new();
    let store = files.shared("busy");
    let lease = store.acquire(request("r1")).await.unwrap();
    let tasks = (0..16).map(|task| {
        let (store, lease) = (store.clone(), lease.clone());
        tokio::spawn(async move {
            let mut sequences = Vec::new();
            for round in 0..10 {
                let text = format!("local_machine.t{task}[{round}]");
                let begun = intent(&text, IntentAction::Create, None);
                let sequence = store.begin(&lease, begun.clone()).await.unwrap();
                // One that is refused, in the middle of a group, disturbs no other.
                assert!(store.begin(&lease, begun).await.is_err());
                let outcome = recorded(record(&text, &text), None);
                store.finish(&lease, sequence, outcome).await.unwrap();
                sequences.push(sequence);
            }
            sequences
        })
    });
    let mut sequences = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        sequences.extend(task.await.unwrap());
    }
    assert_eq!(sequences.len(), 160);
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.records.len(), 160);
    assert!(loaded.unfinished.is_empty());
    assert_eq!(store.journal(0).await.unwrap().len(), 1 + 2 * 160);
}

#[tokio::test]
async fn no_secret_reaches_the_disk_in_clear() {
    let files = Files::new();
    let store = files.shared("secret");
    let lease = store.acquire(request("r1")).await.unwrap();
    let made = create(&store, &lease, "local_machine.x", "one").await;
    let begun = intent("local_machine.x", IntentAction::Update, Some(made.clone()));
    store.begin(&lease, begun).await.unwrap();
    let newer = Record { tainted: true, ..made };
    store.write_refreshed(&lease, vec![newer], vec![]).await.unwrap();
    let mut open = all_bytes(files.0.path());
    let bodies = bodies(&files.path("secret"));
    assert!(contains(&bodies, "$sealed"), "there is something to look into");
    open.push((files.path("secret"), bodies));
    assert!(open.iter().any(|(path, _)| path.to_string_lossy().ends_with("-wal")));
    drop(store);
    for (path, bytes) in open.into_iter().chain(all_bytes(files.0.path())) {
        assert!(!contains(&bytes, CANARY), "{}", path.display());
        assert!(!contains(&bytes, "$sensitive"), "{}", path.display());
    }
}

#[tokio::test]
async fn the_holder_is_known_to_others() {
    let files = Files::new();
    let store = files.store("held");
    let lease = store.acquire(request("r1")).await.unwrap();
    let other = files.store("held");
    assert_eq!(other.leases().await.unwrap(), std::slice::from_ref(&lease.info));
    let error = other.acquire(request("r2")).await.unwrap_err();
    let message = error.to_string();
    let LeaseInfo { owner, host, pid, since, expires, .. } = &lease.info;
    for part in ["`apply r1`", owner, host, &pid.to_string(), since] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    assert!(error.hint().unwrap().contains(expires));
    store.release(lease).await.unwrap();
    assert!(other.leases().await.unwrap().is_empty());
}
