//! What text is made of.

use crate::syntax::Extent;

/// One piece of text. White space, and a byte-order mark at the very start, are what lies between two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub extent: Extent,
}

/// The kinds of tokens, named as in HCL's own scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenKind {
    /// `{`
    OBrace,
    /// `}` that does not end a template sequence.
    CBrace,
    /// `[`
    OBrack,
    /// `]`
    CBrack,
    /// `(`
    OParen,
    /// `)`
    CParen,
    /// `"` that begins a quoted template.
    OQuote,
    /// `"` that ends one. A quoted template that is broken by the end of the line has none.
    CQuote,
    /// `<<NAME` or `<<-NAME` with the line break behind it.
    OHeredoc,
    /// The line that ends a heredoc, with the white space around the delimiter but without the line break.
    CHeredoc,

    /// `*`
    Star,
    /// `/`
    Slash,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `%`
    Percent,

    /// `=`
    Equal,
    /// `==`
    EqualOp,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEq,
    /// `>`
    Greater,
    /// `>=`
    GreaterEq,

    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Bang,

    /// `.`
    Dot,
    /// `,`
    Comma,
    /// `...`
    Ellipsis,
    /// `=>`
    FatArrow,
    /// `?`
    Question,
    /// `:`
    Colon,
    /// `::`
    DoubleColon,

    /// `${` or `${~`
    TemplateInterp,
    /// `%{` or `%{~`
    TemplateControl,
    /// `}` or `~}` that ends one of these two. `~}` is always this, even where nothing is to be ended.
    TemplateSeqEnd,

    /// Literal text in quotes, escapes as they are written; never empty, without line breaks.
    QuotedLit,
    /// Literal text of a heredoc or of a template without quotes; at most one line, with its line break.
    StringLit,
    /// A number: digits, dots and exponents in any order, so that `1.2.3` is one mistake and not several.
    NumberLit,
    /// A word.
    Ident,

    /// `# ...`, `// ...` without the line break, or `/* ... */` (up to the end of the text if nothing ends it).
    Comment,
    /// `\n` or `\r\n`.
    Newline,

    /// One character that means nothing.
    Invalid,
    /// The end of the text; empty.
    End,
}
