//! Damage is found and named; nothing that is damaged is believed.

use super::*;
use rusqlite::Connection;

/// Changes the file of an environment as another program could.
fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

async fn what_is_damaged(files: &Files, name: &str) -> String {
    let loaded = match files.store_or_error(name) {
        Ok(store) => store.load().await,
        Err(error) => Err(error),
    };
    match loaded {
        Err(StateError::Corrupt { what, .. }) => what,
        other => panic!("it should be damaged: {other:?}"),
    }
}

/// SQL that changes one byte in the middle of a column.
fn flip(table: &str, column: &str, condition: &str) -> String {
    format!(
        "UPDATE {table} SET {column} = CAST(substr({column}, 1, 9) || x'21' || substr({column}, 11) AS BLOB) \
         WHERE {condition}"
    )
}

/// What a check finds, as one text.
async fn found(files: &Files, name: &str) -> String {
    files.store(name).check().await.unwrap().findings.join("\n")
}

#[tokio::test]
async fn a_changed_row_is_named() {
    let record = "the record of `local_machine.x` (table resource)";
    let cases = [
        (flip("resource", "body", "id = 1"), record),
        (flip("resource", "hash", "id = 1"), record),
        ("UPDATE resource SET revision = 7 WHERE id = 1".to_owned(), record),
        ("UPDATE resource SET provider = 'other' WHERE id = 1".to_owned(), record),
        ("DELETE FROM resource WHERE id = 1".to_owned(), "table resource: it has 1 rows, and 2"),
        (flip("results", "body", "kind = 'output'"), "output `password`"),
        ("DELETE FROM results WHERE kind = 'output'".to_owned(), "table results: it has 1 rows"),
        (flip("journal", "body", "seq = 6"), "journal entry 6"),
        ("DELETE FROM journal WHERE seq = 6".to_owned(), "journal entry 6 is missing"),
        (flip("journal", "body", "seq = 7"), "journal entry 7"),
        ("DELETE FROM journal WHERE seq = 7".to_owned(), "ends too early, after entry 6"),
        ("DELETE FROM unfinished".to_owned(), "table unfinished: it has 0 rows"),
        ("UPDATE unfinished SET seq = 2".to_owned(), "is not of `local_machine.z`"),
        ("UPDATE unfinished SET seq = 3".to_owned(), "entry 3 should be an intent"),
        ("UPDATE meta SET serial = 1".to_owned(), "table meta"),
        ("UPDATE meta SET lineage = 'other'".to_owned(), "table meta"),
        ("UPDATE meta SET tallies = x'00'".to_owned(), "table meta"),
        (
            "ALTER TABLE removed RENAME COLUMN revision TO r".to_owned(),
            "definition of table removed",
        ),
        ("INSERT INTO removed VALUES (1, 'a.b', 1, x'00')".to_owned(), "`a.b` (table removed)"),
    ];
    for (sql, expected) in cases {
        let files = Files::new();
        files.with_content("e").await;
        change(&files.path("e"), &sql);
        let what = what_is_damaged(&files, "e").await;
        assert!(what.contains(expected), "{sql}: {what}");
        // Where the very frame is damaged (meta, definitions), the check is refused with the same words.
        if let Ok(store) = files.store_or_error("e")
            && let Ok(report) = store.check().await
        {
            let findings = report.findings.join("\n");
            assert!(findings.contains(expected), "{sql}: {findings}");
            assert!(findings.contains("what to do:"), "{sql}: {findings}");
        }
    }
}

/// Loading does not walk the journal; whatever does names what is wrong with it.
#[tokio::test]
async fn damaged_history_is_named_by_whatever_reads_it() {
    let cases = [
        (flip("journal", "body", "seq = 3"), "journal entry 3 does not match its hash"),
        ("UPDATE journal SET run = 'other' WHERE seq = 2".to_owned(), "journal entry 2"),
        ("UPDATE journal SET address = NULL WHERE seq = 2".to_owned(), "journal entry 2"),
        ("UPDATE journal SET prev_hash = zeroblob(32) WHERE seq = 4".to_owned(), "journal"),
        ("DELETE FROM journal WHERE seq = 3".to_owned(), "journal entry 3 is missing"),
    ];
    for (sql, expected) in cases {
        let files = Files::new();
        let truth = files.with_content("e").await;
        change(&files.path("e"), &sql);
        let store = files.store("e");
        assert_eq!(store.load().await.unwrap(), truth, "what is recorded is whole");
        let findings = found(&files, "e").await;
        assert!(findings.contains(expected) && findings.contains("only history"), "{findings}");
        for error in [store.journal(0).await.err(), store.version(truth.serial).await.err()] {
            // A chain is looked at where it is walked; a list of entries shows each for itself.
            if !sql.contains("prev_hash") {
                let error = error.expect("it reads the damaged entry").to_string();
                assert!(error.contains(expected), "{sql}: {error}");
            }
        }
        let lease = store.acquire(request("r2")).await.unwrap();
        let pruned = store.prune(&lease, 5).await.unwrap_err();
        assert!(matches!(pruned, StateError::Corrupt { .. }), "nothing is built on it: {pruned}");
    }
}

#[tokio::test]
async fn a_lease_that_was_changed_is_not_believed() {
    let files = Files::new();
    files.with_content("e").await;
    change(&files.path("e"), &flip("lease", "body", "epoch = 1"));
    let error = files.store("e").acquire(request("r2")).await.unwrap_err();
    assert!(error.to_string().contains("lease 1 does not match"), "{error}");
    change(&files.path("e"), "DELETE FROM lease");
    let error = files.store("e").acquire(request("r2")).await.unwrap_err();
    assert!(error.to_string().contains("table lease"), "one that went is missed: {error}");
}

#[tokio::test]
async fn a_record_put_in_the_place_of_another_does_not_open() {
    let files = Files::new();
    files.with_content("e").await;
    let other = files.store("f");
    other.prepare().await.unwrap();
    drop(other);
    // Even with hashes made to fit, the seal of another place does not open: here the whole row of another record.
    let connection = Connection::open(files.path("e")).unwrap();
    let body: Vec<u8> = connection
        .query_row("SELECT body FROM resource WHERE id = 2", [], |row| row.get(0))
        .unwrap();
    let address = "local_machine.x".as_bytes();
    let plain = crate::sqlite::pack::unpacked(body.clone());
    let columns = [address, b"local", &1_u64.to_le_bytes(), &plain];
    let hash = crate::rows::row_hash("resource", &columns);
    let sql = "UPDATE resource SET body = ?, hash = ? WHERE id = 1";
    connection.execute(sql, rusqlite::params![body, hash]).unwrap();
    drop(connection);
    let what = what_is_damaged(&files, "e").await;
    assert!(what.contains("`local_machine.x`") && what.contains("does not open"), "{what}");
}

#[tokio::test]
async fn a_truncated_file_is_damaged_and_never_new() {
    let files = Files::new();
    files.with_content("e").await;
    let path = files.path("e");
    let good = std::fs::read(&path).unwrap();
    for length in [0, 50, 4096, good.len() / 2, good.len() - 4096] {
        std::fs::write(&path, &good[..length]).unwrap();
        let loaded = match SqliteStore::open(&path, "e", files.keys()) {
            Ok(store) => store.load().await,
            Err(error) => Err(error),
        };
        assert!(matches!(loaded, Err(StateError::Corrupt { .. })), "{length}: {loaded:?}");
    }
}

#[tokio::test]
async fn damage_in_an_index_stops_a_run_before_it_writes() {
    let files = Files::new();
    files.with_content("e").await;
    let path = files.path("e");
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_resource_1'";
    let root: usize = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    let page = &mut bytes[(root - 1) * 4096..root * 4096];
    let at = page.windows(15).position(|window| window == b"local_machine.x").unwrap();
    page[at + 14] = b'q';
    std::fs::write(&path, &bytes).unwrap();
    let error = files.store("e").acquire(request("r2")).await.unwrap_err();
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn an_older_copy_in_its_place_is_refused_until_that_is_confirmed() {
    let files = Files::new();
    let before = files.with_content("e").await;
    let path = files.path("e");
    let old = std::fs::read(&path).unwrap();
    let store = files.shared("e");
    let lease = store.acquire(request("r2")).await.unwrap();
    store.release(lease).await.unwrap();
    drop(store);
    std::fs::write(&path, old).unwrap();
    let lock = crate::sqlite::turn::lock_path(&path);
    for error in [
        files.store("e").load().await.unwrap_err(),
        files.store("e").acquire(request("r3")).await.unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains("last 2 commits are missing"), "{message}");
        assert!(message.contains(&format!("remove {}", lock.display())), "{message}");
    }
    std::fs::remove_file(lock).unwrap();
    assert_eq!(files.store("e").load().await.unwrap(), before);
    files.store("e").acquire(request("r3")).await.unwrap();
}

#[tokio::test]
async fn an_environment_that_comes_back_is_no_older_copy() {
    let files = Files::new();
    let store = files.shared("e");
    let lease = store.acquire(request("r1")).await.unwrap();
    create(&store, &lease, "local_machine.x", "one").await;
    store.release(lease).await.unwrap();
    let (dump, loaded) = (store.dump().await.unwrap(), store.load().await.unwrap());
    drop(store);
    std::fs::remove_file(files.path("e")).unwrap();
    files.store("e").take_over(dump).await.unwrap();
    assert_eq!(files.store("e").load().await.unwrap(), loaded);
    files.store("e").acquire(request("r2")).await.unwrap();
}
