//! Reading `node_set` blocks.
//!
//! Invariant: pools are written out and named once, since they decide which modules are read.

use super::fields::{Shape, read};
use super::read::{Reader, duplicate};
use super::{NodeSet, Pool, SourceOf, Table};
use crate::syntax::Block;
use model::Diagnostic;

const NODE_SET: Shape = Shape {
    required: &[],
    optional: &["services", "enabled", "rollout", "after"],
    blocks: &[("pool", 1, true)],
    open: false,
};

const POOL: Shape = Shape {
    required: &["source", "size"],
    optional: &["domains", "inputs"],
    blocks: &[],
    open: false,
};

/// A `node_set` block.
pub(super) fn read_node_set(reader: &mut Reader, block: &Block) -> NodeSet {
    let fields = read(block, &NODE_SET, &mut reader.diagnostics);
    let mut pools: Table<Pool> = Table::default();
    for nested in fields.blocks("pool") {
        let inner = read(nested, &POOL, &mut reader.diagnostics);
        let (Some(source), Some(size), Some(label)) =
            (inner.get("source"), inner.get("size"), nested.labels.first())
        else {
            continue;
        };
        let pool = Pool {
            name: label.text.clone(),
            span: nested.span(),
            source: SourceOf { expression: source.clone() },
            size: size.clone(),
            domains: inner.get("domains").cloned(),
            inputs: inner.get("inputs").cloned(),
        };
        if let Err(earlier) = pools.insert(label.text.clone(), pool) {
            let first = pools.get(earlier).span.clone();
            reader.diagnostics.push(duplicate(nested, first));
        }
    }
    if pools.len() == 0 && block.body.blocks.is_empty() {
        reader.diagnostics.push(
            Diagnostic::error("missing-block", "a node set needs a pool")
                .with_label(block.span(), "")
                .with_hint("add `pool \"name\" { source = ... size = ... }`"),
        );
    }
    let after = fields.get("after").map(|after| reader.references("after", after));
    NodeSet {
        name: block.labels[0].text.clone(),
        span: block.span(),
        enabled: fields.get("enabled").cloned(),
        pools: pools.items,
        services: fields.get("services").cloned(),
        rollout: fields.get("rollout").cloned(),
        after: after.unwrap_or_default(),
    }
}
