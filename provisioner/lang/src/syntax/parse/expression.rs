//! Expressions: operators, operands and what follows them.

use super::super::ast::{
    Binary, Expr, Extent, Kind, Literal, Reference, Step, StepKind, Traversal, Unary,
};
use super::super::lex::{Token, TokenKind};
use super::{Parsed, Parser, taken};
use model::Number;

impl Parser<'_> {
    /// An expression and nothing behind it.
    pub(super) fn whole_expression(&mut self) -> Parsed<Expr> {
        let expr = self.expression()?;
        let next = self.peek();
        if next.kind == TokenKind::End {
            return Ok(expr);
        }
        Err(self.goes_on_after_expression(next))
    }

    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed<Expr> {
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
        Ok(Expr { extent, kind: Kind::Conditional(Box::new([condition, yes, no])) })
    }

    /// Operands and the operators between them, by precedence; all operators group from the left.
    fn operation(&mut self) -> Parsed<Expr> {
        let mut last = self.operand()?;
        let mut waiting: Vec<(Expr, Binary)> = Vec::new();
        loop {
            let next = binary(self.kind());
            let strength = next.map_or(0, precedence);
            while let Some((left, operator)) =
                waiting.pop_if(|(_, operator)| precedence(*operator) >= strength)
            {
                let extent = Extent { start: left.extent.start, end: last.extent.end };
                last = Expr { extent, kind: Kind::Binary(operator, [left, last].into()) };
            }
            let Some(operator) = next else { return Ok(last) };
            self.read();
            waiting.push((last, operator));
            last = self.operand()?;
        }
    }

    fn operand(&mut self) -> Parsed<Expr> {
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
        Ok(Expr { extent, kind: Kind::Unary(operator, Box::new(operand)) })
    }

    fn term(&mut self, token: Token) -> Parsed<Expr> {
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
    fn named(&mut self) -> Parsed<Expr> {
        let token = self.read();
        if let TokenKind::OParen | TokenKind::DoubleColon = self.kind() {
            return self.call(token);
        }
        let kind = match self.slice(token.extent) {
            "true" => Kind::Literal(Literal::Bool(true)),
            "false" => Kind::Literal(Literal::Bool(false)),
            "null" => Kind::Literal(Literal::Null),
            _ => Kind::Variable(self.word(token.extent)),
        };
        Ok(Expr { extent: token.extent, kind })
    }

    fn number(&mut self) -> Parsed<Expr> {
        let token = self.read();
        match Number::parse(self.slice(token.extent)) {
            Some(number) => {
                Ok(Expr { extent: token.extent, kind: Kind::Literal(Literal::Number(number)) })
            }
            None => Err(self.bad_number(token)),
        }
    }

    fn parentheses(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let inner = self.with_newlines(false, |parser| {
            let inner = parser.expression()?;
            parser.close(open, TokenKind::CParen, None)?;
            Ok(inner)
        })?;
        let extent = Extent { start: open.extent.start, end: self.end };
        Ok(Expr { extent, kind: Kind::Parens(Box::new(inner)) })
    }

    fn traversal(&mut self, base: Expr) -> Parsed<Expr> {
        let steps = self.steps()?;
        let extent = Extent { start: base.extent.start, end: self.end };
        let kind = match base.kind {
            Kind::Variable(root) => Kind::Reference(Box::new(Reference { root, steps })),
            _ => Kind::Traversal(Box::new(Traversal { base, steps })),
        };
        Ok(Expr { extent, kind })
    }

    fn steps(&mut self) -> Parsed<Box<[Step]>> {
        let first = self.gathered.steps.len();
        loop {
            let token = self.peek();
            let kind = match token.kind {
                TokenKind::Dot => self.after_dot()?,
                TokenKind::OBrack => {
                    self.read();
                    self.after_bracket(token)?
                }
                _ => return Ok(taken(&mut self.gathered.steps, first)),
            };
            let extent = Extent { start: token.extent.start, end: self.end };
            self.gathered.steps.push(Step { extent, kind });
        }
    }

    fn after_dot(&mut self) -> Parsed<StepKind> {
        let dot = self.read();
        let token = self.peek();
        match token.kind {
            TokenKind::Ident | TokenKind::NumberLit => self.member(dot),
            TokenKind::Star => {
                self.read();
                let mut each = Vec::new();
                while let Some(dot) = self.eat(TokenKind::Dot) {
                    if self.kind() == TokenKind::Star {
                        return Err(self.nested_splat());
                    }
                    let kind = self.member(dot)?;
                    let extent = Extent { start: dot.extent.start, end: self.end };
                    each.push(Step { extent, kind });
                }
                Ok(StepKind::Splat(each.into()))
            }
            _ => Err(self.no_attribute_name(dot, token)),
        }
    }

    /// The name behind a dot, or a number: `list.0` is an old way to write `list[0]`.
    fn member(&mut self, dot: Token) -> Parsed<StepKind> {
        let token = self.peek();
        match token.kind {
            TokenKind::Ident => {
                self.read();
                Ok(StepKind::Attribute(self.word(token.extent)))
            }
            TokenKind::NumberLit => {
                self.read();
                let text = self.slice(token.extent);
                let index = text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
                let Some(index) = index else { return Err(self.chained_index(dot, token)) };
                let kind = Kind::Literal(Literal::Number(index.into()));
                Ok(StepKind::Index(Box::new(Expr { extent: token.extent, kind })))
            }
            _ => Err(self.no_attribute_name(dot, token)),
        }
    }

    fn after_bracket(&mut self, open: Token) -> Parsed<StepKind> {
        if self.eat(TokenKind::Star).is_some() {
            self.close(open, TokenKind::CBrack, None)?;
            // Everything that follows applies to each item.
            return Ok(StepKind::Splat(self.nested(Self::steps)?));
        }
        self.with_newlines(false, |parser| {
            let index = parser.expression()?;
            parser.close(open, TokenKind::CBrack, None)?;
            Ok(StepKind::Index(Box::new(index)))
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
