//! What the embedded store costs: CPU time and bytes written for a commit, the time of a load and of taking a lease, at
//! several sizes; and how long a program waits when several commit at once. Prints a table, decides nothing.
//!
//! `cargo bench -p state --profile dev -- 100 10000 100000`, and `-- writers 8`.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use state::conformance::{create, intent, record, recorded, request};
use state::keys::KeySource;
use state::sqlite::SqliteStore;
use state::{Lease, LeaseRequest, Scope, StateStore};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Commits that are measured at each size; one for the intent and one for the outcome of each record.
const COMMITS: u32 = 1000;
/// Records that each of several writers makes.
const EACH: usize = 200;

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads the table");
}

fn open(directory: &Path) -> Arc<dyn StateStore> {
    let keys = KeySource::Directory(directory.join("keys"));
    let path = directory.join("state").join("bench.sqlite");
    Arc::new(SqliteStore::open(path, "bench", keys).expect("a state file"))
}

/// CPU time of this program, the system's part included.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// A number out of a file of `/proc/self`.
fn counted(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux counts it");
    line.split_whitespace().find_map(|word| word.parse().ok()).expect("a number")
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// Makes `count` records, many at a time.
async fn fill(store: &Arc<dyn StateStore>, lease: &Lease, count: usize) {
    let tasks = (0..64).map(|task| {
        let (store, lease) = (store.clone(), lease.clone());
        tokio::spawn(async move {
            for number in (task..count).step_by(64) {
                create(&store, &lease, &format!("cloud_machine.m[{number}]"), "id").await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("it is written");
    }
}

/// One commit after the other.
async fn commits(store: &Arc<dyn StateStore>, lease: &Lease) {
    for number in 0..COMMITS / 2 {
        let text = format!("cloud_machine.n[{number}]");
        let begun = intent(&text, model::record::IntentAction::Create, None);
        let sequence = store.begin(lease, begun).await.expect("an intent");
        let outcome = recorded(record(&text, "id"), None);
        store.finish(lease, sequence, outcome).await.expect("an outcome");
    }
}

fn size(runtime: &tokio::runtime::Runtime, records: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let lease = runtime.block_on(store.acquire(request("bench"))).expect("a lease");
    runtime.block_on(fill(&store, &lease, records));
    runtime.block_on(store.release(lease)).expect("released");
    drop(store);
    let file = directory.path().join("state/bench.sqlite").metadata().expect("a file").len();

    let store = open(directory.path());
    let (loaded, load) = timed(|| runtime.block_on(store.load()).expect("it loads"));
    assert_eq!(loaded.records.len(), records);
    drop(loaded);
    // What this run writes: a lease as an apply would have one.
    let writes =
        (0..COMMITS / 2).map(|n| state::conformance::address(&format!("cloud_machine.n[{n}]")));
    let scope = Scope::of(writes.collect(), std::collections::BTreeSet::new());
    let asked = LeaseRequest { scope, ..request("bench") };
    let (lease, begin) = timed(|| runtime.block_on(store.acquire(asked)).expect("a lease"));
    let (cpu_before, bytes_before) = (cpu(), counted("io", "wchar:"));
    let ((), time) = timed(|| runtime.block_on(commits(&store, &lease)));
    let used = cpu().saturating_sub(cpu_before);
    let bytes = counted("io", "wchar:") - bytes_before;
    runtime.block_on(store.release(lease)).expect("released");
    let (dump, dumped) = timed(|| runtime.block_on(store.dump()).expect("a dump"));
    let other = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys");
    let target =
        SqliteStore::open(other.path().join("e.sqlite"), "bench", KeySource::Directory(keys));
    let target = target.expect("a new file");
    let ((), taken) = timed(|| runtime.block_on(target.take_over(dump)).expect("taken over"));
    let (report, checked) = timed(|| runtime.block_on(store.check()).expect("checked"));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    say(&format!(
        "{records:>8} {:>8} {:>9.3} {:>9.3} {:>10} {:>10} {:>9.2} {:>8.2} {:>8.2} {:>8.2} {:>8}",
        file / 1_000_000,
        load.as_secs_f64(),
        begin.as_secs_f64(),
        used.as_micros() / u128::from(COMMITS),
        bytes / u64::from(COMMITS),
        time.as_secs_f64() * 1e3 / f64::from(COMMITS),
        dumped.as_secs_f64(),
        taken.as_secs_f64(),
        checked.as_secs_f64(),
        counted("status", "VmHWM:") / 1024,
    ));
}

/// One of several programs: makes records in a part of its own and says its longest wait in milliseconds.
fn writer(runtime: &tokio::runtime::Runtime, directory: &Path, number: usize) {
    let text = |n: usize| format!("cloud_machine.w{number}[{n}]");
    let writes = (0..EACH).map(|n| state::conformance::address(&text(n))).collect();
    let scope = Scope::of(writes, std::collections::BTreeSet::new());
    let store = open(directory);
    let asked = LeaseRequest { scope, ..request(&format!("w{number}")) };
    let lease = runtime.block_on(store.acquire(asked)).expect("a lease");
    let mut longest = Duration::ZERO;
    for n in 0..EACH {
        let ((), wait) = timed(|| drop(runtime.block_on(create(&store, &lease, &text(n), "id"))));
        longest = longest.max(wait);
    }
    runtime.block_on(store.release(lease)).expect("released");
    say(&longest.as_millis().to_string());
}

fn writers(runtime: &tokio::runtime::Runtime, count: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    runtime.block_on(open(directory.path()).prepare()).expect("an environment");
    let start = |number: usize| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("writer").arg(directory.path()).arg(number.to_string());
        command.stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let (outputs, time) = timed(|| {
        let children: Vec<_> = (0..count).map(start).collect();
        let done = |child: std::process::Child| child.wait_with_output().expect("it ends");
        children.into_iter().map(done).collect::<Vec<_>>()
    });
    let waits = outputs.iter().map(|output| {
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("milliseconds")
    });
    let longest = waits.max().unwrap_or_default();
    let commits = 2 * count * EACH;
    let each_second = commits as u128 * 1000 / time.as_millis().max(1);
    say(&format!(
        "{count} programs, {commits} commits, {each_second} a second; longest wait for a record (two commits): {longest} ms"
    ));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        ["writers", count] => writers(&runtime, number(count)),
        ["writer", directory, which] => writer(&runtime, Path::new(directory), number(which)),
        _ => {
            say(
                " records  file MB    load s   lease s  CPU us/c.  bytes/c.   ms/c.   dump s  taken s  check s  peak MB",
            );
            let sizes = if words.is_empty() { vec!["100", "10000"] } else { words };
            for records in sizes {
                size(&runtime, number(records));
            }
        }
    }
}
