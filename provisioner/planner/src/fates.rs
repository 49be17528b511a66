//! What happens to every instance and record, side by side in one table, and the rules that look at
//! several of them at once: objects that went with what they stood on, and create-first replacement,
//! which everything that such an instance depends on must follow.

use crate::decide::{makes, replaces};
use crate::scope::Scope;
use model::graph::Instance;
use model::plan::{Action, Observation, Reason};
use model::record::Record;
use model::{Address, Value};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One instance, configured or recorded or both.
pub(crate) struct Fate<'a> {
    /// Its address.
    pub address: Address,
    /// What the configuration wants.
    pub instance: Option<&'a Instance>,
    /// What the state knows.
    pub record: Option<&'a Record>,
    /// What refresh saw.
    pub observation: Option<&'a Observation>,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Arguments that differ.
    pub differing: Vec<String>,
    /// Attributes before.
    pub before: Option<Value>,
    /// Attributes after.
    pub after: Option<Value>,
    /// Arguments for a creation or an update.
    pub arguments: Option<Value>,
    /// Arguments that must turn out to be as recorded.
    pub must_not_differ: BTreeSet<String>,
    /// Everything the instance depends on, as configured.
    pub dependencies: BTreeSet<Address>,
}

impl Fate<'_> {
    /// Whether the object was not seen because something on the way to it is down.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.observation, Some(Observation::Unreachable(_)))
    }

    /// Whether the object is, or will be, gone for good.
    fn goes(&self) -> bool {
        let absent = matches!(self.observation, Some(Observation::Absent(_)));
        absent || makes(self.action) || self.action == Action::Delete
    }

    /// What a record of it says that it depends on: data sources have no records.
    pub fn recorded_with(&self) -> BTreeSet<Address> {
        self.dependencies.iter().filter(|address| !address.is_data()).cloned().collect()
    }

    /// The record, with what refresh saw.
    pub fn prior(&self) -> Option<Record> {
        let mut record = self.record?.clone();
        if let Some(before) = &self.before {
            record.attributes = before.clone();
        }
        Some(record)
    }

    /// Whether an object is to be deleted.
    pub fn deletes(&self) -> bool {
        replaces(self.action) || self.action == Action::Delete
    }
}

/// All fates in address order, and where each is.
pub(crate) struct Fates<'a> {
    /// In address order.
    pub all: Vec<Fate<'a>>,
    /// Position by address.
    pub at: HashMap<Address, usize>,
    /// Positions of the configured ones, dependencies before dependents.
    pub configured: Vec<usize>,
    /// Positions of the recorded ones, recorded dependencies before dependents.
    pub recorded: Vec<usize>,
    /// Instances with an object that have no place here, because the plan is not about them.
    left_out: HashSet<Address>,
}

impl<'a> Fates<'a> {
    /// Brings fates into order. `sequence` has the configured addresses, dependencies first.
    pub fn new(mut all: Vec<Fate<'a>>, sequence: &[Address]) -> Self {
        all.sort_by(|left, right| left.address.cmp(&right.address));
        let at: HashMap<_, _> =
            all.iter().enumerate().map(|(index, fate)| (fate.address.clone(), index)).collect();
        let configured = sequence.iter().filter_map(|address| at.get(address).copied()).collect();
        let left_out = HashSet::new();
        let mut fates = Self { all, at, configured, recorded: Vec::new(), left_out };
        fates.recorded = fates.recorded_order();
        fates
    }

    /// Only what is inside, and what stays as it is: order passes through that.
    pub fn within(self, scope: &Scope, sequence: &[Address]) -> Self {
        if matches!(scope, Scope::Everything) {
            return self;
        }
        let stays = |fate: &Fate<'_>| scope.holds(&fate.address) || fate.action == Action::NoOp;
        let (all, outside): (Vec<_>, Vec<_>) = self.all.into_iter().partition(stays);
        let mut fates = Self::new(all, sequence);
        let has_object = |fate: &Fate<'_>| {
            fate.record.is_some() && !matches!(fate.observation, Some(Observation::Absent(_)))
        };
        let left_out = outside.into_iter().filter(has_object).map(|fate| fate.address);
        fates.left_out = left_out.collect();
        fates
    }

    /// Positions of what an instance depends on as configured.
    pub fn dependencies(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.all[index].dependencies.iter().filter_map(|address| self.at.get(address).copied())
    }

    /// Positions of what a record depends on.
    pub fn recorded_dependencies<'s>(
        &'s self,
        record: &'s Record,
    ) -> impl Iterator<Item = usize> + 's {
        let recorded = |index: &usize| self.all[*index].record.is_some();
        let own = self.at.get(&record.address).copied();
        let others = record.dependencies.iter().filter_map(|address| self.at.get(address).copied());
        others.filter(recorded).filter(move |index| Some(*index) != own)
    }

    /// Records were written at different times, so that together they may make a circle; it is cut
    /// where a walk in address order closes it, since nothing must keep people from deleting.
    fn recorded_order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.all.len()];
        for root in 0..self.all.len() {
            let mut stack = vec![(root, false)];
            while let Some((index, finished)) = stack.pop() {
                let Some(record) = self.all[index].record else { continue };
                if finished {
                    order.push(index);
                } else if !std::mem::replace(&mut seen[index], true) {
                    stack.push((index, true));
                    let next = self.recorded_dependencies(record).filter(|next| !seen[*next]);
                    stack.extend(next.map(|next| (next, false)));
                }
            }
        }
        order
    }

    /// What cannot be reached and stood on something that is gone or goes in this plan went with it:
    /// there is nothing to delete.
    pub fn settle_unreachable(&mut self) {
        let mut lost: Vec<Option<Address>> = vec![None; self.all.len()];
        for index in self.recorded.clone() {
            let Some(record) = self.all[index].record else { continue };
            let missing = record.dependencies.iter().find(|address| {
                **address != record.address
                    && !self.left_out.contains(*address)
                    && self.at.get(*address).is_none_or(|at| self.all[*at].record.is_none())
            });
            let below = self.recorded_dependencies(record).find_map(|dependency| {
                let fate = &self.all[dependency];
                let own = fate.goes().then(|| fate.address.clone());
                own.or_else(|| lost[dependency].clone())
            });
            lost[index] = below.or_else(|| missing.cloned());
        }
        for (fate, lost) in self.all.iter_mut().zip(lost) {
            if let (Some(lost), true, Some(Observation::Unreachable(detail))) =
                (lost, fate.deletes(), fate.observation)
            {
                let detail = format!("{detail}; it went with {lost}");
                if fate.action == Action::Delete {
                    fate.action = Action::Forget;
                    fate.reasons.push(Reason::Vanished { detail });
                } else {
                    fate.action = Action::Create;
                    fate.reasons.insert(0, Reason::Vanished { detail });
                    fate.before = None;
                }
            }
        }
    }

    /// Whoever is replaced create-first needs the new objects of what it depends on while the old ones
    /// are still needed by its own old object: because its lifecycle says so, or its rollout.
    pub fn spread_create_first(&mut self) {
        let mut first = vec![false; self.all.len()];
        for index in self.configured.iter().rev().copied() {
            let declared = self.all[index]
                .instance
                .is_some_and(|instance| instance.lifecycle.create_before_destroy);
            if declared || first[index] || self.all[index].action == Action::ReplaceCreateFirst {
                first[index] = true;
                for dependency in self.dependencies(index).collect::<Vec<_>>() {
                    first[dependency] = true;
                }
            }
        }
        for (fate, first) in self.all.iter_mut().zip(first) {
            if first && fate.action == Action::ReplaceDeleteFirst {
                fate.action = Action::ReplaceCreateFirst;
            }
        }
    }
}
