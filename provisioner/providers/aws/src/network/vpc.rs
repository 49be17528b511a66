//! `aws_vpc`.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, slow, tags_of};
use crate::network::cidr_problem;
use crate::network::ipv6::{self, ASSOCIATIONS, Association, BLOCK};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ResourceType, Tenancy, Vpc as Told, VpcAttributeName, VpcState,
};
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Vpc;

const NAME: &str = "aws_vpc";
/// Whether it has a range of IPv6 addresses.
const GENERATED: &str = "assign_generated_ipv6_cidr_block";
const ASSOCIATION: &str = "ipv6_association_id";

fn schema() -> ResourceSchema {
    let dns = |description: &str| Attribute::optional(Type::Bool, description);
    let computed = |description: &str| Attribute::computed(Type::String, description);
    resource(
        "A virtual network.",
        slow(by_tags(), ipv6::MINUTES),
        [
            (
                "cidr_block",
                Attribute::required(Type::String, "Its range of IPv4 addresses, from /16 to /28.")
                    .forces_replacement(),
            ),
            (
                "instance_tenancy",
                Attribute::optional(
                    Type::String,
                    "`default`, or `dedicated` for hardware of one's own.",
                )
                .with_default("default".into())
                .forces_replacement(),
            ),
            (
                "enable_dns_support",
                dns("Whether Amazon's name server answers in it.").with_default(true.into()),
            ),
            (
                "enable_dns_hostnames",
                dns("Whether machines with public addresses have public names.")
                    .with_default(false.into()),
            ),
            (
                GENERATED,
                Attribute::optional(
                    Type::Bool,
                    "Whether it has a range of IPv6 addresses, a /56 that Amazon chooses.",
                )
                .with_default(false.into()),
            ),
            (
                BLOCK,
                computed("Its range of IPv6 addresses, if it has one.").changes_with(GENERATED),
            ),
            (
                ASSOCIATION,
                computed("The id by which its IPv6 range is taken away.").changes_with(GENERATED),
            ),
            ("arn", computed("Its Amazon resource name.")),
            ("owner_id", computed("The account that it belongs to.")),
            ("dhcp_options_id", computed("Its set of DHCP options.").volatile()),
        ],
    )
}

/// Networks.
pub(super) async fn told(session: &Session, query: &Query) -> Result<Vec<Told>, ProviderError> {
    Ok(pages!(session, query, "DescribeVpcs", describe_vpcs, set_vpc_ids, vpcs))
}

/// What a description of a network means.
pub(super) fn seen(session: &Session, region: &str, vpc: &Told) -> Seen {
    let id = vpc.vpc_id().unwrap_or_default().to_owned();
    let owner = vpc.owner_id().unwrap_or_default();
    let all: Vec<_> =
        vpc.ipv6_cidr_block_association_set().iter().map(Association::of_vpc).collect();
    let ipv6 = ipv6::told(&all);
    let attributes = BTreeMap::from([
        ("cidr_block", text(vpc.cidr_block())),
        ("instance_tenancy", text(vpc.instance_tenancy().map(Tenancy::as_str))),
        ("arn", format!("arn:aws:ec2:{region}:{owner}:vpc/{id}").into()),
        (GENERATED, ipv6.is_generated.into()),
        (BLOCK, ipv6.block),
        (ASSOCIATION, ipv6.association),
        (ASSOCIATIONS, ipv6.all),
        ("owner_id", owner.into()),
        ("dhcp_options_id", text(vpc.dhcp_options_id())),
    ]);
    let is_pending = vpc.state() == Some(&VpcState::Pending) || ipv6.is_pending;
    let phase = if is_pending { Phase::Pending } else { Phase::Ready };
    Seen::ready(id, attributes).tagged(session, tagging::read(vpc.tags.as_deref())).in_phase(phase)
}

/// A setting that has a call of its own.
pub(super) async fn setting(
    session: &Session,
    id: &str,
    name: VpcAttributeName,
) -> Result<Value, ProviderError> {
    let call = session.ec2().await?.describe_vpc_attribute().vpc_id(id).attribute(name);
    let answer = session.call("DescribeVpcAttribute", call.send()).await?;
    Ok(flag(answer.enable_dns_support().or_else(|| answer.enable_dns_hostnames())))
}

#[async_trait]
impl Kind for Vpc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Vpc)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        cidr_problem(given, "cidr_block", 16..=28).into_iter().collect()
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = told(session, query).await?;
        let region = session.region().await?;
        Ok(all.iter().map(|vpc| seen(session, region, vpc)).collect())
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        // Only what differs from a new network's is worth a call.
        for (name, new, it) in [
            ("enable_dns_support", true, VpcAttributeName::EnableDnsSupport),
            ("enable_dns_hostnames", false, VpcAttributeName::EnableDnsHostnames),
        ] {
            if recorded.flag(name).is_some_and(|known| known != new) {
                seen.attributes.insert(name, setting(session, &seen.id, it).await?);
            }
        }
        Ok(())
    }

    fn shows(&self, seen: &Seen, arguments: &Value) -> bool {
        let is_asked = Given(arguments).flag(GENERATED).unwrap_or_default();
        seen.attributes.get(GENERATED).and_then(Value::as_bool) == Some(is_asked)
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("vpc-id")
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Vpc, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .create_vpc()
            .cidr_block(given.needed("cidr_block")?)
            .set_instance_tenancy(given.text("instance_tenancy").as_deref().map(Tenancy::from))
            .set_amazon_provided_ipv6_cidr_block(given.flag(GENERATED).filter(|is_on| *is_on))
            .tag_specifications(tags);
        let made = session.call("CreateVpc", call.send()).await?;
        let id = made.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(|| no_id("CreateVpc"))?;
        let new = Value::object([
            ("enable_dns_support", true.into()),
            ("enable_dns_hostnames", Value::from(false)),
        ]);
        settings(session, &id, Given(&new), given).await.map_err(ProviderError::maybe_done)?;
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (before, given) = (Given(&request.prior), Given(&request.arguments));
        settings(session, &request.id, before, given).await?;
        if given.differs(before, GENERATED) {
            range(session, &request.id, before, given.flag(GENERATED) == Some(true)).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_vpc().vpc_id(&request.id);
        session.call("DeleteVpc", call.send()).await.map(drop)
    }
}

fn flag(value: Option<&AttributeBooleanValue>) -> Value {
    crate::arguments::flag(value.and_then(AttributeBooleanValue::value))
}

/// Gives a network a range of IPv6 addresses, or takes away the one that it has.
async fn range(
    session: &Session,
    id: &str,
    before: Given<'_>,
    is_wanted: bool,
) -> Result<(), ProviderError> {
    let ec2 = session.ec2().await?;
    if let Some(association) = before.text(ASSOCIATION) {
        let call = ec2.disassociate_vpc_cidr_block().association_id(&association);
        session.call("DisassociateVpcCidrBlock", call.send()).await?;
        ipv6::until(session, NAME, id, &association, false).await?;
    }
    if !is_wanted {
        return Ok(());
    }
    let call = ec2.associate_vpc_cidr_block().vpc_id(id).amazon_provided_ipv6_cidr_block(true);
    let made = session.call("AssociateVpcCidrBlock", call.send()).await?;
    let association = made.ipv6_cidr_block_association.and_then(|it| it.association_id);
    let association = association.ok_or_else(|| no_id("AssociateVpcCidrBlock"))?;
    ipv6::until(session, NAME, id, &association, true).await
}

/// Brings the settings that have calls of their own from what they are to what is asked for.
async fn settings(
    session: &Session,
    id: &str,
    before: Given<'_>,
    given: Given<'_>,
) -> Result<(), ProviderError> {
    let asked = |name: &str| given.flag(name).filter(|_| given.differs(before, name));
    let value = |flag| AttributeBooleanValue::builder().value(flag).build();
    if let Some(flag) = asked("enable_dns_support") {
        let call =
            session.ec2().await?.modify_vpc_attribute().vpc_id(id).enable_dns_support(value(flag));
        session.call("ModifyVpcAttribute", call.send()).await?;
    }
    if let Some(flag) = asked("enable_dns_hostnames") {
        let call = session
            .ec2()
            .await?
            .modify_vpc_attribute()
            .vpc_id(id)
            .enable_dns_hostnames(value(flag));
        session.call("ModifyVpcAttribute", call.send()).await?;
    }
    Ok(())
}
