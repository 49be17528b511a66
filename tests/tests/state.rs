//! The state as people handle it: history and going back, changes by hand, exports, Terraform's files, strays, damage.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tests::Workbench;

const YES: &str = "--auto-approve";

const ENVIRONMENT: &str = r#"
environment "env" {}

variable "n" {
  type    = number
  default = 2
}

resource "local_volume" "v" {
  count = var.n
  name  = "v${count.index}"
  size  = 1
}

resource "terraform_data" "about" {
  input = local_volume.v[*].name
}

output "names" {
  value = terraform_data.about.output
}
"#;

fn bench() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", ENVIRONMENT);
    bench
}

fn apply(bench: &Workbench, n: usize) {
    bench.run(&["apply", "env", YES, "--var", &format!("n={n}")]).exits(0);
}

/// The names of all volumes in the cloud.
fn cloud(bench: &Workbench) -> BTreeSet<String> {
    let files = bench.traces().cloud_files();
    let is_volume = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("volumes"));
    let volumes = files.into_iter().filter(|path| is_volume(path));
    volumes.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn listed(bench: &Workbench, more: &[&str]) -> Vec<String> {
    let mut words = vec!["state", "list", "env"];
    words.extend(more);
    bench.run(&words).exits(0).stdout.lines().map(str::to_owned).collect()
}

fn versions(bench: &Workbench) -> Vec<u64> {
    let rows = bench.run(&["state", "history", "env", "--json"]).exits(0).json();
    rows.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect()
}

#[test]
fn every_version_can_be_read_and_restored() {
    let bench = bench();
    apply(&bench, 2);
    apply(&bench, 3);
    let [first, second] = versions(&bench)[..] else { panic!("two runs") };
    let at = |version: u64| version.to_string();
    assert_eq!(listed(&bench, &["--at", &at(first)]).len(), 3);
    assert_eq!(listed(&bench, &[]).len(), 4);
    let then = bench.run(&["state", "show", "env", "--at", &at(first)]).exits(0);
    then.says("3 objects").never_says("local_volume.v[2]");
    let export = |more: &[&str]| {
        let mut words = vec!["state", "export", "env"];
        words.extend(more);
        bench.run(&words).exits(0).stdout
    };
    let (before, now) = (export(&["--at", &at(first)]), export(&[]));
    assert_eq!(now, export(&["--at", &at(second)]), "the journal tells what the tables hold");
    assert_ne!(before, now);

    bench.run(&["state", "restore", "env", &at(first)]).exits(1).says("--auto-approve");
    bench.run(&["state", "restore", "env", &at(first), YES]).exits(0);
    assert_eq!(listed(&bench, &[]).len(), 3);
    assert_eq!(cloud(&bench).len(), 3, "objects stay");
    // The third volume carries the environment's mark, and the state does not know it any more.
    bench.run(&["plan", "env"]).exits(0).says("local_volume.v[2]").says("--strays");
    bench.run(&["state", "restore", "env", &at(second), YES]).exits(0);
    bench.run(&["plan", "env", "--var", "n=3", "--detailed-exitcode"]).exits(0);
    bench.run(&["state", "restore", "env", "9999", YES]).exits(1).says("state history");

    bench.run(&["state", "check", "env"]).exits(0).says("all sound");
    bench.run(&["state", "prune", "env", "--keep", "5", YES]).exits(0);
    bench.run(&["state", "check", "env"]).exits(0).says("all sound");
    bench.run(&["state", "list", "env", "--at", &at(first)]).exits(1).says("the history goes from");
    bench.run(&["plan", "env", "--var", "n=3", "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", "env", YES]).exits(0);
}

#[test]
fn records_move_and_are_forgotten() {
    let bench = bench();
    apply(&bench, 2);
    let rm = bench.run(&["state", "rm", "env", "local_volume.v[1]", YES]).exits(0);
    rm.says("1 forgotten");
    assert_eq!(cloud(&bench).len(), 2);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(2).says("local_volume.v[1]");
    bench.run(&["apply", "env", YES, "--strays", "adopt"]).exits(0);
    assert_eq!(cloud(&bench).len(), 2, "adopted, and not made a second time");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);

    let mv = |from: &str, to: &str| bench.run(&["state", "mv", "env", from, to, YES]);
    mv("local_volume.v", "terraform_data.v").exits(1).says("another resource type");
    mv("nothing.here", "a.b").exits(1).says("nothing is recorded");
    mv("local_volume.v", "local_volume.w").exits(0).says("2 moved");
    bench.edit("env/main.hcl", "\"local_volume\" \"v\"", "\"local_volume\" \"w\"");
    bench.edit("env/main.hcl", "local_volume.v", "local_volume.w");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    let history = bench.run(&["state", "history", "env"]).exits(0);
    history.says("state mv local_volume.v local_volume.w").says("state rm local_volume.v[1]");
    bench.run(&["destroy", "env", YES]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn strays_are_told_adopted_or_deleted() {
    let bench = bench();
    apply(&bench, 3);
    bench.run(&["state", "rm", "env", "local_volume.v[2]", YES]).exits(0);
    let plan = bench.run(&["plan", "env", "--json"]).exits(0).json();
    assert_eq!(plan["strays"][0]["address"], "local_volume.v[2]", "{plan}");
    bench.run(&["apply", "env", YES]).exits(0).says("local_volume.v[2]");
    assert_eq!(cloud(&bench).len(), 3, "it is only told");
    bench.run(&["apply", "env", YES, "--strays", "delete"]).exits(0);
    assert_eq!(cloud(&bench), BTreeSet::from(["v0".to_owned(), "v1".to_owned()]));
    let plan = bench.run(&["plan", "env", "--detailed-exitcode", "--json"]).exits(0).json();
    assert!(plan["strays"].as_array().is_none_or(Vec::is_empty), "{plan}");
    // Destroying tells what it does not know, and takes it along when asked to.
    bench.run(&["state", "rm", "env", "local_volume.v[0]", YES]).exits(0);
    bench.run(&["destroy", "env", YES, "--strays", "delete"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn an_export_makes_the_environment_anew() {
    let bench = bench();
    apply(&bench, 2);
    let export = || bench.run(&["state", "export", "env"]).exits(0).stdout;
    let before = export();
    bench.write("kept.json", &before);
    assert_eq!(before, export(), "the same state, the same bytes");
    for file in std::fs::read_dir(bench.path("state")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(2);
    bench.run(&["state", "import", "env", "kept.json"]).exits(0);
    assert_eq!(export(), before, "export, import, export");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["state", "check", "env"]).exits(0);
    bench.write(
        "other.json",
        &before.replace("\"environment\": \"env\"", "\"environment\": \"else\""),
    );
    bench.run(&["state", "import", "env", "other.json", YES]).exits(1).says("environment `else`");
    bench.write("cut.json", &before[..before.len() / 2]);
    bench.run(&["state", "import", "env", "cut.json", YES]).exits(1);
    bench.run(&["destroy", "env", YES]).exits(0);
}

#[test]
fn terraform_state_is_taken_over() {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write(
        "env/main.hcl",
        "resource \"terraform_data\" \"x\" {\n  count = 2\n  input = { n = count.index }\n}\n",
    );
    let instance = |n: usize| {
        format!(
            r#"{{"index_key": {n}, "schema_version": 0, "attributes": {{"id": "tf-{n}", "triggers_replace": null,
            "input": {{"value": {{"n": {n}}}, "type": ["object", {{"n": "number"}}]}},
            "output": {{"value": {{"n": {n}}}, "type": ["object", {{"n": "number"}}]}}}}, "sensitive_attributes": []}}"#
        )
    };
    let state = |more: &str| {
        format!(
            r#"{{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "outputs": {{}}, "resources": [
            {{"mode": "managed", "type": "terraform_data", "name": "x",
              "provider": "provider[\"terraform.io/builtin/terraform\"]", "instances": [{}, {}]}}{more}]}}"#,
            instance(0),
            instance(1)
        )
    };
    let strange = r#", {"mode": "managed", "type": "random_pet", "name": "p", "provider": "p", "instances": [{"attributes": {"id": "p"}}]}"#;
    bench.write("terraform.tfstate", &state(strange));
    let import = ["state", "import", "env", "terraform.tfstate", YES];
    bench.run(&import).exits(1).says("random_pet").says("--skip-unknown");
    assert!(!bench.path("state/env.sqlite").exists(), "nothing was taken");
    bench
        .run(&["state", "import", "env", "terraform.tfstate", YES, "--skip-unknown"])
        .exits(0)
        .says("2 objects");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["state", "show", "env", "terraform_data.x[1]"]).exits(0).says("tf-1");
    bench.run(&import).exits(1);
    bench.write("old.tfstate", &state("").replace("\"version\": 4", "\"version\": 3"));
    bench.run(&["state", "import", "env", "old.tfstate", YES]).exits(1).says("format 4");
}

/// One bit flipped in every page and at every kind of place: the program either names the damage, or what it says is
/// the same as before.
#[test]
fn flipped_bits_are_named_or_harmless() {
    let bench = bench();
    apply(&bench, 3);
    let path = bench.path("state/env.sqlite");
    let sound = std::fs::read(&path).unwrap();
    let wal = bench.path("state/env.sqlite-wal");
    assert!(!wal.exists() || std::fs::metadata(&wal).unwrap().len() == 0, "all is in one file");
    let told = |bench: &Workbench| bench.run(&["show", "env", "--json"]);
    let before: Value = told(&bench).exits(0).json();
    let page = 4096;
    let (mut named, mut harmless) = (0, 0);
    for at in (0..sound.len()).step_by(page) {
        for offset in [0, 5, 100, 1333, 2900, 4000, 4090] {
            let mut bytes = sound.clone();
            bytes[at + offset] ^= 1 << (offset % 8);
            std::fs::write(&path, &bytes).unwrap();
            let shown = told(&bench);
            if shown.code == 0 {
                assert_eq!(shown.json(), before, "page {}, byte {offset}: {shown}", at / page);
                harmless += 1;
            } else {
                let said = &shown.stderr;
                assert!(said.contains("env.sqlite"), "page {}, byte {offset}: {shown}", at / page);
                assert!(!said.contains("panicked"), "{shown}");
                named += 1;
            }
        }
    }
    std::fs::write(&path, &sound).unwrap();
    assert!(named > 0 && harmless > 0, "{named} named, {harmless} harmless");
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["destroy", "env", YES]).exits(0);
}
