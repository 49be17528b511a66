//! What stands in brackets: tuples, objects, `for` expressions and the arguments of calls.

use super::super::ast::{Call, Expr, Extent, For, Item, ItemKey, Kind, Literal, Name};
use super::super::lex::{Token, TokenKind};
use super::{Parsed, Parser, taken};
use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;

/// Up to how many keys are compared one by one to find those that are given twice.
const FEW: usize = 12;

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

    pub(super) fn tuple(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let kind = self.with_newlines(false, |parser| {
            if parser.at_word("for") {
                return parser.for_expression(open, TokenKind::CBrack);
            }
            let first = parser.gathered.exprs.len();
            while parser.kind() != TokenKind::CBrack {
                let item = parser.expression()?;
                parser.gathered.exprs.push(item);
                if parser.eat(TokenKind::Comma).is_none() {
                    break;
                }
            }
            parser.close(open, TokenKind::CBrack, Some(","))?;
            Ok(Kind::Tuple(taken(&mut parser.gathered.exprs, first)))
        })?;
        Ok(Expr { extent: Extent { start: open.extent.start, end: self.end }, kind })
    }

    pub(super) fn object(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let is_for = self.with_newlines(false, |parser| parser.at_word("for"));
        let kind = if is_for {
            self.with_newlines(false, |parser| parser.for_expression(open, TokenKind::CBrace))?
        } else {
            self.with_newlines(true, |parser| parser.object_items(open))?
        };
        Ok(Expr { extent: Extent { start: open.extent.start, end: self.end }, kind })
    }

    fn object_items(&mut self, open: Token) -> Parsed<Kind> {
        let first = self.gathered.items.len();
        loop {
            while self.eat(TokenKind::Newline).is_some() {}
            if self.kind() == TokenKind::CBrace {
                break;
            }
            let item = self.object_item(open)?;
            self.gathered.items.push(item);
            if self.eat(TokenKind::Comma).or_else(|| self.eat(TokenKind::Newline)).is_none() {
                break;
            }
        }
        self.close(open, TokenKind::CBrace, Some(","))?;
        let items = taken(&mut self.gathered.items, first);
        self.keys_given_twice(&items);
        Ok(Kind::Object(items))
    }

    fn object_item(&mut self, open: Token) -> Parsed<Item> {
        let first = self.peek();
        if !can_begin_value(first.kind) {
            return Err(self.no_key(open, first));
        }
        let key = self.expression()?;
        let next = self.peek();
        if !matches!(next.kind, TokenKind::Equal | TokenKind::Colon) {
            return Err(self.no_value_of_key(open, &key, next));
        }
        let key = self.item_key(key);
        self.read();
        let value = self.expression()?;
        Ok(Item { key, value })
    }

    /// What is a plain word or text is the key itself.
    fn item_key(&mut self, key: Expr) -> ItemKey {
        let text = match &key.kind {
            Kind::Variable(word) => Some(word.clone()),
            Kind::Literal(Literal::Text(text)) => Some(text.clone()),
            Kind::Literal(Literal::Null | Literal::Bool(_)) => Some(self.word(key.extent)),
            _ => None,
        };
        match text {
            Some(text) => ItemKey::Name(Name { text, extent: key.extent }),
            None => ItemKey::Expr(Box::new(key)),
        }
    }

    /// The last one counts, and one of them was probably meant to be another.
    fn keys_given_twice(&mut self, items: &[Item]) {
        let name = |item: &Item| match &item.key {
            ItemKey::Name(name) => Some(name.clone()),
            ItemKey::Expr(_) => None,
        };
        if items.len() <= FEW {
            for (at, item) in items.iter().enumerate() {
                let ItemKey::Name(second) = &item.key else { continue };
                let same = |earlier: &Item| matches!(&earlier.key, ItemKey::Name(n) if n.text == second.text);
                if let Some(first) = items[..at].iter().rfind(|item| same(item)).and_then(name) {
                    self.key_twice(second, first.extent);
                }
            }
            return;
        }
        let mut seen: HashMap<Arc<str>, Extent> = HashMap::with_capacity(items.len());
        for second in items.iter().filter_map(name) {
            if let Some(first) = seen.insert(second.text.clone(), second.extent) {
                self.key_twice(&second, first);
            }
        }
    }

    fn for_expression(&mut self, open: Token, end: TokenKind) -> Parsed<Kind> {
        self.read();
        let (key_name, value_name, collection) = self.for_intro()?;
        if self.eat(TokenKind::Colon).is_none() {
            let next = self.peek();
            return Err(self.for_without_colon(next));
        }
        let is_object = end == TokenKind::CBrace;
        let mut value = self.expression()?;
        let mut key = None;
        if let Some(arrow) = self.eat(TokenKind::FatArrow) {
            if !is_object {
                return Err(self.key_in_tuple(open, arrow));
            }
            key = Some(std::mem::replace(&mut value, self.expression()?));
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
            Some(self.expression()?)
        } else {
            None
        };
        self.close(open, end, None)?;
        let group = group.is_some();
        Ok(Kind::For(Box::new(For {
            key_name,
            value_name,
            collection,
            key,
            value,
            group,
            condition,
        })))
    }

    /// `k, v in collection`.
    pub(super) fn for_intro(&mut self) -> Parsed<(Option<Arc<str>>, Arc<str>, Expr)> {
        let mut key_name = None;
        let mut value_name = self.for_name()?;
        if self.eat(TokenKind::Comma).is_some() {
            key_name = Some(std::mem::replace(&mut value_name, self.for_name()?));
        }
        if !self.at_word("in") {
            let next = self.peek();
            return Err(self.for_without_in(next));
        }
        self.read();
        Ok((key_name, value_name, self.expression()?))
    }

    fn for_name(&mut self) -> Parsed<Arc<str>> {
        let token = self.peek();
        if token.kind != TokenKind::Ident {
            return Err(self.for_without_name(token));
        }
        self.read();
        Ok(self.word(token.extent))
    }

    pub(super) fn call(&mut self, first: Token) -> Parsed<Expr> {
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
        let (arguments, expand) = self.with_newlines(false, |parser| parser.arguments(open))?;
        let text = if extent == first.extent {
            self.word(extent)
        } else {
            // `core::` is the name space of the built-in functions.
            let full: String = self.slice(extent).split_whitespace().collect();
            full.strip_prefix("core::").unwrap_or(&full).into()
        };
        let call = Call { name: Name { text, extent }, arguments, expand };
        let extent = Extent { start: extent.start, end: self.end };
        Ok(Expr { extent, kind: Kind::Call(Box::new(call)) })
    }

    fn arguments(&mut self, open: Token) -> Parsed<(Box<[Expr]>, bool)> {
        let first = self.gathered.exprs.len();
        let mut expand = false;
        while self.kind() != TokenKind::CParen {
            let argument = self.expression()?;
            self.gathered.exprs.push(argument);
            expand = self.eat(TokenKind::Ellipsis).is_some();
            if expand || self.eat(TokenKind::Comma).is_none() {
                break;
            }
        }
        self.close(open, TokenKind::CParen, (!expand).then_some(","))?;
        Ok((taken(&mut self.gathered.exprs, first), expand))
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
