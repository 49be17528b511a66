//! `csvdecode`: RFC 4180 with a first line of column names; empty lines are passed over.

use super::arguments::text;
use super::{FunctionContext, FunctionError};
use model::{Type, Value};
use std::collections::BTreeSet;

pub(super) fn csvdecode(args: &[Value], _: &FunctionContext<'_>) -> Result<Value, FunctionError> {
    let invalid = |why: String| FunctionError::argument(0, why);
    let mut rows = rows(text(args, 0)?).map_err(invalid)?.into_iter();
    let Some((_, names)) = rows.next() else {
        return Err(invalid("there is no line of column names".to_owned()));
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(invalid(format!("there are two columns named `{twice}`")));
    }
    let element = Type::object(names.iter().map(|name| (name.as_str(), Type::String)));
    let mut objects = Vec::new();
    for (line, fields) in rows {
        if fields.len() != names.len() {
            let (found, wanted) = (fields.len(), names.len());
            return Err(invalid(format!(
                "line {line} has {found} fields where there are {wanted} columns"
            )));
        }
        let fields = names.iter().map(String::as_str).zip(fields.into_iter().map(Value::from));
        objects.push(Value::object(fields));
    }
    Ok(Value::list(element, objects))
}

type Row = (usize, Vec<String>);

/// The rows with the number of the line each begins in.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let (mut row, mut field): (Vec<String>, String) = (Vec::new(), String::new());
    let (mut line, mut begun) = (1, 1);
    let mut rest = text.chars().peekable();
    // A line of quotes alone is a row; one without anything is none.
    let mut quoted = false;
    let mut end_row = |row: &mut Vec<String>, field: &mut String, begun: usize, quoted: bool| {
        row.push(std::mem::take(field));
        let row = std::mem::take(row);
        if quoted || row.iter().any(|field| !field.is_empty()) || row.len() > 1 {
            rows.push((begun, row));
        }
    };
    while let Some(c) = rest.next() {
        match c {
            '"' if field.is_empty() => {
                quoted = true;
                loop {
                    match rest.next() {
                        None => return Err(format!("the quote in line {begun} is not closed")),
                        Some('"') if rest.next_if_eq(&'"').is_none() => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            field.push(c);
                        }
                    }
                }
                if !matches!(rest.peek(), None | Some(',' | '\n' | '\r')) {
                    return Err(format!("line {line} goes on behind a closing quote"));
                }
            }
            '"' => return Err(format!("there is a quote within an unquoted field in line {line}")),
            ',' => row.push(std::mem::take(&mut field)),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' => {
                end_row(&mut row, &mut field, begun, std::mem::take(&mut quoted));
                line += 1;
                begun = line;
            }
            other => field.push(other),
        }
    }
    end_row(&mut row, &mut field, begun, quoted);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn quotes_hold_commas_quotes_and_lines() {
        let rows = rows("a,b\r\n\n\"x,\"\"y\",\"1\n2\"\n").unwrap();
        assert_eq!(rows[1], (3, vec!["x,\"y".to_owned(), "1\n2".to_owned()]));
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn broken_quotes_are_refused() {
        for text in ["\"a", "\"a\"b", "a\"b"] {
            assert!(rows(text).is_err(), "{text}");
        }
    }
}
