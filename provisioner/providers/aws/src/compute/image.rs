//! `aws_ami`: the one image that these filters let through.

use crate::arguments::{Given, filled, flag, text};
use crate::client::Session;
use crate::configuration::object;
use crate::data::{Source, source};
use crate::marker::Tags;
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    ArchitectureValues, BootModeValues, DeviceType, HypervisorType, Image, PlatformValues,
    VirtualizationType,
};
use model::schema::{Attribute, DataSchema};
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use regex::Regex;
use std::collections::BTreeMap;

pub(crate) struct Ami;

#[async_trait]
impl Source for Ami {
    fn name(&self) -> &'static str {
        "aws_ami"
    }

    fn schema(&self) -> DataSchema {
        let mut schema = source("An image that machines are made from.", told());
        let filter =
            object([("name", Type::String, true), ("values", Type::set(Type::String), true)]);
        let texts = |description: &str| Attribute::optional(Type::list(Type::String), description);
        let flag = |description: &str| Attribute::optional(Type::Bool, description);
        schema.attributes.extend(
            [
                ("owners", texts("Whose images: accounts, `self`, `amazon` or `aws-marketplace`.")),
                (
                    "executable_users",
                    texts("Images that these may use: accounts, `self` or `all`."),
                ),
                ("most_recent", flag("Whether of several the newest is taken.")),
                ("include_deprecated", flag("Whether images that are deprecated count.")),
                (
                    "name_regex",
                    Attribute::optional(
                        Type::String,
                        "What the name must match, as a regular expression.",
                    ),
                ),
                (
                    "filter",
                    Attribute::optional(
                        Type::set(filter),
                        "A filter of the API: one of its values must fit.",
                    )
                    .as_blocks(0, None),
                ),
            ]
            .map(|(name, attribute)| (name.to_owned(), attribute)),
        );
        schema
    }

    async fn read(
        &self,
        session: &Session,
        given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError> {
        let named = given.text("name_regex").map(|text| Regex::new(&text)).transpose();
        let named = named.map_err(|error| {
            let message = format!("`name_regex` of `aws_ami` is no regular expression: {error}");
            ProviderError::new(ErrorClass::Invalid, message)
        })?;
        let mut images = asked(session, given).await?;
        images.retain(|image| {
            let name = image.name().unwrap_or_default();
            named.as_ref().is_none_or(|named| named.is_match(name))
        });
        // ISO 8601: the order of the texts is that of the times.
        images.sort_by(|one, other| one.creation_date().cmp(&other.creation_date()));
        if images.len() > 1 && given.flag("most_recent") != Some(true) {
            return Err(several(&images));
        }
        let region = session.region().await?;
        images.pop().map(|image| found(region, &image)).ok_or_else(|| {
            let message = "no image is as `aws_ami` says";
            ProviderError::new(ErrorClass::NotFound, message)
                .with_hint("check `owners`, `filter` and `name_regex`, and that the region has it")
        })
    }
}

/// What is told of it.
fn told() -> [(&'static str, Attribute); 19] {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    [
        ("id", computed("Its id.")),
        ("image_id", computed("Its id.")),
        ("arn", computed("Its Amazon resource name.")),
        ("name", computed("Its name.")),
        ("description", computed("What its owner says of it.")),
        ("architecture", computed("Its processors: `x86_64` or `arm64`.")),
        ("boot_mode", computed("How it boots.")),
        ("creation_date", computed("When it was made.")),
        ("deprecation_time", computed("When it will be deprecated.")),
        ("ena_support", Attribute::computed(Type::Bool, "Whether it has enhanced networking.")),
        ("hypervisor", computed("Its hypervisor.")),
        ("image_owner_alias", computed("The name of its owner, such as `amazon`.")),
        ("owner_id", computed("The account that it belongs to.")),
        ("platform", computed("`windows`, or nothing.")),
        ("root_device_name", computed("The device of its root disk.")),
        ("root_device_type", computed("`ebs` or `instance-store`.")),
        ("root_snapshot_id", computed("The snapshot of its root disk.")),
        ("virtualization_type", computed("`hvm` or `paravirtual`.")),
        ("tags", Attribute::computed(Type::map(Type::String), "Its tags.")),
    ]
}

async fn asked(session: &Session, given: Given<'_>) -> Result<Vec<Image>, ProviderError> {
    let mut filters = vec![("state".to_owned(), vec!["available".to_owned()])];
    for block in given.blocks("filter") {
        let block = Given(&block);
        filters.push((block.needed("name")?, block.texts("values").unwrap_or_default()));
    }
    let query = Query::Filters(filters);
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let asking = session
            .ec2()
            .await?
            .describe_images()
            .set_owners(given.texts("owners"))
            .set_executable_users(given.texts("executable_users"))
            .set_include_deprecated(given.flag("include_deprecated"))
            .set_filters(query.filters())
            .set_max_results(query.page())
            .set_next_token(next.take());
        let page = session.call("DescribeImages", asking.send()).await?;
        all.extend(page.images.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn several(images: &[Image]) -> ProviderError {
    const SHOWN: usize = 5;
    let newest = images.iter().rev().take(SHOWN);
    let names: Vec<String> = newest
        .map(|image| {
            let (id, name) =
                (image.image_id().unwrap_or_default(), image.name().unwrap_or_default());
            format!("{id} ({name})")
        })
        .collect();
    let message = format!("{} images are as `aws_ami` says", images.len());
    ProviderError::new(ErrorClass::Invalid, message)
        .with_detail(format!("the newest are {}", names.join(", ")))
        .with_hint("set `most_recent = true` to take the newest, or add filters")
}

fn found(region: &str, image: &Image) -> BTreeMap<&'static str, Value> {
    let root = image.root_device_name();
    let mapping = image.block_device_mappings().iter().find(|it| it.device_name() == root);
    let snapshot = mapping.and_then(|it| it.ebs()).and_then(|it| it.snapshot_id());
    let id = image.image_id();
    let arn = format!("arn:aws:ec2:{region}::image/{}", id.unwrap_or_default());
    let tags: Tags = tagging::read(image.tags.as_deref());
    let tags = tags.iter().map(|(key, value)| (key.as_str(), Value::from(value.as_str())));
    BTreeMap::from([
        ("id", text(id)),
        ("image_id", text(id)),
        ("arn", arn.into()),
        ("name", text(image.name())),
        ("description", filled(image.description())),
        ("architecture", text(image.architecture().map(ArchitectureValues::as_str))),
        ("boot_mode", text(image.boot_mode().map(BootModeValues::as_str))),
        ("creation_date", text(image.creation_date())),
        ("deprecation_time", filled(image.deprecation_time())),
        ("ena_support", flag(Some(image.ena_support().unwrap_or_default()))),
        ("hypervisor", text(image.hypervisor().map(HypervisorType::as_str))),
        ("image_owner_alias", filled(image.image_owner_alias())),
        ("owner_id", text(image.owner_id())),
        ("platform", text(image.platform().map(PlatformValues::as_str))),
        ("root_device_name", text(root)),
        ("root_device_type", text(image.root_device_type().map(DeviceType::as_str))),
        ("root_snapshot_id", filled(snapshot)),
        ("virtualization_type", text(image.virtualization_type().map(VirtualizationType::as_str))),
        ("tags", Value::map(Type::String, tags)),
    ])
}
