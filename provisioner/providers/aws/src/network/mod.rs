//! Networks: what machines are in, and what leads to and from them.

pub(crate) mod subnet;
pub(crate) mod vpc;

use crate::arguments::Given;
use crate::data::Source;
use crate::kind::Kind;
use crate::limits::Apis;
use ipnet::Ipv4Net;
use std::ops::RangeInclusive;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[&vpc::Vpc, &subnet::Subnet];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] = &[];

/// What is called.
pub(crate) const APIS: Apis = Apis {
    reading: &["DescribeSubnets", "DescribeVpcAttribute", "DescribeVpcs"],
    changing: &[
        "CreateSubnet",
        "CreateVpc",
        "DeleteSubnet",
        "DeleteVpc",
        "ModifySubnetAttribute",
        "ModifyVpcAttribute",
    ],
    unlimited: &[],
};

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
