//! Services: handles, facts, and one instance for every node of every set that lists them.

use super::dynamic::Piece;
use super::expansion::Expansion;
use super::graph::{Decl, Graph, Handle, What};
use super::names::Place;
use super::node_set::NodeState;
use crate::eval::{failed, is_failed, part};
use crate::functions::convert_unifying;
use crate::module::{Fields, Service, read_fields, service_block};
use crate::source::normalise;
use crate::syntax::{Block, Expression};
use model::graph::{Instance, Lifecycle, Sequence};
use model::{Address, Data, Diagnostic, Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Values = model::value::Entries;

/// The members of one service's reachability.
#[derive(Default)]
struct Reach {
    members: Vec<Value>,
    port: Option<Value>,
    services: BTreeSet<Address>,
}

impl Graph<'_> {
    /// What `service.NAME` stands for: a name for the service, without its body; null when it is not enabled.
    pub(super) fn handle(&mut self, scope: usize, at: usize) -> Value {
        self.value(Decl { scope, what: What::Handle(at) }, |graph| {
            let module = graph.module(scope);
            let service = module.services.get(at);
            if let Some(enabled) = service.fields.get("enabled") {
                match graph.enabled(enabled, &Place::module(scope)) {
                    Expansion::Single => {}
                    Expansion::Disabled(marks) => {
                        return Value::null(Type::Any).with_marks(&marks);
                    }
                    _ => return failed(),
                }
            }
            let version = match service.fields.get("version") {
                Some(version) => graph.eval_as(
                    version,
                    &Type::String,
                    "the version of a service",
                    &Place::module(scope),
                ),
                None => failed(),
            };
            let prefix = graph.prefix(scope);
            let full: Arc<str> = format!("{prefix}service.{}", service.name).into();
            graph.handles.insert(full.clone(), Handle { scope, service: at });
            Value::object([
                ("service", Value::from(Data::String(full))),
                ("name", Value::string(&service.name)),
                ("version", version),
            ])
        })
    }

    /// The services that a node set lists.
    pub(super) fn services_of(&mut self, set: usize) -> Arc<Vec<Handle>> {
        let decl = Decl { scope: 0, what: What::Services(set) };
        self.demand(&decl);
        if let Some(handles) = self.services.get(&set) {
            return handles.clone();
        }
        let root = self.configuration.root.clone();
        let Some(expression) = &root.node_sets.get(set).services else {
            return Arc::default();
        };
        let handles = self.guarded(&decl, |graph| graph.listed(expression)).unwrap_or_default();
        let handles = Arc::new(handles);
        if self.demand.is_broken_off() {
            return handles;
        }
        self.services.insert(set, handles.clone());
        handles
    }

    fn listed(&mut self, expression: &Expression) -> Vec<Handle> {
        let value = self.eval(expression, &Place::module(0));
        if value.is_unknown() && is_failed(&value) {
            return Vec::new();
        }
        let Some(items) = value.as_items() else {
            let diagnostic = Diagnostic::error("services", "the services of a node set are a list")
                .with_label(
                    expression.span(),
                    format!("this is {}", model::convert::article(&value.ty())),
                )
                .with_hint("write `services = [module.mesh.service]`");
            self.report(diagnostic);
            return Vec::new();
        };
        let mut handles: Vec<Handle> = Vec::new();
        for item in items {
            // What is not enabled is null.
            if item.is_null() || item.is_unknown() && is_failed(item) {
                continue;
            }
            let text = item.get("service");
            let handle = text
                .as_ref()
                .and_then(Value::as_str)
                .and_then(|text| self.handles.get(text))
                .copied();
            let Some(handle) = handle else {
                let diagnostic = Diagnostic::error(
                    "services",
                    "this list holds something that is no service",
                )
                .with_label(
                    expression.span(),
                    format!("one element is {}", model::convert::article(&item.ty())),
                )
                .with_hint(
                    "an element is `service.NAME`, or an output of a module with that value",
                );
                self.report(diagnostic);
                continue;
            };
            let name = self.service_name(handle);
            let same = handles.iter().find(|other| self.service_name(**other) == name);
            if same.is_some() {
                let diagnostic =
                    Diagnostic::error("services", format!("two services are named `{name}`"))
                        .with_label(expression.span(), "in this list")
                        .with_hint("a node has one service of a name: drop or rename one");
                self.report(diagnostic);
                continue;
            }
            handles.push(handle);
        }
        handles
    }

    /// A part of a service that is the same for all nodes.
    fn service_part(&mut self, handle: Handle, name: &'static str) -> Option<Value> {
        let module = self.module(handle.scope);
        let service = module.services.get(handle.service);
        let there = match name {
            "artifact" => service.fields.blocks("artifact").next().is_some(),
            _ => service.fields.get(name).is_some(),
        };
        if !there {
            return None;
        }
        let decl = Decl { scope: handle.scope, what: What::ServicePart(handle.service, name) };
        Some(self.value(decl, |graph| {
            let place = Place::module(handle.scope);
            if name == "artifact" {
                return graph.artifact(service, &place);
            }
            let Some(expression) = service.fields.get(name) else { return failed() };
            graph.eval_as(expression, &Type::map(Type::String), "the facts of a service", &place)
        }))
    }

    fn artifact(&mut self, service: &Service, place: &Place) -> Value {
        let Some(block) = service.fields.blocks("artifact").next() else { return failed() };
        let fields = read_fields(block, service_block("artifact"), &mut Vec::new());
        let mut values = self.block_texts(block, place);
        let ways = ["url", "file", "package"];
        let given: Vec<_> = ways.into_iter().filter(|name| fields.get(name).is_some()).collect();
        if given.len() != 1 || fields.get("sha256").is_none() {
            let problem = match given.as_slice() {
                [_] => "`sha256` is missing".to_owned(),
                [] => "none of `url`, `file` and `package` is given".to_owned(),
                _ => format!("{} are given", crate::module::list(given.iter().copied())),
            };
            let diagnostic = Diagnostic::error(
                "artifact",
                "an artifact has one source, and the sha256 of what it gives",
            )
            .with_label(block.span(), problem)
            .with_hint("write one of `url`, `file` and `package`, and `sha256 = \"...\"`");
            self.report(diagnostic);
            return failed();
        }
        self.check_sha256(&fields, values.get("sha256"));
        if let Some(path) = values.get("file").and_then(|file| file.as_str().map(str::to_owned)) {
            let absolute = normalise(&self.scopes[place.scope].module.directory.join(path));
            values.insert("file".into(), Value::string(&absolute.to_string_lossy()));
        }
        Data::Object(Arc::new(values)).into()
    }

    fn check_sha256(&mut self, fields: &Fields, value: Option<&Value>) {
        let (Some(expression), Some(text)) = (fields.get("sha256"), value.and_then(Value::as_str))
        else {
            return;
        };
        let valid = text.len() == 64
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !valid {
            let diagnostic =
                Diagnostic::error("sha256", "a sha256 is 64 hexadecimal digits in lower case")
                    .with_label(
                        expression.span(),
                        format!("this has {} characters", text.chars().count()),
                    )
                    .with_hint("the command `sha256sum FILE` prints it");
            self.report(diagnostic);
        }
    }

    /// The arguments of a nested block, as they are.
    fn block_texts(&mut self, block: &Block, place: &Place) -> Values {
        let mut values = Values::new();
        for attribute in &block.body.attributes {
            let value = self.eval(&attribute.value, place);
            let what = format!("`{}` of a service", attribute.name.text);
            let value = self.lasting(value, what, attribute.value.span());
            values.insert(attribute.name.text.clone(), value);
        }
        values
    }

    /// The facts of a service on a node; `None` when it has none.
    pub(super) fn facts_values(&mut self, set: usize, at: usize, handle: Handle) -> Option<Value> {
        let commands = self.service_part(handle, "facts")?;
        let decl = Decl { scope: 0, what: What::Facts(set, at, handle) };
        Some(self.value(decl, |graph| {
            let Some(nodes) = graph.nodes_of(set) else { return failed() };
            let node = &nodes[at];
            let mut values = Values::new();
            graph.machine_arguments(set, node, &mut values);
            values.insert("commands".into(), commands.clone());
            if let Some(artifact) = graph.service_part(handle, "artifact") {
                values.insert("artifact".into(), artifact);
            }
            let address = graph.service_address(set, &node.name, handle, "facts");
            let mut depends_on = BTreeSet::new();
            graph.addresses(node.scope, &mut depends_on);
            let Some(instance) = graph.builtin(handle, address, values, depends_on, None) else {
                return failed();
            };
            let attributes = graph.project(&instance);
            if graph.demand.is_broken_off() {
                return failed();
            }
            graph.facts.entry((set, at)).or_default().push(instance);
            part(&attributes, "values")
        }))
    }

    fn machine_arguments(&mut self, set: usize, node: &NodeState, values: &mut Values) {
        let connection = self.connection(set, node);
        values.insert("machine".into(), part(&connection, "host_key"));
        values.insert("connection".into(), connection);
    }

    /// An instance of a type of the provider `node`, filled as its schema says.
    fn builtin(
        &mut self,
        handle: Handle,
        address: Address,
        values: Values,
        depends_on: BTreeSet<Address>,
        sequence: Option<Sequence>,
    ) -> Option<Instance> {
        let module = self.module(handle.scope);
        let service = module.services.get(handle.service);
        let schema =
            self.schemas.get("node").and_then(|provider| provider.resources.get(address.kind()));
        let Some(schema) = schema else {
            let diagnostic = Diagnostic::error(
                "unknown-provider",
                "the provider `node`, which services need, is missing",
            )
            .with_label(service.span.clone(), "");
            self.report(diagnostic);
            return None;
        };
        let mut converted = Values::new();
        for (name, value) in values {
            let Some(attribute) = schema.attributes.get(name.as_ref()) else { continue };
            if is_failed(&value) {
                return None;
            }
            match convert_unifying(&value, &attribute.ty) {
                Ok(value) => {
                    converted.insert(name, value);
                }
                Err(error) => {
                    let place = service
                        .fields
                        .get(&name)
                        .map_or_else(|| service.span.clone(), Expression::span);
                    let summary =
                        format!("`{name}` of service `{}` has the wrong type", service.name);
                    self.report(
                        Diagnostic::error("wrong-type", summary)
                            .with_label(place, error.to_string()),
                    );
                    return None;
                }
            }
        }
        let arguments = self.complete(&schema.attributes, converted);
        if is_failed(&arguments) {
            return None;
        }
        Some(Instance {
            address,
            provider: "node".to_owned(),
            arguments,
            depends_on,
            lifecycle: Lifecycle::default(),
            triggers: Vec::new(),
            sequence,
            span: service.span.clone(),
            place: service.place.clone(),
        })
    }

    /// All services on all nodes, and what must reach each other over them.
    pub(super) fn service_instances(&mut self, into: &mut Vec<Instance>) {
        let root = self.configuration.root.clone();
        let mut reach: BTreeMap<String, (Handle, Reach)> = BTreeMap::new();
        for set in 0..root.node_sets.len() {
            let Some(nodes) = self.nodes_of(set) else { continue };
            for handle in self.services_of(set).iter().copied() {
                for (at, node) in nodes.iter().enumerate() {
                    let Some(instance) = self.service_instance(set, at, node, handle) else {
                        continue;
                    };
                    self.reach(set, at, node, handle, &instance.address, &mut reach);
                    into.push(instance);
                }
            }
        }
        for (name, (handle, reach)) in reach {
            let address = Address::new(Vec::new(), "reachability", name.as_str(), None);
            let mut values = Values::new();
            values.insert("service".into(), Value::string(&name));
            values.insert("port".into(), reach.port.unwrap_or_else(failed));
            values.insert("members".into(), Value::tuple(reach.members));
            into.extend(self.builtin(handle, address, values, reach.services, None));
        }
    }

    fn service_instance(
        &mut self,
        set: usize,
        at: usize,
        node: &NodeState,
        handle: Handle,
    ) -> Option<Instance> {
        let module = self.module(handle.scope);
        let service = module.services.get(handle.service);
        let place = Place { node: Some(self.node(set, at)), ..Place::module(handle.scope) };
        let set_name = self.configuration.root.node_sets.get(set).name.clone();
        let mut values = Values::new();
        values.insert("node".into(), Value::string(&node.name));
        values.insert("node_set".into(), Value::string(&set_name));
        values.insert("domain".into(), Value::string(&node.domain));
        self.machine_arguments(set, node, &mut values);
        let version = self.handle(handle.scope, handle.service);
        values.insert("version".into(), part(&version, "version"));
        if let Some(artifact) = self.service_part(handle, "artifact") {
            values.insert("artifact".into(), artifact);
        }
        for name in ["command", "environment", "check", "drain", "restart", "dead_man_s"] {
            if let Some(expression) = service.fields.get(name) {
                let value = self.eval(expression, &place);
                let value =
                    self.lasting(value, format!("`{name}` of a service"), expression.span());
                values.insert(name.into(), value);
            }
        }
        values.insert("files".into(), self.files(service, &place));
        values.insert("probes".into(), self.probes(service, &place));
        let max_parallel = self.max_parallel(service, &place);
        let address = self.service_address(set, &node.name, handle, "service");
        let mut depends_on = (*self.scopes[handle.scope].depends_on).clone();
        self.addresses(node.scope, &mut depends_on);
        if service.fields.get("facts").is_some() {
            depends_on.insert(self.service_address(set, &node.name, handle, "facts"));
        }
        // One group for all node sets that list the service: while one node tries something new, its
        // peers in every set stay as they are.
        let prefix = self.prefix(handle.scope);
        let group = format!("{prefix}service.{}", service.name);
        let sequence = max_parallel.map(|max_parallel| Sequence { group, max_parallel });
        self.builtin(handle, address, values, depends_on, sequence)
    }

    fn max_parallel(&mut self, service: &Service, place: &Place) -> Option<u32> {
        let expression = service.fields.get("max_parallel")?;
        let value = self.eval_as(expression, &Type::Number, "`max_parallel`", place);
        let number =
            value.as_number().and_then(model::Number::as_u64).and_then(|n| u32::try_from(n).ok());
        match number {
            Some(number) if number >= 1 => Some(number),
            _ if is_failed(&value) => None,
            _ => {
                let diagnostic =
                    Diagnostic::error("max-parallel", "`max_parallel` is a whole number from 1")
                        .with_label(expression.span(), "");
                self.report(diagnostic);
                None
            }
        }
    }

    fn files(&mut self, service: &Service, place: &Place) -> Value {
        let mut files: Vec<(Arc<str>, Value)> = Vec::new();
        let Some(blocks) = self.labelled(&service.fields.blocks, "file", place) else {
            return failed();
        };
        for (label, Piece { block, place }) in blocks {
            if files.iter().any(|(name, _)| *name == label) {
                let summary = format!("the file `{label}` is there twice");
                self.report(
                    Diagnostic::error("duplicate-block", summary).with_label(block.span(), ""),
                );
            }
            let value = Value::from(Data::Object(Arc::new(self.block_texts(block, &place))));
            files.push((label, value));
        }
        Value::object(files)
    }

    fn probes(&mut self, service: &Service, place: &Place) -> Value {
        let mut probes = Vec::new();
        let Some(blocks) = self.labelled(&service.fields.blocks, "probe", place) else {
            return failed();
        };
        for (label, Piece { block, place }) in blocks {
            let mut values = self.block_texts(block, &place);
            values.insert("name".into(), Value::from(Data::String(label)));
            for nested in &block.body.blocks {
                let inner = Value::from(Data::Object(Arc::new(self.block_texts(nested, &place))));
                values.insert(nested.kind.text.clone(), inner);
            }
            let ways = ["http", "tcp", "command"]
                .into_iter()
                .filter(|name| values.contains_key(name))
                .count();
            if ways != 1 {
                let diagnostic = Diagnostic::error(
                    "probe",
                    "a probe asks in one way: `http`, `tcp` or `command`",
                )
                .with_label(
                    block.span(),
                    if ways == 0 { "none is given" } else { "several are given" },
                );
                self.report(diagnostic);
            }
            if let Some(from) = values.get("from").and_then(Value::as_str)
                && !["node", "peer"].contains(&from)
            {
                let diagnostic =
                    Diagnostic::error("probe", "a probe asks from \"node\" or from \"peer\"")
                        .with_label(block.span(), format!("this one asks from {from:?}"));
                self.report(diagnostic);
            }
            probes.push(Data::Object(Arc::new(values)).into());
        }
        Value::tuple(probes)
    }

    fn reach(
        &mut self,
        set: usize,
        at: usize,
        node: &NodeState,
        handle: Handle,
        address: &Address,
        reach: &mut BTreeMap<String, (Handle, Reach)>,
    ) {
        let module = self.module(handle.scope);
        let service = module.services.get(handle.service);
        let Some(block) = service.fields.blocks("reachability").next() else { return };
        let place = Place { node: Some(self.node(set, at)), ..Place::module(handle.scope) };
        let values = self.block_texts(block, &place);
        let (first, entry) =
            reach.entry(service.name.to_string()).or_insert_with(|| (handle, Reach::default()));
        if *first != handle {
            let summary = format!("two services named `{}` ask for reachability", service.name);
            let other = self.module(first.scope).services.get(first.service).span.clone();
            let diagnostic = Diagnostic::error("services", summary)
                .with_label(service.span.clone(), "one of them")
                .with_label(other, "the other")
                .with_hint("rename one of them");
            self.report(diagnostic);
            return;
        }
        entry.services.insert(address.clone());
        entry.port = entry.port.take().or_else(|| values.get("port").cloned());
        let connection = self.connection(set, node);
        let member = Value::object([
            ("node", Value::string(&node.name)),
            ("connection", connection),
            ("address", values.get("address").cloned().unwrap_or_else(failed)),
        ]);
        if let Some((_, entry)) = reach.get_mut(service.name.as_ref()) {
            entry.members.push(member);
        }
    }
}
