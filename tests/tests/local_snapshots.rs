//! Snapshots of the local cloud through the real program: what a plan says of them, and a program that is killed while it copies.
//!
//! `PROVISIONER_TEST_KILLS` sets how often it is killed at each of the two copies (2 by default); `PROVISIONER_TEST_SEED`
//! replays a run.

use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Random, Workbench, setting, wait_until};

const LIMIT: Duration = Duration::from_mins(2);

const TAKEN: &str = r#"
environment "taken" {}

provider "local" {
  directory = "DIRECTORY"
}

variable "taken" {
  default = true
}

resource "local_volume" "data" {
  name = "data"
  size = 1
}

resource "local_snapshot" "before" {
  count  = var.taken ? 1 : 0
  name   = "before"
  volume = local_volume.data.id
}

resource "local_volume" "again" {
  count    = var.taken ? 1 : 0
  name     = "again"
  size     = 1
  snapshot = local_snapshot.before[0].id
}

output "status" {
  value = local_snapshot.before[*].status
}
"#;

/// A workbench with the configuration, and where its cloud is.
fn bench() -> (Workbench, PathBuf) {
    let bench = Workbench::of(TAKEN);
    let cloud = bench.path("cloud");
    bench.edit("env/main.hcl", "DIRECTORY", &cloud.to_string_lossy());
    (bench, cloud)
}

fn apply(bench: &Workbench, more: &[&str]) {
    bench.run(&[&["apply", "env", "--auto-approve"][..], more].concat()).exits(0);
}

/// The files of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries =
        fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it is readable"));
    let content = |path: PathBuf| fs::read(path).expect("it is a file");
    entries.map(|it| (it.file_name().to_string_lossy().into_owned(), content(it.path()))).collect()
}

/// How many files an object has that is being copied into; none if nothing is.
fn copied_so_far(object: &Path) -> Option<usize> {
    let mut entries = fs::read_dir(object).ok()?.filter_map(Result::ok);
    let filling = entries.find(|it| it.file_name().to_string_lossy().starts_with(".filling-"))?;
    Some(fs::read_dir(filling.path()).ok()?.count())
}

#[test]
fn killed_while_it_copies_the_next_apply_brings_everything_right() {
    const FILES: usize = 1_000;
    let mut random = Random::seeded(|seed| println!("{seed}"));
    let (bench, cloud) = bench();
    apply(&bench, &["--var", "taken=false"]);
    let data = cloud.join("volumes/data/data");
    for number in 0..FILES {
        fs::write(data.join(number.to_string()), number.to_string().repeat(500))
            .expect("it is ours");
    }
    bench.give_to_user();
    let wanted = files(&data);
    for kill in 0..2 * setting("PROVISIONER_TEST_KILLS", 2) {
        let object = if kill % 2 == 0 { "snapshots/before" } else { "volumes/again" };
        let instant = usize::try_from(random.below(FILES as u64)).expect("it fits");
        let mut running = bench.start(&["apply", "env", "--auto-approve"]);
        wait_until("the instant has come", LIMIT, || {
            let copied = copied_so_far(&cloud.join(object));
            copied.is_some_and(|copied| copied >= instant) || running.has_ended()
        });
        running.signal(Signal::SIGKILL);
        let killed = running.finish();
        println!("kill at {object}, {instant} files: ended with {}", killed.code);
        bench.run(&["state", "list", "env"]).exits(0);
        apply(&bench, &[]);
        bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
        assert_eq!(copied_so_far(&cloud.join(object)), None);
        assert!(files(&cloud.join("snapshots/before/content")) == wanted);
        assert!(files(&cloud.join("volumes/again/data")) == wanted);
        apply(&bench, &["--var", "taken=false"]);
    }
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    assert!(!cloud.exists());
    bench.traces().assert_none();
}

/// A snapshot without a file would look like one of everything.
#[test]
fn what_may_not_be_read_fails_the_snapshot() {
    let set_mode = |path: &Path, mode| {
        let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        set.expect("it is ours");
    };
    let (bench, cloud) = bench();
    apply(&bench, &["--var", "taken=false"]);
    let file = cloud.join("volumes/data/data/file");
    fs::write(&file, "kept").expect("it is ours");
    bench.give_to_user();
    set_mode(&file, 0o000);
    let failed = bench.run(&["apply", "env", "--auto-approve"]).exits(1);
    failed.says("volumes/data/data/file").says("Permission denied");
    assert!(!cloud.join("snapshots").exists());
    set_mode(&file, 0o400);
    apply(&bench, &[]);
    assert_eq!(files(&cloud.join("volumes/again/data"))["file"], b"kept");
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_damaged_snapshot_is_drift() {
    let (bench, cloud) = bench();
    apply(&bench, &["--var", "taken=false"]);
    fs::write(cloud.join("volumes/data/data/file"), "kept").expect("it is ours");
    bench.give_to_user();
    apply(&bench, &[]);
    assert_eq!(files(&cloud.join("volumes/again/data"))["file"], b"kept");
    let status = bench.run(&["output", "env", "status", "--json"]).exits(0).json();
    assert_eq!(status, serde_json::json!(["whole"]));
    fs::write(cloud.join("snapshots/before/content/file"), "lost").expect("it is ours");
    bench
        .run(&["plan", "env", "--detailed-exitcode"])
        .exits(2)
        .says("status is \"damaged\", expected \"whole\"");
    bench.run(&["apply", "env", "--auto-approve"]).exits(1).says("nothing can mend it");

    // What began with it needs it no more, and stays when nothing is said of it any more.
    let resource = "resource \"local_snapshot\" \"before\" {\n  count  = var.taken ? 1 : 0\n  name   = \"before\"\n  volume = local_volume.data.id\n}\n";
    bench.edit("env/main.hcl", resource, "");
    bench.edit("env/main.hcl", "  snapshot = local_snapshot.before[0].id\n", "");
    bench.edit("env/main.hcl", "local_snapshot.before[*].status", "1");
    bench
        .run(&["apply", "env", "--auto-approve"])
        .exits(0)
        .says("0 to create, 0 to update, 0 to replace, 1 to delete");
    assert_eq!(files(&cloud.join("volumes/again/data"))["file"], b"kept");
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

/// A snapshot is of one environment, what it is of of another, and what begins with it of a third.
#[test]
fn snapshots_go_from_environment_to_environment() {
    let bench = Workbench::empty();
    fs::create_dir(bench.path("state")).expect("the directory is ours");
    let cloud = bench.path("cloud");
    let environment = |name: &str, more: &str| {
        let shown = cloud.display();
        let text = format!(
            "environment \"{name}\" {{}}\nprovider \"local\" {{\n  directory = \"{shown}\"\n}}\n{more}\n"
        );
        bench.write(&format!("{name}/main.hcl"), &text);
        bench.run(&["apply", name, "--auto-approve"])
    };
    let destroy = |name: &str| bench.run(&["destroy", name, "--auto-approve"]).exits(0);
    environment("one", "resource \"local_volume\" \"data\" {\n  name = \"data\"\n  size = 1\n}")
        .exits(0);
    fs::write(cloud.join("volumes/data/data/file"), "kept").expect("it is ours");
    bench.give_to_user();
    let both = "resource \"local_snapshot\" \"s\" {\n  name    = \"s\"\n  volume  = \"data\"\n  machine = \"data\"\n}";
    environment("two", both).exits(1).says("local-argument").says("and both are given");
    let taken = "resource \"local_snapshot\" \"s\" {\n  name   = \"s\"\n  volume = \"data\"\n}";
    environment("two", taken).exits(0);
    destroy("one");
    bench.run(&["plan", "two", "--detailed-exitcode"]).exits(0).says("No changes");
    let begun = "data \"local_snapshot\" \"s\" {\n  name = \"s\"\n}\nresource \"local_volume\" \"data\" {\n  name     = \"data\"\n  size     = 1\n  snapshot = data.local_snapshot.s.id\n}";
    environment("three", begun).exits(0);
    destroy("two");
    assert_eq!(files(&cloud.join("volumes/data/data"))["file"], b"kept");
    destroy("three");
    assert!(!cloud.exists());
    bench.traces().assert_none();
}
