//! Expressions: operators, operands and what follows them.

use super::super::lex::{Token, TokenKind};
use super::super::tree::{Binary, Extent, Node, Tag, Unary};
use super::{Parsed, Parser};

impl Parser<'_> {
    /// An expression and nothing behind it.
    pub(super) fn whole_expression(&mut self) -> Parsed<Node> {
        let expr = self.expression()?;
        let next = self.peek();
        if next.kind == TokenKind::End {
            return Ok(expr);
        }
        Err(self.goes_on_after_expression(next))
    }

    pub(super) fn expression(&mut self) -> Parsed<Node> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed<Node> {
        let condition = self.operation()?;
        let Some(question) = self.eat(TokenKind::Question) else { return Ok(condition) };
        let yes = self.expression()?;
        let next = self.peek();
        if next.kind != TokenKind::Colon {
            return Err(self.no_colon(question, next));
        }
        self.read();
        let no = self.expression()?;
        let extent = Extent { start: condition.extent.start, end: no.extent.end };
        Ok(self.tree.node(extent, Tag::Conditional, &[condition, yes, no]))
    }

    /// Operands and the operators between them, by precedence; all operators group from the left.
    fn operation(&mut self) -> Parsed<Node> {
        let mut last = self.operand()?;
        let mut waiting: Vec<(Node, Binary)> = Vec::new();
        loop {
            let next = binary(self.kind());
            let strength = next.map_or(0, precedence);
            while let Some((left, operator)) =
                waiting.pop_if(|(_, operator)| precedence(*operator) >= strength)
            {
                let extent = Extent { start: left.extent.start, end: last.extent.end };
                last = self.tree.node(extent, Tag::Binary(operator), &[left, last]);
            }
            let Some(operator) = next else { return Ok(last) };
            self.read();
            waiting.push((last, operator));
            last = self.operand()?;
        }
    }

    fn operand(&mut self) -> Parsed<Node> {
        let token = self.peek();
        let operator = match token.kind {
            TokenKind::Minus => Unary::Negate,
            TokenKind::Bang => Unary::Not,
            _ => {
                let term = self.term(token)?;
                return match self.kind() {
                    TokenKind::Dot | TokenKind::OBrack => self.traversal(term),
                    _ => Ok(term),
                };
            }
        };
        self.read();
        let operand = self.nested(Self::operand)?;
        let extent = Extent { start: token.extent.start, end: operand.extent.end };
        Ok(self.tree.node(extent, Tag::Unary(operator), &[operand]))
    }

    fn term(&mut self, token: Token) -> Parsed<Node> {
        match token.kind {
            TokenKind::OQuote => self.quoted(),
            TokenKind::Ident => self.named(),
            TokenKind::NumberLit => self.number(),
            TokenKind::OBrack => self.tuple(),
            TokenKind::OBrace => self.object(),
            TokenKind::OParen => self.parentheses(),
            TokenKind::OHeredoc => self.heredoc(),
            _ => Err(self.no_value(token)),
        }
    }

    /// A word: a literal, a call, or the start of a reference.
    fn named(&mut self) -> Parsed<Node> {
        let token = self.read();
        if let TokenKind::OParen | TokenKind::DoubleColon = self.kind() {
            return self.call(token);
        }
        Ok(match self.slice(token.extent) {
            "true" => Node::bool(token.extent, true),
            "false" => Node::bool(token.extent, false),
            "null" => Node::new(token.extent, Tag::Null),
            _ => Node::word(token.extent, Tag::Variable, self.word(token.extent)),
        })
    }

    fn number(&mut self) -> Parsed<Node> {
        let token = self.read();
        let text = self.slice(token.extent);
        let number = self.tree.number(token.extent, text);
        number.ok_or_else(|| self.bad_number(token))
    }

    fn parentheses(&mut self) -> Parsed<Node> {
        let open = self.read();
        let inner = self.with_newlines(false, |parser| {
            let inner = parser.expression()?;
            parser.close(open, TokenKind::CParen, None)?;
            Ok(inner)
        })?;
        let extent = Extent { start: open.extent.start, end: self.end };
        Ok(self.tree.node(extent, Tag::Parens, &[inner]))
    }

    fn traversal(&mut self, base: Node) -> Parsed<Node> {
        let list = self.tree.begin_list();
        self.tree.gather(base);
        self.steps()?;
        let extent = Extent { start: base.extent.start, end: self.end };
        if let [Node { tag: Tag::Variable, a: root, .. }, step] = *self.tree.gathered(list)
            && step.tag == Tag::Attribute
            && step.extent.start == base.extent.end
        {
            self.tree.drop_list(list);
            return Ok(Node { extent, tag: Tag::Member, a: root, b: step.a });
        }
        let tag = if base.tag == Tag::Variable { Tag::Reference } else { Tag::Traversal };
        Ok(self.tree.node_of_list(extent, tag, list))
    }

    /// Gathers steps.
    fn steps(&mut self) -> Parsed<()> {
        loop {
            let token = self.peek();
            let mut step = match token.kind {
                TokenKind::Dot => self.after_dot()?,
                TokenKind::OBrack => {
                    self.read();
                    self.after_bracket(token)?
                }
                _ => return Ok(()),
            };
            step.extent = Extent { start: token.extent.start, end: self.end };
            self.tree.gather(step);
        }
    }

    /// A step; where it begins and ends is not said yet.
    fn after_dot(&mut self) -> Parsed<Node> {
        let dot = self.read();
        let token = self.peek();
        match token.kind {
            TokenKind::Ident | TokenKind::NumberLit => self.member(dot),
            TokenKind::Star => {
                self.read();
                let each = self.tree.begin_list();
                while let Some(dot) = self.eat(TokenKind::Dot) {
                    if self.kind() == TokenKind::Star {
                        return Err(self.nested_splat());
                    }
                    let mut step = self.member(dot)?;
                    step.extent = Extent { start: dot.extent.start, end: self.end };
                    self.tree.gather(step);
                }
                Ok(self.tree.node_of_list(Extent::default(), Tag::Splat, each))
            }
            _ => Err(self.no_attribute_name(dot, token)),
        }
    }

    /// The name behind a dot, or a number: `list.0` is an old way to write `list[0]`.
    fn member(&mut self, dot: Token) -> Parsed<Node> {
        let token = self.peek();
        match token.kind {
            TokenKind::Ident => {
                self.read();
                Ok(Node::word(token.extent, Tag::Attribute, self.word(token.extent)))
            }
            TokenKind::NumberLit => {
                self.read();
                let text = self.slice(token.extent);
                let index = text.parse::<i64>().ok().and_then(|index| u64::try_from(index).ok());
                let Some(index) = index else { return Err(self.chained_index(dot, token)) };
                let index = Node::whole(token.extent, index);
                Ok(self.tree.node(token.extent, Tag::Index, &[index]))
            }
            _ => Err(self.no_attribute_name(dot, token)),
        }
    }

    /// A step; where it begins and ends is not said yet.
    fn after_bracket(&mut self, open: Token) -> Parsed<Node> {
        if self.eat(TokenKind::Star).is_some() {
            self.close(open, TokenKind::CBrack, None)?;
            // Everything that follows applies to each item.
            let each = self.tree.begin_list();
            self.nested(Self::steps)?;
            return Ok(self.tree.node_of_list(open.extent, Tag::Splat, each));
        }
        self.with_newlines(false, |parser| {
            let index = parser.expression()?;
            parser.close(open, TokenKind::CBrack, None)?;
            Ok(parser.tree.node(open.extent, Tag::Index, &[index]))
        })
    }
}

fn binary(kind: TokenKind) -> Option<Binary> {
    Some(match kind {
        TokenKind::EqualOp => Binary::Equal,
        TokenKind::NotEqual => Binary::NotEqual,
        TokenKind::LessEq => Binary::LessEqual,
        TokenKind::GreaterEq => Binary::GreaterEqual,
        TokenKind::Less => Binary::Less,
        TokenKind::Greater => Binary::Greater,
        TokenKind::Plus => Binary::Add,
        TokenKind::Minus => Binary::Subtract,
        TokenKind::Star => Binary::Multiply,
        TokenKind::Slash => Binary::Divide,
        TokenKind::Percent => Binary::Modulo,
        TokenKind::And => Binary::And,
        TokenKind::Or => Binary::Or,
        _ => return None,
    })
}

/// How strongly an operator binds, from 1.
fn precedence(operator: Binary) -> u8 {
    match operator {
        Binary::Or => 1,
        Binary::And => 2,
        Binary::Equal | Binary::NotEqual => 3,
        Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual => 4,
        Binary::Add | Binary::Subtract => 5,
        Binary::Multiply | Binary::Divide | Binary::Modulo => 6,
    }
}
