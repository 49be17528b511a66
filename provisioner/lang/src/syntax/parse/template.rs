//! Templates: quoted, in heredocs, and on their own.
//!
//! A template is read as a flat list of pieces first; white space is taken off them as `~` and `<<-` ask (a piece of
//! text is at most one line, which is what both count by), and the directives are matched last.

use super::super::ast::{Choice, Expr, Extent, Kind, Literal, Loop, Part};
use super::super::lex::{Token, TokenKind};
use super::{Parsed, Parser, taken};
use std::borrow::Cow;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

/// Bytes of a text that is kept once.
const SHORT: usize = 16;

/// A piece of a template.
pub(super) struct Piece<'t> {
    pub extent: Extent,
    pub content: Content<'t>,
}

pub(super) enum Content<'t> {
    Text(Cow<'t, str>),
    Interpolation(Expr),
    If(Expr),
    Else,
    EndIf,
    For { key_name: Option<Arc<str>>, value_name: Arc<str>, collection: Expr },
    EndFor,
}

type Pieces<'t> = Peekable<IntoIter<Piece<'t>>>;

impl<'t> Parser<'t> {
    pub(super) fn quoted(&mut self) -> Parsed<Expr> {
        let open = self.read();
        // Most texts are one literal.
        let first = self.lookahead_in_template();
        let mut pieces = Vec::with_capacity(4);
        let mut only = Cow::Borrowed("");
        if first.kind == TokenKind::QuotedLit {
            self.read();
            only = self.unescaped(first.extent)?;
        }
        let kind = if self.lookahead_in_template().kind == TokenKind::CQuote {
            self.read();
            Kind::Literal(self.literal(first.extent, only))
        } else {
            if first.kind == TokenKind::QuotedLit {
                pieces.push(Piece { extent: first.extent, content: Content::Text(only) });
            }
            self.pieces(&mut pieces)?;
            if self.eat(TokenKind::CQuote).is_none() {
                return Err(self.quote_not_closed(open.extent));
            }
            self.assembled(pieces)?
        };
        Ok(Expr { extent: Extent { start: open.extent.start, end: self.end }, kind })
    }

    /// A text of which `only` is what stands at `extent`. Short ones come again and again, so each is kept once.
    fn literal(&mut self, extent: Extent, only: Cow<'t, str>) -> Literal {
        match only {
            Cow::Borrowed(text) if text.is_ascii() && (1..=SHORT).contains(&text.len()) => {
                Literal::Text(self.word(extent))
            }
            text => Literal::text(&text),
        }
    }

    pub(super) fn heredoc(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let mut pieces = Vec::new();
        self.pieces(&mut pieces)?;
        if self.eat(TokenKind::CHeredoc).is_none() {
            return Err(self.heredoc_not_closed(open));
        }
        if self.slice(open.extent).starts_with("<<-") {
            dedent(&mut pieces);
        }
        let kind = self.assembled(pieces)?;
        Ok(Expr { extent: Extent { start: open.extent.start, end: self.end }, kind })
    }

    pub(super) fn whole_template(&mut self) -> Parsed<Box<[Part]>> {
        let mut pieces = Vec::new();
        self.pieces(&mut pieces)?;
        match self.assembled(pieces)? {
            Kind::Template(parts) => Ok(parts),
            Kind::Literal(Literal::Text(text)) => Ok([Part::Literal(text)].into()),
            _ => Ok([].into()),
        }
    }

    /// The next token, where line breaks are never skipped.
    fn lookahead_in_template(&mut self) -> Token {
        self.with_newlines(true, Self::peek)
    }

    /// Reads up to what cannot stand in a template, such as its end.
    fn pieces(&mut self, pieces: &mut Vec<Piece<'t>>) -> Parsed<()> {
        let mut trim = false;
        loop {
            let token = self.lookahead_in_template();
            let trimmed = std::mem::take(&mut trim);
            match token.kind {
                TokenKind::QuotedLit | TokenKind::StringLit => {
                    self.read();
                    let mut text = if token.kind == TokenKind::QuotedLit {
                        self.unescaped(token.extent)?
                    } else {
                        without_doubled_signs(self.slice(token.extent))
                    };
                    if trimmed {
                        text = text.trim_start().to_owned().into();
                    }
                    pieces.push(Piece { extent: token.extent, content: Content::Text(text) });
                }
                TokenKind::TemplateInterp | TokenKind::TemplateControl => {
                    self.read();
                    if self.slice(token.extent).ends_with('~')
                        && let Some(Piece { content: Content::Text(text), .. }) = pieces.last_mut()
                    {
                        *text = text.trim_end().to_owned().into();
                    }
                    let content = self.sequence(token)?;
                    let extent = Extent { start: token.extent.start, end: self.end };
                    trim = self.slice(extent).ends_with("~}");
                    pieces.push(Piece { extent, content });
                }
                _ => return Ok(()),
            }
        }
    }

    /// What stands in `${ }` or `%{ }`.
    fn sequence(&mut self, open: Token) -> Parsed<Content<'t>> {
        self.with_newlines(false, |parser| {
            let content = if open.kind == TokenKind::TemplateInterp {
                Content::Interpolation(parser.expression()?)
            } else {
                parser.directive(open)?
            };
            parser.close(open, TokenKind::TemplateSeqEnd, None)?;
            Ok(content)
        })
    }

    fn directive(&mut self, open: Token) -> Parsed<Content<'t>> {
        let word = self.peek();
        let content = match (word.kind, self.slice(word.extent)) {
            (TokenKind::Ident, "else") => Content::Else,
            (TokenKind::Ident, "endif") => Content::EndIf,
            (TokenKind::Ident, "endfor") => Content::EndFor,
            (TokenKind::Ident, "if") => {
                self.read();
                return Ok(Content::If(self.expression()?));
            }
            (TokenKind::Ident, "for") => {
                self.read();
                let (key_name, value_name, collection) = self.for_intro()?;
                return Ok(Content::For { key_name, value_name, collection });
            }
            _ => return Err(self.no_directive(open, word)),
        };
        self.read();
        Ok(content)
    }

    /// The template made of its pieces.
    fn assembled(&mut self, pieces: Vec<Piece<'t>>) -> Parsed<Kind> {
        let count = pieces.len();
        let mut pieces = pieces.into_iter().peekable();
        let mut parts = self.parts(&mut pieces)?;
        if let Some(stray) = pieces.next() {
            return Err(self.stray_directive(&stray));
        }
        match parts.as_ref() {
            [] => return Ok(Kind::Literal(Literal::text(""))),
            [Part::Literal(text)] => return Ok(Kind::Literal(Literal::text(text))),
            // What was trimmed away beside an interpolation still makes it text.
            [Part::Interpolation(_)] if count > 1 => {
                let mut more = parts.into_vec();
                more.push(Part::Literal("".into()));
                parts = more.into();
            }
            _ => {}
        }
        Ok(Kind::Template(parts))
    }

    /// The parts up to a directive that ends or divides what is around them.
    fn parts(&mut self, pieces: &mut Pieces<'t>) -> Parsed<Box<[Part]>> {
        let first = self.gathered.parts.len();
        let mut text = String::new();
        while let Some(piece) = pieces.next_if(|piece| !ends_parts(&piece.content)) {
            let part = match piece.content {
                Content::Text(piece) => {
                    text.push_str(&piece);
                    continue;
                }
                Content::Interpolation(expr) => Part::Interpolation(expr),
                Content::If(condition) => {
                    self.nested(|parser| parser.branches(piece.extent, condition, pieces))?
                }
                Content::For { key_name, value_name, collection } => {
                    let body = self.nested(|parser| parser.parts(pieces))?;
                    self.end_of(piece.extent, pieces)?;
                    Part::For(Box::new(Loop { key_name, value_name, collection, body }))
                }
                Content::Else | Content::EndIf | Content::EndFor => continue,
            };
            if !text.is_empty() {
                self.gathered.parts.push(Part::Literal(std::mem::take(&mut text).into()));
            }
            self.gathered.parts.push(part);
        }
        if !text.is_empty() {
            self.gathered.parts.push(Part::Literal(text.into()));
        }
        Ok(taken(&mut self.gathered.parts, first))
    }

    fn branches(&mut self, open: Extent, condition: Expr, pieces: &mut Pieces<'t>) -> Parsed<Part> {
        let yes = self.parts(pieces)?;
        let divides = |piece: &Piece<'t>| matches!(piece.content, Content::Else);
        let mut no: Box<[Part]> = [].into();
        if pieces.next_if(divides).is_some() {
            no = self.parts(pieces)?;
        }
        match pieces.next() {
            Some(Piece { content: Content::EndIf, .. }) => {
                Ok(Part::If(Box::new(Choice { condition, yes, no })))
            }
            other => Err(self.directive_not_closed(open, "endif", other.as_ref())),
        }
    }

    fn end_of(&mut self, open: Extent, pieces: &mut Pieces<'t>) -> Parsed<()> {
        match pieces.next() {
            Some(Piece { content: Content::EndFor, .. }) => Ok(()),
            other => Err(self.directive_not_closed(open, "endfor", other.as_ref())),
        }
    }

    /// The text of a quoted literal without its escapes.
    pub(super) fn unescaped(&mut self, extent: Extent) -> Parsed<Cow<'t, str>> {
        let text = self.slice(extent);
        if !text.contains('\\') {
            return Ok(without_doubled_signs(text));
        }
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            written.push_str(&without_doubled_signs(&rest[..at]));
            rest = &rest[at..];
            let (character, length) = match rest.as_bytes().get(1) {
                Some(b'n') => ('\n', 2),
                Some(b'r') => ('\r', 2),
                Some(b't') => ('\t', 2),
                Some(b'"') => ('"', 2),
                Some(b'\\') => ('\\', 2),
                Some(b'u') => (code_point(rest, 6), 6),
                Some(b'U') => (code_point(rest, 10), 10),
                _ => ('\0', 0),
            };
            let digits = rest.get(2..length).unwrap_or_default();
            if length == 0
                || digits.len() + 2 != length
                || !digits.bytes().all(|b| b.is_ascii_hexdigit())
            {
                let start = extent.end - crate::source::offset(rest.len());
                return Err(self.bad_escape(start, rest));
            }
            written.push(character);
            rest = &rest[length..];
        }
        written.push_str(&without_doubled_signs(rest));
        Ok(written.into())
    }
}

/// The character of `\uXXXX` or `\UXXXXXXXX`; what is none becomes the replacement character.
fn code_point(text: &str, length: usize) -> char {
    let digits = text.get(2..length).unwrap_or_default();
    let code = u32::from_str_radix(digits, 16).ok();
    code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `$${` and `%%{` stand for `${` and `%{`.
fn without_doubled_signs(text: &str) -> Cow<'_, str> {
    if !text.contains("$${") && !text.contains("%%{") {
        return text.into();
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        let sign = rest.as_bytes()[at];
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        // Signs are taken in twos, so that three of them do not become two.
        let doubled = rest.as_bytes().get(1) == Some(&sign);
        let kept = if doubled && rest.as_bytes().get(2) != Some(&b'{') { 2 } else { 1 };
        written.push_str(&rest[..kept]);
        rest = &rest[if doubled { 2 } else { 1 }..];
    }
    written.push_str(rest);
    written.into()
}

fn ends_parts(content: &Content<'_>) -> bool {
    matches!(content, Content::Else | Content::EndIf | Content::EndFor)
}

/// Takes off the white space that all lines of a `<<-` heredoc begin with. A line that begins with an
/// interpolation or a directive has none; lines of white space do not count and are kept.
fn dedent(pieces: &mut [Piece<'_>]) {
    let mut least = usize::MAX;
    let mut begins = Vec::new();
    let mut fresh = true;
    for (at, piece) in pieces.iter().enumerate() {
        let starts_line = std::mem::take(&mut fresh);
        let Content::Text(text) = &piece.content else {
            if starts_line {
                least = 0;
            }
            continue;
        };
        fresh = text.ends_with('\n');
        if starts_line && !(fresh && text.trim_start().is_empty()) {
            least = least.min(text.chars().take_while(|c| c.is_whitespace()).count());
            begins.push(at);
        }
    }
    for at in begins {
        if let Content::Text(text) = &mut pieces[at].content {
            let taken: usize = text.chars().take(least).map(char::len_utf8).sum();
            *text = text[taken..].to_owned().into();
        }
    }
}
