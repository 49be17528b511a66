//! The HTTP API of Prometheus, and of what answers like it.
//!
//! How freshness is seen. An instant query alone may be answered with a sample that is up to five minutes old, and a
//! range with what a target said before it went away. So a measurement asks, all at one moment of Prometheus's own
//! clock:
//! 1. `time()`: the moment;
//! 2. for every series selector of the queries, `max by (node) (timestamp(SELECTOR))`: every node of the groups that
//!    the selector names must have a sample that is not older than `staleness_ms`; a selector without a group must have
//!    one at all. Matchers that tell kinds of events apart are relaxed (`code=~"5.."` to `code!=""`), so that an event
//!    that never happened is not asked for, but a metric or a label that does not exist is found;
//! 3. the queries.
//!
//! So a target that went away, one of several nodes that are not read, and a Prometheus that was down until now give
//! *missing*. A count whose result is empty is 0 only if its targets are live, the query does nothing but sum up one
//! selector, and no series of that selector exists: then nothing of the kind ever happened. A series that appears with its
//! first event starts there for Prometheus, which does not count that one: counters should start at 0.
//!
//! What it cannot see: how fresh the series are that a recording rule was computed from.

use super::ask::{Group, empty_group};
use super::promql::{self, Query, Selector};
use super::web::{self, Answer, Request};
use super::{Ask, Filled, MetricSource, Problem, Trouble, fill, finite, reading, texts};
use async_trait::async_trait;
use model::rollout::Queries;
use model::rollout::entry::Reading;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many nodes, or series, are told.
const TOLD: usize = 4;

/// The HTTP API of a Prometheus.
#[derive(Clone, Debug)]
pub struct Prometheus {
    url: String,
    queries: Queries,
    staleness_ms: u64,
    limit: Duration,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<serde_json::Value>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Evaluated {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

/// Seconds, and a number as text.
type Sample = (f64, String);

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: Option<Sample>,
}

/// What a query gives.
enum Outcome {
    Vector(Vec<Series>),
    Scalar(Sample),
}

/// Why it gives nothing.
enum Refused {
    /// The query is wrong.
    Query(String),
    Trouble(Trouble),
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Query(why) => Self::Error(why),
            Refused::Trouble(trouble) => trouble,
        }
    }
}

fn error(why: String) -> Refused {
    Refused::Trouble(Trouble::Error(why))
}

impl Prometheus {
    /// A source that asks the Prometheus at the base address `url`. Samples older than `staleness_ms` milliseconds are
    /// none.
    pub fn new(url: &str, queries: Queries, staleness_ms: u64, limit: Duration) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, queries, staleness_ms, limit, headers: Vec::new() }
    }

    /// The same with headers of each request; their values are secret.
    #[must_use]
    pub fn with_headers(mut self, headers: &BTreeMap<String, String>) -> Self {
        self.headers = headers.clone().into_iter().collect();
        self
    }

    async fn numbers(&self, ask: &Ask) -> Result<Reading, Trouble> {
        let texts = texts(&self.queries);
        let mut parsed = Vec::new();
        for (name, text) in &texts {
            let query =
                promql::scan(text).map_err(|why| Trouble::Error(format!("{name}: {why}")))?;
            if query.selectors.is_empty() {
                return Err(Trouble::Error(format!("{name}: the query reads no series")));
            }
            parsed.push(query);
        }
        let now = self.clock().await?;
        let mut seen = BTreeSet::new();
        for selector in parsed.iter().flat_map(|query| &query.selectors) {
            if seen.insert(&selector.live) {
                self.see_fresh(selector, ask, &now).await?;
            }
        }
        let mut numbers = Vec::new();
        for ((name, text), query) in texts.iter().zip(&parsed) {
            let number = self.number(text, query, ask, &now).await;
            numbers.push(number.map_err(|trouble| named(name, trouble))?);
        }
        reading(&self.queries, &numbers)
    }

    /// Seconds of Prometheus's clock, as it writes them.
    async fn clock(&self) -> Result<String, Trouble> {
        match self.evaluate("time()", None).await? {
            Outcome::Scalar((_, now)) => Ok(now),
            Outcome::Vector(_) => Err(Trouble::Error("`time()` gives no number".to_owned())),
        }
    }

    /// Sees that all nodes that a selector names have samples of it, fresh ones.
    async fn see_fresh(&self, selector: &Selector, ask: &Ask, now: &str) -> Result<(), Trouble> {
        let asked = format!("max by (node) (timestamp({}))", fill(&selector.live, ask).text);
        let Outcome::Vector(series) = self.evaluate(&asked, Some(now)).await? else {
            return Err(Trouble::Error("`timestamp()` gives no series".to_owned()));
        };
        let moment = number(now)?;
        let mut ages = BTreeMap::new();
        for one in &series {
            let Some((_, at)) = &one.value else { continue };
            let age_ms = (moment - number(at)?) * 1000.0;
            ages.insert(one.metric.get("node").map_or("", String::as_str), age_ms);
        }
        stale(&expected(&selector.groups, ask), &ages, self.staleness_ms).map_or(Ok(()), |why| {
            Err(Trouble::Missing(format!("no fresh sample of `{}`: {why}", selector.live)))
        })
    }

    /// The one number that a query gives.
    async fn number(
        &self,
        text: &str,
        query: &Query,
        ask: &Ask,
        now: &str,
    ) -> Result<f64, Trouble> {
        let sample = match self.evaluate(&fill(text, ask).text, Some(now)).await? {
            Outcome::Scalar((_, text)) => text,
            Outcome::Vector(series) => match series.as_slice() {
                [] => return self.nothing(query, ask, now).await,
                [Series { value: Some((_, text)), .. }] => text.clone(),
                [_] => return Err(Trouble::Error("the query gives a histogram, no number".into())),
                several => return Err(Trouble::Error(says_several(several))),
            },
        };
        finite(number(&sample)?)
    }

    /// What an empty result means: 0 where it is sure that nothing was there to count.
    async fn nothing(&self, query: &Query, ask: &Ask, now: &str) -> Result<f64, Trouble> {
        let missing = |why: &str| Err(Trouble::Missing(why.to_owned()));
        let Queries::Counts { .. } = self.queries else { return missing("the result is empty") };
        let Some(only) = query.only() else {
            return missing("the result is empty (`or vector(0)` makes it a 0, if that is meant)");
        };
        let asked = format!("count({})", fill(&only.exact, ask).text);
        match self.evaluate(&asked, Some(now)).await? {
            Outcome::Vector(series) if series.is_empty() => Ok(0.0),
            _ => missing("the result is empty though there are series: the window is too short"),
        }
    }

    async fn evaluate(&self, query: &str, at: Option<&str>) -> Result<Outcome, Refused> {
        let mut form = vec![("query", query.to_owned())];
        form.extend(at.map(|at| ("time", at.to_owned())));
        form.push(("timeout", format!("{}ms", self.limit.as_millis().max(1))));
        let answer = self.post("query", form).await?;
        let data = opened(&answer)?;
        let Evaluated { kind, result } = decoded(data)?;
        match kind.as_str() {
            "vector" => Ok(Outcome::Vector(decoded(result)?)),
            "scalar" => Ok(Outcome::Scalar(decoded(result)?)),
            _ => Err(Refused::Query(format!(
                "the query gives a {kind} where one number is expected"
            ))),
        }
    }

    async fn post(&self, what: &str, form: Vec<(&'static str, String)>) -> Result<Answer, Refused> {
        let url = format!("{}/api/v1/{what}", self.url);
        let request =
            Request { url, headers: self.headers.clone(), form: Some(form), ..Request::default() };
        web::send(request, self.limit).await.map_err(error)
    }

    /// What is wrong with one query; an error if nobody can be asked.
    async fn check(&self, name: &str, text: &str, ask: &Ask) -> Result<Option<Problem>, Refused> {
        let problem = |at, message| Ok(Some(Problem { text: name.to_owned(), at, message }));
        let filled = fill(text, ask);
        // This one only reads the query; a Prometheus from before 2.38, and others, have it not.
        let answer = self.post("format_query", vec![("query", filled.text.clone())]).await?;
        if answer.status != 404
            && let Err(refused) = opened(&answer)
        {
            return wrong(refused).and_then(|why| {
                let (at, message) = located(&why, &filled);
                problem(at, message)
            });
        }
        match promql::scan(text) {
            Err(message) => return problem(None, message),
            Ok(query) if query.selectors.is_empty() => {
                return problem(None, "the query reads no series".to_owned());
            }
            Ok(_) => {}
        }
        match self.evaluate(&filled.text, None).await {
            Ok(Outcome::Vector(series)) if series.len() > 1 => problem(None, says_several(&series)),
            Ok(_) => Ok(None),
            Err(refused) => wrong(refused).and_then(|why| {
                let (at, message) = located(&why, &filled);
                problem(at, message)
            }),
        }
    }
}

/// The message, if it is the query that is wrong.
fn wrong(refused: Refused) -> Result<String, Refused> {
    match refused {
        Refused::Query(why) => Ok(why),
        other @ Refused::Trouble(_) => Err(other),
    }
}

fn named(name: &str, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Missing(why) => Trouble::Missing(format!("{name}: {why}")),
        Trouble::Error(why) => Trouble::Error(format!("{name}: {why}")),
    }
}

/// What an answer holds, if all of it is there.
fn opened(answer: &Answer) -> Result<serde_json::Value, Refused> {
    let status = answer.status;
    let Ok(envelope) = serde_json::from_str::<Envelope>(&answer.body) else {
        let said = web::excerpt(&answer.body);
        return Err(error(format!("it answers {status}, and nothing of Prometheus: {said}")));
    };
    match (envelope.status.as_str(), envelope.error_type.as_str(), envelope.data) {
        ("success", _, Some(data)) if status == 200 => {
            if envelope.warnings.is_empty() {
                return Ok(data);
            }
            let warnings = web::excerpt(&envelope.warnings.join("; "));
            let why = format!("a part of the answer may be missing: {warnings}");
            Err(Refused::Trouble(Trouble::Missing(why)))
        }
        (_, "bad_data" | "execution", _) if matches!(status, 400 | 422) => {
            Err(Refused::Query(web::excerpt(&envelope.error)))
        }
        (_, kind, _) => {
            let said = web::excerpt(&envelope.error);
            Err(error(format!("it answers {status}: {kind}: {said}")))
        }
    }
}

fn decoded<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Refused> {
    serde_json::from_value(value)
        .map_err(|why| error(format!("the answer is none of Prometheus: {why}")))
}

fn number(text: &str) -> Result<f64, Trouble> {
    // `+Inf` and `NaN` are numbers to Rust too.
    text.parse().map_err(|_| Trouble::Error(format!("`{}` is no number", web::excerpt(text))))
}

/// The nodes that all groups of a selector have in common; none if it names no group.
fn expected<'a>(groups: &[Group], ask: &'a Ask) -> Vec<&'a str> {
    let Some((first, others)) = groups.split_first() else { return Vec::new() };
    let in_all =
        |name: &&String| others.iter().all(|group| ask.selectors.of(*group).contains(name));
    ask.selectors.of(*first).iter().filter(in_all).map(String::as_str).collect()
}

/// Why samples are not fresh: ages are in milliseconds, by node.
fn stale(nodes: &[&str], ages: &BTreeMap<&str, f64>, staleness_ms: u64) -> Option<String> {
    let limit = Duration::from_millis(staleness_ms).as_secs_f64() * 1000.0;
    // A NaN is no age that is within the limit.
    let fresh = |age: Option<&f64>| age.is_some_and(|age| *age <= limit);
    if nodes.is_empty() {
        if ages.values().any(|age| fresh(Some(age))) {
            return None;
        }
        let newest = ages.values().copied().min_by(f64::total_cmp);
        return Some(says_age(newest));
    }
    let late: Vec<_> = nodes.iter().filter(|name| !fresh(ages.get(**name))).collect();
    if late.is_empty() {
        return None;
    }
    let told = late.iter().take(TOLD).map(|name| {
        let age = ages.get(**name).copied();
        format!("{name} ({})", says_age(age))
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let more = late.len().saturating_sub(TOLD);
    Some(if more == 0 { told } else { format!("{told} and {more} more") })
}

fn says_age(age_ms: Option<f64>) -> String {
    age_ms.map_or_else(|| "none".to_owned(), |age| format!("{:.1} s old", age / 1000.0))
}

/// Several series where one is expected: which labels tell them apart.
fn says_several(series: &[Series]) -> String {
    let labels: BTreeSet<_> = series.iter().flat_map(|one| one.metric.keys()).collect();
    let differs = |label: &&&String| {
        let values: BTreeSet<_> = series.iter().map(|one| one.metric.get(**label)).collect();
        values.len() > 1
    };
    let labels: Vec<_> = labels.iter().filter(differs).map(|label| label.as_str()).collect();
    let examples: Vec<_> =
        series.iter().take(TOLD).map(|one| example(&one.metric, &labels)).collect();
    format!(
        "the query gives {} series where one is expected; they differ in {}: {}{}; `sum(...)` makes one of them",
        series.len(),
        labels.join(", "),
        examples.join(", "),
        if series.len() > TOLD { ", …" } else { "" },
    )
}

fn example(metric: &BTreeMap<String, String>, labels: &[&str]) -> String {
    let pairs = labels
        .iter()
        .filter_map(|label| metric.get(*label).map(|value| format!("{label}=\"{value}\"")));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

/// The place and the message of what Prometheus says of a query: `invalid parameter "query": 1:7: parse error: ...`.
fn located(said: &str, filled: &Filled) -> (Option<usize>, String) {
    let said = said.strip_prefix("invalid parameter \"query\": ").unwrap_or(said);
    let Some((place, message)) = said.split_once(": parse error: ") else {
        return (None, said.to_owned());
    };
    let at = place.split_once(':').and_then(|(line, column)| {
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        // Bytes from 1, in a line from 1.
        let start = line_start(&filled.text, line.checked_sub(1)?)?;
        Some(filled.written_at((start + column.checked_sub(1)?).min(filled.text.len())))
    });
    (at, message.to_owned())
}

fn line_start(text: &str, line: usize) -> Option<usize> {
    match line.checked_sub(1) {
        None => Some(0),
        Some(before) => text.match_indices('\n').nth(before).map(|(at, _)| at + 1),
    }
}

#[async_trait]
impl MetricSource for Prometheus {
    async fn measure(&self, ask: &Ask) -> Reading {
        let texts = texts(&self.queries).into_iter().map(|(_, text)| text);
        if let Some(why) = empty_group(texts, &ask.selectors) {
            return Reading::Missing { why: why.to_owned() };
        }
        let asked = tokio::time::timeout(self.limit, self.numbers(ask)).await;
        let late = || Trouble::Error(format!("no answer within {} ms", self.limit.as_millis()));
        asked.unwrap_or_else(|_| Err(late())).unwrap_or_else(Reading::from)
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        texts(&self.queries).into_iter().map(|(_, text)| fill(text, ask).text).collect()
    }

    async fn check_syntax(&self, ask: &Ask) -> Option<Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, text) in texts(&self.queries) {
            // Whatever keeps Prometheus from answering says nothing about the query.
            problems.extend(self.check(name, text, ask).await.ok()?);
        }
        Some(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_must_be_fresh() {
        let ages = BTreeMap::from([("a", 900.0), ("b", 5_000.0)]);
        assert_eq!(stale(&["a"], &ages, 1_000), None);
        let why = stale(&["a", "b", "c"], &ages, 1_000).expect("two are not");
        assert_eq!(why, "b (5.0 s old), c (none)");
        assert_eq!(stale(&[], &ages, 1_000), None);
        assert_eq!(stale(&[], &ages, 100).as_deref(), Some("0.9 s old"));
        assert_eq!(stale(&[], &BTreeMap::new(), 100).as_deref(), Some("none"));
        assert!(stale(&["a"], &BTreeMap::from([("a", f64::NAN)]), 100).is_some());
    }

    #[test]
    fn a_place_is_found_in_what_was_written() {
        let candidate = vec!["edge-main-001".to_owned()];
        let selectors = super::super::Selectors { candidate, ..Default::default() };
        let ask = Ask { selectors, window_ms: 60_000, now_ms: 0 };
        let text = "sum(\n x{$candidate}[$window) )";
        let filled = fill(text, &ask);
        let column = filled.text.find(") )").expect("it is there") - "sum(\n".len() + 1;
        let said = format!("invalid parameter \"query\": 2:{column}: parse error: no");
        let (at, message) = located(&said, &filled);
        assert_eq!((at, message.as_str()), (text.find(") )"), "no"));
        assert_eq!(located("whatever", &filled), (None, "whatever".to_owned()));
    }
}
