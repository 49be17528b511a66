//! What was recorded, as a desired graph: a plan of it brings nodes back to the revision that they had.
//!
//! Invariant: everything but the nodes that go back is wanted as it is recorded now, so that nothing else changes; what is
//! theirs outside of nodes (a certificate, say), because no other node depends on it, goes back with them. Refuses to
//! know: why.

use crate::Planner;
use crate::follow::{self, Followed, follow};
use model::graph::{Desired, Instance, NodeSet, Projection as _};
use model::record::{Record, Recorded};
use model::schema::{ProviderSchema, ResourceSchema};
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The desired graph in which nodes (by node set and name) and `others` are as they were recorded `then`, and all else as it is
/// recorded `now`.
pub fn stable(
    then: &Recorded,
    now: &Recorded,
    (nodes, others): (&BTreeSet<(String, String)>, &BTreeSet<Address>),
    schemas: &BTreeMap<String, ProviderSchema>,
) -> Desired {
    let goes_back = with_what_they_need(then, now, nodes);
    let is_theirs = |address: &Address| {
        goes_back.contains(address)
            || others.contains(address)
            || node_of(address).is_some_and(|node| nodes.contains(&node))
    };
    let before = then.records.values().filter(|record| is_theirs(&record.address));
    let others = now.records.values().filter(|record| !is_theirs(&record.address));
    let instances = before.chain(others).filter_map(|record| {
        let name = record.provider.split('.').next().unwrap_or_default();
        let schema = schemas.get(name)?.resources.get(record.address.kind())?;
        Some(instance(record, schema))
    });
    let mut providers = then.providers.clone();
    providers.extend(now.providers.clone());
    let sets = then.node_sets.iter().map(|(name, nodes)| {
        let set = NodeSet { nodes: nodes.clone(), services: Vec::new() };
        (name.clone(), set)
    });
    Desired {
        instances: instances.collect(),
        outputs: now.outputs.clone(),
        providers,
        node_sets: sets.collect(),
        ..Desired::default()
    }
}

/// A record as if the configuration asked for just that.
pub(crate) fn instance(record: &Record, schema: &ResourceSchema) -> Instance {
    let given = |name: &str| record.attributes.get(name);
    let address = record.address.clone();
    Instance {
        depends_on: record.dependencies.clone(),
        lifecycle: record.lifecycle.clone(),
        ..Instance::given(address, &record.provider, schema, given, "what was recorded")
    }
}

/// See [`Planner::stable`].
pub(crate) fn followed(
    planner: &Planner<'_>,
    then: &Recorded,
    nodes: &BTreeSet<(String, String)>,
    others: &BTreeSet<Address>,
) -> Desired {
    let now = planner.recorded;
    let mut desired = stable(then, now, (nodes, others), planner.schemas);
    let goes_back = with_what_they_need(then, now, nodes);
    let is_theirs = |address: &Address| {
        goes_back.contains(address)
            || others.contains(address)
            || node_of(address).is_some_and(|node| nodes.contains(&node))
    };
    let mut following = Following { planner, then, changed: BTreeMap::new() };
    let at = desired.instances.iter().enumerate();
    let at: BTreeMap<Address, usize> = at.map(|(index, it)| (it.address.clone(), index)).collect();
    for index in dependencies_first(&desired.instances, &at) {
        let instance = &mut desired.instances[index];
        let theirs = is_theirs(&instance.address);
        if theirs || following.is_statement(instance) {
            instance.arguments = following.as_it_will_be(&instance.arguments, &instance.depends_on);
        }
        if theirs {
            following.decide(instance);
        }
    }
    for (name, set) in &mut desired.node_sets {
        set.nodes.retain(|node| nodes.contains(&(name.clone(), node.name.clone())));
        for node in &mut set.nodes {
            let own = |at: &&Address| at.node() == Some((name.as_str(), node.name.as_str()));
            let own: BTreeSet<Address> = then.records.keys().filter(own).cloned().collect();
            node.machine = following.as_it_will_be(&node.machine, &own);
        }
    }
    desired
}

/// What the computed attributes of instances that go back will be, where they will not be as they were.
struct Following<'p, 'a> {
    planner: &'p Planner<'a>,
    then: &'p Recorded,
    changed: BTreeMap<Address, Vec<Followed>>,
}

impl Following<'_, '_> {
    fn is_statement(&self, instance: &Instance) -> bool {
        let schema = self.planner.schema(&instance.provider, instance.address.kind());
        schema.is_some_and(|schema| schema.follows_dependencies)
    }

    fn as_it_will_be(&mut self, value: &Value, dependencies: &BTreeSet<Address>) -> Value {
        let mut value = value.clone();
        for address in dependencies {
            if !self.changed.contains_key(address) {
                // Of another node, say, which does not go back but has another machine since.
                let now = self.planner.record(address).map(|record| record.attributes.clone());
                self.note(address, now.as_ref());
            }
            if let Some(changed) = self.changed.get(address) {
                value = follow(&value, changed);
            }
        }
        value
    }

    fn decide(&mut self, instance: &Instance) {
        // What cannot be decided is told when it is planned.
        let attributes = self.planner.attributes(instance).ok();
        self.note(&instance.address, attributes.as_ref());
    }

    fn note(&mut self, address: &Address, becomes: Option<&Value>) {
        let changed = becomes.and_then(|becomes| {
            let was = self.then.records.get(address)?;
            let schema = self.planner.schema(&was.provider, address.kind())?;
            Some(follow::followed(schema, was, becomes))
        });
        self.changed.insert(address.clone(), changed.unwrap_or_default());
    }
}

/// Positions, each after what it depends on; records of different times may make a circle, which is cut.
fn dependencies_first(instances: &[Instance], at: &BTreeMap<Address, usize>) -> Vec<usize> {
    let mut order = Vec::with_capacity(instances.len());
    let mut seen = vec![false; instances.len()];
    for root in 0..instances.len() {
        let mut stack = vec![(root, false)];
        while let Some((index, finished)) = stack.pop() {
            if finished {
                order.push(index);
            } else if !std::mem::replace(&mut seen[index], true) {
                stack.push((index, true));
                let needs = instances[index].depends_on.iter().filter_map(|it| at.get(it));
                stack.extend(needs.filter(|it| !seen[**it]).map(|it| (*it, false)));
            }
        }
    }
    order
}

fn node_of(address: &Address) -> Option<(String, String)> {
    address.node().map(|(set, node)| (set.to_owned(), node.to_owned()))
}

/// What the nodes' records depended on that belongs to no node and that no other node depends on.
fn with_what_they_need(
    then: &Recorded,
    now: &Recorded,
    nodes: &BTreeSet<(String, String)>,
) -> BTreeSet<Address> {
    let is_theirs = |address: &Address| node_of(address).is_some_and(|node| nodes.contains(&node));
    let shared =
        reached(now, |record| record.address.node().is_some() && !is_theirs(&record.address));
    let theirs = reached(then, |record| is_theirs(&record.address));
    theirs.difference(&shared).cloned().collect()
}

/// What records depend on, also through others, as far as it belongs to no node.
pub(crate) fn reached(recorded: &Recorded, from: impl Fn(&Record) -> bool) -> BTreeSet<Address> {
    let start = recorded.records.values().filter(|record| from(record));
    let mut waiting: Vec<&Address> = start.flat_map(|record| &record.dependencies).collect();
    let mut found = BTreeSet::new();
    while let Some(address) = waiting.pop() {
        if address.node_set().is_some() || !found.insert(address.clone()) {
            continue;
        }
        waiting.extend(recorded.records.get(address).into_iter().flat_map(|it| &it.dependencies));
    }
    found
}
