//! Exit codes and streams of the real binary, as far as no cloud is needed: nothing here is ever applied.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const NETWORK: &str = "environment \"e\" {}\n\nresource \"local_network\" \"n\" {\n  name = \"n\"\n  cidr = \"10.9.0.0/24\"\n}\n";

struct Bench(tempfile::TempDir);

impl Bench {
    fn new(main: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir_all(directory.path().join("environments/e"))
            .expect("the directory is ours");
        std::fs::create_dir(directory.path().join("state")).expect("the directory is ours");
        std::fs::write(directory.path().join("environments/e/main.hcl"), main)
            .expect("the directory is ours");
        Self(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_provisioner"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path().join("home"))
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }

    #[track_caller]
    fn exits(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn is_untouched(&self) -> bool {
        let is_empty =
            |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        is_empty(&self.0.path().join("state")) && !self.0.path().join("home").exists()
    }
}

#[test]
fn reading_commands_end_well_and_leave_nothing() {
    let bench = Bench::new(NETWORK);
    bench.exits(&["validate", "e"], 0);
    let (out, err) = bench.exits(&["plan", "e"], 0);
    assert!(out.contains("Plan: 1 to create"), "{out}");
    assert!(err.is_empty(), "{err}");
    bench.exits(&["plan", "environments/e", "--detailed-exitcode"], 2);
    let (out, _) = bench.exits(&["graph", "e"], 0);
    assert!(out.starts_with("digraph"), "{out}");
    for arguments in [&["show", "e"][..], &["state", "list", "e"], &["output", "e"]] {
        bench.exits(arguments, 0);
    }
    let (_, err) = bench.exits(&["destroy", "e", "--auto-approve"], 0);
    assert!(err.contains("Nothing to do"), "{err}");
    bench.exits(&["--version"], 0);
    assert!(bench.is_untouched());
}

#[test]
fn a_saved_plan_makes_the_environment_but_no_object() {
    let bench = Bench::new(NETWORK);
    bench.exits(&["plan", "e", "-o", "e.plan"], 0);
    assert!(bench.0.path().join("state/e.sqlite").exists());
    let (out, _) = bench.exits(&["show", "e.plan", "--json"], 0);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["summary"]["create"], 1);
    bench.exits(&["apply", "e.plan", "--var", "a=b"], 1);
    let (out, _) = bench.exits(&["state", "list", "e"], 0);
    assert!(out.is_empty(), "{out}");
}

#[test]
fn errors_end_with_1_and_are_said_on_stderr() {
    let bench = Bench::new(NETWORK);
    let cases: [(&[&str], &str); 7] = [
        (&["plan", "nowhere"], "there are: e"),
        (&["apply", "e"], "--auto-approve"),
        (&["destroy", "e"], "--auto-approve"),
        (&["validate", "e", "--var", "size"], "NAME=VALUE"),
        (&["plan", "e", "--replace", "nonsense"], "is not an address"),
        (&["output", "e", "x"], "no output `x`"),
        (&["ssh", "e", "node-1"], "no node `node-1`"),
    ];
    for (arguments, said) in cases {
        let (out, err) = bench.exits(arguments, 1);
        assert!(out.is_empty(), "{arguments:?}: {out}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    bench.exits(&["plan"], 2);
    assert!(bench.is_untouched());
}

#[test]
fn a_mistake_is_data_for_validate_and_makes_no_state() {
    let bench = Bench::new("output \"x\" {\n  value = var.nope\n}\n");
    let (out, err) = bench.exits(&["validate", "e", "--json"], 1);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["diagnostics"][0]["labels"][0]["start"]["line"], 2, "{answer}");
    assert!(err.is_empty(), "{err}");
    let (_, err) = bench.exits(&["apply", "e", "--auto-approve", "--json"], 1);
    let answer: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(answer["diagnostics"][0]["severity"], "error");
    assert!(bench.is_untouched());
}
