//! Functions that give another value at every run: unknown while planning, one value for each use once they run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use lang::Moment;
use model::graph::Desired;
use model::{Data, Type, Value};
use std::path::Path;
use support::{Files, Nothing, finish_at, render, schemas};

const PLANNED: &str = "2026-01-02T03:04:05Z";
const APPLIED: &str = "2026-06-07T08:09:10Z";

fn planned(files: &[(&str, &str)], seed: &str) -> Desired {
    let moment = Moment { time: PLANNED.into(), seed: seed.into(), is_final: false };
    let loaded = lang::load(Path::new("/env"), &Files::new(files));
    let run = finish_at(loaded, &[], &Nothing(schemas()), &moment);
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    run.desired
}

/// An output as the plan has it, and what it is after the apply.
fn output(desired: &Desired, name: &str) -> (Value, Value) {
    let value = desired.outputs[name].value.clone();
    let saved = Value::from_json(&value.to_json().unwrap()).unwrap();
    let resolved = lang::resolve(&saved, &|_| None, APPLIED).unwrap();
    (value, resolved)
}

fn text(desired: &Desired, name: &str) -> String {
    output(desired, name).1.as_str().unwrap().to_owned()
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && text.chars().all(|c| c == '-' || matches!(c, '0'..='9' | 'a'..='f'))
}

const USES: &str = r#"
locals {
  id   = uuid()
  both = { one = local.id, two = "x-${local.id}" }
}
output "one" { value = local.both.one }
output "two" { value = local.both.two }
output "other" { value = uuid() }
output "many" { value = [for i in range(3) : upper(uuid())] }
output "all" { value = join(" ", [for i in range(2) : uuid()]) }
output "again" { value = [for part in split("-", local.id) : "${part} ${uuid()}"] }
output "time" { value = "at ${timestamp()} of ${plantimestamp()}" }
output "plan" { value = plantimestamp() }
output "hash" { value = bcrypt("pw", 4) }
output "tried" { value = try(regex("^[0-9]{4}", timestamp()), "never") }
output "can" { value = can(tonumber(uuid())) }
output "template" { value = templatefile("t.tftpl", { name = "n" }) }
"#;

const TEMPLATE: &str = "${name} ${uuid()} ${plantimestamp()}";

fn files() -> [(&'static str, &'static str); 2] {
    [("/env/main.hcl", USES), ("/env/t.tftpl", TEMPLATE)]
}

#[test]
fn every_use_of_one_call_has_one_value() {
    let desired = planned(&files(), "seed");
    let one = text(&desired, "one");
    assert!(is_uuid(&one), "{one}");
    assert_eq!(text(&desired, "two"), format!("x-{one}"));
    assert_ne!(text(&desired, "other"), one);
    let again = output(&desired, "again").1;
    let again: Vec<_> =
        again.as_items().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect();
    let first: Vec<_> = again.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(first.join("-"), one);
}

#[test]
fn every_call_has_a_value_of_its_own() {
    let desired = planned(&files(), "seed");
    let many = output(&desired, "many").1;
    let mut all: Vec<String> =
        many.as_items().unwrap().iter().map(|it| it.as_str().unwrap().to_lowercase()).collect();
    all.extend(text(&desired, "all").split(' ').map(str::to_owned));
    all.push(text(&desired, "one"));
    assert!(all.iter().all(|id| is_uuid(id)), "{all:?}");
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    assert_ne!(text(&planned(&files(), "another seed"), "one"), text(&desired, "one"));
    assert_eq!(text(&planned(&files(), "seed"), "one"), text(&desired, "one"));
}

#[test]
fn they_are_known_when_they_run_and_the_time_of_planning_before() {
    let desired = planned(&files(), "seed");
    for name in ["one", "hash"] {
        let value = output(&desired, name).0;
        let Data::Unknown(unknown) = value.data() else { panic!("{name} is known: {value:?}") };
        assert_eq!(unknown.ty, Type::String);
        assert!(unknown.refinement.not_null);
    }
    assert_eq!(output(&desired, "plan").0.as_str(), Some(PLANNED));
    assert_eq!(text(&desired, "time"), format!("at {APPLIED} of {PLANNED}"));
    assert!(text(&desired, "hash").starts_with("$2a$04$"));
    assert_eq!(text(&desired, "hash").len(), 60);
    assert_eq!(text(&desired, "tried"), "2026");
    assert_eq!(output(&desired, "can").1.as_bool(), Some(false));
    let template = text(&desired, "template");
    let parts: Vec<_> = template.split(' ').collect();
    assert!(parts[0] == "n" && is_uuid(parts[1]) && parts[2] == PLANNED, "{template}");
}

#[test]
fn a_condition_may_look_at_the_time() {
    let main = r#"
resource "local_network" "n" {
  name = "n"
  lifecycle {
    precondition {
      condition     = timecmp(timestamp(), "2020-01-01T00:00:00Z") > 0
      error_message = "Too early."
    }
    precondition {
      condition     = timecmp(plantimestamp(), "2020-01-01T00:00:00Z") > 0
      error_message = "Planned too early."
    }
  }
}
"#;
    let desired = planned(&[("/env/main.hcl", main)], "seed");
    let [later] = desired.conditions.as_slice() else { panic!("{:?}", desired.conditions) };
    let resolved = lang::resolve(&later.condition, &|_| None, APPLIED).unwrap();
    assert_eq!(resolved.as_bool(), Some(true));
}

/// The first mistake of an expression.
fn mistake(expression: &str) -> String {
    let main = format!("output \"x\" {{\n  value = {expression}\n}}\n");
    let loaded = lang::load(Path::new("/env"), &Files::new(&[("/env/main.hcl", &main)]));
    let run = finish_at(loaded, &[], &Nothing(schemas()), &Moment::default());
    let first = run.diagnostics.first().unwrap_or_else(|| panic!("{expression} has no mistake"));
    let label = first.labels.first().map_or("", |label| label.message.as_str());
    format!("{}: {label}", first.summary)
}

#[test]
fn mistakes_show_while_planning() {
    let calls =
        ["uuid(1)", "bcrypt()", "bcrypt(\"a\", 32)", "bcrypt(\"a\", 1.5)", "bcrypt(\"a\", 4, 5)"];
    let mistakes: Vec<_> = calls.into_iter().map(mistake).collect();
    insta::assert_debug_snapshot!(mistakes);
    let long = mistake(&format!("bcrypt(\"{}\")", "x".repeat(73)));
    assert!(long.ends_with("a password of more than 72 bytes cannot be hashed"), "{long}");
}
