//! The order of a set's elements: that of their values for strings, numbers and bools, a fixed one for all
//! others. What is unknown comes behind what is known, null last.

use crate::value::{Data, Value};
use std::cmp::Ordering;
use std::fmt::Write as _;

pub(crate) fn sort(items: &mut [Value]) {
    let primitive = |item: &Value| {
        matches!(
            item.data(),
            Data::Bool(_) | Data::Number(_) | Data::String(_) | Data::Null(_) | Data::Unknown(_)
        )
    };
    if items.iter().all(primitive) {
        items.sort_by(compare);
    } else {
        items.sort_by_cached_key(|item| (rank(item), key(item)));
    }
}

fn rank(item: &Value) -> u8 {
    match item.data() {
        Data::Unknown(_) => 1,
        Data::Null(_) => 2,
        _ => 0,
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    rank(left).cmp(&rank(right)).then_with(|| match (left.data(), right.data()) {
        (Data::Unknown(_) | Data::Null(_), _) => Ordering::Equal,
        (left, right) => left.cmp(right),
    })
}

/// A text that is the same for the same content, and orders values as Terraform does.
fn key(value: &Value) -> String {
    let mut text = String::new();
    write_key(value, &mut text);
    text
}

fn write_key(value: &Value, text: &mut String) {
    match value.data() {
        Data::Unknown(_) => text.push('?'),
        Data::Null(_) => text.push('~'),
        Data::Bool(truth) => text.push(if *truth { 'T' } else { 'F' }),
        Data::Number(number) => text.push_str(&ten_digits(number.as_f64())),
        Data::String(content) => quoted(content, text),
        Data::List(_, items) | Data::Set(_, items) => write_items(items.iter(), ['[', ']'], text),
        Data::Tuple(items) => write_items(items.iter(), ['<', '>'], text),
        Data::Object(entries) => write_items(entries.values(), ['<', '>'], text),
        Data::Map(_, entries) => {
            text.push('{');
            for (name, entry) in entries.iter() {
                quoted(name, text);
                text.push(':');
                write_key(entry, text);
                text.push(';');
            }
            text.push('}');
        }
    }
}

fn write_items<'v>(items: impl IntoIterator<Item = &'v Value>, ends: [char; 2], text: &mut String) {
    text.push(ends[0]);
    for item in items {
        write_key(item, text);
        text.push(';');
    }
    text.push(ends[1]);
}

fn quoted(content: &str, text: &mut String) {
    text.push('"');
    for c in content.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{:02x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// At most ten digits, with an exponent where the number is longer.
fn ten_digits(number: f64) -> String {
    let scientific = format!("{number:.9e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| {
        if !digits.contains('.') {
            return digits.to_owned();
        }
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if (-4..10).contains(&exponent) {
        let places = usize::try_from(9 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Type;

    #[test]
    fn values_come_in_their_order_and_unknown_and_null_last() {
        let unknown = Value::unknown(Type::Number, crate::Residual::Opaque);
        let mut items =
            [unknown.clone(), 10.into(), Value::null(Type::Number), 9.into(), (-1).into()];
        sort(&mut items);
        assert_eq!(items, [(-1).into(), 9.into(), 10.into(), unknown, Value::null(Type::Number)]);
    }

    #[test]
    fn ten_digits_are_kept() {
        let shown: Vec<_> =
            [1.0, 0.5, -2.25, 1e10, 12_345_678_901.0, 1e-7].into_iter().map(ten_digits).collect();
        assert_eq!(shown, ["1", "0.5", "-2.25", "1e+10", "1.23456789e+10", "1e-07"]);
    }
}
