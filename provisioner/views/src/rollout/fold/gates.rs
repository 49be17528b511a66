//! The gates of a stage, and what was measured: the numbers to draw, with what they are held against.
//!
//! Invariant: a measurement without a number (missing data, a source that did not answer, yes or no) stays a point without a
//! value; none is made up.
//! Refuses to know: how a verdict follows from numbers.

use super::StageView;
use crate::rollout::figures;
use model::rollout::entry::{Measurement, Reading, Verdict};
use model::rollout::{Check, StageGate};

/// A gate in one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// What must hold.
    pub check: Check,
    /// What was measured, in order.
    pub points: Vec<Point>,
    /// What the gate says now.
    pub verdict: Option<Verdict>,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// From when, Unix milliseconds.
    pub from_ms: i64,
    /// To when.
    pub to_ms: i64,
    /// The number of this window, if it has one.
    pub value: Option<f64>,
    /// The same over all windows so far, if the verdict rests on that.
    pub cumulated: Option<f64>,
    /// The control group's.
    pub control: Option<f64>,
    /// Whether there was an answer that can be counted.
    pub reading: Answer,
    /// What the gate said with it.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
}

/// Whether a metric source answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a number.
    Number,
    /// With yes.
    Yes,
    /// With no.
    No,
    /// With nothing that counts.
    Missing,
    /// Not at all.
    Error,
}

/// Bounds of a check, as numbers of its axis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Proceed below this.
    pub proceed_below: Option<f64>,
    /// Proceed above this.
    pub proceed_above: Option<f64>,
    /// Roll back above this.
    pub rollback_above: Option<f64>,
    /// Roll back below this.
    pub rollback_below: Option<f64>,
}

/// One gate over all stages that have it, of one node set.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// The gate.
    pub name: &'a str,
    /// The node set, an index.
    pub set: usize,
    /// The stages in order, by place, each with the gate as it is there.
    pub stages: Vec<(usize, &'a GateView)>,
}

impl Series<'_> {
    /// All gates of all sets, in the order in which stages name them first.
    pub fn all(stages: &[StageView]) -> Vec<Series<'_>> {
        let mut all: Vec<Series> = Vec::new();
        for (place, stage) in stages.iter().enumerate() {
            for gate in &stage.gates {
                let known =
                    all.iter_mut().find(|one| one.set == stage.set && one.name == gate.name);
                match known {
                    Some(series) => series.stages.push((place, gate)),
                    None => all.push(Series {
                        name: &gate.name,
                        set: stage.set,
                        stages: vec![(place, gate)],
                    }),
                }
            }
        }
        all
    }

    /// All that was measured, in order.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.stages.iter().flat_map(|(_, gate)| &gate.points)
    }

    /// Whether its numbers are shares.
    pub fn is_share(&self) -> bool {
        self.stages.iter().any(|(_, gate)| matches!(gate.check, Check::Rate { .. }))
    }

    /// Whether it has numbers at all.
    pub fn has_numbers(&self) -> bool {
        self.stages.iter().any(|(_, gate)| !matches!(gate.check, Check::Yes { .. }))
    }
}

impl GateView {
    pub(super) fn of(gate: &StageGate) -> Self {
        let (name, check) = (gate.gate.clone(), gate.check.clone());
        Self { name, check, points: Vec::new(), verdict: None }
    }

    /// What its numbers are held against.
    pub fn bounds(&self) -> Bounds {
        match &self.check {
            Check::Rate { proceed_below, rollback_above, .. } => Bounds {
                proceed_below: Some(*proceed_below),
                rollback_above: *rollback_above,
                ..Bounds::default()
            },
            Check::Value {
                proceed_above, proceed_below, rollback_below, rollback_above, ..
            } => Bounds {
                proceed_below: *proceed_below,
                proceed_above: *proceed_above,
                rollback_above: *rollback_above,
                rollback_below: *rollback_below,
            },
            Check::Yes { .. } => Bounds::default(),
        }
    }

    /// A number of this gate for people.
    pub fn figure(&self, value: f64) -> String {
        match &self.check {
            Check::Rate { .. } => figures::share(value),
            Check::Value { relative: true, .. } => format!("{} × control", figures::number(value)),
            Check::Value { .. } | Check::Yes { .. } => figures::number(value),
        }
    }

    /// What must hold, for people: `proceed < 0.1 %, roll back > 1 %`.
    pub fn rule(&self) -> String {
        let bounds = self.bounds();
        let mut parts = Vec::new();
        for (what, bound) in [
            ("proceed <", bounds.proceed_below),
            ("proceed >", bounds.proceed_above),
            ("roll back >", bounds.rollback_above),
            ("roll back <", bounds.rollback_below),
        ] {
            if let Some(bound) = bound {
                parts.push(format!("{what} {}", self.figure(bound)));
            }
        }
        match &self.check {
            Check::Rate { worse_than_control: Some(more), .. } => {
                parts.push(format!("roll back > control + {}", figures::share(*more)));
            }
            Check::Value { min_load: Some(load), .. } => {
                parts.push(format!("from a load of {}", figures::number(*load)));
            }
            Check::Yes { consecutive } => {
                parts.push(format!("roll back after {consecutive} × no in a row"));
            }
            _ => {}
        }
        parts.join(", ")
    }

    fn point(&self, measurement: &Measurement) -> Point {
        let (value, control, reading) = self.numbers(&measurement.reading);
        Point {
            from_ms: measurement.from_ms,
            to_ms: measurement.to_ms,
            value,
            cumulated: measurement.shown.get("rate").copied().filter(|rate| rate.is_finite()),
            control,
            reading,
            verdict: measurement.verdict,
            why: measurement.why.clone(),
        }
    }

    fn numbers(&self, reading: &Reading) -> (Option<f64>, Option<f64>, Answer) {
        let share = |bad: f64, total: f64| (total > 0.0).then(|| bad / total);
        let real = |value: &f64| value.is_finite();
        match reading {
            Reading::Counts { bad, total, control } => {
                let value = share(*bad, *total).filter(real);
                let control = control.and_then(|(bad, total)| share(bad, total)).filter(real);
                (value, control, Answer::Number)
            }
            Reading::Value { value, control, .. } => {
                let relative = matches!(self.check, Check::Value { relative: true, .. });
                let (value, control) = if relative {
                    (control.map(|control| value / control), None)
                } else {
                    (Some(*value), *control)
                };
                (value.filter(real), control.filter(real), Answer::Number)
            }
            Reading::Yes => (None, None, Answer::Yes),
            Reading::No { .. } => (None, None, Answer::No),
            Reading::Missing { .. } => (None, None, Answer::Missing),
            Reading::Error { .. } => (None, None, Answer::Error),
        }
    }
}

impl StageView {
    pub(super) fn measured(&mut self, measurement: &Measurement) {
        let gate = self.gates.iter_mut().find(|gate| gate.name == measurement.gate);
        if let Some(gate) = gate {
            let point = gate.point(measurement);
            gate.verdict = Some(measurement.verdict);
            gate.points.push(point);
        }
    }
}
