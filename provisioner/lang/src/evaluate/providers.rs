//! Provider configurations: which one an instance belongs to, and what they are configured with.
//!
//! Invariant: within a module, a provider's name means what the call says; a name without alias that the call does not
//! mention means what it means where the call stands.

use super::arguments::Given;
use super::expansion::{Expansion, Repetition};
use super::graph::{Decl, Graph, Origin, What};
use super::names::Place;
use crate::eval::{is_failed, rests_on_opaque};
use crate::module::suggest::did_you_mean;
use crate::module::{ModuleCall, Provider, ProviderName, list};
use model::graph::{Instance, ProviderConfig};
use model::schema::ProviderSchema;
use model::{Diagnostic, InstanceKey, Span, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Graph<'_> {
    /// The configurations of the providers that have a block or that instances use.
    pub(super) fn providers(&mut self, instances: &[Instance]) -> BTreeMap<String, ProviderConfig> {
        let mut providers = BTreeMap::new();
        let module = self.configuration.root.clone();
        for (at, provider) in module.providers.iter().enumerate() {
            let Some(schema) = self.schemas.get(provider.name.as_ref()) else {
                self.unknown_provider(provider);
                continue;
            };
            for key in self.provider_keys(at).keys() {
                let name = provider_key(&provider.key, key.as_ref());
                let repetition = self.provider_keys(at).repetition_of(key.as_ref());
                let arguments = self.configured(provider, schema, repetition);
                let config = ProviderConfig { name: provider.name.to_string(), arguments };
                providers.insert(name, config);
            }
        }
        let used: BTreeSet<&str> =
            instances.iter().map(|instance| instance.provider.as_str()).collect();
        for name in used {
            if let (false, Some(schema)) = (providers.contains_key(name), self.schemas.get(name)) {
                let nulls = schema.configuration.iter().map(|(name, attribute)| {
                    let value = attribute
                        .default
                        .clone()
                        .unwrap_or_else(|| Value::null(attribute.ty.clone()));
                    (name.as_str(), value)
                });
                let arguments = Value::object(nulls);
                providers
                    .insert(name.to_owned(), ProviderConfig { name: name.to_owned(), arguments });
            }
        }
        providers
    }

    fn unknown_provider(&mut self, provider: &Provider) {
        let summary = format!("there is no provider `{}`", provider.name);
        let mut diagnostic =
            Diagnostic::error("unknown-provider", summary).with_label(provider.span.clone(), "");
        let names = self.schemas.keys().map(String::as_str);
        diagnostic.hints.extend(did_you_mean(&provider.name, names));
        self.report(diagnostic);
    }

    fn configured(
        &mut self,
        provider: &Provider,
        schema: &ProviderSchema,
        repetition: Repetition,
    ) -> Value {
        let owner = format!("provider \"{}\"", provider.name);
        let given =
            Given { owner: &owner, attributes: &provider.arguments, blocks: &provider.blocks };
        self.check_arguments(&given, &schema.configuration, &provider.span);
        let arguments =
            self.arguments(&given, &schema.configuration, &Place::instance(0, repetition));
        if !arguments.is_wholly_known() && !is_failed(&arguments) && !rests_on_opaque(&arguments) {
            let diagnostic = Diagnostic::error(
                "unknown-provider-argument",
                format!("the configuration of {owner} must be known when planning"),
            )
            .with_label(provider.span.clone(), "a part of it is known only later");
            self.report(diagnostic);
        }
        arguments
    }

    fn provider_keys(&mut self, at: usize) -> Expansion {
        let root = self.configuration.root.clone();
        let Some(for_each) = &root.providers.get(at).for_each else { return Expansion::Single };
        self.expand_for_each(Decl { scope: 0, what: What::Provider(at) }, for_each)
    }

    /// The configuration that a name stands for in a module instance; `None` after a mistake.
    pub(super) fn provider(
        &mut self,
        name: &ProviderName,
        own: &str,
        place: &Place,
    ) -> Option<String> {
        if name.name.split('.').next() != Some(own) {
            let summary = format!("this belongs to the provider `{own}`, not to `{}`", name.name);
            let diagnostic = Diagnostic::error("unknown-provider", summary)
                .with_label(name.span.clone(), "")
                .with_hint(format!("name `{own}`, or one of its aliases"));
            self.report(diagnostic);
            return None;
        }
        let found = self.provider_within(place.scope, &name.name, &name.span)?;
        let Some(at) = self.configuration.root.providers.position(&found) else {
            // One of several already, or a default without a block.
            return Some(found);
        };
        self.one_of_provider(at, name, place)
    }

    /// One of those that the `for_each` of a provider makes, if it has one.
    fn one_of_provider(&mut self, at: usize, name: &ProviderName, place: &Place) -> Option<String> {
        let root = self.configuration.root.clone();
        let provider = root.providers.get(at);
        let expansion = self.provider_keys(at);
        let (entries, key) = match (&expansion, &name.key) {
            (Expansion::Single, None) => return Some(provider.key.to_string()),
            (Expansion::Each(entries, _), Some(key)) => (entries, key),
            (Expansion::Each(entries, _), None) => {
                let example = entries.keys().next().map_or("KEY", AsRef::as_ref);
                let diagnostic = Diagnostic::error(
                    "several-instances",
                    format!("`{}` has `for_each`, so its key must be given", name.name),
                )
                .with_label(name.span.clone(), "")
                .with_label(provider.span.clone(), "declared here")
                .with_hint(format!("write `{}[\"{example}\"]`, or `[each.key]`", name.name));
                self.report(diagnostic);
                return None;
            }
            (Expansion::Single, Some(key)) => {
                let diagnostic = Diagnostic::error(
                    "provider-reference",
                    format!("`{}` has no `for_each`, so it has no keys", name.name),
                )
                .with_label(key.span(), "")
                .with_label(provider.span.clone(), "declared here");
                self.report(diagnostic);
                return None;
            }
            _ => return None,
        };
        let value = self.eval_as(key, &Type::String, "the key of a provider", place);
        if is_failed(&value) {
            return None;
        }
        let text = value.as_str();
        if let Some((known, _)) = text.and_then(|text| entries.get_key_value(text)) {
            return Some(provider_key(&provider.key, Some(&InstanceKey::Name(known.clone()))));
        }
        let found = match text {
            Some(text) if !value.marks().sensitive => format!("this is {text:?}"),
            Some(_) => "this is something else".to_owned(),
            None if value.is_null() => "this is null".to_owned(),
            None => "this is known only later".to_owned(),
        };
        let diagnostic = Diagnostic::error(
            "provider-key",
            format!("`{}` has no configuration with that key", name.name),
        )
        .with_label(key.span(), found)
        .with_label(provider.span.clone(), "declared here")
        .with_hint(format!("there are {}", list(entries.keys().map(AsRef::as_ref))));
        self.report(diagnostic);
        None
    }

    /// What a name means in a module instance, as a name of the environment.
    fn provider_within(&mut self, scope: usize, name: &str, span: &Span) -> Option<String> {
        let providers = self.scopes[scope].providers.clone();
        if let Some(found) = providers.get(name) {
            return Some(found.clone());
        }
        let is_default = !name.contains('.');
        let root = self.configuration.root.clone();
        let is_outside = matches!(self.scopes[scope].origin, Origin::Call { .. });
        if is_default || (!is_outside && root.providers.position(name).is_some()) {
            return Some(name.to_owned());
        }
        let diagnostic =
            if let Origin::Call { scope: caller, call, .. } = &self.scopes[scope].origin {
                let call = self.scopes[*caller].module.calls.get(*call).span.clone();
                let summary = format!("the module is not given a provider `{name}`");
                Diagnostic::error("unknown-provider", summary)
                    .with_label(span.clone(), "needed here")
                    .with_label(call, "this call does not give it")
                    .with_hint(format!("add `providers = {{ {name} = ... }}` to the call"))
            } else {
                let summary = format!("there is no provider `{name}`");
                let mut diagnostic =
                    Diagnostic::error("unknown-provider", summary).with_label(span.clone(), "");
                diagnostic.hints.extend(did_you_mean(name, root.providers.names()));
                diagnostic
            };
        self.report(diagnostic);
        None
    }

    /// What names mean in a module instance that a call makes.
    pub(super) fn inner_providers(
        &mut self,
        call: &ModuleCall,
        place: &Place,
    ) -> Arc<BTreeMap<String, String>> {
        let outer = self.scopes[place.scope].providers.clone();
        if call.providers.is_empty() && outer.keys().all(|name| !name.contains('.')) {
            return outer;
        }
        let mut inner: BTreeMap<String, String> = outer
            .iter()
            .filter(|(name, _)| !name.contains('.'))
            .map(|(name, key)| (name.clone(), key.clone()))
            .collect();
        for (name, outer) in &call.providers {
            let own = name.split('.').next().unwrap_or_default();
            if let Some(key) = self.provider(outer, own, place) {
                inner.insert(name.clone(), key);
            }
        }
        Arc::new(inner)
    }
}

/// `local`, `local.west`, `local.by_region["eu"]`.
fn provider_key(name: &str, key: Option<&InstanceKey>) -> String {
    key.map_or_else(|| name.to_owned(), |key| format!("{name}{key}"))
}
