//! `environments/staging` from nothing to nothing, on real nodes: the mesh, the monitoring, changes of
//! size, drift of three kinds, a configuration that breaks the mesh, and what is left at the end.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tests::{Finished, Workbench, wait_until};

const STAGING: &str = "environments/staging";

/// Ports of this machine are shared by all tests: each environment offers Prometheus on its own.
fn port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port().to_string()
}

struct Staging {
    bench: Workbench,
    port: String,
}

impl Staging {
    fn new() -> Self {
        Self { bench: Workbench::new(), port: port() }
    }

    /// Without stages: they take minutes, and other tests look at them.
    fn run(&self, verb: &str, more: &[&str]) -> Finished {
        let port = format!("prometheus_port={}", self.port);
        let mut arguments = vec![verb, STAGING, "--var", &port, "--var", "rollout=false"];
        arguments.extend(more);
        self.bench.run(&arguments)
    }

    fn apply(&self, more: &[&str]) -> Finished {
        let mut arguments = vec!["--auto-approve"];
        arguments.extend(more);
        self.run("apply", &arguments)
    }

    /// What a plan would do: `action address` of everything that changes, sorted.
    fn planned(&self, more: &[&str]) -> Vec<String> {
        let mut arguments = vec!["--json"];
        arguments.extend(more);
        let plan = self.run("plan", &arguments).exits(0).json();
        let changes = plan["changes"].as_array().expect("a plan has changes").clone();
        let mut changes: Vec<_> = changes
            .iter()
            .filter(|change| change["action"] != "no_op")
            .map(|change| format!("{} {}", text(&change["action"]), text(&change["address"])))
            .collect();
        changes.sort();
        changes
    }

    #[track_caller]
    fn assert_no_changes(&self, more: &[&str]) {
        let mut arguments = vec!["--detailed-exitcode"];
        arguments.extend(more);
        // Nobody is asked about clouds that nothing is in.
        self.run("plan", &arguments).exits(0).never_says("could not be searched");
    }

    fn on(&self, node: &str, command: &str) -> Finished {
        self.bench.run(&["ssh", STAGING, node, "--", "sh", "-c", &format!("'{command}'")])
    }

    /// Labels and health of every node that Prometheus scrapes.
    fn targets(&self) -> Vec<Value> {
        let path = "/api/v1/targets?state=active";
        let answer = http_get(&self.port, path).expect("Prometheus answers on this machine");
        let answer: Value = serde_json::from_str(&answer).expect("Prometheus answers in JSON");
        answer["data"]["activeTargets"].as_array().expect("a list of targets").clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn http_get(port: &str, path: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

#[test]
fn staging_from_nothing_to_nothing() {
    let staging = Staging::new();
    comes_up(&staging);
    grows_and_shrinks(&staging);
    mends_drift(&staging);
    rolls_the_mesh(&staging);
    reverts_a_broken_mesh(&staging);
    goes(&staging);
}

fn comes_up(staging: &Staging) {
    let applied = staging.apply(&[]).exits(0);
    let url = format!("http://127.0.0.1:{}", staging.port);
    let applied = applied.says(&url).says("edge-main-006").says("provisioner ssh");
    applied.says("42 of 42 pairs").says("provisioner destroy");
    staging.assert_no_changes(&[]);

    wait_until("7 exporters and Prometheus itself are up", Duration::from_mins(1), || {
        let targets = staging.targets();
        targets.len() == 8 && targets.iter().all(|target| target["health"] == "up")
    });
    let targets = staging.targets();
    let labels = targets.iter().find(|t| t["labels"]["node"] == "edge-main-002");
    let labels = &labels.expect("edge-main-002 is scraped")["labels"];
    assert_eq!((text(&labels["node_set"]), text(&labels["domain"])), ("edge", "b"));
    assert!(!text(&labels["revision"]).is_empty(), "{labels}");

    staging.on("edge-main-003", "hostname").exits(0).says("edge-main-003");
    staging.on("edge-main-003", "exit 7").exits(7);
    staging.bench.run(&["output", STAGING, "prometheus_url", "--raw"]).exits(0).says(&url);
    staging.bench.run(&["state", "list", STAGING]).exits(0).says("nebula_ca.this");
    staging.bench.run(&["show", STAGING]).exits(0).never_says("NEBULA ED25519 PRIVATE KEY");
    holds_no_secret(staging);
}

/// The authority's key must not be on this machine's disk in clear: neither its text nor its bytes.
fn holds_no_secret(staging: &Staging) {
    for file in std::fs::read_dir(staging.bench.path("state")).expect("there is a state") {
        let path = file.expect("the directory is readable").path();
        let bytes = std::fs::read(&path).expect("the file is readable");
        let clear = String::from_utf8_lossy(&bytes).contains("NEBULA ED25519 PRIVATE KEY");
        assert!(!clear, "{} holds the authority's key", path.display());
    }
}

fn grows_and_shrinks(staging: &Staging) {
    let seven = ["--var", "size=7"];
    // By itself it is a rollout, and Prometheus knows the new node before it is judged.
    let port = format!("prometheus_port={}", staging.port);
    let plan = ["plan", STAGING, "--var", &port, "--var", "size=7"];
    let staged = staging.bench.run(&plan).exits(0);
    let staged = staged.says("Rollout of edge").says("edge-main-007").says("these follow");
    staged.never_says("rollout-unseen");
    let planned = staging.planned(&seven);
    // A saved plan signs a certificate later: it holds the authority's key, and must not show it.
    staging.run("plan", &["--var", "size=7", "-o", "grown.plan"]).exits(0);
    let saved = std::fs::read(staging.bench.path("grown.plan")).expect("the plan was saved");
    let saved = String::from_utf8_lossy(&saved).into_owned();
    assert!(saved.contains("$sealed"), "the key is in the plan, sealed");
    assert!(!saved.contains("PRIVATE KEY"), "the key is in the plan, in clear");
    let is_foreign = |line: &&String| {
        !line.contains("edge-main-007")
            && !line.ends_with("reachability.nebula")
            && !line.ends_with("service.prometheus")
    };
    let foreign: Vec<_> = planned.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "adding a node touches others: {foreign:#?}");
    staging.apply(&seven).exits(0).says("56 of 56 pairs");
    staging.assert_no_changes(&seven);
    assert_eq!(staging.targets().len(), 9);

    staging.apply(&[]).exits(0);
    staging.assert_no_changes(&[]);
    wait_until("Prometheus forgets the node", Duration::from_mins(1), || {
        staging.targets().len() == 8
    });
    staging.on("edge-main-007", "true").exits(1).says("edge-main-007");
}

fn mends_drift(staging: &Staging) {
    let traces = staging.bench.traces();
    let init = traces
        .processes
        .iter()
        .find(|(_, line)| line.contains("__node-init") && line.contains("edge-main-002"));
    let (init, _) = init.unwrap_or_else(|| panic!("edge-main-002 has an init: {traces:#?}"));
    let killed = nix::unistd::Pid::from_raw(*init);
    nix::sys::signal::kill(killed, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    let planned = staging.run("plan", &[]).exits(0);
    planned.says("status is \"stopped\", expected \"running\"");
    let machine = "update node_set.edge.node[\"edge-main-002\"].local_machine.this";
    let planned = staging.planned(&[]);
    assert!(planned.contains(&machine.to_owned()), "{planned:#?}");
    assert!(only(&planned, &["edge-main-002", "reachability"]), "{planned:#?}");
    staging.apply(&[]).exits(0);
    staging.assert_no_changes(&[]);

    staging
        .on("edge-main-004", "$PROVISIONER_ROOT/run/provisioner/ctl service stop nebula")
        .exits(0);
    let planned = staging.planned(&[]);
    let service = "update node_set.edge.node[\"edge-main-004\"].service.nebula";
    assert!(planned.contains(&service.to_owned()), "{planned:#?}");
    assert!(only(&planned, &["service.nebula", "reachability"]), "{planned:#?}");
    staging.apply(&[]).exits(0);
    staging.assert_no_changes(&[]);

    let files = staging.bench.traces().cloud_files();
    let volume = files.iter().find(|path| path.ends_with("edge-main-005-data"));
    let volume = volume.unwrap_or_else(|| panic!("the volume has a directory: {files:#?}"));
    std::fs::remove_dir_all(volume).expect("a user can delete it by mistake");
    staging.run("plan", &[]).exits(0).says("edge-main-005");
    let planned = staging.planned(&[]);
    let made = "create node_set.edge.node[\"edge-main-005\"].local_volume.data";
    assert!(planned.contains(&made.to_owned()), "{planned:#?}");
    assert!(only(&planned, &["edge-main-005", "reachability"]), "{planned:#?}");
    staging.apply(&[]).exits(0);
    staging.assert_no_changes(&[]);
    staging.on("edge-main-005", "echo kept > /data/x && cat /data/x").exits(0).says("kept");
}

/// Whether every line contains one of the words.
fn only(lines: &[String], words: &[&str]) -> bool {
    lines.iter().all(|line| words.iter().any(|word| line.contains(word)))
}

/// A harmless change of the mesh's configuration: the service on each node and nothing else.
fn rolls_the_mesh(staging: &Staging) {
    staging.bench.edit("modules/mesh/nebula/config.yml.tftpl", "mtu: 1300", "mtu: 1290");
    let planned = staging.planned(&[]);
    let services = planned.iter().filter(|line| line.ends_with(".service.nebula")).count();
    assert_eq!(services, 7, "{planned:#?}");
    assert!(only(&planned, &["service.nebula", "reachability.nebula"]), "{planned:#?}");
    staging.apply(&[]).exits(0).says("42 of 42 pairs");
    staging.on("edge-main-003", "cat /sys/class/net/nebula0/mtu").exits(0).says("1290");
    staging.assert_no_changes(&[]);
}

/// Another cipher passes the daemon's own check and breaks the mesh: only a peer can tell.
fn reverts_a_broken_mesh(staging: &Staging) {
    let broken = ["--var", "mesh_cipher=chachapoly"];
    let failed = staging.apply(&broken).exits(1);
    let failed = failed.says("probe \"mesh\"").says("edge-main-001");
    failed.says("runs again");
    // Every node still runs what it ran, and the mesh works: each one reaches the next.
    let cipher = "grep cipher /opt/provisioner/services/nebula/current/config.yml";
    for node in ["edge-main-001", "edge-main-004", "monitoring-main-001"] {
        staging.on(node, cipher).exits(0).says("cipher: aes");
    }
    let addresses =
        staging.bench.run(&["output", STAGING, "mesh_addresses", "--json"]).exits(0).json();
    let peer = text(&addresses["edge-main-001"]).to_owned();
    assert!(!peer.is_empty(), "{addresses}");
    let ssh = format!("exec 3<>/dev/tcp/{peer}/22 && head -c 4 <&3");
    let reached = staging.bench.run(&[
        "ssh",
        STAGING,
        "edge-main-004",
        "--",
        "bash",
        "-c",
        &format!("'{ssh}'"),
    ]);
    reached.exits(0).says("SSH-");
    staging.apply(&[]).exits(0);
    staging.assert_no_changes(&[]);
}

fn goes(staging: &Staging) {
    staging.run("destroy", &["--auto-approve"]).exits(0);
    staging.bench.traces().assert_none();
    staging.run("destroy", &["--auto-approve"]).exits(0).says("othing to do");
}

#[test]
fn a_saved_plan_runs_exactly_or_not_at_all() {
    let bench = Workbench::new();
    let example = "modules/node/local/example";
    bench.run(&["plan", example, "-o", "first.plan"]).exits(0);
    bench.run(&["show", "first.plan"]).exits(0).says("local_machine.this");
    bench.run(&["apply", "first.plan"]).exits(0).says("pair-local-002");
    // The same plan again no longer fits the state it was made from.
    bench.run(&["apply", "first.plan"]).exits(1).says("no longer fits");
    bench.run(&["plan", example, "--detailed-exitcode"]).exits(0);
    bench.run(&["destroy", example, "--auto-approve"]).exits(0);
    bench.traces().assert_none();
}
