//! The `nebula` provider: the public-key infrastructure of a nebula mesh as resource types
//! (`nebula_ca`, `nebula_certificate`), in pure Rust.
//!
//! Its objects exist nowhere but in the state: nothing is called, so there is nothing to find, to read or
//! to delete. A creation whose answer is lost left nothing behind, and is simply done again.
//! Invariants: time and randomness come in through [`Clock`] and [`Entropy`]; a private key is marked
//! sensitive from the moment it is a value, and no message shows one.
//! Refuses to know: nebula's own configuration, where certificates are put (that is a service's).

mod arguments;
mod authority;
mod certificate;
mod pem;
mod schema;
mod wire;

pub use schema::schema;

use async_trait::async_trait;
use authority::Refusal;
use certificate::{Certificate, ca_key_to_pem};
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value, digest};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, Object, Owner, Provider,
    ProviderError, ReadRequest, UpdateRequest,
};
use std::sync::Arc;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// Gives the secret seeds of new keys.
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

/// The provider.
pub struct Nebula {
    schema: ProviderSchema,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Nebula {
    /// The provider. It has no configuration, and its objects carry no marker of their owner: they are
    /// nowhere a stranger could find them.
    pub fn new(
        _config: &Value,
        _owner: Owner,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ProviderError> {
        Ok(Self { schema: schema(), clock, entropy })
    }

    fn create_ca(&self, address: &Address, arguments: &Value) -> Result<Object, ProviderError> {
        let refuse = |refusal: Refusal| refused(address, &refusal);
        let name = arguments::name(arguments).map_err(refuse)?;
        let groups = arguments::groups(arguments).map_err(refuse)?;
        let hours = arguments::duration_hours(arguments).map_err(refuse)?;
        let hours = hours.unwrap_or(schema::CA_DURATION_HOURS);
        let seed = self.entropy.seed().map_err(|why| {
            ProviderError::new(
                ErrorClass::Transient,
                format!("{address}: no random numbers for a key"),
            )
            .with_detail(why)
        })?;
        let key = SigningKey::from_bytes(&seed);
        let certificate = authority::found(name, groups, hours, &key, self.clock.now().as_second());
        let private_key = Value::from(ca_key_to_pem(&key)).into_sensitive();
        object(arguments, &certificate, Some(("private_key", private_key)))
    }

    fn create_certificate(
        &self,
        address: &Address,
        arguments: &Value,
    ) -> Result<Object, ProviderError> {
        let refuse = |refusal: Refusal| refused(address, &refusal);
        let ca = arguments::ca_certificate(arguments).map_err(refuse)?;
        let key = arguments::ca_private_key(arguments).map_err(refuse)?;
        let request = arguments::request(arguments).map_err(refuse)?;
        let now = self.clock.now().as_second();
        let certificate = authority::issue(&ca, &key, request, now).map_err(refuse)?;
        object(arguments, &certificate, None)
    }
}

#[async_trait]
impl Provider for Nebula {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    fn validate(&self, address: &Address, arguments: &Value) -> Vec<Diagnostic> {
        let refusals = arguments::check(address.kind(), arguments);
        refusals.iter().map(|refusal| diagnostic(address, refusal)).collect()
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let recorded = |request: &ReadRequest| Ok(Observation::Present(request.attributes.clone()));
        requests.iter().map(recorded).collect()
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        match request.address.kind() {
            "nebula_ca" => self.create_ca(&request.address, &request.arguments),
            "nebula_certificate" => self.create_certificate(&request.address, &request.arguments),
            kind => Err(ProviderError::new(
                ErrorClass::Invalid,
                format!("{}: the provider `nebula` has no resource type `{kind}`", request.address),
            )),
        }
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        // All that changes in place is the text of the authority's key; what was signed stays.
        if request.address.kind() == "nebula_certificate" {
            let refuse = |refusal: Refusal| refused(&request.address, &refusal);
            let ca = arguments::ca_certificate(&request.arguments).map_err(refuse)?;
            let key = arguments::ca_private_key(&request.arguments).map_err(refuse)?;
            authority::check(&ca, &key).map_err(refuse)?;
        }
        let kept = ["certificate", "fingerprint", "expires_at", "private_key"];
        let kept = kept.into_iter().filter_map(|name| Some((name, request.prior.get(name)?)));
        let attributes = with_attributes(&request.arguments, kept);
        Ok(Object { id: request.id, attributes, note: None })
    }

    async fn delete(&self, _request: DeleteRequest) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn find(&self, _request: FindRequest) -> Result<Found, ProviderError> {
        Ok(Found::Nothing)
    }
}

fn object(
    arguments: &Value,
    certificate: &Certificate,
    further: Option<(&str, Value)>,
) -> Result<Object, ProviderError> {
    let fingerprint = digest::hex(&certificate.fingerprint());
    let expires_at = Timestamp::from_second(certificate.details.not_after).map_err(|error| {
        ProviderError::new(ErrorClass::Invalid, "the certificate ends outside of the calendar")
            .with_detail(error.to_string())
    })?;
    let note = format!("valid until {expires_at}");
    let computed = [
        ("certificate", Value::from(certificate.to_pem())),
        ("fingerprint", Value::from(fingerprint.as_str())),
        ("expires_at", Value::from(expires_at.to_string())),
    ];
    let attributes = with_attributes(arguments, computed.into_iter().chain(further));
    Ok(Object { id: fingerprint, attributes, note: Some(note) })
}

fn with_attributes<'a>(
    arguments: &Value,
    computed: impl Iterator<Item = (&'a str, Value)>,
) -> Value {
    let mut attributes = arguments.as_entries().cloned().unwrap_or_default();
    attributes.extend(computed.map(|(name, value)| (name.into(), value)));
    Value::object(attributes)
}

fn refused(address: &Address, refusal: &Refusal) -> ProviderError {
    let message = format!("{address}: `{}`: {}", refusal.argument, refusal.problem);
    let error = ProviderError::new(ErrorClass::Invalid, message);
    if refusal.hint.is_empty() { error } else { error.with_hint(refusal.hint.clone()) }
}

fn diagnostic(address: &Address, refusal: &Refusal) -> Diagnostic {
    let summary = format!("`{}` of {address}: {}", refusal.argument, refusal.problem);
    let diagnostic = Diagnostic::error("invalid-argument", summary).about(address);
    if refusal.hint.is_empty() { diagnostic } else { diagnostic.with_hint(refusal.hint.clone()) }
}
