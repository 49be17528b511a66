//! Values in the language's notation, whole and over as many lines as it takes, and types as `type(...)` calls them.
//!
//! Invariants: what is printed of a known value without secrets can be written in a configuration and means the same;
//! what is marked sensitive is shown as `(sensitive value)`. JSON is the exception: it is for programs, and whoever
//! asks for it gets everything.

use crate::value::{SENSITIVE, UNKNOWN};
use model::types::Field;
use model::value::Entries;
use model::{Data, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The value, as the console prints it.
pub fn literal(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, indent: usize, text: &mut String) {
    if value.marks().sensitive {
        text.push_str(SENSITIVE);
        return;
    }
    match value.data() {
        Data::Null(ty) => text.push_str(&null(ty)),
        Data::Unknown(_) => text.push_str(UNKNOWN),
        Data::Bool(value) => push!(text, "{value}"),
        Data::Number(number) => push!(text, "{number}"),
        Data::String(content) => string(content, indent, text),
        Data::List(_, list) => items("tolist([", "])", list, indent, text),
        Data::Set(_, set) => items("toset([", "])", set, indent, text),
        Data::Tuple(tuple) => items("[", "]", tuple, indent, text),
        Data::Map(_, map) => entries("tomap({", "})", map, indent, text),
        Data::Object(object) => entries("{", "}", object, indent, text),
    }
}

/// A null with its type, where there is a function for it.
fn null(ty: &Type) -> String {
    match ty {
        Type::Any => "null".to_owned(),
        Type::Bool => "tobool(null)".to_owned(),
        Type::Number => "tonumber(null)".to_owned(),
        Type::String => "tostring(null)".to_owned(),
        other => format!("null /* {} */", type_name(other)),
    }
}

fn items(open: &str, close: &str, items: &[Value], indent: usize, text: &mut String) {
    text.push_str(open);
    for item in items {
        break_line(indent + 2, text);
        write(item, indent + 2, text);
        text.push(',');
    }
    if !items.is_empty() {
        break_line(indent, text);
    }
    text.push_str(close);
}

fn entries(open: &str, close: &str, entries: &Entries, indent: usize, text: &mut String) {
    text.push_str(open);
    for (name, value) in entries {
        break_line(indent + 2, text);
        push!(text, "{} = ", quoted(name));
        write(value, indent + 2, text);
    }
    if !entries.is_empty() {
        break_line(indent, text);
    }
    text.push_str(close);
}

fn break_line(indent: usize, text: &mut String) {
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
}

/// Text of several lines as a heredoc where that can hold it, else in quotes.
fn string(content: &str, indent: usize, text: &mut String) {
    let fits = content.ends_with('\n')
        && content.len() > 1
        && !content.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    if !fits {
        text.push_str(&quoted(content));
        return;
    }
    let mut delimiter = "EOT".to_owned();
    while content.lines().any(|line| line.trim() == delimiter) {
        delimiter.push('_');
    }
    // An indented heredoc would lose what its lines share, so only the outermost is written without.
    let dash = if indent == 0 { "" } else { "-" };
    push!(text, "<<{dash}{delimiter}");
    for line in content.lines() {
        let shown = line.replace("${", "$${").replace("%{", "%%{");
        if line.is_empty() {
            text.push('\n');
        } else {
            break_line(indent, text);
            text.push_str(&shown);
        }
    }
    break_line(indent, text);
    text.push_str(&delimiter);
}

/// Text in quotes, as the language reads it.
fn quoted(content: &str) -> String {
    let mut text = String::from("\"");
    for character in content.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() => push!(text, "\\u{:04x}", u32::from(control)),
            other => text.push(other),
        }
    }
    text.push('"');
    text.replace("${", "$${").replace("%{", "%%{")
}

/// A type as the function `type` of Terraform's console prints it, on one line.
pub fn type_name(ty: &Type) -> String {
    let mut text = String::new();
    write_type(ty, &mut text);
    text
}

fn write_type(ty: &Type, text: &mut String) {
    let (name, element) = match ty {
        Type::Any => return text.push_str("dynamic"),
        Type::Bool => return text.push_str("bool"),
        Type::Number => return text.push_str("number"),
        Type::String => return text.push_str("string"),
        Type::Tuple(elements) => return write_tuple(elements, text),
        Type::Object(fields) => return write_object(fields, text),
        Type::List(element) => ("list", element),
        Type::Set(element) => ("set", element),
        Type::Map(element) => ("map", element),
    };
    push!(text, "{name}(");
    write_type(element, text);
    text.push(')');
}

fn write_tuple(elements: &[Type], text: &mut String) {
    text.push_str("tuple([");
    for (at, element) in elements.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { ", " });
        write_type(element, text);
    }
    text.push_str("])");
}

fn write_object(fields: &BTreeMap<Arc<str>, Field>, text: &mut String) {
    text.push_str("object({");
    for (at, (name, field)) in fields.iter().enumerate() {
        push!(text, "{}{name}: ", if at == 0 { "" } else { ", " });
        write_type(&field.ty, text);
    }
    text.push_str("})");
}

/// The value as one line of JSON with all digits of its numbers and with its secrets, for a program that asked for it. An
/// infinite number, which JSON has no word for, is the text `+Inf` or `-Inf`. `None` if part of it is unknown.
pub fn json(value: &Value) -> Option<String> {
    let mut text = String::new();
    write_json(value, &mut text)?;
    Some(text)
}

fn write_json(value: &Value, text: &mut String) -> Option<()> {
    match value.data() {
        Data::Null(_) => text.push_str("null"),
        Data::Unknown(_) => return None,
        Data::Bool(value) => push!(text, "{value}"),
        Data::Number(number) => {
            let digits = number.to_string();
            let is_finite = digits.ends_with(|last: char| last.is_ascii_digit());
            match (is_finite, digits.starts_with('-')) {
                (true, _) => text.push_str(&digits),
                (false, true) => text.push_str("\"-Inf\""),
                (false, false) => text.push_str("\"+Inf\""),
            }
        }
        Data::String(content) => push!(text, "{}", serde_json::Value::from(content.as_ref())),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                write_json(item, text)?;
            }
            text.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            text.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                push!(text, "{comma}{}:", serde_json::Value::from(name.as_ref()));
                write_json(value, text)?;
            }
            text.push('}');
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Residual;

    #[test]
    fn collections_say_what_they_are() {
        let list = Value::list(Type::String, ["a".into(), "${b}".into()]);
        assert_eq!(literal(&list), "tolist([\n  \"a\",\n  \"$${b}\",\n])");
        assert_eq!(literal(&Value::set(Type::Number, [])), "toset([])");
        let map = Value::map(Type::Number, [("a b", Value::from(1))]);
        assert_eq!(literal(&map), "tomap({\n  \"a b\" = 1\n})");
        let object = Value::object([
            ("list", Value::tuple([Value::from(true), Value::null(Type::String)])),
            ("secret", Value::from("x").into_sensitive()),
            ("later", Value::unknown(Type::String, Residual::Opaque)),
        ]);
        let expected = "{\n  \"later\" = (known after apply)\n  \"list\" = [\n    true,\n    tostring(null),\n  ]\n  \
             \"secret\" = (sensitive value)\n}";
        assert_eq!(literal(&object), expected);
        assert_eq!(literal(&"a\n\n  b\n".into()), "<<EOT\na\n\n  b\nEOT");
        assert_eq!(literal(&"a\nb".into()), "\"a\\nb\"");
    }

    #[test]
    fn types_are_named_as_terraform_does() {
        let value = Value::object([
            ("a", Value::tuple([Value::from(1), Value::null(Type::Any)])),
            ("b c", Value::list(Type::Any, [])),
        ]);
        let name = type_name(&value.ty());
        assert_eq!(name, "object({a: tuple([number, dynamic]), b c: list(dynamic)})");
    }

    #[test]
    fn json_is_plain_and_whole() {
        let value = Value::object([
            ("n", Value::from(12)),
            ("s", Value::from("a\"\n").into_sensitive()),
            ("e", Value::tuple([])),
        ]);
        assert_eq!(json(&value).unwrap(), "{\"e\":[],\"n\":12,\"s\":\"a\\\"\\n\"}");
        assert_eq!(json(&Value::tuple([Value::unknown(Type::String, Residual::Opaque)])), None);
    }
}
