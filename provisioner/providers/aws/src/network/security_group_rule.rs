//! `aws_vpc_security_group_ingress_rule` and `aws_vpc_security_group_egress_rule`: one rule each.
//!
//! A group has a rule once, so a creation that is sent again is refused and finds the rule that it has made by its marker.

use crate::arguments::{Given, filled, number, text};
use crate::client::Session;
use crate::kind::{Kind, Seen, by_tags, no_id, resource, tags_of};
use crate::network::rules::{ALL, Direction, group_name, port_problem, protocol};
use crate::network::{again_is_the_same, cidr_problem_of, is_made_by, one_of};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroupRule as Told,
    SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Rule(pub(super) Direction);

const GROUP: &str = "security_group_id";
const PEERS: [&str; 4] =
    ["cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"];

fn schema(direction: Direction) -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    let optional = |description: &str| Attribute::optional(Type::String, description);
    let port = |description: &str| Attribute::optional(Type::Number, description);
    let (what, whom) = match direction {
        Direction::Ingress => ("Lets something reach the machines of a security group.", "From"),
        Direction::Egress => ("Lets the machines of a security group reach something.", "To"),
    };
    let peer = |what: &str| optional(&format!("{whom} {what}."));
    resource(
        what,
        again_is_the_same(by_tags()),
        [
            (GROUP, Attribute::required(Type::String, "The group.").forces_replacement()),
            // Amazon changes the range of a rule, but not what kind of thing it lets through to.
            ("cidr_ipv4", peer("this range of IPv4 addresses")),
            ("cidr_ipv6", peer("this range of IPv6 addresses").forces_replacement()),
            ("prefix_list_id", peer("the ranges of this list").forces_replacement()),
            (
                "referenced_security_group_id",
                peer("the machines of this group").forces_replacement(),
            ),
            (
                "ip_protocol",
                Attribute::required(Type::String, "`tcp`, `udp`, `icmp`, a number, or -1 for all."),
            ),
            ("from_port", port("The first port, or the type of ICMP; none for all protocols.")),
            ("to_port", port("The last port, or the code of ICMP; none for all protocols.")),
            ("description", optional("What it is for.")),
            ("arn", computed("Its Amazon resource name.")),
            ("security_group_rule_id", computed("Its id.")),
        ],
    )
}

async fn told(session: &Session, query: &Query) -> Result<Vec<Told>, ProviderError> {
    Ok(pages!(
        session,
        query,
        "DescribeSecurityGroupRules",
        describe_security_group_rules,
        set_security_group_rule_ids,
        security_group_rules
    ))
}

fn seen(session: &Session, region: &str, rule: &Told) -> Seen {
    let id = rule.security_group_rule_id().unwrap_or_default().to_owned();
    let owner = rule.group_owner_id().unwrap_or_default();
    let own_arn = || format!("arn:aws:ec2:{region}:{owner}:security-group-rule/{id}");
    let arn = rule.security_group_rule_arn().map_or_else(own_arn, str::to_owned);
    let group =
        rule.referenced_group_info().map(|it| group_name(it.group_id(), it.user_id(), owner));
    // All protocols have no ports, which Amazon tells as -1.
    let port = |port: Option<i32>| number(port.filter(|_| rule.ip_protocol() != Some(ALL)));
    let attributes = BTreeMap::from([
        (GROUP, text(rule.group_id())),
        ("cidr_ipv4", filled(rule.cidr_ipv4())),
        ("cidr_ipv6", filled(rule.cidr_ipv6())),
        ("prefix_list_id", filled(rule.prefix_list_id())),
        ("referenced_security_group_id", filled(group.as_deref())),
        ("ip_protocol", text(rule.ip_protocol())),
        ("from_port", port(rule.from_port())),
        ("to_port", port(rule.to_port())),
        ("description", filled(rule.description())),
        ("arn", arn.into()),
        ("security_group_rule_id", id.as_str().into()),
    ]);
    Seen::ready(id, attributes).tagged(session, tagging::read(rule.tags.as_deref()))
}

#[async_trait]
impl Kind for Rule {
    fn name(&self) -> &'static str {
        match self.0 {
            Direction::Ingress => "aws_vpc_security_group_ingress_rule",
            Direction::Egress => "aws_vpc_security_group_egress_rule",
        }
    }

    fn schema(&self) -> ResourceSchema {
        schema(self.0)
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::SecurityGroupRule)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> =
            one_of(given, &PEERS).map(|problem| ("cidr_ipv4", problem)).into_iter().collect();
        for name in ["cidr_ipv4", "cidr_ipv6"] {
            let problem = given.text(name).and_then(|range| cidr_problem_of(name, &range));
            problems.extend(problem.map(|problem| (name, problem)));
        }
        let protocol = given.text("ip_protocol").map(|text| protocol(&text));
        let (from, to) = (given.number("from_port"), given.number("to_port"));
        let problem = match protocol.as_deref() {
            Some(ALL) if from.or(to).is_some_and(|port| port != -1) => {
                Some("all protocols have no ports: leave `from_port` and `to_port` out".to_owned())
            }
            Some(ALL) => None,
            Some("tcp" | "udp")
                if is_missing(given, "from_port") || is_missing(given, "to_port") =>
            {
                Some("tcp and udp need `from_port` and `to_port`".to_owned())
            }
            other => port_problem(other, from, to),
        };
        problems.extend(problem.map(|problem| ("from_port", problem)));
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let mut all = told(session, query).await?;
        all.retain(|rule| rule.is_egress().unwrap_or_default() == (self.0 == Direction::Egress));
        let region = session.region().await?;
        Ok(all.iter().map(|rule| seen(session, region, rule)).collect())
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        // A number and a name of a protocol are the same.
        let told = seen.attributes.get("ip_protocol").and_then(|told| told.as_str());
        let is_same = recorded
            .text("ip_protocol")
            .is_some_and(|known| told.is_some_and(|told| protocol(told) == protocol(&known)));
        let mut kept: Vec<&'static str> = Vec::new();
        if is_same {
            kept.push("ip_protocol");
            if told.map(protocol).as_deref() == Some(ALL) {
                kept.extend(["from_port", "to_port"]);
            }
        }
        for name in kept {
            seen.attributes.extend(recorded.0.get(name).map(|known| (name, known)));
        }
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let group = given.needed(GROUP)?;
        let tags =
            tagging::specification(ResourceType::SecurityGroupRule, &tags_of(session, request));
        let ec2 = session.ec2().await?;
        let made = match self.0 {
            Direction::Ingress => {
                let call = ec2.authorize_security_group_ingress().group_id(&group);
                let call = call.ip_permissions(permission(given)).tag_specifications(tags);
                let made = session.call("AuthorizeSecurityGroupIngress", call.send()).await;
                made.map(|made| made.security_group_rules)
            }
            Direction::Egress => {
                let call = ec2.authorize_security_group_egress().group_id(&group);
                let call = call.ip_permissions(permission(given)).tag_specifications(tags);
                let made = session.call("AuthorizeSecurityGroupEgress", call.send()).await;
                made.map(|made| made.security_group_rules)
            }
        };
        match made {
            Err(error) if error.class == ErrorClass::Conflict => {
                let query = Query::Filters(vec![("group-id".to_owned(), vec![group])]);
                let there = self.describe(session, &query).await?;
                let ours = there.into_iter().find(|seen| is_made_by(seen, session, request));
                ours.map(|seen| seen.id).ok_or(error)
            }
            made => {
                let rule = made?.unwrap_or_default().into_iter().next();
                let id = rule.and_then(|rule| rule.security_group_rule_id);
                id.ok_or_else(|| no_id("AuthorizeSecurityGroup"))
            }
        }
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, prior) = (Given(&request.arguments), Given(&request.prior));
        let changing = ["cidr_ipv4", "ip_protocol", "from_port", "to_port", "description"];
        if changing.iter().any(|name| given.differs(prior, name)) {
            let update = SecurityGroupRuleUpdate::builder()
                .security_group_rule_id(&request.id)
                .security_group_rule(changed(given))
                .build();
            let call = session
                .ec2()
                .await?
                .modify_security_group_rules()
                .group_id(given.needed(GROUP)?)
                .security_group_rules(update);
            session.call("ModifySecurityGroupRules", call.send()).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let group = Given(&request.attributes).needed(GROUP)?;
        let ec2 = session.ec2().await?;
        match self.0 {
            Direction::Ingress => {
                let call = ec2.revoke_security_group_ingress().group_id(group);
                let call = call.security_group_rule_ids(&request.id);
                session.call("RevokeSecurityGroupIngress", call.send()).await.map(drop)
            }
            Direction::Egress => {
                let call = ec2.revoke_security_group_egress().group_id(group);
                let call = call.security_group_rule_ids(&request.id);
                session.call("RevokeSecurityGroupEgress", call.send()).await.map(drop)
            }
        }
    }
}

fn is_missing(given: Given<'_>, name: &str) -> bool {
    given.0.get(name).is_none_or(|value| value.is_null())
}

/// From and to port; none for all protocols.
fn ports(given: Given<'_>) -> (Option<i32>, Option<i32>) {
    match given.text("ip_protocol").map(|text| protocol(&text)).as_deref() {
        Some(ALL) => (None, None),
        _ => (given.number("from_port"), given.number("to_port")),
    }
}

/// Account and id of a group that is written with its account.
fn group_parts(group: &str) -> (Option<&str>, &str) {
    match group.split_once('/') {
        Some((account, group)) => (Some(account), group),
        None => (None, group),
    }
}

/// A new rule.
fn permission(given: Given<'_>) -> IpPermission {
    let description = given.text("description");
    let (from, to) = ports(given);
    let mut call = IpPermission::builder()
        .set_ip_protocol(given.text("ip_protocol"))
        .set_from_port(from)
        .set_to_port(to);
    if let Some(range) = given.text("cidr_ipv4") {
        let it = IpRange::builder().cidr_ip(range).set_description(description.clone());
        call = call.ip_ranges(it.build());
    }
    if let Some(range) = given.text("cidr_ipv6") {
        let it = Ipv6Range::builder().cidr_ipv6(range).set_description(description.clone());
        call = call.ipv6_ranges(it.build());
    }
    if let Some(id) = given.text("prefix_list_id") {
        let it = PrefixListId::builder().prefix_list_id(id).set_description(description.clone());
        call = call.prefix_list_ids(it.build());
    }
    if let Some(group) = given.text("referenced_security_group_id") {
        let (account, group) = group_parts(&group);
        let it = UserIdGroupPair::builder().set_user_id(account.map(str::to_owned));
        let it = it.group_id(group).set_description(description);
        call = call.user_id_group_pairs(it.build());
    }
    call.build()
}

/// A rule as it is to become.
fn changed(given: Given<'_>) -> SecurityGroupRuleRequest {
    // A change must say all; of all protocols Amazon tells the ports so.
    let port = |port: Option<i32>| port.unwrap_or(-1);
    let (from, to) = ports(given);
    let group = given.text("referenced_security_group_id");
    let group = group.as_deref().map(|group| group_parts(group).1.to_owned());
    SecurityGroupRuleRequest::builder()
        .set_ip_protocol(given.text("ip_protocol"))
        .from_port(port(from))
        .to_port(port(to))
        .set_cidr_ipv4(given.text("cidr_ipv4"))
        .set_cidr_ipv6(given.text("cidr_ipv6"))
        .set_prefix_list_id(given.text("prefix_list_id"))
        .set_referenced_group_id(group)
        // Left out it would stay.
        .description(given.text("description").unwrap_or_default())
        .build()
}
