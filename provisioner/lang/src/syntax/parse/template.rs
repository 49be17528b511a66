//! Templates: quoted, in heredocs, and on their own.
//!
//! A template is read as a flat list of pieces first; white space is taken off them as `~` and `<<-` ask (a piece of
//! text is at most one line, which is what both count by), and the directives are matched last.

use super::super::lex::{Token, TokenKind};
use super::super::tree::{Extent, Node, Tag};
use super::collection::Intro;
use super::{Parsed, Parser};
use model::Value;
use std::borrow::Cow;
use std::iter::Peekable;
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
    Interpolation(Node),
    If(Node),
    Else,
    EndIf,
    For(Intro),
    EndFor,
}

type Pieces<'t> = Peekable<IntoIter<Piece<'t>>>;

impl<'t> Parser<'t> {
    pub(super) fn quoted(&mut self) -> Parsed<Node> {
        let open = self.read();
        // Most texts are one literal.
        let first = self.lookahead_in_template();
        let mut pieces = Vec::with_capacity(4);
        let mut only = Cow::Borrowed("");
        if first.kind == TokenKind::QuotedLit {
            self.read();
            only = self.unescaped(first.extent)?;
        }
        if self.lookahead_in_template().kind == TokenKind::CQuote {
            self.read();
            let word = self.text(&only);
            let extent = Extent { start: open.extent.start, end: self.end };
            return Ok(Node::word(extent, Tag::Text, word));
        }
        if first.kind == TokenKind::QuotedLit {
            pieces.push(Piece { extent: first.extent, content: Content::Text(only) });
        }
        self.pieces(&mut pieces)?;
        if self.eat(TokenKind::CQuote).is_none() {
            return Err(self.quote_not_closed(open.extent));
        }
        self.assembled(pieces, Extent { start: open.extent.start, end: self.end })
    }

    /// The number of a text, brought to NFC. Short ones come again and again, so each is kept once.
    fn text(&mut self, text: &str) -> u32 {
        if text.is_ascii() {
            return self.raw_text(text);
        }
        let text = Value::string(text);
        self.raw_text(text.as_str().unwrap_or_default())
    }

    /// The number of a text as it is.
    fn raw_text(&mut self, text: &str) -> u32 {
        if text.len() <= SHORT {
            self.tree.words.number(text)
        } else {
            self.tree.words.add(text.into())
        }
    }

    pub(super) fn heredoc(&mut self) -> Parsed<Node> {
        let open = self.read();
        let mut pieces = Vec::new();
        self.pieces(&mut pieces)?;
        if self.eat(TokenKind::CHeredoc).is_none() {
            return Err(self.heredoc_not_closed(open));
        }
        if self.slice(open.extent).starts_with("<<-") {
            dedent(&mut pieces);
        }
        self.assembled(pieces, Extent { start: open.extent.start, end: self.end })
    }

    /// A template without quotes: a [`Tag::Template`], also where it is one text.
    pub(super) fn whole_template(&mut self) -> Parsed<Node> {
        let mut pieces = Vec::new();
        self.pieces(&mut pieces)?;
        let extent = Extent { start: 0, end: self.end };
        let template = self.assembled(pieces, extent)?;
        if template.tag != Tag::Text {
            return Ok(template);
        }
        let text = Node::word(extent, Tag::Literal, template.a);
        Ok(self.tree.node(extent, Tag::Template, &[text]))
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
                return Ok(Content::For(self.for_intro()?));
            }
            _ => return Err(self.no_directive(open, word)),
        };
        self.read();
        Ok(content)
    }

    /// The template made of its pieces.
    fn assembled(&mut self, pieces: Vec<Piece<'t>>, extent: Extent) -> Parsed<Node> {
        let count = pieces.len();
        let mut pieces = pieces.into_iter().peekable();
        let list = self.tree.begin_list();
        self.parts(&mut pieces)?;
        if let Some(stray) = pieces.next() {
            return Err(self.stray_directive(&stray));
        }
        let only = match *self.tree.gathered(list) {
            [] => Some(self.text("")),
            [Node { tag: Tag::Literal, a, .. }] => {
                let text = self.tree.words.get(a).clone();
                Some(self.text(&text))
            }
            [only] => {
                // What was trimmed away beside an interpolation still makes it text.
                if count > 1 && !matches!(only.tag, Tag::If | Tag::Loop) {
                    let nothing = self.text("");
                    self.tree.gather(Node::word(extent, Tag::Literal, nothing));
                }
                None
            }
            _ => None,
        };
        if let Some(word) = only {
            self.tree.drop_list(list);
            return Ok(Node::word(extent, Tag::Text, word));
        }
        Ok(self.tree.node_of_list(extent, Tag::Template, list))
    }

    /// Gathers the parts up to a directive that ends or divides what is around them.
    fn parts(&mut self, pieces: &mut Pieces<'t>) -> Parsed<()> {
        let mut text = String::new();
        while let Some(piece) = pieces.next_if(|piece| !ends_parts(&piece.content)) {
            let part = match piece.content {
                Content::Text(piece) => {
                    text.push_str(&piece);
                    continue;
                }
                Content::Interpolation(expr) => expr,
                Content::If(condition) => {
                    self.nested(|parser| parser.branches(piece.extent, condition, pieces))?
                }
                Content::For(intro) => {
                    let body = self.nested(|parser| parser.listed(piece.extent, pieces))?;
                    self.end_of(piece.extent, pieces)?;
                    let parts = [intro.value_name, intro.collection, body, intro.key_name];
                    self.tree.node(piece.extent, Tag::Loop, &parts)
                }
                Content::Else | Content::EndIf | Content::EndFor => continue,
            };
            self.literal(&mut text, piece.extent);
            self.tree.gather(part);
        }
        self.literal(&mut text, Extent::default());
        Ok(())
    }

    /// Gathers the text that stands before a part, if there is any.
    fn literal(&mut self, text: &mut String, extent: Extent) {
        if !text.is_empty() {
            let word = self.raw_text(text);
            self.tree.gather(Node::word(extent, Tag::Literal, word));
            text.clear();
        }
    }

    /// The parts up to a directive that ends or divides what is around them.
    fn listed(&mut self, extent: Extent, pieces: &mut Pieces<'t>) -> Parsed<Node> {
        let list = self.tree.begin_list();
        self.parts(pieces)?;
        Ok(self.tree.node_of_list(extent, Tag::Parts, list))
    }

    fn branches(&mut self, open: Extent, condition: Node, pieces: &mut Pieces<'t>) -> Parsed<Node> {
        let yes = self.listed(open, pieces)?;
        let divides = |piece: &Piece<'t>| matches!(piece.content, Content::Else);
        let no = if pieces.next_if(divides).is_some() {
            self.listed(open, pieces)?
        } else {
            self.tree.node(open, Tag::Parts, &[])
        };
        match pieces.next() {
            Some(Piece { content: Content::EndIf, .. }) => {
                Ok(self.tree.node(open, Tag::If, &[condition, yes, no]))
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
    let has_sign = text.bytes().any(|byte| matches!(byte, b'$' | b'%'));
    if !has_sign || !text.contains("$${") && !text.contains("%%{") {
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
