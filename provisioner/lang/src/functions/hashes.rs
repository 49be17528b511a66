//! Digests of text and of files, and identifiers made from them.

use super::arguments::text;
use super::files::bytes;
use super::{FunctionContext, FunctionError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use model::Value;
use model::digest::hex;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

type Answer = Result<Value, FunctionError>;

fn hex_of<D: Digest>(bytes: &[u8]) -> Value {
    hex(&D::digest(bytes)).into()
}

fn base64_of<D: Digest>(bytes: &[u8]) -> Value {
    STANDARD.encode(D::digest(bytes)).into()
}

pub(super) fn md5(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Md5>(text(args, 0)?.as_bytes()))
}

pub(super) fn sha1(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha1>(text(args, 0)?.as_bytes()))
}

pub(super) fn sha256(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha256>(text(args, 0)?.as_bytes()))
}

pub(super) fn sha512(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha512>(text(args, 0)?.as_bytes()))
}

pub(super) fn base64sha256(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(base64_of::<Sha256>(text(args, 0)?.as_bytes()))
}

pub(super) fn base64sha512(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(base64_of::<Sha512>(text(args, 0)?.as_bytes()))
}

pub(super) fn filemd5(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Md5>(&bytes(args, context)?))
}

pub(super) fn filesha1(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha1>(&bytes(args, context)?))
}

pub(super) fn filesha256(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha256>(&bytes(args, context)?))
}

pub(super) fn filesha512(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(hex_of::<Sha512>(&bytes(args, context)?))
}

pub(super) fn filebase64sha256(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(base64_of::<Sha256>(&bytes(args, context)?))
}

pub(super) fn filebase64sha512(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(base64_of::<Sha512>(&bytes(args, context)?))
}

/// RFC 4122 version 5: from a name space (`dns`, `url`, `oid`, `x500` or a UUID) and a name.
pub(super) fn uuidv5(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let namespace = namespace(text(args, 0)?).ok_or_else(|| {
        FunctionError::argument(0, "the name space must be dns, url, oid, x500 or a UUID")
    })?;
    let digest = Sha1::new_with_prefix(namespace).chain_update(text(args, 1)?).finalize();
    let mut id: [u8; 16] = std::array::from_fn(|index| digest[index]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    Ok(uuid_text(&id).into())
}

/// A UUID as it is written.
pub(super) fn uuid_text(id: &[u8; 16]) -> String {
    let digits = hex(id);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

fn namespace(text: &str) -> Option<[u8; 16]> {
    let well_known = |last: u32| format!("6ba7b8{last:02x}9dad11d180b400c04fd430c8");
    let digits = match text {
        "dns" => well_known(0x10),
        "url" => well_known(0x11),
        "oid" => well_known(0x12),
        "x500" => well_known(0x14),
        other => {
            let bare = other.strip_prefix("urn:uuid:").unwrap_or(other);
            let braced = bare.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
            braced.unwrap_or(bare).replace('-', "")
        }
    };
    let number = u128::from_str_radix(&digits, 16).ok();
    number.filter(|_| digits.len() == 32 && !digits.starts_with('+')).map(u128::to_be_bytes)
}
