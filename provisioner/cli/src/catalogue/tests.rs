//! The catalogue is complete, says nothing of codes that do not exist, and the page made from it is fresh.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_test = matches!(name.as_str(), "tests" | "tests.rs" | "benches" | "examples");
        if is_test || name == "catalogue" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path, code.to_owned()));
        }
    }
}

/// The calls whose first text that looks like a code is one, and the end of what belongs to the call.
const GIVERS: [&str; 4] =
    ["Diagnostic::error(", "Diagnostic::warning(", "self.error(", "self.mistake("];

fn is_code(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    letters && text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-')
}

/// The quoted texts of a piece of source, as far as they need no escapes.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

/// Codes by the file that gives them.
fn given() -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    sources(&repository().join("provisioner"), &mut files);
    let mut codes = BTreeMap::new();
    for (path, text) in &files {
        for giver in GIVERS {
            for (at, _) in text.match_indices(giver) {
                let call = text[at + giver.len()..].split(';').next().unwrap_or_default();
                // A code is the first argument, or the second behind a place.
                let head = call.splitn(3, ',').take(2).collect::<Vec<_>>().join(",");
                if let Some(code) = quoted(&head).next().filter(|text| is_code(text)) {
                    codes.insert(code.to_owned(), path.clone());
                }
            }
        }
        for line in text.lines().filter(|line| line.contains(".clone_into(&mut diagnostic.code)")) {
            codes.extend(quoted(line).map(|code| (code.to_owned(), path.clone())));
        }
        // Errors that know their own code have it in a table: `Self::Held { .. } => "state-held"`.
        for line in text.lines().filter(|line| line.contains("::") && line.contains("=> \"")) {
            let code = quoted(line).next().filter(|code| is_code(code) && code.contains('-'));
            let is_table = ["state-", "plan-file-", "provider-", "restore-point-"];
            if let Some(code) = code.filter(|code| is_table.iter().any(|t| code.starts_with(t))) {
                codes.insert(code.to_owned(), path.clone());
            }
        }
    }
    codes
}

#[test]
fn every_code_is_explained_and_no_other() {
    let given = given();
    let explained: BTreeSet<&str> = all().iter().map(|entry| entry.code).collect();
    let missing: Vec<_> =
        given.iter().filter(|(code, _)| !explained.contains(code.as_str())).collect();
    let unused: Vec<_> = explained.iter().filter(|code| !given.contains_key(**code)).collect();
    assert!(missing.is_empty(), "add these codes to provisioner/cli/src/catalogue/: {missing:#?}");
    assert!(unused.is_empty(), "nothing gives these codes: {unused:#?}");
}

#[test]
fn entries_are_unique_and_in_order() {
    for (chapter, entries) in CHAPTERS {
        let codes: Vec<_> = entries.iter().map(|entry| entry.code).collect();
        assert!(codes.is_sorted(), "{chapter}: {codes:?}");
    }
    let codes: Vec<_> = all().iter().map(|entry| entry.code).collect();
    assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
}

/// `docs/diagnostics.md`: what is said of diagnostics as a whole stands before the catalogue and is kept.
#[test]
fn the_page_is_fresh() {
    const START: &str = "<!-- codes -->\n";
    let path = repository().join("docs/diagnostics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (introduction, _) = page.split_once(START).expect("the page has a place for the codes");
    let mut fresh = format!("{introduction}{START}");
    for (chapter, entries) in CHAPTERS {
        let _ = write!(fresh, "\n## {chapter}\n");
        for entry in entries {
            let _ = write!(fresh, "\n### {}\n\n**{}.** {}\n", entry.code, entry.title, entry.text);
            if let Some((wrong, right)) = entry.example {
                let _ = write!(fresh, "\n```hcl\n# wrong\n{wrong}\n\n# right\n{right}\n```\n");
            }
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert!(
        page == fresh,
        "run this test once with UPDATE_DOCS=1 to bring {} up to date",
        path.display()
    );
}
