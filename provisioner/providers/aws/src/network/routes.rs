//! Routes: where to and through what, in the shapes of the language and of the SDK. Resource types of their own and the
//! blocks of a route table are told by the same.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::network::one_of;
use crate::query::{Query, pages};
use aws_sdk_ec2::types::{Route as Told, RouteOrigin, RouteTable};
use ipnet::{Ipv4Net, Ipv6Net};
use model::Value;
use provider::ProviderError;
use std::collections::BTreeMap;
use std::fmt;

/// The arguments that say through what.
pub(super) const TARGETS: [&str; 10] = [
    "carrier_gateway_id",
    "core_network_arn",
    "egress_only_gateway_id",
    "gateway_id",
    "local_gateway_id",
    "nat_gateway_id",
    "network_interface_id",
    "transit_gateway_id",
    "vpc_endpoint_id",
    "vpc_peering_connection_id",
];

/// What an argument of [`TARGETS`] is.
pub(super) fn target_description(name: &str) -> &'static str {
    match name {
        "carrier_gateway_id" => "Through this carrier gateway.",
        "core_network_arn" => "Through this core network.",
        "egress_only_gateway_id" => "Through this egress-only internet gateway.",
        "gateway_id" => "Through this internet gateway or virtual private gateway.",
        "local_gateway_id" => "Through this local gateway of an outpost.",
        "nat_gateway_id" => "Through this NAT gateway.",
        "network_interface_id" => "Through this network interface.",
        "transit_gateway_id" => "Through this transit gateway.",
        "vpc_endpoint_id" => "Through this endpoint of a load balancer of gateways.",
        _ => "Through this peering of networks.",
    }
}

/// Objects in a page of DescribeRouteTables at most.
const TABLES: i32 = 100;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Destination {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
}

impl Destination {
    /// From its text, which tells its kind.
    pub(super) fn of(text: &str) -> Self {
        if text.starts_with("pl-") {
            Self::PrefixList(text.to_owned())
        } else if text.contains(':') {
            Self::Ipv6(text.to_owned())
        } else {
            Self::Ipv4(text.to_owned())
        }
    }

    fn ipv4(&self) -> Option<String> {
        if let Self::Ipv4(text) = self { Some(text.clone()) } else { None }
    }

    fn ipv6(&self) -> Option<String> {
        if let Self::Ipv6(text) = self { Some(text.clone()) } else { None }
    }

    fn prefix_list(&self) -> Option<String> {
        if let Self::PrefixList(text) = self { Some(text.clone()) } else { None }
    }

    /// As the arguments of these names: IPv4, IPv6, prefix list.
    pub(super) fn values(&self, names: [&'static str; 3]) -> [(&'static str, Value); 3] {
        let [ipv4, ipv6, list] = names;
        [
            (ipv4, text(self.ipv4().as_deref())),
            (ipv6, text(self.ipv6().as_deref())),
            (list, text(self.prefix_list().as_deref())),
        ]
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text)) = self;
        formatter.write_str(text)
    }
}

/// The destination arguments of a route of its own.
pub(super) const DESTINATIONS: [&str; 3] =
    ["destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id"];
/// The destination arguments of a block of a route table.
pub(super) const BLOCK_DESTINATIONS: [&str; 3] =
    ["cidr_block", "ipv6_cidr_block", "destination_prefix_list_id"];

/// Through what: the argument, and its value.
pub(super) type Target = (&'static str, String);

/// The destination that arguments of these names give.
pub(super) fn destination(given: Given<'_>, names: [&'static str; 3]) -> Option<Destination> {
    let [ipv4, ipv6, list] = names.map(|name| given.text(name).filter(|text| !text.is_empty()));
    ipv4.map(Destination::Ipv4)
        .or_else(|| ipv6.map(Destination::Ipv6))
        .or_else(|| list.map(Destination::PrefixList))
}

/// The target that arguments give.
pub(super) fn target(given: Given<'_>) -> Option<Target> {
    TARGETS.iter().find_map(|name| {
        let text = given.text(name).filter(|text| !text.is_empty())?;
        Some((*name, text))
    })
}

/// A target as arguments: all others are null.
pub(super) fn target_values(target: Option<&Target>) -> BTreeMap<&'static str, Value> {
    let value = |name: &'static str| {
        let own = target.filter(|(it, _)| *it == name).map(|(_, text)| text.as_str());
        (name, text(own))
    };
    TARGETS.into_iter().map(value).collect()
}

/// What a description says of a route's destination.
pub(super) fn told_destination(told: &Told) -> Option<Destination> {
    let texts = [
        told.destination_cidr_block(),
        told.destination_ipv6_cidr_block(),
        told.destination_prefix_list_id(),
    ];
    texts.into_iter().flatten().find(|text| !text.is_empty()).map(Destination::of)
}

/// What a description says of a route's target.
pub(super) fn told_target(told: &Told) -> Option<Target> {
    let gateway = |text: &str| {
        let is_endpoint = text.starts_with("vpce-");
        if is_endpoint { "vpc_endpoint_id" } else { "gateway_id" }
    };
    let targets = [
        told.gateway_id().map(|text| (gateway(text), text)),
        told.nat_gateway_id().map(|text| ("nat_gateway_id", text)),
        told.transit_gateway_id().map(|text| ("transit_gateway_id", text)),
        told.vpc_peering_connection_id().map(|text| ("vpc_peering_connection_id", text)),
        told.egress_only_internet_gateway_id().map(|text| ("egress_only_gateway_id", text)),
        told.carrier_gateway_id().map(|text| ("carrier_gateway_id", text)),
        told.local_gateway_id().map(|text| ("local_gateway_id", text)),
        told.core_network_arn().map(|text| ("core_network_arn", text)),
        told.network_interface_id().map(|text| ("network_interface_id", text)),
    ];
    let mut targets = targets.into_iter().flatten().filter(|(_, text)| !text.is_empty());
    targets.next().map(|(name, text)| (name, text.to_owned()))
}

/// Whether somebody asked for a route: the others come and go with networks and gateways.
pub(super) fn is_asked_for(told: &Told) -> bool {
    let is_local = told.gateway_id() == Some("local");
    let of_endpoint = told.destination_prefix_list_id().is_some()
        && told.gateway_id().is_some_and(|gateway| gateway.starts_with("vpce-"));
    let is_propagated = told.origin() == Some(&RouteOrigin::EnableVgwRoutePropagation);
    !(is_local || of_endpoint || is_propagated)
}

/// Route tables.
pub(super) async fn tables(
    session: &Session,
    query: &Query,
) -> Result<Vec<RouteTable>, ProviderError> {
    Ok(pages!(
        session,
        query,
        "DescribeRouteTables",
        describe_route_tables,
        set_route_table_ids,
        route_tables,
        set_filters,
        TABLES
    ))
}

/// The same fields of the two calls that set a route.
macro_rules! filled_in {
    ($call:expr, $table:expr, $destination:expr, $target:expr) => {{
        let target = |name: &str| ($target.0 == name).then(|| $target.1.clone());
        $call
            .route_table_id($table)
            .set_destination_cidr_block($destination.ipv4())
            .set_destination_ipv6_cidr_block($destination.ipv6())
            .set_destination_prefix_list_id($destination.prefix_list())
            .set_carrier_gateway_id(target("carrier_gateway_id"))
            .set_core_network_arn(target("core_network_arn"))
            .set_egress_only_internet_gateway_id(target("egress_only_gateway_id"))
            .set_gateway_id(target("gateway_id"))
            .set_local_gateway_id(target("local_gateway_id"))
            .set_nat_gateway_id(target("nat_gateway_id"))
            .set_network_interface_id(target("network_interface_id"))
            .set_transit_gateway_id(target("transit_gateway_id"))
            .set_vpc_endpoint_id(target("vpc_endpoint_id"))
            .set_vpc_peering_connection_id(target("vpc_peering_connection_id"))
    }};
}

/// Adds a route to a table.
pub(super) async fn add(
    session: &Session,
    table: &str,
    destination: &Destination,
    target: &Target,
) -> Result<(), ProviderError> {
    let call = filled_in!(session.ec2().await?.create_route(), table, destination, target);
    session.call("CreateRoute", call.send()).await.map(drop)
}

/// Gives a route another target.
pub(super) async fn redirect(
    session: &Session,
    table: &str,
    destination: &Destination,
    target: &Target,
) -> Result<(), ProviderError> {
    let call = filled_in!(session.ec2().await?.replace_route(), table, destination, target);
    session.call("ReplaceRoute", call.send()).await.map(drop)
}

/// Takes a route out of a table.
pub(super) async fn remove(
    session: &Session,
    table: &str,
    destination: &Destination,
) -> Result<(), ProviderError> {
    let call = session
        .ec2()
        .await?
        .delete_route()
        .route_table_id(table)
        .set_destination_cidr_block(destination.ipv4())
        .set_destination_ipv6_cidr_block(destination.ipv6())
        .set_destination_prefix_list_id(destination.prefix_list());
    session.call("DeleteRoute", call.send()).await.map(drop)
}

/// What is wrong with a route whose destination is in arguments of these names.
pub(super) fn problems(given: Given<'_>, names: [&'static str; 3]) -> Vec<(&'static str, String)> {
    let [ipv4, ipv6, _] = names;
    let found = [
        one_of(given, &names).map(|problem| (ipv4, problem)),
        one_of(given, &TARGETS).map(|problem| ("gateway_id", problem)),
        given.text(ipv4).and_then(|text| ipv4_problem(&text)).map(|problem| (ipv4, problem)),
        given.text(ipv6).and_then(|text| ipv6_problem(&text)).map(|problem| (ipv6, problem)),
    ];
    found.into_iter().flatten().collect()
}

fn ipv4_problem(text: &str) -> Option<String> {
    match text.parse::<Ipv4Net>() {
        Err(_) => Some(format!("`{text}` is no range of IPv4 addresses, such as 0.0.0.0/0")),
        Ok(net) if net.trunc() != net => {
            Some(format!("`{text}` has bits after its prefix: the range is `{}`", net.trunc()))
        }
        Ok(_) => None,
    }
}

fn ipv6_problem(text: &str) -> Option<String> {
    match text.parse::<Ipv6Net>() {
        Err(_) => Some(format!("`{text}` is no range of IPv6 addresses, such as ::/0")),
        Ok(net) if net.trunc().to_string() != text => {
            Some(format!("Amazon writes `{text}` as `{}`: write it so", net.trunc()))
        }
        Ok(_) => None,
    }
}
