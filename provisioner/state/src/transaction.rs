//! Writes as every store runs them: a rule over the tables, in one transaction, with what it looks at.
//!
//! Invariant: a rule may be run again when its transaction is made anew, so it keeps nothing from one run to the next; what it
//! answers is what it answered in the run that was committed. Refuses to know: what the rules are (`rules`), and how a
//! transaction is made.

use crate::error::StateError;
use crate::port::{Lease, RunResults, StateStore};
use crate::rules::Tables;
use model::Address;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What is done within a transaction.
pub type Rule = Box<dyn Fn(&mut dyn Tables) -> Result<(), StateError> + Send>;

/// What a rule looks at and changes. Stores that have the tables at hand need not be told; those that fetch them fetch this and
/// nothing else.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Every lease, not just those of `epochs`.
    pub all_leases: bool,
    /// The leases of these numbers.
    pub epochs: BTreeSet<u64>,
    /// All that there is about these instances.
    pub addresses: BTreeSet<String>,
    /// These intents, and all that there is about their instances but their other intents.
    pub sequences: BTreeSet<u64>,
    /// Which provider configurations are in use.
    pub providers: bool,
    /// Which rollouts are not over.
    pub rollouts: bool,
    /// A write that concerns everything shares its transaction with no other.
    pub alone: Option<Alone>,
}

/// Writes that concern everything.
#[derive(Clone, Debug)]
pub enum Alone {
    /// Seal all with another keyring.
    Rekey(Option<String>),
    /// Drop the journal up to a sequence.
    Prune(u64),
}

impl Needs {
    /// What a write under a lease looks at, whatever it is.
    pub(crate) fn under(lease: &Lease) -> Self {
        Self { epochs: [lease.info.epoch].into(), ..Self::default() }
    }

    pub(crate) fn and_addresses<'a>(
        mut self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Self {
        self.addresses.extend(addresses.into_iter().map(Address::to_string));
        self
    }

    pub(crate) fn and_intent(mut self, sequence: u64) -> Self {
        self.sequences.insert(sequence);
        self
    }

    /// Dropping a provider configuration asks who uses it.
    pub(crate) fn and_results(mut self, results: &RunResults) -> Self {
        self.providers |= results.providers.values().any(Option::is_none);
        self
    }

    pub(crate) fn alone(self, alone: Alone) -> Self {
        Self { alone: Some(alone), ..self }
    }

    /// Also what another write needs.
    pub fn add(&mut self, other: &Self) {
        self.all_leases |= other.all_leases;
        self.providers |= other.providers;
        self.rollouts |= other.rollouts;
        self.epochs.extend(&other.epochs);
        self.addresses.extend(other.addresses.iter().cloned());
        self.sequences.extend(&other.sequences);
        self.alone = self.alone.take().or_else(|| other.alone.clone());
    }
}

/// Runs a rule that answers something.
pub(crate) async fn transact<T: Send + 'static>(
    store: &(impl StateStore + ?Sized),
    needs: Needs,
    rule: impl Fn(&mut dyn Tables) -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    let answer = Arc::new(Mutex::new(None));
    let told = answer.clone();
    let rule = move |tables: &mut dyn Tables| {
        let value = rule(tables)?;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    };
    store.transact(needs, Box::new(rule)).await?;
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| StateError::Illegal("a write was dropped".to_owned()))
}
