//! JSON as Terraform writes it: compact, names sorted, and `<`, `>`, `&` escaped.

use super::arguments::text;
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
    let json = serde_json::from_str(text(args, 0)?).map_err(|error| {
        let place = (error.line(), error.column());
        let problem = format!("this is not JSON: wrong at line {}, column {}", place.0, place.1);
        FunctionError::argument(0, problem)
    })?;
    Ok(Value::from_plain_json(&json))
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
            if number.as_f64().is_infinite() {
                return Err(FunctionError::call("an infinite number cannot be written"));
            }
            out.push_str(&number.to_string());
        }
        Data::String(text) => write_text(out, text, true),
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
                write_text(out, name, true);
                out.push(':');
                write(out, entry)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Appends a quoted string; `for_html`: with `<`, `>` and `&` escaped.
pub(super) fn write_text(out: &mut String, text: &str, for_html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => escape(out, c),
            '<' | '>' | '&' if for_html => escape(out, c),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}
