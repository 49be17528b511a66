//! The StateStore port and what every store shares; `sqlite` is the embedded one.
//!
//! Contract: `begin` returns only when the intent is durable; `finish` makes the outcome durable together with the
//! records it changes, in one transaction; every write checks that its lease is still held. Reading needs
//! no lease. Sensitive values are sealed with the environment's key before they reach the disk.
//!
//! Refuses to know: providers, plans' meaning, the terminal.

pub mod clock;
#[doc(hidden)]
pub mod conformance;
mod error;
pub mod fault;
mod files;
pub mod holder;
pub mod keys;
pub mod memory;
pub mod plan_file;
mod port;
mod rules;
pub mod seal;
pub mod sqlite;
mod vault;

pub use error::StateError;
pub use port::{JournalEntry, Lease, LeaseInfo, LeaseRequest, RunResults, StateStore};
