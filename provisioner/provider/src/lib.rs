//! The Provider port: what every cloud must offer, and nothing about any of them.
//!
//! A provider declares its resource types as data ([`model::schema::ProviderSchema`]); the planner
//! decides from that alone. The calls below are what the engine makes. Contract:
//! - `create` with a token that was used before, for the same request, gives the same object and no
//!   second one; killed at any instant and called again, it finishes what was begun.
//! - `delete` of something that is gone succeeds.
//! - `find` tells an object of ours from a stranger's by its marker (lineage, address, token).
//! - errors carry where they come from and whether a retry can help.
//!
//! Refuses to know: plans, state, the terminal.

pub mod conformance;
mod error;
pub mod memory;

pub use error::{ErrorClass, ProviderError};

use async_trait::async_trait;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
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

/// Make one object.
#[derive(Clone)]
pub struct CreateRequest {
    /// The instance.
    pub address: Address,
    /// Deterministic idempotency token.
    pub token: String,
    /// All arguments, wholly known.
    pub arguments: Value,
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
    /// Recorded attributes.
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
}

/// One cloud, configured.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it offers.
    fn schema(&self) -> &ProviderSchema;

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

    /// Whether `delete`, given a creation's arguments as attributes and the address's text as id, takes away
    /// whatever that creation has left: then a run that is about to delete it need not finish it first.
    fn deletes_half_made(&self, _resource_type: &str) -> bool {
        false
    }

    /// What a creation whose answer was lost has left: nothing, or one finished object of ours. A half-made
    /// object counts as nothing here: `create` with the same token finishes it.
    async fn find(&self, request: FindRequest) -> Result<Option<Object>, ProviderError>;
}
