//! The console, without a terminal: expressions from the command line, from standard input, and as lines of JSON.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

#[path = "../../provisioner/lang/tests/support/records.rs"]
mod records;

use records::{Answer, LOCALS, Record, compare, records};
use serde_json::Value as Json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tests::{Finished, Workbench};

fn language_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../provisioner/lang/tests/data")
}

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

/// What a line of the program says.
fn answer(line: &str) -> Result<Answer, String> {
    const VALUE: &str = "{\"value\":";
    let parsed: Json = serde_json::from_str(line).unwrap();
    // The text itself: a reader of JSON would round the numbers.
    let json = line.strip_prefix(VALUE).and_then(|rest| rest.rsplit_once(",\"type\":"));
    match (json, parsed["type"].as_str(), parsed["sensitive"].as_bool()) {
        (Some((json, _)), Some(ty), Some(sensitive)) => Ok(Answer::new(json, ty, sensitive)),
        _ => Err(line.to_owned()),
    }
}

#[test]
fn recorded_expressions_have_their_recorded_values() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", LOCALS);
    copy(&language_data().join("dir"), &bench, "env/dir");
    bench.give_to_user();
    let records = records();
    let line = |record: &Record| Json::from(record.expression.as_str()).to_string() + "\n";
    let input: String = records.iter().map(line).collect();
    let finished = fed(&bench, &["console", "env", "--json-lines"], &input).exits(0);
    let ours: Vec<_> = finished.stdout.lines().map(answer).collect();
    compare(&records, &ours);
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
