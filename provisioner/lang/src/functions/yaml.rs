//! YAML as Terraform's `yamlencode` writes it: names and text in double quotes, text of several lines as a
//! literal block, entries sorted by name.

use super::{FunctionContext, FunctionError, json};
use model::{Data, Value};

type Answer = Result<Value, FunctionError>;

pub(super) fn yamlencode(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let mut out = String::new();
    write(&mut out, &args[0], 0)?;
    let is_plain = matches!(args[0].data(), Data::Null(_) | Data::Bool(_) | Data::Number(_));
    out.push_str(if is_plain { "\n...\n" } else { "\n" });
    Ok(out.into())
}

/// Appends a value whose further lines are indented by so many spaces; the last line is left open.
fn write(out: &mut String, value: &Value, indent: usize) -> Result<(), FunctionError> {
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                start_line(out, position, indent);
                out.push_str("- ");
                write(out, item, if item.as_str().is_some() { indent } else { indent + 2 })?;
            }
        }
        Data::Map(_, entries) | Data::Object(entries) if !entries.is_empty() => {
            for (position, (name, entry)) in entries.iter().enumerate() {
                start_line(out, position, indent);
                json::write_text(out, name);
                out.push(':');
                write_entry(out, entry, indent)?;
            }
        }
        Data::String(text) if text.contains('\n') && is_block(text) => {
            write_block(out, text, indent);
        }
        Data::String(text) => json::write_text(out, text),
        _ => json::write(out, value)?,
    }
    Ok(())
}

/// What follows a name and its colon: lists begin in the same column as the name, maps further in.
fn write_entry(out: &mut String, entry: &Value, indent: usize) -> Result<(), FunctionError> {
    let has_items = entry.as_items().is_some_and(|items| !items.is_empty());
    let has_entries = entry.as_entries().is_some_and(|entries| !entries.is_empty());
    if has_items || has_entries {
        let indent = if has_entries { indent + 2 } else { indent };
        start_line(out, 1, indent);
        return write(out, entry, indent);
    }
    out.push(' ');
    write(out, entry, if entry.as_str().is_some() { indent } else { indent + 2 })
}

fn start_line(out: &mut String, position: usize, indent: usize) {
    if position > 0 {
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    }
}

/// Whether a literal block can hold the text: it shows no control characters, and a first line that begins
/// with a space would be taken for indentation.
fn is_block(text: &str) -> bool {
    !text.starts_with([' ', '\n'])
        && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    let (body, mark) = match text.strip_suffix('\n') {
        None => (text, "|-"),
        Some(body) if body.ends_with('\n') => (body, "|+"),
        Some(body) => (body, "|"),
    };
    out.push_str(mark);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent + 2));
            out.push_str(line);
        }
    }
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
        let mut out = String::new();
        write(&mut out, &Value::object([("in", inner)]), 0).unwrap();
        let wanted =
            "\"in\":\n  \"list\":\n  - |\n    x\n    y\n  - - 1\n  \"text\": |\n    x\n    y";
        assert_eq!(out, wanted);
    }
}
