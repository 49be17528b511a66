//! What is told of one resource type: everything else is the same for all.

use crate::arguments::Given;
use crate::client::Session;
use crate::marker::{self, Tags};
use crate::query::Query;
use crate::{compute, network, storage};
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::future::join_all;
use model::record::Batch;
use model::schema::{Adoption, Attribute, ResourceSchema};
use model::{Address, Type, Value};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, ProviderError, UpdateRequest,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All resource types.
pub(crate) fn all() -> impl Iterator<Item = &'static dyn Kind> {
    [network::KINDS, compute::KINDS, storage::KINDS].into_iter().flatten().copied()
}

/// The resource type of that name.
pub(crate) fn of(name: &str) -> Option<&'static dyn Kind> {
    all().find(|kind| kind.name() == name)
}

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Being made: not to be used yet.
    Pending,
    /// As it should be.
    Ready,
    /// Being deleted: there no more for whoever looks for it, and still in the way of deleting what it is in.
    Going,
    /// There no more.
    Gone,
    /// It will never be of use; what the cloud says about it.
    Failed(String),
}

impl Phase {
    /// Whether nobody should find the object any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Going | Self::Gone)
    }
}

/// An object that a description shows.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) tags: Tags,
    /// Its place among the objects of the call that made it.
    pub(crate) index: u32,
    pub(crate) phase: Phase,
    /// Why it is in that phase, where the cloud says so.
    pub(crate) why: Option<String>,
    /// What the cloud tells; what it does not tell is as recorded.
    pub(crate) attributes: BTreeMap<&'static str, Value>,
}

impl Seen {
    /// An object that is ready, with its id among the attributes.
    pub(crate) fn ready(id: String, attributes: BTreeMap<&'static str, Value>) -> Self {
        let mut attributes = attributes;
        attributes.insert("id", id.as_str().into());
        Self { id, tags: Tags::new(), index: 0, phase: Phase::Ready, why: None, attributes }
    }

    /// With its tags: all but our marker and the provider's default tags are `tags`, all but our marker `tags_all`.
    pub(crate) fn tagged(mut self, session: &Session, tags: Tags) -> Self {
        let all = marker::without_marker(&tags);
        let is_own = |(key, value): &(&String, &String)| {
            session.configuration.default_tags.get(*key) != Some(*value)
        };
        let own: Tags =
            all.iter().filter(is_own).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.attributes.insert("tags", tag_map(&own));
        self.attributes.insert("tags_all", tag_map(&all));
        self.tags = tags;
        self
    }

    /// With another phase.
    pub(crate) fn in_phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }
}

/// Tags as a value; none at all is null, as an argument that is left out.
fn tag_map(tags: &Tags) -> Value {
    if tags.is_empty() {
        return Value::null(Type::map(Type::String));
    }
    let entries = tags.iter().map(|(key, value)| (key.as_str(), Value::from(value.as_str())));
    Value::map(Type::String, entries)
}

/// One resource type.
#[async_trait]
pub(crate) trait Kind: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What the planner knows of it.
    fn schema(&self) -> ResourceSchema;

    /// What EC2 calls the type in its list of all tags; none where that list does not have it.
    fn tag_type(&self) -> Option<ResourceType>;

    /// What is wrong with arguments though their types are right: the argument, and what is wrong. Parts may be unknown.
    fn problems(&self, _given: Given<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What the cloud shows. Objects that do not exist are not in the answer, or fail a call by [`Query::Ids`] with an error
    /// that names them.
    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError>;

    /// Reads what needs a call of its own for each object: only what `recorded` has a value for. An object that, beside
    /// what is recorded, turns out not to be there is [`Phase::Gone`].
    async fn complete(
        &self,
        _session: &Session,
        _seen: &mut Seen,
        _recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    /// The same of many: what they need beside their description is asked for at once. The answers are in their order.
    async fn complete_all(
        &self,
        session: &Session,
        all: Vec<(Seen, Given<'_>)>,
    ) -> Vec<Result<Seen, ProviderError>> {
        let each = all.into_iter().map(|(mut seen, recorded)| async move {
            self.complete(session, &mut seen, recorded).await.map(|()| seen)
        });
        join_all(each).await
    }

    /// The same of an object that is to be imported, of which nothing is recorded: reads what `asked`, the arguments that it is
    /// configured with, has a value for.
    async fn found(
        &self,
        session: &Session,
        seen: &mut Seen,
        asked: Given<'_>,
    ) -> Result<(), ProviderError> {
        self.complete(session, seen, asked).await
    }

    /// The filter by which descriptions of many are asked for that may be gone: by their ids, each that is gone would fail a
    /// call.
    fn id_filter(&self) -> Option<&'static str> {
        None
    }

    /// How long to wait before the first look whether an object is ready or gone; the pauses grow by a half.
    fn look_again(&self) -> Duration {
        Duration::from_millis(200)
    }

    /// How what a creation has left is looked up where its name says which object it is; none where the marker does.
    fn by_name(&self, _request: &FindRequest) -> Option<Query> {
        None
    }

    /// Whether what is told of an argument is the answer as it is, also in what the configuration leaves out of its blocks.
    fn tells_whole(&self, _argument: &str) -> bool {
        false
    }

    /// Whether what is seen is what a creation or update has just asked for. Where the cloud may tell of what was before
    /// for a while, it is looked at again.
    fn shows(&self, _seen: &Seen, _arguments: &Value) -> bool {
        true
    }

    /// Whether nothing is waited for once a deletion is answered.
    fn is_gone_at_once(&self) -> bool {
        false
    }

    /// Whether an object stays as it is when it is deleted: it is forgotten, and nothing is asked.
    fn is_left(&self, _request: &DeleteRequest) -> bool {
        false
    }

    /// Makes an object; its id. It may need a while to be ready.
    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError>;

    /// Brings an object to its arguments.
    async fn update(&self, session: &Session, request: &UpdateRequest)
    -> Result<(), ProviderError>;

    /// Deletes an object. It may need a while to be gone. Not called where one call deletes many.
    async fn delete(&self, session: &Session, request: &DeleteRequest)
    -> Result<(), ProviderError>;

    /// Whether one call deletes many, where the schema says `deleted_together`; otherwise they are asked for one by one and waited
    /// for together.
    fn deletes_by_one_call(&self) -> bool {
        false
    }

    /// Deletes objects by one call. One that does not exist fails the call with an error that names it.
    async fn delete_many(
        &self,
        _session: &Session,
        _ids: Vec<String>,
    ) -> Result<(), ProviderError> {
        let message = format!("objects of type `{}` are deleted one by one", self.name());
        Err(ProviderError::new(ErrorClass::Invalid, message))
    }
}

/// For how long a description may not show an object, in milliseconds: "eventual consistency" of the EC2 API is published
/// without a bound; five minutes is what its retry advice adds up to
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
const SETTLE_MS: u64 = 5 * 60 * 1_000;
/// After which time a call without an answer is given up, in milliseconds: nothing is sent or answered after twice the
/// time-out of a request, and what is made is ready by then. Types that take longer say so.
pub(crate) const DEADLINE_MS: u64 = 2 * 60 * 1_000;
/// Seconds for which a client token is kept: "at least 24 hours" for instances; the others say nothing less.
const TOKEN_RETENTION_S: u64 = 24 * 60 * 60;

/// How an object of a type is found again whose API takes a client token.
pub(crate) fn by_token() -> Adoption {
    Adoption { token_retention_s: Some(TOKEN_RETENTION_S), ..by_tags() }
}

/// How an object is found again that carries our marker from its creation on.
pub(crate) fn by_tags() -> Adoption {
    Adoption {
        token_retention_s: None,
        tagged: true,
        settle_ms: SETTLE_MS,
        deadline_ms: DEADLINE_MS,
        ..Adoption::default()
    }
}

/// How an object is found again that is nothing but a relation between others: making it once more gives the same one.
pub(crate) fn by_place() -> Adoption {
    Adoption { settle_ms: SETTLE_MS, deadline_ms: DEADLINE_MS, ..Adoption::default() }
}

/// The same for what takes up to so many minutes until it is ready or gone. It is there as soon as its first request was
/// answered.
pub(crate) fn slow(adoption: Adoption, minutes: u64) -> Adoption {
    Adoption { deadline_ms: minutes * 60 * 1_000, effect_ms: Some(DEADLINE_MS), ..adoption }
}

/// Deletions that are asked for one by one and waited for together, at most: what has gone is recorded when all of them have.
pub(crate) const WAITED_FOR_TOGETHER: u32 = 50;

/// A resource type with these attributes.
pub(crate) fn resource<const N: usize>(
    description: &str,
    adoption: Adoption,
    attributes: [(&str, Attribute); N],
) -> ResourceSchema {
    let mut attributes: BTreeMap<String, Attribute> =
        attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    let id = Attribute::computed(Type::String, "Its id.");
    attributes.entry("id".to_owned()).or_insert(id);
    if adoption.tagged {
        let tags = "Tags; those of `default_tags` of the provider come beside them.";
        attributes.insert("tags".to_owned(), Attribute::optional(Type::map(Type::String), tags));
        let all = "All its tags.";
        attributes.insert(
            "tags_all".to_owned(),
            Attribute::computed(Type::map(Type::String), all).volatile(),
        );
    }
    let description = description.to_owned();
    ResourceSchema { description, attributes, adoption, ..ResourceSchema::default() }
}

/// An answer to a creation that does not say what was made.
pub(crate) fn no_id(api: &str) -> ProviderError {
    ProviderError::new(ErrorClass::Transient, format!("{api}: no id in the answer")).maybe_done()
}

/// All tags of an object that is about to be made: the provider's, its own, our marker.
pub(crate) fn tags_of(session: &Session, request: &CreateRequest) -> Tags {
    let CreateRequest { address, token, arguments, batch, .. } = request;
    tags_with(session, arguments, address, token, batch.as_ref())
}

fn tags_with(
    session: &Session,
    arguments: &Value,
    address: &Address,
    token: &str,
    batch: Option<&Batch>,
) -> Tags {
    let mut tags = session.configuration.default_tags.clone();
    tags.extend(Given(arguments).map("tags").unwrap_or_default());
    tags.extend(marker::tags(&session.owner, address, token, batch));
    tags
}
