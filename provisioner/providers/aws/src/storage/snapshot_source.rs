//! The data source `aws_ebs_snapshot`: the one snapshot that fits, or the most recent of them.

use super::snapshot::{self, Whose, described};
use crate::arguments::{Given, text};
use crate::client::Session;
use crate::configuration::object;
use crate::data::{Source, source};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::Snapshot as Found;
use model::schema::{Attribute, DataSchema};
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;

pub(crate) struct SnapshotSource;

/// Ids that an error names at most.
const NAMED: usize = 5;

fn filters(given: Given<'_>) -> Vec<(String, Vec<String>)> {
    let one = |block: &Value| {
        let block = Given(block);
        Some((block.text("name")?, block.texts("values").unwrap_or_default()))
    };
    given.blocks("filter").iter().filter_map(one).collect()
}

/// What is looked for; none if nothing says it.
fn query(given: Given<'_>) -> Option<(Query, Whose)> {
    let whose = Whose {
        owners: given.texts("owners").filter(|it| !it.is_empty()),
        restorable_by: given.texts("restorable_by_user_ids").filter(|it| !it.is_empty()),
    };
    let filters = filters(given);
    let ids = given.texts("snapshot_ids").filter(|it| !it.is_empty());
    let ids = ids.or_else(|| given.text("id").map(|id| vec![id]));
    match ids {
        // AWS takes ids and filters together, but no pages then.
        Some(ids) if filters.is_empty() => Some((Query::Ids(ids), whose)),
        Some(ids) => {
            let by_id = ("snapshot-id".to_owned(), ids);
            Some((Query::Filters(filters.into_iter().chain([by_id]).collect()), whose))
        }
        None if filters.is_empty() && whose.owners.is_none() && whose.restorable_by.is_none() => {
            None
        }
        None => Some((Query::Filters(filters), whose)),
    }
}

#[async_trait]
impl Source for SnapshotSource {
    fn name(&self) -> &'static str {
        "aws_ebs_snapshot"
    }

    fn schema(&self) -> DataSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        let texts = |description: &str| Attribute::optional(Type::list(Type::String), description);
        let filter =
            object([("name", Type::String, true), ("values", Type::set(Type::String), true)]);
        let mut schema = source(
            "A snapshot: the one that fits. Several are an error, unless `most_recent` is set.",
            [
                ("id", Attribute::optional_computed(Type::String, "Its id.")),
                (
                    "most_recent",
                    Attribute::optional(Type::Bool, "Take the most recent one if several fit."),
                ),
                ("owners", texts("Whose: account ids, `self` or `amazon`.")),
                ("restorable_by_user_ids", texts("Accounts that may make volumes of it.")),
                ("snapshot_ids", texts("Its id is one of these.")),
                (
                    "filter",
                    Attribute::optional(Type::set(filter), "Filters of DescribeSnapshots.")
                        .as_blocks(0, None),
                ),
                ("snapshot_id", computed("Its id.")),
                ("volume_id", computed("The volume that it is of.")),
                ("description", computed("What it is for.")),
                ("encrypted", Attribute::computed(Type::Bool, "Whether it is encrypted.")),
                ("kms_key_id", computed("The key that it is encrypted with.")),
                ("storage_tier", computed("`standard` or `archive`.")),
                ("state", computed("How far it is, such as completed.")),
                ("tags", Attribute::computed(Type::map(Type::String), "Its tags.")),
            ],
        );
        let told = snapshot::told().map(|(name, it)| (name.to_owned(), it));
        schema.attributes.extend(told);
        schema
    }

    async fn read(
        &self,
        session: &Session,
        given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError> {
        let (query, whose) = query(given).ok_or_else(|| {
            let message = "the data source `aws_ebs_snapshot` says nothing of the snapshot";
            ProviderError::new(ErrorClass::Invalid, message).with_hint(
                "give `id`, `snapshot_ids`, `owners`, `restorable_by_user_ids` or a `filter` block",
            )
        })?;
        let found = described(session, &query, &whose).await?;
        if found.len() > 1 && given.flag("most_recent") != Some(true) {
            return Err(several(&found));
        }
        let snapshot = newest(found).ok_or_else(|| {
            let message = "no snapshot is as the data source `aws_ebs_snapshot` says";
            ProviderError::new(ErrorClass::NotFound, message)
        })?;
        let region = session.region().await?;
        let seen = snapshot::seen(session, region, &snapshot);
        let mut attributes = seen.attributes;
        attributes.insert("snapshot_id", seen.id.as_str().into());
        attributes
            .insert("state", text(snapshot.state().map(aws_sdk_ec2::types::SnapshotState::as_str)));
        // All of them: default tags of this provider are no business of what it looks up.
        if let Some(tags) = attributes.remove("tags_all") {
            attributes.insert("tags", tags);
        }
        Ok(attributes)
    }
}

fn newest(found: Vec<Found>) -> Option<Found> {
    let begun = |one: &Found| one.start_time().map(|time| (time.secs(), time.subsec_nanos()));
    found.into_iter().max_by_key(begun)
}

fn several(found: &[Found]) -> ProviderError {
    let mut ids: Vec<&str> = found.iter().filter_map(|one| one.snapshot_id()).collect();
    let more = ids.len().saturating_sub(NAMED);
    ids.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "several snapshots are as the data source `aws_ebs_snapshot` says: {}{rest}",
        ids.join(", ")
    );
    ProviderError::new(ErrorClass::Invalid, message)
        .with_hint("say more of it with `filter` blocks, or set `most_recent = true`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;

    #[test]
    fn the_newest_is_the_one_begun_last() {
        let of = |id: &str, secs| {
            Found::builder().snapshot_id(id).start_time(DateTime::from_secs(secs)).build()
        };
        let found = newest(vec![of("snap-1", 10), of("snap-3", 30), of("snap-2", 20)]);
        assert_eq!(found.and_then(|it| it.snapshot_id), Some("snap-3".to_owned()));
        assert!(newest(Vec::new()).is_none());
    }
}
