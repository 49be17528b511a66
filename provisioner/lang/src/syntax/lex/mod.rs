//! The lexer: text to tokens, for the parser and for the formatter.
//!
//! Invariants: lossless (tokens are in order and do not overlap; what lies between two is spaces and tabs, and at
//! the very start perhaps a byte-order mark); any text gives tokens; time is linear, nesting costs no stack. The tokens
//! are those of HCL's own scanner but for these: a comment ends before its line break, which is a token of its own; a
//! line break in a quoted template ends the template, so that a missing quote spoils one line; a heredoc's delimiter
//! may be the very end of the text.
//! Refuses to know: whether tokens make sense together.

mod token;

#[cfg(test)]
mod tests;

pub(crate) use token::{Token, TokenKind};

use super::Extent;
use crate::source::offset;

/// All tokens of a file, the last one being [`TokenKind::End`].
pub(crate) fn lex(text: &str) -> Vec<Token> {
    all(Lexer::new(text))
}

/// Whether brackets, templates or heredocs of a text are still open at its end. A quoted text ends with its line.
pub(crate) fn is_unfinished(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    let mut open = 0_i64;
    loop {
        match lexer.next_token().kind {
            TokenKind::OBrace
            | TokenKind::OBrack
            | TokenKind::OParen
            | TokenKind::OHeredoc
            | TokenKind::TemplateInterp
            | TokenKind::TemplateControl => open += 1,
            TokenKind::CBrace
            | TokenKind::CBrack
            | TokenKind::CParen
            | TokenKind::CHeredoc
            | TokenKind::TemplateSeqEnd => open -= 1,
            TokenKind::End => return open > 0,
            _ => {}
        }
    }
}

fn all(mut lexer: Lexer<'_>) -> Vec<Token> {
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token();
        tokens.push(token);
        if token.kind == TokenKind::End {
            return tokens;
        }
    }
}

/// What the lexer is in the middle of.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Structure and expressions; how many braces are open. Above the bottom, it is a template sequence.
    Code { braces: u32 },
    /// A quoted template.
    Quoted,
    /// A heredoc: its delimiter, and whether a line begins here.
    Heredoc { delimiter: Extent, fresh: bool },
    /// A template without quotes.
    Bare,
}

impl Frame {
    /// Outside of all templates and braces.
    const OUTERMOST: Self = Self::Code { braces: 0 };
}

/// Gives one token after the other.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// What it is in the middle of, and what that is in the middle of, outermost first.
    frame: Frame,
    around: Vec<Frame>,
}

impl<'t> Lexer<'t> {
    /// At the start of a file or an expression.
    pub(crate) fn new(text: &'t str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, frame: Frame::OUTERMOST, around: Vec::new() }
    }

    /// At the start of a template without quotes.
    pub(crate) fn template(text: &'t str) -> Self {
        Self { text, at: 0, frame: Frame::Bare, around: Vec::new() }
    }

    /// Goes on at another place (the start of a character), outside of all templates and braces.
    pub(crate) fn restart(&mut self, at: u32) {
        self.at = at as usize;
        self.frame = Frame::OUTERMOST;
        self.around.clear();
    }

    fn enter(&mut self, frame: Frame) {
        self.around.push(std::mem::replace(&mut self.frame, frame));
    }

    fn leave(&mut self) {
        self.frame = self.around.pop().unwrap_or(Frame::OUTERMOST);
    }

    /// The next token. After [`TokenKind::End`] it stays the same.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            let token = match self.frame {
                Frame::Code { .. } => return self.code(),
                Frame::Quoted => self.quoted(),
                Frame::Heredoc { delimiter, fresh } => self.heredoc(delimiter, fresh),
                Frame::Bare => return self.bare(),
            };
            if let Some(token) = token {
                return token;
            }
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The token of the next `length` bytes.
    fn take(&mut self, kind: TokenKind, length: usize) -> Token {
        let start = offset(self.at);
        self.at += length;
        Token { kind, extent: Extent { start, end: offset(self.at) } }
    }

    fn code(&mut self) -> Token {
        while let Some(b' ' | b'\t') = self.byte(0) {
            self.at += 1;
        }
        let Some(first) = self.byte(0) else { return self.take(TokenKind::End, 0) };
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'"' => {
                self.enter(Frame::Quoted);
                self.take(TokenKind::OQuote, 1)
            }
            b'{' => {
                if let Frame::Code { braces } = &mut self.frame {
                    *braces += 1;
                }
                self.take(TokenKind::OBrace, 1)
            }
            b'}' => self.closing_brace(1),
            b'~' if self.byte(1) == Some(b'}') => self.closing_brace(2),
            b'#' => self.line_comment(),
            b'/' if self.byte(1) == Some(b'/') => self.line_comment(),
            b'/' if self.byte(1) == Some(b'*') => {
                let length = self.rest()[2..].find("*/").map(|at| at + 4);
                self.take(TokenKind::Comment, length.unwrap_or(self.text.len() - self.at))
            }
            b'\n' => self.take(TokenKind::Newline, 1),
            b'\r' if self.byte(1) == Some(b'\n') => self.take(TokenKind::Newline, 2),
            b'<' if self.byte(1) == Some(b'<') => self.heredoc_start(),
            first if first.is_ascii() => self.symbol(first),
            _ => self.word(),
        }
    }

    fn symbol(&mut self, first: u8) -> Token {
        let (kind, length) = match (first, self.byte(1)) {
            (b'=', Some(b'=')) => (TokenKind::EqualOp, 2),
            (b'=', Some(b'>')) => (TokenKind::FatArrow, 2),
            (b'!', Some(b'=')) => (TokenKind::NotEqual, 2),
            (b'<', Some(b'=')) => (TokenKind::LessEq, 2),
            (b'>', Some(b'=')) => (TokenKind::GreaterEq, 2),
            (b'&', Some(b'&')) => (TokenKind::And, 2),
            (b'|', Some(b'|')) => (TokenKind::Or, 2),
            (b':', Some(b':')) => (TokenKind::DoubleColon, 2),
            (b'.', Some(b'.')) if self.byte(2) == Some(b'.') => (TokenKind::Ellipsis, 3),
            (b'[', _) => (TokenKind::OBrack, 1),
            (b']', _) => (TokenKind::CBrack, 1),
            (b'(', _) => (TokenKind::OParen, 1),
            (b')', _) => (TokenKind::CParen, 1),
            (b'*', _) => (TokenKind::Star, 1),
            (b'/', _) => (TokenKind::Slash, 1),
            (b'+', _) => (TokenKind::Plus, 1),
            (b'-', _) => (TokenKind::Minus, 1),
            (b'%', _) => (TokenKind::Percent, 1),
            (b'=', _) => (TokenKind::Equal, 1),
            (b'<', _) => (TokenKind::Less, 1),
            (b'>', _) => (TokenKind::Greater, 1),
            (b'!', _) => (TokenKind::Bang, 1),
            (b'.', _) => (TokenKind::Dot, 1),
            (b',', _) => (TokenKind::Comma, 1),
            (b'?', _) => (TokenKind::Question, 1),
            (b':', _) => (TokenKind::Colon, 1),
            _ => (TokenKind::Invalid, 1),
        };
        self.take(kind, length)
    }

    /// `}` or `~}`: the end of a template sequence if no brace is open inside of it.
    fn closing_brace(&mut self, length: usize) -> Token {
        let ends = match &mut self.frame {
            Frame::Code { braces: 0 } => !self.around.is_empty(),
            Frame::Code { braces } => {
                *braces -= 1;
                false
            }
            _ => false,
        };
        if ends {
            self.leave();
        }
        let kind = if ends || length == 2 { TokenKind::TemplateSeqEnd } else { TokenKind::CBrace };
        self.take(kind, length)
    }

    fn line_comment(&mut self) -> Token {
        let line = self.line();
        self.take(TokenKind::Comment, line.len())
    }

    /// The text up to the line break, without it.
    fn line(&self) -> &'t str {
        let rest = self.rest();
        let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
        if line.len() < rest.len() { line.strip_suffix('\r').unwrap_or(line) } else { line }
    }

    fn number(&mut self) -> Token {
        let bytes = &self.text.as_bytes()[self.at..];
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut end = 0;
        let mut at = 0;
        loop {
            match bytes.get(at) {
                Some(b'0'..=b'9') => {
                    at += 1;
                    end = at;
                }
                // A number does not end with a dot.
                Some(b'.') => at += 1,
                Some(b'e' | b'E') => {
                    let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
                    if !digit(at + 1 + sign) {
                        break;
                    }
                    at += 2 + sign;
                    end = at;
                }
                _ => break,
            }
        }
        self.take(TokenKind::NumberLit, end)
    }

    fn word(&mut self) -> Token {
        let length = word_length(self.rest());
        if length > 0 {
            return self.take(TokenKind::Ident, length);
        }
        let width = self.rest().chars().next().map_or(0, char::len_utf8);
        self.take(TokenKind::Invalid, width)
    }

    /// `<<NAME` and a line break; otherwise only the sign.
    fn heredoc_start(&mut self) -> Token {
        let dash = usize::from(self.byte(2) == Some(b'-'));
        let name = word_length(&self.rest()[2 + dash..]);
        let start = self.at + 2 + dash;
        let line_break = match (self.byte(2 + dash + name), self.byte(3 + dash + name)) {
            (Some(b'\n'), _) => 1,
            (Some(b'\r'), Some(b'\n')) => 2,
            _ => 0,
        };
        if name == 0 || line_break == 0 {
            return self.symbol(b'<');
        }
        let delimiter = Extent { start: offset(start), end: offset(start + name) };
        self.enter(Frame::Heredoc { delimiter, fresh: true });
        self.take(TokenKind::OHeredoc, 2 + dash + name + line_break)
    }

    fn quoted(&mut self) -> Option<Token> {
        match self.byte(0) {
            Some(b'"') => {
                self.leave();
                Some(self.take(TokenKind::CQuote, 1))
            }
            None | Some(b'\r' | b'\n') => {
                self.leave();
                None
            }
            Some(_) => {
                let ends = |byte: u8| matches!(byte, b'"' | b'\r' | b'\n');
                Some(self.sequence().unwrap_or_else(|| {
                    let length = self.literal_length(ends, true);
                    self.take(TokenKind::QuotedLit, length)
                }))
            }
        }
    }

    fn heredoc(&mut self, delimiter: Extent, fresh: bool) -> Option<Token> {
        let name = &self.text[delimiter.start as usize..delimiter.end as usize];
        if fresh && self.line().trim() == name {
            let length = self.line().len();
            self.leave();
            return Some(self.take(TokenKind::CHeredoc, length));
        }
        if self.at == self.text.len() {
            self.leave();
            return None;
        }
        self.begins_line(false);
        if let Some(token) = self.sequence() {
            return Some(token);
        }
        let token = self.literal_line();
        self.begins_line(self.text.as_bytes()[self.at - 1] == b'\n');
        Some(token)
    }

    /// Notes whether a line of the current heredoc begins here.
    fn begins_line(&mut self, begins: bool) {
        if let Frame::Heredoc { fresh, .. } = &mut self.frame {
            *fresh = begins;
        }
    }

    fn bare(&mut self) -> Token {
        if self.at == self.text.len() {
            return self.take(TokenKind::End, 0);
        }
        self.sequence().unwrap_or_else(|| self.literal_line())
    }

    fn literal_line(&mut self) -> Token {
        let length = self.literal_length(|byte| byte == b'\n', false);
        let line_break = usize::from(self.byte(length) == Some(b'\n'));
        self.take(TokenKind::StringLit, length + line_break)
    }

    /// The start of an interpolation or a directive, if one begins here.
    fn sequence(&mut self) -> Option<Token> {
        let kind = match (self.byte(0)?, self.byte(1)?) {
            (b'$', b'{') => TokenKind::TemplateInterp,
            (b'%', b'{') => TokenKind::TemplateControl,
            _ => return None,
        };
        self.enter(Frame::OUTERMOST);
        let trim = usize::from(self.byte(2) == Some(b'~'));
        Some(self.take(kind, 2 + trim))
    }

    /// How many bytes of literal text come up to a byte that `ends` it or a template sequence. `$${` and `%%{` are
    /// literal text, and so is what a backslash stands before in quotes.
    fn literal_length(&self, ends: impl Fn(u8) -> bool, escapes: bool) -> usize {
        let bytes = &self.text.as_bytes()[self.at..];
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            match byte {
                byte if ends(byte) => break,
                b'\\' if escapes => {
                    // What follows is one character, and no line break.
                    let next = bytes.get(at + 1).copied();
                    at += if next.is_some_and(|next| next == b'"' || !ends(next)) { 2 } else { 1 };
                }
                b'$' | b'%' => match bytes.get(at + 1) {
                    Some(b'{') => break,
                    Some(next) if *next == byte && bytes.get(at + 2) == Some(&b'{') => at += 3,
                    _ => at += 1,
                },
                _ => at += 1,
            }
        }
        while at < bytes.len() && !self.text.is_char_boundary(self.at + at) {
            at += 1;
        }
        at
    }
}

/// Which bytes go on with a word, among those of one-byte characters.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        byte += 1;
    }
    table
};

/// How many bytes of a word stand at the start of the text.
fn word_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ascii = bytes.iter().take_while(|byte| IN_WORD[usize::from(**byte)]).count();
    // Most words are followed by what is no letter of any script.
    if bytes.get(ascii).is_none_or(u8::is_ascii)
        && bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
    {
        return ascii;
    }
    let starts = |c: char| c == '_' || unicode_ident::is_xid_start(c);
    if !text.chars().next().is_some_and(starts) {
        return 0;
    }
    let continues = |c: char| c == '-' || unicode_ident::is_xid_continue(c);
    let rest = text[ascii..].chars().take_while(|c| continues(*c)).map(char::len_utf8);
    ascii + rest.sum::<usize>()
}
