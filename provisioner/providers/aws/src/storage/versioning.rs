//! `aws_s3_bucket_versioning`.
//!
//! A bucket that ever kept versions can only stop doing so. So to take the setting back is to suspend it, and a suspended
//! bucket has this setting only where it is recorded as suspended.

use super::setting::{Setting, Told};
use crate::arguments::{Given, text};
use crate::client::Session;
use crate::configuration::object;
use crate::kind::{Phase, Seen};
use async_trait::async_trait;
use aws_sdk_s3::types::{
    BucketVersioningStatus, MfaDelete, MfaDeleteStatus, VersioningConfiguration,
};
use model::schema::Attribute;
use model::{Type, Value};
use provider::ProviderError;

pub(crate) struct Versioning;

const BLOCK: &str = "versioning_configuration";
const ENABLED: &str = "Enabled";
const SUSPENDED: &str = "Suspended";
/// Never enabled: as every bucket is when it is made.
const DISABLED: &str = "Disabled";

fn block() -> Type {
    object([("status", Type::String, true), ("mfa_delete", Type::String, false)])
}

fn status(given: Given<'_>) -> Option<String> {
    given.blocks(BLOCK).first().and_then(|block| Given(block).text("status"))
}

#[async_trait]
impl Setting for Versioning {
    fn name(&self) -> &'static str {
        "aws_s3_bucket_versioning"
    }

    fn description(&self) -> &'static str {
        "Whether a bucket keeps old versions of its objects."
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            (
                BLOCK,
                Attribute::required(
                    Type::list(block()),
                    "`status`: `Enabled`, `Suspended`, or `Disabled` where it was never enabled. `mfa_delete`: `Enabled` or `Disabled`.",
                )
                .as_blocks(1, Some(1)),
            ),
            (
                "mfa",
                Attribute::optional(
                    Type::String,
                    "Serial number and code of the device, with a space between, to change `mfa_delete`.",
                )
                .secret(),
            ),
        ]
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let blocks = given.blocks(BLOCK);
        let Some(block) = blocks.first().map(Given) else { return Vec::new() };
        let one_of = |name: &str, allowed: &[&str]| {
            let text = block.text(name).filter(|text| !allowed.contains(&text.as_str()))?;
            Some((BLOCK, format!("`{name}` is `{text}`, not one of {}", allowed.join(", "))))
        };
        let status = one_of("status", &[ENABLED, SUSPENDED, DISABLED]);
        status.into_iter().chain(one_of("mfa_delete", &[ENABLED, DISABLED])).collect()
    }

    async fn get(&self, session: &Session, bucket: &str) -> Result<Option<Told>, ProviderError> {
        let call = session.s3().await?.get_bucket_versioning().bucket(bucket);
        let answer = session.call("GetBucketVersioning", call.send()).await?;
        let status = answer.status().map_or(DISABLED, BucketVersioningStatus::as_str);
        let mfa = answer.mfa_delete().map(MfaDeleteStatus::as_str);
        Ok(Some(Told::from([(BLOCK, told(status, mfa))])))
    }

    async fn put(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
        _before: Option<Given<'_>>,
    ) -> Result<(), ProviderError> {
        let blocks = given.blocks(BLOCK);
        let Some(block) = blocks.first().map(Given) else { return Ok(()) };
        let status = block.needed("status")?;
        if status == DISABLED {
            return never_enabled(session, bucket).await;
        }
        let configuration = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::from(status.as_str()))
            .set_mfa_delete(block.text("mfa_delete").as_deref().map(MfaDelete::from))
            .build();
        let call = session
            .s3()
            .await?
            .put_bucket_versioning()
            .bucket(bucket)
            .set_mfa(given.text("mfa"))
            .versioning_configuration(configuration);
        session.call("PutBucketVersioning", call.send()).await.map(drop)
    }

    async fn clear(
        &self,
        session: &Session,
        bucket: &str,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        if status(recorded).is_some_and(|status| status != ENABLED) {
            return Ok(());
        }
        let suspended =
            VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
        let call = session
            .s3()
            .await?
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(suspended);
        session.call("PutBucketVersioning", call.send()).await.map(drop)
    }

    fn settle(&self, seen: &mut Seen, recorded: Given<'_>) {
        let blocks = seen.attributes.get(BLOCK).and_then(Value::as_items).unwrap_or_default();
        let Some(block) = blocks.first().map(Given) else { return };
        let (now, mfa) = (block.text("status").unwrap_or_default(), block.text("mfa_delete"));
        if now != ENABLED && status(recorded).as_ref() != Some(&now) {
            seen.phase = Phase::Gone;
        }
        // S3 tells it only where it was ever set.
        let asked = recorded.blocks(BLOCK).first().and_then(|it| Given(it).text("mfa_delete"));
        let mfa = mfa.or(asked.filter(|asked| asked == DISABLED));
        seen.attributes.insert(BLOCK, told(&now, mfa.as_deref()));
    }
}

fn told(status: &str, mfa: Option<&str>) -> Value {
    let told = Value::object([("status", Value::from(status)), ("mfa_delete", text(mfa))]);
    Value::list(block(), [told])
}

/// Refuses to call a bucket never enabled that was.
async fn never_enabled(session: &Session, bucket: &str) -> Result<(), ProviderError> {
    let call = session.s3().await?.get_bucket_versioning().bucket(bucket);
    let answer = session.call("GetBucketVersioning", call.send()).await?;
    let Some(status) = answer.status() else { return Ok(()) };
    let message = format!(
        "the bucket `{bucket}` has kept versions ({}): it cannot be `Disabled` again",
        status.as_str()
    );
    Err(ProviderError::new(provider::ErrorClass::Invalid, message)
        .with_hint("write `status = \"Suspended\"`"))
}
