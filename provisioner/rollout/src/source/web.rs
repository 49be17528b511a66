//! One HTTP request with a time limit and a size limit.
//!
//! Invariants: no redirect is followed (a header may be secret); no error holds the address or a header. Refuses to know
//! what an answer means: every status is an answer.

use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};

/// Bytes of an answer; a longer one is an error.
pub(super) const SIZE_LIMIT: u64 = 4 << 20;

/// What is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// With JSON it is a POST of it.
    pub json: Option<String>,
    /// With a form it is a POST of it, without either a GET.
    pub form: Option<Vec<(&'static str, String)>>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends a request once. An error is a sentence.
pub(crate) async fn send(request: Request, limit: Duration) -> Result<Answer, String> {
    let sent = tokio::task::spawn_blocking(move || send_now(request, limit));
    let late = || format!("no answer within {} ms", limit.as_millis());
    // The request ends by itself; the wait for a free thread would not.
    let Ok(done) = tokio::time::timeout(limit, sent).await else { return Err(late()) };
    match done {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ureq::Error::Timeout(_))) => Err(late()),
        Ok(Err(error)) => Err(says(&error)),
        Err(error) => Err(format!("the request was cut off: {error}")),
    }
}

fn send_now(request: Request, limit: Duration) -> Result<Answer, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // Whom this machine trusts: a company's Prometheus has the company's own authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .user_agent("provisioner")
        .build()
        .into();
    let mut response = if let Some(form) = request.form {
        let mut post = agent.post(&request.url);
        for (name, value) in &request.headers {
            post = post.header(name, value);
        }
        post.send_form(form)?
    } else if let Some(json) = request.json {
        let mut post = agent.post(&request.url).header("Content-Type", "application/json");
        for (name, value) in &request.headers {
            post = post.header(name, value);
        }
        post.send(json)?
    } else {
        let mut get = agent.get(&request.url);
        for (name, value) in &request.headers {
            get = get.header(name, value);
        }
        get.call()?
    };
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(SIZE_LIMIT).lossy_utf8(true);
    Ok(Answer { status, body: body.read_to_string()? })
}

fn says(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address is no URL".to_owned(),
        ureq::Error::Http(_) => "the address or a header cannot be sent".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => format!("the answer is longer than {limit} bytes"),
        ureq::Error::Io(error) => format!("no answer: {}", error.kind()),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => format!("no secure connection: {error}"),
        ureq::Error::Protocol(error) => format!("the answer is no HTTP: {error}"),
        _ => "the request failed".to_owned(),
    }
}

/// The beginning of a text from outside, on one line, for a message.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}
