//! Environments recorded in a PostgreSQL database, many in one, for teams.
//!
//! A write is one transaction that holds the lock of its environment's row and takes the server's clock; one task a
//! store writes (`writer`), grouping what is asked for at the same time: one round trip fetches what the group
//! looks at (`fetch`), the rules decide over it (`overlay`), one writes and commits (`flush`), however large the
//! group or the environment. Reading takes another connection and no lease. Two connections a store are all that is
//! ever needed, so there is no pool: each is made when it is missing.
//!
//! Refuses to know: what is in a plan, where the configuration says so.

mod birth;
mod errors;
mod fetch;
mod flush;
mod meta;
mod overlay;
mod place;
mod read;
mod schema;
mod session;
mod target;
mod tls;
mod walk;
mod writer;

use async_trait::async_trait;
use errors::Trouble;
use fetch::{Alone, Needs};
use model::record::{Intent, Outcome, Record, Recorded};
use model::rollout::entry::Entry;
use model::{Address, Sensitive};
use place::Place;
use read::Reader;
use state::clock::Clock;
use state::holder::Holder;
use state::keyring::{NewWrap, Unlock};
use state::rules::{self, Tables};
use state::vault::Secrets;
use state::version::Version;
use state::{
    Attempt, CheckReport, Completed, Dump, Edit, Identity, JournalEntry, Lease, LeaseInfo,
    LeaseRequest, RunResults, StateError, StateStore,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use target::Target;
use tls::Connector;
use writer::Queue;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// The schema that the tables are in unless another is named.
pub const SCHEMA: &str = "provisioner";

/// How long a write is tried again after the connection broke: half the life of a lease, so that a run that gets through knows
/// that it is still its own.
pub const PATIENCE: Duration = Duration::from_secs(rules::LEASE_SECONDS as u64 / 2);

/// What a store is opened with.
#[derive(Debug)]
pub struct PostgresOptions {
    /// The schema that the tables are in; made by the first write.
    pub schema: String,
    /// What opens the environment's keys.
    pub unlock: Unlock,
    /// How sensitive values are written.
    pub secrets: Secrets,
    /// Ways into the keyring of an environment that is made now; a key file and no keyring if there are none.
    pub initial_keyring: Vec<NewWrap>,
    /// In place of a password in the URL.
    pub password: Option<Sensitive<String>>,
    /// How long a write is tried again after the connection broke; [`PATIENCE`] is usual.
    pub patience: Duration,
}

impl PostgresOptions {
    /// What is usual.
    pub fn new(unlock: impl Into<Unlock>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            unlock: unlock.into(),
            secrets: Secrets::Sealed,
            initial_keyring: Vec::new(),
            password: None,
            patience: PATIENCE,
        }
    }
}

/// An environment recorded in a database.
pub struct PostgresStore {
    place: Arc<Place>,
    clock: Option<Arc<dyn Clock>>,
    holder: Holder,
    queue: Mutex<Option<Queue>>,
    reader: Reader,
}

impl PostgresStore {
    /// The store of an environment in the database of a URL. Nothing is connected yet: the first question does that, and the first
    /// write makes what is missing.
    pub fn open(url: &str, environment: &str, options: PostgresOptions) -> Result<Self> {
        let mut target = Target::parse(url)?;
        if let Some(password) = &options.password {
            target.config.password(password.expose());
        }
        let shown = format!("{}?schema={}#{environment}", target.shown, options.schema);
        let connector = Connector::new(target.verify, target.roots.as_deref()).map_err(|why| {
            let hint = "name a file of certificates in PEM form with `sslrootcert`".to_owned();
            StateError::Unreadable { path: shown.clone(), why, hint }
        })?;
        let place = Arc::new(Place {
            config: target.config,
            connector,
            unproven: target.unproven,
            schema: schema::Schema::new(&options.schema),
            environment: environment.to_owned(),
            unlock: options.unlock,
            secrets: options.secrets,
            ways: options.initial_keyring,
            shown,
            patience: options.patience,
            vault: Mutex::new(None),
        });
        let (queue, reader) = (Mutex::new(None), Reader::new(place.clone()));
        Ok(Self { place, clock: None, holder: Holder::current(), queue, reader })
    }

    /// By another clock than the server's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// As someone else.
    #[must_use]
    pub fn with_holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    fn queue(&self) -> Queue {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match &*queue {
            Some(queue) if !queue.is_closed() => queue.clone(),
            // None yet, or it ended with the runtime that it was started on.
            _ => queue.insert(Queue::start(self.place.clone(), self.clock.clone())).clone(),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        needs: Needs,
        work: impl Fn(&mut dyn Tables) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let stopped = || StateError::Unreachable {
            place: self.place.shown.clone(),
            why: "the store's task has stopped".to_owned(),
        };
        self.queue().write(needs, work).await.unwrap_or_else(|| Err(stopped()))
    }
}

/// What a write under a lease looks at.
fn under(lease: &Lease) -> Needs {
    Needs { epochs: [lease.info.epoch].into(), ..Needs::default() }
}

impl Needs {
    fn and_addresses<'a>(mut self, addresses: impl IntoIterator<Item = &'a Address>) -> Self {
        self.addresses.extend(addresses.into_iter().map(Address::to_string));
        self
    }

    fn and_intent(mut self, sequence: u64) -> Self {
        self.sequences.insert(sequence);
        self
    }

    /// Dropping a provider configuration asks who uses it.
    fn and_results(mut self, results: &RunResults) -> Self {
        self.providers |= results.providers.values().any(Option::is_none);
        self
    }

    fn alone(self, alone: Alone) -> Self {
        Self { alone: Some(alone), ..self }
    }
}

#[async_trait]
impl StateStore for PostgresStore {
    fn place(&self) -> String {
        self.place.shown.clone()
    }

    fn warning(&self) -> Option<String> {
        self.place.unproven.then(|| {
            let shown = &self.place.shown;
            format!("{shown} need not prove who it is: write `sslmode=verify-full` in its URL")
        })
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        self.reader.ask(|view| Box::pin(async { Ok(view.meta.identity.clone()) })).await
    }

    async fn prepare(&self) -> Result<Identity> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        self.write(Needs::default(), |_| Ok(())).await?;
        let missing = || StateError::Corrupt {
            path: self.place.shown.clone(),
            what: "the environment vanished as soon as it was made".to_owned(),
        };
        self.identity().await?.ok_or_else(missing)
    }

    async fn load(&self) -> Result<Recorded> {
        let recorded = self.reader.ask(|view| Box::pin(view.recorded())).await?;
        Ok(recorded.unwrap_or_default())
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        let asked =
            self.reader.ask(|view| Box::pin(async { Ok((view.leases().await?, view.now)) }));
        let Some((rows, now)) = asked.await? else { return Ok(Vec::new()) };
        let now = self.clock.as_ref().map_or(now, |clock| rules::whole_milliseconds(clock.now()));
        Ok(rules::held(rows, &self.holder, now))
    }

    async fn acquire(&self, request: LeaseRequest) -> Result<Lease> {
        let (holder, needs) = (self.holder.clone(), Needs { all_leases: true, ..Needs::default() });
        self.write(needs, move |tables| rules::acquire(tables, &request, &holder)).await
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        let (needs, lease) = (under(lease), lease.clone());
        self.write(needs, move |tables| rules::renew(tables, &lease)).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.write(under(&lease), move |tables| rules::release(tables, &lease)).await
    }

    async fn unlock(&self, epoch: u64, by: &str) -> Result<Option<LeaseInfo>> {
        let needs = Needs { epochs: [epoch].into(), ..Needs::default() };
        let by = by.to_owned();
        self.write(needs, move |tables| rules::unlock(tables, epoch, &by)).await
    }

    async fn append(&self, lease: &Lease, entry: Entry) -> Result<u64> {
        let (needs, lease) = (Needs { rollouts: true, ..under(lease) }, lease.clone());
        self.write(needs, move |tables| rules::append(tables, &lease, &entry)).await
    }

    async fn begin(&self, lease: &Lease, intent: Intent) -> Result<u64> {
        let needs = under(lease).and_addresses([&intent.address]);
        let lease = lease.clone();
        self.write(needs, move |tables| rules::begin(tables, &lease, &intent)).await
    }

    async fn begin_all(&self, lease: &Lease, intents: Vec<Intent>) -> Result<Vec<u64>> {
        let needs = under(lease).and_addresses(intents.iter().map(|intent| &intent.address));
        let lease = lease.clone();
        self.write(needs, move |tables| rules::begin_all(tables, &lease, &intents)).await
    }

    async fn attempt(&self, lease: &Lease, sequence: u64, attempt: Attempt) -> Result<()> {
        let (needs, lease) = (under(lease).and_intent(sequence), lease.clone());
        self.write(needs, move |tables| rules::attempt(tables, &lease, sequence, &attempt)).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<Option<Record>> {
        let (needs, lease) = (under(lease).and_intent(sequence), lease.clone());
        self.write(needs, move |tables| rules::finish(tables, &lease, sequence, &outcome)).await
    }

    async fn complete(&self, lease: &Lease, calls: Vec<Completed>) -> Result<Vec<Option<Record>>> {
        let needs = under(lease).and_addresses(calls.iter().map(|call| &call.intent.address));
        let lease = lease.clone();
        self.write(needs, move |tables| rules::complete(tables, &lease, &calls)).await
    }

    async fn write_refreshed(
        &self,
        lease: &Lease,
        records: Vec<Record>,
        vanished: Vec<Address>,
    ) -> Result<()> {
        let written = records.iter().map(|record| &record.address).chain(&vanished);
        let (needs, lease) = (under(lease).and_addresses(written), lease.clone());
        let work = move |tables: &mut dyn Tables| {
            rules::write_refreshed(tables, &lease, &records, &vanished)
        };
        self.write(needs, work).await
    }

    async fn forget(&self, lease: &Lease, address: &Address) -> Result<()> {
        let needs = under(lease).and_addresses([address]);
        let (lease, address) = (lease.clone(), address.clone());
        self.write(needs, move |tables| rules::forget(tables, &lease, &address)).await
    }

    async fn write_results(&self, lease: &Lease, results: RunResults) -> Result<()> {
        let (needs, lease) = (under(lease).and_results(&results), lease.clone());
        self.write(needs, move |tables| rules::write_results(tables, &lease, &results)).await
    }

    async fn edit(&self, lease: &Lease, edit: Edit) -> Result<()> {
        let put = edit.put.iter().chain(&edit.depose).map(|record| &record.address);
        let deposed = edit.remove_deposed.iter().map(|(address, _)| address);
        let needs = under(lease).and_addresses(put.chain(deposed).chain(&edit.remove));
        let (needs, lease) = (needs.and_results(&edit.results), lease.clone());
        self.write(needs, move |tables| rules::edit(tables, &lease, &edit)).await
    }

    async fn rekey(&self, lease: &Lease, keyring: Option<String>) -> Result<()> {
        let (needs, lease) = (under(lease).alone(Alone::Rekey(keyring.clone())), lease.clone());
        self.write(needs, move |tables| rules::rekey(tables, &lease, keyring.as_deref())).await
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let entries = self.reader.ask(|view| Box::pin(view.journal(after))).await?;
        Ok(entries.unwrap_or_default())
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        let version = self.reader.ask(|view| Box::pin(view.version(serial))).await?;
        version.ok_or(StateError::NoVersion { serial, first: 0, last: 0 })
    }

    async fn prune(&self, lease: &Lease, serial: u64) -> Result<u64> {
        let needs = Needs { rollouts: true, ..under(lease).alone(Alone::Prune(serial)) };
        let lease = lease.clone();
        self.write(needs, move |tables| rules::prune(tables, &lease, serial)).await
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(self.reader.ask(|view| Box::pin(view.check())).await?.unwrap_or_default())
    }

    async fn dump(&self) -> Result<Dump> {
        if let Some(by) = self.leases().await?.into_iter().next() {
            return Err(StateError::Held { by: Box::new(by), addresses: Vec::new() });
        }
        let dump = self.reader.ask(|view| Box::pin(view.dump())).await?;
        dump.ok_or_else(|| StateError::Unreadable {
            path: self.place.shown.clone(),
            why: "there is no such environment".to_owned(),
            hint: "nothing was ever applied to it from here".to_owned(),
        })
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        let image = birth::image_of(&self.place, dump).await?;
        match birth::take_over(&self.place, &image, false).await {
            Err(Trouble::Passing(_)) => {}
            Err(Trouble::Final(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
        birth::take_over(&self.place, &image, true).await.map_err(|trouble| match trouble {
            Trouble::Final(error) => error,
            Trouble::Passing(why) => {
                StateError::Unreachable { place: self.place.shown.clone(), why }
            }
        })
    }
}
