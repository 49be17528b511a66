//! A provider for tests, and the cloud that it asks.

use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::limits::Limiter;
use provider::{CreateRequest, Object, Owner, Provider as _, Silent, TokioClock};
use provider_aws::Aws;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::aws::{Moto, Options, Proxy};

/// The AWS of the tests. Requests that AWS would not know fail the test when it goes.
pub struct Cloud(Option<Proxy>);

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(proxy) = self.0.take().filter(|_| !std::thread::panicking()) {
            proxy.finish();
        }
    }
}

impl std::ops::Deref for Cloud {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        self.0.as_ref().expect("it is there until it goes")
    }
}

impl Cloud {
    /// Starts it, empty; none, having said why, where it cannot be had.
    pub fn start() -> Option<Self> {
        Self::with(Options::default())
    }

    /// The same with its slowness, limits and so on.
    pub fn with(options: Options) -> Option<Self> {
        Some(Self(Some(Proxy::start(Moto::start()?, options))))
    }

    /// What a script prints that asks the cloud with a client that is not ours; `ec2` is its client.
    pub fn python(&self, script: &str) -> String {
        let beginning = "import boto3\nec2 = boto3.client('ec2')\n";
        let python = tests::aws::python().unwrap();
        let mut command = std::process::Command::new(python);
        command.args(["-c", &format!("{beginning}{script}")]).env_clear();
        let output = command.envs(self.environment()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "the script failed: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A provider of that region, without limits.
    pub fn provider(&self, region: &str) -> Aws {
        let url = self.url();
        let endpoint = |service| (service, Value::from(url.as_str()));
        let endpoints = Value::object(["ec2", "s3", "sts"].map(endpoint));
        let arguments = Value::object([
            ("region", Value::from(region)),
            ("endpoints", Value::tuple([endpoints])),
            ("access_key", "AKIAIOSFODNN7EXAMPLE".into()),
            ("secret_key", Value::from("of-no-use-anywhere-else").into_sensitive()),
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
