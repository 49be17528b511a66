//! Instances of resources, and the walk over all of them.

use super::arguments::Given;
use super::expansion::Repetition;
use super::graph::{Decl, Graph, What};
use super::names::Place;
use super::outputs::together;
use crate::eval::{failed, is_failed};
use crate::module::{Item, Resource, list, suggest::did_you_mean};
use model::graph::{Instance, ProviderConfig};
use model::{Data, Diagnostic, InstanceKey, Marks, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Graph<'_> {
    /// Evaluates everything in a module instance and below; takes the instances in source order.
    pub(super) fn walk(&mut self, scope: usize, into: &mut Vec<Instance>) {
        let module = self.module(scope);
        for at in 0..module.variables.len() {
            self.variable(scope, at);
        }
        for at in 0..module.locals.len() {
            self.local(scope, at);
        }
        for item in &module.order {
            match *item {
                Item::Resource(at) => self.walk_resource(scope, at, into),
                Item::Call(at) => {
                    for key in self.call_keys(scope, at).keys() {
                        if let Some(child) = self.child(scope, at, key) {
                            self.walk(child, into);
                        }
                    }
                }
                Item::NodeSet(at) => self.walk_node_set(at, into),
            }
        }
        for at in 0..module.outputs.len() {
            self.output(scope, at);
        }
        for at in 0..module.services.len() {
            self.handle(scope, at);
        }
        self.checks(scope);
    }

    fn walk_resource(&mut self, scope: usize, at: usize, into: &mut Vec<Instance>) {
        let module = self.module(scope);
        self.check_resource(module.resources.get(at), scope, at);
        let expansion = self.resource_keys(scope, at);
        for key in expansion.keys() {
            let repetition = expansion.repetition_of(key.as_ref());
            self.instance(scope, at, key.clone(), &repetition);
            if let Some(instance) =
                self.instances.remove(&Decl { scope, what: What::Instance(at, key) })
            {
                into.push(instance);
            }
        }
    }

    pub(super) fn whole_resource(&mut self, scope: usize, at: usize) -> Value {
        self.value(Decl { scope, what: What::Resource(at) }, |graph| {
            let expansion = graph.resource_keys(scope, at);
            let mut values = Vec::new();
            for key in expansion.keys() {
                let repetition = expansion.repetition_of(key.as_ref());
                values.push((key.clone(), graph.instance(scope, at, key, &repetition)));
            }
            together(&expansion, values)
        })
    }

    /// The attributes of an instance.
    pub(super) fn instance(
        &mut self,
        scope: usize,
        at: usize,
        key: Option<InstanceKey>,
        repetition: &Repetition,
    ) -> Value {
        let decl = Decl { scope, what: What::Instance(at, key.clone()) };
        self.value(decl.clone(), |graph| {
            let module = graph.module(scope);
            let resource = module.resources.get(at);
            let place = Place::instance(scope, repetition.clone());
            let Some(mut instance) = graph.make_instance(resource, at, key, &place) else {
                return failed();
            };
            let attributes = graph.project(&instance);
            graph.ensure(resource, &mut instance, &attributes, place);
            graph.instances.insert(decl, instance);
            attributes
        })
    }

    fn make_instance(
        &mut self,
        resource: &Resource,
        at: usize,
        key: Option<InstanceKey>,
        place: &Place,
    ) -> Option<Instance> {
        let scope = place.scope;
        let (provider, attributes) = self.declared(resource.is_data, &resource.kind)?;
        let address = self.address(scope, at, key);
        let given = Given {
            owner: &format!("{} \"{}\"", resource.kind, resource.name),
            attributes: &resource.arguments,
            blocks: &resource.blocks,
        };
        let mut depends_on = (*self.scopes[scope].depends_on).clone();
        self.presuppose(resource, &address, place, &mut depends_on);
        let arguments = self.arguments(&given, attributes, place);
        for dependency in &resource.depends_on {
            self.dependency(scope, dependency, &mut depends_on);
        }
        if let Some(origins) = &place.repetition.marks().origins {
            depends_on.extend(origins.iter().cloned());
        }
        let triggers = match &resource.lifecycle {
            Some(lifecycle) => self.triggers(lifecycle, place, &mut depends_on),
            None => Vec::new(),
        };
        depends_on.remove(&address);
        let schema = self.kinds.get(resource.kind.as_ref()).filter(|_| !resource.is_data);
        let schema = schema.map(|(_, schema)| *schema);
        let lifecycle = resource.lifecycle.as_ref().zip(schema);
        let lifecycle =
            lifecycle.map(|(lifecycle, schema)| self.lifecycle(lifecycle, schema, place));
        if is_failed(&arguments) {
            return None;
        }
        Some(Instance {
            address,
            provider: resource
                .provider
                .as_ref()
                .map_or_else(|| provider.to_owned(), |(name, _)| name.clone()),
            arguments,
            depends_on,
            lifecycle: lifecycle.unwrap_or_default(),
            triggers,
            sequence: None,
            span: resource.span.clone(),
            place: resource.place.clone(),
        })
    }

    /// What the instance's attributes will be, every part marked as coming from it.
    pub(super) fn project(&mut self, instance: &Instance) -> Value {
        let attributes = match self.projection.attributes(instance) {
            Ok(attributes) => attributes,
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    let diagnostic = if diagnostic.labels.is_empty() {
                        diagnostic.with_label(instance.span.clone(), "")
                    } else {
                        diagnostic
                    };
                    let address =
                        diagnostic.address.clone().unwrap_or_else(|| instance.address.clone());
                    self.report(diagnostic.about(&address));
                }
                return failed();
            }
        };
        let marks = Marks::origin(&instance.address);
        let address = &instance.address;
        let declared = self.declared(address.is_data(), address.kind());
        let Some(entries) = attributes.as_entries() else {
            return mark_leaves(&attributes, &marks);
        };
        Value::object(entries.iter().map(|(name, value)| {
            let marked = mark_leaves(value, &marks);
            let secret = declared
                .and_then(|(_, attributes)| attributes.get(name.as_ref()))
                .is_some_and(|a| a.sensitive);
            (name.clone(), if secret { marked.into_sensitive() } else { marked })
        }))
    }

    /// What can be said of a resource without its instances: once for a declaration.
    fn check_resource(&mut self, resource: &Resource, scope: usize, at: usize) {
        let directory: Arc<str> = self.scopes[scope].module.directory.to_string_lossy().into();
        if !self.checked.insert((directory, 0, at)) {
            return;
        }
        let declared = self.declared(resource.is_data, &resource.kind);
        let Some((_, attributes)) = declared.filter(|(provider, _)| *provider != "node") else {
            return self.unknown_kind(resource);
        };
        let given = Given {
            owner: &format!("{} \"{}\"", resource.kind, resource.name),
            attributes: &resource.arguments,
            blocks: &resource.blocks,
        };
        self.check_arguments(&given, attributes, &resource.span);
        if let Some((name, span)) = &resource.provider {
            self.check_provider(name, span, resource);
        }
    }

    fn check_provider(&mut self, name: &str, span: &model::Span, resource: &Resource) {
        let declared = self.declared(resource.is_data, &resource.kind);
        let own = declared.map_or("", |(provider, _)| provider);
        let known = self.configuration.root.providers.position(name).is_some() || name == own;
        let fits = name.split('.').next() == Some(own);
        if known && fits {
            return;
        }
        let summary = if fits {
            format!("there is no provider `{name}`")
        } else {
            format!("`{}` belongs to the provider `{own}`, not to `{name}`", resource.kind)
        };
        let mut diagnostic =
            Diagnostic::error("unknown-provider", summary).with_label(span.clone(), "");
        diagnostic.hints.extend(did_you_mean(name, self.configuration.root.providers.names()));
        self.report(diagnostic);
    }

    fn unknown_kind(&mut self, resource: &Resource) {
        let kind = resource.kind.as_ref();
        let what = if resource.is_data { "data source" } else { "resource type" };
        let diagnostic =
            Diagnostic::error("unknown-resource-type", format!("there is no {what} `{kind}`"))
                .with_label(resource.kind_span.clone(), "");
        let own: Vec<_> = if resource.is_data {
            self.data_kinds.keys().copied().collect()
        } else {
            let resources = self.kinds.iter();
            resources.filter(|(_, (name, _))| *name != "node").map(|(kind, _)| *kind).collect()
        };
        let hint = did_you_mean(kind, own.iter().copied()).unwrap_or_else(|| {
            let providers = self.schemas.keys().map(String::as_str).filter(|name| *name != "node");
            format!(
                "there are the providers {}; a resource type begins with its provider's name",
                list(providers)
            )
        });
        self.report(diagnostic.with_hint(hint));
    }

    /// The configurations of the providers that have a block or that instances use.
    pub(super) fn providers(&mut self, instances: &[Instance]) -> BTreeMap<String, ProviderConfig> {
        let mut providers = BTreeMap::new();
        let module = self.configuration.root.clone();
        for provider in module.providers.iter() {
            let Some(schema) = self.schemas.get(provider.name.as_ref()) else {
                let names = self.schemas.keys().map(String::as_str);
                let summary = format!("there is no provider `{}`", provider.name);
                let mut diagnostic = Diagnostic::error("unknown-provider", summary)
                    .with_label(provider.span.clone(), "");
                diagnostic.hints.extend(did_you_mean(&provider.name, names));
                self.report(diagnostic);
                continue;
            };
            let owner = format!("provider \"{}\"", provider.name);
            let given = Given { owner: &owner, attributes: &provider.arguments, blocks: &[] };
            self.check_arguments(&given, &schema.configuration, &provider.span);
            let arguments = self.arguments(&given, &schema.configuration, &Place::module(0));
            if !arguments.is_wholly_known()
                && !is_failed(&arguments)
                && !crate::eval::rests_on_opaque(&arguments)
            {
                let diagnostic = Diagnostic::error(
                    "unknown-provider-argument",
                    format!("the configuration of {owner} must be known when planning"),
                )
                .with_label(provider.span.clone(), "a part of it is known only later");
                self.report(diagnostic);
            }
            providers.insert(
                provider.key.to_string(),
                ProviderConfig { name: provider.name.to_string(), arguments },
            );
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
}

/// Marks everything that has no parts, and collections that are empty, as coming from one instance. What it
/// came from before does not matter: whoever waits for the instance waits for that too.
fn mark_leaves(value: &Value, marks: &Marks) -> Value {
    let all =
        |items: &[Value]| items.iter().map(|item| mark_leaves(item, marks)).collect::<Vec<_>>();
    let own = Marks { origins: None, ..value.marks().clone() };
    let marked: Value = match value.data() {
        Data::List(ty, items) if !items.is_empty() => {
            Data::List(ty.clone(), Arc::new(all(items))).into()
        }
        Data::Set(ty, items) if !items.is_empty() => Value::set(ty.clone(), all(items)),
        Data::Tuple(items) if !items.is_empty() => Value::tuple(all(items)),
        Data::Map(ty, entries) if !entries.is_empty() => Value::map(
            ty.clone(),
            entries.iter().map(|(name, entry)| (name.clone(), mark_leaves(entry, marks))),
        ),
        Data::Object(entries) if !entries.is_empty() => Value::object(
            entries.iter().map(|(name, entry)| (name.clone(), mark_leaves(entry, marks))),
        ),
        data => Value::from(data.clone()).with_marks(marks),
    };
    marked.with_marks(&own)
}
