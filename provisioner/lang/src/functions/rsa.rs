//! `rsadecrypt`: what was encrypted for an RSA key, as PKCS #1 version 1.5 has it.
//!
//! Invariants: keys are read in the forms in which OpenSSL and OpenSSH write them, without a passphrase; messages never
//! hold a part of a key or of what was encrypted. Refuses to know: the arithmetic, which must take the same time for
//! every key and so is a library's.

use super::arguments::text;
use super::{FunctionContext, FunctionError};
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Value;
use num_bigint::BigUint;

pub(super) fn rsadecrypt(args: &[Value], _: &FunctionContext<'_>) -> Result<Value, FunctionError> {
    let sealed = STANDARD
        .decode(text(args, 0)?)
        .map_err(|_| FunctionError::argument(0, "what is encrypted must be given as base64"))?;
    let key = key(text(args, 1)?).map_err(|problem| FunctionError::argument(1, problem))?;
    let mut opened = vec![0; key.min_output_size()];
    let opened = key.decrypt(&sealed, &mut opened).map_err(|_| {
        FunctionError::argument(0, "it cannot be decrypted: it was not encrypted for this key")
    })?;
    let opened = std::str::from_utf8(opened)
        .map_err(|_| FunctionError::call("what was encrypted is not text"))?;
    Ok(opened.into())
}

fn key(pem: &str) -> Result<Pkcs1PrivateDecryptingKey, &'static str> {
    const DAMAGED: &str = "the private key is damaged";
    let (label, body) = block(pem).ok_or("this is no private key in PEM form")?;
    if label.contains("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err("the private key has a passphrase; one without is needed");
    }
    let joined: String = body.split_whitespace().collect();
    let content = STANDARD.decode(joined).map_err(|_| DAMAGED)?;
    let pkcs8 = match label {
        "PRIVATE KEY" => content,
        "RSA PRIVATE KEY" => pkcs8(&content),
        "OPENSSH PRIVATE KEY" => pkcs8(&openssh(&content)?),
        _ => return Err("this is not the private key of RSA"),
    };
    let key = PrivateDecryptingKey::from_pkcs8(&pkcs8)
        .map_err(|_| "this is not a private key of RSA with 2048 to 8192 bits")?;
    Pkcs1PrivateDecryptingKey::new(key).map_err(|_| DAMAGED)
}

/// The label of the first block of PEM text, and what stands between its ends.
fn block(pem: &str) -> Option<(&str, &str)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, end) = rest.split_once("-----END ")?;
    end.strip_prefix(label)?.starts_with("-----").then_some((label, body))
}

/// An `RSAPrivateKey` (RFC 8017, appendix A.1.2) as a `PrivateKeyInfo` (RFC 5208, section 5).
fn pkcs8(key: &[u8]) -> Vec<u8> {
    /// The algorithm: rsaEncryption, without parameters.
    const RSA: [u8; 13] =
        [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let parts = [der(INTEGER, &[0]), der(SEQUENCE, &RSA), der(OCTETS, key)];
    der(SEQUENCE, &parts.concat())
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// A value in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let length = &length[zeros..];
            out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The key of a file as `ssh-keygen` writes it (OpenSSH's PROTOCOL.key), as an `RSAPrivateKey`.
fn openssh(file: &[u8]) -> Result<Vec<u8>, &'static str> {
    const DAMAGED: &str = "the private key is damaged";
    let rest = file.strip_prefix(b"openssh-key-v1\0").ok_or(DAMAGED)?;
    let mut outer = Fields(rest);
    let cipher = outer.field().ok_or(DAMAGED)?;
    if cipher != b"none" {
        return Err("the private key has a passphrase; one without is needed");
    }
    let parts = |outer: &mut Fields<'_>| {
        // How the passphrase is hashed, twice nothing; the number of keys; the public one.
        outer.field()?;
        outer.field()?;
        outer.number()?;
        outer.field()?;
        let mut inner = Fields(outer.field()?);
        // The same number twice, to tell whether the passphrase was right.
        inner.number()?;
        inner.number()?;
        let kind = inner.field()?.to_vec();
        let mut numbers = Vec::new();
        while kind == b"ssh-rsa" && numbers.len() < 6 {
            numbers.push(inner.field()?.to_vec());
        }
        Some(numbers)
    };
    match parts(&mut outer).ok_or(DAMAGED)?.as_slice() {
        [modulus, public, private, coefficient, first, second] => {
            let one = BigUint::from(1_u8);
            let exponent = |prime: &[u8]| {
                let prime = BigUint::from_bytes_be(prime);
                (prime > one).then(|| unsigned(&(BigUint::from_bytes_be(private) % (prime - &one))))
            };
            let (first_exponent, second_exponent) =
                (exponent(first).ok_or(DAMAGED)?, exponent(second).ok_or(DAMAGED)?);
            let numbers = [
                &vec![0],
                modulus,
                public,
                private,
                first,
                second,
                &first_exponent,
                &second_exponent,
                coefficient,
            ];
            let written: Vec<_> = numbers.iter().map(|number| der(INTEGER, number)).collect();
            Ok(der(SEQUENCE, &written.concat()))
        }
        _ => Err("this is not the private key of RSA"),
    }
}

/// The bytes of a number that is not negative, as DER has them.
fn unsigned(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        bytes.insert(0, 0);
    }
    bytes
}

/// Reads a file of OpenSSH: numbers, and fields with their length before them.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}
