//! `--target` through the real program: what is meant is done with all that it needs, the rest is left as it is, and plans
//! about different things do not stand in each other's way.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use serde_json::{Value, json};
use tests::{Finished, Workbench};

/// A network, a volume that waits for it, and a note about both.
const STACK: &str = r#"
variable "name" {}
variable "cidr" {}
variable "note" {}

resource "local_network" "n" {
  name = var.name
  cidr = var.cidr
}

resource "local_volume" "v" {
  name       = var.name
  size       = 1
  depends_on = [local_network.n]
}

resource "terraform_data" "note" {
  input = "${var.note} ${local_volume.v.name}"
}

output "note" {
  value = terraform_data.note.output
}
"#;

/// Two of them.
const BOTH: &str = r#"
environment "two" {}

variable "note" {
  default = "first"
}

module "left" {
  source = "../stack"
  name   = "left"
  cidr   = "10.93.0.0/24"
  note   = var.note
}

module "right" {
  source = "../stack"
  name   = "right"
  cidr   = "10.94.0.0/24"
  note   = var.note
}

output "left" {
  value = module.left.note
}

output "right" {
  value = module.right.note
}
"#;

fn bench() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("stack/main.hcl", STACK);
    bench.write("env/main.hcl", BOTH);
    bench
}

fn applied() -> Workbench {
    let bench = bench();
    apply(&bench, &[]).exits(0);
    bench
}

fn apply(bench: &Workbench, more: &[&str]) -> Finished {
    bench.run(&[&["apply", "env", "--auto-approve"], more].concat())
}

fn recorded(bench: &Workbench) -> Vec<String> {
    let list = bench.run(&["state", "list", "env"]).exits(0);
    list.stdout.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

fn output(bench: &Workbench, name: &str) -> String {
    bench.run(&["output", "env", name, "--raw"]).exits(0).stdout.trim().to_owned()
}

fn destroy(bench: &Workbench) {
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_part_is_made_first_and_the_rest_follows() {
    let bench = bench();
    let plan = bench.run(&["plan", "env", "--target", "module.left.local_volume.v"]).exits(0);
    plan.says("Limited to module.left.local_volume.v; the rest is left as it is.")
        .says("2 to create")
        .never_says("module.right");
    apply(&bench, &["--target", "module.left"]).exits(0);
    let left = ["local_network.n", "local_volume.v", "terraform_data.note"];
    assert_eq!(recorded(&bench), left.map(|name| format!("module.left.{name}")));
    assert_eq!(output(&bench, "left"), "first left");
    bench.run(&["output", "env", "right"]).exits(1);
    apply(&bench, &[]).exits(0);
    assert_eq!(recorded(&bench).len(), 6);
    assert_eq!(output(&bench, "right"), "first right");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("Everything is as configured");
    destroy(&bench);
}

#[test]
fn what_is_not_meant_is_not_looked_at_and_not_touched() {
    let bench = applied();
    let shown = bench.run(&["state", "show", "env", "module.right.local_volume.v", "--json"]);
    let shown = shown.exits(0).json();
    let path = std::path::PathBuf::from(find(&shown, "path").unwrap());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let arguments = ["plan", "env", "--json", "--var", "note=second", "--target", "module.left"];
    let plan = bench.run(&arguments).exits(0).json();
    assert_eq!(plan["targets"], json!(["module.left"]));
    assert_eq!(plan["drift"], json!([]));
    assert_eq!(plan["summary"]["update"], 1);
    assert_eq!(plan["changed_outputs"], json!(["left"]));
    assert!(!plan["changes"].to_string().contains("module.right"), "{plan:#}");
    apply(&bench, &["--var", "note=second", "--target", "module.left"]).exits(0);
    assert_eq!(output(&bench, "left"), "second left");
    assert_eq!(output(&bench, "right"), "first right");
    let rest = bench.run(&["plan", "env", "--var", "note=second"]).exits(0);
    rest.says("module.right.local_volume.v: gone");
    destroy(&bench);
}

fn find<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    match json {
        Value::Object(entries) => {
            let here = entries.get(name).and_then(Value::as_str);
            here.or_else(|| entries.values().find_map(|value| find(value, name)))
        }
        _ => None,
    }
}

#[test]
fn saved_plans_about_different_things_are_both_applied() {
    let bench = applied();
    let second = ["--var", "note=second"];
    for side in ["left", "right"] {
        let (target, file) = (format!("module.{side}"), format!("{side}.plan"));
        let arguments = ["plan", "env", "-o", &file, "--target", &target];
        bench.run(&[&arguments, &second[..]].concat()).exits(0);
    }
    bench.run(&["apply", "right.plan", "--auto-approve"]).exits(0);
    bench.run(&["apply", "left.plan", "--auto-approve"]).exits(0);
    assert_eq!(output(&bench, "left"), "second left");
    assert_eq!(output(&bench, "right"), "second right");
    // What it was made from has changed by now.
    let stale = bench.run(&["apply", "left.plan", "--auto-approve"]).exits(1);
    stale.says("module.left.terraform_data.note").never_says("module.right");
    bench.run(&[&["plan", "env", "--detailed-exitcode"], &second[..]].concat()).exits(0);
    destroy(&bench);
}

#[test]
fn a_destruction_takes_along_what_depends_on_its_target() {
    let bench = applied();
    let target = ["destroy", "env", "--auto-approve", "--target", "module.left.local_network.n"];
    bench.run(&target).exits(0).says("3 to delete").never_says("is destroyed");
    let left = recorded(&bench);
    assert!(!left.contains(&"module.left.local_network.n".to_owned()), "{left:?}");
    assert!(!left.contains(&"module.left.local_volume.v".to_owned()), "{left:?}");
    assert_eq!(left.iter().filter(|at| at.starts_with("module.right.")).count(), 3);
    assert_eq!(output(&bench, "right"), "first right");
    apply(&bench, &[]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    destroy(&bench);
}

const PAIR: &str = r#"
environment "pair" {}

module "network" {
  source = "../modules/network/local"
  name   = "pair"
}

node_set "pair" {
  pool "local" {
    source  = "../modules/node/local"
    size    = 2
    domains = ["a"]
    inputs  = { network = module.network.id }
  }
}
"#;

fn nodes(bench: &Workbench) -> Vec<String> {
    let shown = bench.run(&["show", "env", "--json"]).exits(0).json();
    let nodes = shown["node_sets"]["pair"].as_array().cloned().unwrap_or_default();
    nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nodes_come_and_go_one_by_one() {
    let bench = Workbench::new();
    bench.write("env/main.hcl", PAIR);
    let names = ["pair-local-001", "pair-local-002"];
    let target = |name: &str| format!("node_set.pair.node[\"{name}\"]");
    apply(&bench, &["--target", &target(names[1])]).exits(0);
    assert_eq!(nodes(&bench), names[1..]);
    bench.run(&["ssh", "env", names[1], "--", "true"]).exits(0);
    apply(&bench, &["--target", &target(names[0])]).exits(0);
    assert_eq!(nodes(&bench), names);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve", "--target", &target(names[1])]).exits(0);
    assert_eq!(nodes(&bench), names[..1]);
    apply(&bench, &["--target", "node_set.pair"]).exits(0);
    assert_eq!(nodes(&bench), names);
    destroy(&bench);
}

#[test]
fn a_wrong_target_is_a_mistake_with_a_hint() {
    let bench = bench();
    let wrong = apply(&bench, &["--target", "module.lefd"]).exits(1);
    wrong.says("`module.lefd` means nothing").says("did you mean `module.left`?");
    let wrong = apply(&bench, &["--target", "local_volume"]).exits(1);
    wrong.says("`local_volume` is not a target").never_says("panicked");
    apply(&bench, &[]).exits(0);
    bench.run(&["plan", "env", "-o", "saved.plan"]).exits(0);
    let saved = ["apply", "saved.plan", "--auto-approve", "--target", "module.left"];
    bench.run(&saved).exits(1).says("runs exactly as it is");
    destroy(&bench);
}
