//! Several runs at once, with the real program: parts that have nothing to do with each other go on side by side; who meets
//! another run is told who, where, since when and about what; a run that was stopped and taken over writes nothing
//! any more when it wakes.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tests::{Running, Workbench, wait_until};

const PARTS: usize = 8;
/// Volumes in each part.
const EACH: usize = 40;
const LONG: Duration = Duration::from_mins(1);

/// Parts that share nothing but the environment. Another `round` replaces everything.
fn environment() -> String {
    let part = |part: usize| {
        format!(
            "resource \"local_volume\" \"p{part}\" {{\n  count = {EACH}\n  \
             name  = \"p{part}-${{count.index}}-${{var.round}}\"\n  size  = 1\n}}\n"
        )
    };
    let parts: Vec<_> = (0..PARTS).map(part).collect();
    let lists: Vec<_> = (0..PARTS).map(|part| format!("local_volume.p{part}[*].name")).collect();
    let (parts, names) = (parts.join("\n"), lists.join(", "));
    format!(
        "environment \"lease\" {{\n  state {{\n    backend = \"sqlite\"\n    lease_s = 15\n  }}\n}}\n\n\
         variable \"round\" {{\n  type    = string\n  default = \"0\"\n}}\n\n{parts}\n\
         output \"names\" {{\n  value = concat({names})\n}}\n"
    )
}

fn bench() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", &environment());
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench
}

/// An apply of one part in another round, slow enough to be met.
fn start(bench: &Workbench, part: &str, round: usize, more: &[&str]) -> Running {
    let (target, round) = (format!("local_volume.{part}"), format!("round={round}"));
    let mut words = vec!["apply", "env", "--auto-approve", "--parallelism", "1", "--target"];
    words.extend([target.as_str(), "--var", &round]);
    words.extend(more);
    bench.start(&words)
}

/// Waits until it has begun to change objects, and stops it there; not where it holds a lock of the state file or of
/// the local cloud, where nobody could go on before it does.
fn stop(run: &Running) {
    wait_until("the apply has begun", LONG, || run.said_so_far().contains("✓"));
    let is_between_locks = || {
        run.signal(Signal::SIGSTOP);
        wait_until("it stands", LONG, || is_stopped(run));
        let holds = holds_a_lock(run);
        if holds {
            run.signal(Signal::SIGCONT);
        }
        !holds
    };
    wait_until("the apply stands where it holds no lock", LONG, is_between_locks);
}

/// Source: proc_pid_stat(5), field 3.
fn is_stopped(run: &Running) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
    assert!(!stat.contains(") Z"), "it has ended: {}", run.said_so_far());
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Whether one of its open files is locked for writing. Source: proc_locks(5): number, kind, mode, access, process (-1 for
/// locks of open files), device and inode.
fn holds_a_lock(run: &Running) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let files = std::fs::read_dir(format!("/proc/{}/fd", run.pid())).unwrap();
    let inodes: BTreeSet<u64> =
        files.flatten().filter_map(|file| file.path().metadata().ok()).map(|it| it.ino()).collect();
    let is_its = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let kind = fields.get(1).is_some_and(|kind| ["FLOCK", "OFDLCK"].contains(kind));
        let inode = fields.get(5).and_then(|file| file.rsplit(':').next()?.parse().ok());
        kind && fields.get(3) == Some(&"WRITE") && inode.is_some_and(|it| inodes.contains(&it))
    };
    std::fs::read_to_string("/proc/locks").unwrap().lines().any(is_its)
}

/// The names of all volumes in the cloud.
fn cloud(bench: &Workbench) -> BTreeSet<String> {
    let files = bench.traces().cloud_files();
    let is_volume = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("volumes"));
    let volumes = files.into_iter().filter(|path| is_volume(path));
    volumes.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// One more apply of everything changes nothing that its plan did not say, and leaves what is configured.
#[track_caller]
fn is_whole(bench: &Workbench, round: usize) {
    let round = format!("round={round}");
    bench.run(&["apply", "env", "--auto-approve", "--var", &round]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode", "--var", &round]).exits(0);
    let recorded = bench.run(&["output", "env", "names", "--json"]).exits(0).json();
    let recorded: BTreeSet<String> = serde_json::from_value(recorded).unwrap();
    assert_eq!(recorded.len(), PARTS * EACH);
    assert_eq!(cloud(bench), recorded, "the cloud holds exactly what is recorded");
    bench.run(&["state", "check", "env"]).exits(0).says("all sound");
}

#[test]
fn an_overlap_is_told_and_what_is_disjoint_goes_on() {
    let bench = bench();
    let first = start(&bench, "p0", 1, &[]);
    stop(&first);
    let held = bench.run(&["state", "leases", "env", "--json"]).exits(0).json();
    let lease = &held[0];
    assert_eq!(held.as_array().map(Vec::len), Some(1), "{held}");
    assert_eq!(lease["pid"], first.pid().as_raw(), "{held}");
    assert!(lease["addresses"].as_array().unwrap().iter().any(|a| a == "local_volume.p0[3]"));

    let refused = start(&bench, "p0", 2, &[]).finish().exits(1);
    let since = lease["since"].as_str().unwrap();
    let process = format!("process {}", first.pid());
    for told in ["local_volume.p0[", "apply env", &process, since, "--lock-timeout"] {
        assert!(refused.stderr.contains(told), "{told}: {refused}");
    }
    start(&bench, "p1", 1, &[]).finish().exits(0);
    // Planning holds nothing and asks for nothing.
    bench.run(&["plan", "env"]).exits(0).says("under way");

    let mut waiting = start(&bench, "p0", 2, &["--lock-timeout", "60s"]);
    let waits = || waiting.said_so_far().contains("Waiting for `apply env");
    wait_until("the second one waits", LONG, waits);
    assert!(!waiting.has_ended());
    // What changes the state by hand waits in the same way.
    let prune = ["state", "prune", "env", "--keep", "9", "--auto-approve", "--lock-timeout", "60s"];
    let by_hand = bench.start(&prune);
    let waits = || by_hand.said_so_far().contains("Waiting for `apply env");
    wait_until("the one by hand waits", LONG, waits);
    first.signal(Signal::SIGCONT);
    first.finish().exits(0);
    waiting.finish().exits(0);
    by_hand.finish().exits(0);
    is_whole(&bench, 2);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

#[test]
fn who_was_taken_over_writes_nothing_when_it_wakes() {
    let bench = bench();
    let zombie = start(&bench, "p0", 1, &[]);
    stop(&zombie);
    // It does not answer any more; its lease ends 15 s after it was last renewed.
    start(&bench, "p0", 2, &["--lock-timeout", "60s"]).finish().exits(0);
    let before = bench.run(&["state", "export", "env"]).exits(0).stdout;
    zombie.signal(Signal::SIGCONT);
    zombie.finish().exits(1).says("no longer holds what it changes");
    let after = bench.run(&["state", "export", "env"]).exits(0).stdout;
    assert_eq!(after, before, "the zombie has written");
    // Nor has what it was asking of the cloud just then any effect.
    is_whole(&bench, 2);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

#[test]
fn a_lease_is_taken_away_by_hand() {
    let bench = bench();
    let stuck = start(&bench, "p0", 1, &[]);
    stop(&stuck);
    let held = bench.run(&["state", "leases", "env", "--json"]).exits(0).json();
    let epoch = held[0]["epoch"].to_string();
    bench
        .run(&["state", "unlock", "env", &epoch])
        .exits(1)
        .says("the next apply looks them up")
        .says("--auto-approve");
    bench.run(&["state", "unlock", "env", &epoch, "--auto-approve"]).exits(0);
    bench.run(&["state", "unlock", "env", &epoch, "--auto-approve"]).exits(1).says("nobody holds");
    start(&bench, "p0", 2, &[]).finish().exits(0);
    stuck.signal(Signal::SIGCONT);
    stuck.finish().exits(1);
    is_whole(&bench, 2);
    bench.run(&["state", "history", "env"]).exits(0).says("1 unlocked");
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

#[test]
fn eight_runs_at_once() {
    let bench = bench();
    let disjoint: Vec<_> =
        (0..PARTS).map(|part| start(&bench, &format!("p{part}"), 1, &[])).collect();
    for run in disjoint {
        run.finish().exits(0);
    }
    is_whole(&bench, 1);
    // All want the same: one after the other, and each sees what the one before did.
    let wait = ["--lock-timeout", "120s"];
    let overlapping: Vec<_> = (0..PARTS).map(|n| start(&bench, "p0", 2 + n % 2, &wait)).collect();
    for run in overlapping {
        run.finish().exits(0);
    }
    is_whole(&bench, 3);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}
