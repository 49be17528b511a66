//! The live view: frames of rollouts in all their states, in several sizes, and what is told where nothing is redrawn.

use super::*;
use crate::rollout::sample;

fn shown(entries: &[Entry], upto: usize, width: usize) -> String {
    let model = Model::of(&entries[..upto]);
    frame(&model, model.last_ms + 20_000, width, Palette::PLAIN)
}

/// Just after the last entry that `what` holds for.
fn after(entries: &[Entry], what: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().rposition(what).unwrap() + 1
}

#[test]
fn a_stage_that_bakes() {
    let entries = sample::good();
    let upto = after(&entries, |entry| entry.at_ms < sample::BEGAN_MS + 3_000_000);
    insta::assert_snapshot!(shown(&entries, upto, 110));
}

#[test]
fn a_rollout_that_is_held() {
    let entries = sample::held();
    insta::assert_snapshot!(shown(&entries, entries.len(), 100));
}

#[test]
fn a_rollout_that_was_rolled_back() {
    let entries = sample::rolled_back();
    insta::assert_snapshot!(shown(&entries, entries.len(), 100));
}

#[test]
fn a_thousand_nodes_are_drawn_as_shares() {
    let entries = sample::thousand();
    insta::assert_snapshot!(shown(&entries, entries.len(), 80));
}

#[test]
fn no_line_is_wider_than_asked_for_at_any_entry() {
    for entries in [sample::good(), sample::held(), sample::rolled_back(), sample::nasty()] {
        for upto in (0..=entries.len()).step_by(7) {
            for width in [40, 80, 160] {
                let text = shown(&entries, upto, width);
                for line in text.lines().filter(|line| !line.contains("provisioner rollout")) {
                    // A command is not cut: it is there to be copied.
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
    }
}

#[test]
fn a_low_terminal_gets_what_says_most() {
    let entries = sample::good();
    let upto = after(&entries, |entry| entry.at_ms < sample::BEGAN_MS + 3_000_000);
    let model = Model::of(&entries[..upto]);
    let drawn = |height| fitted(&model, model.last_ms + 20_000, (80, height), Palette::PLAIN);
    assert_eq!(drawn(100), frame(&model, model.last_ms + 20_000, 80, Palette::PLAIN));
    for entries in [sample::good(), sample::held(), sample::rolled_back(), sample::thousand()] {
        for height in [6, 9, 15, 21] {
            let model = Model::of(&entries);
            let text = fitted(&model, model.last_ms, (40, height), Palette::PLAIN);
            assert!(text.lines().count() <= height, "{height}: {text}");
        }
    }
    insta::assert_snapshot!(drawn(12));
}

#[test]
fn without_a_terminal_every_entry_is_one_line() {
    let entries = sample::rolled_back();
    let (console, capture) = Console::captured();
    let live = Live::new(&Arc::new(console), false);
    for entry in &entries {
        live.take(entry);
        live.tick(entry.at_ms + 500);
    }
    live.finish(0);
    assert_eq!(capture.err().lines().count(), entries.len());
    assert_eq!(capture.out(), "");
    insta::assert_snapshot!(capture.err());
}

#[test]
fn json_lines_are_the_entries() {
    let entries = sample::held();
    let (console, capture) = Console::captured();
    let live = Live::new(&Arc::new(console), true);
    for entry in &entries {
        live.take(entry);
    }
    live.finish(0);
    let read = capture.out();
    let read = read.lines().map(|line| serde_json::from_str::<Entry>(line).unwrap());
    assert!(read.map(|entry| entry.number).eq(0..entries.len() as u64));
    assert_eq!(capture.err(), "");
}

#[test]
fn the_frame_and_the_lines_of_operations_share_one_screen() {
    use indicatif::{MultiProgress, ProgressDrawTarget};
    use model::event::Event;
    let terminal = Screen::default();
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let console = Arc::new(Console::drawn_on(MultiProgress::with_draw_target(target)));
    let live = Live::new(&console, false);
    let waves = crate::progress::sink(&console, false);
    let entries = sample::rolled_back();
    for entry in &entries[..3] {
        live.take(entry);
    }
    waves.expect(1);
    let address = model::Address::parse("local_machine.n").unwrap();
    let kind = model::plan::OperationKind::Update;
    waves.publish(Event::OperationStarted { id: 0, address: address.clone(), kind });
    live.tick(sample::BEGAN_MS + 5_000);
    let seen = terminal.contents();
    assert_eq!(seen.matches("Rollout r-7f3a90c1 of staging").count(), 1, "{seen}");
    assert!(seen.contains("local_machine.n: updating"), "{seen}");
    let ended = Event::OperationSucceeded { id: 0, address, kind, elapsed_ms: 10, note: None };
    waves.publish(ended);
    live.take(&entries[3]);
    let seen = terminal.contents();
    assert_eq!(seen.matches("Rollout r-7f3a90c1 of staging").count(), 1, "{seen}");
    assert!(seen.contains("local_machine.n: updated in 10 ms"), "{seen}");
    assert!(!seen.contains("updating"), "{seen}");
}

/// A terminal with just what is needed to see what is on it.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<(Vec<String>, usize)>>);

impl Screen {
    fn contents(&self) -> String {
        self.0.lock().unwrap().0.join("\n")
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<String>, &mut usize)) {
        let mut screen = self.0.lock().unwrap();
        let (lines, row) = &mut *screen;
        edit(lines, row);
        let wanted = lines.len().max(*row + 1);
        lines.resize(wanted, String::new());
    }
}

impl indicatif::TermLike for Screen {
    fn width(&self) -> u16 {
        120
    }

    fn height(&self) -> u16 {
        60
    }

    fn move_cursor_up(&self, lines: usize) -> std::io::Result<()> {
        self.edit(|_, row| *row = row.saturating_sub(lines));
        Ok(())
    }

    fn move_cursor_down(&self, lines: usize) -> std::io::Result<()> {
        self.edit(|_, row| *row += lines);
        Ok(())
    }

    fn move_cursor_right(&self, _columns: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _columns: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(text)?;
        self.edit(|_, row| *row += 1);
        Ok(())
    }

    /// A line that is full goes on in the next one, when something more is written.
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.edit(|lines, row| {
            for letter in text.chars() {
                let full = lines.get(*row).is_some_and(|line| line.chars().count() >= 120);
                *row += usize::from(letter == '\n' || full);
                let wanted = lines.len().max(*row + 1);
                lines.resize(wanted, String::new());
                if letter != '\n' && letter != '\r' {
                    lines[*row].push(letter);
                }
            }
        });
        Ok(())
    }

    fn clear_line(&self) -> std::io::Result<()> {
        self.edit(|lines, row| {
            if let Some(line) = lines.get_mut(*row) {
                line.clear();
            }
        });
        Ok(())
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}
