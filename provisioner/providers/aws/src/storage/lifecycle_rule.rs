//! One rule of a bucket's lifecycle, between values of the language and the SDK's shapes.
//!
//! Invariants: a rule without a filter is sent with one that lets everything through, which S3 wants; what S3 tells of it
//! is an empty `filter`. What is left out of a rule is null.

use super::setting::unbuilt;
use crate::arguments::{Given, filled, flag, number, text};
use crate::configuration::object;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, Tag, Transition, TransitionStorageClass,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use model::{Number, Type, Value};
use provider::{ErrorClass, ProviderError};

pub(super) const FILTER: &str = "filter";
pub(super) const EXPIRATION: &str = "expiration";
pub(super) const TRANSITION: &str = "transition";
pub(super) const OLD_EXPIRATION: &str = "noncurrent_version_expiration";
pub(super) const OLD_TRANSITION: &str = "noncurrent_version_transition";
pub(super) const ABORT: &str = "abort_incomplete_multipart_upload";
pub(super) const GREATER: &str = "object_size_greater_than";
pub(super) const LESS: &str = "object_size_less_than";
const OLD_DAYS: &str = "noncurrent_days";
const NEWER: &str = "newer_noncurrent_versions";
pub(super) const MARKER: &str = "expired_object_delete_marker";
const AFTER: &str = "days_after_initiation";

fn tag() -> Type {
    object([("key", Type::String, true), ("value", Type::String, true)])
}

fn and() -> Type {
    object([
        ("prefix", Type::String, false),
        ("tags", Type::map(Type::String), false),
        (GREATER, Type::Number, false),
        (LESS, Type::Number, false),
    ])
}

fn filter() -> Type {
    object([
        ("prefix", Type::String, false),
        (GREATER, Type::Number, false),
        (LESS, Type::Number, false),
        ("tag", Type::list(tag()), false),
        ("and", Type::list(and()), false),
    ])
}

fn expiration() -> Type {
    object([
        ("date", Type::String, false),
        ("days", Type::Number, false),
        (MARKER, Type::Bool, false),
    ])
}

fn transition() -> Type {
    object([
        ("date", Type::String, false),
        ("days", Type::Number, false),
        ("storage_class", Type::String, true),
    ])
}

fn old_expiration() -> Type {
    object([(OLD_DAYS, Type::Number, true), (NEWER, Type::Number, false)])
}

fn old_transition() -> Type {
    object([
        (OLD_DAYS, Type::Number, true),
        (NEWER, Type::Number, false),
        ("storage_class", Type::String, true),
    ])
}

fn abort() -> Type {
    object([(AFTER, Type::Number, true)])
}

/// The type of a rule.
pub(super) fn rule() -> Type {
    object([
        ("id", Type::String, true),
        ("status", Type::String, true),
        (FILTER, Type::list(filter()), false),
        (EXPIRATION, Type::list(expiration()), false),
        (TRANSITION, Type::set(transition()), false),
        (OLD_EXPIRATION, Type::list(old_expiration()), false),
        (OLD_TRANSITION, Type::set(old_transition()), false),
        (ABORT, Type::list(abort()), false),
    ])
}

/// A time as S3 takes and tells it.
pub(super) fn date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, Format::DateTime).ok()
}

fn date_of(given: Given<'_>) -> Result<Option<DateTime>, ProviderError> {
    let Some(text) = given.text("date") else { return Ok(None) };
    let parsed = date(&text).ok_or_else(|| {
        ProviderError::new(ErrorClass::Invalid, format!("`{text}` is no date as RFC 3339 has it"))
    });
    parsed.map(Some)
}

fn size(given: Given<'_>, name: &str) -> Option<i64> {
    given.0.get(name)?.as_number().and_then(Number::as_i64)
}

fn tag_of(key: &str, value: &str) -> Result<Tag, ProviderError> {
    Tag::builder().key(key).value(value).build().map_err(unbuilt)
}

/// A rule as S3 takes it.
pub(super) fn asked(given: Given<'_>) -> Result<LifecycleRule, ProviderError> {
    let old = given.blocks(OLD_EXPIRATION).first().map(|block| {
        NoncurrentVersionExpiration::builder()
            .set_noncurrent_days(Given(block).number(OLD_DAYS))
            .set_newer_noncurrent_versions(Given(block).number(NEWER))
            .build()
    });
    let abort = given.blocks(ABORT).first().map(|block| {
        AbortIncompleteMultipartUpload::builder()
            .set_days_after_initiation(Given(block).number(AFTER))
            .build()
    });
    let transitions = given.blocks(TRANSITION);
    let transitions = transitions.iter().map(|block| asked_transition(Given(block)));
    let transitions = transitions.collect::<Result<Vec<_>, _>>()?;
    let old_transitions: Vec<_> =
        given.blocks(OLD_TRANSITION).iter().map(|block| asked_old(Given(block))).collect();
    LifecycleRule::builder()
        .id(given.needed("id")?)
        .status(ExpirationStatus::from(given.needed("status")?.as_str()))
        .filter(asked_filter(given.blocks(FILTER).first().map(Given))?)
        .set_expiration(
            given.blocks(EXPIRATION).first().map(Given).map(asked_expiration).transpose()?,
        )
        .set_transitions(Some(transitions).filter(|it| !it.is_empty()))
        .set_noncurrent_version_expiration(old)
        .set_noncurrent_version_transitions(Some(old_transitions).filter(|it| !it.is_empty()))
        .set_abort_incomplete_multipart_upload(abort)
        .build()
        .map_err(unbuilt)
}

fn asked_filter(given: Option<Given<'_>>) -> Result<LifecycleRuleFilter, ProviderError> {
    let builder = LifecycleRuleFilter::builder();
    let Some(given) = given else { return Ok(builder.prefix("").build()) };
    let prefix = given.text("prefix");
    let tag = match given.blocks("tag").first().map(Given) {
        Some(tag) => Some(tag_of(&tag.needed("key")?, &tag.needed("value")?)?),
        None => None,
    };
    let and = given.blocks("and").first().map(Given).map(asked_and).transpose()?;
    let (greater, less) = (size(given, GREATER), size(given, LESS));
    let is_all = tag.is_none() && and.is_none() && greater.is_none() && less.is_none();
    let prefix = if is_all { prefix.or_else(|| Some(String::new())) } else { prefix };
    Ok(builder
        .set_prefix(prefix)
        .set_tag(tag)
        .set_and(and)
        .set_object_size_greater_than(greater)
        .set_object_size_less_than(less)
        .build())
}

fn asked_and(given: Given<'_>) -> Result<LifecycleRuleAndOperator, ProviderError> {
    let tags = given.map("tags").unwrap_or_default();
    let tags = tags.iter().map(|(key, value)| tag_of(key, value));
    let tags = tags.collect::<Result<Vec<_>, _>>()?;
    Ok(LifecycleRuleAndOperator::builder()
        .set_prefix(given.text("prefix"))
        .set_tags(Some(tags).filter(|it| !it.is_empty()))
        .set_object_size_greater_than(size(given, GREATER))
        .set_object_size_less_than(size(given, LESS))
        .build())
}

fn asked_expiration(given: Given<'_>) -> Result<LifecycleExpiration, ProviderError> {
    Ok(LifecycleExpiration::builder()
        .set_date(date_of(given)?)
        .set_days(given.number("days"))
        .set_expired_object_delete_marker(given.flag(MARKER).filter(|is_set| *is_set))
        .build())
}

fn asked_transition(given: Given<'_>) -> Result<Transition, ProviderError> {
    Ok(Transition::builder()
        .set_date(date_of(given)?)
        .set_days(given.number("days"))
        .storage_class(TransitionStorageClass::from(given.needed("storage_class")?.as_str()))
        .build())
}

fn asked_old(given: Given<'_>) -> NoncurrentVersionTransition {
    let class = given.text("storage_class");
    NoncurrentVersionTransition::builder()
        .set_noncurrent_days(given.number(OLD_DAYS))
        .set_newer_noncurrent_versions(given.number(NEWER))
        .set_storage_class(class.as_deref().map(TransitionStorageClass::from))
        .build()
}

/// What S3 tells of a rule.
pub(super) fn told(it: &LifecycleRule) -> Value {
    let class =
        |class: Option<&TransitionStorageClass>| text(class.map(TransitionStorageClass::as_str));
    let transitions = it.transitions().iter().map(|it| {
        Value::object([
            ("date", told_date(it.date())),
            ("days", number(it.days())),
            ("storage_class", class(it.storage_class())),
        ])
    });
    let old = it.noncurrent_version_expiration().map(|it| {
        Value::object([
            (OLD_DAYS, number(it.noncurrent_days())),
            (NEWER, number(it.newer_noncurrent_versions())),
        ])
    });
    let old_transitions = it.noncurrent_version_transitions().iter().map(|it| {
        Value::object([
            (OLD_DAYS, number(it.noncurrent_days())),
            (NEWER, number(it.newer_noncurrent_versions())),
            ("storage_class", class(it.storage_class())),
        ])
    });
    let aborted = it
        .abort_incomplete_multipart_upload()
        .map(|it| Value::object([(AFTER, number(it.days_after_initiation()))]));
    Value::object([
        ("id", text(it.id())),
        ("status", it.status().as_str().into()),
        (FILTER, list(filter(), it.filter().map(told_filter))),
        (EXPIRATION, list(expiration(), it.expiration().map(told_expiration))),
        (TRANSITION, set(transition(), transitions.collect())),
        (OLD_EXPIRATION, list(old_expiration(), old)),
        (OLD_TRANSITION, set(old_transition(), old_transitions.collect())),
        (ABORT, list(abort(), aborted)),
    ])
}

fn told_filter(it: &LifecycleRuleFilter) -> Value {
    let one_tag = it
        .tag()
        .map(|it| Value::object([("key", Value::from(it.key())), ("value", it.value().into())]));
    let both = it.and().map(|it| {
        let tags = it.tags().iter().map(|tag| (tag.key(), Value::from(tag.value())));
        let tags = if it.tags().is_empty() {
            Value::null(Type::map(Type::String))
        } else {
            Value::map(Type::String, tags)
        };
        Value::object([
            ("prefix", filled(it.prefix())),
            ("tags", tags),
            (GREATER, long(it.object_size_greater_than())),
            (LESS, long(it.object_size_less_than())),
        ])
    });
    Value::object([
        ("prefix", filled(it.prefix())),
        (GREATER, long(it.object_size_greater_than())),
        (LESS, long(it.object_size_less_than())),
        ("tag", list(tag(), one_tag)),
        ("and", list(and(), both)),
    ])
}

fn told_expiration(it: &LifecycleExpiration) -> Value {
    Value::object([
        ("date", told_date(it.date())),
        ("days", number(it.days())),
        (MARKER, flag(it.expired_object_delete_marker().filter(|is_set| *is_set))),
    ])
}

fn told_date(date: Option<&DateTime>) -> Value {
    text(date.and_then(|date| date.fmt(Format::DateTime).ok()).as_deref())
}

fn long(value: Option<i64>) -> Value {
    value.map_or_else(|| Value::null(Type::Number), Value::from)
}

fn list(ty: Type, item: Option<Value>) -> Value {
    match item {
        Some(item) => Value::list(ty, [item]),
        None => Value::null(Type::list(ty)),
    }
}

fn set(ty: Type, items: Vec<Value>) -> Value {
    if items.is_empty() { Value::null(Type::set(ty)) } else { Value::set(ty, items) }
}
