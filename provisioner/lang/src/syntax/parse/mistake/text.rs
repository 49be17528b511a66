//! Mistakes in quotes, heredocs and templates.

use super::super::super::ast::Extent;
use super::super::super::lex::Token;
use super::super::template::{Content, Piece};
use super::super::{Broken, Parser};
use crate::source::offset;

impl Parser<'_> {
    pub(in super::super) fn quote_not_closed(&mut self, open: Extent) -> Broken {
        let spot = self.behind();
        let diagnostic = self
            .mistake(open, "a text is not closed", "this quote has no second one")
            .with_label(self.file.span(spot), "the line ends here; `\"` is expected before")
            .with_hint("a text in quotes ends on the line it began; for several lines use a heredoc: <<-EOT");
        self.report(diagnostic)
    }

    pub(in super::super) fn heredoc_not_closed(&mut self, open: Token) -> Broken {
        let intro = self.slice(open.extent).trim_end();
        let delimiter = intro.trim_start_matches(['<', '-']);
        let extent =
            Extent { start: open.extent.start, end: open.extent.start + offset(intro.len()) };
        let mut diagnostic = self
            .mistake(
                extent,
                "a heredoc has no end",
                format!("no line of the text is `{delimiter}` alone"),
            )
            .with_hint(format!("put `{delimiter}` on a line of its own behind the text"));
        if let Some(near) = self.nearly_delimiter(open, delimiter) {
            diagnostic = diagnostic.with_label(
                self.file.span(near),
                format!("this line is not exactly `{delimiter}`"),
            );
        }
        self.report(diagnostic)
    }

    /// The first line that begins with the delimiter, whatever its case.
    fn nearly_delimiter(&self, open: Token, delimiter: &str) -> Option<Extent> {
        let mut position = open.extent.end;
        for line in self.text.get(open.extent.end as usize..)?.split_inclusive('\n') {
            let trimmed = line.trim();
            let start = trimmed.get(..delimiter.len());
            if start.is_some_and(|start| start.eq_ignore_ascii_case(delimiter)) {
                let indentation = offset(line.len() - line.trim_start().len());
                let start = position + indentation;
                return Some(Extent { start, end: start + offset(trimmed.len()) });
            }
            position += offset(line.len());
        }
        None
    }

    /// `rest` begins with the backslash at `start`.
    pub(in super::super) fn bad_escape(&mut self, start: u32, rest: &str) -> Broken {
        let next = rest.chars().nth(1);
        let length = 1 + next.map_or(0, char::len_utf8);
        let extent = Extent { start, end: start + offset(length) };
        let label = format!("found `{}`", &rest[..length]);
        let diagnostic = self.mistake(extent, "this is not an escape sequence", label);
        let diagnostic = match next {
            Some('u') => diagnostic.with_hint("four hexadecimal digits follow `\\u`: \\u00e9"),
            Some('U') => diagnostic.with_hint("eight hexadecimal digits follow `\\U`: \\U0001f600"),
            Some('$' | '%') => diagnostic.with_hint("a plain `${` is written `$${`, a plain `%{` is written `%%{`"),
            Some('\'') => diagnostic.with_hint("`'` needs no backslash"),
            _ => diagnostic
                .with_hint("a backslash is written `\\\\`; there are \\n, \\r, \\t, \\\", \\\\, \\uXXXX and \\UXXXXXXXX"),
        };
        self.report(diagnostic)
    }

    pub(in super::super) fn no_directive(&mut self, open: Token, word: Token) -> Broken {
        let label = format!("{}; a directive is expected", self.found(word));
        let diagnostic = self
            .mistake(self.spot(word), "there is no such directive", label)
            .with_label(self.file.span(open.extent), "it begins here");
        let diagnostic = match self.slice(word.extent) {
            "elseif" | "elsif" | "elif" => {
                diagnostic.with_hint("write `%{ else }%{ if ... }` and one more `%{ endif }`")
            }
            "end" | "fi" | "done" => diagnostic.with_hint("write `%{ endif }` or `%{ endfor }`"),
            _ => diagnostic.with_hint(
                "there are `if`, `else`, `endif`, `for` and `endfor`; for a plain `%{` write `%%{`",
            ),
        };
        self.report(diagnostic)
    }

    /// A directive that ends or divides what was not begun.
    pub(in super::super) fn stray_directive(&mut self, piece: &Piece<'_>) -> Broken {
        let (name, begin) = match piece.content {
            Content::EndFor => ("endfor", "for"),
            Content::EndIf => ("endif", "if"),
            _ => ("else", "if"),
        };
        let diagnostic = self
            .mistake(
                piece.extent,
                format!("`%{{ {name} }}` ends nothing"),
                format!("no `%{{ {begin} }}` is open here"),
            )
            .with_hint(format!("remove it, or begin with `%{{ {begin} ... }}`"));
        self.report(diagnostic)
    }

    pub(in super::super) fn directive_not_closed(
        &mut self,
        open: Extent,
        end: &str,
        other: Option<&Piece<'_>>,
    ) -> Broken {
        let diagnostic =
            self.mistake(open, "a directive is not closed", format!("this needs `%{{ {end} }}`"));
        let diagnostic = match other {
            Some(piece) => diagnostic.with_label(
                self.file.span(piece.extent),
                format!("found this; `%{{ {end} }}` is expected before"),
            ),
            None => diagnostic.with_label(self.file.span(self.behind()), "the template ends here"),
        };
        self.report(diagnostic.with_hint(format!("add `%{{ {end} }}` where it ends")))
    }
}
