//! The events of a run folded into what is under way and what is over, and the lines that tell it.
//!
//! Invariant: a live run and a replayed one give the same lines: nothing here reads a clock, and times come from events.

use crate::console::Palette;
use model::event::Event;
use model::plan::OperationKind;
use model::{Address, Diagnostic, Severity};
use std::collections::BTreeMap;

/// Skipped operations told one by one; the rest is only counted.
const SKIPS_TOLD: usize = 8;

/// An operation under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// The instance.
    pub address: Address,
    /// What is done.
    pub kind: OperationKind,
    /// The step it is at, if it told one.
    pub step: String,
}

impl Running {
    /// One line: `module.network.local_network.this: creating, bridge`.
    pub fn line(&self) -> String {
        let doing = words(self.kind).0;
        if self.step.is_empty() {
            format!("{}: {doing}", self.address)
        } else {
            format!("{}: {doing}, {}", self.address, self.step)
        }
    }
}

/// What a run has come to.
#[derive(Debug, Default)]
pub struct Fold {
    /// Under way, by operation.
    pub running: BTreeMap<u32, Running>,
    /// Over, however it ended.
    pub over: usize,
    skipped: usize,
}

/// A line about an event, and whether it only matters where nothing is redrawn.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Always worth a line.
    Line(String),
    /// Worth a line only where running operations are not shown live.
    Step(String),
}

impl Fold {
    /// Takes one event and gives the lines that tell it.
    pub fn take(&mut self, event: &Event, palette: Palette) -> Vec<Told> {
        let line = |text: String| vec![Told::Line(text)];
        match event {
            Event::RefreshStarted { objects: 0 } | Event::RefreshFinished { objects: 0, .. } => {
                Vec::new()
            }
            Event::RefreshStarted { objects } => {
                vec![Told::Step(format!("Reading {} …", count(*objects, "object")))]
            }
            Event::RefreshFinished { objects, elapsed_ms } => line(palette.dim(&format!(
                "Read {} in {}.",
                count(*objects, "object"),
                duration(*elapsed_ms)
            ))),
            Event::RecoveryStarted { intents } => line(format!(
                "Settling {} whose end an earlier run did not see …",
                count(*intents, "call")
            )),
            Event::Recovered { address, how } => {
                line(format!("  {} {address}: {how}", palette.notable("↺")))
            }
            Event::OperationStarted { id, address, kind } => {
                self.started(*id, address, *kind, palette)
            }
            Event::OperationProgress { id, step, .. } => {
                if let Some(running) = self.running.get_mut(id) {
                    running.step.clone_from(step);
                }
                Vec::new()
            }
            Event::OperationSucceeded { .. }
            | Event::OperationFailed { .. }
            | Event::OperationSkipped { .. } => self.ended(event, palette),
            Event::OperationRetried { id, attempt, wait_ms, message, .. } => {
                if let Some(running) = self.running.get_mut(id) {
                    let wait = duration(*wait_ms);
                    running.step = format!("attempt {attempt} in {wait}: {message}");
                }
                Vec::new()
            }
            Event::ConditionViolated { diagnostic } => line(violation(diagnostic, palette)),
            Event::LeaseAwaited { holder, addresses } => line(palette.notable(&format!(
                "Waiting for {holder}, which is changing {}.",
                some_of(addresses)
            ))),
            Event::Interrupted { in_flight } => line(palette.notable(&format!(
                "Interrupted: finishing {} in flight; once more stops at once.",
                count(*in_flight, "operation")
            ))),
            Event::RunFinished { .. } => self.finished(event, palette),
            Event::Notice { message } => line(message.clone()),
        }
    }

    fn started(
        &mut self,
        id: u32,
        address: &Address,
        kind: OperationKind,
        palette: Palette,
    ) -> Vec<Told> {
        let running = Running { address: address.clone(), kind, step: String::new() };
        let told = Told::Step(format!("  {} {}", palette.dim("·"), running.line()));
        self.running.insert(id, running);
        vec![told]
    }

    fn ended(&mut self, event: &Event, palette: Palette) -> Vec<Told> {
        self.over += 1;
        match event {
            Event::OperationSucceeded { id, address, kind, elapsed_ms, note } => {
                self.running.remove(id);
                let note = note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
                let (done, took) = (words(*kind).1, duration(*elapsed_ms));
                vec![Told::Line(format!(
                    "  {} {address}: {done} in {took}{note}",
                    palette.good("✓")
                ))]
            }
            Event::OperationFailed { id, address, kind, elapsed_ms, diagnostic } => {
                self.running.remove(id);
                let (doing, took) = (words(*kind).0, duration(*elapsed_ms));
                let why = &diagnostic.summary;
                vec![Told::Line(format!(
                    "  {} {address}: {doing} failed after {took}: {why}",
                    palette.bad("✗")
                ))]
            }
            Event::OperationSkipped { address, because, .. } => {
                self.skipped += 1;
                if self.skipped > SKIPS_TOLD {
                    return Vec::new();
                }
                vec![Told::Line(format!(
                    "  {} {address}: not run, {because}",
                    palette.notable("○")
                ))]
            }
            _ => Vec::new(),
        }
    }

    fn finished(&mut self, event: &Event, palette: Palette) -> Vec<Told> {
        let Event::RunFinished { succeeded, failed, skipped, elapsed_ms } = event else {
            return Vec::new();
        };
        self.running.clear();
        if succeeded + failed + skipped == 0 {
            return Vec::new();
        }
        let mut told = Vec::new();
        if self.skipped > SKIPS_TOLD {
            let more = self.skipped - SKIPS_TOLD;
            told.push(Told::Line(format!("  {} … and {more} more not run", palette.notable("○"))));
        }
        let text = format!(
            "{succeeded} done, {failed} failed, {skipped} not run, in {}.",
            duration(*elapsed_ms)
        );
        let text = if failed + skipped == 0 { palette.good(&text) } else { palette.bad(&text) };
        told.push(Told::Line(text));
        told
    }
}

/// What an operation does, under way and done.
fn words(kind: OperationKind) -> (&'static str, &'static str) {
    match kind {
        OperationKind::Create => ("creating", "created"),
        OperationKind::CreateReplacement => ("creating the replacement", "replacement created"),
        OperationKind::Update => ("updating", "updated"),
        OperationKind::Delete => ("deleting", "deleted"),
        OperationKind::DeleteDeposed => ("deleting the replaced object", "replaced object deleted"),
        OperationKind::Forget => ("forgetting", "forgotten"),
        OperationKind::Read => ("reading", "read"),
    }
}

/// The first few addresses, and how many more.
fn violation(diagnostic: &Diagnostic, palette: Palette) -> String {
    let sign = match diagnostic.severity {
        Severity::Error => palette.bad("✗"),
        Severity::Warning => palette.notable("!"),
    };
    let message = diagnostic.detail.lines().next().unwrap_or_default();
    format!("  {sign} {}: {message}", diagnostic.summary)
}

fn some_of(addresses: &[Address]) -> String {
    const SHOWN: usize = 3;
    let mut text =
        addresses.iter().take(SHOWN).map(Address::to_string).collect::<Vec<_>>().join(", ");
    if addresses.len() > SHOWN {
        push!(text, " and {} more", addresses.len() - SHOWN);
    }
    if text.is_empty() { "the environment".to_owned() } else { text }
}

/// `1 call`, `2 calls`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// An RFC 3339 time for people, to the second: `2026-11-29 14:30:00`.
pub fn when(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

/// A time for people: `340 ms`, `4.2 s`, `3 min 5 s`.
pub fn duration(elapsed_ms: u64) -> String {
    match elapsed_ms {
        0..1_000 => format!("{elapsed_ms} ms"),
        1_000..60_000 => format!("{}.{} s", elapsed_ms / 1_000, elapsed_ms % 1_000 / 100),
        _ => format!("{} min {} s", elapsed_ms / 60_000, elapsed_ms / 1_000 % 60),
    }
}
