//! What was recorded, as a desired graph: a plan of it brings nodes back to the revision that they had.
//!
//! Invariant: everything but the nodes that go back is wanted as it is recorded now, so that nothing else changes; what is
//! theirs outside of nodes (a certificate, say), because no other node depends on it, goes back with them. Refuses to
//! know: why.

use model::graph::{Desired, Instance, NodeSet};
use model::record::{Record, Recorded};
use model::schema::{Mode, ProviderSchema, ResourceSchema};
use model::{Address, Data, Span, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The desired graph in which nodes (by node set and name) are as they were recorded `then`, and all else as it is
/// recorded `now`.
pub fn stable(
    then: &Recorded,
    now: &Recorded,
    nodes: &BTreeSet<(String, String)>,
    schemas: &BTreeMap<String, ProviderSchema>,
) -> Desired {
    let goes_back = with_what_they_need(then, now, nodes);
    let is_theirs = |address: &Address| {
        goes_back.contains(address) || node_of(address).is_some_and(|node| nodes.contains(&node))
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
    let arguments = schema.attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
    let arguments = arguments.map(|(name, attribute)| {
        let value = record.attributes.get(name);
        (Arc::from(name.as_str()), value.unwrap_or_else(|| Value::null(attribute.ty.clone())))
    });
    Instance {
        address: record.address.clone(),
        provider: record.provider.clone(),
        arguments: Data::Object(Arc::new(arguments.collect())).into(),
        depends_on: record.dependencies.clone(),
        lifecycle: record.lifecycle.clone(),
        triggers: Vec::new(),
        sequence: None,
        span: Span { file: "".into(), start: 0, end: 0 },
        place: "what was recorded".to_owned(),
    }
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
fn reached(recorded: &Recorded, from: impl Fn(&Record) -> bool) -> BTreeSet<Address> {
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
