//! `import` and `data` through the real program: what is there becomes recorded, what is only read is read when it can be.

use serde_json::{Value, json};
use tests::{Finished, Workbench};

fn apply(bench: &Workbench) -> Finished {
    bench.run(&["apply", "env", "--auto-approve"]).exits(0)
}

#[track_caller]
fn is_as_configured(bench: &Workbench) {
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
}

fn output(bench: &Workbench, name: &str) -> Value {
    bench.run(&["output", "env", name, "--json"]).exits(0).json()
}

const VOLUMES: &str = r#"
environment "imports" {}

variable "prefix" {
  default = "v"
}

resource "local_volume" "v" {
  for_each = toset(["a", "b"])
  name     = "${var.prefix}-${each.key}"
  size     = 1
}

output "paths" {
  value = { for key, volume in local_volume.v : key => volume.path }
}
"#;

const IMPORT: &str = r#"
import {
  for_each = toset(["a", "b"])
  to       = local_volume.v[each.key]
  id       = "${var.prefix}-${each.key}"
}
"#;

#[test]
fn what_is_there_is_imported_once() {
    let bench = Workbench::of(VOLUMES);
    apply(&bench);
    bench.run(&["state", "rm", "env", "local_volume.v", "--auto-approve"]).exits(0);
    bench.write("env/import.hcl", IMPORT);
    let plan = bench.run(&["plan", "env", "--detailed-exitcode"]).exits(2);
    plan.says("imported from v-a and 1 more")
        .says("Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 2 to import.");
    let plan = bench.run(&["plan", "env", "--json"]).exits(0).json();
    assert_eq!(plan["summary"]["import"], json!(2));
    assert_eq!(plan["changes"][0]["importing"], json!("v-a"));
    bench.run(&["plan", "env", "-o", "saved.plan"]).exits(0);
    bench.run(&["apply", "saved.plan", "--auto-approve"]).exits(0);
    is_as_configured(&bench);
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0).says("2 done, 0 failed");
    bench.traces().assert_none();
}

#[test]
fn what_is_imported_can_be_changed_at_once() {
    let configuration = r#"
environment "data" {}
resource "terraform_data" "x" {
  input = "configured"
}
import {
  to = terraform_data.x
  id = "chosen"
}
output "id" {
  value = terraform_data.x.id
}
"#;
    let bench = Workbench::of(configuration);
    bench.run(&["plan", "env"]).exits(0).says("imported from chosen").says("1 to update");
    apply(&bench);
    is_as_configured(&bench);
    assert_eq!(output(&bench, "id"), json!("chosen"));
}

#[test]
fn mistakes_of_imports_are_told() {
    let bench = Workbench::of(VOLUMES);
    apply(&bench);
    let told = |block: &str, code: &str| {
        bench.write("env/import.hcl", block);
        let finished = bench.run(&["plan", "env"]).exits(1);
        finished.says(code)
    };
    told("import {\n  to = local_volume.other\n  id = \"x\"\n}", "is imported and not configured");
    told(
        "import {\n  to = local_volume.v[\"c\"]\n  id = \"x\"\n}",
        "this block has other instances",
    );
    told("import {\n  to = local_volume.v[\"a\"]\n  id = \"\"\n}", "this is empty");
    told("import {\n  to = module.m\n  id = \"x\"\n}", "this is a module");
    let more = "resource \"local_volume\" \"more\" {\n  name = \"more\"\n  size = 1\n}\n";
    told(
        &format!("{more}import {{\n  to = local_volume.more\n  id = \"more\"\n}}"),
        "import-missing",
    );
    let taken = format!("{more}import {{\n  to = local_volume.more\n  id = \"v-a\"\n}}");
    told(&taken, "is recorded as local_volume.v[\"a\"]");
}

#[test]
fn what_a_provider_says_of_an_object_is_said_at_its_import_too() {
    let bench = Workbench::of(
        r#"
environment "imports" {}

provider "local" {
  isolation = "processes"
}

resource "local_network" "n" {
  name = "n"
  cidr = "10.77.0.0/24"
}
"#,
    );
    apply(&bench).says("kept apart by directories only");
    bench.run(&["state", "rm", "env", "local_network.n", "--auto-approve"]).exits(0);
    bench.write("env/import.hcl", "import {\n  to = local_network.n\n  id = \"n\"\n}\n");
    bench
        .run(&["plan", "env"])
        .exits(0)
        .says("import-note")
        .says("local_network.n is imported: nodes are kept apart by directories only");
    apply(&bench);
    bench.run(&["plan", "env"]).exits(0).never_says("import-note");
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

#[test]
fn killed_at_any_write_while_importing() {
    let bench = Workbench::of(VOLUMES);
    apply(&bench);
    for nth in [1, 2, 3, 5, 8, 13] {
        std::fs::remove_file(bench.path("env/import.hcl")).ok();
        bench.run(&["state", "rm", "env", "local_volume.v", "--auto-approve"]).exits(0);
        bench.write("env/import.hcl", IMPORT);
        let mut command = bench.any_command("strace".as_ref());
        let inject = format!("inject=pwrite64:signal=SIGKILL:when={nth}");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject]);
        command.arg(bench.path("provisioner")).args(["apply", "env", "--auto-approve"]);
        let output = command.output().expect("a command starts");
        let killed = Finished::new(inject, &output).never_says("panicked");
        assert!(killed.code == 137 || (nth > 5 && killed.code == 0), "{killed}");
        apply(&bench);
        is_as_configured(&bench);
    }
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

const DATA: &str = r#"
environment "reads" {}

variable "size" {
  default = 1
}

resource "local_volume" "v" {
  name = "looked-up"
  size = var.size
}

data "local_volume" "v" {
  name       = "looked-up"
  depends_on = [local_volume.v]
}

data "local_volume" "named" {
  name = local_volume.v.id
}

resource "terraform_data" "user" {
  input = data.local_volume.v.path
}

output "path" {
  value = data.local_volume.named.path
}
"#;

#[test]
fn data_is_read_when_it_can_be() {
    let bench = Workbench::of(DATA);
    bench.run(&["validate", "env"]).exits(0);
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("data.local_volume.v")
        .says("read during apply: name not known before")
        .says("2 to read");
    apply(&bench);
    is_as_configured(&bench);
    let path = output(&bench, "path");
    assert!(path.as_str().unwrap().ends_with("looked-up/data"), "{path}");
    bench.run(&["state", "list", "env"]).exits(0).never_says("data.local");
    let destroyed = bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    destroyed.says("2 done, 0 failed");
    bench.traces().assert_none();
}

#[test]
fn data_that_is_not_there_is_a_mistake() {
    let bench = Workbench::of(
        "environment \"none\" {}\ndata \"local_network\" \"n\" {\n  name = \"nowhere\"\n}\noutput \"x\" {\n  value = data.local_network.n.cidr\n}\n",
    );
    bench
        .run(&["plan", "env"])
        .exits(1)
        .says("the local cloud has no local_network `nowhere`")
        .says("env/main.hcl:2");
    bench.edit("env/main.hcl", "data.local_network.n.cidr", "data.local_network.m.cidr");
    bench.run(&["validate", "env"]).exits(1).says("there is no data source `local_network.m`");
    bench.edit("env/main.hcl", "data \"local_network\"", "data \"local_netwrk\"");
    bench.run(&["validate", "env"]).exits(1).says("there is no data source `local_netwrk`");
}

#[test]
fn a_target_brings_the_data_that_it_needs() {
    let bench = Workbench::of(DATA);
    let limited = ["apply", "env", "--auto-approve", "--target", "terraform_data.user"];
    bench.run(&limited).exits(0).says("1 to read");
    apply(&bench);
    is_as_configured(&bench);
}

const CHECKED: &str = r#"
environment "checked" {}

variable "name" {
  default = "there"
}

resource "local_volume" "v" {
  name = "there"
  size = 1
}

check "sizes" {
  data "local_volume" "seen" {
    name = var.name
  }

  assert {
    condition     = data.local_volume.seen.size > 1
    error_message = "The size is ${data.local_volume.seen.size}."
  }
}

check "after" {
  data "local_volume" "made" {
    name       = "${var.name}-after"
    depends_on = [local_volume.v]
  }

  assert {
    condition     = data.local_volume.made.size > 1
    error_message = "Not told."
  }
}
"#;

#[test]
fn a_check_reads_what_it_looks_at_and_stops_nothing() {
    let bench = Workbench::of(CHECKED);
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("⚠").says("the local cloud has no local_volume `there`").says("1 to read");
    let applied = apply(&bench);
    applied.says("the local cloud has no local_volume `there-after`").says("could not be read");
    let plan = bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    plan.says("The size is 1.").never_says("Not told.");
    bench.write("env/other.hcl", "output \"o\" {\n  value = data.local_volume.seen.size\n}\n");
    bench
        .run(&["validate", "env"])
        .exits(1)
        .says("`data.local_volume.seen` is read for the check `sizes` alone");
}

#[test]
fn conditions_of_a_data_source_are_told_before_and_while_it_is_read() {
    let lifecycle = "  lifecycle {\n    precondition {\n      condition     = var.size < 3\n      error_message = \"Too large.\"\n    }\n    postcondition {\n      condition     = self.size == 1\n      error_message = \"The size is ${self.size}.\"\n    }\n  }\n}\n\ndata \"local_volume\" \"named\"";
    let bench = Workbench::of(&DATA.replace("}\n\ndata \"local_volume\" \"named\"", lifecycle));
    let refused = bench.run(&["plan", "env", "--var", "size=3"]).exits(1);
    refused.says("Too large.").never_says("has no local_volume");
    let plan = bench.run(&["plan", "env", "--json"]).exits(0).json();
    let told = &plan["conditions"][0];
    assert_eq!(told["description"], "a postcondition of `data.local_volume.v`");
    assert_eq!(told["only_warns"], json!(false));
    let failed = bench.run(&["apply", "env", "--auto-approve", "--var", "size=2"]).exits(1);
    failed.says("The size is 2.").says("terraform_data.user: not run");
    // What was made is kept, and now the plan can tell.
    bench.run(&["plan", "env", "--var", "size=2"]).exits(1).says("The size is 2.");
}
