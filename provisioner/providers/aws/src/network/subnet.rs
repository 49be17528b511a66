//! `aws_subnet`.

use crate::arguments::{Given, flag, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, slow, tags_of};
use crate::network::cidr_problem;
use crate::network::ipv6::{self, ASSOCIATIONS, Association, BLOCK};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, SubnetState};
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Subnet;

const NAME: &str = "aws_subnet";
const PUBLIC: &str = "map_public_ip_on_launch";
const ASSIGN: &str = "assign_ipv6_address_on_creation";
const ASSOCIATION: &str = "ipv6_cidr_block_association_id";

#[async_trait]
impl Kind for Subnet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> ResourceSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        let required =
            |description: &str| Attribute::required(Type::String, description).forces_replacement();
        resource(
            "A part of a network, in one availability zone.",
            slow(by_tags(), ipv6::MINUTES),
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
                    BLOCK,
                    Attribute::optional(
                        Type::String,
                        "Its range of IPv6 addresses, a part of the network's, most often a /64.",
                    ),
                ),
                (
                    ASSIGN,
                    Attribute::optional(Type::Bool, "Whether machines in it get IPv6 addresses.")
                        .with_default(false.into()),
                ),
                (
                    ASSOCIATION,
                    computed("The id by which its IPv6 range is taken away.").changes_with(BLOCK),
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
        let mut problems: Vec<_> = cidr_problem(given, "cidr_block", 16..=28)
            .into_iter()
            .chain(ipv6::problem(given))
            .collect();
        if given.flag(ASSIGN) == Some(true) && given.is_left_out(BLOCK) {
            problems.push((ASSIGN, format!("there are none to give without `{BLOCK}`")));
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all =
            pages!(session, query, "DescribeSubnets", describe_subnets, set_subnet_ids, subnets);
        let seen = all.into_iter().map(|subnet| {
            let id = subnet.subnet_id().unwrap_or_default().to_owned();
            let all: Vec<_> = subnet
                .ipv6_cidr_block_association_set()
                .iter()
                .map(Association::of_subnet)
                .collect();
            let ipv6 = ipv6::told(&all);
            let assigns = subnet.assign_ipv6_address_on_creation().unwrap_or_default();
            let attributes = BTreeMap::from([
                (BLOCK, ipv6.block),
                (ASSIGN, assigns.into()),
                (ASSOCIATION, ipv6.association),
                (ASSOCIATIONS, ipv6.all),
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
                _ if ipv6.is_pending => Phase::Pending,
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

    fn shows(&self, seen: &Seen, arguments: &Value) -> bool {
        let given = Given(arguments);
        let told = |name: &str| seen.attributes.get(name);
        told(BLOCK).and_then(Value::as_str) == given.text(BLOCK).as_deref()
            && told(ASSIGN).and_then(Value::as_bool) == Some(given.flag(ASSIGN).unwrap_or_default())
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("subnet-id")
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
            .set_ipv6_cidr_block(given.text(BLOCK))
            .set_availability_zone(given.text("availability_zone"))
            .tag_specifications(tags);
        let made = session.call("CreateSubnet", call.send()).await?;
        let made = made.subnet.ok_or_else(|| no_id("CreateSubnet"))?;
        let id = made.subnet_id().ok_or_else(|| no_id("CreateSubnet"))?;
        if given.flag(PUBLIC) == Some(true) {
            public(session, id, true).await.map_err(ProviderError::maybe_done)?;
        }
        if given.flag(ASSIGN) == Some(true) {
            // Not before it has some.
            let ranges = made.ipv6_cidr_block_association_set();
            for association in ranges.iter().filter_map(|it| it.association_id()) {
                let there = ipv6::until(session, NAME, id, association, true).await;
                there.map_err(ProviderError::maybe_done)?;
            }
            assign(session, id, true).await.map_err(ProviderError::maybe_done)?;
        }
        Ok(id.to_owned())
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, before, id) = (Given(&request.arguments), Given(&request.prior), &request.id);
        if given.differs(before, PUBLIC) {
            public(session, id, given.flag(PUBLIC).unwrap_or_default()).await?;
        }
        let assigns = given.flag(ASSIGN) == Some(true);
        let is_other = given.differs(before, BLOCK);
        // While it gives addresses of a range, it does not let go of that.
        let is_off = before.flag(ASSIGN) == Some(true) && (!assigns || is_other);
        if is_off {
            assign(session, id, false).await?;
        }
        if is_other {
            range(session, id, before, given).await?;
        }
        if assigns && (is_off || before.flag(ASSIGN) != Some(true)) {
            assign(session, id, true).await?;
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

async fn assign(session: &Session, id: &str, assigns: bool) -> Result<(), ProviderError> {
    let value = AttributeBooleanValue::builder().value(assigns).build();
    let call = session
        .ec2()
        .await?
        .modify_subnet_attribute()
        .subnet_id(id)
        .assign_ipv6_address_on_creation(value);
    session.call("ModifySubnetAttribute", call.send()).await.map(drop)
}

/// Takes away the range of IPv6 addresses that it has, and gives it the one that is asked for: it has one at a time.
async fn range(
    session: &Session,
    id: &str,
    before: Given<'_>,
    given: Given<'_>,
) -> Result<(), ProviderError> {
    let ec2 = session.ec2().await?;
    if let Some(association) = before.text(ASSOCIATION) {
        let call = ec2.disassociate_subnet_cidr_block().association_id(&association);
        session.call("DisassociateSubnetCidrBlock", call.send()).await?;
        ipv6::until(session, NAME, id, &association, false).await?;
    }
    let Some(block) = given.text(BLOCK) else { return Ok(()) };
    let call = ec2.associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(block);
    let made = session.call("AssociateSubnetCidrBlock", call.send()).await?;
    let association = made.ipv6_cidr_block_association.and_then(|it| it.association_id);
    let association = association.ok_or_else(|| no_id("AssociateSubnetCidrBlock"))?;
    ipv6::until(session, NAME, id, &association, true).await
}
