//! The Provider port's contract as this provider keeps it: refusals before anything is made, updates that
//! leave what was signed, and nothing to find or delete.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic and say why on the terminal")]

use jiff::Timestamp;
use model::plan::Observation;
use model::{Address, Residual, Type, Value};
use provider::conformance::{self, Case};
use provider::{
    CreateRequest, DeleteRequest, FindRequest, Found, Lookup, Object, Owner, Provider,
    ProviderError, ReadRequest, Silent, UpdateRequest,
};
use provider_nebula::{Entropy, Nebula, schema};
use std::sync::Arc;

const PUBLIC_KEY: &str = "-----BEGIN NEBULA X25519 PUBLIC KEY-----\n\
     BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n-----END NEBULA X25519 PUBLIC KEY-----\n";

struct Fixed(u8);

impl Entropy for Fixed {
    fn seed(&self) -> Result<[u8; 32], String> {
        Ok([self.0; 32])
    }
}

struct Dry;

impl Entropy for Dry {
    fn seed(&self) -> Result<[u8; 32], String> {
        Err("the well is dry".to_owned())
    }
}

fn nebula(entropy: impl Entropy + 'static) -> Nebula {
    let owner = Owner { environment: "test".to_owned(), lineage: "test".to_owned() };
    let clock = || Timestamp::from_second(1_700_000_000).unwrap();
    let config = Value::object::<&str>([]);
    Nebula::new(&config, owner, Arc::new(clock), Arc::new(entropy)).unwrap()
}

async fn create(nebula: &Nebula, kind: &str, arguments: Value) -> Result<Object, ProviderError> {
    let request = CreateRequest {
        address: Address::new(Vec::new(), kind, "this", None),
        token: "token".to_owned(),
        arguments,
        batch: None,
        progress: Arc::new(Silent),
    };
    nebula.create(request).await
}

async fn ca(nebula: &Nebula) -> Value {
    let arguments = Value::object([("name", Value::from("mesh")), ("duration_hours", 24.into())]);
    create(nebula, "nebula_ca", arguments).await.unwrap().attributes
}

fn arguments(ca: &Value, changes: &[(&str, Value)]) -> Value {
    let mut entries = std::collections::BTreeMap::from([
        ("ca_certificate", ca.get("certificate").unwrap()),
        ("ca_private_key", ca.get("private_key").unwrap()),
        ("name", "n1".into()),
        ("address", "10.42.0.1/16".into()),
        ("public_key", PUBLIC_KEY.into()),
    ]);
    entries.extend(changes.iter().cloned());
    Value::object(entries)
}

#[tokio::test]
async fn the_same_seed_and_time_give_the_same_objects() {
    let (one, two) = (nebula(Fixed(1)), nebula(Fixed(1)));
    let (first, second) = (ca(&one).await, ca(&two).await);
    assert_eq!(first, second);
    assert_ne!(first, ca(&nebula(Fixed(2))).await);
    let first = create(&one, "nebula_certificate", arguments(&first, &[])).await.unwrap();
    let again = create(&two, "nebula_certificate", arguments(&second, &[])).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first.attributes.get("expires_at").unwrap(), "2023-11-15T22:13:19Z".into());
}

#[tokio::test]
async fn every_attribute_of_the_schema_is_given_and_fits() {
    let nebula = nebula(Fixed(1));
    let ca = ca(&nebula).await;
    let certificate = create(&nebula, "nebula_certificate", arguments(&ca, &[])).await.unwrap();
    for (kind, value) in [("nebula_ca", &ca), ("nebula_certificate", &certificate.attributes)] {
        for (name, attribute) in &schema().resources[kind].attributes {
            if attribute.mode != model::schema::Mode::Computed {
                continue;
            }
            let given = value.get(name).unwrap_or_else(|| panic!("{kind} lacks {name}"));
            assert_eq!(given.ty(), attribute.ty, "{kind}.{name}");
            assert_eq!(given.marks().sensitive, attribute.sensitive, "{kind}.{name}");
        }
    }
}

#[tokio::test]
async fn mistakes_name_the_argument_and_show_no_secret() {
    let nebula = nebula(Fixed(1));
    let ca = ca(&nebula).await;
    let key = ca.get("private_key").unwrap();
    let cases: [(&str, Value); 7] = [
        ("name", " ".into()),
        ("address", "10.42.0.1".into()),
        ("address", "10.42.0.0/16".into()),
        ("public_key", key.clone()),
        ("duration_hours", 25.into()),
        ("ca_private_key", "-----BEGIN NEBULA ED25519 PRIVATE KEY-----\nc2VjcmV0\n-----END NEBULA ED25519 PRIVATE KEY-----".into()),
        ("ca_certificate", key),
    ];
    for (name, value) in cases {
        let arguments = arguments(&ca, &[(name, value)]);
        let error = create(&nebula, "nebula_certificate", arguments).await.unwrap_err();
        assert!(error.message.contains(&format!("`{name}`")), "{error:?}");
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}

#[tokio::test]
async fn validation_passes_over_what_is_unknown() {
    let nebula = nebula(Fixed(1));
    let address = Address::parse("nebula_certificate.this").unwrap();
    let unknown = || Value::unknown(Type::String, Residual::Opaque);
    let arguments = Value::object([
        ("ca_certificate", unknown()),
        ("ca_private_key", unknown()),
        ("name", unknown()),
        ("address", "10.42.0.300/16".into()),
        ("public_key", unknown()),
    ]);
    let diagnostics = nebula.validate(&address, &arguments);
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].summary.contains("10.42.0.300/16"));
}

#[tokio::test]
async fn an_update_keeps_what_was_signed() {
    let nebula = nebula(Fixed(1));
    let ca = ca(&nebula).await;
    let made = create(&nebula, "nebula_certificate", arguments(&ca, &[])).await.unwrap();
    let mut request = UpdateRequest {
        address: Address::parse("nebula_certificate.this").unwrap(),
        token: "update".to_owned(),
        id: made.id.clone(),
        prior: made.attributes.clone(),
        arguments: arguments(&ca, &[]),
        progress: Arc::new(Silent),
    };
    let updated = nebula.update(request.clone()).await.unwrap();
    assert_eq!((updated.id, updated.attributes), (made.id, made.attributes));
    let stranger = self::ca(&self::nebula(Fixed(2))).await;
    let key = stranger.get("private_key").unwrap();
    request.arguments = arguments(&ca, &[("ca_private_key", key)]);
    assert!(nebula.update(request).await.is_err());
}

#[tokio::test]
async fn both_types_keep_the_contract_of_what_is_only_recorded() {
    let nebula = nebula(Fixed(1));
    let ca = ca(&nebula).await;
    let groups = || ("groups", Value::list(Type::String, []));
    let hours = ("duration_hours", Value::from(20));
    let authority = Value::object([("name", Value::from("mesh")), hours.clone(), groups()]);
    let certificate = arguments(&ca, &[hours, groups()]);
    for (kind, arguments) in [("nebula_ca", authority), ("nebula_certificate", certificate)] {
        let address = Address::new(Vec::new(), kind, "this", None);
        let case = Case { address, changed: Some(arguments.clone()), arguments };
        assert_eq!(conformance::run_recorded_only(&nebula, &case).await, Ok(()), "{kind}");
    }
}

#[tokio::test]
async fn nothing_exists_outside_of_the_state() {
    let nebula = nebula(Dry);
    let address = Address::parse("nebula_ca.this").unwrap();
    let attributes = Value::object([("name", Value::from("mesh"))]);
    let error = create(&nebula, "nebula_ca", attributes.clone()).await.unwrap_err();
    assert!(error.class.is_retryable());
    let find = FindRequest {
        address: address.clone(),
        token: "token".to_owned(),
        arguments: attributes.clone(),
        batch: None,
        by: Lookup::Token,
    };
    assert_eq!(nebula.find(find).await.unwrap(), Found::Nothing);
    assert_eq!(nebula.list_owned().await.unwrap(), []);
    let read = ReadRequest {
        address: address.clone(),
        id: "x".to_owned(),
        attributes: attributes.clone(),
    };
    let observed = nebula.read_many(&[read]).await.remove(0).unwrap();
    assert_eq!(observed, Observation::Present(attributes.clone()));
    let progress = Arc::new(Silent);
    let delete = DeleteRequest { address, id: "x".to_owned(), attributes, progress };
    nebula.delete(delete).await.unwrap();
}
