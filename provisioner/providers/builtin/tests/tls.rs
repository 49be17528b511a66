//! `tls_private_key`: the port's contract, and keys that others read.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic and say why on the terminal")]

use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::{ErrorClass, Provider as _};
use provider_builtin::tls::{Entropy, TLS_PRIVATE_KEY, Tls, schema};
use russh::keys::{PrivateKey, PublicKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Seeds that are not random, each another.
#[derive(Default)]
struct Counted(AtomicU8);

impl Entropy for Counted {
    fn seed(&self) -> Result<[u8; 32], String> {
        Ok([self.0.fetch_add(1, Ordering::SeqCst); 32])
    }
}

struct Empty;

impl Entropy for Empty {
    fn seed(&self) -> Result<[u8; 32], String> {
        Err("none left".to_owned())
    }
}

fn case(algorithm: &str) -> Case {
    Case {
        address: Address::parse("tls_private_key.hosts").unwrap(),
        arguments: Value::object([("algorithm", Value::from(algorithm))]),
        changed: None,
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    let tls = Tls::new(Arc::new(Counted::default()));
    assert_eq!(conformance::run_recorded_only(&tls, &case("ED25519")).await, Ok(()));
}

#[tokio::test]
async fn openssh_reads_the_key_and_it_is_the_public_one() {
    let tls = Tls::new(Arc::new(Counted::default()));
    for token in ["one", "two", "three"] {
        let made = tls.create(case("ED25519").create(token)).await.unwrap().attributes;
        let text = |name: &str| made.get(name).unwrap().as_str().unwrap().to_owned();
        let private = PrivateKey::from_openssh(text("private_key_openssh")).unwrap();
        let public = PublicKey::from_openssh(&text("public_key_openssh")).unwrap();
        assert_eq!(private.public_key().key_data(), public.key_data());
        let fingerprint = public.fingerprint(russh::keys::HashAlg::Sha256).to_string();
        assert_eq!(text("public_key_fingerprint_sha256"), fingerprint);
        assert!(
            text("private_key_pem").starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw")
        );
        assert!(text("public_key_pem").starts_with("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw"));
    }
}

#[tokio::test]
async fn private_parts_are_secrets_and_keys_differ() {
    let tls = Tls::new(Arc::new(Counted::default()));
    let one = tls.create(case("ED25519").create("one")).await.unwrap();
    let other = tls.create(case("ED25519").create("two")).await.unwrap();
    assert_ne!(
        one.attributes.get("public_key_openssh"),
        other.attributes.get("public_key_openssh")
    );
    assert_ne!(one.id, other.id);
    let schema = schema();
    for (name, attribute) in &schema.resources[TLS_PRIVATE_KEY].attributes {
        let is_private = name.starts_with("private");
        assert_eq!(attribute.sensitive, is_private, "{name}");
        assert_eq!(one.attributes.get(name).unwrap().marks().sensitive, is_private, "{name}");
    }
}

#[tokio::test]
async fn other_algorithms_and_a_system_without_randomness_are_told() {
    let tls = Tls::new(Arc::new(Empty));
    let told = tls.validate(&case("RSA").address, &case("RSA").arguments);
    assert!(told[0].summary.contains("`RSA`"), "{told:?}");
    assert!(tls.validate(&case("ED25519").address, &case("ED25519").arguments).is_empty());
    let error = tls.create(case("ED25519").create("t")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    let error = tls.create(case("RSA").create("t")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
}
