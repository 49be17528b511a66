//! The metadata service of an instance, where programs on it find the credentials of its role.
//!
//! moto has one, for whoever says that its host is [`HOST`]. Invariant: only what is asked with a token is answered, as on an
//! instance that demands version 2. Refuses to know: what is asked for.

use super::http::{Request, Response};

const HOST: &str = "169.254.169.254";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const LIFETIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// Whether a request is for the metadata service. Those for AWS are signed or are forms.
pub(super) fn is_asked(request: &Request) -> bool {
    request.path().starts_with("/latest/") && request.header("authorization").is_none()
}

/// Its answer.
pub(super) fn answer(request: &Request, moto: u16) -> Response {
    let lifetime = request.header(LIFETIME).filter(|_| request.method == "PUT");
    if lifetime.is_none() && request.header(TOKEN).is_none() {
        return refused(401);
    }
    let mut asked = request.clone();
    asked.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    asked.headers.push(("Host".to_owned(), HOST.to_owned()));
    let Ok(mut answer) = asked.send(moto) else { return refused(500) };
    if let Some(lifetime) = lifetime {
        // moto does not say how long its token lasts.
        answer.headers.push((LIFETIME.to_owned(), lifetime.to_owned()));
    }
    answer
}

fn refused(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}
