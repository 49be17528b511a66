//! IPv6 ranges of networks and subnets. Each is an association of its own, which takes a while to come and to go.
//!
//! Invariant: a range that is on its way out, or failed, is not told. Refuses to know: where ranges come from.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::Seen;
use crate::waits::{self, Wait};
use aws_sdk_ec2::types::{SubnetIpv6CidrBlockAssociation, VpcIpv6CidrBlockAssociation};
use ipnet::Ipv6Net;
use model::Value;
use provider::{ErrorClass, ProviderError};
use std::time::Duration;

/// The range, as an argument or attribute.
pub(super) const BLOCK: &str = "ipv6_cidr_block";
/// Kept beside the attributes, which have no such name: all associations, and how far each is.
pub(super) const ASSOCIATIONS: &str = "ipv6_associations";

/// Minutes that a change of an object with a range may take.
pub(super) const MINUTES: u64 = 10;

/// Ranges come and go within seconds.
const WAIT: Wait = Wait { first: Duration::from_millis(500), late_ms: 8 * 60 * 1_000 };

/// An association as a description tells it.
pub(super) struct Association<'a> {
    id: &'a str,
    block: &'a str,
    state: &'a str,
    why: Option<&'a str>,
    /// Whether Amazon has chosen the range.
    is_generated: bool,
}

impl<'a> Association<'a> {
    /// One of a network.
    pub(super) fn of_vpc(told: &'a VpcIpv6CidrBlockAssociation) -> Self {
        let state = told.ipv6_cidr_block_state();
        Self {
            id: told.association_id().unwrap_or_default(),
            block: told.ipv6_cidr_block().unwrap_or_default(),
            state: state.and_then(|it| it.state()).map_or("", |it| it.as_str()),
            why: state.and_then(|it| it.status_message()),
            is_generated: told.ipv6_pool() == Some("Amazon"),
        }
    }

    /// One of a subnet.
    pub(super) fn of_subnet(told: &'a SubnetIpv6CidrBlockAssociation) -> Self {
        let state = told.ipv6_cidr_block_state();
        Self {
            id: told.association_id().unwrap_or_default(),
            block: told.ipv6_cidr_block().unwrap_or_default(),
            state: state.and_then(|it| it.state()).map_or("", |it| it.as_str()),
            why: state.and_then(|it| it.status_message()),
            is_generated: false,
        }
    }

    fn stays(&self) -> bool {
        matches!(self.state, "associated" | "associating")
    }
}

/// What associations come to.
pub(super) struct Told {
    pub(super) block: Value,
    pub(super) association: Value,
    pub(super) is_generated: bool,
    /// For [`until`].
    pub(super) all: Value,
    /// One is not there yet.
    pub(super) is_pending: bool,
}

/// The range that an object has.
pub(super) fn told(all: &[Association<'_>]) -> Told {
    let range = all.iter().find(|it| it.stays());
    let kept = all.iter().map(|it| {
        Value::object([("id", it.id.into()), ("state", it.state.into()), ("why", text(it.why))])
    });
    Told {
        block: text(range.map(|it| it.block)),
        association: text(range.map(|it| it.id)),
        is_generated: range.is_some_and(|it| it.is_generated),
        all: Value::tuple(kept.collect::<Vec<_>>()),
        is_pending: range.is_some_and(|it| it.state == "associating"),
    }
}

/// Looks at an object until an association of it is there, or is gone.
pub(super) async fn until(
    session: &Session,
    kind: &str,
    id: &str,
    association: &str,
    is_to_be: bool,
) -> Result<(), ProviderError> {
    let judge = |seen: Option<Seen>, is_late: bool| {
        let all = seen.as_ref().and_then(|seen| seen.attributes.get(ASSOCIATIONS));
        let all = all.and_then(Value::as_items).unwrap_or_default();
        let it = all.iter().find(|it| Given(it).text("id").as_deref() == Some(association));
        let state = it.and_then(|it| Given(it).text("state"));
        match state.as_deref() {
            Some("associated") if is_to_be => return Ok(Some(())),
            Some("failing" | "failed") if is_to_be => {
                let why = it.and_then(|it| Given(it).text("why"));
                let why = why.unwrap_or_else(|| "AWS does not say why".to_owned());
                let message = format!("`{id}` could not be given its IPv6 range: {why}");
                return Err(ProviderError::new(ErrorClass::Conflict, message));
            }
            None | Some("disassociated") if !is_to_be && seen.is_some() => return Ok(Some(())),
            _ => {}
        }
        if is_late {
            let message = format!("the IPv6 range of `{id}` has not changed after eight minutes");
            return Err(ProviderError::new(ErrorClass::Transient, message)
                .with_hint("look at it in the console; then apply again"));
        }
        Ok(None)
    };
    waits::until(session, kind, id, WAIT, judge).await
}

/// What is wrong with the range of a subnet.
pub(super) fn problem(given: Given<'_>) -> Option<(&'static str, String)> {
    let block = given.text(BLOCK)?;
    let problem = match block.parse::<Ipv6Net>() {
        Err(_) => format!("`{block}` is no range of IPv6 addresses, such as 2001:db8:0:1::/64"),
        Ok(net) if net.trunc() != net => {
            format!("`{block}` has bits after its prefix: the range is `{}`", net.trunc())
        }
        Ok(net) if !(44..=64).contains(&net.prefix_len()) || net.prefix_len() % 4 != 0 => {
            format!("`{block}` must have a prefix from /44 to /64, of a multiple of four bits")
        }
        Ok(net) if net.to_string() != block => {
            format!("Amazon writes `{block}` as `{net}`: write it so")
        }
        Ok(_) => return None,
    };
    Some((BLOCK, problem))
}
