//! The conformance suite of the Provider port: every provider runs it over each resource type of its own.
//!
//! It checks what the engine relies on: creation, finding, listing, reading, importing, updating in place, deleting twice, answers
//! that fit the schema, and that what the type's [`Adoption`](model::schema::Adoption) declares holds. Refuses to know
//! any provider.

mod adoption;
mod lookup;

pub use adoption::among_strangers;

use crate::{
    CreateRequest, DeleteRequest, FindRequest, Lookup, Object, Provider, ReadRequest, Silent,
    UpdateRequest,
};
use model::convert::convert;
use model::plan::Observation;
use model::{Address, Value};
use std::sync::Arc;

/// One object to try with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The instance.
    pub address: Address,
    /// All its arguments.
    pub arguments: Value,
    /// Arguments that an update in place can bring it to, if it has any.
    pub changed: Option<Value>,
}

impl Case {
    /// The request to make it.
    pub fn create(&self, token: &str) -> CreateRequest {
        CreateRequest {
            address: self.address.clone(),
            token: token.to_owned(),
            arguments: self.arguments.clone(),
            batch: None,
            progress: Arc::new(Silent),
        }
    }

    /// The request to find it.
    pub fn find(&self, token: &str, by: Lookup) -> FindRequest {
        FindRequest {
            address: self.address.clone(),
            token: token.to_owned(),
            arguments: self.arguments.clone(),
            batch: None,
            by,
        }
    }

    fn read(&self, object: &Object) -> ReadRequest {
        ReadRequest {
            address: self.address.clone(),
            id: object.id.clone(),
            attributes: object.attributes.clone(),
        }
    }

    fn update(&self, object: &Object, arguments: &Value) -> UpdateRequest {
        UpdateRequest {
            address: self.address.clone(),
            token: "conformance-update".to_owned(),
            id: object.id.clone(),
            prior: object.attributes.clone(),
            arguments: arguments.clone(),
            progress: Arc::new(Silent),
        }
    }

    fn delete(&self, object: &Object) -> DeleteRequest {
        DeleteRequest {
            address: self.address.clone(),
            id: object.id.clone(),
            attributes: object.attributes.clone(),
            progress: Arc::new(Silent),
        }
    }
}

/// A part of the contract that a provider breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {found}")]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen instead.
    pub found: String,
}

fn broken(rule: &'static str, found: impl Into<String>) -> Violation {
    Violation { rule, found: found.into() }
}

/// The token of the one creation of the suite.
const TOKEN: &str = "conformance";
/// Another one: clouds remember that the object of the first was made and deleted.
const AMONG_STRANGERS: &str = "conformance-strangers";

/// Runs the whole suite over one object, which is gone at the end.
pub async fn run(provider: &dyn Provider, case: &Case) -> Result<(), Violation> {
    adoption::never_made(provider, case).await?;
    let object = adoption::made_once(provider, case).await?;
    adoption::found(provider, case, TOKEN, &object).await?;
    adoption::listed(provider, case, TOKEN, &object).await?;
    reads_as_made(provider, case, &object).await?;
    lookup::imported(provider, case, &object).await?;
    lookup::data_found(provider, case, &object).await?;
    let object = updated_twice(provider, case, object).await?;
    lookup::data_found(provider, case, &object).await?;
    deleted_twice(provider, case, &object).await?;
    lookup::imported_no_more(provider, case, &object).await?;
    lookup::data_found_no_more(provider, case, &object).await?;
    adoption::found_no_more(provider, case, &object).await
}

/// The same for objects that exist nowhere but in the state: they are as recorded, nothing is ever found or listed, and
/// a deletion has nothing to do.
pub async fn run_recorded_only(provider: &dyn Provider, case: &Case) -> Result<(), Violation> {
    let declared = provider.schema().resources.get(case.address.kind());
    if declared.is_none_or(|declared| !declared.recorded_only) {
        return Err(broken("it is declared", "the resource type does not say `recorded_only`"));
    }
    adoption::never_made(provider, case).await?;
    let object = adoption::made_once(provider, case).await?;
    reads_as_made(provider, case, &object).await?;
    lookup::imported(provider, case, &object).await?;
    let object = updated_twice(provider, case, object).await?;
    for _ in 0..2 {
        let rule = "a deletion sent twice succeeds";
        let deleted = provider.delete(case.delete(&object)).await;
        deleted.map_err(|error| broken(rule, error.to_string()))?;
    }
    adoption::found_no_more(provider, case, &object).await?;
    match provider.list_owned().await {
        Ok(owned) if owned.is_empty() => Ok(()),
        other => Err(broken("nothing is listed", format!("{other:?}"))),
    }
}

async fn reads_as_made(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "an object reads as it was made: no drift without a cause";
    let requests = [case.read(object), case.read(object)];
    let answers = provider.read_many(&requests).await;
    if answers.len() != requests.len() {
        return Err(broken("one answer a request", answers.len().to_string()));
    }
    for answer in answers {
        match answer {
            Ok(Observation::Present(seen)) => {
                fits(provider, case, &seen)?;
                same(provider, case, rule, &seen, &object.attributes)?;
            }
            other => return Err(broken(rule, format!("{other:?}"))),
        }
    }
    Ok(())
}

async fn updated_twice(
    provider: &dyn Provider,
    case: &Case,
    object: Object,
) -> Result<Object, Violation> {
    let rule = "an update sent twice is done once and keeps the identity";
    let Some(changed) = &case.changed else {
        return Ok(object);
    };
    let mut latest = object.clone();
    for _ in 0..2 {
        latest = provider
            .update(case.update(&object, changed))
            .await
            .map_err(|error| broken(rule, error.to_string()))?;
        fits(provider, case, &latest.attributes)?;
        keeps(&latest.attributes, changed)?;
        if latest.id != object.id {
            return Err(broken(rule, format!("{} became {}", object.id, latest.id)));
        }
    }
    reads_as_made(provider, case, &latest).await?;
    Ok(latest)
}

async fn deleted_twice(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a deletion sent twice succeeds, and nothing is left";
    for _ in 0..2 {
        provider
            .delete(case.delete(object))
            .await
            .map_err(|error| broken(rule, error.to_string()))?;
    }
    match provider.read_many(&[case.read(object)]).await.pop() {
        Some(Ok(Observation::Absent(_))) => Ok(()),
        other => Err(broken(rule, format!("{other:?}"))),
    }
}

/// Every attribute of the schema is there, known and of its type; secrets are not judged by their marks here.
fn fits(provider: &dyn Provider, case: &Case, attributes: &Value) -> Result<(), Violation> {
    let rule = "attributes fit the schema and are wholly known";
    let kind = case.address.kind();
    let schema = provider.schema().resources.get(kind);
    let schema = schema.ok_or_else(|| broken("the type is in the schema", kind))?;
    for (name, attribute) in &schema.attributes {
        let value = attributes.get(name).ok_or_else(|| broken(rule, format!("no `{name}`")))?;
        convert(&value, &attribute.ty)
            .map_err(|error| broken(rule, format!("`{name}`: {error}")))?;
        if !value.is_wholly_known() {
            return Err(broken(rule, format!("`{name}` is unknown")));
        }
        if let Some(expected) = &attribute.expected
            && !value.same_content(expected)
        {
            let found = format!("`{name}` is {value:?}, expected {expected:?}");
            return Err(broken("an object just made or changed is well", found));
        }
    }
    Ok(())
}

/// What the configuration gave is what the object has.
fn keeps(attributes: &Value, arguments: &Value) -> Result<(), Violation> {
    let rule = "given arguments appear unchanged among the attributes";
    for (name, given) in arguments.as_entries().into_iter().flatten() {
        let is_kept = given.is_null()
            || attributes.get(name).is_some_and(|kept| {
                kept.same_content(given)
                    || convert(given, &kept.ty()).is_ok_and(|given| given.same_content(&kept))
            });
        if !is_kept {
            return Err(broken(rule, format!("`{name}` differs")));
        }
    }
    Ok(())
}

fn same(
    provider: &dyn Provider,
    case: &Case,
    rule: &'static str,
    seen: &Value,
    made: &Value,
) -> Result<(), Violation> {
    let schema = provider.schema().resources.get(case.address.kind());
    for (name, attribute) in schema.into_iter().flat_map(|schema| &schema.attributes) {
        let typed = |value: &Value| {
            let value = value.get(name).unwrap_or_else(|| Value::null(attribute.ty.clone()));
            convert(&value, &attribute.ty).unwrap_or(value)
        };
        if !typed(seen).same_content(&typed(made)) {
            return Err(broken(rule, format!("`{name}` differs")));
        }
    }
    Ok(())
}
