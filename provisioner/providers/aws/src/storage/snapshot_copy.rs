//! `aws_ebs_snapshot_copy`: a snapshot made of another, also of one in another region. What it was made of is recorded,
//! AWS does not tell it.

use super::snapshot::{self, LOOK_AGAIN};
use super::{key_problem, presigned};
use crate::arguments::Given;
use crate::client::Session;
use crate::kind::{Kind, Seen, no_id, resource, tags_of};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ProviderError, UpdateRequest};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct SnapshotCopy;

#[async_trait]
impl Kind for SnapshotCopy {
    fn name(&self) -> &'static str {
        "aws_ebs_snapshot_copy"
    }

    fn schema(&self) -> ResourceSchema {
        let mut schema = resource(
            "A copy of a snapshot, made in the provider's region.",
            snapshot::adoption(),
            snapshot::told(),
        );
        let own = [
            (
                "source_snapshot_id",
                Attribute::required(Type::String, "The snapshot that it is a copy of.")
                    .forces_replacement(),
            ),
            (
                "source_region",
                Attribute::required(Type::String, "The region of the snapshot that is copied.")
                    .forces_replacement(),
            ),
            (
                "description",
                Attribute::optional_computed(Type::String, "What it is for.").forces_replacement(),
            ),
            (
                "encrypted",
                Attribute::optional_computed(
                    Type::Bool,
                    "Whether it is encrypted; a copy of an encrypted snapshot always is.",
                )
                .forces_replacement(),
            ),
            (
                "kms_key_id",
                Attribute::optional_computed(
                    Type::String,
                    "The Amazon resource name of the key that it is encrypted with; otherwise the account's own for volumes.",
                )
                .forces_replacement(),
            ),
            ("storage_tier", snapshot::tier()),
            (
                "volume_id",
                Attribute::computed(Type::String, "AWS gives copies an id here that is no volume's."),
            ),
        ];
        schema.attributes.extend(own.map(|(name, it)| (name.to_owned(), it)));
        schema
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Snapshot)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = snapshot::tier_problem(given)
            .into_iter()
            .chain(snapshot::description_problem(given))
            .collect();
        if let Some(key) = given.text("kms_key_id") {
            problems.extend(key_problem(&key).map(|problem| ("kms_key_id", problem)));
            if given.flag("encrypted") == Some(false) {
                problems.push(("encrypted", "a copy with `kms_key_id` is encrypted".to_owned()));
            }
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        snapshot::describe(session, query).await
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        snapshot::complete(session, seen, recorded).await
    }

    fn look_again(&self) -> Duration {
        LOOK_AGAIN
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Snapshot, &tags_of(session, request));
        let key = given.text("kms_key_id");
        let (source, from) = (given.needed("source_snapshot_id")?, given.needed("source_region")?);
        let here = session.region().await?;
        let is_elsewhere = from != here;
        // Whether the snapshot is encrypted is for EC2 to know: the request is signed for all, as other SDKs do it.
        let signed =
            if is_elsewhere { Some(presigned::url(session, &source, &from).await?) } else { None };
        // A key alone is not enough for AWS.
        let encrypted = given.flag("encrypted").or(key.is_some().then_some(true));
        let call = session
            .ec2()
            .await?
            .copy_snapshot()
            .source_snapshot_id(source)
            .source_region(from)
            .set_presigned_url(signed)
            .set_destination_region(is_elsewhere.then(|| here.to_owned()))
            .set_description(given.text("description"))
            .set_encrypted(encrypted)
            .set_kms_key_id(key)
            .tag_specifications(tags);
        let made = session.call("CopySnapshot", call.send()).await?;
        made.snapshot_id.ok_or_else(|| no_id("CopySnapshot"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        snapshot::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        snapshot::delete(session, &request.id).await
    }
}
