//! Wrong requests, one for each kind of violation, and right ones of which nothing is told.

use super::call::Call;
use super::conformance::violations;
use super::http::Request;
use super::model::{Models, models};
use super::moto::python;

fn known() -> Option<&'static Models> {
    python()?;
    Some(models().unwrap())
}

fn request(
    service: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/{service}/aws4_request, Signature=0"
    );
    let mut all = vec![("authorization".to_owned(), credential)];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let (method, target) = (method.to_owned(), target.to_owned());
    Request { method, target, headers: all, body: body.as_bytes().to_vec() }
}

fn told(request: &Request) -> Vec<String> {
    let models = known().unwrap();
    violations(request, &Call::of(request, models), models)
}

fn query(form: &str) -> Vec<String> {
    let content = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    told(&request("ec2", "POST", "/", &[content], &format!("{form}&Version=2016-11-15")))
}

#[track_caller]
fn is_told(found: &[String], text: &str) {
    assert!(
        found.len() == 1 && found[0].contains(text),
        "`{text}` is not what is told: {found:#?}"
    );
}

#[test]
fn right_queries_are_right() {
    if known().is_none() {
        return;
    }
    let launch = "Action=RunInstances&ImageId=ami-1&InstanceType=t3.micro&MinCount=1&MaxCount=2&ClientToken=t&EbsOptimized=true&\
        BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=8&BlockDeviceMapping.1.Ebs.VolumeType=gp3&\
        TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b&\
        NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId=subnet-1&NetworkInterface.1.SecurityGroupId.1=sg-1&\
        UserData=YWJj&MetadataOptions.HttpTokens=required";
    let empty: [String; 0] = [];
    assert_eq!(query(launch), empty);
    let describe = "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=running&\
        Filter.2.Name=tag:a&Filter.2.Value.1=b&Filter.3.Name=client-token&Filter.3.Value.1=t&MaxResults=100";
    assert_eq!(query(describe), empty);
    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    let content = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(told(&request("sts", "POST", "/", &[content], identity)), empty);
}

#[test]
fn each_kind_of_violation_is_told() {
    if known().is_none() {
        return;
    }
    let launch = "Action=RunInstances&MinCount=1&MaxCount=2";
    is_told(&query("Action=RunInstance&MinCount=1"), "RunInstance is no operation of ec2");
    is_told(&query(&format!("{launch}&ImagId=ami-1")), "ImagId: no such member");
    is_told(&query(&format!("{launch}&securityGroupId.1=sg-1")), "securityGroupId: no such member");
    is_told(&query("Action=RunInstances&MinCount=1"), "MaxCount: is required, and missing");
    is_told(&query("Action=RunInstances&MinCount=one&MaxCount=2"), "`one` is no integer");
    is_told(&query(&format!("{launch}&EbsOptimized=yes")), "`yes` is no boolean");
    is_told(&query(&format!("{launch}&InstanceType=t3.huge")), "`t3.huge` is none of the values");
    is_told(
        &query(&format!("{launch}&MetadataOptions=required")),
        "has a value, but is made of members",
    );
    is_told(&query(&format!("{launch}&ImageId.1=ami-1")), "has members, but is a value");
    is_told(&query(&format!("{launch}&SecurityGroupId.2=sg-1")), "`2` is no number of its 1 items");
    is_told(&query(&format!("{launch}&SecurityGroupId.member.1=sg-1")), "`member` is no number");
    is_told(
        &query(&format!("{launch}&TagSpecification.1.Tag.1.Name=a")),
        "TagSpecification.1.Tag.1.Name: no such member",
    );
    is_told(&query("Action=DescribeInstances&MaxResults=1&DryRun=1"), "`1` is no boolean");
    is_told(&query("Action=DescribeVolumes&Filter.1.Name=status"), "has no values");
    is_told(
        &query("Action=DescribeVolumes&Filter.1.Name=client-token&Filter.1.Value.1=t"),
        "`client-token` is no filter of it",
    );
    let nested = "Action=AttachVolume&Device=/dev/sdf&InstanceId=i-1";
    is_told(&query(nested), "VolumeId: is required, and missing");
    let time = "Action=DescribeSpotPriceHistory&StartTime";
    is_told(&query(&format!("{time}=2026-11-28 14:00")), "is no timestamp");
    assert!(query(&format!("{time}=2026-11-28T14:00:00.5Z")).is_empty());
    assert!(query("Action=DescribeVpcs&Version=2014-01-01").is_empty(), "the last Version counts");
}

#[test]
fn the_envelope_of_a_query_is_looked_at() {
    if known().is_none() {
        return;
    }
    let form = "Action=DescribeVpcs&Version=2016-11-15";
    let content = ("content-type", "application/x-www-form-urlencoded");
    is_told(
        &told(&request("ec2", "POST", "/", &[], form)),
        "the content type `` is not that of a form",
    );
    is_told(&told(&request("ec2", "PUT", "/", &[content], form)), "PUT / instead of POST /");
    let old = "Action=DescribeVpcs&Version=2014-10-01";
    is_told(&told(&request("ec2", "POST", "/", &[content], old)), "not 2016-11-15");
    is_told(&told(&request("iam", "POST", "/", &[content], form)), "`iam` is no service");
    let role = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/a&RoleSessionName=me&DurationSeconds=9";
    is_told(&told(&request("sts", "POST", "/", &[content], role)), "9 is less than 900");
    let arns = format!("{}&PolicyArns.1.arn=b", role.replace("=9", "=900"));
    is_told(
        &told(&request("sts", "POST", "/", &[content], &arns)),
        "its items are not in `member`",
    );
}

fn put(target: &str, body: &str) -> Vec<String> {
    told(&request("s3", "PUT", target, &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], body))
}

#[test]
fn operations_of_s3_are_told_apart() {
    let Some(models) = known() else { return };
    let operation = |method: &str, target: &str, headers: &[(&str, &str)]| {
        Call::of(&request("s3", method, target, headers, ""), models).operation
    };
    assert_eq!(operation("PUT", "/b", &[]), "CreateBucket");
    assert_eq!(operation("PUT", "/b?versioning", &[]), "PutBucketVersioning");
    assert_eq!(operation("GET", "/b?list-type=2&prefix=a", &[]), "ListObjectsV2");
    assert_eq!(operation("GET", "/b", &[]), "ListObjects");
    assert_eq!(operation("GET", "/", &[]), "ListBuckets");
    assert_eq!(operation("HEAD", "/b", &[]), "HeadBucket");
    assert_eq!(operation("PUT", "/b/a/b.json?x-id=PutObject", &[]), "PutObject");
    assert_eq!(operation("PUT", "/b/k", &[("x-amz-copy-source", "/b/l")]), "CopyObject");
    assert_eq!(operation("PUT", "/b/k?partNumber=1&uploadId=u", &[]), "UploadPart");
    assert_eq!(operation("DELETE", "/b?lifecycle", &[]), "DeleteBucketLifecycle");
    assert_eq!(operation("GET", "/b?publicAccessBlock", &[]), "GetPublicAccessBlock");
}

#[test]
fn each_kind_of_violation_of_s3_is_told() {
    if known().is_none() {
        return;
    }
    let space = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    let versioning = |content: &str| {
        put(
            "/b?versioning",
            &format!("<VersioningConfiguration {space}>{content}</VersioningConfiguration>"),
        )
    };
    assert!(versioning("<Status>Enabled</Status>").is_empty());
    is_told(&versioning("<Status>On</Status>"), "`On` is none of the values");
    is_told(&versioning("<State>Enabled</State>"), "State: no such member");
    is_told(&put("/b?versioning", ""), "VersioningConfiguration: is required, and missing");
    is_told(&put("/b?versioning", "Enabled"), "its body is not XML");
    is_told(&put("/b?versioning", "<Versioning/>"), "its body is `Versioning`");
    let rule = |content: &str| {
        let rule = format!("<Rule><Filter><Prefix>a</Prefix></Filter>{content}</Rule>");
        put(
            "/b?lifecycle",
            &format!("<LifecycleConfiguration {space}>{rule}</LifecycleConfiguration>"),
        )
    };
    assert!(rule("<Status>Enabled</Status><Expiration><Days>3</Days></Expiration>").is_empty());
    is_told(&rule(""), "Status: is required, and missing");
    is_told(
        &rule("<Status>Enabled</Status><Expiration><Days>x</Days></Expiration>"),
        "`x` is no integer",
    );
    let bare = request("s3", "PUT", "/b?versioning", &[], "<VersioningConfiguration/>");
    is_told(&told(&bare), "neither Content-MD5");
    is_told(&told(&request("s3", "PATCH", "/b", &[], "")), "is no operation of S3");
    is_told(
        &told(&request("s3", "GET", "/b?list-type=2&pref=a", &[], "")),
        "`pref` is not part of its query",
    );
    is_told(
        &told(&request("s3", "GET", "/b?list-type=2&max-keys=all", &[], "")),
        "`all` is no integer",
    );
    is_told(
        &told(&request("s3", "HEAD", "/b", &[("x-amz-acl", "private")], "")),
        "`x-amz-acl` is no header",
    );
    is_told(
        &told(&request("s3", "PUT", "/b", &[("x-amz-acl", "open")], "")),
        "`open` is none of the values",
    );
}
