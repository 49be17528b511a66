//! `aws_key_pair`.
//!
//! Names are unique in a region and account, and are the id. A creation that is sent again finds the key pair that it has
//! made by its marker.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Seen, by_tags, resource, tags_of};
use crate::network::{again_is_the_same, is_made_by, unique_name};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{KeyType, ResourceType};
use aws_smithy_types::Blob;
use model::Type;
use model::schema::{Adoption, Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct KeyPair;

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    resource(
        "A public key that machines let in when they start.",
        Adoption { unique_name: true, ..again_is_the_same(by_tags()) },
        [
            (
                "key_name",
                Attribute::optional_computed(Type::String, "Its name; one is made up otherwise.")
                    .forces_replacement(),
            ),
            (
                "key_name_prefix",
                Attribute::optional(Type::String, "What the made up name begins with.")
                    .forces_replacement(),
            ),
            (
                "public_key",
                Attribute::required(
                    Type::String,
                    "The public key as OpenSSH writes it; RSA or ED25519.",
                )
                .forces_replacement(),
            ),
            ("arn", computed("Its Amazon resource name.")),
            ("fingerprint", computed("Its fingerprint.")),
            ("key_pair_id", computed("The id that its tags hang on.")),
            ("key_type", computed("`rsa` or `ed25519`.")),
        ],
    )
}

/// Kind and body of a public key, without the comment.
fn body(key: &str) -> Vec<&str> {
    key.split_whitespace().take(2).collect()
}

fn name(request: &CreateRequest) -> String {
    let given = Given(&request.arguments);
    given.text("key_name").unwrap_or_else(|| {
        let prefix = given.text("key_name_prefix");
        unique_name(prefix.as_deref().unwrap_or("provisioner-"), &request.token)
    })
}

#[async_trait]
impl Kind for KeyPair {
    fn name(&self) -> &'static str {
        "aws_key_pair"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::KeyPair)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if given.text("key_name").is_some() && given.text("key_name_prefix").is_some() {
            let problem = "a key pair has a name or a prefix for one, not both";
            problems.push(("key_name_prefix", problem.to_owned()));
        }
        let key = given.text("public_key");
        let kind = key.as_deref().map(|key| body(key).first().copied().unwrap_or_default());
        match kind {
            None | Some("ssh-rsa" | "ssh-ed25519") => {}
            Some(_) => problems.push((
                "public_key",
                "this is no RSA or ED25519 key as in a file `.pub`: `ssh-ed25519 AAAA...`"
                    .to_owned(),
            )),
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let call = session
            .ec2()
            .await?
            .describe_key_pairs()
            .set_key_names(query.ids())
            .set_filters(query.filters())
            .include_public_key(true);
        let all = session.call("DescribeKeyPairs", call.send()).await?.key_pairs;
        let all = all.unwrap_or_default();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let region = session.region().await?;
        let account = &session.caller().await?.account;
        let seen = all.into_iter().map(|pair| {
            let name = pair.key_name().unwrap_or_default().to_owned();
            let arn = format!("arn:aws:ec2:{region}:{account}:key-pair/{name}");
            let attributes = BTreeMap::from([
                ("key_name", name.as_str().into()),
                ("public_key", text(pair.public_key().map(str::trim_end))),
                ("arn", arn.into()),
                ("fingerprint", text(pair.key_fingerprint())),
                ("key_pair_id", text(pair.key_pair_id())),
                ("key_type", text(pair.key_type().map(KeyType::as_str))),
            ]);
            Seen::ready(name, attributes).tagged(session, tagging::read(pair.tags.as_deref()))
        });
        Ok(seen.collect())
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        // Amazon writes a comment of its own.
        let Some(known) = recorded.0.get("public_key") else { return Ok(()) };
        let told = seen.attributes.get("public_key").and_then(|told| told.as_str());
        let same = known.as_str().zip(told).is_some_and(|(one, other)| body(one) == body(other));
        if same || told.is_none() {
            seen.attributes.insert("public_key", known);
        }
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let name = name(request);
        let key = Given(&request.arguments).needed("public_key")?;
        let tags = tagging::specification(ResourceType::KeyPair, &tags_of(session, request));
        let call = session
            .ec2()
            .await?
            .import_key_pair()
            .key_name(&name)
            .public_key_material(Blob::new(key.into_bytes()))
            .tag_specifications(tags);
        match session.call("ImportKeyPair", call.send()).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                let query = Query::Filters(vec![("key-name".to_owned(), vec![name.clone()])]);
                let there = self.describe(session, &query).await?;
                let is_ours = there.iter().any(|seen| is_made_by(seen, session, request));
                if is_ours { Ok(name) } else { Err(error) }
            }
            made => made.map(|_| name),
        }
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let id = Given(&request.prior).needed("key_pair_id")?;
        tagging::update_at(session, request, &id).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_key_pair().key_name(&request.id);
        session.call("DeleteKeyPair", call.send()).await.map(drop)
    }
}
