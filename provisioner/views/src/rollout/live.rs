//! The live view of a rollout: redrawn in a terminal, one line an entry elsewhere, entries as JSON lines for programs.
//!
//! Invariants: all three tell the same entries; the frame is a pure function of the fold and the time that it is given. Lines
//! of the operations of a wave ([`crate::progress`]) and this frame share the console's screen, so neither draws over the other.
//! Refuses to know: where entries come from, what time it is.

use super::fold::Model;
use super::sections::{self, Style};
use super::telling::{self, Weight};
use crate::console::{Console, Palette};
use indicatif::{ProgressBar, ProgressStyle};
use model::rollout::entry::Entry;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of a terminal that are left to the operations of a wave.
const OPERATIONS: usize = 3;
/// Fewer lines than this are no view.
const LEAST: usize = 6;

/// The whole view at a moment (Unix milliseconds), at most `width` columns wide; every line ends with a line feed.
pub fn frame(model: &Model, now_ms: i64, width: usize, palette: Palette) -> String {
    let style = Style { width, palette, now_ms };
    let mut text = sections::heading(model, style);
    text.push_str(&sections::stages(model, style));
    text.push_str(&sections::nodes(model, style));
    if model.end.is_none() {
        text.push_str(&sections::gates(model, style));
    }
    text.push_str(&sections::rollback(model, style));
    text.push_str(&sections::holds(model, style));
    text
}

/// The view in at most `height` lines, for a terminal that has no more: nodes one by one go first, then the stages that it is not in, then
/// what is at the end.
pub fn fitted(
    model: &Model,
    now_ms: i64,
    (width, height): (usize, usize),
    palette: Palette,
) -> String {
    let whole = frame(model, now_ms, width, palette);
    let fits = |text: &str| text.lines().count() <= height;
    if fits(&whole) {
        return whole;
    }
    let style = Style { width, palette, now_ms };
    let gates = if model.end.is_none() { sections::gates(model, style) } else { String::new() };
    let rest = [
        sections::legend(model, style),
        sections::rollback(model, style),
        sections::holds(model, style),
        gates,
    ];
    let (heading, rest) = (sections::heading(model, style), rest.concat());
    let with = |stages: String| format!("{heading}{stages}{rest}");
    let shorter = with(sections::stages(model, style));
    if fits(&shorter) {
        return shorter;
    }
    let shortest = with(sections::current_stage(model, style));
    if fits(&shortest) {
        return shortest;
    }
    let lines = shortest.lines().take(height.saturating_sub(1));
    let mut text = String::new();
    for line in lines.chain(["  …"]) {
        push!(text, "{line}\n");
    }
    text
}

/// One line for an entry: when, and what it says.
pub fn line(entry: &Entry, model: &Model, palette: Palette) -> String {
    let said = telling::sentence(entry, model);
    let said = match telling::weight(&entry.what) {
        Weight::Small => palette.dim(&said),
        Weight::Plain => said,
        Weight::Good => palette.good(&said),
        Weight::Notable => palette.notable(&said),
        Weight::Bad => palette.bad(&said),
    };
    format!("{}  {said}", palette.dim(&super::figures::clock(entry.at_ms)))
}

/// Tells the entries of one rollout as they come.
pub struct Live {
    console: Arc<Console>,
    as_json: bool,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    model: Model,
    frame: Option<ProgressBar>,
}

impl Live {
    /// The view that fits: JSON lines on stdout where `as_json`, a frame in a terminal, plain lines elsewhere.
    pub fn new(console: &Arc<Console>, as_json: bool) -> Self {
        Self { console: Arc::clone(console), as_json, told: Mutex::default() }
    }

    /// What happened before, which is not told again: entries of a rollout that somebody joins. Call [`Self::tick`] to
    /// draw it.
    pub fn catch_up<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            told.model.take(entry);
        }
    }

    /// Tells one more entry.
    pub fn take(&self, entry: &Entry) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.model.take(entry);
        if self.as_json {
            match serde_json::to_string(entry) {
                Ok(line) => self.console.data_line(&line),
                Err(error) => {
                    let said = format!("entry {} cannot be written: {error}", entry.number);
                    self.console.message_line(&said);
                }
            }
            return;
        }
        let shown = !self.console.is_live() || telling::weight(&entry.what) != Weight::Small;
        if shown {
            let said = line(entry, &told.model, self.console.err_palette());
            self.console.message_line(&said);
        }
        self.draw(&mut told, entry.at_ms);
    }

    /// Draws it as it is at a moment (Unix milliseconds): times left go on without entries. Tells nothing where nothing
    /// is redrawn.
    pub fn tick(&self, now_ms: i64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.draw(&mut told, now_ms);
    }

    /// Ends the view; in a terminal the last frame stays.
    pub fn finish(&self, now_ms: i64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear(&mut told);
        if self.console.is_live() && !self.as_json && told.model.entries > 0 {
            let (width, palette) = (self.console.width(), self.console.err_palette());
            self.console.message(&frame(&told.model, now_ms, width, palette));
        }
    }

    /// The fold so far.
    pub fn model(&self) -> Model {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).model.clone()
    }

    fn draw(&self, told: &mut Told, now_ms: i64) {
        if self.as_json || !self.console.is_live() {
            return;
        }
        let (size, palette) = (self.console.size(), self.console.err_palette());
        let (width, rows) = size;
        // Operations under way have lines, too.
        let height = rows.map_or(usize::MAX, |rows| rows.saturating_sub(OPERATIONS).max(LEAST));
        let text = fitted(&told.model, now_ms, (width, height), palette);
        let bar = told.frame.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            self.console.screen().add(ProgressBar::new_spinner().with_style(style))
        });
        bar.set_message(text.trim_end().to_owned());
        bar.tick();
    }

    fn clear(&self, told: &mut Told) {
        if let Some(bar) = told.frame.take() {
            bar.finish_and_clear();
            self.console.screen().remove(&bar);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Ok(mut told) = self.told.lock() {
            let told: &mut Told = &mut told;
            if let Some(bar) = told.frame.take() {
                bar.finish_and_clear();
                self.console.screen().remove(&bar);
            }
        }
    }
}

#[cfg(test)]
mod tests;
