//! A small HTTP service that the tests roll out: `/` works, `/healthz`, `/version` and `/metrics` tell how it is. Its
//! requests can be made to fail and to take long, by flags or environment; it can make its own load, and load others.
//!
//! Invariant: which requests fail, and how long each takes, is a function of the seed and of the request's number.
//! Refuses to know: rollouts, nodes, who reads its metrics.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "it is a program for people")]

mod chance;
mod http;
mod load;
mod metrics;
mod serve;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::process::ExitCode;

/// A service that can be told to do badly.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serves until it is killed.
    Serve(Serve),
    /// Sends requests to others and tells what came of them, as JSON, one line a second and one at the end.
    Load(Load),
}

/// How it serves.
#[derive(Args, Clone, Debug)]
struct Serve {
    /// Where it listens.
    #[arg(long, env = "WORKLOAD_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What `/version` says.
    #[arg(long = "version", env = "WORKLOAD_VERSION", default_value = "1")]
    version: String,
    /// Share of requests that are answered with 500, from 0 to 1.
    #[arg(long, env = "WORKLOAD_ERROR_RATE", default_value_t = 0.0, value_parser = share)]
    error_rate: f64,
    /// How long a request takes, milliseconds; a fifth more or less.
    #[arg(long, env = "WORKLOAD_LATENCY_MS", default_value_t = 20)]
    latency_ms: u32,
    /// Answers `/healthz` with 503.
    #[arg(long, env = "WORKLOAD_UNHEALTHY")]
    unhealthy: bool,
    /// Requests a second that it sends to itself.
    #[arg(long, env = "WORKLOAD_LOAD", default_value_t = 0)]
    load: u32,
    /// What chance is drawn from.
    #[arg(long, env = "WORKLOAD_SEED", default_value_t = 1)]
    seed: u64,
}

/// Whom it loads.
#[derive(Args, Clone, Debug)]
struct Load {
    /// Addresses, `10.0.0.1:8080,10.0.0.2:8080`.
    #[arg(long, value_delimiter = ',', required = true)]
    targets: Vec<String>,
    /// Requests a second, over all targets.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// For so long; 0 is until it is killed.
    #[arg(long, default_value_t = 0)]
    seconds: u32,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(format!("{share} is not from 0 to 1"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("workload: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match arguments.verb {
            Verb::Serve(serve) => serve::run(serve).await,
            Verb::Load(load) => load::run(&load).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload: {error}");
            ExitCode::FAILURE
        }
    }
}
