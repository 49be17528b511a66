//! Reading `resource` and `data` blocks.

use super::Resource;
use super::fields::{Fields, Shape, read};
use super::lifecycle::read_lifecycle;
use super::read::Reader;
use crate::syntax::{Block, Kind, StepKind};
use model::{Diagnostic, Span};

const RESOURCE: Shape = Shape {
    required: &[],
    optional: &["count", "for_each", "provider", "depends_on"],
    blocks: &[("lifecycle", 0, false)],
    open: true,
};

pub(super) fn read_resource(reader: &mut Reader, block: &Block) -> Option<Resource> {
    let is_data = block.kind.text.as_ref() == "data";
    let fields = read(block, &RESOURCE, &mut reader.diagnostics);
    let [kind, name] = block.labels.as_slice() else { return None };
    let lifecycle =
        fields.blocks("lifecycle").next().map(|nested| read_lifecycle(reader, nested, is_data));
    Some(Resource {
        is_data,
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
pub(super) fn read_provider(reader: &mut Reader, fields: &Fields) -> Option<(String, Span)> {
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
