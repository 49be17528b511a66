//! Node sets: pools, nodes, and what expressions see of them.

use super::expansion::Expansion;
use super::graph::{Decl, Graph, Handle, Origin, Scope, What};
use super::names::Place;
use crate::eval::{failed, is_failed, part, rests_on_opaque};
use crate::module::Pool;
use crate::module::suggest::did_you_mean;
use model::graph::{Instance, Node, NodeSet, Present};
use model::{Address, Data, Diagnostic, PathStep, Span, Type, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many nodes a pool may have: ordinals of pools must not overlap.
const MOST_NODES: u64 = 1024;

/// A node before anything of its machine is known.
pub(super) struct NodeState {
    pub name: Arc<str>,
    pub pool: usize,
    pub index: u64,
    pub domain: Arc<str>,
    /// Its revision, where that is not what the configuration says.
    pub revision: Option<String>,
    /// The instance of the pool's module.
    pub scope: usize,
}

impl Graph<'_> {
    /// The nodes of a set; `None` when their number is not known or wrong.
    pub(super) fn nodes_of(&mut self, set: usize) -> Option<Arc<Vec<NodeState>>> {
        let decl = Decl { scope: 0, what: What::Size(set) };
        self.demand(&decl);
        if let Some(nodes) = self.nodes.get(&set) {
            return Some(nodes.clone());
        }
        if self.checked.contains(&("set".into(), set, 0)) {
            return None;
        }
        let Some(nodes) = self.guarded(&decl, |graph| graph.expand_set(set)).flatten() else {
            if !self.demand.is_broken_off() {
                self.checked.insert(("set".into(), set, 0));
            }
            return None;
        };
        let nodes = Arc::new(nodes);
        self.nodes.insert(set, nodes.clone());
        Some(nodes)
    }

    fn expand_set(&mut self, set: usize) -> Option<Vec<NodeState>> {
        let root = self.configuration.root.clone();
        let declared = root.node_sets.get(set);
        let mut nodes = Vec::new();
        if let Some(enabled) = &declared.enabled {
            match self.enabled(enabled, &Place::module(0)) {
                Expansion::Single => {}
                Expansion::Disabled(_) => return Some(nodes),
                _ => return None,
            }
        }
        let mut complete = true;
        for (at, pool) in declared.pools.iter().enumerate() {
            match self.expand_pool(set, at, pool) {
                Some(more) => nodes.extend(more),
                None => complete = false,
            }
        }
        complete.then_some(nodes)
    }

    fn expand_pool(&mut self, set: usize, at: usize, pool: &Pool) -> Option<Vec<NodeState>> {
        let place = Place::module(0);
        let size = self.size(pool, &place);
        let domains = self.domains(pool, &place);
        let directory = self.source_directory(&pool.source, &place);
        let (size, domains, directory) = (size?, domains?, directory?);
        if self.demand.is_broken_off() {
            return None;
        }
        let module = self.configuration.module(&directory)?.clone();
        let root = self.configuration.root.clone();
        let set_name = &root.node_sets.get(set).name;
        let present = self.projection.present(set_name, &pool.name);
        let present = present.unwrap_or_else(|| {
            (0..size).map(|index| Present { index, revision: String::new() }).collect()
        });
        let mut nodes = Vec::new();
        for Present { index, revision } in present {
            let name: Arc<str> = format!("{set_name}-{}-{:03}", pool.name, index + 1).into();
            let domain = domains[usize::try_from(index).unwrap_or(0) % domains.len()].clone();
            let number = |value: u64| Value::from(i64::try_from(value).unwrap_or(i64::MAX));
            let node = Value::object([
                ("name", Value::string(&name)),
                ("index", number(index)),
                ("ordinal", number(ordinal(at, index))),
                ("domain", Value::string(&domain)),
                ("node_set", Value::string(set_name)),
                ("pool", Value::string(&pool.name)),
                ("login_key", Value::string(&self.inputs.login_key)),
            ]);
            let scope = self.add_scope(Scope {
                module: module.clone(),
                path: vec![PathStep::Node { set: set_name.clone(), node: name.clone() }],
                origin: Origin::Pool { set, pool: at, node },
                depends_on: Arc::default(),
                providers: Arc::default(),
            });
            let revision = Some(revision).filter(|revision| !revision.is_empty());
            nodes.push(NodeState { name, pool: at, index, domain, revision, scope });
        }
        self.check_pool(set, at, pool, &module);
        Some(nodes)
    }

    fn size(&mut self, pool: &Pool, place: &Place) -> Option<u64> {
        let value = self.eval_as(&pool.size, &Type::Number, "the size of a pool", place);
        let value = self.lasting(value, "the size of a pool", pool.size.span());
        if is_failed(&value) {
            return None;
        }
        let problem = match value.data() {
            Data::Unknown(_) if rests_on_opaque(&value) => return None,
            Data::Unknown(_) => {
                "this is known only later; use something that the configuration decides".to_owned()
            }
            Data::Number(number) => match number.as_u64() {
                Some(size) if size <= MOST_NODES => return Some(size),
                _ => format!("this is {number}"),
            },
            _ => "this is null".to_owned(),
        };
        let summary = format!("the size of a pool is a whole number from 0 to {MOST_NODES}");
        let diagnostic = Diagnostic::error("pool-size", summary)
            .with_label(pool.size.span(), problem)
            .with_label(pool.span.clone(), "");
        self.report(diagnostic);
        None
    }

    /// The failure domains; the pool itself is one when none are given.
    fn domains(&mut self, pool: &Pool, place: &Place) -> Option<Vec<Arc<str>>> {
        let Some(expression) = &pool.domains else { return Some(vec![pool.name.clone()]) };
        let value =
            self.eval_as(expression, &Type::list(Type::String), "the domains of a pool", place);
        if is_failed(&value) || rests_on_opaque(&value) {
            return None;
        }
        let items = value.as_items().unwrap_or_default();
        let domains: Option<Vec<Arc<str>>> =
            items.iter().map(|item| item.as_str().map(Into::into)).collect();
        match domains {
            Some(domains) if !domains.is_empty() => Some(domains),
            _ => {
                let diagnostic = Diagnostic::error(
                    "pool-domains",
                    "the domains of a pool are a list of known names, at least one",
                )
                .with_label(expression.span(), "");
                self.report(diagnostic);
                None
            }
        }
    }

    /// What can be said of a pool once for all its nodes.
    fn check_pool(
        &mut self,
        set: usize,
        at: usize,
        pool: &Pool,
        module: &Arc<crate::module::Module>,
    ) {
        if module.outputs.position("machine").is_none() {
            let diagnostic = Diagnostic::error("no-machine", "a pool's module must have an output `machine`")
                .with_label(pool.source.expression.span(), "this one has none")
                .with_hint("add `output \"machine\" { value = { address = ..., port = ..., user = ..., host_key = ... } }`");
            self.report(diagnostic);
        }
        let inputs = self.pool_inputs(set, at);
        let Some(entries) = inputs.as_entries() else { return };
        let whole = module.variables.position("inputs").is_some();
        let names: Vec<_> = module
            .variables
            .iter()
            .map(|v| v.name.as_ref())
            .filter(|name| *name != "node")
            .collect();
        for name in entries.keys() {
            if whole || (module.variables.position(name).is_some() && name.as_ref() != "node") {
                continue;
            }
            let span = pool
                .inputs
                .as_ref()
                .map_or_else(|| pool.span.clone(), crate::syntax::Expression::span);
            let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| {
                format!("it takes {}", crate::module::list(names.iter().copied()))
            });
            let summary =
                format!("the module of `pool \"{}\"` has no variable `{name}`", pool.name);
            self.report(
                Diagnostic::error("unknown-argument", summary).with_label(span, "").with_hint(hint),
            );
        }
    }

    pub(super) fn pool_inputs(&mut self, set: usize, pool: usize) -> Value {
        self.value(Decl { scope: 0, what: What::Inputs(set, pool) }, |graph| {
            let root = graph.configuration.root.clone();
            let Some(expression) = &root.node_sets.get(set).pools[pool].inputs else {
                return Value::object::<&str>([]);
            };
            let value = graph.eval(expression, &Place::module(0));
            if value.is_unknown() || value.as_entries().is_some() {
                return value;
            }
            let diagnostic = Diagnostic::error("wrong-type", "the inputs of a pool are an object")
                .with_label(
                    expression.span(),
                    format!("this is {}", model::convert::article(&value.ty())),
                );
            graph.report(diagnostic);
            failed()
        })
    }

    /// One node as expressions see it.
    pub(super) fn node(&mut self, set: usize, at: usize) -> Value {
        self.value(Decl { scope: 0, what: What::Node(set, at) }, |graph| {
            let Some(nodes) = graph.nodes_of(set) else { return failed() };
            let node = &nodes[at];
            let machine = graph.machine(set, node);
            let mut facts: Vec<(Arc<str>, Value)> = Vec::new();
            for handle in graph.services_of(set).iter() {
                if let Some(values) = graph.facts_values(set, at, *handle) {
                    let name = graph.module(handle.scope).services.get(handle.service).name.clone();
                    facts.push((name, values));
                }
            }
            let Origin::Pool { node: basic, .. } = graph.scopes[node.scope].origin.clone() else {
                return failed();
            };
            let mut entries = basic.as_entries().cloned().unwrap_or_default();
            entries.remove("login_key");
            for name in ["address", "port", "user", "host_key"] {
                entries.insert(name.into(), part(&machine, name));
            }
            entries.insert("machine".into(), machine);
            entries.insert("facts".into(), Value::object(facts));
            entries.insert("revision".into(), Value::string(&graph.revision(set, node)));
            Data::Object(Arc::new(entries)).into()
        })
    }

    /// The output `machine` of a node's module.
    pub(super) fn machine(&mut self, set: usize, node: &NodeState) -> Value {
        let module = self.module(node.scope);
        let Some(at) = module.outputs.position("machine") else { return failed() };
        let value = self.output(node.scope, at);
        if value.is_unknown() || is_failed(&value) {
            return value;
        }
        let missing = ["address", "port", "user", "host_key"]
            .into_iter()
            .find(|name| value.as_entries().is_none_or(|entries| !entries.contains_key(name)));
        let Some(missing) = missing else { return value };
        let pool = &self.configuration.root.node_sets.get(set).pools[node.pool];
        let diagnostic = Diagnostic::error("no-machine", format!("the output `machine` of a pool's module has no `{missing}`"))
            .with_label(module.outputs.get(at).value.span(), "")
            .with_label(pool.span.clone(), "used by this pool")
            .with_hint("it is an object with `address`, `port`, `user`, `host_key` and, where they are, `login_address` and `socket`");
        self.report(diagnostic);
        failed()
    }

    /// How to log in to a node.
    pub(super) fn connection(&mut self, set: usize, node: &NodeState) -> Value {
        let machine = self.machine(set, node);
        let mut entries = model::value::Entries::new();
        entries.insert("name".into(), Value::string(&node.name));
        for name in ["address", "port", "user", "host_key"] {
            entries.insert(name.into(), part(&machine, name));
        }
        let has = |name: &str| {
            machine.is_unknown()
                || machine.as_entries().is_some_and(|entries| entries.contains_key(name))
        };
        let socket =
            if has("socket") { part(&machine, "socket") } else { Value::null(Type::String) };
        entries.insert("socket".into(), socket);
        // Where other nodes reach it need not be where it is reached from here.
        let login = machine.as_entries().and_then(|machine| machine.get("login_address"));
        if login.is_some_and(|address| !address.is_null()) {
            entries.insert("address".into(), part(&machine, "login_address"));
        }
        Data::Object(Arc::new(entries)).into()
    }

    /// A short name of everything that the configuration decides about a node: the same for all of its pool.
    fn revision(&mut self, set: usize, node: &NodeState) -> String {
        if let Some(recorded) = &node.revision {
            return recorded.clone();
        }
        let (root, pool) = (self.configuration.root.clone(), node.pool);
        let declared = &root.node_sets.get(set).pools[pool];
        let source = self.eval(&declared.source.expression, &Place::module(0));
        let inputs = self.pool_inputs(set, pool);
        let mut services = Vec::new();
        for handle in self.services_of(set).iter() {
            let value = self.handle(handle.scope, handle.service);
            services.push(format!(
                "{:?} {:?}",
                part(&value, "name").as_str(),
                part(&value, "version").as_str()
            ));
        }
        let text = format!("{:?}\n{}\n{}", source.as_str(), decided(&inputs), services.join("\n"));
        let digest = model::digest::sha256_hex(text.as_bytes());
        digest[..12].to_owned()
    }

    /// Node sets as the desired graph has them.
    pub(super) fn node_sets(&mut self) -> BTreeMap<String, NodeSet> {
        let root = self.configuration.root.clone();
        let mut sets = BTreeMap::new();
        let mut names: HashMap<Arc<str>, Span> = HashMap::new();
        for (at, declared) in root.node_sets.iter().enumerate() {
            let mut nodes = Vec::new();
            let all = self.nodes_of(at);
            for (place, node) in all.iter().flat_map(|nodes| nodes.iter().enumerate()) {
                let pool = &declared.pools[node.pool];
                if let Some(first) = names.insert(node.name.clone(), pool.span.clone()) {
                    let diagnostic = Diagnostic::error(
                        "node-name",
                        format!("two nodes are named `{}`", node.name),
                    )
                    .with_label(pool.span.clone(), "one in this pool")
                    .with_label(first, "one in this pool")
                    .with_hint("rename a pool or a node set: a node's name is made of both");
                    self.report(diagnostic);
                }
                let machine = self.machine(at, node);
                let revision = part(&self.node(at, place), "revision");
                nodes.push(Node {
                    name: node.name.to_string(),
                    pool: pool.name.to_string(),
                    index: node.index,
                    domain: node.domain.to_string(),
                    machine,
                    revision: revision.as_str().unwrap_or_default().to_owned(),
                });
            }
            let names =
                self.services_of(at).iter().map(|handle| self.service_name(*handle)).collect();
            sets.insert(declared.name.to_string(), NodeSet { nodes, services: names });
        }
        sets
    }

    /// Instances of a set's modules and facts. Services come later.
    pub(super) fn walk_node_set(&mut self, set: usize, into: &mut Vec<Instance>) {
        self.services_of(set);
        let Some(nodes) = self.nodes_of(set) else { return };
        for (at, node) in nodes.iter().enumerate() {
            self.walk(node.scope, into);
            self.node(set, at);
            into.extend(self.facts.remove(&(set, at)).unwrap_or_default());
        }
    }

    /// The addresses of everything that belongs to a set.
    pub(super) fn node_set_addresses(&mut self, set: usize, into: &mut BTreeSet<Address>) {
        let Some(nodes) = self.nodes_of(set) else { return };
        let handles = self.services_of(set);
        for (at, node) in nodes.iter().enumerate() {
            self.addresses(node.scope, into);
            self.node(set, at);
            for handle in handles.iter() {
                into.insert(self.service_address(set, &node.name, *handle, "service"));
            }
        }
    }

    pub(super) fn service_address(
        &self,
        set: usize,
        node: &Arc<str>,
        handle: Handle,
        kind: &str,
    ) -> Address {
        let set = self.configuration.root.node_sets.get(set).name.clone();
        let path = vec![PathStep::Node { set, node: node.clone() }];
        Address::new(path, kind, self.service_name(handle), None)
    }

    pub(super) fn service_name(&self, handle: Handle) -> String {
        self.scopes[handle.scope].module.services.get(handle.service).name.to_string()
    }
}

/// The stable number of a node within its set.
pub(super) fn ordinal(pool: usize, index: u64) -> u64 {
    u64::try_from(pool).unwrap_or(u64::MAX).saturating_mul(MOST_NODES).saturating_add(index)
}

/// What the configuration alone decides of a value: parts that instances give are left out, whether they
/// are known yet or not, so that the text is the same before and after the first apply.
fn decided(value: &Value) -> String {
    if value.marks().origins.is_some() || value.is_unknown() {
        return "*".to_owned();
    }
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            format!("[{}]", items.iter().map(decided).collect::<Vec<_>>().join(","))
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let entries =
                entries.iter().map(|(name, value)| format!("{name:?}:{}", decided(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Data::Null(_) => "null".to_owned(),
        Data::Bool(truth) => truth.to_string(),
        Data::Number(number) => number.to_string(),
        Data::String(text) => format!("{text:?}"),
        Data::Unknown(_) => "*".to_owned(),
    }
}
