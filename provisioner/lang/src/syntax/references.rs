//! Walks over expressions: which references are free, which functions are called.

use super::ast::{Call, Expr, Extent, ItemKey, Kind, Part, Parts, Step, StepKind, Steps};
use std::sync::Arc;

/// A reference that is not to a variable of the expression itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free<'e> {
    /// The whole reference.
    pub expr: Expr<'e>,
    pub root: &'e Arc<str>,
    pub extent: Extent,
    /// The steps behind the root, up to a splat or an index that depends on an inner variable.
    pub steps: Steps<'e>,
}

/// What a walk meets.
pub(crate) trait Visit<'e> {
    /// A free reference.
    fn reference(&mut self, free: Free<'e>);

    /// A call.
    fn call(&mut self, _call: Call<'e>, _extent: Extent) {}
}

/// What an expression uses of what is around it.
#[derive(Default)]
pub(crate) struct Uses<'e> {
    /// The free references.
    pub references: Vec<Free<'e>>,
    /// The names of the functions that are called.
    pub calls: Vec<&'e Arc<str>>,
}

impl<'e> Visit<'e> for Uses<'e> {
    fn reference(&mut self, free: Free<'e>) {
        self.references.push(free);
    }

    fn call(&mut self, call: Call<'e>, _extent: Extent) {
        self.calls.push(call.name.text);
    }
}

/// What an expression uses.
pub(crate) fn uses(expr: Expr<'_>) -> Uses<'_> {
    let mut uses = Uses::default();
    walk(expr, &mut uses);
    uses
}

/// What a template uses.
pub(crate) fn template_uses(parts: Parts<'_>) -> Uses<'_> {
    let mut uses = Uses::default();
    Walk { visit: &mut uses, bound: Vec::new() }.parts(parts);
    uses
}

/// The free references of an expression.
pub(crate) fn references(expr: Expr<'_>) -> Vec<Free<'_>> {
    uses(expr).references
}

/// Walks an expression.
pub(crate) fn walk<'e>(expr: Expr<'e>, visit: &mut dyn Visit<'e>) {
    Walk { visit, bound: Vec::new() }.expr(expr);
}

struct Walk<'v, 'e> {
    visit: &'v mut dyn Visit<'e>,
    bound: Vec<&'e Arc<str>>,
}

impl<'e> Walk<'_, 'e> {
    fn expr(&mut self, expr: Expr<'e>) {
        match expr.kind() {
            Kind::Literal(_) | Kind::Broken => {}
            Kind::Tuple(items) => items.iter().for_each(|item| self.expr(item)),
            Kind::Object(items) => {
                for item in items.iter() {
                    if let ItemKey::Expr(key) = item.key {
                        self.object_key(key);
                    }
                    self.expr(item.value);
                }
            }
            Kind::Template(parts) => self.parts(parts),
            Kind::Parens(inner) | Kind::Unary(_, inner) => self.expr(inner),
            Kind::Variable(_) | Kind::Reference(_) => {
                if let Some(reference) = expr.reference() {
                    self.reference(expr, reference.root, reference.steps);
                    self.indexes(reference.steps);
                }
            }
            Kind::Traversal(traversal) => {
                self.expr(traversal.base);
                self.indexes(traversal.steps);
            }
            Kind::Conditional(parts) => parts.into_iter().for_each(|part| self.expr(part)),
            Kind::Binary(_, operands) if !operands[0].is_binary() => {
                let [left, right] = operands;
                self.expr(left);
                self.expr(right);
            }
            Kind::Binary(..) => {
                let mut chain = expr.chain();
                if let Some((_, _, innermost)) = chain.last() {
                    self.expr(innermost[0]);
                }
                while let Some((_, _, operands)) = chain.pop() {
                    self.expr(operands[1]);
                }
            }
            Kind::Call(call) => {
                self.visit.call(call, expr.extent());
                call.arguments.iter().for_each(|argument| self.expr(argument));
            }
            Kind::For(parsed) => {
                self.expr(parsed.collection);
                self.within(parsed.key_name.into_iter().chain([parsed.value_name]), |walk| {
                    let optional = [parsed.key, parsed.condition];
                    optional.into_iter().flatten().for_each(|part| walk.expr(part));
                    walk.expr(parsed.value);
                });
            }
        }
    }

    /// A bare word as an object's key is the key itself, and one with dots is a mistake; everything else is an expression.
    fn object_key(&mut self, key: Expr<'e>) {
        if key.reference().is_none() {
            self.expr(key);
        }
    }

    fn within(&mut self, names: impl Iterator<Item = &'e Arc<str>>, inner: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        self.bound.extend(names);
        inner(self);
        self.bound.truncate(before);
    }

    fn parts(&mut self, parts: Parts<'e>) {
        for part in parts.iter() {
            match part {
                Part::Literal(_) => {}
                Part::Interpolation(expr) => self.expr(expr),
                Part::If(choice) => {
                    self.expr(choice.condition);
                    self.parts(choice.yes);
                    self.parts(choice.no);
                }
                Part::For(each) => {
                    self.expr(each.collection);
                    let names = each.key_name.into_iter().chain([each.value_name]);
                    self.within(names, |walk| walk.parts(each.body));
                }
            }
        }
    }

    fn indexes(&mut self, steps: Steps<'e>) {
        for step in steps.iter() {
            match step.kind {
                StepKind::Attribute(_) => {}
                StepKind::Index(index) => self.expr(index),
                StepKind::Splat(inner) => self.indexes(inner),
            }
        }
    }

    fn reference(&mut self, expr: Expr<'e>, root: &'e Arc<str>, steps: Steps<'e>) {
        if self.bound.contains(&root) {
            return;
        }
        let fixed = |step: &Step<'e>| match step.kind {
            StepKind::Attribute(_) => true,
            StepKind::Index(index) => !self.depends_on_bound(index),
            StepKind::Splat(_) => false,
        };
        let count = steps.iter().take_while(fixed).count();
        let steps = steps.first(count);
        self.visit.reference(Free { expr, root, extent: expr.extent(), steps });
    }

    fn depends_on_bound(&self, index: Expr<'e>) -> bool {
        !self.bound.is_empty()
            && references(index).iter().any(|free| self.bound.contains(&free.root))
    }
}
