//! `yamldecode`: one YAML document as a value. Which plain scalars are numbers, bools, null or time stamps follows the
//! library Terraform reads YAML with, which mixes YAML 1.1 and 1.2.
//! Invariants: nesting and what aliases expand to are bounded. Messages name places and rules, never content.

use super::arguments::text;
use super::{FunctionContext, FunctionError, time};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::convert::convert;
use model::{Number, Type, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deeply sequences and mappings may be nested.
const DEEPEST: usize = 128;
/// How many values a document may stand for, each alias counted as all that it repeats.
const MOST: usize = 1_000_000;

const TAGS: &str = "tag:yaml.org,2002:";

/// What the parser gives in place of the number of an anchor.
const NO_ANCHOR: usize = 0;

/// A tag in one piece.
fn full(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    tag.map(|tag| format!("{}{}", tag.handle, tag.suffix))
}

pub(super) fn yamldecode(args: &[Value], _: &FunctionContext<'_>) -> Result<Value, FunctionError> {
    let text = text(args, 0)?;
    let refuse =
        |problem: &str| Err(FunctionError::argument(0, format!("this is not YAML: {problem}")));
    if text.contains(is_unprintable) {
        return refuse("it holds a character that cannot be shown");
    }
    if is_of_another_version(text) {
        return refuse("only version 1.1 is read");
    }
    if text.trim_start_matches(['\n', '\r']).starts_with('\t') {
        return refuse("it is indented with a tab");
    }
    let parser = Parser::new_from_str(text);
    let reader = Reader { parser, anchors: BTreeMap::new(), count: 0, depth: 0 };
    reader.document().map_err(|(mark, problem)| {
        let place = format!("line {}, column {}", mark.line(), mark.col() + 1);
        FunctionError::argument(0, format!("this is not YAML: at {place}, {problem}"))
    })
}

/// Whether YAML has no place for a character outside of quotes.
fn is_unprintable(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
        || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// Whether a directive before the document asks for other rules.
fn is_of_another_version(text: &str) -> bool {
    let before = text.lines().take_while(|line| !line.starts_with("---"));
    let mut versions = before.filter_map(|line| line.strip_prefix("%YAML"));
    versions.any(|version| version.split_whitespace().next() != Some("1.1"))
}

type Wrong = (Marker, String);

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// The value of each anchor and how many values it stands for; none while it is being read.
    anchors: BTreeMap<usize, Option<(Value, usize)>>,
    count: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((*error.marker(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(mut self) -> Result<Value, Wrong> {
        self.next()?;
        let (start, span) = self.next()?;
        if !matches!(start, Event::DocumentStart(_)) {
            return Err((span.start, "there is no document".to_owned()));
        }
        let first = self.next()?;
        let value = self.value(first)?;
        self.next()?;
        let (behind, span) = self.next()?;
        if matches!(behind, Event::StreamEnd) {
            return Ok(value);
        }
        Err((span.start, "a second document begins; only one is read".to_owned()))
    }

    fn counted(&mut self, mark: Marker, more: usize) -> Result<(), Wrong> {
        self.count += more;
        if self.count > MOST {
            return Err((mark, format!("aliases expand to more than {MOST} values")));
        }
        Ok(())
    }

    fn value(&mut self, (event, span): (Event<'a>, Span)) -> Result<Value, Wrong> {
        let mark = span.start;
        let before = self.count;
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.alias(anchor, mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.counted(mark, 1)?;
                let plain = style == ScalarStyle::Plain;
                let value = scalar(full(tag).as_deref(), &text, plain)
                    .ok_or_else(|| (mark, "the tag does not fit this scalar".to_owned()))?;
                (anchor, value)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, full(tag).as_deref(), "seq", mark)?;
                (anchor, self.sequence()?)
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor, full(tag).as_deref(), "map", mark)?;
                (anchor, self.mapping()?)
            }
            _ => return Err((mark, "a value is expected here".to_owned())),
        };
        if anchor != NO_ANCHOR {
            self.anchors.insert(anchor, Some((value.clone(), self.count - before)));
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, mark: Marker) -> Result<Value, Wrong> {
        let found = self.anchors.get(&anchor).cloned();
        let (value, size) = match found {
            Some(Some(found)) => found,
            Some(None) => {
                return Err((mark, "an alias stands within what it stands for".to_owned()));
            }
            None => return Err((mark, "this alias has no anchor before it".to_owned())),
        };
        self.counted(mark, size)?;
        Ok(value)
    }

    /// Goes one level down.
    fn open(
        &mut self,
        anchor: usize,
        tag: Option<&str>,
        kind: &str,
        mark: Marker,
    ) -> Result<(), Wrong> {
        self.counted(mark, 1)?;
        if tag.is_some_and(|tag| tag.strip_prefix(TAGS) != Some(kind)) {
            return Err((mark, "this tag is not known".to_owned()));
        }
        if self.depth == DEEPEST {
            return Err((mark, format!("it is nested more than {DEEPEST} levels deep")));
        }
        self.depth += 1;
        if anchor != NO_ANCHOR {
            self.anchors.insert(anchor, None);
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::SequenceEnd) {
                self.depth -= 1;
                return Ok(Value::tuple(items));
            }
            items.push(self.value(event)?);
        }
    }

    fn mapping(&mut self) -> Result<Value, Wrong> {
        let mut entries: Vec<(Arc<str>, Value)> = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd) {
                self.depth -= 1;
                return Ok(Value::object(entries));
            }
            let mark = event.1.start;
            let merges = match &event.0 {
                Event::Scalar(text, _, _, tag) => {
                    let tag = full(tag.clone());
                    text == "<<" && tag.is_none_or(|tag| tag.strip_prefix(TAGS) == Some("merge"))
                }
                _ => false,
            };
            let key = if merges { None } else { Some(self.value(event)?) };
            let event = self.next()?;
            let value = self.value(event)?;
            match key {
                Some(key) => {
                    let text = convert(&key, &Type::String).ok().filter(|key| !key.is_null());
                    let text = text.as_ref().and_then(Value::as_str);
                    let name = text.ok_or_else(|| (mark, "a key must be text".to_owned()))?;
                    entries.push((name.into(), value));
                }
                None => match value.as_entries() {
                    Some(merged) => {
                        let merged = merged.iter();
                        entries.extend(merged.map(|(name, value)| (name.clone(), value.clone())));
                    }
                    None => return Err((mark, "only a mapping can be merged".to_owned())),
                },
            }
        }
    }
}

/// The value of a scalar; `None` when its tag does not fit.
fn scalar(tag: Option<&str>, text: &str, plain: bool) -> Option<Value> {
    let Some(tag) = tag else {
        return if plain { resolve(text) } else { Some(text.into()) };
    };
    let resolved = || if plain { resolve(text) } else { Some(text.into()) };
    match tag.strip_prefix(TAGS)? {
        "str" => Some(text.into()),
        // Quotes are stronger than these tags.
        "int" | "float" | "bool" | "null" if !plain => Some(text.into()),
        "int" | "float" => resolved().filter(|value| value.as_number().is_some()),
        "bool" => resolved().filter(|value| value.as_bool().is_some()),
        "null" => Some(Value::null(Type::Any)),
        "binary" => {
            let joined: String = text.split(['\r', '\n']).collect();
            STANDARD.decode(joined).ok().map(|_| text.into())
        }
        "timestamp" => timestamp(text),
        _ => None,
    }
}

/// What a plain scalar stands for; `None` for what is not a number, which has no value.
fn resolve(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::null(Type::Any),
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            true.into()
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            false.into()
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Number::infinite(false).into(),
        "-.inf" | "-.Inf" | "-.INF" => Number::infinite(true).into(),
        ".nan" | ".NaN" | ".NAN" => return None,
        _ => {
            number(text).map(Value::from).or_else(|| timestamp(text)).unwrap_or_else(|| text.into())
        }
    })
}

fn number(text: &str) -> Option<Number> {
    for (prefix, base) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.is_empty()) {
            let digits = digits.chars().map(|c| u8::try_from(c.to_digit(base)?).ok());
            return Number::from_digits(false, &digits.collect::<Option<Vec<_>>>()?, base);
        }
    }
    // Powers of two and infinity are no YAML.
    let is_decimal = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let no_letters = !text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
    (is_decimal && no_letters).then(|| Number::parse(text))?
}

/// A time stamp as YAML writes them, as RFC 3339 without fractions of a second.
fn timestamp(text: &str) -> Option<Value> {
    time::yaml_timestamp(text).map(Value::from)
}
