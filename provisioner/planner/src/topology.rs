//! The order of configured instances, dependencies first, and the message where there is none.

use crate::compose::Instances;
use crate::cycle;
use model::{Address, Diagnostic, Value};
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Addresses of the configured instances, dependencies first, smallest address first.
pub(crate) fn sequence(instances: &Instances<'_>) -> Result<Vec<Address>, Vec<Diagnostic>> {
    let mut addresses: Vec<&Address> = instances.keys().collect();
    addresses.sort_unstable();
    let at: BTreeMap<&Address, usize> =
        addresses.iter().enumerate().map(|(index, address)| (*address, index)).collect();
    let needs: Vec<BTreeSet<usize>> = addresses
        .iter()
        .map(|address| {
            let dependencies = &instances[*address].1;
            dependencies.iter().filter_map(|dependency| at.get(dependency).copied()).collect()
        })
        .collect();
    let order = topological(&needs.iter().map(|set| set.iter().copied()).collect::<Vec<_>>());
    if order.len() == addresses.len() {
        return Ok(order.into_iter().map(|index| addresses[index].clone()).collect());
    }
    Err(vec![dependency_cycle(instances, &addresses, &needs)])
}

/// Smallest index first; what is in or behind a cycle is left out.
pub(crate) fn topological(needs: &[impl Iterator<Item = usize> + Clone]) -> Vec<usize> {
    let mut missing: Vec<usize> = needs.iter().map(|needs| needs.clone().count()).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        needs.clone().for_each(|need| needed_by[need].push(index));
    }
    let ready = |(index, missing): (usize, &usize)| (*missing == 0).then_some(Reverse(index));
    let mut heap: BinaryHeap<_> = missing.iter().enumerate().filter_map(ready).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(index)) = heap.pop() {
        order.push(index);
        for next in &needed_by[index] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                heap.push(Reverse(*next));
            }
        }
    }
    order
}

fn dependency_cycle(
    instances: &Instances<'_>,
    addresses: &[&Address],
    needs: &[BTreeSet<usize>],
) -> Diagnostic {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in addresses {
        graph.add_node(());
    }
    for (index, needs) in needs.iter().enumerate() {
        for need in needs {
            graph.add_edge(NodeIndex::new(index), NodeIndex::new(*need), ());
        }
    }
    let edges = cycle::shortest(&graph).unwrap_or_default();
    let ends = edges.iter().filter_map(|edge| graph.edge_endpoints(*edge));
    let ends: Vec<_> =
        ends.map(|(from, to)| (addresses[from.index()], addresses[to.index()])).collect();
    let reason = |(from, to): &(&Address, &Address)| {
        let named = instances[*from].0.depends_on.contains(*to);
        let how = argument_from(&instances[*from].0.arguments, to);
        let how = how.map(|name| format!("its `{name}` comes from it"));
        let how = how.filter(|_| !named).unwrap_or_else(|| "depends_on names it".to_owned());
        format!("{from} depends on {to}: {how}")
    };
    let mut diagnostic = Diagnostic::error(
        "dependency-cycle",
        format!("{} instances depend on each other in a circle", ends.len()),
    )
    .with_detail(ends.iter().map(reason).collect::<Vec<_>>().join("\n"))
    .with_hint("take one of these dependencies away");
    for (from, to) in &ends {
        let span = instances[*from].0.span.clone();
        diagnostic = diagnostic.with_label(span, format!("depends on {to}"));
    }
    diagnostic
}

fn argument_from(arguments: &Value, origin: &Address) -> Option<String> {
    let comes = |value: &Value| value.deep_origins().contains(origin);
    let entries = arguments.as_entries()?;
    entries.iter().find(|(_, value)| comes(value)).map(|(name, _)| name.as_ref().to_owned())
}
