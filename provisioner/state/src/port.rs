//! The StateStore port: what the engine and the commands ask of any place that records an environment.
//!
//! Contract: `begin` returns only when the intent is durable; `finish` makes the outcome durable together with the
//! records it changes, in one transaction; every write checks that its lease is still held. Reading needs
//! no lease. The rules that every store shares are in `rules`; `conformance` tests them.
//!
//! Refuses to know: how and where anything is stored.

use crate::error::StateError;
use crate::holder::Holder;
use crate::rows::RawEntry;
use crate::rules::{self, Tables};
use crate::scope::Scope;
use crate::transaction::{Alone, Needs, Rule, transact};
use crate::version::{Base, Version};
use async_trait::async_trait;
use model::Address;
use model::graph::{Node, Output, ProviderConfig};
use model::record::{Intent, Outcome, Record, Recorded};
use model::rollout::entry::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who holds a part of an environment, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInfo {
    /// The run's id.
    pub run: String,
    /// User name of the owner.
    pub owner: String,
    /// Host name.
    pub host: String,
    /// Operating-system process id on that host.
    pub pid: u32,
    /// The command line's verb and target, for people: `apply environments/staging`.
    pub command: String,
    /// RFC 3339 time it was taken.
    pub since: String,
    /// RFC 3339 time it ends unless renewed.
    pub expires: String,
    /// Fencing token: raised at every taking; a write with one that is not held any more is refused.
    pub epoch: u64,
    /// What of the environment.
    #[serde(default)]
    pub scope: Scope,
}

/// A lease that is held. Give it back with [`StateStore::release`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What others see.
    pub info: LeaseInfo,
}

/// What is known of the taker of a lease.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// The run's id, unique.
    pub run: String,
    /// The command, for people.
    pub command: String,
    /// What it is about to write, and what it relies on.
    pub scope: Scope,
    /// For how many seconds; [`crate::LEASE_SECONDS`] is usual.
    pub seconds: u32,
}

/// Changes of what is written beside records; none in place of a value drops the entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResults {
    /// Root outputs, wholly known.
    pub outputs: BTreeMap<String, Option<Output>>,
    /// Provider configurations. One that a record still refers to is not dropped.
    pub providers: BTreeMap<String, Option<ProviderConfig>>,
    /// Nodes by node set.
    pub node_sets: BTreeMap<String, Option<Vec<Node>>>,
}

impl RunResults {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.providers.is_empty() && self.node_sets.is_empty()
    }
}

/// A call that will be made again with the identical request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The call that comes, from 2.
    pub number: u32,
    /// The class of the error of the last one.
    pub class: String,
    /// What the provider said; holds no secret.
    pub message: String,
    /// Milliseconds until the call.
    pub wait_ms: u64,
}

/// A call that has ended, of an object that is nowhere but in the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// What was called (`sequence` and `run` are ignored).
    pub intent: Intent,
    /// How it ended.
    pub outcome: Outcome,
}

/// A change of the state by hand: moved, removed, imported, adopted, restored. Objects are not touched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The command, for people: `state mv a b`.
    pub reason: String,
    /// Addresses whose records go; done first.
    pub remove: Vec<Address>,
    /// Records to write. Each gets a revision that its address never had, and keeps a higher one that it brings.
    pub put: Vec<Record>,
    /// Deposed objects that are not to be deleted any more: address and id.
    pub remove_deposed: Vec<(Address, String)>,
    /// Objects to be deleted by the next apply.
    pub depose: Vec<Record>,
    /// Changes beside the records.
    pub results: RunResults,
}

/// One entry of the journal, for people and later recovery tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// From 1, without gaps. The state after entry N is version N.
    pub sequence: u64,
    /// The run that wrote it.
    pub run: String,
    /// RFC 3339.
    pub at: String,
    /// `intent`, `attempt`, `outcome`, `refreshed`, `forgotten`, `results-changed`, `edited`, `run-started`,
    /// `run-finished`, `unlocked`, `rekeyed`, `pruned`, `rollout`; `results` in what older programs wrote.
    pub kind: String,
    /// The instance, if it is about one.
    pub address: Option<Address>,
    /// The content, sealed where sensitive.
    pub body: serde_json::Value,
}

/// The entries of a rollout from journal sequence `began` on, each with its sequence, oldest first.
///
/// # Errors
/// When the store cannot be read, or an entry does not read.
pub async fn rollout_entries(
    store: &dyn StateStore,
    rollout: &str,
    began: u64,
) -> Result<Vec<(u64, Entry)>, StateError> {
    let journal = store.journal(began.saturating_sub(1)).await?;
    let read = |entry: JournalEntry| {
        let sequence = entry.sequence;
        let what = |error| StateError::Corrupt {
            path: store.place(),
            what: format!("journal entry {sequence} does not read: {error}"),
        };
        serde_json::from_value(entry.body).map(|entry| (sequence, entry)).map_err(what)
    };
    let of_rollouts = journal.into_iter().filter(|entry| entry.kind == "rollout");
    let entries: Vec<(u64, Entry)> = of_rollouts.map(read).collect::<Result<_, _>>()?;
    Ok(entries.into_iter().filter(|(_, entry)| entry.rollout == rollout).collect())
}

/// What an environment is, whatever is recorded in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The environment's name.
    pub environment: String,
    /// Random, made once with the environment.
    pub lineage: String,
    /// Check value of the first key.
    pub key_check: String,
    /// The keyring, if keys are not just in the key file (see [`crate::keyring`]).
    pub keyring: Option<String>,
}

/// What a look at everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Journal entries looked at.
    pub entries: u64,
    /// Records looked at.
    pub records: u64,
    /// What is wrong; empty when all is sound.
    pub findings: Vec<String>,
}

/// Everything of an environment, as one store hands it to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    /// What it is.
    pub identity: Identity,
    /// The last fencing token.
    pub epoch: u64,
    /// Where the journal begins, if it was pruned.
    pub base: Option<Base>,
    /// The journal, bytes and hashes as they are.
    pub journal: Vec<RawEntry>,
}

/// Where environments are recorded.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Where that is, for people: a path, a URL without its secrets.
    fn place(&self) -> String;

    /// A remark for people about the place, if there is a reason for one.
    fn warning(&self) -> Option<String> {
        None
    }

    /// Who takes leases by this handle.
    fn holder(&self) -> Holder;

    /// Runs a rule in one transaction, and returns when what it wrote is durable. All writes come down to this.
    async fn transact(&self, needs: Needs, rule: Rule) -> Result<(), StateError>;

    /// What the environment is; none if it was never written.
    async fn identity(&self) -> Result<Option<Identity>, StateError>;

    /// Makes the environment, its lineage and its key now, if they are not there yet. Needs no lease.
    async fn prepare(&self) -> Result<Identity, StateError>;

    /// Everything: records, outputs, unfinished intents. Changes nothing: an environment that was never written is
    /// empty, its lineage too.
    async fn load(&self) -> Result<Recorded, StateError>;

    /// Who holds what now, oldest first. Those that are provably over are left out.
    async fn leases(&self) -> Result<Vec<LeaseInfo>, StateError>;

    /// Takes what the request names for a run. Leases that are over (expired, or of a dead process on this host) are
    /// taken over; one that overlaps and may still be held is [`StateError::Held`].
    async fn acquire(&self, request: LeaseRequest) -> Result<Lease, StateError> {
        let (holder, needs) = (self.holder(), Needs { all_leases: true, ..Needs::default() });
        transact(self, needs, move |tables| rules::acquire(tables, &request, &holder)).await
    }

    /// Extends a held lease; [`StateError::LeaseLost`] means that nothing may be written any more.
    async fn renew(&self, lease: &Lease) -> Result<(), StateError> {
        let (needs, lease) = (Needs::under(lease), lease.clone());
        transact(self, needs, move |tables| rules::renew(tables, &lease)).await
    }

    /// Gives a lease back.
    async fn release(&self, lease: Lease) -> Result<(), StateError> {
        transact(self, Needs::under(&lease), move |tables| rules::release(tables, &lease)).await
    }

    /// Takes a lease away from whoever holds it; none if no lease has this epoch. Journaled under the name of `by`.
    async fn unlock(&self, epoch: u64, by: &str) -> Result<Option<LeaseInfo>, StateError> {
        let needs = Needs { epochs: [epoch].into(), ..Needs::default() };
        let by = by.to_owned();
        transact(self, needs, move |tables| rules::unlock(tables, epoch, &by)).await
    }

    /// Makes an entry of a rollout durable and returns its journal sequence. It must be numbered as the next of its
    /// rollout, or else it is [`StateError::RolloutWentOn`]: who lost to another writer reads what that one wrote and
    /// decides again. Needs a lease of [`Scope::Rollout`] with all node sets of the rollout; what people say (`Asked`,
    /// `Approved`) any lease. Until an entry `Ended` the rollout is among [`Recorded::rollouts`].
    async fn append(&self, lease: &Lease, entry: Entry) -> Result<u64, StateError> {
        let (needs, lease) = (Needs { rollouts: true, ..Needs::under(lease) }, lease.clone());
        transact(self, needs, move |tables| rules::append(tables, &lease, &entry)).await
    }

    /// Makes an intent durable and returns its journal sequence (the given `sequence` and `run` are ignored). A
    /// second intent for an address is refused while the first has no outcome; deletions of deposed
    /// objects are an exception.
    async fn begin(&self, lease: &Lease, intent: Intent) -> Result<u64, StateError> {
        let needs = Needs::under(lease).and_addresses([&intent.address]);
        let lease = lease.clone();
        transact(self, needs, move |tables| rules::begin(tables, &lease, &intent)).await
    }

    /// The same for many, in one transaction. One that is refused leaves nothing of any of them.
    async fn begin_all(&self, lease: &Lease, intents: Vec<Intent>) -> Result<Vec<u64>, StateError> {
        let needs = Needs::under(lease).and_addresses(intents.iter().map(|intent| &intent.address));
        let lease = lease.clone();
        transact(self, needs, move |tables| rules::begin_all(tables, &lease, &intents)).await
    }

    /// Makes durable that the call of the intent `sequence` failed in passing and will be made again.
    async fn attempt(
        &self,
        lease: &Lease,
        sequence: u64,
        attempt: Attempt,
    ) -> Result<(), StateError> {
        let (needs, lease) = (Needs::under(lease).and_intent(sequence), lease.clone());
        transact(self, needs, move |tables| rules::attempt(tables, &lease, sequence, &attempt))
            .await
    }

    /// Makes the outcome of the intent `sequence` durable, with the change of records it means. A second outcome for
    /// one intent is an error. Returns the record as stored, with its revision. From the first record on, the
    /// provider configuration of its intent is among [`Recorded::providers`].
    async fn finish(
        &self,
        lease: &Lease,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<Option<Record>, StateError> {
        let (needs, lease) = (Needs::under(lease).and_intent(sequence), lease.clone());
        transact(self, needs, move |tables| rules::finish(tables, &lease, sequence, &outcome)).await
    }

    /// Makes calls durable that changed nothing outside: intent and outcome of each, in one transaction, as if by `begin`
    /// and `finish`. One that is refused leaves nothing of any of them. Returns the records as stored.
    async fn complete(
        &self,
        lease: &Lease,
        calls: Vec<Completed>,
    ) -> Result<Vec<Option<Record>>, StateError> {
        let addresses = calls.iter().map(|call| &call.intent.address);
        let needs = Needs::under(lease).and_addresses(addresses);
        let lease = lease.clone();
        transact(self, needs, move |tables| rules::complete(tables, &lease, &calls)).await
    }

    /// Writes records that refresh brought up to date and drops those that vanished, in one transaction. What is the
    /// same as before is not written; a record of an address that has none is an error.
    async fn write_refreshed(
        &self,
        lease: &Lease,
        records: Vec<Record>,
        vanished: Vec<Address>,
    ) -> Result<(), StateError> {
        let written = records.iter().map(|record| &record.address).chain(&vanished);
        let (needs, lease) = (Needs::under(lease).and_addresses(written), lease.clone());
        let rule = move |tables: &mut dyn Tables| {
            rules::write_refreshed(tables, &lease, &records, &vanished)
        };
        transact(self, needs, rule).await
    }

    /// Drops a record and leaves its object alone.
    async fn forget(&self, lease: &Lease, address: &Address) -> Result<(), StateError> {
        let needs = Needs::under(lease).and_addresses([address]);
        let (lease, address) = (lease.clone(), address.clone());
        transact(self, needs, move |tables| rules::forget(tables, &lease, &address)).await
    }

    /// Writes outputs, provider configurations and node sets. Nothing is written for no change.
    async fn write_results(&self, lease: &Lease, results: RunResults) -> Result<(), StateError> {
        let (needs, lease) = (Needs::under(lease).and_results(&results), lease.clone());
        transact(self, needs, move |tables| rules::write_results(tables, &lease, &results)).await
    }

    /// Changes the state by hand, in one transaction.
    async fn edit(&self, lease: &Lease, edit: Edit) -> Result<(), StateError> {
        let put = edit.put.iter().chain(&edit.depose).map(|record| &record.address);
        let deposed = edit.remove_deposed.iter().map(|(address, _)| address);
        let needs = Needs::under(lease).and_addresses(put.chain(deposed).chain(&edit.remove));
        let (needs, lease) = (needs.and_results(&edit.results), lease.clone());
        transact(self, needs, move |tables| rules::edit(tables, &lease, &edit)).await
    }

    /// Puts another keyring in place and seals everything but the journal anew. Needs the whole environment.
    async fn rekey(&self, lease: &Lease, keyring: Option<String>) -> Result<(), StateError> {
        let needs = Needs::under(lease).alone(Alone::Rekey(keyring.clone()));
        let lease = lease.clone();
        transact(self, needs, move |tables| rules::rekey(tables, &lease, keyring.as_deref())).await
    }

    /// The journal from `after` (exclusive), oldest first, as far as it was not pruned.
    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>, StateError>;

    /// The environment as it was after journal entry `serial`; an error if that was pruned or is yet to come.
    async fn version(&self, serial: u64) -> Result<Version, StateError>;

    /// Drops the journal's entries up to `serial` and keeps that version in their place; earlier versions cannot be
    /// had any more. Stops before the first intent without outcome, and before what a rollout that is not over
    /// needs: its first entry and the version of its stable revision. Needs the whole environment. Returns how
    /// many entries went.
    async fn prune(&self, lease: &Lease, serial: u64) -> Result<u64, StateError> {
        let needs = Needs::under(lease).alone(Alone::Prune(serial));
        let (needs, lease) = (Needs { rollouts: true, ..needs }, lease.clone());
        transact(self, needs, move |tables| rules::prune(tables, &lease, serial)).await
    }

    /// Looks at everything: rows, hashes, the journal's chain, and that the journal tells what the tables hold.
    async fn check(&self) -> Result<CheckReport, StateError>;

    /// Everything, for another store. No run may hold anything.
    async fn dump(&self) -> Result<Dump, StateError>;

    /// Takes over what another store dumped; an error unless this environment was never written here.
    async fn take_over(&self, dump: Dump) -> Result<(), StateError>;
}
