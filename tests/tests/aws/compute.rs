//! Machines, the disks at them, and what they are made from.

use crate::support::{Cloud, address, arguments, conforms, deleted, imported, made};
use model::plan::Observation;
use model::{Address, Type, Value};
use provider::{
    DataRequest, DeleteRequest, ErrorClass, ImportRequest, Object, Provider as _, ReadRequest,
    Silent, UpdateRequest,
};
use provider_aws::Aws;
use std::sync::Arc;
use tests::aws::IMAGE;
use tests::{Finished, Workbench};

const REGION: &str = "eu-central-1";

type Arguments = Vec<(&'static str, Value)>;

async fn subnet(aws: &Aws) -> Object {
    let vpc = made(aws, "aws_vpc", "main", [("cidr_block", "10.0.0.0/16".into())]).await;
    let place = [("vpc_id", Value::from(vpc.id)), ("cidr_block", "10.0.1.0/24".into())];
    made(aws, "aws_subnet", "main", place).await
}

fn block<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::tuple([Value::object(fields)])
}

/// All arguments of a machine as the engine gives them.
fn machine(aws: &Aws, given: &Arguments) -> Value {
    let mut all = arguments(aws, "aws_instance", []).as_entries().unwrap().clone();
    for (name, value) in given {
        let ty = &aws.schema().resources["aws_instance"].attributes[*name].ty;
        all.insert((*name).into(), model::convert::convert(value, ty).unwrap());
    }
    Value::object(all)
}

async fn launched(aws: &Aws, given: &Arguments) -> Object {
    let request = provider::CreateRequest {
        address: address("aws_instance", "web"),
        token: "token-of-web".to_owned(),
        arguments: machine(aws, given),
        batch: None,
        progress: Arc::new(Silent),
    };
    aws.create(request).await.unwrap()
}

async fn changed(aws: &Aws, object: &Object, given: &Arguments) -> Object {
    let request = UpdateRequest {
        address: address("aws_instance", "web"),
        token: "change".to_owned(),
        id: object.id.clone(),
        prior: object.attributes.clone(),
        arguments: machine(aws, given),
        progress: Arc::new(Silent),
    };
    aws.update(request).await.unwrap()
}

async fn read(aws: &Aws, object: &Object) -> Observation {
    let request = ReadRequest {
        address: address("aws_instance", "web"),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
    };
    aws.read_many(&[request]).await.pop().unwrap().unwrap()
}

/// That an object has these values, and is told with them.
async fn has(aws: &Aws, object: &Object, given: &Arguments) {
    let Observation::Present(seen) = read(aws, object).await else { panic!("it is not there") };
    for (name, value) in given {
        let ty = &aws.schema().resources["aws_instance"].attributes[*name].ty;
        let wanted = model::convert::convert(value, ty).unwrap();
        for (whose, attributes) in [("answer", &object.attributes), ("read", &seen)] {
            let found = attributes.get(name).unwrap();
            let found = model::convert::convert(&found, ty).unwrap();
            assert!(found.same_content(&wanted), "{whose}: `{name}` is {found:?}, not {wanted:?}");
        }
    }
}

#[tokio::test]
async fn machines_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let subnet = subnet(&aws).await;
    let given = |ty: &str| {
        [
            ("ami", Value::from(IMAGE)),
            ("instance_type", ty.into()),
            ("subnet_id", subnet.id.as_str().into()),
            ("user_data", "#!/bin/sh".into()),
        ]
    };
    let [one, two, three, four] = given("t3.small");
    let tags = ("tags", Value::object([("Name", Value::from("web"))]));
    conforms(&aws, "aws_instance", given("t3.micro"), Some([one, two, three, four, tags])).await;
}

#[tokio::test]
async fn a_machine_has_what_it_is_given_and_changes_in_place() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let subnet = subnet(&aws).await;
    let root = |gib: i64, ty: &str| {
        block([
            ("volume_size", gib.into()),
            ("volume_type", ty.into()),
            ("delete_on_termination", true.into()),
        ])
    };
    let given: Arguments = vec![
        ("ami", IMAGE.into()),
        ("instance_type", "t3.micro".into()),
        ("subnet_id", subnet.id.as_str().into()),
        ("private_ip", "10.0.1.77".into()),
        ("user_data", "hello".into()),
        ("ebs_optimized", true.into()),
        ("monitoring", true.into()),
        ("instance_initiated_shutdown_behavior", "terminate".into()),
        ("metadata_options", block([("http_tokens", "required".into())])),
        ("root_block_device", root(20, "gp3")),
        (
            "ebs_block_device",
            block([("device_name", "/dev/sdf".into()), ("volume_size", 3.into())]),
        ),
        ("tags", Value::object([("Name", Value::from("web"))])),
    ];
    let made = launched(&aws, &given).await;
    has(&aws, &made, &given).await;
    let mut other = given;
    for (name, value) in [
        ("instance_type", Value::from("t3.large")),
        ("user_data", "good bye".into()),
        ("monitoring", true.into()),
        ("source_dest_check", false.into()),
        ("disable_api_termination", true.into()),
        ("instance_initiated_shutdown_behavior", "stop".into()),
        ("metadata_options", block([("http_tokens", "optional".into())])),
        ("root_block_device", root(30, "gp3")),
        ("tags", Value::object([("Name", Value::from("api")), ("Team", "a".into())])),
    ] {
        other.retain(|(known, _)| *known != name);
        other.push((name, value));
    }
    let made = changed(&aws, &made, &other).await;
    has(&aws, &made, &other).await;
    assert_eq!(cloud.count("StopInstances"), 1, "one stop for type and user data");
    assert_eq!(made.attributes.get("instance_state").unwrap(), "running".into());
}

#[tokio::test]
async fn a_protected_machine_is_not_deleted_and_others_are() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let given: Arguments = vec![("ami", IMAGE.into()), ("instance_type", "t3.micro".into())];
    let made = launched(&aws, &given).await;
    let mut other = given.clone();
    other.push(("disable_api_termination", true.into()));
    let made = changed(&aws, &made, &other).await;
    let request = DeleteRequest {
        address: address("aws_instance", "web"),
        id: made.id.clone(),
        attributes: made.attributes.clone(),
        progress: Arc::new(Silent),
    };
    let error = aws.delete(request.clone()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error}");
    changed(&aws, &made, &given).await;
    aws.delete(request).await.unwrap();
    let gone = read(&aws, &made).await;
    assert!(matches!(gone, Observation::Absent(_)), "{gone:?}");
}

#[tokio::test]
async fn a_machine_is_imported_by_its_id() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let script = format!(
        "print(ec2.run_instances(ImageId='{IMAGE}', InstanceType='t3.micro', MinCount=1, MaxCount=1, UserData='hello',\
          BlockDeviceMappings=[{{'DeviceName': '/dev/xvda', 'Ebs': {{'VolumeSize': 20}}}}])\
         ['Instances'][0]['InstanceId'])"
    );
    let id = cloud.python(&script).trim().to_owned();
    let asked: Arguments = vec![
        ("user_data", "good bye".into()),
        ("disable_api_termination", false.into()),
        ("instance_initiated_shutdown_behavior", "terminate".into()),
        ("root_block_device", block([("volume_size", 50.into())])),
    ];
    let import = |id: &str| ImportRequest {
        address: address("aws_instance", "web"),
        id: id.to_owned(),
        arguments: machine(&aws, &asked),
    };
    let found = aws.import(&[import(&id), import("i-0123456789abcdef0")]).await;
    let [Ok(Some(found)), Ok(None)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.attributes.get("instance_type").unwrap(), "t3.micro".into());
    assert_eq!(found.attributes.get("ami").unwrap(), IMAGE.into());
    let arn = found.attributes.get("arn").unwrap();
    assert!(arn.as_str().unwrap().ends_with(&format!(":instance/{id}")), "{arn:?}");
    // What the configuration has is told as it is, and nothing of it is taken for granted.
    let told = |name: &str| found.attributes.get(name).unwrap();
    assert!(told("user_data").same_content(&"hello".into()), "{:?}", told("user_data"));
    assert_eq!(told("disable_api_termination"), false.into());
    assert_eq!(told("instance_initiated_shutdown_behavior"), "stop".into());
    let disks = told("root_block_device");
    let [disk] = disks.as_items().unwrap() else { panic!("{disks:?}") };
    assert!(disk.get("volume_size").unwrap().as_number().is_some(), "{disk:?}");
    assert_ne!(disk.get("volume_size").unwrap(), 50.into());
    assert!(disk.get("volume_type").unwrap().is_null(), "the configuration does not say it");
    for left_out in ["ebs_block_device", "user_data_base64", "disable_api_stop", "volume_tags"] {
        assert!(told(left_out).is_null(), "{left_out}: {:?}", told(left_out));
    }
}

/// What an import of a machine tells of an argument that it is configured with.
async fn told(aws: &Aws, id: &str, name: &'static str, given: Value) -> Value {
    let asked = machine(aws, &vec![(name, given)]);
    let found = imported(aws, &address("aws_instance", "web"), id, asked).await;
    found.unwrap().unwrap().attributes.get(name).unwrap()
}

#[tokio::test]
async fn an_imported_machine_has_the_template_that_it_was_launched_from() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let said = cloud.python(&format!(
        "data = {{'ImageId': '{IMAGE}', 'InstanceType': 't3.micro'}}\n\
         one = ec2.create_launch_template(LaunchTemplateName='edge', LaunchTemplateData=data)['LaunchTemplate']\n\
         id = one['LaunchTemplateId']\n\
         ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)\n\
         template = {{'LaunchTemplateName': 'edge', 'Version': '$Latest'}}\n\
         made = ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1)\n\
         print(made['Instances'][0]['InstanceId'])\n\
         print(id)\n\
         print(instance())"
    ));
    let [machine, template, plain] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    let asked = |fields: &[(&'static str, &str)]| {
        let all = ["id", "name", "version"].map(|name| {
            let given = fields.iter().find(|(known, _)| *known == name);
            (name, given.map_or_else(|| Value::null(Type::String), |(_, text)| Value::from(*text)))
        });
        block(all)
    };
    let told =
        async |id: &str, given: &Value| told(&aws, id, "launch_template", given.clone()).await;
    for (given, expected) in [
        // Everything that is so is told as it is written.
        (
            asked(&[("id", template), ("version", "2")]),
            asked(&[("id", template), ("version", "2")]),
        ),
        (
            asked(&[("name", "edge"), ("version", "$Latest")]),
            asked(&[("name", "edge"), ("version", "$Latest")]),
        ),
        // What is not so, as it is. Without a version the default one is meant, which is the first.
        (asked(&[("id", template)]), asked(&[("id", template), ("version", "2")])),
        (asked(&[("name", "core")]), asked(&[("name", "edge"), ("version", "2")])),
        (
            asked(&[("id", template), ("version", "$Default")]),
            asked(&[("id", template), ("version", "2")]),
        ),
        (asked(&[("id", "lt-0"), ("version", "1")]), asked(&[("id", template), ("version", "2")])),
    ] {
        let found = told(machine, &given).await;
        let [found, expected] = [found, expected].map(|value| value.as_items().unwrap()[0].clone());
        assert!(found.same_content(&expected), "{given:?}: {found:?}, not {expected:?}");
    }
    let none = told(plain, &asked(&[("name", "edge")])).await;
    assert_eq!(none.as_items().map(<[Value]>::len), Some(0), "it is of no template");
    let left_out =
        imported(&aws, &address("aws_instance", "web"), machine, self::machine(&aws, &Vec::new()))
            .await;
    assert!(left_out.unwrap().unwrap().attributes.get("launch_template").unwrap().is_null());
}

#[tokio::test]
async fn an_imported_spot_machine_has_what_it_was_asked_for_with() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let said = cloud.python(&format!(
        "options = {{'MaxPrice': '0.05', 'SpotInstanceType': 'one-time', 'InstanceInterruptionBehavior': 'terminate'}}\n\
         market = {{'MarketType': 'spot', 'SpotOptions': options}}\n\
         made = ec2.run_instances(ImageId='{IMAGE}', InstanceType='t3.micro', MinCount=1, MaxCount=1, InstanceMarketOptions=market)\n\
         print(made['Instances'][0]['InstanceId'])\n\
         print(instance())"
    ));
    let [spot, plain] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    let asked = |price: Option<&str>, behaviour: Option<&str>| {
        let text = |text: Option<&str>| text.map_or_else(|| Value::null(Type::String), Value::from);
        let options = block([
            ("max_price", text(price)),
            ("spot_instance_type", text(None)),
            ("instance_interruption_behavior", text(behaviour)),
        ]);
        block([("market_type", "spot".into()), ("spot_options", options)])
    };
    let told = async |id: &str, given: Value| {
        told(&aws, id, "instance_market_options", given).await.as_items().unwrap().to_vec()
    };
    for (price, behaviour, amount) in [
        (Some("0.050"), Some("terminate"), Some("0.050")),
        (None, None, None),
        (Some("0.07"), None, Some("0.050000")),
    ] {
        let found = told(spot, asked(price, behaviour)).await;
        assert_eq!(found[0].get("market_type").unwrap(), "spot".into());
        let options = found[0].get("spot_options").unwrap().as_items().unwrap()[0].clone();
        assert_eq!(options.get("max_price").unwrap().as_str(), amount);
        assert_eq!(options.get("instance_interruption_behavior").unwrap().as_str(), behaviour);
    }
    assert_eq!(told(plain, asked(None, None)).await, [], "it is paid for as most are");
}

#[test]
fn a_machine_that_is_as_configured_is_imported_without_a_change() {
    let Some(site) = Site::new() else { return };
    site.bench.edit("env/main.hcl", "= 50", "= 1");
    site.apply().exits(0);
    let ids = site.ids();
    site.run(&["state", "rm", "env", "aws_instance.web[0]", "--auto-approve"]).exits(0);
    let import = format!("import {{\n  to = aws_instance.web[0]\n  id = \"{}\"\n}}\n", ids[0]);
    site.bench.write("env/import.hcl", &import);
    site.apply().exits(0).says("1 to import").says("0 to replace");
    for api in ["StopInstances", "RunInstances", "TerminateInstances", "ModifyVolume"] {
        assert_eq!(site.count(api), 0, "{api}");
    }
    site.run(&["plan", "env"]).exits(0).says("No changes");
    assert_eq!(site.ids(), ids);
}

/// A spot machine of a template, and the template.
const TEMPLATED: &str = r#"environment "web" {}

provider "aws" { region = "eu-central-1" }

resource "aws_launch_template" "web" {
  name          = "web"
  image_id      = "ami-0123456789abcdef0"
  instance_type = "t3.micro"
}

resource "aws_instance" "web" {
  launch_template {
    id      = aws_launch_template.web.id
    version = "$Latest"
  }

  instance_market_options {
    market_type = "spot"
    spot_options { max_price = "0.05" }
  }
}

output "ids" { value = aws_instance.web.id }
"#;

#[test]
fn a_spot_machine_of_a_template_is_imported_without_a_change() {
    let Some(cloud) = Cloud::start() else { return };
    let site = Site { cloud, bench: Workbench::of(TEMPLATED) };
    site.apply().exits(0);
    let ids = site.ids();
    site.run(&["plan", "env"]).exits(0).says("No changes");
    site.run(&["state", "rm", "env", "aws_instance.web", "--auto-approve"]).exits(0);
    let import = format!("import {{\n  to = aws_instance.web\n  id = \"{}\"\n}}\n", ids[0]);
    site.bench.write("env/import.hcl", &import);
    site.apply().exits(0).says("1 to import").says("0 to replace");
    assert_eq!(site.count("RunInstances"), 0);
    site.run(&["plan", "env"]).exits(0).says("No changes");
    assert_eq!(site.ids(), ids);
}

#[test]
fn a_machine_follows_the_version_of_its_template_that_it_is_configured_with() {
    let Some(cloud) = Cloud::start() else { return };
    let site = Site { cloud, bench: Workbench::of(TEMPLATED) };
    let follow = |word: &str| {
        let text = TEMPLATED.replace("version = \"$Latest\"", word);
        site.bench.write("env/main.hcl", &text);
    };
    let plan = |expected: &str| drop(site.run(&["plan", "env"]).exits(0).says(expected));
    follow("");
    site.apply().exits(0);
    let template = "id = ec2.describe_launch_templates()['LaunchTemplates'][0]['LaunchTemplateId']";
    let second = format!(
        "data = {{'ImageId': '{IMAGE}', 'InstanceType': 't3.micro', 'EbsOptimized': True}}\n\
         ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)"
    );
    site.cloud.python(&format!("{template}\n{second}"));
    site.bench.edit(
        "env/main.hcl",
        "resource \"aws_launch_template\" \"web\" {",
        "resource \"aws_launch_template\" \"web\" {\n  ebs_optimized = true\n",
    );
    plan("No changes");
    // One for the template, and one for all machines that follow some.
    assert_eq!(site.count("DescribeLaunchTemplates"), 2, "{:?}", site.cloud.counts());
    // Another version is the default one now, which this machine does not have.
    site.cloud.python(&format!(
        "{template}\nec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion='2')"
    ));
    plan("0 to update, 1 to replace");
    site.bench.edit("env/main.hcl", "id      = aws", "version = \"1\"\n    id      = aws");
    plan("No changes");
    let ids = site.ids();
    site.bench.edit("env/main.hcl", "version = \"1\"", "");
    site.apply().exits(0).says("1 to replace");
    assert_ne!(site.ids(), ids);
    plan("No changes");
}

#[tokio::test]
async fn a_disk_leaves_its_machine_as_it_is_configured() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let zone = || ("availability_zone", Value::from("eu-central-1a"));
    let given = [("ami", Value::from(IMAGE)), ("instance_type", "t3.micro".into()), zone()];
    let instance = made(&aws, "aws_instance", "web", given).await;
    let disk = [zone(), ("size", Value::from(5))];
    let volume = made(&aws, "aws_ebs_volume", "data", disk).await;
    let kind = "aws_volume_attachment";
    let joined = |how: &'static str| {
        [
            ("device_name", Value::from("/dev/sdf")),
            ("volume_id", volume.id.as_str().into()),
            ("instance_id", instance.id.as_str().into()),
            (how, true.into()),
        ]
    };
    let state = || {
        let script = format!(
            "print(ec2.describe_volumes(VolumeIds=['{}'])['Volumes'][0]['State'])\n\
             print(ec2.describe_instances(InstanceIds=['{}'])['Reservations'][0]['Instances'][0]['State']['Name'])",
            volume.id, instance.id
        );
        cloud.python(&script)
    };
    let place = address(kind, "data");
    let attached = made(&aws, kind, "data", joined("skip_destroy")).await;
    cloud.forget_calls();
    deleted(&aws, &place, &attached).await.unwrap();
    assert_eq!(cloud.counts().len(), 0, "nothing is asked: {:?}", cloud.counts());
    assert_eq!(state(), "in-use\nrunning");
    // It is there, so that attaching it once more is the same.
    let attached = made(&aws, kind, "data", joined("force_detach")).await;
    deleted(&aws, &place, &attached).await.unwrap();
    let calls = cloud.calls();
    let detached = calls.iter().find(|logged| logged.call.operation == "DetachVolume").unwrap();
    assert_eq!(detached.call.parameter("Force"), Some("true"));
    assert_eq!(state(), "available\nrunning");
    let attached = made(&aws, kind, "data", joined("stop_instance_before_detaching")).await;
    deleted(&aws, &place, &attached).await.unwrap();
    assert_eq!(state(), "available\nstopped");
}

#[tokio::test]
async fn disks_and_their_attachments_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let zone = || ("availability_zone", Value::from("eu-central-1a"));
    let disk = |gib: i64| [zone(), ("size", gib.into()), ("type", "gp3".into())];
    conforms(&aws, "aws_ebs_volume", disk(5), Some(disk(6))).await;
    let volume = made(&aws, "aws_ebs_volume", "data", disk(5)).await;
    let given = [("ami", Value::from(IMAGE)), ("instance_type", "t3.micro".into()), zone()];
    let instance = made(&aws, "aws_instance", "web", given).await;
    let joined = [
        ("device_name", Value::from("/dev/sdf")),
        ("volume_id", volume.id.as_str().into()),
        ("instance_id", instance.id.as_str().into()),
    ];
    conforms::<3, 0>(&aws, "aws_volume_attachment", joined, None).await;
}

#[tokio::test]
async fn placement_groups_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let given = || [("name", Value::from("near")), ("strategy", "cluster".into())];
    let [name, strategy] = given();
    let tags = ("tags", Value::object([("Team", Value::from("a"))]));
    conforms(&aws, "aws_placement_group", given(), Some([name, strategy, tags])).await;
}

#[tokio::test]
async fn launch_templates_conform_and_machines_are_made_from_them() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let disk = |gib: i64| {
        let ebs = block([("volume_size", gib.into()), ("volume_type", "gp3".into())]);
        block([("device_name", "/dev/xvda".into()), ("ebs", ebs)])
    };
    let given = |gib: i64| {
        [
            ("name", Value::from("web")),
            ("image_id", IMAGE.into()),
            ("instance_type", "t3.micro".into()),
            ("user_data", "aGVsbG8=".into()),
            ("block_device_mappings", disk(gib)),
            ("metadata_options", block([("http_tokens", "required".into())])),
            ("update_default_version", true.into()),
        ]
    };
    conforms(&aws, "aws_launch_template", given(8), Some(given(9))).await;
    let [_, image, ty, rest @ ..] = given(8);
    let name = ("name", Value::from("api"));
    let [_, disk, ..] = rest;
    let template = made(&aws, "aws_launch_template", "api", [name, image, ty, disk]).await;
    let of = block([("id", template.id.as_str().into()), ("version", "$Latest".into())]);
    let machine = launched(&aws, &vec![("launch_template", of)]).await;
    assert_eq!(machine.attributes.get("instance_type").unwrap(), "t3.micro".into());
    assert_eq!(machine.attributes.get("ami").unwrap(), IMAGE.into());
}

#[tokio::test]
async fn an_imported_launch_template_has_its_contents() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let id = cloud.python(&format!(
        "data = {{'ImageId': '{IMAGE}', 'InstanceType': 't3.micro', 'UserData': 'aGVsbG8=', 'EbsOptimized': True,\n\
         \x20 'MetadataOptions': {{'HttpTokens': 'required', 'HttpEndpoint': 'enabled'}},\n\
         \x20 'BlockDeviceMappings': [{{'DeviceName': '/dev/xvda', 'Ebs': {{'VolumeSize': 8, 'VolumeType': 'gp3'}}}}]}}\n\
         made = ec2.create_launch_template(LaunchTemplateName='edge', LaunchTemplateData={{'ImageId': 'ami-0'}})\n\
         id = made['LaunchTemplate']['LaunchTemplateId']\n\
         ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data, VersionDescription='two')\n\
         print(id)"
    ));
    let ebs = block([("volume_size", 20.into()), ("volume_type", "gp3".into())]);
    let asked = [
        ("name", Value::from("edge")),
        ("image_id", IMAGE.into()),
        ("instance_type", "t3.large".into()),
        ("user_data", "aGVsbG8=".into()),
        ("block_device_mappings", block([("device_name", "/dev/xvda".into()), ("ebs", ebs)])),
        ("metadata_options", block([("http_tokens", "required".into())])),
    ];
    let address = address("aws_launch_template", "edge");
    let asked = arguments(&aws, "aws_launch_template", asked);
    let found = imported(&aws, &address, id.trim(), asked).await.unwrap().unwrap();
    let told = |name: &str| found.attributes.get(name).unwrap();
    // What the configuration has, as it is: the same, or something else.
    for (name, expected) in [
        ("image_id", IMAGE),
        ("instance_type", "t3.micro"),
        ("description", "two"),
        ("name", "edge"),
    ] {
        assert_eq!(told(name).as_str(), Some(expected), "{name}");
    }
    assert!(told("user_data").same_content(&"aGVsbG8=".into()), "{:?}", told("user_data"));
    assert_eq!(told("latest_version"), 2.into());
    let first = |value: &Value| value.as_items().unwrap()[0].clone();
    let ebs = first(&first(&told("block_device_mappings")).get("ebs").unwrap());
    assert_eq!(ebs.get("volume_size").unwrap(), 8.into());
    let options = first(&told("metadata_options"));
    assert_eq!(options.get("http_tokens").unwrap(), "required".into());
    assert!(options.get("http_endpoint").unwrap().is_null(), "the configuration does not say it");
}

async fn looked_up<const N: usize>(
    aws: &Aws,
    kind: &str,
    given: [(&str, Value); N],
) -> Result<Value, provider::ProviderError> {
    let request = DataRequest {
        address: Address::data(Vec::new(), kind, "this", None),
        arguments: Value::object(given),
    };
    aws.read_data(&[request]).await.pop().unwrap()
}

#[tokio::test]
async fn images_and_types_are_looked_up() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let filter = |name: &str, value: &str| {
        Value::object([
            ("name", Value::from(name)),
            ("values", Value::set(Type::String, [value.into()])),
        ])
    };
    let debian = || filter("name", "debian-12-*");
    let both = looked_up(&aws, "aws_ami", [("filter", Value::tuple([debian()]))]).await;
    let error = both.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid, "{error}");
    assert!(error.message.contains("2 images"), "{error}");
    let one = Value::tuple([debian(), filter("architecture", "x86_64")]);
    let image = looked_up(&aws, "aws_ami", [("filter", one)]).await.unwrap();
    assert_eq!(image.get("id").unwrap(), IMAGE.into());
    assert_eq!(image.get("root_device_name").unwrap(), "/dev/xvda".into());
    let named = [("name_regex", Value::from("amd64$")), ("most_recent", true.into())];
    assert_eq!(looked_up(&aws, "aws_ami", named).await.unwrap().get("id"), image.get("id"));
    let none = looked_up(&aws, "aws_ami", [("name_regex", Value::from("^windows"))]).await;
    assert_eq!(none.unwrap_err().class, ErrorClass::NotFound);
    let ty = [("instance_type", Value::from("t3.micro"))];
    let ty = looked_up(&aws, "aws_ec2_instance_type", ty).await.unwrap();
    assert_eq!(ty.get("default_vcpus").unwrap(), 2.into());
    assert_eq!(ty.get("memory_size").unwrap(), 1024.into());
    let unknown = [("instance_type", Value::from("z9.nano"))];
    let unknown = looked_up(&aws, "aws_ec2_instance_type", unknown).await;
    assert_eq!(unknown.unwrap_err().class, ErrorClass::NotFound);
    let told = cloud.take_violations();
    assert!(told.len() == 1 && told[0].contains("z9.nano"), "{told:?}");
}

/// The program with machines of a network, in a cloud.
struct Site {
    cloud: Cloud,
    bench: Workbench,
}

const MACHINES: &str = r#"environment "web" {}

provider "aws" { region = "eu-central-1" }

resource "aws_vpc" "main" { cidr_block = "10.0.0.0/16" }

resource "aws_subnet" "main" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.0.0/20"
}

resource "aws_instance" "web" {
  count         = 50
  ami           = "ami-0123456789abcdef0"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.main.id
  user_data     = "hello"

  root_block_device {
    volume_size = 20
    volume_type = "gp3"
  }
}

output "ids" { value = join(" ", aws_instance.web[*].id) }
"#;

impl Site {
    fn new() -> Option<Self> {
        Some(Self { cloud: Cloud::start()?, bench: Workbench::of(MACHINES) })
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.cloud.forget_calls();
        let mut command = self.bench.command(arguments);
        let output = command.envs(self.cloud.environment()).output().unwrap();
        Finished::new(arguments.join(" "), &output)
    }

    fn apply(&self) -> Finished {
        self.run(&["apply", "env", "--auto-approve"])
    }

    fn count(&self, operation: &str) -> usize {
        self.cloud.count(operation)
    }

    /// The recorded ids, in the order of the instances.
    fn ids(&self) -> Vec<String> {
        let shown = self.run(&["output", "env", "ids", "--raw"]).exits(0);
        shown.stdout.split_whitespace().map(str::to_owned).collect()
    }
}

#[test]
fn fifty_machines_are_one_call_and_each_is_recorded_at_its_index() {
    let Some(site) = Site::new() else { return };
    site.apply().exits(0);
    assert_eq!(site.count("RunInstances"), 1, "{:?}", site.cloud.counts());
    let counts = site.cloud.counts();
    assert!(counts.values().sum::<usize>() < 40, "few calls for 50 machines: {counts:?}");
    let ids = site.ids();
    let told = site.cloud.python(
        "machines = [i for r in ec2.describe_instances(MaxResults=1000)['Reservations'] for i in r['Instances']]\n\
         machines.sort(key=lambda machine: machine['AmiLaunchIndex'])\n\
         print(' '.join(machine['InstanceId'] for machine in machines))",
    );
    assert_eq!(ids, told.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ids.len(), 50);
    site.cloud.ledger().assert_no_duplicates();
    site.run(&["plan", "env"]).exits(0).says("No changes");
    let counts = site.cloud.counts();
    let described = ["DescribeInstances", "DescribeVolumes"].map(|api| counts.get(api).copied());
    // The listing of what belongs to the environment sees that all of it was just read.
    assert_eq!(described, [Some(1), Some(1)], "{counts:?}");
    assert!(counts.values().sum::<usize>() <= 10, "a refresh is few calls: {counts:?}");
    site.run(&["destroy", "env", "--auto-approve"]).exits(0);
    let counts = site.cloud.counts();
    assert_eq!(counts.get("TerminateInstances"), Some(&1), "{counts:?}");
    // One look before it and one after it.
    assert_eq!(counts.get("DescribeInstances"), Some(&2), "{counts:?}");
    assert!(site.cloud.ledger().alive().is_empty());
}

#[test]
fn another_type_is_a_stop_and_a_start_and_one_that_was_stopped_is_started() {
    let Some(site) = Site::new() else { return };
    site.bench.edit("env/main.hcl", "= 50", "= 2");
    site.apply().exits(0);
    let ids = site.ids();
    site.bench.edit("env/main.hcl", "t3.micro", "t3.small");
    site.apply().exits(0);
    assert_eq!(site.ids(), ids, "the machines are the same");
    let types = "print(sorted((i['InstanceType'], i['State']['Name']) \
        for r in ec2.describe_instances()['Reservations'] for i in r['Instances']))";
    let told = site.cloud.python(types);
    assert_eq!(told.trim(), "[('t3.small', 'running'), ('t3.small', 'running')]");
    site.cloud.python(&format!("ec2.stop_instances(InstanceIds=['{}'])", ids[1]));
    site.run(&["plan", "env"]).says("aws_instance.web[1]").says("stopped");
    site.apply().exits(0);
    assert_eq!(site.count("StartInstances"), 1);
    assert_eq!(site.count("RunInstances"), 0);
    site.run(&["plan", "env"]).exits(0).says("No changes");
}

#[test]
fn what_cannot_change_in_place_makes_a_machine_anew_and_the_rest_does_not() {
    let Some(site) = Site::new() else { return };
    site.bench.edit("env/main.hcl", "= 50", "= 1");
    site.apply().exits(0);
    let plan = |from: &str, to: &str, expected: &str| {
        site.bench.edit("env/main.hcl", from, to);
        site.run(&["plan", "env"]).exits(0).says(expected);
        site.bench.edit("env/main.hcl", to, from);
    };
    plan("\"hello\"", "\"bye\"", "1 to update, 0 to replace");
    let replaced = "\"bye\"\n  user_data_replace_on_change = true";
    plan("\"hello\"", replaced, "0 to update, 1 to replace");
    plan("volume_size = 20", "volume_size = 30", "1 to update, 0 to replace");
    plan("volume_type = \"gp3\"", "encrypted = true", "0 to update, 1 to replace");
    let disk = "}\n\n  ebs_block_device {\n    device_name = \"/dev/sdf\"\n    volume_size = 1\n  }\n}\n\noutput";
    plan("}\n}\n\noutput", disk, "0 to update, 1 to replace");
    plan("t3.micro", "t3.small", "1 to update, 0 to replace");
    plan("= aws_subnet.main.id", "= \"subnet-0123456789abcdef0\"", "0 to update, 1 to replace");
}
