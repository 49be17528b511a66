//! `gate` blocks: who is asked, for what, and what must hold unless a stage says otherwise.

use super::limits::Limits;
use super::query::{Asked, no_misspelt, queries};
use super::reading::{Given, Reading, Told, or};
use crate::evaluate::dynamic::Piece;
use crate::evaluate::graph::Graph;
use crate::evaluate::names::Place;
use model::rollout::{Gate, Queries, Source};
use model::{Diagnostic, Span, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long one answer may take where nobody says.
const TIMEOUT_MS: u64 = 10_000;

/// When a sample is too old where nobody says.
const STALENESS_MS: u64 = 60_000;

/// Sources that are blocks.
const SOURCES: [&str; 5] = ["prometheus", "alertmanager", "json", "http", "nodes"];

/// What a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measures {
    /// Bad events of all events.
    Counts { control: bool },
    /// A number.
    Value { control: bool, load: bool },
    /// Yes or no.
    Yes,
}

impl Measures {
    fn of(queries: &Queries) -> Self {
        match queries {
            Queries::Counts { control, .. } => Self::Counts { control: control.is_some() },
            Queries::Value { control, load, .. } => {
                Self::Value { control: control.is_some(), load: load.is_some() }
            }
        }
    }
}

/// A gate before a rollout uses it.
pub(super) struct GateState {
    pub name: Arc<str>,
    pub source: Source,
    pub source_span: Span,
    pub measures: Measures,
    /// None: the rollout's.
    pub interval: Option<Given<u64>>,
    pub timeout_ms: u64,
    pub limits: Limits,
    pub span: Span,
}

impl GateState {
    /// The gate as a rollout has it, under the name that the rollout gives it.
    pub(super) fn named(&self, name: &str, interval_ms: u64) -> Gate {
        Gate {
            name: name.to_owned(),
            source: self.source.clone(),
            interval_ms: self.interval.as_ref().map_or(interval_ms, |given| given.value),
            timeout_ms: self.timeout_ms,
            span: Some(self.span.clone()),
        }
    }
}

impl Graph<'_> {
    /// A gate; none after a mistake.
    pub(super) fn gate_state(&mut self, scope: usize, at: usize) -> Option<GateState> {
        let module = self.module(scope);
        let declared = module.gates.get(at);
        let place = Place::module(scope);
        let title = format!("`gate \"{}\"`", declared.name);
        let mut reading = Reading::new(self, &declared.block, &place, "gate", title);
        let interval = reading.time("interval");
        let timeout = reading.time("timeout");
        let source = source(&mut reading);
        let limits = source.as_ref().map_err(|told| *told);
        let limits = limits.and_then(|(_, _, measures)| limits_of(&mut reading, *measures));
        let (source, source_span, measures) = source.ok()?;
        let gate = GateState {
            name: declared.name.clone(),
            source,
            source_span,
            measures,
            interval: interval.ok()?,
            timeout_ms: or(timeout, TIMEOUT_MS).ok()?,
            limits: limits.ok()?,
            span: declared.span.clone(),
        };
        gate.limits.in_order(&mut reading, &gate).ok()?;
        Some(gate)
    }
}

/// The one source of a gate.
fn source(reading: &mut Reading<'_, '_, '_>) -> Result<(Source, Span, Measures), Told> {
    let mut found: Vec<(&str, Piece<'_>)> = Vec::new();
    for kind in SOURCES {
        if let Some(piece) = reading.block(kind)? {
            found.push((kind, piece));
        }
    }
    let command = reading.texts("command");
    let mut spans: Vec<Span> = found.iter().map(|(_, piece)| piece.block.span()).collect();
    spans.extend(command.as_ref().ok().and_then(|it| Some(it.as_ref()?.span.clone())));
    if let [first, second, ..] = spans.as_slice() {
        let summary = format!("{} has more than one source", reading.title);
        let diagnostic = Diagnostic::error("gate", summary)
            .with_label(first.clone(), "this ...")
            .with_label(second.clone(), "... or this")
            .with_hint("a gate asks one: make two gates, and name both in the stages");
        reading.graph.report(diagnostic);
        return Err(Told);
    }
    if let Some(Given { value: command, span }) = command? {
        return Ok((Source::Command { command }, span, Measures::Yes));
    }
    let Some((kind, piece)) = found.pop() else {
        let known: Vec<_> = SOURCES.into_iter().chain(["rate", "value"]).collect();
        let names = ["interval", "timeout", "consecutive", "command"];
        if !reading.holds_only(&known) || !reading.knows(|name| names.contains(&name)) {
            return Err(Told);
        }
        let summary = format!("{} has no source", reading.title);
        let hint = "add one of `prometheus { ... }`, `alertmanager { ... }`, `json { ... }`, `http { ... }`, `nodes {}` and `command = [...]`";
        return Err(reading.tell(summary, reading.span(), "whom it asks is missing", hint));
    };
    let span = piece.block.span();
    let mut inner = reading.within(&piece, "gate", kind);
    let (source, measures) = match kind {
        "prometheus" => prometheus(&mut inner)?,
        "alertmanager" => (alertmanager(&mut inner)?, Measures::Yes),
        "json" => json(&mut inner)?,
        "http" => (http(&mut inner)?, Measures::Yes),
        _ => (Source::Nodes, Measures::Yes),
    };
    Ok((source, span, measures))
}

/// An address that can be asked.
fn url(reading: &mut Reading<'_, '_, '_>) -> Result<Given<String>, Told> {
    let url = reading.need("url", Reading::text)?;
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.value.strip_prefix(scheme));
    let is_address = rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_alphanumeric() || c == '[')
            && !rest.contains(char::is_whitespace)
    });
    if !is_address {
        let summary = format!("`url` of {} is no address", reading.title);
        let found = format!("this is {:?}", url.value);
        let hint = "an address begins with `http://` or `https://`, and a host follows";
        return Err(reading.tell(summary, url.span, &found, hint));
    }
    no_misspelt(reading, &url.value, &url.span)?;
    Ok(url)
}

fn prometheus(reading: &mut Reading<'_, '_, '_>) -> Result<(Source, Measures), Told> {
    let url = url(reading);
    let headers = headers(reading);
    let staleness = reading.time("staleness");
    let queries = queries(reading, Asked::Prometheus);
    let (url, headers, queries) = (url?.value, headers?, queries?);
    let measures = Measures::of(&queries);
    let staleness_ms = or(staleness, STALENESS_MS)?;
    Ok((Source::Prometheus { url, headers, queries, staleness_ms }, measures))
}

fn alertmanager(reading: &mut Reading<'_, '_, '_>) -> Result<Source, Told> {
    let url = url(reading);
    let headers = headers(reading);
    let matchers = reading.need("matchers", Reading::texts)?;
    for matcher in &matchers.value {
        let name_end = matcher.find(['=', '!']).unwrap_or(0);
        let is_matcher = ["=~", "!~", "!=", "="]
            .iter()
            .any(|operator| matcher[name_end..].starts_with(operator));
        if name_end == 0 || !is_matcher {
            let summary = format!("one of the `matchers` of {} is none", reading.title);
            let hint = "a matcher is a label, `=`, `!=`, `=~` or `!~`, and a value: \"severity=\\\"critical\\\"\"";
            let found = format!("it is {matcher:?}");
            return Err(reading.tell(summary, matchers.span, &found, hint));
        }
        no_misspelt(reading, matcher, &matchers.span)?;
    }
    Ok(Source::Alertmanager { url: url?.value, headers: headers?, matchers: matchers.value })
}

fn http(reading: &mut Reading<'_, '_, '_>) -> Result<Source, Told> {
    let url = url(reading);
    let headers = headers(reading);
    Ok(Source::Http { url: url?.value, headers: headers? })
}

fn json(reading: &mut Reading<'_, '_, '_>) -> Result<(Source, Measures), Told> {
    let url = url(reading);
    let headers = headers(reading);
    // What is wrong with an address that cannot be read has been told; its queries say the rest.
    let address = url.as_ref().map_or("$candidate $control", |url| url.value.as_str());
    let queries = queries(reading, Asked::Json(address));
    let (url, headers, queries) = (url?.value, headers?, queries?);
    let measures = Measures::of(&queries);
    Ok((Source::Json { url, headers, queries }, measures))
}

/// Headers; their values may be secret, and of one run alone: they are kept nowhere.
fn headers(reading: &mut Reading<'_, '_, '_>) -> Result<BTreeMap<String, String>, Told> {
    let Some(given) = reading.secret("headers", &Type::map(Type::String))? else {
        return Ok(BTreeMap::new());
    };
    let mut headers = BTreeMap::new();
    for (name, value) in given.value.as_entries().into_iter().flatten() {
        let is_token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let Some(text) = value.as_str().filter(|text| is_token && !text.contains(['\r', '\n']))
        else {
            let summary = format!("`{name}` in {} is no header", reading.title);
            let hint = "a name of letters, digits and `-`, and a text of one line";
            return Err(reading.tell(summary, given.span, "", hint));
        };
        headers.insert(name.to_string(), text.to_owned());
    }
    Ok(headers)
}

/// What must hold, as the gate itself says: `rate`, `value`, or `consecutive` for yes and no.
fn limits_of(reading: &mut Reading<'_, '_, '_>, measures: Measures) -> Result<Limits, Told> {
    let (fitting, what) = match measures {
        Measures::Counts { .. } => (Some("rate"), "events, bad ones of all"),
        Measures::Value { .. } => (Some("value"), "a number"),
        Measures::Yes => (None, "yes or no"),
    };
    for kind in ["rate", "value"] {
        let Some(piece) = reading.block(kind)?.filter(|_| fitting != Some(kind)) else { continue };
        let summary = format!("{} is judged by {what}, so it has no `{kind}`", reading.title);
        let hint = match fitting {
            Some(other) => format!("write `{other} {{ ... }}`"),
            None => {
                "leave it out; `consecutive = 3` makes three noes in a row a failure".to_owned()
            }
        };
        return Err(reading.tell(summary, piece.block.span(), "", &hint));
    }
    let Some(kind) = fitting else { return Limits::read(reading, measures) };
    if let Some(span) = reading.name_span("consecutive") {
        let summary = format!("{} is judged by {what}: it takes no `consecutive`", reading.title);
        let hint = match kind {
            "value" => "write it into `value { ... }`",
            _ => {
                "a share is judged by all events of a stage; `min_sample` says how many there must be"
            }
        };
        let diagnostic =
            Diagnostic::error("unknown-argument", summary).with_label(span, "").with_hint(hint);
        reading.graph.report(diagnostic);
        return Err(Told);
    }
    match reading.block(kind)? {
        Some(piece) => Limits::read(&mut reading.within(&piece, "gate", kind), measures),
        None => Ok(Limits::default()),
    }
}
