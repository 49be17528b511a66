//! Regular expressions with RE2's meaning, on the `regex` crate: `\d`, `\w`, `\s` and `\b` are
//! ASCII, and brackets inside of a character class are plain characters.

use super::arguments::text;
use super::{FunctionContext, FunctionError};
use model::{Type, Value};
use regex::{Captures, Regex};
use std::iter::Peekable;
use std::str::Chars;

type Answer = Result<Value, FunctionError>;

/// How a match is given back.
enum Shape {
    Whole,
    Tuple,
    Object,
}

pub(super) fn regex(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (pattern, shape) = compile_with_shape(text(args, 0)?)?;
    let captures = pattern.captures(text(args, 1)?).ok_or_else(|| {
        FunctionError::argument(1, "the pattern matches no part of the given text")
    })?;
    Ok(matched(&pattern, &shape, &captures))
}

pub(super) fn regexall(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (pattern, shape) = compile_with_shape(text(args, 0)?)?;
    let all = pattern.captures_iter(text(args, 1)?);
    let all: Vec<Value> = all.map(|captures| matched(&pattern, &shape, &captures)).collect();
    let groups = pattern.captures_len() - 1;
    let element = match shape {
        Shape::Whole => Type::String,
        Shape::Tuple => Type::Tuple(vec![Type::String; groups].into()),
        Shape::Object => Type::object(names(&pattern).map(|name| (name, Type::String))),
    };
    Ok(Value::list(element, all))
}

/// `replace` with a pattern; `$1` and `${name}` in `new` stand for groups.
pub(super) fn replace_all(whole: &str, pattern: &str, new: &str) -> Answer {
    let pattern = compile(pattern, 1)?;
    Ok(pattern.replace_all(whole, new).into_owned().into())
}

fn compile_with_shape(pattern: &str) -> Result<(Regex, Shape), FunctionError> {
    let pattern = compile(pattern, 0)?;
    let groups = pattern.captures_len() - 1;
    let named = names(&pattern).count();
    let shape = match (groups, named) {
        (0, _) => Shape::Whole,
        (_, 0) => Shape::Tuple,
        (groups, named) if groups == named => Shape::Object,
        _ => {
            let problem = "the pattern has groups with names and groups without: give all of them names, or none";
            return Err(FunctionError::argument(0, problem));
        }
    };
    Ok((pattern, shape))
}

fn names(pattern: &Regex) -> impl Iterator<Item = &str> {
    pattern.capture_names().flatten()
}

fn matched(pattern: &Regex, shape: &Shape, captures: &Captures<'_>) -> Value {
    let group = |group: Option<regex::Match<'_>>| {
        group.map_or_else(|| Value::null(Type::String), |found| found.as_str().into())
    };
    match shape {
        Shape::Whole => group(captures.get(0)),
        Shape::Tuple => Value::tuple(captures.iter().skip(1).map(group)),
        Shape::Object => {
            Value::object(names(pattern).map(|name| (name, group(captures.name(name)))))
        }
    }
}

fn compile(pattern: &str, argument: usize) -> Result<Regex, FunctionError> {
    let invalid = |why: String| {
        FunctionError::argument(argument, format!("this is not a regular expression: {why}"))
    };
    let translated = translate(pattern).map_err(|why| invalid(why.to_owned()))?;
    Regex::new(&translated).map_err(|error| {
        // The crate draws the pattern over several lines; its last line is the reason.
        let text = error.to_string();
        let reason =
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        invalid(reason)
    })
}

fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    let mut repeated = false;
    while let Some(c) = rest.next() {
        let mut repeats = false;
        match c {
            '\\' => escape(&mut rest, &mut out)?,
            '[' => class(&mut rest, &mut out)?,
            '(' => group(&mut rest, &mut out)?,
            '*' | '+' | '?' => {
                out.push(c);
                repeats = true;
            }
            '{' => repeats = counted(&mut rest, &mut out)?,
            other => out.push(other),
        }
        if repeats && repeated {
            return Err("a repetition cannot be repeated");
        }
        if repeats && rest.next_if_eq(&'?').is_some() {
            out.push('?');
        }
        repeated = repeats;
    }
    Ok(out)
}

/// The beginning of a group, after its parenthesis: a name, flags, or nothing.
fn group(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    out.push('(');
    if rest.next_if_eq(&'?').is_none() {
        return Ok(());
    }
    out.push('?');
    if matches!(rest.peek(), Some('P' | '<')) {
        return Ok(());
    }
    while let Some(flag) = rest.next_if(|c| !matches!(c, ':' | ')')) {
        if !"imsU-".contains(flag) {
            return Err("what follows `(?` is not supported: there are the flags i, m, s and U");
        }
        out.push(flag);
    }
    Ok(())
}

/// A number of repetitions after its brace, which is a plain character if none follows. Whether it was one.
fn counted(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<bool, &'static str> {
    const LONGEST: usize = 16;
    const MOST: u32 = 1000;
    let text: String = rest.clone().take(LONGEST).collect();
    let Some((text, _)) = text.split_once('}') else {
        out.push_str("\\{");
        return Ok(false);
    };
    let (least, most) = text.split_once(',').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if least.is_empty() || !digits(least) || !digits(most) {
        out.push_str("\\{");
        return Ok(false);
    }
    let is_allowed =
        |text: &str| text.is_empty() || text.parse().is_ok_and(|count: u32| count <= MOST);
    if !is_allowed(least) || !is_allowed(most) {
        return Err("something is repeated at most 1000 times");
    }
    out.push('{');
    out.push_str(text);
    out.push('}');
    // With its closing brace.
    for _ in 0..=text.len() {
        rest.next();
    }
    Ok(true)
}

fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    match rest.next() {
        None => return Err("it ends in a backslash"),
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some('b') => out.push_str("(?-u:\\b)"),
        Some('C') => return Err("`\\C` (a single byte) is not supported"),
        Some('Q') => {
            let quoted: String = rest.by_ref().collect();
            let (literal, after) = quoted.split_once("\\E").unwrap_or((&quoted, ""));
            out.push_str(&regex::escape(literal));
            out.push_str(&translate(after)?);
        }
        Some(other) => {
            out.push('\\');
            out.push(other);
            // The name or number of a character is no repetition.
            if matches!(other, 'x' | 'p' | 'P') && rest.peek() == Some(&'{') {
                while let Some(c) = rest.next_if(|c| *c != '}') {
                    out.push(c);
                }
            }
        }
    }
    Ok(())
}

/// Reads a class up to its closing bracket.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(']');
                return Ok(());
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for c in rest.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '\\' => class_escape(rest, out)?,
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    Err("a `]` is missing")
}

fn class_escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    if out.ends_with('-')
        && !out.ends_with("[-")
        && matches!(rest.peek(), Some('d' | 'D' | 'w' | 'W' | 's' | 'S'))
    {
        return Err("a class such as `\\d` cannot end a range");
    }
    match rest.next() {
        None => return Err("it ends in a backslash"),
        Some('d') => out.push_str("0-9"),
        Some('w') => out.push_str("0-9A-Za-z_"),
        Some('s') => out.push_str("\\t\\n\\f\\r "),
        Some('D') => out.push_str("[^0-9]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some(other) => {
            out.push('\\');
            out.push(other);
        }
    }
    Ok(())
}
