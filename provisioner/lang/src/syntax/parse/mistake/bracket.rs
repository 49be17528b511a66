//! Mistakes inside of brackets: what is not closed, not separated or without its parts.

use super::super::super::ast::Name;
use super::super::super::lex::{Token, TokenKind};
use super::super::super::tree::{Extent, Node};
use super::super::{Broken, Parser};
use super::closing;
use model::Diagnostic;

impl Parser<'_> {
    /// Where a bracket should be closed. `separator` is what else could have stood here.
    pub(in super::super) fn not_closed(
        &mut self,
        open: Token,
        next: Token,
        separator: Option<&str>,
    ) -> Broken {
        let mut diagnostic = match next.kind {
            TokenKind::Invalid => self.invalid(next),
            _ if separator.is_some() && self.begins_item(next) => self.no_comma(open, next),
            _ => self.bracket_not_closed(open, next),
        };
        diagnostic.hints.extend(self.advice_in_bracket(open, next, separator));
        self.report(diagnostic)
    }

    /// Whether another item of the brackets begins here, rather than the next argument of the block.
    fn begins_item(&self, next: Token) -> bool {
        let begins = matches!(
            next.kind,
            TokenKind::Ident
                | TokenKind::NumberLit
                | TokenKind::OQuote
                | TokenKind::OHeredoc
                | TokenKind::OBrace
                | TokenKind::OBrack
                | TokenKind::OParen
        );
        let behind = self.text.get(next.extent.end as usize..).unwrap_or_default().trim_start();
        let is_argument = next.kind == TokenKind::Ident
            && self.is_first_of_line(next.extent.start)
            && behind.starts_with(['=', '{']);
        begins && !is_argument
    }

    fn no_comma(&self, open: Token, next: Token) -> Diagnostic {
        let what = match open.kind {
            TokenKind::OBrace => "entries",
            TokenKind::OParen => "arguments",
            _ => "items",
        };
        let expected =
            format!("{}; `,` or `{}` is expected before it", self.found(next), closing(open.kind));
        self.mistake(next.extent, format!("a `,` is missing between two {what}"), expected)
            .with_label(self.file.span(open.extent), format!("the {what} begin here"))
    }

    fn bracket_not_closed(&self, open: Token, next: Token) -> Diagnostic {
        let opening = self.slice(open.extent);
        let end = closing(open.kind);
        let found = self.found(next);
        let summary = format!("this `{opening}` is not closed");
        let goes_on = matches!(open.kind, TokenKind::TemplateInterp | TokenKind::TemplateControl)
            && !matches!(next.kind, TokenKind::End | TokenKind::Newline | TokenKind::OQuote);
        if goes_on {
            let expected = format!("{found}; `}}` is expected");
            return self
                .mistake(
                    next.extent,
                    format!("`{opening}` holds one expression, and this is more"),
                    expected,
                )
                .with_label(self.file.span(open.extent), "it begins here");
        }
        let remark = match next.kind {
            TokenKind::CBrace | TokenKind::CBrack | TokenKind::CParen
                if self.slice(next.extent) == end =>
            {
                format!("a `{end}` is missing before this one, which is indented less")
            }
            _ => format!("{found}; `{end}` is expected before"),
        };
        self.mistake(open.extent, summary, format!("this has no `{end}`"))
            .with_label(self.file.span(self.spot(next)), remark)
    }

    fn advice_in_bracket(
        &self,
        open: Token,
        next: Token,
        separator: Option<&str>,
    ) -> Option<String> {
        Some(match (open.kind, next.kind) {
            (TokenKind::OBrack, TokenKind::Equal | TokenKind::Colon) => {
                "names and values stand in braces: { name = value }".to_owned()
            }
            (TokenKind::OParen, TokenKind::Equal) if separator.is_some() => {
                "the arguments of a function have no names; two values are compared with `==`"
                    .to_owned()
            }
            (_, TokenKind::Equal) => "two values are compared with `==`".to_owned(),
            (_, TokenKind::Colon) => "a choice is written `condition ? value : other`".to_owned(),
            (TokenKind::TemplateInterp, TokenKind::OQuote) => {
                "close it with `}` before the quote; for a plain `${` write `$${`".to_owned()
            }
            (TokenKind::TemplateControl, TokenKind::OQuote) => {
                "close it with `}` before the quote; for a plain `%{` write `%%{`".to_owned()
            }
            (_, TokenKind::Ident) => match self.slice(next.extent) {
                "and" => "the logical \"and\" is `&&`".to_owned(),
                "or" => "the logical \"or\" is `||`".to_owned(),
                "if" if separator.is_none() => return None,
                "if" => "a choice is written `condition ? value : other`".to_owned(),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Where a key of an object should begin.
    pub(in super::super) fn no_key(&mut self, open: Token, token: Token) -> Broken {
        if token.kind == TokenKind::End {
            let diagnostic = self.bracket_not_closed(open, token);
            return self.report(diagnostic);
        }
        let label = format!("{}; a key is expected", self.found(token));
        let diagnostic = self
            .mistake(self.spot(token), "a key is missing in this object", label)
            .with_label(self.file.span(open.extent), "the object begins here");
        self.report(diagnostic)
    }

    /// A key without `=` or `:` behind it.
    pub(in super::super) fn no_value_of_key(
        &mut self,
        open: Token,
        key: Node,
        next: Token,
    ) -> Broken {
        let key = self.slice(key.extent);
        let label = format!("{}; `=` is expected", self.found(next));
        let diagnostic = match next.kind {
            TokenKind::Invalid => self.invalid(next),
            TokenKind::End => self.bracket_not_closed(open, next),
            TokenKind::OBrace => self
                .mistake(next.extent, "an object holds no blocks", label)
                .with_label(self.file.span(open.extent), "the object begins here")
                .with_hint(format!("write `{key} = {{ ... }}`")),
            TokenKind::EqualOp | TokenKind::FatArrow => self
                .mistake(next.extent, "a key is followed by `=`", label)
                .with_hint(format!("write `{key} = ...`")),
            _ => self
                .mistake(self.spot(next), format!("the key `{key}` has no value"), label)
                .with_label(self.file.span(open.extent), "the object begins here")
                .with_hint(format!("write `{key} = ...`; a list stands in brackets: [...]")),
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn key_twice(&mut self, name: &Name, first: Extent) {
        let summary = format!("the key `{}` is given twice in this object", name.text);
        let diagnostic = Diagnostic::warning("duplicate-key", summary)
            .with_label(self.file.span(name.extent), "this one counts")
            .with_label(self.file.span(first), "this one is without effect")
            .with_hint("remove one of the two");
        self.report(diagnostic);
    }

    pub(in super::super) fn for_without_name(&mut self, token: Token) -> Broken {
        let label = format!("{}; a name is expected", self.found(token));
        let diagnostic = self
            .mistake(self.spot(token), "`for` needs a name for its items", label)
            .with_hint("write `for item in list`, or `for key, value in map`");
        self.report(diagnostic)
    }

    pub(in super::super) fn for_without_in(&mut self, token: Token) -> Broken {
        let label = format!("{}; `in` is expected", self.found(token));
        let diagnostic = self
            .mistake(self.spot(token), "`in` is missing in a `for`", label)
            .with_hint("write `for item in list`, or `for key, value in map`");
        self.report(diagnostic)
    }

    pub(in super::super) fn for_without_colon(&mut self, token: Token) -> Broken {
        let label = format!("{}; `:` is expected", self.found(token));
        let diagnostic =
            self.mistake(self.spot(token), "`:` is missing in a `for`", label).with_hint(
                "write [for item in list : result], or {for key, value in map : key => result}",
            );
        self.report(diagnostic)
    }

    pub(in super::super) fn key_in_tuple(&mut self, open: Token, arrow: Token) -> Broken {
        let diagnostic = self
            .mistake(arrow.extent, "a `for` in brackets makes no keys", "found `=>`")
            .with_label(self.file.span(open.extent), "this begins a list")
            .with_hint("for an object, write braces: {for key, value in map : key => result}");
        self.report(diagnostic)
    }

    pub(in super::super) fn for_without_key(&mut self, open: Token, token: Token) -> Broken {
        let label = format!("{}; `=>` is expected", self.found(token));
        let diagnostic = self
            .mistake(self.spot(token), "a `for` in braces needs a key", label)
            .with_label(self.file.span(open.extent), "this begins an object")
            .with_hint(
                "write `key => value`; for a list, write brackets: [for item in list : result]",
            );
        self.report(diagnostic)
    }

    pub(in super::super) fn grouping_in_tuple(&mut self, open: Token, group: Token) -> Broken {
        let diagnostic = self
            .mistake(group.extent, "only a `for` in braces groups", "found `...`")
            .with_label(self.file.span(open.extent), "this begins a list")
            .with_hint("remove `...`, or write braces: {for item in list : key => item...}");
        self.report(diagnostic)
    }
}
