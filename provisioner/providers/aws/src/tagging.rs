//! Tags in the SDK's shapes, and their changes in place.

use crate::arguments::Given;
use crate::client::Session;
use crate::marker::Tags;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use provider::{ProviderError, UpdateRequest};

/// Tags that an object of a type gets when it is made.
pub(crate) fn specification(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(list(tags))).build()
}

fn list(tags: &Tags) -> Vec<Tag> {
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
    let wanted = |value| {
        let mut tags = session.configuration.default_tags.clone();
        tags.extend(Given(value).map("tags").unwrap_or_default());
        tags
    };
    let now: Tags = wanted(&request.arguments);
    let before: Tags =
        Given(&request.prior).map("tags_all").unwrap_or_else(|| wanted(&request.prior));
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
    if !set.is_empty() {
        let call =
            session.ec2().await?.create_tags().resources(&request.id).set_tags(Some(list(&set)));
        session.call("CreateTags", call.send()).await?;
    }
    if !dropped.is_empty() {
        let call =
            session.ec2().await?.delete_tags().resources(&request.id).set_tags(Some(dropped));
        session.call("DeleteTags", call.send()).await?;
    }
    Ok(())
}
