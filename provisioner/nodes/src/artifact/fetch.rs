//! Bytes from an address or a file into the cache, unverified.
//!
//! Invariants: a time limit and a size limit on everything; nothing here decides whether the bytes are
//! the right ones.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};

use super::Cause;

/// No artifact is larger.
const SIZE_LIMIT: u64 = 2 << 30;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
const RESPONSE_LIMIT: Duration = Duration::from_mins(1);
const WHOLE_LIMIT: Duration = Duration::from_mins(15);

/// Downloads `url` to `to`.
pub(super) fn url(url: &str, to: &Path) -> Result<(), Cause> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_recv_response(Some(RESPONSE_LIMIT))
        .timeout_global(Some(WHOLE_LIMIT))
        .max_redirects(5)
        // Whom this machine trusts: an artifact store inside a company has the company's own authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        // The digest is over the bytes of the file, so no content coding on the way.
        .accept_encoding("identity")
        .user_agent("provisioner")
        .build()
        .into();
    let mut response = match agent.get(url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(status)) => {
            return Err(Cause::Status { url: url.to_owned(), status });
        }
        Err(error) => return Err(Cause::Unreachable(error.to_string())),
    };
    let body = response.body_mut().with_config().limit(SIZE_LIMIT + 1).reader();
    copy(body, to, |error| Cause::Unreachable(format!("the download broke off: {error}")))
}

/// Copies a file of this machine to `to`.
pub(super) fn file(path: &Path, to: &Path) -> Result<(), Cause> {
    let unreadable = |error: &io::Error| Cause::Unreadable(error.to_string());
    let source = File::open(path).map_err(|error| unreadable(&error))?;
    copy(source, to, |error| unreadable(error))
}

fn copy(mut from: impl Read, to: &Path, broken: impl Fn(&io::Error) -> Cause) -> Result<(), Cause> {
    let cache = |error: io::Error| Cause::Cache(format!("{}: {error}", to.display()));
    let mut target = File::create(to).map_err(cache)?;
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer).map_err(|error| broken(&error))?;
        if count == 0 {
            return target.sync_all().map_err(cache);
        }
        total += count as u64;
        if total > SIZE_LIMIT {
            return Err(Cause::TooLarge(SIZE_LIMIT));
        }
        target.write_all(&buffer[..count]).map_err(cache)?;
    }
}
