//! Functions on text. Positions and lengths count grapheme clusters: what a reader takes for one character.

use super::arguments::{items, text, whole};
use super::{FunctionContext, FunctionError, patterns};
use model::{Type, Value};
use unicode_segmentation::UnicodeSegmentation as _;

type Answer = Result<Value, FunctionError>;

pub(super) fn chomp(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.trim_end_matches(['\r', '\n']).into())
}

pub(super) fn endswith(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.ends_with(text(args, 1)?).into())
}

pub(super) fn startswith(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.starts_with(text(args, 1)?).into())
}

pub(super) fn strcontains(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.contains(text(args, 1)?).into())
}

pub(super) fn indent(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    const WIDEST: i64 = 1000;
    let spaces = whole(args, 0, "spaces")?;
    let count = usize::try_from(spaces).ok().filter(|_| spaces <= WIDEST).ok_or_else(|| {
        FunctionError::argument(0, format!("`spaces` must be from 0 to {WIDEST}"))
    })?;
    let pad = format!("\n{}", " ".repeat(count));
    Ok(text(args, 1)?.replace('\n', &pad).into())
}

pub(super) fn join(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let separator = text(args, 0)?;
    if args.len() < 2 {
        return Err(FunctionError::call("`join` takes a separator and at least one list"));
    }
    let mut parts = Vec::new();
    for index in 1..args.len() {
        for (position, item) in items(args, index)?.iter().enumerate() {
            parts.push(item.as_str().ok_or_else(|| {
                FunctionError::argument(
                    index,
                    format!("element {position} is null; it cannot be joined"),
                )
            })?);
        }
    }
    Ok(parts.join(separator).into())
}

pub(super) fn split(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (separator, whole) = (text(args, 0)?, text(args, 1)?);
    let parts: Vec<Value> = if separator.is_empty() {
        whole.chars().map(|c| Value::from(c.to_string())).collect()
    } else {
        whole.split(separator).map(Value::from).collect()
    };
    Ok(Value::list(Type::String, parts))
}

/// One character for one character, as Go maps them: where the full mapping has several, upper case keeps
/// the character and lower case takes the first.
fn upper_char(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

pub(super) fn upper(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let text = text(args, 0)?;
    if text.is_ascii() {
        return Ok(text.to_ascii_uppercase().into());
    }
    Ok(text.chars().map(upper_char).collect::<String>().into())
}

pub(super) fn lower(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let text = text(args, 0)?;
    if text.is_ascii() {
        return Ok(text.to_ascii_lowercase().into());
    }
    let first = |c: char| c.to_lowercase().next().unwrap_or(c);
    Ok(text.chars().map(first).collect::<String>().into())
}

/// The character as the first of a word in a title: two letters in one are a capital and a small one.
fn title_char(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        // Georgian has capitals for whole words only.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => c,
        _ => upper_char(c),
    }
}

pub(super) fn title(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || !(c.is_ascii() || c.is_whitespace());
    let mut previous = ' ';
    let mut titled = String::new();
    for c in text(args, 0)?.chars() {
        titled.push(if in_word(previous) { c } else { title_char(c) });
        previous = c;
    }
    Ok(titled.into())
}

pub(super) fn replace(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let (whole, wanted, new) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let pattern = wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    match pattern {
        Some(pattern) => patterns::replace_all(whole, pattern, new),
        None => Ok(whole.replace(wanted, new).into()),
    }
}

pub(super) fn strrev(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.graphemes(true).rev().collect::<String>().into())
}

pub(super) fn substr(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let graphemes: Vec<&str> = text(args, 0)?.graphemes(true).collect();
    let (offset, length) = (whole(args, 1, "offset")?, whole(args, 2, "length")?);
    let count = i64::try_from(graphemes.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 { (count + offset).max(0) } else { offset.min(count) };
    let end = if length < 0 { count } else { start.saturating_add(length).min(count) };
    let position = |at: i64| usize::try_from(at).unwrap_or(0);
    Ok(graphemes[position(start)..position(end)].concat().into())
}

pub(super) fn trim(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let cutset = text(args, 1)?;
    Ok(text(args, 0)?.trim_matches(|c| cutset.contains(c)).into())
}

pub(super) fn trimprefix(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let whole = text(args, 0)?;
    Ok(whole.strip_prefix(text(args, 1)?).unwrap_or(whole).into())
}

pub(super) fn trimsuffix(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let whole = text(args, 0)?;
    Ok(whole.strip_suffix(text(args, 1)?).unwrap_or(whole).into())
}

pub(super) fn trimspace(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(text(args, 0)?.trim().into())
}
