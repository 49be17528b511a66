//! Event sinks: a live view in a terminal, plain lines elsewhere, JSON lines for other programs.
//!
//! Invariants: every sink tells the same fold of the same events; at most [`LIVE_LINES`] operations are shown live,
//! however many run. Refuses to know: what the operations mean.

use crate::console::Console;
use crate::fold::{Fold, Told};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::event::{Discard, Event, EventSink};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many running operations have a live line; the others are counted on one more.
pub const LIVE_LINES: usize = 16;

/// The sink that fits: JSON lines on stdout where `as_json`, live lines in a terminal, plain lines elsewhere.
pub fn sink(console: &Arc<Console>, as_json: bool) -> Arc<dyn Progress> {
    let console = Arc::clone(console);
    if as_json {
        return Arc::new(JsonLines { console });
    }
    if console.is_live() {
        return Arc::new(Live::new(console));
    }
    Arc::new(Lines { console, fold: Mutex::default() })
}

/// A sink that can be told how much is to come.
pub trait Progress: EventSink {
    /// So many operations are about to run.
    fn expect(&self, operations: usize);
}

impl Progress for Discard {
    fn expect(&self, _operations: usize) {}
}

/// Each event as one JSON object a line on stdout.
struct JsonLines {
    console: Arc<Console>,
}

impl EventSink for JsonLines {
    fn publish(&self, event: Event) {
        match serde_json::to_string(&event) {
            Ok(line) => self.console.data_line(&line),
            Err(error) => {
                self.console.message_line(&format!("an event cannot be written: {error}"));
            }
        }
    }
}

impl Progress for JsonLines {
    fn expect(&self, _operations: usize) {}
}

/// One line for each start and each end on stderr.
struct Lines {
    console: Arc<Console>,
    fold: Mutex<Fold>,
}

impl EventSink for Lines {
    fn publish(&self, event: Event) {
        let told = lock(&self.fold).take(&event, self.console.err_palette());
        for Told::Line(line) | Told::Step(line) in told {
            self.console.message_line(&line);
        }
    }
}

impl Progress for Lines {
    fn expect(&self, _operations: usize) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines that stay, and below them one live line for each running operation and one for all.
struct Live {
    console: Arc<Console>,
    screen: MultiProgress,
    drawn: Mutex<Drawn>,
}

#[derive(Default)]
struct Drawn {
    fold: Fold,
    started: BTreeMap<u32, Instant>,
    lines: BTreeMap<u32, ProgressBar>,
    more: Option<ProgressBar>,
    total: Option<ProgressBar>,
    expected: usize,
}

impl Live {
    fn new(console: Arc<Console>) -> Self {
        let screen = console.screen().clone();
        Self { console, screen, drawn: Mutex::default() }
    }

    /// Gives every running operation a line as long as there is room, and takes lines away from those that ended.
    fn redraw(&self, drawn: &mut Drawn) {
        let Drawn { fold, started, lines, more, total, expected } = drawn;
        lines.retain(|id, line| {
            let runs = fold.running.contains_key(id);
            if !runs {
                line.finish_and_clear();
                self.screen.remove(line);
            }
            runs
        });
        started.retain(|id, _| fold.running.contains_key(id));
        if fold.running.is_empty() && fold.over >= *expected {
            for bar in more.take().into_iter().chain(total.take()) {
                bar.finish_and_clear();
                self.screen.remove(&bar);
            }
            return;
        }
        let total = total.get_or_insert_with(|| self.add_total(*expected));
        total.set_position(fold.over as u64);
        let more = more.get_or_insert_with(|| self.screen.insert_before(total, blank()));
        for (id, running) in &fold.running {
            let since = started.entry(*id).or_insert_with(Instant::now);
            if let Some(line) = lines.get(id) {
                line.set_message(running.line());
            } else if lines.len() < LIVE_LINES {
                let line = self.screen.insert_before(more, operation(since.elapsed()));
                line.set_message(running.line());
                line.enable_steady_tick(Duration::from_millis(120));
                lines.insert(*id, line);
            }
        }
        let hidden = fold.running.len() - lines.len();
        more.set_message(if hidden > 0 {
            format!("  … and {hidden} more")
        } else {
            String::new()
        });
    }

    fn add_total(&self, expected: usize) -> ProgressBar {
        let bar = ProgressBar::new(expected as u64)
            .with_style(style("{bar:30} {pos} of {len}, {elapsed}"));
        let bar = self.screen.add(bar);
        bar.enable_steady_tick(Duration::from_millis(500));
        bar
    }

    fn clear(&self) {
        let mut drawn = lock(&self.drawn);
        drawn.fold.running.clear();
        drawn.expected = 0;
        self.redraw(&mut drawn);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

fn operation(elapsed: Duration) -> ProgressBar {
    ProgressBar::new_spinner()
        .with_style(style("  {spinner} {elapsed:>4} {wide_msg}"))
        .with_elapsed(elapsed)
}

fn blank() -> ProgressBar {
    ProgressBar::new_spinner().with_style(style("{wide_msg}"))
}

impl EventSink for Live {
    fn publish(&self, event: Event) {
        let mut drawn = lock(&self.drawn);
        let told = drawn.fold.take(&event, self.console.err_palette());
        if matches!(event, Event::RunFinished { .. }) {
            drawn.expected = 0;
        }
        self.redraw(&mut drawn);
        for line in told {
            if let Told::Line(line) = line
                && self.screen.println(&line).is_err()
            {
                self.console.message_line(&line);
            }
        }
    }
}

impl Progress for Live {
    fn expect(&self, operations: usize) {
        let mut drawn = lock(&self.drawn);
        drawn.expected = drawn.fold.over + operations;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;
    use model::plan::OperationKind;
    use model::{Address, Diagnostic};

    fn events() -> Vec<Event> {
        let network = Address::parse("module.network.local_network.this").unwrap();
        let machine =
            Address::parse("node_set.edge.node[\"edge-local-001\"].local_machine.this").unwrap();
        let kind = OperationKind::Create;
        let mut events = vec![
            Event::RefreshStarted { objects: 3 },
            Event::RefreshFinished { objects: 3, elapsed_ms: 240 },
            Event::RecoveryStarted { intents: 1 },
            Event::Recovered { address: network.clone(), how: "adopted".to_owned() },
            Event::OperationStarted {
                id: 0,
                address: network.clone(),
                kind: OperationKind::Update,
            },
            Event::OperationProgress { id: 0, address: network.clone(), step: "bridge".to_owned() },
            Event::OperationSucceeded {
                id: 0,
                address: network,
                kind: OperationKind::Update,
                elapsed_ms: 1_250,
                note: Some("1 bridge".to_owned()),
            },
            Event::OperationStarted { id: 1, address: machine.clone(), kind },
            Event::OperationFailed {
                id: 1,
                address: machine.clone(),
                kind,
                elapsed_ms: 61_000,
                diagnostic: Diagnostic::error("denied", "user namespaces are forbidden"),
            },
        ];
        events.extend((2..14).map(|id| Event::OperationSkipped {
            id,
            address: machine.clone(),
            kind,
            because: "it needs what failed".to_owned(),
        }));
        events.push(Event::RunFinished {
            succeeded: 1,
            failed: 1,
            skipped: 12,
            elapsed_ms: 62_500,
        });
        events
    }

    fn told(as_json: bool) -> crate::console::Capture {
        let (console, capture) = Console::captured();
        let sink = sink(&Arc::new(console), as_json);
        for event in events() {
            sink.publish(event);
        }
        capture
    }

    #[test]
    fn plain_lines_tell_every_start_and_end() {
        insta::assert_snapshot!(told(false).err());
    }

    #[test]
    fn json_lines_go_to_stdout() {
        let capture = told(true);
        assert!(capture.err().is_empty());
        assert_eq!(capture.out().lines().count(), events().len());
        insta::assert_snapshot!(capture.out().lines().take(7).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn live_lines_are_bounded() {
        let (console, _capture) = Console::captured();
        let live = Live::new(Arc::new(console));
        live.screen.set_draw_target(ProgressDrawTarget::hidden());
        live.expect(40);
        for id in 0..40 {
            let address = Address::parse(&format!("local_machine.n[{id}]")).unwrap();
            live.publish(Event::OperationStarted { id, address, kind: OperationKind::Create });
        }
        assert_eq!(lock(&live.drawn).lines.len(), LIVE_LINES);
        live.publish(Event::RunFinished { succeeded: 0, failed: 0, skipped: 0, elapsed_ms: 0 });
        assert!(lock(&live.drawn).lines.is_empty());
    }
}
