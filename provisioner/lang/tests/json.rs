//! `*.hcl.json`: the same blocks through JSON, with the places of the JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use serde_json::{Value as Json, json};
use support::{Nothing, Run, render, run, schemas};

fn load(text: &str) -> Run {
    run(&[("/env/main.hcl.json", text)], &[], &Nothing(schemas()))
}

/// The outputs of a configuration in which everything is right.
#[track_caller]
fn outputs(document: &Json) -> Json {
    let text = serde_json::to_string_pretty(document).unwrap();
    let run = load(&text);
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    let outputs = run.desired.outputs.iter();
    outputs.map(|(name, output)| (name.clone(), output.value.to_plain_json().unwrap())).collect()
}

/// The value of an expression in JSON, with some local values beside it.
#[track_caller]
fn value(expression: &Json) -> Json {
    let locals = json!({ "name": "ada", "list": ["a", "b"], "on": true });
    let document = json!({ "locals": locals, "output": { "x": { "value": expression } } });
    outputs(&document)["x"].clone()
}

#[test]
fn strings_are_templates() {
    assert_eq!(value(&json!("plain")), json!("plain"));
    assert_eq!(value(&json!("${local.name}-x")), json!("ada-x"));
    assert_eq!(value(&json!("${local.list}")), json!(["a", "b"]));
    assert_eq!(value(&json!("$${x} %%{y} $ % \\ \" \n\t/")), json!("${x} %{y} $ % \\ \" \n\t/"));
    assert_eq!(value(&json!("${join(\"\\n\", local.list)}")), json!("a\nb"));
    assert_eq!(value(&json!("é${upper(\"é\")}\u{1f600}")), json!("éÉ\u{1f600}"));
    assert_eq!(value(&json!("%{ if local.on }yes%{ else }no%{ endif }")), json!("yes"));
    assert_eq!(
        value(&json!("a\n%{ for x in local.list ~}\n  ${x}\n%{ endfor ~}\n  b")),
        json!("a\n  a\n  b\n  b")
    );
}

#[test]
fn values_keep_their_kind() {
    assert_eq!(value(&json!([1, -2.5, true, null, "x"])), json!([1, -2.5, true, null, "x"]));
    assert_eq!(
        value(&json!({ "${local.name}": 1, "a b": { "//": "kept" } })),
        json!({ "ada": 1, "a b": { "//": "kept" } })
    );
    let exact = r#"{"output": {"x": {"value": 9007199254740993}}}"#;
    let run = load(exact);
    assert_eq!(run.desired.outputs["x"].value, 9_007_199_254_740_993_i64.into());
}

#[test]
fn blocks_are_objects_or_arrays_of_them() {
    let document = json!({
        "//": "ignored",
        "variable": { "size": { "type": "number", "default": 2, "validation": [
            { "condition": "${var.size > 1}", "error_message": "too small" },
            { "condition": "${var.size < 9}", "error_message": "too large" },
        ] } },
        "locals": [{ "a": 1 }, { "b": "${local.a + var.size}" }],
        "output": [{ "x": { "value": "${local.b}" } }, { "y": { "value": "$${z}" } }],
    });
    assert_eq!(outputs(&document), json!({ "x": 3, "y": "${z}" }));
}

#[test]
fn references_and_types_are_written_as_text() {
    let document = json!({
        "variable": { "v": {
            "type": "object({ a = string, b = optional(number, 7) })",
            "default": { "a": "${not a template}" },
        } },
        "resource": { "local_network": {
            "a": { "name": "a", "lifecycle": { "ignore_changes": ["name"] } },
            "b": { "name": "b", "depends_on": ["local_network.a"] },
        } },
        "output": { "x": { "value": "${var.v}", "depends_on": ["local_network.b"] } },
    });
    assert_eq!(outputs(&document), json!({ "x": { "a": "${not a template}", "b": 7 } }));
}

/// Takes a snapshot of what is said about a file in JSON.
fn check(name: &str, text: &str) {
    let run = load(text);
    assert!(!run.diagnostics.is_empty(), "{name}: nothing was found");
    insta::assert_snapshot!(name, render(&run.diagnostics, &run.sources));
}

#[test]
fn mistakes_have_the_places_of_the_json() {
    check("comma", "{\n  \"locals\": { \"a\": 1, }\n}\n");
    check("comment", "{\n  # no\n}\n");
    check("single_quotes", "{ \"locals\": { \"a\": 'x' } }\n");
    check("not_closed", "{\n  \"locals\": {\n    \"a\": [1, 2\n  }\n}\n");
    check("string_not_closed", "{ \"locals\": { \"a\": \"x } }\n");
    check("escape", "{ \"locals\": { \"a\": \"\\d\" } }\n");
    check("number", "{ \"locals\": { \"a\": 01 } }\n");
    check(
        "templates",
        r#"{
  "locals": {
    "a": "x ${upper(\"é\") + } y",
    "b": "${local.c",
    "c": ["${local.d[", "]}"],
    "e": "\n%{ if true }",
    "f": "${local.nothing}"
  }
}
"#,
    );
    check(
        "blocks",
        r#"{
  "locals": { "a b": 1 },
  "output": 5,
  "resource": { "local_network": "x", "local_volume": { "v": { "name": "x" } } },
  "module": { "m": { "source": "./m", "depends_on": ["a b", "local_network.x]"] } }
}
"#,
    );
}
