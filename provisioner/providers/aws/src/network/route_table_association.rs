//! `aws_route_table_association`.
//!
//! It carries no marker: a subnet or gateway is at one table at most, so what is at a table is its id. Moving it to
//! another table gives it another id with Amazon, which would be no identity.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_place, resource};
use crate::network::{FILTER_VALUES, by_filter, one_of, routes};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    ResourceType, RouteTableAssociation as Told, RouteTableAssociationStateCode as State,
};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct RouteTableAssociation;

const PLACES: [&str; 2] = ["subnet_id", "gateway_id"];

fn place(given: Given<'_>) -> Result<String, ProviderError> {
    let place = PLACES.iter().find_map(|name| given.text(name));
    place.ok_or_else(|| {
        let message = "the association has neither a subnet nor a gateway";
        ProviderError::new(ErrorClass::Invalid, message)
    })
}

fn phase(told: &Told) -> Phase {
    let state = told.association_state();
    match state.and_then(|state| state.state()) {
        Some(State::Associating | State::Disassociating) => Phase::Pending,
        Some(State::Disassociated) => Phase::Gone,
        Some(State::Failed) => {
            let why = state.and_then(|state| state.status_message());
            Phase::Failed(format!("it failed: {}", why.unwrap_or("AWS does not say why")))
        }
        _ => Phase::Ready,
    }
}

/// Associations of these subnets and gateways.
async fn told(session: &Session, places: &[String]) -> Result<Vec<Told>, ProviderError> {
    let of_kinds = |kinds: &[&str]| -> Vec<String> {
        let is_one = |place: &&String| kinds.iter().any(|kind| place.starts_with(kind));
        places.iter().filter(is_one).cloned().collect()
    };
    // Whatever is neither a subnet nor a gateway is at no table.
    let subnets = ("association.subnet-id", of_kinds(&["subnet-"]));
    let gateways = ("association.gateway-id", of_kinds(&["igw-", "vgw-"]));
    let mut found = Vec::new();
    for (filter, ids) in [subnets, gateways] {
        for some in ids.chunks(FILTER_VALUES) {
            for table in routes::tables(session, &by_filter(filter, some)).await? {
                found.extend(table.associations.unwrap_or_default());
            }
        }
    }
    // A table is told with all that is at it.
    let asked: BTreeSet<&str> = places.iter().map(String::as_str).collect();
    found.retain(|told| at(told).is_some_and(|place| asked.contains(place)));
    Ok(found)
}

fn at(told: &Told) -> Option<&str> {
    told.subnet_id().or_else(|| told.gateway_id())
}

#[async_trait]
impl Kind for RouteTableAssociation {
    fn name(&self) -> &'static str {
        "aws_route_table_association"
    }

    fn schema(&self) -> ResourceSchema {
        let place =
            |description: &str| Attribute::optional(Type::String, description).forces_replacement();
        resource(
            "A subnet or a gateway that goes by a route table; its id is the subnet's or gateway's.",
            by_place(),
            [
                ("route_table_id", Attribute::required(Type::String, "The table.")),
                ("subnet_id", place("The subnet.")),
                ("gateway_id", place("The gateway.")),
                (
                    "association_id",
                    Attribute::computed(
                        Type::String,
                        "Amazon's own id of it, another with every table.",
                    )
                    .volatile(),
                ),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        one_of(given, &PLACES).map(|problem| ("subnet_id", problem)).into_iter().collect()
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let (places, table) = match query {
            Query::Ids(ids) => (ids.clone(), None),
            Query::Alike(arguments) => {
                let given = Given(arguments);
                (vec![place(given)?], Some(given.needed("route_table_id")?))
            }
            // Associations carry no tags.
            Query::Marked { .. } | Query::Owned(_) | Query::Filters(_) => return Ok(Vec::new()),
        };
        let mut found = told(session, &places).await?;
        found.retain(|told| table.is_none() || told.route_table_id() == table.as_deref());
        let seen = found.iter().filter_map(|told| {
            let attributes = BTreeMap::from([
                ("route_table_id", text(told.route_table_id())),
                ("subnet_id", text(told.subnet_id())),
                ("gateway_id", text(told.gateway_id())),
                ("association_id", text(told.route_table_association_id())),
            ]);
            Some(Seen::ready(at(told)?.to_owned(), attributes).in_phase(phase(told)))
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let (place, table) = (place(given)?, given.needed("route_table_id")?);
        let call = session
            .ec2()
            .await?
            .associate_route_table()
            .route_table_id(&table)
            .set_subnet_id(given.text("subnet_id"))
            .set_gateway_id(given.text("gateway_id"));
        match session.call("AssociateRouteTable", call.send()).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                let there = told(session, std::slice::from_ref(&place)).await?;
                if there.iter().any(|told| told.route_table_id() == Some(table.as_str())) {
                    return Ok(place);
                }
                Err(error.with_hint(
                    "it goes by another table already: import that association, or remove it",
                ))
            }
            other => other.map(|_| place),
        }
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let table = Given(&request.arguments).needed("route_table_id")?;
        for told in told(session, std::slice::from_ref(&request.id)).await? {
            if told.route_table_id() == Some(table.as_str()) {
                continue;
            }
            let call = session
                .ec2()
                .await?
                .replace_route_table_association()
                .set_association_id(told.route_table_association_id)
                .route_table_id(&table);
            session.call("ReplaceRouteTableAssociation", call.send()).await?;
        }
        Ok(())
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let shown = told(session, std::slice::from_ref(&request.id)).await?;
        let mut ids: Vec<String> =
            shown.into_iter().filter_map(|told| told.route_table_association_id).collect();
        if ids.is_empty() {
            // It may be there and not show, as what is new: it is known by the id that it was recorded with.
            ids.extend(Given(&request.attributes).text("association_id"));
        }
        for id in ids {
            let call = session.ec2().await?.disassociate_route_table().association_id(id);
            session.call("DisassociateRouteTable", call.send()).await?;
        }
        Ok(())
    }
}
