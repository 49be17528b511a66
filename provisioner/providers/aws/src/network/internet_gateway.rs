//! `aws_internet_gateway`.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, tags_of};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{AttachmentStatus, InternetGateway as Told, ResourceType};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct InternetGateway;

async fn told(session: &Session, query: &Query) -> Result<Vec<Told>, ProviderError> {
    Ok(pages!(
        session,
        query,
        "DescribeInternetGateways",
        describe_internet_gateways,
        set_internet_gateway_ids,
        internet_gateways
    ))
}

/// The network that a gateway is at, or is about to be at.
fn network(gateway: &Told) -> Option<&str> {
    let mut attachments = gateway.attachments().iter();
    let at = attachments.find(|it| {
        !matches!(it.state(), Some(AttachmentStatus::Detached | AttachmentStatus::Detaching))
    });
    at.and_then(|it| it.vpc_id())
}

#[async_trait]
impl Kind for InternetGateway {
    fn name(&self) -> &'static str {
        "aws_internet_gateway"
    }

    fn schema(&self) -> ResourceSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        resource(
            "The way between a network and the internet.",
            by_tags(),
            [
                ("vpc_id", Attribute::optional_computed(Type::String, "The network it is at.")),
                ("arn", computed("Its Amazon resource name.")),
                ("owner_id", computed("The account that it belongs to.")),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::InternetGateway)
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = told(session, query).await?;
        let region = session.region().await?;
        let seen = all.into_iter().map(|gateway| {
            let id = gateway.internet_gateway_id().unwrap_or_default().to_owned();
            let owner = gateway.owner_id().unwrap_or_default();
            let attributes = BTreeMap::from([
                ("vpc_id", text(network(&gateway))),
                ("arn", format!("arn:aws:ec2:{region}:{owner}:internet-gateway/{id}").into()),
                ("owner_id", owner.into()),
            ]);
            let state = gateway.attachments().first().and_then(|it| it.state());
            let moves =
                matches!(state, Some(AttachmentStatus::Attaching | AttachmentStatus::Detaching));
            let phase = if moves { Phase::Pending } else { Phase::Ready };
            let tags = tagging::read(gateway.tags.as_deref());
            Seen::ready(id, attributes).tagged(session, tags).in_phase(phase)
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let tags =
            tagging::specification(ResourceType::InternetGateway, &tags_of(session, request));
        let call = session.ec2().await?.create_internet_gateway().tag_specifications(tags);
        let made = session.call("CreateInternetGateway", call.send()).await?;
        let id = made.internet_gateway.and_then(|gateway| gateway.internet_gateway_id);
        let id = id.ok_or_else(|| no_id("CreateInternetGateway"))?;
        if let Some(vpc) = Given(&request.arguments).text("vpc_id") {
            attach(session, &id, &vpc).await.map_err(ProviderError::maybe_done)?;
        }
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let given = Given(&request.arguments);
        if given.differs(Given(&request.prior), "vpc_id") {
            let wanted = given.text("vpc_id");
            // What it is at now may be neither: this may be the second attempt.
            let now = at(session, &request.id).await?;
            if now != wanted {
                if let Some(vpc) = now {
                    detach(session, &request.id, &vpc).await?;
                }
                if let Some(vpc) = wanted {
                    attach(session, &request.id, &vpc).await?;
                }
            }
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        if let Some(vpc) = at(session, &request.id).await? {
            detach(session, &request.id, &vpc).await?;
        }
        let call = session.ec2().await?.delete_internet_gateway().internet_gateway_id(&request.id);
        session.call("DeleteInternetGateway", call.send()).await.map(drop)
    }
}

async fn at(session: &Session, id: &str) -> Result<Option<String>, ProviderError> {
    let all = told(session, &Query::Ids(vec![id.to_owned()])).await?;
    Ok(all.first().and_then(network).map(str::to_owned))
}

async fn attach(session: &Session, id: &str, vpc: &str) -> Result<(), ProviderError> {
    let call = session.ec2().await?.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
    session.call("AttachInternetGateway", call.send()).await.map(drop)
}

/// One that is not there any more is as good.
async fn detach(session: &Session, id: &str, vpc: &str) -> Result<(), ProviderError> {
    let call = session.ec2().await?.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
    match session.call("DetachInternetGateway", call.send()).await {
        Err(error)
            if error.class != ErrorClass::NotFound
                && !error.message.contains("Gateway.NotAttached") =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}
