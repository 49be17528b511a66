//! Thousands of simulated rollouts: how often a good candidate is stopped and a bad one promoted, how soon, and at what
//! cost, beside polling the same gates with fixed windows. `cargo bench -p rollout`; `PROVISIONER_BENCH_ROLLOUTS`
//! is the number of rollouts of each kind, 200 unless said otherwise; a part of their names picks some kinds. The same
//! seeds each time.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a simulation that contradicts itself is worth nothing")]

#[path = "../tests/rollout/world/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod world;

use world::chance::Random;
use world::polling::Polling;
use world::simulation::{LOAD, Scenario, Tally, quantile, scenarios, simulate, simulate_polling};

fn main() {
    let count = std::env::var("PROVISIONER_BENCH_ROLLOUTS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(200);
    println!(
        "The test by itself: \"the rate is at most 1 %\", 300 events/s, looked at every second for 15 min"
    );
    println!("\n| true rate | shown to be above 1 % at 99 % | after, median |\n|---|---|---|");
    for rate in [0.005, 0.01, 0.011, 0.012, 0.015, 0.02, 0.05] {
        let (share, seconds) = alone(rate, 0.01, 300.0, 2_000);
        let seconds = seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.0} s"));
        println!("| {:.1} % | {share:.2} % | {seconds} |", rate * 100.0);
    }
    println!(
        "\n24 nodes in 3 domains, {LOAD} events/s a node, five stages, {count} rollouts of each kind\n"
    );
    println!(
        "| candidate | decided by | promoted | rolled back | waits for a person | stopped after, median | 95 % | node-minutes on it, median |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let only: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let mut scenarios = scenarios();
    scenarios
        .retain(|it| only.is_empty() || only.iter().any(|part| it.name.contains(part.as_str())));
    let tables: Vec<String> = std::thread::scope(|scope| {
        let run = |scenario| scope.spawn(move || rows(scenario, count));
        let threads: Vec<_> = scenarios.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    print!("{}", tables.concat());
}

/// How often (in per cent) the test rejects a bound that a true rate lies at, and after how many seconds.
fn alone(rate: f64, bound: f64, load: f64, count: u64) -> (f64, Option<f64>) {
    let mut after = Vec::new();
    for seed in 0..count {
        let mut random = Random::new(seed);
        let (mut bad, mut total) = (0.0, 0.0);
        for second in 1..=900_u32 {
            let events = random.poisson(load);
            bad += random.poisson(events * rate).min(events);
            total += events;
            if rollout::log_above(bound, bad, total) >= 100_f64.ln() {
                after.push(f64::from(second));
                break;
            }
        }
    }
    let shown = u32::try_from(after.len()).unwrap_or(u32::MAX);
    let all = u32::try_from(count).unwrap_or(u32::MAX);
    (f64::from(shown) * 100.0 / f64::from(all), quantile(&after, 0.5))
}

fn rows(scenario: &Scenario, count: u64) -> String {
    let mut rows = vec![row(scenario, "this project", &simulate(scenario, count))];
    if scenario.crashes {
        // Polling is simulated without a controller that could be killed.
        return rows.concat();
    }
    for (name, polling) in [
        ("Argo Rollouts' rule, limits 0", Polling::Argo { limit: 0 }),
        ("Argo Rollouts' rule, limits 3", Polling::Argo { limit: 3 }),
        ("Flagger's rule, threshold 5", Polling::Flagger { threshold: 5 }),
    ] {
        rows.push(row(scenario, name, &simulate_polling(scenario, polling, count)));
    }
    rows.concat()
}

fn row(scenario: &Scenario, by: &str, tally: &Tally) -> String {
    let time = |share| match quantile(&tally.seconds, share) {
        Some(seconds) if seconds >= 3_600.0 => format!("{:.1} h", seconds / 3_600.0),
        Some(seconds) if seconds >= 120.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) => format!("{seconds:.0} s"),
        None => "-".to_owned(),
    };
    format!(
        "| {} | {by} | {:.1} % | {:.1} % | {:.1} % | {} | {} | {:.0} |\n",
        scenario.name,
        tally.percent(tally.promoted),
        tally.percent(tally.rolled_back),
        tally.percent(tally.wait),
        time(0.5),
        time(0.95),
        quantile(&tally.node_minutes, 0.5).unwrap_or(0.0),
    )
}
