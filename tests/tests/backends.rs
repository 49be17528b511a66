//! An environment that a database records: the same program, killed and run again, several at once, and moved there and
//! back with its history.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use nix::sys::signal::Signal;
use std::time::Duration;
use tests::{Postgres, Workbench, wait_until};

const YES: &str = "--auto-approve";

const ENVIRONMENT: &str = r#"
environment "shared" {
  state {
    backend = "postgres"
    url     = var.url
  }
}

variable "url" {
  type      = string
  sensitive = true
}

variable "round" {
  type    = string
  default = "0"
}

resource "local_volume" "a" {
  count = 30
  name  = "a-${count.index}-${var.round}"
  size  = 1
}

resource "local_volume" "b" {
  count = 30
  name  = "b-${count.index}-${var.round}"
  size  = 1
}

output "names" {
  value = concat(local_volume.a[*].name, local_volume.b[*].name)
}
"#;

fn bench(server: &Postgres) -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", ENVIRONMENT);
    // As teams do it: every command finds it there.
    bench.write("env/state.auto.hclvars", &format!("url = \"{}\"\n", server.url()));
    bench
}

/// Everything is as configured, and nothing else is in the cloud.
#[track_caller]
fn is_whole(bench: &Workbench, round: &str) {
    bench.run(&["apply", "env", YES, "--var", round]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode", "--var", round]).exits(0);
    bench.run(&["state", "check", "env"]).exits(0).says("all sound");
    let volumes = bench.traces().cloud_files().into_iter();
    let volumes = volumes.filter(|path| path.parent().is_some_and(|at| at.ends_with("volumes")));
    assert_eq!(volumes.count(), 60);
}

#[test]
fn a_database_records_an_environment() {
    let server = Postgres::start();
    let bench = bench(&server);
    bench.run(&["apply", "env", YES]).exits(0);
    assert_eq!(std::fs::read_dir(bench.path("state")).unwrap().count(), 0, "no file is made");

    // Killed in the middle, twice; the next apply needs nobody's help.
    for (nth, round) in ["round=1", "round=2"].into_iter().enumerate() {
        let run = bench.start(&["apply", "env", YES, "--parallelism", "2", "--var", round]);
        let done = || run.said_so_far().matches('✓').count() > 10 * (nth + 1);
        wait_until("it is in the middle", Duration::from_mins(1), done);
        run.signal(Signal::SIGKILL);
        run.finish();
        is_whole(&bench, round);
    }

    // Two at once on disjoint parts.
    let part =
        |target: &str| bench.start(&["apply", "env", YES, "--target", target, "--var", "round=3"]);
    let (a, b) = (part("local_volume.a"), part("local_volume.b"));
    a.finish().exits(0);
    b.finish().exits(0);
    is_whole(&bench, "round=3");

    // A saved plan, shown and applied.
    bench.run(&["plan", "env", "-o", "x.plan", "--var", "round=4"]).exits(0);
    bench.write("environments/shared/main.hcl", ENVIRONMENT);
    bench.write("environments/shared/state.auto.hclvars", &format!("url = \"{}\"\n", server.url()));
    bench.run(&["apply", "x.plan"]).exits(0);
    is_whole(&bench, "round=4");

    // Restore points are recorded there, too, and go where the environment goes.
    let named = ["backup", "create", "env", "--name", "p", "--target", "local_volume.b"];
    bench.run(&named).exits(0).says("Restore point p is made.");
    assert_eq!(std::fs::read_dir(bench.path("state")).unwrap().count(), 0, "no file is made");
    is_whole(&bench, "round=4");

    // There and back, with the history.
    let history = bench.run(&["state", "history", "env", "--entries", "--json"]).exits(0).stdout;
    let export = bench.run(&["state", "export", "env"]).exits(0).stdout;
    bench.run(&["state", "migrate", "env", "--to", "state/shared.sqlite", YES]).exits(0);
    bench
        .run(&["state", "migrate", "env", "--to", "state/shared.sqlite", YES])
        .exits(1)
        .says("already");
    bench.edit(
        "env/main.hcl",
        "backend = \"postgres\"\n    url     = var.url",
        "backend = \"sqlite\"",
    );
    let moved = bench.run(&["state", "history", "env", "--entries", "--json"]).exits(0).stdout;
    assert_eq!(moved, history);
    assert_eq!(bench.run(&["state", "export", "env"]).exits(0).stdout, export);
    is_whole(&bench, "round=4");
    bench.run(&["backup", "verify", "env"]).exits(0).says("1 restore point, 30 snapshots");
    bench.run(&["backup", "delete", "env", "p", YES]).exits(0);
    bench.run(&["destroy", "env", YES]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    bench.write("env/main.hcl", ENVIRONMENT);
    let url = "url=postgresql://owner:hunter2hunter2@127.0.0.1:1/fleet?connect_timeout=2";
    let refused = bench.run(&["plan", "env", "--var", url]).exits(1);
    refused.says("state-unreachable").says("127.0.0.1:1").never_says("hunter2");
    let wrong = bench.run(&["plan", "env", "--var", "url=mysql://x"]).exits(1);
    wrong.says("postgres://").says("env/main.hcl");
}
