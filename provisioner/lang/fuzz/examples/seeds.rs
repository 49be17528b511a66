//! Writes what the fuzz targets begin with into `corpus/`: files and expressions of the tests, one file each.
//!
//! `cargo run --example seeds` in this directory. What is there already stays. Refuses to know: what the targets make of
//! it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Records of expressions are JSON, one a line, with the expression under this name.
const EXPRESSION: &str = "expr";

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = here.join("../../..");
    let mut files = Vec::new();
    for directory in ["modules", "environments", "tests/data", "provisioner/lang/tests/data"] {
        texts(&repository.join(directory), &mut files)?;
    }
    let corpus = Corpus(here.join("corpus"));
    for (at, file) in files.iter().enumerate() {
        let text = fs::read(file)?;
        let name = format!("file-{at}");
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("hcl" | "hclvars") => {
                for target in ["parser", "formatter", "module"] {
                    corpus.write(target, &name, &text)?;
                }
            }
            Some("json") => corpus.write("parser", &name, &text)?,
            Some("jsonl") => corpus.expressions(at, &String::from_utf8(text)?)?,
            _ => {}
        }
    }
    for (choice, text) in FORMS {
        let bytes = [&[*choice], text.as_bytes()].concat();
        corpus.write("functions", &format!("form-{choice}-{}", text.len()), &bytes)?;
    }
    Ok(())
}

/// What functions read, by the number of the call that reads it in `targets/functions.rs`.
const FORMS: &[(u8, &str)] = &[
    (0, r#"{"a":[1,-2.5e10,true,null,"\u00e9\n"],"b":{}}"#),
    (1, "a: &x [1, 'b', \"c\\n\"]\nb: *x\nc: |\n  text\nd: >-\n  more\ne: !!str 1\n<<: {f: ~}\n"),
    (1, "- 0x1f\n- 1_000\n- .inf\n- 2024-01-01\n- ? a\n  : b\n- {a: 1, b: [x, y]}\n"),
    (2, "a,b\n1,\"x\"\"y\"\n\"m\nn\",2\n"),
    (3, "^(a+)([0-9]*?)\\b(?P<n>[^x-z]|\\p{L}){2,3}$\naab12cc"),
    (4, "(?i)\\d+|[[:alpha:]]\na1b22"),
    (5, "(?P<x>.)(.)\nabcd"),
    (6, "%s %q %05d|%-8.3f|%+x %v %#v %t %%%[1]d"),
    (7, "%d-%s: %g"),
    (8, "EEEE, DD-MMM-YY hh:mm:ss ZZZ 'o''clock' AA"),
    (9, "2024-02-29T01:02:03+01:00\n-1h30m2.5s"),
    (10, "aGVsbG8="),
    (11, "UTF-16LE\naABlAGwAbABvAA=="),
    (12, "${a} %{ for x in b ~} ${x}, %{ endfor ~} %{ if c == \"x\" }y%{ else }z%{ endif }"),
    (13, "-12.5e3\n"),
    (14, "zz9\n36"),
    (15, "10.1.2.0/24\n"),
    (15, "fd00::1/56\n"),
    (16, "172.16.0.0/12\n"),
    (17, "hello wörld ǆ e\u{301}\n"),
    (18, ", \na, b, ,c"),
    (19, "**/*.{txt,tf}"),
    (20, "/a/../b/./c//d~"),
];

/// Every file below a directory, in the order of their names.
fn texts(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() { texts(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

struct Corpus(PathBuf);

impl Corpus {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let directory = self.0.join(target);
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join(name), bytes)?)
    }

    fn expressions(&self, file: usize, records: &str) -> Result<(), Box<dyn Error>> {
        let records = records.lines().filter(|line| !line.starts_with('#'));
        for (at, line) in records.enumerate() {
            let record: serde_json::Value = serde_json::from_str(line)?;
            if let Some(expression) = record[EXPRESSION].as_str() {
                let name = format!("expression-{file}-{at}");
                self.write("evaluator", &name, expression.as_bytes())?;
            }
        }
        Ok(())
    }
}
