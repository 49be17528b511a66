//! The provider `tls`, built in: `tls_private_key`, a key that is made once and kept in the state, sealed.
//!
//! Its objects exist nowhere but in the state. Invariants: the private forms are secrets from the moment they are values;
//! the identity follows from the token alone. Refuses to know: where random bytes come from ([`Entropy`]), what the key
//! is used for.

use crate::keys::Key;
use crate::{identity, recorded_only};
use async_trait::async_trait;
use model::plan::Observation;
use model::schema::{Attribute, ProviderSchema};
use model::{Address, Diagnostic, Type, Value};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Object, Provider, ProviderError,
    ReadRequest, UpdateRequest,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of the only resource type.
pub const TLS_PRIVATE_KEY: &str = "tls_private_key";

const ALGORITHM: &str = "ED25519";

/// Where seeds of keys come from.
pub trait Entropy: Send + Sync {
    /// 32 bytes that nobody can guess; an error says why there are none.
    fn seed(&self) -> Result<[u8; 32], String>;
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatingSystem;

impl Entropy for OperatingSystem {
    fn seed(&self) -> Result<[u8; 32], String> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        Ok(seed)
    }
}

/// What this provider declares.
pub fn schema() -> ProviderSchema {
    let secret = |description: &str| Attribute::computed(Type::String, description).secret();
    let public = |description: &str| Attribute::computed(Type::String, description);
    let attributes = [
        (
            "algorithm",
            Attribute::required(Type::String, "The kind of key: `ED25519`.").forces_replacement(),
        ),
        ("id", public("A UUID, made with the object.")),
        ("private_key_openssh", secret("The private key as OpenSSH writes it.")),
        ("private_key_pem", secret("The private key in PKCS #8, as PEM.")),
        ("private_key_pem_pkcs8", secret("The private key in PKCS #8, as PEM.")),
        ("public_key_openssh", public("The public key as OpenSSH writes it, in one line.")),
        ("public_key_pem", public("The public key as PEM.")),
        ("public_key_fingerprint_sha256", public("The fingerprint that SSH shows.")),
    ];
    let description = "A private key, made once and kept in the state, where it is sealed.";
    let key = recorded_only(description, attributes);
    ProviderSchema {
        name: "tls".to_owned(),
        resources: BTreeMap::from([(TLS_PRIVATE_KEY.to_owned(), key)]),
        ..ProviderSchema::default()
    }
}

/// The provider. It has no configuration and no owner: nobody else can see its objects.
pub struct Tls {
    schema: ProviderSchema,
    entropy: Arc<dyn Entropy>,
}

impl Tls {
    /// One whose keys come from there.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { schema: schema(), entropy }
    }
}

#[async_trait]
impl Provider for Tls {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    fn validate(&self, address: &Address, arguments: &Value) -> Vec<Diagnostic> {
        let algorithm = arguments.get("algorithm");
        let algorithm = algorithm.as_ref().and_then(Value::as_str);
        let Some(other) = algorithm.filter(|it| *it != ALGORITHM) else { return Vec::new() };
        let summary = format!("`algorithm` of {address}: there is no `{other}` here");
        vec![
            Diagnostic::error("invalid-argument", summary)
                .with_hint(format!("write `algorithm = \"{ALGORITHM}\"`"))
                .about(address),
        ]
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let recorded = |request: &ReadRequest| Ok(Observation::Present(request.attributes.clone()));
        requests.iter().map(recorded).collect()
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        let kind = request.address.kind();
        let algorithm = request.arguments.get("algorithm");
        if kind != TLS_PRIVATE_KEY || algorithm.as_ref().and_then(Value::as_str) != Some(ALGORITHM)
        {
            let message = format!(
                "{}: only a `{TLS_PRIVATE_KEY}` of the kind `{ALGORITHM}` can be made",
                request.address
            );
            return Err(ProviderError::new(ErrorClass::Invalid, message));
        }
        let seed = self.entropy.seed().map_err(|why| {
            let message = format!("the system has no random numbers: {why}");
            ProviderError::new(ErrorClass::Transient, message)
        })?;
        let (id, key) = (identity(kind, &request.token), Key::new(&seed));
        let secret = |text: String| Value::from(text).into_sensitive();
        let attributes = Value::object([
            ("algorithm", ALGORITHM.into()),
            ("id", id.as_str().into()),
            ("private_key_openssh", secret(key.private_openssh())),
            ("private_key_pem", secret(key.private_pem())),
            ("private_key_pem_pkcs8", secret(key.private_pem())),
            ("public_key_openssh", key.public_openssh().into()),
            ("public_key_pem", key.public_pem().into()),
            ("public_key_fingerprint_sha256", key.fingerprint().into()),
        ]);
        Ok(Object { id, attributes, note: None })
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        // Its only argument replaces it: there is nothing to change.
        Ok(Object { id: request.id, attributes: request.prior, note: None })
    }

    async fn delete(&self, _request: DeleteRequest) -> Result<(), ProviderError> {
        Ok(())
    }

    fn deletes_half_made(&self, _resource_type: &str) -> bool {
        true
    }

    async fn find(&self, _request: FindRequest) -> Result<Found, ProviderError> {
        Ok(Found::Nothing)
    }
}
