//! Functions that give another value at every run, through the real program: unknown in the plan, one value for all uses
//! after the apply, and another with the next plan, unless that is ignored.

use serde_json::Value;
use tests::Workbench;

const MAIN: &str = r#"
environment "runs" {}

locals {
  id = uuid()
}

resource "terraform_data" "one" {
  input = local.id
}

resource "terraform_data" "two" {
  input = { id = local.id, hash = bcrypt("secret", 4), planned = plantimestamp() }
}

resource "terraform_data" "kept" {
  input = timestamp()

  lifecycle {
    ignore_changes = [input]
  }
}

output "one" {
  value = terraform_data.one.output
}

output "two" {
  value = terraform_data.two.output
}

output "kept" {
  value = terraform_data.kept.output
}

output "own" {
  value = "${uuid()} at ${timestamp()}"
}
"#;

fn output(bench: &Workbench, name: &str) -> Value {
    let outputs = bench.run(&["output", "env", "--json"]).exits(0).json();
    outputs[name]["value"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

#[test]
fn known_after_the_apply_and_the_same_for_all_uses() {
    let bench = Workbench::of(MAIN);
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("3 to create").says("own = (known after apply)");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("3 done, 0 failed");

    let (one, two) = (output(&bench, "one"), output(&bench, "two"));
    assert_eq!(one, two["id"]);
    assert_eq!(text(&one).len(), 36);
    assert!(text(&two["hash"]).starts_with("$2a$04$"));
    let (planned, began) = (text(&two["planned"]), text(&output(&bench, "kept")));
    assert!(planned <= began, "{planned} {began}");
    let own = text(&output(&bench, "own"));
    assert!(own.ends_with(&format!(" at {began}")), "{own}");
    assert!(!own.starts_with(&text(&one)));
    bench.run(&["state", "show", "env", "terraform_data.one"]).exits(0).says(&text(&one));

    // They are others in the next plan; what ignores that stays.
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("2 to update").says("terraform_data.one");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("2 done, 0 failed");
    assert_ne!(output(&bench, "one"), one);
    assert_eq!(output(&bench, "one"), output(&bench, "two")["id"]);
    assert_eq!(text(&output(&bench, "kept")), began);
}

#[test]
fn a_saved_plan_gives_each_use_the_same_value() {
    let bench = Workbench::of(MAIN);
    bench.run(&["plan", "env", "-o", "x.plan"]).exits(0);
    bench.run(&["apply", "x.plan"]).exits(0);
    assert_eq!(output(&bench, "one"), output(&bench, "two")["id"]);
}

#[test]
fn a_trigger_that_is_another_at_every_run_replaces() {
    let bench = Workbench::of(
        "environment \"runs\" {}\nresource \"terraform_data\" \"t\" {\n  triggers_replace = [timestamp(), uuid()]\n}\n",
    );
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("1 done, 0 failed");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("1 to replace");
}

#[test]
fn how_many_there_are_must_be_known() {
    let bench = Workbench::of(
        "environment \"runs\" {}\nresource \"terraform_data\" \"t\" {\n  count = length(uuid())\n}\n",
    );
    bench.run(&["plan", "env"]).exits(1).says("must be known when planning");
}

#[test]
fn the_console_gives_values_at_once() {
    let bench = Workbench::of(MAIN);
    let expressions = [
        "local.id == local.id",
        "uuid() == uuid()",
        "length(uuid())",
        "timestamp() == plantimestamp()",
        "length(bcrypt(\"secret\", 4))",
        "terraform.workspace",
    ];
    let mut arguments = vec!["console", "env"];
    arguments.extend(expressions.iter().flat_map(|expression| ["--eval", expression]));
    let finished = bench.run(&arguments).exits(0);
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines, ["true", "false", "36", "true", "60", "\"runs\""]);
    let ids = bench.run(&["console", "env", "--eval", "uuid()", "--eval", "uuid()"]).exits(0);
    let ids: Vec<_> = ids.stdout.lines().collect();
    assert_ne!(ids[0], ids[1]);
}
