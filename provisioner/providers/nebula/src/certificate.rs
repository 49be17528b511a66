//! Nebula certificates, format version 1 (`cert/cert.proto` of nebula up to 1.9): their content, their
//! bytes, their fingerprint and their signature.
//!
//! Invariant: `Certificate::from_pem(certificate.to_pem())` gives the same certificate and the same bytes,
//! so a fingerprint taken here is the one nebula takes.
//! Refuses to know: the clock, where keys come from, resource types.

use crate::pem;
use crate::wire::{self, Field};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::net::Ipv4Addr;

const CERTIFICATE_LABEL: &str = "NEBULA CERTIFICATE";
const CA_KEY_LABEL: &str = "NEBULA ED25519 PRIVATE KEY";
const PUBLIC_KEY_LABEL: &str = "NEBULA X25519 PUBLIC KEY";

/// An IPv4 address with its network mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address; for a certificate's own address the host part is kept.
    pub address: Ipv4Addr,
    /// The mask.
    pub mask: Ipv4Addr,
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The node's or authority's name.
    pub name: String,
    /// Addresses of the node in the mesh; for an authority the networks it may sign for (none: any).
    pub addresses: Vec<Network>,
    /// Networks behind the node.
    pub subnets: Vec<Network>,
    /// Groups the node is in; for an authority the groups it may sign for (none: any).
    pub groups: Vec<String>,
    /// First second of validity, Unix time.
    pub not_before: i64,
    /// Last second of validity, Unix time.
    pub not_after: i64,
    /// X25519 of a node, Ed25519 of an authority.
    pub public_key: Vec<u8>,
    /// Whether it is an authority.
    pub is_ca: bool,
    /// The fingerprint of the authority that signed it; empty when it signed itself.
    pub issuer: Vec<u8>,
}

/// A signed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What it says.
    pub details: Details,
    signature: Vec<u8>,
}

impl Details {
    /// Signs the details.
    pub fn sign(self, key: &SigningKey) -> Certificate {
        let signature = key.sign(&self.to_bytes()).to_bytes().to_vec();
        Certificate { details: self, signature }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, 1, self.name.as_bytes());
        wire::put_bytes(&mut out, 2, &pack(&self.addresses));
        wire::put_bytes(&mut out, 3, &pack(&self.subnets));
        for group in &self.groups {
            wire::put_element(&mut out, 4, group.as_bytes());
        }
        wire::put_number(&mut out, 5, self.not_before.cast_unsigned());
        wire::put_number(&mut out, 6, self.not_after.cast_unsigned());
        wire::put_bytes(&mut out, 7, &self.public_key);
        wire::put_number(&mut out, 8, u64::from(self.is_ca));
        wire::put_bytes(&mut out, 9, &self.issuer);
        out
    }

    fn from_bytes(mut input: &[u8]) -> Option<Self> {
        let mut details = Self::default();
        while !input.is_empty() {
            match wire::take_field(&mut input)? {
                (1, Field::Bytes(bytes)) => details.name = text(bytes)?,
                (2, Field::Bytes(bytes)) => details.addresses.extend(unpack(bytes)?),
                (3, Field::Bytes(bytes)) => details.subnets.extend(unpack(bytes)?),
                (4, Field::Bytes(bytes)) => details.groups.push(text(bytes)?),
                (5, Field::Number(value)) => details.not_before = value.cast_signed(),
                (6, Field::Number(value)) => details.not_after = value.cast_signed(),
                (7, Field::Bytes(bytes)) => details.public_key = bytes.to_vec(),
                (8, Field::Number(value)) => details.is_ca = value != 0,
                (9, Field::Bytes(bytes)) => details.issuer = bytes.to_vec(),
                // An unknown field would be lost, and with it the fingerprint: better refused.
                _ => return None,
            }
        }
        Some(details)
    }
}

impl Certificate {
    /// The text nebula reads.
    pub fn to_pem(&self) -> String {
        pem::encode(CERTIFICATE_LABEL, &self.to_bytes())
    }

    /// Reads nebula's text form. The error says what is wrong with it.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let bytes = pem::decode(CERTIFICATE_LABEL, text)?;
        Self::from_bytes(&bytes)
            .filter(|certificate| certificate.to_bytes() == bytes)
            .ok_or_else(|| "it is not a nebula certificate of format version 1".to_owned())
    }

    /// SHA-256 of the whole certificate: its identity, and what certificates signed by it name as issuer.
    pub fn fingerprint(&self) -> Vec<u8> {
        Sha256::digest(self.to_bytes()).to_vec()
    }

    /// Whether `public_key` belongs to the key that signed it.
    pub fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let key = public_key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let signature = Signature::from_slice(&self.signature).ok();
        match (key, signature) {
            (Some(key), Some(signature)) => {
                key.verify_strict(&self.details.to_bytes(), &signature).is_ok()
            }
            _ => false,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, 1, &self.details.to_bytes());
        wire::put_bytes(&mut out, 2, &self.signature);
        out
    }

    fn from_bytes(mut input: &[u8]) -> Option<Self> {
        let (mut details, mut signature) = (None, None);
        while !input.is_empty() {
            match wire::take_field(&mut input)? {
                (1, Field::Bytes(bytes)) => details = Some(Details::from_bytes(bytes)?),
                (2, Field::Bytes(bytes)) => signature = Some(bytes.to_vec()),
                _ => return None,
            }
        }
        Some(Self { details: details?, signature: signature? })
    }
}

/// The text form of an authority's private key.
pub fn ca_key_to_pem(key: &SigningKey) -> String {
    pem::encode(CA_KEY_LABEL, &key.to_keypair_bytes())
}

/// Reads an authority's private key. The error shows nothing of it.
pub fn ca_key_from_pem(text: &str) -> Result<SigningKey, String> {
    let bytes = pem::decode(CA_KEY_LABEL, text)?;
    let bytes: [u8; 64] = bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| format!("it holds {} bytes where 64 belong", bytes.len()))?;
    SigningKey::from_keypair_bytes(&bytes)
        .map_err(|_| "its public half does not belong to its private half".to_owned())
}

/// Reads a node's public key.
pub fn public_key_from_pem(text: &str) -> Result<Vec<u8>, String> {
    let bytes = pem::decode(PUBLIC_KEY_LABEL, text)?;
    if bytes.len() == 32 {
        Ok(bytes)
    } else {
        Err(format!("it holds {} bytes where 32 belong", bytes.len()))
    }
}

fn pack(networks: &[Network]) -> Vec<u8> {
    let mut out = Vec::new();
    for network in networks {
        wire::put_varint(&mut out, network.address.to_bits().into());
        wire::put_varint(&mut out, network.mask.to_bits().into());
    }
    out
}

fn unpack(mut input: &[u8]) -> Option<Vec<Network>> {
    let mut networks = Vec::new();
    let take = |input: &mut &[u8]| {
        let bits = u32::try_from(wire::take_varint(input)?).ok()?;
        Some(Ipv4Addr::from_bits(bits))
    };
    while !input.is_empty() {
        networks.push(Network { address: take(&mut input)?, mask: take(&mut input)? });
    }
    Some(networks)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Certificate {
        let network =
            Network { address: Ipv4Addr::new(10, 42, 0, 1), mask: Ipv4Addr::new(255, 255, 0, 0) };
        let details = Details {
            name: "edge-001".to_owned(),
            addresses: vec![network],
            groups: vec!["edge".to_owned(), String::new()],
            not_before: 1_700_000_000,
            not_after: 1_800_000_000,
            public_key: vec![7; 32],
            issuer: vec![9; 32],
            ..Details::default()
        };
        details.sign(&SigningKey::from_bytes(&[3; 32]))
    }

    #[test]
    fn certificates_read_back() {
        let certificate = sample();
        assert_eq!(Certificate::from_pem(&certificate.to_pem()).unwrap(), certificate);
    }

    #[test]
    fn a_changed_certificate_is_not_signed() {
        let mut certificate = sample();
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes();
        assert!(certificate.is_signed_by(&key));
        certificate.details.groups.push("admin".to_owned());
        assert!(!certificate.is_signed_by(&key));
        assert!(!certificate.is_signed_by(&[1]));
    }

    #[test]
    fn truncated_certificates_are_refused() {
        let bytes = sample().to_bytes();
        for end in 0..bytes.len() {
            assert!(Certificate::from_bytes(&bytes[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn keys_read_back_and_mistakes_are_named() {
        let key = SigningKey::from_bytes(&[5; 32]);
        assert_eq!(ca_key_from_pem(&ca_key_to_pem(&key)).unwrap(), key);
        let short = pem::encode(CA_KEY_LABEL, &[1; 32]);
        assert!(ca_key_from_pem(&short).unwrap_err().contains("32 bytes"));
        let torn = pem::encode(CA_KEY_LABEL, &[1; 64]);
        assert!(ca_key_from_pem(&torn).is_err());
        assert!(public_key_from_pem(&short).unwrap_err().contains("PUBLIC KEY"));
    }
}
