//! Reading `resource` blocks.

use super::fields::{Fields, Shape, read};
use super::read::Reader;
use super::{Lifecycle, Resource};
use crate::syntax::{Block, Expr, Kind, Name, StepKind};
use model::{Diagnostic, Span};

const RESOURCE: Shape = Shape {
    required: &[],
    optional: &["count", "for_each", "provider", "depends_on"],
    blocks: &[("lifecycle", 0, false)],
    open: true,
};

const LIFECYCLE: Shape = Shape {
    required: &[],
    optional: &["create_before_destroy", "prevent_destroy", "ignore_changes"],
    blocks: &[],
    open: false,
};

pub(super) fn read_resource(reader: &mut Reader, block: &Block) -> Option<Resource> {
    let fields = read(block, &RESOURCE, &mut reader.diagnostics);
    let [kind, name] = block.labels.as_slice() else { return None };
    let lifecycle = fields.blocks("lifecycle").next().map(|nested| read_lifecycle(reader, nested));
    Some(Resource {
        kind: kind.text.clone(),
        kind_span: block.file.span(kind.extent),
        name: name.text.clone(),
        span: block.span(),
        place: block.file.place(block.header),
        repeat: reader.repeat(block, &fields),
        provider: read_provider(reader, &fields),
        depends_on: reader.dependencies(fields.get("depends_on")),
        lifecycle,
        arguments: fields.others,
        blocks: fields.other_blocks,
    })
}

/// `provider = local.west` names a provider block, so it is read, not evaluated.
fn read_provider(reader: &mut Reader, fields: &Fields) -> Option<(String, Span)> {
    let expression = fields.get("provider").filter(|value| !value.is_broken())?;
    let name = match &expression.root.kind {
        Kind::Variable(name) => Some(name.to_string()),
        Kind::Traversal(traversal) => match (&traversal.base.kind, traversal.steps.as_slice()) {
            (Kind::Variable(name), [step]) => match &step.kind {
                StepKind::Attribute(alias) => Some(format!("{name}.{alias}")),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    if name.is_none() {
        let diagnostic =
            Diagnostic::error("provider-reference", "`provider` names a provider block")
                .with_label(expression.span(), "")
                .with_hint("write the provider's name, or name and alias: provider = local.west");
        reader.diagnostics.push(diagnostic);
    }
    Some((name?, expression.span()))
}

fn read_lifecycle(reader: &mut Reader, block: &Block) -> Lifecycle {
    let fields = read(block, &LIFECYCLE, &mut reader.diagnostics);
    let mut ignore_changes = Vec::new();
    if let Some(expression) = fields.get("ignore_changes").filter(|value| !value.is_broken()) {
        match &expression.root.kind {
            Kind::Tuple(items) => {
                for item in items {
                    match argument_name(item) {
                        Some(name) => ignore_changes.push(name),
                        None => not_names(reader, expression.file.span(item.extent)),
                    }
                }
            }
            _ => not_names(reader, expression.span()),
        }
    }
    Lifecycle {
        create_before_destroy: fields.get("create_before_destroy").cloned(),
        prevent_destroy: fields.get("prevent_destroy").cloned(),
        ignore_changes,
        span: Some(block.span()),
    }
}

fn argument_name(expr: &Expr) -> Option<Name> {
    let text = match &expr.kind {
        Kind::Variable(name) => name.clone(),
        Kind::Literal(value) => value.as_str()?.into(),
        _ => return None,
    };
    Some(Name { text, extent: expr.extent })
}

fn not_names(reader: &mut Reader, span: Span) {
    let diagnostic =
        Diagnostic::error("ignore-changes", "`ignore_changes` is a list of argument names")
            .with_label(span, "")
            .with_hint("write the names without quotes: ignore_changes = [size, tags]");
    reader.diagnostics.push(diagnostic);
}
