//! Data sources: what is looked up and never made.

use crate::arguments::Given;
use crate::client::Session;
use crate::{compute, network, storage};
use async_trait::async_trait;
use model::schema::{Attribute, DataSchema};
use model::{Type, Value};
use provider::ProviderError;
use std::collections::BTreeMap;

/// All data sources.
pub(crate) fn all() -> impl Iterator<Item = &'static dyn Source> {
    let areas: [&[&dyn Source]; 4] =
        [&[&CallerIdentity, &Region], network::SOURCES, compute::SOURCES, storage::SOURCES];
    areas.into_iter().flatten().copied()
}

/// The data source of that name.
pub(crate) fn of(name: &str) -> Option<&'static dyn Source> {
    all().find(|source| source.name() == name)
}

/// One data source.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What the planner knows of it.
    fn schema(&self) -> DataSchema;

    /// What is found; arguments that are not in it are as given.
    async fn read(
        &self,
        session: &Session,
        given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError>;
}

/// A data source with these attributes.
pub(crate) fn source<const N: usize>(
    description: &str,
    attributes: [(&str, Attribute); N],
) -> DataSchema {
    DataSchema {
        description: description.to_owned(),
        attributes: attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
    }
}

struct CallerIdentity;

#[async_trait]
impl Source for CallerIdentity {
    fn name(&self) -> &'static str {
        "aws_caller_identity"
    }

    fn schema(&self) -> DataSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        source(
            "Who calls: the account and identity of the credentials.",
            [
                ("id", computed("The account.")),
                ("account_id", computed("The account.")),
                ("arn", computed("The Amazon resource name of the identity.")),
                ("user_id", computed("The unique id of the identity.")),
            ],
        )
    }

    async fn read(
        &self,
        session: &Session,
        _given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError> {
        let caller = session.caller().await?;
        Ok(BTreeMap::from([
            ("id", caller.account.as_str().into()),
            ("account_id", caller.account.as_str().into()),
            ("arn", caller.arn.as_str().into()),
            ("user_id", caller.user.as_str().into()),
        ]))
    }
}

struct Region;

#[async_trait]
impl Source for Region {
    fn name(&self) -> &'static str {
        "aws_region"
    }

    fn schema(&self) -> DataSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        source(
            "The region of the provider.",
            [
                ("id", computed("Its name.")),
                ("name", computed("Its name, such as eu-central-1.")),
                ("region", computed("Its name, such as eu-central-1.")),
            ],
        )
    }

    async fn read(
        &self,
        session: &Session,
        _given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError> {
        let region = Value::from(session.region().await?);
        Ok(["id", "name", "region"].map(|name| (name, region.clone())).into())
    }
}
