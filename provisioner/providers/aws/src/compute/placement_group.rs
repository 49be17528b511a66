//! `aws_placement_group`: it goes by its name, which is unique in a region; its tags go by another id.

use crate::arguments::{Given, number, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, resource, tags_of};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{PlacementGroupState, PlacementStrategy, ResourceType, SpreadLevel};
use model::Type;
use model::schema::{Adoption, Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct PlacementGroup;

#[async_trait]
impl Kind for PlacementGroup {
    fn name(&self) -> &'static str {
        "aws_placement_group"
    }

    fn schema(&self) -> ResourceSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        resource(
            "A group of machines that are near each other, or far from each other.",
            Adoption { unique_name: true, ..by_tags() },
            [
                (
                    "name",
                    Attribute::required(Type::String, "Its name, unique in the region.")
                        .forces_replacement(),
                ),
                (
                    "strategy",
                    Attribute::required(
                        Type::String,
                        "`cluster` for near, `spread` for far, `partition` for groups that share nothing.",
                    )
                    .forces_replacement(),
                ),
                (
                    "partition_count",
                    Attribute::optional_computed(Type::Number, "Its partitions, from 1 to 7.")
                        .forces_replacement(),
                ),
                (
                    "spread_level",
                    Attribute::optional_computed(
                        Type::String,
                        "What its machines do not share: `rack`, or `host` on an outpost.",
                    )
                    .forces_replacement(),
                ),
                ("placement_group_id", computed("Its id, as its tags know it.")),
                ("arn", computed("Its Amazon resource name.")),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::PlacementGroup)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let strategy = given.text("strategy");
        let is_other = |wanted: &str| strategy.as_deref().is_some_and(|it| it != wanted);
        problems.extend(given.word("strategy", &["cluster", "partition", "spread"]));
        problems.extend(given.word("spread_level", &["host", "rack"]));
        if let Some(count) = given.number("partition_count").filter(|it| !(1..=7).contains(it)) {
            problems.push(("partition_count", format!("it is {count}; it is from 1 to 7")));
        }
        for (argument, wanted) in [("partition_count", "partition"), ("spread_level", "spread")] {
            if !given.is_left_out(argument) && is_other(wanted) {
                let problem = format!("it can be given for the strategy `{wanted}` only");
                problems.push((argument, problem));
            }
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        // This description has no pages.
        let call = session
            .ec2()
            .await?
            .describe_placement_groups()
            .set_group_names(query.ids())
            .set_filters(query.filters());
        let answer = session.call("DescribePlacementGroups", call.send()).await?;
        let seen = answer.placement_groups.unwrap_or_default().into_iter().map(|group| {
            let name = group.group_name().unwrap_or_default().to_owned();
            let mut attributes = BTreeMap::from([
                ("name", text(group.group_name())),
                ("strategy", text(group.strategy().map(PlacementStrategy::as_str))),
                ("placement_group_id", text(group.group_id())),
                ("spread_level", text(group.spread_level().map(SpreadLevel::as_str))),
                ("arn", text(group.group_arn())),
            ]);
            let count = group.partition_count().filter(|count| *count > 0);
            attributes.insert("partition_count", number(count));
            let phase = match group.state() {
                Some(PlacementGroupState::Pending) => Phase::Pending,
                Some(PlacementGroupState::Deleting) => Phase::Going,
                Some(PlacementGroupState::Deleted) => Phase::Gone,
                _ => Phase::Ready,
            };
            let tags = tagging::read(group.tags.as_deref());
            Seen::ready(name, attributes).tagged(session, tags).in_phase(phase)
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let name = given.needed("name")?;
        let tags = tagging::specification(ResourceType::PlacementGroup, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .create_placement_group()
            .group_name(&name)
            .strategy(PlacementStrategy::from(given.needed("strategy")?.as_str()))
            .set_partition_count(given.number("partition_count"))
            .set_spread_level(given.text("spread_level").as_deref().map(SpreadLevel::from))
            .tag_specifications(tags);
        session.call("CreatePlacementGroup", call.send()).await?;
        Ok(name)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let id = Given(&request.prior).text("placement_group_id").ok_or_else(|| {
            let message = format!("the id of the placement group `{}` is not recorded", request.id);
            ProviderError::new(ErrorClass::Invalid, message)
                .with_hint("refresh the state; then apply again")
        })?;
        tagging::update(session, &UpdateRequest { id, ..request.clone() }).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_placement_group().group_name(&request.id);
        session.call("DeletePlacementGroup", call.send()).await.map(drop)
    }
}
