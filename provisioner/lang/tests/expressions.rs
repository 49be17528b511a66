//! Expressions with the answers that Terraform gives (`support/records.rs`), and the page of functions.

mod support;

use lang::SourceLoader;
use lang::functions::Reference;
use model::Type;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::records::{Answer, LOCALS, compare, records};
use support::{Files, finish_at, schemas};

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

/// What this language answers, or its first mistake. An output says whether the value is sensitive: it has to be
/// declared so then.
fn answer(expression: &str) -> Result<Answer, String> {
    match outputs(expression, false) {
        Err(mistake) if mistake.starts_with("sensitive-output:") => outputs(expression, true),
        answer => answer,
    }
}

fn outputs(expression: &str, sensitive: bool) -> Result<Answer, String> {
    let main = format!(
        "{LOCALS}\nlocals {{\n  x = {expression}\n}}\n\
         output \"x\" {{\n  sensitive = {sensitive}\n  value = local.x\n}}\n\
         output \"json\" {{\n  sensitive = true\n  value = try(jsonencode(local.x), null)\n}}\n"
    );
    let files = FILES.into_iter().chain([("/env/main.hcl", main.as_str())]);
    let files: Vec<_> = files.collect();
    let loaded = lang::load(Path::new("/env"), &Fixture(Files::new(&files)));
    let moment = lang::Moment { is_final: true, ..lang::Moment::default() };
    let run = finish_at(loaded, &[], &support::Nothing(schemas()), &moment);
    if let Some(diagnostic) = run.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        return Err(format!("{}: {}", diagnostic.code, diagnostic.summary));
    }
    let output = |name: &str| &run.desired.outputs[name].value;
    let value = output("x");
    let infinite = value.as_number().filter(|number| number.is_infinite());
    let json = match infinite {
        Some(number) => serde_json::Value::from(number.to_string()).to_string(),
        None => output("json").as_str().unwrap_or("null").to_owned(),
    };
    Ok(Answer::new(&json, &type_text(&value.ty()), sensitive))
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

#[test]
fn answers_agree() {
    let records = records();
    let ours: Vec<_> = records.iter().map(|record| answer(&record.expression)).collect();
    compare(&records, &ours);
}

#[test]
fn examples_give_their_results() {
    for function in lang::functions::reference() {
        let answer =
            answer(function.example).unwrap_or_else(|why| panic!("{}: {why}", function.name));
        let expected = Answer::new(function.result, "", false);
        assert_eq!(answer.json, expected.json, "{}", function.example);
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
