//! `aws_route_table`.
//!
//! Its `route` blocks are looked at only where the configuration has some: a table without them may have routes that are
//! resources of their own.

use crate::arguments::{Given, text, text_set};
use crate::client::Session;
use crate::configuration::object;
use crate::kind::{Kind, Seen, by_token, no_id, resource, tags_of};
use crate::network::routes::{self, BLOCK_DESTINATIONS, Destination, TARGETS, Target};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, RouteTable as Told};
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct RouteTable;

const ROUTE: &str = "route";
const GATEWAYS: &str = "propagating_vgws";

/// Routes by destination.
type Routes = BTreeMap<Destination, Target>;

fn block_type() -> Type {
    let mut fields: [_; BLOCK_DESTINATIONS.len() + TARGETS.len()] =
        std::array::from_fn(|_| ("", Type::String, false));
    let names = BLOCK_DESTINATIONS.iter().chain(&TARGETS);
    for (field, name) in fields.iter_mut().zip(names) {
        field.0 = name;
    }
    object(fields)
}

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    resource(
        "A table that says where packets go.",
        by_token(),
        [
            ("vpc_id", Attribute::required(Type::String, "The network.").forces_replacement()),
            (
                ROUTE,
                Attribute::optional_computed(
                    Type::set(block_type()),
                    "All its routes, for a table that has no `aws_route`.",
                )
                .as_blocks(0, None),
            ),
            (
                GATEWAYS,
                Attribute::optional_computed(
                    Type::set(Type::String),
                    "The virtual private gateways whose routes come to it.",
                ),
            ),
            ("arn", computed("Its Amazon resource name.")),
            ("owner_id", computed("The account that it belongs to.")),
        ],
    )
}

/// The routes that blocks ask for; none where there are no blocks and none are asked to be none.
fn asked(given: Given<'_>) -> Result<Option<Routes>, ProviderError> {
    if given.0.get(ROUTE).is_none_or(|value| value.is_null()) {
        return Ok(None);
    }
    let route = |block: &Value| {
        let block = Given(block);
        let destination = routes::destination(block, BLOCK_DESTINATIONS);
        destination.zip(routes::target(block)).ok_or_else(|| {
            let message = "a `route` needs a destination and a target";
            ProviderError::new(ErrorClass::Invalid, message)
        })
    };
    given.blocks(ROUTE).iter().map(route).collect::<Result<_, _>>().map(Some)
}

fn told_routes(told: &Told) -> Routes {
    let asked_for = told.routes().iter().filter(|route| routes::is_asked_for(route));
    asked_for
        .filter_map(|route| Some((routes::told_destination(route)?, routes::told_target(route)?)))
        .collect()
}

fn blocks(all: &Routes) -> Value {
    let block = |(destination, target): (&Destination, &Target)| {
        let mut fields = routes::target_values(Some(target));
        fields.extend(destination.values(BLOCK_DESTINATIONS));
        Value::object(fields)
    };
    Value::set(block_type(), all.iter().map(block))
}

#[async_trait]
impl Kind for RouteTable {
    fn name(&self) -> &'static str {
        "aws_route_table"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::RouteTable)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let blocks = given.blocks(ROUTE);
        let mut problems: Vec<_> = blocks
            .iter()
            .flat_map(|block| routes::problems(Given(block), BLOCK_DESTINATIONS))
            .map(|(field, problem)| (ROUTE, format!("`{field}`: {problem}")))
            .collect();
        let mut seen = BTreeSet::new();
        for block in &blocks {
            let Some(to) = routes::destination(Given(block), BLOCK_DESTINATIONS) else { continue };
            let problem = format!("two blocks have the destination {to}");
            if !seen.insert(to) {
                problems.push((ROUTE, problem));
            }
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = routes::tables(session, query).await?;
        let region = session.region().await?;
        let seen = all.into_iter().map(|table| {
            let id = table.route_table_id().unwrap_or_default().to_owned();
            let owner = table.owner_id().unwrap_or_default();
            let gateways = table.propagating_vgws().iter().filter_map(|it| it.gateway_id());
            let attributes = BTreeMap::from([
                ("vpc_id", text(table.vpc_id())),
                (ROUTE, blocks(&told_routes(&table))),
                (GATEWAYS, text_set(gateways)),
                ("arn", format!("arn:aws:ec2:{region}:{owner}:route-table/{id}").into()),
                ("owner_id", owner.into()),
            ]);
            Seen::ready(id, attributes).tagged(session, tagging::read(table.tags.as_deref()))
        });
        Ok(seen.collect())
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        let known = |name: &str| recorded.0.get(name);
        let Some(blocks) = known(ROUTE) else {
            // Nothing is known of it: no routes are as good as no blocks.
            let is_empty = |value: &Value| value.as_items().is_none_or(<[Value]>::is_empty);
            seen.attributes.retain(|name, value| *name != ROUTE || !is_empty(value));
            return Ok(());
        };
        if blocks.is_null() {
            seen.attributes.remove(ROUTE);
        } else if let Some(now) = seen.attributes.get(ROUTE) {
            // The same routes in other words (an empty text, a null) are the same.
            let now = asked(Given(&Value::object([(ROUTE, now.clone())])))?;
            if asked(recorded).ok() == Some(now) {
                seen.attributes.insert(ROUTE, blocks);
            }
        }
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let wanted = asked(given)?;
        let tags = tagging::specification(ResourceType::RouteTable, &tags_of(session, request));
        let token = request.batch.as_ref().map_or(&request.token, |batch| &batch.token);
        let call = session
            .ec2()
            .await?
            .create_route_table()
            .client_token(token)
            .vpc_id(given.needed("vpc_id")?)
            .tag_specifications(tags);
        let made = session.call("CreateRouteTable", call.send()).await?;
        let table = made.route_table.ok_or_else(|| no_id("CreateRouteTable"))?;
        let id = table.route_table_id.clone().ok_or_else(|| no_id("CreateRouteTable"))?;
        if let Some(wanted) = wanted {
            // Asked a second time, the answer shows what the first time has left.
            reconcile(session, &id, &told_routes(&table), &wanted)
                .await
                .map_err(ProviderError::maybe_done)?;
        }
        propagate(session, &id, &BTreeSet::new(), &gateways(given))
            .await
            .map_err(ProviderError::maybe_done)?;
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, prior) = (Given(&request.arguments), Given(&request.prior));
        if let Some(wanted) = asked(given)?.filter(|_| given.differs(prior, ROUTE)) {
            let query = Query::Ids(vec![request.id.clone()]);
            for table in routes::tables(session, &query).await? {
                reconcile(session, &request.id, &told_routes(&table), &wanted).await?;
            }
        }
        if given.differs(prior, GATEWAYS) {
            propagate(session, &request.id, &gateways(prior), &gateways(given)).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_route_table().route_table_id(&request.id);
        session.call("DeleteRouteTable", call.send()).await.map(drop)
    }
}

/// Brings the routes of a table from what they are to what is asked for.
async fn reconcile(
    session: &Session,
    table: &str,
    now: &Routes,
    wanted: &Routes,
) -> Result<(), ProviderError> {
    for (destination, target) in wanted {
        match now.get(destination) {
            Some(same) if same == target => {}
            Some(_) => routes::redirect(session, table, destination, target).await?,
            None => match routes::add(session, table, destination, target).await {
                // It is there and did not show yet.
                Err(error) if error.class == ErrorClass::Conflict => {
                    routes::redirect(session, table, destination, target).await?;
                }
                added => added?,
            },
        }
    }
    for destination in now.keys().filter(|destination| !wanted.contains_key(destination)) {
        match routes::remove(session, table, destination).await {
            Err(error) if error.class != ErrorClass::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn gateways(given: Given<'_>) -> BTreeSet<String> {
    given.texts(GATEWAYS).unwrap_or_default().into_iter().collect()
}

/// Lets the routes of gateways come to a table, and those of others no more. Doing it twice is as good as once.
async fn propagate(
    session: &Session,
    table: &str,
    now: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    for gateway in wanted.difference(now) {
        let call = session
            .ec2()
            .await?
            .enable_vgw_route_propagation()
            .route_table_id(table)
            .gateway_id(gateway);
        session.call("EnableVgwRoutePropagation", call.send()).await?;
    }
    for gateway in now.difference(wanted) {
        let call = session
            .ec2()
            .await?
            .disable_vgw_route_propagation()
            .route_table_id(table)
            .gateway_id(gateway);
        session.call("DisableVgwRoutePropagation", call.send()).await?;
    }
    Ok(())
}
