//! The simulated world that programs live and die in: one cloud, one store, one time, and an observer that misses nothing.
//!
//! Invariant: everything is decided by the seed, so a run repeats exactly.

use crate::chance::Chance;
use crate::configuration::PausedTime;
use crate::scenario::{Place, Weather};
use model::Address;
use model::record::Outcome;
use model::schema::Adoption;
use provider::memory::{Cloud, schema};
use state::holder::Holder;
use state::memory::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// A safeguard that is switched off, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// Nothing: everything is as it should be.
    Nothing,
    /// What is not there at once counts as never made.
    Settling,
    /// Calls without outcome are forgotten.
    Intents,
    /// Nothing is looked up.
    LookUp,
    /// A sending again has another token.
    Tokens,
    /// Leases do not fence.
    Fencing,
}

/// By when an address is made, where that is declared, in milliseconds.
pub const EFFECT_MS: u64 = 10_000;

/// A lease as the observer sees it.
struct Leased {
    program: String,
    expires_ms: u64,
}

#[derive(Default)]
struct Seen {
    trace: Vec<String>,
    violations: Vec<String>,
    /// Leases by epoch.
    leases: BTreeMap<u64, Leased>,
    /// Objects whose outcome a program was told is durable.
    acknowledged: BTreeMap<String, Address>,
    /// Identities that somebody asked the cloud to delete.
    deleted: BTreeSet<String>,
    /// Tokens that have made their object.
    spent: BTreeSet<String>,
    /// Instances about which the last answer was lost.
    lost: BTreeSet<Address>,
    crashes: u64,
}

/// The world of one run.
pub struct World {
    pub cloud: Cloud,
    pub store: MemoryStore,
    pub time: PausedTime,
    pub off: Off,
    pub weather: Mutex<Weather>,
    chance: Mutex<Chance>,
    seen: Mutex<Seen>,
    is_traced: bool,
}

impl World {
    pub fn new(seed: u64, weather: Weather, off: Off, is_traced: bool) -> Arc<Self> {
        let time = PausedTime::new(seed);
        let mut random = [0; 48];
        random[..8].copy_from_slice(&seed.to_le_bytes());
        let cloud = Cloud::new();
        // New objects show after a while, and deleted ones linger.
        cloud.weather(provider::memory::Weather { seed, ..provider::memory::Weather::default() });
        for (kind, settle_ms, hidden_ms, lingers_ms) in
            [(schema::ADDRESS, 5_000, 5_000, 20_000), (schema::BUCKET, 3_000, 3_000, 10_000)]
        {
            let mut nature = cloud.nature(kind);
            nature.adoption.settle_ms = settle_ms;
            (nature.hidden_ms, nature.lingers_ms) = (hidden_ms, lingers_ms);
            if kind == schema::ADDRESS && seed % 2 == 1 {
                // It is there long before its deadline, or never.
                nature.adoption.effect_ms = Some(EFFECT_MS);
            }
            cloud.set_nature(kind, nature);
        }
        if weather.limits {
            cloud.enforce_limits();
        }
        let mut chance = Chance::new(!seed);
        for kind in [schema::DISK, schema::MACHINE, schema::WORKER, schema::CHECK] {
            let mut nature = cloud.nature(kind);
            // A token as long as there is an object, for a while, or none; then only the tag tells.
            nature.adoption.token_retention_s =
                chance.pick(&[Some(Adoption::FOR_EVER), Some(Adoption::FOR_EVER), Some(150), None]);
            if kind == schema::WORKER && nature.adoption.token_retention_s.is_none() {
                // One call for many takes a token, or nobody could send it again.
                nature.adoption.token_retention_s = Some(150);
            }
            (nature.hidden_ms, nature.adoption.settle_ms) = chance.pick(&[(0, 0), (2_000, 2_000)]);
            cloud.set_nature(kind, nature);
        }
        Arc::new(Self {
            cloud,
            store: MemoryStore::seeded(random).with_clock(Arc::new(time.clone())),
            time,
            off,
            weather: Mutex::new(weather),
            chance: Mutex::new(chance),
            seen: Mutex::default(),
            is_traced,
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub fn now_ms(&self) -> u64 {
        engine::Clock::now_ms(&self.time)
    }

    pub fn chance(&self) -> MutexGuard<'_, Chance> {
        self.chance.lock().unwrap()
    }

    pub fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    /// From now on everything works.
    pub fn clear_up(&self) {
        *self.weather.lock().unwrap() = Weather::default();
    }

    pub fn log(&self, line: impl FnOnce() -> String) {
        if self.is_traced {
            let at = self.now_ms();
            let line = line();
            self.seen().trace.push(format!("{:>8}.{:03} s  {line}", at / 1_000, at % 1_000));
        }
    }

    pub fn violated(&self, what: String) {
        self.log(|| format!("VIOLATED: {what}"));
        self.seen().violations.push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    pub fn trace(&self) -> Vec<String> {
        self.seen().trace.clone()
    }

    pub fn crashes(&self) -> u64 {
        self.seen().crashes
    }

    pub fn leased(&self, epoch: u64, program: &str, seconds: u32) {
        let expires_ms = self.now_ms() + u64::from(seconds) * 1_000;
        let program = program.to_owned();
        self.seen().leases.insert(epoch, Leased { program, expires_ms });
    }

    pub fn renewed(&self, epoch: u64, seconds: u32) {
        let expires_ms = self.now_ms() + u64::from(seconds) * 1_000;
        if let Some(lease) = self.seen().leases.get_mut(&epoch) {
            lease.expires_ms = expires_ms;
        }
    }

    /// A program sends something: it must do so before the end of a lease of its own.
    pub fn sends(&self, program: &str, what: &str) {
        let now_ms = self.now_ms();
        let leases = |seen: &Seen| {
            let own = seen.leases.values().filter(|lease| lease.program == program);
            own.map(|lease| lease.expires_ms).max()
        };
        let until_ms = leases(&self.seen());
        if until_ms.is_none_or(|until_ms| now_ms > until_ms) {
            self.violated(format!("{program} sends {what} after the end of its lease"));
        }
    }

    pub fn acknowledged(&self, outcome: &Outcome) {
        if let Outcome::Recorded { record, .. } = outcome
            && record.id != record.address.to_string()
        {
            self.seen().acknowledged.insert(record.id.clone(), record.address.clone());
        }
    }

    /// What was acknowledged and never deleted by anybody.
    pub fn must_be_there(&self) -> BTreeMap<String, Address> {
        let seen = self.seen();
        let kept = seen.acknowledged.iter().filter(|(id, _)| !seen.deleted.contains(*id));
        kept.map(|(id, address)| (id.clone(), address.clone())).collect()
    }

    pub fn deletes(&self, id: &str) {
        self.seen().deleted.insert(id.to_owned());
    }

    /// Notes whether the answer about an instance was lost; whether the one before was.
    pub fn loses(&self, address: &Address, is_lost: bool) -> bool {
        let mut seen = self.seen();
        if is_lost { !seen.lost.insert(address.clone()) } else { seen.lost.remove(address) }
    }

    /// Whether a creation with this token has made its object before.
    pub fn is_spent(&self, token: &str) -> bool {
        self.seen().spent.contains(token)
    }

    pub fn spend(&self, token: &str) {
        self.seen().spent.insert(token.to_owned());
    }

    fn crashed(&self) {
        self.seen().crashes += 1;
    }
}

/// A program that can die, and stand still.
pub struct Mortal {
    pub name: String,
    pub world: Arc<World>,
    dies_at: Option<u64>,
    freezes: Option<(u64, u64)>,
    state: Mutex<Vital>,
    died: Notify,
}

#[derive(Default)]
struct Vital {
    moments: u64,
    is_dead: bool,
    frozen_until_ms: u64,
}

impl Mortal {
    pub fn new(
        world: &Arc<World>,
        name: String,
        dies_at: Option<u64>,
        freezes: Option<(u64, u64)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            world: world.clone(),
            dies_at,
            freezes,
            state: Mutex::default(),
            died: Notify::new(),
        })
    }

    /// One of the numbered moments before and after effects: the program may die here, or stand still.
    pub async fn moment(&self, what: impl Fn() -> String) {
        self.pass(what, true).await;
    }

    /// The moment between the look at the lease and the sending: the program may die here. It does not stand still here,
    /// for no program can see to that; clouds do not know leases.
    pub async fn moment_of_sending(&self, what: impl Fn() -> String) {
        self.pass(what, false).await;
    }

    async fn pass(&self, what: impl Fn() -> String, may_freeze: bool) {
        let (number, is_dead) = {
            let mut state = self.state.lock().unwrap();
            if !state.is_dead {
                state.moments += 1;
            }
            (state.moments, state.is_dead)
        };
        if is_dead {
            return std::future::pending().await;
        }
        self.world.log(|| format!("{} {number}: {}", self.name, what()));
        if self.dies_at == Some(number) {
            self.world.log(|| format!("{} dies", self.name));
            self.world.crashed();
            self.state.lock().unwrap().is_dead = true;
            self.died.notify_one();
            return std::future::pending().await;
        }
        if !may_freeze {
            return;
        }
        if let Some((at, for_ms)) = self.freezes
            && at == number
        {
            self.world.log(|| format!("{} stands still for {for_ms} ms", self.name));
            self.state.lock().unwrap().frozen_until_ms = self.world.now_ms() + for_ms;
        }
        self.thaw().await;
    }

    /// Returns when the program does not stand still; never, when it is dead.
    pub async fn thaw(&self) {
        loop {
            let left_ms = {
                let state = self.state.lock().unwrap();
                if state.is_dead {
                    u64::MAX
                } else {
                    state.frozen_until_ms.saturating_sub(self.world.now_ms())
                }
            };
            match left_ms {
                0 => return,
                u64::MAX => return std::future::pending().await,
                left_ms => tokio::time::sleep(Duration::from_millis(left_ms)).await,
            }
        }
    }

    pub async fn death(&self) {
        self.died.notified().await;
    }
}

/// As whom others see a program.
pub fn holder(place: Place, number: u32) -> Holder {
    let here = Holder {
        owner: "ana".to_owned(),
        host: "build".to_owned(),
        // No such program is there.
        pid: 900_000_000 + number,
        started: 1,
        boot: "boot".to_owned(),
        pid_namespace: "namespace".to_owned(),
    };
    match place {
        Place::Here => here,
        Place::Elsewhere => Holder { host: format!("elsewhere-{number}"), ..here },
    }
}
