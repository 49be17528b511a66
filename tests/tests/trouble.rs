//! Trouble outside the configuration: artifacts, state files, disks, leases, plans. Each is a clear error with
//! an exit code that is not zero, and nothing is lost.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tests::{Finished, Workbench, wait_until};

/// A network and a volume: quick to make, and enough to have a state.
const SMALL: &str = r#"
environment "small" {}

variable "size" {
  default = 1
}

resource "local_network" "n" {
  name = "n"
  cidr = "10.91.0.0/24"
}

resource "local_volume" "v" {
  name = "v"
  size = var.size
}
"#;

fn small() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", SMALL);
    bench
}

fn applied() -> Workbench {
    let bench = small();
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench
}

fn state_file(bench: &Workbench) -> PathBuf {
    bench.path("state/small.sqlite")
}

fn destroy(bench: &Workbench) {
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

fn clear(finished: Finished) -> Finished {
    finished.exits(1).never_says("panicked").never_says("RUST_BACKTRACE")
}

/// A node with a service whose artifact is a file of the workbench.
fn with_artifact(bench: &Workbench, artifact: &str) {
    let text = r#"
environment "artifact" {}

module "network" {
  source = "../modules/network/local"
  name   = "n"
}

service "greeter" {
  version = "1"
  artifact {
    ARTIFACT
    paths = { "greeter" = "bin/greeter" }
  }
  command = ["/bin/sh", "@artifact@/bin/greeter"]
}

node_set "one" {
  pool "local" {
    source  = "../modules/node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id }
  }
  services = [service.greeter]
}
"#;
    bench.write("env/main.hcl", &text.replace("ARTIFACT", artifact));
}

/// Writes the artifact and gives its SHA-256.
fn write_greeter(bench: &Workbench) -> String {
    bench.write("env/greeter", "while :; do sleep 1; done\n");
    let output = std::process::Command::new("sha256sum").arg(bench.path("env/greeter")).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    output[..64].to_owned()
}

#[test]
fn an_artifact_with_another_digest() {
    let bench = Workbench::new();
    let digest = write_greeter(&bench);
    let wrong = "0".repeat(64);
    with_artifact(&bench, &format!("file = \"greeter\"\n    sha256 = \"{wrong}\""));
    let failed = clear(bench.run(&["apply", "env", "--auto-approve"]));
    failed.says("sha256").says(&wrong).says("env/main.hcl");
    // The node was made and is kept; with the right digest the next apply goes on from there.
    bench.edit("env/main.hcl", &wrong, &digest);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    destroy(&bench);
}

#[test]
fn an_artifact_that_cannot_be_reached() {
    let bench = Workbench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/greeter", listener.local_addr().unwrap());
    drop(listener);
    with_artifact(&bench, &format!("url = \"{url}\"\n    sha256 = \"{}\"", "0".repeat(64)));
    clear(bench.run(&["apply", "env", "--auto-approve"])).says(&url).says("env/main.hcl");
    destroy(&bench);
}

#[test]
fn a_volume_that_shall_grow() {
    let bench = applied();
    let said = clear(bench.run(&["plan", "env", "--var", "size=2"]));
    said.says("local_volume.v").says("size");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    destroy(&bench);
}

#[test]
fn a_state_file_that_is_no_state_file() {
    let bench = applied();
    let kept = std::fs::read(state_file(&bench)).unwrap();
    std::fs::write(state_file(&bench), "this is not a database, and it is long enough to look at")
        .unwrap();
    clear(bench.run(&["plan", "env"])).says("small.sqlite").says("damaged");
    clear(bench.run(&["apply", "env", "--auto-approve"])).says("damaged");
    std::fs::write(state_file(&bench), kept).unwrap();
    destroy(&bench);
}

#[test]
fn a_state_file_with_a_flipped_byte() {
    let bench = applied();
    let kept = std::fs::read(state_file(&bench)).unwrap();
    let mut bytes = kept.clone();
    // The address stands in several places; the record's row is one of them.
    let needle = b"local_network.";
    let found = bytes.windows(needle.len()).enumerate();
    let found = found.filter(|(_, window)| window == needle).map(|(at, _)| at).collect::<Vec<_>>();
    assert!(!found.is_empty(), "the record is in the file");
    for at in found {
        bytes[at] = b'L';
    }
    std::fs::write(state_file(&bench), bytes).unwrap();
    clear(bench.run(&["plan", "env"])).says("damaged");
    std::fs::write(state_file(&bench), kept).unwrap();
    destroy(&bench);
}

/// The records are a fold of the journal: where that is whole, nothing that was recorded is lost.
#[test]
fn records_that_are_damaged_are_made_anew_from_the_journal() {
    let bench = applied();
    let database = rusqlite::Connection::open(state_file(&bench)).unwrap();
    database.execute("UPDATE resource SET revision = revision + 1", []).unwrap();
    drop(database);
    bench.give_to_user();
    let told = clear(bench.run(&["state", "check", "env"])).says("the journal is whole");
    let version = told.stdout.split("--at ").nth(1).unwrap().split(' ').next().unwrap();
    clear(bench.run(&["state", "export", "env"]));
    bench.run(&["state", "export", "env", "--at", version, "-o", "whole.json"]).exits(0);
    std::fs::rename(state_file(&bench), bench.path("damaged.sqlite")).unwrap();
    bench.run(&["state", "import", "env", "whole.json", "--auto-approve"]).exits(0);
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["plan", "env"]).exits(0).says("No changes");
    destroy(&bench);
}

/// Whatever looks at the state or changes it must find it where a variable says.
#[test]
fn a_state_whose_place_is_a_variable() {
    let bench = small();
    let text = SMALL.replace(
        "environment \"small\" {}",
        "environment \"small\" {\n  state {\n    backend = \"sqlite\"\n    path    = var.place\n  }\n}\n\
         variable \"place\" {\n  type = string\n}",
    );
    bench.write("env/main.hcl", &text);
    let place = ["--var", "place=elsewhere.sqlite"];
    let run = |words: &[&str]| bench.run(&[words, &place].concat());
    run(&["apply", "env", "--auto-approve"]).exits(0);
    assert!(bench.path("env/elsewhere.sqlite").is_file());
    run(&["state", "list", "env"]).exits(0).says("local_volume.v");
    run(&["state", "check", "env"]).exits(0);
    run(&["state", "history", "env"]).exits(0).says("apply env");
    run(&["show", "env"]).exits(0).says("local_network.n");
    run(&["output", "env"]).exits(0);
    clear(bench.run(&["destroy", "env", "--auto-approve"])).says("--var place=...");
    run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_state_of_a_newer_version() {
    let bench = applied();
    let kept = std::fs::read(state_file(&bench)).unwrap();
    let database = rusqlite::Connection::open(state_file(&bench)).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    bench.give_to_user();
    clear(bench.run(&["plan", "env"])).says("99").says("newer");
    std::fs::write(state_file(&bench), kept).unwrap();
    destroy(&bench);
}

#[test]
fn a_state_directory_that_cannot_be_written() {
    let bench = small();
    let directory = bench.path("state");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o555)).unwrap();
    let failed = clear(bench.run(&["apply", "env", "--auto-approve"]));
    failed.says("small.sqlite");
    bench.traces().assert_none();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    destroy(&bench);
}

#[test]
fn a_key_that_is_gone() {
    let bench = applied();
    let keys = bench.path("home/config/provisioner/keys");
    std::fs::rename(&keys, bench.path("elsewhere")).unwrap();
    clear(bench.run(&["apply", "env", "--auto-approve"])).says("key");
    std::fs::rename(bench.path("elsewhere"), &keys).unwrap();
    destroy(&bench);
}

#[test]
fn an_environment_that_another_run_holds() {
    let bench = Workbench::new();
    let digest = write_greeter(&bench);
    with_artifact(&bench, &format!("file = \"greeter\"\n    sha256 = \"{digest}\""));
    // The first run waits, in the check of its service, for a file on the node.
    let check = r#"check = "until test -e /tmp/go; do sleep 0.1; done"
  command = ["/bin/sh""#;
    bench.edit("env/main.hcl", "command = [\"/bin/sh\"", check);
    let mut first = bench.start(&["apply", "env", "--auto-approve"]);
    let tmp = || bench.traces().cloud_files().into_iter().find(|path| path.ends_with("root/tmp"));
    wait_until("the node is there", Duration::from_mins(1), || {
        assert!(!first.has_ended(), "the first run must wait");
        tmp().is_some()
    });
    let refused = clear(bench.run(&["apply", "env", "--auto-approve"])).says("held by another run");
    refused.says(&format!("process {}", first.pid())).says("since").says("apply env");
    std::fs::write(tmp().unwrap().join("go"), "").unwrap();
    first.finish().exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    destroy(&bench);
}

#[test]
fn a_plan_that_no_longer_fits() {
    let bench = small();
    bench.run(&["plan", "env", "-o", "small.plan"]).exits(0);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    clear(bench.run(&["apply", "small.plan"])).says("no longer fits").says("local_network.n");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    destroy(&bench);
}

#[test]
fn a_plan_file_that_was_changed() {
    let bench = small();
    bench.run(&["plan", "env", "-o", "small.plan"]).exits(0);
    let mut bytes = std::fs::read(bench.path("small.plan")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(bench.path("small.plan"), &bytes).unwrap();
    clear(bench.run(&["apply", "small.plan"])).says("small.plan");
    bytes.truncate(middle);
    std::fs::write(bench.path("small.plan"), &bytes).unwrap();
    clear(bench.run(&["apply", "small.plan"])).says("small.plan");
    std::fs::write(bench.path("small.plan"), "garbage").unwrap();
    clear(bench.run(&["apply", "small.plan"])).says("small.plan");
    bench.traces().assert_none();
}

#[test]
fn nobody_to_ask() {
    let bench = small();
    clear(bench.run(&["apply", "env"])).says("--auto-approve");
    bench.traces().assert_none();
}

/// A full disk: the state is on a file system of its own that has no room left.
#[test]
fn a_full_disk() {
    let bench = small();
    let script = r#"
        mount -t tmpfs -o size=512k tmpfs state
        head -c 480k /dev/zero > state/filler
        "$0" apply env --auto-approve
        echo "code $?"
        rm state/filler
        "$0" apply env --auto-approve && "$0" plan env --detailed-exitcode && "$0" destroy env --auto-approve
        echo "after $?"
    "#;
    let finished = bench.script(script).exits(0);
    finished.says("code 1").says("small.sqlite").says("after 0");
}
