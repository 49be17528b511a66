//! The tree as it is read: blocks, arguments, and expressions as they look when one looks into a node.

pub(crate) use super::tree::{Binary, Extent, Unary};
use super::tree::{Node, Tag, Tree};
use crate::source::SourceFile;
use model::{Data, Number, Span, Type, Value};
use std::sync::Arc;

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
    root: Node,
}

impl Expression {
    pub(super) fn new(file: Arc<SourceFile>, root: Node) -> Self {
        Self { file, root }
    }

    pub(crate) fn root(&self) -> Expr<'_> {
        self.file.tree().expr(&self.root)
    }

    pub(crate) fn span(&self) -> Span {
        self.file.span(self.root.extent)
    }

    /// Whether it could not be read, which has been reported.
    pub(crate) fn is_broken(&self) -> bool {
        self.root.tag == Tag::Broken
    }

    /// What stands in its place where it is not what was meant, which has been reported.
    pub(crate) fn to_broken(&self) -> Self {
        Self::new(self.file.clone(), Node::new(self.root.extent, Tag::Broken))
    }

    /// A part of it on its own.
    pub(crate) fn part(&self, part: Expr<'_>) -> Self {
        Self::new(self.file.clone(), *part.node)
    }

    /// The items of a list that is written out, or itself as the only one.
    pub(crate) fn items(&self) -> Vec<Expr<'_>> {
        match self.root().kind() {
            Kind::Tuple(items) => items.iter().collect(),
            _ => vec![self.root()],
        }
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expr<'e> {
    tree: &'e Tree,
    node: &'e Node,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'e> {
    Literal(Literal<'e>),
    /// What could not be read; reported already.
    Broken,
    Tuple(Exprs<'e>),
    Object(Items<'e>),
    Template(Parts<'e>),
    Parens(Expr<'e>),
    Variable(&'e Arc<str>),
    Reference(Reference<'e>),
    Traversal(Traversal<'e>),
    Conditional([Expr<'e>; 3]),
    Call(Call<'e>),
    Unary(Unary, Expr<'e>),
    Binary(Binary, [Expr<'e>; 2]),
    For(For<'e>),
}

/// What is written as it is: text without interpolations, a number, `true`, `null`.
#[derive(Clone, Debug)]
pub(crate) enum Literal<'e> {
    Null,
    Bool(bool),
    Number(Number),
    /// In NFC.
    Text(&'e Arc<str>),
}

impl<'e> Literal<'e> {
    pub(crate) fn as_text(&self) -> Option<&'e Arc<str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn value(self) -> Value {
        match self {
            Self::Null => Value::null(Type::Any),
            Self::Bool(truth) => truth.into(),
            Self::Number(number) => number.into(),
            Self::Text(text) => Data::String(text.clone()).into(),
        }
    }
}

/// A word with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'e> {
    pub text: &'e Arc<str>,
    pub extent: Extent,
}

/// `key = value` in an object.
#[derive(Clone, Debug)]
pub(crate) struct Item<'e> {
    pub key: ItemKey<'e>,
    pub value: Expr<'e>,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemKey<'e> {
    Name(Word<'e>),
    Expr(Expr<'e>),
}

/// `root.a[0].b`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<'e> {
    pub root: &'e Arc<str>,
    pub steps: Steps<'e>,
}

/// `f(x).a[0].b`: steps behind what is no name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traversal<'e> {
    pub base: Expr<'e>,
    pub steps: Steps<'e>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'e> {
    pub extent: Extent,
    pub kind: StepKind<'e>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum StepKind<'e> {
    Attribute(&'e Arc<str>),
    Index(Expr<'e>),
    /// `.*` or `[*]` with the steps that apply to each item.
    Splat(Steps<'e>),
}

impl<'e> Step<'e> {
    /// The name of a step by name.
    pub(crate) fn name(&self) -> Option<&'e Arc<str>> {
        match self.kind {
            StepKind::Attribute(name) => Some(name),
            _ => None,
        }
    }
}

/// `name(arguments...)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'e> {
    pub name: Word<'e>,
    pub arguments: Exprs<'e>,
    /// Whether `...` follows the last argument.
    pub expand: bool,
}

/// `[for k, v in collection : value if condition]` or `{for ... : key => value...}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct For<'e> {
    pub key_name: Option<&'e Arc<str>>,
    pub value_name: &'e Arc<str>,
    pub collection: Expr<'e>,
    pub key: Option<Expr<'e>>,
    pub value: Expr<'e>,
    pub group: bool,
    pub condition: Option<Expr<'e>>,
}

/// A part of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'e> {
    Literal(&'e Arc<str>),
    Interpolation(Expr<'e>),
    If(Choice<'e>),
    For(Loop<'e>),
}

/// `%{ if }` with its branches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'e> {
    pub condition: Expr<'e>,
    pub yes: Parts<'e>,
    pub no: Parts<'e>,
}

/// `%{ for }` with what it repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop<'e> {
    pub key_name: Option<&'e Arc<str>>,
    pub value_name: &'e Arc<str>,
    pub collection: Expr<'e>,
    pub body: Parts<'e>,
}

/// Expressions beside each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exprs<'e> {
    tree: &'e Tree,
    nodes: &'e [Node],
}

impl<'e> Exprs<'e> {
    pub(crate) fn len(self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn get(self, at: usize) -> Option<Expr<'e>> {
        Some(self.tree.expr(self.nodes.get(at)?))
    }

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Expr<'e>> + ExactSizeIterator {
        self.nodes.iter().map(move |node| self.tree.expr(node))
    }

    pub(crate) fn last(self) -> Option<Expr<'e>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The only one, if there is one.
    pub(crate) fn only(self) -> Option<Expr<'e>> {
        self.get(0).filter(|_| self.len() == 1)
    }
}

/// What an object holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'e> {
    tree: &'e Tree,
    nodes: &'e [Node],
}

impl<'e> Items<'e> {
    pub(crate) fn len(self) -> usize {
        self.nodes.len() / 2
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Item<'e>> {
        let (pairs, _) = self.nodes.as_chunks();
        pairs.iter().map(move |[key, value]| Item {
            key: match key.tag {
                Tag::Name => ItemKey::Name(self.tree.name(key)),
                _ => ItemKey::Expr(self.tree.expr(key)),
            },
            value: self.tree.expr(value),
        })
    }
}

/// The parts of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'e> {
    tree: &'e Tree,
    nodes: &'e [Node],
}

impl<'e> Parts<'e> {
    /// Those of a template that is all of its file.
    pub(crate) fn of_file(file: &'e SourceFile, template: Node) -> Self {
        file.tree().parts(&template)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Part<'e>> {
        self.nodes.iter().map(move |node| self.tree.part(node))
    }

    /// The expression of a template that is one interpolation and nothing else.
    pub(crate) fn only_interpolation(self) -> Option<Expr<'e>> {
        match self.nodes {
            [only] => match self.tree.part(only) {
                Part::Interpolation(expr) => Some(expr),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Steps behind each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps<'e> {
    tree: &'e Tree,
    /// The steps, or a [`Tag::Member`], whose one step needs no node of its own.
    nodes: &'e [Node],
}

impl<'e> Steps<'e> {
    pub(crate) fn len(self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn get(self, at: usize) -> Option<Step<'e>> {
        self.nodes.get(at).map(|node| self.tree.step(node))
    }

    /// The name of a step by name.
    pub(crate) fn name(self, at: usize) -> Option<&'e Arc<str>> {
        self.get(at)?.name()
    }

    /// The same as text.
    pub(crate) fn text(self, at: usize) -> Option<&'e str> {
        self.name(at).map(AsRef::as_ref)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Step<'e>> {
        self.nodes.iter().map(move |node| self.tree.step(node))
    }

    /// The first so many.
    pub(crate) fn first(self, count: usize) -> Self {
        Self { nodes: &self.nodes[..count.min(self.nodes.len())], ..self }
    }

    /// All behind the first so many.
    pub(crate) fn behind(self, count: usize) -> Self {
        Self { nodes: &self.nodes[count.min(self.nodes.len())..], ..self }
    }
}

impl<'e> Expr<'e> {
    pub(crate) fn extent(self) -> Extent {
        self.node.extent
    }

    /// The name that a reference begins with, and the steps behind it.
    pub(crate) fn reference(self) -> Option<Reference<'e>> {
        match self.kind() {
            Kind::Variable(root) => {
                let steps = Steps { tree: self.tree, nodes: &[] };
                Some(Reference { root, steps })
            }
            Kind::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    pub(crate) fn is_binary(self) -> bool {
        matches!(self.node.tag, Tag::Binary(_))
    }

    /// The operators of a chain from the outermost to the innermost, each with its expression and its two sides: it may
    /// be long, and is as deep on the left as it is long.
    pub(crate) fn chain(self) -> Vec<(Expr<'e>, Binary, [Expr<'e>; 2])> {
        let mut chain = Vec::new();
        let mut at = self;
        while let Kind::Binary(operator, operands) = at.kind() {
            chain.push((at, operator, operands));
            at = operands[0];
        }
        chain
    }

    pub(crate) fn kind(self) -> Kind<'e> {
        let Self { tree, node } = self;
        match node.tag {
            Tag::Null => Kind::Literal(Literal::Null),
            Tag::Bool => Kind::Literal(Literal::Bool(node.a == 1)),
            Tag::Whole => {
                let whole = i64::try_from(node.to_whole()).unwrap_or(i64::MAX);
                Kind::Literal(Literal::Number(Number::written(whole)))
            }
            Tag::Number => Kind::Literal(Literal::Number(tree.numbers[node.a as usize].clone())),
            Tag::Text => Kind::Literal(Literal::Text(tree.word(node.a))),
            Tag::Tuple => Kind::Tuple(Exprs { tree, nodes: tree.list(node) }),
            Tag::Object => Kind::Object(Items { tree, nodes: tree.list(node) }),
            Tag::Template => Kind::Template(tree.parts(node)),
            Tag::Parens => Kind::Parens(tree.expr(tree.only(node))),
            Tag::Variable => Kind::Variable(tree.word(node.a)),
            Tag::Member => Kind::Reference(tree.member(node)),
            Tag::Reference | Tag::Traversal => self.with_steps(),
            Tag::Conditional => Kind::Conditional(tree.few(node).map(|part| tree.expr(part))),
            Tag::Call { expand } => tree.call(node, expand),
            Tag::Unary(operator) => Kind::Unary(operator, tree.expr(tree.only(node))),
            Tag::Binary(operator) => {
                Kind::Binary(operator, tree.few(node).map(|part| tree.expr(part)))
            }
            Tag::For { group } => Kind::For(tree.repeated(node, group)),
            _ => Kind::Broken,
        }
    }

    fn with_steps(self) -> Kind<'e> {
        let Self { tree, node } = self;
        let Some((base, nodes)) = tree.list(node).split_first() else { return Kind::Broken };
        let steps = Steps { tree, nodes };
        match node.tag {
            Tag::Reference => Kind::Reference(Reference { root: tree.word(base.a), steps }),
            _ => Kind::Traversal(Traversal { base: tree.expr(base), steps }),
        }
    }
}

/// Looking into nodes.
impl Tree {
    fn expr<'e>(&'e self, node: &'e Node) -> Expr<'e> {
        Expr { tree: self, node }
    }

    fn word(&self, number: u32) -> &Arc<str> {
        &self.words[number as usize]
    }

    fn name(&self, node: &Node) -> Word<'_> {
        Word { text: self.word(node.a), extent: node.extent }
    }

    /// The parts of a node that says how many there are.
    fn list(&self, node: &Node) -> &[Node] {
        let (first, count) = (node.a as usize, node.b as usize);
        &self.nodes[first..first + count]
    }

    /// The parts of a node that always has so many.
    fn few<const N: usize>(&self, node: &Node) -> [&Node; N] {
        let first = node.a as usize;
        std::array::from_fn(|at| &self.nodes[first + at])
    }

    /// The part of a node that always has one.
    fn only(&self, node: &Node) -> &Node {
        &self.nodes[node.a as usize]
    }

    fn parts(&self, node: &Node) -> Parts<'_> {
        Parts { tree: self, nodes: self.list(node) }
    }

    fn member<'e>(&'e self, node: &'e Node) -> Reference<'e> {
        let steps = Steps { tree: self, nodes: std::slice::from_ref(node) };
        Reference { root: self.word(node.a), steps }
    }

    fn call(&self, node: &Node, expand: bool) -> Kind<'_> {
        let Some((name, nodes)) = self.list(node).split_first() else { return Kind::Broken };
        let arguments = Exprs { tree: self, nodes };
        Kind::Call(Call { name: self.name(name), arguments, expand })
    }

    fn repeated(&self, node: &Node, group: bool) -> For<'_> {
        let [value_name, collection, value, key_name, key, condition] = self.few(node);
        For {
            key_name: there(key_name).map(|name| self.word(name.a)),
            value_name: self.word(value_name.a),
            collection: self.expr(collection),
            key: there(key).map(|key| self.expr(key)),
            value: self.expr(value),
            group,
            condition: there(condition).map(|condition| self.expr(condition)),
        }
    }

    fn step(&self, node: &Node) -> Step<'_> {
        let kind = match node.tag {
            Tag::Member => {
                let root = crate::source::offset(self.word(node.a).len());
                let extent = Extent { start: node.extent.start + root, end: node.extent.end };
                return Step { extent, kind: StepKind::Attribute(self.word(node.b)) };
            }
            Tag::Attribute => StepKind::Attribute(self.word(node.a)),
            Tag::Index => StepKind::Index(self.expr(self.only(node))),
            _ => StepKind::Splat(Steps { tree: self, nodes: self.list(node) }),
        };
        Step { extent: node.extent, kind }
    }

    fn part<'e>(&'e self, node: &'e Node) -> Part<'e> {
        match node.tag {
            Tag::Literal => Part::Literal(self.word(node.a)),
            Tag::If => {
                let [condition, yes, no] = self.few(node);
                let (yes, no) = (self.parts(yes), self.parts(no));
                Part::If(Choice { condition: self.expr(condition), yes, no })
            }
            Tag::Loop => {
                let [value_name, collection, body, key_name] = self.few(node);
                Part::For(Loop {
                    key_name: there(key_name).map(|name| self.word(name.a)),
                    value_name: self.word(value_name.a),
                    collection: self.expr(collection),
                    body: self.parts(body),
                })
            }
            _ => Part::Interpolation(self.expr(node)),
        }
    }
}

fn there(node: &Node) -> Option<&Node> {
    Some(node).filter(|node| node.tag != Tag::Nothing)
}
