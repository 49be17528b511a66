//! Mistakes where a value should stand, and behind one.

use super::super::super::ast::Extent;
use super::super::super::lex::{Token, TokenKind};
use super::super::{Broken, Parser};
use crate::source::offset;
use model::Diagnostic;

impl Parser<'_> {
    /// Where a value should begin.
    pub(in super::super) fn no_value(&mut self, token: Token) -> Broken {
        let diagnostic = match token.kind {
            TokenKind::Invalid => self.invalid(token),
            TokenKind::Less if self.rest_of_line(token.extent.start).starts_with("<<") => {
                self.bad_heredoc(token)
            }
            TokenKind::TemplateSeqEnd
                if matches!(self.last, TokenKind::TemplateInterp | TokenKind::TemplateControl) =>
            {
                self.mistake(token.extent, "an expression is missing in `${ }`", "found `}`")
                    .with_hint(
                        "write an expression between the braces; for a plain `${` write `$${`",
                    )
            }
            _ => self.value_missing(token),
        };
        self.report(diagnostic)
    }

    fn value_missing(&self, token: Token) -> Diagnostic {
        let found = self.found(token);
        let expected = format!("{found}; {}a value is expected", self.position());
        let diagnostic = self.mistake(self.spot(token), "a value is missing", expected);
        let rest = self.rest_of_line(token.extent.start);
        match (self.last, token.kind) {
            (TokenKind::EqualOp, TokenKind::Equal) => {
                diagnostic.with_hint("two values are compared with `==`")
            }
            (TokenKind::NotEqual, TokenKind::Equal) | (TokenKind::Less, TokenKind::Greater) => {
                diagnostic.with_hint("that two values differ is written `!=`")
            }
            (TokenKind::Question, TokenKind::Question) => {
                diagnostic.with_hint("the first value that is not null is coalesce(first, second)")
            }
            (TokenKind::Question, TokenKind::Colon) => {
                diagnostic.with_hint("a choice has both values: `condition ? value : other`")
            }
            (_, TokenKind::Plus) => diagnostic.with_hint("a number is written without `+`"),
            (_, TokenKind::Dot) if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                diagnostic.with_hint("a number begins with a digit: 0.5")
            }
            (TokenKind::Equal, TokenKind::Newline) => {
                diagnostic.with_hint("the value begins on the line of the `=`")
            }
            (last, TokenKind::Newline) if joins_values(last) => diagnostic.with_hint(
                "an expression goes on over several lines only in brackets: put it in parentheses",
            ),
            (_, next) if joins_values(next) => {
                diagnostic.with_hint("this operator stands between two values")
            }
            _ => diagnostic,
        }
    }

    /// Where in an expression the parser is: `after X`, if that helps.
    fn position(&self) -> String {
        let start = self.text.get(..self.end as usize).unwrap_or_default();
        let tail = start.rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let sign = |c: char| c.is_ascii_punctuation() && !matches!(c, '"' | '_' | '-');
        let kept = tail.len() - tail.trim_end_matches(sign).len();
        let signs = &tail[tail.len() - kept..];
        let one = signs.char_indices().next_back().map_or("", |(at, _)| &signs[at..]);
        match (self.last, one) {
            (last, _) if joins_values(last) => {
                let width = if matches!(last, TokenKind::Less | TokenKind::Greater) {
                    1
                } else {
                    signs.len().min(2)
                };
                let text = start.get(start.len() - width.max(1)..).unwrap_or_default();
                format!("after `{}` ", text.trim())
            }
            (_, "=" | "(" | "[" | "," | "?" | ":" | "!") => format!("after `{one}` "),
            _ => String::new(),
        }
    }

    pub(in super::super) fn goes_on_after_expression(&mut self, next: Token) -> Broken {
        let diagnostic = if next.kind == TokenKind::Invalid {
            self.invalid(next)
        } else {
            let label = format!("{}; the expression should end here", self.found(next));
            self.mistake(next.extent, "the expression goes on after its end", label)
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn no_colon(&mut self, question: Token, next: Token) -> Broken {
        let diagnostic = if next.kind == TokenKind::Invalid {
            self.invalid(next)
        } else {
            let label = format!("{}; `:` is expected", self.found(next));
            let diagnostic = self
                .mistake(self.spot(next), "a choice needs a second value", label)
                .with_label(self.file.span(question.extent), "the choice begins here");
            if next.kind == TokenKind::Newline {
                diagnostic.with_hint(
                    "write `condition ? value : other`; over several lines, put it in parentheses",
                )
            } else {
                diagnostic.with_hint("write `condition ? value : other`")
            }
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn bad_number(&mut self, token: Token) -> Broken {
        let text = self.slice(token.extent);
        let diagnostic = if text.matches('.').count() > 1 || text.matches(['e', 'E']).count() > 1 {
            self.mistake(token.extent, "this is not a number", format!("found `{text}`"))
                .with_hint(format!("if it is a text, quote it: \"{text}\""))
        } else {
            let mut diagnostic = self.mistake(token.extent, "the number is too large", "");
            "number-too-large".clone_into(&mut diagnostic.code);
            diagnostic
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn nested_splat(&mut self) -> Broken {
        let star = self.peek();
        let diagnostic = self
            .mistake(star.extent, "`.*` cannot stand in another `.*`", "the second one")
            .with_hint("write `[*]`, which may be repeated");
        self.report(diagnostic)
    }

    pub(in super::super) fn no_attribute_name(&mut self, dot: Token, next: Token) -> Broken {
        let label =
            format!("{}; behind `.` the name of an attribute is expected", self.found(next));
        let diagnostic = match next.kind {
            TokenKind::Invalid => self.invalid(next),
            TokenKind::OBrack => self
                .mistake(dot.extent, "no dot stands before `[`", label)
                .with_hint("write `value[index]` without the dot"),
            TokenKind::OQuote => self
                .mistake(next.extent, "the name of an attribute has no quotes", label)
                .with_hint("write `value.name`, or `value[\"name\"]`"),
            _ => self.mistake(self.spot(next), "the name of an attribute is missing", label),
        };
        self.report(diagnostic)
    }

    /// `list.0.1`, whose index reads as one number.
    pub(in super::super) fn chained_index(&mut self, dot: Token, number: Token) -> Broken {
        let text = self.slice(number.extent);
        let extent = Extent { start: dot.extent.start, end: number.extent.end };
        let indexes: String = text.split('.').flat_map(|index| ["[", index, "]"]).collect();
        let diagnostic = if text.contains('.') {
            self.mistake(
                extent,
                "indexes behind dots cannot be chained",
                format!("`{text}` reads as one number"),
            )
            .with_hint(format!("write `{indexes}`"))
        } else {
            self.mistake(extent, "this is not an index", format!("found `{text}`"))
                .with_hint("an index is a whole number: value[0]")
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn no_function_name(&mut self, next: Token) -> Broken {
        let label = format!("{}; behind `::` a function's name is expected", self.found(next));
        let diagnostic = self.mistake(self.spot(next), "the name of a function is missing", label);
        self.report(diagnostic)
    }

    pub(in super::super) fn no_arguments(&mut self, name: Extent, next: Token) -> Broken {
        let label = format!("{}; `(` is expected", self.found(next));
        let diagnostic = self
            .mistake(
                self.spot(next),
                format!("the function `{}` is not called", self.slice(name)),
                label,
            )
            .with_hint(format!("write `{}(...)`", self.slice(name)));
        self.report(diagnostic)
    }

    /// `<<` that does not begin a heredoc.
    fn bad_heredoc(&self, token: Token) -> Diagnostic {
        let line = self.rest_of_line(token.extent.start).trim_end_matches('\r');
        let extent = Extent {
            start: token.extent.start,
            end: token.extent.start + offset(line.trim_end().len()),
        };
        let sign = if line.starts_with("<<-") || line.starts_with("<<~") { "<<-" } else { "<<" };
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let behind = line[2..].trim_start_matches(['-', '~', ' ', '\t', '"', '\'']);
        let word: String = behind.chars().take_while(|c| is_word(*c)).collect();
        let word = if word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            word
        } else {
            "EOT".to_owned()
        };
        let summary = "this does not begin a heredoc";
        let spaces = line.len() > line.trim_end().len() && line.trim_end().ends_with(&word);
        let label = if spaces {
            "white space follows the delimiter"
        } else {
            "the delimiter is a plain word, and nothing else stands on the line"
        };
        self.mistake(extent, summary, label).with_hint(format!(
            "write `{sign}{word}`, the text on the next lines, and `{word}` on a line of its own"
        ))
    }
}

/// Whether this token stands between two values.
fn joins_values(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Percent
            | TokenKind::EqualOp
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessEq
            | TokenKind::Greater
            | TokenKind::GreaterEq
            | TokenKind::And
            | TokenKind::Or
    )
}
