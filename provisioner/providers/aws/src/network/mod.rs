//! Networks: what machines are in, and what leads to and from them.

mod eip;
mod eip_association;
mod internet_gateway;
mod ipv6;
mod key_pair;
mod nat_gateway;
mod route;
mod route_table;
mod route_table_association;
mod routes;
mod rules;
mod security_group;
mod security_group_rule;
mod sources;
pub(crate) mod subnet;
pub(crate) mod vpc;

use crate::arguments::Given;
use crate::client::Session;
use crate::data::Source;
use crate::kind::{Kind, Seen};
use crate::limits::Apis;
use crate::looks::FILTER_VALUES;
use crate::marker;
use crate::query::Query;
use ipnet::{IpNet, Ipv4Net};
use model::schema::Adoption;
use provider::CreateRequest;
use rules::Direction;
use std::ops::RangeInclusive;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[
    &eip::Eip,
    &eip_association::EipAssociation,
    &internet_gateway::InternetGateway,
    &key_pair::KeyPair,
    &nat_gateway::NatGateway,
    &route::Route,
    &route_table::RouteTable,
    &route_table_association::RouteTableAssociation,
    &security_group::SecurityGroup,
    &security_group_rule::Rule(Direction::Egress),
    &security_group_rule::Rule(Direction::Ingress),
    &subnet::Subnet,
    &vpc::Vpc,
];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] =
    &[&sources::AvailabilityZones, &sources::Subnets, &sources::Vpc];

/// What is called.
pub(crate) const APIS: Apis = Apis {
    reading: &[
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeInternetGateways",
        "DescribeKeyPairs",
        "DescribeNatGateways",
        "DescribeRouteTables",
        "DescribeSecurityGroupRules",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVpcAttribute",
        "DescribeVpcs",
    ],
    changing: &[
        "AllocateAddress",
        "AssociateAddress",
        "AssociateRouteTable",
        "AssociateSubnetCidrBlock",
        "AssociateVpcCidrBlock",
        "AttachInternetGateway",
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "CreateInternetGateway",
        "CreateNatGateway",
        "CreateRoute",
        "CreateRouteTable",
        "CreateSecurityGroup",
        "CreateSubnet",
        "CreateVpc",
        "DeleteInternetGateway",
        "DeleteKeyPair",
        "DeleteNatGateway",
        "DeleteRoute",
        "DeleteRouteTable",
        "DeleteSecurityGroup",
        "DeleteSubnet",
        "DeleteVpc",
        "DetachInternetGateway",
        "DisableVgwRoutePropagation",
        "DisassociateAddress",
        "DisassociateRouteTable",
        "DisassociateSubnetCidrBlock",
        "DisassociateVpcCidrBlock",
        "EnableVgwRoutePropagation",
        "ImportKeyPair",
        "ModifySecurityGroupRules",
        "ModifySubnetAttribute",
        "ModifyVpcAttribute",
        "ReleaseAddress",
        "ReplaceRoute",
        "ReplaceRouteTableAssociation",
        "RevokeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "UpdateSecurityGroupRuleDescriptionsIngress",
    ],
    unlimited: &[],
};

/// Objects of which something has one of these values.
fn by_filter(name: &str, values: &[String]) -> Query {
    Query::Filters(vec![(name.to_owned(), values.to_vec())])
}

/// How an object is found again whose creation Amazon refuses the second time, because of its name or place, and which then
/// is known by its marker: as if a token were kept as long as the object.
fn again_is_the_same(adoption: Adoption) -> Adoption {
    Adoption { token_retention_s: Some(Adoption::FOR_EVER), ..adoption }
}

/// Whether an object is what an earlier sending of this creation has made.
fn is_made_by(seen: &Seen, session: &Session, request: &CreateRequest) -> bool {
    let marked = marker::read(&seen.tags, &session.owner.lineage, seen.index);
    marked.is_some_and(|it| it.address == request.address && it.token == request.token)
}

/// A name that the same creation always gets.
fn unique_name(prefix: &str, token: &str) -> String {
    let digest = model::digest::sha256_hex(token.as_bytes());
    format!("{prefix}{}", &digest[..26])
}

/// What is wrong where exactly one of these arguments must be given. Of what is not known yet nothing is said.
fn one_of(given: Given<'_>, names: &[&str]) -> Option<String> {
    let values = || names.iter().filter_map(|name| Some((*name, given.0.get(name)?)));
    let is_set = |value: &model::Value| !value.is_null() && value.as_str() != Some("");
    let set: Vec<&str> = values().filter(|(_, it)| is_set(it)).map(|(name, _)| name).collect();
    let known = values().filter(|(_, it)| is_set(it) && !it.is_unknown()).count();
    let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (set.len(), known) {
        (0, _) => Some(format!("one of {all} must be given")),
        (_, 2..) => Some(format!("{} are given, but it can only be one", set.join(" and "))),
        _ => None,
    }
}

/// What is wrong with a range of addresses of a rule.
fn cidr_problem_of(argument: &str, text: &str) -> Option<String> {
    let wanted = if argument.contains("ipv6") { "IPv6" } else { "IPv4" };
    match text.parse::<IpNet>() {
        Ok(net) if matches!(net, IpNet::V6(_)) != (wanted == "IPv6") => {
            Some(format!("`{text}` in `{argument}` is no range of {wanted} addresses"))
        }
        Ok(net) if net.trunc().to_string() != text => {
            Some(format!("Amazon writes `{text}` as `{}`: write it so", net.trunc()))
        }
        Ok(_) => None,
        Err(_) => Some(format!("`{text}` in `{argument}` is no range of {wanted} addresses")),
    }
}

/// What is wrong with a range of IPv4 addresses: it must be whole, and of one of these prefix lengths.
pub(crate) fn cidr_problem(
    given: Given<'_>,
    argument: &'static str,
    lengths: RangeInclusive<u8>,
) -> Option<(&'static str, String)> {
    let text = given.text(argument)?;
    let problem = match text.parse::<Ipv4Net>() {
        Err(_) => format!("`{text}` is no range of IPv4 addresses, such as 10.0.0.0/16"),
        Ok(net) if net.trunc() != net => {
            format!("`{text}` has bits after its prefix: the range is `{}`", net.trunc())
        }
        Ok(net) if !lengths.contains(&net.prefix_len()) => {
            let (least, most) = lengths.into_inner();
            format!("`{text}` must have a prefix from /{least} to /{most}")
        }
        Ok(_) => return None,
    };
    Some((argument, problem))
}
