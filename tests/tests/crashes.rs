//! Crashes and broken disks, at chosen instants: killed at the Nth write of the state file, and again while recovering;
//! writes and flushes that fail from the Nth on; a disk that is full; a file system that is read-only; the signals that a
//! CI runner sends. Each time the next apply alone brings everything right, and the cloud, a directory, holds exactly
//! the recorded objects.
//!
//! `strace` makes the faults: the kernel's answer to the real program, not a stand-in for it.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Finished, Running, Workbench, wait_until};

const VOLUMES: usize = 6;

/// Volumes whose names hang on other objects: what the state forgets gets another name, so that it shows as an
/// orphan. Another `round` replaces everything.
const ENVIRONMENT: &str = r#"
environment "crash" {}

variable "round" {
  type    = string
  default = "0"
}

resource "terraform_data" "id" {
  count            = 6
  triggers_replace = var.round
}

resource "local_volume" "v" {
  count = 6
  name  = "v-${count.index}-${terraform_data.id[count.index].id}"
  size  = 1
}

output "names" {
  value = local_volume.v[*].name
}
"#;

fn bench() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", ENVIRONMENT);
    bench
}

fn apply(round: usize) -> [String; 5] {
    ["apply", "env", "--auto-approve", "--var", &format!("round={round}")].map(str::to_owned)
}

fn run(bench: &Workbench, words: &[String]) -> Finished {
    bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn start(bench: &Workbench, words: &[String]) -> Running {
    bench.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An apply in which the kernel answers as `inject` says (`strace -e inject=`).
fn faulty(bench: &Workbench, inject: &str, round: usize) -> Finished {
    let calls = inject.split(':').next().unwrap();
    let mut command = bench.any_command("strace".as_ref());
    let traced = [format!("trace={calls}"), format!("inject={inject}")];
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &traced[0], "-e", &traced[1]]);
    command.arg(bench.path("provisioner")).args(apply(round));
    let output = command.output().expect("a command starts");
    assert!(
        output.status.code() != Some(127),
        "install `strace`, as tests/setup.sh does: {output:?}"
    );
    let finished = Finished::new(format!("{inject} of an apply of round {round}"), &output);
    finished.never_says("panicked").never_says("strace:")
}

/// The next apply, without anybody's help: everything is as configured, and nothing else is in the cloud.
#[track_caller]
fn heals(bench: &Workbench, round: usize) {
    run(bench, &apply(round)).exits(0);
    is_whole(bench, round);
}

#[track_caller]
fn is_whole(bench: &Workbench, round: usize) {
    let variable = format!("round={round}");
    bench.run(&["plan", "env", "--detailed-exitcode", "--var", &variable]).exits(0);
    let recorded = bench.run(&["output", "env", "names", "--json"]).exits(0).json();
    let recorded: BTreeSet<String> = serde_json::from_value(recorded).unwrap();
    assert_eq!(recorded.len(), VOLUMES);
    assert_eq!(cloud(bench), recorded, "the cloud holds exactly what is recorded");
}

/// The names of all volumes in the cloud, half-made and half-deleted ones too.
fn cloud(bench: &Workbench) -> BTreeSet<String> {
    let files = bench.traces().cloud_files();
    let is_volume = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("volumes"));
    let volumes = files.into_iter().filter(|path| is_volume(path));
    volumes.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn destroy(bench: &Workbench) {
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn killed_at_the_nth_write_of_the_state_file() {
    let bench = bench();
    for (round, nth) in [1, 2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94, 141].into_iter().enumerate() {
        // Every other time from nothing at all, else everything is being replaced.
        if round % 2 == 0 {
            destroy(&bench);
            std::fs::remove_dir_all(bench.path("state")).unwrap();
            std::fs::create_dir(bench.path("state")).unwrap();
            bench.give_to_user();
        }
        let killed = faulty(&bench, &format!("pwrite64:signal=SIGKILL:when={nth}"), round);
        // With few writes in larger groups there may be no such write.
        assert!(killed.code == 137 || (nth > 20 && killed.code == 0), "{killed}");
        heals(&bench, round);
    }
    destroy(&bench);
}

#[test]
fn killed_again_while_recovering() {
    let bench = bench();
    run(&bench, &apply(0)).exits(0);
    let kills = [(5, 1), (9, 2), (14, 3), (22, 5), (33, 8), (50, 13)];
    for (round, (first, second)) in (1..).zip(kills) {
        faulty(&bench, &format!("pwrite64:signal=SIGKILL:when={first}"), round);
        let again = faulty(&bench, &format!("pwrite64:signal=SIGKILL:when={second}"), round);
        assert!(again.code == 137 || (second > 4 && again.code == 0), "{again}");
        heals(&bench, round);
    }
    destroy(&bench);
}

#[test]
fn writes_that_fail() {
    let bench = bench();
    run(&bench, &apply(0)).exits(0);
    let faults = [
        "pwrite64:error=ENOSPC:when=1+",
        "pwrite64:error=ENOSPC:when=7+",
        "pwrite64:error=ENOSPC:when=18+",
        "pwrite64:error=EROFS:when=12+",
        "pwrite64:error=EIO:when=15+",
        "pwrite64:error=EIO:when=31",
        "fsync,fdatasync:error=EIO:when=1+",
        "fsync,fdatasync:error=EIO:when=4+",
        "fsync,fdatasync:error=EIO:when=9",
    ];
    for (round, fault) in (1..).zip(faults) {
        let finished = faulty(&bench, fault, round);
        // One write alone may be the last one, which only tidies up after everything is done.
        if fault.ends_with('+') || finished.code != 0 {
            finished.exits(1).says("crash.sqlite");
        }
        heals(&bench, round);
    }
    destroy(&bench);
}

/// A disk that fills up at different places of an apply, with the state and the cloud on it.
#[test]
fn a_disk_that_fills_up() {
    let bench = bench();
    let script = r#"
        mkdir disk && mount -t tmpfs -o size=3m tmpfs disk
        mkdir disk/state disk/home && mount --bind disk/state state && mount --bind disk/home home
        round=0
        for room_kib in 0 8 40 80 120 200 280; do
            dd if=/dev/zero of=disk/filler bs=1024 2> /dev/null
            truncate -s "-${room_kib}K" disk/filler
            "$0" apply env --auto-approve --var round=$round
            echo "with $room_kib KiB: code $?"
            rm disk/filler
            "$0" apply env --auto-approve --var round=$round || echo "not healed"
            "$0" plan env --detailed-exitcode --var round=$round || echo "not as configured"
            "$0" output env names --json | tr -d ' [],"\n' > recorded; echo >> recorded
            ls -A home/data/provisioner/local/*/volumes | tr -d '\n' > cloud; echo >> cloud
            cmp recorded cloud || echo "not the same"
            round=$((round + 1))
        done
        "$0" destroy env --auto-approve && ls -A home/data/provisioner/local
        echo "all said"
    "#;
    let finished = bench.script(script).exits(0).says("all said").says("with 0 KiB: code 1");
    let finished = finished.says("with 40 KiB: code 1").never_says("not healed");
    let finished = finished.never_says("not as configured").never_says("not the same");
    finished.never_says("panicked").says("make room");
}

#[test]
fn a_file_system_that_is_read_only() {
    let bench = bench();
    let script = r#"
        mount -t tmpfs tmpfs state
        "$0" apply env --auto-approve || echo "not made"
        ls -A home/data/provisioner/local/*/volumes > before
        mount -o remount,bind,ro state
        "$0" apply env --auto-approve --var round=1
        echo "read-only: code $?"
        ls -A home/data/provisioner/local/*/volumes | cmp - before || echo "something was done"
        mount -o remount,bind,rw state
        "$0" apply env --auto-approve --var round=1 || echo "not healed"
        "$0" plan env --detailed-exitcode --var round=1 || echo "not as configured"
        "$0" destroy env --auto-approve && echo "all said"
    "#;
    let finished = bench.script(script).exits(0).says("read-only: code 1").says("crash.sqlite");
    let finished = finished.never_says("not made").never_says("something was done");
    let finished = finished.never_says("not healed").never_says("not as configured");
    finished.says("all said").never_says("panicked");
    bench.traces().assert_none();
}

#[test]
fn a_signal_at_any_place_of_an_apply() {
    let bench = bench();
    run(&bench, &apply(0)).exits(0);
    let places =
        [(Signal::SIGINT, 0), (Signal::SIGTERM, 3), (Signal::SIGINT, 8), (Signal::SIGTERM, 14)];
    for (round, (signal, operations)) in (1..).zip(places) {
        let mut running = start(&bench, &apply(round));
        wait_until("so many operations are done", Duration::from_secs(30), || {
            let said = running.said_so_far();
            said.matches(" in ").count() >= operations || running.has_ended()
        });
        running.signal(signal);
        let ended = running.finish().never_says("panicked");
        // It may have been done already, or not even have begun to listen.
        assert!([0, 130, 128 + signal as i32].contains(&ended.code), "{ended}");
        heals(&bench, round);
    }
    destroy(&bench);
}

/// What a CI runner does to a job that is cancelled, while the calls in flight do not come back.
#[test]
fn the_signals_of_a_ci_runner() {
    let bench = bench();
    run(&bench, &apply(0)).exits(0);
    let files = bench.traces().cloud_files();
    let lock = files.iter().find(|path| path.ends_with(".lock")).expect("the cloud has a lock");
    let held = hold(lock);
    let mut running = start(&bench, &apply(1));
    wait_until("calls are in flight", Duration::from_secs(30), || {
        assert!(!running.has_ended(), "the cloud is locked");
        running.said_so_far().contains("deleting")
    });
    let mut sent = Vec::new();
    let patience = [(Signal::SIGINT, 7_500), (Signal::SIGTERM, 2_500), (Signal::SIGKILL, 30_000)];
    for (signal, patience_ms) in patience {
        running.signal(signal);
        sent.push(signal);
        let since = Instant::now();
        while !running.has_ended() && since.elapsed() < Duration::from_millis(patience_ms) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if running.has_ended() {
            break;
        }
    }
    // The first signal lets what is in flight come to its end, the second one does not wait for it.
    assert_eq!(sent, [Signal::SIGINT, Signal::SIGTERM], "{}", running.said_so_far());
    running.finish().exits(130).says("nterrupt").never_says("panicked");
    drop(held);
    heals(&bench, 1);
    destroy(&bench);
}

/// Holds a lock of the local cloud as another program of it would.
fn hold(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap(),
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)).expect("nobody else has it");
    file
}
