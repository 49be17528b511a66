//! Arguments of a block, checked against a schema.

use super::dynamic::Pieces;
use super::graph::Graph;
use super::names::Place;
use crate::eval::{failed, is_failed};
use crate::module::{
    list, made_by,
    suggest::{did_you_mean, nearest},
};
use crate::syntax::{Attribute, Block};
use model::schema::{self, Mode};
use model::{Data, Diagnostic, Span, Type, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Schema = BTreeMap<String, schema::Attribute>;

/// What a block gives.
pub(super) struct Given<'g> {
    /// The block in words: `local_machine "web"`.
    pub owner: &'g str,
    pub attributes: &'g [Attribute],
    pub blocks: &'g [Block],
}

/// An argument in words, put together when a message needs it.
struct Described<'g> {
    argument: &'g str,
    owner: &'g str,
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
            let both =
                given.attributes.iter().find(|attribute| attribute.name.text.as_ref() == name);
            if let Some(attribute) = both {
                let diagnostic = Diagnostic::error(
                    "duplicate-block",
                    format!("`{name}` is given as an argument and as a block"),
                )
                .with_label(block.span(), "this ...")
                .with_label(attribute.value.file.span(attribute.name.extent), "... or this")
                .with_hint("keep one of them");
                self.report(diagnostic);
            }
        }
        for (name, attribute) in schema {
            let there = given.attributes.iter().any(|a| a.name.text.as_ref() == name)
                || given.blocks.iter().any(|block| made_by(block).as_ref() == name);
            if attribute.mode == Mode::Required && !there && !is_misspelt(given, schema, name) {
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
                let hint = did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("it takes {}", list(names.iter().copied())));
                Diagnostic::error(
                    "unknown-argument",
                    format!("`{owner}` takes no argument `{name}`"),
                )
                .with_label(span, "")
                .with_hint(hint)
            }
        };
        self.report(diagnostic);
    }

    /// The values: an object with all arguments of the schema.
    pub(super) fn arguments(&mut self, given: &Given<'_>, schema: &Schema, place: &Place) -> Value {
        let mut values: BTreeMap<Arc<str>, Value> = BTreeMap::new();
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
            values.insert(attribute.name.text.clone(), value);
        }
        self.block_arguments(given, schema, place, &mut values);
        Self::complete(schema, values)
    }

    /// All arguments of the schema: the given ones, and defaults or null for the others.
    pub(super) fn complete(schema: &Schema, values: BTreeMap<Arc<str>, Value>) -> Value {
        let mut values = values;
        let mut all = BTreeMap::new();
        for (name, attribute) in schema {
            if attribute.mode == Mode::Computed {
                continue;
            }
            let (name, given) = match values.remove_entry(name.as_str()) {
                Some((name, given)) => (name, Some(given)),
                None => (Arc::from(name.as_str()), None),
            };
            let value = match given {
                Some(value) if !value.is_null() || attribute.default.is_none() => value,
                Some(_) | None if attribute.mode == Mode::Required => failed(),
                _ => attribute.default.clone().unwrap_or_else(|| Value::null(attribute.ty.clone())),
            };
            let value = if attribute.sensitive { value.into_sensitive() } else { value };
            all.insert(name, value);
        }
        Data::Object(Arc::new(all)).into()
    }

    fn block_arguments(
        &mut self,
        given: &Given<'_>,
        schema: &Schema,
        place: &Place,
        values: &mut BTreeMap<Arc<str>, Value>,
    ) {
        for (kind, blocks) in by_kind(given.blocks) {
            let declared =
                schema.get(kind.as_ref()).filter(|declared| declared.mode != Mode::Computed);
            let ty = declared.map(|declared| &declared.ty);
            let value = self.blocks_value(given.owner, (&kind, &blocks), ty, place);
            values.insert(kind, value);
        }
    }

    /// Nested blocks of one kind as the value of an argument.
    fn blocks_value(
        &mut self,
        owner: &str,
        (kind, blocks): (&Arc<str>, &[&Block]),
        ty: Option<&Type>,
        place: &Place,
    ) -> Value {
        let element = match ty {
            Some(Type::List(element) | Type::Set(element)) => element.as_ref(),
            Some(object @ Type::Object(_)) => object,
            _ => &Type::Any,
        };
        let pieces = match (self.pieces(blocks, place), ty) {
            (Pieces::Known(pieces), _) => pieces,
            (Pieces::Later, Some(ty)) => {
                let value = self.later(blocks, ty, place);
                return self.fitted_block(owner, kind, (&value, ty), blocks[0]);
            }
            _ => return failed(),
        };
        let items: Vec<_> = pieces
            .iter()
            .map(|piece| {
                self.block_value(&format!("{owner} {kind}"), piece.block, element, &piece.place)
            })
            .collect();
        let Some(ty) = ty else { return failed() };
        if items.iter().any(is_failed) {
            return failed();
        }
        let value = match (ty, items.as_slice()) {
            (Type::Object(_), []) => Value::null(ty.clone()),
            (Type::Object(_), [only]) => only.clone(),
            (Type::Object(_), [_, ..]) => {
                let mut diagnostic = Diagnostic::error(
                    "duplicate-block",
                    format!("`{owner}` takes one block `{kind}`"),
                );
                for block in blocks.iter().rev() {
                    diagnostic = diagnostic.with_label(block.span(), "");
                }
                self.report(diagnostic);
                return failed();
            }
            (Type::List(_) | Type::Set(_), _) => Value::tuple(items),
            _ => {
                let diagnostic = Diagnostic::error(
                    "unknown-block",
                    format!("`{kind}` of `{owner}` is an argument, not a block"),
                )
                .with_label(blocks[0].span(), "")
                .with_hint(format!("write `{kind} = ...`"));
                self.report(diagnostic);
                return failed();
            }
        };
        self.fitted_block(owner, kind, (&value, ty), blocks[0])
    }

    fn fitted_block(
        &mut self,
        owner: &str,
        kind: &str,
        (value, ty): (&Value, &Type),
        first: &Block,
    ) -> Value {
        if value.is_unknown() && is_failed(value) {
            return failed();
        }
        match crate::functions::convert_unifying(value, ty) {
            Ok(value) => {
                let what = format!("the block `{kind}` of `{owner}`");
                self.lasting(value, what, first.span())
            }
            Err(error) => {
                let what = format!("the block `{kind}` of `{owner}` does not fit");
                self.report(
                    Diagnostic::error("wrong-type", what)
                        .with_label(first.span(), error.to_string()),
                );
                failed()
            }
        }
    }

    fn block_value(&mut self, owner: &str, block: &Block, ty: &Type, place: &Place) -> Value {
        let fields = match ty {
            Type::Object(fields) => Some(fields),
            _ => None,
        };
        let mut values: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for attribute in &block.body.attributes {
            let value = self.eval(&attribute.value, place);
            let name = &attribute.name;
            let what = Described { argument: &name.text, owner };
            let value = self.lasting(value, &what, attribute.value.span());
            if fields.is_some_and(|fields| !fields.contains_key(&name.text)) {
                let names: Vec<_> = fields
                    .into_iter()
                    .flat_map(|fields| fields.keys().map(AsRef::as_ref))
                    .collect();
                let hint = did_you_mean(&name.text, names.iter().copied())
                    .unwrap_or_else(|| format!("it takes {}", list(names.iter().copied())));
                let diagnostic = Diagnostic::error(
                    "unknown-argument",
                    format!("`{owner}` takes no argument `{}`", name.text),
                )
                .with_label(block.file.span(name.extent), "")
                .with_hint(hint);
                self.report(diagnostic);
                continue;
            }
            values.insert(name.text.clone(), value);
        }
        for (kind, nested) in by_kind(&block.body.blocks) {
            let ty = fields.and_then(|fields| fields.get(&kind)).map(|field| &field.ty);
            let value = self.blocks_value(owner, (&kind, &nested), ty, place);
            values.insert(kind, value);
        }
        Data::Object(Arc::new(values)).into()
    }
}

/// Whether an argument that is missing is there under a name that there is not.
fn is_misspelt(given: &Given<'_>, schema: &Schema, missing: &str) -> bool {
    let settable = || schema.iter().filter(|(_, attribute)| attribute.mode != Mode::Computed);
    let attributes = given.attributes.iter().map(|attribute| attribute.name.text.as_ref());
    let mut names = attributes.chain(given.blocks.iter().map(|block| made_by(block).as_ref()));
    names.any(|name| {
        !schema.contains_key(name)
            && nearest(name, settable().map(|(name, _)| name.as_str())) == Some(missing)
    })
}

/// Nested blocks by what they are called, `dynamic` ones by what they make, in the order of their first ones.
fn by_kind(blocks: &[Block]) -> Vec<(Arc<str>, Vec<&Block>)> {
    let mut kinds: Vec<(Arc<str>, Vec<&Block>)> = Vec::new();
    for block in blocks {
        let kind = made_by(block);
        match kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, blocks)) => blocks.push(block),
            None => kinds.push((kind.clone(), vec![block])),
        }
    }
    kinds
}
