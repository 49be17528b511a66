//! A reader of JSON that keeps every digit of a number and takes what Go's reader takes: half of a surrogate pair becomes
//! the replacement character, and of two members with one name the last counts.
//! Invariant: nesting is bounded, so that no document overflows the stack.

use model::{Number, Type, Value};
use std::sync::Arc;

/// How deeply arrays and objects may be nested.
const DEEPEST: usize = 128;

/// Where a document is wrong, and how.
#[derive(Debug)]
pub(super) struct JsonError {
    /// In bytes from the start.
    pub offset: usize,
    pub problem: &'static str,
}

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.wrong("there is more behind the document")),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self, problem: &'static str) -> JsonError {
        JsonError { offset: self.at, problem }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.wrong("a value is expected here"))
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        self.space();
        match self.peek() {
            None => Err(self.wrong("the document ends too early")),
            Some(b'n') => self.word("null", Value::null(Type::Any)),
            Some(b't') => self.word("true", true.into()),
            Some(b'f') => self.word("false", false.into()),
            Some(b'"') => Ok(self.string()?.into()),
            Some(b'[') => self.nested(Self::array),
            Some(b'{') => self.nested(Self::object),
            Some(_) => self.number(),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Value, JsonError>,
    ) -> Result<Value, JsonError> {
        if self.depth == DEEPEST {
            return Err(self.wrong("it is nested more than 128 levels deep"));
        }
        self.depth += 1;
        self.at += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::tuple(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Value::tuple(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `]` is expected here"));
            }
        }
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut entries: Vec<(Arc<str>, Value)> = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a name in double quotes is expected here"));
            }
            let name = Value::from(self.string()?);
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("`:` is expected here"));
            }
            let value = self.value()?;
            entries.push((name.as_str().unwrap_or_default().into(), value));
            self.space();
            if self.take(b'}') {
                return Ok(Value::object(entries));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `}` is expected here"));
            }
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a digit is expected here")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if !self.take(b'-') && !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("a value is expected here"));
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let number = Number::parse(&self.text[start..self.at]);
        number.map(Value::from).ok_or_else(|| self.wrong("this number is too large or too small"))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..0x20)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.wrong("a control character must be written `\\u....`")),
                None => return Err(self.wrong("a quote is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let selector = self.bytes.get(self.at + 1).copied();
        self.at += 2;
        Ok(match selector {
            Some(quoted @ (b'"' | b'\\' | b'/')) => quoted.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.wrong("no such escape sequence"));
            }
        })
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let before = self.at;
        if self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.unit()?;
            if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) {
                let c = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                return Ok(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("four hexadecimal digits are expected here"))?;
        self.at += 4;
        Ok(unit)
    }
}
