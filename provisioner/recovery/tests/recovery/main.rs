//! The tests of restore points: one binary, so that they share what they stand on.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

mod bed;
mod between;
#[path = "../../../engine/tests/simulation/chance.rs"]
mod chance;
mod changes;
#[path = "../../../engine/tests/configuration/mod.rs"]
#[expect(dead_code, reason = "shared with the engine's tests, which use all of it")]
mod configuration;
mod crashes;
mod faults;
mod nodes;
mod pruning;
mod regions;
mod together;
mod verify;
mod weather;
