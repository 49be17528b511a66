//! Operators and conditionals.

use super::equality::equal;
use super::{Evaluator, failed, is_failed};
use crate::syntax::{Binary, Expr, Kind, Unary, references};
use model::convert::{article, convert};
use model::unify::unify;
use model::{Bound, Data, Diagnostic, Marks, Number, Refinement, Type, Value};
use std::cmp::Ordering;

impl Evaluator<'_> {
    pub(super) fn unary(&mut self, expr: Expr<'_>, operator: Unary, operand: Expr<'_>) -> Value {
        let wanted = if operator == Unary::Not { Type::Bool } else { Type::Number };
        let value = self.eval(operand);
        let Some(value) = self.operand(&value, operand, &wanted) else {
            return failed();
        };
        let result = match (operator, value.data()) {
            (_, Data::Unknown(_)) => {
                let operands = std::slice::from_ref(&value);
                return self.residual_of(expr, wanted, operands, value.marks()).refined(not_null());
            }
            (Unary::Not, Data::Bool(truth)) => Value::from(!truth),
            (Unary::Negate, Data::Number(number)) => number.negated().into(),
            _ => return failed(),
        };
        result.with_marks(value.marks())
    }

    /// A chain of operators, from the innermost: it may be long, and the stack is not.
    pub(super) fn operators(&mut self, expr: Expr<'_>) -> Value {
        if let Kind::Binary(operator, operands) = expr.kind()
            && !operands[0].is_binary()
        {
            let (left, right) = (self.eval(operands[0]), self.eval(operands[1]));
            return self.binary(expr, operator, left, right, operands);
        }
        let mut chain = expr.chain();
        let mut left = chain.last().map_or_else(failed, |(_, _, first)| self.eval(first[0]));
        while let Some((expr, operator, operands)) = chain.pop() {
            let right = self.eval(operands[1]);
            left = self.binary(expr, operator, left, right, operands);
        }
        left
    }

    fn binary(
        &mut self,
        expr: Expr<'_>,
        operator: Binary,
        left: Value,
        right: Value,
        operands: [Expr<'_>; 2],
    ) -> Value {
        match operator {
            Binary::Equal | Binary::NotEqual => self.equality(expr, operator, &left, &right),
            Binary::And | Binary::Or => self.logical(expr, operator, &[left, right], operands),
            _ => self.numeric(expr, operator, &[left, right], operands),
        }
    }

    fn equality(&mut self, expr: Expr<'_>, operator: Binary, left: &Value, right: &Value) -> Value {
        if is_failed(left) || is_failed(right) {
            return failed();
        }
        let marks = left.deep_marks().union(&right.deep_marks());
        match equal(left, right) {
            Some(equal) => Value::from(equal == (operator == Binary::Equal)).with_marks(&marks),
            None => self.residual(expr, Type::Bool, Some(&marks)).refined(not_null()),
        }
    }

    fn both(
        &mut self,
        [left, right]: &[Value; 2],
        exprs: [Expr<'_>; 2],
        wanted: &Type,
    ) -> Option<[Value; 2]> {
        let left = self.operand(left, exprs[0], wanted);
        let right = self.operand(right, exprs[1], wanted);
        Some([left?, right?])
    }

    fn logical(
        &mut self,
        expr: Expr<'_>,
        operator: Binary,
        values: &[Value; 2],
        exprs: [Expr<'_>; 2],
    ) -> Value {
        let Some([left, right]) = self.both(values, exprs, &Type::Bool) else {
            return failed();
        };
        let marks = left.marks().union(right.marks());
        // As in Terraform, what is unknown makes the whole unknown, whatever the other operand is.
        let result = match (left.as_bool(), right.as_bool()) {
            (Some(one), Some(other)) if operator == Binary::And => one && other,
            (Some(one), Some(other)) => one || other,
            _ => {
                let operands = &[left, right];
                return self.residual_of(expr, Type::Bool, operands, &marks).refined(not_null());
            }
        };
        Value::from(result).with_marks(&marks)
    }

    fn numeric(
        &mut self,
        expr: Expr<'_>,
        operator: Binary,
        values: &[Value; 2],
        exprs: [Expr<'_>; 2],
    ) -> Value {
        let Some([left, right]) = self.both(values, exprs, &Type::Number) else {
            return failed();
        };
        let comparison = !matches!(
            operator,
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Modulo
        );
        let ty = if comparison { Type::Bool } else { Type::Number };
        let marks = left.marks().union(right.marks());
        let (Some(l), Some(r)) = (left.as_number(), right.as_number()) else {
            return match ordered(operator, &left, &right) {
                Some(truth) => Value::from(truth).with_marks(&marks),
                None => self.residual_of(expr, ty, &[left, right], &marks).refined(not_null()),
            };
        };
        if comparison {
            return Value::from(compare(operator, l.cmp(r))).with_marks(&marks);
        }
        match arithmetic(operator, l, r) {
            Some(number) => Value::from(number).with_marks(&marks),
            None => self.error(
                expr.extent(),
                "arithmetic",
                "the result is not a number",
                "of zero and infinite numbers, this operator makes none",
            ),
        }
    }

    /// An operand brought to the type that the operator takes.
    fn operand(&mut self, value: &Value, expr: Expr<'_>, wanted: &Type) -> Option<Value> {
        if is_failed(value) {
            return None;
        }
        let label = if value.is_null() {
            format!("this is null, where {} is needed", article(wanted))
        } else {
            match convert(value, wanted) {
                Ok(value) => return Some(value),
                Err(error) => error.to_string(),
            }
        };
        self.error(expr.extent(), "operand", "the operator does not take this operand", &label);
        None
    }

    /// The truth of a condition: `Ok(None)` when unknown, an error when reported.
    pub(super) fn condition(&mut self, value: &Value, expr: Expr<'_>) -> Result<Option<bool>, ()> {
        if is_failed(value) {
            return Err(());
        }
        let label = if value.is_null() {
            "this is null".to_owned()
        } else {
            match convert(value, &Type::Bool) {
                Ok(value) => return Ok(value.as_bool()),
                Err(error) => error.to_string(),
            }
        };
        self.error(expr.extent(), "condition", "a condition is true or false", &label);
        Err(())
    }

    pub(super) fn conditional(&mut self, expr: Expr<'_>, parts: [Expr<'_>; 3]) -> Value {
        let condition = self.eval(parts[0]);
        let Ok(truth) = self.condition(&condition, parts[0]) else {
            return failed();
        };
        let Some(truth) = truth else {
            return self.undecided(expr, &condition, parts);
        };
        let (taken, other) = if truth { (1, 2) } else { (2, 1) };
        let value = self.eval(parts[taken]);
        if is_failed(&value) {
            return value;
        }
        // The branch not taken only lends its type; it may fail.
        if !self.lends_its_type(parts[other]) {
            return value.with_marks(condition.marks());
        }
        let (alternative, caught) = self.attempt(parts[other]);
        if caught || is_failed(&alternative) {
            return value.with_marks(condition.marks());
        }
        // Which branch it was may be told by whether the result is a secret, so it is one either way.
        let marks = Marks { origins: None, ..alternative.marks().clone() };
        self.unified(expr, value, &alternative).with_marks(&marks.union(condition.marks()))
    }

    /// A conditional whose condition is not known: what holds for both branches holds for it.
    fn undecided(&mut self, expr: Expr<'_>, condition: &Value, parts: [Expr<'_>; 3]) -> Value {
        let before = self.diagnostics.len();
        let (yes, no) = (self.eval(parts[1]), self.eval(parts[2]));
        if self.diagnostics.len() > before || is_failed(&yes) || is_failed(&no) {
            return failed();
        }
        let Some(ty) = branch_type(&yes, &no) else {
            return self.unlike_branches(expr, &yes.ty(), &no.ty());
        };
        let marks = condition.marks().union(yes.marks()).union(no.marks());
        if yes.is_null() && no.is_null() {
            return Value::null(ty).with_marks(&marks);
        }
        let (yes_type, no_type) = (yes.ty(), no.ty());
        let either = Refinement::of(&yes).either(&Refinement::of(&no));
        let in_range =
            yes_type == no_type && (yes_type == Type::Number || yes_type.is_collection());
        let refinement = if in_range {
            either
        } else {
            Refinement { not_null: either.not_null, ..Refinement::default() }
        };
        let marks = marks.union(&yes.deep_marks()).union(&no.deep_marks());
        self.residual(expr, ty, Some(&marks)).refined(refinement)
    }

    /// Whether a branch that is not taken is evaluated for its type. Instances and modules are not made
    /// for that: they may need what is being evaluated, for instance where a chain of instances begins.
    fn lends_its_type(&self, branch: Expr<'_>) -> bool {
        const CHEAP: [&str; 8] =
            ["var", "local", "each", "count", "path", "environment", "terraform", "node"];
        let cheap = |root: &str| CHEAP.contains(&root) || self.local(root).is_some();
        references(branch).iter().all(|free| cheap(free.root))
    }

    fn unified(&mut self, expr: Expr<'_>, value: Value, alternative: &Value) -> Value {
        let (ty, other) = (value.ty(), alternative.ty());
        if ty == other {
            return value;
        }
        match branch_type(&value, alternative) {
            Some(Type::Any) => value,
            Some(common) => match convert(&value, &common) {
                Ok(value) => value,
                Err(_) => self.unlike_branches(expr, &ty, &other),
            },
            None => self.unlike_branches(expr, &ty, &other),
        }
    }

    fn unlike_branches(&mut self, expr: Expr<'_>, one: &Type, other: &Type) -> Value {
        let label = format!("one branch gives {}, the other {}", article(one), article(other));
        let diagnostic =
            Diagnostic::error("branches", "the two branches have types that do not fit together")
                .with_label(self.file.span(expr.extent()), label)
                .with_hint("convert one of them, for example with `tostring(...)`");
        self.report(diagnostic)
    }
}

/// The type that both branches of a conditional become; `any` where only their values will tell.
fn branch_type(yes: &Value, no: &Value) -> Option<Type> {
    let bare_null = |value: &Value| matches!(value.data(), Data::Null(Type::Any));
    match (yes.ty(), no.ty()) {
        (_, no) if bare_null(yes) => Some(no),
        (yes, _) if bare_null(no) => Some(yes),
        (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
        (yes, no) => unify(&[yes, no]),
    }
}

fn not_null() -> Refinement {
    Refinement::not_null()
}

/// A comparison that the ranges of its operands decide.
fn ordered(operator: Binary, left: &Value, right: &Value) -> Option<bool> {
    let (l, r) = (Refinement::of(left), Refinement::of(right));
    let beyond = |upper: Option<&Bound>, lower: Option<&Bound>| {
        upper.zip(lower).is_some_and(|(upper, lower)| upper.number < lower.number)
    };
    let (below, above) =
        (beyond(l.upper.as_ref(), r.lower.as_ref()), beyond(r.upper.as_ref(), l.lower.as_ref()));
    let strictly = match operator {
        Binary::Less | Binary::LessEqual => (below || above).then_some(below)?,
        _ => (below || above).then_some(above)?,
    };
    let or_equal = matches!(operator, Binary::LessEqual | Binary::GreaterEqual);
    Some(strictly || (or_equal && equal(left, right)?))
}

fn compare(operator: Binary, order: Ordering) -> bool {
    match operator {
        Binary::Less => order.is_lt(),
        Binary::LessEqual => order.is_le(),
        Binary::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn arithmetic(operator: Binary, left: &Number, right: &Number) -> Option<Number> {
    match operator {
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    }
}
