//! Expressions with the answers that Terraform 1.11.4 gives: value with all digits, type, whether it is sensitive, and
//! whether it is an error. `docs/differences.md` lists the expressions where this language answers otherwise; the list
//! is exact, so that a regression and a silent repair both show.
//!
//! The records under `data/` are JSON, one a line, recorded with `terraform console`: what `type(EXPR)` and
//! `jsonencode(EXPR)` print, or the summary of the error.

mod support;

use lang::SourceLoader;
use lang::functions::Reference;
use model::Type;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Files, finish, schemas};

const RECORDS: [&str; 2] =
    [include_str!("data/expressions.jsonl"), include_str!("data/functions.jsonl")];
const DIFFERENCES: &str = include_str!("../../../docs/differences.md");

const LOCALS: &str = r#"
locals {
  tmpl_hello = "Hello, $${name}!"
  tmpl_loop  = "%%{ for x in xs ~}$${x};%%{ endfor ~}"
  tmpl_bad   = "Hello, $${nope}!"
  tmpl_syn   = "Hello, $${"
}
"#;

/// The text files that the expressions read.
const FILES: [(&str, &str); 8] = [
    ("/env/dir/cond.tftpl", include_str!("data/dir/cond.tftpl")),
    ("/env/dir/data.csv", include_str!("data/dir/data.csv")),
    ("/env/dir/data.yaml", include_str!("data/dir/data.yaml")),
    ("/env/dir/empty.txt", include_str!("data/dir/empty.txt")),
    ("/env/dir/greet.tftpl", include_str!("data/dir/greet.tftpl")),
    ("/env/dir/hello.txt", include_str!("data/dir/hello.txt")),
    ("/env/dir/rec.tftpl", include_str!("data/dir/rec.tftpl")),
    ("/env/dir/sub/deep.txt", include_str!("data/dir/sub/deep.txt")),
];

/// The text files, and one that is not text.
#[derive(Clone)]
struct Fixture(Files);

impl SourceLoader for Fixture {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = self.0.list(directory)?;
        if directory == Path::new("/env/dir") {
            entries.push(BINARY.into());
        }
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.read(path)
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new(BINARY) {
            return Ok(include_bytes!("data/dir/bin.dat").to_vec());
        }
        self.0.read_bytes(path)
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(self.clone())
    }
}

const BINARY: &str = "/env/dir/bin.dat";

/// An answer as the records give it.
#[derive(Debug, PartialEq)]
struct Answer {
    /// JSON with all digits; nothing for an infinite number.
    json: Option<String>,
    ty: String,
    sensitive: bool,
    /// An infinite number as text.
    display: Option<String>,
}

/// What this language answers, or its first mistake. An output says whether the value is sensitive: it has to be
/// declared so then.
fn answer(expression: &str, encoded: bool) -> Result<Answer, String> {
    match outputs(expression, encoded, false) {
        Err(mistake) if mistake.starts_with("sensitive-output:") => {
            outputs(expression, encoded, true)
        }
        answer => answer,
    }
}

fn outputs(expression: &str, encoded: bool, sensitive: bool) -> Result<Answer, String> {
    let second = if encoded { "jsonencode(local.x)" } else { "null" };
    let main = format!(
        "{LOCALS}\nlocals {{\n  x = {expression}\n}}\n\
         output \"x\" {{\n  sensitive = {sensitive}\n  value = local.x\n}}\n\
         output \"json\" {{\n  sensitive = true\n  value = {second}\n}}\n"
    );
    let files = FILES.into_iter().chain([("/env/main.hcl", main.as_str())]);
    let files: Vec<_> = files.collect();
    let loaded = lang::load(Path::new("/env"), &Fixture(Files::new(&files)));
    let run = finish(loaded, &[], &support::Nothing(schemas()));
    if let Some(diagnostic) = run.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        return Err(format!("{}: {}", diagnostic.code, diagnostic.summary));
    }
    let output = |name: &str| &run.desired.outputs[name].value;
    let value = output("x");
    let infinite = value.as_number().filter(|number| number.is_infinite());
    Ok(Answer {
        json: output("json").as_str().map(str::to_owned),
        ty: type_text(&value.ty()),
        sensitive,
        display: infinite.map(ToString::to_string),
    })
}

/// A type as Terraform's `type` prints it.
fn type_text(ty: &Type) -> String {
    match ty {
        Type::Any => "dynamic".to_owned(),
        Type::List(element) => format!("list({})", type_text(element)),
        Type::Set(element) => format!("set({})", type_text(element)),
        Type::Map(element) => format!("map({})", type_text(element)),
        Type::Tuple(items) => {
            let items: Vec<_> = items.iter().map(type_text).collect();
            format!("tuple([{}])", items.join(", "))
        }
        Type::Object(fields) => {
            let field = |(name, field): (&Arc<str>, &model::types::Field)| {
                format!("{name}: {}", type_text(&field.ty))
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("object({{{}}})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// What Terraform answered; `None` when it refused.
fn recorded(line: &str, record: &Json) -> Option<Answer> {
    const RESULT: &str = "\"result\": ";
    if record.get("error").is_some() {
        return None;
    }
    // The text itself: a reader of JSON would round the numbers. It is the last member.
    let json = line.find(RESULT).map(|at| line[at + RESULT.len()..line.len() - 1].to_owned());
    let display = record["display"].as_str().filter(|_| json.is_none()).map(str::to_owned);
    let ty = record["type"].as_str().unwrap_or_default().to_owned();
    Some(Answer { json, ty, sensitive: record.get("sensitive").is_some(), display })
}

#[test]
fn answers_agree() {
    let expected: BTreeSet<&str> =
        DIFFERENCES.lines().filter(|line| line.starts_with('"')).collect();
    let mut found = BTreeMap::new();
    let mut count = 0;
    let records = RECORDS.iter().flat_map(|records| records.lines());
    for line in records.filter(|line| !line.starts_with('#')) {
        let record: Json = serde_json::from_str(line).unwrap();
        let expression = record["expr"].as_str().unwrap();
        let recorded = recorded(line, &record);
        let encoded = recorded.as_ref().is_some_and(|recorded| recorded.json.is_some());
        count += 1;
        let answer = answer(expression, encoded);
        if answer.as_ref().ok() != recorded.as_ref() {
            let quoted = serde_json::to_string(expression).unwrap();
            found.insert(quoted, format!("{answer:?}\n    instead of {recorded:?}"));
        }
    }
    let unexpected: Vec<_> =
        found.iter().filter(|(expr, _)| !expected.contains(expr.as_str())).collect();
    let repaired: Vec<_> = expected.iter().filter(|expr| !found.contains_key(**expr)).collect();
    println!("{} of {count} agree", count - found.len());
    for (expression, answer) in &unexpected {
        println!("{expression}\n    {answer}");
    }
    assert!(unexpected.is_empty(), "{} new disagreements (printed above)", unexpected.len());
    assert!(repaired.is_empty(), "these agree now, take them off the list: {repaired:?}");
}

#[test]
fn examples_give_their_results() {
    for function in lang::functions::reference() {
        let answer =
            answer(function.example, true).unwrap_or_else(|why| panic!("{}: {why}", function.name));
        assert_eq!(answer.json.as_deref(), Some(function.result), "{}", function.example);
    }
}

#[test]
fn every_function_is_documented() {
    const EVALUATED: [&str; 4] = ["can", "templatefile", "templatestring", "try"];
    let mut names: Vec<_> = lang::functions::names().chain(EVALUATED).collect();
    names.sort_unstable();
    let documented: Vec<_> = lang::functions::reference().map(|function| function.name).collect();
    assert_eq!(documented, names);
}

/// `UPDATE_DOCS=1 cargo test -p lang --test expressions` writes the page anew.
#[test]
fn the_page_of_functions_is_up_to_date() {
    let section = |function: Reference| {
        let Reference { name, signature, description, example, result } = function;
        let about = format!("{description}\n\n```hcl\n{example}\n# {result}\n```\n");
        format!("\n## {name}\n\n```hcl\n{signature}\n```\n\n{about}")
    };
    let head = "# Functions\n\nWritten from the table of functions by a test; \
                `UPDATE_DOCS=1 cargo test -p lang --test expressions` writes it anew.\n\
                Every example is tested. Paths are relative to the directory of the module.\n";
    let sections: String = lang::functions::reference().map(section).collect();
    let page = format!("{head}{sections}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/functions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/functions.md is stale: run this test with UPDATE_DOCS=1");
}
