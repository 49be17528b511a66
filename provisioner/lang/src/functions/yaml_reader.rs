//! `yamldecode`: one YAML document as a value. Syntax is libyaml's; which plain scalars are numbers, bools, null or time
//! stamps follows the library Terraform reads YAML with, which mixes YAML 1.1 and 1.2.
//! Invariants: nesting and what aliases expand to are bounded. Messages name places and rules, never content.

use super::arguments::text;
use super::{FunctionContext, FunctionError, time};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};
use model::convert::convert;
use model::value::Entries;
use model::{Data, Number, Type, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How deeply sequences and mappings may be nested.
const DEEPEST: usize = 128;
/// How many values a document may stand for, each alias counted as all that it repeats.
const MOST: usize = 1_000_000;

const TAGS: &str = "tag:yaml.org,2002:";

pub(super) fn yamldecode(args: &[Value], _: &FunctionContext<'_>) -> Result<Value, FunctionError> {
    let text = text(args, 0)?;
    if has_odd_tag(text) {
        let problem = "a tag with `,` or `%` in it is not supported";
        return Err(FunctionError::argument(0, problem));
    }
    // The scanner expects a line end behind a block of text.
    let open_end = (!text.ends_with('\n')).then(|| u64::try_from(text.len()).unwrap_or(u64::MAX));
    let closed = if open_end.is_some() { Cow::Owned(format!("{text}\n")) } else { text.into() };
    let read = || {
        let mut parser = Parser::new();
        parser.set_input(closed.as_bytes());
        Reader { parser, open_end, anchors: BTreeMap::new(), count: 0, depth: 0 }.document()
    };
    // The parser asserts some things about its input; what it refuses that way is an error as any other.
    let read = catch_unwind(AssertUnwindSafe(read));
    let value = read.unwrap_or_else(|_| Err((Mark::default(), "it cannot be parsed".to_owned())));
    value.map_err(|(mark, problem)| {
        let place = format!("line {}, column {}", mark.line + 1, mark.column + 1);
        FunctionError::argument(0, format!("this is not YAML: at {place}, {problem}"))
    })
}

/// Whether a tag holds characters that the scanner does not expect in one.
fn has_odd_tag(text: &str) -> bool {
    text.match_indices('!').any(|(at, _)| {
        let before = text[..at].trim_end_matches(' ').chars().next_back();
        let begins = before.is_none_or(|c| "\n[{,:-?".contains(c));
        let tag = text[at..].split(char::is_whitespace).next().unwrap_or_default();
        begins && !tag.starts_with("!<") && tag.contains([',', '%'])
    })
}

type Wrong = (Mark, String);

struct Reader<'a> {
    parser: Parser<&'a [u8]>,
    /// Where the text ends, if a line end was added to it.
    open_end: Option<u64>,
    /// The value of each anchor and how many values it stands for; none while it is being read.
    anchors: BTreeMap<String, Option<(Value, usize)>>,
    count: usize,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Event, Wrong> {
        self.parser
            .parse()
            .map_err(|error| (error.problem_mark().unwrap_or_default(), error.problem().to_owned()))
    }

    fn document(&mut self) -> Result<Value, Wrong> {
        self.next()?;
        let start = self.next()?;
        if !matches!(start.data, EventData::DocumentStart { .. }) {
            return Err((start.start_mark, "there is no document".to_owned()));
        }
        let first = self.next()?;
        let value = self.value(first)?;
        self.next()?;
        let behind = self.next()?;
        if matches!(behind.data, EventData::StreamEnd) {
            return Ok(value);
        }
        Err((behind.start_mark, "a second document begins; only one is read".to_owned()))
    }

    fn counted(&mut self, mark: Mark, more: usize) -> Result<(), Wrong> {
        self.count += more;
        if self.count > MOST {
            return Err((mark, format!("aliases expand to more than {MOST} values")));
        }
        Ok(())
    }

    fn value(&mut self, event: Event) -> Result<Value, Wrong> {
        let mark = event.start_mark;
        let before = self.count;
        let (anchor, value) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, mark),
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                self.counted(mark, 1)?;
                let plain = style == ScalarStyle::Plain;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let reaches_end = self.open_end.is_some_and(|end| event.end_mark.index > end);
                if block && reaches_end && value.ends_with('\n') {
                    value.pop();
                }
                let value = scalar(tag.as_deref(), &value, plain)
                    .ok_or_else(|| (mark, "the tag does not fit this scalar".to_owned()))?;
                (anchor, value)
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                self.open(anchor.as_deref(), tag.as_deref(), "seq", mark)?;
                (anchor, self.sequence()?)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                self.open(anchor.as_deref(), tag.as_deref(), "map", mark)?;
                (anchor, self.mapping()?)
            }
            _ => return Err((mark, "a value is expected here".to_owned())),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some((value.clone(), self.count - before)));
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: &str, mark: Mark) -> Result<Value, Wrong> {
        let found = self.anchors.get(anchor).cloned();
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
        anchor: Option<&str>,
        tag: Option<&str>,
        kind: &str,
        mark: Mark,
    ) -> Result<(), Wrong> {
        self.counted(mark, 1)?;
        if tag.is_some_and(|tag| tag.strip_prefix(TAGS) != Some(kind)) {
            return Err((mark, "this tag is not known".to_owned()));
        }
        if self.depth == DEEPEST {
            return Err((mark, format!("it is nested more than {DEEPEST} levels deep")));
        }
        self.depth += 1;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor.to_owned(), None);
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::SequenceEnd) {
                self.depth -= 1;
                return Ok(Value::tuple(items));
            }
            items.push(self.value(event)?);
        }
    }

    fn mapping(&mut self) -> Result<Value, Wrong> {
        let mut entries = Entries::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                self.depth -= 1;
                return Ok(Data::Object(Arc::new(entries)).into());
            }
            let mark = event.start_mark;
            let merges = matches!(&event.data, EventData::Scalar { value, tag, .. }
                if value == "<<" && tag.as_deref().is_none_or(|tag| tag.strip_prefix(TAGS) == Some("merge")));
            let key = if merges { None } else { Some(self.value(event)?) };
            let event = self.next()?;
            let value = self.value(event)?;
            match key {
                Some(key) => {
                    let text = convert(&key, &Type::String).ok().filter(|key| !key.is_null());
                    let text = text.as_ref().and_then(Value::as_str);
                    let name = text.ok_or_else(|| (mark, "a key must be text".to_owned()))?;
                    entries.insert(name.into(), value);
                }
                None => match value.as_entries() {
                    Some(merged) => entries.extend(merged.clone()),
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
