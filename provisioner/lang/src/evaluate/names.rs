//! What references mean at a place in the configuration.

use super::expansion::{Expansion, Repetition};
use super::graph::{Decl, Graph, What};
use crate::eval::{Found, Key, Names, Reference, failed};
use crate::functions::Run;
use crate::source::SourceLoader;
use model::{Diagnostic, InstanceKey, Type, Value};
use std::path::Path;
use std::sync::Arc;

/// Where an expression stands.
#[derive(Clone)]
pub(super) struct Place {
    /// The module instance.
    pub scope: usize,
    pub repetition: Repetition,
    /// `node`, in a service's body.
    pub node: Option<Value>,
    /// `self`, in a postcondition.
    pub own: Option<Value>,
    /// What the iterators of the `dynamic` blocks around stand for.
    pub iterators: Vec<(Arc<str>, Value)>,
}

impl Place {
    pub(super) fn module(scope: usize) -> Self {
        Self::instance(scope, Repetition::Single)
    }

    pub(super) fn instance(scope: usize, repetition: Repetition) -> Self {
        Self { scope, repetition, node: None, own: None, iterators: Vec::new() }
    }
}

/// The names at a place.
pub(super) struct View<'g, 'a, 'p> {
    pub graph: &'g mut Graph<'a>,
    pub place: &'p Place,
}

impl Names for View<'_, '_, '_> {
    fn lookup(&mut self, reference: &Reference<'_>) -> Option<Found> {
        let scope = self.place.scope;
        let mut iterators = self.place.iterators.iter().rev();
        if let Some((_, value)) = iterators.find(|(name, _)| name == reference.root) {
            return known_part(value.clone(), reference);
        }
        // Only cycles are told with reasons, and they are looked for in a second run.
        self.graph.reason = self.graph.edges.is_some().then(|| reference.span());
        match reference.root.as_ref() {
            "var" => {
                let module = &self.graph.scopes[scope].module;
                let at = module.variables.position(reference.name(0)?)?;
                Found::some(self.graph.variable(scope, at), 1)
            }
            "local" => {
                let module = &self.graph.scopes[scope].module;
                let at = module.locals.position(reference.name(0)?)?;
                Found::some(self.graph.local(scope, at), 1)
            }
            "module" => self.call(reference),
            "node_set" => self.node_set(reference),
            "service" => {
                let at = self.graph.module(scope).services.position(reference.name(0)?)?;
                Found::some(self.graph.handle(scope, at), 1)
            }
            "rollout" => {
                let at = self.graph.module(scope).rollouts.position(reference.name(0)?)?;
                Found::some(self.graph.rollout_handle(scope, at), 1)
            }
            "gate" => {
                let at = self.graph.module(scope).gates.position(reference.name(0)?)?;
                Found::some(self.graph.gate_handle(scope, at), 1)
            }
            "environment" => known_part(self.graph.environment(), reference),
            // Environments are what workspaces are for; one without a name is Terraform's first workspace.
            "terraform" => {
                let environment = self.graph.configuration.root.environment.as_ref();
                let name = environment.map_or("default", |environment| &environment.name.text);
                known_part(Value::object([("workspace", Value::string(name))]), reference)
            }
            "path" => known_part(self.graph.path(scope), reference),
            "each" | "count" => {
                let repetition = &self.place.repetition;
                match reference.name(0).and_then(|name| repetition.part(name)) {
                    Some(part) => Found::some(part, 1),
                    None => known_part(repetition.value()?, reference),
                }
            }
            "node" => Found::some(self.place.node.clone()?, 0),
            "self" => Found::some(self.place.own.clone()?, 0),
            "data" => {
                let (kind, name) = (reference.name(0)?, reference.name(1)?);
                self.resource(&["data", ".", kind, ".", name], 2, reference)
            }
            kind => self.resource(&[kind, ".", reference.name(0)?], 1, reference),
        }
    }

    fn loader(&self) -> &dyn SourceLoader {
        &self.graph.recorder
    }

    fn directory(&self) -> &Path {
        &self.graph.configuration.directory
    }

    fn run(&mut self) -> Option<Run> {
        let moment = &self.graph.inputs.moment;
        self.graph.runs += 1;
        Some(Run {
            planned_at: moment.time.clone(),
            time: moment.is_final.then(|| moment.time.clone()),
            identity: format!("{}.{}", moment.seed, self.graph.runs).into(),
        })
    }

    fn is_opaque(&self) -> bool {
        self.graph.projection.is_opaque()
    }

    fn is_checked(&self) -> bool {
        true
    }
}

/// A value with parts of fixed names; what has another name has been reported before anything was evaluated.
fn known_part(value: Value, reference: &Reference<'_>) -> Option<Found> {
    let entries = value.as_entries();
    match reference.steps.first() {
        Some(Key::Attribute(name)) if entries.is_some_and(|parts| !parts.contains_key(name)) => {
            None
        }
        _ => Found::some(value, 0),
    }
}

/// The instance key that a step of a reference names; `None` when it is no usable key.
fn instance_key(steps: &[Key], at: usize, expansion: &Expansion) -> Option<InstanceKey> {
    let Key::Index(index) = steps.get(at)? else { return None };
    match expansion {
        Expansion::Each(entries, _) => {
            let (name, _) = entries.get_key_value(index.as_str()?)?;
            Some(InstanceKey::Name(name.clone()))
        }
        Expansion::Count(count, _) => {
            let at = index.as_number()?.as_u64()?;
            (at < *count).then_some(InstanceKey::Index(at))
        }
        Expansion::Single | Expansion::Disabled(_) | Expansion::Absent => None,
    }
}

impl View<'_, '_, '_> {
    /// `full` is its name, in parts; `named` steps of the reference belong to it.
    fn resource(
        &mut self,
        full: &[&str],
        named: usize,
        reference: &Reference<'_>,
    ) -> Option<Found> {
        let scope = self.place.scope;
        let key = &mut self.graph.key;
        key.clear();
        key.extend(full.iter().copied());
        let at = self.graph.scopes[scope].module.resources.position(key)?;
        let reason = self.graph.reason.clone();
        let expansion = self.graph.resource_keys(scope, at);
        self.graph.reason = reason;
        match (&expansion, instance_key(reference.steps, named, &expansion)) {
            (Expansion::Absent, _) => None,
            (Expansion::Disabled(marks), _) => {
                Found::some(Value::null(Type::Any).with_marks(marks), named)
            }
            (Expansion::Single, _) => {
                let next = reference.name(named);
                let (value, more) =
                    self.graph.part_of_instance(scope, at, None, &Repetition::Single, next);
                Found::some(value, named + more)
            }
            (_, Some(key)) => {
                let repetition = expansion.repetition(&key);
                let next = reference.name(named + 1);
                let (value, more) =
                    self.graph.part_of_instance(scope, at, Some(key), &repetition, next);
                Found::some(value, named + 1 + more)
            }
            (_, None) => {
                self.no_attribute_of_many(&full.concat(), named, &expansion, reference)?;
                Found::some(self.graph.whole_resource(scope, at), named)
            }
        }
    }

    /// An attribute belongs to one instance, so `kind.name.id` is a mistake where there are several.
    fn no_attribute_of_many(
        &mut self,
        what: &str,
        named: usize,
        expansion: &Expansion,
        reference: &Reference<'_>,
    ) -> Option<()> {
        let Some(Key::Attribute(attribute)) = reference.steps.get(named) else { return Some(()) };
        let keys = expansion.keys();
        let is_it = |key: &Option<InstanceKey>| matches!(key, Some(InstanceKey::Name(name)) if name == attribute);
        if keys.iter().any(is_it) {
            return Some(());
        }
        let example = keys
            .into_iter()
            .flatten()
            .next()
            .map_or_else(|| "[0]".to_owned(), |key| key.to_string());
        let all = match expansion {
            Expansion::Count(..) => format!("{what}[*].{attribute}"),
            _ => format!("values({what})[*].{attribute}"),
        };
        let argument = if matches!(expansion, Expansion::Count(..)) { "count" } else { "for_each" };
        let diagnostic = Diagnostic::error(
            "several-instances",
            format!("`{what}` has `{argument}`, so `{attribute}` must say of which instance"),
        )
        .with_label(reference.span(), "")
        .with_hint(format!("write `{what}{example}.{attribute}` for one, `{all}` for all"));
        self.graph.report(diagnostic);
        None
    }

    fn call(&mut self, reference: &Reference<'_>) -> Option<Found> {
        let scope = self.place.scope;
        let at = self.graph.module(scope).calls.position(reference.name(0)?)?;
        let reason = self.graph.reason.clone();
        let expansion = self.graph.call_keys(scope, at);
        let key = instance_key(reference.steps, 1, &expansion);
        let (child, consumed) = match (&expansion, &key) {
            (Expansion::Absent, _) => return None,
            (Expansion::Disabled(marks), _) => {
                return Found::some(Value::null(Type::Any).with_marks(marks), 1);
            }
            (Expansion::Single, _) => (self.graph.child(scope, at, None), 1),
            (_, Some(_)) => (self.graph.child(scope, at, key.as_ref()), 2),
            (_, None) => {
                let name = format!("module.{}", reference.name(0)?);
                self.no_attribute_of_many(&name, 1, &expansion, reference)?;
                return Found::some(self.graph.whole_call(scope, at), 1);
            }
        };
        let child = child?;
        self.graph.reason = reason;
        match reference.steps.get(consumed) {
            Some(Key::Attribute(_) | Key::Index(_)) => {}
            _ => return Found::some(self.graph.all_outputs(child), consumed),
        }
        let Some(name) = reference.name(consumed) else {
            return Found::some(self.graph.all_outputs(child), consumed);
        };
        if let Some(output) = self.graph.module(child).outputs.position(name) {
            return Found::some(self.graph.output(child, output), consumed + 1);
        }
        self.graph.missing_output(child, name, reference.span());
        None
    }

    fn node_set(&mut self, reference: &Reference<'_>) -> Option<Found> {
        if self.place.scope != 0 {
            return None;
        }
        let set = self.graph.configuration.root.node_sets.position(reference.name(0)?)?;
        match reference.name(1) {
            Some("nodes") => Found::some(self.graph.node_tuple(set), 2),
            Some("size") => {
                let nodes = self.graph.nodes_of(set)?;
                Found::some(i64::try_from(nodes.len()).unwrap_or(i64::MAX).into(), 2)
            }
            Some("node") => {
                let nodes = self.graph.nodes_of(set)?;
                let wanted = reference.name(2);
                let at = wanted
                    .and_then(|name| nodes.iter().position(|node| node.name.as_ref() == name));
                match at {
                    Some(at) => Found::some(self.graph.node(set, at), 3),
                    None => Found::some(self.graph.node_object(set), 2),
                }
            }
            _ => {
                let tuple = self.graph.node_tuple(set);
                let count = self.graph.nodes_of(set).map_or(0, |nodes| nodes.len());
                let size = i64::try_from(count).unwrap_or(i64::MAX);
                let node = self.graph.node_object(set);
                Found::some(
                    Value::object([("nodes", tuple), ("node", node), ("size", size.into())]),
                    1,
                )
            }
        }
    }
}

impl Graph<'_> {
    pub(super) fn local(&mut self, scope: usize, at: usize) -> Value {
        self.value(Decl { scope, what: What::Local(at) }, |graph| {
            let module = graph.module(scope);
            graph.eval(&module.locals.get(at).value, &Place::module(scope))
        })
    }

    pub(super) fn environment(&mut self) -> Value {
        Value::object([
            ("name", Value::from(self.configuration.environment_name())),
            ("login_key", Value::string(&self.inputs.login_key)),
        ])
    }

    fn path(&mut self, scope: usize) -> Value {
        let module = self.module(scope);
        let working = self.configuration.loader.working_directory();
        let working = working.unwrap_or_else(|| self.configuration.directory.clone());
        Value::object([
            ("module", Value::string(&module.path)),
            ("root", Value::string(".")),
            ("cwd", Value::string(&working.to_string_lossy())),
        ])
    }

    /// All node values of a set, in order.
    pub(super) fn node_tuple(&mut self, set: usize) -> Value {
        self.value(Decl { scope: 0, what: What::Nodes(set) }, |graph| match graph.nodes_of(set) {
            Some(nodes) => {
                Value::tuple((0..nodes.len()).map(|at| graph.node(set, at)).collect::<Vec<_>>())
            }
            None => failed(),
        })
    }

    fn node_object(&mut self, set: usize) -> Value {
        let Some(nodes) = self.nodes_of(set) else { return failed() };
        let named: Vec<(Arc<str>, Value)> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (node.name.clone(), self.node(set, at)))
            .collect();
        Value::object(named)
    }
}
