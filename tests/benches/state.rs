//! What recording costs, beside Terraform where it is on this machine.
//!
//! `cargo build --release && cargo bench -p tests --bench state` measures the release that people run (it runs the
//! `provisioner` that lies beside the benchmark, so `cargo build && cargo bench -p tests --profile dev --bench state`
//! measures a development build). Resources are `terraform_data`, which call nothing, so that all there is to see is the
//! program itself.
//!
//! `TMPDIR` must be on a disk: a file system in memory counts no bytes. `PROVISIONER_BENCH_RECORDED` (100000),
//! `PROVISIONER_BENCH_TERRAFORM` (10000, which takes Terraform half an hour) and `PROVISIONER_BENCH_TERRAFORM_LONG` (2000;
//! with 10000 Terraform writes 140 GB) bound the sizes.
//! Nothing here is asserted but that each command succeeds.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod measuring;

use measuring::{Cost, cost_of, measuring_main};
use std::path::Path;
use std::process::{Command, ExitCode};
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

/// `n` resources with ten attributes each: what is recorded of one is as long as of a machine.
const TEN_ATTRIBUTES: &str = r#"
variable "n" {
  type = number
}

locals {
  prefix = "fleet-eu"
  zones  = ["a", "b", "c"]
  tags   = { owner = "platform", region = "eu-central" }
}

resource "terraform_data" "this" {
  count = var.n
  input = {
    name    = "${local.prefix}-${format("%06d", count.index)}"
    region  = upper(local.tags.region)
    zone    = element(local.zones, count.index)
    tags    = merge(local.tags, { number = count.index })
    size    = max(4, count.index % 7)
    labels  = join(",", [for zone in local.zones : "${zone}-${count.index}"])
    enabled = contains(local.zones, "a")
    path    = "eu-central-${count.index}"
    zones   = length(local.zones) + 1
    before  = trimspace(local.prefix)
  }
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
    let most = setting("PROVISIONER_BENCH_TERRAFORM", 10_000);
    beside_terraform("of one short value", CONFIGURATION, most);
    let most = setting("PROVISIONER_BENCH_TERRAFORM_LONG", 2_000);
    beside_terraform("of ten attributes", TEN_ATTRIBUTES, most);
    ExitCode::SUCCESS
}

fn bench(configuration: &str) -> Workbench {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).expect("the directory is ours");
    bench.write("env/main.hcl", configuration);
    bench
}

fn sizes(all: impl IntoIterator<Item = u64>, most: u64) -> impl Iterator<Item = u64> {
    all.into_iter().filter(move |size| *size <= most)
}

/// The same at every size: what a committed operation costs. In proportion: what a plan without changes costs.
fn recorded() {
    println!(
        "recorded    an operation: CPU   to disk     plan: time     CPU   peak memory   state file"
    );
    for n in sizes([100, 10_000, 100_000], setting("PROVISIONER_BENCH_RECORDED", 100_000)) {
        let bench = bench(CONFIGURATION);
        let count = format!("n={n}");
        cost_of(&bench.command(&["apply", "env", "--auto-approve", "--var", &count]));
        let state_bytes = bytes_of(&bench.path("state"));
        let plan =
            cost_of(&bench.command(&["plan", "env", "--detailed-exitcode", "--var", &count]));
        let operation = operation(&bench, n);
        println!(
            "{n:>8} {:>18.3} ms {:>7.1} KB {:>10.2} s {:>6.2} s {:>10.1} MB {:>9.1} MB",
            operation.cpu_s * 1e3,
            operation.disk_bytes / 1e3,
            plan.wall_s,
            plan.cpu_s,
            plan.peak_bytes / 1e6,
            state_bytes / 1e6,
        );
    }
    println!();
}

/// What one of many updates adds to a run that has half as many: what a run costs by itself is in neither.
fn operation(bench: &Workbench, n: u64) -> Cost {
    let many = n.min(2 * OPERATIONS);
    let few = many / 2;
    let rounds = OPERATIONS.div_ceil(many - few);
    let apply = |several: u64, version: u64| {
        let [count, several, version] =
            [format!("n={n}"), format!("k={several}"), format!("v={version}")];
        let words = ["apply", "env", "--auto-approve"];
        let variables = ["--var", &count, "--var", &several, "--var", &version];
        cost_of(&bench.command(&[&words[..], &variables].concat()))
    };
    let (mut cpu_s, mut disk_bytes) = (0.0, 0.0);
    for round in 0..rounds {
        // Those behind the few are as at the start: each run updates just as many as it says.
        let (less, more) = (apply(few, 3 * round + 1), apply(many, 3 * round + 2));
        apply(few, 3 * round + 3);
        cpu_s += more.cpu_s - less.cpu_s;
        disk_bytes += more.disk_bytes - less.disk_bytes;
    }
    let operations = as_float(rounds * (many - few));
    Cost { cpu_s: cpu_s / operations, disk_bytes: disk_bytes / operations, ..Cost::default() }
}

fn beside_terraform(resources: &str, configuration: &str, most: u64) {
    println!("resources {resources}:");
    println!(
        "apply of        program             time        CPU     peak memory      written      to disk"
    );
    for n in sizes([2_000, 10_000], most) {
        let bench = bench(configuration);
        let count = format!("n={n}");
        let ours = cost_of(&bench.command(&["apply", "env", "--auto-approve", "--var", &count]));
        print("provisioner", n, ours);
        let Some(terraform) = installed("terraform") else {
            println!("{n:>8}        terraform    is not on this machine");
            continue;
        };
        let theirs = terraform_apply(&bench, &terraform, configuration, &count);
        print("terraform", n, theirs);
        println!(
            "{n:>8}        times less {:>13.1} {:>10.1} {:>15.1} {:>12.1} {:>12.1}",
            theirs.wall_s / ours.wall_s,
            theirs.cpu_s / ours.cpu_s,
            theirs.peak_bytes / ours.peak_bytes,
            theirs.written_bytes / ours.written_bytes,
            theirs.disk_bytes / ours.disk_bytes,
        );
    }
}

fn print(program: &str, n: u64, cost: Cost) {
    println!(
        "{n:>8}        {program:<12} {:>9.2} s {:>8.2} s {:>12.1} MB {:>9.1} MB {:>9.1} MB",
        cost.wall_s,
        cost.cpu_s,
        cost.peak_bytes / 1e6,
        cost.written_bytes / 1e6,
        cost.disk_bytes / 1e6,
    );
}

/// The same resources by Terraform, with as many operations at once as `provisioner` runs.
fn terraform_apply(bench: &Workbench, terraform: &Path, configuration: &str, count: &str) -> Cost {
    bench.write("terraform/main.tf", configuration);
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
