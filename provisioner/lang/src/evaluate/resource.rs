//! Instances of resources, and the walk over all of them.

use super::arguments::Given;
use super::expansion::Repetition;
use super::graph::{Decl, Graph, What};
use super::names::Place;
use super::outputs::together;
use crate::eval::{failed, is_failed};
use crate::module::{Item, Resource, list, suggest::did_you_mean};
use crate::syntax::Attribute;
use model::graph::Instance;
use model::{Address, Data, Diagnostic, InstanceKey, Marks, Value};
use std::borrow::Cow;
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
                        if let Some(child) = self.child(scope, at, key.as_ref()) {
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
            self.attributes(scope, at, key.as_ref(), &repetition);
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

    /// The attributes of an instance, every part marked as coming from it.
    pub(super) fn instance(
        &mut self,
        scope: usize,
        at: usize,
        key: Option<InstanceKey>,
        repetition: &Repetition,
    ) -> Value {
        let attributes = self.attributes(scope, at, key.as_ref(), repetition);
        let address = self.address(scope, at, key);
        self.marked_as(&attributes, &address)
    }

    /// The attribute `name` of an instance, marked, and 1; or all attributes and 0.
    pub(super) fn part_of_instance(
        &mut self,
        scope: usize,
        at: usize,
        key: Option<InstanceKey>,
        repetition: &Repetition,
        name: Option<&str>,
    ) -> (Value, usize) {
        let attributes = self.attributes(scope, at, key.as_ref(), repetition);
        let part = name.and_then(|name| attributes.as_entries()?.get_key_value(name));
        let Some((name, value)) = part else {
            let address = self.address(scope, at, key);
            return (self.marked_as(&attributes, &address), 0);
        };
        let decl = Decl { scope, what: What::Instance(at, key.clone()) };
        if let Some(part) = self.values.part(&decl, name) {
            return (part.clone(), 1);
        }
        let address = self.address(scope, at, key);
        let part = self.mark_attribute(name, value, &Marks::origin(&address), &address);
        self.values.insert_part(decl, name.clone(), part.clone());
        (part, 1)
    }

    /// The attributes of an instance as the projection gives them.
    pub(super) fn attributes(
        &mut self,
        scope: usize,
        at: usize,
        key: Option<&InstanceKey>,
        repetition: &Repetition,
    ) -> Value {
        let decl = Decl { scope, what: What::Instance(at, key.cloned()) };
        self.value(decl.clone(), |graph| {
            let module = graph.module(scope);
            let resource = module.resources.get(at);
            let place = Place::instance(scope, repetition.clone());
            let Some(mut instance) = graph.make_instance(resource, at, key.cloned(), &place) else {
                return failed();
            };
            let mut attributes = graph.projected(&instance);
            if resource.lifecycle.as_ref().is_some_and(|it| !it.postconditions.is_empty()) {
                let own = graph.marked_as(&attributes, &instance.address);
                if !graph.ensure(resource, &mut instance, &own, place) {
                    // What is wrong with it has been told.
                    attributes = failed();
                }
            }
            graph.instances.insert(decl.clone(), instance);
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
        let (provider, declared) = self.declared(resource.is_data, &resource.kind)?;
        let address = self.address(scope, at, key);
        let own = self.own_arguments(resource);
        let given = Given { owner: &resource.title(), attributes: &own, blocks: &resource.blocks };
        let mut depends_on = (*self.scopes[scope].depends_on).clone();
        self.presuppose(resource, &address, place, &mut depends_on);
        let arguments = self.arguments(&given, declared, place);
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
        let configuration = if let Some(name) = &resource.provider {
            self.provider(name, provider, place)
        } else {
            let inherited = self.scopes[scope].providers.get(provider).cloned();
            Some(inherited.unwrap_or_else(|| provider.to_owned()))
        };
        if is_failed(&arguments) {
            return None;
        }
        Some(Instance {
            address,
            provider: configuration?,
            arguments,
            depends_on,
            lifecycle: lifecycle.unwrap_or_default(),
            triggers,
            sequence: None,
            span: resource.span.clone(),
            place: resource.place.clone(),
        })
    }

    /// The arguments of the type: all but an `enabled` that says whether there is an instance.
    fn own_arguments<'r>(&self, resource: &'r Resource) -> Cow<'r, [Attribute]> {
        let Some(enabled) = self.enabled_argument(resource) else {
            return Cow::Borrowed(&resource.arguments);
        };
        let others = resource.arguments.iter().filter(|other| !std::ptr::eq(*other, enabled));
        Cow::Owned(others.cloned().collect())
    }

    /// What the instance's attributes will be, every part marked as coming from it.
    pub(super) fn project(&mut self, instance: &Instance) -> Value {
        let attributes = self.projected(instance);
        self.marked_as(&attributes, &instance.address)
    }

    fn projected(&mut self, instance: &Instance) -> Value {
        let diagnostics = match self.projection.attributes(instance) {
            Ok(attributes) => return attributes,
            Err(diagnostics) => diagnostics,
        };
        for diagnostic in diagnostics {
            let diagnostic = if diagnostic.labels.is_empty() {
                diagnostic.with_label(instance.span.clone(), "")
            } else {
                diagnostic
            };
            let address = diagnostic.address.clone().unwrap_or_else(|| instance.address.clone());
            self.report(diagnostic.about(&address));
        }
        failed()
    }

    fn marked_as(&self, attributes: &Value, address: &Address) -> Value {
        if attributes.is_unknown() && is_failed(attributes) {
            return failed();
        }
        let marks = Marks::origin(address);
        let Some(entries) = attributes.as_entries() else {
            return mark_leaves(attributes, &marks);
        };
        let mark = |(name, value): (&Arc<str>, &Value)| {
            (name.clone(), self.mark_attribute(name, value, &marks, address))
        };
        Value::object(entries.iter().map(mark))
    }

    fn mark_attribute(&self, name: &str, value: &Value, marks: &Marks, address: &Address) -> Value {
        let marked = mark_leaves(value, marks);
        let declared = self.declared(address.is_data(), address.kind());
        let declared = declared.and_then(|(_, attributes)| attributes.get(name));
        if declared.is_some_and(|declared| declared.sensitive) {
            marked.into_sensitive()
        } else {
            marked
        }
    }

    /// What can be said of a resource without its instances: once for a declaration.
    fn check_resource(&mut self, resource: &Resource, scope: usize, at: usize) {
        if !self.checked.insert((self.scopes[scope].module.path.clone(), 0, at)) {
            return;
        }
        let declared = self.declared(resource.is_data, &resource.kind);
        let Some((_, declared)) = declared.filter(|(provider, _)| *provider != "node") else {
            return self.unknown_kind(resource);
        };
        let own = self.own_arguments(resource);
        let given = Given { owner: &resource.title(), attributes: &own, blocks: &resource.blocks };
        self.check_arguments(&given, declared, &resource.span);
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
