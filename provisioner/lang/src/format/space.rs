//! Whether two pieces of a cell stand apart.

use super::piece::Piece;
use crate::syntax::lex::TokenKind::{
    self, And, Bang, CBrace, CHeredoc, CQuote, Colon, Comma, Dot, DoubleColon, Ellipsis, Equal,
    EqualOp, Greater, GreaterEq, Ident, Less, LessEq, Minus, Newline, NotEqual, NumberLit, OBrace,
    OBrack, OHeredoc, OParen, OQuote, Or, Percent, Plus, Question, QuotedLit, Slash, Star,
    StringLit, TemplateControl, TemplateInterp, TemplateSeqEnd,
};

/// Whether a space stands between a piece and the next; `before` is what stands before the first of them in its cell.
#[expect(clippy::match_same_arms, reason = "rules in their order: the first that fits holds")]
pub(super) fn is_apart(before: Option<TokenKind>, piece: &Piece<'_>, next: &Piece<'_>) -> bool {
    match (piece.kind, next.kind) {
        (_, Newline) => false,
        (Ident, OParen | DoubleColon) | (DoubleColon, Ident) => false,
        (Dot, _) | (_, Dot) => false,
        (_, Comma | Ellipsis) => false,
        (Comma, _) => true,
        // The text of a template is not ours.
        (QuotedLit | StringLit | OQuote | OHeredoc, _) => false,
        (_, QuotedLit | StringLit | CQuote | CHeredoc) => false,
        // `for x in [a]`: not the index of something called `in`.
        (Ident, _) if piece.text == "in" && before == Some(Ident) => true,
        (Ident | NumberLit, OBrack) => false,
        (_, OBrack) if piece.brackets() < 0 => false,
        (Bang, _) => false,
        (Minus, _) => is_operand_end(before),
        (OBrace, CBrace) => false,
        (OBrace, _) | (_, CBrace) => true,
        (TemplateInterp | TemplateControl, OBrace) | (CBrace, TemplateSeqEnd) => true,
        (TemplateSeqEnd, TemplateInterp | TemplateControl) => false,
        _ => piece.brackets() <= 0 && next.brackets() >= 0,
    }
}

/// Whether a minus after this subtracts, rather than negates.
fn is_operand_end(before: Option<TokenKind>) -> bool {
    !matches!(
        before,
        None | Some(
            OParen
                | OBrace
                | OBrack
                | Equal
                | Colon
                | Comma
                | Question
                | Plus
                | Star
                | Slash
                | Percent
                | Minus
                | EqualOp
                | NotEqual
                | Greater
                | GreaterEq
                | Less
                | LessEq
                | And
                | Or
                | Bang
        )
    )
}
