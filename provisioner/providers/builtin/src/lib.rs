//! The provider `terraform`, built in: `terraform_data`, a resource that holds a value and can be replaced
//! on demand, with the arguments and attributes that it has in Terraform; and beside it the provider [`tls`].
//!
//! Its objects exist nowhere but in the state: nothing is called, so there is nothing to look up, to read or to
//! delete, and no call can be cut off half way.
//! Invariants: the identity follows from the token of the creation alone, so that a creation sent again gives the
//! same object; marks of secrets stay on what they mark.
//! Refuses to know: files, clocks, random numbers, networks.

mod keys;
mod schema;
pub mod tls;

pub(crate) use schema::recorded_only;
pub use schema::{TERRAFORM_DATA, schema};

use async_trait::async_trait;
use model::plan::Observation;
use model::schema::ProviderSchema;
use model::{Address, Value, digest};
use provider::{
    CreateRequest, DeleteRequest, ErrorClass, FindRequest, Found, ImportRequest, Object, Provider,
    ProviderError, ReadRequest, UpdateRequest,
};

/// The provider. It has no configuration and no owner: nobody else can see its objects.
pub struct Builtin {
    schema: ProviderSchema,
}

impl Builtin {
    /// The provider.
    pub fn new() -> Self {
        Self { schema: schema() }
    }
}

impl Default for Builtin {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Provider for Builtin {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let recorded = |request: &ReadRequest| Ok(Observation::Present(request.attributes.clone()));
        requests.iter().map(recorded).collect()
    }

    /// Nothing is kept but the identity, so any identity is one.
    async fn import(
        &self,
        requests: &[ImportRequest],
    ) -> Vec<Result<Option<Object>, ProviderError>> {
        let one = |request: &ImportRequest| {
            check_kind(&request.address)?;
            let nothing = Value::null(model::Type::Any);
            let arguments = ["input", "triggers_replace"].map(|name| (name, nothing.clone()));
            Ok(Some(object(request.id.clone(), &Value::object(arguments))))
        };
        requests.iter().map(one).collect()
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        check_kind(&request.address)?;
        Ok(object(identity(TERRAFORM_DATA, &request.token), &request.arguments))
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        check_kind(&request.address)?;
        Ok(object(request.id, &request.arguments))
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

fn check_kind(address: &Address) -> Result<(), ProviderError> {
    let kind = address.kind();
    if kind == TERRAFORM_DATA {
        return Ok(());
    }
    let message = format!("{address}: the provider `terraform` has no resource type `{kind}`");
    Err(ProviderError::new(ErrorClass::Invalid, message))
}

/// A UUID of version 8 (RFC 9562, section 5.8: the bits are the maker's own choice), from a digest of the token.
fn identity(kind: &str, token: &str) -> String {
    let digest = digest::sha256_hex(format!("{kind} {token}").as_bytes());
    // The variant is the two highest bits of the digit after the version's group: binary 10.
    let variant = match digest.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    let (first, second, third) = (&digest[..8], &digest[8..12], &digest[13..16]);
    format!("{first}-{second}-8{third}-{variant}{}-{}", &digest[17..20], &digest[20..32])
}

fn object(id: String, arguments: &Value) -> Object {
    let mut attributes = arguments.as_entries().cloned().unwrap_or_default();
    let input = attributes.get("input").cloned();
    attributes.insert("output".into(), input.unwrap_or_else(|| Value::null(model::Type::Any)));
    attributes.insert("id".into(), id.as_str().into());
    Object { id, attributes: Value::object(attributes), note: None }
}
