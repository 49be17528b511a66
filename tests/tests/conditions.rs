//! Conditions through the real program: told by the plan where they can be, else while operations run; what comes after one
//! that does not hold is not done, what came before is kept.

use tests::Workbench;

const CHAIN: &str = r#"
environment "conditions" {}

variable "wanted" {
  default = "one"
}

variable "enabled" {
  default = true
}

resource "terraform_data" "first" {
  input = "one"

  lifecycle {
    postcondition {
      condition     = self.output == var.wanted
      error_message = "The output is ${self.output}, not ${var.wanted}."
    }
  }
}

resource "terraform_data" "second" {
  input = terraform_data.first.output
}

resource "terraform_data" "beside" {
  enabled = var.enabled
  input   = "beside"
}

check "first" {
  assert {
    condition     = terraform_data.first.output == "one"
    error_message = "Not one."
  }
  assert {
    condition     = terraform_data.first.output != "one"
    error_message = "It is ${terraform_data.first.output}."
  }
}

output "second" {
  value = terraform_data.second.output

  precondition {
    condition     = terraform_data.first.output == var.wanted
    error_message = "Not as wanted."
  }
}
"#;

#[test]
fn what_holds_stops_nothing_and_a_check_only_warns() {
    let bench = Workbench::of(CHAIN);
    bench.run(&["validate", "env"]).exits(0);
    let apply = bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    apply
        .says("3 done, 0 failed, 0 not run")
        .says("`check.first` found something wrong: It is one.");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
    // Everything is known now, so the plan itself warns, and it can refuse.
    let plan = bench.run(&["plan", "env"]).exits(0);
    plan.says("It is one.");
    let refused = bench.run(&["plan", "env", "--var", "wanted=two"]).exits(1);
    assert!(
        refused.stderr.contains("a postcondition of `terraform_data.first` does not hold"),
        "{refused}"
    );
    refused.says("The output is one, not two.");
}

#[test]
fn a_postcondition_that_fails_keeps_the_object_and_stops_what_comes_after() {
    let bench = Workbench::of(CHAIN);
    let arguments = ["apply", "env", "--auto-approve", "--var", "wanted=two"];
    let apply = bench.run(&arguments).exits(1);
    apply
        .says("2 done, 0 failed, 1 not run")
        .says("The output is one, not two.")
        .says("a precondition of `output.second` does not hold");
    bench
        .run(&["state", "list", "env"])
        .exits(0)
        .says("terraform_data.first")
        .says("terraform_data.beside");
    let list = bench.run(&["state", "list", "env"]).exits(0);
    assert!(!list.stdout.contains("terraform_data.second"), "{list}");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("1 done, 0 failed, 0 not run");
}

#[test]
fn a_saved_plan_carries_its_conditions() {
    let bench = Workbench::of(CHAIN);
    bench.run(&["plan", "env", "-o", "x.plan", "--var", "wanted=two"]).exits(0);
    let apply = bench.run(&["apply", "x.plan"]).exits(1);
    apply.says("The output is one, not two.");
}

#[test]
fn what_is_disabled_goes_and_comes_back() {
    let bench = Workbench::of(CHAIN);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    let off = ["--auto-approve", "--var", "enabled=false"];
    bench
        .run(&["apply", "env", off[0], off[1], off[2]])
        .exits(0)
        .says("0 to create, 0 to update, 0 to replace, 1 to delete");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("1 to create");
}

#[test]
fn parts_of_an_argument_are_ignored() {
    let main = |text: &str| {
        format!(
            r#"
environment "ignored" {{}}

variable "ignore" {{
  default = []
}}

resource "terraform_data" "a" {{
  input = {text}

  lifecycle {{
    ignore_changes = [input["x"], input.list[0]]
  }}
}}

resource "terraform_data" "b" {{
  input = {text}

  lifecycle {{
    ignore_changes = all
  }}
}}
"#
        )
    };
    let bench = Workbench::of(&main(r#"{ x = 1, y = 1, list = ["a", "b"] }"#));
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("2 done");
    bench.write("env/main.hcl", &main(r#"{ x = 2, y = 1, list = ["z", "b"] }"#));
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
    bench.write("env/main.hcl", &main(r#"{ x = 2, y = 2, list = ["z", "b"] }"#));
    bench.run(&["plan", "env"]).exits(0).says("1 to update");
}
