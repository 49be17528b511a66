//! Files that cannot be used, and what is said about them.

use super::*;
use crate::sqlite::format::FORMAT;
use nix::unistd::{Uid, setfsuid};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt as _;

fn refused(files: &Files, name: &str) -> StateError {
    match SqliteStore::open(files.path(name), name, files.keys()) {
        Err(error) => error,
        Ok(_) => panic!("it should be refused"),
    }
}

fn put(files: &Files, name: &str, content: &[u8]) {
    let path = files.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn other_files_are_told_apart() {
    let files = Files::new();
    put(&files, "empty", b"");
    assert!(refused(&files, "empty").to_string().contains("it is empty"));
    put(&files, "text", &[b'x'; 500]);
    assert!(refused(&files, "text").to_string().contains("not a state file"));
    Connection::open(files.path("db")).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    assert!(refused(&files, "db").to_string().contains("another program"));
}

#[tokio::test]
async fn newer_and_foreign_files_are_named() {
    let files = Files::new();
    files.with_content("e").await;
    let other = SqliteStore::open(files.path("e"), "production", files.keys()).unwrap();
    for error in [other.load().await.unwrap_err(), other.acquire(request("r2")).await.unwrap_err()]
    {
        assert!(matches!(error, StateError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("`e`, not of `production`"), "{error}");
    }
    drop(other);
    let connection = Connection::open(files.path("e")).unwrap();
    connection.pragma_update(None, "user_version", FORMAT + 1).unwrap();
    drop(connection);
    let newer = refused(&files, "e");
    let StateError::Newer { found, known, .. } = newer else { panic!("{newer}") };
    assert_eq!((found, known), (FORMAT + 1, FORMAT));
}

#[tokio::test]
async fn without_the_key_secrets_stay_shut() {
    let files = Files::new();
    let store = files.store("plain");
    let lineage = store.prepare().await.unwrap().lineage;
    drop(store);
    let key = files.keys().path(&lineage);
    let good = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let store = files.store("plain");
    store.load().await.expect("nothing in it is secret");
    let missing = store.acquire(request("r1")).await.unwrap_err();
    assert!(matches!(missing, StateError::Key(_)), "nothing is begun: {missing}");
    assert!(missing.to_string().contains(key.to_str().unwrap()), "{missing}");

    std::fs::write(&key, good).unwrap();
    permit(&key, 0o600);
    drop(store);
    let recorded = files.with_content("sealed").await;
    let key = files.keys().path(&recorded.lineage);
    std::fs::remove_file(&key).unwrap();
    let missing = files.store("sealed").load().await.unwrap_err();
    assert!(matches!(missing, StateError::Key(_)), "{missing}");
    files.keys().create(&recorded.lineage).unwrap();
    let wrong = files.store("sealed").load().await.unwrap_err().to_string();
    assert!(wrong.contains("another key") && wrong.contains(key.to_str().unwrap()), "{wrong}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let files = Files::new();
    let before = files.with_content("e").await;
    let mut store = files.store("e");
    let pages = std::fs::metadata(files.path("e")).unwrap().len() / 4096;
    store.max_pages = Some(u32::try_from(pages).unwrap() + 4);
    let store: Arc<dyn StateStore> = Arc::new(store);
    let lease = store.acquire(request("r2")).await.unwrap();
    let mut durable = 0;
    let error = loop {
        let text = format!("local_volume.v{durable}");
        let begun = intent(&text, IntentAction::Create, None);
        let sequence = match store.begin(&lease, begun).await {
            Ok(sequence) => sequence,
            Err(error) => break error,
        };
        match store.finish(&lease, sequence, recorded(record(&text, "v"), None)).await {
            Ok(_) => durable += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StateError::Storage { .. }), "{error}");
    assert!(error.hint().unwrap().contains("make room"), "{error}");
    drop(store);
    let loaded = files.store("e").load().await.unwrap();
    assert_eq!(loaded.records.len(), before.records.len() + durable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_the_middle_of_a_group_leaves_all_or_nothing_of_each_write() {
    let files = Files::new();
    let before = files.with_content("e").await;
    let mut store = files.store("e");
    let pages = std::fs::metadata(files.path("e")).unwrap().len() / 4096;
    store.max_pages = Some(u32::try_from(pages).unwrap() + 12);
    let store: Arc<dyn StateStore> = Arc::new(store);
    let lease = store.acquire(request("r2")).await.unwrap();
    let tasks = (0..64).map(|number| {
        let (store, lease) = (store.clone(), lease.clone());
        tokio::spawn(async move {
            let text = format!("local_volume.v{number}");
            let begun = store.begin(&lease, intent(&text, IntentAction::Create, None)).await;
            let sequence = begun.map_err(|error| (None, error))?;
            let outcome = recorded(record(&text, "v"), None);
            let finished = store.finish(&lease, sequence, outcome).await;
            finished.map(|_| sequence).map_err(|error| (Some(sequence), error))
        })
    });
    let (mut durable, mut open) = (0, BTreeSet::new());
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => durable += 1,
            Err((begun, error)) => {
                open.extend(begun);
                assert!(matches!(error, StateError::Storage { .. }), "{error}");
                assert!(error.hint().unwrap().contains("make room"), "{error}");
            }
        }
    }
    assert!(durable < 64, "it must fill up");
    drop(store);
    let store = files.store("e");
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.records.len(), before.records.len() + durable);
    let left = loaded.unfinished.iter().map(|intent| intent.sequence);
    let left = left.filter(|sequence| *sequence > before.serial).collect::<BTreeSet<_>>();
    assert_eq!(left, open, "what was told is what is there");
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
    store.renew(&lease).await.expect("with room again it goes on");
}

/// Runs as a user whom the file system refuses, even where the tests run as root: the kernel checks the rights of the
/// thread that asks, and threads that it starts inherit them.
pub fn as_nobody<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            setfsuid(Uid::from_raw(65_534));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(work)
        });
        worker.join().unwrap()
    })
}

#[test]
fn a_read_only_directory_can_be_read_and_says_why_it_is_not_written() {
    let files = Files::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = files.store("e");
    let lineage = runtime.block_on(store.prepare()).unwrap().lineage;
    drop(store);
    let directory = files.path("e").parent().unwrap().to_owned();
    permit(files.0.path(), 0o755);
    permit(&files.0.path().join("keys"), 0o755);
    permit(&files.keys().path(&lineage), 0o644);
    permit(&files.path("e"), 0o444);
    permit(&directory, 0o555);
    let (loaded, written, new) = as_nobody(async {
        let store = files.store("e");
        let new = files.store("new").acquire(request("r1")).await;
        (store.load().await, store.acquire(request("r1")).await, new)
    });
    permit(&directory, 0o755);
    assert_eq!(loaded.unwrap().lineage, lineage);
    for answer in [written, new] {
        let error = answer.unwrap_err();
        assert!(matches!(error, StateError::Storage { .. }), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains(directory.to_str().unwrap()), "{error}: {hint}");
    }
    let left = std::fs::read_dir(files.0.path().join("keys")).unwrap().count();
    assert_eq!(left, 1, "no key is left of the environment that was not made");
}

#[tokio::test]
async fn a_file_that_is_replaced_under_a_run_is_noticed() {
    let files = Files::new();
    let store = files.shared("e");
    let lease = store.acquire(request("r1")).await.unwrap();
    let moved = files.path("moved");
    std::fs::rename(files.path("e"), &moved).unwrap();
    let begun = intent("local_machine.x", IntentAction::Create, None);
    let error = store.begin(&lease, begun).await.unwrap_err();
    assert!(error.to_string().contains("replaced or removed"), "{error}");
}
