//! The Provider port's contract as `terraform_data` keeps it: identity by token, output after input, nothing outside.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic and say why on the terminal")]

use model::schema::{Adoption, ChangePolicy};
use model::{Address, Type, Value};
use provider::conformance::{self, Case};
use provider::{ErrorClass, Provider, UpdateRequest};
use provider_builtin::{Builtin, TERRAFORM_DATA, schema};

fn arguments(input: Value, triggers: Value) -> Value {
    Value::object([("input", input), ("triggers_replace", triggers)])
}

fn case(input: Value, changed: Value) -> Case {
    let triggers = Value::tuple([1.into(), "x".into()]);
    Case {
        address: Address::parse("terraform_data.this").unwrap(),
        arguments: arguments(input, triggers.clone()),
        changed: Some(arguments(changed, triggers)),
    }
}

#[tokio::test]
async fn keeps_the_contract_with_values_of_every_type() {
    let values = [
        Value::null(Type::Any),
        true.into(),
        12.into(),
        "text".into(),
        Value::tuple([1.into(), "x".into(), Value::null(Type::Any)]),
        Value::list(Type::Number, [1.into(), 2.into()]),
        Value::set(Type::String, ["b".into(), "a".into()]),
        Value::map(Type::String, [("k", "v".into())]),
        Value::object([("nested", Value::tuple([Value::object([("deep", true.into())])]))]),
        Value::from("secret").into_sensitive(),
    ];
    let next = values.iter().cycle().skip(1);
    for (input, changed) in values.iter().zip(next) {
        let case = case(input.clone(), changed.clone());
        let kept = conformance::run_recorded_only(&Builtin::new(), &case).await;
        assert_eq!(kept, Ok(()), "{input:?} to {changed:?}");
    }
}

#[tokio::test]
async fn the_identity_is_a_uuid_of_the_token_alone() {
    let case = case(1.into(), 2.into());
    let id = async |token: &str| Builtin::new().create(case.create(token)).await.unwrap().id;
    assert_eq!(id("one").await, id("one").await);
    assert_ne!(id("one").await, id("two").await);
    for token in 0..64 {
        let id = id(&token.to_string()).await;
        let groups: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'8', "the version: {id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "the variant: {id}");
        assert!(id.bytes().all(|byte| byte == b'-' || b"0123456789abcdef".contains(&byte)), "{id}");
    }
}

#[tokio::test]
async fn the_output_follows_the_input_and_stays_a_secret() {
    let builtin = Builtin::new();
    let secret = Value::object([("key", Value::from("hidden").into_sensitive())]);
    let case = case(secret.clone(), 1.into());
    let made = builtin.create(case.create("t")).await.unwrap();
    assert_eq!(made.attributes.get("output").unwrap(), secret);
    assert_eq!(made.attributes.get("id").unwrap(), made.id.as_str().into());
    let request = UpdateRequest {
        address: case.address.clone(),
        token: "update".to_owned(),
        id: made.id.clone(),
        prior: made.attributes,
        arguments: case.changed.unwrap(),
        progress: std::sync::Arc::new(provider::Silent),
    };
    let changed = builtin.update(request).await.unwrap();
    assert_eq!(changed.attributes.get("output").unwrap(), 1.into());
    assert_eq!(changed.id, made.id);
}

#[tokio::test]
async fn another_type_is_refused() {
    let mut case = case(1.into(), 2.into());
    case.address = Address::parse("terraform_date.this").unwrap();
    let error = Builtin::new().create(case.create("t")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("`terraform_date`"), "{error}");
}

#[test]
fn the_schema_is_terraforms() {
    let schema = schema();
    let data = &schema.resources[TERRAFORM_DATA];
    let names: Vec<_> = data.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "input", "output", "triggers_replace"]);
    assert_eq!(data.attributes["triggers_replace"].change, ChangePolicy::Replace);
    assert_eq!(data.attributes["input"].change, ChangePolicy::InPlace);
    assert!(!data.attributes["output"].stable && data.attributes["id"].stable);
    assert_eq!(data.adoption.token_retention_s, Some(Adoption::FOR_EVER));
}
