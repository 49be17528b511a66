//! Reading `resource` and `data` blocks.

use super::Resource;
use super::dynamic::{check_dynamic, is_nameless};
use super::fields::{Shape, read};
use super::lifecycle::read_lifecycle;
use super::providers::read_provider;
use super::read::Reader;
use crate::syntax::Block;
use model::Diagnostic;

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
    let enabled = lifecycle.as_ref().and_then(|lifecycle| lifecycle.enabled.clone());
    let blocks = without_provisioners(fields.other_blocks.clone(), &mut reader.diagnostics);
    check_dynamic(&blocks, &mut reader.diagnostics);
    let blocks = blocks.into_iter().filter(|nested| !is_nameless(nested)).collect();
    Some(Resource {
        is_data,
        check: None,
        kind: kind.text.clone(),
        kind_span: block.file.span(kind.extent),
        name: name.text.clone(),
        span: block.span(),
        place: block.file.place(block.header),
        repeat: Some(reader.repeat(block, &fields, enabled))
            .filter(|it| !it.is_plain())
            .map(Box::new),
        provider: read_provider(&fields, &mut reader.diagnostics).map(Box::new),
        depends_on: reader.dependencies(fields.get("depends_on")),
        lifecycle: lifecycle.map(Box::new),
        arguments: fields.others,
        blocks,
    })
}

/// Steps that run once, on whatever machine applies, are no state: nobody can tell later whether they still hold.
fn without_provisioners(blocks: Vec<Block>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Block> {
    let (refused, kept): (Vec<_>, Vec<_>) = blocks
        .into_iter()
        .partition(|block| ["provisioner", "connection"].contains(&block.kind.text.as_ref()));
    diagnostics.extend(refused.iter().map(|block| {
        let kind = &block.kind.text;
        Diagnostic::error("provisioner", format!("there are no `{kind}` blocks"))
            .with_label(block.span(), "")
            .with_detail("what a provisioner does is done once and recorded nowhere, so that no plan can tell whether it still holds")
            .with_hint("what runs on a node is a `service`; a value to be replaced on demand is `terraform_data` with `triggers_replace`")
    }));
    kept
}
