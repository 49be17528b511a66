//! What stands in brackets: tuples, objects, `for` expressions and the arguments of calls.

use super::super::ast::Name;
use super::super::lex::{Token, TokenKind};
use super::super::tree::{Extent, Node, Tag};
use super::{Parsed, Parser};
use foldhash::{HashMap, HashMapExt as _};

/// Up to how many keys are compared one by one to find those that are given twice.
const FEW: usize = 12;

/// What a `for` begins with: names and an expression. There may be no name of the key.
pub(super) struct Intro {
    pub key_name: Node,
    pub value_name: Node,
    pub collection: Node,
}

impl Parser<'_> {
    /// The bracket that ends what `open` began. `separator` is what else could have stood here.
    pub(super) fn close(
        &mut self,
        open: Token,
        kind: TokenKind,
        separator: Option<&str>,
    ) -> Parsed<Token> {
        let next = self.peek();
        if next.kind == kind && !self.closes_outer(open, next) {
            return Ok(self.read());
        }
        Err(self.not_closed(open, next, separator))
    }

    pub(super) fn tuple(&mut self) -> Parsed<Node> {
        let open = self.read();
        self.with_newlines(false, |parser| {
            if parser.at_word("for") {
                return parser.for_expression(open, TokenKind::CBrack);
            }
            let list = parser.tree.begin_list();
            while parser.kind() != TokenKind::CBrack {
                let item = parser.expression()?;
                parser.tree.gather(item);
                if parser.eat(TokenKind::Comma).is_none() {
                    break;
                }
            }
            parser.close(open, TokenKind::CBrack, Some(","))?;
            let extent = Extent { start: open.extent.start, end: parser.end };
            Ok(parser.tree.node_of_list(extent, Tag::Tuple, list))
        })
    }

    pub(super) fn object(&mut self) -> Parsed<Node> {
        let open = self.read();
        let is_for = self.with_newlines(false, |parser| parser.at_word("for"));
        if is_for {
            self.with_newlines(false, |parser| parser.for_expression(open, TokenKind::CBrace))
        } else {
            self.with_newlines(true, |parser| parser.object_items(open))
        }
    }

    fn object_items(&mut self, open: Token) -> Parsed<Node> {
        let list = self.tree.begin_list();
        loop {
            while self.eat(TokenKind::Newline).is_some() {}
            if self.kind() == TokenKind::CBrace {
                break;
            }
            self.object_item(open)?;
            if self.eat(TokenKind::Comma).or_else(|| self.eat(TokenKind::Newline)).is_none() {
                break;
            }
        }
        self.close(open, TokenKind::CBrace, Some(","))?;
        self.keys_given_twice(list);
        let extent = Extent { start: open.extent.start, end: self.end };
        Ok(self.tree.node_of_list(extent, Tag::Object, list))
    }

    /// Gathers a key and its value.
    fn object_item(&mut self, open: Token) -> Parsed<()> {
        let first = self.peek();
        if !can_begin_value(first.kind) {
            return Err(self.no_key(open, first));
        }
        let key = if self.is_plain_key(first) {
            self.read();
            Node::word(first.extent, Tag::Name, self.word(first.extent))
        } else {
            let key = self.expression()?;
            let next = self.peek();
            if !matches!(next.kind, TokenKind::Equal | TokenKind::Colon) {
                return Err(self.no_value_of_key(open, key, next));
            }
            self.item_key(key)
        };
        self.tree.gather(key);
        self.read();
        let value = self.expression()?;
        self.tree.gather(value);
        Ok(())
    }

    /// Whether a token is a word with `=` or `:` behind it, as most keys are: there is no expression to be read then.
    fn is_plain_key(&self, token: Token) -> bool {
        let rest = self.text.as_bytes().get(token.extent.end as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        token.kind == TokenKind::Ident
            && match rest.get(blank..).unwrap_or_default() {
                [b'=', next, ..] => !matches!(next, b'=' | b'>'),
                [b':', next, ..] => *next != b':',
                _ => false,
            }
    }

    /// What is a plain word or text is the key itself. Keys are kept once, so that equal ones have the same number.
    fn item_key(&mut self, key: Node) -> Node {
        let word = match key.tag {
            Tag::Variable => key.a,
            Tag::Text => {
                let text = self.tree.words.get(key.a).clone();
                self.tree.words.number(&text)
            }
            Tag::Null | Tag::Bool => self.word(key.extent),
            _ => return key,
        };
        Node::word(key.extent, Tag::Name, word)
    }

    /// The last one counts, and one of them was probably meant to be another. The object is the list that is read now.
    fn keys_given_twice(&mut self, list: usize) {
        let (items, _) = self.tree.gathered(list).as_chunks();
        let names = items.iter().map(|[key, _]| *key).filter(|key| key.tag == Tag::Name);
        let mut twice = Vec::new();
        if items.len() <= FEW {
            let names: Vec<Node> = names.collect();
            for (at, second) in names.iter().enumerate() {
                let same = |earlier: &&Node| earlier.a == second.a;
                twice.extend(names[..at].iter().rfind(same).map(|first| (*first, *second)));
            }
        } else {
            let mut seen: HashMap<u32, Node> = HashMap::with_capacity(items.len());
            for second in names {
                twice.extend(seen.insert(second.a, second).map(|first| (first, second)));
            }
        }
        for (first, second) in twice {
            let second = self.name_of(second);
            self.key_twice(&second, first.extent);
        }
    }

    fn name_of(&self, node: Node) -> Name {
        Name { text: self.tree.words.get(node.a).clone(), extent: node.extent }
    }

    fn for_expression(&mut self, open: Token, end: TokenKind) -> Parsed<Node> {
        self.read();
        let nothing = Node::new(open.extent, Tag::Nothing);
        let Intro { key_name, value_name, collection } = self.for_intro()?;
        if self.eat(TokenKind::Colon).is_none() {
            let next = self.peek();
            return Err(self.for_without_colon(next));
        }
        let is_object = end == TokenKind::CBrace;
        let mut value = self.expression()?;
        let mut key = nothing;
        if let Some(arrow) = self.eat(TokenKind::FatArrow) {
            if !is_object {
                return Err(self.key_in_tuple(open, arrow));
            }
            key = std::mem::replace(&mut value, self.expression()?);
        } else if is_object {
            let next = self.peek();
            return Err(self.for_without_key(open, next));
        }
        let group = self.eat(TokenKind::Ellipsis);
        if let (Some(group), false) = (group, is_object) {
            return Err(self.grouping_in_tuple(open, group));
        }
        let condition = if self.at_word("if") {
            self.read();
            self.expression()?
        } else {
            nothing
        };
        self.close(open, end, None)?;
        let extent = Extent { start: open.extent.start, end: self.end };
        let parts = [value_name, collection, value, key_name, key, condition];
        Ok(self.tree.node(extent, Tag::For { group: group.is_some() }, &parts))
    }

    /// `k, v in collection`.
    pub(super) fn for_intro(&mut self) -> Parsed<Intro> {
        let mut value_name = self.for_name()?;
        let mut key_name = Node::new(value_name.extent, Tag::Nothing);
        if self.eat(TokenKind::Comma).is_some() {
            key_name = std::mem::replace(&mut value_name, self.for_name()?);
        }
        if !self.at_word("in") {
            let next = self.peek();
            return Err(self.for_without_in(next));
        }
        self.read();
        Ok(Intro { key_name, value_name, collection: self.expression()? })
    }

    fn for_name(&mut self) -> Parsed<Node> {
        let token = self.peek();
        if token.kind != TokenKind::Ident {
            return Err(self.for_without_name(token));
        }
        self.read();
        Ok(Node::word(token.extent, Tag::Name, self.word(token.extent)))
    }

    pub(super) fn call(&mut self, first: Token) -> Parsed<Node> {
        let mut extent = first.extent;
        while self.eat(TokenKind::DoubleColon).is_some() {
            let next = self.peek();
            if next.kind != TokenKind::Ident {
                return Err(self.no_function_name(next));
            }
            self.read();
            extent.end = self.end;
        }
        let open = self.peek();
        if open.kind != TokenKind::OParen {
            return Err(self.no_arguments(extent, open));
        }
        self.read();
        let list = self.tree.begin_list();
        let word = if extent == first.extent {
            self.word(extent)
        } else {
            // `core::` is the name space of the built-in functions.
            let full: String = self.slice(extent).split_whitespace().collect();
            self.tree.words.number(full.strip_prefix("core::").unwrap_or(&full))
        };
        self.tree.gather(Node::word(extent, Tag::Name, word));
        let expand = self.with_newlines(false, |parser| parser.arguments(open))?;
        let extent = Extent { start: extent.start, end: self.end };
        Ok(self.tree.node_of_list(extent, Tag::Call { expand }, list))
    }

    /// Gathers the arguments of a call; tells whether `...` follows the last.
    fn arguments(&mut self, open: Token) -> Parsed<bool> {
        let mut expand = false;
        while self.kind() != TokenKind::CParen {
            let argument = self.expression()?;
            self.tree.gather(argument);
            expand = self.eat(TokenKind::Ellipsis).is_some();
            if expand || self.eat(TokenKind::Comma).is_none() {
                break;
            }
        }
        self.close(open, TokenKind::CParen, (!expand).then_some(","))?;
        Ok(expand)
    }
}

fn can_begin_value(kind: TokenKind) -> bool {
    !matches!(
        kind,
        TokenKind::Equal
            | TokenKind::Colon
            | TokenKind::Comma
            | TokenKind::End
            | TokenKind::FatArrow
    )
}
