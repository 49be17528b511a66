//! An HTTP address that says yes or no by its status.
//!
//! Below 400 is a yes, anything else a no: a judge that answers at all has answered. Only one that cannot be
//! reached, or does not answer in time, is an error.

use super::ask::{empty_group, fill_url};
use super::web::{self, Request};
use super::{Ask, MetricSource, Problem};
use async_trait::async_trait;
use model::rollout::entry::Reading;
use std::collections::BTreeMap;
use std::time::Duration;

/// An HTTP address.
#[derive(Clone, Debug)]
pub struct Http {
    url: String,
    limit: Duration,
    headers: Vec<(String, String)>,
}

impl Http {
    /// A source that sends GET requests to `url`, in which groups and window are filled in.
    pub fn new(url: &str, limit: Duration) -> Self {
        Self { url: url.to_owned(), limit, headers: Vec::new() }
    }

    /// The same with headers of each request; their values are secret.
    #[must_use]
    pub fn with_headers(mut self, headers: &BTreeMap<String, String>) -> Self {
        self.headers = headers.clone().into_iter().collect();
        self
    }
}

#[async_trait]
impl MetricSource for Http {
    async fn measure(&self, ask: &Ask) -> Reading {
        if let Some(why) = empty_group([self.url.as_str()], &ask.selectors) {
            return Reading::Missing { why: why.to_owned() };
        }
        let (url, headers) = (fill_url(&self.url, ask), self.headers.clone());
        let request = Request { url, headers, ..Request::default() };
        match web::send(request, self.limit).await {
            Ok(answer) if answer.status < 400 => Reading::Yes,
            Ok(answer) => {
                let said = web::excerpt(&answer.body);
                let said = if said.is_empty() { said } else { format!(": {said}") };
                Reading::No { why: format!("it answers {}{said}", answer.status) }
            }
            Err(why) => Reading::Error { why },
        }
    }

    fn queries(&self, ask: &Ask) -> Vec<String> {
        // What comes after the path may hold a key.
        let url = fill_url(&self.url, ask);
        vec![format!("GET {}", public_part(&url))]
    }

    async fn check_syntax(&self, _ask: &Ask) -> Option<Vec<Problem>> {
        // A URL has no syntax of its own to ask anybody about.
        Some(Vec::new())
    }
}

/// A URL without user, password, query and fragment.
pub(super) fn public_part(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host_end = rest.find('/').unwrap_or(rest.len());
    let host_start = rest[..host_end].rfind('@').map_or(0, |at| at + 1);
    if scheme.is_empty() {
        return rest[host_start..].to_owned();
    }
    format!("{scheme}://{}", &rest[host_start..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_recorded_holds_no_password_and_no_key() {
        let public = super::public_part("https://me:secret@host:1/path/a@b?key=secret#x");
        assert_eq!(public, "https://host:1/path/a@b");
        assert_eq!(super::public_part("host/x"), "host/x");
    }
}
