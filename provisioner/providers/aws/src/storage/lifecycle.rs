//! `aws_s3_bucket_lifecycle_configuration`.
//!
//! Making it does not replace rules that are there already and are others: somebody's objects would be deleted by rules
//! that he does not know, or kept for ever.

use super::lifecycle_rule::{
    ABORT, EXPIRATION, FILTER, GREATER, LESS, MARKER, OLD_EXPIRATION, OLD_TRANSITION, TRANSITION,
    asked, date, rule, told,
};
use super::setting::{Setting, Told, unbuilt};
use crate::arguments::as_given;
use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::Seen;
use async_trait::async_trait;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, LifecycleRule, TransitionDefaultMinimumObjectSize,
};
use model::schema::Attribute;
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeSet;

pub(crate) struct Lifecycle;

const LEAST_SIZE: &str = "transition_default_minimum_object_size";
const LEAST_SIZES: [&str; 2] = ["all_storage_classes_128K", "varies_by_storage_class"];
const STORAGE_CLASSES: [&str; 6] =
    ["DEEP_ARCHIVE", "GLACIER", "GLACIER_IR", "INTELLIGENT_TIERING", "ONEZONE_IA", "STANDARD_IA"];
/// Blocks of which a rule has one at most.
const SINGLE: [&str; 4] = [FILTER, EXPIRATION, OLD_EXPIRATION, ABORT];
const DAY_S: i64 = 24 * 60 * 60;

#[async_trait]
impl Setting for Lifecycle {
    fn name(&self) -> &'static str {
        "aws_s3_bucket_lifecycle_configuration"
    }

    fn description(&self) -> &'static str {
        "What becomes of a bucket's objects as they grow old."
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            (
                "rule",
                Attribute::required(
                    Type::list(rule()),
                    "A rule: which objects (`filter`), and what becomes of them.",
                )
                .as_blocks(1, None),
            ),
            (
                LEAST_SIZE,
                Attribute::optional_computed(
                    Type::String,
                    "Which objects are too small to be moved: `all_storage_classes_128K` or `varies_by_storage_class`.",
                ),
            ),
        ]
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let rules = given.blocks("rule");
        let mut ids = BTreeSet::new();
        for rule in rules.iter().map(Given) {
            let id = rule.text("id");
            if let Some(id) = &id
                && !ids.insert(id.clone())
            {
                problems.push(("rule", format!("two rules have the id `{id}`")));
            }
            let name = id.map_or_else(String::new, |id| format!("the rule `{id}`: "));
            let found = rule_problems(rule).into_iter();
            problems.extend(found.map(|problem| ("rule", format!("{name}{problem}"))));
        }
        if let Some(size) = given.text(LEAST_SIZE)
            && !LEAST_SIZES.contains(&size.as_str())
        {
            problems
                .push((LEAST_SIZE, format!("`{size}` is not one of {}", LEAST_SIZES.join(", "))));
        }
        problems
    }

    async fn get(&self, session: &Session, bucket: &str) -> Result<Option<Told>, ProviderError> {
        let call = session.s3().await?.get_bucket_lifecycle_configuration().bucket(bucket);
        let answer = session.call("GetBucketLifecycleConfiguration", call.send()).await?;
        let rules: Vec<Value> = answer.rules().iter().map(told).collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let mut all = Told::from([("rule", Value::list(rule(), rules))]);
        if let Some(size) = answer.transition_default_minimum_object_size() {
            all.insert(LEAST_SIZE, text(Some(size.as_str())));
        }
        Ok(Some(all))
    }

    async fn put(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
        before: Option<Given<'_>>,
    ) -> Result<(), ProviderError> {
        if before.is_none() {
            self.no_others(session, bucket, given).await?;
        }
        let rules = given.blocks("rule");
        let rules: Result<Vec<LifecycleRule>, _> =
            rules.iter().map(|rule| asked(Given(rule))).collect();
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules?));
        let size = given.text(LEAST_SIZE);
        let call = session
            .s3()
            .await?
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(configuration.build().map_err(unbuilt)?)
            .set_transition_default_minimum_object_size(
                size.as_deref().map(TransitionDefaultMinimumObjectSize::from),
            );
        session.call("PutBucketLifecycleConfiguration", call.send()).await.map(drop)
    }

    async fn clear(
        &self,
        session: &Session,
        bucket: &str,
        _recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        let call = session.s3().await?.delete_bucket_lifecycle().bucket(bucket);
        session.call("DeleteBucketLifecycle", call.send()).await.map(drop)
    }

    /// The order of rules means nothing.
    fn settle(&self, seen: &mut Seen, recorded: Given<'_>) {
        let ids: Vec<Option<String>> =
            recorded.blocks("rule").iter().map(|rule| Given(rule).text("id")).collect();
        let Some(told) = seen.attributes.get("rule") else { return };
        let mut rules = told.as_items().unwrap_or_default().to_vec();
        let place = |rule: &Value| {
            let id = Given(rule).text("id");
            ids.iter().position(|other| *other == id).unwrap_or(ids.len())
        };
        rules.sort_by_key(place);
        seen.attributes.insert("rule", Value::list(rule(), rules));
    }
}

impl Lifecycle {
    /// Refuses a bucket that has rules already, unless they are just these.
    async fn no_others(
        &self,
        session: &Session,
        bucket: &str,
        given: Given<'_>,
    ) -> Result<(), ProviderError> {
        let there = match self.get(session, bucket).await {
            Err(error) if error.message.contains("NoSuchLifecycleConfiguration") => return Ok(()),
            answer => answer?,
        };
        let Some(told) = there else { return Ok(()) };
        let mut seen = Seen::ready(bucket.to_owned(), told);
        self.settle(&mut seen, given);
        let wanted = given.0.get("rule");
        let is_same = wanted.is_none_or(|wanted| {
            seen.attributes
                .get("rule")
                .is_some_and(|told| as_given(told, &wanted).same_content(&wanted))
        });
        if is_same {
            return Ok(());
        }
        let message = format!("the bucket `{bucket}` has other lifecycle rules already");
        Err(ProviderError::new(ErrorClass::Conflict, message).with_hint(format!(
            "take them over with an `import` block with `id = \"{bucket}\"`, or delete them first"
        )))
    }
}

fn rule_problems(rule: Given<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(status) = rule.text("status")
        && !["Enabled", "Disabled"].contains(&status.as_str())
    {
        problems.push(format!("`status` is `{status}`, neither `Enabled` nor `Disabled`"));
    }
    for name in SINGLE {
        if rule.blocks(name).len() > 1 {
            problems.push(format!("it has more than one `{name}` block"));
        }
    }
    let is_known = rule.0.is_wholly_known();
    let acts = [EXPIRATION, TRANSITION, OLD_EXPIRATION, OLD_TRANSITION, ABORT];
    if is_known && acts.iter().all(|name| rule.blocks(name).is_empty()) {
        problems.push(format!("it does nothing: give one of {}", acts.join(", ")));
    }
    problems.extend(rule.blocks(FILTER).iter().filter_map(|it| filter_problem(Given(it))));
    problems.extend(rule.blocks(EXPIRATION).iter().flat_map(|it| expiration_problems(Given(it))));
    for transition in &rule.blocks(TRANSITION) {
        problems.extend(time_problem(Given(transition), "transition"));
    }
    for name in [TRANSITION, OLD_TRANSITION] {
        let blocks = rule.blocks(name);
        let classes = blocks.iter().filter_map(|it| Given(it).text("storage_class"));
        problems.extend(classes.filter(|it| !STORAGE_CLASSES.contains(&it.as_str())).map(|it| {
            format!("`storage_class` is `{it}`, not one of {}", STORAGE_CLASSES.join(", "))
        }));
    }
    problems
}

/// S3 takes one condition alone, or several in `and`.
fn filter_problem(filter: Given<'_>) -> Option<String> {
    let is_there = |name: &&str| filter.0.get(name).is_some_and(|value| !value.is_null());
    let given: Vec<&str> = ["prefix", GREATER, LESS]
        .into_iter()
        .filter(is_there)
        .chain(["tag", "and"].into_iter().filter(|name| !filter.blocks(name).is_empty()))
        .collect();
    (given.len() > 1).then(|| {
        format!("`filter` has {}: put several conditions into one `and` block", given.join(" and "))
    })
}

fn expiration_problems(expiration: Given<'_>) -> Vec<String> {
    let has_time = expiration.text("date").is_some() || expiration.number("days").is_some();
    let problem = (has_time && expiration.flag(MARKER) == Some(true))
        .then(|| format!("`expiration` with `{MARKER}` has neither `days` nor `date`"));
    time_problem(expiration, EXPIRATION).into_iter().chain(problem).collect()
}

fn time_problem(block: Given<'_>, name: &str) -> Option<String> {
    let text = block.text("date")?;
    if block.number("days").is_some() {
        return Some(format!("`{name}` has both `days` and `date`"));
    }
    let is_midnight = date(&text).is_some_and(|date| date.secs() % DAY_S == 0);
    let is_told_so = is_midnight && text.ends_with("T00:00:00Z");
    (!is_told_so).then(|| {
        format!(
            "`date` of `{name}` is `{text}`: write midnight in UTC, such as 2030-01-01T00:00:00Z"
        )
    })
}
