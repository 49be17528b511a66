//! Reading `lifecycle` blocks.

use super::conditions::read_condition;
use super::fields::{Shape, read};
use super::read::Reader;
use super::{Condition, Lifecycle};
use crate::syntax::{Block, Expression};

const LIFECYCLE: Shape = Shape {
    required: &[],
    optional: &[
        "create_before_destroy",
        "prevent_destroy",
        "ignore_changes",
        "replace_triggered_by",
        "enabled",
    ],
    blocks: &[("precondition", 0, true), ("postcondition", 0, true)],
    open: false,
};

/// What is only read is never made, replaced or destroyed.
const OF_DATA: Shape = Shape { optional: &["enabled"], ..LIFECYCLE };

pub(super) fn read_lifecycle(reader: &mut Reader, block: &Block, is_data: bool) -> Lifecycle {
    let shape = if is_data { &OF_DATA } else { &LIFECYCLE };
    let fields = read(block, shape, &mut reader.diagnostics);
    let mut conditions = |kind: &str| -> Vec<Condition> {
        let blocks = fields.blocks(kind);
        blocks.filter_map(|nested| read_condition(nested, &mut reader.diagnostics)).collect()
    };
    Lifecycle {
        preconditions: conditions("precondition"),
        postconditions: conditions("postcondition"),
        enabled: fields.get("enabled").cloned(),
        create_before_destroy: fields.get("create_before_destroy").cloned(),
        prevent_destroy: fields.get("prevent_destroy").cloned(),
        ignore_changes: fields.get("ignore_changes").cloned(),
        replace_triggered_by: fields
            .get("replace_triggered_by")
            .map(|expression| reader.references("replace_triggered_by", expression))
            .unwrap_or_default(),
    }
}

const OF_CALL: Shape = Shape { required: &[], optional: &["enabled"], blocks: &[], open: false };

/// `lifecycle { enabled = ... }` of a module call.
pub(super) fn read_enabled(reader: &mut Reader, block: &Block) -> Option<Expression> {
    read(block, &OF_CALL, &mut reader.diagnostics).get("enabled").cloned()
}
