//! The rules of the house: who may import whom, and how files look.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is in the repository").to_owned()
}

/// Which rooms each room may import; `cli` and `tests` are not listed: they may import all.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("model", vec![]),
        ("lang", vec!["model"]),
        ("planner", vec!["model"]),
        ("provider", vec!["model"]),
        ("nodes", vec!["model"]),
        ("state", vec!["model"]),
        ("state-postgres", vec!["model", "state"]),
        ("state-object", vec!["model", "state"]),
        ("views", vec!["model"]),
        ("provider-aws", vec!["model", "provider"]),
        ("provider-builtin", vec!["model", "provider"]),
        ("provider-local", vec!["model", "provider"]),
        ("provider-nebula", vec!["model", "provider"]),
        ("engine", vec!["model", "planner", "provider", "nodes", "state"]),
        ("rollout", vec!["model", "planner", "state", "engine"]),
        ("recovery", vec!["model", "planner", "state", "engine"]),
        // What the tests roll out stands alone.
        ("workload", vec![]),
    ])
}

/// Crates that some rooms must not know: the model does nothing, the planner decides only.
fn forbidden() -> BTreeMap<&'static str, Vec<&'static str>> {
    let acting =
        vec!["tokio", "async-trait", "rusqlite", "russh", "nix", "rustix", "jiff", "getrandom"];
    BTreeMap::from([("model", acting.clone()), ("planner", acting)])
}

#[test]
fn rooms_import_only_what_they_may() {
    let metadata = MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs");
    let rooms: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let (allowed, forbidden) = (allowed(), forbidden());
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if matches!(name, "provisioner" | "tests") {
            continue;
        }
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name} is a new room: say here what it may import"));
            continue;
        };
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        for dependency in normal {
            let other = dependency.name.as_str();
            let not_allowed = rooms.contains(other) && !may.contains(&other);
            let banned = forbidden.get(name).is_some_and(|list| list.contains(&other));
            if not_allowed || banned {
                wrong.push(format!("{name} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the repository is readable") {
        let path = entry.expect("the repository is readable").path();
        if path.is_dir() {
            // What the fuzz targets were built of is not ours.
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for room in ["provisioner", "tests"] {
        sources(&repository().join(room), &mut found);
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file is text");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(p, _)| p)
        .collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:#?}");
}

#[test]
fn a_file_tells_one_story() {
    let is_test = |path: &Path| path.components().any(|part| part.as_os_str() == "tests");
    let long = |(path, text): &(PathBuf, String)| {
        let limit = if is_test(path) { 1_000 } else { 700 };
        text.lines().count() > limit
    };
    let long: Vec<_> = all_sources().into_iter().filter(long).map(|(path, _)| path).collect();
    assert!(long.is_empty(), "these files are too long for one story: {long:#?}");
}

#[test]
fn nothing_unfinished_is_left() {
    // Put together here, so that this file does not name them itself.
    let marks =
        [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["#[ig", "nore"], ["FIX", "ME"]];
    let mut left = Vec::new();
    for (path, text) in all_sources() {
        for mark in marks.map(|parts| parts.concat()) {
            if text.contains(&mark) {
                left.push(format!("{}: {mark}", path.display()));
            }
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn every_module_has_a_readme_and_an_example() {
    let mut modules = Vec::new();
    hcl_directories(&repository().join("modules"), &mut modules);
    assert!(!modules.is_empty(), "there are modules");
    for module in modules {
        assert!(module.join("README.md").exists(), "{} has no README.md", module.display());
        assert!(module.join("example/main.hcl").exists(), "{} has no example", module.display());
    }
}

/// Directories with HCL files that are not examples.
fn hcl_directories(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries: Vec<_> = std::fs::read_dir(directory)
        .expect("the repository is readable")
        .map(|entry| entry.expect("the repository is readable").path())
        .collect();
    if entries.iter().any(|path| path.extension().is_some_and(|extension| extension == "hcl")) {
        found.push(directory.to_owned());
    }
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_example = name.is_some_and(|name| name.starts_with("example"));
        if path.is_dir() && !is_example {
            hcl_directories(&path, found);
        }
    }
}
