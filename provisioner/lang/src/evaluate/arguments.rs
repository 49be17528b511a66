//! Arguments of a block, checked against a schema.

use super::graph::Graph;
use super::names::Place;
use super::nested::least;
use crate::eval::failed;
use crate::module::{
    list, made_by,
    suggest::{did_you_mean, nearest},
};
use crate::syntax::{Attribute, Block};
use model::schema::{self, Mode};
use model::value::Entries;
use model::{Diagnostic, Span, Value};
use std::collections::BTreeMap;
use std::fmt;

pub(super) type Schema = BTreeMap<String, schema::Attribute>;

/// What a block gives.
pub(super) struct Given<'g> {
    /// The block in words: `local_machine "web"`.
    pub owner: &'g str,
    pub attributes: &'g [Attribute],
    pub blocks: &'g [Block],
}

/// An argument in words, put together when a message needs it.
pub(super) struct Described<'g> {
    pub argument: &'g str,
    pub owner: &'g str,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the argument `{}` of `{}`", self.argument, self.owner)
    }
}

impl Graph<'_> {
    /// Names: what is not known, what only the provider sets, what is missing.
    pub(super) fn check_arguments(&mut self, given: &Given<'_>, schema: &Schema, span: &Span) {
        for attribute in given.attributes {
            let name = attribute.name.text.as_ref();
            let place = attribute.value.file.span(attribute.name.extent);
            self.check_name(given.owner, name, place, schema);
        }
        for block in given.blocks {
            let name = made_by(block).as_ref();
            let extent = match block.labels.first() {
                Some(label) if name != block.kind.text.as_ref() => label.extent,
                _ => block.kind.extent,
            };
            self.check_name(given.owner, name, block.file.span(extent), schema);
            self.check_both(given.attributes, block);
        }
        self.check_blocks(given, schema, span);
        for (name, attribute) in schema {
            let there = given.attributes.iter().any(|a| a.name.text.as_ref() == name)
                || given.blocks.iter().any(|block| made_by(block).as_ref() == name);
            let is_counted = attribute.blocks.is_some() && least(attribute) > 0;
            if attribute.mode == Mode::Required
                && !there
                && !is_counted
                && !is_misspelt(given, schema, name)
            {
                let diagnostic = Diagnostic::error(
                    "missing-argument",
                    format!("`{}` needs the argument `{name}`", given.owner),
                )
                .with_label(span.clone(), format!("`{name}` is missing"))
                .with_detail(attribute.description.clone())
                .with_hint(format!("add `{name} = ...` to the block"));
                self.report(diagnostic);
            }
        }
    }

    fn check_name(&mut self, owner: &str, name: &str, span: Span, schema: &Schema) {
        let diagnostic = match schema.get(name) {
            Some(attribute) if attribute.mode == Mode::Computed => Diagnostic::error(
                "computed-argument",
                format!("`{name}` of `{owner}` cannot be set"),
            )
            .with_label(span, "only the provider gives this value")
            .with_hint("remove it"),
            Some(_) => return,
            None => {
                let settable =
                    schema.iter().filter(|(_, attribute)| attribute.mode != Mode::Computed);
                let names: Vec<_> = settable.map(|(name, _)| name.as_str()).collect();
                takes_no(owner, name, span, &names)
            }
        };
        self.report(diagnostic);
    }

    /// The values: an object with all arguments of the schema.
    pub(super) fn arguments(&mut self, given: &Given<'_>, schema: &Schema, place: &Place) -> Value {
        let mut values = Entries::new();
        for attribute in given.attributes {
            let name = attribute.name.text.as_ref();
            let Some(declared) =
                schema.get(name).filter(|declared| declared.mode != Mode::Computed)
            else {
                self.eval(&attribute.value, place);
                continue;
            };
            let what = Described { argument: name, owner: given.owner };
            let value = self.eval_as(&attribute.value, &declared.ty, &what, place);
            let value = self.lasting(value, &what, attribute.value.span());
            if value.is_null() && declared.mode == Mode::Required {
                let diagnostic =
                    Diagnostic::error("missing-argument", format!("{what} must not be null"))
                        .with_label(attribute.value.span(), "this is null");
                self.report(diagnostic);
                values.insert(attribute.name.text.clone(), failed());
                continue;
            }
            self.check_items(given.owner, attribute, declared, &value);
            values.insert(attribute.name.text.clone(), value);
        }
        self.block_arguments(given, schema, place, &mut values);
        self.complete(schema, values)
    }

    /// All arguments of the schema: the given ones, and defaults or null for the others.
    pub(super) fn complete(&mut self, schema: &Schema, values: Entries) -> Value {
        // Both are in the order of the names.
        let mut values = values.into_iter().peekable();
        let arguments = schema.iter().filter(|(_, attribute)| attribute.mode != Mode::Computed);
        let all = arguments.map(|(name, attribute)| {
            while values.next_if(|(given, _)| given.as_ref() < name.as_str()).is_some() {}
            let given = values.next_if(|(given, _)| given.as_ref() == name);
            let (name, given) = match given {
                Some((name, given)) => (name, Some(given)),
                None => (self.words.word(name), None),
            };
            let value = match given {
                Some(value) if !value.is_null() || attribute.default.is_none() => value,
                Some(_) | None if attribute.mode == Mode::Required => failed(),
                _ => attribute.default.clone().unwrap_or_else(|| Value::null(attribute.ty.clone())),
            };
            (name, if attribute.sensitive { value.into_sensitive() } else { value })
        });
        Value::object(all)
    }
}

/// What to say of a name that there is not.
pub(super) fn takes_no(owner: &str, name: &str, span: Span, names: &[&str]) -> Diagnostic {
    let hint = did_you_mean(name, names.iter().copied())
        .unwrap_or_else(|| format!("it takes {}", list(names.iter().copied())));
    let summary = format!("`{owner}` takes no argument `{name}`");
    Diagnostic::error("unknown-argument", summary).with_label(span, "").with_hint(hint)
}

/// Whether an argument that is missing is there under a name that there is not.
pub(super) fn is_misspelt(given: &Given<'_>, schema: &Schema, missing: &str) -> bool {
    let settable = || schema.iter().filter(|(_, attribute)| attribute.mode != Mode::Computed);
    let attributes = given.attributes.iter().map(|attribute| attribute.name.text.as_ref());
    let mut names = attributes.chain(given.blocks.iter().map(|block| made_by(block).as_ref()));
    names.any(|name| {
        !schema.contains_key(name)
            && nearest(name, settable().map(|(name, _)| name.as_str())) == Some(missing)
    })
}
