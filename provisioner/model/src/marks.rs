//! What is known about a value besides its content: that it is sensitive, that it is ephemeral, where it
//! came from.
//!
//! Invariant: a mark never changes a value, only what may be done with it.

use crate::address::Address;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The marks of one value; those of its parts are their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marks {
    /// Never shown, and stored only sealed.
    pub sensitive: bool,
    /// Of this run alone: never stored, neither in a plan nor in the state.
    pub ephemeral: bool,
    /// The instances the content came from: they give the graph its edges.
    pub origins: Option<Arc<BTreeSet<Address>>>,
}

/// No marks, for values that have none.
pub(crate) static NONE: Marks = Marks { sensitive: false, ephemeral: false, origins: None };

impl Marks {
    /// The sensitive mark alone.
    pub fn sensitive() -> Self {
        Self { sensitive: true, ..Self::default() }
    }

    /// The ephemeral mark alone.
    pub fn ephemeral() -> Self {
        Self { ephemeral: true, ..Self::default() }
    }

    /// Coming from one instance.
    pub fn origin(address: &Address) -> Self {
        Self { origins: Some(Arc::new(BTreeSet::from([address.clone()]))), ..Self::default() }
    }

    /// Both sets of marks.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let origins = match (&self.origins, &other.origins) {
            (Some(left), Some(right)) if Arc::ptr_eq(left, right) => Some(left.clone()),
            (Some(left), Some(right)) if left.is_superset(right) => Some(left.clone()),
            (Some(left), Some(right)) => Some(Arc::new(left.union(right).cloned().collect())),
            (left, right) => left.as_ref().or(right.as_ref()).cloned(),
        };
        Self {
            sensitive: self.sensitive || other.sensitive,
            ephemeral: self.ephemeral || other.ephemeral,
            origins,
        }
    }

    /// Takes in further marks.
    pub fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            *self = self.union(other);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.sensitive && !self.ephemeral && self.origins.is_none()
    }
}
