//! Nested blocks: what they may hold, how many there may be, and what they are as the value of an argument.
//!
//! Invariants: what shows without evaluating is told once for a declaration, also where there is no instance of it. What
//! `dynamic` blocks make is counted where it is known; blocks that carry a mark, or whose number does, give a value
//! that carries it.

use super::arguments::{Described, Given, Schema, is_misspelt, takes_no};
use super::dynamic::{Pieces, content};
use super::graph::Graph;
use super::names::Place;
use crate::eval::{failed, is_failed};
use crate::module::{made_by, suggest::nearest};
use crate::syntax::{Attribute, Block};
use model::schema::{self, BlockCount, Mode};
use model::types::Field;
use model::value::Entries;
use model::{Data, Diagnostic, Marks, Span, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

type Fields = BTreeMap<Arc<str>, Field>;

/// Blocks of one kind that an argument is given as.
#[derive(Clone, Copy)]
struct Kind<'k> {
    /// The block around them, in words.
    owner: &'k str,
    name: &'k Arc<str>,
    blocks: &'k [&'k Block],
    count: Option<BlockCount>,
}

/// Names and numbers.
impl Graph<'_> {
    /// What shows of nested blocks without evaluating anything.
    pub(super) fn check_blocks(&mut self, given: &Given<'_>, schema: &Schema, span: &Span) {
        for (name, blocks) in by_kind(given.blocks) {
            if let Some(declared) = schema.get(name.as_ref()) {
                self.check_parts(&format!("{} {name}", given.owner), &blocks, &declared.ty);
            }
        }
        for (name, declared) in schema {
            let Some(count) = declared.blocks else { continue };
            let blocks: Vec<_> =
                given.blocks.iter().filter(|block| made_by(block).as_ref() == name).collect();
            let written: Vec<_> =
                blocks.iter().copied().filter(|block| !is_dynamic(block)).collect();
            let kind = Kind {
                owner: given.owner,
                name: &Arc::from(name.as_str()),
                blocks: &written,
                count: Some(BlockCount { min: least(declared), ..count }),
            };
            let is_argument = given.attributes.iter().any(|it| it.name.text.as_ref() == name);
            let is_all = written.len() == blocks.len() && !is_argument;
            if kind.is_too_many(written.len()) {
                self.too_many(kind, &[]);
            } else if is_all && kind.is_too_few(written.len()) && !is_misspelt(given, schema, name)
            {
                self.report(kind.too_few(span.clone(), &declared.description));
            }
        }
    }

    /// An argument that is given as an argument and as a block.
    pub(super) fn check_both(&mut self, attributes: &[Attribute], block: &Block) {
        let name = made_by(block);
        let Some(both) = attributes.iter().find(|attribute| attribute.name.text == *name) else {
            return;
        };
        let diagnostic = Diagnostic::error(
            "duplicate-block",
            format!("`{name}` is given as an argument and as a block"),
        )
        .with_label(block.span(), "this ...")
        .with_label(both.value.file.span(both.name.extent), "... or this")
        .with_hint("keep one of them");
        self.report(diagnostic);
    }

    /// How many elements an argument has that is made for blocks.
    pub(super) fn check_items(
        &mut self,
        owner: &str,
        attribute: &Attribute,
        declared: &schema::Attribute,
        value: &Value,
    ) {
        let Some(count) = declared.blocks else { return };
        let count = BlockCount { min: least(declared), ..count };
        let kind = Kind { owner, name: &attribute.name.text, blocks: &[], count: Some(count) };
        let found = match value.as_items() {
            Some(items) => items.len(),
            None if value.is_null() => 0,
            None => return,
        };
        if kind.is_too_many(found) {
            let label = counted(value.marks(), || format!("this has {found} elements"));
            self.report(kind.at_most().with_label(attribute.value.span(), label));
        } else if kind.is_too_few(found) {
            let label = if value.is_null() {
                "this is null".to_owned()
            } else {
                counted(value.marks(), || format!("this has {found}"))
            };
            self.report(kind.at_least().with_label(attribute.value.span(), label));
        }
    }

    /// The names in blocks of one kind, at any depth.
    fn check_parts(&mut self, owner: &str, blocks: &[&Block], ty: &Type) {
        let Some(fields) = fields_of(ty) else { return };
        for block in blocks.iter().filter_map(|block| content(block)) {
            for diagnostic in misfits(owner, block, fields) {
                self.report(diagnostic);
            }
            for (name, nested) in by_kind(&block.body.blocks) {
                for nested in &nested {
                    self.check_both(&block.body.attributes, nested);
                }
                if let Some(field) = fields.get(&name) {
                    self.check_parts(&format!("{owner} {name}"), &nested, &field.ty);
                }
            }
        }
    }

    /// Too many blocks; `made` says how many each of them stands for, where that is not one each.
    fn too_many(&mut self, kind: Kind<'_>, made: &[String]) {
        let mut diagnostic = kind.at_most();
        for (at, block) in kind.blocks.iter().enumerate() {
            diagnostic = diagnostic.with_label(block.span(), made.get(at).map_or("", |it| it));
        }
        self.report(diagnostic);
    }

    /// Counts what `dynamic` blocks made; what is written has been counted.
    fn check_made(&mut self, kind: Kind<'_>, made: &[(usize, Marks)]) {
        let written = kind.blocks.iter().filter(|block| !is_dynamic(block)).count();
        if written == kind.blocks.len() || kind.is_too_many(written) {
            return;
        }
        let found = made.iter().map(|(made, _)| made).sum();
        let labels = kind.blocks.iter().zip(made).map(|(block, (made, marks))| {
            if is_dynamic(block) {
                counted(marks, || format!("this makes {made}"))
            } else {
                String::new()
            }
        });
        let labels: Vec<_> = labels.collect();
        if kind.is_too_many(found) {
            self.too_many(kind, &labels);
        } else if kind.is_too_few(found) {
            let mut diagnostic = kind.at_least();
            for (block, label) in kind.blocks.iter().zip(labels) {
                diagnostic = diagnostic.with_label(block.span(), label);
            }
            self.report(diagnostic);
        }
    }
}

impl Kind<'_> {
    fn is_too_many(&self, found: usize) -> bool {
        let max = self.count.and_then(|count| count.max);
        max.is_some_and(|max| !u32::try_from(found).is_ok_and(|found| found <= max))
    }

    fn is_too_few(&self, found: usize) -> bool {
        self.count.is_some_and(|count| u32::try_from(found).is_ok_and(|found| found < count.min))
    }

    fn at_most(&self) -> Diagnostic {
        let limit = match self.count.and_then(|count| count.max) {
            Some(0) => format!("no block `{}`", self.name),
            Some(1) | None => format!("at most one block `{}`", self.name),
            Some(max) => format!("at most {max} blocks `{}`", self.name),
        };
        Diagnostic::error("too-many-blocks", format!("`{}` takes {limit}", self.owner))
    }

    fn at_least(&self) -> Diagnostic {
        let limit = match self.count.map_or(1, |count| count.min) {
            0 | 1 => format!("a block `{}`", self.name),
            min => format!("at least {min} blocks `{}`", self.name),
        };
        Diagnostic::error("missing-block", format!("`{}` needs {limit}", self.owner))
    }

    /// Too few are written, and there are no others.
    fn too_few(&self, around: Span, description: &str) -> Diagnostic {
        let label = match self.blocks.len() {
            0 => format!("`{}` is missing", self.name),
            1 => "there is only one".to_owned(),
            found => format!("there are only {found}"),
        };
        let mut diagnostic = self.at_least().with_label(around, label);
        for block in self.blocks {
            diagnostic = diagnostic.with_label(block.span(), "");
        }
        diagnostic
            .with_detail(description)
            .with_hint(format!("add `{} {{ ... }}` to the block", self.name))
    }
}

/// Values.
impl Graph<'_> {
    /// The arguments that are given as nested blocks.
    pub(super) fn block_arguments(
        &mut self,
        given: &Given<'_>,
        schema: &Schema,
        place: &Place,
        values: &mut Entries,
    ) {
        for (name, blocks) in by_kind(given.blocks) {
            let declared =
                schema.get(name.as_ref()).filter(|declared| declared.mode != Mode::Computed);
            let count = declared.and_then(|declared| {
                let count = declared.blocks?;
                Some(BlockCount { min: least(declared), ..count })
            });
            let kind = Kind { owner: given.owner, name: &name, blocks: &blocks, count };
            let value = self.blocks_value(kind, declared.map(|declared| &declared.ty), place);
            values.insert(name, value);
        }
    }

    /// Nested blocks of one kind as the value of an argument.
    fn blocks_value(&mut self, kind: Kind<'_>, ty: Option<&Type>, place: &Place) -> Value {
        let element = ty.map_or(&Type::Any, element_of);
        let inner = format!("{} {}", kind.owner, kind.name);
        let is_fitting = fields_of(element).is_none_or(|fields| {
            let mut contents = kind.blocks.iter().filter_map(|block| content(block));
            contents.all(|block| misfits(&inner, block, fields).is_empty())
        });
        let (pieces, made) = match (self.pieces(kind.blocks, place), ty) {
            (Pieces::Known(pieces, made), _) => (pieces, made),
            (Pieces::Later, Some(ty)) if is_fitting => {
                let value = self.later(kind.blocks, ty, place);
                return self.fitted_block(kind, (&value, ty));
            }
            _ => return failed(),
        };
        self.check_made(kind, &made);
        let items: Vec<_> = pieces
            .iter()
            .map(|piece| self.block_value(&inner, piece.block, element, &piece.place))
            .collect();
        let Some(ty) = ty else { return failed() };
        if !is_fitting || items.iter().any(is_failed) {
            return failed();
        }
        let value = match (ty, items.as_slice()) {
            (Type::Object(_), []) => Value::null(ty.clone()),
            (Type::Object(_), [only]) => only.clone(),
            (Type::Object(_), [_, ..]) => {
                self.too_many(kind, &[]);
                return failed();
            }
            (Type::List(_) | Type::Set(_), _) => Value::tuple(items),
            _ => {
                let summary =
                    format!("`{}` of `{}` is an argument, not a block", kind.name, kind.owner);
                let diagnostic = Diagnostic::error("unknown-block", summary)
                    .with_label(kind.blocks[0].span(), "")
                    .with_hint(format!("write `{} = ...`", kind.name));
                self.report(diagnostic);
                return failed();
            }
        };
        let marks = made.iter().fold(Marks::default(), |marks, (_, more)| marks.union(more));
        self.fitted_block(kind, (&value.with_marks(&marks), ty))
    }

    fn fitted_block(&mut self, kind: Kind<'_>, (value, ty): (&Value, &Type)) -> Value {
        if value.is_unknown() && is_failed(value) {
            return failed();
        }
        let Kind { owner, name, blocks, .. } = kind;
        match crate::functions::convert_unifying(value, ty) {
            Ok(value) => {
                let what = format!("the block `{name}` of `{owner}`");
                self.lasting(value, what, blocks[0].span())
            }
            Err(error) => {
                let what = format!("the block `{name}` of `{owner}` does not fit");
                self.report(
                    Diagnostic::error("wrong-type", what)
                        .with_label(blocks[0].span(), error.to_string()),
                );
                failed()
            }
        }
    }

    fn block_value(&mut self, owner: &str, block: &Block, ty: &Type, place: &Place) -> Value {
        let fields = fields_of(ty);
        let mut values = Entries::new();
        for attribute in &block.body.attributes {
            let name = &attribute.name.text;
            let field = fields.and_then(|fields| fields.get(name));
            let what = Described { argument: name, owner };
            let value = match field {
                Some(field) => self.eval_as(&attribute.value, &field.ty, &what, place),
                None => self.eval(&attribute.value, place),
            };
            let mut value = self.lasting(value, &what, attribute.value.span());
            if value.is_null() && field.is_some_and(is_required) {
                let summary = format!("{what} must not be null");
                let diagnostic = Diagnostic::error("missing-argument", summary)
                    .with_label(attribute.value.span(), "this is null");
                self.report(diagnostic);
                value = failed();
            }
            values.insert(name.clone(), value);
        }
        for (name, nested) in by_kind(&block.body.blocks) {
            let ty = fields.and_then(|fields| fields.get(&name)).map(|field| &field.ty);
            let kind = Kind { owner, name: &name, blocks: &nested, count: None };
            let value = self.blocks_value(kind, ty, place);
            values.insert(name, value);
        }
        if values.values().any(is_failed) {
            return failed();
        }
        Data::Object(Arc::new(values)).into()
    }
}

/// How many blocks there are at least.
pub(super) fn least(declared: &schema::Attribute) -> u32 {
    let least = declared.blocks.map_or(0, |count| count.min);
    if declared.mode == Mode::Required { least.max(1) } else { least }
}

/// A number for a message, unless it is a secret.
fn counted(marks: &Marks, text: impl FnOnce() -> String) -> String {
    if marks.sensitive { String::new() } else { text() }
}

fn is_dynamic(block: &Block) -> bool {
    made_by(block) != &block.kind.text
}

fn is_required(field: &Field) -> bool {
    !field.optional && field.default.is_none()
}

/// The type of one block, where blocks give an argument of a type.
fn element_of(ty: &Type) -> &Type {
    match ty {
        Type::List(element) | Type::Set(element) => element,
        Type::Object(_) => ty,
        _ => &Type::Any,
    }
}

/// What a block may hold, where blocks give an argument of a type.
fn fields_of(ty: &Type) -> Option<&Fields> {
    match element_of(ty) {
        Type::Object(fields) => Some(fields),
        _ => None,
    }
}

/// What a block holds that it may not, and what it lacks.
fn misfits(owner: &str, block: &Block, fields: &Fields) -> Vec<Diagnostic> {
    let names: Vec<_> = fields.keys().map(AsRef::as_ref).collect();
    let attributes = block.body.attributes.iter();
    let attributes = attributes.map(|attribute| (&attribute.name.text, attribute.name.extent));
    let blocks = block.body.blocks.iter().map(|nested| (made_by(nested), nested.kind.extent));
    let given: Vec<_> = attributes.chain(blocks).collect();
    let mut diagnostics: Vec<_> = given
        .iter()
        .filter(|(name, _)| !fields.contains_key(*name))
        .map(|(name, extent)| takes_no(owner, name, block.file.span(*extent), &names))
        .collect();
    for (name, field) in fields.iter().filter(|(_, field)| is_required(field)) {
        let is_there = given.iter().any(|(given, _)| {
            *given == name
                || !fields.contains_key(*given)
                    && nearest(given, names.iter().copied()) == Some(name)
        });
        if !is_there {
            let is_block = matches!(&field.ty, Type::List(it) | Type::Set(it) if matches!(**it, Type::Object(_)));
            let example =
                if is_block { format!("{name} {{ ... }}") } else { format!("{name} = ...") };
            let summary = format!("`{owner}` needs the argument `{name}`");
            diagnostics.push(
                Diagnostic::error("missing-argument", summary)
                    .with_label(block.span(), format!("`{name}` is missing"))
                    .with_hint(format!("add `{example}` to the block")),
            );
        }
    }
    diagnostics
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
