//! Which part of an environment a run writes and relies on; two runs may go on at the same time when neither writes what the other
//! writes or relies on. Who drives a rollout holds that and no instance.
//!
//! Refuses to know: leases, stores.

use model::Address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A part of an environment. Every write carries it, so a copy is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of it.
    #[default]
    Environment,
    /// These instances.
    Addresses {
        /// What is written.
        writes: Arc<BTreeSet<Address>>,
        /// What must stay as it is meanwhile.
        reads: Arc<BTreeSet<Address>>,
    },
    /// The rollouts of these node sets: who drives them. It covers no instance; each wave is a run with a scope of its own.
    Rollout {
        /// Names of the node sets.
        node_sets: Arc<BTreeSet<String>>,
    },
}

impl Scope {
    /// Larger scopes become the whole environment: who changes so much leaves little to others, and a lease stays small.
    pub const MOST: usize = 4096;

    /// The scope of a run that writes and relies on these.
    pub fn of(writes: BTreeSet<Address>, mut reads: BTreeSet<Address>) -> Self {
        if writes.len() + reads.len() > Self::MOST {
            return Self::Environment;
        }
        reads.retain(|address| !writes.contains(address));
        Self::Addresses { writes: Arc::new(writes), reads: Arc::new(reads) }
    }

    /// The scope of whoever drives a rollout of these node sets.
    pub fn rollout(node_sets: BTreeSet<String>) -> Self {
        Self::Rollout { node_sets: Arc::new(node_sets) }
    }

    /// Whether a holder may write an instance.
    pub fn covers(&self, address: &Address) -> bool {
        match self {
            Self::Environment => true,
            Self::Addresses { writes, .. } => writes.contains(address),
            Self::Rollout { .. } => false,
        }
    }

    /// Why two runs may not go on at the same time: the instances, or all of them (empty); none if they may.
    pub fn overlap(&self, other: &Self) -> Option<Vec<Address>> {
        match (self, other) {
            (Self::Rollout { node_sets: ours }, Self::Rollout { node_sets: theirs }) => {
                (!ours.is_disjoint(theirs)).then(Vec::new)
            }
            // Waves write instances, and take leases for that.
            (Self::Rollout { .. }, _) | (_, Self::Rollout { .. }) => None,
            (
                Self::Addresses { writes: ours, reads: our_reads },
                Self::Addresses { writes: theirs, reads: their_reads },
            ) => {
                let mut both: BTreeSet<&Address> = ours.intersection(theirs).collect();
                both.extend(ours.intersection(their_reads));
                both.extend(our_reads.intersection(theirs));
                (!both.is_empty()).then(|| both.into_iter().cloned().collect())
            }
            // A run that touches no instance disturbs none.
            (Self::Addresses { writes, reads }, _) | (_, Self::Addresses { writes, reads }) => {
                let all = writes.union(reads).cloned().collect::<Vec<_>>();
                (!all.is_empty()).then_some(all)
            }
            (Self::Environment, Self::Environment) => Some(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    #[test]
    fn readers_do_not_disturb_each_other_and_writers_disturb_everybody() {
        let a = Scope::of(set(&["x.a"]), set(&["x.shared"]));
        let b = Scope::of(set(&["x.b"]), set(&["x.shared"]));
        assert_eq!(a.overlap(&b), None);
        let c = Scope::of(set(&["x.shared"]), set(&[]));
        assert_eq!(a.overlap(&c), Some(Vec::from_iter(set(&["x.shared"]))));
        assert_eq!(c.overlap(&a), a.overlap(&c));
        assert_eq!(Scope::Environment.overlap(&c), Some(Vec::from_iter(set(&["x.shared"]))));
        assert_eq!(Scope::Environment.overlap(&Scope::Environment), Some(Vec::new()));
        assert_eq!(Scope::Environment.overlap(&Scope::of(set(&[]), set(&[]))), None);
    }

    #[test]
    fn who_drives_a_rollout_excludes_only_others_who_would() {
        let sets = |names: &[&str]| Scope::rollout(names.iter().map(ToString::to_string).collect());
        let edge = sets(&["edge"]);
        assert_eq!(edge.overlap(&sets(&["monitor", "edge"])), Some(Vec::new()));
        assert_eq!(edge.overlap(&sets(&["monitor"])), None);
        let writer = Scope::of(set(&["x.a"]), set(&[]));
        for other in [&Scope::Environment, &writer] {
            assert_eq!((edge.overlap(other), other.overlap(&edge)), (None, None));
        }
        assert!(!edge.covers(&Address::parse("x.a").unwrap()));
    }

    #[test]
    fn a_very_large_scope_is_the_whole_environment() {
        let many = (0..=Scope::MOST).map(|n| Address::parse(&format!("x.a[{n}]")).unwrap());
        assert_eq!(Scope::of(many.collect(), BTreeSet::new()), Scope::Environment);
    }
}
