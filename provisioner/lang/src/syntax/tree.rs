//! The expressions of a file, packed: nodes of one size that name their parts by number.
//!
//! A node's parts stand beside each other in [`Tree::nodes`]; the node itself stands among the parts of what it is a part
//! of, and the outermost one in its [`Expression`](super::Expression). So an expression costs no memory beyond its nodes,
//! is read nearly in the order in which it lies there, and goes away with its file, however deep it is.
//! Invariants: the numbers in a node are those of the tree that it was made in; parts were put there before the whole.
//! Refuses to know: how nodes look to those who read them (that is [`super::ast`]), what is a mistake.

use super::words::Words;
use model::Number;
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

/// An expression, or a part of one that is none by itself. There may be millions, so it is small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub extent: Extent,
    pub tag: Tag,
    /// What the tag says of it.
    pub a: u32,
    /// What the tag says of it.
    pub b: u32,
}

/// What a node is. *Word* is the number of a text, *at* where its parts begin, *count* how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    /// `a` is 1 for true.
    Bool,
    /// A whole number from 0 of 64 bits, the higher ones in `a`.
    Whole,
    /// Another number: `a` is its place in [`Tree::numbers`].
    Number,
    /// Word `a`.
    Text,
    Broken,
    /// Items: at, count.
    Tuple,
    /// Keys and values in turn: at, count of both. A key that is a word is a [`Tag::Name`].
    Object,
    /// Parts: at, count.
    Template,
    /// At.
    Parens,
    /// Word `a`.
    Variable,
    /// `root.name`, both words, with nothing between them but the dot.
    Member,
    /// A [`Tag::Variable`] and steps: at, count of all.
    Reference,
    /// An expression and steps: at, count of all.
    Traversal,
    /// Condition and two branches: at.
    Conditional,
    /// A [`Tag::Name`] and arguments: at, count of all. `expand`: whether `...` follows the last.
    Call {
        expand: bool,
    },
    /// At.
    Unary(Unary),
    /// Two operands: at.
    Binary(Binary),
    /// At: the name of the value, the collection, the value, then each perhaps [`Tag::Nothing`]: the name of the key, the
    /// key, the condition.
    For {
        group: bool,
    },

    /// Word `a`.
    Name,
    /// A step by name: word `a`.
    Attribute,
    /// A step by index: at.
    Index,
    /// A step to every item: at and count of the steps that apply to each.
    Splat,
    /// Text of a template: word `a`.
    Literal,
    /// A condition and two [`Tag::Parts`]: at.
    If,
    /// At: the name of the value, the collection, [`Tag::Parts`], the name of the key or [`Tag::Nothing`].
    Loop,
    /// Parts of a template: at, count.
    Parts,
    /// What is not there.
    Nothing,
}

impl Node {
    pub(crate) fn new(extent: Extent, tag: Tag) -> Self {
        Self { extent, tag, a: 0, b: 0 }
    }

    /// One that is said by a word.
    pub(crate) fn word(extent: Extent, tag: Tag, word: u32) -> Self {
        Self { extent, tag, a: word, b: 0 }
    }

    pub(crate) fn bool(extent: Extent, truth: bool) -> Self {
        Self { extent, tag: Tag::Bool, a: truth.into(), b: 0 }
    }

    /// A whole number.
    pub(crate) fn whole(extent: Extent, number: u64) -> Self {
        let [high, low] = [number >> 32, number & 0xffff_ffff];
        let half = |half: u64| u32::try_from(half).unwrap_or_default();
        Self { extent, tag: Tag::Whole, a: half(high), b: half(low) }
    }

    /// What [`Self::whole`] was given.
    pub(crate) fn to_whole(self) -> u64 {
        u64::from(self.a) << 32 | u64::from(self.b)
    }
}

/// All expressions of a file.
#[derive(Debug)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    pub words: Vec<Arc<str>>,
    /// Numbers that are no whole ones of 64 bits.
    pub numbers: Vec<Number>,
}

impl Tree {
    /// That of a text that was not parsed.
    pub(crate) const EMPTY: &Self =
        &Self { nodes: Vec::new(), words: Vec::new(), numbers: Vec::new() };
}

/// A tree that is being made.
pub(crate) struct TreeBuilder {
    pub words: Words,
    nodes: Vec<Node>,
    numbers: Vec<Number>,
    /// What lists that are being read have so far: each list is above the ones that it stands in. What a mistake left
    /// here is in nobody's way.
    gathered: Vec<Node>,
}

/// Bytes of a text for each node that room is made for: few texts need more, and room that is not used costs nothing.
const BYTES_PER_NODE: usize = 4;

impl TreeBuilder {
    /// The tree of a text of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            words: Words::of_text(bytes),
            nodes: Vec::with_capacity(bytes / BYTES_PER_NODE),
            numbers: Vec::new(),
            gathered: Vec::new(),
        }
    }

    /// The whole.
    pub(crate) fn finish(self) -> Tree {
        Tree { nodes: self.nodes, words: self.words.into_all(), numbers: self.numbers }
    }

    /// A node whose parts are these.
    pub(crate) fn node(&mut self, extent: Extent, tag: Tag, parts: &[Node]) -> Node {
        let a = crate::source::offset(self.nodes.len());
        self.nodes.extend_from_slice(parts);
        Node { extent, tag, a, b: crate::source::offset(parts.len()) }
    }

    /// Where a list begins that is read now.
    pub(crate) fn begin_list(&self) -> usize {
        self.gathered.len()
    }

    /// Adds to the list that is read now.
    pub(crate) fn gather(&mut self, node: Node) {
        self.gathered.push(node);
    }

    /// What the list has so far.
    pub(crate) fn gathered(&self, list: usize) -> &[Node] {
        &self.gathered[list..]
    }

    /// Gives up a list.
    pub(crate) fn drop_list(&mut self, list: usize) {
        self.gathered.truncate(list);
    }

    /// A node whose parts are the list, which is whole.
    pub(crate) fn node_of_list(&mut self, extent: Extent, tag: Tag, list: usize) -> Node {
        let (a, count) = (self.nodes.len(), self.gathered.len() - list);
        self.nodes.extend_from_slice(&self.gathered[list..]);
        self.gathered.truncate(list);
        Node { extent, tag, a: crate::source::offset(a), b: crate::source::offset(count) }
    }

    /// A number, as it is written.
    pub(crate) fn number(&mut self, extent: Extent, text: &str) -> Option<Node> {
        if let Some(whole) = small(text) {
            return Some(Node::whole(extent, whole));
        }
        let a = crate::source::offset(self.numbers.len());
        self.numbers.push(Number::parse(text)?);
        Some(Node { extent, tag: Tag::Number, a, b: 0 })
    }
}

/// A number of digits alone, few enough that 63 bits hold it.
fn small(text: &str) -> Option<u64> {
    const SURELY_HELD: usize = 18;
    let digits = text.len() <= SURELY_HELD && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
