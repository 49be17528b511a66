//! `aws_route`.
//!
//! It carries no marker: a table has one route to a destination, so table and destination are its id.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Seen, by_place, resource};
use crate::network::routes::{self, DESTINATIONS, Destination, TARGETS};
use crate::network::{FILTER_VALUES, by_filter};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, Route as Told, RouteOrigin, RouteState};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct Route;

fn schema() -> ResourceSchema {
    let required =
        |description: &str| Attribute::required(Type::String, description).forces_replacement();
    let optional = |description: &str| Attribute::optional(Type::String, description);
    let moving = |description: &str| Attribute::computed(Type::String, description).volatile();
    let mut schema = resource(
        "A route of a route table.",
        by_place(),
        [
            ("route_table_id", required("The table.")),
            (
                "destination_cidr_block",
                optional("To this range of IPv4 addresses.").forces_replacement(),
            ),
            (
                "destination_ipv6_cidr_block",
                optional("To this range of IPv6 addresses.").forces_replacement(),
            ),
            (
                "destination_prefix_list_id",
                optional("To the ranges of this list.").forces_replacement(),
            ),
            ("instance_id", moving("The machine of the network interface.")),
            ("instance_owner_id", moving("The account of that machine.")),
            ("origin", moving("How it came to be.")),
            ("state", moving("`active`, or `blackhole` where the target is not there.")),
        ],
    );
    let targets = TARGETS.map(|name| (name.to_owned(), optional(routes::target_description(name))));
    schema.attributes.extend(targets);
    schema
}

/// The id of the route of a table to a destination.
fn id(table: &str, destination: &Destination) -> String {
    format!("{table}_{destination}")
}

/// Table and destination of an id; none where the text is no such id.
fn parts(id: &str) -> Option<(&str, Destination)> {
    let (table, destination) = id.split_once('_')?;
    table.starts_with("rtb-").then(|| (table, Destination::of(destination)))
}

fn missing(argument: &str) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, format!("the route has no {argument}"))
}

fn place(given: Given<'_>) -> Result<(String, Destination), ProviderError> {
    let destination = routes::destination(given, DESTINATIONS);
    let destination = destination.ok_or_else(|| missing("destination"))?;
    Ok((given.needed("route_table_id")?, destination))
}

fn seen(table: &str, told: &Told) -> Option<Seen> {
    let destination = routes::told_destination(told)?;
    let mut attributes = routes::target_values(routes::told_target(told).as_ref());
    attributes.extend(destination.values(DESTINATIONS));
    attributes.extend([
        ("route_table_id", table.into()),
        ("instance_id", text(told.instance_id())),
        ("instance_owner_id", text(told.instance_owner_id())),
        ("origin", text(told.origin().map(RouteOrigin::as_str))),
        ("state", text(told.state().map(RouteState::as_str))),
    ]);
    Some(Seen::ready(id(table, &destination), attributes))
}

async fn by_ids(session: &Session, ids: &[String]) -> Result<Vec<Seen>, ProviderError> {
    let tables: BTreeSet<&str> = ids.iter().filter_map(|id| Some(parts(id)?.0)).collect();
    let tables: Vec<String> = tables.into_iter().map(str::to_owned).collect();
    let asked: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    // By filter: a table that is not there must not fail the call for the others.
    for some in tables.chunks(FILTER_VALUES) {
        for table in routes::tables(session, &by_filter("route-table-id", some)).await? {
            let name = table.route_table_id().unwrap_or_default();
            let all = table.routes().iter().filter_map(|told| seen(name, told));
            found.extend(all.filter(|seen| asked.contains(seen.id.as_str())));
        }
    }
    Ok(found)
}

#[async_trait]
impl Kind for Route {
    fn name(&self) -> &'static str {
        "aws_route"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        routes::problems(given, DESTINATIONS)
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        match query {
            Query::Ids(ids) => by_ids(session, ids).await,
            Query::Alike(arguments) => {
                let given = Given(arguments);
                let (table, destination) = place(given)?;
                let mut found = by_ids(session, &[id(&table, &destination)]).await?;
                found.retain(|seen| is_through(seen, given));
                Ok(found)
            }
            // Routes carry no tags.
            Query::Marked { .. } | Query::Owned(_) | Query::Filters(_) => Ok(Vec::new()),
        }
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let (table, destination) = place(given)?;
        let id = id(&table, &destination);
        let target = routes::target(given).ok_or_else(|| missing("target"))?;
        match routes::add(session, &table, &destination, &target).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                let there = by_ids(session, std::slice::from_ref(&id)).await?;
                if there.iter().any(|seen| is_through(seen, given)) {
                    return Ok(id);
                }
                Err(error.with_hint(
                    "the table has a route to there already: import it, or take it out of the table's blocks",
                ))
            }
            other => other.map(|()| id),
        }
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let given = Given(&request.arguments);
        let (table, destination) = place(given)?;
        let target = routes::target(given).ok_or_else(|| missing("target"))?;
        routes::redirect(session, &table, &destination, &target).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let Some((table, destination)) = parts(&request.id) else { return Ok(()) };
        routes::remove(session, table, &destination).await
    }
}

/// Whether a route has the target that the arguments say.
fn is_through(seen: &Seen, given: Given<'_>) -> bool {
    let wanted: BTreeMap<_, _> = routes::target_values(routes::target(given).as_ref());
    wanted
        .iter()
        .all(|(name, value)| seen.attributes.get(name).is_some_and(|told| told.same_content(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_table_and_destination() {
        for text in ["rtb-1_0.0.0.0/0", "rtb-1_::/0", "rtb-1_pl-12"] {
            let (table, destination) = parts(text).unwrap();
            assert_eq!(table, "rtb-1");
            assert_eq!(id(table, &destination), text);
        }
        assert_eq!(parts("nowhere"), None);
        assert_eq!(parts("igw-1_::/0"), None);
    }
}
