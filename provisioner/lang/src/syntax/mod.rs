//! Syntax: text to a compact tree in which everything knows its bytes.
//!
//! [`lex`] makes tokens of a text, the parser blocks and arguments ([`ast`]) and the packed nodes of their expressions
//! ([`tree`]), which [`ast`] looks into. The file keeps its nodes, so an [`Expression`] is a file and a node.
//! Refuses to know: what any block or name means.

use crate::source::SourceFile;
use model::Diagnostic;

mod ast;
mod json;
pub(crate) mod lex;
mod parse;
mod references;
mod tree;
mod words;

pub(crate) use ast::{
    Attribute, Binary, Block, Body, Call, Expr, Expression, Extent, For, ItemKey, Items, Kind,
    Literal, Loop, Name, Part, Parts, Reference, Step, StepKind, Steps, Traversal, Unary,
};
pub(crate) use json::{Layout, Text, parse_json_file};
pub(crate) use lex::is_unfinished;
pub(crate) use parse::{parse_expression, parse_file, parse_line, parse_template};
pub(crate) use references::{Free, Uses, Visit, references, template_uses, uses, walk};
pub(crate) use tree::Tree;
pub(crate) use words::Words;

/// What is wrong with the syntax of a file's text, in source order.
pub fn syntax_mistakes(name: &str, text: &str) -> Vec<Diagnostic> {
    parse_file(&SourceFile::new(name, text)).1
}
