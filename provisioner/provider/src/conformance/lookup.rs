//! The part of the suite about looking at what is there: importing an object by its identity, reading a data source.
//!
//! A resource type need not be importable, and need not have a data source of its name; what is offered must hold.

use super::{Case, Violation, broken, same};
use crate::{DataRequest, ErrorClass, ImportRequest, Object, Provider, ProviderError};
use model::schema::Mode;
use model::{Address, Value};

/// An object that is there is imported as it is read, twice, and next to one that is not there.
pub(super) async fn imported(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "an object is imported by its identity, as it is read";
    let request = |id: &str| ImportRequest {
        address: case.address.clone(),
        id: id.to_owned(),
        arguments: case.arguments.clone(),
    };
    for _ in 0..2 {
        let requests = [request("conformance-nowhere"), request(&object.id)];
        let answers = provider.import(&requests).await;
        let [nothing, found] = answers.as_slice() else {
            return Err(broken("one answer a request", answers.len().to_string()));
        };
        match found {
            Err(error) if error.class == ErrorClass::Invalid => return Ok(()),
            Ok(Some(found)) if found.id == object.id => {
                told_as(provider, case, rule, &found.attributes, &object.attributes)?;
            }
            other => return Err(broken(rule, told(other))),
        }
        if !is_recorded_only(provider, case) && !matches!(nothing, Ok(None)) {
            return Err(broken("what is not there is not imported", told(nothing)));
        }
    }
    Ok(())
}

/// What is deleted cannot be imported any more.
pub(super) async fn imported_no_more(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let request = ImportRequest {
        address: case.address.clone(),
        id: object.id.clone(),
        arguments: case.arguments.clone(),
    };
    match provider.import(&[request]).await.pop() {
        Some(Ok(None)) => Ok(()),
        Some(Err(error)) if error.class == ErrorClass::Invalid => Ok(()),
        Some(other) => Err(broken("what is deleted is not imported", told(&other))),
        None => Err(broken("one answer a request", "none")),
    }
}

/// The data source of the type's name finds the object by its arguments, and says what a read says.
pub(super) async fn data_found(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a data source says what a read of its object says";
    let Some(request) = data_request(provider, case, object) else { return Ok(()) };
    let answers = provider.read_data(&[request.clone(), request]).await;
    if answers.len() != 2 {
        return Err(broken("one answer a request", answers.len().to_string()));
    }
    for answer in answers {
        match answer {
            Ok(found) => told_as(provider, case, rule, &found, &object.attributes)?,
            Err(error) => return Err(broken(rule, error.to_string())),
        }
    }
    Ok(())
}

/// What a data source does not find is not found, and nothing else.
pub(super) async fn data_found_no_more(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a data source of what is deleted finds nothing";
    let Some(request) = data_request(provider, case, object) else { return Ok(()) };
    match provider.read_data(&[request]).await.pop() {
        Some(Err(error)) if error.class == ErrorClass::NotFound => Ok(()),
        other => Err(broken(rule, format!("{other:?}"))),
    }
}

fn is_recorded_only(provider: &dyn Provider, case: &Case) -> bool {
    let declared = provider.schema().resources.get(case.address.kind());
    declared.is_some_and(|declared| declared.recorded_only)
}

fn told(answer: &Result<Option<Object>, ProviderError>) -> String {
    match answer {
        Ok(Some(object)) => format!("found `{}`", object.id),
        Ok(None) => "found nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Asks for the object by the arguments that the data source needs.
fn data_request(provider: &dyn Provider, case: &Case, object: &Object) -> Option<DataRequest> {
    let kind = case.address.kind();
    let declared = provider.schema().data.get(kind)?;
    let arguments = declared.attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
    let arguments = arguments.map(|(name, attribute)| {
        let value = object.attributes.get(name);
        (name.as_str(), value.unwrap_or_else(|| Value::null(attribute.ty.clone())))
    });
    let arguments = Value::object(arguments.collect::<Vec<_>>());
    Some(DataRequest { address: Address::data(Vec::new(), kind, "conformance", None), arguments })
}

/// Wholly known, and but for what the cloud does not tell as the object is.
fn told_as(
    provider: &dyn Provider,
    case: &Case,
    rule: &'static str,
    found: &Value,
    object: &Value,
) -> Result<(), Violation> {
    if !found.is_wholly_known() {
        return Err(broken(rule, "a part is unknown"));
    }
    let told = object.as_entries().into_iter().flatten().map(|(name, own)| {
        let told = found.get(name).filter(|told| !told.is_null());
        (name.as_ref(), told.unwrap_or_else(|| own.clone()))
    });
    same(provider, case, rule, &Value::object(told.collect::<Vec<_>>()), object)
}
