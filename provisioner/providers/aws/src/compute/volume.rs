//! `aws_ebs_volume`.

use crate::arguments::{Given, filled, flag, number, text};
use crate::client::Session;
use crate::compute::{disk, wait};
use crate::kind::{
    Kind, Phase, Seen, WAITED_FOR_TOGETHER, by_token, no_id, resource, slow, tags_of,
};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, VolumeAttachmentState, VolumeState, VolumeType};
use model::schema::{Attribute, Capture, ResourceSchema};
use model::{Number, Type, Value};
use provider::{CreateRequest, DeleteRequest, Progress, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Volume;

pub(super) const NAME: &str = "aws_ebs_volume";
/// Whether several machines can have it at once.
pub(super) const SHARED: &str = "multi_attach_enabled";
/// Kept beside the attributes, which have no such name: what machines it is at.
const ATTACHMENTS: &str = "attachments";
/// Minutes that it may take until a change shows.
const CHANGE_MINUTES: u64 = 20;

fn schema() -> ResourceSchema {
    let chosen = |ty, description: &str| Attribute::optional_computed(ty, description);
    let schema = resource(
        "A disk that outlives machines.",
        slow(by_token(), CHANGE_MINUTES),
        [
            (
                "availability_zone",
                Attribute::required(Type::String, "Its zone; only machines there can have it.")
                    .forces_replacement(),
            ),
            ("size", chosen(Type::Number, "Its size in GiB; it can only grow.")),
            (
                "type",
                chosen(
                    Type::String,
                    "Its type: `gp3`, `gp2`, `io2`, `io1`, `st1`, `sc1` or `standard`.",
                ),
            ),
            ("iops", chosen(Type::Number, "Operations a second, for gp3, io1 and io2.")),
            ("throughput", chosen(Type::Number, "MiB a second, for gp3.")),
            (
                "snapshot_id",
                chosen(Type::String, "The snapshot that it is made from.").forces_replacement(),
            ),
            (
                "encrypted",
                chosen(Type::Bool, "Whether it is encrypted; otherwise as the account says.")
                    .forces_replacement(),
            ),
            (
                "kms_key_id",
                chosen(Type::String, "The Amazon resource name of the key that encrypts it.")
                    .forces_replacement(),
            ),
            (
                SHARED,
                Attribute::optional(
                    Type::Bool,
                    "Whether several machines can have an io2 or io1 at once.",
                )
                .with_default(false.into())
                .forces_replacement(),
            ),
            ("arn", Attribute::computed(Type::String, "Its Amazon resource name.")),
            ("create_time", Attribute::computed(Type::String, "When it was made.")),
        ],
    );
    ResourceSchema {
        deleted_together: Some(WAITED_FOR_TOGETHER),
        captured_by: Some(Capture::by("aws_ebs_snapshot", "volume_id").restored_by("snapshot_id")),
        ..schema
    }
}

#[async_trait]
impl Kind for Volume {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Volume)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if given.is_left_out("size") && given.is_left_out("snapshot_id") {
            problems
                .push(("size", "give it, or the `snapshot_id` of one to make it from".to_owned()));
        }
        problems.extend(given.word("type", &disk::TYPES));
        problems.extend(disk::measures(given, "size", "type").into_iter().map(|it| ("size", it)));
        if given.flag("encrypted") == Some(false) && !given.is_left_out("kms_key_id") {
            let problem = "a disk with a key is encrypted: set `encrypted = true`";
            problems.push(("kms_key_id", problem.to_owned()));
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all =
            pages!(session, query, "DescribeVolumes", describe_volumes, set_volume_ids, volumes);
        let region = session.region().await?;
        let owner = &session.caller().await?.account;
        let seen = all.into_iter().map(|it| {
            let id = it.volume_id().unwrap_or_default().to_owned();
            let created = it
                .create_time()
                .and_then(|time| time.fmt(aws_smithy_types::date_time::Format::DateTime).ok());
            let is_shared = it.multi_attach_enabled().unwrap_or_default();
            let attachments = it.attachments().iter().map(|at| {
                Value::object([
                    ("device", text(at.device())),
                    ("instance", text(at.instance_id())),
                    ("state", text(at.state().map(VolumeAttachmentState::as_str))),
                ])
            });
            let attributes = BTreeMap::from([
                (ATTACHMENTS, Value::tuple(attachments.collect::<Vec<_>>())),
                ("availability_zone", text(it.availability_zone())),
                ("size", number(it.size())),
                ("type", text(it.volume_type().map(VolumeType::as_str))),
                ("iops", number(it.iops().filter(|iops| *iops > 0))),
                ("throughput", number(it.throughput().filter(|it| *it > 0))),
                ("snapshot_id", filled(it.snapshot_id())),
                ("encrypted", flag(Some(it.encrypted().unwrap_or_default()))),
                ("kms_key_id", filled(it.kms_key_id())),
                (SHARED, is_shared.into()),
                ("arn", format!("arn:aws:ec2:{region}:{owner}:volume/{id}").into()),
                ("create_time", text(created.as_deref())),
            ]);
            let phase = match it.state() {
                Some(VolumeState::Creating) => Phase::Pending,
                Some(VolumeState::Deleting) => Phase::Going,
                Some(VolumeState::Deleted) => Phase::Gone,
                Some(VolumeState::Error) => Phase::Failed("AWS could not make the disk".to_owned()),
                _ => Phase::Ready,
            };
            let tags = tagging::read(it.tags.as_deref());
            Seen::ready(id, attributes).tagged(session, tags).in_phase(phase)
        });
        Ok(seen.collect())
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("volume-id")
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Volume, &tags_of(session, request));
        let is_shared = given.flag(SHARED).filter(|is_shared| *is_shared);
        let call = session
            .ec2()
            .await?
            .create_volume()
            .client_token(&request.token)
            .availability_zone(given.needed("availability_zone")?)
            .set_size(given.number("size"))
            .set_volume_type(given.text("type").as_deref().map(VolumeType::from))
            .set_iops(given.number("iops"))
            .set_throughput(given.number("throughput"))
            .set_snapshot_id(given.text("snapshot_id"))
            .set_encrypted(given.flag("encrypted"))
            .set_kms_key_id(given.text("kms_key_id"))
            .set_multi_attach_enabled(is_shared)
            .tag_specifications(tags);
        let made = session.call("CreateVolume", call.send()).await?;
        made.volume_id.ok_or_else(|| no_id("CreateVolume"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, before) = (Given(&request.arguments), Given(&request.prior));
        if ["size", "type", "iops", "throughput"].iter().any(|name| given.differs(before, name)) {
            let asked = |name| given.number(name).filter(|_| given.differs(before, name));
            let wanted = Measures {
                size: asked("size"),
                ty: given.text("type").filter(|_| given.differs(before, "type")),
                iops: asked("iops"),
                throughput: asked("throughput"),
            };
            change(session, &request.id, wanted, request.progress.as_ref()).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_volume().volume_id(&request.id);
        session.call("DeleteVolume", call.send()).await.map(drop)
    }
}

/// A machine that a disk is at.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) device: String,
    pub(super) instance: String,
    pub(super) state: String,
}

/// The machines that a disk is at.
pub(super) fn attachments(seen: &Seen) -> Vec<Attachment> {
    let items = seen.attributes.get(ATTACHMENTS).and_then(Value::as_items).unwrap_or_default();
    let attachment = |item: &Value| {
        let item = Given(item);
        Some(Attachment {
            device: item.text("device")?,
            instance: item.text("instance")?,
            state: item.text("state")?,
        })
    };
    items.iter().filter_map(attachment).collect()
}

/// What of a disk can be changed while it is in use; none: as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Measures {
    pub(super) size: Option<i32>,
    pub(super) ty: Option<String>,
    pub(super) iops: Option<i32>,
    pub(super) throughput: Option<i32>,
}

impl Measures {
    /// Without what a disk has already: a second change within six hours is refused.
    fn but_for(self, seen: &Seen) -> Self {
        let told = |name: &str| seen.attributes.get(name);
        let number = |name: &str| {
            told(name)
                .and_then(Value::as_number)
                .and_then(Number::as_i64)
                .and_then(|it| i32::try_from(it).ok())
        };
        let ty = told("type").and_then(Value::as_str);
        Self {
            size: self.size.filter(|size| Some(*size) != number("size")),
            ty: self.ty.filter(|wanted| Some(wanted.as_str()) != ty),
            iops: self.iops.filter(|iops| Some(*iops) != number("iops")),
            throughput: self.throughput.filter(|it| Some(*it) != number("throughput")),
        }
    }

    fn is_nothing(&self) -> bool {
        self.size.is_none() && self.ty.is_none() && self.iops.is_none() && self.throughput.is_none()
    }
}

/// Changes a disk, and waits until it shows.
pub(super) async fn change(
    session: &Session,
    id: &str,
    wanted: Measures,
    progress: &dyn Progress,
) -> Result<(), ProviderError> {
    let Some(seen) = session.look(NAME, id).await? else { return Ok(()) };
    let other = wanted.clone().but_for(&seen);
    if other.is_nothing() {
        return Ok(());
    }
    let call = session
        .ec2()
        .await?
        .modify_volume()
        .volume_id(id)
        .set_size(other.size)
        .set_volume_type(other.ty.as_deref().map(VolumeType::from))
        .set_iops(other.iops)
        .set_throughput(other.throughput);
    session.call("ModifyVolume", call.send()).await?;
    progress.step("waiting until the disk has changed");
    wait::until(session, NAME, id, |seen| wanted.clone().but_for(seen).is_nothing()).await
}
