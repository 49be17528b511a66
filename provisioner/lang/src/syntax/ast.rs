//! The tree.

use crate::source::SourceFile;
use model::{Span, Value};
use std::sync::Arc;

/// A range of bytes in the file at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub start: u32,
    pub end: u32,
}

/// A word or label.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub text: Arc<str>,
    pub extent: Extent,
}

/// A whole expression with its file; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub file: Arc<SourceFile>,
    pub root: Arc<Expr>,
}

impl Expression {
    pub(crate) fn span(&self) -> Span {
        self.file.span(self.root.extent)
    }
}

/// What stands between two braces, or in a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub attributes: Vec<Attribute>,
    pub blocks: Vec<Block>,
}

/// `name = expression`.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub name: Name,
    pub value: Expression,
}

/// `kind "label" { ... }`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub file: Arc<SourceFile>,
    pub kind: Name,
    pub labels: Vec<Name>,
    pub body: Body,
    /// The words before the brace.
    pub header: Extent,
}

impl Block {
    pub(crate) fn span(&self) -> Span {
        self.file.span(self.header)
    }
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub extent: Extent,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Value),
    Tuple(Vec<Expr>),
    Object(Vec<Item>),
    Template(Vec<Part>),
    Parens(Box<Expr>),
    Variable(Arc<str>),
    Traversal(Box<Traversal>),
    Conditional(Box<[Expr; 3]>),
    Call(Box<Call>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<[Expr; 2]>),
    For(Box<For>),
}

/// `key = value` in an object.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub key: ItemKey,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemKey {
    Name(Name),
    Expr(Expr),
}

/// `base.a[0].b`.
#[derive(Clone, Debug)]
pub(crate) struct Traversal {
    pub base: Expr,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub extent: Extent,
    pub kind: StepKind,
}

#[derive(Clone, Debug)]
pub(crate) enum StepKind {
    Attribute(Arc<str>),
    Index(Expr),
    /// `.*` or `[*]` with the steps that apply to each item.
    Splat(Vec<Step>),
}

/// `name(arguments...)`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub name: Name,
    pub arguments: Vec<Expr>,
    /// Whether `...` follows the last argument.
    pub expand: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
}

/// `[for k, v in collection : value if condition]` or `{for ... : key => value...}`.
#[derive(Clone, Debug)]
pub(crate) struct For {
    pub key_name: Option<Arc<str>>,
    pub value_name: Arc<str>,
    pub collection: Expr,
    pub key: Option<Expr>,
    pub value: Expr,
    pub group: bool,
    pub condition: Option<Expr>,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(Arc<str>),
    Interpolation(Expr),
    If { condition: Expr, yes: Vec<Part>, no: Vec<Part> },
    For { key_name: Option<Arc<str>>, value_name: Arc<str>, collection: Expr, body: Vec<Part> },
}
