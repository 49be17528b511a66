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
use model::Sensitive;
use model::record::Recorded;
use place::Place;
use read::Reader;
use state::clock::Clock;
use state::holder::Holder;
use state::keyring::{NewWrap, Unlock};
use state::rules;
use state::transaction::{Needs, Rule};
use state::vault::Secrets;
use state::version::Version;
use state::{CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateError, StateStore};
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

    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    async fn transact(&self, needs: Needs, rule: Rule) -> Result<()> {
        let stopped = || StateError::Unreachable {
            place: self.place.shown.clone(),
            why: "the store's task has stopped".to_owned(),
        };
        self.queue().write(needs, rule).await.unwrap_or_else(|| Err(stopped()))
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        self.reader.ask(|view| Box::pin(async { Ok(view.meta.identity.clone()) })).await
    }

    async fn prepare(&self) -> Result<Identity> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        self.transact(Needs::default(), Box::new(|_| Ok(()))).await?;
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

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let entries = self.reader.ask(|view| Box::pin(view.journal(after))).await?;
        Ok(entries.unwrap_or_default())
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        let version = self.reader.ask(|view| Box::pin(view.version(serial))).await?;
        version.ok_or(StateError::NoVersion { serial, first: 0, last: 0 })
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
