//! The portal where people sign in to AWS (IAM Identity Center), as far as programs use it: whoever has a token of it gets the
//! credentials of a role. There is no emulator of it: this is ours, by botocore's model of the service.
//!
//! Invariants: a question is checked as those for other services are; an answer has the members that the model has, and no other.
//! Refuses to know: how people sign in. One token is good, for every role.

use super::call::Call;
use super::http::{Request, Response, form};
use super::model::Models;
use super::rest;
use super::xml::Element;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The token of somebody who is signed in.
pub const PORTAL_TOKEN: &str = "of-somebody-who-is-signed-in";

const PATH: &str = "/federation/credentials";
/// 2100-01-01, in milliseconds.
const EXPIRATION: u64 = 4_102_444_800_000;

/// Whether a request is for the portal. It is not signed: who asks has no credentials yet.
pub(super) fn is_asked(request: &Request) -> bool {
    request.path() == PATH && request.header("authorization").is_none()
}

/// The call, and what is wrong with it.
pub(super) fn call(request: &Request, models: &Models) -> (Call, Vec<String>) {
    let operation = models.sso.operation_of(request).unwrap_or_default().to_owned();
    let parameters = request.query().into_iter().collect();
    let call = Call { service: "sso".to_owned(), region: String::new(), operation, parameters };
    let wrong = rest::violations(request, &call, &models.sso);
    (call, wrong)
}

/// The answer: credentials of the role, which moto knows from then on.
pub(super) fn answer(request: &Request, call: &Call, models: &Models, moto: u16) -> Response {
    if request.header("x-amz-sso_bearer_token") != Some(PORTAL_TOKEN) {
        let message = json!({ "message": "Session token not found or invalid" });
        let mut refused = told(401, &message);
        let error = ("x-amzn-ErrorType".to_owned(), "UnauthorizedException".to_owned());
        refused.headers.push(error);
        return refused;
    }
    let named = |name: &str| call.parameter(name).unwrap_or_default();
    let (account, role) = (named("account_id"), named("role_name"));
    let Some(found) = assumed(account, role, moto) else {
        return told(500, &json!({ "message": "moto gives no credentials" }));
    };
    let mut credentials = Map::new();
    let members = models.sso.shape("RoleCredentials")["members"].as_object();
    for name in members.into_iter().flat_map(Map::keys) {
        let value: Value = match name.as_str() {
            "accessKeyId" => found.text_at("AccessKeyId").into(),
            "secretAccessKey" => found.text_at("SecretAccessKey").into(),
            "sessionToken" => found.text_at("SessionToken").into(),
            "expiration" => EXPIRATION.into(),
            _ => continue,
        };
        credentials.insert(name.clone(), value);
    }
    told(200, &json!({ "roleCredentials": credentials }))
}

/// Credentials of the role that stands for one of the portal, as moto gives them.
fn assumed(account: &str, role: &str, moto: u16) -> Option<Element> {
    let asked: BTreeMap<String, String> = [
        ("Action", "AssumeRole".to_owned()),
        ("Version", "2011-06-15".to_owned()),
        ("RoleArn", format!("arn:aws:iam::{account}:role/AWSReservedSSO_{role}_0123456789abcdef")),
        ("RoleSessionName", "ada".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let scope = "AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/sts/aws4_request";
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
    let headers = [
        ("Host", "sts.amazonaws.com".to_owned()),
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ("Authorization", signed),
    ];
    let request = Request {
        method: "POST".to_owned(),
        target: "/".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: form(asked.iter()),
    };
    let answer = request.send(moto).ok()?;
    let root = Element::parse(&String::from_utf8_lossy(&answer.body))?;
    root.all("Credentials").first().map(|found| (*found).clone())
}

fn told(status: u16, body: &Value) -> Response {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes() }
}
