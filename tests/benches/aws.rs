//! Calls and time of a fleet on AWS, against the AWS of the tests: how many calls a thousand machines take.
//!
//! `cargo build && cargo bench -p tests --profile dev --bench aws`. `PROVISIONER_BENCH_NODES` (1000) is the last of the sizes. The time is
//! mostly the emulator's; the calls are what AWS counts. Limits are not in force unless `PROVISIONER_BENCH_LIMITS=1`.
//! Nothing here is asserted but that each command succeeds.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod measuring;

use measuring::{cost_of, measuring_main};
use std::process::ExitCode;
use tests::aws::{IMAGE, Moto, Options, Proxy};
use tests::{Workbench, setting};

const MAIN: &str = r#"
environment "fleet" {}

variable "n" {
  type = number
}

provider "aws" {
  region = "eu-central-1"
}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.0.0/18"
  availability_zone = "eu-central-1a"
}

resource "aws_instance" "node" {
  count         = var.n
  ami           = "IMAGE"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.main.id

  root_block_device {
    volume_size = 8
  }
}

resource "aws_ebs_volume" "data" {
  count             = var.n
  availability_zone = "eu-central-1a"
  size              = 8
}

resource "aws_eip" "node" {
  count  = var.n
  domain = "vpc"
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
    println!(
        "   nodes  command          time      CPU   peak memory    written    to disk   calls: all   RunInstances   Describe*   others"
    );
    let most = setting("PROVISIONER_BENCH_NODES", 1_000);
    let sizes = [10, 100, 1_000].into_iter().filter(|n| *n < most);
    for n in sizes.chain([most]) {
        let Some(moto) = Moto::start() else { return ExitCode::SUCCESS };
        let throttled = setting("PROVISIONER_BENCH_LIMITS", 0) > 0;
        let proxy = Proxy::start(moto, Options { throttled, ..Options::default() });
        let bench = Workbench::of(&MAIN.replace("IMAGE", IMAGE));
        let count = format!("n={n}");
        let apply = ["apply", "env", "--auto-approve", "--var", &count];
        let plan = ["plan", "env", "--detailed-exitcode", "--var", &count];
        let destroy = ["destroy", "env", "--auto-approve", "--var", &count];
        measured(&proxy, &bench, n, "apply", &apply);
        measured(&proxy, &bench, n, "plan", &plan);
        measured(&proxy, &bench, n, "destroy", &destroy);
    }
    ExitCode::SUCCESS
}

fn measured(proxy: &Proxy, bench: &Workbench, n: u64, name: &str, words: &[&str]) {
    proxy.forget_calls();
    let mut command = bench.command(words);
    command.envs(proxy.environment());
    let cost = cost_of(&command);
    let counts = proxy.counts();
    let all: usize = counts.values().sum();
    let of = |prefix: &str| -> usize {
        let some = counts.iter().filter(|(operation, _)| operation.starts_with(prefix));
        some.map(|(_, count)| count).sum()
    };
    let (launches, descriptions) = (of("RunInstances"), of("Describe"));
    println!(
        "{n:>8}  {name:<10} {:>8.2} s {:>6.2} s {:>10.1} MB {:>7.1} MB {:>7.1} MB {all:>12} {launches:>14} {descriptions:>11} {:>8}",
        cost.wall_s,
        cost.cpu_s,
        cost.peak_bytes / 1e6,
        cost.written_bytes / 1e6,
        cost.disk_bytes / 1e6,
        all - launches - descriptions,
    );
    for (operation, count) in &counts {
        println!("{:>20}  {operation} {count}", "");
    }
}
