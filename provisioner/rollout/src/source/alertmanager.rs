//! Alertmanager: no alert fires that the matchers name.
//!
//! An Alertmanager that nobody reports to any more has no alerts either. So a yes takes a sign of life: an alert called
//! [`WATCHDOG`] that always fires, as the usual rule sets have one (`expr: vector(1)`). Prometheus sends it again and
//! again; when it stops, Alertmanager forgets the alert after four times Prometheus's `--rules.alert.resend-delay`, and the
//! answer is missing.
//!
//! Alerts that are silenced or inhibited do not fire.

use super::ask::{empty_group, encode};
use super::web::{self, Request};
use super::{Ask, MetricSource, Problem, Trouble, fill};
use async_trait::async_trait;
use model::rollout::entry::Reading;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The alert that always fires.
pub const WATCHDOG: &str = "Watchdog";

/// So many names of alerts are told.
const TOLD: usize = 5;

/// The HTTP API (v2) of an Alertmanager.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    url: String,
    matchers: Vec<String>,
    limit: Duration,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Alert {
    labels: BTreeMap<String, String>,
}

impl Alertmanager {
    /// A source that asks the Alertmanager at the base address `url`.
    pub fn new(url: &str, matchers: Vec<String>, limit: Duration) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, matchers, limit, headers: Vec::new() }
    }

    /// The same with headers of each request; their values are secret.
    #[must_use]
    pub fn with_headers(mut self, headers: &BTreeMap<String, String>) -> Self {
        self.headers = headers.clone().into_iter().collect();
        self
    }

    fn filters(&self, ask: &Ask) -> Vec<String> {
        self.matchers.iter().map(|matcher| fill(matcher, ask).text).collect()
    }

    /// The alerts that match all filters.
    async fn alerts(&self, flags: &str, filters: &[String]) -> Result<Vec<Alert>, Refused> {
        let mut url = format!("{}/api/v2/alerts?{flags}", self.url);
        for filter in filters {
            url.push_str("&filter=");
            url.push_str(&encode(filter));
        }
        let request = Request { url, headers: self.headers.clone(), ..Request::default() };
        let answer = web::send(request, self.limit).await.map_err(Refused::Other)?;
        match answer.status {
            200 => serde_json::from_str(&answer.body).map_err(|error| {
                Refused::Other(format!("the answer is no list of alerts: {error}"))
            }),
            // The message is a JSON text.
            400 => Err(Refused::Matcher(
                serde_json::from_str(&answer.body).unwrap_or_else(|_| web::excerpt(&answer.body)),
            )),
            status => {
                Err(Refused::Other(format!("it answers {status}: {}", web::excerpt(&answer.body))))
            }
        }
    }

    async fn firing(&self, ask: &Ask) -> Result<Reading, Trouble> {
        let flags = "active=true&silenced=false&inhibited=false&unprocessed=true";
        let mut filters = self.filters(ask);
        filters.push(format!("alertname!=\"{WATCHDOG}\""));
        let firing = self.alerts(flags, &filters).await?;
        if !firing.is_empty() {
            return Ok(Reading::No { why: says(&firing) });
        }
        let filters = [format!("alertname=\"{WATCHDOG}\"")];
        let any = "active=true&silenced=true&inhibited=true&unprocessed=true";
        if self.alerts(any, &filters).await?.is_empty() {
            return Err(Trouble::Missing(format!(
                "no alert `{WATCHDOG}` fires, so whether anybody reports to this Alertmanager cannot be told"
            )));
        }
        Ok(Reading::Yes)
    }
}

/// Why there is no list of alerts.
enum Refused {
    /// A matcher is none.
    Matcher(String),
    /// Anything else.
    Other(String),
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Matcher(why) => Self::Error(format!("a matcher is wrong: {why}")),
            Refused::Other(why) => Self::Error(why),
        }
    }
}

fn says(firing: &[Alert]) -> String {
    let name = |alert: &Alert| {
        let label = |name: &str| alert.labels.get(name).map(String::as_str);
        let alert = label("alertname").unwrap_or("an alert without a name");
        label("node").map_or_else(|| alert.to_owned(), |node| format!("{alert} on {node}"))
    };
    let names: BTreeSet<_> = firing.iter().map(name).collect();
    let more = names.len().saturating_sub(TOLD);
    let told = names.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
    if more == 0 { format!("firing: {told}") } else { format!("firing: {told} and {more} more") }
}

#[async_trait]
impl MetricSource for Alertmanager {
    async fn measure(&self, ask: &Ask) -> Reading {
        if let Some(why) = empty_group(self.matchers.iter().map(String::as_str), &ask.selectors) {
            return Reading::Missing { why: why.to_owned() };
        }
        let asked = tokio::time::timeout(self.limit, self.firing(ask)).await;
        let late = || Trouble::Error(format!("no answer within {} ms", self.limit.as_millis()));
        asked.unwrap_or_else(|_| Err(late())).unwrap_or_else(Reading::from)
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        self.filters(ask)
    }

    async fn check_syntax(&self, ask: &Ask) -> Option<Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, filter) in self.filters(ask).into_iter().enumerate() {
            match self.alerts("active=true", &[filter]).await {
                Ok(_) => {}
                Err(Refused::Matcher(message)) => {
                    problems.push(Problem {
                        text: format!("matchers[{index}]"),
                        at: None,
                        message,
                    });
                }
                Err(Refused::Other(_)) => return None,
            }
        }
        Some(problems)
    }
}
