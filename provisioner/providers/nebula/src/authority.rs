//! What may be signed: making an authority, and certificates it issues, as pure functions of their
//! arguments, the time and the key.
//!
//! Invariant: a certificate that comes out of here is one that nebula accepts from its authority: not
//! longer valid than it, not earlier, with no group it may not give.
//! Refuses to know: values of the language, the Provider port.

use crate::certificate::{Certificate, Details, Network};
use ed25519_dalek::SigningKey;
use ipnet::Ipv4Net;

/// Certificates are valid from this long before they are made, so that a node whose clock is behind takes
/// them too.
const CLOCK_ALLOWANCE_SECONDS: i64 = 3600;
/// Validity of a node's certificate when none is asked for.
pub const DEFAULT_DURATION_HOURS: i64 = 8760;
/// The longest validity that can be asked for, in hours: a hundred years.
pub const LONGEST_HOURS: i64 = 876_000;

/// Why something cannot be signed: the argument at fault, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The argument.
    pub argument: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(argument: &'static str, problem: impl Into<String>) -> Self {
        Self { argument, problem: problem.into(), hint: String::new() }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// What a node's certificate shall say.
#[derive(Clone, Debug)]
pub struct Request {
    /// The node's name.
    pub name: String,
    /// Its address in the mesh, with the length of the mesh's prefix.
    pub address: Ipv4Net,
    /// Its groups.
    pub groups: Vec<String>,
    /// Its X25519 public key.
    pub public_key: Vec<u8>,
    /// How long it shall be valid; none: the default, or as long as the authority if that is shorter.
    pub duration_hours: Option<i64>,
}

/// A new authority that signs itself.
pub fn found(
    name: String,
    groups: Vec<String>,
    duration_hours: i64,
    key: &SigningKey,
    now: i64,
) -> Certificate {
    let details = Details {
        name,
        groups,
        not_before: now - CLOCK_ALLOWANCE_SECONDS,
        not_after: now + duration_hours * 3600,
        public_key: key.verifying_key().to_bytes().to_vec(),
        is_ca: true,
        ..Details::default()
    };
    details.sign(key)
}

/// Checks that `certificate` is an authority, intact, and that `key` is its key.
pub fn check(certificate: &Certificate, key: &SigningKey) -> Result<(), Refusal> {
    if !certificate.details.is_ca {
        return Err(Refusal::new(
            "ca_certificate",
            "it is a node's certificate, not an authority's",
        ));
    }
    if !certificate.is_signed_by(&certificate.details.public_key) {
        return Err(Refusal::new("ca_certificate", "its signature is wrong: it was changed"));
    }
    if certificate.details.public_key != key.verifying_key().to_bytes() {
        let problem = "it is not the key of `ca_certificate`";
        return Err(Refusal::new("ca_private_key", problem)
            .with_hint("take both from the same `nebula_ca`"));
    }
    Ok(())
}

/// A certificate for a node.
pub fn issue(
    ca: &Certificate,
    key: &SigningKey,
    request: Request,
    now: i64,
) -> Result<Certificate, Refusal> {
    check(ca, key)?;
    let not_after = end_of_validity(ca, request.duration_hours, now)?;
    if let Some(group) = forbidden_group(ca, &request.groups) {
        let allowed = ca.details.groups.join(", ");
        let problem = format!("the authority may not sign for the group `{group}`");
        return Err(Refusal::new("groups", problem).with_hint(format!("its groups are: {allowed}")));
    }
    let details = Details {
        name: request.name,
        addresses: vec![Network {
            address: request.address.addr(),
            mask: request.address.netmask(),
        }],
        subnets: Vec::new(),
        groups: request.groups,
        not_before: (now - CLOCK_ALLOWANCE_SECONDS).max(ca.details.not_before),
        not_after,
        public_key: request.public_key,
        is_ca: false,
        issuer: ca.fingerprint(),
    };
    Ok(details.sign(key))
}

fn end_of_validity(
    ca: &Certificate,
    duration_hours: Option<i64>,
    now: i64,
) -> Result<i64, Refusal> {
    // One second earlier, as `nebula-cert` does it.
    let latest = ca.details.not_after - 1;
    if latest <= now {
        return Err(Refusal::new("ca_certificate", "the authority has expired")
            .with_hint("replace the `nebula_ca`; its certificates follow"));
    }
    match duration_hours {
        None => Ok(latest.min(now + DEFAULT_DURATION_HOURS * 3600)),
        Some(hours) if now + hours * 3600 <= latest => Ok(now + hours * 3600),
        Some(hours) => {
            let left = (latest - now) / 3600;
            let problem = format!(
                "{hours} hours is longer than its authority is still valid, which is {left} hours"
            );
            Err(Refusal::new("duration_hours", problem).with_hint(
                "ask for less, leave it out (it then ends with the authority), or replace the `nebula_ca`",
            ))
        }
    }
}

fn forbidden_group<'a>(ca: &Certificate, groups: &'a [String]) -> Option<&'a String> {
    let restricted = !ca.details.groups.is_empty();
    groups.iter().find(|group| restricted && !ca.details.groups.contains(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[1; 32])
    }

    fn ca(groups: &[&str], hours: i64) -> Certificate {
        let groups = groups.iter().map(ToString::to_string).collect();
        found("mesh".to_owned(), groups, hours, &key(), NOW)
    }

    fn request(groups: &[&str], duration_hours: Option<i64>) -> Request {
        Request {
            name: "n1".to_owned(),
            address: "10.42.0.1/16".parse().unwrap(),
            groups: groups.iter().map(ToString::to_string).collect(),
            public_key: vec![2; 32],
            duration_hours,
        }
    }

    #[test]
    fn an_authority_signs_itself_and_its_nodes() {
        let ca = ca(&[], 100);
        let certificate = issue(&ca, &key(), request(&["edge"], Some(10)), NOW).unwrap();
        assert!(ca.is_signed_by(&ca.details.public_key));
        assert!(certificate.is_signed_by(&ca.details.public_key));
        assert_eq!(certificate.details.issuer, ca.fingerprint());
        assert_eq!(certificate.details.not_after, NOW + 36_000);
        assert!(certificate.details.not_before >= ca.details.not_before);
    }

    #[test]
    fn a_certificate_does_not_outlive_its_authority() {
        let ca = ca(&[], 100);
        let certificate = issue(&ca, &key(), request(&[], None), NOW).unwrap();
        assert_eq!(certificate.details.not_after, ca.details.not_after - 1);
        let refusal = issue(&ca, &key(), request(&[], Some(101)), NOW).unwrap_err();
        assert_eq!(refusal.argument, "duration_hours");
        let late = issue(&ca, &key(), request(&[], None), NOW + 360_000).unwrap_err();
        assert_eq!(late.argument, "ca_certificate");
    }

    #[test]
    fn groups_keys_and_authorities_are_checked() {
        let ca = ca(&["edge"], 100);
        assert!(issue(&ca, &key(), request(&["edge"], None), NOW).is_ok());
        let refusal = issue(&ca, &key(), request(&["admin"], None), NOW).unwrap_err();
        assert_eq!(refusal.argument, "groups");
        let stranger = SigningKey::from_bytes(&[9; 32]);
        let refusal = issue(&ca, &stranger, request(&[], None), NOW).unwrap_err();
        assert_eq!(refusal.argument, "ca_private_key");
        let node = issue(&ca, &key(), request(&[], None), NOW).unwrap();
        let refusal = issue(&node, &key(), request(&[], None), NOW).unwrap_err();
        assert_eq!(refusal.argument, "ca_certificate");
    }
}
