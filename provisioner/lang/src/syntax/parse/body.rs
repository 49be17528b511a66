//! Bodies, arguments and blocks.

use super::super::ast::{Attribute, Block, Body, Expression, Name};
use super::super::lex::TokenKind;
use super::super::tree::{Extent, Node, Tag};
use super::{Braces, Parsed, Parser};
use foldhash::HashMap;
use std::sync::Arc;

/// Up to how many arguments are compared one by one to find those that are given twice.
const FEW: usize = 12;

/// Bytes of a file for each block that room is made for: large files have larger ones, and room that is not used costs
/// nothing, while what grows is copied.
const BYTES_PER_BLOCK: usize = 256;

/// The block whose body is read.
#[derive(Clone, Copy)]
pub(super) struct Enclosing {
    pub header: Extent,
    pub brace: Extent,
}

/// The places of a body's arguments by name; filled when there are many.
type Places = HashMap<Arc<str>, Extent>;

impl Parser<'_> {
    pub(super) fn file(&mut self) -> Body {
        let mut body = Body::default();
        body.blocks.reserve(self.text.len() / BYTES_PER_BLOCK);
        self.items(&mut body, None);
        body
    }

    /// Reads items up to the end of the block (or the file).
    fn items(&mut self, body: &mut Body, block: Option<Enclosing>) {
        let mut places = Places::default();
        loop {
            let token = self.peek();
            match token.kind {
                _ if self.stopped => {
                    body.incomplete = true;
                    return;
                }
                TokenKind::Newline => {
                    self.read();
                }
                TokenKind::End => {
                    if let Some(block) = block {
                        self.unbalanced.get_or_insert(Braces::NotClosed);
                        self.block_not_closed(block, token);
                    }
                    return;
                }
                TokenKind::CBrace | TokenKind::Ident if self.ends_early(token, block) => return,
                TokenKind::CBrace => {
                    self.read();
                    match block {
                        Some(block) if !self.is_surplus(token, block) => return,
                        Some(_) => {}
                        None => {
                            self.unbalanced.get_or_insert(Braces::TooMany);
                        }
                    }
                    self.closes_nothing(token);
                }
                _ => {
                    let before = self.depth;
                    if self.item(body, &mut places, false).is_err() {
                        self.depth = before;
                        self.resume(token, block);
                    }
                }
            }
        }
    }

    fn item(&mut self, body: &mut Body, places: &mut Places, one_line: bool) -> Parsed<()> {
        let word = self.peek();
        if word.kind != TokenKind::Ident {
            body.incomplete = true;
            return Err(self.no_item(word));
        }
        self.read();
        let name = self.name(word.extent);
        let next = self.peek();
        match next.kind {
            TokenKind::Equal => self.attribute(name, body, places, one_line),
            TokenKind::OQuote | TokenKind::OBrace | TokenKind::Ident if !one_line => {
                self.nested(|parser| parser.block(name, body))
            }
            TokenKind::Invalid if !one_line && self.slice(next.extent) == "'" => {
                self.nested(|parser| parser.block(name, body))
            }
            _ => {
                body.incomplete = true;
                Err(self.neither_argument_nor_block(&name, next, one_line))
            }
        }
    }

    fn attribute(
        &mut self,
        name: Name,
        body: &mut Body,
        places: &mut Places,
        one_line: bool,
    ) -> Parsed<()> {
        self.read();
        let start = self.end;
        let ended = self.expression().and_then(|value| {
            let next = self.peek();
            match next.kind {
                TokenKind::Newline | TokenKind::End => Ok(value),
                TokenKind::CBrace if one_line => Ok(value),
                _ => Err(self.goes_on_after_argument(&name, value, next, one_line)),
            }
        });
        let broken = Node::new(Extent { start, end: self.end.max(start) }, Tag::Broken);
        let (root, result) = ended.map_or_else(|b| (broken, Err(b)), |value| (value, Ok(())));
        if let Some(first) = place_of(body, places, &name) {
            self.argument_twice(&name, first);
        } else {
            let value = Expression::new(self.file.clone(), root);
            body.attributes.push(Attribute { name, value });
        }
        result
    }

    fn block(&mut self, kind: Name, body: &mut Body) -> Parsed<()> {
        // There are two of a resource, and of most others one.
        let mut labels = Vec::with_capacity(2);
        let header = self.labels(&kind, &mut labels);
        let end = labels.last().map_or(kind.extent.end, |label: &Name| label.extent.end);
        let extent = Extent { start: kind.extent.start, end };
        let readable = header.is_ok();
        let brace = match header {
            Ok(brace) => brace,
            Err(broken) => {
                body.incomplete = true;
                self.brace_of_line(extent.start).ok_or(broken)?
            }
        };
        let mut inner = Body::default();
        let result = self.block_body(&mut inner, Enclosing { header: extent, brace });
        if readable {
            labels.shrink_to_fit();
            inner.attributes.shrink_to_fit();
            inner.blocks.shrink_to_fit();
            let file = self.file.clone();
            body.blocks.push(Block { file, kind, labels, body: inner, header: extent });
        }
        result
    }

    /// The labels and the brace.
    fn labels(&mut self, kind: &Name, labels: &mut Vec<Name>) -> Parsed<Extent> {
        loop {
            let next = self.peek();
            match next.kind {
                TokenKind::OBrace => return Ok(self.read().extent),
                TokenKind::Ident => {
                    self.read();
                    labels.push(self.name(next.extent));
                }
                TokenKind::OQuote => labels.push(self.quoted_label()?),
                _ => return Err(self.no_block_body(kind, next)),
            }
        }
    }

    fn quoted_label(&mut self) -> Parsed<Name> {
        let open = self.read().extent;
        let mut text = None;
        loop {
            let next = self.read();
            match next.kind {
                TokenKind::CQuote => {
                    let extent = Extent { start: open.start, end: next.extent.end };
                    let text = text.unwrap_or_else(|| Arc::from(""));
                    return Ok(Name { text, extent });
                }
                TokenKind::QuotedLit => {
                    text = Some(match self.unescaped(next.extent)? {
                        std::borrow::Cow::Borrowed(_) => self.name(next.extent).text,
                        std::borrow::Cow::Owned(text) => text.into(),
                    });
                }
                TokenKind::TemplateInterp | TokenKind::TemplateControl => {
                    return Err(self.template_in_label(next));
                }
                _ => return Err(self.quote_not_closed(open)),
            }
        }
    }

    fn block_body(&mut self, body: &mut Body, block: Enclosing) -> Parsed<()> {
        match self.kind() {
            TokenKind::Newline | TokenKind::End | TokenKind::CBrace => {
                self.items(body, Some(block));
            }
            _ => self.one_line(body, block)?,
        }
        let next = self.peek();
        match next.kind {
            TokenKind::Newline | TokenKind::End => Ok(()),
            // What ended the block early, or closes the one around it.
            _ if self.is_first_of_line(next.extent.start) => Ok(()),
            _ => Err(self.goes_on_after_block(next)),
        }
    }

    /// `{ name = value }`: one argument on the line of the brace.
    fn one_line(&mut self, body: &mut Body, block: Enclosing) -> Parsed<()> {
        let result = self.item(body, &mut Places::default(), true).and_then(|()| {
            let next = self.peek();
            match next.kind {
                TokenKind::CBrace => {
                    self.read();
                    Ok(())
                }
                _ => Err(self.one_line_goes_on(block, next)),
            }
        });
        body.incomplete |= result.is_err();
        result
    }

    /// Goes on behind the last brace of a block's first line, if it ends with one.
    fn brace_of_line(&mut self, start: u32) -> Option<Extent> {
        let line = &self.text[start as usize..];
        let line = line.lines().next().unwrap_or_default().trim_end();
        let at = start + crate::source::offset(line.strip_suffix('{')?.len());
        self.restart(at + 1);
        Some(Extent { start: at, end: at + 1 })
    }
}

/// Where the body has an argument of this name already; remembers this one otherwise.
fn place_of(body: &Body, places: &mut Places, name: &Name) -> Option<Extent> {
    let attributes = &body.attributes;
    if attributes.len() < FEW {
        return attributes.iter().find(|a| a.name.text == name.text).map(|a| a.name.extent);
    }
    if places.is_empty() {
        places.extend(attributes.iter().map(|a| (a.name.text.clone(), a.name.extent)));
    }
    let first = places.get(&name.text).copied();
    if first.is_none() {
        places.insert(name.text.clone(), name.extent);
    }
    first
}
