//! `aws_ami_from_instance`: an image of a machine's disks, which are snapshots that come and go with it.
//!
//! Invariant: the snapshots are recorded with the image, so that a deletion that was cut off takes them all the same.

use super::{partition, snapshot};
use crate::arguments::{Given, filled, flag, number, text};
use crate::client::Session;
use crate::configuration::object;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, slow, tags_of};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttributeValue, BlockDeviceMapping, Image, ImageState, ResourceType, VolumeType,
};
use model::schema::{Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct ImageFromInstance;

const DISKS: &str = "ebs_block_device";
/// Images a page at most.
const PAGE: i32 = 1_000;

fn disk() -> Type {
    object([
        ("device_name", Type::String, false),
        ("snapshot_id", Type::String, false),
        ("volume_size", Type::Number, false),
        ("volume_type", Type::String, false),
        ("iops", Type::Number, false),
        ("throughput", Type::Number, false),
        ("encrypted", Type::Bool, false),
        ("delete_on_termination", Type::Bool, false),
    ])
}

fn disk_of(device: Option<&str>, ebs: &aws_sdk_ec2::types::EbsBlockDevice) -> Value {
    Value::object([
        ("device_name", text(device)),
        ("snapshot_id", text(ebs.snapshot_id())),
        ("volume_size", number(ebs.volume_size())),
        ("volume_type", text(ebs.volume_type().map(VolumeType::as_str))),
        ("iops", number(ebs.iops())),
        ("throughput", number(ebs.throughput())),
        ("encrypted", flag(ebs.encrypted())),
        ("delete_on_termination", flag(ebs.delete_on_termination())),
    ])
}

fn computed() -> [(&'static str, Attribute); 12] {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    [
        ("arn", computed("Its Amazon resource name.")),
        ("architecture", computed("The processors that it is for, such as x86_64.")),
        ("hypervisor", computed("Its hypervisor.")),
        ("image_location", computed("Where it is.")),
        ("image_type", computed("What it is: machine.")),
        ("owner_id", computed("The account that it belongs to.")),
        ("platform", computed("`windows`, or nothing.")),
        ("root_device_name", computed("The device that it starts from.")),
        ("root_snapshot_id", computed("The snapshot that it starts from.")),
        ("virtualization_type", computed("Its virtualization: hvm.")),
        ("public", Attribute::computed(Type::Bool, "Whether everybody may use it.").volatile()),
        (DISKS, Attribute::computed(Type::set(disk()), "Its disks.")),
    ]
}

/// The images of the account, all pages.
async fn described(session: &Session, query: &Query) -> Result<Vec<Image>, ProviderError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let ids = query.ids();
        let page_size = ids.is_none().then_some(PAGE);
        let owners = ids.is_none().then(|| vec!["self".to_owned()]);
        let asking = session
            .ec2()
            .await?
            .describe_images()
            .set_image_ids(ids)
            .set_filters(query.filters())
            .set_owners(owners)
            .set_max_results(page_size)
            .set_next_token(next.take());
        let page = session.call("DescribeImages", asking.send()).await.map_err(unavailable)?;
        all.extend(page.images.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// An image that was deregistered is "unavailable".
fn unavailable(error: ProviderError) -> ProviderError {
    let is_gone = error.message.contains("InvalidAMIID.Unavailable");
    if is_gone { ProviderError { class: ErrorClass::NotFound, ..error } } else { error }
}

fn seen(session: &Session, region: &str, image: &Image) -> Seen {
    let id = image.image_id().unwrap_or_default();
    let root = image.root_device_name();
    let disks = image.block_device_mappings();
    let ebs =
        |mapping: &BlockDeviceMapping| mapping.ebs().map(|ebs| disk_of(mapping.device_name(), ebs));
    let root_snapshot = disks
        .iter()
        .find(|mapping| mapping.device_name() == root)
        .and_then(|mapping| mapping.ebs()?.snapshot_id());
    let attributes = BTreeMap::from([
        ("name", text(image.name())),
        ("description", filled(image.description())),
        ("source_instance_id", text(image.source_instance_id())),
        ("arn", format!("arn:{}:ec2:{region}::image/{id}", partition(region)).into()),
        (
            "architecture",
            text(image.architecture().map(aws_sdk_ec2::types::ArchitectureValues::as_str)),
        ),
        ("hypervisor", text(image.hypervisor().map(aws_sdk_ec2::types::HypervisorType::as_str))),
        ("image_location", text(image.image_location())),
        ("image_type", text(image.image_type().map(aws_sdk_ec2::types::ImageTypeValues::as_str))),
        ("owner_id", text(image.owner_id())),
        ("platform", filled(image.platform().map(aws_sdk_ec2::types::PlatformValues::as_str))),
        ("root_device_name", text(root)),
        ("root_snapshot_id", text(root_snapshot)),
        (
            "virtualization_type",
            text(image.virtualization_type().map(aws_sdk_ec2::types::VirtualizationType::as_str)),
        ),
        ("public", flag(Some(image.public().unwrap_or_default()))),
        (DISKS, Value::set(disk(), disks.iter().filter_map(ebs))),
    ]);
    let tags = tagging::read(image.tags.as_deref());
    let mut seen =
        Seen::ready(id.to_owned(), attributes).tagged(session, tags).in_phase(phase(image));
    // Not every cloud tells it.
    seen.attributes.retain(|name, value| *name != "source_instance_id" || !value.is_null());
    seen
}

fn phase(image: &Image) -> Phase {
    match image.state() {
        Some(ImageState::Pending | ImageState::Transient) => Phase::Pending,
        Some(ImageState::Deregistered) => Phase::Gone,
        Some(state @ (ImageState::Error | ImageState::Failed | ImageState::Invalid)) => {
            let why = image.state_reason().and_then(|reason| reason.message());
            let why = why.unwrap_or("AWS does not say why");
            Phase::Failed(format!("it is no good ({}): {why}", state.as_str()))
        }
        _ => Phase::Ready,
    }
}

#[async_trait]
impl Kind for ImageFromInstance {
    fn name(&self) -> &'static str {
        "aws_ami_from_instance"
    }

    fn schema(&self) -> ResourceSchema {
        let required =
            |description: &str| Attribute::required(Type::String, description).forces_replacement();
        // AWS makes the snapshots one after the other.
        let adoption = slow(by_tags(), snapshot::MINUTES);
        let mut schema = resource(
            "An image of a machine. Its snapshots are deleted with it.",
            adoption,
            computed(),
        );
        let own = [
            ("name", required("Its name, unique in the account and region.")),
            ("source_instance_id", required("The machine that it is made of.")),
            (
                "snapshot_without_reboot",
                Attribute::optional(
                    Type::Bool,
                    "Whether the machine goes on running: what it has not yet written to disk is then not in the image.",
                )
                .with_default(false.into())
                .forces_replacement(),
            ),
            ("description", Attribute::optional(Type::String, "What it is for.")),
        ];
        schema.attributes.extend(own.map(|(name, it)| (name.to_owned(), it)));
        schema
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::Image)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        given
            .text("name")
            .and_then(|name| name_problem(&name))
            .map(|problem| ("name", problem))
            .into_iter()
            .chain(snapshot::description_problem(given))
            .collect()
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = described(session, query).await?;
        let region = session.region().await?;
        Ok(all.iter().map(|image| seen(session, region, image)).collect())
    }

    fn look_again(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::Image, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .create_image()
            .name(given.needed("name")?)
            .instance_id(given.needed("source_instance_id")?)
            .set_description(given.text("description"))
            .no_reboot(given.flag("snapshot_without_reboot").unwrap_or_default())
            .tag_specifications(tags);
        let made = session.call("CreateImage", call.send()).await.map_err(|error| {
            let is_taken = error.message.contains("InvalidAMIName.Duplicate");
            let hint = "names of images are unique in an account and region: choose another, or import the image that has it";
            if is_taken { error.with_hint(hint) } else { error }
        })?;
        made.image_id.ok_or_else(|| no_id("CreateImage"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let given = Given(&request.arguments);
        if given.differs(Given(&request.prior), "description") {
            let description = given.text("description").unwrap_or_default();
            let value = AttributeValue::builder().value(description).build();
            let call = session
                .ec2()
                .await?
                .modify_image_attribute()
                .image_id(&request.id)
                .description(value);
            session.call("ModifyImageAttribute", call.send()).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let ids = Query::Ids(vec![request.id.clone()]);
        let shown = match described(session, &ids).await {
            Err(error) if error.class == ErrorClass::NotFound => Vec::new(),
            answer => answer?,
        };
        // What is shown may be less than what was: the image may be gone, and its snapshots not.
        let mut snapshots: BTreeSet<String> = Given(&request.attributes)
            .blocks(DISKS)
            .iter()
            .filter_map(|disk| Given(disk).text("snapshot_id"))
            .collect();
        let of_image = |image: &Image| {
            let disks = image.block_device_mappings().iter();
            disks
                .filter_map(|disk| disk.ebs()?.snapshot_id().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        snapshots.extend(shown.iter().flat_map(of_image));
        for handled in deregister(session, &request.id).await? {
            snapshots.remove(&handled);
        }
        for id in snapshots {
            request.progress.step("deleting its snapshots");
            match snapshot::delete(session, &id).await {
                Err(error) if error.class == ErrorClass::NotFound => {}
                answer => answer?,
            }
        }
        Ok(())
    }
}

/// Deregisters an image; the snapshots that AWS has taken care of, deleted or kept for other images.
async fn deregister(session: &Session, id: &str) -> Result<Vec<String>, ProviderError> {
    let call =
        session.ec2().await?.deregister_image().image_id(id).delete_associated_snapshots(true);
    match session.call("DeregisterImage", call.send()).await.map_err(unavailable) {
        Err(error) if error.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(answer) => {
            let results = answer.delete_snapshot_results().iter();
            let is_done = |code: &str| matches!(code, "success" | "skipped");
            Ok(results
                .filter(|result| result.return_code().is_some_and(|code| is_done(code.as_str())))
                .filter_map(|result| result.snapshot_id().map(str::to_owned))
                .collect())
        }
    }
}

/// What is wrong with an image's name:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html>.
fn name_problem(name: &str) -> Option<String> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "()[] ./-'@_".contains(it);
    match name.chars().count() {
        3..=128 => {
            let other = name.chars().find(|it| !is_allowed(*it))?;
            Some(format!(
                "`{other}` in `{name}` is neither a letter, a digit nor one of ()[] ./-'@_"
            ))
        }
        _ => Some(format!("`{name}` must have 3 to 128 characters")),
    }
}
