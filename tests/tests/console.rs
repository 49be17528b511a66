//! The console, without a terminal: expressions from the command line, from standard input, and as lines of JSON.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tests::{Finished, Workbench};

fn language_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../provisioner/lang/tests/data")
}

/// The expressions whose answer deliberately differs, as JSON strings: lines of `docs/differences.md`.
fn differences() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let text = std::fs::read_to_string(list).unwrap();
    text.lines().filter(|line| line.starts_with('"')).map(str::to_owned).collect()
}

/// The locals that recorded expressions refer to.
const LOCALS: &str = r#"
locals {
  tmpl_hello = "Hello, $${name}!"
  tmpl_loop  = "%%{ for x in xs ~}$${x};%%{ endfor ~}"
  tmpl_bad   = "Hello, $${nope}!"
  tmpl_syn   = "Hello, $${"
}
"#;

fn fed(bench: &Workbench, arguments: &[&str], input: &str) -> Finished {
    let mut command = bench.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Finished::new(arguments.join(" "), &output)
}

fn copy(from: &Path, bench: &Workbench, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = format!("{to}/{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            copy(&path, bench, &target);
        } else {
            bench.write(&target, "");
            std::fs::copy(&path, bench.path(&target)).unwrap();
        }
    }
}

/// Whether two values are the same, as far as numbers of 64 bits tell; the language's own tests look at every digit.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(l), Json::Number(r)) => {
            let (l, r) = (l.as_f64().unwrap_or(f64::NAN), r.as_f64().unwrap_or(f64::NAN));
            (l - r).abs() <= 1e-12 * l.abs().max(r.abs())
        }
        (Json::Array(l), Json::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r))
        }
        (Json::Object(l), Json::Object(r)) => {
            l.len() == r.len() && l.iter().all(|(name, l)| r.get(name).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}

/// What is wrong with an answer, if anything.
fn difference(record: &str, answer: &str) -> Option<String> {
    let parsed: Json = serde_json::from_str(record).unwrap();
    let given: Json = serde_json::from_str(answer).unwrap();
    if parsed.get("error").is_some() {
        return given.get("error").is_none().then(|| format!("{answer} instead of an error"));
    }
    if given.get("value").is_none() {
        return Some(answer.to_owned());
    }
    let sensitive = parsed.get("sensitive").is_some();
    let expected_type = &parsed["type"];
    if given["type"] != *expected_type || given["sensitive"] != sensitive {
        return Some(format!("{answer} instead of type {expected_type}, sensitive {sensitive}"));
    }
    let expected = parsed.get("result").unwrap_or(&parsed["display"]);
    (!same(&given["value"], expected)).then(|| format!("{answer} instead of {expected}"))
}

#[test]
fn recorded_expressions_have_their_recorded_values() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", LOCALS);
    copy(&language_data().join("dir"), &bench, "env/dir");
    bench.give_to_user();
    let records = std::fs::read_to_string(language_data().join("expressions.jsonl")).unwrap();
    let expression = |record: &str| {
        let record: Json = serde_json::from_str(record).unwrap();
        record["expr"].to_string()
    };
    let input: String = records.lines().map(|line| expression(line) + "\n").collect();
    let finished = fed(&bench, &["console", "env", "--json-lines"], &input).exits(0);
    let answers: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(answers.len(), records.lines().count());

    let expected = differences();
    let mut unexpected = Vec::new();
    for (record, answer) in records.lines().zip(answers) {
        let expression = expression(record);
        if let Some(difference) = difference(record, answer)
            && !expected.contains(&expression)
        {
            unexpected.push(format!("{expression}: {difference}"));
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

fn small() -> Workbench {
    let bench = Workbench::empty();
    bench.write(
        "env/main.hcl",
        r#"
variable "region" {
  type = string
}

variable "sizes" {
  type    = map(number)
  default = { small = 1 }
}

variable "password" {
  default   = "hunter2"
  sensitive = true
}

locals {
  names  = [for name, size in var.sizes : upper(name)]
  broken = 1 + "x"
  a      = local.b
  b      = local.a
}

resource "terraform_data" "t" {
  input = "in"
}
"#,
    );
    bench
}

#[test]
fn values_are_printed_in_the_notation_of_the_language() {
    let bench = small();
    let expressions =
        ["local.names", "var.sizes", "var.region", "var.password", "[var.password, 1]"];
    let mut arguments = vec!["console", "env"];
    arguments.extend(expressions.iter().flat_map(|expression| ["--eval", expression]));
    insta::assert_snapshot!(bench.run(&arguments).exits(0).stdout, @r#"
    [
      "SMALL",
    ]
    tomap({
      "small" = 1
    })
    (known after apply)
    (sensitive value)
    [
      (sensitive value),
      1,
    ]
    "#);
    let given = bench.run(&["console", "env", "--var", "region=here", "--eval", "var.region"]);
    assert_eq!(given.exits(0).stdout, "\"here\"\n");
}

#[test]
fn standard_input_is_one_expression_a_line() {
    let bench = small();
    let good = fed(&bench, &["console", "env"], "1 + 1\n\nlength(local.names)\n").exits(0);
    assert_eq!(good.stdout, "2\n1\n");
    let bad =
        fed(&bench, &["console", "env"], "local.nmaes\nlocal.broken\nlocal.broken\n2\nlocal.a\n");
    let bad = bad.exits(1);
    assert_eq!(bad.stdout, "2\n");
    assert!(bad.stderr.contains("did you mean `names`?"), "{bad}");
    assert_eq!(bad.stderr.matches("a number is required").count(), 2, "told each time\n{bad}");
    assert!(bad.stderr.contains("local.a"), "{bad}");
}

#[test]
fn lines_of_json_are_answered_line_by_line() {
    let bench = small();
    let input = "\"var.region\"\nno json\n\"upper(1\"\n\"[var.password, 1]\"\n\n\"[\\n1,\\n2]\"\n\"local.broken\"\n";
    let finished = fed(&bench, &["console", "env", "--json-lines"], input).exits(0);
    let lines: Vec<Json> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 7, "{finished}");
    assert_eq!(lines[0], serde_json::json!({ "unknown": true, "type": "string" }));
    assert_eq!(lines[1]["error"][0]["code"], "not-a-json-string");
    assert_eq!(lines[2]["error"][0]["code"], "syntax");
    let start = &lines[2]["error"][0]["labels"][0]["start"];
    assert_eq!(start["line"], 1, "{finished}");
    assert_eq!(lines[3]["sensitive"], true);
    assert_eq!(lines[4]["error"][0]["code"], "not-a-json-string");
    assert_eq!(lines[5]["type"], "tuple([number, number])");
    assert_eq!(lines[6]["error"][0]["labels"][0]["span"]["file"], "env/main.hcl");
}

#[test]
fn recorded_attributes_are_known() {
    let bench = small();
    let ask =
        ["console", "env", "--var", "region=x", "--json", "--eval", "terraform_data.t.output"];
    let unknown: Json = serde_json::from_str(&bench.run(&ask).exits(0).stdout).unwrap();
    assert_eq!(unknown["unknown"], true);
    bench.edit("env/main.hcl", "broken = 1 + \"x\"\n  a      = local.b\n  b      = local.a", "");
    bench.run(&["apply", "env", "--var", "region=x", "--auto-approve"]).exits(0);
    let known: Json = serde_json::from_str(&bench.run(&ask).exits(0).stdout).unwrap();
    assert_eq!(known["value"], "in");
}
