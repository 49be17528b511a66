//! The store in memory: the same rules as the others, nothing durable. For tests of the engine and for simulations.
//!
//! A clone is another handle on the same environment, as another program would have it.

use crate::clock::{Clock, SystemClock};
use crate::error::StateError;
use crate::holder::Holder;
use crate::image::{Image, ImageTables};
use crate::port::{CheckReport, Dump, Identity, JournalEntry, LeaseInfo, StateStore};
use crate::rows::Codec;
use crate::rules;
use crate::seal::Sealer;
use crate::transaction::{Needs, Rule};
use crate::vault::Vault;
use crate::version::Version;
use async_trait::async_trait;
use jiff::Timestamp;
use model::Sensitive;
use model::record::Recorded;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Result<T, E = StateError> = std::result::Result<T, E>;

const PLACE: &str = "memory";

/// An environment recorded in memory.
#[derive(Clone)]
pub struct MemoryStore {
    image: Arc<Mutex<Image>>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    holder: Holder,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A new environment with a random lineage and key.
    pub fn new() -> Self {
        let mut random = [0; 48];
        getrandom::fill(&mut random).expect("the system has random numbers");
        Self::seeded(random)
    }

    /// A new environment whose lineage and key are these bytes, so that a simulation repeats.
    pub fn seeded(random: [u8; 48]) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(&random[16..]);
        let identity = Identity {
            environment: "memory".to_owned(),
            lineage: model::digest::hex(&random[..16]),
            key_check: String::new(),
            keyring: None,
        };
        let sealer = Sealer::new(Sensitive::new(key), &identity.lineage);
        Self {
            image: Arc::new(Mutex::new(Image::new(identity))),
            vault: Arc::new(Vault::with_sealer(sealer)),
            clock: Arc::new(SystemClock),
            holder: Holder::current(),
        }
    }

    /// Another handle on the same environment, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another handle on the same environment, as someone else.
    #[must_use]
    pub fn with_holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codec(&self) -> Codec<'_> {
        Codec { place: PLACE, vault: &self.vault }
    }

    fn now(&self) -> Timestamp {
        rules::whole_milliseconds(self.clock.now())
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn holder(&self) -> Holder {
        self.holder.clone()
    }

    async fn transact(&self, _needs: Needs, rule: Rule) -> Result<()> {
        // A rule decides before it changes anything, so there is nothing to roll back.
        let mut image = self.image();
        rule(&mut ImageTables { image: &mut image, codec: self.codec(), now: self.now() })
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        let image = self.image();
        Ok((image.version.serial > 0).then(|| image.identity.clone()))
    }

    async fn prepare(&self) -> Result<Identity> {
        Ok(self.image().identity.clone())
    }

    async fn load(&self) -> Result<Recorded> {
        let image = self.image();
        if image.version.serial == 0 {
            return Ok(Recorded::default());
        }
        Ok(image.version.clone().into_recorded(image.identity.lineage.clone()))
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        let rows = self.image().leases.values().cloned().collect();
        Ok(rules::held(rows, &self.holder, self.now()))
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        self.image().entries(after, self.codec())
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        self.image().version_at(serial, self.codec())
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(self.image().check(self.codec()))
    }

    async fn dump(&self) -> Result<Dump> {
        let image = self.image();
        let rows = image.leases.values().cloned().collect();
        match rules::held(rows, &self.holder, self.now()).into_iter().next() {
            None => Ok(image.to_dump()),
            Some(by) => Err(StateError::Held { by: Box::new(by), addresses: Vec::new() }),
        }
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        let mut image = self.image();
        if image.version.serial > 0 {
            let (environment, place) = (dump.identity.environment, PLACE.to_owned());
            return Err(StateError::Exists { environment, place });
        }
        // What is sealed in a dump opens only with its own key, so this serves clones of one seed.
        *image = Image::from_dump(dump, self.codec())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Fixture};
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Environments(Mutex<BTreeMap<String, MemoryStore>>);

    impl Fixture for Environments {
        fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
            let mut environments = self.0.lock().unwrap();
            let made = environments.entry(name.to_owned());
            // One key for all: what one environment sealed, a copy of it must open.
            let store = made.or_insert_with(|| MemoryStore::seeded([7; 48])).clone();
            Arc::new(store.with_clock(clock).with_holder(holder))
        }

        fn open_elsewhere(
            &self,
            name: &str,
            clock: Arc<dyn Clock>,
            holder: Holder,
        ) -> Arc<dyn StateStore> {
            self.open(&format!("elsewhere/{name}"), clock, holder)
        }
    }

    #[tokio::test]
    async fn conforms() {
        conformance::run(&Environments::default()).await;
    }
}
