//! AWS behind the Provider port: networks, machines, volumes and images on `aws-sdk-ec2`, buckets on `aws-sdk-s3`. Names of
//! types, arguments and attributes are those of Terraform's AWS provider.
//!
//! One file a resource type: its schema, what is asked to make, change and delete an object, and what a description of
//! it means. The rest is written once, in [`provider`]: reads are grouped by type into few paged Describe calls; whatever
//! is found is told by id, by our marker or by a data source's filters through the same `describe` of the type.
//!
//! Invariants:
//! - every request waits its turn at the published limit of its API ([`limits`]) and is sent once: the SDK's own retries are
//!   off, the engine's are journaled.
//! - what can carry tags carries our marker from its creation on ([`marker`]); where the API takes a token, it gets the
//!   engine's. What can carry neither (a route, an attachment) is read and compared: it is identified by what it joins.
//! - creations with the same arguments are one call where the API can ([`together`]), and what is asked at the same moment
//!   is asked by one call ([`gather`]).
//! - attributes of nested blocks that the configuration leaves out are not read back, so that they are no drift.
//!
//! Refuses to know: plans, state, the terminal; how credentials are found (the SDK's own chain does that).

mod arguments;
mod client;
mod compute;
mod configuration;
mod data;
mod error;
mod gather;
mod kind;
mod limits;
mod looks;
mod marker;
mod network;
mod permissions;
mod profile;
mod provider;
mod query;
mod recent;
mod storage;
mod tagging;
mod together;
mod waits;

pub use configuration::provider_schema;
pub use permissions::permissions;
pub use provider::Aws;
