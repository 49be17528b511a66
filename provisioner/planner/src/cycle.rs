//! The shortest cycle of a graph, for messages.

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef as _;
use std::collections::{HashMap, HashSet, VecDeque};

/// From how many vertices of a strongly connected part a shortest cycle is searched: each search is
/// linear, and a graph with a very large tangled part needs an answer all the same.
const SEARCHES: usize = 500;

/// The edges of a shortest cycle, in order, if there is a cycle.
pub(crate) fn shortest<N, E>(graph: &DiGraph<N, E>) -> Option<Vec<EdgeIndex>> {
    if let Some(own) = graph.edge_references().find(|edge| edge.source() == edge.target()) {
        return Some(vec![own.id()]);
    }
    let parts = kosaraju_scc(graph).into_iter().filter(|part| part.len() > 1);
    parts.filter_map(|part| shortest_within(graph, part)).min_by_key(Vec::len)
}

fn shortest_within<N, E>(
    graph: &DiGraph<N, E>,
    mut part: Vec<NodeIndex>,
) -> Option<Vec<EdgeIndex>> {
    part.sort_unstable();
    let members: HashSet<_> = part.iter().copied().collect();
    let cycles = part.iter().take(SEARCHES).filter_map(|start| through(graph, *start, &members));
    cycles.min_by_key(Vec::len)
}

/// A shortest cycle through one vertex, by breadth-first search.
fn through<N, E>(
    graph: &DiGraph<N, E>,
    start: NodeIndex,
    members: &HashSet<NodeIndex>,
) -> Option<Vec<EdgeIndex>> {
    let mut reached_by: HashMap<NodeIndex, EdgeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(vertex) = queue.pop_front() {
        for edge in graph.edges_directed(vertex, Direction::Outgoing) {
            let next = edge.target();
            if next == start {
                return Some(walk_back(graph, start, edge.id(), &reached_by));
            }
            if members.contains(&next) && !reached_by.contains_key(&next) {
                reached_by.insert(next, edge.id());
                queue.push_back(next);
            }
        }
    }
    None
}

fn walk_back<N, E>(
    graph: &DiGraph<N, E>,
    start: NodeIndex,
    last: EdgeIndex,
    reached_by: &HashMap<NodeIndex, EdgeIndex>,
) -> Vec<EdgeIndex> {
    let mut edges = vec![last];
    let mut edge = last;
    while let Some((source, _)) = graph.edge_endpoints(edge).filter(|(source, _)| *source != start)
    {
        let Some(previous) = reached_by.get(&source) else { break };
        edge = *previous;
        edges.push(edge);
    }
    edges.reverse();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(graph: &DiGraph<&str, ()>) -> Option<Vec<String>> {
        let source = |edge| graph[graph.edge_endpoints(edge).unwrap().0].to_owned();
        shortest(graph).map(|edges| edges.into_iter().map(source).collect())
    }

    #[test]
    fn the_shortest_of_several_is_found() {
        let mut graph = DiGraph::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| graph.add_node(name));
        graph.extend_with_edges([(a, b), (b, c), (c, d)]);
        assert_eq!(names(&graph), None);
        graph.extend_with_edges([(d, a), (c, b)]);
        assert_eq!(names(&graph).unwrap(), ["b", "c"]);
        graph.add_edge(d, d, ());
        assert_eq!(names(&graph).unwrap(), ["d"]);
    }
}
