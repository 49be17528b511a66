//! Reading a block: which arguments and nested blocks it may have.
//!
//! What is not allowed, what is missing and what is there twice is reported here, once. An argument under a misspelt name is
//! there as one that cannot be read, so that it is not missed as well.

use super::dynamic::DYNAMIC;
use super::suggest::{did_you_mean, nearest};
use crate::syntax::{Attribute, Block, Body, Expression, Name};
use foldhash::HashMap;
use model::{Diagnostic, Span};
use std::sync::Arc;

/// What a block may hold.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Arguments that must be there.
    pub required: &'static [&'static str],
    /// Arguments that may be there.
    pub optional: &'static [&'static str],
    /// Nested blocks: name, number of labels, whether several may be there.
    pub blocks: &'static [(&'static str, usize, bool)],
    /// Whether other arguments and blocks are taken as they are.
    pub open: bool,
}

/// A block's content after the check.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    arguments: HashMap<Arc<str>, Expression>,
    /// Arguments that the shape does not name, when it is open; in source order.
    pub others: Vec<Attribute>,
    /// Nested blocks that the shape names.
    pub blocks: Vec<Block>,
    /// Nested blocks that the shape does not name, when it is open.
    pub other_blocks: Vec<Block>,
}

impl Fields {
    /// The expression of an argument.
    pub(crate) fn get(&self, name: &str) -> Option<&Expression> {
        self.arguments.get(name)
    }

    /// Takes an argument with a name that there is not for the one that was meant, as one that cannot be read.
    fn misspelt(&mut self, attribute: &Attribute, known: impl Iterator<Item = &'static str>) {
        let Some(meant) = nearest(&attribute.name.text, known) else { return };
        self.arguments.entry(meant.into()).or_insert_with(|| attribute.value.to_broken());
    }

    /// The nested blocks of one kind.
    pub(crate) fn blocks<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = &'b Block> {
        self.blocks.iter().filter(move |block| block.kind.text.as_ref() == kind)
    }
}

/// Reads a block's body.
pub(crate) fn read(block: &Block, shape: &Shape, diagnostics: &mut Vec<Diagnostic>) -> Fields {
    let mut fields = Fields::default();
    let Body { attributes, blocks, incomplete } = &block.body;
    for attribute in attributes {
        let name = attribute.name.text.as_ref();
        if shape.required.contains(&name) || shape.optional.contains(&name) {
            fields.arguments.insert(attribute.name.text.clone(), attribute.value.clone());
        } else if shape.open {
            fields.others.push(attribute.clone());
        } else {
            diagnostics.push(unknown_argument(block, &attribute.name, shape));
            fields.misspelt(attribute, shape.required.iter().chain(shape.optional).copied());
        }
    }
    for nested in blocks {
        let name = nested.kind.text.as_ref();
        match shape.blocks.iter().find(|(kind, _, _)| *kind == name) {
            Some((_, labels, several)) => {
                check_labels(nested, *labels, diagnostics);
                let before = if *several { None } else { fields.blocks(name).next() };
                match before.map(Block::span) {
                    Some(first) => diagnostics.push(twice(nested, first)),
                    None => fields.blocks.push(nested.clone()),
                }
            }
            None if shape.open => fields.other_blocks.push(nested.clone()),
            None => diagnostics.push(unknown_block(block, nested, shape)),
        }
    }
    for name in shape.required {
        if fields.get(name).is_some() || *incomplete {
            continue;
        }
        let meant = fields.others.iter().find(|other| nearest(&other.name.text, [*name]).is_some());
        diagnostics.push(match meant {
            Some(other) => unknown_argument(block, &other.name, shape),
            None => missing_argument(block, name),
        });
    }
    // There may be as many of these as there are resources.
    fields.others.shrink_to_fit();
    fields.other_blocks.shrink_to_fit();
    fields
}

/// The block in words: `resource "local_machine" "web"`.
pub(super) fn title(block: &Block) -> String {
    let mut title = block.kind.text.to_string();
    for label in &block.labels {
        title.push_str(" \"");
        title.push_str(&label.text);
        title.push('"');
    }
    title
}

fn unknown_argument(block: &Block, name: &Name, shape: &Shape) -> Diagnostic {
    let summary = format!("`{}` takes no argument `{}`", title(block), name.text);
    let mut diagnostic =
        Diagnostic::error("unknown-argument", summary).with_label(block.file.span(name.extent), "");
    if shape.blocks.iter().any(|(kind, _, _)| *kind == name.text.as_ref()) {
        return diagnostic.with_hint(format!(
            "`{}` is a block: write `{} {{ ... }}` without `=`",
            name.text, name.text
        ));
    }
    let known = shape.required.iter().chain(shape.optional).copied();
    match did_you_mean(&name.text, known.clone()) {
        Some(hint) => diagnostic = diagnostic.with_hint(hint),
        None => diagnostic = diagnostic.with_hint(format!("it takes {}", list(known))),
    }
    diagnostic
}

fn unknown_block(block: &Block, nested: &Block, shape: &Shape) -> Diagnostic {
    let name = nested.kind.text.as_ref();
    let summary = format!("`{}` holds no block `{name}`", title(block));
    let diagnostic = Diagnostic::error("unknown-block", summary).with_label(nested.span(), "");
    if shape.required.contains(&name) || shape.optional.contains(&name) {
        return diagnostic.with_hint(format!("`{name}` is an argument: write `{name} = ...`"));
    }
    if let (DYNAMIC, [(only @ "pool", _, _)]) = (name, shape.blocks) {
        return diagnostic
            .with_detail(format!(
                "Which blocks `{only}` there are decides which modules are read, and the numbers of what is made from them stay \
                 only if none comes or goes in between."
            ))
            .with_hint(format!(
                "write each block `{only}` out; its arguments may use variables, and one of size 0 makes nothing"
            ));
    }
    let known = shape.blocks.iter().map(|(kind, _, _)| *kind);
    match did_you_mean(name, known) {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

fn missing_argument(block: &Block, name: &str) -> Diagnostic {
    Diagnostic::error("missing-argument", format!("`{}` needs the argument `{name}`", title(block)))
        .with_label(block.span(), format!("`{name}` is missing"))
        .with_hint(format!("add `{name} = ...` to the block"))
}

fn twice(block: &Block, first: Span) -> Diagnostic {
    Diagnostic::error(
        "duplicate-block",
        format!("there is more than one block `{}` here", title(block)),
    )
    .with_label(block.span(), "the second one")
    .with_label(first, "the first one")
    .with_hint("keep one of them")
}

/// Reports a wrong number of labels; gives whether the number is right.
pub(crate) fn check_labels(
    block: &Block,
    wanted: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    if block.labels.len() == wanted {
        return true;
    }
    let example = match wanted {
        0 => "",
        1 => " \"name\"",
        _ => " \"type\" \"name\"",
    };
    let kind = &block.kind.text;
    let found = block.labels.len();
    let diagnostic =
        Diagnostic::error("labels", format!("a block `{kind}` has {wanted} labels, not {found}"))
            .with_label(block.span(), "")
            .with_hint(format!("write `{kind}{example} {{ ... }}`"));
    diagnostics.push(diagnostic);
    false
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
