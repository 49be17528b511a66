//! What an environment says of itself: evaluated before anything else, from variables, local values and functions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use lang::{EvaluatedSettings, Inputs, VariableInput, settings};
use std::path::Path;
use support::{Files, render};

fn evaluated(text: &str, variables: &[(&str, &str)]) -> (EvaluatedSettings, String) {
    let loaded = lang::load(Path::new("/env"), &Files::new(&[("/env/main.hcl", text)]));
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), VariableInput::text(*text, "--var")));
    let inputs = Inputs { variables: variables.collect(), ..Inputs::default() };
    let settings = settings(&loaded.configuration.unwrap(), &inputs);
    let told = render(&settings.diagnostics, &loaded.sources);
    (settings, told)
}

const FULL: &str = r#"
environment "production" {
  description = "In ${var.region}."

  state {
    backend = local.backend
    url     = "postgres://fleet:${var.password}@${local.host}/${environment.name}"
    pool    = { size = 2 + 2 }
  }

  secrets {
    recipients = [for name in ["a", "b"] : "age-${name}"]
  }
}

variable "region" {
  default = "eu"
}

variable "password" {
  sensitive = true
}

locals {
  backend = lower("POSTGRES")
  host    = "db.${var.region}.example"
}

# Nothing of this is needed, and nothing of it is looked at.
resource "cloud_of_no_provider" "x" {
  name = cloud_of_no_provider.y.id
}

resource "cloud_of_no_provider" "y" {
}
"#;

#[test]
fn settings_are_known_before_anything_else() {
    let (settings, told) = evaluated(FULL, &[("password", "hidden"), ("region", "us")]);
    assert_eq!(told, "");
    assert_eq!(settings.description, "In us.");
    let state = settings.state.unwrap();
    let value = |name: &str| state.arguments[name].0.clone();
    assert_eq!(value("backend").as_str(), Some("postgres"));
    let url = value("url");
    assert_eq!(url.as_str(), Some("postgres://fleet:hidden@db.us.example/production"));
    assert!(url.marks().sensitive, "a secret stays marked");
    assert!(!value("backend").deep_marks().sensitive);
    assert_eq!(value("pool").get("size").unwrap(), 4.into());
    assert_eq!(&FULL[state.span.start as usize..][..5], "state");
    let place = &state.arguments["backend"].1;
    assert_eq!(&FULL[place.start as usize..place.end as usize], "local.backend");
    let secrets = settings.secrets.unwrap();
    assert_eq!(secrets.arguments["recipients"].0.as_items().unwrap().len(), 2);
}

#[test]
fn an_environment_need_not_say_anything() {
    for text in ["environment \"a\" {}\n", "locals {\n  a = 1\n}\n"] {
        let (settings, told) = evaluated(text, &[]);
        assert_eq!(told, "");
        assert_eq!(settings, EvaluatedSettings::default());
    }
}

#[test]
fn what_is_not_known_yet_is_refused_even_if_loading_was_not_heard() {
    let text = "environment \"a\" {\n  state {\n    backend = local.b\n  }\n}\nlocals {\n  b = x_y.z.id\n}\nresource \"x_y\" \"z\" {\n}\n";
    let (settings, told) = evaluated(text, &[]);
    assert_eq!(settings.state, None);
    assert!(told.contains("`state` cannot come from `x_y.z`"), "{told}");
    assert!(told.contains("before anything of it is read"), "{told}");
}

#[test]
fn a_variable_without_value_and_a_circle_are_mistakes() {
    let (_, told) = evaluated(FULL, &[]);
    assert!(told.contains("the variable `password` has no value"), "{told}");
    let text = "environment \"a\" {\n  secrets {\n    key = local.a\n  }\n}\nlocals {\n  a = local.b\n  b = local.a\n}\n";
    let (_, told) = evaluated(text, &[]);
    assert!(told.contains("local.a"), "{told}");
    assert_eq!(told.matches("Error").count(), 1, "{told}");
}

#[test]
fn a_secret_backend_is_not_told() {
    let text = "environment \"a\" {\n  state {\n    backend = var.b\n  }\n}\nvariable \"b\" {\n  sensitive = true\n}\n";
    let (_, told) = evaluated(text, &[("b", "hidden")]);
    assert!(
        told.contains("`backend` is the name of a backend") && !told.contains("hidden"),
        "{told}"
    );
}
