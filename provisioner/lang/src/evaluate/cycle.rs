//! Cycles: who needs whom, and the shortest way around with the reason of every step.

use super::graph::{Decl, Graph};
use crate::around::around;
use model::{Diagnostic, Span};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use std::collections::{HashMap, HashSet};

/// How many steps are taken to find the shortest cycle of a knot. A knot of thousands may keep a shorter one to itself.
const MOST_STEPS: usize = 4_000_000;

/// How many declarations of a cycle are told of.
const MOST_TOLD: usize = 12;

/// Which declaration needs which, and the reference that says so.
#[derive(Default)]
pub(super) struct Edges {
    graph: DiGraph<Decl, Option<Span>>,
    index: HashMap<Decl, NodeIndex>,
    between: HashMap<(NodeIndex, NodeIndex), EdgeIndex>,
}

impl Edges {
    pub(super) fn add(&mut self, from: &Decl, to: &Decl, reason: Option<Span>) {
        let (from, to) = (self.node(from), self.node(to));
        match self.between.get(&(from, to)) {
            Some(edge) if self.graph[*edge].is_none() => self.graph[*edge] = reason,
            Some(_) => {}
            None => {
                let edge = self.graph.add_edge(from, to, reason);
                self.between.insert((from, to), edge);
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
        for mut knot in kosaraju_scc(&self.graph) {
            // What was found out last comes first: the reference that leads back.
            knot.sort_unstable_by(|left, right| right.cmp(left));
            let members: HashSet<_> = knot.iter().copied().collect();
            let starts = knot.iter().take((MOST_STEPS / knot.len()).max(1));
            let within = |at| self.graph.neighbors(at).filter(|next| members.contains(next));
            let found = starts.filter_map(|start| around(*start, within));
            if let Some(cycle) =
                found.min_by_key(|cycle| (cycle.len(), cycle.iter().min().copied()))
            {
                cycles.push(cycle);
            }
        }
        cycles.sort_by_key(|cycle| cycle.iter().min().copied());
        cycles
    }

    fn reason(&self, from: NodeIndex, to: NodeIndex) -> Option<Span> {
        self.graph[*self.between.get(&(from, to))?].clone()
    }
}

/// One diagnostic for every cycle.
pub(super) fn describe(graph: &Graph<'_>) -> Vec<Diagnostic> {
    let Some(edges) = &graph.edges else { return Vec::new() };
    let name = |at: NodeIndex| graph.describe(&edges.graph[at]);
    let mut diagnostics = Vec::new();
    for cycle in edges.shortest() {
        let mut names: Vec<String> = cycle.iter().take(MOST_TOLD).map(|at| name(*at)).collect();
        // Several declarations may have one name.
        names.dedup();
        if names.len() > 1 && names.first() == names.last() {
            names.pop();
        }
        if cycle.len() > MOST_TOLD {
            names.push(format!("and so on, through {} in all", cycle.len()));
        }
        let summary = match names.as_slice() {
            [only] => format!("`{only}` needs itself"),
            names => format!("these need each other: {}", names.join(" -> ")),
        };
        let mut diagnostic = Diagnostic::error("cycle", summary);
        for (at, from) in cycle.iter().enumerate().take(MOST_TOLD) {
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
