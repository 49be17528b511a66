//! What the tests of metric sources ask: a real Prometheus and Alertmanager on loopback, pages for Prometheus to
//! read, and an HTTP server that answers as a test says.
//!
//! Invariant: everything ends with the test, also when that is killed.

#![expect(dead_code, reason = "each test uses its part")]

pub mod pages;
pub mod servers;
pub mod web;

use rollout::source::{Ask, Selectors};

/// A measurement of a candidate and a control group.
pub fn ask(candidate: &[&str], control: &[&str], window_ms: u64) -> Ask {
    let names = |nodes: &[&str]| nodes.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let candidate = names(candidate);
    let selectors = Selectors { stage: candidate.clone(), candidate, control: names(control) };
    Ask { selectors, window_ms, now_ms: 1_700_000_000_000 }
}
