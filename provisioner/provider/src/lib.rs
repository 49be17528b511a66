//! The Provider port: what every cloud must offer, and nothing about any of them.
//!
//! A provider declares its resource types as data ([`model::schema::ProviderSchema`]); the planner
//! decides from that alone. The calls below are what the engine makes. Contract:
//! - what a resource type's [`Adoption`](model::schema::Adoption) says holds: while its token is kept, `create` with a
//!   token that was used before, for the same request, gives the same object and no second one; where names are unique,
//!   `create` of a name that another creation has fails with [`ErrorClass::Conflict`] and touches nothing; where objects
//!   are tagged, they carry the marker (lineage, address, token) from the moment they exist.
//! - a half-made object (a creation that was cut off) is finished by the next `create` of the same instance that can
//!   see it, or taken away by `delete`; `read_many` says of it that it is absent.
//! - `find` answers with finished objects that carry all of our marker, and with no others; it never takes the first of
//!   several. Where objects are not tagged and names are not unique (a service on a node), nothing tells who made
//!   it: what is there as asked for is found. `list_owned` answers with every tagged object, half-made ones too, that
//!   carries our lineage, and with no others.
//! - `read_many`, `find` and `list_owned` see only what the cloud shows: an object may stay hidden for the declared
//!   settle time after its creation took effect, which may be as late as the declared deadline, and a deleted one may
//!   be listed for a while. Whoever concludes from "nothing" or "absent" waits for that first; whoever concludes from
//!   "listed" reads it. `update` and `delete` reach an object that is hidden.
//! - `delete` of something that is gone succeeds.
//! - errors carry where they come from, whether a retry can help, and when, if the cloud said so. A provider does not
//!   send anything again by itself: every retry is the engine's, which journals it.
//! - a provider waits its turn at its [`limits::Limiter`] before it sends; a call that is dropped sends nothing more.
//!
//! Refuses to know: plans, state, the terminal.

mod clock;
pub mod conformance;
mod error;
pub mod limits;
pub mod memory;

pub use clock::{Clock, TokioClock};
pub use error::{ErrorClass, ProviderError};

use async_trait::async_trait;
use model::plan::{CloudIdentity, Observation};
use model::record::Batch;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asks: written on every object so that it is found again and never mistaken for another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The environment's name.
    pub environment: String,
    /// The environment's lineage.
    pub lineage: String,
}

/// Where a provider reports the steps of a long call.
pub trait Progress: Send + Sync {
    /// A step began, in a few words.
    fn step(&self, step: &str);
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _step: &str) {}
}

/// An object as the provider knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The provider's identity of it.
    pub id: String,
    /// All arguments and attributes of the schema, wholly known, secrets marked.
    pub attributes: Value,
    /// One line worth telling people, if any.
    pub note: Option<String>,
}

/// Read one object.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The instance; `address.kind()` is the resource type.
    pub address: Address,
    /// The object's identity.
    pub id: String,
    /// Its recorded attributes.
    pub attributes: Value,
}

/// Look at an object that is to be recorded as an instance.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The instance.
    pub address: Address,
    /// The object's identity, as `read_many` takes it.
    pub id: String,
    /// The arguments that the instance is configured with; what is left out, or not known yet, is null. They say what is worth
    /// reading, and how much of its nested blocks; nothing of them is taken for what the object has.
    pub arguments: Value,
}

/// Read one data source.
#[derive(Clone, Debug)]
pub struct DataRequest {
    /// The data source's instance; `address.kind()` is its type.
    pub address: Address,
    /// All arguments, wholly known.
    pub arguments: Value,
}

/// Make one object.
#[derive(Clone)]
pub struct CreateRequest {
    /// The instance.
    pub address: Address,
    /// Deterministic idempotency token.
    pub token: String,
    /// All arguments, wholly known.
    pub arguments: Value,
    /// The other creations with the same arguments that one call is to make together with this one. All of them are
    /// asked for at the same time, each by a request of its own; after a crash perhaps only some are asked for again.
    pub batch: Option<Batch>,
    /// Where steps are reported.
    pub progress: Arc<dyn Progress>,
}

/// Change one object in place.
#[derive(Clone)]
pub struct UpdateRequest {
    /// The instance.
    pub address: Address,
    /// Deterministic idempotency token of this update.
    pub token: String,
    /// The object's identity.
    pub id: String,
    /// Its attributes as they were seen last, by refresh or by the last call; where the call is made again, from before the
    /// first time.
    pub prior: Value,
    /// All arguments, wholly known.
    pub arguments: Value,
    /// Where steps are reported.
    pub progress: Arc<dyn Progress>,
}

/// Delete one object.
#[derive(Clone)]
pub struct DeleteRequest {
    /// The instance.
    pub address: Address,
    /// The object's identity.
    pub id: String,
    /// Recorded attributes.
    pub attributes: Value,
    /// Where steps are reported.
    pub progress: Arc<dyn Progress>,
}

/// Look up what a creation with this token may have left.
#[derive(Clone, Debug)]
pub struct FindRequest {
    /// The instance.
    pub address: Address,
    /// The creation's token.
    pub token: String,
    /// The creation's arguments.
    pub arguments: Value,
    /// The creations that it was sent with, as in [`CreateRequest::batch`].
    pub batch: Option<Batch>,
    /// How to look.
    pub by: Lookup,
}

/// How an object is looked up. Whichever it is, only an object with all of our marker is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// By the token that the cloud keeps.
    Token,
    /// By the name among the arguments, which is unique.
    Name,
    /// By our marker on it.
    Tag,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// No finished object of ours: the creation can be sent (again).
    Nothing,
    /// The object: it is adopted.
    One(Object),
    /// More than one creation took effect: nobody but a person can say which one is wanted.
    Several(Vec<Object>),
}

impl Found {
    /// What these objects are together.
    pub fn of(mut objects: Vec<Object>) -> Self {
        match objects.len() {
            0 | 1 => objects.pop().map_or(Self::Nothing, Self::One),
            _ => Self::Several(objects),
        }
    }
}

/// An object in the cloud that carries our lineage.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// The instance that its marker names.
    pub address: Address,
    /// The provider's identity of it, as `read_many` and `delete` take it.
    pub id: String,
    /// The token of the creation that made it.
    pub token: String,
    /// The object; none if it is half made.
    pub object: Option<Object>,
}

/// One cloud, configured.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it offers.
    fn schema(&self) -> &ProviderSchema;

    /// Whose the cloud is and who asks it; none where there is but one.
    async fn identity(&self) -> Result<Option<CloudIdentity>, ProviderError> {
        Ok(None)
    }

    /// Arguments that its configuration leaves to what is around the program, such as a region or a directory, with the values that
    /// they have here and now. With them the configuration means the same objects wherever and whenever it is used.
    async fn surroundings(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        Ok(BTreeMap::new())
    }

    /// Checks arguments beyond their types, without any call. `arguments` may have unknown parts.
    fn validate(&self, _address: &Address, _arguments: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// Reads many objects; answers in the order of the requests.
    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>>;

    /// Makes an object, or finishes one that an earlier call with the same token began.
    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError>;

    /// Changes an object in place; also mends one that refresh found not well. Idempotent.
    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError>;

    /// Deletes an object; succeeds when it is gone already.
    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError>;

    /// Deletes objects of one type whose schema says `deleted_together`, no more than that, by one call of the cloud. Each has
    /// an answer of its own, in the order of the requests: one that fails does not fail the others, and one that is gone
    /// already succeeds. They are told when the last one is known.
    async fn delete_many(&self, requests: Vec<DeleteRequest>) -> Vec<Result<(), ProviderError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.delete(request).await);
        }
        answers
    }

    /// Whether `delete`, given a creation's arguments as attributes and the address's text as id, takes away
    /// whatever that creation has left: then a run that is about to delete it need not finish it first.
    fn deletes_half_made(&self, _resource_type: &str) -> bool {
        false
    }

    /// What a creation whose answer was lost has left: finished objects with its whole marker. A half-made object
    /// counts as nothing here: `create` finishes it.
    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError>;

    /// Looks at objects that are to be recorded though no creation of ours made them, or was forgotten: all that the
    /// cloud tells of each, arguments that it does not tell null; none where there is no such object. Changes nothing.
    /// One that belongs to another environment is refused ([`ErrorClass::Denied`]). In the order of the requests.
    async fn import(
        &self,
        requests: &[ImportRequest],
    ) -> Vec<Result<Option<Object>, ProviderError>> {
        let refused = |request: &ImportRequest| {
            let message =
                format!("objects of type `{}` cannot be imported", request.address.kind());
            Err(ProviderError::new(ErrorClass::Invalid, message))
        };
        requests.iter().map(refused).collect()
    }

    /// Reads data sources: all arguments and attributes of each, wholly known. What the arguments say and is not there is
    /// [`ErrorClass::NotFound`]. Changes nothing. In the order of the requests.
    async fn read_data(&self, requests: &[DataRequest]) -> Vec<Result<Value, ProviderError>> {
        let unknown = |request: &DataRequest| {
            let message = format!("there is no data source `{}`", request.address.kind());
            Err(ProviderError::new(ErrorClass::Invalid, message))
        };
        requests.iter().map(unknown).collect()
    }

    /// Everything in the cloud that carries our lineage, whichever instance or token it names, half-made objects too; in
    /// the order of addresses and identities. Empty where objects exist nowhere but in the state.
    async fn list_owned(&self) -> Result<Vec<Owned>, ProviderError> {
        Ok(Vec::new())
    }
}
