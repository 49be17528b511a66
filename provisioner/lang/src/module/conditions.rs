//! Conditions as blocks state them: `validation`, `precondition`, `postcondition`, `assert`, and `check` blocks.

use super::fields::{Shape, read, title};
use super::{Check, Condition};
use crate::functions::needs_run;
use crate::syntax::{Block, Expr, uses};
use model::Diagnostic;

const CONDITION: Shape =
    Shape { required: &["condition", "error_message"], optional: &[], blocks: &[], open: false };

const CHECK: Shape = Shape {
    required: &[],
    optional: &[],
    blocks: &[("assert", 0, true), ("data", 2, true)],
    open: false,
};

/// Whether an expression gives the same at every run.
fn is_constant(expr: Expr<'_>) -> bool {
    let uses = uses(expr);
    uses.references.is_empty() && !uses.calls.iter().any(|name| needs_run(name))
}

/// One condition; `None` when a part of it is missing.
pub(super) fn read_condition(
    block: &Block,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Condition> {
    let fields = read(block, &CONDITION, diagnostics);
    let condition = fields.get("condition")?;
    if !condition.is_broken() && is_constant(condition.root()) {
        diagnostics.push(
            Diagnostic::error(
                "constant-condition",
                format!("the condition of `{}` is always the same", title(block)),
            )
            .with_label(condition.span(), "this refers to nothing")
            .with_hint("a condition tests a variable, a local value, or something that is made"),
        );
    }
    Some(Condition {
        test: condition.clone(),
        error_message: fields.get("error_message")?.clone(),
        place: block.file.place(block.header),
    })
}

/// A `check` block.
pub(super) fn read_check(block: &Block, diagnostics: &mut Vec<Diagnostic>) -> Check {
    let fields = read(block, &CHECK, diagnostics);
    if !block.body.blocks.iter().any(|nested| nested.kind.text.as_ref() == "assert") {
        diagnostics.push(
            Diagnostic::error("missing-block", format!("`{}` asserts nothing", title(block)))
                .with_label(block.span(), "")
                .with_hint("add `assert { condition = ... error_message = ... }`"),
        );
    }
    let assertions =
        fields.blocks("assert").filter_map(|nested| read_condition(nested, diagnostics)).collect();
    Check { name: block.labels[0].text.clone(), span: block.span(), assertions }
}
