//! A workbench for tests that use the program as people do: a copy of `modules/` and `environments/` in a
//! directory of its own, an ordinary user, private homes, and the real binary.
//!
//! Invariant: when a workbench is dropped, its environments are destroyed, whatever the test did.
//! Refuses to know: the program's crates, but for the local cloud behind `aws`. Only its command line, its files and the
//! system it ran on.

pub mod aws;
mod azurite;
mod chance;
mod postgres;
mod run;
mod state_file;
mod terminal;
mod traces;
mod workbench;

pub use azurite::Azurite;
pub use chance::{Random, installed, setting};
pub use postgres::Postgres;
pub use run::{Finished, Running};
pub use state_file::unpacked_bodies;
pub use terminal::Terminal;
pub use traces::Traces;
pub use workbench::Workbench;

use std::time::{Duration, Instant};

/// Waits until `condition` holds, looking again every 50 ms; panics with `what` after `limit`.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
