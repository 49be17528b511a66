//! The parser: tokens to the tree, mistakes to diagnostics.
//!
//! Recursive descent over one token of look-ahead. Invariants: a mistake in one argument or block leaves all others
//! readable (`recover`); an argument that cannot be read is there nevertheless, as
//! [`Tag::Broken`](super::tree::Tag::Broken); nesting is bounded, so that neither the parser nor what walks over its tree
//! runs out of stack; time is linear.
//! Where braces do not match, the file is read once more, and the indentation says which of them is wrong.
//! Refuses to know: what any block or name means.

mod body;
mod collection;
mod expression;
mod indentation;
mod mistake;
mod recover;
mod template;

use super::ast::{Body, Expression, Name, Parts};
use super::lex::{Lexer, Token, TokenKind};
use super::tree::{Extent, Node, TreeBuilder};
use crate::source::SourceFile;
use model::Diagnostic;
use std::sync::Arc;

/// How many syntax errors of one file are reported.
const MOST_ERRORS: usize = 20;

/// How deep brackets, operators, templates and blocks may be nested.
const MOST_NESTED: u32 = 200;

/// A mistake that has been reported.
struct Broken;

type Parsed<T> = Result<T, Broken>;

/// Parses a file.
pub(crate) fn parse_file(file: &Arc<SourceFile>) -> (Body, Vec<Diagnostic>) {
    let mut parser = Parser::new(file, Lexer::new(&file.text), Braces::AsWritten);
    let mut body = parser.file();
    if let Some(braces) = parser.unbalanced {
        let mut second = Parser::new(file, Lexer::new(&file.text), braces);
        let guided = second.file();
        if second.guessed {
            body = guided;
            parser = second;
        }
    }
    (body, parser.finished())
}

/// Parses an expression that stands on its own: kept in a plan, or given on the command line. It may span lines
/// as if it stood in parentheses, since it may have been cut out of some. Gives the mistakes when there are any.
pub(crate) fn parse_expression(name: &str, text: &str) -> Result<Expression, Vec<Diagnostic>> {
    let file = SourceFile::new(name, text);
    let mut parser = Parser::new(&file, Lexer::new(&file.text), Braces::AsWritten);
    parser.newlines = false;
    let root = parser.whole_expression();
    parser.alone(root)
}

/// Parses an expression as it would stand behind `name =`: a line break outside of brackets ends it, and only
/// further line breaks may follow. Gives the mistakes when there are any.
pub(crate) fn parse_line(name: &str, text: &str) -> Result<Expression, Vec<Diagnostic>> {
    let file = SourceFile::new(name, format!("{text}\n"));
    let mut parser = Parser::new(&file, Lexer::new(&file.text), Braces::AsWritten);
    while parser.eat(TokenKind::Newline).is_some() {}
    let root = parser.expression().and_then(|root| {
        while parser.eat(TokenKind::Newline).is_some() {}
        let next = parser.peek();
        if next.kind == TokenKind::End {
            Ok(root)
        } else {
            Err(parser.goes_on_after_expression(next))
        }
    });
    parser.alone(root)
}

/// Parses the text of a template. Gives the mistakes when there are any.
pub(crate) fn parse_template(file: &Arc<SourceFile>) -> Result<Parts<'_>, Vec<Diagnostic>> {
    let mut parser = Parser::new(file, Lexer::template(&file.text), Braces::AsWritten);
    match parser.whole_template() {
        Ok(template) if !parser.failed() => {
            parser.finished();
            Ok(Parts::of_file(file, template))
        }
        _ => Err(parser.mistakes()),
    }
}

/// How braces that do not match are understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Braces {
    /// As they stand.
    AsWritten,
    /// Some are not closed: those whose end is indented less than their start.
    NotClosed,
    /// There are too many closing ones: those that are indented more than what they would close.
    TooMany,
}

struct Parser<'t> {
    file: &'t Arc<SourceFile>,
    text: &'t str,
    lexer: Lexer<'t>,
    ahead: Option<Token>,
    /// What the last token that was read was, and where it ended.
    last: TokenKind,
    end: u32,
    /// Whether a line break means something; otherwise it is skipped.
    newlines: bool,
    depth: u32,
    tree: TreeBuilder,
    diagnostics: Vec<Diagnostic>,
    braces: Braces,
    /// How the braces of the file fail to match.
    unbalanced: Option<Braces>,
    /// Whether the indentation told which brace is wrong.
    guessed: bool,
    /// Whether there were too many mistakes to go on.
    stopped: bool,
}

impl<'t> Parser<'t> {
    fn new(file: &'t Arc<SourceFile>, lexer: Lexer<'t>, braces: Braces) -> Self {
        Self {
            file,
            text: &file.text,
            lexer,
            ahead: None,
            last: TokenKind::Newline,
            end: 0,
            newlines: true,
            depth: 0,
            tree: TreeBuilder::new(file.text.len()),
            diagnostics: Vec::new(),
            braces,
            unbalanced: None,
            guessed: false,
            stopped: false,
        }
    }

    /// The next token that means something.
    #[inline]
    fn peek(&mut self) -> Token {
        match self.ahead {
            // It is looked at again and again, and nearly always it is this one.
            Some(token) if self.is_meant(token.kind) => token,
            _ => self.look(),
        }
    }

    /// Whether a token is neither a comment nor a line break that means nothing.
    #[inline]
    fn is_meant(&self, kind: TokenKind) -> bool {
        match kind {
            TokenKind::Comment => false,
            TokenKind::Newline => self.newlines,
            _ => true,
        }
    }

    fn look(&mut self) -> Token {
        loop {
            let token = match self.ahead {
                Some(token) => token,
                None => self.lexer.next_token(),
            };
            if self.is_meant(token.kind) {
                self.ahead = Some(token);
                return token;
            }
            if token.kind == TokenKind::Comment {
                self.check_comment(token);
            }
            self.ahead = None;
        }
    }

    /// A comment has an end.
    fn check_comment(&mut self, token: Token) {
        let text = self.slice(token.extent);
        if text.starts_with("/*") && (text.len() < 4 || !text.ends_with("*/")) {
            let start = Extent { start: token.extent.start, end: token.extent.start + 2 };
            let diagnostic = self
                .mistake(
                    start,
                    "a comment has no end",
                    "this comment goes on to the end of the file",
                )
                .with_hint("end it with `*/`");
            self.diagnostics.push(diagnostic);
            self.stopped = true;
        }
    }

    #[inline]
    fn kind(&mut self) -> TokenKind {
        self.peek().kind
    }

    /// Takes the next token.
    #[inline]
    fn read(&mut self) -> Token {
        let token = self.peek();
        self.ahead = None;
        self.last = token.kind;
        self.end = token.extent.end;
        token
    }

    /// Takes the next token if it is of this kind.
    fn eat(&mut self, kind: TokenKind) -> Option<Token> {
        (self.kind() == kind).then(|| self.read())
    }

    fn slice(&self, extent: Extent) -> &'t str {
        self.text.get(extent.start as usize..extent.end as usize).unwrap_or_default()
    }

    /// Whether the next token is this word.
    fn at_word(&mut self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Ident && self.slice(token.extent) == word
    }

    /// The number of a word of the file.
    fn word(&mut self, extent: Extent) -> u32 {
        let text = self.slice(extent);
        self.tree.words.number(text)
    }

    /// A word of the file; each is kept once.
    fn name(&mut self, extent: Extent) -> Name {
        let text = self.slice(extent);
        Name { text: self.tree.words.word(text), extent }
    }

    /// Parses with line breaks having a meaning, or not; afterwards it is as before.
    fn with_newlines<T>(&mut self, newlines: bool, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.newlines, newlines);
        let result = inner(self);
        self.newlines = before;
        result
    }

    /// Parses one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MOST_NESTED {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Broken {
        if !self.stopped {
            self.diagnostics.push(diagnostic);
            let errors = self.diagnostics.iter().filter(|d| d.is_error()).count();
            self.stopped = errors >= MOST_ERRORS;
        }
        Broken
    }

    fn failed(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Gives the tree to the file, and the mistakes that were found.
    fn finished(self) -> Vec<Diagnostic> {
        self.file.keep(self.tree.finish());
        in_source_order(self.diagnostics)
    }

    /// The expression that is all of the text, or the mistakes.
    fn alone(self, root: Parsed<Node>) -> Result<Expression, Vec<Diagnostic>> {
        let Some(root) = root.ok().filter(|_| !self.failed()) else {
            return Err(self.mistakes());
        };
        let expression = Expression::new(self.file.clone(), root);
        self.finished();
        Ok(expression)
    }

    /// What was found, in source order.
    fn mistakes(self) -> Vec<Diagnostic> {
        in_source_order(self.diagnostics)
    }
}

fn in_source_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span.start));
    diagnostics
}
