//! The engine's tests: one binary, so that they share what they stand on.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

mod batches;
mod bed;
#[path = "../configuration/mod.rs"]
#[expect(dead_code, reason = "shared with the simulation; only that one moves blocks")]
mod configuration;
mod executor;
mod node_provider;
mod parallel;
mod recovery;
mod retries;
mod sweep;
mod together;
