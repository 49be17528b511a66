//! Rollouts end to end: the workload of the tests on real nodes, judged by a real Prometheus, changed by the real program.
//!
//! Bakes are seconds here, not minutes; everything else is as users have it.

#![expect(
    clippy::print_stdout,
    reason = "how long detection and restoring took is for whoever reads the tests' output"
)]

use nix::sys::signal::Signal;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tests::{
    Azurite, Finished, Postgres, Random, Running, Terminal, Workbench, setting, wait_until,
};

const ENVIRONMENT: &str = "environments/rollout";
/// Goes on with a rollout when whoever drove it is gone.
const RUN: [&str; 5] = ["rollout", "run", ENVIRONMENT, "--lock-timeout", "90s"];
const YES: &str = "--auto-approve";
const MINUTES: Duration = Duration::from_mins(3);

/// One fleet at a time: a machine that is too busy to answer is an outage, and holds a rollout as it should.
static ALONE: Mutex<()> = Mutex::new(());

/// A fleet of nodes that run version 1 of the workload.
struct Fleet {
    bench: Workbench,
    arguments: Vec<String>,
    prometheus: String,
    /// Given back when everything else is gone.
    _alone: MutexGuard<'static, ()>,
}

fn port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port().to_string()
}

impl Fleet {
    fn new(size: u32, more: &[&str]) -> Self {
        Self::prepared(size, more, |_| ())
    }

    /// The same, recorded at a place that other machines reach, with another working directory, `elsewhere`, that knows it.
    fn shared(size: u32, place: &str, prepare: impl FnOnce(&mut Workbench)) -> Self {
        let block = format!(
            "environment \"rollout\" {{\n  state {{\n    {place}\n    lease_s = 15\n  }}\n"
        );
        Self::prepared(size, &[], |bench| {
            prepare(bench);
            bench.add("modules", "elsewhere/modules");
            bench.add("tests/data/rollout", "elsewhere/environments/rollout");
            for place in ["", "elsewhere/"] {
                let main = format!("{place}{ENVIRONMENT}/main.hcl");
                bench.edit(&main, "environment \"rollout\" {\n", &block);
            }
        })
    }

    fn prepared(size: u32, more: &[&str], prepare: impl FnOnce(&mut Workbench)) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bench = Workbench::new();
        bench.add("tests/data/rollout", ENVIRONMENT);
        prepare(&mut bench);
        bench.add_program("workload");
        let (prometheus, alertmanager) = (port(), port());
        let binary = format!("workload_binary={}", bench.path("workload").display());
        let values = [
            binary,
            format!("size={size}"),
            format!("prometheus_port={prometheus}"),
            format!("alertmanager_port={alertmanager}"),
            "bake=8s".to_owned(),
        ];
        let values = values.into_iter().chain(more.iter().map(ToString::to_string));
        let arguments = values.flat_map(|value| ["--var".to_owned(), value]).collect();
        let fleet = Self { _alone: alone, bench, arguments, prometheus };
        fleet.apply(&[]).exits(0);
        fleet
    }

    fn command(&self, words: &[&str], values: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = words.iter().map(ToString::to_string).collect();
        all.extend(self.arguments.iter().cloned());
        all.extend(values.iter().flat_map(|value| ["--var".to_owned(), (*value).to_owned()]));
        all
    }

    fn apply(&self, values: &[&str]) -> Finished {
        let words = self.command(&["apply", ENVIRONMENT, YES], values);
        self.bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn starts(&self, words: &[&str], values: &[&str]) -> Running {
        let words = self.command(words, values);
        self.bench.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A command on another host, in the other working directory.
    fn starts_elsewhere(&self, words: &[&str]) -> Running {
        let mut command = self.bench.command_on("elsewhere", words);
        command.current_dir(self.bench.path("elsewhere"));
        self.bench.start_command(command)
    }

    fn applies(&self, values: &[&str]) -> Running {
        self.starts(&["apply", ENVIRONMENT, YES], values)
    }

    fn rollout(&self, verb: &str, more: &[&str]) -> Finished {
        let mut words = vec!["rollout", verb, ENVIRONMENT];
        words.extend(more);
        self.bench.run(&words)
    }

    /// The entries of the last rollout.
    fn entries(&self) -> Vec<Value> {
        let all = self.rollout("history", &["--json"]).exits(0).json();
        let last = all.as_array().and_then(|all| all.last()).expect("there was one");
        let last = text(&last["rollout"]).to_owned();
        let entries = self.rollout("history", &[&last, "--json"]).exits(0).json();
        entries.as_array().expect("entries are a list").clone()
    }

    /// How the rollout that is under way stands.
    fn standing(&self) -> Value {
        self.rollout("status", &["--json"]).exits(0).json()
    }

    #[track_caller]
    fn assert_no_changes(&self, values: &[&str]) {
        let words = self.command(&["plan", ENVIRONMENT, "--detailed-exitcode"], values);
        self.bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
        self.bench.run(&["state", "check", ENVIRONMENT]).exits(0);
    }

    /// The evidence of the last rollout is as it was signed, and whoever judges it anew comes to the same verdicts.
    #[track_caller]
    fn assert_sound(&self) {
        let (evidence, keys) = (self.bench.path("evidence.json"), self.bench.path("keys.json"));
        let written = evidence.to_str().expect("a path");
        self.bench.run(&["rollout", "evidence", "export", ENVIRONMENT, "-o", written]).exits(0);
        let public = self.bench.run(&["rollout", "evidence", "keys", ENVIRONMENT]).exits(0);
        std::fs::write(&keys, public.stdout).expect("the directory is ours");
        let verify =
            ["rollout", "evidence", "verify", written, "--keys", keys.to_str().expect("a path")];
        self.bench.run(&verify).exits(0).says("is sound");
    }

    /// What Prometheus answers to a query that gives one number.
    fn ask(&self, query: &str) -> f64 {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.prometheus);
        let mut answer = ureq::post(&url).send_form([("query", query)]).expect("it answers");
        let answer = answer.body_mut().read_to_string().expect("it is text");
        let answer: Value = serde_json::from_str(&answer).expect("it is JSON");
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    fn on(&self, node: &str, command: &str) -> Finished {
        self.bench.run(&["ssh", ENVIRONMENT, node, "--", command])
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text"))
}

/// The entries of a kind.
fn of<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries.iter().map(|entry| &entry["what"]).filter(|what| what["entry"] == kind).collect()
}

/// The nodes that waves changed, wave by wave.
fn changed(entries: &[Value]) -> Vec<Vec<String>> {
    let names = |wave: &&Value| {
        let nodes = wave["changed"].as_array().expect("a wave has nodes");
        nodes.iter().map(|name| text(name).to_owned()).collect()
    };
    of(entries, "wave_ended").iter().map(names).collect()
}

fn outcome(entries: &[Value]) -> String {
    let ended = of(entries, "ended");
    text(&ended.first().expect("it is over")["outcome"]).to_owned()
}

/// How many nodes are on the candidate after each stage.
fn after_stages(entries: &[Value]) -> Vec<usize> {
    let (mut sizes, mut nodes) = (Vec::new(), 0);
    for what in entries.iter().map(|entry| &entry["what"]) {
        match text(&what["entry"]) {
            "wave_ended" => nodes += what["changed"].as_array().map_or(0, Vec::len),
            "promoted" => sizes.push(nodes),
            _ => {}
        }
    }
    sizes
}

#[test]
fn twenty_four_nodes_get_a_good_version_and_are_kept_from_bad_ones() {
    let fleet = Fleet::new(24, &["load=20"]);
    good(&fleet);
    errors(&fleet);
    slow(&fleet);
    fleet.bench.run(&["destroy", ENVIRONMENT, YES]).exits(0);
    fleet.bench.traces().assert_none();
}

/// It goes through all stages by itself.
fn good(fleet: &Fleet) {
    let words = fleet.command(&["plan", ENVIRONMENT, "--json"], &["workload_version=2"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let planned = fleet.bench.run(&words).exits(0).json();
    let foreseen = planned["rollout"]["sets"][0]["stages"][0]["nodes"].clone();

    fleet.apply(&["workload_version=2"]).exits(0).says("committed");
    let entries = fleet.entries();
    assert_eq!(outcome(&entries), "committed");
    assert_eq!(after_stages(&entries), [2, 6, 12, 18, 24]);
    let first: Vec<String> = changed(&entries)[0].clone();
    let foreseen: Vec<&str> = foreseen.as_array().expect("nodes").iter().map(text).collect();
    assert_eq!(first, foreseen, "the plan names the nodes of a stage");
    fleet.assert_no_changes(&["workload_version=2"]);
}

/// Five per cent of errors: stopped at the canary, and nobody else has seen any.
fn errors(fleet: &Fleet) {
    let bad = ["workload_version=3", "error_rate=0.05"];
    fleet.apply(&bad).exits(1).says("rollout-rolled-back").says("errors");
    let entries = fleet.entries();
    assert_eq!(outcome(&entries), "rolled_back");
    assert_eq!(after_stages(&entries), [0_usize; 0], "no stage was promoted");
    let canary = changed(&entries).concat();
    assert_eq!(canary.len(), 2, "5 % of 24: {canary:?}");
    let others = format!(
        "sum(increase(http_requests_total{{code=~\"5..\",node!~\"{}\"}}[2m]))",
        canary.join("|")
    );
    assert!(fleet.ask(&others) == 0.0, "the users of the other nodes saw nothing");
    let history = fleet.rollout("history", &[]).exits(0);
    println!("{history}");
    let decided = of(&entries, "rollback_decided")[0]["detected_ms"].as_i64().expect("a time");
    let ended = entries.last().expect("it is over")["at_ms"].as_i64().expect("a time");
    assert!(decided < ended);
    fleet.assert_no_changes(&["workload_version=2"]);
    fleet.assert_sound();
    let report = fleet.bench.path("report.html");
    let report_path = report.to_str().expect("a path");
    fleet.bench.run(&["rollout", "report", ENVIRONMENT, "-o", report_path]).exits(0);
    let report = std::fs::read_to_string(report).expect("it was written");
    assert!(report.contains("<svg") && report.contains("rolled back"), "{report}");
}

/// Only slow: the canary stages, which look at errors, let it pass; the gradual one, which looks at latency, does not.
fn slow(fleet: &Fleet) {
    let slow = ["workload_version=4", "latency_ms=180"];
    fleet.apply(&slow).exits(1).says("rollout-rolled-back").says("latency");
    let entries = fleet.entries();
    assert_eq!(after_stages(&entries), [2, 6], "two stages were promoted");
    assert_eq!(outcome(&entries), "rolled_back");
    let restored: usize = of(&entries, "rollback_wave_ended")
        .iter()
        .map(|wave| wave["restored"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(restored, changed(&entries).concat().len());
    fleet.assert_no_changes(&["workload_version=2"]);
}

#[test]
fn a_controller_that_is_killed_in_every_stage_is_followed_by_another() {
    let fleet = Fleet::new(6, &[]);
    let candidate = ["workload_version=2", "snapshot_before=true"];
    let words = ["apply", ENVIRONMENT, YES, "--detach"];
    let begun = fleet.starts(&words, &candidate).finish().exits(0).says("rollout run");
    let begun = begun.says("Before the first stage a restore point is made: rollout-");
    begun.says("of 12 objects");
    killed_while_it_captures(&fleet, &candidate);
    for stage in ["canary-5", "canary-25", "gradual-75", "full"] {
        let mut driving = fleet.starts(&RUN, &candidate);
        let entered = format!("{stage} bakes");
        wait_until(&entered, MINUTES, || {
            driving.has_ended() || driving.said_so_far().contains(&entered)
        });
        assert!(!driving.has_ended(), "{}", driving.said_so_far());
        driving.signal(Signal::SIGKILL);
        driving.finish().exits(137);
    }
    let taken = fleet.entries();
    let point = text(&of(&taken, "snapshot_taken")[0]["point"]);
    fleet.rollout("status", &[]).says(&format!("restore point {point} was made"));
    let restore = ["restore", "plan", ENVIRONMENT, "--from", point];
    fleet.starts(&restore, &candidate).finish().exits(1).says("would go past its stages");
    fleet.starts(&RUN, &candidate).finish().exits(0).says("committed");
    let entries = fleet.entries();
    let all = changed(&entries).concat();
    let once: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), once.len()), (6, 6), "each node was changed once: {all:?}");
    assert!(!of(&entries, "taken_over").is_empty());
    fleet.assert_no_changes(&candidate);
    captured_before_it_began(&fleet, &entries);
}

/// Whoever drives is killed while the restore point is made, and it stays while its rollout is under way, whole or not.
fn killed_while_it_captures(fleet: &Fleet, candidate: &[&str]) {
    let driving = fleet.starts(&RUN, candidate);
    let said = "local_snapshot.captured";
    wait_until("it captures", MINUTES, || driving.said_so_far().contains(said));
    driving.signal(Signal::SIGKILL);
    driving.finish().exits(137);
    let prune = ["backup", "prune", ENVIRONMENT, "--keep", "0", "--auto-approve"];
    fleet.bench.run(&prune).exits(0).says("stays: its rollout is under way");
}

/// The restore point has every node as it was before the first wave, and goes when nobody needs it any more.
fn captured_before_it_began(fleet: &Fleet, entries: &[Value]) {
    let place = |kind: &str| entries.iter().position(|entry| entry["what"]["entry"] == kind);
    assert!(place("snapshot_taken") < place("stage_entered"), "{entries:?}");
    let taken = of(entries, "snapshot_taken");
    assert_eq!(taken.len(), 1);
    let point = text(&taken[0]["point"]);
    fleet.bench.run(&["backup", "verify", ENVIRONMENT]).exits(0).says("12 snapshots");
    let shown = fleet.bench.run(&["backup", "show", ENVIRONMENT, point, "--json"]).exits(0).json();
    let mut of_nodes: Vec<_> = shown["snapshots"]
        .as_array()
        .expect("it has snapshots")
        .iter()
        .filter(|snapshot| text(&snapshot["of"]).contains("local_machine"))
        .map(|snapshot| text(&snapshot["object"]))
        .collect();
    of_nodes.sort_unstable();
    let nodes: Vec<_> = (1..=6).map(|number| format!("work-main-00{number}")).collect();
    assert_eq!(of_nodes, nodes);
    let keep = ["backup", "prune", ENVIRONMENT, "--keep", "0", "--auto-approve"];
    fleet.bench.run(&keep).exits(0).says("stays: there is no other");
    fleet.bench.run(&["backup", "delete", ENVIRONMENT, point, "--auto-approve"]).exits(0);
}

#[test]
fn controllers_that_are_killed_at_any_instant_or_fall_asleep_are_followed_by_others() {
    let server = Postgres::start();
    let place = format!("backend = \"postgres\"\n    url     = \"{}\"", server.url());
    let fleet = Fleet::shared(3, &place, |_| ());
    killed_at_any_instant(&fleet);
    asleep_while_another_machine_goes_on(&fleet);
}

#[test]
fn a_controller_on_another_machine_takes_over_through_an_object_store() {
    let Some(azurite) = Azurite::start() else {
        println!("npm is missing, so Azure Blob is not tested here");
        return;
    };
    azurite.make_container("fleets");
    let place = format!(
        "backend  = \"azure\"\n    url      = \"az://fleets/team\"\n    endpoint = \"{}\"",
        azurite.endpoint()
    );
    let fleet = Fleet::shared(3, &place, |bench| {
        bench.set("AZURE_STORAGE_ACCOUNT_NAME", Azurite::ACCOUNT);
        bench.set("AZURE_STORAGE_ACCOUNT_KEY", Azurite::KEY);
    });
    asleep_while_another_machine_goes_on(&fleet);
}

/// `PROVISIONER_TEST_KILLS` sets how often; `PROVISIONER_TEST_SEED` replays a run.
fn killed_at_any_instant(fleet: &Fleet) {
    let mut random = Random::seeded(|seed| println!("{seed}"));
    let candidate = ["workload_version=2"];
    let words = ["apply", ENVIRONMENT, YES, "--detach"];
    fleet.starts(&words, &candidate).finish().exits(0);
    let mut is_over = false;
    for kill in 1..=setting("PROVISIONER_TEST_KILLS", 5) {
        let instant = Duration::from_millis(random.below(4_000));
        println!("kill {kill}: after {} ms", instant.as_millis());
        let mut driving = fleet.starts(&RUN, &candidate);
        let begun = Instant::now();
        wait_until("the instant has come", MINUTES, || {
            begun.elapsed() >= instant || driving.has_ended()
        });
        is_over = driving.has_ended();
        driving.signal(Signal::SIGKILL);
        let ended = driving.finish();
        if is_over {
            ended.exits(0).says("committed");
            break;
        }
    }
    if !is_over {
        fleet.starts(&RUN, &candidate).finish().exits(0).says("committed");
    }
    let entries = fleet.entries();
    assert_eq!(outcome(&entries), "committed");
    let numbers: Vec<_> = entries.iter().map(|entry| entry["number"].as_u64()).collect();
    assert!((0..).map(Some).zip(&numbers).all(|(at, number)| at == *number), "{numbers:?}");
    let mut all = changed(&entries).concat();
    all.sort();
    assert_eq!(all, ["work-main-001", "work-main-002", "work-main-003"], "each changed once");
    fleet.assert_sound();
    fleet.assert_no_changes(&candidate);
}

/// The first controller is stopped; on another machine, with the same store, the next one goes on when the lease has run
/// out. The first one wakes when all is over, and writes nothing.
fn asleep_while_another_machine_goes_on(fleet: &Fleet) {
    let candidate = ["workload_version=3"];
    fleet.starts(&["plan", ENVIRONMENT, "-o", "x.plan"], &candidate).finish().exits(0);
    let asleep = fleet.bench.start(&["apply", "x.plan"]);
    wait_until("a stage bakes", MINUTES, || asleep.said_so_far().contains("canary-25 bakes"));
    asleep.signal(Signal::SIGSTOP);
    let run = ["rollout", "run", "../x.plan", "--lock-timeout", "90s"];
    let other = fleet.starts_elsewhere(&run).finish();
    other.says("Waiting for").exits(0).says("committed");
    let entries = fleet.entries();
    let taken = of(&entries, "taken_over");
    assert_eq!(taken.len(), 1);
    let by = taken[0]["by"].as_str().unwrap_or_default();
    assert!(by.contains("on elsewhere") || !nix::unistd::geteuid().is_root(), "{by}");
    let export = || fleet.bench.run(&["state", "export", ENVIRONMENT]).exits(0).stdout;
    let before = export();
    asleep.signal(Signal::SIGCONT);
    asleep.finish().exits(1).says("no longer hold");
    assert_eq!((fleet.entries(), export()), (entries, before), "it has written");
    fleet.assert_sound();
    fleet.assert_no_changes(&candidate);
}

#[test]
fn an_outage_of_prometheus_holds_and_a_node_that_dies_is_counted() {
    let fleet = Fleet::new(6, &[]);
    let applying = fleet.applies(&["workload_version=2"]);
    wait_until("the canary bakes", MINUTES, || applying.said_so_far().contains("canary-5 bakes"));
    fleet.on("watch-main-001", "pkill -STOP -x prometheus").exits(0);
    wait_until("the stage is held", MINUTES, || applying.said_so_far().contains("held"));
    assert!(!applying.said_so_far().contains("canary-25 begins"), "missing data never promotes");
    fleet.on("watch-main-001", "pkill -CONT -x prometheus").exits(0);
    applying.finish().exits(0).says("committed");
    fleet.assert_no_changes(&["workload_version=2"]);

    let applying = fleet.applies(&["workload_version=3"]);
    wait_until("the second stage bakes", MINUTES, || {
        applying.said_so_far().contains("canary-25 bakes")
    });
    let dying = "work-main-003";
    let traces = fleet.bench.traces();
    let is_init = |line: &str| line.contains("__node-init") && line.contains(dying);
    let (init, _) = traces.processes.iter().find(|(_, line)| is_init(line)).expect("it runs");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(*init), Signal::SIGKILL).expect("it runs");
    let ended = applying.finish().exits(0).says("committed");
    let entries = fleet.entries();
    assert!(!of(&entries, "nodes_seen").is_empty(), "it was seen to be down: {ended}");
    let all = changed(&entries).concat();
    assert!(all.iter().filter(|node| *node != dying).count() == 5, "{all:?}");
    fleet.apply(&["workload_version=3"]).exits(0);
    fleet.assert_no_changes(&["workload_version=3"]);
}

#[test]
fn what_is_newer_takes_over_a_freeze_holds_and_a_node_that_refuses_goes_back_by_itself() {
    let fleet = Fleet::new(6, &[]);
    let first = fleet.applies(&["workload_version=2"]);
    wait_until("a stage bakes", MINUTES, || first.said_so_far().contains("canary-5 bakes"));
    fleet.apply(&["workload_version=3"]).exits(0).says("is superseded").says("committed");
    first.finish().exits(1).says("rollout-superseded");
    fleet.assert_no_changes(&["workload_version=3"]);

    // Begun, and regretted before anything was changed.
    let words = ["apply", ENVIRONMENT, YES, "--detach"];
    fleet.starts(&words, &["workload_version=4"]).finish().exits(0);
    fleet.apply(&["workload_version=3"]).exits(0).says("is superseded").says("No changes");
    assert_eq!(outcome(&fleet.entries()), "superseded");
    overtaken_while_a_person_reads(&fleet);

    // A version that does not get well is taken back by the node itself, and ends the rollout.
    fleet.apply(&["workload_version=4", "unhealthy=true"]).exits(1).says("rollout-rolled-back");
    assert_eq!(outcome(&fleet.entries()), "rolled_back");
    fleet.assert_no_changes(&["workload_version=3"]);

    // A freeze begins in the middle: nothing is promoted, and going back is possible all the same.
    let now = jiff::Timestamp::now();
    let from = now + jiff::SignedDuration::from_secs(4);
    let until = now + jiff::SignedDuration::from_mins(10);
    let freeze = format!("freeze={{from=\"{from}\",until=\"{until}\"}}");
    let frozen = fleet.applies(&["workload_version=5", &freeze]);
    wait_until("the freeze holds it", MINUTES, || frozen.said_so_far().contains("freeze"));
    fleet.rollout("abort", &["--why", "enough"]).exits(0);
    frozen.finish().exits(1).says("rollout-rolled-back");
    assert_eq!(after_stages(&fleet.entries()).len(), 0);
    fleet.assert_no_changes(&["workload_version=3"]);
}

/// A rollout is superseded by a plan that rolls nothing out. Before a person agrees to that plan, another run does what is in it, and begins
/// a rollout: what was agreed to is no more all there is to do, and is refused. The next run rolls the nodes out again.
fn overtaken_while_a_person_reads(fleet: &Fleet) {
    let (here, newer) = (["workload_version=3"], ["workload_version=4"]);
    let volume = "resource \"local_volume\" \"beside\" {\n  name = \"beside\"\n  size = 1\n}\n";
    fleet.starts(&["apply", ENVIRONMENT, YES, "--detach"], &newer).finish().exits(0);
    fleet.bench.write(&format!("{ENVIRONMENT}/beside.hcl"), volume);
    let words = fleet.command(&["apply", ENVIRONMENT], &here);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut reading = Terminal::start(&fleet.bench, &words);
    reading.shows("is superseded");
    reading.shows("Only `yes` is a yes: ");
    let part = ["apply", ENVIRONMENT, YES, "--target", "local_volume.beside"];
    fleet.starts(&part, &here).finish().exits(0);
    let other = fleet.applies(&newer);
    wait_until("a stage bakes", MINUTES, || other.said_so_far().contains("canary-5 bakes"));
    reading.types("yes\r");
    reading.shows("Planning again");
    reading.shows("busy");
    reading.shows("it begins a rollout of them");
    reading.ends(1);
    assert_eq!(changed(&fleet.entries()).concat().len(), 1, "it has changed nothing");
    fleet.apply(&here).exits(0).says("is superseded").says("committed");
    other.finish().exits(1).says("rollout-superseded");
    assert_eq!(changed(&fleet.entries()).concat().len(), 1, "the node that was changed");
    fleet.assert_no_changes(&here);
}

/// The plan is made in one place, agreed to by people, and applied where the files are other ones by then.
#[test]
fn a_saved_plan_begins_the_rollout_that_was_read_and_people_agree_to_it() {
    let fleet = Fleet::new(3, &[]);
    let told = fleet.bench.path("told");
    let (told_to, approval) =
        (format!("told={}", told.display()), r#"approval={people=2,valid="10m"}"#);
    let candidate = ["workload_version=2", approval, &told_to];
    let saving = ["plan", ENVIRONMENT, "--json", "-o", "x.plan"];
    let words = fleet.command(&saving, &candidate);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let planned = fleet.bench.run(&words).exits(0).json();
    let file = std::fs::read(fleet.bench.path("x.plan")).expect("it was written");
    let holds = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        !holds("workload_binary") && !holds("max_parallel    ="),
        "the configuration is sealed"
    );

    // From now on the files say something else.
    let rules = "environments/rollout/rollout.hcl";
    fleet.bench.edit(rules, "max_parallel    = 4", "max_parallel    = 1");
    fleet.bench.edit(
        "environments/rollout/workload/main.hcl",
        "dead_man_s = 60",
        "dead_man_s = 61",
    );
    fleet.bench.run(&["apply", "x.plan", "--var", "size=4"]).exits(1).says("plan-is-complete");
    let begun = fleet.bench.run(&["apply", "x.plan", "--detach"]).exits(0);
    begun.says("rollout run x.plan");
    let standing = fleet.standing();
    assert_eq!(standing["plan_hash"], planned["rollout_plan_hash"]);
    assert_eq!(standing["rollout"], planned["rollout"]["rollout"]);
    fleet
        .starts(&["rollout", "run", ENVIRONMENT], &candidate)
        .finish()
        .exits(1)
        .says("rollout-other-configuration");

    let driving = fleet.bench.start(&["rollout", "run", "x.plan"]);
    let hash = text(&planned["rollout_plan_hash"]).to_owned();
    let approve =
        |hash: &str, more: &[&str]| fleet.rollout("approve", &[&["--plan", hash], more].concat());
    approve(&"0".repeat(64), &[]).exits(1).says("rollout-not-now").says("another plan");
    wait_until("people are waited for", MINUTES, || driving.said_so_far().contains("must agree"));
    fleet.rollout("status", &[]).exits(0).says("2 people must agree").says(&hash);
    approve(&hash, &["--as", "ada"]).exits(0);
    approve(&hash, &["--as", "ada"]).exits(0);
    wait_until("one counts once", MINUTES, || {
        driving.said_so_far().contains("1 person must agree")
    });
    fleet.rollout("status", &[]).exits(0).says("ada agreed to canary-25");
    approve(&hash, &["--as", "grace"]).exits(0);
    driving.finish().exits(0).says("committed");
    let told = std::fs::read_to_string(told).expect("people were told");
    assert!(told.contains(&hash) && told.contains("2 more people must approve stage"), "{told}");
    fleet.bench.run(&["apply", "x.plan"]).exits(1).says("rollout-spent");

    fleet.bench.edit(rules, "max_parallel    = 1", "max_parallel    = 4");
    fleet.bench.edit(
        "environments/rollout/workload/main.hcl",
        "dead_man_s = 61",
        "dead_man_s = 60",
    );
    fleet.assert_no_changes(&["workload_version=2"]);
    parts_and_mistakes(&fleet);
}

/// A part of a rollout is none, nor is one that a plan was made for when things were otherwise.
fn parts_and_mistakes(fleet: &Fleet) {
    let part = ["--target", "node_set.work.node[\"work-main-001\"]"];
    let plan = ["plan", ENVIRONMENT, "-o", "y.plan"];
    let next = ["workload_version=3"];
    fleet.starts(&[&plan[..], &part].concat(), &next).finish().exits(1).says("rollout-targets");
    let apply = ["apply", ENVIRONMENT, YES];
    fleet.starts(&[&apply[..], &part].concat(), &next).finish().exits(1).says("rollout-targets");

    fleet.starts(&plan, &next).finish().exits(0);
    let bytes = std::fs::read(fleet.bench.path("y.plan")).expect("it was written");
    let mut forged = bytes;
    *forged.last_mut().expect("it is not empty") ^= 1;
    std::fs::write(fleet.bench.path("z.plan"), forged).expect("the directory is ours");
    fleet.bench.give_to_user();
    fleet.bench.run(&["apply", "z.plan"]).exits(1).says("plan-file-tampered");
    // A node is another one by then.
    let replace = ["--replace", "node_set.watch.node[\"watch-main-001\"].service.prometheus"];
    fleet.starts(&[&apply[..], &replace].concat(), &["workload_version=2"]).finish().exits(0);
    fleet.bench.run(&["apply", "y.plan"]).exits(1).says("stale").says("prometheus");
    assert_eq!(fleet.rollout("status", &[]).code, 1, "nothing was begun");

    fleet.bench.edit(
        "environments/rollout/rollout.hcl",
        "sum(increase(http_requests_total{$candidate}[$window]))",
        "sum(increase(http_requests_total{$candidate}[$window])",
    );
    let wrong = fleet.starts(&["plan", ENVIRONMENT], &next).finish().exits(1);
    wrong.says("gate-query").says("rollout.hcl");
}
