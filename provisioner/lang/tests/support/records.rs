//! Answers that Terraform 1.11.4 gave, and the one way in which they are compared with ours: value with all digits,
//! type, whether it is sensitive, and whether it is an error. Shared by the tests of the language and of the program.
//!
//! The records are JSON, one a line, recorded with `terraform console`: what `type(EXPR)` and `jsonencode(EXPR)` print, or
//! the summary of the error. `docs/differences.md` lists the expressions where this language answers otherwise; the
//! list is exact, so that a regression and a silent repair both show.

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

const RECORDS: [&str; 2] =
    [include_str!("../data/expressions.jsonl"), include_str!("../data/functions.jsonl")];
const DIFFERENCES: &str = include_str!("../../../../docs/differences.md");

/// The locals that recorded expressions refer to.
pub const LOCALS: &str = r#"
locals {
  tmpl_hello = "Hello, $${name}!"
  tmpl_loop  = "%%{ for x in xs ~}$${x};%%{ endfor ~}"
  tmpl_bad   = "Hello, $${nope}!"
  tmpl_syn   = "Hello, $${"
}
"#;

/// An answer that is no error.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// In one notation, with all digits; an infinite number is text.
    pub json: String,
    pub ty: String,
    pub sensitive: bool,
}

impl Answer {
    pub fn new(json: &str, ty: &str, sensitive: bool) -> Self {
        Self { json: canonical(json), ty: ty.to_owned(), sensitive }
    }
}

/// A recorded answer.
pub struct Record {
    pub expression: String,
    /// `None` when Terraform refused.
    pub answer: Option<Answer>,
}

/// All of them.
pub fn records() -> Vec<Record> {
    let lines = RECORDS.iter().flat_map(|records| records.lines());
    lines.filter(|line| !line.starts_with('#')).map(record).collect()
}

fn record(line: &str) -> Record {
    const RESULT: &str = "\"result\": ";
    let record: Json = serde_json::from_str(line).expect("records are JSON");
    let expression = record["expr"].as_str().expect("a record has an expression").to_owned();
    // The text itself: a reader of JSON would round the numbers. It is the last member.
    let result = line.find(RESULT).map(|at| line[at + RESULT.len()..line.len() - 1].to_owned());
    let answer = record.get("error").is_none().then(|| {
        let json = result.unwrap_or_else(|| record["display"].to_string());
        let ty = record["type"].as_str().unwrap_or_default();
        Answer::new(&json, ty, record.get("sensitive").is_some())
    });
    Record { expression, answer }
}

/// JSON without spaces between its parts and with one notation for each character; numbers as they are.
fn canonical(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let (between, text) = rest.split_at(start);
        out.extend(between.chars().filter(|c| !c.is_whitespace()));
        let mut escaped = false;
        let end = text[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (text, after) = text.split_at(end.map_or(text.len(), |end| end + 2));
        let parsed: String = serde_json::from_str(text).expect("text in JSON");
        out.push_str(&Json::from(parsed).to_string());
        rest = after;
    }
    out.extend(rest.chars().filter(|c| !c.is_whitespace()));
    out
}

/// Panics unless all answers agree but for the listed differences. An answer of ours is one, or a mistake in words.
pub fn compare(records: &[Record], ours: &[Result<Answer, String>]) {
    let listed: BTreeSet<&str> = DIFFERENCES.lines().filter(|line| line.starts_with('"')).collect();
    let mut found = BTreeMap::new();
    assert_eq!(records.len(), ours.len());
    for (record, ours) in records.iter().zip(ours) {
        if ours.as_ref().ok() != record.answer.as_ref() {
            let quoted = Json::from(record.expression.as_str()).to_string();
            found.insert(quoted, format!("{ours:?}\n    instead of {:?}", record.answer));
        }
    }
    let unexpected: Vec<_> = found
        .iter()
        .filter(|(expression, _)| !listed.contains(expression.as_str()))
        .map(|(expression, answer)| format!("{expression}\n    {answer}"))
        .collect();
    let repaired: Vec<_> = listed.iter().filter(|listed| !found.contains_key(**listed)).collect();
    assert!(unexpected.is_empty(), "new disagreements:\n{}", unexpected.join("\n"));
    assert!(repaired.is_empty(), "these agree now, take them off the list: {repaired:?}");
}
