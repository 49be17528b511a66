//! An HTTP address that answers JSON, as Datadog and others do; each query is a JSONPath (RFC 9535) into the answer.
//!
//! One request a measurement, whatever the number of paths. A path leads to exactly one number, or a text that is
//! one; nothing and null are missing. Several are a mistake in the path. How old the number is only the answering side
//! knows: ask it for the window (`$from`, `$to`).

use super::ask::{empty_group, fill_url};
use super::http::public_part;
use super::web::{self, Request};
use super::{Ask, MetricSource, Problem, Trouble, fill, finite, reading, texts};
use async_trait::async_trait;
use model::rollout::Queries;
use model::rollout::entry::Reading;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::collections::BTreeMap;
use std::time::Duration;

/// An HTTP address that answers JSON.
#[derive(Clone)]
pub struct Json {
    url: String,
    headers: Vec<(String, String)>,
    queries: Queries,
    limit: Duration,
}

impl std::fmt::Debug for Json {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers, and what comes after the path, are secret.
        formatter.debug_struct("Json").field("url", &public_part(&self.url)).finish_non_exhaustive()
    }
}

impl Json {
    /// A source that sends GET requests to `url` with `headers`.
    pub fn new(
        url: &str,
        headers: BTreeMap<String, String>,
        queries: Queries,
        limit: Duration,
    ) -> Self {
        let headers = headers.into_iter().collect();
        Self { url: url.to_owned(), headers, queries, limit }
    }

    async fn numbers(&self, ask: &Ask) -> Result<Reading, Trouble> {
        let url = fill_url(&self.url, ask);
        let request = Request { url, headers: self.headers.clone(), ..Request::default() };
        let answer = web::send(request, self.limit).await.map_err(Trouble::Error)?;
        let said = || web::excerpt(&answer.body);
        if !(200..300).contains(&answer.status) {
            return Err(Trouble::Error(format!("it answers {}: {}", answer.status, said())));
        }
        let body: Value = serde_json::from_str(&answer.body)
            .map_err(|error| Trouble::Error(format!("the answer is no JSON: {error}")))?;
        let number = |(name, text): (&str, &str)| {
            number(&body, &fill(text, ask).text).map_err(|trouble| match trouble {
                Trouble::Missing(why) => Trouble::Missing(format!("{name}: {why}")),
                Trouble::Error(why) => Trouble::Error(format!("{name}: {why}")),
            })
        };
        let numbers = texts(&self.queries).into_iter().map(number);
        reading(&self.queries, &numbers.collect::<Result<Vec<_>, _>>()?)
    }
}

#[async_trait]
impl MetricSource for Json {
    async fn measure(&self, ask: &Ask) -> Reading {
        let texts = texts(&self.queries).into_iter().map(|(_, text)| text);
        if let Some(why) = empty_group(texts.chain([self.url.as_str()]), &ask.selectors) {
            return Reading::Missing { why: why.to_owned() };
        }
        self.numbers(ask).await.unwrap_or_else(Reading::from)
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        let get = format!("GET {}", public_part(&fill_url(&self.url, ask)));
        let paths = texts(&self.queries).into_iter().map(|(_, text)| fill(text, ask).text);
        std::iter::once(get).chain(paths).collect()
    }

    async fn check_syntax(&self, ask: &Ask) -> Option<Vec<Problem>> {
        let check = |(name, text): (&str, &str)| {
            let filled = fill(text, ask);
            let error = JsonPath::parse(&filled.text).err()?;
            let at = Some(filled.written_at(error.position()));
            Some(Problem { text: name.to_owned(), at, message: error.message().to_owned() })
        };
        Some(texts(&self.queries).into_iter().filter_map(check).collect())
    }
}

/// The number that a path leads to.
fn number(body: &Value, path: &str) -> Result<f64, Trouble> {
    let parsed = JsonPath::parse(path)
        .map_err(|error| Trouble::Error(format!("`{path}` is no JSONPath: {error}")))?;
    match parsed.query(body).all().as_slice() {
        [] | [Value::Null] => Err(Trouble::Missing(format!("`{path}` leads to nothing"))),
        [value @ (Value::Number(_) | Value::String(_))] => {
            let number = match value {
                Value::String(text) => text.trim().parse().ok(),
                value => value.as_f64(),
            };
            let no_number = || format!("`{path}` leads to {value}, which is no number");
            finite(number.ok_or_else(|| Trouble::Error(no_number()))?)
        }
        [_] => Err(Trouble::Error(format!("`{path}` leads to no number"))),
        several => {
            let count = several.len();
            Err(Trouble::Error(format!("`{path}` leads to {count} values where one is expected")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_to_one_number() {
        let body = json!({"series": [{"points": [[1, 2.5], [2, 3.5]]}], "text": "7", "no": null, "nan": "NaN"});
        assert_eq!(number(&body, "$.series[0].points[-1][1]"), Ok(3.5));
        assert_eq!(number(&body, "$.text"), Ok(7.0));
        for path in ["$.no", "$.nan", "$.absent", "$.series[1].points[0]"] {
            assert!(matches!(number(&body, path), Err(Trouble::Missing(_))), "{path}");
        }
        for path in ["$.series[0].points[*][1]", "$.series", "$.["] {
            assert!(matches!(number(&body, path), Err(Trouble::Error(_))), "{path}");
        }
    }
}
