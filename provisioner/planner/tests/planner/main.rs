//! Tests of the planner as its callers use it, over a small simulated world.

mod decisions;
mod faults;
mod golden;
mod large;
mod ordering;
mod random;
mod unreachable;
mod world;
