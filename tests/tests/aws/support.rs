//! A provider for tests, and the cloud that it asks.

use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::limits::Limiter;
use provider::{CreateRequest, Object, Owner, Provider as _, Silent, TokioClock};
use provider_aws::Aws;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An emulator of AWS on loopback.
pub struct Cloud {
    url: String,
    server: std::process::Child,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Cloud {
    /// Starts it, empty.
    pub async fn start() -> Self {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let server = std::process::Command::new("moto_server")
            .args(["-p", &port.to_string()])
            .env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let cloud = Self { url: format!("http://127.0.0.1:{port}"), server };
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
        cloud
    }

    /// A provider of that region, without limits.
    pub fn provider(&self, region: &str) -> Aws {
        let endpoint = |service| (service, Value::from(self.url.as_str()));
        let endpoints = Value::object(["ec2", "s3", "sts"].map(endpoint));
        let arguments = Value::object([
            ("region", Value::from(region)),
            ("endpoints", Value::tuple([endpoints])),
            ("s3_use_path_style", true.into()),
        ]);
        let owner = Owner { environment: "test".to_owned(), lineage: "lineage-1".to_owned() };
        let clock = Arc::new(TokioClock::new());
        let limiter = Arc::new(Limiter::new(&BTreeMap::new(), clock.clone()));
        Aws::from_configuration(&arguments, owner, limiter, clock).unwrap()
    }
}

/// Arguments of a type as the engine gives them: all of the schema, converted, defaults filled in.
pub fn arguments<const N: usize>(aws: &Aws, kind: &str, given: [(&str, Value); N]) -> Value {
    let schema = &aws.schema().resources[kind];
    let given: BTreeMap<&str, Value> = given.into();
    for name in given.keys() {
        assert!(schema.attributes.contains_key(*name), "{kind} has no `{name}`");
    }
    let settable =
        schema.attributes.iter().filter(|(_, it)| it.mode != model::schema::Mode::Computed);
    let value = |(name, attribute): (&String, &model::schema::Attribute)| {
        let value = given.get(name.as_str()).cloned().or_else(|| attribute.default.clone());
        let value = value.unwrap_or_else(|| Value::null(attribute.ty.clone()));
        (name.clone(), model::convert::convert(&value, &attribute.ty).unwrap())
    };
    Value::object(settable.map(value))
}

/// The address `KIND.NAME`.
pub fn address(kind: &str, name: &str) -> Address {
    Address::new(Vec::new(), kind, name, None)
}

/// Makes an object that others need.
pub async fn made<const N: usize>(
    aws: &Aws,
    kind: &str,
    name: &str,
    given: [(&str, Value); N],
) -> Object {
    let request = CreateRequest {
        address: address(kind, name),
        token: format!("token-of-{kind}-{name}"),
        arguments: arguments(aws, kind, given),
        batch: None,
        progress: Arc::new(Silent),
    };
    aws.create(request).await.unwrap()
}

/// Runs the conformance suite of the port over an object of a type.
pub async fn conforms<const N: usize, const M: usize>(
    aws: &Aws,
    kind: &str,
    given: [(&str, Value); N],
    changed: Option<[(&str, Value); M]>,
) {
    let case = Case {
        address: address(kind, "this"),
        arguments: arguments(aws, kind, given),
        changed: changed.map(|changed| arguments(aws, kind, changed)),
    };
    if let Err(violation) = conformance::run(aws, &case).await {
        panic!("{kind}: {violation}");
    }
}
