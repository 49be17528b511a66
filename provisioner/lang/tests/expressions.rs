//! Expressions with the answers that Terraform 1.11.4 gives, recorded. `data/expressions.jsonl` holds the records,
//! `data/disagreements.txt` the expressions where this language deliberately or so far answers otherwise; both
//! lists are exact, so that a regression and a silent repair both show.

mod support;

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use support::{Files, finish, same, schemas};

const RECORDS: &str = include_str!("data/expressions.jsonl");
const DISAGREEMENTS: &str = include_str!("data/disagreements.txt");

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

/// The value as JSON, or the first mistake.
fn answer(expression: &str) -> Result<Json, String> {
    let main =
        format!("{LOCALS}\noutput \"x\" {{\n  sensitive = true\n  value = {expression}\n}}\n");
    let files = FILES.into_iter().chain([("/env/main.hcl", main.as_str())]);
    let files: Vec<_> = files.collect();
    let loaded = lang::load(std::path::Path::new("/env"), &Files::new(&files));
    let run = finish(loaded, &[], &support::Nothing(schemas()));
    if let Some(diagnostic) = run.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        return Err(format!("{}: {}", diagnostic.code, diagnostic.summary));
    }
    run.desired.outputs["x"].value.to_plain_json().map_err(|error| error.to_string())
}

#[test]
fn answers_agree() {
    let expected: BTreeSet<&str> =
        DISAGREEMENTS.lines().filter(|line| line.starts_with('"')).collect();
    let mut found = BTreeMap::new();
    let mut count = 0;
    for line in RECORDS.lines() {
        let record: Json = serde_json::from_str(line).unwrap();
        let expression = record["expr"].as_str().unwrap();
        count += 1;
        let answer = answer(expression);
        let agrees = match (&answer, record.get("error")) {
            (Err(_), Some(_)) => true,
            (Ok(answer), None) => record.get("result").is_some_and(|result| same(answer, result)),
            _ => false,
        };
        if !agrees {
            let quoted = serde_json::to_string(expression).unwrap();
            found.insert(
                quoted,
                format!(
                    "{answer:?} instead of {}",
                    record.get("result").unwrap_or(&record["error"])
                ),
            );
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
