//! `yamlencode`: names and text in double quotes, text of several lines as a literal block where one can hold it, entries
//! sorted by name. The layout is libyaml's.

use super::{FunctionContext, FunctionError};
use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};
use model::{Data, Value};

type Answer = Result<Value, FunctionError>;

pub(super) fn yamlencode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut out = Vec::new();
    write(&mut out, &args[0]).map_err(|_| FunctionError::call("the value cannot be written"))?;
    let text =
        String::from_utf8(out).map_err(|_| FunctionError::call("what was written is no text"))?;
    let mut text = escaped(text);
    // A plain scalar could go on, so it is closed; a block that keeps its line breaks is not.
    let is_plain = matches!(args[0].data(), Data::Null(_) | Data::Bool(_) | Data::Number(_));
    if let Some(open) = text.strip_suffix("...\n") {
        text.truncate(open.len());
    }
    if is_plain {
        text.push_str("...\n");
    }
    Ok(text.into())
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), libyaml_safer::Error> {
    let mut emitter = Emitter::new();
    emitter.set_output_string(out);
    emitter.set_unicode(true);
    emitter.emit(Event::stream_start(Encoding::Utf8))?;
    emitter.emit(Event::document_start(None, &[], true))?;
    emit(&mut emitter, value)?;
    emitter.emit(Event::document_end(true))?;
    emitter.emit(Event::stream_end())?;
    emitter.flush()
}

fn emit(emitter: &mut Emitter<'_>, value: &Value) -> Result<(), libyaml_safer::Error> {
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            let style = if items.is_empty() { SequenceStyle::Flow } else { SequenceStyle::Block };
            emitter.emit(Event::sequence_start(None, None, true, style))?;
            for item in items.iter() {
                emit(emitter, item)?;
            }
            emitter.emit(Event::sequence_end())
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let style = if entries.is_empty() { MappingStyle::Flow } else { MappingStyle::Block };
            emitter.emit(Event::mapping_start(None, None, true, style))?;
            for (name, entry) in entries.iter() {
                text(emitter, name)?;
                emit(emitter, entry)?;
            }
            emitter.emit(Event::mapping_end())
        }
        Data::String(content) => text(emitter, content),
        Data::Bool(truth) => plain(emitter, if *truth { "true" } else { "false" }),
        Data::Number(number) => plain(emitter, &number.to_string()),
        Data::Null(_) | Data::Unknown(_) => plain(emitter, "null"),
    }
}

fn text(emitter: &mut Emitter<'_>, content: &str) -> Result<(), libyaml_safer::Error> {
    let is_block = content.contains('\n') && !content.contains(is_far);
    let style = if is_block { ScalarStyle::Literal } else { ScalarStyle::DoubleQuoted };
    emitter.emit(Event::scalar(None, None, content, true, true, style))
}

/// Whether a character is written as its number, as the library does that Terraform has: one beyond those of three bytes.
fn is_far(c: char) -> bool {
    c > '\u{FFFF}'
}

/// Text whose far characters, which stand in quotes, are written as numbers.
fn escaped(text: String) -> String {
    use std::fmt::Write as _;
    if !text.contains(is_far) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_far(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\U{:08X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn plain(emitter: &mut Emitter<'_>, content: &str) -> Result<(), libyaml_safer::Error> {
    emitter.emit(Event::scalar(None, None, content, true, true, ScalarStyle::Plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_indented_below_what_holds_them() {
        let text = || Value::from("x\ny\n");
        let inner = Value::object([
            ("list", Value::tuple([text(), Value::tuple([1.into()])])),
            ("text", text()),
        ]);
        let mut out = Vec::new();
        write(&mut out, &Value::object([("in", inner)])).unwrap();
        let wanted =
            "\"in\":\n  \"list\":\n  - |\n    x\n    y\n  - - 1\n  \"text\": |\n    x\n    y\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
