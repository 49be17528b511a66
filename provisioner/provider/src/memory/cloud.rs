//! The cloud in memory itself: its objects, the ledger of what it was asked, and what is to go wrong.
//!
//! Invariants: one ledger for all providers over it; its time is tokio's clock, so that paused time is its time, too;
//! effects that come late come in the order of their times, each at its own time.

use super::effects::{Effect, with};
use super::faults::{Fault, Faults, Nature, Weather};
use super::schema::schema;
use crate::limits::Bucket;
use crate::{ErrorClass, Object, ProviderError};
use model::schema::{Adoption, ProviderSchema};
use model::{Address, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a new object is hidden whose type has a settle time, in milliseconds; less than that.
const HIDDEN_MS: u64 = 3_000;

/// An object of the cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its identity.
    pub id: String,
    /// The lineage of the environment that made it.
    pub lineage: String,
    /// The instance it was made for.
    pub address: Address,
    /// The token of the creation that made it.
    pub token: String,
    /// All attributes.
    pub attributes: Value,
    /// Whether its creation came to an end.
    pub complete: bool,
    /// When it was begun, in milliseconds of the cloud's time.
    pub made_at_ms: u64,
    /// From when on it shows, in milliseconds of the cloud's time.
    pub seen_from_ms: u64,
}

impl Stored {
    pub(super) fn object(&self) -> Object {
        Object { id: self.id.clone(), attributes: self.attributes.clone(), note: None }
    }

    pub(super) fn is_seen(&self, now_ms: u64) -> bool {
        self.seen_from_ms <= now_ms
    }

    pub(super) fn is_service(&self) -> bool {
        self.address.kind() == super::schema::SERVICE
    }
}

/// One call that the cloud got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// `create`, `update`, `delete`.
    pub verb: &'static str,
    /// The instance.
    pub address: Address,
    /// The token; empty for a deletion.
    pub token: String,
}

pub(super) struct State {
    start: Instant,
    /// By identity; services by environment and address.
    pub(super) objects: BTreeMap<String, Stored>,
    /// Deleted objects that still show, and until when.
    pub(super) ghosts: Vec<(u64, Stored)>,
    /// Objects of one creation each, in their order, by its token.
    pub(super) batches: BTreeMap<String, Vec<String>>,
    ledger: Vec<Called>,
    looks: u64,
    made: u64,
    pub(super) faults: Faults,
    pub(super) unreachable: Vec<String>,
    natures: BTreeMap<String, Nature>,
    /// Effects to come, and when.
    pending: Vec<(u64, Effect)>,
    /// The time at which a late effect happens, while it does.
    happening_at_ms: Option<u64>,
    buckets: BTreeMap<String, Bucket>,
    delay: Duration,
    in_flight: usize,
    most_in_flight: usize,
}

impl State {
    fn new() -> Self {
        let nature = |adoption, hidden_ms| Nature { adoption, hidden_ms, lingers_ms: 0 };
        let natures = schema().resources.into_iter().map(|(kind, declared)| {
            let hidden_ms = if declared.adoption.settle_ms > 0 { HIDDEN_MS } else { 0 };
            (kind, nature(declared.adoption, hidden_ms))
        });
        Self {
            start: Instant::now(),
            objects: BTreeMap::new(),
            ghosts: Vec::new(),
            batches: BTreeMap::new(),
            ledger: Vec::new(),
            looks: 0,
            made: 0,
            faults: Faults::default(),
            unreachable: Vec::new(),
            natures: natures.collect(),
            pending: Vec::new(),
            happening_at_ms: None,
            buckets: BTreeMap::new(),
            delay: Duration::ZERO,
            in_flight: 0,
            most_in_flight: 0,
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.happening_at_ms
            .unwrap_or_else(|| u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn nature(&self, kind: &str) -> Nature {
        let unknown = Nature { adoption: Adoption::default(), hidden_ms: 0, lingers_ms: 0 };
        self.natures.get(kind).copied().unwrap_or(unknown)
    }

    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        format!("mem-{}", self.made)
    }

    /// Lets happen what is due.
    fn advance(&mut self) {
        let now_ms = self.now_ms();
        self.ghosts.retain(|(until_ms, _)| *until_ms > now_ms);
        while let Some(due_ms) = self.pending.iter().map(|(due_ms, _)| *due_ms).min()
            && due_ms <= now_ms
        {
            let first = self.pending.iter().position(|(at_ms, _)| *at_ms == due_ms);
            let (_, effect) = self.pending.remove(first.unwrap_or_default());
            self.happening_at_ms = Some(due_ms);
            // Nobody waits for the answer any more, whatever it is.
            let _ = self.perform(&effect, None);
            self.happening_at_ms = None;
        }
    }

    pub(super) fn happen_later(&mut self, after_ms: u64, effect: Effect) {
        let due_ms = self.now_ms().saturating_add(after_ms);
        self.pending.push((due_ms, effect));
    }

    /// Takes a call from the bucket of its interface, if that is limited.
    fn admit(&mut self, interface: &str) -> Result<(), ProviderError> {
        let now_ms = self.now_ms();
        let Some(bucket) = self.buckets.get_mut(interface) else { return Ok(()) };
        bucket.take(now_ms).map_err(|wait_ms| {
            let message = format!("{interface}: too many calls");
            ProviderError::new(ErrorClass::Throttled, message).retry_after(wait_ms)
        })
    }
}

/// The cloud. Clones are the same cloud.
#[derive(Clone)]
pub struct Cloud(Arc<Mutex<State>>);

impl Default for Cloud {
    fn default() -> Self {
        Self::new()
    }
}

/// What it is told to do wrong.
impl Cloud {
    /// An empty cloud.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State::new())))
    }

    /// The `nth` call that changes something (from 1, counted from now on) meets a fault.
    pub fn fault_nth(&self, nth: u64, fault: Fault) {
        let mut state = self.state();
        let nth = nth + state.ledger.len() as u64;
        state.faults.nth(nth, fault);
    }

    /// The next call about this instance meets a fault.
    pub fn fault_next(&self, address: &str, fault: Fault) {
        self.state().faults.next(address, fault);
    }

    /// Every call about this instance meets a fault.
    pub fn fault_always(&self, address: &str, fault: Fault) {
        self.state().faults.always(address, fault);
    }

    /// Faults by chance from now on.
    pub fn weather(&self, weather: Weather) {
        self.state().faults.weather(weather);
    }

    /// The next look-ups and listings, that many, fail.
    pub fn fault_looks(&self, count: u64, class: ErrorClass) {
        self.state().faults.blind(count, class);
    }

    /// Objects of this instance cannot be read: that one answer of a batch is an error.
    pub fn unread(&self, address: &str, class: ErrorClass) {
        self.state().faults.unread(address, class);
    }

    /// Objects of this instance cannot be reached.
    pub fn cut_off(&self, address: &str) {
        self.state().unreachable.push(address.to_owned());
    }

    /// No faults from now on. What is under way, hidden or lingering stays so, and so do natures and limits.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.unreachable.clear();
    }

    /// Every call takes that long.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// How the objects of a resource type behave.
    pub fn nature(&self, kind: &str) -> Nature {
        self.state().nature(kind)
    }

    /// Objects of a resource type behave like this from now on. Providers made from now on declare it.
    pub fn set_nature(&self, kind: &str, nature: Nature) {
        self.state().natures.insert(kind.to_owned(), nature);
    }

    /// Refuses calls beyond the published limits from now on.
    pub fn enforce_limits(&self) {
        let mut state = self.state();
        let now_ms = state.now_ms();
        let limits = schema().limits;
        let bucket = |(interface, limit)| (interface, Bucket::new(limit, now_ms));
        state.buckets = limits.into_iter().map(bucket).collect();
    }

    /// Removes the objects of an instance behind everybody's back.
    pub fn lose(&self, address: &str) {
        self.state().objects.retain(|_, object| object.address.to_string() != address);
    }

    /// Changes an attribute of an instance's objects behind everybody's back.
    pub fn meddle(&self, address: &str, attribute: &str, value: &Value) {
        for object in self.state().objects.values_mut() {
            if object.address.to_string() == address {
                object.attributes = with(&object.attributes, attribute, value.clone());
            }
        }
    }
}

/// What it tells.
impl Cloud {
    /// What it offers, with its natures.
    pub fn schema(&self) -> ProviderSchema {
        let state = self.state();
        let mut schema = schema();
        for (kind, declared) in &mut schema.resources {
            declared.adoption = state.nature(kind).adoption;
        }
        schema
    }

    /// All objects, half-made and hidden ones included.
    pub fn objects(&self) -> Vec<Stored> {
        self.state().objects.values().cloned().collect()
    }

    /// How many objects each token made.
    pub fn count_by_token(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for object in self.state().objects.values() {
            *counts.entry(object.token.clone()).or_default() += 1;
        }
        counts
    }

    /// Objects, half-made and hidden ones included, whose identity is not among these: nobody will ever delete them.
    pub fn orphans(&self, known: &BTreeSet<String>) -> Vec<Stored> {
        let mut objects = self.objects();
        objects.retain(|object| !known.contains(&object.id));
        objects
    }

    /// Instances that have more than one object, half-made and hidden ones included, with those. A create-first
    /// replacement has two while it is under way.
    pub fn duplicates(&self) -> Vec<(Address, Vec<Stored>)> {
        let mut by_instance: BTreeMap<(String, Address), Vec<Stored>> = BTreeMap::new();
        for object in self.objects() {
            let instance = (object.lineage.clone(), object.address.clone());
            by_instance.entry(instance).or_default().push(object);
        }
        let several = by_instance.into_iter().filter(|(_, objects)| objects.len() > 1);
        several.map(|((_, address), objects)| (address, objects)).collect()
    }

    /// How many effects are still to come.
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// Milliseconds since the cloud was made.
    pub fn now_ms(&self) -> u64 {
        self.state().now_ms()
    }

    /// Every call that would change something, in the order it came.
    pub fn ledger(&self) -> Vec<Called> {
        self.state().ledger.clone()
    }

    /// How many look-ups, listings and batches of reads there were.
    pub fn looks(&self) -> u64 {
        self.state().looks
    }

    /// The most changing calls that were under way at once.
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    /// How many changing calls are under way.
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
    }
}

/// What providers call.
impl Cloud {
    /// The cloud as of now.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance();
        state
    }

    /// Notes a changing call, waits as long as calls take, and tells which fault it meets.
    pub(super) async fn enter(
        &self,
        effect: &Effect,
    ) -> Result<(InFlight, Option<Fault>), ProviderError> {
        self.enter_for(effect, &effect.address.to_string()).await
    }

    /// The same for a call about many objects, of which this is one: what is told of an instance is not for all of them.
    pub(super) async fn enter_for_many(
        &self,
        effect: &Effect,
    ) -> Result<(InFlight, Option<Fault>), ProviderError> {
        self.enter_for(effect, "").await
    }

    async fn enter_for(
        &self,
        effect: &Effect,
        instance: &str,
    ) -> Result<(InFlight, Option<Fault>), ProviderError> {
        let (fault, delay) = {
            let mut state = self.state();
            state.ledger.push(effect.called());
            state.admit(effect.verb.word())?;
            let number = state.ledger.len() as u64;
            let fault = state.faults.of_call(number, instance);
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
            (fault, state.delay)
        };
        let guard = InFlight(self.clone());
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(delay).await;
        }
        Ok((guard, fault))
    }

    /// Notes a look, and lets it in or not.
    pub(super) fn look(&self, interface: &str) -> Result<MutexGuard<'_, State>, ProviderError> {
        let mut state = self.state();
        state.looks += 1;
        state.admit(interface)?;
        Ok(state)
    }
}

/// Counts a call until it is dropped, also when it is aborted.
pub(super) struct InFlight(Cloud);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}
