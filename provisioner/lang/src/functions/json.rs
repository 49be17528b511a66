//! JSON as Terraform writes it: compact, names sorted, and `<`, `>`, `&` escaped.

use super::arguments::text;
use super::json_reader::read;
use super::{FunctionContext, FunctionError};
use model::{Data, Value};
use std::fmt::Write as _;

type Answer = Result<Value, FunctionError>;

pub(super) fn jsonencode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut out = String::new();
    write(&mut out, &args[0])?;
    Ok(out.into())
}

pub(super) fn jsondecode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let text = text(args, 0)?;
    read(text).map_err(|error| {
        let before = &text[..text.floor_char_boundary(error.offset)];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        let place = format!("line {line}, column {column}");
        FunctionError::argument(0, format!("this is not JSON: at {place}, {}", error.problem))
    })
}

/// Appends a value as JSON.
pub(super) fn write(out: &mut String, value: &Value) -> Result<(), FunctionError> {
    let separated = |out: &mut String, position: usize| {
        if position > 0 {
            out.push(',');
        }
    };
    match value.data() {
        Data::Null(_) => out.push_str("null"),
        Data::Unknown(_) => return Err(FunctionError::call("the value is not known yet")),
        Data::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Data::Number(number) => {
            if number.is_infinite() {
                return Err(FunctionError::call("an infinite number cannot be written"));
            }
            out.push_str(&number.to_string());
        }
        Data::String(text) => write_text(out, text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                separated(out, position);
                write(out, item)?;
            }
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            out.push('{');
            for (position, (name, entry)) in entries.iter().enumerate() {
                separated(out, position);
                write_text(out, name);
                out.push(':');
                write(out, entry)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Appends a quoted string.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' | '<' | '>' | '&' => escape(out, c),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}
