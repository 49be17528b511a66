//! Tags in the SDK's shapes, and their changes in place.

use crate::arguments::Given;
use crate::client::Session;
use crate::marker::Tags;
use crate::query::filter;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use provider::{ProviderError, UpdateRequest};

/// Tags that an object of a type gets when it is made.
pub(crate) fn specification(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(list(tags))).build()
}

/// Tags in the SDK's shape.
pub(crate) fn list(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Tags as a description tells them.
pub(crate) fn read(tags: Option<&[Tag]>) -> Tags {
    let one = |tag: &Tag| {
        (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned())
    };
    tags.unwrap_or_default().iter().map(one).collect()
}

/// Brings an object's tags from those recorded to those asked for; the marker stays.
pub(crate) async fn update(
    session: &Session,
    request: &UpdateRequest,
) -> Result<(), ProviderError> {
    update_at(session, request, &request.id).await
}

/// The same for an object whose tags hang on another id than its own.
pub(crate) async fn update_at(
    session: &Session,
    request: &UpdateRequest,
    id: &str,
) -> Result<(), ProviderError> {
    let wanted = |value| {
        let mut tags = session.configuration.default_tags.clone();
        tags.extend(Given(value).map("tags").unwrap_or_default());
        tags
    };
    let now: Tags = wanted(&request.arguments);
    let before: Tags =
        Given(&request.prior).map("tags_all").unwrap_or_else(|| wanted(&request.prior));
    bring(session, vec![id.to_owned()], &before, &now).await
}

/// Brings the tags of objects from those to these.
pub(crate) async fn bring(
    session: &Session,
    ids: Vec<String>,
    before: &Tags,
    now: &Tags,
) -> Result<(), ProviderError> {
    let set: Tags = now
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let dropped: Vec<Tag> = before
        .keys()
        .filter(|key| !now.contains_key(*key))
        .map(|key| Tag::builder().key(key).build())
        .collect();
    let ec2 = session.ec2().await?;
    if !set.is_empty() {
        let call = ec2.create_tags().set_resources(Some(ids.clone())).set_tags(Some(list(&set)));
        session.call("CreateTags", call.send()).await?;
    }
    if !dropped.is_empty() {
        let call = ec2.delete_tags().set_resources(Some(ids)).set_tags(Some(dropped));
        session.call("DeleteTags", call.send()).await?;
    }
    Ok(())
}

/// Ids of the objects with that tag, by their types: of these types only, where some are given.
pub(crate) async fn ids_with(
    session: &Session,
    key: &str,
    value: &str,
    types: Option<Vec<ResourceType>>,
) -> Result<Vec<(ResourceType, Vec<String>)>, ProviderError> {
    let wanted = types.map(|types| filter("resource-type", types.iter().map(ResourceType::as_str)));
    let filters: Vec<_> =
        [filter("key", [key]), filter("value", [value])].into_iter().chain(wanted).collect();
    let mut types: Vec<(ResourceType, Vec<String>)> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let asking = session
            .ec2()
            .await?
            .describe_tags()
            .set_filters(Some(filters.clone()))
            .max_results(1_000)
            .set_next_token(next.take());
        let page = session.call("DescribeTags", asking.send()).await?;
        for tag in page.tags.unwrap_or_default() {
            let (Some(ty), Some(id)) = (tag.resource_type, tag.resource_id) else { continue };
            match types.iter_mut().find(|(known, _)| *known == ty) {
                Some((_, ids)) => ids.push(id),
                None => types.push((ty, vec![id])),
            }
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(types);
        }
    }
}
