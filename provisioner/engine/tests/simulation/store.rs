//! The store as a program of the simulation sees it: every call is an effect, with a moment to die before and after it; at
//! times it fails, or its answer is lost.

use crate::scenario::Place;
use crate::world::{Mortal, Off, holder};
use async_trait::async_trait;
use model::Address;
use model::record::{Intent, Outcome, Record, Recorded};
use model::rollout::entry::Entry;
use state::holder::Holder;
use state::memory::MemoryStore;
use state::transaction::{Needs, Rule};
use state::version::Version;
use state::{
    Attempt, CheckReport, Completed, Dump, Edit, Identity, JournalEntry, Lease, LeaseInfo,
    LeaseRequest, RunResults, StateError, StateStore,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Result<T> = std::result::Result<T, StateError>;

pub struct Front {
    inner: MemoryStore,
    mortal: Arc<Mortal>,
    /// What each lease of this program was asked for.
    seconds: Mutex<u32>,
}

impl Front {
    pub fn new(mortal: Arc<Mortal>, place: Place, number: u32) -> Self {
        let inner = mortal.world.store.clone().with_holder(holder(place, number));
        Self { inner, mortal, seconds: Mutex::new(60) }
    }

    fn unlucky(&self) -> bool {
        let share = self.mortal.world.weather().store;
        share > 0 && self.mortal.world.chance().hits(share)
    }

    async fn effect<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.mortal.moment(|| format!("before {name}")).await;
        if self.unlucky() {
            return Err(unreachable(name, "nothing was done"));
        }
        let took_ms = self.mortal.world.chance().below(8);
        if took_ms > 4 {
            tokio::time::sleep(Duration::from_millis(took_ms)).await;
        }
        let answer = call.await;
        let told = |answer: &Result<T>| match answer {
            Ok(_) => format!("after {name}"),
            Err(error) => format!("after {name}: {error}"),
        };
        self.mortal.moment(|| told(&answer)).await;
        if self.unlucky() {
            return Err(unreachable(name, "the answer was lost"));
        }
        answer
    }

    /// The lease that the store will accept: another's, where leases do not fence.
    async fn lease(&self, lease: &Lease, address: &Address) -> Lease {
        if self.mortal.world.off == Off::Fencing {
            let held = self.inner.leases().await.unwrap_or_default();
            if !held.iter().any(|info| info.epoch == lease.info.epoch)
                && let Some(info) = held.into_iter().find(|info| info.scope.covers(address))
            {
                return Lease { info };
            }
        }
        lease.clone()
    }
}

fn unreachable(name: &str, why: &str) -> StateError {
    StateError::Unreachable {
        place: "the simulated store".to_owned(),
        why: format!("{name}: {why}"),
    }
}

#[async_trait]
impl StateStore for Front {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn holder(&self) -> Holder {
        self.inner.holder()
    }

    async fn transact(&self, needs: Needs, rule: Rule) -> Result<()> {
        self.inner.transact(needs, rule).await
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        self.inner.identity().await
    }

    async fn prepare(&self) -> Result<Identity> {
        self.inner.prepare().await
    }

    async fn load(&self) -> Result<Recorded> {
        self.effect("load", async {
            let mut recorded = self.inner.load().await?;
            if self.mortal.world.off == Off::Intents {
                recorded.unfinished.clear();
            }
            Ok(recorded)
        })
        .await
    }

    async fn leases(&self) -> Result<Vec<LeaseInfo>> {
        self.effect("leases", self.inner.leases()).await
    }

    async fn acquire(&self, request: LeaseRequest) -> Result<Lease> {
        let seconds = request.seconds;
        *self.seconds.lock().unwrap() = seconds;
        self.effect("acquire", async {
            let lease = self.inner.acquire(request).await?;
            self.mortal.world.leased(lease.info.epoch, &self.mortal.name, seconds);
            Ok(lease)
        })
        .await
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.effect("renew", async {
            if self.mortal.world.off == Off::Fencing {
                return Ok(());
            }
            self.inner.renew(lease).await?;
            self.mortal.world.renewed(lease.info.epoch, *self.seconds.lock().unwrap());
            Ok(())
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.effect("release", self.inner.release(lease)).await
    }

    async fn unlock(&self, epoch: u64, by: &str) -> Result<Option<LeaseInfo>> {
        self.inner.unlock(epoch, by).await
    }

    async fn append(&self, lease: &Lease, entry: Entry) -> Result<u64> {
        self.effect("append", self.inner.append(lease, entry)).await
    }

    async fn begin(&self, lease: &Lease, intent: Intent) -> Result<u64> {
        self.effect("begin", async {
            let lease = self.lease(lease, &intent.address).await;
            if self.mortal.world.off == Off::Intents {
                let open = self.inner.load().await?.unfinished;
                for open in open.into_iter().filter(|open| open.address == intent.address) {
                    let outcome = Outcome::Failed { message: "forgotten".to_owned() };
                    self.inner.finish(&lease, open.sequence, outcome).await?;
                }
            }
            self.inner.begin(&lease, intent).await
        })
        .await
    }

    async fn begin_all(&self, lease: &Lease, intents: Vec<Intent>) -> Result<Vec<u64>> {
        self.effect("begin all", async {
            let lease = match intents.first() {
                Some(intent) => self.lease(lease, &intent.address).await,
                None => lease.clone(),
            };
            self.inner.begin_all(&lease, intents).await
        })
        .await
    }

    async fn attempt(&self, lease: &Lease, sequence: u64, attempt: Attempt) -> Result<()> {
        self.effect("attempt", self.inner.attempt(lease, sequence, attempt)).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        sequence: u64,
        outcome: Outcome,
    ) -> Result<Option<Record>> {
        let open = self.inner.load().await?.unfinished;
        let address = open.into_iter().find(|open| open.sequence == sequence);
        let told = outcome.clone();
        let stored = self
            .effect("finish", async {
                let lease = match &address {
                    Some(open) => self.lease(lease, &open.address).await,
                    None => lease.clone(),
                };
                self.inner.finish(&lease, sequence, outcome).await
            })
            .await?;
        self.mortal.world.acknowledged(&told);
        Ok(stored)
    }

    async fn complete(&self, lease: &Lease, calls: Vec<Completed>) -> Result<Vec<Option<Record>>> {
        let told: Vec<Outcome> = calls.iter().map(|call| call.outcome.clone()).collect();
        let stored = self
            .effect("complete", async {
                let lease = match calls.first() {
                    Some(call) => self.lease(lease, &call.intent.address).await,
                    None => lease.clone(),
                };
                self.inner.complete(&lease, calls).await
            })
            .await?;
        for outcome in told {
            self.mortal.world.acknowledged(&outcome);
        }
        Ok(stored)
    }

    async fn write_refreshed(
        &self,
        lease: &Lease,
        records: Vec<Record>,
        vanished: Vec<Address>,
    ) -> Result<()> {
        let write = self.inner.write_refreshed(lease, records, vanished);
        self.effect("write refreshed", write).await
    }

    async fn forget(&self, lease: &Lease, address: &Address) -> Result<()> {
        self.effect("forget", self.inner.forget(lease, address)).await
    }

    async fn write_results(&self, lease: &Lease, results: RunResults) -> Result<()> {
        self.effect("write results", self.inner.write_results(lease, results)).await
    }

    async fn edit(&self, lease: &Lease, edit: Edit) -> Result<()> {
        self.effect("edit", self.inner.edit(lease, edit)).await
    }

    async fn rekey(&self, lease: &Lease, keyring: Option<String>) -> Result<()> {
        self.inner.rekey(lease, keyring).await
    }

    async fn journal(&self, after: u64) -> Result<Vec<JournalEntry>> {
        self.effect("journal", self.inner.journal(after)).await
    }

    async fn version(&self, serial: u64) -> Result<Version> {
        self.inner.version(serial).await
    }

    async fn prune(&self, lease: &Lease, serial: u64) -> Result<u64> {
        self.inner.prune(lease, serial).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.inner.check().await
    }

    async fn dump(&self) -> Result<Dump> {
        self.inner.dump().await
    }

    async fn take_over(&self, dump: Dump) -> Result<()> {
        self.inner.take_over(dump).await
    }
}
