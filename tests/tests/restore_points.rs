//! Restore points of nodes and volumes of the local cloud, as people make, look at and delete them; what is left when the
//! environment, its state or a snapshot is lost; and a program that is killed while it captures. A node is a machine and its volume.

use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::{Random, Workbench, setting, wait_until};

const ENVIRONMENT: &str = "environments/points";
const LIMIT: Duration = Duration::from_mins(2);

const POINTS: &str = r#"
environment "points" {}

module "network" {
  source = "../../modules/network/local"
  name   = "points"
  cidr   = "10.91.0.0/16"
}

node_set "work" {
  pool "main" {
    source  = "../../modules/node/local"
    size    = 2
    domains = ["a", "b"]
    inputs  = { network = module.network.id, publish = var.publish }
  }
}

variable "publish" {
  type    = map(number)
  default = {}
}

variable "begins_with" {
  default = null
}

resource "local_volume" "data" {
  name     = "data"
  size     = 1
  snapshot = var.begins_with
}
"#;

fn bench() -> Workbench {
    let bench = Workbench::new();
    bench.write(&format!("{ENVIRONMENT}/main.hcl"), POINTS);
    bench.give_to_user();
    apply(&bench, &[]);
    bench
}

fn apply(bench: &Workbench, more: &[&str]) {
    bench.run(&[&["apply", ENVIRONMENT, "--auto-approve"][..], more].concat()).exits(0);
}

/// A backup command about the environment, with what comes after it.
fn backup<'a>(verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["backup", verb, ENVIRONMENT][..], more].concat()
}

/// Where a volume or a snapshot lies on this machine.
fn directory(bench: &Workbench, name: &str) -> String {
    let files = bench.traces().cloud_files();
    let end = format!("/{name}");
    let found = files.iter().map(|path| path.display().to_string()).find(|it| it.ends_with(&end));
    found.unwrap_or_else(|| panic!("{name} is not in {files:#?}"))
}

/// The identities of a restore point's snapshots, with the addresses of what they are of.
fn snapshots(bench: &Workbench, point: &str) -> Vec<(String, String)> {
    let shown = bench.run(&backup("show", &[point, "--json"])).exits(0).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let all = shown["snapshots"].as_array().expect("it has snapshots").iter();
    all.map(|snapshot| (text(&snapshot["of"]), text(&snapshot["id"]))).collect()
}

fn of_volume(bench: &Workbench, point: &str) -> String {
    let all = snapshots(bench, point);
    let found = all.into_iter().find(|(of, _)| of == "local_volume.data");
    found.expect("the volume was captured").1
}

#[test]
fn what_was_on_nodes_and_volumes_comes_back_when_all_else_is_gone() {
    let bench = bench();
    let data = directory(&bench, "data/data");
    bench.script(&format!("echo first > {data}/file")).exits(0);
    let on_node = ["ssh", ENVIRONMENT, "work-main-001", "--"];
    bench.run(&[&on_node[..], &["echo kept > /root/file"]].concat()).exits(0);
    bench.run(&backup("list", &[])).exits(0).says("There is no restore point.");
    let why = ["--name", "first", "--why", "before the audit"];
    bench.run(&backup("create", &why)).exits(0).says("Restore point first is made.");
    bench.run(&backup("create", &why)).exits(1).says("there is a restore point `first` already");
    bench.script(&format!("echo second > {data}/file")).exits(0);
    bench.run(&backup("create", &["--name", "second", "--target", "local_volume.data"])).exits(0);
    let listed = bench.run(&backup("list", &["--json"])).exits(0).json();
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["second", "first"]);
    assert_eq!((&listed[0]["snapshots"], &listed[1]["snapshots"]), (&1.into(), &5.into()));
    bench.run(&backup("list", &[])).exits(0).says("before the audit");
    // Nothing of it concerns the environment.
    let unchanged = ["plan", ENVIRONMENT, "--detailed-exitcode"];
    bench.run(&unchanged).exits(0).says("No changes").never_says("does not know");
    let destroyed = bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    destroyed.says("Restore points stay (2)");
    bench.run(&backup("verify", &[])).exits(0).says("2 restore points, 6 snapshots");

    // By hand, one of them.
    let begins_with = format!("begins_with={}", of_volume(&bench, "first"));
    apply(&bench, &["--var", &begins_with]);
    let data = directory(&bench, "data/data");
    bench.script(&format!("cat {data}/file")).exits(0).says("first");
    // What it began with needs not be said for ever.
    bench.run(&unchanged).exits(0).says("No changes");
    // All that was captured, on nodes that are new.
    bench.script(&format!("echo third > {data}/file")).exits(0);
    let restore = ["restore", "apply", ENVIRONMENT, "--from", "first", "--auto-approve"];
    let restored = bench.run(&restore).exits(0);
    restored.says("What was written since is lost").says("Begun with it before");
    bench.run(&[&on_node[..], &["cat /root/file"]].concat()).exits(0).says("kept");
    bench.script(&format!("cat {data}/file")).exits(0).says("third");
    bench.run(&[&restore[..], &["--again", "--target", "local_volume.data"]].concat()).exits(0);
    bench.script(&format!("cat {data}/file")).exits(0).says("first");
    bench.run(&unchanged).exits(0).says("No changes");
    bench.run(&restore).exits(0).says("No changes");
    // It is found where it is by now.
    bench.edit(
        &format!("{ENVIRONMENT}/main.hcl"),
        "\"local_volume\" \"data\"",
        "\"local_volume\" \"store\"",
    );
    let moves = "moved {\n  from = local_volume.data\n  to   = local_volume.kept\n}\n\nmoved {\n  from = local_volume.kept\n  to   = local_volume.store\n}\n";
    bench.write(&format!("{ENVIRONMENT}/moved.hcl"), moves);
    bench.script(&format!("echo fourth > {data}/file")).exits(0);
    bench.run(&[&restore[..], &["--again", "--target", "local_volume.store"]].concat()).exits(0);
    bench.script(&format!("cat {data}/file")).exits(0).says("first");
    bench.run(&unchanged).exits(0).says("No changes");

    let delete = ["first", "second", "--auto-approve"];
    bench.run(&backup("delete", &delete)).exits(0).says("Deleted: first, second.");
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn damage_is_told_and_only_what_may_go_goes() {
    let bench = bench();
    for name in ["a", "b", "c"] {
        let words = ["--name", name, "--target", "local_volume.data"];
        bench.run(&backup("create", &words)).exits(0);
    }
    let damaged = directory(&bench, &format!("{}/content", of_volume(&bench, "b")));
    bench.script(&format!("echo more > {damaged}/file")).exits(0);
    let found = bench.run(&backup("verify", &["--json"])).exits(1).json();
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["findings"][0]["point"], "b");
    bench.run(&backup("verify", &["a"])).exits(0);
    bench.run(&backup("verify", &["b"])).exits(1).says("its status is damaged");
    let restore = |verb, point| ["restore", verb, ENVIRONMENT, "--from", point];
    let refused = bench.run(&restore("plan", "b")).exits(1);
    refused.says("is not what it was").says("its status is damaged");
    bench.run(&restore("plan", "a")).exits(0).says("1 to replace").says("It takes about");
    let planned = [&restore("plan", "a")[..], &["--json"]].concat();
    let planned = bench.run(&planned).exits(0).json();
    assert_eq!(planned["restore"]["loss"]["lost"][0], "local_volume.data", "{planned}");
    bench.run(&restore("apply", "a")).exits(1).says("nobody to ask");
    let other = [&restore("plan", "a")[..], &["--target", "node_set.work"]].concat();
    bench.run(&other).exits(1).says("has nothing to begin with that is meant");

    bench.run(&backup("lock", &["a"])).exits(0);
    let keep = ["--keep", "1", "--auto-approve"];
    let dry = bench.run(&backup("prune", &["--keep", "1", "--dry-run"])).exits(0);
    dry.says("b goes").says("a stays: locked").says("c stays: one of the latest");
    bench.run(&backup("prune", &["--keep", "1"])).exits(1).says("nobody to ask");
    bench.run(&backup("verify", &["c"])).exits(0);
    bench.run(&backup("prune", &keep)).exits(0).says("Deleted: b.");
    bench.run(&backup("delete", &["a", "--auto-approve"])).exits(1).says("`a` stays: locked");
    bench.run(&backup("unlock", &["a"])).exits(0);
    bench
        .run(&backup("prune", &["--older-than", "1h", "--auto-approve"]))
        .exits(0)
        .says("not old enough");
    bench.run(&backup("prune", &keep)).exits(0).says("Deleted: a.");
    let none = ["--keep", "0", "--auto-approve"];
    bench.run(&backup("prune", &none)).exits(0).says("c stays: there is no other");
    bench.run(&backup("show", &["d"])).exits(1).says("there is no restore point `d`");
    bench.run(&backup("create", &["--name", "D"])).exits(2).says("small letters");
    bench.run(&backup("delete", &["c", "--auto-approve"])).exits(0);
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_state_that_is_lost_is_in_the_restore_point() {
    let bench = bench();
    bench.run(&backup("create", &["--name", "first"])).exits(0);
    let lost = "rm state/points.sqlite*";
    bench.script(lost).exits(0);
    bench.run(&backup("verify", &[])).exits(0).says("5 snapshots");
    let restore = |verb| ["restore", verb, ENVIRONMENT, "--from", "first"];
    bench.run(&restore("plan")).exits(1).says("records it anew first");
    bench.run(&backup("show", &["first", "--state", "points.json"])).exits(0);
    bench.run(&["state", "import", ENVIRONMENT, "points.json", "--auto-approve"]).exits(0);
    let unchanged = ["plan", ENVIRONMENT, "--detailed-exitcode"];
    bench.run(&unchanged).exits(0).says("No changes").never_says("does not know");
    // The same in one step.
    bench.script(lost).exits(0);
    let whole = [&restore("apply")[..], &["--auto-approve", "--target", "local_volume.data"]];
    let whole = bench.run(&whole.concat()).exits(0);
    whole.says("recorded anew with 6 objects").says("2 done, 0 failed").says("lost of");
    bench.run(&[&restore("apply")[..], &["--auto-approve"]].concat()).exits(0).says("8 done");
    let plan = bench.run(&unchanged).exits(0);
    plan.says("No changes").never_says("does not know");
    bench.run(&backup("delete", &["first", "--auto-approve"])).exits(0);
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_restore_does_nothing_but_that() {
    let bench = bench();
    bench.run(&backup("create", &["--name", "first"])).exits(0);
    let restore = ["restore", "apply", ENVIRONMENT, "--from", "first", "--auto-approve"];
    // What is configured by now waits for an apply, and what is configured no more is restored all the same.
    let main = format!("{ENVIRONMENT}/main.hcl");
    bench.edit(&main, "\"local_volume\" \"data\"", "\"local_volume\" \"other\"");
    bench.edit(&main, "name     = \"data\"", "name     = \"other\"");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let publish = format!("publish={{\"80\":{}}}", port.expect("a port is free").port());
    let restored = bench.run(&[&restore[..], &["--var", &publish]].concat()).exits(0);
    restored.says("5 to replace").never_says("publish").never_says("other");
    let plan = bench.run(&["plan", ENVIRONMENT, "--var", &publish]).exits(0);
    plan.says("1 to create, 2 to update, 0 to replace, 1 to delete");
    // A counted one has another address.
    bench.edit(&main, "\"local_volume\" \"other\" {", "\"local_volume\" \"data\" {\n  count = 1");
    bench.edit(&main, "name     = \"other\"", "name     = \"data\"");
    apply(&bench, &[]);
    let one = ["--again", "--target", "local_volume.data[0]"];
    bench.run(&[&restore[..], &one].concat()).exits(0).says("1 to replace");
    bench.run(&["plan", ENVIRONMENT, "--detailed-exitcode"]).exits(0);
    // An environment that was made anew is another one, and its nodes are elsewhere.
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.script("rm state/points.sqlite*").exits(0);
    apply(&bench, &[]);
    let elsewhere = bench.run(&restore).exits(1);
    elsewhere.says("cannot begin with a snapshot that is elsewhere").says("`directory`");
    bench.run(&["plan", ENVIRONMENT, "--detailed-exitcode"]).exits(0).says("No changes");
    bench.run(&backup("delete", &["first", "--auto-approve"])).exits(0);
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_catalogue_is_no_environment_and_opens_with_a_passphrase() {
    let main = r#"
environment "sealed" {
  secrets {
    passphrase = true
  }
}

resource "tls_private_key" "key" {
  algorithm = "ED25519"
}

resource "local_volume" "data" {
  name = "data"
  size = 1
}
"#;
    let mut bench = Workbench::of(main);
    bench.set("PROVISIONER_PASSPHRASE", "correct horse battery staple");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench.run(&["backup", "create", "env", "--name", "first"]).exits(0);
    let key = bench.run(&["state", "show", "env", "tls_private_key.key", "--json"]).exits(0).stdout;
    bench.script("rm state/sealed.sqlite*").exits(0);
    let restore = ["restore", "apply", "env", "--from", "first", "--auto-approve"];
    bench.run(&restore).exits(0).says("recorded anew with 2 objects");
    let anew =
        bench.run(&["state", "show", "env", "tls_private_key.key", "--json"]).exits(0).stdout;
    assert_eq!(anew, key);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
    bench.write("other/main.hcl", "environment \"sealed.restore-points\" {}\n");
    bench.run(&["apply", "other", "--auto-approve"]).exits(1).says("a catalogue of restore points");
    bench.run(&["backup", "delete", "env", "first", "--auto-approve"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

/// `PROVISIONER_TEST_KILLS` sets how often; `PROVISIONER_TEST_SEED` replays a run.
#[test]
fn killed_at_any_instant_nothing_is_lost_and_nothing_is_there_twice() {
    let mut random = Random::seeded(|seed| println!("{seed}"));
    let bench = bench();
    let words = backup("create", &["--name", "p"]);
    let kills = setting("PROVISIONER_TEST_KILLS", 8);
    for kill in 0..kills {
        // Later and later: some are killed before anything is captured, some in the midst of it, some at the end.
        let instant = Duration::from_millis(40 * kill + random.below(200));
        kill_at(&bench, &words, instant);
        let listed = bench.run(&backup("list", &["--json"])).exits(0).json();
        if listed[0]["state"] == "whole" {
            bench.run(&backup("delete", &["p", "--auto-approve"])).exits(0);
        }
    }
    bench.run(&words).exits(0);
    bench.run(&backup("verify", &["p"])).exits(0).says("5 snapshots");
    let ours: Vec<_> = snapshots(&bench, "p").into_iter().map(|(_, id)| id).collect();
    let files = bench.traces().cloud_files();
    let there = files.iter().filter(|path| path.ends_with("snapshot.json"));
    let is_ours = |path: &&std::path::PathBuf| {
        ours.iter().any(|id| path.to_string_lossy().ends_with(&format!("/{id}/snapshot.json")))
    };
    assert_eq!(there.clone().filter(is_ours).count(), 5);
    assert_eq!(there.count(), 5, "none is there that nobody knows: {files:#?}");
    restored_by_programs_that_are_killed(&bench, &mut random);
    bench.run(&backup("delete", &["p", "--auto-approve"])).exits(0);
    bench.run(&["destroy", ENVIRONMENT, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

/// What was captured is on every node in the end, whenever whoever restored it was killed.
fn restored_by_programs_that_are_killed(bench: &Workbench, random: &mut Random) {
    let words = ["restore", "apply", ENVIRONMENT, "--from", "p", "--auto-approve"];
    for _ in 0..setting("PROVISIONER_TEST_KILLS", 8) {
        kill_at(bench, &words, Duration::from_millis(random.below(400)));
    }
    bench.run(&words).exits(0);
    let files = bench.traces().cloud_files();
    for (kind, number) in [("machine.json", 2), ("volume.json", 3), ("snapshot.json", 5)] {
        assert_eq!(files.iter().filter(|path| path.ends_with(kind)).count(), number, "{kind}");
    }
    bench.run(&words).exits(0).says("Begun with it before").says("No changes");
    bench.run(&["plan", ENVIRONMENT, "--detailed-exitcode"]).exits(0).never_says("does not know");
}

fn kill_at(bench: &Workbench, words: &[&str], instant: Duration) {
    let mut running = bench.start(words);
    let begun = Instant::now();
    wait_until("the instant has come", LIMIT, || begun.elapsed() >= instant || running.has_ended());
    running.signal(Signal::SIGKILL);
    running.finish();
}
