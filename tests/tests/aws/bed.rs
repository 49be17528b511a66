//! The AWS of the tests: providers that ask it, and scripts that change it behind their back.

use model::plan::Observation;
use model::{Address, Value};
use provider::limits::Limiter;
use provider::{
    DataRequest, DeleteRequest, ImportRequest, Object, Owner, Provider as _, ProviderError,
    ReadRequest, Silent, TokioClock, UpdateRequest,
};
use provider_aws::Aws;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tests::aws::{Moto, Options, Proxy, python};

pub const REGION: &str = "eu-central-1";
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

/// Starts it; none where it cannot be had.
pub fn start() -> Option<Proxy> {
    start_with(Options::default())
}

pub fn start_with(options: Options) -> Option<Proxy> {
    Moto::start().map(|moto| Proxy::start(moto, options))
}

/// What a script prints, line by line.
#[track_caller]
pub fn script(proxy: &Proxy, script: &str) -> Vec<String> {
    let mut command = Command::new(python().expect("moto is there"));
    command.args(["-c", &format!("{BEGINNING}{script}")]).env_clear().envs(proxy.environment());
    let output = command.stdin(Stdio::null()).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the script failed: {said}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The last line that a script prints.
#[track_caller]
pub fn told(proxy: &Proxy, text: &str) -> String {
    script(proxy, text).pop().expect("the script prints something")
}

/// A provider of a region, without limits.
pub fn provider(proxy: &Proxy, region: &str) -> Aws {
    provider_of(proxy, region, "lineage-1")
}

/// A provider for another environment.
pub fn provider_of(proxy: &Proxy, region: &str, lineage: &str) -> Aws {
    let url = proxy.url();
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
    let clock = Arc::new(TokioClock::new());
    let limiter = Arc::new(Limiter::new(&BTreeMap::new(), clock.clone()));
    Aws::from_configuration(&arguments, owner, limiter, clock).unwrap()
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

pub async fn imported(
    aws: &Aws,
    address: &Address,
    id: &str,
) -> Result<Option<Object>, ProviderError> {
    let request = ImportRequest { address: address.clone(), id: id.to_owned() };
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
