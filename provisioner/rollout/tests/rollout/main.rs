//! Rollouts in simulated time: their course, their rules, random ones, and many of a kind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod course;
mod random;
mod rules;
mod simulated;
mod world;
