//! What the indentation says about braces that do not match.
//!
//! People and formatters indent by structure, so where braces are missing or superfluous, the indentation mostly
//! tells which. It is asked only in files whose braces do not match.

use super::super::lex::{Token, TokenKind};
use super::body::Enclosing;
use super::{Braces, Parser};
use crate::source::offset;

impl Parser<'_> {
    /// Where the line of this byte begins.
    pub(super) fn line_start(&self, at: u32) -> u32 {
        let before = self.text.get(..at as usize).unwrap_or_default();
        offset(before.rfind('\n').map_or(0, |line_break| line_break + 1))
    }

    /// How far the line of this byte is indented, in bytes.
    pub(super) fn indentation(&self, at: u32) -> u32 {
        let line = &self.text.as_bytes()[self.line_start(at) as usize..];
        offset(line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
    }

    /// Whether only white space stands before this byte on its line.
    pub(super) fn is_first_of_line(&self, at: u32) -> bool {
        self.line_start(at) + self.indentation(at) == at
    }

    /// The rest of the line from here, without the line break.
    pub(super) fn rest_of_line(&self, at: u32) -> &str {
        self.text.get(at as usize..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// Whether the indentation says that the block should have ended before this token.
    pub(super) fn ends_early(&mut self, token: Token, block: Option<Enclosing>) -> bool {
        let Some(block) = block else { return false };
        let (start, header) = (token.extent.start, block.header.start);
        if self.braces != Braces::NotClosed || !self.is_first_of_line(start) {
            return false;
        }
        let (column, own) = (self.indentation(start), self.indentation(header));
        let ends = if token.kind == TokenKind::CBrace { column < own } else { column <= own };
        if ends && self.line_start(start) > self.line_start(header) {
            self.guessed = true;
            self.block_not_closed(block, token);
            return true;
        }
        false
    }

    /// Whether the indentation says that this brace does not close the block.
    pub(super) fn is_surplus(&mut self, token: Token, block: Enclosing) -> bool {
        let start = token.extent.start;
        let surplus = self.braces == Braces::TooMany
            && self.is_first_of_line(start)
            && self.indentation(start) > self.indentation(block.header.start);
        self.guessed |= surplus;
        surplus
    }

    /// Whether the indentation says that this bracket closes something around what `open` began.
    pub(super) fn closes_outer(&mut self, open: Token, token: Token) -> bool {
        let outer = self.braces == Braces::NotClosed
            && self.is_first_of_line(token.extent.start)
            && self.indentation(token.extent.start) < self.indentation(open.extent.start);
        self.guessed |= outer;
        outer
    }
}
