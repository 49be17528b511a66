//! The cloud as a program of the simulation sees it: what is sent has its effect whether the program lives on or not;
//! answers are lost, effects come late, requests arrive twice.
//!
//! Where a creation takes a token, the token stands for its request also after its object was deleted, as with the clouds
//! that keep tokens beside their objects; so a request that arrives late makes nothing anew. What is installed on a machine
//! goes over a connection: its effect does not come after the connection's end.

use crate::world::{Mortal, Off};
use async_trait::async_trait;
use futures::future::join_all;
use model::plan::Observation;
use model::schema::{Adoption, ProviderSchema};
use model::{Address, Diagnostic, Value};
use provider::memory::{Fault, MemoryProvider, schema};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Object, Owned, Owner, Provider,
    ProviderError, ReadRequest, Silent, UpdateRequest,
};
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<T, ProviderError>;

/// What happens to a request that changes something.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    Refused,
    Denied,
    Throttled,
    LostRequest,
    LostAnswer,
    Late(u64),
    Hangs,
    HalfMade,
    Twice,
}

pub struct Front {
    inner: Arc<MemoryProvider>,
    schema: ProviderSchema,
    mortal: Arc<Mortal>,
}

/// A request on its way.
#[derive(Clone)]
enum Request {
    Create(CreateRequest),
    Update(UpdateRequest),
    Delete(DeleteRequest),
    /// One call for all of them, of which there is at least one.
    DeleteMany(Vec<DeleteRequest>),
}

impl Request {
    fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::Delete(_) => "delete",
            Self::DeleteMany(_) => "delete many with",
        }
    }

    fn address(&self) -> &Address {
        match self {
            Self::Create(request) => &request.address,
            Self::Update(request) => &request.address,
            Self::Delete(request) => &request.address,
            Self::DeleteMany(requests) => &requests[0].address,
        }
    }

    fn is_install(&self) -> bool {
        self.address().kind() == schema::SERVICE
    }
}

impl Front {
    pub fn new(mortal: Arc<Mortal>, owner: Owner) -> Self {
        let inner = Arc::new(MemoryProvider::new(mortal.world.cloud.clone(), owner));
        let mut schema = inner.schema().clone();
        if mortal.world.off == Off::Settling {
            // What the program believes: everything shows at once, and nothing comes late.
            for declared in schema.resources.values_mut() {
                (declared.adoption.settle_ms, declared.adoption.deadline_ms) = (0, 1_000);
            }
        }
        Self { inner, schema, mortal }
    }

    fn adoption(&self, request: &Request) -> Adoption {
        let declared = self.schema.resources.get(request.address().kind());
        declared.map(|declared| declared.adoption).unwrap_or_default()
    }

    fn fate(&self, request: &Request) -> Fate {
        let weather = self.mortal.world.weather();
        let mut chance = self.mortal.world.chance();
        let is_create = matches!(request, Request::Create(_));
        let adoption = self.adoption(request);
        let is_guarded = adoption.token_retention_s.is_some() || adoption.unique_name;
        let address = request.address();
        if self.mortal.world.loses(address, false) && chance.hits(weather.denied_next) {
            return chance.pick(&[Fate::Denied, Fate::Refused]);
        }
        // At any time before the deadline, or just before it.
        let late_ms = chance.below(60_000);
        let late_ms = if chance.hits(500) { late_ms } else { 57_000 + late_ms / 20 };
        let late_ms = adoption.effect_ms.map_or(late_ms, |effect_ms| late_ms * effect_ms / 60_001);
        let fates = [
            (weather.refused, Fate::Refused),
            (weather.denied, Fate::Denied),
            (weather.throttled, Fate::Throttled),
            (weather.lost_requests, Fate::LostRequest),
            (weather.lost_answers, Fate::LostAnswer),
            (weather.hangs, Fate::Hangs),
            (if request.is_install() { 0 } else { weather.late }, Fate::Late(late_ms)),
            (if is_create || request.is_install() { weather.half_made } else { 0 }, Fate::HalfMade),
            (if is_create && is_guarded { weather.twice } else { 0 }, Fate::Twice),
        ];
        let mut drawn = chance.below(1_000);
        for (share, fate) in fates {
            if drawn < share {
                if matches!(fate, Fate::LostRequest | Fate::LostAnswer | Fate::Late(_)) {
                    self.mortal.world.loses(address, true);
                }
                return fate;
            }
            drawn -= share;
        }
        Fate::Answered
    }

    /// Sends a request; what it does, it does without the program.
    async fn send(&self, mut request: Request) -> Answer<Option<Object>> {
        let world = &self.mortal.world;
        let (word, address) = (request.word(), request.address().clone());
        self.mortal.moment_of_sending(|| format!("before {word} {address}")).await;
        world.sends(&self.mortal.name, &format!("{word} {address}"));
        if world.off == Off::Tokens
            && let Request::Create(request) = &mut request
        {
            request.token = format!("{}-{}", request.token, world.chance().next());
        }
        let fate = self.fate(&request);
        world.log(|| format!("{}: {word} {address} will be {fate:?}", self.mortal.name));
        let lost = || {
            let message = format!("{word} {address}: the answer was lost");
            Err(ProviderError::new(ErrorClass::Transient, message).maybe_done())
        };
        let on_the_way = if request.is_install() { 0 } else { world.chance().below(400) };
        let is_install = request.is_install();
        let answer = match fate {
            Fate::Refused => {
                Err(ProviderError::new(ErrorClass::Transient, format!("{word} {address}: refused")))
            }
            Fate::Denied => {
                Err(ProviderError::new(ErrorClass::Denied, format!("{word} {address}: denied")))
            }
            Fate::Throttled => {
                let error = ProviderError::new(ErrorClass::Throttled, format!("{word}: too many"));
                let most_ms = world.chance().pick(&[4_000, 40_000]);
                Err(error.retry_after(world.chance().below(most_ms)))
            }
            Fate::LostRequest => lost(),
            Fate::LostAnswer => self.arrive(request, on_the_way, false).await.and_then(|_| lost()),
            Fate::Late(after_ms) => {
                drop(self.spawn(request, after_ms, false));
                lost()
            }
            Fate::Hangs => {
                if is_install {
                    drop(self.arrive(request, 0, false).await);
                } else {
                    drop(self.spawn(request, on_the_way, false));
                }
                std::future::pending().await
            }
            Fate::HalfMade => {
                let steps = if is_install { world.chance().below(3) } else { 1 };
                let fault = Fault::CutAfter(usize::try_from(steps).unwrap_or_default());
                world.cloud.fault_next(&address.to_string(), fault);
                self.arrive(request, 0, false).await
            }
            Fate::Twice => self.arrive(request, on_the_way, true).await,
            Fate::Answered => self.arrive(request, on_the_way, false).await,
        };
        self.mortal.moment(|| format!("after {word} {address}: {}", told(&answer))).await;
        answer
    }

    /// The request's effect after a while, and its answer.
    async fn arrive(&self, request: Request, after_ms: u64, twice: bool) -> Answer<Option<Object>> {
        let effect = self.spawn(request, after_ms, twice);
        effect.await.unwrap_or_else(|error| {
            Err(ProviderError::new(ErrorClass::Invalid, format!("the simulation broke: {error}")))
        })
    }

    fn spawn(
        &self,
        request: Request,
        after_ms: u64,
        twice: bool,
    ) -> tokio::task::JoinHandle<Answer<Option<Object>>> {
        let keeps_tokens =
            self.adoption(&request).token_retention_s.is_some() && !request.is_install();
        let (inner, world) = (self.inner.clone(), self.mortal.world.clone());
        tokio::spawn(async move {
            if after_ms > 0 {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
            }
            let mut answer = Err(ProviderError::new(ErrorClass::Invalid, "not sent"));
            for _ in 0..=usize::from(twice) {
                answer = match request.clone() {
                    Request::Create(mut request) => {
                        let is_there = |token: &str| {
                            world.cloud.objects().iter().any(|object| object.token == token)
                        };
                        if keeps_tokens
                            && world.is_spent(&request.token)
                            && !is_there(&request.token)
                        {
                            let message = format!("what {} made is deleted", request.address);
                            return Err(ProviderError::new(ErrorClass::NotFound, message));
                        }
                        request.progress = Arc::new(Silent);
                        let token = request.token.clone();
                        let made = inner.create(request).await;
                        if is_there(&token) {
                            world.spend(&token);
                        }
                        made.map(Some)
                    }
                    Request::Update(mut request) => {
                        request.progress = Arc::new(Silent);
                        inner.update(request).await.map(Some)
                    }
                    Request::Delete(mut request) => {
                        request.progress = Arc::new(Silent);
                        world.deletes(&request.id);
                        inner.delete(request).await.map(|()| None)
                    }
                    Request::DeleteMany(requests) => {
                        let quiet = |request: DeleteRequest| {
                            world.deletes(&request.id);
                            DeleteRequest { progress: Arc::new(Silent), ..request }
                        };
                        let requests = requests.into_iter().map(quiet).collect();
                        let answers = inner.delete_many(requests).await.into_iter();
                        answers.collect::<Answer<Vec<()>>>().map(|_| None)
                    }
                };
            }
            let told = told(&answer);
            world.log(|| format!("cloud: {} {}: {told}", request.word(), request.address()));
            answer
        })
    }

    /// A call that nothing is sent for: no fate meets it, but the program may die before and after it.
    async fn compute<T>(&self, word: &str, address: &Address, call: impl Future<Output = T>) -> T {
        self.mortal.moment(|| format!("before {word} {address}")).await;
        let made = call.await;
        self.mortal.moment(|| format!("after {word} {address}")).await;
        made
    }

    async fn look<T>(&self, what: &str, call: impl Future<Output = T>) -> Result<T, ProviderError> {
        self.mortal.moment(|| format!("before {what}")).await;
        let share = self.mortal.world.weather().unread;
        if share > 0 && self.mortal.world.chance().hits(share) {
            return Err(ProviderError::new(ErrorClass::Transient, format!("{what}: failed")));
        }
        let answer = call.await;
        self.mortal.moment(|| format!("after {what}")).await;
        Ok(answer)
    }
}

fn told(answer: &Answer<Option<Object>>) -> String {
    match answer {
        Ok(Some(object)) => object.id.clone(),
        Ok(None) => "gone".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[async_trait]
impl Provider for Front {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    fn validate(&self, address: &Address, arguments: &Value) -> Vec<Diagnostic> {
        self.inner.validate(address, arguments)
    }

    fn deletes_half_made(&self, resource_type: &str) -> bool {
        self.inner.deletes_half_made(resource_type)
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Answer<Observation>> {
        match self.look("read", self.inner.read_many(requests)).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); requests.len()],
        }
    }

    async fn create(&self, request: CreateRequest) -> Answer<Object> {
        let address = request.address.clone();
        if address.kind() == schema::NOTE {
            return self.compute("create", &address, self.inner.create(request)).await;
        }
        let gone = || ProviderError::new(ErrorClass::NotFound, "nothing was made");
        self.send(Request::Create(request)).await?.ok_or_else(gone)
    }

    async fn update(&self, request: UpdateRequest) -> Answer<Object> {
        let address = request.address.clone();
        if address.kind() == schema::NOTE {
            return self.compute("update", &address, self.inner.update(request)).await;
        }
        let gone = || ProviderError::new(ErrorClass::NotFound, "nothing was changed");
        self.send(Request::Update(request)).await?.ok_or_else(gone)
    }

    async fn delete(&self, request: DeleteRequest) -> Answer<()> {
        let address = request.address.clone();
        if address.kind() == schema::NOTE {
            self.mortal.world.deletes(&request.id);
            return self.compute("delete", &address, self.inner.delete(request)).await;
        }
        self.send(Request::Delete(request)).await.map(drop)
    }

    /// One call with one fate for all, or, where the provider needs several, fates of their own.
    async fn delete_many(&self, requests: Vec<DeleteRequest>) -> Vec<Answer<()>> {
        let count = requests.len();
        if count == 0 || self.mortal.world.chance().hits(300) {
            return join_all(requests.into_iter().map(|request| self.delete(request))).await;
        }
        let answer = self.send(Request::DeleteMany(requests)).await.map(drop);
        vec![answer; count]
    }

    async fn find(&self, request: FindRequest) -> Answer<Found> {
        let found = self.look("find", self.inner.find(request)).await??;
        Ok(if self.mortal.world.off == Off::LookUp { Found::Nothing } else { found })
    }

    async fn list_owned(&self) -> Answer<Vec<Owned>> {
        let owned = self.look("list", self.inner.list_owned()).await??;
        Ok(if self.mortal.world.off == Off::LookUp { Vec::new() } else { owned })
    }
}
