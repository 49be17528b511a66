//! Signals: one finishes what is in flight, a second one stops at once, and both leave what the next run goes on from.

use nix::sys::signal::Signal;
use std::time::Duration;
use tests::{Workbench, wait_until};

/// Two nodes with a service whose check waits, on the node, for a file.
const WAITING: &str = r#"
environment "waiting" {}

module "network" {
  source = "../modules/network/local"
  name   = "n"
}

service "greeter" {
  version = "1"
  check   = "until test -e /tmp/go; do sleep 0.1; done"
  command = ["/bin/sh", "-c", "while :; do sleep 1; done"]
}

node_set "pair" {
  pool "local" {
    source  = "../modules/node/local"
    size    = 2
    domains = ["a"]
    inputs  = { network = module.network.id }
  }
  services = [service.greeter]
}

resource "local_volume" "last" {
  depends_on = [node_set.pair]
  name       = "last"
  size       = 1
}
"#;

fn waiting() -> Workbench {
    let bench = Workbench::new();
    bench.write("env/main.hcl", WAITING);
    bench
}

/// Lets the checks on both nodes go on.
fn release(bench: &Workbench) {
    for path in bench.traces().cloud_files() {
        if path.ends_with("root/tmp") {
            std::fs::write(path.join("go"), "").expect("the directory is there");
        }
    }
}

fn wait_for_checks(bench: &Workbench) {
    wait_until("both checks wait", Duration::from_mins(1), || {
        let traces = bench.traces();
        let checks = traces.processes.iter().filter(|(_, line)| line.contains("until test -e"));
        checks.count() >= 2
    });
}

fn goes_on(bench: &Workbench) {
    release(bench);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

#[test]
fn one_interrupt_finishes_what_is_in_flight() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bench = waiting();
        let mut running = bench.start(&["apply", "env", "--auto-approve"]);
        wait_for_checks(&bench);
        running.signal(signal);
        wait_until("the signal is heard", Duration::from_secs(30), || {
            assert!(!running.has_ended(), "what is in flight goes on");
            running.said_so_far().contains("nterrupt")
        });
        release(&bench);
        let interrupted = running.finish().exits(130);
        interrupted.never_says("local_volume.last: created");
        let state = bench.run(&["state", "list", "env"]).exits(0);
        assert_eq!(state.stdout.matches(".service.greeter").count(), 2, "{state}");
        goes_on(&bench);
    }
}

fn interrupted_twice() -> Workbench {
    let bench = waiting();
    let mut running = bench.start(&["apply", "env", "--auto-approve"]);
    wait_for_checks(&bench);
    running.signal(Signal::SIGINT);
    wait_until("the second interrupt is heard", Duration::from_secs(30), || {
        running.signal(Signal::SIGINT);
        running.has_ended()
    });
    running.finish().exits(130);
    bench
}

#[test]
fn a_second_interrupt_stops_at_once() {
    goes_on(&interrupted_twice());
}

/// What was begun is not finished first only to be deleted: its check would wait for ever.
#[test]
fn a_destroy_after_a_cut_off_apply_deletes_what_was_begun() {
    let bench = interrupted_twice();
    let destroyed = bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    destroyed.says("left to the deletion");
    bench.traces().assert_none();
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0).says("othing to do");
}
