//! Buckets and what is set of them.

use crate::support::{
    Cloud, REGION, address, arguments, conforms, deleted, imported, made, problems, read, run,
    script, text, told, updated,
};
use model::{Type, Value};
use provider::conformance::{Case, among_strangers};
use provider::{CreateRequest, ErrorClass, Provider as _, Silent};
use provider_aws::Aws;
use std::sync::Arc;
use tests::Workbench;
use tests::aws::{Fault, Refusal};

const BUCKET: &str = "aws_s3_bucket";
const VERSIONING: &str = "aws_s3_bucket_versioning";
const ENCRYPTION: &str = "aws_s3_bucket_server_side_encryption_configuration";
const PUBLIC_ACCESS: &str = "aws_s3_bucket_public_access_block";
const LIFECYCLE: &str = "aws_s3_bucket_lifecycle_configuration";
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn tags<const N: usize>(tags: [(&str, &str); N]) -> Value {
    Value::map(Type::String, tags.map(|(key, value)| (key, Value::from(value))))
}

/// Nested blocks.
fn blocks<const N: usize>(blocks: [Value; N]) -> Value {
    Value::tuple(blocks)
}

fn block<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::object(fields)
}

async fn bucket(aws: &Aws, name: &str) -> provider::Object {
    made(aws, BUCKET, name, [("bucket", name.into())]).await
}

#[tokio::test]
async fn buckets_conform() {
    let Some(cloud) = Cloud::start() else { return };
    for region in [REGION, "us-east-1"] {
        let aws = cloud.provider(region);
        let name = || ("bucket", Value::from("conforming-bucket"));
        let changed =
            [name(), ("force_destroy", true.into()), ("tags", tags([("team", "storage")]))];
        conforms(&aws, BUCKET, [name()], Some(changed)).await;
        let theirs = cloud.provider_of(region, "lineage-2");
        let case = Case {
            address: address(BUCKET, "this"),
            arguments: arguments(&aws, BUCKET, [name()]),
            changed: None,
        };
        among_strangers(&aws, &theirs, &case).await.unwrap();
    }
}

#[tokio::test]
async fn a_bucket_without_a_name_gets_one_and_keeps_it() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let none = conforms::<0, 1>(&aws, BUCKET, [], Some([("tags", tags([("a", "b")]))]));
    none.await;
    let given = [("bucket_prefix", Value::from("logs-")), ("object_lock_enabled", true.into())];
    let object = made(&aws, BUCKET, "logs", given).await;
    assert!(object.id.starts_with("logs-") && object.id.len() == 5 + 26, "{}", object.id);
    assert_eq!(text(&object.attributes, "bucket"), object.id);
    assert_eq!(text(&object.attributes, "arn"), format!("arn:aws:s3:::{}", object.id));
    assert_eq!(text(&object.attributes, "region"), REGION);
    let domain = format!("{}.s3.{REGION}.amazonaws.com", object.id);
    assert_eq!(text(&object.attributes, "bucket_regional_domain_name"), domain);
    let asked = arguments(&aws, BUCKET, [("object_lock_enabled", true.into())]);
    let found = imported(&aws, &address(BUCKET, "logs"), &object.id, asked).await.unwrap().unwrap();
    assert_eq!(found.attributes.get("object_lock_enabled"), Some(true.into()));
    assert_eq!(found.attributes.get("force_destroy"), Some(false.into()));
}

#[tokio::test]
async fn a_bucket_is_of_its_region() {
    let Some(cloud) = Cloud::start() else { return };
    let (here, there) = (cloud.provider(REGION), cloud.provider("eu-west-1"));
    let object = bucket(&there, "far-away-bucket").await;
    assert_eq!(text(&object.attributes, "region"), "eu-west-1");
    let error =
        imported(&here, &address(BUCKET, "it"), "far-away-bucket", arguments(&here, BUCKET, []))
            .await
            .unwrap_err();
    assert!(error.message.contains("is in the region eu-west-1, not in eu-central-1"), "{error}");
    assert!(here.list_owned().await.unwrap().is_empty());
    assert_eq!(there.list_owned().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bucket_that_nobody_marked_is_not_taken() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let place = "CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'}";
    script(&cloud, &format!("s3.create_bucket(Bucket='found-here', {place})"));
    let request = || CreateRequest {
        address: address(BUCKET, "it"),
        token: "token".to_owned(),
        arguments: arguments(&aws, BUCKET, [("bucket", "found-here".into())]),
        batch: None,
        progress: Arc::new(Silent),
    };
    let error = aws.create(request()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(error.hints.iter().any(|hint| hint.contains("`import` block")), "{:?}", error.hints);
    let found = imported(&aws, &address(BUCKET, "it"), "found-here", arguments(&aws, BUCKET, []))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, "found-here");
    let taken = Refusal::new("BucketAlreadyExists", "The requested bucket name is not available");
    cloud.fail("CreateBucket", 1, Fault::Refuse(taken.with_status(409)));
    let error = aws.create(request()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("a bucket of another account"), "{error}");
}

#[tokio::test]
async fn a_bucket_is_deleted_with_what_is_in_it_only_if_asked_to() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let place = address(BUCKET, "full-bucket");
    let object = bucket(&aws, "full-bucket").await;
    let versioned = "s3.put_bucket_versioning(Bucket='full-bucket', VersioningConfiguration={'Status': 'Enabled'})";
    script(&cloud, versioned);
    // More than a page, and more than one call deletes.
    let put = cloud.inside(
        r"
from moto.s3.models import s3_backends
bucket = s3_backends['123456789012']['aws']
for number in range(1100):
    bucket.put_object('full-bucket', f'{number}', b'x')
answer = len(bucket.list_object_versions('full-bucket')[0])
",
    );
    assert_eq!(put, 1_000, "there are more pages");
    script(
        &cloud,
        r"
s3.put_object(Bucket='full-bucket', Key='7', Body=b'y')
s3.delete_object(Bucket='full-bucket', Key='8')
",
    );
    let error = deleted(&aws, &place, &object).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(error.hints.iter().any(|hint| hint.contains("force_destroy = true")));
    let given = [("bucket", "full-bucket".into()), ("force_destroy", true.into())];
    let object = updated(&aws, &place, &object, arguments(&aws, BUCKET, given)).await;
    deleted(&aws, &place, &object).await.unwrap();
    assert_eq!(told(&cloud, "print(len(s3.list_buckets()['Buckets']))"), "0");
}

#[tokio::test]
async fn versioning_conforms() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    bucket(&aws, "versioned").await;
    let given = |status: &str| {
        let block = block([("status", status.into())]);
        [("bucket", Value::from("versioned")), ("versioning_configuration", blocks([block]))]
    };
    conforms::<2, 0>(&aws, VERSIONING, given("Enabled"), None).await;
    let place = address(VERSIONING, "it");
    let enabled = made(&aws, VERSIONING, "it", given("Enabled")).await;
    let arguments_of = |status: &str| arguments(&aws, VERSIONING, given(status));
    let suspended = updated(&aws, &place, &enabled, arguments_of("Suspended")).await;
    assert_eq!(
        told(&cloud, "print(s3.get_bucket_versioning(Bucket='versioned')['Status'])"),
        "Suspended"
    );
    assert!(read(&aws, &place, &suspended).await.is_some());
    deleted(&aws, &place, &suspended).await.unwrap();
    // It has kept versions: a setting that says it never did is refused, one that says it has stopped is there.
    let suspended = made(&aws, VERSIONING, "it", given("Suspended")).await;
    assert!(read(&aws, &place, &suspended).await.is_some());
    let request = CreateRequest {
        address: place.clone(),
        token: "token".to_owned(),
        arguments: arguments(&aws, VERSIONING, given("Disabled")),
        batch: None,
        progress: Arc::new(Silent),
    };
    let error = aws.create(request).await.unwrap_err();
    assert!(error.message.contains("cannot be `Disabled` again"), "{error}");
    // Suspended by somebody: it is made again.
    let enabled = made(&aws, VERSIONING, "it", given("Enabled")).await;
    let suspend = "s3.put_bucket_versioning(Bucket='versioned', VersioningConfiguration={'Status': 'Suspended'})";
    script(&cloud, suspend);
    assert_eq!(read(&aws, &place, &enabled).await, None);
    bucket(&aws, "never-versioned").await;
    let block = block([("status", "Disabled".into())]);
    let never =
        [("bucket", "never-versioned".into()), ("versioning_configuration", blocks([block]))];
    let never = made(&aws, VERSIONING, "never", never).await;
    assert!(read(&aws, &address(VERSIONING, "never"), &never).await.is_some());
}

#[tokio::test]
async fn encryption_conforms() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    bucket(&aws, "encrypted").await;
    let given = |default: Value, bucket_key: Option<bool>| {
        let bucket_key = bucket_key.map_or_else(|| Value::null(Type::Bool), Value::from);
        let rule = block([
            ("apply_server_side_encryption_by_default", blocks([default])),
            ("bucket_key_enabled", bucket_key),
        ]);
        [("bucket", Value::from("encrypted")), ("rule", blocks([rule]))]
    };
    let own = block([("sse_algorithm", "AES256".into())]);
    let kms = block([("sse_algorithm", "aws:kms".into()), ("kms_master_key_id", KEY.into())]);
    conforms(&aws, ENCRYPTION, given(own.clone(), None), Some(given(kms, Some(true)))).await;
    let place = address(ENCRYPTION, "it");
    let set = made(&aws, ENCRYPTION, "it", given(own, Some(false))).await;
    assert_eq!(read(&aws, &place, &set).await.as_ref(), Some(&set.attributes));
    script(
        &cloud,
        r"
rule = {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms'}, 'BucketKeyEnabled': True}
s3.put_bucket_encryption(Bucket='encrypted', ServerSideEncryptionConfiguration={'Rules': [rule]})
",
    );
    assert_ne!(read(&aws, &place, &set).await.as_ref(), Some(&set.attributes));
}

#[tokio::test]
async fn public_access_conforms() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    bucket(&aws, "closed").await;
    let name = || ("bucket", Value::from("closed"));
    let given = [name(), ("block_public_acls", true.into()), ("block_public_policy", true.into())];
    let all = [
        name(),
        ("block_public_acls", true.into()),
        ("block_public_policy", true.into()),
        ("ignore_public_acls", true.into()),
        ("restrict_public_buckets", true.into()),
    ];
    conforms(&aws, PUBLIC_ACCESS, given, Some(all)).await;
    let set = made(&aws, PUBLIC_ACCESS, "it", [name(), ("ignore_public_acls", true.into())]).await;
    let place = address(PUBLIC_ACCESS, "it");
    script(
        &cloud,
        "s3.put_public_access_block(Bucket='closed', PublicAccessBlockConfiguration={'BlockPublicAcls': True})",
    );
    let drifted = read(&aws, &place, &set).await.unwrap();
    assert_eq!(drifted.get("ignore_public_acls"), Some(false.into()));
    assert_eq!(drifted.get("block_public_acls"), Some(true.into()));
    script(&cloud, "s3.delete_public_access_block(Bucket='closed')");
    assert_eq!(read(&aws, &place, &set).await, None);
}

fn rules() -> Value {
    let old = block([
        ("id", "old".into()),
        ("status", "Enabled".into()),
        ("filter", blocks([block([("prefix", "logs/".into())])])),
        ("expiration", blocks([block([("days", 365.into())])])),
        (
            "transition",
            blocks([
                block([("days", 30.into()), ("storage_class", "STANDARD_IA".into())]),
                block([("days", 90.into()), ("storage_class", "GLACIER".into())]),
            ]),
        ),
    ]);
    let versions = block([
        ("id", "versions".into()),
        ("status", "Enabled".into()),
        ("filter", blocks([block([])])),
        ("noncurrent_version_expiration", blocks([block([("noncurrent_days", 60.into())])])),
        (
            "noncurrent_version_transition",
            blocks([block([
                ("noncurrent_days", 30.into()),
                ("storage_class", "GLACIER_IR".into()),
            ])]),
        ),
        (
            "abort_incomplete_multipart_upload",
            blocks([block([("days_after_initiation", 7.into())])]),
        ),
    ]);
    let tagged = block([
        ("id", "tagged".into()),
        ("status", "Disabled".into()),
        (
            "filter",
            blocks([block([(
                "and",
                blocks([block([
                    ("prefix", "tmp/".into()),
                    ("tags", tags([("class", "scratch")])),
                ])]),
            )])]),
        ),
        ("expiration", blocks([block([("date", "2030-01-01T00:00:00Z".into())])])),
    ]);
    blocks([old, versions, tagged])
}

#[tokio::test]
async fn lifecycles_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    bucket(&aws, "ageing").await;
    let name = || ("bucket", Value::from("ageing"));
    let marks = block([
        ("id", "marks".into()),
        ("status", "Enabled".into()),
        ("expiration", blocks([block([("expired_object_delete_marker", true.into())])])),
    ]);
    let changed = [name(), ("rule", blocks([marks.clone()]))];
    conforms(&aws, LIFECYCLE, [name(), ("rule", rules())], Some(changed)).await;
    // Somebody's own rules are not replaced.
    let set = made(&aws, LIFECYCLE, "it", [name(), ("rule", rules())]).await;
    let request = CreateRequest {
        address: address(LIFECYCLE, "other"),
        token: "token".to_owned(),
        arguments: arguments(&aws, LIFECYCLE, [name(), ("rule", blocks([marks]))]),
        batch: None,
        progress: Arc::new(Silent),
    };
    let error = aws.create(request).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(read(&aws, &address(LIFECYCLE, "it"), &set).await.is_some());
}

#[tokio::test]
async fn wrong_arguments_are_told_before_any_call() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let said = |kind: &str, given: [(&str, Value); 2]| {
        problems(&aws, &address(kind, "this"), &arguments(&aws, kind, given))
    };
    for (name, problem) in [
        ("Upper", "`U` in `Upper` is no small letter"),
        ("ab", "must have 3 to 63 characters"),
        ("-ab", "must begin with a letter or digit"),
        ("ab-", "must end with a letter or digit"),
        ("a..b", "has two dots together"),
        ("10.0.0.1", "looks like an address"),
    ] {
        let told = said(BUCKET, [("bucket", name.into()), ("tags", tags([("a", "b")]))]);
        assert!(told.contains(problem), "{told}");
    }
    let told = said(BUCKET, [("bucket", "good".into()), ("bucket_prefix", "other".into())]);
    assert!(told.contains("it goes with no `bucket`"), "{told}");
    let rule = block([
        ("id", "a".into()),
        ("status", "On".into()),
        ("filter", blocks([block([("prefix", "x".into()), ("object_size_less_than", 10.into())])])),
        ("expiration", blocks([block([("date", "2030-01-01T12:00:00Z".into())])])),
        ("transition", blocks([block([("days", 1.into()), ("storage_class", "COLD".into())])])),
    ]);
    let idle = block([("id", "a".into()), ("status", "Enabled".into())]);
    let told = said(LIFECYCLE, [("bucket", "b".into()), ("rule", blocks([rule, idle]))]);
    for problem in [
        "two rules have the id `a`",
        "`status` is `On`",
        "`filter` has prefix and object_size_less_than",
        "write midnight in UTC",
        "`storage_class` is `COLD`",
        "it does nothing",
    ] {
        assert!(told.contains(problem), "{problem}: {told}");
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// A provider block for the program.
fn configuration(cloud: &Cloud) -> String {
    let url = cloud.url();
    format!(
        r#"
environment "buckets" {{}}

provider "aws" {{
  region = "eu-central-1"
  endpoints {{
    ec2 = "{url}"
    s3  = "{url}"
    sts = "{url}"
  }}
  s3_use_path_style = true
  default_tags {{
    tags = {{ team = "storage" }}
  }}
}}
"#
    )
}

const RESOURCES: &str = r#"
variable "days" {
  default = 30
}

resource "aws_s3_bucket" "logs" {
  bucket        = "logs-of-everything"
  force_destroy = true
  tags          = { kept = "for a while" }
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "logs/"
    }
    expiration {
      days = var.days
    }
  }
  rule {
    id     = "versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 10
    }
  }
}
"#;

#[test]
fn a_bucket_with_all_its_settings_lives_and_dies() {
    let Some(cloud) = Cloud::start() else { return };
    let bench = Workbench::of(&format!("{}{RESOURCES}", configuration(&cloud)));
    let unchanged = || {
        run(&bench, &cloud, &["plan", "env", "--detailed-exitcode"]).exits(0).says("No changes");
    };
    run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0);
    unchanged();
    let longer = ["apply", "env", "--auto-approve", "--var", "days=60"];
    run(&bench, &cloud, &longer).exits(0).says("updated in");
    bench.edit("env/main.hcl", "default = 30", "default = 60");
    unchanged();
    // Somebody opens the bucket: the next apply closes it.
    script(
        &cloud,
        "s3.put_public_access_block(Bucket='logs-of-everything', PublicAccessBlockConfiguration={'BlockPublicAcls': True})",
    );
    run(&bench, &cloud, &["plan", "env", "--detailed-exitcode"]).exits(2).says("1 to update");
    run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0);
    unchanged();
    // Forgotten and taken over again.
    let everything = ["aws_s3_bucket.logs", "aws_s3_bucket_lifecycle_configuration.logs"];
    for address in everything {
        run(&bench, &cloud, &["state", "rm", "env", address, "--auto-approve"]).exits(0);
    }
    let import =
        |address: &str| format!("import {{\n  to = {address}\n  id = \"logs-of-everything\"\n}}\n");
    bench.write("env/import.hcl", &everything.map(import).concat());
    run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0).says("2 to import");
    unchanged();
    script(
        &cloud,
        "s3.put_object(Bucket='logs-of-everything', Key='logs/1', Body=b'x')\ns3.put_object(Bucket='logs-of-everything', Key='logs/1', Body=b'y')",
    );
    // The import has not recorded that it may be destroyed: an apply has.
    run(&bench, &cloud, &["destroy", "env", "--auto-approve"]).exits(0);
    assert_eq!(told(&cloud, "print(len(s3.list_buckets()['Buckets']))"), "0");
}
