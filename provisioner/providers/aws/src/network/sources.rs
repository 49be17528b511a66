//! Data sources of networks: `aws_availability_zones`, `aws_subnets`, `aws_vpc`.

use crate::arguments::{Given, flag, text, texts};
use crate::client::Session;
use crate::configuration::object;
use crate::data::{Source, source};
use crate::kind::Kind as _;
use crate::network::{routes, subnet, vpc};
use crate::query::{Query, filter};
use async_trait::async_trait;
use aws_sdk_ec2::types::{AvailabilityZone, Filter, VpcAttributeName};
use model::schema::{Attribute, DataSchema};
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;

type Found = BTreeMap<&'static str, Value>;
/// Filters: names and values.
type Filters = Vec<(String, Vec<String>)>;

/// `filter` blocks.
pub(crate) fn filter_blocks() -> Attribute {
    let block = object([("name", Type::String, true), ("values", Type::set(Type::String), true)]);
    Attribute::optional(
        Type::set(block),
        "Filters by the names that the EC2 API has; each must fit, by one of its values.",
    )
    .as_blocks(0, None)
}

/// Tags that what is looked for has.
fn tags_argument() -> Attribute {
    Attribute::optional(Type::map(Type::String), "Tags that it must have.")
}

/// What `filter` blocks and `tags` ask for.
pub(crate) fn filters(given: Given<'_>) -> Filters {
    let blocks = given.blocks("filter");
    let of_block = |block: &Value| {
        let block = Given(block);
        Some((block.text("name")?, block.texts("values").unwrap_or_default()))
    };
    let tags = given.map("tags").unwrap_or_default();
    let of_tag = |(key, value): (String, String)| (format!("tag:{key}"), vec![value]);
    blocks.iter().filter_map(of_block).chain(tags.into_iter().map(of_tag)).collect()
}

pub(crate) struct AvailabilityZones;

fn sdk_filters(given: Given<'_>) -> Option<Vec<Filter>> {
    let mut all = filters(given);
    all.extend(given.text("state").map(|state| ("state".to_owned(), vec![state])));
    let one =
        |(name, values): &(String, Vec<String>)| filter(name, values.iter().map(String::as_str));
    (!all.is_empty()).then(|| all.iter().map(one).collect())
}

#[async_trait]
impl Source for AvailabilityZones {
    fn name(&self) -> &'static str {
        "aws_availability_zones"
    }

    fn schema(&self) -> DataSchema {
        let names = |description: &str| Attribute::optional(Type::set(Type::String), description);
        let found = |description: &str| Attribute::computed(Type::list(Type::String), description);
        source(
            "The availability zones of the region that the account can use.",
            [
                (
                    "all_availability_zones",
                    Attribute::optional(
                        Type::Bool,
                        "Also those that the account has not been opened to.",
                    ),
                ),
                ("exclude_names", names("Names of zones to leave out.")),
                ("exclude_zone_ids", names("Ids of zones to leave out.")),
                ("state", Attribute::optional(Type::String, "The state they are in: `available`.")),
                ("filter", filter_blocks()),
                ("id", Attribute::computed(Type::String, "The region.")),
                ("names", found("Their names, in order.")),
                ("zone_ids", found("Their ids, in the order of the names.")),
                (
                    "group_names",
                    Attribute::computed(Type::set(Type::String), "The groups they are in."),
                ),
            ],
        )
    }

    async fn read(&self, session: &Session, given: Given<'_>) -> Result<Found, ProviderError> {
        let call = session
            .ec2()
            .await?
            .describe_availability_zones()
            .set_all_availability_zones(given.flag("all_availability_zones"))
            .set_filters(sdk_filters(given));
        let answer = session.call("DescribeAvailabilityZones", call.send()).await?;
        let mut zones = answer.availability_zones.unwrap_or_default();
        let left_out = |name: &str, value: Option<&str>| {
            let names = given.texts(name).unwrap_or_default();
            value.is_some_and(|value| names.iter().any(|it| it == value))
        };
        zones.retain(|zone| {
            !left_out("exclude_names", zone.zone_name())
                && !left_out("exclude_zone_ids", zone.zone_id())
        });
        zones.sort_by(|one, other| one.zone_name().cmp(&other.zone_name()));
        let all = |of: fn(&AvailabilityZone) -> Option<&str>| zones.iter().filter_map(of);
        Ok(BTreeMap::from([
            ("id", session.region().await?.into()),
            ("names", texts(all(AvailabilityZone::zone_name))),
            ("zone_ids", texts(all(AvailabilityZone::zone_id))),
            ("group_names", crate::arguments::text_set(all(AvailabilityZone::group_name))),
        ]))
    }
}

pub(crate) struct Subnets;

#[async_trait]
impl Source for Subnets {
    fn name(&self) -> &'static str {
        "aws_subnets"
    }

    fn schema(&self) -> DataSchema {
        source(
            "The subnets that filters and tags let through.",
            [
                ("filter", filter_blocks()),
                ("tags", tags_argument()),
                ("id", Attribute::computed(Type::String, "The region.")),
                ("ids", Attribute::computed(Type::list(Type::String), "Their ids, in order.")),
            ],
        )
    }

    async fn read(&self, session: &Session, given: Given<'_>) -> Result<Found, ProviderError> {
        let query = Query::Filters(filters(given));
        let all = subnet::Subnet.describe(session, &query).await?;
        let mut ids: Vec<String> = all.into_iter().map(|seen| seen.id).collect();
        ids.sort();
        Ok(BTreeMap::from([("id", session.region().await?.into()), ("ids", texts(ids))]))
    }
}

pub(crate) struct Vpc;

/// The arguments that are filters.
const VPC_FILTERS: [(&str, &str); 3] =
    [("id", "vpc-id"), ("cidr_block", "cidr"), ("state", "state")];

fn vpc_filters(given: Given<'_>) -> Filters {
    let mut all = filters(given);
    let of_argument = |(argument, filter): &(&str, &str)| {
        Some(((*filter).to_owned(), vec![given.text(argument)?]))
    };
    all.extend(VPC_FILTERS.iter().filter_map(of_argument));
    all.extend(given.flag("default").map(|it| ("is-default".to_owned(), vec![it.to_string()])));
    all
}

#[async_trait]
impl Source for Vpc {
    fn name(&self) -> &'static str {
        "aws_vpc"
    }

    fn schema(&self) -> DataSchema {
        let chosen = |description: &str| Attribute::optional_computed(Type::String, description);
        let computed = |description: &str| Attribute::computed(Type::String, description);
        let dns = |description: &str| Attribute::computed(Type::Bool, description);
        source(
            "The one network that the arguments fit.",
            [
                ("id", chosen("Its id.")),
                ("cidr_block", chosen("Its range of IPv4 addresses.")),
                (
                    "default",
                    Attribute::optional_computed(Type::Bool, "Whether it is the default one."),
                ),
                ("dhcp_options_id", chosen("Its set of DHCP options.")),
                ("state", chosen("`available` or `pending`.")),
                ("filter", filter_blocks()),
                ("tags", Attribute::optional_computed(Type::map(Type::String), "Its tags.")),
                ("arn", computed("Its Amazon resource name.")),
                ("ipv6_cidr_block", computed("Its range of IPv6 addresses, if it has one.")),
                ("ipv6_association_id", computed("The id of what gives it that range.")),
                ("owner_id", computed("The account that it belongs to.")),
                ("instance_tenancy", computed("`default`, or `dedicated`.")),
                ("main_route_table_id", computed("The table of subnets that have none.")),
                ("enable_dns_support", dns("Whether Amazon's name server answers in it.")),
                (
                    "enable_dns_hostnames",
                    dns("Whether machines with public addresses have public names."),
                ),
            ],
        )
    }

    async fn read(&self, session: &Session, given: Given<'_>) -> Result<Found, ProviderError> {
        let query = Query::Filters(vpc_filters(given));
        let mut all = vpc::told(session, &query).await?;
        let options = given.text("dhcp_options_id");
        all.retain(|it| options.is_none() || it.dhcp_options_id() == options.as_deref());
        let found = match (all.pop(), all.len()) {
            (Some(only), 0) => only,
            (None, _) => {
                let message = "no VPC fits the arguments";
                return Err(ProviderError::new(ErrorClass::NotFound, message));
            }
            (Some(_), others) => {
                let message = format!("{} VPCs fit the arguments, and it must be one", others + 1);
                return Err(ProviderError::new(ErrorClass::Invalid, message)
                    .with_hint("give more of `id`, `tags`, `cidr_block`, `default` and `filter`"));
            }
        };
        let id = found.vpc_id().unwrap_or_default().to_owned();
        let state = found.state().map(|state| state.as_str().to_owned());
        let is_default = found.is_default();
        let seen = vpc::seen(session, session.region().await?, &found);
        let mut attributes = seen.attributes;
        let schema = self.schema();
        attributes.retain(|name, _| *name == "tags_all" || schema.attributes.contains_key(*name));
        let tags = attributes.remove("tags_all").unwrap_or_else(|| Value::null(Type::Any));
        attributes.extend([
            ("tags", tags),
            ("state", text(state.as_deref())),
            ("default", flag(Some(is_default.unwrap_or_default()))),
            ("main_route_table_id", text(main_table(session, &id).await?.as_deref())),
        ]);
        for (name, it) in [
            ("enable_dns_support", VpcAttributeName::EnableDnsSupport),
            ("enable_dns_hostnames", VpcAttributeName::EnableDnsHostnames),
        ] {
            attributes.insert(name, vpc::setting(session, &id, it).await?);
        }
        Ok(attributes)
    }
}

async fn main_table(session: &Session, vpc: &str) -> Result<Option<String>, ProviderError> {
    let filters = vec![
        ("vpc-id".to_owned(), vec![vpc.to_owned()]),
        ("association.main".to_owned(), vec!["true".to_owned()]),
    ];
    let tables = routes::tables(session, &Query::Filters(filters)).await?;
    Ok(tables.into_iter().next().and_then(|table| table.route_table_id))
}
