//! What AWS declares: the arguments of a `provider "aws"` block, all resource types, all data sources.

use crate::arguments::Given;
use crate::{data, kind, limits, marker};
use model::schema::{Attribute, ProviderSchema};
use model::types::Field;
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a `provider` block says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    /// None: as the environment or the profile says.
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) default_tags: marker::Tags,
    pub(crate) allowed_account_ids: Option<Vec<String>>,
    pub(crate) forbidden_account_ids: Vec<String>,
    /// Addresses to ask instead of Amazon's, by service.
    pub(crate) endpoints: BTreeMap<String, String>,
    pub(crate) s3_use_path_style: bool,
}

/// The services whose endpoints can be replaced.
const SERVICES: [&str; 3] = ["ec2", "s3", "sts"];

impl Configuration {
    /// From the arguments of a `provider` block.
    pub(crate) fn read(arguments: &Value) -> Result<Self, ProviderError> {
        let given = Given(arguments);
        let mut default_tags = marker::Tags::new();
        for block in given.blocks("default_tags") {
            default_tags.extend(Given(&block).map("tags").unwrap_or_default());
        }
        if let Some(key) = default_tags.keys().find(|key| marker::is_kept(key)) {
            let message = format!("`default_tags` of the provider `aws` has the key `{key}`");
            return Err(ProviderError::new(ErrorClass::Invalid, message).with_hint(
                "keys that begin with `provisioner:` say whose an object is; use another",
            ));
        }
        let mut endpoints = BTreeMap::new();
        for block in given.blocks("endpoints") {
            let texts = SERVICES.map(|service| (service, Given(&block).text(service)));
            endpoints.extend(
                texts.into_iter().filter_map(|(service, text)| Some((service.to_owned(), text?))),
            );
        }
        Ok(Self {
            region: given.text("region"),
            profile: given.text("profile"),
            default_tags,
            allowed_account_ids: given.texts("allowed_account_ids"),
            forbidden_account_ids: given.texts("forbidden_account_ids").unwrap_or_default(),
            endpoints,
            s3_use_path_style: given.flag("s3_use_path_style").unwrap_or_default(),
        })
    }
}

/// An object type for nested blocks: each field's name, its type, and whether it must be given.
pub(crate) fn object<const N: usize>(fields: [(&str, Type, bool); N]) -> Type {
    let field = |(name, ty, required): (&str, Type, bool)| {
        (Arc::from(name), Field { ty, optional: !required, default: None })
    };
    Type::Object(Arc::new(fields.into_iter().map(field).collect()))
}

/// Everything AWS offers.
pub fn provider_schema() -> ProviderSchema {
    let text = |description: &str| Attribute::optional(Type::String, description);
    let accounts = |description: &str| Attribute::optional(Type::set(Type::String), description);
    let default_tags = Type::list(object([("tags", Type::map(Type::String), false)]));
    let endpoints = Type::list(object(SERVICES.map(|service| (service, Type::String, false))));
    let configuration = [
        ("region", text("The region; otherwise AWS_REGION or the profile says it.")),
        ("profile", text("The profile of the shared configuration; otherwise AWS_PROFILE.")),
        ("allowed_account_ids", accounts("The only accounts that may be touched.")),
        ("forbidden_account_ids", accounts("Accounts that must not be touched.")),
        (
            "default_tags",
            Attribute::optional(default_tags, "Tags of every object that can have tags.")
                .as_blocks(0, Some(1)),
        ),
        (
            "endpoints",
            Attribute::optional(endpoints, "Addresses to ask instead of Amazon's own.")
                .as_blocks(0, Some(1)),
        ),
        (
            "s3_use_path_style",
            Attribute::optional(Type::Bool, "Name buckets in the path, not in the host's name."),
        ),
    ];
    ProviderSchema {
        name: "aws".to_owned(),
        configuration: configuration.map(|(name, it)| (name.to_owned(), it)).into(),
        resources: kind::all().map(|kind| (kind.name().to_owned(), kind.schema())).collect(),
        data: data::all().map(|it| (it.name().to_owned(), it.schema())).collect(),
        // Objects of one type are described a thousand at a time, whatever lies between them.
        read_together: Some(100_000),
        limits: limits::published(),
    }
}
