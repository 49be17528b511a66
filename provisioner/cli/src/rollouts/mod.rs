//! Rollouts on the command line: what a plan means for nodes with a rollout, starting one, driving it.
//!
//! Invariants: a change of nodes with a rollout never reaches them in one go; one rollout of a node set at a time, and a
//! newer change takes the place of one that is under way. Refuses to know: how a rollout decides.

mod drive;
mod foresee;
pub mod lists;
pub mod saved;
mod start;
mod world;

pub use foresee::{Foreseen, check, foresee};
pub use start::{Begun, apply, busy, end_running, now_ms, resumed, say, speak};
pub use world::Fleet;
