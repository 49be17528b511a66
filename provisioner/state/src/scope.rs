//! Which part of an environment a run writes and relies on; two runs may go on at the same time when neither writes what the other
//! writes or relies on.
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

    /// Whether a holder may write an instance.
    pub fn covers(&self, address: &Address) -> bool {
        match self {
            Self::Environment => true,
            Self::Addresses { writes, .. } => writes.contains(address),
        }
    }

    /// Why two runs may not go on at the same time: the instances, or all of them (empty); none if they may.
    pub fn overlap(&self, other: &Self) -> Option<Vec<Address>> {
        match (self, other) {
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
    fn a_very_large_scope_is_the_whole_environment() {
        let many = (0..=Scope::MOST).map(|n| Address::parse(&format!("x.a[{n}]")).unwrap());
        assert_eq!(Scope::of(many.collect(), BTreeSet::new()), Scope::Environment);
    }
}
