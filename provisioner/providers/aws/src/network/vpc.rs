//! `aws_vpc`.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, tags_of};
use crate::network::cidr_problem;
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

fn schema() -> ResourceSchema {
    let dns = |description: &str| Attribute::optional(Type::Bool, description);
    let computed = |description: &str| Attribute::computed(Type::String, description);
    resource(
        "A virtual network.",
        by_tags(),
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
    let attributes = BTreeMap::from([
        ("cidr_block", text(vpc.cidr_block())),
        ("instance_tenancy", text(vpc.instance_tenancy().map(Tenancy::as_str))),
        ("arn", format!("arn:aws:ec2:{region}:{owner}:vpc/{id}").into()),
        ("owner_id", owner.into()),
        ("dhcp_options_id", text(vpc.dhcp_options_id())),
    ]);
    let is_pending = vpc.state() == Some(&VpcState::Pending);
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
        "aws_vpc"
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
        settings(session, &request.id, Given(&request.prior), Given(&request.arguments)).await?;
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
