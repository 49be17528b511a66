//! The engine's tests: one binary, so that they share what they stand on.

mod bed;
mod executor;
mod node_provider;
mod recovery;
