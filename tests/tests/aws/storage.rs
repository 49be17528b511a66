//! Snapshots and images.

use crate::support::{
    Cloud, REGION, address, arguments, conforms, deleted, imported, looked_up, made, problems,
    read, script, text, told, updated,
};
use model::{Type, Value};
use provider::ErrorClass;
use tests::aws::Options;

const SNAPSHOT: &str = "aws_ebs_snapshot";
const COPY: &str = "aws_ebs_snapshot_copy";
const IMAGE: &str = "aws_ami_from_instance";
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn tags<const N: usize>(tags: [(&str, &str); N]) -> Value {
    Value::map(Type::String, tags.map(|(key, value)| (key, Value::from(value))))
}

#[tokio::test]
async fn snapshots_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let volume = told(&cloud, "print(volume())");
    let given = |description: &str| {
        [("volume_id", Value::from(volume.as_str())), ("description", description.into())]
    };
    let [volume_id, description] = given("of the evening");
    let changed = [
        volume_id,
        description,
        ("storage_tier", "archive".into()),
        ("tags", tags([("kept", "for ever")])),
    ];
    conforms(&aws, SNAPSHOT, given("of the evening"), Some(changed)).await;
    let snapshot = made(&aws, SNAPSHOT, "one", given("of the morning")).await;
    assert_eq!(text(&snapshot.attributes, "storage_tier"), "standard");
    let arn = format!("arn:aws:ec2:{REGION}::snapshot/{}", snapshot.id);
    assert_eq!(text(&snapshot.attributes, "arn"), arn);
}

#[tokio::test]
async fn snapshots_and_images_take_a_while() {
    let Some(cloud) = Cloud::with(Options { slow_describes: 2, ..Options::default() }) else {
        return;
    };
    let aws = cloud.provider(REGION);
    let volume = told(&cloud, "print(volume())");
    cloud.forget_calls();
    let snapshot = made(&aws, SNAPSHOT, "one", [("volume_id", volume.into())]).await;
    assert_eq!(cloud.count("DescribeSnapshots"), 3);
    let state = format!(
        "print(ec2.describe_snapshots(SnapshotIds=['{}'])['Snapshots'][0]['State'])",
        snapshot.id
    );
    assert_eq!(told(&cloud, &state), "completed");
    let instance = told(&cloud, "print(instance())");
    let given = [("name", Value::from("golden")), ("source_instance_id", instance.into())];
    made(&aws, IMAGE, "one", given).await;
    assert_eq!(cloud.count("DescribeImages"), 3);
}

#[tokio::test]
async fn a_snapshot_is_copied_to_another_region() {
    let Some(cloud) = Cloud::start() else { return };
    let (here, there) = (cloud.provider(REGION), cloud.provider("eu-west-1"));
    let volume = told(&cloud, "print(volume())");
    let source = made(&here, SNAPSHOT, "one", [("volume_id", volume.into())]).await;
    let given = || {
        [
            ("source_snapshot_id", Value::from(source.id.as_str())),
            ("source_region", REGION.into()),
            ("description", "elsewhere".into()),
            ("kms_key_id", KEY.into()),
        ]
    };
    let [id, region, description, key] = given();
    let changed = [id, region, description, key, ("tags", tags([("kept", "twice")]))];
    conforms(&there, COPY, given(), Some(changed)).await;
    let copy = made(&there, COPY, "one", given()).await;
    assert_eq!(copy.attributes.get("encrypted"), Some(true.into()));
    assert_eq!(
        imported(&here, &address(COPY, "one"), &copy.id, arguments(&here, COPY, given())).await,
        Ok(None)
    );
    let own = read(&here, &address(SNAPSHOT, "one"), &source).await.unwrap();
    assert_eq!(own.get("encrypted"), Some(false.into()));
}

/// Signs once more, as botocore does it, what a copy was signed with, at the same time; both signatures.
const SIGN: &str = r"
import datetime, botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib.parse import parse_qs, urlsplit
url = 'URL'
parts = urlsplit(url)
told = {name: values[0] for name, values in parse_qs(parts.query).items()}
then = datetime.datetime.strptime(told['X-Amz-Date'], '%Y%m%dT%H%M%SZ')
botocore.auth.get_current_datetime = lambda *a, **k: then
own = '&'.join(one for one in parts.query.split('&') if not one.startswith('X-Amz-'))
request = AWSRequest('GET', '%s://%s/?%s' % (parts.scheme, parts.netloc, own))
keys = Credentials('AKIAIOSFODNN7EXAMPLE', 'of-no-use-anywhere-else')
botocore.auth.SigV4QueryAuth(keys, 'ec2', 'eu-central-1', expires=3600).add_auth(request)
print(told['X-Amz-Signature'])
print(parse_qs(urlsplit(request.url).query)['X-Amz-Signature'][0])
";

#[tokio::test]
async fn an_encrypted_snapshot_is_copied_from_another_region_by_a_signed_request() {
    let Some(cloud) = Cloud::start() else { return };
    let (here, there) = (cloud.provider(REGION), cloud.provider("eu-west-1"));
    let disk = "print(ec2.create_volume(AvailabilityZone='eu-central-1a', Size=3, Encrypted=True)['VolumeId'])";
    let volume = told(&cloud, disk);
    let source = made(&here, SNAPSHOT, "one", [("volume_id", volume.into())]).await;
    assert_eq!(source.attributes.get("encrypted"), Some(true.into()));
    let given = || {
        [("source_snapshot_id", Value::from(source.id.as_str())), ("source_region", REGION.into())]
    };
    cloud.forget_calls();
    let copy = made(&there, COPY, "one", given()).await;
    assert_eq!(copy.attributes.get("encrypted"), Some(true.into()));
    let copied = || {
        let calls = cloud.calls();
        calls.into_iter().rfind(|logged| logged.call.operation == "CopySnapshot").unwrap().call
    };
    let call = copied();
    assert_eq!(call.parameter("DestinationRegion"), Some("eu-west-1"));
    let signed = script(&cloud, &SIGN.replace("URL", call.parameter("PresignedUrl").unwrap()));
    assert_eq!(signed[0], signed[1], "{signed:?}");
    // In the same region there is nothing to sign.
    made(&here, COPY, "two", given()).await;
    assert_eq!(copied().parameter("PresignedUrl"), None);
}

#[tokio::test]
async fn a_snapshot_is_looked_up() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let volume = told(&cloud, "print(volume())");
    let given = |name: &str| {
        [("volume_id", Value::from(volume.as_str())), ("description", Value::from(name))]
    };
    let one = made(&aws, SNAPSHOT, "one", given("one")).await;
    let two = made(&aws, SNAPSHOT, "two", given("two")).await;
    let filter = |name: &str, value: &str| {
        let values = Value::tuple([value.into()]);
        ("filter", Value::tuple([Value::object([("name", name.into()), ("values", values)])]))
    };
    let owners = || ("owners", Value::tuple(["self".into()]));
    let found = looked_up(&aws, SNAPSHOT, [owners(), filter("description", "one")]).await.unwrap();
    assert_eq!(text(&found, "snapshot_id"), one.id);
    assert_eq!(text(&found, "state"), "completed");
    assert_eq!(text(&found, "volume_id"), volume);
    let several = looked_up(&aws, SNAPSHOT, [owners()]).await.unwrap_err();
    assert!(several.message.contains("several snapshots"), "{several}");
    assert!(several.message.contains(&one.id) && several.message.contains(&two.id), "{several}");
    let newest = [owners(), ("most_recent", true.into())];
    let found = looked_up(&aws, SNAPSHOT, newest).await.unwrap();
    // Both may be of the same second.
    assert!([&one.id, &two.id].contains(&&text(&found, "snapshot_id")));
    let ids = ("snapshot_ids", Value::tuple([Value::from(one.id.as_str())]));
    let found = looked_up(&aws, SNAPSHOT, [ids, filter("volume-size", "3")]).await.unwrap();
    assert_eq!(text(&found, "id"), one.id);
    let none = looked_up(&aws, SNAPSHOT, [filter("description", "three")]).await.unwrap_err();
    assert_eq!(none.class, ErrorClass::NotFound);
    let nothing = looked_up(&aws, SNAPSHOT, []).await.unwrap_err();
    assert_eq!(nothing.class, ErrorClass::Invalid);
}

#[tokio::test]
async fn images_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let instance = told(&cloud, "print(instance())");
    let given = || {
        [
            ("name", Value::from("golden 1.0")),
            ("source_instance_id", instance.as_str().into()),
            ("snapshot_without_reboot", true.into()),
        ]
    };
    let [name, source, running] = given();
    let changed = [name, source, running, ("tags", tags([("stage", "tested")]))];
    conforms(&aws, IMAGE, given(), Some(changed)).await;
}

#[tokio::test]
async fn an_image_takes_its_snapshots_with_it() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let instance = told(&cloud, "print(instance())");
    let place = address(IMAGE, "one");
    let given =
        || [("name", Value::from("golden")), ("source_instance_id", instance.as_str().into())];
    let image = made(&aws, IMAGE, "one", given()).await;
    let snapshot = text(&image.attributes, "root_snapshot_id");
    let count = "print(len(ec2.describe_snapshots()['Snapshots']))";
    let before: u32 = told(&cloud, count).parse().unwrap();
    deleted(&aws, &place, &image).await.unwrap();
    assert_eq!(told(&cloud, count).parse::<u32>().unwrap(), before - 1);
    // Deregistered by somebody, or by a deletion that was cut off: the snapshots go all the same.
    let image = made(&aws, IMAGE, "one", given()).await;
    assert_ne!(text(&image.attributes, "root_snapshot_id"), snapshot);
    script(&cloud, &format!("ec2.deregister_image(ImageId='{}')", image.id));
    assert_eq!(read(&aws, &place, &image).await, None);
    deleted(&aws, &place, &image).await.unwrap();
    assert_eq!(told(&cloud, count).parse::<u32>().unwrap(), before - 1);
}

#[tokio::test]
async fn tags_of_a_snapshot_drift_and_are_mended() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let volume = told(&cloud, "print(volume())");
    let place = address(SNAPSHOT, "one");
    let given = [("volume_id", Value::from(volume.as_str())), ("tags", tags([("a", "1")]))];
    let snapshot = made(&aws, SNAPSHOT, "one", given.clone()).await;
    let change = format!(
        "ec2.create_tags(Resources=['{}'], Tags=[{{'Key': 'b', 'Value': '2'}}])",
        snapshot.id
    );
    script(&cloud, &change);
    let drifted = read(&aws, &place, &snapshot).await.unwrap();
    assert_eq!(drifted.get("tags"), Some(tags([("a", "1"), ("b", "2")])));
    let drifted = provider::Object { attributes: drifted, ..snapshot };
    let mended = updated(&aws, &place, &drifted, arguments(&aws, SNAPSHOT, given)).await;
    assert_eq!(mended.attributes.get("tags"), Some(tags([("a", "1")])));
}

#[tokio::test]
async fn wrong_arguments_are_told_before_any_call() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let told = |kind: &str, given: [(&str, Value); 3]| {
        problems(&aws, &address(kind, "this"), &arguments(&aws, kind, given))
    };
    let said = told(
        SNAPSHOT,
        [
            ("volume_id", "vol-1".into()),
            ("description", "".into()),
            ("storage_tier", "cold".into()),
        ],
    );
    assert!(said.contains("`description` of aws_ebs_snapshot.this: it is empty"), "{said}");
    assert!(said.contains("`cold` is neither `standard` nor `archive`"), "{said}");
    let said = told(
        COPY,
        [
            ("kms_key_id", "alias/mine".into()),
            ("encrypted", false.into()),
            ("description", "x".into()),
        ],
    );
    assert!(said.contains("`alias/mine` is no Amazon resource name of a key"), "{said}");
    assert!(said.contains("a copy with `kms_key_id` is encrypted"), "{said}");
    let said = told(
        IMAGE,
        [("name", "a+b".into()), ("source_instance_id", "i-1".into()), ("description", "x".into())],
    );
    assert!(said.contains("`+` in `a+b` is neither a letter"), "{said}");
    assert_eq!(cloud.calls().len(), 0);
}
