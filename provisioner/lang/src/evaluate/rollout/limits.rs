//! What must hold: the limits of a gate, and those that a stage says instead.
//!
//! Invariant: a [`Check`] fits what its gate measures, and its limits are in order.

use super::gate::{GateState, Measures};
use super::reading::{Given, Reading, Told};
use crate::module::{list, suggest::did_you_mean};
use model::rollout::Check;
use model::{Diagnostic, Span, Type};

/// How sure "shown" is where nobody says.
const CONFIDENCE: f64 = 0.99;

const OF_RATES: [&str; 5] =
    ["proceed_below", "rollback_above", "worse_than_control", "min_sample", "confidence"];

const OF_VALUES: [&str; 7] = [
    "proceed_above",
    "proceed_below",
    "rollback_below",
    "rollback_above",
    "relative",
    "min_load",
    "consecutive",
];

/// Limits, as far as they are given.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    proceed_above: Option<Given<f64>>,
    proceed_below: Option<Given<f64>>,
    rollback_below: Option<Given<f64>>,
    rollback_above: Option<Given<f64>>,
    worse_than_control: Option<Given<f64>>,
    confidence: Option<Given<f64>>,
    min_load: Option<Given<f64>>,
    min_sample: Option<Given<u32>>,
    consecutive: Option<Given<u32>>,
    relative: Option<Given<bool>>,
}

impl Limits {
    /// Those that a block gives to a gate that measures so.
    pub(super) fn read(
        reading: &mut Reading<'_, '_, '_>,
        measures: Measures,
    ) -> Result<Self, Told> {
        let (words, allowed): (_, &[&str]) = match measures {
            Measures::Counts { .. } => ("a share of events", &OF_RATES),
            Measures::Value { .. } => ("a number", &OF_VALUES),
            Measures::Yes => ("yes or no", &["consecutive"]),
        };
        let mut result = Ok(());
        for name in OF_RATES.iter().chain(&OF_VALUES).filter(|name| !allowed.contains(name)) {
            let (Ok(Some(_)), Some(span)) =
                (reading.value(name, &Type::Any), reading.name_span(name))
            else {
                continue;
            };
            let summary = format!("{} is judged by {words}: it takes no `{name}`", reading.title);
            let hint = did_you_mean(name, allowed.iter().copied())
                .unwrap_or_else(|| format!("it takes {}", list(allowed.iter().copied())));
            let diagnostic =
                Diagnostic::error("unknown-argument", summary).with_label(span, "").with_hint(hint);
            reading.graph.report(diagnostic);
            result = Err(Told);
        }
        result?;
        let is_known =
            |name: &str| name == "use" || OF_RATES.contains(&name) || OF_VALUES.contains(&name);
        if measures != Measures::Yes && !reading.knows(is_known) {
            return Err(Told);
        }
        match measures {
            Measures::Counts { .. } => Self::of_rate(reading),
            Measures::Value { .. } => Self::of_value(reading),
            Measures::Yes => {
                Ok(Self { consecutive: reading.whole("consecutive", 1)?, ..Self::default() })
            }
        }
    }

    fn of_rate(reading: &mut Reading<'_, '_, '_>) -> Result<Self, Told> {
        let proceed_below = reading.share("proceed_below");
        let rollback_above = reading.share("rollback_above");
        let worse_than_control = reading.share("worse_than_control");
        let confidence = reading.share("confidence");
        let min_sample = reading.whole("min_sample", 1);
        let limits = Self {
            proceed_below: proceed_below?,
            rollback_above: rollback_above?,
            worse_than_control: worse_than_control?,
            confidence: confidence?,
            min_sample: min_sample?,
            ..Self::default()
        };
        if let Some(Given { value, span }) = &limits.confidence
            && (*value <= 0.5 || *value >= 1.0)
        {
            let summary = format!("`confidence` of {} is above 0.5 and below 1", reading.title);
            let found = format!("this is {value}");
            let hint = "0.99 is wrong once in a hundred; nothing that is measured is ever sure";
            return Err(reading.tell(summary, span.clone(), &found, hint));
        }
        Ok(limits)
    }

    fn of_value(reading: &mut Reading<'_, '_, '_>) -> Result<Self, Told> {
        let proceed_above = reading.number("proceed_above");
        let proceed_below = reading.number("proceed_below");
        let rollback_below = reading.number("rollback_below");
        let rollback_above = reading.number("rollback_above");
        let min_load = reading.number("min_load");
        let consecutive = reading.whole("consecutive", 1);
        let relative = reading.flag("relative");
        Ok(Self {
            proceed_above: proceed_above?,
            proceed_below: proceed_below?,
            rollback_below: rollback_below?,
            rollback_above: rollback_above?,
            min_load: min_load?,
            consecutive: consecutive?,
            relative: relative?,
            ..Self::default()
        })
    }

    /// These, and where they say nothing the gate's own.
    pub(super) fn over(self, own: &Self) -> Self {
        Self {
            proceed_above: self.proceed_above.or_else(|| own.proceed_above.clone()),
            proceed_below: self.proceed_below.or_else(|| own.proceed_below.clone()),
            rollback_below: self.rollback_below.or_else(|| own.rollback_below.clone()),
            rollback_above: self.rollback_above.or_else(|| own.rollback_above.clone()),
            worse_than_control: self.worse_than_control.or_else(|| own.worse_than_control.clone()),
            confidence: self.confidence.or_else(|| own.confidence.clone()),
            min_load: self.min_load.or_else(|| own.min_load.clone()),
            min_sample: self.min_sample.or_else(|| own.min_sample.clone()),
            consecutive: self.consecutive.or_else(|| own.consecutive.clone()),
            relative: self.relative.or_else(|| own.relative.clone()),
        }
    }

    /// Without the comparison with the control group, which the last stage does not have.
    #[must_use]
    pub(super) fn without_control(self) -> Self {
        Self { worse_than_control: None, ..self }
    }

    /// Where the comparison with the control group is asked for.
    pub(super) fn control_span(&self) -> Option<Span> {
        let worse = self.worse_than_control.as_ref().map(|worse| worse.span.clone());
        worse.or_else(|| self.relative_span())
    }

    /// Where it is asked for that the number is first divided by the control group's.
    pub(super) fn relative_span(&self) -> Option<Span> {
        self.relative.as_ref().filter(|it| it.value).map(|it| it.span.clone())
    }

    /// Whether the limits that are there are in order, and can be told by what the gate asks for.
    pub(super) fn in_order(
        &self,
        reading: &mut Reading<'_, '_, '_>,
        gate: &GateState,
    ) -> Result<(), Told> {
        let pairs = [
            ("proceed_below", &self.proceed_below, "rollback_above", &self.rollback_above),
            ("rollback_below", &self.rollback_below, "proceed_above", &self.proceed_above),
            ("proceed_above", &self.proceed_above, "proceed_below", &self.proceed_below),
            ("rollback_below", &self.rollback_below, "rollback_above", &self.rollback_above),
        ];
        for (small, low, large, high) in pairs {
            let (Some(low), Some(high)) = (low, high) else { continue };
            if low.value <= high.value {
                continue;
            }
            let summary = format!("`{small}` of {} is more than `{large}`", reading.title);
            let diagnostic = Diagnostic::error("gate", summary)
                .with_label(low.span.clone(), format!("this is {} ...", low.value))
                .with_label(high.span.clone(), format!("... and this is {}", high.value))
                .with_hint("what lies between the two is inconclusive: it holds the stage until its deadline");
            reading.graph.report(diagnostic);
            return Err(Told);
        }
        self.has_queries(reading, gate)
    }

    fn has_queries(&self, reading: &mut Reading<'_, '_, '_>, gate: &GateState) -> Result<(), Told> {
        let (control, load) = match gate.measures {
            Measures::Counts { control } => (control, false),
            Measures::Value { control, load } => (control, load),
            Measures::Yes => return Ok(()),
        };
        let compared = self.control_span().filter(|_| !control);
        let loaded = self.min_load.as_ref().map(|given| given.span.clone()).filter(|_| !load);
        let queries = match gate.measures {
            Measures::Counts { .. } => "`control_bad` and `control_total`",
            _ => "`control`",
        };
        let wanted = [(compared, queries, "the control group"), (loaded, "`load`", "the load")];
        for (span, queries, of) in wanted {
            let Some(span) = span else { continue };
            let summary = format!("`gate \"{}\"` does not ask for {of}", gate.name);
            let diagnostic = Diagnostic::error("gate", summary)
                .with_label(span, format!("this compares with {of}"))
                .with_label(gate.source_span.clone(), format!("this is without {queries}"))
                .with_hint(format!("add {queries} to the source of the gate"));
            reading.graph.report(diagnostic);
            return Err(Told);
        }
        Ok(())
    }

    /// The whole check; tells what is missing in it.
    pub(super) fn check(
        self,
        reading: &mut Reading<'_, '_, '_>,
        gate: &GateState,
    ) -> Result<Check, Told> {
        self.in_order(reading, gate)?;
        let number = |given: Option<Given<f64>>| given.map(|given| given.value);
        let consecutive = self.consecutive.map_or(1, |given| given.value);
        match gate.measures {
            Measures::Yes => Ok(Check::Yes { consecutive }),
            Measures::Counts { .. } => {
                let proceed_below = self.proceed_below.ok_or("proceed_below");
                let min_sample = self.min_sample.ok_or("min_sample");
                let (proceed_below, min_sample) =
                    match proceed_below.and_then(|below| Ok((below, min_sample?))) {
                        Ok(both) => both,
                        Err(name) => return Err(lacks(reading, gate, name)),
                    };
                Ok(Check::Rate {
                    proceed_below: proceed_below.value,
                    rollback_above: number(self.rollback_above),
                    worse_than_control: number(self.worse_than_control),
                    min_sample: u64::from(min_sample.value),
                    confidence: number(self.confidence).unwrap_or(CONFIDENCE),
                })
            }
            Measures::Value { .. } => {
                if self.proceed_above.is_none() && self.proceed_below.is_none() {
                    return Err(lacks(reading, gate, "proceed_above"));
                }
                Ok(Check::Value {
                    proceed_above: number(self.proceed_above),
                    proceed_below: number(self.proceed_below),
                    rollback_below: number(self.rollback_below),
                    rollback_above: number(self.rollback_above),
                    relative: self.relative.is_some_and(|given| given.value),
                    min_load: number(self.min_load),
                    consecutive,
                })
            }
        }
    }
}

fn lacks(reading: &mut Reading<'_, '_, '_>, gate: &GateState, name: &str) -> Told {
    let (block, says) = match name {
        "proceed_below" => {
            ("rate", "`proceed_below` says below which share of bad events a stage goes on")
        }
        "min_sample" => ("rate", "`min_sample` says below how many events nothing is concluded"),
        _ => ("value", "`proceed_above` or `proceed_below` says when a stage goes on"),
    };
    let diagnostic =
        Diagnostic::error("missing-argument", format!("{} has no `{name}`", reading.title))
            .with_label(reading.span(), "neither here ...")
            .with_label(gate.span.clone(), "... nor in the gate")
            .with_detail(says)
            .with_hint(format!(
                "add `{block} {{ {name} = ... }}` to the gate, or `{name} = ...` to the stage"
            ));
    reading.graph.report(diagnostic);
    Told
}
