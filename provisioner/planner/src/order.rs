//! What must happen before what.
//!
//! Operations are the vertices; an edge says that one needs another, and why. Instances that stay as they
//! are have no operation, and are passed through: what depends on them needs what they depend on. The
//! numbering is the topological order that takes the smallest address first, so equal input gives equal
//! plans.

use crate::cycle;
use crate::decide::makes;
use crate::fates::{Fate, Fates};
use crate::topology::topological;
use model::plan::{Action, Operation, OperationKind};
use model::record::Record;
use model::{Address, Diagnostic};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Up to this many at a time, every update of a sequence waits for the whole window before it, so that
/// one failure stops all later ones at once. A wider sequence waits for its own lane and the next: a failure
/// then spreads one lane a step, and the plan stays small.
const WINDOW: usize = 32;

/// Why one operation needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The instance depends on the other one.
    Depends,
    /// The old object must be gone before the new one is made.
    OldFirst,
    /// The new object must be there before the old one goes.
    NewFirst,
    /// The other object depends on this one, and must be gone before it.
    DependentGone,
    /// The other object refers to this one until it is updated.
    DependentUpdated,
    /// The object can be reached only once the other one is well again.
    Mended,
    /// The object went with the other one.
    WentWith,
    /// Updates of this group run one after the other.
    Sequence,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Self::Depends => "the first depends on the second",
            Self::OldFirst => "the old object must be gone before the new one is made",
            Self::NewFirst => "the new object must be there before the old one goes",
            Self::DependentGone => "the second was made with the help of the first",
            Self::DependentUpdated => "the second refers to the first until it is updated",
            Self::Mended => "the first cannot be reached before the second is well",
            Self::WentWith => "the first is gone only if the second is",
            Self::Sequence => "updates of their group run one after the other",
        }
    }
}

/// One operation before it has a number.
struct Vertex<'a> {
    address: &'a Address,
    kind: OperationKind,
    fate: Option<usize>,
    deposed: Option<&'a Record>,
}

/// What a vertex needs, and why; the first reason given stays.
type Needs = Vec<BTreeMap<usize, Why>>;

/// Vertices, shared between instances that mean the same ones.
type Shared = Rc<Vec<usize>>;

/// Whether a vertex needs another, at once or in steps.
fn leads_to(needs: &Needs, from: usize, goal: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut stack = vec![from];
    while let Some(vertex) = stack.pop() {
        if vertex == goal {
            return true;
        }
        stack.extend(needs[vertex].keys().copied().filter(|need| seen.insert(*need)));
    }
    false
}

/// All operations, numbered.
pub(crate) fn operations(
    fates: &Fates<'_>,
    deposed: &[&Record],
) -> Result<Vec<Operation>, Vec<Diagnostic>> {
    let drawing = Drawing::new(fates, deposed);
    let needs = drawing.needs();
    let (needs, order) = drawing.chained(needs)?;
    let mut ids = vec![0; order.len()];
    for (id, vertex) in (0_u32..).zip(&order) {
        ids[*vertex] = id;
    }
    let operation = |vertex: &usize| {
        let needs = needs[*vertex].keys().map(|need| ids[*need]).collect();
        drawing.operation(*vertex, ids[*vertex], needs)
    };
    Ok(order.iter().map(operation).collect())
}

/// The graph of operations while it is drawn.
struct Drawing<'a> {
    fates: &'a Fates<'a>,
    vertices: Vec<Vertex<'a>>,
    /// By fate: its creation or update.
    forward: Vec<Option<usize>>,
    /// By fate: its deletion.
    removal: Vec<Option<usize>>,
    /// By fate: the operation that forgets it.
    forget: Vec<Option<usize>>,
}

fn kinds(action: Action) -> &'static [OperationKind] {
    match action {
        Action::NoOp => &[],
        Action::Create => &[OperationKind::Create],
        Action::Update => &[OperationKind::Update],
        Action::ReplaceDeleteFirst => &[OperationKind::Create, OperationKind::Delete],
        Action::ReplaceCreateFirst => {
            &[OperationKind::CreateReplacement, OperationKind::DeleteDeposed]
        }
        Action::Delete => &[OperationKind::Delete],
        Action::Forget => &[OperationKind::Forget],
        Action::Read => &[OperationKind::Read],
    }
}

impl<'a> Drawing<'a> {
    fn new(fates: &'a Fates<'a>, deposed: &[&'a Record]) -> Self {
        let of_fate = |(index, fate): (usize, &'a Fate<'a>)| {
            let vertex = move |kind: &OperationKind| Vertex {
                address: &fate.address,
                kind: *kind,
                fate: Some(index),
                deposed: None,
            };
            kinds(fate.action).iter().map(vertex)
        };
        let left = |record: &'a Record| Vertex {
            address: &record.address,
            kind: OperationKind::DeleteDeposed,
            fate: None,
            deposed: Some(record),
        };
        let mut vertices: Vec<_> = fates.all.iter().enumerate().flat_map(of_fate).collect();
        vertices.extend(deposed.iter().copied().map(left));
        vertices.sort_by(|one, other| one.address.cmp(other.address));
        let none = vec![None; fates.all.len()];
        let mut drawing = Self {
            fates,
            vertices: Vec::new(),
            forward: none.clone(),
            removal: none.clone(),
            forget: none,
        };
        for (index, vertex) in vertices.iter().enumerate() {
            if let Some(fate) = vertex.fate {
                drawing.slot(vertex.kind)[fate] = Some(index);
            }
        }
        drawing.vertices = vertices;
        drawing
    }

    fn slot(&mut self, kind: OperationKind) -> &mut Vec<Option<usize>> {
        match kind {
            OperationKind::Create
            | OperationKind::CreateReplacement
            | OperationKind::Update
            | OperationKind::Read => &mut self.forward,
            OperationKind::Delete | OperationKind::DeleteDeposed => &mut self.removal,
            OperationKind::Forget => &mut self.forget,
        }
    }

    fn needs(&self) -> Needs {
        let mut needs: Needs = vec![BTreeMap::new(); self.vertices.len()];
        self.draw_forward(&mut needs);
        self.draw_replacements(&mut needs);
        self.draw_removals(&mut needs);
        self.draw_left_behind(&mut needs);
        self.draw_unreachable(&mut needs);
        self.draw_updates_before_removals(&mut needs);
        self.draw_leftovers_first(&mut needs);
        needs
    }

    /// A creation or update needs those of what it depends on.
    fn draw_forward(&self, needs: &mut Needs) {
        let mut ready: Vec<Shared> = vec![Shared::default(); self.fates.all.len()];
        for index in self.fates.configured.iter().copied() {
            let below = union(self.fates.dependencies(index).map(|at| ready[at].clone()));
            match self.forward[index] {
                Some(vertex) => {
                    below.iter().for_each(|need| add(needs, vertex, *need, Why::Depends));
                    ready[index] = Rc::new(vec![vertex]);
                }
                None => ready[index] = below,
            }
        }
    }

    fn draw_replacements(&self, needs: &mut Needs) {
        for (index, fate) in self.fates.all.iter().enumerate() {
            let (Some(forward), Some(removal)) = (self.forward[index], self.removal[index]) else {
                continue;
            };
            match fate.action {
                Action::ReplaceDeleteFirst => add(needs, forward, removal, Why::OldFirst),
                _ => add(needs, removal, forward, Why::NewFirst),
            }
        }
    }

    /// A deletion needs those of everything that depended on the object.
    fn draw_removals(&self, needs: &mut Needs) {
        let dependents = self.recorded_dependents();
        let mut gone: Vec<Shared> = vec![Shared::default(); self.fates.all.len()];
        let left = self.left_by_address();
        for index in self.fates.recorded.iter().rev().copied() {
            let above = dependents[index].iter().map(|dependent| match dependent {
                Dependent::Fate(fate) => gone[*fate].clone(),
                Dependent::Deposed(vertex) => Rc::new(vec![*vertex]),
            });
            let above = union(above);
            for vertex in left.get(&index).into_iter().flatten() {
                let others = above.iter().filter(|need| *need != vertex);
                others.for_each(|need| add(needs, *vertex, *need, Why::DependentGone));
            }
            match self.removal[index] {
                Some(vertex) => {
                    above.iter().for_each(|need| add(needs, vertex, *need, Why::DependentGone));
                    gone[index] = Rc::new(vec![vertex]);
                }
                None => gone[index] = above,
            }
        }
    }

    /// The same for a deposed object whose instance has no record any more: a stray that is to go, say.
    fn draw_left_behind(&self, needs: &mut Needs) {
        let mut left: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
        for (index, vertex) in self.vertices.iter().enumerate() {
            let fate = self.fates.at.get(vertex.address).map(|at| &self.fates.all[*at]);
            let has_record = fate.is_some_and(|fate| fate.record.is_some());
            if vertex.deposed.is_some() && !has_record {
                left.entry(vertex.address).or_default().push(index);
            }
        }
        if left.is_empty() {
            return;
        }
        let of_fates = self.fates.all.iter().enumerate();
        let of_fates = of_fates.filter_map(|(at, fate)| Some((fate.record?, self.removal[at]?)));
        let of_deposed = self.vertices.iter().enumerate();
        let of_deposed = of_deposed.filter_map(|(at, vertex)| Some((vertex.deposed?, at)));
        for (record, removal) in of_fates.chain(of_deposed) {
            for vertex in record.dependencies.iter().filter_map(|on| left.get(on)).flatten() {
                if record.address != *self.vertices[*vertex].address {
                    add(needs, *vertex, removal, Why::DependentGone);
                }
            }
        }
    }

    /// Vertices of deposed objects by the fate of their instance.
    fn left_by_address(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut left: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, vertex) in self.vertices.iter().enumerate() {
            let fate = vertex.deposed.and_then(|record| self.fates.at.get(&record.address));
            if let Some(fate) = fate {
                left.entry(*fate).or_default().push(index);
            }
        }
        left
    }

    /// By fate: who was made with its help. Edges that close a circle of records are left out.
    fn recorded_dependents(&self) -> Vec<Vec<Dependent>> {
        let mut position = vec![usize::MAX; self.fates.all.len()];
        for (place, index) in self.fates.recorded.iter().enumerate() {
            position[*index] = place;
        }
        let mut dependents: Vec<Vec<Dependent>> = vec![Vec::new(); self.fates.all.len()];
        for (index, fate) in self.fates.all.iter().enumerate() {
            let Some(record) = fate.record else { continue };
            for dependency in self.fates.recorded_dependencies(record) {
                if position[dependency] < position[index] {
                    dependents[dependency].push(Dependent::Fate(index));
                }
            }
        }
        for (index, vertex) in self.vertices.iter().enumerate() {
            let Some(record) = vertex.deposed else { continue };
            for dependency in self.fates.recorded_dependencies(record) {
                dependents[dependency].push(Dependent::Deposed(index));
            }
        }
        dependents
    }

    /// What cannot be reached is deleted after what it stands on is well, and forgotten after what it
    /// stood on is deleted: should that fail, it is still known.
    fn draw_unreachable(&self, needs: &mut Needs) {
        for (index, fate) in self.fates.all.iter().enumerate() {
            let (true, Some(record)) = (fate.is_unreachable(), fate.record) else { continue };
            for dependency in self.fates.recorded_dependencies(record) {
                let updated = self.fates.all[dependency].action == Action::Update;
                let update = self.forward[dependency].filter(|_| updated);
                if let (Some(removal), Some(update)) = (self.removal[index], update) {
                    add(needs, removal, update, Why::Mended);
                }
                let gone = self.removal[dependency];
                if let (Some(forget), Some(gone)) = (self.forget[index], gone) {
                    add(needs, forget, gone, Why::WentWith);
                }
            }
        }
    }

    /// What an earlier run left of an instance goes before a new object of it is made: both may want the same name. Not
    /// where the deletion itself waits for the creation.
    fn draw_leftovers_first(&self, needs: &mut Needs) {
        for (index, vertex) in self.vertices.iter().enumerate() {
            let Some(record) = vertex.deposed else { continue };
            let fate = self.fates.at.get(&record.address).copied();
            let makes_one = |fate: &usize| makes(self.fates.all[*fate].action);
            let Some(creation) = fate.filter(makes_one).and_then(|fate| self.forward[fate]) else {
                continue;
            };
            if !leads_to(needs, index, creation) {
                add(needs, creation, index, Why::OldFirst);
            }
        }
    }

    /// Whatever referred to an object is updated before the object goes. Not where a creation waits for
    /// the deletion, since the update may wait for the creation: only deletions that nothing but
    /// deletions wait for get these edges, so they never close a cycle.
    fn draw_updates_before_removals(&self, needs: &mut Needs) {
        let awaited = self.awaited_by_creations(needs);
        for (index, fate) in self.fates.all.iter().enumerate() {
            let Some(update) = self.forward[index].filter(|_| fate.action == Action::Update) else {
                continue;
            };
            let recorded = fate.record.into_iter();
            let recorded = recorded.flat_map(|record| self.fates.recorded_dependencies(record));
            let both: BTreeSet<_> = recorded.chain(self.fates.dependencies(index)).collect();
            for removal in both.into_iter().filter_map(|dependency| self.removal[dependency]) {
                if !awaited[removal] {
                    add(needs, removal, update, Why::DependentUpdated);
                }
            }
        }
    }

    fn awaited_by_creations(&self, needs: &Needs) -> Vec<bool> {
        let mut awaited = vec![false; self.vertices.len()];
        let mut stack: Vec<usize> = self.forward.iter().flatten().copied().collect();
        while let Some(vertex) = stack.pop() {
            for need in needs[vertex].keys() {
                if !std::mem::replace(&mut awaited[*need], true) {
                    stack.push(*need);
                }
            }
        }
        awaited
    }

    /// Updates of one group, in address order.
    fn groups(&self) -> BTreeMap<&str, (usize, Vec<usize>)> {
        let mut groups: BTreeMap<&str, (usize, Vec<usize>)> = BTreeMap::new();
        for (vertex, fate) in self.updates() {
            let Some(sequence) = fate.instance.and_then(|instance| instance.sequence.as_ref())
            else {
                continue;
            };
            let width = usize::try_from(sequence.max_parallel).unwrap_or(usize::MAX).max(1);
            let group = groups.entry(&sequence.group).or_insert((width, Vec::new()));
            group.0 = group.0.min(width);
            group.1.push(vertex);
        }
        groups
    }

    fn updates(&self) -> impl Iterator<Item = (usize, &'a Fate<'a>)> + '_ {
        let fates = self.fates;
        let fate = move |(index, vertex): (usize, &Vertex<'a>)| {
            let fate = vertex.fate.filter(|_| vertex.kind == OperationKind::Update)?;
            Some((index, &fates.all[fate]))
        };
        self.vertices.iter().enumerate().filter_map(fate)
    }

    /// The sequences added, and the order of everything. Sequences run in address order; where
    /// dependencies among the updates forbid that, in an order that they allow.
    fn chained(&self, needs: Needs) -> Result<(Needs, Vec<usize>), Vec<Diagnostic>> {
        let groups = self.groups();
        let plain = numbered(&needs);
        if plain.len() < self.vertices.len() {
            return Err(vec![self.operation_cycle(&needs)]);
        }
        if groups.values().all(|(width, members)| members.len() <= *width) {
            return Ok((needs, plain));
        }
        let mut chained = needs.clone();
        for (width, members) in groups.values() {
            chain(&mut chained, members, *width);
        }
        let order = numbered(&chained);
        if order.len() == self.vertices.len() {
            return Ok((chained, order));
        }
        let mut place = vec![0; plain.len()];
        for (at, vertex) in plain.iter().enumerate() {
            place[*vertex] = at;
        }
        let mut chained = needs;
        for (width, mut members) in groups.into_values() {
            members.sort_unstable_by_key(|vertex| place[*vertex]);
            chain(&mut chained, &members, width);
        }
        let order = numbered(&chained);
        Ok((chained, order))
    }

    fn operation_cycle(&self, needs: &Needs) -> Diagnostic {
        let mut graph: DiGraph<usize, Why> = DiGraph::new();
        (0..self.vertices.len()).for_each(|index| {
            graph.add_node(index);
        });
        for (index, needs) in needs.iter().enumerate() {
            for (need, why) in needs {
                graph.add_edge(NodeIndex::new(index), NodeIndex::new(*need), *why);
            }
        }
        let edges: BTreeMap<_, _> =
            graph.edge_references().map(|edge| (edge.id(), *edge.weight())).collect();
        let cycle = cycle::shortest(&graph).unwrap_or_default();
        let lines = cycle.iter().filter_map(|edge| {
            let (from, to) = graph.edge_endpoints(*edge)?;
            let (from, to) = (self.label(from.index()), self.label(to.index()));
            Some(format!("{from} needs {to}: {}", edges.get(edge)?.text()))
        });
        let lines: Vec<_> = lines.collect();
        Diagnostic::error(
            "operation-cycle",
            format!("{} operations wait for each other in a circle", lines.len()),
        )
        .with_detail(lines.join("\n"))
        .with_hint("make the change in two steps, or change `create_before_destroy` of one of them")
    }

    fn label(&self, vertex: usize) -> String {
        let vertex = &self.vertices[vertex];
        let verb = match vertex.kind {
            OperationKind::Create => "create",
            OperationKind::CreateReplacement => "create new",
            OperationKind::Update => "update",
            OperationKind::Delete => "delete",
            OperationKind::DeleteDeposed => "delete old",
            OperationKind::Forget => "forget",
            OperationKind::Read => "read",
        };
        format!("{verb} {}", vertex.address)
    }

    fn operation(&self, vertex: usize, id: u32, needs: BTreeSet<u32>) -> Operation {
        let vertex = &self.vertices[vertex];
        let fate = vertex.fate.map(|fate| &self.fates.all[fate]);
        let makes = !matches!(
            vertex.kind,
            OperationKind::Delete | OperationKind::DeleteDeposed | OperationKind::Forget
        );
        let instance = fate.and_then(|fate| fate.instance);
        let wanted = fate.filter(|_| makes).zip(instance);
        let prior = vertex.deposed.cloned().or_else(|| fate.and_then(Fate::prior));
        let prior = prior.filter(|_| vertex.kind != OperationKind::Create);
        let recorded = prior.as_ref().map(|record| record.provider.clone());
        Operation {
            id,
            address: vertex.address.clone(),
            kind: vertex.kind,
            provider: wanted
                .map(|(_, instance)| instance.provider.clone())
                .or(recorded)
                .unwrap_or_default(),
            needs,
            arguments: wanted.and_then(|(fate, _)| fate.arguments.clone()),
            dependencies: wanted.map(|(fate, _)| fate.recorded_with()).unwrap_or_default(),
            lifecycle: wanted.map(|(_, instance)| instance.lifecycle.clone()).unwrap_or_default(),
            must_not_differ: fate
                .filter(|_| vertex.kind == OperationKind::Update)
                .map(|fate| fate.must_not_differ.clone())
                .unwrap_or_default(),
            only_checked: false,
            place: instance.map(|instance| instance.place.clone()).unwrap_or_default(),
            prior,
        }
    }
}

/// Who was made with the help of an object.
#[derive(Clone, Copy)]
enum Dependent {
    /// The recorded object of an instance.
    Fate(usize),
    /// A deposed object, which has this vertex.
    Deposed(usize),
}

fn add(needs: &mut Needs, vertex: usize, need: usize, why: Why) {
    needs[vertex].entry(need).or_insert(why);
}

/// One of the sets itself where the others are empty or the same, so that wide and deep graphs of
/// unchanged instances share one.
fn union(sets: impl Iterator<Item = Shared>) -> Shared {
    let mut first: Option<Shared> = None;
    let mut all: BTreeSet<usize> = BTreeSet::new();
    for set in sets.filter(|set| !set.is_empty()) {
        match &first {
            None => first = Some(set),
            Some(one) if Rc::ptr_eq(one, &set) => {}
            Some(_) => all.extend(set.iter()),
        }
    }
    let Some(first) = first else { return Shared::default() };
    if all.is_empty() {
        return first;
    }
    all.extend(first.iter());
    Rc::new(all.into_iter().collect())
}

/// Each member waits for the ones before it, all but the last `width - 1`.
fn chain(needs: &mut Needs, members: &[usize], width: usize) {
    for (place, vertex) in members.iter().enumerate().skip(width) {
        let last = place - width;
        let window = if width <= WINDOW { width } else { 2 };
        let first = (last + 1).saturating_sub(window);
        members[first..=last].iter().for_each(|need| add(needs, *vertex, *need, Why::Sequence));
    }
}

fn numbered(needs: &Needs) -> Vec<usize> {
    topological(&needs.iter().map(|needs| needs.keys().copied()).collect::<Vec<_>>())
}
