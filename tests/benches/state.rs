//! What recording costs, beside Terraform where it is on this machine.
//!
//! `cargo build --release && cargo bench -p tests --bench state` measures the release that people run (it runs the
//! `provisioner` that lies beside the benchmark, so `cargo build && cargo bench -p tests --profile dev --bench state`
//! measures a development build). Resources are `terraform_data`, which call nothing, so that all there is to see is the
//! program itself.
//!
//! `TMPDIR` must be on a disk: a file system in memory counts no bytes. `PROVISIONER_BENCH_RECORDED` (100000) and
//! `PROVISIONER_BENCH_TERRAFORM` (10000, which takes Terraform a quarter of an hour) bound the sizes.
//! Nothing here is asserted but that each command succeeds.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod measuring;

use measuring::{Cost, cost_of, measuring_main, so_far};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use tests::{Workbench, installed, setting};

/// Operations that are timed at each size, in as many runs as it takes.
const OPERATIONS: u64 = 1_000;

/// `n` resources, of which the first `k` have another input whenever `v` changes.
const CONFIGURATION: &str = r#"
variable "n" {
  type = number
}

variable "k" {
  type    = number
  default = 0
}

variable "v" {
  type    = string
  default = "0"
}

resource "terraform_data" "this" {
  count = var.n
  input = count.index < var.k ? "value ${var.v} of ${count.index}" : "value ${count.index}"
}
"#;

fn main() -> ExitCode {
    if let Some(code) = measuring_main() {
        return code;
    }
    // `cargo test --workspace --all-targets` starts benchmarks too, with this word.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    recorded();
    beside_terraform();
    ExitCode::SUCCESS
}

fn bench() -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).expect("the directory is ours");
    bench.write("env/main.hcl", CONFIGURATION);
    bench
}

fn sizes(setting_name: &str, all: [u64; 3], default: u64) -> impl Iterator<Item = u64> {
    let most = setting(setting_name, default);
    all.into_iter().filter(move |size| *size > 0 && *size <= most)
}

/// The same at every size: what a committed operation costs. In proportion: what a plan without changes costs.
fn recorded() {
    println!(
        "recorded    an operation: CPU   written     plan: time     CPU   peak memory   state file"
    );
    for n in sizes("PROVISIONER_BENCH_RECORDED", [100, 10_000, 100_000], 100_000) {
        let bench = bench();
        let count = format!("n={n}");
        cost_of(&bench.command(&["apply", "env", "--auto-approve", "--var", &count]));
        let state_bytes = bytes_of(&bench.path("state"));
        let plan =
            cost_of(&bench.command(&["plan", "env", "--detailed-exitcode", "--var", &count]));
        let operation = operation(&bench, n);
        println!(
            "{n:>8} {:>18.3} ms {:>7.1} KB {:>10.2} s {:>6.2} s {:>10.1} MB {:>9.1} MB",
            operation.cpu_s * 1e3,
            operation.written_bytes / 1e3,
            plan.wall_s,
            plan.cpu_s,
            plan.peak_bytes / 1e6,
            state_bytes / 1e6,
        );
    }
    println!();
}

/// The cost of one of many updates, from the first tenth of a run to its last tenth: without loading and planning.
fn operation(bench: &Workbench, n: u64) -> Cost {
    let at_once = n.min(OPERATIONS);
    let (mut total, mut counted) = (Cost::default(), 0.0);
    for round in 1..=OPERATIONS.div_ceil(at_once) {
        let [count, several, version] =
            [format!("n={n}"), format!("k={at_once}"), format!("v={round}")];
        let words = ["apply", "env", "--auto-approve", "--json"];
        let variables = ["--var", &count, "--var", &several, "--var", &version];
        let mut command = bench.command(&[&words[..], &variables].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program starts");
        let pid = i32::try_from(child.id()).expect("a process id fits");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (from, to) = (at_once / 10, at_once - at_once / 10);
        let (mut ended, mut before, mut after) = (0, (0.0, 0.0), (0.0, 0.0));
        for line in lines.map(|line| line.expect("the program prints text")) {
            if !line.starts_with(r#"{"event":"operation_succeeded""#) {
                continue;
            }
            ended += 1;
            if ended == from {
                before = so_far(pid);
            } else if ended == to {
                after = so_far(pid);
            }
        }
        assert!(child.wait().expect("it can be waited for").success(), "{command:?} failed");
        assert_eq!(ended, at_once, "{command:?} updates as many as were changed");
        total.cpu_s += after.0 - before.0;
        total.written_bytes += after.1 - before.1;
        counted += as_float(to - from);
    }
    let (cpu_s, written_bytes) = (total.cpu_s / counted, total.written_bytes / counted);
    Cost { cpu_s, written_bytes, ..total }
}

fn beside_terraform() {
    println!("apply of        program             time        CPU     peak memory      written");
    for n in sizes("PROVISIONER_BENCH_TERRAFORM", [2_000, 10_000, 0], 10_000) {
        let bench = bench();
        let count = format!("n={n}");
        let ours = cost_of(&bench.command(&["apply", "env", "--auto-approve", "--var", &count]));
        print("provisioner", n, ours);
        let Some(terraform) = installed("terraform") else {
            println!("{n:>8}        terraform    is not on this machine");
            continue;
        };
        let theirs = terraform_apply(&bench, &terraform, &count);
        print("terraform", n, theirs);
        println!(
            "{n:>8}        times less {:>13.1} {:>10.1} {:>15.1} {:>12.1}",
            theirs.wall_s / ours.wall_s,
            theirs.cpu_s / ours.cpu_s,
            theirs.peak_bytes / ours.peak_bytes,
            theirs.written_bytes / ours.written_bytes,
        );
    }
}

fn print(program: &str, n: u64, cost: Cost) {
    println!(
        "{n:>8}        {program:<12} {:>9.2} s {:>8.2} s {:>12.1} MB {:>9.1} MB",
        cost.wall_s,
        cost.cpu_s,
        cost.peak_bytes / 1e6,
        cost.written_bytes / 1e6,
    );
}

/// The same resources by Terraform, with as many operations at once as `provisioner` runs.
fn terraform_apply(bench: &Workbench, terraform: &Path, count: &str) -> Cost {
    bench.write("terraform/main.tf", CONFIGURATION);
    let command = |words: &[&str]| -> Command {
        let mut command = bench.any_command(terraform);
        command.arg("-chdir=terraform").args(words);
        command.env("TF_DATA_DIR", bench.path("home/terraform")).env("CHECKPOINT_DISABLE", "1");
        command.env("TF_CLI_CONFIG_FILE", "/dev/null");
        command
    };
    cost_of(&command(&["init", "-input=false"]));
    let words = ["apply", "-auto-approve", "-input=false", "-parallelism=16", "-var", count];
    cost_of(&command(&words))
}

fn bytes_of(directory: &Path) -> f64 {
    let entries = std::fs::read_dir(directory).expect("the directory is ours").flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| as_float(found.len())).sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
fn as_float(number: u64) -> f64 {
    number as f64
}
