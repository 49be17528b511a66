//! `import`: which objects are to be recorded as which instances.

use super::expansion::{Expansion, Repetition};
use super::graph::{Decl, Graph, What};
use super::names::Place;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::Import;
use crate::module::endpoint::{endpoint, key_of};
use crate::syntax::Expression;
use model::graph::{self, Instance};
use model::moves::Endpoint;
use model::{Address, Diagnostic, InstanceKey, PathStep, Type};
use std::collections::HashMap;

type Configured<'i> = HashMap<&'i Address, &'i Instance>;

impl Graph<'_> {
    /// The imports of the environment, each once for every key of its `for_each`.
    pub(super) fn imports(&mut self, instances: &[Instance]) -> Vec<graph::Import> {
        let module = self.module(0);
        if module.imports.is_empty() {
            return Vec::new();
        }
        let configured: Configured<'_> =
            instances.iter().map(|instance| (&instance.address, instance)).collect();
        let mut imports: Vec<graph::Import> = Vec::new();
        let mut first: HashMap<Address, usize> = HashMap::new();
        for (at, block) in module.imports.iter().enumerate() {
            let decl = Decl { scope: 0, what: What::Imports(at) };
            let expansion = match &block.for_each {
                Some(for_each) => self.expand_for_each(decl, for_each),
                None => Expansion::Single,
            };
            for key in expansion.keys() {
                let repetition = expansion.repetition_of(key.as_ref());
                let Some(import) = self.import(block, repetition, &configured) else { continue };
                match first.insert(import.address.clone(), imports.len()) {
                    None => imports.push(import),
                    Some(before) => self.report(imported_twice(&import, &imports[before])),
                }
            }
        }
        imports
    }

    fn import(
        &mut self,
        block: &Import,
        repetition: Repetition,
        configured: &Configured<'_>,
    ) -> Option<graph::Import> {
        let place = Place { repetition, ..Place::module(0) };
        let endpoint = endpoint(&block.to, |expression| self.import_key(expression, &place))?;
        let id = self.import_id(&block.id, &place);
        let address = address(&endpoint)?;
        let Some(instance) = configured.get(&address) else {
            self.not_configured(block, &endpoint, &address);
            return None;
        };
        if let Some(named) = &block.provider
            && let own = instance.provider.split('.').next().unwrap_or_default()
            && let Some(name) = self.provider(named, own, &place)
            && name != instance.provider
        {
            let summary =
                format!("{address} is made with `{}`, not with `{name}`", instance.provider);
            let diagnostic = Diagnostic::error("unknown-provider", summary)
                .with_label(named.span.clone(), "")
                .with_label(instance.span.clone(), "its provider is said here")
                .with_hint("leave `provider` out here: that of the resource is used");
            self.report(diagnostic);
            return None;
        }
        let (provider, span) = (instance.provider.clone(), block.span.clone());
        Some(graph::Import { address, provider, id: id?, span })
    }

    fn not_configured(&mut self, block: &Import, endpoint: &Endpoint, address: &Address) {
        if self.told.diagnostics().iter().any(Diagnostic::is_error) {
            // The instance may be missing because of a mistake in it.
            return;
        }
        let root = self.module(0);
        let name = format!("{}.{}", address.kind(), address.name());
        if let (true, Some(at)) = (endpoint.modules.is_empty(), root.resources.position(&name))
            && matches!(self.resource_keys(0, at), Expansion::Absent)
        {
            // Nothing is known of its instances yet.
            return;
        }
        let summary = format!("{address} is imported and not configured");
        let diagnostic = Diagnostic::error("import-not-configured", summary)
            .with_label(block.to.expression.span(), "the configuration has no such instance")
            .about(address);
        let diagnostic = match self.configuration.declaration(&root, endpoint) {
            Some(span) => diagnostic
                .with_label(span, "this block has other instances")
                .with_hint("write the key of an instance that `count` or `for_each` gives"),
            None => diagnostic.with_hint(format!(
                "declare it: resource \"{}\" \"{}\" {{ ... }}",
                address.kind(),
                address.name()
            )),
        };
        self.report(diagnostic);
    }

    fn import_key(&mut self, expression: &Expression, place: &Place) -> Option<InstanceKey> {
        let value = self.eval(expression, place);
        let key = key_of(&value);
        if key.is_none() && !is_failed(&value) && !rests_on_opaque(&value) {
            let diagnostic =
                Diagnostic::error("not-an-address", "this cannot be the key of an instance")
                    .with_label(expression.span(), "")
                    .with_hint("a key is a whole number or a text, known when planning");
            self.report(diagnostic);
        }
        key
    }

    fn import_id(&mut self, expression: &Expression, place: &Place) -> Option<String> {
        let value = self.eval_as(expression, &Type::String, "`id`", place);
        if is_failed(&value) || rests_on_opaque(&value) {
            return None;
        }
        let problem = match value.as_str() {
            Some(_) if value.marks().sensitive => "this is sensitive, and an id is shown",
            Some("") => "this is empty",
            Some(id) => return Some(id.to_owned()),
            None if value.is_null() => "this is null",
            None => "this is known only later",
        };
        let summary = "`id` is the identity of an object that is there";
        let diagnostic = Diagnostic::error("import-id", summary)
            .with_label(expression.span(), problem)
            .with_hint("take it from variables, or from what is recorded already");
        self.report(diagnostic);
        None
    }
}

fn imported_twice(again: &graph::Import, first: &graph::Import) -> Diagnostic {
    Diagnostic::error("duplicate-import", format!("two objects are imported as {}", again.address))
        .with_label(again.span.clone(), "again here")
        .with_label(first.span.clone(), "first here")
        .with_hint("an instance has one object: keep one of them")
        .about(&again.address)
}

fn address(endpoint: &Endpoint) -> Option<Address> {
    let calls = endpoint.modules.iter().cloned();
    let path = calls.map(|(name, key)| PathStep::Module { name, key }).collect();
    let resource = endpoint.resource.as_ref()?;
    Some(Address::new(path, resource.kind.clone(), resource.name.clone(), resource.key.clone()))
}
