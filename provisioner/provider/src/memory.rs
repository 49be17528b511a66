//! A cloud in memory for tests: seeded, with faults, and with a ledger of everything it was asked.
//!
//! Invariants: it keeps the Provider contract exactly, faults aside; one token makes at most one object; a
//! half-made object is finished by the next creation of the same instance, whatever its token. It
//! survives any number of providers made over it, like a real cloud survives the program.

use crate::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Object, Owned, Owner, Provider,
    ProviderError, ReadRequest, UpdateRequest,
};
use async_trait::async_trait;
use model::plan::Observation;
use model::schema::{Attribute, ProviderSchema, ResourceSchema};
use model::{Address, Type, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes wrong in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fail(ErrorClass),
    /// It has its effect, and the answer is lost.
    LoseAnswer(ErrorClass),
    /// A creation leaves a half-made object, and the answer is lost.
    HalfMade,
    /// It has its effect and never answers.
    Hang,
    /// It never answers and has no effect.
    HangBefore,
}

/// Which calls a fault meets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    /// The call of that number that changes something, from 1.
    Nth(u64),
    /// The next call about that instance, once.
    Next(String),
    /// Every call about that instance.
    Always(String),
}

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
}

impl Stored {
    fn object(&self) -> Object {
        Object { id: self.id.clone(), attributes: self.attributes.clone(), note: None }
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

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    ledger: Vec<Called>,
    made: u64,
    faults: Vec<(When, Fault)>,
    unreachable: Vec<String>,
    delay: Duration,
    in_flight: usize,
    most_in_flight: usize,
}

/// The cloud. Clones are the same cloud.
#[derive(Clone, Default)]
pub struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    /// An empty cloud.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` call that changes something (from 1, counted from now on) meets a fault.
    pub fn fault_nth(&self, nth: u64, fault: Fault) {
        let mut state = self.state();
        let nth = nth + state.ledger.len() as u64;
        state.faults.push((When::Nth(nth), fault));
    }

    /// The next call about this instance meets a fault.
    pub fn fault_next(&self, address: &str, fault: Fault) {
        self.state().faults.push((When::Next(address.to_owned()), fault));
    }

    /// Every call about this instance meets a fault.
    pub fn fault_always(&self, address: &str, fault: Fault) {
        self.state().faults.push((When::Always(address.to_owned()), fault));
    }

    /// No faults from now on.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.unreachable.clear();
    }

    /// Objects of this instance cannot be reached.
    pub fn cut_off(&self, address: &str) {
        self.state().unreachable.push(address.to_owned());
    }

    /// Every call takes that long.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// All objects, half-made ones included.
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

    /// Every call that would change something, in the order it came.
    pub fn ledger(&self) -> Vec<Called> {
        self.state().ledger.clone()
    }

    /// The most calls that were under way at once.
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, waits as long as calls take, and tells which fault it meets.
    async fn enter(&self, called: Called) -> (InFlight, Option<Fault>) {
        let (fault, delay) = {
            let mut state = self.state();
            state.ledger.push(called.clone());
            let number = state.ledger.len() as u64;
            let address = called.address.to_string();
            let met = state.faults.iter().position(|(when, _)| match when {
                When::Nth(nth) => *nth == number,
                When::Next(wanted) | When::Always(wanted) => *wanted == address,
            });
            let fault = met.map(|at| match state.faults[at].0 {
                When::Always(_) => state.faults[at].1,
                _ => state.faults.remove(at).1,
            });
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
        (guard, fault)
    }
}

/// Counts a call until it is dropped, also when it is aborted.
struct InFlight(Cloud);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

/// The schema: `memory_disk` (a volume-like object), `memory_machine` (refers to others) and
/// `memory_check` (a statement about its dependencies).
pub fn schema() -> ProviderSchema {
    let id = || Attribute::computed(Type::String, "The cloud's identity of the object.");
    let status =
        || Attribute::computed(Type::String, "Whether it is well.").volatile().expects("ok".into());
    let resource = |description: &str, attributes: Vec<(&str, Attribute)>| ResourceSchema {
        description: description.to_owned(),
        attributes: attributes
            .into_iter()
            .map(|(name, attribute)| (name.to_owned(), attribute))
            .collect(),
        ..ResourceSchema::default()
    };
    let disk = resource(
        "A disk.",
        vec![
            ("name", Attribute::required(Type::String, "Its name.").forces_replacement()),
            ("size", Attribute::optional(Type::Number, "Its size.").with_default(1.into())),
            ("key", Attribute::optional(Type::String, "A secret.").secret()),
            ("id", id()),
            ("status", status()),
        ],
    );
    let machine = resource(
        "A machine.",
        vec![
            ("name", Attribute::required(Type::String, "Its name.").forces_replacement()),
            ("disks", Attribute::optional(Type::list(Type::String), "Identities of disks.")),
            ("label", Attribute::optional(Type::String, "Any text.")),
            ("id", id()),
            ("status", status()),
        ],
    );
    let mut check = resource(
        "A check.",
        vec![
            ("of", Attribute::optional(Type::list(Type::String), "What is checked.")),
            ("id", id()),
            ("status", status()),
        ],
    );
    check.follows_dependencies = true;
    ProviderSchema {
        limits: std::collections::BTreeMap::new(),
        name: "memory".to_owned(),
        configuration: BTreeMap::new(),
        resources: BTreeMap::from([
            ("memory_disk".to_owned(), disk),
            ("memory_machine".to_owned(), machine),
            ("memory_check".to_owned(), check),
        ]),
    }
}

/// A provider over a [`Cloud`].
pub struct MemoryProvider {
    cloud: Cloud,
    owner: Owner,
    schema: ProviderSchema,
}

impl MemoryProvider {
    /// A provider for one environment.
    pub fn new(cloud: Cloud, owner: Owner) -> Self {
        Self { cloud, owner, schema: schema() }
    }

    fn is_ours(&self, object: &Stored, address: &Address) -> bool {
        object.lineage == self.owner.lineage && object.address == *address
    }

    fn make(&self, request: &CreateRequest, complete: bool) -> Object {
        let mut state = self.cloud.state();
        let known = state.objects.values().find(|object| {
            self.is_ours(object, &request.address)
                && (object.token == request.token || !object.complete)
        });
        let id = if let Some(object) = known {
            object.id.clone()
        } else {
            state.made += 1;
            format!("mem-{}", state.made)
        };
        let attributes = with(&request.arguments, "id", id.as_str().into());
        let stored = Stored {
            id: id.clone(),
            lineage: self.owner.lineage.clone(),
            address: request.address.clone(),
            token: request.token.clone(),
            attributes: with(&attributes, "status", "ok".into()),
            complete,
        };
        let attributes = stored.attributes.clone();
        state.objects.insert(id.clone(), stored);
        Object { id, attributes, note: None }
    }

    fn change(&self, request: &UpdateRequest) -> Result<Object, ProviderError> {
        let mut state = self.cloud.state();
        let object = state.objects.get_mut(&request.id).ok_or_else(|| {
            let message = format!("{} ({}) is gone", request.address, request.id);
            ProviderError::new(ErrorClass::NotFound, message)
        })?;
        let attributes = with(&request.arguments, "id", request.id.as_str().into());
        object.attributes = with(&attributes, "status", "ok".into());
        Ok(Object { id: request.id.clone(), attributes: object.attributes.clone(), note: None })
    }

    async fn answer<T>(
        &self,
        called: Called,
        half: impl FnOnce(),
        effect: impl FnOnce() -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let subject = format!("{} {}", called.verb, called.address);
        let (_in_flight, fault) = self.cloud.enter(called).await;
        let error = |class, what: &str| ProviderError::new(class, format!("{subject}: {what}"));
        match fault {
            None => effect(),
            Some(Fault::Fail(class)) => Err(error(class, "refused")),
            Some(Fault::LoseAnswer(class)) => {
                effect()?;
                Err(error(class, "the answer was lost").maybe_done())
            }
            Some(Fault::HalfMade) => {
                half();
                Err(error(ErrorClass::Conflict, "ended halfway").maybe_done())
            }
            Some(Fault::Hang) => {
                effect()?;
                std::future::pending().await
            }
            Some(Fault::HangBefore) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Provider for MemoryProvider {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let state = self.cloud.state();
        let read = |request: &ReadRequest| {
            if state.unreachable.contains(&request.address.to_string()) {
                return Ok(Observation::Unreachable("cut off".to_owned()));
            }
            Ok(match state.objects.get(&request.id) {
                Some(object) if object.complete => Observation::Present(object.attributes.clone()),
                Some(_) => Observation::Absent("half made".to_owned()),
                None => Observation::Absent(format!("no object {}", request.id)),
            })
        };
        requests.iter().map(read).collect()
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        let called = Called {
            verb: "create",
            address: request.address.clone(),
            token: request.token.clone(),
        };
        request.progress.step("making");
        let half = || drop(self.make(&request, false));
        self.answer(called, half, || Ok(self.make(&request, true))).await
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        let called = Called {
            verb: "update",
            address: request.address.clone(),
            token: request.token.clone(),
        };
        self.answer(called, || (), || self.change(&request)).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError> {
        let called =
            Called { verb: "delete", address: request.address.clone(), token: String::new() };
        let effect = || {
            self.cloud.state().objects.remove(&request.id);
            Ok(())
        };
        self.answer(called, || (), effect).await
    }

    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError> {
        let state = self.cloud.state();
        let found = state.objects.values().filter(|object| {
            self.is_ours(object, &request.address)
                && object.token == request.token
                && object.complete
        });
        Ok(Found::of(found.map(Stored::object).collect()))
    }

    async fn list_owned(&self) -> Result<Vec<Owned>, ProviderError> {
        let state = self.cloud.state();
        let ours = state.objects.values().filter(|object| object.lineage == self.owner.lineage);
        let mut owned: Vec<Owned> = ours
            .map(|stored| Owned {
                address: stored.address.clone(),
                id: stored.id.clone(),
                token: stored.token.clone(),
                object: stored.complete.then(|| stored.object()),
            })
            .collect();
        owned.sort_by(|left, right| (&left.address, &left.id).cmp(&(&right.address, &right.id)));
        Ok(owned)
    }
}

/// The object with one attribute set.
fn with(attributes: &Value, name: &str, value: Value) -> Value {
    let mut entries = attributes.as_entries().cloned().unwrap_or_default();
    entries.insert(name.into(), value);
    Value::object(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Case};

    fn owner(lineage: &str) -> Owner {
        Owner { environment: "test".to_owned(), lineage: lineage.to_owned() }
    }

    fn case() -> Case {
        let disk = |size: i64| {
            let key = Value::from("k").into_sensitive();
            Value::object([("name", "a".into()), ("size", size.into()), ("key", key)])
        };
        Case {
            address: Address::parse("memory_disk.a").unwrap(),
            arguments: disk(1),
            changed: Some(disk(2)),
        }
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let provider = MemoryProvider::new(Cloud::new(), owner("l"));
        conformance::run(&provider, &case()).await.unwrap();
    }

    #[tokio::test]
    async fn a_half_made_object_is_adopted_by_a_new_token() {
        let cloud = Cloud::new();
        let provider = MemoryProvider::new(cloud.clone(), owner("l"));
        cloud.fault_nth(1, Fault::HalfMade);
        let create = |token: &str| provider.create(case().create(token));
        assert!(create("one").await.unwrap_err().outcome_unknown);
        assert_eq!(provider.find(case().find("one")).await.unwrap(), Found::Nothing);
        create("two").await.unwrap();
        assert_eq!(cloud.objects().len(), 1);
        create("three").await.unwrap();
        assert_eq!(cloud.objects().len(), 2, "a whole object is not taken for another");
    }

    #[tokio::test]
    async fn another_environment_finds_nothing() {
        let cloud = Cloud::new();
        let ours = MemoryProvider::new(cloud.clone(), owner("ours"));
        ours.create(case().create("t")).await.unwrap();
        let theirs = MemoryProvider::new(cloud, owner("theirs"));
        assert_eq!(theirs.find(case().find("t")).await.unwrap(), Found::Nothing);
    }
}
