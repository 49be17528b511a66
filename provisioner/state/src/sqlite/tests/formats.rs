//! State files of every format that was ever written: today's program reads them as they are, and the first write makes
//! them today's. A new format gets a fixture of its own; the older ones stay.

use super::*;
use crate::clock::ManualClock;
use crate::conformance::{entry, started};
use crate::port::LeaseRequest;
use crate::scope::Scope;
use crate::sqlite::format::FORMAT;
use crate::sqlite::pack::unpacked;
use model::rollout::entry::What;
use rusqlite::Connection;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";
const KEY: &str =
    "provisioner-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// The whole file as SQL text; bodies that are not packed are JSON and stay readable.
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
        "body" => {
            let text = "'CAST(' || quote(CAST(body AS TEXT)) || ' AS BLOB)'";
            format!("iif(substr(body, 1, 1) = x'7b', {text}, quote(body))")
        }
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

/// The same with bodies unpacked: how they are packed is not a part of the format, only that they unpack.
fn readable(dump: &str) -> String {
    let mut parts = dump.split("X'28B52FFD");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('\'').unwrap();
        let digits = format!("28B52FFD{digits}");
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let body = unpacked((0..digits.len()).step_by(2).map(byte).collect());
        text += std::str::from_utf8(&body).unwrap();
        text += rest;
    }
    text
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

/// A state with every kind of row in it that a format has: rollouts are in format 4.
async fn write(files: &Files, format: u32) -> Recorded {
    let mut store = SqliteStore::open(files.path("golden"), "golden", key(files))
        .unwrap()
        .with_clock(clock_at(START))
        .with_holder(holder());
    store.lineage = Some(LINEAGE.to_owned());
    store.access.nonces = Nonces::Counted(Arc::default());
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
        revision: String::new(),
    };
    results.node_sets.insert("edge".to_owned(), Some(vec![node]));
    store.write_results(&lease, results).await.unwrap();
    let begun = intent("local_volume.v", IntentAction::Create, None);
    store.begin(&lease, begun).await.unwrap();
    if format >= 4 {
        let scope = Scope::rollout(BTreeSet::from(["edge".to_owned()]));
        let driver = store.acquire(LeaseRequest { scope, ..request("d1") }).await.unwrap();
        store.append(&driver, started("edge-7f3a", &["edge"], 10)).await.unwrap();
        store.append(&driver, entry("edge-7f3a", 1, What::Released)).await.unwrap();
    }
    store.load().await.unwrap()
}

/// How many journal entries such a state has.
fn length(format: u32) -> u64 {
    if format >= 4 { 14 } else { 11 }
}

fn fixture(format: u32) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fixtures.join(format!("state-format-{format}.sql"))
}

/// The file of a fixture, in WAL mode as it was written.
fn restored(files: &Files, format: u32) -> PathBuf {
    let path = files.path("restored");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let sql = std::fs::read_to_string(fixture(format)).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(&sql).unwrap();
    connection.close().unwrap();
    path
}

fn opened(path: &Path, files: &Files, after: i64) -> SqliteStore {
    let store = SqliteStore::open(path, "golden", key(files)).unwrap();
    store.with_clock(clock_at(START + after))
}

const OVER: i64 = rules::LEASE_SECONDS as i64;

fn format_of(path: &Path) -> u32 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn todays_format_is_written_as_ever() {
    let files = Files::new();
    let expected = write(&files, FORMAT).await;
    assert_eq!((expected.records.len(), expected.deposed.len()), (1, 1));
    let (fixture, written) = (fixture(FORMAT), dump(&files.path("golden")));
    if !fixture.exists() && std::env::var_os("PROVISIONER_WRITE_FIXTURES").is_some() {
        std::fs::write(&fixture, &written).unwrap();
    }
    let expected = std::fs::read_to_string(&fixture).unwrap();
    assert_eq!(readable(&expected), readable(&written), "{}", fixture.display());
}

#[tokio::test]
async fn every_format_reads_back_and_can_be_written() {
    for format in 1..=FORMAT {
        let files = Files::new();
        let expected = write(&files, format).await;
        let length = length(format);
        // Who drives a rollout was there after the first run, whose program is not.
        let (runs, last) = if format >= 4 { (2, "d1") } else { (1, "r1") };
        let path = restored(&files, format);
        let store = opened(&path, &files, OVER);
        assert_eq!(store.load().await.unwrap(), expected);
        assert!(store.leases().await.unwrap().is_empty(), "the lease of the fixture is over");
        assert_eq!(opened(&path, &files, 0).leases().await.unwrap()[0].owner, "ada");
        assert_eq!(store.journal(0).await.unwrap().len() as u64, length);
        assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
        assert_eq!(format_of(&path), format, "reading changes nothing");
        let lease = store.acquire(request("r2")).await.unwrap();
        assert_eq!(lease.info.epoch, runs + 1);
        assert_eq!(format_of(&path), FORMAT);
        let journal = store.journal(length).await.unwrap();
        assert_eq!(journal[0].body["taken_over"][0]["run"], last);
        for version in 0..=length + 1 {
            store.version(version).await.unwrap();
        }
        let report = store.check().await.unwrap();
        assert_eq!((report.entries, report.findings), (length + 1, Vec::new()));
        let outcome = recorded(record("local_volume.v", "v"), None);
        store.finish(&lease, 11, outcome).await.unwrap();
        store.release(lease).await.unwrap();
        let loaded = store.load().await.unwrap();
        assert_eq!((loaded.records.len(), loaded.rollouts), (2, expected.rollouts));
        assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_older_file_is_read_where_nothing_can_be_written() {
    let files = Files::new();
    let expected = write(&files, 1).await;
    let path = restored(&files, 1);
    let before = std::fs::read(&path).unwrap();
    let (directory, mode) = (path.parent().unwrap(), std::fs::Permissions::from_mode);
    std::fs::set_permissions(files.0.path(), mode(0o755)).unwrap();
    std::fs::set_permissions(&path, mode(0o444)).unwrap();
    let key = key(&files);
    std::fs::set_permissions(directory, mode(0o555)).unwrap();
    let loaded = super::refusals::as_nobody(async {
        SqliteStore::open(&path, "golden", key).unwrap().load().await
    });
    std::fs::set_permissions(directory, mode(0o755)).unwrap();
    assert_eq!(loaded.unwrap(), expected);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_write_that_is_refused_leaves_an_older_file_as_it_is() {
    let files = Files::new();
    write(&files, 1).await;
    let path = restored(&files, 1);
    let store = opened(&path, &files, 0);
    let held = store.acquire(request("r2")).await;
    assert!(matches!(held, Err(StateError::Held { .. })), "{held:?}");
    assert_eq!(format_of(&path), 1, "the older program that holds it can go on");
}

/// What a crash can leave of a transaction is a part of the write-ahead log: every such part is tried.
#[tokio::test]
async fn a_crash_while_migrating_leaves_the_old_or_the_new() {
    let files = Files::new();
    let expected = write(&files, 1).await;
    let path = restored(&files, 1);
    let old = std::fs::read(&path).unwrap();
    let store = opened(&path, &files, OVER);
    let lease = store.acquire(request("r2")).await.unwrap();
    let log = std::fs::read(format::with_suffix(&path, "-wal")).unwrap();
    assert!(log.len() > 4 * 4096, "{}", log.len());
    let mut seen = BTreeSet::new();
    let frame = 4096 + 24;
    let frames = (0..).map(|n| 32 + n * frame).take_while(|length| *length <= log.len());
    let torn = frames.clone().map(|length| length + 100).filter(|length| *length <= log.len());
    for length in frames.chain(torn).chain([0, 20, log.len()]) {
        let copy = files.path("copy");
        std::fs::write(&copy, &old).unwrap();
        std::fs::write(format::with_suffix(&copy, "-wal"), &log[..length]).unwrap();
        let _ = std::fs::remove_file(format::with_suffix(&copy, "-shm"));
        let loaded = opened(&copy, &files, OVER).load().await.unwrap();
        let format = format_of(&copy);
        seen.insert(format);
        let serial = if format == 1 { 11 } else { 12 };
        assert_eq!(loaded, Recorded { serial, ..expected.clone() }, "{length}");
        let report = opened(&copy, &files, OVER).check().await.unwrap();
        assert_eq!(report.findings, Vec::<String>::new(), "{length}");
    }
    assert_eq!(Vec::from_iter(seen), [1, FORMAT]);
    store.release(lease).await.unwrap();
}
