//! Nodes where this machine allows no namespaces: process trees on 127.0.1.x behind the same resource types.

use tests::Workbench;

const PROCESSES: &str = r#"
environment "processes" {}

provider "local" {
  isolation = "processes"
}

module "network" {
  source = "../modules/network/local"
  name   = "n"
}

module "monitoring" {
  source        = "../modules/monitoring"
  exporter_port = 9917
  node_sets     = [node_set.pair.nodes]
}

service "greeter" {
  version = "1"
  command = ["/bin/sh", "-c", "while :; do sleep 1; done"]

  file "greeting" {
    content = "hello from ${node.name}"
  }
}

node_set "pair" {
  pool "local" {
    source  = "../modules/node/local"
    size    = 2
    domains = ["a", "b"]
    inputs  = { network = module.network.id }
  }
  services = [service.greeter]
}

node_set "watched" {
  pool "local" {
    source  = "../modules/node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id }
  }
  services = [module.monitoring.node_exporter]
}

output "addresses" {
  value = [for node in node_set.pair.nodes : node.address]
}
"#;

#[test]
fn nodes_as_processes() {
    let bench = Workbench::new();
    bench.write("env/main.hcl", PROCESSES);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0).says("127.0.1.");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    let greeting = "cat $PROVISIONER_ROOT/opt/provisioner/services/greeter/current/greeting";
    let greeted = bench.run(&["ssh", "env", "pair-local-002", "--", greeting]);
    greeted.exits(0).says("hello from pair-local-002");
    assert!(bench.traces().network_namespaces().is_empty(), "no namespaces are used");

    let machine = bench.run(&[
        "state",
        "show",
        "env",
        "node_set.pair.node[\"pair-local-001\"].local_machine.this",
        "--json",
    ]);
    assert_eq!(machine.exits(0).json()["attributes"]["isolation"], "processes");

    let init = bench
        .traces()
        .processes
        .into_iter()
        .find(|(_, line)| line.contains("__node-init") && line.contains("pair-local-001"));
    let (init, _) = init.expect("the node has an init");
    let killed = nix::unistd::Pid::from_raw(init);
    nix::sys::signal::kill(killed, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(2).says("expected \"running\"");
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    bench.run(&["plan", "env", "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}

/// A machine whose kernel forbids user namespaces: the program says so, says how to allow them, and goes on.
#[test]
fn namespaces_are_forbidden() {
    let bench = Workbench::new();
    bench.write("env/main.hcl", &PROCESSES.replace("  isolation = \"processes\"\n", ""));
    // Within these, no further one can be made, and the user is no root that could do without.
    let script = r#"
        echo 0 > /proc/sys/user/max_user_namespaces
        as_nobody="setpriv --inh-caps=-all --bounding-set=-all"
        $as_nobody "$0" apply env --auto-approve && $as_nobody "$0" plan env --detailed-exitcode
        code=$?
        $as_nobody "$0" destroy env --auto-approve
        exit $code
    "#;
    let finished = bench.script(script).exits(0);
    finished.says("max_user_namespaces").says("127.0.1.");
    bench.traces().assert_none();
}
