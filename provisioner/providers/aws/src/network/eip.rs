//! `aws_eip`.

use crate::arguments::{Given, filled, text};
use crate::client::Session;
use crate::kind::{Kind, Seen, WAITED_FOR_TOGETHER, by_tags, no_id, resource, slow, tags_of};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{Address as Told, DomainType, ResourceType};
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Eip;

/// Minutes that it may take until many that go together have gone.
const MINUTES: u64 = 10;

/// The attributes that say where an address is.
const PLACE: [&str; 5] =
    ["instance", "network_interface", "association_id", "private_dns", "private_ip"];

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    let moving = |description: &str| computed(description).volatile();
    let chosen = |description: &str| Attribute::optional_computed(Type::String, description);
    let optional =
        |description: &str| Attribute::optional(Type::String, description).forces_replacement();
    let schema = resource(
        "A public address that stays when machines come and go.",
        slow(by_tags(), MINUTES),
        [
            ("domain", chosen("Where it can be used: `vpc`.").forces_replacement()),
            ("instance", chosen("The machine it is at.")),
            ("network_interface", chosen("The network interface it is at.")),
            (
                "associate_with_private_ip",
                Attribute::optional(Type::String, "The private address that it stands for."),
            ),
            ("address", optional("An address of one's own pool to take.")),
            ("customer_owned_ipv4_pool", optional("The pool of an outpost that it is from.")),
            (
                "network_border_group",
                chosen("The zones from which it is announced.").forces_replacement(),
            ),
            ("public_ipv4_pool", chosen("The pool that it is from.").forces_replacement()),
            ("allocation_id", computed("Its id.")),
            ("arn", computed("Its Amazon resource name.")),
            ("association_id", moving("The id of its being at something.")),
            ("carrier_ip", computed("Its address in the network of a carrier.")),
            ("customer_owned_ip", computed("Its address in an outpost.")),
            ("private_dns", moving("The name of the private address.")),
            ("private_ip", moving("The private address that it stands for.")),
            ("public_dns", computed("Its name.")),
            ("public_ip", computed("The address itself.")),
        ],
    );
    ResourceSchema { deleted_together: Some(WAITED_FOR_TOGETHER), ..schema }
}

/// The name that Amazon gives an address.
fn dns_name(region: &str, address: &str, is_public: bool) -> String {
    let dashed = address.replace('.', "-");
    match (is_public, region) {
        (true, "us-east-1") => format!("ec2-{dashed}.compute-1.amazonaws.com"),
        (true, _) => format!("ec2-{dashed}.{region}.compute.amazonaws.com"),
        (false, "us-east-1") => format!("ip-{dashed}.ec2.internal"),
        (false, _) => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

fn attributes(region: &str, account: &str, told: &Told) -> BTreeMap<&'static str, Value> {
    let name = |address: Option<&str>, is_public| {
        let address = address.filter(|text| !text.is_empty());
        text(address.map(|address| dns_name(region, address, is_public)).as_deref())
    };
    let id = told.allocation_id().unwrap_or_default();
    BTreeMap::from([
        ("domain", text(told.domain().map(DomainType::as_str))),
        ("instance", filled(told.instance_id())),
        ("network_interface", filled(told.network_interface_id())),
        ("customer_owned_ipv4_pool", filled(told.customer_owned_ipv4_pool())),
        ("network_border_group", filled(told.network_border_group())),
        ("public_ipv4_pool", filled(told.public_ipv4_pool())),
        ("allocation_id", id.into()),
        ("arn", format!("arn:aws:ec2:{region}:{account}:elastic-ip/{id}").into()),
        ("association_id", filled(told.association_id())),
        ("carrier_ip", filled(told.carrier_ip())),
        ("customer_owned_ip", filled(told.customer_owned_ip())),
        ("private_dns", name(told.private_ip_address(), false)),
        ("private_ip", filled(told.private_ip_address())),
        ("public_dns", name(told.public_ip(), true)),
        ("public_ip", filled(told.public_ip())),
    ])
}

/// Addresses, in one page: the API knows no others.
pub(super) async fn told(session: &Session, query: &Query) -> Result<Vec<Told>, ProviderError> {
    let call = session
        .ec2()
        .await?
        .describe_addresses()
        .set_allocation_ids(query.ids())
        .set_filters(query.filters());
    let answer = session.call("DescribeAddresses", call.send()).await?;
    Ok(answer.addresses.unwrap_or_default())
}

#[async_trait]
impl Kind for Eip {
    fn name(&self) -> &'static str {
        "aws_eip"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::ElasticIp)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(other) = given.text("domain").filter(|domain| domain != "vpc") {
            problems.push(("domain", format!("`{other}` is not `vpc`, which is all there is")));
        }
        if given.text("instance").is_some() && given.text("network_interface").is_some() {
            let problem = "an address is at a machine or at a network interface: give one of them";
            problems.push(("network_interface", problem.to_owned()));
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = told(session, query).await?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let region = session.region().await?;
        let account = &session.caller().await?.account;
        let seen = all.iter().map(|address| {
            let id = address.allocation_id().unwrap_or_default().to_owned();
            let tags = tagging::read(address.tags.as_deref());
            Seen::ready(id, attributes(region, account, address)).tagged(session, tags)
        });
        Ok(seen.collect())
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        // What is not put somewhere by this resource may be so by another one, or by a NAT gateway: no drift of it.
        let is_null = |name: &str| recorded.0.get(name).is_some_and(|known| known.is_null());
        if is_null("instance") && is_null("network_interface") {
            for name in PLACE {
                seen.attributes.remove(name);
            }
        }
        if recorded.text("associate_with_private_ip").is_some() {
            let address = seen.attributes.get("private_ip").cloned();
            seen.attributes.extend(address.map(|it| ("associate_with_private_ip", it)));
        }
        Ok(())
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("allocation-id")
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::ElasticIp, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .allocate_address()
            .domain(DomainType::Vpc)
            .set_address(given.text("address"))
            .set_customer_owned_ipv4_pool(given.text("customer_owned_ipv4_pool"))
            .set_network_border_group(given.text("network_border_group"))
            .set_public_ipv4_pool(given.text("public_ipv4_pool"))
            .tag_specifications(tags);
        let made = session.call("AllocateAddress", call.send()).await?;
        let id = made.allocation_id.ok_or_else(|| no_id("AllocateAddress"))?;
        associate(session, &id, place(given)).await.map_err(ProviderError::maybe_done)?;
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, prior) = (Given(&request.arguments), Given(&request.prior));
        let places = ["instance", "network_interface", "associate_with_private_ip"];
        if places.iter().any(|place| given.differs(prior, place)) {
            associate(session, &request.id, moved(given, prior)).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        match release(session, &request.id).await {
            // It goes, wherever it is.
            Err(error) if error.class == ErrorClass::Conflict => {
                let query = Query::Ids(vec![request.id.clone()]);
                let there = told(session, &query).await?;
                let association = there.iter().find_map(|it| it.association_id());
                let Some(association) = association.filter(|id| !id.is_empty()) else {
                    return Err(error);
                };
                disassociate(session, association).await?;
                release(session, &request.id).await
            }
            released => released,
        }
    }
}

async fn release(session: &Session, id: &str) -> Result<(), ProviderError> {
    let call = session.ec2().await?.release_address().allocation_id(id);
    session.call("ReleaseAddress", call.send()).await.map(drop)
}

/// Where an address goes: of machine and network interface only the one that changes counts.
struct Place {
    instance: Option<String>,
    network_interface: Option<String>,
    private_ip: Option<String>,
}

fn place(given: Given<'_>) -> Place {
    let instance = given.text("instance");
    let network_interface = given.text("network_interface").filter(|_| instance.is_none());
    Place { instance, network_interface, private_ip: given.text("associate_with_private_ip") }
}

fn moved(given: Given<'_>, prior: Given<'_>) -> Place {
    let to_interface =
        given.differs(prior, "network_interface") && !given.differs(prior, "instance");
    match given.text("network_interface").filter(|_| to_interface) {
        None => place(given),
        interface => Place { instance: None, network_interface: interface, ..place(given) },
    }
}

async fn associate(session: &Session, id: &str, to: Place) -> Result<(), ProviderError> {
    let Place { instance, network_interface, private_ip } = to;
    if instance.is_none() && network_interface.is_none() {
        return Ok(());
    }
    let call = session
        .ec2()
        .await?
        .associate_address()
        .allocation_id(id)
        .set_instance_id(instance)
        .set_network_interface_id(network_interface)
        .set_private_ip_address(private_ip)
        .allow_reassociation(true);
    session.call("AssociateAddress", call.send()).await.map(drop)
}

/// Takes an address from where it is; one that is nowhere is as good.
pub(super) async fn disassociate(
    session: &Session,
    association: &str,
) -> Result<(), ProviderError> {
    let call = session.ec2().await?.disassociate_address().association_id(association);
    match session.call("DisassociateAddress", call.send()).await {
        Err(error) if error.class != ErrorClass::NotFound => Err(error),
        _ => Ok(()),
    }
}
