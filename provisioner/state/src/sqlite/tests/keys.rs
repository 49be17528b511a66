//! Keys of an environment change under its records.

use super::*;
use crate::keyring::{Keyring, Unlock};
use crate::sqlite::pack::unpacked;
use model::Sensitive;
use rusqlite::Connection;

fn passphrase(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}

fn unlock(files: &Files) -> Unlock {
    Unlock::new(files.keys()).with_passphrase(passphrase("open sesame"))
}

/// An environment that began with a passphrase and never had a key file.
fn begun(files: &Files) -> SqliteStore {
    let store = SqliteStore::open(files.path("e"), "e", unlock(files)).unwrap();
    store.with_initial_keyring(vec![NewWrap::Passphrase(passphrase("open sesame"))])
}

/// The generations that sealed what a table holds.
fn sealed_by(path: &Path, table: &str) -> BTreeSet<String> {
    let connection = Connection::open(path).unwrap();
    let sql = format!("SELECT body FROM {table}");
    let mut statement = connection.prepare(&sql).unwrap();
    let bodies = statement.query_map([], |row| {
        Ok(String::from_utf8(unpacked(row.get(0)?)).expect("bodies are JSON"))
    });
    let bodies = bodies.unwrap();
    let mut found = BTreeSet::new();
    for body in bodies {
        for part in body.unwrap().split("\"$sealed\":\"").skip(1) {
            found.insert(if part.starts_with("k2:") { "k2" } else { "k1" }.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn a_new_environment_can_begin_with_a_keyring() {
    let files = Files::new();
    let store: Arc<dyn StateStore> = Arc::new(begun(&files));
    let lease = store.acquire(request("r1")).await.unwrap();
    create(&store, &lease, "local_machine.x", "one").await;
    let identity = store.identity().await.unwrap().unwrap();
    assert!(!files.keys().path(&identity.lineage).exists(), "no key file is made");
    let keyring = Keyring::parse(identity.keyring.as_deref().unwrap()).unwrap();
    assert_eq!((keyring.lineage(), keyring.origin()), (&*identity.lineage, &*identity.key_check));
    let loaded = store.load().await.unwrap();
    assert_eq!(begun(&files).load().await.unwrap(), loaded);
    let without = files.store("e").load().await.unwrap_err();
    assert!(matches!(without, StateError::Key(_)), "{without}");
    store.release(lease).await.unwrap();
    let dump = store.dump().await.unwrap();
    let other = SqliteStore::open(files.path("other"), "e", unlock(&files)).unwrap();
    other.take_over(dump).await.unwrap();
    assert_eq!(other.load().await.unwrap().records, loaded.records, "the keyring came along");
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_history_stays_readable() {
    let files = Files::new();
    let store: Arc<dyn StateStore> = Arc::new(begun(&files));
    let lease = store.acquire(request("r1")).await.unwrap();
    let old = create(&store, &lease, "local_machine.x", "one").await;
    let again = intent("local_machine.x", IntentAction::Create, Some(old.clone()));
    let sequence = store.begin(&lease, again).await.unwrap();
    let outcome = recorded(record("local_machine.x", "two"), Some(old));
    store.finish(&lease, sequence, outcome).await.unwrap();
    let value = model::Value::from(CANARY).into_sensitive();
    let output = model::graph::Output { value, sensitive: true, description: String::new() };
    let mut results = RunResults::default();
    results.outputs.insert("password".to_owned(), Some(output));
    store.write_results(&lease, results).await.unwrap();
    let before = store.load().await.unwrap();
    // Another program that has the file open, from before.
    let other: Arc<dyn StateStore> = Arc::new(begun(&files));
    other.renew(&lease).await.unwrap();

    let text = store.identity().await.unwrap().unwrap().keyring.unwrap();
    let rotated = Keyring::parse(&text).unwrap().rotated(&unlock(&files)).unwrap().text();
    store.rekey(&lease, Some(rotated.clone())).await.unwrap();
    for table in ["resource", "deposed", "results"] {
        assert_eq!(Vec::from_iter(sealed_by(&files.path("e"), table)), ["k2"], "{table}");
    }
    let after = store.load().await.unwrap();
    assert_eq!(after, Recorded { serial: before.serial + 1, ..before.clone() });
    assert_eq!(store.version(before.serial).await.unwrap().records, before.records);
    create(&store, &lease, "local_machine.new", "new").await;
    create(&other, &lease, "local_machine.other", "other").await;
    assert_eq!(Vec::from_iter(sealed_by(&files.path("e"), "resource")), ["k2"]);
    let both = BTreeSet::from(["k1".to_owned(), "k2".to_owned()]);
    assert_eq!(sealed_by(&files.path("e"), "journal"), both);
    assert_eq!(begun(&files).check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_keyring_that_cannot_be_opened_is_not_put_in_place() {
    let files = Files::new();
    let store: Arc<dyn StateStore> = Arc::new(begun(&files));
    let lease = store.acquire(request("r1")).await.unwrap();
    create(&store, &lease, "local_machine.x", "one").await;
    let before = store.load().await.unwrap();
    let identity = store.identity().await.unwrap().unwrap();
    let ways = [NewWrap::Passphrase(passphrase("another passphrase"))];
    let foreign = Keyring::create(&identity.lineage, &ways).unwrap().text();
    assert!(store.rekey(&lease, Some(foreign)).await.is_err());
    assert!(store.rekey(&lease, None).await.is_err(), "there is no key file");
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.identity().await.unwrap().unwrap(), identity);
    create(&store, &lease, "local_machine.y", "two").await;
}

/// As for a migration: every part of the write-ahead log that a crash can leave is tried.
#[tokio::test]
async fn a_crash_while_rekeying_leaves_the_old_keys_or_the_new() {
    let files = Files::new();
    let store: Arc<dyn StateStore> = Arc::new(begun(&files));
    let lease = store.acquire(request("r1")).await.unwrap();
    for number in 0..20 {
        create(&store, &lease, &format!("local_machine.x[{number}]"), "one").await;
    }
    let before = store.load().await.unwrap();
    let text = store.identity().await.unwrap().unwrap().keyring.unwrap();
    drop(store);
    let path = files.path("e");
    let old = std::fs::read(&path).unwrap();
    let rotated = Keyring::parse(&text).unwrap().rotated(&unlock(&files)).unwrap().text();
    let store = begun(&files);
    store.rekey(&lease, Some(rotated.clone())).await.unwrap();
    let log = std::fs::read(format::with_suffix(&path, "-wal")).unwrap();
    let (mut seen, unlock) = (BTreeSet::new(), unlock(&files));
    for length in (32..=log.len()).step_by(4096 + 24).chain([0, log.len() - 7]) {
        let copy = files.path("copy");
        std::fs::write(&copy, &old).unwrap();
        std::fs::write(format::with_suffix(&copy, "-wal"), &log[..length]).unwrap();
        let _ = std::fs::remove_file(format::with_suffix(&copy, "-shm"));
        let store = SqliteStore::open(&copy, "e", unlock.clone()).unwrap();
        assert_eq!(store.load().await.unwrap().records, before.records, "{length}");
        let keyring = store.identity().await.unwrap().unwrap().keyring.unwrap();
        let generation = if keyring == rotated { "k2" } else { "k1" };
        assert_eq!(Vec::from_iter(sealed_by(&copy, "resource")), [generation], "{length}");
        seen.insert(generation);
    }
    assert_eq!(Vec::from_iter(seen), ["k1", "k2"]);
}

#[tokio::test]
async fn secrets_are_kept_in_clear_only_where_that_was_said() {
    let files = Files::new();
    let store = files.store("e").with_secrets(Secrets::Clear);
    let store: Arc<dyn StateStore> = Arc::new(store);
    let lease = store.acquire(request("r1")).await.unwrap();
    let made = create(&store, &lease, "local_machine.x", "one").await;
    drop(store);
    assert!(contains(&bodies(&files.path("e")), CANARY));
    let sealing: Arc<dyn StateStore> = files.shared("e");
    assert_eq!(sealing.load().await.unwrap().records[&made.address], made);
    create(&sealing, &lease, "local_machine.y", "two").await;
    assert_eq!(sealed_by(&files.path("e"), "resource").len(), 1, "the next one is sealed");
}
