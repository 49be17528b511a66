//! What AWS declares: the arguments of a `provider "aws"` block, all resource types, all data sources.

use crate::arguments::Given;
use crate::{data, kind, limits, marker};
use model::schema::{Adoption, Attribute, ProviderSchema};
use model::types::Field;
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a `provider` block says.
#[derive(Clone, Default)]
pub(crate) struct Configuration {
    /// None: as the environment or the profile says.
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    /// Credentials that the block itself gives; otherwise the SDK's chain finds some.
    pub(crate) keys: Option<Keys>,
    pub(crate) default_tags: marker::Tags,
    pub(crate) allowed_account_ids: Option<Vec<String>>,
    pub(crate) forbidden_account_ids: Vec<String>,
    /// Addresses to ask instead of Amazon's, by service.
    pub(crate) endpoints: BTreeMap<String, String>,
    pub(crate) s3_use_path_style: bool,
    /// For how long a new object may not show, in milliseconds; none as each type says.
    pub(crate) settle_ms: Option<u64>,
    /// For how long nothing may come of a request, in milliseconds.
    pub(crate) timeout_ms: u64,
}

/// Credentials in the configuration.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) token: Option<String>,
}

impl Keys {
    fn read(given: Given<'_>) -> Result<Option<Self>, ProviderError> {
        match (given.text("access_key"), given.text("secret_key")) {
            (Some(access_key), Some(secret_key)) => {
                Ok(Some(Self { access_key, secret_key, token: given.text("token") }))
            }
            (None, None) => Ok(None),
            _ => {
                let message = "`access_key` and `secret_key` of the provider `aws` go together";
                Err(ProviderError::new(ErrorClass::Invalid, message)
                    .with_hint("give both, or neither: then the environment or a profile has them"))
            }
        }
    }
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
            keys: Keys::read(given)?,
            default_tags,
            allowed_account_ids: given.texts("allowed_account_ids"),
            forbidden_account_ids: given.texts("forbidden_account_ids").unwrap_or_default(),
            endpoints,
            s3_use_path_style: given.flag("s3_use_path_style").unwrap_or_default(),
            settle_ms: seconds(given, "settle_seconds")?,
            timeout_ms: seconds(given, "timeout_seconds")?.unwrap_or(TIMEOUT_MS),
        })
    }
}

/// For how long nothing may come of a request where the configuration does not say.
const TIMEOUT_MS: u64 = 60 * 1_000;

/// A whole number of seconds, in milliseconds.
fn seconds(given: Given<'_>, name: &str) -> Result<Option<u64>, ProviderError> {
    let Some(value) = given.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_number().and_then(model::Number::as_u64).filter(|number| *number > 0);
    number.map(|number| Some(number.saturating_mul(1_000))).ok_or_else(|| {
        let message =
            format!("`{name}` of the provider `aws` is a whole number of seconds, 1 or more");
        ProviderError::new(ErrorClass::Invalid, message)
    })
}

impl Configuration {
    /// How objects of a type are found again, with the times of this configuration.
    pub(crate) fn adoption(&self, declared: Adoption) -> Adoption {
        let settle_ms = declared.settle_ms.min(self.settle_ms.unwrap_or(declared.settle_ms));
        let quick_ms = self.timeout_ms.saturating_mul(2);
        let is_quick = declared.deadline_ms == kind::DEADLINE_MS;
        let deadline_ms = if is_quick { quick_ms } else { declared.deadline_ms };
        let effect_ms = declared.effect_ms.map(|_| quick_ms);
        Adoption { settle_ms, deadline_ms, effect_ms, ..declared }
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
        ("access_key", text("The id of an access key; better left to the environment.")),
        ("secret_key", text("The secret of the access key.").secret()),
        ("token", text("The session token of temporary credentials.").secret()),
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
            "settle_seconds",
            Attribute::optional(
                Type::Number,
                "For how long AWS may not show a new object, at most; 300 if it is not said. A creation that was cut off and cannot be sent again is looked for that long.",
            ),
        ),
        (
            "timeout_seconds",
            Attribute::optional(
                Type::Number,
                "For how long nothing may come of a request; 60 if it is not said.",
            ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{by_place, by_tags, by_token, slow};

    const MINUTE_MS: u64 = 60 * 1_000;

    fn with(given: impl IntoIterator<Item = (&'static str, u32)>) -> Configuration {
        let given =
            given.into_iter().map(|(name, seconds)| (name, Value::from(i64::from(seconds))));
        Configuration::read(&Value::object(given)).unwrap()
    }

    #[test]
    fn what_is_slow_to_be_ready_is_there_as_soon_as_anything_else() {
        let quick = with([]).adoption(by_tags());
        let slow = with([]).adoption(slow(by_token(), 20));
        assert_eq!((quick.deadline_ms, quick.effect_ms), (2 * MINUTE_MS, None));
        assert_eq!((slow.deadline_ms, slow.effect_ms), (20 * MINUTE_MS, Some(2 * MINUTE_MS)));
        assert_eq!((quick.settle_ms, slow.settle_ms), (5 * MINUTE_MS, 5 * MINUTE_MS));
    }

    #[test]
    fn the_times_of_the_configuration_are_those_of_all_types() {
        let configuration = with([("settle_seconds", 1), ("timeout_seconds", 4)]);
        let quick = configuration.adoption(by_place());
        assert_eq!((quick.settle_ms, quick.deadline_ms, quick.effect_ms), (1_000, 8_000, None));
        let slow = configuration.adoption(slow(by_token(), 20));
        let times = (slow.settle_ms, slow.deadline_ms, slow.effect_ms);
        assert_eq!(times, (1_000, 20 * MINUTE_MS, Some(8_000)), "it may still take long");
        let patient = with([("settle_seconds", 3_600)]).adoption(by_tags());
        assert_eq!(
            patient.settle_ms,
            5 * MINUTE_MS,
            "a type is not waited for longer than it takes"
        );
    }
}
