//! Environments recorded in an object store (S3, Google Cloud Storage, Azure Blob), for teams without a database.
//!
//! An environment is a row of numbered segments, each made by one create-only PUT: whoever makes segment N has committed, and
//! whoever finds it there reads it and decides anew. Leases are in segments too, so that a write is fenced by the
//! same request that makes it durable. Checkpoints spare readers the segments before them. Nothing is ever
//! changed, and the store need know nothing but "make this if it is not there". See docs/state-object.md.
//!
//! Refuses to know: plans, providers, which environment is wanted where.

mod birth;
mod chance;
mod checkpoint;
mod commit;
mod draft;
mod format;
mod place;
mod remote;
mod replica;
mod take_over;

pub use draft::SKEW_SECONDS;
pub use place::Place;
pub use replica::Tuning;

use async_trait::async_trait;
use chance::Chance;
use commit::{Queue, Shared};
use model::record::Recorded;
use remote::Remote;
use replica::{Live, Reading, Replica};
use state::clock::{Clock, SystemClock};
use state::holder::Holder;
use state::image::Image;
use state::keyring::{NewWrap, Unlock};
use state::rules;
use state::transaction::{Alone, Needs, Rule};
use state::vault::Secrets;
use state::version::Version;
use state::{CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateError, StateStore};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// An environment recorded in an object store.
pub struct ObjectStateStore {
    place: Place,
    environment: String,
    unlock: Unlock,
    secrets: Secrets,
    ways: Vec<NewWrap>,
    clock: Arc<dyn Clock>,
    holder: Holder,
    tuning: Tuning,
    seed: Option<u64>,
    shared: OnceLock<Arc<Shared>>,
    queue: Mutex<Option<Queue>>,
}

impl ObjectStateStore {
    /// The store of an environment at a URL with arguments; see [`Place::parse`]. Asks nothing of the object store yet.
    pub fn open(
        url: &str,
        arguments: &BTreeMap<String, String>,
        environment: &str,
        unlock: impl Into<Unlock>,
    ) -> Result<Self> {
        Ok(Self::at(Place::parse(url, arguments)?, environment, unlock))
    }

    /// The same at a place.
    pub fn at(place: Place, environment: &str, unlock: impl Into<Unlock>) -> Self {
        Self {
            place,
            environment: environment.to_owned(),
            unlock: unlock.into(),
            secrets: Secrets::Sealed,
            ways: Vec::new(),
            clock: Arc::new(SystemClock),
            holder: Holder::current(),
            tuning: Tuning::default(),
            seed: None,
            shared: OnceLock::new(),
            queue: Mutex::new(None),
        }
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
        self.secrets = secrets;
        self
    }

    /// With a keyring that these ways open, and no key file, if the environment is made now. An environment that is there
    /// keeps its keys.
    #[must_use]
    pub fn with_initial_keyring(mut self, ways: Vec<NewWrap>) -> Self {
        self.ways = ways;
        self
    }

    /// With checkpoints at other times.
    #[must_use]
    pub fn with_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// With names and waits from this seed, so that a simulation repeats. Programs that write at the same time need
    /// different ones.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        if let Some(shared) = self.shared.get() {
            return Ok(shared.clone());
        }
        let chance = match self.seed {
            Some(seed) => Chance::seeded(seed),
            None => Chance::from_system().map_err(|error| {
                StateError::Key(format!("the system gives no random numbers: {error}"))
            })?,
        };
        let reading = Reading {
            remote: Remote::new(self.place.clone(), &self.environment, chance),
            environment: self.environment.clone(),
            unlock: self.unlock.clone(),
            secrets: self.secrets,
            ways: self.ways.clone(),
            clock: self.clock.clone(),
            tuning: self.tuning,
        };
        let replica = tokio::sync::Mutex::new(Replica::default());
        let made = Arc::new(Shared { reading, holder: self.holder.clone(), replica });
        Ok(self.shared.get_or_init(|| made).clone())
    }

    fn queue(&self) -> Result<Queue> {
        let shared = self.shared()?;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().filter(|queue| queue.is_open()) {
            Some(open) => Ok(open.clone()),
            None => Ok(queue.insert(Queue::start(shared)).clone()),
        }
    }

    fn stopped<T>(&self) -> Result<T> {
        let why = "the writing of this program has ended".to_owned();
        Err(StateError::Unreachable { place: self.place(), why })
    }

    /// Asks a question of the environment as it is now; none if it was never written.
    async fn read<T>(&self, question: impl FnOnce(&Live) -> Result<T>) -> Result<Option<T>> {
        let shared = self.shared()?;
        let mut replica = shared.replica.lock().await;
        replica.follow(&shared.reading).await?;
        replica.live.as_ref().map(question).transpose()
    }

    /// The same of the environment with its whole journal.
    async fn read_whole<T>(
        &self,
        question: impl FnOnce(&Image, &Live) -> Result<T>,
    ) -> Result<Option<T>> {
        let shared = self.shared()?;
        let mut replica = shared.replica.lock().await;
        replica.follow(&shared.reading).await?;
        let Some(live) = &replica.live else { return Ok(None) };
        let image = live.whole(&shared.reading).await?;
        question(&image, live).map(Some)
    }

    /// What is held, as seen from here.
    fn held(&self, live: &Live) -> Vec<LeaseInfo> {
        let rows = live.image.leases.values().cloned();
        let rows = draft::seen_from(rows, &self.holder);
        rules::held(rows, &self.holder, rules::whole_milliseconds(self.clock.now()))
    }
}

#[async_trait]
impl StateStore for ObjectStateStore {
    fn place(&self) -> String {
        format!("{}/{}", self.place.shown.trim_end_matches('/'), self.environment)
    }

    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    async fn transact(&self, needs: Needs, rule: Rule) -> Result<()> {
        let is_pruned = matches!(needs.alone, Some(Alone::Prune(_)));
        self.queue()?.write(is_pruned, rule).await.unwrap_or_else(|| self.stopped())
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        replica::identity(&self.shared()?.reading).await
    }

    async fn prepare(&self) -> Result<Identity> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        self.transact(Needs::default(), Box::new(|_| Ok(()))).await?;
        match self.read(|live| Ok(live.image.identity.clone())).await? {
            Some(identity) => Ok(identity),
            None => Err(StateError::Corrupt {
                path: self.place(),
                what: "it vanished as soon as it was made".to_owned(),
            }),
        }
    }

    async fn load(&self) -> Result<Recorded> {
        let recorded = |live: &Live| {
            let lineage = live.image.identity.lineage.clone();
            Ok(live.image.version.clone().into_recorded(lineage))
        };
        Ok(self.read(recorded).await?.unwrap_or_default())
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        Ok(self.read(|live| Ok(self.held(live))).await?.unwrap_or_default())
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        let place = self.place();
        let in_memory = |live: &Live| {
            let here = after >= live.in_memory_after();
            here.then(|| live.image.entries(after, live.codec(&place))).transpose()
        };
        match self.read(in_memory).await? {
            None => Ok(Vec::new()),
            Some(Some(entries)) => Ok(entries),
            Some(None) => {
                let all = |image: &Image, live: &Live| image.entries(after, live.codec(&place));
                Ok(self.read_whole(all).await?.unwrap_or_default())
            }
        }
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        let place = self.place();
        let version = |image: &Image, live: &Live| image.version_at(serial, live.codec(&place));
        let found = self.read_whole(version).await?;
        found.ok_or(StateError::NoVersion { serial, first: 0, last: 0 })
    }

    async fn check(&self) -> Result<CheckReport> {
        let shared = self.shared()?;
        // What is in memory may be sound where the objects are not: everything is read again.
        *shared.replica.lock().await = Replica::default();
        let place = self.place();
        let checked = self.read_whole(|image, live| Ok(image.check(live.codec(&place)))).await;
        match checked {
            Ok(report) => Ok(report.unwrap_or_default()),
            Err(error @ StateError::Corrupt { .. }) => {
                Ok(CheckReport { findings: vec![error.to_string()], ..CheckReport::default() })
            }
            Err(error) => Err(error),
        }
    }

    async fn dump(&self) -> Result<Dump> {
        let dump = |image: &Image, live: &Live| match self.held(live).into_iter().next() {
            None => Ok(image.to_dump()),
            Some(by) => Err(StateError::Held { by: Box::new(by), addresses: Vec::new() }),
        };
        let missing = || StateError::Unreadable {
            path: self.place(),
            why: "nothing is recorded there".to_owned(),
            hint: format!("environment `{}` was never written to this place", self.environment),
        };
        self.read_whole(dump).await?.ok_or_else(missing)
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        self.shared()?.take_over(dump).await
    }
}
