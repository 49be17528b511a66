//! kill -9 at random instants of an apply of 12 nodes: the next apply alone brings everything right.
//!
//! `PROVISIONER_TEST_KILLS` sets how often (4 by default, each from an environment that is not there yet
//! or half there); `PROVISIONER_TEST_SEED` replays a run.

use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use tests::{Random, Workbench, setting, wait_until};

const STAGING: &str = "environments/staging";

fn arguments(port: &str) -> Vec<String> {
    // Nodes that are added come at once: rollouts have tests of their own.
    let words =
        ["apply", STAGING, "--auto-approve", "--var", "size=11", "--var", "rollout=false", "--var"];
    let mut words: Vec<_> = words.map(str::to_owned).to_vec();
    words.push(format!("prometheus_port={port}"));
    words
}

#[test]
fn killed_at_any_instant_the_next_apply_brings_everything_right() {
    let mut random = Random::seeded(|seed| println!("{seed}"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    drop(listener);
    let words = arguments(&port);
    let words: Vec<_> = words.iter().map(String::as_str).collect();

    let bench = Workbench::new();
    let started = Instant::now();
    bench.run(&words).exits(0);
    let whole = started.elapsed();
    println!("an apply of 12 nodes takes {:.1} s", whole.as_secs_f64());
    check(&bench, &port);
    destroy(&bench, &port);

    for kill in 1..=setting("PROVISIONER_TEST_KILLS", 4) {
        let span = u64::try_from(whole.as_millis()).expect("it took less than an age");
        let instant = Duration::from_millis(random.below(span));
        println!("kill {kill}: after {} ms", instant.as_millis());
        let mut running = bench.start(&words);
        let begun = Instant::now();
        wait_until("the instant has come", whole * 2, || {
            begun.elapsed() >= instant || running.has_ended()
        });
        running.signal(Signal::SIGKILL);
        running.finish();
        // Reading must work at once, whatever was cut off.
        bench.run(&["state", "list", STAGING]).exits(0);
        bench.run(&words).exits(0);
        check(&bench, &port);
        // Every other time the next kill hits an apply from nothing.
        if kill % 2 == 1 {
            destroy(&bench, &port);
        } else {
            let port = format!("prometheus_port={port}");
            let two = ["--var", "size=2", "--var", "rollout=false", "--var", &port];
            bench.run(&[&["apply", STAGING, "--auto-approve"][..], &two].concat()).exits(0);
        }
    }
    destroy(&bench, &port);
}

/// 12 nodes exactly, each with one init; nothing to do; nothing that the state does not know.
fn check(bench: &Workbench, port: &str) {
    let port = format!("prometheus_port={port}");
    let plan = ["plan", STAGING, "--detailed-exitcode", "--var", "size=11", "--var", &port];
    bench.run(&plan).exits(0);
    let traces = bench.traces();
    let inits: Vec<_> =
        traces.processes.iter().filter(|(_, line)| line.contains("__node-init")).collect();
    assert_eq!(inits.len(), 12, "one init a node: {:#?}", traces.processes);
    let holders =
        traces.processes.iter().filter(|(_, line)| line.contains("__local-network")).count();
    assert_eq!(holders, 1, "one network: {:#?}", traces.processes);
    assert_eq!(
        traces.network_namespaces().len(),
        13,
        "one namespace a node, and the network's own"
    );
    assert!(traces.mounts().is_empty(), "{:#?}", traces.mounts());
    let state = bench.run(&["state", "list", STAGING]).exits(0);
    let machines =
        state.stdout.lines().filter(|line| line.ends_with(".local_machine.this")).count();
    assert_eq!(machines, 12, "{state}");
}

fn destroy(bench: &Workbench, port: &str) {
    let port = format!("prometheus_port={port}");
    bench.run(&["destroy", STAGING, "--auto-approve", "--var", &port]).exits(0);
    bench.traces().assert_none();
}
