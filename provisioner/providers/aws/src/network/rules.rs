//! The rules of a security group as blocks of it: several ranges and groups in one block are as many rules, and the same
//! rules can be written in several ways. Here they are compared as what they mean.
//!
//! Refuses to know: rules that are resources of their own.

use crate::arguments::{Given, number, text, texts};
use crate::client::Session;
use crate::configuration::object;
use crate::network::cidr_problem_of;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use model::{Type, Value};
use provider::ProviderError;
use std::collections::BTreeMap;

/// To which side of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The blocks of it.
    pub(super) fn blocks(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// From or to whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
    Group(String),
    /// The group itself.
    Own,
}

/// What is let through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Traffic {
    protocol: String,
    /// None where the protocol has no ports.
    ports: Option<(i32, i32)>,
}

/// Rules, each with its description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules(BTreeMap<(Traffic, Peer), Option<String>>);

/// The protocols that have names.
const PROTOCOLS: [(&str, &str); 5] =
    [("1", "icmp"), ("6", "tcp"), ("17", "udp"), ("58", "icmpv6"), ("all", ALL)];
/// All protocols.
pub(super) const ALL: &str = "-1";

/// A protocol as Amazon tells it.
pub(super) fn protocol(text: &str) -> String {
    let text = text.to_lowercase();
    let named = PROTOCOLS.iter().find(|(number, _)| *number == text);
    named.map_or(text, |(_, name)| (*name).to_owned())
}

/// The type of a block.
pub(super) fn block_type() -> Type {
    let list = || Type::list(Type::String);
    object([
        ("from_port", Type::Number, true),
        ("to_port", Type::Number, true),
        ("protocol", Type::String, true),
        ("cidr_blocks", list(), false),
        ("ipv6_cidr_blocks", list(), false),
        ("prefix_list_ids", list(), false),
        ("security_groups", Type::set(Type::String), false),
        ("self", Type::Bool, false),
        ("description", Type::String, false),
    ])
}

fn peers(block: Given<'_>, own: &str) -> Vec<Peer> {
    let of = |name: &str, peer: fn(String) -> Peer| {
        block.texts(name).unwrap_or_default().into_iter().map(peer)
    };
    let groups = of("security_groups", Peer::Group);
    let groups =
        groups.map(|peer| if peer == Peer::Group(own.to_owned()) { Peer::Own } else { peer });
    let own = block.flag("self").unwrap_or_default().then_some(Peer::Own);
    of("cidr_blocks", Peer::Ipv4)
        .chain(of("ipv6_cidr_blocks", Peer::Ipv6))
        .chain(of("prefix_list_ids", Peer::PrefixList))
        .chain(groups)
        .chain(own)
        .collect()
}

impl Traffic {
    fn new(protocol_text: &str, from: Option<i32>, to: Option<i32>) -> Self {
        let protocol = protocol(protocol_text);
        let ports = from.zip(to).filter(|_| protocol != ALL);
        Self { protocol, ports }
    }
}

impl Rules {
    /// What blocks mean; `own` is the group itself.
    pub(super) fn asked(blocks: &[Value], own: &str) -> Self {
        let mut rules = BTreeMap::new();
        for block in blocks.iter().map(Given) {
            let protocol = block.text("protocol").unwrap_or_default();
            let traffic =
                Traffic::new(&protocol, block.number("from_port"), block.number("to_port"));
            let description = block.text("description").filter(|text| !text.is_empty());
            for peer in peers(block, own) {
                rules.insert((traffic.clone(), peer), description.clone());
            }
        }
        Self(rules)
    }

    /// What a description of a group tells; `owner` is the account of the group `own`.
    pub(super) fn told(told: &[IpPermission], own: &str, owner: &str) -> Self {
        let mut rules = BTreeMap::new();
        for permission in told {
            let protocol = permission.ip_protocol().unwrap_or_default();
            let traffic = Traffic::new(protocol, permission.from_port(), permission.to_port());
            let mut add = |peer: Peer, description: Option<&str>| {
                let description = description.filter(|text| !text.is_empty()).map(str::to_owned);
                rules.insert((traffic.clone(), peer), description);
            };
            for it in permission.ip_ranges() {
                add(Peer::Ipv4(it.cidr_ip().unwrap_or_default().to_owned()), it.description());
            }
            for it in permission.ipv6_ranges() {
                add(Peer::Ipv6(it.cidr_ipv6().unwrap_or_default().to_owned()), it.description());
            }
            for it in permission.prefix_list_ids() {
                let id = it.prefix_list_id().unwrap_or_default().to_owned();
                add(Peer::PrefixList(id), it.description());
            }
            for it in permission.user_id_group_pairs() {
                let group = group_name(it.group_id(), it.user_id(), owner);
                let peer = if group == own { Peer::Own } else { Peer::Group(group) };
                add(peer, it.description());
            }
        }
        Self(rules)
    }

    /// As blocks: rules that differ only in the peer are one.
    pub(super) fn blocks(&self) -> Value {
        let mut grouped: BTreeMap<(&Traffic, &Option<String>), Vec<&Peer>> = BTreeMap::new();
        for ((traffic, peer), description) in &self.0 {
            grouped.entry((traffic, description)).or_default().push(peer);
        }
        let block = |((traffic, description), peers): ((&Traffic, &Option<String>), Vec<&Peer>)| {
            block(traffic, description.as_deref(), &peers)
        };
        Value::set(block_type(), grouped.into_iter().map(block))
    }

    /// Those that the other has not, whatever their descriptions.
    pub(super) fn without(&self, other: &Self) -> Self {
        let own = self.0.iter().filter(|(rule, _)| !other.0.contains_key(*rule));
        Self(own.map(|(rule, description)| (rule.clone(), description.clone())).collect())
    }

    /// Those that the other has with another description.
    pub(super) fn described_otherwise(&self, other: &Self) -> Self {
        let differs = |(rule, description): &(&(Traffic, Peer), &Option<String>)| {
            other.0.get(*rule).is_some_and(|other| other != *description)
        };
        let own = self.0.iter().filter(differs);
        Self(own.map(|(rule, description)| (rule.clone(), description.clone())).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the SDK's shape.
    pub(super) fn permissions(&self, own: &str) -> Vec<IpPermission> {
        let one = |((traffic, peer), description): (&(Traffic, Peer), &Option<String>)| {
            permission(traffic, peer, description.as_deref(), own)
        };
        self.0.iter().map(one).collect()
    }
}

/// A group as it is written: with its account where that is another one. An owner that is not told is no other one.
pub(super) fn group_name(group: Option<&str>, account: Option<&str>, owner: &str) -> String {
    let group = group.unwrap_or_default();
    let is_other = |account: &&str| !account.is_empty() && !owner.is_empty() && *account != owner;
    match account.filter(is_other) {
        Some(account) => format!("{account}/{group}"),
        None => group.to_owned(),
    }
}

fn block(traffic: &Traffic, description: Option<&str>, peers: &[&Peer]) -> Value {
    let of = |wanted: fn(&Peer) -> Option<&String>| -> Vec<&str> {
        peers.iter().filter_map(|peer| wanted(peer)).map(String::as_str).collect()
    };
    let list = |items: Vec<&str>| {
        if items.is_empty() { Value::null(Type::list(Type::String)) } else { texts(items) }
    };
    let groups = of(|peer| if let Peer::Group(text) = peer { Some(text) } else { None });
    let groups = match groups.as_slice() {
        [] => Value::null(Type::set(Type::String)),
        _ => crate::arguments::text_set(groups),
    };
    let is_own = peers.contains(&&Peer::Own);
    let own = if is_own { Value::from(true) } else { Value::null(Type::Bool) };
    let (from, to) = traffic.ports.unwrap_or_default();
    Value::object([
        ("from_port", number(Some(from))),
        ("to_port", number(Some(to))),
        ("protocol", traffic.protocol.as_str().into()),
        (
            "cidr_blocks",
            list(of(|peer| if let Peer::Ipv4(text) = peer { Some(text) } else { None })),
        ),
        (
            "ipv6_cidr_blocks",
            list(of(|peer| if let Peer::Ipv6(text) = peer { Some(text) } else { None })),
        ),
        (
            "prefix_list_ids",
            list(of(|peer| if let Peer::PrefixList(text) = peer { Some(text) } else { None })),
        ),
        ("security_groups", groups),
        ("self", own),
        ("description", text(description)),
    ])
}

fn permission(
    traffic: &Traffic,
    peer: &Peer,
    description: Option<&str>,
    own: &str,
) -> IpPermission {
    let description = description.map(str::to_owned);
    let call = IpPermission::builder()
        .ip_protocol(&traffic.protocol)
        .set_from_port(traffic.ports.map(|(from, _)| from))
        .set_to_port(traffic.ports.map(|(_, to)| to));
    let call = match peer {
        Peer::Ipv4(range) => {
            call.ip_ranges(IpRange::builder().cidr_ip(range).set_description(description).build())
        }
        Peer::Ipv6(range) => call.ipv6_ranges(
            Ipv6Range::builder().cidr_ipv6(range).set_description(description).build(),
        ),
        Peer::PrefixList(id) => call.prefix_list_ids(
            PrefixListId::builder().prefix_list_id(id).set_description(description).build(),
        ),
        Peer::Group(group) => call.user_id_group_pairs(pair(group, description)),
        Peer::Own => call.user_id_group_pairs(pair(own, description)),
    };
    call.build()
}

fn pair(group: &str, description: Option<String>) -> UserIdGroupPair {
    let (account, group) = match group.split_once('/') {
        Some((account, group)) => (Some(account.to_owned()), group),
        None => (None, group),
    };
    UserIdGroupPair::builder()
        .set_user_id(account)
        .group_id(group)
        .set_description(description)
        .build()
}

/// What is wrong with a block.
pub(super) fn problems(block: Given<'_>) -> Vec<String> {
    let protocol = block.text("protocol").map(|text| protocol(&text));
    let (from, to) = (block.number("from_port"), block.number("to_port"));
    let mut problems: Vec<String> =
        port_problem(protocol.as_deref(), from, to).into_iter().collect();
    for name in ["cidr_blocks", "ipv6_cidr_blocks"] {
        let ranges = block.texts(name).unwrap_or_default();
        problems.extend(ranges.iter().filter_map(|range| cidr_problem_of(name, range)));
    }
    let peers = ["cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids", "security_groups"];
    let is_none = |name: &&str| {
        block
            .0
            .get(name)
            .is_none_or(|it| it.is_null() || it.as_items().is_some_and(<[Value]>::is_empty))
    };
    let own = block.0.get("self");
    let is_own = own.is_some_and(|own| own.is_unknown() || own.as_bool() == Some(true));
    if !is_own && peers.iter().all(is_none) {
        problems
            .push("it names nobody: give `cidr_blocks`, `security_groups` or `self`".to_owned());
    }
    problems
}

/// What is wrong with ports of a protocol.
pub(super) fn port_problem(
    protocol: Option<&str>,
    from: Option<i32>,
    to: Option<i32>,
) -> Option<String> {
    let (from, to) = from.zip(to)?;
    match protocol? {
        ALL if (from, to) != (0, 0) && (from, to) != (-1, -1) && (from, to) != (0, 65_535) => {
            Some("all protocols have no ports: `from_port` and `to_port` must be 0".to_owned())
        }
        "tcp" | "udp" if !(0..=65_535).contains(&from) || !(0..=65_535).contains(&to) => {
            Some(format!("ports are from 0 to 65535, not {from} to {to}"))
        }
        "tcp" | "udp" if from > to => {
            Some(format!("`from_port` ({from}) is above `to_port` ({to})"))
        }
        _ => None,
    }
}

/// Brings one side of a group from some rules to others. New ones are let in before old ones are taken away, so that
/// nothing that is in both is cut off.
pub(super) async fn change(
    session: &Session,
    group: &str,
    direction: Direction,
    now: &Rules,
    wanted: &Rules,
) -> Result<(), ProviderError> {
    let new = wanted.without(now);
    if !new.is_empty() {
        authorize(session, group, direction, new.permissions(group)).await?;
    }
    let described = wanted.described_otherwise(now);
    if !described.is_empty() {
        describe(session, group, direction, described.permissions(group)).await?;
    }
    let old = now.without(wanted);
    if !old.is_empty() {
        revoke(session, group, direction, old.permissions(group)).await?;
    }
    Ok(())
}

async fn authorize(
    session: &Session,
    group: &str,
    direction: Direction,
    permissions: Vec<IpPermission>,
) -> Result<(), ProviderError> {
    let (ec2, permissions) = (session.ec2().await?, Some(permissions));
    match direction {
        Direction::Ingress => {
            let call = ec2.authorize_security_group_ingress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("AuthorizeSecurityGroupIngress", call.send()).await.map(drop)
        }
        Direction::Egress => {
            let call = ec2.authorize_security_group_egress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("AuthorizeSecurityGroupEgress", call.send()).await.map(drop)
        }
    }
}

async fn describe(
    session: &Session,
    group: &str,
    direction: Direction,
    permissions: Vec<IpPermission>,
) -> Result<(), ProviderError> {
    let (ec2, permissions) = (session.ec2().await?, Some(permissions));
    match direction {
        Direction::Ingress => {
            let call = ec2.update_security_group_rule_descriptions_ingress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("UpdateSecurityGroupRuleDescriptionsIngress", call.send()).await.map(drop)
        }
        Direction::Egress => {
            let call = ec2.update_security_group_rule_descriptions_egress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("UpdateSecurityGroupRuleDescriptionsEgress", call.send()).await.map(drop)
        }
    }
}

async fn revoke(
    session: &Session,
    group: &str,
    direction: Direction,
    permissions: Vec<IpPermission>,
) -> Result<(), ProviderError> {
    let (ec2, permissions) = (session.ec2().await?, Some(permissions));
    match direction {
        Direction::Ingress => {
            let call = ec2.revoke_security_group_ingress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("RevokeSecurityGroupIngress", call.send()).await.map(drop)
        }
        Direction::Egress => {
            let call = ec2.revoke_security_group_egress().group_id(group);
            let call = call.set_ip_permissions(permissions);
            session.call("RevokeSecurityGroupEgress", call.send()).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(protocol: &str, ports: (i64, i64), ranges: &[&str]) -> Value {
        Value::object([
            ("protocol", Value::from(protocol)),
            ("from_port", ports.0.into()),
            ("to_port", ports.1.into()),
            ("cidr_blocks", texts(ranges)),
        ])
    }

    #[test]
    fn the_same_rules_in_other_words_are_the_same() {
        let one =
            [block("6", (80, 80), &["10.0.0.0/8", "11.0.0.0/8"]), block("all", (0, 0), &["::/0"])];
        let other = [
            block("-1", (0, 0), &["::/0"]),
            block("tcp", (80, 80), &["11.0.0.0/8"]),
            block("TCP", (80, 80), &["10.0.0.0/8"]),
        ];
        let (one, other) = (Rules::asked(&one, "sg-1"), Rules::asked(&other, "sg-1"));
        assert_eq!(one, other);
        assert_eq!(one.permissions("sg-1").len(), 3);
        let Some(items) = one.blocks().as_items().map(<[Value]>::to_vec) else { panic!("a set") };
        assert_eq!(Rules::asked(&items, "sg-1"), one);
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_group_that_names_itself_is_itself() {
        let fields = |own: (&'static str, Value)| {
            Value::object([
                ("protocol", "-1".into()),
                ("from_port", 0.into()),
                ("to_port", 0.into()),
                own,
            ])
        };
        let by_flag = fields(("self", true.into()));
        let by_name = fields(("security_groups", crate::arguments::text_set(["sg-1"])));
        assert_eq!(Rules::asked(&[by_flag], "sg-1"), Rules::asked(&[by_name], "sg-1"));
    }
}
