//! What a gate asks for: events or a number, of the candidate and of the control group.
//!
//! Refuses to know: the syntax of queries. Whoever answers them tells what is wrong with it.

use super::reading::{Given, Got, Reading, Told};
use crate::module::{list, suggest::nearest};
use model::rollout::Queries;
use model::{Diagnostic, Span};

/// What stands for something in a query.
const PLACEHOLDERS: [&str; 4] = ["candidate", "control", "stage", "window"];

/// What makes one series of many in the language of Prometheus.
const AGGREGATIONS: [&str; 14] = [
    "absent",
    "absent_over_time",
    "avg",
    "bottomk",
    "count",
    "group",
    "max",
    "min",
    "quantile",
    "scalar",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// Which nodes a query is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Candidate,
    Control,
    /// All of them: the load.
    All,
}

/// Names behind a `$`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn names_nodes_of(text: &str, group: Group) -> bool {
    placeholders(text).any(|name| match group {
        Group::Candidate => matches!(name, "candidate" | "stage"),
        Group::Control => name == "control",
        Group::All => true,
    })
}

/// Where queries go: with what the address says already.
#[derive(Clone, Copy)]
pub(super) enum Asked<'t> {
    /// Queries in the language of Prometheus.
    Prometheus,
    /// Paths into what an address answers.
    Json(&'t str),
}

/// The queries of a block, as they are written.
struct Written {
    bad: Option<Given<String>>,
    total: Option<Given<String>>,
    control_bad: Option<Given<String>>,
    control_total: Option<Given<String>>,
    value: Option<Given<String>>,
    control: Option<Given<String>>,
    load: Option<Given<String>>,
}

/// The queries of a block `prometheus` or `json`.
pub(super) fn queries(
    reading: &mut Reading<'_, '_, '_>,
    asked: Asked<'_>,
) -> Result<Queries, Told> {
    let mut query = |name: &str, group: Group| -> Got<String> {
        let given = reading.text(name)?;
        if let Some(given) = &given {
            check(reading, name, given, group, asked)?;
        }
        Ok(given)
    };
    let bad = query("bad", Group::Candidate);
    let total = query("total", Group::Candidate);
    let control_bad = query("control_bad", Group::Control);
    let control_total = query("control_total", Group::Control);
    let value = query("value", Group::Candidate);
    let control = query("control", Group::Control);
    let load = query("load", Group::All);
    let written = Written {
        bad: bad?,
        total: total?,
        control_bad: control_bad?,
        control_total: control_total?,
        value: value?,
        control: control?,
        load: load?,
    };
    written.together(reading)
}

impl Written {
    fn together(self, reading: &mut Reading<'_, '_, '_>) -> Result<Queries, Told> {
        match (self.bad, self.total, self.value) {
            (Some(bad), Some(total), None) => {
                let strangers = [("control", &self.control), ("load", &self.load)];
                no_strangers(reading, strangers, "`control_bad` and `control_total`")?;
                let control = match (self.control_bad, self.control_total) {
                    (Some(bad), Some(total)) => Some((bad.value, total.value)),
                    (Some(one), None) => return Err(half(reading, "control_total", one.span)),
                    (None, Some(one)) => return Err(half(reading, "control_bad", one.span)),
                    (None, None) => None,
                };
                Ok(Queries::Counts { bad: bad.value, total: total.value, control })
            }
            (None, None, Some(value)) => {
                let strangers =
                    [("control_bad", &self.control_bad), ("control_total", &self.control_total)];
                no_strangers(reading, strangers, "`control`")?;
                let text = |given: Option<Given<String>>| given.map(|given| given.value);
                let (control, load) = (text(self.control), text(self.load));
                Ok(Queries::Value { value: value.value, control, load })
            }
            (None, None, None) => {
                let summary = format!("{} asks for nothing", reading.title);
                let hint = "write `bad` and `total` for events, of which so many are bad, or `value` for a number";
                Err(reading.tell(summary, reading.span(), "", hint))
            }
            (bad, total, Some(value)) => {
                let summary = format!("{} asks for events and for a number", reading.title);
                let other = bad.or(total).map_or_else(|| reading.span(), |given| given.span);
                let diagnostic = Diagnostic::error("gate", summary)
                    .with_label(value.span, "a number ...")
                    .with_label(other, "... and events")
                    .with_hint("make two gates of it");
                reading.graph.report(diagnostic);
                Err(Told)
            }
            (Some(one), None, None) => Err(half(reading, "total", one.span)),
            (None, Some(one), None) => Err(half(reading, "bad", one.span)),
        }
    }
}

/// Of two queries that belong together one is missing.
fn half(reading: &mut Reading<'_, '_, '_>, missing: &str, span: Span) -> Told {
    let summary = format!("{} needs the argument `{missing}`", reading.title);
    let found = format!("`{missing}` belongs to this");
    let hint = format!("add `{missing} = \"...\"`: a share is bad events of all events");
    reading.tell(summary, span, &found, &hint)
}

/// Queries that do not go with what is asked for.
fn no_strangers(
    reading: &mut Reading<'_, '_, '_>,
    strangers: [(&str, &Option<Given<String>>); 2],
    instead: &str,
) -> Result<(), Told> {
    let mut result = Ok(());
    for (name, given) in strangers {
        let Some(given) = given else { continue };
        let (what, other) = match name {
            "control" | "load" => ("events", "`value`"),
            _ => ("a number", "`bad` and `total`"),
        };
        let summary = format!("{} asks for {what}, so `{name}` has no meaning", reading.title);
        let hint = match name {
            "load" => "`load` goes with `value`".to_owned(),
            _ => format!("here it is {instead}"),
        };
        let found = format!("this goes with {other}");
        result = Err(reading.tell(summary, given.span.clone(), &found, &hint));
    }
    result
}

/// Whether a query says which nodes it is about, and over how long it counts.
fn check(
    reading: &mut Reading<'_, '_, '_>,
    name: &str,
    given: &Given<String>,
    group: Group,
    asked: Asked<'_>,
) -> Result<(), Told> {
    let text = given.value.as_str();
    if let Some((wrong, meant)) = misspelt(text) {
        let summary = format!("there is no `${wrong}`");
        let all = PLACEHOLDERS.map(|name| format!("${name}"));
        let hint =
            format!("did you mean `${meant}`? there are {}", list(all.iter().map(String::as_str)));
        let found = format!("in `{name}`");
        return Err(reading.tell(summary, given.span.clone(), &found, &hint));
    }
    let says_so = match asked {
        Asked::Prometheus => names_nodes_of(text, group),
        Asked::Json(url) => names_nodes_of(text, group) || names_nodes_of(url, group),
    };
    let (whose, selector) = match group {
        Group::Candidate => ("the candidate", "$candidate"),
        Group::Control => ("the control group", "$control"),
        Group::All => ("", ""),
    };
    if !says_so && !selector.is_empty() {
        let summary = format!("`{name}` of {} does not ask about {whose}", reading.title);
        let found = format!("there is no `{selector}` in {text:?}");
        let hint = match asked {
            Asked::Prometheus => {
                format!("write the selector into the braces: `metric{{{selector}}}`")
            }
            Asked::Json(_) => {
                format!("write it into the address: `url = \"https://.../?nodes={selector}\"`")
            }
        };
        return Err(reading.tell(summary, given.span.clone(), &found, &hint));
    }
    let is_one = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| AGGREGATIONS.contains(&word));
    if matches!(asked, Asked::Prometheus) && group != Group::All && !is_one {
        let summary = format!("`{name}` of {} gives a number for every node", reading.title);
        let found = format!("nothing makes one of them in {text:?}");
        let hint = "add them up, `sum(...)`, or take their mean, `avg(...)`";
        return Err(reading.tell(summary, given.span.clone(), &found, hint));
    }
    let counts = matches!(name, "bad" | "total" | "control_bad" | "control_total");
    if counts && matches!(asked, Asked::Prometheus) && !placeholders(text).any(|it| it == "window")
    {
        let summary = format!("`{name}` of {} does not count since the last time", reading.title);
        let hint = "count within the window: `sum(increase(metric{$candidate}[$window]))`; over another time, events would count twice or not at all";
        let found = format!("there is no `$window` in {text:?}");
        return Err(reading.tell(summary, given.span.clone(), &found, hint));
    }
    Ok(())
}

/// A name behind a `$` that is nearly one of those that there are, and which.
fn misspelt(text: &str) -> Option<(&str, &'static str)> {
    placeholders(text)
        .filter(|name| name.len() > 3 && !PLACEHOLDERS.contains(name))
        .find_map(|name| Some((name, nearest(name, PLACEHOLDERS)?)))
}

/// A name in a text outside of a query that is nearly a placeholder.
pub(super) fn no_misspelt(
    reading: &mut Reading<'_, '_, '_>,
    text: &str,
    span: &Span,
) -> Result<(), Told> {
    let Some((wrong, meant)) = misspelt(text) else { return Ok(()) };
    let summary = format!("there is no `${wrong}`");
    let hint = format!("did you mean `${meant}`?");
    Err(reading.tell(summary, span.clone(), "in here", &hint))
}
