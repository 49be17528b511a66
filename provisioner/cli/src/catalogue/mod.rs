//! What every diagnostic code means: a title, an explanation, and where it makes sense a wrong text and its correction.
//!
//! Invariants: codes are unique and sorted; every code that the program can give is here and no other (a test looks
//! through the sources); `docs/diagnostics.md` is made from this. Refuses to know: where a code is given.

mod command_line;
mod evaluation;
mod language;
mod planning;
mod restore_points;
mod rollout_checks;
mod rollout_runs;
mod rollouts;
mod running;
mod settings;
mod state;

use std::fmt::Write as _;

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: &'static str,
    /// What it says, in a few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
    /// A text that gives it, and the text as it should be.
    pub example: Option<(&'static str, &'static str)>,
}

/// An entry without an example.
const fn entry(code: &'static str, title: &'static str, text: &'static str) -> Entry {
    Entry { code, title, text, example: None }
}

impl Entry {
    /// With a text that gives the code, and its correction.
    const fn example(mut self, wrong: &'static str, right: &'static str) -> Self {
        self.example = Some((wrong, right));
        self
    }

    /// For people, in a terminal.
    pub fn human(&self) -> String {
        let mut text = format!("{}: {}\n\n{}\n", self.code, self.title, self.text);
        if let Some((wrong, right)) = self.example {
            for (heading, example) in [("Wrong:", wrong), ("Right:", right)] {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{heading}\n\n");
                for line in example.lines() {
                    let _ = writeln!(text, "{}", format!("    {line}").trim_end());
                }
            }
        }
        text
    }

    /// As data.
    pub fn json(&self) -> serde_json::Value {
        let (wrong, right) = self.example.unzip();
        serde_json::json!({
            "code": self.code,
            "title": self.title,
            "explanation": self.text,
            "wrong": wrong,
            "right": right,
        })
    }
}

/// The chapters of the catalogue, as people look for them.
const CHAPTERS: [(&str, &[Entry]); 11] = [
    ("Files, blocks and names", language::ENTRIES),
    ("Values and expressions", evaluation::ENTRIES),
    ("Settings of an environment", settings::ENTRIES),
    ("Plans", planning::ENTRIES),
    ("Rollouts before they begin", rollout_checks::ENTRIES),
    ("Rollouts", rollouts::ENTRIES),
    ("Rollouts under way", rollout_runs::ENTRIES),
    ("Restore points", restore_points::ENTRIES),
    ("Runs, providers and nodes", running::ENTRIES),
    ("State", state::ENTRIES),
    ("The command line", command_line::ENTRIES),
];

/// All entries, sorted by code.
pub fn all() -> Vec<&'static Entry> {
    let mut entries: Vec<_> = CHAPTERS.iter().flat_map(|(_, entries)| entries.iter()).collect();
    entries.sort_by_key(|entry| entry.code);
    entries
}

#[cfg(test)]
mod tests;
