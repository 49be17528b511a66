//! What is set of a bucket, and is a resource type of its own: its id is the bucket's name.
//!
//! Invariants: a bucket has one setting of a type; setting it says all of it, so that setting it once more is the same
//! (what was set before is replaced, as Terraform does). S3 says at once that a setting is taken back: some of them are
//! never gone, but have their first value again, so that nothing is waited for.

use super::bucket::SETTLE_MS;
use crate::arguments::Given;
use crate::arguments::as_given;
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_place, resource};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::schema::{Adoption, Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Buckets that are asked at the same time.
const AT_ONCE: usize = 16;

/// What is set: attributes by name.
pub(crate) type Told = BTreeMap<&'static str, Value>;

/// One setting.
#[async_trait]
pub(crate) trait Setting: Send + Sync {
    /// The name of its resource type.
    fn name(&self) -> &'static str;

    /// What it is for.
    fn description(&self) -> &'static str;

    /// Its arguments and attributes, but for the bucket.
    fn attributes(&self) -> Vec<(&'static str, Attribute)>;

    /// What is wrong with arguments.
    fn problems(&self, _given: Given<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What is set; none or an error of the class `NotFound` if nothing is.
    async fn get(&self, session: &Session, bucket: &str) -> Result<Option<Told>, ProviderError>;

    /// Sets it. `before` is what is recorded; none when it is made.
    async fn put(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
        before: Option<Given<'_>>,
    ) -> Result<(), ProviderError>;

    /// Takes it back.
    async fn clear(
        &self,
        session: &Session,
        bucket: &str,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError>;

    /// Brings what is told to how it was given, where S3 may tell the same in another way. It is gone if what is told
    /// means that nothing like the recorded is set.
    fn settle(&self, _seen: &mut Seen, _recorded: Given<'_>) {}
}

/// A setting as a resource type.
pub(crate) struct Configured<S>(pub(crate) S);

impl<S: Setting> Configured<S> {
    async fn look(&self, session: &Session, bucket: &str) -> Result<Option<Seen>, ProviderError> {
        let told = match self.0.get(session, bucket).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            answer => answer?,
        };
        Ok(told.map(|mut told| {
            told.insert("bucket", bucket.into());
            Seen::ready(bucket.to_owned(), told)
        }))
    }

    /// Whether what is set is what the arguments say.
    fn is_as(&self, seen: &Seen, arguments: &Value) -> bool {
        let agrees = |(name, told): (&&'static str, &Value)| {
            let given = arguments.get(name).filter(|given| !given.is_null());
            given.is_none_or(|given| as_given(told, &given).same_content(&given))
        };
        let mut seen = seen.clone();
        self.0.settle(&mut seen, Given(arguments));
        seen.phase == Phase::Ready && seen.attributes.iter().all(agrees)
    }
}

#[async_trait]
impl<S: Setting> Kind for Configured<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn schema(&self) -> ResourceSchema {
        let bucket = Attribute::required(Type::String, "The bucket.").forces_replacement();
        let adoption = Adoption { settle_ms: SETTLE_MS, ..by_place() };
        let mut schema = resource(self.0.description(), adoption, [("bucket", bucket)]);
        let own = self.0.attributes().into_iter();
        schema.attributes.extend(own.map(|(name, attribute)| (name.to_owned(), attribute)));
        schema
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        self.0.problems(given)
    }

    fn shows(&self, seen: &Seen, arguments: &Value) -> bool {
        self.is_as(seen, arguments)
    }

    fn is_gone_at_once(&self) -> bool {
        true
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        match query {
            Query::Ids(buckets) => {
                let looks = buckets
                    .clone()
                    .into_iter()
                    .map(|bucket| async move { self.look(session, &bucket).await });
                let found: Vec<Option<Seen>> =
                    stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
                Ok(found.into_iter().flatten().collect())
            }
            Query::Alike(arguments) => {
                let bucket = Given(arguments).needed("bucket")?;
                let found = self.look(session, &bucket).await?;
                Ok(found.into_iter().filter(|seen| self.is_as(seen, arguments)).collect())
            }
            // It has neither tags nor filters.
            Query::Marked { .. } | Query::Owned(_) | Query::Filters(_) => Ok(Vec::new()),
        }
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        self.0.settle(seen, recorded);
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let bucket = given.needed("bucket")?;
        self.0.put(session, &bucket, given, None).await?;
        Ok(bucket)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let before = Given(&request.prior);
        self.0.put(session, &request.id, Given(&request.arguments), Some(before)).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        self.0.clear(session, &request.id, Given(&request.attributes)).await
    }
}

/// What the SDK refuses to build.
#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
pub(super) fn unbuilt(error: aws_smithy_types::error::operation::BuildError) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, error.to_string())
}
