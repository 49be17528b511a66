//! Rollouts in simulated time: their course, their rules, random ones, and many of a kind.

mod course;
mod random;
mod rules;
mod simulated;
mod world;
