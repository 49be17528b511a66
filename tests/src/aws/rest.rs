//! Whether a request to S3 is one that S3 knows: operation, query, headers, and the members of an XML body.
//!
//! Refuses to know: objects' bytes, and signatures.

use super::call::Call;
use super::conformance::wrong_value;
use super::http::Request;
use super::model::{Service, required};
use super::xml::Element;
use serde_json::Value;
use std::collections::BTreeMap;

/// Headers that every request may have.
const ANYWHERE: &[&str] = &[
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amz-trailer",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
];

/// What is wrong with a request; empty if nothing is.
pub(super) fn violations(request: &Request, call: &Call, service: &Service) -> Vec<String> {
    let Some(operation) = service.operation(&call.operation) else {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let path = request.path();
        return vec![format!("{} {path} with `{query}` is no operation of S3", request.method)];
    };
    let shape = service.input(&call.operation);
    let mut found = members(request, shape, service);
    found.extend(unknown(request, operation, shape));
    let needs_checksum = operation["httpChecksum"]["requestChecksumRequired"] == Value::Bool(true);
    let is_checksum = |name: &String| {
        let name = name.to_ascii_lowercase();
        name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-")
    };
    if needs_checksum && !request.headers.iter().any(|(name, _)| is_checksum(name)) {
        found.push("neither Content-MD5 nor an x-amz-checksum-* header".to_owned());
    }
    found.extend(payload(request, shape, service));
    found.into_iter().map(|what| format!("{}: {what}", call.operation)).collect()
}

/// Values of the members in the query and the headers.
fn members(request: &Request, shape: &Value, service: &Service) -> Vec<String> {
    let (required, query) = (required(shape), request.query());
    let mut found = Vec::new();
    for (name, member) in shape["members"].as_object().into_iter().flatten() {
        let place = member["locationName"].as_str().unwrap_or(name);
        let value = match member["location"].as_str() {
            Some("querystring") => {
                query.iter().find(|(key, _)| key == place).map(|(_, v)| v.as_str())
            }
            Some("header") => request.header(place),
            _ => continue,
        };
        let shape = service.shape(member["shape"].as_str().unwrap_or_default());
        match value {
            // Times in headers have a form of their own.
            Some(_) if shape["type"] == "timestamp" || shape["type"] == "list" => {}
            Some(value) => {
                found.extend(wrong_value(value, shape).map(|what| format!("{place}: {what}")));
            }
            None if required.contains(name.as_str()) => {
                found.push(format!("{place}: is required, and missing"));
            }
            None => {}
        }
    }
    found
}

/// Parts of the query and headers of S3 that the operation does not have.
fn unknown(request: &Request, operation: &Value, shape: &Value) -> Vec<String> {
    let places = |location: &str| {
        let members = shape["members"].as_object().into_iter().flatten();
        let there = members.filter(|(_, member)| member["location"] == location);
        let name = |(name, member): (&String, &Value)| {
            member["locationName"].as_str().unwrap_or(name).to_ascii_lowercase()
        };
        there.map(name).collect::<Vec<_>>()
    };
    let uri = operation["http"]["requestUri"].as_str().unwrap_or_default();
    let literals = uri.split_once('?').map(|(_, query)| super::http::pairs(query));
    let literals = literals.unwrap_or_default();
    let (in_query, in_headers, prefixes) =
        (places("querystring"), places("header"), places("headers"));
    let mut found = Vec::new();
    for (key, _) in request.query() {
        let is_literal = literals.iter().any(|(literal, _)| *literal == key);
        if !is_literal && key != "x-id" && !in_query.contains(&key.to_ascii_lowercase()) {
            found.push(format!("`{key}` is not part of its query"));
        }
    }
    for (name, _) in &request.headers {
        let name = name.to_ascii_lowercase();
        let is_known = !name.starts_with("x-amz-")
            || ANYWHERE.contains(&name.as_str())
            || name.starts_with("x-amz-checksum-")
            || in_headers.contains(&name)
            || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        if !is_known {
            found.push(format!("`{name}` is no header of it"));
        }
    }
    found
}

/// What is wrong with an XML body.
fn payload(request: &Request, shape: &Value, service: &Service) -> Vec<String> {
    let Some(name) = shape["payload"].as_str() else {
        let stray = !request.body.is_empty();
        return stray.then(|| "has a body, and takes none".to_owned()).into_iter().collect();
    };
    let member = &shape["members"][name];
    let inner = service.shape(member["shape"].as_str().unwrap_or_default());
    if inner["type"] != "structure" {
        return Vec::new();
    }
    if request.body.is_empty() {
        let missing = required(shape).contains(name);
        return missing.then(|| format!("{name}: is required, and missing")).into_iter().collect();
    }
    let Some(root) = Element::parse(&String::from_utf8_lossy(&request.body)) else {
        return vec!["its body is not XML".to_owned()];
    };
    let expected = member["locationName"].as_str().unwrap_or(name);
    let mut found = Vec::new();
    if root.name != expected {
        found.push(format!("its body is `{}`, not `{expected}`", root.name));
    }
    structure(&root, inner, service, &root.name, &mut found);
    found
}

fn structure(at: &Element, shape: &Value, service: &Service, path: &str, found: &mut Vec<String>) {
    let mut missing = required(shape);
    let members: BTreeMap<&str, (&String, &Value)> = shape["members"]
        .as_object()
        .into_iter()
        .flatten()
        // An attribute of the element; not looked at.
        .filter(|(_, member)| member["xmlAttribute"] != Value::Bool(true))
        .map(|(name, member)| (member["locationName"].as_str().unwrap_or(name), (name, member)))
        .collect();
    for child in &at.children {
        let path = format!("{path}.{}", child.name);
        let Some((name, member)) = members.get(child.name.as_str()) else {
            found.push(format!("{path}: no such member"));
            continue;
        };
        missing.remove(name.as_str());
        let mut shape = service.shape(member["shape"].as_str().unwrap_or_default());
        // A member may be flattened where its list elsewhere is not.
        if member["flattened"] == Value::Bool(true) && shape["flattened"] != Value::Bool(true) {
            shape = service.shape(shape["member"]["shape"].as_str().unwrap_or_default());
        }
        value(child, shape, service, &path, found);
    }
    found.extend(missing.iter().map(|name| format!("{path}.{name}: is required, and missing")));
}

fn value(at: &Element, shape: &Value, service: &Service, path: &str, found: &mut Vec<String>) {
    match shape["type"].as_str() {
        Some("structure") => structure(at, shape, service, path, found),
        Some("list") => {
            let inner = service.shape(shape["member"]["shape"].as_str().unwrap_or_default());
            if shape["flattened"].as_bool() == Some(true) {
                return value(at, inner, service, path, found);
            }
            let name = shape["member"]["locationName"].as_str().unwrap_or("member");
            for child in &at.children {
                if child.name == name {
                    value(child, inner, service, &format!("{path}.{name}"), found);
                } else {
                    found.push(format!("{path}.{}: no such member", child.name));
                }
            }
        }
        _ => found.extend(wrong_value(&at.text, shape).map(|what| format!("{path}: {what}"))),
    }
}
