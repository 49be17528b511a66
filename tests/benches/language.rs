//! What reading and evaluating large configurations costs, beside Terraform where it is on this machine.
//!
//! `cargo build --release && cargo bench -p tests --bench language` measures the release that people run, with
//! `validate` and with a `plan` that finds nothing to do, on generated configurations of five shapes.
//!
//! `PROVISIONER_BENCH_VALIDATED` (100000) and `PROVISIONER_BENCH_PLANNED` (10000; the environment is applied first)
//! bound the sizes, `PROVISIONER_BENCH_TERRAFORM` (1000) those that Terraform gets too: 10000 take it minutes.
//! The exponent is that of the growth from the size before: 1 is in proportion, 2 is quadratic. With
//! `-- --write DIRECTORY` the configurations are written and nothing is measured.
//! Nothing here is asserted but that each command succeeds.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

#[expect(dead_code, reason = "other benchmarks look at what is written")]
mod measuring;
mod shapes;

use measuring::{Cost, cost_of, measuring_main};
use shapes::{SHAPES, Shape};
use std::path::Path;
use std::process::{Command, ExitCode};
use tests::{Workbench, installed, setting};

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];

fn main() -> ExitCode {
    if let Some(code) = measuring_main() {
        return code;
    }
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // `cargo test --workspace --all-targets` starts benchmarks too, with this word.
            "--test" => return ExitCode::SUCCESS,
            "--write" => {
                write_all(Path::new(&arguments.next().expect("a directory follows")));
                return ExitCode::SUCCESS;
            }
            _ => {}
        }
    }
    measure("validate", "PROVISIONER_BENCH_VALIDATED", 100_000);
    measure("plan", "PROVISIONER_BENCH_PLANNED", 10_000);
    ExitCode::SUCCESS
}

fn write_all(directory: &Path) {
    for shape in SHAPES {
        for n in SIZES {
            let root = directory.join(format!("{}-{n}", shape.name()));
            for (name, text) in shape.files(n, "hcl") {
                let path = root.join(name);
                std::fs::create_dir_all(path.parent().expect("a file has a directory"))
                    .expect("the directory can be made");
                std::fs::write(path, text).expect("the directory is writable");
            }
        }
    }
}

/// One command on all shapes at all sizes.
fn measure(command: &str, most_setting: &str, default: u64) {
    let most = setting(most_setting, default);
    let most_terraform = setting("PROVISIONER_BENCH_TERRAFORM", 1_000);
    let terraform = installed("terraform");
    println!(
        "{command:<10} resources   program             time        CPU     peak memory   exponent"
    );
    for shape in SHAPES {
        let (mut before, mut before_theirs) = (None, None);
        for n in SIZES.into_iter().filter(|n| *n <= most) {
            let bench = Workbench::empty();
            let ours = ours(&bench, shape, n, command);
            print(shape, n, "provisioner", ours, before);
            before = Some((n, ours));
            let Some(terraform) = terraform.as_deref().filter(|_| n <= most_terraform) else {
                continue;
            };
            let theirs = theirs(&bench, shape, n, command, terraform);
            print(shape, n, "terraform", theirs, before_theirs);
            before_theirs = Some((n, theirs));
            println!(
                "{:<10} {n:>9}   times less   {:>9.1}   {:>8.1}   {:>13.1}",
                shape.name(),
                theirs.wall_s / ours.wall_s,
                theirs.cpu_s / ours.cpu_s,
                theirs.peak_bytes / ours.peak_bytes,
            );
        }
    }
    println!();
}

fn print(shape: Shape, n: u64, program: &str, cost: Cost, before: Option<(u64, Cost)>) {
    let exponent = before.map_or_else(String::new, |(size, before)| {
        let exponent = (cost.cpu_s / before.cpu_s).ln() / (as_float(n) / as_float(size)).ln();
        format!("{exponent:.2}")
    });
    println!(
        "{:<10} {n:>9}   {program:<12} {:>9.2} s {:>8.2} s {:>12.1} MB {exponent:>10}",
        shape.name(),
        cost.wall_s,
        cost.cpu_s,
        cost.peak_bytes / 1e6,
    );
}

fn ours(bench: &Workbench, shape: Shape, n: u64, command: &str) -> Cost {
    for (name, text) in shape.files(n, "hcl") {
        bench.write(&format!("env/{name}"), &text);
    }
    if command == "plan" {
        std::fs::create_dir(bench.path("state")).expect("the directory is ours");
        bench.give_to_user();
        cost_of(&bench.command(&["apply", "env", "--auto-approve"]));
        return cost_of(&bench.command(&["plan", "env", "--detailed-exitcode"]));
    }
    cost_of(&bench.command(&[command, "env"]))
}

fn theirs(bench: &Workbench, shape: Shape, n: u64, command: &str, terraform: &Path) -> Cost {
    for (name, text) in shape.files(n, "tf") {
        bench.write(&format!("terraform/{name}"), &text);
    }
    let of = |words: &[&str]| -> Command {
        let mut command = bench.any_command(terraform);
        command.arg("-chdir=terraform").args(words);
        command.env("TF_DATA_DIR", bench.path("home/terraform")).env("CHECKPOINT_DISABLE", "1");
        command.env("TF_CLI_CONFIG_FILE", "/dev/null");
        command
    };
    cost_of(&of(&["init", "-input=false"]));
    if command == "plan" {
        cost_of(&of(&["apply", "-auto-approve", "-input=false"]));
        return cost_of(&of(&["plan", "-input=false", "-detailed-exitcode"]));
    }
    cost_of(&of(&[command]))
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
fn as_float(number: u64) -> f64 {
    number as f64
}
