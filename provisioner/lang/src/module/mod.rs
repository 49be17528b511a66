//! Modules: what the files of one directory declare, checked as far as it can be before evaluation.
//!
//! Invariants: a name is declared once; every declaration keeps its place in the source; expressions are
//! shared, never copied.
//! Refuses to know: values, instances, schemas.

mod check;
mod conditions;
pub(crate) mod constant;
mod dynamic;
pub(crate) mod endpoint;
mod environment;
mod fields;
mod layout;
mod lifecycle;
mod load;
mod node_set;
mod providers;
mod read;
mod resource;
mod rollout;
mod statements;
pub(crate) use model::suggest;
pub(crate) mod types;
mod unread;

pub(crate) use check::check_expression;
pub(crate) use dynamic::{iterator_name, made_by};
pub(crate) use environment::check_settings;
pub(crate) use fields::{Fields, list, read as read_fields};
pub(crate) use layout::Values;
pub(crate) use load::missing_module;
pub use load::{Configuration, Loaded, load};
pub(crate) use read::service_block;
pub(crate) use statements::Import;

use crate::syntax::{Attribute, Block, Expression, Name};
use foldhash::HashMap;
use model::{Diagnostic, Span, Type};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Declarations of one kind by name, in source order.
#[derive(Debug)]
pub(crate) struct Table<T> {
    items: Vec<T>,
    index: HashMap<Arc<str>, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { items: Vec::new(), index: HashMap::default() }
    }
}

impl<T> Table<T> {
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(crate) fn get(&self, at: usize) -> &T {
        &self.items[at]
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(AsRef::as_ref)
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.items.reserve(more);
        self.index.reserve(more);
    }

    /// Adds a declaration; gives the position of an earlier one of the same name instead.
    pub(crate) fn insert(&mut self, name: Arc<str>, item: T) -> Result<usize, usize> {
        let at = self.items.len();
        if let Some(earlier) = self.index.get(&name) {
            return Err(*earlier);
        }
        self.index.insert(name, at);
        self.items.push(item);
        Ok(at)
    }
}

/// The content of one directory.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The directory, normalised.
    pub directory: PathBuf,
    /// The directory as seen from the root module's, for `path.module`.
    pub path: Arc<str>,
    pub environment: Option<Environment>,
    pub variables: Table<Variable>,
    pub locals: Table<Local>,
    pub outputs: Table<Output>,
    /// By `type.name`, or `data.type.name`.
    pub resources: Table<Resource>,
    pub calls: Table<ModuleCall>,
    /// By `name` or `name.alias`.
    pub providers: Table<Provider>,
    pub node_sets: Table<NodeSet>,
    pub services: Table<Service>,
    pub gates: Table<GateBlock>,
    pub rollouts: Table<RolloutBlock>,
    pub checks: Table<Check>,
    pub moved: Vec<statements::Moved>,
    pub removed: Vec<statements::Removed>,
    pub imports: Vec<Import>,
    /// Things that make instances, in source order.
    pub order: Vec<Item>,
    /// The first words of all resource types.
    pub kinds: HashSet<Arc<str>>,
}

/// A declaration that makes instances.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    Resource(usize),
    Call(usize),
    NodeSet(usize),
}

/// `environment "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Environment {
    pub name: Name,
    pub span: Span,
    pub description: Option<Expression>,
    pub state: Option<SettingsBlock>,
    pub secrets: Option<SettingsBlock>,
}

/// `state { ... }` or `secrets { ... }` of an environment.
#[derive(Debug)]
pub(crate) struct SettingsBlock {
    pub span: Span,
    pub arguments: Vec<Attribute>,
}

/// `variable "name" { ... }`.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the block")]
pub(crate) struct Variable {
    pub name: Arc<str>,
    pub span: Span,
    pub ty: Type,
    pub typed: bool,
    pub default: Option<Expression>,
    pub sensitive: bool,
    pub ephemeral: bool,
    pub nullable: bool,
    pub validations: Vec<Condition>,
}

/// `validation`, `precondition`, `postcondition` or `assert`: what must hold, and what to say when it does not.
#[derive(Debug)]
pub(crate) struct Condition {
    pub test: Expression,
    pub error_message: Expression,
    pub place: String,
}

/// `check "name" { assert { ... } }`.
#[derive(Debug)]
pub(crate) struct Check {
    pub name: Arc<str>,
    pub span: Span,
    pub assertions: Vec<Condition>,
}

/// One entry of `locals { ... }`.
#[derive(Debug)]
pub(crate) struct Local {
    pub name: Arc<str>,
    pub span: Span,
    pub value: Expression,
}

/// `output "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Output {
    pub name: Arc<str>,
    pub span: Span,
    pub value: Expression,
    pub sensitive: bool,
    pub ephemeral: bool,
    pub description: String,
    pub depends_on: Vec<Expression>,
    pub preconditions: Vec<Condition>,
}

/// How often a block is instantiated.
#[derive(Debug, Default)]
pub(crate) struct Repeat {
    pub count: Option<Expression>,
    pub for_each: Option<Expression>,
    /// Whether there is an instance at all.
    pub enabled: Option<Expression>,
}

impl Repeat {
    /// Whether nothing says how many instances there are.
    pub(crate) fn is_plain(&self) -> bool {
        self.count.is_none() && self.for_each.is_none() && self.enabled.is_none()
    }
}

/// `local`, `local.west` or `local.by_region[each.key]`: a provider block, and which of those that its `for_each` makes.
#[derive(Clone, Debug)]
pub(crate) struct ProviderName {
    /// `name` or `name.alias`.
    pub name: String,
    pub key: Option<Expression>,
    pub span: Span,
}

/// `resource "type" "name" { ... }` or `data "type" "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Whether it is a data source.
    pub is_data: bool,
    /// The check that it stands in, and that alone may look at it.
    pub check: Option<Arc<str>>,
    pub kind: Arc<str>,
    pub kind_span: Span,
    pub name: Arc<str>,
    pub span: Span,
    pub place: String,
    /// None where nothing says how many instances there are, as with most.
    pub repeat: Option<Box<Repeat>>,
    pub provider: Option<Box<ProviderName>>,
    pub depends_on: Vec<Expression>,
    pub lifecycle: Option<Box<Lifecycle>>,
    /// The arguments themselves.
    pub arguments: Vec<Attribute>,
    pub blocks: Vec<Block>,
}

impl Resource {
    /// In words: `local_machine "web"`.
    pub(crate) fn title(&self) -> String {
        [&self.kind, " \"", &self.name, "\""].concat()
    }

    /// As it is referred to: `type.name`, `data.type.name`.
    pub(crate) fn text(&self) -> String {
        let mode = if self.is_data { "data." } else { "" };
        [mode, &self.kind, ".", &self.name].concat()
    }
}

/// `lifecycle { ... }`.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    pub enabled: Option<Expression>,
    pub create_before_destroy: Option<Expression>,
    pub prevent_destroy: Option<Expression>,
    pub ignore_changes: Option<Expression>,
    pub preconditions: Vec<Condition>,
    pub postconditions: Vec<Condition>,
    pub replace_triggered_by: Vec<Expression>,
}

/// Where a module is: the text may have interpolations, so there may be several places.
#[derive(Debug)]
pub(crate) struct SourceOf {
    pub expression: Expression,
}

/// `module "name" { ... }`.
#[derive(Debug)]
pub(crate) struct ModuleCall {
    pub name: Arc<str>,
    pub span: Span,
    pub source: SourceOf,
    pub repeat: Repeat,
    pub depends_on: Vec<Expression>,
    /// What the module calls a provider, and which one it is here.
    pub providers: Vec<(String, ProviderName)>,
    pub arguments: Vec<Attribute>,
}

/// `provider "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Provider {
    pub name: Arc<str>,
    pub key: Arc<str>,
    pub span: Span,
    pub for_each: Option<Expression>,
    pub arguments: Vec<Attribute>,
    pub blocks: Vec<Block>,
}

/// `node_set "name" { ... }`.
#[derive(Debug)]
pub(crate) struct NodeSet {
    pub name: Arc<str>,
    pub span: Span,
    pub enabled: Option<Expression>,
    pub pools: Vec<Pool>,
    pub services: Option<Expression>,
    pub rollout: Option<Expression>,
    /// The sets whose rollouts are over before this one's begins.
    pub after: Vec<Expression>,
}

/// `pool "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Pool {
    pub name: Arc<str>,
    pub span: Span,
    pub source: SourceOf,
    pub size: Expression,
    pub domains: Option<Expression>,
    pub inputs: Option<Expression>,
}

/// `service "name" { ... }`.
#[derive(Debug)]
pub(crate) struct Service {
    pub name: Arc<str>,
    pub span: Span,
    pub place: String,
    pub fields: Fields,
}

/// `gate "name" { ... }`.
#[derive(Debug)]
pub(crate) struct GateBlock {
    pub name: Arc<str>,
    pub span: Span,
    pub block: Block,
}

/// `rollout "name" { ... }`.
#[derive(Debug)]
pub(crate) struct RolloutBlock {
    pub name: Arc<str>,
    pub span: Span,
    pub block: Block,
}

/// Reads all files of one directory.
pub(crate) fn read_module(
    files: &[(Arc<crate::source::SourceFile>, crate::syntax::Body)],
    is_root: bool,
) -> (Module, Vec<Diagnostic>) {
    read::Reader::default().module(files, is_root)
}
