//! `aws_subnet`.

use crate::arguments::{Given, flag, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, tags_of};
use crate::network::cidr_problem;
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, SubnetState};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Subnet;

const PUBLIC: &str = "map_public_ip_on_launch";

#[async_trait]
impl Kind for Subnet {
    fn name(&self) -> &'static str {
        "aws_subnet"
    }

    fn schema(&self) -> ResourceSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        let required =
            |description: &str| Attribute::required(Type::String, description).forces_replacement();
        resource(
            "A part of a network, in one availability zone.",
            by_tags(),
            [
                ("vpc_id", required("The network.")),
                ("cidr_block", required("Its range of IPv4 addresses, from /16 to /28.")),
                (
                    "availability_zone",
                    Attribute::optional_computed(Type::String, "Its zone, such as eu-central-1a.")
                        .forces_replacement(),
                ),
                (
                    PUBLIC,
                    Attribute::optional(Type::Bool, "Whether machines in it get public addresses.")
                        .with_default(false.into()),
                ),
                (
                    "availability_zone_id",
                    computed("The id of its zone, the same in every account."),
                ),
                ("arn", computed("Its Amazon resource name.")),
                ("owner_id", computed("The account that it belongs to.")),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Subnet)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        cidr_problem(given, "cidr_block", 16..=28).into_iter().collect()
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all =
            pages!(session, query, "DescribeSubnets", describe_subnets, set_subnet_ids, subnets);
        let seen = all.into_iter().map(|subnet| {
            let id = subnet.subnet_id().unwrap_or_default().to_owned();
            let attributes = BTreeMap::from([
                ("vpc_id", text(subnet.vpc_id())),
                ("cidr_block", text(subnet.cidr_block())),
                ("availability_zone", text(subnet.availability_zone())),
                ("availability_zone_id", text(subnet.availability_zone_id())),
                (PUBLIC, flag(Some(subnet.map_public_ip_on_launch().unwrap_or_default()))),
                ("arn", text(subnet.subnet_arn())),
                ("owner_id", text(subnet.owner_id())),
            ]);
            let phase = match subnet.state() {
                Some(SubnetState::Pending) => Phase::Pending,
                Some(SubnetState::Failed | SubnetState::FailedInsufficientCapacity) => {
                    Phase::Failed("AWS could not make the subnet".to_owned())
                }
                _ => Phase::Ready,
            };
            let tags = tagging::read(subnet.tags.as_deref());
            Seen::ready(id, attributes).tagged(session, tags).in_phase(phase)
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Subnet, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .create_subnet()
            .vpc_id(given.needed("vpc_id")?)
            .cidr_block(given.needed("cidr_block")?)
            .set_availability_zone(given.text("availability_zone"))
            .tag_specifications(tags);
        let made = session.call("CreateSubnet", call.send()).await?;
        let id = made.subnet.and_then(|subnet| subnet.subnet_id);
        let id = id.ok_or_else(|| no_id("CreateSubnet"))?;
        if given.flag(PUBLIC) == Some(true) {
            public(session, &id, true).await.map_err(ProviderError::maybe_done)?;
        }
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let given = Given(&request.arguments);
        if given.differs(Given(&request.prior), PUBLIC) {
            public(session, &request.id, given.flag(PUBLIC).unwrap_or_default()).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_subnet().subnet_id(&request.id);
        session.call("DeleteSubnet", call.send()).await.map(drop)
    }
}

async fn public(session: &Session, id: &str, is_public: bool) -> Result<(), ProviderError> {
    let value = AttributeBooleanValue::builder().value(is_public).build();
    let call =
        session.ec2().await?.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(value);
    session.call("ModifySubnetAttribute", call.send()).await.map(drop)
}
