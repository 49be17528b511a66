//! Cycles: who needs whom, and the shortest way around with the reason of every step.

use super::graph::{Decl, Graph};
use model::{Diagnostic, Span};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use std::collections::{HashMap, HashSet, VecDeque};

/// Which declaration needs which, and the reference that says so.
#[derive(Default)]
pub(super) struct Edges {
    graph: DiGraph<Decl, Option<Span>>,
    index: HashMap<Decl, NodeIndex>,
}

impl Edges {
    pub(super) fn add(&mut self, from: &Decl, to: &Decl, reason: Option<Span>) {
        let (from, to) = (self.node(from), self.node(to));
        match self.graph.find_edge(from, to) {
            Some(edge) if self.graph[edge].is_none() => self.graph[edge] = reason,
            Some(_) => {}
            None => {
                self.graph.add_edge(from, to, reason);
            }
        }
    }

    fn node(&mut self, decl: &Decl) -> NodeIndex {
        if let Some(at) = self.index.get(decl) {
            return *at;
        }
        let at = self.graph.add_node(decl.clone());
        self.index.insert(decl.clone(), at);
        at
    }

    /// The shortest cycle of every knot of declarations that need each other.
    fn shortest(&self) -> Vec<Vec<NodeIndex>> {
        let mut cycles = Vec::new();
        for knot in tarjan_scc(&self.graph) {
            let members: HashSet<_> = knot.iter().copied().collect();
            let found = knot.iter().filter_map(|start| self.around(*start, &members));
            if let Some(cycle) =
                found.min_by_key(|cycle| (cycle.len(), cycle.iter().min().copied()))
            {
                cycles.push(cycle);
            }
        }
        cycles
    }

    /// The shortest way from a declaration back to itself.
    fn around(&self, start: NodeIndex, members: &HashSet<NodeIndex>) -> Option<Vec<NodeIndex>> {
        let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for next in self.graph.neighbors(at).filter(|next| members.contains(next)) {
                if next == start {
                    let mut way = vec![at];
                    let mut at = at;
                    while at != start {
                        at = *from.get(&at)?;
                        way.push(at);
                    }
                    way.reverse();
                    return Some(way);
                }
                if next != start && !from.contains_key(&next) {
                    from.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn reason(&self, from: NodeIndex, to: NodeIndex) -> Option<Span> {
        let edge = self.graph.edges_connecting(from, to).next()?;
        self.graph[edge.id()].clone()
    }
}

/// One diagnostic for every cycle.
pub(super) fn describe(graph: &Graph<'_>) -> Vec<Diagnostic> {
    let Some(edges) = &graph.edges else { return Vec::new() };
    let name = |at: NodeIndex| graph.describe(&edges.graph[at]);
    let mut diagnostics = Vec::new();
    for cycle in edges.shortest() {
        let mut names: Vec<String> = cycle.iter().map(|at| name(*at)).collect();
        names.dedup();
        let summary = match names.as_slice() {
            [only] => format!("`{only}` needs itself"),
            names => format!("these need each other: {}", names.join(" -> ")),
        };
        let mut diagnostic = Diagnostic::error("cycle", summary);
        for (at, from) in cycle.iter().enumerate() {
            let to = cycle[(at + 1) % cycle.len()];
            if let Some(span) = edges.reason(*from, to) {
                diagnostic =
                    diagnostic.with_label(span, format!("`{}` needs `{}`", name(*from), name(to)));
            }
        }
        let hint = "break the circle: one of them must get its value from somewhere else";
        diagnostics.push(diagnostic.with_hint(hint));
    }
    diagnostics
}
