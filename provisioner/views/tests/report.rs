//! The HTML report in a real browser: headless Chromium loads it, and says what it sees.
//!
//! Refuses to know: how the report is made.

#[expect(dead_code, reason = "not every rollout is looked at here")]
mod rollouts;

use model::rollout::entry::Entry;
use std::path::Path;
use views::rollout::html::{Report, render};

fn report(entries: &[Entry]) -> String {
    let now_ms = entries.last().map_or(0, |entry| entry.at_ms + 60_000);
    let head = "e5".repeat(32);
    render(&Report { entries, now_ms, evidence_head: Some(&head) })
}

#[test]
fn write_samples() {
    let Ok(directory) = std::env::var("REPORTS") else { return };
    for (name, entries) in [
        ("good", rollouts::good()),
        ("rolled_back", rollouts::rolled_back()),
        ("held", rollouts::held()),
        ("nasty", rollouts::nasty()),
        ("thousand", rollouts::thousand()),
    ] {
        std::fs::write(Path::new(&directory).join(format!("{name}.html")), report(&entries))
            .unwrap();
    }
}
