//! Where the pieces of each line stand: indentation, space inside a cell, and cells below each other.
//!
//! A line has up to three cells: what stands before `=`, the `=` with its value, and a comment at the end. Values and
//! comments of lines that follow each other begin in the same column.

use super::piece::Piece;
use super::space::is_apart;
use crate::syntax::lex::TokenKind;
use std::ops::Range;

/// Spaces for one level of brackets.
const STEP: usize = 2;

/// A line as indexes of its pieces. A heredoc belongs to the line that it begins on.
struct Line {
    /// All up to `=`, or all but a comment.
    head: Range<usize>,
    /// `=` and all behind it, when the value ends on this line; else empty.
    value: Range<usize>,
    comment: Option<usize>,
}

/// Sets the space before every piece.
pub(super) fn lay_out(pieces: &mut [Piece<'_>]) {
    let lines = lines(pieces);
    indent(pieces, &lines);
    for line in &lines {
        space(pieces, &line.head);
        space(pieces, &line.value);
    }
    align(pieces, &lines, |line| Some(line.value.start).filter(|_| !line.value.is_empty()));
    align(pieces, &lines, |line| line.comment);
}

fn lines(pieces: &[Piece<'_>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, piece) in pieces.iter().enumerate() {
        if piece.ends_line() {
            lines.push(cells(pieces, start..at + 1));
            start = at + 1;
        } else if piece.kind == TokenKind::End && start < at {
            lines.push(cells(pieces, start..at));
        }
    }
    lines
}

fn cells(pieces: &[Piece<'_>], whole: Range<usize>) -> Line {
    let has_comment = whole.len() > 1 && pieces[whole.end - 1].kind == TokenKind::Comment;
    let end = if has_comment { whole.end - 1 } else { whole.end };
    let comment = has_comment.then_some(end);
    let equals = (whole.start + 1..end).find(|at| pieces[*at].kind == TokenKind::Equal);
    // A value that goes on below stands where it is: only whole values line up.
    let split = equals.filter(|at| brackets(&pieces[*at..end]) == 0).unwrap_or(end);
    Line { head: whole.start..split, value: split..end, comment }
}

fn brackets(pieces: &[Piece<'_>]) -> isize {
    pieces.iter().map(Piece::brackets).sum()
}

/// Brackets that a line leaves open, as far as indentation goes: what stands in a heredoc does not count.
fn opened(pieces: &[Piece<'_>]) -> isize {
    let to_heredoc = pieces.iter().position(|piece| piece.kind == TokenKind::OHeredoc);
    brackets(&pieces[..to_heredoc.unwrap_or(pieces.len())])
}

/// A line that opens brackets moves those below it to the right by one step, however many it opens; they move back when
/// as many have been closed.
fn indent(pieces: &mut [Piece<'_>], lines: &[Line]) {
    let mut open: Vec<isize> = Vec::new();
    for line in lines {
        let Some(first) = line.head.clone().next() else { continue };
        if pieces[first].kind == TokenKind::Newline {
            pieces[first].gap = 0;
            continue;
        }
        let net = opened(&pieces[line.head.clone()]) + opened(&pieces[line.value.clone()]);
        if net < 0 {
            close(&mut open, -net);
        }
        pieces[first].gap = STEP * open.len();
        if net > 0 {
            open.push(net);
        }
    }
}

fn close(open: &mut Vec<isize>, mut count: isize) {
    while let Some(last) = open.last_mut().filter(|_| count > 0) {
        if count < *last {
            *last -= count;
            return;
        }
        count -= *last;
        open.pop();
    }
}

fn space(pieces: &mut [Piece<'_>], cell: &Range<usize>) {
    let mut before = None;
    for at in cell.clone().skip(1) {
        let gap = usize::from(is_apart(before, &pieces[at - 1], &pieces[at]));
        before = Some(pieces[at - 1].kind);
        pieces[at].gap = gap;
    }
}

/// Brings the cells that begin with the given piece into one column, in every run of lines that have one.
fn align(pieces: &mut [Piece<'_>], lines: &[Line], cell: impl Fn(&Line) -> Option<usize>) {
    for run in lines.chunk_by(|left, right| cell(left).is_some() && cell(right).is_some()) {
        let starts = run.iter().filter_map(|line| Some((line.head.start, cell(line)?)));
        let widths: Vec<_> = starts
            .map(|(start, cell)| {
                (cell, pieces[start..cell].iter().map(Piece::columns).sum::<usize>())
            })
            .collect();
        let widest = widths.iter().map(|(_, width)| *width).max().unwrap_or(0);
        for (cell, width) in widths {
            pieces[cell].gap = widest - width + 1;
        }
    }
}
