//! The driver: asks, gives what it saw to [`step`], makes the entries durable, and only then does what the commands say.
//!
//! Invariants: whatever instant it is killed at, what the entries tell is what was decided, and the next controller goes on
//! from there; one controller at a time, since every entry is fenced by the lease that it holds; people's words are
//! entries too, written by whoever says them, and are folded in before the next decision. An interrupt starts nothing
//! new, lets a wave end where it is, and leaves the rollout to whoever drives it next.
//! Refuses to know: how nodes are changed, who answers measurements ([`World`]), how any of it is shown.

mod world;

pub use world::{Listing, Notice, Snapshot, Wanted, Wave, Waved, World};

use crate::command::{Command, Observation};
use crate::source::{Ask, Selectors};
use crate::state::{Illegal, Revision, State};
use crate::step::{resume, step};
use async_trait::async_trait;
use engine::{CancelToken, Clock, Level};
use model::rollout::entry::{Entry, Outcome, Start, What};
use state::{Lease, StateError, StateStore, rollout_entries};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// How long what people say may take to be noticed.
const NOTICED_MS: u64 = 1_000;
/// How often a decision is made anew because somebody else wrote an entry meanwhile.
const ROUNDS: u32 = 16;

/// The lease of whoever drives a rollout.
#[async_trait]
pub trait Holding: Send + Sync {
    /// The lease, if it is still held for sure.
    fn lease(&self) -> Result<Lease, StateError>;

    /// Waits until it is lost.
    async fn lost(&self);
}

#[async_trait]
impl Holding for engine::Run {
    fn lease(&self) -> Result<Lease, StateError> {
        engine::Run::lease(self).cloned()
    }

    async fn lost(&self) {
        self.lease_lost().await;
    }
}

/// Sees every entry once it is durable, and the time pass.
pub trait Audience: Send + Sync {
    /// An entry.
    fn entry(&self, entry: &Entry);

    /// Time passed: Unix milliseconds.
    fn time(&self, now_ms: i64);
}

/// Why a rollout is not driven any further.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The state cannot be read or written; what is durable is where the next controller goes on.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its entries do not fit together.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Entries were written by others faster than decisions could be made.
    #[error("others keep writing entries of rollout `{0}`")]
    Busy(String),
    /// A task of the driver broke.
    #[error("a task of the driver broke: {0}")]
    Broken(#[from] JoinError),
    /// No such rollout is going on.
    #[error("no rollout `{0}` is going on")]
    Unknown(String),
}

/// How driving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driven {
    /// The rollout is over.
    Over {
        /// How.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// The user interrupted; the rollout is where it was.
    Interrupted,
}

/// Everything that the driver talks to.
#[derive(Clone)]
pub struct Ports {
    /// Where the environment is recorded.
    pub store: Arc<dyn StateStore>,
    /// Does what is decided.
    pub world: Arc<dyn World>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Sees what happens.
    pub audience: Arc<dyn Audience>,
    /// The lease.
    pub holding: Arc<dyn Holding>,
    /// Asked to end.
    pub cancel: CancelToken,
}

/// Makes the first entry of a rollout durable. Nothing was changed yet.
pub async fn begin(
    store: &dyn StateStore,
    lease: &Lease,
    start: Start,
    id: &str,
    now_ms: i64,
) -> Result<(), StateError> {
    let (_, entry) = State::start(start, id, now_ms);
    store.append(lease, entry).await?;
    Ok(())
}

/// The entries of a rollout that is not over, each with its journal sequence, and the state that they fold to.
pub async fn folded(
    store: &dyn StateStore,
    id: &str,
) -> Result<(Vec<(u64, Entry)>, State), DriveError> {
    let recorded = store.load().await?;
    let head = recorded.rollouts.get(id).ok_or_else(|| DriveError::Unknown(id.to_owned()))?;
    let entries = rollout_entries(store, id, head.began).await?;
    let state = State::fold(entries.iter().map(|(_, entry)| entry))?;
    Ok((entries, state))
}

/// Drives a rollout that has begun, to its end or as far as it goes. `by` is the user, host and process of this
/// controller, if another one drove it before.
pub async fn drive(ports: &Ports, id: &str, by: Option<String>) -> Result<Driven, DriveError> {
    let mut driver = Driver::open(ports, id).await?;
    driver.again();
    if let Some(by) = by {
        driver.settle(&Observation::TakenOver { by }).await?;
    }
    driver.settle(&Observation::Tick).await?;
    driver.run().await
}

fn wall_ms(ports: &Ports) -> i64 {
    i64::try_from(ports.clock.wall_ms()).unwrap_or(i64::MAX)
}

struct Driver<'a> {
    ports: &'a Ports,
    id: String,
    state: State,
    /// Journal sequence of the last entry that is in the state.
    last: u64,
    /// What is being done; none is the answer of what was interrupted.
    under_way: JoinSet<Option<Observation>>,
    wake_ms: Option<i64>,
    looked_ms: i64,
    over: Option<Outcome>,
}

impl<'a> Driver<'a> {
    async fn open(ports: &'a Ports, id: &str) -> Result<Self, DriveError> {
        let (entries, state) = folded(ports.store.as_ref(), id).await?;
        for (_, entry) in &entries {
            ports.audience.entry(entry);
        }
        let last = entries.last().map_or(0, |(sequence, _)| *sequence);
        Ok(Self {
            ports,
            id: id.to_owned(),
            state,
            last,
            under_way: JoinSet::new(),
            wake_ms: None,
            looked_ms: wall_ms(ports),
            over: None,
        })
    }

    /// What the entries say was under way is done again.
    fn again(&mut self) {
        for command in resume(&self.state, wall_ms(self.ports)) {
            self.perform(command);
        }
    }

    async fn run(&mut self) -> Result<Driven, DriveError> {
        loop {
            if let (Some(outcome), true) = (self.over, self.under_way.is_empty()) {
                let why = self.state.outcome().map(|(_, why)| why.to_owned()).unwrap_or_default();
                return Ok(Driven::Over { outcome, why });
            }
            let ports = self.ports;
            let pause = Duration::from_millis(self.pause_ms());
            tokio::select! {
                biased;
                () = ports.holding.lost() => {
                    self.under_way.abort_all();
                    ports.holding.lease()?;
                }
                () = ports.cancel.reached(Level::Finish) => return self.leave().await,
                Some(ended) = self.under_way.join_next() => match ended? {
                    Some(observation) => self.settle(&observation).await?,
                    None => return self.leave().await,
                },
                () = ports.clock.sleep(pause) => self.pass().await?,
            }
        }
    }

    /// Time passed: what others have written is taken in, and a decision is made if one is due.
    async fn pass(&mut self) -> Result<(), DriveError> {
        let now_ms = wall_ms(self.ports);
        self.ports.audience.time(now_ms);
        let mut due = self.wake_ms.is_some_and(|wake_ms| wake_ms <= now_ms);
        if now_ms.saturating_sub(self.looked_ms) >= i64::try_from(NOTICED_MS).unwrap_or(i64::MAX) {
            due |= self.catch_up().await?;
        }
        if due { self.settle(&Observation::Tick).await } else { Ok(()) }
    }

    fn pause_ms(&self) -> u64 {
        let now_ms = wall_ms(self.ports);
        let until = self.wake_ms.map_or(i64::MAX, |wake_ms| wake_ms.saturating_sub(now_ms));
        u64::try_from(until).unwrap_or(0).clamp(1, NOTICED_MS)
    }

    /// Nothing new is started; what is being changed ends where it is, and its end is left to the next controller.
    async fn leave(&mut self) -> Result<Driven, DriveError> {
        while let Some(ended) = self.under_way.join_next().await {
            // A wave that came to its end is worth recording; measurements are made anew.
            let ended = ended?.filter(|seen| !matches!(seen, Observation::Measured { .. }));
            if let Some(observation) = ended {
                let (next, commands) = step(&self.state, &observation, wall_ms(self.ports));
                let records: Vec<Entry> = records(&commands);
                if self.record(&records).await?.is_whole() {
                    self.state = next;
                }
            }
        }
        Ok(Driven::Interrupted)
    }

    /// A decision on what was seen: recorded, then done.
    async fn settle(&mut self, observation: &Observation) -> Result<(), DriveError> {
        // The last entry was its end: nothing can follow it, not even that somebody was told.
        if self.over.is_some() {
            return Ok(());
        }
        let mut observation = observation.clone();
        for _ in 0..ROUNDS {
            let (next, commands) = step(&self.state, &observation, wall_ms(self.ports));
            match self.record(&records(&commands)).await? {
                Written::All => {
                    self.state = next;
                    self.wake_ms = None;
                    for command in commands {
                        self.perform(command);
                    }
                    return Ok(());
                }
                // Somebody was first: what they wrote is taken in, and the decision is made anew.
                Written::Some(count) => {
                    self.catch_up().await?;
                    if count > 0 {
                        observation = Observation::Tick;
                    }
                }
            }
        }
        Err(DriveError::Busy(self.id.clone()))
    }

    /// Makes entries durable, in order.
    async fn record(&mut self, entries: &[Entry]) -> Result<Written, DriveError> {
        let mut last = self.last;
        for (count, entry) in entries.iter().enumerate() {
            let lease = self.ports.holding.lease()?;
            match self.ports.store.append(&lease, entry.clone()).await {
                Ok(sequence) => last = sequence,
                Err(StateError::RolloutWentOn { .. }) => return Ok(Written::Some(count)),
                Err(error) => return Err(error.into()),
            }
        }
        self.last = last;
        for entry in entries {
            self.ports.audience.entry(entry);
        }
        Ok(Written::All)
    }

    /// Takes in what was written since; whether there was anything.
    async fn catch_up(&mut self) -> Result<bool, DriveError> {
        self.looked_ms = wall_ms(self.ports);
        let entries = rollout_entries(self.ports.store.as_ref(), &self.id, self.last + 1).await?;
        for (sequence, entry) in &entries {
            self.state.apply(entry)?;
            self.ports.audience.entry(entry);
            self.last = *sequence;
        }
        Ok(!entries.is_empty())
    }

    fn perform(&mut self, command: Command) {
        let world = self.ports.world.clone();
        match command {
            Command::Record(_) => {}
            Command::WakeAt { at_ms } => {
                self.wake_ms = Some(self.wake_ms.map_or(at_ms, |wake_ms| wake_ms.min(at_ms)));
            }
            Command::Finish { outcome } => self.over = Some(outcome),
            Command::ChangeNodes { nodes, surge, .. } => {
                let wave = self.wave(nodes, surge);
                self.under_way.spawn(async move {
                    let Waved { done, failed, unreachable } = world.change(wave).await?;
                    Some(Observation::WaveEnded { changed: done, failed, unreachable })
                });
            }
            Command::RollBack { nodes, .. } => {
                let (wave, serial) = (self.wave(nodes, false), self.state.started().stable_serial);
                self.under_way.spawn(async move {
                    let Waved { done, failed, .. } = world.restore(wave, serial).await?;
                    Some(Observation::RollbackWaveEnded { restored: done, failed })
                });
            }
            Command::BringLists { back } => {
                let started = self.state.started();
                let listing = Listing {
                    node_sets: started.sets.iter().map(|set| set.node_set.clone()).collect(),
                    lists: started.lists.clone(),
                };
                let serial = started.stable_serial;
                self.under_way.spawn(async move {
                    let brought = if back {
                        world.restore_lists(&listing, serial).await
                    } else {
                        world.bring_lists(&listing).await
                    };
                    Some(Observation::ListsEnded { error: brought?.err() })
                });
            }
            Command::ApplyRest => {
                let excluded: Vec<String> = self.state.excluded().iter().cloned().collect();
                self.under_way.spawn(async move {
                    let error = world.finish(&excluded).await?.err();
                    Some(Observation::RestEnded { error })
                });
            }
            Command::TakeSnapshot => {
                let wanted = self.snapshot();
                self.under_way.spawn(async move {
                    let (point, error) = match world.snapshot(&wanted).await? {
                        Ok(point) => (Some(point), None),
                        Err(error) => (None, Some(error)),
                    };
                    Some(Observation::SnapshotTaken { error, point })
                });
            }
            Command::LookAtNodes { nodes } => {
                self.under_way.spawn(async move {
                    let down = world.look(&nodes).await;
                    Some(Observation::NodesSeen { down })
                });
            }
            Command::Notify { of, text } => self.tell(of, text),
            Command::Measure { stage, gate, from_ms, to_ms, groups, compares } => {
                self.measure(stage, gate, (from_ms, to_ms), groups, compares);
            }
        }
    }

    fn wave(&self, nodes: Vec<String>, surge: bool) -> Wave {
        let set = nodes.first().and_then(|node| self.state.set_of(node));
        let node_set = set.unwrap_or_default().to_owned();
        let candidates = self.state.on(Revision::Candidate).map(str::to_owned).collect();
        Wave { node_set, nodes, candidates, surge }
    }

    fn snapshot(&self) -> Snapshot {
        let sets = self.state.started().sets.iter().filter(|set| set.rollout.snapshot_before);
        let nodes = sets
            .flat_map(|set| set.nodes.iter().map(|node| (set.node_set.clone(), node.name.clone())));
        Snapshot { rollout: self.id.clone(), nodes: nodes.collect() }
    }

    /// The node set whose stage entries call by that number.
    fn set_at(&self, stage: u32) -> Option<String> {
        Some(self.state.started().stage(stage)?.0.node_set.clone())
    }

    fn measure(
        &mut self,
        stage: u32,
        gate: String,
        (from_ms, to_ms): (i64, i64),
        groups: crate::command::Groups,
        compares: bool,
    ) {
        let Some(node_set) = self.set_at(stage) else { return };
        let world = self.ports.world.clone();
        let crate::command::Groups { candidate, control, stage } = groups;
        let selectors = Selectors { candidate, control, stage };
        let window_ms = u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0);
        self.under_way.spawn(async move {
            let ask = Ask { selectors, window_ms, now_ms: to_ms };
            let wanted = Wanted { node_set, gate, ask, compares };
            let (queries, reading) = world.measure(&wanted).await;
            let gate = wanted.gate;
            Some(Observation::Measured { gate, queries, from_ms, to_ms, reading })
        });
    }

    fn tell(&mut self, of: String, text: String) {
        let sets: Vec<String> =
            self.state.started().sets.iter().map(|set| set.node_set.clone()).collect();
        let world = self.ports.world.clone();
        let environment = self.state.started().environment.clone();
        let notice = Notice { environment, rollout: self.id.clone(), of, text };
        self.under_way.spawn(async move {
            let mut errors = BTreeMap::new();
            for set in sets {
                if let Err(error) = world.notify(&set, &notice).await {
                    errors.insert(set, error);
                }
            }
            let error = errors.into_values().next();
            Some(Observation::Notified { of: notice.of, error })
        });
    }
}

fn records(commands: &[Command]) -> Vec<Entry> {
    let entry = |command: &Command| match command {
        Command::Record(entry) => Some(entry.clone()),
        _ => None,
    };
    commands.iter().filter_map(entry).collect()
}

/// How many entries became durable.
enum Written {
    All,
    /// So many, and then somebody else was first.
    Some(usize),
}

impl Written {
    fn is_whole(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// Says something to a rollout on behalf of a person: an entry of its own, with any lease. Tried again when the controller
/// was faster.
pub async fn say(
    store: &dyn StateStore,
    lease: &Lease,
    id: &str,
    now_ms: i64,
    what: impl Fn(&State) -> Result<What, String>,
) -> Result<Result<(), String>, DriveError> {
    for _ in 0..ROUNDS {
        let (_, state) = folded(store, id).await?;
        let what = match what(&state) {
            Ok(what) => what,
            Err(why) => return Ok(Err(why)),
        };
        let (rollout, number) = (id.to_owned(), state.next_number());
        let entry = Entry { rollout, number, at_ms: now_ms.max(state.at_ms()), what };
        match store.append(lease, entry).await {
            Ok(_) => return Ok(Ok(())),
            Err(StateError::RolloutWentOn { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DriveError::Busy(id.to_owned()))
}
