//! What of a restore point is restored, and what the plan of that is held to. Pure.
//!
//! Invariants: a node is restored as a whole; what is captured and meant begins with its snapshot or is left by name, never silently;
//! nothing that is not restored is in the plan. Refuses to know: the configuration, stores, whether a snapshot is what it was.

use crate::capture::{self, Schemas};
use crate::catalogue::Kept;
use model::record::Recorded;
use model::schema::Capture;
use model::{Address, Value};
use planner::{Options, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What is restored.
#[derive(Clone, Debug)]
pub struct Restore {
    /// What was recorded then.
    pub then: Recorded,
    /// Nodes that are restored, by node set and name.
    pub nodes: BTreeSet<(String, String)>,
    /// What else is: captured, or gone and needed.
    pub others: BTreeSet<Address>,
    /// Which objects begin with which snapshot, by which argument.
    pub begin_with: BTreeMap<Address, (String, Value)>,
    /// The catalogue's provider of each of these snapshots.
    pub kept_by: BTreeMap<Address, String>,
    /// Captured, and only made as they were if they are gone: their types begin with no snapshot by themselves.
    pub left: BTreeSet<Address>,
    /// What is to begin with a snapshot, at the addresses that the restore point has.
    pub meant: BTreeSet<Address>,
    /// What is made anew though it began with that very snapshot before.
    pub again: BTreeSet<Address>,
    /// Whether all that the restore point has is restored.
    is_whole: bool,
}

impl Restore {
    /// What of a restore point is meant. A node is restored as a whole: its disks do not go without it.
    ///
    /// `then` was recorded then, at the addresses that it has by now; `moved` tells where captured objects are by now.
    pub fn of(
        kept: &Kept,
        (then, moved): (Recorded, BTreeMap<Address, Address>),
        targets: &[Target],
        schemas: &Schemas,
    ) -> Self {
        let now = |of: &Address| moved.get(of).unwrap_or(of).clone();
        let is_meant = |of: &Address| targets.is_empty() || targets.iter().any(|it| it.matches(of));
        let node = |of: &Address| of.node().map(|(set, name)| (set.to_owned(), name.to_owned()));
        let captured: Vec<_> =
            kept.snapshots().map(|(it, record)| (&it.of, now(&it.of), record)).collect();
        let meant = || captured.iter().map(|(_, of, _)| of).filter(|of| is_meant(of));
        let mut restore = Self {
            then,
            nodes: meant().filter_map(node).collect(),
            others: meant().filter(|of| of.node().is_none()).cloned().collect(),
            begin_with: BTreeMap::new(),
            kept_by: BTreeMap::new(),
            left: BTreeSet::new(),
            meant: BTreeSet::new(),
            again: BTreeSet::new(),
            is_whole: targets.is_empty(),
        };
        for (was, of, record) in captured {
            if !restore.has(&of) {
                continue;
            }
            let capture = capture::of_kind(schemas, of.kind());
            let Some(argument) = capture.and_then(|it: &Capture| it.restored_by.clone()) else {
                restore.left.insert(of);
                continue;
            };
            restore.meant.insert(was.clone());
            // One without a record is found damaged.
            let Some(record) = record else { continue };
            let begins = (argument, Value::from(record.id.as_str()));
            restore.kept_by.insert(of.clone(), record.provider.clone());
            restore.begin_with.insert(of, begins);
        }
        restore
    }

    /// Whether something is restored.
    fn has(&self, address: &Address) -> bool {
        let node = address.node().map(|(set, name)| (set.to_owned(), name.to_owned()));
        node.map_or_else(|| self.others.contains(address), |node| self.nodes.contains(&node))
    }

    /// With what these stand on and is gone; where everything is restored, with all that is gone.
    pub fn complete(&mut self, now: &Recorded) {
        let is_gone = |address: &&Address| !now.records.contains_key(*address);
        if self.is_whole {
            let gone = self.then.records.keys().filter(is_gone);
            self.others.extend(gone.filter(|address| address.node().is_none()).cloned());
            return;
        }
        let mut open: Vec<Address> =
            self.then.records.keys().filter(|address| self.has(address)).cloned().collect();
        while let Some(address) = open.pop() {
            let Some(record) = self.then.records.get(&address) else { continue };
            let needed = record.dependencies.iter().filter(is_gone);
            let new: Vec<Address> = needed.filter(|it| it.node().is_none()).cloned().collect();
            open.extend(new.into_iter().filter(|it| self.others.insert(it.clone())));
        }
    }

    /// What has begun with these very snapshots before.
    pub fn begun(&self, now: &Recorded) -> BTreeSet<Address> {
        let has = |(address, (argument, id)): &(&Address, &(String, Value))| {
            let stands = now.records.get(*address).and_then(|it| it.attributes.get(argument));
            stands.is_some_and(|stands| stands.same_content(id))
        };
        self.begin_with.iter().filter(has).map(|(address, _)| address.clone()).collect()
    }

    /// What its plan is held to, where this is recorded now: everything that is not restored stays as it is.
    pub fn options(&self, now: &Recorded) -> Options {
        let sets = now.node_sets.iter();
        let all =
            sets.flat_map(|(set, nodes)| nodes.iter().map(|it| (set.clone(), it.name.clone())));
        let mut targets = Vec::new();
        if !self.is_whole {
            let node = |(set, name): &(String, String)| format!("node_set.{set}.node[\"{name}\"]");
            let texts =
                self.nodes.iter().map(node).chain(self.others.iter().map(ToString::to_string));
            targets = texts.filter_map(|text| Target::parse(&text).ok()).collect();
        }
        Options {
            replace: self.again.clone(),
            targets,
            held: all.filter(|node| !self.nodes.contains(node)).collect(),
            begin_with: self.begin_with.clone(),
            ..Options::default()
        }
    }
}
