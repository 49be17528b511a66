//! A JSON reader that knows the place of everything.
//!
//! Invariants: numbers and strings stay as they are written; keys stay in order and may occur twice; nesting is
//! bounded. Refuses to know: what the JSON means.

use crate::source::{SourceFile, offset};
use crate::syntax::Extent;
use model::Diagnostic;

/// How deep arrays and objects may be nested.
const MOST_NESTED: u32 = 200;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub extent: Extent,
    pub json: Json,
}

/// A value. Strings are named by their place, quotes included.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    /// `true`, `false` or a number.
    Scalar,
    String,
    Array(Vec<Node>),
    Object(Vec<(Extent, Node)>),
}

/// Reads the JSON of a file.
pub(super) fn read(file: &SourceFile) -> Result<Node, Diagnostic> {
    let mut reader = Reader { file, text: &file.text, at: 0, depth: 0 };
    let node = reader.value()?;
    reader.skip_spaces();
    if reader.at < reader.text.len() {
        return Err(reader.error("nothing else stands behind a JSON document", ""));
    }
    Ok(node)
}

/// The characters of a string, each with the place where it is written. `extent` includes the quotes.
pub(super) fn characters(
    text: &str,
    extent: Extent,
) -> impl Iterator<Item = (char, Extent)> + use<'_> {
    let end = extent.end as usize - 1;
    let mut at = extent.start as usize + 1;
    std::iter::from_fn(move || {
        let rest = text.get(at..end)?;
        let first = rest.chars().next()?;
        let (character, length) =
            if first == '\\' { escaped(rest) } else { (first, first.len_utf8()) };
        let place = Extent { start: offset(at), end: offset(at + length) };
        at += length;
        Some((character, place))
    })
}

/// The text of a string. `extent` includes the quotes.
pub(super) fn string(text: &str, extent: Extent) -> String {
    characters(text, extent).map(|(character, _)| character).collect()
}

/// The character of an escape sequence, and how long that is. What is no character becomes the replacement character.
fn escaped(text: &str) -> (char, usize) {
    let unit =
        |at: usize| text.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match text.as_bytes().get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => {
            let high = unit(2).unwrap_or(0xfffd);
            let low = text.get(6..8).filter(|mark| *mark == "\\u").and_then(|_| unit(8));
            match (high, low) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                _ => (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            }
        }
        _ => (text[1..].chars().next().unwrap_or('\\'), 2),
    }
}

struct Reader<'t> {
    file: &'t SourceFile,
    text: &'t str,
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// A mistake at this place.
    fn error(&self, summary: &str, hint: &str) -> Diagnostic {
        let character = self.text[self.at..].chars().next();
        let width = character.filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let extent = Extent { start: offset(self.at), end: offset(self.at + width) };
        let found = match character {
            None => "the text ends here".to_owned(),
            Some('\n' | '\r') => "the line ends here".to_owned(),
            Some(character) => format!("found `{character}`"),
        };
        let mut diagnostic =
            Diagnostic::error("syntax", summary).with_label(self.file.span(extent), found);
        let commented = matches!(character, Some('#' | '/'));
        let hint = match (character, hint) {
            (Some('\''), _) => "text stands in double quotes: \"...\"",
            _ if commented => {
                "JSON has no comments; the value of a key \"//\" is ignored in blocks"
            }
            (_, hint) => hint,
        };
        diagnostic.hints.extend(Some(hint).filter(|hint| !hint.is_empty()).map(str::to_owned));
        diagnostic
    }

    fn value(&mut self) -> Result<Node, Diagnostic> {
        self.skip_spaces();
        let start = self.at;
        let json = match self.byte() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => {
                self.string()?;
                Json::String
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Json::Scalar
            }
            _ => self.word()?,
        };
        Ok(Node { extent: Extent { start: offset(start), end: offset(self.at) }, json })
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Json, Diagnostic>,
    ) -> Result<Json, Diagnostic> {
        if self.depth >= MOST_NESTED {
            return Err(self.error("the nesting is too deep", ""));
        }
        self.depth += 1;
        let json = inner(self);
        self.depth -= 1;
        json
    }

    fn word(&mut self) -> Result<Json, Diagnostic> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let json = match &rest[..length] {
            "null" => Json::Null,
            "true" | "false" => Json::Scalar,
            "" => return Err(self.error("a value is missing", "")),
            _ => {
                return Err(
                    self.error("this is not a JSON value", "text stands in double quotes: \"...\"")
                );
            }
        };
        self.at += length;
        Ok(json)
    }

    fn number(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let leading_zero = self.byte() == Some(b'0');
        let whole = self.digits();
        let mut good = whole > 0 && (whole == 1 || !leading_zero);
        if self.byte() == Some(b'.') {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            good &= self.digits() > 0;
        }
        if good {
            return Ok(());
        }
        self.at = start;
        Err(self.error("this is not a JSON number", "write it as 5, -1.5 or 1e3"))
    }

    fn digits(&mut self) -> usize {
        let count =
            self.text.as_bytes()[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn string(&mut self) -> Result<Extent, Diagnostic> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Extent { start: offset(start), end: offset(self.at) });
                }
                Some(b'\\') => self.escape()?,
                None | Some(0..=0x1f) => {
                    let hint =
                        "a string ends on the line it began; a line break in it is written \\n";
                    let open = Extent { start: offset(start), end: offset(start + 1) };
                    let diagnostic = self.error("a string is not closed", hint);
                    return Err(diagnostic.with_label(self.file.span(open), "it begins here"));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Diagnostic> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if rest.len() >= 6 && rest[2..6].iter().all(u8::is_ascii_hexdigit) => 6,
            _ => {
                let hint = "there are \\\", \\\\, \\/, \\b, \\f, \\n, \\r, \\t and \\uXXXX; a backslash is written \\\\";
                return Err(self.error("this is not an escape sequence of JSON", hint));
            }
        };
        self.at += length;
        Ok(())
    }

    fn array(&mut self) -> Result<Json, Diagnostic> {
        let open = self.at;
        let mut items = Vec::new();
        self.at += 1;
        self.skip_spaces();
        if self.byte() != Some(b']') {
            loop {
                items.push(self.value()?);
                if !self.goes_on(open, b']')? {
                    break;
                }
                self.refuse_end(b']')?;
            }
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn object(&mut self) -> Result<Json, Diagnostic> {
        let open = self.at;
        let mut members = Vec::new();
        self.at += 1;
        self.skip_spaces();
        if self.byte() != Some(b'}') {
            loop {
                self.skip_spaces();
                if self.byte() != Some(b'"') {
                    return Err(self
                        .error("a key is missing", "keys stand in double quotes: \"key\": value"));
                }
                let key = self.string()?;
                self.skip_spaces();
                if self.byte() != Some(b':') {
                    return Err(self.error("`:` is missing behind a key", "write \"key\": value"));
                }
                self.at += 1;
                members.push((key, self.value()?));
                if !self.goes_on(open, b'}')? {
                    break;
                }
                self.refuse_end(b'}')?;
            }
        }
        self.at += 1;
        Ok(Json::Object(members))
    }

    /// Whether a comma follows, rather than the end of what began at `open`.
    fn goes_on(&mut self, open: usize, end: u8) -> Result<bool, Diagnostic> {
        self.skip_spaces();
        match self.byte() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => {
                let extent = Extent { start: offset(open), end: offset(open + 1) };
                let summary = format!("`,` or `{}` is missing", char::from(end));
                let diagnostic = self.error(&summary, "");
                Err(diagnostic.with_label(self.file.span(extent), "this is open"))
            }
        }
    }

    fn refuse_end(&mut self, end: u8) -> Result<(), Diagnostic> {
        self.skip_spaces();
        if self.byte() == Some(end) {
            return Err(self.error("no `,` stands before the end", "remove the `,` before it"));
        }
        Ok(())
    }
}
