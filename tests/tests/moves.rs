//! `moved`, `removed` and `replace_triggered_by` through the real program: told in the plan, written by the apply, saved
//! plans and targets included, and killed at any write nothing is lost or made twice.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::{Finished, Workbench};

fn apply(bench: &Workbench) -> Finished {
    bench.run(&["apply", "env", "--auto-approve"]).exits(0)
}

#[track_caller]
fn is_as_configured(bench: &Workbench) {
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
}

fn outputs(bench: &Workbench) -> Value {
    bench.run(&["output", "env", "--json"]).exits(0).json()
}

fn addresses(bench: &Workbench) -> Vec<String> {
    let list = bench.run(&["state", "list", "env"]).exits(0);
    list.stdout.split_whitespace().filter(|word| word.contains('.')).map(str::to_owned).collect()
}

const BEFORE: &str = r#"
environment "moves" {}

resource "terraform_data" "one" {
  input = "one"
}

resource "terraform_data" "many" {
  count = 2
  input = count.index
}

resource "terraform_data" "counted" {
  input = "counted"
}

module "m" {
  source = "../m"
}

output "ids" {
  value = {
    one     = terraform_data.one.id
    zero    = terraform_data.many[0].id
    first   = terraform_data.many[1].id
    counted = terraform_data.counted.id
    inner   = module.m.id
  }
}
"#;

const AFTER: &str = r#"
environment "moves" {}

resource "terraform_data" "renamed" {
  input = "one"
}

resource "terraform_data" "many" {
  for_each = toset(["a", "b"])
  input    = each.key == "a" ? 0 : 1
}

resource "terraform_data" "counted" {
  count = 1
  input = "counted"
}

module "n" {
  source   = "../m"
  for_each = toset(["k"])
}

moved {
  from = terraform_data.one
  to   = terraform_data.renamed
}

moved {
  from = terraform_data.many[0]
  to   = terraform_data.many["a"]
}

moved {
  from = terraform_data.many[1]
  to   = terraform_data.many["b"]
}

moved {
  from = module.m
  to   = module.n["k"]
}

output "ids" {
  value = {
    one     = terraform_data.renamed.id
    zero    = terraform_data.many["a"].id
    first   = terraform_data.many["b"].id
    counted = terraform_data.counted[0].id
    inner   = module.n["k"].id
  }
}
"#;

const INNER: &str = r#"
resource "terraform_data" "old" {}

output "id" {
  value = terraform_data.old.id
}
"#;

const INNER_AFTER: &str = r#"
resource "terraform_data" "new" {}

moved {
  from = terraform_data.old
  to   = terraform_data.new
}

output "id" {
  value = terraform_data.new.id
}
"#;

fn moving() -> Workbench {
    let bench = Workbench::of(BEFORE);
    bench.write("m/main.hcl", INNER);
    apply(&bench).says("5 done, 0 failed");
    bench.write("env/main.hcl", AFTER);
    bench.write("m/main.hcl", INNER_AFTER);
    bench
}

#[test]
fn moves_are_told_written_and_done_once() {
    let bench = moving();
    let ids = outputs(&bench)["ids"]["value"].clone();
    let plan = bench.run(&["plan", "env", "--detailed-exitcode"]).exits(2);
    plan.says("terraform_data.renamed  was terraform_data.one")
        .says("module.n[\"k\"]\n   -> terraform_data.new  was module.m.terraform_data.old")
        .says("terraform_data.counted[0]  was terraform_data.counted")
        .says("Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 5 to move.");
    let plan = bench.run(&["plan", "env", "--json"]).exits(0).json();
    assert_eq!(plan["summary"]["move"], json!(5));
    assert_eq!(plan["has_changes"], json!(true));
    let renamed = plan["changes"].as_array().unwrap();
    let renamed = renamed.iter().find(|it| it["address"] == "terraform_data.renamed").unwrap();
    assert_eq!(renamed["previous_address"], "terraform_data.one");
    apply(&bench);
    is_as_configured(&bench);
    assert_eq!(outputs(&bench)["ids"]["value"], ids, "no object was made anew");
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0).says("5 done, 0 failed");
}

#[test]
fn a_saved_plan_with_moves_is_applied_and_goes_stale() {
    let bench = moving();
    bench.run(&["plan", "env", "-o", "first.plan"]).exits(0);
    bench.run(&["plan", "env", "-o", "second.plan"]).exits(0);
    bench.run(&["apply", "first.plan", "--auto-approve"]).exits(0);
    is_as_configured(&bench);
    bench.run(&["apply", "second.plan", "--auto-approve"]).exits(1).says("terraform_data.one");
}

#[test]
fn a_target_names_the_new_address() {
    let bench = moving();
    let limited = ["apply", "env", "--auto-approve", "--target", "terraform_data.renamed"];
    bench.run(&limited).exits(0);
    is_as_configured(&bench);
}

#[test]
fn mistakes_are_told_with_every_place() {
    let bench = Workbench::of(BEFORE);
    bench.write("m/main.hcl", INNER);
    let told = |blocks: &str| {
        bench.write("env/moves.hcl", blocks);
        bench.run(&["validate", "env"]).exits(1)
    };
    told("moved {\n  from = terraform_data.one\n  to = terraform_data.other\n}")
        .says("`terraform_data.one` is still declared")
        .says("env/main.hcl:4")
        .says("env/moves.hcl:2");
    told("removed {\n  from = terraform_data.many\n}")
        .says("`terraform_data.many` is still declared");
    told("removed {\n  from = module.m\n}").says("`module.m` is still declared");
    told("removed {\n  from = terraform_data.gone[0]\n}").says("`removed` is about a whole block");
    told("moved {\n  from = terraform_data.a\n  to = terraform_data.a\n}")
        .says("moves to where it is");
    told("moved {\n  from = terraform_data.a\n  to = local_volume.a\n}")
        .says("another resource type");
    told("moved {\n  from = terraform_data.a\n  to = module.a\n}").says("a module to a module");
    let circle = "moved {\n  from = terraform_data.a\n  to = terraform_data.b\n}\n\
                  moved {\n  from = terraform_data.b\n  to = terraform_data.a\n}";
    told(circle).says("these moves lead in a circle");
    let two = "moved {\n  from = terraform_data.a\n  to = terraform_data.b\n}\n\
               moved {\n  from = terraform_data.a\n  to = terraform_data.c\n}";
    told(two).says("`terraform_data.a` moves to two places");
    let one = "moved {\n  from = terraform_data.a\n  to = terraform_data.c\n}\n\
               moved {\n  from = terraform_data.b\n  to = terraform_data.c\n}";
    told(one).says("two things move to `terraform_data.c`");
}

#[test]
fn removed_objects_stay_and_are_forgotten() {
    let before = "environment \"gone\" {}\nresource \"local_volume\" \"kept\" {\n  name = \"kept\"\n  size = 1\n}\n";
    let bench = Workbench::of(before);
    apply(&bench);
    let removed = "environment \"gone\" {}\nremoved {\n  from = local_volume.kept\n  lifecycle {\n    destroy = false\n  }\n}\n";
    bench.write("env/main.hcl", removed);
    bench
        .run(&["plan", "env"])
        .exits(0)
        .says("no longer managed; the object stays")
        .says("1 to forget");
    apply(&bench);
    assert!(addresses(&bench).is_empty());
    assert!(bench.traces().cloud_files().iter().any(|path| path.ends_with("kept")));
    bench.run(&["plan", "env", "--detailed-exitcode", "--strays", "ignore"]).exits(0);
}

#[test]
fn replaced_when_what_triggers_it_changes() {
    let bench = Workbench::of(
        r#"
environment "triggers" {}

variable "input" {
  default = "one"
}

resource "terraform_data" "cause" {
  for_each = toset(["a", "b"])
  input    = "${each.key}-${var.input}"
}

resource "terraform_data" "effect" {
  for_each = toset(["a", "b"])
  lifecycle {
    replace_triggered_by = [terraform_data.cause[each.key].input]
  }
}

resource "terraform_data" "all" {
  lifecycle {
    replace_triggered_by = [terraform_data.cause]
  }
}
"#,
    );
    apply(&bench).says("5 done, 0 failed");
    is_as_configured(&bench);
    let other = ["apply", "env", "--auto-approve", "--var", "input=two"];
    bench
        .run(&other)
        .exits(0)
        .says("Plan: 0 to create, 2 to update, 3 to replace, 0 to delete.")
        .says("replaced with terraform_data.cause");
    bench.run(&["plan", "env", "--detailed-exitcode", "--var", "input=two"]).exits(0);
    bench.edit("env/main.hcl", "[terraform_data.cause]", "[var.input]");
    bench.run(&["validate", "env"]).exits(1).says("names resources of the same module");
}

/// Volumes of another address each round, so that every apply moves some and makes some.
fn round(round: usize) -> String {
    let volume = |volume: usize| {
        let block = format!(
            "resource \"local_volume\" \"v{volume}_{round}\" {{\n  name = \"v{volume}\"\n  size = 1\n}}\n"
        );
        let Some(last) = round.checked_sub(1) else { return block };
        format!(
            "{block}moved {{\n  from = local_volume.v{volume}_{last}\n  to = local_volume.v{volume}_{round}\n}}\n"
        )
    };
    let volumes = (0..4).map(volume).collect::<String>();
    format!(
        "environment \"kills\" {{}}\n{volumes}\
         resource \"terraform_data\" \"new\" {{\n  triggers_replace = {round}\n}}\n"
    )
}

#[test]
fn killed_at_any_write_while_moving() {
    let bench = Workbench::of(&round(0));
    apply(&bench);
    for (at, nth) in (1..).zip([1, 2, 3, 5, 8, 13, 21]) {
        bench.write("env/main.hcl", &round(at));
        let mut command = bench.any_command("strace".as_ref());
        let inject = format!("inject=pwrite64:signal=SIGKILL:when={nth}");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject]);
        command.arg(bench.path("provisioner")).args(["apply", "env", "--auto-approve"]);
        let output = command.output().expect("a command starts");
        let killed = Finished::new(inject, &output).never_says("panicked");
        assert!(killed.code == 137 || (nth > 8 && killed.code == 0), "{killed}");
        apply(&bench);
        is_as_configured(&bench);
        let volumes: BTreeSet<String> = bench
            .traces()
            .cloud_files()
            .iter()
            .filter(|path| path.parent().is_some_and(|parent| parent.ends_with("volumes")))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        let expected: BTreeSet<String> = (0..4).map(|volume| format!("v{volume}")).collect();
        assert_eq!(volumes, expected);
        let expected = (0..4).map(|volume| format!("local_volume.v{volume}_{at}"));
        let expected: Vec<_> = expected.chain(["terraform_data.new".to_owned()]).collect();
        assert_eq!(addresses(&bench), expected);
    }
    bench.run(&["state", "check", "env"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}
