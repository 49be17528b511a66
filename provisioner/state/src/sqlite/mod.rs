//! The embedded store: one SQLite file an environment.
//!
//! Write-ahead log, `synchronous = FULL`; records and journal change in one transaction; every row carries a
//! hash and the journal is a hash chain, so that a flipped bit is named and never believed. One thread a store writes
//! (`writer`), grouping what is asked for at the same time; reading takes another connection and no lease.
//! Programs take turns to commit (`turn`). `meta` tells how many rows there are and what their hashes sum up to, so
//! that a load need not walk the journal. The file is made by the first write, whole or not at all; one of an older
//! format is read as it is, and the first write brings it up to date (`migrate`).
//!
//! Refuses to know: where state files are kept, what is in a plan.

mod errors;
mod filesystem;
mod format;
mod meta;
mod migrate;
mod pack;
mod read;
mod tables;
mod take_over;
mod turn;
mod writer;

use crate::clock::{Clock, SystemClock};
use crate::error::StateError;
use crate::holder::Holder;
use crate::keyring::{NewWrap, Unlock};
use crate::port::{CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateStore};
use crate::rules;
use crate::seal::Nonces;
use crate::transaction::{Needs, Rule};
use crate::vault::{Secrets, Vault};
use crate::version::Version;
use async_trait::async_trait;
use errors::Doing;
use jiff::Timestamp;
use meta::Meta;
use model::record::Recorded;
use read::Reader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use writer::{Place, Queue, Writer};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// How long one program waits for another's commit.
const BUSY: Duration = Duration::from_secs(10);

/// What opens and seals an environment's secrets.
#[derive(Clone, Debug)]
struct Access {
    unlock: Unlock,
    secrets: Secrets,
    nonces: Nonces,
}

impl Access {
    fn vault(&self, meta: &Meta) -> Vault {
        let (lineage, check) = (meta.lineage.clone(), meta.key_check.clone());
        let (unlock, nonces) = (self.unlock.clone(), self.nonces.clone());
        Vault::unlocked_by(unlock, meta.keyring.clone(), self.secrets, lineage, check)
            .with_nonces(nonces)
    }
}

/// An environment recorded in a file.
pub struct SqliteStore {
    path: PathBuf,
    environment: String,
    access: Access,
    ways: Vec<NewWrap>,
    clock: Arc<dyn Clock>,
    holder: Holder,
    lineage: Option<String>,
    max_pages: Option<u32>,
    writer: Mutex<Option<Writer>>,
}

impl SqliteStore {
    /// The store of an environment. The file need not exist: the first write makes it, and the environment's key. An
    /// existing file is looked at, so that a damaged or newer one is refused here.
    pub fn open(
        path: impl Into<PathBuf>,
        environment: &str,
        unlock: impl Into<Unlock>,
    ) -> Result<Self> {
        let path = path.into();
        if format::exists(&path, Doing::Reading)? {
            let connection = read::connect(&path);
            let connection = connection.map_err(|error| Doing::Reading.sqlite(&path, &error))?;
            format::identify(&connection, &path, Doing::Reading)?;
        }
        let unlock = unlock.into();
        Ok(Self {
            path,
            environment: environment.to_owned(),
            access: Access { unlock, secrets: Secrets::Sealed, nonces: Nonces::Random },
            ways: Vec::new(),
            clock: Arc::new(SystemClock),
            holder: Holder::current(),
            lineage: None,
            max_pages: None,
            writer: Mutex::new(None),
        })
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// As someone else.
    #[must_use]
    pub fn with_holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    /// Writes sensitive values as this says; a new environment is sealed unless told otherwise.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Secrets) -> Self {
        self.access.secrets = secrets;
        self
    }

    /// With a keyring that these ways open, and no key file, if the environment is made now. An environment that is there
    /// keeps its keys.
    #[must_use]
    pub fn with_initial_keyring(mut self, ways: Vec<NewWrap>) -> Self {
        self.ways = ways;
        self
    }

    /// The state file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn now(&self) -> Timestamp {
        rules::whole_milliseconds(self.clock.now())
    }

    fn queue(&self) -> Result<Queue> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_none() {
            let place = Place {
                path: self.path.clone(),
                environment: self.environment.clone(),
                access: self.access.clone(),
                clock: self.clock.clone(),
                lineage: self.lineage.clone(),
                ways: self.ways.clone(),
                max_pages: self.max_pages,
                open: None,
            };
            let started = Writer::start(place);
            *writer = Some(started.map_err(|error| Doing::Writing.io(&self.path, &error))?);
        }
        writer.as_ref().and_then(Writer::queue).ok_or_else(|| self.stopped())
    }

    fn stopped(&self) -> StateError {
        let hint = "this is a defect in provisioner: please report it".to_owned();
        Doing::Writing.failed(&self.path, "the store's thread has stopped", hint)
    }

    /// Asks a question of the file, off the asynchronous threads; none if there is no file.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let (path, environment, access) =
            (self.path.clone(), self.environment.clone(), self.access.clone());
        let ask = move || {
            let reader = Reader::open(&path, &environment, &access)?;
            reader.map(|reader| question(&reader)).transpose()
        };
        tokio::task::spawn_blocking(ask).await.unwrap_or_else(|_| Err(self.stopped()))
    }
}

#[async_trait]
impl StateStore for SqliteStore {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn warning(&self) -> Option<String> {
        filesystem::warning(&self.path)
    }

    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    async fn transact(&self, _needs: Needs, rule: Rule) -> Result<()> {
        self.queue()?.write(rule).await.unwrap_or_else(|| Err(self.stopped()))
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        self.read(|reader| Ok(reader.meta.identity())).await
    }

    async fn prepare(&self) -> Result<Identity> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        self.transact(Needs::default(), Box::new(|_| Ok(()))).await?;
        let missing = || errors::corrupt(&self.path, "it vanished as soon as it was made");
        self.identity().await?.ok_or_else(missing)
    }

    async fn load(&self) -> Result<Recorded> {
        Ok(self.read(Reader::recorded).await?.unwrap_or_default())
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        let rows = self.read(Reader::leases).await?.unwrap_or_default();
        Ok(rules::held(rows, &self.holder, self.now()))
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let entries = self.read(move |reader| reader.journal(after)).await?;
        Ok(entries.unwrap_or_default())
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        let version = self.read(move |reader| reader.version(serial)).await?;
        version.ok_or(StateError::NoVersion { serial, first: 0, last: 0 })
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(self.read(Reader::check).await?.unwrap_or_default())
    }

    async fn dump(&self) -> Result<Dump> {
        if let Some(by) = self.leases().await?.into_iter().next() {
            return Err(StateError::Held { by: Box::new(by), addresses: Vec::new() });
        }
        let missing = || errors::corrupt(&self.path, "there is no such file");
        self.read(Reader::dump).await?.ok_or_else(missing)
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        let (path, access, now) = (self.path.clone(), self.access.clone(), self.now());
        let work = move || take_over::take_over(&path, &access, dump, now);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(self.stopped()))
    }
}

#[cfg(test)]
mod tests;
