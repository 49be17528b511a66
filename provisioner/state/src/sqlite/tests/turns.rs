//! Several programs write one state file at the same time.

use super::crash::spawn;
use super::*;
use crate::port::LeaseRequest;
use crate::scope::Scope;
use crate::sqlite::turn::{Turn, lock_path};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;

/// Which of the writers this is.
const NUMBER: &str = "PROVISIONER_TEST_WRITER";
const RECORDS: usize = 25;

fn mine(number: usize) -> Vec<String> {
    (0..RECORDS).map(|n| format!("local_machine.w{number}[{n}]")).collect()
}

fn part(number: usize) -> LeaseRequest {
    let writes = mine(number).iter().map(|text| conformance::address(text)).collect();
    LeaseRequest { scope: Scope::of(writes, BTreeSet::new()), ..request(&format!("w{number}")) }
}

/// Not a test of its own: one of the programs. It begins when it is told to.
#[tokio::test]
async fn writer() {
    let (Ok(number), Some(directory)) = (std::env::var(NUMBER), super::crash::directory()) else {
        return;
    };
    let number = number.parse().unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let keys = KeySource::Directory(directory.join("keys"));
    let path = directory.join("state").join("e.sqlite");
    let store: Arc<dyn StateStore> = Arc::new(SqliteStore::open(path, "e", keys).unwrap());
    let lease = store.acquire(part(number)).await.unwrap();
    for text in mine(number) {
        create(&store, &lease, &text, "id").await;
    }
    store.release(lease).await.unwrap();
}

fn start(directory: &Path, number: usize) -> Child {
    let mut child = spawn("sqlite::tests::turns::writer", directory, &[(NUMBER, number)]);
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("ready")));
    child
}

fn finish(mut child: Child) {
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_programs_commit_at_the_same_time() {
    let files = Files::new();
    files.store("e").prepare().await.unwrap();
    let children: Vec<_> = (0..8).map(|number| start(files.0.path(), number)).collect();
    let waiting: Vec<_> =
        children.into_iter().map(|child| std::thread::spawn(move || finish(child))).collect();
    for thread in waiting {
        thread.join().unwrap();
    }
    let store = files.store("e");
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.records.len(), loaded.unfinished.len()), (8 * RECORDS, 0));
    let report = store.check().await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!(report.entries, 8 * (2 + 2 * RECORDS as u64));
    assert!(store.leases().await.unwrap().is_empty());
}

/// Whether this program holds a record lock on a file. Source: proc_locks(5).
fn has_lock(path: &Path) -> bool {
    let inode = std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let (pid, file) = (std::process::id().to_string(), format!(":{inode}"));
    locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| fields[1] == "POSIX" && fields[4] == pid && fields[5].ends_with(&file))
}

/// A program that closes a file gives up all its locks on it. If reading did that under an open writer, the next program
/// that leaves would take itself for the last one and remove the write-ahead log that this one goes on to write.
#[tokio::test]
async fn reading_beside_a_writer_keeps_its_place() {
    let files = Files::new();
    let store = files.shared("e");
    let lease =
        store.acquire(LeaseRequest { scope: part(9).scope, ..request("r1") }).await.unwrap();
    let log = format::with_suffix(&files.path("e"), "-wal");
    let inode = || std::os::unix::fs::MetadataExt::ino(&log.metadata().unwrap());
    for number in 0..2 {
        let before = inode();
        store.load().await.unwrap();
        files.store("e").journal(0).await.unwrap();
        assert!(has_lock(&files.path("e")), "the writer's lock on the file is still there");
        finish(start(files.0.path(), number));
        assert_eq!(inode(), before, "the log is still the one that is written");
        create(&store, &lease, &mine(9)[number], "id").await;
        let seen = files.store("e").load().await.unwrap().records.len();
        assert_eq!(seen, (number + 1) * (RECORDS + 1));
    }
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_turn_that_is_not_given_back_is_told_with_who_has_it() {
    let files = Files::new();
    files.store("e").prepare().await.unwrap();
    let path = files.path("e");
    let held = Turn::take(&path, Duration::ZERO).unwrap();
    let error = Turn::take(&path, Duration::from_millis(1)).err().expect("it is held");
    let message = error.to_string();
    let who = format!("process {}", std::process::id());
    assert!(message.contains(&who) || message.contains("another program"), "{message}");
    assert!(error.hint().unwrap().contains("SIGSTOP"), "{error}");
    drop(held);
    // Whoever gave up waiting leaves no lock behind.
    drop(Turn::take(&path, Duration::from_secs(10)).unwrap());
    assert!(lock_path(&path).exists());
}
