//! Syntax errors in the words of the language: what was found, what is expected, what to do about it.

mod bracket;
mod structure;
mod text;
mod value;

use super::super::ast::Extent;
use super::super::lex::{Token, TokenKind};
use super::{Broken, MOST_NESTED, Parser};
use model::Diagnostic;

impl Parser<'_> {
    /// A syntax error that is still to be reported.
    pub(super) fn mistake(
        &self,
        extent: Extent,
        summary: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error("syntax", summary).with_label(self.file.span(extent), label)
    }

    /// The place of a token; of the end of a line or of the text, the place just behind what comes before.
    fn spot(&self, token: Token) -> Extent {
        match token.kind {
            TokenKind::Newline | TokenKind::End => self.behind(),
            _ => token.extent,
        }
    }

    /// The place behind the last token that was read.
    fn behind(&self) -> Extent {
        Extent { start: self.end, end: self.end }
    }

    /// A token in words.
    fn found(&self, token: Token) -> String {
        match token.kind {
            TokenKind::Newline => "the line ends here".to_owned(),
            TokenKind::End => "the text ends here".to_owned(),
            TokenKind::OQuote => "found a text in quotes".to_owned(),
            TokenKind::OHeredoc => "found a heredoc".to_owned(),
            _ => format!("found `{}`", self.slice(token.extent)),
        }
    }

    pub(super) fn too_deep(&mut self) -> Broken {
        let token = self.peek();
        let label = format!("this is more than {MOST_NESTED} levels deep");
        let diagnostic = self
            .mistake(self.spot(token), "the nesting is too deep", label)
            .with_hint("give the inner parts names in `locals { ... }`, and use those");
        self.report(diagnostic)
    }

    /// A character that means nothing in the language.
    fn invalid(&self, token: Token) -> Diagnostic {
        let text = self.slice(token.extent);
        let character = text.chars().next().unwrap_or_default();
        match character {
            '\'' => return self.single_quotes(token),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '\u{ab}'
            | '\u{bb}' => {
                return self
                    .mistake(
                        token.extent,
                        "this is not a quote",
                        format!("found `{text}`, a typographic quote"),
                    )
                    .with_hint("text stands in plain double quotes: \"...\"");
            }
            '$' if self.rest_of_line(token.extent.start).starts_with("${") => {
                return self.interpolation_outside(token);
            }
            _ => {}
        }
        let label =
            if character.is_control() || (character.is_whitespace() || is_invisible(character)) {
                format!("found the invisible character U+{:04X}", u32::from(character))
            } else {
                format!("found `{text}`")
            };
        let diagnostic = self.mistake(token.extent, "a character has no meaning here", label);
        match character {
            '&' => diagnostic.with_hint("the logical \"and\" is `&&`"),
            '|' => diagnostic.with_hint("the logical \"or\" is `||`"),
            ';' => diagnostic.with_hint("every argument stands on a line of its own, without `;`"),
            '~' => diagnostic.with_hint("`~` stands only in `${~ ... ~}` and `%{~ ... ~}`"),
            '`' => diagnostic.with_hint("text stands in double quotes: \"...\""),
            '$' => diagnostic.with_hint("a name has no `$`; a variable is written `var.NAME`"),
            '^' => diagnostic.with_hint("a power is written pow(base, exponent)"),
            _ if is_invisible(character) || character.is_whitespace() => {
                diagnostic.with_hint("remove it, or write a plain space instead")
            }
            _ => diagnostic.with_hint("text stands in double quotes: \"...\""),
        }
    }

    fn single_quotes(&self, token: Token) -> Diagnostic {
        let rest = self.rest_of_line(token.extent.start);
        let length = rest[1..].find('\'').map(|at| at + 2);
        let mut extent = token.extent;
        let mut hint = "text stands in double quotes: \"...\"".to_owned();
        if let Some(length) = length {
            extent.end = extent.start + crate::source::offset(length);
            let inner = &rest[1..length - 1];
            if !inner.contains(['"', '\\']) {
                hint = format!("text stands in double quotes: \"{inner}\"");
            }
        }
        self.mistake(extent, "text does not stand in single quotes", "found single quotes")
            .with_hint(hint)
    }

    fn interpolation_outside(&self, token: Token) -> Diagnostic {
        let rest = self.rest_of_line(token.extent.start);
        let length = rest.find('}').map_or(2, |at| at + 1);
        let inner = rest.get(2..length - 1).unwrap_or_default().trim();
        let extent = Extent {
            start: token.extent.start,
            end: token.extent.start + crate::source::offset(length),
        };
        let hint = if inner.is_empty() {
            "write the expression itself".to_owned()
        } else {
            format!("write `{inner}`")
        };
        self.mistake(
            extent,
            "`${ }` stands only inside of quotes and heredocs",
            "this is outside of them",
        )
        .with_hint(hint)
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}')
}

/// What a token that begins something is closed by.
fn closing(open: TokenKind) -> &'static str {
    match open {
        TokenKind::OParen => ")",
        TokenKind::OBrack => "]",
        _ => "}",
    }
}
