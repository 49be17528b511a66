//! State format 1, as it was first written: today's program must read it, and still writes the same. A new format
//! gets a fixture of its own; this one stays.

use super::*;
use crate::clock::ManualClock;
use rusqlite::Connection;
use std::fmt::Write as _;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";
const KEY: &str =
    "provisioner-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// The whole file as SQL text; bodies are JSON and stay readable.
fn dump(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let mut text = String::new();
    for pragma in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        writeln!(text, "PRAGMA {pragma} = {value};").unwrap();
    }
    let sql = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid";
    let mut statement = connection.prepare(sql).unwrap();
    let tables: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (table, definition) in tables {
        writeln!(text, "{definition};").unwrap();
        dump_rows(&connection, &table, &mut text);
    }
    text
}

fn dump_rows(connection: &Connection, table: &str, text: &mut String) {
    let columns: Vec<String> = connection
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let quoted = columns.iter().map(|column| match column.as_str() {
        "body" => "'CAST(' || quote(CAST(body AS TEXT)) || ' AS BLOB)'".to_owned(),
        other => format!("quote({other})"),
    });
    let quoted = quoted.collect::<Vec<_>>().join(" || ', ' || ");
    let mut statement =
        connection.prepare(&format!("SELECT {quoted} FROM {table} ORDER BY rowid")).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let values: String = row.get(0).unwrap();
        writeln!(text, "INSERT INTO {table} VALUES ({values});").unwrap();
    }
}

const START: i64 = 1_790_000_000;

fn clock_at(second: i64) -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Timestamp::from_second(second).unwrap()))
}

fn holder() -> Holder {
    Holder {
        owner: "ada".to_owned(),
        host: "host".to_owned(),
        pid: 4711,
        started: 1,
        boot: "boot".to_owned(),
        pid_namespace: "pid:[1]".to_owned(),
    }
}

fn key(files: &Files) -> KeySource {
    let path = files.0.path().join("fixed.key");
    std::fs::write(&path, KEY).unwrap();
    KeySource::File(path)
}

/// A state with every kind of row in it.
async fn write(files: &Files) -> Recorded {
    let mut store = SqliteStore::open(files.path("golden"), "golden", key(files))
        .unwrap()
        .with_clock(clock_at(START))
        .with_holder(holder());
    store.lineage = Some(LINEAGE.to_owned());
    store.nonces = Nonces::Counted(Arc::default());
    let store: Arc<dyn StateStore> = Arc::new(store);
    let lease = store.acquire(request("r1")).await.unwrap();
    let removed = create(&store, &lease, "local_volume.removed", "r").await;
    store.forget(&lease, &removed.address).await.unwrap();
    let old = create(&store, &lease, "local_machine.x[\"it's\"]", "old").await;
    let text = old.address.to_string();
    let begun = intent(&text, IntentAction::Create, Some(old.clone()));
    let sequence = store.begin(&lease, begun).await.unwrap();
    let outcome = recorded(record(&text, "new"), Some(old));
    let new = store.finish(&lease, sequence, outcome).await.unwrap().unwrap();
    let changed = Record { tainted: true, ..new };
    store.write_refreshed(&lease, vec![changed], vec![]).await.unwrap();
    let mut results = RunResults::default();
    let value = model::Value::from(CANARY).into_sensitive();
    let output = model::graph::Output { value, sensitive: true, description: "d".to_owned() };
    results.outputs.insert("password".to_owned(), Some(output));
    let node = model::graph::Node {
        name: "edge-local-001".to_owned(),
        pool: "local".to_owned(),
        index: 0,
        domain: "a".to_owned(),
        machine: model::Value::object([("address", model::Value::from("10.0.0.2"))]),
    };
    results.node_sets.insert("edge".to_owned(), Some(vec![node]));
    store.write_results(&lease, results).await.unwrap();
    let begun = intent("local_volume.v", IntentAction::Create, None);
    store.begin(&lease, begun).await.unwrap();
    store.load().await.unwrap()
}

#[tokio::test]
async fn reads_back_and_is_still_written() {
    let files = Files::new();
    let expected = write(&files).await;
    assert_eq!((expected.records.len(), expected.deposed.len()), (1, 1));
    assert_eq!((expected.unfinished.len(), expected.lineage.as_str()), (1, LINEAGE));
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/state-format-1.sql");
    conformance::golden(&fixture, dump(&files.path("golden")).as_bytes());

    let restored = files.path("restored");
    let sql = std::fs::read_to_string(fixture).unwrap();
    Connection::open(&restored).unwrap().execute_batch(&sql).unwrap();
    let store = SqliteStore::open(&restored, "golden", key(&files)).unwrap();
    let store = store.with_clock(clock_at(START + i64::from(rules::LEASE_SECONDS)));
    assert_eq!(store.load().await.unwrap(), expected);
    assert_eq!(store.leases().await.unwrap()[0].owner, "ada");
    let lease = store.acquire(request("r2")).await.expect("the lease of the fixture is over");
    assert_eq!(lease.info.epoch, 2);
    store.release(lease).await.unwrap();
}
