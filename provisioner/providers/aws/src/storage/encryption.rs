//! `aws_s3_bucket_server_side_encryption_configuration`.
//!
//! Every bucket encrypts with keys of S3's own if nothing else is said; taking the setting back brings it back to that.

use super::key_problem;
use super::setting::{Setting, Told, unbuilt};
use crate::arguments::{Given, filled, flag};
use crate::client::Session;
use crate::configuration::object;
use async_trait::async_trait;
use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use model::schema::Attribute;
use model::{Type, Value};
use provider::ProviderError;

pub(crate) struct Encryption;

const DEFAULT: &str = "apply_server_side_encryption_by_default";
const BUCKET_KEY: &str = "bucket_key_enabled";
const ALGORITHMS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];

fn by_default() -> Type {
    object([("sse_algorithm", Type::String, true), ("kms_master_key_id", Type::String, false)])
}

fn rule() -> Type {
    object([(DEFAULT, Type::list(by_default()), false), (BUCKET_KEY, Type::Bool, false)])
}

#[async_trait]
impl Setting for Encryption {
    fn name(&self) -> &'static str {
        "aws_s3_bucket_server_side_encryption_configuration"
    }

    fn description(&self) -> &'static str {
        "How a bucket encrypts new objects that do not say it themselves."
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let description = "`apply_server_side_encryption_by_default`: the `sse_algorithm` (`AES256`, `aws:kms` or `aws:kms:dsse`) and the `kms_master_key_id`. `bucket_key_enabled`: whether one data key serves many objects, which asks KMS less.";
        vec![("rule", Attribute::required(Type::list(rule()), description).as_blocks(1, Some(1)))]
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for rule in given.blocks("rule") {
            let defaults = Given(&rule).blocks(DEFAULT);
            if defaults.len() > 1 {
                problems.push(("rule", format!("it has more than one `{DEFAULT}` block")));
            }
            for by_default in &defaults {
                problems
                    .extend(default_problem(Given(by_default)).map(|problem| ("rule", problem)));
            }
        }
        problems
    }

    async fn get(&self, session: &Session, bucket: &str) -> Result<Option<Told>, ProviderError> {
        let call = session.s3().await?.get_bucket_encryption().bucket(bucket);
        let answer = session.call("GetBucketEncryption", call.send()).await?;
        let rules = answer
            .server_side_encryption_configuration()
            .map(aws_sdk_s3::types::ServerSideEncryptionConfiguration::rules);
        let rules: Vec<Value> = rules.unwrap_or_default().iter().map(told).collect();
        if rules.is_empty() {
            return Ok(None);
        }
        Ok(Some(Told::from([("rule", Value::list(rule(), rules))])))
    }

    async fn put(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
        _before: Option<Given<'_>>,
    ) -> Result<(), ProviderError> {
        let rules = given.blocks("rule");
        let rules = rules.iter().map(|rule| asked(Given(rule))).collect::<Result<Vec<_>, _>>()?;
        let configuration = ServerSideEncryptionConfiguration::builder().set_rules(Some(rules));
        let call = session
            .s3()
            .await?
            .put_bucket_encryption()
            .bucket(bucket)
            .server_side_encryption_configuration(configuration.build().map_err(unbuilt)?);
        session.call("PutBucketEncryption", call.send()).await.map(drop)
    }

    async fn clear(
        &self,
        session: &Session,
        bucket: &str,
        _recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        let call = session.s3().await?.delete_bucket_encryption().bucket(bucket);
        session.call("DeleteBucketEncryption", call.send()).await.map(drop)
    }
}

fn default_problem(given: Given<'_>) -> Option<String> {
    let algorithm = given.text("sse_algorithm")?;
    if !ALGORITHMS.contains(&algorithm.as_str()) {
        return Some(format!("`{algorithm}` is not one of {}", ALGORITHMS.join(", ")));
    }
    let key = given.text("kms_master_key_id")?;
    if algorithm == ALGORITHMS[0] {
        return Some(format!("`{algorithm}` takes no `kms_master_key_id`"));
    }
    key_problem(&key)
}

fn asked(given: Given<'_>) -> Result<ServerSideEncryptionRule, ProviderError> {
    let by_default = match given.blocks(DEFAULT).first().map(Given) {
        Some(given) => {
            let algorithm = given.needed("sse_algorithm")?;
            let builder = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::from(algorithm.as_str()))
                .set_kms_master_key_id(given.text("kms_master_key_id"));
            Some(builder.build().map_err(unbuilt)?)
        }
        None => None,
    };
    Ok(ServerSideEncryptionRule::builder()
        .set_apply_server_side_encryption_by_default(by_default)
        .set_bucket_key_enabled(given.flag(BUCKET_KEY))
        .build())
}

fn told(rule: &ServerSideEncryptionRule) -> Value {
    let default = rule.apply_server_side_encryption_by_default().map(|it| {
        Value::object([
            ("sse_algorithm", Value::from(it.sse_algorithm().as_str())),
            ("kms_master_key_id", filled(it.kms_master_key_id())),
        ])
    });
    Value::object([
        (DEFAULT, Value::list(by_default(), default)),
        (BUCKET_KEY, flag(rule.bucket_key_enabled().filter(|is_set| *is_set))),
    ])
}
