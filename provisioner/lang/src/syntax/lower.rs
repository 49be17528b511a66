//! From the parser's tree to ours.

use super::ast::{
    Attribute, Binary, Block, Body, Call, Expr, Expression, Extent, For, Item, ItemKey, Kind, Name,
    Part, Step, StepKind, Traversal, Unary,
};
use crate::source::{SourceFile, offset};
use hcl_edit::Span as _;
use hcl_edit::expr::{
    self, BinaryOperator, Expression as Parsed, ObjectKey, TraversalOperator, UnaryOperator,
};
use hcl_edit::structure;
use hcl_edit::template::{Directive, Element, Strip, Template};
use model::{Diagnostic, Number, Type, Value};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Lowers the trees of one file.
pub(super) struct Lower<'a> {
    file: &'a Arc<SourceFile>,
    /// Where the text that is lowered begins in the file.
    base: u32,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> Lower<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>) -> Self {
        Self { file, base: 0, diagnostics: Vec::new() }
    }

    fn extent(&self, range: Option<Range<usize>>) -> Extent {
        let range = range.unwrap_or_default();
        Extent { start: self.base + offset(range.start), end: self.base + offset(range.end) }
    }

    fn name(&self, ident: &hcl_edit::Decorated<hcl_edit::Ident>) -> Name {
        Name { text: ident.as_str().into(), extent: self.extent(ident.span()) }
    }

    pub(super) fn body(&mut self, body: &structure::Body) -> Body {
        let mut lowered = Body::default();
        for part in body {
            match part {
                structure::Structure::Attribute(attribute) => lowered.attributes.push(Attribute {
                    name: self.name(&attribute.key),
                    value: Expression {
                        file: self.file.clone(),
                        root: Arc::new(self.expr(&attribute.value)),
                    },
                }),
                structure::Structure::Block(block) => lowered.blocks.push(self.block(block)),
            }
        }
        lowered
    }

    fn block(&mut self, block: &structure::Block) -> Block {
        let kind = self.name(&block.ident);
        let label = |label: &structure::BlockLabel| Name {
            text: label.as_str().into(),
            extent: self.extent(label.span()),
        };
        let labels: Vec<_> = block.labels.iter().map(label).collect();
        let end = labels.last().map_or(kind.extent.end, |label| label.extent.end);
        let header = Extent { start: kind.extent.start, end };
        Block { file: self.file.clone(), kind, labels, body: self.body(&block.body), header }
    }

    pub(super) fn expr(&mut self, parsed: &Parsed) -> Expr {
        let kind = match parsed {
            Parsed::Null(_) => Kind::Literal(Value::null(Type::Any)),
            Parsed::Bool(value) => Kind::Literal((*value.value()).into()),
            Parsed::Number(number) => Kind::Literal(self.number(number.value(), parsed)),
            Parsed::String(text) => Kind::Literal(Value::string(text)),
            Parsed::Array(items) => Kind::Tuple(items.iter().map(|item| self.expr(item)).collect()),
            Parsed::Object(object) => Kind::Object(self.object(object)),
            Parsed::StringTemplate(template) => Kind::Template(self.template(template)),
            Parsed::HeredocTemplate(heredoc) => self.heredoc(parsed, heredoc),
            Parsed::Parenthesis(inner) => Kind::Parens(Box::new(self.expr(inner.inner()))),
            Parsed::Variable(ident) => Kind::Variable(ident.as_str().into()),
            Parsed::Conditional(conditional) => Kind::Conditional(Box::new([
                self.expr(&conditional.cond_expr),
                self.expr(&conditional.true_expr),
                self.expr(&conditional.false_expr),
            ])),
            Parsed::FuncCall(call) => Kind::Call(Box::new(self.call(call))),
            Parsed::Traversal(traversal) => {
                let steps: Vec<_> = traversal.operators.iter().collect();
                let base = self.expr(&traversal.expr);
                Kind::Traversal(Box::new(Traversal { base, steps: self.steps(&steps) }))
            }
            Parsed::UnaryOp(operation) => {
                let operator = match operation.operator.value() {
                    UnaryOperator::Neg => Unary::Negate,
                    UnaryOperator::Not => Unary::Not,
                };
                Kind::Unary(operator, Box::new(self.expr(&operation.expr)))
            }
            Parsed::BinaryOp(operation) => Kind::Binary(
                binary(*operation.operator.value()),
                Box::new([self.expr(&operation.lhs_expr), self.expr(&operation.rhs_expr)]),
            ),
            Parsed::ForExpr(for_expr) => Kind::For(Box::new(self.for_expr(for_expr))),
        };
        Expr { extent: self.extent(parsed.span()), kind }
    }

    fn number(&mut self, number: &hcl_edit::Number, parsed: &Parsed) -> Value {
        let whole = number.as_i64().map(Number::from);
        if let Some(number) = whole.or_else(|| number.as_f64().and_then(Number::from_f64)) {
            return number.into();
        }
        let span = self.file.span(self.extent(parsed.span()));
        self.diagnostics.push(
            Diagnostic::error("number-too-large", "the number is too large").with_label(span, ""),
        );
        0.into()
    }

    fn object(&mut self, object: &expr::Object) -> Vec<Item> {
        let mut items = Vec::with_capacity(object.len());
        let mut seen: HashMap<Arc<str>, Extent> = HashMap::new();
        for (key, value) in object {
            let lowered = match key {
                ObjectKey::Ident(ident) => ItemKey::Name(self.name(ident)),
                ObjectKey::Expression(null @ Parsed::Null(_)) => {
                    ItemKey::Name(Name { text: "null".into(), extent: self.extent(null.span()) })
                }
                ObjectKey::Expression(Parsed::String(text)) => ItemKey::Name(Name {
                    text: text.as_str().into(),
                    extent: self.extent(text.span()),
                }),
                ObjectKey::Expression(expression) => ItemKey::Expr(self.expr(expression)),
            };
            if let ItemKey::Name(name) = &lowered {
                // The parser drops all but the last of equal keys; more than a sign is left between then.
                let value_start = self.extent(value.expr().span()).start;
                let between = Extent { start: name.extent.end, end: value_start };
                let dropped = self.file.slice(between).contains(['\n', ',']);
                let first = seen.insert(name.text.clone(), name.extent);
                if dropped || first.is_some() {
                    self.duplicate_key(name, first);
                }
            }
            items.push(Item { key: lowered, value: self.expr(value.expr()) });
        }
        items
    }

    fn duplicate_key(&mut self, name: &Name, first: Option<Extent>) {
        let summary = format!("the key `{}` is given twice in this object", name.text);
        let mut diagnostic = Diagnostic::error("duplicate-key", summary)
            .with_label(self.file.span(name.extent), "")
            .with_hint("remove one of the two");
        if let Some(first) = first {
            diagnostic = diagnostic.with_label(self.file.span(first), "given here first");
        }
        self.diagnostics.push(diagnostic);
    }

    fn call(&mut self, call: &expr::FuncCall) -> Call {
        let namespace = call.name.namespace.iter().map(|part| part.as_str());
        // `core::` is the name space of the built-in functions.
        let full: Vec<_> = namespace.chain([call.name.name.as_str()]).collect();
        let full =
            if full.len() == 2 && full[0] == "core" { full[1].to_owned() } else { full.join("::") };
        let first = call.name.namespace.first().unwrap_or(&call.name.name);
        let start = self.extent(first.span()).start;
        let end = self.extent(call.name.name.span()).end;
        Call {
            name: Name { text: full.into(), extent: Extent { start, end } },
            arguments: call.args.iter().map(|argument| self.expr(argument)).collect(),
            expand: call.args.expand_final(),
        }
    }

    fn steps(&mut self, operators: &[&hcl_edit::Decorated<TraversalOperator>]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(operators.len());
        let mut at = 0;
        while let Some(operator) = operators.get(at) {
            let place = self.extent(operator.span());
            at += 1;
            let kind = match operator.value() {
                TraversalOperator::GetAttr(ident) => StepKind::Attribute(ident.as_str().into()),
                TraversalOperator::Index(index) => StepKind::Index(self.expr(index)),
                TraversalOperator::LegacyIndex(index) => {
                    let index = i64::try_from(*index.value()).unwrap_or(i64::MAX);
                    StepKind::Index(Expr { extent: place, kind: Kind::Literal(index.into()) })
                }
                TraversalOperator::FullSplat(_) => {
                    let rest = self.steps(&operators[at..]);
                    at = operators.len();
                    StepKind::Splat(rest)
                }
                TraversalOperator::AttrSplat(_) => {
                    let attributes = operators[at..]
                        .iter()
                        .take_while(|next| matches!(next.value(), TraversalOperator::GetAttr(_)))
                        .count();
                    let each = self.steps(&operators[at..at + attributes]);
                    at += attributes;
                    StepKind::Splat(each)
                }
            };
            steps.push(Step { extent: place, kind });
        }
        steps
    }

    fn for_expr(&mut self, parsed: &expr::ForExpr) -> For {
        For {
            key_name: parsed.intro.key_var.as_ref().map(|name| name.as_str().into()),
            value_name: parsed.intro.value_var.as_str().into(),
            collection: self.expr(&parsed.intro.collection_expr),
            key: parsed.key_expr.as_ref().map(|key| self.expr(key)),
            value: self.expr(&parsed.value_expr),
            group: parsed.grouping,
            condition: parsed.cond.as_ref().map(|condition| self.expr(&condition.expr)),
        }
    }

    fn heredoc(&mut self, parsed: &Parsed, heredoc: &hcl_edit::template::HeredocTemplate) -> Kind {
        let whole = self.extent(parsed.span());
        let inner = self.extent(heredoc.template.span());
        let mut parts = Vec::new();
        if self.file.slice(whole).starts_with("<<-") {
            // The parser has taken the indentation off already, but not inside of directives.
            match hcl_edit::parser::parse_template(self.file.slice(inner)) {
                Ok(template) => {
                    let mut lower =
                        Lower { file: self.file, base: inner.start, diagnostics: Vec::new() };
                    parts = lower.template(&template);
                    self.diagnostics.append(&mut lower.diagnostics);
                }
                Err(_) => parts = self.template(&heredoc.template),
            }
            dedent(&mut parts);
        } else {
            parts.extend(self.template(&heredoc.template));
        }
        match parts.as_slice() {
            [] => Kind::Literal(Value::string("")),
            [Part::Literal(text)] => Kind::Literal(Value::string(text)),
            _ => Kind::Template(parts),
        }
    }

    /// Lowers a template.
    pub(super) fn template(&mut self, template: &Template) -> Vec<Part> {
        self.parts(template, Strips::default())
    }

    fn parts(&mut self, template: &Template, edges: Strips) -> Vec<Part> {
        let elements: Vec<_> = template.iter().collect();
        let mut parts = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            match element {
                Element::Literal(text) => {
                    let before =
                        at.checked_sub(1).map_or(edges.start, |before| strips(elements[before]).1);
                    let after = elements.get(at + 1).map_or(edges.end, |after| strips(after).0);
                    let text = strip(text, before, after);
                    if !text.is_empty() {
                        parts.push(Part::Literal(text.into()));
                    }
                }
                Element::Interpolation(interpolation) => {
                    parts.push(Part::Interpolation(self.expr(&interpolation.expr)));
                }
                Element::Directive(directive) => parts.push(self.directive(directive)),
            }
        }
        parts
    }

    fn directive(&mut self, directive: &Directive) -> Part {
        match directive {
            Directive::If(parsed) => {
                let (first, last) = (&parsed.if_expr, &parsed.endif_expr);
                let closing = parsed.else_expr.as_ref().map_or(last.strip, |branch| branch.strip);
                let edges = Strips { start: first.strip.strip_end(), end: closing.strip_start() };
                let yes = self.parts(&first.template, edges);
                let no = parsed.else_expr.as_ref().map_or_else(Vec::new, |branch| {
                    let edges =
                        Strips { start: branch.strip.strip_end(), end: last.strip.strip_start() };
                    self.parts(&branch.template, edges)
                });
                Part::If { condition: self.expr(&first.cond_expr), yes, no }
            }
            Directive::For(parsed) => {
                let intro = &parsed.for_expr;
                let edges = Strips {
                    start: intro.strip.strip_end(),
                    end: parsed.endfor_expr.strip.strip_start(),
                };
                Part::For {
                    key_name: intro.key_var.as_ref().map(|name| name.as_str().into()),
                    value_name: intro.value_var.as_str().into(),
                    collection: self.expr(&intro.collection_expr),
                    body: self.parts(&intro.template, edges),
                }
            }
        }
    }
}

/// Whether white space is taken off at the start and the end.
#[derive(Clone, Copy, Default)]
struct Strips {
    start: bool,
    end: bool,
}

/// What an element takes off the literal before it and the one behind it.
fn strips(element: &Element) -> (bool, bool) {
    let outer = |first: Strip, last: Strip| (first.strip_start(), last.strip_end());
    match element {
        Element::Literal(_) => (false, false),
        Element::Interpolation(interpolation) => outer(interpolation.strip, interpolation.strip),
        Element::Directive(directive) => match directive.as_ref() {
            Directive::If(parsed) => outer(parsed.if_expr.strip, parsed.endif_expr.strip),
            Directive::For(parsed) => outer(parsed.for_expr.strip, parsed.endfor_expr.strip),
        },
    }
}

/// Takes white space off, as `~` asks: up to the first line break behind a marker, and up to the start of
/// the line before one (a literal is split at line breaks in the reference implementation).
fn strip(text: &str, start: bool, end: bool) -> &str {
    let mut text = text;
    if start {
        let line_end = text.find('\n').map_or(text.len(), |at| at + 1);
        let taken = line_end - text[..line_end].trim_start().len();
        text = &text[taken..];
    }
    if end {
        let complete = text.strip_suffix('\n').unwrap_or(text);
        let line_start = complete.rfind('\n').map_or(0, |at| at + 1);
        text = &text[..line_start + text[line_start..].trim_end().len()];
    }
    text
}

/// Takes off the white space that all lines of a `<<-` heredoc begin with. A line that begins with an
/// interpolation or a directive has none; neither has what follows a directive on its line.
fn dedent(parts: &mut [Part]) {
    let mut least = usize::MAX;
    lines(parts, &mut true, &mut |line| {
        let blank = line.is_some_and(|line| line.trim().is_empty() && line.ends_with('\n'));
        let spaces = line.map_or(0, |line| line.chars().take_while(|c| c.is_whitespace()).count());
        if !blank {
            least = least.min(spaces);
        }
        0
    });
    lines(parts, &mut true, &mut |line| {
        let spaces = line
            .unwrap_or_default()
            .chars()
            .take(least)
            .take_while(|c| c.is_whitespace() && *c != '\n');
        spaces.map(char::len_utf8).sum()
    });
}

/// Calls `at_start` with every text that begins a line (`None` for what is no text); takes as many bytes
/// off as it says. `fresh` tells whether a line begins.
fn lines(parts: &mut [Part], fresh: &mut bool, at_start: &mut dyn FnMut(Option<&str>) -> usize) {
    let marker = |fresh: &mut bool, at_start: &mut dyn FnMut(Option<&str>) -> usize| {
        if std::mem::take(fresh) {
            at_start(None);
        }
    };
    for part in parts {
        match part {
            Part::Literal(text) => {
                let mut kept = String::with_capacity(text.len());
                for line in text.split_inclusive('\n') {
                    let taken = if *fresh { at_start(Some(line)) } else { 0 };
                    kept.push_str(&line[taken..]);
                    *fresh = line.ends_with('\n');
                }
                *text = kept.into();
            }
            Part::Interpolation(_) => marker(fresh, at_start),
            Part::If { yes, no, .. } => {
                marker(fresh, at_start);
                lines(yes, fresh, at_start);
                marker(fresh, at_start);
                if !no.is_empty() {
                    lines(no, fresh, at_start);
                    marker(fresh, at_start);
                }
            }
            Part::For { body, .. } => {
                marker(fresh, at_start);
                lines(body, fresh, at_start);
                marker(fresh, at_start);
            }
        }
    }
}

fn binary(operator: BinaryOperator) -> Binary {
    match operator {
        BinaryOperator::Eq => Binary::Equal,
        BinaryOperator::NotEq => Binary::NotEqual,
        BinaryOperator::LessEq => Binary::LessEqual,
        BinaryOperator::GreaterEq => Binary::GreaterEqual,
        BinaryOperator::Less => Binary::Less,
        BinaryOperator::Greater => Binary::Greater,
        BinaryOperator::Plus => Binary::Add,
        BinaryOperator::Minus => Binary::Subtract,
        BinaryOperator::Mul => Binary::Multiply,
        BinaryOperator::Div => Binary::Divide,
        BinaryOperator::Mod => Binary::Modulo,
        BinaryOperator::And => Binary::And,
        BinaryOperator::Or => Binary::Or,
    }
}
