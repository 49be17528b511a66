//! Conditions: told at once where they can be, kept for the plan where they cannot.

mod support;

use support::{good, plan, render};

fn said(text: &str) -> String {
    let run = plan(&[("/env/main.hcl", text)]);
    render(&run.diagnostics, &run.sources)
}

#[test]
fn a_precondition_that_does_not_hold_is_an_error_with_what_was_found() {
    let text = said(
        r#"
        variable "n" { default = 1 }
        resource "local_volume" "a" {
          name = "a"
          size = var.n
          lifecycle {
            precondition {
              condition     = var.n > 2
              error_message = "${var.n} is not above two."
            }
          }
        }
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_postcondition_looks_at_the_instance_itself() {
    let text = said(
        r#"
        resource "local_volume" "a" {
          count = 2
          name  = "a"
          size  = count.index
          lifecycle {
            postcondition {
              condition     = self.size < 1
              error_message = "Too large."
            }
          }
        }
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_not_known_is_kept_with_what_it_waits_for() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        variable "size" {
          default = 1
          validation {
            condition     = length(local_volume.a.id) > var.size
            error_message = "No."
          }
        }
        resource "local_volume" "a" {
          name = "a"
          size = 1
          lifecycle {
            postcondition {
              condition     = self.id != local_network.n.id
              error_message = "The id is ${self.id}."
            }
          }
        }
        resource "local_network" "n" { name = "n" }
        resource "local_volume" "b" {
          name = "b"
          size = 1
          lifecycle {
            precondition {
              condition     = local_volume.a.id != ""
              error_message = "No."
            }
          }
        }
        output "o" {
          value = 1
          precondition {
            condition     = local_volume.a.id != ""
            error_message = "No."
          }
        }
        check "c" {
          assert {
            condition     = local_volume.a.id != ""
            error_message = "No."
          }
        }
        "#,
    )]);
    let stated: Vec<_> = desired.conditions.iter().map(|it| it.stated_by.to_string()).collect();
    assert_eq!(
        stated,
        [
            "a postcondition of `local_volume.a`",
            "`var.size`",
            "a precondition of `local_volume.b`",
            "a precondition of `output.o`",
            "`check.c`"
        ]
    );
    let waits = |address: &str| {
        let depends_on = &support::instance(&desired, address).depends_on;
        depends_on.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(waits("local_volume.a"), ["local_network.n"]);
    assert_eq!(waits("local_volume.b"), ["local_volume.a"]);
}

#[test]
fn a_check_only_warns_and_secrets_in_messages_stay_unsaid() {
    let text = said(
        r#"
        variable "password" {
          default   = "hunter2"
          sensitive = true
        }
        check "strength" {
          assert {
            condition     = length(var.password) > 8
            error_message = "`${var.password}` is too short."
          }
          assert {
            condition     = length(var.password) > 2
            error_message = "no"
          }
        }
        "#,
    );
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn conditions_that_test_nothing_are_mistakes() {
    let text = said(
        r#"
        variable "a" {
          default = 1
          validation {
            condition     = 1 > 2
            error_message = "m"
          }
          validation {
            condition     = var.b > 2
            error_message = "m"
          }
          validation {
            condition = var.a > 2
          }
        }
        variable "b" { default = 1 }
        check "nothing" {}
        check "constant" {
          assert {
            condition     = true
            error_message = "m"
          }
        }
        output "o" {
          value = 1
          precondition {
            condition     = self.x
            error_message = "m"
          }
          precondition {
            condition     = var.b == 1 ? null : true
            error_message = "m"
          }
        }
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_validation_may_look_at_others_and_shows_where_the_value_came_from() {
    let run = plan(&[
        (
            "/env/main.hcl",
            r#"
            module "m" {
              source = "../m"
              size   = 12
            }
            "#,
        ),
        (
            "/m/main.hcl",
            r#"
            locals { most = 10 }
            variable "size" {
              type = number
              validation {
                condition     = var.size <= local.most
                error_message = "At most ${local.most}."
              }
            }
            "#,
        ),
    ]);
    insta::assert_snapshot!(render(&run.diagnostics, &run.sources));
}

#[test]
fn what_follows_from_a_value_that_is_wrong_is_no_further_mistake() {
    let text = said(
        r#"
        variable "size" {
          default = -1
          validation {
            condition     = var.size > 0
            error_message = "A size is above zero."
          }
        }
        locals {
          names = { for at in range(var.size) : "n${at}" => null }
          one   = 1
        }
        resource "local_volume" "each" {
          for_each = local.names
          name     = each.key
          size     = log(var.size, 2)
        }
        resource "local_volume" "self" {
          name = "a"
          size = 1
          lifecycle {
            postcondition {
              condition     = self.size > 1
              error_message = "Too small."
            }
          }
        }
        resource "local_volume" "after" {
          name = "b"
          size = log(local_volume.self.size - 1, 2)
        }
        output "wrong" {
          value = 1
          precondition {
            condition     = local.one > 2
            error_message = "Never."
          }
        }
        output "size" { value = log(var.size, 2) }
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_mistake_that_many_instances_have_is_told_once_with_all_of_them() {
    let run = plan(&[(
        "/env/main.hcl",
        r#"
        resource "local_volume" "each" {
          for_each = toset(["a", "b", "c"])
          name     = each.key
          size     = tonumber("many")
        }
        resource "local_volume" "other" {
          count = 2
          name  = "${count.index}"
          size  = "few"
        }
        "#,
    )]);
    insta::assert_snapshot!(render(&run.diagnostics, &run.sources));
    assert_eq!(run.diagnostics.len(), 2);
    assert_eq!(run.diagnostics.iter().map(|told| told.also.len()).collect::<Vec<_>>(), [2, 1]);
}
