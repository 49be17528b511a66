//! Base64, character encodings and URL encoding.

use super::arguments::text;
use super::{FunctionContext, FunctionError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::Value;
use std::fmt::Write as _;
use std::io::Write as _;

type Answer = Result<Value, FunctionError>;

pub(super) fn base64encode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(STANDARD.encode(text(args, 0)?).into())
}

fn decoded(args: &[Value]) -> Result<Vec<u8>, FunctionError> {
    STANDARD.decode(text(args, 0)?).map_err(|_| FunctionError::argument(0, "this is not base64"))
}

pub(super) fn base64decode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let text = String::from_utf8(decoded(args)?)
        .map_err(|_| FunctionError::argument(0, "what it decodes to is not UTF-8 text"))?;
    Ok(text.into())
}

pub(super) fn base64gzip(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(text(args, 0)?.as_bytes()).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|error| FunctionError::call(error.to_string()))?;
    Ok(STANDARD.encode(compressed).into())
}

/// A character encoding that needs no table.
#[derive(Clone, Copy)]
enum Encoding {
    Ascii,
    Latin1,
    Utf8,
    Utf16Le,
    Utf16Be,
}

fn encoding(args: &[Value]) -> Result<Encoding, FunctionError> {
    Ok(match text(args, 1)?.to_ascii_uppercase().as_str() {
        "US-ASCII" | "ASCII" => Encoding::Ascii,
        "ISO-8859-1" | "LATIN1" | "L1" => Encoding::Latin1,
        "UTF-8" | "UTF8" => Encoding::Utf8,
        "UTF-16LE" => Encoding::Utf16Le,
        "UTF-16BE" => Encoding::Utf16Be,
        _ => {
            let problem = "this encoding is not supported; UTF-8, UTF-16LE, UTF-16BE, ISO-8859-1 and US-ASCII are";
            return Err(FunctionError::argument(1, problem));
        }
    })
}

pub(super) fn textencodebase64(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (text, encoding) = (text(args, 0)?, encoding(args)?);
    let narrow = |last: u32| -> Option<Vec<u8>> {
        let byte = |c: char| u8::try_from(u32::from(c)).ok().filter(|_| u32::from(c) <= last);
        text.chars().map(byte).collect()
    };
    let bytes = match encoding {
        Encoding::Ascii => narrow(0x7f),
        Encoding::Latin1 => narrow(0xff),
        Encoding::Utf8 => Some(text.as_bytes().to_vec()),
        Encoding::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        Encoding::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    };
    let bytes = bytes.ok_or_else(|| {
        FunctionError::argument(0, "the text has characters that this encoding does not have")
    })?;
    Ok(STANDARD.encode(bytes).into())
}

pub(super) fn textdecodebase64(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (encoding, bytes) = (encoding(args)?, decoded(args)?);
    let wide = |unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    let text = match encoding {
        Encoding::Ascii => String::from_utf8(bytes).ok().filter(|text| text.is_ascii()),
        Encoding::Latin1 => Some(bytes.into_iter().map(char::from).collect()),
        Encoding::Utf8 => String::from_utf8(bytes).ok(),
        Encoding::Utf16Le => wide(u16::from_le_bytes),
        Encoding::Utf16Be => wide(u16::from_be_bytes),
    };
    let text =
        text.ok_or_else(|| FunctionError::argument(0, "this is not text in that encoding"))?;
    Ok(text.into())
}

/// As in a query: a space becomes `+`.
pub(super) fn urlencode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut out = String::new();
    for byte in text(args, 0)?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte.into());
            }
            b' ' => out.push('+'),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    Ok(out.into())
}
