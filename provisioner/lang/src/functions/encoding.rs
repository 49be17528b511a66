//! Base64, character encodings and URL encoding.

use super::arguments::text;
use super::code_pages::CodePage;
use super::{FunctionContext, FunctionError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use model::Value;
use std::fmt::Write as _;
use std::io::Write as _;

type Answer = Result<Value, FunctionError>;

pub(super) fn base64encode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(STANDARD.encode(text(args, 0)?).into())
}

fn decoded(args: &[Value]) -> Result<Vec<u8>, FunctionError> {
    let joined: String = text(args, 0)?.split(['\r', '\n']).collect();
    STANDARD.decode(joined).map_err(|_| FunctionError::argument(0, "this is not base64"))
}

pub(super) fn base64decode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let text = String::from_utf8(decoded(args)?)
        .map_err(|_| FunctionError::argument(0, "what it decodes to is not UTF-8 text"))?;
    Ok(text.into())
}

pub(super) fn base64gzip(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // Terraform flushes before it closes, so the last block is one without content.
    const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
    let text = text(args, 0)?.as_bytes();
    let mut sum = flate2::Crc::new();
    sum.update(text);
    let mut encoder = DeflateEncoder::new(HEADER.to_vec(), Compression::default());
    let written = encoder.write_all(text).and_then(|()| encoder.flush());
    written.map_err(|error| FunctionError::call(error.to_string()))?;
    let mut bytes = encoder.get_ref().clone();
    if text.is_empty() && bytes.len() == HEADER.len() {
        bytes.extend([0, 0, 0, 0xff, 0xff]);
    }
    bytes.extend(LAST_BLOCK);
    bytes.extend(sum.sum().to_le_bytes());
    bytes.extend(sum.amount().to_le_bytes());
    Ok(STANDARD.encode(bytes).into())
}

/// A character encoding. Those of one byte a character that the tables of browsers read differently have their own.
#[derive(Clone, Copy)]
enum Encoding {
    Ascii,
    Latin1,
    Utf16 { little: bool, marked: bool },
    Table(&'static encoding_rs::Encoding),
    Page(&'static CodePage),
}

fn encoding(args: &[Value]) -> Result<Encoding, FunctionError> {
    let name = text(args, 1)?;
    Ok(match name.to_ascii_uppercase().as_str() {
        "US-ASCII" | "ASCII" => Encoding::Ascii,
        "ISO-8859-1" | "LATIN1" | "L1" => Encoding::Latin1,
        "UTF-16" => Encoding::Utf16 { little: false, marked: true },
        "UTF-16LE" => Encoding::Utf16 { little: true, marked: false },
        "UTF-16BE" => Encoding::Utf16 { little: false, marked: false },
        _ => {
            if let Some(page) = CodePage::of(name) {
                return Ok(Encoding::Page(page));
            }
            let table = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())
                .filter(|_| is_registered(name))
                .filter(|table| *table != encoding_rs::X_USER_DEFINED);
            Encoding::Table(table.ok_or_else(|| {
                FunctionError::argument(
                    1,
                    "this is not the name of an encoding, such as UTF-16LE, ISO-8859-1 or Shift_JIS",
                )
            })?)
        }
    })
}

/// Names that browsers know, and the registry of encodings does not.
fn is_registered(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let known_to_browsers = ["cp125", "x-", "utf8", "unicode", "dos-", "x_"];
    name.trim() == name && !known_to_browsers.iter().any(|start| lower.starts_with(start))
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
        Encoding::Utf16 { little, marked } => {
            let mark = marked.then_some(BYTE_ORDER_MARK);
            let units = mark.into_iter().chain(text.encode_utf16());
            let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
            Some(units.flat_map(bytes).collect())
        }
        Encoding::Page(page) => page.encode(text),
        Encoding::Table(table) => {
            let (bytes, _, unmapped) = table.encode(text);
            (!unmapped).then(|| bytes.into_owned())
        }
    };
    let bytes = bytes.ok_or_else(|| {
        FunctionError::argument(0, "the text has characters that this encoding does not have")
    })?;
    Ok(STANDARD.encode(bytes).into())
}

const BYTE_ORDER_MARK: u16 = 0xfeff;

pub(super) fn textdecodebase64(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (encoding, bytes) = (encoding(args)?, decoded(args)?);
    let text = match encoding {
        Encoding::Ascii => String::from_utf8(bytes).ok().filter(|text| text.is_ascii()),
        Encoding::Latin1 => Some(bytes.into_iter().map(char::from).collect()),
        Encoding::Utf16 { little, marked } => utf16(&bytes, little, marked),
        Encoding::Page(page) => page.decode(&bytes),
        Encoding::Table(table) => {
            let (text, malformed) = table.decode_without_bom_handling(&bytes);
            // The tables of browsers fill the gaps of Windows' code pages with control characters.
            let is_gap = |c: char| {
                table.name().starts_with("windows-") && ('\u{80}'..='\u{9f}').contains(&c)
            };
            (!malformed && !text.contains(is_gap)).then(|| text.into_owned())
        }
    };
    let text =
        text.ok_or_else(|| FunctionError::argument(0, "this is not text in that encoding"))?;
    Ok(text.into())
}

fn utf16(bytes: &[u8], little: bool, marked: bool) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let swapped = marked && pairs.first() == Some(&[0xff, 0xfe]);
    let unit = |pair: &[u8; 2]| {
        if little || swapped { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) }
    };
    let mut units: Vec<u16> = pairs.iter().map(unit).collect();
    if marked && units.first() == Some(&BYTE_ORDER_MARK) {
        units.remove(0);
    }
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
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
