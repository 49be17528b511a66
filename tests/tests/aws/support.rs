//! A provider for tests, and the cloud that it asks.

use async_trait::async_trait;
use model::plan::Observation;
use model::{Address, Value};
use provider::conformance::{self, Case};
use provider::limits::Limiter;
use provider::{
    Clock, CreateRequest, DataRequest, DeleteRequest, ImportRequest, Object, Owner, Provider as _,
    ProviderError, ReadRequest, Silent, UpdateRequest,
};
use provider_aws::Aws;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::aws::{Moto, Options, Proxy, python};
use tests::{Finished, Workbench};

pub const REGION: &str = "eu-central-1";
/// What scripts begin with.
const BEGINNING: &str = r"
import boto3
from botocore.config import Config
config = Config(retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'})
ec2 = boto3.client('ec2', config=config)
s3 = boto3.client('s3', config=config)
IMAGE = 'ami-0123456789abcdef0'
def volume():
    return ec2.create_volume(AvailabilityZone='eu-central-1a', Size=3)['VolumeId']
def instance():
    made = ec2.run_instances(ImageId=IMAGE, InstanceType='t3.micro', MinCount=1, MaxCount=1)
    return made['Instances'][0]['InstanceId']
";

/// A clock that goes ten times as fast: what the provider waits for comes of its questions here, and not of time.
struct Hurried(Instant);

const TIMES: u32 = 10;
/// Waits that are not longer are for those who ask at the same moment, which is as long here as elsewhere.
pub const MOMENT: Duration = Duration::from_millis(5);

#[async_trait]
impl Clock for Hurried {
    fn now_ms(&self) -> u64 {
        u64::try_from((self.0.elapsed() * TIMES).as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep((duration / TIMES).max(duration.min(MOMENT))).await;
    }
}

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

    /// All that a script prints, as [`script`].
    #[track_caller]
    pub fn python(&self, text: &str) -> String {
        script(self, text).join("\n")
    }

    /// A provider of that region, without limits.
    pub fn provider(&self, region: &str) -> Aws {
        self.provider_of(region, "lineage-1")
    }

    /// One for another environment.
    pub fn provider_of(&self, region: &str, lineage: &str) -> Aws {
        self.provider_by(Arc::new(Hurried(Instant::now())), region, lineage)
    }

    /// One that goes by another clock.
    pub fn provider_by(&self, clock: Arc<dyn Clock>, region: &str, lineage: &str) -> Aws {
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
        let owner = Owner { environment: "test".to_owned(), lineage: lineage.to_owned() };
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

/// What a script prints that asks the cloud with a client that is not ours, line by line; `ec2` and `s3` are its clients.
#[track_caller]
pub fn script(cloud: &Proxy, script: &str) -> Vec<String> {
    let mut command = Command::new(python().expect("moto is there"));
    command.args(["-c", &format!("{BEGINNING}{script}")]).env_clear().envs(cloud.environment());
    let output = command.stdin(Stdio::null()).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the script failed: {said}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The last line that a script prints.
#[track_caller]
pub fn told(cloud: &Proxy, text: &str) -> String {
    script(cloud, text).pop().expect("the script prints something")
}

/// Runs the program with the cloud's environment.
pub fn run(bench: &Workbench, cloud: &Proxy, arguments: &[&str]) -> Finished {
    let mut command = bench.command(arguments);
    command.envs(cloud.environment());
    Finished::new(arguments.join(" "), &command.output().unwrap())
}

/// What a read says of an object; none if it is absent.
pub async fn read(aws: &Aws, address: &Address, object: &Object) -> Option<Value> {
    let request = ReadRequest {
        address: address.clone(),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
    };
    match aws.read_many(&[request]).await.pop().unwrap().unwrap() {
        Observation::Present(attributes) => Some(attributes),
        Observation::Absent(_) => None,
        Observation::Unreachable(why) => panic!("{why}"),
    }
}

/// Brings an object to other arguments.
pub async fn updated(aws: &Aws, address: &Address, object: &Object, arguments: Value) -> Object {
    let request = UpdateRequest {
        address: address.clone(),
        token: "update".to_owned(),
        id: object.id.clone(),
        prior: object.attributes.clone(),
        arguments,
        progress: Arc::new(Silent),
    };
    aws.update(request).await.unwrap()
}

pub async fn deleted(aws: &Aws, address: &Address, object: &Object) -> Result<(), ProviderError> {
    let request = DeleteRequest {
        address: address.clone(),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
        progress: Arc::new(Silent),
    };
    aws.delete(request).await
}

/// What an import of an object gives, with these arguments in the configuration.
pub async fn imported(
    aws: &Aws,
    address: &Address,
    id: &str,
    arguments: Value,
) -> Result<Option<Object>, ProviderError> {
    let request = ImportRequest { address: address.clone(), id: id.to_owned(), arguments };
    aws.import(&[request]).await.pop().unwrap()
}

/// What a data source finds: `given` and null for the other arguments.
pub async fn looked_up<const N: usize>(
    aws: &Aws,
    kind: &str,
    given: [(&str, Value); N],
) -> Result<Value, ProviderError> {
    let schema = &aws.schema().data[kind];
    let given: BTreeMap<&str, Value> = given.into();
    let arguments = schema.attributes.iter().map(|(name, attribute)| {
        let value = given.get(name.as_str()).cloned();
        let value = value.unwrap_or_else(|| Value::null(attribute.ty.clone()));
        (name.clone(), model::convert::convert(&value, &attribute.ty).unwrap())
    });
    let address = Address::data(Vec::new(), kind, "this", None);
    let arguments = Value::object(arguments.collect::<Vec<_>>());
    aws.read_data(&[DataRequest { address, arguments }]).await.pop().unwrap()
}

/// What is wrong with arguments, in one text.
pub fn problems(aws: &Aws, address: &Address, arguments: &Value) -> String {
    let told = aws.validate(address, arguments);
    told.iter().map(|it| it.summary.as_str()).collect::<Vec<_>>().join("\n")
}

/// Text of an attribute.
pub fn text(attributes: &Value, name: &str) -> String {
    attributes.get(name).unwrap().as_str().unwrap_or("(none)").to_owned()
}
