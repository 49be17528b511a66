//! On demand, each once, and on a stack that stays small.
//!
//! What a declaration needs is evaluated in the midst of its own evaluation. Where that would go deeper than
//! [`DEEPEST`], the evaluation is broken off: what is needed there is evaluated by itself first, from a list, and what
//! was broken off begins anew and finds it. So a chain of references may be of any length.
//! Invariants: nothing that was broken off is kept or reported; a declaration that needs itself is a cycle, whether
//! the one that waits for it is on the stack or on the list.

use super::graph::{Decl, Graph, What};
use crate::eval::failed;
use foldhash::HashSet;
use model::Value;

/// How many declarations may be in evaluation at once, each for the one before.
const DEEPEST: usize = 100;

/// What is in evaluation, and what waits for it.
#[derive(Default)]
pub(super) struct Demand {
    /// Each needs the next.
    stack: Vec<Decl>,
    busy: HashSet<Decl>,
    /// Broken off, each because it needs the next.
    waiting: Vec<Decl>,
    awaited: HashSet<Decl>,
    /// What the evaluation under way is broken off for.
    needed: Option<Decl>,
}

impl Demand {
    /// What is in evaluation, innermost first.
    pub(super) fn innermost_first(&self) -> impl Iterator<Item = &Decl> {
        self.stack.iter().rev()
    }

    /// Whether the evaluation under way is being broken off: what it gives is of no use, and it begins anew.
    pub(super) fn is_broken_off(&self) -> bool {
        self.needed.is_some()
    }

    /// Whether nobody further out waits.
    fn is_outermost(&self) -> bool {
        self.stack.is_empty() && self.waiting.is_empty()
    }

    fn push_waiting(&mut self, decl: Decl) {
        self.awaited.insert(decl.clone());
        self.waiting.push(decl);
    }

    fn pop_waiting(&mut self) {
        if let Some(decl) = self.waiting.pop() {
            self.awaited.remove(&decl);
        }
    }
}

impl What {
    /// Whether [`Graph::compute`] can begin with it.
    fn is_a_start(&self) -> bool {
        matches!(
            self,
            Self::Variable(_)
                | Self::Local(_)
                | Self::Output(_)
                | Self::Keys(_)
                | Self::Resource(_)
                | Self::Instance(..)
                | Self::Calls(_)
                | Self::Child(..)
        )
    }
}

impl Graph<'_> {
    /// The value of a declaration, computed once.
    pub(super) fn value(&mut self, decl: Decl, mut work: impl FnMut(&mut Self) -> Value) -> Value {
        self.demand(&decl);
        if let Some(value) = self.values.get(&decl) {
            return value.clone();
        }
        let Some(value) = self.guarded(&decl, &mut work) else {
            if self.demand.is_broken_off() && !self.demand.stack.is_empty() {
                // It may have been settled, as a variable is before its validation.
                self.values.remove(&decl);
            }
            return failed();
        };
        let value = self.of_bounded_depth(&decl, value);
        self.values.insert(decl, value.clone());
        value
    }

    /// Runs a computation; `None` when it is under way already, or broken off.
    pub(super) fn guarded<T>(
        &mut self,
        decl: &Decl,
        mut work: impl FnMut(&mut Self) -> T,
    ) -> Option<T> {
        loop {
            if !self.enter(decl) {
                return None;
            }
            let result = work(self);
            self.leave();
            if !self.demand.is_broken_off() {
                return Some(result);
            }
            if !self.demand.is_outermost() {
                return None;
            }
            self.first(decl);
        }
    }

    /// Says who needs the declaration, for cycles.
    pub(super) fn demand(&mut self, decl: &Decl) {
        let reason = self.reason.take();
        if let (Some(edges), Some(from)) = (&mut self.edges, self.demand.stack.last()) {
            edges.add(from, decl, reason);
        }
    }

    /// Begins a computation; false when it is under way already, or must wait.
    fn enter(&mut self, decl: &Decl) -> bool {
        let demand = &mut self.demand;
        if demand.is_broken_off() {
            return false;
        }
        let begins_anew = demand.stack.is_empty() && demand.waiting.last() == Some(decl);
        if demand.busy.contains(decl) || (!begins_anew && demand.awaited.contains(decl)) {
            self.cyclic = true;
            return false;
        }
        if demand.stack.len() >= DEEPEST && decl.what.is_a_start() {
            demand.needed = Some(decl.clone());
            return false;
        }
        demand.busy.insert(decl.clone());
        demand.stack.push(decl.clone());
        true
    }

    fn leave(&mut self) {
        if let Some(decl) = self.demand.stack.pop() {
            self.demand.busy.remove(&decl);
        }
    }

    /// Evaluates what a declaration was broken off for, and whatever that is broken off for in turn.
    fn first(&mut self, decl: &Decl) {
        self.demand.push_waiting(decl.clone());
        loop {
            if let Some(needed) = self.demand.needed.take() {
                self.demand.push_waiting(needed);
            } else {
                self.demand.pop_waiting();
            }
            // The first on the list is the caller's.
            let [_, .., last] = self.demand.waiting.as_slice() else { break };
            self.compute(&last.clone());
        }
        self.demand.pop_waiting();
    }

    fn compute(&mut self, decl: &Decl) {
        let scope = decl.scope;
        // Settled, and broken off since.
        self.values.remove(decl);
        match &decl.what {
            What::Variable(at) => drop(self.variable(scope, *at)),
            What::Local(at) => drop(self.local(scope, *at)),
            What::Output(at) => drop(self.output(scope, *at)),
            What::Keys(at) => drop(self.resource_keys(scope, *at)),
            What::Resource(at) => drop(self.whole_resource(scope, *at)),
            What::Instance(at, key) => {
                let repetition = self.resource_keys(scope, *at).repetition_of(key.as_ref());
                drop(self.attributes(scope, *at, key.as_ref(), &repetition));
            }
            What::Calls(at) => drop(self.call_keys(scope, *at)),
            What::Child(at, key) => {
                self.child(scope, *at, key.as_ref());
            }
            _ => {}
        }
    }
}
