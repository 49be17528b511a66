//! How long a fleet takes and how much memory the program needs, beside a plan without changes and the way back.
//! `cargo build && cargo bench -p tests --profile dev --bench fleet` prints the figures of what README's first command builds (without
//! `--profile dev`, and after `cargo build --release`, those of a release). Nothing here is asserted but that each command succeeds.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use nix::sys::resource::{UsageWho, getrusage};
use std::time::Instant;
use tests::Workbench;

fn main() {
    // `cargo test --workspace --all-targets` starts benchmarks too, with this word.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let bench = Workbench::new();
    println!("{:<44} {:>8} {:>14}", "command", "seconds", "peak memory");
    for environment in ["environments/staging", "environments/production"] {
        for (arguments, what) in [
            (vec!["apply", environment, "--auto-approve"], "from nothing"),
            (vec!["plan", environment, "--detailed-exitcode"], "no changes"),
            (vec!["destroy", environment, "--auto-approve"], "to nothing"),
        ] {
            let started = Instant::now();
            bench.run(&arguments).exits(0);
            let seconds = started.elapsed().as_secs_f64();
            let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
            let command = format!("{} {environment} ({what})", arguments[0]);
            println!("{command:<44} {seconds:>8.1} {peak_kib:>10} KiB");
        }
    }
    println!("peak memory is that of the largest command so far");
}
