//! Reading `gate` and `rollout` blocks: which arguments and blocks they and what stands in them may have.
//!
//! Refuses to know: values, and what goes together; that is told when they are evaluated.

use super::dynamic::{check_labelled, check_unlabelled, made_by};
use super::fields::{Shape, read};
use super::read::Reader;
use super::{GateBlock, RolloutBlock};
use crate::syntax::Block;

const GATE: Shape = Shape {
    required: &[],
    optional: &["interval", "timeout", "consecutive", "command"],
    blocks: &[
        ("prometheus", 0, false),
        ("alertmanager", 0, false),
        ("json", 0, false),
        ("http", 0, false),
        ("nodes", 0, false),
        ("rate", 0, false),
        ("value", 0, false),
        ("dynamic", 1, true),
    ],
    open: false,
};

const PROMETHEUS: Shape = Shape {
    required: &["url"],
    optional: &[
        "headers",
        "staleness",
        "bad",
        "total",
        "control_bad",
        "control_total",
        "value",
        "control",
        "load",
    ],
    blocks: &[],
    open: false,
};

const JSON: Shape = Shape {
    required: &["url"],
    optional: &[
        "headers",
        "bad",
        "total",
        "control_bad",
        "control_total",
        "value",
        "control",
        "load",
    ],
    blocks: &[],
    open: false,
};

const ALERTMANAGER: Shape =
    Shape { required: &["url", "matchers"], optional: &["headers"], blocks: &[], open: false };

const HTTP: Shape = Shape { required: &["url"], optional: &["headers"], blocks: &[], open: false };

const NODES: Shape = Shape { required: &[], optional: &[], blocks: &[], open: false };

const RATE: Shape = Shape {
    required: &[],
    optional: &[
        "proceed_below",
        "rollback_above",
        "worse_than_control",
        "min_sample",
        "confidence",
    ],
    blocks: &[],
    open: false,
};

const VALUE: Shape = Shape {
    required: &[],
    optional: &[
        "proceed_above",
        "proceed_below",
        "rollback_below",
        "rollback_above",
        "relative",
        "min_load",
        "consecutive",
    ],
    blocks: &[],
    open: false,
};

const ROLLOUT: Shape = Shape {
    required: &[],
    optional: &[
        "max_parallel",
        "max_unavailable",
        "max_surge",
        "holdback",
        "interval",
        "snapshot_before",
        "apart",
    ],
    blocks: &[
        ("stage", 1, true),
        ("window", 1, true),
        ("notify", 0, true),
        ("error_budget", 0, false),
        ("dynamic", 1, true),
    ],
    open: false,
};

const STAGE: Shape = Shape {
    required: &["nodes", "bake", "deadline"],
    optional: &["rollback"],
    blocks: &[("gate", 1, true), ("approval", 0, false), ("dynamic", 1, true)],
    open: false,
};

/// A gate in a stage: which one, and what must hold there.
const STAGE_GATE: Shape = Shape {
    required: &[],
    optional: &[
        "use",
        "proceed_above",
        "proceed_below",
        "rollback_below",
        "rollback_above",
        "worse_than_control",
        "min_sample",
        "confidence",
        "relative",
        "min_load",
        "consecutive",
    ],
    blocks: &[],
    open: false,
};

const APPROVAL: Shape =
    Shape { required: &[], optional: &["people", "valid"], blocks: &[], open: false };

const WINDOW: Shape = Shape {
    required: &["effect", "from", "until"],
    optional: &["days", "timezone"],
    blocks: &[],
    open: false,
};

const NOTIFY: Shape =
    Shape { required: &[], optional: &["webhook", "command"], blocks: &[], open: false };

const ERROR_BUDGET: Shape = Shape {
    required: &["tolerated", "period", "per_node_rate"],
    optional: &[],
    blocks: &[],
    open: false,
};

/// The shape of a block in another one; which blocks stand where, that one's shape says.
fn shape(around: &str, kind: &str) -> &'static Shape {
    match kind {
        "prometheus" => &PROMETHEUS,
        "alertmanager" => &ALERTMANAGER,
        "json" => &JSON,
        "http" => &HTTP,
        "nodes" => &NODES,
        "rate" => &RATE,
        "value" => &VALUE,
        "stage" => &STAGE,
        "gate" if around == "stage" => &STAGE_GATE,
        "approval" => &APPROVAL,
        "window" => &WINDOW,
        "notify" => &NOTIFY,
        _ => &ERROR_BUDGET,
    }
}

/// A `gate` block, checked.
pub(super) fn read_gate(reader: &mut Reader, block: &Block) -> GateBlock {
    check(reader, block, "gate", &GATE);
    GateBlock { name: block.labels[0].text.clone(), span: block.span(), block: block.clone() }
}

/// A `rollout` block, checked.
pub(super) fn read_rollout(reader: &mut Reader, block: &Block) -> RolloutBlock {
    check(reader, block, "rollout", &ROLLOUT);
    RolloutBlock { name: block.labels[0].text.clone(), span: block.span(), block: block.clone() }
}

/// Checks what stands in a block, `dynamic` blocks among it. `kind` is what the block is, also where it is the content
/// of one.
fn check(reader: &mut Reader, block: &Block, kind: &str, allowed: &'static Shape) {
    let fields = read(block, allowed, &mut reader.diagnostics);
    let with_labels = |wanted: bool| -> Vec<&'static str> {
        let kinds = allowed.blocks.iter().filter(|(name, _, _)| *name != "dynamic");
        kinds.filter(|(_, labels, _)| (*labels > 0) == wanted).map(|(name, _, _)| *name).collect()
    };
    for nested in &fields.blocks {
        let made = made_by(nested).clone();
        let content = if made == nested.kind.text {
            Some(nested)
        } else if with_labels(true).contains(&made.as_ref()) {
            check_labelled(nested, &with_labels(true), &mut reader.diagnostics)
        } else {
            let kinds: Vec<_> = with_labels(true).into_iter().chain(with_labels(false)).collect();
            check_unlabelled(nested, &kinds, &mut reader.diagnostics)
        };
        if let Some(content) = content {
            check(reader, content, &made, shape(kind, &made));
        }
    }
}
