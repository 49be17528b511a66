//! `terraform_data` through the real program: made, changed in place, replaced, destroyed; its output is what its input
//! is, once that is known.

use serde_json::{Value, json};
use tests::{Workbench, unpacked_bodies};

/// One resource after another: what `first` puts out is the input of `second`, its identity triggers `third`.
const CHAIN: &str = r#"
environment "chain" {}

variable "input" {
  default = "one"
}

variable "trigger" {
  default = "a"
}

variable "password" {
  default   = "canary-7c1e"
  sensitive = true
}

resource "terraform_data" "first" {
  input            = { text = var.input, names = toset(["b", "a"]), list = [1, "x", null], none = null }
  triggers_replace = [var.trigger]
}

resource "terraform_data" "second" {
  input = "${terraform_data.first.output.text}!"
}

resource "terraform_data" "third" {
  count            = 2
  triggers_replace = terraform_data.first.id
}

resource "terraform_data" "secret" {
  input = { password = var.password }
}

resource "terraform_data" "empty" {}

output "second" {
  value = terraform_data.second.output
}

output "first" {
  value = terraform_data.first.output
}

output "ids" {
  value = concat([terraform_data.first.id], terraform_data.third[*].id)
}
"#;

fn chain() -> Workbench {
    Workbench::of(CHAIN)
}

fn outputs(bench: &Workbench) -> Value {
    bench.run(&["output", "env", "--json"]).exits(0).json()
}

#[test]
fn the_output_is_unknown_until_the_input_is_known() {
    let bench = chain();
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("6 to create")
        .says("first = (known after apply)")
        .says("second = (known after apply)");
    bench.traces().assert_none();
}

#[test]
fn made_changed_replaced_and_destroyed() {
    let bench = chain();
    let apply = |variables: &[&str]| {
        let words: Vec<_> =
            ["apply", "env", "--auto-approve"].iter().chain(variables).copied().collect();
        bench.run(&words).exits(0)
    };
    let is_as_wanted = |variables: &[&str]| {
        let words: Vec<_> =
            ["plan", "env", "--detailed-exitcode"].iter().chain(variables).copied().collect();
        bench.run(&words).exits(0).says("No changes");
    };
    apply(&[]).says("6 done, 0 failed");
    is_as_wanted(&[]);
    let made = outputs(&bench);
    let first = json!({"text": "one", "names": ["a", "b"], "list": [1, "x", null], "none": null});
    assert_eq!(value(&made, "first"), first);
    assert_eq!(value(&made, "second"), json!("one!"));

    // Another input is an update in place, and what hangs on the identity stays.
    let input = ["--var", "input=two"];
    apply(&input).says("Plan: 0 to create, 2 to update, 0 to replace, 0 to delete.");
    is_as_wanted(&input);
    let changed = outputs(&bench);
    assert_eq!(value(&changed, "second"), json!("two!"));
    assert_eq!(value(&changed, "ids"), value(&made, "ids"));

    // Another trigger makes a new object, and so does the new identity for those that it triggers.
    let both = ["--var", "input=two", "--var", "trigger=b"];
    apply(&both).says("Plan: 0 to create, 1 to update, 3 to replace, 0 to delete.");
    is_as_wanted(&both);
    let replaced = outputs(&bench);
    let ids = |outputs: &Value| value(outputs, "ids").as_array().cloned().unwrap_or_default();
    assert_eq!(ids(&replaced).len(), 3, "{replaced}");
    assert!(ids(&replaced).iter().all(|id| !ids(&made).contains(id)), "{made} {replaced}");

    bench.run(&["destroy", "env", "--auto-approve"]).exits(0).says("6 done, 0 failed");
    bench.traces().assert_none();
}

#[test]
fn a_secret_input_is_sealed_and_not_shown() {
    let bench = chain();
    let applied = bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    let shown = bench.run(&["state", "show", "env", "terraform_data.secret"]).exits(0);
    applied.never_says("canary-7c1e");
    shown.says("sensitive").never_says("canary-7c1e");
    let file = bench.path("state/chain.sqlite");
    let kept = std::fs::read(&file).expect("the state is there");
    let bodies = String::from_utf8(unpacked_bodies(&file)).expect("bodies are text");
    assert!(bodies.contains("$sealed"), "there is something to look into");
    assert!(!bodies.contains("canary-7c1e"));
    assert!(!String::from_utf8_lossy(&kept).contains("canary-7c1e"));
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

fn value(outputs: &Value, name: &str) -> Value {
    outputs[name]["value"].clone()
}

#[test]
fn a_plan_knows_the_type_of_the_output_and_that_there_is_an_id() {
    let main = r#"
environment "known" {}

resource "terraform_data" "first" {
  input = [uuid(), "b"]
}

resource "terraform_data" "each" {
  count = length(terraform_data.first.output)
}

resource "terraform_data" "one" {
  count = terraform_data.first.id == null ? 0 : 1
}
"#;
    let bench = Workbench::of(main);
    bench.run(&["validate", "env"]).exits(0);
    bench.run(&["plan", "env"]).exits(0).says("4 to create");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("4 done, 0 failed");
}

#[test]
fn a_saved_plan_holds_a_long_chain_of_what_is_not_known() {
    let link = |n: usize| format!("  l{n} = \"${{local.l{}}}x\"\n", n - 1);
    let links = (1..=80).map(link).collect::<String>();
    let text = format!(
        "locals {{\n  l0 = \"id ${{terraform_data.a.id}} \"\n{links}}}\n\
         resource \"terraform_data\" \"a\" {{}}\n\
         resource \"terraform_data\" \"b\" {{\n  input = length(local.l80)\n}}\n\
         output \"length\" {{\n  value = terraform_data.b.output\n}}\n"
    );
    let bench = Workbench::of(&text);
    bench.run(&["plan", "env", "-o", "long.plan"]).exits(0);
    bench.run(&["show", "long.plan", "--json"]).exits(0);
    bench.run(&["apply", "long.plan"]).exits(0);
    assert_eq!(outputs(&bench)["length"]["value"], json!(3 + 36 + 1 + 80));
}
