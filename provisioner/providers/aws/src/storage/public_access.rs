//! `aws_s3_bucket_public_access_block`.

use super::setting::{Setting, Told};
use crate::arguments::Given;
use crate::client::Session;
use async_trait::async_trait;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use model::Type;
use model::schema::Attribute;
use provider::ProviderError;

pub(crate) struct PublicAccess;

const ACLS: &str = "block_public_acls";
const POLICY: &str = "block_public_policy";
const IGNORE: &str = "ignore_public_acls";
const RESTRICT: &str = "restrict_public_buckets";

#[async_trait]
impl Setting for PublicAccess {
    fn name(&self) -> &'static str {
        "aws_s3_bucket_public_access_block"
    }

    fn description(&self) -> &'static str {
        "What keeps a bucket from being opened to everybody."
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let flag = |description: &str| {
            Attribute::optional(Type::Bool, description).with_default(false.into())
        };
        vec![
            (ACLS, flag("Whether access control lists that open it are refused.")),
            (POLICY, flag("Whether policies that open it are refused.")),
            (IGNORE, flag("Whether access control lists that open it are passed over.")),
            (RESTRICT, flag("Whether only its account and AWS may use it if its policy opens it.")),
        ]
    }

    async fn get(&self, session: &Session, bucket: &str) -> Result<Option<Told>, ProviderError> {
        let call = session.s3().await?.get_public_access_block().bucket(bucket);
        let answer = session.call("GetPublicAccessBlock", call.send()).await?;
        Ok(answer.public_access_block_configuration().map(|set| {
            Told::from([
                (ACLS, set.block_public_acls().unwrap_or_default().into()),
                (POLICY, set.block_public_policy().unwrap_or_default().into()),
                (IGNORE, set.ignore_public_acls().unwrap_or_default().into()),
                (RESTRICT, set.restrict_public_buckets().unwrap_or_default().into()),
            ])
        }))
    }

    async fn put(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
        _before: Option<Given<'_>>,
    ) -> Result<(), ProviderError> {
        let flag = |name: &str| given.flag(name).unwrap_or_default();
        let configuration = PublicAccessBlockConfiguration::builder()
            .block_public_acls(flag(ACLS))
            .block_public_policy(flag(POLICY))
            .ignore_public_acls(flag(IGNORE))
            .restrict_public_buckets(flag(RESTRICT))
            .build();
        let call = session
            .s3()
            .await?
            .put_public_access_block()
            .bucket(bucket)
            .public_access_block_configuration(configuration);
        session.call("PutPublicAccessBlock", call.send()).await.map(drop)
    }

    async fn clear(
        &self,
        session: &Session,
        bucket: &str,
        _recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        let call = session.s3().await?.delete_public_access_block().bucket(bucket);
        session.call("DeletePublicAccessBlock", call.send()).await.map(drop)
    }
}
