//! Every module's example, and every environment, validates and plans without touching anything.

use std::path::{Path, PathBuf};
use tests::aws::Proxy;
use tests::{Finished, Workbench};

/// Directories below `directory` that hold a `main.hcl` and can be planned by themselves.
fn environments(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the workbench is readable") {
        let path = entry.expect("the workbench is readable").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_example = name.is_some_and(|name| name.starts_with("example"));
        let is_environment = path.parent().is_some_and(|parent| parent.ends_with("environments"));
        if is_example || is_environment {
            found.push(path);
        } else if path.is_dir() {
            environments(&path, found);
        }
    }
}

#[test]
fn every_example_and_environment_plans() {
    let bench = Workbench::new();
    let mut found = Vec::new();
    for directory in ["modules", "environments"] {
        environments(&bench.path(directory), &mut found);
    }
    assert!(found.len() >= 6, "{found:#?}");
    let aws = Proxy::start_default();
    for directory in found {
        let directory = directory.strip_prefix(bench.path("")).expect("it is in the workbench");
        let name = directory.to_str().expect("it is text").to_owned();
        bench.run(&["validate", &name]).exits(0);
        let is_aws = directory.iter().any(|part| part == "aws");
        let environment = match (&aws, is_aws) {
            // Its plans say whose account it is, so there must be one.
            (None, true) => continue,
            (Some(aws), true) => aws.environment(),
            (_, false) => Vec::new(),
        };
        let run = |arguments: &[&str]| {
            let mut command = bench.command(arguments);
            let output = command.envs(environment.clone()).output().expect("the program starts");
            Finished::new(arguments.join(" "), &output)
        };
        run(&["plan", &name, "--detailed-exitcode"]).exits(2).says("to create");
        run(&["graph", &name]).exits(0).says("digraph");
    }
    bench.traces().assert_none();
    let states = std::fs::read_dir(bench.path("state")).expect("the directory is there");
    assert_eq!(states.count(), 0, "a plan leaves no state behind");
}
