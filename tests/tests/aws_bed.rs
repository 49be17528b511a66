//! The bed that the AWS provider is tested in, tried with a client that is not ours: boto3 against the proxy.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tests::aws::{
    Backing, Fault, Moto, Options, PORTAL_TOKEN, Proxy, Refusal, SSH_PORT, Which, python, rate,
};
use tests::wait_until;

/// What every script begins with: clients that ask once, and a way to tell how a call ended.
const BEGINNING: &str = r"
import boto3, botocore, sys, threading
from botocore.config import Config
config = Config(retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'}, max_pool_connections=32)
ec2 = boto3.client('ec2', config=config)
IMAGE = 'ami-0123456789abcdef0'
def ends(call, **arguments):
    try:
        call(**arguments)
        return 'well'
    except botocore.exceptions.ClientError as error:
        return error.response['Error']['Code']
    except Exception as error:
        return type(error).__name__
def launch(**arguments):
    return ec2.run_instances(**{'ImageId': IMAGE, 'InstanceType': 't3.micro', 'MinCount': 1, 'MaxCount': 1, **arguments})
def ids(answer):
    return [instance['InstanceId'] for instance in answer['Instances']]
def states(**arguments):
    answer = ec2.describe_instances(**arguments)
    return [i['State']['Name'] for r in answer['Reservations'] for i in r['Instances']]
";

fn start(options: Options) -> Option<Proxy> {
    Moto::start().map(|moto| Proxy::start(moto, options))
}

fn command(proxy: &Proxy, script: &str) -> Command {
    let mut command = Command::new(python().expect("moto is there"));
    command.args(["-c", &format!("{BEGINNING}{script}")]).env_clear().envs(proxy.environment());
    command
}

/// What a script prints, line by line.
#[track_caller]
fn run(proxy: &Proxy, script: &str) -> Vec<String> {
    let output = command(proxy, script).stdin(Stdio::null()).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the script failed: {said}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn tokens_make_nothing_twice() {
    let Some(proxy) = start(Options::default()) else { return };
    let said = run(
        &proxy,
        r"
first = ids(launch(ClientToken='one', MaxCount=2))
print(first == ids(launch(ClientToken='one', MaxCount=2)))
print(ends(launch, ClientToken='one', MaxCount=3))
found = ec2.describe_instances(Filters=[{'Name': 'client-token', 'Values': ['one']}])
print(sorted(first) == sorted(i['InstanceId'] for r in found['Reservations'] for i in r['Instances']))
print(len(ec2.describe_instances(Filters=[{'Name': 'client-token', 'Values': ['none']}])['Reservations']))
ec2.terminate_instances(InstanceIds=first[:1])
print(ends(launch, ClientToken='one', MaxCount=2))
ec2.terminate_instances(InstanceIds=first[1:])
print(ends(launch, ClientToken='one', MaxCount=2))
volume = lambda: ec2.create_volume(AvailabilityZone='eu-central-1a', Size=1, ClientToken='one')['VolumeId']
print(volume() == volume())
made = []
threads = [threading.Thread(target=lambda: made.append(tuple(ids(launch(ClientToken='many'))))) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(made), len(set(made)))
",
    );
    let terminated = "IdempotentInstanceTerminated";
    let expected =
        ["True", "IdempotentParameterMismatch", "True", "0", "well", terminated, "True", "16 1"];
    assert_eq!(said, expected);
    let ledger = proxy.ledger();
    assert_eq!(ledger.alive_of("instance").len(), 1);
    assert_eq!(ledger.all().iter().filter(|object| object.kind == "instance").count(), 3);
    assert_eq!(proxy.count("RunInstances"), 21);
    assert_eq!(proxy.calls().iter().filter(|call| call.took_effect).count(), 5);
    proxy.finish();
}

#[test]
fn states_take_their_time() {
    let Some(proxy) = start(Options { slow_describes: 2, ..Options::default() }) else { return };
    let said = run(
        &proxy,
        r"
one = ids(launch())
print(*(states(InstanceIds=one)[0] for _ in range(3)))
print(ec2.stop_instances(InstanceIds=one)['StoppingInstances'][0]['CurrentState']['Name'])
kind = {'InstanceId': one[0], 'InstanceType': {'Value': 't3.large'}}
print(ends(ec2.modify_instance_attribute, **kind), ends(ec2.start_instances, InstanceIds=one))
stopping = [{'Name': 'instance-state-name', 'Values': ['stopping']}]
print(states(Filters=stopping), states(Filters=stopping), states(Filters=stopping), states())
print(ends(ec2.modify_instance_attribute, **kind), ends(ec2.start_instances, InstanceIds=one))
print(ends(ec2.stop_instances, InstanceIds=one), *(states(InstanceIds=one)[0] for _ in range(3)))
print(ends(ec2.modify_instance_attribute, **kind))
ec2.terminate_instances(InstanceIds=one)
print(*(states(InstanceIds=one)[0] for _ in range(3)))
volume = ec2.create_volume(AvailabilityZone='eu-central-1a', Size=1)
print(volume['State'], *(ec2.describe_volumes(VolumeIds=[volume['VolumeId']])['Volumes'][0]['State'] for _ in range(3)))
attach = {'VolumeId': volume['VolumeId'], 'InstanceId': ids(launch())[0], 'Device': '/dev/sdf'}
print(ends(ec2.attach_volume, **attach), states() and states() and ends(ec2.attach_volume, **attach))
def joint():
    told = ec2.describe_volumes(VolumeIds=[attach['VolumeId']])['Volumes'][0]
    return told['State'] + ''.join('-' + one['State'] for one in told['Attachments'])
print(ends(ec2.delete_volume, VolumeId=attach['VolumeId']), joint(), joint(), joint())
print(ends(ec2.detach_volume, VolumeId=attach['VolumeId']), ends(ec2.delete_volume, VolumeId=attach['VolumeId']), joint(), joint(), joint())
snapshot = ec2.create_snapshot(VolumeId=volume['VolumeId'])
of = {'SnapshotIds': [snapshot['SnapshotId']]}
print(snapshot['State'], *(ec2.describe_snapshots(**of)['Snapshots'][0]['State'] for _ in range(3)))
subnet = ec2.describe_subnets()['Subnets'][0]['SubnetId']
address = ec2.allocate_address(Domain='vpc')['AllocationId']
nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)['NatGateway']
of = {'NatGatewayIds': [nat['NatGatewayId']]}
print(nat['State'], *(ec2.describe_nat_gateways(**of)['NatGateways'][0]['State'] for _ in range(3)))
print(ends(ec2.describe_nat_gateways, NatGatewayIds=['nat-0123456789abcdef0']))
",
    );
    let expected = [
        "pending pending running",
        "stopping",
        "IncorrectInstanceState IncorrectInstanceState",
        "['stopping'] ['stopping'] [] ['stopped']",
        "well well",
        "IncorrectInstanceState pending pending running",
        "IncorrectInstanceState",
        "shutting-down shutting-down terminated",
        "creating creating creating available",
        "IncorrectState well",
        "VolumeInUse in-use-attaching in-use-attaching in-use-attached",
        "well VolumeInUse in-use-detaching in-use-detaching available",
        "pending pending pending completed",
        "pending pending pending available",
        "NatGatewayNotFound",
    ];
    assert_eq!(said, expected);
    proxy.finish();
}

#[test]
fn new_objects_are_not_seen_at_first() {
    let options = Options { hidden_describes: 2, hidden_calls: 1, ..Options::default() };
    let Some(proxy) = start(options) else { return };
    let said = run(
        &proxy,
        r"
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
listed = lambda: vpc in [one['VpcId'] for one in ec2.describe_vpcs()['Vpcs']]
subnet = {'VpcId': vpc, 'CidrBlock': '10.0.0.0/24'}
print(ends(ec2.create_subnet, **subnet), ends(ec2.describe_vpcs, VpcIds=[vpc]), listed(), listed())
print(ends(ec2.create_subnet, **subnet), ends(ec2.describe_vpcs, VpcIds=[vpc]))
one = ids(launch())
print(states(), ends(ec2.describe_instances, InstanceIds=one), states(InstanceIds=one))
",
    );
    let expected = [
        "InvalidVpcID.NotFound InvalidVpcID.NotFound False True",
        "well well",
        "[] InvalidInstanceID.NotFound ['running']",
    ];
    assert_eq!(said, expected);
    proxy.finish();
}

#[test]
fn what_is_in_use_is_not_deleted() {
    let Some(proxy) = start(Options { slow_describes: 1, ..Options::default() }) else { return };
    let said = run(
        &proxy,
        r"
vpc = {'VpcId': ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']}
subnet = {'SubnetId': ec2.create_subnet(**vpc, CidrBlock='10.0.0.0/24')['Subnet']['SubnetId']}
group = {'GroupId': ec2.create_security_group(**vpc, GroupName='g', Description='g')['GroupId']}
other = {'GroupId': ec2.create_security_group(**vpc, GroupName='h', Description='h')['GroupId']}
gateway = {'InternetGatewayId': ec2.create_internet_gateway()['InternetGateway']['InternetGatewayId']}
ec2.attach_internet_gateway(**gateway, **vpc)
one = ids(launch(**subnet, SecurityGroupIds=[group['GroupId']]))
states(), states()
address = {'AllocationId': ec2.allocate_address(Domain='vpc')['AllocationId']}
association = {'AssociationId': ec2.associate_address(**address, InstanceId=one[0])['AssociationId']}
source = [{'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'UserIdGroupPairs': [other]}]
ec2.authorize_security_group_ingress(**group, IpPermissions=source)
volume = {'VolumeId': ec2.create_volume(AvailabilityZone='eu-central-1a', Size=1)['VolumeId']}
ec2.describe_volumes()
ec2.attach_volume(**volume, InstanceId=one[0], Device='/dev/sdf')
ec2.describe_volumes()
print(ends(ec2.delete_subnet, **subnet), ends(ec2.delete_security_group, **group), ends(ec2.delete_security_group, **other))
print(ends(ec2.delete_vpc, **vpc), ends(ec2.detach_internet_gateway, **gateway, **vpc))
print(ends(ec2.delete_internet_gateway, **gateway), ends(ec2.delete_volume, **volume), ends(ec2.release_address, **address))
print(ends(ec2.detach_volume, **volume), bool(ec2.describe_volumes()) and ends(ec2.delete_volume, **volume))
print(ends(ec2.disassociate_address, **association), ends(ec2.release_address, **address))
ec2.terminate_instances(InstanceIds=one)
print(ends(ec2.delete_subnet, **subnet))
states()
print(ends(ec2.delete_subnet, **subnet), ends(ec2.delete_security_group, **group), ends(ec2.delete_security_group, **other))
print(ends(ec2.detach_internet_gateway, **gateway, **vpc), ends(ec2.delete_internet_gateway, **gateway), ends(ec2.delete_vpc, **vpc))
",
    );
    let violation = "DependencyViolation";
    let expected = [
        [violation; 3].join(" "),
        [violation; 2].join(" "),
        format!("{violation} VolumeInUse InvalidIPAddress.InUse"),
        "well well".to_owned(),
        "well well".to_owned(),
        violation.to_owned(),
        "well well well".to_owned(),
        "well well well".to_owned(),
    ];
    assert_eq!(said, expected);
    assert!(proxy.ledger().alive().is_empty(), "{:#?}", proxy.ledger().alive());
    proxy.finish();
}

#[test]
fn faults_hit_the_call_they_are_meant_for() {
    let Some(proxy) = start(Options::default()) else { return };
    proxy.fail("RunInstances", 1, Fault::LoseRequest);
    proxy.fail("RunInstances", 2, Fault::LoseAnswer);
    proxy.fail("RunInstances", 3, Fault::CutAnswer);
    let full = Refusal::new(
        "InsufficientInstanceCapacity",
        "We currently do not have sufficient capacity.",
    );
    proxy.fail("RunInstances", 4, Fault::Refuse(full.with_status(500)));
    proxy.throttle_next("CreateVpc", 2);
    let said = run(
        &proxy,
        r"
for token in ['lost', 'done', 'cut', 'full']:
    before = len(states())
    how = ends(launch, ClientToken=token)
    print(token, how in ('ConnectionClosedError', 'ResponseParserError', 'IncompleteReadError') or how, len(states()) - before)
print(len(ids(launch(ClientToken='done'))), len(states()))
print(*(ends(ec2.create_vpc, CidrBlock='10.0.0.0/16') for _ in range(3)))
",
    );
    let expected = [
        "lost True 0",
        "done True 1",
        "cut True 1",
        "full InsufficientInstanceCapacity 0",
        "1 2",
        "RequestLimitExceeded RequestLimitExceeded well",
    ];
    assert_eq!(said, expected);
    let faults = proxy.calls().into_iter().filter(|call| call.fault.is_some()).count();
    assert_eq!(faults, 6);
    proxy.finish();
}

#[test]
fn limits_are_kept_and_counted() {
    let rates = [("DescribeVpcs".to_owned(), rate(3.0, 0.0))].into();
    let Some(proxy) = start(Options { throttled: true, rates, ..Options::default() }) else {
        return;
    };
    let said = run(
        &proxy,
        r"
print(*(ends(ec2.describe_vpcs) for _ in range(4)))
print(ends(launch, MinCount=1001, MaxCount=1001), ends(launch))
print(*(ends(ec2.describe_subnets) for _ in range(2)))
print(boto3.client('sts', config=config).get_caller_identity()['Account'])
",
    );
    let limit = "RequestLimitExceeded";
    let expected = [
        format!("well well well {limit}"),
        format!("{limit} well"),
        "well well".to_owned(),
        tests::aws::ACCOUNT.to_owned(),
    ];
    assert_eq!(said, expected);
    assert_eq!((proxy.count("DescribeVpcs"), proxy.count("GetCallerIdentity")), (4, 1));
    let refused = proxy.calls().into_iter().filter(|call| call.status == Some(503)).count();
    assert_eq!(refused, 2);
    proxy.finish();
}

fn killed(mut child: Child) {
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
}

/// A program that makes three networks, one after the other.
const THREE: &str = "
for number in range(3):
    ec2.create_vpc(CidrBlock='10.%d.0.0/16' % number)
    print(number, flush=True)
";

#[test]
fn everything_stands_still_at_a_change() {
    let Some(proxy) = start(Options::default()) else { return };
    let vpcs = || proxy.ledger().alive_of("vpc").len();
    // The second network is made, and nobody hears of it.
    let stop = proxy.stop_at_change(2);
    let child = command(&proxy, THREE).stdout(Stdio::piped()).spawn().expect("python runs");
    assert!(stop.wait(Duration::from_mins(2)));
    assert_eq!(stop.held().map(|call| call.operation).as_deref(), Some("CreateVpc"));
    killed(child);
    stop.resume();
    assert_eq!(vpcs(), 2);
    // The answer is sent: the program asks for the next, which is not made before it is killed.
    let stop = proxy.stop_at_change(1);
    let mut child = command(&proxy, THREE).stdout(Stdio::piped()).spawn().expect("python runs");
    assert!(stop.wait(Duration::from_mins(2)));
    stop.send_answer();
    let mut said = [0; 2];
    let out = child.stdout.as_mut().expect("it is a pipe");
    std::io::Read::read_exact(out, &mut said).expect("it hears of the first");
    killed(child);
    stop.resume();
    assert_eq!(
        run(&proxy, "print(len(ec2.describe_vpcs()['Vpcs']))"),
        ["4"],
        "with the default network"
    );
    assert_eq!(vpcs(), 3);
    // There are not as many changes as that.
    let stop = proxy.stop_at_change(9);
    assert_eq!(run(&proxy, THREE).len(), 3);
    assert_eq!(stop.held(), None);
    drop(stop);
    assert_eq!(proxy.ledger().orphans([]).len(), 6);
    proxy.finish();
}

#[test]
fn what_moto_forgets_is_kept() {
    let Some(proxy) = start(Options::default()) else { return };
    let said = run(
        &proxy,
        r"
tags = [{'ResourceType': kind, 'Tags': [{'Key': 'k', 'Value': kind}]} for kind in ('image', 'snapshot')]
one = ids(launch(
    MetadataOptions={'HttpTokens': 'required', 'HttpPutResponseHopLimit': 2},
    Placement={'GroupName': 'g'}, CpuOptions={'CoreCount': 1, 'ThreadsPerCore': 2}, DisableApiTermination=True,
    CreditSpecification={'CpuCredits': 'unlimited'}, IamInstanceProfile={'Name': 'p'}))
ec2.modify_instance_metadata_options(InstanceId=one[0], HttpPutResponseHopLimit=3)
ec2.monitor_instances(InstanceIds=one)
told = ec2.describe_instances(InstanceIds=one)['Reservations'][0]['Instances'][0]
options = told['MetadataOptions']
print(options['HttpTokens'], options['HttpPutResponseHopLimit'], options['HttpEndpoint'])
print(told['Placement']['GroupName'], told['CpuOptions'], told['Monitoring']['State'], told['IamInstanceProfile']['Arn'])
print(ec2.describe_instance_credit_specifications(InstanceIds=one)['InstanceCreditSpecifications'][0]['CpuCredits'])
print(ends(ec2.terminate_instances, InstanceIds=one))
image = ec2.create_image(InstanceId=one[0], Name='image', TagSpecifications=tags)['ImageId']
ec2.deregister_image(ImageId=image)
kept = ec2.describe_snapshots(Filters=[{'Name': 'tag:k', 'Values': ['snapshot']}])['Snapshots']
print(len(kept))
ec2.modify_instance_attribute(InstanceId=one[0], DisableApiTermination={'Value': False})
two = ids(launch())
ec2.terminate_instances(InstanceIds=one)
print([i['PreviousState']['Name'] for i in ec2.terminate_instances(InstanceIds=one + two)['TerminatingInstances']])
print(len(ec2.terminate_instances(InstanceIds=one)['TerminatingInstances']))
print(ends(ec2.stop_instances, InstanceIds=one), ends(ec2.start_instances, InstanceIds=one))
print(ends(launch, ImageId='ami-00000000000000000'))
print(ends(ec2.describe_key_pairs, KeyPairIds=['key-0123456789abcdef0']))
print(ends(ec2.describe_launch_templates, LaunchTemplateIds=['lt-0123456789abcdef0']))
try:
    ec2.describe_spot_datafeed_subscription()
except botocore.exceptions.ClientError as error:
    print(error.response['Error']['Code'], 'NotImplementedError' in error.response['Error']['Message'])
",
    );
    let expected = [
        "required 3 enabled",
        "g {'CoreCount': 1, 'ThreadsPerCore': 2} enabled arn:aws:iam::123456789012:instance-profile/p",
        "unlimited",
        "OperationNotPermitted",
        "1",
        "['running', 'terminated']",
        "1",
        "IncorrectInstanceState IncorrectInstanceState",
        "InvalidAMIID.NotFound",
        "InvalidKeyPair.NotFound",
        "InvalidLaunchTemplateId.NotFound",
        "InternalError True",
    ];
    assert_eq!(said, expected);
    let ledger = proxy.ledger();
    let left: Vec<_> = ledger.alive().into_iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(left, ["snapshot"]);
    proxy.finish();
}

/// A new pair of keys: the private file, and what is in both.
fn keys(directory: &Path, name: &str) -> (PathBuf, String, String) {
    let path = directory.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    let read = |path: &Path| std::fs::read_to_string(path).expect("it was made");
    let (private, public) = (read(&path), read(&path.with_extension("pub")));
    (path, private, public)
}

fn ssh(key: &Path, known: &Path, address: &str, command: &str) -> Output {
    Command::new("ssh")
        .args(["-p", &SSH_PORT.to_string(), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
        .args(["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"])
        .args(["-o", &format!("UserKnownHostsFile={}", known.display()), "-i"])
        .arg(key)
        .args([&format!("root@{address}"), command])
        .stdin(Stdio::null())
        .output()
        .expect("ssh runs")
}

#[test]
fn an_instance_can_be_a_real_node() {
    let nodes = Some(Backing::processes(env!("CARGO_BIN_EXE_aws-proxy")));
    let Some(proxy) = start(Options { nodes, ..Options::default() }) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (login, _, public) = keys(directory.path(), "login");
    let (_, host, host_public) = keys(directory.path(), "host");
    let host = host.replace('\n', "\n    ");
    std::fs::write(
        directory.path().join("data"),
        format!("#cloud-config\nssh_keys:\n  ed25519_private: |\n    {}\n", host.trim_end()),
    )
    .expect("the directory is ours");
    let script = format!(
        r"
where = '{}'
ec2.import_key_pair(KeyName='login', PublicKeyMaterial=open(where + '/login.pub').read())
one = ids(launch(KeyName='login', UserData=open(where + '/data').read()))
told = ec2.describe_instances(InstanceIds=one)['Reservations'][0]['Instances'][0]
print(one[0], told['PrivateIpAddress'], told['PublicIpAddress'], told['NetworkInterfaces'][0]['PrivateIpAddress'])
",
        directory.path().display()
    );
    let said = run(&proxy, &script);
    let words: Vec<_> = said[0].split(' ').collect();
    let (id, address) = (words[0], words[1]);
    assert!(
        address.starts_with("127.0.1.") && words[2] == address && words[3] == address,
        "{said:?}"
    );
    let known = directory.path().join("known");
    std::fs::write(&known, format!("[{address}]:{SSH_PORT} {host_public}")).expect("it is ours");
    let output = ssh(&login, &known, address, "echo here");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "here\n", "{errors}");
    assert!(public.starts_with("ssh-ed25519 "));
    run(&proxy, &format!("ec2.terminate_instances(InstanceIds=['{id}'])"));
    assert!(!ssh(&login, &known, address, "echo here").status.success());
    proxy.finish();
}

#[test]
fn buckets_and_groups_are_objects_too() {
    let Some(proxy) = start(Options::default()) else { return };
    let said = run(
        &proxy,
        r"
s3 = boto3.client('s3', config=config)
where = {'LocationConstraint': 'eu-central-1'}
s3.create_bucket(Bucket='first', CreateBucketConfiguration=where)
s3.put_bucket_versioning(Bucket='first', VersioningConfiguration={'Status': 'Enabled'})
print(s3.get_bucket_versioning(Bucket='first')['Status'])
s3.put_object(Bucket='first', Key='a/b c', Body=b'x' * 100000)
print(len(s3.get_object(Bucket='first', Key='a/b c')['Body'].read()), s3.head_object(Bucket='first', Key='a/b c')['ContentLength'])
print(ends(s3.head_bucket, Bucket='second'), ends(s3.delete_bucket, Bucket='first'))
for one in s3.list_object_versions(Bucket='first')['Versions']:
    s3.delete_object(Bucket='first', Key=one['Key'], VersionId=one['VersionId'])
print(ends(s3.delete_bucket, Bucket='first'))
spread = {'GroupName': 'g', 'Strategy': 'spread'}
tags = [{'ResourceType': 'placement-group', 'Tags': [{'Key': 'k', 'Value': 'v'}]}]
print(ends(ec2.create_placement_group, **spread, TagSpecifications=tags), ends(ec2.create_placement_group, **spread))
found = ec2.describe_placement_groups(Filters=[{'Name': 'tag:k', 'Values': ['v']}])['PlacementGroups']
print([(group['GroupName'], group['Strategy'], group['Tags'][0]['Value']) for group in found])
print(ends(ec2.delete_placement_group, GroupName='g'), ends(ec2.describe_placement_groups, GroupNames=['g']))
",
    );
    let expected = [
        "Enabled",
        "100000 100000",
        "404 BucketNotEmpty",
        "well",
        "well InvalidPlacementGroup.Duplicate",
        "[('g', 'spread', 'v')]",
        "well InvalidPlacementGroup.Unknown",
    ];
    assert_eq!(said, expected);
    assert!(proxy.ledger().alive().is_empty());
    assert_eq!(proxy.ledger().all().len(), 2);
    proxy.finish();
}

#[test]
fn a_wrong_request_fails_the_test_that_sent_it() {
    let Some(proxy) = start(Options::default()) else { return };
    let said = run(
        &proxy,
        r"
loose = boto3.client('ec2', config=config.merge(Config(parameter_validation=False)))
loose.describe_instances(Filters=[{'Name': 'instance-state', 'Values': ['running']}])
print(ends(loose.describe_vpcs, MaxResults='many'))
",
    );
    assert_eq!(said.len(), 1);
    let violations = proxy.violations();
    assert_eq!(violations.len(), 2, "{violations:#?}");
    let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| proxy.finish()));
    let told = finished.expect_err("it fails");
    let text = told.downcast_ref::<String>().expect("a message");
    assert!(
        text.contains("`instance-state` is no filter") && text.contains("no integer"),
        "{text}"
    );
}

#[test]
fn a_held_call_of_a_client_that_is_gone_is_dropped() {
    let Some(proxy) = start(Options::default()) else { return };
    let stop = proxy.stop_at_change(1);
    let first = command(&proxy, THREE).stdout(Stdio::null()).spawn().expect("python runs");
    assert!(stop.wait(Duration::from_mins(2)));
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(address).expect("the proxy listens");
    let form = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0%2F16";
    let scope = "Credential=A/20260101/eu-central-1/ec2/aws4_request";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: aws\r\nauthorization: AWS4-HMAC-SHA256 {scope}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    std::io::Write::write_all(&mut client, request.as_bytes()).expect("it is sent");
    drop(client);
    killed(first);
    stop.resume();
    wait_until("the proxy answers again", Duration::from_mins(1), || {
        run(&proxy, "print(len(ec2.describe_vpcs()['Vpcs']))") == ["2"]
    });
    assert_eq!(proxy.count("CreateVpc"), 1);
    proxy.fail(Which::Changing, 1, Fault::Throttle);
    proxy.finish();
}

/// Another client than ours gets credentials of the portal, by the model that it brings along.
#[test]
fn the_portal_answers_by_botocores_model() {
    let Some(proxy) = start(Options::default()) else { return };
    let said = run(
        &proxy,
        &r"
sso = boto3.client('sso', config=config)
asked = {'accountId': '123456789012', 'roleName': 'Admin'}
print(ends(sso.get_role_credentials, accessToken='of-nobody', **asked))
found = sso.get_role_credentials(accessToken='TOKEN', **asked)['roleCredentials']
print(sorted(found), found['expiration'] > 1e12)
keys = {'aws_access_key_id': found['accessKeyId'], 'aws_secret_access_key': found['secretAccessKey'], 'aws_session_token': found['sessionToken']}
print(boto3.client('sts', config=config, **keys).get_caller_identity()['Arn'].split('/')[1:])
"
        .replace("TOKEN", PORTAL_TOKEN),
    );
    let expected = [
        "UnauthorizedException",
        "['accessKeyId', 'expiration', 'secretAccessKey', 'sessionToken'] True",
        "['AWSReservedSSO_Admin_0123456789abcdef', 'ada']",
    ];
    assert_eq!(said, expected);
    proxy.finish();
}
