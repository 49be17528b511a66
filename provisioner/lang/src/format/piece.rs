//! The pieces of a file: its tokens with the space before each.

use crate::syntax::lex::{Token, TokenKind, lex};
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation as _;

/// A token that may be written anew.
#[derive(Clone, Debug)]
pub(super) struct Piece<'t> {
    pub kind: TokenKind,
    pub text: Cow<'t, str>,
    /// How many spaces stand before it.
    pub gap: usize,
}

impl Piece<'_> {
    pub(super) fn new(kind: TokenKind, text: &'static str) -> Self {
        Self { kind, text: Cow::Borrowed(text), gap: 0 }
    }

    /// How many levels of brackets it opens; negative when it closes one.
    pub(super) fn brackets(&self) -> isize {
        match self.kind {
            TokenKind::OBrace
            | TokenKind::OBrack
            | TokenKind::OParen
            | TokenKind::TemplateControl
            | TokenKind::TemplateInterp => 1,
            TokenKind::CBrace
            | TokenKind::CBrack
            | TokenKind::CParen
            | TokenKind::TemplateSeqEnd => -1,
            _ => 0,
        }
    }

    fn lacks_line_break(&self) -> bool {
        self.kind == TokenKind::Comment && !self.text.starts_with("/*") && !self.ends_line()
    }

    /// A comment to the end of a line ends it, as its line break is a part of it.
    pub(super) fn ends_line(&self) -> bool {
        match self.kind {
            TokenKind::Newline => true,
            TokenKind::Comment => self.text.ends_with('\n'),
            _ => false,
        }
    }

    /// How wide it is with the space before it, in characters as people count them.
    pub(super) fn columns(&self) -> usize {
        let width = if self.text.is_ascii() {
            // A line break of two bytes is one character.
            self.text.len() - self.text.matches("\r\n").count()
        } else {
            self.text.graphemes(true).count()
        };
        self.gap + width
    }
}

/// The pieces of a text. A comment to the end of a line has the line break in it. The last piece is the empty end: space
/// before it, on a last line without a line break, stays.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut end = 0;
    for Token { kind, extent } in lex(text) {
        let (start, stop) = (extent.start as usize, extent.end as usize);
        let gap = start - end;
        match pieces.last_mut() {
            Some(last) if kind == TokenKind::Newline && gap == 0 && last.lacks_line_break() => {
                last.text = Cow::Borrowed(&text[start - last.text.len()..stop]);
            }
            _ => pieces.push(Piece { kind, text: Cow::Borrowed(&text[start..stop]), gap }),
        }
        end = stop;
    }
    pieces
}

/// The text of pieces.
pub(super) fn text(pieces: &[Piece<'_>]) -> String {
    let mut text = String::with_capacity(pieces.iter().map(|p| p.gap + p.text.len()).sum());
    for piece in pieces {
        text.extend(std::iter::repeat_n(' ', piece.gap));
        text.push_str(&piece.text);
    }
    text
}
