//! `aws_eip_association`: an elastic address at a machine or a network interface.
//!
//! It carries no marker: it is found by the address, which is at one place at most.

use crate::arguments::{Given, filled};
use crate::client::Session;
use crate::kind::{Kind, Seen, by_place, no_id, resource};
use crate::network::{FILTER_VALUES, by_filter, eip};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::{Address as Told, ResourceType};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct EipAssociation;

fn seen(told: &Told) -> Option<Seen> {
    let id = told.association_id().filter(|id| !id.is_empty())?.to_owned();
    let attributes = BTreeMap::from([
        ("allocation_id", filled(told.allocation_id())),
        ("instance_id", filled(told.instance_id())),
        ("network_interface_id", filled(told.network_interface_id())),
        ("private_ip_address", filled(told.private_ip_address())),
        ("public_ip", filled(told.public_ip())),
    ]);
    Some(Seen::ready(id, attributes))
}

/// Whether an address is where the arguments say.
fn is_at(told: &Told, given: Given<'_>) -> bool {
    let fits = |name: &str, told: Option<&str>| {
        given.text(name).is_none_or(|wanted| told == Some(wanted.as_str()))
    };
    fits("instance_id", told.instance_id())
        && fits("network_interface_id", told.network_interface_id())
        && fits("private_ip_address", told.private_ip_address())
}

#[async_trait]
impl Kind for EipAssociation {
    fn name(&self) -> &'static str {
        "aws_eip_association"
    }

    fn schema(&self) -> ResourceSchema {
        let place = |description: &str| {
            Attribute::optional_computed(Type::String, description).forces_replacement()
        };
        resource(
            "An elastic address at a machine or at a network interface.",
            by_place(),
            [
                (
                    "allocation_id",
                    Attribute::required(Type::String, "The id of the elastic address.")
                        .forces_replacement(),
                ),
                ("instance_id", place("The machine.")),
                ("network_interface_id", place("The network interface.")),
                ("private_ip_address", place("The private address that it stands for.")),
                (
                    "allow_reassociation",
                    Attribute::optional(
                        Type::Bool,
                        "Whether the address may be taken from where it is.",
                    )
                    .forces_replacement(),
                ),
                ("public_ip", Attribute::computed(Type::String, "The address itself.")),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let is_null = |name: &str| given.0.get(name).is_none_or(|it| it.is_null());
        let problem = match (given.text("instance_id"), given.text("network_interface_id")) {
            (Some(_), Some(_)) => "give the machine or the network interface, not both",
            (None, None) if is_null("instance_id") && is_null("network_interface_id") => {
                "give the machine, or `network_interface_id`"
            }
            _ => return Vec::new(),
        };
        vec![("instance_id", problem.to_owned())]
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let queries = match query {
            Query::Ids(ids) => {
                ids.chunks(FILTER_VALUES).map(|ids| by_filter("association-id", ids)).collect()
            }
            Query::Alike(arguments) => vec![of_address(Given(arguments))?],
            other => vec![other.clone()],
        };
        let mut found = Vec::new();
        for each in queries {
            found.extend(eip::told(session, &each).await?);
        }
        if let Query::Alike(arguments) = query {
            found.retain(|told| is_at(told, Given(arguments)));
        }
        Ok(found.iter().filter_map(seen).collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        // Sent a second time it would not say so: what is there is looked at first.
        let there = self.describe(session, &Query::Alike(request.arguments.clone())).await?;
        if let Some(there) = there.into_iter().next() {
            return Ok(there.id);
        }
        let given = Given(&request.arguments);
        let call = session
            .ec2()
            .await?
            .associate_address()
            .allocation_id(given.needed("allocation_id")?)
            .set_instance_id(given.text("instance_id"))
            .set_network_interface_id(given.text("network_interface_id"))
            .set_private_ip_address(given.text("private_ip_address"))
            .set_allow_reassociation(given.flag("allow_reassociation"));
        let made = session.call("AssociateAddress", call.send()).await?;
        made.association_id.ok_or_else(|| no_id("AssociateAddress"))
    }

    async fn update(
        &self,
        _session: &Session,
        _request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        // Every argument forces replacement.
        Ok(())
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        eip::disassociate(session, &request.id).await
    }
}

/// The address itself, wherever it is.
fn of_address(given: Given<'_>) -> Result<Query, ProviderError> {
    Ok(by_filter("allocation-id", &[given.needed("allocation_id")?]))
}
