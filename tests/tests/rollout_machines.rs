//! Rollouts of more than services, on real nodes: machines changed in place and anew, sets that grow and shrink, one set after
//! another, replacements that are there before the old nodes go, all judged by a Prometheus that lists the nodes and follows them; and a
//! configuration that cuts its node off.

use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tests::{Finished, Running, Workbench, wait_until};

const MACHINES: &str = "environments/machines";
const CUTOFF: &str = "environments/cutoff";
const MINUTES: Duration = Duration::from_mins(3);

/// One fleet at a time: a machine that is too busy to answer is an outage, and holds a rollout as it should.
static ALONE: Mutex<()> = Mutex::new(());

struct Fleet {
    bench: Workbench,
    environment: &'static str,
    arguments: Vec<String>,
    /// Given back when everything else is gone.
    _alone: MutexGuard<'static, ()>,
}

impl Fleet {
    fn new(
        data: &str,
        environment: &'static str,
        values: impl Fn(&Workbench) -> Vec<String>,
    ) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let bench = Workbench::new();
        bench.add(data, environment);
        bench.add_program("workload");
        let values = values(&bench).into_iter();
        let arguments = values.flat_map(|value| ["--var".to_owned(), value]).collect();
        let fleet = Self { bench, environment, arguments, _alone: alone };
        fleet.apply(&[]).exits(0);
        fleet
    }

    fn starts(&self, words: &[&str], values: &[&str]) -> Running {
        let mut all: Vec<&str> = vec![words[0], self.environment];
        if words[0] == "rollout" {
            all = vec![words[0], words[1], self.environment];
            all.extend(&words[2..]);
        } else {
            all.extend(&words[1..]);
        }
        all.extend(self.arguments.iter().map(String::as_str));
        all.extend(values.iter().flat_map(|value| ["--var", *value]));
        self.bench.start(&all)
    }

    fn apply(&self, values: &[&str]) -> Finished {
        self.starts(&["apply", "--auto-approve"], values).finish()
    }

    #[track_caller]
    fn assert_no_changes(&self, values: &[&str]) {
        self.starts(&["plan", "--detailed-exitcode"], values).finish().exits(0);
        self.bench.run(&["state", "check", self.environment]).exits(0);
    }

    /// The entries of the last rollout.
    fn entries(&self) -> Vec<Value> {
        let all =
            self.bench.run(&["rollout", "history", self.environment, "--json"]).exits(0).json();
        let last = all.as_array().and_then(|all| all.last()).expect("there was one");
        let last = last["rollout"].as_str().expect("it has an id").to_owned();
        let words = ["rollout", "history", self.environment, &last, "--json"];
        let entries = self.bench.run(&words).exits(0).json();
        let entries = entries.as_array().expect("entries are a list").iter();
        entries.map(|entry| entry["what"].clone()).collect()
    }

    /// The nodes of the last rollout's waves, wave by wave.
    fn waves(&self) -> Vec<Vec<String>> {
        let entries = self.entries();
        let ended = entries.iter().filter(|it| it["entry"] == "wave_ended");
        let names = |wave: &Value| {
            let nodes = wave["changed"].as_array().expect("a wave has nodes").iter();
            nodes.map(|name| name.as_str().expect("a name").to_owned()).collect()
        };
        ended.map(names).collect()
    }

    /// How often what lists nodes was brought up to date in the last rollout, and how often it was brought back.
    #[track_caller]
    fn listed(&self) -> (usize, usize) {
        let entries = self.entries();
        let of = |kind: &str| entries.iter().filter(|it| it["entry"] == kind).collect::<Vec<_>>();
        let failed = of("lists_ended").into_iter().filter(|it| !it["error"].is_null()).count();
        assert_eq!(failed, 0, "{entries:?}");
        let back = of("lists_started").into_iter().filter(|it| it["back"] == true).count();
        (of("lists_ended").len() - back, back)
    }

    fn on(&self, node: &str, command: &str) -> Finished {
        self.bench.run(&["ssh", self.environment, node, "--", command])
    }

    fn ends(self) {
        let mut words = vec!["destroy", self.environment, "--auto-approve"];
        words.extend(self.arguments.iter().map(String::as_str));
        self.bench.run(&words).exits(0);
        self.bench.traces().assert_none();
    }
}

/// How many nodes run the workload at this moment.
fn at_work(bench: &Workbench) -> usize {
    let processes = bench.traces().processes;
    processes.iter().filter(|(_, line)| line.contains("/bin/workload serve")).count()
}

#[test]
fn machines_change_sets_grow_and_shrink_one_set_after_the_other() {
    let fleet = Fleet::new("tests/data/machines", MACHINES, |bench| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let binary = format!("workload_binary={}", bench.path("workload").display());
        vec![binary, format!("prometheus_port={port}")]
    });
    in_place(&fleet);
    anew(&fleet);
    grows_and_shrinks(&fleet);
    fleet.ends();
}

/// A machine's argument that is changed in place goes through the stages, also if these rest on what a data source says; the other set has
/// nothing to do with it.
fn in_place(fleet: &Fleet) {
    let main = "environments/machines/main.hcl";
    let seen = "data \"local_network\" \"seen\" {\n  name = \"machines\"\n}\n\nrollout \"small\" {";
    fleet.bench.edit(main, "rollout \"small\" {", seen);
    let parallel = "max_parallel    = data.local_network.seen.name == \"machines\" ? 2 : 1";
    fleet.bench.edit(main, "max_parallel    = 2", parallel);
    fleet.apply(&["data_path=/srv/data"]).exits(0).says("committed");
    let waves = fleet.waves();
    assert_eq!(waves.concat().len(), 3, "{waves:?}");
    assert_eq!(fleet.listed(), (0, 0), "no machine came or went");
    assert!(waves.concat().iter().all(|node| node.starts_with("front")), "{waves:?}");
    fleet.on("front-main-001", "test -d /srv/data").exits(0);
    fleet.assert_no_changes(&["data_path=/srv/data"]);
}

/// Another image is another machine. With room for one node more, it is there and well before the old one goes, and Prometheus knows it
/// before it is judged; a network below all nodes is not replaced under them; and where the replacement does not get well, the node goes back.
fn anew(fleet: &Fleet) {
    let now = ["data_path=/srv/data", "image=two", "max_surge=1"];
    let network = ["data_path=/srv/data", "network=other"];
    fleet.apply(&network).exits(1).says("rollout-shared").says("modules/network/local/main.hcl");
    assert_eq!(at_work(&fleet.bench), 4);

    let mut applying = fleet.starts(&["apply", "--auto-approve"], &now);
    let mut fewest = usize::MAX;
    while !applying.has_ended() {
        fewest = fewest.min(at_work(&fleet.bench));
    }
    let said = applying.finish().exits(0).says("committed").to_string();
    assert!(fewest >= 4, "{fewest} of 4 nodes were at work: {said}");
    let waves = fleet.waves();
    assert!(waves.iter().all(|wave| wave.len() == 1), "one more at a time: {waves:?}");
    let sets: Vec<&str> = waves.iter().flatten().map(|node| &node[..4]).collect();
    assert_eq!(sets, ["fron", "fron", "fron", "back"], "one set after the other");
    for node in waves.concat() {
        let at = |what: &str| {
            let line = format!("{node}\"].service.workload: {what}");
            said.find(&line).unwrap_or_else(|| panic!("{line}: {said}"))
        };
        assert!(at("replacement created") < at("deleting the replaced object"), "{node}");
    }
    assert_eq!(fleet.listed(), (4, 0), "after each wave");
    assert!(!said.contains("rollout-unseen"), "{said}");
    fleet.assert_no_changes(&now);

    let sick = ["data_path=/srv/data", "image=three", "max_surge=1", "sick_from=0"];
    fleet.apply(&sick).exits(1).says("rollout-rolled-back");
    assert_eq!(at_work(&fleet.bench), 4);
    assert_eq!(fleet.listed(), (0, 1));
    fleet.assert_no_changes(&now);
}

/// New nodes have stages, too. Those that Prometheus sees to be wrong go away again, and its list is as before.
fn grows_and_shrinks(fleet: &Fleet) {
    let with = |more: &'static [&'static str]| {
        let mut values = vec!["data_path=/srv/data", "image=two"];
        values.extend(more);
        values
    };
    let odd = fleet.apply(&with(&["front=5", "odd_from=3"]));
    odd.exits(1).says("rollout-rolled-back").says("gate seen");
    assert_eq!(at_work(&fleet.bench), 4);
    assert_eq!(fleet.waves().concat().len(), 1);
    assert_eq!(fleet.listed(), (1, 1));
    fleet.assert_no_changes(&with(&[]));

    let grows = with(&["front=5", "back=2"]);
    told_where_the_list_has_stages_of_its_own(fleet, &grows);
    fleet.starts(&["plan", "-o", "grow.plan"], &grows).finish().exits(0).says("these follow");
    fleet.bench.run(&["apply", "grow.plan"]).exits(0).says("committed");
    let grown: BTreeSet<String> = fleet.waves().concat().into_iter().collect();
    let new = ["back-main-002", "front-main-004", "front-main-005"].map(str::to_owned);
    assert_eq!(grown, BTreeSet::from(new));
    assert_eq!(at_work(&fleet.bench), 7);
    assert_eq!(fleet.listed(), (fleet.waves().len(), 0));
    fleet.assert_no_changes(&grows);

    list_fails(fleet, &with(&["front=6", "back=2"]));
    fleet.apply(&with(&["front=2"])).exits(0).says("committed");
    assert_eq!(at_work(&fleet.bench), 3);
    assert_eq!(fleet.listed(), (fleet.waves().len(), 0));
    fleet.assert_no_changes(&with(&["front=2"]));
}

/// A list on nodes that have a rollout, too, follows nobody.
fn told_where_the_list_has_stages_of_its_own(fleet: &Fleet, grows: &[&str]) {
    let main = "environments/machines/main.hcl";
    let services = "services = [module.monitoring.node_exporter, module.monitoring.prometheus]";
    let staged = format!("{services}\n  rollout  = rollout.small");
    fleet.bench.edit(main, services, &staged);
    let planned = fleet.starts(&["plan"], grows).finish().exits(0);
    planned.says("rollout-unseen").says("stages of their own").says("service.prometheus");
    fleet.bench.edit(main, &staged, services);
}

/// Nothing can be written where the list is: nobody is judged, and when a person has mended it, it is tried again.
fn list_fails(fleet: &Fleet, grows: &[&str]) {
    let detached = ["apply", "--auto-approve", "--detach"];
    fleet.starts(&detached, grows).finish().exits(0);
    let live = "/opt/provisioner/services/prometheus/live";
    let shut = format!("mount --bind {live} {live} && mount -o remount,bind,ro {live}");
    fleet.on("watch-main-001", &shut).exits(0);
    let driving = fleet.starts(&["rollout", "run"], grows);
    wait_until("the stage is held", MINUTES, || driving.said_so_far().contains("held"));
    let entries = fleet.entries();
    let of = |kind: &str| entries.iter().filter(|it| it["entry"] == kind).collect::<Vec<_>>();
    assert!(of("measured").is_empty() && of("bake_started").is_empty(), "{entries:?}");
    let [listed] = of("lists_ended")[..] else { panic!("it was brought up to date: {entries:?}") };
    let error = listed["error"].as_str().expect("it failed");
    assert!(error.contains("prometheus") && error.contains("Read-only"), "{error}");

    fleet.bench.run(&["rollout", "status", fleet.environment]).exits(0).says("tries again");
    fleet.on("watch-main-001", &format!("umount {live}")).exits(0);
    let retry = ["rollout", "retry", fleet.environment, "--why", "mended"];
    fleet.bench.run(&retry).exits(0);
    driving.finish().exits(0).says("committed");
    fleet.assert_no_changes(grows);
}

/// Whether whoever knocks at a port of this machine is told that an SSH server is there.
fn answers(port: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")) else { return false };
    let limit = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut banner = [0; 4];
    limit.is_ok() && stream.read_exact(&mut banner).is_ok() && banner == *b"SSH-"
}

#[test]
fn a_configuration_that_cuts_its_node_off_is_taken_back_by_the_node_itself() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let ports = [free(), free()].map(|it| it.local_addr().expect("it is bound").port().to_string());
    let fleet =
        Fleet::new("tests/data/cutoff", CUTOFF, |_| vec![format!("ports=[{}]", ports.join(","))]);
    let applying = fleet.starts(&["apply", "--auto-approve"], &["cut=true"]);
    let mut cut = None;
    wait_until("a node is cut off", MINUTES, || {
        cut = ports.iter().position(|port| !answers(port));
        cut.is_some()
    });
    let cut = cut.expect("it was seen");
    let names = ["work-main-001", "work-main-002"];
    let (node, other) = (names[cut], names[1 - cut]);

    // Nobody waits for it any more, and it is switched off: nobody can have confirmed anything when it is back.
    applying.signal(Signal::SIGKILL);
    applying.finish();
    let traces = fleet.bench.traces();
    let is_init = |line: &str| line.contains("__node-init") && line.contains(node);
    let (init, _) = traces.processes.iter().find(|(_, line)| is_init(line)).expect("it runs");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(*init), Signal::SIGKILL).expect("it runs");

    // Whoever goes on changes it once more. This time it takes itself back while it runs, and the rollout sees it.
    let driven = fleet.starts(&["rollout", "run"], &["cut=true"]).finish();
    driven.exits(1).says("rollout-rolled-back").says(node);
    let log = fleet.on(node, "cat /var/log/provisioner/deadman.log").exits(0).stdout;
    assert_eq!(log.matches("uplink: reverted").count(), 2, "{log}");
    fleet.on(other, "test ! -e /var/log/provisioner/deadman.log").exits(0);
    assert!(fleet.waves().concat().is_empty(), "no other node was touched");
    fleet.assert_no_changes(&[]);
    fleet.ends();
}
