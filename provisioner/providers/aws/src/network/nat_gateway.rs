//! `aws_nat_gateway`.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_token, no_id, resource, slow, tags_of};
use crate::query::{PAGE, Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{ConnectivityType, NatGateway as Told, NatGatewayState, ResourceType};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct NatGateway;

/// Until it is ready or gone, at most; some minutes as a rule.
const MINUTES: u64 = 30;

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    let optional =
        |description: &str| Attribute::optional(Type::String, description).forces_replacement();
    resource(
        "Lets machines without public addresses reach the internet, or another network.",
        slow(by_token(), MINUTES),
        [
            (
                "subnet_id",
                Attribute::required(
                    Type::String,
                    "The subnet it is in; for the internet a public one.",
                )
                .forces_replacement(),
            ),
            (
                "allocation_id",
                optional("The elastic address it speaks with; a public one needs it."),
            ),
            (
                "connectivity_type",
                optional("`public`, or `private` for no way to the internet.")
                    .with_default("public".into()),
            ),
            (
                "private_ip",
                Attribute::optional_computed(Type::String, "Its address in the subnet.")
                    .forces_replacement(),
            ),
            ("public_ip", computed("Its public address.")),
            ("association_id", computed("The id of its elastic address being at it.")),
            ("network_interface_id", computed("Its network interface.")),
        ],
    )
}

fn phase(gateway: &Told) -> Phase {
    match gateway.state() {
        Some(NatGatewayState::Pending | NatGatewayState::Deleting) => Phase::Pending,
        Some(NatGatewayState::Deleted) => Phase::Gone,
        Some(NatGatewayState::Failed) => {
            let why = gateway.failure_message().unwrap_or("AWS does not say why");
            let code = gateway.failure_code().unwrap_or("no code");
            Phase::Failed(format!("it failed: {why} ({code})"))
        }
        _ => Phase::Ready,
    }
}

#[async_trait]
impl Kind for NatGateway {
    fn name(&self) -> &'static str {
        "aws_nat_gateway"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Natgateway)
    }

    fn look_again(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let kind = given.text("connectivity_type");
        let address = given.0.get("allocation_id");
        let is_given = address.as_ref().is_some_and(|it| !it.is_null() && !it.is_unknown());
        match kind.as_deref() {
            Some("public") if address.is_some_and(|it| it.is_null()) => {
                let problem = "a public NAT gateway needs the `allocation_id` of an `aws_eip`";
                vec![("allocation_id", problem.to_owned())]
            }
            Some("private") if is_given => {
                let problem = "a private NAT gateway has no public address: leave it out";
                vec![("allocation_id", problem.to_owned())]
            }
            Some("public" | "private") | None => Vec::new(),
            Some(other) => {
                let problem = format!("`{other}` is neither `public` nor `private`");
                vec![("connectivity_type", problem)]
            }
        }
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = pages!(
            session,
            query,
            "DescribeNatGateways",
            describe_nat_gateways,
            set_nat_gateway_ids,
            nat_gateways,
            set_filter,
            PAGE
        );
        let seen = all.into_iter().map(|gateway| {
            let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
            let addresses = gateway.nat_gateway_addresses();
            let first = addresses.iter().find(|it| it.is_primary() == Some(true));
            let first = first.or_else(|| addresses.first());
            let kind = gateway.connectivity_type().unwrap_or(&ConnectivityType::Public);
            let attributes = BTreeMap::from([
                ("subnet_id", text(gateway.subnet_id())),
                ("connectivity_type", kind.as_str().into()),
                ("allocation_id", text(first.and_then(|it| it.allocation_id()))),
                ("private_ip", text(first.and_then(|it| it.private_ip()))),
                ("public_ip", text(first.and_then(|it| it.public_ip()))),
                ("association_id", text(first.and_then(|it| it.association_id()))),
                ("network_interface_id", text(first.and_then(|it| it.network_interface_id()))),
            ]);
            let tags = tagging::read(gateway.tags.as_deref());
            Seen::ready(id, attributes).tagged(session, tags).in_phase(phase(&gateway))
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Natgateway, &tags_of(session, request));
        let token = request.batch.as_ref().map_or(&request.token, |batch| &batch.token);
        let kind = given.text("connectivity_type");
        let call = session
            .ec2()
            .await?
            .create_nat_gateway()
            .client_token(token)
            .subnet_id(given.needed("subnet_id")?)
            .set_allocation_id(given.text("allocation_id"))
            .set_connectivity_type(kind.as_deref().map(ConnectivityType::from))
            .set_private_ip_address(given.text("private_ip"))
            .tag_specifications(tags);
        let made = session.call("CreateNatGateway", call.send()).await?;
        let id = made.nat_gateway.and_then(|gateway| gateway.nat_gateway_id);
        id.ok_or_else(|| no_id("CreateNatGateway"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_nat_gateway().nat_gateway_id(&request.id);
        session.call("DeleteNatGateway", call.send()).await.map(drop)
    }
}
