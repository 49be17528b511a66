//! The tree.

use crate::source::SourceFile;
use model::{Data, Number, Span, Type, Value};
use std::ops::Deref;
use std::sync::Arc;

/// A range of bytes in the file at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub start: u32,
    pub end: u32,
}

impl Extent {
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
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

    /// Whether it could not be read, which has been reported.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.root.kind, Kind::Broken)
    }
}

/// What stands between two braces, or in a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub attributes: Vec<Attribute>,
    pub blocks: Vec<Block>,
    /// Whether arguments or blocks are missing because of mistakes that have been reported.
    pub incomplete: bool,
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

impl Expr {
    /// The name that a reference begins with, and the steps behind it.
    pub(crate) fn reference(&self) -> Option<(&Arc<str>, &[Step])> {
        match &self.kind {
            Kind::Variable(root) => Some((root, &[])),
            Kind::Reference(reference) => Some((&reference.root, &reference.steps)),
            _ => None,
        }
    }
}

/// There may be millions of these, so what is seldom or large stands behind a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    /// What could not be read; reported already.
    Broken,
    Tuple(Box<[Expr]>),
    Object(Box<[Item]>),
    Template(Box<[Part]>),
    Parens(Box<Expr>),
    Variable(Arc<str>),
    Reference(Box<Reference>),
    Traversal(Box<Traversal>),
    Conditional(Box<[Expr; 3]>),
    Call(Box<Call>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Operands),
    For(Box<For>),
}

/// What is written as it is: text without interpolations, a number, `true`, `null`.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(Number),
    /// In NFC.
    Text(Arc<str>),
}

impl Literal {
    /// Text, brought to NFC.
    pub(crate) fn text(text: &str) -> Self {
        match Value::string(text).data() {
            Data::String(text) => Self::Text(text.clone()),
            _ => Self::Text(text.into()),
        }
    }

    pub(crate) fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Null => Value::null(Type::Any),
            Self::Bool(truth) => (*truth).into(),
            Self::Number(number) => number.clone().into(),
            Self::Text(text) => Data::String(text.clone()).into(),
        }
    }
}

/// The two sides of an operator. A long chain of operators is as deep on the left as it is long, so these are dropped
/// one by one instead of one inside of the other.
#[derive(Debug)]
pub(crate) struct Operands(Box<[Expr; 2]>);

impl Operands {
    /// The operators of a chain from the outermost to the innermost, each with its expression.
    pub(crate) fn chain(expr: &Expr) -> Vec<(&Expr, Binary, &Operands)> {
        let mut chain = Vec::new();
        let mut at = expr;
        while let Kind::Binary(operator, operands) = &at.kind {
            chain.push((at, *operator, operands));
            at = &operands[0];
        }
        chain
    }
}

impl From<[Expr; 2]> for Operands {
    fn from(operands: [Expr; 2]) -> Self {
        Self(Box::new(operands))
    }
}

impl Deref for Operands {
    type Target = [Expr; 2];

    fn deref(&self) -> &[Expr; 2] {
        &self.0
    }
}

impl Clone for Operands {
    fn clone(&self) -> Self {
        let mut parts = Vec::new();
        let mut left = &self.0[0];
        let mut right = &self.0[1];
        while let Kind::Binary(operator, operands) = &left.kind {
            parts.push((left.extent, *operator, right.clone()));
            (left, right) = (&operands.0[0], &operands.0[1]);
        }
        let mut whole = Self::from([left.clone(), right.clone()]);
        while let Some((extent, operator, right)) = parts.pop() {
            whole = Self::from([Expr { extent, kind: Kind::Binary(operator, whole) }, right]);
        }
        whole
    }
}

impl Drop for Operands {
    fn drop(&mut self) {
        let mut left = std::mem::replace(&mut self.0[0].kind, Kind::Broken);
        while let Kind::Binary(_, operands) = &mut left {
            left = std::mem::replace(&mut operands.0[0].kind, Kind::Broken);
        }
    }
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
    Expr(Box<Expr>),
}

/// `root.a[0].b`.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub root: Arc<str>,
    pub steps: Box<[Step]>,
}

/// `f(x).a[0].b`: steps behind what is no name.
#[derive(Clone, Debug)]
pub(crate) struct Traversal {
    pub base: Expr,
    pub steps: Box<[Step]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub extent: Extent,
    pub kind: StepKind,
}

#[derive(Clone, Debug)]
pub(crate) enum StepKind {
    Attribute(Arc<str>),
    Index(Box<Expr>),
    /// `.*` or `[*]` with the steps that apply to each item.
    Splat(Box<[Step]>),
}

/// `name(arguments...)`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub name: Name,
    pub arguments: Box<[Expr]>,
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
    If(Box<Choice>),
    For(Box<Loop>),
}

/// `%{ if }` with its branches.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub condition: Expr,
    pub yes: Box<[Part]>,
    pub no: Box<[Part]>,
}

/// `%{ for }` with what it repeats.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub key_name: Option<Arc<str>>,
    pub value_name: Arc<str>,
    pub collection: Expr,
    pub body: Box<[Part]>,
}
