//! Metric sources: the port to whoever knows how the candidate does, and those that there are.
//!
//! Invariants: an answer is one of yes, no, numbers, *missing* or *error*, and whatever is in doubt is missing: NaN,
//! infinity, nothing, a stale sample, a part of the answer, a group of nodes that is empty. A source that cannot be asked
//! is an error, which is no fault of the candidate. Every request has a time limit and a size limit; none is sent twice.
//! No message holds an address or a header, which may hold secrets.
//! Refuses to know: what a gate makes of an answer, when to ask again, how the answer is recorded.

mod alertmanager;
mod ask;
mod command;
pub mod conformance;
mod faulty;
mod http;
mod json;
mod memory;
mod prometheus;
mod promql;
pub(crate) mod web;

pub use alertmanager::{Alertmanager, WATCHDOG};
pub use ask::{Ask, Filled, Group, Selectors, fill};
pub use command::Command;
pub use faulty::{Fault, Faulty};
pub use http::Http;
pub use json::Json;
pub use memory::Memory;
pub use prometheus::Prometheus;

use async_trait::async_trait;
use model::rollout::entry::Reading;
use model::rollout::{Gate, Queries, Source};
use std::time::Duration;

/// Whoever can be asked how the candidate does.
#[async_trait]
pub trait MetricSource: Send + Sync {
    /// Asks once. Ends within the gate's time limit, give or take what it takes to give up.
    async fn measure(&self, ask: &Ask) -> Reading;

    /// What [`MetricSource::measure`] asks, filled in, for the record. Nothing secret.
    fn queries(&self, ask: &Ask) -> Vec<String>;

    /// What is wrong with the texts of the gate, as far as that can be told before anything is measured; none if whoever
    /// would know cannot be asked. `ask` names the nodes of the stage that is looked at.
    async fn check_syntax(&self, ask: &Ask) -> Option<Vec<Problem>>;
}

/// What is wrong with a text of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which text: `bad`, `total`, `control.bad`, `control.total`, `value`, `control`, `load`, `matchers[0]`.
    pub text: String,
    /// Byte of that text, as it was written, where it is wrong.
    pub at: Option<usize>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

/// The source of a gate. None for the nodes' own probes, which the driver asks.
pub fn source_for(gate: &Gate) -> Option<Box<dyn MetricSource>> {
    let limit = Duration::from_millis(gate.timeout_ms);
    Some(match &gate.source {
        Source::Prometheus { url, headers, queries, staleness_ms } => {
            let source = Prometheus::new(url, queries.clone(), *staleness_ms, limit);
            Box::new(source.with_headers(headers))
        }
        Source::Alertmanager { url, headers, matchers } => {
            Box::new(Alertmanager::new(url, matchers.clone(), limit).with_headers(headers))
        }
        Source::Json { url, headers, queries } => {
            Box::new(Json::new(url, headers.clone(), queries.clone(), limit))
        }
        Source::Http { url, headers } => Box::new(Http::new(url, limit).with_headers(headers)),
        Source::Command { command } => Box::new(Command::new(command.clone(), limit)),
        Source::Nodes => return None,
    })
}

/// The texts of a gate's queries, each with what it is called in a [`Problem`].
fn texts(queries: &Queries) -> Vec<(&'static str, &str)> {
    match queries {
        Queries::Counts { bad, total, control } => {
            let mut texts = vec![("bad", bad.as_str()), ("total", total.as_str())];
            if let Some((bad, total)) = control {
                texts.extend([("control.bad", bad.as_str()), ("control.total", total.as_str())]);
            }
            texts
        }
        Queries::Value { value, control, load } => {
            let control = control.iter().map(|text| ("control", text.as_str()));
            let load = load.iter().map(|text| ("load", text.as_str()));
            std::iter::once(("value", value.as_str())).chain(control).chain(load).collect()
        }
    }
}

/// Why something gives no number: what [`Reading::Missing`] and [`Reading::Error`] say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    Missing(String),
    Error(String),
}

impl From<Trouble> for Reading {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Missing(why) => Self::Missing { why },
            Trouble::Error(why) => Self::Error { why },
        }
    }
}

/// A reading of numbers that were given in the order of [`texts`].
fn reading(queries: &Queries, numbers: &[f64]) -> Result<Reading, Trouble> {
    match (queries, numbers) {
        (Queries::Counts { control: None, .. }, &[bad, total]) => {
            let (bad, total) = counts(bad, total)?;
            Ok(Reading::Counts { bad, total, control: None })
        }
        (Queries::Counts { control: Some(_), .. }, &[bad, total, control_bad, control_total]) => {
            let (bad, total) = counts(bad, total)?;
            let control = Some(counts(control_bad, control_total)?);
            Ok(Reading::Counts { bad, total, control })
        }
        (Queries::Value { control, load, .. }, [value, rest @ ..])
            if rest.len() == usize::from(control.is_some()) + usize::from(load.is_some()) =>
        {
            let mut rest = rest.iter().copied();
            let control = control.as_ref().and_then(|_| rest.next());
            Ok(Reading::Value { value: *value, control, load: rest.next() })
        }
        _ => Err(Trouble::Error("the source gave another number of answers than asked".into())),
    }
}

/// Counts that are estimated by extrapolation may be off by little; by more than this they are not what they are said
/// to be.
const TOLERATED_SHARE: f64 = 0.05;

/// Bad events and all, put right where extrapolation made one of them a little too large or too small.
fn counts(bad: f64, total: f64) -> Result<(f64, f64), Trouble> {
    let slack = 1.0 + total.abs() * TOLERATED_SHARE;
    if total < 0.0 || bad < -slack {
        return Err(Trouble::Error(format!("{bad} of {total} events: a count is never negative")));
    }
    if bad > total + slack {
        return Err(Trouble::Error(format!("{bad} bad events of {total}: that is more than all")));
    }
    Ok((bad.clamp(0.0, total), total))
}

/// A number that can be one; NaN and infinity are no data.
fn finite(number: f64) -> Result<f64, Trouble> {
    if number.is_finite() {
        return Ok(number);
    }
    Err(Trouble::Missing(format!("the answer is {number}, which is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(control: bool) -> Queries {
        let pair = || ("a".to_owned(), "b".to_owned());
        Queries::Counts { bad: "x".into(), total: "y".into(), control: control.then(pair) }
    }

    #[test]
    fn counts_are_put_right_only_a_little() {
        assert_eq!(counts(-0.2, 10.0), Ok((0.0, 10.0)));
        assert_eq!(counts(10.5, 10.0), Ok((10.0, 10.0)));
        assert_eq!(counts(0.0, 0.0), Ok((0.0, 0.0)));
        assert!(matches!(counts(12.0, 10.0), Err(Trouble::Error(_))));
        assert!(matches!(counts(-3.0, 10.0), Err(Trouble::Error(_))));
        assert!(matches!(counts(0.0, -1.0), Err(Trouble::Error(_))));
    }

    #[test]
    fn numbers_go_where_they_belong() {
        let counted = Reading::Counts { bad: 1.0, total: 2.0, control: Some((3.0, 4.0)) };
        assert_eq!(reading(&ratio(true), &[1.0, 2.0, 3.0, 4.0]), Ok(counted));
        assert!(matches!(reading(&ratio(true), &[1.0, 2.0]), Err(Trouble::Error(_))));
        let queries = Queries::Value { value: "v".into(), control: None, load: Some("l".into()) };
        let valued = Reading::Value { value: 1.0, control: None, load: Some(2.0) };
        assert_eq!(reading(&queries, &[1.0, 2.0]), Ok(valued));
        assert!(matches!(reading(&queries, &[1.0]), Err(Trouble::Error(_))));
    }

    #[test]
    fn what_is_no_number_is_missing() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(finite(number), Err(Trouble::Missing(_))));
        }
        assert_eq!(finite(0.5), Ok(0.5));
    }
}
