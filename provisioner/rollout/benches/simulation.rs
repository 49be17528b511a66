//! Thousands of simulated rollouts: how often a good candidate is stopped and a bad one promoted, how soon, and at what
//! cost, beside polling the same gates with fixed windows. `cargo bench -p rollout`; `PROVISIONER_BENCH_ROLLOUTS`
//! is the number of rollouts of each kind, 400 unless said otherwise. The same seeds each time.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "../tests/world/mod.rs"]
mod world;

use world::polling::Polling;
use world::simulation::{Scenario, Tally, quantile, scenarios, simulate, simulate_polling};

fn main() {
    let count = std::env::var("PROVISIONER_BENCH_ROLLOUTS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(400);
    println!(
        "24 nodes in 3 domains, 50 events/s a node, five stages, {count} rollouts of each kind\n"
    );
    println!(
        "| candidate | decided by | promoted | rolled back | waits for a person | stopped after, median | 95 % | node-minutes on it, median |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for scenario in scenarios() {
        row(&scenario, "this project", &simulate(&scenario, count));
        for (name, polling) in [
            ("Argo Rollouts' rule, limits 0", Polling::Argo { limit: 0 }),
            ("Argo Rollouts' rule, limits 3", Polling::Argo { limit: 3 }),
            ("Flagger's rule, threshold 5", Polling::Flagger { threshold: 5 }),
        ] {
            row(&scenario, name, &simulate_polling(&scenario, polling, count));
        }
    }
}

fn row(scenario: &Scenario, by: &str, tally: &Tally) {
    let time = |share| match quantile(&tally.seconds, share) {
        Some(seconds) if seconds >= 3_600.0 => format!("{:.1} h", seconds / 3_600.0),
        Some(seconds) if seconds >= 120.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) => format!("{seconds:.0} s"),
        None => "-".to_owned(),
    };
    println!(
        "| {} | {by} | {:.1} % | {:.1} % | {:.1} % | {} | {} | {:.0} |",
        scenario.name,
        tally.percent(tally.promoted),
        tally.percent(tally.rolled_back),
        tally.percent(tally.wait),
        time(0.5),
        time(0.95),
        quantile(&tally.node_minutes, 0.5).unwrap_or(0.0),
    );
}
