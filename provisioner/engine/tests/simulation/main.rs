//! The simulation: programs apply, crash, recover and crash again over a cloud and a store that fail in every way that
//! real ones do, thousands of times, each time as its seed decides.
//!
//! ```text
//! cargo test -p engine --test simulation                    all of it: 10 000 runs, and that it can fail
//! cargo test -p engine --test simulation -- --runs 100000   more runs
//! cargo test -p engine --test simulation -- --seed 123      one run again, with its trace
//! ```
//!
//! `PROVISIONER_SIMULATION_SEED=123` does the same as `--seed`. It is a program of its own, not a set of `#[test]`s, so that
//! it takes these arguments; those that test runners give (`--list`, `--exact`, names) are understood, too.

#![expect(clippy::unwrap_used, reason = "a test: a poisoned lock is a failure like any other")]

mod chance;
mod cloud;
#[path = "../configuration/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
mod configuration;
mod run;
mod scenario;
mod store;
mod world;

use run::Outcome;
use scenario::{SHAPES, Scenario};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::Off;

/// Runs in all.
const RUNS: u64 = 10_000;
/// Runs without each safeguard.
const RUNS_WITHOUT: u64 = 200;
/// Seeds that are run twice.
const REPEATED: u64 = 50;
/// Failures that are told.
const TOLD: usize = 3;

const HOLDS: &str = "every_run_converges";
const REPEATS: &str = "a_seed_repeats_exactly";
const NEEDED: &str = "without_any_one_safeguard_runs_go_wrong";

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    seed: Option<u64>,
    runs: Option<u64>,
    first: u64,
    list: bool,
    ignored: bool,
    exact: bool,
    skipped: Vec<String>,
    names: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self::default();
        if let Ok(seed) = std::env::var("PROVISIONER_SIMULATION_SEED") {
            parsed.seed = Some(number("PROVISIONER_SIMULATION_SEED", Some(seed))?);
        }
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--seed" => parsed.seed = Some(number("--seed", given.next())?),
                "--runs" => parsed.runs = Some(number("--runs", given.next())?),
                "--first" => parsed.first = number("--first", given.next())?,
                "--list" => parsed.list = true,
                "--ignored" => parsed.ignored = true,
                "--exact" => parsed.exact = true,
                "--skip" => parsed.skipped.extend(given.next()),
                "--format" | "--color" | "--test-threads" => drop(given.next()),
                flag if flag.starts_with('-') => {}
                name => parsed.names.push(name.to_owned()),
            }
        }
        Ok(parsed)
    }

    fn wants(&self, test: &str) -> bool {
        let is_meant =
            |name: &String| if self.exact { test == name } else { test.contains(name.as_str()) };
        let is_named = self.names.is_empty() || self.names.iter().any(is_meant);
        is_named && !self.skipped.iter().any(is_meant) && !self.ignored
    }
}

fn number(name: &str, given: Option<String>) -> Result<u64, String> {
    let given = given.unwrap_or_default();
    given.parse().map_err(|_| format!("{name} takes a number, not `{given}`"))
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(why) => return fail(&why),
    };
    if arguments.list {
        for test in [HOLDS, REPEATS, NEEDED].into_iter().filter(|test| arguments.wants(test)) {
            say(&format!("{test}: test"));
        }
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = arguments.seed {
        return replay(seed);
    }
    let mut holds = true;
    if arguments.wants(HOLDS) {
        holds &= all_converge(arguments.first, arguments.runs.unwrap_or(RUNS));
    }
    if arguments.wants(REPEATS) {
        holds &= all_repeat();
    }
    if arguments.wants(NEEDED) {
        holds &= each_is_needed();
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // A closed pipe is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn fail(why: &str) -> ExitCode {
    say(why);
    ExitCode::FAILURE
}

/// One run again, told from beginning to end.
fn replay(seed: u64) -> ExitCode {
    let scenario = Scenario::of(seed);
    let outcome = run::run(&scenario, Off::Nothing, true);
    tell(&scenario, &outcome);
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(scenario: &Scenario, outcome: &Outcome) {
    say(&scenario.to_string());
    outcome.trace.iter().for_each(|line| say(line));
    say(&format!("seed {}: {} violations", scenario.seed, outcome.violations.len()));
    outcome.violations.iter().for_each(|violation| say(&format!("  {violation}")));
}

/// Runs these seeds on every core and gives each outcome to `fold`, until that has enough.
fn every(first: u64, runs: u64, off: Off, fold: impl Fn(&Scenario, Outcome) -> bool + Sync) {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + runs {
                        return;
                    }
                    let scenario = Scenario::of(seed);
                    if fold(&scenario, run::run(&scenario, off, false)) {
                        next.store(first + runs, Ordering::SeqCst);
                        return;
                    }
                }
            });
        }
    });
}

/// What all runs together were.
#[derive(Default)]
struct Tally {
    runs: u64,
    crashes: u64,
    twice: u64,
    calls: u64,
    by_shape: std::collections::BTreeMap<scenario::Shape, u64>,
    failed: Vec<u64>,
}

fn all_converge(first: u64, runs: u64) -> bool {
    let start = Instant::now();
    let tally = Mutex::new(Tally::default());
    every(first, runs, Off::Nothing, |scenario, outcome| {
        let mut tally = tally.lock().unwrap();
        tally.runs += 1;
        tally.crashes += outcome.crashes;
        tally.twice += u64::from(outcome.crashes > 1);
        tally.calls += outcome.calls;
        *tally.by_shape.entry(scenario.shape).or_default() += 1;
        if !outcome.violations.is_empty() {
            tally.failed.push(scenario.seed);
        }
        false
    });
    let mut tally = tally.into_inner().unwrap();
    tally.failed.sort_unstable();
    say(&format!(
        "{HOLDS}: {} runs from seed {first} in {:.1} s: {} crashes, {} runs with two or more; {} calls that change something; {} runs went wrong",
        tally.runs,
        start.elapsed().as_secs_f64(),
        tally.crashes,
        tally.twice,
        tally.calls,
        tally.failed.len()
    ));
    let shapes = tally.by_shape.iter().map(|(shape, runs)| format!("{shape:?} {runs}"));
    say(&format!("  {}", shapes.collect::<Vec<_>>().join(", ")));
    let is_covered = runs < RUNS || SHAPES.iter().all(|shape| tally.by_shape.contains_key(shape));
    for seed in tally.failed.iter().take(TOLD) {
        let scenario = Scenario::of(*seed);
        tell(&scenario, &run::run(&scenario, Off::Nothing, true));
        say(&format!("again: cargo test -p engine --test simulation -- --seed {seed}\n"));
    }
    if tally.failed.len() > TOLD {
        say(&format!("seeds that went wrong: {:?}", tally.failed));
    }
    is_covered && tally.failed.is_empty()
}

/// Two runs of one seed have the same trace, line by line.
fn all_repeat() -> bool {
    let different = Mutex::new(Vec::new());
    every(0, REPEATED, Off::Nothing, |scenario, _| {
        let [first, second] = [(); 2].map(|()| run::run(scenario, Off::Nothing, true).trace);
        if first != second {
            let line = first.iter().zip(&second).find(|(one, other)| one != other);
            different.lock().unwrap().push((scenario.seed, line.map(|(one, _)| one.clone())));
        }
        false
    });
    let different = different.into_inner().unwrap();
    say(&format!("{REPEATS}: {REPEATED} seeds run twice; different are {different:?}"));
    different.is_empty()
}

/// The simulation can fail: without any one of the safeguards it does.
fn each_is_needed() -> bool {
    let mut all = true;
    for off in [Off::Settling, Off::Intents, Off::LookUp, Off::Tokens, Off::Fencing] {
        let (runs, wrong) = (AtomicU64::new(0), AtomicU64::new(0));
        let example = Mutex::new(None);
        every(0, RUNS_WITHOUT, off, |scenario, outcome| {
            runs.fetch_add(1, Ordering::SeqCst);
            if let Some(violation) = outcome.violations.into_iter().next() {
                wrong.fetch_add(1, Ordering::SeqCst);
                example.lock().unwrap().get_or_insert((scenario.seed, violation));
            }
            false
        });
        let (runs, wrong) = (runs.into_inner(), wrong.into_inner());
        let example = example.into_inner().unwrap();
        let told = example.map_or_else(
            || "which the simulation should have noticed".to_owned(),
            |(seed, violation)| format!("seed {seed}: {violation}"),
        );
        say(&format!("{NEEDED}: {off:?} switched off: {wrong} of {runs} runs went wrong; {told}"));
        all &= wrong > 0;
    }
    all
}
