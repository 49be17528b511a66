//! `aws_instance`.

mod change;
mod launch;
mod origin;
mod problems;
mod read;
mod schema;

use crate::arguments::Given;
use crate::client::Session;
use crate::compute::wait;
use crate::gather::Gather;
use crate::kind::{Kind, Seen};
use crate::limits;
use crate::query::{Query, pages};
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::FutureExt as _;
use model::schema::ResourceSchema;
use provider::{Clock, CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) struct Instance;

pub(super) const NAME: &str = "aws_instance";
/// IPv6 addresses of the first network interface, and how many there are.
const IPV6: &str = "ipv6_addresses";
const IPV6_COUNT: &str = "ipv6_address_count";

/// Instances in one DescribeInstanceCreditSpecifications.
const CREDITS_AT_ONCE: usize = 1_000;

#[async_trait]
impl Kind for Instance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema::schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Instance)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        problems::problems(given)
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = pages!(
            session,
            query,
            "DescribeInstances",
            describe_instances,
            set_instance_ids,
            reservations
        );
        let region = session.region().await?;
        let mut seen = Vec::new();
        for reservation in all {
            let owner = reservation.owner_id.unwrap_or_default();
            let instances = reservation.instances.unwrap_or_default().into_iter();
            seen.extend(instances.map(|it| read::seen(session, region, &owner, &it)));
        }
        Ok(seen)
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        Box::pin(read::complete(session, seen, recorded)).await
    }

    async fn complete_all(
        &self,
        session: &Session,
        all: Vec<(Seen, Given<'_>)>,
    ) -> Vec<Result<Seen, ProviderError>> {
        Box::pin(read::complete_all(session, all)).await
    }

    async fn found(
        &self,
        session: &Session,
        seen: &mut Seen,
        asked: Given<'_>,
    ) -> Result<(), ProviderError> {
        Box::pin(read::found(session, seen, asked)).await
    }

    fn look_again(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn tells_whole(&self, argument: &str) -> bool {
        argument == origin::TEMPLATES
    }

    fn shows(&self, seen: &Seen, arguments: &model::Value) -> bool {
        read::has_addresses(seen, Given(arguments))
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let id = Box::pin(launch::launch(session, request)).await?;
        if Given(&request.arguments).flag("source_dest_check") == Some(false) {
            // One that does not show yet cannot be changed.
            let shows = wait::until(session, NAME, &id, |_| true).await;
            shows.map_err(ProviderError::maybe_done)?;
            change::unchecked(session, &id).await.map_err(ProviderError::maybe_done)?;
        }
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        change::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        self.delete_many(session, vec![request.id.clone()]).await
    }

    fn deletes_by_one_call(&self) -> bool {
        true
    }

    async fn delete_many(&self, session: &Session, ids: Vec<String>) -> Result<(), ProviderError> {
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        session.take(limits::TERMINATED, count).await;
        let call = session.ec2().await?.terminate_instances().set_instance_ids(Some(ids));
        session.call("TerminateInstances", call.send()).await.map(drop)
    }
}

/// Whether one that has been described is stopped.
pub(super) fn is_stopped(seen: &Seen) -> bool {
    seen.attributes.get("instance_state").and_then(model::Value::as_str) == Some("stopped")
}

/// Processor credits by instance.
pub(crate) type Credits = Arc<Gather<String, Option<String>>>;

/// What asks for the credits of many instances by one call.
pub(crate) fn credits(session: &Weak<Session>, clock: Arc<dyn Clock>) -> Credits {
    let session = session.clone();
    Gather::new(clock, CREDITS_AT_ONCE, move |ids: Vec<String>| {
        let session = session.clone();
        let asking = async move {
            let Some(session) = session.upgrade() else { return vec![Ok(None); ids.len()] };
            match credits_of(&session, ids.clone()).await {
                Ok(found) => ids.iter().map(|id| Ok(found.get(id).cloned())).collect(),
                Err(error) => vec![Err(error); ids.len()],
            }
        };
        asking.boxed()
    })
}

async fn credits_of(
    session: &Session,
    ids: Vec<String>,
) -> Result<BTreeMap<String, String>, ProviderError> {
    let call = session.ec2().await?.describe_instance_credit_specifications();
    let call = call.set_instance_ids(Some(ids));
    let answer = session.call("DescribeInstanceCreditSpecifications", call.send()).await?;
    let found = answer.instance_credit_specifications.unwrap_or_default().into_iter();
    Ok(found.filter_map(|it| Some((it.instance_id?, it.cpu_credits?))).collect())
}
