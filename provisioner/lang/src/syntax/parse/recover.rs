//! Going on after a mistake: where the next argument or block begins.
//!
//! The brackets of the broken item say where it ends, unless the indentation contradicts: then a bracket is
//! probably missing, and the first line that looks like the next item is one.

use super::super::lex::{Lexer, Token, TokenKind};
use super::Parser;
use super::body::Enclosing;
use crate::source::offset;

impl Parser<'_> {
    /// Goes on at another place, outside of any template or bracket.
    pub(super) fn restart(&mut self, at: u32) {
        self.lexer.restart(at);
        self.ahead = None;
        self.end = at;
        self.newlines = true;
    }

    /// Goes on behind the item that begins with this token.
    pub(super) fn resume(&mut self, item: Token, block: Option<Enclosing>) {
        if self.stopped {
            return;
        }
        let at = self.next_item(item.extent.start, block);
        self.restart(at);
    }

    fn next_item(&self, start: u32, block: Option<Enclosing>) -> u32 {
        let own = self.indentation(start);
        let outer = block.map(|block| self.indentation(block.header.start));
        // Indentation tells nothing where it does not follow the structure.
        let telling = outer.is_none_or(|outer| own > outer) && self.is_first_of_line(start);
        let mut scan = Scan {
            parser: self,
            own,
            outer,
            telling,
            open: Vec::new(),
            doubt: None,
            outside: false,
        };
        scan.run(start)
    }
}

struct Scan<'p, 't> {
    parser: &'p Parser<'t>,
    own: u32,
    outer: Option<u32>,
    telling: bool,
    open: Vec<TokenKind>,
    /// The first place where the indentation says that the item has ended.
    doubt: Option<u32>,
    /// Whether a line inside of the brackets is indented no more than the block around.
    outside: bool,
}

impl Scan<'_, '_> {
    fn run(&mut self, start: u32) -> u32 {
        let mut lexer = Lexer::new(self.parser.text);
        lexer.restart(start);
        let mut fresh = false;
        loop {
            let token = lexer.next_token();
            if std::mem::take(&mut fresh) {
                self.look_at_line(token, &lexer);
            }
            match token.kind {
                TokenKind::End => {
                    let heredoc = self.open.contains(&TokenKind::OHeredoc);
                    let rest = if heredoc { self.after_open_heredoc(start) } else { None };
                    return self.doubt.or(rest).unwrap_or(token.extent.start);
                }
                TokenKind::Newline if self.open.is_empty() => {
                    return self.doubt.filter(|_| self.outside).unwrap_or(token.extent.start);
                }
                TokenKind::Newline => {
                    fresh = true;
                    // A quote ends with its line, closed or not.
                    while self.open.last() == Some(&TokenKind::OQuote) {
                        self.open.pop();
                    }
                }
                kind if opposite(kind).is_some() => {
                    // A bracket that closes another one than it should: what the indentation says is better.
                    if self.open.last() != opposite(kind).as_ref() {
                        if let Some(at) = self.doubt {
                            return at;
                        }
                        let closes_block = kind == TokenKind::CBrace && self.open.is_empty();
                        if closes_block {
                            return token.extent.start;
                        }
                        continue;
                    }
                    self.open.pop();
                }
                TokenKind::TemplateControl => self.open.push(TokenKind::TemplateInterp),
                kind if is_opening(kind) => self.open.push(kind),
                _ => {}
            }
        }
    }

    fn look_at_line(&mut self, token: Token, lexer: &Lexer<'_>) {
        if !self.telling || self.open.is_empty() || token.kind == TokenKind::Newline {
            return;
        }
        let column = self.parser.indentation(token.extent.start);
        self.outside |= self.outer.is_some_and(|outer| column <= outer);
        if self.doubt.is_some() {
            return;
        }
        let ends = match token.kind {
            TokenKind::CBrace => self.outer.is_some_and(|outer| column <= outer),
            TokenKind::Ident if column <= self.own => {
                let next = lexer.clone().next_token();
                matches!(next.kind, TokenKind::Equal | TokenKind::OBrace | TokenKind::OQuote)
            }
            _ => false,
        };
        if ends {
            self.doubt = Some(token.extent.start);
        }
    }

    /// Behind a heredoc without an end: the first line that could close the block or follow it.
    fn after_open_heredoc(&self, start: u32) -> Option<u32> {
        let outer = self.outer.unwrap_or(0);
        let text = self.parser.text;
        let from = start as usize + text[start as usize..].find('\n')? + 1;
        let mut position = from;
        for line in text[from..].split_inclusive('\n') {
            let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
            let closes = line[indentation..].starts_with('}') && offset(indentation) <= outer;
            if closes {
                return Some(offset(position + indentation));
            }
            position += line.len();
        }
        None
    }
}

fn is_opening(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::OBrace
            | TokenKind::OBrack
            | TokenKind::OParen
            | TokenKind::OQuote
            | TokenKind::OHeredoc
            | TokenKind::TemplateInterp
    )
}

/// What a closing token closes.
fn opposite(kind: TokenKind) -> Option<TokenKind> {
    Some(match kind {
        TokenKind::CBrace => TokenKind::OBrace,
        TokenKind::CBrack => TokenKind::OBrack,
        TokenKind::CParen => TokenKind::OParen,
        TokenKind::CQuote => TokenKind::OQuote,
        TokenKind::CHeredoc => TokenKind::OHeredoc,
        TokenKind::TemplateSeqEnd => TokenKind::TemplateInterp,
        _ => return None,
    })
}
