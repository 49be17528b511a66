//! Networks: every resource type against the port's suite, and a whole network as users have it.

use crate::support::{Cloud, address, arguments, conforms, imported, made, run};
use model::Value;
use model::plan::Observation;
use provider::{
    CreateRequest, DataRequest, DeleteRequest, ErrorClass, Object, Provider as _, ReadRequest,
    Silent, UpdateRequest,
};
use provider_aws::Aws;
use std::sync::Arc;
use tests::Workbench;
use tests::aws::{Fault, Options};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbYdLz9rLbWmG3UqkfNfXJRaJz4Hxq7m6cW3rWkv2rT here";

fn id(object: &Object) -> Value {
    object.id.as_str().into()
}

fn text(object: &Object, name: &str) -> String {
    object.attributes.get(name).and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

fn texts(items: &[&str]) -> Value {
    Value::tuple(items.iter().map(|item| Value::from(*item)))
}

fn tagged(name: &str) -> (&'static str, Value) {
    ("tags", Value::map(model::Type::String, [("Name", name.into())]))
}

async fn vpc(aws: &Aws, name: &str) -> Object {
    made(aws, "aws_vpc", name, [("cidr_block", "10.0.0.0/16".into())]).await
}

async fn subnet(aws: &Aws, vpc: &Object, name: &str, range: &str) -> Object {
    made(aws, "aws_subnet", name, [("vpc_id", id(vpc)), ("cidr_block", range.into())]).await
}

async fn gateway(aws: &Aws, vpc: &Object) -> Object {
    made(aws, "aws_internet_gateway", "way", [("vpc_id", id(vpc))]).await
}

/// Changes an object in place.
async fn changed<const N: usize>(
    aws: &Aws,
    object: &Object,
    kind: &str,
    given: [(&str, Value); N],
) -> Object {
    let request = UpdateRequest {
        address: address(kind, "this"),
        token: "an-update".to_owned(),
        id: object.id.clone(),
        prior: object.attributes.clone(),
        arguments: arguments(aws, kind, given),
        progress: Arc::new(Silent),
    };
    aws.update(request).await.unwrap()
}

async fn deleted(aws: &Aws, object: &Object, kind: &str) {
    let request = DeleteRequest {
        address: address(kind, "this"),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
        progress: Arc::new(Silent),
    };
    aws.delete(request).await.unwrap();
}

/// What a refresh sees.
async fn read(aws: &Aws, object: &Object, kind: &str) -> Value {
    let request = ReadRequest {
        address: address(kind, "this"),
        id: object.id.clone(),
        attributes: object.attributes.clone(),
    };
    match aws.read_many(&[request]).await.pop() {
        Some(Ok(Observation::Present(attributes))) => attributes,
        other => panic!("{kind} {}: {other:?}", object.id),
    }
}

fn same(one: &Value, other: &Value, name: &str) -> bool {
    let (one, other) = (one.get(name).unwrap(), other.get(name).unwrap());
    one.same_content(&other)
}

#[tokio::test]
async fn networks_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let range = || ("cidr_block", Value::from("10.0.0.0/16"));
    let changed = [range(), ("enable_dns_hostnames", true.into())];
    conforms(&aws, "aws_vpc", [range()], Some(changed)).await;
    let vpc = vpc(&aws, "main").await;
    let place = || [("vpc_id", id(&vpc)), ("cidr_block", "10.0.1.0/24".into())];
    let [one, other] = place();
    let changed = [one, other, ("map_public_ip_on_launch", true.into())];
    conforms(&aws, "aws_subnet", place(), Some(changed)).await;
}

#[tokio::test]
async fn internet_gateways_conform_and_move() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let (one, other) = (vpc(&aws, "one").await, vpc(&aws, "other").await);
    let kind = "aws_internet_gateway";
    let at = |vpc: &Object| ("vpc_id", id(vpc));
    conforms(&aws, kind, [at(&one)], Some([at(&other), tagged("new")])).await;
    conforms(&aws, kind, [tagged("alone")], Some([at(&other), tagged("alone")])).await;
}

#[tokio::test]
async fn addresses_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let domain = || ("domain", Value::from("vpc"));
    conforms(&aws, "aws_eip", [domain()], Some([domain(), tagged("new")])).await;
    let address = made(&aws, "aws_eip", "one", [domain()]).await;
    let public = text(&address, "public_ip").replace('.', "-");
    let name = format!("ec2-{public}.eu-central-1.compute.amazonaws.com");
    assert_eq!(text(&address, "public_dns"), name);
}

#[tokio::test]
async fn an_address_is_at_an_interface_and_leaves_it() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let subnet = subnet(&aws, &vpc, "one", "10.0.1.0/24").await;
    gateway(&aws, &vpc).await;
    let script = format!(
        "for n in range(2): print(ec2.create_network_interface(SubnetId='{}')['NetworkInterface']['NetworkInterfaceId'])",
        subnet.id
    );
    let made_by_others = cloud.python(&script);
    let mut interfaces = made_by_others.split_whitespace().map(Value::from);
    let (one, other) = (interfaces.next().unwrap(), interfaces.next().unwrap());
    let free = made(&aws, "aws_eip", "free", [("domain", "vpc".into())]).await;
    let place = [("allocation_id", id(&free)), ("network_interface_id", one.clone())];
    conforms(&aws, "aws_eip_association", place.clone(), None::<[_; 0]>).await;
    let association = made(&aws, "aws_eip_association", "it", place).await;
    assert_eq!(text(&association, "public_ip"), text(&free, "public_ip"));
    assert!(read(&aws, &free, "aws_eip").await.same_content(&free.attributes), "that is no drift");
    deleted(&aws, &association, "aws_eip_association").await;
    let at = |interface: &Value| [("network_interface", interface.clone())];
    conforms(&aws, "aws_eip", at(&one), Some(at(&other))).await;
}

#[tokio::test]
async fn nat_gateways_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let subnet = subnet(&aws, &vpc, "one", "10.0.1.0/24").await;
    gateway(&aws, &vpc).await;
    let address = made(&aws, "aws_eip", "one", [("domain", "vpc".into())]).await;
    let public = || [("subnet_id", id(&subnet)), ("allocation_id", id(&address)), tagged("one")];
    let [one, other, _] = public();
    conforms(&aws, "aws_nat_gateway", public(), Some([one, other, tagged("two")])).await;
    let private = [("subnet_id", id(&subnet)), ("connectivity_type", "private".into())];
    let private = made(&aws, "aws_nat_gateway", "private", private).await;
    assert!(!text(&private, "private_ip").is_empty());
    deleted(&aws, &private, "aws_nat_gateway").await;
}

#[tokio::test]
async fn route_tables_with_blocks_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let (way, subnet) = (gateway(&aws, &vpc).await, subnet(&aws, &vpc, "one", "10.0.1.0/24").await);
    let private = [("subnet_id", id(&subnet)), ("connectivity_type", "private".into())];
    let nat = made(&aws, "aws_nat_gateway", "one", private).await;
    let of_vpc = || ("vpc_id", id(&vpc));
    let block = |range: &str, target: &str, to: &Object| {
        Value::object([("cidr_block", range.into()), (target, id(to))])
    };
    let out = || block("0.0.0.0/0", "gateway_id", &way);
    let inside = || block("10.9.0.0/16", "nat_gateway_id", &nat);
    let moved = block("10.9.0.0/16", "gateway_id", &way);
    let kind = "aws_route_table";
    let before = [of_vpc(), ("route", Value::tuple([out(), inside()]))];
    let after = [of_vpc(), ("route", Value::tuple([moved]))];
    conforms(&aws, kind, before, Some(after)).await;
}

#[tokio::test]
async fn route_tables_without_blocks_and_routes_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let (way, subnet) = (gateway(&aws, &vpc).await, subnet(&aws, &vpc, "one", "10.0.1.0/24").await);
    let private = [("subnet_id", id(&subnet)), ("connectivity_type", "private".into())];
    let nat = made(&aws, "aws_nat_gateway", "one", private).await;
    let (of_vpc, kind) = (|| ("vpc_id", id(&vpc)), "aws_route_table");
    conforms(&aws, kind, [of_vpc()], Some([of_vpc(), tagged("new")])).await;
    let table = made(&aws, kind, "one", [of_vpc()]).await;
    let to = |range: &str| {
        [("route_table_id", id(&table)), ("destination_cidr_block", Value::from(range))]
    };
    let ([a, b], [c, d]) = (to("0.0.0.0/0"), to("0.0.0.0/0"));
    let (first, second) = (("gateway_id", id(&way)), ("nat_gateway_id", id(&nat)));
    conforms(&aws, "aws_route", [a, b, first.clone()], Some([c, d, second])).await;
    let ([a, b], table) = (to("10.1.0.0/16"), &table);
    let route = made(&aws, "aws_route", "one", [a, b, first]).await;
    assert_eq!(route.id, format!("{}_10.1.0.0/16", table.id));
    assert_eq!(text(&route, "state"), "active");
    assert!(read(&aws, table, kind).await.same_content(&table.attributes), "that is no drift");
}

#[tokio::test]
async fn routes_drift_and_a_second_one_to_a_place_is_refused() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let way = gateway(&aws, &vpc).await;
    let blocks = [Value::object([("cidr_block", "0.0.0.0/0".into()), ("gateway_id", id(&way))])];
    let given = [("vpc_id", id(&vpc)), ("route", Value::tuple(blocks))];
    let table = made(&aws, "aws_route_table", "one", given).await;
    cloud.python(&format!(
        "ec2.delete_route(RouteTableId='{}', DestinationCidrBlock='0.0.0.0/0')",
        table.id
    ));
    let seen = read(&aws, &table, "aws_route_table").await;
    assert!(!same(&seen, &table.attributes, "route"));
    let place = [("route_table_id", id(&table)), ("destination_cidr_block", "10.1.0.0/16".into())];
    let [a, b] = place;
    let route =
        made(&aws, "aws_route", "one", [a.clone(), b.clone(), ("gateway_id", id(&way))]).await;
    let other = CreateRequest {
        address: address("aws_route", "two"),
        token: "another".to_owned(),
        arguments: arguments(
            &aws,
            "aws_route",
            [a, b, ("vpc_peering_connection_id", "pcx-1".into())],
        ),
        batch: None,
        progress: Arc::new(Silent),
    };
    let refused = aws.create(other).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict, "{refused}");
    deleted(&aws, &route, "aws_route").await;
}

#[tokio::test]
async fn associations_conform_and_move_between_tables() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let subnet = subnet(&aws, &vpc, "one", "10.0.1.0/24").await;
    let of_vpc = || [("vpc_id", id(&vpc))];
    let one = made(&aws, "aws_route_table", "one", of_vpc()).await;
    let other = made(&aws, "aws_route_table", "other", of_vpc()).await;
    let at = |table: &Object| [("subnet_id", id(&subnet)), ("route_table_id", id(table))];
    conforms(&aws, "aws_route_table_association", at(&one), Some(at(&other))).await;
}

fn rule(protocol: &str, ports: (i64, i64), fields: Vec<(&'static str, Value)>) -> Value {
    let fixed = [
        ("protocol", Value::from(protocol)),
        ("from_port", ports.0.into()),
        ("to_port", ports.1.into()),
    ];
    Value::object(fixed.into_iter().chain(fields))
}

#[tokio::test]
async fn security_groups_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let other = made(&aws, "aws_security_group", "other", [("vpc_id", id(&vpc))]).await;
    let kind = "aws_security_group";
    let plain = || [("vpc_id", id(&vpc)), ("name_prefix", Value::from("plain-"))];
    let [a, b] = plain();
    conforms(&aws, kind, plain(), Some([a, b, tagged("new")])).await;
    let web = |ranges: &[&str], about: &str| {
        rule("tcp", (80, 80), vec![("cidr_blocks", texts(ranges)), ("description", about.into())])
    };
    let own = || rule("-1", (0, 0), vec![("self", true.into())]);
    let from_other = || rule("udp", (53, 53), vec![("security_groups", texts(&[&other.id]))]);
    let given = |ingress: Vec<Value>, egress: Vec<Value>| {
        [
            ("vpc_id", id(&vpc)),
            ("name", "web".into()),
            ("revoke_rules_on_delete", true.into()),
            ("ingress", Value::tuple(ingress)),
            ("egress", Value::tuple(egress)),
        ]
    };
    let before = given(vec![web(&["10.0.0.0/8", "11.0.0.0/8"], "all"), own()], Vec::new());
    let after = given(
        vec![web(&["10.0.0.0/8"], "some"), from_other()],
        vec![rule("-1", (0, 0), vec![("cidr_blocks", texts(&["0.0.0.0/0"]))])],
    );
    conforms(&aws, kind, before, Some(after)).await;
}

#[tokio::test]
async fn a_new_group_lets_nothing_out_and_its_rules_may_be_resources() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let kind = "aws_security_group";
    let group = made(&aws, kind, "one", [("vpc_id", id(&vpc)), ("name", "one".into())]).await;
    let egress = || {
        let script = format!(
            "print(ec2.describe_security_groups(GroupIds=['{}'])['SecurityGroups'][0]['IpPermissionsEgress'])",
            group.id
        );
        cloud.python(&script).trim().to_owned()
    };
    assert_eq!(egress(), "[]");
    let out = [
        ("security_group_id", id(&group)),
        ("cidr_ipv4", "0.0.0.0/0".into()),
        ("ip_protocol", "-1".into()),
    ];
    made(&aws, "aws_vpc_security_group_egress_rule", "out", out).await;
    assert_ne!(egress(), "[]");
    assert!(read(&aws, &group, kind).await.same_content(&group.attributes), "that is no drift");
    let with_blocks = [("vpc_id", id(&vpc)), ("name", "one".into()), ("egress", texts(&[]))];
    changed(&aws, &group, kind, with_blocks).await;
    assert_eq!(egress(), "[]");
}

#[tokio::test]
async fn rules_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let group = made(&aws, "aws_security_group", "one", [("vpc_id", id(&vpc))]).await;
    let other = made(&aws, "aws_security_group", "two", [("vpc_id", id(&vpc))]).await;
    let of_group = || ("security_group_id", id(&group));
    let web = |range: &str, port: i64, about: &str| {
        [
            of_group(),
            ("cidr_ipv4", range.into()),
            ("ip_protocol", "tcp".into()),
            ("from_port", port.into()),
            ("to_port", port.into()),
            ("description", about.into()),
            tagged(about),
        ]
    };
    for kind in ["aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"] {
        let changed = web("11.0.0.0/8", 443, "new");
        conforms(&aws, kind, web("10.0.0.0/8", 80, "old"), Some(changed)).await;
        let all = |about: &str| {
            let peer = ("referenced_security_group_id", id(&other));
            [of_group(), peer, ("ip_protocol", "-1".into()), tagged(about)]
        };
        conforms(&aws, kind, all("old"), Some(all("new"))).await;
    }
}

#[tokio::test]
async fn key_pairs_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let key = || ("public_key", Value::from(KEY));
    let named = |about: &str| [key(), ("key_name", "login".into()), tagged(about)];
    conforms(&aws, "aws_key_pair", named("old"), Some(named("new"))).await;
    let prefixed = [key(), ("key_name_prefix", "login-".into())];
    conforms(&aws, "aws_key_pair", prefixed, None::<[_; 0]>).await;
}

#[tokio::test]
async fn what_belongs_to_others_is_not_imported_and_what_is_nobodys_is() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let made_by_others = cloud.python(
        "vpc = ec2.create_vpc(CidrBlock='10.3.0.0/16')['Vpc']['VpcId']
group = ec2.create_security_group(GroupName='old', Description='old', VpcId=vpc)['GroupId']
ec2.authorize_security_group_ingress(GroupId=group, IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='10.0.0.0/8')
print(group)",
    );
    let kind = "aws_security_group";
    let of = address(kind, "old");
    let id = made_by_others.trim();
    // Its rules may be resources of their own.
    let other = imported(&aws, &of, id, arguments(&aws, kind, [])).await.unwrap().unwrap();
    assert!(other.attributes.get("ingress").unwrap().is_null());
    let ports = rule("tcp", (80, 80), vec![("cidr_blocks", texts(&["10.0.0.0/8"]))]);
    let asked = arguments(&aws, kind, [("ingress", Value::tuple([ports]))]);
    let imported = imported(&aws, &of, id, asked).await.unwrap().unwrap();
    assert_eq!(text(&imported, "name"), "old");
    let ingress = imported.attributes.get("ingress").unwrap();
    let [rule] = ingress.as_items().unwrap() else { panic!("{ingress:?}") };
    assert_eq!(rule.get("from_port").unwrap(), Value::from(22));
}

/// The request to make an object, as an engine sends it again.
fn request<const N: usize>(aws: &Aws, kind: &str, given: [(&str, Value); N]) -> CreateRequest {
    CreateRequest {
        address: address(kind, "this"),
        token: "a-creation".to_owned(),
        arguments: arguments(aws, kind, given),
        batch: None,
        progress: Arc::new(Silent),
    }
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_sent_again_and_makes_no_second_object() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let vpc = vpc(&aws, "main").await;
    let group = request(&aws, "aws_security_group", [("vpc_id", id(&vpc))]);
    for operation in ["CreateSecurityGroup", "RevokeSecurityGroupEgress", "DeleteTags"] {
        cloud.fail(operation, 1, Fault::LoseAnswer);
        let lost = aws.create(group.clone()).await.unwrap_err();
        assert!(lost.outcome_unknown, "{operation}: {lost}");
    }
    let group = aws.create(group).await.unwrap();
    let out = "print([it['IpPermissionsEgress'] for it in ec2.describe_security_groups(Filters=[{'Name': 'vpc-id', 'Values': ['%s']}])['SecurityGroups'] if it['GroupName'] != 'default'])";
    assert_eq!(cloud.python(&out.replace("%s", &vpc.id)).trim(), "[[]]");
    let rule = request(
        &aws,
        "aws_vpc_security_group_ingress_rule",
        [
            ("security_group_id", id(&group)),
            ("referenced_security_group_id", id(&group)),
            ("ip_protocol", "-1".into()),
        ],
    );
    let key = request(&aws, "aws_key_pair", [("public_key", KEY.into())]);
    for (operation, request) in [("AuthorizeSecurityGroupIngress", rule), ("ImportKeyPair", key)] {
        cloud.fail(operation, 1, Fault::LoseAnswer);
        let lost = aws.create(request.clone()).await.unwrap_err();
        assert!(lost.outcome_unknown, "{operation}: {lost}");
        let made = aws.create(request.clone()).await.unwrap();
        let strange = CreateRequest { token: "another".to_owned(), ..request.clone() };
        let is_named = request.arguments.get("ip_protocol").is_some();
        let other = aws.create(strange).await;
        // A made up name is another one for another creation; a rule is there once.
        match other {
            Err(refused) => assert_eq!(refused.class, ErrorClass::Conflict, "{refused}"),
            Ok(other) => assert!(!is_named && other.id != made.id),
        }
    }
    cloud.ledger().assert_no_duplicates();
}

async fn found<const N: usize>(
    aws: &Aws,
    kind: &str,
    given: [(&str, Value); N],
) -> Result<Value, provider::ProviderError> {
    let address = model::Address::data(Vec::new(), kind, "this", None);
    let request = DataRequest { address, arguments: Value::object(given) };
    aws.read_data(&[request]).await.remove(0)
}

#[tokio::test]
async fn data_sources_find_zones_networks_and_subnets() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let zones = found(&aws, "aws_availability_zones", [("state", "available".into())]).await;
    let names = zones.unwrap().get("names").unwrap();
    assert_eq!(names.as_items().unwrap().len(), 3, "{names:?}");
    let without = [("exclude_names", texts(&["eu-central-1a"]))];
    let zones = found(&aws, "aws_availability_zones", without).await.unwrap();
    assert_eq!(zones.get("names").unwrap().as_items().unwrap().len(), 2);
    let one = vpc(&aws, "one").await;
    vpc(&aws, "other").await;
    let by_id = found(&aws, "aws_vpc", [("id", id(&one))]).await.unwrap();
    assert_eq!(by_id.get("arn"), one.attributes.get("arn"));
    let range = [("cidr_block", Value::from("10.0.0.0/16"))];
    let several = found(&aws, "aws_vpc", range).await.unwrap_err();
    assert!(several.message.contains("2 VPCs"), "{several}");
    let none = found(&aws, "aws_vpc", [("cidr_block", "10.7.0.0/16".into())]).await.unwrap_err();
    assert_eq!(none.class, ErrorClass::NotFound);
    let subnet = subnet(&aws, &one, "one", "10.0.1.0/24").await;
    let filter = Value::object([("name", "vpc-id".into()), ("values", texts(&[&one.id]))]);
    let found = found(&aws, "aws_subnets", [("filter", Value::tuple([filter]))]).await.unwrap();
    assert_eq!(found.get("ids").unwrap().as_items().unwrap(), [id(&subnet)]);
}

#[tokio::test]
async fn mistakes_are_told_before_any_call() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let said = |kind: &str, given: Vec<(&str, Value)>| {
        let all = arguments(&aws, kind, []);
        let given = all
            .as_entries()
            .unwrap()
            .clone()
            .into_iter()
            .chain(given.into_iter().map(|(name, value)| (Arc::from(name), value)));
        let found = aws.validate(&address(kind, "this"), &Value::object(given));
        found.into_iter().map(|it| it.summary).collect::<Vec<_>>().join("\n")
    };
    let expect = |said: String, part: &str| assert!(said.contains(part), "{part}: {said}");
    expect(said("aws_nat_gateway", vec![]), "needs the `allocation_id`");
    expect(said("aws_route", vec![]), "must be given");
    let both = vec![("gateway_id", "igw-1".into()), ("nat_gateway_id", "nat-1".into())];
    expect(said("aws_route", both), "it can only be one");
    let crooked = vec![("destination_cidr_block", "10.0.0.1/8".into())];
    expect(said("aws_route", crooked), "the range is `10.0.0.0/8`");
    let ports = vec![("ip_protocol", "tcp".into())];
    expect(said("aws_vpc_security_group_ingress_rule", ports), "need `from_port`");
    let swapped = rule("tcp", (90, 80), vec![("cidr_blocks", texts(&["10.0.0.0/8"]))]);
    expect(said("aws_security_group", vec![("ingress", Value::tuple([swapped]))]), "is above");
    let nobody = rule("tcp", (80, 80), vec![]);
    expect(said("aws_security_group", vec![("egress", Value::tuple([nobody]))]), "names nobody");
    expect(said("aws_key_pair", vec![("public_key", "secret".into())]), "no RSA or ED25519");
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn a_whole_network_is_made_changed_and_destroyed() {
    let Some(cloud) = Cloud::start() else { return };
    let bench = Workbench::of(include_str!("network.hcl"));
    let apply = || run(&bench, &cloud, &["apply", "env", "--auto-approve"]);
    let unchanged = || run(&bench, &cloud, &["plan", "env", "--detailed-exitcode"]).exits(0);
    apply().exits(0).says("Plan: 25 to create");
    cloud.forget_calls();
    unchanged().never_says("changed outside").never_says("Outside");
    // A type is read by one call, and looked for by another: what is of this environment, and in no state.
    let counts = cloud.counts();
    assert!(counts.values().all(|count| *count <= 4), "{counts:?}");

    let edit = |from: &str, to: &str| bench.edit("env/main.hcl", from, to);
    edit("description = \"everybody\"", "description = \"all\"");
    edit("cidr_ipv4         = \"0.0.0.0/0\"", "cidr_ipv4         = \"10.0.0.0/8\"");
    edit("Name = \"out\"", "Name = \"outwards\"");
    edit(
        "nat_gateway_id         = aws_nat_gateway.main.id",
        "gateway_id             = aws_internet_gateway.main.id",
    );
    edit(
        "route_table_id = aws_route_table.private.id",
        "route_table_id = aws_route_table.public.id",
    );
    apply().exits(0).says("Plan: 0 to create, 6 to update, 0 to replace, 0 to delete.");
    unchanged();

    // A stranger lets everybody in: that is seen, and taken back.
    cloud.python(
        "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': ['web']}])['SecurityGroups'][0]
ec2.authorize_security_group_ingress(GroupId=group['GroupId'], IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='0.0.0.0/0')",
    );
    apply().exits(0).says("Outside of provisioner").says("1 to update");
    unchanged();

    run(&bench, &cloud, &["destroy", "env", "--auto-approve"]).exits(0).says("25 to delete");
    let ledger = cloud.ledger();
    let left = ledger.alive();
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn an_association_is_gone_when_that_is_told_however_slowly_things_show() {
    let options = Options { hidden_describes: 2, hidden_calls: 2, ..Options::default() };
    let Some(cloud) = Cloud::with(options) else { return };
    let aws = cloud.provider("eu-central-1");
    let made = cloud.python(
        "vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
def again(call, **arguments):
    for _ in range(9):
        try:
            return call(**arguments)
        except Exception as error:
            last = error
    raise last
subnet = again(ec2.create_subnet, VpcId=vpc, CidrBlock='10.0.1.0/24')['Subnet']['SubnetId']
table = again(ec2.create_route_table, VpcId=vpc)['RouteTable']['RouteTableId']
joined = again(ec2.associate_route_table, SubnetId=subnet, RouteTableId=table)['AssociationId']
print(subnet, table, joined)",
    );
    let [subnet, table, joined] = made.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{made}")
    };
    let attributes = Value::object([
        ("subnet_id", Value::from(subnet)),
        ("route_table_id", table.into()),
        ("association_id", joined.into()),
    ]);
    let request = DeleteRequest {
        address: address("aws_route_table_association", "this"),
        id: subnet.to_owned(),
        attributes,
        progress: Arc::new(Silent),
    };
    // As the engine does, what fails in passing is asked again.
    let mut ended = aws.delete(request.clone()).await;
    for _ in 0..4 {
        match ended {
            Err(error) if error.class == ErrorClass::Transient => {
                ended = aws.delete(request.clone()).await;
            }
            other => {
                ended = other;
                break;
            }
        }
    }
    ended.unwrap();
    let ledger = cloud.ledger();
    let left = ledger.alive_of("route-table-association");
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn a_network_is_made_where_objects_take_their_time_to_show() {
    let options =
        Options { slow_describes: 1, hidden_describes: 1, hidden_calls: 1, ..Options::default() };
    let Some(cloud) = Cloud::with(options) else { return };
    let bench = Workbench::of(include_str!("network.hcl"));
    // A setting that was refused as its object did not show yet is drift of the object, which the second one mends.
    for _ in 0..2 {
        run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0);
        cloud.ledger().assert_no_duplicates();
    }
    run(&bench, &cloud, &["plan", "env", "--detailed-exitcode"]).exits(0);
    // It is not destroyed here: the emulator hides by calls and not by time, also what is old by then.
}
