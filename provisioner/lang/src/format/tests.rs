//! What formatting must keep and what it must bring about, on files of every construct and on files with random space.
//!
//! `tests/data/format/canonical.hcl` is what `terraform fmt` 1.11.4 makes of `messy.hcl` beside it.

use super::format;
use super::piece::{Piece, pieces};
use crate::syntax::lex::TokenKind;
use proptest::prelude::*;

const MESSY: &str = include_str!("../../tests/data/format/messy.hcl");
const CANONICAL: &str = include_str!("../../tests/data/format/canonical.hcl");

#[track_caller]
fn formatted(text: &str) -> String {
    format("x.hcl", text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:#?}"))
}

#[test]
fn as_terraform_does() {
    assert_eq!(formatted(MESSY), CANONICAL);
    assert_eq!(formatted(CANONICAL), CANONICAL);
}

#[test]
fn only_what_is_a_whole_interpolation_is_unwrapped() {
    let cases = [
        ("a = \"${b}\"\n", "a = b\n"),
        ("a = \"${\"${b}\"}\"\n", "a = b\n"),
        ("a = \"${b}${c}\"\n", "a = \"${b}${c}\"\n"),
        ("a = \" ${b}\"\n", "a = \" ${b}\"\n"),
        ("a = [\"${b}\"]\n", "a = [\"${b}\"]\n"),
        ("a = \"${f(\"${b}\")}\"\n", "a = f(\"${b}\")\n"),
        ("a = \"${\n  b\n}\" # c\n", "a = b # c\n"),
        ("a = \"${b\n? c : d}\"\n", "a = (b\n? c : d)\n"),
        ("a { b = \"${c}\" }\n", "a { b = c }\n"),
    ];
    for (before, after) in cases {
        assert_eq!(formatted(before), after, "{before}");
    }
}

#[test]
fn types_are_rewritten_only_in_variables() {
    assert_eq!(formatted("variable \"a\" { type = list }"), "variable \"a\" { type = list(any) }");
    for kept in ["variable \"a\" { type = any }", "resource \"a\" \"b\" { type = list }"] {
        assert_eq!(formatted(kept), kept);
    }
    let nested = "variable \"a\" {\n  validation {\n    type = map\n  }\n}\n";
    assert_eq!(formatted(nested), nested);
}

#[test]
fn line_breaks_and_comments_stay() {
    let windows = "a=1\r\nbb =2 # c\r\n\r\n/* d\r\n */\r\n";
    assert_eq!(formatted(windows), "a  = 1\r\nbb = 2 # c\r\n\r\n/* d\r\n */\r\n");
    assert_eq!(formatted("a=1"), "a = 1");
    assert_eq!(formatted("\u{feff}a=1\n"), "a = 1\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("a = 1 # ä\nlongé = 2#x\n"), "a     = 1 # ä\nlongé = 2 #x\n");
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    let mistakes = format("x.hcl", "a = \nb = [1\n").unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.code == "syntax"), "{mistakes:?}");
}

/// A text with other space between the same tokens: only where there was some, and never within a template.
fn with_space(text: &str, spaces: &[u8]) -> String {
    let mut spaces = spaces.iter().cycle();
    let mut result = String::new();
    for Piece { text, gap, .. } in pieces(text) {
        let wanted = if gap == 0 { 0 } else { usize::from(*spaces.next().unwrap_or(&1)) };
        result.extend(std::iter::repeat_n(if wanted % 3 == 2 { '\t' } else { ' ' }, wanted));
        result.push_str(&text);
    }
    result
}

/// Everything that has a meaning, and comments.
fn essence(text: &str) -> Vec<(TokenKind, String)> {
    let pieces = pieces(text).into_iter().filter(|piece| piece.kind != TokenKind::End);
    pieces.map(|piece| (piece.kind, piece.text.into_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn space_does_not_matter(spaces in prop::collection::vec(1_u8..9, 1..400)) {
        let spaced = with_space(CANONICAL, &spaces);
        let result = formatted(&spaced);
        prop_assert_eq!(&result, CANONICAL);
        prop_assert_eq!(formatted(&result), result);
    }

    /// Any lines of a file of every construct, in any order, so far as they still make a file.
    #[test]
    fn any_file_keeps_its_tokens_and_is_formatted_once(
        picks in prop::collection::vec((0_usize..400, 0_usize..6), 1..40)
    ) {
        let lines: Vec<_> = CANONICAL.split_inclusive('\n').collect();
        let text: String = picks
            .iter()
            .flat_map(|(from, length)| {
                let from = from % lines.len();
                lines[from..(from + length).min(lines.len())].iter().copied()
            })
            .collect();
        if let Ok(result) = format("x.hcl", &text) {
            prop_assert_eq!(essence(&text), essence(&result), "{}", text);
            prop_assert_eq!(formatted(&result), result);
        }
    }
}
