//! The tables: how they are made, who may, what is damaged.

use crate::Home;
use state::conformance::{CANARY, create, request};
use state::{StateError, StateStore};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_programs_make_the_tables_and_one_environment_at_once() {
    let home = Home::new().await;
    let stores: Vec<_> = (0..4).map(|_| home.store("new")).collect();
    let made = futures::future::join_all(stores.iter().map(StateStore::prepare)).await;
    let lineages: BTreeSet<_> = made.into_iter().map(|made| made.unwrap().lineage).collect();
    assert_eq!(lineages.len(), 1);
    assert_eq!(home.count("SELECT count(*) FROM provisioner.environment").await, 1);
    assert_eq!(home.count("SELECT count(*) FROM provisioner.format").await, 1);
    let keys = std::fs::read_dir(home.keys.path().join("keys")).unwrap().count();
    assert_eq!(keys, 1, "keys of lineages that never came to be are gone");
}

#[tokio::test]
async fn looking_makes_nothing() {
    let home = Home::new().await;
    let store = home.store("new");
    assert_eq!(store.identity().await.unwrap(), None);
    store.load().await.unwrap();
    assert!(store.leases().await.unwrap().is_empty());
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'provisioner'";
    assert_eq!(home.count(schemas).await, 0);
    assert!(!home.keys.path().join("keys").exists());
}

#[tokio::test]
async fn newer_tables_are_refused_by_name() {
    let home = Home::new().await;
    home.store("e").prepare().await.unwrap();
    home.execute("UPDATE provisioner.format SET version = 7").await;
    let error = home.store("e").load().await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 7, known: 2, .. }), "{error:?}");
    let error = home.store("e").acquire(request("r1")).await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 7, known: 2, .. }), "{error:?}");
}

#[tokio::test]
async fn older_tables_are_read_as_they_are_and_the_first_write_brings_them_up_to_date() {
    let home = Home::new().await;
    let store = home.store("e");
    let lease = store.acquire(request("r1")).await.unwrap();
    store.release(lease).await.unwrap();
    let expected = store.load().await.unwrap();
    home.execute("UPDATE provisioner.format SET version = 1").await;
    let older = "SELECT count(*) FROM provisioner.format WHERE version = 1";
    assert_eq!(home.store("e").load().await.unwrap(), expected);
    assert_eq!(home.count(older).await, 1, "reading changes nothing");
    let store = home.store("e");
    let lease = store.acquire(request("r2")).await.unwrap();
    store.release(lease).await.unwrap();
    assert_eq!(home.count(older).await, 0);
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn who_may_not_is_told_what_is_needed_and_who_may_write_needs_no_more() {
    let home = Home::new().await;
    let role = format!("guest_{}", home.database);
    home.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let port = home.server.port;
    let url = format!("postgresql://{role}@127.0.0.1:{port}/{}", home.database);
    let error = home.by(&url, "e").prepare().await.unwrap_err();
    assert!(error.hint().unwrap().contains("USAGE on the schema"), "{error}");
    home.store("e").prepare().await.unwrap();
    home.execute(&format!(
        "GRANT USAGE ON SCHEMA provisioner TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA provisioner TO {role}"
    ))
    .await;
    let store: std::sync::Arc<dyn StateStore> = std::sync::Arc::new(home.by(&url, "e"));
    let lease = store.acquire(request("r1")).await.unwrap();
    create(&store, &lease, "a.x", "x").await;
    store.release(lease).await.unwrap();
}

#[tokio::test]
async fn schemas_and_environments_do_not_see_each_other() {
    let home = Home::new().await;
    let url = home.server.by_socket(&home.database);
    let mut options = home.options();
    options.schema = "team \"b\"".to_owned();
    let other = state_postgres::PostgresStore::open(&url, "e", options).unwrap();
    let ours = home.shared("e");
    let lease = ours.acquire(request("r1")).await.unwrap();
    create(&ours, &lease, "a.x", "x").await;
    let theirs = other.acquire(request("r2")).await.unwrap();
    home.store("f").acquire(request("r3")).await.unwrap();
    assert!(other.load().await.unwrap().records.is_empty());
    assert_eq!((theirs.info.epoch, ours.load().await.unwrap().records.len()), (1, 1));
}

#[tokio::test]
async fn what_was_changed_behind_our_back_is_named() {
    let cases = [
        ("UPDATE provisioner.resource SET body = body || ' '", "`a.x` (table resource)"),
        ("UPDATE provisioner.resource SET revision = 5", "`a.x` (table resource)"),
        ("UPDATE provisioner.environment SET epoch = 0", "table environment"),
        ("UPDATE provisioner.journal SET run = 'r9' WHERE seq = 2", "journal entry 2 "),
        ("DELETE FROM provisioner.journal WHERE seq = 2", "journal entry 2 is missing"),
        ("DELETE FROM provisioner.journal WHERE seq = 3", "ends too early, after entry 2"),
        ("DELETE FROM provisioner.resource", "the journal tells another state"),
    ];
    for (damage, named) in cases {
        let home = Home::new().await;
        let store = home.shared("e");
        let lease = store.acquire(request("r1")).await.unwrap();
        create(&store, &lease, "a.x", "x").await;
        assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
        home.execute(damage).await;
        let told = match store.check().await {
            Ok(report) => report.findings.join("; "),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(named), "{damage}: {told}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_row_in_clear() {
    let home = Home::new().await;
    let store = home.shared("e");
    crate::with_history(&store).await;
    for (table, text) in [
        ("resource", "convert_from(body, 'UTF8')"),
        ("deposed", "convert_from(body, 'UTF8')"),
        ("results", "convert_from(body, 'UTF8')"),
        ("journal", "convert_from(body, 'UTF8')"),
        ("base", "convert_from(body, 'UTF8')"),
    ] {
        let all = format!("SELECT count(*) FROM provisioner.{table}");
        assert!(home.count(&all).await > 0, "{table}");
        let clear = format!(
            "SELECT count(*) FROM provisioner.{table} WHERE {text} LIKE '%{CANARY}%' OR {text} LIKE '%$sensitive%'"
        );
        assert_eq!(home.count(&clear).await, 0, "{table}");
    }
}

#[tokio::test]
async fn other_keys_seal_everything_anew() {
    use state::keyring::{Keyring, NewWrap, Unlock};
    let home = Home::new().await;
    let store = home.shared("e");
    crate::with_history(&store).await;
    let before = store.load().await.unwrap();
    let identity = store.identity().await.unwrap().unwrap();
    let key = home.keys().read(&identity.lineage).unwrap().key().clone();
    let ways = [NewWrap::KeyFile(key.clone())];
    let keyring = Keyring::around(key, &identity.lineage, &ways).unwrap();
    let keyring = keyring.rotated(&Unlock::new(home.keys())).unwrap().text();
    let sealed_before = home.count("SELECT count(DISTINCT body) FROM provisioner.resource").await;
    let lease = store.acquire(request("r2")).await.unwrap();
    store.rekey(&lease, Some(keyring.clone())).await.unwrap();
    let mut after = store.load().await.unwrap();
    after.serial = before.serial;
    assert_eq!(after, before, "the order of deposed objects too");
    assert_eq!(store.identity().await.unwrap().unwrap().keyring, Some(keyring));
    let second =
        "SELECT count(*) FROM provisioner.resource WHERE convert_from(body, 'UTF8') LIKE '%k2%'";
    assert_eq!(home.count(second).await, sealed_before, "the second generation seals now");
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
    create(&store, &lease, "a.new", "new").await;
    assert_eq!(home.shared("e").load().await.unwrap().records.len(), before.records.len() + 1);
}
