//! What is written anew because another form of the same is usual.
//!
//! | written | becomes |
//! |---|---|
//! | `a = "${b}"` | `a = b` |
//! | `block label {` | `block "label" {` |
//! | `variable "v" { type = list }` | `type = list(any)` |
//! | `variable "v" { type = "string" }`, `"list"`, `"map"` | `type = string`, `list(string)`, `map(string)` |
//!
//! Relies on a text that parses: it walks over bodies by the tokens that begin their items.

use super::piece::Piece;
use crate::syntax::lex::TokenKind::{
    self, CBrace, CParen, CQuote, Comment, Equal, Ident, Newline, OBrace, OParen, OQuote,
    QuotedLit, TemplateInterp, TemplateSeqEnd,
};
use std::borrow::Cow;

/// Rewrites all items of a file.
pub(super) fn rewrite(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let mut walk = Walk { done: Vec::with_capacity(pieces.len()), blocks: Vec::new() };
    let mut rest = pieces.into_iter().peekable();
    while let Some(piece) = rest.next() {
        match piece.kind {
            CBrace => {
                walk.blocks.pop();
                walk.done.push(piece);
            }
            Ident => {
                let mut item = vec![piece];
                while let Some(next) = rest.next_if(|next| !matches!(next.kind, Equal | OBrace)) {
                    item.push(next);
                }
                match rest.next() {
                    Some(next) if next.kind == Equal => {
                        walk.attribute(item, next, &mut rest);
                    }
                    Some(next) => walk.block(item, next),
                    None => walk.done.append(&mut item),
                }
            }
            _ => walk.done.push(piece),
        }
    }
    walk.done
}

struct Walk<'t> {
    done: Vec<Piece<'t>>,
    /// The kinds of the blocks around.
    blocks: Vec<Cow<'t, str>>,
}

impl<'t> Walk<'t> {
    fn attribute(
        &mut self,
        name: Vec<Piece<'t>>,
        equals: Piece<'t>,
        rest: &mut std::iter::Peekable<impl Iterator<Item = Piece<'t>>>,
    ) {
        let is_type = matches!(self.blocks.as_slice(), [only] if only == "variable")
            && name.first().is_some_and(|name| name.text == "type");
        self.done.extend(name);
        self.done.push(equals);
        let mut value = Vec::new();
        let mut depth = 0;
        while let Some(next) =
            rest.next_if(|next| depth > 0 || !(next.ends_line() || next.kind == CBrace))
        {
            depth += next.brackets();
            value.push(next);
        }
        let length = value.iter().rposition(|piece| piece.kind != Comment).map_or(0, |at| at + 1);
        let comments = value.split_off(length);
        self.done.extend(if is_type { in_full(value) } else { unwrapped(value) });
        self.done.extend(comments);
    }

    fn block(&mut self, header: Vec<Piece<'t>>, brace: Piece<'t>) {
        let mut parts = header.into_iter();
        let Some(kind) = parts.next() else { return };
        self.blocks.push(kind.text.clone());
        self.done.push(kind);
        for part in parts {
            match part.kind {
                Ident => self.done.extend([
                    Piece { gap: 1, ..Piece::new(OQuote, "\"") },
                    Piece { kind: QuotedLit, gap: 0, ..part },
                    Piece::new(CQuote, "\""),
                ]),
                // Between labels there is nothing but labels.
                Comment => {}
                _ => self.done.push(part),
            }
        }
        self.done.push(brace);
    }
}

/// What stands in a string that is one interpolation and nothing else.
fn unwrapped(value: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let kinds: Vec<_> = value.iter().map(|piece| piece.kind).collect();
    let [OQuote, TemplateInterp, inside @ .., TemplateSeqEnd, CQuote] = kinds.as_slice() else {
        return value;
    };
    if inside.is_empty() || !is_one_expression(inside) {
        return value;
    }
    let from = inside.iter().take_while(|kind| **kind == Newline).count();
    let until = inside.len() - inside.iter().rev().take_while(|kind| **kind == Newline).count();
    if from >= until {
        return value;
    }
    let inside = &inside[from..until];
    let in_parentheses = matches!(inside, [OParen, .., CParen]);
    let needs_parentheses = inside.contains(&Newline) && !in_parentheses;
    let length = until - from;
    let expression = value.into_iter().skip(2 + from).take(length);
    if !needs_parentheses {
        return expression.collect();
    }
    let open = std::iter::once(Piece::new(OParen, "("));
    open.chain(expression).chain([Piece::new(CParen, ")")]).collect()
}

/// Whether nothing of an outer template stands between the first `${` and the last `}`. Templates in strings inside are
/// part of the expression.
fn is_one_expression(kinds: &[TokenKind]) -> bool {
    let mut quotes = 0_usize;
    for kind in kinds {
        match kind {
            OQuote => quotes += 1,
            CQuote => quotes = quotes.saturating_sub(1),
            TemplateInterp | TemplateSeqEnd | QuotedLit if quotes == 0 => return false,
            _ => {}
        }
    }
    true
}

/// A type with its element type.
fn in_full(value: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let (word, element) = match value.as_slice() {
        [word] if word.kind == Ident => match word.text.as_ref() {
            "list" => ("list", Some("any")),
            "map" => ("map", Some("any")),
            "set" => ("set", Some("any")),
            _ => return value,
        },
        [open, word, close]
            if (open.kind, word.kind, close.kind) == (OQuote, QuotedLit, CQuote) =>
        {
            match word.text.as_ref() {
                "string" => ("string", None),
                "list" => ("list", Some("string")),
                "map" => ("map", Some("string")),
                _ => return value,
            }
        }
        _ => return value,
    };
    let mut full = vec![Piece::new(Ident, word)];
    if let Some(element) = element {
        full.extend([Piece::new(OParen, "("), Piece::new(Ident, element), Piece::new(CParen, ")")]);
    }
    full
}
