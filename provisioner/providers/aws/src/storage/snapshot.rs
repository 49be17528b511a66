//! `aws_ebs_snapshot`, and what a description of any snapshot says.
//!
//! Moving a snapshot to the archive or back takes hours to days. It is not waited for: the tier that a snapshot is on its
//! way to is told as its tier.

use super::partition;
use crate::arguments::{Given, filled, flag, number, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, slow, tags_of};
use crate::query::{Query, filter};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    ResourceType, SnapshotState, StorageTier, TargetStorageTier, TieringOperationStatus,
};
use model::schema::{Adoption, Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Snapshot;

const TIER: &str = "storage_tier";
const STANDARD: &str = "standard";
const ARCHIVE: &str = "archive";
/// Snapshots a page at most.
const PAGE: i32 = 1_000;

/// Minutes until a snapshot, or an image of several, is whole.
pub(super) const MINUTES: u64 = 60;

/// How a snapshot is found again. Copying what is on a volume takes its time.
pub(super) fn adoption() -> Adoption {
    slow(by_tags(), MINUTES)
}

/// How long to wait before the first look whether a snapshot is whole.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What every snapshot has.
pub(super) fn told() -> [(&'static str, Attribute); 6] {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    [
        ("arn", computed("Its Amazon resource name.")),
        ("owner_id", computed("The account that it belongs to.")),
        ("owner_alias", computed("The owner's alias, such as amazon.")),
        ("data_encryption_key_id", computed("The id of the data key that encrypts it.")),
        ("start_time", computed("When it was begun, as RFC 3339 has it.")),
        (
            "volume_size",
            Attribute::computed(Type::Number, "The size of the volume that it is of, in GiB."),
        ),
    ]
}

/// A tier as an argument.
pub(super) fn tier() -> Attribute {
    Attribute::optional_computed(
        Type::String,
        "`standard`, or `archive`: cheaper, and back within three days.",
    )
}

pub(super) fn tier_problem(given: Given<'_>) -> Option<(&'static str, String)> {
    let tier = given.text(TIER).filter(|tier| ![STANDARD, ARCHIVE].contains(&tier.as_str()))?;
    Some((TIER, format!("`{tier}` is neither `{STANDARD}` nor `{ARCHIVE}`")))
}

/// Whose snapshots are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose {
    pub(super) owners: Option<Vec<String>>,
    pub(super) restorable_by: Option<Vec<String>>,
}

impl Whose {
    /// The account's own.
    pub(super) fn own() -> Self {
        Self { owners: Some(vec!["self".to_owned()]), restorable_by: None }
    }
}

/// Snapshots as a query and their owners select them, all pages.
pub(super) async fn described(
    session: &Session,
    query: &Query,
    whose: &Whose,
) -> Result<Vec<aws_sdk_ec2::types::Snapshot>, ProviderError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let ids = query.ids();
        let page_size = ids.is_none().then_some(PAGE);
        let asking = session
            .ec2()
            .await?
            .describe_snapshots()
            .set_snapshot_ids(ids)
            .set_filters(query.filters())
            .set_owner_ids(whose.owners.clone())
            .set_restorable_by_user_ids(whose.restorable_by.clone())
            .set_max_results(page_size)
            .set_next_token(next.take());
        let page = session.call("DescribeSnapshots", asking.send()).await?;
        all.extend(page.snapshots.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// What a query finds among the account's snapshots.
pub(super) async fn describe(session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
    let whose = if query.ids().is_some() { Whose::default() } else { Whose::own() };
    let all = described(session, query, &whose).await?;
    let region = session.region().await?;
    Ok(all.iter().map(|snapshot| seen(session, region, snapshot)).collect())
}

/// What a description says of one.
pub(super) fn seen(
    session: &Session,
    region: &str,
    snapshot: &aws_sdk_ec2::types::Snapshot,
) -> Seen {
    let id = snapshot.snapshot_id().unwrap_or_default();
    let tier = snapshot.storage_tier().map_or(STANDARD, StorageTier::as_str);
    let attributes = BTreeMap::from([
        ("volume_id", text(snapshot.volume_id())),
        ("description", filled(snapshot.description())),
        (TIER, tier.into()),
        ("encrypted", flag(Some(snapshot.encrypted().unwrap_or_default()))),
        ("kms_key_id", filled(snapshot.kms_key_id())),
        ("arn", format!("arn:{}:ec2:{region}::snapshot/{id}", partition(region)).into()),
        ("owner_id", text(snapshot.owner_id())),
        ("owner_alias", filled(snapshot.owner_alias())),
        ("data_encryption_key_id", filled(snapshot.data_encryption_key_id())),
        ("start_time", text(snapshot.start_time().map(ToString::to_string).as_deref())),
        ("volume_size", number(snapshot.volume_size())),
    ]);
    let phase = match snapshot.state() {
        Some(SnapshotState::Pending | SnapshotState::Recovering) => Phase::Pending,
        Some(SnapshotState::Error) => {
            let why = snapshot.state_message().unwrap_or("AWS does not say why");
            Phase::Failed(format!("it is no good: {why}"))
        }
        _ => Phase::Ready,
    };
    let tags = tagging::read(snapshot.tags.as_deref());
    Seen::ready(id.to_owned(), attributes).tagged(session, tags).in_phase(phase)
}

/// Where the tier is not as recorded: whether the snapshot is on its way there.
pub(super) async fn complete(
    session: &Session,
    seen: &mut Seen,
    recorded: Given<'_>,
) -> Result<(), ProviderError> {
    let Some(wanted) = recorded.text(TIER) else { return Ok(()) };
    if seen.attributes.get(TIER).and_then(Value::as_str) == Some(wanted.as_str()) {
        return Ok(());
    }
    let call = session
        .ec2()
        .await?
        .describe_snapshot_tier_status()
        .filters(filter("snapshot-id", [seen.id.as_str()]));
    let answer = session.call("DescribeSnapshotTierStatus", call.send()).await?;
    let status = answer.snapshot_tier_statuses().first();
    let going_to = match status.and_then(|status| status.last_tiering_operation_status()) {
        Some(TieringOperationStatus::ArchivalInProgress) => ARCHIVE,
        Some(TieringOperationStatus::PermanentRestoreInProgress) => STANDARD,
        _ => return Ok(()),
    };
    seen.attributes.insert(TIER, going_to.into());
    Ok(())
}

/// Sends a snapshot to a tier.
pub(super) async fn send_to(session: &Session, id: &str, tier: &str) -> Result<(), ProviderError> {
    let ec2 = session.ec2().await?;
    if tier == ARCHIVE {
        let call =
            ec2.modify_snapshot_tier().snapshot_id(id).storage_tier(TargetStorageTier::Archive);
        session.call("ModifySnapshotTier", call.send()).await.map(drop)
    } else {
        let call = ec2.restore_snapshot_tier().snapshot_id(id).permanent_restore(true);
        session.call("RestoreSnapshotTier", call.send()).await.map(drop)
    }
}

/// Brings a snapshot to its arguments.
pub(super) async fn update(
    session: &Session,
    request: &UpdateRequest,
) -> Result<(), ProviderError> {
    let given = Given(&request.arguments);
    let tier = given.text(TIER).filter(|_| given.differs(Given(&request.prior), TIER));
    if let Some(tier) = tier {
        match send_to(session, &request.id, &tier).await {
            // An update that was sent before has begun it.
            Err(error) if is_on_its_way(&error) => {}
            answer => answer?,
        }
    }
    tagging::update(session, request).await
}

fn is_on_its_way(error: &ProviderError) -> bool {
    error.class == ErrorClass::Conflict && error.message.contains("IncorrectState")
}

/// Deletes a snapshot.
pub(super) async fn delete(session: &Session, id: &str) -> Result<(), ProviderError> {
    let call = session.ec2().await?.delete_snapshot().snapshot_id(id);
    session.call("DeleteSnapshot", call.send()).await.map(drop).map_err(|error| {
        let is_used = error.message.contains("InvalidSnapshot.InUse");
        if !is_used {
            return error;
        }
        error.with_hint("an image is made of it: deregister that first")
    })
}

#[async_trait]
impl Kind for Snapshot {
    fn name(&self) -> &'static str {
        "aws_ebs_snapshot"
    }

    fn schema(&self) -> ResourceSchema {
        let computed = |description: &str| Attribute::computed(Type::String, description);
        let mut schema = resource(
            "A snapshot of a volume: what was on it when the snapshot was begun.",
            adoption(),
            told(),
        );
        let own = [
            ("volume_id", Attribute::required(Type::String, "The volume.").forces_replacement()),
            (
                "description",
                Attribute::optional(Type::String, "What it is for.").forces_replacement(),
            ),
            (TIER, tier()),
            ("encrypted", Attribute::computed(Type::Bool, "Whether it is encrypted.")),
            (
                "kms_key_id",
                computed("The Amazon resource name of the key that it is encrypted with."),
            ),
        ];
        schema.attributes.extend(own.map(|(name, it)| (name.to_owned(), it)));
        schema
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Snapshot)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        tier_problem(given).into_iter().chain(description_problem(given)).collect()
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        describe(session, query).await
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        complete(session, seen, recorded).await
    }

    fn look_again(&self) -> Duration {
        LOOK_AGAIN
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("snapshot-id")
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Snapshot, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .create_snapshot()
            .volume_id(given.needed("volume_id")?)
            .set_description(given.text("description"))
            .tag_specifications(tags);
        let made = session.call("CreateSnapshot", call.send()).await?;
        made.snapshot_id.ok_or_else(|| no_id("CreateSnapshot"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        delete(session, &request.id).await
    }
}

/// AWS does not tell an empty text from none.
pub(super) fn description_problem(given: Given<'_>) -> Option<(&'static str, String)> {
    let description = given.text("description")?;
    let problem = match description.chars().count() {
        0 => "it is empty: leave it out".to_owned(),
        256.. => "it has more than 255 characters".to_owned(),
        _ => return None,
    };
    Some(("description", problem))
}
