//! Syntax: text to a compact tree in which everything knows its bytes.
//!
//! `hcl-edit` parses; its tree is lowered at once into [`ast`] and dropped.
//! Refuses to know: what any block or name means.

mod ast;
#[cfg_attr(not(test), expect(dead_code, reason = "the parser and the formatter come next"))]
pub(crate) mod lex;
mod lower;
mod parse;
mod references;

pub(crate) use ast::{
    Attribute, Binary, Block, Body, Call, Expr, Expression, Extent, For, Item, ItemKey, Kind, Name,
    Part, Step, StepKind, Traversal, Unary,
};
pub(crate) use parse::{parse_expression, parse_file, parse_template};
pub(crate) use references::{Free, Visit, references, template_references, walk};
