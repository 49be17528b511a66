//! From blocks to declarations.

use super::conditions::{read_check, read_condition};
use super::constant::constant_of;
use super::dynamic::{check_dynamic, check_labelled, is_nameless, made_by};
use super::fields::{Fields, Shape, check_labels, list, read, title};
use super::lifecycle::read_enabled;
use super::providers::read_providers;
use super::suggest::did_you_mean;
use super::types::read_type;
use super::{
    Condition, Item, Local, Module, ModuleCall, Output, Provider, Repeat, Resource, Service,
    SourceOf, Variable,
};
use crate::source::SourceFile;
use crate::syntax::{Block, Body, Expression, Kind};
use model::{Diagnostic, Span, Type};
use std::sync::Arc;

const BLOCKS: [&str; 16] = [
    "environment",
    "variable",
    "locals",
    "output",
    "provider",
    "module",
    "resource",
    "node_set",
    "service",
    "gate",
    "rollout",
    "check",
    "moved",
    "removed",
    "import",
    "data",
];

/// Words that the language will have.
const LATER: [&str; 1] = ["backup"];

/// Blocks of Terraform that have no counterpart, and what to do about them.
const OF_TERRAFORM: [(&str, &str); 2] = [
    (
        "terraform",
        "remove it: where the state is kept is said by `environment \"NAME\" { state { ... } }`, and the providers come with the \
         program",
    ),
    (
        "ephemeral",
        "there are no ephemeral resources; `ephemeral = true` in a variable or an output keeps a value from being stored",
    ),
];

/// Arguments and blocks of a `module` block here or in Terraform: a variable of that name could not be given a value.
const RESERVED: [&str; 8] =
    ["source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals"];

const VARIABLE: Shape = Shape {
    required: &[],
    optional: &["type", "default", "description", "ephemeral", "sensitive", "nullable"],
    blocks: &[("validation", 0, true)],
    open: false,
};

const OUTPUT: Shape = Shape {
    required: &["value"],
    optional: &["ephemeral", "sensitive", "description", "depends_on"],
    blocks: &[("precondition", 0, true)],
    open: false,
};

const MODULE: Shape = Shape {
    required: &["source"],
    optional: &["count", "for_each", "depends_on", "providers"],
    blocks: &[("lifecycle", 0, false)],
    open: true,
};

const PROVIDER: Shape =
    Shape { required: &[], optional: &["alias", "for_each"], blocks: &[], open: true };

const SERVICE: Shape = Shape {
    required: &["version", "command"],
    optional: &[
        "enabled",
        "facts",
        "environment",
        "check",
        "drain",
        "dead_man_s",
        "max_parallel",
        "restart",
    ],
    blocks: &[
        ("artifact", 0, false),
        ("file", 1, true),
        ("probe", 1, true),
        ("reachability", 0, false),
        ("dynamic", 1, true),
    ],
    open: false,
};

const ARTIFACT: Shape = Shape {
    required: &[],
    optional: &["url", "file", "package", "package_version", "sha256", "paths"],
    blocks: &[],
    open: false,
};

const FILE: Shape =
    Shape { required: &["content"], optional: &["mode", "live"], blocks: &[], open: false };

const PROBE: Shape = Shape {
    required: &[],
    optional: &["command", "from", "timeout_ms", "deadline_ms"],
    blocks: &[("http", 0, false), ("tcp", 0, false)],
    open: false,
};

const HTTP: Shape =
    Shape { required: &["port"], optional: &["path", "status"], blocks: &[], open: false };

const TCP: Shape = Shape { required: &["port"], optional: &["host"], blocks: &[], open: false };

const REACHABILITY: Shape =
    Shape { required: &["address", "port"], optional: &[], blocks: &[], open: false };

/// The shape of a block inside a service.
pub(crate) fn service_block(kind: &str) -> &'static Shape {
    match kind {
        "artifact" => &ARTIFACT,
        "file" => &FILE,
        "probe" => &PROBE,
        "http" => &HTTP,
        "tcp" => &TCP,
        _ => &REACHABILITY,
    }
}

#[derive(Default)]
pub(super) struct Reader {
    module: Module,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Reader {
    pub(super) fn module(
        mut self,
        files: &[(Arc<SourceFile>, Body)],
        is_root: bool,
    ) -> (Module, Vec<Diagnostic>) {
        let blocks = files.iter().flat_map(|(_, body)| &body.blocks);
        let resources = blocks.filter(|block| block.kind.text.as_ref() == "resource").count();
        self.module.resources.reserve(resources);
        for (file, body) in files {
            for attribute in &body.attributes {
                let summary = format!("`{}` stands outside of any block", attribute.name.text);
                let diagnostic = Diagnostic::error("unknown-argument", summary)
                    .with_label(file.span(attribute.name.extent), "")
                    .with_hint(
                        "a file holds blocks; values that have names go into `locals { ... }`",
                    );
                self.diagnostics.push(diagnostic);
            }
            for block in &body.blocks {
                self.block(block, is_root);
            }
        }
        (self.module, self.diagnostics)
    }

    fn block(&mut self, block: &Block, is_root: bool) {
        let kind = block.kind.text.as_ref();
        let labels = match kind {
            "locals" | "moved" | "removed" | "import" => 0,
            "resource" | "data" => 2,
            _ => 1,
        };
        if !BLOCKS.contains(&kind) {
            return self.unknown_block(block);
        }
        if !check_labels(block, labels, &mut self.diagnostics) || !self.names_are_words(block) {
            return;
        }
        if !is_root && ["environment", "node_set", "provider", "import"].contains(&kind) {
            let diagnostic = Diagnostic::error("root-only", format!("a block `{kind}` stands only in the environment's own directory"))
                .with_label(block.span(), "this is in a module")
                .with_hint("move it to the directory that is applied, and pass what the module needs as a variable");
            self.diagnostics.push(diagnostic);
            return;
        }
        match kind {
            "environment" => self.environment(block),
            "variable" => self.variable(block),
            "locals" => self.locals(block),
            "output" => self.output(block),
            "provider" => self.provider(block),
            "module" => self.call(block),
            "resource" | "data" => self.resource(block, None),
            "node_set" => self.node_set(block),
            "check" => self.check(block),
            "import" => {
                let import = super::statements::read_import(self, block);
                self.module.imports.extend(import);
            }
            "moved" => {
                let moved = super::statements::read_moved(self, block);
                self.module.moved.extend(moved);
            }
            "removed" => {
                let removed = super::statements::read_removed(self, block);
                self.module.removed.extend(removed);
            }
            "gate" => {
                let gate = super::rollout::read_gate(self, block);
                let result = self.module.gates.insert(gate.name.clone(), gate);
                self.declared(block, result, |module, at| &module.gates.get(at).span);
            }
            "rollout" => {
                let rollout = super::rollout::read_rollout(self, block);
                let result = self.module.rollouts.insert(rollout.name.clone(), rollout);
                self.declared(block, result, |module, at| &module.rollouts.get(at).span);
            }
            _ => self.service(block),
        }
    }

    fn unknown_block(&mut self, block: &Block) {
        let kind = block.kind.text.as_ref();
        let of_terraform = OF_TERRAFORM.iter().find(|(name, _)| *name == kind);
        let diagnostic = if LATER.contains(&kind) {
            Diagnostic::error("unknown-block", format!("blocks `{kind}` are not supported"))
                .with_label(block.span(), "")
        } else if let Some((_, hint)) = of_terraform {
            Diagnostic::error("unknown-block", format!("there is no block `{kind}` here"))
                .with_label(block.span(), "this is Terraform's")
                .with_hint(*hint)
        } else {
            let diagnostic =
                Diagnostic::error("unknown-block", format!("there is no block `{kind}`"))
                    .with_label(block.file.span(block.kind.extent), "");
            match did_you_mean(kind, BLOCKS) {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic.with_hint(format!("there are {}", list(BLOCKS.into_iter()))),
            }
        };
        self.diagnostics.push(diagnostic);
    }

    /// Names are used in references, so they must be words (an environment's name is free).
    fn names_are_words(&mut self, block: &Block) -> bool {
        if block.kind.text.as_ref() == "environment" {
            return true;
        }
        let is_word = |text: &str| {
            text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        for label in block.labels.iter().filter(|label| !is_word(&label.text)) {
            let diagnostic =
                Diagnostic::error("name", format!("`{}` cannot be a name", label.text))
                    .with_label(block.file.span(label.extent), "")
                    .with_hint("a name begins with a letter; letters, digits, `_` and `-` follow");
            self.diagnostics.push(diagnostic);
        }
        block.labels.iter().all(|label| is_word(&label.text))
    }

    fn fields(&mut self, block: &Block, shape: &Shape) -> Fields {
        read(block, shape, &mut self.diagnostics)
    }

    fn flag(&mut self, fields: &Fields, name: &str, default: bool) -> bool {
        let value = fields
            .get(name)
            .and_then(|value| constant_of(value, &Type::Bool, &mut self.diagnostics));
        value.and_then(|value| value.as_bool()).unwrap_or(default)
    }

    fn text(&mut self, fields: &Fields, name: &str) -> String {
        let value = fields
            .get(name)
            .and_then(|value| constant_of(value, &Type::String, &mut self.diagnostics));
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn environment(&mut self, block: &Block) {
        let read = super::environment::read_environment(block, &mut self.diagnostics);
        if let Some(first) = &self.module.environment {
            self.diagnostics.push(
                Diagnostic::error("duplicate-block", "there is more than one block `environment`")
                    .with_label(block.span(), "the second one")
                    .with_label(first.span.clone(), "the first one")
                    .with_hint("a directory is one environment: keep one of them"),
            );
            return;
        }
        self.module.environment = read;
    }

    fn variable(&mut self, block: &Block) {
        let label = &block.labels[0];
        if RESERVED.contains(&label.text.as_ref()) {
            self.diagnostics.push(
                Diagnostic::error(
                    "reserved-name",
                    format!("a variable cannot be named `{}`", label.text),
                )
                .with_label(
                    block.file.span(label.extent),
                    "this has a meaning of its own in a `module` block",
                )
                .with_hint("give it another name"),
            );
        }
        let fields = self.fields(block, &VARIABLE);
        let ty = fields.get("type").map(|ty| read_type(ty, &mut self.diagnostics));
        self.text(&fields, "description");
        let validations = self.conditions(&fields, "validation");
        let variable = Variable {
            name: block.labels[0].text.clone(),
            span: block.span(),
            typed: ty.is_some(),
            ty: ty.unwrap_or(Type::Any),
            default: fields.get("default").cloned(),
            sensitive: self.flag(&fields, "sensitive", false),
            ephemeral: self.flag(&fields, "ephemeral", false),
            nullable: self.flag(&fields, "nullable", true),
            validations,
        };
        let name = variable.name.clone();
        let result = self.module.variables.insert(name, variable);
        self.declared(block, result, |module, at| &module.variables.get(at).span);
    }

    fn conditions(&mut self, fields: &Fields, kind: &str) -> Vec<Condition> {
        let blocks = fields.blocks(kind);
        blocks.filter_map(|nested| read_condition(nested, &mut self.diagnostics)).collect()
    }

    fn check(&mut self, block: &Block) {
        let check = read_check(block, &mut self.diagnostics);
        let name = check.name.clone();
        let result = self.module.checks.insert(name.clone(), check);
        self.declared(block, result, |module, at| &module.checks.get(at).span);
        let nested = block.body.blocks.iter().filter(|nested| nested.kind.text.as_ref() == "data");
        for nested in nested {
            if nested.labels.len() == 2 && self.names_are_words(nested) {
                self.resource(nested, Some(name.clone()));
            }
        }
    }

    /// Reports a name that was declared before; gives the new position otherwise.
    fn declared(
        &mut self,
        block: &Block,
        result: Result<usize, usize>,
        span: impl Fn(&Module, usize) -> &Span,
    ) -> Option<usize> {
        match result {
            Ok(at) => Some(at),
            Err(earlier) => {
                let first = span(&self.module, earlier).clone();
                self.diagnostics.push(duplicate(block, first));
                None
            }
        }
    }

    fn locals(&mut self, block: &Block) {
        for nested in &block.body.blocks {
            let summary = format!("`locals` holds no block `{}`", nested.kind.text);
            self.diagnostics
                .push(Diagnostic::error("unknown-block", summary).with_label(nested.span(), ""));
        }
        for attribute in &block.body.attributes {
            let span = block.file.span(attribute.name.extent);
            let name = attribute.name.text.clone();
            let local =
                Local { name: name.clone(), span: span.clone(), value: attribute.value.clone() };
            if let Err(earlier) = self.module.locals.insert(name.clone(), local) {
                let first = self.module.locals.get(earlier).span.clone();
                self.diagnostics.push(
                    Diagnostic::error(
                        "duplicate-block",
                        format!("`local.{name}` is declared twice"),
                    )
                    .with_label(span, "the second one")
                    .with_label(first, "the first one")
                    .with_hint("rename or remove one of them"),
                );
            }
        }
    }

    fn output(&mut self, block: &Block) {
        let fields = self.fields(block, &OUTPUT);
        let Some(value) = fields.get("value").cloned() else { return };
        let output = Output {
            name: block.labels[0].text.clone(),
            span: block.span(),
            value,
            sensitive: self.flag(&fields, "sensitive", false),
            ephemeral: self.flag(&fields, "ephemeral", false),
            description: self.text(&fields, "description"),
            depends_on: self.dependencies(fields.get("depends_on")),
            preconditions: self.conditions(&fields, "precondition"),
        };
        let result = self.module.outputs.insert(output.name.clone(), output);
        self.declared(block, result, |module, at| &module.outputs.get(at).span);
    }

    fn provider(&mut self, block: &Block) {
        let fields = self.fields(block, &PROVIDER);
        let name = block.labels[0].text.clone();
        let alias = self.text(&fields, "alias");
        let key: Arc<str> =
            if alias.is_empty() { name.clone() } else { format!("{name}.{alias}").into() };
        check_dynamic(&fields.other_blocks, &mut self.diagnostics);
        let for_each = fields.get("for_each").cloned();
        if let Some(for_each) = for_each.as_ref().filter(|_| alias.is_empty()) {
            self.diagnostics.push(
                Diagnostic::error("missing-argument", "a provider with `for_each` needs an alias")
                    .with_label(block.span(), "`alias` is missing")
                    .with_label(for_each.span(), "")
                    .with_hint(format!("add `alias = \"each\"`, and write `{name}.each[KEY]`")),
            );
        }
        let (span, arguments) = (block.span(), fields.others);
        let blocks = fields.other_blocks.into_iter().filter(|nested| !is_nameless(nested));
        let blocks = blocks.collect();
        let provider = Provider { name, key: key.clone(), span, for_each, arguments, blocks };
        let result = self.module.providers.insert(key, provider);
        self.declared(block, result, |module, at| &module.providers.get(at).span);
    }

    fn call(&mut self, block: &Block) {
        let fields = self.fields(block, &MODULE);
        for nested in &fields.other_blocks {
            let summary = format!("a module call holds no block `{}`", nested.kind.text);
            let diagnostic = Diagnostic::error("unknown-block", summary)
                .with_label(nested.span(), "")
                .with_hint(format!("pass a value: `{} = {{ ... }}`", nested.kind.text));
            self.diagnostics.push(diagnostic);
        }
        let enabled = fields.blocks("lifecycle").next().cloned();
        let enabled = enabled.and_then(|nested| read_enabled(self, &nested));
        let Some(source) = fields.get("source").cloned() else { return };
        let call = ModuleCall {
            name: block.labels[0].text.clone(),
            span: block.span(),
            source: SourceOf { expression: source },
            repeat: self.repeat(block, &fields, enabled),
            depends_on: self.dependencies(fields.get("depends_on")),
            providers: read_providers(&fields, &mut self.diagnostics),
            arguments: fields.others,
        };
        let result = self.module.calls.insert(call.name.clone(), call);
        if let Some(at) = self.declared(block, result, |module, at| &module.calls.get(at).span) {
            self.module.order.push(Item::Call(at));
        }
    }

    pub(super) fn repeat(
        &mut self,
        block: &Block,
        fields: &Fields,
        enabled: Option<Expression>,
    ) -> Repeat {
        let repeat = Repeat {
            enabled,
            count: fields.get("count").cloned(),
            for_each: fields.get("for_each").cloned(),
        };
        if let (Some(count), Some(for_each)) = (&repeat.count, &repeat.for_each) {
            let diagnostic =
                Diagnostic::error("count-and-for-each", "a block has either `count` or `for_each`")
                    .with_label(for_each.span(), "this ...")
                    .with_label(count.span(), "... or this")
                    .with_label(block.span(), "in this block")
                    .with_hint("keep the one you mean; `for_each` gives stable names");
            self.diagnostics.push(diagnostic);
        }
        repeat
    }

    /// The references of a `depends_on`.
    pub(super) fn dependencies(&mut self, expression: Option<&Expression>) -> Vec<Expression> {
        expression.map(|it| self.references("depends_on", it)).unwrap_or_default()
    }

    /// A list of references, in an argument of that name.
    pub(super) fn references(&mut self, name: &str, expression: &Expression) -> Vec<Expression> {
        if expression.is_broken() {
            return Vec::new();
        }
        let mut references = Vec::new();
        let is_list = matches!(expression.root().kind(), Kind::Tuple(_));
        for item in expression.items() {
            if is_list && matches!(item.kind(), Kind::Reference(_)) {
                references.push(expression.part(item));
                continue;
            }
            let summary = format!("`{name}` is a list of references");
            let (diagnostic, example) = match name {
                "depends_on" => {
                    (Diagnostic::error("depends-on", summary), "[local_network.main, module.mesh]")
                }
                "after" => (Diagnostic::error("rollout", summary), "[node_set.core]"),
                _ => {
                    let example = "[local_network.main, local_volume.data[each.key].id]";
                    (Diagnostic::error("replace-triggered-by", summary), example)
                }
            };
            let diagnostic = diagnostic
                .with_label(expression.file.span(item.extent()), "this is none")
                .with_hint(format!("write references without quotes: {name} = {example}"));
            self.diagnostics.push(diagnostic);
        }
        references
    }

    fn resource(&mut self, block: &Block, check: Option<Arc<str>>) {
        let Some(resource) = super::resource::read_resource(self, block) else { return };
        let resource = Resource { check, ..resource };
        let key: Arc<str> = resource.text().into();
        self.module.kinds.insert(resource.kind.clone());
        let result = self.module.resources.insert(key, resource);
        if let Some(at) = self.declared(block, result, |module, at| &module.resources.get(at).span)
        {
            self.module.order.push(Item::Resource(at));
        }
    }

    fn node_set(&mut self, block: &Block) {
        let set = super::node_set::read_node_set(self, block);
        let result = self.module.node_sets.insert(set.name.clone(), set);
        if let Some(at) = self.declared(block, result, |module, at| &module.node_sets.get(at).span)
        {
            self.module.order.push(Item::NodeSet(at));
        }
    }

    fn service(&mut self, block: &Block) {
        let fields = self.fields(block, &SERVICE);
        for nested in &fields.blocks {
            let kind = made_by(nested);
            let content = if kind == &nested.kind.text {
                Some(nested)
            } else {
                check_labelled(nested, &["file", "probe"], &mut self.diagnostics)
            };
            let Some(content) = content else { continue };
            let inner = self.fields(content, service_block(kind));
            for part in &inner.blocks {
                self.fields(part, service_block(&part.kind.text));
            }
        }
        let service = Service {
            name: block.labels[0].text.clone(),
            span: block.span(),
            place: block.file.place(block.header),
            fields,
        };
        let result = self.module.services.insert(service.name.clone(), service);
        self.declared(block, result, |module, at| &module.services.get(at).span);
    }
}

pub(super) fn duplicate(block: &Block, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate-block", format!("`{}` is declared twice", title(block)))
        .with_label(block.span(), "the second one")
        .with_label(first, "the first one")
        .with_hint("rename or remove one of them")
}
