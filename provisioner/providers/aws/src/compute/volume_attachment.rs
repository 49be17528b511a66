//! `aws_volume_attachment`: it is identified by what it joins, `DEVICE:VOLUME:INSTANCE`.

use crate::arguments::Given;
use crate::client::Session;
use crate::compute::{instance, volume, wait};
use crate::kind::{Kind, Phase, Seen, by_place, resource, slow};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::future::try_join_all;
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct VolumeAttachment;

/// Whether the disk stays at the machine.
const SKIP: &str = "skip_destroy";

/// Minutes that it may take until a machine lets go of a disk.
const DETACH_MINUTES: u64 = 20;

/// What an attachment joins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Joined {
    device: String,
    volume: String,
    instance: String,
}

impl Joined {
    fn of(id: &str) -> Option<Self> {
        let mut parts = id.split(':').map(str::to_owned);
        let joined = Self { device: parts.next()?, volume: parts.next()?, instance: parts.next()? };
        parts.next().is_none().then_some(joined)
    }

    fn asked(given: Given<'_>) -> Result<Self, ProviderError> {
        Ok(Self {
            device: given.needed("device_name")?,
            volume: given.needed("volume_id")?,
            instance: given.needed("instance_id")?,
        })
    }

    fn id(&self) -> String {
        format!("{}:{}:{}", self.device, self.volume, self.instance)
    }
}

#[async_trait]
impl Kind for VolumeAttachment {
    fn name(&self) -> &'static str {
        "aws_volume_attachment"
    }

    fn schema(&self) -> ResourceSchema {
        let joins =
            |description: &str| Attribute::required(Type::String, description).forces_replacement();
        let flag = |description: &str| Attribute::optional(Type::Bool, description);
        resource(
            "A disk at a machine.",
            slow(by_place(), DETACH_MINUTES),
            [
                ("device_name", joins("What the machine is told to call it, such as /dev/sdf.")),
                ("volume_id", joins("The disk.").exclusive_unless(volume::NAME, volume::SHARED)),
                ("instance_id", joins("The machine, in the same zone.")),
                (
                    "force_detach",
                    flag(
                        "Whether the disk is taken away though the machine holds it; data may be lost.",
                    ),
                ),
                (
                    SKIP,
                    flag(
                        "Whether the disk stays at the machine when this is destroyed; the attachment is then only forgotten.",
                    ),
                ),
                (
                    "stop_instance_before_detaching",
                    flag("Whether the machine is stopped before the disk is taken away."),
                ),
            ],
        )
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let joined: Vec<Joined> = match query {
            Query::Ids(ids) => ids.iter().filter_map(|id| Joined::of(id)).collect(),
            Query::Alike(arguments) => vec![Joined::asked(Given(arguments))?],
            Query::Marked { .. } | Query::Owned(_) | Query::Filters(_) => Vec::new(),
        };
        // Looks of the same moment are one call.
        let looks = joined.iter().map(|joined| session.look(volume::NAME, &joined.volume));
        let volumes = try_join_all(looks).await?;
        let seen = joined.iter().zip(volumes).filter_map(|(joined, volume)| {
            let phase = volume::attachments(&volume?).into_iter().find_map(|it| {
                let is_it = it.device == joined.device && it.instance == joined.instance;
                is_it.then_some(it.state)
            })?;
            let attributes = BTreeMap::from([
                ("device_name", Value::from(joined.device.as_str())),
                ("volume_id", joined.volume.as_str().into()),
                ("instance_id", joined.instance.as_str().into()),
            ]);
            let phase = match phase.as_str() {
                "attaching" => Phase::Pending,
                "detaching" => Phase::Going,
                "detached" => Phase::Gone,
                _ => Phase::Ready,
            };
            Some(Seen::ready(joined.id(), attributes).in_phase(phase))
        });
        Ok(seen.collect())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let joined = Joined::asked(Given(&request.arguments))?;
        let call = session
            .ec2()
            .await?
            .attach_volume()
            .device(&joined.device)
            .volume_id(&joined.volume)
            .instance_id(&joined.instance);
        match session.call("AttachVolume", call.send()).await {
            Ok(_) => Ok(joined.id()),
            // It may be ours, from a call whose answer was lost.
            Err(error) if error.class == ErrorClass::Conflict => {
                let query = Query::Alike(request.arguments.clone());
                let found =
                    self.describe(session, &query).await.map_err(ProviderError::maybe_done)?;
                let is_there = found.iter().any(|seen| !seen.phase.is_over());
                if is_there { Ok(joined.id()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        &self,
        _session: &Session,
        _request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        // All arguments that may change say how it is deleted.
        Ok(())
    }

    fn is_left(&self, request: &DeleteRequest) -> bool {
        Given(&request.attributes).flag(SKIP) == Some(true)
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let Some(joined) = Joined::of(&request.id) else { return Ok(()) };
        let given = Given(&request.attributes);
        if given.flag("stop_instance_before_detaching") == Some(true) {
            let call = session.ec2().await?.stop_instances().instance_ids(&joined.instance);
            session.call("StopInstances", call.send()).await?;
            request.progress.step("waiting until the machine is stopped");
            wait::until(session, instance::NAME, &joined.instance, instance::is_stopped).await?;
        }
        let call = session
            .ec2()
            .await?
            .detach_volume()
            .device(&joined.device)
            .volume_id(&joined.volume)
            .instance_id(&joined.instance)
            .set_force(given.flag("force_detach"));
        match session.call("DetachVolume", call.send()).await {
            Ok(_) => Ok(()),
            // "Not attached" has the code of a state that does not fit.
            Err(error) if error.class == ErrorClass::Conflict => {
                let query = Query::Ids(vec![request.id.clone()]);
                let found = self.describe(session, &query).await?;
                let is_there = found.iter().any(|seen| !seen.phase.is_over());
                if is_there { Err(error) } else { Ok(()) }
            }
            Err(error) => Err(error),
        }
    }
}
