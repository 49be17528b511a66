//! The StateStore port and what every store shares; `sqlite` is the embedded one.
//!
//! Contract: `begin` returns only when the intent is durable; `finish` makes the outcome durable together with the
//! records it changes, in one transaction; every write checks that its lease is still held. Reading needs
//! no lease. Sensitive values are sealed with the environment's key before they reach the disk.
//!
//! A store is tables (or an [`image::Image`]) under [`rules`]: the rules decide, [`rows`] says what bytes and hashes
//! are kept, [`version`] folds the journal. `conformance` is the suite that each one passes.
//!
//! Refuses to know: providers, plans' meaning, the terminal.

pub mod clock;
#[doc(hidden)]
pub mod conformance;
mod error;
pub mod export;
pub mod fault;
mod files;
pub mod holder;
pub mod image;
pub mod keyring;
pub mod keys;
pub mod memory;
mod moving;
pub mod plan_file;
mod port;
pub mod rows;
pub mod rules;
mod scope;
pub mod seal;
pub mod signing;
pub mod sqlite;
pub mod transaction;
pub mod vault;
pub mod version;

pub use error::StateError;
pub use moving::{moving, touched};
pub use port::{
    Attempt, CheckReport, Completed, Dump, Edit, Identity, JournalEntry, Lease, LeaseInfo,
    LeaseRequest, RunResults, StateStore, rollout_entries,
};
pub use rules::LEASE_SECONDS;
pub use scope::Scope;

/// Writes a file whole or not at all, in place of an older one; only its owner can read it.
pub fn write_private(path: &std::path::Path, content: &[u8]) -> std::io::Result<()> {
    files::write_private(path, content, true)
}
