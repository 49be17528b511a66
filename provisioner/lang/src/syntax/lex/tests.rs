//! The lexer's tokens, one notation for all cases: kind and text of each.

use super::*;

fn shown(text: &str, tokens: &[Token]) -> String {
    let one = |token: &Token| {
        let slice = &text[token.extent.start as usize..token.extent.end as usize];
        format!("{:?} {slice:?}", token.kind)
    };
    tokens.iter().filter(|t| t.kind != TokenKind::End).map(one).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(text: &str, expected: &[(TokenKind, &str)]) {
    let tokens = lex(text);
    let expected: Vec<_> =
        expected.iter().map(|(kind, text)| format!("{kind:?} {text:?}")).collect();
    assert_eq!(shown(text, &tokens), expected.join("\n"), "{text}");
    lossless(text, &tokens);
}

/// Whether the tokens are in order and only white space is left out.
fn lossless(text: &str, tokens: &[Token]) {
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    for token in tokens {
        let (start, end) = (token.extent.start as usize, token.extent.end as usize);
        assert!(text[at..start].bytes().all(|b| matches!(b, b' ' | b'\t')), "{text:?}: {token:?}");
        assert!(start < end || token.kind == TokenKind::End, "{text:?}: {token:?}");
        at = end;
    }
    assert_eq!(at, text.len(), "{text:?}");
}

use TokenKind::{
    And, Bang, CBrace, CBrack, CHeredoc, CQuote, Colon, Comma, Comment, Dot, DoubleColon, Ellipsis,
    Equal, EqualOp, FatArrow, GreaterEq, Ident, Invalid, Less, LessEq, Minus, Newline, NotEqual,
    NumberLit, OBrace, OBrack, OHeredoc, OQuote, Or, Percent, Question, QuotedLit, Slash, Star,
    StringLit, TemplateControl, TemplateInterp, TemplateSeqEnd,
};

#[test]
fn words_numbers_and_signs() {
    check(
        "a-b_1 = 1.5e-3\n",
        &[(Ident, "a-b_1"), (Equal, "="), (NumberLit, "1.5e-3"), (Newline, "\n")],
    );
    check(
        "\u{feff}straße é2 _x 日本",
        &[(Ident, "straße"), (Ident, "é2"), (Ident, "_x"), (Ident, "日本")],
    );
    check(
        "a.0.1 1... 1.2.3 2.e5 3e+ 4.",
        &[
            (Ident, "a"),
            (Dot, "."),
            (NumberLit, "0.1"),
            (NumberLit, "1"),
            (Ellipsis, "..."),
            (NumberLit, "1.2.3"),
            (NumberLit, "2.e5"),
            (NumberLit, "3"),
            (Ident, "e"),
            (TokenKind::Plus, "+"),
            (NumberLit, "4"),
            (Dot, "."),
        ],
    );
    check(
        "== != <= >= && || ! => ? : :: , * / % - [*] .. & '",
        &[
            (EqualOp, "=="),
            (NotEqual, "!="),
            (LessEq, "<="),
            (GreaterEq, ">="),
            (And, "&&"),
            (Or, "||"),
            (Bang, "!"),
            (FatArrow, "=>"),
            (Question, "?"),
            (Colon, ":"),
            (DoubleColon, "::"),
            (Comma, ","),
            (Star, "*"),
            (Slash, "/"),
            (Percent, "%"),
            (Minus, "-"),
            (OBrack, "["),
            (Star, "*"),
            (CBrack, "]"),
            (Dot, "."),
            (Dot, "."),
            (Invalid, "&"),
            (Invalid, "'"),
        ],
    );
}

#[test]
fn comments_and_line_breaks() {
    check(
        "# a\r\n// b\n/* c\n */ d\r/* e",
        &[
            (Comment, "# a"),
            (Newline, "\r\n"),
            (Comment, "// b"),
            (Newline, "\n"),
            (Comment, "/* c\n */"),
            (Ident, "d"),
            (Invalid, "\r"),
            (Comment, "/* e"),
        ],
    );
    check("#", &[(Comment, "#")]);
    check("a /*/", &[(Ident, "a"), (Comment, "/*/")]);
}

#[test]
fn quoted_templates() {
    check(
        "\"a \\\" $${b} %%{c} $ % \\\\\"",
        &[(OQuote, "\""), (QuotedLit, "a \\\" $${b} %%{c} $ % \\\\"), (CQuote, "\"")],
    );
    check(
        "\"${a}-%{~ if {} ~}x\"",
        &[
            (OQuote, "\""),
            (TemplateInterp, "${"),
            (Ident, "a"),
            (TemplateSeqEnd, "}"),
            (QuotedLit, "-"),
            (TemplateControl, "%{~"),
            (Ident, "if"),
            (OBrace, "{"),
            (CBrace, "}"),
            (TemplateSeqEnd, "~}"),
            (QuotedLit, "x"),
            (CQuote, "\""),
        ],
    );
    check(
        "\"${\"${\n\"\"}\"}\"",
        &[
            (OQuote, "\""),
            (TemplateInterp, "${"),
            (OQuote, "\""),
            (TemplateInterp, "${"),
            (Newline, "\n"),
            (OQuote, "\""),
            (CQuote, "\""),
            (TemplateSeqEnd, "}"),
            (CQuote, "\""),
            (TemplateSeqEnd, "}"),
            (CQuote, "\""),
        ],
    );
    check("\"$$${a}\"", &[(OQuote, "\""), (QuotedLit, "$$${a}"), (CQuote, "\"")]);
}

#[test]
fn a_line_break_ends_a_quoted_template() {
    check(
        "\"a\\\nb = \"c",
        &[
            (OQuote, "\""),
            (QuotedLit, "a\\"),
            (Newline, "\n"),
            (Ident, "b"),
            (Equal, "="),
            (OQuote, "\""),
            (QuotedLit, "c"),
        ],
    );
    check("\"\\é\"", &[(OQuote, "\""), (QuotedLit, "\\é"), (CQuote, "\"")]);
    check("\"\\", &[(OQuote, "\""), (QuotedLit, "\\")]);
}

#[test]
fn heredocs() {
    check(
        "a = <<-EOT\r\n  x ${b}EOT\n EOTX\n  EOT \n}",
        &[
            (Ident, "a"),
            (Equal, "="),
            (OHeredoc, "<<-EOT\r\n"),
            (StringLit, "  x "),
            (TemplateInterp, "${"),
            (Ident, "b"),
            (TemplateSeqEnd, "}"),
            (StringLit, "EOT\n"),
            (StringLit, " EOTX\n"),
            (CHeredoc, "  EOT "),
            (Newline, "\n"),
            (CBrace, "}"),
        ],
    );
    check(
        "<<A\n${\"\n<<B\nA\nB\n}\nA",
        &[
            (OHeredoc, "<<A\n"),
            (TemplateInterp, "${"),
            (OQuote, "\""),
            (Newline, "\n"),
            (OHeredoc, "<<B\n"),
            (StringLit, "A\n"),
            (CHeredoc, "B"),
            (Newline, "\n"),
            (TemplateSeqEnd, "}"),
            (StringLit, "\n"),
            (CHeredoc, "A"),
        ],
    );
    check("<<A\n\\\"$${x", &[(OHeredoc, "<<A\n"), (StringLit, "\\\"$${x")]);
    check(
        "<<A\r\nx\r\nA\r\n",
        &[(OHeredoc, "<<A\r\n"), (StringLit, "x\r\n"), (CHeredoc, "A"), (Newline, "\r\n")],
    );
    check("<<A b\n", &[(Less, "<"), (Less, "<"), (Ident, "A"), (Ident, "b"), (Newline, "\n")]);
    check(
        "<<1\n<<",
        &[(Less, "<"), (Less, "<"), (NumberLit, "1"), (Newline, "\n"), (Less, "<"), (Less, "<")],
    );
}

#[test]
fn templates_without_quotes() {
    let text = "a \"b\\\n%{ for x in y ~}\n}${x}";
    let tokens = all(Lexer::template(text));
    lossless(text, &tokens);
    insta::assert_snapshot!(shown(text, &tokens), @r#"
    StringLit "a \"b\\\n"
    TemplateControl "%{"
    Ident "for"
    Ident "x"
    Ident "in"
    Ident "y"
    TemplateSeqEnd "~}"
    StringLit "\n"
    StringLit "}"
    TemplateInterp "${"
    Ident "x"
    TemplateSeqEnd "}"
    "#);
}

#[test]
fn any_text_gives_tokens_in_linear_time() {
    let pieces = [
        "\"", "${", "%{", "}", "~}", "~", "{", "<<A\n", "A\n", "A", "\n", "\r", "$", "%", "\\",
        "/*", "*/", "#", "é", "\u{feff}", "1", "e", ".", "-", " ",
    ];
    let mut seed = 1u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        lossless(&text, &lex(&text));
        let tokens = all(Lexer::template(&text));
        let end = tokens.last().map(|token| token.extent.end as usize);
        assert_eq!(end, Some(text.len()));
    }
    for piece in ["\"${", "<<A\n${", "<<", "<<A ", "[", "%{", "/*/", "$", "\\"] {
        let text = piece.repeat(200_000);
        lossless(&text, &lex(&text));
    }
    let wide = format!("<<A\n{}\nA\n", "${a}".repeat(200_000));
    lossless(&wide, &lex(&wide));
}
