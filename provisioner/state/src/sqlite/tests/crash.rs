//! A real program is killed while it writes; what it was told is durable is there, and the next run just works.

use super::*;
use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

const DIRECTORY: &str = "PROVISIONER_TEST_VICTIM_DIRECTORY";

/// The directory that the program is to work in; none in a usual run of the tests.
pub fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Runs one test of this very program as a program of its own.
pub fn spawn(test: &str, directory: &Path, settings: &[(&str, usize)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, value) in settings {
        command.env(name, value.to_string());
    }
    command
        .args([test, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the program that the next one kills. It says every record that it was told is durable.
#[tokio::test]
async fn victim() {
    let Some(directory) = directory() else {
        return;
    };
    let keys = KeySource::Directory(directory.join("keys"));
    let path = directory.join("state").join("victim.sqlite");
    let store: Arc<dyn StateStore> = Arc::new(SqliteStore::open(path, "victim", keys).unwrap());
    let lease = store.acquire(request("killed")).await.unwrap();
    for number in 0..100_000 {
        let text = format!("local_machine.m{number}");
        create(&store, &lease, &text, "id").await;
        println!("durable {text}");
    }
}

/// Kills a fresh victim after it has said `lines` records; those it said.
fn kill_after(directory: &Path, lines: usize) -> BTreeSet<String> {
    let mut victim = spawn("sqlite::tests::crash::victim", directory, &[]);
    let mut output = std::io::BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut said = BTreeSet::new();
    let said_in = |line: &str| Some(line.split_once("durable ")?.1.to_owned());
    while said.len() < lines {
        let line = output.next().expect("the victim lives until it is killed").unwrap();
        said.extend(said_in(&line));
    }
    victim.kill().unwrap();
    // Whatever it said before it died counts too; the last line may be cut off.
    let rest: Vec<_> = output.map_while(Result::ok).filter_map(|line| said_in(&line)).collect();
    said.extend(rest.into_iter().rev().skip(1));
    victim.wait().unwrap();
    said
}

#[tokio::test]
async fn a_killed_program_loses_nothing_it_was_told() {
    for lines in [1, 3, 8, 21] {
        let files = Files::new();
        let said = kill_after(files.0.path(), lines);
        let store = files.store("victim");
        let loaded = store.load().await.unwrap();
        for text in &said {
            let there = loaded.records.contains_key(&conformance::address(text));
            assert!(there, "{text} was durable");
        }
        assert!(loaded.unfinished.len() <= 1);
        let lease = store.acquire(request("next")).await.unwrap();
        assert_eq!(lease.info.epoch, 2, "taken over at once");
        for intent in loaded.unfinished {
            let outcome = Outcome::Failed { message: "it never happened".to_owned() };
            store.finish(&lease, intent.sequence, outcome).await.unwrap();
        }
        store.release(lease).await.unwrap();
        assert!(store.load().await.unwrap().unfinished.is_empty());
    }
}

#[tokio::test]
async fn a_store_dropped_without_release_is_taken_over() {
    let files = Files::new();
    let before = files.with_content("dropped").await;
    let store = files.store("dropped");
    assert_eq!(store.load().await.unwrap(), before);
    let lease = store.acquire(request("r2")).await.unwrap();
    let [intent] = &before.unfinished[..] else { panic!("one intent has no outcome") };
    let made = recorded(record("local_machine.z", "three"), None);
    store.finish(&lease, intent.sequence, made).await.unwrap();
    assert_eq!(store.load().await.unwrap().records.len(), 3);
}
