//! Mistakes in arguments and blocks.

use super::super::super::ast::Name;
use super::super::super::lex::{Token, TokenKind};
use super::super::super::tree::{Extent, Node, Tag};
use super::super::body::Enclosing;
use super::super::{Broken, Parser};

impl Parser<'_> {
    /// Where an argument or a block should begin.
    pub(in super::super) fn no_item(&mut self, token: Token) -> Broken {
        let found = self.found(token);
        let expected =
            format!("{found}; an argument `name = value` or a block `name {{ ... }}` is expected");
        let diagnostic = match token.kind {
            TokenKind::Invalid => self.invalid(token),
            TokenKind::OQuote => {
                let rest = &self.rest_of_line(token.extent.start)[1..];
                let name = rest.split('"').next().unwrap_or_default();
                let end = token.extent.end + crate::source::offset(name.len()) + 1;
                let extent = Extent { start: token.extent.start, end: end.min(crate::source::offset(self.text.len())) };
                self.mistake(extent, "the name of an argument has no quotes", "found quotes")
                    .with_hint(format!("write `{name} = ...`; names in quotes are the keys of objects"))
            }
            TokenKind::CBrack | TokenKind::CParen | TokenKind::TemplateSeqEnd => {
                self.mistake(token.extent, format!("this `{}` closes nothing", self.slice(token.extent)), found)
                    .with_hint("remove it, or add what it should close")
            }
            TokenKind::Equal => self
                .mistake(token.extent, "a name is missing before `=`", expected)
                .with_hint("write `name = value`"),
            TokenKind::NumberLit => self
                .mistake(token.extent, "a name does not begin with a digit", expected),
            TokenKind::OBrace => self
                .mistake(token.extent, "this `{` belongs to no block", expected)
                .with_hint("the `{` of a block stands on the line of its name"),
            TokenKind::Comma => self
                .mistake(token.extent, "arguments are separated by line breaks", found)
                .with_hint("remove the `,`"),
            _ if self.is_first_of_line(token.extent.start) => self
                .mistake(token.extent, "an expression does not go on here", expected)
                .with_hint("an expression goes on over several lines only in brackets: put it in parentheses"),
            _ => self.mistake(token.extent, "neither an argument nor a block", expected),
        };
        self.report(diagnostic)
    }

    /// A word, and behind it neither `=` nor a block.
    pub(in super::super) fn neither_argument_nor_block(
        &mut self,
        name: &Name,
        next: Token,
        one_line: bool,
    ) -> Broken {
        let word = name.text.as_ref();
        let found = self.found(next);
        let spot = self.spot(next);
        let diagnostic = match next.kind {
            _ if one_line => self
                .mistake(
                    spot,
                    "a block on one line holds one argument",
                    format!("{found}; `=` is expected"),
                )
                .with_hint("to hold blocks or several arguments, put each on a line of its own"),
            TokenKind::Colon => self
                .mistake(
                    next.extent,
                    "an argument is written with `=`",
                    "found `:`; `=` is expected",
                )
                .with_hint(format!("write `{word} = ...`")),
            TokenKind::EqualOp => self
                .mistake(
                    next.extent,
                    "an argument is written with one `=`",
                    "found `==`; `=` is expected",
                )
                .with_hint(format!("write `{word} = ...`")),
            TokenKind::FatArrow => self
                .mistake(
                    next.extent,
                    "an argument is written with `=`",
                    "found `=>`; `=` is expected",
                )
                .with_hint(format!("write `{word} = ...`")),
            TokenKind::Dot | TokenKind::OBrack => self
                .mistake(
                    name.extent,
                    "the name of an argument is one word",
                    format!("behind it, {found}; `=` is expected"),
                )
                .with_hint(format!(
                    "to set a part of a value, write the whole: `{word} = {{ ... }}`"
                )),
            TokenKind::Newline | TokenKind::End if self.line_begins_with_brace(next) => self
                .mistake(
                    name.extent,
                    format!("the block `{word}` has no `{{` on its line"),
                    "this line ends without it",
                )
                .with_hint(format!("write `{word} {{` on one line")),
            TokenKind::Newline | TokenKind::End => self
                .mistake(
                    name.extent,
                    format!("`{word}` is neither an argument nor a block"),
                    "the line ends behind it",
                )
                .with_hint(format!(
                    "write `{word} = ...` for an argument, `{word} {{ ... }}` for a block"
                )),
            TokenKind::Invalid => self.invalid(next),
            _ => self.mistake(
                spot,
                format!("`{word}` is neither an argument nor a block"),
                format!("{found}; `=` or `{{` is expected"),
            ),
        };
        self.report(diagnostic)
    }

    /// Whether the next line that is not empty begins with `{`.
    fn line_begins_with_brace(&self, line_break: Token) -> bool {
        let rest = self.text.get(line_break.extent.end as usize..).unwrap_or_default();
        rest.trim_start().starts_with('{')
    }

    pub(in super::super) fn goes_on_after_argument(
        &mut self,
        name: &Name,
        value: Node,
        next: Token,
        one_line: bool,
    ) -> Broken {
        if next.kind == TokenKind::Invalid {
            let diagnostic = self.invalid(next);
            return self.report(diagnostic);
        }
        let expected = if one_line { "`}` is expected" } else { "the line should end here" };
        let label = format!("{}; {expected}", self.found(next));
        if next.kind == TokenKind::Comma {
            let diagnostic = if one_line {
                self.mistake(next.extent, "a block on one line holds one argument", label)
                    .with_hint("put every argument on a line of its own")
            } else {
                self.mistake(next.extent, "arguments are separated by line breaks", label)
                    .with_hint("remove the `,`")
            };
            return self.report(diagnostic);
        }
        let summary = format!("the argument `{}` goes on after its value", name.text);
        let mut diagnostic = self.mistake(next.extent, summary, label);
        diagnostic.hints.extend(self.advice_after_value(value, next));
        self.report(diagnostic)
    }

    /// What may have been meant by a value that something follows.
    pub(super) fn advice_after_value(&self, value: Node, next: Token) -> Option<String> {
        let word = self.slice(next.extent);
        let touches = next.extent.start == value.extent.end;
        let is_text = self.slice(value.extent).starts_with('"');
        let behind = self.text.get(next.extent.end as usize..).unwrap_or_default().trim_start();
        Some(match next.kind {
            TokenKind::Ident if word == "and" => "the logical \"and\" is `&&`".to_owned(),
            TokenKind::Ident if word == "or" => "the logical \"or\" is `||`".to_owned(),
            TokenKind::Ident if word == "if" || word == "then" => {
                "a choice is written `condition ? value : other`".to_owned()
            }
            TokenKind::Ident if touches && is_text => {
                "a quote inside of a text is written `\\\"`".to_owned()
            }
            TokenKind::Ident if touches => {
                let whole = Extent { start: value.extent.start, end: next.extent.end };
                format!("if it is a text, quote it: \"{}\"", self.slice(whole))
            }
            TokenKind::Ident if behind.starts_with('=') && !behind.starts_with("==") => {
                "put every argument on a line of its own".to_owned()
            }
            TokenKind::Ident if value.tag == Tag::Variable => {
                let line = self.rest_of_line(value.extent.start).trim_end();
                format!("if it is a text, quote it: \"{}\"", line.replace('"', "\\\""))
            }
            TokenKind::OQuote if is_text => {
                "texts are joined in one: \"${first}${second}\"; a quote inside of a text is written `\\\"`".to_owned()
            }
            TokenKind::Equal => "two values are compared with `==`".to_owned(),
            TokenKind::Colon => "a choice is written `condition ? value : other`".to_owned(),
            TokenKind::FatArrow => "the comparison is written `>=`".to_owned(),
            TokenKind::CBrack | TokenKind::CParen | TokenKind::CBrace => {
                format!("this `{word}` closes nothing: remove it, or add what it should close")
            }
            _ => return None,
        })
    }

    pub(in super::super) fn argument_twice(&mut self, name: &Name, first: Extent) {
        let summary = format!("the argument `{}` is given twice", name.text);
        let mut diagnostic = self
            .mistake(name.extent, summary, "the second one")
            .with_label(self.file.span(first), "the first one")
            .with_hint("remove one of the two");
        "duplicate-argument".clone_into(&mut diagnostic.code);
        self.report(diagnostic);
    }

    /// Behind a block's name and labels, where `{` or another label should stand.
    pub(in super::super) fn no_block_body(&mut self, kind: &Name, next: Token) -> Broken {
        let found = self.found(next);
        let expected = format!("{found}; a label or `{{` is expected");
        let block = &kind.text;
        let diagnostic = match next.kind {
            TokenKind::Equal => self
                .mistake(next.extent, "a block has no `=`", expected)
                .with_hint(format!("write `{block} ... {{` without `=`; only an argument, which has no labels, has one")),
            TokenKind::Newline | TokenKind::End => {
                let hint = if self.line_begins_with_brace(next) {
                    "the `{` of a block stands on the line of its name".to_owned()
                } else {
                    format!("for a block write `{block} ... {{`; for an argument write `{block} = ...`")
                };
                self.mistake(self.spot(next), format!("the block `{block}` has no `{{`"), expected).with_hint(hint)
            }
            TokenKind::Invalid => self.invalid(next),
            TokenKind::Dot => self
                .mistake(next.extent, "the labels of a block are separated by spaces", expected)
                .with_hint("write every label in quotes of its own: resource \"type\" \"name\" {"),
            TokenKind::Comma => self
                .mistake(next.extent, "the labels of a block are separated by spaces", expected)
                .with_hint("remove the `,`"),
            _ => self.mistake(next.extent, format!("the header of the block `{block}` is not complete"), expected),
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn template_in_label(&mut self, token: Token) -> Broken {
        let diagnostic = self
            .mistake(
                token.extent,
                "a block's label is plain text",
                "an interpolation cannot stand in a label",
            )
            .with_hint("write the name itself; to make several of a block, use `for_each`");
        self.report(diagnostic)
    }

    pub(in super::super) fn goes_on_after_block(&mut self, next: Token) -> Broken {
        let label = format!("{}; the line should end here", self.found(next));
        let diagnostic = match next.kind {
            TokenKind::Comma => self
                .mistake(next.extent, "blocks are separated by line breaks", label)
                .with_hint("remove the `,`"),
            TokenKind::Ident => self
                .mistake(next.extent, "a block ends its line", label)
                .with_hint("what follows a block begins on a new line"),
            _ => self.mistake(next.extent, "a block ends its line", label),
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn one_line_goes_on(&mut self, block: Enclosing, next: Token) -> Broken {
        let label = format!("{}; `}}` is expected", self.found(next));
        let diagnostic = self
            .mistake(
                self.spot(next),
                "a block that begins with an argument on its line ends on it",
                label,
            )
            .with_label(self.file.span(block.brace), "the block begins here")
            .with_hint("put a line break behind the `{`, and every argument on a line of its own");
        self.report(diagnostic)
    }

    /// A block whose end is missing before this token.
    pub(in super::super) fn block_not_closed(&mut self, block: Enclosing, before: Token) {
        let header = self.slice(block.header);
        let remark = match before.kind {
            TokenKind::End => "the text ends here, and a `}` is missing",
            TokenKind::CBrace => "a `}` is missing before this one, which is indented less",
            _ => "a `}` is missing before this line, which is indented no more than the block",
        };
        let diagnostic = self
            .mistake(
                block.brace,
                format!("the block `{header}` is not closed"),
                "this `{` has no `}`",
            )
            .with_label(self.file.span(self.spot(before)), remark)
            .with_hint("add a `}` on a line of its own where the block ends");
        self.report(diagnostic);
    }

    pub(in super::super) fn closes_nothing(&mut self, token: Token) {
        let diagnostic = self
            .mistake(
                token.extent,
                "this `}` closes nothing",
                "every `{` before it is closed already",
            )
            .with_hint("remove it, or look for a `}` before it that ends a block too early");
        self.report(diagnostic);
    }
}
