//! Mistakes that people make, and what the program says of them. Every directory under `data/mistakes/` is one: the files, and
//! in `commands.txt` what is run there (without it `validate .`); all but the last command must succeed, the last one
//! fails, and what it says is a snapshot under `snapshots/`, for people and as JSON.
//! `data/mistakes/not-applicable.md` lists the mistakes known from Terraform that cannot be made here.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use serde_json::Value as Json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tests::{Finished, Workbench};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mistakes");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// The commands of a case, and the exit code that the last one ends with.
fn commands(case: &Path) -> (Vec<String>, i32) {
    let text = std::fs::read_to_string(case.join("commands.txt"));
    let text = text.unwrap_or_else(|_| "validate .\n".to_owned());
    let (exits, commands): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with("exit "));
    let code = exits.first().map_or(1, |line| line.trim_start_matches("exit ").parse().unwrap());
    (commands.into_iter().map(str::to_owned).collect(), code)
}

fn copy(from: &Path, bench: &Workbench, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        let target = format!("{to}/{name}");
        if path.is_dir() {
            copy(&path, bench, &target);
        } else {
            bench.write(&target, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn run(bench: &Workbench, directory: &Path, line: &str, json: bool) -> Finished {
    let mut words: Vec<&str> = line.split(' ').collect();
    words.extend(json.then_some("--json"));
    let output = bench.command(&words).current_dir(directory).output().unwrap();
    Finished::new(line.to_owned(), &output)
}

/// The diagnostics of a failed command: `validate` gives them as data, all others beside it.
fn diagnostics(finished: &Finished) -> Json {
    let lines = finished.stdout.lines().rev().chain(finished.stderr.lines().rev());
    let whole = std::iter::once(finished.stdout.as_str());
    let mut documents =
        whole.chain(lines).filter_map(|text| serde_json::from_str::<Json>(text).ok());
    let told = documents.find_map(|document| document.get("diagnostics").cloned());
    told.unwrap_or_default()
}

/// One line a place, so that a snapshot can be read.
fn places(diagnostics: &Json) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics.as_array().into_iter().flatten() {
        let word = |name: &str| diagnostic[name].as_str().unwrap_or_default().to_owned();
        writeln!(text, "{} {}: {}", word("severity"), word("code"), word("summary")).unwrap();
        for label in diagnostic["labels"].as_array().into_iter().flatten() {
            let span = &label["span"];
            let file = span["file"].as_str().unwrap_or_default();
            let point = |at: &str| format!("{}:{}", label[at]["line"], label[at]["column"]);
            let (start, end, message) = (point("start"), point("end"), &label["message"]);
            let (first, last) = (&span["start"], &span["end"]);
            writeln!(text, "  {file} {first}..{last} ({start} to {end}) {message}").unwrap();
        }
    }
    text
}

fn failing(name: &str, case: &Path, bench: &Workbench) -> String {
    let (commands, code) = commands(case);
    let (last, before) = commands.split_last().unwrap();
    let mut said = String::new();
    for json in [false, true] {
        let directory = format!("{}/{name}", if json { "json" } else { "human" });
        copy(case, bench, &directory);
        let path = bench.path(&directory);
        for command in before {
            let finished = run(bench, &path, command, false);
            assert_eq!(finished.code, 0, "{finished}");
        }
        let finished = run(bench, &path, last, json);
        assert!(!finished.stderr.contains("panicked"), "{finished}");
        assert_eq!(finished.code, code, "{name}: {finished}");
        if json {
            write!(said, "---- as JSON\n{}", places(&diagnostics(&finished))).unwrap();
        } else {
            let Finished { stdout, stderr, .. } = &finished;
            write!(said, "$ provisioner {last}\n{stdout}{stderr}").unwrap();
        }
    }
    let said = without_times(&said);
    let root = bench.path("").to_string_lossy().trim_end_matches('/').to_owned();
    said.replace(&root, "<bench>").replace("<bench>/json", "<bench>/human")
}

/// How long something took is another number each time.
fn without_times(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let is_time = words[at].starts_with("ms") && words[at - 1].parse::<u64>().is_ok();
        words[at - 1] = if is_time { "N" } else { words[at - 1] };
    }
    words.join(" ")
}

#[test]
fn every_mistake_is_told() {
    let bench = Workbench::empty();
    let mut wrong = Vec::new();
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let attempt = std::panic::catch_unwind(|| {
            insta::assert_snapshot!(format!("mistake_{name}"), failing(&name, &case, &bench));
        });
        if attempt.is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{} mistakes are told otherwise: {wrong:#?}", wrong.len());
}
