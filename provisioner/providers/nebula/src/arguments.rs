//! Arguments as the language gives them, read into what can be signed. Values that are not known yet are
//! passed over when arguments are only checked.

use crate::authority::{LONGEST_HOURS, Refusal, Request};
use crate::certificate::{Certificate, ca_key_from_pem, public_key_from_pem};
use ed25519_dalek::SigningKey;
use ipnet::Ipv4Net;
use model::Value;

/// An argument's value, unless it is missing, null or unknown.
fn given(arguments: &Value, name: &str) -> Option<Value> {
    arguments.get(name).filter(|value| !value.is_null() && !value.is_unknown())
}

fn required<T>(
    arguments: &Value,
    name: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Refusal> {
    let value = given(arguments, name).ok_or_else(|| Refusal::new(name, "it is missing"))?;
    let text = value.as_str().ok_or_else(|| Refusal::new(name, "it must be text"))?;
    read(text).map_err(|problem| Refusal::new(name, problem))
}

/// `name`.
pub fn name(arguments: &Value) -> Result<String, Refusal> {
    required(arguments, "name", |text| {
        if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
    })
}

/// `duration_hours`, if it is given.
pub fn duration_hours(arguments: &Value) -> Result<Option<i64>, Refusal> {
    let Some(value) = given(arguments, "duration_hours") else { return Ok(None) };
    let hours = value.as_number().and_then(model::Number::as_i64);
    hours.filter(|hours| (1..=LONGEST_HOURS).contains(hours)).map(Some).ok_or_else(|| {
        let problem = format!("it must be a whole number from 1 to {LONGEST_HOURS}");
        Refusal::new("duration_hours", problem)
    })
}

/// `groups`, empty if there are none.
pub fn groups(arguments: &Value) -> Result<Vec<String>, Refusal> {
    let value = given(arguments, "groups");
    let items = value.as_ref().and_then(Value::as_items).unwrap_or_default();
    let known = items.iter().filter(|item| !item.is_unknown());
    let group = |item: &Value| match item.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Refusal::new("groups", "a group is null or empty")),
    };
    known.map(group).collect()
}

/// `address`.
pub fn address(arguments: &Value) -> Result<Ipv4Net, Refusal> {
    required(arguments, "address", |text| {
        let network: Ipv4Net = text.parse().map_err(|_| {
            format!("`{text}` is not an IPv4 address with a prefix, such as 10.42.0.1/16")
        })?;
        let is_whole_network = network.prefix_len() < 31
            && (network.addr() == network.network() || network.addr() == network.broadcast());
        if is_whole_network {
            return Err(format!(
                "`{text}` is the network itself or its broadcast, no address of a node"
            ));
        }
        Ok(network)
    })
}

/// `public_key`.
pub fn public_key(arguments: &Value) -> Result<Vec<u8>, Refusal> {
    required(arguments, "public_key", public_key_from_pem)
}

/// `ca_certificate`.
pub fn ca_certificate(arguments: &Value) -> Result<Certificate, Refusal> {
    required(arguments, "ca_certificate", Certificate::from_pem)
}

/// `ca_private_key`.
pub fn ca_private_key(arguments: &Value) -> Result<SigningKey, Refusal> {
    required(arguments, "ca_private_key", ca_key_from_pem)
}

/// Everything a node's certificate says.
pub fn request(arguments: &Value) -> Result<Request, Refusal> {
    Ok(Request {
        name: name(arguments)?,
        address: address(arguments)?,
        groups: groups(arguments)?,
        public_key: public_key(arguments)?,
        duration_hours: duration_hours(arguments)?,
    })
}

/// Everything wrong with the arguments that are known already.
pub fn check(kind: &str, arguments: &Value) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut look = |name: &str, found: Option<Refusal>| {
        if given(arguments, name).is_some() {
            refusals.extend(found);
        }
    };
    look("name", name(arguments).err());
    look("duration_hours", duration_hours(arguments).err());
    look("groups", groups(arguments).err());
    if kind == "nebula_certificate" {
        look("address", address(arguments).err());
        look("public_key", public_key(arguments).err());
        look("ca_certificate", ca_certificate(arguments).err());
        look("ca_private_key", ca_private_key(arguments).err());
    }
    refusals
}
