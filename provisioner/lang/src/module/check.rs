//! The check of references and calls that needs no values: each mistake is reported once for a module,
//! however often it is instantiated.

use super::dynamic::iterator_name;
use super::environment::check_settings;
use super::suggest::did_you_mean;
use super::{Fields, Module, Table};
use crate::eval::{SPECIAL, unknown_function};
use crate::functions;
use crate::source::SourceFile;
use crate::syntax::{
    Block, Body, Call, Expression, Extent, Free, Kind, Steps, Visit, references, walk,
};
use model::Diagnostic;
use std::sync::Arc;

/// Checks every expression of a module.
pub(super) fn check(
    module: &Module,
    files: &[(Arc<SourceFile>, Body)],
    is_root: bool,
) -> Vec<Diagnostic> {
    let mut checker = Checker { module, is_root, key: String::new(), diagnostics: Vec::new() };
    for (_, body) in files {
        for block in &body.blocks {
            checker.top(block);
        }
    }
    for service in module.services.iter() {
        checker.facts_without_node(&service.fields);
    }
    checker.validations();
    checker.diagnostics.extend(check_settings(module));
    checker.diagnostics
}

/// Checks an expression that stands in no block of the root module.
pub(crate) fn check_expression(module: &Module, expression: &Expression) -> Vec<Diagnostic> {
    let mut checker =
        Checker { module, is_root: true, key: String::new(), diagnostics: Vec::new() };
    checker.expression(expression, &Extra::default());
    checker.diagnostics
}

/// Names that exist only in some blocks.
#[derive(Clone, Default)]
struct Extra {
    /// Those of `each`, `count`, `node` and `self` that there are.
    words: Vec<&'static str>,
    /// The iterators of the `dynamic` blocks around.
    iterators: Vec<Arc<str>>,
    /// The check around.
    check: Option<Arc<str>>,
}

/// Which of `each` and `count` a block has.
fn repetition_words(block: &Block) -> impl Iterator<Item = &'static str> {
    let has = |name: &str| block.body.attributes.iter().any(|a| a.name.text.as_ref() == name);
    let words = [("for_each", "each"), ("count", "count")].into_iter();
    words.filter(move |(name, _)| has(name)).map(|(_, word)| word)
}

struct Checker<'a> {
    module: &'a Module,
    is_root: bool,
    /// The key of the resource that is looked up; kept for its memory.
    key: String,
    diagnostics: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn top(&mut self, block: &Block) {
        let has = |name: &str| block.body.attributes.iter().any(|a| a.name.text.as_ref() == name);
        let mut extra = Extra::default();
        match block.kind.text.as_ref() {
            "resource" | "data" | "module" | "provider" => {
                extra.words.extend(repetition_words(block));
            }
            "import" if has("for_each") => extra.words.push("each"),
            "service" => extra.words.push("node"),
            "check" => extra.check = block.labels.first().map(|label| label.text.clone()),
            "environment" | "variable" | "locals" | "output" | "node_set" | "removed"
            | "import" | "gate" | "rollout" => {}
            _ => return,
        }
        self.block(block, &extra, true);
    }

    fn block(&mut self, block: &Block, extra: &Extra, is_top: bool) {
        let kind = block.kind.text.as_ref();
        for attribute in &block.body.attributes {
            match (kind, attribute.name.text.as_ref()) {
                ("resource" | "data" | "import", "provider")
                | ("module", "providers")
                | ("removed", "from")
                | ("import", "to") => {}
                ("lifecycle", "ignore_changes") => self.ignored(&attribute.value, extra),
                // A type is no expression, and what else is not known here was probably meant to be one.
                ("variable", name) if name != "default" => {}
                ("resource" | "data" | "module" | "import", "count" | "for_each" | "enabled")
                    if is_top =>
                {
                    let outside = Extra { check: extra.check.clone(), ..Extra::default() };
                    self.expression(&attribute.value, &outside);
                }
                _ => self.expression(&attribute.value, extra),
            }
        }
        for nested in &block.body.blocks {
            match nested.kind.text.as_ref() {
                "dynamic" => self.dynamic(nested, extra),
                "data" if kind == "check" => {
                    let mut extra = extra.clone();
                    extra.words.extend(repetition_words(nested));
                    self.block(nested, &extra, true);
                }
                "postcondition" => {
                    let mut extra = extra.clone();
                    extra.words.push("self");
                    self.block(nested, &extra, false);
                }
                _ => self.block(nested, extra, false),
            }
        }
    }

    /// `for_each` stands outside of what it repeats; all else knows the iterator.
    fn dynamic(&mut self, block: &Block, extra: &Extra) {
        let mut inner = extra.clone();
        inner.iterators.extend(iterator_name(block));
        for attribute in &block.body.attributes {
            match attribute.name.text.as_ref() {
                "for_each" => self.expression(&attribute.value, extra),
                "iterator" => {}
                _ => self.expression(&attribute.value, &inner),
            }
        }
        for nested in &block.body.blocks {
            self.block(nested, &inner, false);
        }
    }

    /// Names of arguments are no references; what is computed is.
    fn ignored(&mut self, expression: &Expression, extra: &Extra) {
        for item in expression.items() {
            let root = match item.kind() {
                Kind::Variable(_) => continue,
                Kind::Reference(reference) => Some(reference.root.as_ref()),
                _ => None,
            };
            if root.is_none_or(|root| ["var", "local", "each", "count"].contains(&root)) {
                self.expression(&expression.part(item), extra);
            }
        }
    }

    /// A validation that does not look at its variable tests something else.
    fn validations(&mut self) {
        for variable in self.module.variables.iter() {
            for condition in &variable.validations {
                let own = |free: &Free<'_>| {
                    free.root.as_ref() == "var"
                        && free.steps.text(0) == Some(variable.name.as_ref())
                };
                let free = references(condition.test.root());
                if free.is_empty() || free.iter().any(own) {
                    continue;
                }
                let name = &variable.name;
                self.diagnostics.push(
                    Diagnostic::error(
                        "validation-reference",
                        format!("a validation of variable `{name}` does not look at it"),
                    )
                    .with_label(condition.test.span(), format!("`var.{name}` is not in here"))
                    .with_hint("what has nothing to do with one variable goes into a `check`, or a precondition"),
                );
            }
        }
    }

    /// `enabled`, `version`, `facts` and the artifact of a service are the same for all its nodes.
    fn facts_without_node(&mut self, fields: &Fields) {
        let whole = ["enabled", "version", "facts"].into_iter().filter_map(|name| fields.get(name));
        let artifact = fields
            .blocks("artifact")
            .flat_map(|block| block.body.attributes.iter().map(|a| &a.value));
        for expression in whole.chain(artifact) {
            for free in references(expression.root()) {
                if free.root.as_ref() == "node" {
                    let diagnostic = Diagnostic::error(
                        "unknown-reference",
                        "there is no `node` here",
                    )
                    .with_label(expression.file.span(free.extent), "")
                    .with_hint(
                        "`enabled`, `version`, `facts` and `artifact` are the same for all nodes of a service",
                    );
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    fn expression(&mut self, expression: &Expression, extra: &Extra) {
        let mut visitor = Visitor { caught_until: 0, checker: self, file: &expression.file, extra };
        walk(expression.root(), &mut visitor);
    }
}

struct Visitor<'c, 'm> {
    /// Where the last call of `try` or `can` ends.
    caught_until: u32,
    checker: &'c mut Checker<'m>,
    file: &'c SourceFile,
    extra: &'c Extra,
}

impl<'e> Visit<'e> for Visitor<'_, '_> {
    fn reference(&mut self, free: Free<'e>) {
        if let Some(diagnostic) = self.problem(free.root, free.steps, free.extent) {
            self.checker.diagnostics.push(diagnostic);
        }
    }

    fn call(&mut self, call: Call<'e>, extent: Extent) {
        let name = call.name.text.as_ref();
        // Calls are visited from the outside in: `try` and `can` catch what stands within them.
        if matches!(name, "try" | "can") {
            self.caught_until = self.caught_until.max(extent.end);
        }
        if extent.start < self.caught_until {
            return;
        }
        if !functions::exists(name) && !SPECIAL.contains(&name) {
            self.checker.diagnostics.push(unknown_function(self.file, call));
        }
    }
}

impl Visitor<'_, '_> {
    fn error(
        &self,
        extent: Extent,
        summary: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let mut diagnostic =
            Diagnostic::error("unknown-reference", summary).with_label(self.file.span(extent), "");
        diagnostic.hints.extend(hint);
        diagnostic
    }

    fn has(&self, word: &str) -> bool {
        self.extra.words.contains(&word)
    }

    fn problem(&mut self, root: &str, steps: Steps<'_>, extent: Extent) -> Option<Diagnostic> {
        let module = self.checker.module;
        if self.extra.iterators.iter().any(|name| name.as_ref() == root) {
            return self.one_of(root, &["key", "value"], steps, extent);
        }
        match root {
            "var" => {
                let advice = "add a block `variable \"NAME\" {}` to declare it";
                self.declared(&module.variables, ("variable", "var"), steps, extent, advice)
            }
            "local" => {
                let advice = "add it to a `locals { ... }` block to declare it";
                self.declared(&module.locals, ("local value", "local"), steps, extent, advice)
            }
            "module" => {
                let advice = "add a block `module \"NAME\" { source = ... }` to call one";
                self.declared(&module.calls, ("module", "module"), steps, extent, advice)
            }
            "service" => {
                let advice = "add a block `service \"NAME\" { ... }`, or take the handle from the module that has it";
                self.declared(&module.services, ("service", "service"), steps, extent, advice)
            }
            "rollout" => {
                let advice = "add a block `rollout \"NAME\" { ... }`, or take the value from the module that has it";
                self.declared(&module.rollouts, ("rollout", "rollout"), steps, extent, advice)
            }
            "gate" => {
                let advice = "add a block `gate \"NAME\" { ... }`";
                self.declared(&module.gates, ("gate", "gate"), steps, extent, advice)
            }
            "node_set" if self.checker.is_root => {
                let advice = "add a block `node_set \"NAME\" { ... }`";
                self.declared(&module.node_sets, ("node set", "node_set"), steps, extent, advice)
            }
            "node_set" => {
                let hint = "pass it to the module as a variable: node_sets = [node_set.edge.nodes]";
                Some(self.error(
                    extent,
                    "node sets are known only in the environment's own directory",
                    Some(hint.to_owned()),
                ))
            }
            "environment" => self.one_of(root, &["name", "login_key"], steps, extent),
            "terraform" => self.one_of(root, &["workspace"], steps, extent),
            "path" => self.one_of(root, &["module", "root", "cwd"], steps, extent),
            "each" if self.has("each") => self.one_of(root, &["key", "value"], steps, extent),
            "each" => {
                Some(self.error(extent, "`each` exists only in a block with `for_each`", None))
            }
            "count" if self.has("count") => self.one_of(root, &["index"], steps, extent),
            "count" => {
                Some(self.error(extent, "`count` exists only in a block with `count`", None))
            }
            "node" if self.has("node") => None,
            "node" => Some(self.error(extent, "`node` exists only in a service", None)),
            "self" if self.has("self") => None,
            "self" => Some(self.error(extent, "`self` exists only in a postcondition", None)),
            "data" => self.data(steps, extent),
            _ => self.resource(root, steps, extent),
        }
    }

    fn declared<T>(
        &self,
        table: &Table<T>,
        (what, root): (&str, &str),
        steps: Steps<'_>,
        extent: Extent,
        advice: &str,
    ) -> Option<Diagnostic> {
        let Some(name) = steps.text(0) else {
            return Some(self.error(
                extent,
                format!("`{root}` must be followed by a name"),
                Some(format!("write `{root}.NAME`")),
            ));
        };
        if table.position(name).is_some() {
            return None;
        }
        let hint =
            did_you_mean(name, table.names()).unwrap_or_else(|| advice.replace("NAME", name));
        Some(self.error(extent, format!("there is no {what} `{name}`"), Some(hint)))
    }

    fn one_of(
        &self,
        root: &str,
        names: &[&str],
        steps: Steps<'_>,
        extent: Extent,
    ) -> Option<Diagnostic> {
        let name = steps.text(0)?;
        if names.contains(&name) {
            return None;
        }
        let hint = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("there are {}", super::list(names.iter().copied())));
        Some(self.error(extent, format!("`{root}` has no `{name}`"), Some(hint)))
    }

    fn data(&self, steps: Steps<'_>, extent: Extent) -> Option<Diagnostic> {
        let resources = &self.checker.module.resources;
        let (Some(kind), Some(name)) = (steps.text(0), steps.text(1)) else {
            let summary = "`data` must be followed by a type and a name";
            return Some(self.error(extent, summary, Some("write `data.TYPE.NAME`".to_owned())));
        };
        let full = format!("data.{kind}.{name}");
        if let Some(at) = resources.position(&full) {
            let check = resources.get(at).check.as_ref();
            let check = check.filter(|check| self.extra.check.as_ref() != Some(check))?;
            let summary = format!("`{full}` is read for the check `{check}` alone");
            let hint = format!("for others, declare it outside of `check \"{check}\"`");
            let diagnostic = self.error(extent, summary, Some(hint));
            return Some(
                diagnostic.with_label(resources.get(at).span.clone(), "it is declared here"),
            );
        }
        let hint = did_you_mean(&full, resources.names()).unwrap_or_else(|| {
            format!("add a block `data \"{kind}\" \"{name}\" {{ ... }}` to read it")
        });
        Some(self.error(extent, format!("there is no data source `{kind}.{name}`"), Some(hint)))
    }

    /// A hint when a variable or local value of this name is declared.
    fn declared_as(&self, name: &str) -> Option<String> {
        let module = self.checker.module;
        let is_variable = module.variables.position(name).is_some();
        let is_local = module.locals.position(name).is_some();
        match (is_variable, is_local) {
            (true, true) => Some(format!("write `var.{name}` or `local.{name}`")),
            (true, false) => Some(format!("a variable is written with `var.`: `var.{name}`")),
            (false, true) => {
                Some(format!("a local value is written with `local.`: `local.{name}`"))
            }
            (false, false) => None,
        }
    }

    fn resource(&mut self, kind: &str, steps: Steps<'_>, extent: Extent) -> Option<Diagnostic> {
        let module = self.checker.module;
        let Some(name) = steps.text(0) else {
            let roots = [
                "var",
                "local",
                "data",
                "module",
                "node_set",
                "service",
                "rollout",
                "gate",
                "environment",
                "path",
                "each",
                "count",
                "node",
            ];
            let hint = self.declared_as(kind).or_else(|| did_you_mean(kind, roots));
            let hint = hint.unwrap_or_else(|| {
                "text stands in double quotes; a variable is written `var.NAME`".to_owned()
            });
            return Some(self.error(
                extent,
                format!("there is nothing named `{kind}`"),
                Some(hint),
            ));
        };
        let key = &mut self.checker.key;
        key.clear();
        key.extend([kind, ".", name]);
        if module.resources.position(key).is_some() {
            return None;
        }
        let full = key.clone();
        let roots = ["var.", "local.", "module.", "node_set.", "service.", "path."]
            .map(|root| format!("{root}{name}"));
        let names = module.resources.names().chain(roots.iter().map(String::as_str));
        let hint = did_you_mean(&full, names);
        Some(self.error(extent, format!("there is no resource `{full}`"), hint))
    }
}
