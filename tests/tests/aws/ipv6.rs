//! IPv6: ranges of networks and subnets, addresses of machines.

use crate::support::{
    Cloud, REGION, address, arguments, conforms, imported, made, problems, read, run, text, told,
    updated,
};
use model::{Type, Value};
use provider::Object;
use provider_aws::Aws;
use tests::Workbench;
use tests::aws::{IMAGE, Options};

const VPC: &str = "aws_vpc";
const SUBNET: &str = "aws_subnet";
const MACHINE: &str = "aws_instance";
const GENERATED: &str = "assign_generated_ipv6_cidr_block";
const ASSIGN: &str = "assign_ipv6_address_on_creation";
const BLOCK: &str = "ipv6_cidr_block";

fn range() -> (&'static str, Value) {
    ("cidr_block", Value::from("10.0.0.0/16"))
}

async fn vpc(aws: &Aws) -> Object {
    made(aws, VPC, "main", [range(), (GENERATED, true.into())]).await
}

/// A part of the network's range, as `cidrsubnet` gives it.
fn part(vpc: &Object, number: u8) -> String {
    let block = text(&vpc.attributes, BLOCK);
    block.replace("00::/56", &format!("{number:02x}::/64"))
}

fn place(vpc: &Object, block: Option<String>) -> [(&'static str, Value); 3] {
    let block = block.map_or_else(|| Value::null(Type::String), Value::from);
    [("vpc_id", vpc.id.as_str().into()), ("cidr_block", "10.0.1.0/24".into()), (BLOCK, block)]
}

#[tokio::test]
async fn ranges_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let with = || [range(), (GENERATED, Value::from(true))];
    conforms(&aws, VPC, [range()], Some(with())).await;
    conforms(&aws, VPC, with(), Some([range()])).await;
    let vpc = vpc(&aws).await;
    assert!(text(&vpc.attributes, BLOCK).ends_with("::/56"), "{vpc:?}");
    assert!(text(&vpc.attributes, "ipv6_association_id").starts_with("vpc-cidr-assoc-"));
    let plain = || place(&vpc, None);
    let of = |number, assigns: bool| {
        let [one, two, three] = place(&vpc, Some(part(&vpc, number)));
        [one, two, three, (ASSIGN, assigns.into())]
    };
    conforms(&aws, SUBNET, plain(), Some(of(1, true))).await;
    conforms(&aws, SUBNET, of(1, true), Some(of(2, true))).await;
    conforms(&aws, SUBNET, of(1, false), Some(of(1, true))).await;
    conforms(&aws, SUBNET, of(1, true), Some(plain())).await;
}

#[tokio::test]
async fn ranges_that_take_a_while_are_waited_for() {
    let Some(cloud) = Cloud::with(Options { slow_describes: 2, ..Options::default() }) else {
        return;
    };
    let aws = cloud.provider(REGION);
    let vpc = vpc(&aws).await;
    assert_eq!(cloud.count("DescribeVpcs"), 3);
    let [one, two, three] = place(&vpc, Some(part(&vpc, 1)));
    let given = [one.clone(), two.clone(), three, (ASSIGN, true.into())];
    // It gives addresses of its range once it has that, which the cloud sees to.
    let subnet = made(&aws, SUBNET, "main", given).await;
    let place = address(SUBNET, "main");
    let other = part(&vpc, 2);
    let given = [one, two, (BLOCK, other.as_str().into()), (ASSIGN, true.into())];
    let subnet = updated(&aws, &place, &subnet, arguments(&aws, SUBNET, given)).await;
    assert_eq!(text(&subnet.attributes, BLOCK), other);
    let at = address(VPC, "main");
    let bare = updated(&aws, &at, &vpc, arguments(&aws, VPC, [range()])).await;
    assert_eq!(text(&bare.attributes, BLOCK), "(none)");
    let again = arguments(&aws, VPC, [range(), (GENERATED, true.into())]);
    let again = updated(&aws, &at, &bare, again).await;
    assert_ne!(text(&again.attributes, BLOCK), text(&vpc.attributes, BLOCK));
}

#[tokio::test]
async fn ranges_drift_and_are_mended() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let vpc = vpc(&aws).await;
    let subnet = made(&aws, SUBNET, "main", place(&vpc, Some(part(&vpc, 1)))).await;
    let of_subnet = text(&subnet.attributes, "ipv6_cidr_block_association_id");
    let of_vpc = text(&vpc.attributes, "ipv6_association_id");
    cloud.python(&format!(
        "ec2.disassociate_subnet_cidr_block(AssociationId='{of_subnet}')\n\
         ec2.disassociate_vpc_cidr_block(AssociationId='{of_vpc}')"
    ));
    let seen = read(&aws, &address(VPC, "main"), &vpc).await.unwrap();
    assert_eq!(seen.get(GENERATED), Some(false.into()));
    assert_eq!(text(&seen, BLOCK), "(none)");
    let drifted = Object { attributes: seen, ..vpc };
    let given = arguments(&aws, VPC, [range(), (GENERATED, true.into())]);
    let vpc = updated(&aws, &address(VPC, "main"), &drifted, given).await;
    let seen = read(&aws, &address(SUBNET, "main"), &subnet).await.unwrap();
    assert_eq!(text(&seen, BLOCK), "(none)");
    let given = arguments(&aws, SUBNET, place(&vpc, Some(part(&vpc, 3))));
    let subnet = updated(&aws, &address(SUBNET, "main"), &subnet, given.clone()).await;
    assert_eq!(text(&subnet.attributes, BLOCK), part(&vpc, 3));
    let found = imported(&aws, &address(SUBNET, "main"), &subnet.id, given).await.unwrap().unwrap();
    assert_eq!(text(&found.attributes, BLOCK), part(&vpc, 3));
    let asked = arguments(&aws, VPC, [range()]);
    let found = imported(&aws, &address(VPC, "main"), &vpc.id, asked).await;
    assert_eq!(found.unwrap().unwrap().attributes.get(GENERATED), Some(true.into()));
}

#[tokio::test]
async fn machines_have_as_many_addresses_as_they_are_given() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let vpc = vpc(&aws).await;
    let subnet = made(&aws, SUBNET, "main", place(&vpc, Some(part(&vpc, 1)))).await;
    let machine = |more: (&'static str, Value)| {
        [
            ("ami", Value::from(IMAGE)),
            ("instance_type", "t3.micro".into()),
            ("subnet_id", subnet.id.as_str().into()),
            more,
        ]
    };
    let count = |count: i64| machine(("ipv6_address_count", count.into()));
    conforms(&aws, MACHINE, count(1), Some(count(3))).await;
    let addresses = |value: &Value| -> Vec<String> {
        let all = value.get("ipv6_addresses").unwrap();
        let all = all.as_items().unwrap().iter();
        all.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let place = address(MACHINE, "web");
    let two = made(&aws, MACHINE, "web", count(2)).await;
    assert_eq!(addresses(&two.attributes).len(), 2);
    cloud.forget_calls();
    let one = updated(&aws, &place, &two, arguments(&aws, MACHINE, count(1))).await;
    assert_eq!(addresses(&one.attributes), addresses(&two.attributes)[..1], "the first stays");
    assert_eq!([cloud.count("UnassignIpv6Addresses"), cloud.count("AssignIpv6Addresses")], [1, 0]);
    // By their addresses, in whatever order and way these are written.
    let base = part(&vpc, 1).replace("/64", "");
    let named = [format!("{base}B0"), format!("{base}0:a")];
    let given = || {
        let list = Value::list(Type::String, named.iter().map(|it| Value::from(it.as_str())));
        machine(("ipv6_addresses", list))
    };
    let named_ones = made(&aws, MACHINE, "named", given()).await;
    assert_eq!(addresses(&named_ones.attributes), named);
    assert_eq!(named_ones.attributes.get("ipv6_address_count"), Some(2.into()));
    let seen = read(&aws, &address(MACHINE, "named"), &named_ones).await.unwrap();
    assert_eq!(addresses(&seen), named);
    let all = arguments(&aws, MACHINE, given());
    let found = imported(&aws, &address(MACHINE, "named"), &named_ones.id, all).await;
    assert_eq!(addresses(&found.unwrap().unwrap().attributes), named);
}

#[tokio::test]
async fn mistakes_of_ranges_and_addresses_are_told_before_any_call() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider(REGION);
    let subnet = |block: &str, assigns: bool| {
        let block = if block.is_empty() { Value::null(Type::String) } else { block.into() };
        let given = [
            ("vpc_id", Value::from("vpc-1")),
            ("cidr_block", "10.0.1.0/24".into()),
            (BLOCK, block),
            (ASSIGN, assigns.into()),
        ];
        problems(&aws, &address(SUBNET, "this"), &arguments(&aws, SUBNET, given))
    };
    for (block, said) in [
        ("10.0.0.0/16", "is no range of IPv6 addresses"),
        ("2001:db8::1/64", "has bits after its prefix"),
        ("2001:db8::/63", "must have a prefix from /44 to /64"),
        ("2001:DB8::/64", "Amazon writes `2001:DB8::/64` as `2001:db8::/64`"),
    ] {
        let told = subnet(block, false);
        assert!(told.contains(said), "{block}: {told}");
    }
    assert_eq!(subnet("2001:db8::/64", true), "");
    assert!(subnet("", true).contains("there are none to give without `ipv6_cidr_block`"));
    let machine = |count: Option<i64>, addresses: &[&str]| {
        let list = Value::list(Type::String, addresses.iter().map(|it| Value::from(*it)));
        let none = || Value::null(Type::Any);
        let given = [
            ("ami", Value::from(IMAGE)),
            ("instance_type", "t3.micro".into()),
            ("ipv6_address_count", count.map_or_else(none, Value::from)),
            ("ipv6_addresses", if addresses.is_empty() { none() } else { list }),
        ];
        problems(&aws, &address(MACHINE, "this"), &arguments(&aws, MACHINE, given))
    };
    assert!(machine(Some(-1), &[]).contains("a number from 0 on"));
    assert!(machine(Some(1), &["2001:db8::1"]).contains("give either it or `ipv6_address_count`"));
    let told = machine(None, &["10.0.0.1", "2001:db8::1", "2001:db8:0::1"]);
    assert!(told.contains("`10.0.0.1` is no IPv6 address"), "{told}");
    assert!(told.contains("`2001:db8:0::1` is there twice"), "{told}");
    assert_eq!(cloud.calls().len(), 0);
}

const FLEET: &str = r#"
environment "six" {}

provider "aws" { region = "eu-central-1" }

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_instance" "web" {
  ami           = "ami-0123456789abcdef0"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.main.id
}

output "addresses" { value = join(" ", aws_instance.web.ipv6_addresses) }
"#;

#[test]
fn a_network_that_is_there_gets_ipv6_in_place() {
    let Some(cloud) = Cloud::start() else { return };
    let bench = Workbench::of(FLEET);
    let apply = || run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0);
    apply();
    bench.edit(
        "env/main.hcl",
        "cidr_block = \"10.0.0.0/16\"",
        "cidr_block = \"10.0.0.0/16\"\n  assign_generated_ipv6_cidr_block = true",
    );
    bench.edit(
        "env/main.hcl",
        "cidr_block = \"10.0.1.0/24\"",
        "cidr_block = \"10.0.1.0/24\"\n  ipv6_cidr_block = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, 1)\n  assign_ipv6_address_on_creation = true",
    );
    bench.edit("env/main.hcl", "t3.micro\"", "t3.micro\"\n  ipv6_address_count = 2");
    apply().says("0 to create, 3 to update, 0 to replace");
    let plan = |expected: &str| {
        run(&bench, &cloud, &["plan", "env"]).exits(0).says(expected);
    };
    plan("No changes");
    let shown = run(&bench, &cloud, &["output", "env", "addresses", "--raw"]).exits(0);
    assert_eq!(shown.stdout.split_whitespace().count(), 2);
    let inside = format!(
        "import ipaddress\n\
         vpcs = ec2.describe_vpcs(Filters=[{{'Name': 'cidr', 'Values': ['10.0.0.0/16']}}])['Vpcs']\n\
         block = vpcs[0]['Ipv6CidrBlockAssociationSet'][0]['Ipv6CidrBlock']\n\
         part = list(ipaddress.ip_network(block).subnets(new_prefix=64))[1]\n\
         print(all(ipaddress.ip_address(it) in part for it in '{}'.split()))",
        shown.stdout.trim()
    );
    assert_eq!(told(&cloud, &inside), "True", "{shown}");
    // What hangs on the range stays where only the tags of the network change.
    bench.edit(
        "env/main.hcl",
        "cidr_block = \"10.0.0.0/16\"",
        "cidr_block = \"10.0.0.0/16\"\n  tags = { Name = \"main\" }",
    );
    plan("1 to update, 0 to replace");
    // A machine that is made in the subnet has an address without being given one.
    bench.edit("env/main.hcl", "\n  ipv6_address_count = 2", "");
    let words = ["apply", "env", "--auto-approve", "--replace", "aws_instance.web"];
    run(&bench, &cloud, &words).exits(0);
    let shown = run(&bench, &cloud, &["output", "env", "addresses", "--raw"]).exits(0);
    assert_eq!(shown.stdout.split_whitespace().count(), 1);
    plan("No changes");
    run(&bench, &cloud, &["destroy", "env", "--auto-approve"]).exits(0);
    assert!(cloud.ledger().alive().is_empty(), "{:#?}", cloud.ledger().alive());
}
