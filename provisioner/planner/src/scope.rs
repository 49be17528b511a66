//! What a plan with targets is about.
//!
//! Inside are the instances that a target matches, and whatever they need: everything that a configured one depends on;
//! and where an object is deleted, for good or to be replaced, every recorded dependent to which something happens.
//! A statement about others (one that follows its dependencies) neither comes nor stays for that reason: it joins if
//! something changes that it is about and all the rest of it is as it should be. It would otherwise drag in all that it
//! is about; and left out now, it follows when the rest is applied. One that is about a held node waits until nothing is held.
//! Refuses to know: why something happens to an instance.

use crate::fates::{Fate, Fates};
use crate::held::is_held;
use crate::{Planner, Target};
use model::plan::Action;
use model::record::{Record, Recorded};
use model::{Address, Diagnostic};
use std::collections::{HashMap, HashSet};

/// The addresses that a plan may touch.
pub(crate) enum Scope {
    /// No target: all of them.
    Everything,
    /// What targets mean and need.
    Targets {
        /// The targets: what they match needs no fate to be inside.
        targets: Vec<Target>,
        /// Instances with a fate that are inside.
        inside: HashSet<Address>,
        /// Instances whose objects are deleted.
        deleted: HashSet<Address>,
    },
}

impl Scope {
    /// The scope of the planner's targets, as far as they match anything. `fates` are those of all instances;
    /// `others` what else the user may name.
    pub fn of<'x>(
        planner: &Planner<'_>,
        fates: &'x Fates<'_>,
        others: &[&'x Address],
    ) -> Result<Self, Vec<Diagnostic>> {
        let targets = &planner.options.targets;
        if targets.is_empty() {
            return Ok(Self::Everything);
        }
        let known = || fates.at.keys().chain(others.iter().copied());
        let missing = targets.iter().filter(|target| !known().any(|at| target.matches(at)));
        let unknown: Vec<_> = missing.map(|target| unknown(planner, target, known())).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let inside = Walk::new(planner, fates).inside(targets);
        let address = |index: usize| fates.all[index].address.clone();
        let deleted = inside.iter().filter(|index| fates.all[**index].deletes());
        let deleted = deleted.map(|index| address(*index)).collect();
        let inside = inside.into_iter().map(address).collect();
        let scope = Self::Targets { targets: targets.clone(), inside, deleted };
        scope.refuse_replacements_outside(planner)?;
        Ok(scope)
    }

    /// Whether an instance is inside.
    pub fn holds(&self, address: &Address) -> bool {
        match self {
            Self::Everything => true,
            Self::Targets { targets, inside, .. } => {
                inside.contains(address) || targets.iter().any(|target| target.matches(address))
            }
        }
    }

    /// Whether a deposed object is to go: one of an instance inside, or one that stood on what is deleted.
    pub fn holds_deposed(&self, record: &Record) -> bool {
        let on_deleted = match self {
            Self::Everything => true,
            Self::Targets { deleted, .. } => {
                record.dependencies.iter().any(|address| deleted.contains(address))
            }
        };
        on_deleted || self.holds(&record.address)
    }

    fn refuse_replacements_outside(&self, planner: &Planner<'_>) -> Result<(), Vec<Diagnostic>> {
        let outside = planner.options.replace.iter().filter(|address| !self.holds(address));
        let errors = outside.map(|address| {
            let summary = format!("{address} is to be replaced, and no target means it");
            Diagnostic::error("replace-outside-targets", summary)
                .with_hint(format!("add `--target '{address}'`, or leave `--replace` out"))
                .about(address)
        });
        let errors: Vec<_> = errors.collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

fn unknown<'x>(
    planner: &Planner<'_>,
    target: &Target,
    known: impl Iterator<Item = &'x Address>,
) -> Diagnostic {
    let summary = format!("the target `{target}` means nothing that is configured or recorded");
    if let Some(moved) = planner.options.moved.iter().find(|moved| target.matches(&moved.from)) {
        let hint = format!("{} is {} now", moved.from, moved.to);
        return Diagnostic::error("unknown-target", summary).with_hint(hint);
    }
    let hint = target.nearest(known).map_or_else(
        || "`state list` shows what is recorded, `graph` what is configured".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    Diagnostic::error("unknown-target", summary).with_hint(hint)
}

struct Walk<'f, 'a> {
    planner: &'f Planner<'a>,
    fates: &'f Fates<'a>,
    /// By fate: the recorded instances that were made with its help.
    dependents: Vec<Vec<usize>>,
    /// By fate: whether an object of its instance is deposed.
    deposed: Vec<bool>,
}

impl<'f, 'a> Walk<'f, 'a> {
    fn new(planner: &'f Planner<'a>, fates: &'f Fates<'a>) -> Self {
        let mut dependents = vec![Vec::new(); fates.all.len()];
        for (index, fate) in fates.all.iter().enumerate() {
            let Some(record) = fate.record else { continue };
            fates.recorded_dependencies(record).for_each(|at| dependents[at].push(index));
        }
        let mut deposed = vec![false; fates.all.len()];
        for record in &planner.recorded.deposed {
            if let Some(index) = fates.at.get(&record.address) {
                deposed[*index] = true;
            }
        }
        Self { planner, fates, dependents, deposed }
    }

    fn fate(&self, index: usize) -> &Fate<'a> {
        &self.fates.all[index]
    }

    fn changes(&self, index: usize) -> bool {
        self.fate(index).action != Action::NoOp
    }

    /// Whether it only says something about others.
    fn is_statement(&self, index: usize) -> bool {
        let fate = self.fate(index);
        fate.instance.is_some_and(|instance| {
            let schema = self.planner.schema(&instance.provider, fate.address.kind());
            schema.is_some_and(|schema| schema.follows_dependencies)
        })
    }

    fn inside(&self, targets: &[Target]) -> HashSet<usize> {
        let meant =
            |index: &usize| targets.iter().any(|target| target.matches(&self.fate(*index).address));
        let mut stack: Vec<usize> = (0..self.fates.all.len()).filter(meant).collect();
        let mut inside = HashSet::new();
        while let Some(index) = stack.pop() {
            if !inside.insert(index) {
                continue;
            }
            stack.extend(self.fates.dependencies(index));
            if self.fate(index).deletes() || self.deposed[index] {
                let dependents = self.dependents[index].iter().copied();
                stack.extend(dependents.filter(|at| self.changes(*at) && !self.is_statement(*at)));
            }
        }
        for index in self.fates.configured.iter().copied() {
            if self.is_statement(index) && self.follows(index, &inside) {
                inside.insert(index);
            }
        }
        inside
    }

    /// Whether a statement follows what is inside: it is about something there that changes, and about nothing that
    /// changes outside.
    fn follows(&self, index: usize, inside: &HashSet<usize>) -> bool {
        let recorded = self.fate(index).record.into_iter();
        let recorded = recorded.flat_map(|record| self.fates.recorded_dependencies(record));
        let about = self.fates.dependencies(index);
        let touched = recorded.chain(about).any(|at| inside.contains(&at) && self.changes(at));
        let rest = self.fates.dependencies(index);
        let dependencies = &self.fate(index).dependencies;
        self.changes(index)
            && touched
            && !dependencies.iter().any(|at| is_held(self.planner, at))
            && rest.into_iter().all(|at| inside.contains(&at) || !self.changes(at))
    }
}

/// Records that a plan with these targets is likely to look at: those meant, and what they depend on and what depends
/// on them, as recorded. Refresh may leave the others out.
pub fn reach(targets: &[Target], recorded: &Recorded) -> HashSet<Address> {
    let records = &recorded.records;
    let mut dependents: HashMap<&Address, Vec<&Address>> = HashMap::new();
    for record in records.values() {
        for dependency in &record.dependencies {
            dependents.entry(dependency).or_default().push(&record.address);
        }
    }
    let meant = |address: &&Address| targets.iter().any(|target| target.matches(address));
    let meant: Vec<&Address> = records.keys().filter(meant).collect();
    let mut reach: HashSet<Address> = HashSet::new();
    // Down from everything that is reached upwards.
    let mut above: HashSet<&Address> = HashSet::new();
    let mut stack = meant;
    while let Some(address) = stack.pop() {
        if above.insert(address) {
            stack.extend(dependents.get(address).into_iter().flatten().copied());
        }
    }
    let mut stack: Vec<&Address> = above.into_iter().collect();
    while let Some(address) = stack.pop() {
        if let Some(record) = records.get(address).filter(|_| !reach.contains(address)) {
            reach.insert(address.clone());
            stack.extend(&record.dependencies);
        }
    }
    reach
}
