//! A provider for tests, and the cloud that it asks.

use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::limits::Limiter;
use provider::{CreateRequest, Object, Owner, Provider as _, Silent, TokioClock};
use provider_aws::Aws;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::aws::{Moto, Options, Proxy};

/// AWS on loopback, as `tests::aws` emulates it. It fails the test if a request was none of AWS.
pub struct Cloud {
    pub proxy: Proxy,
}

impl Cloud {
    /// Starts it, empty.
    pub async fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// The same with delays or limits.
    pub fn start_with(options: Options) -> Self {
        let moto = Moto::start().expect("moto is needed: see tests/setup.sh");
        Self { proxy: Proxy::start(moto, options) }
    }

    /// What a script prints that asks the cloud with a client that is not ours; `ec2` is its client.
    pub fn python(&self, script: &str) -> String {
        let beginning = "import boto3\nec2 = boto3.client('ec2')\n";
        let python = tests::aws::python().unwrap();
        let mut command = std::process::Command::new(python);
        command.args(["-c", &format!("{beginning}{script}")]).env_clear();
        let output = command.envs(self.proxy.environment()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "the script failed: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A provider of that region, without limits.
    pub fn provider(&self, region: &str) -> Aws {
        let endpoint = |service| (service, Value::from(self.proxy.url()));
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
