//! Values as one line of text in the language's own notation, and as JSON without secrets.
//!
//! Invariants: a value with the sensitive mark, or inside one, is shown as `(sensitive value)`; an unknown one as
//! `(known after apply)`. Text never has a line break and fits the budget it is given.

use model::{Data, Value};
use serde_json::{Map, Value as Json, json};

/// How a secret is shown.
pub const SENSITIVE: &str = "(sensitive value)";
/// How an unknown value is shown.
pub const UNKNOWN: &str = "(known after apply)";

/// The value on one line of at most about `budget` characters.
pub fn inline(value: &Value, budget: usize) -> String {
    if value.marks().sensitive {
        return SENSITIVE.to_owned();
    }
    match value.data() {
        Data::Null(_) => "null".to_owned(),
        Data::Unknown(_) => UNKNOWN.to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.to_string(),
        Data::String(text) => quoted(text, budget),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            let parts = items.iter().map(|item| move |left: usize| inline(item, left));
            bracketed("[", "]", parts, budget)
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let present = entries.iter().filter(|(_, value)| !value.is_null());
            let parts = present.map(|(name, value)| {
                move |left: usize| {
                    format!(
                        "{} = {}",
                        key(name),
                        inline(value, left.saturating_sub(name.len() + 3))
                    )
                }
            });
            bracketed("{ ", " }", parts, budget)
        }
    }
}

/// Text in quotes; of several lines the first, with the number of lines.
fn quoted(text: &str, budget: usize) -> String {
    let lines = text.lines().count();
    let first = text.lines().next().unwrap_or_default();
    let room = budget.saturating_sub(2).max(8);
    if lines > 1 {
        let suffix = format!("… ({lines} lines)");
        let room = room.saturating_sub(suffix.chars().count()).max(8);
        return format!("\"{}\"{suffix}", escaped(first, room));
    }
    if first.chars().count() > room {
        return format!("\"{}…\"", escaped(first, room - 1));
    }
    format!("\"{}\"", escaped(first, room))
}

fn escaped(text: &str, characters: usize) -> String {
    let mut escaped = String::new();
    for character in text.chars().take(characters) {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            control if control.is_control() => escaped.extend(control.escape_default()),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A name as a key: bare where the language allows it.
pub fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if bare { name.to_owned() } else { format!("\"{}\"", escaped(name, usize::MAX)) }
}

fn bracketed<P: FnOnce(usize) -> String>(
    open: &str,
    close: &str,
    parts: impl Iterator<Item = P>,
    budget: usize,
) -> String {
    let parts: Vec<P> = parts.collect();
    if parts.is_empty() {
        return format!("{}{}", open.trim(), close.trim());
    }
    let count = parts.len();
    let mut text = String::from(open);
    for (index, part) in parts.into_iter().enumerate() {
        let left = budget.saturating_sub(text.chars().count());
        if index > 0 {
            text.push_str(", ");
            if left < 16 {
                push!(text, "… {} more", count - index);
                break;
            }
        }
        text.push_str(&part(left.saturating_sub(4)));
    }
    text.push_str(close);
    text
}

/// The value as JSON for other programs: `{"$sensitive": true}` stands for a secret and `{"$unknown": "<type>"}` for
/// what is not known yet; everything else is plain.
pub fn redacted_json(value: &Value) -> Json {
    if value.marks().sensitive {
        return json!({ "$sensitive": true });
    }
    match value.data() {
        Data::Unknown(unknown) => json!({ "$unknown": unknown.ty.to_string() }),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            items.iter().map(redacted_json).collect()
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let entries =
                entries.iter().map(|(name, value)| (name.to_string(), redacted_json(value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        _ => value.to_plain_json().unwrap_or(Json::Null),
    }
}

/// Whether there is text of several lines in it that may be shown.
fn has_lines(value: &Value) -> bool {
    if value.marks().sensitive {
        return false;
    }
    match value.data() {
        Data::String(text) => text.lines().count() > 1,
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            items.iter().any(has_lines)
        }
        Data::Map(_, entries) | Data::Object(entries) => entries.values().any(has_lines),
        _ => false,
    }
}

/// The value over several lines, in the language's notation, starting at the current column and going on at `indent`.
pub fn block(value: &Value, indent: usize, width: usize) -> String {
    let short = inline(value, usize::MAX);
    let fits = indent + short.chars().count() <= width && !has_lines(value);
    if fits || value.marks().sensitive {
        return short;
    }
    let pad = " ".repeat(indent + 2);
    let close = " ".repeat(indent);
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            let lines =
                items.iter().map(|item| format!("{pad}{},\n", block(item, indent + 2, width)));
            format!("[\n{}{close}]", lines.collect::<String>())
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let lines =
                entries.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                    format!("{pad}{} = {}\n", key(name), block(value, indent + 2, width))
                });
            format!("{{\n{}{close}}}", lines.collect::<String>())
        }
        Data::String(text) if text.lines().count() > 1 => {
            let lines = text.lines().map(|line| format!("{pad}{line}\n"));
            format!("<<-EOT\n{}{pad}EOT", lines.collect::<String>())
        }
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Residual, Type};

    #[test]
    fn secrets_are_hidden_at_every_depth() {
        let value = Value::object([
            ("list", Value::tuple(["k".into(), Value::from("hidden").into_sensitive()])),
            ("later", Value::unknown(Type::String, Residual::Opaque)),
        ]);
        let text = inline(&value, 200);
        assert_eq!(text, "{ later = (known after apply), list = [\"k\", (sensitive value)] }");
        let json = redacted_json(&value).to_string();
        assert!(!json.contains("hidden"), "{json}");
        assert!(!block(&value, 0, 10).contains("hidden"));
    }

    #[test]
    fn a_block_shows_every_line() {
        let value = Value::object([("content", Value::from("a\nb\n"))]);
        assert_eq!(block(&value, 0, 80), "{\n  content = <<-EOT\n    a\n    b\n    EOT\n}");
    }

    #[test]
    fn long_text_is_shortened() {
        assert_eq!(inline(&"a\nb\nc".into(), 40), "\"a\"… (3 lines)");
        let long = inline(&"x".repeat(100).as_str().into(), 20);
        assert_eq!(long.chars().count(), 20);
        let many = Value::tuple((0..100).map(Value::from));
        assert!(inline(&many, 40).ends_with("more]"));
    }
}
