//! `aws_s3_bucket`.
//!
//! Names of buckets are unique among all accounts, and say which bucket is meant: it is looked up by its name. A name that
//! the configuration leaves out is made from the creation's token, so that the same creation asks for the same name.
//!
//! Marker: the tags are part of CreateBucket (`CreateBucketConfiguration.tags`). A store that passes over them there, as
//! some that are not Amazon's do, gets them by PutBucketTagging right after. If the program dies in between, the bucket
//! has no tags at all; whether a person made it then cannot be told, so it is not taken: the conflict says how to import it.
//!
//! Listing what is owned: S3 cannot select buckets by tag. The buckets of the account in the provider's region are listed,
//! a thousand a call, and each is asked for its tags. That is done only to look for what is lost, never in a plan.
//!
//! Refuses to know: what is in a bucket, until `force_destroy` says to throw it away.

use super::partition;
use super::setting::unbuilt;
use crate::arguments::{Given, with};
use crate::client::Session;
use crate::kind::{Kind, Seen, by_tags, resource, tags_of};
use crate::marker::{self, Tags};
use crate::query::Query;
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, ObjectIdentifier,
    ObjectLockEnabled, Tag, Tagging,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::schema::{Adoption, Attribute, ResourceSchema};
use model::{Type, Value};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, ProviderError, UpdateRequest,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Bucket;

const LOCK: &str = "object_lock_enabled";
const DESTROY: &str = "force_destroy";
/// The region whose buckets have no location, and where making one's own bucket again is no error.
const FIRST_REGION: &str = "us-east-1";
/// What generated names begin with if nothing else is asked for.
const PREFIX: &str = "provisioner-";
/// Characters of a generated name after its prefix, as Terraform has them.
const GENERATED: usize = 26;
const LONGEST_PREFIX: usize = 63 - GENERATED;
/// Buckets that are asked at the same time.
const AT_ONCE: usize = 16;
/// Objects that one call deletes at most.
const DELETED_AT_ONCE: usize = 1_000;
/// Buckets a page at most.
const PAGE: i32 = 1_000;
/// For how long a bucket or its tags may not show: changes of buckets are "eventually consistent" without a bound
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>).
pub(super) const SETTLE_MS: u64 = 60 * 1_000;

#[async_trait]
impl Kind for Bucket {
    fn name(&self) -> &'static str {
        "aws_s3_bucket"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        None
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(name) = given.text("bucket") {
            problems.extend(name_problem(&name).map(|problem| ("bucket", problem)));
            if given.text("bucket_prefix").is_some() {
                problems.push((
                    "bucket_prefix",
                    "it goes with no `bucket`: give one of them".to_owned(),
                ));
            }
        }
        if let Some(prefix) = given.text("bucket_prefix") {
            problems.extend(prefix_problem(&prefix).map(|problem| ("bucket_prefix", problem)));
        }
        problems
    }

    fn by_name(&self, request: &FindRequest) -> Option<Query> {
        let name = name_of(Given(&request.arguments), &request.token);
        Some(Query::Ids(vec![name]))
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let region = session.region().await?;
        let (names, is_named) = match query {
            Query::Ids(names) => (names.clone(), true),
            Query::Filters(_) | Query::Alike(_) => (Vec::new(), true),
            Query::Owned(_) | Query::Marked { .. } => (own_buckets(session, region).await?, false),
        };
        let looks = names.into_iter().map(|name| async move {
            match Box::pin(look(session, region, &name)).await {
                Err(error) if error.class == ErrorClass::NotFound => Ok(None),
                // A stranger's bucket need not let everybody read its tags.
                Err(error) if error.class == ErrorClass::Denied && !is_named => Ok(None),
                answer => answer.map(Some),
            }
        });
        let found: Vec<Option<Seen>> =
            stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
        let is_asked_for = |seen: &Seen| match query {
            Query::Owned(lineage) => seen.tags.get(marker::LINEAGE) == Some(lineage),
            Query::Marked { lineage, tokens } => {
                seen.tags.get(marker::LINEAGE) == Some(lineage)
                    && seen.tags.get(marker::TOKEN).is_some_and(|token| tokens.contains(token))
            }
            _ => true,
        };
        Ok(found.into_iter().flatten().filter(is_asked_for).collect())
    }

    async fn found(
        &self,
        session: &Session,
        seen: &mut Seen,
        asked: Given<'_>,
    ) -> Result<(), ProviderError> {
        // Nothing has recorded yet that what is in it may be thrown away.
        let unsaid = with(asked.0, DESTROY, Value::null(Type::Bool));
        self.complete(session, seen, Given(&unsaid)).await
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        // Nothing in the cloud: it is for the deletion.
        if recorded.flag(DESTROY).is_none() {
            seen.attributes.insert(DESTROY, false.into());
        }
        if recorded.flag(LOCK) != Some(false) {
            let is_locked = has_lock(session, &seen.id).await?;
            seen.attributes.insert(LOCK, is_locked.into());
        }
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let name = name_of(Given(&request.arguments), &request.token);
        let tags = tags_of(session, request);
        let region = session.region().await?;
        if region == FIRST_REGION {
            // There S3 takes a second creation for the first one.
            not_there(session, &name).await?;
        }
        let lock = Given(&request.arguments).flag(LOCK).filter(|lock| *lock);
        let location = Some(region).filter(|region| *region != FIRST_REGION);
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(location.map(BucketLocationConstraint::from))
            .set_tags(Some(list(&tags)?))
            .build();
        let call = session
            .s3()
            .await?
            .create_bucket()
            .bucket(&name)
            .create_bucket_configuration(configuration)
            .set_object_lock_enabled_for_bucket(lock);
        match session.call("CreateBucket", call.send()).await {
            Ok(_) => {}
            Err(error) => return Err(taken(session, &name, error).await),
        }
        let is_marked = tags_on(session, &name).await.map_err(ProviderError::maybe_done)?;
        if is_marked.get(marker::TOKEN) != tags.get(marker::TOKEN) {
            put_tags(session, &name, &tags).await.map_err(ProviderError::maybe_done)?;
        }
        Ok(name)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let mut wanted = session.configuration.default_tags.clone();
        wanted.extend(Given(&request.arguments).map("tags").unwrap_or_default());
        let there = tags_on(session, &request.id).await?;
        if marker::without_marker(&there) == wanted {
            return Ok(());
        }
        // S3 sets all tags or none: the marker and Amazon's own stay.
        let kept = there.into_iter().filter(|(key, _)| !marker::is_settable(key));
        wanted.extend(kept);
        put_tags(session, &request.id, &wanted).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let recorded = Given(&request.attributes);
        if recorded.flag(DESTROY) == Some(true) {
            let is_locked = recorded.flag(LOCK) == Some(true);
            empty(session, request, is_locked).await?;
        }
        let call = session.s3().await?.delete_bucket().bucket(&request.id);
        session.call("DeleteBucket", call.send()).await.map(drop).map_err(|error| {
            if !error.message.contains("BucketNotEmpty") {
                return error;
            }
            let hint = "empty it, or set `force_destroy = true` and apply that first: then whatever is in it is deleted with it";
            ProviderError { class: ErrorClass::Conflict, ..error }.with_hint(hint)
        })
    }
}

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    let adoption = Adoption { unique_name: true, settle_ms: SETTLE_MS, ..by_tags() };
    resource(
        "A bucket of S3.",
        adoption,
        [
            (
                "bucket",
                Attribute::optional_computed(
                    Type::String,
                    "Its name, unique among all buckets of all accounts; otherwise one is made up.",
                )
                .forces_replacement(),
            ),
            (
                "bucket_prefix",
                Attribute::optional(Type::String, "What a name that is made up begins with.")
                    .forces_replacement(),
            ),
            (
                DESTROY,
                Attribute::optional(
                    Type::Bool,
                    "Whether whatever is in it is deleted with it; otherwise only an empty one can be deleted.",
                )
                .with_default(false.into()),
            ),
            (
                LOCK,
                Attribute::optional(
                    Type::Bool,
                    "Whether objects can be locked against deletion; it then keeps versions.",
                )
                .with_default(false.into())
                .forces_replacement(),
            ),
            ("arn", computed("Its Amazon resource name.")),
            ("region", computed("The region that it is in.")),
            ("bucket_domain_name", computed("Its domain name.")),
            ("bucket_regional_domain_name", computed("Its domain name in its region.")),
        ],
    )
}

/// The name that a creation asks for.
fn name_of(given: Given<'_>, token: &str) -> String {
    given.text("bucket").unwrap_or_else(|| {
        let prefix = given.text("bucket_prefix").unwrap_or_else(|| PREFIX.to_owned());
        let digest = model::digest::sha256_hex(token.as_bytes());
        format!("{prefix}{}", &digest[..GENERATED])
    })
}

/// The rules of names: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
fn name_problem(name: &str) -> Option<String> {
    if !(3..=63).contains(&name.len()) {
        return Some(format!("`{name}` must have 3 to 63 characters"));
    }
    if let Some(problem) = characters_problem(name) {
        return Some(problem);
    }
    if !name.ends_with(|it: char| it.is_ascii_alphanumeric()) {
        return Some(format!("`{name}` must end with a letter or digit"));
    }
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    is_address.then(|| format!("`{name}` looks like an address"))
}

fn prefix_problem(prefix: &str) -> Option<String> {
    if prefix.is_empty() || prefix.len() > LONGEST_PREFIX {
        return Some(format!("`{prefix}` must have 1 to {LONGEST_PREFIX} characters"));
    }
    characters_problem(prefix)
}

fn characters_problem(name: &str) -> Option<String> {
    let is_allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
    if let Some(other) = name.chars().find(|it| !is_allowed(*it)) {
        return Some(format!("`{other}` in `{name}` is no small letter, digit, dot or hyphen"));
    }
    if !name.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        return Some(format!("`{name}` must begin with a letter or digit"));
    }
    name.contains("..").then(|| format!("`{name}` has two dots together"))
}

/// The account's buckets in a region.
async fn own_buckets(session: &Session, region: &str) -> Result<Vec<String>, ProviderError> {
    let mut names = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let asking = session
            .s3()
            .await?
            .list_buckets()
            .bucket_region(region)
            .max_buckets(PAGE)
            .set_continuation_token(next.take());
        let page = session.call("ListBuckets", asking.send()).await?;
        names.extend(page.buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned)));
        next = page.continuation_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(names);
        }
    }
}

/// What the cloud shows of a bucket.
async fn look(session: &Session, region: &str, name: &str) -> Result<Seen, ProviderError> {
    let (place, tags) = futures::join!(place_of(session, name), tags_on(session, name));
    let place = place?;
    let place = place.as_deref().unwrap_or(region);
    if place != region {
        return Err(elsewhere(name, place, region));
    }
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let attributes = BTreeMap::from([
        ("bucket", name.into()),
        ("arn", format!("arn:{}:s3:::{name}", partition(region)).into()),
        ("region", region.into()),
        ("bucket_domain_name", format!("{name}.s3.{suffix}").into()),
        ("bucket_regional_domain_name", format!("{name}.s3.{region}.{suffix}").into()),
    ]);
    Ok(Seen::ready(name.to_owned(), attributes).tagged(session, tags?))
}

/// The region of a bucket, if the cloud says it. One in another region is answered with a redirection, which says it, too.
async fn place_of(session: &Session, name: &str) -> Result<Option<String>, ProviderError> {
    let call = session.s3().await?.head_bucket().bucket(name);
    let place = std::sync::Mutex::new(None);
    let sending = async {
        let answer = call.send().await;
        if let Err(error) = &answer
            && let Some(raw) = error.raw_response()
            && let Some(region) = raw.headers().get("x-amz-bucket-region")
            && raw.status().as_u16() == 301
            && let Ok(mut place) = place.lock()
        {
            *place = Some(region.to_owned());
        }
        answer
    };
    let answer = session.call("HeadBucket", sending).await;
    match place.into_inner().ok().flatten() {
        Some(region) => Ok(Some(region)),
        None => Ok(answer?.bucket_region),
    }
}

fn elsewhere(name: &str, place: &str, region: &str) -> ProviderError {
    let message = format!("the bucket `{name}` is in the region {place}, not in {region}");
    ProviderError::new(ErrorClass::Invalid, message)
        .with_hint(format!("use a provider with `region = \"{place}\"` for it"))
}

/// All tags of a bucket, our marker and Amazon's own among them.
async fn tags_on(session: &Session, name: &str) -> Result<Tags, ProviderError> {
    let call = session.s3().await?.get_bucket_tagging().bucket(name);
    match session.call("GetBucketTagging", call.send()).await {
        Ok(answer) => {
            let one = |tag: &Tag| (tag.key().to_owned(), tag.value().to_owned());
            Ok(answer.tag_set().iter().map(one).collect())
        }
        Err(error) if error.message.contains("NoSuchTagSet") => Ok(Tags::new()),
        Err(error) => Err(error),
    }
}

fn list(tags: &Tags) -> Result<Vec<Tag>, ProviderError> {
    let one = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(one).collect::<Result<_, _>>().map_err(unbuilt)
}

async fn put_tags(session: &Session, name: &str, tags: &Tags) -> Result<(), ProviderError> {
    let tagging = Tagging::builder().set_tag_set(Some(list(tags)?)).build().map_err(unbuilt)?;
    let call = session.s3().await?.put_bucket_tagging().bucket(name).tagging(tagging);
    session.call("PutBucketTagging", call.send()).await.map(drop)
}

async fn has_lock(session: &Session, name: &str) -> Result<bool, ProviderError> {
    let call = session.s3().await?.get_object_lock_configuration().bucket(name);
    match session.call("GetObjectLockConfiguration", call.send()).await {
        Ok(answer) => {
            let lock = answer.object_lock_configuration().and_then(|it| it.object_lock_enabled());
            Ok(lock == Some(&ObjectLockEnabled::Enabled))
        }
        Err(error) if error.message.contains("ObjectLockConfigurationNotFound") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a name that there is a bucket of.
async fn not_there(session: &Session, name: &str) -> Result<(), ProviderError> {
    match place_of(session, name).await {
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        Err(error) if error.class == ErrorClass::Denied => Err(strangers(name)),
        Err(error) => Err(error),
        Ok(_) => Err(ours(session, name).await),
    }
}

/// What a refused creation means.
async fn taken(session: &Session, name: &str, error: ProviderError) -> ProviderError {
    if error.message.contains("BucketAlreadyOwnedByYou") {
        ours(session, name).await
    } else if error.message.contains("BucketAlreadyExists") {
        strangers(name)
    } else {
        error
    }
}

/// The name of another account's bucket: no creation of ours can have made that.
fn strangers(name: &str) -> ProviderError {
    let message = format!("the name `{name}` is taken by a bucket of another account");
    ProviderError::new(ErrorClass::Invalid, message)
        .with_hint("all accounts share the names of buckets: choose another")
}

/// The name of a bucket of this account. If it is of this very creation, the engine finds that out by its tags.
async fn ours(session: &Session, name: &str) -> ProviderError {
    let conflict = |message: String| ProviderError::new(ErrorClass::Conflict, message);
    let tags = match tags_on(session, name).await {
        Err(error) if error.class == ErrorClass::NotFound => Tags::new(),
        Err(error) => return error,
        Ok(tags) => tags,
    };
    match tags.get(marker::LINEAGE) {
        Some(lineage) if *lineage == session.owner.lineage => {
            conflict(format!("there is a bucket `{name}` of this environment already"))
        }
        Some(lineage) => conflict(format!(
            "there is a bucket `{name}` in this account already, of the environment with the lineage {lineage}"
        ))
        .with_hint("choose another name, or take it out of that environment first"),
        None => conflict(format!(
            "there is a bucket `{name}` in this account already, and nothing says that an environment made it"
        ))
        .with_hint(format!(
            "choose another name, or take it over with an `import` block with `id = \"{name}\"`"
        )),
    }
}

/// Deletes whatever is in a bucket, page by page: all versions of all objects, and the marks of deleted ones. It ends, as
/// what cannot be deleted, or shows again, is an error.
async fn empty(
    session: &Session,
    request: &DeleteRequest,
    is_locked: bool,
) -> Result<(), ProviderError> {
    let mut first = None;
    loop {
        // From the beginning each time: what was there is gone.
        let asking = session.s3().await?.list_object_versions().bucket(&request.id);
        let page = session.call("ListObjectVersions", asking.send()).await?;
        let there = page.versions().iter().map(|it| (it.key(), it.version_id()));
        let marks = page.delete_markers().iter().map(|it| (it.key(), it.version_id()));
        let objects = there.chain(marks).filter_map(|(key, version)| Some((key?, version)));
        let objects = objects.map(|(key, version)| {
            let object = ObjectIdentifier::builder().key(key);
            object.set_version_id(version.map(str::to_owned)).build().map_err(unbuilt)
        });
        let objects = objects.collect::<Result<Vec<_>, _>>()?;
        if objects.is_empty() {
            return Ok(());
        }
        if first.as_ref() == objects.first() {
            let key = objects.first().map_or("", ObjectIdentifier::key);
            let message =
                format!("`{key}` in the bucket `{}` was deleted and still shows", request.id);
            return Err(ProviderError::new(ErrorClass::Transient, message));
        }
        first = objects.first().cloned();
        request.progress.step("deleting what is in it");
        for some in objects.chunks(DELETED_AT_ONCE) {
            throw_away(session, &request.id, some.to_vec(), is_locked).await?;
        }
    }
}

async fn throw_away(
    session: &Session,
    bucket: &str,
    objects: Vec<ObjectIdentifier>,
    is_locked: bool,
) -> Result<(), ProviderError> {
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let call = session
        .s3()
        .await?
        .delete_objects()
        .bucket(bucket)
        .delete(delete.map_err(unbuilt)?)
        .set_bypass_governance_retention(is_locked.then_some(true));
    let answer = session.call("DeleteObjects", call.send()).await?;
    let Some(first) = answer.errors().first() else { return Ok(()) };
    let key = first.key().unwrap_or_default();
    let why = first.message().or(first.code()).unwrap_or("no explanation");
    let message =
        format!("DeleteObjects: `{key}` in the bucket `{bucket}` cannot be deleted: {why}");
    Err(ProviderError::new(ErrorClass::Denied, message))
}
