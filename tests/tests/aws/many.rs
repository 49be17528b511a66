//! How many calls it takes to look at a thousand of each, or to see hundreds gone: what AWS counts, and what no busy machine
//! changes.

use crate::support::{Cloud, MOMENT, REGION, address, made, run};
use async_trait::async_trait;
use model::Value;
use model::plan::Observation;
use provider::{Clock, DeleteRequest, Object, Provider as _, ReadRequest, Silent, TokioClock};
use provider_aws::Aws;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tests::Workbench;
use tests::aws::{IMAGE, Proxy};

/// Of each type.
const MANY: usize = 1_000;

/// Makes so many more of what is there, with markers of their own, but for one volume as if it were imported. What it gives back
/// is their ids by type.
const COPIES: &str = r"
from moto.ec2.models import ec2_backends
backend = ec2_backends['123456789012']['eu-central-1']
def mark(kind, made):
    for number, id in enumerate(made):
        backend.create_tags([id], {
            'provisioner:environment': 'test', 'provisioner:lineage': 'lineage-1',
            'provisioner:token': 'token-of-%s-copy-%d' % (kind, number),
            'provisioner:address': '%s.copy[%d]' % (kind, number),
        })
    return made
disk = {'DeviceName': '/dev/xvda', 'Ebs': {'VolumeSize': 8, 'DeleteOnTermination': True}}
launch = {'instance_type': 't3.micro', 'is_instance_type_default': True, 'subnet_id': 'SUBNET', 'block_device_mappings': [disk]}
launched = backend.run_instances('IMAGE', COUNT, None, [], **launch)
volumes = [backend.create_volume(8, 'eu-central-1a').id for _ in range(COUNT)]
answer = {
    'aws_instance': mark('aws_instance', [one.id for one in launched.instances]),
    'aws_ebs_volume': volumes[:1] + mark('aws_ebs_volume', volumes[1:]),
    'aws_eip': mark('aws_eip', [backend.allocate_address('vpc').allocation_id for _ in range(COUNT)]),
}
";

fn request(kind: &str, name: &str, id: &str, attributes: &Value) -> ReadRequest {
    let address = model::Address::parse(&format!("{kind}.{name}")).unwrap();
    ReadRequest { address, id: id.to_owned(), attributes: attributes.clone() }
}

/// A network with a machine, a volume and an address; what reads all of them.
async fn one_of_each(aws: &Aws) -> (Vec<ReadRequest>, String) {
    let vpc = made(aws, "aws_vpc", "main", [("cidr_block", "10.0.0.0/16".into())]).await;
    let place = [
        ("vpc_id", Value::from(vpc.id.as_str())),
        ("cidr_block", "10.0.0.0/18".into()),
        ("availability_zone", "eu-central-1a".into()),
    ];
    let subnet = made(aws, "aws_subnet", "main", place).await;
    let machine = [
        ("ami", Value::from(IMAGE)),
        ("instance_type", "t3.micro".into()),
        ("subnet_id", subnet.id.as_str().into()),
        ("root_block_device", Value::tuple([Value::object([("volume_size", Value::from(8))])])),
    ];
    let machine = made(aws, "aws_instance", "main", machine).await;
    let disk = [("availability_zone", "eu-central-1a".into()), ("size", Value::from(8))];
    let disk = made(aws, "aws_ebs_volume", "main", disk).await;
    let eip = made(aws, "aws_eip", "main", [("domain", "vpc".into())]).await;
    let all: [(&str, &Object); 5] = [
        ("aws_vpc", &vpc),
        ("aws_subnet", &subnet),
        ("aws_instance", &machine),
        ("aws_ebs_volume", &disk),
        ("aws_eip", &eip),
    ];
    let all = all.map(|(kind, it)| request(kind, "main", &it.id, &it.attributes));
    (all.into(), subnet.id)
}

/// Asks what a plan asks: whose account it is, all that is recorded, and what there is of the environment, whose ids are given
/// back.
async fn looked(aws: &Aws, requests: &[ReadRequest]) -> BTreeSet<String> {
    aws.identity().await.unwrap();
    for (request, answer) in requests.iter().zip(aws.read_many(requests).await) {
        let Observation::Present(attributes) = answer.unwrap() else {
            panic!("{} is not there", request.address);
        };
        assert_eq!(attributes.get("id").unwrap().as_str(), Some(request.id.as_str()));
    }
    aws.list_owned().await.unwrap().into_iter().map(|owned| owned.id).collect()
}

#[tokio::test]
async fn a_thousand_of_each_are_looked_at_by_ten_calls() {
    let Some(cloud) = Cloud::start() else { return };
    let (mut requests, subnet) = one_of_each(&cloud.provider(REGION)).await;
    let count = (MANY - 1).to_string();
    let script = COPIES.replace("IMAGE", IMAGE).replace("COUNT", &count).replace("SUBNET", &subnet);
    let copies = cloud.inside(&script);
    for one in requests.clone().split_off(2) {
        let kind = one.address.kind();
        for (number, id) in copies[kind].as_array().unwrap().iter().enumerate() {
            let name = format!("copy[{number}]");
            requests.push(request(kind, &name, id.as_str().unwrap(), &one.attributes));
        }
    }
    let stray = requests.pop().unwrap();
    cloud.forget_calls();
    // The answers take the emulator seconds, which are not to count as more.
    let aws = cloud.provider_by(Arc::new(TokioClock::new()), REGION, "lineage-1");
    let owned = looked(&aws, &requests).await;
    let counts = cloud.counts();
    assert!(counts.values().sum::<usize>() <= 10, "{counts:#?}");
    let is_owned = |request: &ReadRequest| owned.contains(&request.id);
    assert!(is_owned(&stray), "what is not recorded is found");
    let strangers = requests.iter().filter(|request| !is_owned(request)).count();
    assert_eq!(strangers, 1, "one volume has no marker");
    assert_eq!(owned.len(), requests.len());
}

/// A clock whose waits, but for those on who asks at the same moment, end when so many deletions have been asked for: however
/// fast this machine is, the rounds of those who wait are the same.
struct Patient {
    cloud: Weak<Cloud>,
    deletions: usize,
    clock: TokioClock,
}

/// How often it looks whether they have been: three minutes, after which the test fails by its count of calls.
const MOST_LOOKS: u32 = 36_000;

fn asked(cloud: &Proxy) -> usize {
    cloud.count("DeleteVolume") + cloud.count("ReleaseAddress")
}

#[async_trait]
impl Clock for Patient {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
        let is_early = || self.cloud.upgrade().is_some_and(|it| asked(&it) < self.deletions);
        let mut looks = 0;
        while duration > MOMENT && looks < MOST_LOOKS && is_early() {
            self.clock.sleep(MOMENT).await;
            looks += 1;
        }
    }
}

#[tokio::test]
async fn hundreds_of_deletions_are_waited_for_in_few_rounds() {
    let Some(cloud) = Cloud::start().map(Arc::new) else { return };
    let count = 300;
    let script = format!(
        "from moto.ec2.models import ec2_backends\n\
         backend = ec2_backends['123456789012']['eu-central-1']\n\
         answer = {{\n\
         'aws_ebs_volume': [backend.create_volume(8, 'eu-central-1a').id for _ in range({count})],\n\
         'aws_eip': [backend.allocate_address('vpc').allocation_id for _ in range({count})]}}"
    );
    let made = cloud.inside(&script);
    let kinds = ["aws_ebs_volume", "aws_eip"];
    let patient = Patient {
        cloud: Arc::downgrade(&cloud),
        deletions: count * kinds.len(),
        clock: TokioClock::new(),
    };
    let aws = cloud.provider_by(Arc::new(patient), REGION, "lineage-1");
    cloud.forget_calls();
    let requests = |kind: &str| -> Vec<DeleteRequest> {
        let ids = made[kind].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
        let one = |id: &str| DeleteRequest {
            address: address(kind, "it"),
            id: id.to_owned(),
            attributes: Value::object([("id", Value::from(id))]),
            progress: Arc::new(Silent),
        };
        ids.map(one).collect()
    };
    let [disks, addresses] = kinds.map(requests);
    let (disks, addresses) = tokio::join!(aws.delete_many(disks), aws.delete_many(addresses));
    let ends = [disks, addresses].concat();
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    let counts = cloud.counts();
    assert_eq!(asked(&cloud), count * kinds.len());
    let described: usize =
        ["DescribeVolumes", "DescribeAddresses"].map(|api| cloud.count(api)).iter().sum();
    assert!(described <= 8, "{counts:#?}");
}

const KEPT: &str = r#"
environment "kept" {}

provider "aws" { region = "eu-central-1" }

resource "aws_ebs_volume" "data" {
  count             = 20
  availability_zone = "eu-central-1a"
  size              = 8
}

resource "aws_eip" "node" {
  count  = 20
  domain = "vpc"
}
"#;

#[test]
fn what_goes_together_is_seen_gone_by_one_description() {
    let Some(cloud) = Cloud::start() else { return };
    let bench = Workbench::of(KEPT);
    run(&bench, &cloud, &["apply", "env", "--auto-approve"]).exits(0);
    cloud.forget_calls();
    run(&bench, &cloud, &["destroy", "env", "--auto-approve"]).exits(0);
    let counts = cloud.counts();
    assert_eq!(asked(&cloud), 40);
    // One look before and one after.
    let described = ["DescribeVolumes", "DescribeAddresses"].map(|api| counts[api]);
    assert_eq!(described, [2, 2], "{counts:#?}");
    assert!(cloud.ledger().alive().is_empty(), "{:#?}", cloud.ledger().alive());
}
