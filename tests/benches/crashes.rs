//! kill -9 at random instants of an apply, and what is left: the table of `provisioner` beside Terraform, where that is
//! on this machine.
//!
//! `cargo build && cargo bench -p tests --profile dev --bench crashes` (without `--profile dev`, and after
//! `cargo build --release`, with a release). `PROVISIONER_BENCH_KILLS` (40) says how often, `PROVISIONER_BENCH_OBJECTS`
//! (200) how many objects an apply makes, `PROVISIONER_TEST_SEED` replays the instants.
//!
//! The cloud of both is a directory that knows nothing of any state. An object's name holds its number and an identity
//! that its maker made up, so that an object that was forgotten is made a second time under another name.
//! Invariant: nobody helps; all that comes after a kill is the same command once more.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::{Random, Workbench, installed, setting, wait_until};

const OURS: &str = r#"
environment "crash" {}

variable "n" {
  type = number
}

resource "terraform_data" "id" {
  count = var.n
}

resource "local_volume" "v" {
  count = var.n
  name  = "${count.index}-${terraform_data.id[count.index].id}"
  size  = 1
}
"#;

const THEIRS: &str = r#"
variable "n" {
  type = number
}

variable "cloud" {
  type = string
}

resource "terraform_data" "v" {
  count = var.n
  input = var.cloud

  provisioner "local-exec" {
    command = "touch ${self.input}/${count.index}-${self.id}"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "rm -f ${self.input}/${count.index}-${self.id}"
  }
}
"#;

fn main() {
    // `cargo test --workspace --all-targets` starts benchmarks too, with this word.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let kills = setting("PROVISIONER_BENCH_KILLS", 40);
    let objects = setting("PROVISIONER_BENCH_OBJECTS", 200);
    println!("{kills} kills -9 at random instants of an apply of {objects} objects");
    let mut random = Random::seeded(|seed| println!("{seed}"));
    let ours = trials(&Provisioner::new(objects), kills, &mut random);
    let mut columns = vec![("provisioner", ours)];
    if let Some(terraform) = installed("terraform") {
        let theirs = trials(&Terraform::new(terraform, objects), kills, &mut random);
        columns.push(("terraform", theirs));
    }
    print(&columns);
}

/// A program under trial, with a state and a cloud of its own.
trait Contender {
    /// The apply, the same every time.
    fn apply(&self) -> Command;
    /// The names of all objects that the state records; none if it cannot be read.
    fn recorded(&self) -> Option<BTreeSet<String>>;
    /// The directory with one entry an object.
    fn cloud(&self) -> PathBuf;
    /// Whether the state is still said to be held by somebody.
    fn is_locked(&self) -> bool;
    /// Takes away state and cloud.
    fn reset(&self);
    /// Where its processes are.
    fn bench(&self) -> &Workbench;

    fn objects(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.cloud()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    fn start(&self) -> Child {
        let mut command = self.apply();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }
}

/// What one kill left, and what the next apply made of it.
#[derive(Default)]
struct Trial {
    unreadable: bool,
    unrecorded: usize,
    locked: bool,
    failed: bool,
    orphans: usize,
    duplicates: usize,
    apply_s: f64,
}

fn trials(contender: &dyn Contender, kills: u64, random: &mut Random) -> Vec<Trial> {
    let started = Instant::now();
    assert!(contender.start().wait().expect("it can be waited for").success(), "an apply works");
    let whole = started.elapsed();
    let mut trials = Vec::new();
    for _ in 0..kills {
        contender.reset();
        let span = u64::try_from(whole.as_micros()).expect("it took less than an age");
        trials.push(trial(contender, Duration::from_micros(random.below(span))));
    }
    trials
}

fn trial(contender: &dyn Contender, instant: Duration) -> Trial {
    let mut child = contender.start();
    std::thread::sleep(instant);
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));
    kill(pid, Signal::SIGKILL).expect("the child is there until it is waited for");
    child.wait().expect("it can be waited for");
    wait_until("what it had started has ended", Duration::from_secs(30), || {
        contender.bench().traces().processes.is_empty()
    });
    let recorded = contender.recorded();
    let unreadable = recorded.is_none();
    let unrecorded = contender.objects().difference(&recorded.unwrap_or_default()).count();
    let locked = contender.is_locked();
    let started = Instant::now();
    let next = contender.start().wait().expect("it can be waited for");
    let apply_s = started.elapsed().as_secs_f64();
    let (recorded, objects) = (contender.recorded().unwrap_or_default(), contender.objects());
    let mut by_number: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &objects {
        let number = name.split('-').next().unwrap_or_default();
        *by_number.entry(number).or_default() += 1;
    }
    Trial {
        unreadable,
        unrecorded,
        locked,
        failed: !next.success(),
        orphans: objects.difference(&recorded).count(),
        duplicates: by_number.values().map(|count| count - 1).sum(),
        apply_s,
    }
}

fn print(columns: &[(&str, Vec<Trial>)]) {
    let line = |what: &str, figures: Vec<String>| {
        let figures: Vec<_> = figures.into_iter().map(|figure| format!("{figure:>18}")).collect();
        println!("{what:<58}{}", figures.concat());
    };
    let row = |what: &str, figure: &dyn Fn(&[Trial]) -> String| {
        line(what, columns.iter().map(|(_, trials)| figure(trials)).collect());
    };
    line("trials", columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    row("state file empty or unreadable", &|all| of(all, |trial| trial.unreadable));
    row("a lock left behind", &|all| of(all, |trial| trial.locked));
    row("objects without a record after the kill", &|all| of(all, |trial| trial.unrecorded > 0));
    row("  mean (most)", &|all| spread(all, |trial| trial.unrecorded));
    row("next apply fails: a hand is needed", &|all| of(all, |trial| trial.failed));
    row("orphans after the next apply", &|all| of(all, |trial| trial.orphans > 0));
    row("  mean (most)", &|all| spread(all, |trial| trial.orphans));
    row("objects made more than once after the next apply", &|all| {
        of(all, |trial| trial.duplicates > 0)
    });
    row("  mean (most)", &|all| spread(all, |trial| trial.duplicates));
    row("seconds of the next apply, mean", &|all| {
        let count = u32::try_from(all.len()).map_or(1.0, f64::from);
        format!("{:.2}", all.iter().map(|trial| trial.apply_s).sum::<f64>() / count)
    });
}

fn of(trials: &[Trial], is_so: impl Fn(&Trial) -> bool) -> String {
    format!("{} of {}", trials.iter().filter(|trial| is_so(trial)).count(), trials.len())
}

fn spread(trials: &[Trial], figure: impl Fn(&Trial) -> usize) -> String {
    let figures: Vec<_> = trials.iter().map(figure).collect();
    let as_float = |number: usize| u32::try_from(number).map_or(f64::MAX, f64::from);
    let mean = as_float(figures.iter().sum()) / as_float(figures.len().max(1));
    format!("{mean:.1} ({})", figures.into_iter().max().unwrap_or_default())
}

struct Provisioner {
    bench: Workbench,
    count: String,
}

impl Provisioner {
    fn new(objects: u64) -> Self {
        let bench = Workbench::empty();
        std::fs::create_dir(bench.path("state")).expect("the directory is ours");
        let configuration = bench.path("cloud");
        let provider =
            format!("provider \"local\" {{\n  directory = \"{}\"\n}}\n", configuration.display());
        bench.write("env/main.hcl", &format!("{provider}{OURS}"));
        Self { bench, count: format!("n={objects}") }
    }
}

impl Contender for Provisioner {
    fn apply(&self) -> Command {
        self.bench.command(&["apply", "env", "--auto-approve", "--var", &self.count])
    }

    fn recorded(&self) -> Option<BTreeSet<String>> {
        if !self.bench.path("state/crash.sqlite").exists() {
            return Some(BTreeSet::new());
        }
        let listed = self.bench.run(&["state", "list", "env", "--json"]);
        let objects: Value =
            serde_json::from_str(&listed.stdout).ok().filter(|_| listed.code == 0)?;
        let ids = objects.as_array()?.iter().filter_map(|object| object["id"].as_str());
        Some(ids.map(str::to_owned).collect())
    }

    fn cloud(&self) -> PathBuf {
        self.bench.path("cloud/volumes")
    }

    fn is_locked(&self) -> bool {
        if !self.bench.path("state/crash.sqlite").exists() {
            return false;
        }
        let leases = self.bench.run(&["state", "leases", "env", "--json"]).exits(0).json();
        leases.as_array().is_none_or(|held| !held.is_empty())
    }

    fn reset(&self) {
        for directory in ["state", "cloud"] {
            let _ = std::fs::remove_dir_all(self.bench.path(directory));
        }
        std::fs::create_dir(self.bench.path("state")).expect("the directory is ours");
        self.bench.give_to_user();
    }

    fn bench(&self) -> &Workbench {
        &self.bench
    }
}

struct Terraform {
    bench: Workbench,
    program: PathBuf,
    count: String,
}

impl Terraform {
    fn new(program: PathBuf, objects: u64) -> Self {
        let bench = Workbench::empty();
        bench.write("terraform/main.tf", THEIRS);
        let terraform = Self { bench, program, count: format!("n={objects}") };
        terraform.reset();
        let status = terraform.command(&["init", "-input=false"]).stdout(Stdio::null()).status();
        assert!(status.expect("terraform starts").success(), "terraform init works");
        terraform
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bench.any_command(&self.program);
        command.arg("-chdir=terraform").args(words);
        command.env("TF_DATA_DIR", self.bench.path("home/terraform"));
        command.env("CHECKPOINT_DISABLE", "1").env("TF_CLI_CONFIG_FILE", "/dev/null");
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.bench.path("terraform").join(name)
    }
}

impl Contender for Terraform {
    fn apply(&self) -> Command {
        let cloud = format!("cloud={}", self.cloud().display());
        let words = ["apply", "-auto-approve", "-input=false", "-parallelism=16"];
        self.command(&[&words[..], &["-var", &self.count, "-var", &cloud]].concat())
    }

    fn recorded(&self) -> Option<BTreeSet<String>> {
        let file = self.file("terraform.tfstate");
        if !Path::exists(&file) {
            return Some(BTreeSet::new());
        }
        let state: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        let resources = state["resources"].as_array()?.iter();
        let instances = resources.filter_map(|resource| resource["instances"].as_array()).flatten();
        let name = |instance: &Value| {
            let id = instance["attributes"]["id"].as_str()?;
            Some(format!("{}-{id}", instance["index_key"]))
        };
        Some(instances.filter_map(name).collect())
    }

    fn cloud(&self) -> PathBuf {
        self.bench.path("cloud")
    }

    fn is_locked(&self) -> bool {
        self.file(".terraform.tfstate.lock.info").exists()
    }

    fn reset(&self) {
        let files =
            ["terraform.tfstate", "terraform.tfstate.backup", ".terraform.tfstate.lock.info"];
        for file in files {
            let _ = std::fs::remove_file(self.file(file));
        }
        let _ = std::fs::remove_dir_all(self.cloud());
        std::fs::create_dir(self.cloud()).expect("the directory is ours");
        self.bench.give_to_user();
    }

    fn bench(&self) -> &Workbench {
        &self.bench
    }
}
